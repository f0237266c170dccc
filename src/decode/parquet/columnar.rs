//! Rows column by column: the short way through batches, most of whose rows are records with nothing odd.
//!
//! Each column is read for all rows of a batch, each distinct value of a dictionary once for all batches that
//! share it. Whatever is not as expected (an idle row, a value missing that a record needs, one that
//! cannot be read, an interval that runs backwards) makes its row odd, and odd rows are left to [`super::rows`],
//! which looks at them one by one. So nothing here may take a row, or give it a meaning, that is not taken
//! there: values are read by the same functions, except where they are numbers already.
//! The tests of this module compare the two.

mod values;

use std::ops::Range;

use super::cells::{Cell, Cells};
use super::rows::read_cell;
use crate::decode::assemble::{Assembler, Run, State, Step};
use crate::decode::row::{Op, Row};
use crate::flow::Protocol;
use values::{Memory, NO_KEY, read, read_numbers};

/// Columns without which nothing is read column by column; the engine asks for them, except that a resource may
/// stand for the interface.
const NEEDED: [Op; 9] = [
    Op::Interface,
    Op::SrcAddr,
    Op::DstAddr,
    Op::SrcPort,
    Op::DstPort,
    Op::Protocol,
    Op::Start,
    Op::End,
    Op::Action,
];

/// Reads the columns of one file.
#[derive(Debug, Default)]
pub(super) struct Columnar {
    /// The meaning of each column; empty if the file must be read row by row.
    ops: Vec<Op>,
    run: Run,
    /// Rows of the present batch to be looked at one by one.
    odd: Vec<bool>,
    interface: usize,
    reject_reason: Option<usize>,
    addresses: [Memory<i128>; 4],
    octets: [Memory<u8>; 4],
    ports: [Memory<u16>; 2],
    counts: [Memory<u64>; 2],
    times: [Memory<i64>; 2],
    /// Of columns of which only the state matters, by their place.
    texts: Vec<Memory<()>>,
    states: Vec<State>,
}

impl Columnar {
    /// For a file with these columns.
    pub(super) fn new(steps: &[Step]) -> Self {
        let ops: Vec<Op> = steps.iter().map(|step| step.op).collect();
        let interface = ops.iter().position(|op| *op == Op::Interface);
        let usable = NEEDED.iter().all(|op| ops.contains(op))
            // Nobody reads these here, and yet a value that is none would be a fault.
            && steps.iter().all(|step| step.op != Op::Skip && step.extra.is_none());
        let (Some(interface), true) = (interface, usable) else { return Self::default() };
        Self {
            interface,
            reject_reason: ops.iter().position(|op| *op == Op::RejectReason),
            texts: ops.iter().map(|_| Memory::default()).collect(),
            ops,
            ..Self::default()
        }
    }

    /// To be called when the dictionaries of a batch start over.
    pub(super) fn forget(&mut self) {
        self.texts.iter_mut().for_each(Memory::forget);
    }

    /// Reads all columns of some rows and finds out which rows are odd.
    pub(super) fn read(&mut self, columns: &[Cells], rows: usize) {
        self.odd.clear();
        self.odd.resize(rows, self.ops.is_empty());
        let Self { run, addresses, octets, ports, counts, times, texts, states, .. } = self;
        for (index, (op, cells)) in self.ops.iter().copied().zip(columns).enumerate() {
            let odd = &mut self.odd;
            match op {
                Op::SrcAddr => read(cells, op, rows, &mut addresses[0], &mut run.srcaddr),
                Op::DstAddr => read(cells, op, rows, &mut addresses[1], &mut run.dstaddr),
                Op::PktSrcAddr => read(cells, op, rows, &mut addresses[2], &mut run.pkt_srcaddr),
                Op::PktDstAddr => read(cells, op, rows, &mut addresses[3], &mut run.pkt_dstaddr),
                Op::Action => read(cells, op, rows, &mut octets[0], &mut run.action),
                Op::Direction => read(cells, op, rows, &mut octets[1], &mut run.direction),
                Op::Protocol => read_numbers(cells, op, rows, &mut octets[2], &mut run.protocol),
                Op::TcpFlags => read_numbers(cells, op, rows, &mut octets[3], &mut run.tcp_flags),
                Op::SrcPort => read_numbers(cells, op, rows, &mut ports[0], &mut run.srcport),
                Op::DstPort => read_numbers(cells, op, rows, &mut ports[1], &mut run.dstport),
                Op::Packets => read_numbers(cells, op, rows, &mut counts[0], &mut run.packets),
                Op::Bytes => read_numbers(cells, op, rows, &mut counts[1], &mut run.bytes),
                Op::Start => read_numbers(cells, op, rows, &mut times[0], &mut run.start),
                Op::End => read_numbers(cells, op, rows, &mut times[1], &mut run.end),
                _ => {
                    texts[index].states_of(cells, op, rows, states);
                    mark(odd, states, if op == Op::Interface { State::Missing } else { State::Odd });
                }
            }
        }
        self.check_rows();
    }

