//! An inventory, compiled for questions about the interfaces of one run.
//!
//! Interfaces with the same set of security groups share one index per direction, so that tens of thousands
//! of interfaces and rules compile into a few hundred indexes.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::acl::{AclVerdict, CompiledAcl};
use super::ranges::{Blocks, Claim, RangeIndex, meant};
use super::scope::{Opening, Scope};
use crate::flow::{Nets, is_v4};
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
    pub fn may_match(&self, protocol: u8, port: u16, scope: &mut Scope) -> bool {
        meant(self.protocol, (self.low, self.high), protocol, port, scope)
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

/// Where an interface is in one observation: what decides on its traffic, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    /// `None` for interfaces without security groups, which are judged by network ACL only.
    set: Option<u32>,
    acl: Option<u32>,
    /// Index into [`Compiled::subnets`].
    subnet: u32,
}

/// One observation, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Unix seconds; `None` for the undated observation.
    pub observed_at: Option<i64>,
    sets: Vec<GroupSet>,
    acls: Vec<CompiledAcl>,
    /// Blocks of each subnet; the first is for interfaces whose subnet is unknown.
    subnets: Vec<Nets>,
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
    /// Compiles for the interfaces of the run; the place of each is `None` if the inventory does not have it.
    pub fn new(inventory: &Inventory, run: &[String], book: &mut RuleBook) -> (Self, Vec<Option<Place>>) {
        let members = members(inventory);
        let numbers = number_rules(inventory, book);
        let mut acl_numbers = BTreeMap::new();
        let mut acls = Vec::new();
        for acl in inventory.network_acls.values() {
            for subnet in &acl.subnets {
                acl_numbers.insert(subnet.as_str(), number(acls.len()));
            }
            acls.push(CompiledAcl::new(acl));
        }
        let subnet_numbers: BTreeMap<&str, u32> =
            inventory.subnets.keys().map(String::as_str).zip(1..).collect();
        let blocks = inventory.subnets.values().map(|s| s.cidrs.iter().collect());
        let subnets = std::iter::once(Nets::default()).chain(blocks).collect();
        let mut set_numbers: HashMap<&[String], u32> = HashMap::new();
        let mut sets = Vec::new();
        let places = run
            .iter()
            .map(|id| {
                let interface = inventory.interfaces.get(id)?;
                let set = (!interface.groups.is_empty()).then(|| {
                    *set_numbers.entry(&interface.groups).or_insert_with(|| {
                        sets.push(compile_set(&interface.groups, inventory, &members, &numbers));
                        number(sets.len() - 1)
                    })
                });
                let subnet = interface.subnet.as_deref();
                Some(Place {
                    set,
                    acl: subnet.and_then(|s| acl_numbers.get(s).copied()),
                    subnet: subnet.and_then(|s| subnet_numbers.get(s).copied()).unwrap_or(0),
                })
            })
            .collect();
        (Self { observed_at: inventory.observed_at, sets, acls, subnets }, places)
    }

    /// What the security groups of a place say to an opening; permitting rules are appended to `rules`, which is
    /// empty, sorted.
    pub fn groups(&self, place: Place, opening: &Opening, scope: &mut Scope, rules: &mut Vec<u32>) -> Groups {
        let Some(set) = place.set else { return Groups::NotApplicable };
        let set = &self.sets[set as usize];
        let Opening { direction, remote, protocol, port, .. } = *opening;
        let index = &set.directions[direction as usize];
        if is_v4(remote) {
            index.v4.collect(remote as u32, protocol, port, scope, rules);
        } else {
            index.v6.collect(remote, protocol, port, scope, rules);
        }
        if rules.is_empty() {
            let mut may = |u: &Unresolved| u.may_match(protocol, port, scope);
            return if set.incomplete || index.unresolved.iter().any(&mut may) {
                Groups::Unresolved
            } else {
                Groups::Refused
            };
        }
        if rules.len() > 1 {
            rules.sort_unstable();
            // A group reference and a CIDR of the same rule cannot both exist, but two prefix list entries can.
            rules.dedup();
        }
        Groups::Permitted
    }

    /// What the subnet's network ACL says to the opening packet, and to the reply if that is asked.
    pub fn acl(
        &self,
        place: Place,
        opening: &Opening,
        scope: &mut Scope,
    ) -> (AclVerdict, Option<AclVerdict>) {
        let Opening { direction, remote, protocol, port, reply_port, .. } = *opening;
        let both = |verdict: AclVerdict| (verdict, reply_port.map(|_| verdict));
        let Some(acl) = place.acl else { return both(AclVerdict::Unknown) };
        if scope.remote_in_any(remote, &self.subnets[place.subnet as usize]) {
            return both(AclVerdict::NotAsked);
        }
        let acl = &self.acls[acl as usize];
        let open = acl.ask(direction, remote, protocol, port, scope);
        (open, reply_port.map(|port| acl.ask_reply(direction, remote, protocol, port)))
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
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
        let (v4, v6) = blocks.index(true);
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
