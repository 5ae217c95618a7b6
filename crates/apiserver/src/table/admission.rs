//! Webhook configurations and admission policies.

use comity_core::{Value, object};

use super::cells::{At, Cells, selector, text};

pub(super) fn webhooks(object: &Value, at: At) -> Cells {
    vec![object::name(object).into(), object::items_at(object, &["webhooks"]).len().into(), at.age(object)]
}

pub(super) fn policy(object: &Value, at: At) -> Cells {
    let rules = object::items_at(object, &["spec", "validations"]).len() + object::items_at(object, &["spec", "mutations"]).len();
    let kind = object::at(object, &["spec", "paramKind"])
        .map_or_else(|| "<unset>".to_owned(), |kind| format!("{}/{}", text(kind, &["apiVersion"]), text(kind, &["kind"])));
    vec![object::name(object).into(), rules.into(), kind.into(), at.age(object)]
}

pub(super) fn binding(object: &Value, at: At) -> Cells {
    let parameters = match object::at(object, &["spec", "paramRef"]) {
        None => "<unset>".to_owned(),
        Some(reference) => match (text(reference, &["namespace"]), text(reference, &["name"])) {
            (_, "") => selector(reference.get("selector")),
            ("", name) => format!("*/{name}"),
            (namespace, name) => format!("{namespace}/{name}"),
        },
    };
    vec![object::name(object).into(), text(object, &["spec", "policyName"]).into(), parameters.into(), at.age(object)]
}
