//! Simulated worlds, which record both views of internal connections: what contradicts itself there is told, nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::estate::{run, told};
use super::world::{self, Format, Options};

/// What happens between two interfaces of the world: client, server, port.
type Between = (String, String, u64);

/// Connections that left accepted and were rejected on arrival, by client, server and port; from the hidden truth.
fn contradictions(world: &Path) -> BTreeMap<Between, u64> {
    let text = std::fs::read_to_string(world.join("truth/connections.jsonl")).unwrap();
    let truth: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |t: &Value, name: &str| t[name].to_string();
    let tuple = |t: &Value, turned: bool| {
        let sides = if turned { ["remote", "local"] } else { ["local", "remote"] };
        let ports = if turned { ["remote_port", "local_port"] } else { ["local_port", "remote_port"] };
        [of(t, sides[0]), of(t, sides[1]), of(t, ports[0]), of(t, ports[1]), of(t, "protocol")]
    };
    let is =
        |t: &Value, direction: &str, action: &str| t["direction"] == *direction && t["action"] == *action;
    let mut left: BTreeMap<[String; 5], &Value> = BTreeMap::new();
    for t in truth.iter().filter(|t| is(t, "outbound", "accept")) {
        left.insert(tuple(t, false), t);
    }
    let mut found = BTreeMap::new();
    for t in truth.iter().filter(|t| is(t, "inbound", "reject")) {
        let Some(client) = left.get(&tuple(t, true)) else { continue };
        if t["touches_gap"] == true || client["touches_gap"] == true {
            continue;
        }
        let text = |t: &Value| t["interface"].as_str().unwrap().to_owned();
        *found.entry((text(client), text(t), t["local_port"].as_u64().unwrap())).or_default() += 1;
    }
    found
}

fn check(format: Format, seed: u64, set: impl FnOnce(&mut Options)) {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(directory.path().to_owned(), seed);
    options.format = format;
    options.hours = 3.0;
    set(&mut options);
    let gaps = options.missing;
    world::generate(&options).unwrap();
    let (findings, summary) = run(directory.path(), &directory.path().join("AWSLogs"), "ends-disagree", &[]);
    let truth = contradictions(directory.path());
    let mut expected: u64 = truth.values().sum();
    let mut clients: BTreeSet<(&str, &str, u64)> = BTreeSet::new();
    for finding in &findings {
        assert_eq!(finding["cause"], "rejected-on-arrival", "{:#?}", told(&findings));
        let port = finding["ports"][0].as_u64().unwrap_or(0);
        let list =
            |name: &str| finding["evidence"][name].as_array().unwrap().iter().map(|v| v.as_str().unwrap());
        let mut of_finding = 0;
        for source in list("sources") {
            for target in list("targets") {
                if let Some(count) = truth.get(&(source.to_owned(), target.to_owned(), port)) {
                    of_finding += count;
                    clients.insert((source, target, port));
                }
            }
        }
        assert!(of_finding > 0, "{finding}");
        if !gaps {
            assert_eq!(finding["counts"]["connections"], of_finding, "{finding}");
        }
    }
    let told_of: u64 = findings.iter().map(|f| f["counts"]["connections"].as_u64().unwrap()).sum();
    if gaps {
        // Some of the truth lies in the files that are missing.
        expected = expected * 9 / 10;
    }
    assert!(told_of >= expected && expected > 20, "{told_of} of {expected}");
    let ends = &summary["ends"];
    assert!(ends["agreeing"].as_u64().unwrap() > 1_000, "{ends}");
    println!("seed {seed}: {ends}");
}

#[test]
fn worlds_in_which_all_is_recorded() {
    check(Format::V5, 21, |_| ());
    check(Format::V3, 22, |_| ());
    check(Format::V2, 23, |_| ());
}

#[test]
fn worlds_with_gaps_and_late_clocks() {
    for (format, seed) in [(Format::V5, 24), (Format::V2, 25)] {
        check(format, seed, |o| {
            o.interval = 600;
            o.jitter = true;
            o.missing = true;
        });
    }
    check(Format::V5, 26, |o| o.snapshots = true);
}
