//! Taking over an object that exists.

use comity_core::{Value, json, object};

use super::{Apply, Failure, Runner, Step};
use crate::{
    client::{ClientError, PatchKind},
    owned::{self, additions::Place},
};

/// Managers whose fields become the owner's at adoption: they spoke for the same intent before.
const EARLIER: [&str; 9] = [
    "kubectl",
    "kubectl-client-side-apply",
    "kubectl-create",
    "kubectl-edit",
    "kubectl-replace",
    "kubefed",
    "hyperfed",
    "controller-manager",
    "argocd-controller",
];

impl Runner<'_> {
    /// Moves what earlier managers own, so that what the template does not name leaves the object.
    pub(super) async fn take_over(&self, live: &Value) -> Result<(), Failure> {
        let fields = owned::taken_over(live, self.copies.target().manager, &EARLIER, &self.now);
        self.own(live, fields).await.map_err(Failure::client(Step::Update))
    }

    /// Moves what anybody else owns in these places, so that the next apply removes it.
    pub(super) async fn claim(&self, live: &Value, places: &[Place]) -> Result<(), ClientError> {
        self.own(live, owned::taken_over_below(live, self.copies.target().manager, places, &self.now)).await
    }

    async fn own(&self, live: &Value, fields: Option<Value>) -> Result<(), ClientError> {
        let Some(fields) = fields else { return Ok(()) };
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": object::resource_version(live)},
        ]);
        self.patch(PatchKind::Json, &patch, false).await.map(drop)
    }

    /// Whether applying would change nothing that the template names.
    pub(super) async fn is_equal(&self, live: &Value, apply: &Apply) -> Result<bool, Failure> {
        let mut body = apply.object.clone();
        // the marks are new in any case
        object::remove(&mut body, &["metadata", "annotations", comity_core::labels::OWNER]);
        for label in [comity_core::labels::KUBEFED_MANAGED, comity_core::labels::HUB] {
            object::remove(&mut body, &["metadata", "labels", label]);
        }
        let after = self.patch(PatchKind::Apply { force: true }, &body, true).await.map_err(Failure::client(Step::Update))?;
        Ok(essence(&after) == essence(live))
    }
}

fn essence(object: &Value) -> Value {
    let mut essence = object.clone();
    object::remove(&mut essence, &["status"]);
    for field in ["managedFields", "resourceVersion", "generation"] {
        object::remove(&mut essence, &["metadata", field]);
    }
    for field in ["labels", "annotations"] {
        if object::at(&essence, &["metadata", field]).and_then(Value::as_object).is_some_and(comity_core::Map::is_empty) {
            object::remove(&mut essence, &["metadata", field]);
        }
    }
    essence
}
