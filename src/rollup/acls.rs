//! Network ACLs that let everything through, or that nobody uses.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::facts::InterfaceRow;
use crate::flow::{Direction, Protocol};
use crate::inventory::{AclEntry, Inventory, NetworkAcl};

/// A network ACL of the latest inventory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFacts {
    /// `acl-…`.
    pub id: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Account.
    pub account: Option<String>,
    /// Default ACL of its VPC, which can't be deleted and has those subnets that have no other.
    pub is_default: bool,
    /// Subnets it is associated with.
    pub subnets: Vec<String>,
    /// Places in [`super::Rollups::interfaces`] of those in its subnets.
    pub places: Vec<u32>,
    /// The entry that lets anybody reach port 22 or 3389, and the ports it is about; `None` for all.
    pub open_administration: Option<(u32, Option<(u16, u16)>)>,
    /// The entry that lets everything in from everywhere, but for what narrower ones deny before it.
    pub allows_all_in: Option<u32>,
    /// The entry that lets everything out to everywhere, but for the same.
    pub allows_all_out: Option<u32>,
}

/// Every network ACL, by id.
pub(super) fn acl_facts(latest: &Inventory, rows: &[InterfaceRow]) -> Vec<AclFacts> {
    let mut places: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (place, row) in (0_u32..).zip(rows) {
        if let Some(acl) = &row.network_acl {
            places.entry(acl).or_default().push(place);
        }
    }
    let facts = latest.network_acls.values().map(|acl| AclFacts {
        id: acl.id.clone(),
        vpc: acl.vpc.clone(),
        account: acl.account.clone(),
        is_default: acl.is_default,
        subnets: acl.subnets.clone(),
        places: places.remove(acl.id.as_str()).unwrap_or_default(),
        open_administration: open_administration(acl),
        allows_all_in: allows_all(acl, Direction::Inbound),
        allows_all_out: allows_all(acl, Direction::Outbound),
    });
    facts.collect()
}

/// Network ACLs that let anybody reach port 22 or 3389, with the number of the entry (Security Hub, EC2.21: "Network
/// ACLs should not allow ingress from 0.0.0.0/0 to port 22 or port 3389").
pub(super) fn open_acls(latest: &Inventory) -> BTreeMap<String, u32> {
    let open = latest.network_acls.values();
    open.filter_map(|acl| Some((acl.id.clone(), open_administration(acl)?.0))).collect()
}

/// The entry that lets anybody in to port 22 or 3389. One that a deny of everybody comes before lets nobody in.
fn open_administration(acl: &NetworkAcl) -> Option<(u32, Option<(u16, u16)>)> {
    let covers = |e: &AclEntry, port: u16| {
        e.protocol.is_none_or(|p| p == Protocol::TCP)
            && e.ports.is_none_or(|(low, high)| (low..=high).contains(&port))
    };
    let first = |v4: bool, port: u16| {
        let mut entries = everybody(acl, Direction::Inbound, v4).filter(|e| covers(e, port));
        entries.next().filter(|e| e.allow).map(|e| (e.number, e.ports))
    };
    let found = [(true, 22), (true, 3389), (false, 22), (false, 3389)];
    found.into_iter().find_map(|(v4, port)| first(v4, port))
}

/// The entry that lets everything pass from or to everywhere, unless all of it was denied before.
fn allows_all(acl: &NetworkAcl, direction: Direction) -> Option<u32> {
    let pass = |v4: bool| {
        let mut entries = everybody(acl, direction, v4);
        entries.find(|e| e.protocol.is_none()).filter(|e| e.allow).map(|e| e.number)
    };
    pass(true).or_else(|| pass(false))
}

fn everybody(acl: &NetworkAcl, direction: Direction, v4: bool) -> impl Iterator<Item = &AclEntry> {
    acl.entries.iter().filter(move |e| {
        e.direction == direction && e.cidr.prefix_len() == 0 && matches!(e.cidr, IpNet::V4(_)) == v4
    })
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
        let facts = acl_facts(&inventory, &[]);
        let all = |id: &str| facts.iter().find(|f| f.id == id).unwrap().allows_all_in;
        assert_eq!(["acl-all", "acl-six", "acl-denied", "acl-some"].map(all), [Some(100), None, None, None]);
    }
}
