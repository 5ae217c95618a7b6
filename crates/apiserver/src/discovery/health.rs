//! `/healthz`, `/livez`, `/readyz`: one word, or a line per check.

use comity_core::Status;
use http::header;

use crate::{answer::Answer, request::Request};

/// One thing that must be well.
struct Check {
    name: &'static str,
    /// Which of the three paths ask for it.
    paths: &'static [&'static str],
    well: fn(&Request) -> bool,
}

const ALL: &[&str] = &["healthz", "livez", "readyz"];

/// What takes place at the start (boot objects, stored definitions) is done before the server listens.
const CHECKS: &[Check] = &[
    Check { name: "ping", paths: ALL, well: |_| true },
    Check { name: "etcd", paths: ALL, well: |request| request.cx.store.health().failed.is_none() },
    Check { name: "storage", paths: &["readyz"], well: |request| has_space(&request.cx.store.health()) },
    Check { name: "poststarthook/crd-informer-synced", paths: ALL, well: |_| true },
    Check { name: "poststarthook/rbac/bootstrap-roles", paths: ALL, well: |_| true },
    Check { name: "shutdown", paths: &["readyz"], well: |request| !request.cx.stopping.is_cancelled() },
];

/// Whether the store can take writes.
fn has_space(health: &comity_store::Health) -> bool {
    health.failed.is_none() && health.short_of_space.is_none()
}

/// Answers a health path; nothing when the path is none.
pub fn serve(request: &Request) -> Result<Option<Answer>, Status> {
    let text = |code, text: String| Answer::text(code, text).with_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let (group, check) = request.info.path[1..].split_once('/').unwrap_or((&request.info.path[1..], ""));
    if !ALL.contains(&group) || request.info.path.ends_with('/') {
        return Ok(None);
    }
    let checks = || CHECKS.iter().filter(|check| check.paths.contains(&group));
    if check.is_empty() {
        let excluded: Vec<&str> = request.query.all("exclude").collect();
        let results: Vec<(&str, bool)> =
            checks().map(|check| (check.name, excluded.contains(&check.name) || (check.well)(request))).collect();
        let (code, report) = report(group, &results, &excluded, request.query.get("verbose").is_some());
        return Ok(Some(text(code, report)));
    }
    Ok(checks().find(|c| c.name == check).map(|check| match (check.well)(request) {
        true => text(200, "ok".to_owned()),
        false => text(500, format!("internal server error: {} is not well\n", check.name)),
    }))
}

/// The code and text for the results of all checks.
fn report(group: &str, results: &[(&str, bool)], excluded: &[&str], verbose: bool) -> (u16, String) {
    let mut lines = String::new();
    for (name, well) in results {
        lines += &match (excluded.contains(name), well) {
            (true, _) => format!("[+]{name} excluded: ok\n"),
            (false, true) => format!("[+]{name} ok\n"),
            (false, false) => format!("[-]{name} failed: reason withheld\n"),
        };
    }
    let mut unknown: Vec<&str> = excluded.iter().filter(|name| results.iter().all(|(n, _)| n != *name)).copied().collect();
    unknown.sort_unstable();
    unknown.dedup();
    if !unknown.is_empty() {
        let list = unknown.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(",");
        lines += &format!("warn: some health checks cannot be excluded: no matches for {list}\n");
    }
    match (results.iter().all(|(_, well)| *well), verbose) {
        (false, _) => (500, format!("{lines}{group} check failed\n")),
        (true, true) => (200, format!("{lines}{group} check passed\n")),
        (true, false) => (200, "ok".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_always_told_at_length() {
        let (code, text) = report("livez", &[("ping", true), ("etcd", false)], &[], false);
        assert_eq!((code, text.as_str()), (500, "[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n"));
    }

    #[test]
    fn excluded_checks_are_named_and_unknown_ones_warned_about() {
        let (code, text) = report("readyz", &[("ping", true)], &["ping", "foo"], true);
        let wanted = "[+]ping excluded: ok\nwarn: some health checks cannot be excluded: no matches for \"foo\"\nreadyz check passed\n";
        assert_eq!((code, text.as_str()), (200, wanted));
        assert_eq!(report("readyz", &[("ping", true)], &["foo"], false), (200, "ok".to_owned()));
    }
}
