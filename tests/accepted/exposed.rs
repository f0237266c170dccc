//! Services that the internet reaches.

use serde_json::{Value, json};

use super::estate::{Came, Estate, Seen, eni, told};

/// SSH for everybody (and for one office, too), a database for a broad block, a desktop for one address, files for nobody.
fn estate() -> Estate {
    let mut estate = Estate::new(vec![
        eni("eni-1", "10.0.0.1", &["sg-admin", "sg-web"]),
        eni("eni-2", "10.0.0.2", &["sg-admin"]),
        eni("eni-3", "10.0.0.3", &["sg-db"]),
        super::estate::Eni { kind: "nat_gateway", ..eni("eni-4", "10.0.0.4", &[]) },
    ]);
    estate.rules = vec![
        ("sg-admin", "sgr-ssh", false, "tcp", (22, 22), "0.0.0.0/0"),
        ("sg-admin", "sgr-office", false, "tcp", (20, 30), "203.0.113.0/24"),
        ("sg-admin", "sgr-rdp", false, "tcp", (3389, 3389), "203.0.113.9/32"),
        ("sg-web", "sgr-web", false, "tcp", (443, 443), "0.0.0.0/0"),
        ("sg-db", "sgr-mysql", false, "tcp", (3306, 3306), "198.51.0.0/16"),
        ("sg-db", "sgr-redis", false, "tcp", (6379, 6379), "0.0.0.0/0"),
        ("sg-db", "sgr-smb", false, "tcp", (445, 445), "0.0.0.0/0"),
        ("sg-db", "sgr-inside", false, "tcp", (5432, 5432), "10.0.0.0/8"),
    ];
    // SSH: two sessions at two interfaces, one of them by two rules; probes; and one from inside.
    for (at, client, server, came) in [
        (700, "192.0.2.7", "10.0.0.1", Came::Through),
        (2_000, "203.0.113.8", "10.0.0.2", Came::Through),
        (2_100, "192.0.2.9", "10.0.0.2", Came::Unanswered),
        (2_200, "192.0.2.10", "10.0.0.2", Came::Refused),
        (2_300, "10.0.0.1", "10.0.0.2", Came::Through),
        (2_400, "192.0.2.66", "10.0.0.3", Came::RejectedThere),
    ] {
        let talk = estate.talk(at, client, server, 22);
        estate.say(&talk, came, Seen::Both);
    }
    for (at, client, server, port, came) in [
        (3_000, "203.0.113.9", "10.0.0.1", 3389, Came::Through),
        (3_100, "198.51.100.4", "10.0.0.3", 3306, Came::Through),
        (3_200, "192.0.2.20", "10.0.0.3", 6379, Came::Through),
        (3_300, "192.0.2.21", "10.0.0.3", 445, Came::Unanswered),
        (3_400, "192.0.2.22", "10.0.0.1", 443, Came::Through),
        (3_500, "10.9.0.1", "10.0.0.3", 5432, Came::Through),
        (3_600, "10.0.0.3", "192.0.2.30", 22, Came::Through),
        // A NAT gateway accepts what it drops.
        (3_700, "192.0.2.23", "10.0.0.4", 23, Came::Unanswered),
        // Nothing permits it: that is told as unexpected.
        (3_800, "192.0.2.24", "10.0.0.1", 21, Came::Through),
    ] {
        let talk = estate.talk(at, client, server, port);
        estate.say(&talk, came, Seen::Both);
    }
    estate
}

fn find(findings: &[Value], port: u16) -> &Value {
    findings.iter().find(|f| f["ports"] == json!([port])).unwrap()
}

#[test]
fn each_exposed_service_is_told_once_with_its_rules() {
    let (findings, _) = estate().analyze("exposed-service", &[]);
    let brief: Vec<_> = findings
        .iter()
        .map(|f| {
            (f["ports"][0].as_u64().unwrap(), f["severity"].as_str().unwrap(), f["cause"].as_str().unwrap())
        })
        .collect();
    let expected = [
        (6379, "critical", "database"),
        (22, "high", "administration"),
        (3306, "high", "database"),
        (445, "low", "file-sharing"),
        (3389, "low", "administration"),
    ];
    let mut sorted = brief.clone();
    sorted.sort_by_key(|(port, ..)| expected.iter().position(|(p, ..)| p == port));
    assert_eq!(sorted, expected, "{:#?}", told(&findings));

    let ssh = find(&findings, 22);
    assert_eq!(ssh["rule_id"], "sgr-ssh");
    assert_eq!(ssh["security_group"], "sg-admin");
    assert_eq!(ssh["interfaces"], json!(["eni-1", "eni-2"]));
    let rules: Vec<&str> = ssh["evidence"]["permitting_rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["rule_id"].as_str().unwrap())
        .collect();
    assert_eq!(rules.len(), 2);
    assert!(rules.contains(&"sgr-ssh") && rules.contains(&"sgr-office"));
    let counts = &ssh["counts"];
    for (name, count) in [
        ("connections", 4),
        ("data", 2),
        ("answered", 0),
        ("refused", 1),
        ("unanswered", 1),
        ("distinct_remotes", 4),
        ("remotes_with_data", 2),
        ("bytes", 2 * 20_400 + 120 + 100),
    ] {
        assert_eq!(counts[name], count, "{name}");
    }
    assert_eq!(ssh["controls"], json!(["EC2.13", "EC2.18", "EC2.19", "EC2.21", "EC2.53"]));
    assert_eq!(ssh["network_acl"], "acl-1");
    assert_eq!(ssh["grade"], "reliable");
    assert!(ssh["start"].as_str().unwrap() < ssh["end"].as_str().unwrap());

    assert_eq!(
        find(&findings, 3389)["controls"],
        json!(["EC2.21"]),
        "one address may come, but the ACL is open"
    );
    assert_eq!(find(&findings, 3306)["controls"], json!([]));
    assert_eq!(find(&findings, 445)["controls"], json!(["EC2.18", "EC2.19"]));
    assert_eq!(find(&findings, 445)["counts"]["data"], 0);
}

#[test]
fn a_closed_network_acl_breaks_no_control() {
    let mut estate = estate();
    estate.acl = vec![
        (90, false, false, "0.0.0.0/0"),
        (100, true, false, "0.0.0.0/0"),
        (100, true, true, "0.0.0.0/0"),
    ];
    let (findings, _) = estate.analyze("exposed-service", &[]);
    assert!(findings.iter().all(|f| !f["controls"].as_array().unwrap().contains(&json!("EC2.21"))));
}
