//! Every federated type runs by the same code; others are enabled at run time.

use crate::fleet::Fleet;

/// Kind, resource in the member, and a template.
const SHIPPED: [(&str, &str, &str); 8] = [
    ("FederatedConfigMap", "configmap", "{data: {k: v}}"),
    ("FederatedSecret", "secret", "{stringData: {k: v}, type: Opaque}"),
    ("FederatedServiceAccount", "serviceaccount", "{automountServiceAccountToken: false}"),
    ("FederatedService", "service", "{spec: {selector: {app: x}, ports: [{port: 80}]}}"),
    (
        "FederatedDeployment",
        "deployment",
        "{spec: {selector: {matchLabels: {app: x}}, template: {metadata: {labels: {app: x}}, spec: {containers: [{name: c, image: i}]}}}}",
    ),
    (
        "FederatedReplicaSet",
        "replicaset",
        "{spec: {selector: {matchLabels: {app: rs}}, template: {metadata: {labels: {app: rs}}, spec: {containers: [{name: c, image: i}]}}}}",
    ),
    ("FederatedJob", "job", "{spec: {template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}}}"),
    (
        "FederatedIngress",
        "ingress",
        "{apiVersion: networking.k8s.io/v1, spec: {defaultBackend: {service: {name: one, port: {number: 80}}}}}",
    ),
];

pub(crate) fn every_shipped_type(fleet: &mut Fleet) {
    fleet.namespace("all-types");
    let mut text = String::new();
    for (kind, _, template) in SHIPPED {
        text.push_str(&format!(
            "---\napiVersion: types.kubefed.io/v1beta1\nkind: {kind}\nmetadata: {{name: one, namespace: all-types}}\nspec: {{template: {template}, placement: {{clusterSelector: {{}}}}}}\n"
        ));
    }
    text.push_str("---\napiVersion: types.kubefed.io/v1beta1\nkind: FederatedNamespace\nmetadata: {name: all-types, namespace: all-types}\nspec: {template: {metadata: {labels: {team: a}}}, placement: {clusterSelector: {}}}\n");
    text.push_str("---\napiVersion: types.kubefed.io/v1beta1\nkind: FederatedClusterRole\nmetadata: {name: all-types-reader}\nspec: {template: {rules: [{apiGroups: [\"\"], resources: [pods], verbs: [get]}]}, placement: {clusterSelector: {}}}\n");
    let applied = fleet.try_hub_with(&["apply", "-f", "-"], &text);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    for cluster in ["cluster1", "cluster2"] {
        for (_, resource, _) in SHIPPED {
            fleet.member(cluster, &["wait", &format!("{resource}/one"), "-n", "all-types", "--for=create", "--timeout=20s"]);
        }
        fleet.member(cluster, &["wait", "namespace/all-types", "--for=jsonpath={.metadata.labels.team}=a", "--timeout=20s"]);
        fleet.member(cluster, &["wait", "clusterrole/all-types-reader", "--for=create", "--timeout=20s"]);
    }
    assert_eq!(fleet.hub(&["get", "federatedtypeconfigs", "-n", "kube-federation-system", "-o", "name"]).lines().count(), 10);
    for (kind, _, _) in SHIPPED {
        fleet.hub(&["wait", &format!("{}/one", kind.to_lowercase()), "-n", "all-types", "--for=condition=Propagation", "--timeout=20s"]);
    }
    let deleted = fleet.try_hub_with(&["delete", "-f", "-", "--timeout=40s"], &text);
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    for cluster in ["cluster1", "cluster2"] {
        assert!(fleet.try_member(cluster, &["get", "clusterrole/all-types-reader"]).stderr.contains("NotFound"));
        assert!(fleet.try_member(cluster, &["get", "deployment/one", "-n", "all-types"]).stderr.contains("NotFound"));
    }
}

pub(crate) fn enabled_types(fleet: &mut Fleet) {
    fleet.namespace("shop");
    let enabled = fleet.kubefedctl(&["enable", "networkpolicies.networking.k8s.io"]);
    assert_eq!(enabled.code, 0, "{}", enabled.stderr);
    assert_eq!(
        enabled.stdout,
        "customresourcedefinition.apiextensions.k8s.io/federatednetworkpolicies.types.kubefed.io created\n\
         federatedtypeconfig.core.kubefed.io/networkpolicies.networking.k8s.io created in namespace kube-federation-system\n"
    );
    let text = "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedNetworkPolicy\nmetadata: {name: deny, namespace: shop}\nspec: {template: {spec: {podSelector: {}, policyTypes: [Ingress]}}, placement: {clusterSelector: {}}}\n";
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], text).code, 0);
    fleet.member("cluster1", &["wait", "networkpolicy/deny", "-n", "shop", "--for=create", "--timeout=20s"]);

    let widgets = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer, default: 1}, color: {type: string}}}}}}
";
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], widgets).code, 0);
    assert_eq!(fleet.try_member_with("cluster1", &["apply", "-f", "-"], widgets).code, 0);
    let enabled = fleet.kubefedctl(&["enable", "Widget"]);
    assert_eq!(enabled.code, 0, "{}", enabled.stderr);
    let text = "apiVersion: types.kubefed.io/v1beta1\nkind: FederatedWidget\nmetadata: {name: one, namespace: shop}\nspec: {template: {spec: {color: red}}, placement: {clusterSelector: {}}}\n";
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], text).code, 0);
    fleet.member("cluster1", &["wait", "widget/one", "-n", "shop", "--for=jsonpath={.spec.size}=1", "--timeout=20s"]);

    let disabled = fleet.kubefedctl(&["disable", "widgets.example.com"]);
    assert_eq!(disabled.code, 0, "{}", disabled.stderr);
    assert!(
        disabled
            .stdout
            .contains("Propagation controller for FederatedTypeConfig \"kube-federation-system/widgets.example.com\" is stopped"),
        "{}",
        disabled.stdout
    );

    let unknown = fleet.kubefedctl(&["enable", "gizmos"]);
    assert_eq!(unknown.code, 255);
    assert!(unknown.stderr.contains("Error: Unable to find api resource named \"gizmos\"."), "{}", unknown.stderr);
}

pub(crate) fn group_of_ones_own(fleet: &mut Fleet) {
    let enabled = fleet.kubefedctl(&["enable", "leases", "--federated-group=federated.example.com"]);
    assert_eq!(enabled.code, 0, "{}", enabled.stderr);
    let text = "apiVersion: federated.example.com/v1beta1\nkind: FederatedLease\nmetadata: {name: one, namespace: leasing}\nspec: {template: {spec: {holderIdentity: me}}, placement: {clusterSelector: {}}}\n";
    fleet.hub(&["create", "namespace", "leasing"]);
    assert_eq!(fleet.try_hub_with(&["apply", "-f", "-"], text).code, 0);
    fleet.member("cluster1", &["wait", "lease/one", "-n", "leasing", "--for=create", "--timeout=20s"]);
    fleet.member("cluster1", &["wait", "lease/one", "-n", "leasing", "--for=jsonpath={.spec.holderIdentity}=me", "--timeout=20s"]);
    fleet.hub(&["wait", "federatedlease/one", "-n", "leasing", "--for=condition=Propagation", "--timeout=20s"]);
}
