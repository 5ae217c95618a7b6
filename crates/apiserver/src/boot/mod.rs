//! Objects that a fresh server makes by itself. Everything is written through the handlers, so that it looks as if a
//! client had written it; what exists is only completed.

mod address;
mod bootstrap;
pub mod write;

use comity_core::{Status, Value, json};
use comity_store::Key;

pub use address::publish;

use crate::{authz::aggregation, cx::Cx};

/// Namespaces that always exist.
pub const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

/// Makes what is missing: namespaces, bootstrap RBAC, priority classes, the `kubernetes` Service.
///
/// # Errors
/// A write is refused.
pub async fn run(cx: &Cx) -> Result<(), Status> {
    for name in NAMESPACES {
        write::create(cx, "/api/v1/namespaces", &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    bootstrap::run(cx).await?;
    aggregation::write_all(cx).await;
    client_authentication(cx).await?;
    service(cx).await?;
    tokio::spawn(aggregation::run(cx.clone()));
    Ok(())
}

/// Tells extension servers which authority signs client certificates.
async fn client_authentication(cx: &Cx) -> Result<(), Status> {
    if cx.boot.client_ca.is_empty() {
        return Ok(());
    }
    let path = "/api/v1/namespaces/kube-system/configmaps";
    let data = json!({"client-ca-file": cx.boot.client_ca});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extension-apiserver-authentication", "namespace": "kube-system"}, "data": data});
    if !write::create(cx, path, &map).await? {
        write::merge(cx, &format!("{path}/extension-apiserver-authentication"), &json!({"data": data})).await?;
    }
    Ok(())
}

/// The Service under which workloads find this server.
async fn service(cx: &Cx) -> Result<(), Status> {
    if cx.store.get(&Key::new("services", "default", "kubernetes")).is_some() {
        return Ok(());
    }
    let Some(address) = first_address(&cx.boot.service_cidr) else { return Ok(()) };
    let service: Value = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "sessionAffinity": "None",
            "ports": [{"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443}],
        },
    });
    write::create(cx, "/api/v1/namespaces/default/services", &service).await.map(drop)
}

/// The first address of a range, such as `10.96.0.1` of `10.96.0.0/16`.
fn first_address(cidr: &str) -> Option<String> {
    let network: std::net::Ipv4Addr = cidr.split_once('/')?.0.parse().ok()?;
    Some(std::net::Ipv4Addr::from(u32::from(network).checked_add(1)?).to_string())
}

/// Settings that only the first objects need.
pub struct State {
    client_ca: String,
    service_cidr: String,
}

impl State {
    /// From the settings.
    pub fn new(config: &crate::config::Config) -> Self {
        Self { client_ca: config.client_ca.clone(), service_cidr: config.service_cidr.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_follows_the_network() {
        assert_eq!(first_address("10.96.0.0/16").as_deref(), Some("10.96.0.1"));
        assert_eq!(first_address("255.255.255.255/32"), None);
        assert_eq!(first_address("fd00::/112"), None);
    }
}
