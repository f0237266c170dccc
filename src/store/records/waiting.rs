//! Values of a column that wait for their row group: taken as they come, looked at when all are there.

use arrow::array::{
    Array, ArrowPrimitiveType, AsArray, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray,
};
use arrow::datatypes::UInt32Type;
use arrow::error::ArrowError;
use hashbrown::HashMap;

use crate::flow::address_bytes;
use crate::store::encode::Coder;

/// Which rows of a batch, if not all.
pub(super) type Picked<'a> = Option<&'a [usize]>;

pub(super) fn each<T: Copy>(values: &[T], picked: Picked<'_>, mut take: impl FnMut(T)) {
    match picked {
        None => values.iter().for_each(|value| take(*value)),
        Some(rows) => rows.iter().for_each(|row| take(values[*row])),
    }
}

/// Adds these rows of an array.
pub(super) fn all<P: ArrowPrimitiveType>(
    into: &mut Vec<P::Native>,
    array: &PrimitiveArray<P>,
    picked: Picked<'_>,
) {
    match picked {
        None => into.extend_from_slice(array.values()),
        Some(rows) => into.extend(rows.iter().map(|row| array.values()[*row])),
    }
}

/// Numbers that hardly change from row to row.
#[derive(Default)]
pub(super) struct Runs(Vec<(u64, usize)>);

impl Runs {
    pub fn push(&mut self, value: u64, rows: usize) {
        match self.0.last_mut() {
            Some((last, times)) if *last == value => *times += rows,
            _ => self.0.push((value, rows)),
        }
    }

    /// Leaves the rows with `coder`, and forgets them.
    pub fn code(&mut self, coder: &mut Coder<u64>) {
        self.0.drain(..).for_each(|(value, rows)| coder.push_many(value, rows));
    }
}

/// Names, each once.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<String, u32>,
    pub texts: Vec<String>,
    pub codes: Vec<u32>,
}

impl Names {
    pub fn code(&mut self, text: &str) -> u32 {
        if let Some(&code) = self.numbers.get(text) {
            return code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), code);
        code
    }

    /// The codes of a batch's dictionary here.
    pub fn renumbered(&mut self, array: &DictionaryArray<UInt32Type>) -> Result<Vec<u32>, ArrowError> {
        let names = array.values().as_string_opt::<i32>();
        let names =
            names.ok_or_else(|| ArrowError::SchemaError("a dictionary is not of texts".to_owned()))?;
        Ok(names.iter().map(|name| self.code(name.unwrap_or_default())).collect())
    }

    pub fn clear(&mut self) {
        self.numbers.clear();
        self.texts.clear();
        self.codes.clear();
    }
}

/// A column that a record may lack.
#[derive(Default)]
pub(super) struct Sparse<C> {
    pub values: C,
    pub there: Vec<bool>,
}

impl<C> Sparse<C> {
    /// Notes which of these rows have a value; without a column none. What `take` is then told of is the rows that have one, if
    /// there are any.
    fn rows<'p>(
        &mut self,
        array: Option<&dyn Array>,
        rows: usize,
        picked: Picked<'p>,
        take: impl FnOnce(&mut C, Picked<'_>),
    ) {
        let end = self.there.len() + rows;
        let Some(array) = array else { return self.there.resize(end, false) };
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => {
                self.there.resize(end, true);
                take(&mut self.values, picked);
            }
            Some(nulls) => {
                let mut rows: Vec<usize> = picked.map_or_else(|| (0..rows).collect(), <[usize]>::to_vec);
                self.there.extend(rows.iter().map(|row| nulls.is_valid(*row)));
                rows.retain(|row| nulls.is_valid(*row));
                take(&mut self.values, Some(&rows));
            }
        }
    }
}

impl<T: Copy> Sparse<Vec<T>> {
    pub fn push<P: ArrowPrimitiveType<Native = T>>(
        &mut self,
        array: Option<&PrimitiveArray<P>>,
        rows: usize,
        picked: Picked<'_>,
    ) {
        self.rows(array.map(|array| array as &dyn Array), rows, picked, |values, picked| {
            array.iter().for_each(|array| all(values, array, picked));
        });
    }
}

impl Sparse<Coder<u128>> {
    pub fn push(&mut self, array: Option<&FixedSizeBinaryArray>, rows: usize, picked: Picked<'_>) {
        self.rows(array.map(|array| array as &dyn Array), rows, picked, |values, picked| {
            array.iter().for_each(|array| addresses(values, array, picked));
        });
    }
}

impl Sparse<Names> {
    pub fn push(
        &mut self,
        array: Option<&DictionaryArray<UInt32Type>>,
        rows: usize,
        picked: Picked<'_>,
    ) -> Result<(), ArrowError> {
        let codes = array.map(|array| self.values.renumbered(array)).transpose()?.unwrap_or_default();
        self.rows(array.map(|array| array as &dyn Array), rows, picked, |values, picked| {
            array.iter().for_each(|array| {
                each(array.keys().values(), picked, |key| values.codes.push(codes[key as usize]));
            });
        });
        Ok(())
    }
}

pub(super) fn addresses(into: &mut Coder<u128>, array: &FixedSizeBinaryArray, picked: Picked<'_>) {
    match picked {
        None => into.push_addresses(address_bytes(array)),
        Some(_) => each(address_bytes(array), picked, |value| into.push(u128::from_be_bytes(value))),
    }
}
