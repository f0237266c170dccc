//! AWS Config history from files to findings: what a change at a known time makes of the connections around it.

use std::path::Path;

use flowgate::finding::{Conclusions, Finding, Grade};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};
use serde_json::{Value, json};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// 2026-03-01T00:00:00Z: the logs begin.
const START: i64 = 1_772_323_200;

fn instant(at: i64) -> String {
    chrono::DateTime::from_timestamp(at, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn item(kind: &str, id: &str, at: i64, configuration: Value) -> Value {
    json!({"configurationItemCaptureTime": instant(at), "configurationStateId": at.to_string(),
        "configurationItemStatus": "OK", "resourceType": format!("AWS::EC2::{kind}"), "resourceId": id,
        "accountId": "111122223333", "awsRegion": "eu-west-1", "configuration": configuration.to_string()})
}

/// A group that lets these ports in from everywhere.
fn group(at: i64, ports: &[u16]) -> Value {
    let permission = |port: &u16| {
        json!({"ipProtocol": "tcp", "fromPort": port, "toPort": port,
            "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}], "ipRanges": ["0.0.0.0/0"]})
    };
    let permissions: Vec<Value> = ports.iter().map(permission).collect();
    item("SecurityGroup", "sg-1", at, json!({"groupId": "sg-1", "ipPermissions": permissions}))
}

fn interface(at: i64, groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({"groupId": id})).collect();
    let configuration =
        json!({"networkInterfaceId": "eni-1", "privateIpAddress": "10.0.0.5", "groups": groups});
    item("NetworkInterface", "eni-1", at, configuration)
}

/// Records of a connection from a remote port to 10.0.0.5, both ways, every minute.
fn connection(at: i64, minutes: i64, remote_port: u16, port: u16, handshake: bool) -> Vec<String> {
    let line = |minute: i64, inward: bool| {
        let start = at + minute * 60;
        let flags = match (minute == 0 && handshake, inward) {
            (true, true) => 2,
            (true, false) => 18,
            (false, _) => 0,
        };
        let (from, to) = if inward {
            (format!("198.51.100.9 10.0.0.5 {remote_port} {port}"), start + 50)
        } else {
            (format!("10.0.0.5 198.51.100.9 {port} {remote_port}"), start + 51)
        };
        let direction = if inward { "ingress" } else { "egress" };
        format!("5 eni-1 {from} 6 10 1000 {start} {to} ACCEPT OK {flags} {direction}")
    };
    (0..minutes).flat_map(|minute| [line(minute, true), line(minute, false)]).collect()
}

fn run(items: Vec<Value>, lines: Vec<Vec<String>>) -> Conclusions {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), items, lines);
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(root.path().to_owned())],
        threads: 2,
        only: vec!["unexpected-accept".into(), "unused-rule".into()],
        ..AnalyzeConfig::default()
    };
    analyze(&config, None, &Silent).unwrap()
}

/// The history lies among the logs, one file a resource as the AWS CLI writes them, where it is found.
fn write(root: &Path, items: Vec<Value>, lines: Vec<Vec<String>>) {
    for (n, item) in items.into_iter().enumerate() {
        let body = json!({"configurationItems": [item]}).to_string();
        std::fs::write(root.join(format!("history-{n}.json")), body).unwrap();
    }
    let header = "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                  log-status tcp-flags flow-direction";
    let text = format!("{header}\n{}\n", lines.concat().join("\n"));
    std::fs::write(root.join("flow.log"), text).unwrap();
}

fn verdict(conclusions: &Conclusions, verdict: &str, reason: &str) -> u64 {
    let cells = conclusions.summary.verdicts.iter();
    cells.filter(|v| v.verdict == verdict && v.reason == reason).map(|v| v.connections).sum()
}

fn found<'a>(conclusions: &'a Conclusions, detector: &str) -> Vec<&'a Finding> {
    conclusions.findings.iter().filter(|f| f.detector == detector).collect()
}

/// Something to be watched by from the first minute on.
fn background() -> Vec<String> {
    connection(START, 2, 50_000, 443, true)
}

