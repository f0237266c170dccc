//! Objects become packed records: decompress, decode, pack; one object per worker at a time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Runtime;
use tokio::sync::mpsc::Receiver;

use super::decoding::{Decoded, Workspace, decode};
use super::formats::Formats;
use super::ingest::{Keeper, Plan};
use super::inputs::Feed;
use super::prefetch::{Fed, Feeder, Limits, Ready, waiting_line};
use super::stored::Stored;
use super::{AnalyzeConfig, AnalyzeError, Cancel, Event, Progress};
use crate::connection::{Collected, Ingest, Interner, Room, Share, SpillError, Wanted, collect};
use crate::decode::{DecodeError, FormatOrigin, SchemaProblem};
use crate::flow::{FlowBatch, Tally};
use crate::source::{Listing, SourceError};
use crate::store::{CoverageSums, StoreError, StoreWriter};

/// Reasons shown when nothing could be read: they tend to be the same.
const SHOWN: usize = 3;

/// Everything reading needs.
pub(super) struct Reading<'a> {
    pub feeds: Vec<Feed>,
    pub runtime: &'a Runtime,
    pub formats: &'a Formats,
    pub config: &'a AnalyzeConfig,
    pub progress: &'a dyn Progress,
    /// What is read from stores.
    pub stored: &'a [Stored],
    /// Flow logs that have their numbers already.
    pub streams: Vec<String>,
    /// What is kept in a store, in place of being paired.
    pub keeping: Option<Keeping<'a>>,
    /// What records speak for is to be told day by day, too.
    pub by_day: bool,
}

/// Where records go that are to be kept.
pub(super) struct Keeping<'a> {
    pub plan: Plan,
    pub store: &'a StoreWriter,
}

/// Something that went wrong with one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ObjectProblem {
    /// Kebab-case code.
    pub code: Cow<'static, str>,
    /// What happened and what to do.
    pub message: String,
    pub object: String,
    /// It could not be fetched, whole or at all.
    pub is_fetch: bool,
}

impl ObjectProblem {
    /// True if flow records of interfaces are missing for it. Transit Gateway logs lie beside VPC flow logs in central
    /// buckets; they say nothing about rules.
    pub fn costs_records(&self) -> bool {
        self.code != "transit-gateway-log"
    }
}

/// What reading came to, beside the records.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub tally: Tally,
    pub objects: u64,
    pub bytes: u64,
    pub problems: Vec<ObjectProblem>,
    /// Lines without a header, by what they were taken for.
    pub formats: BTreeMap<(FormatOrigin, String), u64>,
}

/// The records, and what became of the rest.
pub(super) struct Records {
    pub collected: Collected,
    pub outcome: Outcome,
    /// Without the objects.
    pub listing: Listing,
    /// Flow log ids by their number - 1.
    pub streams: Vec<String>,
    /// What each worker kept for a store.
    pub kept: Vec<Keeper>,
    /// Objects that a store held already.
    pub known: u64,
    /// What the records speak for, where that is to be told.
    pub coverage: CoverageSums,
}

/// What all workers share.
struct Shared<'a> {
    runtime: &'a Runtime,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
    outcome: Mutex<Outcome>,
    /// A defect of the program.
    fault: Mutex<Option<String>>,
    /// Records could not be kept.
    unkept: Mutex<Option<SpillError>>,
    /// A store could not be read or written.
    unstored: Mutex<Option<StoreError>>,
}

