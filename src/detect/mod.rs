//! Is it odd?
//!
//! Detectors are pure: sums and facts in, findings out; no I/O, no clock, no async. One file per detector,
//! registered on one line in `DETECTORS`; the file's leading comment is the manual that `flowgate explain`
//! prints.

mod beacon;
mod contacts;
mod duplicate_rule;
mod ends_disagree;
mod expectation;
mod exposed_service;
mod first_contact;
mod group_hygiene;
mod groups;
mod misdropped;
mod normal;
mod open_network_acl;
mod open_rule;
mod outbound_volume;
mod permissive_rule;
mod redundancy;
mod redundant_rule;
mod rejected_spike;
pub mod rule_class;
mod rule_evidence;
mod services;
mod stale_reference;
mod story;
mod sums;
mod unexpected_accept;
mod unused_rule;
mod watchlist;

use crate::finding::{Finding, FindingBuilder, Kind, RuleRow};
use crate::rollup::{InterfaceRow, Rollups};

/// Every detector, in the order of reports.
static DETECTORS: [&dyn Detector; 17] = [
    &unexpected_accept::UnexpectedAccept,
    &rejected_spike::RejectedSpike,
    &misdropped::Misdropped,
    &first_contact::FirstContact,
    &outbound_volume::OutboundVolume,
    &beacon::Beacon,
    &exposed_service::ExposedService,
    &watchlist::Watchlist,
    &ends_disagree::EndsDisagree,
    &open_rule::OpenRule,
    &permissive_rule::PermissiveRule,
    &unused_rule::UnusedRule,
    &redundant_rule::RedundantRule,
    &stale_reference::StaleReference,
    &duplicate_rule::DuplicateRule,
    &group_hygiene::GroupHygiene,
    &open_network_acl::OpenNetworkAcl,
];

/// What a detector is called and where its manual is.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Kebab-case id; the file's name with `-` for `_`.
    pub id: &'static str,
    /// What it finds.
    pub kind: Kind,
    /// One line.
    pub title: &'static str,
    /// The source of its file; the leading comment is the manual.
    pub manual: &'static str,
}

/// What detectors may look at.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Sums and facts of the run.
    pub rollups: &'a Rollups,
    /// The class of every rule, in the order of [`Rollups::rules`].
    pub rules: &'a [RuleRow],
    /// Every accepted connection without a rule is told, with the reason, not only those that alarm.
    pub list_escapes: bool,
    /// How little is enough to be told.
    pub sensitivity: Sensitivity,
}

/// How little is enough to be told, by those detectors that have thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sensitivity {
    /// Only what stands out very far.
    Low,
    /// What their manuals say.
    #[default]
    Normal,
    /// Also what stands out a little.
    High,
}

/// A detector. Everything that can fail failed before.
pub trait Detector: Sync {
    /// Name and manual.
    fn meta(&self) -> &'static Meta;
    /// The findings, in any order.
    fn detect(&self, input: &Input<'_>) -> Vec<Finding>;
}

/// Every detector's name and manual, in the order of reports.
#[must_use]
pub fn registry() -> Vec<&'static Meta> {
    DETECTORS.iter().map(|d| d.meta()).collect()
}

/// The detectors to run: all, or only those named, without those skipped.
///
/// # Errors
/// The first name that no detector has.
pub fn select(only: &[String], skip: &[String]) -> Result<Vec<&'static dyn Detector>, String> {
    let known = |name: &&String| registry().iter().any(|m| m.id == *name);
    if let Some(unknown) = only.iter().chain(skip).find(|name| !known(name)) {
        return Err(unknown.clone());
    }
    let wanted =
        |id: &str| (only.is_empty() || only.iter().any(|o| o == id)) && !skip.iter().any(|s| s == id);
    Ok(DETECTORS.iter().copied().filter(|d| wanted(d.meta().id)).collect())
}

/// A finding, if the builder takes it. A refusal is a defect of the detector, which tests catch; a run must not
/// end for it.
fn finish(builder: FindingBuilder) -> Option<Finding> {
    let built = builder.build();
    debug_assert!(built.is_ok(), "{built:?}");
    built.ok()
}

/// `1 peer`, `2 peers`, `1,234 peers`: for sentences.
fn counted(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let grouped: Vec<&str> = {
        let first = digits.len() % 3;
        let (head, tail) = digits.split_at(first);
        let groups = (0..tail.len() / 3).map(|i| &tail[i * 3..i * 3 + 3]);
        (!head.is_empty()).then_some(head).into_iter().chain(groups).collect()
    };
    let plural = match noun {
        _ if count == 1 => noun.to_owned(),
        "address" => "addresses".to_owned(),
        _ => format!("{noun}s"),
    };
    format!("{} {plural}", grouped.join(","))
}

/// Places a finding at some interfaces, and wherever all of them are.
fn at_interfaces(builder: FindingBuilder, rows: &[&InterfaceRow]) -> FindingBuilder {
    let common = |pick: fn(&InterfaceRow) -> &Option<String>| {
        let first = rows.first().map(|row| pick(row))?;
        rows.iter().all(|row| pick(row) == first).then(|| first.clone())?
    };
    builder.with(|f| {
        f.account = common(|row| &row.account);
        f.region = common(|row| &row.region);
        f.vpc = common(|row| &row.vpc);
        f.interfaces = rows.iter().map(|row| row.id.clone()).collect();
        f.instances = rows.iter().filter_map(|row| row.instance.clone()).collect();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: [&str; 6] = [
        "## What it finds",
        "## Why it matters",
        "## How it decides",
        "## When it is wrong",
        "## Tuning",
        "## What to do",
    ];

    #[test]
    fn manuals_have_every_heading_in_order_and_ids_match_kinds() {
        for meta in registry() {
            assert_eq!(meta.id, meta.kind.as_str());
            let mut from = 0;
            for heading in HEADINGS {
                let at = meta.manual[from..].find(heading);
                assert!(at.is_some(), "{}: {heading} is missing or out of order", meta.id);
                from += at.unwrap_or(0);
            }
        }
    }

    #[test]
    fn every_detector_file_is_registered() {
        let ids: Vec<&str> = registry().iter().map(|m| m.id).collect();
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/detect");
        for entry in std::fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                continue;
            }
            let name = entry.file_name().into_string().unwrap();
            let source = std::fs::read_to_string(format!("{directory}/{name}")).unwrap();
            if name != "mod.rs" && source.contains("impl Detector for") {
                let id = name.trim_end_matches(".rs").replace('_', "-");
                assert!(ids.contains(&id.as_str()), "{name} is not registered");
            }
        }
    }

    #[test]
    fn sentences_count_well() {
        assert_eq!(counted(1, "peer"), "1 peer");
        assert_eq!(counted(0, "peer"), "0 peers");
        assert_eq!(counted(1_234_567, "address"), "1,234,567 addresses");
        assert_eq!(counted(123_456, "byte"), "123,456 bytes");
    }

    #[test]
    fn selection_refuses_unknown_names() {
        assert_eq!(select(&["nope".into()], &[]).err().as_deref(), Some("nope"));
        assert_eq!(select(&[], &["unused-rule".into()]).map(|d| d.len()), Ok(DETECTORS.len() - 1));
        assert_eq!(select(&["unused-rule".into()], &[]).map(|d| d.len()), Ok(1));
    }
}
