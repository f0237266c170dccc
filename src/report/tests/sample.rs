//! A small world's conclusions, made by hand: something of everything.

use std::collections::BTreeMap;

use serde_json::json;

use crate::finding::{
    Conclusions, EndsCounts, Finding, FindingBuilder, FormatUse, Grade, InterfaceCoverage, Kind, Limitation,
    OpenerCount, PortCount, Ports, RuleClass, RuleEvidence, RuleRow, Severity, Summary, VerdictCount,
    WatchedList, Window,
};
use crate::flow::{Direction, MalformedExample, Tally};

/// 2026-03-01T00:00:00Z.
const START: i64 = 1_772_323_200;
const DAY: i64 = 86_400;

pub(crate) fn sample() -> Conclusions {
    Conclusions {
        findings: findings(),
        rules: rules(),
        summary: summary(),
        picture: super::picture::picture(),
    }
}

fn findings() -> Vec<Finding> {
    let accept = FindingBuilder::new("unexplained-accept", Kind::UnexpectedAccept, "no-rule")
        .about("eni-0aaa1111bbbb2222c")
        .rated(Severity::Critical, Grade::Reliable)
        .told(
            "eni-0aaa1111bbbb2222c accepted tcp/5432 from the internet, and no rule permits it",
            "14 connections from 3 addresses were accepted between 09:12 and 09:40, and none of the rules of \
             its 2 security groups permits them.",
        )
        .service(Some(Direction::Inbound), Some("tcp".to_owned()), vec![Ports::One(5432)])
        .during(Some(START + 33_120), Some(START + 34_800))
        .count("connections", 14)
        .count("bytes", 1_204_113)
        .evidence(
            "first_record",
            "2 123456789012 eni-0aaa1111bbbb2222c 203.0.113.7 10.0.1.5 51514 5432 6 9 840",
        )
        .evidence("security_groups", json!(["sg-0web", "sg-0base"]))
        .next("aws ec2 describe-security-group-rules --filters Name=group-id,Values=sg-0web,sg-0base")
        .with(|f| {
            f.account = Some("123456789012".to_owned());
            f.region = Some("eu-west-1".to_owned());
            f.vpc = Some("vpc-0001".to_owned());
            f.interfaces = vec!["eni-0aaa1111bbbb2222c".to_owned()];
            f.instances = vec!["i-0123".to_owned()];
            f.remotes = ["203.0.113.7", "203.0.113.8", "203.0.113.9"].map(str::to_owned).to_vec();
        });
    let spike = FindingBuilder::new("rejected-spike", Kind::RejectedSpike, "port-scan")
        .about("203.0.113.66")
        .rated(Severity::Medium, Grade::Weak)
        .told("203.0.113.66 tried 812 ports of eni-0aaa1111bbbb2222c", "Usual are 3 rejects in 10 minutes.")
        .service(Some(Direction::Inbound), Some("tcp".to_owned()), vec![Ports::Range(1, 1024)])
        .during(Some(START + 600), Some(START + 1200))
        .count("rejected", 812)
        .evidence("baseline", json!({"median": 3, "windows": 143}))
        .next("Nothing to do if the scanner is yours: add it to the known scanners")
        .with(|f| f.remotes = vec!["203.0.113.66".to_owned()]);
    let unused = |group: &str, rule: &str| {
        FindingBuilder::new("unused-rule", Kind::UnusedRule, "no-traffic")
            .about(rule)
            .rated(Severity::Low, Grade::Reliable)
            .told(format!("{rule} of {group} was not used"), "No connection in 24 h needed it.")
            .during(Some(START), Some(START + DAY))
            .evidence("window_seconds", DAY)
            .control("EC2.13")
            .next(format!("flowgate explain unused-rule; then revoke {rule}"))
            .with(|f| {
                f.security_group = Some(group.to_owned());
                f.rule_id = Some(rule.to_owned());
            })
    };
    let all = [accept, spike, unused("sg-0web", "sgr-0ssh"), unused("sg-0base", "sgr-0rdp")];
    all.into_iter().map(|f| f.build().unwrap()).collect()
}

fn rules() -> Vec<RuleRow> {
    let rule = |id: &str, direction, port: &str, class, connections| RuleRow {
        rule_id: id.to_owned(),
        security_group: "sg-0web".to_owned(),
        direction,
        protocol: "tcp".to_owned(),
        port_range: port.to_owned(),
        peer: "0.0.0.0/0".to_owned(),
        connections,
        sole_connections: connections / 2,
        bytes: connections * 1000,
        first_used: (connections > 0).then_some(START),
        last_used: (connections > 0).then_some(START + DAY - 1),
        distinct_peers: connections / 3,
        approximate: connections > 1000,
        distinct_peers_error: if connections > 1000 { 0.019 } else { 0.0 },
        observed_ports: if connections > 0 { vec![PortCount { port: 443, connections }] } else { Vec::new() },
        observed_port_ranges: Vec::new(),
        interfaces: vec!["eni-0aaa1111bbbb2222c".to_owned()].into(),
        grade: if class == RuleClass::NotEvaluable { Grade::NotEvaluable } else { Grade::Reliable },
        grade_reasons: if class == RuleClass::NotEvaluable { vec!["icmp".to_owned()] } else { Vec::new() },
        class,
        evidence: RuleEvidence {
            judged_from: Some(START),
            judged_to: Some(START + DAY - 1),
            watched_seconds: 86_400,
            coverage: 0.987_65,
            skipdata: 4,
            interfaces_attached: 1,
            interfaces_covered: 1,
            interfaces_unknown: 0,
            days_used: u32::from(connections > 0),
            longest_pause: (connections > 0).then_some(7_200),
            silent_seconds: (connections > 0).then_some(0),
            chance_missed: 1.0,
        },
    };
    use Direction::{Inbound, Outbound};
    vec![
        rule("sgr-0all", Inbound, "1-65535", RuleClass::Permissive, 7900),
        rule("sgr-0https", Inbound, "443", RuleClass::Used, 7800),
        rule("sgr-0ping", Inbound, "all", RuleClass::NotEvaluable, 0),
        rule("sgr-0rdp", Inbound, "3389", RuleClass::Unused, 0),
        rule("sgr-0ssh", Inbound, "22", RuleClass::Unused, 0),
        rule("sgr-0out", Outbound, "all", RuleClass::Used, 120),
    ]
}

