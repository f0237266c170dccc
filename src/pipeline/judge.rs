//! Packed records become rollups: sort, count fan-in, then cut, decide, judge and sum up, partition by partition.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::export::{Chunk, Exporter, Rows, StoreRows, store_names};
use super::in_order::InOrder;
use super::{AnalyzeConfig, AnalyzeError, Cancel, Expect};
use crate::connection::{
    Collected, Connection, Election, InterfaceFacts, Loading, LocalSide, Meetings, Met, Pairing, Partition,
    Room, SHELVES, Sorted, SpillError, StreamInfo, gather_meetings,
};
use crate::expect::{Examiner, Expected};
use crate::flow::Direction;
use crate::inventory::{ConnectionTracking, Timeline};
use crate::policy::{Judge, Judged, Policy};
use crate::rollup::{Directory, ExpectationFacts, Rollup, Rollups, Scene};
use crate::store::{CoverageSums, DayFiles, DayJobs, DaySums, DayTables, Meanings, StoreWriter, StoredFile};
use crate::watchlist::WatchList;

/// What judging comes to.
pub(super) struct Outcome {
    pub rollups: Rollups,
    /// Records delivered twice.
    pub duplicates: u64,
    /// Interfaces that more than one flow log covers.
    pub overlapped: usize,
    /// There were so many endpoints that those met by fewer tuples than this count as met by one.
    pub coarse_fan_in: Option<u64>,
    /// Files of connections, and of what they sum up to, for a store.
    pub stored: DayFiles,
}

/// Connections go to a store, and nothing is summed up.
pub(super) struct Table<'a> {
    pub store: &'a StoreWriter,
    /// Days that are wanted.
    pub days: &'a BTreeSet<u32>,
    /// What their records speak for.
    pub coverage: &'a CoverageSums,
}

/// What else is done with every judged connection, beside summing it up: `begin` makes a state for each thread, which
/// `see` is shown the thread's connections with.
pub(super) struct Beside<B, S> {
    pub begin: B,
    pub see: S,
}

/// What sees a connection with its verdict.
type See<T> = fn(&mut T, &Connection, &Judged, &Policy);

/// Nothing else.
pub(super) const NOTHING: Beside<fn(), See<()>> = Beside { begin: || (), see: |(), _, _, _| () };

