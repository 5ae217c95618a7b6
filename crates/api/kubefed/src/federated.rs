//! Federated objects: template, placement, overrides, and the status that Comity writes.

use comity_core::{Value, json, object};
use serde::{Deserialize, Serialize};

use crate::Malformed;

/// `spec` of a federated object.
#[derive(Clone, Debug, PartialEq)]
pub struct FederatedSpec {
    /// The object for every cluster, before overrides; `{}` when the spec has none.
    pub template: Value,
    /// Where it goes.
    pub placement: Placement,
    /// What differs by cluster, in the order written.
    pub overrides: Vec<ClusterOverrides>,
    /// The member's `spec.replicas` stays what it is.
    pub retain_replicas: bool,
}

/// Where an object goes. A missing list and an empty one differ.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placement {
    /// Names, in the order written; `None` when the field is absent.
    pub clusters: Option<Vec<String>>,
    /// The selector object; `None` when the field is absent.
    pub selector: Option<Value>,
}

/// The overrides of one entry of the list.
#[derive(Clone, Debug, PartialEq)]
pub struct ClusterOverrides {
    /// The cluster that they apply to.
    pub cluster: String,
    /// RFC 6902 operations in order.
    pub patches: Vec<Override>,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// `add`, `remove` or `replace`; an empty one means `replace`.
    pub op: String,
    /// JSON pointer.
    pub path: String,
    /// The value; `null` when absent.
    pub value: Value,
}

impl FederatedSpec {
    /// Reads the stored object. The CRD's schema already refuses most of what could be wrong.
    ///
    /// # Errors
    /// The template is not an object, or a placement's names are not strings.
    pub fn read(federated: &Value) -> Result<Self, Malformed> {
        let template = match object::at(federated, &["spec", "template"]) {
            None | Some(Value::Null) => json!({}),
            Some(template @ Value::Object(_)) => template.clone(),
            // what it says instead may be secret
            Some(_) => return Err(Malformed("spec.template: must be an object".to_owned())),
        };
        Ok(Self {
            template,
            placement: Placement::read(object::at(federated, &["spec", "placement"]).unwrap_or(&Value::Null))?,
            overrides: object::items_at(federated, &["spec", "overrides"]).iter().map(ClusterOverrides::read).collect(),
            retain_replicas: object::at(federated, &["spec", "retainReplicas"]) == Some(&Value::Bool(true)),
        })
    }
}

impl Placement {
    /// Reads `spec.placement`.
    ///
    /// # Errors
    /// A cluster has no name.
    pub fn read(placement: &Value) -> Result<Self, Malformed> {
        let clusters = match placement.get("clusters").and_then(Value::as_array) {
            None => None,
            Some(list) => {
                let names = list.iter().map(|entry| entry.get("name").and_then(Value::as_str).map(str::to_owned));
                Some(
                    names
                        .collect::<Option<Vec<_>>>()
                        .ok_or_else(|| Malformed("spec.placement.clusters: every entry needs a name".to_owned()))?,
                )
            }
        };
        Ok(Self { clusters, selector: placement.get("clusterSelector").filter(|s| s.is_object()).cloned() })
    }
}

impl ClusterOverrides {
    fn read(entry: &Value) -> Self {
        let patch = |p: &Value| Override {
            op: object::str_at(p, &["op"]).to_owned(),
            path: object::str_at(p, &["path"]).to_owned(),
            value: p.get("value").cloned().unwrap_or(Value::Null),
        };
        Self {
            cluster: object::str_at(entry, &["clusterName"]).to_owned(),
            patches: object::items_at(entry, &["clusterOverrides"]).iter().map(patch).collect(),
        }
    }
}

/// One entry of `status.clusters`; an empty `status` means that all is well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterEntry {
    /// Cluster name.
    pub name: String,
    /// KubeFed's status word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Machine-readable reason, where something is to be said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The reason for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Replicas that the copy asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i64>,
    /// Replicas that are ready there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i64>,
    /// The copy's own `.status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote_status: Option<Value>,
}

impl ClusterEntry {
    /// All entries of a federated object's status; unreadable ones are left out.
    pub fn of(federated: &Value) -> Vec<Self> {
        let entries = object::items_at(federated, &["status", "clusters"]).iter();
        entries.filter_map(|entry| serde_json::from_value(entry.clone()).ok()).collect()
    }

    /// The entry as it is stored.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_list_and_an_empty_one_differ() {
        assert_eq!(Placement::read(&json!({})).unwrap().clusters, None);
        assert_eq!(Placement::read(&json!({"clusters": []})).unwrap().clusters, Some(vec![]));
        assert_eq!(Placement::read(&json!({"clusters": null})).unwrap().clusters, None);
        assert!(Placement::read(&json!({"clusterSelector": {}})).unwrap().selector.is_some());
    }

    #[test]
    fn a_template_that_is_no_object_is_refused() {
        assert!(FederatedSpec::read(&json!({"spec": {"template": 1}})).is_err());
        assert_eq!(FederatedSpec::read(&json!({"spec": {}})).unwrap().template, json!({}));
    }

    #[test]
    fn entries_are_written_without_empty_fields() {
        let entry = ClusterEntry { name: "c".into(), ..ClusterEntry::default() };
        assert_eq!(entry.to_value(), json!({"name": "c"}));
    }
}
