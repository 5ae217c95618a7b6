//! `pods/eviction`: a deletion that respects disruption budgets.

use std::sync::Arc;

use comity_core::{GroupVersionKind, LabelSelector, Reason, Status, Value, json, object};
use comity_store::{Entry, Expect, Key, WriteError};

use crate::{
    answer::Answer,
    handlers::{
        body::{self, Expected},
        delete::delete_object,
        delete_options::DeleteOptions,
        get, render,
        write::store_failed,
        write_options::WriteOptions,
    },
    registry::Resource,
    request::Request,
};

const BUDGETS: &str = "policy/poddisruptionbudgets";

/// Deletes the pod when its budget allows.
///
/// # Errors
/// 429 when the budget does not allow it now, 500 when several budgets cover the pod.
pub async fn create(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let options = WriteOptions::parse(request, "CreateOptions", false)?;
    let expected = Expected { kind: GroupVersionKind::new("policy", "v1", "Eviction"), schema: None, custom: false };
    let eviction = body::decode(request, &expected, options.validation)?;
    let mut delete = DeleteOptions::from_value(eviction.get("deleteOptions").unwrap_or(&Value::Null))?;
    delete.dry_run |= options.dry_run;
    let key = get::key(request, resource);
    let entry = request.cx.store.get(&key).ok_or_else(|| Status::not_found(&resource.group_resource(), &key.name))?;
    let pod = entry.object();
    // Pods that are done, waiting or on their way out count for no budget.
    let counts =
        !matches!(object::str_at(&pod, &["status", "phase"]), "Succeeded" | "Failed" | "Pending" | "") && !object::is_deleting(&pod);
    if counts {
        take_from_budget(request, &entry, delete.dry_run).await?;
    }
    if counts && !delete.dry_run {
        mark_disrupted(request, &key).await?;
        // The mark itself has changed the pod.
        delete.resource_version = None;
    }
    delete_object(request, resource, &key, &delete).await?;
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    render::other(request, 201, &status)
}

/// Notes on the pod why it goes.
async fn mark_disrupted(request: &Request, key: &Key) -> Result<(), Status> {
    let store = &request.cx.store;
    loop {
        let Some(entry) = store.get(key) else { return Ok(()) };
        let mut pod = entry.object();
        let mut conditions = object::items_at(&pod, &["status", "conditions"]).to_vec();
        let (reason, message) = ("EvictionByEvictionAPI", "Eviction API: evicting");
        comity_core::condition::set(&mut conditions, "DisruptionTarget", "True", reason, message, &request.cx.now_text());
        object::set(&mut pod, &["status", "conditions"], Value::Array(conditions));
        match store.put(key.clone(), Expect::Rev(entry.rev), &pod).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Conflict { .. }) => {}
            Err(error) => return Err(store_failed(&error)),
        }
    }
}

async fn take_from_budget(request: &Request, pod: &Entry, dry_run: bool) -> Result<(), Status> {
    let store = &request.cx.store;
    loop {
        let listing = store.list(BUDGETS, Some(&pod.key.namespace));
        let covers = |budget: &Value| {
            let selector = budget.get("spec").and_then(|s| s.get("selector"));
            selector.and_then(|s| LabelSelector::from_object(s).ok()).is_some_and(|s| s.matches_with(|key| pod.facts.label(key)))
        };
        let mut budgets = listing.entries.iter().map(|e| (e, e.object())).filter(|(_, b)| covers(b));
        let Some((entry, mut budget)) = budgets.next() else { return Ok(()) };
        if budgets.next().is_some() {
            return Err(Status::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        let name = entry.key.name.to_string();
        let refused = |message: String| {
            Status::new(Reason::TooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.").with_cause(
                "DisruptionBudget",
                &message,
                "",
            )
        };
        let observed = object::int_at(&budget, &["status", "observedGeneration"]).unwrap_or(0);
        if observed < object::generation(&budget) {
            return Err(refused(format!("The disruption budget {name} is still being processed by the server.")).retry_after(10));
        }
        let number = |key: &str| object::int_at(&budget, &["status", key]).unwrap_or(0);
        let (allowed, desired, healthy) = (number("disruptionsAllowed"), number("desiredHealthy"), number("currentHealthy"));
        if allowed <= 0 {
            return Err(refused(format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")));
        }
        if dry_run {
            return Ok(());
        }
        object::set(&mut budget, &["status", "disruptionsAllowed"], (allowed - 1).into());
        object::set(&mut budget, &["status", "disruptedPods", &pod.key.name], request.cx.now_text().into());
        let mut conditions = object::items_at(&budget, &["status", "conditions"]).to_vec();
        let (status, reason) = if allowed > 1 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        comity_core::condition::set(&mut conditions, "DisruptionAllowed", status, reason, "", &request.cx.now_text());
        if let Some(condition) = conditions.iter_mut().find(|c| c["type"] == "DisruptionAllowed") {
            condition["observedGeneration"] = object::generation(&budget).into();
        }
        object::set(&mut budget, &["status", "conditions"], Value::Array(conditions));
        match store.put(entry.key.clone(), Expect::Rev(entry.rev), &budget).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Conflict { .. }) => {}
            Err(error) => return Err(store_failed(&error)),
        }
    }
}
