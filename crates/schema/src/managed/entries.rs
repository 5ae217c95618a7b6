//! `metadata.managedFields`: who owns what, as it is stored.

use std::borrow::Cow;

use comity_core::time;
use serde_json::{Map, Value};

use super::{fields_v1, set::FieldSet};

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// What tells managers apart. Appliers are one manager in all versions.
#[derive(Clone, Debug)]
pub(super) struct Id<'a> {
    pub name: &'a str,
    pub operation: Operation,
    pub api_version: &'a str,
    pub subresource: &'a str,
}

impl PartialEq for Id<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }
}

/// One manager with its fields.
#[derive(Clone, Debug)]
pub(super) struct Manager<'a> {
    pub id: Id<'a>,
    pub time: Cow<'a, str>,
    pub set: FieldSet<'a>,
}

/// All managers of an object.
pub(super) type Managers<'a> = Vec<Manager<'a>>;

/// Reads the stored list.
///
/// # Errors
/// An entry is not one that the API would write.
pub(super) fn decode(list: Option<&Value>) -> Result<Managers<'_>, String> {
    let mut managers: Managers<'_> = Vec::new();
    for (at, entry) in list.and_then(Value::as_array).into_iter().flatten().enumerate() {
        let text = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("");
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
            other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
        }
        let set = match entry.get("fieldsV1") {
            Some(fields) => fields_v1::decode(fields).map_err(|e| format!("error decoding set of entry {at}: {e}"))?,
            None => FieldSet::default(),
        };
        let id = Id { name: text("manager"), operation, api_version: text("apiVersion"), subresource: text("subresource") };
        let manager = Manager { id, time: to_seconds(text("time")), set };
        match managers.iter_mut().find(|m| m.id == manager.id) {
            Some(known) => *known = manager,
            None => managers.push(manager),
        }
    }
    Ok(managers)
}

/// A time as the API writes it: UTC, whole seconds.
fn to_seconds(text: &str) -> Cow<'_, str> {
    if text.is_empty() || (text.len() == 20 && text.ends_with('Z')) {
        return Cow::Borrowed(text);
    }
    time::parse(text).map_or(Cow::Borrowed(""), |at| Cow::Owned(time::rfc3339(at)))
}

/// Writes the list in its order; nothing when nobody owns anything.
pub(super) fn encode(mut managers: Managers<'_>) -> Option<Value> {
    if managers.is_empty() {
        return None;
    }
    managers.sort_by(|a, b| {
        let when = a.id.operation.cmp(&b.id.operation).then_with(|| a.time.cmp(&b.time));
        when.then_with(|| (a.id.name, a.id.api_version, a.id.subresource).cmp(&(b.id.name, b.id.api_version, b.id.subresource)))
    });
    Some(Value::Array(managers.iter().map(encode_one).collect()))
}

fn encode_one(manager: &Manager<'_>) -> Value {
    let mut entry = Map::with_capacity(7);
    let mut put = |key: &str, text: &str| {
        if !text.is_empty() {
            entry.insert(key.to_owned(), Value::String(text.to_owned()));
        }
    };
    put("manager", manager.id.name);
    put("operation", manager.id.operation.name());
    put("apiVersion", manager.id.api_version);
    put("time", &manager.time);
    put("fieldsType", "FieldsV1");
    entry.insert("fieldsV1".to_owned(), fields_v1::encode(&manager.set));
    if !manager.id.subresource.is_empty() {
        entry.insert("subresource".to_owned(), Value::String(manager.id.subresource.to_owned()));
    }
    Value::Object(entry)
}

/// How many managers that wrote without apply are told apart.
const MAX_UPDATE_MANAGERS: usize = 10;

/// Joins the oldest managers that wrote without apply, so that no more than ten are left.
pub(super) fn cap(managers: &mut Managers<'_>) {
    let mut order: Vec<usize> = (0..managers.len()).filter(|at| managers[*at].id.operation == Operation::Update).collect();
    let Some(mut surplus) = order.len().checked_sub(MAX_UPDATE_MANAGERS).filter(|n| *n > 0) else { return };
    order.sort_by(|a, b| {
        let (a, b) = (&managers[*a], &managers[*b]);
        a.time
            .cmp(&b.time)
            .then_with(|| (a.id.name, a.id.api_version, a.id.subresource).cmp(&(b.id.name, b.id.api_version, b.id.subresource)))
    });
    // By version: the first manager seen, whose entry becomes the bucket when a second one comes.
    let mut firsts: Vec<usize> = Vec::new();
    let mut gone = Vec::new();
    for at in order {
        if surplus == 0 {
            break;
        }
        let version = managers[at].id.api_version;
        let Some(first) = firsts.iter().copied().find(|first| managers[*first].id.api_version == version) else {
            firsts.push(at);
            continue;
        };
        let Manager { time, set, .. } = managers[at].clone();
        let bucket_id = Id { name: "ancient-changes", operation: Operation::Update, api_version: version, subresource: "" };
        let bucket = managers.iter().position(|m| m.id == bucket_id).unwrap_or(first);
        let bucket = &mut managers[bucket];
        bucket.id = bucket_id;
        bucket.time = time;
        bucket.set.absorb(set);
        gone.push(at);
        surplus -= 1;
    }
    gone.sort_unstable();
    for at in gone.into_iter().rev() {
        managers.remove(at);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_updaters_are_joined_per_version() {
        let list: Vec<Value> = (0..13)
            .map(|i| {
                json!({"manager": format!("m{i:02}"), "operation": "Update", "apiVersion": if i == 0 { "v2" } else { "v1" },
                    "time": format!("2026-01-01T00:00:{i:02}Z"), "fieldsType": "FieldsV1", "fieldsV1": {format!("f:{i}"): {}}})
            })
            .collect();
        let list = Value::Array(list);
        let mut managers = decode(Some(&list)).unwrap();
        cap(&mut managers);
        assert_eq!(managers.len(), 10);
        let bucket = managers.iter().find(|m| m.id.name == "ancient-changes").unwrap();
        assert_eq!((bucket.set.to_string().as_str(), bucket.time.as_ref()), (".1\n.2\n.3\n.4", "2026-01-01T00:00:04Z"));
        assert!(managers.iter().any(|m| m.id.name == "m00"), "the only manager of its version stays");
    }

    #[test]
    fn an_entry_without_operation_is_refused() {
        assert!(decode(Some(&json!([{"manager": "x", "apiVersion": "v1", "fieldsType": "FieldsV1"}]))).is_err());
        assert_eq!(decode(Some(&json!([]))).unwrap().len(), 0);
    }

    #[test]
    fn times_are_written_to_the_second_in_utc() {
        assert_eq!(to_seconds("2026-01-02T05:04:05.5+02:00"), "2026-01-02T03:04:05Z");
        assert_eq!(to_seconds("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        assert_eq!(to_seconds("x"), "");
    }
}
