//! Parquet files into batches: columns by name, whatever types their writer chose.
//!
//! AWS writes 32 and 64 bit integers and strings, `-` or null for no value (VPC User Guide, "Flow log
//! records", column "Parquet data type"). Files that went through other tools hold integers as text or
//! floating point numbers, and `None` for nothing; they are read alike.

use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, RecordBatch, UInt64Array,
};
use arrow::compute::kernels::cast::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::assemble::Assembler;
use super::error::{DecodeError, SchemaProblem};
use super::extra::ExtraValue;
use super::fault::Fault;
use super::fields::{Field, Kind};
use super::format::{FormatColumn, LogFormat};
use super::options::DecodeOptions;
use super::row::{Op, Row};
use crate::flow::{CaptureStatus, FlowBatch, MalformedExample, Tally};

/// True if the object is a Parquet file, by its first four bytes.
#[must_use]
pub fn is_parquet(prefix: &[u8]) -> bool {
    prefix.starts_with(b"PAR1")
}

/// Decodes one Parquet file that is in memory. Iterate for the batches; after an error it is over.
///
/// A damaged file gives an error and never a panic. The library panics on some of them (parquet 60: negative
/// column sizes in the footer, a data page before its dictionary, bit-packed levels cut short), so its calls
/// are fenced with `catch_unwind`. A panic hook still sees these panics.
#[derive(Debug)]
pub struct ParquetDecoder {
    reader: Option<ParquetRecordBatchReader>,
    rows: Assembler,
    /// Fields of the columns that are read, in their order.
    fields: Vec<&'static Field>,
    unknown: Vec<String>,
    tally: Tally,
    problem: Option<SchemaProblem>,
}

impl ParquetDecoder {
    /// Reads the footer and decides which columns to read.
    ///
    /// A file whose schema cannot be used gives no batches; its rows are counted as of another schema,
    /// see [`rejected_schema`](Self::rejected_schema).
    ///
    /// # Errors
    /// If it is no Parquet file or damaged, or if its columns are larger than
    /// [`DecodeOptions::max_object_bytes`].
    pub fn try_new(file: Bytes, options: &DecodeOptions) -> Result<Self, DecodeError> {
        fenced(|| Self::open(file, options))
    }

