//! Service account tokens: JWTs signed with ES256.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PublicKeyData};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{PkiError, TokenError};
use crate::files;

const FILE: &str = "token-signing.key";

/// Signs and verifies tokens with one EC P-256 key.
pub struct TokenSigner {
    encoding: EncodingKey,
    decoding: DecodingKey,
    header: Header,
    jwks: Value,
    key_pem: String,
    public_pem: String,
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenSigner").field("key_id", &self.header.kid).finish_non_exhaustive()
    }
}

impl TokenSigner {
    /// A signer with a new key that is kept in memory only.
    pub fn new() -> Result<TokenSigner, PkiError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256);
        TokenSigner::of_key(&key.map_err(|error| PkiError::unusable("token key")(error.to_string()))?)
    }

    /// The signer of a directory, made when there is none.
    pub fn load_or_create(directory: &Path) -> Result<TokenSigner, PkiError> {
        let path = directory.join(FILE);
        if files::exists(&path)? {
            return TokenSigner::from_pem(&files::read(&path)?).map_err(|error| error.in_file(&path));
        }
        let signer = TokenSigner::new()?;
        files::directory(directory)?;
        files::write(&path, &signer.key_pem)?;
        Ok(signer)
    }

    /// The signer of a private key (PKCS #8).
    pub fn from_pem(key_pem: &str) -> Result<TokenSigner, PkiError> {
        let key = KeyPair::from_pem(key_pem).map_err(|error| PkiError::unusable("token key")(error.to_string()))?;
        TokenSigner::of_key(&key)
    }

    fn of_key(key: &KeyPair) -> Result<TokenSigner, PkiError> {
        let problem = |reason: &str| PkiError::unusable("token key")(reason.to_owned());
        // An uncompressed point: a marker and two coordinates of 32 bytes.
        let (x, y) = match key.public_key_raw().split_first() {
            Some((4, point)) if point.len() == 64 => point.split_at(32),
            _ => return Err(problem("it is not an EC P-256 key")),
        };
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(key.subject_public_key_info()));
        let key_pem = key.serialize_pem();
        let encoding = EncodingKey::from_ec_pem(key_pem.as_bytes()).map_err(|error| problem(&error.to_string()))?;
        let decoding = DecodingKey::from_ec_components(&x, &y).map_err(|error| problem(&error.to_string()))?;
        let mut header = Header::new(Algorithm::ES256);
        header.typ = None;
        header.kid = Some(id.clone());
        let jwks = json!({"keys": [{"use": "sig", "kty": "EC", "kid": id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}]});
        Ok(TokenSigner { encoding, decoding, header, jwks, key_pem, public_pem: key.public_key_pem() })
    }

    /// Signs claims as they are.
    pub fn sign(&self, claims: &Value) -> Result<String, TokenError> {
        jsonwebtoken::encode(&self.header, claims, &self.encoding).map_err(|error| TokenError::Signing(error.to_string()))
    }

    /// The claims of a token that this signer signed and whose time (`nbf`, `exp`, where it has them) is now. Issuer,
    /// audience and subject are the caller's to judge.
    pub fn verify(&self, token: &str) -> Result<Value, TokenError> {
        self.verify_at(token, SystemTime::now())
    }

    /// The same at a given time.
    pub fn verify_at(&self, token: &str, now: SystemTime) -> Result<Value, TokenError> {
        let mut rules = Validation::new(Algorithm::ES256);
        rules.required_spec_claims.clear();
        rules.validate_aud = false;
        // Times are judged below: a token without an end is allowed, and the caller's clock counts.
        rules.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Value>(token, &self.decoding, &rules).map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
            _ => TokenError::Malformed(error.to_string()),
        })?;
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if let Some(end) = time(&decoded.claims, "exp")?
            && end <= now
        {
            return Err(TokenError::Expired { seconds: now - end });
        }
        if time(&decoded.claims, "nbf")?.is_some_and(|start| start > now) {
            return Err(TokenError::NotYet);
        }
        Ok(decoded.claims)
    }

    /// The JSON web key set with which others can verify the tokens.
    pub fn jwks(&self) -> &Value {
        &self.jwks
    }

    /// The public key.
    pub fn public_key_pem(&self) -> &str {
        &self.public_pem
    }
}