impl Shared<'_> {
    /// There will be no result.
    fn has_failed(&self) -> bool {
        self.unkept.lock().unwrap_or_else(PoisonError::into_inner).is_some()
            || self.unstored.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn fail(&self, error: StoreError) {
        self.unstored.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Finds and reads all objects.
pub(super) fn read(reading: Reading<'_>) -> Result<Records, AnalyzeError> {
    let Reading { feeds, runtime, formats, config, progress, stored, streams, keeping, by_day } = reading;
    let (plan, store) = keeping.map(|keeping| (keeping.plan, keeping.store)).unzip();
    let (out, ready) = waiting_line();
    let ready = Mutex::new(ready);
    let feeder = Feeder {
        selection: &config.selection,
        limits: Limits {
            requests: config.remote.max_requests,
            bytes: config.remote.max_inflight_bytes,
            local: config.threads + 1,
        },
        formats,
        runtime: runtime.handle().clone(),
        progress,
        cancel: &config.cancel,
        out,
        streams,
        plan,
    };
    let wanted = Wanted {
        from: config.selection.from,
        to: config.selection.to,
        interfaces: config.selection.interfaces.iter().cloned().collect(),
    };
    let interner = Interner::default();
    let shared = Shared {
        runtime,
        progress,
        cancel: &config.cancel,
        outcome: Mutex::default(),
        fault: Mutex::default(),
        unkept: Mutex::default(),
        unstored: Mutex::default(),
    };
    let room = Room::shared(config.memory.records(config.threads), config.threads, &config.spill_directory);
    let (fed, shares) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..config.threads)
            .map(|number| {
                let (shared, ready) = (&shared, &ready);
                let ingest = Ingest::new(&interner, wanted.clone(), room.clone());
                let keeper = store.map(|store: &StoreWriter| Keeper::new(store, number));
                let coverage = by_day.then(CoverageSums::default);
                scope.spawn(move || work(shared, ready, stored, (ingest, coverage), keeper))
            })
            .collect();
        let fed = runtime.block_on(async {
            tokio::select! {
                fed = feeder.run(feeds) => fed,
                () = config.cancel.cancelled() => Fed::default(),
            }
        });
        let shares: Result<Vec<_>, AnalyzeError> = workers
            .into_iter()
            .map(|w| w.join().map_err(|_| AnalyzeError::Internal("a reader panicked".into())))
            .collect();
        (fed, shares)
    });
    let shares = shares?;
    if let Some(message) = shared.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(AnalyzeError::Internal(message));
    }
    if let Some(error) = shared.unkept.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    if let Some(error) = shared.unstored.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut outcome = shared.outcome.into_inner().unwrap_or_else(PoisonError::into_inner);
    if config.cancel.is_cancelled() {
        let Outcome { objects, bytes, tally, .. } = outcome;
        return Err(AnalyzeError::Interrupted { objects, bytes, records: tally.records });
    }
    let mut listing = fed.listing;
    for stored in stored {
        stored.note(&mut outcome, config)?;
        listing.absorb(Listing { pruned: stored.pruned, ..Listing::default() });
    }
    let (shares, kept): (Vec<(Share, Option<CoverageSums>)>, Vec<_>) = shares.into_iter().unzip();
    let (shares, summed): (Vec<Share>, Vec<_>) = shares.into_iter().unzip();
    let mut coverage = CoverageSums::default();
    summed.iter().flatten().for_each(|sums| coverage.merge(sums));
    let kept: Vec<Keeper> = kept.into_iter().flatten().collect();
    let nothing_found = fed.objects == 0 && fed.known == 0 && stored.iter().all(|s| s.objects == 0);
    if nothing_found {
        let reasons = listing.errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        return Err(AnalyzeError::NothingFound { reasons });
    }
    outcome.problems.sort();
    match nothing(&outcome) {
        // A store is told what cannot be used, too.
        Some(error) if store.is_none() => Err(error),
        _ => Ok(Records {
            collected: collect(interner, shares),
            outcome,
            listing,
            streams: fed.streams,
            kept,
            known: fed.known,
            coverage,
        }),
    }
}

