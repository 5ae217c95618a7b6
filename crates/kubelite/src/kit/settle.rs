//! Reading one's own writes: a key is worked on again only when the caches show what its last round wrote.

use std::{collections::HashMap, time::Duration};

use comity_core::{Value, object};
use comity_runtime::{Key, lane::Cache};
use parking_lot::Mutex;
use tokio::time::timeout;

/// How long a round waits for the caches before it is put off.
const PATIENCE: Duration = Duration::from_secs(10);

/// The writes of each key that its caches may not show yet.
#[derive(Default)]
pub(crate) struct Settle {
    open: Mutex<HashMap<Key, Vec<Wait>>>,
}

#[derive(Clone)]
enum Wait {
    Reached(Cache, String),
    Gone { cache: Cache, namespace: String, name: String, uid: String },
}

impl Settle {
    /// An object was created or changed; `answer` is what the server said.
    pub(crate) fn wrote(&self, key: &Key, cache: &Cache, answer: &Value) {
        self.put(key, Wait::Reached(cache.clone(), object::resource_version(answer).to_owned()));
    }

    /// An object was deleted; `answer` is what the server said: the object if it goes away later.
    pub(crate) fn deleted(&self, key: &Key, cache: &Cache, object: &Value, answer: Option<&Value>) {
        match answer.filter(|answer| object::is_deleting(answer)) {
            Some(leaving) => self.wrote(key, cache, leaving),
            None => self.put(
                key,
                Wait::Gone {
                    cache: cache.clone(),
                    namespace: object::namespace(object).to_owned(),
                    name: object::name(object).to_owned(),
                    uid: object::uid(object).to_owned(),
                },
            ),
        }
    }

    /// Waits until the caches show all writes of this key.
    pub(crate) async fn settled(&self, key: &Key) -> Result<(), String> {
        let Some(waits) = self.open.lock().get(key).cloned() else { return Ok(()) };
        let all = async {
            for wait in &waits {
                match wait {
                    Wait::Reached(cache, version) => cache.reached(version).await,
                    Wait::Gone { cache, namespace, name, uid } => cache.gone(namespace, name, uid).await,
                }
            }
        };
        timeout(PATIENCE, all).await.map_err(|_| "the caches do not show the last writes yet".to_owned())?;
        self.open.lock().remove(key);
        Ok(())
    }

    fn put(&self, key: &Key, wait: Wait) {
        self.open.lock().entry(key.clone()).or_default().push(wait);
    }
}
