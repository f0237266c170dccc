//! Security group rules that no connection used.
//!
//! ## What it finds
//! Rules that permitted no accepted connection in the whole window, on any interface of their group.
//!
//! ## Why it matters
//! An unused rule is exposure without benefit: nobody would miss it, but an attacker may use it.
//!
//! ## How it decides
//! A rule is credited only by connections that were opened in the direction it governs: replies prove nothing,
//! although flow logs record them as ACCEPT. Every rule that permits a connection is credited. A rule without
//! a single credit is unused, as far as the logs carry: the grade is `reliable` only if the window spans at
//! least 7 days, every interface of the group is covered for at least 95 % of it, no capture was skipped
//! (SKIPDATA), and the rule existed throughout. Where AWS Config tells when a rule was added, only its own life counts:
//! a rule added yesterday was not used for a day, whatever the length of the logs. Rules whose group is attached to no covered interface, or
//! whose only purpose is traffic that is never logged (Amazon DNS, instance metadata, time sync), and rules that
//! connections of unknown opener may have used, are not evaluable and are not reported.
//!
//! ## When it is wrong
//! A rule for a yearly job, a failover or an emergency is unused until the day it is needed. Interfaces that
//! were deleted before the inventory was taken may have used it.
//!
//! ## Tuning
//! Feed a longer window of logs: the grade says what is missing. `--skip unused-rule` turns it off.
//!
//! ## What to do
//! Ask the owner, then remove the rule; keep the command to bring it back. Start with rules open to everyone.

use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, RuleClass, RuleRow, Severity};
use crate::flow::Direction;
use crate::rollup::{Rollups, RuleFacts, Since};

/// See the file's manual.
pub(super) struct UnusedRule;

static META: Meta = Meta {
    id: "unused-rule",
    kind: Kind::UnusedRule,
    title: "security group rules that no connection used",
    manual: include_str!("unused_rule.rs"),
};

impl Detector for UnusedRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let pairs = input.rollups.rules.iter().zip(input.rules);
        pairs
            .filter(|(_, row)| row.class == RuleClass::Unused)
            .filter_map(|(rule, row)| finish(describe(input.rollups, rule, row)))
            .collect()
    }
}

fn describe(rollups: &Rollups, rule: &RuleFacts, row: &RuleRow) -> FindingBuilder {
    let everyone = rule.blocks.as_ref().is_some_and(|b| b.iter().any(services::is_everyone));
    let exposed = everyone && rule.direction == Direction::Inbound;
    let severity = match (exposed, row.grade) {
        (true, _) => Severity::Medium,
        (false, Grade::Reliable) => Severity::Low,
        (false, _) => Severity::Informational,
    };
    let window = super::rule_class::lifetime(rollups, rule);
    let builder = FindingBuilder::new(META.id, META.kind, "no-traffic")
        .rated(severity, row.grade)
        .told(
            format!("{} was not used", sentence(rule)),
            format!(
                "No connection used it in {} on {}{}.",
                super::rule_class::span(window),
                counted(rule.interfaces.len() as u64, "interface"),
                rule.since.map_or_else(String::new, |since| format!("; {}", super::rule_class::born(since)))
            ),
        )
        .count("connections", 0)
        .evidence("window_seconds", window)
        .evidence("grade_reasons", row.grade_reasons.clone())
        .evidence("group_is_referenced", rule.group_is_referenced)
        .next(format!("ask the owner of {} whether {} is still needed", rule.group, rule.id));
    let builder = match rule.since {
        Some(Since::Added(at)) => builder.evidence("rule_added_at", at),
        _ => builder,
    };
    about_rule(builder, rollups, rule)
}

/// `inbound tcp 22 from 0.0.0.0/0 in sg-1 (web)`
pub(super) fn sentence(rule: &RuleFacts) -> String {
    let preposition = if rule.direction == Direction::Inbound { "from" } else { "to" };
    let ports = if rule.port_text == "all" && rule.protocol_text == "all" {
        String::new()
    } else {
        format!(" {}", rule.port_text)
    };
    let name = if rule.group_name.is_empty() { String::new() } else { format!(" ({})", rule.group_name) };
    let protocol = if rule.protocol_text == "all" { "all traffic" } else { &rule.protocol_text };
    format!("{} {protocol}{ports} {preposition} {} in {}{name}", rule.direction, rule.peer_text, rule.group)
}

/// Subject and place of a finding about a rule.
pub(super) fn about_rule(builder: FindingBuilder, rollups: &Rollups, rule: &RuleFacts) -> FindingBuilder {
    let ports = match (rule.protocol, rule.ports) {
        (Some(p), Some((low, high))) if p.has_ports() && low == high => vec![Ports::One(low)],
        (Some(p), Some((low, high))) if p.has_ports() => vec![Ports::Range(low, high)],
        (Some(p), None) if p.has_ports() => vec![Ports::Range(0, 65_535)],
        _ => Vec::new(),
    };
    let tcp = rule.protocol.is_none_or(|p| p == crate::flow::Protocol::TCP);
    let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
    let controls = match (&rule.blocks, rule.direction) {
        (Some(blocks), Direction::Inbound) => services::controls(blocks, tcp, low, high),
        _ => Vec::new(),
    };
    builder
        .about(rule.group.clone())
        .about(rule.id.clone())
        .service(Some(rule.direction), Some(rule.protocol_text.clone()), ports)
        .during(
            rollups.window.map(|(first, _)| i64::from(first)),
            rollups.window.map(|(_, last)| i64::from(last)),
        )
        .with(|f| {
            f.account.clone_from(&rule.account);
            f.region.clone_from(&rule.region);
            f.vpc.clone_from(&rule.vpc);
            f.security_group = Some(rule.group.clone());
            f.rule_id = Some(rule.id.clone());
            f.interfaces = rule.interfaces.to_vec();
            f.controls = controls.into_iter().map(str::to_owned).collect();
            let mut instances: Vec<String> =
                rule.places.iter().filter_map(|&p| rollups.interfaces[p as usize].instance.clone()).collect();
            instances.sort();
            instances.dedup();
            f.instances = instances;
            if f.remotes.is_empty() {
                f.remotes = vec![rule.peer_text.clone()];
            }
        })
}
