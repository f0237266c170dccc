//! From batches to packed, partitioned records; and the facts about interfaces that need every record.

use std::collections::BTreeSet;

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::ArrowNativeType;
use arrow::error::ArrowError;
use hashbrown::HashMap;

use super::coverage::COVERAGE_BUCKET;
use super::interfaces::{Interner, LaneFacts, census};
use super::packed::{Narrow, PlainEnd, Wide, ordered, spread};
use super::partition::{Collected, gather};
use super::record::{Body, Endpoint, RejectReason};
use super::shelf::{PARTITIONS, Room, Shelves};
use super::spill::SpillError;
use crate::flow::{Action, CaptureStatus, Columns, FlowBatch, InterfaceContext, address_bytes};

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
    /// Places in `facts`, by interface and flow log.
    places: HashMap<String, Vec<(u16, usize)>>,
    facts: Vec<LaneFacts>,
    /// The latest context of each place that the interner was told of.
    told: Vec<InterfaceContext>,
    shelves: Shelves,
    /// Records left out because of their time or interface.
    pub out_of_range: u64,
}

impl<'a> Ingest<'a> {
    pub fn new(interner: &'a Interner, wanted: Wanted, room: Room) -> Self {
        Self {
            interner,
            wanted,
            places: HashMap::new(),
            facts: Vec::new(),
            told: Vec::new(),
            shelves: Shelves::new(room),
            out_of_range: 0,
        }
    }

    /// Where the facts of the interface's lane are, or `None` if it is not wanted.
    fn place(&mut self, name: &str, stream: u16, context: &InterfaceContext) -> Option<usize> {
        if !self.wanted.interfaces.is_empty() && !self.wanted.interfaces.contains(name) {
            return None;
        }
        if let Some(places) = self.places.get(name)
            && let Some(&(_, place)) = places.iter().find(|(of, _)| *of == stream)
        {
            // A row without a context (NODATA) may have come first, and contexts may differ: all of them count, so that
            // nothing depends on who came first.
            if self.told[place] != *context && *context != InterfaceContext::default() {
                self.interner.lane(name, stream, context);
                self.told[place].clone_from(context);
            }
            return Some(place);
        }
        let lane = self.interner.lane(name, stream, context);
        let place = self.facts.len();
        self.told.push(context.clone());
        self.facts.push(LaneFacts { lane, ..LaneFacts::default() });
        self.places.entry_ref(name).or_default().push((stream, place));
        Some(place)
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
        let places: Vec<Option<usize>> =
            (0..names.len()).map(|i| self.place(names.value(i), stream, &contexts[i])).collect();
        let rows = Rows::new(&columns)?;
        for place in places.iter().flatten() {
            let richness = &mut self.facts[*place].stream.richness;
            *richness = rows.richness.max(*richness);
        }
        for (row, &key) in columns.interface.keys().values().iter().enumerate() {
            match places[key as usize] {
                Some(place) => self.push_row(&rows, row, place),
                None => self.out_of_range += 1,
            }
        }
        self.shelves.put_away();
        Ok(())
    }

    /// Lets go of records if there are too many in memory. To be called after each batch.
    ///
    /// # Errors
    /// When they cannot be written to disk.
    pub fn make_room(&mut self) -> Result<(), SpillError> {
        self.shelves.make_room()
    }

