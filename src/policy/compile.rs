//! An inventory, compiled for questions about the interfaces of one run.
//!
//! Interfaces with the same set of security groups share one index per direction, so that tens of thousands
//! of interfaces and rules compile into a few hundred indexes.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::acl::{AclVerdict, CompiledAcl};
use super::ranges::{Blocks, Claim, RangeIndex};
use crate::flow::{Direction, address_from_bits};
use crate::inventory::{Inventory, Rule, RulePeer};

/// The rules of all observations, numbered: a rule keeps its number from one observation to the next.
#[derive(Debug, Default)]
pub(crate) struct RuleBook {
    numbers: HashMap<String, u32>,
    rules: Vec<Rule>,
}

impl RuleBook {
    /// Gives the rule a number, or describes the one it has anew.
    pub fn number(&mut self, rule: &Rule) -> u32 {
        if let Some(&number) = self.numbers.get(&rule.id) {
            // The latest observation is compiled last and describes the rule.
            self.rules[number as usize] = rule.clone();
            return number;
        }
        let number = u32::try_from(self.rules.len()).unwrap_or(u32::MAX);
        self.numbers.insert(rule.id.clone(), number);
        self.rules.push(rule.clone());
        number
    }

    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub fn find(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }
}

/// A rule whose peer cannot be resolved: it may or may not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unresolved {
    pub protocol: Option<u8>,
    pub low: u16,
    pub high: u16,
}

impl Unresolved {
    /// True if the rule would match, were the remote address its peer's.
    pub fn may_match(self, protocol: u8, port: u16) -> bool {
        let ported = protocol == 6 || protocol == 17;
        self.protocol.is_none_or(|p| p == protocol && (!ported || (self.low <= port && port <= self.high)))
    }
}

#[derive(Debug)]
struct DirectionIndex {
    v4: RangeIndex<u32>,
    v6: RangeIndex<u128>,
    unresolved: Vec<Unresolved>,
}

/// What a set of security groups permits.
#[derive(Debug)]
struct GroupSet {
    directions: [DirectionIndex; 2],
    /// A group of the set is not in the inventory: whatever it permits is unknown.
    incomplete: bool,
}

#[derive(Debug)]
struct CompiledInterface {
    /// `None` for interfaces without security groups, which are judged by network ACL only.
    set: Option<usize>,
    acl: Option<usize>,
    /// Index into [`Compiled::subnets`], which interfaces share.
    subnet: usize,
}

/// One observation, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Unix seconds; `None` for the undated observation.
    pub observed_at: Option<i64>,
    interfaces: Vec<Option<CompiledInterface>>,
    sets: Vec<GroupSet>,
    acls: Vec<CompiledAcl>,
    /// Blocks of each subnet; the first is for interfaces whose subnet is unknown.
    subnets: Vec<Vec<IpNet>>,
}

/// What the security groups say to one opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Groups {
    /// The interface has none.
    NotApplicable,
    /// The rules that permit it were appended.
    Permitted,
    /// A rule or group that cannot be resolved might permit it.
    Unresolved,
    /// Nothing permits it.
    Refused,
}

impl Compiled {
    pub fn new(inventory: &Inventory, run: &[String], book: &mut RuleBook) -> Self {
        let members = members(inventory);
        let numbers = number_rules(inventory, book);
        let mut acl_numbers = BTreeMap::new();
        let mut acls = Vec::new();
        for acl in inventory.network_acls.values() {
            for subnet in &acl.subnets {
                acl_numbers.insert(subnet.as_str(), acls.len());
            }
            acls.push(CompiledAcl::new(acl));
        }
        let subnet_numbers: BTreeMap<&str, usize> =
            inventory.subnets.keys().enumerate().map(|(at, id)| (id.as_str(), at + 1)).collect();
        let subnets =
            std::iter::once(Vec::new()).chain(inventory.subnets.values().map(|s| s.cidrs.clone())).collect();
        let mut set_numbers: HashMap<&[String], usize> = HashMap::new();
        let mut sets = Vec::new();
        let interfaces = run
            .iter()
            .map(|id| {
                let interface = inventory.interfaces.get(id)?;
                let set = (!interface.groups.is_empty()).then(|| {
                    *set_numbers.entry(&interface.groups).or_insert_with(|| {
                        sets.push(compile_set(&interface.groups, inventory, &members, &numbers));
                        sets.len() - 1
                    })
                });
                let subnet = interface.subnet.as_deref();
                Some(CompiledInterface {
                    set,
                    acl: subnet.and_then(|s| acl_numbers.get(s).copied()),
                    subnet: subnet.and_then(|s| subnet_numbers.get(s).copied()).unwrap_or(0),
                })
            })
            .collect();
        Self { observed_at: inventory.observed_at, interfaces, sets, acls, subnets }
    }

    /// True when the inventory has this interface.
    pub fn knows(&self, interface: u32) -> bool {
        self.interfaces[interface as usize].is_some()
    }

