//! Parts of a table that threads read, put together in their order.

use std::collections::BTreeMap;
use std::ops::Range;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use polars::prelude::*;

use super::convert::frame;
use super::error::QueryError;
use crate::store::TableScan;

/// To be made a frame and asked costs as much as some thousands of rows do. Parts with fewer rows wait for others, until together
/// they have some more.
const SMALL: usize = 8 * 1024;
const TOGETHER: usize = 32 * 1024;

/// Parts that wait at most: each takes some room, however few its rows are.
const PARTS: usize = 64;

/// Rows of a part.
pub(super) enum Rows {
    Small(Vec<RecordBatch>),
    Large(Vec<DataFrame>),
}

/// Small parts that wait to be made frames of, by their numbers.
#[derive(Default)]
pub(super) struct Waiting {
    parts: BTreeMap<usize, Vec<RecordBatch>>,
    rows: usize,
}

impl Waiting {
    pub fn add(&mut self, number: usize, batches: Vec<RecordBatch>) {
        self.rows += batches.iter().map(RecordBatch::num_rows).sum::<usize>();
        self.parts.insert(number, batches);
    }

    /// No more should wait.
    pub fn are_enough(&self) -> bool {
        self.rows >= TOGETHER || self.parts.len() >= PARTS
    }

    /// All that wait: of numbers that follow on one another one frame, if they have rows.
    pub fn frames(&mut self) -> PolarsResult<Vec<(Range<usize>, Vec<DataFrame>)>> {
        let mut together: Vec<(Range<usize>, Vec<RecordBatch>)> = Vec::new();
        self.rows = 0;
        for (number, batches) in std::mem::take(&mut self.parts) {
            match together.last_mut() {
                Some((numbers, before)) if numbers.end == number => {
                    numbers.end += 1;
                    before.extend(batches);
                }
                _ => together.push((number..number + 1, batches)),
            }
        }
        let frame = |(numbers, batches): (Range<usize>, Vec<RecordBatch>)| {
            let Some(first) = batches.first() else { return Ok((numbers, Vec::new())) };
            let batch = concat_batches(&first.schema(), &batches);
            let batch = batch.map_err(|error| polars_err!(ComputeError: "{error}"))?;
            Ok((numbers, vec![frame(&batch)?]))
        };
        together.into_iter().map(frame).collect()
    }
}

/// What passed, by the numbers of its parts.
#[derive(Default)]
pub(super) struct Passed {
    /// By the first number, with the number after the last.
    parts: BTreeMap<usize, (usize, Option<DataFrame>)>,
    /// Up to here none is missing, and so many rows passed.
    next: usize,
    pub in_order: usize,
}

impl Passed {
    pub fn add(&mut self, numbers: Range<usize>, frame: Option<DataFrame>) {
        self.parts.insert(numbers.start, (numbers.end, frame));
        while let Some((end, frame)) = self.parts.get(&self.next) {
            self.in_order += frame.as_ref().map_or(0, DataFrame::height);
            self.next = *end;
        }
    }

    /// Those of which none before is missing.
    pub fn cut(&mut self) {
        let next = self.next;
        self.parts.retain(|number, _| *number < next);
    }

    /// All of it, in order.
    pub fn whole(self) -> PolarsResult<Option<DataFrame>> {
        accumulate(self.parts.into_values().filter_map(|(_, frame)| frame))
    }
}

/// The next part of a scan.
pub(super) fn next(scan: &TableScan) -> Result<Option<(usize, Rows)>, QueryError> {
    let Some((number, batches)) = scan.next()? else { return Ok(None) };
    if batches.iter().map(RecordBatch::num_rows).sum::<usize>() < SMALL {
        return Ok(Some((number, Rows::Small(batches))));
    }
    let frames = batches.iter().map(frame).collect::<PolarsResult<Vec<_>>>();
    let frames = frames.map_err(|error| QueryError::Meaning { message: error.to_string() })?;
    Ok(Some((number, Rows::Large(frames))))
}

/// One below the other.
pub(super) fn accumulate(frames: impl IntoIterator<Item = DataFrame>) -> PolarsResult<Option<DataFrame>> {
    let mut all: Option<DataFrame> = None;
    for frame in frames {
        match &mut all {
            None => all = Some(frame),
            // Frames without columns are only as high as they are.
            Some(all) if frame.width() == 0 => {
                *all = DataFrame::empty_with_height(all.height() + frame.height());
            }
            Some(all) => _ = all.vstack_mut_owned(frame)?,
        }
    }
    Ok(all)
}
