//! A mutating webhook in a real member is not drift.

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_core::{Value, condition, json, object};
use comity_lane::PatchKind;
use comity_testkit::Webhook;

use crate::{
    drift::{federated, workload},
    world::{World, apply, gvr},
};

/// What site-wide webhooks do: images come from a mirror, a proxy stands beside every program, and a label says so.
fn at_home(object: &Value) -> Value {
    let mut patch = Vec::new();
    let containers = object::items_at(object, &["spec", "template", "spec", "containers"]);
    for (index, container) in containers.iter().enumerate() {
        let image = object::str_at(container, &["image"]);
        if !image.starts_with("mirror.local/") {
            patch.push(json!({"op": "replace", "path": format!("/spec/template/spec/containers/{index}/image"), "value": format!("mirror.local/{image}")}));
        }
    }
    if containers.iter().all(|c| c["name"] != "proxy") {
        patch.push(
            json!({"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "proxy", "image": "mirror.local/proxy:1"}}),
        );
    }
    if object::label(object, "injected").is_none() {
        patch.push(json!({"op": "add", "path": "/metadata/labels/injected", "value": "yes"}));
    }
    patch.into()
}

fn configuration(webhook: &Webhook) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "at-home"},
        "webhooks": [{
            "name": "at-home.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Fail", "timeoutSeconds": 10,
            "clientConfig": {"url": webhook.url(), "caBundle": BASE64_STANDARD.encode(webhook.ca())},
            "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"]}],
        }],
    })
}

fn images(copy: &Value) -> Vec<&str> {
    object::items_at(copy, &["spec", "template", "spec", "containers"]).iter().map(|c| object::str_at(c, &["image"])).collect()
}

const AS_ADMITTED: [&str; 2] = ["mirror.local/web:1", "mirror.local/proxy:1"];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_webhook_makes_of_a_copy_is_no_drift_and_an_edit_after_it_is() {
    let Some(mut world) = World::real("a mutating webhook in a real member", 1).await else { return };
    let webhook = Webhook::start(at_home).await.unwrap();
    let member = world.members[0].clone();
    apply(&world.hub, &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "drift"}})).await;
    apply(&member, &configuration(&webhook)).await;
    let copies = world.watch(&member, gvr("apps", "deployments"));
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));

    // the API server picks the configuration up a moment later: until then copies are admitted as they are
    for attempt in 0.. {
        let name = format!("probe{attempt}");
        world.apply(&federated("Deployment", &name, workload(0))).await;
        status.object("a first copy", "drift", &name, |o| condition::is_true(o, "Propagation")).await;
        let copy = copies.object("a first copy", "drift", &name, |_| true).await;
        if images(&copy) == AS_ADMITTED {
            break;
        }
    }
    let before = webhook.asked();
    world.apply(&federated("Deployment", "web", workload(3))).await;
    status.object("it is where it should be", "drift", "web", |o| condition::is_true(o, "Propagation")).await;
    let first = copies.object("the copy", "drift", "web", |_| true).await;
    assert_eq!((images(&first), object::label(&first, "injected")), (AS_ADMITTED.to_vec(), Some("yes")));
    assert_eq!(webhook.asked() - before, 1, "one write made it");

    // other work comes and goes, the hub restarts: nothing is written again
    another(&world, "other").await;
    world.restart().await;
    another(&world, "another").await;
    let asked = webhook.asked();
    let now = member.get(&gvr("apps", "deployments"), "drift", "web").await.unwrap().unwrap();
    assert_eq!(object::resource_version(&now), object::resource_version(&first));

    // people's edits are repaired to what was admitted
    for (patch, what) in [
        (json!({"spec": {"replicas": 1}}), "replicas"),
        (json!({"spec": {"template": {"spec": {"containers": [{"name": "web", "image": "evil:2"}]}}}}), "image"),
    ] {
        let (deployments, kind) = (gvr("apps", "deployments"), PatchKind::Strategic);
        let edited = member.patch(&deployments, "drift", "web", None, kind, &patch, "kubectl-edit", false).await.unwrap();
        let newer = |o: &Value| object::generation(o) > object::generation(&edited);
        let repaired = |o: &Value| newer(o) && o["spec"]["replicas"] == 3 && images(o) == AS_ADMITTED;
        copies.object(what, "drift", "web", repaired).await;
    }
    another(&world, "last").await;
    let writes = webhook.asked() - asked;
    // what was looked at since the restart may still be under way
    assert!(
        (4..=12).contains(&writes),
        "two edits, two repairs, one other object with at most a repair or a look each: {writes} admissions"
    );
}

/// An object that goes to the member by the same way, as a sign that what was waiting before it has been looked at.
async fn another(world: &World, name: &str) {
    let status = world.watch(&world.hub, gvr("types.kubefed.io", "federateddeployments"));
    world.apply(&federated("Deployment", name, workload(0))).await;
    status.object("the other object", "drift", name, |o| condition::is_true(o, "Propagation")).await;
}
