//! Which side of a tuple is the interface's own (domain A.8).

use super::interfaces::InterfaceFacts;
use super::record::{Body, Endpoint};
use crate::flow::{Nets, address_bits, is_private};
use crate::inventory::Timeline;

/// The addresses of one interface, over all observations.
#[derive(Debug, Default)]
struct Own {
    /// Sorted. Mostly one.
    addresses: Vec<u128>,
    prefixes: Nets,
    common: [Option<u128>; 2],
}

impl Own {
    fn holds(&self, bits: u128) -> bool {
        let listed = match self.addresses.as_slice() {
            [only] => *only == bits,
            addresses => addresses.binary_search(&bits).is_ok(),
        };
        listed || self.prefixes.contains(bits)
    }
}

/// Finds the local side: `flow-direction`, else the inventory's addresses, else the address common to all
/// records of the interface, else the only private address of the two.
#[derive(Debug)]
pub(crate) struct LocalSide {
    own: Vec<Own>,
}

impl LocalSide {
    pub fn new(interfaces: &[InterfaceFacts], timeline: &Timeline) -> Self {
        let own = interfaces
            .iter()
            .map(|facts| {
                let mut own =
                    Own { common: [facts.common[0].single(), facts.common[1].single()], ..Own::default() };
                for interface in timeline.interface_versions(&facts.id) {
                    own.addresses.extend(interface.addresses.iter().map(|&a| address_bits(a)));
                    own.prefixes.extend(&interface.prefixes);
                }
                own.addresses.sort_unstable();
                own.addresses.dedup();
                own
            })
            .collect();
        Self { own }
    }

    /// `Some(true)` if the lower endpoint of the tuple is local, `None` if neither can be told.
    pub fn low_is_local(
        &self,
        interface: u32,
        low: &Endpoint,
        high: &Endpoint,
        mut records: impl Iterator<Item = Body>,
    ) -> Option<bool> {
        // A record from low to high that leaves the interface has its source, the low end, here.
        if let Some(told) = records.find_map(|r| r.egress().map(|egress| egress != r.flipped())) {
            return Some(told);
        }
        let own = &self.own[interface as usize];
        let (low, high) = (low.address, high.address);
        only_first(own.holds(low), own.holds(high))
            .or_else(|| {
                let common = |address: u128| own.common.contains(&Some(address));
                only_first(common(low), common(high))
            })
            .or_else(|| only_first(is_private(low), is_private(high)))
    }
}

/// True if it is the first alone, `None` if it is both or neither.
fn only_first(first: bool, second: bool) -> Option<bool> {
    (first != second).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Inventory, NetworkInterface};

    fn end(text: &str) -> Endpoint {
        let address = address_bits(text.parse().unwrap());
        Endpoint { address, packet: address, port: 1 }
    }

    fn side(facts: InterfaceFacts, low: &str, high: &str, records: &[Body]) -> Option<bool> {
        let interface = NetworkInterface {
            id: "eni-1".into(),
            addresses: vec!["10.0.0.5".parse().unwrap()],
            prefixes: vec!["10.0.1.0/28".parse().unwrap()],
            ..NetworkInterface::default()
        };
        let inventory =
            Inventory { interfaces: [("eni-1".into(), interface)].into(), ..Inventory::default() };
        let local = LocalSide::new(&[facts], &Timeline::new(vec![inventory]));
        local.low_is_local(0, &end(low), &end(high), records.iter().copied())
    }

    fn facts(id: &str) -> InterfaceFacts {
        InterfaceFacts { id: id.into(), ..InterfaceFacts::default() }
    }

    #[test]
    fn inventory_addresses_and_prefixes_decide() {
        assert_eq!(side(facts("eni-1"), "10.0.0.5", "10.0.0.9", &[]), Some(true));
        assert_eq!(side(facts("eni-1"), "10.0.0.1", "10.0.1.3", &[]), Some(false));
    }

    #[test]
    fn flow_direction_wins() {
        let mut body = Body::new(6, 0, 0, 1, 1);
        body.set_direction_code(0);
        assert_eq!(side(facts("eni-1"), "10.0.0.5", "10.0.0.9", &[body]), Some(false));
    }

    #[test]
    fn unknown_interface_falls_back_to_the_private_side() {
        assert_eq!(side(facts("eni-2"), "8.8.8.8", "10.0.0.5", &[]), Some(false));
        assert_eq!(side(facts("eni-2"), "10.0.0.5", "10.0.0.9", &[]), None);
    }
}
