//! The kubeconfig that people use: one context for the hub and one for each member.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use comity_core::{Value, json};

use crate::{
    StartError,
    layout::{ServerRole, make_dir, write_private},
};

/// One cluster of the kubeconfig.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Hub or member.
    pub role: ServerRole,
    /// URL of its API server.
    pub server: String,
    /// PEM of its authority.
    pub ca: String,
    /// PEM of the administrator's certificate.
    pub certificate: String,
    /// PEM of the administrator's key.
    pub key: String,
}

/// Writes the kubeconfig, readable by its owner only; the first entry's context is current.
///
/// # Errors
/// The disk refuses.
pub fn write(path: &Path, entries: &[Entry]) -> Result<(), StartError> {
    // Kubeconfigs are YAML, of which JSON is a part; kubectl rewrites it as it likes.
    let text = serde_json::to_string_pretty(&document(entries)).unwrap_or_default();
    if let Some(folder) = path.parent() {
        make_dir(folder)?;
    }
    write_private(path, text.as_bytes())
}

fn document(entries: &[Entry]) -> Value {
    let name = |e: &Entry| match &e.role {
        ServerRole::Hub => "host".to_owned(),
        ServerRole::Member(name) => name.clone(),
    };
    let user = |e: &Entry| format!("{}-admin", name(e));
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": entries.first().map(|e| e.role.context()).unwrap_or_default(),
        "preferences": {},
        "clusters": entries.iter().map(|e| json!({
            "name": name(e), "cluster": {"server": e.server, "certificate-authority-data": STANDARD.encode(&e.ca)},
        })).collect::<Vec<_>>(),
        "users": entries.iter().map(|e| json!({
            "name": user(e),
            "user": {"client-certificate-data": STANDARD.encode(&e.certificate), "client-key-data": STANDARD.encode(&e.key)},
        })).collect::<Vec<_>>(),
        "contexts": entries.iter().map(|e| json!({
            "name": e.role.context(), "context": {"cluster": name(e), "user": user(e)},
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_private_and_its_folder_is_made() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/config");
        write(&path, &[]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn contexts_have_the_names_that_people_type() {
        let entry = |role| Entry { role, server: "https://127.0.0.1:1".into(), ca: "ca".into(), certificate: "c".into(), key: "k".into() };
        let document = document(&[entry(ServerRole::Hub), entry(ServerRole::Member("cluster1".into()))]);
        assert_eq!(document["current-context"], "host-context");
        assert_eq!(
            document["contexts"][1],
            json!({"name": "cluster1-context", "context": {"cluster": "cluster1", "user": "cluster1-admin"}})
        );
    }
}
