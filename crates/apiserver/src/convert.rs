//! Between the stored version of an object and the one that is served.
//!
//! Almost every kind has one version; custom kinds differ only in `apiVersion`. Events are served in two groups and
//! HorizontalPodAutoscalers in two versions, and those have conversions here.

mod event;
mod hpa;

use comity_core::Value;

use crate::registry::Resource;

/// From what is stored to what this resource serves.
pub fn to_served(resource: &Resource, object: &mut Value) {
    if let Some(at) = object.get("apiVersion").and_then(Value::as_str) {
        if at == &*resource.api_version {
            return;
        }
        match (at, &*resource.api_version) {
            ("v1", "events.k8s.io/v1") => event::to_events_group(object),
            ("autoscaling/v2", "autoscaling/v1") => hpa::to_v1(object),
            _ => {}
        }
    }
    set_version(object, &resource.api_version);
    if resource.custom.is_none() {
        resource.schema().prune(object);
        resource.schema().canonicalize(object);
    }
}

/// From what a client sent to this resource to what is stored.
pub fn to_stored(resource: &Resource, object: &mut Value) {
    if !resource.needs_conversion() {
        return;
    }
    match (&*resource.api_version, &*resource.stored_api_version) {
        ("events.k8s.io/v1", "v1") => event::to_core_group(object),
        ("autoscaling/v1", "autoscaling/v2") => hpa::to_v2(object),
        _ => {}
    }
    set_version(object, &resource.stored_api_version);
}

fn set_version(object: &mut Value, version: &str) {
    if let Some(slot) = object.get_mut("apiVersion") {
        *slot = version.into();
    }
}
