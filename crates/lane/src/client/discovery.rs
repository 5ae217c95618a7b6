//! What a cluster serves: aggregated discovery, with the older form as a fallback.

use comity_core::{GroupVersionKind, GroupVersionResource, Value, kinds, object};

use super::{ClientError, ClusterClient};

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// What a cluster serves, in the server's order.
#[derive(Clone, Debug, Default)]
pub struct Discovery {
    /// The resources of all groups and versions.
    pub resources: Vec<Resource>,
    /// Groups or group versions that could not be read, with the reason.
    pub failed: Vec<(String, String)>,
}

/// A resource that a cluster serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// Where it is served.
    pub gvr: GroupVersionResource,
    /// The kind of its objects.
    pub kind: String,
    /// The name for one object.
    pub singular: String,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: Vec<String>,
    /// Names of its subresources.
    pub subresources: Vec<String>,
    /// Whether this is the version that the server prefers for the resource.
    pub preferred: bool,
}

impl Resource {
    /// Whether a verb is served.
    pub fn can(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

impl Discovery {
    /// The resource of a kind in exactly this version.
    pub fn of_kind(&self, gvk: &GroupVersionKind) -> Option<&Resource> {
        self.resources.iter().find(|r| r.kind == gvk.kind && r.gvr.group == gvk.group && r.gvr.version == gvk.version)
    }

    /// The resource of a kind in the preferred version.
    pub fn of_group_kind(&self, group: &str, kind: &str) -> Option<&Resource> {
        self.preferred().find(|r| r.kind == kind && r.gvr.group == group)
    }

    /// A resource by group and plural name in the preferred version.
    pub fn of_group_resource(&self, group: &str, resource: &str) -> Option<&Resource> {
        self.preferred().find(|r| r.gvr.resource == resource && r.gvr.group == group)
    }

    /// Every resource once, in its preferred version.
    pub fn preferred(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter().filter(|r| r.preferred)
    }

    /// The first version that a group lists a resource in is the preferred one.
    fn mark_preferred(&mut self) {
        let mut seen = std::collections::HashSet::new();
        for resource in &mut self.resources {
            resource.preferred = seen.insert(resource.gvr.group_resource());
        }
    }
}

pub(super) async fn discover(client: &ClusterClient) -> Result<Discovery, ClientError> {
    let mut found = Discovery::default();
    let core = client.get_json("/api", AGGREGATED).await?;
    let groups = client.get_json("/apis", AGGREGATED).await?;
    if core["kind"] == "APIGroupDiscoveryList" && groups["kind"] == "APIGroupDiscoveryList" {
        read_aggregated(&core, &mut found);
        read_aggregated(&groups, &mut found);
    } else {
        read_one_by_one(client, &core, &groups, &mut found).await;
    }
    found.mark_preferred();
    Ok(found)
}

fn read_aggregated(list: &Value, found: &mut Discovery) {
    for group in object::items_at(list, &["items"]) {
        let name = object::name(group);
        for version in object::items_at(group, &["versions"]) {
            let version_name = object::str_at(version, &["version"]);
            if object::str_at(version, &["freshness"]) == "Stale" {
                found.failed.push((kinds::api_version(name, version_name), "stale group version discovery".to_owned()));
            }
            for r in object::items_at(version, &["resources"]) {
                let resource = object::str_at(r, &["resource"]);
                let kind = object::str_at(r, &["responseKind", "kind"]);
                if resource.is_empty() || kind.is_empty() {
                    continue;
                }
                let subresources = object::items_at(r, &["subresources"]).iter();
                found.resources.push(Resource {
                    gvr: GroupVersionResource::new(name, version_name, resource),
                    kind: kind.to_owned(),
                    singular: object::str_at(r, &["singularResource"]).to_owned(),
                    namespaced: object::str_at(r, &["scope"]) == "Namespaced",
                    verbs: texts(r, "verbs"),
                    subresources: subresources.map(|s| object::str_at(s, &["subresource"]).to_owned()).collect(),
                    preferred: false,
                });
            }
        }
    }
}

async fn read_one_by_one(client: &ClusterClient, core: &Value, groups: &Value, found: &mut Discovery) {
    let mut versions: Vec<(String, String)> = texts(core, "versions").into_iter().map(|v| (String::new(), v)).collect();
    for group in object::items_at(groups, &["groups"]) {
        let name = object::str_at(group, &["name"]);
        let preferred = object::str_at(group, &["preferredVersion", "version"]);
        let all = object::items_at(group, &["versions"]).iter().map(|v| object::str_at(v, &["version"]));
        let rest = all.filter(|v| *v != preferred);
        versions.extend(std::iter::once(preferred).filter(|v| !v.is_empty()).chain(rest).map(|v| (name.to_owned(), v.to_owned())));
    }
    for (group, version) in versions {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        match client.get_json(&root, "application/json").await {
            Ok(list) => read_resource_list(&group, &version, &list, found),
            Err(error) => found.failed.push((kinds::api_version(&group, &version), error.to_string())),
        }
    }
}

fn read_resource_list(group: &str, version: &str, list: &Value, found: &mut Discovery) {
    let all = object::items_at(list, &["resources"]);
    for r in all {
        let name = object::str_at(r, &["name"]);
        if name.is_empty() || name.contains('/') {
            continue;
        }
        let subresources = all.iter().filter_map(|s| object::str_at(s, &["name"]).strip_prefix(name)?.strip_prefix('/'));
        found.resources.push(Resource {
            gvr: GroupVersionResource::new(group, version, name),
            kind: object::str_at(r, &["kind"]).to_owned(),
            singular: object::str_at(r, &["singularName"]).to_owned(),
            namespaced: r["namespaced"] == true,
            verbs: texts(r, "verbs"),
            subresources: subresources.map(str::to_owned).collect(),
            preferred: false,
        });
    }
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    object::items_at(value, &[key]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
