//! Security group rules that no connection used.
//!
//! ## What it finds
//! Rules that permitted no accepted connection in the time they were watched (`no-traffic`), and rules whose use has
//! ended (`no-longer-used`).
//!
//! ## Why it matters
//! An unused rule is exposure without benefit: nobody would miss it, but an attacker may use it.
//!
//! ## How it decides
//! A rule is credited only by connections that were opened in the direction it governs: replies prove nothing,
//! although flow logs record them as ACCEPT. Every rule that permits a connection is credited. A rule without
//! a single credit is unused, as far as the logs carry. It is judged only over the time it existed, at the interfaces
//! that had its group then, whether they still exist or not, and only where their logs hold accepted traffic.
//!
//! The grade is `reliable` if all of this holds, else `weak`, with the reasons:
//!
//! - It was watched for at least 42 days: six weeks, as GCP's Firewall Insights look back, in which a job that runs once
//!   a month runs at least once.
//! - The inventory or AWS Config knows that it existed all that time: an inventory of today says nothing about a rule's
//!   age. A rule that was added yesterday was not used for a day, whatever the length of the logs.
//! - The logs cover every interface of the group, for at least 95 % of its time, and SKIPDATA is less than 0.1 % of it.
//! - Gaps do not matter: a job that runs once in 31 days would have fallen into gaps every time with a chance
//!   (`chance_missed`) of at most 0.1 %. So over six weeks hardly an hour may be missing; over three months, 10 % may.
//!   Interfaces with the same groups stand in for each other, since instances come and go; one with groups that no other
//!   has must have been watched for a month of its own.
//! - No interface of the VPC is unknown to the inventory: it may have had the group.
//! - Everything could be read: an object or a line that could not may hold the one use.
//!
//! Nothing can be said, and nothing is reported, of rules whose group is attached to no interface (scaled to zero), that
//! refer to a group without interfaces or to a prefix list that nobody could read, whose only purpose is traffic that is
//! never logged (Amazon DNS, instance metadata, time sync), or that connections of unknown opener may have used; their
//! class in `rules.jsonl` is `not-evaluable`, with the reason. A rule whose group other rules refer to is judged as any
//! other, since removing it changes nothing for them; the evidence says so (`group_is_referenced`). A rule that refers
//! to something that is gone is told by `stale-reference`.
//!
//! `no-longer-used`: the rule was used on several days, has been silent for at least 14 days and twice its own longest
//! pause, and a use as frequent as before would be silent for so long with a chance of less than 1 %
//! (`chance_missed`: of days used in T seconds, (T / (T + silence)) to the power of days). Its class stays `used`.
//!
//! ## When it is wrong
//! A rule for a quarterly job, a failover or an emergency is unused until the day it is needed. Gaps shorter than ten
//! minutes are not seen.
//!
//! ## Tuning
//! Feed a longer window of logs, and inventories from its beginning (or AWS Config history): the grade says what is
//! missing. `--skip unused-rule` turns it off.
//!
//! ## What to do
//! Ask the owner, then remove the rule; keep the command to bring it back. Start with rules open to everyone.

use super::rule_evidence::{self, LONG_ENOUGH, born, span};
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, RuleClass, RuleRow, Severity};
use crate::flow::Direction;
use crate::rollup::{OtherSide, Rollups, RuleFacts, Since};

/// See the file's manual.
pub(super) struct UnusedRule;

static META: Meta = Meta {
    id: "unused-rule",
    kind: Kind::UnusedRule,
    title: "security group rules that no connection used",
    manual: include_str!("unused_rule.rs"),
};

/// Shortest silence, in seconds, after which a use can be called over: two weeks, so that holidays are not an end.
const SILENCE: u32 = 14 * 86_400;

/// The largest chance of such a silence in a use that goes on.
const STILL_USED: f64 = 0.01;

impl Detector for UnusedRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let pairs = input.rollups.rules.iter().zip(input.rules);
        pairs
            .filter_map(|(rule, row)| {
                let told = match row.class {
                    RuleClass::Unused if matches!(rule.other_side, OtherSide::Gone(_)) => return None,
                    RuleClass::Unused => unused(input.rollups, rule, row),
                    RuleClass::Used | RuleClass::Permissive if is_over(row) => {
                        over(input.rollups, rule, row)?
                    }
                    _ => return None,
                };
                finish(about_rule(told, input.rollups, rule))
            })
            .collect()
    }
}

