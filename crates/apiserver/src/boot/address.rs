//! Where this server can be reached, as the EndpointSlice of the `kubernetes` Service.

use std::net::SocketAddr;

use comity_core::{Status, Value, json, object};
use comity_store::{Expect, Key, WriteError};

use crate::cx::Cx;

/// Publishes the address. It is written beside the handlers: a loopback address is right here and refused there.
///
/// # Errors
/// The store refuses the write.
pub async fn publish(cx: &Cx, address: SocketAddr) -> Result<(), Status> {
    let key = Key::new("discovery.k8s.io/endpointslices", "default", "kubernetes");
    loop {
        let stored = cx.store.get(&key);
        let old = stored.as_ref().map(|entry| entry.object());
        let new = slice(cx, old.as_ref(), address);
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        let expect = stored.as_ref().map_or(Expect::Absent, |entry| Expect::Rev(entry.rev));
        match cx.store.put(key.clone(), expect, &new).await {
            Ok(_) => return Ok(()),
            Err(WriteError::Conflict { .. }) => {}
            Err(error) => return Err(Status::internal(format!("publishing the server's address: {error}"))),
        }
    }
}

fn slice(cx: &Cx, old: Option<&Value>, address: SocketAddr) -> Value {
    let mut slice = old.cloned().unwrap_or_else(|| {
        json!({
            "kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": "kubernetes", "namespace": "default", "uid": uuid::Uuid::new_v4().to_string(), "generation": 1,
                "creationTimestamp": cx.now_text(), "labels": {"kubernetes.io/service-name": "kubernetes"},
            },
        })
    });
    slice["addressType"] = if address.is_ipv4() { "IPv4" } else { "IPv6" }.into();
    slice["endpoints"] = json!([{"addresses": [address.ip().to_string()], "conditions": {"ready": true}}]);
    slice["ports"] = json!([{"name": "https", "protocol": "TCP", "port": address.port()}]);
    if let Some(old) = old.filter(|old| **old != slice) {
        slice["metadata"]["generation"] = (object::generation(old) + 1).into();
    }
    slice
}
