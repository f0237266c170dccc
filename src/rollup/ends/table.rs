//! Where the logs of both ends agree and where they do not, summed up within bounds.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::views::STOPS;
use crate::flow::Protocol;
use crate::hash::mix64;

/// In which way the two ends contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// The sender's side let it leave, the receiver's rejected it.
    RejectedOnArrival,
    /// The receiver's side let it in, but the sender's has no record of it, or rejected it.
    NeverLeft,
    /// The sender's side let it leave, but the receiver's has no record of it.
    NeverArrived,
    /// Both let it pass, but not as many packets or bytes.
    SizeDisagrees,
}

impl Cause {
    /// Every cause.
    pub const ALL: [Self; 4] =
        [Self::RejectedOnArrival, Self::NeverLeft, Self::NeverArrived, Self::SizeDisagrees];

    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RejectedOnArrival => "rejected-on-arrival",
            Self::NeverLeft => "never-left",
            Self::NeverArrived => "never-arrived",
            Self::SizeDisagrees => "size-disagrees",
        }
    }
}

/// Why a connection between two interfaces of the run was not compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Uncompared {
    /// The other end's log does not hold that time, or not all traffic.
    NotCovered,
    /// Several interfaces have the remote address.
    Ambiguous,
    /// Packets may have come through something that rewrites addresses, or by another way.
    OtherPath,
    /// Who opened it, or whether what was rejected was its opening, is not certain.
    OpenerUnknown,
    /// There were more than are kept.
    TooMany,
}

impl Uncompared {
    /// Every reason.
    pub const ALL: [Self; 5] =
        [Self::NotCovered, Self::Ambiguous, Self::OtherPath, Self::OpenerUnknown, Self::TooMany];

    /// Word of `summary.json`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotCovered => "not_covered",
            Self::Ambiguous => "ambiguous_address",
            Self::OtherPath => "other_path",
            Self::OpenerUnknown => "opener_unknown",
            Self::TooMany => "too_many",
        }
    }
}

/// What contradicting connections have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndsKey {
    /// In which way.
    pub cause: Cause,
    /// Index of the interface that opened them, or sent them.
    pub source: u32,
    /// Index of the interface they were for.
    pub target: u32,
    /// Protocol.
    pub protocol: Protocol,
    /// Service port.
    pub port: u16,
}

/// The ends and the service of connections, whatever came of them.
pub type Pair = (u32, u32, Protocol, u16);

impl EndsKey {
    /// The ends and the service.
    #[must_use]
    pub fn pair(&self) -> Pair {
        (self.source, self.target, self.protocol, self.port)
    }
}

/// Connections under one [`EndsKey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndsCell {
    /// Connections; uses of one tuple within two minutes are one.
    pub connections: u64,
    /// Those that were answered, as the end tells that has them.
    pub answered: u64,
    /// Those whose opener is uncertain.
    pub weak: u64,
    /// First packet, Unix seconds.
    pub first: u32,
    /// Last packet.
    pub last: u32,
    /// Bytes, as the end tells that has more.
    pub bytes: u64,
    /// What was sent and what arrived, both directions; only where sizes disagree.
    pub sent_packets: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets that arrived.
    pub arrived_packets: u64,
    /// Bytes that arrived.
    pub arrived_bytes: u64,
    /// By what the rejecting end rejected them.
    pub(super) stopped: [u64; STOPS.len()],
    /// Numbers of rules by which the other end let them pass; ascending, the 16 lowest.
    pub rules: Vec<u32>,
}

/// How many rules a cell names.
const NAMED: usize = 16;

impl EndsCell {
    /// What rejected them, with the number of connections.
    pub fn stopped_by(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STOPS.into_iter().zip(self.stopped).filter(|(_, n)| *n > 0)
    }

