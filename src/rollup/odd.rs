//! Connections that somebody will ask about one by one: accepted but unexplained, rejected though permitted, and so on.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::peers::Peers;
use crate::connection::{Connection, Evidence, Strength};
use crate::flow::{Direction, Protocol};
use crate::hash::mix64;
use crate::policy::{EscapeReason, Judged, Tracking, Verdict};

/// How many rules an [`OddCell`] names.
const NAMED: usize = 16;

/// What a table is about: a verdict, the number of something that is looked for.
pub trait Subject: Copy + Eq + Ord + std::hash::Hash {}

impl<S: Copy + Eq + Ord + std::hash::Hash> Subject for S {}

/// What odd connections have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OddKey<S = Verdict> {
    /// Index of the interface; the lowest of those that were merged.
    pub interface: u32,
    /// Direction, `None` where the opener is unknown.
    pub direction: Option<Direction>,
    /// Protocol.
    pub protocol: Protocol,
    /// Service port; the lowest of those that were merged.
    pub port: u16,
    /// What makes them odd: of verdicts `Escaped(…)` or `Misdropped`.
    pub subject: S,
}

/// Connections by the evidence that decided the opener.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EvidenceCounts([u64; Evidence::ALL.len()]);

impl EvidenceCounts {
    pub(super) fn add(&mut self, evidence: Evidence, connections: u64) {
        self.0[evidence as usize] += connections;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(into, n)| *into += n);
    }

    /// Those that occurred, strongest evidence first.
    pub fn iter(&self) -> impl Iterator<Item = (Evidence, u64)> {
        Evidence::ALL.into_iter().zip(self.0).filter(|(_, n)| *n > 0)
    }

    /// Connections of this evidence.
    #[must_use]
    pub fn get(&self, evidence: Evidence) -> u64 {
        self.0[evidence as usize]
    }
}

/// Connections under one [`OddKey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OddCell {
    /// Connections.
    pub connections: u64,
    /// Those with a proven or inferred opener.
    pub certain: u64,
    /// Bytes, both directions, accepted.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// First packet, Unix seconds.
    pub first: Option<u32>,
    /// Last packet.
    pub last: Option<u32>,
    /// Remote addresses.
    pub remotes: Peers,
    /// Connections by evidence that decided the opener.
    pub evidence: EvidenceCounts,
    /// The network ACL denies it, though a security group rule permits it.
    pub acl_denies: u64,
    /// The inventory's word on these holds only perhaps: observations disagree, or none was made before.
    pub unsure: u64,
    /// Why those whose rule is gone can, or cannot, be older; by [`Tracking`].
    tracking: [u64; Tracking::ALL.len()],
    /// By when the rule that had permitted it was gone, latest.
    pub removed_by: Option<i64>,
    /// AWS Config did not record the removal itself, for some of these connections.
    pub removed_vaguely: bool,
    /// Numbers of rules that permit some of them, or had permitted them before they were removed, or would if
    /// something was known; ascending, the 16 lowest.
    pub rules: Vec<u32>,
}

impl OddCell {
    fn add(&mut self, connection: &Connection, judged: &Judged, weak_opener: bool) {
        self.removed_vaguely |= judged.removed_by.is_some() && !judged.removed_exactly;
        let rules = [&judged.former, &judged.decision.rules, &judged.possible];
        self.name_rules(rules.into_iter().find(|rules| !rules.is_empty()).unwrap_or(&judged.former));
        let acl_denies = judged.verdict == Verdict::Escaped(EscapeReason::NoRule)
            && judged.decision.groups_permit()
            && judged.decision.acl_denies();
        self.connections += 1;
        self.certain += u64::from(!weak_opener && connection.opener.is_some());
        self.bytes += connection.bytes();
        self.packets += connection.packets();
        self.first = Some(self.first.map_or(connection.first, |f| f.min(connection.first)));
        self.last = Some(self.last.map_or(connection.last, |l| l.max(connection.last)));
        self.evidence.add(connection.evidence, 1);
        self.acl_denies += u64::from(acl_denies);
        self.unsure += u64::from(judged.decision.weak);
        if let Some(tracking) = judged.tracking {
            self.tracking[tracking as usize] += 1;
        }
        self.removed_by = self.removed_by.max(judged.removed_by);
    }

