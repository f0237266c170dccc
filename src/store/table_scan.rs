//! Reads what a question needs of a table, and no more.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Date32Array, RecordBatch};
use arrow::compute::{and, filter_record_batch};
use arrow::datatypes::{DataType, Field, Int32Type, Int64Type, Schema, SchemaRef, TimestampMicrosecondType};
use arrow::error::ArrowError;
use ipnet::IpNet;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};

use super::manifest::StoredFile;
use super::tables::{DAY_COLUMN, Table};
use super::{Store, StoreError};

/// Rows of a batch.
const BATCH: usize = 8 * 1024;

/// What a question wants of one column. A null never fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// One of these texts; of a list, that one of them is among its elements.
    Among(BTreeSet<String>),
    /// A number, or a time in microseconds since 1970, or a day since 1970, from the first to the second, both included.
    Within(i64, i64),
    /// An address in one of these networks; of a list, that one of its elements is.
    Networks(Vec<IpNet>),
}

/// What a question wants of rows: all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Columns and what is wanted of each. A column may be named more than once.
    pub all: Vec<(String, Want)>,
}

impl Wanted {
    /// Wants this, too.
    #[must_use]
    pub fn and(mut self, column: &str, want: Want) -> Self {
        self.all.push((column.to_owned(), want));
        self
    }
}

/// Hands out what is wanted of a table, part by part, to any number of threads.
#[derive(Debug)]
pub struct TableScan {
    parts: Vec<Part>,
    next: AtomicUsize,
    columns: Vec<String>,
    schema: SchemaRef,
    wanted: Wanted,
}

/// A row group of a file.
#[derive(Debug)]
struct Part {
    path: Arc<std::path::PathBuf>,
    metadata: ArrowReaderMetadata,
    group: usize,
    day: Option<u32>,
}

