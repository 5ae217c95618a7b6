//! Certificate authorities and what they issue.

use std::net::IpAddr;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::PkiError;
use crate::files;
use crate::subject;

const DAY: Duration = Duration::from_secs(24 * 3600);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);
const LEAF_LIFE: Duration = DAY.saturating_mul(365);
/// What is issued is issued anew when so much of its life has passed.
pub const RENEW_AFTER: Duration = DAY.saturating_mul(240);
/// Clocks of other machines may be behind.
const BACKDATE: Duration = Duration::from_secs(3600);

const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";

/// A certificate authority with its key (EC P-256). Its own certificate lives ten years, what it issues one.
pub struct Authority {
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
    expires: SystemTime,
}

/// A certificate and its private key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// Its private key (PKCS #8).
    pub key_pem: String,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority that is kept in memory only.
    pub fn new(common_name: &str) -> Result<Authority, PkiError> {
        Authority::new_at(common_name, SystemTime::now())
    }

    /// The same at a given time.
    pub fn new_at(common_name: &str, now: SystemTime) -> Result<Authority, PkiError> {
        let mut params = parameters(common_name, &[], AUTHORITY_LIFE, now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
        let key = new_key(common_name)?;
        let certificate = params.self_signed(&key).map_err(|error| unusable(common_name, &error))?;
        Authority::from_pem(&certificate.pem(), &key.serialize_pem())
    }

    /// A new authority in a directory, which must not have one yet.
    pub fn create(directory: &Path, common_name: &str) -> Result<Authority, PkiError> {
        files::directory(directory)?;
        let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
        for path in [&certificate, &key] {
            if files::exists(path)? {
                let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "an authority is there already");
                return Err(PkiError::File { doing: "creating", path: path.clone(), source });
            }
        }
        let authority = Authority::new(common_name)?;
        files::write(&key, &authority.key_pem)?;
        // The certificate comes last: with it the authority is complete.
        files::write(&certificate, &authority.certificate_pem)?;
        Ok(authority)
    }

    /// The authority of a directory.
    pub fn load(directory: &Path) -> Result<Authority, PkiError> {
        let path = directory.join(CERTIFICATE);
        let certificate = files::read(&path)?;
        let key = files::read(&directory.join(KEY))?;
        Authority::from_pem(&certificate, &key).map_err(|error| error.in_file(&path))
    }

    /// The authority of a directory, made when there is none.
    pub fn load_or_create(directory: &Path, common_name: &str) -> Result<Authority, PkiError> {
        if files::exists(&directory.join(CERTIFICATE))? {
            return Authority::load(directory);
        }
        // A key without a certificate is what a crash while creating leaves; nothing was issued with it.
        if files::exists(&directory.join(KEY))? {
            std::fs::remove_file(directory.join(KEY)).map_err(PkiError::file("removing", &directory.join(KEY)))?;
        }
        Authority::create(directory, common_name)
    }

    /// An authority of its certificate and key.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Authority, PkiError> {
        const WHAT: &str = "certificate authority";
        let problem = |reason: String| PkiError::unusable(WHAT)(reason);
        let key = KeyPair::from_pem(key_pem).map_err(|error| problem(format!("its key cannot be read: {error}")))?;
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| problem(format!("its certificate cannot be read: {error}")))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| problem(format!("its certificate cannot be read: {error}")))?;
        if !parsed.is_ca() {
            return Err(problem("the certificate is not one of an authority".into()));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(problem("the key belongs to another certificate".into()));
        }
        let expires = UNIX_EPOCH + Duration::from_secs(u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0));
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| unusable(WHAT, &error))?;
        Ok(Authority { certificate_pem: certificate_pem.to_owned(), key_pem: key_pem.to_owned(), issuer, expires })
    }

    /// The authority's certificate: what clients trust.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's private key, for storing it elsewhere.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// When the authority's certificate ends.
    pub fn expires(&self) -> SystemTime {
        self.expires
    }

    /// A certificate for a server that is reached by these names and addresses. The first one is its common name.
    pub fn issue_server(&self, dns_names: &[&str], addresses: &[IpAddr]) -> Result<Issued, PkiError> {
        self.issue_server_at(dns_names, addresses, SystemTime::now())
    }

    /// The same at a given time.
    pub fn issue_server_at(&self, dns_names: &[&str], addresses: &[IpAddr], now: SystemTime) -> Result<Issued, PkiError> {
        let first = dns_names.first().map(|name| (*name).to_owned()).or(addresses.first().map(ToString::to_string));
        let common_name = first.ok_or_else(|| PkiError::unusable("server certificate")("it needs a name or an address".into()))?;
        let mut params = parameters(&common_name, &[], LEAF_LIFE, now);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for name in dns_names {
            let dns = (*name).try_into().map_err(|error| unusable(name, &error))?;
            params.subject_alt_names.push(SanType::DnsName(dns));
        }
        params.subject_alt_names.extend(addresses.iter().map(|address| SanType::IpAddress(*address)));
        self.issue(params, &common_name)
    }

    /// A certificate for a client: the common name is the user, the organizations are its groups.
    pub fn issue_client(&self, common_name: &str, organizations: &[&str]) -> Result<Issued, PkiError> {
        self.issue_client_at(common_name, organizations, SystemTime::now())
    }

    /// The same at a given time.
    pub fn issue_client_at(&self, common_name: &str, organizations: &[&str], now: SystemTime) -> Result<Issued, PkiError> {
        let mut params = parameters(common_name, organizations, LEAF_LIFE, now);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let issued = self.issue(params, common_name)?;
        if organizations.len() < 2 {
            return Ok(issued);
        }
        let problem = |reason: String| PkiError::unusable(common_name)(reason);
        let der = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).map_err(|error| problem(error.to_string()))?;
        let der = subject::with_subject(&der, common_name, organizations, self.issuer.key()).map_err(problem)?;
        Ok(Issued { certificate_pem: pem("CERTIFICATE", &der), ..issued })
    }

    fn issue(&self, mut params: CertificateParams, what: &str) -> Result<Issued, PkiError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = new_key(what)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| unusable(what, &error))?;
        Ok(Issued { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

impl Issued {
    /// Writes `<name>.crt` and `<name>.key` into a directory.
    pub fn save(&self, directory: &Path, name: &str) -> Result<(), PkiError> {
        files::directory(directory)?;
        files::write(&directory.join(format!("{name}.key")), &self.key_pem)?;
        files::write(&directory.join(format!("{name}.crt")), &self.certificate_pem)
    }

    /// Reads what [`Issued::save`] wrote.
    pub fn load(directory: &Path, name: &str) -> Result<Issued, PkiError> {
        let certificate_pem = files::read(&directory.join(format!("{name}.crt")))?;
        let key_pem = files::read(&directory.join(format!("{name}.key")))?;
        Ok(Issued { certificate_pem, key_pem })
    }
}

/// With at most the first of the organizations.
fn parameters(common_name: &str, organizations: &[&str], life: Duration, now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organizations.first() {
        subject.push(DnType::OrganizationName, *organization);
    }
    subject.push(DnType::CommonName, common_name);
    params.distinguished_name = subject;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(BACKDATE);
    params.not_after = epoch + now + life;
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for start in (0..text.len()).step_by(64) {
        out.push_str(text.get(start..text.len().min(start + 64)).unwrap_or_default());
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

fn new_key(what: &str) -> Result<KeyPair, PkiError> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(|error| unusable(what, &error))
}

fn unusable(what: &str, error: &rcgen::Error) -> PkiError {
    PkiError::unusable(what)(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Identity, identity_of};

    fn der(issued: &Issued) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap()
    }

    #[test]
    fn an_authority_is_the_same_after_loading() {
        let directory = tempfile::tempdir().unwrap();
        let made = Authority::load_or_create(directory.path(), "test-ca").unwrap();
        let loaded = Authority::load_or_create(directory.path(), "ignored").unwrap();
        assert_eq!(made.certificate_pem(), loaded.certificate_pem());
        assert!(loaded.expires() > SystemTime::now() + DAY * 3649);
        let again = Authority::create(directory.path(), "test-ca").unwrap_err().to_string();
        assert!(again.contains("ca.crt"), "{again}");
    }

    #[test]
    fn a_key_of_another_authority_is_noticed_and_the_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        Authority::create(directory.path(), "one").unwrap();
        std::fs::write(directory.path().join(KEY), Authority::new("two").unwrap().key_pem()).unwrap();
        let error = Authority::load(directory.path()).unwrap_err().to_string();
        assert!(error.contains("ca.crt") && error.contains("belongs to another certificate"), "{error}");
    }

    #[test]
    fn a_crash_while_creating_is_made_good() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(KEY), "half").unwrap();
        Authority::load_or_create(directory.path(), "test-ca").unwrap();
    }

    #[test]
    fn client_certificates_name_user_and_groups() {
        let authority = Authority::new("test-ca").unwrap();
        let issued = authority.issue_client("jane", &["system:masters", "dev"]).unwrap();
        let identity = identity_of(&der(&issued)).unwrap();
        assert_eq!(identity, Identity { name: "jane".into(), groups: vec!["system:masters".into(), "dev".into()] });
    }

    #[test]
    fn server_certificates_carry_names_and_addresses_and_live_a_year() {
        let authority = Authority::new("test-ca").unwrap();
        let issued = authority.issue_server(&["hub", "localhost"], &["127.0.0.1".parse().unwrap()]).unwrap();
        let der = der(&issued);
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
        assert_eq!(names.len(), 3);
        let days = (parsed.validity().not_after.timestamp() - parsed.validity().not_before.timestamp()) / 86400;
        assert_eq!(days, 365);
        assert!(authority.issue_server(&[], &[]).is_err());
        let directory = tempfile::tempdir().unwrap();
        issued.save(directory.path(), "server").unwrap();
        assert_eq!(Issued::load(directory.path(), "server").unwrap().key_pem, issued.key_pem);
    }
}
