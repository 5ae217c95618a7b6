//! Namespaces that are being deleted: emptied, pods first, then let go.

mod status;
mod sweep;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use comity_core::{Value, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent},
};
use jiff::Timestamp;

use crate::{
    kit::{catalog::Catalog, hands::Hands, resources::NAMESPACES, settle::Settle},
    wiring::Wiring,
};

const NAME: &str = "namespace-controller";
/// What disappears at the same time is looked at together.
const GATHER: Duration = Duration::from_millis(50);
/// For what disappears without being watched.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

struct Namespaces {
    hands: Hands,
    namespaces: Cache,
    catalog: Catalog,
    settle: Settle,
}

/// Starts the controller; the function that comes back is told the namespace of every object that disappears.
pub(crate) fn start(wiring: &mut Wiring, catalog: &Catalog) -> impl Fn(&str) + Send + Sync + 'static {
    let namespaces = wiring.informers.cache(&NAMESPACES);
    let controller =
        Namespaces { hands: wiring.controller(NAME), namespaces: namespaces.clone(), catalog: catalog.clone(), settle: Settle::default() };
    let queue = wiring.run(Arc::new(controller), 2);
    let deleted = queue.clone();
    wiring.informers.on(&NAMESPACES, move |event| {
        if let CacheEvent::Applied { new, .. } = event
            && object::is_deleting(new)
        {
            deleted.add(Key::of(new), Priority::User);
        }
    });
    on_gone(namespaces, queue)
}

fn on_gone(namespaces: Cache, queue: Queue) -> impl Fn(&str) + Send + Sync + 'static {
    move |namespace| {
        if !namespace.is_empty() && namespaces.get("", namespace).is_some_and(|ns| object::is_deleting(&ns)) {
            queue.add_after(Key::new("", namespace), GATHER);
        }
    }
}

#[async_trait]
impl Controller for Namespaces {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(key).await {
            Ok(outcome) => outcome,
            Err(why) => Outcome::Retry(why),
        }
    }
}

impl Namespaces {
    async fn round(&self, key: &Key) -> Result<Outcome, String> {
        self.settle.settled(key).await?;
        let Some(namespace) = self.namespaces.get("", &key.name).filter(|namespace| object::is_deleting(namespace)) else {
            return Ok(Outcome::Done);
        };
        if !object::items_at(&namespace, &["spec", "finalizers"]).iter().any(|f| f == "kubernetes") {
            return Ok(Outcome::Done);
        }
        let Some(discovery) = self.catalog.get().await else { return Ok(Outcome::Done) };
        let left = sweep::sweep(&self.hands.client, &discovery, &key.name).await;
        let wanted = status::wanted(&namespace, &left, Timestamp::now());
        let mut latest = (*namespace).clone();
        if namespace["status"] != wanted {
            latest = self.hands.write_status(&NAMESPACES, &namespace, wanted).await.map_err(|e| e.to_string())?;
            self.settle.wrote(key, &self.namespaces, &latest);
        }
        if left.is_clean() {
            self.finalize(latest).await?;
            return Ok(Outcome::Done);
        }
        if !left.failures.is_empty() {
            return Err(left.failures.join("; "));
        }
        Ok(Outcome::Again(LOOK_AGAIN))
    }

    async fn finalize(&self, mut namespace: Value) -> Result<(), String> {
        let mut finalizers = object::items_at(&namespace, &["spec", "finalizers"]).to_vec();
        finalizers.retain(|finalizer| finalizer != "kubernetes");
        object::set(&mut namespace, &["spec", "finalizers"], Value::Array(finalizers));
        match self.hands.replace(&NAMESPACES, &namespace, Some("finalize")).await {
            Err(error) if !error.is_not_found() => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}
