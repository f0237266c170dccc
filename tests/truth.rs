//! Simulated worlds with known truth against the whole pipeline: connections, openers, rule usage, findings.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

#[path = "world/mod.rs"]
mod world;

#[path = "truth/compare.rs"]
mod compare;

use compare::{Run, run};
use world::{Format, Options};

fn options(directory: &std::path::Path, format: Format, seed: u64) -> Options {
    let mut options = Options::new(directory.to_owned(), seed);
    options.format = format;
    options.hours = 3.0;
    options
}

fn judged(set: impl FnOnce(&mut Options), format: Format, seed: u64) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), format, seed);
    set(&mut options);
    world::generate(&options).unwrap();
    run(directory.path())
}

#[test]
fn v5_openers_are_all_right() {
    for seed in [1, 2] {
        let run = judged(|_| {}, Format::V5, seed);
        run.assert_openers(1.0, 0.001);
        run.assert_rule_usage();
        run.assert_no_false_alarm();
        run.assert_escapes_found();
    }
}

#[test]
fn v3_openers_are_all_right() {
    let run = judged(|_| {}, Format::V3, 3);
    run.assert_openers(1.0, 0.001);
    run.assert_rule_usage();
    run.assert_no_false_alarm();
}

#[test]
fn v2_openers_are_nearly_all_right() {
    for seed in [4, 5] {
        let run = judged(|_| {}, Format::V2, seed);
        run.assert_openers(0.995, 0.02);
        run.assert_no_false_alarm();
    }
}

#[test]
fn ten_minute_intervals_jitter_and_missing_files() {
    for format in [Format::V5, Format::V2] {
        let run = judged(
            |o| {
                o.interval = 600;
                o.jitter = true;
                o.missing = true;
            },
            format,
            6,
        );
        let right = if matches!(format, Format::V2) { 0.995 } else { 0.999 };
        run.assert_openers(right, 0.02);
        run.assert_no_false_alarm();
    }
}

#[test]
fn snapshots_change_the_rules_in_between() {
    let run = judged(|o| o.snapshots = true, Format::V5, 7);
    run.assert_openers(1.0, 0.001);
    run.assert_no_false_alarm();
}

#[test]
fn parquet_says_the_same_as_text() {
    let text = judged(|_| {}, Format::V5, 8);
    let parquet = judged(|o| o.parquet = true, Format::V5, 8);
    assert_eq!(text.connections, parquet.connections);
    assert_eq!(text.rules, parquet.rules);
}
