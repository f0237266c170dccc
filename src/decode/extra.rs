//! Columns beyond those of the engine, for [`super::Projection::all`].

use std::borrow::Cow;

use arrow::array::ArrayRef;
use arrow::datatypes::{Int64Type, UInt8Type, UInt16Type, UInt64Type};
use arrow::error::ArrowError;

use super::assemble::seconds;
use super::columns::{Nullable, TextColumn, addresses, numbers, stored};
use super::fault::Fault;
use super::fields::{Field, Kind};
use super::row::Op;
use super::token;

/// One value on its way into an extra column.
#[derive(Clone, Copy, Debug)]
pub(super) enum ExtraValue<'a> {
    /// No value.
    Missing,
    /// As written in a log.
    Text(&'a [u8]),
    /// A number that is one already.
    Number(u64),
}

/// A column for a field that the engine has none for.
#[derive(Debug)]
pub(super) struct Extra {
    field: Field,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Text(TextColumn),
    U8(Nullable<u8>),
    U16(Nullable<u16>),
    U64(Nullable<u64>),
    Time(Nullable<i64>),
    Address(Nullable<i128>),
}

impl Extra {
    pub(super) fn new(field: Field, capacity: usize) -> Self {
        let values = match field.kind {
            Kind::U8 => Values::U8(Nullable::new(capacity)),
            Kind::U16 => Values::U16(Nullable::new(capacity)),
            Kind::U64 => Values::U64(Nullable::new(capacity)),
            Kind::Time => Values::Time(Nullable::new(capacity)),
            Kind::Address => Values::Address(Nullable::new(capacity)),
            Kind::Text | Kind::Tag | Kind::Action | Kind::Status | Kind::Direction => {
                Values::Text(TextColumn::new(capacity))
            }
        };
        Self { field, values }
    }

    pub(super) fn field(&self) -> Field {
        self.field
    }

    pub(super) fn push(&mut self, value: ExtraValue<'_>) -> Result<(), Fault> {
        let name = self.field.name;
        match &mut self.values {
            Values::Text(column) => {
                let digits;
                let text = match value {
                    ExtraValue::Missing | ExtraValue::Text(b"-") => None,
                    ExtraValue::Text(text) if self.field.kind == Kind::Tag => Some(decoded(text)),
                    ExtraValue::Text(text) => Some(Cow::Borrowed(text)),
                    ExtraValue::Number(number) => {
                        digits = number.to_string();
                        Some(Cow::Borrowed(digits.as_bytes()))
                    }
                };
                column.push(text.as_deref()).map_err(|bad| Fault::text(name, bad))
            }
            Values::U8(column) => push_number(column, value, name, |n| u8::try_from(n).ok()),
            Values::U16(column) => push_number(column, value, name, |n| u16::try_from(n).ok()),
            Values::U64(column) => push_number(column, value, name, Some),
            Values::Time(column) => push_number(column, value, name, |n| seconds(n, Op::Skip).ok()),
            Values::Address(column) => {
                let address = match value {
                    ExtraValue::Missing => None,
                    ExtraValue::Text(text) => whole(text, token::address(text), name)?,
                    ExtraValue::Number(_) => return Err(Fault::Value { field: name }),
                };
                column.push(address.map(stored));
                Ok(())
            }
        }
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Text(column) => column.truncate(rows),
            Values::U8(column) => column.truncate(rows),
            Values::U16(column) => column.truncate(rows),
            Values::U64(column) => column.truncate(rows),
            Values::Time(column) => column.truncate(rows),
            Values::Address(column) => column.truncate(rows),
        }
    }

    pub(super) fn take(&mut self, capacity: usize) -> Result<ArrayRef, ArrowError> {
        match &mut self.values {
            Values::Text(column) => column.take(capacity),
            Values::U8(column) => numbers::<UInt8Type>(column.take(capacity)),
            Values::U16(column) => numbers::<UInt16Type>(column.take(capacity)),
            Values::U64(column) => numbers::<UInt64Type>(column.take(capacity)),
            Values::Time(column) => numbers::<Int64Type>(column.take(capacity)),
            Values::Address(column) => addresses(column.take(capacity)),
        }
    }
}

fn push_number<T: Default>(
    column: &mut Nullable<T>,
    value: ExtraValue<'_>,
    name: &'static str,
    narrow: impl Fn(u64) -> Option<T>,
) -> Result<(), Fault> {
    let number = match value {
        ExtraValue::Missing => None,
        ExtraValue::Text(text) => whole(text, token::number(text), name)?,
        ExtraValue::Number(number) => Some(number),
    };
    let narrowed = number.map(|n| narrow(n).ok_or(Fault::Value { field: name })).transpose()?;
    column.push(narrowed);
    Ok(())
}

/// The value, if it is the whole text.
fn whole<T>(text: &[u8], parsed: token::Parsed<T>, name: &'static str) -> Result<Option<T>, Fault> {
    match parsed {
        Some((value, len)) if len == text.len() => Ok(value),
        _ => Err(Fault::Value { field: name }),
    }
}

/// Percent-decoding as of RFC 3986. A text that is not validly encoded, or does not decode to UTF-8, stays
/// as it is: better the raw tag than none.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            out.push(byte);
            rest = tail;
            continue;
        }
        let digit = |at: usize| tail.get(at).and_then(|&b| (b as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Cow::Borrowed(text);
        };
        // Two hexadecimal digits fit a byte.
        out.push((high * 16 + low) as u8);
        rest = &tail[2..];
    }
    if std::str::from_utf8(&out).is_ok() { Cow::Owned(out) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_percent_decoded_if_they_can_be() {
        let cases: [(&str, &str); 7] = [
            ("web", "web"),
            ("a%20b%2Fc", "a b/c"),
            ("%E2%82%ac", "€"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
            ("%4", "%4"),
        ];
        for (written, meant) in cases {
            assert_eq!(decoded(written.as_bytes()).as_ref(), meant.as_bytes(), "{written}");
        }
    }
}
