//! Discovery in one document: `apidiscovery.k8s.io/v2`.

use comity_core::{Value, json};

use super::groups::{GroupView, verbs};
use crate::registry::Resource;

/// `Content-Type` of the document.
pub const CONTENT_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The `APIGroupDiscoveryList` of some groups.
pub fn document(groups: &[&GroupView<'_>]) -> Value {
    let items: Vec<Value> = groups.iter().map(|group| item(group)).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn item(group: &GroupView<'_>) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    let versions: Vec<Value> = group
        .versions
        .iter()
        .map(|version| {
            let resources: Vec<Value> = version.resources.iter().map(|r| resource(r)).collect();
            json!({"version": version.name, "resources": resources, "freshness": "Current"})
        })
        .collect();
    json!({"metadata": metadata, "versions": versions})
}

fn resource(resource: &Resource) -> Value {
    let info = &resource.info;
    let scope = if info.namespaced { "Namespaced" } else { "Cluster" };
    let kind = response_kind(resource, &info.group, &info.version, &info.kind);
    let mut row =
        json!({"resource": info.plural, "responseKind": kind, "scope": scope, "singularResource": info.singular, "verbs": verbs(resource)});
    if !info.short_names.is_empty() {
        row["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        row["categories"] = json!(info.categories);
    }
    let subresources: Vec<Value> = info
        .subresources
        .iter()
        .map(|sub| {
            let kind = response_kind(resource, &sub.group, &sub.version, &sub.kind);
            json!({"subresource": sub.name, "responseKind": kind, "verbs": sub.verbs})
        })
        .collect();
    if !subresources.is_empty() {
        row["subresources"] = Value::Array(subresources);
    }
    row
}

/// Built-in resources leave group and version empty where they are the resource's own; custom resources never do.
fn response_kind(resource: &Resource, group: &str, version: &str, kind: &str) -> Value {
    let info = &resource.info;
    let own = version.is_empty() || (group == info.group && version == info.version);
    let (group, version) = match (own, resource.custom.is_some()) {
        (true, true) => (info.group.as_str(), info.version.as_str()),
        (true, false) => ("", ""),
        (false, _) => (group, version),
    };
    json!({"group": group, "version": version, "kind": kind})
}
