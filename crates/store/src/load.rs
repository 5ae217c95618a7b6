//! Opening a durable store: read the objects, replay the log, check that nothing is missing.

use std::path::Path;
use std::sync::Arc;

use fjall::PersistMode;

use crate::backend::{fjall::Disk, place};
use crate::body::Body;
use crate::entry::{Entry, Event, EventKind};
use crate::error::OpenError;
use crate::facts::{Extractor, Facts};
use crate::intern::Interner;
use crate::key::Key;
use crate::options::Options;
use crate::state::State;
use crate::{compact, convert, highwater, row};

/// The revision of an empty store. Revision 0 means "any" to clients, so it is never given out.
pub(crate) const FIRST: u64 = 1;

/// After so many rows of the log what they replaced is compressed.
const PACK_EVERY: u64 = 1024;

/// How far the revision jumps when acknowledged writes are lost.
const JUMP: u64 = 1_000_000_000;

/// Who the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub hub_id: String,
    pub epoch: u64,
}

impl Identity {
    pub fn new() -> Identity {
        Identity { hub_id: uuid::Uuid::new_v4().to_string(), epoch: 1 }
    }
}

pub(crate) struct Loaded {
    pub disk: Disk,
    pub state: State,
    pub identity: Identity,
}

/// Opens a directory whose lock is held.
pub(crate) fn load(directory: &Path, options: &Options, interner: &Interner) -> Result<Loaded, OpenError> {
    let acknowledged = highwater::read(directory)?;
    let open = |data: &Path| Disk::open(directory, data, options);
    place::settle(directory)?;
    place::create(directory, |data| found_store(&open(data)?))?;
    let mut disk = open(&place::data(directory))?;
    let identity = identify(&disk)?;
    if convert::needed(&disk)? {
        tracing::info!(folder = %directory.display(), "the store is written anew, sealed with the first key");
        place::replace(directory, disk, |old, data| convert::seal(&old, &open(data)?))?;
        convert::forget_leftovers(directory)?;
        disk = open(&place::data(directory))?;
    }
    let loader = Loader { disk: &disk, extractor: &options.extractor, interner };
    let replayed = loader.replay(options)?;
    let found = replayed.state.revision();
    let problem = replayed.gap.or_else(|| {
        let path = directory.to_owned();
        (found < acknowledged).then_some(OpenError::LostTail { path, found, acknowledged })
    });
    let Some(problem) = problem else {
        disk.grow_log(replayed.log_bytes).map_err(|error| disk.engine(error))?;
        return Ok(Loaded { state: replayed.state, identity, disk });
    };
    if !options.accept_data_loss {
        return Err(problem);
    }
    tracing::warn!(%problem, "opening the store although writes are lost");
    let identity = forget(&disk, found, acknowledged.max(found) + JUMP, identity)?;
    let state = loader.replay(options)?.state;
    Ok(Loaded { state, identity, disk })
}

/// Makes an empty database a store with a new identity.
fn found_store(disk: &Disk) -> Result<(), OpenError> {
    let new = Identity::new();
    let mut batch = disk.db.batch().durability(Some(PersistMode::SyncAll));
    batch.insert(&disk.meta, "format", row::PLAIN_FORMAT.to_be_bytes());
    batch.insert(&disk.meta, "compact_rev", FIRST.to_be_bytes());
    batch.insert(&disk.meta, "hub_id", new.hub_id.as_bytes());
    batch.insert(&disk.meta, "epoch", new.epoch.to_be_bytes());
    batch.commit().map_err(|error| disk.engine(error))
}

/// Reads who the store is.
pub(crate) fn identify(disk: &Disk) -> Result<Identity, OpenError> {
    match disk.meta_number("format")? {
        Some(found) if found > row::FORMAT => {
            return Err(OpenError::NewerFormat { path: disk.directory.clone(), found, known: row::FORMAT });
        }
        Some(_) => {}
        // An older release stopped between making the database and writing this.
        None => found_store(disk)?,
    }
    let hub_id = disk.meta.get("hub_id").map_err(|error| disk.engine(error))?;
    let hub_id = hub_id.ok_or_else(|| disk.damaged("meta hub_id", "it is missing"))?;
    let hub_id = String::from_utf8(hub_id.to_vec()).map_err(|_| disk.damaged("meta hub_id", "it is not text"))?;
    let epoch = disk.meta_number("epoch")?.ok_or_else(|| disk.damaged("meta epoch", "it is missing"))?;
    Ok(Identity { hub_id, epoch })
}

