//! Which of several formats a line without a header has.

use super::fields::Field;
use super::format::{FormatColumn, LogFormat, Separator, tokens};
use super::known;
use super::likeness::Likeness;
use super::options::{DecodeOptions, FormatOrigin};
use super::row::Op;

/// The formats that lines may have, and which of them lines did have.
#[derive(Debug)]
pub(super) struct Choice {
    candidates: Vec<Candidate>,
    /// Columns that the decoder does not read do not matter.
    everything: bool,
    /// Some formats have commas and some spaces, so that counts of values do not tell them apart.
    mixed: bool,
    /// Nobody gave a format.
    guess: bool,
}

#[derive(Debug)]
struct Candidate {
    origin: FormatOrigin,
    /// A line is of a later tier only if it fits no format of an earlier one.
    tier: u8,
    format: LogFormat,
    likeness: Likeness,
    /// The column of `version` and what must be there.
    version: Option<(usize, String)>,
    /// No other has as many values.
    alone: bool,
    /// No complete record of it can be a line of another.
    distinct: bool,
    /// A line of this object was of it without doubt.
    proven: bool,
}

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Of the format with this index.
    Take(usize),
    /// Of one of several that say different things, and why it cannot be told.
    Ambiguous(String),
    /// Of none, and why.
    Nothing(String),
}

/// How far a format may take lines without a look at the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// No line.
    Never,
    /// Lines that are complete records.
    SoundRecords,
    /// Lines with as many values as it has.
    Always,
}

impl Choice {
    pub(super) fn new(options: &DecodeOptions) -> Self {
        let tier = |origin: &FormatOrigin| match origin {
            FormatOrigin::User => 0,
            FormatOrigin::FlowLog(_) => 1,
            FormatOrigin::Known => 2,
        };
        let by_user = options.log_formats.iter().any(|given| given.origin == FormatOrigin::User);
        let mut candidates: Vec<Candidate> = Vec::new();
        let mut add = |origin: FormatOrigin, format: &LogFormat| {
            if candidates.iter().all(|candidate| candidate.format != *format) {
                let likeness = Likeness::new(format, origin != FormatOrigin::User);
                let format = format.clone();
                let version = likeness.expected_version();
                let (alone, distinct, proven, tier) = (true, true, false, tier(&origin));
                candidates.push(Candidate {
                    origin,
                    tier,
                    format,
                    likeness,
                    version,
                    alone,
                    distinct,
                    proven,
                });
            }
        };
        for given in options.log_formats.iter().filter(|given| !by_user || given.origin == FormatOrigin::User)
        {
            add(given.origin.clone(), &given.format);
        }
        let guess = options.log_formats.is_empty();
        // A flow log that was deleted since is in no inventory, and what it wrote still is.
        if !by_user {
            for format in known::FORMATS.iter() {
                add(FormatOrigin::Known, format);
            }
        }
        let separator = |candidate: &Candidate| candidate.format.separator();
        let mixed = candidates.windows(2).any(|pair| separator(&pair[0]) != separator(&pair[1]));
        for one in 0..candidates.len() {
            for other in (0..candidates.len()).filter(|other| *other != one) {
                let (a, b) = (&candidates[one], &candidates[other]);
                if b.tier > a.tier {
                    continue;
                }
                if mixed || a.format.columns().len() == b.format.columns().len() {
                    let distinct = !mixed && a.likeness.excludes(&b.likeness);
                    let candidate = &mut candidates[one];
                    candidate.alone = false;
                    candidate.distinct &= distinct;
                }
            }
        }
        Self { candidates, everything: options.projection.is_all(), mixed, guess }
    }

    pub(super) fn formats(&self) -> impl Iterator<Item = &LogFormat> {
        self.candidates.iter().map(|candidate| &candidate.format)
    }

    pub(super) fn format(&self, index: usize) -> &LogFormat {
        &self.candidates[index].format
    }

    /// The column of `version` and what must be there, in lines of this format.
    pub(super) fn expected_version(&self, index: usize) -> Option<&(usize, String)> {
        self.candidates[index].version.as_ref()
    }

    pub(super) fn origin(&self, index: usize) -> &FormatOrigin {
        &self.candidates[index].origin
    }

    /// True if the user gave one format: every line is of that.
    pub(super) fn is_pinned(&self) -> bool {
        matches!(self.candidates.as_slice(), [Candidate { origin: FormatOrigin::User, .. }])
    }

    /// True if nobody gave a format.
    pub(super) fn is_guess(&self) -> bool {
        self.guess
    }

    pub(super) fn trust(&self, index: usize) -> Trust {
        let candidate = &self.candidates[index];
        match candidate {
            _ if self.is_pinned() => Trust::Always,
            Candidate { proven: false, .. } => Trust::Never,
            Candidate { alone: true, .. } => Trust::Always,
            Candidate { distinct: true, .. } => Trust::SoundRecords,
            _ => Trust::Never,
        }
    }

