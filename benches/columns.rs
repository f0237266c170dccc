//! The floor for Parquet: reads the columns that the judgement needs, with the parquet crate, and nothing else.
//!
//! `cargo run --release --example columns -- DIR [THREADS]` prints rows and seconds, to be set beside
//! `flowgate analyze DIR --threads THREADS`. A thread reads a file at a time, row group by row group.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// The fields of the engine's schema, and the status that tells records from gaps. What only describes an interface
/// (account, VPC, subnet, instance, region), flowgate reads as well; here it is left out.
const NEEDED: [&str; 16] = [
    "interface_id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log_status",
    "tcp_flags",
    "flow_direction",
    "pkt_srcaddr",
    "pkt_dstaddr",
];

fn walk(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|e| e == "parquet") {
            into.push(path);
        }
    }
}

fn rows(path: &Path) -> u64 {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.parquet_schema();
    let roots = schema.root_schema().get_fields().iter().enumerate();
    let wanted = roots.filter(|(_, field)| NEEDED.contains(&field.name())).map(|(n, _)| n);
    let mask = ProjectionMask::roots(schema, wanted);
    let reader = builder.with_projection(mask).with_batch_size(8192).build().unwrap();
    reader.map(|batch| batch.unwrap().num_rows() as u64).sum()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().unwrap_or_else(|| ".".to_owned());
    let threads: usize = arguments.next().and_then(|t| t.parse().ok()).unwrap_or(2);
    let mut files = Vec::new();
    walk(Path::new(&directory), &mut files);
    files.sort();
    let (next, total) = (AtomicUsize::new(0), AtomicU64::new(0));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                    total.fetch_add(rows(path), Ordering::Relaxed);
                }
            });
        }
    });
    println!(
        "{} files, {} rows read in {:.3} s on {threads} threads",
        files.len(),
        total.into_inner(),
        begin.elapsed().as_secs_f64()
    );
}