/// Judges everything. Also returns the states of `beside`: which connections each has seen depends on threads.
pub(super) fn judge<T: Send>(
    collected: Collected,
    timeline: &Timeline,
    streams: &[String],
    config: &AnalyzeConfig,
    watch: Option<Arc<WatchList>>,
    beside: &Beside<impl Fn() -> T + Sync, impl Fn(&mut T, &Connection, &Judged, &Policy) + Sync>,
    table: Option<&Table<'_>>,
) -> Result<(Outcome, Vec<T>), AnalyzeError> {
    let Collected { interfaces, stream_facts, partitions, store } = collected;
    let ids: Vec<String> = interfaces.iter().map(|i| i.id.clone()).collect();
    let policy = Policy::new(timeline, &ids);
    let election = Election::hold(stream_facts, &stream_infos(streams, timeline));
    let local = LocalSide::new(&interfaces, timeline);
    let scopes = scopes(&interfaces, timeline);
    let loading =
        Loading { store: &store, election: &election, most: config.memory.loaded_records(config.threads) };
    let partitions: Vec<Mutex<Partition>> = partitions.into_iter().map(Mutex::new).collect();

    let duplicates = AtomicU64::new(0);
    let meetings = Meetings::new(Room::new(config.memory.meetings(), &config.spill_directory));
    let sort_and_meet = |(sorted, met): &mut (Sorted, Met), at: usize, _: &Over<'_>| {
        let mut partition = partitions[at].lock().unwrap_or_else(PoisonError::into_inner);
        for piece in partition.pieces(&loading)? {
            partition.load(&piece, &loading, sorted)?;
            duplicates.fetch_add(sorted.duplicates, Ordering::Relaxed);
            gather_meetings(sorted, &scopes, met);
            partition.keep(sorted);
        }
        Ok(meetings.gather(met)?)
    };
    each(partitions.len(), config, <(Sorted, Met)>::default, sort_and_meet, |_| Ok(()))?;
    each(SHELVES, config, || (), |(), shelf, _| Ok(meetings.count(shelf)?), |()| Ok(()))?;
    let fan = meetings.finish();
    let pairing = Pairing {
        local: &local,
        tracking: &tracking(&interfaces, timeline),
        watched_since: &interfaces.iter().map(|i| i.coverage.first.unwrap_or(0)).collect::<Vec<_>>(),
        scopes: &scopes,
        fan: &fan,
        by_day: table.is_some(),
    };

    let meanings = Meanings::default();
    let exporter = match (table, config.connections_out.as_deref()) {
        (Some(table), _) => Some(Ok(Exporter::into_store(
            table.store,
            store_names(&interfaces, timeline, &policy),
            &meanings,
        ))),
        (None, path) => path.map(|path| Exporter::create(path, &policy)),
    };
    let in_order = exporter.transpose()?.map(|exporter| InOrder::new(exporter, config.memory.waiting_rows()));
    let day_tables = table.map(|table| {
        let names = store_names(&interfaces, timeline, &policy);
        DayTables::new(table.store, names, config.memory.day_sums(), &config.spill_directory)
    });
    let scene =
        Scene::new(timeline, &interfaces).watching(watch).between(Directory::new(&interfaces, timeline));
    let expected = config.expect.as_ref().map(|e| Expected::new(&e.expectations, timeline, &ids));
    let spill: Arc<Path> = Arc::from(config.spill_directory.as_path());
    let begin = || Worker {
        sorted: Sorted::default(),
        judge: RefCell::new(Judge::new(&policy)),
        rollup: Rollup::spilling_into(&spill),
        examiner: expected.as_ref().map(Examiner::new),
        stored: table
            .zip(day_tables.as_ref())
            .map(|(table, tables)| StoreRows::new(table.days, &meanings, tables.sums())),
        beside: (beside.begin)(),
    };
    let work = |worker: &mut Worker<'_, T>, at: usize, over: &Over<'_>| {
        let Worker { sorted, judge, rollup, examiner, stored, beside: seen } = worker;
        if let Some(rows) = &in_order {
            rows.wait_for(at, config.threads, &|| over.is_over());
        }
        let mut partition = partitions[at].lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows = in_order.as_ref().filter(|_| table.is_none()).map(|_| Rows::new(&interfaces, &policy));
        let mut fit = |connection: &Connection| {
            let mut judge = judge.borrow_mut();
            (judge.fit(connection, Direction::Inbound), judge.fit(connection, Direction::Outbound))
        };
        let mut emit = |connection: &Connection, days: &[Connection]| {
            let coverage = &interfaces[connection.interface as usize].coverage;
            let mut judge = judge.borrow_mut();
            let judged = judge.judge(connection, coverage);
            if let Some(stored) = stored.as_mut() {
                stored.push(connection, days, judged);
                return;
            }
            rollup.add(connection, judged, &scene);
            (beside.see)(seen, connection, judged, &policy);
            for short in examiner.iter_mut().flat_map(|examiner| examiner.examine(connection)) {
                if short.broken {
                    rollup.unmet(connection, judged, (short.expectation, short.tier, short.weak));
                } else {
                    rollup.unsaid(short.expectation);
                }
            }
            if let Some(rows) = &mut rows {
                rows.push(connection, judged.clone());
            }
        };
        let mut load_and_judge = || {
            partition.pieces(&loading)?.iter().try_for_each(|piece| {
                partition.load(piece, &loading, sorted)?;
                pairing.connections(sorted, &mut fit, &mut emit);
                Ok(())
            })
        };
        let done: Result<(), SpillError> = load_and_judge();
        rollup.end_of_partition(&scene);
        // Given back here and not at the end, where one thread alone would have to.
        partition.clear();
        let (handed, summed) = match (stored.as_mut(), rows) {
            (Some(stored), _) => {
                let (handed, summed) = stored.hand_over();
                (Some(handed), summed)
            }
            (None, rows) => (rows.map(Rows::finish), Ok(())),
        };
        if let Some((in_order, handed)) = in_order.as_ref().zip(handed) {
            in_order.hand_in(at, handed)?;
        }
        done?;
        summed?;
        Ok(rollup.check()?)
    };
    let end = |worker: &mut Worker<'_, T>| {
        worker.rollup.settle();
        Ok(worker.stored.iter_mut().try_for_each(StoreRows::settle)?)
    };
    let mut judged = each(partitions.len(), config, begin, work, end)?;
    let mut stored = DayFiles::default();
    if let Some(in_order) = in_order {
        let (files, rest) = in_order.finish()?;
        let rest: Vec<_> = rest.into_iter().map(|chunk| Mutex::new(Some(chunk))).collect();
        let taken = judged.iter_mut().filter_map(|worker| worker.stored.take());
        let sums: Vec<DaySums<'_>> = taken.map(StoreRows::into_sums).collect();
        let jobs = day_tables.as_ref().zip(table).map(|(t, of)| t.jobs(&sums, of.coverage, of.days));
        let tables = jobs.as_ref().map_or(0, DayJobs::len);
        // Tables are begun first, since several threads can write one: who has nothing left to do helps with them.
        let write = |files: &mut Vec<StoredFile>, at: usize, _: &Over<'_>| {
            let chunk = at.checked_sub(tables).and_then(|at| rest.get(at));
            match (chunk, &jobs) {
                (Some(chunk), _) => {
                    let chunk = chunk.lock().unwrap_or_else(PoisonError::into_inner).take();
                    files.extend(chunk.map(Chunk::write).transpose()?);
                }
                (None, Some(jobs)) if at < tables => jobs.work(at)?,
                (None, Some(jobs)) => jobs.work((at - rest.len()) % tables)?,
                (None, None) => {}
            }
            Ok(())
        };
        let count = rest.len() + tables * config.threads.max(1);
        let more = each(count, config, Vec::new, write, |_| Ok(()))?;
        stored.connections = files.into_iter().chain(more.into_iter().flatten()).collect();
        stored.tables = jobs.map(DayJobs::finish).unwrap_or_default();
    }
    // Sums depend on the connections alone, not on who added them when.
    let mut states = Vec::with_capacity(judged.len());
    // The first one's tables are taken as they are.
    let mut merged: Option<Rollup> = None;
    for worker in judged {
        states.push(worker.beside);
        match &mut merged {
            Some(total) => total.merge(worker.rollup),
            None => merged = Some(worker.rollup),
        }
    }
    let mut total = merged.unwrap_or_else(|| Rollup::spilling_into(&spill));
    total.read_back(&interfaces)?;
    let mut rollups = Rollups::new(total, interfaces, timeline, &policy);
    if let Some(expect) = &config.expect {
        name_expectations(&mut rollups.expectations, expect);
        rollups.expectations.idle = expected.as_ref().map(Expected::idle).unwrap_or_default();
    }
    rollups = rollups.told_by(&scene);
    rollups.sides = scene.into_sides();
    rollups.given_baseline = config.baseline;
    let outcome = Outcome {
        rollups,
        duplicates: duplicates.into_inner(),
        overlapped: election.overlapped(),
        coarse_fan_in: fan.coarser_than(),
        stored,
    };
    Ok((outcome, states))
}

