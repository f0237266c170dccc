//! One column of a Parquet file, whatever type its writer chose, value by value.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int32Array, Int64Array, UInt64Array,
};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, TimeUnit, UInt64Type};

use crate::decode::error::DecodeError;
use crate::decode::fields::{Field, Kind};

/// A column in one of few forms.
pub(super) enum Cells {
    Nothing,
    Short(Int32Array),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Floating(Float64Array),
    Texts(BinaryArray),
    /// Texts by their place in `values`.
    Coded(Coded),
}

/// Texts by their place in a dictionary.
pub(super) struct Coded {
    pub(super) keys: Int32Array,
    pub(super) values: BinaryArray,
    /// The dictionary as it came: batches of one row group share it.
    pub(super) source: ArrayRef,
}

/// One value of a column.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Missing,
    Number(u64),
    Text(&'a [u8]),
    /// A number that is negative or not whole.
    Bad,
}

impl Cells {
    pub(super) fn new(field: &Field, array: &ArrayRef) -> Result<Self, DecodeError> {
        // A value that does not survive a cast must not become null silently.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &options);
        let textual = !matches!(field.kind, Kind::U8 | Kind::U16 | Kind::U64 | Kind::Time);
        Ok(match array.data_type() {
            DataType::Null => Self::Nothing,
            DataType::Dictionary(key, value)
                if **key == DataType::Int32 && matches!(**value, DataType::Utf8 | DataType::Binary) =>
            {
                let dictionary = array.as_dictionary::<Int32Type>();
                let values = cast(dictionary.values(), &DataType::Binary)?.as_binary::<i32>().clone();
                let (keys, source) = (dictionary.keys().clone(), dictionary.values().clone());
                Self::Coded(Coded { keys, values, source })
            }
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Dictionary(..) => {
                let texts = match array.data_type() {
                    DataType::Utf8View | DataType::Dictionary(..) => cast(array, &DataType::Utf8)?,
                    _ => array.clone(),
                };
                Self::Texts(cast(&texts, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            other if other.is_integer() && textual => {
                let texts = cast(array, &DataType::Utf8)?;
                Self::Texts(cast(&texts, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::Int32 => Self::Short(array.as_primitive::<Int32Type>().clone()),
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            other if other.is_integer() => {
                Self::Signed(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            other if other.is_floating() && !textual => {
                Self::Floating(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            DataType::Timestamp(..) if field.kind == Kind::Time => {
                let seconds = cast(array, &DataType::Timestamp(TimeUnit::Second, None))?;
                Self::Signed(cast(&seconds, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            other => {
                return Err(DecodeError::ParquetColumn {
                    column: field.column(),
                    found: other.to_string(),
                    wanted: if textual { "a text" } else { "a number" },
                });
            }
        })
    }

    pub(super) fn value(&self, at: usize) -> Cell<'_> {
        match self {
            Self::Nothing => Cell::Missing,
            Self::Short(array) if array.is_null(at) => Cell::Missing,
            Self::Short(array) => u64::try_from(array.value(at)).map_or(Cell::Bad, Cell::Number),
            Self::Signed(array) if array.is_null(at) => Cell::Missing,
            Self::Signed(array) => u64::try_from(array.value(at)).map_or(Cell::Bad, Cell::Number),
            Self::Unsigned(array) if array.is_null(at) => Cell::Missing,
            Self::Unsigned(array) => Cell::Number(array.value(at)),
            Self::Floating(array) if array.is_null(at) || array.value(at).is_nan() => Cell::Missing,
            Self::Floating(array) => whole(array.value(at)).map_or(Cell::Bad, Cell::Number),
            Self::Texts(array) if array.is_null(at) => Cell::Missing,
            Self::Texts(array) => text(array.value(at)),
            Self::Coded(coded) if coded.is_valid(at) => coded.text(coded.key(at)),
            Self::Coded(_) => Cell::Missing,
        }
    }

    /// The value as to be quoted in a message.
    pub(super) fn shown(&self, at: usize) -> Vec<u8> {
        match self {
            Self::Short(array) if array.is_valid(at) => array.value(at).to_string().into_bytes(),
            Self::Signed(array) if array.is_valid(at) => array.value(at).to_string().into_bytes(),
            Self::Floating(array) if array.is_valid(at) => array.value(at).to_string().into_bytes(),
            _ => match self.value(at) {
                Cell::Number(number) => number.to_string().into_bytes(),
                Cell::Text(text) => text.to_vec(),
                Cell::Missing | Cell::Bad => Vec::new(),
            },
        }
    }
}

impl Coded {
    pub(super) fn is_valid(&self, at: usize) -> bool {
        self.keys.is_valid(at)
    }

    /// The number of the text of a row that is not null.
    pub(super) fn key(&self, at: usize) -> usize {
        self.keys.value(at) as usize
    }

    /// The text with this number; nothing if there is none, which may stand for a null.
    pub(super) fn text(&self, key: usize) -> Cell<'_> {
        if key < self.values.len() && self.values.is_valid(key) {
            text(self.values.value(key))
        } else {
            Cell::Missing
        }
    }
}

/// A text, unless it is one that means nothing.
pub(super) fn text(text: &[u8]) -> Cell<'_> {
    match text {
        b"-" | b"" | b"None" | b"nan" | b"NaN" | b"<NA>" | b"null" | b"NULL" => Cell::Missing,
        text => Cell::Text(text),
    }
}

/// A whole number that floating point holds exactly.
fn whole(value: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && (0.0..=EXACT).contains(&value)).then_some(value as u64)
}
