//! Rejected attempts that are too many for memory wait on disk, by interface.

use std::path::Path;
use std::sync::Arc;

use super::places::{DETAIL, Row};
use crate::connection::{Chunk, SpillError, SpillFile, Words};
use crate::hash::mix64;

/// Attempts are read back so many parts at a time, each with some interfaces.
pub(super) const SHELVES: usize = 256;
/// Attempts that wait in memory until they are worth writing: 8 MB.
const WAITING: usize = 1 << 18;

/// Attempts on disk, and those on their way there. Nothing is lost: an error is kept until somebody asks.
#[derive(Debug)]
pub(super) struct Overflow {
    directory: Arc<Path>,
    waiting: Vec<Row>,
    /// The first is written to: one's own, or that of somebody who is done.
    files: Vec<SpillFile>,
    /// By shelf: the number of the file, and where.
    slim: Vec<Vec<(u32, Chunk)>>,
    wide: Vec<Vec<(u32, Chunk)>>,
    failed: Option<SpillError>,
}

impl Overflow {
    pub fn into_directory(directory: Arc<Path>) -> Self {
        let shelves = || (0..SHELVES).map(|_| Vec::new()).collect();
        let (slim, wide) = (shelves(), shelves());
        Self { directory, waiting: Vec::new(), files: Vec::new(), slim, wide, failed: None }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.files.is_empty()
    }

    pub fn push(&mut self, row: Row) {
        self.waiting.push(row);
        if self.waiting.len() >= WAITING
            && let Err(error) = self.spill()
        {
            self.waiting.clear();
            self.failed.get_or_insert(error);
        }
    }

    /// What went wrong, if anything did.
    pub fn check(&self) -> Result<(), SpillError> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    fn spill(&mut self) -> Result<(), SpillError> {
        self.check()?;
        if self.files.is_empty() {
            self.files.push(SpillFile::create(&self.directory)?);
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_unstable_by_key(|row| shelf(row.series));
        for rows in waiting.chunk_by(|a, b| shelf(a.series) == shelf(b.series)) {
            let (at, file) = (shelf(rows[0].series), &mut self.files[0]);
            let slim: Vec<Slim> = rows.iter().filter_map(Slim::pack).collect();
            if !slim.is_empty() {
                self.slim[at].push((0, file.append(&slim)?));
            }
            let wide: Vec<Row> = rows.iter().filter(|row| Slim::pack(row).is_none()).copied().collect();
            if !wide.is_empty() {
                self.wide[at].push((0, file.append(&wide)?));
            }
        }
        waiting.clear();
        self.waiting = waiting;
        Ok(())
    }

    pub fn merge(&mut self, other: Self) {
        let shift = self.files.len() as u32;
        self.failed = self.failed.take().or(other.failed);
        self.files.extend(other.files);
        for (into, from) in [(&mut self.slim, other.slim), (&mut self.wide, other.wide)] {
            for (into, from) in into.iter_mut().zip(from) {
                into.extend(from.into_iter().map(|(file, chunk)| (file + shift, chunk)));
            }
        }
        other.waiting.into_iter().for_each(|row| self.push(row));
    }

    /// To be called when all are in, before [`Overflow::each`].
    pub fn settle(&mut self) {
        self.waiting.sort_unstable_by_key(|row| shelf(row.series));
    }

    /// Hands over every attempt of a shelf, in no order.
    pub fn each(&self, at: usize, mut take: impl FnMut(Row)) -> Result<(), SpillError> {
        self.check()?;
        for (file, chunk) in &self.slim[at] {
            self.files[*file as usize].read(chunk, |slim: Slim| take(slim.row()))?;
        }
        for (file, chunk) in &self.wide[at] {
            self.files[*file as usize].read(chunk, &mut take)?;
        }
        of_shelf(&self.waiting, at).iter().copied().for_each(take);
        Ok(())
    }

    pub fn heap_bytes(&self) -> usize {
        let chunks: usize = self.slim.iter().chain(&self.wide).map(Vec::capacity).sum();
        self.waiting.capacity() * size_of::<Row>() + chunks * size_of::<(u32, Chunk)>()
    }
}

/// Those of one shelf, of attempts that are sorted by shelf.
pub(super) fn of_shelf(rows: &[Row], at: usize) -> &[Row] {
    let from = rows.partition_point(|row| shelf(row.series) < at);
    let to = rows.partition_point(|row| shelf(row.series) <= at);
    &rows[from..to]
}

/// All series of an interface are on one shelf.
pub(super) fn shelf(series: u64) -> usize {
    (mix64(series >> DETAIL) >> 56) as usize
}

/// An attempt from an IPv4 address, at one of the first 16 million interfaces: 16 bytes. Series (31 bits), protocol,
/// port, level; time, address.
#[derive(Clone, Copy, Debug)]
struct Slim([u64; 2]);

impl Slim {
    fn pack(row: &Row) -> Option<Self> {
        let fits = row.series >> 31 == 0 && row.remote[0] == 0 && row.remote[1] >> 32 == 0xffff;
        let above = (u64::from(row.protocol) << 16 | u64::from(row.port)) << 8 | u64::from(row.level());
        let below = u64::from(row.first) << 32 | row.remote[1] & 0xffff_ffff;
        fits.then_some(Self([row.series << 32 | above, below]))
    }

