//! Which groups a remote address belongs to at a time: what references to groups match (domain C.3).

use std::sync::Arc;

use hashbrown::HashMap;

use super::super::lane::Lane;
use super::super::scope::Scope;
use super::Attached;
use super::decide::When;
use crate::flow::is_v4;
use crate::inventory::Trust;

/// Interfaces by private address.
#[derive(Debug, Default)]
pub(super) struct Members {
    by_address: HashMap<u128, Vec<u32>>,
    /// Delegated prefixes by family (true is IPv4) and mask, then by network.
    by_prefix: Vec<(bool, u128, HashMap<u128, Vec<u32>>)>,
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
    /// Takes every interface: whoever has an address is no stranger.
    pub fn new(interfaces: &[Lane<Option<Arc<Attached>>>]) -> Self {
        let mut members = Self::default();
        for (number, lane) in interfaces.iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            for state in lane.values().flatten() {
                for address in &state.addresses {
                    put(&mut members.by_address, *address, number);
                }
                for prefix in state.prefixes.ranges() {
                    members.put_prefix(prefix, number);
                }
            }
        }
        members
    }

    fn put_prefix(&mut self, (low, high): (u128, u128), number: u32) {
        let kind = (is_v4(low), !(low ^ high));
        let at = self.by_prefix.iter().position(|(v4, mask, _)| (*v4, *mask) == kind).unwrap_or_else(|| {
            self.by_prefix.push((kind.0, kind.1, HashMap::new()));
            self.by_prefix.len() - 1
        });
        put(&mut self.by_prefix[at].2, low, number);
    }

    /// The interfaces that ever had this address, by number.
    pub fn holders(&self, remote: u128) -> Vec<u32> {
        let mut holders = self.by_address.get(&remote).cloned().unwrap_or_default();
        let family = is_v4(remote);
        for (v4, mask, networks) in &self.by_prefix {
            if *v4 == family
                && let Some(found) = networks.get(&(remote & mask))
            {
                holders.extend(found);
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

/// Whether it may be that none of the interfaces had this address at a time.
pub(super) fn may_be_nobodys(
    interfaces: &[Lane<Option<Arc<Attached>>>],
    holders: &[u32],
    remote: u128,
    when: When,
    scope: &mut Scope,
) -> bool {
    let mut surely_held = |lane: &Lane<Option<Arc<Attached>>>| {
        let mut states = when.of(lane, scope).peekable();
        states.peek().is_some()
            && states.all(|c| c.trust != Trust::Partial && c.value.as_ref().is_some_and(|a| a.holds(remote)))
    };
    !holders.iter().filter_map(|&holder| interfaces.get(holder as usize)).any(&mut surely_held)
}

/// Whether one of the interfaces is in the group with this address at a time.
pub(super) fn membership(
    interfaces: &[Lane<Option<Arc<Attached>>>],
    holders: &[u32],
    group: u32,
    remote: u128,
    when: When,
    scope: &mut Scope,
) -> Member {
    let mut best = Member::No;
    for lane in holders.iter().filter_map(|&holder| interfaces.get(holder as usize)) {
        let (mut all, mut any) = (true, false);
        for candidate in when.of(lane, scope) {
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
