//! Parquet in every dress that was seen or that a writer may choose.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, LargeStringArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, UInt16Array, UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use bytes::Bytes;
use flowgate::decode::{DecodeError, DecodeOptions, ParquetDecoder, SchemaProblem, is_parquet};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::support::{Outcome, all, decode, engine};

const TEXT: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status
2 123456789010 eni-1 10.0.0.1 10.0.0.2 443 49152 6 10 840 1439387263 1439387264 ACCEPT OK
2 123456789010 eni-1 2001:db8::1 2001:db8::2 0 0 58 20 - 1439387264 1439387265 REJECT OK
2 123456789010 eni-2 - - - - - - - 1431280876 1431280934 - NODATA
2 unknown eni-3 - - - - - - - 1431280876 1431280934 - SKIPDATA
";

fn texts(name: &str) -> Vec<&'static str> {
    let at = TEXT.lines().next().unwrap().split(' ').position(|n| n == name).unwrap();
    TEXT.lines().skip(1).map(|line| line.split(' ').nth(at).unwrap()).collect()
}

fn numbers(name: &str) -> Vec<Option<i64>> {
    texts(name).into_iter().map(|text| text.parse().ok()).collect()
}

const INTEGERS: [&str; 6] = ["version", "srcport", "dstport", "protocol", "packets", "bytes"];
const TIMES: [&str; 2] = ["start", "end"];
const STRINGS: [&str; 6] = ["account-id", "interface-id", "srcaddr", "dstaddr", "action", "log-status"];

/// As AWS writes it: 32 bit integers for the small, 64 for the large, `-` in texts, null in numbers.
fn columns() -> Vec<(String, ArrayRef)> {
    let mut out: Vec<(String, ArrayRef)> = Vec::new();
    for name in INTEGERS {
        let array: ArrayRef = Arc::new(Int64Array::from(numbers(name)));
        let array = if name == "packets" || name == "bytes" {
            array
        } else {
            cast(&array, &DataType::Int32).unwrap()
        };
        out.push((name.replace('-', "_"), array));
    }
    for name in TIMES {
        out.push((name.to_owned(), Arc::new(Int64Array::from(numbers(name)))));
    }
    for name in STRINGS {
        out.push((name.replace('-', "_"), Arc::new(StringArray::from(texts(name)))));
    }
    out
}

fn replace(name: &str, array: ArrayRef) -> Vec<(String, ArrayRef)> {
    let mut out = columns();
    out.iter_mut().find(|(n, _)| n == name).unwrap().1 = array;
    out
}

fn write(columns: Vec<(String, ArrayRef)>, compression: Compression) -> Bytes {
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

fn read(file: &Bytes, options: &DecodeOptions) -> Outcome {
    let mut first = None;
    for batch_rows in [1, 3, 100] {
        let options = DecodeOptions { batch_rows, ..options.clone() };
        let mut decoder = ParquetDecoder::try_new(file.clone(), &options).unwrap();
        let mut outcome = Outcome::default();
        for batch in &mut decoder {
            outcome.add(&batch.unwrap());
        }
        outcome.tally = decoder.tally().clone();
        outcome.problem = decoder.rejected_schema().cloned();
        assert!(outcome.tally.is_conserved());
        assert_eq!(first.get_or_insert_with(|| outcome.clone()), &outcome, "batches of {batch_rows}");
    }
    first.unwrap()
}

#[test]
fn equals_the_same_records_in_text_with_every_codec() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ];
    for codec in codecs {
        let file = write(columns(), codec);
        assert!(is_parquet(&file));
        assert_eq!(read(&file, &engine()), decode(TEXT, &engine()), "{codec}");
        let (parquet, text) = (read(&file, &all()), decode(TEXT, &all()));
        assert_eq!((parquet.tally, parquet.coverage), (text.tally, text.coverage));
        let sorted = |row: &String| {
            let mut parts: Vec<_> = row.split(' ').map(str::to_owned).collect();
            parts.sort();
            parts
        };
        let rows = |rows: &[String]| rows.iter().map(sorted).collect::<Vec<_>>();
        assert_eq!(rows(&parquet.rows), rows(&text.rows));
    }
}

#[test]
fn types_do_not_matter() {
    let expected = decode(TEXT, &engine());
    let text = |name| texts(name).into_iter();
    let none = |name| text(name).map(|t| if t == "-" { "None" } else { t }).collect::<Vec<_>>();
    let null = |name| text(name).map(|t| (t != "-").then_some(t)).collect::<Vec<_>>();
    let as_float = |name| numbers(name).into_iter().map(|n| n.map(|n| n as f64)).collect::<Vec<_>>();
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let addresses: ArrayRef = Arc::new(StringArray::from(null("srcaddr")));
    let micros = numbers("start").into_iter().map(|n| n.map(|n| n * 1_000_000));
    let variants: Vec<(&str, ArrayRef)> = vec![
        ("bytes", Arc::new(StringArray::from(none("bytes")))),
        ("bytes", Arc::new(Float64Array::from(as_float("bytes")))),
        (
            "bytes",
            Arc::new(UInt64Array::from_iter(numbers("bytes").into_iter().map(|n| n.map(|n| n as u64)))),
        ),
        ("protocol", Arc::new(Int64Array::from(numbers("protocol")))),
        ("protocol", Arc::new(StringArray::from(texts("protocol")))),
        (
            "srcport",
            Arc::new(UInt16Array::from_iter(numbers("srcport").into_iter().map(|n| n.map(|n| n as u16)))),
        ),
        ("srcaddr", addresses.clone()),
        ("srcaddr", cast(&addresses, &dictionary).unwrap()),
        ("srcaddr", Arc::new(LargeStringArray::from(null("srcaddr")))),
        ("srcaddr", Arc::new(StringViewArray::from(null("srcaddr")))),
        (
            "srcaddr",
            Arc::new(BinaryArray::from_iter(null("srcaddr").into_iter().map(|t| t.map(str::as_bytes)))),
        ),
        ("action", Arc::new(StringArray::from(null("action")))),
        ("start", Arc::new(Int64Array::from_iter(numbers("start").into_iter().map(|n| n.map(|n| n * 1000))))),
        ("start", Arc::new(TimestampMicrosecondArray::from_iter(micros.clone()))),
        ("start", Arc::new(TimestampMicrosecondArray::from_iter(micros).with_timezone("UTC"))),
        ("start", Arc::new(StringArray::from(texts("start")))),
    ];
    for (name, array) in variants {
        let kind = array.data_type().clone();
        let outcome = read(&write(replace(name, array), Compression::SNAPPY), &engine());
        assert_eq!(outcome, expected, "{name} as {kind}");
    }
}

