//! Errors of the command line: what failed, why, what to do next, and the exit status.

use std::fmt;

/// Exit statuses; documented in the reference and kept stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything was done.
    Success = 0,
    /// Something failed.
    Failure = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// What was asked for does not exist.
    NotFound = 3,
    /// Not authenticated or not allowed.
    Denied = 4,
    /// Some clusters failed, others answered.
    Partial = 5,
    /// A condition did not come true in time.
    Timeout = 6,
    /// Somebody else changed it meanwhile, or it is in use.
    Conflict = 7,
    /// There is a difference.
    Difference = 8,
}

/// A failure that a person reads.
#[derive(Debug)]
pub struct CliError {
    /// What failed, as a sentence fragment without a final stop.
    pub what: String,
    /// Why, from the outside in.
    pub causes: Vec<String>,
    /// The next command or step.
    pub hint: Option<String>,
    /// Exit status.
    pub exit: Exit,
}

/// Result of a command.
pub type CliResult<T = ()> = Result<T, CliError>;

impl CliError {
    /// A plain failure.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), causes: Vec::new(), hint: None, exit: Exit::Failure }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Self {
        self.causes.push(cause.to_string());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit status.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

/// `error: …`, `  cause: …`, `hint: …`, each on its line.
impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for cause in &self.causes {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl From<anyhow::Error> for CliError {
    fn from(error: anyhow::Error) -> Self {
        let mut chain = error.chain().map(ToString::to_string);
        let mut made = CliError::new(chain.next().unwrap_or_default());
        made.causes = chain.collect();
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The match makes a new variant a compile error until its meaning is written here, and so in the reference.
    fn meaning(exit: Exit) -> &'static str {
        match exit {
            Exit::Success => "success",
            Exit::Failure => "failure",
            Exit::Usage => "the command line cannot be understood",
            Exit::NotFound => "what was asked for does not exist",
            Exit::Denied => "not authenticated or not allowed",
            Exit::Partial => "partial: some clusters failed, others answered",
            Exit::Timeout => "a condition did not come true in time",
            Exit::Conflict => "conflict: somebody else changed it, or it is in use",
            Exit::Difference => "a difference, or something that should not be, was found",
        }
    }

    #[test]
    fn the_reference_names_every_exit_status() {
        use Exit::*;
        let reference = include_str!("../../../docs/reference/exit-codes.md");
        let rows: Vec<&str> = reference.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| status")).collect();
        let all = [Success, Failure, Usage, NotFound, Denied, Partial, Timeout, Conflict, Difference];
        let expected: Vec<String> = all.iter().map(|exit| format!("| {} | {} |", *exit as u8, meaning(*exit))).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_person_reads_what_why_and_what_next() {
        let error = CliError::new("cannot reach the hub").because("connection refused").hint("start it with `comity demo`");
        assert_eq!(error.to_string(), "error: cannot reach the hub\n  cause: connection refused\nhint: start it with `comity demo`");
    }
}
