//! From bytes to a value, with repeated keys noticed.
//!
//! `serde_json::Value`'s own decoding silently keeps the last of two equal keys; Kubernetes reports them
//! (`fieldValidation`), so a visitor of our own builds the value.

use std::{cell::RefCell, fmt, rc::Rc};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// A decoded document.
#[derive(Debug)]
pub struct Decoded {
    /// The value; of repeated keys the last one counts.
    pub value: Value,
    /// Paths of keys that stood more than once, such as `spec.template.labels`.
    pub duplicates: Vec<String>,
}

/// Why a document could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

/// Decodes one JSON document.
///
/// # Errors
/// The text is not one JSON value.
pub fn decode_json(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let duplicates = Rc::new(RefCell::new(Vec::new()));
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value =
        Seed { path: Path::Root, duplicates: &duplicates }.deserialize(&mut deserializer).map_err(|e| DecodeError(e.to_string()))?;
    deserializer.end().map_err(|e| DecodeError(e.to_string()))?;
    Ok(Decoded { value, duplicates: duplicates.take() })
}

/// Decodes one YAML document (JSON is YAML too).
///
/// # Errors
/// The text is not one YAML document of maps, lists and plain scalars.
pub fn decode_yaml(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    // programs apply JSON, which its own parser reads many times faster; what it cannot read may still be YAML
    if bytes.first() == Some(&b'{')
        && let Ok(decoded) = decode_json(bytes)
    {
        return Ok(decoded);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| DecodeError(format!("not UTF-8: {e}")))?;
    let duplicates = Rc::new(RefCell::new(Vec::new()));
    let value = serde_saphyr::with_deserializer_from_str_with_options(text, yaml_options(), |deserializer| {
        Seed { path: Path::Root, duplicates: &duplicates }.deserialize(deserializer)
    })
    .map_err(|e| DecodeError(e.to_string()))?;
    Ok(Decoded { value, duplicates: duplicates.take() })
}

fn yaml_options() -> serde_saphyr::Options {
    // The body's size is limited before this point and aliases have limits of their own, so no other budget is needed.
    serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough, budget: None, with_snippet: false }
}

/// Where the visitor is: a list of borrowed steps, written out only when a duplicate is found.
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => f.write_str(key),
            Path::Key(parent, key) => write!(f, "{parent}.{key}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

struct Seed<'a> {
    path: Path<'a>,
    duplicates: &'a Rc<RefCell<Vec<String>>>,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E: serde::de::Error>(self, v: f64) -> Result<Value, E> {
        Number::from_f64(v).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Seed { path: Path::Index(&self.path, items.len()), duplicates: self.duplicates })? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key_seed(Seed { path: Path::Root, duplicates: self.duplicates })? {
            let key = match key {
                Value::String(key) => key,
                Value::Bool(b) => b.to_string(),
                Value::Number(n) => n.to_string(),
                _ => return Err(A::Error::custom("a key must be a string")),
            };
            let value = access.next_value_seed(Seed { path: Path::Key(&self.path, &key), duplicates: self.duplicates })?;
            if map.insert(key.clone(), value).is_some() {
                self.duplicates.borrow_mut().push(Path::Key(&self.path, &key).to_string());
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_order_and_names_duplicates() {
        let decoded = decode_json(br#"{"b":1,"a":{"x":[{"y":1,"y":2}]},"b":3}"#).unwrap();
        assert_eq!(decoded.value.to_string(), r#"{"b":3,"a":{"x":[{"y":2}]}}"#);
        assert_eq!(decoded.duplicates, ["a.x[0].y", "b"]);
    }

    #[test]
    fn json_and_yaml_in_braces_are_both_yaml() {
        for text in [r#"{"b":1,"a":{"x":[{"y":1,"y":2}]},"b":3}"#, r#"{"a": "\u00e9", "n": -1.5e3}"#] {
            let (yaml, json) = (decode_yaml(text.as_bytes()).unwrap(), decode_json(text.as_bytes()).unwrap());
            assert_eq!((yaml.value, yaml.duplicates), (json.value, json.duplicates));
        }
        assert_eq!(decode_yaml(b"{a: b, c: [1]}").unwrap().value.to_string(), r#"{"a":"b","c":[1]}"#);
    }

    #[test]
    fn yaml_scalars_have_their_json_types() {
        let decoded = decode_yaml(b"a: 1\nb: \"1\"\nc: true\nd: 1.5\ne: ~\nf: [x, 0x1F]\n80: z\n").unwrap();
        assert_eq!(decoded.value, serde_json::json!({"a":1,"b":"1","c":true,"d":1.5,"e":null,"f":["x",31],"80":"z"}));
    }

    #[test]
    fn yaml_names_duplicates() {
        let decoded = decode_yaml(b"a:\n  k: 1\n  k: 2\n").unwrap();
        assert_eq!(decoded.value, serde_json::json!({"a":{"k":2}}));
        assert_eq!(decoded.duplicates, ["a.k"]);
    }

    #[test]
    fn broken_text_is_an_error() {
        assert!(decode_json(b"{").is_err());
        assert!(decode_json(b"{} x").is_err());
        assert!(decode_yaml(b"a: [b").is_err());
    }
}
