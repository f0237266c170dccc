//! The only place that knows the order of the rooms.
//!
//! ```text
//! list ─▶ fetch ─▶ decompress, decode ─▶ pack      one worker per thread, bounded channels between
//!                                         │
//!        sort, count fan-in ◀─────────────┘        per partition, in parallel
//!        cut, decide, judge ─▶ roll up             per partition, merged in partition order
//!        detect ─▶ conclude
//! ```

mod conclude;
mod export;
mod judge;
mod read;

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use crate::decode::{DecodeOptions, FormatError, LogFormat};
use crate::detect;
use crate::finding::Conclusions;
use crate::inventory::{self, InventoryError, LoadOptions, Timeline};
use crate::source::{ContentHint, Listing, LocalSource, Selection, SkipReason, Skipped, Source};

/// What to analyse and how. No field left to interpret.
#[derive(Clone, Debug)]
pub struct AnalyzeConfig {
    /// Files, directories, patterns; `-` is standard input.
    pub inputs: Vec<PathBuf>,
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
    /// Where to write the judged connections (Parquet).
    pub connections_out: Option<PathBuf>,
    /// Detectors to run; empty means all.
    pub only: Vec<String>,
    /// Detectors not to run.
    pub skip: Vec<String>,
}

/// What happens while a run goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The objects are known.
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
    /// Nothing to read.
    #[error("nothing to analyse: {reasons}")]
    NothingFound {
        /// What the source said, one per line.
        reasons: String,
    },
    /// Objects were read, but no line of them could be used.
    #[error("none of the {objects} objects holds flow log records that can be analysed\n{reasons}")]
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
    /// The runtime could not be started, or a worker died.
    #[error("internal failure: {0}")]
    Internal(String),
}

impl AnalyzeError {
    /// Whose fault it is.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::LogFormat(_) | Self::UnknownDetector { .. } | Self::Inventory(_) => {
                ErrorKind::Configuration
            }
            Self::NothingFound { .. } | Self::NothingUsable { .. } => ErrorKind::Failed,
            Self::Connections { .. } | Self::Internal(_) => ErrorKind::Failed,
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
            Self::NothingFound { .. } => Some(
                "name flow log files, or a directory that holds .log, .log.gz, .log.zst or .parquet files"
                    .to_owned(),
            ),
            Self::NothingUsable { .. } => Some(
                "flowgate needs VPC flow logs with at least the fields of the default format; \
                 header-less logs in another order need --log-format"
                    .to_owned(),
            ),
            Self::Connections { .. } | Self::Internal(_) => None,
        }
    }
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
    let detectors =
        detect::select(&config.only, &config.skip).map_err(|name| AnalyzeError::UnknownDetector { name })?;
    let log_format = config.log_format.as_deref().map(LogFormat::parse).transpose()?;
    let options =
        DecodeOptions { log_format, max_object_bytes: config.max_object_bytes, ..DecodeOptions::default() };
    let mut source = LocalSource::new(config.inputs.clone());
    if let Some(stdin) = stdin {
        source = source.with_stdin(stdin);
    }
    let source: Arc<dyn Source> = Arc::new(source);
    run(config, &source, &options, &detectors, progress)
}

fn run(
    config: &AnalyzeConfig,
    source: &Arc<dyn Source>,
    options: &DecodeOptions,
    detectors: &[&'static dyn detect::Detector],
    progress: &dyn Progress,
) -> Result<Conclusions, AnalyzeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .map_err(|e| AnalyzeError::Internal(e.to_string()))?;
    progress.event(&Event::Phase("listing"));
    let mut listing = runtime.block_on(source.list(&config.selection));
    let (timeline, inventory) = load_inventory(config, &mut listing)?;
    if listing.objects.is_empty() {
        let reasons = listing.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        return Err(AnalyzeError::NothingFound { reasons });
    }
    progress.event(&Event::Phase("reading"));
    let read = read::read(&read::Reading {
        source,
        listing: &listing,
        runtime: &runtime,
        options,
        selection: &config.selection,
        threads: config.threads.max(1),
        progress,
    })?;
    // A blocked read of standard input cannot be cancelled; it must not hold the run up.
    runtime.shutdown_background();
    progress.event(&Event::Phase("judging"));
    let judged = judge::judge(read.collected, &timeline, &listing, config)?;
    progress.event(&Event::Phase("detecting"));
    let concluded = conclude::conclude(&conclude::Material {
        config,
        listing: &listing,
        timeline: &timeline,
        inventory: &inventory,
        reading: read.outcome,
        duplicates: judged.duplicates,
        overlapped: judged.overlapped,
        rollups: judged.rollups,
        detectors,
    });
    Ok(concluded)
}

