//! Which of its names a definition gets: no two definitions of a group share one.

use std::collections::BTreeSet;

use comity_core::{Map, Value, json, object};

/// Names that other definitions of the group hold.
#[derive(Debug, Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

/// The outcome: what is accepted, and the condition `NamesAccepted`.
#[derive(Debug, PartialEq)]
pub struct Accepted {
    /// `status.acceptedNames`.
    pub names: Value,
    /// The last conflict as (reason, message); none when all names are accepted.
    pub conflict: Option<(&'static str, String)>,
}

impl Taken {
    /// From the other definitions of the group.
    pub fn by<'a>(others: impl IntoIterator<Item = &'a Value>) -> Self {
        let mut taken = Self::default();
        for other in others {
            let text = |key| object::str_at(other, &["status", "acceptedNames", key]).to_owned();
            taken.resources.extend([text("plural"), text("singular")]);
            taken.resources.extend(texts(object::at(other, &["status", "acceptedNames", "shortNames"])));
            taken.kinds.extend([text("kind"), text("listKind")]);
        }
        taken.resources.remove("");
        taken.kinds.remove("");
        taken
    }
}

/// Decides about the names of a definition; what it holds already, it keeps. Of several conflicts the last is told.
pub fn accept(definition: &Value, taken: &Taken) -> Accepted {
    let (plural, first) = accept_one(definition, "plural", "PluralConflict", &taken.resources);
    let (singular, second) = accept_one(definition, "singular", "SingularConflict", &taken.resources);
    let (short, third) = accept_short(definition, taken);
    let (kind, fourth) = accept_one(definition, "kind", "KindConflict", &taken.kinds);
    let (list_kind, fifth) = accept_one(definition, "listKind", "ListKindConflict", &taken.kinds);
    let conflict = fifth.or(fourth).or(third).or(second).or(first);

    let mut names = Map::new();
    let mut put = |key: &str, value: Value, present: bool| {
        if present {
            names.insert(key.to_owned(), value);
        }
    };
    let categories = texts(object::at(definition, &["spec", "names", "categories"]));
    put("plural", json!(plural), true);
    put("singular", json!(singular), !singular.is_empty());
    put("shortNames", json!(short), !short.is_empty());
    put("kind", json!(kind), true);
    put("listKind", json!(list_kind), !list_kind.is_empty());
    put("categories", json!(categories), !categories.is_empty());
    Accepted { names: Value::Object(names), conflict }
}

type Conflict = Option<(&'static str, String)>;

fn accept_one(definition: &Value, key: &str, reason: &'static str, used: &BTreeSet<String>) -> (String, Conflict) {
    let wanted = object::str_at(definition, &["spec", "names", key]);
    let held = object::str_at(definition, &["status", "acceptedNames", key]);
    if wanted != held && used.contains(wanted) {
        return (held.to_owned(), Some((reason, in_use(wanted))));
    }
    (wanted.to_owned(), None)
}

fn accept_short(definition: &Value, taken: &Taken) -> (Vec<String>, Conflict) {
    let wanted = texts(object::at(definition, &["spec", "names", "shortNames"]));
    let held = texts(object::at(definition, &["status", "acceptedNames", "shortNames"]));
    let clashes: Vec<String> =
        wanted.iter().filter(|name| !held.contains(name) && taken.resources.contains(*name)).map(|name| in_use(name)).collect();
    match clashes.as_slice() {
        [] => (wanted, None),
        [one] => (held, Some(("ShortNamesConflict", one.clone()))),
        many => (held, Some(("ShortNamesConflict", format!("[{}]", many.join(", "))))),
    }
}

fn in_use(name: &str) -> String {
    format!("{name:?} is already in use")
}

fn texts(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
        let names = json!({"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"), "shortNames": short});
        json!({"spec": {"names": names}})
    }

    fn holding(mut definition: Value) -> Value {
        let names = definition["spec"]["names"].clone();
        definition["status"] = json!({"acceptedNames": names});
        definition
    }

    #[test]
    fn free_names_are_all_accepted() {
        let accepted = accept(&definition("widgets", "Widget", &["wd"]), &Taken::default());
        assert_eq!(accepted.conflict, None);
        assert_eq!(
            accepted.names,
            json!({"plural": "widgets", "singular": "widget", "shortNames": ["wd"], "kind": "Widget", "listKind": "WidgetList"})
        );
    }

    #[test]
    fn what_another_definition_holds_is_refused_and_the_last_conflict_is_told() {
        let other = holding(definition("widgets", "Widget", &["wd"]));
        let accepted = accept(&definition("gadgets", "Widget", &["wd"]), &Taken::by([&other]));
        assert_eq!(accepted.conflict, Some(("ListKindConflict", "\"WidgetList\" is already in use".to_owned())));
        assert_eq!(accepted.names, json!({"plural": "gadgets", "kind": ""}));
    }

    #[test]
    fn names_that_are_held_already_stay() {
        let own = holding(definition("widgets", "Widget", &["wd"]));
        let rival = holding(definition("gadgets", "Widget", &["wd"]));
        assert_eq!(accept(&own, &Taken::by([&rival])).conflict, None);
    }
}