    /// Adds another cell.
    pub fn merge(&mut self, other: &Self) {
        self.merge_sums(other);
        self.rules.extend(&other.rules);
        self.rules.sort_unstable();
        self.rules.dedup();
        self.rules.truncate(NAMED);
    }

    fn name(&mut self, rule: u32) {
        if let Err(at) = self.rules.binary_search(&rule)
            && at < NAMED
        {
            self.rules.insert(at, rule);
            self.rules.truncate(NAMED);
        }
    }

    /// All but the rules.
    fn merge_sums(&mut self, other: &Self) {
        if self.connections == 0 {
            let rules = std::mem::take(&mut self.rules);
            *self = Self { rules, ..*other };
            return;
        }
        self.connections += other.connections;
        self.answered += other.answered;
        self.weak += other.weak;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.bytes += other.bytes;
        self.sent_packets += other.sent_packets;
        self.sent_bytes += other.sent_bytes;
        self.arrived_packets += other.arrived_packets;
        self.arrived_bytes += other.arrived_bytes;
        self.stopped.iter_mut().zip(other.stopped).for_each(|(into, n)| *into += n);
    }
}

/// Connections between interfaces of the run, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndsTotals {
    /// Both ends have them.
    pub joined: u64,
    /// Both ends have them and agree.
    pub agreeing: u64,
    /// By cause, in the order of [`Cause::ALL`].
    pub disagreeing: [u64; 4],
    /// Only one end has them, and rejected them.
    pub rejected_at_one_end: u64,
    /// By reason, in the order of [`Uncompared::ALL`].
    pub uncompared: [u64; 5],
}

/// Sums within bounds. Beyond, only pairs of ends and services are told of whose hash begins with enough zero bits; the
/// totals are always exact.
#[derive(Debug)]
pub(crate) struct EndsTable {
    cells: Sample<EndsKey, EndsCell>,
    agreeing: Sample<Pair, u64>,
    totals: EndsTotals,
    /// Not in the tables yet, which are larger than caches are: of many questions one after the other the answers come from
    /// memory at the same time.
    waiting: Vec<Contradiction>,
    waiting_pairs: Vec<Pair>,
}

/// Contradicting connections, and a rule by which the other end let them pass.
type Contradiction = (EndsKey, EndsCell, Option<u32>);

/// How many wait.
const WAITING: usize = 64;

/// Some of many pairs, chosen by hash.
#[derive(Debug)]
struct Sample<K, V> {
    rows: HashMap<K, V>,
    level: u32,
    most: usize,
}

fn level(pair: Pair) -> u32 {
    let (source, target, protocol, port) = pair;
    let ends = (u64::from(source) << 32) | u64::from(target);
    mix64(mix64(ends) ^ (u64::from(protocol.0) << 16) ^ u64::from(port)).leading_zeros()
}

impl<K: Copy + Eq + std::hash::Hash, V: Default> Sample<K, V> {
    fn within(most: usize) -> Self {
        Self { rows: HashMap::new(), level: 0, most }
    }

    fn keeps(&self, pair: Pair) -> bool {
        self.level == 0 || level(pair) >= self.level
    }

    fn add(&mut self, key: K, pair: fn(&K) -> Pair, add: impl FnOnce(&mut V)) {
        if !self.keeps(pair(&key)) {
            return;
        }
        add(self.rows.entry(key).or_default());
        while self.rows.len() > self.most && self.level < 64 {
            self.raise(self.level + 1, pair);
        }
    }

    fn raise(&mut self, to: u32, pair: fn(&K) -> Pair) {
        if to > self.level {
            self.level = to;
            self.rows.retain(|key, _| level(pair(key)) >= to);
        }
    }
}

impl EndsTable {
    pub fn within(cells: usize, agreeing: usize) -> Self {
        Self {
            cells: Sample::within(cells),
            agreeing: Sample::within(agreeing),
            totals: EndsTotals::default(),
            waiting: Vec::new(),
            waiting_pairs: Vec::new(),
        }
    }

