//! Rejected attempts of a run: exact counts by series and bucket, and who tried what.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use hashbrown::HashSet;
use polars::prelude::{ChunkCompareIneq as _, Column, DataFrame, PolarsResult};

use super::attempts::{Attempts, Sampled};
use super::bounds::Bounds;
use super::overflow::Overflow;
use super::peers::standard_error;
use super::places::{CAUSES, Cell, DETAIL, DETAILS, Mark, Place, REJECT_BUCKET, Row};
use super::reduce::SeriesSum;
use super::service_class::ServiceClass;
use super::usual::Watched;
use crate::connection::{Connection, InterfaceFacts, SpillError};
use crate::flow::{Direction, is_private};

/// Rejected attempts as they come. Late packets are no attempts and are not in here; a blocked reply is one, under the
/// network ACL that blocked it. Retransmitted SYNs are one attempt.
#[derive(Debug)]
pub(crate) struct RejectSums {
    /// Of sources outside, and inside.
    sides: [Attempts; 2],
    /// All of them, once they were read back.
    whole: Option<RejectTable>,
}

impl RejectSums {
    pub fn within(bounds: &Bounds) -> Self {
        Self { sides: [bounds.outside, bounds.inside].map(|limits| Attempts::new(limits, None)), whole: None }
    }

    /// The same, for as many attempts as a disk can hold.
    pub fn spilling_into(directory: &Arc<Path>, bounds: &Bounds) -> Self {
        let overflow = || Some(Overflow::into_directory(Arc::clone(directory)));
        let sides = [bounds.outside, bounds.inside].map(|limits| Attempts::new(limits, overflow()));
        Self { sides, whole: None }
    }

    /// Whether everything that went to disk arrived there.
    pub fn check(&self) -> Result<(), SpillError> {
        self.sides.iter().try_for_each(Attempts::check)
    }

    /// Looks at what is on disk; to be done once, when all attempts are in.
    pub fn read_back(&mut self, bounds: &Bounds, interfaces: &[InterfaceFacts]) -> Result<(), SpillError> {
        let [outside, inside] = std::mem::replace(self, Self::within(bounds)).sides;
        let watched = |interface: u32| {
            let facts = interfaces.get(interface as usize);
            facts.map_or_else(Watched::default, |facts| Watched::of(&facts.coverage, 0))
        };
        let sides = [outside.read_back(false, &watched)?, inside.read_back(true, &watched)?];
        self.whole = Some(RejectTable { sides });
        Ok(())
    }

    pub fn push(&mut self, connection: &Connection, cause: &'static str) {
        self.sides[usize::from(is_private(connection.remote))].push(connection, cause);
    }

    pub fn merge(&mut self, other: Self) {
        for (into, from) in self.sides.iter_mut().zip(other.sides) {
            into.merge(from);
        }
    }

    /// See [`Rollup::settle`](super::Rollup::settle).
    pub fn settle(&mut self) {
        self.sides.iter_mut().for_each(Attempts::thin);
    }

    pub fn heap_bytes(&self) -> usize {
        self.sides.iter().map(Attempts::heap_bytes).sum()
    }

    pub fn finish(self) -> RejectTable {
        self.whole.unwrap_or_else(|| RejectTable { sides: self.sides.map(Attempts::finish) })
    }
}

/// Rejected attempts of a run.
///
/// Counts by series and bucket are exact. Where attempts had to go to disk, only those of buckets that stand out are told,
/// with what the series usually has ([`RejectTable::sum`]); of these buckets 16,384 attempts each are known, or fewer where
/// they would be more than 300,000 together (150,000 inside), those that stand out least being told from the sample.
///
/// Elsewhere each attempt is there as long as they are at most 300,000 from outside and
/// 150,000 from private addresses, and no more than 16,384 in one 5-minute bucket of a series (and those few that share
/// its stratum). Beyond that it is a sample of attempts that stand for [`Attempt::weight`] each; floods are thinned
/// first, and of every place with 64 attempts or more about as many are left unless all together are too many even
/// so. A share of `n` sampled attempts has a standard error of at most `0.5 / sqrt(n)`. See [`Distinct`] for numbers of
/// sources and ports.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RejectTable {
    sides: [Sampled; 2],
}

