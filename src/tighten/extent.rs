//! How much a set of rules permits.
//!
//! A rule permits a box: protocols x ports x addresses. What several permit together is not the sum, because boxes
//! overlap. So the protocols and ports that any rule tells apart are cut into strips, on each of which the same rules
//! speak, and the addresses of a strip are a union of ranges.

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{Protocol, is_v4, net_range};
use crate::inventory::{Inventory, Rule, RulePeer};

/// What a set of rules of one direction permits, as log2 of addresses x ports x protocols. TCP and UDP have 65,536 ports,
/// ICMP as many types and codes together as one port, every other protocol one. `None` is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Openness {
    /// IPv4.
    pub ipv4: Option<f64>,
    /// IPv6.
    pub ipv6: Option<f64>,
    /// Rules whose peers are not known: they are not counted.
    pub unresolved: u32,
}

/// Some protocols and ports. Of ICMP, a port stands for a type (upper 8 bits) and a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Strip {
    /// `None`: every protocol that no rule names.
    protocol: Option<u8>,
    ports: (u16, u16),
    /// Protocols it stands for.
    protocols: u32,
}

/// The addresses of a strip.
#[derive(Clone, Debug, Default)]
struct Reach<'r> {
    /// Disjoint ranges in order.
    ranges: Vec<(u128, u128)>,
    /// Peers that can't be resolved.
    atoms: BTreeSet<&'r str>,
}

/// Resolves peers to ranges of addresses.
#[derive(Debug)]
pub struct Resolver<'i> {
    inventory: &'i Inventory,
    members: BTreeMap<&'i str, Vec<(u128, u128)>>,
}

impl<'i> Resolver<'i> {
    /// Of an inventory.
    #[must_use]
    pub fn new(inventory: &'i Inventory) -> Self {
        let mut members: BTreeMap<&str, Vec<(u128, u128)>> = BTreeMap::new();
        for interface in inventory.interfaces.values() {
            let addresses = interface.addresses.iter().map(|&a| net_range(&ipnet::IpNet::from(a)));
            let ranges: Vec<_> = addresses.chain(interface.prefixes.iter().map(net_range)).collect();
            for group in &interface.groups {
                members.entry(group).or_default().extend(&ranges);
            }
        }
        members.values_mut().for_each(|ranges| *ranges = united(std::mem::take(ranges)));
        Self { inventory, members }
    }

    /// The addresses of a peer; `None` if they are not known.
    fn ranges(&self, peer: &RulePeer) -> Option<Vec<(u128, u128)>> {
        match peer {
            RulePeer::Cidr(net) => Some(vec![net_range(net)]),
            RulePeer::PrefixList(id) => {
                let entries = self.inventory.prefix_lists.get(id)?.entries.as_ref()?;
                Some(united(entries.iter().map(net_range).collect()))
            }
            RulePeer::Group { id, .. } => match self.members.get(id.as_str()) {
                Some(ranges) => Some(ranges.clone()),
                None => self.inventory.security_groups.contains_key(id).then(Vec::new),
            },
        }
    }

