//! Cells that are told together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::finding::Grade;
use crate::rollup::Tracking;
use crate::rollup::{OddCell, OddKey, Peers};

/// What the cells of a finding come to.
#[derive(Debug, Default)]
pub(in crate::detect) struct Sum {
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
}

impl Sum {
    pub fn of<'c, S: 'c>(cells: impl IntoIterator<Item = (&'c OddKey<S>, &'c OddCell)>) -> Self {
        let mut sum = Self::default();
        for (_, cell) in cells {
            sum.add(cell);
        }
        sum
    }

    fn add(&mut self, cell: &OddCell) {
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
            [(one, _), ..] => format!("{one} and {} more", self.remotes.distinct() - 1),
        }
    }

    /// The remote addresses with the most connections.
    pub fn top(&self) -> Vec<(IpAddr, u64)> {
        self.remotes.top()
    }
}
