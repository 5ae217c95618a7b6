//! Options of mutating requests: dry run, field manager, field validation, force.

use comity_core::{FieldError, GroupKind, Status, json};

use crate::request::Request;

/// What happens with unknown and repeated fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped.
    Ignore,
    /// They are dropped with a warning.
    Warn,
    /// The request is refused.
    Strict,
}

/// Options of a create, update or patch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Nothing is stored.
    pub dry_run: bool,
    /// Who owns the fields: `fieldManager`, or the user agent up to its slash.
    pub manager: String,
    /// What happens with unknown and repeated fields.
    pub validation: FieldValidation,
    /// Apply takes fields from other managers.
    pub force: bool,
}

impl WriteOptions {
    /// Reads and checks the parameters; `kind` is the name of the options type in messages.
    ///
    /// # Errors
    /// 422, naming the parameter.
    pub fn parse(request: &Request, kind: &str, apply: bool) -> Result<Self, Status> {
        let query = &request.query;
        let mut errors = Vec::new();
        let dry_run: Vec<&str> = query.all("dryRun").filter(|v| !v.is_empty()).collect();
        if dry_run.iter().any(|v| *v != "All") {
            errors.push(FieldError::not_supported("dryRun", &json!(dry_run), &["All"]));
        }
        let manager = query.text("fieldManager");
        if let Some(manager) = manager {
            if manager.len() > 128 {
                errors.push(FieldError::too_long("fieldManager", 128));
            }
            if let Some(at) = manager.chars().position(char::is_control) {
                errors.push(FieldError::invalid(
                    "fieldManager",
                    &json!(manager),
                    &format!("invalid character at position {at}, should only contain printable characters"),
                ));
            }
        }
        let force = query.text("force");
        if apply && manager.is_none() {
            errors.push(FieldError::required("fieldManager", "is required for apply patch"));
        }
        if !apply && kind == "PatchOptions" && force.is_some() {
            errors.push(FieldError::forbidden("force", "may not be specified for non-apply patch"));
        }
        let validation = match query.text("fieldValidation") {
            None | Some("Warn") => FieldValidation::Warn,
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            Some(other) => {
                errors.push(FieldError::not_supported("fieldValidation", &json!(other), &["", "Ignore", "Strict", "Warn"]));
                FieldValidation::Warn
            }
        };
        if !errors.is_empty() {
            return Err(Status::invalid(&GroupKind { group: "meta.k8s.io".into(), kind: kind.into() }, "", &errors));
        }
        Ok(Self {
            dry_run: !dry_run.is_empty(),
            manager: manager.map_or_else(|| manager_of_agent(request.header("user-agent")), str::to_owned),
            validation,
            force: force.is_some() && query.flag("force"),
        })
    }
}

/// The user agent up to its first slash, printable characters only, at most 128 bytes.
fn manager_of_agent(agent: &str) -> String {
    let mut name: String = agent.split('/').next().unwrap_or("").chars().filter(|c| !c.is_control()).collect();
    while name.len() > 128 {
        name.pop();
    }
    name
}
