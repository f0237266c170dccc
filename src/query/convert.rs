//! Batches of arrow become frames of Polars.
//!
//! Text is held once a batch and distinct value: what repeats (interfaces, groups, rules) costs 16 bytes a row however long
//! it is.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{self as arrow_types, DataType as ArrowType, Int32Type, Int64Type};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use polars::prelude::*;

/// A batch as a frame. One without columns keeps its rows.
pub(super) fn frame(batch: &RecordBatch) -> PolarsResult<DataFrame> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, array)| Ok(series(field.name(), array)?.into_column()));
    DataFrame::new(batch.num_rows(), columns.collect::<PolarsResult<Vec<_>>>()?)
}

/// The type in Polars of a column of the store.
pub(super) fn polars_type(data_type: &ArrowType) -> PolarsResult<DataType> {
    Ok(match data_type {
        ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View => DataType::String,
        ArrowType::Dictionary(_, values) => polars_type(values)?,
        ArrowType::Int32 => DataType::Int32,
        ArrowType::Int64 => DataType::Int64,
        ArrowType::Boolean => DataType::Boolean,
        ArrowType::Date32 => DataType::Date,
        ArrowType::Timestamp(arrow_types::TimeUnit::Microsecond, None) => {
            DataType::Datetime(TimeUnit::Microseconds, None)
        }
        ArrowType::List(item) => DataType::List(Box::new(polars_type(item.data_type())?)),
        other => return Err(unexpected(other)),
    })
}

fn unexpected(data_type: &ArrowType) -> PolarsError {
    polars_err!(ComputeError: "a column has the type {data_type}, which no column of a store has")
}

fn series(name: &str, array: &ArrayRef) -> PolarsResult<Series> {
    let name = PlSmallStr::from_str(name);
    Ok(match array.data_type() {
        ArrowType::Utf8 => texts(name, array.as_string::<i32>().iter())?,
        ArrowType::LargeUtf8 => texts(name, array.as_string::<i64>().iter())?,
        ArrowType::Utf8View => texts(name, array.as_string_view().iter())?,
        ArrowType::Dictionary(_, values) if **values == ArrowType::Utf8 => dictionary(name, array)?,
        ArrowType::Int32 => {
            Int32Chunked::from_iter_options(name, array.as_primitive::<Int32Type>().iter()).into_series()
        }
        ArrowType::Int64 => {
            Int64Chunked::from_iter_options(name, array.as_primitive::<Int64Type>().iter()).into_series()
        }
        ArrowType::Date32 => {
            let days = array.as_primitive::<arrow_types::Date32Type>().iter();
            Int32Chunked::from_iter_options(name, days).into_date().into_series()
        }
        ArrowType::Timestamp(arrow_types::TimeUnit::Microsecond, None) => {
            let times = array.as_primitive::<arrow_types::TimestampMicrosecondType>().iter();
            Int64Chunked::from_iter_options(name, times)
                .into_datetime(TimeUnit::Microseconds, None)
                .into_series()
        }
        ArrowType::Boolean => {
            BooleanChunked::from_iter_options(name, array.as_boolean().iter()).into_series()
        }
        ArrowType::List(item) if *item.data_type() == ArrowType::Utf8 => lists(name, array),
        other => return Err(unexpected(other)),
    })
}

fn texts<'a>(name: PlSmallStr, values: impl Iterator<Item = Option<&'a str>>) -> PolarsResult<Series> {
    let mut places: HashMap<&str, IdxSize, RandomState> = HashMap::default();
    let mut distinct: Vec<&str> = Vec::new();
    let mut last: Option<(&str, IdxSize)> = None;
    let keys: Vec<Option<IdxSize>> = values
        .map(|value| {
            let value = value?;
            if let Some((_, key)) = last.filter(|(before, _)| *before == value) {
                return Some(key);
            }
            let key = *places.entry(value).or_insert_with(|| {
                distinct.push(value);
                IdxSize::try_from(distinct.len() - 1).unwrap_or(IdxSize::MAX)
            });
            last = Some((value, key));
            Some(key)
        })
        .collect();
    gather(name, distinct.into_iter().map(Some), keys)
}

