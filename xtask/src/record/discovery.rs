//! Groups and resources from aggregated discovery, printer columns from Table answers, patch types from OpenAPI.

use std::collections::BTreeMap;

use anyhow::Context;
use comity_schema::table::{Column, Group, Resource, Subresource, Type};
use comity_testkit_core::client::Client;
use serde_json::Value;

use super::openapi;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// URL prefix of a group version.
pub fn prefix(group: &str, version: &str) -> String {
    if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") }
}

/// Everything discovery lists.
pub fn resources(client: &Client, v2: &Value, types: &BTreeMap<String, Type>) -> anyhow::Result<(Vec<Group>, Vec<Resource>)> {
    let mut groups = Vec::new();
    let mut resources = Vec::new();
    for root in ["/api", "/apis"] {
        let answer = client.get(root, AGGREGATED)?;
        for group in list(&answer["items"]) {
            let name = text(&group["metadata"], "name");
            let versions = list(&group["versions"]);
            groups.push(Group { name: name.clone(), versions: versions.iter().map(|version| text(version, "version")).collect() });
            for version in versions {
                for resource in list(&version["resources"]) {
                    resources.push(one(client, v2, types, &name, &text(version, "version"), resource)?);
                }
            }
        }
    }
    Ok((groups, resources))
}

fn one(
    client: &Client,
    v2: &Value,
    types: &BTreeMap<String, Type>,
    group: &str,
    version: &str,
    resource: &Value,
) -> anyhow::Result<Resource> {
    let plural = text(resource, "resource");
    let what = || format!("resource {plural} of {group}/{version}");
    let (kind_group, kind_version, kind) = kind_of(&resource["responseKind"], group, version);
    let gvk = (kind_group, kind_version, kind.clone());
    let type_name = types.iter().find(|(_, known)| known.gvks.contains(&gvk)).map(|(name, _)| name.clone()).with_context(what)?;
    let verbs = texts(&resource["verbs"]);
    let columns = if verbs.iter().any(|verb| verb == "list") {
        let table = client.get(&format!("{}/{plural}", prefix(group, version)), TABLE)?;
        serde_json::from_value(table["columnDefinitions"].clone()).with_context(what)?
    } else {
        Vec::<Column>::new()
    };
    Ok(Resource {
        group: group.to_owned(),
        version: version.to_owned(),
        kind,
        singular: text(resource, "singularResource"),
        short_names: texts(&resource["shortNames"]),
        categories: texts(&resource["categories"]),
        namespaced: text(resource, "scope") == "Namespaced",
        verbs,
        subresources: list(&resource["subresources"]).iter().map(|sub| subresource(sub, group, version)).collect(),
        type_name,
        columns,
        patch_types: patch_types(v2, group, version, &plural),
        plural,
        initial_status: None,
    })
}

fn subresource(sub: &Value, group: &str, version: &str) -> Subresource {
    let (group, version, kind) = kind_of(&sub["responseKind"], group, version);
    Subresource { name: text(sub, "subresource"), group, version, kind, verbs: texts(&sub["verbs"]) }
}

/// Discovery leaves group and version empty where they are those of the resource.
fn kind_of(response: &Value, group: &str, version: &str) -> (String, String, String) {
    let (own_group, own_version) = (text(response, "group"), text(response, "version"));
    let kind = text(response, "kind");
    if own_version.is_empty() { (group.to_owned(), version.to_owned(), kind) } else { (own_group, own_version, kind) }
}

fn patch_types(v2: &Value, group: &str, version: &str, plural: &str) -> Vec<String> {
    let prefix = prefix(group, version);
    let paths = [format!("{prefix}/namespaces/{{namespace}}/{plural}/{{name}}"), format!("{prefix}/{plural}/{{name}}")];
    let operation = paths.iter().map(|path| &v2["paths"][path]["patch"]).find(|operation| !openapi::gvks(operation).is_empty());
    operation.map(|operation| texts(&operation["consumes"])).unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
