//! Keeps what the guard must not lose where it survives a restart: conditions of the clusters, and the day's counts.
//!
//! The counts are a ConfigMap beside the clusters, one entry for each member in which something went: written at once
//! at the first change and then at most every [`RECORD_EVERY`]. A hub that is killed loses the counts of that time; the
//! limit of a minute stands in front of them.

use std::{sync::Arc, time::Duration};

use comity_api_kubefed::keys::DELETIONS_HELD;
use comity_core::{GroupVersionResource, Map, json, object};
use comity_fleet::Fleet;
use comity_lane::{ClusterClient, PatchKind};
use tokio::time::Instant;

use super::{
    Guard,
    show::{News, news},
};
use crate::events::{EventKind, EventRecorder};

/// Name of the ConfigMap with the day's counts.
pub const RECORD: &str = "comity-deletions";
/// What changes in quick succession is told together.
const GATHER: Duration = Duration::from_millis(300);
const RECORD_EVERY: Duration = Duration::from_secs(5);
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
    pub async fn restore(&self) -> Result<(), comity_lane::ClientError> {
        let record = self.hub.get(&config_maps(), &self.namespace, RECORD).await?.unwrap_or_default();
        let mut book = self.guard.book.lock();
        for member in self.fleet.members().values() {
            let closed = member.flags().contains_key(DELETIONS_HELD);
            let known = book.member(&member.name, &member.uid, closed);
            known.day.read(object::str_at(&record, &["data", &record_key(&member.uid)]));
        }
        Ok(())
    }

    /// Tells and records for ever.
    pub async fn run(self) {
        let mut recorded: Option<Instant> = None;
        let mut since = Instant::now();
        loop {
            // a member that was closed before a restart is looked at by the clock, all else when it changes
            let unconfirmed = self.guard.book.lock().members.values().any(|m| m.unconfirmed);
            tokio::select! {
                () = self.guard.changed.notified() => {}
                () = tokio::time::sleep(CONFIRMED_AFTER), if unconfirmed => {}
                () = tokio::time::sleep(RECORD_EVERY), if recorded.is_some() => {}
            }
            tokio::time::sleep(GATHER).await;
            if unconfirmed {
                since = self.confirm(since);
            }
            self.tell();
            if recorded.is_none_or(|at| at.elapsed() >= RECORD_EVERY) {
                recorded = self.record().await.then(Instant::now);
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

    /// Whether something was written.
    async fn record(&self) -> bool {
        let mut data = Map::new();
        {
            let mut book = self.guard.book.lock();
            for member in book.members.values_mut().filter(|member| member.unrecorded) {
                member.unrecorded = false;
                data.insert(record_key(&member.uid), member.day.to_text().into());
            }
        }
        if data.is_empty() {
            return false;
        }
        let body = json!({"data": data});
        let gvr = config_maps();
        let patched = self.hub.patch(&gvr, &self.namespace, RECORD, None, PatchKind::Merge, &body, MANAGER, false).await;
        let written = match patched {
            Err(error) if error.is_not_found() => {
                let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": RECORD, "namespace": self.namespace}, "data": body["data"]});
                self.hub.create(&gvr, &self.namespace, &whole, MANAGER).await
            }
            other => other,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "the day's deletions could not be recorded; they are recorded with the next ones");
            let mut book = self.guard.book.lock();
            book.members.values_mut().for_each(|member| member.unrecorded |= data.contains_key(&record_key(&member.uid)));
        }
        true
    }
}

/// Uids are valid keys; a member that is joined anew begins anew.
fn record_key(uid: &str) -> String {
    uid.to_owned()
}

fn config_maps() -> GroupVersionResource {
    GroupVersionResource::new("", "v1", "configmaps")
}
