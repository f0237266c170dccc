//! Which row groups of a file are read: footer, statistics, bloom filters.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::Encoding;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataBuilder, ParquetMetaDataOptions,
    ParquetMetaDataReader, ParquetStatisticsPolicy, RowGroupMetaData,
};
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescriptor;

use super::super::StoreError;
use super::super::tables::DAY_COLUMN;
use super::Asked;
use super::input::Input;
use super::question::{Bounds, Question};

/// A file of the table.
#[derive(Debug)]
pub(super) struct Candidate {
    pub path: Arc<PathBuf>,
    pub day: Option<u32>,
}

/// A row group that may hold what is wanted.
#[derive(Debug)]
pub(super) struct Group {
    pub path: Arc<PathBuf>,
    pub day: Option<u32>,
    /// Of the file, with this row group only.
    pub metadata: ParquetMetaData,
    /// Of the file.
    pub schema: Arc<Schema>,
}

/// What is left of a file.
#[derive(Debug)]
pub(super) struct Planned {
    pub groups: Vec<Group>,
    /// How many row groups it has.
    pub of: usize,
}

/// The place of a column among the leaves of a schema. Every column of ours has one.
pub(super) fn leaf_of(schema: &SchemaDescriptor, name: &str) -> Option<usize> {
    schema.columns().iter().position(|leaf| leaf.path().parts().first().is_some_and(|root| root == name))
}

/// All values of a column chunk are in its dictionary.
pub(super) fn is_of_words(chunk: &ColumnChunkMetaData) -> bool {
    chunk.dictionary_page_offset().is_some()
        && chunk.page_encoding_stats_mask().is_some_and(|mask| mask.is_only(Encoding::RLE_DICTIONARY))
}

/// Whether rows of this day may be wanted, as far as the day tells.
pub(super) fn day_fits(day: Option<u32>, questions: &[Question]) -> Result<bool, String> {
    let Some(day) = day else { return Ok(true) };
    let day: ArrayRef = Arc::new(Date32Array::from(vec![i32::try_from(day).unwrap_or(i32::MAX)]));
    for question in questions.iter().filter(|question| question.column == DAY_COLUMN) {
        if question.want.fits(&day).map_err(|e| e.to_string())?.true_count() == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks at the footer of a file, and at bloom filters of the row groups that statistics leave; or not at all, if no row of its
/// day is wanted.
pub(super) fn plan(file: &Candidate, asked: &Asked) -> Result<Option<Planned>, StoreError> {
    let damaged = |message: String| StoreError::damaged(&file.path, message);
    if !day_fits(file.day, &asked.questions).map_err(damaged)? {
        return Ok(None);
    }
    let input = File::open(&*file.path).and_then(Input::new).map_err(|e| StoreError::io(&file.path, &e))?;
    let metadata = footer(&input, asked).map_err(|e| damaged(e.to_string()))?;
    let leaves = metadata.file_metadata().schema_descr_ptr();
    let schema = parquet_to_arrow_schema(&leaves, None).map_err(|e| damaged(e.to_string()))?;
    asked.check(&schema, file.day.is_some()).map_err(damaged)?;
    let schema = Arc::new(schema);
    let mut planned = Planned { groups: Vec::new(), of: metadata.num_row_groups() };
    let of_file = metadata.file_metadata().clone();
    for group in metadata.into_builder().take_row_groups() {
        if may_hold(&input, &leaves, &group, &asked.questions).map_err(|e| damaged(e.to_string()))? {
            planned.groups.push(Group {
                path: Arc::clone(&file.path),
                day: file.day,
                metadata: ParquetMetaDataBuilder::new(of_file.clone()).add_row_group(group).build(),
                schema: Arc::clone(&schema),
            });
        }
    }
    Ok(Some(planned))
}

/// Statistics are read of the columns that something is wanted of. If another version of the program put the columns into
/// another order they are those of others, and tell nothing.
fn footer(input: &Input, asked: &Asked) -> parquet::errors::Result<ParquetMetaData> {
    let keep: Vec<usize> =
        asked.questions.iter().filter_map(|q| asked.table.index_of(&q.column).ok()).collect();
    let policy = ParquetStatisticsPolicy::skip_except(&keep);
    let options = ParquetMetaDataOptions::new()
        .with_column_stats_policy(policy.clone())
        .with_encoding_stats_policy(policy)
        .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
    ParquetMetaDataReader::new()
        .with_page_index_policy(PageIndexPolicy::Skip)
        .with_metadata_options(Some(options))
        .parse_and_finish(input)
}

fn may_hold(
    input: &Input,
    leaves: &SchemaDescriptor,
    group: &RowGroupMetaData,
    questions: &[Question],
) -> std::io::Result<bool> {
    let chunks = || {
        questions
            .iter()
            .filter_map(|question| Some((question, group.columns().get(leaf_of(leaves, &question.column)?)?)))
    };
    if chunks().any(|(question, chunk)| bounds(chunk).is_some_and(|bounds| !question.may_fit(bounds))) {
        return Ok(false);
    }
    for (question, chunk) in chunks() {
        let place = (chunk.bloom_filter_offset(), chunk.bloom_filter_length());
        if let (Some(probes), (Some(offset), Some(length))) = (&question.probes, place)
            && let (Ok(offset), Ok(length)) = (u64::try_from(offset), u64::try_from(length))
        {
            let bounds = bounds(chunk);
            let between = |text: &str| match bounds {
                Some(Bounds::Text(least, most)) => (least..=most).contains(&text.as_bytes()),
                _ => true,
            };
            if !probes.may_be_in(input, (offset, length), between)? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn bounds(chunk: &ColumnChunkMetaData) -> Option<Bounds<'_>> {
    match chunk.statistics()? {
        Statistics::ByteArray(of) => Some(Bounds::Text(of.min_bytes_opt()?, of.max_bytes_opt()?)),
        Statistics::Int32(of) => Some(Bounds::Numbers((*of.min_opt()?).into(), (*of.max_opt()?).into())),
        Statistics::Int64(of) => Some(Bounds::Numbers(*of.min_opt()?, *of.max_opt()?)),
        _ => None,
    }
}

impl Asked {
    /// A file has the columns that are asked for, of the types of the table.
    fn check(&self, file: &Schema, has_day: bool) -> Result<(), String> {
        let names = self.columns.iter().chain(self.questions.iter().map(|question| &question.column));
        for name in names {
            let there = match name.as_str() {
                DAY_COLUMN if has_day => continue,
                name => file.field_with_name(name),
            };
            let there = there.map_err(|_| format!("there is no column {name}"))?.data_type();
            let meant = self.table.field_with_name(name).map(Field::data_type);
            if !meant.is_ok_and(|meant| are_same(meant, there)) {
                return Err(format!("the column {name} is of the type {there}"));
            }
        }
        Ok(())
    }
}

/// Whatever elements of lists are called.
fn are_same(one: &DataType, other: &DataType) -> bool {
    match (one, other) {
        (DataType::List(one), DataType::List(other)) => are_same(one.data_type(), other.data_type()),
        (one, other) => one == other,
    }
}
