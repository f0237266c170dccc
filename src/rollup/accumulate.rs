//! Judged connections go in, mergeable sums come out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::admitted::AdmittedTable;
use super::bounds::Bounds;
use super::contacts::ContactSums;
use super::ends::{EndsTable, Views};
use super::exposed::{self, ExposedTable};
use super::odd::{EvidenceCounts, OddTable};
use super::rejects::RejectSums;
use super::rule_use::RuleTable;
use super::scene::Scene;
use super::service_class::is_unasked;
use super::sets::SetTable;
use super::traffic::TrafficSums;
use super::unmet::UnmetSums;
use super::watched::WatchTable;
use crate::connection::{Connection, Evidence, InterfaceFacts, SpillError, Strength};
use crate::flow::Action;
use crate::policy::{Cause, Judged, Verdict};

/// Sums over judged connections, within bounds (see the [room](crate::rollup)).
///
/// The result depends on the connections alone: not on their order, nor on how they are spread over rollups, nor on the
/// order in which those are merged.
#[derive(Debug)]
pub struct Rollup {
    /// Only rules with connections, so that many rules cost nothing per partition.
    pub(super) rules: RuleTable,
    pub(super) sets: SetTable,
    pub(super) odd: OddTable,
    pub(super) expectations: UnmetSums,
    /// Connections whose replies were rejected, by what.
    pub(super) blocked: OddTable<Cause>,
    pub(super) exposed: ExposedTable,
    pub(super) watched: WatchTable,
    pub(super) ends: EndsTable,
    /// Of the partition that is being added.
    views: Views,
    pub(super) rejects: RejectSums,
    pub(super) contacts: ContactSums,
    pub(super) admitted: AdmittedTable,
    pub(super) traffic: TrafficSums,
    /// A handful; the ones that came first, and so are most frequent, are found first.
    verdicts: Vec<(Verdict, u64)>,
    openers: EvidenceCounts,
    pub(super) connections: u64,
    pub(super) blocked_replies: u64,
    pub(super) late_records: u64,
}

impl Default for Rollup {
    fn default() -> Self {
        Self::within(&Bounds::default())
    }
}

impl Rollup {
    /// One whose rejected attempts go to this directory where they are too many for memory.
    pub(crate) fn spilling_into(directory: &Arc<Path>) -> Self {
        let bounds = Bounds::default();
        let rejects = RejectSums::spilling_into(directory, &bounds);
        Self { rejects, ..Self::within(&bounds) }
    }

    /// Whether everything that went to disk arrived there.
    ///
    /// # Errors
    /// It did not.
    pub(crate) fn check(&self) -> Result<(), SpillError> {
        self.rejects.check()
    }

    /// Looks at what went to disk. To be done once all is merged, before it becomes [`Rollups`](super::Rollups).
    ///
    /// # Errors
    /// It can't be read back.
    pub(crate) fn read_back(&mut self, interfaces: &[InterfaceFacts]) -> Result<(), SpillError> {
        self.rejects.read_back(&Bounds::default(), interfaces)
    }

    pub(super) fn within(bounds: &Bounds) -> Self {
        Self {
            rules: RuleTable::within(bounds),
            sets: SetTable::within(bounds),
            odd: OddTable::within(bounds.odd),
            expectations: UnmetSums::within(bounds.unmet),
            blocked: OddTable::within(bounds.blocked),
            exposed: ExposedTable::within(bounds.exposed),
            watched: WatchTable::within(bounds),
            ends: EndsTable::within(bounds.contradictions, bounds.agreements),
            views: Views::within(bounds.views),
            rejects: RejectSums::within(bounds),
            contacts: ContactSums::within(bounds),
            admitted: AdmittedTable::within(bounds.admitted),
            traffic: TrafficSums::default(),
            verdicts: Vec::new(),
            openers: EvidenceCounts::default(),
            connections: 0,
            blocked_replies: 0,
            late_records: 0,
        }
    }

