//! Table `coverage`: how much of the time the logs speak for.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{ArrayRef, AsArray};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::super::columns::{Rows, large, text, time};
use super::super::manifest::StoredFile;
use super::super::open::StoreWriter;
use super::super::{DAY, StoreError, Table};
use super::Stamp;
use crate::flow::{CaptureStatus, FlowBatch};

/// Seconds of a step: the longest aggregation interval (domain A.10).
const STEP: u32 = 600;

/// Steps of a day.
const STEPS: u32 = DAY as u32 / STEP;

/// What records say of an interface on a day.
#[derive(Clone, Copy, Debug)]
struct Watched {
    /// OK, NODATA, SKIPDATA.
    rows: [u64; 3],
    /// Earliest start and latest end.
    span: (u32, u32),
    /// A bit for each step.
    steps: [u64; 3],
}

impl Watched {
    const NOTHING: Self = Self { rows: [0; 3], span: (u32::MAX, 0), steps: [0; 3] };

    fn mark(&mut self, step: u32) {
        self.steps[(step / 64) as usize] |= 1 << (step % 64);
    }

    fn has(&self, step: u32) -> bool {
        self.steps[(step / 64) as usize] >> (step % 64) & 1 == 1
    }

    fn add(&mut self, other: &Self) {
        self.rows.iter_mut().zip(other.rows).for_each(|(rows, more)| *rows += more);
        self.span = (self.span.0.min(other.span.0), self.span.1.max(other.span.1));
        self.steps.iter_mut().zip(other.steps).for_each(|(steps, more)| *steps |= more);
    }

    fn covered(&self) -> u64 {
        self.steps.iter().map(|steps| u64::from(steps.count_ones())).sum::<u64>() * u64::from(STEP)
    }

    /// The longest stretch of steps without a mark, between the first row's and the last one's.
    fn longest_gap(&self, day: u32) -> u64 {
        let begin = day * DAY as u32;
        let step = |time: u32| (time.saturating_sub(begin) / STEP).min(STEPS - 1);
        let (mut longest, mut gap) = (0, 0);
        for at in step(self.span.0)..=step(self.span.1) {
            gap = if self.has(at) { 0 } else { gap + 1 };
            longest = longest.max(gap);
        }
        u64::from(longest * STEP)
    }
}

/// What the records that one thread reads say of interfaces, day by day. Takes some 60 bytes for each of both.
#[derive(Debug, Default)]
pub struct CoverageSums {
    places: HashMap<String, usize>,
    /// Its days, with the place of each in `watched`.
    days: Vec<Days>,
    watched: Vec<Watched>,
}

/// The days of an interface.
#[derive(Debug, Default)]
struct Days {
    all: BTreeMap<u32, usize>,
    /// Records come in the order of time, nearly.
    last: Option<(u32, usize)>,
}

impl CoverageSums {
    /// Takes records in, and what rows without records tell.
    ///
    /// # Errors
    /// When a column is missing.
    pub fn push(&mut self, batch: &FlowBatch) -> Result<(), ArrowError> {
        if !batch.is_empty() {
            let columns = batch.columns()?;
            let names = columns.interface.values().as_string::<i32>();
            let places: Vec<usize> = names.iter().map(|name| self.place(name.unwrap_or_default())).collect();
            let (starts, ends) = (columns.start.values(), columns.end.values());
            for ((&key, &start), &end) in columns.interface.keys().values().iter().zip(starts).zip(ends) {
                self.add(places[key as usize], 0, start, end);
            }
        }
        for row in batch.coverage() {
            let kind = match row.status {
                CaptureStatus::Ok => 0,
                CaptureStatus::NoData => 1,
                CaptureStatus::SkipData => 2,
            };
            let place = self.place(&row.interface);
            self.add(place, kind, row.start, row.end);
        }
        Ok(())
    }

