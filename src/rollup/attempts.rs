//! Rejected attempts as they come, within bounds.
//!
//! What the detector of spikes needs is counts per series and bucket, which are exact, and who tried what, which is
//! exact as long as the attempts fit and a sample beyond. The sample is drawn so that it depends on the attempts alone,
//! not on their order nor on how they were split and merged:
//!
//! - Every attempt has a **level**, the leading zero bits of a hash of all that is known of it: half of the attempts
//!   have level 0, a quarter level 1, and so on. Keeping those of level `n` and more keeps one in `2^n`.
//! - Attempts fall into 65,536 **strata** by series and 5-minute bucket, and each stratum counts its attempts. Its level
//!   is the least that leaves at most [`Plan::most`] of them, and at least [`Plan::level`]. So a flood in one place
//!   is thinned without touching what is told of other places.
//! - The plan starts with 16,384 of each stratum. While the strata together have more than [`Limits::attempts`], it
//!   goes to half as many, down to 64, and then to level 1, 2, 3 … for all. What a plan leaves is computed from the
//!   counts of the strata, and never falls as more attempts come.
//! - Numbers of distinct sources and ports can't be told from a sample of attempts. For them thinned strata keep
//!   **marks**: hashes of their sources and ports by place. If there are more of them than [`Limits::attempts`], only those
//!   stay that begin with enough zero bits (adaptive sampling, as in [`super::Peers`]), the same number everywhere.
//!
//! Attempts that are left out are counted by series and bucket in [`Cell`]s. If there are too many of those, buckets
//! are widened to 10, 20, 40 … minutes, and if that does not suffice, interfaces that are neighbours by name are merged.

use hashbrown::HashTable;

use super::bounds::Limits;
use super::peers::hash_address;
use crate::connection::{Connection, mix64};
use crate::flow::Direction;

/// Seconds per bucket of rejected attempts.
pub(crate) const REJECT_BUCKET: u32 = 300;

/// What stopped an attempt, in the order of the words.
pub(super) const CAUSES: [&str; 8] = [
    "block-public-access",
    "both",
    "encryption-controls",
    "late-packet",
    "network-acl-in",
    "network-acl-out",
    "security-group",
    "unknown",
];

/// One rejected attempt as it is kept: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// Interface (32 bits), direction (1), index of the cause (3).
    pub series: u64,
    pub first: u32,
    pub port: u16,
    pub protocol: u8,
    pub level: u8,
    pub remote: [u64; 2],
}

impl Row {
    fn new(connection: &Connection, cause: &'static str) -> Self {
        let direction = connection.opener.unwrap_or(Direction::Inbound);
        let cause = CAUSES.iter().position(|c| *c == cause).unwrap_or(CAUSES.len() - 1);
        let series = (u64::from(connection.interface) << 4) | ((direction as u64) << 3) | cause as u64;
        let ports = (u64::from(connection.local_port) << 24)
            | (u64::from(connection.remote_port) << 8)
            | u64::from(connection.protocol.0);
        let hash = mix64(hash_address(connection.remote) ^ ports)
            ^ mix64(hash_address(connection.local) ^ (u64::from(connection.first) << 32))
            ^ mix64(series);
        Self {
            series,
            first: connection.first,
            port: connection.service_port(),
            protocol: connection.protocol.0,
            level: mix64(hash).leading_zeros() as u8,
            remote: [(connection.remote >> 64) as u64, connection.remote as u64],
        }
    }

    pub fn address(&self) -> u128 {
        (u128::from(self.remote[0]) << 64) | u128::from(self.remote[1])
    }

    /// Series and 5-minute bucket.
    pub fn place(&self) -> Place {
        Place { series: self.series, bucket: self.first / REJECT_BUCKET }
    }
}

/// A series and a bucket of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub series: u64,
    pub bucket: u32,
}

impl Place {
    fn hash(self) -> u64 {
        mix64(self.series ^ (u64::from(self.bucket) << 36))
    }

    fn stratum(self) -> usize {
        (self.hash() >> 48) as usize
    }
}

/// Attempts of one series in one bucket: 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    series: [u32; 2],
    pub bucket: u32,
    /// Stops at the largest number.
    pub attempts: u32,
    /// First packets of the first and the last attempt, Unix seconds.
    pub first: u32,
    pub last: u32,
}

