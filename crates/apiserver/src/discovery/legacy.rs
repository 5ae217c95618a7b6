//! Discovery in many small documents: `APIVersions`, `APIGroupList`, `APIGroup`, `APIResourceList`.

use base64::Engine as _;
use comity_core::{
    Value, json,
    kinds::{api_version, split_api_version},
};
use sha2::{Digest, Sha256};

use super::groups::{GroupView, VersionView, verbs};
use crate::registry::Resource;

/// The answer of `/api`.
pub fn versions(address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    })
}

/// The answer of `/apis`.
pub fn group_list(groups: &[GroupView<'_>]) -> Value {
    let groups: Vec<Value> = groups.iter().filter(|g| !g.name.is_empty()).map(|group| group_fields(group, json!({}))).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// The answer of `/apis/<group>`.
pub fn group(group: &GroupView<'_>) -> Value {
    group_fields(group, json!({"kind": "APIGroup", "apiVersion": "v1"}))
}

fn group_fields(group: &GroupView<'_>, mut document: Value) -> Value {
    let version = |v: &VersionView<'_>| json!({"groupVersion": api_version(group.name, v.name), "version": v.name});
    document["name"] = group.name.into();
    document["versions"] = group.versions.iter().map(version).collect();
    if let Some(preferred) = group.versions.first() {
        document["preferredVersion"] = version(preferred);
    }
    document
}

/// The answer of `/api/v1` and `/apis/<group>/<version>`.
pub fn resource_list(group: &str, version: &VersionView<'_>) -> Value {
    let mut list = json!({"kind": "APIResourceList"});
    // The real server writes no apiVersion for the core group; clients compare.
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    list["groupVersion"] = api_version(group, version.name).into();
    list["resources"] = version.resources.iter().flat_map(|resource| rows(resource)).collect();
    list
}

fn rows(resource: &Resource) -> Vec<Value> {
    let info = &resource.info;
    let mut row = json!({"name": info.plural, "singularName": info.singular, "namespaced": info.namespaced, "kind": info.kind, "verbs": verbs(resource)});
    if !info.short_names.is_empty() {
        row["shortNames"] = json!(info.short_names);
    }
    if !info.categories.is_empty() {
        row["categories"] = json!(info.categories);
    }
    if info.verbs.iter().any(|v| v == "delete") {
        row["storageVersionHash"] = storage_version_hash(&resource.stored_api_version, &info.kind).into();
    }
    let mut rows = vec![row];
    for sub in &info.subresources {
        let mut row = json!({"name": format!("{}/{}", info.plural, sub.name), "singularName": "", "namespaced": info.namespaced});
        if !sub.version.is_empty() && (sub.group != info.group || sub.version != info.version) {
            row["group"] = sub.group.as_str().into();
            row["version"] = sub.version.as_str().into();
        }
        row["kind"] = sub.kind.as_str().into();
        row["verbs"] = json!(sub.verbs);
        rows.push(row);
    }
    rows
}

/// Identifies the form in which a kind is stored.
fn storage_version_hash(stored_api_version: &str, kind: &str) -> String {
    let (group, mut version) = split_api_version(stored_api_version);
    // These are stored as their beta types by the real server, and their hashes tell clients so.
    if matches!(
        (group, kind),
        ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("admissionregistration.k8s.io", "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding")
    ) {
        version = "v1beta1";
    }
    let hash = Sha256::digest(format!("{group}/{version}/{kind}"));
    base64::engine::general_purpose::STANDARD.encode(&hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_version_hashes_are_those_of_the_real_server() {
        assert_eq!(storage_version_hash("v1", "Pod"), "xPOwRZ+Yhw8=");
        assert_eq!(storage_version_hash("apps/v1", "ControllerRevision"), "85nkx63pcBU=");
        assert_eq!(storage_version_hash("example.com/v1", "Widget"), "gIwvi5rymmg=");
    }
}
