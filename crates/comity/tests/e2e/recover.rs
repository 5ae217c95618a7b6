//! A hub that is killed, restored from yesterday's folder, cloned, lost: the members keep what they have.

use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use crate::fleet::Fleet;

const HUB: &[&str] = &["--members=0"];

/// A hub and one member as processes of their own, and `shop/settings` federated to it.
fn fleet() -> Option<Fleet> {
    let mut fleet = Fleet::demo("v1.36", HUB)?;
    fleet.add_member("east");
    let joined = fleet.kubefedctl(&["join", "east", "--cluster-context=east-context", "--host-cluster-context=host-context"]);
    assert_eq!(joined.code, 0, "{}{}", joined.stdout, joined.stderr);
    say(&fleet, "settings", "1");
    in_sync(&fleet, "settings");
    Some(fleet)
}

fn say(fleet: &Fleet, name: &str, text: &str) {
    let object = format!(
        "{{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {{name: {name}, namespace: shop}}, \
         spec: {{template: {{data: {{k: '{text}'}}}}, placement: {{clusters: [{{name: east}}]}}}}}}"
    );
    let ran = fleet.try_hub_with(&["apply", "-f", "-"], &object);
    assert_eq!(ran.code, 0, "{}{}", ran.stdout, ran.stderr);
}