impl Cell {
    pub fn one(row: &Row, width: Width) -> Self {
        let place = width.of(row.place());
        Self {
            series: [(place.series >> 32) as u32, place.series as u32],
            bucket: place.bucket,
            attempts: 1,
            first: row.first,
            last: row.first,
        }
    }

    pub fn place(&self) -> Place {
        let series = (u64::from(self.series[0]) << 32) | u64::from(self.series[1]);
        Place { series, bucket: self.bucket }
    }

    pub fn widened(mut self, width: Width) -> Self {
        let place = width.widen(self.place());
        self.series = [(place.series >> 32) as u32, place.series as u32];
        self.bucket = place.bucket;
        self
    }

    pub fn join(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// How coarse cells are. Steps 1 to 17 double the bucket, to over a year; 18 to 49 merge twice as many interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Width(pub u8);

impl Width {
    const BUCKETS: u8 = 17;
    pub const LAST: Self = Self(Self::BUCKETS + 32);

    pub fn buckets(self) -> u32 {
        u32::from(self.0.min(Self::BUCKETS))
    }

    pub fn interfaces(self) -> u32 {
        u32::from(self.0.saturating_sub(Self::BUCKETS))
    }

    /// The place of this width that holds a place of 5 minutes.
    pub fn of(self, place: Place) -> Place {
        self.widen(Place { series: place.series, bucket: place.bucket >> self.buckets() })
    }

    /// Merges interfaces; the bucket has the width already.
    fn widen(self, place: Place) -> Place {
        let by = 4 + self.interfaces();
        Place { series: (place.series >> by << by) | (place.series & 0xf), ..place }
    }
}

/// A source or a port that was seen in a thinned place: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// Series in the upper 36 bits, bucket below; see [`Mark::place`].
    place: u64,
    /// Hash of the source or port. The lowest bit tells which.
    pub hash: u64,
}

impl Mark {
    /// Of a source and a port.
    pub fn hashes(remote: u128, port: u16) -> [u64; 2] {
        [hash_address(remote) | 1, mix64(u64::from(port)) & !1]
    }

    fn both(row: &Row) -> [Self; 2] {
        let place = Self::pack(row.place());
        Self::hashes(row.address(), row.port).map(|hash| Self { place, hash })
    }

    /// 32 + 4 bits of series, 24 of bucket: Unix time ends before 2^24 buckets of 300 s.
    fn pack(place: Place) -> u64 {
        (place.series << 24) | u64::from(place.bucket)
    }

    pub fn place(&self) -> Place {
        Place { series: self.place >> 24, bucket: (self.place & 0xff_ffff) as u32 }
    }

    pub fn level(&self) -> u8 {
        self.hash.leading_zeros() as u8
    }

    fn slot(&self) -> u64 {
        mix64(self.place ^ self.hash.rotate_left(32))
    }
}

/// How much of each stratum stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Plan(u8);

impl Plan {
    const MOST: u32 = 16_384;
    const HALVINGS: u8 = 8;
    const LAST: Self = Self(Self::HALVINGS + 60);

    fn most(self) -> u32 {
        Self::MOST >> self.0.min(Self::HALVINGS)
    }

    fn level(self) -> u8 {
        self.0.saturating_sub(Self::HALVINGS)
    }

    /// Of a stratum with so many attempts, only those of this level and more stay.
    fn level_of(self, attempts: u32) -> u8 {
        let most = self.most();
        let own = if attempts <= most { 0 } else { 32 - ((attempts - 1) / most).leading_zeros() };
        self.level().max(own as u8)
    }

