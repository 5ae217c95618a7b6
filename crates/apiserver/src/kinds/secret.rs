//! Secrets: `stringData` goes into `data`; token Secrets are filled.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use comity_core::{Status, Value, object};

use super::{Change, KindHooks};
use crate::authn::secret_tokens;

/// `stringData` is another way to write `data`.
pub fn merge_string_data(secret: &mut Value) {
    if let Some(Value::Object(texts)) = object::remove(secret, &["stringData"]) {
        for (key, text) in texts {
            object::set(secret, &["data", &key], STANDARD.encode(text.as_str().unwrap_or("")).into());
        }
    }
}

/// The hooks.
pub struct Hooks;

#[async_trait]
impl KindHooks for Hooks {
    fn prepare(&self, change: &Change<'_>, new: &mut Value, old: Option<&Value>) -> Result<(), Status> {
        merge_string_data(new);
        // A type that is left out of an update stays.
        if object::str_at(new, &["type"]).is_empty()
            && let Some(kind) = old.and_then(|o| o.get("type"))
        {
            object::set(new, &["type"], kind.clone());
        }
        secret_tokens::prepare(change, new)
    }
}
