//! Lines of text into batches: a push decoder without I/O.

use memchr::memchr;

use super::assemble::{Assembler, Step};
use super::envelope;
use super::error::{DecodeError, SchemaProblem};
use super::extra::ExtraValue;
use super::fast;
use super::fault::Fault;
use super::format::{FormatColumn, LogFormat, Separator, is_blank, tokens, unquote};
use super::options::DecodeOptions;
use super::row::{Op, Row};
use super::token;
use crate::flow::{CaptureStatus, FlowBatch, MalformedExample, Tally};

/// Rows that vectors are sized for beforehand, whatever batch size is asked for.
pub(super) const MAX_CAPACITY: usize = 64 * 1024;

/// Decodes flow log lines pushed at it in chunks of any size.
///
/// Call [`decode`](Self::decode) with bytes. It returns how many it took; fewer than given (0 too)
/// means that the batch is full: take it with [`flush`](Self::flush) and go on with the rest. After
/// the last byte call [`finish`](Self::finish), then `flush` until it returns `None`.
///
/// The first line that is not blank is the header if it looks like one. Without a header the format is
/// that of the options, or the default format if the line fits it. A header further down (concatenated
/// files) changes the format from there on.
#[derive(Debug)]
pub struct TextDecoder {
    options: DecodeOptions,
    state: State,
    /// Beginning of a line whose end has not come yet.
    partial: Vec<u8>,
    /// The rest of a line that is too long is being skipped.
    skipping: bool,
    /// Lines may begin with the time of the event, see [`envelope::without_time`].
    timed: bool,
    line: u64,
    tally: Tally,
    problem: Option<SchemaProblem>,
    /// Lines under the current format not yet counted for its unknown fields.
    uncounted: u64,
    /// A header was read that waits for the rows of the old format to be taken.
    next: Option<LogFormat>,
}

/// What the lines are taken to be.
#[derive(Debug)]
enum State {
    /// No line seen yet, or none that told the format.
    Unknown,
    /// Rows of a format that cannot be used.
    Refused(LogFormat),
    /// Rows of a format.
    Ready { format: LogFormat, rows: Box<Assembler> },
}

impl TextDecoder {
    /// A decoder for one object.
    #[must_use]
    pub fn new(options: DecodeOptions) -> Self {
        Self {
            options,
            state: State::Unknown,
            partial: Vec::new(),
            skipping: false,
            timed: false,
            line: 0,
            tally: Tally::default(),
            problem: None,
            uncounted: 0,
            next: None,
        }
    }

    /// Takes bytes until they are used up or the batch is full.
    ///
    /// # Errors
    /// None today; lines that cannot be understood are counted, not fatal.
    pub fn decode(&mut self, input: &[u8]) -> Result<usize, DecodeError> {
        let mut at = 0;
        while at < input.len() && !self.is_full() {
            at += self.take_simple_rows(&input[at..]);
            let rest = &input[at..];
            if rest.is_empty() || self.is_full() {
                break;
            }
            let Some(end) = memchr(b'\n', rest) else {
                self.hold(rest);
                at = input.len();
                break;
            };
            self.end_line(&rest[..end]);
            at += end + 1;
        }
        self.count_unknown_fields();
        Ok(at)
    }

    /// Takes the rows decoded so far, if any. Also to be called when [`decode`](Self::decode) took
    /// less than it was given.
    ///
    /// # Errors
    /// [`DecodeError::Arrow`] if the columns do not fit together, which would be a defect.
    pub fn flush(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        let batch = match &mut self.state {
            State::Ready { rows, .. } => rows.take()?,
            State::Unknown | State::Refused(_) => None,
        };
        if let Some(format) = self.next.take() {
            self.adopt(format);
        }
        Ok(batch)
    }

    /// Says that the object ended: a last line without newline is complete.
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    pub fn finish(&mut self) -> Result<(), DecodeError> {
        self.end_line(&[]);
        self.count_unknown_fields();
        Ok(())
    }

