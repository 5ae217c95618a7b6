//! Comparison with a real API server, request by request: the same script of requests is sent to both, answers are
//! brought into a form in which accidental values (uids, revisions, times, addresses) are equal, and differences are listed.
//!
//! The real server's answers are recorded (`cargo xtask record`), so that the comparison runs everywhere.

pub mod answer;
pub mod diff;
pub mod normal;
pub mod recording;
pub mod script;

pub use answer::Recorded;
pub use recording::Recording;
pub use script::Script;