fn summary() -> Summary {
    let tally = Tally {
        lines: 120_500,
        records: 120_381,
        nodata: 98,
        skipdata: 4,
        malformed: 6,
        duplicate: 11,
        truncated: 1,
        unknown_fields: BTreeMap::from([("ecs-new-field".to_owned(), 120)]),
        examples: vec![MalformedExample {
            object: "logs/b.log.gz".to_owned(),
            line: 17,
            reason: "srcport is 99999, which is no port".to_owned(),
        }],
        ..Tally::default()
    };
    let limitation = |incomplete, code: &str, object: &str, message: &str| Limitation {
        incomplete,
        code: code.to_owned(),
        object: object.to_owned(),
        message: message.to_owned(),
    };
    Summary {
        inputs: vec!["logs/".to_owned()],
        inventories: vec!["inventory/".to_owned()],
        formats: vec![FormatUse {
            format: "${version} ${interface-id} ${srcaddr}".to_owned(),
            origin: "flow log fl-0001".to_owned(),
            lines: 1_204,
        }],
        objects: 14,
        bytes: 3_412_339,
        window: Some(Window { start: START, end: START + DAY }),
        tally,
        inventory: [("network-interfaces", 12), ("security-groups", 1), ("security-group-rules", 6)]
            .map(|(kind, n)| (kind.to_owned(), n))
            .into(),
        connections: 8211,
        verdicts: verdicts(),
        openers: openers(),
        ends: EndsCounts {
            joined: 3_100,
            agreeing: 3_060,
            disagreeing: 43,
            by_cause: vec![("rejected-on-arrival", 40), ("never-left", 0), ("never-arrived", 3)],
            rejected_at_one_end: 12,
            not_compared: 7,
            not_compared_by: vec![("not_covered", 5), ("ambiguous_address", 2)],
        },
        watchlists: vec![WatchedList {
            name: "drop.txt".to_owned(),
            entries: 1_204,
            bad_lines: 2,
            accepted: 1,
            rejected: 88,
        }],
        coverage: coverage(),
        limitations: vec![
            limitation(false, "not-a-log", "logs/README.md", "not a flow log by its name"),
            limitation(
                true,
                "unreadable-object",
                "logs/AWSLogs/123456789012/vpcflowlogs/eu-west-1/2026/03/01/123456789012_vpcflowlogs_eu-west-1_fl-0a_20260301T0000Z_1a2b3c4d.log.gz",
                "the gzip stream ends early; fetch it again.",
            ),
        ],
        ignored: Vec::new(),
        assumptions: vec!["The undated inventory is taken as of the end of the logs.".to_owned()],
    }
}

fn verdicts() -> Vec<VerdictCount> {
    [
        ("escaped", "no-rule", 14),
        ("escaped", "rule-removed-tracked", 8),
        ("not-evaluable", "inventory-gap", 31),
        ("permitted", "", 7858),
        ("rejected", "network-acl-in", 12),
        ("rejected", "security-group", 288),
    ]
    .map(|(verdict, reason, connections)| VerdictCount { verdict, reason, connections })
    .to_vec()
}

fn openers() -> Vec<OpenerCount> {
    [
        ("tcp-flags", "proven", 7000),
        ("one-way", "inferred", 900),
        ("service-port", "weak", 300),
        ("none", "unknown", 11),
    ]
    .map(|(evidence, strength, connections)| OpenerCount { evidence, strength, connections })
    .to_vec()
}

fn coverage() -> Vec<InterfaceCoverage> {
    let interface = |id: &str, seen, skipdata, in_inventory: bool, traffic| InterfaceCoverage {
        interface: id.to_owned(),
        account: Some("123456789012".to_owned()),
        vpc: in_inventory.then(|| "vpc-0001".to_owned()),
        subnet: None,
        instance: None,
        in_inventory,
        first: Some(START),
        last: Some(START + DAY),
        records: 60_000,
        nodata: 49,
        skipdata,
        skipdata_approximate: false,
        buckets_seen: seen,
        buckets_expected: 144,
        traffic,
    };
    vec![
        interface("eni-0aaa1111bbbb2222c", 144, 0, true, "all"),
        interface("eni-0bbb", 90, 4, true, "reject"),
        interface("eni-0ccc", 144, 0, false, "all"),
    ]
}
