//! Certificates and tokens: authorities, server and client certificates, signed service account tokens.
