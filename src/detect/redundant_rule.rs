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
//! other, the narrower one is reported and the other is not. The evidence names the covering rules (`covered_by`) and
//! tells three cases apart (`shadow`):
//!
//! - `same-group` (cause `statically-shadowed`): a rule of the same group permits all that this one does. The
//!   configuration alone says so, and the grade is `reliable` however short the logs.
//! - `every-interface` (cause `statically-shadowed`): at each interface that has the group now, some other group has a
//!   rule that permits all of it. An interface that gets the group tomorrow may lack the others.
//! - `none` (cause `covered-in-practice`): only the traffic says so. Then the grade is `reliable` after 42 watched days,
//!   as for `unused-rule`, and with 30 connections or more.
//!
//! ## When it is wrong
//! Covered in practice, a rule may still be the only one for traffic that did not happen in the window. Where there are
//! too many combinations of rules to keep, rules of which some are missing are not called redundant; their
//! `grade_reasons` in `rules.jsonl` tell so.
//!
//! ## Tuning
//! Feed a longer window of logs. `--skip redundant-rule` turns it off.
//!
//! ## What to do
//! If the covering rule is the wider one and meant to stay, remove this rule; if this rule is what was meant,
//! remove the wider one instead and look at the `permissive-rule` findings. Rules that others of the group contain and
//! that nobody used are told by `duplicate-rule`, all of a group at once.

use super::redundancy::{Shadow, redundancy};
use super::rule_evidence;
use super::unused_rule::{about_rule, sentence};
use super::{Detector, Input, Meta, counted, finish};
use crate::finding::{Finding, FindingBuilder, Kind, RuleClass, Severity};

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
        let covered = redundancy(input.rollups).redundant;
        let id = |number: &u32| input.rollups.rule(*number).map(|rule| rule.id.clone());
        let pairs = input.rollups.rules.iter().zip(input.rules);
        pairs
            .filter(|(_, row)| row.class == RuleClass::Redundant)
            .filter_map(|(rule, row)| {
                let cover = covered.get(&rule.number)?;
                let names: Vec<String> = cover.rules.iter().filter_map(|(number, _)| id(number)).collect();
                let (how, shadow, by) = match &cover.shadow {
                    Shadow::SameGroup(by) => ("statically-shadowed", "same-group", &by[..]),
                    Shadow::EveryInterface(by) => ("statically-shadowed", "every-interface", &by[..]),
                    Shadow::None => ("covered-in-practice", "none", &[][..]),
                };
                let by: Vec<String> = by.iter().filter_map(id).collect();
                let first = by.first().or(names.first())?.clone();
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
                    .evidence("covers_all_it_permits", cover.shadow != Shadow::None)
                    .evidence("shadow", shadow)
                    .evidence("shadowed_by", by)
                    .next(format!("compare {} with {first}, keep the one that says what is meant", rule.id));
                finish(about_rule(rule_evidence::tell(builder, row), input.rollups, rule))
            })
            .collect()
    }
}
