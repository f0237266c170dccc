//! One column at a time: its values and what became of each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};

use crate::decode::assemble::{MILLISECONDS_FROM, State, Values, seconds};
use crate::decode::columns::stored;
use crate::decode::parquet::cells::{Cell, Cells, Coded};
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
    values: Vec<T>,
    states: Vec<State>,
    /// True if all of it are values.
    sound: bool,
    /// Numbers of its texts in the batch that is being filled.
    pub(super) keys: Vec<u32>,
}

/// A type of values in columns.
pub(super) trait Value: Copy + Default {
    /// Reads a value as it is read row by row.
    fn read(op: Op, cell: Cell<'_>) -> (Self, State);
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
            let known = memory.values.as_slice();
            // A null may have any number.
            let value = |key: &i32| known.get(*key as usize).copied().unwrap_or_default();
            to.values.extend(coded.keys.values().iter().map(value));
            memory.states_by_key(coded, &mut to.states);
            blank(to);
        }
        _ => read_each(cells, op, rows, to),
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
    if all_fit && nulls.is_none() {
        return;
    }
    for (at, value) in to.values.iter_mut().enumerate() {
        let state = if nulls.is_some_and(|nulls| nulls.is_null(at)) {
            *value = T::default();
            State::Missing
        } else if fits(numbers[at]) {
            State::Present
        } else {
            let (read, state) = T::read(op, cells.value(at));
            *value = read;
            state
        };
        to.states.push(state);
    }
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
        let read = (0..coded.values.len()).map(|key| T::read(op, coded.text(key)));
        (self.values, self.states) = read.unzip();
        self.sound = self.states.iter().all(|state| *state == State::Present);
        self.keys.clear();
        self.keys.resize(self.states.len(), NO_KEY);
    }

    /// The state of each row; nothing if all are present.
    fn states_by_key(&self, coded: &Coded, to: &mut Vec<State>) {
        to.clear();
        let nulls = coded.keys.nulls().filter(|nulls| nulls.null_count() > 0);
        if self.sound && nulls.is_none() {
            return;
        }
        let state = |key: &i32| self.states.get(*key as usize).copied().unwrap_or(State::Odd);
        to.extend(coded.keys.values().iter().map(state));
        if let Some(nulls) = nulls {
            for (state, valid) in to.iter_mut().zip(nulls) {
                if !valid {
                    *state = State::Missing;
                }
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
