//! Connections that expectations do not allow.

use std::collections::BTreeMap;

use super::odd::{OddCells, OddTable};
use crate::connection::Connection;
use crate::policy::{Judged, Verdict};

/// What such connections have in common, beside what an [`OddKey`](super::OddKey) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unmet {
    /// Number of the expectation that they break.
    pub expectation: u32,
    /// Number of the tier that the interface is in, `u32::MAX` for every interface.
    pub tier: u32,
    /// Who is who rests on an observation of another time.
    pub weak: bool,
    /// What the rules say.
    pub verdict: Verdict,
}

/// An expectation, as far as conclusions need to know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectationFacts {
    /// Its name.
    pub name: String,
    /// Its line in the file.
    pub line: usize,
    /// What it says, in one line.
    pub sentence: String,
    /// Severity of what breaks it, where the file says so.
    pub severity: Option<&'static str>,
}

/// What became of the expectations.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// The file.
    pub file: String,
    /// By number.
    pub facts: Vec<ExpectationFacts>,
    /// Names of the tiers, by number.
    pub tiers: Vec<String>,
    /// Connections that break them.
    pub unmet: OddCells<Unmet>,
    /// Accepted connections about which nothing can be said, by expectation.
    pub unsaid: BTreeMap<u32, u64>,
    /// Numbers of those that are about no interface of the run.
    pub idle: Vec<u32>,
}

/// The sums; they cost nothing where nothing is expected.
#[derive(Debug)]
pub(super) struct UnmetSums {
    pub table: OddTable<Unmet>,
    pub unsaid: BTreeMap<u32, u64>,
}

impl UnmetSums {
    pub fn within(most: usize) -> Self {
        Self { table: OddTable::within(most), unsaid: BTreeMap::new() }
    }

    pub fn merge(&mut self, other: Self) {
        self.table.merge(other.table);
        other.unsaid.into_iter().for_each(|(number, n)| *self.unsaid.entry(number).or_default() += n);
    }

    pub fn finish(self) -> Expectations {
        Expectations { unmet: self.table.finish(), unsaid: self.unsaid, ..Expectations::default() }
    }
}

impl super::Rollup {
    /// Takes in that an accepted connection breaks an expectation: its number, that of the tier (`u32::MAX` for every
    /// interface), and whether who is who rests on an observation of another time.
    pub fn unmet(
        &mut self,
        connection: &Connection,
        judged: &Judged,
        (expectation, tier, weak): (u32, u32, bool),
    ) {
        let subject = Unmet { expectation, tier, weak, verdict: judged.verdict };
        self.expectations.table.add(connection, judged, subject);
    }

    /// Counts a connection about which an expectation can't be judged.
    pub fn unsaid(&mut self, expectation: u32) {
        *self.expectations.unsaid.entry(expectation).or_default() += 1;
    }
}
