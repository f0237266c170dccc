//! Rows become pages: their levels, and the values that are there.

use std::ops::Range;

use super::hybrid::{encode, encode_levels, run_of_levels, width};
use super::{Shape, Values, delta};

/// A place between two rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    pub row: usize,
    /// Values of the rows before it.
    pub value: usize,
}

impl Shape<'_> {
    /// The place before this row, which is at or after `from`.
    pub(super) fn page_end(&self, from: Place, row: usize) -> Place {
        let values = match self {
            Self::Required | Self::Optional(None) => row - from.row,
            Self::Optional(Some(there)) => there[from.row..row].iter().filter(|there| **there).count(),
            Self::List(lengths) => lengths[from.row..row].iter().map(|length| *length as usize).sum(),
        };
        Place { row, value: from.value + values }
    }

    /// Writes the levels of some rows; returns how many there are.
    pub(super) fn levels(&self, from: Place, to: Place, out: &mut Vec<u8>) -> usize {
        let rows = to.row - from.row;
        match self {
            Self::Required => rows,
            Self::Optional(None) => {
                run_of_levels(1, rows, out);
                rows
            }
            Self::Optional(Some(there)) => {
                encode_levels(&there[from.row..to.row], 1, out);
                rows
            }
            Self::List(lengths) => {
                // A list that is there and empty is 1, an element that is there 3; all but the first go on with a row.
                let (mut repeated, mut defined) =
                    (Vec::<u32>::with_capacity(rows), Vec::<u32>::with_capacity(rows));
                for &length in &lengths[from.row..to.row] {
                    repeated.push(0);
                    defined.push(if length == 0 { 1 } else { 3 });
                    for _ in 1..length {
                        repeated.push(1);
                        defined.push(3);
                    }
                }
                encode_levels(&repeated, 1, out);
                encode_levels(&defined, 2, out);
                defined.len()
            }
        }
    }
}

impl Values<'_> {
    /// Writes some of the values.
    pub(super) fn encode(&self, range: Range<usize>, out: &mut Vec<u8>) {
        match self {
            Self::Coded(dictionary, codes) => {
                let width = width(dictionary.len());
                out.push(width);
                encode(&codes[range], width, out);
            }
            Self::Spread(dictionary, codes) => {
                codes[range].iter().for_each(|code| out.extend_from_slice(dictionary.plain(*code)));
            }
            Self::Numbers(width, numbers) => {
                let numbers = &numbers[range];
                match width {
                    4 => out.extend(numbers.iter().flat_map(|number| (*number as u32).to_le_bytes())),
                    8 => out.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
                    _ => numbers
                        .iter()
                        .for_each(|number| out.extend_from_slice(&number.to_le_bytes()[..*width])),
                }
            }
            Self::Deltas(numbers) => delta::encode(&numbers[range], out),
            Self::Flags(flags) => {
                for eight in flags[range].chunks(8) {
                    let bit = |(at, flag): (usize, &bool)| u8::from(*flag) << at;
                    out.push(eight.iter().enumerate().map(bit).sum());
                }
            }
        }
    }
}
