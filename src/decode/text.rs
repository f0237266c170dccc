//! Lines of text into batches: a push decoder without I/O.

mod headerless;

use memchr::memchr;

use super::assemble::Assembler;
use super::choice::Trust;
use super::envelope;
use super::error::{DecodeError, SchemaProblem};
use super::fast;
use super::fault::Fault;
use super::format::{LogFormat, is_blank, unquote};
use super::line::{fault_value, take_row};
use super::options::DecodeOptions;
use crate::flow::{CaptureStatus, FlowBatch, MalformedExample, Tally};

use headerless::Headerless;

/// Rows that vectors are sized for beforehand, whatever batch size is asked for.
pub(super) const MAX_CAPACITY: usize = 64 * 1024;

/// Decodes flow log lines pushed at it in chunks of any size.
///
/// Call [`decode`](Self::decode) with bytes. It returns how many it took; fewer than given (0 too)
/// means that the batch is full: take it with [`flush`](Self::flush) and go on with the rest. After
/// the last byte call [`finish`](Self::finish), then `flush` until it returns `None`.
///
/// The first line that is not blank is the header if it looks like one. Without a header each line is taken
/// to be of the format that it fits best, see [`DecodeOptions::log_formats`]; such lines of several formats
/// come in a batch per format, in which they keep their order. A header further down (concatenated files)
/// sets the format from there on.
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
    /// Which formats lines without a header have had, once there was such a line.
    headerless: Option<Box<Headerless>>,
    /// Rows that wait in formats other than the current one.
    parked_rows: usize,
    /// How far the current format may take lines without a look at the others.
    trust: Trust,
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

impl State {
    /// Rows of any kind that wait to be taken.
    #[inline]
    fn buffered(&self) -> usize {
        match self {
            Self::Ready { rows, .. } => rows.buffered(),
            Self::Unknown | Self::Refused(_) => 0,
        }
    }
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
            headerless: None,
            parked_rows: 0,
            trust: Trust::Always,
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
        let batch = match self.fullest() {
            State::Ready { rows, .. } => rows.take()?,
            State::Unknown | State::Refused(_) => None,
        };
        self.count_parked();
        if self.state.buffered() + self.parked_rows == 0
            && let Some(format) = self.next.take()
        {
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
        self.next.is_some() || self.state.buffered() + self.parked_rows >= self.options.batch_rows.max(1)
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
        let off = self.timed || self.skipping || self.trust == Trust::Never;
        if rows.layout.is_none() || off || !self.partial.is_empty() {
            return 0;
        }
        let most = self.options.batch_rows.max(1).saturating_sub(rows.buffered() + self.parked_rows);
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
        if let State::Ready { format, rows } = &mut self.state
            && self.trust == Trust::Always
        {
            // A header that repeats begins with a name. Looking it up is only worth it for a letter.
            let may_be_header = first.is_ascii_lowercase() || first == b'"';
            if !(may_be_header && begins_with_name(line))
                && rows.has_expected_version(format.separator(), line)
            {
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
        if self.headerless.is_none() && matches!(self.state, State::Unknown) {
            self.headerless = Some(Box::new(Headerless::new(&self.options)));
        }
        match fault {
            _ if self.headerless.as_ref().is_some_and(|h| !h.over) => self.take_headerless(line, fault),
            Some(fault) => self.refuse(line, fault),
            None => self.take_in_current(line),
        }
    }

    /// Takes a line in the current format.
    fn take_in_current(&mut self, line: &[u8]) {
        if let State::Ready { format, rows } = &mut self.state {
            match take_row(rows, format.separator(), line) {
                Ok(status) => self.count_row(status),
                Err(fault) => self.refuse(line, fault),
            }
        } else {
            self.count_line();
            self.tally.other_schema += 1;
        }
    }

    /// Counts a line of the current format that has a fault.
    fn refuse(&mut self, line: &[u8], fault: Fault) {
        let reason = match &self.state {
            State::Ready { format, .. } | State::Refused(format) => {
                fault.reason(fault_value(fault, format, line))
            }
            State::Unknown => fault.reason(&[]),
        };
        self.count_line();
        self.malformed(reason);
    }

    /// A header was read: from here on lines are of this format.
    fn switch_to(&mut self, format: LogFormat) {
        let taken = self.taken();
        if let Some(headerless) = &mut self.headerless {
            headerless.end(taken);
        }
        self.trust = Trust::Always;
        match &self.state {
            State::Ready { format: current, .. } | State::Refused(current) if *current == format => {}
            state if state.buffered() + self.parked_rows > 0 => self.next = Some(format),
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

/// True if the first value is the name of a field.
fn begins_with_name(line: &[u8]) -> bool {
    let end = line.iter().position(|&byte| is_blank(byte) || byte == b',').unwrap_or(line.len());
    super::fields::lookup(unquote(&line[..end])).is_some()
}