/// A time claim in seconds; fractions are cut off.
fn time(claims: &Value, name: &str) -> Result<Option<u64>, TokenError> {
    let malformed = || TokenError::Malformed(format!("claim {name} is not a time"));
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            value.as_u64().or_else(|| value.as_f64().filter(|time| *time >= 0.0).map(|time| time as u64)).ok_or_else(malformed).map(Some)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn claims_come_back_as_signed() {
        let signer = TokenSigner::new().unwrap();
        let claims =
            json!({"iss": "https://hub", "aud": ["a", "b"], "sub": "system:serviceaccount:ns:sa", "kubernetes.io": {"namespace": "ns"}});
        let token = signer.sign(&claims).unwrap();
        assert_eq!(signer.verify(&token), Ok(claims));
        let header = jsonwebtoken::decode_header(&token).unwrap();
        assert_eq!((header.alg, header.kid.as_deref()), (Algorithm::ES256, signer.jwks()["keys"][0]["kid"].as_str()));
    }

    #[test]
    fn a_token_counts_from_its_start_until_its_end() {
        let signer = TokenSigner::new().unwrap();
        let token = signer.sign(&json!({"nbf": 100, "exp": 200})).unwrap();
        assert_eq!(signer.verify_at(&token, at(99)), Err(TokenError::NotYet));
        assert!(signer.verify_at(&token, at(100)).is_ok());
        assert!(signer.verify_at(&token, at(199)).is_ok());
        assert_eq!(signer.verify_at(&token, at(207)), Err(TokenError::Expired { seconds: 7 }));
        assert_eq!(signer.verify(&token).unwrap_err().to_string().split(' ').take(3).collect::<Vec<_>>(), ["the", "token", "expired"]);
    }

    #[test]
    fn a_token_without_an_end_counts_after_any_pause() {
        let signer = TokenSigner::new().unwrap();
        let token = signer.sign(&json!({"sub": "system:serviceaccount:kube-federation-system:cluster1-hub"})).unwrap();
        let later = SystemTime::now() + Duration::from_secs(10 * 365 * 86_400);
        assert!(signer.verify_at(&token, later).is_ok());
    }

    #[test]
    fn tokens_of_another_key_or_algorithm_are_refused() {
        let (signer, other) = (TokenSigner::new().unwrap(), TokenSigner::new().unwrap());
        assert_eq!(signer.verify(&other.sign(&json!({"sub": "a"})).unwrap()), Err(TokenError::Signature));
        let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode(r#"{"sub":"a"}"#));
        assert!(signer.verify(&none).is_err());
        let shared = EncodingKey::from_secret(signer.public_key_pem().as_bytes());
        let confused = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &json!({"sub": "a"}), &shared).unwrap();
        assert_eq!(signer.verify(&confused), Err(TokenError::Signature));
    }

    #[test]
    fn a_changed_token_is_refused() {
        let signer = TokenSigner::new().unwrap();
        let token = signer.sign(&json!({"sub": "a"})).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let forged = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(r#"{"sub":"b"}"#), parts[2]);
        assert_eq!(signer.verify(&forged), Err(TokenError::Signature));
    }

    #[test]
    fn the_key_stays_the_same_in_its_directory() {
        let directory = tempfile::tempdir().unwrap();
        let token = TokenSigner::load_or_create(directory.path()).unwrap().sign(&json!({"sub": "a"})).unwrap();
        let loaded = TokenSigner::load_or_create(directory.path()).unwrap();
        assert!(loaded.verify(&token).is_ok());
        std::fs::write(directory.path().join(FILE), "nonsense").unwrap();
        let error = TokenSigner::load_or_create(directory.path()).unwrap_err().to_string();
        assert!(error.contains(FILE), "{error}");
    }

    #[test]
    fn the_key_set_verifies_tokens() {
        let signer = TokenSigner::new().unwrap();
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(signer.jwks().clone()).unwrap();
        let key = DecodingKey::from_jwk(&set.keys[0]).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&["a"]);
        let token = signer.sign(&json!({"aud": ["a"], "exp": 99_999_999_999u64})).unwrap();
        assert!(jsonwebtoken::decode::<Value>(&token, &key, &rules).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_an_error_and_never_a_panic(text in "[a-zA-Z0-9_.=-]{0,80}") {
            prop_assert!(TokenSigner::new().unwrap().verify(&text).is_err());
        }
    }
}
