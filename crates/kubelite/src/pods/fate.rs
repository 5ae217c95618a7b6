//! What becomes of a pod: runs for ever, finishes, or fails as its annotation asks.

use std::time::Duration;

use comity_core::{Value, duration, object};

use crate::{config::Pace, kit::simulated::SIMULATE};

/// Annotation with the time that a pod runs, in Go's notation.
const DURATION: &str = "comity.dev/simulated-duration";

/// What becomes of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    Runs,
    /// Ends by itself after a time.
    Ends {
        after: Duration,
        exit_code: i64,
    },
    /// The image cannot be pulled.
    NoImage,
    /// The image's name cannot be read.
    BadImage,
    /// Every start fails after a moment.
    Crashes {
        exit_code: i64,
        reason: &'static str,
    },
    /// Runs but never gets ready.
    NeverReady,
    /// Never starts.
    Hangs,
}

pub(super) fn of(pod: &Value, pace: &Pace) -> Fate {
    let wanted = object::annotation(pod, SIMULATE).unwrap_or_default();
    let after = object::annotation(pod, DURATION).and_then(duration::parse_go);
    let is_job = object::controller_ref(pod).is_some_and(|owner| owner["kind"] == "Job");
    let ends = |exit_code| Fate::Ends { after: after.unwrap_or(pace.job), exit_code };
    match wanted {
        "ImagePullBackOff" | "ErrImagePull" => Fate::NoImage,
        "CrashLoopBackOff" => Fate::Crashes { exit_code: 1, reason: "Error" },
        "OOMKilled" => Fate::Crashes { exit_code: 137, reason: "OOMKilled" },
        "NotReady" => Fate::NeverReady,
        "Pending" => Fate::Hangs,
        "Error" => ends(1),
        _ if images(pod).any(|image| !is_image(image)) => Fate::BadImage,
        _ if images(pod).any(|image| image.ends_with(":missing")) => Fate::NoImage,
        _ if is_job || after.is_some() => ends(0),
        _ => Fate::Runs,
    }
}

/// Slow pods take ten times as long to start.
pub(super) fn is_slow(pod: &Value) -> bool {
    object::annotation(pod, SIMULATE) == Some("Slow")
}

fn images(pod: &Value) -> impl Iterator<Item = &str> {
    object::items_at(pod, &["spec", "containers"]).iter().map(|c| object::str_at(c, &["image"]))
}

/// A registry path in lower case, then an optional tag or digest.
fn is_image(image: &str) -> bool {
    let (rest, digest) = image.split_once('@').unwrap_or((image, "sha256:0"));
    let slash = rest.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match rest[slash..].find(':') {
        Some(at) => (&rest[..slash + at], &rest[slash + at + 1..]),
        None => (rest, "latest"),
    };
    let good = |text: &str, also: &[u8]| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || also.contains(&b))
    };
    let tag_ok = !tag.is_empty() && tag.len() <= 128 && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    path.split('/').all(|part| good(part, b"._-:")) && tag_ok && digest.contains(':')
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn images_are_read_as_registries_name_them() {
        for good in ["nginx", "nginx:1.27", "docker.io/library/nginx:1", "localhost:5000/a/b", "r.io/x@sha256:abc", "a/b_c.d-e:T_1"] {
            assert!(is_image(good), "{good}");
        }
        for bad in ["", "Nginx", "nginx:", "a//b", "nginx:a b", "UPPER/x", "a/:x"] {
            assert!(!is_image(bad), "{bad}");
        }
    }

    #[test]
    fn annotations_images_and_owners_decide() {
        let pace = Pace::default();
        let fate = |simulate: &str, image: &str, owner: &str| {
            of(
                &json!({"metadata": {"annotations": {SIMULATE: simulate}, "ownerReferences": [{"kind": owner, "controller": true}]}, "spec": {"containers": [{"image": image}]}}),
                &pace,
            )
        };
        assert_eq!(fate("", "nginx", "ReplicaSet"), Fate::Runs);
        assert_eq!(fate("", "nginx", "Job"), Fate::Ends { after: pace.job, exit_code: 0 });
        assert_eq!(fate("Error", "nginx", "Job"), Fate::Ends { after: pace.job, exit_code: 1 });
        assert_eq!(fate("", "nginx:missing", "ReplicaSet"), Fate::NoImage);
        assert_eq!(fate("", "NGINX", "ReplicaSet"), Fate::BadImage);
        assert_eq!(fate("OOMKilled", "nginx", "ReplicaSet"), Fate::Crashes { exit_code: 137, reason: "OOMKilled" });
        let timed = json!({"metadata": {"annotations": {DURATION: "1m30s"}}, "spec": {"containers": [{"image": "a"}]}});
        assert_eq!(of(&timed, &pace), Fate::Ends { after: Duration::from_secs(90), exit_code: 0 });
    }
}
