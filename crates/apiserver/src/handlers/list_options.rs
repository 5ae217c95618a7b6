//! Options of lists and watches, and the rules between them.

use comity_core::{FieldError, GroupKind, Reason, Status, json};

use crate::frame::query::Query;

/// How a revision bounds a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// The state is at least as new.
    NotOlderThan,
    /// Exactly the state of that revision.
    Exact,
}

/// Options of one list or watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// At most so many objects; 0 is no limit.
    pub limit: u64,
    /// Continue token.
    pub continue_token: Option<String>,
    /// Revision; nothing when unset.
    pub revision: Option<u64>,
    /// How the revision bounds; nothing when unset.
    pub matching: Option<Match>,
    /// Whether a watch begins with the present state; nothing when unset.
    pub send_initial_events: Option<bool>,
    /// Whether a watch wants bookmarks.
    pub bookmarks: bool,
    /// How long a watch lasts.
    pub timeout_seconds: Option<u64>,
}

impl ListOptions {
    /// Reads and checks the parameters.
    ///
    /// # Errors
    /// 400 for values that cannot be read, 422 for combinations that are not allowed.
    pub fn parse(query: &Query, watch: bool) -> Result<Self, Status> {
        let send_initial_events = query.text("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
        let mut errors = Vec::new();
        let text = query.text("resourceVersionMatch");
        let matching = match text {
            Some("Exact") => Some(Match::Exact),
            Some("NotOlderThan") => Some(Match::NotOlderThan),
            _ => None,
        };
        let continue_token = query.text("continue").map(str::to_owned);
        let version = query.text("resourceVersion");
        let forbidden = |detail: &str| FieldError::forbidden("resourceVersionMatch", detail);
        if watch {
            if send_initial_events.is_some() && matching != Some(Match::NotOlderThan) {
                errors.push(forbidden("sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
            }
            if let Some(text) = text {
                if send_initial_events.is_none() {
                    errors.push(forbidden("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
                }
                if text != "NotOlderThan" {
                    errors.push(FieldError::not_supported("resourceVersionMatch", &json!(text), &["NotOlderThan"]));
                }
                if continue_token.is_some() {
                    errors.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
                }
            }
        } else {
            if let Some(text) = text {
                if version.is_none() {
                    errors.push(forbidden("resourceVersionMatch is forbidden unless resourceVersion is provided"));
                }
                if continue_token.is_some() {
                    errors.push(forbidden("resourceVersionMatch is forbidden when continue is provided"));
                }
                if matching.is_none() {
                    errors.push(FieldError::not_supported("resourceVersionMatch", &json!(text), &["Exact", "NotOlderThan", ""]));
                }
                if matching == Some(Match::Exact) && version == Some("0") {
                    errors.push(forbidden("resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
                }
            }
            if send_initial_events.is_some() {
                errors.push(FieldError::forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
            }
        }
        let revision = match version {
            None => None,
            Some(text) => match revision(text) {
                Some(revision) => Some(revision),
                None if watch => {
                    return Err(Status {
                        message: not_a_revision(text).message.replacen("invalid resource version: ", "", 1),
                        ..Status::new(Reason::Unknown, "")
                    });
                }
                None => return Err(not_a_revision(text)),
            },
        };
        if !errors.is_empty() {
            return Err(Status::invalid(&GroupKind { group: "meta.k8s.io".into(), kind: "ListOptions".into() }, "", &errors));
        }
        Ok(Self {
            limit: number(query, "limit")?.unwrap_or(0),
            continue_token,
            revision,
            matching,
            send_initial_events,
            bookmarks: query.flag("allowWatchBookmarks"),
            timeout_seconds: number(query, "timeoutSeconds")?.filter(|s| *s > 0),
        })
    }
}

/// 400 for a resourceVersion that is none.
pub fn not_a_revision(text: &str) -> Status {
    let why = format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
    Status::bad_request(format!("invalid resource version: {why}"))
}

/// A resourceVersion's number.
pub fn revision(text: &str) -> Option<u64> {
    (text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))).then(|| text.parse().ok())?
}

fn number(query: &Query, key: &str) -> Result<Option<u64>, Status> {
    match query.text(key) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) => Ok(Some(u64::try_from(number).unwrap_or(0))),
            Err(_) => Err(Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forbidden_combinations_are_named() {
        let message = |query: &str, watch| match ListOptions::parse(&Query::parse(query), watch) {
            Ok(_) => "ok".to_owned(),
            Err(status) => format!("{} {}", status.code, status.message),
        };
        let table = [
            ("limit=5&continue=x", false),
            ("limit=x", false),
            ("resourceVersion=01", false),
            ("resourceVersionMatch=Exact", false),
            ("resourceVersionMatch=Exact&resourceVersion=0", false),
            ("resourceVersionMatch=Foo&resourceVersion=5", false),
            ("sendInitialEvents=true", false),
            ("sendInitialEvents=true", true),
            ("sendInitialEvents=true&resourceVersionMatch=NotOlderThan", true),
            ("resourceVersionMatch=NotOlderThan", true),
        ];
        let lines: Vec<String> = table.iter().map(|(q, w)| format!("{q} watch={w}: {}", message(q, *w))).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
