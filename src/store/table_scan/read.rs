//! A row group's rows that are wanted: pages by their index, then the wanted columns, then the others of what is left.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, Date32Array, RecordBatch, RecordBatchOptions};
use arrow::compute::{and, cast};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicate, ArrowPredicateFn, ArrowReaderMetadata, ArrowReaderOptions,
    ParquetRecordBatchReaderBuilder, RowFilter, RowSelection,
};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::page_index::PageIndexProvider;
use parquet::file::metadata::{ColumnChunkMask, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::schema::types::SchemaDescriptor;

use super::super::StoreError;
use super::super::tables::DAY_COLUMN;
use super::Asked;
use super::input::Input;
use super::plan::{Group, is_of_words, leaf_of};
use super::question::{Bounds, Question};
use super::{pages, picked};

/// Rows of a batch.
pub(super) const BATCH: usize = 8 * 1024;

/// Reads it.
pub(super) fn read(group: &Group, asked: &Arc<Asked>) -> Result<Vec<RecordBatch>, StoreError> {
    let input = File::open(&*group.path).and_then(Input::new).map_err(|e| StoreError::io(&group.path, &e))?;
    read_from(input, group, asked).map_err(|e| StoreError::damaged(&group.path, e.to_string()))
}

/// How many pages of the columns that are asked for a row group has, and how many of them are read at most.
pub(super) fn count_pages(group: &Group, asked: &Arc<Asked>) -> Result<(u64, u64), StoreError> {
    let input = File::open(&*group.path).and_then(Input::new).map_err(|e| StoreError::io(&group.path, &e))?;
    let damaged = |e: ParquetError| StoreError::damaged(&group.path, e.to_string());
    let Indexed { metadata, selection, leaves } = indexed(&input, group, asked).map_err(damaged)?;
    let Some(places) = metadata.page_index() else { return Ok((0, 0)) };
    let rows = usize::try_from(metadata.row_group(0).num_rows()).unwrap_or(0);
    let ranges: Vec<Range<usize>> = match &selection {
        Some(selection) => ranges(selection),
        None => std::iter::once(0..rows).collect(),
    };
    let (mut all, mut read) = (0, 0);
    for pages in leaves.iter().filter_map(|leaf| places.page_locations(0, *leaf)) {
        let first =
            |at: usize| pages.get(at).map_or(rows, |page| usize::try_from(page.first_row_index).unwrap_or(0));
        let is_read = |at: &usize| {
            let here = first(*at)..first(at + 1);
            let next = ranges.partition_point(|range| range.end <= here.start);
            ranges.get(next).is_some_and(|range| range.start < here.end)
        };
        all += pages.len() as u64;
        read += (0..pages.len()).filter(is_read).count() as u64;
    }
    Ok((all, read))
}

/// The rows that a selection leaves.
pub(super) fn ranges(selection: &RowSelection) -> Vec<Range<usize>> {
    let (mut ranges, mut at) = (Vec::new(), 0_usize);
    for selector in selection.iter() {
        let end = at.saturating_add(selector.row_count);
        if !selector.skip {
            ranges.push(at..end);
        }
        at = end;
    }
    ranges
}

/// A row group with the places of its pages.
struct Indexed {
    metadata: ParquetMetaData,
    /// The rows of the pages that may hold what is wanted.
    selection: Option<RowSelection>,
    /// Of the columns that are read.
    leaves: Vec<usize>,
}

fn indexed(input: &Input, group: &Group, asked: &Asked) -> ParquetResult<Indexed> {
    let schema = group.metadata.file_metadata().schema_descr_ptr();
    let in_file = |name: &&str| *name != DAY_COLUMN;
    let leaf = |name| leaf_of(&schema, name);
    let wanted: Vec<usize> = asked.wanted().filter(in_file).filter_map(leaf).collect();
    let shown = asked.columns.iter().map(String::as_str).filter(in_file).filter_map(leaf);
    let mut leaves: Vec<usize> = wanted.iter().copied().chain(shown).collect();
    leaves.sort_unstable();
    leaves.dedup();
    let mut reader = ParquetMetaDataReader::new_with_metadata(group.metadata.clone())
        .with_column_index_policy(PageIndexPolicy::Skip)
        .with_offset_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_mask(ColumnChunkMask::columns(leaves.iter().copied()));
    reader.read_page_indexes(input)?;
    let metadata = reader.finish()?;
    let selection = match wanted.is_empty() {
        true => None,
        false => of_pages(input, &metadata, &wanted, &asked.questions)?,
    };
    Ok(Indexed { metadata, selection, leaves })
}

fn read_from(input: Input, group: &Group, asked: &Arc<Asked>) -> ParquetResult<Vec<RecordBatch>> {
    let leaves = group.metadata.file_metadata().schema_descr_ptr();
    let shown = asked.columns.iter().filter(|name| *name != DAY_COLUMN);
    let shown: Vec<usize> = shown.filter_map(|name| leaf_of(&leaves, name)).collect();
    let (mut metadata, mut selection) = (group.metadata.clone(), None);
    if asked.wanted().any(|name| name != DAY_COLUMN) {
        Indexed { metadata, selection, .. } = indexed(&input, group, asked)?;
        if selection.as_ref().is_some_and(|selection| !selection.selects_any()) {
            return Ok(Vec::new());
        }
        let picked = picked::read(&input, &metadata, selection.as_ref(), group.day, asked);
        if let Some(batches) = pages::known(picked)? {
            return Ok(batches);
        }
    }

    let schema = with_words(group, asked)?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true).with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(Arc::new(metadata), options)?;
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata)
        .with_batch_size(BATCH)
        .with_projection(ProjectionMask::leaves(&leaves, shown))
        .with_row_filter(RowFilter::new(predicates(asked, &leaves)));
    if let Some(selection) = selection {
        builder = builder.with_row_selection(selection);
    }
    let mut batches = Vec::new();
    for batch in builder.build()? {
        let batch = batch?;
        if batch.num_rows() > 0 {
            batches.push(as_asked(&batch, group.day, asked)?);
        }
    }
    Ok(batches)
}

