use comity_api_kubefed::type_config;
use comity_core::json;

use super::*;

fn config(kind: &str) -> FederatedTypeConfig {
    type_config::shipped().into_iter().find(|c| c.spec.target_type.kind == kind).unwrap()
}

fn copy(hub: &str, epoch: u64, generation: i64, replicas: i64, added: bool) -> Value {
    let mut live = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u", "labels": {"app": "web", "kubefed.io/managed": "true"},
            "managedFields": [{"manager": "comity-federation", "operation": "Apply", "fieldsV1": {
                "f:metadata": {"f:labels": {"f:app": {}, "f:kubefed.io/managed": {}, "f:comity.dev/hub": {}}, "f:annotations": {"f:comity.dev/owner": {}}},
                "f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}]},
        "spec": {"replicas": replicas, "paused": false, "containers": [{"name": "c", "image": "i", "tty": true}, {"name": "sidecar", "image": "s"}]},
        "status": {"replicas": 1},
    });
    if added {
        live["metadata"]["labels"]["theirs"] = "x".into();
    }
    OwnerMark {
        domain: "federation".into(),
        hub: hub.into(),
        epoch,
        owner_kind: "FederatedDeployment.types.kubefed.io".into(),
        owner_namespace: "shop".into(),
        owner_name: "web".into(),
        owner_uid: "owner".into(),
        generation,
        content: String::new(),
        kind: "Deployment.apps".into(),
        name: "shop/web".into(),
    }
    .put_on(&mut live);
    live
}

fn types(owner: Option<Value>, copies: &[(&str, Value)]) -> Vec<TypeSeen> {
    let copies = copies.iter().map(|(cluster, copy)| ((*cluster).to_owned(), vec![copy.clone()])).collect();
    vec![TypeSeen { config: config("Deployment"), owners: owner.into_iter().collect(), copies }]
}

#[test]
fn an_owner_is_rebuilt_from_what_the_hub_had_asked_for() {
    let copies = [
        ("a", copy("h", 1, 4, 3, true)),
        ("b", copy("h", 1, 4, 5, false)),
        ("c", copy("h", 1, 4, 3, false)),
        ("d", copy("x", 1, 1, 9, false)),
    ];
    let found = compare(&types(None, &copies), "h", 1);
    assert_eq!(found.of_others, BTreeMap::from([("x".to_owned(), 1)]));
    assert_eq!(found.missing.len(), 1);
    assert_eq!(found.missing[0].clusters, ["a", "b", "c"]);
    assert_eq!(
        found.missing[0].object,
        json!({"apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 3, "containers": [{"name": "c", "image": "i"}]}},
            "placement": {"clusters": [{"name": "a"}, {"name": "b"}, {"name": "c"}]},
            "overrides": [{"clusterName": "b", "clusterOverrides": [{"op": "replace", "path": "/spec/replicas", "value": 5}]}],
        }})
    );
    assert_eq!(orphans(&types(None, &copies), "h").len(), 3);
}

#[test]
fn an_owner_that_is_older_than_its_copies_is_listed_with_the_difference() {
    let owner = |generation: i64, uid: &str| {
        json!({"metadata": {"name": "web", "namespace": "shop", "uid": uid, "generation": generation},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"replicas": 1, "containers": [{"name": "c", "image": "i"}]}}}})
    };
    let look = |owner: Value, epoch: u64| compare(&types(Some(owner), &[("a", copy("h", 2, 4, 3, false))]), "h", epoch);
    let found = look(owner(3, "owner"), 2);
    assert_eq!((found.newer[0].generation, found.newer[0].seen, found.epoch), (3, 4, 2));
    assert_eq!(found.newer[0].differences, ["/spec/replicas: 1 -> 3"]);
    assert_eq!(look(owner(4, "owner"), 2).newer, [], "it is as new as its copies");
    assert_eq!(look(owner(4, "owner"), 1).newer.len(), 1, "the copies are of a later epoch");
    assert_eq!(look(owner(3, "owner"), 3).newer, [], "an earlier recovery has settled it");
    assert_eq!(look(owner(9, "made again since"), 2).newer.len(), 1);
    assert!(orphans(&types(Some(owner(1, "owner")), &[("a", copy("h", 2, 4, 3, false))]), "h").is_empty());
}

#[test]
fn the_contents_of_secrets_are_not_shown() {
    let lines = differences(&json!({"data": {"k": "b2xk"}, "type": "a"}), &json!({"data": {"k": "bmV3"}, "type": "b"}), true);
    assert_eq!(lines, ["/data/k: *** -> ***", "/type: \"a\" -> \"b\""]);
}