    /// Says that the object was cut off: the line that the cut went through is malformed even if it
    /// looks complete, since its last number may have lost digits.
    pub fn finish_truncated(&mut self) {
        if self.skipping {
            self.skipping = false;
            self.tally.truncated += 1;
        } else if self.partial.iter().any(|&byte| !is_blank(byte)) {
            self.reject_truncated();
        }
        self.partial.clear();
    }

    /// Forgets the blanks seen so far: they turned out to stand before something else than lines.
    pub(super) fn restart(&mut self) {
        *self = Self::new(self.options.clone());
    }

    /// Counts a line that was cut off.
    pub(super) fn reject_truncated(&mut self) {
        self.reject("cut off by the end of a truncated object".to_owned());
        self.tally.truncated += 1;
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Why lines were counted as of another schema: the first reason met, if any.
    #[must_use]
    pub fn rejected_schema(&self) -> Option<&SchemaProblem> {
        self.problem.as_ref()
    }

    /// True if nothing more is taken before a flush.
    pub(super) fn is_full(&self) -> bool {
        match &self.state {
            _ if self.next.is_some() => true,
            State::Ready { rows, .. } => rows.buffered() >= self.options.batch_rows.max(1),
            State::Unknown | State::Refused(_) => false,
        }
    }

    /// Counts a line that is malformed.
    pub(super) fn reject(&mut self, reason: String) {
        self.line += 1;
        self.count_line();
        self.malformed(reason);
        self.count_unknown_fields();
    }

    /// Takes rows the short way for as long as that goes; returns how many bytes they had.
    fn take_simple_rows(&mut self, input: &[u8]) -> usize {
        let State::Ready { rows, .. } = &mut self.state else { return 0 };
        if rows.layout.is_none() || self.timed || self.skipping || !self.partial.is_empty() {
            return 0;
        }
        let most = self.options.batch_rows.max(1).saturating_sub(rows.buffered());
        let (count, len) = fast::take_rows(rows, input, most, self.options.max_line_bytes);
        let count = count as u64;
        self.line += count;
        self.uncounted += count;
        self.tally.lines += count;
        self.tally.records += count;
        len
    }

    /// Keeps the beginning of a line, unless it is too long.
    fn hold(&mut self, rest: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + rest.len() > self.options.max_line_bytes {
            self.too_long();
            self.skipping = true;
        } else {
            self.partial.extend_from_slice(rest);
        }
    }

    fn too_long(&mut self) {
        self.partial.clear();
        self.reject(format!("line longer than {} bytes", self.options.max_line_bytes));
    }

    /// The end of a line has come; `tail` is what follows the part held.
    fn end_line(&mut self, tail: &[u8]) {
        if self.skipping {
            self.skipping = false;
        } else if self.partial.len() + tail.len() > self.options.max_line_bytes {
            self.too_long();
        } else if self.partial.is_empty() {
            self.take_line(tail);
        } else {
            self.partial.extend_from_slice(tail);
            let mut line = std::mem::take(&mut self.partial);
            self.take_line(&line);
            line.clear();
            self.partial = line;
        }
    }

    fn take_line(&mut self, line: &[u8]) {
        self.line += 1;
        let Some(first) = line.iter().position(|&byte| !is_blank(byte)) else { return };
        let mut line = &line[first..];
        if self.timed {
            line = envelope::without_time(line);
        }
        let Some(&first) = line.first() else { return };
        if let State::Ready { format, rows } = &mut self.state {
            // A header that repeats begins with a name. Looking it up is only worth it for a letter.
            if !(first.is_ascii_lowercase() || first == b'"') || !begins_with_name(line) {
                match take_row(rows, format.separator(), line) {
                    Ok(status) => self.count_row(status),
                    Err(fault) => self.take_odd_line(line, Some(fault)),
                }
                return;
            }
        }
        self.take_odd_line(line, None);
    }

    /// Takes a line that is the first, or a header, or malformed, or of a format that is refused.
    #[cold]
    fn take_odd_line(&mut self, line: &[u8], fault: Option<Fault>) {
        let mut line = line;
        if matches!(self.state, State::Unknown) && self.tally.lines == 0 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii_start();
        }
        if !self.timed && matches!(self.state, State::Unknown) {
            let without = envelope::without_time(line);
            if without.len() < line.len() {
                self.timed = true;
                return self.take_odd_line(without, fault);
            }
        }
        if line.is_empty() {
            return;
        }
        if let Some(format) = LogFormat::from_header(line) {
            self.switch_to(format);
            return;
        }
        let mut fault = fault;
        if matches!(self.state, State::Unknown) {
            let format = self.options.log_format.clone().or_else(|| LogFormat::sniff(line));
            if let Some(format) = format {
                self.adopt(format);
            }
        }
        if let State::Ready { format, rows } = &mut self.state
            && fault.is_none()
        {
            match take_row(rows, format.separator(), line) {
                Ok(status) => return self.count_row(status),
                Err(found) => fault = Some(found),
            }
        }
        self.count_line();
        match (&self.state, fault) {
            (State::Ready { format, .. }, Some(fault)) => {
                let reason = fault.reason(fault_value(fault, format, line));
                self.malformed(reason);
            }
            (State::Unknown, _) => {
                self.tally.other_schema += 1;
                self.problem.get_or_insert(SchemaProblem::UnknownFormat);
            }
            _ => self.tally.other_schema += 1,
        }
    }

