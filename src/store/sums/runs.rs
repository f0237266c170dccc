//! Sums over more keys than memory holds: parts that are sorted, added up where keys are the same, and put on disk if
//! there are too many; merged at the end, a day at a time.
//!
//! Parts add up in any order and any grouping, so the result depends on neither threads nor memory.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::StoreError;

/// Parts that wait to be sorted.
const BUFFER: usize = 64 * 1024;

/// Bytes of a part on disk.
const BYTES: usize = 64;

/// Parts that are read from disk at a time.
const CHUNK: usize = 1024;

/// What parts are of, the day in the highest 16 bits.
pub(super) type Key = (u128, u128);

/// A part of a sum.
pub(super) trait Part: Copy + Send + Sync {
    /// Parts with the same add up.
    fn key(&self) -> Key;
    fn add(&mut self, other: &Self);
    fn words(&self) -> [u64; BYTES / 8];
    fn from_words(words: [u64; BYTES / 8]) -> Self;
}

fn day_of<T: Part>(part: &T) -> u32 {
    // 16 bits are enough: seconds have 32.
    (part.key().0 >> 112) as u32
}

/// Room in memory that all sums share, and where the rest goes.
#[derive(Debug)]
pub(super) struct Room {
    directory: PathBuf,
    most: usize,
    used: AtomicUsize,
}

impl Room {
    pub fn new(bytes: usize, directory: &Path) -> Self {
        Self { directory: directory.to_owned(), most: bytes, used: AtomicUsize::new(0) }
    }

    fn admits(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.most;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    fn failed(&self, error: &std::io::Error) -> StoreError {
        StoreError::io(&self.directory, error)
    }
}

/// What one thread has summed up.
pub(super) struct Runs<T> {
    waiting: Vec<T>,
    sorted: Vec<Vec<T>>,
    spilled: Option<Spilled>,
}

/// Sorted parts in a file without a name, of which nothing is left however the program ends.
struct Spilled {
    file: Mutex<File>,
    end: u64,
    sections: Vec<Section>,
}

/// Parts of one day that lie one after the other.
#[derive(Clone, Copy)]
struct Section {
    day: u32,
    offset: u64,
    parts: usize,
}

fn sort_and_add<T: Part>(parts: &mut Vec<T>) {
    parts.sort_unstable_by_key(Part::key);
    parts.dedup_by(|next, last| {
        let same = next.key() == last.key();
        if same {
            last.add(next);
        }
        same
    });
}

impl<T: Part> Runs<T> {
    pub fn new() -> Self {
        Self { waiting: Vec::new(), sorted: Vec::new(), spilled: None }
    }

    pub fn push(&mut self, part: T, room: &Room) -> Result<(), StoreError> {
        self.waiting.push(part);
        if self.waiting.len() < BUFFER {
            return Ok(());
        }
        sort_and_add(&mut self.waiting);
        if self.waiting.len() < BUFFER / 2 {
            return Ok(());
        }
        let run = std::mem::take(&mut self.waiting);
        if room.admits(run.capacity() * size_of::<T>()) {
            self.sorted.push(run);
            Ok(())
        } else {
            let done = self.spill(&run, room);
            self.waiting = run;
            self.waiting.clear();
            done
        }
    }

    fn spill(&mut self, run: &[T], room: &Room) -> Result<(), StoreError> {
        let spilled = match &mut self.spilled {
            Some(spilled) => spilled,
            none => {
                let file = tempfile::tempfile_in(&room.directory).map_err(|e| room.failed(&e))?;
                none.insert(Spilled { file: Mutex::new(file), end: 0, sections: Vec::new() })
            }
        };
        let mut image = Vec::with_capacity(run.len() * BYTES);
        for of_day in run.chunk_by(|a, b| day_of(a) == day_of(b)) {
            let offset = spilled.end + image.len() as u64;
            spilled.sections.push(Section { day: day_of(&of_day[0]), offset, parts: of_day.len() });
            image.extend(of_day.iter().flat_map(Part::words).flat_map(u64::to_le_bytes));
        }
        let file = spilled.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file.seek(SeekFrom::Start(spilled.end)).and_then(|_| file.write_all(&image));
        written.map_err(|e| room.failed(&e))?;
        spilled.end += image.len() as u64;
        Ok(())
    }

