//! Taking over an object that exists.

use comity_core::{Value, json, labels, object};

use super::{Apply, Failure, Runner, Step};
use crate::{
    adopted,
    client::{ClientError, PatchKind},
    owned::{self, additions::Place},
};

/// Managers whose fields become the owner's at adoption: they spoke for the same intent before.
pub const EARLIER: [&str; 9] = [
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
    /// Records what the object was, and moves what earlier managers own, so that what the template does not name leaves it.
    pub(super) async fn take_over(&self, live: &Value) -> Result<(), Failure> {
        let fields = owned::taken_over(live, self.copies.target().manager, &EARLIER, &self.now);
        let mut steps = Vec::new();
        if object::annotation(live, labels::ADOPTED).is_none() {
            if !object::at(live, &["metadata", "annotations"]).is_some_and(Value::is_object) {
                steps.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
            }
            let path = format!("/metadata/annotations/{}", labels::ADOPTED.replace('/', "~1"));
            steps.push(json!({"op": "add", "path": path, "value": adopted::record(live)}));
        }
        self.own(live, fields, steps).await.map_err(Failure::client(Step::Update))
    }

    /// Moves what anybody else owns in these places, so that the next apply removes it.
    pub(super) async fn claim(&self, live: &Value, places: &[Place]) -> Result<(), ClientError> {
        self.own(live, owned::taken_over_below(live, self.copies.target().manager, places, &self.now), Vec::new()).await
    }

    /// One request: all of it, or nothing of it, and only on this state of the object.
    async fn own(&self, live: &Value, fields: Option<Value>, mut steps: Vec<Value>) -> Result<(), ClientError> {
        if fields.is_none() && steps.is_empty() {
            return Ok(());
        }
        if let Some(fields) = fields {
            steps.push(json!({"op": "replace", "path": "/metadata/managedFields", "value": fields}));
        }
        steps.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": object::resource_version(live)}));
        let (gvr, patch) = (&self.copies.target().gvr, Value::Array(steps));
        let (kind, recorder) = (PatchKind::Json, adopted::RECORDER);
        self.client.patch(gvr, self.namespace, self.name, None, kind, &patch, recorder, false).await.map(drop)
    }

    /// Whether applying would change nothing that the template names.
    pub(super) async fn is_equal(&self, live: &Value, apply: &Apply) -> Result<bool, Failure> {
        let mut body = Value::clone(&apply.object);
        // the marks are new in any case
        object::remove(&mut body, &["metadata", "annotations", labels::OWNER]);
        for label in [labels::KUBEFED_MANAGED, labels::HUB] {
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
