//! Rollups become the picture of the network that reports draw.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::detect::rule_class;
use crate::finding::{
    ChangeNote, Edge, GroupNote, InterfaceNote, Node, NodeKind, Picture, RuleNote, Service, TimeLine, Traffic,
};
use crate::flow::{Direction, Protocol};
use crate::rollup::{Rollups, Side, SideKind, service};

/// A change this long before the first record may still explain what begins with it.
const BEFORE: i64 = 86_400;
/// Blocks told of a rule.
const BLOCKS: usize = 4;

pub(super) fn picture(rollups: &Rollups) -> Picture {
    let mut picture = Picture { traffic: time_line(rollups), ..Picture::default() };
    changes(rollups, &mut picture);
    graph(rollups, &mut picture);
    for rule in &rollups.rules {
        let (name, vpc) = (rule.group_name.clone(), rule.vpc.clone());
        let (account, region) = (rule.account.clone(), rule.region.clone());
        picture.groups.entry(rule.group.clone()).or_insert(GroupNote { name, vpc, account, region });
        let mut blocks: Vec<(String, u64)> =
            rule.usage.blocks.all().into_iter().map(|(net, n)| (net.to_string(), n)).collect();
        blocks.sort_by_key(|(_, n)| Reverse(*n));
        blocks.truncate(BLOCKS);
        let note = RuleNote { openness: rule_class::openness(rule), blocks };
        picture.rules.insert(rule.id.clone(), note);
    }
    let note = |row: &crate::rollup::InterfaceRow| InterfaceNote {
        label: row.label.clone(),
        region: row.region.clone(),
        groups: row.groups.clone(),
        network_acl: row.network_acl.clone(),
    };
    picture.interfaces = rollups.interfaces.iter().map(|row| (row.id.clone(), note(row))).collect();
    picture
}

fn time_line(rollups: &Rollups) -> TimeLine {
    let bucket =
        |&[permitted, escaped, accepted_unjudged, rejected, misdropped, rejected_unjudged]: &[u64; 6]| {
            Traffic { permitted, escaped, accepted_unjudged, rejected, misdropped, rejected_unjudged }
        };
    let traffic = &rollups.traffic;
    TimeLine {
        from: i64::from(traffic.from),
        width: i64::from(traffic.width),
        buckets: traffic.buckets.iter().map(bucket).collect(),
    }
}

fn changes(rollups: &Rollups, picture: &mut Picture) {
    let Some((first, last)) = rollups.window else { return };
    let (first, last) = (i64::from(first), i64::from(last));
    let around = rollups.changes.iter().filter(|c| c.to >= first - BEFORE && c.from <= last);
    let mut all: Vec<ChangeNote> = around
        .map(|change| ChangeNote {
            from: change.from,
            to: change.to,
            resource: change.resource.clone(),
            what: change.what.clone(),
            interfaces: change.interfaces.len() as u64,
        })
        .collect();
    picture.more_changes = all.len().saturating_sub(Picture::CHANGES) as u64;
    all.truncate(Picture::CHANGES);
    picture.changes = all;
}

/// Connections of a service.
type Use = (u64, Protocol, u16);

/// Who opened to whom, on which service.
type Call = (Place, Place, Protocol, u16);

/// A side; all public addresses are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Internet,
    Side(Side),
}

fn graph(rollups: &Rollups, picture: &mut Picture) {
    let services = &rollups.contacts.services;
    picture.approximate = services.is_blurred();
    // Seen at the side that opened, and at the other one. What both saw is the same.
    let mut calls: BTreeMap<Call, [u64; 2]> = BTreeMap::new();
    for row in &services.rows {
        picture.approximate |= row.is_sampled();
        for contact in &row.contacts {
            let local = Place::Side(row.key.local);
            let peer = if row.key.public { Place::Internet } else { Place::Side(contact.peer) };
            let inbound = row.key.direction == Direction::Inbound;
            let (from, to) = if inbound { (peer, local) } else { (local, peer) };
            let seen = calls.entry((from, to, row.key.protocol, row.key.port)).or_default();
            seen[usize::from(inbound)] += u64::from(contact.connections);
        }
    }
    let mut edges: BTreeMap<(Place, Place), Vec<Use>> = BTreeMap::new();
    for ((from, to, protocol, port), [a, b]) in calls {
        edges.entry((from, to)).or_default().push((a.max(b), protocol, port));
    }
    let total = |services: &[Use]| services.iter().map(|(n, ..)| n).sum::<u64>();
    let mut edges: Vec<_> =
        edges.into_iter().map(|(ends, services)| (total(&services), ends, services)).collect();
    edges.sort_by_key(|(n, ends, _)| (Reverse(*n), *ends));
    let rest = edges.split_off(edges.len().min(Picture::EDGES));
    picture.more_edges = rest.len() as u64;
    picture.more_connections = rest.iter().map(|(n, ..)| n).sum();
    let mut places: BTreeMap<Place, usize> = BTreeMap::new();
    for (connections, (from, to), mut services) in edges {
        let mut number = |place: Place| {
            *places.entry(place).or_insert_with(|| {
                picture.nodes.push(node(rollups, place));
                picture.nodes.len() - 1
            })
        };
        let (from, to) = (number(from), number(to));
        services.sort_by_key(|&(n, protocol, port)| (Reverse(n), protocol, port));
        let more_services = services.len().saturating_sub(Picture::SERVICES) as u64;
        let named = services.into_iter().take(Picture::SERVICES);
        let services =
            named.map(|(connections, protocol, port)| Service { name: words(protocol, port), connections });
        picture.edges.push(Edge { from, to, connections, services: services.collect(), more_services });
    }
}

/// `tcp 5432 (PostgreSQL)`.
fn words(protocol: Protocol, port: u16) -> String {
    match service(protocol, port) {
        _ if !protocol.has_ports() => protocol.to_string(),
        Some(known) => format!("{protocol} {port} ({})", known.name),
        None => format!("{protocol} {port}"),
    }
}

fn node(rollups: &Rollups, place: Place) -> Node {
    let plain = |kind, name| Node { kind, name, groups: Vec::new(), vpc: None, interfaces: 0 };
    let Place::Side(side) = place else { return plain(NodeKind::Internet, "internet".to_owned()) };
    let name = rollups.sides.name(side);
    match side.kind() {
        SideKind::Subnet(_) => plain(NodeKind::Subnet, name),
        SideKind::Prefix(..) => plain(NodeKind::Block, name),
        SideKind::Group(number) => {
            let Some(group) = rollups.sides.groups.get(number as usize) else {
                return plain(NodeKind::Group, name);
            };
            let called = |id: &String| {
                // Sorted by group.
                let at = rollups.rules.partition_point(|rule| rule.group < *id);
                let named =
                    rollups.rules.get(at).filter(|rule| rule.group == *id && !rule.group_name.is_empty());
                named.map_or_else(|| id.clone(), |rule| rule.group_name.clone())
            };
            let names: Vec<String> = group.security_groups.iter().map(called).collect();
            Node {
                name: if names.is_empty() { name } else { names.join(" + ") },
                groups: group.security_groups.clone(),
                vpc: group.vpc.clone(),
                interfaces: group.members.len() as u64,
                kind: NodeKind::Group,
            }
        }
    }
}
