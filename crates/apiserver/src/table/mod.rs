//! Objects as rows: the `Table` answers that `kubectl get` prints.

use comity_core::{Value, json, object};

use crate::registry::Resource;

/// `columnDefinitions`.
pub fn definitions(resource: &Resource) -> Vec<Value> {
    let column = |c: &comity_schema::Column| json!({"name": c.name, "type": c.kind, "format": c.format, "description": c.description, "priority": c.priority});
    if resource.info.columns.is_empty() {
        return vec![
            json!({"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0}),
            json!({"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0}),
        ];
    }
    resource.info.columns.iter().map(column).collect()
}

/// The cells of one row.
pub fn cells(_resource: &Resource, object: &Value) -> Vec<Value> {
    vec![object::name(object).into(), object::str_at(object, &["metadata", "creationTimestamp"]).into()]
}

/// The conditions of one row, such as `Completed` for a Pod that has ended.
pub fn row_conditions(_resource: &Resource, _object: &Value) -> Vec<Value> {
    Vec::new()
}
