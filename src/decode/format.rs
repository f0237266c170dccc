//! Which fields a log has, in which order: from a header line, from `LogFormat`, or the default.

use std::fmt;

use super::error::FormatError;
use super::fields::{self, Field};

/// Fields of the default format, which has been the same since 2015.
const V2_DEFAULT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes \
                          start end action log-status";

/// What the analysis cannot do without. The interface is checked apart: it has two names.
const REQUIRED: [&str; 8] =
    ["srcaddr", "dstaddr", "srcport", "dstport", "protocol", "start", "end", "action"];

/// One column of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatColumn {
    /// A field of the catalogue.
    Known(&'static Field),
    /// A name that no version flowgate knows has. Skipped and counted.
    Unknown(String),
}

impl FormatColumn {
    fn new(name: &[u8]) -> Self {
        fields::lookup(name)
            .map_or_else(|| Self::Unknown(String::from_utf8_lossy(name).into_owned()), Self::Known)
    }

    /// Name as in a header line.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Known(field) => field.name,
            Self::Unknown(name) => name,
        }
    }
}

/// What stands between two values of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Separator {
    /// Runs of spaces (AWS writes one, its own documentation sometimes two).
    Space,
    /// One comma: exports of Security Lake and Athena.
    Comma,
}

/// The ordered columns of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    columns: Vec<FormatColumn>,
    separator: Separator,
}

impl LogFormat {
    /// Reads `LogFormat` as `DescribeFlowLogs` returns it (`${version} ${account-id} …`), or plain
    /// names separated by spaces or commas.
    ///
    /// # Errors
    /// If it is empty, holds something that is not a name, or names no known field.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        let separator = if text.contains(',') { Separator::Comma } else { Separator::Space };
        let mut columns = Vec::new();
        for token in text.split(|c: char| c == ',' || c.is_whitespace()).filter(|t| !t.is_empty()) {
            let name = token.strip_prefix("${").and_then(|t| t.strip_suffix('}')).unwrap_or(token);
            if !is_name(name.as_bytes()) {
                return Err(FormatError::NotAName { token: token.chars().take(64).collect() });
            }
            columns.push(FormatColumn::new(name.as_bytes()));
        }
        let format = Self { columns, separator };
        match format.known() {
            _ if format.columns.is_empty() => Err(FormatError::Empty),
            0 => Err(FormatError::NothingKnown),
            _ => Ok(format),
        }
    }

    /// Reads a header line: every token looks like a name, and most are names of fields. Anything
    /// else is data.
    #[must_use]
    pub fn from_header(line: &[u8]) -> Option<Self> {
        let separator = if line.contains(&b',') { Separator::Comma } else { Separator::Space };
        let mut columns = Vec::new();
        for token in tokens(line, separator) {
            if !is_name(token) {
                return None;
            }
            columns.push(FormatColumn::new(token));
        }
        let format = Self { columns, separator };
        (format.known() * 2 > format.columns.len()).then_some(format)
    }

    /// The default format: the 14 fields of version 2.
    #[must_use]
    pub fn v2_default() -> Self {
        let columns = V2_DEFAULT.split(' ').map(|name| FormatColumn::new(name.as_bytes())).collect();
        Self { columns, separator: Separator::Space }
    }

    /// The default format, if the line is a record in it: 14 values, an `eni-` third, a status last.
    /// CloudWatch Logs and Firehose deliver without a header.
    #[must_use]
    pub(super) fn sniff(line: &[u8]) -> Option<Self> {
        let mut values = tokens(line, Separator::Space);
        let third = values.nth(2)?;
        let last = values.nth(10)?;
        let fits = values.next().is_none()
            && third.starts_with(b"eni-")
            && matches!(last, b"OK" | b"NODATA" | b"SKIPDATA");
        fits.then(Self::v2_default)
    }

    /// From the columns of a Parquet file.
    pub(super) fn from_names<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let columns = names.map(|name| FormatColumn::new(name.as_bytes())).collect();
        Self { columns, separator: Separator::Space }
    }

    /// The columns in order.
    #[must_use]
    pub fn columns(&self) -> &[FormatColumn] {
        &self.columns
    }

    /// What separates values.
    #[must_use]
    pub fn separator(&self) -> Separator {
        self.separator
    }

    /// True if the log has that field.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.columns.iter().any(|c| matches!(c, FormatColumn::Known(field) if field.name == name))
    }

    /// Names that no version flowgate knows has.
    pub fn unknown(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().filter_map(|column| match column {
            FormatColumn::Known(_) => None,
            FormatColumn::Unknown(name) => Some(name.as_str()),
        })
    }

    /// True if the log holds fields that only Transit Gateway flow logs have, such as `tgw-id` and
    /// `resource-type`. Such a log has no action and no interface and must not be judged.
    #[must_use]
    pub fn is_transit_gateway(&self) -> bool {
        self.columns.iter().any(|c| matches!(c, FormatColumn::Known(field) if field.transit_gateway))
    }

    /// Required fields that the log does not have; the analysis is possible if there are none.
    #[must_use]
    pub fn missing_for_analysis(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if !self.has("interface-id") && !self.has("resource-id") {
            missing.push("interface-id");
        }
        missing.extend(REQUIRED.into_iter().filter(|name| !self.has(name)));
        missing
    }

    fn known(&self) -> usize {
        self.columns.iter().filter(|column| matches!(column, FormatColumn::Known(_))).count()
    }
}

