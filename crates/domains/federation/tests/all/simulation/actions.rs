//! What may happen in a step.

use std::{collections::BTreeSet, time::Duration};

use comity_api_kubefed::keys::ALLOW_DELETIONS;
use comity_core::{condition, json, object};
use comity_lane::{DeleteOptions, PatchKind};
use comity_testkit::Fault;
use http::Method;

use super::{
    SYSTEM, Sim,
    wishes::{Id, NAMESPACE, Where, Wish},
};
use crate::world::{apply, gvr};

const NAMES: [&str; 6] = ["one", "two", "three", "four", "five", "six"];

pub(super) fn ids() -> Vec<Id> {
    NAMES.iter().map(|name| Id::config_map(name)).chain(NAMES[..3].iter().map(|name| Id::secret(name))).collect()
}

impl Sim {
    pub fn clusters(&self) -> Vec<String> {
        self.members.keys().cloned().collect()
    }

    fn note(&mut self) {
        let clusters = self.clusters();
        self.wishes.note(&clusters, &ids());
    }

    pub async fn act(&mut self) {
        self.note();
        match self.random.below(20) {
            0..=5 => self.edit_or_create().await,
            6 | 7 => self.delete().await,
            8 | 9 => self.change_zone().await,
            10 => self.join_or_unjoin().await,
            11..=14 => self.break_or_mend().await,
            15 => self.restart().await,
            16..=18 => self.meddle(),
            _ => self.forget_history(),
        }
        self.note();
    }

    async fn edit_or_create(&mut self) {
        let id = self.random.pick(&ids()).clone();
        let text = format!("v{}", self.random.below(1000));
        let clusters = self.clusters();
        let mut wish = self.wishes.all.get(&id).cloned().unwrap_or_else(|| Wish {
            text: String::new(),
            place: Where::Clusters(clusters.iter().cloned().collect()),
            overrides: Default::default(),
        });
        match self.random.below(4) {
            0 => {
                let some: BTreeSet<String> = clusters.iter().filter(|_| self.random.chance(2)).cloned().collect();
                wish.place = Where::Clusters(some);
            }
            1 => wish.place = Where::Zone(if self.random.chance(2) { "a" } else { "b" }.to_owned()),
            2 => {
                let cluster = self.random.pick(&clusters).clone();
                wish.overrides.insert(cluster, format!("only{}", self.random.below(100)));
            }
            _ => wish.text = text.clone(),
        }
        if wish.text.is_empty() {
            wish.text = text;
        }
        // Secrets hold base64
        if id.kind == "Secret" {
            wish.overrides.clear();
            wish.text = "dg==".to_owned();
        }
        if self.hub.get(&id.owners(), NAMESPACE, &id.name).is_some_and(|o| object::is_deleting(&o)) {
            return self.tell(format!("{id:?} is still going"));
        }
        self.tell(format!("apply {id:?} {wish:?}"));
        apply(&self.client, &wish.object(&id)).await;
        self.wishes.all.insert(id, wish);
    }

    async fn delete(&mut self) {
        let all: Vec<Id> = self.wishes.all.keys().cloned().collect();
        if all.is_empty() {
            return;
        }
        let id = self.random.pick(&all).clone();
        self.tell(format!("delete {id:?}"));
        self.wishes.all.remove(&id);
        self.client.delete(&id.owners(), NAMESPACE, &id.name, &DeleteOptions::default()).await.unwrap();
    }

    async fn change_zone(&mut self) {
        let cluster = self.random.pick(&self.clusters()).clone();
        if !self.wishes.joined.contains_key(&cluster) {
            return;
        }
        let zone = if self.random.chance(2) { "a" } else { "b" };
        self.tell(format!("{cluster} moves to zone {zone}"));
        let body = json!({"metadata": {"labels": {"zone": zone}}});
        let kind = PatchKind::Merge;
        let clusters = gvr("core.kubefed.io", "kubefedclusters");
        self.client.patch(&clusters, SYSTEM, &cluster, None, kind, &body, "test", false).await.unwrap();
        self.wishes.joined.insert(cluster, zone.to_owned());
    }

    async fn join_or_unjoin(&mut self) {
        let cluster = self.random.pick(&self.clusters()).clone();
        if self.wishes.joined.contains_key(&cluster) {
            self.tell(format!("unjoin {cluster}"));
            self.wishes.joined.remove(&cluster);
            let clusters = gvr("core.kubefed.io", "kubefedclusters");
            self.client.delete(&clusters, SYSTEM, &cluster, &DeleteOptions::default()).await.unwrap();
        } else {
            self.tell(format!("join {cluster}"));
            self.join(&cluster, "b").await;
        }
    }

