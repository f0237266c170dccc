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
//! Attempts that are left out go to disk, if there is a place for them ([`Overflow`]), and in the end all are looked at
//! once more (`reduce.rs`). Elsewhere they are counted by series and bucket in [`Cell`]s. If there are too many of those,
//! buckets are widened to 10, 20, 40 … minutes, and if that does not suffice, interfaces that are neighbours by name are
//! merged.

use hashbrown::HashTable;

use super::bounds::Limits;
use super::overflow::{Overflow, shelf};
use super::places::{Cell, Mark, Place, Row, Width};
use super::reduce::{Everything, Reduced, SeriesSum};
use super::usual::Watched;
use crate::connection::{Connection, SpillError};

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

/// How many wait to be looked at.
const WAITING: usize = 256;

/// Attempts of sources inside, or of those outside: a flood from outside must not thin what is known of the inside.
#[derive(Debug)]
pub(super) struct Attempts {
    limits: Limits,
    plan: Plan,
    width: Width,
    total: u64,
    rows: Vec<Row>,
    /// Not looked at yet. The tables are larger than caches are, and of many questions one after the other the answers come
    /// from memory at the same time.
    waiting: Vec<Row>,
    /// Attempts by stratum. Absent while there are so few that nothing was left out.
    strata: Option<Box<[u32]>>,
    marks: HashTable<Mark>,
    /// Leading zero bits that a mark must have.
    mark_level: u8,
    /// Attempts that are not among the rows are there, or counted here.
    overflow: Option<Overflow>,
    left_out: HashTable<Cell>,
}

impl Attempts {
    pub fn new(limits: Limits, overflow: Option<Overflow>) -> Self {
        Self {
            limits,
            plan: Plan::default(),
            width: Width::default(),
            total: 0,
            rows: Vec::new(),
            waiting: Vec::new(),
            strata: None,
            marks: HashTable::new(),
            mark_level: 0,
            overflow,
            left_out: HashTable::new(),
        }
    }

    /// One more attempt.
    pub fn push(&mut self, connection: &Connection, cause: &'static str) {
        self.total += 1;
        self.waiting.push(Row::new(connection, cause));
        if self.waiting.len() >= WAITING {
            self.put_away();
        }
    }

    /// Looks at what waits.
    fn put_away(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        self.take_in(&mut waiting);
        waiting.clear();
        self.waiting = waiting;
    }

    /// Takes attempts in. Those that are left out are left.
    fn take_in(&mut self, mut some: &mut [Row]) {
        while !some.is_empty() {
            let room = self.limits.rows().saturating_sub(self.rows.len()).max(1);
            let (now, later) = some.split_at_mut(some.len().min(room));
            let out = self.keep(now);
            match &mut self.overflow {
                Some(overflow) => now[..out].iter().for_each(|row| overflow.push(*row)),
                None => {
                    now[..out].iter().for_each(|row| self.mark_both(row));
                    now[..out].iter().for_each(|row| self.leave_out(Cell::one(row, self.width)));
                }
            }
            if self.is_full() {
                self.thin();
            }
            some = later;
        }
    }

