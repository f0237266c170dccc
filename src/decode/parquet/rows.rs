//! Rows of a Parquet file on their way into batches, and what became of them.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;

use super::cells::{Cell, Cells};
use super::columnar::Columnar;
use crate::decode::assemble::Assembler;
use crate::decode::error::DecodeError;
use crate::decode::extra::ExtraValue;
use crate::decode::fault::Fault;
use crate::decode::fields::Field;
use crate::decode::format::LogFormat;
use crate::decode::options::DecodeOptions;
use crate::decode::row::{Op, Row};
use crate::decode::text::MAX_CAPACITY;
use crate::flow::{CaptureStatus, FlowBatch, MalformedExample, Tally};

/// Takes the rows of the columns that are read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Nothing before the columns are known.
    assembler: Option<Assembler>,
    /// Fields of the columns that are read, in their order.
    fields: Vec<&'static Field>,
    unknown: Vec<String>,
    pub(super) columnar: Columnar,
    pub(super) tally: Tally,
}

impl Rows {
    pub(super) fn new<'a>(
        fields: Vec<&'static Field>,
        unknown: impl Iterator<Item = &'a str>,
        options: &DecodeOptions,
    ) -> Self {
        let capacity = options.batch_rows.clamp(1, MAX_CAPACITY);
        let read = LogFormat::from_names(fields.iter().map(|field| field.name));
        let assembler = Assembler::new(&read, options.projection, capacity);
        Self {
            columnar: Columnar::new(assembler.steps()),
            assembler: Some(assembler),
            fields,
            unknown: unknown.map(str::to_owned).collect(),
            tally: Tally::default(),
        }
    }

    /// Rows of any kind that wait to be taken.
    pub(super) fn buffered(&self) -> usize {
        self.assembler.as_ref().map_or(0, Assembler::buffered)
    }

    /// What was pushed since the last call, if anything.
    pub(super) fn take(&mut self) -> Result<Option<FlowBatch>, ArrowError> {
        self.columnar.forget();
        self.assembler.as_mut().map_or(Ok(None), Assembler::take)
    }

    /// Counts rows that are not read, because they are of another schema.
    pub(super) fn refuse(&mut self, rows: u64) {
        self.count(rows);
        self.tally.other_schema += rows;
    }

    fn count(&mut self, rows: u64) {
        self.tally.lines += rows;
        if rows > 0 {
            for name in &self.unknown {
                *self.tally.unknown_fields.entry(name.clone()).or_default() += rows;
            }
        }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<(), DecodeError> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for (field, array) in self.fields.iter().zip(batch.columns()) {
            columns.push(Cells::new(field, array)?);
        }
        let first = self.tally.lines;
        let Some(mut rows) = self.assembler.take() else { return Ok(()) };
        self.count(batch.num_rows() as u64);
        self.columnar.read(&columns, batch.num_rows());
        let mut at = 0;
        while at < batch.num_rows() {
            let end = at + self.columnar.length(at);
            if at < end {
                let taken = self.columnar.take(&mut rows, &columns, at..end);
                self.tally.records += taken as u64;
                at += taken;
            }
            if at < batch.num_rows() {
                self.push_row(&mut rows, &columns, at, first);
                at += 1;
            }
        }
        self.assembler = Some(rows);
        Ok(())
    }

    /// Looks at one row. `first` rows were in batches before this one.
    fn push_row(&mut self, rows: &mut Assembler, columns: &[Cells], at: usize, first: u64) {
        match read_row(rows, columns, &self.fields, at) {
            Ok(status) => self.tally.count(status),
            Err(fault) => {
                self.tally.malformed += 1;
                if self.tally.examples.len() < Tally::MAX_EXAMPLES {
                    let place = self.fields.iter().position(|f| Some(f.name) == fault.quoted_field());
                    let value = place.map(|column| columns[column].shown(at)).unwrap_or_default();
                    self.tally.examples.push(MalformedExample {
                        object: String::new(),
                        line: first + at as u64 + 1,
                        reason: fault.reason(&value),
                    });
                }
            }
        }
    }
}

fn read_row(
    rows: &mut Assembler,
    columns: &[Cells],
    fields: &[&'static Field],
    at: usize,
) -> Result<CaptureStatus, Fault> {
    let taken = read_sound_row(rows, columns, fields, at);
    taken.or_else(|fault| {
        let values = columns.iter().map(|cells| cells.value(at));
        rows.settle_faulty(fault, values, read_cell)
    })
}

fn read_sound_row(
    rows: &mut Assembler,
    columns: &[Cells],
    fields: &[&'static Field],
    at: usize,
) -> Result<CaptureStatus, Fault> {
    let mut row = Row::default();
    for (index, cells) in columns.iter().enumerate() {
        let step = rows.steps()[index];
        let value = cells.value(at);
        if !read_cell(&mut row, step.op, value) {
            return Err(Fault::Value { field: fields[index].name });
        }
        if let Some(extra) = step.extra {
            let value = match value {
                Cell::Text(text) => ExtraValue::Text(text),
                Cell::Number(number) => ExtraValue::Number(number),
                Cell::Missing | Cell::Bad => ExtraValue::Missing,
            };
            rows.push_extra(extra, value)?;
        }
    }
    rows.settle(&row)
}

/// Puts a value into a row. False if it cannot be what `op` asks for.
pub(super) fn read_cell<'a>(row: &mut Row<'a>, op: Op, value: Cell<'a>) -> bool {
    match value {
        Cell::Missing => true,
        Cell::Bad => false,
        _ if op == Op::Skip => true,
        Cell::Number(number) => row.set_number(op, number),
        Cell::Text(text) => row.read_whole(op, text),
    }
}
