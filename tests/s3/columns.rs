//! A text log as Parquet, the way AWS delivers it.

use std::io::Read;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, GzipLevel};
use parquet::file::properties::WriterProperties;

/// Columns of a gzipped text log: integers of 32 and 64 bits as documented, `-` in strings, NULL in integers; several row
/// groups, so that there is more than one range to ask for.
#[allow(clippy::disallowed_types, reason = "reads the project's own sample, which is small")]
pub fn of_text(gzipped: &[u8]) -> Vec<u8> {
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(gzipped).read_to_string(&mut text).unwrap();
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(' ').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(' ').collect()).collect();
    let columns: Vec<(String, ArrayRef)> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().map(|row| row[at]);
            let array: ArrayRef = match *name {
                "version" | "srcport" | "dstport" | "protocol" | "tcp-flags" | "traffic-path" => {
                    Arc::new(cells.map(|cell| cell.parse().ok()).collect::<Int32Array>())
                }
                "packets" | "bytes" | "start" | "end" => {
                    Arc::new(cells.map(|cell| cell.parse().ok()).collect::<Int64Array>())
                }
                _ => Arc::new(cells.map(Some).collect::<StringArray>()),
            };
            (name.replace('-', "_"), array)
        })
        .collect();
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .set_max_row_group_row_count(Some(300))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}
