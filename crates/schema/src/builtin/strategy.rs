//! How writes treat a kind, as far as it is data.

/// What makes `metadata.generation` grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generation {
    /// Nothing; the field is not kept.
    #[default]
    Untracked,
    /// 1 on create and never more.
    Constant,
    /// Any change outside `metadata` and `status`.
    Content,
    /// The same, and annotations (they are copied to what the object makes).
    ContentAndAnnotations,
    /// The same, and labels.
    ContentAndLabels,
}

/// Flags of a kind.
#[derive(Clone, Debug, Default)]
pub struct Strategy {
    /// PUT may create.
    pub create_on_update: bool,
    /// PUT without `resourceVersion` replaces whatever is there.
    pub unconditional_update: bool,
    /// What makes the generation grow.
    pub generation: Generation,
    /// DELETE waits for a grace period (Pods).
    pub graceful_delete: bool,
    /// DELETE answers with the object instead of a Status.
    pub returns_deleted: bool,
    /// DELETE leaves dependents when nothing is said.
    pub orphans_by_default: bool,
    /// There is a status that only the subresource writes.
    pub has_status: bool,
}

const CREATE_ON_UPDATE: [&str; 11] = [
    "runtimeclasses",
    "rolebindings",
    "clusterrolebindings",
    "roles",
    "clusterroles",
    "leases",
    "leasecandidates",
    "limitranges",
    "events",
    "services",
    "endpoints",
];

const CONDITIONAL_UPDATE: [&str; 21] = [
    "podcertificaterequests",
    "clustertrustbundles",
    "runtimeclasses",
    "storageversionmigrations",
    "poddisruptionbudgets",
    "resourcepoolstatusrequests",
    "storageversions",
    "csidrivers",
    "csistoragecapacities",
    "volumeattachments",
    "csinodes",
    "leases",
    "leasecandidates",
    "validatingadmissionpolicies",
    "mutatingadmissionpolicies",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicybindings",
    "apiservices",
    "customresourcedefinitions",
];

const GENERATION: [&str; 26] = [
    "ingressclasses",
    "networkpolicies",
    "ingresses",
    "poddisruptionbudgets",
    "resourceslices",
    "deviceclasses",
    "devicetaintrules",
    "csidrivers",
    "flowschemas",
    "prioritylevelconfigurations",
    "daemonsets",
    "statefulsets",
    "replicasets",
    "jobs",
    "cronjobs",
    "pods",
    "podtemplates",
    "replicationcontrollers",
    "validatingadmissionpolicies",
    "mutatingadmissionpolicies",
    "mutatingwebhookconfigurations",
    "validatingwebhookconfigurations",
    "mutatingadmissionpolicybindings",
    "validatingadmissionpolicybindings",
    "customresourcedefinitions",
    "storageversionmigrations",
];

const RETURNS_DELETED: [&str; 18] = [
    "resourceclaimtemplates",
    "resourceslices",
    "resourceclaims",
    "deviceclasses",
    "devicetaintrules",
    "csidrivers",
    "storageclasses",
    "volumeattachments",
    "csinodes",
    "volumeattributesclasses",
    "resourcequotas",
    "persistentvolumes",
    "serviceaccounts",
    "persistentvolumeclaims",
    "namespaces",
    "pods",
    "services",
    "podtemplates",
];

impl Strategy {
    /// The flags of a built-in resource; plural names are unique enough among built-ins (both `events` are one thing).
    pub(crate) fn builtin(group: &str, plural: &str, has_status: bool) -> Self {
        Self {
            create_on_update: CREATE_ON_UPDATE.contains(&plural),
            unconditional_update: !CONDITIONAL_UPDATE.contains(&plural),
            generation: match plural {
                "deployments" => Generation::ContentAndAnnotations,
                "endpointslices" => Generation::ContentAndLabels,
                "priorityclasses" => Generation::Constant,
                _ if GENERATION.contains(&plural) => Generation::Content,
                _ => Generation::Untracked,
            },
            graceful_delete: group.is_empty() && plural == "pods",
            returns_deleted: RETURNS_DELETED.contains(&plural),
            orphans_by_default: matches!((group, plural), ("batch", "jobs") | ("", "replicationcontrollers")),
            has_status,
        }
    }

    /// The flags of a custom kind.
    pub fn custom(has_status: bool) -> Self {
        Self { generation: Generation::Content, has_status, ..Self::default() }
    }
}
