//! What is done about one object.

use comity_core::{GroupKind, Value, json, kinds::split_api_version, object};
use comity_runtime::{
    Priority,
    lane::{DeleteOptions, Discovery, Propagation},
};

use super::{
    Collector,
    graph::{FOREGROUND, Node, ORPHAN, Owner, Work, owners},
    key_of,
};
use crate::kit::hands::Told;

/// What is known of an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It exists, or it cannot be told: the dependent stays.
    Solid,
    /// It does not exist.
    Absent,
    /// It goes after its dependents.
    Waits,
}

impl Collector {
    /// Whether an object may stay, by its owners; an owner that waits for its dependents is brought on.
    pub(super) async fn check(&self, uid: &str) -> Result<(), String> {
        let Some(node) = self.graph.lock().get(uid).cloned() else { return Ok(()) };
        if node.waits {
            return self.bring_on(uid, &node).await;
        }
        if node.deleting || node.owners.is_empty() {
            return Ok(());
        }
        let Some(discovery) = self.catalog.get().await else { return Ok(()) };
        let mut standings = Vec::new();
        for owner in &node.owners {
            standings.push(self.standing(&node, owner, &discovery).await?);
        }
        if standings.iter().all(|standing| *standing == Standing::Solid) {
            return Ok(());
        }
        // the graph may be behind: decide on what is there now
        let live = self.hands.client.get(&node.gvr, &node.namespace, &node.name).await.map_err(|e| e.to_string())?;
        let Some(live) = live.filter(|live| object::uid(live) == uid) else { return Ok(()) };
        if owners(&live) != node.owners {
            return Err("the owners have changed".to_owned());
        }
        if standings.contains(&Standing::Solid) {
            let kept = |index: usize| standings[index] == Standing::Solid;
            return self.keep_owners(&node, &live, kept).await;
        }
        let waits = standings.contains(&Standing::Waits);
        let dependents = self.graph.lock().dependents_of(uid);
        if waits && !dependents.is_empty() {
            let in_circle = dependents.iter().any(|dependent| self.graph.lock().get(dependent).is_some_and(|d| d.waits));
            if in_circle {
                // everybody in a circle waits for everybody: nobody blocks then
                self.unblock(&node, &live).await?;
            }
            return self.delete(&node, &live, Propagation::Foreground).await;
        }
        let has = |finalizer: &str| object::finalizers(&live).any(|f| f == finalizer);
        let propagation = if has(ORPHAN) {
            Propagation::Orphan
        } else if has(FOREGROUND) {
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        self.delete(&node, &live, propagation).await
    }

    /// Lets the dependents of an owner go, then the owner.
    pub(super) async fn orphan(&self, uid: &str) -> Result<(), String> {
        let (node, dependents) = {
            let graph = self.graph.lock();
            let Some(node) = graph.get(uid).filter(|node| node.orphans).cloned() else { return Ok(()) };
            let dependents: Vec<Node> = graph.dependents_of(uid).iter().filter_map(|d| graph.get(d).cloned()).collect();
            (node, dependents)
        };
        for dependent in dependents {
            let live = self.hands.client.get(&dependent.gvr, &dependent.namespace, &dependent.name).await.map_err(|e| e.to_string())?;
            let Some(live) = live else { continue };
            let references = owners(&live);
            if references.iter().any(|owner| owner.uid == uid) {
                self.keep_owners(&dependent, &live, |index| references[index].uid != uid).await?;
            }
        }
        self.drop_finalizer(&node, ORPHAN).await
    }

    /// An owner in the foreground: its blocking dependents first, then itself.
    async fn bring_on(&self, uid: &str, node: &Node) -> Result<(), String> {
        let blocking = self.graph.lock().blocking(uid);
        if blocking.is_empty() {
            return self.drop_finalizer(node, FOREGROUND).await;
        }
        for dependent in blocking {
            let waits = self.graph.lock().get(&dependent).is_some_and(|d| d.deleting);
            if !waits {
                self.queue.add(key_of(&Work::Check(dependent)), Priority::User);
            }
        }
        Ok(())
    }

    async fn standing(&self, node: &Node, owner: &Owner, discovery: &Discovery) -> Result<Standing, String> {
        let known = {
            let graph = self.graph.lock();
            graph.get(&owner.uid).map(|known| (known.namespace.clone(), known.waits))
        };
        if let Some((namespace, waits)) = known {
            if !namespace.is_empty() && namespace != node.namespace {
                return Ok(self.in_another_namespace(node, owner));
            }
            return Ok(if waits { Standing::Waits } else { Standing::Solid });
        }
        let (group, _) = split_api_version(&owner.api_version);
        let Some(resource) = discovery.of_group_kind(group, &owner.kind) else {
            tracing::debug!(kind = %GroupKind { group: group.to_owned(), kind: owner.kind.clone() }, "an owner of a kind that is not served; its dependent stays");
            return Ok(Standing::Solid);
        };
        if resource.namespaced && node.namespace.is_empty() {
            // nothing says in which namespace: it cannot be looked up
            return Ok(Standing::Solid);
        }
        if self.graph.lock().is_absent(&owner.uid) {
            return Ok(Standing::Absent);
        }
        let namespace = if resource.namespaced { node.namespace.as_str() } else { "" };
        let live = self.hands.client.get(&resource.gvr, namespace, &owner.name).await.map_err(|e| e.to_string())?;
        if live.is_some_and(|live| object::uid(&live) == owner.uid) {
            return Ok(Standing::Solid);
        }
        self.graph.lock().note_absent(&owner.uid);
        Ok(Standing::Absent)
    }

    fn in_another_namespace(&self, node: &Node, owner: &Owner) -> Standing {
        if node.namespace.is_empty() {
            return Standing::Solid;
        }
        let about = json!({"kind": "", "apiVersion": node.gvr.api_version(), "metadata": {"namespace": node.namespace, "name": node.name}});
        let (kind, name, namespace) = (&owner.kind, &owner.name, &node.namespace);
        let message = format!(
            "ownerRef [{}/{kind}, namespace: {namespace}, name: {name}, uid: {}] does not exist in namespace {namespace:?}",
            owner.api_version, owner.uid
        );
        self.hands.tell(&about, &Told::warning("OwnerRefInvalidNamespace", message));
        Standing::Absent
    }

    async fn delete(&self, node: &Node, live: &Value, propagation: Propagation) -> Result<(), String> {
        let options = DeleteOptions {
            resource_version: Some(object::resource_version(live).to_owned()),
            propagation: Some(propagation),
            ..DeleteOptions::default()
        };
        self.hands.delete(&node.gvr, live, options).await.map(drop).map_err(|e| e.to_string())
    }

    /// Removes the references that are not kept.
    async fn keep_owners(&self, node: &Node, live: &Value, kept: impl Fn(usize) -> bool) -> Result<(), String> {
        let references = object::items_at(live, &["metadata", "ownerReferences"]).iter().enumerate();
        let left: Vec<&Value> = references.filter(|(index, _)| kept(*index)).map(|(_, reference)| reference).collect();
        self.write_owners(node, live, json!(left)).await
    }

    async fn unblock(&self, node: &Node, live: &Value) -> Result<(), String> {
        let mut references = object::at(live, &["metadata", "ownerReferences"]).cloned().unwrap_or_default();
        for reference in references.as_array_mut().into_iter().flatten() {
            reference["blockOwnerDeletion"] = false.into();
        }
        self.write_owners(node, live, references).await
    }

    async fn write_owners(&self, node: &Node, live: &Value, references: Value) -> Result<(), String> {
        let patch = json!({"metadata": {"resourceVersion": object::resource_version(live), "ownerReferences": references}});
        match self.hands.merge(&node.gvr, live, None, patch).await {
            Err(error) if !error.is_not_found() => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    async fn drop_finalizer(&self, node: &Node, finalizer: &str) -> Result<(), String> {
        let live = self.hands.client.get(&node.gvr, &node.namespace, &node.name).await.map_err(|e| e.to_string())?;
        let Some(live) = live.filter(|live| object::finalizers(live).any(|f| f == finalizer)) else { return Ok(()) };
        let left: Vec<&str> = object::finalizers(&live).filter(|f| *f != finalizer).collect();
        let patch = json!({"metadata": {"resourceVersion": object::resource_version(&live), "finalizers": left}});
        match self.hands.merge(&node.gvr, &live, None, patch).await {
            Err(error) if !error.is_not_found() => Err(error.to_string()),
            _ => Ok(()),
        }
    }
}
