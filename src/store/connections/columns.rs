//! Sorted rows become columns.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Field, Int32Type};
use arrow::error::ArrowError;
use hashbrown::HashMap;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::cut::{Meanings, Part, Waiting};
use super::order::{Group, Texts, groups};
use super::{GROUP, Names, PAGE};
use crate::flow::InterfaceContext;
use crate::store::StoreError;
use crate::store::files::{FileWriter, Place, properties};
use crate::store::manifest::StoredFile;

fn file_properties() -> WriterProperties {
    let mut builder = properties("connections")
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE);
    for name in ["local", "remote", "interface"] {
        builder = builder.set_column_bloom_filter_enabled(ColumnPath::from(name), true);
    }
    // Local addresses are a few; remote ones may be as many as rows.
    builder = builder.set_column_bloom_filter_max_ndv(ColumnPath::from("remote"), GROUP as u64);
    for name in ["local", "interface"] {
        builder = builder.set_column_bloom_filter_max_ndv(ColumnPath::from(name), 16 * 1024);
    }
    builder.build()
}

/// Writes a file.
pub(super) fn write(place: &Place, path: &str, part: Part, names: &Names) -> Result<StoredFile, StoreError> {
    let failed = |e: ArrowError| StoreError::Io { path: path.to_owned(), message: e.to_string() };
    let Part { day, rows, meanings, .. } = part;
    let words = Dictionaries::new(names, &meanings);
    let mut file = None;
    for group in groups(&rows) {
        for from in (0..group.rows.len()).step_by(4 * PAGE) {
            let to = (from + 4 * PAGE).min(group.rows.len());
            let batch = to_batch(&group, from..to, &words, &meanings).map_err(failed)?;
            let file = match &mut file {
                Some(file) => file,
                none => none.insert(FileWriter::create_plain(
                    place,
                    path.to_owned(),
                    Some(day),
                    batch.schema(),
                    file_properties(),
                )?),
            };
            file.write(&batch)?;
        }
        if let Some(file) = &mut file {
            file.end_group()?;
        }
    }
    match file {
        Some(file) => file.finish(),
        None => Err(failed(ArrowError::InvalidArgumentError("there are no connections".to_owned()))),
    }
}

/// Texts that many rows share, made once for a file.
struct Dictionaries {
    interfaces: ArrayRef,
    /// By interface: the place of what is known of it.
    account: Known,
    vpc: Known,
    subnet: Known,
    instance: Known,
    rules: ArrayRef,
    words: ArrayRef,
    actions: ArrayRef,
}

/// Something that is known of interfaces.
struct Known {
    texts: ArrayRef,
    places: Vec<Option<i32>>,
}

impl Known {
    fn new(names: &Names, what: impl Fn(&InterfaceContext) -> Option<&str>) -> Self {
        let mut texts: Vec<&str> = Vec::new();
        let mut numbers: HashMap<&str, i32> = HashMap::new();
        let places = names.interfaces.iter().map(|(_, context)| {
            what(context).map(|text| {
                *numbers.entry(text).or_insert_with(|| {
                    texts.push(text);
                    texts.len() as i32 - 1
                })
            })
        });
        let places = places.collect();
        Self { texts: Arc::new(StringArray::from(texts)), places }
    }
}

impl Dictionaries {
    fn new(names: &Names, meanings: &Meanings) -> Self {
        let text = |texts: Vec<&str>| Arc::new(StringArray::from(texts)) as ArrayRef;
        Self {
            interfaces: text(names.interfaces.iter().map(|(id, _)| id.as_str()).collect()),
            account: Known::new(names, |context| context.account.as_deref()),
            vpc: Known::new(names, |context| context.vpc.as_deref()),
            subnet: Known::new(names, |context| context.subnet.as_deref()),
            instance: Known::new(names, |context| context.instance.as_deref()),
            rules: text(names.rules.iter().map(String::as_str).collect()),
            words: text(meanings.words.clone()),
            actions: text(vec!["reject", "accept"]),
        }
    }
}

type Made = Result<ArrayRef, ArrowError>;

fn dictionary(keys: Int32Array, texts: &ArrayRef) -> Made {
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, Arc::clone(texts))?))
}

