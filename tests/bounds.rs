//! Logs with more than a run keeps: the outputs say what is approximate, stay as good as they say, and do not depend on
//! threads.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

const START: u64 = 1_760_000_400;
/// Rejected attempts of the flood, each from an address of its own, within 10 minutes.
const FLOOD: u64 = 50_000;
/// As many again, and more, from one address.
const KNOCKS: u64 = 60_000;
/// Addresses that use the rule for the web.
const CLIENTS: u64 = 20_000;

fn address(block: u64, n: u64) -> String {
    format!("{block}.{}.{}.{}", n >> 16 & 255, n >> 8 & 255, n & 255)
}

fn write(directory: &Path) {
    let mut log = String::from(
        "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
    );
    let mut line = |source: &str, ports: (u64, u64), at: u64, action: &str| {
        let (from, to) = ports;
        let times = format!("{} {}", START + at, START + at + 1);
        writeln!(log, "2 123456789012 eni-1 {source} 10.0.0.5 {from} {to} 6 1 40 {times} {action} OK")
            .unwrap();
    };
    // A quiet day, so that the flood stands out.
    for at in (0..86_400).step_by(300) {
        line("198.51.100.9", (50_000, 23), at, "REJECT");
    }
    for n in 0..FLOOD {
        line(&address(45, n), (40_000, 8_000 + n % 3_000), 50_400 + n % 600, "REJECT");
    }
    for n in 0..KNOCKS {
        line("203.0.113.77", (1_024 + n, 22), 50_400 + n % 600, "REJECT");
    }
    for n in 0..CLIENTS {
        line(&address(52, n * 700), (50_000, 443), 40_000 + n % 600, "ACCEPT");
    }
    fs::create_dir_all(directory.join("inventory")).unwrap();
    fs::write(directory.join("flow.log"), log).unwrap();
    let put = |name: &str, value: Value| {
        fs::write(directory.join("inventory").join(format!("{name}.json")), value.to_string()).unwrap();
    };
    let rule = json!({
        "SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp",
        "FromPort": 443, "ToPort": 443, "CidrIpv4": "0.0.0.0/0",
    });
    put("describe-security-group-rules", json!({"SecurityGroupRules": [rule]}));
    let group = json!({"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1", "OwnerId": "123456789012",
        "IpPermissions": [], "IpPermissionsEgress": []});
    put("describe-security-groups", json!({"SecurityGroups": [group]}));
    let interface = json!({
        "NetworkInterfaceId": "eni-1", "InterfaceType": "interface", "VpcId": "vpc-1", "OwnerId": "123456789012",
        "SubnetId": "subnet-1", "PrivateIpAddress": "10.0.0.5", "Groups": [{"GroupId": "sg-1", "GroupName": "web"}],
        "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": "10.0.0.5"}], "Status": "in-use",
    });
    put("describe-network-interfaces", json!({"NetworkInterfaces": [interface]}));
}

fn analyze(directory: &Path, out: &str, threads: &str) -> [String; 3] {
    let out = directory.join(out);
    let status = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .args(["analyze", "--quiet", "--threads", threads, "--inventory"])
        .args([&directory.join("inventory"), Path::new("--out"), &out, &directory.join("flow.log")])
        .output()
        .unwrap();
    assert!(matches!(status.status.code(), Some(0 | 4)), "{status:?}");
    ["findings.jsonl", "rules.jsonl", "summary.json"].map(|name| fs::read_to_string(out.join(name)).unwrap())
}

fn near(value: &Value, truth: f64, errors: &Value) {
    let (value, error) = (value.as_f64().unwrap(), errors.as_f64().unwrap());
    assert!((0.0..0.2).contains(&error), "{error}");
    assert!((value / truth - 1.0).abs() <= 3.0 * error, "{value} for {truth}, error {error}");
}

#[test]
fn approximate_values_are_marked_and_good() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path());
    let one = analyze(directory.path(), "one", "1");
    assert_eq!(one, analyze(directory.path(), "two", "2"), "threads do not matter");

    let spikes: Vec<Value> = one[0]
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|finding| finding["kind"] == "rejected-spike")
        .collect();
    // Two things happened at once: somebody guesses passwords, and everybody knocks at many ports.
    let about = |cause: &str| spikes.iter().find(|spike| spike["cause"] == cause).unwrap();
    let (flood, knocks) = (about("unclassified"), about("brute-force"));
    assert_eq!(spikes.len(), 2, "{spikes:#?}");
    // The background knocks twice, too.
    assert_eq!(knocks["counts"]["attempts"], KNOCKS + 2, "attempts are counted exactly");
    assert_eq!((&knocks["remotes"][0], &knocks["ports"][0]), (&json!("203.0.113.77"), &json!(22)));
    let share = knocks["evidence"]["top_source_share"].as_f64().unwrap();
    let error = knocks["evidence"]["shares_error"].as_f64().unwrap();
    assert!((share - 1.0).abs() < 4.0 * error, "{share}");
    let (counts, evidence) = (&flood["counts"], &flood["evidence"]);
    assert_eq!(counts["attempts"], FLOOD, "attempts are counted exactly");
    for spike in [flood, knocks] {
        assert_eq!(spike["evidence"]["approximate"], true);
        assert!(spike["evidence"]["sampled_attempts"].as_u64().unwrap() > 10_000);
    }
    near(&counts["sources"], FLOOD as f64, &evidence["sources_error"]);
    near(&counts["ports"], 3_000.0, &evidence["ports_error"]);

    let rule: Value = serde_json::from_str(one[1].lines().next().unwrap()).unwrap();
    assert_eq!((&rule["rule_id"], &rule["connections"]), (&json!("sgr-1"), &json!(CLIENTS)));
    assert_eq!(rule["approximate"], true);
    assert!(rule["distinct_peers_error"].as_f64().unwrap() > 0.0);
    near(&rule["distinct_peers"], CLIENTS as f64, &rule["distinct_peers_error"]);
    assert_eq!(rule["observed_ports"], json!([{"port": 443, "connections": CLIENTS}]), "ports are exact");
}
