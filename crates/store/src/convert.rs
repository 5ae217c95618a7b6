//! Sealing what lies there: a store that was not encrypted, or was with another key, is written anew.

use std::path::Path;

use fjall::{Keyspace, PersistMode};

use crate::backend::fjall::Disk;
use crate::error::OpenError;
use crate::row;
use crate::sealing::KeyId;

/// The `meta` row that names the key.
const SEALED_WITH: &str = "sealed_with";

/// The most rows of one batch.
const CHUNK: usize = 1000;

/// The key that a database is sealed with; nothing when it is not.
pub(crate) fn sealed_with(disk: &Disk) -> Result<Option<KeyId>, OpenError> {
    let id = disk.meta.get(SEALED_WITH).map_err(|error| disk.engine(error))?;
    let read = |bytes: fjall::Slice| <[u8; 8]>::try_from(&*bytes).map(KeyId);
    id.map(read).transpose().map_err(|_| disk.damaged(format!("meta {SEALED_WITH}"), "it is no key id"))
}

/// Whether a database has to be written anew to be sealed with the first of the given keys; an error when the given keys
/// do not open it.
pub(crate) fn needed(disk: &Disk) -> Result<bool, OpenError> {
    let keys = disk.keys();
    match (sealed_with(disk)?, keys) {
        (None, None) => Ok(false),
        (None, Some(_)) => Ok(true),
        (Some(id), None) => Err(OpenError::Encrypted { path: disk.directory.clone(), key: id.to_string() }),
        (Some(id), Some(keys)) if keys.contains(id) => Ok(keys.first() != Some(id)),
        (Some(id), Some(keys)) => Err(OpenError::OtherKey { path: disk.directory.clone(), key: id.to_string(), given: keys.ids() }),
    }
}

/// Writes everything into a new database, sealed.
pub(crate) fn seal(old: &Disk, new: &Disk) -> Result<(), OpenError> {
    let sealer = new.sealer.as_deref().ok_or_else(|| old.damaged("meta", "there is no key to seal with"))?;
    copy(old, new, &old.meta, &new.meta, |_, value| Ok(value.to_vec()))?;
    copy(old, new, &old.objects, &new.objects, |key, value| {
        let key = row::read_object_key(key)?;
        let object = row::read_object(value)?;
        let body = object.body.open(old.sealer.as_deref(), &key, object.rev)?;
        let stored = row::Stored::of(&body, Some(sealer), &key, object.rev)?;
        Ok(row::object_value(object.rev, object.create_rev, &stored))
    })?;
    copy(old, new, &old.log, &new.log, |key, value| {
        let rev = row::read_u64(key)?;
        row::resealed(value, rev, old.sealer.as_deref(), sealer)
    })?;
    let mut batch = new.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&new.meta, "format", row::SEALED_FORMAT.to_be_bytes());
    batch.insert(&new.meta, SEALED_WITH, sealer.id().0);
    batch.commit().map_err(|error| new.engine(error))
}

/// What an earlier crash left of unsealed journals beside the database.
pub(crate) fn forget_leftovers(directory: &Path) -> Result<(), OpenError> {
    let path = directory.join("torn-tail");
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(OpenError::io("removing", &path)(error)),
        _ => Ok(()),
    }
}

type Changed = Result<Vec<u8>, String>;

fn copy(old: &Disk, new: &Disk, from: &Keyspace, to: &Keyspace, change: impl Fn(&[u8], &[u8]) -> Changed) -> Result<(), OpenError> {
    let mut batch = new.db.batch();
    for (number, guard) in from.iter().enumerate() {
        let (key, value) = guard.into_inner().map_err(|error| old.engine(error))?;
        let damaged = |reason| old.damaged(String::from_utf8_lossy(&key).replace('\0', " "), reason);
        batch.insert(to, &*key, change(&key, &value).map_err(damaged)?);
        if number % CHUNK == CHUNK - 1 {
            std::mem::replace(&mut batch, new.db.batch()).commit().map_err(|error| new.engine(error))?;
        }
    }
    batch.commit().map_err(|error| new.engine(error))
}
