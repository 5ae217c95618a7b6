//! `watch`: a stream of changes.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use comity_core::{Map, Reason, Status, Value, json};
use comity_store::{Cursor, Entry, Event, EventKind, WatchError};
use tokio::time::Instant;

use super::{
    list,
    list_options::ListOptions,
    render::{self, Writer},
    select::Selection,
};
use crate::{
    answer::{Answer, JSON},
    cx::Cx,
    frame::accept::View,
    registry::Resource,
    request::Request,
};

/// How often a quiet watch gets a bookmark.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// How long before its end a watch gets a last bookmark.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// The least time a watch lasts when the client does not say.
const LEAST_SECONDS: u64 = 1800;
/// Initial objects per chunk.
const CHUNK: usize = 200;

/// Answers a watch. Once the options are understood, errors are in the stream.
///
/// # Errors
/// 400, 406 or 422 for options that cannot be understood.
pub async fn watch(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let (_, view) = request.accept.object()?;
    let include = render::include(request)?;
    let mut options = ListOptions::parse(&request.query, true)?;
    let selection = Selection::parse(resource, &request.query)?;
    let mut query_name = None;
    // The legacy `/watch/.../<name>` path names an object without a selector.
    if !request.info.name.is_empty() && selection.name().is_none() {
        query_name = Some(request.info.name.clone());
    }
    let seconds = options.timeout_seconds.unwrap_or_else(|| LEAST_SECONDS + rand::random_range(0..LEAST_SECONDS));
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let legacy = options.send_initial_events.is_none() && options.revision.unwrap_or(0) == 0;
    let announce_end = options.send_initial_events == Some(true) && options.bookmarks;
    if legacy {
        options.send_initial_events = Some(true);
    }
    let filter = Filter {
        resource: resource.clone(),
        namespace: list::namespace_of(request, resource).map(str::to_owned),
        name: query_name,
        selection,
    };
    let mut watcher = Watcher {
        cx: request.cx.clone(),
        encoder: Encoder { resource: resource.clone(), view, include, definitions_sent: false },
        filter,
        deadline,
        next_bookmark: options.bookmarks.then(|| Instant::now() + BOOKMARK_EVERY),
        last_bookmark_done: Duration::from_secs(seconds) <= BOOKMARK_BEFORE_END,
        initial: VecDeque::new(),
        announce: None,
        cursor: None,
        failed: None,
        registry_serial: request.cx.registry.changes(),
    };
    watcher.begin(&options, announce_end).await;
    let stream = futures::stream::unfold(watcher, |mut watcher| async move { watcher.next_chunk().await.map(|chunk| (chunk, watcher)) });
    Ok(Answer::stream(200, JSON, stream))
}

/// Which objects a watcher sees.
struct Filter {
    resource: Arc<Resource>,
    namespace: Option<String>,
    name: Option<String>,
    selection: Selection,
}

impl Filter {
    fn place_matches(&self, entry: &Entry) -> bool {
        self.namespace.as_deref().is_none_or(|n| n == &*entry.key.namespace) && self.name.as_deref().is_none_or(|n| n == &*entry.key.name)
    }

    fn matches(&self, entry: &Entry) -> bool {
        self.place_matches(entry) && self.selection.matches(entry)
    }

    /// What an event is for this watcher: its type and the object it shows.
    fn see<'e>(&self, event: &'e Event) -> Option<(&'static str, &'e Entry)> {
        if !self.place_matches(&event.entry) {
            return None;
        }
        let before = event.previous.as_deref().filter(|p| self.selection.matches(p));
        if event.kind == EventKind::Delete {
            return before.or_else(|| event.previous.is_none().then_some(&event.entry)).map(|_| ("DELETED", &*event.entry));
        }
        match (before, self.selection.matches(&event.entry)) {
            (Some(_), true) => Some(("MODIFIED", &event.entry)),
            (None, true) => Some(("ADDED", &event.entry)),
            (Some(previous), false) => Some(("DELETED", previous)),
            (None, false) => None,
        }
    }
}

/// Writes events in the form that the client asked for.
struct Encoder {
    resource: Arc<Resource>,
    view: View,
    include: render::Include,
    definitions_sent: bool,
}

impl Encoder {
    fn event(&mut self, kind: &str, entry: &Entry, rev: u64, out: &mut Vec<u8>) {
        let writer = Writer::new(&self.resource, self.view, self.include);
        out.extend_from_slice(b"{\"type\":\"");
        out.extend_from_slice(kind.as_bytes());
        out.extend_from_slice(b"\",\"object\":");
        if writer.is_plain(entry) {
            entry.body.write_to(rev, out);
        } else {
            let mut object = writer.object(entry);
            comity_core::object::set(&mut object, &["metadata", "resourceVersion"], rev.to_string().into());
            let shown = writer.shown(object, !self.definitions_sent);
            self.definitions_sent = true;
            out.extend_from_slice(shown.to_string().as_bytes());
        }
        out.extend_from_slice(b"}\n");
    }

