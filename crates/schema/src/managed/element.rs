//! One step of a field path: a field's name, a list item's keys, a set's value or an index.

use std::{borrow::Cow, cmp::Ordering, fmt, sync::Arc};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// A scalar inside a path, ordered as the API orders them: numbers, texts, booleans, anything else, null.
#[derive(Clone, Debug)]
pub enum Scalar<'a> {
    /// A whole number.
    Int(i64),
    /// A number with fraction (or too big to be whole).
    Float(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// True or false.
    Bool(bool),
    /// A list or map, which no list of the API may be keyed by; kept as its JSON text.
    Other(Box<str>),
    /// Null.
    Null,
}

impl<'a> Scalar<'a> {
    /// From a value; lists and maps become their JSON text.
    pub fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Scalar::Null,
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Number(n) => n.as_i64().map_or_else(|| Scalar::Float(n.as_f64().unwrap_or(f64::MAX)), Scalar::Int),
            Value::String(s) => Scalar::Text(Cow::Borrowed(s)),
            Value::Array(_) | Value::Object(_) => Scalar::Other(value.to_string().into()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Scalar::Int(_) | Scalar::Float(_) => 0,
            Scalar::Text(_) => 1,
            Scalar::Bool(_) => 2,
            Scalar::Other(_) => 3,
            Scalar::Null => 4,
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Scalar::Int(i) => out.push_str(&i.to_string()),
            Scalar::Float(f) => out.push_str(&serde_json::Number::from_f64(*f).map_or_else(|| "0".to_owned(), |n| n.to_string())),
            Scalar::Text(text) => write_json_text(text, out),
            Scalar::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Scalar::Other(json) => out.push_str(json),
            Scalar::Null => out.push_str("null"),
        }
    }
}

impl Ord for Scalar<'_> {
    #[allow(clippy::cast_precision_loss, reason = "a whole number is compared with a fraction as the API does it")]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Scalar::Int(a), Scalar::Int(b)) => a.cmp(b),
            (Scalar::Int(a), Scalar::Float(b)) => (*a as f64).total_cmp(b),
            (Scalar::Float(a), Scalar::Int(b)) => a.total_cmp(&(*b as f64)),
            (Scalar::Float(a), Scalar::Float(b)) => a.total_cmp(b),
            (Scalar::Text(a), Scalar::Text(b)) => a.cmp(b),
            (Scalar::Bool(a), Scalar::Bool(b)) => a.cmp(b),
            (Scalar::Other(a), Scalar::Other(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Scalar<'_> {}

/// The form in messages: texts quoted, the rest plain.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(x) => write!(f, "{x}"),
            Scalar::Text(text) => write!(f, "{text:?}"),
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Other(json) => f.write_str(json),
            Scalar::Null => f.write_str("null"),
        }
    }
}

/// The keys of a list item, sorted by name.
pub type Keys<'a> = Arc<[(Cow<'a, str>, Scalar<'a>)]>;

/// One step of a path. The order of the variants is the order of the steps in a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element<'a> {
    /// A field of a map: `f:`.
    Field(Cow<'a, str>),
    /// The item of a list that has these keys: `k:`.
    Key(Keys<'a>),
    /// The item of a set: `v:`.
    Value(Scalar<'a>),
    /// The item at a position: `i:`.
    Index(i64),
}

impl<'a> Element<'a> {
    /// A field.
    pub fn field(name: &'a str) -> Self {
        Element::Field(Cow::Borrowed(name))
    }

    /// Reads a key of the `fieldsV1` notation. `Ok(None)` is a kind of step that this version does not know.
    ///
    /// # Errors
    /// The key is not of the form `letter:content`.
    pub fn parse(key: &'a str) -> Result<Option<Self>, String> {
        let bad = |e: &dyn fmt::Display| format!("{key:?} is not a step of a field path: {e}");
        let Some((kind, rest)) = key.split_at_checked(2) else { return Err(bad(&"too short")) };
        Ok(Some(match kind {
            "f:" => Element::Field(Cow::Borrowed(rest)),
            "v:" => Element::Value(parse_json(rest, ScalarSeed).map_err(|e| bad(&e))?),
            "k:" => {
                let mut keys = parse_json(rest, KeysSeed).map_err(|e| bad(&e))?;
                keys.sort_by(|a, b| a.0.cmp(&b.0));
                Element::Key(keys.into())
            }
            "i:" => Element::Index(rest.parse().map_err(|e| bad(&e))?),
            _ if kind.ends_with(':') => return Ok(None),
            _ => return Err(bad(&"no colon")),
        }))
    }

    /// The key of the `fieldsV1` notation.
    pub fn to_key(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Index(index) => format!("i:{index}"),
            Element::Value(scalar) => {
                let mut out = "v:".to_owned();
                scalar.write_json(&mut out);
                out
            }
            Element::Key(keys) => {
                let mut out = "k:{".to_owned();
                for (at, (name, scalar)) in keys.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_json_text(name, &mut out);
                    out.push(':');
                    scalar.write_json(&mut out);
                }
                out.push('}');
                out
            }
        }
    }
}

