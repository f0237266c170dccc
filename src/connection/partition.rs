//! Partitions of the records, loaded one at a time, sorted by tuple and time.
//!
//! All records of a tuple are in one partition. Partitions that lie in memory are sorted once and put back; those that
//! lie on disk, in whole or in part, are loaded and sorted each time. One that is too large to be loaded at once comes in
//! pieces: ranges of tuples, in order, so that nobody can tell from the connections how many there were.

use std::collections::{BTreeMap, HashSet};

use super::interfaces::{Census, InterfaceFacts, Lane};
use super::overlap::{Election, StreamFacts};
use super::packed::{NARROW_LANES, Narrow, Packed, Wide};
use super::shelf::{Left, PARTITIONS, Shelves};
use super::spill::{Chunk, SpillError, SpillFile};

/// Everything that was read, ready for pairing. Interfaces are numbered in the order of their ids.
pub(crate) struct Collected {
    pub interfaces: Vec<InterfaceFacts>,
    pub stream_facts: BTreeMap<(u32, u16), StreamFacts>,
    pub partitions: Vec<Partition>,
    pub store: Store,
}

/// What partitions refer to.
pub(crate) struct Store {
    /// By lane.
    lanes: Vec<Lane>,
    /// By worker.
    files: Vec<Option<SpillFile>>,
    /// Interface numbers fit a [`Narrow`].
    fits: bool,
    interfaces: usize,
}

/// The records of one layout in a partition.
#[derive(Debug)]
struct Held<T> {
    blocks: Vec<Vec<T>>,
    /// Number of the worker's file, and where in it.
    spilled: Vec<(usize, Chunk)>,
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), spilled: Vec::new() }
    }
}

impl<T: Packed> Held<T> {
    fn rows(&self) -> usize {
        self.blocks.iter().map(Vec::len).sum::<usize>()
            + self.spilled.iter().map(|(_, c)| c.rows).sum::<usize>()
    }

    fn add(&mut self, worker: usize, left: Left<T>) {
        self.blocks.extend(left.blocks);
        self.spilled.extend(left.spilled.into_iter().map(|chunk| (worker, chunk)));
    }

    fn each(&self, store: &Store, mut take: impl FnMut(T)) -> Result<(), SpillError> {
        for block in &self.blocks {
            block.iter().copied().for_each(&mut take);
        }
        for (worker, chunk) in &self.spilled {
            if let Some(file) = &store.files[*worker] {
                file.read(chunk, &mut take)?;
            }
        }
        Ok(())
    }

    /// Puts sorted records back into the blocks they came from.
    fn put_back(&mut self, records: &[T]) {
        let mut rest = records;
        for block in &mut self.blocks {
            let (now, later) = rest.split_at(rest.len().min(block.capacity()));
            block.clear();
            block.extend_from_slice(now);
            rest = later;
        }
        self.blocks.retain(|block| !block.is_empty());
    }
}

/// One partition's records.
#[derive(Debug, Default)]
pub(crate) struct Partition {
    narrow: Held<Narrow>,
    wide: Held<Wide>,
    /// In memory, sorted, numbered and without duplicates.
    is_sorted: bool,
}

/// Puts the workers' records together.
pub(super) fn gather(census: Census, shelves: Vec<Shelves>) -> Collected {
    let Census { interfaces, lanes, stream_facts } = census;
    let mut partitions: Vec<Partition> = (0..PARTITIONS).map(|_| Partition::default()).collect();
    let mut files = Vec::new();
    for (worker, shelves) in shelves.into_iter().enumerate() {
        let (parts, file) = shelves.finish();
        for (partition, (narrow, wide)) in partitions.iter_mut().zip(parts) {
            partition.narrow.add(worker, narrow);
            partition.wide.add(worker, wide);
        }
        files.push(file);
    }
    let count = interfaces.len();
    let fits = count < NARROW_LANES as usize;
    Collected { interfaces, stream_facts, partitions, store: Store { lanes, files, fits, interfaces: count } }
}

/// Which part of a partition.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are only some at a time")]
pub(crate) enum Piece {
    All,
    /// Tuples from the first to before the second.
    Narrow(Option<Narrow>, Option<Narrow>),
    Wide(Option<Wide>, Option<Wide>),
}