    pub(super) fn joined(&mut self) {
        self.totals.joined += 1;
    }

    pub(super) fn agree(&mut self, key: Option<&EndsKey>) {
        self.totals.agreeing += 1;
        if let Some(key) = key {
            self.waiting_pairs.push(key.pair());
            if self.waiting_pairs.len() >= WAITING {
                self.put_away();
            }
        }
    }

    /// Connections, and a rule by which the other end let them pass. The cell names none.
    pub(super) fn disagree(&mut self, key: EndsKey, cell: EndsCell, rule: Option<u32>) {
        self.totals.disagreeing[key.cause as usize] += cell.connections;
        if self.cells.keeps(key.pair()) {
            self.waiting.push((key, cell, rule));
            if self.waiting.len() >= WAITING {
                self.put_away();
            }
        }
    }

    /// To be called before anything else is done with it.
    pub(super) fn put_away(&mut self) {
        let Self { cells, agreeing, waiting, waiting_pairs, .. } = self;
        for (key, cell, rule) in waiting.drain(..) {
            cells.add(key, EndsKey::pair, |into| {
                into.merge_sums(&cell);
                rule.into_iter().for_each(|rule| into.name(rule));
            });
        }
        waiting_pairs.drain(..).for_each(|pair| agreeing.add(pair, |pair| *pair, |count| *count += 1));
    }

    pub(super) fn rejected_at_one_end(&mut self, connections: u64) {
        self.totals.rejected_at_one_end += connections;
    }

    pub(super) fn uncompared(&mut self, why: Uncompared, connections: u64) {
        self.totals.uncompared[why as usize] += connections;
    }

    pub fn merge(&mut self, other: Self) {
        self.cells.raise(other.cells.level, EndsKey::pair);
        for (key, cell) in other.cells.rows {
            self.cells.add(key, EndsKey::pair, |into| into.merge(&cell));
        }
        self.agreeing.raise(other.agreeing.level, |pair| *pair);
        for (pair, count) in other.agreeing.rows {
            self.agreeing.add(pair, |pair| *pair, |into| *into += count);
        }
        let (into, from) = (&mut self.totals, other.totals);
        into.joined += from.joined;
        into.agreeing += from.agreeing;
        into.rejected_at_one_end += from.rejected_at_one_end;
        into.disagreeing.iter_mut().zip(from.disagreeing).for_each(|(into, n)| *into += n);
        into.uncompared.iter_mut().zip(from.uncompared).for_each(|(into, n)| *into += n);
    }

    pub fn heap_bytes(&self) -> usize {
        let rules = self.cells.rows.values().map(|cell| cell.rules.capacity() * 4).sum::<usize>();
        self.cells.rows.allocation_size() + self.agreeing.rows.allocation_size() + rules
    }

    pub fn finish(self) -> EndsSums {
        EndsSums {
            cells: self.cells.rows.into_iter().collect(),
            agreeing: self.agreeing.rows.into_iter().collect(),
            cells_scale: 1 << self.cells.level.min(63),
            agreeing_level: self.agreeing.level,
            totals: self.totals,
        }
    }
}

/// Where the logs of both ends agree and where they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndsSums {
    /// Contradictions.
    pub cells: BTreeMap<EndsKey, EndsCell>,
    /// Connections on which both ends agree.
    pub agreeing: BTreeMap<Pair, u64>,
    /// One in so many pairs is among the cells; 1 unless there were too many.
    pub cells_scale: u64,
    agreeing_level: u32,
    /// Counts of all.
    pub totals: EndsTotals,
}

impl EndsSums {
    /// Connections of a pair on which both ends agree; `None` where that was left out.
    #[must_use]
    pub fn agreeing(&self, pair: &Pair) -> Option<u64> {
        let kept = self.agreeing_level == 0 || level(*pair) >= self.agreeing_level;
        kept.then(|| self.agreeing.get(pair).copied().unwrap_or(0))
    }
}