    /// What the interface's security groups say to an opening in `direction` towards `port`; permitting rules
    /// are appended to `rules`, sorted.
    pub fn groups(
        &self,
        interface: u32,
        direction: Direction,
        remote: u128,
        protocol: u8,
        port: u16,
        rules: &mut Vec<u32>,
    ) -> Groups {
        let Some(compiled) = &self.interfaces[interface as usize] else { return Groups::Unresolved };
        let Some(set) = compiled.set else { return Groups::NotApplicable };
        let set = &self.sets[set];
        let index = &set.directions[direction as usize];
        let before = rules.len();
        match address_from_bits(remote) {
            std::net::IpAddr::V4(v4) => index.v4.collect(u32::from(v4), protocol, port, rules),
            std::net::IpAddr::V6(_) => index.v6.collect(remote, protocol, port, rules),
        }
        if rules.len() > before {
            rules[before..].sort_unstable();
            // A group reference and a CIDR of the same rule cannot both exist, but two prefix list entries can.
            dedup_from(rules, before);
            return Groups::Permitted;
        }
        let may = |u: &Unresolved| u.may_match(protocol, port);
        if set.incomplete || index.unresolved.iter().any(may) { Groups::Unresolved } else { Groups::Refused }
    }

    /// What the subnet's network ACL says to a packet that enters or leaves.
    pub fn acl(
        &self,
        interface: u32,
        direction: Direction,
        remote: u128,
        protocol: u8,
        port: u16,
    ) -> AclVerdict {
        let Some(compiled) = &self.interfaces[interface as usize] else { return AclVerdict::Unknown };
        let Some(acl) = compiled.acl else { return AclVerdict::Unknown };
        let address = address_from_bits(remote);
        if self.subnets[compiled.subnet].iter().any(|net| net.contains(&address)) {
            return AclVerdict::NotAsked;
        }
        self.acls[acl].ask(direction, remote, protocol, port)
    }
}

fn dedup_from(list: &mut Vec<u32>, from: usize) {
    let mut keep = from;
    for at in from..list.len() {
        if at == from || list[at] != list[keep - 1] {
            list[keep] = list[at];
            keep += 1;
        }
    }
    list.truncate(keep);
}

/// Private addresses (and delegated prefixes) of the interfaces of each group: what a reference to the group
/// matches (domain C.3). Public addresses never match.
fn members(inventory: &Inventory) -> HashMap<&str, Vec<IpNet>> {
    let mut members: HashMap<&str, Vec<IpNet>> = HashMap::new();
    for interface in inventory.interfaces.values() {
        for group in &interface.groups {
            let list = members.entry(group).or_default();
            list.extend(interface.addresses.iter().map(|&a| IpNet::from(a)));
            list.extend(&interface.prefixes);
        }
    }
    members
}

fn number_rules(inventory: &Inventory, book: &mut RuleBook) -> HashMap<String, u32> {
    inventory
        .security_groups
        .values()
        .flat_map(|g| &g.rules)
        .map(|rule| (rule.id.clone(), book.number(rule)))
        .collect()
}

fn compile_set(
    groups: &[String],
    inventory: &Inventory,
    members: &HashMap<&str, Vec<IpNet>>,
    numbers: &HashMap<String, u32>,
) -> GroupSet {
    let mut incomplete = false;
    let mut blocks = [Blocks::default(), Blocks::default()];
    let mut unresolved = [Vec::new(), Vec::new()];
    for id in groups {
        let Some(group) = inventory.security_groups.get(id) else {
            incomplete = true;
            continue;
        };
        for rule in &group.rules {
            let direction = rule.direction as usize;
            let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
            let protocol = rule.protocol.map(|p| p.0);
            let claim =
                Claim { protocol, low, high, rule: numbers.get(&rule.id).copied().unwrap_or(u32::MAX) };
            match peers(rule, inventory, members) {
                Some(nets) => nets.iter().for_each(|net| blocks[direction].add(net, claim)),
                None => unresolved[direction].push(Unresolved { protocol, low, high }),
            }
        }
    }
    let [inbound, outbound] = blocks;
    let [open_in, open_out] = unresolved;
    let index = |blocks: Blocks, unresolved| {
        let (v4, v6) = blocks.index();
        DirectionIndex { v4, v6, unresolved }
    };
    GroupSet { directions: [index(inbound, open_in), index(outbound, open_out)], incomplete }
}

/// The blocks a rule's peer stands for; `None` where that cannot be known.
fn peers(rule: &Rule, inventory: &Inventory, members: &HashMap<&str, Vec<IpNet>>) -> Option<Vec<IpNet>> {
    match &rule.peer {
        RulePeer::Cidr(net) => Some(vec![*net]),
        RulePeer::PrefixList(id) => inventory.prefix_lists.get(id)?.entries.clone(),
        RulePeer::Group { id, peering, status, .. } => {
            let dead = |s: &str| !matches!(s, "active" | "provisioning");
            let stale = status.as_deref().is_some_and(dead)
                || peering
                    .as_ref()
                    .and_then(|p| inventory.peerings.get(p))
                    .is_some_and(|p| !p.status.is_empty() && dead(&p.status));
            if stale {
                return Some(Vec::new());
            }
            match members.get(id.as_str()) {
                Some(nets) => Some(nets.clone()),
                // A group that is there without members matches nothing; one that is not there, in another
                // account say, has members that this inventory cannot know.
                None => inventory.security_groups.contains_key(id).then(Vec::new),
            }
        }
    }
}
