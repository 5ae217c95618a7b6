//! Label and field selectors of lists, watches and collection deletions.

use comity_core::{FieldSelector, LabelSelector, Status, selector::FieldTerm};
use comity_store::Entry;

use crate::{fields, frame::query::Query, registry::Resource};

/// Which objects of a resource are meant.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    labels: LabelSelector,
    fields: Vec<FieldTerm>,
    custom: bool,
}

impl Selection {
    /// Reads `labelSelector` and `fieldSelector`.
    ///
    /// # Errors
    /// 400: a selector cannot be read, or a field cannot be selected by.
    pub fn parse(resource: &Resource, query: &Query) -> Result<Self, Status> {
        let labels = LabelSelector::parse(query.get("labelSelector").unwrap_or("")).map_err(|e| Status::bad_request(e.0))?;
        let mut terms = FieldSelector::parse(query.get("fieldSelector").unwrap_or("")).map_err(|e| Status::bad_request(e.0))?.terms;
        for term in &mut terms {
            term.field =
                fields::canonical(resource, &term.field).ok_or_else(|| Status::bad_request(fields::unsupported(resource, &term.field)))?;
        }
        Ok(Self { labels, fields: terms, custom: resource.custom.is_some() })
    }

    /// Whether everything is meant.
    pub fn is_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// The name that is asked for, if exactly one can match.
    pub fn name(&self) -> Option<&str> {
        self.fields.iter().find(|t| t.equal && t.field == "metadata.name").map(|t| t.value.as_str())
    }

    /// Whether an object is meant.
    pub fn matches(&self, entry: &Entry) -> bool {
        self.labels.matches_with(|key| entry.facts.label(key)) && (self.fields.is_empty() || self.fields_match(entry))
    }

    fn fields_match(&self, entry: &Entry) -> bool {
        let mut parsed = None;
        self.fields.iter().all(|term| {
            let holds = match term.field.as_str() {
                "metadata.name" => *entry.key.name == *term.value,
                "metadata.namespace" => *entry.key.namespace == *term.value,
                field => match entry.facts.field(field) {
                    Some(value) => value == term.value,
                    None if self.custom => {
                        let object = parsed.get_or_insert_with(|| entry.object());
                        fields::value(&entry.key.resource, object, field) == term.value
                    }
                    None => term.value.is_empty(),
                },
            };
            holds == term.equal
        })
    }
}
