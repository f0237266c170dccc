//! What a caller may choose.

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

/// Settings of a decoder.
#[derive(Clone, Debug)]
pub struct DecodeOptions {
    /// Columns to decode.
    pub projection: Projection,
    /// Rows after which a batch is full; at least 1 is used.
    pub batch_rows: usize,
    /// Longest line or message in bytes; a longer one is malformed.
    pub max_line_bytes: usize,
    /// Format of logs without a header, given by the user. A header in the log wins.
    pub log_format: Option<LogFormat>,
    /// Most bytes that the columns read from one Parquet file may have after decompression, as the
    /// file itself declares it. For text the cap is an argument of [`super::reader`].
    pub max_object_bytes: u64,
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
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            projection: Projection::engine(),
            batch_rows: Self::BATCH_ROWS,
            max_line_bytes: Self::MAX_LINE_BYTES,
            log_format: None,
            max_object_bytes: Self::MAX_OBJECT_BYTES,
        }
    }
}
