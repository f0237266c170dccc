//! Lines without a header: each is taken in the format that it fits.

use super::{State, TextDecoder};
use crate::decode::choice::{Choice, Trust, Verdict};
use crate::decode::error::SchemaProblem;
use crate::decode::fault::Fault;
use crate::decode::line::is_sound_record;
use crate::decode::options::{DecodeOptions, FormatOrigin};

/// Lines without a header.
#[derive(Debug)]
pub(super) struct Headerless {
    choice: Choice,
    /// States of the formats that lines were taken in, other than the current one.
    parked: Vec<Option<State>>,
    current: Option<usize>,
    /// Lines taken in each format, up to when the current one became that.
    lines: Vec<u64>,
    /// Lines taken in all formats by then.
    before: u64,
    /// A header ended it.
    pub(super) over: bool,
}

impl Headerless {
    pub(super) fn new(options: &DecodeOptions) -> Self {
        let choice = Choice::new(options);
        let (parked, lines) =
            (choice.formats().map(|_| None).collect(), choice.formats().map(|_| 0).collect());
        Self { choice, parked, current: None, lines, before: 0, over: false }
    }

    /// Lines of formats without a header end here. `taken` is how many lines were taken in all.
    pub(super) fn end(&mut self, taken: u64) {
        if !self.over {
            self.count(taken);
            self.over = true;
        }
    }

    /// Credits the current format with the lines since it became that.
    fn count(&mut self, taken: u64) {
        if let Some(current) = self.current {
            self.lines[current] += taken - self.before;
        }
        self.before = taken;
    }
}

impl TextDecoder {
    /// Takes a line that no header tells the format of. `fault` is what the current format had against it.
    pub(super) fn take_headerless(&mut self, line: &[u8], fault: Option<Fault>) {
        // Without another format of as many values, what is wrong is wrong.
        if let Some(fault) = fault
            && !matches!(fault, Fault::Count { .. })
        {
            return self.refuse(line, fault);
        }
        let Some(headerless) = &mut self.headerless else { return };
        if headerless.choice.is_pinned() {
            return match fault {
                Some(fault) => self.refuse(line, fault),
                None => {
                    self.change_to(0);
                    self.take_in_current(line);
                }
            };
        }
        if self.trust == Trust::SoundRecords
            && let State::Ready { format, rows } = &self.state
            && rows.has_expected_version(format.separator(), line)
            && is_sound_record(rows, line)
        {
            return self.take_in_current(line);
        }
        match headerless.choice.decide(line, headerless.current) {
            Verdict::Take(index) => {
                self.change_to(index);
                self.take_in_current(line);
            }
            Verdict::Ambiguous(reason) => {
                self.tally.lines += 1;
                self.malformed(reason);
            }
            Verdict::Nothing(_) if matches!(self.state, State::Unknown) && headerless.choice.is_guess() => {
                self.tally.lines += 1;
                self.tally.other_schema += 1;
                self.problem.get_or_insert(SchemaProblem::UnknownFormat);
            }
            Verdict::Nothing(reason) => {
                self.tally.lines += 1;
                self.malformed(reason);
            }
        }
    }

    /// Makes another of the formats without a header the current one.
    fn change_to(&mut self, index: usize) {
        self.count_unknown_fields();
        let taken = self.taken();
        let Some(headerless) = &mut self.headerless else { return };
        self.trust = headerless.choice.trust(index);
        if headerless.current == Some(index) {
            return;
        }
        headerless.count(taken);
        let before = headerless.current.replace(index);
        let state = headerless.parked[index].take().unwrap_or(State::Unknown);
        let old = std::mem::replace(&mut self.state, state);
        if let Some(before) = before {
            headerless.parked[before] = Some(old);
        }
        if matches!(self.state, State::Unknown) {
            let format = headerless.choice.format(index).clone();
            let version = headerless.choice.expected_version(index).cloned();
            self.adopt(format);
            if let (State::Ready { rows, .. }, Some((column, version))) = (&mut self.state, version) {
                rows.expect_version(column, version.into_bytes());
            }
        }
        self.count_parked();
    }

    pub(super) fn count_parked(&mut self) {
        let parked = self.headerless.iter().flat_map(|headerless| headerless.parked.iter().flatten());
        self.parked_rows = parked.map(State::buffered).sum();
    }

    /// Of the current format and those that are parked, the one with most rows.
    pub(super) fn fullest(&mut self) -> &mut State {
        let parked = self.headerless.iter_mut().flat_map(|headerless| headerless.parked.iter_mut().flatten());
        parked.fold(
            &mut self.state,
            |most, state| if state.buffered() > most.buffered() { state } else { most },
        )
    }

    /// Lines that were of a format, whether or not it can be used.
    pub(super) fn taken(&self) -> u64 {
        self.tally.records + self.tally.nodata + self.tally.skipdata + self.tally.other_schema
    }

    /// The formats that lines without a header were taken to have, with where they are known from and how
    /// many lines each took, in the order in which they were looked at. Empty for an object with a header.
    #[must_use]
    pub fn formats_used(&self) -> Vec<(FormatOrigin, String, u64)> {
        let Some(headerless) = &self.headerless else { return Vec::new() };
        let mut lines = headerless.lines.clone();
        if let (Some(current), false) = (headerless.current, headerless.over) {
            lines[current] += self.taken() - headerless.before;
        }
        let used = lines.into_iter().enumerate().filter(|(_, lines)| *lines > 0);
        used.map(|(index, lines)| {
            let choice = &headerless.choice;
            (choice.origin(index).clone(), choice.format(index).to_string(), lines)
        })
        .collect()
    }
}
