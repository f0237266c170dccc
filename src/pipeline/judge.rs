//! Packed records become rollups: sort, count fan-in, cut, decide, judge, sum up.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::export::Exporter;
use super::{AnalyzeConfig, AnalyzeError};
use crate::connection::{
    Collected, Connection, Election, FanIn, InterfaceFacts, LocalSide, Pairing, PartitionRecords,
    SortedPartition, StreamInfo,
};
use crate::flow::Direction;
use crate::inventory::{ConnectionTracking, Timeline};
use crate::policy::{Judge, Policy};
use crate::rollup::{Rollup, Rollups};

/// What judging comes to.
pub(super) struct Outcome {
    pub rollups: Rollups,
    /// Records delivered twice.
    pub duplicates: u64,
    /// Interfaces that more than one flow log covers.
    pub overlapped: usize,
}

pub(super) fn judge(
    (collected, renumber): (Collected, Vec<u32>),
    timeline: &Timeline,
    streams: &[String],
    config: &AnalyzeConfig,
) -> Result<Outcome, AnalyzeError> {
    let Collected { interfaces, stream_facts, partitions } = collected;
    let ids: Vec<String> = interfaces.iter().map(|i| i.id.clone()).collect();
    let policy = Policy::new(timeline, &ids);
    let election = Election::hold(stream_facts, &stream_infos(streams, timeline));
    let local = LocalSide::new(&interfaces, timeline);
    let records: usize = partitions.iter().map(PartitionRecords::len).sum();
    let fan = FanIn::for_records(records);
    let pairing = Pairing {
        local: &local,
        tracking: &tracking(&interfaces, timeline),
        watched_since: &interfaces.iter().map(|i| i.coverage.first.unwrap_or(0)).collect::<Vec<_>>(),
        scopes: &scopes(&interfaces, timeline),
        fan: &fan,
    };

    let duplicates = AtomicU64::new(0);
    let waiting: Vec<Mutex<Option<PartitionRecords>>> =
        partitions.into_iter().map(|p| Mutex::new(Some(p))).collect();
    let sorted: Vec<Mutex<Option<SortedPartition>>> = waiting.iter().map(|_| Mutex::new(None)).collect();
    each(waiting.len(), config, |at| {
        let Some(records) = take(&waiting[at]) else { return };
        let partition = SortedPartition::new(records, &renumber, &election);
        duplicates.fetch_add(partition.duplicates, Ordering::Relaxed);
        pairing.count_fan_in(&partition);
        *sorted[at].lock().unwrap_or_else(PoisonError::into_inner) = Some(partition);
    })?;

    let exporter = config.connections_out.as_deref().map(Exporter::create).transpose()?;
    let in_order =
        Mutex::new(InOrder { next: 0, ready: BTreeMap::new(), total: Rollup::default(), exporter });
    each(sorted.len(), config, |at| {
        let Some(partition) = take(&sorted[at]) else { return };
        let mut rollup = Rollup::default();
        let mut rows =
            in_order.lock().unwrap_or_else(PoisonError::into_inner).exporter.is_some().then(Vec::new);
        let judge = RefCell::new(Judge::new(&policy));
        let mut fit = |connection: &Connection| {
            let mut judge = judge.borrow_mut();
            (judge.fit(connection, Direction::Inbound), judge.fit(connection, Direction::Outbound))
        };
        let mut emit = |connection: &Connection| {
            let since = interfaces[connection.interface as usize].coverage.first.unwrap_or(0);
            let mut judge = judge.borrow_mut();
            let judged = judge.judge(connection, since);
            rollup.add(connection, judged);
            if let Some(rows) = &mut rows {
                rows.push((*connection, judged.clone()));
            }
        };
        pairing.connections(&partition, &mut fit, &mut emit);
        drop(partition);
        let mut guard = in_order.lock().unwrap_or_else(PoisonError::into_inner);
        guard.ready.insert(at, (rollup, rows.unwrap_or_default()));
        guard.drain(&interfaces, &policy);
    })?;
    let merged = in_order.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(exporter) = merged.exporter {
        exporter.finish()?;
    }
    Ok(Outcome {
        rollups: Rollups::new(merged.total, interfaces, timeline, &policy),
        duplicates: duplicates.into_inner(),
        overlapped: election.overlapped(),
    })
}

type Rows = Vec<(Connection, crate::policy::Judged)>;

/// Merges partitions in their order, whichever is done first, so that results do not depend on threads.
struct InOrder {
    next: usize,
    ready: BTreeMap<usize, (Rollup, Rows)>,
    total: Rollup,
    exporter: Option<Exporter>,
}

impl InOrder {
    fn drain(&mut self, interfaces: &[InterfaceFacts], policy: &Policy) {
        while let Some((rollup, rows)) = self.ready.remove(&self.next) {
            self.total.merge(rollup);
            if let Some(exporter) = &mut self.exporter {
                exporter.write(&rows, interfaces, policy);
            }
            self.next += 1;
        }
    }
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Calls `work` for 0..count on all threads, until the run is cancelled.
fn each(count: usize, config: &AnalyzeConfig, work: impl Fn(usize) + Sync) -> Result<(), AnalyzeError> {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..config.threads.clamp(1, count.max(1)))
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        if at >= count || config.cancel.is_cancelled() {
                            break;
                        }
                        work(at);
                    }
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().map_err(|_| AnalyzeError::Internal("a judge panicked".to_owned())))
    })
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
