//! Batches become files, a day each.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BooleanArray, DictionaryArray, FixedSizeBinaryArray, Int64Array,
    PrimitiveArray, RecordBatch, StringArray, UInt8Array, UInt16Array, UInt32Array, new_null_array,
};
use arrow::buffer::Buffer;
use arrow::compute::filter_record_batch;
use arrow::error::ArrowError;
use parquet::basic::Encoding;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::super::StoreError;
use super::super::files::{FileWriter, Place, day_name, properties};
use super::super::manifest::StoredFile;
use super::{DAY, FIELDS, OBJECT, OPTIONAL, STATUS, kind, schema};
use crate::flow::{CaptureStatus, CoverageRow, FlowBatch, column};

/// Rows of a row group. What is not written yet is in memory, some 10 MB of it.
const GROUP: usize = 256 * 1024;

/// Days that a writer has open at a time. Objects come in the order of time, nearly.
const OPEN: usize = 3;

/// Writes what one thread reads.
pub struct RecordWriter {
    place: Place,
    /// Beginning of the names of the files: unique to the commit and the thread.
    prefix: String,
    /// By day, with the turn of its last use.
    open: BTreeMap<u32, (FileWriter, u64)>,
    turn: u64,
    done: Vec<StoredFile>,
}

fn file_properties() -> WriterProperties {
    let mut builder = properties("records")
        .set_max_row_group_row_count(Some(GROUP))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    for name in [column::START, column::END] {
        let path = ColumnPath::from(name);
        builder = builder
            .set_column_dictionary_enabled(path.clone(), false)
            .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
    }
    // Whole row groups are passed over by it.
    builder.set_column_statistics_enabled(ColumnPath::from(column::START), EnabledStatistics::Chunk).build()
}

fn constant<T: ArrowPrimitiveType>(value: T::Native, rows: usize) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::from_value(value, rows))
}

impl RecordWriter {
    pub(in crate::store) fn new(place: &Place, prefix: String) -> Self {
        Self { place: place.clone(), prefix, open: BTreeMap::new(), turn: 0, done: Vec::new() }
    }

    /// Takes a batch of an object in. Returns the earliest and the latest start.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, batch: &FlowBatch, object: u32) -> Result<Option<(u32, u32)>, StoreError> {
        let internal = |e: ArrowError| StoreError::Io { path: "records".to_owned(), message: e.to_string() };
        let mut span = None;
        if !batch.is_empty() {
            let columns = batch.columns().map_err(internal)?;
            span = self.put(&to_records(batch, object).map_err(internal)?, columns.start.values())?;
        }
        if !batch.coverage().is_empty() {
            let rows = to_coverage(batch.coverage(), object).map_err(internal)?;
            let starts: Vec<i64> = batch.coverage().iter().map(|row| row.start).collect();
            span = joined(span, self.put(&rows, &starts)?);
        }
        Ok(span)
    }

    fn put(&mut self, rows: &RecordBatch, starts: &[i64]) -> Result<Option<(u32, u32)>, StoreError> {
        let (Some(&first), Some(&last)) = (starts.iter().min(), starts.iter().max()) else { return Ok(None) };
        // The decoder refuses times outside of 32 bits.
        let second = |time: i64| u32::try_from(time.max(0)).unwrap_or(u32::MAX);
        let day = |time: i64| second(time) / DAY as u32;
        if day(first) == day(last) {
            self.put_day(rows, day(first))?;
        } else {
            let mut days: Vec<u32> = starts.iter().map(|&start| day(start)).collect();
            days.sort_unstable();
            days.dedup();
            for of_day in days {
                let mask: BooleanArray = starts.iter().map(|&start| Some(day(start) == of_day)).collect();
                let part = filter_record_batch(rows, &mask);
                let part =
                    part.map_err(|e| StoreError::Io { path: "records".to_owned(), message: e.to_string() })?;
                self.put_day(&part, of_day)?;
            }
        }
        Ok(Some((second(first), second(last))))
    }

    fn put_day(&mut self, rows: &RecordBatch, day: u32) -> Result<(), StoreError> {
        self.turn += 1;
        if !self.open.contains_key(&day) {
            if self.open.len() >= OPEN {
                let oldest = self.open.iter().min_by_key(|(_, (_, turn))| *turn).map(|(day, _)| *day);
                if let Some((writer, _)) = oldest.and_then(|day| self.open.remove(&day)) {
                    self.done.push(writer.finish()?);
                }
            }
            let number = self.done.len() + self.open.len();
            let path = format!("records/dt={}/{}-{number:04}.parquet", day_name(day), self.prefix);
            let writer = FileWriter::create(&self.place, path, Some(day), schema(), file_properties())?;
            self.open.insert(day, (writer, 0));
        }
        match self.open.get_mut(&day) {
            Some((writer, turn)) => {
                *turn = self.turn;
                writer.write(rows)
            }
            None => Ok(()),
        }
    }

    /// Ends all files.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn finish(mut self) -> Result<Vec<StoredFile>, StoreError> {
        for (_, (writer, _)) in std::mem::take(&mut self.open) {
            self.done.push(writer.finish()?);
        }
        Ok(self.done)
    }
}

