//! The format of `data/shapes.json.zst`: what Go's types say and the OpenAPI document does not.
//!
//! Written by the small Go program in `data/shapes.go.txt`, which reflects over the published `k8s.io/api` module. Facts only:
//! field order, which fields are pointers or left out when empty, Go's type names (they stand in decode errors), and the
//! protobuf numbers with the messages that JSON inlines. To write it again: put the program as `main.go` beside a copy of the
//! `go.mod` of the real control plane in `tests/real`, then `go run -mod=mod . | zstd -19 -o shapes.json.zst`.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
pub(crate) struct ShapeFile {
    /// Struct types by definition name.
    pub(crate) types: BTreeMap<String, Vec<GoField>>,
    /// Definition names by `group/version/Kind`.
    pub(crate) kinds: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct GoField {
    /// JSON name; empty for an inlined struct, `-` for what JSON does not show.
    #[serde(rename = "n")]
    pub(crate) name: String,
    /// Name of an inlined struct.
    #[serde(rename = "g", default)]
    pub(crate) go: String,
    /// Go's type without the pointer.
    #[serde(rename = "t")]
    pub(crate) kind: String,
    /// `L` list, `M` map, then `string`, `bytes`, `bool`, `int32`, `int64`, `float64`, `ref` or `any`; empty when `kind` says it.
    #[serde(rename = "s", default)]
    pub(crate) shape: String,
    /// Definition name of the struct below pointers, lists and maps.
    #[serde(rename = "r", default)]
    pub(crate) reference: String,
    /// `p` pointer, `o` omitempty, `z` omitzero.
    #[serde(rename = "f", default)]
    pub(crate) flags: String,
    /// Protobuf number.
    #[serde(rename = "p", default)]
    pub(crate) number: u16,
}
