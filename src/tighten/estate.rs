//! What proposals look up in the inventory.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::block::Block;
use crate::flow::{Direction, address_bits};
use crate::inventory::{Inventory, NetworkInterface, RulePeer, Timeline};

/// The latest inventory, by what is asked of it.
pub(super) struct Estate<'a> {
    pub inventory: &'a Inventory,
    /// Groups that an interface with this address was ever in.
    groups_of: HashMap<u128, BTreeSet<&'a str>>,
    members: BTreeMap<&'a str, Members>,
    /// Groups whose rules let anybody in, or out to anywhere.
    open: BTreeMap<(&'a str, Direction, bool), Open>,
    nowhere: Members,
}

/// How open to everywhere the rules of a group are, in one direction and family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Open {
    #[default]
    No,
    SomePorts,
    AllPorts,
}

/// The addresses of the members of a group now.
#[derive(Debug, Default)]
pub(super) struct Members {
    pub addresses: BTreeSet<IpAddr>,
    pub prefixes: BTreeSet<IpNet>,
}

impl Members {
    /// How many; delegated prefixes count in full.
    pub fn count(&self) -> u128 {
        let prefixes = self.prefixes.iter().map(|p| Block::of(p).addresses());
        prefixes.fold(self.addresses.len() as u128, u128::saturating_add)
    }

    /// True if all lie within one of these blocks.
    fn within(&self, blocks: &[IpNet]) -> bool {
        self.addresses.iter().all(|a| blocks.iter().any(|b| b.contains(a)))
            && self.prefixes.iter().all(|p| blocks.iter().any(|b| b.contains(p)))
    }
}

impl<'a> Estate<'a> {
    pub fn new(timeline: &'a Timeline, inventory: &'a Inventory) -> Self {
        let mut groups_of: HashMap<u128, BTreeSet<&'a str>> = HashMap::new();
        let mut note = |interface: &'a NetworkInterface| {
            for address in &interface.addresses {
                let groups = interface.groups.iter().map(String::as_str);
                groups_of.entry(address_bits(*address)).or_default().extend(groups);
            }
        };
        for id in timeline.ids(|h| &h.interfaces, |i| &i.interfaces) {
            timeline.interface_versions(id).for_each(&mut note);
        }
        let mut members: BTreeMap<&'a str, Members> = BTreeMap::new();
        for interface in inventory.interfaces.values() {
            for group in &interface.groups {
                let members = members.entry(group).or_default();
                members.addresses.extend(&interface.addresses);
                members.prefixes.extend(&interface.prefixes);
            }
        }
        let mut open: BTreeMap<(&'a str, Direction, bool), Open> = BTreeMap::new();
        for rule in inventory.security_groups.values().flat_map(|group| &group.rules) {
            let RulePeer::Cidr(net) = &rule.peer else { continue };
            if net.prefix_len() > 0 || rule.protocol.is_some_and(|p| !p.has_ports()) {
                continue;
            }
            let all = rule.ports.is_none_or(|ports| ports == (0, u16::MAX));
            let known = open.entry((&rule.group, rule.direction, matches!(net, IpNet::V4(_)))).or_default();
            *known = (*known).max(if all { Open::AllPorts } else { Open::SomePorts });
        }
        Self { inventory, groups_of, members, open, nowhere: Members::default() }
    }

    pub fn members_of(&self, group: &str) -> &Members {
        self.members.get(group).unwrap_or(&self.nowhere)
    }

    /// The blocks that a peer stands for, where they are known; `None` for groups.
    pub fn blocks_of<'p>(&'p self, peer: &'p RulePeer) -> Option<Cow<'p, [IpNet]>> {
        match peer {
            RulePeer::Cidr(net) => Some(Cow::Owned(vec![*net])),
            RulePeer::PrefixList(id) => {
                let entries = self.inventory.prefix_lists.get(id)?.entries.as_ref()?;
                Some(Cow::Owned(IpNet::aggregate(entries)))
            }
            RulePeer::Group { .. } => None,
        }
    }

    /// What a rule with this peer weighs against the quotas of IPv4 and IPv6 (domain C.7).
    pub fn weight(&self, peer: &RulePeer) -> [usize; 2] {
        match peer {
            RulePeer::Cidr(IpNet::V4(_)) => [1, 0],
            RulePeer::Cidr(IpNet::V6(_)) => [0, 1],
            RulePeer::Group { .. } => [1, 1],
            RulePeer::PrefixList(id) => {
                let list = self.inventory.prefix_lists.get(id);
                let entries = list.and_then(|l| l.entries.as_ref());
                let most = list.and_then(|l| l.max_entries).map(|most| most as usize);
                let weight = most.or(entries.map(Vec::len)).unwrap_or(1).max(1);
                let is_four = |net: &IpNet| matches!(net, IpNet::V4(_));
                match entries.filter(|e| !e.is_empty()) {
                    Some(entries) if entries.iter().all(is_four) => [weight, 0],
                    Some(entries) if !entries.iter().any(is_four) => [0, weight],
                    _ => [weight, weight],
                }
            }
        }
    }

