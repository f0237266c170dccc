//! A store is read in place of the logs that were ingested into it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::error::ArrowError;

use super::AnalyzeConfig;
use super::read::{ObjectProblem, Outcome};
use super::stores::StorePlace;
use crate::decode::FormatOrigin;
use crate::flow::{FlowBatch, InterfaceContext, MalformedExample, Tally};
use crate::source::{KeyParts, Pruned, Selection};
use crate::store::{ObjectRow, Origin, Scan, Store, StoreError};

/// A stretch of time: from the first on and before the second, Unix seconds.
pub(super) type Window = (Option<i64>, Option<i64>);

/// What is to be read from one store.
pub(super) struct Stored {
    scan: Scan,
    /// By number of the object: that of its flow log, or [`NOT_WANTED`].
    streams: Vec<u32>,
    contexts: BTreeMap<String, InterfaceContext>,
    /// Objects that count.
    pub objects: u64,
    /// Objects that the selection leaves out.
    pub pruned: Pruned,
    /// As if they had been read now.
    outcome: Outcome,
    /// Records of these objects, and those that were handed on.
    expected: u64,
    delivered: AtomicU64,
    /// All records must be there.
    whole: bool,
    directory: String,
}

const NOT_WANTED: u32 = u32::MAX;

impl Stored {
    /// What is to be read of a store. `streams` are the flow logs that are known already; new ones are added. `without` are
    /// objects that don't count any more.
    pub fn of(
        store: &Store,
        place: &StorePlace,
        selection: &Selection,
        window: Window,
        streams: &mut Vec<String>,
        without: &BTreeSet<u32>,
    ) -> Result<Self, StoreError> {
        let pruned_before = store.manifest().pruned_before.map_or(0, |day| u64::from(day) * 86_400);
        let mut stored = Self {
            scan: store.scan(window),
            streams: vec![NOT_WANTED; store.manifest().next_object as usize],
            contexts: BTreeMap::new(),
            objects: 0,
            pruned: Pruned::default(),
            outcome: Outcome::default(),
            expected: 0,
            delivered: AtomicU64::new(0),
            whole: window == (None, None) && pruned_before == 0,
            directory: place.to_string(),
        };
        let mut damaged = false;
        let mut known: BTreeMap<String, u32> =
            streams.iter().zip(1..).map(|(id, number)| (id.clone(), number)).collect();
        store.each_object(|row| {
            let gone = row.last.is_some_and(|last| u64::from(last) < pruned_before);
            if gone || without.contains(&row.id) || !selection.sift(key(&row).as_ref(), &mut stored.pruned) {
                return;
            }
            let stream = row.flow_log.as_ref().map_or(0, |id| match known.get(id) {
                Some(number) => *number,
                // As of logs: too many to be told apart.
                None if streams.len() >= usize::from(u16::MAX) => 0,
                None => {
                    streams.push(id.clone());
                    // There are fewer than 65,536.
                    let number = streams.len() as u32;
                    known.insert(id.clone(), number);
                    number
                }
            });
            match stored.streams.get_mut(row.id as usize) {
                Some(place) => *place = stream,
                None => damaged = true,
            }
            stored.add(row);
        })?;
        if damaged {
            return Err(stored.damaged("an object has a number that was never given".to_owned()));
        }
        let wanted = |origin: &Origin| {
            let [account, region, flow_log] = origin.clone();
            let row = ObjectRow { account, region, flow_log, ..ObjectRow::default() };
            selection.sift(key(&row).as_ref(), &mut Pruned::default())
        };
        stored.contexts = store.contexts()?.by_interface(wanted);
        Ok(stored)
    }

    fn damaged(&self, message: String) -> StoreError {
        StoreError::Damaged { path: self.directory.clone(), message }
    }

    /// Counts an object as if it had been read now.
    fn add(&mut self, row: ObjectRow) {
        let ObjectRow { name, bytes, counts, details, .. } = row;
        self.objects += 1;
        self.expected += counts.records;
        let example = |(line, reason)| MalformedExample { object: name.clone(), line, reason };
        let tally = Tally {
            lines: counts.lines,
            records: counts.records,
            nodata: counts.nodata,
            skipdata: counts.skipdata,
            malformed: counts.malformed,
            other_schema: counts.other_schema,
            truncated: counts.truncated,
            unknown_fields: details.unknown_fields,
            examples: details.malformed.into_iter().map(example).collect(),
            ..Tally::default()
        };
        self.outcome.tally.merge(&tally);
        self.outcome.objects += 1;
        self.outcome.bytes += bytes;
        for problem in details.problems {
            let (code, message, is_fetch) = (problem.code.into(), problem.message, problem.is_fetch);
            self.outcome.problems.push(ObjectProblem { code, message, object: name.clone(), is_fetch });
        }
        for (origin, format, lines) in details.formats {
            *self.outcome.formats.entry((origin_of(&origin), format)).or_default() += lines;
        }
    }

    /// Hands on records until there are none left for this thread; to be called by every thread.
    pub fn read(
        &self,
        push: &mut dyn FnMut(&FlowBatch, u16) -> Result<(), ArrowError>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), StoreError> {
        let key = |object: u32| {
            let stream = self.streams.get(object as usize).copied();
            stream.filter(|stream| *stream != NOT_WANTED)
        };
        let context = |interface: &str| self.contexts.get(interface).cloned().unwrap_or_default();
        while let Some(group) = self.scan.next()? {
            if is_over() {
                return Ok(());
            }
            group.read(key, context, |piece| {
                self.delivered.fetch_add(piece.batch.len() as u64, Ordering::Relaxed);
                let stream = u16::try_from(piece.key).unwrap_or(0);
                push(&piece.batch, stream).map_err(|e| self.damaged(e.to_string()))
            })?;
        }
        Ok(())
    }

    /// Adds what was read to what reading came to.
    pub fn note(&self, outcome: &mut Outcome, config: &AnalyzeConfig) -> Result<(), StoreError> {
        let delivered = self.delivered.load(Ordering::Relaxed);
        let missing = self.expected.checked_sub(delivered);
        let missing =
            missing.ok_or_else(|| self.damaged("it holds more records than were ingested".to_owned()))?;
        if missing > 0 && self.whole && !config.cancel.is_cancelled() {
            return Err(self.damaged(format!("{missing} records are missing")));
        }
        outcome.tally.merge(&self.outcome.tally);
        // Whole files and row groups are passed over.
        outcome.tally.records -= missing;
        outcome.tally.out_of_range += missing;
        outcome.objects += self.outcome.objects;
        outcome.bytes += self.outcome.bytes;
        outcome.problems.extend(self.outcome.problems.iter().cloned());
        for (format, lines) in &self.outcome.formats {
            *outcome.formats.entry(format.clone()).or_default() += lines;
        }
        Ok(())
    }
}

/// What the name of the object told.
fn key(row: &ObjectRow) -> Option<KeyParts> {
    let (account, region) = (row.account.clone()?, row.region.clone()?);
    Some(KeyParts { account, region, flow_log: row.flow_log.clone(), stamp: None })
}

/// The inverse of [`FormatOrigin`]'s text.
fn origin_of(text: &str) -> FormatOrigin {
    let all = [FormatOrigin::User, FormatOrigin::Known];
    match text.strip_prefix("flow log ") {
        Some(id) => FormatOrigin::FlowLog(id.to_owned()),
        None => all.into_iter().find(|origin| origin.to_string() == text).unwrap_or(FormatOrigin::Known),
    }
}
