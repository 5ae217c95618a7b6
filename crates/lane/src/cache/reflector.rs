//! The task behind a cache: list, then watch from there, for ever.

use std::{pin::pin, sync::Arc, time::Duration};

use comity_core::{Status, Value, object};
use futures::{AsyncBufRead, AsyncBufReadExt};
use tokio::time::{Instant, timeout_at};

use super::Interest;
use crate::{
    backoff::Backoff,
    client::{ClientError, ClusterClient, ListOptions},
};

/// Takes in what a reflector reads. Nothing here may block.
pub(crate) trait Sink: Send + Sync {
    /// A whole list: what it does not name does not exist.
    fn listed(&self, items: Vec<Value>, revision: &str);
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
/// Objects per page of a list.
const PAGE: u32 = 1000;
/// A watch that lived so long was not a failure, however it ended.
const HEALTHY: Duration = Duration::from_secs(5);

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
    loop {
        let started = Instant::now();
        let ended = match revision.take() {
            None => reflector.list().await.map(|listed| revision = Some(listed)),
            Some(mut at) => {
                let mut seen_any = false;
                let ended = reflector.watch(&mut at, &mut seen_any).await;
                if seen_any || started.elapsed() >= HEALTHY {
                    backoff.reset();
                }
                // a refusal may mean that the revision is of no use; a lost connection does not
                if matches!(ended, Ok(Next::Watch)) || ended.as_ref().is_err_and(|error| error.status().is_none()) {
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
                () = tokio::time::sleep(backoff.next_pause()) => {}
                () = reflector.sink.retry_now() => {}
            }
        }
    }
}

struct Reflector<S> {
    client: ClusterClient,
    interest: Interest,
    sink: Arc<S>,
}

impl<S: Sink> Reflector<S> {
    /// Takes a whole list in and returns its revision.
    async fn list(&self) -> Result<String, ClientError> {
        let (items, revision) = match self.pages(PAGE).await {
            // the pages' revision expired on the way: all at once then
            Err(error) if error.is_expired() => self.pages(0).await?,
            other => other?,
        };
        let readable = items.into_iter().filter_map(|item| self.readable(item)).collect();
        self.sink.listed(readable, &revision);
        Ok(revision)
    }

    async fn pages(&self, limit: u32) -> Result<(Vec<Value>, String), ClientError> {
        let mut options = ListOptions { limit, ..self.options() };
        let mut items = Vec::new();
        loop {
            let page = self.client.list(&self.interest.gvr, self.interest.namespace.as_deref(), &options).await?;
            items.extend(page.items);
            if page.continue_token.is_empty() {
                return Ok((items, page.resource_version));
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
            match timeout_at(deadline, lines.read_until(b'\n', &mut line)).await {
                Err(_elapsed) => return Err(ClientError::Timeout),
                Ok(Err(error)) => return Err(ClientError::Unreachable(error.to_string())),
                // the end, or a line that was cut: its event comes again
                Ok(Ok(_)) if line.last() != Some(&b'\n') => return Ok(Next::Watch),
                Ok(Ok(_)) => {}
            }
            let Ok(mut event) = serde_json::from_slice::<Value>(&line) else {
                tracing::warn!(resource = %self.interest.gvr, "skipped an unreadable watch event of {} bytes", line.len());
                continue;
            };
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
