//! What the copy must say in one cluster: template, retention, overrides, label. The order is KubeFed's.

use std::{
    borrow::Cow,
    cell::{OnceCell, RefCell},
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_api_kubefed::{
    FederatedSpec,
    federated::{ClusterOverrides, Override},
};
use comity_core::{Map, Value, digest, json, object};
use comity_lane::Copy;

use crate::model::{Autoscaler, Desired, Fault, MANAGED, Observed};

/// A copy's content before the ownership mark.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// The object to apply.
    pub object: Value,
    /// Its digest, never 0.
    pub content: u64,
    /// `spec.replicas` is left to the member for this reason, beyond what the object itself says.
    pub retained: Option<String>,
}

/// Paths that an override may not touch, with everything below.
const FORBIDDEN: [&str; 4] = ["/metadata/namespace", "/metadata/name", "/metadata/generateName", "/kind"];

/// Renders for many clusters: what is the same for all of them is rendered once.
pub(crate) struct Pen<'a> {
    pub seen: &'a Observed,
    pub want: &'a Desired,
    overrides: HashMap<&'a str, Vec<&'a ClusterOverrides>>,
    plain: OnceCell<Rendered>,
    /// What is plain with its marks, by the generation in them.
    marked: RefCell<HashMap<i64, Arc<Value>>>,
    namespace: OnceCell<Option<Arc<Value>>>,
}

impl<'a> Pen<'a> {
    pub fn new(seen: &'a Observed, want: &'a Desired) -> Self {
        let mut overrides: HashMap<&str, Vec<&ClusterOverrides>> = HashMap::new();
        for entry in &want.overrides {
            overrides.entry(&entry.cluster).or_default().push(entry);
        }
        Self { seen, want, overrides, plain: OnceCell::new(), marked: RefCell::default(), namespace: OnceCell::new() }
    }

    /// The content with its marks of a generation.
    pub fn mark(&self, rendered: &Rendered, generation: i64, put_on: impl FnOnce(&mut Value)) -> Arc<Value> {
        let write = || {
            let mut object = rendered.object.clone();
            put_on(&mut object);
            Arc::new(object)
        };
        if self.plain.get().is_some_and(|plain| std::ptr::eq(plain, rendered)) {
            self.marked.borrow_mut().entry(generation).or_insert_with(write).clone()
        } else {
            write()
        }
    }

    /// The namespace that copies need, made where it is asked for first.
    pub fn namespace(&self, make: impl FnOnce() -> Option<Value>) -> Option<Arc<Value>> {
        self.namespace.get_or_init(|| make().map(Arc::new)).clone()
    }

    /// The content for one cluster.
    pub fn render(&self, cluster: &str, copy: Option<&Copy>, autoscaler: &Autoscaler) -> Result<Cow<'_, Rendered>, Fault> {
        let overrides = self.overrides.get(cluster).map_or(&[][..], Vec::as_slice);
        let plain = overrides.is_empty() && !self.want.retain_replicas && *autoscaler == Autoscaler::None;
        if let (true, Some(rendered)) = (plain, self.plain.get()) {
            return Ok(Cow::Borrowed(rendered));
        }
        let rendered = write(self.seen, self.want, cluster, overrides, copy, autoscaler)?;
        Ok(if plain { Cow::Borrowed(self.plain.get_or_init(|| rendered)) } else { Cow::Owned(rendered) })
    }
}

/// The content for one cluster.
///
/// # Errors
/// The overrides for this cluster cannot be applied.
pub fn render(seen: &Observed, want: &Desired, cluster: &str, copy: Option<&Copy>, autoscaler: &Autoscaler) -> Result<Rendered, Fault> {
    Pen::new(seen, want).render(cluster, copy, autoscaler).map(Cow::into_owned)
}

fn write(
    seen: &Observed,
    want: &Desired,
    cluster: &str,
    overrides: &[&ClusterOverrides],
    copy: Option<&Copy>,
    autoscaler: &Autoscaler,
) -> Result<Rendered, Fault> {
    let failed = |message: String| Fault::new("ApplyOverridesFailed", "ApplyOverridesFailed", message);
    let mut body = from_template(seen, &want.template);
    let live = copy.and_then(|copy| copy.replicas);
    if let (true, Some(live)) = (want.retain_replicas, live) {
        object::set(&mut body, &["spec", "replicas"], live.into());
    }
    let overrides = match overrides {
        [] => None,
        [only] => Some(*only),
        _ => return Err(failed(format!("cluster {cluster:?} appears more than once"))),
    };
    if let Some(overrides) = overrides {
        let shown = if seen.kind.target.is_confidential() { place } else { whole };
        apply(&mut body, overrides, cluster, shown).map_err(failed)?;
    }
    // an override wins over what the object leaves to the member, but not over an autoscaler: they would fight for ever
    let overridden = overrides.is_some_and(|o| o.patches.iter().any(|step| step.path == "/spec/replicas"));
    let retained = retained_for(autoscaler).filter(|_| live.is_some() && object::at(&body, &["spec", "replicas"]).is_some());
    if let (Some(copy), true) = (copy, retained.is_some() || (want.retain_replicas && !overridden)) {
        leave_replicas(&mut body, copy);
    }
    identity(seen, &mut body);
    if seen.kind.target.is_confidential() {
        only_data(&mut body);
    }
    object::set(&mut body, &["metadata", "labels", MANAGED], "true".into());
    let content = digest::of(&body).max(1);
    Ok(Rendered { object: body, content, retained })
}

