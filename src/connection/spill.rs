//! Records that wait on disk.
//!
//! A spill file holds small Parquet files one after the other, each with the records of one partition that one worker
//! let go of at one time: plain, uncompressed columns of 64-bit words, so that writing and reading cost little more than
//! copying. It has no name in any directory, so that nothing of it is left, however the program ends.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, UInt64Type};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{EnabledStatistics, WriterProperties};

/// What can wait on disk: so many 64-bit words.
pub(crate) trait Words: Copy + Send + Sync + 'static {
    const WORDS: usize;
    fn word(&self, at: usize) -> u64;
    fn from_words(words: impl Fn(usize) -> u64) -> Self;
}

impl Words for u64 {
    const WORDS: usize = 1;

    fn word(&self, _: usize) -> u64 {
        *self
    }

    fn from_words(words: impl Fn(usize) -> u64) -> Self {
        words(0)
    }
}

/// Records could not be written to disk, or not read back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{directory}: records could not be kept on disk: {message}")]
pub(crate) struct SpillError {
    /// Where.
    pub directory: String,
    /// What went wrong.
    pub message: String,
}

/// Where some records lie in a [`SpillFile`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk {
    offset: u64,
    bytes: usize,
    /// Records.
    pub rows: usize,
}

/// A file without a name; one writer, any readers afterwards.
#[derive(Debug)]
pub(crate) struct SpillFile {
    directory: PathBuf,
    file: Mutex<File>,
    end: u64,
}

impl SpillFile {
    /// Creates one in a directory.
    pub fn create(directory: &Path) -> Result<Self, SpillError> {
        let file = tempfile::tempfile_in(directory)
            .map_err(|e| SpillError { directory: directory.display().to_string(), message: e.to_string() })?;
        Ok(Self { directory: directory.to_owned(), file: Mutex::new(file), end: 0 })
    }

    fn failed(&self, message: String) -> SpillError {
        SpillError { directory: self.directory.display().to_string(), message }
    }

    /// Appends records.
    pub fn append<T: Words>(&mut self, records: &[T]) -> Result<Chunk, SpillError> {
        let image = encode(records).map_err(|message| self.failed(message))?;
        let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
        let written = file.seek(SeekFrom::Start(self.end)).and_then(|_| file.write_all(&image));
        written.map_err(|e| self.failed(e.to_string()))?;
        let chunk = Chunk { offset: self.end, bytes: image.len(), rows: records.len() };
        self.end += image.len() as u64;
        Ok(chunk)
    }

    /// Hands every record of a chunk to `take`, in the order in which they were written.
    pub fn read<T: Words>(&self, chunk: &Chunk, take: impl FnMut(T)) -> Result<(), SpillError> {
        let image = self.image(chunk).map_err(|e| self.failed(e.to_string()))?;
        decode(image, chunk.rows, take).map_err(|message| self.failed(message))
    }

    fn image(&self, chunk: &Chunk) -> io::Result<Bytes> {
        let mut image = vec![0; chunk.bytes];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(chunk.offset))?;
        file.read_exact(&mut image)?;
        Ok(image.into())
    }
}

fn schema(words: usize) -> SchemaRef {
    let field = |at| Field::new(format!("word_{at}"), DataType::UInt64, false);
    Arc::new(Schema::new((0..words).map(field).collect::<Vec<_>>()))
}

fn encode<T: Words>(records: &[T]) -> Result<Vec<u8>, String> {
    let schema = schema(T::WORDS);
    let column = |at| Arc::new(UInt64Array::from_iter_values(records.iter().map(|r| r.word(at)))) as ArrayRef;
    let batch = RecordBatch::try_new(Arc::clone(&schema), (0..T::WORDS).map(column).collect())
        .map_err(|e| e.to_string())?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::UNCOMPRESSED)
        .set_encoding(Encoding::PLAIN)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_write_batch_size(records.len().max(1))
        .build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let image = Vec::with_capacity(records.len() * T::WORDS * 8 + 4096);
    let mut writer = ArrowWriter::try_new_with_options(image, schema, options).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.into_inner().map_err(|e| e.to_string())
}

