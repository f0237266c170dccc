//! Security groups and their rules, from describe-security-groups and describe-security-group-rules
//! (domain D.1, D.2).

use super::cursor::Node;
use super::error::FieldError;
use super::place::region_of_arn;
use super::{Rule, RulePeer, SecurityGroup};
use crate::flow::{Direction, Protocol};

type Result<T> = std::result::Result<T, FieldError>;

/// Protocol, ports and ICMP type of a rule: the part both shapes share.
#[derive(Clone, Copy)]
struct Match {
    protocol: Option<Protocol>,
    ports: Option<(u16, u16)>,
    icmp: Option<(i16, i16)>,
}

/// An element of `SecurityGroups`. Each permission bundles many sources; a rule has one.
pub(super) fn security_group(node: &Node<'_>) -> Result<SecurityGroup> {
    let id = node.need_text("GroupId")?;
    let mut rules = Vec::new();
    for (member, direction) in
        [("IpPermissions", Direction::Inbound), ("IpPermissionsEgress", Direction::Outbound)]
    {
        for permission in node.each(member, |permission| permission_rules(permission, &id, direction))? {
            rules.extend(permission);
        }
    }
    Ok(SecurityGroup {
        name: node.text_or_empty("GroupName")?,
        description: node.text_or_empty("Description")?,
        vpc: node.opt_text("VpcId")?,
        account: node.opt_account("OwnerId")?,
        region: node.opt_text("SecurityGroupArn")?.and_then(|arn| region_of_arn(&arn)),
        tags: node.tags()?,
        rules: sorted(rules),
        id,
    })
}

/// Rules in the order of the model, one per (direction, protocol, ports, peer).
pub(super) fn sorted(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort_by(|a, b| (a.direction, &a.id, a).cmp(&(b.direction, &b.id, b)));
    rules.dedup_by(|a, b| a.id == b.id && a.same_as(b));
    rules
}

fn permission_rules(node: &Node<'_>, group: &str, direction: Direction) -> Result<Vec<Rule>> {
    let matching = matching(node)?;
    let rule = |peer: RulePeer, source: &Node<'_>| -> Result<Rule> {
        let description = if source.value().is_object() { source.opt_text("Description")? } else { None };
        Ok(with_synthetic_id(new_rule(group, direction, matching, peer, description)))
    };
    // AWS Config keeps plain strings where the API has objects.
    let cidr = |source: &Node<'_>, member: &str| -> Result<Rule> {
        let net = match source.value() {
            serde_json::Value::Object(_) => {
                source.opt_cidr(member)?.ok_or_else(|| source.missing(member, "a CIDR block"))?
            }
            _ => source.cidr()?,
        };
        rule(RulePeer::Cidr(net), source)
    };
    let mut rules = node.each("IpRanges", |source| cidr(source, "CidrIp"))?;
    rules.extend(node.each("Ipv6Ranges", |source| cidr(source, "CidrIpv6"))?);
    rules.extend(node.each("PrefixListIds", |source| {
        rule(RulePeer::PrefixList(source.need_text("PrefixListId")?), source)
    })?);
    rules.extend(node.each("UserIdGroupPairs", |source| rule(group_peer(source)?, source))?);
    Ok(rules)
}

/// An element of `SecurityGroupRules`, and the account its group belongs to.
pub(super) fn security_group_rule(node: &Node<'_>) -> Result<(Rule, Option<String>)> {
    let id = node.need_text("SecurityGroupRuleId")?;
    let group = node.need_text("GroupId")?;
    let egress = node.get("IsEgress").ok_or_else(|| node.missing("IsEgress", "true or false"))?.boolean()?;
    let direction = if egress { Direction::Outbound } else { Direction::Inbound };
    let peer = if let Some(net) = node.opt_cidr("CidrIpv4")? {
        RulePeer::Cidr(net)
    } else if let Some(net) = node.opt_cidr("CidrIpv6")? {
        RulePeer::Cidr(net)
    } else if let Some(list) = node.opt_text("PrefixListId")? {
        RulePeer::PrefixList(list)
    } else if let Some(reference) = node.get("ReferencedGroupInfo") {
        group_peer(&reference)?
    } else {
        return Err(node.missing("CidrIpv4", "one of CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo"));
    };
    let rule = new_rule(&group, direction, matching(node)?, peer, node.opt_text("Description")?);
    Ok((Rule { id, ..rule }, node.opt_account("GroupOwnerId")?))
}

