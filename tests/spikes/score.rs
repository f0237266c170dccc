//! What was found of what was planted, and what was found besides.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use flowgate::finding::{Finding, IgnoreList, Ports};
use flowgate::{AnalyzeConfig, Input, Silent, analyze};

use super::world::{Plant, SCANNER, World};

/// A finding is about a plant if it overlaps it in time by these many seconds more, and names a source and a target.
const SLACK: i64 = 600;

/// Of one class: planted, found, and found under its name.
#[derive(Clone, Copy, Default)]
pub struct Found {
    pub planted: u32,
    pub found: u32,
    pub right: u32,
}

#[derive(Default)]
pub struct Score {
    pub classes: BTreeMap<&'static str, Found>,
    pub episodes: usize,
    pub ignored: u64,
    /// Findings about nothing that was planted.
    pub wrong: Vec<String>,
    /// Lists of those who make the noise of the internet, how many they name, and how many of these tried at least ten
    /// ports of an interface, or ten interfaces.
    pub lists: [u64; 3],
    pub interface_days: f64,
    pub records: u64,
}

/// Analyzes a world and adds what comes of it.
pub fn score(world: &World, directory: &Path, into: &mut Score) {
    world.write(directory);
    let ignore = format!("{SCANNER} rejected-spike 2030-01-01 scans by appointment\n");
    let config = AnalyzeConfig {
        inputs: vec![Input::parse(directory.join("flow.log").as_os_str()).unwrap()],
        inventories: vec![directory.join("inventory")],
        only: vec!["rejected-spike".into()],
        ignore: IgnoreList::parse(&ignore).unwrap(),
        threads: 2,
        ..AnalyzeConfig::default()
    };
    let conclusions = analyze(&config, None, &Silent).unwrap();
    into.records += conclusions.summary.tally.records;
    into.ignored += conclusions.summary.ignored.iter().map(|i| i.findings).sum::<u64>();
    into.interface_days += world.interface_days();
    let (lists, findings): (Vec<&Finding>, Vec<&Finding>) =
        conclusions.findings.iter().partition(|f| f.evidence.contains_key("scanners"));
    into.episodes += findings.len();
    for list in lists {
        let named = list.remotes.iter().filter(|source| is_scanner(world, source)).count();
        for (sum, n) in into.lists.iter_mut().zip([1, list.remotes.len(), named]) {
            *sum += n as u64;
        }
    }
    for plant in &world.plants {
        let about = findings.iter().filter(|f| is_about(f, plant));
        let best = about.max_by_key(|f| f.counts["attempts"]);
        let class = into.classes.entry(plant.cause).or_default();
        class.planted += 1;
        class.found += u32::from(best.is_some());
        class.right += u32::from(best.is_some_and(|f| f.cause == plant.cause));
        match best {
            Some(found) if found.cause != plant.cause => {
                remark(&format!("{} called {}: {}", plant.cause, found.cause, found.title));
            }
            None => remark(&format!("{} not found", plant.cause)),
            Some(_) => {}
        }
    }
    for finding in findings {
        if !world.plants.iter().any(|plant| is_about(finding, plant)) {
            into.wrong.push(format!("{}: {} {:?}", finding.cause, finding.title, finding.evidence));
        }
    }
}

fn is_scanner(world: &World, source: &str) -> bool {
    let Some(targets) = world.refused_at.get(source) else { return false };
    let mut ports: BTreeMap<usize, usize> = BTreeMap::new();
    targets.iter().for_each(|(interface, _)| *ports.entry(*interface).or_default() += 1);
    ports.len() >= 10 || ports.values().any(|n| *n >= 10)
}

fn remark(text: &str) {
    if std::env::var_os("SPIKES_VERBOSE").is_some() {
        println!("  {text}");
    }
}

fn is_about(finding: &Finding, plant: &Plant) -> bool {
    let (Some(start), Some(end)) = (finding.start, finding.end) else { return false };
    start <= plant.to + SLACK
        && plant.from <= end + SLACK
        && (finding.remotes.iter().any(|remote| plant.sources.contains(remote))
            || plant.port.is_some_and(|port| finding.ports.first() == Some(&Ports::One(port))))
        && finding.interfaces.iter().any(|interface| plant.targets.contains(interface))
}

impl Score {
    fn sum(&self) -> Found {
        self.classes.values().fold(Found::default(), |a, b| Found {
            planted: a.planted + b.planted,
            found: a.found + b.found,
            right: a.right + b.right,
        })
    }

    /// Share of what was planted that was found, and of this the share with the right name.
    pub fn recall_and_right(&self) -> (f64, f64) {
        let sum = self.sum();
        (f64::from(sum.found) / f64::from(sum.planted), f64::from(sum.right) / f64::from(sum.found.max(1)))
    }

    pub fn wrong_per_thousand(&self) -> f64 {
        self.wrong.len() as f64 / self.interface_days * 1000.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<20} {:>8} {:>8} {:>8}", "class", "planted", "found", "right")?;
        for (class, found) in self.classes.iter().map(|(c, n)| (*c, *n)).chain([("all", self.sum())]) {
            writeln!(f, "{class:<20} {:>8} {:>8} {:>8}", found.planted, found.found, found.right)?;
        }
        let (recall, right) = self.recall_and_right();
        writeln!(f, "recall {recall:.3}, right cause {right:.3}")?;
        writeln!(
            f,
            "{} lists of {} scanners, of which {} did scan",
            self.lists[0], self.lists[1], self.lists[2]
        )?;
        writeln!(
            f,
            "{} episodes, {} ignored, {} of nothing planted in {:.0} interface-days: {:.2} per 1,000 ({} records)",
            self.episodes,
            self.ignored,
            self.wrong.len(),
            self.interface_days,
            self.wrong_per_thousand(),
            self.records
        )
    }
}
