//! What was changed in the configuration while the logs ran, for whoever asks why something began.

use std::collections::BTreeSet;

use super::facts::InterfaceRow;
use crate::inventory::{
    AclEntry, Anchor, By, History, Inventory, NetworkAcl, Rule, SecurityGroup, Timeline, Trust,
};

/// A change of what decides about traffic at some interfaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Not before, Unix seconds.
    pub from: i64,
    /// Not after. AWS Config knows it to minutes; two snapshots only that it was in between.
    pub to: i64,
    /// `sg-…`, `acl-…` or `eni-…`.
    pub resource: String,
    /// What changed, in words.
    pub what: String,
    /// Places in [`super::Rollups::interfaces`] of those that it is about, sorted.
    pub interfaces: Vec<u32>,
}

/// AWS Config notices a change up to this many seconds late (domain D.9).
const LAG: i64 = 300;
const DAY: i64 = 86_400;
/// How many rules are named before they are only counted.
const NAMED: usize = 3;

/// Every change of rules, ACL entries and groups of interfaces that the timeline tells of.
pub(super) fn changes(timeline: &Timeline, rows: &[InterfaceRow]) -> Vec<Change> {
    let mut list = Vec::new();
    let with_group = |id: &str| {
        let has = |row: &InterfaceRow| {
            timeline.interface_versions(&row.id).any(|i| i.groups.iter().any(|group| group == id))
        };
        places(rows, has)
    };
    for id in ids(timeline, |i| i.security_groups.keys(), |h| h.security_groups.keys()) {
        let anchors = timeline.anchors(id, |h| &h.security_groups, |i| &i.security_groups);
        push(&mut list, id, &anchors, rules, |_, _| with_group(id));
    }
    for id in ids(timeline, |i| i.network_acls.keys(), |h| h.network_acls.keys()) {
        let anchors = timeline.anchors(id, |h| &h.network_acls, |i| &i.network_acls);
        let within = |a: &NetworkAcl, b: &NetworkAcl| {
            places(rows, |row| {
                row.subnet.as_ref().is_some_and(|s| a.subnets.contains(s) || b.subnets.contains(s))
            })
        };
        push(&mut list, id, &anchors, entries, within);
    }
    for (place, row) in rows.iter().enumerate() {
        let anchors = timeline.anchors(&row.id, |h| &h.interfaces, |i| &i.interfaces);
        let groups = |a: &crate::inventory::NetworkInterface, b: &crate::inventory::NetworkInterface| {
            told("security group", &a.groups, &b.groups, Clone::clone)
        };
        push(&mut list, &row.id, &anchors, groups, |_, _| vec![u32::try_from(place).unwrap_or(u32::MAX)]);
    }
    list.retain(|change| !change.interfaces.is_empty());
    list.sort();
    list
}

fn ids<'a, K: Iterator<Item = &'a String>, L: Iterator<Item = &'a String>>(
    timeline: &'a Timeline,
    observed: impl Fn(&'a Inventory) -> K,
    recorded: impl Fn(&'a History) -> L,
) -> BTreeSet<&'a str> {
    let known = timeline.observations().iter().flat_map(observed);
    known.chain(recorded(timeline.history())).map(String::as_str).collect()
}

fn places(rows: &[InterfaceRow], has: impl Fn(&InterfaceRow) -> bool) -> Vec<u32> {
    (0_u32..).zip(rows).filter(|(_, row)| has(row)).map(|(place, _)| place).collect()
}

/// The changes between neighbouring states that are both known.
fn push<T: PartialEq>(
    list: &mut Vec<Change>,
    id: &str,
    anchors: &[Anchor<'_, T>],
    what: impl Fn(&T, &T) -> Option<String>,
    interfaces: impl Fn(&T, &T) -> Vec<u32>,
) {
    for pair in anchors.windows(2) {
        let [before, after] = pair else { continue };
        let sure = before.trust == Trust::Sure && after.trust == Trust::Sure && after.time < i64::MAX;
        let (Some(a), Some(b), true) = (before.state, after.state, sure) else { continue };
        let Some(what) = what(a, b) else { continue };
        let from = match after.by {
            By::Snapshot => before.confirmed,
            By::Item => after.time - LAG,
            By::DailyItem => after.time - DAY,
        };
        let (resource, interfaces) = (id.to_owned(), interfaces(a, b));
        list.push(Change { from, to: after.time, resource, what, interfaces });
    }
}

fn rules(before: &SecurityGroup, after: &SecurityGroup) -> Option<String> {
    let text = |rule: &Rule| {
        let account = before.account.as_deref();
        let way = if rule.direction == crate::flow::Direction::Inbound { "from" } else { "to" };
        format!("{} {} {way} {}", rule.protocol_text(), rule.port_text(), rule.peer_text(account))
    };
    told("rule", &before.rules, &after.rules, text)
}

fn entries(before: &NetworkAcl, after: &NetworkAcl) -> Option<String> {
    let text = |entry: &AclEntry| {
        let verb = if entry.allow { "allow" } else { "deny" };
        let side = if entry.direction == crate::flow::Direction::Inbound { "in" } else { "out" };
        format!("{} {side} {verb} {}", entry.number, entry.cidr)
    };
    told("entry", &before.entries, &after.entries, text)
}

/// `removed rule tcp 443 from 10.0.0.0/8; added …`, or nothing if nothing of these changed.
fn told<T: PartialEq>(noun: &str, before: &[T], after: &[T], text: impl Fn(&T) -> String) -> Option<String> {
    let missing =
        |of: &[T], from: &[T]| of.iter().filter(|x| !from.contains(x)).map(&text).collect::<Vec<_>>();
    let (removed, added) = (missing(before, after), missing(after, before));
    let part = |verb: &str, all: Vec<String>| match all.len() {
        0 => None,
        n if n > NAMED => Some(format!("{verb} {noun} {} and {} more", all[..NAMED].join(", "), n - NAMED)),
        _ => Some(format!("{verb} {noun} {}", all.join(", "))),
    };
    let parts: Vec<String> = part("removed", removed).into_iter().chain(part("added", added)).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
