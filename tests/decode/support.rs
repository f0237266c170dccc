//! Decodes in every combination of batch and chunk size and shows rows as text.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type};
use flowgate::decode::{DecodeOptions, Decoder, Projection, SchemaProblem};
use flowgate::flow::{CaptureStatus, FlowBatch, Tally, address_at};

pub const V2: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";

/// Everything a decoder says about an object, comparable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// One text per record: `column=value` for each column, `-` for null.
    pub rows: Vec<String>,
    /// Interface, status, start and end of each coverage row.
    pub coverage: Vec<(String, CaptureStatus, i64, i64)>,
    pub tally: Tally,
    pub problem: Option<SchemaProblem>,
}

impl Outcome {
    pub fn add(&mut self, batch: &FlowBatch) {
        let schema = batch.records().schema();
        for row in 0..batch.len() {
            let columns = schema.fields().iter().zip(batch.records().columns());
            let shown = columns.map(|(field, array)| format!("{}={}", field.name(), shown(array, row)));
            let text = shown.collect::<Vec<_>>().join(" ");
            self.rows.push(text);
        }
        for row in batch.coverage() {
            self.coverage.push((row.interface.clone(), row.status, row.start, row.end));
        }
    }

    /// The value of a column in a record.
    pub fn value(&self, row: usize, column: &str) -> &str {
        let wanted = format!("{column}=");
        let text = self.rows[row].split(' ').find_map(|part| part.strip_prefix(&wanted));
        text.unwrap_or_else(|| panic!("no column {column} in {}", self.rows[row]))
    }

    /// The reasons given for malformed lines, with their line numbers.
    pub fn reasons(&self) -> Vec<(u64, &str)> {
        self.tally.examples.iter().map(|e| (e.line, e.reason.as_str())).collect()
    }
}

fn shown(array: &ArrayRef, row: usize) -> String {
    if array.is_null(row) {
        return "-".to_owned();
    }
    match array.data_type() {
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).to_string(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).to_string(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).to_string(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::FixedSizeBinary(16) => address_at(array.as_fixed_size_binary(), row).to_string(),
        DataType::Dictionary(..) => {
            let array = array.as_dictionary::<UInt32Type>();
            let key = array.keys().value(row) as usize;
            array.values().as_string::<i32>().value(key).to_owned()
        }
        other => panic!("unexpected type {other}"),
    }
}

pub fn engine() -> DecodeOptions {
    DecodeOptions::default()
}

pub fn all() -> DecodeOptions {
    DecodeOptions { projection: Projection::all(), ..DecodeOptions::default() }
}

/// Decodes with one batch size and one chunk size, checking the protocol on the way.
pub fn decode_once(input: &[u8], options: &DecodeOptions, chunk: usize) -> Outcome {
    let mut decoder = Decoder::new(options.clone());
    let mut outcome = Outcome::default();
    let mut batches = 0;
    let mut take = |outcome: &mut Outcome, batch: FlowBatch| {
        assert!(batch.len() + batch.coverage().len() <= options.batch_rows, "batch larger than asked for");
        batches += 1;
        outcome.add(&batch);
    };
    for piece in input.chunks(chunk.max(1)) {
        let mut rest = piece;
        while !rest.is_empty() {
            let taken = decoder.decode(rest).unwrap();
            rest = &rest[taken..];
            if !rest.is_empty() {
                let batch = decoder.flush().unwrap().expect("a full batch has rows");
                take(&mut outcome, batch);
            }
        }
        assert!(decoder.tally().is_conserved(), "{:?}", decoder.tally());
    }
    decoder.finish().unwrap();
    while let Some(batch) = decoder.flush().unwrap() {
        take(&mut outcome, batch);
    }
    assert!(decoder.flush().unwrap().is_none());
    outcome.tally = decoder.tally().clone();
    outcome.problem = decoder.rejected_schema().cloned();
    assert!(outcome.tally.is_conserved(), "{:?}", outcome.tally);
    assert_eq!(outcome.rows.len() as u64, outcome.tally.records);
    outcome
}

/// Decodes with batches of 1, 3 and 100 rows and chunks of 1, 3, 5 and all bytes; all must agree.
pub fn decode(input: impl AsRef<[u8]>, options: &DecodeOptions) -> Outcome {
    let input = input.as_ref();
    let whole = decode_once(input, options, input.len());
    for batch_rows in [1, 3, 100] {
        for chunk in [1, 3, 5, input.len()] {
            let options = DecodeOptions { batch_rows, ..options.clone() };
            let outcome = decode_once(input, &options, chunk);
            assert_eq!(outcome, whole, "batches of {batch_rows}, chunks of {chunk}");
        }
    }
    whole
}

pub fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/decode/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
