//! Why a line is malformed. Small and cheap; the words are made only for the examples that are kept.

use super::columns::{BadText, MAX_TEXT};
use super::fields::{self, Kind};

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The value of a field is not of its kind.
    Value { field: &'static str },
    /// More or fewer values than the format has.
    Count { expected: usize, found: usize },
    /// `-` where a record with status OK needs a value.
    Missing { field: &'static str },
    /// Neither `interface-id` nor `resource-id`.
    NoInterface,
    /// The interval runs backwards.
    EndBeforeStart { start: i64, end: i64 },
    /// Too large for seconds and for milliseconds.
    Time { field: &'static str },
    /// A text that is not UTF-8.
    NotUtf8 { field: &'static str },
    /// A text longer than any AWS writes.
    TooLong { field: &'static str },
}

impl Fault {
    /// Wrong number of values, not yet counted.
    pub(super) const COUNT: Self = Self::Count { expected: 0, found: 0 };

    pub(super) fn text(field: &'static str, bad: BadText) -> Self {
        match bad {
            BadText::NotUtf8 => Self::NotUtf8 { field },
            BadText::TooLong => Self::TooLong { field },
        }
    }

    /// The field whose value is at fault, if the words quote it.
    pub(super) fn quoted_field(self) -> Option<&'static str> {
        match self {
            Self::Value { field } | Self::Time { field } | Self::NotUtf8 { field } => Some(field),
            _ => None,
        }
    }

    /// The words. `value` is what stands in the field at fault.
    pub(super) fn reason(self, value: &[u8]) -> String {
        let shown = quoted(value);
        match self {
            Self::Value { field } => format!("{field}: {shown} is not {}", expectation(field)),
            Self::Count { expected, found } => format!("expected {expected} fields, found {found}"),
            Self::Missing { field } => format!("{field}: missing in a record that needs it"),
            Self::NoInterface => "no interface: interface-id and resource-id are missing".to_owned(),
            Self::EndBeforeStart { start, end } => format!("end {end} is before start {start}"),
            Self::Time { field } => format!("{field}: {shown} is not a Unix time"),
            Self::NotUtf8 { field } => format!("{field}: {shown} is not UTF-8"),
            Self::TooLong { field } => format!("{field}: longer than {MAX_TEXT} bytes"),
        }
    }
}

fn expectation(field: &str) -> &'static str {
    match fields::lookup(field.as_bytes()).map(|known| known.kind) {
        Some(Kind::Address) => "an IP address",
        Some(Kind::U8) => "a number from 0 to 255",
        Some(Kind::U16) => "a number from 0 to 65535",
        Some(Kind::U64) => "a number",
        Some(Kind::Time) => "a Unix time",
        Some(Kind::Action) => "ACCEPT or REJECT",
        Some(Kind::Status) => "OK, NODATA or SKIPDATA",
        Some(Kind::Direction) => "ingress or egress",
        Some(Kind::Text | Kind::Tag) | None => "a text",
    }
}

/// A value safe to show: quoted, control characters escaped, cut after 40 characters.
pub(super) fn quoted(value: &[u8]) -> String {
    const SHOWN: usize = 40;
    let text = String::from_utf8_lossy(&value[..value.len().min(SHOWN * 4)]);
    let cut: String = text.chars().take(SHOWN).collect();
    let more = if cut.len() < value.len() { "…" } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_safely() {
        assert_eq!(quoted(b"99999"), "\"99999\"");
        assert_eq!(quoted(b"\x1b[31m\""), "\"\\u{1b}[31m\\\"\"");
        assert_eq!(quoted(&[b'a'; 100]), format!("\"{}…\"", "a".repeat(40)));
        assert_eq!(
            Fault::Value { field: "srcport" }.reason(b"x"),
            "srcport: \"x\" is not a number from 0 to 65535"
        );
    }
}
