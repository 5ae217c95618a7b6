//! What users have asked for, and since when.

use std::collections::{BTreeMap, BTreeSet};

use comity_core::{GroupVersionResource, Value, json, marks::OwnerMark};
use tokio::time::Instant;

use crate::world::gvr;

pub(super) const NAMESPACE: &str = "shop";

/// A copy's kind and name; the owner has the same name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub kind: &'static str,
    pub name: String,
}

impl Id {
    pub fn config_map(name: &str) -> Self {
        Self { kind: "ConfigMap", name: name.to_owned() }
    }

    pub fn secret(name: &str) -> Self {
        Self { kind: "Secret", name: name.to_owned() }
    }

    pub fn copies(&self) -> GroupVersionResource {
        gvr("", if self.kind == "Secret" { "secrets" } else { "configmaps" })
    }

    pub fn owners(&self) -> GroupVersionResource {
        gvr("types.kubefed.io", if self.kind == "Secret" { "federatedsecrets" } else { "federatedconfigmaps" })
    }

    pub fn of(gvr: &GroupVersionResource, name: &str) -> Option<Self> {
        match gvr.resource.as_str() {
            "configmaps" => Some(Self::config_map(name)),
            "secrets" => Some(Self::secret(name)),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Where {
    Clusters(BTreeSet<String>),
    Zone(String),
}

#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub text: String,
    pub place: Where,
    /// Texts of single clusters.
    pub overrides: BTreeMap<String, String>,
}

#[derive(Default)]
pub(super) struct Wishes {
    pub all: BTreeMap<Id, Wish>,
    /// Joined clusters and their zones.
    pub joined: BTreeMap<String, String>,
    /// Objects of another hub, by cluster.
    pub foreign: BTreeSet<(String, Id)>,
    /// When a copy was last not wanted.
    unwanted: BTreeMap<(String, Id), Instant>,
}

impl Wishes {
    pub fn wanted(&self, cluster: &str, id: &Id) -> bool {
        let (Some(wish), Some(zone)) = (self.all.get(id), self.joined.get(cluster)) else { return false };
        match &wish.place {
            Where::Clusters(names) => names.contains(cluster),
            Where::Zone(wanted) => wanted == zone,
        }
    }

    /// Notes what is not wanted at this moment. To be called before every change and after it.
    pub fn note(&mut self, clusters: &[String], ids: &[Id]) {
        let now = Instant::now();
        for cluster in clusters {
            for id in ids {
                if !self.wanted(cluster, id) {
                    self.unwanted.insert((cluster.clone(), id.clone()), now);
                }
            }
        }
    }

    /// When a copy was last not wanted; now, if it is not.
    pub fn last_unwanted(&self, cluster: &str, id: &Id) -> Option<Instant> {
        if !self.wanted(cluster, id) {
            return Some(Instant::now());
        }
        self.unwanted.get(&(cluster.to_owned(), id.clone())).copied()
    }
}

impl Wish {
    pub fn text_in(&self, cluster: &str) -> &str {
        self.overrides.get(cluster).unwrap_or(&self.text)
    }

    /// The federated object.
    pub fn object(&self, id: &Id) -> Value {
        let placement = match &self.place {
            Where::Clusters(names) => json!({"clusters": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}),
            Where::Zone(zone) => json!({"clusterSelector": {"matchLabels": {"zone": zone}}}),
        };
        let overrides: Vec<Value> = self
            .overrides
            .iter()
            .map(|(cluster, text)| json!({"clusterName": cluster, "clusterOverrides": [{"path": "/data/k", "value": text}]}))
            .collect();
        json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": format!("Federated{}", id.kind),
            "metadata": {"name": id.name, "namespace": NAMESPACE},
            "spec": {"template": {"data": {"k": self.text}}, "placement": placement, "overrides": overrides},
        })
    }
}

pub(super) fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

/// A ConfigMap that another hub holds.
pub(super) fn foreign(name: &str) -> Value {
    let mut object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": NAMESPACE,
        "labels": {"kubefed.io/managed": "true"}}, "data": {"k": "theirs"}});
    let mark = OwnerMark {
        domain: "federation".to_owned(),
        hub: "another hub".to_owned(),
        epoch: 1,
        owner_kind: "FederatedConfigMap.types.kubefed.io".to_owned(),
        owner_namespace: NAMESPACE.to_owned(),
        owner_name: name.to_owned(),
        owner_uid: "theirs".to_owned(),
        generation: 1,
        content: String::new(),
        kind: "ConfigMap".to_owned(),
        name: format!("{NAMESPACE}/{name}"),
    };
    mark.put_on(&mut object);
    object
}
