//! What the tables by day beside `connections` sum up: use of rules, rejects, coverage.
//!
//! The first two are sums over the rows of `connections`, the last over records. Each thread sums up what it sees; the
//! sums of all are merged when a commit's files are written: jobs of which any thread can do any ([`DayJobs`]), also while
//! others write connections.

mod coverage;
mod jobs;
mod merge;
mod reject_groups;
mod rejects;
mod runs;
mod usage;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub use coverage::CoverageSums;
pub use jobs::DayJobs;

use super::connections::ConnectionRow;
use super::open::StoreWriter;
use super::{Names, StoreError};
use rejects::{DIRECTIONS, RejectSums};
use runs::Room;
use usage::UseSums;

fn split(wide: u128) -> [u64; 2] {
    [(wide >> 64) as u64, wide as u64]
}

fn join(high: u64, low: u64) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

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

    /// All that there are by now.
    fn outcomes(&self) -> Vec<Outcome> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn number(&self, outcome: Outcome) -> u8 {
        let mut all = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.iter().position(|of| *of == outcome).unwrap_or_else(|| {
            all.push(outcome);
            all.len() - 1
        });
        u8::try_from(place).unwrap_or(u8::MAX)
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
    usage: UseSums,
    rejects: RejectSums,
    /// What was met of words, and what it means: there is about a dozen.
    known: Vec<(Words, Meaning)>,
}

/// What rows say in words.
#[derive(Clone, Copy)]
struct Words {
    accepted: bool,
    direction: Option<&'static str>,
    verdict: &'static str,
    reason: &'static str,
}

/// What becomes of a row.
#[derive(Clone, Copy)]
enum Meaning {
    /// Rules permitted it: inbound, or outbound.
    Used(bool),
    /// Place of the direction, number of the outcome.
    Rejected(u8, u8),
    Nothing,
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
        DaySums { sheet: &self.sheet, usage: UseSums::new(), rejects: RejectSums::new(), known: Vec::new() }
    }

    /// What is to be done to write what all threads have summed up, of these days; the files are the same however it was
    /// shared out.
    #[must_use]
    pub fn jobs<'j>(
        &'j self,
        sums: &'j [DaySums<'j>],
        coverage: &'j CoverageSums,
        days: &'j BTreeSet<u32>,
    ) -> DayJobs<'j> {
        DayJobs::new(self, sums, coverage, days)
    }
}

impl DaySums<'_> {
    /// Takes rows of the table of connections in.
    ///
    /// # Errors
    /// When memory has no room for them, and the disk neither.
    pub fn push(&mut self, row: &ConnectionRow<'_>) -> Result<(), StoreError> {
        match self.meaning(row) {
            Meaning::Used(inbound) => self.usage.push(row, inbound, self.sheet),
            Meaning::Rejected(direction, outcome) => self.rejects.push(row, (direction, outcome), self.sheet),
            Meaning::Nothing => Ok(()),
        }
    }

    fn meaning(&mut self, row: &ConnectionRow<'_>) -> Meaning {
        let &ConnectionRow { accepted, direction, verdict, reason, .. } = row;
        let words = Words { accepted, direction, verdict, reason };
        if let Some((_, meaning)) = self.known.iter().find(|(known, _)| known.are(&words)) {
            return *meaning;
        }
        let meaning = words.meaning(self.sheet);
        self.known.push((words, meaning));
        meaning
    }

    /// No more rows come: does what is left to do for the thread that summed up.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.usage.settle(self.sheet)?;
        self.rejects.settle();
        Ok(())
    }
}

impl Words {
    /// Whether these are the same. Where a word lies tells nearly always; one that lies at two places is known twice.
    #[inline]
    fn are(&self, other: &Self) -> bool {
        let same = |a: &'static str, b: &'static str| std::ptr::eq(a, b);
        let direction = match (self.direction, other.direction) {
            (Some(a), Some(b)) => same(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.accepted == other.accepted
            && direction
            && same(self.verdict, other.verdict)
            && same(self.reason, other.reason)
    }

    fn meaning(&self, sheet: &Sheet) -> Meaning {
        // As `rules.jsonl` counts: what was rejected, or escaped, used no rule.
        if self.verdict == "permitted" {
            return self
                .direction
                .map_or(Meaning::Nothing, |direction| Meaning::Used(direction == "inbound"));
        }
        // Late packets are no attempts.
        if self.accepted || self.reason == "late-packet" {
            return Meaning::Nothing;
        }
        let place = DIRECTIONS.iter().position(|direction| *direction == self.direction).unwrap_or(0);
        Meaning::Rejected(place as u8, sheet.number((self.verdict, self.reason)))
    }
}

#[cfg(test)]
mod tests;
