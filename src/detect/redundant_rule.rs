//! Security group rules that other rules make unnecessary.
//!
//! ## What it finds
//! Rules that were used, but never alone: every connection they permitted, another rule of the same interface
//! permitted, too.
//!
//! ## Why it matters
//! A rule that changes nothing hides the ones that do, counts against the quota, and keeps a door open when the
//! other rule is removed.
//!
//! ## How it decides
//! For each accepted connection the set of all rules that permit it is known, over all groups of the interface.
//! A rule is redundant if it was used and no such set consists of it alone. Where two rules cover for each
//! other, the narrower one is reported and the other is not. The evidence names the covering rules.
//!
//! ## When it is wrong
//! It speaks of observed traffic: a rule may still be the only one for traffic that did not happen in the window.
//! The evidence says so unless one covering rule permits everything that this one does. Where there are too many
//! combinations of rules to keep, rules of which some are missing are not called redundant; their `grade_reasons` in
//! `rules.jsonl` tell so.
//!
//! ## Tuning
//! Feed a longer window of logs. `--skip redundant-rule` turns it off.
//!
//! ## What to do
//! If the covering rule is the wider one and meant to stay, remove this rule; if this rule is what was meant,
//! remove the wider one instead and look at the `permissive-rule` findings.

use super::unused_rule::{about_rule, sentence};
use super::{Detector, Input, Meta, counted, finish, rule_class};
use crate::finding::{Finding, FindingBuilder, Kind, RuleClass, Severity};
use crate::rollup::RuleFacts;

/// See the file's manual.
pub(super) struct RedundantRule;

static META: Meta = Meta {
    id: "redundant-rule",
    kind: Kind::RedundantRule,
    title: "security group rules that other rules make unnecessary",
    manual: include_str!("redundant_rule.rs"),
};

impl Detector for RedundantRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let covered = rule_class::redundancy(input.rollups).redundant;
        let pairs = input.rollups.rules.iter().zip(input.rules);
        pairs
            .filter(|(_, row)| row.class == RuleClass::Redundant)
            .filter_map(|(rule, row)| {
                let covering = covered.get(&rule.number)?;
                let names: Vec<String> = covering
                    .iter()
                    .filter_map(|(number, _)| input.rollups.rule(*number).map(|r| r.id.clone()))
                    .collect();
                let shadowed = covering
                    .iter()
                    .filter_map(|(number, _)| input.rollups.rule(*number))
                    .any(|wide| contains(wide, rule));
                let how = if shadowed { "statically-shadowed" } else { "covered-in-practice" };
                let first = names.first()?.clone();
                let builder = FindingBuilder::new(META.id, META.kind, how)
                    .rated(Severity::Low, row.grade)
                    .told(
                        format!("{} is covered by other rules", sentence(rule)),
                        format!(
                            "What it permitted ({}), {} would have permitted as well.",
                            counted(row.connections, "connection"),
                            names.join(", ")
                        ),
                    )
                    .count("connections", row.connections)
                    .count("sole_connections", 0)
                    .evidence("covered_by", names)
                    .evidence("covers_all_it_permits", shadowed)
                    .evidence("grade_reasons", row.grade_reasons.clone())
                    .next(format!("compare {} with {first}, keep the one that says what is meant", rule.id));
                finish(about_rule(builder, input.rollups, rule))
            })
            .collect()
    }
}

/// True if `wide` permits everything that `narrow` does, by configuration and on the same interfaces.
fn contains(wide: &RuleFacts, narrow: &RuleFacts) -> bool {
    let protocol = wide.protocol.is_none() || wide.protocol == narrow.protocol;
    let ports = match (wide.ports, narrow.ports) {
        (None, _) => true,
        (Some(w), Some(n)) => w.0 <= n.0 && n.1 <= w.1,
        (Some(w), None) => w == (0, u16::MAX),
    };
    let peers = match (&wide.blocks, &narrow.blocks) {
        (Some(wide), Some(narrow)) => narrow.iter().all(|n| wide.iter().any(|w| w.contains(n))),
        (None, None) => wide.peer_text == narrow.peer_text,
        _ => false,
    };
    let interfaces = narrow.interfaces.iter().all(|i| wide.interfaces.contains(i));
    wide.direction == narrow.direction && protocol && ports && peers && interfaces
}
