//! Which groups a remote address belongs to at a time: what references to groups match (domain C.3).

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use super::super::lane::{Candidate, Lane};
use super::Attached;
use crate::flow::{address_bits, address_from_bits};
use crate::inventory::Trust;

/// Interfaces by private address.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_address: HashMap<u128, Vec<u32>>,
    /// Delegated prefixes by length, then by network.
    by_prefix: Vec<(bool, u8, HashMap<u128, Vec<u32>>)>,
}

/// Whether an address belongs to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    No,
    /// In some of the states that may have held.
    Perhaps,
    Yes,
}

impl Members {
    /// Takes the interfaces that ever were in one of these groups.
    pub fn new(interfaces: &[Lane<Option<Arc<Attached>>>], referenced: &HashSet<u32>) -> Self {
        let mut members = Self::default();
        for (number, lane) in interfaces.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            let states = lane.values().flatten();
            for state in states.filter(|s| s.groups.iter().any(|g| referenced.contains(g))) {
                for address in &state.addresses {
                    put(&mut members.by_address, *address, number);
                }
                for prefix in &state.prefixes {
                    members.put_prefix(prefix, number);
                }
            }
        }
        members
    }

    fn put_prefix(&mut self, prefix: &IpNet, number: u32) {
        let (v6, length) = (prefix.addr().is_ipv6(), prefix.prefix_len());
        let at = self.by_prefix.iter().position(|(a, b, _)| (*a, *b) == (v6, length)).unwrap_or_else(|| {
            self.by_prefix.push((v6, length, HashMap::new()));
            self.by_prefix.len() - 1
        });
        put(&mut self.by_prefix[at].2, address_bits(prefix.network()), number);
    }

    /// The interfaces that ever had this address, by number.
    pub fn holders(&self, remote: u128) -> Vec<u32> {
        let mut holders = self.by_address.get(&remote).cloned().unwrap_or_default();
        if !self.by_prefix.is_empty() {
            let address = address_from_bits(remote);
            for (v6, length, networks) in &self.by_prefix {
                if *v6 == address.is_ipv6()
                    && let Ok(net) = IpNet::new(address, *length)
                    && let Some(found) = networks.get(&address_bits(net.network()))
                {
                    holders.extend(found);
                }
            }
        }
        holders
    }
}

fn put(map: &mut HashMap<u128, Vec<u32>>, key: u128, number: u32) {
    let list = map.entry(key).or_default();
    // The states of one interface come one after the other.
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// Whether one of the interfaces is in the group with this address, in the states that `held` picks.
pub(super) fn membership<'a>(
    holders: &[u32],
    group: u32,
    remote: u128,
    held: impl Fn(u32) -> Vec<&'a Candidate<Option<Arc<Attached>>>>,
) -> Member {
    let mut best = Member::No;
    for &holder in holders {
        let (mut all, mut any) = (true, false);
        for candidate in held(holder) {
            let is = candidate.value.as_ref().is_some_and(|a| a.groups.contains(&group) && a.holds(remote));
            any |= is;
            all &= is && candidate.trust != Trust::Partial;
        }
        best = best.max(match (all, any) {
            (true, true) => Member::Yes,
            (_, true) => Member::Perhaps,
            _ => Member::No,
        });
    }
    best
}
