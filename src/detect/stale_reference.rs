//! Security group rules that refer to something that is gone.
//!
//! ## What it finds
//! Rules that name a security group that was deleted (`group-deleted`), that is reached over a peering connection that
//! is gone (`peering-gone`), or a prefix list that the account does not see (`prefix-list-missing`). One finding for each
//! security group and cause.
//!
//! ## Why it matters
//! Nobody gets in by such a rule, but it counts against the quota, and whoever reads it believes that somebody does. AWS
//! does not remove them (VPC peering guide, "Identify your VPC security groups with stale rules").
//!
//! ## How it decides
//! `reliable` where AWS itself says so: the peering status of the reference is `deleted`, `rejected`, `expired` or
//! `failed`, or the reference has no owner any more. `weak` where the dumps only lack what the rule names, though they
//! hold groups of the same account, other peering connections, other prefix lists. The use is that of the logs' time:
//! what was used in it went away after.
//!
//! ## When it is wrong
//! Weak ones are wrong where dumps are not complete: a group of another region, a prefix list that is shared with the
//! account in one region only. `flowgate inventory check` says what is missing.
//!
//! ## Tuning
//! There is nothing to set. `--skip stale-reference` turns it off.
//!
//! ## What to do
//! `aws ec2 describe-stale-security-groups` confirms references over peering. Remove the rules.

use std::collections::BTreeMap;

use super::groups::{self, LISTED};
use super::{Detector, Input, Meta, counted, finish};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, RuleRow, Severity};
use crate::rollup::{Gone, GroupFacts, OtherSide, RuleFacts};

/// See the file's manual.
pub(super) struct StaleReference;

static META: Meta = Meta {
    id: "stale-reference",
    kind: Kind::StaleReference,
    title: "security group rules that refer to something that is gone",
    manual: include_str!("stale_reference.rs"),
};

impl Detector for StaleReference {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for group in &input.rollups.groups {
            let mut causes: BTreeMap<&str, Vec<(bool, &RuleFacts, &RuleRow)>> = BTreeMap::new();
            for (rule, row) in groups::rules(input, group) {
                if let OtherSide::Gone(gone) = rule.other_side {
                    let (cause, told) = match gone {
                        Gone::Group { told } => ("group-deleted", told),
                        Gone::Peering { told } => ("peering-gone", told),
                        Gone::PrefixList => ("prefix-list-missing", false),
                    };
                    causes.entry(cause).or_default().push((told, rule, row));
                }
            }
            let told = causes.iter().map(|(cause, rules)| describe(group, cause, rules));
            findings.extend(told.filter_map(|builder| finish(groups::about(builder, input, group))));
        }
        findings
    }
}

fn describe(group: &GroupFacts, cause: &str, rules: &[(bool, &RuleFacts, &RuleRow)]) -> FindingBuilder {
    let mut peers: Vec<String> = rules.iter().map(|(_, rule, _)| rule.peer_text.clone()).collect();
    peers.sort();
    peers.dedup();
    let what = match cause {
        "group-deleted" => "which is gone",
        "peering-gone" => "whose peering connection is gone",
        _ => "which the account does not see",
    };
    let named = match &peers[..] {
        [one] => one.clone(),
        [one, more @ ..] => format!("{one} and {} more", more.len()),
        [] => "something".to_owned(),
    };
    let grade = if rules.iter().all(|(told, ..)| *told) { Grade::Reliable } else { Grade::Weak };
    let connections: u64 = rules.iter().map(|(.., row)| row.connections).sum();
    let reasons: Vec<&str> = match grade {
        Grade::Reliable => Vec::new(),
        _ => vec!["the inventory lacks it; AWS does not say that it is gone"],
    };
    let listed: Vec<_> = rules.iter().take(LISTED).map(|(_, rule, row)| groups::told(rule, row)).collect();
    let ids: Vec<&str> = rules.iter().take(5).map(|(_, rule, _)| rule.id.as_str()).collect();
    let only = match rules {
        [(_, rule, _)] => Some(rule.id.clone()),
        _ => None,
    };
    FindingBuilder::new(META.id, META.kind, cause)
        .rated(Severity::Low, grade)
        .told(
            format!(
                "{} in {} to {named}, {what}",
                match rules.len() {
                    1 => "1 rule refers".to_owned(),
                    n => format!("{n} rules refer"),
                },
                groups::name(group)
            ),
            match connections {
                0 => "Nothing used them while the logs ran.".to_owned(),
                n => format!("{} used them while the logs ran, before it went.", counted(n, "connection")),
            },
        )
        .count("rules", rules.len() as u64)
        .count("connections", connections)
        .evidence("rules", listed)
        .evidence("grade_reasons", reasons)
        .next(format!("remove {} from {}", ids.join(", "), group.id))
        .with(|f| {
            f.remotes = peers;
            f.rule_id = only;
        })
}
