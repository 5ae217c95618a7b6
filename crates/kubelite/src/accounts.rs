//! What every namespace has: the service account `default` and the certificate authority of the API server.

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{GroupVersionResource, Value, json, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent},
};

use crate::{
    kit::{
        hands::Hands,
        resources::{CONFIG_MAPS, NAMESPACES, SERVICE_ACCOUNTS},
    },
    wiring::Wiring,
};

const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
const DESCRIPTION: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
                           internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes \
                           clusters.";

struct Accounts {
    accounts: Hands,
    publisher: Hands,
    namespaces: Cache,
    service_accounts: Cache,
    authorities: Cache,
    ca_pem: String,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring, ca_pem: &str) {
    let controller = Accounts {
        accounts: wiring.controller("service-account-controller"),
        publisher: wiring.controller("root-ca-cert-publisher"),
        namespaces: wiring.informers.cache(&NAMESPACES),
        service_accounts: wiring.informers.cache(&SERVICE_ACCOUNTS),
        authorities: wiring.informers.named_cache(&CONFIG_MAPS, ROOT_CA),
        ca_pem: ca_pem.to_owned(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    let active = queue.clone();
    wiring.informers.on(&NAMESPACES, move |event| {
        if let CacheEvent::Applied { new, .. } = event {
            active.add(Key::new("", object::name(new)), Priority::User);
        }
    });
    let gone = queue.clone();
    wiring.informers.on(&SERVICE_ACCOUNTS, move |event| {
        if let CacheEvent::Deleted(last) = event
            && object::name(last) == ACCOUNT
        {
            gone.add(Key::new("", object::namespace(last)), Priority::Drift);
        }
    });
    wiring.informers.on_named(&CONFIG_MAPS, ROOT_CA, move |event| {
        if let CacheEvent::Deleted(object) | CacheEvent::Applied { new: object, .. } = event {
            queue.add(Key::new("", object::namespace(object)), Priority::Drift);
        }
    });
}

#[async_trait]
impl Controller for Accounts {
    fn name(&self) -> &str {
        "service-account-controller"
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(&key.name).await {
            Ok(()) => Outcome::Done,
            Err(why) => Outcome::Retry(why),
        }
    }
}

impl Accounts {
    async fn round(&self, namespace: &str) -> Result<(), String> {
        if self.namespaces.get("", namespace).is_none_or(|ns| object::is_deleting(&ns)) {
            return Ok(());
        }
        if self.service_accounts.get(namespace, ACCOUNT).is_none() {
            let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}});
            create(&self.accounts, &SERVICE_ACCOUNTS, &account).await?;
        }
        if self.ca_pem.is_empty() {
            return Ok(());
        }
        let data = json!({"ca.crt": self.ca_pem});
        match self.authorities.get(namespace, ROOT_CA) {
            Some(present) if present["data"] == data => Ok(()),
            Some(present) => {
                let mut repaired = (*present).clone();
                repaired["data"] = data;
                match self.publisher.replace(&CONFIG_MAPS, &repaired, None).await {
                    Err(error) if !error.is_not_found() => Err(error.to_string()),
                    _ => Ok(()),
                }
            }
            None => {
                let metadata = json!({"name": ROOT_CA, "namespace": namespace, "annotations": {"kubernetes.io/description": DESCRIPTION}});
                let authority = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data});
                create(&self.publisher, &CONFIG_MAPS, &authority).await
            }
        }
    }
}

/// Creates what may have been created meanwhile, in a namespace that may be going away.
async fn create(hands: &Hands, gvr: &GroupVersionResource, object: &Value) -> Result<(), String> {
    match hands.create(gvr, object).await {
        Err(error) if !error.is_already_exists() && !error.is_namespace_terminating() && !error.is_not_found() => Err(error.to_string()),
        _ => Ok(()),
    }
}
