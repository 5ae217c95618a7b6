//! EndpointSlices, and Endpoints for older clients: the addresses behind Services with a selector.

mod addresses;
mod legacy;
mod plan;

use std::sync::Arc;

use async_trait::async_trait;
use comity_core::{LabelSelector, Value, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority, Queue,
    lane::{Cache, CacheEvent, ClientError, DeleteOptions},
};
use jiff::Timestamp;

use crate::{
    kit::{
        hands::Hands,
        index::Index,
        informers::Informers,
        resources::{ENDPOINT_SLICES, ENDPOINTS, NODES, PODS, SERVICES},
        settle::Settle,
    },
    wiring::Wiring,
};
use plan::{MANAGED_BY, MANAGER, Observed, SERVICE_NAME, plan};

struct Endpoints {
    slices: Hands,
    legacy: Hands,
    services: Cache,
    pods: Cache,
    nodes: Cache,
    slice_cache: Cache,
    legacy_cache: Cache,
    slices_by_service: Arc<Index>,
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring) {
    let slices_by_service = Index::follow(&wiring.informers, &ENDPOINT_SLICES, by_service);
    let controller = Endpoints {
        slices: wiring.controller("endpointslice-controller"),
        legacy: wiring.controller("endpoint-controller"),
        services: wiring.informers.cache(&SERVICES),
        pods: wiring.informers.cache(&PODS),
        nodes: wiring.informers.cache(&NODES),
        slice_cache: wiring.informers.cache(&ENDPOINT_SLICES),
        legacy_cache: wiring.informers.cache(&ENDPOINTS),
        slices_by_service,
        settle: Settle::default(),
    };
    let queue = wiring.run(Arc::new(controller), 2);
    listen(&wiring.informers, &queue);
}

/// Slices that this controller manages, by `namespace/service`.
fn by_service(slice: &Value) -> Option<String> {
    let ours = object::label(slice, MANAGED_BY) == Some(MANAGER);
    ours.then(|| object::label(slice, SERVICE_NAME)).flatten().map(|service| format!("{}/{service}", object::namespace(slice)))
}

fn listen(informers: &Informers, queue: &Queue) {
    let services_changed = queue.clone();
    informers.on(&SERVICES, move |event| {
        if let CacheEvent::Applied { new: service, .. } | CacheEvent::Deleted(service) = event {
            services_changed.add(Key::of(service), Priority::User);
        }
    });
    let (services, pods_changed) = (informers.cache(&SERVICES), queue.clone());
    informers.on(&PODS, move |event| {
        let pods = match event {
            CacheEvent::Applied { old, new } if !old.as_ref().is_some_and(|old| addresses::same(old, new)) => [old.as_ref(), Some(new)],
            CacheEvent::Deleted(last) => [Some(last), None],
            _ => return,
        };
        for pod in pods.into_iter().flatten() {
            for service in services.list_namespace(object::namespace(pod)) {
                if selector(&service).is_some_and(|selector| selector.matches(object::labels(pod))) {
                    pods_changed.add(Key::of(&service), Priority::Drift);
                }
            }
        }
    });
    let slices_changed = queue.clone();
    informers.on(&ENDPOINT_SLICES, move |event| {
        if let CacheEvent::Applied { new: slice, .. } | CacheEvent::Deleted(slice) = event
            && let Some(service) = object::label(slice, SERVICE_NAME).filter(|_| object::label(slice, MANAGED_BY) == Some(MANAGER))
        {
            slices_changed.add(Key::new(object::namespace(slice), service), Priority::Drift);
        }
    });
    let (services, legacy_changed) = (informers.cache(&SERVICES), queue.clone());
    informers.on(&ENDPOINTS, move |event| {
        if let CacheEvent::Applied { new: endpoints, .. } | CacheEvent::Deleted(endpoints) = event
            && services.get(object::namespace(endpoints), object::name(endpoints)).is_some()
        {
            legacy_changed.add(Key::of(endpoints), Priority::Drift);
        }
    });
}

/// The selector of a Service that has one and is not only a name.
fn selector(service: &Value) -> Option<LabelSelector> {
    let labels = object::at(service, &["spec", "selector"]).filter(|s| s.as_object().is_some_and(|s| !s.is_empty()))?;
    if object::str_at(service, &["spec", "type"]) == "ExternalName" {
        return None;
    }
    LabelSelector::from_object(&comity_core::json!({"matchLabels": labels})).ok()
}

#[async_trait]
impl Controller for Endpoints {
    fn name(&self) -> &str {
        "endpointslice-controller"
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        if let Err(why) = self.settle.settled(key).await {
            return Outcome::Retry(why);
        }
        match self.round(key).await {
            Ok(()) => Outcome::Done,
            Err(error) => Outcome::Retry(error.to_string()),
        }
    }
}

impl Endpoints {
    async fn round(&self, key: &Key) -> Result<(), ClientError> {
        let Some(service) = self.services.get(&key.namespace, &key.name) else { return self.forget(key).await };
        let Some(selector) = selector(&service) else { return Ok(()) };
        let pods = self.pods.list_namespace(&key.namespace).into_iter().filter(|pod| selector.matches(object::labels(pod))).collect();
        let slices = self.slices_by_service.get(&format!("{}/{}", key.namespace, key.name));
        let observed = Observed { service: service.clone(), pods, nodes: self.nodes.list(), slices, now: Timestamp::now() };
        let planned = plan(&observed);
        for slice in &planned.create {
            match self.slices.create(&ENDPOINT_SLICES, slice).await {
                Ok(answer) => self.settle.wrote(key, &self.slice_cache, &answer),
                Err(error) if error.is_namespace_terminating() => {}
                Err(error) => return Err(error),
            }
        }
        for slice in &planned.update {
            let answer = self.slices.replace(&ENDPOINT_SLICES, slice, None).await?;
            self.settle.wrote(key, &self.slice_cache, &answer);
        }
        for slice in &planned.delete {
            let answer = self.slices.delete(&ENDPOINT_SLICES, slice, DeleteOptions::default()).await?;
            self.settle.deleted(key, &self.slice_cache, slice, answer.as_ref());
        }
        if object::is_deleting(&service) {
            return Ok(());
        }
        let present = self.legacy_cache.get(&key.namespace, &key.name);
        let answer = match legacy::wanted(&observed, present.as_deref()) {
            None => return Ok(()),
            Some(wanted) if present.is_some() => self.legacy.replace(&ENDPOINTS, &wanted, None).await,
            Some(wanted) => self.legacy.create(&ENDPOINTS, &wanted).await,
        };
        match answer {
            Ok(answer) => self.settle.wrote(key, &self.legacy_cache, &answer),
            Err(error) if error.is_namespace_terminating() => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The Service is gone: its slices go with it by their owner reference, Endpoints have none.
    async fn forget(&self, key: &Key) -> Result<(), ClientError> {
        if let Some(endpoints) = self.legacy_cache.get(&key.namespace, &key.name).filter(|endpoints| legacy::is_ours(endpoints)) {
            let answer = self.legacy.delete(&ENDPOINTS, &endpoints, DeleteOptions::default()).await?;
            self.settle.deleted(key, &self.legacy_cache, &endpoints, answer.as_ref());
        }
        Ok(())
    }
}
