//! Services that do not belong on the internet, and what came from there.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::odd::OddTable;
use super::outcome::Outcome;
use super::scene::Scene;
use super::services::service;
use crate::connection::Connection;
use crate::flow::{Action, Direction, Protocol};
use crate::inventory::{AclEntry, Inventory};
use crate::policy::{EscapeReason, Judged, Verdict};

/// What exposed connections have in common, beside interface, protocol and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Exposure {
    /// The lowest number of the rules that permit them; `None` where no rule does, or none is asked.
    pub rule: Option<u32>,
    /// How far they got.
    pub outcome: Outcome,
}

pub(super) type ExposedTable = OddTable<Exposure>;

/// Takes in what came from the internet to such a service and was let in. What no rule explains is told of elsewhere
/// ([`EscapeReason::NoRule`], [`EscapeReason::RuleRemovedNew`]).
pub(super) fn see(table: &mut ExposedTable, connection: &Connection, judged: &Judged, scene: &Scene) {
    if connection.opener != Some(Direction::Inbound)
        || connection.action() == Action::Reject
        || service(connection.protocol, connection.local_port).is_none()
        || !scene.is_public(connection.remote)
    {
        return;
    }
    let told = [EscapeReason::NoRule, EscapeReason::RuleRemovedNew].map(Verdict::Escaped);
    if told.contains(&judged.verdict) {
        return;
    }
    let rules = if judged.former.is_empty() { &judged.decision.rules } else { &judged.former };
    let outcome = Outcome::of(connection);
    // What passes packets on (a NAT gateway) has no groups and accepts whatever comes; nothing listens there.
    if judged.decision.known && !judged.decision.has_groups && outcome >= Outcome::Refused {
        return;
    }
    let subject = Exposure { rule: rules.iter().copied().min(), outcome };
    table.add(connection, judged, subject);
}

/// Network ACLs that let anybody reach port 22 or 3389, with the number of the entry (Security Hub, EC2.21: "Network
/// ACLs should not allow ingress from 0.0.0.0/0 to port 22 or port 3389"). An entry that a deny of everybody comes before
/// lets nobody in.
pub(super) fn open_acls(latest: &Inventory) -> BTreeMap<String, u32> {
    let open = latest.network_acls.values().filter_map(|acl| {
        let everybody = |e: &&AclEntry| e.direction == Direction::Inbound && e.cidr.prefix_len() == 0;
        let covers = |e: &AclEntry, port: u16| {
            e.protocol.is_none_or(|p| p == Protocol::TCP)
                && e.ports.is_none_or(|(low, high)| (low..=high).contains(&port))
        };
        let first = |v4: bool, port: u16| {
            let family = |e: &&AclEntry| matches!(e.cidr, IpNet::V4(_)) == v4;
            let mut entries = acl.entries.iter().filter(everybody).filter(family).filter(|e| covers(e, port));
            entries.next().filter(|e| e.allow).map(|e| e.number)
        };
        let found = [(true, 22), (true, 3389), (false, 22), (false, 3389)];
        let number = found.into_iter().find_map(|(v4, port)| first(v4, port))?;
        Some((acl.id.clone(), number))
    });
    open.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::NetworkAcl;

    type Entry<'a> = (u32, bool, Option<(u16, u16)>, &'a str);

    fn acl(id: &str, entries: &[Entry<'_>]) -> (String, NetworkAcl) {
        let entries = entries.iter().map(|&(number, allow, ports, cidr)| AclEntry {
            number,
            direction: Direction::Inbound,
            protocol: ports.map(|_| Protocol::TCP),
            allow,
            cidr: cidr.parse().unwrap(),
            ports,
            icmp: None,
        });
        (id.to_owned(), NetworkAcl { id: id.to_owned(), entries: entries.collect(), ..NetworkAcl::default() })
    }

    #[test]
    fn open_acls_let_everybody_in() {
        let ssh = Some((22, 22));
        let acls = [
            acl("acl-all", &[(100, true, None, "0.0.0.0/0"), (32767, false, None, "0.0.0.0/0")]),
            acl("acl-six", &[(90, false, None, "0.0.0.0/0"), (100, true, Some((3000, 4000)), "::/0")]),
            acl("acl-denied", &[(90, false, ssh, "0.0.0.0/0"), (100, true, Some((22, 80)), "0.0.0.0/0")]),
            acl("acl-some", &[(90, true, ssh, "10.0.0.0/8"), (100, true, Some((443, 443)), "0.0.0.0/0")]),
        ];
        let inventory = Inventory { network_acls: acls.into(), ..Inventory::default() };
        let open: Vec<(String, u32)> = open_acls(&inventory).into_iter().collect();
        assert_eq!(open, [("acl-all".to_owned(), 100), ("acl-six".to_owned(), 100)]);
    }
}
