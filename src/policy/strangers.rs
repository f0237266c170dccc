//! Addresses of the account's own networks that no known interface has.
//!
//! A rule whose peer is a security group permits the private addresses of the group's members (domain C.3). An address
//! within a VPC belongs to some interface; if the inventory does not hold that interface, nobody can tell which
//! groups it is in, and so whether the rule permits it. Interfaces that existed for minutes (functions, containers,
//! scaling) are missing from every dump that was made later.

use super::scope::Scope;
use crate::flow::{NETWORKS, Nets, address_bits, is_v4, net_range};
use crate::inventory::Inventory;

/// Blocks of the account's networks: of its VPCs and subnets; whatever is private where none are known.
#[derive(Debug)]
pub(super) struct Inside(Nets);

impl Inside {
    /// Of some inventories together.
    pub fn new<'i>(inventories: impl IntoIterator<Item = &'i Inventory>) -> Self {
        let mut nets = Nets::default();
        for inventory in inventories {
            nets.extend(inventory.vpcs.values().flat_map(|vpc| &vpc.cidrs));
            nets.extend(inventory.subnets.values().flat_map(|subnet| &subnet.cidrs));
        }
        Self::of(&nets)
    }

    /// Of these blocks.
    pub fn of(nets: &Nets) -> Self {
        Self(if nets.is_empty() { NETWORKS.iter().collect() } else { disjoint(nets.ranges()) })
    }

    pub fn holds(&self, remote: u128, scope: &mut Scope) -> bool {
        scope.remote_in_any(remote, &self.0)
    }
}

/// True if the address may lie in a subnet whose blocks are not known.
pub(super) fn may_be_near(remote: u128, scope: &mut Scope) -> bool {
    !is_v4(remote) || NETWORKS.iter().any(|block| scope.remote_in(remote, net_range(block)))
}

/// The addresses of one observation's interfaces.
#[derive(Debug)]
pub(super) struct Strangers {
    inside: Inside,
    /// Sorted, disjoint.
    taken: Vec<(u128, u128)>,
}

impl Strangers {
    pub fn new(inventory: &Inventory) -> Self {
        let single = |address: &std::net::IpAddr| (address_bits(*address), address_bits(*address));
        let interfaces = inventory.interfaces.values();
        let taken =
            interfaces.flat_map(|i| i.addresses.iter().map(single).chain(i.prefixes.iter().map(net_range)));
        Self { inside: Inside::new([inventory]), taken: merged(taken.collect()) }
    }

    /// True if the address is of the account's networks, but no interface is known to have it.
    pub fn include(&self, remote: u128, scope: &mut Scope) -> bool {
        if !self.inside.holds(remote, scope) {
            return false;
        }
        // Mostly the neighbours are other interfaces.
        scope.remote_in(remote, (remote, remote));
        let after = self.taken.partition_point(|&(low, _)| low <= remote);
        after == 0 || self.taken[after - 1].1 < remote
    }
}

fn disjoint(ranges: impl Iterator<Item = (u128, u128)>) -> Nets {
    let (v4, v6): (Vec<_>, Vec<_>) = ranges.partition(|&(low, _)| is_v4(low));
    Nets::of_ranges(merged(v4), merged(v6))
}

fn merged(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, before| {
        let within = next.0 <= before.1;
        if within {
            before.1 = before.1.max(next.1);
        }
        within
    });
    ranges
}
