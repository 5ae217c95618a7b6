//! What would be planned for a federated object that nobody has applied yet: from what a client can ask. Pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use comity_api_kubefed::{FederatedTypeConfig, cluster, federated::Placement, keys};
use comity_core::{Value, object};
use comity_fleet::Health;
use comity_lane::{Copy, Seen};
use comity_runtime::Cause;

use crate::model::{Autoscaler, FederatedType, Hub, MemberSeen, NamespaceSeen, Observed, Progress};

/// What was asked of hub and members.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The FederatedNamespace of the object's namespace.
    pub federated_namespace: Option<Value>,
    /// The hub's own namespace.
    pub namespace: Option<Value>,
    /// KubeFed's `adoptResources`.
    pub adopt_by_default: bool,
    /// By member: its `KubeFedCluster`, and the object of the copy's name there, or why it is not known.
    pub members: BTreeMap<String, (Value, Result<Option<Value>, String>)>,
}

/// The whole input of planning for an object.
pub fn observe(hub: Hub, config: &FederatedTypeConfig, object: Value, asked: &Asked) -> Observed {
    let kind = FederatedType::of(config);
    let namespace = match &asked.federated_namespace {
        _ if !kind.target.namespaced => NamespaceSeen::None,
        Some(federated) => {
            let placement = object::at(federated, &["spec", "placement"]).unwrap_or(&Value::Null);
            NamespaceSeen::Federated(Placement::read(placement).unwrap_or_default())
        }
        None if object::annotation(&object, keys::COMPAT) == Some("strict") => NamespaceSeen::Strict,
        None => NamespaceSeen::Implicit(asked.namespace.as_ref().map(cluster::labels).unwrap_or_default()),
    };
    let members = asked.members.iter().map(|(name, (registered, live))| {
        let health = if cluster::is_ready(registered) {
            Health::Ready
        } else {
            let (reason, message, _) = cluster::not_ready_because(registered);
            Health::NotReady { reason, message }
        };
        let copy = match live {
            Ok(None) => Seen::Absent,
            Ok(Some(live)) => Seen::Present(Arc::new(Copy::read(live, &kind.target, &hub.id))),
            Err(why) => Seen::Unknown(why.clone()),
        };
        let labels = cluster::labels(registered);
        (
            name.clone(),
            MemberSeen {
                labels: Arc::new(labels),
                health,
                silent_for: Duration::ZERO,
                copy,
                gone: true,
                behind: None,
                progress: Progress::Idle,
                closed: None,
                autoscaler: Autoscaler::None,
            },
        )
    });
    Observed {
        members: members.collect(),
        hub,
        kind: Arc::new(kind),
        object: Arc::new(object),
        namespace,
        hub_namespace_uid: asked.namespace.as_ref().map(|n| object::uid(n).to_owned()).unwrap_or_default(),
        adopt_by_default: asked.adopt_by_default,
        deleted_by: Cause::OwnerDeleted,
        defer_after: Duration::MAX,
    }
}
