//! From a cluster's spec and its Secret to a client.

use base64::{Engine, prelude::BASE64_STANDARD};
use comity_api_kubefed::{cluster::ClusterSpec, endpoint};
use comity_core::{Value, json, object};
use comity_lane::{ClusterClient, client::wire};
use rustls_pki_types::{CertificateDer, pem::PemObject};

/// A client for a member, from its `KubeFedCluster` and the Secret that it names.
///
/// # Errors
/// Something in the two cannot be used; the text names the field.
pub fn client_of(cluster: &Value, secret: Option<&Value>) -> Result<ClusterClient, String> {
    let read = comity_api_kubefed::KubeFedCluster::read(cluster).map_err(|e| e.to_string())?;
    if read.spec.mode == "Pull" {
        return Err("mode Pull: members that dial in cannot be used so far".to_owned());
    }
    client(&read.spec, &token(secret, &read.spec.secret_ref.name)?)
}

/// The token in a Secret.
///
/// # Errors
/// The Secret does not exist, or holds no readable token.
pub(crate) fn token(secret: Option<&Value>, name: &str) -> Result<String, String> {
    let secret = secret.ok_or_else(|| format!("the Secret {name:?} that secretRef names does not exist"))?;
    let data = object::str_at(secret, &["data", "token"]);
    let bytes = BASE64_STANDARD.decode(data).map_err(|_| format!("the token in the Secret {name:?} is not base64"))?;
    let token = String::from_utf8(bytes).map_err(|_| format!("the token in the Secret {name:?} is not text"))?;
    let token = token.trim();
    if token.is_empty() { Err(format!("the Secret {name:?} has no key \"token\"")) } else { Ok(token.to_owned()) }
}

/// A client for the cluster.
///
/// # Errors
/// Something in the spec cannot be used; the text names the field.
pub(crate) fn client(spec: &ClusterSpec, token: &str) -> Result<ClusterClient, String> {
    let url = endpoint::url(&spec.api_endpoint).map_err(|why| format!("apiEndpoint {:?}: {why}", spec.api_endpoint))?;
    let mut config = kube::Config::new(url.parse().map_err(|e| format!("apiEndpoint {url:?}: {e}"))?);
    config.default_retry = false;
    config.root_cert = roots(spec.ca_bundle.as_deref().unwrap_or_default())?;
    match spec.disabled_tls_validations.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {}
        ["*"] => config.accept_invalid_certs = true,
        other => return Err(format!("disabledTLSValidations {other:?}: only \"*\" can be used so far")),
    }
    if !spec.proxy_url.is_empty() {
        return Err(format!("proxyURL {:?}: proxies cannot be used so far", spec.proxy_url));
    }
    config.auth_info = serde_json::from_value(json!({"token": token})).map_err(|e| format!("the token cannot be used: {e}"))?;
    wire::client(&config).map(ClusterClient::new).map_err(|e| e.to_string())
}

fn roots(bundle: &str) -> Result<Option<Vec<Vec<u8>>>, String> {
    if bundle.is_empty() {
        return Ok(None);
    }
    let pem = BASE64_STANDARD.decode(bundle).map_err(|_| "caBundle: not base64".to_owned())?;
    let certificates: Result<Vec<Vec<u8>>, String> = CertificateDer::pem_slice_iter(&pem)
        .map(|certificate| certificate.map(|c| c.to_vec()).map_err(|e| format!("caBundle: {e}")))
        .collect();
    match certificates? {
        none if none.is_empty() => Err("caBundle: holds no PEM certificate".to_owned()),
        some => Ok(Some(some)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(value: Value) -> ClusterSpec {
        serde_json::from_value(value).unwrap()
    }

    fn error(value: Value) -> String {
        client(&spec(value), "t").map(drop).unwrap_err()
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        insta::assert_snapshot!([
            error(json!({"apiEndpoint": "ftp://x"})),
            error(json!({"apiEndpoint": "h", "caBundle": "?"})),
            error(json!({"apiEndpoint": "h", "caBundle": "eA=="})),
            error(json!({"apiEndpoint": "h", "proxyURL": "http://p"})),
            error(json!({"apiEndpoint": "h", "disabledTLSValidations": ["SubjectName"]})),
        ].join("\n"), @r#"
        apiEndpoint "ftp://x": scheme "ftp" is not supported, use http or https
        caBundle: not base64
        caBundle: holds no PEM certificate
        proxyURL "http://p": proxies cannot be used so far
        disabledTLSValidations ["SubjectName"]: only "*" can be used so far
        "#);
    }

    #[test]
    fn a_token_is_read_from_its_secret() {
        assert_eq!(token(Some(&json!({"data": {"token": "YWJj"}})), "s").as_deref(), Ok("abc"));
        assert!(token(None, "s").unwrap_err().contains("does not exist"));
        assert!(token(Some(&json!({"data": {}})), "s").unwrap_err().contains("no key"));
    }
}