    #[inline]
    fn push_row(&mut self, rows: &Rows<'_>, row: usize, place: usize) {
        let start = rows.start[row];
        if !self.wanted.contains(start) {
            self.out_of_range += 1;
            return;
        }
        // The decoder refuses times outside of 32 bits, so these conversions are exact.
        let start = u32::try_from(start).unwrap_or(u32::MAX);
        let end = u32::try_from(rows.end[row]).unwrap_or(u32::MAX).max(start);
        let source = u128::from_be_bytes(rows.srcaddr[row]);
        let destination = u128::from_be_bytes(rows.dstaddr[row]);
        let action = Action::from_code(rows.action[row]);
        let protocol = rows.protocol[row];

        let facts = &mut self.facts[place];
        let family = usize::from(source >> 32 != 0xffff);
        facts.common[family].see(source, destination);
        facts.coverage.see(start, end);
        facts.coverage.records += 1;
        facts.coverage.accepts += u64::from(action == Action::Accept);
        facts.coverage.rejects += u64::from(action == Action::Reject);
        let buckets = (start / COVERAGE_BUCKET, end / COVERAGE_BUCKET);
        if facts.last != Some(buckets) {
            facts.last = Some(buckets);
            facts.coverage.buckets.insert(buckets.0);
            facts.stream.buckets.insert(buckets.0);
            facts.stream.buckets.insert(buckets.1);
        }
        let lane = facts.lane;

        let mut body = Body::new(
            protocol,
            start,
            end,
            rows.packets.get(row).unwrap_or(0),
            rows.bytes.get(row).unwrap_or(0),
        );
        body.set_action(action);
        if let Some(flags) = rows.tcp_flags.get(row) {
            body.set_flags(flags);
        }
        if let Some(direction) = rows.flow_direction.get(row) {
            body.set_direction_code(direction);
        }
        if let Some(reason) = rows.reason(row) {
            body.set_reason(reason);
        }
        // ICMP ports are 0 by definition; ports of other protocols mean nothing. Here and below without a branch where it
        // would be another way from record to record, for nobody can foretell which.
        let ported = 0_u16.wrapping_sub(u16::from((protocol == 6) | (protocol == 17)));
        let ports = (rows.srcport[row] & ported, rows.dstport[row] & ported);
        if (source >> 32 == 0xffff) & (destination >> 32 == 0xffff) & rows.is_direct(row) {
            let from = PlainEnd::new(source as u32, ports.0);
            let to = PlainEnd::new(destination as u32, ports.1);
            let (low, high, flipped) = PlainEnd::ordered(from, to);
            if let Some(record) = Narrow::pack(lane, low, high, flipped, &body) {
                self.shelves.push_narrow(partition_of(PlainEnd::spread(low, high, protocol)), record);
                return;
            }
        }
        self.push_wide(rows, row, lane, ports, body);
    }

    #[inline(never)]
    fn push_wide(&mut self, rows: &Rows<'_>, row: usize, lane: u32, ports: (u16, u16), body: Body) {
        let end = |address: &[u8; 16], packet: Option<[u8; 16]>, port| Endpoint {
            address: u128::from_be_bytes(*address),
            packet: u128::from_be_bytes(packet.unwrap_or(*address)),
            port,
        };
        let from = end(&rows.srcaddr[row], rows.pkt_srcaddr.get(row), ports.0);
        let to = end(&rows.dstaddr[row], rows.pkt_dstaddr.get(row), ports.1);
        let (low, high, flipped) = ordered(from, to);
        let partition = partition_of(spread(&low, &high, body.protocol));
        self.shelves.push_wide(partition, Wide::pack(lane, low, high, flipped, body));
    }

    fn push_coverage(&mut self, batch: &FlowBatch, stream: u16) {
        for row in batch.coverage() {
            let Some(place) = self.place(&row.interface, stream, &InterfaceContext::default()) else {
                continue;
            };
            let start = u32::try_from(row.start).unwrap_or(0);
            let end = u32::try_from(row.end).unwrap_or(0).max(start);
            let facts = &mut self.facts[place];
            let coverage = &mut facts.coverage;
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
            facts.stream.buckets.insert(start / COVERAGE_BUCKET);
        }
    }

    /// Ends the worker's part.
    pub fn finish(self) -> Share {
        Share { facts: self.facts, shelves: self.shelves }
    }
}

fn partition_of(spread: u64) -> usize {
    (spread >> 32) as usize % PARTITIONS
}

/// What one worker hands over when it is done.
pub(crate) struct Share {
    facts: Vec<LaneFacts>,
    shelves: Shelves,
}

/// Puts the workers' shares together.
pub(crate) fn collect(interner: Interner, shares: Vec<Share>) -> Collected {
    let (facts, shelves): (Vec<_>, Vec<_>) = shares.into_iter().map(|s| (s.facts, s.shelves)).unzip();
    let census = census(interner, facts.into_iter());
    gather(census, shelves)
}

