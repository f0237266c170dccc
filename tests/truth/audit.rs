//! What is told of a configuration whatever the traffic: cases that must be told beside cases that must not.

use flowgate::finding::{Conclusions, Finding, Grade, Severity};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};
use serde_json::{Value, json};

const ACCOUNT: &str = "123456789012";
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status tcp-flags";

/// A group in VPC vpc-1; rules as (protocol, from, to, peer), all inbound and described unless the peer begins with `?`.
fn group(id: &str, name: &str, rules: &[(&str, i64, i64, &str)]) -> Value {
    let permission = |&(protocol, from, to, peer): &(&str, i64, i64, &str)| {
        let text = if peer.starts_with('?') { Value::Null } else { json!("because") };
        let peer = peer.trim_start_matches('?');
        let mut permission = json!({"IpProtocol": protocol});
        if protocol != "-1" {
            permission["FromPort"] = from.into();
            permission["ToPort"] = to.into();
        }
        let (key, value) = match peer.split('-').next() {
            Some("sg") => {
                let mut words = peer.split(' ');
                let id = words.next().unwrap();
                let mut pair = json!({"GroupId": id, "Description": text});
                for word in words {
                    let (key, value) = word.split_once('=').unwrap();
                    pair[key] = value.into();
                }
                ("UserIdGroupPairs", pair)
            }
            Some("pl") => ("PrefixListIds", json!({"PrefixListId": peer, "Description": text})),
            _ if peer.contains(':') => ("Ipv6Ranges", json!({"CidrIpv6": peer, "Description": text})),
            _ => ("IpRanges", json!({"CidrIp": peer, "Description": text})),
        };
        permission[key] = json!([value]);
        permission
    };
    let permissions: Vec<Value> = rules.iter().map(permission).collect();
    json!({"GroupId": id, "GroupName": name, "VpcId": "vpc-1", "OwnerId": ACCOUNT, "Description": name,
        "IpPermissions": permissions, "IpPermissionsEgress": []})
}

fn interface(groups: &[&str]) -> Value {
    let groups: Vec<Value> = groups.iter().map(|id| json!({"GroupId": id})).collect();
    json!({"NetworkInterfaceId": "eni-1", "VpcId": "vpc-1", "SubnetId": "subnet-1", "OwnerId": ACCOUNT,
        "PrivateIpAddress": "10.0.0.5", "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.0.5"}], "Groups": groups})
}

fn judged(files: &[(&str, Value)], lines: &[&str]) -> Conclusions {
    let directory = tempfile::tempdir().unwrap();
    for (name, body) in files {
        std::fs::write(directory.path().join(format!("{name}.json")), body.to_string()).unwrap();
    }
    let log = format!("{HEADER}\n{}\n", lines.join("\n"));
    std::fs::write(directory.path().join("flow.log"), log).unwrap();
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.path().to_owned())],
        threads: 2,
        skip: vec!["unused-rule".into()],
        ..AnalyzeConfig::default()
    };
    analyze(&config, None, &Silent).unwrap()
}

fn world(groups: Vec<Value>, attached: &[&str]) -> Vec<(&'static str, Value)> {
    vec![
        ("groups", json!({"SecurityGroups": groups})),
        ("interfaces", json!({"NetworkInterfaces": [interface(attached)]})),
    ]
}

fn told<'c>(conclusions: &'c Conclusions, detector: &str) -> Vec<&'c Finding> {
    conclusions.findings.iter().filter(|f| f.detector == detector).collect()
}

fn causes<'c>(findings: &[&'c Finding]) -> Vec<(&'c str, &'c str)> {
    let mut causes: Vec<(&str, &str)> = findings
        .iter()
        .map(|f| {
            (f.security_group.as_deref().or(f.network_acl.as_deref()).unwrap_or_default(), f.cause.as_str())
        })
        .collect();
    causes.sort_unstable();
    causes
}

const PROBE: &str =
    "5 123456789012 eni-1 203.0.113.7 10.0.0.5 51514 5432 6 9 840 1772323200 1772323260 ACCEPT OK 2";

