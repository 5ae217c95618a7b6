//! Members whose answers are damaged, or are not so: nothing is deleted, nothing is made anew, nothing is lost.

use super::*;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Whatever the first member's lists say: no copy goes or is made anew, edits and new objects arrive, a deletion waits or is
/// carried out, and everything is as it should be afterwards.
async fn lists_are_damaged(fault: Fault) {
    let fleet = Fleet::start().await;
    let early = ["a", "b", "c"];
    for name in early {
        fleet.apply(name, "before").await;
    }
    for name in early {
        fleet.propagated(name).await;
    }
    fleet.proxies[0].gate().remember().await.unwrap();
    for name in NAMES {
        fleet.apply(name, "later").await;
    }
    for name in NAMES {
        for member in 0..3 {
            fleet.shows(member, name, "later").await;
        }
        fleet.propagated(name).await;
    }
    let uids: Vec<String> = NAMES.iter().map(|name| fleet.uid(0, name)).collect();
    fleet.proxies[0].gate().take_log();

    fleet.proxies[0].set(fault.clone());
    fleet.status("a", "the member's copies are not known", |o| says(o, "cluster1", "CachedRetrievalFailed")).await;
    fleet.apply("a", "during").await;
    fleet.apply("new", "during").await;
    for member in 0..3 {
        fleet.shows(member, "a", "during").await;
        fleet.shows(member, "new", "during").await;
    }
    fleet.delete("f").await;
    for member in 1..3 {
        fleet.copies[member].gone("the copy of a deleted object", NAMESPACE, "f").await;
    }
    let now: Vec<String> = NAMES[..5].iter().map(|name| fleet.uid(0, name)).collect();
    assert_eq!(now, uids[..5], "{fault:?}: nothing was made anew");
    let writes = fleet.proxies[0].gate().count(&Method::PATCH);
    assert!(writes <= 4, "{fault:?}: {writes} writes for two changes");

    fleet.proxies[0].set(Fault::None);
    fleet.copies[0].gone("the copy of a deleted object", NAMESPACE, "f").await;
    fleet.federated.gone("the deleted object", NAMESPACE, "f").await;
    for name in ["a", "b", "c", "d", "e", "new"] {
        fleet.propagated(name).await;
    }
    let now: Vec<String> = NAMES[..5].iter().map(|name| fleet.uid(0, name)).collect();
    assert_eq!(now, uids[..5], "{fault:?}: nothing was made anew");
    assert_eq!(fleet.deletions(), [1, 1, 1], "{fault:?}: only what was deleted was deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_not_believed() {
    lists_are_damaged(Fault::EmptyLists).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_list_is_not_believed() {
    lists_are_damaged(Fault::HalfLists).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_an_earlier_state_is_not_believed() {
    lists_are_damaged(Fault::StaleLists).await;
}

/// Bodies that end early or are no JSON: the watch is taken up again when they are whole.
async fn streams_are_damaged(fault: Fault) {
    let fleet = Fleet::start().await;
    for name in NAMES {
        fleet.apply(name, "before").await;
    }
    for name in NAMES {
        fleet.propagated(name).await;
    }
    let uids: Vec<String> = NAMES.iter().map(|name| fleet.uid(0, name)).collect();
    fleet.proxies[0].set(fault.clone());
    for name in NAMES {
        fleet.apply(name, "during").await;
    }
    for name in NAMES {
        for member in 0..3 {
            fleet.shows(member, name, "during").await;
        }
    }
    // somebody's edit there is a watch event, which arrives damaged
    let theirs = json!({"data": {"k": "theirs"}});
    let kind = comity_lane::PatchKind::Merge;
    fleet.world.members[0].patch(&gvr("", "configmaps"), NAMESPACE, "a", None, kind, &theirs, "kubectl", false).await.unwrap();
    fleet.proxies[0].set(Fault::None);
    fleet.shows(0, "a", "during").await;
    for name in NAMES {
        fleet.propagated(name).await;
    }
    let now: Vec<String> = NAMES.iter().map(|name| fleet.uid(0, name)).collect();
    assert_eq!(now, uids);
    assert_eq!(fleet.deletions(), [0, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_in_the_middle_lose_no_event() {
    streams_are_damaged(Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_with_garbage_lose_no_event() {
    streams_are_damaged(Fault::Garbage).await;
}

/// After a restart nothing is known of what a member held, but for what the statuses on the hub say.
async fn a_list_lies_from_the_first_moment(fault: Fault, unplace: bool) {
    let mut fleet = Fleet::start().await;
    fleet.proxies[0].gate().remember().await.unwrap();
    for name in ["kept", "gone"] {
        fleet.apply(name, "v").await;
    }
    for name in ["kept", "gone"] {
        fleet.propagated(name).await;
    }
    fleet.world.stop().await;
    fleet.proxies[0].gate().take_log();
    fleet.proxies[0].set(fault.clone());
    if unplace {
        fleet.world.apply(&federated("gone", "v", &ALL[1..])).await;
    } else {
        fleet.delete("gone").await;
    }
    fleet.world.begin(1);
    if unplace {
        fleet.copies[0].gone("the copy where it is not placed any more", NAMESPACE, "gone").await;
        fleet.status("gone", "placed in two", |o| object::items_at(o, &["status", "clusters"]).len() == 2).await;
        fleet.delete("gone").await;
    }
    fleet.federated.gone("the deleted object", NAMESPACE, "gone").await;
    for member in 0..3 {
        fleet.copies[member].gone("the copy of a deleted object", NAMESPACE, "gone").await;
    }
    fleet.proxies[0].set(Fault::None);
    fleet.propagated("kept").await;
    assert_eq!(fleet.deletions(), [1, 1, 1], "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_deleted_while_a_first_list_is_empty_takes_its_copies_along() {
    a_list_lies_from_the_first_moment(Fault::EmptyLists, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_is_deleted_while_a_first_list_is_old_takes_its_copies_along() {
    a_list_lies_from_the_first_moment(Fault::StaleLists, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_leaves_a_member_while_its_first_list_is_empty_takes_its_copy_along() {
    a_list_lies_from_the_first_moment(Fault::EmptyLists, true).await;
}
