//! What a relying party needs to verify service account tokens: issuer and public keys.

use comity_core::json;
use http::header;

use crate::{answer::Answer, request::Request};

/// Answers both paths; nothing when the server issues no tokens.
pub fn serve(request: &Request, first: &str) -> Option<Answer> {
    let keys = request.cx.authn.public_keys()?;
    let (content_type, value) = if first == "openid" {
        ("application/jwk-set+json", keys)
    } else {
        let algorithms: Vec<&str> = keys["keys"].as_array().into_iter().flatten().filter_map(|k| k["alg"].as_str()).collect();
        let host = request.header(header::HOST.as_str());
        let document = json!({
            "issuer": request.cx.authn.issuer,
            "jwks_uri": format!("https://{host}/openid/v1/jwks"),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        });
        ("application/json", document)
    };
    Some(Answer::bytes(200, content_type, value.to_string()).with_header(header::CACHE_CONTROL, "public, max-age=3600"))
}
