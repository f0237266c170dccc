//! From rows to batches: the checks that text and Parquet share, and the columns of one format.

mod runs;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Field as ArrowField, Int64Type, Schema, UInt8Type, UInt16Type, UInt64Type};
use arrow::error::ArrowError;

use super::columns::{Nullable, TextColumn, addresses, numbers, stored};
use super::extra::{Extra, ExtraValue};
use super::fast::Layout;
use super::fault::Fault;
use super::format::{FormatColumn, LogFormat, Separator, tokens};
use super::options::Projection;
use super::row::{Op, Row};
use crate::flow::{CaptureStatus, CoverageRow, FlowBatch, InterfaceContext, Protocol, column};

pub(super) use runs::{Run, State, Values};

/// Seconds above this are milliseconds: 10^11 seconds are in the year 5138.
pub(super) const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// Fields that a record with status OK must have a value for, where the format has them. Ports and the
/// interface are checked apart.
const NEVER_MISSING: [Op; 6] = [Op::SrcAddr, Op::DstAddr, Op::Protocol, Op::Start, Op::End, Op::Action];

/// How one column of a format is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    /// Index of the extra column that holds the value too.
    pub(super) extra: Option<usize>,
}

/// Builds batches out of rows of one format.
#[derive(Debug)]
pub(super) struct Assembler {
    steps: Vec<Step>,
    /// Set of [`Op`]s that the format has.
    present: u32,
    required: u32,
    /// Rows without an interface are kept, under an empty name.
    nameless: bool,
    /// The column of `version` and what must be there, if a line of another version is of another format.
    version: Option<(usize, Vec<u8>)>,
    /// If rows of this format can go the short way.
    pub(super) layout: Option<Layout>,
    capacity: usize,
    rows: usize,
    interface: TextColumn,
    contexts: Vec<InterfaceContext>,
    srcaddr: Vec<i128>,
    dstaddr: Vec<i128>,
    srcport: Vec<u16>,
    dstport: Vec<u16>,
    protocol: Vec<u8>,
    packets: Nullable<u64>,
    bytes: Nullable<u64>,
    start: Vec<i64>,
    end: Vec<i64>,
    action: Vec<u8>,
    tcp_flags: Nullable<u8>,
    direction: Nullable<u8>,
    pkt_srcaddr: Nullable<i128>,
    pkt_dstaddr: Nullable<i128>,
    reject_reason: TextColumn,
    extras: Vec<Extra>,
    coverage: Vec<CoverageRow>,
}

impl Assembler {
    /// For a format that was accepted. `capacity` is the number of rows to expect in a batch.
    pub(super) fn new(format: &LogFormat, projection: Projection, capacity: usize) -> Self {
        let mut present = 0;
        let mut extras: Vec<Extra> = Vec::new();
        let mut steps = Vec::new();
        for column in format.columns() {
            let mut step = Step { op: Op::Skip, extra: None };
            if let FormatColumn::Known(field) = column {
                let op = Op::of(field.name);
                // The first of several columns of one name is used.
                let repeated = present & op.bit() != 0 && op != Op::Skip;
                if !repeated {
                    step.op = op;
                    present |= op.bit();
                    let twin = extras.iter().any(|extra| extra.field() == **field);
                    if projection.is_all() && !op.has_column() && !twin {
                        step.extra = Some(extras.len());
                        extras.push(Extra::new(**field, capacity));
                    }
                }
            }
            steps.push(step);
        }
        let required = NEVER_MISSING.iter().map(|op| op.bit()).fold(0, |set, bit| set | bit) & present;
        let simple = format.separator() == Separator::Space && extras.is_empty();
        let layout = simple.then(|| Layout::new(steps.iter().map(|step| step.op))).flatten();
        Self {
            steps,
            present,
            required,
            nameless: projection.is_all(),
            version: None,
            layout,
            capacity,
            rows: 0,
            interface: TextColumn::new(capacity),
            contexts: Vec::new(),
            srcaddr: Vec::with_capacity(capacity),
            dstaddr: Vec::with_capacity(capacity),
            srcport: Vec::with_capacity(capacity),
            dstport: Vec::with_capacity(capacity),
            protocol: Vec::with_capacity(capacity),
            packets: Nullable::new(capacity),
            bytes: Nullable::new(capacity),
            start: Vec::with_capacity(capacity),
            end: Vec::with_capacity(capacity),
            action: Vec::with_capacity(capacity),
            tcp_flags: Nullable::new(0),
            direction: Nullable::new(0),
            pkt_srcaddr: Nullable::new(0),
            pkt_dstaddr: Nullable::new(0),
            reject_reason: TextColumn::new(0),
            extras,
            coverage: Vec::new(),
        }
    }

