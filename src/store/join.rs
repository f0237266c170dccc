//! Small files become larger ones, so that a store that takes in something every few minutes does not consist of
//! thousands.
//!
//! After each ingest, files of about the same size are joined once there are so many of them: those of records day by day,
//! and those of `objects` and `contexts`. What is joined is of the next size then, so that a row is written again a few times
//! only, whatever number of ingests there are. It is a commit like any other: until the manifest is exchanged, the files that
//! were joined are the store, and from then on the new one is.

use std::collections::BTreeMap;

use super::contexts::{self, Contexts};
use super::manifest::{Manifest, StoredFile};
use super::objects;
use super::open::StoreWriter;
use super::records::RecordWriter;
use super::{Scan, StoreError};

/// Which files are to be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// More than so many of about the same size, where they are small.
    Small(usize),
    /// All of a day, and all of a table without days.
    All,
}

/// Files of so many rows are as good as larger ones: a row group is full. See `records`.
const LARGE: u64 = 256 * 1024;

/// Files of fewer rows are all alike.
const TINY: u64 = 4 * 1024;

impl Join {
    /// After an ingest by so many threads: each of them leaves a file.
    #[must_use]
    pub fn after(threads: usize) -> Self {
        Self::Small(threads.saturating_mul(2).max(7))
    }

    /// The files of a store that are to be joined.
    #[must_use]
    pub fn files(self, manifest: &Manifest) -> Vec<StoredFile> {
        let tables = [&manifest.records, &manifest.objects, &manifest.contexts];
        tables.into_iter().flat_map(|files| self.sets(files)).flatten().collect()
    }

    /// The sets of files that become one each.
    fn sets(self, files: &[StoredFile]) -> Vec<Vec<StoredFile>> {
        // By day and size: eight of one make one of the next.
        let mut sets: BTreeMap<(Option<u32>, u32), Vec<StoredFile>> = BTreeMap::new();
        for file in files {
            let size = match self {
                Self::All => 0,
                Self::Small(_) if file.rows >= LARGE => continue,
                Self::Small(_) => (file.rows / TINY).max(1).ilog2() / 3,
            };
            sets.entry((file.day, size)).or_default().push(file.clone());
        }
        let least = match self {
            Self::All => 1,
            Self::Small(many) => many,
        };
        sets.into_values().filter(|set| set.len() > least).collect()
    }
}

impl StoreWriter {
    /// Joins files. Returns how many were joined, and into how many; what the store says does not change.
    ///
    /// # Errors
    /// When a file is damaged, or something cannot be written: the store is as it was.
    pub fn join(&mut self, which: Join) -> Result<(u64, u64), StoreError> {
        let (mut manifest, mut added, mut joined) = (self.store().manifest().clone(), Vec::new(), 0);
        let prefix = self.prefix();
        for (number, set) in which.sets(&manifest.records).into_iter().enumerate() {
            let files = self.join_records(&set, format!("{prefix}-joined-{number:04}"))?;
            replace(&mut manifest.records, &set, &files);
            joined += set.len() as u64;
            added.extend(files);
        }
        manifest.records.sort();
        for set in which.sets(&manifest.objects) {
            let mut writer =
                objects::Writer::create(self.place(), format!("objects/{prefix}-joined.parquet"))?;
            for file in &set {
                objects::each(self.place(), file, |row| writer.take(row, &manifest.dead))?;
            }
            let files = [writer.finish()?];
            replace(&mut manifest.objects, &set, &files);
            joined += set.len() as u64;
            added.extend(files);
        }
        for set in which.sets(&manifest.contexts) {
            let mut all = Contexts::default();
            set.iter().try_for_each(|file| contexts::add(self.place(), file, &mut all))?;
            let files = [contexts::write(self.place(), &format!("contexts/{prefix}-joined.parquet"), &all)?];
            replace(&mut manifest.contexts, &set, &files);
            joined += set.len() as u64;
            added.extend(files);
        }
        if joined > 0 {
            self.commit(manifest, &added)?;
        }
        Ok((joined, added.len() as u64))
    }

    /// Records of a day, but for those of objects that don't count any more.
    fn join_records(&self, set: &[StoredFile], prefix: String) -> Result<Vec<StoredFile>, StoreError> {
        let mut writer = RecordWriter::new(self.place(), prefix);
        let scan = Scan::new(self.place(), set.to_vec(), (None, None));
        let dead = &self.store().manifest().dead;
        while let Some(group) = scan.next()? {
            // What is known of interfaces is in `contexts`.
            group.read(
                |object| (!dead.contains(&object)).then_some(object),
                |_| Default::default(),
                |piece| writer.push(&piece.batch, piece.key).map(drop),
            )?;
        }
        writer.finish()
    }
}

/// Puts files in the place of the first of some others.
fn replace(all: &mut Vec<StoredFile>, gone: &[StoredFile], new: &[StoredFile]) {
    let place = all.iter().position(|file| gone.contains(file)).unwrap_or(all.len());
    all.retain(|file| !gone.contains(file));
    all.splice(place..place, new.iter().cloned());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many files there are, and how often a row was written, after ingests of so many rows each.
    fn after(ingests: usize, rows: u64) -> (usize, u64) {
        let (mut files, mut written) = (Vec::new(), 0);
        for number in 0..ingests {
            let path = format!("{number}");
            files.push(StoredFile { path, bytes: 0, rows, day: Some(1) });
            written += rows;
            for set in Join::after(2).sets(&files) {
                let sum = set.iter().map(|file| file.rows).sum();
                let path = format!("{number}-joined-{sum}");
                replace(&mut files, &set, &[StoredFile { path, bytes: 0, rows: sum, day: Some(1) }]);
                written += sum;
            }
        }
        assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), rows * ingests as u64);
        (files.len(), written / (rows * ingests as u64))
    }

    #[test]
    fn files_stay_few_and_rows_are_not_written_again_and_again() {
        for (ingests, rows, most_files, most_written) in
            [(300, 50, 15, 45), (300, 5000, 30, 4), (2000, 20_000, 170, 3), (300, 300_000, 300, 1)]
        {
            let (files, written) = after(ingests, rows);
            assert!(files <= most_files && written <= most_written, "{ingests} x {rows}: {files}, {written}");
        }
    }

    #[test]
    fn what_is_joined_takes_the_place_of_the_first() {
        let file = |path: &str| StoredFile { path: path.to_owned(), bytes: 0, rows: 1, day: None };
        let mut all = ["a", "b", "c", "d"].map(file).to_vec();
        replace(&mut all, &["b", "d"].map(file), &[file("e")]);
        assert_eq!(all, ["a", "e", "c"].map(file));
    }
}
