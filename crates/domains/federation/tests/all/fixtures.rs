//! One file is one situation: the upper half is what is seen, the lower half what is planned and reported.
//!
//! `UPDATE_FIXTURES=1` writes the lower halves anew; the difference is for the reviewer.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path, sync::Arc, time::Duration};

use comity_api_kubefed::{ApiResource, FederatedTypeConfig, federated::Placement, type_config};
use comity_core::{Value, json, object};
use comity_federation::{
    model::{Autoscaler, Fault, FederatedType, Hub, MemberSeen, NamespaceSeen, Observed, Progress},
    plan::{self, Plan, Verdict},
    status, validate,
};
use comity_fleet::Health;
use comity_lane::{
    Closed, Copy, Holder, Job, Seen,
    copy::{Applied, Hold},
};
use comity_runtime::{Cascade, Cause, Remaining};

#[test]
fn every_situation_is_planned_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plan");
    let mut wrong = String::new();
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let (upper, lower) = text.split_once("\n---\n").unwrap_or((text.trim_end(), ""));
        let planned = situation(upper);
        if std::env::var_os("UPDATE_FIXTURES").is_some() {
            fs::write(&path, format!("{upper}\n---\n{planned}")).unwrap();
        } else if planned != lower {
            writeln!(wrong, "{}:\n{planned}", path.display()).unwrap();
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "planned otherwise than the files say:\n{wrong}");
    assert!(count > 10, "the situations were found");
}

fn situation(text: &str) -> String {
    let written = comity_core::decode_yaml(text.as_bytes()).unwrap().value;
    let seen = observe(&written);
    let mut out = String::new();
    let status = if object::is_deleting(&seen.object) {
        let plan = plan::removal(&seen, &validate::deletion(&seen).unwrap());
        show_plan(&mut out, &plan);
        status::report(&seen, &plan, "now")
    } else {
        match validate::desired(&seen) {
            Err(problems) => {
                problems.iter().for_each(|p| writeln!(out, "problem {}: {}", p.reason, p.message).unwrap());
                status::invalid(&seen, &problems, "now")
            }
            Ok(want) => {
                let plan = plan::plan(&seen, &want);
                show_plan(&mut out, &plan);
                status::report(&seen, &plan, "now")
            }
        }
    };
    show_status(&mut out, &status);
    out
}

fn show_plan(out: &mut String, plan: &Plan) {
    if let Some(finalizers) = &plan.finalizers {
        writeln!(out, "finalizers {finalizers:?}").unwrap();
    }
    for (name, verdict) in &plan.verdicts {
        writeln!(out, "{name}  {}  ({})", show(verdict), verdict.because).unwrap();
        if let Some(Job::Apply(apply)) = &verdict.job {
            let mut object = comity_core::Value::clone(&apply.object);
            object::remove(&mut object, &["metadata", "annotations", "comity.dev/owner"]);
            if object["metadata"]["annotations"] == json!({}) {
                object::remove(&mut object, &["metadata", "annotations"]);
            }
            writeln!(out, "    {object}").unwrap();
            if let Some(namespace) = &apply.namespace {
                writeln!(out, "    in {namespace}").unwrap();
            }
        }
    }
    for (reason, message) in &plan.warnings {
        writeln!(out, "warning {reason}: {message}").unwrap();
    }
    for cluster in &plan.deferred {
        writeln!(out, "later in {cluster}").unwrap();
    }
    if let Some(wake) = plan.wake {
        writeln!(out, "again in {wake:?}").unwrap();
    }
}

fn show(verdict: &Verdict) -> String {
    let job = match &verdict.job {
        None if verdict.pending.is_some() => "wait for the write",
        None if verdict.unread => "wait for what is read",
        None if verdict.in_sync => "in sync",
        None => "nothing to do",
        Some(Job::Apply(apply)) if apply.uid.is_some() => "update",
        Some(Job::Apply(_)) => "create",
        Some(Job::Delete(_)) => match &verdict.cause {
            Cause::Unplaced(Remaining::NotHealthyYet) => "delete when another copy is healthy",
            Cause::Unplaced(Remaining::Nothing) => "delete the last healthy copy",
            Cause::Cascade { .. } => "delete with its namespace",
            _ => "delete",
        },
        Some(Job::Release(_)) => "release",
        Some(Job::Look) => "ask whether it is there",
    };
    match &verdict.fault {
        None => job.to_owned(),
        Some(fault) => format!("{job}  {} {}: {}", fault.status, fault.reason, fault.message),
    }
}

fn show_status(out: &mut String, status: &Value) {
    for condition in object::items_at(status, &["conditions"]) {
        let text = |key: &str| object::str_at(condition, &[key]).to_owned();
        writeln!(out, "status {}={} {} {}", text("type"), text("status"), text("reason"), text("message")).unwrap();
    }
    writeln!(out, "status clusters {}", status["clusters"]).unwrap();
    writeln!(out, "status summary {}", status["summary"]).unwrap();
}

