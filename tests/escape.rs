//! Worlds whose configuration changes under the traffic, with known truth: is every accepted connection that nothing
//! permitted raised, and nothing else? And does nothing become an alarm only because part of the inventory is missing?

mod account;
mod told;
mod traffic;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::{UInt8Type, UInt16Type};
use flowgate::finding::{Conclusions, Kind};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use account::Account;
use told::Mode;
use traffic::{Traffic, Tuple};

/// Verdict and reason of every accepted connection, by tuple.
type Said = BTreeMap<Tuple, BTreeSet<(String, String)>>;

fn analyzed(root: &Path, inventory: &Path) -> (Said, Conclusions) {
    let out = root.join("connections.parquet");
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(root.join("logs"))],
        inventories: vec![inventory.to_owned()],
        threads: 2,
        list_escapes: true,
        connections_out: Some(out.clone()),
        ..AnalyzeConfig::default()
    };
    let conclusions = analyze(&config, None, &Silent).unwrap();
    assert_eq!(conclusions.summary.tally.malformed, 0, "{:?}", conclusions.summary.tally);
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(out).unwrap()).unwrap().build().unwrap();
    let mut said = Said::new();
    for batch in reader {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let text = |name: &str, row: usize| column(name).as_string::<i32>().value(row).to_owned();
        let port = |name: &str, row: usize| column(name).as_primitive::<UInt16Type>().value(row);
        for row in 0..batch.num_rows() {
            if text("action", row) != "accept" {
                continue;
            }
            let tuple = Tuple {
                interface: text("interface", row),
                local: text("local", row).parse().unwrap(),
                remote: text("remote", row).parse().unwrap(),
                local_port: port("local_port", row),
                remote_port: port("remote_port", row),
                protocol: column("protocol").as_primitive::<UInt8Type>().value(row),
            };
            said.entry(tuple).or_default().insert((text("verdict", row), text("reason", row)));
        }
    }
    (said, conclusions)
}

fn alarms(said: &Said) -> BTreeSet<&Tuple> {
    let alarms = |set: &BTreeSet<(String, String)>| {
        set.iter().any(|(_, reason)| reason == "no-rule" || reason == "rule-removed-new")
    };
    said.iter().filter(|(_, set)| alarms(set)).map(|(tuple, _)| tuple).collect()
}

struct Score {
    ghosts: usize,
    alarms: usize,
    right: usize,
    wrong: Vec<String>,
}

fn scored(said: &Said, traffic: &Traffic) -> Score {
    let alarms = alarms(said);
    let mut wrong = Vec::new();
    for tuple in alarms.iter().filter(|t| !traffic.ghosts.contains_key(t)) {
        wrong.push(format!("false: {tuple:?} {:?} {:?}", said[*tuple], traffic.about.get(*tuple)));
    }
    for (tuple, why) in traffic.ghosts.iter().filter(|(t, _)| !alarms.contains(t)) {
        wrong.push(format!("missed: {tuple:?} {:?} {why}", said.get(tuple)));
    }
    let right = alarms.iter().filter(|t| traffic.ghosts.contains_key(**t)).count();
    Score { ghosts: traffic.ghosts.len(), alarms: alarms.len(), right, wrong }
}

