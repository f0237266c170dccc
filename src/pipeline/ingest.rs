//! Logs go into a store: what is new is read and kept, then the connections of its days are derived.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::days::{self, Stale};
use super::judge::{self, NOTHING, Table};
use super::read::{Keeping, ObjectProblem};
use super::run::{self, Gathered};
use super::stored::Stored;
use super::stores::{self, StorePlace, Writable};
use super::{AnalyzeConfig, AnalyzeError, Event, Progress, configured, read};
use crate::connection::Collected;
use crate::decode::FormatOrigin;
use crate::flow::{FlowBatch, Tally};
use crate::inventory::Timeline;
use crate::source::{self, Object, Selection};
use crate::store::{
    Contexts, Counts, CoverageSums, DayFiles, Details, Disk, Join, Known, Need, NewRecords, ObjectRow, Offer,
    Offered, Problem, RecordWriter, Store, StoreError, StoreWriter,
};

/// How to ingest.
#[derive(Clone, Debug, Default)]
pub struct IngestOptions {
    /// Derive the connections of all days anew: the inventory changed.
    pub rejudge: bool,
    /// How the file system is changed.
    pub disk: Disk,
}

/// What an ingest came to.
#[derive(Clone, Debug, Default)]
pub struct Ingested {
    /// Objects that were read.
    pub objects: u64,
    /// Objects that the store held already.
    pub known: u64,
    /// Of the objects read, those that took the place of an earlier version.
    pub replaced: u64,
    /// What became of the lines that were read.
    pub tally: Tally,
    /// Days whose connections were derived.
    pub days: Vec<u32>,
    /// Connections of these days, a row each day.
    pub connections: u64,
    /// There was no inventory to judge them by.
    pub unjudged: bool,
    /// The inventory that they were judged by.
    pub inventories: Vec<PathBuf>,
    /// What was not read, or not in full.
    pub problems: Vec<String>,
}

/// Chooses what is new.
pub(super) struct Plan {
    known: Known,
    next: u32,
}

/// What a store is to know of an object.
pub(super) struct Target {
    number: u32,
    location: String,
    version: Option<String>,
    replaces: Option<u32>,
}

impl Plan {
    /// What to tell the store of an object, or `None` if it knows it.
    pub fn target(&mut self, object: &Object, local: bool) -> Option<Target> {
        let (location, version) =
            if local { place(&object.name) } else { (object.name.clone(), object.version.clone()) };
        let offered = Offered {
            location: &location,
            size: object.size,
            version: version.as_deref(),
            identity: source::identity(&object.name),
        };
        let replaces = match self.known.offer(offered) {
            Offer::Known => return None,
            Offer::New => None,
            Offer::Replaces(number) => Some(number),
        };
        let number = self.next;
        self.next += 1;
        Some(Target { number, location, version, replaces })
    }
}

/// Where a file really lies, and when it was changed last.
fn place(name: &str) -> (String, Option<String>) {
    let path = Path::new(name);
    let location =
        std::fs::canonicalize(path).map_or_else(|_| name.to_owned(), |real| real.display().to_string());
    let changed = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let since = changed.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    (location, since.map(|since| since.as_nanos().to_string()))
}

/// What one thread keeps.
pub(super) struct Keeper {
    writer: Option<RecordWriter>,
    kept: NewRecords,
    /// Of the object that is being read.
    span: Option<(u32, u32)>,
}

impl Keeper {
    pub fn new(store: &StoreWriter, thread: usize) -> Self {
        Self { writer: Some(store.record_writer(thread)), kept: NewRecords::default(), span: None }
    }