fn new_rule(
    group: &str,
    direction: Direction,
    matching: Match,
    peer: RulePeer,
    description: Option<String>,
) -> Rule {
    let Match { protocol, ports, icmp } = matching;
    Rule {
        id: String::new(),
        synthetic: false,
        group: group.to_owned(),
        direction,
        protocol,
        ports,
        icmp,
        peer,
        description,
    }
}

fn with_synthetic_id(rule: Rule) -> Rule {
    Rule { id: rule.synthetic_id(), synthetic: true, ..rule }
}

fn group_peer(node: &Node<'_>) -> Result<RulePeer> {
    Ok(RulePeer::Group {
        id: node.need_text("GroupId")?,
        account: node.opt_account("UserId")?,
        peering: node.opt_text("VpcPeeringConnectionId")?,
        status: node.opt_text("PeeringStatus")?,
    })
}

/// `IpProtocol`, `FromPort`, `ToPort`. Ports of other protocols than TCP, UDP and ICMP are ignored,
/// as AWS does (domain D.1).
fn matching(node: &Node<'_>) -> Result<Match> {
    let name = node.get("IpProtocol").ok_or_else(|| node.missing("IpProtocol", "a protocol"))?;
    let protocol = protocol(&name)?;
    let (mut ports, mut icmp) = (None, None);
    match protocol {
        Some(p) if p.has_ports() => ports = port_range(node, "FromPort", "ToPort")?,
        Some(p) if p.is_icmp() => icmp = Some(icmp_type(node, "FromPort", "ToPort")?),
        _ => {}
    }
    Ok(Match { protocol, ports, icmp })
}

/// A protocol by name or number; `-1` and `all` are every protocol.
pub(super) fn protocol(node: &Node<'_>) -> Result<Option<Protocol>> {
    let text = node.text()?.to_ascii_lowercase();
    Ok(Some(match text.as_str() {
        "-1" | "all" => return Ok(None),
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "icmp" => Protocol::ICMP,
        "icmpv6" => Protocol::ICMPV6,
        number => {
            Protocol(number.parse().map_err(|_| {
                node.wrong("a protocol: tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1")
            })?)
        }
    }))
}

/// An inclusive range of ports; absent or -1 is all of them.
pub(super) fn port_range(node: &Node<'_>, from: &str, to: &str) -> Result<Option<(u16, u16)>> {
    let port = |key: &str| -> Result<Option<u16>> {
        let n = node.opt_integer(key, -1, i64::from(u16::MAX), "a port from 0 to 65535, or -1 for all")?;
        Ok(n.and_then(|n| u16::try_from(n).ok()))
    };
    match (port(from)?, port(to)?) {
        (None, None) => Ok(None),
        (Some(low), Some(high)) if low <= high => Ok(Some((low, high))),
        (Some(_), None) => Err(node.missing(to, "the last port of the range")),
        (None, Some(_)) => Err(node.missing(from, "the first port of the range")),
        (Some(_), Some(_)) => Err(match node.get(to) {
            Some(last) => last.wrong("a port that is not below the first of the range"),
            None => node.missing(to, "the last port of the range"),
        }),
    }
}

/// ICMP type and code; absent is any, and any type forces any code.
pub(super) fn icmp_type(node: &Node<'_>, kind: &str, code: &str) -> Result<(i16, i16)> {
    let part = |key: &str| -> Result<i16> {
        let n = node.opt_integer(key, -1, 255, "an ICMP type or code from 0 to 255, or -1 for any")?;
        Ok(n.and_then(|n| i16::try_from(n).ok()).unwrap_or(-1))
    };
    let kind = part(kind)?;
    let code = part(code)?;
    Ok((kind, if kind < 0 { -1 } else { code }))
}
