//! What kubectl v1.36 printed for the same templates and object (`kubectl label --local -o jsonpath=…`).

use comity_core::{Value, json};
use comity_template::{JsonPath, Missing};

#[test]
fn templates_print_and_fail_as_in_kubectl() {
    let recorded: Value = serde_json::from_str(include_str!("fixtures/kubectl.json")).unwrap();
    for case in recorded["cases"].as_array().unwrap() {
        let template = case["template"].as_str().unwrap();
        let got = JsonPath::template(template).and_then(|path| path.render(&recorded["object"], Missing::Empty));
        match (case.get("output"), got) {
            (Some(output), Ok(got)) => assert_eq!(*output, got, "{template}"),
            (None, Err(error)) => {
                // Go prints maps in its own notation; the rest of that message is the same.
                let (expected, got) = (case["error"].as_str().unwrap(), error.to_string());
                assert!(got == expected || (expected.starts_with("map[") && got.ends_with("cannot be filtered")), "{template}: {got}");
            }
            (expected, got) => panic!("{template}: expected {expected:?}, got {got:?}"),
        }
    }
}

#[test]
fn a_missing_key_is_an_error_on_request() {
    let path = JsonPath::path(".a.b").unwrap();
    assert_eq!(path.render(&json!({"a": {}}), Missing::Error).unwrap_err().to_string(), "b is not found");
    assert_eq!(path.render(&json!({"a": {}}), Missing::Empty).unwrap(), "");
}

#[test]
fn the_first_value_is_found_and_a_misfit_is_nothing() {
    let object = json!({"spec": {"replicas": 3, "items": [{"a": 1}]}, "n": null});
    let first = |path: &str| JsonPath::path(path).unwrap().first(&object).map(|v| v.into_owned());
    assert_eq!(first(".spec.replicas"), Some(json!(3)));
    assert_eq!(first(".spec.items[7].a"), None);
    assert_eq!(first(".spec.none"), None);
    assert_eq!(first(".n.deep"), None);
    assert_eq!(first(".spec.items[*]"), Some(json!({"a": 1})));
}

#[test]
fn relaxed_paths_may_leave_out_braces_and_dot() {
    let object = json!({"metadata": {"name": "x"}});
    for path in ["metadata.name", ".metadata.name", "{metadata.name}", "{.metadata.name}"] {
        assert_eq!(JsonPath::relaxed(path).unwrap().render(&object, Missing::Empty).unwrap(), "x", "{path}");
    }
    assert!(JsonPath::relaxed("{.a").is_err());
}

#[test]
fn numbers_are_printed_as_go_prints_them() {
    let object = json!({"a": 1.0, "b": 1e21, "c": 0.00001, "d": 12.5, "e": null});
    let path = JsonPath::template("{.a} {.b} {.c} {.d} {.e}").unwrap();
    assert_eq!(path.render(&object, Missing::Empty).unwrap(), "1 1e+21 1e-05 12.5 null");
}

#[test]
fn strange_templates_do_not_panic() {
    for text in
        ["{", "{[", "{[?(", "{[?(@)", "{[1:2:0]}", "{..[0]}", "{[-9223372036854775808]}", "{\"\\", "{'\\u12'}", "{1.2.3}", "{.\\", "é{.é}"]
    {
        if let Ok(path) = JsonPath::template(text) {
            let _ = path.render(&json!([[1, 2], {"é": 1}]), Missing::Empty);
        }
    }
}