fn in_sync(fleet: &Fleet, name: &str) {
    let told = || fleet.hub(&["get", "federatedconfigmap", name, "-n", "shop", "-o", "jsonpath={.status}"]);
    fleet.until(&format!("in sync: {name}"), || told().contains(r#""status":"True","type":"Propagation""#));
}

fn has(fleet: &Fleet, name: &str) -> String {
    east(fleet, &["get", "configmap", name, "-n", "shop", "-o", "jsonpath={.data.k} {.metadata.uid} {.metadata.resourceVersion}"])
}

fn reason(fleet: &Fleet, name: &str) -> String {
    fleet.hub(&["get", "federatedconfigmap", name, "-n", "shop", "-o", "jsonpath={.status.clusters[0].reason}"])
}

fn condition(fleet: &Fleet) -> String {
    let path = "jsonpath={.status.conditions[?(@.type=='HubBehind')].reason}";
    fleet.hub(&["get", "kubefedcluster", "east", "-n", "kube-federation-system", "-o", path])
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

#[test]
fn a_killed_hub_goes_on_at_once() {
    let Some(mut fleet) = fleet() else { return };
    fleet.kill();
    let began = Instant::now();
    fleet.start_again(HUB);
    say(&fleet, "settings", "2");
    fleet.until("the first change after the restart", || has(&fleet, "settings").starts_with("2 "));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(15), "it waited for its own Lease: {took:?}");
}

#[test]
fn a_hub_restored_from_yesterday_rolls_nothing_back_and_is_recovered_from_its_members() {
    let Some(mut fleet) = fleet() else { return };
    say(&fleet, "untouched", "1");
    in_sync(&fleet, "untouched");
    assert_eq!(fleet.terminate(), 0);
    let (data, home) = (fleet.data(), fleet.data().parent().unwrap().to_owned());
    copy(&data, &home.join("yesterday"));

    fleet.start_again(HUB);
    say(&fleet, "settings", "2");
    fleet.until("today's state", || has(&fleet, "settings").starts_with("2 "));
    say(&fleet, "later", "1");
    in_sync(&fleet, "later");
    fleet.kill();
    fs::rename(&data, home.join("today")).unwrap();
    fs::rename(home.join("yesterday"), &data).unwrap();
    let before = ["settings", "untouched", "later"].map(|name| has(&fleet, name));

    fleet.start_again(HUB);
    fleet.until("that the hub is old", || condition(&fleet) == "HubBehind");
    say(&fleet, "untouched", "not today");
    fleet.until("why nothing is written", || reason(&fleet, "untouched") == "HubBehind");
    fleet.hub(&["delete", "federatedconfigmap", "untouched", "-n", "shop", "--wait=false"]);
    fleet.until("why nothing is deleted", || {
        let path = "jsonpath={.status.clusters[0].status} {.status.clusters[0].reason}";
        fleet.hub(&["get", "federatedconfigmap", "untouched", "-n", "shop", "-o", path]) == "DeletionFailed HubBehind"
    });
    assert_eq!(["settings", "untouched", "later"].map(|name| has(&fleet, name)), before);
    let folder = data.display().to_string();
    let ran = fleet.comity(&["hub", "recover", "--data-dir", &folder]);
    assert!(ran.code == 7 && ran.stderr.contains("in use"), "{} {}", ran.code, ran.stderr);

    // yesterday's folder without what was tried on it
    assert_eq!(fleet.terminate(), 0);
    let plan = fleet.comity(&["hub", "recover", "--data-dir", &folder, "--from-members"]);
    assert_eq!(plan.code, 7, "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stderr.contains("--newer=members"), "{}", plan.stderr);
    for line in ["make FederatedConfigMap shop/later", "FederatedConfigMap shop/settings is older on the hub", "/data/k: \"1\" -> \"2\""] {
        assert!(plan.stdout.contains(line), "{line}:\n{}", plan.stdout);
    }
    let done = fleet.comity(&["hub", "recover", "--data-dir", &folder, "--from-members", "--newer=members", "--yes"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(["settings", "untouched", "later"].map(|name| has(&fleet, name)), before, "recovery changes nothing in members");

    fleet.start_again(HUB);
    for name in ["settings", "later"] {
        in_sync(&fleet, name);
    }
    fleet.until("that the member is open", || condition(&fleet).is_empty());
    let content = |text: &str| text.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(content(&has(&fleet, "settings")), content(&before[0]));
    assert_eq!(content(&has(&fleet, "later")), content(&before[2]));
    say(&fleet, "settings", "3");
    fleet.until("that it goes on", || has(&fleet, "settings").starts_with("3 "));
}

#[test]
fn a_running_clone_of_a_hub_only_reads() {
    let Some(mut fleet) = fleet() else { return };
    assert_eq!(fleet.terminate(), 0);
    let clone = fleet.data().parent().unwrap().join("clone");
    copy(&fleet.data(), &clone);
    // it may not take the ports of the original
    fs::remove_file(clone.join("ports.json")).unwrap();
    fleet.start_again(HUB);
    fleet.until("that the original holds the Lease", || !lease(&fleet).is_empty());
    let running = fleet.start_beside(&["demo", "--data-dir=clone", "--members=0"]);
    let hub = |args: &[&str]| fleet.try_with_kubeconfig(&clone.join("kubeconfig"), args);
    fleet.until("that the clone knows what it is", || {
        let path = "jsonpath={.status.conditions[?(@.type=='HubBehind')].message}";
        let message = hub(&["get", "kubefedcluster", "east", "-n", "kube-federation-system", "-o", path]).stdout;
        message.contains("instance") && message.contains(&lease(&fleet))
    });
    let patch = r#"{"spec":{"template":{"data":{"k":"clones"}}}}"#;
    assert_eq!(hub(&["patch", "federatedconfigmap", "settings", "-n", "shop", "--type=merge", "-p", patch]).code, 0);
    fleet.until("that the clone says so", || {
        let path = "jsonpath={.status.clusters[0].status}";
        hub(&["get", "federatedconfigmap", "settings", "-n", "shop", "-o", path]).stdout == "UpdateFailed"
    });
    assert!(has(&fleet, "settings").starts_with("1 "));
    say(&fleet, "settings", "originals");
    fleet.until("the original's word", || has(&fleet, "settings").starts_with("originals"));
    drop(running);
}

/// Who holds the hub's Lease in the member.
fn lease(fleet: &Fleet) -> String {
    east(fleet, &["get", "lease", "-n", "kube-federation-system", "-o", "jsonpath={.items[*].spec.holderIdentity}"])
}

/// kubectl on the member, which is a process of its own.
fn east(fleet: &Fleet, args: &[&str]) -> String {
    let kubeconfig = fleet.data().parent().unwrap().join("east/kubeconfig");
    let ran = fleet.try_with_kubeconfig(&kubeconfig, &[&["--context=east-context"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stdout
}

#[test]
fn a_lost_hub_is_made_anew_from_its_members() {
    let Some(mut fleet) = fleet() else { return };
    let before = has(&fleet, "settings");
    fleet.kill();
    fs::rename(fleet.data(), fleet.data().parent().unwrap().join("lost")).unwrap();
    fs::create_dir(fleet.data()).unwrap();
    let (folder, member) = (fleet.data().display().to_string(), "--member=east=east-context");
    let kubeconfig = fleet.data().parent().unwrap().join("east/kubeconfig").display().to_string();
    let args = ["hub", "recover", "--data-dir", &folder, "--from-members", member, "--kubeconfig", &kubeconfig, "--yes"];
    let done = fleet.comity(&args);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("make FederatedConfigMap shop/settings from its copies in east"), "{}", done.stdout);
    assert_eq!(has(&fleet, "settings"), before);
    fleet.start_again(HUB);
    let join = ["join", "east", "--cluster-context=east-context", "--host-cluster-context=host-context", "--error-on-existing=false"];
    let joined = fleet.kubefedctl(&join);
    assert_eq!(joined.code, 0, "{}{}", joined.stdout, joined.stderr);
    in_sync(&fleet, "settings");
    let content = |text: &str| text.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(content(&has(&fleet, "settings")), content(&before), "the same object says the same");
    say(&fleet, "settings", "2");
    fleet.until("that it goes on", || has(&fleet, "settings").starts_with("2 "));
}