#[test]
fn a_rule_removed_at_a_known_time_explains_what_began_before() {
    let removed = START + 6 * HOUR;
    let items =
        vec![interface(START - DAY, &["sg-1"]), group(START - DAY, &[22, 443]), group(removed, &[443])];
    let conclusions = run(
        items,
        vec![
            background(),
            // Opened before, goes on for an hour after: one connection, judged as of its start.
            connection(removed - HOUR, 120, 40_001, 22, true),
            // The change is noticed late: either side explains for five minutes before and one after.
            connection(removed + 60, 1, 40_002, 22, true),
            // After that it is news.
            connection(removed + 61, 1, 40_003, 22, true),
            connection(removed + 2 * HOUR, 1, 40_004, 22, true),
            // No handshake in a log that would show it: opened before, idle since, and still tracked.
            connection(removed + 2 * HOUR, 1, 40_005, 22, false),
        ],
    );
    assert_eq!(verdict(&conclusions, "permitted", ""), 3);
    assert_eq!(verdict(&conclusions, "escaped", "rule-removed-new"), 2);
    assert_eq!(verdict(&conclusions, "escaped", "rule-removed-tracked"), 1);
    let [finding] = found(&conclusions, "unexpected-accept")[..] else {
        panic!("{:?}", conclusions.findings)
    };
    assert_eq!(finding.cause, "rule-removed-new");
    assert_eq!(finding.evidence["rule_removed_at"], json!(instant(removed)));
    assert_eq!(finding.evidence["rule_gone_by"], json!(instant(removed)));
    let rules = finding.evidence["removed_rules"].as_array().unwrap();
    assert_eq!(rules.len(), 1);
    assert!(finding.title.contains(rules[0].as_str().unwrap()), "{}", finding.title);
    assert!(finding.title.contains(&instant(removed)), "{}", finding.title);
    // The rule of port 443 was there all the time, that of port 22 is no rule any more.
    assert_eq!(conclusions.rules.len(), 1);
    assert_eq!((conclusions.rules[0].port_range.as_str(), conclusions.rules[0].connections), ("443", 1));
}

#[test]
fn a_connection_older_than_the_logs_may_be_older_than_the_removal() {
    let removed = START - 2 * HOUR;
    let items =
        vec![interface(START - DAY, &["sg-1"]), group(START - DAY, &[22, 443]), group(removed, &[443])];
    // No handshake, and there from the first minute: it may have been opened before the removal, and be tracked.
    let old = connection(START, 30, 40_001, 22, false);
    let new = connection(START + 300, 1, 40_002, 22, true);
    let conclusions = run(items, vec![background(), old, new]);
    assert_eq!(verdict(&conclusions, "escaped", "rule-removed-tracked"), 1);
    assert_eq!(verdict(&conclusions, "escaped", "rule-removed-new"), 1);
    assert_eq!(found(&conclusions, "unexpected-accept").len(), 1);
}

#[test]
fn leaving_a_group_is_a_removal_too_and_joining_one_explains_from_then_on() {
    let (left, joined) = (START + 2 * HOUR, START + 4 * HOUR);
    let items = vec![
        interface(START - DAY, &["sg-1"]),
        interface(left, &["sg-2"]),
        interface(joined, &["sg-1"]),
        group(START - DAY, &[22, 443]),
        item("SecurityGroup", "sg-2", START - DAY, json!({"groupId": "sg-2", "ipPermissions": []})),
    ];
    let between = connection(left + HOUR, 1, 40_001, 22, true);
    let after = connection(joined - 300, 1, 40_002, 22, true);
    let conclusions = run(items, vec![background(), between, after]);
    assert_eq!(verdict(&conclusions, "permitted", ""), 2);
    assert_eq!(verdict(&conclusions, "escaped", "rule-removed-new"), 1);
    let [finding] = found(&conclusions, "unexpected-accept")[..] else {
        panic!("{:?}", conclusions.findings)
    };
    assert_eq!(finding.evidence["rule_removed_at"], json!(instant(left)));
}

#[test]
fn what_was_before_the_first_item_is_not_known() {
    let first = START + 6 * HOUR;
    let items = vec![interface(START - DAY, &["sg-1"]), group(first, &[443])];
    let ssh = connection(START + HOUR, 1, 40_001, 22, true);
    let conclusions = run(items, vec![background(), ssh]);
    assert_eq!(verdict(&conclusions, "permitted", ""), 1, "443 was perhaps open, too");
    assert_eq!(verdict(&conclusions, "escaped", "inventory-gap"), 1);
    assert!(conclusions.is_incomplete());
}

#[test]
fn a_rule_is_unused_only_for_as_long_as_it_lives() {
    let (end, added) = (START + 53 * DAY, START + 52 * DAY);
    let beat = |at: i64| connection(at, 1, 50_001, 443, true);
    let beats: Vec<Vec<String>> = (0..53 * 24 * 6).map(|n| beat(START + n * 600)).collect();
    let items = |since| {
        vec![interface(START - DAY, &["sg-1"]), group(START - DAY, &[443]), group(since, &[443, 8443])]
    };
    let unused = |since| {
        let conclusions = run(items(since), beats.clone());
        let found = found(&conclusions, "unused-rule");
        let [finding] = found[..] else { panic!("{:?}", conclusions.findings) };
        finding.clone()
    };
    let young = unused(added);
    assert_eq!(young.grade, Grade::Weak);
    assert!(young.evidence["window_seconds"].as_i64().unwrap() <= end - added);
    assert!(young.summary.contains(&format!("it was added at {}", instant(added))), "{}", young.summary);
    assert!(young.summary.contains("in 24 h"), "{}", young.summary);
    // Six weeks of its own are enough, although it did not exist in the first ten days.
    let old = unused(START + 10 * DAY);
    assert_eq!(old.grade, Grade::Reliable, "{:?}", old.evidence);
    assert!(old.summary.contains("in 43 days"), "{}", old.summary);
    let month = unused(START + 23 * DAY);
    assert_eq!(month.grade, Grade::Weak, "{:?}", month.evidence);
}
