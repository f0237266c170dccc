//! What can go wrong between bytes and columns.

use std::io;

use arrow::error::ArrowError;
use parquet::errors::ParquetError;
use thiserror::Error;

/// A failure to decode one object. It does not know the object's name; the pipeline adds it.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// More bytes after decompression than allowed. Nothing was inflated beyond the cap.
    #[error("more than {limit} bytes after decompression; raise --max-object-bytes if the object is genuine")]
    TooLarge {
        /// The cap, in bytes.
        limit: u64,
    },
    /// The compressed stream ends in the middle. All bytes before the cut were delivered.
    #[error("the {compression} stream ends in the middle; fetch the object again")]
    Truncated {
        /// Which compression the stream has.
        compression: super::Compression,
    },
    /// The compressed stream is damaged. All bytes before the damage were delivered.
    #[error("the {compression} stream is damaged ({source}); fetch the object again")]
    Corrupt {
        /// Which compression the stream has.
        compression: super::Compression,
        /// What the decompressor says.
        source: io::Error,
    },
    /// Bytes after the last gzip member that are neither another member nor padding.
    #[error("bytes after the end of the gzip stream are not gzip; fetch the object again")]
    TrailingBytes,
    /// The inner reader failed.
    #[error("reading failed: {0}")]
    Read(#[source] io::Error),
    /// Not a Parquet file, or a damaged one.
    #[error("unreadable Parquet file ({0}); fetch the object again")]
    Parquet(#[from] ParquetError),
    /// The Parquet library gave up on the file in a way that only damaged files provoke.
    #[error("unreadable Parquet file (the reader panicked: {message}); fetch the object again")]
    ParquetPanic {
        /// The panic's message.
        message: String,
    },
    /// A range of a file came with another number of bytes than it has.
    #[error("bytes {start} to {end} came as {found} bytes; fetch the object again")]
    RangeLength {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
        /// How many bytes came.
        found: u64,
    },
    /// A range is not in the file.
    #[error(
        "bytes {start} to {end} came of an object of {size} bytes, which must have changed; list it and fetch it again"
    )]
    RangeOutside {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
        /// Size of the file.
        size: u64,
    },
    /// Nothing came of a range that the decoder cannot do without.
    #[error("bytes {start} to {end} are needed and did not come; fetch the object again")]
    RangeMissing {
        /// First byte.
        start: u64,
        /// First byte after it.
        end: u64,
    },
    /// A Parquet column has a type that its field cannot be read from.
    #[error("Parquet column {column} has type {found}, which cannot be read as {wanted}")]
    ParquetColumn {
        /// Name of the column.
        column: String,
        /// Its type in the file.
        found: String,
        /// What the field needs.
        wanted: &'static str,
    },
    /// Columns that do not fit together: a defect of this program or a damaged Parquet file.
    #[error("columns do not fit together: {0}")]
    Arrow(#[from] ArrowError),
}

impl DecodeError {
    /// Takes a [`DecodeError`] back out of the [`io::Error`] that a decompressing reader returns.
    #[must_use]
    pub fn from_io(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(decode) => decode,
            Err(other) => Self::Read(other),
        }
    }
}

impl From<DecodeError> for io::Error {
    fn from(error: DecodeError) -> Self {
        Self::other(error)
    }
}

/// Why rows were not used although they may be fine: they are of another schema. Not fatal; the
/// rows are counted as `other_schema`.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SchemaProblem {
    /// Transit Gateway flow logs have no action and no interface to judge.
    #[error(
        "Transit Gateway flow logs carry no action and no interface-id and cannot be judged; \
         point flowgate at the VPC flow logs"
    )]
    TransitGateway,
    /// The analysis needs fields that this log does not have.
    #[error(
        "the log format lacks {}; create a flow log with at least the default fields",
        .0.join(", ")
    )]
    MissingFields(Vec<&'static str>),
    /// No header, and none of the formats in wide use.
    #[error(
        "no header line and no format in wide use; give the order of the fields with --log-format \
         (LogFormat of `aws ec2 describe-flow-logs`)"
    )]
    UnknownFormat,
}

/// Why a text is not a log format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// No names in it.
    #[error("the log format is empty; expected field names such as ${{version}} ${{srcaddr}}")]
    Empty,
    /// Something that no field can be called.
    #[error(
        "{token:?} in the log format is not a field name; expected names such as ${{version}} ${{srcaddr}}"
    )]
    NotAName {
        /// The offending part.
        token: String,
    },
    /// Field names, but none that flow logs have.
    #[error("the log format names no known field; expected names such as ${{version}} ${{srcaddr}}")]
    NothingKnown,
}
