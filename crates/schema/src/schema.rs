//! A kind's whole type: a cheap handle on a compiled graph.

use std::sync::Arc;

use comity_core::{FieldError, Value};

use crate::{
    crd::Check,
    defaults,
    node::{Link, Node},
    validation, walk,
};

/// The compiled type of one kind in one version; cloning shares it.
#[derive(Clone, Debug)]
pub struct Schema {
    pub(crate) root: Link,
    /// Value rules of a custom kind; `None` for built-ins.
    pub(crate) check: Option<Arc<Check>>,
}

impl Schema {
    /// The node of the whole object.
    pub fn root(&self) -> &Node {
        self.root.node()
    }

    /// Whether it describes a custom kind.
    pub fn is_custom(&self) -> bool {
        self.check.is_some()
    }

    /// Drops fields that the type does not know, and nulls that mean "absent".
    ///
    /// Returns the paths of the unknown fields, such as `spec.containers[0].foo`: in the order written for built-ins, sorted for custom kinds.
    pub fn prune(&self, v: &mut Value) -> Vec<String> {
        walk::prune(self, v)
    }

    /// Refuses values of a wrong JSON type, with the text of the API's decoder; custom kinds check only `metadata`.
    ///
    /// # Errors
    /// What follows `Pod in version "v1" cannot be handled as a Pod: ` in a 400 answer.
    pub fn check_types(&self, v: &Value) -> Result<(), String> {
        walk::check_types(self, v)
    }

    /// Fills in what the server fills in when a field is absent.
    pub fn default(&self, v: &mut Value) {
        defaults::apply(self, v);
    }

    /// Brings a built-in object into the form in which the server answers: order of keys, quantities, times, empty structs.
    pub fn canonicalize(&self, v: &mut Value) {
        walk::canonicalize(self, v);
    }

    /// Validates against the type: the structural rules of a custom kind; nothing for built-ins, whose rules are in [`crate::validation`].
    ///
    /// With `old`, values of a custom kind that were invalid before and did not change pass.
    pub fn validate(&self, v: &Value, old: Option<&Value>) -> Vec<FieldError> {
        validation::structural(self, v, old)
    }
}
