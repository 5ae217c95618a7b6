//! From what a lane tells to the words of status and events.

use comity_core::Reason;
use comity_lane::{ClientError, Done, Failure, Step, Trouble, arbitrate::Refusal};

use crate::{model::Fault, plan::CONTESTED};

/// What the status says about a failed write.
pub fn fault(failure: &Failure) -> Fault {
    let message = crate::rights::with_advice(&failure.trouble.to_string());
    match &failure.trouble {
        Trouble::Refused(refusal) => Fault { status: refused(refusal, failure.step), reason: refusal.code().to_owned(), message },
        Trouble::NamespaceMissing => Fault::new(failed(failure.step), "NamespaceMissing", message),
        Trouble::Contested(_) => Fault::new(CONTESTED, CONTESTED, message),
        Trouble::NotServed => Fault::new("APINotEnabled", "APINotEnabled", message),
        Trouble::Client(ClientError::Timeout) => Fault::new(timed_out(failure.step), "TimedOut", message),
        Trouble::Client(error) => Fault::new(by_client(error, failure.step), &reason(error), message),
    }
}

fn refused(refusal: &Refusal, step: Step) -> &'static str {
    match refusal {
        Refusal::ManagedLabelFalse => "ManagedLabelFalse",
        Refusal::OwnedByOther(_) | Refusal::AlreadyExists | Refusal::ReadOnly | Refusal::NotEqual => "AlreadyExists",
        Refusal::HubBehind { .. } | Refusal::Fenced(_) => failed(step),
        Refusal::WaitingForRemoval => "WaitingForRemoval",
    }
}

fn by_client(error: &ClientError, step: Step) -> &'static str {
    let says = |text: &str| error.status().is_some_and(|s| s.message.contains(text));
    match error {
        _ if error.is_namespace_terminating() || says("because it is being terminated") => "NamespaceTerminating",
        ClientError::Api(status) if status.reason == Reason::Forbidden && says("exceeded quota") => "QuotaExceeded",
        ClientError::Api(_) if says("denied the request") || says("denied request") => "AdmissionDenied",
        _ => failed(step),
    }
}

fn reason(error: &ClientError) -> String {
    match error {
        ClientError::Api(status) | ClientError::Unauthorized(status) => format!("{:?}", status.reason),
        ClientError::Unreachable(_) => "Unreachable".to_owned(),
        ClientError::Timeout => "TimedOut".to_owned(),
        ClientError::Malformed(_) => "MalformedAnswer".to_owned(),
    }
}

fn failed(step: Step) -> &'static str {
    match step {
        Step::Retrieve => "RetrievalFailed",
        Step::Create => "CreationFailed",
        Step::Update => "UpdateFailed",
        Step::Delete => "DeletionFailed",
        Step::Release => "LabelRemovalFailed",
    }
}

fn timed_out(step: Step) -> &'static str {
    match step {
        Step::Retrieve | Step::Create => "CreationTimedOut",
        Step::Update => "UpdateTimedOut",
        Step::Delete => "DeletionTimedOut",
        Step::Release => "LabelRemovalTimedOut",
    }
}

/// The event about a write that was made: reason, and the message without the cluster. A write that changed nothing is none.
pub fn event(done: Done, what: &str) -> Option<(&'static str, String)> {
    let (reason, verb) = match done {
        Done::Created => ("CreateInCluster", "Creating"),
        Done::Updated => ("UpdateInCluster", "Updating"),
        Done::Deleted => ("DeleteInCluster", "Deleting"),
        Done::Released => ("RemoveManagedLabelFromInCluster", "Removing managed label from"),
        Done::Unchanged | Done::Looked => return None,
    };
    Some((reason, format!("{verb} {what}")))
}

/// The event about a write that failed: reason and message.
pub fn failed_event(failure: &Failure, what: &str, cluster: &str) -> (&'static str, String) {
    let (reason, verb) = match failure.step {
        Step::Retrieve => ("RetrieveInClusterFailed", "retrieve"),
        Step::Create => ("CreateInClusterFailed", "create"),
        Step::Update => ("UpdateInClusterFailed", "update"),
        Step::Delete => ("DeleteInClusterFailed", "delete"),
        Step::Release => ("RemoveManagedLabelFromInClusterFailed", "remove managed label from"),
    };
    (reason, format!("Failed to {verb} {what} in cluster {cluster:?}: {}", failure.trouble))
}

#[cfg(test)]
mod tests {
    use comity_core::{GroupResource, Status};

    use super::*;

    fn by(step: Step, trouble: Trouble) -> String {
        let fault = fault(&Failure { step, trouble });
        format!("{} {}", fault.status, fault.reason)
    }

    #[test]
    fn every_failure_has_its_words() {
        let pods = GroupResource::new("", "pods");
        let api = |status: Status| Trouble::Client(ClientError::of_status(status));
        let quota = Status::forbidden(&pods, "p", "exceeded quota: q, requested: pods=1");
        let webhook = Status::new(Reason::BadRequest, "admission webhook \"w\" denied the request: no");
        assert_eq!(by(Step::Create, api(quota)), "QuotaExceeded Forbidden");
        assert_eq!(by(Step::Create, api(webhook)), "AdmissionDenied BadRequest");
        assert_eq!(by(Step::Update, api(Status::forbidden(&pods, "p", "no"))), "UpdateFailed Forbidden");
        assert_eq!(by(Step::Delete, Trouble::Client(ClientError::Timeout)), "DeletionTimedOut TimedOut");
        assert_eq!(by(Step::Create, Trouble::NotServed), "APINotEnabled APINotEnabled");
        assert_eq!(by(Step::Update, Trouble::Refused(Refusal::OwnedByOther("x".into()))), "AlreadyExists OwnedByOther");
        assert_eq!(by(Step::Update, Trouble::Refused(Refusal::ManagedLabelFalse)), "ManagedLabelFalse ManagedLabelFalse");
    }
}
