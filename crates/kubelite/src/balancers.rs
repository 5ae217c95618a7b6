//! Services of type LoadBalancer: an address of the cluster's own pool.

use std::{collections::HashSet, net::Ipv4Addr, sync::Arc};

use async_trait::async_trait;
use comity_core::{Value, json, object};
use comity_runtime::{
    Controller, Key, Outcome, Priority,
    lane::{Cache, CacheEvent},
};

use crate::{
    kit::{
        chance,
        hands::{Hands, Told},
        resources::SERVICES,
        settle::Settle,
    },
    wiring::Wiring,
};

const NAME: &str = "service-controller";

struct Balancers {
    hands: Hands,
    services: Cache,
    /// The first three bytes of the pool.
    pool: [u8; 3],
    settle: Settle,
}

/// Starts the controller.
pub(crate) fn start(wiring: &mut Wiring, cluster: &str) {
    let controller = Balancers {
        hands: wiring.controller(NAME),
        services: wiring.informers.cache(&SERVICES),
        pool: [172, 21, (chance::fraction(0, cluster) * 253.0) as u8 + 1],
        settle: Settle::default(),
    };
    // one worker: addresses are chosen one after the other
    let queue = wiring.run(Arc::new(controller), 1);
    wiring.informers.on(&SERVICES, move |event| {
        if let CacheEvent::Applied { new, .. } = event
            && (wants(new) || !addresses(new).is_empty())
        {
            queue.add(Key::of(new), Priority::User);
        }
    });
}

fn wants(service: &Value) -> bool {
    let class = object::str_at(service, &["spec", "loadBalancerClass"]);
    object::str_at(service, &["spec", "type"]) == "LoadBalancer" && class.is_empty() && !object::is_deleting(service)
}

fn addresses(service: &Value) -> Vec<&str> {
    let ingress = object::items_at(service, &["status", "loadBalancer", "ingress"]);
    ingress.iter().map(|i| object::str_at(i, &["ip"])).filter(|ip| !ip.is_empty()).collect()
}

/// The first address of a pool that no Service has.
fn free(pool: [u8; 3], services: &[Arc<Value>]) -> Option<Ipv4Addr> {
    let taken: HashSet<String> = services.iter().flat_map(|service| addresses(service)).map(str::to_owned).collect();
    let all = (1..=254).map(|last| Ipv4Addr::new(pool[0], pool[1], pool[2], last));
    all.into_iter().find(|address| !taken.contains(&address.to_string()))
}

#[async_trait]
impl Controller for Balancers {
    fn name(&self) -> &str {
        NAME
    }

    async fn reconcile(&self, key: &Key) -> Outcome {
        match self.round(key).await {
            Ok(()) => Outcome::Done,
            Err(why) => Outcome::Retry(why),
        }
    }
}

impl Balancers {
    async fn round(&self, key: &Key) -> Result<(), String> {
        // the whole pool is one key: an address must be visible before the next is chosen
        let pool = Key::new("", "pool");
        self.settle.settled(&pool).await?;
        let Some(service) = self.services.get(&key.namespace, &key.name) else { return Ok(()) };
        let present = addresses(&service);
        let ingress = match (wants(&service), present.is_empty()) {
            (true, true) => {
                self.hands.tell(&service, &Told::normal("EnsuringLoadBalancer", "Ensuring load balancer"));
                let address = free(self.pool, &self.services.list()).ok_or("no address is left for load balancers")?;
                json!([{"ip": address.to_string(), "ipMode": "VIP"}])
            }
            (false, false) if object::str_at(&service, &["spec", "type"]) != "LoadBalancer" => Value::Null,
            _ => return Ok(()),
        };
        let told = !ingress.is_null();
        let change = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        let answer = self.hands.merge(&SERVICES, &service, Some("status"), change).await.map_err(|e| e.to_string())?;
        self.settle.wrote(&pool, &self.services, &answer);
        if told {
            self.hands.tell(&service, &Told::normal("EnsuredLoadBalancer", "Ensured load balancer"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_free_address_is_given() {
        let service = |ip: &str| Arc::new(json!({"status": {"loadBalancer": {"ingress": [{"ip": ip}]}}}));
        let services = [service("10.0.0.1"), service("10.0.0.3")];
        assert_eq!(free([10, 0, 0], &services), Some(Ipv4Addr::new(10, 0, 0, 2)));
        assert!(!wants(&json!({"spec": {"type": "LoadBalancer", "loadBalancerClass": "x/y"}})));
        assert!(wants(&json!({"spec": {"type": "LoadBalancer"}})));
    }
}