#[test]
fn open_rules_are_told_group_by_group_with_their_use() {
    let groups = vec![
        group(
            "sg-mixed",
            "mixed",
            &[
                ("tcp", 22, 22, "0.0.0.0/0"),
                ("tcp", 5432, 5432, "0.0.0.0/0"),
                ("tcp", 443, 443, "0.0.0.0/0"),
                ("tcp", 5432, 5432, "10.0.0.0/8"),
            ],
        ),
        group("sg-all", "all", &[("-1", 0, 0, "::/0")]),
        group(
            "sg-web",
            "web",
            &[("tcp", 80, 80, "0.0.0.0/0"), ("tcp", 443, 443, "::/0"), ("icmp", -1, -1, "0.0.0.0/0")],
        ),
        group("sg-odd", "odd", &[("udp", 443, 443, "0.0.0.0/0")]),
        group("sg-inside", "inside", &[("tcp", 0, 65535, "10.0.0.0/8")]),
        group(
            "sg-near",
            "near",
            &[("tcp", 0, 65535, "10.1.2.0/24"), ("tcp", 0, 65535, "sg-web UserId=123456789012")],
        ),
        group("sg-spare", "spare", &[("tcp", 3389, 3389, "0.0.0.0/0")]),
    ];
    let attached = ["sg-mixed", "sg-all", "sg-web", "sg-odd", "sg-inside", "sg-near"];
    let conclusions = judged(&world(groups, &attached), &[PROBE]);
    let found = told(&conclusions, "open-rule");
    assert_eq!(
        causes(&found),
        [
            ("sg-all", "all-traffic"),
            ("sg-inside", "broad-blocks"),
            ("sg-mixed", "administration-ports"),
            ("sg-odd", "unusual-port"),
            ("sg-spare", "administration-ports"),
        ]
    );
    let of = |id: &str| *found.iter().find(|f| f.security_group.as_deref() == Some(id)).unwrap();
    let mixed = of("sg-mixed");
    assert_eq!((mixed.severity, mixed.grade), (Severity::High, Grade::Reliable));
    assert_eq!(mixed.controls, ["EC2.13", "EC2.18", "EC2.19", "EC2.53"]);
    assert_eq!((mixed.counts["rules"], mixed.counts["rules_used"], mixed.counts["connections"]), (2, 1, 1));
    let rules = mixed.evidence["rules"].as_array().unwrap();
    assert_eq!(rules[0]["ports"], "tcp 22");
    assert_eq!((&rules[1]["ports"], &rules[1]["class"]), (&json!("tcp 5432"), &json!("used")));
    assert_eq!(of("sg-all").controls, ["EC2.13", "EC2.14", "EC2.18", "EC2.19", "EC2.54"]);
    assert_eq!(of("sg-odd").controls, ["EC2.18"]);
    assert_eq!((of("sg-odd").severity, of("sg-inside").severity), (Severity::Medium, Severity::Low));
    assert!(of("sg-inside").controls.is_empty());
    assert_eq!(of("sg-spare").severity, Severity::Informational, "attached to nothing");
}

#[test]
fn stale_references_are_told_and_unknown_ones_are_not() {
    let own = "UserId=123456789012";
    let groups = vec![
        group("sg-told", "told", &[("tcp", 1, 1, "sg-deleted")]),
        group("sg-lacks", "lacks", &[("tcp", 1, 1, &format!("sg-missing {own}"))]),
        group("sg-other", "other", &[("tcp", 1, 1, "sg-abroad UserId=999999999999")]),
        group(
            "sg-peered",
            "peered",
            &[
                (
                    "tcp",
                    1,
                    1,
                    "sg-far UserId=999999999999 VpcPeeringConnectionId=pcx-1 PeeringStatus=deleted",
                ),
                ("tcp", 2, 2, "sg-far UserId=999999999999 VpcPeeringConnectionId=pcx-2 PeeringStatus=active"),
            ],
        ),
        group("sg-lists", "lists", &[("tcp", 1, 1, "pl-gone"), ("tcp", 1, 1, "pl-there")]),
        group("sg-fine", "fine", &[("tcp", 1, 1, &format!("sg-told {own}"))]),
    ];
    let mut files = world(groups, &["sg-told", "sg-lacks", "sg-other", "sg-peered", "sg-lists", "sg-fine"]);
    files.push((
        "lists",
        json!({"PrefixLists": [{"PrefixListId": "pl-there", "PrefixListName": "x", "OwnerId": ACCOUNT,
        "AddressFamily": "IPv4", "MaxEntries": 5}]}),
    ));
    let conclusions = judged(&files, &[PROBE]);
    let found = told(&conclusions, "stale-reference");
    assert_eq!(
        causes(&found),
        [
            ("sg-lacks", "group-deleted"),
            ("sg-lists", "prefix-list-missing"),
            ("sg-peered", "peering-gone"),
            ("sg-told", "group-deleted"),
        ]
    );
    let grades: Vec<Grade> = {
        let mut found = found.clone();
        found.sort_by(|a, b| a.security_group.cmp(&b.security_group));
        found.iter().map(|f| f.grade).collect()
    };
    assert_eq!(grades, [Grade::Weak, Grade::Weak, Grade::Reliable, Grade::Reliable]);
    // Nobody can say whether these are used.
    let reasons = |group: &str| -> Vec<String> {
        let rows = conclusions.rules.iter().filter(|row| row.security_group == group);
        rows.flat_map(|row| row.grade_reasons.clone()).collect()
    };
    assert!(reasons("sg-other").contains(&"the members of 999999999999/sg-abroad are not known".to_owned()));
    assert!(reasons("sg-lists").contains(&"the entries of pl-there are not known".to_owned()));
}

