//! Batches become files, a day each.

use std::collections::BTreeMap;

use arrow::error::ArrowError;

use super::super::StoreError;
use super::super::encode::GroupFile;
use super::super::files::{Place, day_name, properties};
use super::super::manifest::StoredFile;
use super::columns::Rows;
use super::{DAY, schema};
use crate::flow::FlowBatch;

/// Rows of a row group, from which on it is written. They are in memory until then, some 20 MB of them.
const GROUP: usize = 256 * 1024;

/// Days that a writer has open at a time. Objects come in the order of time, nearly.
const OPEN: usize = 3;

/// Writes what one thread reads.
pub struct RecordWriter {
    place: Place,
    /// Beginning of the names of the files: unique to the commit and the thread.
    prefix: String,
    /// By day.
    open: BTreeMap<u32, OpenDay>,
    /// Columns that were used before, to be used again.
    free: Vec<Rows>,
    turn: u64,
    done: Vec<StoredFile>,
}

struct OpenDay {
    file: GroupFile,
    rows: Rows,
    /// The turn of its last use.
    turn: u64,
}

impl OpenDay {
    fn end_group(&mut self) -> Result<(), StoreError> {
        if self.rows.len() > 0 {
            let group = self.file.group(self.rows.len())?;
            self.rows.write(group)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(StoredFile, Rows), StoreError> {
        self.end_group()?;
        Ok((self.file.finish()?, self.rows))
    }
}

impl RecordWriter {
    pub(in crate::store) fn new(place: &Place, prefix: String) -> Self {
        let (open, free, done) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { place: place.clone(), prefix, open, free, turn: 0, done }
    }

    /// Takes a batch of an object in. Returns the earliest and the latest start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, batch: &FlowBatch, object: u32) -> Result<Option<(u32, u32)>, StoreError> {
        let internal = |e: ArrowError| StoreError::Io { path: "records".to_owned(), message: e.to_string() };
        let mut span = None;
        if !batch.is_empty() {
            let columns = batch.columns().map_err(internal)?;
            let put = |rows: &mut Rows, of_day: Option<&[usize]>| rows.push(&columns, object, of_day);
            span = self.put(columns.start.values(), put)?;
        }
        if !batch.coverage().is_empty() {
            let starts: Vec<i64> = batch.coverage().iter().map(|row| row.start).collect();
            let put = |rows: &mut Rows, of_day: Option<&[usize]>| {
                match of_day {
                    None => batch.coverage().iter().for_each(|row| rows.push_coverage(row, object)),
                    Some(of_day) => {
                        of_day.iter().for_each(|at| rows.push_coverage(&batch.coverage()[*at], object));
                    }
                }
                Ok(())
            };
            span = joined(span, self.put(&starts, put)?);
        }
        Ok(span)
    }

    /// Has the rows that start at these times put with those of their days.
    fn put(
        &mut self,
        starts: &[i64],
        put: impl Fn(&mut Rows, Option<&[usize]>) -> Result<(), ArrowError>,
    ) -> Result<Option<(u32, u32)>, StoreError> {
        let internal = |e: ArrowError| StoreError::Io { path: "records".to_owned(), message: e.to_string() };
        let (Some(&first), Some(&last)) = (starts.iter().min(), starts.iter().max()) else { return Ok(None) };
        // The decoder refuses times outside of 32 bits.
        let second = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
        let day = |time: i64| second(time) / DAY as u32;
        if day(first) == day(last) {
            let open = self.day(day(first))?;
            put(&mut open.rows, None).map_err(internal)?;
        } else {
            let mut days: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            for (at, &start) in starts.iter().enumerate() {
                days.entry(day(start)).or_default().push(at);
            }
            for (day, rows) in days {
                let open = self.day(day)?;
                put(&mut open.rows, Some(&rows)).map_err(internal)?;
            }
        }
        Ok(Some((second(first), second(last))))
    }

    /// The file of a day, with room for more rows.
    fn day(&mut self, day: u32) -> Result<&mut OpenDay, StoreError> {
        self.turn += 1;
        let Self { place, prefix, open, free, turn, done } = self;
        if !open.contains_key(&day) && open.len() >= OPEN {
            let oldest = open.iter().min_by_key(|(_, open)| open.turn).map(|(day, _)| *day);
            if let Some(oldest) = oldest.and_then(|day| open.remove(&day)) {
                let (file, rows) = oldest.finish()?;
                done.push(file);
                free.push(rows);
            }
        }
        let number = done.len() + open.len();
        let open = match open.entry(day) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(place_of) => {
                let path = format!("records/dt={}/{prefix}-{number:04}.parquet", day_name(day));
                let properties = properties("records").build();
                let file = GroupFile::create(place, path, Some(day), &schema(), properties, true)?;
                let rows = free.pop().unwrap_or_default();
                place_of.insert(OpenDay { file, rows, turn: 0 })
            }
        };
        open.turn = *turn;
        if open.rows.len() >= GROUP {
            open.end_group()?;
        }
        Ok(open)
    }

    /// Ends all files.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn finish(mut self) -> Result<Vec<StoredFile>, StoreError> {
        for (_, open) in std::mem::take(&mut self.open) {
            self.done.push(open.finish()?.0);
        }
        Ok(self.done)
    }
}

pub(super) fn joined(a: Option<(u32, u32)>, b: Option<(u32, u32)>) -> Option<(u32, u32)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}