    /// No more parts come.
    pub fn settle(&mut self) {
        sort_and_add(&mut self.waiting);
        if !self.waiting.is_empty() {
            self.sorted.push(std::mem::take(&mut self.waiting));
        }
    }

    /// Days that it has parts of.
    pub fn days(&self, into: &mut BTreeSet<u32>) {
        for run in &self.sorted {
            let mut rest = run.as_slice();
            while let Some(first) = rest.first() {
                let day = day_of(first);
                into.insert(day);
                rest = &rest[rest.partition_point(|part| day_of(part) <= day)..];
            }
        }
        into.extend(self.spilled.iter().flat_map(|spilled| &spilled.sections).map(|section| section.day));
    }
}

/// Where sorted parts come from.
enum Source<'a, T> {
    Memory(&'a [T]),
    Disk { file: &'a Mutex<File>, rest: Section, read: std::vec::IntoIter<T> },
}

impl<T: Part> Source<'_, T> {
    fn next(&mut self, room: &Room) -> Result<Option<T>, StoreError> {
        match self {
            Self::Memory(parts) => {
                let Some((first, rest)) = parts.split_first() else { return Ok(None) };
                *parts = rest;
                Ok(Some(*first))
            }
            Self::Disk { file, rest, read } => {
                if read.len() == 0 && rest.parts > 0 {
                    *read = load(file, rest).map_err(|e| room.failed(&e))?.into_iter();
                }
                Ok(read.next())
            }
        }
    }
}

/// The next parts of a section.
fn load<T: Part>(file: &Mutex<File>, rest: &mut Section) -> std::io::Result<Vec<T>> {
    let parts = rest.parts.min(CHUNK);
    let mut image = vec![0; parts * BYTES];
    {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(rest.offset))?;
        file.read_exact(&mut image)?;
    }
    rest.parts -= parts;
    rest.offset += image.len() as u64;
    let part = |bytes: &[u8]| {
        let mut words = [0; BYTES / 8];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut of_word = [0; 8];
            of_word.copy_from_slice(bytes);
            *word = u64::from_le_bytes(of_word);
        }
        T::from_words(words)
    };
    Ok(image.chunks_exact(BYTES).map(part).collect())
}

/// All parts of a day, in the order of their keys, each key once.
pub(super) struct Merge<'a, T> {
    sources: Vec<Source<'a, T>>,
    /// The next part of each source that has one.
    next: Vec<Option<T>>,
    order: BinaryHeap<Reverse<(Key, usize)>>,
    room: &'a Room,
}

impl<'a, T: Part> Merge<'a, T> {
    /// Of what all threads have summed up.
    pub fn new(all: impl Iterator<Item = &'a Runs<T>>, day: u32, room: &'a Room) -> Result<Self, StoreError>
    where
        T: 'a,
    {
        let mut sources = Vec::new();
        for runs in all {
            for run in &runs.sorted {
                let from = run.partition_point(|part| day_of(part) < day);
                let to = run.partition_point(|part| day_of(part) <= day);
                sources.push(Source::Memory(&run[from..to]));
            }
            if let Some(spilled) = &runs.spilled {
                for section in spilled.sections.iter().filter(|section| section.day == day) {
                    let read = Vec::new().into_iter();
                    sources.push(Source::Disk { file: &spilled.file, rest: *section, read });
                }
            }
        }
        let next = vec![None; sources.len()];
        let mut merge = Self { sources, next, order: BinaryHeap::new(), room };
        (0..merge.sources.len()).try_for_each(|at| merge.advance(at))?;
        Ok(merge)
    }

    fn advance(&mut self, at: usize) -> Result<(), StoreError> {
        let part = self.sources[at].next(self.room)?;
        if let Some(part) = &part {
            self.order.push(Reverse((part.key(), at)));
        }
        self.next[at] = part;
        Ok(())
    }

    pub fn next(&mut self) -> Result<Option<T>, StoreError> {
        let mut sum: Option<T> = None;
        while let Some(&Reverse((key, at))) = self.order.peek() {
            if sum.as_ref().is_some_and(|sum| sum.key() != key) {
                break;
            }
            self.order.pop();
            match (&mut sum, &self.next[at]) {
                (Some(sum), Some(part)) => sum.add(part),
                (none, part) => *none = *part,
            }
            self.advance(at)?;
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;
