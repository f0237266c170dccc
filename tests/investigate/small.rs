//! Every kind of subject in the small world, whose answers can be worked out from its lines.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::investigate::hand::{DAY, Hand, T0};
use crate::investigate::support::{flowgate, program, text};

static HAND: LazyLock<Hand> = LazyLock::new(Hand::new);

fn ask(subject: &str, more: &[&str]) -> Value {
    HAND.ask(subject, more)
}

fn end<'v>(told: &'v Value, name: &str) -> &'v Value {
    let ends = told["ends"].as_array().unwrap();
    ends.iter().find(|end| end["end"] == name).unwrap_or_else(|| panic!("no end {name}: {told:#}"))
}

fn ends(told: &Value) -> Vec<&str> {
    told["ends"].as_array().unwrap().iter().map(|end| end["end"].as_str().unwrap()).collect()
}

fn time(offset: i64) -> String {
    chrono::DateTime::from_timestamp(T0 + offset, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Connections; opened by the subject, the other side, unknown; accepted; bytes sent, received.
fn sums(of: &Value) -> [u64; 7] {
    let names = [
        "connections",
        "opened_by_subject",
        "opened_by_peer",
        "opener_unknown",
        "accepted",
        "bytes_sent",
        "bytes_received",
    ];
    names.map(|name| of[name].as_u64().unwrap_or_else(|| panic!("{name}: {of:#}")))
}

fn keyed<'v>(list: &'v Value, key: &str) -> Vec<(&'v str, [u64; 7])> {
    let list = list["by_connections"].as_array().unwrap();
    list.iter().map(|one| (one[key].as_str().unwrap(), sums(one))).collect()
}

fn codes(told: &Value) -> Vec<&str> {
    told["limits"].as_array().unwrap().iter().map(|limit| limit["code"].as_str().unwrap()).collect()
}

#[test]
fn an_address_from_outside() {
    let told = ask("203.0.113.7", &[]);
    assert_eq!(told["found"], true);
    assert_eq!((&told["identity"]["inside"], &told["identity"]["scope"]), (&json!(false), &json!("public")));
    assert_eq!(ends(&told), ["others"]);
    let view = end(&told, "others");
    // Two that web let in, one that it did not. Sent: what went to the interface.
    assert_eq!(sums(&view["total"]), [3, 3, 0, 0, 2, 1_300, 5_900]);
    assert_eq!(view["total"]["first"], time(100));
    assert_eq!(view["total"]["last"], time(2 * DAY + 60));
    assert_eq!(view["total"]["verdicts"], json!({ "permitted": 2, "rejected": 1 }));
    assert_eq!(view["total"]["rejected_packets_sent"], 1);
    assert_eq!(keyed(&view["peers"], "address"), [("10.0.1.10", [3, 3, 0, 0, 2, 1_300, 5_900])]);
    assert_eq!(keyed(&view["interfaces"], "interface"), [("eni-0a01", [3, 3, 0, 0, 2, 1_300, 5_900])]);
    assert_eq!(view["interfaces"]["by_connections"][0]["instance"], "i-0a01");
    let services: Vec<(u64, u64)> = view["services"]["by_connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["port"].as_u64().unwrap(), one["connections"].as_u64().unwrap()))
        .collect();
    assert_eq!(services, [(443, 2), (22, 1)]);
    // On the third day the rule for its network may have gone already: the other one explains it as well.
    let rules = keyed(&view["rules"], "rule_id");
    let both = [("sgr-0a01", [2, 2, 0, 0, 2, 1_300, 5_900]), ("sgr-0a02", [1, 1, 0, 0, 1, 1_000, 5_000])];
    assert_eq!(rules, both);
    assert_eq!(
        view["reasons"],
        json!([
            { "verdict": "permitted", "reason": "", "connections": 2 },
            { "verdict": "rejected", "reason": "security-group", "connections": 1 },
        ])
    );
    let steps = view["time_line"]["steps"].as_array().unwrap();
    let days: Vec<(u64, bool, u64)> = steps
        .iter()
        .map(|step| {
            let n = |name: &str| step[name].as_u64().unwrap();
            (n("connections"), step["no_records"].as_bool().unwrap(), n("new_peers"))
        })
        .collect();
    assert_eq!(days, [(2, false, 1), (0, true, 0), (1, false, 0), (0, false, 0)]);
    assert_eq!(codes(&told), ["days-without-records", "no-findings"]);
    // The rule that names its network went between the second and the third inventory.
    let changes = told["changes"]["list"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{changes:#?}");
    assert_eq!(changes[0]["rule_id"], "sgr-0a02");
    assert_eq!(changes[0]["what"], "rule removed: inbound tcp 443 from 203.0.113.0/24");
    assert_eq!((&changes[0]["from"], &changes[0]["to"]), (&json!(time(DAY)), &json!(time(3 * DAY + 21_600))));
}

#[test]
fn an_address_inside_is_told_at_both_ends() {
    let told = ask("10.0.2.20", &[]);
    assert_eq!(told["identity"]["inside"], true);
    assert_eq!(told["identity"]["interfaces"][0]["interface"], "eni-0b01");
    assert_eq!(ends(&told), ["own", "others"]);
    let own = end(&told, "own");
    assert_eq!(sums(&own["total"]), [2, 0, 2, 0, 2, 4_130, 520]);
    assert_eq!(own["total"]["verdicts"], json!({ "permitted": 1, "escaped": 1 }));
    let escape = &own["escapes"][0];
    assert_eq!((&escape["remote"], &escape["reason"]), (&json!("192.0.2.66"), &json!("no-rule")));
    assert_eq!((&escape["bytes_sent"], &escape["bytes_received"]), (&json!(130), &json!(120)));
    // At web: one of an hour, and one over midnight that counts once; at the NAT gateway: one that it opened.
    let others = end(&told, "others");
    assert_eq!(sums(&others["total"]), [3, 1, 2, 0, 3, 4_000 + 4_500 + 330, 400 + 450 + 3_300]);
    assert_eq!(others["total"]["continued_days"], 1);
    assert!(codes(&told).contains(&"continued") && codes(&told).contains(&"both-ends"));
    // The gateway's record names the packet's destination as its local end.
    let peers: Vec<&str> = keyed(&others["peers"], "address").into_iter().map(|(peer, _)| peer).collect();
    assert_eq!(peers, ["10.0.1.10", "198.51.100.200"]);
}

#[test]
fn an_address_behind_a_gateway_is_outside() {
    let told = ask("198.51.100.200", &[]);
    assert_eq!(told["identity"]["inside"], false);
    assert_eq!(ends(&told), ["others", "passing"]);
    assert_eq!(sums(&end(&told, "others")["total"]), [1, 0, 1, 0, 1, 3_300, 330]);
    assert_eq!(sums(&end(&told, "passing")["total"]), [1, 0, 1, 0, 1, 3_300, 330]);
    // Without an inventory the same follows from the address being public.
    let store = HAND.store();
    let output = flowgate(0, &[&"investigate", &"198.51.100.200", &"--store", &store, &"--format", &"json"]);
    let told: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(ends(&told), ["others", "passing"]);
}

#[test]
fn ipv6() {
    let told = ask("2001:0DB8:9:0::7", &[]);
    assert_eq!(told["subject"]["text"], "2001:db8:9::7");
    assert_eq!(sums(&end(&told, "others")["total"]), [1, 1, 0, 0, 1, 200, 300]);
    assert_eq!(keyed(&end(&told, "others")["rules"], "rule_id")[0].0, "sgr-0a03");
    let told = ask("2001:db8:1::/64", &[]);
    assert_eq!(sums(&end(&told, "own")["total"]), [1, 0, 1, 0, 1, 300, 200]);
}

#[test]
fn a_network_tells_each_row_once() {
    let told = ask("10.0.0.0/16", &[]);
    // The leg whose local end is the destination of a packet that passes is seen from the others' end.
    assert_eq!(ends(&told), ["own", "others"]);
    assert_eq!(sums(&end(&told, "others")["total"]), [1, 1, 0, 0, 1, 330, 3_300]);
    let own = end(&told, "own");
    assert_eq!(own["total"]["connections"], 9);
    let addresses: Vec<(&str, u64)> =
        keyed(&own["addresses"], "address").into_iter().map(|(address, sums)| (address, sums[0])).collect();
    assert_eq!(addresses, [("10.0.1.10", 6), ("10.0.2.20", 2), ("10.0.0.5", 1)]);
}

#[test]
fn an_interface_and_its_instance_say_the_same() {
    let (interface, instance) = (ask("eni-0a01", &[]), ask("i-0a01", &[]));
    let of = |told: &Value| sums(&end(told, "own")["total"]);
    // Six of IPv4 and one of IPv6; two it opened. Sent: 5000+900+700+300 answers, 400+450 questions.
    assert_eq!(of(&interface), [7, 2, 5, 0, 6, 7_750, 1_000 + 300 + 500 + 200 + 4_000 + 4_500]);
    assert_eq!(of(&instance), of(&interface));
    assert_eq!(instance["identity"]["interfaces"][0]["interface"], "eni-0a01");
    assert_eq!(instance["identity"]["security_groups"][0]["security_group"], "sg-0a01");
}

#[test]
fn a_group_its_rules_and_those_that_name_it() {
    let told = ask("sg-0a01", &[]);
    assert_eq!(sums(&end(&told, "own")["total"])[0], 7);
    let rules = told["identity"]["rules"].as_array().unwrap();
    let used = |id: &str| {
        let rule = rules.iter().find(|rule| rule["rule_id"] == id).unwrap();
        let used = &rule["used"];
        (used["connections"].as_u64().unwrap(), used["sole_connections"].as_u64().unwrap())
    };
    assert_eq!(rules.len(), 4);
    assert_eq!(used("sgr-0a03"), (1, 1));
    assert_eq!(used("sgr-0a04"), (2, 2));
    assert_eq!(used("sgr-0a01").0, 3);
    assert_eq!(told["identity"]["referenced_by"][0]["rule_id"], "sgr-0b01");
}

#[test]
fn a_rule() {
    let told = ask("sgr-0b01", &[]);
    let own = end(&told, "own");
    assert_eq!(sums(&own["total"]), [1, 0, 1, 0, 1, 4_000, 400]);
    assert_eq!(own["total"]["sole_connections"], 1);
    assert_eq!(told["identity"]["rules"][0]["peer"], "sg-0a01");
    assert_eq!(told["identity"]["security_groups"][0]["security_group"], "sg-0b01");
}

#[test]
fn around_a_time() {
    let at = time(300);
    let told = ask("eni-0a01", &["--around", &at, "--span", "3m"]);
    let around = &end(&told, "own")["around"];
    // From 120 to 480: the rejected one before; the one at 300 and the one at 400 after.
    assert_eq!(sums(&around["before"])[0], 1);
    assert_eq!(around["before"]["rejected"], 1);
    assert_eq!(sums(&around["after"]), [2, 1, 1, 0, 2, 1_100, 4_500]);
    let near: Vec<&str> =
        around["nearest"].as_array().unwrap().iter().map(|one| one["start"].as_str().unwrap()).collect();
    assert_eq!(near, [time(200), time(300), time(400)]);
    let contacts: Vec<&str> = end(&told, "own")["first_contacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["address"].as_str().unwrap())
        .collect();
    assert_eq!(contacts, ["198.51.100.99", "10.0.2.20"], "203.0.113.7 came before");
    let steps = end(&told, "own")["time_line"]["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["connections"].as_u64().unwrap()).sum::<u64>(), 3);
    // Unix seconds, and a date for its whole day.
    let seconds = (T0 + 300).to_string();
    assert_eq!(ask("eni-0a01", &["--around", &seconds, "--span", "3m"]), told);
    let day = ask("eni-0a01", &["--around", "2026-03-01"]);
    let around = &end(&day, "own")["around"];
    assert_eq!(sums(&around["before"])[0] + sums(&around["after"])[0], 5);
}

#[test]
fn from_and_to() {
    let told = ask("203.0.113.7", &["--from", "2026-03-02", "--to", "2026-03-04"]);
    assert_eq!(sums(&end(&told, "others")["total"]), [1, 1, 0, 0, 1, 300, 900]);
    assert!(codes(&told).contains(&"from"));
    let told = ask("203.0.113.7", &["--from", "2026-03-04"]);
    assert_eq!(told["found"], false);
}

#[test]
fn what_there_is_nothing_of_comes_with_what_is_near() {
    let told = ask("203.0.113.9", &[]);
    assert_eq!((&told["found"], &told["ends"]), (&json!(false), &json!([])));
    assert_eq!(told["nearest"]["block"], "203.0.113.0/24");
    assert_eq!(told["nearest"]["block_connections"], 3);
    let told = ask("10.0.77.1", &[]);
    assert_eq!(told["identity"]["subnets"][0]["subnet"], "subnet-0a01");
    let told = ask("eni-0a02", &[]);
    assert_eq!(told["nearest"]["ids"], json!(["eni-0a01"]));
    let told = ask("sgr-0a02", &["--from", "2026-03-04"]);
    assert_eq!((&told["found"], &told["nearest"]["configured"]), (&json!(false), &json!(true)));
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let store = HAND.store();
    let complain = |exit: i32, words: &[&str]| {
        let mut command = program();
        let output = command.arg("investigate").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(exit), "{words:?} {}", text(&output.stderr));
        text(&output.stderr)
    };
    let store = store.to_str().unwrap();
    assert!(complain(2, &["web-1", "--store", store]).contains("name an address like 203.0.113.7"));
    assert!(complain(2, &["vpc-0a01", "--store", store]).contains("can't be investigated as a whole"));
    assert!(complain(2, &["10.0.0.1", "--store", "/nowhere"]).contains("there is no store"));
    let wrong =
        complain(2, &["10.0.0.1", "--store", store, "--around", "noon", "--span", "1y", "--top", "0"]);
    for part in ["--around noon: not a time", "--span 1y: not a span", "--top 0"] {
        assert!(wrong.contains(part), "{wrong}");
    }
    let page = complain(2, &["10.0.0.1", "--store", store, "--report", "page.json"]);
    assert!(page.contains("the report is HTML"));
}

#[test]
fn the_same_is_said_whatever_the_threads() {
    let store = HAND.store();
    let say = |threads: &str| {
        flowgate(0, &[&"investigate", &"10.0.0.0/8", &"--store", &store, &"--threads", &threads]).stdout
    };
    assert_eq!(say("1"), say("7"));
}

#[test]
fn the_tables_of_the_store_say_what_the_inventory_says() {
    let store = HAND.store();
    for subject in ["10.0.2.20", "eni-0a01", "i-0b01", "sg-0a01", "sgr-0a02", "203.0.113.7"] {
        let by_inventory = ask(subject, &[]);
        let output = flowgate(0, &[&"investigate", &subject, &"--store", &store, &"--format", &"json"]);
        let by_tables: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
        for key in ["ends", "names", "changes", "limits"] {
            assert_eq!(by_tables[key], by_inventory[key], "{subject}: {key}");
        }
        for key in ["inside", "interfaces", "security_groups", "rules", "referenced_by"] {
            assert_eq!(by_tables["identity"][key], by_inventory["identity"][key], "{subject}: {key}");
        }
    }
}

#[test]
fn what_could_not_be_read_makes_it_incomplete() {
    let directory = tempfile::tempdir().unwrap();
    let (logs, store) = (directory.path().join("logs"), directory.path().join("store"));
    std::fs::create_dir(&logs).unwrap();
    std::fs::copy(HAND.path("flow.log"), logs.join("a.log")).unwrap();
    // A gzip stream that ends before its time.
    std::fs::write(logs.join("b.log.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 75]).unwrap();
    flowgate(4, &[&"ingest", &logs, &"--inventory", &HAND.path("inventory"), &"--store", &store]);
    let told = flowgate(4, &[&"investigate", &"203.0.113.7", &"--store", &store, &"--format", &"json"]);
    let told: Value = serde_json::from_str(&text(&told.stdout)).unwrap();
    assert_eq!(told["incomplete"], true);
    assert_eq!(codes(&told)[0], "unread-objects");
}

#[test]
fn without_an_inventory_a_store_says_what_it_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    flowgate(0, &[&"ingest", &HAND.path("flow.log"), &"--store", &store]);
    let output = flowgate(0, &[&"investigate", &"eni-0a01", &"--store", &store, &"--format", &"json"]);
    let told: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(sums(&end(&told, "own")["total"])[0], 7);
    assert_eq!(told["identity"]["interfaces"][0]["in_inventory"], false);
    assert_eq!(told["identity"]["interfaces"][0]["instance"], "i-0a01");
    let codes = codes(&told);
    assert!(codes.contains(&"not-judged") && codes.contains(&"no-configuration"), "{codes:?}");
    assert_eq!(told["changes"]["known"], false);
}
