//! Runs of the program, and what they leave.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::world::{Format, Options, generate};

pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8");
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs the program; a run that does not end with this code is a failure of the test.
pub fn flowgate(exit: i32, args: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = program();
    command.args(args.iter().map(AsRef::as_ref));
    let output = command.output().unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(exit), "{command:?}\n{out}\n{err}");
    output
}

/// What a run concludes.
#[derive(Debug, PartialEq)]
pub struct Said {
    pub findings: String,
    pub rules: String,
    /// Without what depends on what the input is called.
    pub summary: Value,
    pub exit: Option<i32>,
}

impl Said {
    /// Findings and rules are the same, byte by byte, and the summary in all that does not name the input.
    pub fn assert_same(&self, other: &Self, about: &str) {
        assert!(self.findings == other.findings, "{about}: findings differ");
        assert!(self.rules == other.rules, "{about}: rules differ");
        assert_eq!(self.summary, other.summary, "{about}");
        assert_eq!(self.exit, other.exit, "{about}");
    }
}

pub fn analyze(inputs: &[&Path], inventory: &Path, more: &[&str]) -> Said {
    let out = tempfile::tempdir().unwrap();
    let mut command = program();
    command.arg("analyze").args(inputs).arg("--inventory").arg(inventory).args(more);
    let output = command.arg("--quiet").arg("--out").arg(out.path()).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{command:?} {}", text(&output.stderr));
    let read = |name: &str| fs::read_to_string(out.path().join(name)).unwrap();
    let mut summary: Value = serde_json::from_str(&read("summary.json")).unwrap();
    summary["inputs"] = Value::Null;
    if let Some(limitations) = summary["limitations"].as_array_mut() {
        // Of listings: a store has none.
        let listing = ["not-a-log", "hidden", "same-object", "pruned-objects"];
        limitations.retain(|limitation| !listing.contains(&limitation["code"].as_str().unwrap()));
    }
    Said { findings: read("findings.jsonl"), rules: read("rules.jsonl"), summary, exit: output.status.code() }
}

pub fn ingest(inputs: &[&Path], inventory: &Path, store: &Path) -> String {
    let mut command = program();
    command.arg("ingest").args(inputs).arg("--inventory").arg(inventory).arg("--store").arg(store);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command:?} {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Every file below a directory, sorted.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        let entries = fs::read_dir(&next);
        // A store has no folder for a table without rows.
        for entry in entries.into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// Nothing lies in the store that its manifest does not name.
pub fn assert_no_garbage(store: &Path) {
    let manifest: Value =
        serde_json::from_slice(&fs::read(store.join("flowgate-store.json")).unwrap()).unwrap();
    let parts = [
        &manifest["objects"],
        &manifest["contexts"],
        &manifest["records"],
        &manifest["connections"]["files"],
    ];
    let none = serde_json::Map::new();
    let tables = manifest["tables"].as_object().unwrap_or(&none);
    let mut named: Vec<PathBuf> = parts
        .iter()
        .flat_map(|part| part.as_array().unwrap())
        .chain(tables.values().flat_map(|files| files.as_array().unwrap()))
        .map(|file| store.join(file["path"].as_str().unwrap()))
        .chain([store.join("flowgate-store.json"), store.join("lock")])
        .collect();
    named.sort();
    assert_eq!(files(store), named);
}

pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs")
}

pub fn sample_logs() -> Vec<PathBuf> {
    files(&sample().join("AWSLogs"))
}

/// A small world of some days; its logs in order, and its inventory.
pub fn world(directory: &Path, format: Format, hours: f64, seed: u64) -> (Vec<PathBuf>, PathBuf) {
    let options = Options { format, hours, scale: 0.02, ..Options::sample(directory, seed) };
    generate(&options).unwrap();
    (files(&directory.join("AWSLogs")), directory.join("inventory"))
}

/// SplitMix64: numbers that follow from a seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

/// The rows of a table, file by file; times are in microseconds, and `dt` is the day of the folder.
pub fn table(store: &Path, name: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    for path in files(&store.join(name)) {
        let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap()).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let mut object = serde_json::Map::new();
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    object.insert(field.name().clone(), value(column, row));
                }
                object.insert("dt".to_owned(), folder.strip_prefix("dt=").into());
                rows.push(Value::Object(object));
            }
        }
    }
    rows
}

fn value(column: &ArrayRef, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Int32 => column.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::List(_) => {
            let list = column.as_list::<i32>().value(row);
            (0..list.len()).map(|at| value(&list, at)).collect()
        }
        _ => column.as_primitive::<TimestampMicrosecondType>().value(row).into(),
    }
}

/// What is derived: folder, file within it but for the commit that it is of, and what it holds.
pub fn derived(store: &Path) -> Vec<(String, Vec<u8>)> {
    let folders = ["connections", "rule_usage", "rejects", "coverage", "rules", "interfaces"]
        .map(|name| store.join(name));
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
    let folder = |path: &Path| path.parent().unwrap().strip_prefix(store).unwrap().display().to_string();
    all.iter().map(|path| (folder(path), fs::read(path).unwrap())).collect()
}
