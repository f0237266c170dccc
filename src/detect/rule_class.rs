//! What the observed traffic says about each rule. The detectors of rules and `rules.jsonl` share this.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;

use super::redundancy::{Redundancy, Shadow, redundancy};
pub(super) use super::rule_evidence::instant;
use super::{rule_evidence, services};
use crate::finding::{Grade, PortCount, PortRangeCount, RuleClass, RuleRow};
use crate::flow::Direction;
use crate::rollup::{Blocks, Rollups, RuleFacts};

/// Connections a rule must have had before its breadth is judged by them.
pub(super) const ENOUGH: u64 = 10;

/// How many observed ports a row lists.
const PORTS_LISTED: usize = 20;

/// Which part of a rule is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Breadth {
    /// Ports permitted and ports seen, where few of them were.
    pub ports: Option<(u32, usize)>,
    /// Addresses permitted (log2) and the blocks of /24 (IPv4) or /64 (IPv6) that hold every peer, where the
    /// latter are far less.
    pub peers: Option<(f64, Vec<IpNet>)>,
}

/// Classifies every rule, in the order of [`Rollups::rules`].
#[must_use]
pub fn classify(rollups: &Rollups) -> Vec<RuleRow> {
    let judged = redundancy(rollups);
    rollups.rules.iter().map(|rule| row(rule, &judged, rollups.unread.as_deref())).collect()
}

/// Redundant rules by number, each with the rules that permitted its connections, too, and how many of them.
#[must_use]
pub fn covering(rollups: &Rollups) -> BTreeMap<u32, Vec<(u32, u64)>> {
    redundancy(rollups).redundant.into_iter().map(|(rule, cover)| (rule, cover.rules)).collect()
}

/// By number of the rule, how far the logs carry that it is needed for nothing but what was seen, whatever its class: that a
/// rule is used takes no more than the use, but to narrow it takes time.
#[must_use]
pub fn silence(rollups: &Rollups) -> BTreeMap<u32, (Grade, Vec<String>)> {
    let of = |rule: &RuleFacts| {
        let evidence = rule_evidence::evidence(rule);
        let mut told = rule_evidence::grade(rule, RuleClass::Permissive, false, &evidence);
        if let Some(unread) = &rollups.unread {
            lower_for(unread, &mut told);
        }
        (rule.number, told)
    };
    rollups.rules.iter().map(of).collect()
}

fn lower_for(unread: &str, (grade, reasons): &mut (Grade, Vec<String>)) {
    *grade = Grade::Weak.max(*grade);
    reasons.push(format!("{unread} could not be read, and may hold more uses of it"));
}

fn row(rule: &RuleFacts, judged: &Redundancy, unread: Option<&str>) -> RuleRow {
    let usage = &rule.usage;
    let redundant = judged.redundant.get(&rule.number);
    let mut class = if usage.connections == 0 {
        RuleClass::Unused
    } else if redundant.is_some() {
        RuleClass::Redundant
    } else if breadth(rule).is_some() {
        RuleClass::Permissive
    } else {
        RuleClass::Used
    };
    let by_configuration = redundant.is_some_and(|cover| matches!(cover.shadow, Shadow::SameGroup(_)));
    let evidence = rule_evidence::evidence(rule);
    let mut told = rule_evidence::grade(rule, class, by_configuration, &evidence);
    if let Some(unread) = unread.filter(|_| class != RuleClass::Used && !by_configuration) {
        lower_for(unread, &mut told);
    }
    let (mut grade, mut grade_reasons) = told;
    if judged.unknown.contains(&rule.number) {
        grade = grade.max(Grade::Weak);
        grade_reasons.push(
            "other rules permitted all of it, too, in too many combinations to tell whether it is redundant"
                .to_owned(),
        );
    }
    if class == RuleClass::Unused && grade == Grade::NotEvaluable {
        class = RuleClass::NotEvaluable;
    }
    let ports = usage.ports.top().into_iter().take(PORTS_LISTED);
    let (observed_ports, observed_port_ranges) = if usage.ports.is_approximate() {
        (
            Vec::new(),
            ports.map(|((first, last), connections)| PortRangeCount { first, last, connections }).collect(),
        )
    } else {
        (ports.map(|((port, _), connections)| PortCount { port, connections }).collect(), Vec::new())
    };
    RuleRow {
        rule_id: rule.id.clone(),
        security_group: rule.group.clone(),
        direction: rule.direction,
        protocol: rule.protocol_text.clone(),
        port_range: rule.port_text.clone(),
        peer: rule.peer_text.clone(),
        connections: usage.connections,
        sole_connections: usage.sole_connections,
        bytes: usage.bytes,
        first_used: usage.first.map(i64::from),
        last_used: usage.last.map(i64::from),
        distinct_peers: usage.peers.distinct(),
        approximate: usage.peers.is_approximate(),
        distinct_peers_error: usage.peers.relative_error(),
        observed_ports,
        observed_port_ranges,
        interfaces: Arc::clone(&rule.interfaces),
        grade,
        grade_reasons,
        class,
        evidence,
    }
}