#[test]
fn contained_rules_are_told_once_a_group() {
    let groups = vec![
        group(
            "sg-dup",
            "dup",
            &[
                ("tcp", 443, 443, "10.0.0.0/8"),
                ("tcp", 443, 443, "10.1.0.0/16"),
                ("tcp", 440, 449, "10.2.0.0/16"),
                ("icmp", 8, -1, "10.0.0.0/8"),
                ("icmp", 8, 0, "10.0.0.0/9"),
            ],
        ),
        group(
            "sg-distinct",
            "distinct",
            &[
                ("tcp", 443, 443, "10.0.0.0/8"),
                ("udp", 443, 443, "10.1.0.0/16"),
                ("tcp", 440, 449, "10.1.0.0/16"),
                ("icmp", 8, -1, "10.0.0.0/8"),
                ("icmp", 3, 4, "10.0.0.0/9"),
                ("tcp", 443, 443, "2001:db8::/32"),
            ],
        ),
        // Used, so that redundant-rule tells it.
        group(
            "sg-used",
            "used",
            &[("tcp", 5432, 5432, "203.0.113.0/24"), ("tcp", 5432, 5432, "203.0.113.0/25")],
        ),
    ];
    let conclusions = judged(&world(groups, &["sg-dup", "sg-distinct", "sg-used"]), &[PROBE]);
    let found = told(&conclusions, "duplicate-rule");
    assert_eq!(causes(&found), [("sg-dup", "contained-rule")]);
    let contained = found[0].evidence["contained"].as_array().unwrap();
    let mut peers: Vec<(&str, &str)> =
        contained.iter().map(|c| (c["peer"].as_str().unwrap(), c["container"].as_str().unwrap())).collect();
    peers.sort_unstable();
    assert_eq!(peers, [("10.0.0.0/9", "icmp type 8 10.0.0.0/8"), ("10.1.0.0/16", "tcp 443 10.0.0.0/8")]);
    let [redundant] = told(&conclusions, "redundant-rule")[..] else { panic!("{:#?}", conclusions.findings) };
    assert_eq!((redundant.cause.as_str(), redundant.grade), ("statically-shadowed", Grade::Reliable));
    assert_eq!(redundant.evidence["shadow"], "same-group");
}

#[test]
fn groups_near_the_quota_unattached_default_or_not_described() {
    let many = |count: usize| -> Vec<(String, i64)> {
        (0..count).map(|n| (format!("10.0.{n}.0/24"), 1000 + n as i64)).collect()
    };
    let full = |id: &str, count: usize| {
        let rules = many(count);
        let rules: Vec<(&str, i64, i64, &str)> =
            rules.iter().map(|(peer, port)| ("tcp", *port, *port, peer.as_str())).collect();
        group(id, id, &rules)
    };
    let groups = vec![
        full("sg-53", 53),
        full("sg-54", 54),
        full("sg-100", 100),
        full("sg-190", 190),
        group("sg-list", "list", &[("tcp", 1, 1, "pl-big"), ("tcp", 2, 2, "10.0.0.0/8")]),
        group("sg-default", "default", &[("-1", 0, 0, "?sg-default UserId=123456789012")]),
        group("sg-plain", "plain", &[("tcp", 1, 1, "?10.0.0.0/8"), ("tcp", 2, 2, "10.0.0.0/8")]),
        group("sg-left", "left", &[]),
        group("sg-marker", "marker", &[]),
        group("sg-refers", "refers", &[("tcp", 1, 1, "sg-marker UserId=123456789012")]),
    ];
    let attached = ["sg-53", "sg-54", "sg-100", "sg-190", "sg-list", "sg-default", "sg-plain", "sg-refers"];
    let mut files = world(groups, &attached);
    files.push((
        "lists",
        json!({"PrefixLists": [{"PrefixListId": "pl-big", "PrefixListName": "x", "OwnerId": ACCOUNT,
        "AddressFamily": "IPv4", "MaxEntries": 58}]}),
    ));
    let conclusions = judged(&files, &[PROBE]);
    let found = told(&conclusions, "group-hygiene");
    assert_eq!(
        causes(&found),
        [
            ("sg-190", "near-quota"),
            ("sg-54", "near-quota"),
            ("sg-default", "default-group-in-use"),
            ("sg-left", "unattached"),
            ("sg-list", "near-quota"),
            ("sg-plain", "no-description"),
        ]
    );
    let of = |cause: &str| *found.iter().find(|f| f.cause == cause).unwrap();
    assert_eq!(of("default-group-in-use").controls, ["EC2.2"]);
    assert_eq!(of("unattached").controls, ["EC2.22"]);
    assert_eq!(of("no-description").counts["rules_without_description"], 1);
    let list = found.iter().find(|f| f.security_group.as_deref() == Some("sg-list")).unwrap();
    assert_eq!((list.counts["weight"], list.grade), (59, Grade::Reliable));
}

