//! Who a client certificate stands for.

use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::PkiError;

/// A client as its certificate names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The common name.
    pub name: String,
    /// The organizations.
    pub groups: Vec<String>,
}

/// Reads the identity from a certificate. Whether the certificate can be trusted is the TLS server's business.
pub fn identity_of(certificate_der: &[u8]) -> Result<Identity, PkiError> {
    let unusable = |reason: String| PkiError::unusable("client certificate")(reason);
    let (_, certificate) = X509Certificate::from_der(certificate_der).map_err(|error| unusable(error.to_string()))?;
    let subject = certificate.subject();
    let text = |value: &x509_parser::x509::AttributeTypeAndValue<'_>| value.as_str().map(str::to_owned);
    let name = subject.iter_common_name().next().ok_or_else(|| unusable("it has no common name".into()))?;
    let name = text(name).map_err(|error| unusable(format!("its common name cannot be read: {error}")))?;
    let groups: Result<Vec<String>, _> = subject.iter_organization().map(text).collect();
    let groups = groups.map_err(|error| unusable(format!("an organization cannot be read: {error}")))?;
    if name.is_empty() {
        return Err(unusable("its common name is empty".into()));
    }
    Ok(Identity { name, groups })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_that_are_no_certificate_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(identity_of(&bytes).is_err());
        }
    }
}
