//! Certificates and tokens: authorities, server and client certificates, signed service account tokens.
//!
//! - [`Authority`] issues server and client certificates; [`Issued`] is a certificate with its key.
//! - [`ServerTls`] is a TLS server that may know its clients by certificate; [`identity_of`] says who they are.
//! - [`TokenSigner`] signs and verifies service account tokens.
//!
//! Files are PEM, readable by their owner alone, and replaced as a whole.

mod authority;
mod error;
mod files;
mod identity;
mod random;
mod server;
mod subject;
mod tokens;

pub use authority::{Authority, Issued, RENEW_AFTER};
pub use error::{PkiError, TokenError};
pub use identity::{Identity, identity_of};
pub use random::random_token;
pub use server::ServerTls;
pub use tokens::TokenSigner;
