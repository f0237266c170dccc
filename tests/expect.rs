//! Expectations from files to findings: a small world with planted connections, each judged as of its time.
//!
//! The world is written here, line by line, and shares no code with what is tested.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// 2026-03-01T00:00:00Z: the logs begin.
const START: i64 = 1_772_323_200;
const HOUR: i64 = 3600;
/// AWS Config tells of a moved address and of changed groups.
const CHANGE: i64 = START + 6 * HOUR;

const FILE: &str = r#"
version = 1

[tier.app]
security-group = "app"

[tier.db]
tag = "Tier=db"

[tier.bastion]
security-group = "sg-bastion"

[tier.lb]
description = "ELB *"

[tier.servers]
instance = "i-*"
except = "lb"

[[expect]]
name = "db"
to = "db"
on = ["mysql", "postgresql"]
only-from = "app"
same-vpc = true
severity = "low"

[[expect]]
name = "admin"
to = "everything"
on = ["ssh", "rdp"]
only-from = ["bastion", "pl-0123456789abcdef0"]

[[expect]]
name = "lb"
to = "lb"
on = ["http", "https"]
may-from = "internet"

[[expect]]
name = "internet"
to = "everything"
never-from = "internet"

[[expect]]
name = "monitoring"
to = "servers"
on = ["tcp 9100", "icmp"]
only-from = ["10.0.6.0/24", "2001:db8:1:6::/64"]

[[expect]]
name = "egress"
from = "db"
never-to = "internet"
"#;

/// Interface, address, IPv6 address, VPC, group.
const INTERFACES: [(&str, &str, &str, &str, &str); 8] = [
    ("eni-app", "10.0.1.10", "2001:db8:1:1::10", "vpc-1", "sg-app"),
    ("eni-db", "10.0.2.10", "2001:db8:1:2::10", "vpc-1", "sg-db"),
    ("eni-db2", "10.0.2.11", "2001:db8:1:2::11", "vpc-1", "sg-db"),
    ("eni-web", "10.0.3.10", "2001:db8:1:3::10", "vpc-1", "sg-web"),
    ("eni-bastion", "10.0.4.10", "2001:db8:1:4::10", "vpc-1", "sg-bastion"),
    ("eni-lb", "10.0.5.10", "2001:db8:1:5::10", "vpc-1", "sg-web"),
    // Peered, with a group of the same name.
    ("eni-far-app", "10.9.1.10", "2001:db8:9:1::10", "vpc-9", "sg-far-app"),
    // Not peered; its addresses are those of vpc-1.
    ("eni-twin", "10.0.1.10", "2001:db8:8:1::10", "vpc-8", "sg-twin"),
];

const GROUPS: [(&str, &str, &str); 7] = [
    ("sg-app", "app", "vpc-1"),
    ("sg-db", "data", "vpc-1"),
    ("sg-web", "web", "vpc-1"),
    ("sg-bastion", "bastion", "vpc-1"),
    ("sg-far-app", "app", "vpc-9"),
    ("sg-twin", "twin", "vpc-8"),
    ("sg-none", "none", "vpc-1"),
];

