//! What is served: the built-in kinds, and those that were defined.

use std::{collections::BTreeMap, sync::Arc};

use comity_core::{GroupVersionResource, Status, Value, object};
use comity_schema::{Schema, builtin, crd};

pub(super) struct Kind {
    pub gvr: GroupVersionResource,
    pub kind: String,
    pub namespaced: bool,
    pub schema: Schema,
}

#[derive(Clone, Default)]
pub(super) struct Kinds(BTreeMap<String, Arc<Kind>>);

impl Kinds {
    pub fn find(&mut self, gvr: &GroupVersionResource) -> Result<Arc<Kind>, Status> {
        let key = gvr.path(None);
        if let Some(known) = self.0.get(&key) {
            return Ok(known.clone());
        }
        let info = builtin::table().find(&gvr.group, &gvr.version, &gvr.resource).ok_or_else(Status::no_such_resource)?;
        let kind = Kind { gvr: gvr.clone(), kind: info.kind.clone(), namespaced: info.namespaced, schema: info.schema.clone() };
        Ok(self.0.entry(key).or_insert(Arc::new(kind)).clone())
    }

    /// Serves what a CustomResourceDefinition defines.
    pub fn define(&mut self, definition: &Value) {
        let text = |path: &[&str]| object::str_at(definition, path).to_owned();
        for version in object::items_at(definition, &["spec", "versions"]) {
            let gvr = GroupVersionResource::new(
                &text(&["spec", "group"]),
                object::str_at(version, &["name"]),
                &text(&["spec", "names", "plural"]),
            );
            let written = object::at(version, &["schema", "openAPIV3Schema"]).unwrap_or(&Value::Null);
            let Ok(schema) = crd::compile(written) else { continue };
            let namespaced = text(&["spec", "scope"]) == "Namespaced";
            self.0.insert(gvr.path(None), Arc::new(Kind { gvr, kind: text(&["spec", "names", "kind"]), namespaced, schema }));
        }
    }
}