    fn bookmark(&mut self, rev: u64, end_of_initial: bool, out: &mut Vec<u8>) {
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), rev.to_string().into());
        if end_of_initial {
            metadata.insert("annotations".into(), json!({"k8s.io/initial-events-end": "true"}));
        }
        let (kind, version) = (self.resource.info.kind.as_str(), &*self.resource.api_version);
        let object = match self.view {
            View::Object => json!({"kind": kind, "apiVersion": version, "metadata": metadata}),
            View::Metadata(version) => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata})
            }
            View::Table(version) => {
                let carried = json!({"kind": kind, "apiVersion": version, "metadata": metadata});
                let list = json!({"resourceVersion": rev.to_string()});
                let list = list.as_object().cloned().unwrap_or_default();
                let shown = render::table_of(&self.resource, &[carried], version, self.include, !self.definitions_sent, list);
                self.definitions_sent = true;
                shown
            }
        };
        line("BOOKMARK", &object, out);
    }
}

fn line(kind: &str, object: &Value, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").as_bytes());
}

/// One running watch.
struct Watcher {
    cx: Cx,
    encoder: Encoder,
    filter: Filter,
    deadline: Instant,
    next_bookmark: Option<Instant>,
    last_bookmark_done: bool,
    initial: VecDeque<Arc<Entry>>,
    /// The revision of the initial state, when its end is to be announced.
    announce: Option<u64>,
    cursor: Option<Cursor>,
    /// An error that is still to be sent; the stream ends with it.
    failed: Option<Status>,
    registry_serial: tokio::sync::watch::Receiver<u64>,
}

impl Watcher {
    /// Takes the initial state and a place in the history.
    async fn begin(&mut self, options: &ListOptions, announce_end: bool) {
        let asked = options.revision.unwrap_or(0);
        if options.send_initial_events == Some(true) {
            if let Err(status) = list::wait_for(&self.cx, asked).await {
                self.failed = Some(status);
                return;
            }
            let listing = self.cx.store.list(&self.filter.resource.storage, self.filter.namespace.as_deref());
            self.initial = listing.entries.into_iter().filter(|e| self.filter.matches(e)).collect();
            self.announce = announce_end.then_some(listing.rev);
            self.open(listing.rev);
        } else if asked == 0 {
            self.open(self.cx.store.revision());
        } else {
            // A revision that is not there yet is waited for like a list's: events after it are all that matters.
            if let Err(status) = list::wait_for(&self.cx, asked).await {
                self.failed = Some(status);
                return;
            }
            self.open(asked);
        }
    }

    fn open(&mut self, from: u64) {
        match self.cx.store.watch(&self.filter.resource.storage, from) {
            Ok(cursor) => self.cursor = Some(cursor),
            Err(too_old) => self.failed = Some(expired(from, too_old.oldest)),
        }
    }

    /// The next bytes of the stream; nothing at its end.
    async fn next_chunk(&mut self) -> Option<Bytes> {
        let mut out = Vec::new();
        if !self.initial.is_empty() {
            for entry in self.initial.drain(..self.initial.len().min(CHUNK)) {
                self.encoder.event("ADDED", &entry, entry.rev, &mut out);
            }
            return Some(out.into());
        }
        if let Some(rev) = self.announce.take() {
            self.encoder.bookmark(rev, true, &mut out);
            return Some(out.into());
        }
        if let Some(status) = self.failed.take() {
            self.cursor = None;
            line("ERROR", &status.to_value(), &mut out);
            return Some(out.into());
        }
        loop {
            let cursor = self.cursor.as_mut()?;
            let bookmark_at = match self.next_bookmark {
                None => self.deadline,
                Some(_) if !self.last_bookmark_done && self.deadline - BOOKMARK_BEFORE_END <= Instant::now() => Instant::now(),
                Some(at) if !self.last_bookmark_done => at.min(self.deadline - BOOKMARK_BEFORE_END),
                Some(at) => at,
            };
            let batch = tokio::select! {
                biased;
                () = self.cx.stopping.cancelled() => return None,
                () = tokio::time::sleep_until(self.deadline) => return None,
                batch = cursor.next_batch() => batch,
                () = tokio::time::sleep_until(bookmark_at), if self.next_bookmark.is_some() => {
                    let now = Instant::now();
                    self.last_bookmark_done |= now >= self.deadline - BOOKMARK_BEFORE_END;
                    self.next_bookmark = Some(now + BOOKMARK_EVERY);
                    let rev = cursor.progress();
                    self.encoder.bookmark(rev, false, &mut out);
                    return Some(out.into());
                }
                changed = self.registry_serial.changed() => {
                    if changed.is_err() || self.is_gone() {
                        return None;
                    }
                    continue;
                }
            };
            match batch {
                Ok(events) => {
                    for event in events {
                        if let Some((kind, entry)) = self.filter.see(&event) {
                            self.encoder.event(kind, entry, event.rev, &mut out);
                        }
                    }
                    if !out.is_empty() {
                        return Some(out.into());
                    }
                }
                Err(WatchError::Overrun { oldest }) => {
                    self.cursor = None;
                    line("ERROR", &expired(oldest.saturating_sub(1), oldest).to_value(), &mut out);
                    return Some(out.into());
                }
                Err(WatchError::Closed) => return None,
            }
        }
    }

    /// Whether the watched resource is no longer served as it was (its definition changed or went away).
    fn is_gone(&self) -> bool {
        let resource = &self.filter.resource;
        if resource.custom.is_none() {
            return false;
        }
        let current = self.cx.registry.current();
        current.find(&resource.info.group, &resource.info.version, &resource.info.plural).is_none()
    }
}

fn expired(asked: u64, oldest: u64) -> Status {
    Status::new(Reason::Expired, format!("too old resource version: {asked} ({oldest})"))
}