    /// Sets what must be in the column of `version`.
    pub(super) fn expect_version(&mut self, column: usize, version: Vec<u8>) {
        if let Some(layout) = &mut self.layout {
            layout.expect(column, &version);
        }
        self.version = Some((column, version));
    }

    /// True if the line has the version it must have, if any.
    #[inline]
    pub(super) fn has_expected_version(&self, separator: Separator, line: &[u8]) -> bool {
        self.version
            .as_ref()
            .is_none_or(|(column, version)| tokens(line, separator).nth(*column) == Some(version.as_slice()))
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    pub(super) fn has_extras(&self) -> bool {
        !self.extras.is_empty()
    }

    /// Rows of any kind that wait to be taken.
    pub(super) fn buffered(&self) -> usize {
        self.rows + self.coverage.len()
    }

    fn has(&self, op: Op) -> bool {
        self.present & op.bit() != 0
    }

    /// Adds a value of the row that is being read to an extra column. A row that turns out not to be used
    /// must be taken back with [`Assembler::forget_row`].
    pub(super) fn push_extra(&mut self, index: usize, value: ExtraValue<'_>) -> Result<(), Fault> {
        self.extras[index].push(value)
    }

    /// Drops what an unused row left in the extra columns.
    pub(super) fn forget_row(&mut self) {
        for extra in &mut self.extras {
            extra.truncate(self.rows);
        }
    }

    /// Checks a row and keeps it, as a record or as coverage.
    #[inline]
    pub(super) fn settle(&mut self, row: &Row<'_>) -> Result<CaptureStatus, Fault> {
        let status = self.status_of(row);
        if status == CaptureStatus::Ok {
            self.settle_record(row)?;
        } else {
            self.settle_coverage(row, status)?;
        }
        Ok(status)
    }

    #[inline]
    fn status_of(&self, row: &Row<'_>) -> CaptureStatus {
        match row.status {
            Some(status) => status,
            None if self.has(Op::SrcAddr) && !row.has(Op::SrcAddr) => CaptureStatus::NoData,
            None => CaptureStatus::Ok,
        }
    }

    /// A second look at a row that has a fault: if it is a NODATA or SKIPDATA row, only where and when
    /// matter, so it is kept in spite of its other columns. `values` are those of all steps; `read` puts
    /// one into the row or returns false if it is not of its kind.
    ///
    /// # Errors
    /// `fault` if the row is a record, or what is wrong with its place or time.
    #[cold]
    pub(super) fn settle_faulty<'v, V>(
        &mut self,
        fault: Fault,
        values: impl Iterator<Item = V>,
        read: impl Fn(&mut Row<'v>, Op, V) -> bool,
    ) -> Result<CaptureStatus, Fault> {
        self.forget_row();
        let mut row = Row::default();
        let mut wrong = None;
        for (step, value) in self.steps.iter().zip(values) {
            let op = step.op;
            let looked_at =
                matches!(op, Op::Status | Op::SrcAddr | Op::Interface | Op::Resource | Op::Start | Op::End);
            if looked_at && !read(&mut row, op, value) {
                match op {
                    Op::Status => return Err(fault),
                    // Of the source it matters only whether there is one.
                    Op::SrcAddr => row.present |= op.bit(),
                    _ => wrong = wrong.or(Some(Fault::Value { field: op.field() })),
                }
            }
        }
        match (self.status_of(&row), wrong) {
            (CaptureStatus::Ok, _) => Err(fault),
            (_, Some(wrong)) => Err(wrong),
            (status, None) => self.settle_coverage(&row, status).map(|()| status),
        }
    }

    #[inline]
    fn settle_record(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let ports = (Op::SrcPort.bit() | Op::DstPort.bit()) & self.present;
        if row.present & (self.required | ports) != self.required | ports {
            self.allow_missing(row)?;
        }
        let start = seconds(row.start, Op::Start)?;
        let end = seconds(row.end, Op::End)?;
        if end < start && self.has(Op::Start) && self.has(Op::End) {
            return Err(Fault::EndBeforeStart { start, end });
        }
        let reject_reason = match row.has(Op::RejectReason) {
            true => Some(self.meet_reject_reason(row.reject_reason)?),
            false => None,
        };
        if self.has(Op::Interface) || self.has(Op::Resource) {
            self.push_interface(row)?;
        }
        self.srcaddr.push(stored(row.srcaddr));
        self.dstaddr.push(stored(row.dstaddr));
        self.srcport.push(row.srcport);
        self.dstport.push(row.dstport);
        self.protocol.push(row.protocol);
        if self.has(Op::Packets) {
            self.packets.push(row.has(Op::Packets).then_some(row.packets));
        }
        if self.has(Op::Bytes) {
            self.bytes.push(row.has(Op::Bytes).then_some(row.bytes));
        }
        self.start.push(start);
        self.end.push(end);
        self.action.push(row.action);
        if self.has(Op::TcpFlags) {
            self.tcp_flags.push(row.has(Op::TcpFlags).then_some(row.tcp_flags));
        }
        if self.has(Op::Direction) {
            self.direction.push(row.has(Op::Direction).then_some(row.direction));
        }
        if self.has(Op::PktSrcAddr) {
            self.pkt_srcaddr.push(row.has(Op::PktSrcAddr).then_some(stored(row.pkt_srcaddr)));
        }
        if self.has(Op::PktDstAddr) {
            self.pkt_dstaddr.push(row.has(Op::PktDstAddr).then_some(stored(row.pkt_dstaddr)));
        }
        if self.has(Op::RejectReason) {
            self.reject_reason.push_key(reject_reason);
        }
        self.rows += 1;
        Ok(())
    }

    /// The interface of a row, and the field that names it: regional NAT gateways have `-` for
    /// `interface-id` and are named by `resource-id`.
    #[inline]
    fn interface_of<'a>(&self, row: &Row<'a>) -> Result<(&'a [u8], &'static str), Fault> {
        if row.has(Op::Interface) {
            Ok((row.interface, Op::Interface.field()))
        } else if row.has(Op::Resource) {
            Ok((row.resource, Op::Resource.field()))
        } else if self.nameless {
            Ok((b"", Op::Interface.field()))
        } else {
            Err(Fault::NoInterface)
        }
    }

