//! The only place that knows the order of the rooms.
//!
//! ```text
//! list ─▶ fetch ─▶ decompress, decode ─▶ pack      listing and fetching go ahead of one worker per thread
//!                                         │
//!        sort, count fan-in ◀─────────────┘        per partition, in parallel
//!        cut, decide, judge ─▶ roll up             per partition, merged in partition order
//!        detect ─▶ conclude
//! ```

mod body;
mod cancel;
mod conclude;
mod configuration;
mod configured;
mod days;
mod decoding;
mod export;
mod formats;
mod in_order;
mod ingest;
mod inputs;
mod judge;
mod keep;
mod memory;
mod picture;
mod prefetch;
mod read;
mod replay;
mod run;
mod stored;
mod stores;
mod takings;
mod tighten;
mod watch;
#[cfg(test)]
mod year_tests;

use std::io::Read;
use std::path::PathBuf;

use crate::connection::SpillError;
use crate::decode::{DecodeOptions, FormatError};
use crate::detect::{self, Sensitivity};
use crate::expect::Expectations;
use crate::finding::{Conclusions, IgnoreList};
use crate::inventory::InventoryError;

use crate::source::Selection;
use crate::store::StoreError;
use crate::watchlist::WatchListError;

pub use crate::rollup::Baseline;
pub use cancel::Cancel;
pub use configuration::configuration;
pub use formats::log_fields;
pub use ingest::{IngestOptions, Ingested, ingest};
pub use inputs::{Input, MAX_INFLIGHT_BYTES, Remote};
pub use keep::analyze_and_keep;
pub use memory::MemoryPlan;
pub use replay::{ReplayOutcome, replay};
pub use stores::{StorePlace, compact, open_store, prune};
pub use tighten::{Tightened, tighten};

/// What to analyze and how. No field left to interpret.
#[derive(Clone, Debug)]
pub struct AnalyzeConfig {
    /// What to read.
    pub inputs: Vec<Input>,
    /// How to reach AWS, where an input is there.
    pub remote: Remote,
    /// Inventory files and directories. Empty: dumps found among the inputs are used.
    pub inventories: Vec<PathBuf>,
    /// Which objects and times.
    pub selection: Selection,
    /// Format of logs without a header, as `aws ec2 describe-flow-logs` prints it.
    pub log_format: Option<String>,
    /// Threads to use, at least 1.
    pub threads: usize,
    /// Most bytes one object may have after decompression.
    pub max_object_bytes: u64,
    /// How much memory to get along with.
    pub memory: MemoryPlan,
    /// Where records wait that memory has no room for; needs about 32 bytes for each of them.
    pub spill_directory: PathBuf,
    /// Where to write the judged connections (Parquet).
    pub connections_out: Option<PathBuf>,
    /// What should be true.
    pub expect: Option<Expect>,
    /// Tell of every accepted connection without a rule, not only of those that alarm.
    pub list_escapes: bool,
    /// Lists of addresses to look for.
    pub watchlists: Vec<PathBuf>,
    /// How little is enough for a detector.
    pub sensitivity: Sensitivity,
    /// Findings to leave out.
    pub ignore: IgnoreList,
    /// Detectors to run; empty means all.
    pub only: Vec<String>,
    /// Detectors not to run.
    pub skip: Vec<String>,
    /// What is normal: detectors of novelty compare what came after with it. By default the first half of the window.
    pub baseline: Option<Baseline>,
    /// Stops the run.
    pub cancel: Cancel,
}

/// A file of expectations, read and checked.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Its name, for the findings.
    pub file: String,
    /// What it says.
    pub expectations: Expectations,
}

/// Nothing to read, one thread, every detector.
impl Default for AnalyzeConfig {
    fn default() -> Self {
        Self {
            inputs: Vec::new(),
            remote: Remote::default(),
            inventories: Vec::new(),
            selection: Selection::default(),
            log_format: None,
            threads: 1,
            max_object_bytes: DecodeOptions::MAX_OBJECT_BYTES,
            memory: MemoryPlan::default(),
            spill_directory: std::env::temp_dir(),
            connections_out: None,
            expect: None,
            list_escapes: false,
            watchlists: Vec::new(),
            sensitivity: Sensitivity::default(),
            ignore: IgnoreList::default(),
            only: Vec::new(),
            skip: Vec::new(),
            baseline: None,
            cancel: Cancel::default(),
        }
    }
}

/// What happens while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// More objects are known: how many so far.
    Listed {
        /// How many.
        objects: u64,
        /// Their size as stored, if known of all.
        bytes: Option<u64>,
    },
    /// Some more was read.
    Read {
        /// Bytes as stored.
        bytes: u64,
        /// Flow records.
        records: u64,
    },
    /// One more object is done.
    ObjectDone,
    /// The next phase began.
    Phase(&'static str),
    /// Something the user should know at once; it is in the conclusions, too.
    Warning(String),
}

/// Is told what happens; may be called from several threads.
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

