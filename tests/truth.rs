//! Simulated worlds with known truth against the whole pipeline: connections, openers, rule usage, findings.

use crate::world;

mod audit;
mod classes;
mod compare;

use compare::{Run, run};
use flowgate::pipeline::{AnalyzeConfig, MemoryPlan};
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

/// A second flow log over the same interfaces writes the same traffic into objects of its own.
#[test]
fn overlapping_flow_logs_count_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), Format::V5, 9);
    options.hours = 1.0;
    world::generate(&options).unwrap();
    let once = run(directory.path());
    let mut copied = 0;
    let mut folders = vec![directory.path().join("AWSLogs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let flow_log = name.split('_').nth(3).unwrap();
            assert!(flow_log.starts_with("fl-"), "{name}");
            let other = name.replace(flow_log, "fl-0ffffffffffffffff");
            std::fs::copy(&path, path.with_file_name(other)).unwrap();
            copied += 1;
        }
    }
    assert!(copied > 10);
    let twice = run(directory.path());
    assert_eq!(once.connections, twice.connections);
    assert_eq!(once.rules, twice.rules);
    let tally = &twice.conclusions.summary.tally;
    assert_eq!(tally.duplicate, once.conclusions.summary.tally.records);
    assert_eq!(tally.records, once.conclusions.summary.tally.records);
}

#[test]
fn a_time_range_keeps_what_starts_in_it() {
    let directory = tempfile::tempdir().unwrap();
    world::generate(&options(directory.path(), Format::V5, 10)).unwrap();
    let all = run(directory.path());
    let window = all.conclusions.summary.window.unwrap();
    let middle = window.start + 3600;
    let mut config = compare::config(directory.path(), None);
    config.selection.from = Some(middle);
    config.selection.to = Some(middle + 600);
    let part = flowgate::analyze(&config, None, &flowgate::Silent).unwrap().summary;
    let seen = part.window.unwrap();
    assert!(seen.start >= middle && seen.start < middle + 600, "{seen:?}");
    assert!(part.tally.is_conserved() && part.tally.out_of_range > 0, "{:?}", part.tally);
    assert!(part.tally.records > 0 && part.tally.records < all.conclusions.summary.tally.records / 6);
}

#[test]
fn memory_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = options(directory.path(), Format::V2, 11);
    options.hours = 2.0;
    world::generate(&options).unwrap();
    let run = |name: &str, memory: MemoryPlan| {
        let out = directory.path().join(format!("{name}.parquet"));
        let config = AnalyzeConfig { memory, ..compare::config(directory.path(), Some(&out)) };
        let conclusions = flowgate::analyze(&config, None, &flowgate::Silent).unwrap();
        flowgate::report::write_dir(&directory.path().join(name), &conclusions).unwrap();
        let files = ["findings.jsonl", "rules.jsonl", "summary.json"];
        let texts =
            files.map(|file| std::fs::read_to_string(directory.path().join(name).join(file)).unwrap());
        (texts, std::fs::read(out).unwrap())
    };
    let (plenty, starving) = (run("plenty", MemoryPlan::default()), run("starving", MemoryPlan::starving()));
    assert_eq!(plenty.0, starving.0);
    assert!(plenty.1 == starving.1, "the connections differ");
    assert!(plenty.0[0].lines().count() > 5, "there is something to compare");
}
