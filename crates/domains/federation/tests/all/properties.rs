//! What a plan never does, and what it always does, whatever is seen.

use std::{collections::BTreeMap, sync::Arc};

use comity_api_kubefed::type_config;
use comity_core::{json, object};
use comity_federation::{
    model::{Autoscaler, FederatedType, Hub, MemberSeen, NamespaceSeen, Observed, Progress},
    plan::{self, Plan},
    status, validate,
};
use comity_fleet::Health;
use comity_lane::{
    Copy, Holder, Job, Seen,
    copy::{Applied, Hold},
};
use proptest::prelude::*;

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        Just(Holder::Nobody),
        Just(Holder::Other("hub x".into())),
        (0..3_u64, 0..2_u64).prop_map(|(epoch, content)| Holder::Us(Hold { owner_uid: "owner".into(), epoch, generation: 1, content })),
    ]
}

fn copy() -> impl Strategy<Value = Seen> {
    let present = (holder(), any::<bool>(), 0..2_u64, proptest::option::of(0..9_i64), any::<bool>()).prop_map(
        |(holder, deleting, digest, replicas, held)| {
            Seen::Present(Arc::new(Copy {
                uid: "copy".into(),
                resource_version: "1".into(),
                generation: 1,
                digest,
                deleting,
                holder,
                replicas,
                replicas_held: held,
                additions: None,
                status: None,
                applied: None,
            }))
        },
    );
    prop_oneof![3 => present, 1 => Just(Seen::Absent), 1 => Just(Seen::NotServed), 1 => Just(Seen::Unknown("why".into()))]
}

fn member() -> impl Strategy<Value = MemberSeen> {
    let health = prop_oneof![
        4 => Just(Health::Ready),
        1 => Just(Health::Unknown),
        1 => Just(Health::NotReady { reason: "r".into(), message: "m".into() }),
    ];
    let autoscaler = prop_oneof![4 => Just(Autoscaler::None), 1 => Just(Autoscaler::Named("hpa".to_owned())), 1 => Just(Autoscaler::Unread("why".to_owned()))];
    (health, copy(), any::<bool>(), autoscaler).prop_map(|(health, copy, east, autoscaler)| MemberSeen {
        labels: Arc::new(BTreeMap::from([("east".to_owned(), east.to_string())])),
        silent_for: std::time::Duration::ZERO,
        health,
        copy,
        gone: false,
        behind: None,
        progress: Progress::Idle,
        autoscaler,
        closed: None,
    })
}

prop_compose! {
    fn observed()(
        members in proptest::collection::btree_map("cluster[1-6]", member(), 0..6),
        names in proptest::option::of(proptest::collection::vec("cluster[1-7]", 0..6)),
        selector in proptest::option::of(any::<bool>()),
        retain in any::<bool>(),
    ) -> Observed {
        let mut placement = json!({});
        if let Some(names) = names {
            placement["clusters"] = names.into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>().into();
        }
        if let Some(east) = selector {
            placement["clusterSelector"] = json!({"matchLabels": {"east": east.to_string()}});
        }
        let object = json!({
            "apiVersion": "types.kubefed.io/v1beta1", "kind": "FederatedDeployment",
            "metadata": {"name": "web", "namespace": "ns", "uid": "owner", "generation": 2},
            "spec": {"template": {"spec": {"replicas": 3}}, "placement": placement, "retainReplicas": retain},
        });
        Observed {
            hub: Hub { id: "hub".into(), epoch: 1 },
            kind: Arc::new(FederatedType::of(&type_config::shipped()[2])),
            object: Arc::new(object),
            members,
            namespace: NamespaceSeen::Implicit(BTreeMap::new()),
            hub_namespace_uid: String::new(),
            adopt_by_default: true,
            deleted_by: comity_runtime::Cause::OwnerDeleted,
            defer_after: std::time::Duration::from_secs(300),
        }
    }
}

fn planned(seen: &Observed) -> Plan {
    plan::plan(seen, &validate::desired(seen).unwrap())
}

