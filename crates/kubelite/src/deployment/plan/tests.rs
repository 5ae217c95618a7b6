//! Rollouts played against sets whose pods come and go at once, step by step.

use std::collections::BTreeSet;

use comity_core::condition;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::deployment::rolling::Resize;

/// A Deployment, its sets, and what has happened.
struct World {
    deployment: Value,
    sets: Vec<Value>,
    now: Timestamp,
    /// Whether pods of the newest set become available.
    healthy: bool,
    story: Vec<String>,
    events: Vec<String>,
}

fn template(version: &str) -> Value {
    json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": version}]}})
}

fn share(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| text.into(), Value::from)
}

impl World {
    /// A settled Deployment with all pods of its first template available.
    fn settled(replicas: i64, surge: &str, unavailable: &str) -> Self {
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "d", "uid": "u", "generation": 1, "annotations": {"note": "x"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template("v1"), "progressDeadlineSeconds": 600,
                "revisionHistoryLimit": 10,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": share(surge), "maxUnavailable": share(unavailable)}}},
        });
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut world = Self { deployment, sets: Vec::new(), now, healthy: true, story: Vec::new(), events: Vec::new() };
        world.play();
        world.story.clear();
        world.events.clear();
        world
    }

    fn change(&mut self, path: &[&str], value: Value) -> &mut Self {
        object::set(&mut self.deployment, path, value);
        let generation = object::generation(&self.deployment) + 1;
        object::set(&mut self.deployment, &["metadata", "generation"], generation.into());
        self
    }

    fn roll_to(&mut self, version: &str) -> &mut Self {
        self.change(&["spec", "template"], template(version))
    }

    fn observed(&self, created: Option<String>) -> Observed {
        let with_pods: BTreeSet<String> =
            self.sets.iter().filter(|s| s["status"]["replicas"].as_i64() > Some(0)).map(|s| object::uid(s).to_owned()).collect();
        let sets = self.sets.iter().cloned().map(Arc::new).collect();
        Observed { deployment: Arc::new(self.deployment.clone()), sets, with_pods, created, now: self.now }
    }

    /// One round; whether it did anything.
    fn round(&mut self) -> bool {
        let mut planned = plan(&self.observed(None));
        let mut acted = false;
        if let Some(mut set) = planned.create.take() {
            let number = self.sets.len();
            object::set(&mut set, &["metadata", "uid"], format!("rs-{number}").into());
            object::set(&mut set, &["metadata", "creationTimestamp"], format!("2026-01-01T00:{number:02}:00Z").into());
            object::set(&mut set, &["metadata", "generation"], 1.into());
            self.tell(&set, replicas(&set));
            let name = object::name(&set).to_owned();
            self.sets.push(set);
            planned = plan(&self.observed(Some(name)));
            acted = true;
        }
        for change in &planned.changes {
            if let Some(size) = change.patch.pointer("/spec/replicas").and_then(Value::as_i64) {
                self.tell(&change.set, size);
            }
            let set = self.sets.iter_mut().find(|set| object::uid(set) == object::uid(&change.set)).unwrap();
            json_merge(set, &change.patch);
            acted = true;
        }
        for gone in &planned.delete {
            self.story.push(format!("drop {}", revision::of(gone)));
            self.sets.retain(|set| object::uid(set) != object::uid(gone));
        }
        self.events.extend(planned.told.iter().chain(planned.changes.iter().filter_map(|c| c.told.as_ref())).map(|t| t.message.clone()));
        if let Some(revision) = planned.revision {
            object::set(&mut self.deployment, &["metadata", "annotations", REVISION], revision.into());
        }
        let changed = self.deployment["status"] != planned.status;
        self.deployment["status"] = planned.status;
        self.settle_sets();
        acted || changed
    }

    /// ReplicaSets have as many pods as they should; the newest set's are not available by themselves.
    fn settle_sets(&mut self) {
        for set in &mut self.sets {
            let size = replicas(set);
            let available = set["status"]["availableReplicas"].as_i64().unwrap_or(0).min(size);
            set["status"] = json!({"replicas": size, "readyReplicas": available, "availableReplicas": available, "terminatingReplicas": 0, "observedGeneration": 1});
        }
    }

    /// Rounds until nothing moves, pods of the newest set becoming available whenever the rollout waits for them.
    fn play(&mut self) -> String {
        for _ in 0..100 {
            while self.round() {}
            let healthy = self.healthy;
            let Some(newest) = self.sets.last_mut().filter(|_| healthy) else { break };
            let size = replicas(newest);
            if newest["status"]["availableReplicas"].as_i64() == Some(size) {
                break;
            }
            newest["status"]["availableReplicas"] = size.into();
            newest["status"]["readyReplicas"] = size.into();
            self.story.push(format!("[{size}]"));
        }
        self.story.join(" ")
    }

    fn tell(&mut self, set: &Value, size: i64) {
        let is_new = set["spec"]["template"]["spec"]["containers"][0]["image"]
            == self.deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        if size > 0 || !is_new {
            let label = match (is_new, set["spec"]["template"]["spec"]["containers"][0]["image"].as_str()) {
                (true, _) => "new",
                (false, Some("v2")) => "middle",
                _ => "old",
            };
            self.story.push(format!("{label}→{size}"));
        }
    }

    fn progressing(&self) -> (&str, &str) {
        let condition = condition::find(&self.deployment, "Progressing").unwrap();
        (condition["status"].as_str().unwrap(), condition["reason"].as_str().unwrap())
    }
}