#[test]
fn names_order_and_other_columns_do_not_matter() {
    let mut odd: Vec<_> =
        columns().into_iter().map(|(name, a)| (name.replace('_', "-").to_uppercase(), a)).collect();
    odd.reverse();
    odd.retain(|(name, _)| name != "PACKETS");
    odd.push(("quantum_state".to_owned(), Arc::new(Int32Array::from(vec![1, 2, 3, 4]))));
    let outcome = read(&write(odd, Compression::SNAPPY), &engine());
    assert_eq!((outcome.tally.records, outcome.tally.nodata, outcome.tally.skipdata), (2, 1, 1));
    assert_eq!(outcome.tally.unknown_fields["quantum_state"], 4);
    assert!(!outcome.rows[0].contains("packets"));
    assert_eq!(outcome.value(0, "srcaddr"), "10.0.0.1");
}

#[test]
fn bad_rows_are_malformed_and_quoted() {
    let ports = replace("srcport", Arc::new(Int64Array::from(vec![Some(65_536), Some(-5), None, None])));
    let outcome = read(&write(ports, Compression::SNAPPY), &engine());
    assert_eq!((outcome.tally.records, outcome.tally.malformed, outcome.tally.nodata), (0, 2, 1));
    assert_eq!(
        outcome.reasons(),
        [
            (1, "srcport: \"65536\" is not a number from 0 to 65535"),
            (2, "srcport: \"-5\" is not a number from 0 to 65535"),
        ]
    );
    let addresses = replace("dstaddr", Arc::new(StringArray::from(vec!["10.0.0.2 ", "x", "-", "-"])));
    assert_eq!(read(&write(addresses, Compression::SNAPPY), &engine()).tally.malformed, 2);
    let halves = replace("bytes", Arc::new(Float64Array::from(vec![0.5, f64::INFINITY, f64::NAN, 1.0])));
    assert_eq!(read(&write(halves, Compression::SNAPPY), &engine()).tally.malformed, 2);
}

#[test]
fn other_schemas_are_counted_not_read() {
    let mut lacking = columns();
    lacking.retain(|(name, _)| name != "action" && name != "interface_id");
    let file = write(lacking, Compression::SNAPPY);
    let outcome = read(&file, &engine());
    assert_eq!((outcome.tally.lines, outcome.tally.other_schema), (4, 4));
    assert_eq!(outcome.problem, Some(SchemaProblem::MissingFields(vec!["interface-id", "action"])));
    assert_eq!(read(&file, &all()).tally.records, 2);

    let mut gateway = columns();
    gateway.push(("tgw_id".to_owned(), Arc::new(StringArray::from(vec!["t"; 4]))));
    let outcome = read(&write(gateway, Compression::SNAPPY), &all());
    assert_eq!((outcome.tally.other_schema, outcome.problem), (4, Some(SchemaProblem::TransitGateway)));

    let nothing: Vec<(String, ArrayRef)> = vec![("x".to_owned(), Arc::new(Int32Array::from(vec![1])))];
    assert_eq!(read(&write(nothing, Compression::SNAPPY), &engine()).tally.other_schema, 1);
}

#[test]
fn a_column_that_cannot_be_read_names_itself() {
    let flags: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true; 4]));
    let file = write(replace("protocol", flags), Compression::SNAPPY);
    let error = ParquetDecoder::try_new(file, &engine()).unwrap().find_map(Result::err).unwrap();
    assert!(matches!(&error, DecodeError::ParquetColumn { column, .. } if column == "protocol"), "{error}");
}

#[test]
fn declared_sizes_are_capped() {
    let file = write(columns(), Compression::SNAPPY);
    let options = DecodeOptions { max_object_bytes: 100, ..engine() };
    assert!(matches!(ParquetDecoder::try_new(file, &options), Err(DecodeError::TooLarge { limit: 100 })));
}

#[test]
fn cut_files_are_errors() {
    let file = write(columns(), Compression::SNAPPY);
    for len in 0..file.len() {
        assert!(ParquetDecoder::try_new(file.slice(..len), &engine()).is_err(), "{len} bytes");
    }
}

/// Every byte of a file changed in turn: an error or other rows, but never a panic and never rows out of
/// nothing.
#[test]
fn damaged_files_never_panic() {
    let file = write(columns(), Compression::UNCOMPRESSED);
    for at in 0..file.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut damaged = file.to_vec();
            damaged[at] ^= change;
            let Ok(mut decoder) = ParquetDecoder::try_new(damaged.into(), &engine()) else { continue };
            let rows: usize = (&mut decoder).map_while(Result::ok).map(|batch| batch.len()).sum();
            assert_eq!(rows as u64, decoder.tally().records);
            assert!(decoder.next().is_none(), "goes on after an error");
        }
    }
}
