//! Files become batches again, row group by row group.

use std::fs::File;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, DictionaryArray, PrimitiveArray, RecordBatch, StringArray,
    UInt32Array,
};
use arrow::datatypes::{Int64Type, UInt8Type, UInt32Type};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::file::statistics::Statistics;

use super::super::StoreError;
use super::super::files::Place;
use super::super::manifest::StoredFile;
use super::{FIELDS, OBJECT, OPTIONAL, STATUS, schema};
use crate::flow::{CaptureStatus, CoverageRow, FlowBatch, InterfaceContext, column};

/// Rows of a batch.
const BATCH: usize = 32 * 1024;

/// Hands out row groups to any number of threads.
pub struct Scan {
    place: Place,
    /// Only rows that start from the first on and before the second, Unix seconds.
    window: (Option<i64>, Option<i64>),
    state: Mutex<State>,
}

struct State {
    files: std::vec::IntoIter<StoredFile>,
    open: Option<Open>,
}

struct Open {
    path: Arc<PathBuf>,
    metadata: ArrowReaderMetadata,
    next: usize,
}

/// One row group to read.
pub struct Group {
    path: Arc<PathBuf>,
    metadata: ArrowReaderMetadata,
    number: usize,
}

/// Rows of objects that are alike: of one flow log, with the same columns.
#[derive(Debug)]
pub struct Piece {
    /// The rows.
    pub batch: FlowBatch,
    /// What [`Group::read`] was told of their objects.
    pub key: u32,
    /// Rows, of whatever status.
    pub rows: u64,
}

impl Scan {
    pub(in crate::store) fn new(
        place: &Place,
        files: Vec<StoredFile>,
        window: (Option<i64>, Option<i64>),
    ) -> Self {
        Self {
            place: place.clone(),
            window,
            state: Mutex::new(State { files: files.into_iter(), open: None }),
        }
    }

    /// The next row group that may hold rows of the window, or `None` if there are no more.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&self) -> Result<Option<Group>, StoreError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(open) = &mut state.open {
                while open.next < open.metadata.metadata().num_row_groups() {
                    let number = open.next;
                    open.next += 1;
                    if self.may_hold(open, number) {
                        let (path, metadata) = (Arc::clone(&open.path), open.metadata.clone());
                        return Ok(Some(Group { path, metadata, number }));
                    }
                }
            }
            let Some(file) = state.files.next() else { return Ok(None) };
            let path = self.place.path(&file);
            let opened = File::open(&path).map_err(|e| StoreError::io(&path, &e))?;
            let metadata = ArrowReaderMetadata::load(
                &opened,
                parquet::arrow::arrow_reader::ArrowReaderOptions::default(),
            )
            .map_err(|e| StoreError::damaged(&path, e.to_string()))?;
            if *metadata.schema().fields() != *schema().fields() {
                return Err(StoreError::damaged(&path, "its columns are not those of records"));
            }
            state.open = Some(Open { path: Arc::new(path), metadata, next: 0 });
        }
    }

    fn may_hold(&self, open: &Open, number: usize) -> bool {
        let group = open.metadata.metadata().row_group(number);
        let start = group.columns().iter().find(|c| c.column_path().string() == column::START);
        let Some(Statistics::Int64(starts)) = start.and_then(|c| c.statistics()) else { return true };
        let (Some(&least), Some(&most)) = (starts.min_opt(), starts.max_opt()) else { return true };
        self.window.0.is_none_or(|from| most >= from) && self.window.1.is_none_or(|to| least < to)
    }
}

impl Group {
    /// Hands the rows to `take`. `key` says what is common to pieces that may be joined, by object; rows of objects without
    /// one are left out. `context` says what is known of an interface.
    ///
    /// # Errors
    /// When the file cannot be read, or what `take` says.
    pub fn read<E: From<StoreError>>(
        &self,
        key: impl Fn(u32) -> Option<u32>,
        context: impl Fn(&str) -> InterfaceContext,
        mut take: impl FnMut(Piece) -> Result<(), E>,
    ) -> Result<(), E> {
        let damaged = |message: String| StoreError::damaged(&self.path, message);
        let file = File::open(&*self.path).map_err(|e| StoreError::io(&self.path, &e))?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_row_groups(vec![self.number])
            .with_batch_size(BATCH)
            .build()
            .map_err(|e| damaged(e.to_string()))?;
        for batch in reader {
            let batch = batch.map_err(|e| damaged(e.to_string()))?;
            for (range, key) in runs(&batch, &key).map_err(|e| damaged(e.to_string()))? {
                let rows = batch.slice(range.start, range.len());
                let batch = to_batch(&rows, &context).map_err(|e| damaged(e.to_string()))?;
                take(Piece { batch, key, rows: range.len() as u64 })?;
            }
        }
        Ok(())
    }
}