/// Why there is nothing to conclude from, if there is not.
fn nothing(outcome: &Outcome) -> Option<AnalyzeError> {
    let Outcome { tally, objects, problems, .. } = outcome;
    if tally.records + tally.nodata + tally.skipdata > 0 {
        return None;
    }
    if tally.out_of_range > 0 {
        return Some(AnalyzeError::NothingSelected { records: tally.out_of_range });
    }
    if tally.lines == 0 && problems.is_empty() {
        return Some(AnalyzeError::NothingThere { objects: *objects });
    }
    let unread: BTreeSet<&str> = problems.iter().filter(|p| p.is_fetch).map(|p| p.object.as_str()).collect();
    if unread.len() as u64 == *objects {
        let mut reasons: Vec<&str> =
            problems.iter().filter(|p| p.is_fetch).map(|p| p.message.as_str()).collect();
        let more = reasons.len().saturating_sub(SHOWN);
        reasons.truncate(SHOWN);
        let mut reasons = reasons.join("\n");
        if more > 0 {
            reasons.push_str(&format!("\nand {more} more"));
        }
        return Some(AnalyzeError::NothingRead { objects: *objects, reasons });
    }
    let reasons: Vec<String> = problems
        .iter()
        .take(10)
        .map(|p| format!("{}: {}", p.object, p.message))
        .chain(tally.examples.iter().map(|e| format!("{}:{}: {}", e.object, e.line, e.reason)))
        .collect();
    Some(AnalyzeError::NothingUsable { objects: *objects, reasons: reasons.join("\n") })
}

