//! Log files: keys as in S3, gzip text or Parquet.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field as Column, Schema};
use arrow::record_batch::RecordBatch;
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression as PageCompression, GzipLevel};
use parquet::file::properties::WriterProperties;

use super::config::{ACCOUNT, REGION};
use super::net::civil;
use super::rows::{Row, Writer, is_long, is_number};

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    pub parquet: bool,
    /// Gzip level of text.
    pub level: u32,
}

/// Key of the file of a five-minute window. `distinguisher` is any number that tells files of one window apart.
pub fn key(flow_log: &str, stamp: i64, distinguisher: u64, parquet: bool) -> String {
    let (y, mo, d, h, mi, _) = civil(stamp);
    let suffix = if parquet { "log.parquet" } else { "log.gz" };
    format!(
        "AWSLogs/{ACCOUNT}/vpcflowlogs/{REGION}/{y:04}/{mo:02}/{d:02}/{ACCOUNT}_vpcflowlogs_{REGION}_{flow_log}_\
         {y:04}{mo:02}{d:02}T{h:02}{mi:02}Z_{:08x}.{suffix}",
        distinguisher as u32
    )
}

/// Writes one file; `scratch` is reused from file to file.
pub fn write(
    root: &Path,
    key: &str,
    rows: &[Row],
    writer: &Writer<'_>,
    style: Style,
    scratch: &mut Vec<u8>,
) -> io::Result<u64> {
    let path = root.join(key);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    if style.parquet {
        fs::write(&path, parquet(rows, writer)?)?;
    } else {
        scratch.clear();
        scratch.extend_from_slice(writer.format().header().as_bytes());
        scratch.push(b'\n');
        for row in rows {
            writer.line(row, scratch);
        }
        let mut gzip = GzEncoder::new(fs::File::create(&path)?, Compression::new(style.level));
        gzip.write_all(scratch)?;
        gzip.finish()?;
    }
    Ok(fs::metadata(&path)?.len())
}

/// Underscored names, INT32, INT64 and strings; `-` in strings, NULL in integers; GZIP pages.
fn parquet(rows: &[Row], writer: &Writer<'_>) -> io::Result<Vec<u8>> {
    let mut columns = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for &field in writer.format().fields() {
        let (kind, array): (DataType, ArrayRef) = if is_long(field) {
            let array: Int64Array = rows.iter().map(|row| writer.number(row, field)).collect();
            (DataType::Int64, Arc::new(array))
        } else if is_number(field) {
            let array: Int32Array =
                rows.iter().map(|row| writer.number(row, field).map(|n| n as i32)).collect();
            (DataType::Int32, Arc::new(array))
        } else {
            let mut cell = Vec::new();
            let array: StringArray = rows
                .iter()
                .map(|row| {
                    cell.clear();
                    writer.text(row, field, &mut cell);
                    Some(String::from_utf8_lossy(&cell).into_owned())
                })
                .collect();
            (DataType::Utf8, Arc::new(array))
        };
        columns.push(Column::new(field.name().replace('-', "_"), kind, true));
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(columns));
    let batch = RecordBatch::try_new(schema.clone(), arrays).map_err(io::Error::other)?;
    let properties =
        WriterProperties::builder().set_compression(PageCompression::GZIP(GzipLevel::default())).build();
    let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
    let mut bytes = Vec::new();
    let mut file =
        ArrowWriter::try_new_with_options(&mut bytes, schema, options).map_err(io::Error::other)?;
    file.write(&batch).map_err(io::Error::other)?;
    file.close().map_err(io::Error::other)?;
    Ok(bytes)
}