/// Keeps the state at revision `found`, forgets all history and goes on at a revision that no client has seen.
fn forget(disk: &Disk, found: u64, next: u64, old: Identity) -> Result<Identity, OpenError> {
    compact::run(disk, found).map_err(|failure| disk.damaged(format!("log up to {found}"), failure.to_string()))?;
    let mut batch = disk.db.batch().durability(Some(PersistMode::SyncAll));
    for guard in disk.log.iter() {
        batch.remove(&disk.log, guard.key().map_err(|error| disk.engine(error))?);
    }
    let identity = Identity { epoch: old.epoch + 1, ..old };
    batch.insert(&disk.meta, "compact_rev", next.to_be_bytes());
    batch.insert(&disk.meta, "epoch", identity.epoch.to_be_bytes());
    batch.commit().map_err(|error| disk.engine(error))?;
    Ok(identity)
}

struct Loader<'a> {
    disk: &'a Disk,
    extractor: &'a Extractor,
    interner: &'a Interner,
}

struct Replayed {
    state: State,
    log_bytes: u64,
    /// The first hole in the log; the state is the one before it.
    gap: Option<OpenError>,
}

impl Loader<'_> {
    fn replay(&self, options: &Options) -> Result<Replayed, OpenError> {
        let compacted = self.disk.meta_number("compact_rev")?;
        let compacted = compacted.ok_or_else(|| self.disk.damaged("meta compact_rev", "it is missing"))?;
        let state = State::new(compacted, compacted, options.history).with_seldom_read(&options.seldom_read);
        for guard in self.disk.objects.iter() {
            let (key, value) = guard.into_inner().map_err(|error| self.disk.engine(error))?;
            let damaged =
                |reason: String| self.disk.damaged(format!("object {}", String::from_utf8_lossy(&key).replace('\0', " ")), reason);
            let object = row::read_object(&value).map_err(|reason| damaged(reason.into()))?;
            let place = row::read_object_key(&key).map_err(|reason| damaged(reason.into()))?;
            let body = object.body.open(self.disk.sealer.as_deref(), &place, object.rev).map_err(damaged)?;
            state.restore(Arc::new(self.entry(place, object.rev, object.create_rev, body, None)?));
        }
        state.pack_seldom_read();
        let mut log_bytes = 0;
        for guard in self.disk.log.range((compacted + 1).to_be_bytes()..) {
            let (key, value) = guard.into_inner().map_err(|error| self.disk.engine(error))?;
            let rev = row::read_u64(&key).map_err(|reason| self.disk.damaged("log", reason))?;
            let missing = state.revision() + 1;
            if rev != missing {
                let path = self.disk.directory.clone();
                return Ok(Replayed { state, log_bytes, gap: Some(OpenError::Gap { path, missing, next: rev }) });
            }
            log_bytes += value.len() as u64;
            self.apply(&state, rev, &value)?;
            if rev.is_multiple_of(PACK_EVERY) {
                state.pack_history();
            }
        }
        Ok(Replayed { state, log_bytes, gap: None })
    }

    fn apply(&self, state: &State, rev: u64, value: &[u8]) -> Result<(), OpenError> {
        let damaged = |reason: &str| self.disk.damaged(format!("log {rev}"), reason);
        let logged = row::read_log(value).map_err(damaged)?;
        let previous = state.get(&logged.key);
        let open = |body: row::Stored| body.open(self.disk.sealer.as_deref(), &logged.key, rev);
        let body = logged.body.map(open).transpose().map_err(|reason| damaged(&reason))?;
        let entry = match (body, &previous) {
            (Some(body), earlier) => self.entry(logged.key, rev, logged.create_rev, body, earlier.as_deref())?,
            (None, Some(last)) => {
                Entry { key: last.key.clone(), rev, create_rev: last.create_rev, body: last.body.clone(), facts: last.facts.clone() }
            }
            (None, None) => return Err(damaged("it deletes an object that is not there")),
        };
        if logged.kind == EventKind::Delete && previous.is_none() {
            return Err(damaged("it deletes an object that is not there"));
        }
        state.publish(&[Arc::new(Event { kind: logged.kind, entry: Arc::new(entry), previous, rev })]);
        Ok(())
    }

    fn entry(&self, mut key: Key, rev: u64, create_rev: u64, body: Body, earlier: Option<&Entry>) -> Result<Entry, OpenError> {
        let object = body.try_parse().map_err(|error| self.disk.damaged(format!("{key} at {rev}"), error.to_string()))?;
        let mut facts: Facts = (self.extractor)(&key, &object);
        self.interner.share(&mut key, &mut facts);
        let (key, facts) = match earlier {
            Some(earlier) => (earlier.key.clone(), facts.after(&earlier.facts)),
            None => (key, Arc::new(facts)),
        };
        Ok(Entry { key, rev, create_rev, body, facts })
    }
}
