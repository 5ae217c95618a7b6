//! Conflicts between managers, and the answer that tells of them.

use comity_core::{Reason, Status};

use super::{
    entries::{Id, Operation},
    set::FieldSet,
};

/// The fields of one manager that an apply would change.
#[derive(Debug)]
pub(super) struct Conflict<'a> {
    pub with: Id<'a>,
    pub fields: FieldSet<'a>,
}

/// The 409 answer.
pub(super) fn to_status(mut conflicts: Vec<Conflict<'_>>) -> Status {
    let key = |c: &Conflict<'_>| (c.with.name.to_owned(), c.with.operation, c.with.api_version.to_owned(), c.with.subresource.to_owned());
    conflicts.sort_by_cached_key(key);
    let mut causes = Vec::new();
    let mut lines = Vec::new();
    for conflict in &conflicts {
        let manager = describe(&conflict.with);
        lines.push(format!("conflicts with {manager}:"));
        conflict.fields.each(&mut |path| {
            let path: String = path.iter().map(ToString::to_string).collect();
            lines.push(format!("- {path}"));
            causes.push((format!("conflict with {manager}"), path));
        });
    }
    let message = match causes.as_slice() {
        [(conflict, path)] => format!("Apply failed with 1 conflict: {conflict}: {path}"),
        many => format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n")),
    };
    causes.iter().fold(Status::new(Reason::Conflict, message), |status, (text, path)| status.with_cause("FieldManagerConflict", text, path))
}

fn describe(id: &Id<'_>) -> String {
    let mut text = format!("{:?}", id.name);
    if !id.subresource.is_empty() {
        text.push_str(&format!(" with subresource {:?}", id.subresource));
    }
    if id.operation == Operation::Update {
        text.push_str(&format!(" using {}", id.api_version));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict<'a>(name: &'a str, operation: Operation, paths: &[&[&'a str]]) -> Conflict<'a> {
        Conflict { with: Id { name, operation, api_version: "apps/v1", subresource: "" }, fields: FieldSet::of_fields(paths) }
    }

    #[test]
    fn one_conflict_is_told_in_one_line() {
        let status = to_status(vec![conflict("a", Operation::Update, &[&["spec", "replicas"]])]);
        assert_eq!(status.message, "Apply failed with 1 conflict: conflict with \"a\" using apps/v1: .spec.replicas");
        assert_eq!(status.code, 409);
        assert_eq!(
            status.details["causes"].to_string(),
            r#"[{"reason":"FieldManagerConflict","message":"conflict with \"a\" using apps/v1","field":".spec.replicas"}]"#
        );
    }

    #[test]
    fn several_conflicts_are_grouped_by_manager() {
        let both: &[&[&str]] = &[&["spec", "replicas"], &["spec", "paused"]];
        let status = to_status(vec![conflict("b", Operation::Apply, both), conflict("a", Operation::Update, both)]);
        assert_eq!(
            status.message,
            "Apply failed with 4 conflicts: conflicts with \"a\" using apps/v1:\n- .spec.paused\n- .spec.replicas\nconflicts with \"b\":\n- .spec.paused\n- .spec.replicas"
        );
    }
}
