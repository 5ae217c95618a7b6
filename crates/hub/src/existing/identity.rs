//! Id and epoch of a hub whose store is somebody else's: a ConfigMap that is made once.

use comity_api_kubefed::keys;
use comity_core::{GroupVersionResource, Value, json, object};
use comity_lane::client::{ClientError, ClusterClient};

const NAME: &str = "comity-hub";
const ID: &str = "hubID";
const EPOCH: &str = "epoch";

/// Who a hub is to its members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id in ownership marks.
    pub hub_id: String,
    /// Grows whenever the hub is recovered.
    pub epoch: u64,
}

/// Reads the identity, or makes it where there is none.
///
/// # Errors
/// The hub does not answer, or the ConfigMap does not say what it must: an id is never made up a second time.
pub(crate) async fn read_or_make(hub: &ClusterClient) -> Result<Identity, String> {
    let maps = maps();
    let what = format!("ConfigMap {}/{NAME}", keys::SYSTEM_NAMESPACE);
    let failed = |error: &dyn std::fmt::Display| format!("{what}: {error}");
    if let Some(found) = hub.get(&maps, keys::SYSTEM_NAMESPACE, NAME).await.map_err(|e| failed(&e))? {
        return read(&found).map_err(|why| failed(&why));
    }
    match hub.create(&maps, keys::SYSTEM_NAMESPACE, &fresh(), "comity").await {
        Ok(made) => read(&made).map_err(|why| failed(&why)),
        // another instance was faster
        Err(error) if error.is_already_exists() => {
            let found = hub.get(&maps, keys::SYSTEM_NAMESPACE, NAME).await.map_err(|e| failed(&e))?;
            read(&found.unwrap_or_default()).map_err(|why| failed(&why))
        }
        Err(error) => Err(failed(&error)),
    }
}

/// Whether there is an identity.
pub(crate) async fn exists(hub: &ClusterClient) -> Result<bool, ClientError> {
    Ok(hub.get(&maps(), keys::SYSTEM_NAMESPACE, NAME).await?.is_some())
}

/// Replaces the identity, if it is still the one that was read.
///
/// # Errors
/// The hub does not answer, or somebody else has changed it.
pub(crate) async fn write(hub: &ClusterClient, old: &Identity, new: &Identity) -> Result<(), String> {
    let failed = |error: &dyn std::fmt::Display| format!("ConfigMap {}/{NAME}: {error}", keys::SYSTEM_NAMESPACE);
    let mut map = hub.get(&maps(), keys::SYSTEM_NAMESPACE, NAME).await.map_err(|e| failed(&e))?.unwrap_or_default();
    if read(&map).map_err(|why| failed(&why))? != *old {
        return Err(failed(&"it was changed meanwhile; run the recovery again"));
    }
    map["data"][ID] = new.hub_id.as_str().into();
    map["data"][EPOCH] = new.epoch.to_string().into();
    hub.replace(&maps(), keys::SYSTEM_NAMESPACE, NAME, None, &map, "comity").await.map(drop).map_err(|e| failed(&e))
}

fn maps() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "configmaps")
}

fn fresh() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": NAME, "namespace": keys::SYSTEM_NAMESPACE, "annotations": {
            "comity.dev/note": "The identity of this hub in the marks of its copies. Keep it with your backups: with another id no copy is the hub's any more.",
        }},
        "data": {ID: uuid::Uuid::new_v4().to_string(), EPOCH: "1"},
    })
}

fn read(map: &Value) -> Result<Identity, String> {
    let text = |key: &str| object::str_at(map, &["data", key]).trim();
    let hub_id = text(ID);
    if hub_id.is_empty() {
        return Err(format!(
            "data.{ID} is missing; put back the id that the copies in the members carry in their label {}",
            comity_core::labels::HUB
        ));
    }
    let epoch = text(EPOCH).parse().ok().filter(|epoch| *epoch > 0);
    let epoch = epoch.ok_or_else(|| format!("data.{EPOCH} is {:?} and must be a number from 1", text(EPOCH)))?;
    Ok(Identity { hub_id: hub_id.to_owned(), epoch })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_as_it_was_made_and_never_made_up() {
        let made = fresh();
        assert_eq!(read(&made).unwrap().epoch, 1);
        assert_eq!(read(&made).unwrap().hub_id.len(), 36);
        let without = json!({"data": {"epoch": "1"}});
        assert!(read(&without).unwrap_err().contains("data.hubID is missing"));
        for epoch in ["", "0", "-1", "two"] {
            assert!(read(&json!({"data": {"hubID": "x", "epoch": epoch}})).unwrap_err().contains("data.epoch"));
        }
    }
}