    /// Connections by why they can, or cannot, be older than the removal of their rule.
    pub fn tracking(&self) -> impl Iterator<Item = (Tracking, u64)> {
        Tracking::ALL.into_iter().zip(self.tracking).filter(|(_, n)| *n > 0)
    }

    /// Keeps the lowest numbers, so that the order in which connections come does not matter.
    fn name_rules(&mut self, rules: &[u32]) {
        if !rules.is_empty() {
            self.rules.extend(rules);
            self.rules.sort_unstable();
            self.rules.dedup();
            self.rules.truncate(NAMED);
        }
    }

    fn merge(&mut self, other: &Self, limit: usize) {
        self.removed_vaguely |= other.removed_vaguely;
        self.name_rules(&other.rules);
        self.connections += other.connections;
        self.certain += other.certain;
        self.bytes += other.bytes;
        self.packets += other.packets;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        self.remotes.merge_within(&other.remotes, limit);
        self.evidence.merge(&other.evidence);
        self.acl_denies += other.acl_denies;
        self.unsure += other.unsure;
        self.tracking.iter_mut().zip(other.tracking).for_each(|(into, n)| *into += n);
        self.removed_by = self.removed_by.max(other.removed_by);
    }
}

/// Cells by key, within a budget.
///
/// While everything takes more than a budget, it is told in less detail, step by step: first each cell keeps
/// fewer remote addresses (from 4,096 down to 16), then ports are merged into ranges of 2, 4, 8 …, then interfaces, and
/// at last only every second, fourth, eighth … subject is kept. The step follows from the data alone: what a step takes never falls as connections come.
#[derive(Clone, Debug)]
pub(crate) struct OddTable<S = Verdict> {
    cells: HashMap<OddKey<S>, OddCell>,
    step: u32,
    used: usize,
    most: usize,
}

/// A cell costs its addresses and this much beside, in units of 24 bytes.
const CELL: usize = 20;
/// Steps that only lower the number of addresses kept.
const ADDRESS_STEPS: u32 = 8;
const PORT_STEPS: u32 = 16;
const INTERFACE_STEPS: u32 = 32;
const SUBJECT_STEPS: u32 = 32;
const STEPS: u32 = ADDRESS_STEPS + PORT_STEPS + INTERFACE_STEPS + SUBJECT_STEPS;

impl<S: Subject> OddTable<S> {
    /// `most`: its budget, in units of 24 bytes; a cell takes 20 and one for each remote address.
    pub fn within(most: usize) -> Self {
        Self { cells: HashMap::new(), step: 0, used: 0, most }
    }

    fn limit(&self) -> usize {
        Peers::EXACT >> self.step.min(ADDRESS_STEPS)
    }

    /// Ports, and interfaces, are merged by leaving out so many low bits.
    fn shifts(&self) -> (u32, u32) {
        let beyond = self.step.saturating_sub(ADDRESS_STEPS);
        (beyond.min(PORT_STEPS), beyond.saturating_sub(PORT_STEPS).min(32))
    }

    /// Subjects are left out unless their hash begins with so many zero bits.
    fn level(&self) -> u32 {
        self.step.saturating_sub(ADDRESS_STEPS + PORT_STEPS + INTERFACE_STEPS)
    }

    fn keeps(&self, subject: &S) -> bool {
        let level = self.level();
        level == 0 || level_of(subject) >= level
    }

    fn key(&self, mut key: OddKey<S>) -> OddKey<S> {
        let (ports, interfaces) = self.shifts();
        key.port = (u32::from(key.port) >> ports << ports) as u16;
        key.interface = (u64::from(key.interface) >> interfaces << interfaces) as u32;
        key
    }