#[test]
fn two_thousand_groups_do_not_drown_the_report() {
    let groups: Vec<Value> = (0..2000)
        .map(|n| group(&format!("sg-{n:04}"), &format!("g{n}"), &[("tcp", 443, 443, "?10.0.0.0/8")]))
        .collect();
    let conclusions = judged(&world(groups, &["sg-0000"]), &[PROBE]);
    let found = told(&conclusions, "group-hygiene");
    assert_eq!(found.len(), 2, "{:?}", causes(&found));
    let unattached = found.iter().find(|f| f.cause == "unattached").unwrap();
    assert_eq!(unattached.counts["groups"], 1999);
    assert_eq!(unattached.evidence["groups"].as_array().unwrap().len(), 25);
}

#[test]
fn network_acls_that_filter_nothing_or_too_little_or_nothing_at_all() {
    let entry = |number: u32, egress: bool, allow: bool, ports: Option<(u16, u16)>, cidr: &str| {
        let mut entry = json!({"RuleNumber": number, "Egress": egress, "CidrBlock": cidr,
            "Protocol": if ports.is_some() { "6" } else { "-1" }, "RuleAction": if allow { "allow" } else { "deny" }});
        if let Some((from, to)) = ports {
            entry["PortRange"] = json!({"From": from, "To": to});
        }
        entry
    };
    let acl = |id: &str, default: bool, subnet: Option<&str>, entries: Vec<Value>| {
        let associations: Vec<Value> =
            subnet.iter().map(|s| json!({"NetworkAclId": id, "SubnetId": s})).collect();
        json!({"NetworkAclId": id, "VpcId": "vpc-1", "OwnerId": ACCOUNT, "IsDefault": default,
            "Associations": associations, "Entries": entries})
    };
    let all = || vec![entry(100, false, true, None, "0.0.0.0/0"), entry(100, true, true, None, "0.0.0.0/0")];
    let some = |ports| vec![entry(100, false, true, Some(ports), "0.0.0.0/0")];
    let mut denied = vec![entry(90, false, false, Some((3389, 3389)), "0.0.0.0/0")];
    denied.extend(some((1024, 65535)));
    let acls = vec![
        acl("acl-default", true, Some("subnet-1"), all()),
        acl("acl-default-2", true, None, all()),
        acl("acl-all", false, Some("subnet-2"), all()),
        acl("acl-ssh", false, Some("subnet-3"), some((22, 22))),
        acl("acl-answers", false, Some("subnet-4"), some((1024, 65535))),
        acl("acl-denied", false, Some("subnet-5"), denied),
        acl("acl-left", false, None, some((443, 443))),
    ];
    let mut files = world(vec![group("sg-1", "web", &[("tcp", 22, 22, "0.0.0.0/0")])], &["sg-1"]);
    files.push(("acls", json!({"NetworkAcls": acls})));
    let ssh = "5 123456789012 eni-1 203.0.113.7 10.0.0.5 51514 22 6 9 840 1772323200 1772323260 ACCEPT OK 2";
    let conclusions = judged(&files, &[ssh]);
    let mut found: Vec<_> = told(&conclusions, "open-network-acl")
        .into_iter()
        .map(|f| (f.network_acl.clone().unwrap(), f.cause.as_str(), f.severity, f.controls.join(" ")))
        .collect();
    found.sort();
    let row =
        |id: &str, cause, severity, controls: &str| (id.to_owned(), cause, severity, controls.to_owned());
    assert_eq!(
        found,
        [
            row("acl-all", "allow-all", Severity::Low, "EC2.21"),
            row("acl-answers", "open-administration", Severity::Informational, "EC2.21"),
            row("acl-default", "allow-all", Severity::Informational, ""),
            row("acl-left", "unused", Severity::Informational, "EC2.16"),
            row("acl-ssh", "open-administration", Severity::Low, "EC2.21"),
        ]
    );
    let default =
        told(&conclusions, "open-network-acl").into_iter().find(|f| f.evidence["default"] == true).unwrap();
    assert_eq!((default.counts["interfaces"], default.counts["connections"]), (1, 1));
}
