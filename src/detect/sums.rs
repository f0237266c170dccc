//! Sums over the cells of one finding.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::finding::{Finding, FindingBuilder, Grade, Ports};
use crate::rollup::{InterfaceRow, OddCell, OddCells, OddKey, Outcome, Peers, Rollups, Subject};

/// How many remotes, interfaces and ports a finding lists.
pub(super) const LISTED: usize = 20;

/// What cells come to together.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    pub connections: u64,
    /// Those with a proven or inferred opener.
    pub certain: u64,
    pub bytes: u64,
    pub first: Option<u32>,
    pub last: Option<u32>,
    pub remotes: Peers,
    pub rules: BTreeSet<u32>,
    pub interfaces: BTreeSet<u32>,
    pub outcomes: BTreeMap<Outcome, u64>,
    evidence: BTreeMap<&'static str, u64>,
}

impl Sum {
    pub fn add<S>(&mut self, key: &OddKey<S>, cell: &OddCell, outcome: Outcome) {
        self.connections += cell.connections;
        self.certain += cell.certain;
        self.bytes += cell.bytes;
        self.first = [self.first, cell.first].into_iter().flatten().min();
        self.last = self.last.max(cell.last);
        self.remotes.merge(&cell.remotes);
        self.rules.extend(&cell.rules);
        self.interfaces.insert(key.interface);
        *self.outcomes.entry(outcome).or_default() += cell.connections;
        for (evidence, count) in cell.evidence.iter() {
            *self.evidence.entry(evidence.as_str()).or_default() += count;
        }
    }

    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes.get(&outcome).copied().unwrap_or(0)
    }

    /// The furthest that any of them got.
    pub fn best(&self) -> Outcome {
        self.outcomes.keys().next().copied().unwrap_or(Outcome::Unanswered)
    }

    /// Half of the evidence being port numbers is not enough to accuse anybody.
    pub fn grade(&self) -> Grade {
        if self.certain * 2 >= self.connections { Grade::Reliable } else { Grade::Weak }
    }

    /// The interfaces, and those of them that are listed.
    pub fn rows<'r>(&self, rollups: &'r Rollups) -> Vec<&'r InterfaceRow> {
        self.interfaces.iter().filter_map(|&n| rollups.interfaces.get(n as usize)).collect()
    }

    /// `203.0.113.7 and 3 more`
    pub fn who(&self) -> String {
        match self.remotes.top().as_slice() {
            [] => "nobody".to_owned(),
            [(one, _)] => one.to_string(),
            [(one, _), ..] => format!("{one} and {} more", self.remotes.distinct().saturating_sub(1)),
        }
    }

    /// Counts, times, places and evidence that findings of all kinds share.
    pub fn tell(&self, builder: FindingBuilder, rollups: &Rollups) -> FindingBuilder {
        let mut builder = builder
            .during(self.first.map(i64::from), self.last.map(i64::from))
            .count("connections", self.connections)
            .count("bytes", self.bytes)
            .count("distinct_remotes", self.remotes.distinct())
            .count("interfaces", self.interfaces.len() as u64)
            .evidence("opener_evidence", json!(self.evidence));
        for outcome in [Outcome::Data, Outcome::Answered, Outcome::Refused, Outcome::Unanswered] {
            builder = builder.count(outcome.as_str(), self.of(outcome));
        }
        if self.remotes.is_approximate() {
            builder = builder
                .evidence("distinct_remotes_approximate", true)
                .evidence("distinct_remotes_error", self.remotes.relative_error());
        }
        let rows = self.rows(rollups);
        builder.with(|finding| {
            place(finding, &rows);
            finding.remotes = self.remotes.top().iter().take(LISTED).map(|(a, _)| a.to_string()).collect();
        })
    }
}

/// Interfaces and what they have in common.
pub(super) fn place(finding: &mut Finding, rows: &[&InterfaceRow]) {
    let common = |of: &dyn Fn(&InterfaceRow) -> Option<String>| -> Option<String> {
        let first = rows.first().and_then(|row| of(row))?;
        rows.iter().all(|row| of(row).as_ref() == Some(&first)).then_some(first)
    };
    finding.account = common(&|row| row.account.clone());
    finding.region = common(&|row| row.region.clone());
    finding.vpc = common(&|row| row.vpc.clone());
    finding.interfaces = rows.iter().take(LISTED).map(|row| row.id.clone()).collect();
    let mut instances: Vec<String> =
        rows.iter().take(LISTED).filter_map(|row| row.instance.clone()).collect();
    instances.dedup();
    finding.instances = instances;
}

/// `eni-1`, `eni-1 and 4 more interfaces`.
pub(super) fn places(rows: &[&InterfaceRow]) -> String {
    match rows {
        [] => "an unknown interface".to_owned(),
        [one] => one.id.clone(),
        [one, more @ ..] => format!("{} and {}", one.id, super::counted(more.len() as u64, "more interface")),
    }
}

/// Rules by number, as evidence: id and what they permit.
pub(super) fn rules(rollups: &Rollups, numbers: &BTreeSet<u32>) -> Vec<Value> {
    let told = numbers.iter().filter_map(|&number| {
        let id = rollups.named_rules.get(&number)?;
        Some(match rollups.rule(number) {
            Some(rule) => json!({
                "rule_id": id,
                "security_group": rule.group,
                "ports": format!("{} {}", rule.protocol_text, rule.port_text),
                "peer": rule.peer_text,
            }),
            None => json!({"rule_id": id, "removed": true}),
        })
    });
    told.collect()
}

/// The ports of a key, as the contract lists them.
pub(super) fn ports<S: Subject>(cells: &OddCells<S>, key: &OddKey<S>) -> Option<Ports> {
    if !key.protocol.has_ports() {
        return None;
    }
    let (low, high) = cells.ports(key);
    Some(if low == high { Ports::One(low) } else { Ports::Range(low, high) })
}

/// What was merged or left out because there was too much.
pub(super) fn tell_merged<S: Subject>(builder: FindingBuilder, cells: &OddCells<S>) -> FindingBuilder {
    let mut builder = builder;
    if cells.ports_merged() > 1 {
        builder = builder.evidence("ports_approximate", true).evidence("ports_merged", cells.ports_merged());
    }
    if cells.interfaces_merged() > 1 {
        builder = builder.evidence("interfaces_merged", cells.interfaces_merged());
    }
    if cells.subjects_left_out() > 1 {
        builder = builder.evidence("one_told_of", cells.subjects_left_out());
    }
    builder
}