/// What is counted together: attempts at one interface, one way, on one class of services, stopped by one thing, from
/// inside or outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    /// Index of the interface.
    pub interface: u32,
    /// Direction of the attempts.
    pub direction: Direction,
    /// What stopped them, see [`crate::policy::Cause`]; `unknown` where that can't be said.
    pub cause: &'static str,
    /// The other side is a private address.
    pub inside: bool,
    /// What was tried.
    pub class: ServiceClass,
}

impl Series {
    /// Nothing inside has a reason to be refused, whether here or on its way out.
    #[must_use]
    pub fn is_opened_inside(&self) -> bool {
        self.inside || self.direction == Direction::Outbound
    }
}

/// One rejected attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Index of the interface.
    pub interface: u32,
    /// Direction of the attempt.
    pub direction: Direction,
    /// Protocol number.
    pub protocol: u8,
    /// Service port that was tried; of an answer that nobody asked for ([`ServiceClass::Unasked`]) the port it is from.
    pub port: u16,
    /// What was tried.
    pub class: ServiceClass,
    /// What stopped it, see [`crate::policy::Cause`]; `unknown` where that can't be said.
    pub cause: &'static str,
    /// First packet, Unix seconds.
    pub first: u32,
    /// The other side, IPv4 mapped bits.
    pub remote: u128,
    /// How many attempts it stands for: 1 unless the place it is from was thinned.
    pub weight: u64,
}

/// Attempts of one series in one bucket. Exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketCount {
    /// Unix seconds / [`RejectTable::bucket_seconds`].
    pub bucket: u32,
    /// Attempts.
    pub attempts: u64,
    /// First packet of the first attempt, Unix seconds.
    pub first: u32,
    /// First packet of the last attempt.
    pub last: u32,
}

/// A number of distinct values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// How many; an estimate unless `error` is 0.
    pub count: u64,
    /// Standard error as a share of `count`.
    pub error: f64,
}

/// How many sources and ports attempts had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Distinct {
    /// Remote addresses.
    pub sources: Estimate,
    /// Service ports.
    pub ports: Estimate,
}

