//! The serialized form of an object, split where its revision stands.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use comity_core::{Map, Value};

use crate::packed::Packed;

/// Deeper objects could be written but not read back.
const MAX_DEPTH: usize = 100;

/// Keys of `metadata` that stand before `resourceVersion`.
const BEFORE: [&str; 5] = ["name", "generateName", "namespace", "selfLink", "uid"];

/// An object's JSON without its revision. Together the two parts are the object with an empty
/// `metadata.resourceVersion`; the revision's digits go between them. Clones share the bytes.
#[derive(Clone, Debug)]
pub struct Body {
    form: Form,
    split: u32,
}

#[derive(Clone, Debug)]
enum Form {
    Plain(Arc<[u8]>),
    Packed(Arc<Packed>),
}

impl PartialEq for Body {
    fn eq(&self, other: &Body) -> bool {
        self.shares_with(other) || (self.split == other.split && *self.whole() == *other.whole())
    }
}

impl Eq for Body {}

/// A body in two parts, between which the revision's digits stand.
#[derive(Debug)]
pub struct Parts<'a> {
    bytes: Cow<'a, [u8]>,
    split: usize,
}

impl Parts<'_> {
    /// What stands before the revision's digits.
    pub fn head(&self) -> &[u8] {
        self.bytes.get(..self.split).unwrap_or_default()
    }

    /// What stands after the revision's digits.
    pub fn tail(&self) -> &[u8] {
        self.bytes.get(self.split..).unwrap_or_default()
    }
}

impl Body {
    /// Serializes an object; whatever resourceVersion it carries is left out.
    pub fn of(object: &Value) -> Result<Body, String> {
        let map = object.as_object().ok_or("the value is not an object")?;
        if !map.get("metadata").is_some_and(Value::is_object) {
            return Err("the object has no metadata".into());
        }
        if deeper_than(object, MAX_DEPTH) {
            return Err(format!("the object is nested deeper than {MAX_DEPTH} levels"));
        }
        let mut out = Vec::with_capacity(1024);
        let mut split = 0;
        out.push(b'{');
        for (key, value) in map {
            field(&mut out, key)?;
            match value {
                Value::Object(metadata) if key == "metadata" => split = write_metadata(&mut out, metadata)?,
                other => json(&mut out, other)?,
            }
        }
        out.push(b'}');
        let split = u32::try_from(split).map_err(|_| "the object is larger than 4 GiB")?;
        Ok(Body { form: Form::Plain(out.into()), split })
    }

    /// A body from its stored form.
    pub(crate) fn from_stored(bytes: Arc<[u8]>, split: u32) -> Option<Body> {
        (split as usize <= bytes.len()).then_some(Body { form: Form::Plain(bytes), split })
    }

    /// A compressed body.
    pub(crate) fn packed(packed: Arc<Packed>, split: u32) -> Body {
        Body { form: Form::Packed(packed), split }
    }

    pub(crate) fn stored(&self) -> (Arc<[u8]>, u32) {
        let bytes = match &self.form {
            Form::Plain(bytes) => bytes.clone(),
            Form::Packed(packed) => packed.unpack().into(),
        };
        (bytes, self.split)
    }

    /// The bytes and the split of a body that is not compressed.
    pub(crate) fn plain(&self) -> Option<(&[u8], u32)> {
        match &self.form {
            Form::Plain(bytes) => Some((bytes, self.split)),
            Form::Packed(_) => None,
        }
    }

    pub(crate) fn as_packed(&self) -> Option<&Arc<Packed>> {
        match &self.form {
            Form::Plain(_) => None,
            Form::Packed(packed) => Some(packed),
        }
    }

    /// Whether both are the same bytes in memory.
    pub(crate) fn shares_with(&self, other: &Body) -> bool {
        let same = match (&self.form, &other.form) {
            (Form::Plain(one), Form::Plain(other)) => Arc::ptr_eq(one, other),
            (Form::Packed(one), Form::Packed(other)) => Arc::ptr_eq(one, other),
            _ => false,
        };
        same && self.split == other.split
    }

    fn whole(&self) -> Cow<'_, [u8]> {
        match &self.form {
            Form::Plain(bytes) => Cow::Borrowed(bytes),
            Form::Packed(packed) => Cow::Owned(packed.unpack()),
        }
    }

    /// The two parts.
    pub fn parts(&self) -> Parts<'_> {
        Parts { bytes: self.whole(), split: self.split as usize }
    }

    /// The size without the revision's digits.
    pub fn size(&self) -> usize {
        match &self.form {
            Form::Plain(bytes) => bytes.len(),
            Form::Packed(packed) => packed.length(),
        }
    }

    /// The memory that the bytes take.
    pub(crate) fn held(&self) -> usize {
        match &self.form {
            Form::Plain(bytes) => bytes.len(),
            Form::Packed(packed) => packed.held(),
        }
    }

    /// Appends the object's JSON at a revision.
    pub fn write_to(&self, rev: u64, out: &mut Vec<u8>) {
        let parts = self.parts();
        out.reserve(parts.bytes.len() + 20);
        out.extend_from_slice(parts.head());
        out.extend_from_slice(rev.to_string().as_bytes());
        out.extend_from_slice(parts.tail());
    }

    /// The object's JSON at a revision.
    pub fn bytes(&self, rev: u64) -> Bytes {
        let mut out = Vec::new();
        self.write_to(rev, &mut out);
        out.into()
    }

    /// The object at a revision.
    pub fn parse(&self, rev: u64) -> Value {
        match self.try_parse() {
            Ok(mut object) => {
                comity_core::object::set(&mut object, &["metadata", "resourceVersion"], Value::String(rev.to_string()));
                object
            }
            Err(error) => {
                // Bodies are made from values or checked when they are loaded.
                tracing::error!(%error, rev, "a stored object cannot be read");
                Value::Null
            }
        }
    }

    /// The object with an empty resourceVersion.
    pub(crate) fn try_parse(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(&self.whole())
    }
}

