//! The order that every command shares: read, judge, sum up.

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use super::conclude::Material;
use super::ingest::Keeper;
use super::inputs::{self, InventoryOutcome};
use super::judge::{self, Beside};
use super::read::Keeping;
use super::stored::Stored;
use super::{AnalyzeConfig, AnalyzeError, Event, Input, Progress, Silent, formats, read, stores, watch};
use crate::connection::{Collected, Connection};
use crate::decode::{DecodeOptions, FormatCandidate, LogFormat};
use crate::detect::{self, Detector};
use crate::inventory::Timeline;
use crate::policy::{Judged, Policy};
use crate::source::Listing;
use crate::store::{CoverageSums, Need};
use crate::watchlist::WatchList;

/// Everything that was read, before it is judged.
pub(super) struct Gathered {
    pub collected: Collected,
    pub timeline: Timeline,
    pub inventory: InventoryOutcome,
    /// Without the objects.
    pub listing: Listing,
    /// What reading came to, beside the records.
    pub reading: read::Outcome,
    /// Flow log ids by their number - 1.
    pub streams: Vec<String>,
    /// What was kept for a store, by thread.
    pub kept: Vec<Keeper>,
    /// The days of which `collected` holds all that their connections are derived from.
    pub together: Option<BTreeSet<u32>>,
    /// Objects that the store held already.
    pub known: u64,
    /// What the records speak for day by day, where they are kept.
    pub coverage: CoverageSums,
}

/// Everything that was read and judged.
pub(super) struct Run {
    pub timeline: Timeline,
    pub inventory: InventoryOutcome,
    pub listing: Listing,
    pub reading: read::Outcome,
    pub judged: judge::Outcome,
    pub watch: Option<Arc<WatchList>>,
    pub detectors: Vec<&'static dyn Detector>,
}

/// Lists, loads the inventory, reads and decodes.
pub(super) fn gather(
    config: &AnalyzeConfig,
    stdin: Option<Box<dyn Read + Send>>,
    progress: &dyn Progress,
) -> Result<Gathered, AnalyzeError> {
    gather_into(config, stdin, progress, None)
}

