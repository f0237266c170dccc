//! What a candidate would have done, in words that mean something outside of the run.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::apply::key;
use super::extent::{Openness, Resolver};
use crate::flow::{Direction, Protocol};
use crate::inventory::{AclEntry, Inventory, Rule, SecurityGroup};
use crate::rollup::{
    Cause, CellKey, Cells, FoldedCell, InterfaceRow, Lot, ReplayCount, Replayed, RuleOutcome, Undecided,
};

/// A configuration to be replayed.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    /// What to call it.
    pub name: String,
    /// The proposed configuration. A VPC of which it has no group or no network ACL keeps those that it has.
    pub inventory: Inventory,
    /// Only connections that began at this second or later, Unix seconds.
    pub from: Option<i64>,
    /// Only connections that began before this second.
    pub to: Option<i64>,
    /// Ids of the rules that each change takes out.
    pub changes: Vec<Vec<String>>,
    /// What of the proposal could not be understood, and may change what is said: one sentence each.
    pub gaps: Vec<String>,
}

/// What the candidate is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The latest inventory.
    Standing,
    /// What the logs say happened.
    Logs,
}

/// A rule that a row names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName {
    /// `sgr-…` or synthetic.
    pub id: String,
    /// `sg-…`.
    pub group: String,
    /// Name of the group. Hostile text.
    pub group_name: String,
    /// `tcp 443 10.0.0.0/8`.
    pub text: String,
}

impl RuleName {
    /// Names a rule of an inventory.
    #[must_use]
    pub fn of(rule: &Rule, inventory: &Inventory) -> Self {
        let group = inventory.security_groups.get(&rule.group);
        let owner = group.and_then(|group| group.account.as_deref());
        Self {
            id: rule.id.clone(),
            group: rule.group.clone(),
            group_name: group.map(|group| group.name.clone()).unwrap_or_default(),
            text: format!("{} {} {}", rule.protocol_text(), rule.port_text(), rule.peer_text(owner)),
        }
    }
}

/// Connections that are told as one.
#[derive(Clone, Debug, PartialEq)]
pub struct ReplayRow {
    /// Interface; the first of several that were folded.
    pub interface: String,
    /// Its `Name` tag or description. Hostile text.
    pub label: Option<String>,
    /// Instance it is attached to.
    pub instance: Option<String>,
    /// Direction, `None` where the opener is unknown.
    pub direction: Option<Direction>,
    /// Protocol.
    pub protocol: Protocol,
    /// Service ports, first and last. `None` for protocols without, and where the opener is unknown.
    pub ports: Option<(u16, u16)>,
    /// Who is on the other side.
    pub remote: IpNet,
    /// What blocks it then, or now, or why it can't be said: kebab-case.
    pub by: &'static str,
    /// Blocked or undecided: rules that permit it now. Opened: rules that would. The 16 lowest numbers.
    pub rules: Vec<RuleName>,
    /// Connections.
    pub connections: u64,
    /// Those that rest on memberships observed later only, or by one of two observations.
    pub weak: u64,
    /// Accepted bytes, both directions.
    pub bytes: u64,
    /// First packet, Unix seconds.
    pub first: i64,
    /// Last packet.
    pub last: i64,
}

impl ReplayRow {
    /// `443`, or `1024-2047` where ports are told as ranges.
    #[must_use]
    pub fn port_text(&self) -> Option<String> {
        let (low, high) = self.ports?;
        Some(if low == high { low.to_string() } else { format!("{low}-{high}") })
    }

    /// The address, or the block where peers are told as blocks.
    #[must_use]
    pub fn remote_text(&self) -> String {
        match self.remote.prefix_len() == self.remote.max_prefix_len() {
            true => self.remote.addr().to_string(),
            false => self.remote.to_string(),
        }
    }
}

/// Rows of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReplayRows {
    /// Those with most connections first.
    pub rows: Vec<ReplayRow>,
    /// There were too many: peers are told as blocks, and maybe ports as ranges.
    pub folded: bool,
    /// So many neighbouring interfaces are told as one.
    pub interfaces_folded: u64,
}

/// A group and direction whose rules differ.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupDifference {
    /// `sg-…`.
    pub group: String,
    /// Its name. Hostile text.
    pub group_name: String,
    /// Direction of the rules.
    pub direction: Direction,
    /// What the standing rules permit.
    pub before: Openness,
    /// What the candidate's permit.
    pub after: Openness,
    /// Rules that only the standing configuration has.
    pub removed: Vec<RuleName>,
    /// Rules that only the candidate has.
    pub added: Vec<RuleName>,
    /// Those of them that permit something that no standing rule of the group does.
    pub wider: Vec<RuleName>,
}

