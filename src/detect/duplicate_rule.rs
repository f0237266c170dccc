//! Rules that another rule of the same security group contains.
//!
//! ## What it finds
//! Rules whose protocol, ports and addresses another rule of the same group and direction permits, too: the same written
//! twice (`0-65535` and all ports), or one within the other (10.1.0.0/16 beside 10.0.0.0/8). One finding for each group;
//! the evidence names each such rule with the one that contains it.
//!
//! ## Why it matters
//! They change nothing, count against the quota of 60 rules, and stay behind when somebody closes the wider one.
//!
//! ## How it decides
//! By the configuration alone, so that no log is needed. A prefix list counts by its entries. Rules that were used are
//! told one by one by `redundant-rule`, with those that cover them, and are not repeated here; if nobody used a
//! contained rule, `unused-rule` may tell of it, too, by its use.
//!
//! ## When it is wrong
//! The narrow rule may be what is meant, and the wide one the mistake. A description may be the reason for two rules.
//!
//! ## Tuning
//! There is nothing to set. `--skip duplicate-rule` turns it off.
//!
//! ## What to do
//! Remove the contained rule, or the wider one if that was not meant; removing the contained one never cuts anything.

use serde_json::{Value, json};

use super::groups::{self, LISTED};
use super::redundancy::contains;
use super::{Detector, Input, Meta, finish};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, RuleClass, RuleRow, Severity};
use crate::rollup::{GroupFacts, OtherSide, RuleFacts};

/// See the file's manual.
pub(super) struct DuplicateRule;

static META: Meta = Meta {
    id: "duplicate-rule",
    kind: Kind::DuplicateRule,
    title: "rules that another rule of the same security group contains",
    manual: include_str!("duplicate_rule.rs"),
};

impl Detector for DuplicateRule {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let groups = input.rollups.groups.iter();
        groups.filter_map(|group| finish(groups::about(describe(input, group)?, input, group))).collect()
    }
}

/// The rule that makes another one unnecessary. Of two that contain each other the first by id stays.
fn container<'r>(rules: &[(&'r RuleFacts, &'r RuleRow)], narrow: &RuleFacts) -> Option<&'r RuleFacts> {
    let wide = |wide: &RuleFacts| {
        wide.id != narrow.id && contains(wide, narrow) && (!contains(narrow, wide) || wide.id < narrow.id)
    };
    rules.iter().map(|(rule, _)| *rule).find(|rule| wide(rule))
}

fn describe(input: &Input<'_>, group: &GroupFacts) -> Option<FindingBuilder> {
    let rules: Vec<(&RuleFacts, &RuleRow)> = groups::rules(input, group)
        .filter(|(rule, _)| !matches!(rule.other_side, OtherSide::Gone(_)))
        .collect();
    let contained: Vec<(&RuleFacts, &RuleRow, &RuleFacts)> = rules
        .iter()
        .filter(|(_, row)| row.class != RuleClass::Redundant)
        .filter_map(|&(rule, row)| Some((rule, row, container(&rules, rule)?)))
        .collect();
    let &(narrow, _, wide) = contained.first()?;
    let same = contained.iter().all(|(narrow, _, wide)| contains(narrow, wide));
    let listed: Vec<Value> = contained
        .iter()
        .take(LISTED)
        .map(|(narrow, row, wide)| {
            let mut told = groups::told(narrow, row);
            told["contained_in"] = json!(wide.id);
            told["container"] =
                json!(format!("{} {} {}", wide.protocol_text, wide.port_text, wide.peer_text));
            told
        })
        .collect();
    let only = match &contained[..] {
        [(narrow, ..)] => Some(narrow.id.clone()),
        _ => None,
    };
    let builder = FindingBuilder::new(META.id, META.kind, if same { "same-rule" } else { "contained-rule" })
        .rated(Severity::Informational, Grade::Reliable)
        .told(
            match contained.len() {
                1 => format!("1 of {} rules of {} is contained in another", rules.len(), groups::name(group)),
                n => {
                    format!("{n} of {} rules of {} are contained in others", rules.len(), groups::name(group))
                }
            },
            format!(
                "{} {} {} ({}) is within {} {} {} ({}).",
                narrow.protocol_text,
                narrow.port_text,
                narrow.peer_text,
                narrow.id,
                wide.protocol_text,
                wide.port_text,
                wide.peer_text,
                wide.id
            ),
        )
        .count("rules", rules.len() as u64)
        .count("contained", contained.len() as u64)
        .evidence("contained", listed)
        .next(format!("remove {} if {} is meant, else the other way round", narrow.id, wide.id));
    Some(builder.with(|f| f.rule_id = only))
}
