//! What stays of attempts that are too many for memory: of each series what it usually has, and every bucket that stands
//! out, exactly and with who was in it. All else is counted, and known from the sample.
//!
//! Attempts are read back from disk some interfaces at a time, twice: once to count, once for those in the buckets that
//! stay. How far a bucket stands out is its [`score`]; if too many do, the score that is asked for is raised until those
//! that stay fit. That follows from the counts alone.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashTable};

use super::bounds::Limits;
use super::overflow::{Overflow, SHELVES, of_shelf, shelf};
use super::places::{Cell, Place, Row, Width};
use super::rejects::{count, unpack};
use super::usual::{Usual, Watched};
use crate::connection::SpillError;
use crate::hash::mix64;

/// Series and buckets that are counted at a time, 26 MB. With more, a shelf is read several times.
const COUNTED: usize = 900_000;
/// What a series that stays takes beside its buckets, in cells.
const OF_SERIES: usize = 30;
/// Attempts of a bucket that stay, unless all together are too many: then fewer, down to 64.
const KNOWN: u32 = 16_384;
const HALVINGS: u8 = 8;

/// Least attempts, and least multiple of what is expected, of buckets with a score of 1, 2, 3 …; what is opened inside
/// needs two fifths of the attempts. With the first ones even `--sensitivity high` sees all that it would see.
const STEPS: [(u64, f64); 12] = [
    (5, 1.5),
    (10, 2.0),
    (15, 3.0),
    (20, 3.0),
    (20, 4.0),
    (30, 4.0),
    (40, 5.0),
    (60, 6.0),
    (100, 8.0),
    (200, 8.0),
    (1_000, 10.0),
    (10_000, 20.0),
];

/// How far a count stands out: by how many steps.
fn score(attempts: u64, expected: f64, inside: bool) -> u8 {
    let scale = if inside { 5 } else { 2 };
    let reached =
        |(least, ratio): &&(u64, f64)| attempts * scale >= least * 2 && attempts as f64 >= ratio * expected;
    STEPS.iter().take_while(reached).count() as u8
}

/// What is known of a series of which not everything was kept.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesSum {
    pub(super) series: u64,
    /// First bucket with an attempt.
    pub first: u32,
    /// All attempts.
    pub attempts: u64,
    /// What it usually has; of those with a bucket that stands out.
    pub usual: Option<Usual>,
}

/// A bucket that stays.
#[derive(Clone, Copy, Debug)]
struct Busy {
    cell: Cell,
    score: u8,
}

/// What is kept so far, within limits.
#[derive(Default)]
struct Kept {
    sums: BTreeMap<u64, SeriesSum>,
    busy: BTreeMap<u64, Vec<Busy>>,
    /// Least score of a bucket that stays, and of one whose attempts do.
    bar: u8,
    plan: u8,
    cells: usize,
    /// Attempts that the plan keeps. It ends with one that keeps none.
    known: u64,
}

impl Kept {
    fn of_plan(plan: u8, busy: &Busy) -> u64 {
        match plan.saturating_sub(HALVINGS) {
            least if busy.score >= least => u64::from(busy.cell.attempts.min(KNOWN >> plan.min(HALVINGS))),
            _ => 0,
        }
    }

    fn add(&mut self, sum: SeriesSum, busy: Vec<Busy>, limits: Limits) {
        let series = sum.series;
        if busy.is_empty() {
            self.sums.insert(series, SeriesSum { usual: None, ..sum });
            return;
        }
        self.sums.insert(series, sum);
        self.cells += OF_SERIES + busy.len();
        self.known += busy.iter().map(|b| Self::of_plan(self.plan, b)).sum::<u64>();
        self.busy.insert(series, busy);
        while self.cells > limits.cells && usize::from(self.bar) < STEPS.len() {
            self.raise();
        }
        while self.known > limits.attempts as u64 {
            self.plan += 1;
            self.count();
        }
    }

    fn raise(&mut self) {
        self.bar += 1;
        let bar = self.bar;
        let sums = &mut self.sums;
        self.busy.retain(|series, busy| {
            busy.retain(|b| b.score >= bar);
            if let (true, Some(sum)) = (busy.is_empty(), sums.get_mut(series)) {
                sum.usual = None;
            }
            !busy.is_empty()
        });
        self.count();
    }

    fn count(&mut self) {
        self.cells = self.busy.values().map(|busy| OF_SERIES + busy.len()).sum();
        let plan = self.plan;
        self.known = self.busy.values().flatten().map(|b| Self::of_plan(plan, b)).sum();
    }

    /// By bucket: those of its attempts stay that are of this level and more.
    fn levels(&self, at: Option<usize>) -> HashMap<Place, u8> {
        let here = self.busy.iter().filter(|(series, _)| at.is_none_or(|at| shelf(**series) == at));
        let busy = here.flat_map(|(_, busy)| busy);
        busy.filter_map(|b| Some((b.cell.place(), self.level(b)?))).collect()
    }

    fn level(&self, busy: &Busy) -> Option<u8> {
        let most = Self::of_plan(self.plan, busy);
        let halvings = |n: u64| if most >= n { 0 } else { 64 - ((n - 1) / most).leading_zeros() };
        (most > 0).then(|| halvings(u64::from(busy.cell.attempts)) as u8)
    }
}

