//! `/metrics`: counts of requests and objects in the text format of Prometheus, under the names of the real server.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;

use crate::{cx::Cx, frame::path::RequestInfo};

/// `Content-Type` of the answer.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores";

/// Upper bounds in milliseconds, as the real server has them.
const BOUNDS: [u64; 23] = [
    5, 25, 50, 100, 200, 400, 600, 800, 1000, 1250, 1500, 2000, 3000, 4000, 5000, 6000, 8000, 10_000, 15_000, 20_000, 30_000, 45_000,
    60_000,
];

/// Counters of one server.
pub struct Metrics {
    started: SystemTime,
    requests: Mutex<BTreeMap<Labels, Series>>,
}

/// What requests are told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Labels {
    group: String,
    version: String,
    resource: String,
    subresource: String,
    scope: &'static str,
    verb: &'static str,
}

#[derive(Default)]
struct Series {
    codes: BTreeMap<u16, u64>,
    /// How many took at most each bound; the last counts all.
    buckets: [u64; BOUNDS.len() + 1],
    total: Duration,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { started: SystemTime::now(), requests: Mutex::default() }
    }
}

impl Metrics {
    /// Counts an answered request. Requests for resources that are not served must not come here: their names are the client's.
    pub fn record(&self, info: &RequestInfo, code: u16, took: Duration) {
        let labels = labels(info);
        let mut requests = self.requests.lock();
        let series = requests.entry(labels).or_default();
        *series.codes.entry(code).or_default() += 1;
        series.total += took;
        let millis = took.as_secs_f64() * 1000.0;
        #[allow(clippy::cast_precision_loss, reason = "bounds are small")]
        let first = BOUNDS.iter().position(|bound| millis <= *bound as f64).unwrap_or(BOUNDS.len());
        for bucket in &mut series.buckets[first..] {
            *bucket += 1;
        }
    }

    /// The whole answer.
    pub fn render(&self, cx: &Cx) -> String {
        let objects: Vec<(String, usize)> = cx.store.resources().into_iter().map(|(name, count)| (display_name(&name), count)).collect();
        self.text(&objects)
    }

    fn text(&self, objects: &[(String, usize)]) -> String {
        let mut out = String::new();
        head(
            &mut out,
            "apiserver_request_total",
            "counter",
            "Counter of apiserver requests broken out for each verb, group, version, resource and HTTP response code.",
        );
        let requests = self.requests.lock();
        for (labels, series) in &*requests {
            for (code, count) in &series.codes {
                line(&mut out, "apiserver_request_total", &format!("code=\"{code}\",{labels}"), count);
            }
        }
        let name = "apiserver_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "Response latency distribution in seconds for each verb, group, version, resource, subresource, scope and component.",
        );
        for (labels, series) in &*requests {
            for (bound, count) in BOUNDS.iter().zip(&series.buckets) {
                #[allow(clippy::cast_precision_loss, reason = "bounds are small")]
                let seconds = *bound as f64 / 1000.0;
                line(&mut out, &format!("{name}_bucket"), &format!("{labels},le=\"{seconds}\""), count);
            }
            let all = series.buckets[BOUNDS.len()];
            line(&mut out, &format!("{name}_bucket"), &format!("{labels},le=\"+Inf\""), all);
            line(&mut out, &format!("{name}_sum"), &labels.to_string(), series.total.as_secs_f64());
            line(&mut out, &format!("{name}_count"), &labels.to_string(), all);
        }
        for name in ["apiserver_storage_objects", "apiserver_resource_objects"] {
            head(&mut out, name, "gauge", "Number of stored objects at the time of last check split by kind.");
            for (resource, count) in objects {
                line(&mut out, name, &format!("resource=\"{resource}\""), count);
            }
        }
        head(&mut out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.");
        let started = self.started.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let _ = writeln!(out, "process_start_time_seconds {started}");
        out
    }
}

/// `deployments.apps`, from the name in the store.
fn display_name(storage: &str) -> String {
    storage.split_once('/').map_or_else(|| storage.to_owned(), |(group, resource)| format!("{resource}.{group}"))
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = writeln!(out, "{name}{{{labels}}} {value}");
}

fn labels(info: &RequestInfo) -> Labels {
    let verb = match info.verb {
        "get" => "GET",
        "list" => "LIST",
        "watch" => "WATCH",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" => "DELETE",
        "deletecollection" => "DELETECOLLECTION",
        _ => "OTHER",
    };
    let scope = match (info.is_resource, info.name.is_empty(), info.namespace.is_empty()) {
        (false, ..) => "",
        (true, false, _) => "resource",
        (true, true, false) => "namespace",
        (true, true, true) => "cluster",
    };
    let own = |text: &str| if info.is_resource { text.to_owned() } else { String::new() };
    Labels {
        group: own(&info.group),
        version: own(&info.version),
        resource: own(&info.resource),
        subresource: own(&info.subresource),
        scope,
        verb,
    }
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { group, version, resource, subresource, scope, verb } = self;
        write!(
            f,
            "component=\"apiserver\",dry_run=\"\",group={group:?},resource={resource:?},scope={scope:?},subresource={subresource:?},verb={verb:?},version={version:?}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_kind_and_code_with_cumulative_buckets() {
        let metrics = Metrics::default();
        let info = RequestInfo {
            is_resource: true,
            verb: "list",
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
            ..RequestInfo::default()
        };
        metrics.record(&info, 200, Duration::from_millis(3));
        metrics.record(&info, 200, Duration::from_millis(30));
        metrics.record(&info, 403, Duration::from_secs(120));
        let text = metrics.text(&[("deployments.apps".to_owned(), 4)]);
        let labels = r#"component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1""#;
        for wanted in [
            format!("apiserver_request_total{{code=\"200\",{labels}}} 2"),
            format!("apiserver_request_total{{code=\"403\",{labels}}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"0.05\"}} 2"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"60\"}} 2"),
            format!("apiserver_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            "apiserver_storage_objects{resource=\"deployments.apps\"} 4".to_owned(),
        ] {
            assert!(text.lines().any(|line| line == wanted), "{wanted} is not in\n{text}");
        }
    }
}
