//! CustomResourceDefinitions of KubeFed's kinds, generated.

mod core;
mod federated;

use comity_core::{Map, Value, json};

pub use federated::{FederatedTraits, federated_crd};

use crate::type_config;

/// Definitions of KubeFedCluster, FederatedTypeConfig and KubeFedConfig.
pub fn core_crds() -> Vec<Value> {
    vec![core::type_config(), core::cluster(), core::config()]
}

/// Definitions of the federated kinds that ship, in name order.
pub fn shipped_crds() -> Vec<Value> {
    type_config::shipped().iter().map(|config| federated_crd(config, &FederatedTraits::shipped(&config.spec.target_type.kind))).collect()
}

/// Everything that a hub needs before the first federated object.
pub fn all() -> Vec<Value> {
    core_crds().into_iter().chain(shipped_crds()).collect()
}

/// Names and scope of a kind.
struct Names<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    plural: &'a str,
    short: &'a [String],
    namespaced: bool,
}

fn definition(names: &Names<'_>, schema: Value, columns: &[(&str, &str, &str)], status: bool) -> Value {
    let mut spec_names = json!({
        "kind": names.kind, "listKind": format!("{}List", names.kind),
        "plural": names.plural, "singular": names.kind.to_lowercase(),
    });
    if !names.short.is_empty() {
        spec_names["shortNames"] = names.short.to_vec().into();
    }
    let mut version = Map::new();
    version.insert("name".into(), names.version.into());
    if !columns.is_empty() {
        let columns = columns.iter().map(|(name, kind, path)| json!({"name": name, "type": kind, "jsonPath": path}));
        version.insert("additionalPrinterColumns".into(), columns.collect::<Vec<_>>().into());
    }
    version.insert("schema".into(), json!({"openAPIV3Schema": schema}));
    version.insert("served".into(), true.into());
    version.insert("storage".into(), true.into());
    if status {
        version.insert("subresources".into(), json!({"status": {}}));
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}.{}", names.plural, names.group)},
        "spec": {
            "group": names.group,
            "names": spec_names,
            "scope": if names.namespaced { "Namespaced" } else { "Cluster" },
            "versions": [version],
        },
    })
}

/// An object schema; `required` may be empty.
fn fields(properties: Value, required: &[&str]) -> Value {
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        schema["required"] = required.to_vec().into();
    }
    schema
}

/// The schema of a whole object with `spec` required.
fn whole(spec: Value, status: Option<Value>) -> Value {
    let mut properties = json!({"apiVersion": text(), "kind": text(), "metadata": {"type": "object"}, "spec": spec});
    if let Some(status) = status {
        properties["status"] = status;
    }
    fields(properties, &["spec"])
}

fn list(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn text() -> Value {
    json!({"type": "string"})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn int64() -> Value {
    json!({"type": "integer", "format": "int64"})
}

fn any_object() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_that_ship() {
        let summary: Vec<String> = all()
            .iter()
            .map(|crd| {
                let version = &crd["spec"]["versions"][0];
                let columns: Vec<&str> =
                    version["additionalPrinterColumns"].as_array().into_iter().flatten().filter_map(|c| c["name"].as_str()).collect();
                format!(
                    "{} {} {} {} [{}]",
                    crd["metadata"]["name"].as_str().unwrap(),
                    crd["spec"]["scope"].as_str().unwrap(),
                    version["name"].as_str().unwrap(),
                    crd["spec"]["names"].get("shortNames").map_or(String::from("-"), Value::to_string),
                    columns.join(" ")
                )
            })
            .collect();
        insta::assert_snapshot!(summary.join("\n"), @r#"
        federatedtypeconfigs.core.kubefed.io Namespaced v1beta1 ["ftc"] []
        kubefedclusters.core.kubefed.io Namespaced v1beta1 ["kfc"] [age ready kubernetes-version]
        kubefedconfigs.core.kubefed.io Namespaced v1beta1 - []
        federatedclusterroles.types.kubefed.io Cluster v1beta1 - [clusters age]
        federatedconfigmaps.types.kubefed.io Namespaced v1beta1 ["fcm"] [clusters age]
        federateddeployments.types.kubefed.io Namespaced v1beta1 ["fdeploy"] [ready clusters age]
        federatedingresses.types.kubefed.io Namespaced v1beta1 ["fing"] [clusters age]
        federatedjobs.types.kubefed.io Namespaced v1beta1 - [clusters age]
        federatednamespaces.types.kubefed.io Namespaced v1beta1 ["fns"] [clusters age]
        federatedreplicasets.types.kubefed.io Namespaced v1beta1 ["frs"] [ready clusters age]
        federatedsecrets.types.kubefed.io Namespaced v1beta1 - [clusters age]
        federatedserviceaccounts.types.kubefed.io Namespaced v1beta1 ["fsa"] [clusters age]
        federatedservices.types.kubefed.io Namespaced v1beta1 ["fsvc"] [clusters age]
        "#);
    }

    #[test]
    fn the_schema_of_a_federated_workload() {
        let crd = federated_crd(&type_config::shipped()[2], &FederatedTraits::shipped("Deployment"));
        insta::assert_snapshot!(serde_json::to_string_pretty(&crd).unwrap());
    }
}
