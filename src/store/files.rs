//! Parquet files on their way into the store: under a temporary name until they are committed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use super::disk::{Disk, Output};
use super::manifest::StoredFile;
use super::{SCHEMA_VERSION, StoreError};

/// Where the store lies, and how it is changed.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub directory: PathBuf,
    pub disk: Disk,
    /// Of a copy: as long as this is held, nobody removes files of it.
    #[expect(dead_code, reason = "it is there to be held")]
    pub held: Option<Arc<File>>,
}

impl Place {
    pub fn path(&self, file: &StoredFile) -> PathBuf {
        self.directory.join(&file.path)
    }

    pub fn temporary(&self, path: &str) -> PathBuf {
        self.directory.join(format!("{path}.tmp"))
    }

    /// Whether a new file holds what one of the store does.
    pub fn holds(&self, new: &StoredFile, there: &StoredFile) -> Result<bool, StoreError> {
        if (new.bytes, new.rows) != (there.bytes, there.rows) {
            return Ok(false);
        }
        let read = |path: PathBuf| std::fs::read(&path).map_err(|e| StoreError::io(&path, &e));
        Ok(read(self.temporary(&new.path))? == read(self.path(there))?)
    }

    /// Removes a new file, which has no name yet.
    pub fn forget(&self, new: &StoredFile) -> Result<(), StoreError> {
        self.disk.remove(&self.temporary(&new.path))
    }

    /// Gives new files their names. They are not part of the store before the manifest says so.
    pub fn rename<'a>(&self, files: impl Iterator<Item = &'a StoredFile>) -> Result<(), StoreError> {
        let mut folders = std::collections::BTreeSet::new();
        for file in files {
            let path = self.path(file);
            self.disk.rename(&self.temporary(&file.path), &path)?;
            folders.extend(path.parent().map(Path::to_owned));
        }
        folders.iter().try_for_each(|folder| self.disk.sync_directory(folder))
    }
}

/// Properties that all files share.
pub(super) fn properties(table: &str) -> WriterPropertiesBuilder {
    let schema = KeyValue::new("flowgate.schema".to_owned(), format!("flowgate.{table}/v{SCHEMA_VERSION}"));
    // Level 1: half of what is written is read again soon, and more would cost more than it saves.
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(Some(vec![schema]))
}

/// A Parquet file that is being written.
pub(crate) struct FileWriter {
    place: Place,
    path: String,
    day: Option<u32>,
    rows: u64,
    writer: ArrowWriter<Output>,
}

impl FileWriter {
    /// Begins a file that will have this path. It tells the types of arrow, too, so that dictionaries stay such.
    pub fn create(
        place: &Place,
        path: String,
        day: Option<u32>,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, StoreError> {
        let options = ArrowWriterOptions::new().with_properties(properties);
        Self::create_with(place, path, day, schema, options)
    }

    /// Begins a file for everybody: text is text, however it was held here.
    pub fn create_plain(
        place: &Place,
        path: String,
        day: Option<u32>,
        schema: SchemaRef,
        properties: WriterProperties,
    ) -> Result<Self, StoreError> {
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        Self::create_with(place, path, day, schema, options)
    }

    fn create_with(
        place: &Place,
        path: String,
        day: Option<u32>,
        schema: SchemaRef,
        options: ArrowWriterOptions,
    ) -> Result<Self, StoreError> {
        let temporary = place.temporary(&path);
        if let Some(folder) = temporary.parent() {
            place.disk.create_directory(folder)?;
        }
        let output = place.disk.create(&temporary)?;
        let writer = ArrowWriter::try_new_with_options(output, schema, options)
            .map_err(|e| StoreError::Io { path: temporary.display().to_string(), message: e.to_string() })?;
        Ok(Self { place: place.clone(), path, day, rows: 0, writer })
    }

    fn failed(&self, message: &str) -> StoreError {
        let path = self.place.temporary(&self.path).display().to_string();
        StoreError::Io { path, message: message.to_owned() }
    }

    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        self.rows += batch.num_rows() as u64;
        self.writer.write(batch).map_err(|e| self.failed(&e.to_string()))
    }

    /// Ends the file and makes its content last.
    pub fn finish(self) -> Result<StoredFile, StoreError> {
        let Self { place, path, day, rows, mut writer } = self;
        let temporary = place.temporary(&path);
        let failed = |message: String| StoreError::Io { path: temporary.display().to_string(), message };
        writer.finish().map_err(|e| failed(e.to_string()))?;
        let bytes = writer.bytes_written() as u64;
        writer.inner().sync().map_err(|e| StoreError::io(&temporary, &e))?;
        Ok(StoredFile { path, bytes, rows, day })
    }
}

/// The batches of a file of the store.
pub(super) fn read(place: &Place, file: &StoredFile) -> Result<ParquetRecordBatchReader, StoreError> {
    let path = place.path(file);
    let opened = File::open(&path).map_err(|e| StoreError::io(&path, &e))?;
    ParquetRecordBatchReaderBuilder::try_new(opened)
        .and_then(|builder| builder.with_batch_size(8192).build())
        .map_err(|e| StoreError::damaged(&path, e.to_string()))
}

/// `1970-01-02` for 1.
pub(crate) fn day_name(day: u32) -> String {
    let date = chrono::DateTime::from_timestamp(i64::from(day) * 86_400, 0);
    date.map_or_else(|| day.to_string(), |date| date.format("%Y-%m-%d").to_string())
}
