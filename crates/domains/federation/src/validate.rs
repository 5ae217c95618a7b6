//! From the federated object to what is wanted, or to every problem at once.

use comity_api_kubefed::{FederatedSpec, keys};
use comity_core::{LabelSelector, Value, object};
use comity_lane::{DeleteOptions, Propagation, arbitrate::Adopt};
use comity_placement::{NamespaceRule, Placement};

use crate::model::{Deletion, Desired, NamespaceSeen, Observed, OnUnreachable};

/// A problem of the whole object: nothing is written anywhere while it stands, and nothing is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Machine-readable reason.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// Reads the wish.
///
/// # Errors
/// All problems of the object.
pub fn desired(seen: &Observed) -> Result<Desired, Vec<Problem>> {
    let mut problems = Vec::new();
    let (namespace, name) = (object::namespace(&seen.object), object::name(&seen.object));
    if seen.kind.is_namespace && namespace != name {
        let message = "The name of a federated namespace must match the name of its containing namespace.";
        problems.push(Problem { reason: "InvalidName", message: message.to_owned() });
    }
    let mut compute = |message: String| problems.push(Problem { reason: "ComputePlacementFailed", message });
    let spec = match FederatedSpec::read(&seen.object) {
        Ok(spec) => spec,
        Err(problem) => {
            compute(problem.0);
            return Err(problems);
        }
    };
    let placement = placement(&spec.placement).unwrap_or_else(|why| {
        compute(why);
        Placement::default()
    });
    let rule = match &seen.namespace {
        _ if seen.kind.is_namespace && (keys::RESERVED_NAMESPACES.contains(&name) || name == keys::SYSTEM_NAMESPACE) => {
            NamespaceRule::Reserved
        }
        NamespaceSeen::None | NamespaceSeen::Implicit(_) => NamespaceRule::Free,
        NamespaceSeen::Strict => NamespaceRule::Missing,
        NamespaceSeen::Federated(written) => match self::placement(written) {
            Ok(placement) => NamespaceRule::Federated(placement),
            Err(why) => {
                compute(format!("the FederatedNamespace: {why}"));
                NamespaceRule::Missing
            }
        },
    };
    let adopt = adopt(seen).unwrap_or_else(|message| {
        problems.push(Problem { reason: "InvalidAnnotation", message });
        Adopt::Abort
    });
    let deletion = deletion(seen).unwrap_or_else(|message| {
        problems.push(Problem { reason: "InvalidAnnotation", message });
        Deletion::default()
    });
    let keep_additions = keep_additions(&seen.object).unwrap_or_else(|message| {
        problems.push(Problem { reason: "InvalidAnnotation", message });
        false
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Desired {
        template: spec.template,
        placement,
        namespace: rule,
        overrides: spec.overrides,
        retain_replicas: spec.retain_replicas,
        adopt,
        deletion,
        keep_additions,
    })
}

/// From how a placement is written to what decides.
///
/// # Errors
/// The selector is none.
pub fn placement(written: &comity_api_kubefed::federated::Placement) -> Result<Placement, String> {
    let selector = match &written.selector {
        None => None,
        Some(selector) => Some(LabelSelector::from_object(selector).map_err(|e| format!("spec.placement.clusterSelector: {e}"))?),
    };
    Ok(Placement { clusters: written.clusters.clone(), selector })
}

fn adopt(seen: &Observed) -> Result<Adopt, String> {
    match object::annotation(&seen.object, keys::ADOPT) {
        None if seen.adopt_by_default => Ok(Adopt::Adopt),
        None => Ok(Adopt::Abort),
        Some("Abort") => Ok(Adopt::Abort),
        Some("Adopt") => Ok(Adopt::Adopt),
        Some("AdoptIfEqual") => Ok(Adopt::AdoptIfEqual),
        Some("ReadOnly") => Ok(Adopt::ReadOnly),
        Some(other) => Err(format!("annotation {}: {other:?} is none of Abort, Adopt, AdoptIfEqual, ReadOnly", keys::ADOPT)),
    }
}

fn keep_additions(object: &Value) -> Result<bool, String> {
    match object::annotation(object, keys::ADDITIONS) {
        None | Some("Remove") => Ok(false),
        Some("Keep") => Ok(true),
        Some(other) => Err(format!("annotation {}: {other:?} is none of Keep, Remove", keys::ADDITIONS)),
    }
}

/// How the object's copies go; KubeFed's annotations are honoured.
///
/// # Errors
/// The annotation with delete options is not readable.
pub fn deletion(seen: &Observed) -> Result<Deletion, String> {
    let written = object::annotation(&seen.object, keys::DELETE_OPTION).unwrap_or_default();
    let unreachable = match object::annotation(&seen.object, keys::ON_UNREACHABLE) {
        None if is_dangerous_to_leave(seen) => OnUnreachable::Wait,
        None | Some("Defer") => OnUnreachable::Defer,
        Some("Wait") => OnUnreachable::Wait,
        Some("Orphan") => OnUnreachable::Orphan,
        Some(other) => return Err(format!("annotation {}: {other:?} is none of Wait, Defer, Orphan", keys::ON_UNREACHABLE)),
    };
    Ok(Deletion {
        options: delete_options(written)?,
        orphan: object::annotation(&seen.object, keys::ORPHAN) == Some("true"),
        unreachable,
        written: written.to_owned(),
    })
}

/// What gives access must not outlive its owner unseen in a member that does not answer.
fn is_dangerous_to_leave(seen: &Observed) -> bool {
    let gvk = &seen.kind.target.gvk;
    gvk.group == "rbac.authorization.k8s.io" || (gvk.group.is_empty() && gvk.kind == "Secret")
}

/// KubeFed's annotation with delete options; empty text means the defaults.
///
/// # Errors
/// It is not readable.
pub fn delete_options(text: &str) -> Result<DeleteOptions, String> {
    let mut options = Deletion::default().options;
    if !text.is_empty() {
        let written: Value = serde_json::from_str(text).map_err(|e| format!("annotation {}: {e}", keys::DELETE_OPTION))?;
        options.grace_seconds = written["gracePeriodSeconds"].as_u64();
        options.propagation = match written["propagationPolicy"].as_str() {
            None => options.propagation,
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            Some(other) => return Err(format!("annotation {}: unknown propagationPolicy {other:?}", keys::DELETE_OPTION)),
        };
    }
    Ok(options)
}