fn observe(written: &Value) -> Observed {
    let object = Arc::new(written["object"].clone());
    let kind = object::str_at(&object, &["kind"]);
    let config = type_config::shipped().into_iter().find(|c| c.spec.federated_type.kind == kind).unwrap_or_else(|| {
        let target = ApiResource::new("example.com", "v1", kind.trim_start_matches("Federated"), "things", true);
        FederatedTypeConfig::for_target(target, "types.kubefed.io", "v1beta1")
    });
    let kind = Arc::new(FederatedType::of(&config));
    let namespace = match &written["namespace"] {
        _ if !kind.target.namespaced => NamespaceSeen::None,
        Value::String(text) if text == "strict" => NamespaceSeen::Strict,
        Value::Object(_) => NamespaceSeen::Federated(Placement::read(&written["namespace"]).unwrap()),
        _ => NamespaceSeen::Implicit(BTreeMap::from([("team".to_owned(), "web".to_owned())])),
    };
    let mut seen = Observed {
        hub: Hub { id: "hub".into(), epoch: 1 },
        kind,
        object,
        members: BTreeMap::new(),
        namespace,
        hub_namespace_uid: object::str_at(written, &["hubNamespaceUid"]).to_owned(),
        adopt_by_default: true,
        deleted_by: match &written["deletedWith"] {
            Value::String(name) => {
                Cause::Cascade { from: Cascade::NamespaceDeleted(name.clone()), id: "id".to_owned(), allowed: written["allowed"] == true }
            }
            _ => Cause::OwnerDeleted,
        },
        defer_after: Duration::from_secs(300),
    };
    for (name, facts) in written["members"].as_object().unwrap() {
        let member = member(&seen, name, facts);
        seen.members.insert(name.clone(), member);
    }
    seen
}

fn member(seen: &Observed, name: &str, facts: &Value) -> MemberSeen {
    let health = match &facts["silent"] {
        Value::String(message) => Health::NotReady { reason: "ClusterNotReachable".to_owned(), message: message.clone() },
        _ if facts["unprobed"] == true => Health::Unknown,
        _ => Health::Ready,
    };
    let labels =
        Arc::new(facts["labels"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect());
    let closed = facts["closed"].as_str().map(|why| Closed::HubBehind(why.into()));
    let autoscaler = match &facts["autoscaler"] {
        Value::Null => Autoscaler::None,
        Value::Object(unread) => Autoscaler::Unread(unread["unread"].as_str().unwrap().to_owned()),
        name => Autoscaler::Named(name.as_str().unwrap().to_owned()),
    };
    let copy = copy(seen, name, facts, &autoscaler);
    let silent_for = Duration::from_secs(facts["silentFor"].as_u64().unwrap_or(0));
    let behind = facts["behind"].as_str().map(str::to_owned);
    let gone = facts["listed"] != true && facts["silent"].is_null();
    let mut member = MemberSeen { labels, health, silent_for, copy, gone, behind, progress: Progress::Idle, autoscaler, closed };
    let due = due(seen, name, &member);
    member.progress = match &facts["progress"] {
        Value::Null => Progress::Idle,
        Value::Number(milliseconds) => Progress::Pending { fingerprint: due, since: Duration::from_millis(milliseconds.as_u64().unwrap()) },
        failed => Progress::Failed {
            fingerprint: due,
            fault: Fault {
                status: if failed["contested"] == true { "Contested" } else { "CreationFailed" },
                reason: "Forbidden".to_owned(),
                message: object::str_at(failed, &["failed"]).to_owned(),
            },
            retry_in: Duration::from_millis(failed["retryIn"].as_u64().unwrap()),
        },
    };
    member
}

/// The fingerprint of what would be done.
fn due(seen: &Observed, name: &str, member: &MemberSeen) -> u64 {
    let mut alone = seen.clone();
    alone.members.insert(name.to_owned(), member.clone());
    let plan = match validate::desired(&alone) {
        _ if object::is_deleting(&alone.object) => plan::removal(&alone, &validate::deletion(&alone).unwrap()),
        Ok(want) => plan::plan(&alone, &want),
        Err(_) => return 0,
    };
    plan.verdicts.get(name).and_then(|v| v.job.as_ref()).map_or(0, Job::fingerprint)
}

fn copy(seen: &Observed, cluster: &str, member: &Value, autoscaler: &Autoscaler) -> Seen {
    let facts = &member["copy"];
    match facts {
        Value::Null => return Seen::Absent,
        Value::String(text) => match text.as_str() {
            "not served" => return Seen::NotServed,
            "unread" => return Seen::Unknown(String::new()),
            "in sync" => {}
            why => return Seen::Unknown(why.to_owned()),
        },
        _ => {}
    }
    let hold = Hold { owner_uid: object::uid(&seen.object).into(), epoch: facts["epoch"].as_u64().unwrap_or(1), generation: 1, content: 0 };
    let mut copy = Copy {
        uid: facts["uid"].as_str().unwrap_or("copy-uid").into(),
        resource_version: "7".into(),
        generation: 1,
        digest: 1,
        deleting: facts["deleting"] == true,
        holder: match &facts["holder"] {
            Value::String(other) if other == "nobody" => Holder::Nobody,
            Value::String(other) if other != "us" => Holder::Other(other.as_str().into()),
            _ => Holder::Us(hold),
        },
        replicas: facts["replicas"].as_i64(),
        replicas_held: facts["replicasHeld"] == true,
        additions: facts["additions"].as_str().map(Into::into),
        status: facts.get("status").map(|s| s.to_string().into()),
        applied: None,
    };
    let (applied, marked) = (*facts == "in sync" || facts["applied"] == true, facts["marked"] == true);
    if applied || marked {
        let want = validate::desired(seen).unwrap();
        let content = plan::render(seen, &want, cluster, Some(&copy), autoscaler).unwrap().content;
        copy.applied = applied.then_some(Applied { content, digest: 1 });
        if let (true, Holder::Us(hold)) = (marked, &mut copy.holder) {
            hold.content = content;
        }
    }
    Seen::Present(Arc::new(copy))
}