fn instant(at: i64) -> String {
    chrono::DateTime::from_timestamp(at, 0).unwrap().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Everything that `describe-…` would print, by file name.
fn inventory() -> BTreeMap<&'static str, Value> {
    let interfaces: Vec<Value> = INTERFACES
        .iter()
        .map(|(id, v4, v6, vpc, group)| {
            let description = if *id == "eni-lb" { "ELB app/front/0123456789abcdef" } else { "" };
            let attachment =
                if *id == "eni-lb" { json!({}) } else { json!({"InstanceId": format!("i-{id}")}) };
            json!({"NetworkInterfaceId": id, "VpcId": vpc, "SubnetId": format!("subnet-{vpc}"),
                "OwnerId": "111122223333", "InterfaceType": "interface", "Description": description,
                "Attachment": attachment, "PrivateIpAddress": v4, "TagSet": [],
                "PrivateIpAddresses": [{"PrivateIpAddress": v4}], "Ipv6Addresses": [{"Ipv6Address": v6}],
                "Groups": [{"GroupId": group}]})
        })
        .collect();
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|(id, name, vpc)| {
            let tags = if *id == "sg-db" { json!([{"Key": "Tier", "Value": "db"}]) } else { json!([]) };
            let all = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
                "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}]);
            json!({"GroupId": id, "GroupName": name, "VpcId": vpc, "OwnerId": "111122223333", "Tags": tags,
                "IpPermissions": all, "IpPermissionsEgress": all})
        })
        .collect();
    let vpc = |id: &str, v4: &str, v6: &str| {
        json!({"VpcId": id, "OwnerId": "111122223333", "CidrBlock": v4,
            "CidrBlockAssociationSet": [{"CidrBlock": v4, "CidrBlockState": {"State": "associated"}}],
            "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": v6, "Ipv6CidrBlockState": {"State": "associated"}}]})
    };
    let vpcs = [
        vpc("vpc-1", "10.0.0.0/16", "2001:db8:1::/56"),
        vpc("vpc-9", "10.9.0.0/16", "2001:db8:9::/56"),
        vpc("vpc-8", "10.0.0.0/16", "2001:db8:8::/56"),
    ];
    let list = json!({"PrefixListId": "pl-0123456789abcdef0", "PrefixListName": "vpn", "AddressFamily": "IPv4",
        "OwnerId": "111122223333", "MaxEntries": 5});
    BTreeMap::from([
        ("describe-network-interfaces", json!({"NetworkInterfaces": interfaces})),
        ("describe-security-groups", json!({"SecurityGroups": groups})),
        ("describe-vpcs", json!({"Vpcs": vpcs})),
        ("describe-managed-prefix-lists", json!({"PrefixLists": [list]})),
        (
            "get-managed-prefix-list-entries-pl-0123456789abcdef0",
            json!({"Entries": [{"Cidr": "198.51.100.0/24"}]}),
        ),
    ])
}

/// AWS Config: 10.0.1.50 moves from an interface of app to one of web, and eni-turn leaves app for web.
fn history() -> Value {
    let item = |id: &str, at: i64, address: &str, group: &str| {
        let configuration = json!({"networkInterfaceId": id, "vpcId": "vpc-1", "subnetId": "subnet-vpc-1",
            "ownerId": "111122223333", "interfaceType": "interface", "privateIpAddress": address,
            "privateIpAddresses": [{"privateIpAddress": address}], "groups": [{"groupId": group}]});
        json!({"configurationItemCaptureTime": instant(at), "configurationStateId": at.to_string(),
            "configurationItemStatus": "OK", "resourceType": "AWS::EC2::NetworkInterface", "resourceId": id,
            "accountId": "111122223333", "awsRegion": "eu-west-1", "configuration": configuration.to_string()})
    };
    let mut gone = item("eni-old", CHANGE, "10.0.1.50", "sg-app");
    gone["configurationItemStatus"] = json!("ResourceDeleted");
    gone["configuration"] = Value::Null;
    json!({"configurationItems": [
        item("eni-old", START - HOUR, "10.0.1.50", "sg-app"),
        gone,
        item("eni-new", CHANGE + 10, "10.0.1.50", "sg-web"),
        item("eni-turn", START - HOUR, "10.0.1.60", "sg-app"),
        item("eni-turn", CHANGE, "10.0.1.60", "sg-web"),
        // Recorded from then on; what it was before nobody knows.
        item("eni-late", CHANGE, "10.0.1.70", "sg-web"),
    ]})
}

/// A connection as one interface logs it, opened by the other side (`in`) or by itself (`out`).
#[derive(Clone, Copy)]
struct Seen {
    at: i64,
    interface: &'static str,
    local: &'static str,
    way: &'static str,
    remote: &'static str,
    protocol: u8,
    port: u16,
}

const fn tcp(at: i64, interface: &'static str, local: &'static str, remote: &'static str, port: u16) -> Seen {
    Seen { at: START + at, interface, local, way: "in", remote, protocol: 6, port }
}

fn lines(number: usize, seen: &Seen) -> Vec<String> {
    let Seen { at, interface, local, way, remote, protocol, port } = seen;
    let client = 40_000 + number;
    let ports = if [6, 17].contains(protocol) { (client, usize::from(*port)) } else { (0, 0) };
    let (opener, other) = if *way == "in" { (remote, local) } else { (local, remote) };
    let (there, back) = if *way == "in" { ("ingress", "egress") } else { ("egress", "ingress") };
    let flags = if *protocol == 6 { ("2", "18") } else { ("0", "0") };
    let line = |from: &str, to: &str, ports: (usize, usize), end: i64, flags: &str, way: &str| {
        format!(
            "5 111122223333 {interface} {from} {to} {} {} {protocol} 5 500 {at} {end} ACCEPT OK {flags} {way}",
            ports.0, ports.1
        )
    };
    let first = line(opener, other, ports, at + 30, flags.0, there);
    if *protocol == 1 || *protocol == 58 {
        // One way only, so that it is clear who began.
        return vec![first];
    }
    vec![first, line(other, opener, (ports.1, ports.0), at + 31, flags.1, back)]
}