impl RejectTable {
    /// Attempts.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.sides.iter().map(|side| side.total).sum()
    }

    /// True without attempts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How often buckets of 300 seconds were doubled.
    #[must_use]
    pub fn doublings(&self, inside: bool) -> u32 {
        self.sides[usize::from(inside)].width.buckets()
    }

    /// Seconds per bucket: 300, or a power of two times as many where there were too many series and buckets.
    #[must_use]
    pub fn bucket_seconds(&self, inside: bool) -> u64 {
        u64::from(REJECT_BUCKET) << self.sides[usize::from(inside)].width.buckets()
    }

    /// How many interfaces that are neighbours by name are told as one, under the lowest number: 1 unless there were
    /// too many series even so.
    #[must_use]
    pub fn interfaces_merged(&self, inside: bool) -> u64 {
        1 << self.sides[usize::from(inside)].width.interfaces()
    }

    /// The bucket of a time.
    #[must_use]
    pub fn bucket(&self, inside: bool, time: u32) -> u32 {
        (time / REJECT_BUCKET) >> self.sides[usize::from(inside)].width.buckets()
    }

    /// Every series with its counts by bucket, sorted by both. Buckets without attempts are left out, and those that do
    /// not stand out, where there is a [`RejectTable::sum`].
    pub fn series(&self) -> impl Iterator<Item = (Series, impl Iterator<Item = BucketCount> + Clone)> {
        self.sides.iter().zip([false, true]).flat_map(|(side, inside)| {
            let slices = side.slices().into_iter();
            slices.map(move |(series, cells)| (unpack(series, inside), cells.iter().map(count)))
        })
    }

    /// What is known of a whole series, if not all of its buckets are.
    #[must_use]
    pub fn sum(&self, series: &Series) -> Option<&SeriesSum> {
        let sums = &self.sides[usize::from(series.inside)].sums;
        let at = sums.binary_search_by_key(&pack(series), |sum| sum.series).ok()?;
        sums.get(at)
    }

    /// Numbers, in the order of [`RejectTable::series`], of the series with a bucket of at least so many attempts, for each
    /// of these limits.
    ///
    /// # Errors
    /// Passes on what polars reports.
    pub fn busy(&self, least: [u64; 2]) -> PolarsResult<[BTreeSet<u32>; 2]> {
        let frame = self.by_bucket()?;
        let attempts = frame.column("attempts")?.u64()?;
        let busy = |least: u64| -> PolarsResult<BTreeSet<u32>> {
            let frame = frame.filter(&attempts.gt_eq(least))?;
            Ok(frame.column("series")?.u32()?.iter().flatten().collect())
        };
        Ok([busy(least[0])?, busy(least[1])?])
    }

    /// The same as a table: columns `series` (its number) and `attempts`, a row for each bucket.
    ///
    /// # Errors
    /// Passes on what polars reports.
    pub fn by_bucket(&self) -> PolarsResult<DataFrame> {
        let rows =
            self.series().zip(0_u32..).flat_map(|((_, counts), n)| counts.map(move |c| (n, c.attempts)));
        let (series, attempts): (Vec<u32>, Vec<u64>) = rows.unzip();
        let columns = vec![Column::new("series".into(), &series), Column::new("attempts".into(), &attempts)];
        DataFrame::new(series.len(), columns)
    }

    /// The counts of a series in these buckets, by bucket.
    pub fn counts(&self, series: &Series, buckets: RangeInclusive<u32>) -> impl Iterator<Item = BucketCount> {
        let cells = &self.sides[usize::from(series.inside)].cells;
        let series = pack(series);
        let from = cells.partition_point(|c| c.place() < Place { series, bucket: *buckets.start() });
        let to = cells.partition_point(|c| c.place() <= Place { series, bucket: *buckets.end() });
        cells[from.min(to)..to].iter().map(count)
    }

    /// The attempts of a series in these buckets.
    pub fn attempts(&self, series: &Series, buckets: RangeInclusive<u32>) -> impl Iterator<Item = Attempt> {
        let side = &self.sides[usize::from(series.inside)];
        self.rows(series, buckets).map(move |row| side.attempt(row))
    }

    /// The attempts that private addresses made, or all others.
    pub fn of_side(&self, inside: bool) -> impl Iterator<Item = Attempt> {
        let side = &self.sides[usize::from(inside)];
        side.rows.iter().map(move |row| side.attempt(row))
    }

    /// Their sources and times only (Unix seconds).
    pub fn times(&self, inside: bool) -> impl Iterator<Item = (u128, u32)> {
        self.sides[usize::from(inside)].rows.iter().map(|row| (row.address(), row.first))
    }

    /// The same by source: each address with its attempts, of those series that are wanted.
    #[must_use]
    pub fn by_source(&self, inside: bool, wanted: impl Fn(&Series) -> bool) -> BySource<'_> {
        let side = &self.sides[usize::from(inside)];
        let rows = side.rows.iter().zip(0_u32..);
        let rows = rows.filter(|(row, _)| wanted(&unpack(row.series, inside)));
        let mut order: Vec<(u128, u32)> = rows.map(|(row, at)| (row.address(), at)).collect();
        order.sort_unstable();
        BySource { side, order }
    }

    /// How much there is of each kind, for tests.
    #[cfg(test)]
    pub(super) fn shape(&self) -> Vec<String> {
        self.sides.iter().map(Sampled::shape).collect()
    }

    fn rows(&self, series: &Series, buckets: RangeInclusive<u32>) -> impl Iterator<Item = &Row> {
        let side = &self.sides[usize::from(series.inside)];
        let (packed, width) = (pack(series), side.width);
        let end = (((packed >> DETAIL) + (1 << width.interfaces())) << DETAIL) - 1;
        let from = side.rows.partition_point(|row| row.series < packed >> DETAIL << DETAIL);
        let to = side.rows.partition_point(|row| row.series <= end);
        side.rows[from..to].iter().filter(move |row| {
            row.series & DETAILS == packed & DETAILS
                && buckets.contains(&width.of(row.place()).bucket)
                && side.is_counted(row.place())
        })
    }

    /// How many sources and ports the attempts of these stretches (a series and its buckets), and some more attempts,
    /// had. Exact where nothing was thinned. Elsewhere estimated from hashes; the error says how well.
    #[must_use]
    pub fn distinct(&self, stretches: &[(Series, RangeInclusive<u32>)], more: &[Attempt]) -> Distinct {
        let (mut seen, mut thinned) = (HashSet::new(), false);
        let (mut some_inside, mut some_outside) = (false, false);
        for (series, buckets) in stretches {
            let side = &self.sides[usize::from(series.inside)];
            for row in self.rows(series, buckets.clone()) {
                if side.level(row.place()) == 0 {
                    seen.extend(Mark::hashes(row.address(), row.port));
                } else {
                    thinned = true;
                }
            }
            for mark in side.marks_of(pack(series), buckets) {
                thinned = true;
                seen.insert(mark.hash);
            }
            (some_inside, some_outside) = (some_inside || series.inside, some_outside || !series.inside);
        }
        for attempt in more {
            thinned |= attempt.weight > 1;
            seen.extend(Mark::hashes(attempt.remote, attempt.port));
            some_inside = true;
        }
        let level = |some: bool, side: usize| if some && thinned { self.sides[side].mark_level } else { 0 };
        let least = level(some_outside, 0).max(level(some_inside, 1));
        let estimate = |kind: u64| {
            let counts = |hash: &&u64| **hash & 1 == kind && hash.leading_zeros() >= u32::from(least);
            let kept = seen.iter().filter(counts).count();
            Estimate { count: (kept as u64) << least.min(40), error: standard_error(least, kept) }
        };
        Distinct { sources: estimate(1), ports: estimate(0) }
    }
}