    pub fn push(&mut self, batch: &FlowBatch, object: &Object, target: &Target) -> Result<(), StoreError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        if let Some((first, last)) = writer.push(batch, target.number)? {
            let (from, to) = self.span.unwrap_or((first, last));
            self.span = Some((from.min(first), to.max(last)));
        }
        if !batch.is_empty() {
            let key = object.key.as_ref();
            let origin = [
                key.map(|key| key.account.clone()),
                key.map(|key| key.region.clone()),
                key.and_then(|key| key.flow_log.clone()),
            ];
            note_contexts(&mut self.kept.contexts, &origin, batch);
        }
        Ok(())
    }

    /// The object is done.
    pub fn end(
        &mut self,
        object: &Object,
        target: Target,
        bytes: u64,
        tally: &Tally,
        problems: &[ObjectProblem],
        formats: &[(FormatOrigin, String, u64)],
    ) {
        let Target { number, location, version, replaces } = target;
        self.kept.replaced.extend(replaces);
        let span = self.span.take();
        let key = object.key.as_ref();
        self.kept.objects.push(ObjectRow {
            id: number,
            name: object.name.clone(),
            location,
            size: object.size,
            version,
            identity: source::identity(&object.name).map(str::to_owned),
            account: key.map(|key| key.account.clone()),
            region: key.map(|key| key.region.clone()),
            flow_log: key.and_then(|key| key.flow_log.clone()),
            first: span.map(|(first, _)| first),
            last: span.map(|(_, last)| last),
            failed: problems.iter().any(|problem| problem.is_fetch),
            bytes,
            counts: Counts {
                lines: tally.lines,
                records: tally.records,
                nodata: tally.nodata,
                skipdata: tally.skipdata,
                malformed: tally.malformed,
                other_schema: tally.other_schema,
                truncated: tally.truncated,
            },
            details: Details {
                problems: problems
                    .iter()
                    .map(|p| Problem {
                        code: p.code.to_string(),
                        message: p.message.clone(),
                        is_fetch: p.is_fetch,
                    })
                    .collect(),
                formats: formats
                    .iter()
                    .map(|(origin, text, lines)| (origin.to_string(), text.clone(), *lines))
                    .collect(),
                malformed: tally.examples.iter().map(|e| (e.line, e.reason.clone())).collect(),
                unknown_fields: tally.unknown_fields.clone(),
            },
        });
    }

    /// No more objects come.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        if let Some(writer) = self.writer.take() {
            self.kept.files = writer.finish()?;
        }
        Ok(())
    }
}

fn note_contexts(into: &mut Contexts, origin: &[Option<String>; 3], batch: &FlowBatch) {
    let Ok(columns) = batch.columns() else { return };
    let names = arrow::array::AsArray::as_string::<i32>(&**columns.interface.values());
    for (name, context) in names.iter().zip(batch.contexts()) {
        into.note(origin, name.unwrap_or_default(), context);
    }
}

/// Says what of a store is to be judged together with what was read, and the days that this is enough for; `None` if
/// they are to be read back. Also told of the numbers of flow logs.
pub(super) type Around<'a> = Box<
    dyn FnOnce(&[Keeper], &mut Vec<String>) -> Result<(Option<Stored>, Option<BTreeSet<u32>>), AnalyzeError>
        + 'a,
>;

/// What was read, if it is all that the connections of some days follow from.
struct AtHand {
    days: BTreeSet<u32>,
    collected: Collected,
    streams: Vec<String>,
    coverage: CoverageSums,
}

/// Reads what is new into a store, and derives the connections of its days.
///
/// # Errors
/// When the store can't be used, or nothing could be read; the store is as it was, or holds what was read and is told so.
pub fn ingest(
    config: &AnalyzeConfig,
    place: &StorePlace,
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<Ingested, AnalyzeError> {
    ingest_until(config, place, options, progress).map_err(|error| stores::stopped(error, &config.cancel))
}

fn ingest_until(
    config: &AnalyzeConfig,
    place: &StorePlace,
    options: &IngestOptions,
    progress: &dyn Progress,
) -> Result<Ingested, AnalyzeError> {
    let make = !config.inputs.is_empty();
    progress.event(&Event::Phase("opening the store"));
    let need = Need::objects();
    let mut store = Writable::open(place, &config.remote, &options.disk, make, &need, &config.cancel)?;
    let mut result = Ingested::default();
    let mut at_hand = None;
    let (timeline, inventory, stale) = match config.inputs.is_empty() {
        true => {
            let (timeline, inventory) = run::inventory_only(config)?;
            (timeline, inventory, days::stale(store.writer.store(), &[], &[], options.rejudge)?)
        }
        false => {
            let next = store.writer.store().manifest().next_object;
            let plan = Plan { known: store.writer.known()?, next };
            let mut stale = Stale::default();
            let around: Around<'_> = Box::new(|kept, streams| {
                stale = stale_by(kept, store.writer.store(), options.rejudge)?;
                around(place, &store, kept, &stale, streams)
            });
            let keeping = Keeping { plan, store: &store.writer, around };
            let gathered = run::gather_into(config, None, progress, Some(keeping))?;
            let Gathered { kept, together, collected, streams, coverage, .. } = gathered;
            let Gathered { timeline, inventory, listing, reading, known, .. } = gathered;
            at_hand = together.map(|days| AtHand { days, collected, streams, coverage });
            let read::Outcome { tally, objects, problems, .. } = reading;
            (result.objects, result.known, result.tally) = (objects, known, tally);
            result.problems.extend(listing.errors.iter().map(ToString::to_string));
            result.problems.extend(problems.iter().map(|p| format!("{}: {}", p.object, p.message)));
            let new = put_together(kept);
            result.replaced = new.replaced.len() as u64;
            if !new.objects.is_empty() {
                progress.event(&Event::Phase("committing"));
                store.writer.commit_records(new, stale.days.clone())?;
            }
            (timeline, inventory, stale)
        }
    };
    result.unjudged = timeline.is_empty();
    result.inventories = inventory.paths.iter().map(PathBuf::from).collect();
    for days in stale.groups {
        progress.event(&Event::Phase("judging"));
        let here = at_hand.take_if(|at_hand| at_hand.days == days);
        let files = derive(config, place, &store, &timeline, &days, here)?;
        result.connections += files.connections.iter().map(|file| file.rows).sum::<u64>();
        store.writer.commit_connections(&days, files, inventory.paths.clone())?;
        result.days.extend(days);
    }
    if !timeline.is_empty() {
        store.fetch(&Need::configuration())?;
        configured::keep(&mut store.writer, &timeline, &result.days)?;
    }
    store.join(Join::after(config.threads))?;
    Ok(result)
}