    /// A header was read: from here on lines are of this format.
    fn switch_to(&mut self, format: LogFormat) {
        match &self.state {
            State::Ready { format: current, .. } | State::Refused(current) if *current == format => {}
            State::Ready { rows, .. } if rows.buffered() > 0 => self.next = Some(format),
            _ => self.adopt(format),
        }
    }

    fn adopt(&mut self, format: LogFormat) {
        self.count_unknown_fields();
        let problem = if format.is_transit_gateway() {
            Some(SchemaProblem::TransitGateway)
        } else if self.options.projection.is_all() {
            None
        } else {
            let missing = format.missing_for_analysis();
            (!missing.is_empty()).then_some(SchemaProblem::MissingFields(missing))
        };
        self.state = match problem {
            Some(problem) => {
                self.problem.get_or_insert(problem);
                State::Refused(format)
            }
            None => {
                let capacity = self.options.batch_rows.clamp(1, MAX_CAPACITY);
                let rows = Box::new(Assembler::new(&format, self.options.projection, capacity));
                State::Ready { format, rows }
            }
        };
    }

    fn count_line(&mut self) {
        self.tally.lines += 1;
        self.uncounted += 1;
    }

    #[inline]
    fn count_row(&mut self, status: CaptureStatus) {
        self.count_line();
        self.tally.count(status);
    }

    fn malformed(&mut self, reason: String) {
        self.tally.malformed += 1;
        if self.tally.examples.len() < Tally::MAX_EXAMPLES {
            let object = String::new();
            self.tally.examples.push(MalformedExample { object, line: self.line, reason });
        }
    }

    fn count_unknown_fields(&mut self) {
        let count = std::mem::take(&mut self.uncounted);
        if let (State::Ready { format, .. } | State::Refused(format), 1..) = (&self.state, count) {
            for name in format.unknown() {
                *self.tally.unknown_fields.entry(name.to_owned()).or_default() += count;
            }
        }
    }
}

/// Reads one line, which is not blank, into the columns.
#[inline]
fn take_row(rows: &mut Assembler, separator: Separator, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let taken = match separator {
        Separator::Space if rows.has_extras() => wide_row(rows, line),
        Separator::Space => spaced_row(rows, line),
        Separator::Comma => comma_row(rows, line),
    };
    taken.or_else(|fault| faulty_row(rows, separator, line, fault))
}

