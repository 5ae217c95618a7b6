//! Laws that hold for every input.

#![allow(clippy::unwrap_used, reason = "tests")]

use comity_core::{GroupVersionKind, Map, Value, json};
use comity_schema::{Schema, builtin, crd, protobuf, strategic};
use proptest::prelude::*;

/// Names that types know, so that random objects reach into them.
const NAMES: [&str; 24] = [
    "metadata",
    "spec",
    "status",
    "template",
    "containers",
    "name",
    "image",
    "ports",
    "protocol",
    "labels",
    "annotations",
    "replicas",
    "selector",
    "matchLabels",
    "resources",
    "limits",
    "cpu",
    "volumes",
    "env",
    "strategy",
    "type",
    "items",
    "$patch",
    "$setElementOrder/containers",
];

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(|f| Value::from(f64::from(f))),
        "[a-z0-9%=:-]{0,8}".prop_map(Value::from),
        prop_oneof![Just("1500m"), Just("1Gi"), Just("replace"), Just("delete"), Just("2026-01-02T03:04:05.5Z")].prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Map<_, _>>())),
        ]
    })
}

fn schemas() -> Vec<Schema> {
    let builtin = |group: &str, kind: &str| builtin::table().type_schema(&GroupVersionKind::new(group, "v1", kind)).unwrap();
    let custom = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "name": {"type": "string", "default": "n"}, "replicas": {"type": "integer", "nullable": true},
        "items": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string", "default": "x"}}}},
        "template": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-embedded-resource": true},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "default": "d"}}}}}});
    vec![builtin("apps", "Deployment"), builtin("", "Pod"), builtin("", "Service"), crd::compile(&custom).unwrap()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pruning_twice_is_pruning_once(v in any_value()) {
        for schema in schemas() {
            let mut once = v.clone();
            schema.prune(&mut once);
            let mut twice = once.clone();
            let unknown = schema.prune(&mut twice);
            prop_assert_eq!(unknown, Vec::<String>::new());
            prop_assert_eq!(once, twice);
        }
    }

    #[test]
    fn defaulting_and_canonical_form_are_stable(v in any_value()) {
        for schema in schemas() {
            let mut once = v.clone();
            schema.prune(&mut once);
            if schema.check_types(&once).is_err() {
                continue;
            }
            schema.default(&mut once);
            schema.canonicalize(&mut once);
            let mut twice = once.clone();
            schema.default(&mut twice);
            schema.canonicalize(&mut twice);
            prop_assert_eq!(once.to_string(), twice.to_string());
        }
    }

    #[test]
    fn an_empty_patch_changes_nothing_and_no_patch_panics(base in any_value(), patch in any_value()) {
        let schema = &schemas()[0];
        if base.is_object() {
            prop_assert_eq!(&strategic::merge(schema, &base, &json!({})).unwrap(), &base);
        }
        let _ = strategic::merge(schema, &base, &patch);
    }

    #[test]
    fn validation_accepts_no_surprise(v in any_value(), old in any_value()) {
        for schema in schemas() {
            let _ = schema.check_types(&v);
            let _ = schema.validate(&v, Some(&old));
            prop_assert_eq!(schema.validate(&v, Some(&v)).iter().filter(|e| e.detail.contains("must be of type")).count(), 0);
        }
    }

    #[test]
    fn no_bytes_panic_the_protobuf_decoder(kind in prop::sample::select(&["Pod", "Secret", "DeleteOptions", "Node"][..]), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut body = b"k8s\0\x0a".to_vec();
        let meta = [&[0x0a, 2][..], b"v1", &[0x12, u8::try_from(kind.len()).unwrap()], kind.as_bytes()].concat();
        body.push(u8::try_from(meta.len()).unwrap());
        body.extend(&meta);
        body.push(0x12);
        body.extend(&[0x80 | u8::try_from(bytes.len() & 0x7f).unwrap(), u8::try_from(bytes.len() >> 7).unwrap()]);
        body.extend(&bytes);
        let _ = protobuf::decode(&body);
        let _ = protobuf::decode(&bytes);
    }
}
