//! Rules in the words of the AWS provider.

use serde_json::Value;

use super::values::{number, texts};
use crate::flow::{Direction, Protocol};
use crate::inventory::{Rule, RulePeer};

/// A rule, or why there is none.
pub(super) type Parsed = Result<Rule, String>;

/// `None` is all protocols.
pub(super) fn protocol(text: &str) -> Result<Option<Protocol>, String> {
    match text.to_ascii_lowercase().as_str() {
        "-1" | "all" => Ok(None),
        "tcp" => Ok(Some(Protocol::TCP)),
        "udp" => Ok(Some(Protocol::UDP)),
        "icmp" => Ok(Some(Protocol::ICMP)),
        "icmpv6" => Ok(Some(Protocol::ICMPV6)),
        other => other.parse().map(|number| Some(Protocol(number))).map_err(|_| format!("protocol `{text}`")),
    }
}

/// Who is on the other side.
pub(super) enum Peer<'p> {
    Cidr(&'p str),
    List(String),
    Group(String),
}

/// A rule from its parts. `owner` is the account of its group, if known.
pub(super) fn rule(
    group: &str,
    direction: Direction,
    service: (&str, Option<i64>, Option<i64>),
    peer: Peer<'_>,
    description: Option<&str>,
) -> Parsed {
    let protocol = protocol(service.0)?;
    let (from, to) = (service.1.unwrap_or(-1), service.2.unwrap_or(-1));
    let (mut ports, mut icmp) = (None, None);
    if protocol.is_some_and(Protocol::has_ports) {
        let port = |number: i64| u16::try_from(number).map_err(|_| format!("port {number}"));
        // -1 is all, and so is 0 to 65535.
        if (from, to) != (-1, -1) && (from, to) != (0, 65_535) {
            ports = Some((port(from)?, port(to)?));
        }
    } else if protocol.is_some_and(Protocol::is_icmp) {
        let kind = |number: i64| i16::try_from(number).map_err(|_| format!("ICMP type {number}"));
        icmp = Some(if from < 0 { (-1, -1) } else { (kind(from)?, kind(to)?) });
    }
    let peer = match peer {
        Peer::Cidr(text) => {
            let net: ipnet::IpNet = text.parse().map_err(|_| format!("CIDR `{text}`"))?;
            RulePeer::Cidr(net.trunc())
        }
        Peer::List(id) => RulePeer::PrefixList(id),
        Peer::Group(text) => {
            // That of another account is written `123456789012/sg-…`.
            let (account, id) = match text.split_once('/') {
                Some((account, id)) => (Some(account.to_owned()), id.to_owned()),
                None => (None, text),
            };
            RulePeer::Group { id, account, peering: None, status: None }
        }
    };
    let mut rule = Rule {
        id: String::new(),
        synthetic: true,
        group: group.to_owned(),
        direction,
        protocol,
        ports,
        icmp,
        peer,
        description: description.map(str::to_owned).filter(|text| !text.is_empty()),
    };
    rule.id = rule.synthetic_id();
    Ok(rule)
}

/// The rules of one inline block, or of an `aws_security_group_rule`: one for each source.
pub(super) fn of_block(group: &str, direction: Direction, block: &Value) -> Vec<Parsed> {
    let text = |key: &str| block.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let list = |key: &str| block.get(key).map(texts).unwrap_or_default();
    let Some(protocol) = text("protocol").map(str::to_owned).or_else(|| {
        // Older providers write numbers as numbers.
        block.get("protocol").and_then(Value::as_i64).map(|number| number.to_string())
    }) else {
        return vec![Err("no protocol".to_owned())];
    };
    let mut peers: Vec<Peer<'_>> = Vec::new();
    peers.extend(list("cidr_blocks").into_iter().chain(list("ipv6_cidr_blocks")).map(Peer::Cidr));
    peers.extend(list("prefix_list_ids").into_iter().map(|id| Peer::List(id.to_owned())));
    let groups = list("security_groups").into_iter().chain(list("source_security_group_id"));
    let own = block.get("self").and_then(Value::as_bool) == Some(true);
    let mut groups: Vec<String> = groups.map(str::to_owned).collect();
    if own {
        groups.push(group.to_owned());
    }
    groups.sort_unstable();
    groups.dedup();
    peers.extend(groups.into_iter().map(Peer::Group));
    let service = (protocol.as_str(), number(block.get("from_port")), number(block.get("to_port")));
    // A protocol without ports has them at 0 in many configurations.
    let make = |peer| rule(group, direction, service, peer, text("description"));
    peers.into_iter().map(make).collect()
}

/// The rules of inline blocks.
pub(super) fn of_blocks(group: &str, direction: Direction, blocks: Option<&Value>) -> Vec<Parsed> {
    let blocks = blocks.and_then(Value::as_array).into_iter().flatten();
    blocks.flat_map(|block| of_block(group, direction, block)).collect()
}