/// Whose fault a failed run is, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Options or configuration files.
    Configuration,
    /// The run itself.
    Failed,
    /// Nobody's: the user stopped it.
    Interrupted,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// `--log-format` makes no sense.
    #[error("--log-format: {0}")]
    LogFormat(#[from] FormatError),
    /// A detector is named that does not exist.
    #[error("there is no detector `{name}`")]
    UnknownDetector {
        /// The name.
        name: String,
    },
    /// The inventory could not be loaded.
    #[error("the inventory could not be loaded\n{0}")]
    Inventory(#[from] InventoryError),
    /// A watch list is of no use.
    #[error("--watchlist {0}")]
    WatchList(#[from] WatchListError),
    /// Nothing to read.
    #[error("nothing to analyze: {reasons}")]
    NothingFound {
        /// What the source said, one per line.
        reasons: String,
    },
    /// No object could be fetched.
    #[error("nothing could be read (objects: {objects})\n{reasons}")]
    NothingRead {
        /// Objects found.
        objects: u64,
        /// Why, one per line, each with its next step.
        reasons: String,
    },
    /// The objects hold nothing at all.
    #[error("nothing to analyze: what was read (objects: {objects}) holds no line and no event")]
    NothingThere {
        /// Objects read.
        objects: u64,
    },
    /// No record is of the selection.
    #[error("nothing to analyze: of what was read (records: {records}), nothing is of the selection")]
    NothingSelected {
        /// Records read.
        records: u64,
    },
    /// Objects were read, but no line of them could be used.
    #[error("what was read (objects: {objects}) holds no flow log record that can be analyzed\n{reasons}")]
    NothingUsable {
        /// Objects read.
        objects: u64,
        /// Why, one per line.
        reasons: String,
    },
    /// The connections could not be written.
    #[error("{path}: the connections could not be written: {message}")]
    Connections {
        /// The file.
        path: String,
        /// What went wrong.
        message: String,
    },
    /// A store can't be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Records that memory has no room for could not be kept on disk.
    #[error("{directory}: records that memory has no room for could not be kept there: {message}")]
    Spill {
        /// The directory.
        directory: String,
        /// What went wrong.
        message: String,
    },
    /// The user stopped it.
    #[error("stopped after {}", read_so_far(*.objects, *.bytes, *.records))]
    Interrupted {
        /// Objects that were read to their end.
        objects: u64,
        /// Bytes read, as stored.
        bytes: u64,
        /// Records read.
        records: u64,
    },
    /// The runtime could not be started, or a worker died.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl AnalyzeError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LogFormat(_) | Self::UnknownDetector { .. } | Self::Inventory(_) | Self::WatchList(_) => {
                ErrorKind::Configuration
            }
            Self::NothingFound { .. }
            | Self::NothingRead { .. }
            | Self::NothingThere { .. }
            | Self::NothingSelected { .. }
            | Self::NothingUsable { .. } => ErrorKind::Failed,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::Store(error) if error.is_of_the_user() => ErrorKind::Configuration,
            Self::Store(_) => ErrorKind::Failed,
            Self::Connections { .. } | Self::Spill { .. } | Self::Internal(_) => ErrorKind::Failed,
        }
    }

    /// What to do next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::LogFormat(_) => Some(
                "copy LogFormat from `aws ec2 describe-flow-logs`, in single quotes: \
                 --log-format '${version} ${account-id} …'"
                    .to_owned(),
            ),
            Self::UnknownDetector { .. } => {
                let ids: Vec<&str> = detect::registry().iter().map(|m| m.id).collect();
                Some(format!("detectors are: {}", ids.join(", ")))
            }
            Self::Inventory(_) => {
                Some("`flowgate inventory check DIR` shows what each file holds".to_owned())
            }
            Self::WatchList(WatchListError::Useless { .. }) => Some(
                "write one address, CIDR or range a line, or CSV or JSON with such a column".to_owned(),
            ),
            Self::WatchList(_) => Some("name a readable file, plain or gzip".to_owned()),
            // Each reason ends with its own next step.
            Self::NothingFound { .. } | Self::NothingRead { .. } => None,
            Self::NothingThere { .. } => Some(
                "name files with records in them; of a log group the last 24 hours are read, unless --from and --to \
                 ask for others"
                    .to_owned(),
            ),
            Self::NothingSelected { .. } => Some("widen --from, --to or --interface".to_owned()),
            Self::NothingUsable { .. } => Some(
                "flowgate needs VPC flow logs with at least the fields of the default format; \
                 header-less logs in another order need --log-format"
                    .to_owned(),
            ),
            Self::Interrupted { .. } => Some(
                "nothing was concluded; --from, --to and the other selections make a run shorter".to_owned(),
            ),
            Self::Spill { .. } => Some(
                "name a directory with more room with --spill-dir (some 32 bytes for each record), or allow more --memory"
                    .to_owned(),
            ),
            Self::Store(error) => Some(error.help()).filter(|help| !help.is_empty()),
            Self::Connections { .. } | Self::Internal(_) => None,
        }
    }
}

impl From<SpillError> for AnalyzeError {
    fn from(error: SpillError) -> Self {
        Self::Spill { directory: error.directory, message: error.message }
    }
}

/// `3 objects, 12 MB, 40,000 records`.
fn read_so_far(objects: u64, bytes: u64, records: u64) -> String {
    format!("{objects} objects, {} MB and {records} records were read", bytes / 1_000_000)
}

/// Reads, judges and concludes.
///
/// # Errors
/// When there is no result: see [`AnalyzeError`]. What could be read only in part is in the conclusions.
pub fn analyze(
    config: &AnalyzeConfig,
    stdin: Option<Box<dyn Read + Send>>,
    progress: &dyn Progress,
) -> Result<Conclusions, AnalyzeError> {
    let (run, _) = run::run(config, stdin, progress, |_| judge::NOTHING)?;
    Ok(conclude::conclude(&run.material(config)))
}
