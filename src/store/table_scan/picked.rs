//! A row group's rows that are wanted, where its chunks are of the forms that the store writes: the numbers of these rows first, by
//! one wanted column after the other, then their values.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Date32Array, RecordBatch, RecordBatchOptions};
use arrow::compute::and;
use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::RowSelection;
use parquet::file::metadata::ParquetMetaData;

use super::super::tables::DAY_COLUMN;
use super::Asked;
use super::input::Input;
use super::pages::{Chunk, Trouble, Unpack};
use super::plan::leaf_of;
use super::question::Question;
use super::read::{BATCH, by_column, ranges};

/// Reads the rows of a row group, of those that a selection leaves.
pub(super) fn read(
    input: &Input,
    metadata: &ParquetMetaData,
    selection: Option<&RowSelection>,
    day: Option<u32>,
    asked: &Asked,
) -> Result<Vec<RecordBatch>, Trouble> {
    let leaves = metadata.file_metadata().schema_descr();
    let group = metadata.row_group(0);
    let count = u32::try_from(group.num_rows()).map_err(|_| Trouble::Unknown)?;
    let places = metadata.page_index().ok_or(Trouble::Unknown)?;
    let chunk = |leaf: usize| {
        let pages = places.page_locations(0, leaf).ok_or(Trouble::Unknown)?;
        Chunk::new(input, group.column(leaf), pages, count as usize)
    };
    let type_of = |name: &str| match asked.table.field_with_name(name) {
        Ok(field) => Ok(field.data_type()),
        Err(_) => Err(Trouble::Unknown),
    };
    // Those of which nothing is wanted are looked at, too, before anything is read.
    for name in asked.columns.iter().filter(|name| *name != DAY_COLUMN) {
        chunk(leaf_of(leaves, name).ok_or(Trouble::Unknown)?)?;
    }

    let mut unpack = Unpack::default();
    let mut rows = selected(selection, count);
    for (leaf, name) in by_column(&asked.questions, leaves) {
        let data_type = type_of(&name)?;
        let questions: Vec<&Question> =
            asked.questions.iter().filter(|question| question.column == name).collect();
        // Of a list, one element may be what one question wants and another what the next one does: words are asked one question
        // at a time.
        let at_once = if matches!(data_type, DataType::List(_)) { 1 } else { questions.len() };
        for questions in questions.chunks(at_once) {
            rows = chunk(leaf)?.pick(&rows, data_type, &mut unpack, |values| {
                let mut fits = BooleanArray::from(vec![true; values.len()]);
                for question in questions {
                    fits = and(&fits, &question.want.fits(values)?)?;
                }
                Ok(fits)
            })?;
            if rows.is_empty() {
                return Ok(Vec::new());
            }
        }
    }

    let mut columns: Vec<Vec<ArrayRef>> = Vec::with_capacity(asked.columns.len());
    let lengths: Vec<usize> = rows.chunks(BATCH).map(<[u32]>::len).collect();
    for name in &asked.columns {
        let of_file = leaf_of(leaves, name).filter(|_| name != DAY_COLUMN);
        columns.push(match (of_file, day) {
            (Some(leaf), _) => chunk(leaf)?.values(&rows, type_of(name)?, BATCH, &mut unpack)?,
            (None, Some(day)) => {
                let day = i32::try_from(day).unwrap_or(i32::MAX);
                let days = |&rows: &usize| Arc::new(Date32Array::from_value(day, rows)) as ArrayRef;
                lengths.iter().map(days).collect()
            }
            (None, None) => return Err(Trouble::Unknown),
        });
    }
    let batch = |(at, &rows): (usize, &usize)| {
        let arrays: Option<Vec<ArrayRef>> = columns.iter().map(|arrays| arrays.get(at).cloned()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let arrays = arrays.ok_or(Trouble::Unknown)?;
        Ok(RecordBatch::try_new_with_options(Arc::clone(&asked.schema), arrays, &options)?)
    };
    lengths.iter().enumerate().map(batch).collect()
}

/// The numbers of the rows that a selection leaves.
fn selected(selection: Option<&RowSelection>, count: u32) -> Vec<u32> {
    let Some(selection) = selection else { return (0..count).collect() };
    let row = |row: usize| u32::try_from(row).unwrap_or(u32::MAX).min(count);
    ranges(selection).into_iter().flat_map(|range| row(range.start)..row(range.end)).collect()
}