    /// What must hold of a row that is a record, beside its texts and status.
    fn check_rows(&mut self) {
        let Self { run, odd, .. } = self;
        if self.ops.is_empty() {
            return;
        }
        mark(odd, &run.srcaddr.states, State::Missing);
        mark(odd, &run.dstaddr.states, State::Missing);
        mark(odd, &run.protocol.states, State::Missing);
        mark(odd, &run.start.states, State::Missing);
        mark(odd, &run.end.states, State::Missing);
        mark(odd, &run.action.states, State::Missing);
        mark(odd, &run.packets.states, State::Odd);
        mark(odd, &run.bytes.states, State::Odd);
        mark(odd, &run.tcp_flags.states, State::Odd);
        mark(odd, &run.direction.states, State::Odd);
        mark(odd, &run.pkt_srcaddr.states, State::Odd);
        mark(odd, &run.pkt_dstaddr.states, State::Odd);
        for port in [&run.srcport, &run.dstport] {
            let protocols = run.protocol.values.iter().zip(odd.iter_mut());
            for (state, (protocol, odd)) in port.states.iter().zip(protocols) {
                *odd |= match state {
                    State::Present => false,
                    State::Missing => Protocol(*protocol).has_ports(),
                    State::Odd => true,
                };
            }
        }
        for ((start, end), odd) in run.start.values.iter().zip(&run.end.values).zip(odd) {
            *odd |= end < start;
        }
    }

    /// How many rows from `at` on can be taken before the next odd one.
    pub(super) fn length(&self, at: usize) -> usize {
        let rest = &self.odd[at..];
        rest.iter().position(|odd| *odd).unwrap_or(rest.len())
    }

    /// Keeps rows that are not odd. Returns how many were taken: all, unless a text cannot be kept.
    pub(super) fn take(&mut self, rows: &mut Assembler, columns: &[Cells], wanted: Range<usize>) -> usize {
        self.run.interface.clear();
        self.run.reject_reason.clear();
        let mut taken = 0;
        // None of these is null, or its row were odd.
        let names = match &columns[self.interface] {
            Cells::Coded(coded) => coded.keys.values().as_ref(),
            _ => &[],
        };
        for at in wanted.clone() {
            // As row by row: the reason is met before the interface.
            if let Some(index) = self.reject_reason {
                let reason = |row: &Row<'_>, rows: &mut Assembler| rows.meet_reject_reason(row.reject_reason);
                match self.key(rows, columns, index, at, reason) {
                    Ok(key) => self.run.reject_reason.push(key),
                    Err(()) => break,
                }
            }
            let met = &self.texts[self.interface].keys;
            let known = names.get(at).and_then(|name| met.get(*name as usize));
            if let Some(key) = known.filter(|key| **key != NO_KEY) {
                self.run.interface.push(*key);
                taken += 1;
                continue;
            }
            let interface = |row: &Row<'_>, rows: &mut Assembler| rows.meet_interface(row);
            match self.key(rows, columns, self.interface, at, interface) {
                Ok(Some(key)) => self.run.interface.push(key),
                _ => break,
            }
            taken += 1;
        }
        self.run.reject_reason.truncate(taken);
        rows.push_run(&self.run, wanted.start..wanted.start + taken);
        taken
    }

    /// The number of the text of a row in the batch that is being filled, if there is a text.
    #[inline]
    fn key<E>(
        &mut self,
        rows: &mut Assembler,
        columns: &[Cells],
        index: usize,
        at: usize,
        meet: impl FnOnce(&Row<'_>, &mut Assembler) -> Result<u32, E>,
    ) -> Result<Option<u32>, ()> {
        let place = match &columns[index] {
            Cells::Coded(coded) if coded.is_valid(at) => Some(coded.key(at)),
            _ => None,
        };
        let known = place.and_then(|place| self.texts[index].keys.get(place)).copied().unwrap_or(NO_KEY);
        if known != NO_KEY {
            return Ok(Some(known));
        }
        if matches!(columns[index].value(at), Cell::Missing) {
            return Ok(None);
        }
        let row = self.texts_of(columns, at);
        let key = meet(&row, rows).map_err(|_| ())?;
        if let Some(slot) = place.and_then(|place| self.texts[index].keys.get_mut(place)) {
            *slot = key;
        }
        Ok(Some(key))
    }

    /// What a row says about its interface, and why it was rejected.
    #[inline(never)]
    fn texts_of<'a>(&self, columns: &'a [Cells], at: usize) -> Row<'a> {
        let mut row = Row::default();
        for (op, cells) in self.ops.iter().copied().zip(columns) {
            use Op::{Account, Instance, Interface, Region, RejectReason, Resource, Subnet, Vpc};
            if matches!(op, Interface | Resource | Account | Vpc | Subnet | Instance | Region | RejectReason)
            {
                // The row is not odd, so each of these can be read.
                let _readable = read_cell(&mut row, op, cells.value(at));
            }
        }
        row
    }
}

/// Marks the rows whose state is at least `from`. No states: all are present.
fn mark(odd: &mut [bool], states: &[State], from: State) {
    for (odd, state) in odd.iter_mut().zip(states) {
        *odd |= *state >= from;
    }
}

#[cfg(test)]
mod tests;