    pub fn add(&mut self, connection: &Connection, judged: &Judged, subject: S) {
        if !self.keeps(&subject) {
            return;
        }
        let weak_opener = connection.evidence.strength() >= Strength::Weak;
        let key = self.key(OddKey {
            interface: connection.interface,
            direction: connection.opener,
            protocol: connection.protocol,
            // Without an opener there is no service port; the tuples would not group by either.
            port: if connection.opener.is_some() { connection.service_port() } else { 0 },
            subject,
        });
        let limit = self.limit();
        let cell = self.cells.entry(key).or_default();
        let before = cell_cost(cell, limit);
        cell.add(connection, judged, weak_opener);
        cell.remotes.add(connection.remote, 1, limit);
        self.used += cell_cost(cell, limit) - before;
        self.fit();
    }

    fn take_in(&mut self, key: OddKey<S>, other: OddCell) {
        if !self.keeps(&key.subject) {
            return;
        }
        let (key, limit) = (self.key(key), self.limit());
        let cell = self.cells.entry(key).or_default();
        let before = cell_cost(cell, limit);
        if cell.connections == 0 {
            *cell = other;
            cell.remotes.limit(limit);
        } else {
            cell.merge(&other, limit);
        }
        self.used += cell_cost(cell, limit) - before;
    }

    pub fn merge(&mut self, other: Self) {
        if other.step > self.step {
            self.go_to(other.step);
        }
        for (key, cell) in other.cells {
            self.take_in(key, cell);
            self.fit();
        }
    }

    fn fit(&mut self) {
        while self.used > self.most && self.step < STEPS {
            self.go_to(self.step + 1);
        }
    }

    fn go_to(&mut self, step: u32) {
        self.step = step;
        self.used = 0;
        let old = std::mem::take(&mut self.cells);
        old.into_iter().for_each(|(key, cell)| self.take_in(key, cell));
    }

    pub fn heap_bytes(&self) -> usize {
        let inner = |cell: &OddCell| cell.remotes.heap_bytes() + cell.rules.capacity() * 4;
        self.cells.allocation_size() + self.cells.values().map(inner).sum::<usize>()
    }

    pub fn finish(self) -> OddCells<S> {
        let ((ports, interfaces), subjects) = (self.shifts(), self.level());
        OddCells { cells: self.cells.into_iter().collect(), ports, interfaces, subjects }
    }
}

/// The same on every machine and in every run.
fn level_of(subject: &impl std::hash::Hash) -> u32 {
    struct Mixer(u64);
    impl std::hash::Hasher for Mixer {
        fn finish(&self) -> u64 {
            mix64(self.0)
        }
        fn write(&mut self, bytes: &[u8]) {
            bytes.iter().for_each(|&b| self.0 = mix64(self.0 ^ u64::from(b)));
        }
    }
    let mut mixer = Mixer(0);
    subject.hash(&mut mixer);
    std::hash::Hasher::finish(&mixer).leading_zeros()
}

fn cell_cost(cell: &OddCell, limit: usize) -> usize {
    if cell.connections == 0 { 0 } else { CELL + cell.remotes.cost(limit) }
}

/// Odd connections. About 20,000 cells with a few addresses each are told exactly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OddCells<S = Verdict> {
    cells: BTreeMap<OddKey<S>, OddCell>,
    ports: u32,
    interfaces: u32,
    subjects: u32,
}

impl<S> Default for OddCells<S> {
    fn default() -> Self {
        Self { cells: BTreeMap::new(), ports: 0, interfaces: 0, subjects: 0 }
    }
}

impl<S: Subject> OddCells<S> {
    /// The cells, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&OddKey<S>, &OddCell)> {
        self.cells.iter()
    }

    /// The ports that a key stands for, first and last: one, unless there were too many cells.
    #[must_use]
    pub fn ports(&self, key: &OddKey<S>) -> (u16, u16) {
        (key.port, (u32::from(key.port) | ((1 << self.ports) - 1)) as u16)
    }

    /// How many neighbouring ports are told as one.
    #[must_use]
    pub fn ports_merged(&self) -> u64 {
        1 << self.ports
    }

    /// One in so many subjects is told of at all.
    #[must_use]
    pub fn subjects_left_out(&self) -> u64 {
        1 << self.subjects
    }

    /// How many interfaces that are neighbours by name are told as one.
    #[must_use]
    pub fn interfaces_merged(&self) -> u64 {
        1 << self.interfaces
    }
}
