//! Connections become the contents of files, in the order in which they come.

use std::collections::BTreeMap;

use super::columns::write;
use super::meaning::Meanings;
use super::rows::Rows;
use super::{Names, WAITING};
use crate::store::StoreError;
use crate::store::files::day_name;
use crate::store::manifest::StoredFile;
use crate::store::open::StoreWriter;

/// Says which connections make up a file.
#[derive(Debug, Default)]
pub struct Cutter {
    /// By day.
    waiting: BTreeMap<u32, Rows>,
    rows: usize,
    parts: usize,
    meanings: Meanings,
}

/// The connections of one file.
#[derive(Debug)]
pub struct Part {
    pub(super) day: u32,
    /// Unique among the files of a commit.
    number: usize,
    pub(super) rows: Rows,
    pub(super) meanings: Meanings,
}

impl Cutter {
    /// Of rows whose meanings have these numbers.
    #[must_use]
    pub fn new(meanings: &Meanings) -> Self {
        Self { meanings: meanings.clone(), ..Self::default() }
    }

    /// Takes rows in. Whatever files are full then follows from the rows, not from how many come at a time.
    pub fn take(&mut self, rows: &Rows) -> Vec<Part> {
        let mut full = Vec::new();
        for mut of_day in rows.short.chunk_by(|a, b| a.day() == b.day()) {
            while let Some(first) = of_day.first() {
                let (fit, rest) = of_day.split_at(of_day.len().min(WAITING - self.rows));
                self.waiting.entry(first.day()).or_default().extend(fit, &rows.wide);
                self.rows += fit.len();
                of_day = rest;
                if self.rows == WAITING {
                    full.extend(self.cut_largest());
                }
            }
        }
        full
    }

    /// The rest.
    pub fn finish(&mut self) -> Vec<Part> {
        let days: Vec<u32> = self.waiting.keys().copied().collect();
        days.into_iter().map(|day| self.cut(day)).collect()
    }

    /// The day with most rows, or the earliest of them.
    fn cut_largest(&mut self) -> Option<Part> {
        let most = self.waiting.iter().max_by_key(|(day, rows)| (rows.len(), u32::MAX - **day));
        let day = most.map(|(day, _)| *day)?;
        Some(self.cut(day))
    }

    fn cut(&mut self, day: u32) -> Part {
        let rows = self.waiting.remove(&day).unwrap_or_default();
        self.rows -= rows.len();
        self.parts += 1;
        Part { day, number: self.parts - 1, rows, meanings: self.meanings.clone() }
    }
}

impl Part {
    /// Rows of it.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "none is empty")]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, writer: &StoreWriter, names: &Names) -> Result<StoredFile, StoreError> {
        let path = writer.connections_path(&day_name(self.day), self.number);
        write(writer.place(), &path, &self, names)
    }
}
