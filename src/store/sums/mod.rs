//! What the tables by day beside `connections` sum up: use of rules, rejects, coverage.
//!
//! The first two are sums over the rows of `connections`, the last over records. Each thread sums up what it sees; the
//! sums of all are merged when a commit's files are written, a day of a table at a time, on all threads.

mod coverage;
mod rejects;
mod runs;
mod usage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

pub use coverage::CoverageSums;

use super::columns::Rows;
use super::connections::ConnectionRow;
use super::manifest::StoredFile;
use super::open::StoreWriter;
use super::{Names, StoreError, Table};
use rejects::RejectPart;
use runs::{Merge, Room, Runs};
use usage::UsePart;

/// Verdict and reason.
type Outcome = (&'static str, &'static str);

/// Unix seconds.
#[derive(Clone, Copy)]
struct Stamp(u32);

impl Stamp {
    fn seconds(self) -> Option<i64> {
        Some(i64::from(self.0))
    }
}

/// What all sums of a commit share.
struct Sheet {
    names: Names,
    rules: Ranks,
    interfaces: Ranks,
    /// By their numbers, which are given as they come: they fit into a byte, since there are a dozen.
    outcomes: Mutex<Vec<Outcome>>,
    room: Room,
}

impl Sheet {
    fn outcome(&self, number: u8) -> Outcome {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.get(usize::from(number)).copied().unwrap_or_default()
    }
}

/// Numbers in the order of the texts that they stand for.
struct Ranks {
    ranks: Vec<u32>,
    numbers: Vec<u32>,
}

impl Ranks {
    fn new<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut sorted: Vec<(&str, u32)> = texts.zip(0..).collect();
        sorted.sort_unstable();
        let numbers: Vec<u32> = sorted.into_iter().map(|(_, number)| number).collect();
        let mut ranks = vec![0; numbers.len()];
        (0..).zip(&numbers).for_each(|(rank, &number)| ranks[number as usize] = rank);
        Self { ranks, numbers }
    }

    fn rank(&self, number: u32) -> u32 {
        self.ranks.get(number as usize).copied().unwrap_or(u32::MAX)
    }

    fn number(&self, rank: u32) -> u32 {
        self.numbers.get(rank as usize).copied().unwrap_or(u32::MAX)
    }
}

/// Makes the files of the tables by day, for the next commit.
pub struct DayTables<'a> {
    writer: &'a StoreWriter,
    sheet: Sheet,
}

/// What one thread sums up.
pub struct DaySums<'a> {
    sheet: &'a Sheet,
    usage: Runs<UsePart>,
    rejects: Runs<RejectPart>,
    /// Outcomes whose numbers this thread knows.
    outcomes: Vec<(Outcome, u8)>,
}

impl<'a> DayTables<'a> {
    /// `names` are those of the connections. What takes more than so many bytes of memory waits in a directory.
    #[must_use]
    pub fn new(writer: &'a StoreWriter, names: Names, bytes: usize, directory: &Path) -> Self {
        let rules = Ranks::new(names.rules.iter().map(String::as_str));
        let interfaces = Ranks::new(names.interfaces.iter().map(|(id, _)| id.as_str()));
        let room = Room::new(bytes, directory);
        Self { writer, sheet: Sheet { names, rules, interfaces, outcomes: Mutex::default(), room } }
    }

    /// For another thread.
    #[must_use]
    pub fn sums(&self) -> DaySums<'_> {
        DaySums { sheet: &self.sheet, usage: Runs::new(), rejects: Runs::new(), outcomes: Vec::new() }
    }

    /// Writes what all threads have summed up, of these days; the files are the same however it was shared out.
    ///
    /// # Errors
    /// When it cannot be written, or not read back.
    pub fn write(
        &self,
        sums: &[DaySums<'_>],
        coverage: &CoverageSums,
        days: &BTreeSet<u32>,
        threads: usize,
    ) -> Result<Vec<(Table, StoredFile)>, StoreError> {
        let mut jobs: Vec<(Table, u32)> = Vec::new();
        let (mut used, mut rejected) = (BTreeSet::new(), BTreeSet::new());
        for sums in sums {
            sums.usage.days(&mut used);
            sums.rejects.days(&mut rejected);
        }
        jobs.extend(used.intersection(days).map(|day| (Table::RuleUsage, *day)));
        jobs.extend(rejected.intersection(days).map(|day| (Table::Rejects, *day)));
        let (next, files) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
        let work = || -> Result<(), StoreError> {
            while let Some(&(table, day)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let file = self.write_day(table, day, sums)?;
                files.lock().unwrap_or_else(PoisonError::into_inner).push((table, file));
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads.clamp(1, jobs.len().max(1))).map(|_| scope.spawn(work)).collect();
            // All are waited for, whichever failed.
            let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
            let panicked = |_| {
                let (path, message) = (String::from("tables"), String::from("a writer panicked"));
                Err(StoreError::Io { path, message })
            };
            ended.into_iter().try_for_each(|end| end.unwrap_or_else(panicked))
        })?;
        let mut files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
        files.extend(coverage.write(self.writer, days)?.into_iter().map(|file| (Table::Coverage, file)));
        files.sort();
        Ok(files)
    }

    fn write_day(&self, table: Table, day: u32, sums: &[DaySums<'_>]) -> Result<StoredFile, StoreError> {
        let Self { writer, sheet } = self;
        if table == Table::RuleUsage {
            let mut merge = Merge::new(sums.iter().map(|sums| &sums.usage), day, &sheet.room)?;
            let mut rows = Rows::create(writer, table, Some(day))?;
            usage::write(|| merge.next(), &mut rows, sheet)?;
            rows.finish(|rows| usage::columns(rows, sheet))
        } else {
            let mut merge = Merge::new(sums.iter().map(|sums| &sums.rejects), day, &sheet.room)?;
            let mut rows = Rows::create(writer, table, Some(day))?;
            rejects::write(|| merge.next(), &mut rows, sheet)?;
            rows.finish(|rows| rejects::columns(rows, sheet))
        }
    }
}

impl DaySums<'_> {
    /// Takes rows of the table of connections in.
    ///
    /// # Errors
    /// When memory has no room for them, and the disk neither.
    pub fn push(&mut self, row: &ConnectionRow<'_>) -> Result<(), StoreError> {
        let Self { sheet, usage, rejects, outcomes } = self;
        usage::push(usage, row, sheet)?;
        rejects::push(rejects, row, sheet, |outcome| number(outcome, outcomes, &sheet.outcomes))
    }

    /// No more rows come: does what is left to do for the thread that summed up.
    pub fn settle(&mut self) {
        self.usage.settle();
        self.rejects.settle();
    }
}

fn number(outcome: Outcome, known: &mut Vec<(Outcome, u8)>, all: &Mutex<Vec<Outcome>>) -> u8 {
    if let Some((_, number)) = known.iter().find(|(of, _)| *of == outcome) {
        return *number;
    }
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    let place = all.iter().position(|of| *of == outcome).unwrap_or_else(|| {
        all.push(outcome);
        all.len() - 1
    });
    let number = u8::try_from(place).unwrap_or(u8::MAX);
    known.push((outcome, number));
    number
}