const DB: &str = "10.0.2.10";

/// What breaks an expectation, by the expectation's name.
fn planted() -> Vec<(&'static str, Seen)> {
    let change = CHANGE - START;
    let v6 = "2001:db8:1:2::10";
    vec![
        // Not of the tier; the second interface of the tier; the third is the same service again.
        ("db", tcp(100, "eni-db", DB, "10.0.3.10", 3306)),
        ("db", tcp(200, "eni-db2", "10.0.2.11", "10.0.3.10", 3306)),
        ("db", tcp(300, "eni-db", DB, "10.0.4.10", 3306)),
        ("db", tcp(400, "eni-db", v6, "2001:db8:1:3::10", 5432)),
        // Of a group of that name, but in another VPC.
        ("db", tcp(500, "eni-db", DB, "10.9.1.10", 5432)),
        // Nobody knows whose it is, but it is not of the VPC.
        ("db", tcp(501, "eni-db", DB, "192.168.7.7", 5432)),
        ("db", tcp(change + 100, "eni-db", DB, "10.0.1.70", 3306)),
        // Well after the address moved, and after the interface left the group.
        ("db", tcp(change + 80, "eni-db", DB, "10.0.1.50", 3306)),
        ("db", tcp(change + 61, "eni-db", DB, "10.0.1.60", 3306)),
        ("admin", tcp(600, "eni-web", "10.0.3.10", "10.0.1.10", 22)),
        ("admin", tcp(601, "eni-db", DB, "10.0.1.10", 22)),
        // Both: neither only- nor never- silences the other.
        ("admin", tcp(700, "eni-web", "10.0.3.10", "203.0.113.9", 3389)),
        ("internet", tcp(800, "eni-web", "10.0.3.10", "203.0.113.9", 443)),
        ("internet", tcp(801, "eni-lb", "10.0.5.10", "203.0.113.9", 8080)),
        ("internet", tcp(802, "eni-web", "2001:db8:1:3::10", "2a00:1450::9", 443)),
        ("monitoring", tcp(900, "eni-web", "10.0.3.10", "10.0.7.7", 9100)),
        ("monitoring", Seen { protocol: 1, port: 0, ..tcp(901, "eni-web", "10.0.3.10", "10.0.7.7", 0) }),
        (
            "monitoring",
            Seen { protocol: 58, port: 0, ..tcp(902, "eni-web", "2001:db8:1:3::10", "2001:db8:1:7::7", 0) },
        ),
        ("egress", Seen { way: "out", ..tcp(1000, "eni-db", DB, "203.0.113.80", 443) }),
    ]
}

/// As expected, or about nothing that is expected.
fn harmless() -> Vec<Seen> {
    let change = CHANGE - START;
    vec![
        tcp(100, "eni-db", DB, "10.0.1.10", 3306),
        tcp(101, "eni-db", "2001:db8:1:2::10", "2001:db8:1:1::10", 5432),
        // The same at the other end.
        Seen { way: "out", ..tcp(100, "eni-app", "10.0.1.10", DB, 3306) },
        // What breaks it at the target is not told at the source again.
        Seen { way: "out", ..tcp(100, "eni-web", "10.0.3.10", DB, 3306) },
        tcp(102, "eni-db", DB, "10.0.3.10", 8080),
        Seen { protocol: 17, ..tcp(103, "eni-db", DB, "10.0.3.10", 3306) },
        // Before the change, and as long as either side explains.
        tcp(change - 400, "eni-db", DB, "10.0.1.50", 3306),
        tcp(change - 400, "eni-db", DB, "10.0.1.60", 3306),
        tcp(change + 40, "eni-db", DB, "10.0.1.60", 3306),
        tcp(600, "eni-web", "10.0.3.10", "10.0.4.10", 22),
        // Public, but named by `admin`: `internet` yields.
        tcp(601, "eni-bastion", "10.0.4.10", "198.51.100.7", 22),
        tcp(700, "eni-lb", "10.0.5.10", "203.0.113.9", 443),
        tcp(701, "eni-lb", "2001:db8:1:5::10", "2a00:1450::9", 80),
        Seen { way: "out", ..tcp(800, "eni-web", "10.0.3.10", "203.0.113.80", 443) },
        tcp(900, "eni-web", "10.0.3.10", "10.0.6.7", 9100),
        tcp(902, "eni-web", "2001:db8:1:3::10", "2001:db8:1:6::7", 9100),
        // The load balancer is no server.
        tcp(903, "eni-lb", "10.0.5.10", "10.0.7.7", 9100),
    ]
}

