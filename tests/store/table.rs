//! The table of connections: complete, each packet once, and laid out for lookups.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;

use super::support::{files, ingest, program, world};
use crate::world::Format;

fn batches(path: &Path) -> Vec<RecordBatch> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    reader.build().unwrap().map(Result::unwrap).collect()
}

fn text<'b>(batch: &'b RecordBatch, name: &str, row: usize) -> &'b str {
    let column = batch.column_by_name(name).unwrap().as_string::<i32>();
    if column.is_valid(row) { column.value(row) } else { "" }
}

fn number(batch: &RecordBatch, name: &str, row: usize) -> i64 {
    let column = batch.column_by_name(name).unwrap();
    if let Some(column) = column.as_primitive_opt::<TimestampMicrosecondType>() {
        return column.value(row);
    }
    match column.as_primitive_opt::<Int64Type>() {
        Some(column) => column.value(row),
        None => column.as_primitive::<UInt64Type>().value(row) as i64,
    }
}

/// By interface, addresses, direction and verdict: connections, accepted bytes and packets.
type Sums = BTreeMap<(String, String, String, String, String), (u64, i64, i64)>;

#[test]
fn every_connection_is_told_once_and_every_packet_is_of_one_day() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V5, 50.0, 31);
    let (logs, store) = (directory.path().join("AWSLogs"), directory.path().join("store"));
    ingest(&[&logs], &inventory, &store);
    let exported = directory.path().join("connections.parquet");
    let mut command = program();
    command.arg("analyze").arg(&logs).arg("--inventory").arg(&inventory).arg("--connections").arg(&exported);
    assert!(matches!(command.arg("--quiet").status().unwrap().code(), Some(0 | 1)));

    let key = |batch: &RecordBatch, row| {
        let word = |name| text(batch, name, row).to_owned();
        (word("interface"), word("local"), word("remote"), word("direction"), word("verdict"))
    };
    let mut of_analyze = Sums::new();
    for batch in batches(&exported) {
        for row in 0..batch.num_rows() {
            let sum = of_analyze.entry(key(&batch, row)).or_default();
            *sum = (sum.0 + 1, sum.1 + number(&batch, "bytes", row), sum.2 + number(&batch, "packets", row));
        }
    }
    let mut of_store = Sums::new();
    let mut continued = 0;
    for file in files(&store.join("connections")) {
        let day = file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        for batch in batches(&file) {
            for row in 0..batch.num_rows() {
                let goes_on = batch.column_by_name("continued").unwrap().as_boolean().value(row);
                continued += u32::from(goes_on);
                let start = number(&batch, "start", row) / 1_000_000;
                let of_day =
                    chrono::DateTime::from_timestamp(start, 0).unwrap().format("dt=%Y-%m-%d").to_string();
                assert_eq!(of_day, day);
                assert_eq!(goes_on, number(&batch, "opened", row) / 86_400_000_000 < start / 86_400);
                let sum = of_store.entry(key(&batch, row)).or_default();
                sum.0 += u64::from(!goes_on);
                sum.1 += number(&batch, "bytes_in", row) + number(&batch, "bytes_out", row);
                sum.2 += number(&batch, "packets_in", row) + number(&batch, "packets_out", row);
            }
        }
    }
    assert!(continued > 0, "some go on over midnight");
    assert!(of_analyze.len() > 50);
    assert_eq!(of_store, of_analyze);
}

#[test]
fn row_groups_and_pages_tell_what_they_hold() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V2, 3.0, 32);
    let store = directory.path().join("store");
    ingest(&[&directory.path().join("AWSLogs")], &inventory, &store);
    for file in files(&store.join("connections")) {
        let reader = SerializedFileReader::new(File::open(&file).unwrap()).unwrap();
        let metadata = reader.metadata();
        let schema = metadata.file_metadata().key_value_metadata().unwrap();
        assert!(schema.iter().any(|entry| entry.value.as_deref() == Some("flowgate.connections/v1")));
        let mut last = Vec::new();
        for group in metadata.row_groups() {
            let column =
                |name: &str| group.columns().iter().find(|c| c.column_path().string() == name).unwrap();
            for name in ["local", "remote", "interface"] {
                assert!(column(name).bloom_filter_offset().is_some(), "{name}");
            }
            assert!(group.columns().iter().all(|c| c.column_index_offset().is_some()), "page indexes");
            let Some(Statistics::ByteArray(interfaces)) = column("interface").statistics() else { panic!() };
            let (least, most) = (interfaces.min_bytes_opt().unwrap(), interfaces.max_bytes_opt().unwrap());
            assert!(last.as_slice() <= least, "row groups come by interface");
            last = most.to_vec();
        }
        // Fewer rows than a row group holds: one, by remote address.
        let remotes: Vec<String> = batches(&file)
            .iter()
            .flat_map(|batch| {
                (0..batch.num_rows()).map(|row| text(batch, "remote", row).to_owned()).collect::<Vec<_>>()
            })
            .collect();
        assert!(remotes.len() > 100 && remotes.is_sorted());
    }
}
