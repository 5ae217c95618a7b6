//! Which cluster addresses and node ports are in use.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr},
};

use comity_core::{Value, object};
use comity_store::Store;
use parking_lot::Mutex;

/// Node ports that may be given out.
const PORTS: std::ops::RangeInclusive<u16> = 30_000..=32_767;

/// Something that only one Service may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Used {
    /// A cluster address.
    Address(IpAddr),
    /// A node port.
    Port(u16),
}

/// What a Service uses.
pub fn used_by(service: &Value) -> Vec<Used> {
    let mut used: Vec<Used> = object::str_at(service, &["spec", "clusterIP"]).parse().map(Used::Address).into_iter().collect();
    let health = object::int_at(service, &["spec", "healthCheckNodePort"]).and_then(|n| u16::try_from(n).ok()).filter(|n| *n != 0);
    used.extend(health.map(Used::Port));
    for port in object::items_at(service, &["spec", "ports"]) {
        let number = port.get("nodePort").and_then(Value::as_u64).and_then(|n| u16::try_from(n).ok()).filter(|n| *n != 0);
        used.extend(number.map(Used::Port));
    }
    used
}

/// Gives out addresses and node ports.
#[derive(Debug)]
pub struct Allocator {
    first: u32,
    size: u32,
    used: Mutex<HashSet<Used>>,
}

impl Allocator {
    /// Over a range such as `10.96.0.0/16`, with everything that stored Services use.
    ///
    /// # Errors
    /// The range cannot be read or is too small.
    pub fn new(range: &str, store: &Store) -> Result<Self, String> {
        let bad = || format!("service range {range:?} is not an IPv4 range such as 10.96.0.0/16 with 4 addresses or more");
        let (network, bits) = range.split_once('/').ok_or_else(bad)?;
        let network: Ipv4Addr = network.parse().map_err(|_| bad())?;
        let bits: u32 = bits.parse().ok().filter(|b| (8..=30).contains(b)).ok_or_else(bad)?;
        let size = 1u32 << (32 - bits);
        let first = u32::from(network) & !(size - 1);
        let used = store.list("services", None).entries.iter().flat_map(|e| used_by(&e.object())).collect();
        Ok(Self { first, size, used: Mutex::new(used) })
    }

    /// The first usable address: that of the `kubernetes` Service.
    pub fn first_address(&self) -> Ipv4Addr {
        Ipv4Addr::from(self.first + 1)
    }

    /// An address: the given one if it is free, else any.
    ///
    /// # Errors
    /// Why the given one cannot be had.
    pub fn address(&self, given: &str, before: &[Used], dry_run: bool) -> Result<IpAddr, String> {
        let mut used = self.used.lock();
        if !given.is_empty() {
            let address: IpAddr = given.parse().map_err(|_| format!("failed to allocate IP {given}: not a valid IP"))?;
            if before.contains(&Used::Address(address)) {
                return Ok(address);
            }
            let inside = matches!(address, IpAddr::V4(v4) if (self.first + 1..self.first + self.size - 1).contains(&u32::from(v4)));
            if !inside {
                return Err(format!("failed to allocate IP {given}: the provided network does not match the current range"));
            }
            if used.contains(&Used::Address(address)) {
                return Err(format!("failed to allocate IP {given}: provided IP is already allocated"));
            }
            if !dry_run {
                used.insert(Used::Address(address));
            }
            return Ok(address);
        }
        let usable = self.size - 2;
        let start = rand::random_range(0..usable);
        // The lowest addresses are left for those who ask for one.
        let reserved = (usable / 16).clamp(1, 256).min(usable - 1);
        for round in [reserved, 0] {
            let free = (0..usable)
                .map(|i| (start + i) % usable)
                .filter(|offset| *offset >= round)
                .map(|offset| IpAddr::V4(Ipv4Addr::from(self.first + 1 + offset)))
                .find(|address| !used.contains(&Used::Address(*address)));
            if let Some(address) = free {
                if !dry_run {
                    used.insert(Used::Address(address));
                }
                return Ok(address);
            }
        }
        Err("failed to allocate a serviceIP: range is full".into())
    }

    /// A node port: the given one if it is free, else any (for 0).
    ///
    /// # Errors
    /// Why the given one cannot be had.
    pub fn port(&self, given: u16, before: &[Used], dry_run: bool) -> Result<u16, String> {
        let mut used = self.used.lock();
        if given != 0 {
            if before.contains(&Used::Port(given)) {
                return Ok(given);
            }
            if !PORTS.contains(&given) {
                return Err(format!(
                    "provided port is not in the valid range. The range of valid ports is {}-{}",
                    PORTS.start(),
                    PORTS.end()
                ));
            }
            if used.contains(&Used::Port(given)) {
                return Err("provided port is already allocated".into());
            }
            if !dry_run {
                used.insert(Used::Port(given));
            }
            return Ok(given);
        }
        let size = PORTS.end() - PORTS.start() + 1;
        let start = rand::random_range(0..size);
        let number = (0..size).map(|i| PORTS.start() + (start + i) % size).find(|n| !used.contains(&Used::Port(*n)));
        let number = number.ok_or("range is full")?;
        if !dry_run {
            used.insert(Used::Port(number));
        }
        Ok(number)
    }

    /// Gives back.
    pub fn release(&self, what: &[Used]) {
        let mut used = self.used.lock();
        for one in what {
            used.remove(one);
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_store::Options;

    use super::*;

    #[tokio::test]
    async fn addresses_are_given_out_once() {
        let store = Store::open(Options::mem()).unwrap();
        let allocator = Allocator::new("10.0.0.0/29", &store).unwrap();
        assert_eq!(allocator.first_address().to_string(), "10.0.0.1");
        let all: HashSet<IpAddr> = (0..6).map(|_| allocator.address("", &[], false).unwrap()).collect();
        assert_eq!(all.len(), 6);
        assert!(allocator.address("", &[], false).is_err());
        allocator.release(&[Used::Address("10.0.0.3".parse().unwrap())]);
        assert_eq!(allocator.address("10.0.0.3", &[], false).unwrap().to_string(), "10.0.0.3");
        assert!(allocator.address("10.0.0.3", &[], false).is_err());
        assert!(allocator.address("10.1.0.3", &[], false).is_err());
        assert!(allocator.port(80, &[], false).is_err());
        assert!(allocator.port(30_001, &[], false).is_ok() && allocator.port(30_001, &[], false).is_err());
        assert!(Allocator::new("10.0.0.0", &store).is_err());
    }
}
