//! Constants: type ⇒ field ⇒ value. Types whose value depends on something else have rules.

use comity_core::{Map, Value};

/// A constant's value.
#[derive(Clone, Copy)]
pub(super) enum Constant {
    Text(&'static str),
    Number(i64),
    Truth(bool),
    Empty,
    List(&'static [&'static str]),
}

use Constant::{Empty, List, Number, Text, Truth};

impl Constant {
    pub(super) fn value(self) -> Value {
        match self {
            Text(text) => text.into(),
            Number(number) => number.into(),
            Truth(truth) => truth.into(),
            Empty => Value::Object(Map::new()),
            List(items) => items.into(),
        }
    }
}

type Fields = &'static [(&'static str, Constant)];

const CONTAINER: Fields = &[("terminationMessagePath", Text("/dev/termination-log")), ("terminationMessagePolicy", Text("File"))];
const MODE: Fields = &[("defaultMode", Number(0o644))];
const RBD: Fields = &[("pool", Text("rbd")), ("user", Text("admin")), ("keyring", Text("/etc/ceph/keyring"))];
const SCALE_IO: Fields = &[("storageMode", Text("ThinProvisioned")), ("fsType", Text("xfs"))];
const TCP: Fields = &[("protocol", Text("TCP"))];
const FAIL: Fields = &[("failurePolicy", Text("Fail"))];
const PORT: Fields = &[("port", Number(443))];
const MATCH: Fields = &[("matchPolicy", Text("Equivalent")), ("namespaceSelector", Empty), ("objectSelector", Empty)];
const SCOPE: Fields = &[("scope", Text("*"))];