    fn reach<'r>(&self, strip: Strip, rules: &[&'r Rule]) -> Reach<'r> {
        let mut reach = Reach::default();
        for rule in rules.iter().filter(|rule| holds(rule, strip)) {
            match self.ranges(&rule.peer) {
                Some(ranges) => reach.ranges.extend(ranges),
                None => _ = reach.atoms.insert(name(&rule.peer)),
            }
        }
        reach.ranges = united(reach.ranges);
        reach
    }

    /// What rules of one direction permit together.
    #[must_use]
    pub fn openness<'r>(&self, rules: impl IntoIterator<Item = &'r Rule>) -> Openness {
        let rules: Vec<&Rule> = rules.into_iter().collect();
        let mut sums = [0.0_f64; 2];
        for strip in strips(&rules) {
            let width = f64::from(strip.ports.1) - f64::from(strip.ports.0) + 1.0;
            let ports = match strip.protocol {
                Some(6 | 17) => width,
                _ => width / 65_536.0,
            };
            for (low, high) in self.reach(strip, &rules).ranges {
                // 128 bits do not fit, and need not: this is told as a logarithm.
                let addresses = (high - low) as f64 + 1.0;
                sums[usize::from(!is_v4(low))] += addresses * ports * f64::from(strip.protocols);
            }
        }
        let log = |sum: f64| (sum > 0.0).then(|| sum.log2());
        let unresolved = rules.iter().filter(|rule| self.ranges(&rule.peer).is_none()).count();
        Openness {
            ipv4: log(sums[0]),
            ipv6: log(sums[1]),
            unresolved: u32::try_from(unresolved).unwrap_or(u32::MAX),
        }
    }

    /// True if everything that `rule` permits is permitted by `others`, which are of its direction and judged by
    /// `before`. A reference to a group is also covered by a reference to it, whoever its members are.
    #[must_use]
    pub fn covers(&self, others: &[&Rule], rule: &Rule, before: &Self) -> bool {
        let both: Vec<&Rule> = others.iter().copied().chain([rule]).collect();
        strips(&both).into_iter().filter(|&strip| holds(rule, strip)).all(|strip| {
            let by_name = |other: &&Rule| holds(other, strip) && name(&other.peer) == name(&rule.peer);
            let same_peer = match &rule.peer {
                // What is on a list may have changed.
                RulePeer::PrefixList(id) => {
                    self.inventory.prefix_lists.get(id) == before.inventory.prefix_lists.get(id)
                }
                RulePeer::Group { .. } => true,
                RulePeer::Cidr(_) => false,
            };
            if same_peer && others.iter().any(by_name) {
                return true;
            }
            let Some(wanted) = self.ranges(&rule.peer) else { return false };
            let there = before.reach(strip, others).ranges;
            wanted.iter().all(|&(low, high)| {
                let at = there.partition_point(|range| range.0 <= low);
                at > 0 && there[at - 1].1 >= high
            })
        })
    }
}

fn name(peer: &RulePeer) -> &str {
    match peer {
        RulePeer::Cidr(_) => "",
        RulePeer::PrefixList(id) | RulePeer::Group { id, .. } => id,
    }
}

/// The ports of a rule; of ICMP, types and codes.
fn ports(rule: &Rule) -> (u16, u16) {
    match (rule.ports, rule.icmp) {
        (Some(ports), _) if rule.protocol.is_some_and(Protocol::has_ports) => ports,
        (_, Some((kind @ 0..=255, code))) if rule.protocol.is_some_and(Protocol::is_icmp) => {
            let kind = (kind as u16) << 8;
            match code {
                0..=255 => (kind | code as u16, kind | code as u16),
                _ => (kind, kind | 0xff),
            }
        }
        _ => (0, u16::MAX),
    }
}

fn holds(rule: &Rule, strip: Strip) -> bool {
    let (low, high) = ports(rule);
    let protocol = match (rule.protocol, strip.protocol) {
        (None, _) => true,
        (Some(rule), Some(strip)) => rule.0 == strip,
        (Some(_), None) => false,
    };
    protocol && low <= strip.ports.0 && strip.ports.1 <= high
}

/// Protocols and ports, cut wherever a rule begins or ends.
fn strips(rules: &[&Rule]) -> Vec<Strip> {
    // Those with ports count by them, also where a rule means every protocol.
    let named = rules.iter().filter_map(|rule| rule.protocol).map(|p| p.0);
    let named: BTreeSet<u8> = named.chain([Protocol::TCP.0, Protocol::UDP.0]).collect();
    let mut strips = Vec::new();
    for &protocol in &named {
        let concerned = rules.iter().filter(|rule| rule.protocol.is_none_or(|p| p.0 == protocol));
        let mut cuts: BTreeSet<u32> = BTreeSet::new();
        for rule in concerned {
            let (low, high) = ports(rule);
            cuts.extend([u32::from(low), u32::from(high) + 1]);
        }
        let cuts: Vec<u32> = cuts.into_iter().collect();
        for pair in cuts.windows(2) {
            let ports = (pair[0] as u16, (pair[1] - 1) as u16);
            strips.push(Strip { protocol: Some(protocol), ports, protocols: 1 });
        }
    }
    let rest = 256 - named.len() as u32;
    strips.push(Strip { protocol: None, ports: (0, u16::MAX), protocols: rest });
    strips
}

