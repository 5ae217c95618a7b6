//! The page beside the recorded files.

use comity_schema::table::TableFile;

/// `crates/schema/data/README.md`.
pub fn readme(table: &TableFile, notes: &[String]) -> String {
    let filled: Vec<String> = table
        .types
        .iter()
        .flat_map(|(name, known)| known.fields.iter().map(move |field| (name, field)))
        .filter_map(|(name, field)| field.filled.as_ref().map(|value| format!("- `{name}.{}` = `{value}`", field.name)))
        .collect();
    let (openapi, observed): (Vec<&String>, Vec<&String>) = notes.iter().partition(|note| note.contains("protobuf"));
    let lines = |notes: &[&String]| notes.iter().map(|note| format!("- {note}\n")).collect::<String>();
    format!(
        "# Recorded facts\n\n\
         Written by `cargo xtask record` from a real kube-apiserver {} and the published protobuf definitions; never edited by hand.\n\
         The format is `src/table.rs`. Kubernetes is Apache-2.0 licensed; the texts in `descriptions.json.zst` are its own.\n\n\
         - `kubernetes.json.zst`: {} resources in {} groups, {} types.\n\
         - `descriptions.json.zst`: what OpenAPI says about types and fields.\n\n\
         ## Filled constants\n\n\
         A present parent object without the field gets this value on create (admission plugins switched off).\n\n{}\n\n\
         ## Filled, but not as a constant\n\n\
         Seen in dry runs of the fixtures; rules for them are code.\n\n{}\n\
         ## Where OpenAPI and the protobuf definitions differ\n\n{}",
        table.kubernetes,
        table.resources.len(),
        table.groups.len(),
        table.types.len(),
        filled.join("\n"),
        lines(&observed),
        lines(&openapi),
    )
}
