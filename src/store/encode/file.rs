//! A Parquet file of chunks that were made here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::SchemaDescriptor;

use super::{Chunk, MadeGroup, Press};
use crate::store::StoreError;
use crate::store::disk::Output;
use crate::store::files::Place;
use crate::store::manifest::StoredFile;

/// A Parquet file that is being written, row group by row group.
pub(in crate::store) struct GroupFile {
    place: Place,
    path: String,
    day: Option<u32>,
    rows: u64,
    schema: SchemaDescriptor,
    writer: SerializedFileWriter<Output>,
    press: Press,
}

impl GroupFile {
    /// Begins a file that will have this path. With `arrow` it also tells the types of arrow, so that dictionaries stay such;
    /// else text is text for everybody.
    pub fn create(
        place: &Place,
        path: String,
        day: Option<u32>,
        schema: &SchemaRef,
        mut properties: WriterProperties,
        arrow: bool,
    ) -> Result<Self, StoreError> {
        let temporary = place.temporary(&path);
        if let Some(folder) = temporary.parent() {
            place.disk.create_directory(folder)?;
        }
        let output = place.disk.create(&temporary)?;
        let failed = |e: ParquetError| io(&temporary, &e);
        let described = ArrowSchemaConverter::new().convert(schema).map_err(failed)?;
        if arrow {
            add_encoded_arrow_schema_to_metadata(schema, &mut properties);
        }
        let writer = SerializedFileWriter::new(output, described.root_schema_ptr(), Arc::new(properties))
            .map_err(failed)?;
        let press = Press::new().map_err(failed)?;
        Ok(Self { place: place.clone(), path, day, rows: 0, schema: described, writer, press })
    }

    /// Begins a row group.
    pub fn group(&mut self, rows: usize) -> Result<OpenGroup<'_>, StoreError> {
        let temporary = self.place.temporary(&self.path);
        self.rows += rows as u64;
        let Self { writer, schema, press, .. } = self;
        let writer = writer.next_row_group().map_err(|e| io(&temporary, &e))?;
        Ok(OpenGroup { temporary, writer, schema, press, rows, columns: 0 })
    }

    /// Adds a row group that was made before.
    pub fn append(&mut self, group: MadeGroup) -> Result<(), StoreError> {
        let temporary = self.place.temporary(&self.path);
        self.rows += group.rows as u64;
        let append = || {
            let mut writer = self.writer.next_row_group()?;
            for (bytes, close) in group.columns {
                writer.append_column(&bytes, close)?;
            }
            writer.close().map(drop)
        };
        append().map_err(|e| io(&temporary, &e))
    }

    /// Ends the file and makes its content last.
    pub fn finish(self) -> Result<StoredFile, StoreError> {
        let Self { place, path, day, rows, mut writer, .. } = self;
        let temporary = place.temporary(&path);
        writer.finish().map_err(|e| io(&temporary, &e))?;
        let bytes = writer.bytes_written() as u64;
        writer.inner().sync().map_err(|e| StoreError::io(&temporary, &e))?;
        Ok(StoredFile { path, bytes, rows, day })
    }
}

fn io(path: &Path, error: &ParquetError) -> StoreError {
    StoreError::Io { path: path.display().to_string(), message: error.to_string() }
}

/// A row group that is being written, column by column.
pub(in crate::store) struct OpenGroup<'f> {
    temporary: PathBuf,
    writer: SerializedRowGroupWriter<'f, Output>,
    schema: &'f SchemaDescriptor,
    press: &'f mut Press,
    rows: usize,
    columns: usize,
}

impl OpenGroup<'_> {
    /// Writes the next column.
    pub fn column(&mut self, chunk: &Chunk<'_>) -> Result<(), StoreError> {
        let column = self.schema.column(self.columns);
        self.columns += 1;
        let written = chunk
            .encode(&column, self.rows, self.press)
            .and_then(|(bytes, close)| self.writer.append_column(&bytes, close));
        written.map_err(|e| io(&self.temporary, &e))
    }

    /// Ends it.
    pub fn end(self) -> Result<(), StoreError> {
        self.writer.close().map(drop).map_err(|e| io(&self.temporary, &e))
    }
}
