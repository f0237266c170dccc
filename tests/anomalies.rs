//! Novelty, outbound volume and beacons: weeks in which nothing bad happens, and weeks in which it does. The generator
//! shares no code with the engine.

mod estate;
mod plants;
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

/// Logs and inventory of an estate.
struct World(tempfile::TempDir);

impl World {
    /// Quarters of a day in `lost` are missing from the logs.
    fn new(estate: &Estate, lost: &[u32]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        estate.write(directory.path(), lost);
        Self(directory)
    }

    fn judged(&self, set: impl FnOnce(&mut AnalyzeConfig)) -> Conclusions {
        let mut config = config(self.0.path());
        set(&mut config);
        let conclusions = analyze(&config, None, &Silent).unwrap();
        assert_eq!(conclusions.summary.tally.malformed, 0);
        for finding in &conclusions.findings {
            println!("{} {}: {}\n    {}", finding.severity, finding.kind, finding.title, finding.summary);
        }
        conclusions
    }
}

fn judged(estate: &Estate, lost: &[u32], set: impl FnOnce(&mut AnalyzeConfig)) -> Conclusions {
    World::new(estate, lost).judged(set)
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

/// All that is said of traffic, not only by the detectors that this file is about. Rules can be tidied up in any week,
/// and that SSH of the bastion is open to everybody is told, rightly.
#[test]
fn benign_weeks_are_quiet_whoever_looks() {
    for (seed, rich) in [(8, true), (9, false)] {
        let estate = week::benign(seed, rich);
        let rules = [
            "permissive-rule",
            "unused-rule",
            "redundant-rule",
            "exposed-service",
            "open-rule",
            "duplicate-rule",
            "group-hygiene",
            "open-network-acl",
        ];
        let rules = rules.map(str::to_owned).to_vec();
        let conclusions = judged(&estate, &[], |c| (c.only, c.skip) = (Vec::new(), rules));
        assert_quiet(&estate, &alarms(&conclusions));
        let unexplained = conclusions.summary.verdicts.iter().filter(|v| v.reason == "no-rule");
        assert_eq!(unexplained.map(|v| v.connections).sum::<u64>(), 0);
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

fn between(config: &mut AnalyzeConfig, from: u32, to: u32) {
    config.selection.from = Some(i64::from(MONDAY + from));
    config.selection.to = Some(i64::from(MONDAY + to));
}

#[test]
fn shorter_windows_gaps_and_other_baselines_are_quiet_too() {
    let estate = week::benign(7, true);
    let world = World::new(&estate, &[]);
    for (from, to) in [(0, 2), (0, 3), (3, 7), (2, 7), (0, 5)] {
        println!("days {from} to {to}");
        let conclusions = world.judged(|c| between(c, from * DAY, to * DAY));
        assert_quiet(&estate, &alarms(&conclusions));
    }
    println!("gaps");
    assert_quiet(&estate, &alarms(&judged(&estate, &[3, 4, 9, 13, 17, 20], |_| {})));
    println!("baseline");
    let baseline = Baseline { from: MONDAY + DAY, to: MONDAY + 4 * DAY };
    assert_quiet(&estate, &alarms(&world.judged(|c| c.baseline = Some(baseline))));
    println!("no inventory");
    let nothing = tempfile::tempdir().unwrap();
    std::fs::write(nothing.path().join("describe-vpcs.json"), r#"{"Vpcs": []}"#).unwrap();
    let inventory = nothing.path().to_owned();
    assert_quiet(&estate, &alarms(&world.judged(|c| c.inventories = vec![inventory])));
}

/// Nothing can be learned from a few hours; what polls by the clock is told, quietly, if others like it don't.
#[test]
fn a_few_hours_say_next_to_nothing() {
    let world = World::new(&week::benign(8, true), &[]);
    for (from, to) in [(9, 12), (30, 50)] {
        let conclusions = world.judged(|c| between(c, from * HOUR, to * HOUR));
        let told: Vec<&Finding> = conclusions.findings.iter().collect();
        assert!(told.len() <= 1 && told.iter().all(|f| f.kind.as_str() == "beacon"), "{}", titles(&told));
        assert!(told.iter().all(|f| f.severity == Severity::Low), "{}", titles(&told));
        let why = conclusions.summary.assumptions.join("; ");
        assert!(why.contains("nothing was called new"), "{why}");
    }
}

#[test]
fn gaps_and_short_baselines_are_graded_weak() {
    let mut estate = week::benign(9, true);
    let plants = plants::plant(&mut estate, 9);
    let about = |conclusions: &Conclusions| {
        let remote = plants.iter().find(|plant| plant.kind == "first-contact").unwrap().remote;
        let found = conclusions.findings.iter().find(|f| f.remotes.iter().any(|r| r == remote)).unwrap();
        (found.kind.as_str(), found.grade.as_str())
    };
    let world = World::new(&estate, &[]);
    assert_eq!(about(&world.judged(|_| {})), ("first-contact", "reliable"));
    assert_eq!(about(&judged(&estate, &[3, 4, 9], |_| {})), ("first-contact", "weak"));
    let short = Baseline { from: MONDAY + 2 * DAY, to: MONDAY + 4 * DAY };
    assert_eq!(about(&world.judged(|c| c.baseline = Some(short))), ("first-contact", "weak"));
}

#[test]
fn threads_change_nothing() {
    let mut estate = week::benign(10, true);
    plants::plant(&mut estate, 10);
    let world = World::new(&estate, &[]);
    let one = world.judged(|c| c.threads = 1);
    let many = world.judged(|c| c.threads = 5);
    assert_eq!(one.findings, many.findings);
    assert!(one.findings.len() >= 11);
    let ids: std::collections::BTreeSet<&str> = one.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids.len(), one.findings.len(), "every finding has an id of its own");
}

/// Each detector tells its own, also when it runs alone; what two could tell is told by one.
#[test]
fn nothing_is_told_twice() {
    let mut estate = week::benign(11, true);
    let plants = plants::plant(&mut estate, 11);
    let conclusions = judged(&estate, &[], |_| {});
    for plant in &plants {
        let told = conclusions.findings.iter().filter(|f| {
            f.interfaces.contains(&plant.interface) && f.remotes.iter().any(|r| r.starts_with(plant.remote))
        });
        let told: Vec<&Finding> = told.collect();
        assert_eq!(told.len(), 1, "{plant:?} in\n{}", titles(&told));
        assert!(
            !told[0].evidence.is_empty() && !told[0].next.is_empty() && told[0].counts["connections"] > 0
        );
    }
}
