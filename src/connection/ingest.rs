//! From batches to packed, partitioned records; and the facts about interfaces that need every record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use arrow::array::{Array, AsArray};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::buckets::BucketSet;
use super::common::CommonAddress;
use super::coverage::{COVERAGE_BUCKET, Coverage};
use super::record::{Body, Endpoint, Narrow, Packed, RejectReason, Wide};
use crate::flow::{Action, CaptureStatus, Columns, FlowBatch, InterfaceContext, bits_at};

/// Into how many partitions records are spread. Fixed, so that results do not depend on the thread count.
pub(crate) const PARTITIONS: usize = 64;

/// Records per block. Blocks keep growing partitions from copying (and doubling) what they hold.
const BLOCK: usize = 2048;

const MAPPED: u128 = 0xffff;

/// A growing list in fixed blocks.
#[derive(Debug)]
pub(crate) struct Blocks<T>(Vec<Vec<T>>);

impl<T: Copy> Blocks<T> {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn push(&mut self, value: T) {
        match self.0.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(value),
            _ => {
                let mut block = Vec::with_capacity(BLOCK);
                block.push(value);
                self.0.push(block);
            }
        }
    }

    /// Moves everything out into one vector.
    fn drain_into(self, target: &mut Vec<T>) {
        for block in self.0 {
            target.extend_from_slice(&block);
        }
    }

    fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// The interfaces of a run, numbered as they are met. Renumbered in name order before pairing, so that
/// nothing depends on who came first.
#[derive(Debug, Default)]
pub(crate) struct Interner {
    inner: Mutex<(HashMap<String, u32>, Entries)>,
}

type Entries = Vec<(String, InterfaceContext)>;

impl Interner {
    /// The number of an interface; its context is completed with what this mention knows.
    fn number(&self, name: &str, context: &InterfaceContext) -> u32 {
        let mut guard = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (index, entries) = &mut *guard;
        if let Some(&number) = index.get(name) {
            complete(&mut entries[number as usize].1, context);
            return number;
        }
        let number = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        index.insert(name.to_owned(), number);
        entries.push((name.to_owned(), context.clone()));
        number
    }

    fn into_entries(self) -> Entries {
        self.inner.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }
}

/// Fills the gaps of a context; where two mentions disagree the smaller text stays, whoever came first.
fn complete(into: &mut InterfaceContext, from: &InterfaceContext) {
    let merge = |a: &mut Option<String>, b: &Option<String>| {
        if let Some(b) = b
            && a.as_ref().is_none_or(|a| b < a)
        {
            *a = Some(b.clone());
        }
    };
    merge(&mut into.account, &from.account);
    merge(&mut into.vpc, &from.vpc);
    merge(&mut into.subnet, &from.subnet);
    merge(&mut into.instance, &from.instance);
    merge(&mut into.region, &from.region);
}

/// What one flow log delivered about one interface, to find overlapping flow logs (domain B.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamFacts {
    pub accepts: u64,
    pub rejects: u64,
    /// Optional engine columns seen: richer formats are preferred.
    pub richness: u8,
    pub buckets: BucketSet,
}

/// Which records are wanted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// Records that start before are left out. Unix seconds.
    pub from: Option<i64>,
    /// Records that start at or after are left out.
    pub to: Option<i64>,
    /// Records of other interfaces are left out; empty means none are.
    pub interfaces: BTreeSet<String>,
}

impl Wanted {
    fn contains(&self, start: i64) -> bool {
        self.from.is_none_or(|from| start >= from) && self.to.is_none_or(|to| start < to)
    }
}

/// One worker's share of the records.
pub(crate) struct Ingest<'a> {
    interner: &'a Interner,
    wanted: Wanted,
    numbers: HashMap<String, u32>,
    narrow: Vec<Blocks<Narrow>>,
    wide: Vec<Blocks<Wide>>,
    interfaces: Vec<PerInterface>,
    /// Records left out because of their time or interface.
    pub out_of_range: u64,
}

#[derive(Clone, Debug, Default)]
struct PerInterface {
    common: [CommonAddress; 2],
    coverage: Coverage,
    last_bucket: Option<u32>,
    /// By flow log; most interfaces have one.
    streams: Vec<PerStream>,
}