/// What is left of one side.
pub(super) struct Reduced {
    /// Attempts in buckets that stay.
    pub rows: Vec<Row>,
    /// Sorted by series and bucket.
    pub cells: Vec<Cell>,
    /// Of these buckets: attempts of this level and more are among the rows; without one, none is.
    pub levels: Vec<Option<u8>>,
    /// Every series, sorted.
    pub sums: Vec<SeriesSum>,
}

/// Attempts of one side, some of them on disk.
pub(super) struct Everything<'a> {
    /// Sorted by [`shelf`].
    pub rows: &'a [Row],
    /// After [`Overflow::settle`].
    pub overflow: &'a Overflow,
    pub limits: Limits,
    pub inside: bool,
    /// When an interface was watched.
    pub watched: &'a dyn Fn(u32) -> Watched,
}

impl Everything<'_> {
    /// Looks at all attempts. Those whose bucket stays, but not all of its attempts, are handed to `mark`.
    pub fn reduce(&self, mut mark: impl FnMut(&Row)) -> Result<Reduced, SpillError> {
        let mut kept = Kept { bar: 1, ..Kept::default() };
        let mut rows = Vec::new();
        // One shelf after the other: what is kept of one depends on what was kept of those before.
        for at in 0..SHELVES {
            self.count(at, 0, 0, &mut kept)?;
            let levels = kept.levels(Some(at));
            if levels.is_empty() {
                continue;
            }
            let stays = |row: &Row| levels.get(&row.place()).is_some_and(|&level| row.level() >= level);
            self.each(at, |row| rows.extend(Some(row).filter(stays)))?;
            if rows.len() > self.limits.rows() {
                thin(&mut rows, &kept);
            }
        }
        thin(&mut rows, &kept);
        for at in 0..SHELVES {
            let here = kept.busy.iter().filter(|(series, _)| shelf(**series) == at);
            let thinned = here.flat_map(|(_, busy)| busy).filter(|b| kept.level(b) != Some(0));
            let thinned: HashMap<Place, ()> = thinned.map(|b| (b.cell.place(), ())).collect();
            if !thinned.is_empty() {
                let is_thinned = |row: &Row| thinned.contains_key(&row.place());
                self.each(at, |row| Some(row).filter(is_thinned).iter().for_each(&mut mark))?;
            }
        }
        let busy = kept.busy.values().flatten();
        let (cells, levels) = busy.map(|b| (b.cell, kept.level(b))).unzip();
        Ok(Reduced { rows, cells, levels, sums: kept.sums.into_values().collect() })
    }

    fn each(&self, at: usize, mut take: impl FnMut(Row)) -> Result<(), SpillError> {
        of_shelf(self.rows, at).iter().copied().for_each(&mut take);
        self.overflow.each(at, take)
    }

    /// Counts the attempts of a shelf and keeps what stands out: of those series whose hash ends with `bits` bits of this
    /// value, or of halves of them where there are too many.
    fn count(&self, at: usize, bits: u32, value: u64, kept: &mut Kept) -> Result<(), SpillError> {
        let mut table: HashTable<Cell> = HashTable::new();
        let mut too_many = false;
        self.each(at, |row| {
            if too_many || mix64(row.series) & ((1 << bits) - 1) != value {
                return;
            }
            let (place, cell) = (row.place(), Cell::one(&row, Width::default()));
            // There is no end to one series alone, but to the years of a log.
            let full = table.len() >= COUNTED && bits < 32;
            match table.find_mut(place.hash(), |c| c.place() == place) {
                Some(there) => there.join(&cell),
                None if full => too_many = true,
                None => {
                    table.insert_unique(place.hash(), cell, |c| c.place().hash());
                }
            }
        })?;
        if too_many {
            drop(table);
            self.count(at, bits + 1, value, kept)?;
            return self.count(at, bits + 1, value | 1 << bits, kept);
        }
        let mut cells: Vec<Cell> = table.into_iter().collect();
        cells.sort_unstable();
        let mut last: Option<(u32, Watched)> = None;
        for cells in cells.chunk_by(|a, b| a.place().series == b.place().series) {
            let packed = cells[0].place().series;
            let series = unpack(packed, self.inside);
            let watched = match &last {
                Some((interface, watched)) if *interface == series.interface => watched,
                _ => &last.insert((series.interface, (self.watched)(series.interface))).1,
            };
            let counts: Vec<_> = cells.iter().map(count).collect();
            let usual = Usual::of(&series, &counts, watched);
            let rise = |cell: &Cell| {
                let expected = usual.expected(cell.bucket, watched);
                score(u64::from(cell.attempts), expected, series.is_opened_inside())
            };
            let busy = cells.iter().map(|cell| Busy { cell: *cell, score: rise(cell) });
            let mut busy: Vec<Busy> = busy.filter(|busy| busy.score > 0).collect();
            let attempts = counts.iter().map(|c| c.attempts).sum();
            let (first, usual) = (counts[0].bucket, Some(usual));
            busy.retain(|busy| busy.score >= kept.bar);
            kept.add(SeriesSum { series: packed, first, attempts, usual }, busy, self.limits);
        }
        Ok(())
    }
}

fn thin(rows: &mut Vec<Row>, kept: &Kept) {
    let levels = kept.levels(None);
    rows.retain(|row| levels.get(&row.place()).is_some_and(|&level| row.level() >= level));
}

#[cfg(test)]
#[path = "reduce_tests.rs"]
mod tests;