    /// What it leaves, or a little more.
    fn leaves(self, strata: &[u32]) -> u64 {
        strata.iter().map(|&n| u64::from(n.min(self.most()))).sum::<u64>() >> self.level()
    }
}

const STRATA: usize = 1 << 16;

/// Attempts of sources inside, or of those outside: a flood from outside must not thin what is known of the inside.
#[derive(Clone, Debug)]
pub(super) struct Attempts {
    limits: Limits,
    plan: Plan,
    width: Width,
    total: u64,
    rows: Vec<Row>,
    /// Attempts by stratum. Absent while there are so few that nothing was left out.
    strata: Option<Box<[u32]>>,
    marks: HashTable<Mark>,
    /// Leading zero bits that a mark must have.
    mark_level: u8,
    /// Attempts that are not among the rows.
    left_out: HashTable<Cell>,
}

impl Attempts {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            plan: Plan::default(),
            width: Width::default(),
            total: 0,
            rows: Vec::new(),
            strata: None,
            marks: HashTable::new(),
            mark_level: 0,
            left_out: HashTable::new(),
        }
    }

    /// One more attempt.
    pub fn push(&mut self, connection: &Connection, cause: &'static str) {
        self.total += 1;
        let row = Row::new(connection, cause);
        let Some(strata) = &mut self.strata else {
            self.rows.push(row);
            if self.rows.len() > Plan::MOST as usize {
                self.count_strata();
            }
            return;
        };
        let attempts = &mut strata[row.place().stratum()];
        *attempts = attempts.saturating_add(1);
        let level = self.plan.level_of(*attempts);
        if row.level >= level {
            // The marks of what is kept are made when it is left out, and at the end.
            self.reserve(1);
            self.rows.push(row);
        } else {
            self.mark_both(&row);
            self.leave_out(Cell::one(&row, self.width));
        }
        if self.is_full() {
            self.thin();
        }
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= self.limits.rows()
    }

    /// Makes room for more rows without ever having more of it than [`Limits::rows`].
    fn reserve(&mut self, more: usize) {
        let (len, room) = (self.rows.len(), self.rows.capacity());
        if len + more > room {
            let most = self.limits.rows().max(len + more);
            self.rows.reserve_exact((room * 2).clamp(len + more, most) - len);
        }
    }

    /// Nothing was left out so far.
    fn count_strata(&mut self) {
        let mut strata = vec![0_u32; STRATA].into_boxed_slice();
        for row in &self.rows {
            strata[row.place().stratum()] += 1;
        }
        self.strata = Some(strata);
    }

    fn mark_both(&mut self, row: &Row) {
        Mark::both(row).into_iter().for_each(|mark| self.mark(mark));
    }

    fn mark(&mut self, mark: Mark) {
        if mark.level() < self.mark_level || self.marks.find(mark.slot(), |m| *m == mark).is_some() {
            return;
        }
        self.marks.insert_unique(mark.slot(), mark, Mark::slot);
        while self.marks.len() > self.limits.attempts {
            self.raise_marks(self.mark_level + 1);
        }
    }

    fn raise_marks(&mut self, level: u8) {
        if level > self.mark_level {
            self.mark_level = level;
            self.marks.retain(|mark| mark.level() >= level);
        }
    }

    fn leave_out(&mut self, cell: Cell) {
        let place = cell.place();
        match self.left_out.find_mut(place.hash(), |c| c.place() == place) {
            Some(there) => there.join(&cell),
            None => {
                self.left_out.insert_unique(place.hash(), cell, |c| c.place().hash());
                while self.left_out.len() > self.limits.cells && self.width < Width::LAST {
                    self.widen(Width(self.width.0 + 1));
                }
            }
        }
    }

    fn widen(&mut self, width: Width) {
        if width <= self.width {
            return;
        }
        let before = self.width;
        self.width = width;
        let old = std::mem::take(&mut self.left_out);
        self.leave_out_all(old, before);
    }

    /// Cells of a width that is no coarser. They may make more widening necessary on the way.
    fn leave_out_all(&mut self, cells: HashTable<Cell>, width: Width) {
        for mut cell in cells {
            cell.bucket >>= self.width.buckets() - width.buckets();
            self.leave_out(cell.widened(self.width));
        }
    }

    /// Leaves out what the plan does not keep, after going on to a plan that fits.
    fn thin(&mut self) {
        let Some(strata) = self.strata.take() else { return };
        while self.plan.leaves(&strata) > self.limits.attempts as u64 && self.plan < Plan::LAST {
            self.plan.0 += 1;
        }
        self.keep_to_plan(&strata);
        // A sample is never that much larger than expected, unless somebody chose addresses for their hashes.
        while self.is_full() && self.plan < Plan::LAST {
            self.plan.0 += 1;
            self.keep_to_plan(&strata);
        }
        self.strata = Some(strata);
    }

    fn keep_to_plan(&mut self, strata: &[u32]) {
        let plan = self.plan;
        let level_at = |place: Place| plan.level_of(strata[place.stratum()]);
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| {
            let level = level_at(row.place());
            if level > 0 {
                self.mark_both(row);
            }
            let stays = row.level >= level;
            if !stays {
                self.leave_out(Cell::one(row, self.width));
            }
            stays
        });
        self.rows = rows;
    }

    /// Adds the attempts of another.
    pub fn merge(&mut self, mut other: Self) {
        self.total += other.total;
        if self.total <= u64::from(Plan::MOST) {
            self.rows.append(&mut other.rows);
            return;
        }
        for side in [&mut *self, &mut other] {
            if side.strata.is_none() {
                side.count_strata();
            }
        }
        if let (Some(into), Some(from)) = (&mut self.strata, &mut other.strata) {
            for (a, b) in into.iter_mut().zip(from.iter()) {
                *a = a.saturating_add(*b);
            }
            from.copy_from_slice(into);
        }
        self.plan = self.plan.max(other.plan);
        other.plan = self.plan;
        // Each for itself first, so that both together never hold more than what fits into one.
        if self.rows.len() + other.rows.len() >= self.limits.rows() {
            self.thin();
            other.thin();
        }
        self.raise_marks(other.mark_level);
        std::mem::take(&mut other.marks).into_iter().for_each(|mark| self.mark(mark));
        self.widen(other.width);
        self.leave_out_all(std::mem::take(&mut other.left_out), other.width);
        self.reserve(other.rows.len());
        self.rows.append(&mut other.rows);
    }

    pub fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<Row>()
            + self.strata.as_ref().map_or(0, |strata| strata.len() * 4)
            + self.marks.allocation_size()
            + self.left_out.allocation_size()
    }

    /// What is to be looked at: rows and the cells that they and those left out make, sorted, and how thin each row's
    /// place is.
    pub fn finish(mut self) -> Sampled {
        self.thin();
        let Self { plan, strata, mut rows, marks, mark_level, left_out, limits, .. } = self;
        rows.sort_unstable();
        let mut marks: Vec<Mark> = marks.into_iter().collect();
        marks.sort_unstable();
        let mut width = self.width;
        let mut cells: Vec<Cell> = rows.iter().map(|row| Cell::one(row, width)).chain(left_out).collect();
        join_cells(&mut cells);
        while cells.len() > limits.cells && width < Width::LAST {
            let next = Width(width.0 + 1);
            let by = next.buckets() - width.buckets();
            for cell in &mut cells {
                cell.bucket >>= by;
                *cell = cell.widened(next);
            }
            width = next;
            join_cells(&mut cells);
        }
        Sampled { total: self.total, rows, cells, marks, mark_level, width, plan, strata }
    }
}

