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

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;
    use arrow::array::AsArray as _;
    use arrow::datatypes::{Int32Type, Int64Type};
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::account::build;
    use super::super::net::ip;
    use super::super::rows::{Format, Status};
    use super::*;

    #[test]
    fn keys_look_like_those_of_aws() {
        assert_eq!(
            key("fl-0a1b2c3d4e5f60718", 1_772_323_500, 0xdead_beef, false),
            "AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/03/01/\
             111122223333_vpcflowlogs_eu-west-1_fl-0a1b2c3d4e5f60718_20260301T0005Z_deadbeef.log.gz"
        );
    }

    #[test]
    fn parquet_has_the_documented_types_and_missing_values() {
        let account = build(None);
        let writer = Writer::new(&account, Format::V5);
        let nat = account.eni("nat");
        let flow = Row {
            egress: false,
            proto: 6,
            flags: 3,
            shown: ip("10.20.0.220"),
            local: ip("52.218.0.9"),
            remote: ip("10.20.10.31"),
            local_port: 443,
            remote_port: 40_000,
            packets: 9,
            bytes: 900,
            ..Row::empty(nat, Status::Ok, 100, 130)
        };
        let rows = [flow, Row::empty(nat, Status::NoData, 100, 159)];
        let bytes = bytes::Bytes::from(parquet(&rows, &writer).unwrap());
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
        let batch = reader.next().unwrap().unwrap();
        let text =
            |name: &str, row| batch.column_by_name(name).unwrap().as_string::<i32>().value(row).to_owned();
        assert_eq!((text("dstaddr", 0), text("dstaddr", 1)), ("10.20.0.220".into(), "-".into()));
        assert_eq!(text("pkt_dstaddr", 0), "52.218.0.9");
        assert_eq!(text("pkt_dst_aws_service", 0), "S3");
        assert_eq!((text("action", 1), text("log_status", 1)), ("-".into(), "NODATA".into()));
        let ports = batch.column_by_name("srcport").unwrap().as_primitive::<Int32Type>();
        assert_eq!((ports.value(0), ports.is_null(1)), (40_000, true));
        let path = batch.column_by_name("traffic_path").unwrap().as_primitive::<Int32Type>();
        assert!(path.is_null(0), "ingress has no traffic-path");
        let start = batch.column_by_name("start").unwrap().as_primitive::<Int64Type>();
        assert_eq!((start.value(0), start.value(1)), (100, 100));

        let mut line = Vec::new();
        writer.line(&rows[0], &mut line);
        let line = String::from_utf8(line).unwrap();
        assert!(line.contains(" 10.20.10.31 10.20.0.220 40000 443 6 9 900 100 130 ACCEPT OK "), "{line}");
        assert!(line.ends_with(" - S3 ingress -\n"), "{line}");
    }
}