fn json_merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(map) => {
            for (key, value) in map {
                json_merge(object::map_mut(target).entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        other => *target = other.clone(),
    }
}

#[test]
fn rolling_updates_take_the_documented_steps() {
    let cases = "\
1  25%  25% | new→1 [1] old→0
2  25%  25% | new→1 [1] old→1 new→2 [2] old→0
3  25%  25% | new→1 [1] old→2 new→2 [2] old→1 new→3 [3] old→0
3  0    1   | old→2 new→1 [1] old→1 new→2 [2] old→0 new→3 [3]
4  25%  25% | new→1 old→3 new→2 [2] old→1 new→4 [4] old→0
10 25%  25% | new→3 old→8 new→5 [5] old→3 new→10 [10] old→0
10 100% 0   | new→10 [10] old→0
3  0    0   | old→2 new→1 [1] old→1 new→2 [2] old→0 new→3 [3]";
    for case in cases.lines() {
        let (given, expected) = case.split_once(" | ").unwrap();
        let words: Vec<&str> = given.split_whitespace().collect();
        let mut world = World::settled(words[0].parse().unwrap(), words[1], words[2]);
        assert_eq!(world.roll_to("v2").play(), expected, "{given}");
        assert_eq!(world.progressing(), ("True", "NewReplicaSetAvailable"));
    }
}

#[test]
fn pods_that_never_get_ready_stop_the_rollout_until_its_deadline() {
    let mut world = World::settled(10, "3", "2");
    world.healthy = false;
    assert_eq!(world.roll_to("v2").play(), "new→3 old→8 new→5");
    assert_eq!(world.progressing(), ("True", "ReplicaSetUpdated"));
    world.now += SignedDuration::from_secs(601);
    while world.round() {}
    assert_eq!(world.progressing(), ("False", "ProgressDeadlineExceeded"));
    let message = condition::find(&world.deployment, "Progressing").unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("ReplicaSet \"web-") && message.ends_with("\" has timed out progressing."), "{message}");
    assert_eq!(world.story.join(" "), "new→3 old→8 new→5");
}

#[test]
fn a_third_template_replaces_the_unavailable_pods_of_the_second_first() {
    let mut world = World::settled(10, "3", "2");
    world.healthy = false;
    world.roll_to("v2").play();
    world.story.clear();
    world.healthy = true;
    let story = world.roll_to("v3").play();
    assert!(story.starts_with("middle→0 new→5 [5]"), "{story}");
    assert!(story.ends_with("[10] old→0"), "{story}");
}

#[test]
fn a_rollback_makes_the_old_set_new_again_with_the_next_revision() {
    let mut world = World::settled(3, "25%", "25%");
    world.roll_to("v2").play();
    world.roll_to("v1");
    while world.round() {}
    assert_eq!(object::annotation(&world.deployment, REVISION), Some("3"));
    let first = &world.sets[0];
    assert_eq!(object::annotation(first, REVISION), Some("3"));
    assert_eq!(object::annotation(first, "deployment.kubernetes.io/revision-history"), Some("1"));
    assert_eq!(world.sets.len(), 2);
}

#[test]
fn old_sets_beyond_the_history_limit_are_dropped_lowest_revision_first() {
    let mut world = World::settled(2, "1", "0");
    world.change(&["spec", "revisionHistoryLimit"], 1.into());
    world.roll_to("v2").play();
    world.story.clear();
    let story = world.roll_to("v3").play();
    assert!(story.ends_with("drop 1"), "{story}");
    assert_eq!(world.sets.len(), 2);
}

#[test]
fn recreate_removes_all_old_pods_before_the_first_new_one() {
    let mut world = World::settled(3, "25%", "25%");
    world.change(&["spec", "strategy"], json!({"type": "Recreate"})).play();
    world.story.clear();
    world.roll_to("v2");
    world.round();
    assert_eq!(world.story.join(" "), "old→0");
    // a pod of the old set is still there
    world.sets[0]["status"]["replicas"] = 1.into();
    world.round();
    assert_eq!(world.story.join(" "), "old→0");
    assert_eq!(world.play(), "old→0 new→3 [3]");
}

