//! A hub that is restored from yesterday, cloned, lost: the members keep what they have.

use std::{fs, path::Path, process::Command};

use crate::fleet::{Fleet, SYSTEM};

fn say(fleet: &Fleet, name: &str, text: &str) {
    let object = format!(
        "{{apiVersion: types.kubefed.io/v1beta1, kind: FederatedConfigMap, metadata: {{name: {name}, namespace: kept}}, \
         spec: {{template: {{data: {{k: '{text}'}}}}, placement: {{clusters: [{{name: cluster1}}]}}}}}}"
    );
    fleet.until(&format!("{name} is written"), || fleet.try_hub_with(&["apply", "-f", "-"], &object).code == 0);
}

fn delete(fleet: &Fleet, names: &[&str]) {
    let args = [&["delete", "federatedconfigmap", "-n", "kept", "--timeout=60s", "--ignore-not-found"], names].concat();
    fleet.until("the end of what was written", || fleet.try_hub_with(&args, "").code == 0);
}

fn in_sync(fleet: &Fleet, name: &str) {
    let told = || fleet.hub(&["get", "federatedconfigmap", name, "-n", "kept", "-o", "jsonpath={.status}"]);
    fleet.until(&format!("in sync: {name}"), || told().contains(r#""status":"True","type":"Propagation""#));
}

fn has(fleet: &Fleet, name: &str) -> String {
    let path = "jsonpath={.data.k} {.metadata.uid} {.metadata.resourceVersion}";
    fleet.member("cluster1", &["get", "configmap", name, "-n", "kept", "-o", path])
}

/// Text and uid.
fn content(text: &str) -> Vec<&str> {
    text.split(' ').take(2).collect()
}

fn reason(fleet: &Fleet, name: &str) -> String {
    fleet.hub(&["get", "federatedconfigmap", name, "-n", "kept", "-o", "jsonpath={.status.clusters[0].reason}"])
}

fn condition(fleet: &Fleet, field: &str) -> String {
    let path = format!("jsonpath={{.status.conditions[?(@.type=='HubBehind')].{field}}}");
    fleet.hub(&["get", "kubefedcluster", "cluster1", "-n", SYSTEM, "-o", &path])
}

/// The hub's store is put back as it was yesterday.
pub(crate) fn yesterday(fleet: &mut Fleet) {
    fleet.spare_the_policy();
    fleet.namespace("kept");
    for name in ["settings", "untouched"] {
        say(fleet, name, "1");
        in_sync(fleet, name);
    }
    assert_eq!(fleet.terminate(), 0);
    fleet.save_hub("yesterday");

    fleet.start_again();
    say(fleet, "settings", "2");
    fleet.until("today's state", || has(fleet, "settings").starts_with("2 "));
    say(fleet, "later", "1");
    in_sync(fleet, "later");
    fleet.end();
    fleet.restore_hub("yesterday");
    let before = ["settings", "untouched", "later"].map(|name| has(fleet, name));

    fleet.start_again();
    fleet.until("that the hub is old", || condition(fleet, "reason") == "HubBehind");
    say(fleet, "untouched", "not today");
    fleet.until("why nothing is written", || reason(fleet, "untouched") == "HubBehind");
    fleet.until("the deletion is asked for", || {
        fleet.try_hub_with(&["delete", "federatedconfigmap", "untouched", "-n", "kept", "--wait=false"], "").code == 0
    });
    fleet.until("why nothing is deleted", || {
        let path = "jsonpath={.status.clusters[0].status} {.status.clusters[0].reason}";
        fleet.hub(&["get", "federatedconfigmap", "untouched", "-n", "kept", "-o", path]) == "DeletionFailed HubBehind"
    });
    assert_eq!(["settings", "untouched", "later"].map(|name| has(fleet, name)), before);
    let ran = fleet.recover(&[]);
    assert!(ran.code == 7 && ran.stderr.contains("in use"), "{} {}", ran.code, ran.stderr);

    assert_eq!(fleet.terminate(), 0);
    let plan = fleet.recover(&["--from-members"]);
    assert_eq!(plan.code, 7, "{}{}", plan.stdout, plan.stderr);
    assert!(plan.stderr.contains("--newer=members"), "{}", plan.stderr);
    for line in ["make FederatedConfigMap kept/later", "FederatedConfigMap kept/settings is older on the hub", "/data/k: \"1\" -> \"2\""] {
        assert!(plan.stdout.contains(line), "{line}:\n{}", plan.stdout);
    }
    let done = fleet.recover(&["--from-members", "--newer=members", "--yes"]);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert_eq!(["settings", "untouched", "later"].map(|name| has(fleet, name)), before, "recovery changes nothing in members");

    fleet.start_again();
    for name in ["settings", "later"] {
        in_sync(fleet, name);
    }
    fleet.until("that the member is open", || condition(fleet, "reason").is_empty());
    assert_eq!(content(&has(fleet, "settings")), content(&before[0]));
    assert_eq!(content(&has(fleet, "later")), content(&before[2]));
    say(fleet, "settings", "3");
    fleet.until("that it goes on", || has(fleet, "settings").starts_with("3 "));
    delete(fleet, &["settings", "later"]);
}

/// Only the epoch is raised: the hub's word counts everywhere.
pub(crate) fn epoch_alone(fleet: &mut Fleet) {
    fleet.spare_the_policy();
    fleet.namespace("kept");
    say(fleet, "settings", "1");
    in_sync(fleet, "settings");
    assert_eq!(fleet.terminate(), 0);
    fleet.save_hub("before");
    fleet.start_again();
    say(fleet, "settings", "2");
    fleet.until("the later state", || has(fleet, "settings").starts_with("2 "));
    assert_eq!(fleet.terminate(), 0);
    fleet.restore_hub("before");
    let plan = fleet.recover(&[]);
    assert!(plan.code == 0 && plan.stdout.contains("Nothing was changed."), "{}{}", plan.stdout, plan.stderr);
    let done = fleet.recover(&["--yes"]);
    assert!(done.code == 0 && done.stdout.contains("Recovered: the hub is in epoch "), "{}{}", done.stdout, done.stderr);
    assert!(has(fleet, "settings").starts_with("2 "), "recovery changes nothing in members");
    fleet.start_again();
    fleet.until("the hub's word", || has(fleet, "settings").starts_with("1 "));
    in_sync(fleet, "settings");
    delete(fleet, &["settings"]);
}

#[test]
fn a_running_clone_of_a_hub_only_reads() {
    let Some(mut fleet) = Fleet::apart(&["cluster1"]) else { return };
    fleet.join_all(true);
    say(&fleet, "settings", "1");
    in_sync(&fleet, "settings");
    assert_eq!(fleet.terminate(), 0);
    fleet.save_hub("clone");
    let clone = fleet.home().join("clone");
    // it may not take the ports of the original
    fs::remove_file(clone.join("ports.json")).unwrap();
    fleet.start_again();
    fleet.until("that the original holds the Lease", || !lease(&fleet).is_empty());
    let running = fleet.start_beside(&["demo", "--data-dir=clone", "--members=0"]);
    let hub = |args: &[&str]| fleet.try_with_kubeconfig(&clone.join("kubeconfig"), args);
    fleet.until("that the clone knows what it is", || {
        let path = "jsonpath={.status.conditions[?(@.type=='HubBehind')].message}";
        let message = hub(&["get", "kubefedcluster", "cluster1", "-n", "kube-federation-system", "-o", path]).stdout;
        message.contains("instance") && message.contains(&lease(&fleet))
    });
    let patch = r#"{"spec":{"template":{"data":{"k":"clones"}}}}"#;
    assert_eq!(hub(&["patch", "federatedconfigmap", "settings", "-n", "kept", "--type=merge", "-p", patch]).code, 0);
    fleet.until("that the clone says so", || {
        let path = "jsonpath={.status.clusters[0].status}";
        hub(&["get", "federatedconfigmap", "settings", "-n", "kept", "-o", path]).stdout == "UpdateFailed"
    });
    assert!(has(&fleet, "settings").starts_with("1 "));
    say(&fleet, "settings", "originals");
    fleet.until("the original's word", || has(&fleet, "settings").starts_with("originals"));
    drop(running);
}

/// Who holds the hub's Lease in the member.
fn lease(fleet: &Fleet) -> String {
    fleet.member("cluster1", &["get", "lease", "-n", SYSTEM, "-o", "jsonpath={.items[*].spec.holderIdentity}"])
}

/// Nothing is left of the hub; what its members hold is enough.
pub(crate) fn lost(fleet: &mut Fleet) {
    fleet.spare_the_policy();
    fleet.namespace("kept");
    say(fleet, "settings", "1");
    in_sync(fleet, "settings");
    let before = has(fleet, "settings");
    fleet.end();
    fleet.lose_hub();
    let members: Vec<String> = fleet.clusters().iter().map(|name| format!("--member={name}={name}-context")).collect();
    let flags: Vec<&str> = members.iter().map(String::as_str).chain(["--from-members", "--yes"]).collect();
    let done = fleet.recover(&flags);
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
    assert!(done.stdout.contains("make FederatedConfigMap kept/settings from its copies in cluster1"), "{}", done.stdout);
    assert_eq!(has(fleet, "settings"), before);
    fleet.start_again();
    for name in fleet.clusters() {
        let context = format!("{name}-context");
        let join = ["join", &name, "--cluster-context", &context, "--host-cluster-context=host-context", "--error-on-existing=false"];
        let joined = fleet.kubefedctl(&join);
        assert_eq!(joined.code, 0, "{}{}", joined.stdout, joined.stderr);
    }
    in_sync(fleet, "settings");
    assert_eq!(content(&has(fleet, "settings")), content(&before), "the same object says the same");
    say(fleet, "settings", "2");
    fleet.until("that it goes on", || has(fleet, "settings").starts_with("2 "));
}

#[test]
fn an_encrypted_hub_is_recovered_with_its_keys_only() {
    // 32 bytes of 1 and of 2
    let keys = [("right", "AQEB".repeat(10) + "AQE="), ("wrong", "AgIC".repeat(10) + "AgI=")];
    let write = |home: &Path| {
        for (name, key) in &keys {
            fs::write(home.join(name), key).unwrap();
            assert!(Command::new("chmod").arg("600").arg(home.join(name)).status().unwrap().success());
        }
        Vec::new()
    };
    let Some(mut fleet) = Fleet::demo_where("v1.36", &["--members=0", "--encryption-key-file=right"], write) else { return };
    let file = |fleet: &Fleet, name: &str| format!("--encryption-key-file={}", fleet.home().join(name).display());
    fleet.add_member("cluster1");
    fleet.join_all(true);
    say(&fleet, "settings", "1");
    in_sync(&fleet, "settings");
    assert_eq!(fleet.terminate(), 0);
    fleet.save_hub("yesterday");
    fleet.start_again();
    say(&fleet, "settings", "2");
    fleet.until("the later state", || has(&fleet, "settings").starts_with("2 "));
    fleet.kill();
    fleet.restore_hub("yesterday");

    let without = fleet.recover(&["--yes"]);
    assert!(without.code != 0 && without.stderr.contains("--encryption-key-file"), "{}{}", without.stdout, without.stderr);
    let other = fleet.recover(&["--yes", &file(&fleet, "wrong")]);
    assert!(other.code != 0 && other.stderr.contains("key"), "{}{}", other.stdout, other.stderr);
    assert!(keys.iter().all(|(_, key)| !other.stderr.contains(key)), "a key is told");
    let done = fleet.recover(&["--from-members", "--newer=members", "--yes", &file(&fleet, "right")]);
    assert!(
        done.code == 0 && done.stdout.contains("FederatedConfigMap kept/settings is older on the hub"),
        "{}{}",
        done.stdout,
        done.stderr
    );
    fleet.start_again();
    in_sync(&fleet, "settings");
    assert!(has(&fleet, "settings").starts_with("2 "));
    say(&fleet, "settings", "3");
    fleet.until("that it goes on", || has(&fleet, "settings").starts_with("3 "));
}
