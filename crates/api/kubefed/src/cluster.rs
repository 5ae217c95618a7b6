//! `KubeFedCluster`: one member of the fleet.

use std::collections::BTreeMap;

use comity_core::{Value, condition, object};
use serde::Deserialize;

use crate::{Malformed, view};

/// Condition type: the member's health endpoint answers `ok`.
pub const READY: &str = "Ready";
/// Condition type: the member does not answer.
pub const OFFLINE: &str = "Offline";
/// Condition type: no client can be built from the spec.
pub const CONFIG_MALFORMED: &str = "ConfigMalformed";

/// The conditions that tell a member's health; all others are set by other parts.
pub const HEALTH_CONDITIONS: [&str; 3] = [READY, OFFLINE, CONFIG_MALFORMED];

/// A view of one member's object.
#[derive(Clone, Debug, PartialEq)]
pub struct KubeFedCluster {
    /// Name of the member everywhere.
    pub name: String,
    /// UID of the object: a member that is joined again is another one.
    pub uid: String,
    /// Labels that placements select by.
    pub labels: BTreeMap<String, String>,
    /// How to reach it.
    pub spec: ClusterSpec,
}

/// `spec` of a member; everything below `proxy_url` is Comity's and optional.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterSpec {
    /// Host, host:port or URL.
    pub api_endpoint: String,
    /// Base64 of the PEM bundle that the server's certificate must chain to; empty means the system's roots.
    pub ca_bundle: Option<String>,
    /// The Secret with the key `token`, in the same namespace.
    pub secret_ref: SecretRef,
    /// `*`, `SubjectName`, `ValidityPeriod`.
    #[serde(rename = "disabledTLSValidations")]
    pub disabled_tls_validations: Vec<String>,
    /// `http`, `https` or `socks5` proxy between hub and member.
    #[serde(rename = "proxyURL")]
    pub proxy_url: String,
    /// `Push` (default) or `Pull`.
    pub mode: String,
    /// Provider, such as `aws`.
    pub provider: String,
    /// Region, copied to the status.
    pub region: String,
    /// Zones, copied to the status.
    pub zones: Vec<String>,
}

/// A reference to a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SecretRef {
    /// Name of the Secret.
    pub name: String,
}

impl KubeFedCluster {
    /// Reads the stored object.
    ///
    /// # Errors
    /// A field of `spec` has the wrong type.
    pub fn read(value: &Value) -> Result<Self, Malformed> {
        Ok(Self {
            name: object::name(value).to_owned(),
            uid: object::uid(value).to_owned(),
            labels: labels(value),
            spec: view(value, "spec")?,
        })
    }
}

/// Labels as sorted pairs.
pub type Labels = BTreeMap<String, String>;

/// The labels of a member's object; works on malformed objects too.
pub fn labels(value: &Value) -> Labels {
    let pairs = object::labels(value).into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// A cluster is ready if and only if a condition `Ready` with status `True` stands.
pub fn is_ready(value: &Value) -> bool {
    condition::is_true(value, READY)
}

/// Why a cluster is not ready, as its conditions tell it: reason, message, since.
pub fn not_ready_because(value: &Value) -> (String, String, String) {
    let text = |condition: &Value, key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    for kind in [CONFIG_MALFORMED, OFFLINE, READY] {
        let contrary = if kind == READY { "False" } else { "True" };
        if let Some(found) = condition::find(value, kind).filter(|c| c["status"] == contrary) {
            return (text(found, "reason"), text(found, "message"), text(found, "lastTransitionTime"));
        }
    }
    ("ClusterNotProbed".to_owned(), "the cluster has not been probed yet".to_owned(), String::new())
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn a_joined_cluster_is_read() {
        let cluster = KubeFedCluster::read(&json!({
            "metadata": {"name": "cluster1", "uid": "u", "labels": {"region": "eu"}},
            "spec": {"apiEndpoint": "https://10.0.0.1:6443", "caBundle": "QUJD", "secretRef": {"name": "cluster1-x"}, "disabledTLSValidations": ["*"]},
        }))
        .unwrap();
        assert_eq!(cluster.name, "cluster1");
        assert_eq!(cluster.spec.secret_ref.name, "cluster1-x");
        assert_eq!(cluster.spec.disabled_tls_validations, ["*"]);
        assert_eq!(cluster.labels["region"], "eu");
    }

    #[test]
    fn a_wrong_type_is_named() {
        let error = KubeFedCluster::read(&json!({"spec": {"apiEndpoint": 1}})).unwrap_err();
        assert!(error.0.starts_with("spec: invalid type: integer `1`"), "{error}");
    }

    #[test]
    fn an_offline_cluster_is_not_ready_and_says_why() {
        let cluster = json!({"status": {"conditions": [{"type": "Offline", "status": "True", "reason": "ClusterNotReachable", "message": "m", "lastTransitionTime": "t"}]}});
        assert!(!is_ready(&cluster));
        assert_eq!(not_ready_because(&cluster), ("ClusterNotReachable".to_owned(), "m".to_owned(), "t".to_owned()));
    }
}
