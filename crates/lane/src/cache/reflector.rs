//! The task behind a cache: list, then watch from there, for ever.

use std::{pin::pin, sync::Arc, time::Duration};

use comity_core::{LabelSelector, Status, Value, marks::object_name, object};
use futures::{AsyncBufRead, AsyncBufReadExt};
use tokio::time::{Instant, timeout_at};

use super::Interest;
use crate::{
    backoff::Backoff,
    client::{ClientError, ClusterClient, ListOptions},
};

/// An object that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub namespace: String,
    pub name: String,
    pub uid: String,
}

/// Takes in what a reflector reads. Nothing here may block.
pub(crate) trait Sink: Send + Sync {
    /// What is kept of an object of a list.
    type Item: Send;
    /// Cuts an object of a list down at once, so that a long list is never in memory as objects.
    fn keep(&self, object: Value) -> Self::Item;
    /// What was taken in before and is not in a list of this revision, though it should be if it still exists.
    fn missing(&self, listed: &[Self::Item], revision: &str) -> Vec<Known>;
    /// The cluster has been set back to an earlier state: what was told of later ones is void. A list follows.
    fn set_back(&self) {}
    /// A whole list: what it does not name does not exist.
    fn listed(&self, items: Vec<Self::Item>, revision: &str);
    /// An object appeared or changed.
    fn changed(&self, object: Value, revision: &str);
    /// An object is gone; its last state.
    fn deleted(&self, last: Value, revision: &str);
    /// Nothing changed up to this revision.
    fn passed(&self, revision: &str);
    /// Why what was taken in may be behind; `None` while the watch runs.
    fn trouble(&self, error: Option<&ClientError>);
    /// Returns when a pause after a failure should end early.
    fn retry_now(&self) -> impl Future<Output = ()> + Send
    where
        Self: Sized;
}

/// How long the server is asked to keep a watch open.
const WATCH_TIMEOUT: Duration = Duration::from_secs(290);
/// A watch that its server has not ended so much later is a dead connection.
const SILENCE_MARGIN: Duration = Duration::from_secs(15);
/// Servers send a bookmark every minute: a connection on which nothing came for so long is dead.
const QUIET: Duration = Duration::from_secs(150);
/// Objects per page of a list.
const PAGE: u32 = 500;
/// A watch that lived so long was not a failure, however it ended.
const HEALTHY: Duration = Duration::from_secs(5);
/// So many of the objects that a list lacks are asked for one by one before they count as gone.
const SAMPLE: usize = 16;
/// So many lists in a row of a revision before the last known one mean that the cluster was set back.
const SET_BACK: u32 = 5;

/// Where to go on after a watch.
#[derive(Debug, PartialEq)]
enum Next {
    /// From the last revision.
    Watch,
    /// The revision is no longer kept, or the server told a failure.
    List,
}

