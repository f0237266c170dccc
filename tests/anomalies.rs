//! Novelty, outbound volume and beacons: weeks in which nothing bad happens, and weeks in which it does. The generator
//! shares no code with the engine.

#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "test code fails by panicking and talks to whoever runs it"
)]

#[path = "anomalies/estate.rs"]
mod estate;
#[path = "anomalies/plants.rs"]
mod plants;
#[path = "anomalies/week.rs"]
mod week;

use std::path::Path;

use estate::{DAY, Estate, HOUR, MONDAY};
use flowgate::finding::{Conclusions, Finding, Severity};
use flowgate::pipeline::{AnalyzeConfig, Baseline, Input};
use flowgate::{Silent, analyze};

const DETECTORS: [&str; 3] = ["first-contact", "outbound-volume", "beacon"];

fn config(directory: &Path) -> AnalyzeConfig {
    AnalyzeConfig {
        inputs: vec![Input::Local(directory.join("logs"))],
        inventories: vec![directory.join("inventory")],
        threads: 2,
        only: DETECTORS.map(str::to_owned).to_vec(),
        ..AnalyzeConfig::default()
    }
}

fn judged(estate: &Estate, lost: &[u32], set: impl FnOnce(&mut AnalyzeConfig)) -> Conclusions {
    let directory = tempfile::tempdir().unwrap();
    estate.write(directory.path(), lost);
    let mut config = config(directory.path());
    set(&mut config);
    let conclusions = analyze(&config, None, &Silent).unwrap();
    assert_eq!(conclusions.summary.tally.malformed, 0);
    for finding in &conclusions.findings {
        println!("{} {}: {}\n    {}", finding.severity, finding.kind, finding.title, finding.summary);
    }
    conclusions
}

fn alarms(conclusions: &Conclusions) -> Vec<&Finding> {
    conclusions.findings.iter().filter(|finding| finding.severity >= Severity::Medium).collect()
}

fn titles(findings: &[&Finding]) -> String {
    findings.iter().map(|f| format!("{} {}: {}", f.severity, f.kind, f.title)).collect::<Vec<_>>().join("\n")
}

/// One in a hundred interfaces a week.
fn assert_quiet(estate: &Estate, others: &[&Finding]) {
    assert!(others.len() <= estate.hosts.len() / 100, "{}", titles(others));
}

fn assert_all_found(plants: &[plants::Plant], conclusions: &Conclusions, estate: &Estate) {
    let alarms = alarms(conclusions);
    let about = |finding: &Finding, plant: &plants::Plant| {
        finding.kind.as_str() == plant.kind
            && finding.interfaces.contains(&plant.interface)
            && finding.remotes.iter().any(|remote| remote.starts_with(plant.remote))
    };
    for plant in plants {
        let found = alarms.iter().filter(|finding| about(finding, plant)).count();
        assert_eq!(found, 1, "{plant:?} in\n{}", titles(&alarms));
    }
    let others: Vec<&Finding> =
        alarms.into_iter().filter(|finding| !plants.iter().any(|plant| about(finding, plant))).collect();
    assert_quiet(estate, &others);
}

#[test]
fn benign_weeks_are_quiet() {
    for (seed, rich) in [(1, true), (2, true), (3, false)] {
        println!("seed {seed}");
        let estate = week::benign(seed, rich);
        assert!(estate.hosts.len() >= 100 && estate.records > 100_000, "{}", estate.records);
        let conclusions = judged(&estate, &[], |_| {});
        assert_quiet(&estate, &alarms(&conclusions));
        // A deploy, a new poller and the like are told, but not one by one.
        assert!(conclusions.findings.len() <= 12, "{} findings", conclusions.findings.len());
    }
}

#[test]
fn what_is_planted_is_found_once_and_little_else() {
    for (seed, rich) in [(4, true), (5, true), (6, false)] {
        println!("seed {seed}");
        let mut estate = week::benign(seed, rich);
        let plants = plants::plant(&mut estate, seed);
        assert_eq!(plants.len(), 11);
        let conclusions = judged(&estate, &[], |_| {});
        assert_all_found(&plants, &conclusions, &estate);
    }
}
