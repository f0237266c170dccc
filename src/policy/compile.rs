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
use super::strangers::{Strangers, may_be_near};
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

/// A rule whose peer cannot be resolved, or not for every address: it may or may not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Unresolved {
    pub protocol: Option<u8>,
    pub low: u16,
    pub high: u16,
    pub rule: u32,
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
    /// Rules whose peer is a group that is known: interfaces may be members that are not.
    references: Vec<Unresolved>,
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
    /// The observation does not have the interface; this is where a neighbouring one has it.
    pub borrowed: bool,
}

/// One observation, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    /// Unix seconds; `None` for the undated observation.
    pub observed_at: Option<i64>,
    sets: Vec<GroupSet>,
    acls: Vec<CompiledAcl>,
    strangers: Strangers,
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
    /// Compiles for the interfaces of the run; the place of each is `None` if neither the inventory nor one of its
    /// neighbours has it.
    pub fn new(
        inventory: &Inventory,
        neighbours: [Option<&Inventory>; 2],
        run: &[String],
        book: &mut RuleBook,
    ) -> (Self, Vec<Option<Place>>) {
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
                let known = inventory.interfaces.get(id);
                let elsewhere = || neighbours.iter().flatten().find_map(|near| near.interfaces.get(id));
                let interface = known.or_else(elsewhere)?;
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
                    borrowed: known.is_none(),
                })
            })
            .collect();
        let strangers = Strangers::new(inventory);
        (Self { observed_at: inventory.observed_at, sets, acls, strangers, subnets }, places)
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
            let unresolved =
                set.incomplete || index.unresolved.iter().any(|u| u.may_match(protocol, port, scope));
            let mut stranger = || {
                !index.references.is_empty()
                    && self.strangers.include(remote, scope)
                    && index.references.iter().any(|u| u.may_match(protocol, port, scope))
            };
            return if unresolved || stranger() { Groups::Unresolved } else { Groups::Refused };
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
        let blocks = &self.subnets[place.subnet as usize];
        if scope.remote_in_any(remote, blocks) {
            return both(AclVerdict::NotAsked);
        }
        let near = blocks.is_empty() && may_be_near(remote, scope);
        let acl = &self.acls[acl as usize];
        let open = acl.ask(direction, remote, protocol, port, scope).unless(near);
        (open, reply_port.map(|port| acl.ask_reply(direction, remote, protocol, port).unless(near)))
    }

    /// The rules of a place that would match, were their peers known to be the remote address's: what to look up where
    /// [`Compiled::groups`] says [`Groups::Unresolved`].
    pub fn unresolved(&self, place: Place, opening: &Opening, rules: &mut Vec<u32>) {
        let Some(set) = place.set.and_then(|set| self.sets.get(set as usize)) else { return };
        let mut scope = Scope::around(opening.remote);
        let index = &set.directions[opening.direction as usize];
        let stranger = self.strangers.include(opening.remote, &mut scope);
        let references = index.references.iter().filter(|_| stranger);
        let may = |u: &&Unresolved| u.may_match(opening.protocol, opening.port, &mut scope);
        rules.extend(index.unresolved.iter().chain(references).filter(may).map(|u| u.rule));
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
    let mut references = [Vec::new(), Vec::new()];
    for id in groups {
        let Some(group) = inventory.security_groups.get(id) else {
            incomplete = true;
            continue;
        };
        for rule in &group.rules {
            let direction = rule.direction as usize;
            let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
            let protocol = rule.protocol.map(|p| p.0);
            let number = numbers.get(&rule.id).copied().unwrap_or(u32::MAX);
            let claim = Claim { protocol, low, high, rule: number };
            let open = Unresolved { protocol, low, high, rule: number };
            match peers(rule, inventory, members) {
                Peers::Blocks(nets) => nets.iter().for_each(|net| blocks[direction].add(net, claim)),
                Peers::Members(nets) => {
                    nets.iter().for_each(|net| blocks[direction].add(net, claim));
                    references[direction].push(open);
                }
                Peers::Unknown => unresolved[direction].push(open),
            }
        }
    }
    let [inbound, outbound] = blocks;
    let [open_in, open_out] = unresolved;
    let [ref_in, ref_out] = references;
    let index = |blocks: Blocks, unresolved, references| {
        let (v4, v6) = blocks.index(true);
        DirectionIndex { v4, v6, unresolved, references }
    };
    GroupSet { directions: [index(inbound, open_in, ref_in), index(outbound, open_out, ref_out)], incomplete }
}

/// What a rule's peer stands for.
enum Peers {
    Blocks(Vec<IpNet>),
    /// The addresses of the known members of a group.
    Members(Vec<IpNet>),
    Unknown,
}

fn peers(rule: &Rule, inventory: &Inventory, members: &HashMap<&str, Vec<IpNet>>) -> Peers {
    match &rule.peer {
        RulePeer::Cidr(net) => Peers::Blocks(vec![*net]),
        RulePeer::PrefixList(id) => {
            let entries = inventory.prefix_lists.get(id).and_then(|list| list.entries.clone());
            entries.map_or(Peers::Unknown, Peers::Blocks)
        }
        RulePeer::Group { id, peering, status, .. } => {
            let dead = |s: &str| !matches!(s, "active" | "provisioning");
            let stale = status.as_deref().is_some_and(dead)
                || peering
                    .as_ref()
                    .and_then(|p| inventory.peerings.get(p))
                    .is_some_and(|p| !p.status.is_empty() && dead(&p.status));
            if stale {
                return Peers::Blocks(Vec::new());
            }
            match members.get(id.as_str()) {
                Some(nets) => Peers::Members(nets.clone()),
                None if inventory.security_groups.contains_key(id) => Peers::Members(Vec::new()),
                // A group that is not there, in another account say, has members that this inventory cannot know.
                None => Peers::Unknown,
            }
        }
    }
}