/// Attempts of one side, by source.
#[derive(Debug)]
pub struct BySource<'a> {
    side: &'a Sampled,
    /// Addresses and numbers of rows, sorted.
    order: Vec<(u128, u32)>,
}

impl BySource<'_> {
    /// Each source in the order of addresses, with its attempts in the order of [`RejectTable::of_side`].
    pub fn iter(&self) -> impl Iterator<Item = (u128, impl ExactSizeIterator<Item = Attempt>)> {
        let attempt = |(_, at): &(u128, u32)| self.side.attempt(&self.side.rows[*at as usize]);
        self.order.chunk_by(|a, b| a.0 == b.0).map(move |own| (own[0].0, own.iter().map(attempt)))
    }
}

impl Sampled {
    /// Every series and its cells.
    fn slices(&self) -> Vec<(u64, &[Cell])> {
        let of_series = self.cells.chunk_by(|a, b| a.place().series == b.place().series);
        let mut counted =
            of_series.filter_map(|cells| Some((cells.first()?.place().series, cells))).peekable();
        if self.sums.is_empty() {
            return counted.collect();
        }
        let one = |sum: &SeriesSum| {
            let cells = counted.next_if(|(series, _)| *series == sum.series);
            cells.unwrap_or((sum.series, &[]))
        };
        self.sums.iter().map(one).collect()
    }

    fn attempt(&self, row: &Row) -> Attempt {
        let Series { interface, direction, cause, class, .. } = unpack(row.series, false);
        Attempt {
            interface,
            direction,
            class,
            protocol: row.protocol,
            port: row.port,
            cause,
            first: row.first,
            remote: row.address(),
            weight: 1 << self.level(row.place()).min(63),
        }
    }

    /// The marks of a series in buckets of this width.
    fn marks_of(&self, series: u64, buckets: &RangeInclusive<u32>) -> impl Iterator<Item = &Mark> {
        let end = (((series >> DETAIL) + (1 << self.width.interfaces())) << DETAIL) - 1;
        let from = self.marks.partition_point(|mark| mark.place().series < series >> DETAIL << DETAIL);
        let to = self.marks.partition_point(|mark| mark.place().series <= end);
        let (width, buckets) = (self.width, buckets.clone());
        self.marks[from..to].iter().filter(move |mark| {
            let place = mark.place();
            place.series & DETAILS == series & DETAILS && buckets.contains(&width.of(place).bucket)
        })
    }
}

pub(super) fn count(cell: &Cell) -> BucketCount {
    BucketCount {
        bucket: cell.bucket,
        attempts: u64::from(cell.attempts),
        first: cell.first,
        last: cell.last,
    }
}

pub(super) fn unpack(series: u64, inside: bool) -> Series {
    Series {
        interface: (series >> DETAIL) as u32,
        direction: if series >> 3 & 1 == 0 { Direction::Inbound } else { Direction::Outbound },
        cause: CAUSES[(series & 7) as usize],
        inside,
        class: ServiceClass::ALL[(series >> 4 & 7) as usize],
    }
}

fn pack(series: &Series) -> u64 {
    let cause = CAUSES.iter().position(|c| *c == series.cause).unwrap_or(CAUSES.len() - 1);
    let detail = ((series.class as u64) << 4) | ((series.direction as u64) << 3) | cause as u64;
    (u64::from(series.interface) << DETAIL) | detail
}
