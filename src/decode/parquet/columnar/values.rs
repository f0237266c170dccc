//! One column at a time: its values and what became of each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, BinaryArray, PrimitiveArray};
use arrow::buffer::NullBuffer;

use crate::decode::assemble::{MILLISECONDS_FROM, State, Values, seconds};
use crate::decode::columns::stored;
use crate::decode::parquet::cells::{Cell, Cells, Coded, text};
use crate::decode::parquet::rows::read_cell;
use crate::decode::row::{Op, Row};
use crate::decode::token;
use crate::flow::CaptureStatus;

/// Stands for no number of a text.
pub(super) const NO_KEY: u32 = u32::MAX;

/// What was made of the dictionary of a column. The batches of a row group share it.
#[derive(Debug, Default)]
pub(super) struct Memory<T> {
    /// The dictionary. Held, so that no other can take its place in memory.
    source: Option<ArrayRef>,
    known: Values<T>,
    /// Numbers of its texts in the batch that is being filled.
    pub(super) keys: Vec<u32>,
}

/// A type of values in columns.
pub(super) trait Value: Copy + Default {
    /// Reads a value as it is read row by row.
    fn read(op: Op, cell: Cell<'_>) -> (Self, State);

    /// As [`read`](Self::read), if there is a shorter way, of a text of a column that is not null.
    #[inline(always)]
    fn read_shortly(_texts: &BinaryArray, _at: usize) -> Option<Self> {
        None
    }
}

/// A type of numbers.
pub(super) trait Number: Value {
    /// The greatest number that is taken without a closer look.
    const MOST: u64;

    /// Of a number from 0 to [`Self::MOST`]; of another, anything.
    fn cut(number: i64) -> Self;
}

/// Reads a value as it is read row by row, and what it is if it is there.
#[inline]
fn read_as<T: Default>(op: Op, cell: Cell<'_>, value: impl FnOnce(&Row<'_>) -> Option<T>) -> (T, State) {
    let mut row = Row::default();
    match read_cell(&mut row, op, cell) {
        false => (T::default(), State::Odd),
        true if !row.has(op) => (T::default(), State::Missing),
        true => value(&row).map_or((T::default(), State::Odd), |value| (value, State::Present)),
    }
}

/// For what is only looked at: texts and the status.
impl Value for () {
    fn read(op: Op, cell: Cell<'_>) -> (Self, State) {
        if op != Op::Status {
            return read_as(op, cell, |_| Some(()));
        }
        let mut row = Row::default();
        let state = match (read_cell(&mut row, op, cell), row.status) {
            // With a source, a row without status is a record.
            (true, None) => State::Missing,
            (true, Some(CaptureStatus::Ok)) => State::Present,
            _ => State::Odd,
        };
        ((), state)
    }
}

impl Value for i128 {
    fn read(_: Op, cell: Cell<'_>) -> (Self, State) {
        match cell {
            Cell::Missing => (0, State::Missing),
            Cell::Text(text) => match token::address(text) {
                Some((Some(bits), len)) if len == text.len() => (stored(bits), State::Present),
                Some((None, len)) if len == text.len() => (0, State::Missing),
                _ => (0, State::Odd),
            },
            Cell::Number(_) | Cell::Bad => (0, State::Odd),
        }
    }

    #[inline(always)]
    fn read_shortly(texts: &BinaryArray, at: usize) -> Option<Self> {
        let &[start, end] = texts.value_offsets().get(at..at + 2)? else { return None };
        token::whole_ipv4(texts.value_data(), start as usize, (end - start) as usize).map(stored)
    }
}

impl Value for u8 {
    fn read(op: Op, cell: Cell<'_>) -> (Self, State) {
        read_as(op, cell, |row| match op {
            Op::Protocol => Some(row.protocol),
            Op::TcpFlags => Some(row.tcp_flags),
            Op::Action => Some(row.action),
            Op::Direction => Some(row.direction),
            _ => None,
        })
    }
}

impl Value for u16 {
    fn read(op: Op, cell: Cell<'_>) -> (Self, State) {
        read_as(op, cell, |row| match op {
            Op::SrcPort => Some(row.srcport),
            Op::DstPort => Some(row.dstport),
            _ => None,
        })
    }
}

impl Value for u64 {
    fn read(op: Op, cell: Cell<'_>) -> (Self, State) {
        read_as(op, cell, |row| match op {
            Op::Packets => Some(row.packets),
            Op::Bytes => Some(row.bytes),
            _ => None,
        })
    }
}

/// Times, as seconds.
impl Value for i64 {
    fn read(op: Op, cell: Cell<'_>) -> (Self, State) {
        read_as(op, cell, |row| match op {
            Op::Start => seconds(row.start, op).ok(),
            Op::End => seconds(row.end, op).ok(),
            _ => None,
        })
    }
}

macro_rules! number {
    ($kind:ty, $most:expr) => {
        impl Number for $kind {
            const MOST: u64 = $most;

            #[inline(always)]
            fn cut(number: i64) -> Self {
                number as Self
            }
        }
    };
}

number!(u8, 0xff);
number!(u16, 0xffff);
number!(u64, i64::MAX as u64);
number!(i64, MILLISECONDS_FROM);

