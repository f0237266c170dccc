//! What was written is read again by the parquet crate, value by value.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Int32Array, Int64Array, ListBuilder, RecordBatch,
    StringArray, StringBuilder,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::file::metadata::PageIndexPolicy;
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::serialized_reader::ReadOptionsBuilder;
use parquet::file::statistics::Statistics;
use proptest::prelude::*;

use super::*;
use crate::store::disk::Disk;
use crate::store::files::{Place, properties};

/// A row: a number, one that may be missing, a flag, an address, a text that may be missing, texts.
type Row = (i32, Option<i64>, bool, u128, Option<u8>, Vec<u8>);

const TEXTS: [&str; 5] = ["", "10.0.0.10", "10.0.0.9", "a", "ä and more of it"];

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let number = prop_oneof![0_i32..4, any::<i32>()];
    let large = prop_oneof![Just(None), (0_i64..3).prop_map(Some), any::<i64>().prop_map(Some)];
    let lists = prop::collection::vec(0_u8..5, 0..4);
    let row = (number, large, any::<bool>(), 0_u128..9, prop::option::of(0_u8..5), lists);
    // Runs of the same row, too.
    let runs = prop::collection::vec((row, prop_oneof![Just(1_usize), 1_usize..40]), 1..80);
    runs.prop_map(|runs| runs.into_iter().flat_map(|(row, times)| std::iter::repeat_n(row, times)).collect())
}

fn batch(rows: &[Row]) -> RecordBatch {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for (.., list) in rows {
        list.iter().for_each(|at| lists.values().append_value(TEXTS[usize::from(*at)]));
        lists.append(true);
    }
    let addresses = rows.iter().map(|row| row.3.to_be_bytes());
    let columns: [ArrayRef; 6] = [
        Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.0))),
        Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|row| Some(row.2)).collect::<BooleanArray>()),
        Arc::new(FixedSizeBinaryArray::try_from_iter(addresses).unwrap()),
        Arc::new(rows.iter().map(|row| row.4.map(|at| TEXTS[usize::from(at)])).collect::<StringArray>()),
        Arc::new(lists.finish()),
    ];
    let optional = [false, true, true, false, true, true];
    let fields = columns.iter().zip(optional).enumerate();
    let fields = fields
        .map(|(at, (array, optional))| Field::new(format!("{at}"), array.data_type().clone(), optional));
    RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns.to_vec()).unwrap()
}

