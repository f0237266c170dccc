//! Row groups that are made apart from their file, so that several threads can make those of one.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use parquet::arrow::ArrowSchemaConverter;
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::schema::types::SchemaDescriptor;

use super::{Chunk, Press};
use crate::store::StoreError;

/// Makes row groups, one after the other.
pub(in crate::store) struct GroupMaker {
    /// What they are of, for messages.
    name: &'static str,
    schema: SchemaDescriptor,
    press: Press,
    rows: usize,
    columns: Vec<(Bytes, ColumnCloseResult)>,
}

/// A row group that no file has yet.
pub(in crate::store) struct MadeGroup {
    pub(super) rows: usize,
    pub(super) columns: Vec<(Bytes, ColumnCloseResult)>,
}

impl GroupMaker {
    /// For files of this schema.
    pub fn new(schema: &SchemaRef, name: &'static str) -> Result<Self, StoreError> {
        let failed = |e: ParquetError| StoreError::Io { path: name.to_owned(), message: e.to_string() };
        let schema = ArrowSchemaConverter::new().convert(schema).map_err(failed)?;
        let press = Press::new().map_err(failed)?;
        Ok(Self { name, schema, press, rows: 0, columns: Vec::new() })
    }

    /// Begins a row group.
    pub fn begin(&mut self, rows: usize) {
        self.rows = rows;
        self.columns.clear();
    }

    /// Makes the next column.
    pub fn column(&mut self, chunk: &Chunk<'_>) -> Result<(), StoreError> {
        let column = self.schema.column(self.columns.len());
        let failed = |e: ParquetError| StoreError::Io { path: self.name.to_owned(), message: e.to_string() };
        self.columns.push(chunk.encode(&column, self.rows, &mut self.press).map_err(failed)?);
        Ok(())
    }

    /// Ends it.
    pub fn end(&mut self) -> MadeGroup {
        MadeGroup { rows: self.rows, columns: std::mem::take(&mut self.columns) }
    }
}