/// Where the inventory came from and what was odd about it.
#[derive(Debug, Default)]
struct InventoryOutcome {
    paths: Vec<String>,
    /// Dumps among the inputs that were left out because `--inventory` names others.
    ignored: Vec<String>,
    gaps: Vec<inventory::Gap>,
    counts: std::collections::BTreeMap<String, u64>,
}

/// Takes the inventory dumps out of the listing and loads what is to be used.
fn load_inventory(
    config: &AnalyzeConfig,
    listing: &mut Listing,
) -> Result<(Timeline, InventoryOutcome), AnalyzeError> {
    let mut found = Vec::new();
    let mut foreign = Vec::new();
    listing.objects.retain(|object| {
        if !matches!(object.content, ContentHint::Json) || object.name == crate::source::STDIN {
            return true;
        }
        let Some(head) = read::head(&object.name) else { return true };
        if inventory::looks_like_inventory(&head) {
            found.push(object.name.clone());
            return false;
        }
        // JSON that lies about in a directory is a log only if it wraps messages; a file named by the user is
        // taken at his word.
        let named = config.inputs.iter().any(|input| input.as_os_str() == object.name.as_str());
        let compressed = head.starts_with(&[0x1f, 0x8b]) || head.starts_with(&[0x28, 0xb5]);
        let holds = |text: &[u8]| memchr::memmem::find(&head, text).is_some();
        // flowgate's own output may lie there, too.
        if named || compressed || (holds(b"\"message\"") && !holds(b"\"flowgate.")) {
            return true;
        }
        foreign.push(Skipped { name: object.name.clone(), reason: SkipReason::NotALog });
        false
    });
    listing.skipped.append(&mut foreign);
    listing.skipped.sort();
    let mut outcome = InventoryOutcome::default();
    let paths: Vec<PathBuf> = if config.inventories.is_empty() {
        outcome.paths = common_directories(&found);
        found.iter().map(PathBuf::from).collect()
    } else {
        let named =
            |name: &String| config.inventories.iter().any(|p| std::path::Path::new(name).starts_with(p));
        outcome.ignored = found.into_iter().filter(|name| !named(name)).collect();
        outcome.paths = config.inventories.iter().map(|p| p.display().to_string()).collect();
        config.inventories.clone()
    };
    if paths.is_empty() {
        return Ok((Timeline::default(), outcome));
    }
    let loaded = inventory::load(&paths, &LoadOptions::default())?;
    outcome.gaps = inventory::check(&loaded).gaps;
    if let Some(latest) = loaded.timeline.latest() {
        let rules: usize = latest.security_groups.values().map(|g| g.rules.len()).sum();
        for (name, count) in [
            ("security-groups", latest.security_groups.len()),
            ("rules", rules),
            ("interfaces", latest.interfaces.len()),
            ("network-acls", latest.network_acls.len()),
            ("subnets", latest.subnets.len()),
            ("vpcs", latest.vpcs.len()),
            ("prefix-lists", latest.prefix_lists.len()),
            ("observations", loaded.timeline.observations().len()),
        ] {
            outcome.counts.insert(name.to_owned(), count as u64);
        }
    }
    Ok((loaded.timeline, outcome))
}

/// The directories that the found dumps lie in, each once, in order.
fn common_directories(found: &[String]) -> Vec<String> {
    let mut directories: Vec<String> = found
        .iter()
        .map(|name| {
            let parent = std::path::Path::new(name).parent();
            parent
                .filter(|p| !p.as_os_str().is_empty())
                .map_or_else(|| name.clone(), |p| p.display().to_string())
        })
        .collect();
    directories.sort();
    directories.dedup();
    directories
}