/// Disjoint ranges in order; ranges of different families never touch.
fn united(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut united: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
    for (low, high) in ranges {
        match united.last_mut() {
            Some(last) if is_v4(last.0) == is_v4(low) && low <= last.1.saturating_add(1) => {
                last.1 = last.1.max(high);
            }
            _ => united.push((low, high)),
        }
    }
    united
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Direction;

    fn rule(protocol: Option<u8>, ports: Option<(u16, u16)>, cidr: &str) -> Rule {
        Rule {
            id: format!("{protocol:?}{ports:?}{cidr}"),
            synthetic: true,
            group: "sg-1".into(),
            direction: Direction::Inbound,
            protocol: protocol.map(Protocol),
            ports,
            icmp: None,
            peer: RulePeer::Cidr(cidr.parse().unwrap()),
            description: None,
        }
    }

    #[test]
    fn a_union_not_a_sum() {
        let inventory = Inventory::default();
        let resolver = Resolver::new(&inventory);
        let one = rule(Some(6), Some((443, 443)), "10.0.0.0/24");
        assert_eq!(resolver.openness([&one]).ipv4, Some(8.0));
        assert_eq!(resolver.openness([&one]).ipv6, None);
        let same = rule(Some(6), Some((443, 443)), "10.0.0.0/25");
        assert_eq!(resolver.openness([&one, &same]).ipv4, Some(8.0));
        let next = rule(Some(6), Some((444, 446)), "10.0.0.0/24");
        assert_eq!(resolver.openness([&one, &same, &next]).ipv4, Some(10.0));
        let all = rule(None, None, "0.0.0.0/0");
        let everything = (2.0_f64.powi(32) * (2.0 * 65_536.0 + 254.0)).log2();
        let told = resolver.openness([&all, &rule(Some(47), None, "10.0.0.1/32")]).ipv4.unwrap();
        assert!((told - everything).abs() < 1e-9, "{told} {everything}");
    }

    #[test]
    fn covered_by_several_together() {
        let inventory = Inventory::default();
        let resolver = Resolver::new(&inventory);
        let halves = [
            rule(Some(6), Some((0, 500)), "10.0.0.0/25"),
            rule(Some(6), Some((400, 65_535)), "10.0.0.0/25"),
            rule(Some(6), None, "10.0.0.128/25"),
        ];
        let halves: Vec<&Rule> = halves.iter().collect();
        let covers = |wanted: &Rule| resolver.covers(&halves, wanted, &resolver);
        assert!(covers(&rule(Some(6), None, "10.0.0.0/24")));
        assert!(!covers(&rule(Some(6), None, "10.0.0.0/23")));
        assert!(!covers(&rule(Some(17), Some((53, 53)), "10.0.0.0/24")));
        assert!(!covers(&rule(None, None, "10.0.0.0/24")));
        assert!(!covers(&rule(Some(6), Some((1, 1)), "::/0")));
    }

    #[test]
    fn icmp_types_are_told_apart() {
        let inventory = Inventory::default();
        let resolver = Resolver::new(&inventory);
        let typed = |kind, code| Rule { icmp: Some((kind, code)), ..rule(Some(1), None, "10.0.0.0/8") };
        let (all, echo, unreachable) = (typed(-1, -1), typed(8, -1), typed(3, 4));
        assert!(resolver.covers(&[&all], &echo, &resolver) && !resolver.covers(&[&echo], &all, &resolver));
        assert!(!resolver.covers(&[&echo], &unreachable, &resolver));
        assert!(resolver.covers(&[&typed(3, -1)], &unreachable, &resolver));
    }
}