/// As [`gather`]; what is read may also be kept.
pub(super) fn gather_into(
    config: &AnalyzeConfig,
    stdin: Option<Box<dyn Read + Send>>,
    progress: &dyn Progress,
    keeping: Option<Keeping<'_>>,
) -> Result<Gathered, AnalyzeError> {
    let log_format = config.log_format.as_deref().map(LogFormat::parse).transpose()?;
    let log_formats = log_format.into_iter().map(FormatCandidate::user).collect();
    let options = DecodeOptions {
        log_formats,
        max_object_bytes: config.max_object_bytes,
        whole_bytes: config.memory.whole_object(config.threads),
        ..DecodeOptions::default()
    };
    let runtime = runtime()?;
    progress.event(&Event::Phase("listing"));
    let config = &AnalyzeConfig { inputs: stores::resolve(config), ..config.clone() };
    if keeping.is_some() {
        stores::refuse_stores(&config.inputs)?;
    }
    let mut streams = Vec::new();
    let mut stored = Vec::new();
    for input in &config.inputs {
        if let Input::Store(place) = input {
            progress.event(&Event::Phase("opening the store"));
            let window = (config.selection.from, config.selection.to);
            let store = stores::open_until(place, &config.remote, &Need::records(window), &config.cancel);
            let store = store.map_err(|error| stores::stopped(error.into(), &config.cancel))?;
            stored.push(Stored::of(
                &store,
                place,
                &config.selection,
                window,
                &mut streams,
                &BTreeSet::new(),
            )?);
        }
    }
    let mut local = inputs::local(config, stdin, &runtime);
    let (timeline, inventory) = inputs::load_inventory(config, &mut local.listing)?;
    progress.event(&Event::Phase("reading"));
    let by_day = keeping.is_some();
    let read = read::read(read::Reading {
        feeds: inputs::feeds(config, local),
        runtime: &runtime,
        formats: &formats::Formats::new(&options, &timeline),
        config,
        progress,
        stored: &stored,
        streams,
        keeping,
        by_day,
    });
    // A blocked read of standard input cannot be cancelled; it must not hold the run up.
    runtime.shutdown_background();
    let read::Records { collected, outcome, listing, streams, kept, together, known, coverage } = read?;
    let reading = outcome;
    Ok(Gathered {
        collected,
        timeline,
        inventory,
        listing,
        reading,
        streams,
        kept,
        together,
        known,
        coverage,
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, AnalyzeError> {
    tokio::runtime::Builder::new_multi_thread()
        // One moves bytes faster than all cores together inflate them.
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| AnalyzeError::Internal(e.to_string()))
}

/// The inventory, where no logs are read.
pub(super) fn inventory_only(config: &AnalyzeConfig) -> Result<(Timeline, InventoryOutcome), AnalyzeError> {
    inputs::load_inventory(config, &mut Listing::default())
}

/// The records of a part of a store, with its flow logs and what they speak for; `None` if there are none.
pub(super) fn gather_stored(
    config: &AnalyzeConfig,
    stored: Stored,
    streams: Vec<String>,
) -> Result<Option<(Collected, Vec<String>, CoverageSums)>, AnalyzeError> {
    let read = read::read(read::Reading {
        feeds: Vec::new(),
        runtime: &runtime()?,
        formats: &formats::Formats::new(&DecodeOptions::default(), &Timeline::default()),
        config,
        progress: &Silent,
        stored: &[stored],
        streams,
        keeping: None,
        by_day: true,
    });
    match read {
        Ok(records) => Ok(Some((records.collected, records.streams, records.coverage))),
        Err(
            AnalyzeError::NothingFound { .. }
            | AnalyzeError::NothingThere { .. }
            | AnalyzeError::NothingSelected { .. }
            | AnalyzeError::NothingUsable { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads and judges. `beside` is made when everything is read, and says what else is done with each connection.
pub(super) fn run<T: Send, B, S>(
    config: &AnalyzeConfig,
    stdin: Option<Box<dyn Read + Send>>,
    progress: &dyn Progress,
    beside: impl FnOnce(&Gathered) -> Beside<B, S>,
) -> Result<(Run, Vec<T>), AnalyzeError>
where
    B: Fn() -> T + Sync,
    S: Fn(&mut T, &Connection, &Judged, &Policy) + Sync,
{
    let detectors =
        detect::select(&config.only, &config.skip).map_err(|name| AnalyzeError::UnknownDetector { name })?;
    let watch = watch::load(&config.watchlists)?;
    let gathered = gather(config, stdin, progress)?;
    let beside = beside(&gathered);
    let Gathered { collected, timeline, inventory, listing, reading, streams, .. } = gathered;
    progress.event(&Event::Phase("judging"));
    let (mut judged, states) =
        judge::judge(collected, &timeline, &streams, config, watch.clone(), &beside, None)?;
    judged.rollups.unread = unread(&reading, &listing);
    progress.event(&Event::Phase("detecting"));
    Ok((Run { timeline, inventory, listing, reading, judged, watch, detectors }, states))
}

/// What of the logs was not read although it was asked for, in words.
fn unread(reading: &read::Outcome, listing: &Listing) -> Option<String> {
    let objects = reading.problems.iter().filter(|problem| problem.costs_records()).count();
    let counts = [
        (listing.errors.len() as u64, "listing"),
        (objects as u64, "object"),
        (reading.tally.malformed, "line"),
    ];
    let words = |(count, noun): (u64, &str)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let parts: Vec<String> = counts.into_iter().filter(|(count, _)| *count > 0).map(words).collect();
    (!parts.is_empty()).then(|| parts.join(" and "))
}

impl Run {
    /// What conclusions rest on.
    pub fn material<'a>(&'a self, config: &'a AnalyzeConfig) -> Material<'a> {
        Material {
            config,
            listing: &self.listing,
            timeline: &self.timeline,
            inventory: &self.inventory,
            reading: &self.reading,
            duplicates: self.judged.duplicates,
            overlapped: self.judged.overlapped,
            coarse_fan_in: self.judged.coarse_fan_in,
            rollups: &self.judged.rollups,
            watch: self.watch.as_deref(),
            detectors: &self.detectors,
        }
    }
}