/// One worker: takes objects in their order until there are no more.
fn work(
    shared: &Shared<'_>,
    ready: &Mutex<Receiver<Ready>>,
    stored: &[Stored],
    (mut ingest, mut coverage): (Ingest<'_>, Option<CoverageSums>),
    mut keeper: Option<Keeper>,
) -> ((Share, Option<CoverageSums>), Option<Keeper>) {
    let mut workspace = Workspace::default();
    loop {
        let next = ready.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(next) = next else { break };
        if shared.cancel.is_cancelled() || shared.has_failed() {
            continue;
        }
        match read_object(shared, next, &mut workspace, &mut ingest, keeper.as_mut()) {
            Ok(done) => note(&shared.outcome, done),
            Err(error) => *shared.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
        }
        shared.progress.event(&Event::ObjectDone);
    }
    for stored in stored {
        let mut push = |batch: &FlowBatch, stream: u16| {
            ingest.push(batch, stream)?;
            coverage.as_mut().map_or(Ok(()), |coverage| coverage.push(batch))?;
            if let Err(error) = ingest.make_room() {
                shared.unkept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
            shared.progress.event(&Event::Read { bytes: 0, records: batch.len() as u64 });
            Ok(())
        };
        let is_over = || shared.cancel.is_cancelled() || shared.has_failed();
        if let Err(error) = stored.read(&mut push, &is_over) {
            shared.fail(error);
        }
    }
    if let Some(Err(error)) = keeper.as_mut().map(Keeper::finish) {
        shared.fail(error);
    }
    note_range(&shared.outcome, ingest.out_of_range);
    ((ingest.finish(), coverage), keeper)
}

fn note_range(outcome: &Mutex<Outcome>, out_of_range: u64) {
    let mut guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    guard.tally.out_of_range += out_of_range;
    guard.tally.records -= out_of_range;
}

#[derive(Default)]
struct Done {
    /// Nobody stopped it.
    to_the_end: bool,
    tally: Tally,
    bytes: u64,
    problems: Vec<ObjectProblem>,
    formats: Vec<(FormatOrigin, String, u64)>,
}

fn note(outcome: &Mutex<Outcome>, done: Done) {
    let mut guard = outcome.lock().unwrap_or_else(PoisonError::into_inner);
    // Counted here and taken out again by `note_range`, which knows only the sum.
    guard.tally.merge(&done.tally);
    guard.objects += u64::from(done.to_the_end);
    guard.bytes += done.bytes;
    guard.problems.extend(done.problems);
    for (origin, format, lines) in done.formats {
        *guard.formats.entry((origin, format)).or_default() += lines;
    }
}

/// Reads one object. What is wrong with it is in the result; an `Err` is a defect of the program.
fn read_object(
    shared: &Shared<'_>,
    ready: Ready,
    workspace: &mut Workspace,
    ingest: &mut Ingest<'_>,
    mut keeper: Option<&mut Keeper>,
) -> Result<Done, String> {
    let Ready { object, stream, body, options, target, fetch, .. } = ready;
    let read = AtomicU64::new(0);
    let mut problems = Vec::new();
    let mut problem = |code: &'static str, message: String, is_fetch: bool| {
        problems.push(ObjectProblem { code: code.into(), message, object: object.name.clone(), is_fetch });
    };
    let mut told = 0;
    let mut sink = |batch: FlowBatch| -> Result<(), DecodeError> {
        match (&mut keeper, &target) {
            (Some(keeper), Some(target)) => {
                if let Err(error) = keeper.push(&batch, &object, target) {
                    shared.fail(error);
                }
            }
            _ => ingest.push(&batch, stream)?,
        }
        if let Err(error) = ingest.make_room() {
            shared.unkept.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        let bytes = read.load(Ordering::Relaxed);
        shared.progress.event(&Event::Read { bytes: bytes - told, records: batch.len() as u64 });
        told = bytes;
        Ok(())
    };
    let Decoded { outcome, mut tally, schema, formats } =
        decode(body, workspace, &read, shared.cancel, &options, &mut sink);
    let mut missing = None;
    if let Err(error) = outcome {
        match error {
            DecodeError::Arrow(error) => return Err(format!("{}: {error}", object.name)),
            DecodeError::TooLarge { .. } => problem("object-too-large", error.to_string(), false),
            DecodeError::Truncated { .. } => problem("truncated-object", error.to_string(), false),
            // Nothing came any more; the fetch says why.
            DecodeError::RangeMissing { .. } => missing = Some(error.to_string()),
            other => problem("unreadable-object", other.to_string(), false),
        }
    }
    if let Some(schema) = schema {
        problem(schema_code(&schema), schema.to_string(), false);
    }
    if shared.cancel.is_cancelled() {
        fetch.abort();
        return Ok(Done { bytes: read.load(Ordering::Relaxed), ..Done::default() });
    }
    match shared.runtime.block_on(fetch) {
        Ok(Ok(_)) => {
            let compressed = [".gz", ".zst"].iter().any(|ending| object.name.ends_with(ending));
            if compressed && read.load(Ordering::Relaxed) == 0 {
                let text =
                    "holds no bytes, not even those of an empty compressed file; deliver or copy it anew";
                problem("truncated-object", text.to_owned(), false);
            }
            if let Some(missing) = missing {
                problem("unreadable-object", missing, false);
            }
        }
        Ok(Err(error)) => problem(source_code(&error), error.to_string(), true),
        Err(error) => return Err(format!("{}: {error}", object.name)),
    }
    for example in &mut tally.examples {
        example.object.clone_from(&object.name);
    }
    let bytes = read.load(Ordering::Relaxed);
    shared.progress.event(&Event::Read { bytes: bytes - told, records: 0 });
    if let (Some(keeper), Some(target)) = (keeper, target) {
        keeper.end(&object, target, bytes, &tally, &problems, &formats);
    }
    Ok(Done { to_the_end: true, tally, bytes, problems, formats })
}

fn source_code(error: &SourceError) -> &'static str {
    match error {
        SourceError::Vanished { .. } => "vanished-object",
        SourceError::Replaced { .. } => "replaced-object",
        SourceError::Short { .. } => "truncated-object",
        _ => "unreadable-object",
    }
}

fn schema_code(problem: &SchemaProblem) -> &'static str {
    match problem {
        SchemaProblem::TransitGateway => "transit-gateway-log",
        SchemaProblem::MissingFields(_) => "missing-fields",
        SchemaProblem::UnknownFormat => "unknown-format",
    }
}
