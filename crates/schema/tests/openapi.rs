//! Types of the OpenAPI documents of a real kube-apiserver v1.36.3 (without descriptions), and what clients look for in the paths.
#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use comity_core::{GroupVersionKind, Value, json};
use comity_schema::{
    ResourceInfo, builtin,
    openapi::{Served, index, path_of, v2, v3},
};

fn recorded() -> Value {
    serde_json::from_str(include_str!("fixtures/openapi.json")).unwrap()
}

fn builtin_served(group: &str, version: &str) -> Vec<Served<'static>> {
    let resources = builtin::table().resources().iter().filter(|info| info.group == group && info.version == version);
    resources.map(|info| Served { info, custom: None }).collect()
}

fn widget() -> ResourceInfo {
    let like = builtin::table().find_kind(&GroupVersionKind::new("", "v1", "ConfigMap")).unwrap();
    ResourceInfo {
        group: "example.com".to_owned(),
        kind: "Widget".to_owned(),
        list_kind: "WidgetList".to_owned(),
        plural: "widgets".to_owned(),
        patch_types: vec!["application/merge-patch+json".to_owned()],
        ..ResourceInfo::clone(like)
    }
}

fn without_descriptions(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, value)| *key != "description" || !value.is_string());
            kept.map(|(key, value)| (key.clone(), without_descriptions(value))).collect()
        }
        Value::Array(items) => items.iter().map(without_descriptions).collect(),
        other => other.clone(),
    }
}

fn same_types(expected: &Value, got: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(without_descriptions(&got[name]), *expected, "{name}");
    }
}

#[test]
fn built_in_types_are_those_of_the_real_server() {
    let recorded = recorded();
    same_types(&recorded["v3"]["apps/v1"], &v3("apps", "v1", &builtin_served("apps", "v1"))["components"]["schemas"]);
    same_types(&recorded["v3"]["v1"], &v3("", "v1", &builtin_served("", "v1"))["components"]["schemas"]);
    let all: Vec<Served<'_>> = builtin::table().resources().iter().map(|info| Served { info, custom: None }).collect();
    same_types(&recorded["v2"], &v2(&all)["definitions"]);
}

#[test]
fn custom_types_are_those_of_the_real_server() {
    let recorded = recorded();
    let info = widget();
    let served = [Served { info: &info, custom: Some(&recorded["custom"]["schema"]) }];
    same_types(&recorded["custom"]["v3"], &v3("example.com", "v1", &served)["components"]["schemas"]);
    same_types(&recorded["custom"]["v2"], &v2(&served)["definitions"]);
}

#[test]
fn every_reference_leads_to_a_type() {
    fn check(value: &Value, types: &Value) {
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| match (key.as_str(), value) {
                ("$ref", Value::String(to)) => {
                    let name = to.rsplit('/').next().unwrap();
                    assert!(types.get(name).is_some(), "{to}");
                }
                (_, value) => check(value, types),
            }),
            Value::Array(items) => items.iter().for_each(|item| check(item, types)),
            _ => {}
        }
    }
    for group in builtin::table().groups() {
        for version in &group.versions {
            let document = v3(&group.name, version, &builtin_served(&group.name, version));
            check(&document, &document["components"]["schemas"]);
        }
    }
}

#[test]
fn paths_say_what_kubectl_asks_of_them() {
    let document = v3("apps", "v1", &builtin_served("apps", "v1"));
    let paths: Vec<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(json!(paths), recorded()["paths"]);
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "apps", "version": "v1", "kind": "Deployment"}));
    assert!(patch["parameters"].as_array().unwrap().iter().any(|p| p["name"] == "fieldValidation" && p["in"] == "query"));
    let types: Vec<&str> = patch["requestBody"]["content"].as_object().unwrap().keys().map(String::as_str).collect();
    assert!(types.contains(&"application/strategic-merge-patch+json"), "{types:?}");
    assert_eq!(patch["operationId"], "patchAppsV1NamespacedDeployment");

    let info = widget();
    let document = v3("example.com", "v1", &[Served { info: &info, custom: Some(&Value::Null) }]);
    let patch = &document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_none());
}

#[test]
fn types_and_fields_are_described() {
    let document = v3("apps", "v1", &builtin_served("apps", "v1"));
    let deployment = &document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(deployment["description"], "Deployment enables declarative updates for Pods and ReplicaSets.");
    assert!(deployment["properties"]["spec"]["description"].is_string());
}

#[test]
fn the_index_names_every_document_with_its_hash() {
    let index = index([("api/v1", "AB"), ("apis/apps/v1", "CD")].into_iter());
    assert_eq!(index["paths"]["apis/apps/v1"]["serverRelativeURL"], "/openapi/v3/apis/apps/v1?hash=CD");
    assert_eq!((path_of("", "v1"), path_of("apps", "v1")), ("api/v1".to_owned(), "apis/apps/v1".to_owned()));
}