fn to_batch(
    group: &Group,
    range: std::ops::Range<usize>,
    texts: &Dictionaries,
    meanings: &Meanings,
) -> Result<RecordBatch, ArrowError> {
    type Row = Waiting;
    let rows = &group.rows[range.clone()];
    let word = |at: usize| {
        let key = |row: &Row| (row.words[at] > 0).then_some(i32::from(row.words[at]));
        dictionary(rows.iter().map(key).collect(), &texts.words)
    };
    let about = |known: &Known| {
        let key = |row: &Row| known.places.get(row.interface as usize).copied().flatten();
        dictionary(rows.iter().map(key).collect(), &known.texts)
    };
    let address = |texts: &Texts| {
        let keys = texts.places[range.clone()].iter().map(|place| *place as i32);
        dictionary(Int32Array::from_iter_values(keys), &texts.texts)
    };
    let small = |f: &dyn Fn(&Row) -> i32| -> Made {
        Ok(Arc::new(Int32Array::from_iter_values(rows.iter().map(f))))
    };
    let large = |f: &dyn Fn(&Row) -> u64| -> Made {
        let values = rows.iter().map(|row| i64::try_from(f(row)).unwrap_or(i64::MAX));
        Ok(Arc::new(Int64Array::from_iter_values(values)))
    };
    let time = |f: &dyn Fn(&Row) -> u32| -> Made {
        let values = rows.iter().map(|row| i64::from(f(row)) * 1_000_000);
        Ok(Arc::new(TimestampMicrosecondArray::from_iter_values(values)))
    };
    let interfaces = Int32Array::from_iter_values(rows.iter().map(|row| row.interface as i32));
    let actions = Int32Array::from_iter_values(rows.iter().map(|row| i32::from(row.accepted)));
    let goes_on = |row: &Row| row.opened < row.start && row.opened / super::super::DAY as u32 != row.day();
    let continued: BooleanArray = rows.iter().map(|row| Some(goes_on(row))).collect();
    let columns: Vec<(&str, Made)> = vec![
        ("interface", dictionary(interfaces, &texts.interfaces)),
        ("account", about(&texts.account)),
        ("vpc", about(&texts.vpc)),
        ("subnet", about(&texts.subnet)),
        ("instance", about(&texts.instance)),
        ("local", address(&group.locals)),
        ("remote", address(&group.remotes)),
        ("local_port", small(&|row| row.ports[0].into())),
        ("remote_port", small(&|row| row.ports[1].into())),
        ("protocol", small(&|row| row.protocol.into())),
        ("direction", word(0)),
        ("evidence", word(1)),
        ("strength", word(2)),
        ("opened", time(&|row| row.opened)),
        ("start", time(&|row| row.start)),
        ("end", time(&|row| row.end)),
        ("continued", Ok(Arc::new(continued))),
        ("action", dictionary(actions, &texts.actions)),
        ("verdict", word(3)),
        ("reason", word(4)),
        ("rules", rules(rows, texts, meanings)),
        ("blocked_reply", word(5)),
        ("bytes_in", large(&|row| row.bytes[0])),
        ("bytes_out", large(&|row| row.bytes[1])),
        ("packets_in", large(&|row| row.packets[0])),
        ("packets_out", large(&|row| row.packets[1])),
        ("rejected_in", large(&|row| row.rejected[0])),
        ("rejected_out", large(&|row| row.rejected[1])),
        ("late_packets", large(&|row| row.late)),
    ];
    let columns: Result<Vec<_>, ArrowError> =
        columns.into_iter().map(|(name, array)| Ok((name, array?, true))).collect();
    RecordBatch::try_from_iter_with_nullable(columns?)
}

fn rules(rows: &[Waiting], texts: &Dictionaries, meanings: &Meanings) -> Made {
    let of = |row: &Waiting| meanings.rules[row.rules as usize].iter();
    let mut ends: Vec<i32> = Vec::with_capacity(rows.len() + 1);
    ends.push(0);
    let mut keys: Vec<i32> = Vec::with_capacity(rows.len());
    for row in rows {
        keys.extend(of(row).map(|rule| *rule as i32));
        ends.push(keys.len() as i32);
    }
    let values = dictionary(Int32Array::from(keys), &texts.rules)?;
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    debug_assert!(matches!(item.data_type(), DataType::Dictionary(..)));
    Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::new(ScalarBuffer::from(ends)), values, None)?))
}
