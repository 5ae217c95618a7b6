//! Recovery of a hub while it does not run: on its data folder, or on the Kubernetes that it runs beside.
//!
//! A hub that was restored from an old state, or that is new in the place of a lost one, is told apart from the state
//! that the members have seen by its epoch. Recovery raises it above everything that was seen, after what the members
//! know better has been taken over. It writes to the hub alone: members are only read.

mod held;

use std::{collections::BTreeMap, path::PathBuf};

use comity_core::{Value, json, object};
use comity_federation::{
    recovery::{self, Found, Newer, Rebuilt},
    survey::{self, Members},
};
use comity_lane::client::{ClientError, ClusterClient, PatchKind};

use crate::{StartError, existing::Identity};
use held::Held;

const MANAGER: &str = "comity-recover";

/// Where the hub is.
#[derive(Clone)]
pub enum Place {
    /// A data folder.
    Folder {
        /// The folder.
        data_dir: PathBuf,
        /// Keys of the store, where it is sealed.
        encryption: Option<comity_store::EncryptionKeys>,
    },
    /// A Kubernetes that exists already.
    Existing {
        /// Its API, with the rights that Comity has there.
        client: ClusterClient,
        /// A name for it in messages.
        name: String,
    },
}

/// What to recover.
#[derive(Clone)]
pub struct Options {
    /// The hub.
    pub place: Place,
    /// Whether the members' copies are read.
    pub from_members: bool,
    /// Members beside those that the hub knows, by name.
    pub members: BTreeMap<String, ClusterClient>,
    /// The id that the copies carry, where the hub's own id is another one.
    pub hub_id: Option<String>,
}

/// What is done about objects that are older on the hub than in members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    /// The hub's word stays; the members are set back to it when the hub runs.
    Hub,
    /// What the members have becomes the hub's word.
    Members,
}

/// What was seen and what will be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The hub's id, and the one that it will have.
    pub hub_id: (String, String),
    /// The hub's epoch, and the one that it will have.
    pub epoch: (u64, u64),
    /// What the members know better; nothing where they were not read.
    pub found: Found,
    /// Members that could not be read, with the reason.
    pub unread: BTreeMap<String, String>,
    /// Holders of Leases in members that were renewed by another instance than this one, by member.
    pub holders: BTreeMap<String, String>,
}

/// A recovery that was planned; the hub is held.
pub struct Recovery {
    plan: Plan,
    hub: Held,
}

/// Reads the hub and, best effort, its members; nothing is changed.
///
/// # Errors
/// There is no hub, it is in use, or it cannot be read.
pub async fn prepare(options: Options) -> Result<Recovery, StartError> {
    let hub = Held::take(options.place.clone(), !options.members.is_empty()).await?;
    match look(&hub, &options).await {
        Ok(plan) => Ok(Recovery { plan, hub }),
        Err(why) => {
            hub.release().await;
            Err(StartError::component("hub", "recovery")(&why))
        }
    }
}

async fn look(hub: &Held, options: &Options) -> Result<Plan, String> {
    let asked = |error: ClientError| format!("the hub's own objects: {error}");
    let admin = hub.admin();
    let mut members: Members = survey::members(&admin).await.map_err(asked)?;
    members.extend(options.members.iter().map(|(name, client)| (name.clone(), Ok(client.clone()))));
    let Identity { hub_id: own, epoch } = hub.identity();
    let (types, mut unread) =
        if options.from_members { survey::read(&admin, &members).await.map_err(asked)? } else { (Vec::new(), BTreeMap::new()) };
    let mut id = options.hub_id.clone().unwrap_or_else(|| own.clone());
    let mut found = recovery::compare(&types, &id, epoch);
    let knows_nothing = found.known == 0 && found.newer.is_empty() && types.iter().all(|seen| seen.owners.is_empty());
    if options.hub_id.is_none() && found.missing.is_empty() && knows_nothing {
        let others: Vec<(String, usize)> = found.of_others.clone().into_iter().collect();
        match others.as_slice() {
            [] => {}
            [(other, _)] => {
                id.clone_from(other);
                found = recovery::compare(&types, &id, epoch);
            }
            several => {
                let all: Vec<String> = several.iter().map(|(id, count)| format!("{id} ({count} copies)")).collect();
                return Err(format!("the members hold copies of several hubs; choose one with --hub-id: {}", all.join(", ")));
            }
        }
    }
    if id != own && !knows_nothing {
        return Err(format!("the hub {own} has federated objects of its own; only an empty hub can go on as {id}"));
    }
    let instance = hub.instance(&id);
    let (mut holders, mut seen) = (BTreeMap::new(), epoch.max(found.epoch));
    let leases = members.iter().map(async |(name, client)| {
        let lease = match client {
            Ok(client) => {
                comity_fleet::look_at_lease(client, comity_api_kubefed::keys::SYSTEM_NAMESPACE, &id).await.map_err(|e| e.to_string())
            }
            Err(why) => Err(why.clone()),
        };
        (name.clone(), lease)
    });
    for (name, lease) in futures::future::join_all(leases).await {
        match lease {
            Ok(Some(lease)) => {
                seen = seen.max(lease.epoch);
                if !lease.holder.is_empty() && !lease.is_held_by(&instance) {
                    holders.insert(name, format!("{}, renewed at {}", lease.holder, lease.renewed));
                }
            }
            Ok(None) => {}
            Err(why) => drop(unread.insert(name, why)),
        }
    }
    Ok(Plan { hub_id: (own, id), epoch: (epoch, seen + 1), found, unread, holders })
}

