//! Logs go into a store: what is new is read and kept, then the connections of its days are derived.

use std::collections::BTreeSet;
use std::path::Path;

use super::judge::{self, NOTHING, Table};
use super::read::{Keeping, ObjectProblem};
use super::run::{self, Gathered};
use super::stored::{Stored, Window};
use super::stores::{self, StorePlace, Writable};
use super::{AnalyzeConfig, AnalyzeError, Event, Progress, read};
use crate::decode::FormatOrigin;
use crate::flow::{FlowBatch, Tally};
use crate::inventory::Timeline;
use crate::source::{self, Object, Selection};
use crate::store::{
    Contexts, Counts, Details, Disk, Known, Need, NewRecords, ObjectRow, Offer, Offered, Problem,
    RecordWriter, Store, StoreError, StoreWriter, StoredFile,
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
    let writer = &mut store.writer;
    let plan = Plan { known: writer.known()?, next: writer.store().manifest().next_object };
    let gathered = match config.inputs.is_empty() {
        true => None,
        false => Some(run::gather_into(config, None, progress, Some(Keeping { plan, store: writer }))?),
    };
    let mut result = Ingested::default();
    let mut stale: BTreeSet<u32> = writer.store().manifest().connections.stale.clone();
    let (timeline, inventory) = match gathered {
        None => run::inventory_only(config)?,
        Some(Gathered { kept, timeline, inventory, listing, reading, known, .. }) => {
            let read::Outcome { tally, objects, problems, .. } = reading;
            (result.objects, result.known, result.tally) = (objects, known, tally);
            result.problems.extend(listing.errors.iter().map(ToString::to_string));
            result.problems.extend(problems.iter().map(|p| format!("{}: {}", p.object, p.message)));
            let new = put_together(kept);
            result.replaced = new.replaced.len() as u64;
            stale.extend(new.files.iter().filter_map(|file| file.day));
            stale.extend(days_of(writer.store(), &new.replaced)?);
            if !new.objects.is_empty() {
                progress.event(&Event::Phase("committing"));
                writer.commit_records(new, stale.clone())?;
            }
            (timeline, inventory)
        }
    };
    if options.rejudge {
        stale.extend(writer.store().manifest().records.iter().filter_map(|file| file.day));
    }
    let stale = with_neighbours(&stale, store.writer.store());
    result.unjudged = timeline.is_empty();
    for days in groups(&stale) {
        progress.event(&Event::Phase("judging"));
        let files = derive(config, place, &store, &timeline, &days)?;
        result.connections += files.iter().map(|file| file.rows).sum::<u64>();
        store.writer.commit_connections(&days, &files, inventory.paths.clone())?;
        result.days.extend(days);
    }
    Ok(result)
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

/// The days that records of these objects are of.
fn days_of(store: &Store, objects: &[u32]) -> Result<BTreeSet<u32>, StoreError> {
    let wanted: BTreeSet<u32> = objects.iter().copied().collect();
    let mut days = BTreeSet::new();
    if !wanted.is_empty() {
        store.each_object(|row| {
            if let (true, Some(first), Some(last)) = (wanted.contains(&row.id), row.first, row.last) {
                days.extend(first / 86_400..=last / 86_400);
            }
        })?;
    }
    Ok(days)
}

/// The days before and after are told of what goes on over midnight, too, as far as the store holds them.
fn with_neighbours(days: &BTreeSet<u32>, store: &Store) -> BTreeSet<u32> {
    let there: BTreeSet<u32> = store.manifest().records.iter().filter_map(|file| file.day).collect();
    let near = days.iter().flat_map(|&day| day.saturating_sub(1)..=day.saturating_add(1));
    near.filter(|day| there.contains(day)).chain(days.iter().copied()).collect()
}

/// Days that are judged together: their windows, a day more on either side, would touch.
fn groups(days: &BTreeSet<u32>) -> Vec<BTreeSet<u32>> {
    let mut groups: Vec<BTreeSet<u32>> = Vec::new();
    for &day in days {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| day - last <= 3) => {
                group.insert(day);
            }
            _ => groups.push(BTreeSet::from([day])),
        }
    }
    groups
}

/// Judges the records of some days, with a day more on either side for what began before and is answered after.
fn derive(
    config: &AnalyzeConfig,
    place: &StorePlace,
    store: &Writable,
    timeline: &Timeline,
    days: &BTreeSet<u32>,
) -> Result<Vec<StoredFile>, AnalyzeError> {
    let (Some(&first), Some(&last)) = (days.first(), days.last()) else { return Ok(Vec::new()) };
    let second = |day: i64| day * 86_400;
    let window: Window = (Some(second(i64::from(first) - 1)), Some(second(i64::from(last) + 2)));
    let selection = Selection { from: window.0, to: window.1, ..Selection::default() };
    let config = AnalyzeConfig {
        inputs: Vec::new(),
        selection,
        connections_out: None,
        expect: None,
        ..config.clone()
    };
    let mut streams = Vec::new();
    store.fetch(&Need::records(window))?;
    let stored = Stored::of(store.writer.store(), place, &config.selection, window, &mut streams)?;
    let Some((collected, streams)) = run::gather_stored(&config, stored, streams)? else {
        return Ok(Vec::new());
    };
    let table = Table { store: &store.writer, days };
    let (outcome, _) = judge::judge(collected, timeline, &streams, &config, None, &NOTHING, Some(&table))?;
    if config.cancel.is_cancelled() {
        // Judged in part, which must not take the place of what is there.
        return Err(AnalyzeError::Interrupted { objects: 0, bytes: 0, records: 0 });
    }
    Ok(outcome.stored)
}
