//! What can go wrong.

use std::path::{Path, PathBuf};

/// Why a certificate or key cannot be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// A file or directory operation failed.
    #[error("{doing} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On which file.
        path: PathBuf,
        /// How it failed.
        source: std::io::Error,
    },
    /// A file's content is not what it should be.
    #[error("{path}: {reason}; restore the file, or remove the directory to start with new keys", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A certificate or key that was handed over cannot be used.
    #[error("{what}: {reason}")]
    Unusable {
        /// Which certificate or key.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl PkiError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PkiError {
        move |source| PkiError::File { doing, path: path.to_owned(), source }
    }

    pub(crate) fn unusable(what: impl Into<String>) -> impl FnOnce(String) -> PkiError {
        move |reason| PkiError::Unusable { what: what.into(), reason }
    }

    /// The same problem, found in a file.
    pub(crate) fn in_file(self, path: &Path) -> PkiError {
        match self {
            PkiError::Unusable { reason, .. } => PkiError::Content { path: path.to_owned(), reason },
            other => other,
        }
    }
}

/// Why a token is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is no token of the expected form.
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// Somebody else signed it, or it was changed.
    #[error("the token has an invalid signature")]
    Signature,
    /// Its time is over.
    #[error("the token expired {seconds} seconds ago")]
    Expired {
        /// How long ago.
        seconds: u64,
    },
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// It cannot be signed.
    #[error("the token cannot be signed: {0}")]
    Signing(String),
}
