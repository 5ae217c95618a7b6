//! Keeps what the guard must not lose where it survives a restart: conditions of the clusters, and the day's counts.
//!
//! The counts are a ConfigMap beside the clusters, one entry for each member in which something went. A block of
//! deletions is in it before the first of them goes, so that a hub that is killed has counted too many rather than too
//! few; what of a block was not used is given back after [`GIVE_BACK`], and by a hub that ends in order.

use std::{sync::Arc, time::Duration};

use comity_api_kubefed::keys::DELETIONS_HELD;
use comity_core::{GroupVersionResource, Map, Value, json, object};
use comity_fleet::Fleet;
use comity_lane::{ClientError, ClusterClient, PatchKind};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    Guard,
    show::{News, before, news},
};
use crate::events::{EventKind, EventRecorder};

/// Name of the ConfigMap with the day's counts.
pub const RECORD: &str = "comity-deletions";
/// What changes in quick succession is told together.
const GATHER: Duration = Duration::from_millis(300);
const GIVE_BACK: Duration = Duration::from_secs(600);
/// Between two tries to write the record.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// A member that answers and whose copies are all known for so long has been asked about everything.
const CONFIRMED_AFTER: Duration = Duration::from_secs(10);
const MANAGER: &str = "comity-guard";

/// What the keeper works with.
#[derive(Clone)]
pub struct Keeper {
    /// The guard.
    pub guard: Arc<Guard>,
    /// The members.
    pub fleet: Fleet,
    /// The hub.
    pub hub: ClusterClient,
    /// Where clusters and the record are.
    pub namespace: String,
    /// Tells events about clusters.
    pub recorder: EventRecorder,
}

impl Keeper {
    /// Takes over the day's counts. Nothing may be judged before.
    ///
    /// # Errors
    /// The hub did not answer: without the counts of before a restart the gate would stand open.
    pub async fn restore(&self) -> Result<(), ClientError> {
        let record = self.hub.get(&config_maps(), &self.namespace, RECORD).await?.unwrap_or_default();
        let mut book = self.guard.book.lock();
        for member in self.fleet.members().values() {
            let before = before(member.flags().get(DELETIONS_HELD));
            let known = book.member(&member.name, &member.uid, before);
            known.day.read(object::str_at(&record, &["data", &record_key(&member.uid)]));
        }
        Ok(())
    }

    /// Tells and records for ever.
    pub async fn run(&self) {
        tokio::join!(self.tell_news(), self.cover());
    }

    async fn tell_news(&self) {
        let mut since = Instant::now();
        loop {
            // a member that was closed before a restart is looked at by the clock, all else when it changes
            let unconfirmed = self.guard.book.lock().members.values().any(|m| m.unconfirmed);
            tokio::select! {
                () = self.guard.changed.notified() => {}
                () = tokio::time::sleep(CONFIRMED_AFTER), if unconfirmed => {}
            }
            tokio::time::sleep(GATHER).await;
            if unconfirmed {
                since = self.confirm(since);
            }
            self.tell();
        }
    }

    /// Records what is about to go, at once.
    async fn cover(&self) {
        loop {
            let left = self.guard.book.lock().members.values().any(|m| m.cover.has_left());
            tokio::select! {
                () = self.guard.uncovered.notified() => {}
                () = tokio::time::sleep(GIVE_BACK), if left => self.give_back(GIVE_BACK).await,
            }
            while let Err(error) = self.record().await {
                tracing::warn!(%error, "the day's deletions cannot be recorded; those that a changed wish asks for wait until they are");
                tokio::time::sleep(TRY_AGAIN).await;
            }
        }
    }

    /// Members that answer, and whose copies were all seen a while ago, hold only what waits. Since when they all do.
    fn confirm(&self, since: Instant) -> Instant {
        let mut book = self.guard.book.lock();
        let all = self.fleet.members();
        let unclear = |name: &str| !all.get(name).is_some_and(|member| member.is_ready() && member.total_copies().1);
        let mut waiting = book.members.iter_mut().filter(|(_, member)| member.unconfirmed).peekable();
        if waiting.peek().is_none() || since.elapsed() < CONFIRMED_AFTER {
            return since;
        }
        for (name, member) in waiting {
            // twice in a row: who came back a moment ago has not been asked about everything
            let clear = !unclear(name);
            member.unconfirmed = !(clear && member.clear);
            member.clear = clear;
            member.dirty = true;
        }
        Instant::now()
    }

    fn tell(&self) {
        let mut told = Vec::new();
        {
            let mut book = self.guard.book.lock();
            let members = self.fleet.members();
            book.members.retain(|name, _| members.contains_key(&**name));
            for (name, member) in book.members.iter_mut().filter(|(_, member)| member.dirty) {
                told.extend(news(name, &self.namespace, member).map(|news| (name.clone(), news)));
            }
        }
        for (name, news) in told {
            let Some(member) = self.fleet.member(&name) else { continue };
            match news {
                News::Unflag => self.fleet.unflag(&name, DELETIONS_HELD),
                News::Flag(condition) => {
                    if member.flags().get(DELETIONS_HELD) != Some(&condition) {
                        let about = json!({"apiVersion": "core.kubefed.io/v1beta1", "kind": "KubeFedCluster",
                            "metadata": {"name": &*name, "namespace": self.namespace, "uid": member.uid}});
                        self.recorder.record(&about, EventKind::Warning, DELETIONS_HELD, &condition.message);
                    }
                    self.fleet.flag(&name, condition);
                }
            }
        }
    }

    /// Writes the day of every member in which something is about to go.
    async fn record(&self) -> Result<(), ClientError> {
        let now = Timestamp::now().as_millisecond();
        let mut covered = Vec::new();
        let mut data = Map::new();
        for (name, member) in &self.guard.book.lock().members {
            if let Some((text, count)) = member.cover.to_record(&member.day, now) {
                data.insert(record_key(&member.uid), text.into());
                covered.push((name.clone(), member.uid.clone(), count));
            }
        }
        self.write(data).await?;
        let mut book = self.guard.book.lock();
        for (name, uid, count) in covered {
            if let Some(member) = book.members.get_mut(&name).filter(|member| member.uid == uid) {
                member.cover.recorded(count);
            }
        }
        Ok(())
    }

    /// Records what really went where nothing did for a while. A record that says more does no harm.
    pub async fn give_back(&self, idle: Duration) {
        let (now, idle) = (Timestamp::now().as_millisecond(), i64::try_from(idle.as_millis()).unwrap_or(i64::MAX));
        let mut data = Map::new();
        for member in self.guard.book.lock().members.values_mut() {
            if member.cover.give_back(idle, now) {
                data.insert(record_key(&member.uid), member.day.to_text().into());
            }
        }
        if let Err(error) = self.write(data).await {
            tracing::debug!(%error, "the day's deletions stay recorded as more than there were");
        }
    }

    async fn write(&self, data: Map<String, Value>) -> Result<(), ClientError> {
        if data.is_empty() {
            return Ok(());
        }
        let body = json!({"data": data});
        let gvr = config_maps();
        match self.hub.patch(&gvr, &self.namespace, RECORD, None, PatchKind::Merge, &body, MANAGER, false).await {
            Err(error) if error.is_not_found() => {
                let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RECORD, "namespace": self.namespace}, "data": body["data"]});
                self.hub.create(&gvr, &self.namespace, &whole, MANAGER).await.map(drop)
            }
            other => other.map(drop),
        }
    }
}

/// Uids are valid keys; a member that is joined anew begins anew.
fn record_key(uid: &str) -> String {
    uid.to_owned()
}

fn config_maps() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "configmaps")
}
