//! `/openapi/v2` and `/openapi/v3`.
//!
//! Documents are built for each request. What names their content is cheap: the embedded data of built-in kinds, and the revision
//! of every definition that has a part in a document.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use comity_core::{Status, Value, object};
use comity_schema::openapi::{self, Served};
use comity_store::{Key, Store};
use http::header;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha512};

use crate::{
    answer::{Answer, JSON},
    crd::sync::STORED,
    registry::{Registry, Resource},
    request::Request,
};

/// A year, in which a document with this hash will not change.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// Answers a path below `/openapi`; nothing when it is not known.
///
/// # Errors
/// 406 when the client does not take JSON, 500 when a document cannot be built.
pub async fn serve(request: &Request, rest: &[&str]) -> Result<Option<Answer>, Status> {
    let registry = request.cx.registry.current();
    let (group, version) = match rest {
        ["v2"] => {
            if let Some(binary) = binary_v2(request.header(header::ACCEPT.as_str())) {
                return Ok(Some(binary));
            }
            request.accept.plain()?;
            let resources = registry.resources().to_vec();
            let tag = tag_of(&request.cx.store, &resources);
            return document(request, tag, None, openapi::v2, resources).await.map(Some);
        }
        ["v3"] => {
            let groups = by_version(&registry);
            let tags: Vec<(String, String)> =
                groups.iter().map(|((group, version), all)| (openapi::path_of(group, version), tag_of(&request.cx.store, all))).collect();
            let index = openapi::index(tags.iter().map(|(path, tag)| (path.as_str(), tag.as_str())));
            return Ok(Some(Answer::json(200, &index)));
        }
        ["v3", "api", version] => ("", *version),
        ["v3", "apis", group, version] => (*group, *version),
        _ => return Ok(None),
    };
    let Some(resources) = by_version(&registry).remove(&(group.to_owned(), version.to_owned())) else { return Ok(None) };
    request.accept.plain()?;
    let tag = tag_of(&request.cx.store, &resources);
    let asked = request.query.get("hash").filter(|hash| !hash.is_empty());
    if asked.is_some_and(|asked| asked != tag) {
        let to = format!("/openapi/v3/{}?hash={tag}", openapi::path_of(group, version));
        return Ok(Some(Answer::text(301, String::new()).with_header(header::LOCATION, &to)));
    }
    let (group, version) = (group.to_owned(), version.to_owned());
    let expires = asked.map(|_| Timestamp::now() + YEAR);
    document(request, tag, expires, move |served| openapi::v3(&group, &version, served), resources).await.map(Some)
}

/// The second version's document for clients that take nothing but its binary form. It names no type: current clients ask for it only
/// after the third version did not know a kind, and without an answer they never come to say that the kind is unknown.
fn binary_v2(accept: &str) -> Option<Answer> {
    const ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    const GIVEN: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let only = !accept.is_empty() && accept.split(',').all(|form| matches!(form.trim(), ASKED | GIVEN));
    only.then(|| {
        let info = [field(1, b"Kubernetes"), field(2, crate::kubernetes_version().as_bytes())].concat();
        Answer::bytes(200, GIVEN, [field(1, b"2.0"), field(2, &info)].concat())
    })
}

/// A field of a protobuf message, shorter than 128 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(0) & 0x7f;
    [&[number << 3 | 2, length], &content[..usize::from(length)]].concat()
}

type Versions = BTreeMap<(String, String), Vec<Arc<Resource>>>;

fn by_version(registry: &Registry) -> Versions {
    let mut out = Versions::new();
    for resource in registry.resources() {
        out.entry((resource.info.group.clone(), resource.info.version.clone())).or_default().push(resource.clone());
    }
    out
}

/// What names the content of a document about these resources.
fn tag_of(store: &Store, resources: &[Arc<Resource>]) -> String {
    static BUILTIN: OnceLock<Vec<u8>> = OnceLock::new();
    let builtin = BUILTIN.get_or_init(|| openapi::sources().iter().fold(Sha512::new(), Sha512::chain_update).finalize().to_vec());
    let mut hash = Sha512::new().chain_update(builtin).chain_update(env!("CARGO_PKG_VERSION"));
    for resource in resources {
        hash.update(format!("/{}/{}/{}", resource.info.group, resource.info.version, resource.info.plural));
        if let Some(custom) = &resource.custom {
            let definition = store.get(&Key::new(STORED, "", custom.definition.as_str()));
            hash.update(definition.map_or(0, |entry| entry.rev).to_be_bytes());
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02X}")).collect()
}

async fn document(
    request: &Request,
    tag: String,
    expires: Option<Timestamp>,
    build: impl FnOnce(&[Served<'_>]) -> Value + Send + 'static,
    resources: Vec<Arc<Resource>>,
) -> Result<Answer, Status> {
    let quoted = format!("\"{tag}\"");
    let answer = if request.header(header::IF_NONE_MATCH.as_str()) == quoted {
        Answer::pieces(304, JSON, Vec::new())
    } else {
        let store = request.cx.store.clone();
        let body = tokio::task::spawn_blocking(move || {
            let schemas: Vec<Option<Value>> = resources.iter().map(|resource| schema_of(&store, resource)).collect();
            let served: Vec<Served<'_>> =
                resources.iter().zip(&schemas).map(|(resource, schema)| Served { info: &resource.info, custom: schema.as_ref() }).collect();
            build(&served).to_string()
        });
        Answer::bytes(200, JSON, body.await.map_err(Status::internal)?)
    };
    let mut answer = answer.with_header(header::ETAG, &quoted).with_header(header::VARY, "Accept");
    if let Some(expires) = expires {
        answer = answer
            .with_header(header::CACHE_CONTROL, "public, immutable")
            .with_header(header::EXPIRES, &expires.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    }
    Ok(answer)
}

/// The schema of a custom kind as its definition has it.
fn schema_of(store: &Store, resource: &Resource) -> Option<Value> {
    let custom = resource.custom.as_ref()?;
    let definition = store.get(&Key::new(STORED, "", custom.definition.as_str()))?.object();
    let version = object::items_at(&definition, &["spec", "versions"]).iter().find(|v| v["name"] == resource.info.version.as_str())?;
    Some(object::at(version, &["schema", "openAPIV3Schema"]).cloned().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_takes_nothing_but_the_binary_form_gets_it() {
        assert!(binary_v2("application/com.github.proto-openapi.spec.v2@v1.0+protobuf").is_some());
        assert!(binary_v2("application/com.github.proto-openapi.spec.v2@v1.0+protobuf, application/json").is_none());
        assert!(binary_v2("application/json").is_none() && binary_v2("").is_none());
        assert_eq!(field(2, b"ab"), [0x12, 2, b'a', b'b']);
    }
}
