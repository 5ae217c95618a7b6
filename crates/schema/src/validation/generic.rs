//! For kinds without rules of their own: the closed sets of values that the type's description lists.

use comity_core::{FieldError, GroupVersionKind, Value};

use super::report::Report;
use crate::{
    builtin,
    node::{Node, Shape},
};

pub(super) fn enumerations(report: &mut Report, kind: &GroupVersionKind, v: &Value) {
    let Some(schema) = builtin::table().type_schema(kind) else { return };
    for part in ["spec", "webhooks"] {
        if let (Some(node), Some(v)) = (schema.root().child(part), v.get(part)) {
            walk(report, node, v, part);
        }
    }
}

fn walk(report: &mut Report, node: &Node, v: &Value, path: &str) {
    match (&node.shape, v) {
        (Shape::Object(object), Value::Object(map)) => {
            for field in &object.fields {
                let Some(value) = map.get(field.name()) else { continue };
                let at = format!("{path}.{}", field.name());
                let listed = field.extra.as_ref().map_or(&[][..], |e| &e.enumeration);
                if let Some(text) = value.as_str().filter(|t| !t.is_empty() && !listed.is_empty() && !listed.iter().any(|l| &**l == *t)) {
                    let supported: Vec<&str> = listed.iter().map(|l| &**l).collect();
                    report.errors.push(FieldError::not_supported(at.clone(), &text.into(), &supported));
                }
                walk(report, field.node(), value, &at);
            }
        }
        (Shape::List { item, .. }, Value::Array(items)) => {
            items.iter().enumerate().for_each(|(index, v)| walk(report, item.node(), v, &format!("{path}[{index}]")));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_outside_the_listed_ones_are_refused() {
        let kind = GroupVersionKind::new("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy");
        let texts = |policy: &str| {
            let v = json!({"spec": {"failurePolicy": policy, "matchConstraints": {"matchPolicy": "Exact"}}});
            super::super::builtin(&kind, &v, None).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(texts("Fail"), [""; 0]);
        assert_eq!(texts("Maybe"), ["spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\""]);
    }
}