    /// Keeps what is to be kept, moves the others to the front, and tells how many these are.
    fn keep(&mut self, some: &mut [Row]) -> usize {
        let mut out = 0;
        for at in 0..some.len() {
            let row = some[at];
            let level = match &mut self.strata {
                Some(strata) => {
                    let attempts = &mut strata[row.place().stratum()];
                    *attempts = attempts.saturating_add(1);
                    self.plan.level_of(*attempts)
                }
                None => 0,
            };
            if row.level() >= level {
                // The marks of what is kept are made when it is left out, and at the end.
                self.reserve(1);
                self.rows.push(row);
            } else {
                some[out] = row;
                out += 1;
            }
            if self.strata.is_none() && self.rows.len() > Plan::MOST as usize {
                self.count_strata();
            }
        }
        out
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

    /// Leaves out what the plan does not keep, after going on to a plan that fits. May be done at any time: who has nothing
    /// else to do leaves less to those who merge.
    pub fn thin(&mut self) {
        self.put_away();
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
        rows.retain_mut(|row| {
            let level = level_at(row.place());
            let stays = row.level() >= level;
            match &mut self.overflow {
                Some(overflow) if !stays => overflow.push(*row),
                Some(_) => {}
                None => {
                    if level > 0 && row.set_marked() {
                        self.mark_both(row);
                    }
                    if !stays {
                        self.leave_out(Cell::one(row, self.width));
                    }
                }
            }
            stays
        });
        self.rows = rows;
    }

    /// Adds the attempts of another.
    pub fn merge(&mut self, mut other: Self) {
        self.put_away();
        other.put_away();
        if self.strata.is_none() {
            std::mem::swap(self, &mut other);
        }
        self.total += other.total;
        if other.strata.is_none() {
            // Nothing was left out of it.
            self.take_in(&mut other.rows);
            return;
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
        if let (Some(into), Some(from)) = (&mut self.overflow, other.overflow.take()) {
            into.merge(from);
        }
        self.raise_marks(other.mark_level);
        std::mem::take(&mut other.marks).into_iter().for_each(|mark| self.mark(mark));
        self.widen(other.width);
        self.leave_out_all(std::mem::take(&mut other.left_out), other.width);
        self.reserve(other.rows.len());
        self.rows.append(&mut other.rows);
    }

    pub fn heap_bytes(&self) -> usize {
        (self.rows.capacity() + self.waiting.capacity()) * size_of::<Row>()
            + self.strata.as_ref().map_or(0, |strata| strata.len() * 4)
            + self.marks.allocation_size()
            + self.left_out.allocation_size()
            + self.overflow.as_ref().map_or(0, Overflow::heap_bytes)
    }

    /// Whether everything that went to disk arrived there.
    pub fn check(&self) -> Result<(), SpillError> {
        self.overflow.as_ref().map_or(Ok(()), Overflow::check)
    }

    /// The same as [`Attempts::finish`], with what is on disk.
    pub fn read_back(
        mut self,
        inside: bool,
        watched: &dyn Fn(u32) -> Watched,
    ) -> Result<Sampled, SpillError> {
        self.thin();
        self.check()?;
        let Some(mut overflow) = self.overflow.take().filter(|o| !o.is_empty()) else {
            return Ok(self.finish());
        };
        overflow.settle();
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by_key(|row| shelf(row.series));
        let (limits, overflow) = (self.limits, &overflow);
        let everything = Everything { rows: &rows, overflow, limits, inside, watched };
        let Reduced { rows: known, cells, levels, sums } = everything.reduce(|row| self.mark_both(row))?;
        // The sample, and what is known better.
        rows.retain(|row| {
            let at = cells.binary_search_by(|cell| cell.place().cmp(&row.place()));
            at.map_or(true, |at| levels[at].is_none())
        });
        rows.extend(known);
        rows.sort_unstable();
        let mut marks: Vec<Mark> = self.marks.into_iter().collect();
        marks.sort_unstable();
        let (width, mark_level) = (self.width, self.mark_level);
        let (total, plan, strata) = (self.total, self.plan, self.strata);
        Ok(Sampled { total, rows, cells, levels, sums, marks, mark_level, width, plan, strata })
    }

    /// What is to be looked at: rows and the cells that they and those left out make, sorted, and how thin each row's
    /// place is.
    pub fn finish(mut self) -> Sampled {
        self.thin();
        let Self { plan, strata, mut rows, marks, mark_level, left_out, limits, .. } = self;
        rows.iter_mut().for_each(Row::forget_marked);
        rows.sort_unstable();
        let mut marks: Vec<Mark> = marks.into_iter().collect();
        marks.sort_unstable();
        let mut width = self.width;
        let mut cells: Vec<Cell> = Vec::new();
        for cell in rows.iter().map(|row| Cell::one(row, width)) {
            match cells.last_mut() {
                Some(last) if last.place() == cell.place() => last.join(&cell),
                _ => cells.push(cell),
            }
        }
        cells.extend(left_out);
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
        let (levels, sums) = (Vec::new(), Vec::new());
        Sampled { total: self.total, rows, cells, levels, sums, marks, mark_level, width, plan, strata }
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sampled {
    pub total: u64,
    /// Sorted by series and time.
    pub rows: Vec<Row>,
    /// Sorted by series and bucket.
    pub cells: Vec<Cell>,
    /// Of cells that are not all there are: of their attempts those of this level and more are among the rows.
    levels: Vec<Option<u8>>,
    /// Every series, sorted, if cells are not all there are.
    pub sums: Vec<SeriesSum>,
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
        let own = if self.sums.is_empty() { None } else { self.cell(place).and_then(|at| self.levels[at]) };
        own.unwrap_or_else(|| self.sample_level(place))
    }

    /// The number of the cell of a place that is a bucket of its own.
    fn cell(&self, place: Place) -> Option<usize> {
        self.cells.binary_search_by(|cell| cell.place().cmp(&place)).ok()
    }

    /// It is told how many attempts there were in this place.
    pub fn is_counted(&self, place: Place) -> bool {
        self.sums.is_empty() || self.cell(place).is_some()
    }

    fn sample_level(&self, place: Place) -> u8 {
        self.strata.as_ref().map_or(0, |strata| self.plan.level_of(strata[place.stratum()]))
    }
}
