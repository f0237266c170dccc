//! What the configuration says about an opening packet. Written straight from the AWS documentation,
//! with no thought of speed: linear search everywhere.

use std::net::IpAddr;

use super::config::{Account, Eni, Peer, Rule};

/// Which rules count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// What packets meet: with the rules that the dump lacks.
    Firewall,
    /// What a reader of the inventory knows.
    Dumped,
}

/// The packet that opens a connection, seen from one interface.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub egress: bool,
    pub proto: u8,
    /// The genuine other side.
    pub remote: IpAddr,
    /// Destination port of the packet, whichever side that is. 0 without ports.
    pub port: u16,
    /// ICMP type and code.
    pub icmp: Option<(i16, i16)>,
    /// Milliseconds.
    pub at: i64,
}

/// Rules of the interface's groups that permit the packet: the union over all groups, no order.
pub fn permitting(account: &Account, eni: usize, packet: &Opening, view: View) -> Vec<String> {
    matching(account, eni, packet, view, |rule| match (rule.icmp, packet.icmp) {
        (Some((kind, code)), Some((k, c))) => (kind == -1 || kind == k) && (code == -1 || code == c),
        _ => true,
    })
}

/// Rules that would permit it for some ICMP type: all that a flow log can tell, because it carries no
/// type. Equal to [`permitting`] for anything but ICMP.
pub fn possibly_permitting(account: &Account, eni: usize, packet: &Opening) -> Vec<String> {
    matching(account, eni, packet, View::Dumped, |_| true)
}

