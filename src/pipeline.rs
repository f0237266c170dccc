//! The only file that knows the order of the rooms.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;

use crate::finding::Conclusions;
use crate::source::Selection;

/// What to analyze and how; checked by whoever made it.
#[derive(Clone, Debug)]
pub struct AnalyzeConfig {
    /// Files, directories, patterns, or `-`.
    pub inputs: Vec<PathBuf>,
    /// Inventory dumps.
    pub inventories: Vec<PathBuf>,
    /// Which records.
    pub selection: Selection,
    /// Format of logs without a header.
    pub log_format: Option<String>,
    /// Threads, at least 1.
    pub threads: usize,
    /// Most bytes of an object after decompression.
    pub max_object_bytes: u64,
    /// Where to write the judged connections.
    pub connections_out: Option<PathBuf>,
    /// Ids of the detectors to run; empty means all.
    pub only: Vec<String>,
    /// Ids of the detectors not to run.
    pub skip: Vec<String>,
}

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The inputs were listed.
    Listed {
        /// Objects to read.
        objects: u64,
        /// Their bytes, where known.
        bytes: Option<u64>,
    },
    /// More was read since the last such event.
    Read {
        /// Bytes as stored.
        bytes: u64,
        /// Records.
        records: u64,
    },
    /// An object was read to its end.
    ObjectDone,
    /// Another step began.
    Phase(&'static str),
    /// Something the user should know now.
    Warning(String),
}

/// Told what happens, from any thread.
pub trait Progress: Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &Event) {}
}

/// What kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnalyzeErrorKind {
    /// The user asked for something impossible.
    Configuration,
    /// No result.
    Failed,
}

/// Why there are no conclusions.
#[derive(Debug)]
pub struct AnalyzeError;

impl AnalyzeError {
    /// What kind of failure.
    #[must_use]
    pub fn kind(&self) -> AnalyzeErrorKind {
        AnalyzeErrorKind::Failed
    }

    /// What to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        None
    }
}

impl fmt::Display for AnalyzeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pipeline is not there yet")
    }
}

impl std::error::Error for AnalyzeError {}

/// Analyzes.
///
/// # Errors
/// When there is no result.
pub fn analyze(
    _config: &AnalyzeConfig,
    _stdin: Option<Box<dyn Read + Send>>,
    _progress: &dyn Progress,
) -> Result<Conclusions, AnalyzeError> {
    Err(AnalyzeError)
}
