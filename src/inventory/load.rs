//! Loads inventory files into a timeline.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::config_items::{HistoryReport, Items};
use super::cursor::Node;
use super::documents::Extract;
use super::error::{FileProblem, InventoryError, Problem};
use super::files::{self, Content};
use super::kind::Kind;
use super::merge::{Builder, Disagreement};
use super::place::Hints;
use super::plain::plain;
use super::recognise::looks_like_inventory;
use super::{Inventory, Timeline};

/// How to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadOptions {
    /// Leave bad files out and list them in [`LoadReport::bad`], instead of failing.
    pub skip_bad_files: bool,
    /// Files larger than this, in bytes after decompression, are bad.
    pub max_file_bytes: u64,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { skip_bad_files: false, max_file_bytes: 1 << 30 }
    }
}

/// A timeline and how it came about.
#[derive(Debug)]
pub struct Loaded {
    /// What was configured.
    pub timeline: Timeline,
    /// What was read.
    pub report: LoadReport,
}

/// What was read, what was not, and why.
#[derive(Debug, Default)]
pub struct LoadReport {
    /// One per time of observation, oldest first, undated last. Includes those that turned out
    /// empty, which the timeline leaves out.
    pub observations: Vec<ObservationReport>,
    /// What was read of AWS Config.
    pub history: HistoryReport,
    /// Files that were not used, in path order.
    pub skipped: Vec<SkippedFile>,
    /// Bad files that were left out; empty unless [`LoadOptions::skip_bad_files`] is set.
    pub bad: Vec<FileProblem>,
}

/// What was read for one observation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservationReport {
    /// As in [`Inventory::observed_at`].
    pub observed_at: Option<i64>,
    /// The files used, in path order.
    pub files: Vec<PathBuf>,
    /// Elements read per kind, repeated ones included. A kind that was described and has none is
    /// there with 0; a kind that is not there was not described.
    pub kinds: BTreeMap<Kind, usize>,
    /// Objects that two files describe differently.
    pub conflicts: Vec<Conflict>,
    /// Output that says there is more, which is not there: the directory and the kind.
    pub truncated: Vec<(PathBuf, Kind)>,
    /// Prefix lists whose last page is missing.
    pub truncated_lists: Vec<String>,
    /// Interfaces that were only seen inside of instances.
    pub interfaces_from_instances: Vec<String>,
    /// Groups that were only seen in describe-security-group-rules, which knows no names or VPCs.
    pub groups_from_rules: Vec<String>,
}

/// An object that two files of one observation describe differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Kind of the object.
    pub kind: Kind,
    /// Its id.
    pub id: String,
    /// The file that won: the later one in path order.
    pub kept: PathBuf,
    /// The file that lost, the first one that says the same.
    pub dropped: PathBuf,
}

/// A file that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedFile {
    /// The file.
    pub path: PathBuf,
    /// Why.
    pub reason: SkipReason,
}

/// Why a file was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SkipReason {
    /// No JSON, found in a directory under a name that does not promise any.
    NotJson,
    /// JSON of another shape.
    OtherShape,
    /// The recorded reply of a call that failed.
    ErrorReply,
    /// Entries of a prefix list that neither a member nor the name of the file or its directory names. Which rules
    /// they belong to must not be guessed.
    UnnamedPrefixList,
}

/// Loads inventory from files and directories (recursively) of AWS CLI or API output in JSON.
///
/// Files are recognised by what they hold, not by name. Files below a directory named by a time are
/// an observation as of that time, everything else is the undated one. Configuration items of AWS Config carry their
/// own times, wherever they lie. The result does not depend on the order of `paths`.
///
/// # Errors
///
/// [`InventoryError::BadFiles`] lists every file that can't be read, is no JSON though it was named
/// or has a name that says so, or has a member of the wrong type.
pub fn load(paths: &[PathBuf], options: &LoadOptions) -> Result<Loaded, InventoryError> {
    if paths.is_empty() {
        return Err(InventoryError::NoPaths);
    }
    let (files, mut bad) = files::find(paths);
    let mut used = Files::default();
    let mut skipped = Vec::new();
    let mut drafts: BTreeMap<ObservedAt, Draft> = BTreeMap::new();
    let mut items = Items::default();
    for (path, named) in files {
        let hints = Hints::of(&path);
        match extract(&path, named, &hints, options) {
            Err(problem) => bad.push(FileProblem { path, problem }),
            Ok(Found::Nothing(reason)) => skipped.push(SkippedFile { path, reason }),
            Ok(Found::Facts(mut extract)) => {
                items.append(std::mem::take(&mut extract.items));
                if extract.seen.is_empty() {
                    continue;
                }
                let time = ObservedAt(hints.observed_at);
                let index = used.push(path, hints);
                drafts.entry(time).or_default().add(index, *extract, &used);
            }
        }
    }
    bad.sort_by(|a, b| a.path.cmp(&b.path));
    if !bad.is_empty() && !options.skip_bad_files {
        return Err(InventoryError::BadFiles(bad));
    }
    let (inventories, observations): (Vec<Inventory>, _) =
        drafts.into_iter().map(|(time, draft)| draft.finish(time.0, &used)).unzip();
    let (mut history, items) = items.finish();
    history.adopt_ids(inventories.iter().flat_map(|inventory| {
        let rules = inventory.security_groups.values().flat_map(|group| &group.rules);
        let time = inventory.observed_at.unwrap_or(i64::MAX);
        rules.filter(|rule| !rule.synthetic).map(move |rule| (time, rule))
    }));
    let report = LoadReport { observations, history: items, skipped, bad };
    Ok(Loaded { timeline: Timeline::with_history(inventories, history), report })
}