/// Records of a partition, sorted by tuple and time, duplicates removed. Used again and again.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub narrow: Vec<Narrow>,
    pub wide: Vec<Wide>,
    /// Records left out as delivered twice.
    pub duplicates: u64,
}

/// How records are loaded.
#[derive(Clone, Copy)]
pub(crate) struct Loading<'a> {
    pub store: &'a Store,
    pub election: &'a Election,
    /// Records to hold at a time; a single tuple's are never parted.
    pub most: usize,
}

impl Partition {
    fn rows(&self) -> usize {
        self.narrow.rows() + self.wide.rows()
    }

    fn is_in_memory(&self) -> bool {
        self.narrow.spilled.is_empty() && self.wide.spilled.is_empty()
    }

    /// The parts to load one after the other.
    pub fn pieces(&self, loading: &Loading<'_>) -> Result<Vec<Piece>, SpillError> {
        let most = loading.most.max(1);
        if self.is_in_memory() || self.rows() <= most {
            return Ok(vec![Piece::All]);
        }
        let ranges = |count: usize| count.div_ceil(most).max(1);
        let (mut narrow, mut wide) = (Sample::new(self.rows()), Sample::new(self.rows()));
        self.numbered(loading, |r| narrow.see(r), |r| wide.see(r), None)?;
        let mut pieces = Vec::new();
        narrow.split(ranges(self.narrow.rows()), &mut |from, to| pieces.push(Piece::Narrow(from, to)));
        // Narrow records that belong to wide tuples are among these.
        wide.split(ranges(self.wide.rows()), &mut |from, to| pieces.push(Piece::Wide(from, to)));
        Ok(pieces)
    }

    /// Loads a part.
    pub fn load(&self, piece: &Piece, loading: &Loading<'_>, into: &mut Sorted) -> Result<(), SpillError> {
        let Sorted { narrow, wide, duplicates } = into;
        narrow.clear();
        wide.clear();
        *duplicates = 0;
        if self.is_sorted {
            self.narrow.blocks.iter().for_each(|block| narrow.extend_from_slice(block));
            self.wide.blocks.iter().for_each(|block| wide.extend_from_slice(block));
            return Ok(());
        }
        let mut left_out = 0;
        match piece {
            Piece::All => {
                narrow.reserve(self.narrow.rows());
                wide.reserve(self.wide.rows());
                let counted = Some(&mut left_out);
                self.numbered(loading, |r| narrow.push(r), |r| wide.push(r), counted)?;
            }
            Piece::Narrow(from, to) => {
                let mut take = |r: Narrow| {
                    if lies_between(&r, from.as_ref(), to.as_ref()) {
                        narrow.push(r);
                    }
                };
                // Records left out have no place among the pieces: they are counted with the first.
                let counted = from.is_none().then_some(&mut left_out);
                self.numbered(loading, &mut take, |_| (), counted)?;
            }
            Piece::Wide(from, to) => {
                let mut take = |r: Wide| {
                    if lies_between(&r, from.as_ref(), to.as_ref()) {
                        wide.push(r);
                    }
                };
                self.numbered(loading, |_| (), &mut take, None)?;
            }
        }
        by_interface(narrow, loading.store.interfaces);
        *duplicates = left_out + without_duplicates(narrow);
        wide.sort_unstable();
        *duplicates += without_duplicates(wide);
        Ok(())
    }

    /// Keeps what was loaded whole, so that it need not be sorted again, if it lies in memory anyway.
    pub fn keep(&mut self, sorted: &Sorted) {
        let as_packed = sorted.narrow.len() <= self.narrow.rows() && sorted.wide.len() <= self.wide.rows();
        if self.is_in_memory() && as_packed && !self.is_sorted {
            self.narrow.put_back(&sorted.narrow);
            self.wide.put_back(&sorted.wide);
            self.is_sorted = true;
        }
    }

