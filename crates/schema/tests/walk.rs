//! Pruning, type checks, defaults and canonical form of built-in and custom objects.

#![allow(clippy::unwrap_used, reason = "tests")]

use comity_core::{GroupVersionKind, Value, json};
use comity_schema::{Schema, builtin, crd};

fn schema(group: &str, version: &str, kind: &str) -> Schema {
    builtin::table().type_schema(&GroupVersionKind::new(group, version, kind)).unwrap()
}

fn whole(schema: &Schema, mut v: Value) -> Value {
    schema.prune(&mut v);
    schema.check_types(&v).unwrap();
    schema.default(&mut v);
    schema.canonicalize(&mut v);
    v
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    let pod = schema("", "v1", "Pod");
    let mut v = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "what": 1, "labels": null},
        "spec": {"containers": [{"name": "c", "foo": 1, "image": null}], "bar": {}}});
    assert_eq!(pod.prune(&mut v), ["metadata.what", "spec.containers[0].foo", "spec.bar"]);
    assert_eq!(v, json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}));
    assert!(pod.prune(&mut v).is_empty());
}

#[test]
fn wrong_types_have_the_texts_of_the_api() {
    for (group, kind, body, text) in [
        (
            "apps",
            "Deployment",
            json!({"spec": {"replicas": "3"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": {"name": "a"}}}),
            "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": ["a"]}}),
            "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container",
        ),
        ("", "ConfigMap", json!({"data": {"a": 1}}), "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"),
        ("", "Secret", json!({"data": {"a": "?"}}), "illegal base64 data at input byte 0"),
        (
            "",
            "Pod",
            json!({"spec": {"restartPolicy": true}}),
            "json: cannot unmarshal bool into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            "",
            "Pod",
            json!({"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "x"}}}]}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ] {
        let mut v = body;
        let map = v.as_object_mut().unwrap();
        map.insert("apiVersion".into(), if group.is_empty() { "v1".into() } else { format!("{group}/v1").into() });
        map.insert("kind".into(), kind.into());
        assert_eq!(schema(group, "v1", kind).check_types(&v).unwrap_err(), text);
    }
}

#[test]
fn a_deployment_is_answered_as_the_server_does() {
    let v = whole(
        &schema("apps", "v1", "Deployment"),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "creationTimestamp": null},
            "spec": {"template": {"metadata": {"labels": {"b": "1", "a": "2"}}, "spec": {"containers": [
                {"image": "nginx", "name": "c", "resources": {"limits": {"cpu": "1000m", "memory": "0.5Gi"}}, "livenessProbe": {"httpGet": {"port": 80}}}]}},
                "selector": {"matchLabels": {"a": "2"}}}}),
    );
    insta::assert_snapshot!(serde_json::to_string_pretty(&v).unwrap());
}

#[test]
fn defaults_that_depend_on_other_fields() {
    let service = schema("", "v1", "Service");
    let v = whole(
        &service,
        json!({"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer", "sessionAffinity": "ClientIP", "ports": [{"port": 80}]}}),
    );
    assert_eq!(v["spec"]["ports"][0]["targetPort"], 80);
    assert_eq!(v["spec"]["allocateLoadBalancerNodePorts"], true);
    assert_eq!(v["spec"]["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"], 10800);
    let pod = whole(
        &schema("", "v1", "Pod"),
        json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostNetwork": true, "containers": [
            {"name": "c", "image": "x:1", "ports": [{"containerPort": 1}], "resources": {"limits": {"cpu": "1"}}}]}}),
    );
    assert_eq!(pod["spec"]["containers"][0]["resources"]["requests"]["cpu"], "1");
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["hostPort"], 1);
    assert_eq!(pod["spec"]["enableServiceLinks"], true);
    let namespace = whole(&schema("", "v1", "Namespace"), json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}));
    assert_eq!(namespace["metadata"]["labels"]["kubernetes.io/metadata.name"], "n");
    assert_eq!(namespace["status"]["phase"], "Active");
}

#[test]
fn custom_kinds_prune_default_and_sort() {
    let schema = crd::compile(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "default": 1}, "note": {"type": "string", "nullable": true}, "gone": {"type": "string"},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "inner": {"type": "object", "default": {}, "properties": {"x": {"type": "string", "default": "y"}}}}}}}))
    .unwrap();
    let mut v = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n", "zzz": 1},
        "spec": {"zz": 1, "note": null, "gone": null, "free": {"any": {"thing": null}}, "aa": {"b": 1}}});
    assert_eq!(schema.prune(&mut v), ["metadata.zzz", "spec.aa", "spec.zz"]);
    schema.default(&mut v);
    schema.canonicalize(&mut v);
    let text = v.to_string();
    assert_eq!(
        text,
        r#"{"apiVersion":"a/v1","kind":"K","metadata":{"name":"n"},"spec":{"free":{"any":{"thing":null}},"inner":{"x":"y"},"note":null,"replicas":1}}"#
    );
    assert!(schema.root().child("spec").unwrap().child("free").unwrap().preserves_unknown());
}

#[test]
fn custom_values_are_validated_and_old_mistakes_tolerated() {
    let schema = crd::compile(&json!({"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1}, "mode": {"type": "string", "enum": ["a", "b"]}, "name": {"type": "string", "pattern": "^x", "maxLength": 3},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}}}}}))
    .unwrap();
    let texts = |v: &Value, old: Option<&Value>| schema.validate(v, old).iter().map(ToString::to_string).collect::<Vec<_>>();
    let bad = json!({"spec": {"size": "x", "mode": "c", "name": "yyyy", "set": ["a", "a"]}});
    assert_eq!(
        texts(&bad, None),
        [
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
            "spec.name: Too long: may not be more than 3 bytes",
            "spec.set[1]: Duplicate value: \"a\"",
        ]
    );
    assert_eq!(texts(&json!({"spec": {}}), None), ["spec.size: Required value"]);
    assert_eq!(
        texts(&json!({"spec": {"size": 0}}), None),
        ["spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"]
    );
    let mut changed = bad.clone();
    changed["spec"]["name"] = "y".into();
    assert_eq!(texts(&changed, Some(&bad)), ["spec.name: Invalid value: \"y\": spec.name in body should match '^x'"]);
}