fn json(out: &mut Vec<u8>, value: &impl serde::Serialize) -> Result<(), String> {
    serde_json::to_writer(out, value).map_err(|error| error.to_string())
}

/// Starts a field: the comma when one is needed, the key and the colon.
fn field(out: &mut Vec<u8>, key: &str) -> Result<(), String> {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    json(out, &key)?;
    out.push(b':');
    Ok(())
}

/// Writes metadata with an empty resourceVersion and returns the position between its quotes.
fn write_metadata(out: &mut Vec<u8>, metadata: &Map<String, Value>) -> Result<usize, String> {
    let last_before = if is_alphabetical(metadata) {
        metadata.keys().rposition(|key| key.as_str() < "resourceVersion")
    } else {
        metadata.keys().rposition(|key| BEFORE.contains(&key.as_str()))
    };
    let mut split = 0;
    out.push(b'{');
    if last_before.is_none() {
        split = write_placeholder(out)?;
    }
    for (index, (key, value)) in metadata.iter().enumerate() {
        if key != "resourceVersion" {
            field(out, key)?;
            json(out, value)?;
        }
        if last_before == Some(index) {
            split = write_placeholder(out)?;
        }
    }
    out.push(b'}');
    Ok(split)
}

/// Custom objects have their keys in alphabetical order, built-in ones begin with what identifies them.
fn is_alphabetical(metadata: &Map<String, Value>) -> bool {
    let identified = metadata.keys().next().is_some_and(|first| BEFORE.contains(&first.as_str()));
    !identified && metadata.contains_key("uid") && metadata.keys().is_sorted()
}

fn write_placeholder(out: &mut Vec<u8>) -> Result<usize, String> {
    field(out, "resourceVersion")?;
    out.extend_from_slice(b"\"\"");
    Ok(out.len() - 1)
}

fn deeper_than(value: &Value, limit: usize) -> bool {
    match value {
        Value::Array(items) => limit == 0 || items.iter().any(|item| deeper_than(item, limit - 1)),
        Value::Object(map) => limit == 0 || map.values().any(|item| deeper_than(item, limit - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;
    use proptest::prelude::*;

    use super::*;

    fn text(object: &Value) -> String {
        String::from_utf8(Body::of(object).unwrap().bytes(17).to_vec()).unwrap()
    }

    #[test]
    fn the_revision_stands_after_the_uid_whatever_was_sent() {
        let want = r#"{"kind":"Pod","metadata":{"name":"a","uid":"u","resourceVersion":"17","labels":{"a":"b"}}}"#;
        assert_eq!(text(&json!({"kind":"Pod","metadata":{"name":"a","uid":"u","labels":{"a":"b"}}})), want);
        assert_eq!(text(&json!({"kind":"Pod","metadata":{"resourceVersion":"4","name":"a","uid":"u","labels":{"a":"b"}}})), want);
        assert_eq!(text(&json!({"metadata":{}})), r#"{"metadata":{"resourceVersion":"17"}}"#);
        assert_eq!(text(&json!({"metadata":{"labels":{}}})), r#"{"metadata":{"resourceVersion":"17","labels":{}}}"#);
    }

    #[test]
    fn in_alphabetical_metadata_the_revision_has_its_place_in_the_alphabet() {
        let want = r#"{"metadata":{"creationTimestamp":"t","name":"a","resourceVersion":"17","uid":"u"}}"#;
        assert_eq!(text(&json!({"metadata":{"creationTimestamp":"t","name":"a","uid":"u"}})), want);
        assert_eq!(text(&json!({"metadata":{"creationTimestamp":"t","name":"a","resourceVersion":"4","uid":"u"}})), want);
    }

    #[test]
    fn head_and_tail_are_the_parts_around_the_revision() {
        let body = Body::of(&json!({"metadata":{"name":"a"},"spec":1})).unwrap();
        assert_eq!(body.parts().head(), br#"{"metadata":{"name":"a","resourceVersion":""#);
        assert_eq!(body.parts().tail(), br#""},"spec":1}"#);
        assert_eq!(body.parse(5), json!({"metadata":{"name":"a","resourceVersion":"5"},"spec":1}));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(Body::of(&json!([])).is_err());
        assert!(Body::of(&json!({"kind":"Pod"})).is_err());
        assert!(Body::of(&json!({"metadata":null})).is_err());
        let mut deep = json!(1);
        for _ in 0..200 {
            deep = json!([deep]);
        }
        assert!(Body::of(&json!({"metadata":{}, "spec": deep})).is_err());
    }

    proptest! {
        #[test]
        fn any_object_comes_back_with_its_revision(name in ".*", value in ".*", number in any::<i64>(), rev in any::<u64>()) {
            let object = json!({"metadata":{"name":name,"annotations":{(value.clone()):value}},"n":number,"l":[null,true]});
            let body = Body::of(&object).unwrap();
            let mut want = object.clone();
            comity_core::object::set(&mut want, &["metadata", "resourceVersion"], json!(rev.to_string()));
            prop_assert_eq!(body.parse(rev), want.clone());
            prop_assert_eq!(serde_json::from_slice::<Value>(&body.bytes(rev)).unwrap(), want);
        }
    }
}