fn values<'b, T: ArrowPrimitiveType>(
    batch: &'b RecordBatch,
    name: &str,
) -> Result<&'b [T::Native], ArrowError> {
    let array = batch.column_by_name(name).and_then(|column| column.as_primitive_opt::<T>());
    array.map(|a: &PrimitiveArray<T>| &a.values()[..]).ok_or_else(|| ArrowError::SchemaError(name.to_owned()))
}

/// The stretches of rows that are alike.
fn runs(
    batch: &RecordBatch,
    key: impl Fn(u32) -> Option<u32>,
) -> Result<Vec<(Range<usize>, u32)>, ArrowError> {
    let objects = values::<UInt32Type>(batch, OBJECT)?;
    let fields = values::<UInt8Type>(batch, FIELDS)?;
    let status = values::<UInt8Type>(batch, STATUS)?;
    let mut runs: Vec<(Range<usize>, u32)> = Vec::new();
    // What the run that may go on has in common.
    let mut going: Option<(u8, bool, u32)> = None;
    let mut from = 0;
    let mut known: Option<(u32, Option<u32>)> = None;
    for row in 0..objects.len() {
        let of_object = match known {
            Some((object, key)) if object == objects[row] => key,
            _ => key(objects[row]),
        };
        known = Some((objects[row], of_object));
        let this = of_object.map(|key| (fields[row], status[row] == 0, key));
        if this != going {
            if let Some((_, _, key)) = going {
                runs.push((from..row, key));
            }
            (going, from) = (this, row);
        }
    }
    if let Some((_, _, key)) = going {
        runs.push((from..objects.len(), key));
    }
    Ok(runs)
}

/// Rows that are alike become what they were.
fn to_batch(rows: &RecordBatch, context: impl Fn(&str) -> InterfaceContext) -> Result<FlowBatch, ArrowError> {
    let (status, fields) = (values::<UInt8Type>(rows, STATUS)?, values::<UInt8Type>(rows, FIELDS)?);
    let interface = rows.column_by_name(column::INTERFACE).and_then(|c| c.as_dictionary_opt::<UInt32Type>());
    let interface = interface.ok_or_else(|| ArrowError::SchemaError(column::INTERFACE.to_owned()))?;
    let names = interface.values().as_string_opt::<i32>();
    let names = names.ok_or_else(|| ArrowError::SchemaError(column::INTERFACE.to_owned()))?;
    if status.first().is_some_and(|status| *status != 0) {
        return coverage(rows, interface, names, status);
    }
    // The dictionary is that of the row group; only what is there may be told of.
    let mut renumbered = vec![u32::MAX; names.len()];
    let mut there: Vec<&str> = Vec::new();
    let mut keys = Vec::with_capacity(rows.num_rows());
    for &key in interface.keys().values() {
        let number = &mut renumbered[key as usize];
        if *number == u32::MAX {
            *number = there.len() as u32;
            there.push(names.value(key as usize));
        }
        keys.push(*number);
    }
    let contexts = there.iter().map(|name| context(name)).collect();
    let names: StringArray = there.into_iter().map(Some).collect();
    let interface: ArrayRef = Arc::new(DictionaryArray::try_new(UInt32Array::from(keys), Arc::new(names))?);
    let fields = fields.first().copied().unwrap_or(0);
    let had = |name: &str| OPTIONAL.iter().position(|n| *n == name).is_none_or(|at| fields >> at & 1 == 1);
    let schema = rows.schema();
    let columns =
        schema.fields().iter().zip(rows.columns()).filter(|(field, _)| {
            had(field.name()) && ![OBJECT, FIELDS, STATUS].contains(&field.name().as_str())
        });
    let columns = columns.map(|(field, array)| {
        let array = if field.name() == column::INTERFACE { &interface } else { array };
        (field.name().as_str(), Arc::clone(array), field.is_nullable())
    });
    FlowBatch::try_new(RecordBatch::try_from_iter_with_nullable(columns)?, contexts, Vec::new())
}

fn coverage(
    rows: &RecordBatch,
    interface: &DictionaryArray<UInt32Type>,
    names: &StringArray,
    status: &[u8],
) -> Result<FlowBatch, ArrowError> {
    let (start, end) = (values::<Int64Type>(rows, column::START)?, values::<Int64Type>(rows, column::END)?);
    let coverage = (0..rows.num_rows()).map(|row| CoverageRow {
        interface: names.value(interface.keys().value(row) as usize).to_owned(),
        status: if status[row] == 1 { CaptureStatus::NoData } else { CaptureStatus::SkipData },
        start: start[row],
        end: end[row],
    });
    let none = RecordBatch::new_empty(Arc::new(arrow::datatypes::Schema::empty()));
    FlowBatch::try_new(none, Vec::new(), coverage.collect())
}