fn matching(
    account: &Account,
    eni: usize,
    packet: &Opening,
    view: View,
    icmp: impl Fn(&Rule) -> bool,
) -> Vec<String> {
    let mut ids: Vec<String> = account.enis[eni]
        .groups
        .iter()
        .flat_map(|&group| &account.groups[group].rules)
        .filter(|rule| view == View::Firewall || !rule.hidden)
        .filter(|rule| rule.egress == packet.egress && (rule.since..rule.until).contains(&packet.at))
        .filter(|rule| rule.proto.is_none_or(|proto| proto == packet.proto))
        .filter(|rule| rule.ports.is_none_or(|(lo, hi)| (lo..=hi).contains(&packet.port)))
        .filter(|rule| icmp(rule))
        .filter(|rule| is_peer(account, rule.peer, packet.remote, packet.at))
        .map(|rule| rule.id.clone())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Whether a group reference would match if references covered IPv6 addresses. That they do or do not is not
/// documented; here they do not, and the simulator sends nothing for which it would matter.
pub fn depends_on_v6_reference(account: &Account, eni: usize, packet: &Opening) -> bool {
    packet.remote.is_ipv6()
        && account.enis[eni].groups.iter().flat_map(|&group| &account.groups[group].rules).any(|rule| {
            let Peer::Group(group) = rule.peer else { return false };
            rule.egress == packet.egress
                && rule.proto.is_none_or(|proto| proto == packet.proto)
                && rule.ports.is_none_or(|(lo, hi)| (lo..=hi).contains(&packet.port))
                && account.enis.iter().any(|e| e.groups.contains(&group) && e.owns(packet.remote))
        })
}

/// A group reference stands for the private IPv4 addresses of the interfaces that are in the group at
/// that time; see [`depends_on_v6_reference`] for IPv6.
fn is_peer(account: &Account, peer: Peer, remote: IpAddr, at: i64) -> bool {
    match peer {
        Peer::Cidr(block) => block.contains(remote),
        Peer::List(list) => account.lists[list].entries.iter().any(|(block, _)| block.contains(remote)),
        Peer::Group(group) => {
            let is_member =
                |e: &Eni| (e.since..e.until).contains(&at) && e.groups.contains(&group) && e.owns(remote);
            remote.is_ipv4() && account.enis.iter().any(is_member)
        }
    }
}

/// The network ACL of the interface's subnet: numbered, first match, stateless, and not asked at all
/// inside one subnet.
pub fn acl_allows(account: &Account, eni: usize, egress: bool, proto: u8, remote: IpAddr, port: u16) -> bool {
    let subnet = &account.subnets[account.enis[eni].subnet];
    if subnet.cidr.contains(remote) || subnet.cidr6.is_some_and(|block| block.contains(remote)) {
        return true;
    }
    account.acls[subnet.acl]
        .entries
        .iter()
        .filter(|e| e.egress == egress && e.cidr.contains(remote))
        .filter(|e| e.proto.is_none_or(|p| p == proto))
        .filter(|e| !matches!(proto, 6 | 17) || e.ports.is_none_or(|(lo, hi)| (lo..=hi).contains(&port)))
        .min_by_key(|e| e.number)
        .is_some_and(|e| e.allow)
}

#[cfg(test)]
mod tests {
    use super::super::account::build;
    use super::super::net::ip;
    use super::*;

    fn open(egress: bool, proto: u8, remote: &str, port: u16) -> Opening {
        Opening { egress, proto, remote: ip(remote), port, icmp: (proto == 1).then_some((8, 0)), at: 0 }
    }

    fn specs(account: &Account, eni: &str, packet: &Opening, view: View) -> Vec<String> {
        let ids = permitting(account, account.eni(eni), packet, view);
        let mut specs: Vec<String> = account
            .groups
            .iter()
            .flat_map(|g| &g.rules)
            .filter(|r| ids.contains(&r.id))
            .map(|r| r.spec.clone())
            .collect();
        specs.sort();
        specs
    }

    #[test]
    fn union_of_rules_and_groups() {
        let account = build(None);
        let https = open(false, 6, "203.0.113.9", 443);
        assert_eq!(
            specs(&account, "alb-1", &https, View::Dumped),
            ["in tcp 443 0.0.0.0/0", "in tcp 443 203.0.113.0/24"]
        );
        let ssh = open(false, 6, "10.20.0.22", 22);
        assert_eq!(
            specs(&account, "app-1", &ssh, View::Dumped),
            ["in tcp 22 10.20.0.0/24", "in tcp 22 sg:bastion"]
        );
    }

    #[test]
    fn families_do_not_mix() {
        let account = build(None);
        assert_eq!(
            specs(&account, "alb-1", &open(false, 6, "2a02:8108::1", 443), View::Dumped),
            ["in tcp 443 ::/0"]
        );
        assert_eq!(
            specs(&account, "web-1", &open(true, 6, "2a02:8108::1", 443), View::Dumped),
            ["out all ::/0"]
        );
    }

    #[test]
    fn references_stand_for_private_addresses_the_secondary_included() {
        let account = build(None);
        let db = |remote| specs(&account, "db-1", &open(false, 6, remote, 5432), View::Dumped);
        assert_eq!(db("10.20.10.131"), ["in tcp 5432 sg:app"]);
        assert_eq!(db("10.20.10.77"), ["in tcp 5432 sg:lambda"]);
        assert!(db("10.20.10.21").is_empty(), "web is not in the group");
        let peer = open(false, 6, "10.30.1.10", 51080);
        assert_eq!(specs(&account, "app-2", &peer, View::Dumped), ["in tcp 51080 sg:peer-clients"]);
    }

    #[test]
    fn references_are_not_tested_with_ipv6() {
        let account = build(None);
        let web = "2a05:d018:1234:ab10::21";
        let app = account.eni("app-1");
        assert_eq!(
            specs(&account, "app-1", &open(false, 6, web, 51443), View::Dumped),
            ["in tcp 51443 2a05:d018:1234:ab00::/56"]
        );
        assert!(specs(&account, "app-1", &open(false, 6, web, 51080), View::Dumped).is_empty());
        assert!(depends_on_v6_reference(&account, app, &open(false, 6, web, 51080)));
        assert!(!depends_on_v6_reference(&account, app, &open(false, 6, web, 51443)));
    }

    #[test]
    fn protocols_without_ports_ignore_them() {
        let account = build(None);
        assert_eq!(
            specs(&account, "vpn", &open(false, 50, "198.51.100.77", 0), View::Dumped),
            ["in 50 198.51.100.77/32"]
        );
        assert!(specs(&account, "vpn", &open(false, 47, "198.51.100.77", 0), View::Dumped).is_empty());
    }

    #[test]
    fn icmp_type_is_tested_by_the_firewall_but_not_known_to_a_reader() {
        let account = build(None);
        let ping = open(false, 1, "81.2.3.4", 0);
        let alb = account.eni("alb-1");
        assert!(permitting(&account, alb, &ping, View::Firewall).is_empty());
        assert_eq!(possibly_permitting(&account, alb, &ping).len(), 1);
    }

    #[test]
    fn hidden_rules_are_in_the_firewall_only() {
        let account = build(None);
        let packet = open(false, 6, "192.0.2.66", 8443);
        assert_eq!(specs(&account, "bastion", &packet, View::Firewall), ["in tcp 8443 192.0.2.66/32"]);
        assert!(specs(&account, "bastion", &packet, View::Dumped).is_empty());
    }

    #[test]
    fn acl_first_match_wins_and_is_not_asked_inside_a_subnet() {
        let account = build(None);
        let alb = account.eni("alb-1");
        assert!(!acl_allows(&account, alb, false, 6, ip("198.51.100.200"), 443), "denied by entry 50");
        assert!(acl_allows(&account, alb, false, 6, ip("198.51.100.20"), 443));
        assert!(!acl_allows(&account, alb, false, 6, ip("2001:db8:bad::1"), 443));
        let legacy = account.eni("legacy");
        assert!(acl_allows(&account, legacy, false, 6, ip("10.20.10.21"), 8443));
        assert!(!acl_allows(&account, legacy, true, 6, ip("10.20.10.21"), 40000), "replies are blocked");
        assert!(acl_allows(&account, legacy, true, 6, ip("10.20.30.99"), 40000), "same subnet");
        assert!(!acl_allows(&account, legacy, false, 6, ip("93.184.216.34"), 40000));
        let db = account.eni("db-1");
        assert!(!acl_allows(&account, db, false, 17, ip("10.20.10.31"), 53), "catch-all");
    }

    #[test]
    fn a_removed_rule_no_longer_counts() {
        let account = build(Some((1000, 2000)));
        let mut packet = open(false, 6, "10.30.1.11", 8888);
        packet.at = 999;
        assert_eq!(specs(&account, "app-2", &packet, View::Dumped), ["in tcp 8888 10.30.1.0/24"]);
        packet.at = 1000;
        assert!(specs(&account, "app-2", &packet, View::Dumped).is_empty());
        let mut gossip = open(false, 6, "10.20.11.34", 7946);
        gossip.at = 1999;
        assert!(specs(&account, "app-1", &gossip, View::Dumped).is_empty(), "app-4 does not exist yet");
        gossip.at = 2000;
        assert_eq!(specs(&account, "app-1", &gossip, View::Dumped), ["in tcp 7946 sg:app"]);
    }
}