    fn open(file: Bytes, options: &DecodeOptions) -> Result<Self, DecodeError> {
        // The arrow schema that some writers embed says nothing that is needed here, and skipping it
        // leaves fewer types to deal with.
        let reading = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, reading)?;
        let format = LogFormat::from_names(builder.schema().fields().iter().map(|f| f.name().as_str()));
        let everything = options.projection.is_all();
        let mut roots = Vec::new();
        let mut fields = Vec::new();
        for (root, column) in format.columns().iter().enumerate() {
            if let FormatColumn::Known(field) = column
                && (everything || Op::of(field.name) != Op::Skip)
            {
                roots.push(root);
                fields.push(*field);
            }
        }
        let problem = match format.missing_for_analysis() {
            _ if format.is_transit_gateway() => Some(SchemaProblem::TransitGateway),
            missing if !everything && !missing.is_empty() => Some(SchemaProblem::MissingFields(missing)),
            _ => None,
        };
        let capacity = options.batch_rows.clamp(1, super::text::MAX_CAPACITY);
        let read = LogFormat::from_names(fields.iter().map(|field| field.name));
        let mut decoder = Self {
            reader: None,
            rows: Assembler::new(&read, options.projection, capacity),
            fields,
            unknown: format.unknown().map(str::to_owned).collect(),
            tally: Tally::default(),
            problem,
        };
        if decoder.problem.is_some() {
            let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
            decoder.count_rows(rows);
            decoder.tally.other_schema = rows;
            return Ok(decoder);
        }
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        let size: u64 = builder
            .metadata()
            .row_groups()
            .iter()
            .flat_map(|group| group.columns().iter().enumerate())
            .filter(|(leaf, _)| mask.leaf_included(*leaf))
            .map(|(_, column)| u64::try_from(column.uncompressed_size()).unwrap_or(u64::MAX))
            .fold(0, u64::saturating_add);
        if size > options.max_object_bytes {
            return Err(DecodeError::TooLarge { limit: options.max_object_bytes });
        }
        let batch = options.batch_rows.max(1);
        decoder.reader = Some(builder.with_projection(mask).with_batch_size(batch).build()?);
        Ok(decoder)
    }

    /// What became of the rows so far. The "line" of a malformed example is the row, from 1.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Why the rows were counted as of another schema, if they were.
    #[must_use]
    pub fn rejected_schema(&self) -> Option<&SchemaProblem> {
        self.problem.as_ref()
    }

    fn count_rows(&mut self, rows: u64) {
        self.tally.lines += rows;
        if rows > 0 {
            for name in &self.unknown {
                *self.tally.unknown_fields.entry(name.clone()).or_default() += rows;
            }
        }
    }

    fn next_batch(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        while let Some(reader) = &mut self.reader {
            let Some(batch) = reader.next().transpose()? else {
                self.reader = None;
                break;
            };
            self.take(&batch)?;
            if let Some(batch) = self.rows.take()? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    fn take(&mut self, batch: &RecordBatch) -> Result<(), DecodeError> {
        let mut columns = Vec::with_capacity(self.fields.len());
        for (field, array) in self.fields.iter().zip(batch.columns()) {
            columns.push(Cells::new(field, array)?);
        }
        let first = self.tally.lines;
        self.count_rows(batch.num_rows() as u64);
        for at in 0..batch.num_rows() {
            match read_row(&mut self.rows, &columns, &self.fields, at) {
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
        Ok(())
    }
}

impl Iterator for ParquetDecoder {
    type Item = Result<FlowBatch, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = fenced(|| self.next_batch());
        if next.is_err() {
            self.reader = None;
        }
        next.transpose()
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
fn read_cell<'a>(row: &mut Row<'a>, op: Op, value: Cell<'a>) -> bool {
    match value {
        Cell::Missing => true,
        Cell::Bad => false,
        _ if op == Op::Skip => true,
        Cell::Number(number) => row.set_number(op, number),
        Cell::Text(text) => row.read_whole(op, text),
    }
}

/// A column in one of few forms.
enum Cells {
    Nothing,
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Floating(Float64Array),
    Texts(BinaryArray),
}

/// One value of a column.
#[derive(Clone, Copy)]
enum Cell<'a> {
    Missing,
    Number(u64),
    Text(&'a [u8]),
    /// A number that is negative or not whole.
    Bad,
}

impl Cells {
    fn new(field: &Field, array: &ArrayRef) -> Result<Self, DecodeError> {
        // A value that does not survive a cast must not become null silently.
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let cast = |array: &ArrayRef, to: &DataType| cast_with_options(array, to, &options);
        let textual = !matches!(field.kind, Kind::U8 | Kind::U16 | Kind::U64 | Kind::Time);
        Ok(match array.data_type() {
            DataType::Null => Self::Nothing,
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::Dictionary(..) => {
                let texts = match array.data_type() {
                    DataType::Utf8View | DataType::Dictionary(..) => cast(array, &DataType::Utf8)?,
                    _ => array.clone(),
                };
                Self::Texts(cast(&texts, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            other if other.is_integer() && textual => {
                let texts = cast(array, &DataType::Utf8)?;
                Self::Texts(cast(&texts, &DataType::Binary)?.as_binary::<i32>().clone())
            }
            DataType::UInt64 => Self::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            other if other.is_integer() => {
                Self::Signed(cast(array, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            other if other.is_floating() && !textual => {
                Self::Floating(cast(array, &DataType::Float64)?.as_primitive::<Float64Type>().clone())
            }
            DataType::Timestamp(..) if field.kind == Kind::Time => {
                let seconds = cast(array, &DataType::Timestamp(TimeUnit::Second, None))?;
                Self::Signed(cast(&seconds, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            other => {
                return Err(DecodeError::ParquetColumn {
                    column: field.column(),
                    found: other.to_string(),
                    wanted: if textual { "a text" } else { "a number" },
                });
            }
        })
    }

    fn value(&self, at: usize) -> Cell<'_> {
        match self {
            Self::Nothing => Cell::Missing,
            Self::Signed(array) if array.is_null(at) => Cell::Missing,
            Self::Signed(array) => u64::try_from(array.value(at)).map_or(Cell::Bad, Cell::Number),
            Self::Unsigned(array) if array.is_null(at) => Cell::Missing,
            Self::Unsigned(array) => Cell::Number(array.value(at)),
            Self::Floating(array) if array.is_null(at) || array.value(at).is_nan() => Cell::Missing,
            Self::Floating(array) => whole(array.value(at)).map_or(Cell::Bad, Cell::Number),
            Self::Texts(array) if array.is_null(at) => Cell::Missing,
            Self::Texts(array) => match array.value(at) {
                b"-" | b"" | b"None" | b"nan" | b"NaN" | b"<NA>" | b"null" | b"NULL" => Cell::Missing,
                text => Cell::Text(text),
            },
        }
    }

    /// The value as to be quoted in a message.
    fn shown(&self, at: usize) -> Vec<u8> {
        match self {
            Self::Signed(array) if array.is_valid(at) => array.value(at).to_string().into_bytes(),
            Self::Floating(array) if array.is_valid(at) => array.value(at).to_string().into_bytes(),
            _ => match self.value(at) {
                Cell::Number(number) => number.to_string().into_bytes(),
                Cell::Text(text) => text.to_vec(),
                Cell::Missing | Cell::Bad => Vec::new(),
            },
        }
    }
}

/// A whole number that floating point holds exactly.
fn whole(value: f64) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (value.fract() == 0.0 && (0.0..=EXACT).contains(&value)).then_some(value as u64)
}

/// Runs library code that may panic on damaged files. State touched by the closure must not be used after
/// an error other than to read counts.
fn fenced<T>(run: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_owned());
        Err(DecodeError::ParquetPanic { message })
    })
}