#[derive(Clone, Debug, Default)]
struct PerStream {
    stream: u16,
    facts: StreamFacts,
    /// Already among the buckets.
    last: Option<(u32, u32)>,
}

impl PerInterface {
    fn stream(&mut self, stream: u16) -> &mut PerStream {
        let at = self.streams.iter().position(|per| per.stream == stream).unwrap_or_else(|| {
            self.streams.push(PerStream { stream, ..PerStream::default() });
            self.streams.len() - 1
        });
        &mut self.streams[at]
    }
}

impl<'a> Ingest<'a> {
    pub fn new(interner: &'a Interner, wanted: Wanted) -> Self {
        Self {
            interner,
            wanted,
            numbers: HashMap::new(),
            narrow: (0..PARTITIONS).map(|_| Blocks::new()).collect(),
            wide: (0..PARTITIONS).map(|_| Blocks::new()).collect(),
            interfaces: Vec::new(),
            out_of_range: 0,
        }
    }

    /// The interface's number, or `None` if it is not wanted.
    fn number(&mut self, name: &str, context: &InterfaceContext) -> Option<u32> {
        if !self.wanted.interfaces.is_empty() && !self.wanted.interfaces.contains(name) {
            return None;
        }
        let number = match self.numbers.get(name) {
            Some(&number) => number,
            None => {
                let number = self.interner.number(name, context);
                self.numbers.insert(name.to_owned(), number);
                number
            }
        };
        if self.interfaces.len() <= number as usize {
            self.interfaces.resize_with(number as usize + 1, PerInterface::default);
        }
        Some(number)
    }

    /// Takes a batch in. `stream` is the index of the flow log that delivered it, 0 if unknown.
    ///
    /// # Errors
    /// When a column the engine needs is missing or mistyped.
    pub fn push(&mut self, batch: &FlowBatch, stream: u16) -> Result<(), ArrowError> {
        self.push_coverage(batch, stream);
        if batch.is_empty() {
            return Ok(());
        }
        let columns = batch.columns()?;
        let names = columns.interface.values().as_string::<i32>();
        let contexts = batch.contexts();
        let numbers: Vec<Option<u32>> =
            (0..names.len()).map(|i| self.number(names.value(i), &contexts[i])).collect();
        let reasons: Vec<RejectReason> = columns.reject_reason.map_or_else(Vec::new, |dictionary| {
            dictionary.values().as_string::<i32>().iter().map(reject_reason).collect()
        });
        let richness = u8::from(columns.tcp_flags.is_some())
            + u8::from(columns.flow_direction.is_some())
            + u8::from(columns.pkt_srcaddr.is_some());
        for row in 0..batch.len() {
            let Some(interface) = numbers[columns.interface.keys().value(row) as usize] else {
                self.out_of_range += 1;
                continue;
            };
            self.push_row(&columns, row, interface, stream, richness, &reasons);
        }
        Ok(())
    }

