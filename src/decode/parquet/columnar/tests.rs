//! The two ways through a file say the same, whatever is in it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt16Array, UInt64Array,
};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{WriterProperties, WriterVersion};
use proptest::prelude::*;
use proptest::sample::select;

use super::Columnar;
use crate::decode::parquet::{ParquetPush, Step};
use crate::decode::{DecodeOptions, Projection};
use crate::flow::FlowBatch;

/// Values a column may have: `usual` ones, and those that want a closer look.
struct Palette {
    name: &'static str,
    usual: &'static [&'static str],
    odd: &'static [&'static str],
}

const TEXTS: [Palette; 12] = [
    Palette { name: "account_id", usual: &["111122223333", "unknown"], odd: &["-", "a b", ""] },
    Palette {
        name: "interface_id",
        usual: &["eni-1", "eni-2", "eni-3", "eni-4"],
        odd: &["-", "None", "eni 5", " "],
    },
    Palette { name: "resource_id", usual: &["nat-1", "-"], odd: &["nat 2", "é"] },
    Palette { name: "vpc_id", usual: &["vpc-1", "vpc-2"], odd: &["-", "vpc\t3"] },
    Palette {
        name: "srcaddr",
        usual: &["10.0.0.1", "10.0.0.255", "2001:db8::1"],
        odd: &["-", "10.0.0.256", "nan"],
    },
    Palette {
        name: "dstaddr",
        usual: &["192.168.100.200", "1.2.3.4", "::"],
        odd: &["-", "01.2.3.4", "1.2.3.4 "],
    },
    Palette { name: "pkt_srcaddr", usual: &["10.0.0.1", "10.9.8.7", "-"], odd: &["", "x", "1.2.3"] },
    Palette { name: "pkt_dstaddr", usual: &["192.168.100.200", "fe80::1"], odd: &["-", "1.2.3.4.5", "5"] },
    Palette { name: "action", usual: &["ACCEPT", "REJECT"], odd: &["-", "accept", "ACCEPTED"] },
    Palette { name: "log_status", usual: &["OK"], odd: &["NODATA", "SKIPDATA", "-", "ok"] },
    Palette { name: "flow_direction", usual: &["ingress", "egress", "-"], odd: &["in", "egress "] },
    Palette { name: "reject_reason", usual: &["-", "BPA", "EC"], odd: &["B PA", "null"] },
];

const NUMBERS: [Palette; 8] = [
    Palette { name: "srcport", usual: &["0", "443", "65535"], odd: &["65536", "-1", "-"] },
    Palette { name: "dstport", usual: &["49152", "22"], odd: &["4294967296", "-5", "-"] },
    Palette { name: "protocol", usual: &["6", "17", "1"], odd: &["256", "58", "-"] },
    Palette { name: "packets", usual: &["1", "-", "9223372036854775807"], odd: &["-1", "0"] },
    Palette { name: "bytes", usual: &["40", "1500"], odd: &["-", "-9"] },
    Palette {
        name: "start",
        usual: &["1431280876", "0", "1431280876123"],
        odd: &["-", "-1", "9223372036854775807"],
    },
    Palette {
        name: "end",
        usual: &["1431280934", "1431280876", "1431280934000"],
        odd: &["-", "3", "100000000000000"],
    },
    Palette { name: "tcp_flags", usual: &["0", "2", "18", "-"], odd: &["256", "-2"] },
];

