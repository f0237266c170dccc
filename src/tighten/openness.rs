//! How much a rule permits, on a log scale.

use ipnet::IpNet;

use super::block::Block;
use super::estate::Estate;
use crate::flow::Protocol;
use crate::inventory::{Rule, RulePeer};

/// Protocols that a rule for all of them counts as, log2.
const ALL_PROTOCOLS: f64 = 8.0;

/// log2 of the sum of numbers whose log2 are given; `None` of nothing.
pub(super) fn sum(bits: impl IntoIterator<Item = f64>) -> Option<f64> {
    let bits: Vec<f64> = bits.into_iter().collect();
    let most = bits.iter().copied().max_by(f64::total_cmp)?;
    Some(most + bits.iter().map(|b| (b - most).exp2()).sum::<f64>().log2())
}

/// log2 of (ports x protocols).
pub(super) fn service_bits(protocol: Option<Protocol>, ports: Option<(u16, u16)>) -> f64 {
    match (protocol, ports) {
        (None, _) => 16.0 + ALL_PROTOCOLS,
        (Some(protocol), _) if !protocol.has_ports() => 0.0,
        (_, None) => 16.0,
        (_, Some((low, high))) => (f64::from(high) - f64::from(low) + 1.0).max(1.0).log2(),
    }
}

/// log2 of so many addresses, where [`u128::MAX`] stands for 2^128.
pub(super) fn address_bits(addresses: u128) -> f64 {
    (addresses.max(1) as f64).log2()
}

/// Addresses of disjoint blocks.
pub(super) fn addresses(blocks: &[IpNet]) -> u128 {
    blocks.iter().fold(0, |sum, block| sum.saturating_add(Block::of(block).addresses()))
}

impl Estate<'_> {
    /// log2 of (addresses x ports x protocols). A group counts as the addresses of its members now; it and a list that is not
    /// known as one at least.
    pub fn openness(&self, rule: &Rule) -> f64 {
        service_bits(rule.protocol, rule.ports) + self.peer_bits(&rule.peer)
    }

    /// log2 of the addresses of a peer.
    pub fn peer_bits(&self, peer: &RulePeer) -> f64 {
        match peer {
            RulePeer::Group { id, .. } => address_bits(self.members_of(id).count()),
            _ => address_bits(self.blocks_of(peer).map_or(1, |blocks| addresses(&blocks))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_on_a_log_scale() {
        assert_eq!(sum([]), None);
        assert_eq!(sum([3.0]), Some(3.0));
        assert_eq!(sum([3.0, 3.0]), Some(4.0));
        assert_eq!(sum([128.0 + 24.0, 0.0]), Some(152.0));
        let bits = |addresses: u128| Some(address_bits(addresses));
        assert_eq!((bits(u128::MAX), bits(256), bits(0)), (Some(128.0), Some(8.0), Some(0.0)));
        let all_ports = service_bits(Some(Protocol::TCP), Some((0, 65_535)));
        assert_eq!((all_ports, service_bits(Some(Protocol::ICMP), None)), (16.0, 0.0));
    }
}