    /// The number of an interface that was met in this batch.
    pub(super) fn known_interface(&self, name: &[u8]) -> Option<u32> {
        self.interface.dictionary.find(name)
    }

    /// The number of a reason that was met in this batch.
    pub(super) fn known_reject_reason(&self, reason: &[u8]) -> Option<u32> {
        self.reject_reason.dictionary.find(reason)
    }

    /// Some required value is `-`: fine for the ports of a protocol without ports, a fault otherwise.
    #[cold]
    fn allow_missing(&self, row: &Row<'_>) -> Result<(), Fault> {
        let missing = |op: &Op| self.has(*op) && !row.has(*op);
        if let Some(op) = NEVER_MISSING.iter().find(|op| missing(op)) {
            return Err(Fault::Missing { field: op.field() });
        }
        match [Op::SrcPort, Op::DstPort].iter().find(|op| missing(op)) {
            Some(op) if Protocol(row.protocol).has_ports() => Err(Fault::Missing { field: op.field() }),
            _ => Ok(()),
        }
    }

    #[inline]
    fn push_interface(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let key = self.meet_interface(row)?;
        self.interface.push_key(Some(key));
        Ok(())
    }

    /// The number of the interface of a row, which may be new in this batch.
    #[inline]
    pub(super) fn meet_interface(&mut self, row: &Row<'_>) -> Result<u32, Fault> {
        let (name, field) = self.interface_of(row)?;
        let key = self.interface.dictionary.intern(name).map_err(|bad| Fault::text(field, bad))?;
        if key as usize == self.contexts.len() {
            self.contexts.push(context_of(row));
        }
        Ok(key)
    }

    /// The number of a reason, which may be new in this batch.
    #[inline]
    pub(super) fn meet_reject_reason(&mut self, reason: &[u8]) -> Result<u32, Fault> {
        let met = self.reject_reason.dictionary.intern(reason);
        met.map_err(|bad| Fault::text(Op::RejectReason.field(), bad))
    }

    /// Keeps a NODATA or SKIPDATA row, if it says where and when; a format without these fields can't.
    #[cold]
    fn settle_coverage(&mut self, row: &Row<'_>, status: CaptureStatus) -> Result<(), Fault> {
        self.forget_row();
        if !(self.has(Op::Interface) || self.has(Op::Resource)) || !self.has(Op::Start) || !self.has(Op::End)
        {
            return Ok(());
        }
        let (name, field) = self.interface_of(row)?;
        for op in [Op::Start, Op::End] {
            if !row.has(op) {
                return Err(Fault::Missing { field: op.field() });
            }
        }
        let start = seconds(row.start, Op::Start)?;
        let end = seconds(row.end, Op::End)?;
        if end < start {
            return Err(Fault::EndBeforeStart { start, end });
        }
        let interface = std::str::from_utf8(name).map_err(|_| Fault::NotUtf8 { field })?.to_owned();
        self.coverage.push(CoverageRow { interface, status, start, end });
        Ok(())
    }

