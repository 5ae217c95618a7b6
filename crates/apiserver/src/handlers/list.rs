//! `list`: the objects of a collection at one revision.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use comity_core::{Map, Reason, Status, Value};
use comity_store::{Entry, ListError, Listing, Page};

use tokio::time::Instant;

use super::{
    continue_token::Position,
    list_options::{ListOptions, Match},
    render::{self, Writer},
    select::Selection,
};
use crate::{
    answer::{Answer, JSON},
    cx::Cx,
    frame::{
        accept::{Format, View},
        gzip,
    },
    registry::Resource,
    request::Request,
};

/// How long a list waits for a revision that is not there yet.
const FUTURE_WAIT: Duration = Duration::from_secs(3);
/// Lists beyond this size are sent in pieces while they are written.
const STREAM_FROM: usize = 2 * 1024 * 1024;
/// The size of such a piece.
const PIECE: usize = 256 * 1024;

/// What a list answers with.
pub struct Found {
    /// The revision it shows.
    pub revision: u64,
    /// The objects.
    pub entries: Vec<Arc<Entry>>,
    /// Token of the next page, if there is one.
    pub next: Option<String>,
    /// How many more there are; only known without selectors.
    pub remaining: Option<usize>,
}

/// Answers a list.
///
/// # Errors
/// 400, 406, 410, 422 or 504, as the API states them.
pub async fn list(request: &Request, resource: &Resource) -> Result<Answer, Status> {
    let (format, view) = request.accept.object()?;
    let include = render::include(request)?;
    let options = ListOptions::parse(&request.query, false)?;
    let selection = Selection::parse(resource, &request.query)?;
    let namespace = namespace_of(request, resource);
    let found = find(&request.cx, resource, namespace, &options, &selection).await?;
    answer(request, resource, &found, format, view, include)
}

/// The namespace that a collection request is about; nothing for all, or for cluster-scoped kinds.
pub fn namespace_of<'a>(request: &'a Request, resource: &Resource) -> Option<&'a str> {
    (resource.info.namespaced && !request.info.namespace.is_empty()).then_some(request.info.namespace.as_str())
}

/// Waits until a revision is there.
///
/// # Errors
/// 504 when it does not come.
pub async fn wait_for(cx: &Cx, revision: u64) -> Result<(), Status> {
    if cx.store.revision() >= revision || cx.store.wait_revision(revision, Instant::now() + FUTURE_WAIT).await {
        return Ok(());
    }
    let message = format!("Timeout: Too large resource version: {revision}, current: {}", cx.store.revision());
    Err(Status::new(Reason::Timeout, message).with_cause("ResourceVersionTooLarge", "Too large resource version", "").retry_after(1))
}

/// Finds the objects of a list.
///
/// # Errors
/// 400, 410 or 504.
pub async fn find(
    cx: &Cx,
    resource: &Resource,
    namespace: Option<&str>,
    options: &ListOptions,
    selection: &Selection,
) -> Result<Found, Status> {
    let mut exact = None;
    let mut start = None;
    if let Some(token) = &options.continue_token {
        if options.revision.is_some_and(|r| r > 0) {
            return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
        }
        let position = Position::parse(token)?;
        exact = position.revision;
        start = Some(position.start);
    } else if let Some(revision) = options.revision.filter(|r| *r > 0) {
        match options.matching {
            Some(Match::Exact) => exact = Some(revision),
            None if options.limit > 0 => exact = Some(revision),
            _ => {}
        }
        wait_for(cx, revision).await?;
    }
    let limit = usize::try_from(options.limit).unwrap_or(usize::MAX);
    let selective = !selection.is_all();
    let page = Page { namespace, start: start.as_deref(), limit: (limit > 0 && !selective).then_some(limit) };
    let listing = cx.store.page(&resource.storage, exact, &page).map_err(|e| too_old(e, options, start.as_deref()))?;
    Ok(selected(listing, namespace, limit, selection))
}

fn selected(listing: Listing, namespace: Option<&str>, limit: usize, selection: &Selection) -> Found {
    let Listing { rev, mut entries, mut remaining } = listing;
    let selective = !selection.is_all();
    let mut more = remaining > 0;
    if selective {
        entries.retain(|entry| selection.matches(entry));
        if limit > 0 && entries.len() > limit {
            entries.truncate(limit);
            more = true;
        }
        remaining = 0;
    }
    let next = match entries.last() {
        Some(last) if more => {
            let key = match (namespace, last.key.namespace.as_ref()) {
                (Some(_), _) | (None, "") => last.key.name.to_string(),
                (None, namespace) => format!("{namespace}/{}", last.key.name),
            };
            Some(Position::after(rev, &key).to_token())
        }
        _ => None,
    };
    let remaining = (next.is_some() && !selective).then_some(remaining);
    Found { revision: rev, entries, next, remaining }
}