    fn push_row(
        &mut self,
        columns: &Columns<'_>,
        row: usize,
        interface: u32,
        stream: u16,
        richness: u8,
        reasons: &[RejectReason],
    ) {
        let start = columns.start.value(row);
        if !self.wanted.contains(start) {
            self.out_of_range += 1;
            return;
        }
        // The decoder refuses times outside of 32 bits, so these conversions are exact.
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(columns.end.value(row)).unwrap_or(u32::MAX).max(start);
        let source = bits_at(columns.srcaddr, row);
        let destination = bits_at(columns.dstaddr, row);
        let action = Action::from_code(columns.action.value(row));
        let protocol = columns.protocol.value(row);

        let per = &mut self.interfaces[interface as usize];
        let family = usize::from(source >> 32 != MAPPED);
        per.common[family].see(source, destination);
        per.coverage.see(start, end);
        per.coverage.records += 1;
        match action {
            Action::Accept => per.coverage.accepts += 1,
            Action::Reject => per.coverage.rejects += 1,
        }
        let bucket = start / COVERAGE_BUCKET;
        if per.last_bucket != Some(bucket) {
            per.last_bucket = Some(bucket);
            per.coverage.buckets.insert(bucket);
        }
        let per = per.stream(stream);
        match action {
            Action::Accept => per.facts.accepts += 1,
            Action::Reject => per.facts.rejects += 1,
        }
        per.facts.richness = per.facts.richness.max(richness);
        let buckets = (bucket, end / COVERAGE_BUCKET);
        if per.last != Some(buckets) {
            per.last = Some(buckets);
            per.facts.buckets.extend([buckets.0, buckets.1]);
        }

        let optional = |array: Option<&arrow::array::UInt64Array>| {
            array.filter(|a| a.is_valid(row)).map_or(0, |a| a.value(row))
        };
        let mut body =
            Body::new(protocol, start, end, optional(columns.packets), optional(columns.bytes), stream);
        body.set_action(action);
        if let Some(flags) = columns.tcp_flags.filter(|a| a.is_valid(row)) {
            body.set_flags(flags.value(row));
        }
        if let Some(direction) = columns.flow_direction.filter(|a| a.is_valid(row)) {
            body.set_direction_code(direction.value(row));
        }
        if let Some(reason) = columns.reject_reason.filter(|a| a.is_valid(row)) {
            body.set_reason(reasons[reason.keys().value(row) as usize]);
        }
        let packet = |array: Option<&arrow::array::FixedSizeBinaryArray>, fallback: u128| {
            array.filter(|a| a.is_valid(row)).map_or(fallback, |a| bits_at(a, row))
        };
        // ICMP ports are 0 by definition; ports of other protocols mean nothing.
        let ported = protocol == 6 || protocol == 17;
        let port = |value: u16| if ported { value } else { 0 };
        let from = Endpoint {
            address: source,
            packet: packet(columns.pkt_srcaddr, source),
            port: port(columns.srcport.value(row)),
        };
        let to = Endpoint {
            address: destination,
            packet: packet(columns.pkt_dstaddr, destination),
            port: port(columns.dstport.value(row)),
        };
        let narrow = |e: &Endpoint| e.address >> 32 == MAPPED && e.address == e.packet;
        if narrow(&from) && narrow(&to) {
            let record = Narrow::pack(interface, from, to, body);
            self.narrow[partition(&record)].push(record);
        } else {
            let record = Wide::pack(interface, from, to, body);
            self.wide[partition(&record)].push(record);
        }
    }

    fn push_coverage(&mut self, batch: &FlowBatch, stream: u16) {
        for row in batch.coverage() {
            let Some(number) = self.number(&row.interface, &InterfaceContext::default()) else { continue };
            let start = u32::try_from(row.start).unwrap_or(0);
            let end = u32::try_from(row.end).unwrap_or(0).max(start);
            let per = &mut self.interfaces[number as usize];
            let coverage = &mut per.coverage;
            if !self.wanted.contains(row.start) {
                // Tallied as NODATA or SKIPDATA already; it only must not widen the window.
                continue;
            }
            coverage.see(start, end);
            coverage.buckets.insert(start / COVERAGE_BUCKET);
            match row.status {
                CaptureStatus::SkipData => {
                    coverage.skip(start, end);
                }
                CaptureStatus::NoData | CaptureStatus::Ok => coverage.nodata += 1,
            }
            per.stream(stream).facts.buckets.insert(start / COVERAGE_BUCKET);
        }
    }
}

fn partition<T: Packed>(record: &T) -> usize {
    (record.spread() >> 58) as usize % PARTITIONS
}

fn reject_reason(value: Option<&str>) -> RejectReason {
    match value {
        Some("BPA") => RejectReason::BlockPublicAccess,
        Some("EC") => RejectReason::EncryptionControls,
        // An open set: one public sample shows "Accepted" on an accepted flow (domain 0.3).
        _ => RejectReason::None,
    }
}

/// One interface of the run.
#[derive(Clone, Debug, Default)]
pub struct InterfaceFacts {
    /// `eni-…` (or `nat-…` for a regional NAT gateway).
    pub id: String,
    /// What the records say about it beside its id.
    pub context: InterfaceContext,
    /// What was watched.
    pub coverage: Coverage,
    pub(crate) common: [CommonAddress; 2],
}

