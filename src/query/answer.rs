//! What a question is answered with.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder, TimestampMicrosecondArray, UInt64Array,
};
use chrono::{DateTime, NaiveDate, SecondsFormat};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use polars::prelude::*;
use serde_json::Value;

use super::error::QueryError;

/// Rows of a batch that is written.
const BATCH: usize = 64 * 1024;

/// Rows and columns.
#[derive(Clone, Debug)]
pub struct Answer {
    frame: DataFrame,
}

impl Answer {
    pub(super) fn new(frame: DataFrame) -> Self {
        Self { frame }
    }

    /// How many rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.frame.height()
    }

    /// Names of its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<String> {
        self.frame.get_column_names().into_iter().map(ToString::to_string).collect()
    }

    /// Whether a column holds numbers.
    #[must_use]
    pub fn is_numeric(&self, column: usize) -> bool {
        let column = self.frame.columns().get(column);
        column.is_some_and(|column| {
            column.dtype().is_primitive_numeric()
                || matches!(column.dtype(), DataType::Duration(_) | DataType::Int128)
        })
    }

    /// A row, a value for each column: times are RFC 3339 in UTC, spans of time are seconds.
    #[must_use]
    pub fn row(&self, row: usize) -> Vec<Value> {
        self.frame
            .columns()
            .iter()
            .map(|column| column.get(row).map_or(Value::Null, |value| json(&value)))
            .collect()
    }

    /// All of it as a Parquet file: text is text, times are timestamps (microseconds, UTC), spans of time are seconds.
    ///
    /// # Errors
    /// When a column can't be written.
    pub fn parquet(&self) -> Result<Vec<u8>, QueryError> {
        let failed = |message: String| QueryError::Write { message };
        let level = ZstdLevel::try_new(3).unwrap_or_default();
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
        // One batch even without rows: it tells the columns.
        let first = self.batch(0).map_err(|e| failed(e.to_string()))?;
        let mut writer = ArrowWriter::try_new(Vec::new(), first.schema(), Some(properties))
            .map_err(|e| failed(e.to_string()))?;
        writer.write(&first).map_err(|e| failed(e.to_string()))?;
        for from in (BATCH..self.rows()).step_by(BATCH) {
            let batch = self.batch(from).map_err(|e| failed(e.to_string()))?;
            writer.write(&batch).map_err(|e| failed(e.to_string()))?;
        }
        writer.into_inner().map_err(|e| failed(e.to_string()))
    }

    fn batch(&self, from: usize) -> PolarsResult<RecordBatch> {
        let part = self.frame.slice(i64::try_from(from).unwrap_or(i64::MAX), BATCH);
        let columns = part
            .columns()
            .iter()
            .map(|column| Ok((column.name().to_string(), array(column.as_materialized_series())?)));
        RecordBatch::try_from_iter(columns.collect::<PolarsResult<Vec<_>>>()?)
            .map_err(|error| polars_err!(ComputeError: "{error}"))
    }
}

fn array(series: &Series) -> PolarsResult<ArrayRef> {
    Ok(match series.dtype() {
        DataType::String => Arc::new(series.str()?.iter().collect::<StringArray>()),
        DataType::Boolean => Arc::new(series.bool()?.iter().collect::<BooleanArray>()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            Arc::new(series.cast(&DataType::Int32)?.i32()?.iter().collect::<Int32Array>())
        }
        DataType::Int64 | DataType::UInt32 => {
            Arc::new(series.cast(&DataType::Int64)?.i64()?.iter().collect::<Int64Array>())
        }
        DataType::UInt64 => Arc::new(series.u64()?.iter().collect::<UInt64Array>()),
        DataType::Float32 | DataType::Float64 => {
            Arc::new(series.cast(&DataType::Float64)?.f64()?.iter().collect::<Float64Array>())
        }
        DataType::Date => Arc::new(series.to_physical_repr().i32()?.iter().collect::<Date32Array>()),
        DataType::Datetime(..) => {
            let micros = series.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
            Arc::new(micros.to_physical_repr().i64()?.iter().collect::<TimestampMicrosecondArray>())
        }
        DataType::Duration(_) => {
            let seconds = series.iter().map(|value| duration_seconds(&value));
            Arc::new(seconds.collect::<Float64Array>())
        }
        DataType::List(item) if **item == DataType::String => {
            let mut builder = ListBuilder::new(StringBuilder::new());
            let lists = series.list()?;
            for row in 0..lists.len() {
                match lists.get_as_series(row) {
                    Some(items) => builder.append_value(items.str()?.iter()),
                    None => builder.append_null(),
                }
            }
            Arc::new(builder.finish())
        }
        _ => Arc::new(series.iter().map(|value| plain(&value)).collect::<StringArray>()),
    })
}

fn duration_seconds(value: &AnyValue<'_>) -> Option<f64> {
    let AnyValue::Duration(span, unit) = value else { return None };
    Some(match unit {
        TimeUnit::Nanoseconds => *span as f64 / 1e9,
        TimeUnit::Microseconds => *span as f64 / 1e6,
        TimeUnit::Milliseconds => *span as f64 / 1e3,
    })
}

/// Of types that have no word of their own.
fn plain(value: &AnyValue<'_>) -> Option<String> {
    (!value.is_null()).then(|| match value {
        AnyValue::String(text) => (*text).to_owned(),
        AnyValue::StringOwned(text) => text.to_string(),
        other => other.to_string(),
    })
}

fn json(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(flag) => Value::Bool(*flag),
        AnyValue::Int128(number) => {
            i64::try_from(*number).map_or_else(|_| number.to_string().into(), Value::from)
        }
        AnyValue::Float32(number) => Value::from(f64::from(*number)),
        AnyValue::Float64(number) => Value::from(*number),
        AnyValue::UInt64(number) => Value::from(*number),
        number if number.is_integer() => number.extract::<i64>().map_or(Value::Null, Value::from),
        AnyValue::Date(day) => Value::from(date(*day)),
        AnyValue::Datetime(time, unit, _) => Value::from(instant(*time, *unit)),
        AnyValue::DatetimeOwned(time, unit, _) => Value::from(instant(*time, *unit)),
        AnyValue::Duration(..) => whole_or_float(duration_seconds(value)),
        AnyValue::List(items) => Value::Array(items.iter().map(|item| json(&item)).collect()),
        other => plain(other).map_or(Value::Null, Value::from),
    }
}

/// Seconds without `.0`.
fn whole_or_float(seconds: Option<f64>) -> Value {
    match seconds {
        Some(seconds) if seconds.fract() == 0.0 && seconds.abs() < 9e15 => Value::from(seconds as i64),
        Some(seconds) => Value::from(seconds),
        None => Value::Null,
    }
}

fn date(day: i32) -> String {
    let epoch = NaiveDate::default();
    let date = epoch.checked_add_signed(chrono::TimeDelta::days(day.into()));
    date.map_or_else(|| day.to_string(), |date| date.format("%Y-%m-%d").to_string())
}

fn instant(time: i64, unit: TimeUnit) -> String {
    let instant = match unit {
        TimeUnit::Nanoseconds => Some(DateTime::from_timestamp_nanos(time)),
        TimeUnit::Microseconds => DateTime::from_timestamp_micros(time),
        TimeUnit::Milliseconds => DateTime::from_timestamp_millis(time),
    };
    // Fractions only where there are some.
    instant.map_or_else(|| time.to_string(), |instant| instant.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