/// Precision and recall of `no-rule` and `rule-removed-new` together, over some worlds.
fn check(mode: Mode, flags: bool, seeds: std::ops::Range<u64>) {
    let (mut ghosts, mut alarms, mut right, mut wrong) = (0, 0, 0, Vec::new());
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for seed in seeds {
        let root = tempfile::tempdir().unwrap();
        let account = Account::new(seed, mode);
        let traffic = Traffic::new(&account, seed, flags, mode);
        traffic.write(&root.path().join("logs"));
        told::write(&account, mode, &root.path().join("inventory"));
        let (said, conclusions) = analyzed(root.path(), &root.path().join("inventory"));
        let score = scored(&said, &traffic);
        ghosts += score.ghosts;
        alarms += score.alarms;
        right += score.right;
        wrong.extend(score.wrong);
        for (_, reason) in said.values().flatten() {
            *reasons.entry(reason.clone()).or_default() += 1;
        }
        findings_tell(&conclusions, &traffic);
    }
    wrong.truncate(12);
    let (precision, recall) = (right as f64 / alarms.max(1) as f64, right as f64 / ghosts as f64);
    println!(
        "{mode:?} flags {flags}: {ghosts} ghosts, {alarms} alarms, precision {precision:.4}, recall {recall:.4}, {reasons:?}"
    );
    assert!(ghosts > 100, "{ghosts}");
    assert!(precision >= 0.99 && recall >= 0.99, "{precision} {recall}\n{}", wrong.join("\n"));
    // The worlds are not all of one kind.
    for reason in ["", "no-rule", "rule-removed-tracked"] {
        assert!(reasons.get(reason).is_some_and(|n| *n > 5), "{reason}: {reasons:?}");
    }
}

/// Every ghost's interface has a finding, ids are unique, and each finding says why and what to do.
fn findings_tell(conclusions: &Conclusions, traffic: &Traffic) {
    let about = |f: &&flowgate::finding::Finding| f.kind == Kind::UnexpectedAccept;
    let findings: Vec<_> = conclusions.findings.iter().filter(about).collect();
    let ids: BTreeSet<&str> = findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids.len(), findings.len());
    for tuple in traffic.ghosts.keys() {
        let told = findings.iter().any(|f| f.interfaces.contains(&tuple.interface));
        assert!(told, "{tuple:?}");
    }
    for finding in findings {
        assert!(!finding.next.is_empty() && finding.evidence.contains_key("coverage_percent"), "{finding:?}");
        let removed = finding.cause.starts_with("rule-removed");
        assert_eq!(removed, finding.evidence.contains_key("tracking"), "{finding:?}");
        assert_eq!(finding.cause == "inventory-gap", finding.evidence.contains_key("missing"), "{finding:?}");
    }
}

#[test]
fn aws_config_history_and_flags() {
    check(Mode::Config, true, 0..3);
}

#[test]
fn aws_config_history_without_flags() {
    check(Mode::Config, false, 3..6);
}

#[test]
fn snapshots_and_flags() {
    check(Mode::Snapshots, true, 6..9);
}

#[test]
fn snapshots_without_flags() {
    check(Mode::Snapshots, false, 9..12);
}

/// Leaves one part after the other out of the inventory: what was explained becomes a gap or not evaluable, never an
/// alarm.
#[test]
fn what_is_withheld_makes_no_alarm() {
    for (seed, mode) in [(20, Mode::Snapshots), (21, Mode::Config)] {
        let root = tempfile::tempdir().unwrap();
        let account = Account::new(seed, mode);
        let traffic = Traffic::new(&account, seed, true, mode);
        traffic.write(&root.path().join("logs"));
        let inventory = root.path().join("inventory");
        told::write(&account, mode, &inventory);
        let (whole, _) = analyzed(root.path(), &inventory);
        let before = alarms(&whole);
        assert!(before.len() > 20);
        let mut became: BTreeSet<(String, String)> = BTreeSet::new();
        for part in told::parts(&account) {
            let less = root.path().join("less");
            let left_out = told::write_without(&account, mode, &part, &less);
            assert!(left_out > 0, "{part:?} leaves nothing out");
            let (said, _) = analyzed(root.path(), &less);
            let flipped: Vec<String> = alarms(&said)
                .difference(&before)
                .map(|t| format!("{t:?} {:?}, now {:?}", whole.get(*t), said[*t]))
                .collect();
            assert!(
                flipped.is_empty(),
                "{mode:?} without {part:?}:\n{}",
                flipped[..flipped.len().min(6)].join("\n")
            );
            became.extend(said.into_values().flatten());
            std::fs::remove_dir_all(&less).unwrap();
        }
        for (verdict, reason) in [("not-evaluable", "interface-unknown"), ("escaped", "inventory-gap")] {
            assert!(became.contains(&(verdict.to_owned(), reason.to_owned())), "{became:?}");
        }
    }
}
