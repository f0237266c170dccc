//! How a rule is named and written.

use super::{Rule, RulePeer};
use crate::hash::fnv1a;

impl Rule {
    /// The id of a rule whose dump has none: `sgr-x` and 16 hexadecimal digits.
    ///
    /// The digits are the FNV-1a 64 hash of
    /// `group|direction|protocol|ports|icmp|peer`, e.g. `sg-1|inbound|tcp|443-443|-|10.0.0.0/8`,
    /// with `all` for all protocols or ports, `type:code` for ICMP, `-` where a part does not
    /// apply, and the bare id for lists and groups. Owner, peering and its status are left out: they
    /// change while the rule stays the same. Files, their order and descriptions do not matter.
    /// The letter `x` is no hexadecimal digit, so that such an id can't be taken for one of AWS.
    #[must_use]
    pub fn synthetic_id(&self) -> String {
        let ports = match (self.protocol, self.ports) {
            (_, Some((from, to))) => format!("{from}-{to}"),
            (Some(protocol), None) if !protocol.has_ports() => "-".to_owned(),
            (_, None) => "all".to_owned(),
        };
        let icmp = self.icmp.map_or_else(|| "-".to_owned(), |(kind, code)| format!("{kind}:{code}"));
        let peer = match &self.peer {
            RulePeer::Cidr(net) => net.to_string(),
            RulePeer::PrefixList(id) | RulePeer::Group { id, .. } => id.clone(),
        };
        let text = format!(
            "{}|{}|{}|{ports}|{icmp}|{peer}",
            self.group,
            self.direction.as_str(),
            self.protocol_text()
        );
        format!("sgr-x{:016x}", fnv1a(text.as_bytes()))
    }

    /// `tcp`, `udp`, `icmp`, `icmpv6`, the number of any other protocol, or `all`.
    #[must_use]
    pub fn protocol_text(&self) -> String {
        self.protocol.map_or_else(|| "all".to_owned(), |protocol| protocol.to_string())
    }

    /// `443`, `1000-2000` or `all`. For ICMP rules that name a type: `type 8`, `type 3 code 4`.
    #[must_use]
    pub fn port_text(&self) -> String {
        match (self.ports, self.icmp) {
            (Some((from, to)), _) if from == to => from.to_string(),
            (Some((from, to)), _) => format!("{from}-{to}"),
            (None, Some((kind, -1))) if kind >= 0 => format!("type {kind}"),
            (None, Some((kind, code))) if kind >= 0 => format!("type {kind} code {code}"),
            (None, _) => "all".to_owned(),
        }
    }

    /// `10.0.0.0/8`, `pl-…`, `sg-…`; a group of an account other than `owner`, the owner of the
    /// rule's own group, as AWS writes it: `123456789012/sg-…`.
    #[must_use]
    pub fn peer_text(&self, owner: Option<&str>) -> String {
        match &self.peer {
            RulePeer::Cidr(net) => net.to_string(),
            RulePeer::PrefixList(id) => id.clone(),
            RulePeer::Group { id, account: Some(account), .. } if owner != Some(account.as_str()) => {
                format!("{account}/{id}")
            }
            RulePeer::Group { id, .. } => id.clone(),
        }
    }

    /// What makes two rules of one group the same: everything but id, description and what is only
    /// known about the peer.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        let peers = match (&self.peer, &other.peer) {
            (RulePeer::Group { id: a, .. }, RulePeer::Group { id: b, .. }) => a == b,
            (a, b) => a == b,
        };
        peers
            && self.group == other.group
            && self.direction == other.direction
            && self.protocol == other.protocol
            && self.ports == other.ports
            && self.icmp == other.icmp
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Direction, Protocol};

    fn rule(protocol: Option<Protocol>, ports: Option<(u16, u16)>, peer: RulePeer) -> Rule {
        Rule {
            id: String::new(),
            synthetic: true,
            group: "sg-1".into(),
            direction: Direction::Inbound,
            protocol,
            ports,
            icmp: None,
            peer,
            description: None,
        }
    }

    fn group(account: Option<&str>) -> RulePeer {
        RulePeer::Group {
            id: "sg-2".into(),
            account: account.map(str::to_owned),
            peering: None,
            status: None,
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {}

    #[test]
    fn synthetic_ids_are_stable_and_tell_rules_apart() {
        let net = RulePeer::Cidr("10.0.0.0/8".parse().unwrap());
        let https = rule(Some(Protocol::TCP), Some((443, 443)), net.clone());
        // Part of the contract: ids of earlier runs must stay valid.
        assert_eq!(
            https.synthetic_id(),
            format!("sgr-x{:016x}", fnv1a(b"sg-1|inbound|tcp|443-443|-|10.0.0.0/8"))
        );
        assert_eq!(https.synthetic_id(), "sgr-x504bc28b45e574e3");
        let described = Rule { description: Some("x".into()), ..https.clone() };
        assert_eq!(described.synthetic_id(), https.synthetic_id());
        assert_eq!(
            rule(None, None, group(None)).synthetic_id(),
            rule(None, None, group(Some("1"))).synthetic_id()
        );

        let others = [
            rule(Some(Protocol::UDP), Some((443, 443)), net.clone()),
            rule(Some(Protocol::TCP), Some((443, 444)), net.clone()),
            rule(Some(Protocol::TCP), None, net.clone()),
            rule(None, None, net.clone()),
            Rule { direction: Direction::Outbound, ..https.clone() },
            Rule { group: "sg-3".into(), ..https.clone() },
            Rule { peer: group(None), ..https.clone() },
            Rule { icmp: Some((8, -1)), ..rule(Some(Protocol::ICMP), None, net.clone()) },
            Rule { icmp: Some((-1, -1)), ..rule(Some(Protocol::ICMP), None, net) },
            https,
        ];
        let ids: std::collections::BTreeSet<String> = others.iter().map(Rule::synthetic_id).collect();
        assert_eq!(ids.len(), others.len());
    }

    #[test]
    fn rules_are_written_as_people_write_them() {
        let tcp = |ports| rule(Some(Protocol::TCP), ports, group(Some("123456789012")));
        assert_eq!(tcp(Some((443, 443))).port_text(), "443");
        assert_eq!(tcp(Some((1000, 2000))).port_text(), "1000-2000");
        assert_eq!(tcp(None).port_text(), "all");
        let icmp = |kind, code| Rule { icmp: Some((kind, code)), ..tcp(None) };
        assert_eq!(icmp(3, 4).port_text(), "type 3 code 4");
        assert_eq!(icmp(8, -1).port_text(), "type 8");
        assert_eq!(icmp(-1, -1).port_text(), "all");
        assert_eq!(rule(None, None, group(None)).protocol_text(), "all");
        assert_eq!(rule(Some(Protocol(50)), None, group(None)).protocol_text(), "50");
        assert_eq!(tcp(None).peer_text(Some("123456789012")), "sg-2");
        assert_eq!(tcp(None).peer_text(Some("210987654321")), "123456789012/sg-2");
        assert_eq!(rule(None, None, group(None)).peer_text(None), "sg-2");
    }
}
