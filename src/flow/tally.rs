//! What was read and not used: the other side of the conservation invariant.

use super::types::CaptureStatus;

/// One malformed line, kept as an example.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MalformedExample {
    /// Name of the object it came from. Filled in by the pipeline; decoders do not know it.
    pub object: String,
    /// 1-based line (text) or row (Parquet) within the object.
    pub line: u64,
    /// What is wrong, naming the field.
    pub reason: String,
}

/// Counts of lines read, by what became of them.
///
/// Invariant (conservation): `lines == records + nodata + skipdata + malformed + other_schema
/// + duplicate + out_of_range`. Header lines and blank lines are not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Data lines (text) or rows (Parquet) read.
    pub lines: u64,
    /// Records used.
    pub records: u64,
    /// NODATA rows: the interface was watched and idle.
    pub nodata: u64,
    /// SKIPDATA rows: a coverage gap.
    pub skipdata: u64,
    /// Lines that could not be understood. Any makes the run incomplete.
    pub malformed: u64,
    /// Lines of another schema: Transit Gateway logs, or logs without the fields the analysis needs.
    pub other_schema: u64,
    /// Records delivered twice: the same record again, or the same interface and time under an
    /// overlapping flow log that was not elected.
    pub duplicate: u64,
    /// Records outside `--from` / `--to`.
    pub out_of_range: u64,
    /// Lines cut off by the end of a truncated object (a subset of `malformed`).
    pub truncated: u64,
    /// Names of fields that are in no version flowgate knows, with the number of lines that carried them.
    pub unknown_fields: std::collections::BTreeMap<String, u64>,
    /// The first malformed lines, at most [`Tally::MAX_EXAMPLES`] per object.
    pub examples: Vec<MalformedExample>,
}

impl Tally {
    /// How many malformed lines are kept as examples.
    pub const MAX_EXAMPLES: usize = 5;

    /// Adds another tally. Examples are kept in (object, line) order so that the result does not
    /// depend on the order of merging.
    pub fn merge(&mut self, other: &Self) {
        self.lines += other.lines;
        self.records += other.records;
        self.nodata += other.nodata;
        self.skipdata += other.skipdata;
        self.malformed += other.malformed;
        self.other_schema += other.other_schema;
        self.duplicate += other.duplicate;
        self.out_of_range += other.out_of_range;
        self.truncated += other.truncated;
        for (name, count) in &other.unknown_fields {
            *self.unknown_fields.entry(name.clone()).or_default() += count;
        }
        self.examples.extend(other.examples.iter().cloned());
        self.examples.sort_by(|a, b| (&a.object, a.line).cmp(&(&b.object, b.line)));
        self.examples.truncate(Self::MAX_EXAMPLES);
    }

    /// Counts a row by its status: a record, NODATA or SKIPDATA. The line is counted apart.
    pub fn count(&mut self, status: CaptureStatus) {
        *match status {
            CaptureStatus::Ok => &mut self.records,
            CaptureStatus::NoData => &mut self.nodata,
            CaptureStatus::SkipData => &mut self.skipdata,
        } += 1;
    }

    /// True when every line read is accounted for.
    #[must_use]
    pub fn is_conserved(&self) -> bool {
        self.lines
            == self.records
                + self.nodata
                + self.skipdata
                + self.malformed
                + self.other_schema
                + self.duplicate
                + self.out_of_range
    }
}