fn dictionary(name: PlSmallStr, array: &ArrayRef) -> PolarsResult<Series> {
    let dictionary = array.as_any_dictionary();
    let keys = dictionary.normalized_keys();
    let keys = keys
        .into_iter()
        .enumerate()
        .map(|(row, key)| dictionary.is_valid(row).then(|| IdxSize::try_from(key).unwrap_or(IdxSize::MAX)));
    // A dictionary without values has no rows but null ones.
    gather(name, dictionary.values().as_string::<i32>().iter(), keys.collect())
}

fn gather<'a>(
    name: PlSmallStr,
    distinct: impl Iterator<Item = Option<&'a str>>,
    keys: Vec<Option<IdxSize>>,
) -> PolarsResult<Series> {
    let distinct = StringChunked::from_iter_options(name, distinct);
    let keys = IdxCa::from_iter_options(PlSmallStr::EMPTY, keys.into_iter());
    Ok(distinct.take(&keys)?.into_series())
}

fn lists(name: PlSmallStr, array: &ArrayRef) -> Series {
    let lists = array.as_list::<i32>();
    let mut builder = ListStringChunkedBuilder::new(name, lists.len(), lists.values().len());
    for row in 0..lists.len() {
        let list = lists.is_valid(row).then(|| lists.value(row));
        match list {
            None => builder.append_null(),
            Some(items) => {
                let items: Vec<Option<&str>> = items.as_string::<i32>().iter().collect();
                builder.append_trusted_len_iter(items.into_iter());
            }
        }
    }
    builder.finish().into_series()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        BooleanArray, Date32Array, DictionaryArray, Int32Array, Int64Array, ListBuilder, StringArray,
        StringBuilder, TimestampMicrosecondArray,
    };

    use super::*;

    #[test]
    fn every_type_comes_over_with_its_nulls() {
        let long = "eni-0123456789abcdef0 and longer than a view holds";
        let mut lists = ListBuilder::new(StringBuilder::new());
        lists.append_value([Some("a"), Some(long)]);
        lists.append_null();
        lists.append_value(Vec::<Option<&str>>::new());
        lists.append_value([Some("b"), None]);
        let keys = Int32Array::from(vec![Some(1), None, Some(0), Some(1)]);
        let dictionary = DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["x", long])));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("text", Arc::new(StringArray::from(vec![Some(long), None, Some(""), Some(long)]))),
            ("dictionary", Arc::new(dictionary)),
            ("small", Arc::new(Int32Array::from(vec![Some(1), None, Some(-3), Some(4)]))),
            ("large", Arc::new(Int64Array::from(vec![1, 2, 3, i64::MAX]))),
            ("flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None]))),
            ("time", Arc::new(TimestampMicrosecondArray::from(vec![Some(1), None, Some(0), Some(-1)]))),
            ("day", Arc::new(Date32Array::from(vec![Some(0), None, Some(1), Some(2)]))),
            ("list", Arc::new(lists.finish())),
        ];
        let frame = frame(&RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        let shown: Vec<String> = frame
            .columns()
            .iter()
            .map(|column| (0..4).map(|row| format!("{};", column.get(row).unwrap())).collect())
            .collect();
        assert_eq!(
            shown,
            [
                &*format!("\"{long}\";null;\"\";\"{long}\";"),
                &format!("\"{long}\";null;\"x\";\"{long}\";"),
                "1;null;-3;4;",
                "1;2;3;9223372036854775807;",
                "true;null;false;null;",
                "1970-01-01 00:00:00.000001;null;1970-01-01 00:00:00;1969-12-31 23:59:59.999999;",
                "1970-01-01;null;1970-01-02;1970-01-03;",
                &format!("[\"a\", \"{long}\"];null;[];[\"b\", null];"),
            ]
        );
    }

    #[test]
    fn rows_without_columns_are_rows() {
        let batch = RecordBatch::try_from_iter([("a", Arc::new(Int32Array::from(vec![1, 2])) as ArrayRef)]);
        let none = batch.unwrap().project(&[]).unwrap();
        assert_eq!(frame(&none).unwrap().height(), 2);
    }
}
