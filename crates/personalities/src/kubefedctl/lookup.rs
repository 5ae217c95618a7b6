//! Finding an API resource by kind, plural, singular, short name or `plural.group`.

use comity_api_kubefed::type_config::ApiResource;
use comity_core::{GroupVersionResource, Value, kinds, object};
use comity_lane::client::ClusterClient;

/// A resource that a name matched.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub resource: ApiResource,
    pub short_names: Vec<String>,
}

/// Looks through the preferred version of every group (or the version asked for); the core group wins.
pub(super) async fn lookup(hub: &ClusterClient, name: &str, version: &str) -> Result<Found, String> {
    let mut found: Option<Found> = None;
    let mut matched = Vec::new();
    for group_version in group_versions(hub, version).await? {
        let (group, version) = kinds::split_api_version(&group_version);
        let path = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group_version}") };
        let list = document(hub, &path).await?;
        for entry in object::items_at(&list, &["resources"]) {
            let text = |key: &str| entry[key].as_str().unwrap_or("").to_owned();
            let short_names: Vec<String> =
                object::items_at(entry, &["shortNames"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
            if text("name").contains('/') || !matches(name, entry, group, &short_names) {
                continue;
            }
            let resource = ApiResource::new(group, version, &text("kind"), &text("name"), entry["namespaced"] == true);
            matched.push(resource.qualified_name());
            let one = Found { resource, short_names };
            if group.is_empty() {
                return Ok(one);
            }
            found.get_or_insert(one);
        }
    }
    match found {
        Some(found) if matched.len() == 1 => Ok(found),
        Some(_) => Err(format!(
            "Multiple resources are matched by {name:?}: {}. A group-qualified plural name must be provided.",
            matched.join(", ")
        )),
        None => Err(format!("Unable to find api resource named {name:?}.")),
    }
}

/// Whether the kind has an int32 `spec.replicas`, by its definition or else by the published schema.
pub(super) async fn has_replicas(hub: &ClusterClient, target: &ApiResource) -> Result<bool, String> {
    let int32 = |replicas: Option<&Value>| replicas.is_some_and(|r| r["type"] == "integer" && r["format"] == "int32");
    // A definition counts at once; what an API server publishes follows some time later.
    if let Some(definition) = definition(hub, target).await? {
        let versions = object::items_at(&definition, &["spec", "versions"]);
        let version = versions.iter().find(|version| version["name"] == target.version.as_str());
        let path = ["schema", "openAPIV3Schema", "properties", "spec", "properties", "replicas"];
        return Ok(int32(version.and_then(|version| object::at(version, &path))));
    }
    let api = kinds::api_version(&target.group, &target.version);
    let path = if target.group.is_empty() { format!("/openapi/v3/api/{api}") } else { format!("/openapi/v3/apis/{api}") };
    let published = document(hub, &path).await?;
    let Some(schemas) = object::at(&published, &["components", "schemas"]).and_then(Value::as_object) else { return Ok(false) };
    let is_target = |schema: &&Value| {
        object::items_at(schema, &["x-kubernetes-group-version-kind"])
            .iter()
            .any(|g| g["group"] == target.group.as_str() && g["version"] == target.version.as_str() && g["kind"] == target.kind.as_str())
    };
    let Some(schema) = schemas.values().find(is_target) else { return Ok(false) };
    let spec = object::at(schema, &["properties", "spec"]).map(|spec| resolve(schemas, spec));
    Ok(int32(spec.and_then(|spec| object::at(spec, &["properties", "replicas"]))))
}

/// The CustomResourceDefinition of a kind, where it has one.
async fn definition(hub: &ClusterClient, target: &ApiResource) -> Result<Option<Value>, String> {
    let definitions = GroupVersionResource::new("apiextensions.k8s.io", "v1", "customresourcedefinitions");
    let name = target.qualified_name();
    hub.get(&definitions, "", &name).await.map_err(|e| format!("Error listing api resources: {name}: {e}"))
}

/// Follows `$ref`, also where `allOf` wraps it.
fn resolve<'a>(schemas: &'a comity_core::Map<String, Value>, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    reference.and_then(|r| r.rsplit('/').next()).and_then(|name| schemas.get(name)).unwrap_or(schema)
}

async fn group_versions(hub: &ClusterClient, version: &str) -> Result<Vec<String>, String> {
    let groups = document(hub, "/apis").await?;
    let mut all = vec!["v1".to_owned()];
    for group in object::items_at(&groups, &["groups"]) {
        if version.is_empty() {
            all.extend(group["preferredVersion"]["groupVersion"].as_str().map(str::to_owned));
        } else {
            let served = object::items_at(group, &["versions"]).iter().filter_map(|v| v["groupVersion"].as_str());
            all.extend(served.map(str::to_owned));
        }
    }
    all.retain(|gv| version.is_empty() || kinds::split_api_version(gv).1 == version);
    Ok(all)
}

async fn document(hub: &ClusterClient, path: &str) -> Result<Value, String> {
    let (code, text) = hub.get_text(path).await.map_err(|e| format!("Error listing api resources: {path}: {e}"))?;
    if code != 200 {
        return Err(format!("Error listing api resources: {path}: status {code}"));
    }
    serde_json::from_str(&text).map_err(|e| format!("Error listing api resources: {path}: {e}"))
}

fn matches(name: &str, entry: &Value, group: &str, short_names: &[String]) -> bool {
    let name = name.to_lowercase();
    let plural = entry["name"].as_str().unwrap_or("");
    name == plural
        || Some(name.as_str()) == entry["singularName"].as_str().filter(|s| !s.is_empty())
        || name == entry["kind"].as_str().unwrap_or("").to_lowercase()
        || name == format!("{plural}.{group}")
        || short_names.iter().any(|s| s.to_lowercase() == name)
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn every_name_of_a_resource_matches() {
        let entry = json!({"name": "deployments", "singularName": "deployment", "kind": "Deployment", "namespaced": true});
        for name in ["Deployment", "deployments", "deployment", "deploy", "deployments.apps"] {
            assert!(matches(name, &entry, "apps", &["deploy".to_owned()]), "{name}");
        }
        assert!(!matches("deployments.extensions", &entry, "apps", &[]));
    }
}
