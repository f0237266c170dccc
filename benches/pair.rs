//! Records to connections. Pairing has no entry of its own, so it is measured as a difference: a run over plain
//! text without inventory and without detectors, less the decoding of the same text.
//!
//! `cargo bench --bench pair`; one thread, throughput in records.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]
#![allow(clippy::print_stdout, reason = "the difference is no figure that criterion knows")]

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use flowgate::decode::{DecodeError, DecodeOptions, Decoder, pump, reader};
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

const RECORDS: u64 = 200_000;

fn config(input: &Path) -> AnalyzeConfig {
    AnalyzeConfig {
        inputs: vec![Input::Local(input.to_owned())],
        skip: flowgate::detect::registry().iter().map(|m| m.id.to_owned()).collect(),
        ..AnalyzeConfig::default()
    }
}

fn decode(file: &Path) -> usize {
    let options = DecodeOptions::default();
    let mut decoder = Decoder::new(options.clone());
    let mut rows = 0;
    let (_, plain) = reader(fs::File::open(file).unwrap(), options.max_object_bytes).unwrap();
    pump(plain, &mut decoder, |batch| {
        rows += batch.len();
        Ok::<(), DecodeError>(())
    })
    .unwrap();
    rows
}

/// The generated files as one plain text file.
fn plain(dir: &Path) -> PathBuf {
    let mut found = vec![dir.join("AWSLogs")];
    let mut text = Vec::new();
    while let Some(path) = found.pop() {
        if path.is_dir() {
            found.extend(fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let (_, mut inflated) = reader(fs::File::open(path).unwrap(), 1 << 30).unwrap();
            inflated.read_to_end(&mut text).unwrap();
        }
    }
    let file = dir.join("plain.log");
    fs::write(&file, text).unwrap();
    file
}

/// The best of some runs: what the machine can do when nobody else is at it.
fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..10).map(|_| once(&mut work)).min().unwrap()
}

fn pair(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let written = world::bench::generate(&world::Options::new(dir.path(), 1), RECORDS).unwrap();
    let file = plain(dir.path());
    let config = config(&file);
    let connections = analyze(&config, None, &Silent).unwrap().summary.connections;
    assert!(connections > 0, "nothing was paired");
    let mut group = c.benchmark_group("pair");
    group.sample_size(10).throughput(Throughput::Elements(written.records));
    group.bench_function("decode", |b| b.iter(|| decode(&file)));
    group.bench_function("decode-pair-judge", |b| b.iter(|| analyze(&config, None, &Silent).unwrap()));
    group.finish();
    let all = best(|| drop(analyze(&config, None, &Silent).unwrap()));
    let less = best(|| {
        decode(&file);
    });
    let rest = all.saturating_sub(less);
    println!(
        "pair: {} records, {connections} connections: {all:?} - {less:?} decoding = {rest:?}, {:.0} ns a record",
        written.records,
        rest.as_nanos() as f64 / written.records as f64
    );
}

criterion_group!(benches, pair);
criterion_main!(benches);
