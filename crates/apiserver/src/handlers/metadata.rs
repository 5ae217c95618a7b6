//! The parts of `metadata` that the server keeps.

use comity_core::{Status, Value, object};
use comity_schema::Generation;

/// Characters of generated names: no vowels, so that no words come out.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// The longest base of a generated name: 63 less the suffix.
const LONGEST_BASE: usize = 58;

/// Takes away what a client may not set on a new object.
pub fn wipe(object: &mut Value) {
    for field in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        object::remove(object, &["metadata", field]);
    }
}

/// Gives a new object its uid and creation time.
pub fn fill(object: &mut Value, now: &str) {
    object::set(object, &["metadata", "creationTimestamp"], now.into());
    object::set(object, &["metadata", "uid"], uuid::Uuid::new_v4().to_string().into());
}

/// A name from a base and five random characters.
pub fn generate_name(base: &str) -> String {
    let mut end = base.len().min(LONGEST_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let suffix: String = (0..5).map(|_| char::from(ALPHABET[rand::random_range(0..ALPHABET.len())])).collect();
    format!("{}{suffix}", &base[..end])
}

/// The namespace of the request goes into the object.
///
/// # Errors
/// 400 when the object names another one.
pub fn settle_namespace(object: &mut Value, namespace: &str) -> Result<(), Status> {
    let is = object::namespace(object);
    if is == namespace {
        if is.is_empty() {
            object::remove(object, &["metadata", "namespace"]);
        }
        return Ok(());
    }
    if is.is_empty() {
        object::set(object, &["metadata", "namespace"], namespace.into());
    } else if namespace.is_empty() {
        object::remove(object, &["metadata", "namespace"]);
    } else {
        return Err(Status::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    Ok(())
}

/// The name in the object must be that of the URL.
///
/// # Errors
/// 400 otherwise.
pub fn check_name(object: &Value, name: &str) -> Result<(), Status> {
    match object::name(object) {
        "" => Err(Status::bad_request(format!("the name of the object ({name} based on URL) was undeterminable: name must be provided"))),
        is if is == name => Ok(()),
        is => Err(Status::bad_request(format!("the name of the object ({is}) does not match the name on the URL ({name})"))),
    }
}

/// What an update never changes comes from the old state.
pub fn keep(new: &mut Value, old: &Value) {
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation"] {
        match object::at(old, &["metadata", field]) {
            Some(value) => object::set(new, &["metadata", field], value.clone()),
            None => {
                object::remove(new, &["metadata", field]);
            }
        }
    }
    object::remove(new, &["metadata", "selfLink"]);
    if object::at(new, &["metadata", "deletionGracePeriodSeconds"]).is_none()
        && let Some(seconds) = object::at(old, &["metadata", "deletionGracePeriodSeconds"])
    {
        object::set(new, &["metadata", "deletionGracePeriodSeconds"], seconds.clone());
    }
}

/// Whether objects of a kind have a generation.
pub fn counts_generation(generation: Generation) -> bool {
    generation != Generation::Untracked
}

/// Raises the generation when what it counts has changed.
pub fn count_generation(generation: Generation, subresource: &str, new: &mut Value, old: &Value) {
    let part = |name: &str| object::at(new, &["metadata", name]) != object::at(old, &["metadata", name]);
    let changed = match generation {
        Generation::Untracked | Generation::Constant => false,
        _ if matches!(subresource, "status" | "binding") => false,
        Generation::Content => content_differs(new, old),
        Generation::ContentAndAnnotations => content_differs(new, old) || part("annotations"),
        Generation::ContentAndLabels => content_differs(new, old) || part("labels"),
    };
    if changed {
        let next = object::generation(old) + 1;
        object::set(new, &["metadata", "generation"], next.into());
    }
}

/// Whether anything outside metadata and status differs. A custom kind without status subresource has its status counted.
fn content_differs(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return true };
    let content = |key: &str| !matches!(key, "metadata" | "status" | "kind" | "apiVersion");
    new.iter().any(|(key, value)| content(key) && old.get(key) != Some(value))
        || old.keys().any(|key| content(key) && !new.contains_key(key))
}

/// Whether an update leaves a deleting object that nothing holds back any more.
pub fn is_finished(new: &Value, old: &Value) -> bool {
    object::finalizers(new).next().is_none()
        && object::is_deleting(old)
        && object::int_at(old, &["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn generated_names_have_a_suffix_and_fit() {
        let name = generate_name("pod-");
        assert!(name.starts_with("pod-") && name.len() == 9, "{name}");
        assert_eq!(generate_name(&"a".repeat(80)).len(), 63);
    }

    #[test]
    fn only_content_raises_the_generation() {
        let old = json!({"metadata":{"generation":3,"labels":{"a":"b"}},"spec":{"x":1},"status":{"y":1}});
        let raised = |generation, change: fn(&mut Value)| {
            let mut new = old.clone();
            change(&mut new);
            count_generation(generation, "", &mut new, &old);
            object::generation(&new)
        };
        assert_eq!(raised(Generation::Content, |v| v["spec"]["x"] = json!(2)), 4);
        assert_eq!(raised(Generation::Content, |v| v["status"]["y"] = json!(2)), 3);
        assert_eq!(raised(Generation::Content, |v| v["metadata"]["labels"] = json!({})), 3);
        assert_eq!(raised(Generation::ContentAndLabels, |v| v["metadata"]["labels"] = json!({})), 4);
        assert_eq!(raised(Generation::Untracked, |v| v["spec"]["x"] = json!(2)), 3);
    }
}