/// Everything that was read, ready for pairing. Interfaces are numbered in the order of their ids.
pub(crate) struct Collected {
    pub interfaces: Vec<InterfaceFacts>,
    pub stream_facts: BTreeMap<(u32, u16), StreamFacts>,
    pub partitions: Vec<PartitionRecords>,
}

/// The records of one partition, unsorted.
pub(crate) struct PartitionRecords {
    narrow: Vec<Blocks<Narrow>>,
    wide: Vec<Blocks<Wide>>,
}

impl PartitionRecords {
    pub fn len(&self) -> usize {
        self.narrow.iter().map(Blocks::len).sum::<usize>() + self.wide.iter().map(Blocks::len).sum::<usize>()
    }

    /// Sorted by tuple and time, interfaces renumbered.
    pub fn sorted(self, renumber: &[u32]) -> (Vec<Narrow>, Vec<Wide>) {
        fn gather<T: Packed>(blocks: Vec<Blocks<T>>, renumber: &[u32]) -> Vec<T> {
            let mut all = Vec::with_capacity(blocks.iter().map(Blocks::len).sum());
            for block in blocks {
                block.drain_into(&mut all);
            }
            for record in &mut all {
                record.set_interface(renumber[record.interface() as usize]);
            }
            all.sort_unstable_by(Packed::order);
            all
        }
        (gather(self.narrow, renumber), gather(self.wide, renumber))
    }
}

/// What one worker hands over when it is done.
pub(crate) struct Share {
    narrow: Vec<Blocks<Narrow>>,
    wide: Vec<Blocks<Wide>>,
    interfaces: Vec<PerInterface>,
}

impl Ingest<'_> {
    /// Ends the worker's part.
    pub fn finish(self) -> Share {
        Share { narrow: self.narrow, wide: self.wide, interfaces: self.interfaces }
    }
}

/// Puts the workers' shares together. The second value renumbers the interfaces of the records.
pub(crate) fn collect(interner: Interner, shares: Vec<Share>) -> (Collected, Vec<u32>) {
    let entries = interner.into_entries();
    let mut by_name: Vec<usize> = (0..entries.len()).collect();
    by_name.sort_by(|&a, &b| entries[a].0.cmp(&entries[b].0));
    let mut renumber = vec![0_u32; entries.len()];
    for (new, &old) in by_name.iter().enumerate() {
        renumber[old] = u32::try_from(new).unwrap_or(u32::MAX);
    }
    let mut interfaces: Vec<InterfaceFacts> = by_name
        .iter()
        .map(|&old| InterfaceFacts {
            id: entries[old].0.clone(),
            context: entries[old].1.clone(),
            ..InterfaceFacts::default()
        })
        .collect();
    let mut stream_facts: BTreeMap<(u32, u16), StreamFacts> = BTreeMap::new();
    let mut partitions: Vec<PartitionRecords> =
        (0..PARTITIONS).map(|_| PartitionRecords { narrow: Vec::new(), wide: Vec::new() }).collect();
    for share in shares {
        for (old, per) in share.interfaces.into_iter().enumerate() {
            let facts = &mut interfaces[renumber[old] as usize];
            facts.coverage.merge(&per.coverage);
            for (into, from) in facts.common.iter_mut().zip(&per.common) {
                into.merge(from);
            }
            for PerStream { stream, facts, .. } in per.streams {
                let into = stream_facts.entry((renumber[old], stream)).or_default();
                into.accepts += facts.accepts;
                into.rejects += facts.rejects;
                into.richness = into.richness.max(facts.richness);
                into.buckets.merge(&facts.buckets);
            }
        }
        for (partition, blocks) in partitions.iter_mut().zip(share.narrow) {
            partition.narrow.push(blocks);
        }
        for (partition, blocks) in partitions.iter_mut().zip(share.wide) {
            partition.wide.push(blocks);
        }
    }
    (Collected { interfaces, stream_facts, partitions }, renumber)
}