/// The columns of a batch as slices.
struct Rows<'a> {
    srcaddr: &'a [[u8; 16]],
    dstaddr: &'a [[u8; 16]],
    srcport: &'a [u16],
    dstport: &'a [u16],
    protocol: &'a [u8],
    start: &'a [i64],
    end: &'a [i64],
    action: &'a [u8],
    packets: Sparse<'a, u64>,
    bytes: Sparse<'a, u64>,
    tcp_flags: Sparse<'a, u8>,
    flow_direction: Sparse<'a, u8>,
    pkt_srcaddr: Sparse<'a, [u8; 16]>,
    pkt_dstaddr: Sparse<'a, [u8; 16]>,
    reject_reason: Sparse<'a, u32>,
    /// By key of `reject_reason`.
    reasons: Vec<RejectReason>,
    /// Optional engine columns there are: richer formats are preferred.
    richness: u8,
}

/// An optional column that may hold nulls.
struct Sparse<'a, T> {
    values: &'a [T],
    nulls: Option<&'a NullBuffer>,
}

impl<'a, T: ArrowNativeType> Sparse<'a, T> {
    fn of<P: ArrowPrimitiveType<Native = T>>(array: Option<&'a PrimitiveArray<P>>) -> Self {
        Self { values: array.map_or(&[], |a| a.values()), nulls: array.and_then(Array::nulls) }
    }
}

impl<T: Copy> Sparse<'_, T> {
    #[inline]
    fn get(&self, row: usize) -> Option<T> {
        let value = self.values.get(row)?;
        self.nulls.is_none_or(|nulls| nulls.is_valid(row)).then_some(*value)
    }
}

impl<'a> Rows<'a> {
    fn new(columns: &Columns<'a>) -> Result<Self, ArrowError> {
        let packet = |array: Option<&'a FixedSizeBinaryArray>| {
            let nulls = array.and_then(Array::nulls);
            Ok::<_, ArrowError>(Sparse { values: array.map_or(Ok(&[][..]), addresses)?, nulls })
        };
        let reasons = columns.reject_reason.map_or_else(Vec::new, |dictionary| {
            dictionary.values().as_string::<i32>().iter().map(reject_reason).collect()
        });
        Ok(Self {
            srcaddr: addresses(columns.srcaddr)?,
            dstaddr: addresses(columns.dstaddr)?,
            srcport: columns.srcport.values(),
            dstport: columns.dstport.values(),
            protocol: columns.protocol.values(),
            start: columns.start.values(),
            end: columns.end.values(),
            action: columns.action.values(),
            packets: Sparse::of(columns.packets),
            bytes: Sparse::of(columns.bytes),
            tcp_flags: Sparse::of(columns.tcp_flags),
            flow_direction: Sparse::of(columns.flow_direction),
            pkt_srcaddr: packet(columns.pkt_srcaddr)?,
            pkt_dstaddr: packet(columns.pkt_dstaddr)?,
            reject_reason: Sparse::of(columns.reject_reason.map(DictionaryArray::keys)),
            reasons,
            richness: u8::from(columns.tcp_flags.is_some())
                + u8::from(columns.flow_direction.is_some())
                + u8::from(columns.pkt_srcaddr.is_some()),
        })
    }

    /// The packet-level addresses are the record's own.
    #[inline]
    fn is_direct(&self, row: usize) -> bool {
        self.pkt_srcaddr.get(row).is_none_or(|packet| packet == self.srcaddr[row])
            & self.pkt_dstaddr.get(row).is_none_or(|packet| packet == self.dstaddr[row])
    }

    #[inline]
    fn reason(&self, row: usize) -> Option<RejectReason> {
        Some(self.reasons[self.reject_reason.get(row)? as usize])
    }
}

/// The values of an address column.
fn addresses(array: &FixedSizeBinaryArray) -> Result<&[[u8; 16]], ArrowError> {
    match address_bytes(array) {
        values if values.len() == array.len() => Ok(values),
        _ => Err(ArrowError::SchemaError("addresses are not of 16 bytes each".to_owned())),
    }
}

fn reject_reason(value: Option<&str>) -> RejectReason {
    match value {
        Some("BPA") => RejectReason::BlockPublicAccess,
        Some("EC") => RejectReason::EncryptionControls,
        // An open set: one public sample shows "Accepted" on an accepted flow (domain 0.3).
        _ => RejectReason::None,
    }
}