/// The world after every job of a plan was done.
fn after(seen: &Observed, plan: &Plan) -> Observed {
    let mut seen = seen.clone();
    for (name, verdict) in &plan.verdicts {
        let Some(member) = seen.members.get_mut(name) else { continue };
        match &verdict.job {
            Some(Job::Apply(apply)) => {
                let hold = Hold { owner_uid: "owner".into(), epoch: 1, generation: 2, content: apply.content };
                let before = match &member.copy {
                    Seen::Present(copy) => Some(copy.clone()),
                    _ => None,
                };
                member.copy = Seen::Present(Arc::new(Copy {
                    uid: "copy".into(),
                    resource_version: "2".into(),
                    generation: 2,
                    digest: 9,
                    deleting: false,
                    holder: Holder::Us(hold),
                    // a field that the applied set leaves out keeps its live value and its holder
                    replicas: object::int_at(&apply.object, &["spec", "replicas"]).or(before.as_ref().and_then(|c| c.replicas)),
                    replicas_held: before.is_some_and(|c| c.replicas_held) && object::at(&apply.object, &["spec", "replicas"]).is_none(),
                    additions: None,
                    status: None,
                    applied: Some(Applied { content: apply.content, digest: 9 }),
                }));
            }
            Some(Job::Delete(_) | Job::Release(_)) => (member.copy, member.gone) = (Seen::Absent, true),
            Some(Job::Look) => member.gone = true,
            None => {}
        }
    }
    seen
}

