//! Sets played round by round; pods become ready when told.

use comity_core::json;

use super::*;

struct World {
    set: Value,
    pods: Vec<Value>,
    revisions: Vec<Value>,
    story: Vec<String>,
}

impl World {
    fn new(replicas: i64, extra: Value) -> Self {
        let mut set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "web", "namespace": "d", "uid": "s", "generation": 1},
            "spec": {"replicas": replicas, "serviceName": "web", "selector": {"matchLabels": {"app": "a"}},
                "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "v1"}]}}}});
        for (key, value) in extra.as_object().unwrap() {
            set["spec"][key] = value.clone();
        }
        Self { set, pods: Vec::new(), revisions: Vec::new(), story: Vec::new() }
    }

    fn round(&mut self) -> bool {
        let share = |list: &[Value]| list.iter().cloned().map(Arc::new).collect();
        let planned = plan(&Observed {
            set: Arc::new(self.set.clone()),
            pods: share(&self.pods),
            revisions: share(&self.revisions),
            now: "2026-01-02T00:00:00Z".parse().unwrap(),
        });
        self.revisions.extend(planned.revision.create.clone());
        let changed = self.set["status"] != planned.status || !planned.create.is_empty() || !planned.delete.is_empty();
        self.set["status"] = planned.status;
        for gone in &planned.delete {
            self.story.push(format!("-{}", object::name(gone).trim_start_matches("web-")));
            self.pods.retain(|pod| object::name(pod) != object::name(gone));
        }
        for mut pod in planned.create {
            self.story.push(format!(
                "+{}:{}",
                object::name(&pod).trim_start_matches("web-"),
                pod["spec"]["containers"][0]["image"].as_str().unwrap()
            ));
            pod["metadata"]["uid"] = object::name(&pod).into();
            pod["status"] = json!({"phase": "Running"});
            self.pods.push(pod);
        }
        changed
    }

    /// Rounds until nothing moves; pods get ready whenever the set waits for them.
    fn play(&mut self) -> String {
        self.story.clear();
        for _ in 0..60 {
            while self.round() {}
            let Some(pod) = self.pods.iter_mut().find(|pod| !pod::is_ready(pod)) else { break };
            pod["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]);
        }
        self.story.join(" ")
    }

    fn image(&mut self, image: &str) -> &mut Self {
        self.set["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        self
    }
}

#[test]
fn ordered_sets_grow_and_shrink_one_by_one() {
    let mut world = World::new(3, json!({}));
    world.round();
    assert_eq!(world.story.join(" "), "+0:v1");
    assert_eq!(world.play(), "+1:v1 +2:v1");
    world.set["spec"]["replicas"] = 1.into();
    assert_eq!(world.play(), "-2 -1");
    assert_eq!(world.set["status"]["availableReplicas"], 1);
}

#[test]
fn parallel_sets_do_not_wait() {
    let mut world = World::new(3, json!({"podManagementPolicy": "Parallel"}));
    world.round();
    assert_eq!(world.story.join(" "), "+0:v1 +1:v1 +2:v1");
}

#[test]
fn updates_go_from_the_highest_ordinal_down_to_the_partition() {
    let mut world = World::new(5, json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}));
    world.play();
    assert_eq!(world.image("v2").play(), "-4 +4:v2 -3 +3:v2");
    let status = world.set["status"].clone();
    assert_eq!((status["updatedReplicas"].as_i64(), status["currentReplicas"].as_i64()), (Some(2), Some(3)));
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    // a pod below the partition comes back as it was
    world.pods.retain(|pod| object::name(pod) != "web-0");
    assert_eq!(world.play(), "+0:v1");
    world.set["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0.into();
    assert_eq!(world.play(), "-2 +2:v2 -1 +1:v2 -0 +0:v2");
    assert_eq!(world.set["status"]["currentRevision"], world.set["status"]["updateRevision"]);
}

#[test]
fn failed_pods_are_replaced_and_on_delete_waits_for_the_user() {
    let mut world = World::new(2, json!({"updateStrategy": {"type": "OnDelete"}}));
    world.play();
    world.pods[0]["status"]["phase"] = "Failed".into();
    assert_eq!(world.play(), "-0 +0:v1");
    assert_eq!(world.image("v2").play(), "");
    world.pods.retain(|pod| object::name(pod) != "web-1");
    assert_eq!(world.play(), "+1:v2");
}

#[test]
fn pods_have_their_identity_and_claims() {
    let mut world = World::new(
        1,
        json!({"ordinals": {"start": 4}, "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]}),
    );
    world.round();
    let pod = &world.pods[0];
    assert_eq!(
        (object::name(pod), pod["spec"]["hostname"].as_str(), pod["spec"]["subdomain"].as_str()),
        ("web-4", Some("web-4"), Some("web"))
    );
    assert_eq!(object::label(pod, "apps.kubernetes.io/pod-index"), Some("4"));
    assert_eq!(pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-web-4");
    let claims = pods::claims(&world.set, pod);
    assert_eq!((object::name(&claims[0]), object::label(&claims[0], "app")), ("data-web-4", Some("a")));
}
