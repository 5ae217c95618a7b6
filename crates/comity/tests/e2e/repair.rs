//! Members are changed behind the hub's back; what the template names is repaired, the rest stays.

use crate::fleet::{Fleet, manifest};

pub(crate) fn repairs(fleet: &mut Fleet) {
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-deployment.yaml")]);
    fleet.hub(&["wait", "federateddeployment/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    let member = |args: &[&str]| fleet.member("cluster2", &[args, &["-n", "production"]].concat());

    // Scaled, edited, relabelled: each comes back.
    member(&["scale", "deployment/webapp", "--replicas=1"]);
    member(&["wait", "deployment/webapp", "--for=jsonpath={.spec.replicas}=3", "--timeout=10s"]);
    member(&["set", "image", "deployment/webapp", "webapp=other:v2"]);
    member(&["wait", "deployment/webapp", "--for=jsonpath={.spec.template.spec.containers[0].image}=myapp:v1.0", "--timeout=10s"]);
    member(&["label", "deployment/webapp", "app=other", "--overwrite"]);
    member(&["wait", "deployment/webapp", "--for=jsonpath={.metadata.labels.app}=webapp", "--timeout=10s"]);

    // A label and an annotation that the template does not name stay through a repair.
    member(&["label", "deployment/webapp", "team=payments"]);
    member(&["annotate", "deployment/webapp", "note=mine"]);
    member(&["scale", "deployment/webapp", "--replicas=2"]);
    member(&["wait", "deployment/webapp", "--for=jsonpath={.spec.replicas}=3", "--timeout=10s"]);
    assert_eq!(
        member(&["get", "deployment/webapp", "-o", "jsonpath={.metadata.labels.team} {.metadata.annotations.note}"]),
        "payments mine"
    );

    // A deleted copy returns as another object.
    let uid = member(&["get", "deployment/webapp", "-o", "jsonpath={.metadata.uid}"]);
    member(&["delete", "deployment/webapp", "--wait=false"]);
    fleet.until("the copy is back", || {
        let ran = fleet.try_member("cluster2", &["get", "deployment/webapp", "-n", "production", "-o", "jsonpath={.metadata.uid}"]);
        ran.code == 0 && !ran.stdout.is_empty() && ran.stdout != uid
    });
}

pub(crate) fn writes_the_difference(fleet: &mut Fleet) {
    fleet.namespace("production");
    fleet.hub(&["apply", "-f", &manifest("federated-service.yaml")]);
    fleet.hub(&["wait", "federatedservice/webapp", "-n", "production", "--for=condition=Propagation", "--timeout=30s"]);
    let version =
        |cluster: &str| fleet.member(cluster, &["get", "service/webapp", "-n", "production", "-o", "jsonpath={.metadata.resourceVersion}"]);
    let before = [version("cluster1"), version("cluster2"), version("cluster3")];

    // An override for one cluster writes to that cluster alone.
    let patch = r#"{"spec":{"overrides":[{"clusterName":"cluster2","clusterOverrides":[{"path":"/spec/ports/0/port","value":8081}]}]}}"#;
    fleet.hub(&["patch", "federatedservice", "webapp", "-n", "production", "--type=merge", "-p", patch]);
    fleet.member("cluster2", &["wait", "service/webapp", "-n", "production", "--for=jsonpath={.spec.ports[0].port}=8081", "--timeout=10s"]);
    assert_eq!([version("cluster1"), version("cluster3")], [before[0].clone(), before[2].clone()]);
    assert_ne!(version("cluster2"), before[1]);

    // Leaving the placement takes one copy away; the others are not touched.
    let patch = r#"{"spec":{"placement":{"clusters":[{"name":"cluster1"},{"name":"cluster3"}]}}}"#;
    fleet.hub(&["patch", "federatedservice", "webapp", "-n", "production", "--type=merge", "-p", patch]);
    fleet.member("cluster2", &["wait", "service/webapp", "-n", "production", "--for=delete", "--timeout=10s"]);
    assert_eq!([version("cluster1"), version("cluster3")], [before[0].clone(), before[2].clone()]);

    // Deleting the federated object takes all copies away, and then the object goes.
    fleet.hub(&["delete", "federatedservice", "webapp", "-n", "production", "--timeout=20s"]);
    for cluster in ["cluster1", "cluster2", "cluster3"] {
        assert!(fleet.try_member(cluster, &["get", "service/webapp", "-n", "production"]).stderr.contains("NotFound"), "{cluster}");
    }
}
