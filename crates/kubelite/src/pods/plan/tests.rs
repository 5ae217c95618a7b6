//! Lives of pods on a clock that jumps to each next step.

use super::*;

const START: &str = "2026-01-01T00:00:00Z";

fn pod(extra: Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": "p", "namespace": "d", "uid": "u", "generation": 1},
        "spec": {"nodeName": "n", "restartPolicy": "Always", "containers": [{"name": "c", "image": "nginx"}]},
        "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]},
    });
    merge(&mut pod, &extra);
    pod
}

/// A strategic merge as far as pods need it: conditions by type, null removes.
fn merge(target: &mut Value, patch: &Value) {
    let Some(map) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    for (key, value) in map {
        if value.is_null() {
            object::map_mut(target).shift_remove(key);
        } else if key == "conditions" {
            let list = object::map_mut(target).entry(key.clone()).or_insert(json!([])).as_array_mut().unwrap();
            for new in value.as_array().unwrap() {
                match list.iter_mut().find(|old| old["type"] == new["type"]) {
                    Some(old) => merge(old, new),
                    None => {
                        let mut fresh = json!({});
                        merge(&mut fresh, new);
                        list.push(fresh);
                    }
                }
            }
        } else {
            merge(object::map_mut(target).entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Plays until nothing is left to do or the steps are used up; one line per write.
fn play(mut pod: Value, steps: usize) -> (Vec<String>, Value) {
    let node = json!({"metadata": {"name": "n"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.20.0.1"}]}});
    let pace = Pace {
        start: Duration::from_secs(1)..Duration::from_secs(1),
        init: Duration::from_secs(2),
        job: Duration::from_secs(3),
        stop: Duration::from_secs(1),
    };
    // a pod that has lived before is seen an hour later
    let hours = i64::from(object::at(&pod, &["status", "startTime"]).is_some());
    let start = START.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours);
    let (mut now, mut progress, mut story) = (start, Progress::recovered(&pod, start), Vec::new());
    for _ in 0..steps {
        let planned =
            plan(&Observed { pod: &pod, node: &node, address: "10.244.0.1", pace: &pace, seed: 1, progress: progress.clone(), now });
        progress = planned.progress.clone();
        let told: Vec<_> = planned.told.iter().map(|t| t.reason).collect();
        if let Some(patch) = &planned.status {
            merge(&mut pod, patch);
        }
        if planned.status.is_some() || !told.is_empty() || planned.delete {
            let states = |list: &str| {
                let of = |c: &Value| {
                    let state = c["state"].as_object().unwrap();
                    let (kind, detail) = state.iter().next().unwrap();
                    let reason = detail["reason"].as_str().map(|r| format!("={r}")).unwrap_or_default();
                    let restarts = match c["restartCount"].as_i64() {
                        Some(0) | None => String::new(),
                        Some(n) => format!("x{n}"),
                    };
                    format!("{kind}{reason}{restarts}")
                };
                object::items_at(&pod, &["status", list]).iter().map(of).collect::<Vec<_>>().join(",")
            };
            let ready = comity_core::condition::is_true(&pod, "Ready");
            let gone = if planned.delete { " DELETE" } else { "" };
            let line = format!(
                "+{} {} init[{}] main[{}] ready={ready} {}{gone}",
                (now.as_millisecond() - start.as_millisecond()) as f64 / 1000.0,
                pod["status"]["phase"].as_str().unwrap(),
                states("initContainerStatuses"),
                states("containerStatuses"),
                told.join(","),
            );
            story.push(line.trim_end().to_owned());
        }
        let Some(again) = planned.again else { break };
        now += SignedDuration::try_from(again).unwrap();
    }
    (story, pod)
}

fn story(extra: Value, steps: usize) -> String {
    play(pod(extra), steps).0.join("\n")
}

#[test]
fn a_plain_pod_starts_after_its_delay_and_is_ready_at_once() {
    let (story, mut pod) = play(pod(json!({})), 20);
    let id = pod["status"]["containerStatuses"][0].as_object_mut().unwrap().shift_remove("containerID").unwrap();
    assert!(id.as_str().unwrap().starts_with("comity-sim://") && id.as_str().unwrap().len() == 13 + 64);
    insta::assert_snapshot!(story.join("\n"), @r"
    +0 Pending init[] main[waiting=ContainerCreating] ready=false
    +1 Running init[] main[running] ready=true Pulled,Created,Started
    ");
    insta::assert_snapshot!(pod["status"].to_string().replace(&format!("{:016x}", super::super::containers::fnv("nginx")), "IMAGE"), @r#"{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True"},{"type":"PodReadyToStartContainers","status":"True","lastTransitionTime":"2026-01-01T00:00:01Z","observedGeneration":1},{"type":"Initialized","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z","observedGeneration":1},{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:01Z","observedGeneration":1},{"type":"ContainersReady","status":"True","lastTransitionTime":"2026-01-01T00:00:01Z","observedGeneration":1}],"containerStatuses":[{"name":"c","state":{"running":{"startedAt":"2026-01-01T00:00:01Z"}},"lastState":{},"ready":true,"restartCount":0,"image":"nginx","imageID":"comity-sim://image/IMAGE","started":true}],"startTime":"2026-01-01T00:00:00Z","hostIP":"172.20.0.1","hostIPs":[{"ip":"172.20.0.1"}],"observedGeneration":1,"podIP":"10.244.0.1","podIPs":[{"ip":"10.244.0.1"}]}"#);
    assert_eq!(pod["metadata"]["annotations"][SIMULATED], "true");
}

#[test]
fn init_containers_run_in_order_and_probes_delay_readiness() {
    let extra = json!({"spec": {
        "initContainers": [{"name": "a", "image": "a"}, {"name": "side", "image": "s", "restartPolicy": "Always"}, {"name": "b", "image": "b"}],
        "containers": [{"name": "c", "image": "nginx", "readinessProbe": {"initialDelaySeconds": 5, "periodSeconds": 2}}],
    }});
    insta::assert_snapshot!(story(extra, 20), @r"
    +0 Pending init[waiting=PodInitializing,waiting=PodInitializing,waiting=PodInitializing] main[waiting=PodInitializing] ready=false
    +1 Pending init[running,waiting=PodInitializing,waiting=PodInitializing] main[waiting=PodInitializing] ready=false Pulled,Created,Started
    +3 Pending init[terminated=Completed,running,running] main[waiting=PodInitializing] ready=false Pulled,Created,Started,Pulled,Created,Started
    +5 Running init[terminated=Completed,running,terminated=Completed] main[running] ready=false Pulled,Created,Started
    +12 Running init[terminated=Completed,running,terminated=Completed] main[running] ready=true
    ");
}

#[test]
fn pods_of_jobs_finish() {
    let owner = json!({"metadata": {"ownerReferences": [{"kind": "Job", "controller": true}]}, "spec": {"restartPolicy": "Never"}});
    insta::assert_snapshot!(story(owner, 20), @r"
    +0 Pending init[] main[waiting=ContainerCreating] ready=false
    +1 Running init[] main[running] ready=true Pulled,Created,Started
    +4 Succeeded init[] main[terminated=Completed] ready=false
    ");
}

#[test]
fn crashing_pods_restart_with_growing_pauses() {
    let crash = json!({"metadata": {"annotations": {"comity.dev/simulate": "CrashLoopBackOff"}}});
    insta::assert_snapshot!(story(crash.clone(), 8), @r"
    +0 Pending init[] main[waiting=ContainerCreating] ready=false
    +1 Running init[] main[running] ready=true Pulled,Created,Started
    +2 Running init[] main[waiting=CrashLoopBackOff] ready=false BackOff
    +12 Running init[] main[runningx1] ready=true Pulled,Created,Started
    +13 Running init[] main[waiting=CrashLoopBackOffx1] ready=false BackOff
    +33 Running init[] main[runningx2] ready=true Pulled,Created,Started
    +34 Running init[] main[waiting=CrashLoopBackOffx2] ready=false BackOff
    +74 Running init[] main[runningx3] ready=true Pulled,Created,Started
    ");
    let mut never = crash;
    never["spec"] = json!({"restartPolicy": "Never"});
    assert!(story(never, 20).ends_with("+2 Failed init[] main[terminated=Error] ready=false"));
}

#[test]
fn pods_whose_image_cannot_be_had_say_so() {
    insta::assert_snapshot!(story(json!({"spec": {"containers": [{"name": "c", "image": "nginx:missing"}]}}), 20), @r"
    +0 Pending init[] main[waiting=ContainerCreating] ready=false
    +1 Pending init[] main[waiting=ErrImagePull] ready=false Pulling,Failed,Failed
    +3 Pending init[] main[waiting=ImagePullBackOff] ready=false BackOff,Failed
    ");
    assert!(story(json!({"spec": {"containers": [{"name": "c", "image": "NGINX"}]}}), 20).contains("InvalidImageName"));
}

#[test]
fn pods_that_are_told_to_hang_or_never_get_ready_do_so() {
    let simulate = |what: &str| json!({"metadata": {"annotations": {"comity.dev/simulate": what}}});
    assert_eq!(story(simulate("Pending"), 20), "+0 Pending init[] main[waiting=ContainerCreating] ready=false");
    assert!(story(simulate("NotReady"), 20).ends_with("+1 Running init[] main[running] ready=false Pulled,Created,Started"));
    assert!(story(simulate("Slow"), 20).contains("+10 Running"));
}

#[test]
fn a_deleted_pod_stops_within_its_time_and_goes() {
    let (_, mut running) = play(pod(json!({})), 20);
    running["metadata"]["deletionTimestamp"] = START.into();
    running["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    insta::assert_snapshot!(play(running.clone(), 20).0.join("\n"), @r"
    +0 Running init[] main[running] ready=true Killing
    +1 Running init[] main[terminated=Completed] ready=false  DELETE
    ");
    running["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    assert_eq!(play(running, 20).0, ["+0 Running init[] main[terminated=Completed] ready=false Killing DELETE"]);
}

#[test]
fn a_finished_step_is_not_written_again() {
    let (_, settled) = play(pod(json!({})), 20);
    assert!(play(settled, 20).0.is_empty());
}

#[test]
fn readiness_gates_wait_for_their_owner() {
    let gates = json!({"spec": {"readinessGates": [{"conditionType": "example.com/lb"}]}});
    let (_, mut waiting) = play(pod(gates), 20);
    let ready = comity_core::condition::find(&waiting, "Ready").unwrap().clone();
    assert_eq!((ready["status"].as_str(), ready["reason"].as_str()), (Some("False"), Some("ReadinessGatesNotReady")));
    waiting["status"]["conditions"].as_array_mut().unwrap().push(json!({"type": "example.com/lb", "status": "True"}));
    assert!(play(waiting, 20).0[0].contains("ready=true"));
}
