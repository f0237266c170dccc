//! How answers are written: exact, and safe to look at.

use std::fs::File;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use super::support::{Row, flowgate, store, text};

const SQL: &str =
    "SELECT reason, local_port, direction, rules, start, \"end\" - start AS lasted, bytes_in / 8.0 AS part
                   FROM connections";

fn hostile() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let all = [
        Row { reason: "=1+1\u{1b}[31m\u{202e}\"q\"\n".to_owned(), direction: None, ..Row::default() },
        Row {
            reason: "plain, text".to_owned(),
            rules: Some(vec!["a".to_owned(), "b".to_owned()]),
            local_port: 22,
            bytes_in: 3,
            ..Row::default()
        },
        Row { reason: String::new(), rules: None, ..Row::default() },
    ];
    store(directory.path(), &all, 8);
    directory
}

fn out(args: &[&str]) -> String {
    let directory = hostile();
    let output = flowgate(&[&["sql", SQL], args].concat(), directory.path());
    assert_eq!((output.status.code(), &*text(&output.stderr)), (Some(0), ""));
    text(&output.stdout)
}

#[test]
fn a_table_is_aligned_and_says_how_many_rows() {
    let lines = [
        r#"reason                       local_port  direction  rules  start                 lasted   part"#,
        r#"=1+1\u{1b}[31m\u{202e}"q"\n         443  null       sgr-1  2026-03-01T00:00:00Z     1.5   12.5"#,
        r#"plain, text                          22  inbound    a, b   2026-03-01T00:00:00Z     1.5  0.375"#,
        r#"                                    443  inbound    null   2026-03-01T00:00:00Z     1.5   12.5"#,
        "3 rows",
        "",
    ];
    assert_eq!(out(&[]), lines.join("\n"));
}

#[test]
fn a_table_is_cut_to_the_width_that_is_asked_for() {
    let shown = out(&["--width", "90", "--max-rows", "2"]);
    assert!(shown.lines().all(|line| line.chars().count() <= 90), "{shown}");
    assert!(shown.contains('…') && shown.ends_with("2 of 3 rows; --max-rows 0 shows all\n"), "{shown}");
    // Where columns don't fit beside each other, each row is a list.
    let shown = out(&["--width", "50", "--max-rows", "1"]);
    assert!(shown.starts_with("row 1\n  reason      =1+1\\u{1b}[31m"), "{shown}");
    assert!(shown.contains("\n  local_port  443\n"), "{shown}");
}

#[test]
fn csv_is_for_spreadsheets() {
    assert_eq!(
        out(&["--format", "csv"]),
        concat!(
            "\"reason\",\"local_port\",\"direction\",\"rules\",\"start\",\"lasted\",\"part\"\r\n",
            "\"'=1+1\\u{1b}[31m\\u{202e}\"\"q\"\"\\n\",443,,\"sgr-1\",\"2026-03-01T00:00:00Z\",1.5,12.5\r\n",
            "\"plain, text\",22,\"inbound\",\"a, b\",\"2026-03-01T00:00:00Z\",1.5,0.375\r\n",
            "\"\",443,\"inbound\",,\"2026-03-01T00:00:00Z\",1.5,12.5\r\n",
        )
    );
}

#[test]
fn jsonl_gives_every_value_back() {
    let text = out(&["--format", "jsonl"]);
    assert!(text.is_ascii() && !text.contains('\u{1b}'), "{text}");
    assert!(text.starts_with("{\"reason\":\"=1+1"), "keys in the order of the columns: {text}");
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows[0]["reason"], "=1+1\u{1b}[31m\u{202e}\"q\"\n");
    assert_eq!(rows[0]["direction"], Value::Null);
    assert_eq!(rows[1]["rules"], serde_json::json!(["a", "b"]));
    assert_eq!((&rows[1]["part"], &rows[1]["local_port"]), (&Value::from(0.375), &Value::from(22)));
    assert_eq!(rows.len(), 3);
}

#[test]
fn parquet_keeps_types() {
    let directory = hostile();
    let file = directory.path().join("answer.parquet");
    let output = flowgate(&["sql", SQL, "--out", file.to_str().unwrap()], directory.path());
    assert!(text(&output.stdout).starts_with("3 rows written to "), "{output:?}");
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap().build().unwrap();
    let batch = reader.map(Result::unwrap).next().unwrap();
    assert_eq!(batch.num_rows(), 3);
    let schema = batch.schema();
    assert_eq!(
        *schema.field_with_name("start").unwrap().data_type(),
        DataType::Timestamp(TimeUnit::Microsecond, None)
    );
    assert_eq!(batch["start"].as_primitive::<TimestampMicrosecondType>().value(0), 1_772_323_200_000_000);
    assert_eq!(batch["reason"].as_string::<i32>().value(0), "=1+1\u{1b}[31m\u{202e}\"q\"\n");
    assert!(batch["direction"].is_null(0) && batch["rules"].is_null(2));
    assert_eq!(batch["rules"].as_list::<i32>().value(1).as_string::<i32>().value(1), "b");
    // To a program, and without rows.
    let empty = "SELECT remote, SUM(bytes_in) AS bytes FROM connections WHERE remote = 'x' GROUP BY remote";
    let output = flowgate(&["sql", empty, "--format", "parquet"], directory.path());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(output.stdout)).unwrap();
    assert_eq!(*reader.schema().field(1).data_type(), DataType::Int64);
    assert_eq!(reader.build().unwrap().map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 0);
    let counted =
        flowgate(&["sql", "SELECT COUNT(*) AS n FROM connections", "--format", "parquet"], directory.path());
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(counted.stdout)).unwrap();
    let batch = reader.build().unwrap().next().unwrap().unwrap();
    assert_eq!(batch["n"].as_primitive::<Int64Type>().value(0), 3);
}

#[test]
fn an_answer_goes_to_a_file_whole_or_not_at_all() {
    let directory = hostile();
    let file = directory.path().join("answer.csv");
    std::fs::write(&file, "before").unwrap();
    let wrong = flowgate(
        &["sql", "SELECT nothing FROM connections", "--out", file.to_str().unwrap()],
        directory.path(),
    );
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    let right = flowgate(
        &["sql", "SELECT local_port FROM connections", "--out", file.to_str().unwrap()],
        directory.path(),
    );
    assert_eq!(right.status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "\"local_port\"\r\n443\r\n22\r\n443\r\n");
    let nowhere = directory.path().join("no/answer.csv");
    let output = flowgate(&["sql", "SELECT 1 AS one", "--out", nowhere.to_str().unwrap()], directory.path());
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