/// The form in messages: `.spec`, `[name="a"]`, `[="x"]`, `[0]`.
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Value(scalar) => write!(f, "[={scalar}]"),
            Element::Index(index) => write!(f, "[{index}]"),
            Element::Key(keys) => {
                f.write_str("[")?;
                for (at, (name, scalar)) in keys.iter().enumerate() {
                    write!(f, "{}{name}={scalar}", if at > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

/// JSON with the characters escaped that the API's encoder escapes for HTML.
pub(super) fn write_json_text(text: &str, out: &mut String) {
    let json = Value::String(text.to_owned()).to_string();
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        out.push_str(&json);
        return;
    }
    for c in json.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

fn parse_json<'a, S: DeserializeSeed<'a>>(text: &'a str, seed: S) -> serde_json::Result<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

struct ScalarSeed;

impl<'de> DeserializeSeed<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar<'de>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ScalarSeed {
    type Value = Scalar<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Int(v))
    }

    #[allow(clippy::cast_precision_loss, reason = "beyond the range of whole numbers")]
    fn visit_u64<E>(self, v: u64) -> Result<Scalar<'de>, E> {
        Ok(i64::try_from(v).map_or(Scalar::Float(v as f64), Scalar::Int))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Float(v))
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Borrowed(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Text(Cow::Owned(v.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Scalar<'de>, E> {
        Ok(Scalar::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Value>()? {
            items.push(item);
        }
        Ok(Scalar::Other(Value::Array(items).to_string().into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar<'de>, A::Error> {
        let mut object = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            object.insert(key, value);
        }
        Ok(Scalar::Other(Value::Object(object).to_string().into()))
    }
}

struct KeysSeed;

impl<'de> DeserializeSeed<'de> for KeysSeed {
    type Value = Vec<(Cow<'de, str>, Scalar<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for KeysSeed {
    type Value = Vec<(Cow<'de, str>, Scalar<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of keys")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut keys = Vec::new();
        while let Some(name) = map.next_key_seed(ScalarSeed)? {
            let Scalar::Text(name) = name else { return Err(A::Error::custom("a key must be a text")) };
            keys.push((name, map.next_value_seed(ScalarSeed)?));
        }
        Ok(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_written_alike() {
        for key in
            ["f:spec", "f:a.b/c", r#"k:{"containerPort":80,"protocol":"TCP"}"#, r#"v:"x""#, "v:5", "v:true", "i:3", r#"k:{"name":"a\"b"}"#]
        {
            assert_eq!(Element::parse(key).unwrap().unwrap().to_key(), key);
        }
        assert_eq!(Element::parse("x:1").unwrap(), None);
        assert!(Element::parse("f").is_err());
        assert!(Element::parse("k:[]").is_err());
        assert!(Element::parse("spec").is_err());
    }

    #[test]
    fn steps_are_sorted_by_kind_then_content() {
        let mut steps: Vec<_> = ["i:0", "v:\"a\"", "v:2", "k:{\"name\":\"b\"}", "f:z", "f:a", "v:true", "v:10"]
            .iter()
            .map(|k| Element::parse(k).unwrap().unwrap())
            .collect();
        steps.sort();
        let keys: Vec<_> = steps.iter().map(Element::to_key).collect();
        assert_eq!(keys, ["f:a", "f:z", "k:{\"name\":\"b\"}", "v:2", "v:10", "v:\"a\"", "v:true", "i:0"]);
    }

    #[test]
    fn messages_show_the_usual_notation() {
        let text = |key| Element::parse(key).unwrap().unwrap().to_string();
        assert_eq!(text(r#"k:{"port":80,"protocol":"TCP"}"#), r#"[port=80,protocol="TCP"]"#);
        assert_eq!(text(r#"v:"a""#), r#"[="a"]"#);
        assert_eq!(text("f:spec"), ".spec");
    }

    #[test]
    fn html_characters_are_escaped_as_the_api_does() {
        let key = Element::Value(Scalar::Text("a<b&c".into())).to_key();
        assert_eq!(key, r#"v:"a\u003cb\u0026c""#);
        assert_eq!(Element::parse(&key).unwrap().unwrap(), Element::Value(Scalar::Text("a<b&c".into())));
    }
}
