//! Every pod has a service account, its pull secrets and its token.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use comity_core::{Status, Value, json, object};
use comity_store::{Entry, Key};
use tokio::time::Instant;

use super::{Admission, AdmissionContext};

/// Where containers find the token.
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a pod waits for its account: the `default` one of a new namespace is made a moment later.
const WAIT: Duration = Duration::from_secs(1);

/// The plugin.
pub struct ServiceAccount;

#[async_trait]
impl Admission for ServiceAccount {
    fn name(&self) -> &str {
        "ServiceAccount"
    }

    async fn admit(&self, context: &AdmissionContext<'_>, pod: Option<&mut Value>, _old: Option<&Value>) -> Result<Vec<String>, Status> {
        let Some(pod) = pod.filter(|_| context.is_new_pod()) else { return Ok(Vec::new()) };
        if object::annotation(pod, "kubernetes.io/config.mirror").is_some() {
            return Ok(Vec::new());
        }
        if object::str_at(pod, &["spec", "serviceAccountName"]).is_empty() {
            object::set(pod, &["spec", "serviceAccountName"], "default".into());
        }
        let name = object::str_at(pod, &["spec", "serviceAccountName"]).to_owned();
        object::set(pod, &["spec", "serviceAccount"], name.as_str().into());
        let Some(entry) = account(context, &name).await else {
            let why = format!("error looking up service account {}/{name}: serviceaccount {name:?} not found", context.namespace);
            return Err(context.forbidden(&why));
        };
        let account = entry.object();
        if object::items_at(pod, &["spec", "imagePullSecrets"]).is_empty()
            && let Some(secrets) = account.get("imagePullSecrets")
        {
            object::set(pod, &["spec", "imagePullSecrets"], secrets.clone());
        }
        let wanted = object::at(pod, &["spec", "automountServiceAccountToken"]).or_else(|| account.get("automountServiceAccountToken"));
        if wanted != Some(&Value::Bool(false)) {
            mount_token(pod);
        }
        Ok(Vec::new())
    }
}

async fn account(context: &AdmissionContext<'_>, name: &str) -> Option<Arc<Entry>> {
    let store = &context.cx.store;
    let key = Key::new("serviceaccounts", context.namespace, name);
    let mut cursor = store.watch("serviceaccounts", store.revision()).ok()?;
    let deadline = Instant::now() + WAIT;
    loop {
        if let Some(entry) = store.get(&key) {
            return Some(entry);
        }
        tokio::time::timeout_at(deadline, cursor.next_batch()).await.ok()?.ok()?;
    }
}

/// Adds the token volume, and mounts it in every container that has nothing else there.
fn mount_token(pod: &mut Value) {
    let has_mount = |container: &Value| object::items_at(container, &["volumeMounts"]).iter().any(|m| m["mountPath"] == MOUNT_PATH);
    let all_mounted = ["containers", "initContainers"].iter().all(|list| object::items_at(pod, &["spec", list]).iter().all(has_mount));
    if all_mounted {
        return;
    }
    let existing = object::items_at(pod, &["spec", "volumes"])
        .iter()
        .map(|v| object::str_at(v, &["name"]).to_owned())
        .find(|n| n.starts_with("kube-api-access-"));
    let name = match existing {
        Some(name) => name,
        None => {
            let name = crate::handlers::metadata::generate_name("kube-api-access-");
            let mut volumes = object::items_at(pod, &["spec", "volumes"]).to_vec();
            volumes.push(token_volume(&name));
            object::set(pod, &["spec", "volumes"], Value::Array(volumes));
            name
        }
    };
    for list in ["initContainers", "containers"] {
        let Some(containers) = pod.get_mut("spec").and_then(|s| s.get_mut(list)).and_then(Value::as_array_mut) else { continue };
        for container in containers.iter_mut().filter(|c| !has_mount(c)) {
            let mut mounts = object::items_at(container, &["volumeMounts"]).to_vec();
            mounts.push(json!({"name": name, "readOnly": true, "mountPath": MOUNT_PATH}));
            object::set(container, &["volumeMounts"], Value::Array(mounts));
        }
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_mounted_once_in_every_container() {
        let mut pod =
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "volumeMounts": [{"mountPath": MOUNT_PATH, "name": "own"}]}]}});
        mount_token(&mut pod);
        let before = pod.clone();
        mount_token(&mut pod);
        assert_eq!(pod, before);
        assert_eq!(object::items_at(&pod, &["spec", "volumes"]).len(), 1);
        assert_eq!(pod["spec"]["containers"][0]["volumeMounts"][0]["name"], pod["spec"]["volumes"][0]["name"]);
        assert_eq!(pod["spec"]["containers"][1]["volumeMounts"][0]["name"], "own");
    }
}
