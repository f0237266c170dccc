//! Bytes that leave for public addresses, by interface and hour.

use std::ops::Range;

use hashbrown::HashTable;

use crate::connection::Part;
use crate::hash::mix64;
use crate::rollup::bounds::Bounds;

const HOUR: u32 = 3600;
/// What lasts longer than 60 days is taken to have left within the last of them: times may be nonsense.
const LONGEST: u32 = 60 * 86_400;
/// Doublings of the hour, to 15 years; then interfaces that are neighbours by name are told as one.
const WIDTHS: u32 = 17;
const LAST: u32 = WIDTHS + 32;

/// Interface, bucket (24 bits), and who opened: 1 for the remote side.
fn pack(interface: u32, inbound: bool, bucket: u32) -> u64 {
    (u64::from(interface) << 25) | u64::from(inbound) << 24 | u64::from(bucket)
}

/// Sums by interface, hour and who opened, within a budget: when it is spent, hours become 2, 4, 8 … hours, at last
/// interfaces are merged. How wide they are follows from the data alone.
#[derive(Clone, Debug)]
pub(super) struct HourTable {
    /// Key and bytes.
    cells: HashTable<(u64, u64)>,
    step: u32,
    most: usize,
}

impl HourTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self { cells: HashTable::new(), step: 0, most: bounds.hours }
    }

    fn shifts(step: u32) -> (u32, u32) {
        (step.min(WIDTHS), step.saturating_sub(WIDTHS))
    }

    /// The packets of a connection that left. They are taken to have left evenly.
    pub fn add(&mut self, interface: u32, inbound: bool, part: &Part) {
        let last = part.last.max(part.first);
        let first = part.first.max(last.saturating_sub(LONGEST));
        let span = u128::from(last - first) + 1;
        let until = |second: u32| u128::from(part.bytes) * u128::from(second - first) / span;
        let mut from = first;
        while from <= last {
            let bucket = from / HOUR;
            let end = ((bucket + 1).saturating_mul(HOUR)).min(last.saturating_add(1));
            let bytes = if end > last { u128::from(part.bytes) } else { until(end) } - until(from);
            self.put(interface, inbound, bucket, bytes as u64);
            if end <= from {
                break;
            }
            from = end;
        }
    }

    fn put(&mut self, interface: u32, inbound: bool, hour: u32, bytes: u64) {
        let (hours, interfaces) = Self::shifts(self.step);
        let interface = (u64::from(interface) >> interfaces << interfaces) as u32;
        self.take_in((pack(interface, inbound, hour >> hours), bytes));
        self.fit();
    }

    fn take_in(&mut self, (key, bytes): (u64, u64)) {
        match self.cells.find_mut(mix64(key), |cell| cell.0 == key) {
            Some(cell) => cell.1 = cell.1.saturating_add(bytes),
            None => {
                self.cells.insert_unique(mix64(key), (key, bytes), |cell| mix64(cell.0));
            }
        }
    }

    fn fit(&mut self) {
        while self.cells.len() > self.most && self.step < LAST {
            self.go_to(self.step + 1);
        }
    }

    fn widen((key, bytes): (u64, u64), from: u32, to: u32) -> (u64, u64) {
        let ((old, _), (hours, interfaces)) = (Self::shifts(from), Self::shifts(to));
        let interface = (key >> 25 >> interfaces << interfaces) as u32;
        let bucket = (key & 0xff_ffff) as u32 >> (hours - old);
        (pack(interface, key >> 24 & 1 == 1, bucket), bytes)
    }

    fn go_to(&mut self, step: u32) {
        let before = self.step;
        self.step = step;
        let old = std::mem::take(&mut self.cells);
        old.into_iter().for_each(|cell| self.take_in(Self::widen(cell, before, step)));
    }

    pub fn merge(&mut self, other: Self) {
        if other.step > self.step {
            self.go_to(other.step);
        }
        for cell in other.cells {
            self.take_in(Self::widen(cell, other.step, self.step));
            self.fit();
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.cells.allocation_size()
    }

    pub fn finish(self) -> Hours {
        let (hours, interfaces) = Self::shifts(self.step);
        let mut cells: Vec<(u64, u64)> = self.cells.into_iter().collect();
        cells.sort_unstable();
        Hours { cells, hours, interfaces }
    }
}

/// Bytes that left for public addresses, by interface, who opened, and hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hours {
    cells: Vec<(u64, u64)>,
    hours: u32,
    interfaces: u32,
}

impl Hours {
    /// Seconds of a bucket: 3,600 unless there were too many.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        u64::from(HOUR) << self.hours
    }

    /// How many interfaces that are neighbours by name are told as one.
    #[must_use]
    pub fn interfaces_merged(&self) -> u64 {
        1 << self.interfaces
    }

    /// Bytes of connections that the remote side (inbound) or the interface opened: bucket (Unix seconds /
    /// [`Hours::seconds`]) and bytes, by bucket.
    pub fn of(&self, interface: u32, inbound: bool) -> impl Iterator<Item = (u32, u64)> {
        let range = self.range(pack(interface, inbound, 0), pack(interface, inbound, 0xff_ffff));
        self.cells[range].iter().map(|&(key, bytes)| ((key & 0xff_ffff) as u32, bytes))
    }

    fn range(&self, from: u64, to: u64) -> Range<usize> {
        self.cells.partition_point(|cell| cell.0 < from)..self.cells.partition_point(|cell| cell.0 <= to)
    }

    /// Bytes in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells.iter().map(|(_, bytes)| bytes).sum()
    }
}
