//! The schema table: everything Comity knows about built-in kinds, as recorded from a real kube-apiserver.
//!
//! `cargo xtask record` writes `data/kubernetes.json.zst` (this structure) and `data/descriptions.json.zst`
//! (type name → {"": text, field → text}, read only by OpenAPI and `kubectl explain`). Nothing in them is typed by hand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The whole table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct TableFile {
    /// Version of the recorded server, such as `v1.36.3`.
    pub kubernetes: String,
    /// SHA-256 of what the recording was made from (versions, fixtures, recorder); `cargo xtask tidy` compares it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stamp: String,
    /// Groups in the order in which discovery lists them, each with its versions, preferred first.
    pub groups: Vec<Group>,
    /// Every resource of every served version.
    pub resources: Vec<Resource>,
    /// Types by OpenAPI definition name, such as `io.k8s.api.apps.v1.Deployment`.
    pub types: BTreeMap<String, Type>,
    /// RBAC objects that a fresh server makes by itself (ClusterRoles, ClusterRoleBindings, Roles, RoleBindings),
    /// without server-set metadata.
    pub bootstrap_rbac: Vec<Value>,
    /// PriorityClasses, FlowSchemas and other objects that a fresh server makes, without server-set metadata.
    pub bootstrap_objects: Vec<Value>,
}

/// An API group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Group {
    /// Name, empty for core.
    pub name: String,
    /// Versions, preferred first.
    pub versions: Vec<String>,
}

/// A resource in one version.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Resource {
    /// Group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Plural name in URLs.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names, such as `deploy`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
    /// Verbs, as discovery lists them.
    pub verbs: Vec<String>,
    /// Subresources such as `status` and `scale`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subresources: Vec<Subresource>,
    /// Definition name of its type; empty for resources without stored objects (reviews have one all the same).
    pub type_name: String,
    /// Printer columns, in the order of the Table answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// Content types that PATCH accepts, as the OpenAPI document lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patch_types: Vec<String>,
    /// The status that a fresh object without one gets on create, if all observations agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_status: Option<Value>,
}

/// A subresource.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Subresource {
    /// Name, such as `scale`.
    pub name: String,
    /// Group of the kind it answers with.
    pub group: String,
    /// Version of that kind.
    pub version: String,
    /// That kind.
    pub kind: String,
    /// Verbs.
    pub verbs: Vec<String>,
}

/// A printer column, as a Table answer defines it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Column {
    /// Title as recorded, such as `Ready` (kubectl upper-cases it).
    pub name: String,
    /// `string`, `integer`, `date`, ….
    #[serde(rename = "type")]
    pub kind: String,
    /// `name` for the first column, else mostly empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub format: String,
    /// Explanation.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// 0 is always shown, others only with `-o wide`.
    #[serde(default, skip_serializing_if = "is_zero_priority")]
    pub priority: i64,
}

/// A type: an object with known fields, or an alias of a scalar (Quantity, Time, IntOrString, …).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Type {
    /// Fields in the order in which the server writes them (the order of the protobuf definition). Empty for aliases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// For aliases and open objects: what the type is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Shape>,
    /// Names of required fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// Kinds this type is served as: (group, version, kind).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gvks: Vec<(String, String, String)>,
    /// `x-kubernetes-map-type` of the type itself: `atomic` or empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub map_type: String,
    /// `x-kubernetes-unions`, as published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unions: Vec<Value>,
    /// Nested protobuf messages whose fields JSON writes inline, as a Volume does with its VolumeSource.
    /// Such fields are in `fields` too, with number 0; their numbers are those of the inlined type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inlined: Vec<Inlined>,
    /// Set for types that only protobuf knows (the inlined ones): OpenAPI documents do not list them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// A nested protobuf message whose fields JSON writes inline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inlined {
    /// Field number in the protobuf definition.
    pub number: u32,
    /// Definition name of its type, which is in the table.
    #[serde(rename = "type")]
    pub type_name: String,
}

/// A field of a type.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Field {
    /// JSON name.
    pub name: String,
    /// What it holds.
    pub shape: Shape,
    /// Field number in the protobuf definition; 0 when the type has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub number: u32,
    /// The published default (`default` in OpenAPI), only where it is not trivial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// A constant that the real server fills in on create when the field is absent, as observed by server dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filled: Option<Value>,
    /// `x-kubernetes-list-type`: `atomic`, `set`, `map`, or empty (atomic).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub list_type: String,
    /// `x-kubernetes-list-map-keys`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub list_keys: Vec<String>,
    /// `x-kubernetes-map-type`: `atomic`, `granular` or empty (granular).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub map_type: String,
    /// `x-kubernetes-patch-strategy`, such as `merge` or `merge,retainKeys`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patch_strategy: String,
    /// `x-kubernetes-patch-merge-key`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub patch_merge_key: String,
    /// `enum` values, if the document lists them (of the items, for a list).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enumeration: Vec<String>,
    /// In protobuf the list (of a list field or of each map value) sits in a message of its own as field 1, as ExtraValue does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrapped: bool,
    /// The OpenAPI v3 document publishes the zero value of the type as default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub zero_default: bool,
}

/// What a field, a list item or a map value holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shape {
    /// Anything at all (RawExtension, JSON, an object without properties).
    #[default]
    Any,
    /// A text; the format is `byte` for base64 data and otherwise mostly empty.
    String(String),
    /// A whole number: `int32` or `int64`.
    Integer(String),
    /// A number with fraction.
    Number,
    /// True or false.
    Boolean,
    /// `IntOrString`.
    IntOrString,
    /// `resource.Quantity`.
    Quantity,
    /// `Time`: RFC 3339 to the second.
    Time,
    /// `MicroTime`: RFC 3339 to the microsecond.
    MicroTime,
    /// `metav1.Duration`: Go notation.
    Duration,
    /// A type of the table, by definition name.
    Ref(String),
    /// A list of items.
    List(Box<Shape>),
    /// A map from texts to values.
    Map(Box<Shape>),
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

fn is_zero_priority(number: &i64) -> bool {
    *number == 0
}
