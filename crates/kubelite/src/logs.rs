//! Logs of simulated containers: generated lines that say what they are.

mod lines;

use std::{sync::Arc, time::Duration};

use comity_core::{Status, Value, object};
use comity_runtime::lane::Cache;
use futures::{Stream, stream};
use jiff::Timestamp;

use lines::Log;

/// What is wanted of a log.
#[derive(Clone, Debug, Default)]
pub struct LogRequest {
    /// New lines as they come, until the container ends.
    pub follow: bool,
    /// The log of the container's previous run.
    pub previous: bool,
    /// The time in front of every line.
    pub timestamps: bool,
    /// Only so many lines from the end.
    pub tail_lines: Option<i64>,
    /// Only lines since this time.
    pub since: Option<Timestamp>,
    /// At most so many bytes.
    pub limit_bytes: Option<i64>,
}

/// The logs of a member's simulated pods. Clones share the cache behind it.
#[derive(Clone)]
pub struct PodLogs {
    pods: Cache,
}

impl PodLogs {
    pub(crate) fn new(pods: Cache) -> Self {
        Self { pods }
    }

    /// The log of a container, line by line.
    ///
    /// # Errors
    /// The container is not simulated, has not started, or has no previous run: 400 with the node agent's words.
    pub fn stream(&self, pod: &Value, container: &str, request: &LogRequest) -> Result<impl Stream<Item = String> + Send + use<>, Status> {
        let log = Log::open(pod, container, request.previous)?;
        let now = Timestamp::now();
        let first = cut(log.until(now), request);
        let follows = request.follow && !request.previous && log.is_running();
        let follower = Follower {
            pods: self.pods.clone(),
            pod: Arc::new(pod.clone()),
            container: container.to_owned(),
            timestamps: request.timestamps,
            shown: now,
        };
        let more = stream::unfold(follows.then_some(follower), |follower| async move {
            let mut follower = follower?;
            let (line, goes_on) = follower.next_line().await?;
            Some((line, goes_on.then_some(follower)))
        });
        Ok(futures::StreamExt::chain(stream::iter(first), more))
    }
}

/// The lines that a request wants of those there are.
fn cut(lines: Vec<(Timestamp, String)>, request: &LogRequest) -> Vec<String> {
    let mut lines: Vec<String> = lines
        .into_iter()
        .filter(|(at, _)| request.since.is_none_or(|since| *at >= since))
        .map(|(at, line)| lines::shown(at, &line, request.timestamps))
        .collect();
    if let Some(tail) = request.tail_lines.and_then(|tail| usize::try_from(tail).ok()) {
        lines.drain(..lines.len().saturating_sub(tail));
    }
    if let Some(mut left) = request.limit_bytes.and_then(|limit| usize::try_from(limit).ok()) {
        for line in &mut lines {
            // lines are ASCII but for the names in them
            let end = (0..=left.min(line.len())).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
            line.truncate(end);
            left -= end;
        }
        lines.retain(|line| !line.is_empty());
    }
    lines
}

/// Waits for the next lines of a running container.
struct Follower {
    pods: Cache,
    pod: Arc<Value>,
    container: String,
    timestamps: bool,
    shown: Timestamp,
}

impl Follower {
    /// The next line, and whether there will be another one; `None` at the end.
    async fn next_line(&mut self) -> Option<(String, bool)> {
        loop {
            let log = Log::open(&self.pod, &self.container, false).ok()?;
            let now = Timestamp::now();
            if let Some((at, line)) = log.until(now).into_iter().find(|(at, _)| *at > self.shown) {
                self.shown = at;
                return Some((lines::shown(at, &line, self.timestamps), true));
            }
            if !log.is_running() {
                return None;
            }
            // a look every second notices the end of the container before its next line is due
            tokio::time::sleep(Duration::from_secs(1)).await;
            let live = self.pods.get(object::namespace(&self.pod), object::name(&self.pod))?;
            if object::uid(&live) != object::uid(&self.pod) {
                return None;
            }
            self.pod = live;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<(Timestamp, String)> {
        (0..4).map(|n| (Timestamp::from_second(1_800_000_000 + n * 10).unwrap(), format!("line {n}"))).collect()
    }

    #[test]
    fn requests_cut_lines_by_time_number_and_bytes() {
        let cut = |request: LogRequest| cut(lines(), &request).concat();
        assert_eq!(cut(LogRequest::default()), "line 0\nline 1\nline 2\nline 3\n");
        assert_eq!(cut(LogRequest { tail_lines: Some(1), ..LogRequest::default() }), "line 3\n");
        assert_eq!(cut(LogRequest { tail_lines: Some(0), ..LogRequest::default() }), "");
        let since = Timestamp::from_second(1_800_000_020).ok();
        assert_eq!(cut(LogRequest { since, ..LogRequest::default() }), "line 2\nline 3\n");
        assert_eq!(cut(LogRequest { limit_bytes: Some(9), ..LogRequest::default() }), "line 0\nli");
        assert_eq!(
            cut(LogRequest { timestamps: true, tail_lines: Some(1), ..LogRequest::default() }),
            "2027-01-15T08:00:30.000000Z line 3\n"
        );
    }
}
