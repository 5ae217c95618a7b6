//! `scale`: how many replicas a workload wants, in one form for all kinds.

use std::sync::Arc;

use comity_core::{FieldError, GroupKind, GroupVersionKind, LabelSelector, Status, Value, json, object};
use comity_schema::builtin;

use crate::{
    answer::Answer,
    convert,
    handlers::{
        body::{self, Expected},
        get, patch, render,
        write::{Write, Written},
        write_options::WriteOptions,
    },
    registry::{Resource, ScalePaths},
    request::Request,
};

/// Reads or writes the scale.
///
/// # Errors
/// As the API states them.
pub async fn serve(request: &Request, resource: &Arc<Resource>) -> Result<Answer, Status> {
    let paths = paths(resource);
    if request.info.verb == "get" {
        let name = &request.info.name;
        let entry =
            request.cx.store.get(&get::key(request, resource)).ok_or_else(|| Status::not_found(&resource.group_resource(), name))?;
        let mut object = entry.object();
        convert::to_served(resource, &mut object);
        return render::other(request, 200, &scale_of(resource, &paths, &object)?);
    }
    let kind = GroupVersionKind::new("autoscaling", "v1", "Scale");
    let schema = builtin::table().type_schema(&kind);
    let expected = Expected { kind: kind.clone(), schema: schema.as_ref(), custom: false };
    let (options, sent, patch) = if request.info.verb == "update" {
        let options = WriteOptions::parse(request, "UpdateOptions", false)?;
        let sent = body::decode(request, &expected, options.validation)?;
        (options, Some(sent), None)
    } else {
        let (patch, _) = patch::read(request, resource.custom.is_some())?;
        (WriteOptions::parse(request, "PatchOptions", false)?, None, Some(patch))
    };
    let write = Write::new(request, resource, options);
    let change = |live: Option<&Value>| {
        let Some(live) = live else { return Ok(None) };
        let scale = match (&sent, &patch) {
            (Some(sent), _) => sent.clone(),
            (None, Some(patch)) => patch::patched_as(schema.as_ref(), &scale_of(resource, &paths, live)?, patch)?,
            (None, None) => return Ok(None),
        };
        let replicas = object::at(&scale, &["spec", "replicas"]).cloned().unwrap_or_else(|| json!(0));
        if replicas.as_i64().is_none_or(|n| n < 0) {
            let error = FieldError::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
            return Err(Status::invalid(&GroupKind { group: kind.group.clone(), kind: kind.kind.clone() }, &request.info.name, &[error]));
        }
        let mut new = live.clone();
        object::set(&mut new, &split(&paths.spec_replicas), replicas);
        let revision = object::resource_version(&scale);
        if !revision.is_empty() {
            object::set(&mut new, &["metadata", "resourceVersion"], revision.into());
        }
        let uid = object::uid(&scale);
        if !uid.is_empty() {
            object::set(&mut new, &["metadata", "uid"], uid.into());
        }
        Ok(Some(write.manage(live, new)))
    };
    let (written, _) = write.update(&request.info.name, false, change).await?;
    let object = match written {
        Written::Stored(entry) => {
            let mut object = entry.object();
            convert::to_served(resource, &mut object);
            object
        }
        Written::Shown(object) => object,
    };
    render::other(request, 200, &scale_of(resource, &paths, &object)?)
}

fn paths(resource: &Resource) -> ScalePaths {
    match resource.custom.as_ref().and_then(|c| c.scale.clone()) {
        Some(paths) => paths,
        None => ScalePaths { spec_replicas: ".spec.replicas".into(), status_replicas: ".status.replicas".into(), label_selector: None },
    }
}

/// The keys of a simple JSONPath such as `.spec.replicas`.
fn split(path: &str) -> Vec<&str> {
    path.split('.').filter(|p| !p.is_empty()).collect()
}

fn scale_of(resource: &Resource, paths: &ScalePaths, live: &Value) -> Result<Value, Status> {
    let number = |path: &str| object::int_at(live, &split(path));
    let Some(wanted) = number(&paths.spec_replicas).or_else(|| resource.custom.is_none().then_some(0)) else {
        return Err(Status::internal(format!("the spec replicas field {:?} does not exist", paths.spec_replicas)));
    };
    let mut metadata = comity_core::Map::new();
    for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object::at(live, &["metadata", key]) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    let mut spec = json!({"replicas": wanted});
    if wanted == 0 && resource.custom.is_none() {
        spec = json!({});
    }
    let mut status = json!({"replicas": number(&paths.status_replicas).unwrap_or(0)});
    let selector = match (&paths.label_selector, &resource.custom) {
        (Some(path), _) => object::str_at(live, &split(path)).to_owned(),
        (None, Some(_)) => String::new(),
        (None, None) => selector_text(live),
    };
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    Ok(json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status}))
}

/// A workload's selector as text; replication controllers have a plain map.
fn selector_text(live: &Value) -> String {
    let Some(selector) = object::at(live, &["spec", "selector"]) else { return String::new() };
    let is_selector = selector.get("matchLabels").is_some() || selector.get("matchExpressions").is_some();
    let selector = if is_selector { selector.clone() } else { json!({"matchLabels": selector}) };
    LabelSelector::from_object(&selector).map(|s| sorted_text(&s)).unwrap_or_default()
}

fn sorted_text(selector: &LabelSelector) -> String {
    let mut selector = selector.clone();
    selector.requirements.sort_by(|a, b| a.key.cmp(&b.key));
    selector.to_string()
}