/// The rows of the pages that may hold what is wanted, as far as indexes tell.
fn of_pages(
    input: &Input,
    metadata: &ParquetMetaData,
    wanted: &[usize],
    questions: &[Question],
) -> ParquetResult<Option<RowSelection>> {
    let (metadata, index) = ParquetMetaDataReader::new_with_metadata(metadata.clone())
        .with_column_index_policy(PageIndexPolicy::Optional)
        .with_offset_index_policy(PageIndexPolicy::Skip)
        .with_column_index_mask(ColumnChunkMask::columns(wanted.iter().copied()))
        .read_page_index_and_finish(input)?;
    let (Some(index), Some(places)) = (index, metadata.page_index()) else { return Ok(None) };
    let group = metadata.row_group(0);
    let rows = usize::try_from(group.num_rows()).unwrap_or(0);
    let leaves = metadata.file_metadata().schema_descr();
    let mut selection: Option<RowSelection> = None;
    for question in questions {
        let Some(leaf) = leaf_of(leaves, &question.column) else { continue };
        let (Some(index), Some(places)) = (index.column_index(0, leaf), places.page_locations(0, leaf))
        else {
            continue;
        };
        if index.num_pages() != places.len() as u64 {
            return Err(ParquetError::General(format!("the page indexes of {} differ", question.column)));
        }
        let firsts = places.iter().map(|place| usize::try_from(place.first_row_index).unwrap_or(0).min(rows));
        let firsts: Vec<usize> = firsts.chain([rows]).collect();
        if !firsts.is_sorted() {
            return Err(ParquetError::General(format!("the pages of {} are in disorder", question.column)));
        }
        // Of lists, the parquet crate calls pages null that have as many null elements as rows.
        let is_list = leaves.column(leaf).max_rep_level() > 0;
        let may = |page: &usize| match index.is_null_page(*page) {
            true => is_list,
            false => bounds(index, *page).is_none_or(|bounds| question.may_fit(bounds)),
        };
        let ranges =
            (0..places.len()).filter(may).map(|page| Range { start: firsts[page], end: firsts[page + 1] });
        let here = RowSelection::from_consecutive_ranges(ranges, rows);
        selection = Some(match selection {
            None => here,
            Some(before) => before.intersection(&here),
        });
    }
    Ok(selection)
}