/// Gives the numbers their names.
fn name_expectations(into: &mut crate::rollup::Expectations, expect: &Expect) {
    let read = &expect.expectations;
    into.file.clone_from(&expect.file);
    into.tiers = read.tiers.iter().map(|tier| tier.name.clone()).collect();
    let facts = read.expectations.iter().map(|expectation| ExpectationFacts {
        name: expectation.name.clone(),
        line: expectation.line,
        sentence: read.sentence(expectation),
        severity: expectation.severity,
    });
    into.facts = facts.collect();
}

/// What a thread needs to judge one partition after the other.
struct Worker<'p, T> {
    sorted: Sorted,
    judge: RefCell<Judge<'p>>,
    rollup: Rollup,
    examiner: Option<Examiner<'p>>,
    stored: Option<StoreRows<'p>>,
    beside: T,
}

/// Calls `work` for 0..count on all threads, each with a state of its own, until one fails or the run is cancelled. `end` is
/// called once on each thread, when nothing is left to do for it.
fn each<S: Send>(
    count: usize,
    config: &AnalyzeConfig,
    begin: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, usize, &Over<'_>) -> Result<(), AnalyzeError> + Sync,
    end: impl Fn(&mut S) -> Result<(), AnalyzeError> + Sync,
) -> Result<Vec<S>, AnalyzeError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let run = || {
        let over = Over { failed: &failed, cancel: &config.cancel };
        let mut state = begin();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count || over.is_over() {
                let ended = end(&mut state);
                failed.fetch_or(ended.is_err(), Ordering::Relaxed);
                return ended.map(|()| state);
            }
            if let Err(error) = work(&mut state, at, &over) {
                failed.store(true, Ordering::Relaxed);
                return Err(error);
            }
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..config.threads.clamp(1, count.max(1))).map(|_| scope.spawn(run)).collect();
        // All are waited for, whichever failed.
        let ended: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let panicked = |_| Err(AnalyzeError::Internal("a judge panicked".to_owned()));
        ended.into_iter().map(|end| end.unwrap_or_else(panicked)).collect()
    })
}