#[test]
fn creating_and_scaling_tell_events_and_the_set_carries_the_annotations() {
    let mut world = World::settled(3, "25%", "25%");
    world.roll_to("v2").round();
    let set = world.sets.last().unwrap().clone();
    let name = object::name(&set);
    assert_eq!(world.events, [format!("Scaled up replica set {name} from 0 to 1")]);
    assert_eq!(world.progressing().1, "NewReplicaSetCreated");
    let annotations = set["metadata"]["annotations"].as_object().unwrap();
    let expected = [
        ("note", "x"),
        ("deployment.kubernetes.io/desired-replicas", "3"),
        ("deployment.kubernetes.io/max-replicas", "4"),
        (REVISION, "2"),
    ];
    assert_eq!(annotations.len(), expected.len());
    for (key, value) in expected {
        assert_eq!(annotations[key], value, "{key}");
    }
    let hash = object::label(&set, "pod-template-hash").unwrap();
    assert_eq!(name, format!("web-{hash}"));
    assert_eq!(set["spec"]["selector"]["matchLabels"]["pod-template-hash"], hash);
    assert_eq!(object::controller_ref(&set).unwrap()["uid"], "u");
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut world = World::settled(3, "25%", "25%");
    world.change(&["spec", "paused"], true.into()).roll_to("v2");
    assert_eq!(world.play(), "");
    assert_eq!(world.progressing(), ("Unknown", "DeploymentPaused"));
    world.change(&["spec", "replicas"], 5.into());
    while world.round() {}
    assert_eq!(world.story.join(" "), "old→5");
    world.change(&["spec", "paused"], false.into()).round();
    assert_eq!(world.sets.len(), 2);
}

#[test]
fn nothing_is_written_when_nothing_changes() {
    let mut world = World::settled(3, "25%", "25%");
    world.now += SignedDuration::from_hours(5);
    let before = world.deployment.clone();
    assert!(!world.round());
    assert_eq!(world.deployment, before);
}

/// Sets as `size/max` with the newest last.
fn proportions(from: i64, to: i64, surge: &str, sizes: &[i64]) -> Vec<i64> {
    let mut world = World::settled(from, surge, "0");
    let max_before = from + super::super::model::surge(&world.deployment);
    let first = world.sets[0].clone();
    world.sets = sizes
        .iter()
        .enumerate()
        .map(|(index, size)| {
            let mut set = first.clone();
            object::set(&mut set, &["metadata", "uid"], format!("rs-{index}").into());
            object::set(&mut set, &["metadata", "creationTimestamp"], format!("2026-01-01T00:{index:02}:00Z").into());
            object::set(&mut set, &["metadata", "annotations", revision::MAX], max_before.to_string().into());
            if index + 1 < sizes.len() {
                set["spec"]["template"] = template(&format!("old-{index}"));
            }
            set["spec"]["replicas"] = (*size).into();
            set["status"] = json!({"replicas": size, "availableReplicas": 0});
            set
        })
        .collect();
    world.change(&["spec", "replicas"], to.into());
    let observed = world.observed(None);
    let mut next: Vec<Resize> = proportion::scale(&observed.deployment, &Sets::sort_out(&observed));
    next.sort_by(|a, b| object::uid(&a.0).cmp(object::uid(&b.0)));
    next.into_iter().map(|(_, size)| size).collect()
}

#[test]
fn scaling_during_a_rollout_keeps_the_proportions() {
    assert_eq!(proportions(10, 15, "3", &[8, 5]), [11, 7]);
    assert_eq!(proportions(10, 5, "25%", &[8, 5]), [4, 3]);
    assert_eq!(proportions(10, 20, "25%", &[5, 5, 3]), [10, 10, 5]);
    assert_eq!(proportions(10, 0, "25%", &[8, 5]), [0, 0]);
    assert_eq!(proportions(10, 4, "0", &[7]), [4]);
}

#[test]
fn a_new_set_that_cannot_be_created_is_told_as_a_condition_and_an_event() {
    let mut world = World::settled(3, "25%", "25%");
    world.roll_to("v2");
    let planned = after_failed_create(&world.observed(None), "web-x", "quota");
    let told: Vec<_> = planned.told.iter().map(|t| (t.reason, t.message.as_str())).collect();
    assert_eq!(told, [("ReplicaSetCreateError", "Failed to create new replica set \"web-x\": quota")]);
    assert_eq!(conditions::reason(object::items_at(&planned.status, &["conditions"]), "Progressing"), "ReplicaSetCreateError");
    assert_eq!(after_collision(&world.observed(None)).status["collisionCount"], 1);
}
