//! Who a store is, changed while nobody has it open: the step that ends a recovery.

use std::path::Path;

use fjall::PersistMode;

use crate::EncryptionKeys;
use crate::backend::{fjall::Disk, place};
use crate::error::OpenError;
use crate::load;
use crate::lock::Lock;
use crate::options::Options;

/// Who a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its id.
    pub hub_id: String,
    /// Its epoch.
    pub epoch: u64,
}

/// Gives a store an id and an epoch; durable when it returns. A lower epoch than the store has is not written.
///
/// # Errors
/// The store is in use or cannot be opened.
pub fn identify(directory: &Path, encryption: Option<EncryptionKeys>, hub_id: &str, epoch: u64) -> Result<Identity, OpenError> {
    let _lock = Lock::take(directory)?;
    place::settle(directory)?;
    let disk = Disk::open(directory, &place::data(directory), &Options { encryption, ..Options::fjall(directory) })?;
    let known = load::identify(&disk)?;
    let identity = Identity { hub_id: hub_id.to_owned(), epoch: epoch.max(known.epoch) };
    let mut batch = disk.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&disk.meta, "hub_id", identity.hub_id.as_bytes());
    batch.insert(&disk.meta, "epoch", identity.epoch.to_be_bytes());
    batch.commit().map_err(|error| disk.engine(error))?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Store;

    #[tokio::test]
    async fn a_recovered_store_is_another_epoch_of_the_same_hub_and_is_not_changed_while_it_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(Options::fjall(folder.path())).unwrap();
        let store = open();
        let (id, epoch) = (store.hub_id().to_owned(), store.epoch());
        assert!(matches!(identify(folder.path(), None, &id, 9), Err(OpenError::InUse { .. })));
        store.close().await;
        drop(store);
        identify(folder.path(), None, &id, epoch + 4).unwrap();
        assert_eq!(identify(folder.path(), None, &id, 1).unwrap().epoch, epoch + 4, "it never goes back");
        let store = open();
        assert_eq!((store.hub_id(), store.epoch()), (id.as_str(), epoch + 4));
        store.close().await;
    }
}
