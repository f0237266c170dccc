//! Values of rows become an array of arrow.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Int32Builder, Int64Builder, ListBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, TimeUnit};

use super::gather::{flags, numbers, texts};
use super::page::{Page, Places, Words};
use super::{Trouble, Unpack};

/// A column that is being put together.
pub(super) struct Column {
    values: Builder,
    places: Places,
}

enum Builder {
    Text(StringBuilder),
    Small(Int32Builder),
    Large(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Flag(BooleanBuilder),
    Texts(ListBuilder<StringBuilder>),
}

impl Column {
    /// Of a type.
    pub fn new(data_type: &DataType) -> Result<Self, Trouble> {
        // Of most row groups a few rows are wanted: nobody makes room for more.
        let values = match data_type {
            DataType::Utf8 => Builder::Text(StringBuilder::with_capacity(0, 0)),
            DataType::Int32 => Builder::Small(Int32Builder::with_capacity(0)),
            DataType::Int64 => Builder::Large(Int64Builder::with_capacity(0)),
            DataType::Timestamp(TimeUnit::Microsecond, None) => {
                Builder::Time(TimestampMicrosecondBuilder::with_capacity(0))
            }
            DataType::Boolean => Builder::Flag(BooleanBuilder::with_capacity(0)),
            DataType::List(item) if *item.data_type() == DataType::Utf8 => Builder::Texts(
                ListBuilder::with_capacity(StringBuilder::with_capacity(0, 0), 0)
                    .with_field(Arc::clone(item)),
            ),
            _ => return Err(Trouble::Unknown),
        };
        Ok(Self { values, places: Places::default() })
    }

    /// What was added since the last time.
    pub fn finish(&mut self) -> ArrayRef {
        match &mut self.values {
            Builder::Text(values) => Arc::new(values.finish()),
            Builder::Small(values) => Arc::new(values.finish()),
            Builder::Large(values) => Arc::new(values.finish()),
            Builder::Time(values) => Arc::new(values.finish()),
            Builder::Flag(values) => Arc::new(values.finish()),
            Builder::Texts(values) => Arc::new(values.finish()),
        }
    }

    /// Adds some rows of a page.
    pub fn add(
        &mut self,
        page: &Page,
        words: Option<&Words>,
        rows: &[u32],
        unpack: &mut Unpack,
    ) -> Result<(), Trouble> {
        page.places(rows, &mut self.places)?;
        let places = &self.places.values[..];
        match &mut self.values {
            Builder::Text(values) => texts(page, words, places, |text| values.append_option(text)),
            Builder::Texts(values) => {
                let mut all = Vec::with_capacity(places.len());
                texts(page, words, places, |text| all.push(text))?;
                let mut all = all.into_iter();
                for length in &self.places.lengths {
                    all.by_ref()
                        .take(length.unwrap_or(0) as usize)
                        .for_each(|text| values.values().append_option(text));
                    values.append(length.is_some());
                }
                Ok(())
            }
            Builder::Small(values) => numbers::<4>(page, words, places, unpack, |number| {
                values.append_option(number.map(|number| number as i32));
            }),
            Builder::Large(values) => numbers::<8>(page, words, places, unpack, |number| {
                values.append_option(number);
            }),
            Builder::Time(values) => numbers::<8>(page, words, places, unpack, |number| {
                values.append_option(number);
            }),
            Builder::Flag(values) => flags(page, places, |flag| values.append_option(flag)),
        }
    }
}
