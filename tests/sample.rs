//! `sample-logs/`: what the program says about them is what MANIFEST.toml tells, and they are what the simulator makes.

use crate::world;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde::Deserialize;
use serde_json::Value;

const SEED: u64 = 1;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    exit: i32,
    objects: u64,
    tally: BTreeMap<String, u64>,
    connections: Connections,
    verdict: Vec<Verdict>,
    kinds: BTreeMap<String, u64>,
    finding: Vec<Finding>,
    missed: Vec<Missed>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Connections {
    total: u64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Verdict {
    verdict: String,
    reason: String,
    connections: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    detector: String,
    cause: String,
    severity: String,
    subject: String,
    /// `kind: cause` of the event.
    planted: Option<String>,
    wrong: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Missed {
    event: String,
    subject: String,
    why: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn manifest() -> Manifest {
    toml::from_str(&fs::read_to_string(root().join("sample-logs/MANIFEST.toml")).unwrap()).unwrap()
}

fn flowgate(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").current_dir(root()).args(args).output().unwrap()
}

/// The findings and the summary of a run over the sample.
fn run(out: &Path, more: &[&str]) -> (i32, Vec<Value>, Value) {
    let out_text = out.to_str().unwrap();
    let args = [&["analyze", "sample-logs/", "--quiet", "--out", out_text], more].concat();
    let output = flowgate(&args);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "", "nothing to complain about");
    let findings = fs::read_to_string(out.join("findings.jsonl")).unwrap();
    let findings = findings.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = serde_json::from_slice(&fs::read(out.join("summary.json")).unwrap()).unwrap();
    (output.status.code().unwrap(), findings, summary)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn subject(finding: &Value) -> &str {
    if finding["detector"] == "open-network-acl" {
        return text(&finding["network_acl"]);
    }
    let keys = [&finding["rule_id"], &finding["interfaces"][0], &finding["security_group"]];
    keys.into_iter().find_map(Value::as_str).unwrap_or_default()
}

#[test]
fn the_run_says_what_the_manifest_tells() {
    let expected = manifest();
    let directory = tempfile::tempdir().unwrap();
    let (exit, findings, summary) = run(directory.path(), &[]);
    assert_eq!(exit, expected.exit);
    assert_eq!(summary["complete"], true, "{}", summary["limitations"]);
    assert_eq!(summary["inventories"], serde_json::json!(["sample-logs/inventory"]), "found by itself");
    assert_eq!(summary["objects"], expected.objects);
    assert_eq!(expected.tally.len(), 8, "every count of lines is in the manifest");
    for (name, count) in &expected.tally {
        assert_eq!(summary["tally"][name], *count, "{name}");
    }
    assert_eq!(summary["connections"], expected.connections.total);
    let verdicts: Vec<Verdict> = summary["verdicts"].as_array().unwrap().iter().map(verdict).collect();
    assert_eq!(verdicts, expected.verdict);
    assert_eq!(verdicts.iter().map(|v| v.connections).sum::<u64>(), expected.connections.total);
    assert_eq!(summary["findings"]["by_kind"], serde_json::json!(expected.kinds));

    let told: Vec<[&str; 4]> = findings
        .iter()
        .map(|f| [text(&f["detector"]), text(&f["cause"]), text(&f["severity"]), subject(f)])
        .collect();
    let wanted: Vec<[&str; 4]> = expected
        .finding
        .iter()
        .map(|f| [f.detector.as_str(), f.cause.as_str(), f.severity.as_str(), f.subject.as_str()])
        .collect();
    assert_eq!(told, wanted);
}

fn verdict(cell: &Value) -> Verdict {
    Verdict {
        verdict: text(&cell["verdict"]).to_owned(),
        reason: text(&cell["reason"]).to_owned(),
        connections: cell["connections"].as_u64().unwrap(),
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (one, many) = (directory.path().join("one"), directory.path().join("many"));
    run(&one, &["--threads", "1"]);
    run(&many, &["--threads", "7"]);
    for name in ["findings.jsonl", "rules.jsonl", "summary.json"] {
        assert_eq!(fs::read(one.join(name)).unwrap(), fs::read(many.join(name)).unwrap(), "{name}");
    }
}

/// Every file below a directory, by its path from there.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(directory).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn the_sample_is_what_the_simulator_makes_and_the_manifest_is_honest() {
    let directory = tempfile::tempdir().unwrap();
    world::generate(&world::Options::sample(directory.path(), SEED)).unwrap();
    for part in ["AWSLogs", "inventory"] {
        let (made, kept) =
            (files(&directory.path().join(part)), files(&root().join("sample-logs").join(part)));
        assert!(kept.len() >= 10, "{part}: {} files", kept.len());
        assert_eq!(
            made.keys().collect::<Vec<_>>(),
            kept.keys().collect::<Vec<_>>(),
            "{part}: make it again, see sample-logs/README.md"
        );
        for (path, bytes) in &kept {
            assert!(made[path] == *bytes, "{part}/{} differs from what is made", path.display());
        }
    }

    let events: Value =
        serde_json::from_slice(&fs::read(directory.path().join("truth/events.json")).unwrap()).unwrap();
    let out = directory.path().join("out");
    let (_, findings, _) = run(&out, &[]);
    let manifest = manifest();
    let mut missed: Vec<(String, String)> = Vec::new();
    let mut planted: BTreeMap<&str, String> = BTreeMap::new();
    for event in events.as_array().unwrap() {
        let name = format!("{}: {}", text(&event["kind"]), text(&event["cause"]));
        let about = findings.iter().find(|f| f["kind"] == event["kind"] && is_about(f, event));
        if event["kind"] == "invisible-purpose-rule" {
            // A trap: a finding about that rule is wrong, and none is missed.
            let rule = text(&event["rule_ids"][0]);
            let told = manifest.finding.iter().filter(|f| f.subject == rule);
            assert!(told.clone().all(|f| f.wrong.is_some() && f.planted.is_none()), "{name}: {rule}");
        } else if let Some(finding) = about {
            planted.insert(identity(finding), name);
        } else {
            let of =
                if event["rule_ids"][0].is_string() { &event["rule_ids"][0] } else { &event["sources"][0] };
            missed.push((name, text(of).to_owned()));
        }
    }
    for (finding, told) in manifest.finding.iter().zip(&findings) {
        assert_eq!(finding.planted.as_ref(), planted.get(identity(told)), "{finding:?}");
    }
    // What is said of the use of rules is true, planted or not, but where the manifest admits that it is not.
    let truth = fs::read_to_string(directory.path().join("truth/rules.jsonl")).unwrap();
    let truth: Vec<Value> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about_use = |f: &Value| f["kind"] == "unused-rule" || f["kind"] == "redundant-rule";
    for (finding, told) in manifest.finding.iter().zip(&findings).filter(|(_, told)| about_use(told)) {
        let rule = truth.iter().find(|rule| rule["rule_id"] == told["rule_id"]).unwrap();
        let (used, alone) = (rule["connections"] != 0, rule["sole_connections"] != 0);
        let right = !alone && used == (told["kind"] == "redundant-rule");
        assert_eq!(right, finding.wrong.is_none(), "{finding:?}: {rule}");
    }
    let admitted: Vec<(String, String)> =
        manifest.missed.iter().map(|m| (m.event.clone(), m.subject.clone())).collect();
    assert_eq!(admitted, missed);
    assert!(manifest.missed.iter().all(|m| m.why.len() > 20));
}

/// The id: unique, and the same for the same subject.
fn identity(finding: &Value) -> &str {
    text(&finding["id"])
}

/// True if a finding is about the rule of an event, or about its source at one of its interfaces.
fn is_about(finding: &Value, event: &Value) -> bool {
    let holds = |list: &Value, value: &Value| list.as_array().is_some_and(|list| list.contains(value));
    if finding["rule_id"].is_string() {
        holds(&event["rule_ids"], &finding["rule_id"])
    } else {
        holds(&event["interfaces"], &finding["interfaces"][0])
            && holds(&event["sources"], &finding["remotes"][0])
    }
}