/// Of these nothing can be said: nobody knows whose address that was.
fn unsaid() -> Vec<Seen> {
    vec![
        tcp(2000, "eni-db", DB, "10.0.8.8", 3306),
        tcp(2003, "eni-db", DB, "10.0.1.70", 3306),
        tcp(2001, "eni-web", "10.0.3.10", "192.168.7.7", 22),
        tcp(2002, "eni-db", "2001:db8:1:2::10", "2001:db8:1:8::8", 3306),
    ]
}

fn write(root: &Path, seen: &[Seen], without: &[&str]) {
    fs::create_dir_all(root.join("inventory")).unwrap();
    fs::create_dir_all(root.join("logs")).unwrap();
    for (name, body) in inventory().iter().filter(|(name, _)| !without.contains(name)) {
        fs::write(root.join(format!("inventory/{name}.json")), body.to_string()).unwrap();
    }
    fs::write(root.join("inventory/config.json"), history().to_string()).unwrap();
    fs::write(root.join("expectations.toml"), FILE).unwrap();
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                  log-status tcp-flags flow-direction";
    let all: Vec<String> = seen.iter().enumerate().flat_map(|(number, seen)| lines(number, seen)).collect();
    // In several files, so that threads have something to share.
    for (number, part) in all.chunks(7).enumerate() {
        let text = format!("{header}\n{}\n", part.join("\n"));
        fs::write(root.join(format!("logs/{number}.log")), text).unwrap();
    }
}

/// Runs the program; returns the findings of the cause `expectation`, and every output as it is.
fn run(root: &Path, threads: &str) -> (Vec<Value>, BTreeMap<&'static str, String>) {
    let output = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .current_dir(root)
        .args(["analyze", "logs", "--inventory", "inventory", "--expect", "expectations.toml"])
        .args(["--only", "unexpected-accept", "--quiet", "--out", "out", "--threads", threads])
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{output:?}");
    let outputs: BTreeMap<&str, String> = ["findings.jsonl", "rules.jsonl", "summary.json"]
        .map(|name| (name, fs::read_to_string(root.join("out").join(name)).unwrap()))
        .into();
    let findings = outputs["findings.jsonl"].lines().map(|line| serde_json::from_str(line).unwrap());
    (findings.filter(|f: &Value| f["cause"] == "expectation").collect(), outputs)
}

/// (expectation, service) with its interfaces, remotes and connections.
type Told = BTreeMap<(String, String), (BTreeSet<String>, BTreeSet<String>, u64)>;

fn told(findings: &[Value]) -> Told {
    let strings = |value: &Value| -> BTreeSet<String> {
        value.as_array().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect()
    };
    let mut told = Told::new();
    for finding in findings {
        let service = format!("{} {} {}", finding["protocol"], finding["ports"], finding["direction"]);
        let name = finding["evidence"]["expectation"].as_str().unwrap().to_owned();
        let what = (
            strings(&finding["interfaces"]),
            strings(&finding["remotes"]),
            finding["counts"]["connections"].as_u64().unwrap(),
        );
        assert!(told.insert((name, service), what).is_none(), "told twice: {finding}");
    }
    told
}

