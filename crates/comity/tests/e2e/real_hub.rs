//! What there is on a real hub alone: instances that take turns, and an API server that is not Comity's.

use std::time::{Duration, Instant};

use crate::{
    fleet::{Fleet, SYSTEM, manifest},
    scenarios::Run,
};

/// Run after those that every kind of hub has.
pub(crate) const SCENARIOS: &[(&str, Run)] = &[
    ("a_real_hubs_api_may_be_killed_under_comity", api_is_killed),
    ("instances_beside_a_real_hub_take_turns", instances_take_turns),
    ("a_hub_that_is_led_is_not_recovered", led_hub_is_not_recovered),
];

fn replicas(fleet: &Fleet, cluster: &str) -> String {
    fleet.member(cluster, &["get", "deploy", "webapp", "-n", "production", "-o", "jsonpath={.spec.replicas}"])
}

fn scale(fleet: &Fleet, cluster: &str) {
    fleet.member(cluster, &["scale", "deploy/webapp", "-n", "production", "--replicas=1"]);
}

fn webapp(fleet: &Fleet) {
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    fleet.wait("federateddeployment/webapp", "production", "condition=Propagation");
}

/// The members keep what they have, and everything goes on when the API is back.
fn api_is_killed(fleet: &mut Fleet) {
    fleet.spare_the_policy();
    webapp(fleet);
    fleet.kill_hub_api();
    scale(fleet, "cluster1");
    fleet.start_hub_api();
    fleet.until("the repair", || replicas(fleet, "cluster1") == "5");
    scale(fleet, "cluster2");
    fleet.until("the next repair", || replicas(fleet, "cluster2") == "3");
}

/// A second instance waits; it works as soon as the first has ended, and changes nothing.
fn instances_take_turns(fleet: &mut Fleet) {
    webapp(fleet);
    fleet.start_again();
    let printed: Vec<String> = fleet.instances().iter().map(|instance| instance.printed().join("\n")).collect();
    assert!(printed[1].contains(" leads"), "{}", printed[1]);
    let id = |printed: &str| printed.lines().find(|line| line.contains("epoch")).unwrap().split(',').next().unwrap().to_owned();
    assert_eq!(id(&printed[0]), id(&printed[1]), "one hub, one id");
    let mark = |fleet: &Fleet| {
        let path = "jsonpath={.metadata.annotations.comity\\.dev/owner}";
        fleet.member("cluster1", &["get", "deploy", "webapp", "-n", "production", "-o", path])
    };
    let before = mark(fleet);
    let began = Instant::now();
    assert_eq!(fleet.instances().remove(0).stop().unwrap().code(), Some(0));
    fleet.instances()[0].wait_line("leading", Duration::from_secs(60)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "handing over took {:?}", began.elapsed());
    scale(fleet, "cluster1");
    fleet.until("the repair by the second instance", || replicas(fleet, "cluster1") == "5");
    assert_eq!(mark(fleet), before);
}

/// Recovery is for a hub at which nobody is at work.
fn led_hub_is_not_recovered(fleet: &mut Fleet) {
    let epoch = ["get", "configmap", "comity-hub", "-n", SYSTEM, "-o", "jsonpath={.data.epoch}"];
    let before = fleet.hub(&epoch);
    let ran = fleet.recover(&["--yes"]);
    assert!(ran.code == 7 && ran.stderr.contains("is in use by instance"), "{} {}{}", ran.code, ran.stdout, ran.stderr);
    assert_eq!(fleet.hub(&epoch), before);
}
