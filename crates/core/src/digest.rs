//! Short digests of values, equal on every machine and in every version: they are compared across restarts.
//!
//! FNV-1a with 64 bits. It finds differences between states of one object; it is no protection against forgery.

use serde_json::Value;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// A digest under construction.
#[derive(Clone, Copy, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(OFFSET)
    }
}

impl Digest {
    /// Takes in bytes. Lengths are not marked: separate parts of open length by [`Digest::text`].
    pub fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    }

    /// Takes in a text and its end.
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0xff]);
    }

    /// Takes in a value; the order of an object's keys does not matter.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.bytes(b"n"),
            Value::Bool(true) => self.bytes(b"t"),
            Value::Bool(false) => self.bytes(b"f"),
            Value::Number(number) => {
                self.bytes(b"#");
                self.text(&number.to_string());
            }
            Value::String(text) => {
                self.bytes(b"\"");
                self.text(text);
            }
            Value::Array(items) => {
                self.bytes(b"[");
                items.iter().for_each(|item| self.value(item));
                self.bytes(b"]");
            }
            Value::Object(map) => {
                self.bytes(b"{");
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort_unstable();
                for key in keys {
                    self.text(key);
                    self.value(&map[key]);
                }
                self.bytes(b"}");
            }
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> u64 {
        self.0
    }
}

/// The digest of one value.
pub fn of(value: &Value) -> u64 {
    let mut digest = Digest::default();
    digest.value(value);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_keys_does_not_matter_and_everything_else_does() {
        assert_eq!(of(&json!({"a": 1, "b": [1, 2]})), of(&json!({"b": [1, 2], "a": 1})));
        let different =
            [json!({"a": 1}), json!({"a": "1"}), json!({"a": [1]}), json!([["a"], []]), json!([["a", []]]), json!(null), json!({})];
        let digests: std::collections::BTreeSet<u64> = different.iter().map(of).collect();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn digests_do_not_change_between_versions() {
        assert_eq!(of(&json!({"spec": {"replicas": 3}})), 0xbe0a_dd6e_8843_7404);
    }
}
