//! What the server fills in when a field is absent.
//!
//! Built-ins: constants ([`constants`]) and rules ([`core`], [`workloads`], [`other`]) by type, the outer type first, as upstream does.
//! The recorded table says what a real server was seen to fill in; a test holds the rules against it.
//! Custom kinds: the defaults of their schema.

mod constants;
mod core;
mod other;
mod workloads;

use comity_core::{Map, Value, quantity::Quantity};

use crate::{
    node::{Field, Node, OMIT_ZERO, Object, POINTER, Scalar, Shape},
    schema::Schema,
};

/// A rule of one type.
pub(crate) type Rule = fn(&mut Map<String, Value>);

const PREFIXES: [&str; 3] = ["io.k8s.api.", "io.k8s.apiextensions-apiserver.pkg.apis.", "io.k8s.kube-aggregator.pkg.apis."];

pub(crate) fn apply(schema: &Schema, v: &mut Value) {
    if schema.is_custom() { custom(schema.root(), v) } else { builtin(schema.root(), v) }
}

fn builtin(node: &Node, v: &mut Value) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            if let Some(name) = short_name(object) {
                for (field, value) in constants::of(name) {
                    fill(object, map, field, value.value());
                }
                if let Some(rule) = core::rule(name).or_else(|| workloads::rule(name)).or_else(|| other::rule(name)) {
                    rule(map);
                }
            }
            for field in &object.fields {
                descend(field, map);
            }
        }
        (Shape::Map { value, .. }, Value::Object(map)) => {
            let quantities = value.node().scalar() == Some(Scalar::Quantity);
            for v in map.values_mut() {
                if quantities {
                    round_up(v);
                } else {
                    builtin(value.node(), v);
                }
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|v| builtin(item.node(), v)),
        _ => {}
    }
}

/// A struct that is no pointer is always there; it stays only when something was filled in.
fn descend(field: &Field, map: &mut Map<String, Value>) {
    if let Some(v) = map.get_mut(&*field.name) {
        builtin(field.node(), v);
        return;
    }
    let Shape::Object(object) = &field.node().shape else { return };
    if field.flags & (POINTER | OMIT_ZERO) != 0 || object.preserve {
        return;
    }
    let mut v = Value::Object(Map::new());
    builtin(field.node(), &mut v);
    if v.as_object().is_some_and(|m| !m.is_empty()) {
        map.insert(field.name.to_string(), v);
    }
}

fn short_name(object: &Object) -> Option<&str> {
    let name = object.name.as_deref()?;
    PREFIXES.iter().find_map(|p| name.strip_prefix(p))
}

/// Sets a field that is absent, or zero where the type cannot tell zero from absent.
fn fill(object: &Object, map: &mut Map<String, Value>, name: &str, value: Value) {
    let pointer = object.field(name).is_some_and(|f| f.is(POINTER));
    let set = match map.get(name) {
        None | Some(Value::Null) => true,
        Some(Value::String(s)) => !pointer && s.is_empty(),
        Some(Value::Number(n)) => !pointer && n.as_i64() == Some(0),
        Some(Value::Array(a)) => !pointer && a.is_empty(),
        Some(_) => false,
    };
    if set {
        map.insert(name.to_owned(), value);
    }
}

/// Resource amounts finer than a thousandth are rounded up.
fn round_up(v: &mut Value) {
    let text = match v {
        Value::String(text) => text.clone(),
        Value::Number(n) => n.to_string(),
        _ => return,
    };
    if let Some(quantity) = Quantity::parse(&text) {
        let rounded = Quantity::from_milli(quantity.milli());
        if rounded > quantity && quantity.milli() != i64::MAX {
            *v = rounded.canonical().into();
        }
    }
}

fn custom(node: &Node, v: &mut Value) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            for field in &object.fields {
                let inner = field.node();
                if let Some(default) = &inner.default
                    && map.get(&*field.name).is_none_or(|v| v.is_null() && !inner.nullable)
                {
                    map.insert(field.name.to_string(), default.clone());
                }
                if let Some(v) = map.get_mut(&*field.name).filter(|_| !(object.embedded && &*field.name == "metadata")) {
                    custom(inner, v);
                }
            }
        }
        (Shape::Map { value, .. }, Value::Object(map)) => map.values_mut().for_each(|v| custom_item(value.node(), v)),
        (Shape::List { item, .. }, Value::Array(items)) => items.iter_mut().for_each(|v| custom_item(item.node(), v)),
        _ => {}
    }
}

fn custom_item(node: &Node, v: &mut Value) {
    if v.is_null()
        && !node.nullable
        && let Some(default) = &node.default
    {
        *v = default.clone();
    }
    custom(node, v);
}

/// Helpers of the rules.
mod get {
    use comity_core::{Map, Value};

    pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
        map.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn object<'a>(map: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
        map.get_mut(key).and_then(Value::as_object_mut)
    }

    pub(super) fn items<'a>(map: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
        map.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    }

    /// Whether a list, map or text is absent or empty.
    pub(super) fn is_empty(map: &Map<String, Value>, key: &str) -> bool {
        match map.get(key) {
            None | Some(Value::Null) => true,
            Some(Value::String(s)) => s.is_empty(),
            Some(Value::Array(a)) => a.is_empty(),
            Some(Value::Object(m)) => m.is_empty(),
            Some(_) => false,
        }
    }

    pub(super) fn or_insert(map: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
        if map.get(key).is_none_or(Value::is_null) {
            map.insert(key.to_owned(), value.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{builtin, walk};

    /// Filled in by create strategies, or only where the type stands in a certain place.
    const ELSEWHERE: [&str; 13] = [
        "io.k8s.api.core.v1.Namespace.spec",
        "io.k8s.api.core.v1.NamespaceSpec.finalizers",
        "io.k8s.api.core.v1.PersistentVolumeClaim.kind",
        "io.k8s.api.core.v1.PersistentVolumeClaim.apiVersion",
        // Set by the rule of an outer type.
        "io.k8s.api.apps.v1.RollingUpdateStatefulSetStrategy.partition",
        "io.k8s.api.autoscaling.v2.HPAScalingRules.selectPolicy",
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior.scaleUp",
        "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerBehavior.scaleDown",
        "io.k8s.api.core.v1.ClientIPConfig.timeoutSeconds",
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec.conversion",
        "io.k8s.api.apps.v1.RollingUpdateDaemonSet.maxSurge",
        "io.k8s.api.apps.v1.RollingUpdateDeployment.maxUnavailable",
        "io.k8s.api.apps.v1.RollingUpdateDeployment.maxSurge",
    ];

    #[test]
    fn every_recorded_constant_is_filled_in() {
        let mut missing = Vec::new();
        for (name, field, filled) in builtin::recorded_constants() {
            let Some(node) = builtin::table().type_named(&name) else { continue };
            let mut v = Value::Object(Map::new());
            super::builtin(node, &mut v);
            walk::canonical_value(node, &mut v);
            let place = format!("{name}.{field}");
            if v.get(&field).unwrap_or(&Value::Null) != &filled && !ELSEWHERE.contains(&place.as_str()) {
                missing.push(format!("{place}: {filled}, not {:?}", v.get(&field)));
            }
        }
        assert!(missing.is_empty(), "{missing:#?}");
    }
}