/// Permitted (addresses x ports x protocols) on a log2 scale. Group references count as one address.
#[must_use]
pub fn openness(rule: &RuleFacts) -> f64 {
    let protocols = if rule.protocol.is_none() { 8.0 } else { 0.0 };
    f64::from(port_count(rule)).log2() + address_bits(rule).unwrap_or(0.0) + protocols
}

/// The same of what was used of it: addresses that came, ports and protocols that were seen.
pub(super) fn used_openness(rule: &RuleFacts) -> f64 {
    let usage = &rule.usage;
    let protocols: u32 = match rule.protocol {
        Some(_) => 1,
        None => usage.protocols.iter().map(|word| word.count_ones()).sum(),
    };
    let addresses = if rule.blocks.is_some() { usage.peers.distinct() } else { 1 };
    let log2 = |count: f64| count.max(1.0).log2();
    log2(usage.ports.distinct() as f64) + log2(addresses as f64) + log2(f64::from(protocols))
}

/// Ports a rule permits; 1 for protocols without.
pub(super) fn port_count(rule: &RuleFacts) -> u32 {
    match (rule.protocol, rule.ports) {
        (Some(p), _) if !p.has_ports() => 1,
        (_, None) => 65_536,
        (_, Some((low, high))) => u32::from(high) - u32::from(low) + 1,
    }
}

/// log2 of the addresses a rule permits, `None` for references.
pub(super) fn address_bits(rule: &RuleFacts) -> Option<f64> {
    let blocks = rule.blocks.as_ref()?;
    let total: f64 = blocks.iter().map(|b| 2_f64.powi(i32::from(b.max_prefix_len() - b.prefix_len()))).sum();
    Some(total.max(1.0).log2())
}

/// True if so few connections used it that it can't be told whether it is wider than its use.
pub(super) fn may_be_wide(rule: &RuleFacts) -> bool {
    rule.usage.connections < ENOUGH
        && (port_count(rule) >= 16 || (is_cidr(rule) && address_bits(rule).is_some_and(|bits| bits >= 10.0)))
}

/// How far a rule is wider than what was seen, `None` if it fits or too little was seen.
#[must_use]
pub fn breadth(rule: &RuleFacts) -> Option<Breadth> {
    let usage = &rule.usage;
    if usage.connections == 0 {
        return None;
    }
    let open = port_count(rule);
    let seen = usage.ports.distinct();
    // Protocols without ports seen under an all-protocol rule count as one more.
    let ports = (open >= 16
        && seen.max(1) * 8 <= open as usize
        && seen <= 64
        && usage.connections >= ENOUGH
        && !usage.ports.is_approximate())
    .then_some((open, seen));
    let peers = peer_breadth(rule);
    (ports.is_some() || peers.is_some()).then_some(Breadth { ports, peers })
}

fn peer_breadth(rule: &RuleFacts) -> Option<(f64, Vec<IpNet>)> {
    let usage = &rule.usage;
    let open = address_bits(rule)?;
    if usage.connections < ENOUGH || !is_cidr(rule) {
        return None;
    }
    let everyone = rule.blocks.as_ref()?.iter().any(services::is_everyone);
    let blocks = usage.blocks.finest()?;
    // A service for everyone has peers all over the address space; then its sources cannot be narrowed.
    let limit = if everyone && rule.direction == Direction::Inbound { 4 } else { Blocks::KEPT };
    let size: f64 = blocks.iter().map(|b| 2_f64.powi(i32::from(b.max_prefix_len() - b.prefix_len()))).sum();
    (blocks.len() <= limit && open >= size.log2() + 2.0).then_some((open, blocks))
}

fn is_cidr(rule: &RuleFacts) -> bool {
    !rule.references_group && rule.blocks.as_ref().is_some_and(|b| b.len() == 1)
}
