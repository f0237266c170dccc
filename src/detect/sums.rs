//! Sums over the cells of one finding.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::at_interfaces;
use crate::finding::{FindingBuilder, Grade, Ports};
use crate::rollup::{InterfaceRow, OddCell, OddCells, OddKey, Outcome, Peers, Rollups, Subject, Tracking};

/// How many remotes, interfaces and ports a finding lists.
pub(super) const LISTED: usize = 20;

/// What the cells of a finding come to.
#[derive(Debug, Default)]
pub(super) struct Sum {
    pub connections: u64,
    /// Those whose opener rests on more than port numbers.
    pub certain: u64,
    /// Those of which the inventory's word holds only perhaps.
    pub unsure: u64,
    pub bytes: u64,
    pub acl_denies: u64,
    pub first: Option<u32>,
    pub last: Option<u32>,
    pub removed_by: Option<i64>,
    pub removed_vaguely: bool,
    pub rules: BTreeSet<u32>,
    pub remotes: Peers,
    pub evidence: BTreeMap<&'static str, u64>,
    pub tracking: BTreeMap<Tracking, u64>,
    pub interfaces: BTreeSet<u32>,
}

impl Sum {
    pub fn of<'c, S: 'c>(cells: impl IntoIterator<Item = (&'c OddKey<S>, &'c OddCell)>) -> Self {
        let mut sum = Self::default();
        cells.into_iter().for_each(|(key, cell)| sum.add(key, cell));
        sum
    }

    pub fn add<S>(&mut self, key: &OddKey<S>, cell: &OddCell) {
        self.interfaces.insert(key.interface);
        self.connections += cell.connections;
        self.certain += cell.certain;
        self.unsure += cell.unsure;
        self.bytes += cell.bytes;
        self.acl_denies += cell.acl_denies;
        self.first = [self.first, cell.first].into_iter().flatten().min();
        self.last = self.last.max(cell.last);
        self.removed_by = self.removed_by.max(cell.removed_by);
        self.removed_vaguely |= cell.removed_vaguely;
        self.rules.extend(&cell.rules);
        self.remotes.merge(&cell.remotes);
        for (evidence, count) in cell.evidence.iter() {
            *self.evidence.entry(evidence.as_str()).or_default() += count;
        }
        for (tracking, count) in cell.tracking() {
            *self.tracking.entry(tracking).or_default() += count;
        }
    }

    /// The grade, and why it is not better. Half of the evidence being port numbers is not enough to accuse anybody.
    pub fn grade(&self) -> (Grade, Vec<String>) {
        let mut reasons = Vec::new();
        if self.certain * 2 < self.connections {
            reasons.push(
                "who opened most of them is not certain: that rests on port numbers, or on nothing"
                    .to_owned(),
            );
        }
        if self.unsure * 2 > self.connections {
            reasons.push(
                "most of them were opened before the first snapshot, or while the inventory changed"
                    .to_owned(),
            );
        }
        (if reasons.is_empty() { Grade::Reliable } else { Grade::Weak }, reasons)
    }

    /// `192.0.2.1 and 3 more`.
    pub fn who(&self) -> String {
        match self.remotes.top().as_slice() {
            [] => "unknown addresses".to_owned(),
            [(one, _)] => one.to_string(),
            [(one, _), ..] => format!("{one} and {} more", self.remotes.distinct().saturating_sub(1)),
        }
    }

    /// The remote addresses with the most connections.
    pub fn top(&self) -> Vec<(IpAddr, u64)> {
        self.remotes.top()
    }

    /// The interfaces, in order.
    pub fn rows<'r>(&self, rollups: &'r Rollups) -> Vec<&'r InterfaceRow> {
        self.interfaces.iter().filter_map(|&n| rollups.interfaces.get(n as usize)).collect()
    }
}

/// Sums by how far connections got.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    pub sum: Sum,
    by_outcome: BTreeMap<Outcome, u64>,
}

impl Outcomes {
    pub fn add<S>(&mut self, key: &OddKey<S>, cell: &OddCell, outcome: Outcome) {
        self.sum.add(key, cell);
        *self.by_outcome.entry(outcome).or_default() += cell.connections;
    }

    pub fn of(&self, outcome: Outcome) -> u64 {
        self.by_outcome.get(&outcome).copied().unwrap_or(0)
    }

    /// The furthest that any of them got.
    pub fn best(&self) -> Outcome {
        self.by_outcome.keys().next().copied().unwrap_or(Outcome::Unanswered)
    }

    /// Counts, times, places and evidence that findings of all kinds share.
    pub fn tell(&self, builder: FindingBuilder, rollups: &Rollups) -> FindingBuilder {
        let sum = &self.sum;
        let mut builder = builder
            .during(sum.first.map(i64::from), sum.last.map(i64::from))
            .count("connections", sum.connections)
            .count("bytes", sum.bytes)
            .count("distinct_remotes", sum.remotes.distinct())
            .count("interfaces", sum.interfaces.len() as u64)
            .evidence("opener_evidence", json!(sum.evidence));
        for outcome in [Outcome::Data, Outcome::Answered, Outcome::Refused, Outcome::Unanswered] {
            builder = builder.count(outcome.as_str(), self.of(outcome));
        }
        at_interfaces(builder, &sum.rows(rollups)).with(|finding| {
            finding.remotes = sum.top().iter().take(LISTED).map(|(a, _)| a.to_string()).collect();
        })
    }
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
    Some(listed(low, high))
}

/// One port, or a range.
pub(super) fn listed(low: u16, high: u16) -> Ports {
    if low == high { Ports::One(low) } else { Ports::Range(low, high) }
}

/// What was estimated, merged or left out because there was too much.
pub(super) fn approximations<S: Subject>(
    mut builder: FindingBuilder,
    cells: &OddCells<S>,
    sum: &Sum,
) -> FindingBuilder {
    if sum.remotes.is_approximate() {
        builder = builder
            .evidence("distinct_remotes_approximate", true)
            .evidence("distinct_remotes_error", sum.remotes.relative_error());
    }
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

/// More ports than this that have the rest in common make one finding.
const SEPARATE_PORTS: usize = 10;

/// Cells with the key of each.
pub(super) type Cells<'c, S> = Vec<(&'c OddKey<S>, &'c OddCell)>;

/// Cells that are told together: those of one port, or all where there are many ports, which is true then.
pub(super) fn by_port<S>(cells: Cells<'_, S>) -> Vec<(Cells<'_, S>, bool)> {
    let mut ports: BTreeMap<u16, Cells<'_, S>> = BTreeMap::new();
    cells.iter().for_each(|cell| ports.entry(cell.0.port).or_default().push(*cell));
    if ports.len() > SEPARATE_PORTS {
        return vec![(cells, true)];
    }
    ports.into_values().map(|cells| (cells, false)).collect()
}