/// A network ACL whose entries or subnets differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclDifference {
    /// `acl-…`.
    pub acl: String,
    /// Entries that only the standing one has.
    pub removed: Vec<String>,
    /// Entries that only the candidate has.
    pub added: Vec<String>,
    /// Subnets that only the standing one is associated with.
    pub left: Vec<String>,
    /// Subnets that only the candidate's is associated with.
    pub joined: Vec<String>,
}

/// What a candidate would have done to the traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    /// Name of the candidate.
    pub name: String,
    /// Connections by what would become of them.
    pub counts: BTreeMap<Lot, ReplayCount>,
    /// Undecided connections by reason.
    pub undecided: BTreeMap<&'static str, u64>,
    /// Who would be cut off.
    pub blocked: ReplayRows,
    /// Who would be let in.
    pub opened: ReplayRows,
    /// For whom it can't be said.
    pub unsure: ReplayRows,
    /// What became of the connections that the rules of each change permit now, in the order of the candidate's changes.
    pub changes: Vec<RuleOutcome>,
    /// Groups whose rules differ. Empty where the logs are what it is compared with.
    pub groups: Vec<GroupDifference>,
    /// Network ACLs that differ.
    pub acls: Vec<AclDifference>,
    /// Interfaces that would be in other groups, with the groups they leave and join.
    pub moved: BTreeMap<String, (Vec<String>, Vec<String>)>,
    /// What of the proposal could not be understood.
    pub gaps: Vec<String>,
}

/// Names of the numbers of a run.
pub struct Names<'a> {
    /// Interfaces, by number.
    pub interfaces: &'a [InterfaceRow],
    /// A rule of the standing configuration.
    pub now: &'a dyn Fn(u32) -> Option<RuleName>,
    /// A rule of the candidate.
    pub then: &'a dyn Fn(u32) -> Option<RuleName>,
}

impl Replay {
    /// Gives the sums their names.
    #[must_use]
    pub fn new(candidate: &Candidate, replayed: Replayed, names: &Names<'_>) -> Self {
        Self {
            name: candidate.name.clone(),
            blocked: rows(&replayed.blocked, Cause::as_str, names.now, names),
            opened: rows(&replayed.opened, Cause::as_str, names.then, names),
            unsure: rows(&replayed.unsure, Undecided::as_str, names.now, names),
            undecided: replayed.undecided.into_iter().map(|(why, count)| (why.as_str(), count)).collect(),
            counts: replayed.counts,
            changes: replayed.changes,
            gaps: candidate.gaps.clone(),
            ..Self::default()
        }
    }

    /// The same with what the configurations say of each other. Both are complete.
    #[must_use]
    pub fn compared(self, now: &Inventory, then: &Inventory) -> Self {
        let groups = group_differences(now, then);
        Self { groups, acls: acl_differences(now, then), moved: moved(now, then), ..self }
    }

    /// How many connections have this lot.
    #[must_use]
    pub fn count(&self, lot: Lot) -> ReplayCount {
        self.counts.get(&lot).copied().unwrap_or_default()
    }
}

fn rows<W: Copy + Eq + Ord + std::hash::Hash>(
    cells: &Cells<W>,
    word: impl Fn(W) -> &'static str,
    rule: &dyn Fn(u32) -> Option<RuleName>,
    names: &Names<'_>,
) -> ReplayRows {
    let row = |(key, cell): (&CellKey<W>, &FoldedCell)| {
        let interface = names.interfaces.get(key.interface as usize);
        let has_ports = key.protocol.has_ports() && key.direction.is_some();
        ReplayRow {
            interface: interface.map(|row| row.id.clone()).unwrap_or_default(),
            label: interface.and_then(|row| row.label.clone()),
            instance: interface.and_then(|row| row.instance.clone()),
            direction: key.direction,
            protocol: key.protocol,
            ports: has_ports.then(|| cells.ports(key)),
            remote: cells.block(key),
            by: word(key.why),
            rules: cell.rules.iter().filter_map(|&number| rule(number)).collect(),
            connections: cell.connections,
            weak: cell.weak,
            bytes: cell.bytes,
            first: i64::from(cell.first),
            last: i64::from(cell.last),
        }
    };
    let mut rows: Vec<ReplayRow> = cells.iter().map(row).collect();
    // A stable sort: those with as many stay in the order of their keys.
    rows.sort_by_key(|row| std::cmp::Reverse(row.connections));
    ReplayRows { rows, folded: cells.is_folded(), interfaces_folded: cells.interfaces_folded() }
}