impl Recovery {
    /// What will be done.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Changes nothing and lets go of the hub.
    pub async fn cancel(self) {
        self.hub.release().await;
    }

    /// Does it. The epoch is raised last: until then the hub is as old as it was.
    ///
    /// # Errors
    /// An object could not be written, or the epoch not raised; what was written stays, and the recovery can be run again.
    pub async fn carry_out(self, take: Take) -> Result<(), StartError> {
        let written = self.write(take).await;
        let Recovery { plan, hub } = self;
        let failed = StartError::component("hub", "recovery");
        if let Err(why) = written {
            hub.release().await;
            return Err(failed(&why));
        }
        hub.identify(plan.hub_id.1, plan.epoch.1).await.map_err(|why| failed(&why))
    }

    async fn write(&self, take: Take) -> Result<(), String> {
        let admin = self.hub.admin();
        let types = survey::types(&admin).await.map_err(|e| e.to_string())?;
        let gvr = |kind: &str| types.iter().find(|t| t.spec.federated_type.kind == kind).map(|t| t.spec.federated_type.gvr());
        for Rebuilt { kind, name, object, .. } in &self.plan.found.missing {
            let Some(gvr) = gvr(kind) else { continue };
            self.hub.make(&gvr, object).await.map_err(|error| format!("{kind} {name} could not be made: {error}"))?;
        }
        for Newer { rebuilt, .. } in self.plan.found.newer.iter().filter(|_| take == Take::Members) {
            let Rebuilt { kind, name, object, .. } = rebuilt;
            let Some(gvr) = gvr(kind) else { continue };
            let (namespace, plain) = (object::namespace(object), object::name(object));
            let stored = admin.get(&gvr, namespace, plain).await.map_err(|error| format!("{kind} {name}: {error}"))?;
            let patch = self.taken_over(&stored.unwrap_or_default(), rebuilt);
            let patched = admin.patch(&gvr, namespace, plain, None, PatchKind::Json, &patch, MANAGER, false).await;
            patched.map_err(|error| format!("{kind} {name} could not be changed: {error}"))?;
        }
        Ok(())
    }
}

impl Recovery {
    /// The steps that make the hub's object say what its copies say. Members that were not read stay placed.
    fn taken_over(&self, stored: &Value, rebuilt: &Rebuilt) -> Value {
        let spec = &rebuilt.object["spec"];
        let overrides = spec.get("overrides").cloned().unwrap_or_else(|| json!([]));
        let mut steps = vec![
            json!({"op": "add", "path": "/spec/template", "value": spec["template"]}),
            json!({"op": "add", "path": "/spec/overrides", "value": overrides}),
        ];
        if stored["spec"]["placement"]["clusters"].is_array() {
            let kept = object::items_at(stored, &["spec", "placement", "clusters"]).iter().map(|c| object::str_at(c, &["name"]));
            let kept = kept.filter(|name| self.plan.unread.contains_key(*name)).map(str::to_owned);
            let names: std::collections::BTreeSet<String> = rebuilt.clusters.iter().cloned().chain(kept).collect();
            let names: Vec<Value> = names.into_iter().map(|name| json!({"name": name})).collect();
            steps.push(json!({"op": "add", "path": "/spec/placement/clusters", "value": names}));
        }
        Value::Array(steps)
    }
}