    /// Takes a judged connection in. `scene` must be the same for all that are ever merged.
    pub fn add(&mut self, connection: &Connection, judged: &Judged, scene: &Scene) {
        let late_only = judged.verdict == Verdict::Rejected(Cause::LatePacket);
        self.count_verdict(judged.verdict, 1);
        self.late_records += u64::from(connection.late.records);
        if late_only {
            return;
        }
        self.connections += 1;
        self.traffic.add(connection, judged.verdict);
        self.openers.add(connection.evidence, 1);
        self.contacts.add(connection, judged, scene);
        exposed::see(&mut self.exposed, connection, judged, scene);
        if let Some(directory) = scene.directory() {
            self.views.see(connection, judged, directory);
        }
        if let Some(list) = scene.watch_list() {
            self.watched.see(connection, judged, list);
        }
        for &rule in &judged.possible {
            self.rules.undecided(rule);
        }
        self.admitted.see(connection);
        if judged.verdict == Verdict::Misdropped && is_unasked(connection) {
            // Nothing went out that a rule could have permitted: groups track no connection that this would belong to.
            self.rejects.push(connection, Cause::SecurityGroup.as_str());
        }
        let weak_opener = connection.evidence.strength() >= Strength::Weak;
        match judged.verdict {
            Verdict::Permitted => self.credit(connection, judged, weak_opener),
            Verdict::Escaped(_) | Verdict::Misdropped => self.odd.add(connection, judged, judged.verdict),
            Verdict::Rejected(cause) => self.rejects.push(connection, cause.as_str()),
            Verdict::NotEvaluable(_) if connection.action() == Action::Reject => {
                self.rejects.push(connection, "unknown");
            }
            Verdict::NotEvaluable(_) => {}
        }
        if let Some(cause) = judged.blocked_reply {
            self.blocked_replies += 1;
            self.blocked.add(connection, judged, cause);
            self.rejects.push(connection, cause.as_str());
        }
    }

    /// All connections of a partition were added: what both ends saw of its tuples can be compared.
    pub fn end_of_partition(&mut self, scene: &Scene) {
        if let Some(directory) = scene.directory() {
            self.views.join(directory, &mut self.ends);
        }
    }

    fn count_verdict(&mut self, verdict: Verdict, connections: u64) {
        match self.verdicts.iter_mut().find(|(v, _)| *v == verdict) {
            Some((_, count)) => *count += connections,
            None => self.verdicts.push((verdict, connections)),
        }
    }

    fn credit(&mut self, connection: &Connection, judged: &Judged, weak_opener: bool) {
        let rules = &judged.decision.rules;
        if rules.is_empty() {
            return;
        }
        self.rules.credit(rules, connection, weak_opener || judged.decision.weak);
        // Single rules are counted by their use already; only combinations need the table.
        if rules.len() > 1 {
            self.sets.add(rules, 1);
        }
    }

    /// Does what merging would have to do sooner or later. Changes nothing about the result; it is for workers that are done,
    /// since merging is up to one alone.
    pub fn settle(&mut self) {
        self.rejects.settle();
    }

    /// Adds the sums of another rollup.
    pub fn merge(&mut self, other: Self) {
        self.rules.merge(other.rules);
        self.sets.merge(other.sets);
        self.odd.merge(other.odd);
        self.expectations.merge(other.expectations);
        self.blocked.merge(other.blocked);
        self.exposed.merge(other.exposed);
        self.watched.merge(other.watched);
        self.ends.merge(other.ends);
        self.views.merge(&other.views);
        self.rejects.merge(other.rejects);
        self.contacts.merge(other.contacts);
        self.admitted.merge(other.admitted);
        self.traffic.merge(other.traffic);
        other.verdicts.into_iter().for_each(|(verdict, count)| self.count_verdict(verdict, count));
        self.openers.merge(&other.openers);
        self.connections += other.connections;
        self.blocked_replies += other.blocked_replies;
        self.late_records += other.late_records;
    }

    pub(super) fn verdicts(&self) -> BTreeMap<Verdict, u64> {
        self.verdicts.iter().copied().collect()
    }

    pub(super) fn openers(&self) -> BTreeMap<Evidence, u64> {
        self.openers.iter().collect()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.rules.heap_bytes()
            + self.sets.heap_bytes()
            + self.odd.heap_bytes()
            + self.expectations.table.heap_bytes()
            + self.blocked.heap_bytes()
            + self.exposed.heap_bytes()
            + self.watched.heap_bytes()
            + self.ends.heap_bytes()
            + self.views.heap_bytes()
            + self.rejects.heap_bytes()
            + self.contacts.heap_bytes()
            + self.admitted.heap_bytes()
            + self.traffic.heap_bytes()
            + self.verdicts.capacity() * size_of::<(Verdict, u64)>()
    }
}