fn bounds(index: &ColumnIndexMetaData, page: usize) -> Option<Bounds<'_>> {
    match index {
        ColumnIndexMetaData::BYTE_ARRAY(of) => Some(Bounds::Text(of.min_value(page)?, of.max_value(page)?)),
        ColumnIndexMetaData::INT32(of) => {
            Some(Bounds::Numbers((*of.min_value(page)?).into(), (*of.max_value(page)?).into()))
        }
        ColumnIndexMetaData::INT64(of) => Some(Bounds::Numbers(*of.min_value(page)?, *of.max_value(page)?)),
        _ => None,
    }
}

/// Wanted columns whose chunks have dictionaries are read as such, so that each word is looked at once.
fn with_words(group: &Group, asked: &Asked) -> ParquetResult<SchemaRef> {
    let leaves = group.metadata.file_metadata().schema_descr();
    let chunks = group.metadata.row_group(0).columns();
    let word = |field: &FieldRef| -> FieldRef {
        let of_words =
            || leaf_of(leaves, field.name()).and_then(|leaf| chunks.get(leaf)).is_some_and(is_of_words);
        if !asked.wanted().any(|name| name == field.name()) || !of_words() {
            return Arc::clone(field);
        }
        Arc::new(Field::clone(field).with_data_type(of_dictionary(field.data_type())))
    };
    Ok(Arc::new(Schema::new(group.schema.fields().iter().map(word).collect::<Vec<_>>())))
}

fn of_dictionary(plain: &DataType) -> DataType {
    match plain {
        DataType::Utf8 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        DataType::List(element) => {
            let of_words = of_dictionary(element.data_type());
            DataType::List(Arc::new(Field::clone(element).with_data_type(of_words)))
        }
        other => other.clone(),
    }
}

/// The wanted columns, the most telling first, so that the others are decoded where it fits only.
pub(super) fn by_column(questions: &[Question], leaves: &SchemaDescriptor) -> Vec<(usize, String)> {
    let mut columns: Vec<(u8, usize, String)> = Vec::new();
    for question in questions {
        let Some(leaf) = leaf_of(leaves, &question.column) else { continue };
        match columns.iter_mut().find(|(_, other, _)| *other == leaf) {
            Some(column) => column.0 = column.0.min(question.order()),
            None => columns.push((question.order(), leaf, question.column.clone())),
        }
    }
    columns.sort_by_key(|(order, ..)| *order);
    columns.into_iter().map(|(_, leaf, name)| (leaf, name)).collect()
}

/// One for each wanted column.
fn predicates(asked: &Arc<Asked>, leaves: &SchemaDescriptor) -> Vec<Box<dyn ArrowPredicate>> {
    let predicate = |(leaf, name): (usize, String)| {
        let asked = Arc::clone(asked);
        let fits = move |batch: RecordBatch| {
            let mut fits = BooleanArray::from(vec![true; batch.num_rows()]);
            for question in asked.questions.iter().filter(|question| question.column == name) {
                fits = and(&fits, &question.want.fits(batch.column(0))?)?;
            }
            Ok(fits)
        };
        let predicate = ArrowPredicateFn::new(ProjectionMask::leaves(leaves, [leaf]), fits);
        Box::new(predicate) as Box<dyn ArrowPredicate>
    };
    by_column(&asked.questions, leaves).into_iter().map(predicate).collect()
}

/// The columns in the order in which they were asked for.
fn as_asked(batch: &RecordBatch, day: Option<u32>, asked: &Asked) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(asked.columns.len());
    for (name, field) in asked.columns.iter().zip(asked.schema.fields()) {
        let column = match (batch.column_by_name(name), day) {
            (Some(column), _) if column.data_type() == field.data_type() => Arc::clone(column),
            (Some(column), _) => cast(column, field.data_type())?,
            (None, Some(day)) if name == DAY_COLUMN => {
                let day = i32::try_from(day).unwrap_or(i32::MAX);
                Arc::new(Date32Array::from_value(day, batch.num_rows()))
            }
            (None, _) => return Err(ArrowError::SchemaError(format!("there is no column {name}"))),
        };
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(&asked.schema), columns, &options)
}
