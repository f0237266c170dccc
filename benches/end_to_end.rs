//! A whole run: gzip text in format v5 to conclusions, with an inventory of some 400 rules.
//!
//! `cargo bench --bench end_to_end`; measured in records and in bytes as stored, with one thread and two.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]

use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};

#[allow(
    missing_docs,
    unused_imports,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "its tests are not built without a harness"
)]
#[path = "../tests/world/mod.rs"]
mod world;

/// Two files' worth: a file is read by one thread.
const RECORDS: u64 = 400_000;

fn config(dir: &Path, threads: usize) -> AnalyzeConfig {
    AnalyzeConfig {
        inputs: vec![Input::Local(dir.join("AWSLogs"))],
        inventories: vec![dir.join("inventory")],
        threads,
        ..AnalyzeConfig::default()
    }
}

fn end_to_end(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let written = world::bench::generate(&world::Options::new(dir.path(), 1), RECORDS).unwrap();
    let read = analyze(&config(dir.path(), 2), None, &Silent).unwrap().summary.tally;
    assert_eq!((read.lines, read.malformed), (written.lines, 0), "the world is not what it was");
    let mut group = c.benchmark_group("end_to_end");
    group.sample_size(10);
    for (unit, throughput) in
        [("records", Throughput::Elements(written.lines)), ("bytes", Throughput::Bytes(written.bytes))]
    {
        group.throughput(throughput);
        for threads in [1, 2] {
            let config = config(dir.path(), threads);
            group.bench_function(BenchmarkId::new(format!("{threads}-threads"), unit), |b| {
                b.iter(|| analyze(&config, None, &Silent).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