/// What is to be derived after what was kept.
fn stale_by(kept: &[Keeper], store: &Store, rejudge: bool) -> Result<Stale, StoreError> {
    let new: Vec<u32> = kept.iter().flat_map(|k| &k.kept.files).filter_map(|file| file.day).collect();
    let replaced: Vec<u32> = kept.iter().flat_map(|k| &k.kept.replaced).copied().collect();
    days::stale(store, &new, &replaced, rejudge)
}

/// If all days are judged together, what the store holds of them and around them is to be added to what was read, so that
/// nothing is read twice; else each group of days is read back on its own.
fn around(
    place: &StorePlace,
    store: &Writable,
    kept: &[Keeper],
    stale: &Stale,
    streams: &mut Vec<String>,
) -> Result<(Option<Stored>, Option<BTreeSet<u32>>), AnalyzeError> {
    let [days] = &stale.groups[..] else { return Ok((None, None)) };
    let window = days::window(days);
    let written = store.writer.store();
    if written.records_in(window).next().is_none() {
        return Ok((None, Some(days.clone())));
    }
    let selection = Selection { from: window.0, to: window.1, ..Selection::default() };
    let without = kept.iter().flat_map(|k| &k.kept.replaced).copied().collect();
    store.fetch(&Need::records(window))?;
    let stored = Stored::of(written, place, &selection, window, streams, &without)?;
    Ok((Some(stored), Some(days.clone())))
}

/// What all threads kept, in the order of the objects.
fn put_together(kept: Vec<Keeper>) -> NewRecords {
    let mut new = NewRecords::default();
    for Keeper { kept, .. } in kept {
        new.objects.extend(kept.objects);
        new.replaced.extend(kept.replaced);
        new.contexts.merge(kept.contexts);
        new.files.extend(kept.files);
    }
    new.objects.sort_by_key(|object| object.id);
    new.files.sort();
    new
}

/// Judges the records of some days, with a day more on either side for what began before and is answered after.
fn derive(
    config: &AnalyzeConfig,
    place: &StorePlace,
    store: &Writable,
    timeline: &Timeline,
    days: &BTreeSet<u32>,
    here: Option<AtHand>,
) -> Result<DayFiles, AnalyzeError> {
    let window = days::window(days);
    let selection = Selection { from: window.0, to: window.1, ..Selection::default() };
    let config = AnalyzeConfig {
        inputs: Vec::new(),
        selection,
        connections_out: None,
        expect: None,
        ..config.clone()
    };
    let (collected, streams, coverage) = match here {
        Some(AtHand { mut collected, streams, coverage, .. }) => {
            // Interfaces are what the whole store says they are, not only what was read now.
            store.fetch(&Need::contexts())?;
            let mut known = store.writer.store().contexts()?.by_interface(|_| true);
            for interface in &mut collected.interfaces {
                interface.context = known.remove(&interface.id).unwrap_or_default();
            }
            (collected, streams, coverage)
        }
        None => {
            let mut streams = Vec::new();
            store.fetch(&Need::records(window))?;
            let all = BTreeSet::new();
            let stored =
                Stored::of(store.writer.store(), place, &config.selection, window, &mut streams, &all)?;
            let Some(read_back) = run::gather_stored(&config, stored, streams)? else {
                return Ok(DayFiles::default());
            };
            read_back
        }
    };
    let table = Table { store: &store.writer, days, coverage: &coverage };
    let (outcome, _) = judge::judge(collected, timeline, &streams, &config, None, &NOTHING, Some(&table))?;
    if config.cancel.is_cancelled() {
        // Judged in part, which must not take the place of what is there.
        return Err(AnalyzeError::Interrupted { objects: 0, bytes: 0, records: 0 });
    }
    Ok(outcome.stored)
}
