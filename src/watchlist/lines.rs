//! One entry a line: plain lists, netsets, DROP files, CSV, tables, JSON lines.

use super::address::{self, Range};
use super::json;
use super::load::Loader;

/// What a list's lines have in common, as far as it is known.
#[derive(Default)]
struct Table {
    header: Option<Header>,
    delimiter: Option<char>,
    /// Where the address stood last.
    column: usize,
}

/// The columns that a header names.
#[derive(Default)]
struct Header {
    address: Option<usize>,
    ends: Option<(usize, usize)>,
    label: Option<usize>,
}

const DELIMITERS: [char; 4] = [',', '\t', ';', '|'];

/// Reads a list line by line.
pub(super) fn read(bytes: &[u8], into: &mut Loader) {
    let mut table = Table::default();
    let lossy;
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            lossy = String::from_utf8_lossy(bytes);
            &lossy
        }
    };
    // Old ones end lines with CR alone.
    let end = if memchr::memchr(b'\n', bytes).is_none() { '\r' } else { '\n' };
    for (line, number) in text.split(end).zip(1..) {
        table.line(line, number, into);
    }
}

impl Table {
    fn line(&mut self, raw: &str, number: u64, into: &mut Loader) {
        let line = raw.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\0');
        if line.is_empty() || is_comment(line) {
            return;
        }
        if let Some(range) = address::parse(line) {
            into.entry(range, "");
            return;
        }
        let column = |body: &str| {
            let before = raw.find(body).unwrap_or(0);
            raw[..before].chars().count() as u64 + 1
        };
        if line.starts_with('{') && json::line(line, into, &|| (number, column(line))) {
            return;
        }
        let (body, comment) = without_comment(line);
        // A separator may be the sign of a comment, too: a header tells.
        if self.header.is_none()
            && let Some(range) = address::parse(body)
        {
            match comment.split(';').next().and_then(address::parse) {
                None => into.entry(range, comment),
                Some(_) => into.bad(line, || (number, column(line))),
            }
            return;
        }
        if into.is_at_beginning() && self.header.is_none() {
            self.header = header(line);
            if self.header.is_some() {
                return;
            }
        }
        if let Some((range, label)) = self.separated(line).or_else(|| in_words(body)) {
            let label = if label.is_empty() && self.header.is_none() { comment } else { &label };
            into.entry(range, label);
            return;
        }
        into.bad(body, || (number, column(body)));
    }

    /// The address and the label of a line with separated fields.
    fn separated(&mut self, line: &str) -> Option<(Range, String)> {
        let known = self.delimiter.into_iter();
        let others = DELIMITERS.into_iter().filter(|d| Some(*d) != self.delimiter);
        for delimiter in known.chain(others).filter(|d| line.contains(*d)) {
            let fields = fields(line, delimiter);
            if let Some((at, range)) = self.range(&fields) {
                self.delimiter = Some(delimiter);
                self.column = at;
                return Some((range, self.label(&fields, at)));
            }
        }
        None
    }

    fn range(&self, fields: &[String]) -> Option<(usize, Range)> {
        let parse = |at: usize| Some((at, address::parse(fields.get(at)?)?));
        if let Some(header) = &self.header {
            if let Some((low, high)) = header.ends {
                let ((_, low_end), (_, high_end)) = (parse(low)?, parse(high)?);
                let (low_end, high_end) =
                    (crate::flow::address_from_bits(low_end.0), crate::flow::address_from_bits(high_end.1));
                return Some((low, address::from_to(low_end, high_end)?));
            }
            if let Some(named) = header.address {
                return parse(named);
            }
        }
        let (at, range) = parse(self.column).or_else(|| (0..fields.len()).find_map(parse))?;
        // Two addresses side by side: the ends of a range, or two hosts? Nobody said.
        let neighbour = fields.get(at + 1).and_then(|field| address::parse(field));
        if let Some(next) = neighbour.filter(|_| range.0 == range.1) {
            let mask = address::masked(range, fields[at + 1].trim());
            return match mask {
                Some(block) => Some((at, block)),
                None if next == range => Some((at, range)),
                None => None,
            };
        }
        Some((at, range))
    }