/// Orders undated after dated.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ObservedAt(Option<i64>);

impl Ord for ObservedAt {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.is_none(), self.0).cmp(&(other.0.is_none(), other.0))
    }
}

impl PartialOrd for ObservedAt {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The files used so far. Sightings refer to them by index.
#[derive(Default)]
struct Files {
    paths: Vec<PathBuf>,
    hints: Vec<Hints>,
}

impl Files {
    fn push(&mut self, path: PathBuf, hints: Hints) -> usize {
        self.paths.push(path);
        self.hints.push(hints);
        self.paths.len() - 1
    }

    fn path(&self, index: usize) -> PathBuf {
        self.paths.get(index).cloned().unwrap_or_default()
    }
}

/// An observation while its files are read.
struct Draft {
    builder: Builder,
    files: Vec<usize>,
    kinds: BTreeMap<Kind, usize>,
    open: BTreeSet<(PathBuf, Kind)>,
    closed: BTreeSet<(PathBuf, Kind)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            builder: Builder::new(),
            files: Vec::new(),
            kinds: BTreeMap::new(),
            open: BTreeSet::new(),
            closed: BTreeSet::new(),
        }
    }
}

impl Draft {
    fn add(&mut self, file: usize, extract: Extract, files: &Files) {
        self.files.push(file);
        let path = files.path(file);
        let directory = path.parent().unwrap_or(Path::new("")).to_owned();
        for (kind, seen) in extract.seen {
            *self.kinds.entry(kind).or_default() += seen.elements;
            if seen.open {
                self.open.insert((directory.clone(), kind));
            }
            if seen.closed {
                self.closed.insert((directory.clone(), kind));
            }
        }
        for fact in extract.facts {
            self.builder.add(file, fact);
        }
    }

    fn finish(self, observed_at: Option<i64>, files: &Files) -> (Inventory, ObservationReport) {
        let built = self.builder.finish(observed_at, &files.hints);
        let conflict = |d: Disagreement| Conflict {
            kind: d.kind,
            id: d.id,
            kept: files.path(d.kept),
            dropped: files.path(d.dropped),
        };
        // Entries are told apart by list, not by directory.
        let cut = self.open.difference(&self.closed).filter(|(_, kind)| *kind != Kind::PrefixListEntries);
        let report = ObservationReport {
            observed_at,
            truncated: cut.cloned().collect(),
            files: self.files.into_iter().map(|index| files.path(index)).collect(),
            kinds: self.kinds,
            conflicts: built.conflicts.into_iter().map(conflict).collect(),
            truncated_lists: built.cut_lists,
            interfaces_from_instances: built.from_instances,
            groups_from_rules: built.groups_from_rules,
        };
        (built.inventory, report)
    }
}

/// What a file turned out to hold.
enum Found {
    Facts(Box<Extract>),
    Nothing(SkipReason),
}

/// Reads all documents of a file: one, several one after the other, or one a line.
fn extract(path: &Path, named: bool, hints: &Hints, options: &LoadOptions) -> Result<Found, Problem> {
    let text = match files::read(path, named, options.max_file_bytes)? {
        Content::Text(text) => text,
        Content::NotJson => return Ok(Found::Nothing(SkipReason::NotJson)),
        Content::Other => return Ok(Found::Nothing(SkipReason::OtherShape)),
    };
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::Empty);
    }
    if let Some(extract) = plain(&text) {
        return Ok(Found::Facts(Box::new(extract)));
    }
    let mut extract = Extract::default();
    for document in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        let document = match document {
            Ok(document) => document,
            // A text file that happens to begin with a bracket is no business of ours.
            Err(_) if !named && !files::says_json(path) && !looks_like_inventory(&text) => {
                return Ok(Found::Nothing(SkipReason::NotJson));
            }
            Err(error) => return Err(not_json(&error)),
        };
        match extract.document(&Node::root(&document), hints) {
            Err(Problem::UnnamedPrefixList) => return Ok(Found::Nothing(SkipReason::UnnamedPrefixList)),
            other => other?,
        }
    }
    Ok(if !extract.seen.is_empty() || !extract.items.is_empty() {
        Found::Facts(Box::new(extract))
    } else if extract.error_replies > 0 {
        Found::Nothing(SkipReason::ErrorReply)
    } else {
        Found::Nothing(SkipReason::OtherShape)
    })
}

fn not_json(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    // The place is in fields of its own.
    let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
    Problem::NotJson { line: error.line(), column: error.column(), message }
}
