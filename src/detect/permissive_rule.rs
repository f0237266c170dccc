//! Security group rules that permit far more than was used.
//!
//! ## What it finds
//! Rules that were needed, but whose ports or sources (for egress: destinations) are far wider than the traffic
//! that used them.
//!
//! ## Why it matters
//! The unused part of a rule is exposure: an administration port in a range, a /8 where a /24 would do, the whole
//! internet where one partner connects.
//!
//! ## How it decides
//! Ports: at least 16 are permitted, and at most an eighth of them was used. Addresses: the /24 (IPv4) or /64
//! (IPv6) blocks that hold every observed peer are few (at most 8; 4 if the rule is open to everyone) and hold at
//! most a quarter of the permitted addresses. Both need at least 10 connections. Rules that reference security
//! groups or prefix lists are judged by their ports only. Public services have peers all over the address space
//! and are left alone. The evidence says how much is permitted and how much of it was used, as addresses x ports x
//! protocols on a log2 scale (`permitted_log2`, `used_log2`). The grade is `reliable` after 42 watched days, as for
//! `unused-rule`: what comes once a month is part of the use, too.
//!
//! ## When it is wrong
//! Peers that did not call within the window are not seen. FTP, RPC and similar protocols need ranges of which a
//! short window shows little.
//!
//! ## Tuning
//! Feed a longer window of logs. `--skip permissive-rule` turns it off.
//!
//! ## What to do
//! Narrow the rule to the observed ports and blocks that the evidence lists, with the head-room you need, and watch
//! for rejects. Rules open to everyone on administration and database ports come first. `open-rule` tells of such rules
//! whatever their use, group by group; `exposed-service` of those connections from the internet that got through.

use super::unused_rule::{about_rule, sentence};
use super::{Detector, Input, Meta, counted, finish, rule_class, rule_evidence, services};
use crate::finding::{Finding, FindingBuilder, Kind, RuleClass, RuleRow, Severity};
use crate::flow::Direction;
use crate::rollup::RuleFacts;

/// See the file's manual.
pub(super) struct PermissiveRule;

static META: Meta = Meta {
    id: "permissive-rule",
    kind: Kind::PermissiveRule,
    title: "security group rules that permit far more than was used",
    manual: include_str!("permissive_rule.rs"),
};

impl Detector for PermissiveRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let pairs = input.rollups.rules.iter().zip(input.rules);
        pairs
            .filter(|(_, row)| row.class == RuleClass::Permissive)
            .filter_map(|(rule, row)| finish(about_rule(describe(rule, row)?, input.rollups, rule)))
            .collect()
    }
}

fn describe(rule: &RuleFacts, row: &RuleRow) -> Option<FindingBuilder> {
    let breadth = rule_class::breadth(rule)?;
    let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
    let exposed = rule.blocks.as_ref().is_some_and(|b| b.iter().any(services::is_everyone));
    let ports_matter = rule.protocol.is_none_or(|p| p == crate::flow::Protocol::TCP);
    let sensitive = if ports_matter { services::sensitive_within(low, high) } else { Vec::new() };
    let severity = match (rule.direction, exposed, sensitive.is_empty()) {
        (Direction::Inbound, true, false) => Severity::High,
        (Direction::Inbound, true, true) | (Direction::Inbound, false, false) => Severity::Medium,
        (Direction::Inbound, false, true) => Severity::Low,
        // The default egress rule permits everything; nearly every group has it.
        (Direction::Outbound, ..) => Severity::Informational,
    };
    let mut parts = Vec::new();
    let mut builder = FindingBuilder::new(META.id, META.kind, cause(&breadth)).rated(severity, row.grade);
    if let Some((open, seen)) = breadth.ports {
        let listed: Vec<String> = row.observed_ports.iter().take(5).map(|p| services::name(p.port)).collect();
        let more = if seen > listed.len() { ", …" } else { "" };
        parts.push(format!("{seen} of {open} ports were used ({}{more})", listed.join(", ")));
        builder = builder.count("ports_permitted", u64::from(open)).count("ports_used", seen as u64);
    }
    if let Some((bits, blocks)) = &breadth.peers {
        let listed: Vec<String> = blocks.iter().map(ToString::to_string).collect();
        parts.push(format!(
            "{} in {} used 2^{bits:.0} permitted addresses",
            counted(row.distinct_peers, "peer"),
            counted(blocks.len() as u64, "block"),
        ));
        builder = builder
            .evidence("addresses_permitted_log2", *bits)
            .evidence("observed_blocks", listed.clone())
            .with(|f| f.remotes = listed);
    }
    let ports: Vec<u16> = row.observed_ports.iter().map(|p| p.port).collect();
    let hit: Vec<String> = sensitive.iter().map(|(p, n)| format!("{p} {n}")).collect();
    Some(rule_evidence::tell(
        builder
            .told(
                format!("{} is wider than its use", sentence(rule)),
                format!(
                    "Of what it permits, {}, by {}.",
                    parts.join("; "),
                    counted(row.connections, "connection")
                ),
            )
            .count("connections", row.connections)
            .count("sole_connections", row.sole_connections)
            .count("distinct_peers", row.distinct_peers)
            .evidence("observed_ports", ports)
            .evidence("sensitive_ports_permitted", hit)
            .evidence("permitted_log2", rounded(rule_class::openness(rule)))
            .evidence("used_log2", rounded(rule_class::used_openness(rule)))
            .evidence("protocols_used", protocols(rule))
            .next(format!("narrow {} to the observed ports and blocks, then watch for rejects", rule.id)),
        row,
    ))
}

fn rounded(bits: f64) -> f64 {
    (bits * 10.0).round() / 10.0
}

/// Protocols that were seen, in words.
fn protocols(rule: &RuleFacts) -> Vec<String> {
    let words = rule.usage.protocols;
    let seen = (0..=u8::MAX).filter(|n| words[usize::from(n / 64)] >> (n % 64) & 1 == 1);
    seen.map(|number| crate::flow::Protocol(number).to_string()).collect()
}

fn cause(breadth: &rule_class::Breadth) -> &'static str {
    match (&breadth.ports, &breadth.peers) {
        (Some(_), Some(_)) => "wide-ports-and-peers",
        (Some(_), None) => "wide-ports",
        _ => "wide-peers",
    }
}
