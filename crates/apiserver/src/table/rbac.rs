//! Bindings of roles.

use comity_core::{Value, object};

use super::cells::{At, Cells, text};

pub(super) fn binding(object: &Value, at: At) -> Cells {
    let names = |kind: &str| {
        let subjects = object::items_at(object, &["subjects"]).iter().filter(|subject| text(subject, &["kind"]) == kind);
        let name = |subject: &Value| match kind {
            "ServiceAccount" => format!("{}/{}", text(subject, &["namespace"]), text(subject, &["name"])),
            _ => text(subject, &["name"]).to_owned(),
        };
        subjects.map(name).collect::<Vec<_>>().join(", ")
    };
    vec![
        object::name(object).into(),
        format!("{}/{}", text(object, &["roleRef", "kind"]), text(object, &["roleRef", "name"])).into(),
        at.age(object),
        names("User").into(),
        names("Group").into(),
        names("ServiceAccount").into(),
    ]
}
