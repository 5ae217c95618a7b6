//! The status of a `KubeFedCluster`: conditions with KubeFed's words. Pure.

use std::collections::BTreeMap;

use comity_api_kubefed::cluster::{CONFIG_MALFORMED, HEALTH_CONDITIONS, OFFLINE, READY};
use comity_core::{Value, condition, json, object};

use crate::{flags::FlaggedCondition, health::Health, probe::Probe};

/// One condition without its times.
struct Line<'a> {
    kind: &'a str,
    status: &'a str,
    reason: &'a str,
    message: String,
}

fn lines(probe: &Probe) -> Vec<Line<'static>> {
    let line = |kind, status, reason, message: &str| Line { kind, status, reason, message: message.to_owned() };
    let reachable = || line(OFFLINE, "False", "ClusterReachable", "cluster is reachable");
    match probe {
        Probe::Ok => vec![line(READY, "True", "ClusterReady", "/healthz responded with ok")],
        Probe::NotOk { answer } => {
            let without_ok = "/healthz responded without ok";
            let message = if answer.is_empty() { without_ok.to_owned() } else { format!("{without_ok}: {answer}") };
            vec![line(READY, "False", "ClusterNotReady", &message), reachable()]
        }
        Probe::Rejected { message } => vec![line(READY, "False", "ClusterCredentialsRejected", message), reachable()],
        Probe::Untrusted { error } => vec![line(READY, "False", "ClusterCertificateNotTrusted", error)],
        Probe::Silent { error, .. } => {
            vec![line(OFFLINE, "True", "ClusterNotReachable", &format!("cluster is not reachable: {error}"))]
        }
        Probe::Malformed { why } => {
            let message = format!("cluster's configuration may be malformed: {why}");
            vec![line(CONFIG_MALFORMED, "True", "ClusterConfigMalformed", &message)]
        }
    }
}

/// What the planner sees of a probe.
pub(crate) fn health(probe: &Probe) -> Health {
    if probe.is_ok() {
        return Health::Ready;
    }
    match lines(probe).into_iter().next() {
        Some(first) => Health::NotReady { reason: first.reason.to_owned(), message: first.message },
        None => Health::Unknown,
    }
}

/// The status to write: what stands, since when, and when it was last looked at.
pub(crate) fn status(cluster: &Value, probe: &Probe, version: &str, flags: &BTreeMap<String, FlaggedCondition>, now: &str) -> Value {
    let flagged = flags.values().map(|flag| Line {
        kind: &flag.kind,
        status: if flag.status { "True" } else { "False" },
        reason: &flag.reason,
        message: flag.message.clone(),
    });
    let conditions: Vec<Value> = lines(probe)
        .into_iter()
        .chain(flagged)
        .map(|line| {
            let before = condition::find(cluster, line.kind).filter(|c| c["status"] == line.status);
            let since = before.map(|c| object::str_at(c, &["lastTransitionTime"])).filter(|t| !t.is_empty()).unwrap_or(now);
            json!({"type": line.kind, "status": line.status, "reason": line.reason, "message": line.message,
                   "lastProbeTime": now, "lastTransitionTime": since})
        })
        .collect();
    let mut status = json!({"conditions": conditions});
    let kept = object::str_at(cluster, &["status", "kubernetesVersion"]);
    let version = if version.is_empty() { kept } else { version };
    if !version.is_empty() {
        status["kubernetesVersion"] = version.into();
    }
    for field in ["region", "zones"] {
        if let Some(value) = object::at(cluster, &["spec", field]) {
            status[field] = value.clone();
        }
    }
    status
}

/// Since when a stored status says that the cluster is not ready.
pub(crate) fn silent_since(cluster: &Value) -> Option<jiff::Timestamp> {
    let told = !object::items_at(cluster, &["status", "conditions"]).is_empty() && !comity_api_kubefed::cluster::is_ready(cluster);
    let (_, _, since) = comity_api_kubefed::cluster::not_ready_because(cluster);
    comity_core::time::parse(&since).filter(|_| told)
}

/// Whether two statuses say the same to a reader: times and the wording of probes' errors do not count.
pub(crate) fn same(old: Option<&Value>, new: &Value) -> bool {
    let essence = |status: &Value| {
        let wording =
            |c: &Value| if HEALTH_CONDITIONS.contains(&object::str_at(c, &["type"])) { Value::Null } else { c["message"].clone() };
        let conditions: Vec<Value> =
            object::items_at(status, &["conditions"]).iter().map(|c| json!([c["type"], c["status"], c["reason"], wording(c)])).collect();
        json!([conditions, status["kubernetesVersion"], status["region"], status["zones"]])
    };
    old.is_some_and(|old| essence(old) == essence(new))
}

