//! What is wanted of a column, and which rows have it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, DictionaryArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Date32Type, Int32Type, Int64Type, TimeUnit, TimestampMicrosecondType};
use arrow::error::ArrowError;
use ipnet::IpNet;

/// What a question wants of one column. A null never fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// One of these texts; of a list, that one of them is among its elements.
    Among(BTreeSet<String>),
    /// A number, or a time in microseconds since 1970, or a day since 1970, from the first to the second, both included.
    Within(i64, i64),
    /// An address, as the program writes it, in one of these networks; of a list, that one of its elements is.
    Networks(Vec<IpNet>),
}

/// What a question wants of rows: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Columns and what is wanted of each. A column may be named more than once.
    pub all: Vec<(String, Want)>,
}

impl Wanted {
    /// Wants this, too.
    #[must_use]
    pub fn and(mut self, column: &str, want: Want) -> Self {
        self.all.push((column.to_owned(), want));
        self
    }
}

impl Want {
    /// Which rows of a column are wanted.
    pub(super) fn fits(&self, column: &ArrayRef) -> Result<BooleanArray, ArrowError> {
        if let Some(column) = column.as_any().downcast_ref::<DictionaryArray<Int32Type>>() {
            return self.fits_words(column);
        }
        if let Some(list) = column.as_list_opt::<i32>() {
            let inner = self.fits(list.values())?;
            let offsets = list.value_offsets();
            let any =
                |row: usize| (offsets[row]..offsets[row + 1]).any(|element| inner.value(element as usize));
            return Ok(chosen(list.len(), |row| list.is_valid(row) && any(row)));
        }
        match self {
            Self::Among(wanted) => match wanted.first().filter(|_| wanted.len() == 1) {
                Some(only) => fits_text(column, &|value| value == only),
                None => fits_text(column, &|value| wanted.contains(value)),
            },
            Self::Networks(networks) => fits_text(column, &|value| {
                value
                    .parse::<IpAddr>()
                    .is_ok_and(|address| networks.iter().any(|network| network.contains(&address)))
            }),
            Self::Within(from, to) => fits_number(column, *from, *to),
        }
    }

    /// Each word is asked once.
    fn fits_words(&self, column: &DictionaryArray<Int32Type>) -> Result<BooleanArray, ArrowError> {
        let words = self.fits(column.values())?;
        if words.true_count() == 0 {
            return Ok(chosen(column.len(), |_| false));
        }
        let keys = column.keys();
        Ok(chosen(keys.len(), |row| keys.is_valid(row) && words.value(keys.value(row) as usize)))
    }
}

fn chosen(rows: usize, is: impl FnMut(usize) -> bool) -> BooleanArray {
    BooleanArray::new(BooleanBuffer::collect_bool(rows, is), None)
}

fn fits_text(column: &ArrayRef, is: &dyn Fn(&str) -> bool) -> Result<BooleanArray, ArrowError> {
    let values = column.as_string_opt::<i32>();
    let values = values.ok_or_else(|| ArrowError::SchemaError("a column is not of text".to_owned()))?;
    Ok(chosen(values.len(), |row| values.is_valid(row) && is(values.value(row))))
}

fn fits_number(column: &ArrayRef, from: i64, to: i64) -> Result<BooleanArray, ArrowError> {
    let within = |value: i64| (from..=to).contains(&value);
    let by = |value: &dyn Fn(usize) -> i64| {
        Ok(chosen(column.len(), |row| column.is_valid(row) && within(value(row))))
    };
    match column.data_type() {
        DataType::Int32 => {
            let values = column.as_primitive::<Int32Type>().values();
            by(&|row| values[row].into())
        }
        DataType::Date32 => {
            let values = column.as_primitive::<Date32Type>().values();
            by(&|row| values[row].into())
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>().values();
            by(&|row| values[row])
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let values = column.as_primitive::<TimestampMicrosecondType>().values();
            by(&|row| values[row])
        }
        _ => Err(ArrowError::SchemaError("a column is not of numbers".to_owned())),
    }
}
