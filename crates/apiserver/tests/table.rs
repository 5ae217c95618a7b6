//! `Table` answers of a real kube-apiserver v1.36.3 for the objects that they carry.

#![allow(clippy::unwrap_used, reason = "helpers of a test")]

use std::sync::Arc;

use comity_apiserver::{
    registry::{Custom, Resource},
    table::{cells, cells_at, definitions, row_conditions},
};
use comity_core::{GroupVersionKind, Value, json, kinds::split_api_version, object, time};
use comity_schema::{Column, ResourceInfo, builtin};

/// The resource of a kind; of a custom kind with its recorded columns.
fn resource(group: &str, version: &str, kind: &str, columns: &Value, printer: &Value) -> Resource {
    if group != "example.com" {
        return Resource::builtin(builtin::table().find_kind(&GroupVersionKind::new(group, version, kind)).unwrap().clone());
    }
    let columns: Vec<Column> = serde_json::from_value(columns.clone()).unwrap();
    let paths = object::items_at(printer, &["additionalPrinterColumns"]).iter().map(|c| c["jsonPath"].as_str().unwrap().to_owned());
    let column_paths = std::iter::once(".metadata.name".to_owned()).chain(paths).collect();
    let like = builtin::table().find("", "v1", "configmaps").unwrap();
    let info = ResourceInfo { group: group.to_owned(), kind: kind.to_owned(), columns, ..ResourceInfo::clone(like) };
    Resource { custom: Some(Arc::new(Custom { column_paths, ..Custom::default() })), ..Resource::builtin(Arc::new(info)) }
}

#[test]
fn rows_have_the_cells_of_the_real_server() {
    let recorded: Value = serde_json::from_str(include_str!("fixtures/tables.json")).unwrap();
    let mut rows = 0;
    for table in recorded["tables"].as_array().unwrap() {
        let (group, version) = split_api_version(table["gv"].as_str().unwrap());
        let now = time::parse(table["now"].as_str().unwrap()).unwrap();
        let resource = resource(group, version, table["kind"].as_str().unwrap(), &table["columns"], &recorded["version"]);
        let paths = resource.custom.as_ref().map(|custom| custom.column_paths.as_slice());
        for row in table["rows"].as_array().unwrap() {
            let got = cells_at(&resource.info, paths, &row["object"], now);
            assert_eq!(Value::Array(got), row["cells"], "{}: {}", table["path"], row["object"]["metadata"]["name"]);
            let conditions = row_conditions(&resource, &row["object"]);
            assert_eq!(conditions, row.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default());
            rows += 1;
        }
        if resource.custom.is_some() {
            assert_eq!(Value::Array(definitions(&resource)), table["columns"]);
        }
    }
    assert!(rows > 80, "{rows} rows");
}

#[test]
fn strange_objects_do_not_panic() {
    let odd = json!({"metadata": 5, "spec": [], "status": {"conditions": [1, null], "containerStatuses": "x", "loadBalancer": {"ingress": {}}}, "subsets": [null]});
    for info in builtin::table().resources() {
        let resource = Resource::builtin(info.clone());
        for object in [&odd, &Value::Null, &json!({})] {
            assert!(!cells(&resource, object).is_empty());
            let _ = row_conditions(&resource, object);
        }
    }
}