    /// A group that all these addresses are members of, that may be referenced from `from`, and that lets nobody in whom
    /// `blocks` do not: the one with the fewest members, and no more of them than `most`.
    pub fn group_of(
        &self,
        addresses: &[IpNet],
        from: &str,
        blocks: &[IpNet],
        most: u128,
    ) -> Option<RulePeer> {
        let mut common: Option<BTreeSet<&str>> = None;
        for net in addresses {
            if net.prefix_len() != net.max_prefix_len() {
                return None;
            }
            let groups = self.groups_of.get(&address_bits(net.addr()))?;
            common = Some(match common {
                None => groups.clone(),
                Some(common) => common.intersection(groups).copied().collect(),
            });
        }
        let vpc = self.inventory.security_groups.get(from)?.vpc.as_deref()?;
        let fitting = common?.into_iter().filter_map(|id| {
            let group = self.inventory.security_groups.get(id)?;
            let peering = self.way(vpc, group.vpc.as_deref()?)?;
            let members = self.members_of(id);
            let (count, within) = (members.count(), members.within(blocks));
            (within && count <= most && count > 0).then_some((count, id, group, peering))
        });
        let (_, _, group, peering) = fitting.min_by_key(|(count, id, ..)| (*count, *id))?;
        Some(RulePeer::Group {
            id: group.id.clone(),
            account: group.account.clone(),
            peering: peering.map(str::to_owned),
            status: peering.map(|_| "active".to_owned()),
        })
    }

    /// How groups of one VPC can be referenced from another: `Some(None)` within one, else the peering.
    fn way(&self, from: &str, to: &str) -> Option<Option<&str>> {
        if from == to {
            return Some(None);
        }
        let joins = |a: Option<&str>, b: Option<&str>| {
            (a, b) == (Some(from), Some(to)) || (a, b) == (Some(to), Some(from))
        };
        let mut active = self.inventory.peerings.values().filter(|p| p.status == "active");
        active.find(|p| joins(p.requester_vpc.as_deref(), p.accepter_vpc.as_deref())).map(|p| Some(&*p.id))
    }

    /// A known list that holds all these blocks, and nothing that `blocks` do not: the one with the fewest addresses, and no
    /// more of them than `most`.
    pub fn list_of(&self, peers: &[IpNet], blocks: &[IpNet], most: u128) -> Option<RulePeer> {
        let inside = |net: &IpNet, outer: &[IpNet]| outer.iter().any(|b| b.contains(net));
        let fitting = self.inventory.prefix_lists.values().filter_map(|list| {
            let entries = IpNet::aggregate(list.entries.as_ref()?);
            let addresses = super::openness::addresses(&entries);
            let fits = addresses <= most
                && entries.iter().all(|e| inside(e, blocks))
                && peers.iter().all(|p| inside(p, &entries));
            (fits && !entries.is_empty()).then_some((addresses, &list.id))
        });
        fitting.min().map(|(_, id)| RulePeer::PrefixList(id.clone()))
    }

    /// The smallest known block around an address: of a subnet, else of a VPC. `vpc` is the one to look in first.
    pub fn known_block(&self, net: &IpNet) -> Option<IpNet> {
        let subnets = self.inventory.subnets.values().flat_map(|s| &s.cidrs);
        let smallest = |blocks: &mut dyn Iterator<Item = &IpNet>| {
            blocks.filter(|b| b.contains(net)).max_by_key(|b| (b.prefix_len(), **b)).copied()
        };
        let vpcs = self.inventory.vpcs.values().flat_map(|v| &v.cidrs);
        smallest(&mut subnets.into_iter()).or_else(|| smallest(&mut vpcs.into_iter()))
    }

    /// Whether connections under such a rule may be untracked (domain C.2): TCP or UDP from or to everywhere, and the other
    /// direction open to everywhere, with one of them on all ports. Open ones are then cut when the rule goes.
    pub fn may_be_untracked(&self, rule: &crate::inventory::Rule, interfaces: &[String]) -> bool {
        let RulePeer::Cidr(net) = &rule.peer else { return false };
        if net.prefix_len() > 0 || rule.protocol.is_some_and(|p| !p.has_ports()) {
            return false;
        }
        let all = rule.ports.is_none_or(|ports| ports == (0, u16::MAX));
        let (four, back) = (matches!(net, IpNet::V4(_)), rule.direction.reverse());
        let needed = if all { Open::SomePorts } else { Open::AllPorts };
        let answers = |group: &str| self.open.get(&(group, back, four)).is_some_and(|open| *open >= needed);
        // Whatever an interface is in: the common case first.
        answers(&rule.group)
            || interfaces
                .iter()
                .filter_map(|id| self.inventory.interfaces.get(id))
                .any(|interface| interface.groups.iter().any(|group| answers(group)))
    }
}
