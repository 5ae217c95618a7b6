//! Client certificates: the common name is the user, the organizations are the groups.

use sha2::{Digest, Sha256};

use super::service_account::CREDENTIAL_ID;
use crate::user::User;

/// The user that a verified certificate (DER) stands for; nothing when it names nobody.
pub fn user(certificate: &[u8]) -> Option<User> {
    let identity = comity_pki::identity_of(certificate).ok()?;
    let groups: Vec<&str> = identity.groups.iter().map(String::as_str).collect();
    let mut user = User::new(&identity.name, &groups);
    let fingerprint: String = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect();
    user.extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("X509SHA256={fingerprint}")]);
    Some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_organizations_become_user_and_groups() {
        let authority = comity_pki::Authority::new("test").unwrap();
        let issued = authority.issue_client("alice", &["devs", "ops"]).unwrap();
        let body: String = issued.certificate_pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = crate::authn::decoded(&body).unwrap();
        let user = user(&der).unwrap();
        assert_eq!(user.name, "alice");
        assert_eq!(user.groups, ["devs", "ops", "system:authenticated"]);
        assert!(user.extra[CREDENTIAL_ID][0].starts_with("X509SHA256="));
    }

    #[test]
    fn garbage_names_nobody() {
        assert_eq!(user(b"not a certificate"), None);
    }
}