    /// What was kept since the last call, if anything.
    pub(super) fn take(&mut self) -> Result<Option<FlowBatch>, ArrowError> {
        if self.buffered() == 0 {
            return Ok(None);
        }
        let mut out = Batch { fields: Vec::new(), arrays: Vec::new() };
        let n = self.capacity;
        let set = self.present;
        let interface = Op::Interface.bit() | Op::Resource.bit();
        out.add(set & interface != 0, column::INTERFACE, false, self.interface.take(n)?);
        out.add(self.has(Op::SrcAddr), column::SRCADDR, false, addresses(fresh(&mut self.srcaddr, n))?);
        out.add(self.has(Op::DstAddr), column::DSTADDR, false, addresses(fresh(&mut self.dstaddr, n))?);
        let srcport = numbers::<UInt16Type>(fresh(&mut self.srcport, n))?;
        out.add(self.has(Op::SrcPort), column::SRCPORT, false, srcport);
        let dstport = numbers::<UInt16Type>(fresh(&mut self.dstport, n))?;
        out.add(self.has(Op::DstPort), column::DSTPORT, false, dstport);
        let protocol = numbers::<UInt8Type>(fresh(&mut self.protocol, n))?;
        out.add(self.has(Op::Protocol), column::PROTOCOL, false, protocol);
        out.add(self.has(Op::Packets), column::PACKETS, true, numbers::<UInt64Type>(self.packets.take(n))?);
        out.add(self.has(Op::Bytes), column::BYTES, true, numbers::<UInt64Type>(self.bytes.take(n))?);
        out.add(self.has(Op::Start), column::START, false, numbers::<Int64Type>(fresh(&mut self.start, n))?);
        out.add(self.has(Op::End), column::END, false, numbers::<Int64Type>(fresh(&mut self.end, n))?);
        out.add(
            self.has(Op::Action),
            column::ACTION,
            false,
            numbers::<UInt8Type>(fresh(&mut self.action, n))?,
        );
        if self.has(Op::TcpFlags) {
            out.add(true, column::TCP_FLAGS, true, numbers::<UInt8Type>(self.tcp_flags.take(n))?);
        }
        if self.has(Op::Direction) {
            out.add(true, column::FLOW_DIRECTION, true, numbers::<UInt8Type>(self.direction.take(n))?);
        }
        if self.has(Op::PktSrcAddr) {
            out.add(true, column::PKT_SRCADDR, true, addresses(self.pkt_srcaddr.take(n))?);
        }
        if self.has(Op::PktDstAddr) {
            out.add(true, column::PKT_DSTADDR, true, addresses(self.pkt_dstaddr.take(n))?);
        }
        if self.has(Op::RejectReason) {
            out.add(true, column::REJECT_REASON, true, self.reject_reason.take(n)?);
        }
        for extra in &mut self.extras {
            let name = extra.field().column();
            out.add(true, &name, true, extra.take(n)?);
        }
        if let Some(layout) = &mut self.layout {
            layout.forget();
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.rows = 0;
        let schema = Arc::new(Schema::new(out.fields));
        let records = RecordBatch::try_new_with_options(schema, out.arrays, &options)?;
        let contexts = std::mem::take(&mut self.contexts);
        FlowBatch::try_new(records, contexts, std::mem::take(&mut self.coverage)).map(Some)
    }
}

struct Batch {
    fields: Vec<ArrowField>,
    arrays: Vec<ArrayRef>,
}

impl Batch {
    fn add(&mut self, wanted: bool, name: &str, nullable: bool, array: ArrayRef) {
        if wanted {
            self.fields.push(ArrowField::new(name, array.data_type().clone(), nullable));
            self.arrays.push(array);
        }
    }
}

/// The values, none of them null, leaving an empty vector of the same capacity.
fn fresh<T>(values: &mut Vec<T>, capacity: usize) -> (Vec<T>, Option<NullBuffer>) {
    (std::mem::replace(values, Vec::with_capacity(capacity)), None)
}

fn context_of(row: &Row<'_>) -> InterfaceContext {
    let text = |op: Op, value: &[u8]| {
        row.has(op).then(|| std::str::from_utf8(value).ok().map(str::to_owned)).flatten()
    };
    InterfaceContext {
        account: text(Op::Account, row.account),
        vpc: text(Op::Vpc, row.vpc),
        subnet: text(Op::Subnet, row.subnet),
        instance: text(Op::Instance, row.instance),
        region: text(Op::Region, row.region),
    }
}

/// Unix seconds out of seconds or milliseconds.
#[inline]
pub(super) fn seconds(time: u64, op: Op) -> Result<i64, Fault> {
    let time = if time > MILLISECONDS_FROM { time / 1000 } else { time };
    match i64::try_from(time) {
        Ok(seconds) if time <= MILLISECONDS_FROM => Ok(seconds),
        _ => Err(Fault::Time { field: op.field() }),
    }
}