fn decode<T: Words>(image: Bytes, rows: usize, mut take: impl FnMut(T)) -> Result<(), String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(image)
        .and_then(|builder| builder.with_batch_size(rows.clamp(1, 16 * 1024)).build())
        .map_err(|e| e.to_string())?;
    let mut left = rows;
    for batch in reader {
        let batch = batch.map_err(|e| e.to_string())?;
        let columns: Option<Vec<&[u64]>> = batch
            .columns()
            .iter()
            .map(|column| Some(column.as_primitive_opt::<UInt64Type>()?.values().as_ref()))
            .collect();
        let columns = columns.filter(|c| c.len() == T::WORDS).ok_or("it is not what was written")?;
        left = left.checked_sub(batch.num_rows()).ok_or("it holds more than was written")?;
        (0..batch.num_rows()).for_each(|row| take(T::from_words(|at| columns[at][row])));
    }
    if left > 0 { Err("it holds less than was written".to_owned()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::super::packed::{Narrow, PlainEnd, Wide};
    use super::super::record::{Body, Endpoint};
    use super::*;

    fn end(last: u32, port: u16) -> Endpoint {
        let address = (0xffff_u128 << 32) | u128::from(last);
        Endpoint { address, packet: address, port }
    }

    fn narrow(n: u32) -> Narrow {
        let body = Body::new(6, 1000 + n, 1010 + n, u64::from(n), u64::from(n) * 1000);
        let (low, high) = (PlainEnd::of(&end(n, 1)).unwrap(), PlainEnd::of(&end(n + 1, 2)).unwrap());
        Narrow::pack(n % 7, low, high, n.is_multiple_of(2), &body).unwrap()
    }

    #[test]
    fn what_was_written_comes_back_chunk_by_chunk() {
        let mut file = SpillFile::create(&std::env::temp_dir()).unwrap();
        let first: Vec<Narrow> = (0..40_000).map(narrow).collect();
        let wide: Vec<Wide> = first.iter().take(1000).map(Narrow::widen).collect();
        let chunks =
            (file.append(&first).unwrap(), file.append(&wide).unwrap(), file.append(&first[..1]).unwrap());
        let mut back = Vec::new();
        file.read(&chunks.1, |r: Wide| back.push(r)).unwrap();
        assert_eq!(back, wide);
        let mut back = Vec::new();
        file.read(&chunks.0, |r: Narrow| back.push(r)).unwrap();
        assert_eq!(back, first);
        back.clear();
        file.read(&chunks.2, |r: Narrow| back.push(r)).unwrap();
        assert_eq!(back, first[..1]);
        assert!(chunks.0.bytes < 40_000 * 33, "{} bytes", chunks.0.bytes);
    }

    #[test]
    fn numbers_come_back_too() {
        let mut file = SpillFile::create(&std::env::temp_dir()).unwrap();
        let numbers: Vec<u64> = (0..1000).map(|n| n << 40).collect();
        let chunk = file.append(&numbers).unwrap();
        let mut back = Vec::new();
        file.read(&chunk, |number: u64| back.push(number)).unwrap();
        assert_eq!(back, numbers);
    }

    #[test]
    fn a_chunk_of_another_layout_is_refused() {
        let mut file = SpillFile::create(&std::env::temp_dir()).unwrap();
        let chunk = file.append(&[narrow(1)]).unwrap();
        let error = file.read(&chunk, |_: Wide| ()).unwrap_err();
        assert!(error.to_string().contains("not what was written"), "{error}");
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = SpillFile::create(Path::new("/nowhere/at/all")).unwrap_err();
        assert!(error.to_string().starts_with("/nowhere/at/all: "), "{error}");
    }
}
