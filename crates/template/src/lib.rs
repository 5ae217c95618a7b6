//! kubectl's JSONPath dialect: templates such as `{range .items[*]}{.metadata.name}{"\n"}{end}`, and bare paths such as `.spec.replicas`.

mod eval;
mod parse;
mod print;

use std::borrow::Cow;

use comity_core::Value;

pub use print::{json_text, text};

/// A compiled template.
#[derive(Clone, Debug)]
pub struct JsonPath {
    blocks: Vec<parse::Block>,
}

/// What a field that does not exist means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// Nothing: kubectl's default, and the rule for columns of custom kinds.
    Empty,
    /// An error: `--allow-missing-template-keys=false`.
    Error,
}

/// Why a template cannot be used, in kubectl's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(pub(crate) String);

impl TemplateError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl JsonPath {
    /// Compiles a template: text with expressions in braces.
    ///
    /// # Errors
    /// The template is not well formed.
    pub fn template(text: &str) -> Result<Self, TemplateError> {
        Ok(Self { blocks: parse::template(text)? })
    }

    /// Compiles a bare path, as `additionalPrinterColumns[].jsonPath` and `specReplicasPath` have it.
    ///
    /// # Errors
    /// The path is not well formed.
    pub fn path(path: &str) -> Result<Self, TemplateError> {
        Self::template(&format!("{{{path}}}"))
    }

    /// Compiles what people type for `--sort-by` and custom columns: braces and the leading dot may be missing.
    ///
    /// # Errors
    /// The path is not well formed.
    pub fn relaxed(path: &str) -> Result<Self, TemplateError> {
        let refuse = || {
            TemplateError::new("unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{name1.name2}' or '{.name1.name2}'")
        };
        let inner = match (path.strip_prefix('{'), path.strip_suffix('}')) {
            (Some(_), Some(_)) => &path[1..path.len() - 1],
            (None, None) => path,
            _ => return Err(refuse()),
        };
        if inner.contains(['{', '}']) {
            return Err(refuse());
        }
        Self::path(&format!(".{}", inner.strip_prefix('.').unwrap_or(inner)))
    }

    /// The first value that a path leads to; nothing when there is none or the path does not fit the value.
    pub fn first<'v>(&'v self, value: &'v Value) -> Option<Cow<'v, Value>> {
        eval::run(&self.blocks, value, Missing::Empty).ok()?.into_iter().next()?.into_iter().next()
    }

    /// All values, one list per expression.
    ///
    /// # Errors
    /// The template does not fit the value: an index out of bounds, a filter on something that is no list, an unknown keyword.
    pub fn find<'v>(&'v self, value: &'v Value, missing: Missing) -> Result<Vec<Vec<Cow<'v, Value>>>, TemplateError> {
        eval::run(&self.blocks, value, missing)
    }

    /// The text that kubectl prints for `-o jsonpath=…`.
    ///
    /// # Errors
    /// As for [`JsonPath::find`].
    pub fn render(&self, value: &Value, missing: Missing) -> Result<String, TemplateError> {
        let results = self.find(value, missing)?;
        Ok(results.iter().map(|list| list.iter().map(|value| text(value)).collect::<Vec<_>>().join(" ")).collect())
    }
}
