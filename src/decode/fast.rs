//! The short way through rows as AWS writes them: one space between values, a newline behind, nothing odd.
//!
//! A row is read out of a window of fixed size, so that no load needs a check of its bounds. Whatever is not
//! as expected (an idle row, a value missing that a record needs, an interface not yet seen in this batch,
//! two blanks, a header) is left to the careful way in [`super::text`], which reads the line again from
//! its beginning. So nothing here may accept a line, or give it a meaning, that the careful way would
//! not; `tests/decode/oracle.rs` compares the two.

use super::assemble::{Assembler, MILLISECONDS_FROM};
use super::passed::Texts;
use super::row::Op;
use super::window::{ROW, Reader, WINDOW};

/// Rows read before they are moved into the columns, one column after the other.
pub(super) const BLOCK: usize = 32;

/// How a row of the default format is read. Its steps have code of their own.
const DEFAULT: [Step; 12] = [
    Step::Texts(0),
    Step::Value(Op::SrcAddr),
    Step::Value(Op::DstAddr),
    Step::Value(Op::SrcPort),
    Step::Value(Op::DstPort),
    Step::Value(Op::Protocol),
    Step::Value(Op::Packets),
    Step::Value(Op::Bytes),
    Step::Value(Op::Start),
    Step::Value(Op::End),
    Step::Value(Op::Action),
    Step::Value(Op::Status),
];

/// A format whose rows can go the short way.
#[derive(Debug)]
pub(super) struct Layout {
    /// What is left to do in a row after [`DEFAULT`], or all if the format does not begin with that.
    steps: Vec<Step>,
    begins_as_default: bool,
    texts: Vec<Texts>,
    /// For each column of the format that is passed, its texts and its place in them.
    places: Vec<Option<(usize, usize)>>,
    block: Box<[Record; BLOCK]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A value to be read.
    Value(Op),
    /// Texts to be passed, by their index.
    Texts(usize),
}

/// A record with status OK. `missing` holds the columns that may be and are `-`; what is missing and
/// what is not in the format has any value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Record {
    pub(super) missing: u32,
    pub(super) interface: u32,
    pub(super) reject_reason: u32,
    pub(super) srcaddr: i128,
    pub(super) dstaddr: i128,
    pub(super) pkt_srcaddr: i128,
    pub(super) pkt_dstaddr: i128,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) srcport: u16,
    pub(super) dstport: u16,
    pub(super) protocol: u8,
    pub(super) tcp_flags: u8,
    pub(super) action: u8,
    pub(super) direction: u8,
}

impl Layout {
    /// For a format with these columns, if its rows can go the short way: it must have all that the
    /// engine asks of a record.
    pub(super) fn new(ops: impl Iterator<Item = Op>) -> Option<Self> {
        use Op::{Account, Instance, Region, Resource, Skip, Subnet, Vpc};
        use Op::{Action, DstAddr, DstPort, End, Interface, Protocol, SrcAddr, SrcPort, Start};
        let mut needed = vec![Interface, SrcAddr, DstAddr, SrcPort, DstPort, Protocol, Start, End, Action];
        let mut steps = Vec::new();
        let mut texts: Vec<Texts> = Vec::new();
        let mut places = Vec::new();
        for op in ops {
            needed.retain(|need| *need != op);
            // The context of an interface is taken when it is met first, which is not here.
            if !matches!(op, Skip | Resource | Account | Vpc | Subnet | Instance | Region | Interface) {
                steps.push(Step::Value(op));
                places.push(None);
                continue;
            }
            if !matches!(steps.last(), Some(Step::Texts(_))) {
                steps.push(Step::Texts(texts.len()));
                texts.push(Texts::new());
            }
            places.push(texts.last().map(|last| (texts.len() - 1, last.columns)));
            if let Some(texts) = texts.last_mut() {
                if op == Interface {
                    texts.interface = Some(texts.columns);
                }
                texts.columns += 1;
            }
        }
        if !needed.is_empty() {
            return None;
        }
        let begins_as_default = steps.starts_with(&DEFAULT);
        if begins_as_default {
            steps.drain(..DEFAULT.len());
        }
        Some(Self { steps, begins_as_default, texts, places, block: Box::default() })
    }

    /// Leaves rows to the careful way that have another value in this column.
    pub(super) fn expect(&mut self, column: usize, value: &[u8]) {
        if let Some((texts, place)) = self.places.get(column).copied().flatten() {
            self.texts[texts].expected = Some((place, value.to_vec()));
        }
    }

    /// To be called when the dictionaries start over.
    pub(super) fn forget(&mut self) {
        self.texts.iter_mut().for_each(Texts::forget);
    }
}

/// Takes rows from the beginning of `input` for as long as they can go the short way, at most `most` of
/// them and none longer than `longest`. Returns how many rows and bytes were taken.
pub(super) fn take_rows(rows: &mut Assembler, input: &[u8], most: usize, longest: usize) -> (usize, usize) {
    let Some(mut layout) = rows.layout.take() else { return (0, 0) };
    let mut count = 0;
    let mut at = 0;
    loop {
        let wanted = BLOCK.min(most - count);
        let rest = &input[at..];
        let (read, len) = match layout.begins_as_default {
            true => read_block::<true>(rows, &mut layout, rest, wanted, longest),
            false => read_block::<false>(rows, &mut layout, rest, wanted, longest),
        };
        rows.push_records(&layout.block[..read]);
        count += read;
        at += len;
        if read < BLOCK {
            break;
        }
    }
    rows.layout = Some(layout);
    (count, at)
}

/// Fills the block with at most `wanted` rows.
fn read_block<const DEFAULT: bool>(
    rows: &Assembler,
    layout: &mut Layout,
    input: &[u8],
    wanted: usize,
    longest: usize,
) -> (usize, usize) {
    let Layout { steps, texts, block, .. } = layout;
    let mut count = 0;
    let mut at = 0;
    for record in block.iter_mut().take(wanted) {
        let Some(window) = input.get(at..).and_then(|rest| rest.first_chunk::<WINDOW>()) else { break };
        let mut reader = Reader { window, rows, texts, record, source: 0..0, destination: 0..0 };
        let Some(end) = reader.row::<DEFAULT>(steps) else { break };
        if end >= ROW || end > longest || !record.has_sound_times() {
            break;
        }
        at += end + 1;
        count += 1;
    }
    (count, at)
}

impl Record {
    fn has_sound_times(&self) -> bool {
        self.start <= self.end && self.end <= MILLISECONDS_FROM
    }
}