    /// Lets go of all records.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Hands on all records with the final numbers of their interfaces, without those that a better flow log covers
    /// (which are counted), each tuple in one layout.
    fn numbered(
        &self,
        loading: &Loading<'_>,
        mut narrow: impl FnMut(Narrow),
        mut wide: impl FnMut(Wide),
        left_out: Option<&mut u64>,
    ) -> Result<(), SpillError> {
        let mut covered = 0;
        let mut twofold: HashSet<u128> = HashSet::new();
        self.wide.each(loading.store, |record: Wide| match loading.number(record) {
            Some(record) => {
                twofold.extend(record.narrow_key());
                wide(record);
            }
            None => covered += 1,
        })?;
        let whole = twofold.is_empty() && loading.store.fits;
        self.narrow.each(loading.store, |record: Narrow| {
            if !loading.store.fits {
                match loading.number(record.widen()) {
                    Some(record) => wide(record),
                    None => covered += 1,
                }
                return;
            }
            match loading.number(record) {
                Some(record) if whole || !twofold.contains(&record.key()) => narrow(record),
                Some(record) => wide(record.widen()),
                None => covered += 1,
            }
        })?;
        if let Some(left_out) = left_out {
            *left_out += covered;
        }
        Ok(())
    }
}

impl Loading<'_> {
    /// The record with its interface's number, or `None` if a better flow log covers it.
    #[inline]
    fn number<T: Packed>(&self, record: T) -> Option<T> {
        let Lane { interface, stream } = self.store.lanes[record.lane() as usize];
        if !self.election.is_empty() && self.election.is_duplicate(interface, stream, &record.body()) {
            return None;
        }
        Some(record.with_lane(interface))
    }
}

/// Sorts records where they are. Interfaces come first in the order, and counting them leaves little to compare.
fn by_interface(records: &mut [Narrow], interfaces: usize) {
    let buckets = (records.len() / 64).min(interfaces).min(4096);
    if buckets < 2 {
        records.sort_unstable();
        return;
    }
    let bucket = |record: &Narrow| record.lane() as usize * buckets / interfaces;
    let mut next = vec![0_usize; buckets];
    for record in &*records {
        next[bucket(record)] += 1;
    }
    let mut sum = 0;
    for count in &mut next {
        sum += std::mem::replace(count, sum);
    }
    // Of each bucket the end, and the next place that does not have its record yet (American flag sort: McIlroy, Bostic,
    // McIlroy, "Engineering Radix Sort", 1993).
    let ends: Vec<usize> = next.iter().skip(1).copied().chain([sum]).collect();
    for (at, &end) in ends.iter().enumerate() {
        while next[at] < end {
            let here = next[at];
            let home = bucket(&records[here]);
            records.swap(here, next[home]);
            next[home] += 1;
        }
    }
    let mut from = 0;
    for end in ends {
        records[from..end].sort_unstable();
        from = end;
    }
}

/// Removes records that were delivered twice; returns how many.
fn without_duplicates<T: Packed>(sorted: &mut Vec<T>) -> u64 {
    let before = sorted.len();
    sorted.dedup();
    (before - sorted.len()) as u64
}

fn lies_between<T: Packed>(record: &T, from: Option<&T>, to: Option<&T>) -> bool {
    from.is_none_or(|from| record.tuple_order(from).is_ge())
        && to.is_none_or(|to| record.tuple_order(to).is_lt())
}

/// Some records of many, to cut these into ranges of about the same size.
struct Sample<T> {
    kept: Vec<T>,
    seen: usize,
    step: usize,
}

/// Records in a sample, about.
const SAMPLED: usize = 16 * 1024;

impl<T: Packed> Sample<T> {
    fn new(of: usize) -> Self {
        Self { kept: Vec::new(), seen: 0, step: (of / SAMPLED).max(1) }
    }

    fn see(&mut self, record: T) {
        if self.seen.is_multiple_of(self.step) {
            self.kept.push(record);
        }
        self.seen += 1;
    }

    /// Calls `range` with the bounds of each of about `count` ranges.
    fn split(mut self, count: usize, range: &mut dyn FnMut(Option<T>, Option<T>)) {
        self.kept.sort_unstable();
        let mut from = None;
        for n in 1..count {
            let Some(bound) = self.kept.get(self.kept.len() * n / count).copied() else { continue };
            if from.is_some_and(|from: T| from.same_tuple(&bound)) {
                continue;
            }
            range(from, Some(bound));
            from = Some(bound);
        }
        range(from, None);
    }
}

#[cfg(test)]
#[path = "partition_tests.rs"]
mod tests;
