//! Sorted runs become one.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use super::super::StoreError;
use super::runs::{Part, Room, Runs, Section};

/// Bytes that are read from disk at a time.
const CHUNK: usize = 64 * 1024;

/// Where sorted parts come from.
enum Source<'a, T> {
    Memory(std::slice::Iter<'a, T>),
    Disk { file: &'a Mutex<File>, rest: Section, read: std::vec::IntoIter<T> },
}

impl<T: Part> Source<'_, T> {
    #[inline]
    fn next(&mut self, room: &Room) -> Result<Option<T>, StoreError> {
        match self {
            Self::Memory(parts) => Ok(parts.next().copied()),
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
    let parts = rest.parts.min(CHUNK / T::BYTES);
    let mut image = vec![0; parts * T::BYTES];
    {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(rest.offset))?;
        file.read_exact(&mut image)?;
    }
    rest.parts -= parts;
    rest.offset += image.len() as u64;
    Ok(image.chunks_exact(T::BYTES).map(T::read).collect())
}

/// All parts of a day, in the order of their keys, each key once unless a sum has no room in one part.
///
/// A tree of losers (Knuth, The Art of Computer Programming 3, 5.4.1): the next part is found with one comparison for each
/// doubling of the sources, and none of them depends on how one before it went.
pub(super) struct Merge<'a, T: Part> {
    /// Those that have parts left.
    sources: Vec<Source<'a, T>>,
    /// The next part of each.
    next: Vec<T>,
    /// The first is the source of the least key; of each other two sources met, and this is the one with the greater key.
    tree: Vec<u32>,
    room: &'a Room,
}

impl<'a, T: Part> Merge<'a, T> {
    /// Of what all threads have summed up.
    pub fn new(all: impl Iterator<Item = &'a Runs<T>>, day: u32, room: &'a Room) -> Result<Self, StoreError>
    where
        T: 'a,
    {
        let mut merge = Self { sources: Vec::new(), next: Vec::new(), tree: Vec::new(), room };
        for runs in all {
            for run in &runs.sorted {
                let from = run.partition_point(|part| part.day() < day);
                let to = run.partition_point(|part| part.day() <= day);
                merge.begin(Source::Memory(run[from..to].iter()))?;
            }
            if let Some(spilled) = &runs.spilled {
                for section in spilled.sections.iter().filter(|section| section.day == day) {
                    let read = Vec::new().into_iter();
                    merge.begin(Source::Disk { file: &spilled.file, rest: *section, read })?;
                }
            }
        }
        merge.grow();
        Ok(merge)
    }

    fn begin(&mut self, mut source: Source<'a, T>) -> Result<(), StoreError> {
        if let Some(part) = source.next(self.room)? {
            self.sources.push(source);
            self.next.push(part);
        }
        Ok(())
    }

    /// Makes the tree, of all sources that are left.
    fn grow(&mut self) {
        let count = self.sources.len();
        self.tree.clear();
        self.tree.resize(count, 0);
        // Who wins below each knot: leaves come after the knots.
        let mut winners: Vec<u32> = vec![0; count];
        winners.extend(0..count as u32);
        for knot in (1..count).rev() {
            let (left, right) = (winners[2 * knot], winners[2 * knot + 1]);
            let is_less = self.key(right) < self.key(left);
            winners[knot] = if is_less { right } else { left };
            self.tree[knot] = if is_less { left } else { right };
        }
        if let Some(first) = self.tree.first_mut() {
            *first = winners[1];
        }
    }

    #[inline]
    fn key(&self, source: u32) -> T::Key {
        self.next[source as usize].key()
    }

    /// The least part that is left, as it is.
    #[inline]
    fn take(&mut self) -> Result<Option<T>, StoreError> {
        let Some(&first) = self.tree.first() else { return Ok(None) };
        let at = first as usize;
        let taken = self.next[at];
        match self.sources[at].next(self.room)? {
            Some(part) => {
                self.next[at] = part;
                let (mut winner, mut key) = (first, part.key());
                let mut knot = (self.tree.len() + at) / 2;
                while knot > 0 {
                    let other = self.tree[knot];
                    let of_other = self.key(other);
                    let is_less = of_other < key;
                    self.tree[knot] = if is_less { winner } else { other };
                    winner = if is_less { other } else { winner };
                    key = if is_less { of_other } else { key };
                    knot /= 2;
                }
                self.tree[0] = winner;
            }
            None => {
                self.sources.swap_remove(at);
                self.next.swap_remove(at);
                self.grow();
            }
        }
        Ok(Some(taken))
    }

    /// The next part.
    #[inline]
    pub fn next(&mut self) -> Result<Option<T>, StoreError> {
        let Some(mut sum) = self.take()? else { return Ok(None) };
        while let Some(&at) = self.tree.first() {
            let next = self.next[at as usize];
            if next.key() != sum.key() || !sum.add(&next) {
                break;
            }
            self.take()?;
        }
        Ok(Some(sum))
    }
}
