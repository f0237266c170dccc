//! Columns of the tables that questions are asked of, in the types that [`Table`] fixes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};
use parquet::file::properties::WriterProperties;

use super::files::{FileWriter, properties};
use super::manifest::StoredFile;
use super::open::StoreWriter;
use super::tables::Table;
use super::{StoreError, files};

/// Rows of a row group.
pub(super) const GROUP: usize = 128 * 1024;

/// Rows of a page.
pub(super) const PAGE: usize = 4 * 1024;

/// Rows of a batch.
pub(super) const BATCH: usize = 16 * 1024;

pub(super) fn text<'a>(values: impl Iterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

/// Lists of text, none of them null.
pub(super) fn texts<'a>(lists: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for list in lists {
        list.iter().for_each(|value| builder.values().append_value(value));
        builder.append(true);
    }
    Arc::new(builder.finish())
}

pub(super) fn small(values: impl Iterator<Item = Option<i32>>) -> ArrayRef {
    Arc::new(values.collect::<Int32Array>())
}

pub(super) fn large(values: impl Iterator<Item = u64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values.map(|value| i64::try_from(value).unwrap_or(i64::MAX))))
}

/// Unix seconds.
pub(super) fn time(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    let values = values.map(|value| value.and_then(|value| value.checked_mul(1_000_000)));
    Arc::new(values.collect::<TimestampMicrosecondArray>())
}

pub(super) fn flag(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<BooleanArray>())
}

fn file_properties(table: Table) -> WriterProperties {
    properties(table.name())
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE)
        .build()
}

/// Where the only file of a table goes, or of a day of it, of the next commit.
pub(super) fn only_path(writer: &StoreWriter, table: Table, day: Option<u32>) -> String {
    let prefix = writer.prefix();
    match day {
        Some(day) => format!("{}/dt={}/{prefix}.parquet", table.name(), files::day_name(day)),
        None => format!("{}/{prefix}.parquet", table.name()),
    }
}

/// A file of a table that is being written, row by row.
pub(super) struct Rows<T> {
    writer: FileWriter,
    table: Table,
    waiting: Vec<T>,
}

impl<T> Rows<T> {
    /// Begins the only file of a table, or of a day of it, of the next commit.
    pub fn create(writer: &StoreWriter, table: Table, day: Option<u32>) -> Result<Self, StoreError> {
        let path = only_path(writer, table, day);
        let writer =
            FileWriter::create_plain(writer.place(), path, day, table.schema(), file_properties(table))?;
        Ok(Self { writer, table, waiting: Vec::new() })
    }

    /// Takes a row in. `columns` makes the table's columns of rows, in their order.
    pub fn push(&mut self, row: T, columns: impl Fn(&[T]) -> Vec<ArrayRef>) -> Result<(), StoreError> {
        self.waiting.push(row);
        if self.waiting.len() >= BATCH { self.flush(columns) } else { Ok(()) }
    }

    fn flush(&mut self, columns: impl Fn(&[T]) -> Vec<ArrayRef>) -> Result<(), StoreError> {
        let batch = RecordBatch::try_new(self.table.schema(), columns(&self.waiting));
        let failed = |e: arrow::error::ArrowError| StoreError::Io {
            path: self.table.name().to_owned(),
            message: e.to_string(),
        };
        self.writer.write(&batch.map_err(failed)?)?;
        self.waiting.clear();
        Ok(())
    }

    /// Ends the file.
    pub fn finish(mut self, columns: impl Fn(&[T]) -> Vec<ArrayRef>) -> Result<StoredFile, StoreError> {
        if !self.waiting.is_empty() {
            self.flush(columns)?;
        }
        self.writer.finish()
    }
}
