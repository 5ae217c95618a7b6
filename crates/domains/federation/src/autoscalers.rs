//! HorizontalPodAutoscalers in members: whose replicas they set.

use std::sync::Arc;

use comity_core::{GroupVersionResource, Value, json, object};
use comity_fleet::Member;
use comity_lane::{CacheEvent, Interest, Knowledge};
use comity_runtime::Priority;

use crate::{
    domain::Federation,
    model::{Autoscaler, FederatedType},
};

/// The resource that is followed in every member.
pub(crate) fn gvr() -> GroupVersionResource {
    GroupVersionResource::new("autoscaling", "v2", "horizontalpodautoscalers")
}

/// All autoscalers, without anything but what they aim at.
pub(crate) fn interest() -> Interest {
    Interest { project: Some(only_target), ..Interest::all(gvr()) }
}

fn only_target(autoscaler: &mut Value) {
    let target = object::at(autoscaler, &["spec", "scaleTargetRef"]).cloned().unwrap_or_default();
    *autoscaler = json!({
        "metadata": {"name": object::name(autoscaler), "namespace": object::namespace(autoscaler),
                     "uid": object::uid(autoscaler), "resourceVersion": object::resource_version(autoscaler)},
        "spec": {"scaleTargetRef": target},
    });
}

/// What is known of the autoscalers of one copy.
pub(crate) fn of(member: &Member, kind: &FederatedType, namespace: &str, name: &str) -> Autoscaler {
    let Some(facts) = member.facts(&gvr()).filter(|_| kind.target.namespaced) else { return Autoscaler::None };
    match facts.knowledge() {
        Knowledge::Read => {
            let all = facts.in_namespace(namespace);
            let found = all.iter().find(|autoscaler| aims_at(autoscaler, kind, name));
            found.map_or(Autoscaler::None, |found| Autoscaler::Named(object::name(found).to_owned()))
        }
        Knowledge::Unavailable => Autoscaler::None,
        Knowledge::Unread(why) => Autoscaler::Unread(why),
    }
}

fn aims_at(autoscaler: &Value, kind: &FederatedType, name: &str) -> bool {
    let target = |field: &str| object::str_at(autoscaler, &["spec", "scaleTargetRef", field]);
    let version = target("apiVersion");
    let group = version.split_once('/').map_or("", |(group, _)| group);
    target("name") == name && target("kind") == kind.target.gvk.kind && group == kind.target.gvk.group
}

impl Federation {
    /// The objects whose copies an autoscaler began or ceased to aim at are looked at again.
    pub(crate) fn autoscaler_changed(&self, cluster: &str, event: &CacheEvent) {
        let states: [Option<&Arc<Value>>; 2] = match event {
            CacheEvent::Applied { old: Some(old), new } if old["spec"] == new["spec"] => return,
            CacheEvent::Applied { old, new } => [old.as_ref(), Some(new)],
            CacheEvent::Deleted(last) => [Some(last), None],
            CacheEvent::Synced => return self.all_running().iter().for_each(|running| self.look_again_in(running, cluster)),
        };
        for autoscaler in states.into_iter().flatten() {
            let name = object::str_at(autoscaler, &["spec", "scaleTargetRef", "name"]);
            for running in self.types.read().values().filter(|running| aims_at(autoscaler, &running.kind, name)) {
                self.queue.add(running.key(object::namespace(autoscaler), name), Priority::Drift);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_api_kubefed::type_config;

    use super::*;

    #[test]
    fn an_autoscaler_aims_at_one_kind_of_one_group() {
        let config = type_config::shipped().into_iter().find(|c| c.name == "deployments.apps").unwrap();
        let kind = FederatedType::of(&config);
        let aims = |version: &str, target: &str, name: &str| {
            aims_at(&json!({"spec": {"scaleTargetRef": {"apiVersion": version, "kind": target, "name": name}}}), &kind, "web")
        };
        assert!(aims("apps/v1", "Deployment", "web") && aims("apps/v1beta2", "Deployment", "web"));
        assert!(!aims("apps/v1", "Deployment", "other") && !aims("apps/v1", "StatefulSet", "web") && !aims("v1", "Deployment", "web"));
    }

    #[test]
    fn of_an_autoscaler_only_its_aim_is_kept() {
        let mut whole = json!({"metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "1", "labels": {"a": "b"}},
            "spec": {"scaleTargetRef": {"kind": "Deployment"}, "maxReplicas": 3}, "status": {"currentReplicas": 2}});
        only_target(&mut whole);
        assert_eq!(
            whole,
            json!({"metadata": {"name": "n", "namespace": "ns", "uid": "u", "resourceVersion": "1"}, "spec": {"scaleTargetRef": {"kind": "Deployment"}}})
        );
    }
}