    fn row(self) -> Row {
        let [above, below] = self.0;
        let remote = [0, 0xffff << 32 | below & 0xffff_ffff];
        let (protocol, port, level) = ((above >> 24) as u8, (above >> 8) as u16, above as u8);
        Row::known(above >> 32, (below >> 32) as u32, protocol, port, level, remote)
    }
}

impl Words for Slim {
    const WORDS: usize = 2;

    fn word(&self, at: usize) -> u64 {
        self.0[at]
    }

    fn from_words(words: impl Fn(usize) -> u64) -> Self {
        Self([words(0), words(1)])
    }
}

impl Words for Row {
    const WORDS: usize = 4;

    fn word(&self, at: usize) -> u64 {
        match at {
            0 => self.series,
            1 => {
                u64::from(self.first) << 32
                    | u64::from(self.port) << 16
                    | u64::from(self.protocol) << 8
                    | u64::from(self.level())
            }
            2 => self.remote[0],
            _ => self.remote[1],
        }
    }

    fn from_words(words: impl Fn(usize) -> u64) -> Self {
        let two = words(1);
        let remote = [words(2), words(3)];
        Self::known(words(0), (two >> 32) as u32, (two >> 8) as u8, (two >> 16) as u16, two as u8, remote)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_back_from_disk_as_they_were() {
        let mut overflow = Overflow::into_directory(std::env::temp_dir().into());
        let row = |n: u64| {
            // Every third is IPv6, every seventh of an interface that does not fit.
            let remote = if n.is_multiple_of(3) { [0x2001_0db8 << 32, n] } else { [0, 0xffff << 32 | n] };
            let series = if n.is_multiple_of(7) { n << 20 } else { n % 1000 };
            Row::known(series, 1_700_000_000 + n as u32, n as u8, (n * 7) as u16, (n % 60) as u8, remote)
        };
        let mut other = Overflow::into_directory(std::env::temp_dir().into());
        let mut wanted: Vec<Row> = (0..600_000).map(row).collect();
        for (n, row) in wanted.iter().enumerate() {
            if n.is_multiple_of(2) { overflow.push(*row) } else { other.push(*row) }
        }
        overflow.merge(other);
        overflow.settle();
        let mut got = Vec::new();
        for at in 0..SHELVES {
            overflow
                .each(at, |row| {
                    assert_eq!(shelf(row.series), at);
                    got.push(row);
                })
                .unwrap();
        }
        wanted.sort_unstable();
        got.sort_unstable();
        assert!(got == wanted);
    }

    #[test]
    fn a_disk_that_fails_is_told() {
        let mut overflow = Overflow::into_directory(Path::new("/nowhere/at/all").into());
        for n in 0..WAITING as u64 {
            overflow.push(Row::known(n, 0, 6, 22, 0, [0, 1]));
        }
        assert!(overflow.check().is_err() && overflow.each(0, |_| ()).is_err());
    }
}
