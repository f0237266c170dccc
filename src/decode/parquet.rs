//! Parquet files into batches: columns by name, whatever types their writer chose.
//!
//! AWS writes 32 and 64 bit integers and strings, `-` or null for no value (VPC User Guide, "Flow log
//! records", column "Parquet data type"). Files that went through other tools hold integers as text or
//! floating point numbers, and `None` for nothing; they are read alike.
//!
//! A Parquet file says at its end where its columns are, so [`ParquetPush`] asks for the bytes it needs:
//! the footer, then row group by row group the columns that are read. It does no I/O. [`ParquetDecoder`]
//! is the same for a file that is in memory.

mod cells;
mod columnar;
mod hint;
mod pieces;
mod push;
mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;

use super::error::{DecodeError, SchemaProblem};
use super::options::DecodeOptions;
use crate::flow::{FlowBatch, Tally};

pub use push::{ParquetPush, Step};

/// True if the object is a Parquet file, by its first four bytes.
#[must_use]
pub fn is_parquet(prefix: &[u8]) -> bool {
    prefix.starts_with(b"PAR1")
}

/// Decodes one Parquet file that is in memory, by way of [`ParquetPush`]. Iterate for the batches; after an
/// error it is over.
#[derive(Debug)]
pub struct ParquetDecoder {
    push: ParquetPush,
}

impl ParquetDecoder {
    /// Reads the footer and decides which columns to read.
    ///
    /// A file whose schema cannot be used gives no batches; its rows are counted as of another schema,
    /// see [`rejected_schema`](Self::rejected_schema).
    ///
    /// # Errors
    /// If it is no Parquet file or damaged, or if its columns are larger than
    /// [`DecodeOptions::max_object_bytes`].
    pub fn try_new(file: Bytes, options: &DecodeOptions) -> Result<Self, DecodeError> {
        let size = file.len() as u64;
        let mut push = ParquetPush::new(size, options);
        push.give(0..size, file)?;
        fenced(|| push.open())?;
        Ok(Self { push })
    }

    /// As [`ParquetPush::tally`].
    #[must_use]
    pub fn tally(&self) -> &Tally {
        self.push.tally()
    }

    /// As [`ParquetPush::rejected_schema`].
    #[must_use]
    pub fn rejected_schema(&self) -> Option<&SchemaProblem> {
        self.push.rejected_schema()
    }
}

impl Iterator for ParquetDecoder {
    type Item = Result<FlowBatch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.push.next() {
            Ok(Step::Batch(batch)) => Some(Ok(batch)),
            Ok(Step::Done) => None,
            // All bytes were given, so none can be asked for.
            Ok(Step::Need(_)) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// Runs library code that may panic on damaged files. State touched by the closure must not be used after
/// an error other than to read counts.
fn fenced<T>(run: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(DecodeError::ParquetPanic { message })
    })
}