#[derive(Clone, Debug)]
struct Case {
    /// One text per row, column by column.
    columns: Vec<(&'static str, Dress, Vec<String>)>,
    dictionaries: bool,
    /// Bytes after which a column gives up its dictionary.
    dictionary_bytes: usize,
    group_rows: usize,
    batch_rows: usize,
    everything: bool,
    old_pages: bool,
}

#[derive(Clone, Copy, Debug)]
enum Dress {
    /// `-` stays a text.
    Texts,
    /// `-` becomes null.
    NullTexts,
    Bytes,
    I32,
    I64,
    U16,
    U64,
    F64,
    Millis,
}

fn values(palette: &Palette, rows: usize, odd: u32) -> impl Strategy<Value = Vec<String>> + use<> {
    let (usual, strange) = (palette.usual, palette.odd);
    let one = prop_oneof![60 => select(usual), odd => select(strange)];
    prop::collection::vec(one.prop_map(str::to_owned), rows)
}

fn case() -> impl Strategy<Value = Case> {
    (1..60_usize, prop_oneof![Just(1_u32), Just(10)]).prop_flat_map(|(rows, odd)| {
        let texts: Vec<_> = TEXTS
            .iter()
            .map(|palette| {
                use Dress::{Bytes, NullTexts, Texts};
                let dress = prop_oneof![6 => Just(Texts), 3 => Just(NullTexts), 1 => Just(Bytes)];
                (Just(palette.name), dress, values(palette, rows, odd))
            })
            .collect();
        let numbers: Vec<_> = NUMBERS
            .iter()
            .map(|palette| {
                use Dress::{F64, I32, I64, Millis, Texts, U16, U64};
                let dress = match palette.name {
                    "start" | "end" => prop_oneof![5 => Just(I64), 1 => Just(Texts), 1 => Just(Millis)].boxed(),
                    _ => prop_oneof![
                        6 => Just(I32), 6 => Just(I64), 1 => Just(U16), 1 => Just(U64), 1 => Just(F64), 1 => Just(Texts)
                    ]
                    .boxed(),
                };
                (Just(palette.name), dress, values(palette, rows, odd))
            })
            .collect();
        let writing = (any::<bool>(), select(vec![1, 30, 1 << 20]), 1..70_usize, any::<bool>());
        let reading = (1..70_usize, prop::bool::weighted(0.1));
        let lacking = prop::sample::subsequence(vec!["resource_id", "pkt_srcaddr", "reject_reason", "bytes"], 0..=4);
        (texts, numbers, lacking, writing, reading).prop_map(|(texts, numbers, lacking, writing, reading)| {
            let mut columns = texts;
            columns.extend(numbers);
            columns.retain(|(name, ..)| !lacking.contains(name));
            Case {
                columns,
                dictionaries: writing.0,
                dictionary_bytes: writing.1,
                group_rows: writing.2,
                old_pages: writing.3,
                batch_rows: reading.0,
                everything: reading.1,
            }
        })
    })
}

fn array(dress: Dress, texts: &[String]) -> ArrayRef {
    let integers = || texts.iter().map(|text| text.parse::<i64>().ok());
    let shown = || texts.iter().map(|text| (text != "-").then_some(text.as_str()));
    match dress {
        Dress::Texts => Arc::new(StringArray::from_iter_values(texts)),
        Dress::NullTexts => Arc::new(shown().collect::<StringArray>()),
        Dress::Bytes => Arc::new(shown().map(|text| text.map(str::as_bytes)).collect::<BinaryArray>()),
        Dress::I32 => {
            Arc::new(integers().map(|n| n.and_then(|n| i32::try_from(n).ok())).collect::<Int32Array>())
        }
        Dress::I64 => Arc::new(integers().collect::<Int64Array>()),
        Dress::U16 => {
            Arc::new(integers().map(|n| n.and_then(|n| u16::try_from(n).ok())).collect::<UInt16Array>())
        }
        Dress::U64 => Arc::new(integers().map(|n| n.map(i64::cast_unsigned)).collect::<UInt64Array>()),
        Dress::F64 => Arc::new(integers().map(|n| n.map(|n| n as f64)).collect::<Float64Array>()),
        Dress::Millis => {
            let millis = integers().map(|n| n.map(|n| n.saturating_mul(1000)));
            Arc::new(millis.collect::<TimestampMillisecondArray>())
        }
    }
}

fn written(case: &Case) -> Bytes {
    let columns = case.columns.iter().map(|(name, dress, texts)| (*name, array(*dress, texts), true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let version = if case.old_pages { WriterVersion::PARQUET_1_0 } else { WriterVersion::PARQUET_2_0 };
    let properties = WriterProperties::builder()
        .set_writer_version(version)
        .set_dictionary_enabled(case.dictionaries)
        .set_dictionary_page_size_limit(case.dictionary_bytes)
        .set_data_page_row_count_limit(7)
        .set_write_batch_size(3)
        .set_max_row_group_row_count(Some(case.group_rows))
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap().into()
}

/// A decoder that knows the columns of a file, and has all of it.
fn opened(case: &Case, file: &Bytes) -> ParquetPush {
    let projection = if case.everything { Projection::all() } else { Projection::engine() };
    let options = DecodeOptions { projection, batch_rows: case.batch_rows, ..DecodeOptions::default() };
    let mut push = ParquetPush::new(file.len() as u64, &options);
    push.give(0..file.len() as u64, file.clone()).unwrap();
    push.open().unwrap();
    push
}

fn batches(push: &mut ParquetPush) -> Vec<FlowBatch> {
    let mut batches = Vec::new();
    while let Step::Batch(batch) = push.next().unwrap() {
        batches.push(batch);
    }
    batches
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Dictionaries or not, and values no two of which are read together.
    #[test]
    fn columns_say_what_rows_say(case in case()) {
        let mut columns = opened(&case, &written(&case));
        let mut rows = opened(&case, &written(&Case { dictionaries: false, ..case.clone() }));
        rows.rows.columnar = Columnar::default();
        let (by_columns, by_rows) = (batches(&mut columns), batches(&mut rows));
        prop_assert_eq!(columns.tally(), rows.tally());
        prop_assert_eq!(by_columns.len(), by_rows.len());
        for (one, other) in by_columns.iter().zip(&by_rows) {
            prop_assert_eq!(one.records(), other.records());
            prop_assert_eq!(one.contexts(), other.contexts());
            prop_assert_eq!(one.coverage(), other.coverage());
        }
    }
}

/// Else the test above would compare rows with rows.
#[test]
fn only_odd_rows_are_looked_at_one_by_one() {
    let mut columns: Vec<_> = TEXTS
        .iter()
        .map(|palette| (palette.name, Dress::NullTexts, vec![palette.usual[0].to_owned(); 6]))
        .chain(NUMBERS.iter().map(|palette| (palette.name, Dress::I64, vec![palette.usual[0].to_owned(); 6])))
        .collect();
    for (name, _, texts) in &mut columns {
        match *name {
            "log_status" => texts[2] = "NODATA".to_owned(),
            "srcaddr" | "action" => texts[2] = "-".to_owned(),
            // Of a protocol without ports, and of one with them.
            "srcport" => texts[3..5].fill("-".to_owned()),
            "protocol" => texts[3] = "1".to_owned(),
            _ => {}
        }
    }
    let case = Case {
        columns,
        dictionaries: true,
        dictionary_bytes: 1 << 20,
        group_rows: 100,
        batch_rows: 100,
        everything: false,
        old_pages: false,
    };
    let mut push = opened(&case, &written(&case));
    let read = batches(&mut push);
    assert_eq!(push.rows.columnar.odd, [false, false, true, false, true, false]);
    assert_eq!((read[0].len(), read[0].coverage().len()), (4, 1));
    assert_eq!((push.tally().malformed, push.tally().records), (1, 4));
}
