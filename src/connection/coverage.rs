//! What was watched at one interface, and when.

use std::collections::BTreeSet;

/// Seconds per coverage bucket: the longest aggregation interval (domain A.10).
pub(crate) const COVERAGE_BUCKET: u32 = 600;

/// What was watched at one interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// First second that any record, NODATA or SKIPDATA row speaks of.
    pub first: Option<u32>,
    /// Last second.
    pub last: Option<u32>,
    /// Flow records read.
    pub records: u64,
    /// NODATA rows.
    pub nodata: u64,
    /// SKIPDATA rows: capture lost records in these intervals.
    pub skipdata: u64,
    /// Records that were accepted, and rejected: which kinds of traffic the log holds.
    pub accepts: u64,
    /// Records that were rejected.
    pub rejects: u64,
    /// 10-minute buckets with any row, as `seconds / 600`.
    pub buckets: BTreeSet<u32>,
    /// 10-minute buckets with a SKIPDATA row.
    pub skipped: BTreeSet<u32>,
    /// The intervals of SKIPDATA rows: one that is delivered twice counts once.
    pub(super) skips: BTreeSet<(u32, u32)>,
}

impl Coverage {
    pub(super) fn see(&mut self, start: u32, end: u32) {
        self.first = Some(self.first.map_or(start, |f| f.min(start)));
        self.last = Some(self.last.map_or(end, |l| l.max(end)));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let (Some(first), Some(last)) = (other.first, other.last) {
            self.see(first, last);
        }
        self.records += other.records;
        self.nodata += other.nodata;
        self.skips.extend(&other.skips);
        self.skipdata = self.skips.len() as u64;
        self.accepts += other.accepts;
        self.rejects += other.rejects;
        self.buckets.extend(&other.buckets);
        self.skipped.extend(&other.skipped);
    }
}