/// Whether there is no use in going on.
struct Over<'a> {
    failed: &'a AtomicBool,
    cancel: &'a Cancel,
}

impl Over<'_> {
    fn is_over(&self) -> bool {
        self.cancel.is_cancelled() || self.failed.load(Ordering::Relaxed)
    }
}

/// The others must not wait for a thread that panicked.
impl Drop for Over<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

/// What is known of the flow logs; a stream's number is its index + 1, 0 is unknown.
fn stream_infos(streams: &[String], timeline: &Timeline) -> Vec<StreamInfo> {
    let mut sorted: Vec<&String> = streams.iter().collect();
    sorted.sort();
    let mut infos = vec![StreamInfo::default()];
    for id in streams {
        let definition = timeline.flow_log(id);
        infos.push(StreamInfo {
            logs: definition
                .and_then(|d| d.traffic_type.as_deref())
                .map(|traffic| (traffic != "REJECT", traffic != "ACCEPT")),
            interval: definition.and_then(|d| d.max_aggregation),
            rank: sorted.partition_point(|other| *other < id) + 1,
        });
    }
    infos
}

fn tracking(interfaces: &[InterfaceFacts], timeline: &Timeline) -> Vec<ConnectionTracking> {
    let known = |id: &str| timeline.interface(id).map(|i| i.tracking);
    interfaces.iter().map(|i| known(&i.id).unwrap_or_default()).collect()
}

/// A number per VPC, so that equal private addresses of different VPCs are kept apart.
fn scopes(interfaces: &[InterfaceFacts], timeline: &Timeline) -> Vec<u64> {
    let vpc = |facts: &InterfaceFacts| {
        let known = timeline.interface(&facts.id);
        known.and_then(|i| i.vpc.clone()).or_else(|| facts.context.vpc.clone()).unwrap_or_default()
    };
    let names: Vec<String> = interfaces.iter().map(vpc).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    names
        .iter()
        .map(|name| {
            sorted.binary_search(name).map_or(0, |at| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
        })
        .collect()
}