    fn label(&self, fields: &[String], at: usize) -> String {
        if let Some(named) = self.header.as_ref().and_then(|h| h.label) {
            return fields.get(named).cloned().unwrap_or_default();
        }
        if self.header.is_some() {
            return String::new();
        }
        let says_something = |field: &&String| {
            let field = field.trim();
            field.chars().any(char::is_alphabetic) && !looks_like_time(field)
        };
        let after = fields.iter().skip(at + 1).find(says_something);
        after.or_else(|| fields.iter().take(at).find(says_something)).cloned().unwrap_or_default()
    }
}

fn looks_like_time(text: &str) -> bool {
    let mut bytes = text.bytes();
    let digits = bytes.by_ref().take(4).filter(u8::is_ascii_digit).count();
    digits == 4 && bytes.next() == Some(b'-')
}

fn is_comment(line: &str) -> bool {
    line.starts_with(['#', ';']) || line.starts_with("//")
}

/// The line without its comment, and the comment. `//` begins one only after a space: it is in addresses of the web, too.
fn without_comment(line: &str) -> (&str, &str) {
    let mark = line.find(['#', ';']).map(|at| (at, 1));
    let slashes = line.find(" //").or_else(|| line.find("\t//")).map(|at| (at, 3));
    match [mark, slashes].into_iter().flatten().min() {
        Some((at, length)) => (line[..at].trim(), line[at + length..].trim_matches(is_mark)),
        None => (line, ""),
    }
}

/// What stands around comments.
fn is_mark(c: char) -> bool {
    c.is_whitespace() || matches!(c, '#' | ';' | '/' | '-' | ':')
}

/// `192.0.2.7 a label`, `192.0.2.0 255.255.255.0`, `192.0.2.1 - 192.0.2.9 a label`, `add name 192.0.2.0/24`.
fn in_words(body: &str) -> Option<(Range, String)> {
    let words: Vec<&str> = body.split_whitespace().take(64).collect();
    // What is joined to the address by a sign is the address with its label, too: `192.0.2.7: a label`.
    let bare =
        |word: &str| address::parse(word).or_else(|| address::parse(word.trim_end_matches([':', ','])));
    let (at, first) = words.iter().enumerate().find_map(|(at, word)| Some((at, bare(word)?)))?;
    // Far within a sentence an address is no entry.
    if at > 2 {
        return None;
    }
    let (range, used) = match words.get(at + 1..) {
        Some([dash, last, ..]) if matches!(*dash, "-" | "\u{2013}") => {
            (address::parse(&format!("{}-{last}", words[at]))?, 3)
        }
        Some([next, ..]) => match address::masked(first, next) {
            Some(block) => (block, 2),
            None if bare(next).is_some() => return None,
            None => (first, 1),
        },
        _ => (first, 1),
    };
    let label = words.get(at + used..).unwrap_or_default().join(" ");
    Some((range, label.trim_matches(is_mark).to_owned()))
}

/// The fields of a line of CSV (RFC 4180): quotes around a field, two for one within.
fn fields(line: &str, delimiter: char) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let (mut quoted, mut chars) = (false, line.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            c if c == delimiter && !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            c => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    fields
}

/// The line's columns, if it is a header: it names an address.
fn header(line: &str) -> Option<Header> {
    let line = line.trim_start_matches('#');
    let delimiter = DELIMITERS.into_iter().max_by_key(|d| (line.matches(*d).count(), *d == ','))?;
    let names: Vec<String> = fields(line, delimiter).iter().map(|name| json::key(name)).collect();
    let place = |known: &[&str]| known.iter().find_map(|k| names.iter().position(|name| name == k));
    let address = place(&json::ADDRESS_KEYS);
    let ends = place(&json::LOW_KEYS).zip(place(&json::HIGH_KEYS));
    (address.is_some() || ends.is_some()).then(|| Header {
        address: address.filter(|_| ends.is_none()),
        ends,
        label: place(&json::LABEL_KEYS).filter(|label| Some(*label) != address),
    })
}