impl TableScan {
    /// Of these columns of a table ([`DAY_COLUMN`] is one of those by day), the rows that are wanted.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn new(store: &Store, table: Table, columns: &[&str], wanted: Wanted) -> Result<Self, StoreError> {
        let mut parts = Vec::new();
        for file in store.table_files(table) {
            let path = Arc::new(store.path(file));
            let opened = File::open(&*path).map_err(|e| StoreError::io(&path, &e))?;
            let metadata = ArrowReaderMetadata::load(&opened, ArrowReaderOptions::default())
                .map_err(|e| StoreError::damaged(&path, e.to_string()))?;
            for group in 0..metadata.metadata().num_row_groups() {
                parts.push(Part {
                    path: Arc::clone(&path),
                    metadata: metadata.clone(),
                    group,
                    day: file.day,
                });
            }
        }
        let all = with_day(table);
        let fields: Vec<_> =
            columns.iter().filter_map(|name| all.field_with_name(name).ok().cloned()).collect();
        Ok(Self {
            parts,
            next: AtomicUsize::new(0),
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            schema: Arc::new(Schema::new(fields)),
            wanted,
        })
    }

    /// The columns of its batches.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next part: its number, and its rows that are wanted; or `None` if there are no more. Parts in the order of their
    /// numbers are the table, whichever threads read them.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn next(&self) -> Result<Option<(usize, Vec<RecordBatch>)>, StoreError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(part) = self.parts.get(number) else { return Ok(None) };
        Ok(Some((number, self.read(part)?)))
    }

    fn read(&self, part: &Part) -> Result<Vec<RecordBatch>, StoreError> {
        let file = File::open(&*part.path).map_err(|e| StoreError::io(&part.path, &e))?;
        let damaged = |message: String| StoreError::damaged(&part.path, message);
        let asked: BTreeSet<&str> = self
            .columns
            .iter()
            .chain(self.wanted.all.iter().map(|(name, _)| name))
            .map(String::as_str)
            .collect();
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, part.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), asked.iter().copied());
        let reader = builder
            .with_row_groups(vec![part.group])
            .with_projection(mask)
            .with_batch_size(BATCH)
            .build()
            .map_err(|e| damaged(e.to_string()))?;
        let mut batches = Vec::new();
        for batch in reader {
            let batch = batch.and_then(|batch| self.choose(&with_days(&batch, part.day)?));
            let batch = batch.map_err(|e| damaged(e.to_string()))?;
            if batch.num_rows() > 0 {
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    fn choose(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut chosen: Option<BooleanArray> = None;
        for (name, want) in &self.wanted.all {
            let column = batch.column_by_name(name);
            let column =
                column.ok_or_else(|| ArrowError::SchemaError(format!("there is no column {name}")))?;
            let fits = fits(column, want)?;
            chosen = Some(match chosen {
                None => fits,
                Some(chosen) => and(&chosen, &fits)?,
            });
        }
        let batch = match chosen {
            None => batch.clone(),
            Some(chosen) => filter_record_batch(batch, &chosen)?,
        };
        let places = self.columns.iter().map(|name| batch.schema().index_of(name));
        batch.project(&places.collect::<Result<Vec<_>, _>>()?)
    }
}

/// The schema of a table with the day.
fn with_day(table: Table) -> Schema {
    let mut fields: Vec<Field> = table.schema().fields().iter().map(|field| (**field).clone()).collect();
    if table.by_day() {
        fields.push(Field::new(DAY_COLUMN, DataType::Date32, true));
    }
    Schema::new(fields)
}

fn with_days(batch: &RecordBatch, day: Option<u32>) -> Result<RecordBatch, ArrowError> {
    let Some(day) = day else { return Ok(batch.clone()) };
    let days: ArrayRef =
        Arc::new(Date32Array::from_value(i32::try_from(day).unwrap_or(i32::MAX), batch.num_rows()));
    let mut fields: Vec<Field> = batch.schema().fields().iter().map(|field| (**field).clone()).collect();
    fields.push(Field::new(DAY_COLUMN, DataType::Date32, true));
    let columns = batch.columns().iter().cloned().chain([days]).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Which rows of a column are wanted.
fn fits(column: &ArrayRef, want: &Want) -> Result<BooleanArray, ArrowError> {
    if let Some(list) = column.as_list_opt::<i32>() {
        let inner = fits(list.values(), want)?;
        let any = |row: usize| {
            let offsets = list.value_offsets();
            (offsets[row]..offsets[row + 1]).any(|at| inner.value(at as usize))
        };
        return Ok((0..list.len()).map(|row| Some(list.is_valid(row) && any(row))).collect());
    }
    let text = |is: &dyn Fn(&str) -> bool| -> Result<BooleanArray, ArrowError> {
        let values = column.as_string_opt::<i32>();
        let values = values.ok_or_else(|| ArrowError::SchemaError("a column is not of text".to_owned()))?;
        Ok(values.iter().map(|value| Some(value.is_some_and(is))).collect())
    };
    match want {
        Want::Among(wanted) => text(&|value| wanted.contains(value)),
        Want::Networks(networks) => text(&|value| {
            value
                .parse::<IpAddr>()
                .is_ok_and(|address| networks.iter().any(|network| network.contains(&address)))
        }),
        Want::Within(from, to) => {
            let within = |value: Option<i64>| Some(value.is_some_and(|value| (*from..=*to).contains(&value)));
            Ok(match column.data_type() {
                DataType::Int64 => column.as_primitive::<Int64Type>().iter().map(within).collect(),
                DataType::Timestamp(..) => {
                    column.as_primitive::<TimestampMicrosecondType>().iter().map(within).collect()
                }
                DataType::Date32 => {
                    let days = column.as_primitive::<arrow::datatypes::Date32Type>();
                    days.iter().map(|value| within(value.map(i64::from))).collect()
                }
                _ => {
                    let numbers = column.as_primitive_opt::<Int32Type>();
                    let numbers = numbers
                        .ok_or_else(|| ArrowError::SchemaError("a column is not of numbers".to_owned()))?;
                    numbers.iter().map(|value| within(value.map(i64::from))).collect()
                }
            })
        }
    }
}

impl Store {
    /// The files of a table.
    pub fn table_files(&self, table: Table) -> impl Iterator<Item = &StoredFile> {
        let manifest = self.manifest();
        let files: &[StoredFile] = match table {
            Table::Connections => &manifest.connections.files,
            other => manifest.tables.get(other.name()).map_or(&[], Vec::as_slice),
        };
        files.iter()
    }
}