/// The hot loop: each step takes its value and says how long it was, so every byte is looked at once.
#[inline]
fn spaced_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    let mut rest = line;
    for &Step { op, .. } in rows.steps() {
        if rest.is_empty() {
            return Err(Fault::COUNT);
        }
        let len = row.read(op, rest).ok_or(Fault::Value { field: op.field() })?;
        rest = after(rest, len);
    }
    if !rest.is_empty() {
        return Err(Fault::COUNT);
    }
    rows.settle(&row)
}

/// As [`spaced_row`], with columns beyond the engine's.
#[inline(never)]
fn wide_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    let mut rest = line;
    for index in 0..rows.steps().len() {
        let Step { op, extra } = rows.steps()[index];
        if rest.is_empty() {
            return Err(Fault::COUNT);
        }
        let value = &rest[..token::length(rest)];
        // With what follows it, a value is read faster than alone.
        if op != Op::Skip && row.read_first(op, rest) != Some(value.len()) {
            return Err(Fault::Value { field: op.field() });
        }
        if let Some(extra) = extra {
            rows.push_extra(extra, ExtraValue::Text(value))?;
        }
        rest = after(rest, value.len());
    }
    if !rest.is_empty() {
        return Err(Fault::COUNT);
    }
    rows.settle(&row)
}

/// What follows a value of length `len` and the blanks after it.
#[inline(always)]
fn after(rest: &[u8], len: usize) -> &[u8] {
    // One blank is the rule.
    let mut rest = rest.get(len + 1..).unwrap_or_default();
    while let Some((&byte, tail)) = rest.split_first()
        && is_blank(byte)
    {
        rest = tail;
    }
    rest
}

fn comma_row(rows: &mut Assembler, line: &[u8]) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    let mut values = line.split(|&byte| byte == b',').map(unquote);
    for index in 0..rows.steps().len() {
        let step = rows.steps()[index];
        let value = values.next().ok_or(Fault::COUNT)?;
        // Text that nobody reads may hold blanks; other values are read to their end.
        if !value.is_empty() && step.op != Op::Skip && !row.read_whole(step.op, value) {
            return Err(Fault::Value { field: step.op.field() });
        }
        if let Some(extra) = step.extra {
            let value = if value.is_empty() { ExtraValue::Missing } else { ExtraValue::Text(value) };
            rows.push_extra(extra, value)?;
        }
    }
    if values.next().is_some() {
        return Err(Fault::COUNT);
    }
    rows.settle(&row)
}

/// A second look at a line with a fault. If it has another number of values than the format, that is the
/// more useful thing to say than which value went wrong first.
#[cold]
fn faulty_row(
    rows: &mut Assembler,
    separator: Separator,
    line: &[u8],
    fault: Fault,
) -> Result<CaptureStatus, Fault> {
    rows.forget_row();
    let expected = rows.steps().len();
    let found = tokens(line, separator).count();
    if expected != found {
        return Err(Fault::Count { expected, found });
    }
    rows.settle_faulty(fault, tokens(line, separator), |row, op, value| {
        value.is_empty() || row.read_whole(op, value)
    })
}

/// What stands in the field at fault.
fn fault_value<'a>(fault: Fault, format: &LogFormat, line: &'a [u8]) -> &'a [u8] {
    let field = fault.quoted_field();
    let at = format.columns().iter().position(|column| match column {
        FormatColumn::Known(known) => Some(known.name) == field,
        FormatColumn::Unknown(_) => false,
    });
    at.and_then(|index| tokens(line, format.separator()).nth(index)).unwrap_or_default()
}

/// True if the first value is the name of a field.
fn begins_with_name(line: &[u8]) -> bool {
    let end = line.iter().position(|&byte| is_blank(byte) || byte == b',').unwrap_or(line.len());
    super::fields::lookup(unquote(&line[..end])).is_some()
}
