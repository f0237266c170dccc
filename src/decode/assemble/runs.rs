//! Records that had their checks, many at a time.

use std::ops::Range;

use super::Assembler;
use crate::decode::columns::Nullable;
use crate::decode::fast::Record;
use crate::decode::row::Op;

/// What became of one value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::decode) enum State {
    #[default]
    Present,
    Missing,
    /// Not what the field asks for: for whoever looks at rows one by one.
    Odd,
}

/// The values of one column. `states` is empty if all are present; what is not present has the default value.
#[derive(Debug, Default)]
pub(in crate::decode) struct Values<T> {
    pub(in crate::decode) values: Vec<T>,
    pub(in crate::decode) states: Vec<State>,
}

/// Rows as columns, of which runs can be kept. Columns that the format does not have are empty.
#[derive(Debug, Default)]
pub(in crate::decode) struct Run {
    /// Numbers of interfaces, from the beginning of the run that is to be kept.
    pub(in crate::decode) interface: Vec<u32>,
    /// As `interface`; `None` where there is no reason.
    pub(in crate::decode) reject_reason: Vec<Option<u32>>,
    pub(in crate::decode) srcaddr: Values<i128>,
    pub(in crate::decode) dstaddr: Values<i128>,
    pub(in crate::decode) pkt_srcaddr: Values<i128>,
    pub(in crate::decode) pkt_dstaddr: Values<i128>,
    pub(in crate::decode) srcport: Values<u16>,
    pub(in crate::decode) dstport: Values<u16>,
    pub(in crate::decode) protocol: Values<u8>,
    pub(in crate::decode) packets: Values<u64>,
    pub(in crate::decode) bytes: Values<u64>,
    pub(in crate::decode) start: Values<i64>,
    pub(in crate::decode) end: Values<i64>,
    pub(in crate::decode) action: Values<u8>,
    pub(in crate::decode) tcp_flags: Values<u8>,
    pub(in crate::decode) direction: Values<u8>,
}

impl<T: Copy + Default> Values<T> {
    /// Moves a run into a column that has no nulls.
    fn append_to(&self, column: &mut Vec<T>, run: Range<usize>) {
        column.extend_from_slice(&self.values[run]);
    }

    /// Moves a run into a column that may have nulls.
    fn append_nullable(&self, column: &mut Nullable<T>, run: Range<usize>) {
        let values = self.values[run.clone()].iter().copied();
        match self.states.get(run) {
            Some(states) => column.extend(values, states.iter().map(|state| *state == State::Present)),
            None => column.extend_present(values),
        }
    }
}

impl Assembler {
    /// Keeps records read the short way, which had their checks.
    pub(in crate::decode) fn push_records(&mut self, records: &[Record]) {
        let valid = |op: Op| records.iter().map(move |record| record.missing & op.bit() == 0);
        self.interface
            .keys
            .extend(records.iter().map(|record| record.interface), records.iter().map(|_| true));
        self.srcaddr.extend(records.iter().map(|record| record.srcaddr));
        self.dstaddr.extend(records.iter().map(|record| record.dstaddr));
        self.srcport.extend(records.iter().map(|record| record.srcport));
        self.dstport.extend(records.iter().map(|record| record.dstport));
        self.protocol.extend(records.iter().map(|record| record.protocol));
        // Both are at most 10^11.
        self.start.extend(records.iter().map(|record| record.start.cast_signed()));
        self.end.extend(records.iter().map(|record| record.end.cast_signed()));
        self.action.extend(records.iter().map(|record| record.action));
        if self.has(Op::Packets) {
            self.packets.extend(records.iter().map(|record| record.packets), valid(Op::Packets));
        }
        if self.has(Op::Bytes) {
            self.bytes.extend(records.iter().map(|record| record.bytes), valid(Op::Bytes));
        }
        if self.has(Op::TcpFlags) {
            self.tcp_flags.extend(records.iter().map(|record| record.tcp_flags), valid(Op::TcpFlags));
        }
        if self.has(Op::Direction) {
            self.direction.extend(records.iter().map(|record| record.direction), valid(Op::Direction));
        }
        if self.has(Op::PktSrcAddr) {
            self.pkt_srcaddr.extend(records.iter().map(|record| record.pkt_srcaddr), valid(Op::PktSrcAddr));
        }
        if self.has(Op::PktDstAddr) {
            self.pkt_dstaddr.extend(records.iter().map(|record| record.pkt_dstaddr), valid(Op::PktDstAddr));
        }
        if self.has(Op::RejectReason) {
            self.reject_reason.keys.extend(records.iter().map(|r| r.reject_reason), valid(Op::RejectReason));
        }
        self.rows += records.len();
    }

    /// Keeps a run of rows that are records and had their checks.
    pub(in crate::decode) fn push_run(&mut self, from: &Run, run: Range<usize>) {
        self.interface.keys.extend_present(from.interface.iter().copied());
        from.srcaddr.append_to(&mut self.srcaddr, run.clone());
        from.dstaddr.append_to(&mut self.dstaddr, run.clone());
        from.srcport.append_to(&mut self.srcport, run.clone());
        from.dstport.append_to(&mut self.dstport, run.clone());
        from.protocol.append_to(&mut self.protocol, run.clone());
        from.start.append_to(&mut self.start, run.clone());
        from.end.append_to(&mut self.end, run.clone());
        from.action.append_to(&mut self.action, run.clone());
        if self.has(Op::Packets) {
            from.packets.append_nullable(&mut self.packets, run.clone());
        }
        if self.has(Op::Bytes) {
            from.bytes.append_nullable(&mut self.bytes, run.clone());
        }
        if self.has(Op::TcpFlags) {
            from.tcp_flags.append_nullable(&mut self.tcp_flags, run.clone());
        }
        if self.has(Op::Direction) {
            from.direction.append_nullable(&mut self.direction, run.clone());
        }
        if self.has(Op::PktSrcAddr) {
            from.pkt_srcaddr.append_nullable(&mut self.pkt_srcaddr, run.clone());
        }
        if self.has(Op::PktDstAddr) {
            from.pkt_dstaddr.append_nullable(&mut self.pkt_dstaddr, run.clone());
        }
        if self.has(Op::RejectReason) {
            let keys = from.reject_reason.iter();
            self.reject_reason
                .keys
                .extend(keys.clone().map(|key| key.unwrap_or_default()), keys.map(Option::is_some));
        }
        self.rows += run.len();
    }
}