fn join_cells(cells: &mut Vec<Cell>) {
    cells.sort_unstable();
    cells.dedup_by(|next, kept| {
        let same = next.place() == kept.place();
        if same {
            kept.join(next);
        }
        same
    });
}

/// Attempts that are all in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sampled {
    pub total: u64,
    /// Sorted by series and time.
    pub rows: Vec<Row>,
    /// Sorted by series and bucket.
    pub cells: Vec<Cell>,
    /// Sorted by series and bucket.
    pub marks: Vec<Mark>,
    /// One in `2^mark_level` sources and ports has marks.
    pub mark_level: u8,
    pub width: Width,
    plan: Plan,
    strata: Option<Box<[u32]>>,
}

impl Sampled {
    /// How much there is of each kind, for tests.
    #[cfg(test)]
    pub fn shape(&self) -> String {
        let strata = self.strata.as_ref().map(|s| s.iter().map(|&n| u64::from(n)).sum::<u64>());
        let (rows, cells, marks) = (self.rows.len(), self.cells.len(), self.marks.len());
        let (plan, width, level) = (self.plan, self.width, self.mark_level);
        format!("{} = {strata:?}: {rows} {cells} {marks}, {plan:?} {width:?} {level}", self.total)
    }

    /// One in `2^level` attempts of this place is kept.
    pub fn level(&self, place: Place) -> u8 {
        self.strata.as_ref().map_or(0, |strata| self.plan.level_of(strata[place.stratum()]))
    }
}
