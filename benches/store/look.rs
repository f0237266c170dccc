//! A lookup, as a command of the program does it: the store is opened, nothing is known of it.

use std::path::Path;
use std::time::Instant;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int32Type, Int64Type, TimestampMicrosecondType};
use flowgate::store::{Store, Table, TableScan, Want, Wanted};
use serde_json::json;

/// Sums that say whether somebody else found the same.
#[derive(Default)]
struct Sums {
    rows: u64,
    /// Lengths of texts, numbers, seconds, and counts of elements.
    sum: i128,
}

impl Sums {
    fn add(&mut self, batch: &RecordBatch) {
        self.rows += batch.num_rows() as u64;
        for column in batch.columns() {
            self.sum += match column.data_type() {
                DataType::Utf8 => column.as_string::<i32>().iter().flatten().map(|t| t.len() as i128).sum(),
                DataType::Int32 => {
                    column.as_primitive::<Int32Type>().iter().flatten().map(i128::from).sum::<i128>()
                }
                DataType::Int64 => column.as_primitive::<Int64Type>().iter().flatten().map(i128::from).sum(),
                DataType::Timestamp(..) => {
                    let times = column.as_primitive::<TimestampMicrosecondType>();
                    times.iter().flatten().map(|time| i128::from(time / 1_000_000)).sum()
                }
                DataType::List(_) => column.as_list::<i32>().values().len() as i128,
                other => panic!("a column of {other}"),
            };
        }
    }
}

/// `remote=203.0.113.7`, `remote=203.0.113.0/24` or `start=FROM..TO` in seconds, both included.
fn parse(wants: &[&str]) -> Wanted {
    wants.iter().fold(Wanted::default(), |wanted, want| {
        let (column, value) = want.split_once('=').expect("COLUMN=VALUE");
        let want = if let Some((from, to)) = value.split_once("..") {
            let second = |word: &str| word.parse::<i64>().expect("seconds") * 1_000_000;
            Want::Within(second(from), second(to) + 999_999)
        } else if value.contains('/') {
            Want::Networks(vec![value.parse().expect("a network")])
        } else {
            Want::Among([value.to_owned()].into())
        };
        wanted.and(column, want)
    })
}

/// Looks and prints.
pub fn look(directory: &Path, threads: usize, columns: &str, wants: &[&str]) {
    let began = Instant::now();
    let store = Store::open(directory).expect("a store");
    let wanted = parse(wants);
    // A day is told by the folder: times are asked of few of them.
    let day = |micros: i64| micros.div_euclid(86_400_000_000);
    let days: Vec<(i64, i64)> = wanted
        .all
        .iter()
        .filter_map(|(name, want)| match want {
            Want::Within(from, to) if name == "start" => Some((day(*from), day(*to))),
            _ => None,
        })
        .collect();
    let wanted = days.into_iter().fold(wanted, |wanted, (from, to)| wanted.and("dt", Want::Within(from, to)));
    let columns: Vec<&str> = columns.split(',').collect();
    let scan = TableScan::new(&store, Table::Connections, &columns, wanted).expect("a table");
    let work = || {
        let mut sums = Sums::default();
        while let Some((_, batches)) = scan.next().expect("a whole file") {
            batches.iter().for_each(|batch| sums.add(batch));
        }
        sums
    };
    let mut all = Sums::default();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let sums = worker.join().expect("a worker");
            all = Sums { rows: all.rows + sums.rows, sum: all.sum + sums.sum };
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    println!("{}", json!({ "rows": all.rows, "sum": all.sum.to_string(), "seconds": seconds }));
}
