//! Addresses on watch lists.

use std::fs;
use std::io::Write as _;

use serde_json::json;

use super::estate::{Came, Estate, Seen, eni, told};

fn estate() -> Estate {
    let mut estate =
        Estate::new(vec![eni("eni-1", "10.0.0.1", &["sg-web"]), eni("eni-2", "10.0.0.2", &["sg-web"])]);
    estate.rules = vec![
        ("sg-web", "sgr-web", false, "tcp", (443, 443), "0.0.0.0/0"),
        ("sg-web", "sgr-out", true, "-1", (-1, -1), "0.0.0.0/0"),
    ];
    for (at, client, server, port, came) in [
        // Command and control, from two interfaces, at two services.
        (700, "10.0.0.1", "203.0.113.5", 443, Came::Through),
        (1_900, "10.0.0.2", "203.0.113.5", 8443, Came::Through),
        (2_000, "10.0.0.2", "203.0.113.5", 8443, Came::Unanswered),
        // A block, inbound and rejected; an address of it has an entry of its own.
        (2_100, "198.51.100.9", "10.0.0.1", 443, Came::Through),
        (2_200, "198.51.100.9", "10.0.0.1", 22, Came::RejectedThere),
        (2_300, "198.51.100.77", "10.0.0.1", 22, Came::RejectedThere),
        (2_400, "198.51.100.77", "10.0.0.2", 23, Came::RejectedThere),
        // Tried, never answered.
        (2_500, "10.0.0.1", "192.0.2.99", 25, Came::Unanswered),
        // Next to the list.
        (2_600, "203.0.113.6", "10.0.0.1", 443, Came::Through),
        (2_700, "10.0.0.1", "203.0.113.4", 443, Came::Through),
        (2_800, "198.51.101.1", "10.0.0.1", 443, Came::Through),
        (2_900, "10.0.0.1", "10.0.0.2", 443, Came::Through),
    ] {
        let talk = estate.talk(at, client, server, port);
        estate.say(&talk, came, Seen::Both);
    }
    estate
}

#[test]
fn each_entry_and_direction_is_told_once() {
    let directory = tempfile::tempdir().unwrap();
    let (csv, drop) = (directory.path().join("c2.csv"), directory.path().join("drop.txt.gz"));
    fs::write(
        &csv,
        "first_seen,ip,malware\r\n2025-10-01,203[.]0[.]113[.]5,Dridex\r\n2025-10-01,nowhere,x\r\n",
    )
    .unwrap();
    let mut gz = flate2::write::GzEncoder::new(fs::File::create(&drop).unwrap(), flate2::Compression::fast());
    gz.write_all(b"; DROP\n198.51.100.0/24 ; SBL1\n198.51.100.77 ; SBL2\n192.0.2.99\n").unwrap();
    gz.finish().unwrap();

    let (findings, summary) = estate().analyze("watchlist", &[csv, drop]);
    let expected = [
        (
            "contacted",
            "high",
            "outbound 2 services to 203.0.113.5 (Dridex, c2.csv) was accepted at eni-1 and 1 more interface",
        ),
        (
            "contacted",
            "medium",
            "outbound tcp 25 (SMTP) to 192.0.2.99 (no label, drop.txt.gz) was accepted at eni-1",
        ),
        (
            "let-in",
            "medium",
            "inbound tcp 443 from 198.51.100.0/24 (SBL1, drop.txt.gz) was accepted at eni-1",
        ),
        ("rejected", "informational", "2 attempts (inbound) with 1 entry of drop.txt.gz were rejected"),
    ];
    let mut all = told(&findings);
    all.sort_unstable();
    assert_eq!(all, expected);
    let c2 = findings.iter().find(|f| f["severity"] == "high").unwrap();
    assert_eq!(c2["counts"]["connections"], 3);
    assert_eq!(c2["counts"]["data"], 2);
    assert_eq!(c2["remotes"], json!(["203.0.113.5"]));
    assert_eq!(c2["evidence"]["label"], "Dridex");
    assert_eq!(c2["rule_id"], "sgr-out");
    assert_eq!(c2["evidence"]["services"][0], json!({"protocol": "tcp", "port": "8443", "connections": 2}));
    let block = findings.iter().find(|f| f["cause"] == "let-in").unwrap();
    assert_eq!(block["counts"]["rejected"], 1);
    assert_eq!(block["rule_id"], "sgr-web");
    assert_eq!(
        summary["watchlists"],
        json!([
            {"name": "c2.csv", "entries": 1, "bad_lines": 1, "accepted": 3, "rejected": 0},
            {"name": "drop.txt.gz", "entries": 3, "bad_lines": 0, "accepted": 2, "rejected": 3},
        ])
    );
    let bad =
        summary["limitations"].as_array().unwrap().iter().find(|l| l["code"] == "watchlist-lines").unwrap();
    assert_eq!((&bad["incomplete"], &bad["object"]), (&json!(false), &json!("c2.csv")));
    assert!(bad["message"].as_str().unwrap().contains("line 3, column 1"), "{bad}");
}

#[test]
fn without_a_list_nothing_is_watched() {
    let (findings, summary) = estate().analyze("watchlist", &[]);
    assert!(findings.is_empty() && summary["watchlists"] == json!([]));
}
