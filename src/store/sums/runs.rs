//! Sums over more keys than memory holds: parts that are sorted, added up where keys are the same, and put on disk if
//! there are too many; merged at the end, a day at a time.
//!
//! Parts add up in any order and any grouping, so the result depends on neither threads nor memory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::super::StoreError;

/// Parts that wait to be sorted.
const BUFFER: usize = 64 * 1024;

/// A part of a sum.
pub(super) trait Part: Copy + Send + Sync {
    /// What it is of, in the order in which parts are merged: by day, then by whatever else.
    type Key: Copy + Ord;
    /// Bytes on disk.
    const BYTES: usize;
    fn key(&self) -> Self::Key;
    fn day(&self) -> u32;
    /// Adds another one with the same key. False if the sum has no room in a part: then both stay as they are.
    fn add(&mut self, other: &Self) -> bool;
    fn write(&self, out: &mut Vec<u8>);
    /// What was written, so many bytes.
    fn read(bytes: &[u8]) -> Self;
}

/// Numbers one after the other.
pub(super) fn write_words(words: &[u64], out: &mut Vec<u8>) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// Numbers that were written.
pub(super) fn read_words<const N: usize>(bytes: &[u8]) -> [u64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
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

    pub fn failed(&self, error: &std::io::Error) -> StoreError {
        StoreError::io(&self.directory, error)
    }
}

/// What one thread has summed up.
pub(super) struct Runs<T> {
    waiting: Vec<T>,
    pub(super) sorted: Vec<Vec<T>>,
    pub(super) spilled: Option<Spilled>,
}

/// Sorted parts in a file without a name, of which nothing is left however the program ends.
pub(super) struct Spilled {
    pub file: Mutex<File>,
    end: u64,
    pub sections: Vec<Section>,
}

/// Parts of one day that lie one after the other.
#[derive(Clone, Copy)]
pub(super) struct Section {
    pub day: u32,
    pub offset: u64,
    pub parts: usize,
}

fn sort_and_add<T: Part>(parts: &mut Vec<T>) {
    parts.sort_unstable_by_key(Part::key);
    parts.dedup_by(|next, last| next.key() == last.key() && last.add(next));
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
        let mut image = Vec::with_capacity(run.len() * T::BYTES);
        for of_day in run.chunk_by(|a, b| a.day() == b.day()) {
            let offset = spilled.end + image.len() as u64;
            spilled.sections.push(Section { day: of_day[0].day(), offset, parts: of_day.len() });
            of_day.iter().for_each(|part| part.write(&mut image));
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
                let day = first.day();
                into.insert(day);
                rest = &rest[rest.partition_point(|part| part.day() <= day)..];
            }
        }
        into.extend(self.spilled.iter().flat_map(|spilled| &spilled.sections).map(|section| section.day));
    }
}

#[cfg(test)]
mod tests;