/// The constants of a type.
pub(super) fn of(name: &str) -> Fields {
    match name {
        "core.v1.Container" | "core.v1.EphemeralContainer" => CONTAINER,
        "core.v1.ContainerPort" | "core.v1.ServicePort" | "core.v1.EndpointPort" | "networking.v1.NetworkPolicyPort" => TCP,
        "core.v1.PodSpec" => &[
            ("dnsPolicy", Text("ClusterFirst")),
            ("restartPolicy", Text("Always")),
            ("securityContext", Empty),
            ("terminationGracePeriodSeconds", Number(30)),
            ("schedulerName", Text("default-scheduler")),
        ],
        "core.v1.Probe" => &[
            ("timeoutSeconds", Number(1)),
            ("periodSeconds", Number(10)),
            ("successThreshold", Number(1)),
            ("failureThreshold", Number(3)),
        ],
        "core.v1.HTTPGetAction" => &[("path", Text("/")), ("scheme", Text("HTTP"))],
        "core.v1.GRPCAction" => &[("service", Text(""))],
        "core.v1.SecretVolumeSource"
        | "core.v1.ConfigMapVolumeSource"
        | "core.v1.DownwardAPIVolumeSource"
        | "core.v1.ProjectedVolumeSource" => MODE,
        "core.v1.ServiceAccountTokenProjection" => &[("expirationSeconds", Number(3600))],
        "core.v1.HostPathVolumeSource" => &[("type", Text(""))],
        "core.v1.ObjectFieldSelector" => &[("apiVersion", Text("v1"))],
        "core.v1.FileKeySelector" => &[("optional", Truth(false))],
        "core.v1.ISCSIVolumeSource" | "core.v1.ISCSIPersistentVolumeSource" => &[("iscsiInterface", Text("default"))],
        "core.v1.RBDVolumeSource" | "core.v1.RBDPersistentVolumeSource" => RBD,
        "core.v1.ScaleIOVolumeSource" | "core.v1.ScaleIOPersistentVolumeSource" => SCALE_IO,
        "core.v1.AzureDiskVolumeSource" => {
            &[("cachingMode", Text("ReadWrite")), ("fsType", Text("ext4")), ("readOnly", Truth(false)), ("kind", Text("Shared"))]
        }
        "core.v1.ServiceSpec" => &[("sessionAffinity", Text("None")), ("type", Text("ClusterIP"))],
        "core.v1.Secret" => &[("type", Text("Opaque"))],
        "core.v1.PersistentVolumeSpec" => &[("persistentVolumeReclaimPolicy", Text("Retain")), ("volumeMode", Text("Filesystem"))],
        "core.v1.PersistentVolumeStatus" | "core.v1.PersistentVolumeClaimStatus" => &[("phase", Text("Pending"))],
        "core.v1.PersistentVolumeClaimSpec" => &[("volumeMode", Text("Filesystem"))],
        "core.v1.NamespaceStatus" => &[("phase", Text("Active"))],
        "core.v1.ReplicationControllerSpec" | "apps.v1.ReplicaSetSpec" => &[("replicas", Number(1))],
        "apps.v1.DeploymentSpec" => {
            &[("replicas", Number(1)), ("revisionHistoryLimit", Number(10)), ("progressDeadlineSeconds", Number(600))]
        }
        "apps.v1.DeploymentStrategy" | "apps.v1.DaemonSetUpdateStrategy" => &[("type", Text("RollingUpdate"))],
        "apps.v1.DaemonSetSpec" => &[("revisionHistoryLimit", Number(10))],
        "apps.v1.StatefulSetSpec" => &[
            ("podManagementPolicy", Text("OrderedReady")),
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
            ("persistentVolumeClaimRetentionPolicy", Empty),
        ],
        "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy" => &[("whenDeleted", Text("Retain")), ("whenScaled", Text("Retain"))],
        "batch.v1.CronJobSpec" => &[
            ("concurrencyPolicy", Text("Allow")),
            ("suspend", Truth(false)),
            ("successfulJobsHistoryLimit", Number(3)),
            ("failedJobsHistoryLimit", Number(1)),
        ],
        "batch.v1.PodFailurePolicyOnPodConditionsPattern" => &[("status", Text("True"))],
        "autoscaling.v1.HorizontalPodAutoscalerSpec" => &[("minReplicas", Number(1)), ("targetCPUUtilizationPercentage", Number(80))],
        "autoscaling.v2.HorizontalPodAutoscalerSpec" => &[("minReplicas", Number(1))],
        "resource.v1.DeviceToleration" => &[("operator", Text("Equal"))],
        "networking.v1.IngressClassParametersReference" => &[("scope", Text("Cluster"))],
        "discovery.v1.EndpointPort" => &[("name", Text("")), ("protocol", Text("TCP"))],
        "rbac.v1.RoleRef" => &[("apiGroup", Text("rbac.authorization.k8s.io"))],
        "scheduling.v1.PriorityClass" => &[("preemptionPolicy", Text("PreemptLowerPriority"))],
        "storage.v1.StorageClass" => &[("reclaimPolicy", Text("Delete")), ("volumeBindingMode", Text("Immediate"))],
        "storage.v1.CSIDriverSpec" => &[
            ("attachRequired", Truth(true)),
            ("podInfoOnMount", Truth(false)),
            ("storageCapacity", Truth(false)),
            ("fsGroupPolicy", Text("ReadWriteOnceWithFSType")),
            ("volumeLifecycleModes", List(&["Persistent"])),
            ("requiresRepublish", Truth(false)),
            ("seLinuxMount", Truth(false)),
        ],
        "admissionregistration.v1.ValidatingWebhook" => &[
            ("failurePolicy", Text("Fail")),
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
            ("timeoutSeconds", Number(10)),
        ],
        "admissionregistration.v1.MutatingWebhook" => &[
            ("failurePolicy", Text("Fail")),
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
            ("timeoutSeconds", Number(10)),
            ("reinvocationPolicy", Text("Never")),
        ],
        "admissionregistration.v1.RuleWithOperations" | "admissionregistration.v1.NamedRuleWithOperations" => SCOPE,
        "admissionregistration.v1.MatchResources" => MATCH,
        "admissionregistration.v1.ValidatingAdmissionPolicySpec" | "admissionregistration.v1.MutatingAdmissionPolicySpec" => FAIL,
        "admissionregistration.v1.ServiceReference" | "apiextensions.v1.ServiceReference" | "apiregistration.v1.ServiceReference" => PORT,
        "flowcontrol.v1.FlowSchemaSpec" => &[("matchingPrecedence", Number(1000))],
        "flowcontrol.v1.ExemptPriorityLevelConfiguration" => &[("nominalConcurrencyShares", Number(0)), ("lendablePercent", Number(0))],
        "flowcontrol.v1.LimitedPriorityLevelConfiguration" => &[("nominalConcurrencyShares", Number(30)), ("lendablePercent", Number(0))],
        "flowcontrol.v1.QueuingConfiguration" => &[("handSize", Number(8)), ("queues", Number(64)), ("queueLengthLimit", Number(50))],
        "authentication.v1.TokenRequestSpec" => &[("expirationSeconds", Number(3600))],
        _ => &[],
    }
}