/// The latest `lastProbeTime` of a status.
pub(crate) fn last_probe(cluster: &Value) -> Option<jiff::Timestamp> {
    let conditions = object::items_at(cluster, &["status", "conditions"]).iter();
    conditions.filter_map(|c| comity_core::time::parse(object::str_at(c, &["lastProbeTime"]))).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> BTreeMap<String, FlaggedCondition> {
        BTreeMap::new()
    }

    #[test]
    fn what_others_flag_stands_beside_the_health_and_its_wording_is_news() {
        let flag = |message: &str| {
            let (kind, reason) = ("DeletionsHeld".to_owned(), "TooMany".to_owned());
            BTreeMap::from([(kind.clone(), FlaggedCondition { kind, status: true, reason, message: message.to_owned() })])
        };
        let one = status(&json!({}), &Probe::Ok, "v", &flag("20 copies"), "T1");
        assert_eq!(
            one["conditions"][1],
            json!({"type": "DeletionsHeld", "status": "True", "reason": "TooMany", "message": "20 copies",
            "lastProbeTime": "T1", "lastTransitionTime": "T1"})
        );
        assert!(same(Some(&one), &status(&json!({}), &Probe::Ok, "v", &flag("20 copies"), "T2")));
        assert!(!same(Some(&one), &status(&json!({}), &Probe::Ok, "v", &flag("21 copies"), "T2")));
        assert!(!same(Some(&one), &status(&json!({}), &Probe::Ok, "v", &none(), "T2")));
    }

    #[test]
    fn how_long_a_cluster_has_been_silent_is_known_after_a_restart() {
        let at = "2026-01-01T00:00:00Z";
        let silent = status(&json!({}), &Probe::Silent { error: "e".to_owned(), refused: true }, "", &none(), at);
        assert_eq!(silent_since(&json!({"status": silent})), comity_core::time::parse(at));
        assert_eq!(silent_since(&json!({"status": status(&json!({}), &Probe::Ok, "", &none(), at)})), None);
        assert_eq!(silent_since(&json!({})), None);
    }

    #[test]
    fn a_ready_cluster_keeps_since_when() {
        let cluster = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "T0"}], "kubernetesVersion": "v1.36.0"}, "spec": {"region": "eu"}});
        insta::assert_snapshot!(status(&cluster, &Probe::Ok, "", &none(), "T1"), @r#"{"conditions":[{"type":"Ready","status":"True","reason":"ClusterReady","message":"/healthz responded with ok","lastProbeTime":"T1","lastTransitionTime":"T0"}],"kubernetesVersion":"v1.36.0","region":"eu"}"#);
    }

    #[test]
    fn a_silent_cluster_has_no_ready_condition() {
        let silent = Probe::Silent { error: "connection refused".to_owned(), refused: true };
        let text = status(&json!({}), &silent, "", &none(), "T1").to_string();
        insta::assert_snapshot!(text, @r#"{"conditions":[{"type":"Offline","status":"True","reason":"ClusterNotReachable","message":"cluster is not reachable: connection refused","lastProbeTime":"T1","lastTransitionTime":"T1"}]}"#);
        assert_eq!(
            health(&silent),
            Health::NotReady {
                reason: "ClusterNotReachable".to_owned(),
                message: "cluster is not reachable: connection refused".to_owned()
            }
        );
    }

    #[test]
    fn a_certificate_and_a_token_that_do_not_count_are_named_with_what_to_do() {
        let cluster = json!({"metadata": {"namespace": "kube-federation-system", "name": "c1"}, "spec": {"secretRef": {"name": "c1-x"}}});
        let said = |probe: Probe| match health(&probe.with_advice(&cluster)) {
            Health::NotReady { reason, message } => format!("{reason}: {message}"),
            other => format!("{other:?}"),
        };
        let untrusted = said(Probe::Untrusted { error: "invalid peer certificate: UnknownIssuer".to_owned() });
        let rejected = said(Probe::Rejected { message: "HTTP 401: Unauthorized".to_owned() });
        insta::assert_snapshot!(format!("{untrusted}\n{rejected}"), @r#"
        ClusterCertificateNotTrusted: the cluster's certificate is not trusted (invalid peer certificate: UnknownIssuer): if its authority was replaced, join it again with `kubefedctl join c1 --error-on-existing=false` or put the new one into spec.caBundle; if not, somebody else answers at this address
        ClusterCredentialsRejected: HTTP 401: Unauthorized; join it again with `kubefedctl join c1 --error-on-existing=false`, or put a token that the cluster accepts into Secret kube-federation-system/c1-x
        "#);
    }

    #[test]
    fn times_and_error_texts_are_no_news() {
        let one = status(&json!({}), &Probe::Silent { error: "a".to_owned(), refused: true }, "v", &none(), "T1");
        let two = status(&json!({}), &Probe::Silent { error: "b".to_owned(), refused: false }, "v", &none(), "T2");
        assert!(same(Some(&one), &two));
        assert!(!same(Some(&one), &status(&json!({}), &Probe::NotOk { answer: "HTTP 500".to_owned() }, "v", &none(), "T2")));
        assert!(!same(None, &one));
    }
}