    async fn break_or_mend(&mut self) {
        let cluster = self.random.pick(&self.clusters()).clone();
        let seconds = self.random.below(12) as u64;
        let fault = match self.random.below(18) {
            0 => Fault::Refused,
            1 => Fault::Silent,
            2 => Fault::HalfOpen,
            3 => Fault::Slow(Duration::from_secs(seconds)),
            4 => Fault::Slow(Duration::from_millis(200)),
            5 => Fault::Cut,
            6 => Fault::Garbage,
            7 => Fault::Answers { code: 401, retry_after: None },
            8 => Fault::Answers { code: 429, retry_after: Some(5) },
            9 => Fault::Answers { code: 500, retry_after: None },
            10 => Fault::StaleLists,
            11 => Fault::EmptyLists,
            12 => Fault::HalfLists,
            _ => Fault::None,
        };
        let remember = self.random.chance(2);
        self.tell(format!("{cluster}: {fault:?}"));
        let Some(member) = self.members.get(&cluster) else { return };
        if remember {
            // a cluster in memory always answers
            member.gate.remember().await.unwrap();
        }
        member.gate.set(fault);
    }

    /// Half of the time the process is killed, half of the time it ends in order.
    async fn restart(&mut self) {
        let orderly = self.random.chance(2);
        self.tell(format!("the hub restarts, orderly: {orderly}"));
        if let Some(running) = self.federation.take() {
            if orderly {
                let _ = tokio::time::timeout(Duration::from_secs(60), running.shutdown()).await;
            } else {
                drop(running);
            }
        }
        let away = self.random.pause();
        tokio::time::sleep(away).await;
        self.begin();
    }

    /// A person in a member edits or deletes a copy.
    fn meddle(&mut self) {
        let cluster = self.random.pick(&self.clusters()).clone();
        let id = self.random.pick(&ids()).clone();
        if self.wishes.foreign.contains(&(cluster.clone(), id.clone())) {
            return;
        }
        let edit = self.random.chance(2);
        self.tell(format!("somebody {} {id:?} in {cluster}", if edit { "edits" } else { "deletes" }));
        let Some(member) = self.members.get(&cluster) else { return };
        let (method, body) =
            if edit { (Method::PATCH, json!({"data": {"k": "theirs", "x": "added"}})) } else { (Method::DELETE, json!({})) };
        // it may not exist: nothing happens then
        let _ = member.cluster.request("kubectl-edit", method, &id.copies(), NAMESPACE, &id.name, body);
    }

    fn forget_history(&mut self) {
        let cluster = self.random.pick(&self.clusters()).clone();
        self.tell(format!("{cluster} forgets its history"));
        if let Some(member) = self.members.get(&cluster) {
            member.cluster.forget_history();
        }
        if self.random.chance(3) {
            self.hub.forget_history();
        }
    }

    /// Everything works again, everybody is joined, and there was time.
    pub async fn heal(&mut self) {
        self.tell("everything is mended".to_owned());
        self.note();
        for cluster in self.clusters() {
            if let Some(member) = self.members.get(&cluster) {
                member.gate.set(Fault::None);
            }
            if !self.wishes.joined.contains_key(&cluster) {
                self.join(&cluster, "b").await;
            }
        }
        self.note();
        // what the guard holds is meant, and letting some go may show others
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(300)).await;
            self.let_go().await;
        }
        tokio::time::sleep(Duration::from_secs(300)).await;
    }

    /// An administrator lets go what is held.
    async fn let_go(&mut self) {
        let word = |text: &str| text.rsplit_once(&format!("{ALLOW_DELETIONS}=")).map(|(_, id)| id.to_owned());
        let mut words = Vec::new();
        for id in ids() {
            let owner = self.hub.get(&id.owners(), NAMESPACE, &id.name).unwrap_or_default();
            let held = object::items_at(&owner, &["status", "clusters"]).iter().filter(|e| e["status"] == "DeletionHeld");
            let said = held.filter_map(|e| word(object::str_at(e, &["message"]))).next();
            words.extend(said.map(|said| (id.owners(), NAMESPACE, id.name.clone(), said)));
        }
        let clusters = gvr("core.kubefed.io", "kubefedclusters");
        for name in self.clusters() {
            let cluster = self.hub.get(&clusters, SYSTEM, &name).unwrap_or_default();
            let held = condition::find(&cluster, "DeletionsHeld").and_then(|c| word(object::str_at(c, &["message"])));
            words.extend(held.map(|said| (clusters.clone(), SYSTEM, name.clone(), said)));
        }
        for (gvr, namespace, name, said) in words {
            self.tell(format!("{name}: deletions {said} are meant"));
            let body = json!({"metadata": {"annotations": {ALLOW_DELETIONS: said}}});
            self.client.patch(&gvr, namespace, &name, None, PatchKind::Merge, &body, "administrator", false).await.unwrap();
        }
    }
}
