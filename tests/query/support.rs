//! A store made by hand: files written with the parquet crate, and a manifest that names them.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use flowgate::query::{Engine, Limits};
use flowgate::store::Table;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use serde_json::{Value, json};

/// Seconds of a day.
pub const DAY: i64 = 86_400;
/// 2026-03-01.
pub const FIRST_DAY: i64 = 20_513;

/// A row of `connections`; what is not here is null.
#[derive(Clone, Debug)]
pub struct Row {
    pub interface: String,
    pub remote: String,
    pub local_port: i32,
    pub direction: Option<String>,
    /// Microseconds since 1970.
    pub start: i64,
    pub continued: bool,
    pub reason: String,
    pub rules: Option<Vec<String>>,
    pub bytes_in: i64,
}

impl Row {
    pub fn day(&self) -> i64 {
        self.start.div_euclid(DAY * 1_000_000)
    }
}

impl Default for Row {
    fn default() -> Self {
        Self {
            interface: "eni-1".to_owned(),
            remote: "192.0.2.1".to_owned(),
            local_port: 443,
            direction: Some("inbound".to_owned()),
            start: FIRST_DAY * DAY * 1_000_000,
            continued: false,
            reason: String::new(),
            rules: Some(vec!["sgr-1".to_owned()]),
            bytes_in: 100,
        }
    }
}

fn batch(rows: &[&Row]) -> RecordBatch {
    let schema = Table::Connections.schema();
    let texts = |f: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| f(row)).collect::<StringArray>())
    };
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "interface" => texts(&|row| Some(row.interface.clone())),
            "remote" => texts(&|row| Some(row.remote.clone())),
            "direction" => texts(&|row| row.direction.clone()),
            "reason" => texts(&|row| Some(row.reason.clone())),
            "local_port" => Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.local_port))),
            "protocol" => Arc::new(Int32Array::from_iter_values(rows.iter().map(|_| 6))),
            "bytes_in" => Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.bytes_in))),
            "continued" => Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.continued)))),
            "start" | "opened" => {
                Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.start)))
            }
            "end" => Arc::new(TimestampMicrosecondArray::from_iter_values(
                rows.iter().map(|row| row.start + 1_500_000),
            )),
            "rules" => {
                let mut lists = ListBuilder::new(StringBuilder::new());
                for row in rows {
                    match &row.rules {
                        Some(rules) => lists.append_value(rules.iter().map(Some)),
                        None => lists.append_null(),
                    }
                }
                Arc::new(lists.finish())
            }
            _ => new_null_array(field.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(Arc::clone(&schema), columns.collect()).unwrap()
}

fn write(path: &Path, batch: &RecordBatch, group: usize) -> u64 {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(group)).build();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    fs::metadata(path).unwrap().len()
}

/// Writes a store of these connections: a file a day, with row groups of so many rows. Rows keep their order within a day.
pub fn store(directory: &Path, rows: &[Row], group: usize) {
    let mut days: Vec<i64> = rows.iter().map(Row::day).collect();
    days.sort_unstable();
    days.dedup();
    let mut files: Vec<Value> = Vec::new();
    for day in days {
        let of_day: Vec<&Row> = rows.iter().filter(|row| row.day() == day).collect();
        let name = chrono::DateTime::from_timestamp(day * DAY, 0).unwrap().format("%Y-%m-%d");
        let path = format!("connections/dt={name}/00000001.parquet");
        let bytes = write(&directory.join(&path), &batch(&of_day), group);
        files.push(json!({"path": path, "bytes": bytes, "rows": of_day.len(), "day": day}));
    }
    let manifest = json!({
        "format": "flowgate.store", "version": 1, "written_by": "a test", "generation": 1, "next_object": 1, "dead": [],
        "objects": [], "contexts": [], "records": [], "connections": {"files": files, "inventories": []},
    });
    fs::write(directory.join("flowgate-store.json"), manifest.to_string()).unwrap();
}

pub const LIMITS: Limits = Limits { memory: 1 << 30, threads: 2 };

pub fn engine(directory: &Path) -> Engine {
    Engine::open(directory, LIMITS).unwrap()
}

/// All rows of an answer.
pub fn rows(engine: &Engine, sql: &str) -> Vec<Vec<Value>> {
    let answer = engine.ask(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    (0..answer.rows()).map(|row| answer.row(row)).collect()
}

/// Runs the program without an environment.
pub fn flowgate(args: &[&str], store: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").args(args).arg("--store").arg(store);
    command.output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
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

    pub fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

pub const REMOTES: [&str; 7] =
    ["10.0.0.1", "10.0.3.7", "10.200.0.9", "192.0.2.1", "203.0.113.7", "2001:db8::1", "fd00::2"];
pub const INTERFACES: [&str; 4] = ["eni-0a", "eni-0b", "eni-0c", "nat-0d"];
pub const RULES: [&str; 3] = ["sgr-1", "sgr-2", "sgr-3"];

/// Rows over four days, in the order of their days.
pub fn some_rows(count: usize, seed: u64) -> Vec<Row> {
    let mut numbers = Numbers(seed);
    let mut rows: Vec<Row> = (0..count)
        .map(|_| Row {
            interface: numbers.one(&INTERFACES).to_owned(),
            remote: numbers.one(&REMOTES).to_owned(),
            local_port: [22, 53, 443, 8080][numbers.below(4)],
            direction: [Some("inbound"), Some("outbound"), None][numbers.below(3)].map(str::to_owned),
            // Often at a midnight, where borders are.
            start: ((FIRST_DAY + numbers.below(4) as i64) * DAY + [0, 1, 43_200, DAY - 1][numbers.below(4)])
                * 1_000_000
                + [0, 250_000][numbers.below(2)],
            continued: numbers.below(4) == 0,
            reason: numbers.one(&["", "no-rule", "it's; DROP TABLE x -- "]).to_owned(),
            rules: (numbers.below(5) > 0)
                .then(|| RULES[..numbers.below(4)].iter().map(|rule| (*rule).to_owned()).collect()),
            bytes_in: numbers.below(1000) as i64,
        })
        .collect();
    rows.sort_by_key(Row::day);
    rows
}