    /// Says what a line is. `current` is the format of the line before.
    pub(super) fn decide(&mut self, line: &[u8], current: Option<usize>) -> Verdict {
        let count = |separator| match self.formats().any(|format| format.separator() == separator) {
            true => tokens(line, separator).count(),
            false => 0,
        };
        let (spaced, commas) = (count(Separator::Space), count(Separator::Comma));
        let found = |format: &LogFormat| match format.separator() {
            Separator::Space => spaced,
            Separator::Comma => commas,
        };
        let group: Vec<usize> =
            (0..self.candidates.len()).filter(|at| found(self.format(*at)) == self.columns(*at)).collect();
        for tier in 0..=2 {
            let of_tier = group.iter().copied().filter(|at| self.candidates[*at].tier == tier);
            if let Some(verdict) = self.decide_among(&of_tier.collect::<Vec<_>>(), line, current) {
                return verdict;
            }
        }
        self.nothing(line, &group, spaced.max(commas), current)
    }

    /// Which of some formats with as many values a line has, or `None` if it fits none.
    fn decide_among(&mut self, group: &[usize], line: &[u8], current: Option<usize>) -> Option<Verdict> {
        if let [only] = *group
            && !self.mixed
        {
            let candidate = &mut self.candidates[only];
            // What the user gave is not doubted for the looks of its values.
            candidate.proven |= candidate.origin == FormatOrigin::User;
            let fits = candidate.version.as_ref().is_none_or(|(column, version)| {
                tokens(line, candidate.format.separator()).nth(*column) == Some(version.as_bytes())
            });
            if candidate.proven && fits {
                return Some(Verdict::Take(only));
            }
        }
        let scores: Vec<(usize, i32)> = group
            .iter()
            .filter_map(|at| Some((*at, self.candidates[*at].likeness.score(&self.values(*at, line))?)))
            .collect();
        let most = scores.iter().map(|(_, score)| *score).max();
        let best: Vec<usize> =
            scores.iter().filter(|(_, score)| Some(*score) == most).map(|(at, _)| *at).collect();
        Some(match best[..] {
            [] => return None,
            [only] => {
                self.candidates[only].proven = true;
                Verdict::Take(only)
            }
            [first, ..] => {
                if best.iter().all(|at| self.reading(*at, line) == self.reading(first, line)) {
                    let current = current.filter(|current| best.contains(current));
                    return Some(Verdict::Take(current.unwrap_or(first)));
                }
                let mut proven = best.iter().filter(|at| self.candidates[**at].proven);
                match (proven.next(), proven.next()) {
                    (Some(only), None) => Verdict::Take(*only),
                    _ => Verdict::Ambiguous(format!(
                        "ambiguous format: {} formats fit equally; give the one meant with --log-format",
                        best.len()
                    )),
                }
            }
        })
    }

    fn columns(&self, index: usize) -> usize {
        self.format(index).columns().len()
    }

    fn values<'a>(&self, index: usize, line: &'a [u8]) -> Vec<&'a [u8]> {
        tokens(line, self.format(index).separator()).collect()
    }

    /// What a line comes to in a format: the fields that are read, by name, with their values. Of a NODATA
    /// or SKIPDATA row only place and time are.
    fn reading<'a>(&self, index: usize, line: &'a [u8]) -> Vec<(&'static str, &'a [u8])> {
        let candidate = &self.candidates[index];
        let values = self.values(index, line);
        let idle = candidate.likeness.is_idle(&values);
        let matters = |field: &Field| match Op::of(field.name) {
            Op::Interface | Op::Resource | Op::Start | Op::End => true,
            Op::Status => idle,
            op => !idle && (self.everything || op != Op::Skip),
        };
        let mut out: Vec<(&'static str, &'a [u8])> = Vec::new();
        for (column, value) in candidate.format.columns().iter().zip(values) {
            if let FormatColumn::Known(field) = column
                && matters(field)
                && out.iter().all(|(name, _)| *name != field.name)
            {
                out.push((field.name, value));
            }
        }
        out.sort_unstable();
        out
    }

    /// A line that fits no format.
    fn nothing(&self, line: &[u8], group: &[usize], found: usize, current: Option<usize>) -> Verdict {
        // The default format is looked for by its most telling values only, so that what is wrong can be said.
        if self.guess && current.is_none() && line.starts_with(b"2 ") && LogFormat::sniff(line).is_some() {
            return Verdict::Take(0);
        }
        let mut counts: Vec<usize> = (0..self.candidates.len()).map(|at| self.columns(at)).collect();
        counts.sort_unstable();
        counts.dedup();
        Verdict::Nothing(match (counts.as_slice(), current) {
            ([expected], _) if group.is_empty() => format!("expected {expected} fields, found {found}"),
            (_, Some(current)) if group.is_empty() && self.guess => {
                format!("expected {} fields, found {found}", self.columns(current))
            }
            _ if group.is_empty() => {
                let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
                format!("{found} fields, but the formats looked for have {}", counts.join(", "))
            }
            _ => match self.candidates.as_slice() {
                [only] => format!("not in the format of {}", only.origin),
                all => {
                    format!("in none of the {} formats expected; give its own with --log-format", all.len())
                }
            },
        })
    }
}