fn severity(rule: &RuleFacts, grade: Grade) -> Severity {
    let everyone = rule.blocks.as_ref().is_some_and(|b| b.iter().any(services::is_everyone));
    match (everyone && rule.direction == Direction::Inbound, grade) {
        (true, _) => Severity::Medium,
        (false, Grade::Reliable) => Severity::Low,
        (false, _) => Severity::Informational,
    }
}

fn unused(rollups: &Rollups, rule: &RuleFacts, row: &RuleRow) -> FindingBuilder {
    let window = lifetime(rollups, rule);
    let builder = FindingBuilder::new(META.id, META.kind, "no-traffic")
        .rated(severity(rule, row.grade), row.grade)
        .told(
            format!("{} was not used", sentence(rule)),
            format!(
                "No connection used it in {} on {}{}.",
                span(window),
                counted(rule.interfaces.len() as u64, "interface"),
                rule.since.map_or_else(String::new, |since| format!("; {}", born(since)))
            ),
        )
        .count("connections", 0)
        .evidence("window_seconds", window)
        .evidence("group_is_referenced", rule.group_is_referenced)
        .next(format!("ask the owner of {} whether {} is still needed", rule.group, rule.id));
    let builder = rule_evidence::tell(builder, row);
    match rule.since {
        Some(Since::Added(at)) => builder.evidence("rule_added_at", at),
        _ => builder,
    }
}

/// Seconds of the window in which the rule existed, as far as is known.
fn lifetime(rollups: &Rollups, rule: &RuleFacts) -> u32 {
    let Some((first, last)) = rollups.window else { return 0 };
    let since = rule.since.map_or(i64::from(first), Since::time);
    u32::try_from(i64::from(last) - since.max(i64::from(first))).unwrap_or(0)
}

/// Whether the use of a rule has ended, by its own pauses.
fn is_over(row: &RuleRow) -> bool {
    let evidence = &row.evidence;
    let pause = evidence.longest_pause.unwrap_or(0);
    evidence.silent_seconds.is_some_and(|silent| silent >= SILENCE && silent / 2 >= pause)
        && evidence.days_used > 1
        && evidence.chance_missed < STILL_USED
}

fn over(rollups: &Rollups, rule: &RuleFacts, row: &RuleRow) -> Option<FindingBuilder> {
    let evidence = &row.evidence;
    let (silent, last) = (evidence.silent_seconds?, row.last_used?);
    // The silence is to be watched like that of a rule that was never used.
    let watched = silent >= LONG_ENOUGH && evidence.coverage >= 0.999 && evidence.interfaces_unknown == 0;
    let watched = watched && evidence.interfaces_attached == evidence.interfaces_covered;
    let watched = watched && rollups.unread.is_none();
    let grade = if watched && !rule.interfaces.is_empty() { Grade::Reliable } else { Grade::Weak };
    let builder = FindingBuilder::new(META.id, META.kind, "no-longer-used")
        .rated(severity(rule, grade), grade)
        .told(
            format!("{} has not been used for {}", sentence(rule), span(silent)),
            format!(
                "{} on {} used it until {}; pauses were {} at most.",
                counted(row.connections, "connection"),
                counted(u64::from(evidence.days_used), "day"),
                rule_evidence::instant(last),
                span(evidence.longest_pause.unwrap_or(0)),
            ),
        )
        .count("connections", row.connections)
        .count("days_used", u64::from(evidence.days_used))
        .evidence("last_used", rule_evidence::instant(last))
        .evidence("chance_missed", (evidence.chance_missed * 1e4).round() / 1e4)
        .evidence("silent_seconds", silent)
        .evidence("longest_pause_seconds", evidence.longest_pause)
        .evidence("group_is_referenced", rule.group_is_referenced)
        .next(format!(
            "ask the owner of {} whether what used {} was taken out of service",
            rule.group, rule.id
        ));
    Some(rule_evidence::tell(builder, row))
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
