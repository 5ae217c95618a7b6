//! Names and addresses of nodes and pods.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use comity_core::{Value, object};
use parking_lot::Mutex;

use crate::kit::chance;

/// Pods of all nodes have addresses in 10.244.0.0/16; each node has a block of 1024.
const POD_NETWORK: u32 = u32::from_be_bytes([10, 244, 0, 0]);
const BLOCK_BITS: u32 = 22;
const BLOCKS: u32 = 64;

/// The name of one of the nodes that are made.
pub(super) fn node_name(cluster: &str, index: usize) -> String {
    format!("{cluster}-node-{}", index + 1)
}

/// The number behind a name that [`node_name`] gives.
pub(super) fn index_of(cluster: &str, name: &str) -> Option<usize> {
    let number: usize = name.strip_prefix(cluster)?.strip_prefix("-node-")?.parse().ok()?;
    number.checked_sub(1)
}

/// The address of a node: its cluster has a /24 of its own.
pub(super) fn node_ip(cluster: &str, node: &str) -> Ipv4Addr {
    let part = |text: &str| (chance::fraction(0, text) * 253.0) as u8 + 1;
    let host = index_of(cluster, node).and_then(|index| u8::try_from(index + 1).ok()).unwrap_or_else(|| part(node));
    Ipv4Addr::new(172, 20, part(cluster), host)
}

/// The first block of pod addresses that no node has.
pub(super) fn free_block<'a>(nodes: impl Iterator<Item = &'a Value>) -> Option<String> {
    let taken: HashSet<&str> = nodes.map(|node| object::str_at(node, &["spec", "podCIDR"])).collect();
    (0..BLOCKS).map(block).find(|block| !taken.contains(block.as_str()))
}

pub(super) fn block(index: u32) -> String {
    format!("{}/{BLOCK_BITS}", Ipv4Addr::from(POD_NETWORK + index * (1 << (32 - BLOCK_BITS))))
}

/// The addresses of pods, handed out from their nodes' blocks.
#[derive(Default)]
pub(crate) struct Addresses {
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    by_pod: HashMap<String, Ipv4Addr>,
    addresses: HashSet<Ipv4Addr>,
    /// Where the search goes on in a block, so that addresses are not used again at once.
    next: HashMap<String, u32>,
}

impl Addresses {
    /// Notes the address that a pod has.
    pub(crate) fn note(&self, pod: &Value) {
        if let Ok(address) = object::str_at(pod, &["status", "podIP"]).parse() {
            let mut taken = self.taken.lock();
            taken.addresses.insert(address);
            taken.by_pod.insert(object::uid(pod).to_owned(), address);
        }
    }

    /// The pod's address; a free one of the block the first time. `None` when the block is used up or unreadable.
    pub(crate) fn of(&self, pod: &Value, block: &str) -> Option<Ipv4Addr> {
        let mut taken = self.taken.lock();
        if let Some(address) = taken.by_pod.get(object::uid(pod)) {
            return Some(*address);
        }
        let (network, bits) = block.split_once('/')?;
        let first = u32::from(network.parse::<Ipv4Addr>().ok()?);
        let size = 1u32.checked_shl(32u32.checked_sub(bits.parse().ok()?)?)?;
        let hosts = size.checked_sub(2).filter(|hosts| *hosts > 0)?;
        let start = taken.next.get(block).copied().unwrap_or(0);
        let offset = (0..hosts).map(|step| (start + step) % hosts).find(|o| !taken.addresses.contains(&Ipv4Addr::from(first + 1 + o)))?;
        let address = Ipv4Addr::from(first + 1 + offset);
        taken.next.insert(block.to_owned(), (offset + 1) % hosts);
        taken.addresses.insert(address);
        taken.by_pod.insert(object::uid(pod).to_owned(), address);
        Some(address)
    }

    /// Gives a pod's address back.
    pub(crate) fn release(&self, pod: &Value) {
        let mut taken = self.taken.lock();
        if let Some(address) = taken.by_pod.remove(object::uid(pod)) {
            taken.addresses.remove(&address);
        }
    }
}

#[cfg(test)]
mod tests {
    use comity_core::json;

    use super::*;

    #[test]
    fn node_names_count_from_one_and_read_back() {
        assert_eq!(node_name("east", 0), "east-node-1");
        assert_eq!(index_of("east", "east-node-1"), Some(0));
        assert_eq!(index_of("east", "east-node-0"), None);
        assert_eq!(index_of("east", "west-node-1"), None);
    }

    #[test]
    fn blocks_are_disjoint_and_the_first_free_one_is_given() {
        let nodes = [json!({"spec": {"podCIDR": "10.244.0.0/22"}}), json!({"spec": {"podCIDR": "10.244.8.0/22"}})];
        assert_eq!(free_block(nodes.iter()).as_deref(), Some("10.244.4.0/22"));
    }

    #[test]
    fn pods_keep_their_address_and_no_two_have_the_same() {
        let addresses = Addresses::default();
        let pod = |uid: &str| json!({"metadata": {"uid": uid}});
        addresses.note(&json!({"metadata": {"uid": "old"}, "status": {"podIP": "10.244.0.2"}}));
        let of = |uid: &str| addresses.of(&pod(uid), "10.244.0.0/29").map(|a| a.to_string());
        assert_eq!(of("a").as_deref(), Some("10.244.0.1"));
        assert_eq!(of("b").as_deref(), Some("10.244.0.3"));
        assert_eq!(of("a").as_deref(), Some("10.244.0.1"));
        for uid in ["c", "d", "e"] {
            assert!(of(uid).is_some());
        }
        assert_eq!(of("f"), None);
        addresses.release(&pod("b"));
        assert_eq!(of("f").as_deref(), Some("10.244.0.3"));
        assert_eq!(addresses.of(&pod("x"), "nonsense"), None);
    }
}