/// As `LogFormat` of `DescribeFlowLogs`: `${version} ${account-id} …`.
impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, column) in self.columns.iter().enumerate() {
            let gap = match self.separator {
                _ if index == 0 => "",
                Separator::Space => " ",
                Separator::Comma => ",",
            };
            write!(f, "{gap}${{{}}}", column.name())?;
        }
        Ok(())
    }
}

/// True for what can be the name of a field: letters, digits, `-` and `_`, a letter first.
fn is_name(token: &[u8]) -> bool {
    token.first().is_some_and(u8::is_ascii_alphabetic)
        && token.len() <= 64
        && token.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// True for bytes that separate values or end a line: all ASCII control characters and space.
pub(super) fn is_blank(byte: u8) -> bool {
    byte <= b' '
}

/// Splits a line into values. Quotes around the values of comma-separated lines are dropped.
pub(super) fn tokens(line: &[u8], separator: Separator) -> impl Iterator<Item = &[u8]> {
    let comma = separator == Separator::Comma;
    line.split(move |&byte| if comma { byte == b',' } else { is_blank(byte) })
        .map(move |token| if comma { unquote(token) } else { token })
        .filter(move |token| comma || !token.is_empty())
}

/// A value without surrounding blanks and quotes.
pub(super) fn unquote(token: &[u8]) -> &[u8] {
    let trimmed = token.trim_ascii();
    trimmed.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_format_of_describe_flow_logs_is_the_default() {
        let text = "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} \
                    ${protocol} ${packets} ${bytes} ${start} ${end} ${action} ${log-status}";
        let format = LogFormat::parse(text).unwrap();
        assert_eq!(format, LogFormat::v2_default());
        assert_eq!(format.to_string(), text);
        assert_eq!(LogFormat::parse(V2_DEFAULT).unwrap(), format);
    }

    #[test]
    fn bad_log_formats_say_why() {
        assert_eq!(LogFormat::parse("  "), Err(FormatError::Empty));
        assert_eq!(LogFormat::parse("foo bar"), Err(FormatError::NothingKnown));
        assert!(matches!(LogFormat::parse("${version} 10.0.0.1"), Err(FormatError::NotAName { .. })));
    }

    #[test]
    fn headers_are_told_from_data() {
        assert!(LogFormat::from_header(b"version srcaddr dstaddr\r").is_some());
        assert!(LogFormat::from_header(b"srcaddr").is_some());
        assert!(LogFormat::from_header(b"a-new-field version srcaddr").is_some());
        assert!(LogFormat::from_header(b"bogus line").is_none());
        assert!(LogFormat::from_header(b"version 10.0.0.1 srcaddr").is_none());
        assert!(LogFormat::from_header(b"2 123456789010 eni-1 - - - - - - - 1 2 - NODATA").is_none());
        assert!(LogFormat::from_header(b"").is_none());
        let csv = LogFormat::from_header(b"account_id,\"action\",srcaddr\r").unwrap();
        assert_eq!(csv.separator(), Separator::Comma);
        assert!(csv.has("account-id") && csv.has("action"));
    }

    #[test]
    fn only_default_records_are_sniffed() {
        let record = b"2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 1 2 ACCEPT OK";
        assert_eq!(LogFormat::sniff(record), Some(LogFormat::v2_default()));
        assert_eq!(LogFormat::sniff(&record[..record.len() - 3]), None);
        assert_eq!(LogFormat::sniff(&[record.as_slice(), b" x"].concat()), None);
        assert_eq!(LogFormat::sniff(b"ACCEPT 1 eni-1 4 5 6 7 8 9 10 11 12 13 14"), None);
    }

    #[test]
    fn requirements_and_transit_gateways() {
        assert!(LogFormat::v2_default().missing_for_analysis().is_empty());
        let narrow = LogFormat::parse("interface-id srcaddr dstaddr protocol start end").unwrap();
        assert_eq!(narrow.missing_for_analysis(), ["srcport", "dstport", "action"]);
        assert!(LogFormat::parse("tgw-id srcaddr").unwrap().is_transit_gateway());
        assert!(LogFormat::parse("resource-type srcaddr").unwrap().is_transit_gateway());
        assert!(!narrow.is_transit_gateway());
    }
}