fn wanted(planted: &[(&'static str, Seen)]) -> Told {
    let mut wanted = Told::new();
    let mut put = |name: &str, seen: &Seen| {
        let protocol = match seen.protocol {
            1 => "icmp",
            6 => "tcp",
            17 => "udp",
            _ => "icmpv6",
        };
        let ports =
            if [6, 17].contains(&seen.protocol) { format!("[{}]", seen.port) } else { "[]".to_owned() };
        let direction = if seen.way == "in" { "inbound" } else { "outbound" };
        let service = format!("\"{protocol}\" {ports} \"{direction}\"");
        let entry = wanted.entry((name.to_owned(), service)).or_default();
        entry.0.insert(seen.interface.to_owned());
        entry.1.insert(seen.remote.to_owned());
        entry.2 += 1;
    };
    for (name, seen) in planted {
        put(name, seen);
        if *name == "admin" && seen.remote == "203.0.113.9" {
            put("internet", seen);
        }
    }
    wanted
}

#[test]
fn what_was_planted_is_told_and_nothing_else() {
    let root = tempfile::tempdir().unwrap();
    let seen: Vec<Seen> =
        planted().into_iter().map(|(_, seen)| seen).chain(harmless()).chain(unsaid()).collect();
    write(root.path(), &seen, &[]);
    let (findings, outputs) = run(root.path(), "1");
    assert_eq!(told(&findings), wanted(&planted()));

    let of = |name: &str, service: &str| {
        let of = |f: &&Value| {
            f["evidence"]["expectation"] == name && f["ports"] == json!([service.parse::<u16>().unwrap()])
        };
        findings.iter().find(of).unwrap()
    };
    let db = of("db", "3306");
    assert_eq!((&db["severity"], &db["grade"]), (&json!("low"), &json!("reliable")));
    assert_eq!(db["evidence"]["expectation_at"], "expectations.toml:21");
    assert_eq!(db["evidence"]["tier"], "db");
    assert_eq!(db["evidence"]["verdicts"], json!({"permitted": db["counts"]["connections"]}));
    assert_eq!(db["evidence"]["opener_evidence"], json!({"tcp-flags": db["counts"]["connections"]}));
    assert_eq!(db["evidence"]["rules"].as_array().unwrap().len(), 1, "the rule that let it in");
    assert_eq!((&db["start"], &db["vpc"]), (&json!(instant(START + 100)), &json!("vpc-1")));
    assert_eq!(of("internet", "3389")["severity"], "critical");
    assert_eq!(of("internet", "443")["severity"], "high");
    assert_eq!(of("admin", "22")["severity"], "medium");

    let summary: Value = serde_json::from_str(&outputs["summary.json"]).unwrap();
    let limits = summary["limitations"].as_array().unwrap();
    let limit: Vec<&Value> = limits.iter().filter(|l| l["code"] == "not-judged-by-expectation").collect();
    let said: Vec<(&str, &str)> = limit
        .iter()
        .map(|l| {
            (l["object"].as_str().unwrap(), l["message"].as_str().unwrap().split(" it ").next().unwrap())
        })
        .collect();
    // One of the first is as expected whichever group the interface was in: within the minute after the change.
    let wanted = [
        ("expectations.toml:21", "of 5 accepted connections"),
        ("expectations.toml:29", "of 1 accepted connections"),
    ];
    assert_eq!(said, wanted);

    for threads in ["2", "7"] {
        assert_eq!(run(root.path(), threads).1, outputs, "{threads} threads");
    }
}

#[test]
fn what_is_not_known_accuses_nobody() {
    let root = tempfile::tempdir().unwrap();
    let seen: Vec<Seen> = planted().into_iter().map(|(_, seen)| seen).chain(harmless()).collect();
    let all = wanted(&planted());
    // What is withheld, and which expectations still can be judged for certain.
    for (without, still) in [
        (vec!["describe-network-interfaces"], vec!["admin", "internet"]),
        (vec!["describe-security-groups"], vec!["admin", "internet", "monitoring"]),
        (
            vec!["get-managed-prefix-list-entries-pl-0123456789abcdef0"],
            vec!["db", "internet", "monitoring", "egress", "admin"],
        ),
        (
            vec!["describe-managed-prefix-lists", "get-managed-prefix-list-entries-pl-0123456789abcdef0"],
            vec!["db", "internet", "monitoring", "egress"],
        ),
        (vec!["describe-vpcs"], vec!["db", "admin", "internet", "monitoring", "egress"]),
    ] {
        let place = root.path().join(without.join("-"));
        write(&place, &seen, &without);
        let (findings, _) = run(&place, "2");
        for ((name, service), (interfaces, remotes, connections)) in told(&findings) {
            let (known_interfaces, known_remotes, known) = &all[&(name.clone(), service)];
            assert!(still.contains(&name.as_str()), "{name} without {without:?}");
            assert!(interfaces.is_subset(known_interfaces) && remotes.is_subset(known_remotes));
            assert!(connections <= *known, "{name} without {without:?}");
        }
    }
}

#[test]
fn without_the_file_nothing_is_told() {
    let root = tempfile::tempdir().unwrap();
    let seen: Vec<Seen> = planted().into_iter().map(|(_, seen)| seen).collect();
    write(root.path(), &seen, &[]);
    fs::write(
        root.path().join("expectations.toml"),
        "version = 1\n[[expect]]\nname = \"x\"\nto = \"everything\"\nmay-from = \"anywhere\"\n",
    )
    .unwrap();
    assert_eq!(run(root.path(), "2").0, Vec::<Value>::new());
}