    fn place(&mut self, interface: &str) -> usize {
        if let Some(place) = self.places.get(interface) {
            return *place;
        }
        self.places.insert(interface.to_owned(), self.days.len());
        self.days.push(Days::default());
        self.days.len() - 1
    }

    #[inline]
    fn add(&mut self, place: usize, kind: usize, start: i64, end: i64) {
        // The decoder refuses times outside of 32 bits, so these conversions are exact.
        let start = u32::try_from(start).unwrap_or(0);
        let end = u32::try_from(end).unwrap_or(0).max(start);
        let day = start / DAY as u32;
        let watched = self.on(place, day);
        watched.rows[kind] += 1;
        watched.span = (watched.span.0.min(start), watched.span.1.max(end));
        if kind == 2 {
            // Something was lost there: that is no word on what passed.
            return;
        }
        watched.mark(start % DAY as u32 / STEP);
        // One that says to be longer than any can be speaks for no more than it can.
        let reaches = end.min(start.saturating_add(STEP));
        if reaches / STEP != start / STEP {
            let next = if reaches / DAY as u32 == day { watched } else { self.on(place, day + 1) };
            next.mark(reaches % DAY as u32 / STEP);
        }
    }

    fn on(&mut self, place: usize, day: u32) -> &mut Watched {
        let days = &mut self.days[place];
        let at = match days.last {
            Some((last, at)) if last == day => at,
            _ => *days.all.entry(day).or_insert_with(|| {
                self.watched.push(Watched::NOTHING);
                self.watched.len() - 1
            }),
        };
        days.last = Some((day, at));
        &mut self.watched[at]
    }

    /// Adds what another thread has read.
    pub fn merge(&mut self, other: &Self) {
        let mut names: Vec<(&String, &usize)> = other.places.iter().collect();
        names.sort_unstable();
        for (name, &from) in names {
            let place = self.place(name);
            for (&day, &at) in &other.days[from].all {
                self.on(place, day).add(&other.watched[at]);
            }
        }
    }

    /// Writes the table of these days.
    pub(super) fn write(
        &self,
        writer: &StoreWriter,
        days: &BTreeSet<u32>,
    ) -> Result<Vec<StoredFile>, StoreError> {
        let mut names: Vec<(&String, &usize)> = self.places.iter().collect();
        names.sort_unstable();
        let mut files = Vec::new();
        for &day in days {
            let on_day = |(name, place): &(&'_ String, &usize)| {
                let at = *self.days[**place].all.get(&day)?;
                // Without rows of its own there is only what reaches in from the day before.
                let watched = self.watched[at];
                (watched.rows != [0; 3]).then(|| Row { interface: (*name).clone(), day, watched })
            };
            let mut rows: Option<Rows<Row>> = None;
            for row in names.iter().filter_map(on_day) {
                let rows = match &mut rows {
                    Some(rows) => rows,
                    none => none.insert(Rows::create(writer, Table::Coverage, Some(day))?),
                };
                rows.push(row, columns)?;
            }
            files.extend(rows.map(|rows| rows.finish(columns)).transpose()?);
        }
        Ok(files)
    }
}

struct Row {
    interface: String,
    day: u32,
    watched: Watched,
}

/// In the order of [`Table::columns`].
fn columns(rows: &[Row]) -> Vec<ArrayRef> {
    vec![
        text(rows.iter().map(|row| Some(row.interface.as_str()))),
        large(rows.iter().map(|row| row.watched.rows[0])),
        large(rows.iter().map(|row| row.watched.rows[1])),
        large(rows.iter().map(|row| row.watched.rows[2])),
        time(rows.iter().map(|row| Stamp(row.watched.span.0).seconds())),
        time(rows.iter().map(|row| Stamp(row.watched.span.1).seconds())),
        large(rows.iter().map(|row| row.watched.covered())),
        large(rows.iter().map(|row| row.watched.longest_gap(row.day))),
    ]
}
