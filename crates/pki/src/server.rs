//! The TLS side of a server.

use std::sync::{Arc, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::authority::Issued;
use crate::error::PkiError;

/// A TLS server: its certificate, and the authorities whose clients it knows. Clients without a certificate are
/// let in, for they may bring a token; a certificate of somebody else is refused.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    shown: Arc<Shown>,
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // nothing can panic while the lock is held
        self.0.read().ok().map(|shown| shown.clone())
    }
}

fn certified(certificate: &Issued) -> Result<Arc<CertifiedKey>, PkiError> {
    let problem = |reason: String| PkiError::unusable("server certificate")(reason);
    let chain = certificates(&certificate.certificate_pem).map_err(problem)?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())
        .map_err(|error| problem(format!("its key cannot be read: {error}")))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key, &provider).map(Arc::new).map_err(|error| problem(error.to_string()))
}

impl ServerTls {
    /// A server with this certificate, which may be followed by intermediate ones. `client_ca_pem` holds the
    /// certificates of one or more authorities.
    pub fn new(certificate: &Issued, client_ca_pem: Option<&str>) -> Result<ServerTls, PkiError> {
        let problem = |reason: String| PkiError::unusable("server certificate")(reason);
        let shown = Arc::new(Shown(RwLock::new(certified(certificate)?)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = match client_ca_pem {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(pem) => {
                let problem = |reason: String| PkiError::unusable("client certificate authority")(reason);
                let mut roots = RootCertStore::empty();
                for certificate in certificates(pem).map_err(problem)? {
                    roots.add(certificate).map_err(|error| problem(error.to_string()))?;
                }
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
                builder.allow_unauthenticated().build().map_err(|error| problem(error.to_string()))?
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| problem(error.to_string()))?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(ServerTls { config: Arc::new(config), shown })
    }

    /// Shows another certificate to whoever connects from now on; connections that exist go on.
    ///
    /// # Errors
    /// The certificate or its key cannot be used; the one before stays.
    pub fn replace(&self, certificate: &Issued) -> Result<(), PkiError> {
        let certified = certified(certificate)?;
        if let Ok(mut shown) = self.shown.0.write() {
            *shown = certified;
        }
        Ok(())
    }

    /// The configuration for accepting connections; offers HTTP/2 and HTTP/1.1.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|error| format!("it cannot be read: {error}"))?;
    if found.is_empty() {
        return Err("it holds no certificate".into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use rustls::time_provider::TimeProvider;
    use rustls::{ClientConfig, ClientConnection, ServerConnection};
    use rustls_pki_types::UnixTime;

    use super::*;
    use crate::authority::Authority;
    use crate::identity::identity_of;

    fn client(authority: &Authority, certificate: Option<&Issued>) -> ClientConnection {
        let mut roots = RootCertStore::empty();
        roots.add(certificates(authority.certificate_pem()).unwrap().remove(0)).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(issued) => builder
                .with_client_auth_cert(
                    certificates(&issued.certificate_pem).unwrap(),
                    PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap(),
                )
                .unwrap(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        ClientConnection::new(Arc::new(config), "hub.local".try_into().unwrap()).unwrap()
    }

    /// Carries bytes both ways until nobody has more to say.
    fn shake(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
        while client.wants_write() || server.wants_write() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            let mut bytes = Vec::new();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        Ok(())
    }

    fn server(authority: &Authority) -> ServerConnection {
        let issued = authority.issue_server(&["hub.local"], &[]).unwrap();
        let tls = ServerTls::new(&issued, Some(authority.certificate_pem())).unwrap();
        ServerConnection::new(tls.config()).unwrap()
    }

    #[test]
    fn a_client_with_a_certificate_is_known_by_it() {
        let authority = Authority::new("test-ca").unwrap();
        let jane = authority.issue_client("jane", &["dev", "ops", "system:masters"]).unwrap();
        let (mut client, mut server) = (client(&authority, Some(&jane)), server(&authority));
        shake(&mut client, &mut server).unwrap();
        assert!(!server.is_handshaking());
        assert_eq!(server.alpn_protocol(), Some(&b"h2"[..]));
        let identity = identity_of(&server.peer_certificates().unwrap()[0]).unwrap();
        assert_eq!((identity.name.as_str(), identity.groups.join(" ").as_str()), ("jane", "dev ops system:masters"));
    }

    #[test]
    fn a_client_without_a_certificate_is_let_in() {
        let authority = Authority::new("test-ca").unwrap();
        let (mut client, mut server) = (client(&authority, None), server(&authority));
        shake(&mut client, &mut server).unwrap();
        assert!(!server.is_handshaking() && server.peer_certificates().is_none());
    }

    #[test]
    fn a_certificate_of_another_authority_is_refused() {
        let (authority, other) = (Authority::new("test-ca").unwrap(), Authority::new("test-ca").unwrap());
        let mallory = other.issue_client("jane", &["system:masters"]).unwrap();
        let (mut client, mut server) = (client(&authority, Some(&mallory)), server(&authority));
        assert!(shake(&mut client, &mut server).is_err());
    }

    #[test]
    fn a_server_certificate_is_no_client_certificate() {
        let authority = Authority::new("test-ca").unwrap();
        let stolen = authority.issue_server(&["other"], &[]).unwrap();
        let (mut client, mut server) = (client(&authority, Some(&stolen)), server(&authority));
        assert!(shake(&mut client, &mut server).is_err());
    }

    /// A client whose clock shows another time.
    #[derive(Debug)]
    struct At(SystemTime);

    impl TimeProvider for At {
        fn current_time(&self) -> Option<UnixTime> {
            self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
        }
    }

    fn connects_at(authority: &Authority, tls: &ServerTls, now: SystemTime) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(certificates(authority.certificate_pem()).unwrap().remove(0)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_details(provider, Arc::new(At(now))).with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), "hub.local".try_into().unwrap()).unwrap();
        let mut server = ServerConnection::new(tls.config()).unwrap();
        let mut bytes = Vec::new();
        while client.wants_write() || server.wants_write() {
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut std::mem::take(&mut bytes).as_slice()).unwrap();
            if server.process_new_packets().is_err() {
                return false;
            }
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut std::mem::take(&mut bytes).as_slice()).unwrap();
            if client.process_new_packets().is_err() {
                return false;
            }
        }
        !client.is_handshaking()
    }

    const DAYS: fn(u64) -> Duration = |days| Duration::from_secs(days * 86_400);

    #[test]
    fn a_hub_that_was_off_for_thirty_days_is_trusted_when_it_starts_again() {
        let begin = SystemTime::now();
        for off in [30, 300, 3500] {
            let folder = tempfile::tempdir().unwrap();
            let known = Authority::load_or_create(folder.path(), "hub-ca").unwrap();
            let now = begin + DAYS(off);
            // the start after the pause: the same authority, a new certificate
            let authority = Authority::load_or_create(folder.path(), "hub-ca").unwrap();
            let tls = ServerTls::new(&authority.issue_server_at(&["hub.local"], &[], now).unwrap(), None).unwrap();
            assert!(connects_at(&known, &tls, now), "off for {off} days");
            // not every client judges the authority's own end; those that do are content too
            assert!(authority.expires() > now, "off for {off} days");
        }
    }

    #[test]
    fn a_certificate_is_replaced_while_the_server_runs_before_it_ends() {
        let authority = Authority::new("hub-ca").unwrap();
        let begin = SystemTime::now();
        let issue = |at| authority.issue_server_at(&["hub.local"], &[], at).unwrap();
        let tls = ServerTls::new(&issue(begin), None).unwrap();
        let due = begin + crate::RENEW_AFTER;
        assert!(connects_at(&authority, &tls, due), "it still counts when it is renewed");
        assert!(!connects_at(&authority, &tls, begin + DAYS(366)));
        tls.replace(&issue(due)).unwrap();
        assert!(connects_at(&authority, &tls, begin + DAYS(366)));
        let broken = Issued { certificate_pem: "x".into(), key_pem: "y".into() };
        assert!(tls.replace(&broken).is_err());
        assert!(connects_at(&authority, &tls, begin + DAYS(366)), "the one before stays");
    }

    #[test]
    fn what_is_no_certificate_says_so() {
        let issued = Issued { certificate_pem: String::new(), key_pem: String::new() };
        let error = ServerTls::new(&issued, None).err().unwrap().to_string();
        assert_eq!(error, "server certificate: it holds no certificate");
    }
}
