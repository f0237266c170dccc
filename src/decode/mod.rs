//! How do bytes become columns?
//!
//! ```text
//! bytes ── reader ──▶ plain bytes ── Decoder ──▶ FlowBatch      text: gzip, zstd or plain; wrapped in JSON or not
//! bytes ── Inflater ▶ plain bytes ── Decoder ──▶ FlowBatch      the same, for gzip that is in memory whole
//! ranges of bytes ── ParquetPush ──────────────▶ FlowBatch      Parquet: asks for the ranges it needs
//! bytes ── ParquetDecoder ─────────────────────▶ FlowBatch      Parquet that is in memory
//! ```
//!
//! Every decoder counts what it could not use in a [`Tally`](crate::flow::Tally): lines read = records + tally.
//! Nothing here knows where bytes come from or what their object is called; there is no I/O beyond
//! [`std::io::Read`]. A new field of the log format is one row in [`fields`].

mod assemble;
mod auto;
mod choice;
mod columns;
mod decompress;
mod envelope;
mod error;
mod extra;
mod fast;
mod fault;
pub mod fields;
mod format;
mod known;
mod likeness;
mod line;
mod options;
mod parquet;
mod passed;
mod row;
mod text;
mod token;
mod whole;
mod window;

pub use auto::Decoder;
pub use decompress::{Compression, finish, is_gzip, pump, push, reader};
pub use error::{DecodeError, FormatError, SchemaProblem};
pub use format::{FormatColumn, LogFormat, Separator};
pub use options::{DecodeOptions, FormatCandidate, FormatOrigin, Projection};
pub use parquet::{ParquetDecoder, ParquetPush, Step, is_parquet};
pub use text::TextDecoder;
pub use whole::Inflater;