/// Reads a column.
pub(super) fn read<T: Value>(cells: &Cells, op: Op, rows: usize, memory: &mut Memory<T>, to: &mut Values<T>) {
    to.values.clear();
    match cells {
        Cells::Coded(coded) => {
            memory.learn(coded, op);
            let known = memory.known.values.as_slice();
            // A null may have any number.
            let value = |key: &i32| known.get(*key as usize).copied().unwrap_or_default();
            to.values.extend(coded.keys.values().iter().map(value));
            memory.states_by_key(coded, &mut to.states);
            blank(to);
        }
        Cells::Texts(texts) => read_texts(texts, op, to),
        _ => read_each(cells, op, rows, to),
    }
}

fn read_texts<T: Value>(texts: &BinaryArray, op: Op, to: &mut Values<T>) {
    to.values.clear();
    to.states.clear();
    let nulls = texts.nulls().filter(|nulls| nulls.null_count() > 0);
    for at in 0..texts.len() {
        let (value, state) = match T::read_shortly(texts, at) {
            _ if nulls.is_some_and(|nulls| nulls.is_null(at)) => (T::default(), State::Missing),
            Some(value) => (value, State::Present),
            None => T::read(op, text(texts.value(at))),
        };
        to.values.push(value);
        // Nearly always there is nothing to be said.
        if state != State::Present {
            to.states.resize(at, State::Present);
            to.states.push(state);
        }
    }
    if !to.states.is_empty() {
        to.states.resize(texts.len(), State::Present);
    }
}

fn read_each<T: Value>(cells: &Cells, op: Op, rows: usize, to: &mut Values<T>) {
    to.values.clear();
    to.states.clear();
    let mut sound = true;
    for at in 0..rows {
        let (value, state) = T::read(op, cells.value(at));
        to.values.push(value);
        to.states.push(state);
        sound &= state == State::Present;
    }
    if sound {
        to.states.clear();
    }
}

/// Reads a column of numbers.
pub(super) fn read_numbers<T: Number>(
    cells: &Cells,
    op: Op,
    rows: usize,
    memory: &mut Memory<T>,
    to: &mut Values<T>,
) {
    match cells {
        Cells::Short(array) => read_integers(array, cells, op, to),
        Cells::Signed(array) => read_integers(array, cells, op, to),
        _ => read(cells, op, rows, memory, to),
    }
}

fn read_integers<A: ArrowPrimitiveType, T: Number>(
    array: &PrimitiveArray<A>,
    cells: &Cells,
    op: Op,
    to: &mut Values<T>,
) where
    i64: From<A::Native>,
{
    let numbers = array.values();
    to.values.clear();
    to.states.clear();
    to.values.extend(numbers.iter().map(|number| T::cut(i64::from(*number))));
    // Not stopped at the first that does not fit: nearly always there is none.
    let fits = |number: A::Native| i64::from(number).cast_unsigned() <= T::MOST;
    let all_fit = numbers.iter().fold(true, |all, number| all & fits(*number));
    let nulls = array.nulls().filter(|nulls| nulls.null_count() > 0);
    if !all_fit {
        to.states.resize(numbers.len(), State::Present);
        for (at, _) in numbers.iter().enumerate().filter(|(_, number)| !fits(**number)) {
            (to.values[at], to.states[at]) = T::read(op, cells.value(at));
        }
    }
    if let Some(nulls) = nulls {
        to.states.resize(numbers.len(), State::Present);
        for at in places(nulls) {
            (to.values[at], to.states[at]) = (T::default(), State::Missing);
        }
    }
}

/// Where the nulls are.
fn places(nulls: &NullBuffer) -> Vec<usize> {
    (!nulls.inner()).set_indices().collect()
}

/// What is not present has the default value.
fn blank<T: Default>(of: &mut Values<T>) {
    for (value, state) in of.values.iter_mut().zip(&of.states) {
        if *state != State::Present {
            *value = T::default();
        }
    }
}

impl<T: Value> Memory<T> {
    /// Reads the dictionary of a column, unless it is the one of the last batch.
    fn learn(&mut self, coded: &Coded, op: Op) {
        if self.source.as_ref().is_some_and(|known| Arc::ptr_eq(known, &coded.source)) {
            return;
        }
        self.source = Some(Arc::clone(&coded.source));
        read_texts(&coded.values, op, &mut self.known);
        self.keys.clear();
        self.keys.resize(coded.values.len(), NO_KEY);
    }

    /// The state of each row; nothing if all are present.
    fn states_by_key(&self, coded: &Coded, to: &mut Vec<State>) {
        to.clear();
        let nulls = coded.keys.nulls().filter(|nulls| nulls.null_count() > 0);
        if !self.known.states.is_empty() {
            let state = |key: &i32| self.known.states.get(*key as usize).copied().unwrap_or(State::Odd);
            to.extend(coded.keys.values().iter().map(state));
        }
        if let Some(nulls) = nulls {
            to.resize(nulls.len(), State::Present);
            for at in places(nulls) {
                to[at] = State::Missing;
            }
        }
    }

    /// The state of each row, nothing if all are present, of a column of which the values do not matter.
    pub(super) fn states_of(&mut self, cells: &Cells, op: Op, rows: usize, to: &mut Vec<State>) {
        match cells {
            Cells::Coded(coded) => {
                self.learn(coded, op);
                self.states_by_key(coded, to);
            }
            _ => {
                to.clear();
                to.extend((0..rows).map(|at| T::read(op, cells.value(at)).1));
            }
        }
    }

    /// To be called when the dictionaries of a batch start over.
    pub(super) fn forget(&mut self) {
        self.keys.fill(NO_KEY);
    }
}