fn group_differences(now: &Inventory, then: &Inventory) -> Vec<GroupDifference> {
    let (before, after) = (Resolver::new(now), Resolver::new(then));
    let ids: BTreeSet<&String> = now.security_groups.keys().chain(then.security_groups.keys()).collect();
    let mut differences = Vec::new();
    for id in ids {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let of = |inventory: &Inventory| -> Vec<Rule> {
                let group: Option<&SecurityGroup> = inventory.security_groups.get(id);
                let rules = group.into_iter().flat_map(|group| &group.rules);
                rules.filter(|rule| rule.direction == direction).cloned().collect()
            };
            let (old, new) = (of(now), of(then));
            let keys = |rules: &[Rule]| -> BTreeSet<String> { rules.iter().map(key).collect() };
            let (old_keys, new_keys) = (keys(&old), keys(&new));
            let lists = |rule: &Rule| match &rule.peer {
                crate::inventory::RulePeer::PrefixList(id) => {
                    now.prefix_lists.get(id) != then.prefix_lists.get(id)
                }
                _ => false,
            };
            if old_keys == new_keys && !new.iter().any(lists) {
                continue;
            }
            let standing: Vec<&Rule> = old.iter().collect();
            let only = |rules: &[Rule], other: &BTreeSet<String>, inventory: &Inventory| -> Vec<RuleName> {
                let only = rules.iter().filter(|rule| !other.contains(&key(rule)));
                only.map(|rule| RuleName::of(rule, inventory)).collect()
            };
            let wider = new.iter().filter(|rule| !after.covers(&standing, rule, &before));
            let known = then.security_groups.get(id).or_else(|| now.security_groups.get(id));
            differences.push(GroupDifference {
                group: id.clone(),
                group_name: known.map(|group| group.name.clone()).unwrap_or_default(),
                direction,
                before: before.openness(&old),
                after: after.openness(&new),
                removed: only(&old, &new_keys, now),
                added: only(&new, &old_keys, then),
                wider: wider.map(|rule| RuleName::of(rule, then)).collect(),
            });
        }
    }
    differences
}

fn acl_differences(now: &Inventory, then: &Inventory) -> Vec<AclDifference> {
    let ids: BTreeSet<&String> = now.network_acls.keys().chain(then.network_acls.keys()).collect();
    let difference = |id: &String| {
        let (old, new) = (now.network_acls.get(id), then.network_acls.get(id));
        let lines = |acl: Option<&crate::inventory::NetworkAcl>| -> BTreeSet<String> {
            acl.into_iter().flat_map(|acl| &acl.entries).map(entry).collect()
        };
        let subnets = |acl: Option<&crate::inventory::NetworkAcl>| -> BTreeSet<String> {
            acl.into_iter().flat_map(|acl| acl.subnets.clone()).collect()
        };
        let minus = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
        let ((a, b), (c, d)) = ((lines(old), lines(new)), (subnets(old), subnets(new)));
        let difference = AclDifference {
            acl: id.clone(),
            removed: minus(&a, &b),
            added: minus(&b, &a),
            left: minus(&c, &d),
            joined: minus(&d, &c),
        };
        (a != b || c != d).then_some(difference)
    };
    ids.into_iter().filter_map(difference).collect()
}

/// `inbound 100 allow tcp 443 10.0.0.0/8`
fn entry(entry: &AclEntry) -> String {
    let ports = match (entry.ports, entry.icmp) {
        (Some((low, high)), _) if low == high => low.to_string(),
        (Some((low, high)), _) => format!("{low}-{high}"),
        (None, Some((kind, code))) if kind >= 0 => format!("type {kind} code {code}"),
        _ => "all".to_owned(),
    };
    let protocol = entry.protocol.map_or_else(|| "all".to_owned(), |protocol| protocol.to_string());
    let action = if entry.allow { "allow" } else { "deny" };
    format!("{} {:>5} {action} {protocol} {ports} {}", entry.direction, entry.number, entry.cidr)
}

fn moved(now: &Inventory, then: &Inventory) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let pairs = now.interfaces.iter().filter_map(|(id, old)| Some((id, old, then.interfaces.get(id)?)));
    let differing = pairs.filter(|(_, old, new)| old.groups != new.groups).map(|(id, old, new)| {
        let minus = |a: &[String], b: &[String]| a.iter().filter(|g| !b.contains(g)).cloned().collect();
        (id.clone(), (minus(&old.groups, &new.groups), minus(&new.groups, &old.groups)))
    });
    differing.collect()
}
