//! What a caller may choose.

use std::fmt;

use super::format::LogFormat;

/// Which columns are decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projection {
    everything: bool,
}

impl Projection {
    /// Exactly the columns of [`crate::flow::column`]. A log whose format lacks what the analysis
    /// needs is refused. An optional column that the format does not have is absent.
    #[must_use]
    pub fn engine() -> Self {
        Self { everything: false }
    }

    /// Every known field that the format has, whether or not the analysis could work with it: the
    /// engine's columns with their own types, texts as dictionaries, numbers in their width. A row
    /// without interface has the empty text for it; for the engine such a row is malformed.
    #[must_use]
    pub fn all() -> Self {
        Self { everything: true }
    }

    pub(super) fn is_all(self) -> bool {
        self.everything
    }
}

/// Where a format for lines without a header is known from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FormatOrigin {
    /// The user gave it.
    User,
    /// A flow log with this id (`fl-…`) has it; the first of them, if several have.
    FlowLog(String),
    /// It is in wide use.
    Known,
}

impl fmt::Display for FormatOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User => f.write_str("--log-format"),
            Self::FlowLog(id) => write!(f, "flow log {id}"),
            Self::Known => f.write_str("formats in wide use"),
        }
    }
}

/// A format that lines without a header may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormatCandidate {
    /// Where it is known from.
    pub origin: FormatOrigin,
    /// The format.
    pub format: LogFormat,
}

impl FormatCandidate {
    /// A format that the user gave.
    #[must_use]
    pub fn user(format: LogFormat) -> Self {
        Self { origin: FormatOrigin::User, format }
    }

    /// The format of a flow log, by its id.
    #[must_use]
    pub fn flow_log(id: impl Into<String>, format: LogFormat) -> Self {
        Self { origin: FormatOrigin::FlowLog(id.into()), format }
    }
}

/// Settings of a decoder.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// Columns to decode.
    pub projection: Projection,
    /// Rows after which a batch is full; at least 1 is used.
    pub batch_rows: usize,
    /// Longest line or message in bytes; a longer one is malformed.
    pub max_line_bytes: usize,
    /// Formats that lines without a header may have, in the order in which they are looked at. Those of the
    /// user are the only ones, if there are any. Else those of flow logs, and for lines that fit none of them
    /// (their flow log may have been deleted) a table of formats in wide use. A header in the log wins over all.
    ///
    /// One format of the user is taken at his word. Else each line is taken in the format that it fits best,
    /// and one that fits several equally only if one of them alone was sure for a line of the object before;
    /// if not, it is malformed. Two that agree on a line (a NODATA row, if only addresses are swapped) are
    /// no matter of doubt.
    pub log_formats: Vec<FormatCandidate>,
    /// Most bytes that the columns read from one Parquet file may have after decompression, as the
    /// file itself declares it. For text the cap is an argument of [`super::reader`].
    pub max_object_bytes: u64,
    /// Most bytes that a worker holds of one gzip object, compressed and plain together, to inflate it in one go
    /// (see [`super::Inflater`]); larger ones are inflated as they come. 0 for never. The memory is kept for the
    /// next object, so a run may take this times the number of its workers. Results do not depend on it.
    pub whole_bytes: u64,
}

impl DecodeOptions {
    /// Default of [`DecodeOptions::batch_rows`].
    pub const BATCH_ROWS: usize = 16 * 1024;
    /// Default of [`DecodeOptions::max_line_bytes`]: room for six percent-encoded tags
    /// and five ARNs of greatest length (about 28 KiB), twice.
    pub const MAX_LINE_BYTES: usize = 64 * 1024;
    /// Default of [`DecodeOptions::max_object_bytes`]. AWS closes a file at 75 MB compressed, which is
    /// below 2 GB of text.
    pub const MAX_OBJECT_BYTES: u64 = 4 << 30;
    /// Default of [`DecodeOptions::whole_bytes`].
    pub const WHOLE_BYTES: u64 = 96 << 20;
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            projection: Projection::engine(),
            batch_rows: Self::BATCH_ROWS,
            max_line_bytes: Self::MAX_LINE_BYTES,
            log_formats: Vec::new(),
            max_object_bytes: Self::MAX_OBJECT_BYTES,
            whole_bytes: Self::WHOLE_BYTES,
        }
    }
}