/// Lists and watches for ever.
pub(crate) async fn run<S: Sink>(client: ClusterClient, interest: Interest, sink: Arc<S>) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
    let reflector = Reflector { client, interest, sink };
    let mut revision = None;
    let mut past = Past::default();
    loop {
        let started = Instant::now();
        let ended = match revision.take() {
            None => reflector.list(&mut past).await.map(|listed| revision = Some(listed)),
            Some(mut at) => {
                let mut seen_any = false;
                let ended = reflector.watch(&mut at, &mut seen_any).await;
                if seen_any || started.elapsed() >= HEALTHY {
                    backoff.reset();
                }
                past.reached(&at);
                // a refusal may mean that the revision is of no use, and so does an unreadable event; a lost connection does not
                let lost = |error: &ClientError| matches!(error, ClientError::Unreachable(_) | ClientError::Timeout);
                if matches!(ended, Ok(Next::Watch)) || ended.as_ref().is_err_and(lost) {
                    revision = Some(at);
                }
                match ended {
                    // a server that ends its watches at once must not be asked without a pause
                    Ok(_) if !seen_any && started.elapsed() < HEALTHY => {
                        Err(ClientError::Unreachable("the watch ended at once".to_owned()))
                    }
                    Ok(_) => Ok(()),
                    Err(error) => Err(error),
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(resource = %reflector.interest.gvr, %error, "the copy stays as it was");
            reflector.sink.trouble(Some(&error));
            tokio::select! {
                biased;
                () = tokio::time::sleep(backoff.next_pause()) => {}
                () = reflector.sink.retry_now() => {}
            }
        }
    }
}

/// The newest revision that was told, and how many lists in a row showed an earlier one.
#[derive(Default)]
struct Past {
    newest: u128,
    behind: u32,
}

impl Past {
    fn reached(&mut self, revision: &str) {
        self.newest = self.newest.max(revision.parse().unwrap_or(0));
    }

    /// Whether a list shows an earlier state than one that was told before.
    fn is_behind(&mut self, revision: &str) -> bool {
        let behind = revision.parse().is_ok_and(|revision: u128| revision < self.newest);
        self.behind = if behind { self.behind + 1 } else { 0 };
        behind
    }
}

struct Reflector<S> {
    client: ClusterClient,
    interest: Interest,
    sink: Arc<S>,
}

impl<S: Sink> Reflector<S> {
    /// Takes a whole list in and returns its revision.
    ///
    /// A list that lacks what exists, or shows a state before one that was told, is not taken in: it is no news of
    /// deletions. A cluster that was restored from a backup keeps showing its earlier state and is believed then.
    async fn list(&self, past: &mut Past) -> Result<String, ClientError> {
        let (items, some, revision) = match self.pages(PAGE).await {
            // the pages' revision expired on the way: all at once then
            Err(error) if error.is_expired() => self.pages(0).await?,
            other => other?,
        };
        let gvr = &self.interest.gvr;
        // of a list that is behind, what came after it is missing too
        let up_to = revision.parse().unwrap_or(0).max(past.newest).to_string();
        if let Some(present) = self.still_there(self.sink.missing(&items, &up_to)).await? {
            let what = object_name(&present.namespace, &present.name);
            return Err(ClientError::Malformed(format!("the list of {gvr} lacks {what}, which exists")));
        }
        if past.is_behind(&revision) {
            if past.behind < SET_BACK || self.has_moved_on(&some, &revision).await? {
                let newest = past.newest;
                return Err(ClientError::Malformed(format!("the list of {gvr} shows revision {revision}, and {newest} was told before")));
            }
            tracing::warn!(resource = %gvr, revision, newest = %past.newest, "the cluster shows an earlier state: it is taken as restored");
            *past = Past::default();
            self.sink.set_back();
        }
        past.reached(&revision);
        self.sink.listed(items, &revision);
        Ok(revision)
    }

    /// Whether the cluster shows one of these objects in a later state than the list of them.
    async fn has_moved_on(&self, listed: &[(String, String)], revision: &str) -> Result<bool, ClientError> {
        let revision: u128 = revision.parse().unwrap_or(0);
        let asked = listed.iter().map(|(namespace, name)| self.client.get(&self.interest.gvr, namespace, name));
        let live = futures::future::try_join_all(asked).await?;
        Ok(live.iter().flatten().any(|live| object::resource_version(live).parse().is_ok_and(|at: u128| at > revision)))
    }

    /// One of these objects that exists and belongs into the list. Some are asked for where there are many.
    async fn still_there(&self, missing: Vec<Known>) -> Result<Option<Known>, ClientError> {
        // whether a field selector still holds cannot be told from here
        if missing.is_empty() || !self.interest.field_selector.is_empty() {
            return Ok(None);
        }
        let selector = LabelSelector::parse(&self.interest.label_selector).map_err(|e| ClientError::Malformed(e.to_string()))?;
        let apart = missing.len().div_ceil(SAMPLE);
        let asked = missing.into_iter().step_by(apart).map(|known| async move {
            let live = self.client.get(&self.interest.gvr, &known.namespace, &known.name).await?;
            Ok::<_, ClientError>(live.map(|live| (known, live)))
        });
        let found = futures::future::try_join_all(asked).await?;
        let belongs = |(known, live): &(Known, Value)| {
            object::uid(live) == known.uid && selector.matches(object::labels(live)) && !object::is_deleting(live)
        };
        Ok(found.into_iter().flatten().find(belongs).map(|(known, _)| known))
    }

    /// The whole list: what is kept of its objects, namespaces and names of some of them, and its revision.
    async fn pages(&self, limit: u32) -> Result<(Vec<S::Item>, Vec<(String, String)>, String), ClientError> {
        let mut options = ListOptions { limit, ..self.options() };
        let (mut items, mut some) = (Vec::new(), Vec::new());
        loop {
            let page = self.client.list(&self.interest.gvr, self.interest.namespace.as_deref(), &options).await?;
            let place = |object: &Value| (object::namespace(object).to_owned(), object::name(object).to_owned());
            some.extend(page.items.iter().take(SAMPLE.saturating_sub(some.len())).map(place));
            items.extend(page.items.into_iter().filter_map(|item| self.readable(item)).map(|item| self.sink.keep(item)));
            if page.continue_token.is_empty() {
                return Ok((items, some, page.resource_version));
            }
            options.continue_token = page.continue_token;
        }
    }

    async fn watch(&self, at: &mut String, seen_any: &mut bool) -> Result<Next, ClientError> {
        let interest = &self.interest;
        let options = ListOptions { resource_version: at.clone(), ..self.options() };
        let lines = self.client.watch_lines(&interest.gvr, interest.namespace.as_deref(), &options, WATCH_TIMEOUT).await;
        let lines = match lines {
            Err(error) if error.is_expired() => return Ok(Next::List),
            other => other?,
        };
        self.sink.trouble(None);
        self.follow(lines, at, seen_any).await
    }

    async fn follow(&self, lines: impl AsyncBufRead, at: &mut String, seen_any: &mut bool) -> Result<Next, ClientError> {
        let mut lines = pin!(lines);
        let deadline = Instant::now() + WATCH_TIMEOUT + SILENCE_MARGIN;
        let mut line = Vec::new();
        loop {
            line.clear();
            match timeout_at(deadline.min(Instant::now() + QUIET), lines.read_until(b'\n', &mut line)).await {
                Err(_elapsed) => return Err(ClientError::Timeout),
                Ok(Err(error)) => return Err(ClientError::Unreachable(error.to_string())),
                // the end, or a line that was cut: its event comes again
                Ok(Ok(_)) if line.last() != Some(&b'\n') => return Ok(Next::Watch),
                Ok(Ok(_)) => {}
            }
            // what it would have said must not be missed: the list says it too
            let mut event = serde_json::from_slice::<Value>(&line)
                .map_err(|e| ClientError::Malformed(format!("a watch event of {} bytes is not JSON: {e}", line.len())))?;
            let kind = object::str_at(&event, &["type"]).to_owned();
            let body = event.get_mut("object").map(Value::take).unwrap_or_default();
            if kind == "ERROR" {
                let error = ClientError::of_status(Status::from_value(500, &body));
                return if error.is_expired() { Ok(Next::List) } else { Err(error) };
            }
            *seen_any = true;
            let revision = object::resource_version(&body).to_owned();
            if revision.is_empty() {
                continue;
            }
            match kind.as_str() {
                "ADDED" | "MODIFIED" => match self.readable(body) {
                    Some(body) => self.sink.changed(body, &revision),
                    None => self.sink.passed(&revision),
                },
                "DELETED" => match self.readable(body) {
                    Some(body) => self.sink.deleted(body, &revision),
                    None => self.sink.passed(&revision),
                },
                // a bookmark carries only a revision
                _ => self.sink.passed(&revision),
            }
            *at = revision;
        }
    }

    /// The object cut down to what is kept; `None` for one that has no name to keep it under.
    fn readable(&self, mut object: Value) -> Option<Value> {
        if object::name(&object).is_empty() {
            tracing::warn!(resource = %self.interest.gvr, "skipped an object without a name");
            return None;
        }
        if let Some(project) = self.interest.project {
            project(&mut object);
        }
        Some(object)
    }

    fn options(&self) -> ListOptions {
        ListOptions {
            label_selector: self.interest.label_selector.clone(),
            field_selector: self.interest.field_selector.clone(),
            ..ListOptions::default()
        }
    }
}