pub(super) fn joined(a: Option<(u32, u32)>, b: Option<(u32, u32)>) -> Option<(u32, u32)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

fn to_records(batch: &FlowBatch, object: u32) -> Result<RecordBatch, ArrowError> {
    let rows = batch.len();
    let given = |name: &str| batch.records().column_by_name(name);
    let bit = |(at, name): (usize, &&str)| u8::from(given(name).is_some()) << at;
    let fields: u8 = OPTIONAL.iter().enumerate().map(bit).sum();
    let schema = schema();
    let columns = schema.fields().iter().map(|field| match field.name().as_str() {
        OBJECT => constant::<arrow::datatypes::UInt32Type>(object, rows),
        FIELDS => constant::<arrow::datatypes::UInt8Type>(fields, rows),
        STATUS => constant::<arrow::datatypes::UInt8Type>(0, rows),
        name => given(name).map_or_else(|| new_null_array(field.data_type(), rows), Arc::clone),
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect())
}

fn to_coverage(rows: &[CoverageRow], object: u32) -> Result<RecordBatch, ArrowError> {
    let count = rows.len();
    let status = |row: &CoverageRow| match row.status {
        CaptureStatus::Ok => 0,
        CaptureStatus::NoData => 1,
        CaptureStatus::SkipData => 2,
    };
    let numbers: UInt32Array = (0..count as u32).collect();
    let names: StringArray = rows.iter().map(|row| Some(row.interface.as_str())).collect();
    let no_address = || FixedSizeBinaryArray::try_new(16, Buffer::from(vec![0_u8; 16 * count]), None);
    let schema = schema();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        columns.push(match field.name().as_str() {
            OBJECT => constant::<arrow::datatypes::UInt32Type>(object, count),
            STATUS => Arc::new(rows.iter().map(|row| Some(status(row))).collect::<UInt8Array>()),
            column::INTERFACE => {
                Arc::new(DictionaryArray::try_new(numbers.clone(), Arc::new(names.clone()))?)
            }
            column::SRCADDR | column::DSTADDR => Arc::new(no_address()?),
            column::SRCPORT | column::DSTPORT => Arc::new(UInt16Array::from(vec![0; count])),
            column::START => Arc::new(rows.iter().map(|row| Some(row.start)).collect::<Int64Array>()),
            column::END => Arc::new(rows.iter().map(|row| Some(row.end)).collect::<Int64Array>()),
            name if field.is_nullable() => new_null_array(&kind(name), count),
            _ => Arc::new(UInt8Array::from(vec![0; count])),
        });
    }
    RecordBatch::try_new(schema, columns)
}
