//! Rules of a kind that data can state: how generations count, what a write may touch, what a deletion answers.

use crate::pending::ResourceInfo;

/// When `metadata.generation` grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// The kind has none.
    Never,
    /// Any of these top-level fields changed.
    Fields(&'static [&'static str]),
    /// `spec` or the annotations changed (Deployments copy them to their ReplicaSets).
    SpecAndAnnotations,
    /// Anything but metadata changed.
    AllButMetadata,
    /// Anything but metadata and status changed.
    AllButMetadataAndStatus,
    /// Anything but metadata changed, or the labels (EndpointSlices).
    AllButMetadataOrLabels,
}

/// Rules of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strategy {
    /// Writes of the object keep the old `status`; the status subresource writes it.
    pub status_apart: bool,
    /// How the generation counts.
    pub generation: Generation,
    /// PUT makes an object that does not exist.
    pub create_on_update: bool,
    /// PUT without resourceVersion overwrites.
    pub unconditional_update: bool,
    /// DELETE answers the object, not a `Status`.
    pub returns_deleted: bool,
    /// Deletion waits for a grace period.
    pub graceful: bool,
    /// Dependents are orphaned unless the request says otherwise.
    pub orphans_by_default: bool,
    /// Names are checked as DNS labels, DNS-1035 labels, subdomains or path segments.
    pub name_rule: NameRule,
}

/// How a kind's names are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum NameRule {
    Subdomain,
    Label,
    Label1035,
    PathSegment,
}

const SPEC: Generation = Generation::Fields(&["spec"]);

impl Strategy {
    /// The rules of a built-in kind.
    pub fn builtin(info: &ResourceInfo) -> Self {
        let id = (info.group.as_str(), info.plural.as_str());
        let has_status = info.subresources.iter().any(|s| s.name == "status");
        Self {
            status_apart: has_status,
            generation: generation(id),
            create_on_update: matches!(
                id,
                ("node.k8s.io", "runtimeclasses")
                    | ("rbac.authorization.k8s.io", _)
                    | ("coordination.k8s.io", _)
                    | ("" | "events.k8s.io", "events")
                    | ("", "limitranges" | "services" | "endpoints")
            ),
            unconditional_update: !matches!(
                id,
                ("certificates.k8s.io", "podcertificaterequests" | "clustertrustbundles")
                    | ("node.k8s.io" | "storagemigration.k8s.io" | "policy" | "internal.apiserver.k8s.io" | "coordination.k8s.io", _)
                    | ("storage.k8s.io", "csidrivers" | "csistoragecapacities" | "volumeattachments" | "csinodes")
                    | ("resource.k8s.io", "resourcepoolstatusrequests")
                    | ("admissionregistration.k8s.io" | "apiextensions.k8s.io" | "apiregistration.k8s.io", _)
            ),
            returns_deleted: matches!(
                id,
                ("resource.k8s.io", _)
                    | ("storage.k8s.io", "csidrivers" | "storageclasses" | "volumeattachments" | "csinodes" | "volumeattributesclasses")
                    | (
                        "",
                        "resourcequotas"
                            | "persistentvolumes"
                            | "serviceaccounts"
                            | "persistentvolumeclaims"
                            | "namespaces"
                            | "pods"
                            | "services"
                            | "podtemplates"
                    )
            ),
            graceful: id == ("", "pods"),
            orphans_by_default: matches!(id, ("", "replicationcontrollers") | ("batch", "jobs")),
            name_rule: match id {
                ("", "namespaces") => NameRule::Label,
                ("", "services") => NameRule::Label1035,
                ("rbac.authorization.k8s.io", _) => NameRule::PathSegment,
                _ => NameRule::Subdomain,
            },
        }
    }

    /// The rules of a custom kind, with or without status subresource.
    pub fn custom(status: bool) -> Self {
        Self {
            status_apart: status,
            generation: if status { Generation::AllButMetadataAndStatus } else { Generation::AllButMetadata },
            create_on_update: false,
            unconditional_update: false,
            returns_deleted: false,
            graceful: false,
            orphans_by_default: false,
            name_rule: NameRule::Subdomain,
        }
    }
}

fn generation(id: (&str, &str)) -> Generation {
    match id {
        ("apps", "deployments") => Generation::SpecAndAnnotations,
        ("apps", "controllerrevisions") => Generation::Never,
        ("discovery.k8s.io", "endpointslices") => Generation::AllButMetadataOrLabels,
        ("", "podtemplates") => Generation::Fields(&["template"]),
        ("admissionregistration.k8s.io", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations") => {
            Generation::Fields(&["webhooks"])
        }
        ("scheduling.k8s.io", "priorityclasses") => Generation::Fields(&[]),
        ("", "pods" | "replicationcontrollers")
        | ("apps" | "batch" | "admissionregistration.k8s.io" | "flowcontrol.apiserver.k8s.io" | "apiextensions.k8s.io", _)
        | ("networking.k8s.io", "ingresses" | "ingressclasses" | "networkpolicies")
        | ("policy", "poddisruptionbudgets")
        | ("resource.k8s.io", "resourceslices" | "deviceclasses" | "devicetaintrules")
        | ("storage.k8s.io", "csidrivers") => SPEC,
        _ => Generation::Never,
    }
}

impl Generation {
    /// Whether new objects begin with generation 1.
    pub fn counts(self) -> bool {
        self != Generation::Never
    }
}