fn write(directory: &Path, groups: &[Vec<Row>], page: usize) -> std::path::PathBuf {
    let place = Place { directory: directory.to_owned(), disk: Disk::default(), held: None };
    let schema = batch(&groups[0]).schema();
    let mut file =
        GroupFile::create(&place, "file".to_owned(), None, &schema, properties("test").build(), false)
            .unwrap();
    for rows in groups {
        let mut open = file.group(rows.len()).unwrap();
        let mut column = |shape: Shape<'_>, values: Values<'_>, bounds: Bounds<'_>, bloom| {
            let pressed = page.is_multiple_of(2);
            open.column(&Chunk { shape, values, bounds, page, indexed: true, bloom, pressed }).unwrap();
        };
        let mut numbers = Coder::<u64>::default();
        rows.iter().for_each(|row| numbers.push(row.0 as u32 as u64));
        let bounds: Vec<i64> = rows.iter().map(|row| row.0.into()).collect();
        let dictionary = numbers.dictionary(4, |value| value);
        let values = match rows.len() % 2 {
            0 => Values::Coded(&dictionary, &numbers.codes),
            _ => Values::Numbers(4, &bounds),
        };
        column(Shape::Required, values, Bounds::Numbers(&bounds), false);
        let mut numbers = Coder::<u64>::default();
        rows.iter().filter_map(|row| row.1).for_each(|value| numbers.push(value as u64));
        let there: Vec<bool> = rows.iter().map(|row| row.1.is_some()).collect();
        let dictionary = numbers.dictionary(8, |value| value);
        let all: Vec<i64> = rows.iter().filter_map(|row| row.1).collect();
        let values = match rows.len() % 3 {
            0 => Values::Coded(&dictionary, &numbers.codes),
            1 => Values::Numbers(8, &all),
            _ => Values::Deltas(&all),
        };
        column(Shape::Optional(Some(&there)), values, Bounds::Between(i64::MIN, i64::MAX), false);
        let flags: Vec<bool> = rows.iter().map(|row| row.2).collect();
        column(Shape::Optional(None), Values::Flags(&flags), Bounds::Sorted, false);
        let mut addresses = Coder::<u128>::default();
        rows.iter().for_each(|row| addresses.push(row.3));
        let dictionary = addresses.dictionary();
        column(Shape::Required, Values::Coded(&dictionary, &addresses.codes), Bounds::None, false);
        let texts = Dictionary::of(TEXTS);
        let codes: Vec<u32> = rows.iter().filter_map(|row| row.4).map(u32::from).collect();
        let there: Vec<bool> = rows.iter().map(|row| row.4.is_some()).collect();
        let values = match rows.len() % 2 {
            0 => Values::Coded(&texts, &codes),
            _ => Values::Spread(&texts, &codes),
        };
        column(Shape::Optional(Some(&there)), values, Bounds::Sorted, true);
        let lengths: Vec<u32> = rows.iter().map(|row| row.5.len() as u32).collect();
        let codes: Vec<u32> = rows.iter().flat_map(|row| &row.5).map(|at| u32::from(*at)).collect();
        column(Shape::List(&lengths), Values::Coded(&texts, &codes), Bounds::Sorted, false);
        open.end().unwrap();
    }
    file.finish().unwrap();
    directory.join("file.tmp")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn comes_back(groups in prop::collection::vec(rows(), 1..3), page in prop_oneof![1_usize..20, Just(4096)]) {
        let directory = tempfile::tempdir().unwrap();
        let path = write(directory.path(), &groups, page);
        let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
        let open = std::fs::File::open(&path).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new_with_options(open, options).unwrap();
        prop_assert_eq!(reader.schema().field(4).data_type(), &DataType::Utf8);
        let read: Vec<RecordBatch> = reader.with_batch_size(33).build().unwrap().map(Result::unwrap).collect();
        let expected = batch(&groups.concat());
        let all = concat_batches(&expected.schema(), &read).unwrap();
        prop_assert_eq!(all, expected);

        // What is told of row groups and pages is so.
        let bloom = ReaderProperties::builder().set_read_bloom_filter(true).build();
        let options = ReadOptionsBuilder::new().with_page_index().with_reader_properties(bloom).build();
        let reader =
            SerializedFileReader::new_with_options(std::fs::File::open(&path).unwrap(), options).unwrap();
        for (at, rows) in groups.iter().enumerate() {
            let group = reader.metadata().row_group(at);
            let numbers: Vec<i32> = rows.iter().map(|row| row.0).collect();
            let Some(Statistics::Int32(told)) = group.column(0).statistics() else { panic!() };
            prop_assert_eq!(told.min_opt(), numbers.iter().min());
            prop_assert_eq!(told.max_opt(), numbers.iter().max());
            let texts: Vec<&str> = rows.iter().filter_map(|row| row.4).map(|at| TEXTS[usize::from(at)]).collect();
            let told = group.column(4).statistics().unwrap();
            prop_assert_eq!(told.min_bytes_opt(), texts.iter().min().map(|text| text.as_bytes()));
            prop_assert_eq!(told.max_bytes_opt(), texts.iter().max().map(|text| text.as_bytes()));
            prop_assert_eq!(told.null_count_opt(), Some((rows.len() - texts.len()) as u64));
            let filter = reader.get_row_group(at).unwrap().get_column_bloom_filter(4).cloned().unwrap();
            prop_assert!(texts.iter().all(|text| filter.check(text)));
            let index = reader.metadata().page_index().unwrap();
            let Some(ColumnIndexMetaData::INT32(pages)) = index.column_index(at, 0) else { panic!() };
            for (number, of_page) in numbers.chunks(page).enumerate() {
                prop_assert_eq!(pages.min_value(number), of_page.iter().min());
                prop_assert_eq!(pages.max_value(number), of_page.iter().max());
            }
        }
    }
}
