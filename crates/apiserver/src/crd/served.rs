//! From a definition to the resources that it makes the server serve.

use comity_core::{Value, json, object};
use comity_schema::{
    ResourceInfo, builtin, crd as schema_crd,
    table::{Column, Subresource},
};

use super::status::{is_established, storage_version};
use crate::{
    discovery::version_order,
    registry::{Custom, Resource, ScalePaths},
};

const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PATCH_TYPES: [&str; 4] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml", "application/apply-patch+cbor"];

/// The served versions of a definition; none before it is established.
///
/// A version whose schema does not compile is left out: it was stored by a server that knew more.
pub fn resources(definition: &Value) -> Vec<Resource> {
    let Some(storage) = storage_version(definition).filter(|_| is_established(definition)) else { return Vec::new() };
    let mut versions: Vec<&Value> = object::items_at(definition, &["spec", "versions"]).iter().filter(|v| v["served"] == true).collect();
    versions.sort_by(|a, b| version_order(object::str_at(a, &["name"]), object::str_at(b, &["name"])));
    versions.into_iter().filter_map(|version| resource(definition, version, storage)).collect()
}

fn resource(definition: &Value, version: &Value, storage: &str) -> Option<Resource> {
    let name = object::str_at(definition, &["status", "acceptedNames", "plural"]);
    let schema = match schema_crd::compile(object::at(version, &["schema", "openAPIV3Schema"]).unwrap_or(&Value::Null)) {
        Ok(schema) => schema,
        Err(errors) => {
            let errors = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            tracing::error!(definition = object::name(definition), version = object::str_at(version, &["name"]), %errors, "a stored schema does not compile; this version is not served");
            return None;
        }
    };
    let accepted = |key| object::str_at(definition, &["status", "acceptedNames", key]).to_owned();
    let list = |key| -> Vec<String> {
        object::items_at(definition, &["status", "acceptedNames", key]).iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let terminating = object::is_deleting(definition) || comity_core::condition::is_true(definition, "Terminating");
    let status = object::at(version, &["subresources", "status"]).is_some_and(Value::is_object);
    let scale = scale(version);
    let (columns, column_paths) = columns(version);
    let info = ResourceInfo {
        group: object::str_at(definition, &["spec", "group"]).to_owned(),
        version: object::str_at(version, &["name"]).to_owned(),
        kind: accepted("kind"),
        list_kind: accepted("listKind"),
        plural: name.to_owned(),
        singular: accepted("singular"),
        short_names: list("shortNames"),
        categories: list("categories"),
        verbs: VERBS.iter().map(|v| (*v).to_owned()).collect(),
        namespaced: object::str_at(definition, &["spec", "scope"]) == "Namespaced",
        subresources: subresources(definition, version, status, scale.is_some()),
        columns,
        patch_types: PATCH_TYPES.iter().map(|t| (*t).to_owned()).collect(),
        schema,
        strategy: builtin::Strategy { has_status: status, generation: builtin::Generation::Content, ..builtin::Strategy::default() },
    };
    let custom = Custom {
        definition: object::name(definition).to_owned(),
        status,
        scale,
        selectable_fields: object::items_at(version, &["selectableFields"])
            .iter()
            .map(|field| object::str_at(field, &["jsonPath"]).to_owned())
            .collect(),
        deprecation: deprecation(definition, version),
        terminating,
        column_paths,
    };
    Some(Resource::custom(info, storage, custom))
}

fn subresources(definition: &Value, version: &Value, status: bool, scale: bool) -> Vec<Subresource> {
    let verbs = || ["get", "patch", "update"].map(str::to_owned).to_vec();
    let mut list = Vec::new();
    if status {
        list.push(Subresource {
            name: "status".to_owned(),
            group: object::str_at(definition, &["spec", "group"]).to_owned(),
            version: object::str_at(version, &["name"]).to_owned(),
            kind: object::str_at(definition, &["status", "acceptedNames", "kind"]).to_owned(),
            verbs: verbs(),
        });
    }
    if scale {
        list.push(Subresource {
            name: "scale".to_owned(),
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: verbs(),
        });
    }
    list
}

fn scale(version: &Value) -> Option<ScalePaths> {
    let scale = object::at(version, &["subresources", "scale"]).filter(|s| s.is_object())?;
    let selector = object::str_at(scale, &["labelSelectorPath"]);
    Some(ScalePaths {
        spec_replicas: object::str_at(scale, &["specReplicasPath"]).to_owned(),
        status_replicas: object::str_at(scale, &["statusReplicasPath"]).to_owned(),
        label_selector: (!selector.is_empty()).then(|| selector.to_owned()),
    })
}

/// The columns after the first (the name), and the JSONPath of each.
fn columns(version: &Value) -> (Vec<Column>, Vec<String>) {
    const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
    const AGE: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
    let column = |of: &Value| Column {
        name: object::str_at(of, &["name"]).to_owned(),
        kind: object::str_at(of, &["type"]).to_owned(),
        format: object::str_at(of, &["format"]).to_owned(),
        description: object::str_at(of, &["description"]).to_owned(),
        priority: object::int_at(of, &["priority"]).unwrap_or(0),
    };
    let first = json!({"name": "Name", "type": "string", "format": "name", "description": NAME});
    let age = json!({"name": "Age", "type": "date", "description": AGE, "jsonPath": ".metadata.creationTimestamp"});
    let mut more = object::items_at(version, &["additionalPrinterColumns"]);
    if more.is_empty() {
        more = std::slice::from_ref(&age);
    }
    let mut columns = vec![column(&first)];
    let mut paths = vec![".metadata.name".to_owned()];
    for of in more {
        let mut column = column(of);
        if column.description.is_empty() {
            column.description = format!("Custom resource definition column (in JSONPath format): {}", object::str_at(of, &["jsonPath"]));
        }
        columns.push(column);
        paths.push(object::str_at(of, &["jsonPath"]).to_owned());
    }
    (columns, paths)
}

/// The warning that requests for a deprecated version get.
fn deprecation(definition: &Value, version: &Value) -> Option<String> {
    if version["deprecated"] != true {
        return None;
    }
    let own = object::str_at(version, &["deprecationWarning"]);
    if !own.is_empty() {
        return Some(own.to_owned());
    }
    let (group, name) = (object::str_at(definition, &["spec", "group"]), object::str_at(version, &["name"]));
    let kind = object::str_at(definition, &["spec", "names", "kind"]);
    let better = object::items_at(definition, &["spec", "versions"])
        .iter()
        .filter(|v| v["served"] == true && v["deprecated"] != true)
        .map(|v| object::str_at(v, &["name"]))
        .filter(|other| version_order(other, name).is_lt())
        .min_by(|a, b| version_order(a, b));
    let mut text = format!("{group}/{name} {kind} is deprecated");
    if let Some(better) = better {
        text += &format!("; use {group}/{better} {kind}");
    }
    Some(text)
}