fn too_old(error: ListError, options: &ListOptions, start: Option<&str>) -> Status {
    match (error, start) {
        (ListError::Future { current }, _) => {
            let asked = options.revision.unwrap_or(0);
            Status::new(Reason::Timeout, format!("Timeout: Too large resource version: {asked}, current: {current}"))
                .with_cause("ResourceVersionTooLarge", "Too large resource version", "")
                .retry_after(1)
        }
        (ListError::Compacted { .. }, None) => Status::new(Reason::Expired, "The resourceVersion for the provided list is too old."),
        (ListError::Compacted { .. }, Some(start)) => {
            let mut status = Status::new(
                Reason::Expired,
                "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
                 the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
                 Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted \
                 between the time the first chunk was returned and now may show up in the list.",
            );
            status.continue_token = Some(Position { revision: None, start: start.to_owned() }.to_token());
            status
        }
    }
}

fn list_metadata(found: &Found, custom: bool) -> Map<String, Value> {
    let mut metadata = Map::new();
    // Custom lists are written with sorted keys, and always with a continue field.
    if custom {
        metadata.insert("continue".into(), found.next.clone().unwrap_or_default().into());
    }
    if custom && let Some(remaining) = found.remaining {
        metadata.insert("remainingItemCount".into(), remaining.into());
    }
    metadata.insert("resourceVersion".into(), found.revision.to_string().into());
    if !custom && let Some(next) = &found.next {
        metadata.insert("continue".into(), next.clone().into());
    }
    if !custom && let Some(remaining) = found.remaining {
        metadata.insert("remainingItemCount".into(), remaining.into());
    }
    metadata
}

/// Writes a list in the form that was asked for.
///
/// # Errors
/// 500 when it cannot be written as YAML.
pub fn answer(
    request: &Request,
    resource: &Resource,
    found: &Found,
    format: Format,
    view: View,
    include: render::Include,
) -> Result<Answer, Status> {
    let writer = Writer::new(resource, view, include);
    if let View::Table(version) = view {
        let objects: Vec<Value> = found.entries.iter().map(|e| writer.object(e)).collect();
        let value = render::table_of(resource, &objects, version, include, true, list_metadata(found, false));
        return render::written(200, format, request.accept.pretty, &value);
    }
    let custom = resource.custom.is_some() && view == View::Object;
    let metadata = Value::Object(list_metadata(found, custom)).to_string();
    let (kind, version) = match view {
        View::Metadata(version) => ("PartialObjectMetadataList", format!("meta.k8s.io/{version}")),
        _ => (resource.info.list_kind.as_str(), resource.api_version.to_string()),
    };
    let (head, tail) = if custom {
        (format!(r#"{{"apiVersion":"{version}","items":["#), format!(r#"],"kind":"{kind}","metadata":{metadata}}}"#))
    } else {
        (format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{metadata},"items":["#), "]}".to_owned())
    };
    let size: usize = found.entries.iter().map(|e| e.body.size() + 24).sum();
    let takes_gzip = gzip::accepted(request.header("accept-encoding"));
    if format == Format::Json && !request.accept.pretty && !takes_gzip && view == View::Object && size > STREAM_FROM {
        return Ok(streamed(resource, view, include, head, tail, found.entries.clone()));
    }
    let mut out = Vec::with_capacity(size + 256);
    out.extend_from_slice(head.as_bytes());
    for (index, entry) in found.entries.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        writer.write(entry, true, &mut out);
    }
    out.extend_from_slice(tail.as_bytes());
    if format == Format::Json && !request.accept.pretty {
        out.push(b'\n');
        return Ok(Answer::bytes(200, JSON, out));
    }
    let value: Value = serde_json::from_slice(&out).map_err(Status::internal)?;
    render::written(200, format, request.accept.pretty, &value)
}

/// A large list as pieces that are written while they are sent: memory grows with the piece, not with the list.
fn streamed(resource: &Resource, view: View, include: render::Include, head: String, tail: String, entries: Vec<Arc<Entry>>) -> Answer {
    let resource = resource.clone();
    let mut entries = entries.into_iter();
    let mut state = Some((head, tail));
    let mut first = true;
    let pieces = std::iter::from_fn(move || {
        let (head, _) = state.as_mut()?;
        let writer = Writer::new(&resource, view, include);
        let mut out = Vec::with_capacity(PIECE + 64 * 1024);
        out.extend_from_slice(std::mem::take(head).as_bytes());
        while out.len() < PIECE {
            let Some(entry) = entries.next() else {
                let (_, tail) = state.take()?;
                out.extend_from_slice(tail.as_bytes());
                out.push(b'\n');
                break;
            };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            writer.write(&entry, true, &mut out);
        }
        Some(Bytes::from(out))
    });
    Answer::stream(200, JSON, futures::stream::iter(pieces))
}
