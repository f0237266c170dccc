//! What was watched at one interface, and when.

use super::buckets::BucketSet;
use crate::hash::mix64;

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
    /// SKIPDATA rows: capture lost records in these intervals. An estimate beyond 1,024.
    pub skipdata: u64,
    /// Records that were accepted, and rejected: which kinds of traffic the log holds.
    pub accepts: u64,
    /// Records that were rejected.
    pub rejects: u64,
    /// 10-minute buckets with any row, as `seconds / 600`.
    pub buckets: BucketSet,
    /// 10-minute buckets with a SKIPDATA row.
    pub skipped: BucketSet,
    /// The intervals of SKIPDATA rows: one that is delivered twice counts once.
    skips: Skips,
}

impl Coverage {
    pub(super) fn see(&mut self, start: u32, end: u32) {
        self.first = Some(self.first.map_or(start, |f| f.min(start)));
        self.last = Some(self.last.map_or(end, |l| l.max(end)));
    }

    /// A SKIPDATA row of this interval.
    pub(super) fn skip(&mut self, start: u32, end: u32) {
        self.skips.insert(start, end);
        self.skipdata = self.skips.count();
        self.skipped.insert_range(start / COVERAGE_BUCKET, end / COVERAGE_BUCKET);
    }

    /// True where `skipdata` is an estimate.
    #[must_use]
    pub fn skipdata_is_approximate(&self) -> bool {
        self.skips.level > 0
    }

    /// The latest stretch before `time` in which traffic may have passed unseen, `(from, to)` in Unix seconds, `to`
    /// excluded: before the log began, where there are no rows, or where capture lost records. Stretches that end more
    /// than `reach` seconds before are not looked for.
    #[must_use]
    pub fn unseen_before(&self, time: u32, reach: u32) -> Option<(u32, u32)> {
        let began = self.first.unwrap_or(0);
        if time <= began {
            return (time > 0).then_some((0, time));
        }
        let is_seen = |bucket: u32| self.buckets.contains(bucket) && !self.skipped.contains(bucket);
        let earliest = time.saturating_sub(reach).max(began) / COVERAGE_BUCKET;
        let mut buckets = (earliest..=(time - 1) / COVERAGE_BUCKET).rev();
        let Some(bucket) = buckets.find(|&bucket| !is_seen(bucket)) else {
            return (time - began <= reach && began > 0).then_some((0, began));
        };
        let to = ((bucket + 1) * COVERAGE_BUCKET).min(time);
        let first = began / COVERAGE_BUCKET;
        let from =
            (first..bucket).rev().find(|&bucket| is_seen(bucket)).map(|seen| (seen + 1) * COVERAGE_BUCKET);
        Some((from.unwrap_or(0), to))
    }

    /// Seen, and lost, in these 10-minute buckets.
    #[cfg(test)]
    pub(crate) fn of_buckets(
        seen: &[std::ops::RangeInclusive<u32>],
        lost: &[std::ops::RangeInclusive<u32>],
    ) -> Self {
        let mut coverage = Self::default();
        for range in seen {
            coverage.see(range.start() * COVERAGE_BUCKET, (range.end() + 1) * COVERAGE_BUCKET - 1);
            coverage.buckets.insert_range(*range.start(), *range.end());
        }
        for range in lost {
            coverage.skipped.insert_range(*range.start(), *range.end());
        }
        coverage
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let (Some(first), Some(last)) = (other.first, other.last) {
            self.see(first, last);
        }
        self.records += other.records;
        self.nodata += other.nodata;
        self.skips.merge(&other.skips);
        self.skipdata = self.skips.count();
        self.accepts += other.accepts;
        self.rejects += other.rejects;
        self.buckets.merge(&other.buckets);
        self.skipped.merge(&other.skipped);
    }
}

/// Distinct intervals. Beyond [`Skips::EXACT`] only those are kept whose hash begins with `level` zero bits, and their
/// number is estimated (adaptive sampling; Flajolet 1990): standard error 1.2 / sqrt(1024), 4 %. What is kept depends
/// on the intervals alone, not on their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Skips {
    level: u32,
    /// Sorted.
    kept: Vec<(u32, u32)>,
}

impl Skips {
    /// Up to how many are counted exactly: a week of 10-minute intervals.
    const EXACT: usize = 1024;

    fn level(interval: (u32, u32)) -> u32 {
        mix64((u64::from(interval.0) << 32) | u64::from(interval.1)).leading_zeros()
    }

    fn insert(&mut self, start: u32, end: u32) {
        let interval = (start, end);
        if self.level > 0 && Self::level(interval) < self.level {
            return;
        }
        if let Err(at) = self.kept.binary_search(&interval) {
            self.kept.insert(at, interval);
            self.thin();
        }
    }

    fn thin(&mut self) {
        while self.kept.len() > Self::EXACT {
            self.level += 1;
            self.kept.retain(|&interval| Self::level(interval) >= self.level);
        }
    }

    fn merge(&mut self, other: &Self) {
        if other.level > self.level {
            self.level = other.level;
            self.kept.retain(|&interval| Self::level(interval) >= self.level);
        }
        for &(start, end) in &other.kept {
            self.insert(start, end);
        }
    }

    fn count(&self) -> u64 {
        (self.kept.len() as u64) << self.level.min(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_count_exactly_then_estimate_whatever_the_order() {
        let mut all = Coverage::default();
        let mut parts = [Coverage::default(), Coverage::default()];
        for n in 0..1024_u32 {
            for _ in 0..2 {
                all.skip(n * 600, n * 600 + 599);
            }
        }
        assert_eq!((all.skipdata, all.skipdata_is_approximate()), (1024, false));
        for n in (0..100_000_u32).rev() {
            all.skip(n * 600, n * 600 + 599);
            parts[n as usize % 3 % 2].skip(n * 600, n * 600 + 599);
        }
        let [mut left, right] = parts;
        left.merge(&right);
        assert_eq!(left, all);
        assert!(all.skipdata_is_approximate() && all.skips.kept.len() <= 1024);
        let error = (all.skipdata as f64 / 100_000.0 - 1.0).abs();
        assert!(error < 0.15, "{error}");
    }
}