proptest! {
    #[test]
    fn nothing_that_is_wanted_is_deleted_and_nothing_of_others_is_written(seen in observed()) {
        for (name, verdict) in planned(&seen).verdicts {
            let member = seen.members.get(&name);
            match &verdict.job {
                Some(Job::Delete(delete)) => {
                    prop_assert!(!verdict.placed, "{name} is placed and would lose its copy");
                    let Some(Seen::Present(copy)) = member.map(|m| &m.copy) else { panic!("a delete without a copy") };
                    prop_assert!(matches!(&copy.holder, Holder::Us(hold) if hold.epoch <= 1), "only own copies go");
                    prop_assert!(copy.uid == *delete.uid.as_str() && copy.resource_version == *delete.resource_version.as_str());
                    prop_assert_eq!(&member.unwrap().health, &Health::Ready);
                }
                Some(Job::Apply(_)) => {
                    prop_assert!(verdict.placed);
                    if let Some(Seen::Present(copy)) = member.map(|m| &m.copy) {
                        prop_assert!(!matches!(copy.holder, Holder::Other(_)), "another owner's object is not written");
                    }
                }
                Some(Job::Release(_) | Job::Look) | None => {}
            }
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_do(seen in observed()) {
        let done = after(&seen, &planned(&seen));
        let again = planned(&done);
        let left: Vec<_> = again.verdicts.iter().filter(|(_, v)| v.job.is_some()).map(|(name, v)| format!("{name} {:?}", v.job)).collect();
        prop_assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn members_that_an_object_does_not_concern_change_nothing(seen in observed(), told in proptest::collection::btree_set("cluster[1-6]", 0..4)) {
        let mut seen = seen;
        let placement = validate::desired(&seen).unwrap().placement;
        let mut fewer = seen.clone();
        fewer.members.retain(|name, member| {
            comity_placement::selects(&placement, name, &member.labels) || matches!(member.copy, Seen::Present(_))
        });
        let said = |seen: &Observed, plan: &Plan| {
            let jobs: Vec<_> = plan.verdicts.iter().filter_map(|(name, v)| Some((name.clone(), v.job.as_ref()?.fingerprint()))).collect();
            (jobs, plan.finalizers.clone(), status::report(seen, plan, "T"))
        };
        prop_assert_eq!(said(&seen, &planned(&seen)), said(&fewer, &planned(&fewer)));
        // of an object that goes, those that were told to have a copy count too
        let entries: Vec<_> = told.iter().map(|name| json!({"name": name})).collect();
        for seen in [&mut seen, &mut fewer] {
            let object = Arc::make_mut(&mut seen.object);
            object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            object["metadata"]["finalizers"] = json!(["kubefed.io/sync-controller"]);
            object["status"] = json!({"clusters": entries.clone(), "observedGeneration": 2});
        }
        for (name, member) in &seen.members {
            if told.is_empty() || told.contains(name) {
                fewer.members.insert(name.clone(), member.clone());
            }
        }
        let removed = |seen: &Observed| said(seen, &plan::removal(seen, &validate::deletion(seen).unwrap()));
        prop_assert_eq!(removed(&seen), removed(&fewer));
    }

    #[test]
    fn members_that_are_to_hold_the_same_share_it(seen in observed()) {
        let mut seen = seen;
        Arc::make_mut(&mut seen.object)["spec"]["retainReplicas"] = false.into();
        seen.members.values_mut().for_each(|member| member.autoscaler = Autoscaler::None);
        let plan = planned(&seen);
        let mut objects: BTreeMap<u64, Vec<_>> = BTreeMap::new();
        for job in plan.verdicts.values().filter_map(|v| v.job.as_ref()) {
            if let Job::Apply(apply) = job {
                objects.entry(job.fingerprint()).or_default().push(apply.object.clone());
            }
        }
        prop_assert!(objects.values().all(|same| same.iter().all(|one| Arc::ptr_eq(one, &same[0]))));
    }

    #[test]
    fn the_order_of_names_does_not_matter(seen in observed()) {
        let mut turned = seen.clone();
        let object = Arc::make_mut(&mut turned.object);
        if let Some(names) = object["spec"]["placement"]["clusters"].as_array_mut() {
            names.reverse();
        }
        prop_assert_eq!(format!("{:?}", planned(&seen).verdicts), format!("{:?}", planned(&turned).verdicts));
    }

    #[test]
    fn a_deleted_object_keeps_its_finalizer_while_a_copy_of_it_is_known(mut seen in observed()) {
        let object = Arc::make_mut(&mut seen.object);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["kubefed.io/sync-controller"]);
        let plan = plan::removal(&seen, &validate::deletion(&seen).unwrap());
        let ours = seen.members.values().any(|m| matches!(&m.copy, Seen::Present(c) if matches!(c.holder, Holder::Us(_))));
        prop_assert!(!ours || plan.finalizers.is_none());
    }

    #[test]
    fn the_order_of_overrides_and_keys_does_not_matter(
        seen in observed(),
        replicas in proptest::collection::btree_map("cluster[1-6]", 0..9_i64, 0..6),
    ) {
        let entries: Vec<_> = replicas.iter().map(|(cluster, count)| json!({
            "clusterName": cluster,
            "clusterOverrides": [{"path": "/spec/replicas", "value": count}, {"op": "add", "path": "/spec/paused", "value": true}],
        })).collect();
        let mut seen = seen;
        Arc::make_mut(&mut seen.object)["spec"]["overrides"] = entries.clone().into();
        Arc::make_mut(&mut seen.object)["spec"]["template"] = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 3, "minReadySeconds": 1}});
        let mut turned = seen.clone();
        let object = Arc::make_mut(&mut turned.object);
        object["spec"]["overrides"] = entries.into_iter().rev().collect::<Vec<_>>().into();
        object["spec"]["template"] = json!({"spec": {"minReadySeconds": 1, "replicas": 3}, "metadata": {"labels": {"b": "2", "a": "1"}}});
        let contents = |plan: Plan| -> BTreeMap<String, Option<u64>> {
            plan.verdicts.into_iter().map(|(name, verdict)| (name, verdict.job.map(|job| job.fingerprint()))).collect()
        };
        prop_assert_eq!(contents(planned(&seen)), contents(planned(&turned)));
    }

    #[test]
    fn a_deletion_comes_to_its_end_takes_own_copies_and_nothing_else(seen in observed()) {
        let mut seen = seen;
        let object = Arc::make_mut(&mut seen.object);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object["metadata"]["finalizers"] = json!(["kubefed.io/sync-controller"]);
        for member in seen.members.values_mut() {
            member.health = Health::Ready;
        }
        let deletion = validate::deletion(&seen).unwrap();
        let touchable = |copy: &Seen| matches!(copy, Seen::Present(c) if !c.deleting && matches!(&c.holder, Holder::Us(hold) if hold.epoch <= 1));
        let stuck = |copy: &Seen| matches!(copy, Seen::Present(c) if matches!(&c.holder, Holder::Us(_))) && !touchable(copy);
        let unknown = |copy: &Seen| matches!(copy, Seen::Unknown(_));
        let before = seen.clone();
        for _ in 0..2 {
            let plan = plan::removal(&seen, &deletion);
            for (name, verdict) in &plan.verdicts {
                let copy = &seen.members[name].copy;
                let asks = *copy == Seen::Absent && matches!(verdict.job, Some(Job::Look));
                prop_assert!(verdict.job.is_none() || asks || touchable(copy), "{name}: {:?}", verdict.job);
            }
            seen = after(&seen, &plan);
        }
        let ended = plan::removal(&seen, &deletion).finalizers.is_some();
        let held = before.members.values().any(|m| stuck(&m.copy) || unknown(&m.copy));
        prop_assert_eq!(ended, !held);
        for (name, member) in &before.members {
            let gone = seen.members[name].copy == Seen::Absent;
            prop_assert_eq!(gone, touchable(&member.copy) || member.copy == Seen::Absent, "{}", name);
        }
    }
}