/// The template with the kind's and the object's names; of its metadata only labels and annotations count.
fn from_template(seen: &Observed, template: &Value) -> Value {
    let mut body = json!({"apiVersion": object::str_at(template, &["apiVersion"]), "kind": "", "metadata": {}});
    if object::str_at(&body, &["apiVersion"]).is_empty() {
        body["apiVersion"] = seen.kind.target.gvk.api_version().into();
    }
    for key in ["labels", "annotations"] {
        if let Some(Value::Object(map)) = object::at(template, &["metadata", key]) {
            body["metadata"][key] = Value::Object(map.clone());
        }
    }
    for (key, value) in template.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "apiVersion" | "kind" | "metadata" | "status") {
            body[key] = value.clone();
        }
    }
    identity(seen, &mut body);
    body
}

/// `stringData` is never stored, so nobody could own it: its entries become entries of `data`, which they win over.
fn only_data(secret: &mut Value) {
    let Some(Value::Object(texts)) = object::remove(secret, &["stringData"]) else { return };
    for (key, text) in texts {
        let encoded = BASE64_STANDARD.encode(text.as_str().unwrap_or_default());
        object::set(secret, &["data", &key], encoded.into());
    }
}

fn identity(seen: &Observed, body: &mut Value) {
    let (namespace, name) = seen.kind.copy_name(object::namespace(&seen.object), object::name(&seen.object));
    object::set(body, &["kind"], seen.kind.target.gvk.kind.as_str().into());
    object::set(body, &["metadata", "name"], name.into());
    if namespace.is_empty() {
        object::remove(body, &["metadata", "namespace"]);
    } else {
        object::set(body, &["metadata", "namespace"], namespace.into());
    }
}

fn retained_for(autoscaler: &Autoscaler) -> Option<String> {
    match autoscaler {
        Autoscaler::None => None,
        Autoscaler::Named(name) => Some(format!("spec.replicas is left to the HorizontalPodAutoscaler {name:?}")),
        Autoscaler::Unread(why) => Some(format!("spec.replicas stays as it is: whether an autoscaler sets it is not known: {why}")),
    }
}

/// The live value stays: left out once another manager owns it, repeated until then so that it does not fall back.
fn leave_replicas(body: &mut Value, copy: &Copy) {
    match copy.replicas {
        Some(_) if copy.replicas_held => drop(object::remove(body, &["spec", "replicas"])),
        Some(live) => object::set(body, &["spec", "replicas"], live.into()),
        None => {}
    }
}

/// What an object of RBAC kinds may become in any cluster: the template, and the template with each cluster's overrides
/// that can be applied. What cannot be applied is written nowhere.
pub(crate) fn variants(spec: &FederatedSpec) -> Vec<Value> {
    let with = |overrides: &ClusterOverrides| {
        let mut body = spec.template.clone();
        apply(&mut body, overrides, &overrides.cluster, whole).ok().map(|()| body)
    };
    std::iter::once(spec.template.clone()).chain(spec.overrides.iter().filter_map(with)).collect()
}

/// How messages show the path of an override.
type Shown = fn(&str) -> &str;

fn whole(path: &str) -> &str {
    path
}

/// Of a path into something confidential only the field at the top, and only if there is such a field.
fn place(path: &str) -> &str {
    const FIELDS: [&str; 6] = ["/data", "/stringData", "/metadata", "/type", "/immutable", "/kind"];
    FIELDS
        .into_iter()
        .find(|field| path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
        .unwrap_or("(not shown)")
}

/// Applies the overrides of one cluster.
fn apply(body: &mut Value, overrides: &ClusterOverrides, cluster: &str, shown: Shown) -> Result<(), String> {
    let mut paths = BTreeSet::new();
    for (index, step) in overrides.patches.iter().enumerate() {
        let forbidden = |rule: &str| step.path.strip_prefix(rule).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if FORBIDDEN.iter().any(|rule| forbidden(rule)) {
            return Err(format!("override[{index}] for cluster {cluster:?} has an invalid path: {}", shown(&step.path)));
        }
        if !paths.insert(&step.path) {
            return Err(format!("path {:?} appears more than once for cluster {cluster:?}", shown(&step.path)));
        }
    }
    let steps = overrides.patches.iter().map(operation).collect::<Vec<_>>();
    let unreadable = |index: usize| {
        let step = overrides.patches.get(index);
        format!(
            "override[{index}] for cluster {cluster:?} is no operation: op {:?}, path {:?}",
            step.map_or("", |s| &s.op),
            step.map_or("", |s| shown(&s.path))
        )
    };
    let read = |(index, step)| serde_json::from_value(step).map_err(|_| unreadable(index));
    let patch = json_patch::Patch(steps.into_iter().enumerate().map(read).collect::<Result<_, _>>()?);
    json_patch::patch(body, &patch).map_err(|e| {
        let at = overrides.patches.get(e.operation).map_or("", |step| shown(&step.path));
        format!("override[{}] for cluster {cluster:?}, path {at:?}: {}", e.operation, e.kind)
    })?;
    if body.is_object() { Ok(()) } else { Err(format!("overrides for cluster {cluster:?} leave no object")) }
}

fn operation(step: &Override) -> Value {
    let op = if step.op.is_empty() { "replace" } else { step.op.as_str() };
    let mut operation = Map::new();
    operation.insert("op".to_owned(), op.into());
    operation.insert("path".to_owned(), step.path.as_str().into());
    if op != "remove" {
        operation.insert("value".to_owned(), step.value.clone());
    }
    Value::Object(operation)
}
