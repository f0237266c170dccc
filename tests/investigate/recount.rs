//! A simulated account: what is said equals a recount of the rows of the table, one by one, and agrees with what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use serde_json::Value;

use crate::investigate::support::{flowgate, ingest, table, text, world};
use crate::world::Format;

/// Sums as JSON has them, by an obvious recount. `own` if the subject is at the interface.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    connections: u64,
    accepted: u64,
    verdicts: BTreeMap<String, u64>,
    openers: [u64; 3],
    continued: u64,
    bytes: [u64; 2],
    packets: [u64; 2],
    first: i64,
    last: i64,
}

fn number(row: &Value, name: &str) -> u64 {
    row[name].as_u64().unwrap_or_else(|| panic!("{name}: {row}"))
}

fn seconds(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap() / 1_000_000
}

fn recount(rows: &[&Value], own: bool) -> Sums {
    let mut sums = Sums { first: i64::MAX, ..Sums::default() };
    for row in rows {
        if row["continued"] == true {
            sums.continued += 1;
        } else {
            sums.connections += 1;
            sums.accepted += u64::from(row["action"] == "accept");
            *sums.verdicts.entry(row["verdict"].as_str().unwrap().to_owned()).or_default() += 1;
            let opener = match row["direction"].as_str() {
                Some("outbound") => usize::from(!own),
                Some("inbound") => usize::from(own),
                _ => 2,
            };
            sums.openers[opener] += 1;
        }
        let (sent, received) = if own { ("out", "in") } else { ("in", "out") };
        sums.bytes[0] += number(row, &format!("bytes_{sent}"));
        sums.bytes[1] += number(row, &format!("bytes_{received}"));
        sums.packets[0] += number(row, &format!("packets_{sent}"));
        sums.packets[1] += number(row, &format!("packets_{received}"));
        sums.first = sums.first.min(seconds(row, "opened"));
        sums.last = sums.last.max(seconds(row, "end"));
    }
    sums
}

fn said(of: &Value) -> Sums {
    let time =
        |name: &str| chrono::DateTime::parse_from_rfc3339(of[name].as_str().unwrap()).unwrap().timestamp();
    let n = |name: &str| number(of, name);
    let verdicts = of["verdicts"].as_object().unwrap();
    Sums {
        connections: n("connections"),
        accepted: n("accepted"),
        verdicts: verdicts.iter().map(|(name, n)| (name.clone(), n.as_u64().unwrap())).collect(),
        openers: [n("opened_by_subject"), n("opened_by_peer"), n("opener_unknown")],
        continued: n("continued_days"),
        bytes: [n("bytes_sent"), n("bytes_received")],
        packets: [n("packets_sent"), n("packets_received")],
        first: time("first"),
        last: time("last"),
    }
}

struct World {
    _directory: tempfile::TempDir,
    store: std::path::PathBuf,
    rows: Vec<Value>,
    truth: Vec<Value>,
}

impl World {
    fn new(hours: f64, seed: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (_, inventory) = world(directory.path(), Format::V5, hours, seed);
        let store = directory.path().join("store");
        ingest(&[&directory.path().join("AWSLogs")], &inventory, &store);
        let lines = std::fs::read_to_string(directory.path().join("truth/connections.jsonl")).unwrap();
        let truth = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { rows: table(&store, "connections"), _directory: directory, store, truth }
    }

    fn inventory(&self) -> std::path::PathBuf {
        self.store.parent().unwrap().join("inventory")
    }

    fn ask(&self, subject: &str) -> Value {
        let inventory = self.inventory();
        let words: [&dyn AsRef<std::ffi::OsStr>; 10] = [
            &"investigate",
            &subject,
            &"--store",
            &self.store,
            &"--inventory",
            &inventory,
            &"--format",
            &"json",
            &"--top",
            &"100000",
        ];
        serde_json::from_str(&text(&flowgate(0, &words).stdout)).unwrap()
    }

    fn rows(&self, fits: impl Fn(&Value) -> bool) -> Vec<&Value> {
        self.rows.iter().filter(|row| fits(row)).collect()
    }
}

/// Total, and by key, of one end.
fn compare(view: &Value, rows: &[&Value], own: bool) {
    assert_eq!(said(&view["total"]), recount(rows, own));
    let (peer, address) = if own { ("remote", "local") } else { ("local", "remote") };
    for (list, name, key) in [
        ("peers", "address", peer),
        ("addresses", "address", address),
        ("interfaces", "interface", "interface"),
    ] {
        let mut groups: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for row in rows {
            groups.entry(row[key].as_str().unwrap()).or_default().push(row);
        }
        let list = &view[list];
        assert_eq!(
            (number(list, "distinct"), &list["approximate"]),
            (groups.len() as u64, &Value::Bool(false))
        );
        let told = list["by_connections"].as_array().unwrap();
        assert_eq!(told.len(), groups.len());
        for one in told {
            assert_eq!(said(one), recount(&groups[one[name].as_str().unwrap()], own), "{one}");
        }
        let order: Vec<u64> = told.iter().map(|one| number(one, "connections")).collect();
        assert!(order.is_sorted_by(|a, b| a >= b));
    }
    let mut services: BTreeMap<(String, u64, Option<u64>), u64> = BTreeMap::new();
    let mut rules: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row["continued"] == false) {
        let protocol = number(row, "protocol");
        let (opener, port) = match (row["direction"].as_str(), own) {
            (Some("inbound"), true) => ("peer", Some(number(row, "local_port"))),
            (Some("inbound"), false) => ("subject", Some(number(row, "local_port"))),
            (Some("outbound"), true) => ("subject", Some(number(row, "remote_port"))),
            (Some("outbound"), false) => ("peer", Some(number(row, "remote_port"))),
            _ => ("unknown", None),
        };
        let port = port.filter(|_| protocol == 6 || protocol == 17);
        *services.entry((opener.to_owned(), protocol, port)).or_default() += 1;
        let permitting = row["rules"].as_array().unwrap();
        for rule in permitting.iter().filter(|_| row["verdict"] == "permitted") {
            let sum = rules.entry(rule.as_str().unwrap()).or_default();
            *sum = (sum.0 + 1, sum.1 + u64::from(permitting.len() == 1));
        }
    }
    let protocols = BTreeMap::from([("tcp", 6), ("udp", 17), ("icmp", 1), ("icmpv6", 58)]);
    let told: BTreeMap<(String, u64, Option<u64>), u64> = view["services"]["by_connections"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["connections"] != 0)
        .map(|one| {
            let name = one["protocol"].as_str().unwrap();
            let protocol = protocols.get(name).copied().unwrap_or_else(|| name.parse().unwrap());
            let key = (one["opener"].as_str().unwrap().to_owned(), protocol, one["port"].as_u64());
            (key, number(one, "connections"))
        })
        .collect();
    assert_eq!(told, services);
    let told: BTreeMap<&str, (u64, u64)> = view["rules"]["by_connections"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["connections"] != 0)
        .map(|one| {
            (one["rule_id"].as_str().unwrap(), (number(one, "connections"), number(one, "sole_connections")))
        })
        .collect();
    assert_eq!(told, rules);
    let mut days: BTreeMap<i64, u64> = BTreeMap::new();
    let step = view["time_line"]["step_seconds"].as_i64().unwrap();
    for row in rows.iter().filter(|row| row["continued"] == false) {
        *days.entry(seconds(row, "start").div_euclid(step)).or_default() += 1;
    }
    let told: BTreeMap<i64, u64> = view["time_line"]["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|step| step["connections"] != 0)
        .map(|one| {
            let from = chrono::DateTime::parse_from_rfc3339(one["from"].as_str().unwrap()).unwrap();
            (from.timestamp().div_euclid(step), number(one, "connections"))
        })
        .collect();
    assert_eq!(told, days);
}

fn end<'v>(told: &'v Value, name: &str) -> Option<&'v Value> {
    told["ends"].as_array().unwrap().iter().find(|end| end["end"] == name)
}

/// Addresses of gateways, which forward.
fn gateways(inventory: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = std::fs::read_to_string(inventory.join("describe-network-interfaces.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let all = all["NetworkInterfaces"].as_array().unwrap();
    all.iter()
        .filter(|one| one["InterfaceType"].as_str().unwrap().contains("gateway"))
        .map(|one| {
            let own = one["PrivateIpAddresses"].as_array().unwrap();
            let own = own.iter().map(|a| a["PrivateIpAddress"].as_str().unwrap().to_owned()).collect();
            (one["NetworkInterfaceId"].as_str().unwrap().to_owned(), own)
        })
        .collect()
}

#[test]
fn every_number_is_that_of_a_recount() {
    let world = World::new(30.0, 71);
    assert!(world.rows.iter().any(|row| row["continued"] == true));
    let gateways = gateways(&world.inventory());
    let passes = |row: &Value| {
        let own = gateways.get(row["interface"].as_str().unwrap());
        own.is_some_and(|own| !own.contains(row["local"].as_str().unwrap()))
    };
    // The addresses with the most rows, and some with few, of both sides.
    let mut addresses: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &world.rows {
        for name in ["local", "remote"] {
            *addresses.entry(row[name].as_str().unwrap()).or_default() += 1;
        }
    }
    let mut addresses: Vec<(&str, usize)> = addresses.into_iter().collect();
    addresses.sort_by_key(|(address, n)| (std::cmp::Reverse(*n), *address));
    let few = addresses.len().saturating_sub(3);
    for (address, _) in addresses[..4].iter().chain(&addresses[few..]) {
        let told = world.ask(address);
        let of = |name: &str, fits: &dyn Fn(&Value) -> bool, own: bool| match end(&told, name) {
            Some(view) => compare(view, &world.rows(fits), own),
            None => assert!(world.rows(fits).is_empty(), "{address}: {name}"),
        };
        of("own", &|row| row["local"] == *address && !passes(row), true);
        of("passing", &|row| row["local"] == *address && passes(row), true);
        of("others", &|row| row["remote"] == *address && row["local"] != *address, false);
    }
    let network: ipnet::IpNet = "10.20.10.0/24".parse().unwrap();
    let within =
        |row: &Value, name: &str| network.contains(&row[name].as_str().unwrap().parse::<IpAddr>().unwrap());
    let told = world.ask("10.20.10.0/24");
    compare(end(&told, "own").unwrap(), &world.rows(|row| within(row, "local") && !passes(row)), true);
    let others = world.rows(|row| within(row, "remote") && !within(row, "local"));
    compare(end(&told, "others").unwrap(), &others, false);
    let interface = world.rows[0]["interface"].as_str().unwrap();
    let told = world.ask(interface);
    compare(end(&told, "own").unwrap(), &world.rows(|row| row["interface"] == interface), true);
    let instance = world.rows.iter().find_map(|row| row["instance"].as_str()).unwrap();
    let told = world.ask(instance);
    compare(end(&told, "own").unwrap(), &world.rows(|row| row["instance"] == instance), true);
    let rule = world.rows.iter().find_map(|row| row["rules"][0].as_str()).unwrap();
    let told = world.ask(rule);
    let permits = |row: &Value| row["rules"].as_array().unwrap().iter().any(|id| id == rule);
    compare(end(&told, "own").unwrap(), &world.rows(permits), true);
}

#[test]
fn a_group_is_its_members() {
    let world = World::new(2.0, 72);
    let text = std::fs::read_to_string(world.inventory().join("describe-network-interfaces.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let mut members: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in all["NetworkInterfaces"].as_array().unwrap() {
        for group in one["Groups"].as_array().unwrap() {
            let members = members.entry(group["GroupId"].as_str().unwrap()).or_default();
            members.insert(one["NetworkInterfaceId"].as_str().unwrap());
        }
    }
    let mut compared = 0;
    for (group, members) in &members {
        let rows = world.rows(|row| members.contains(row["interface"].as_str().unwrap()));
        let told = world.ask(group);
        match end(&told, "own") {
            Some(view) => {
                compare(view, &rows, true);
                compared += 1;
            }
            None => assert!(rows.is_empty(), "{group}"),
        }
        for rule in told["identity"]["rules"].as_array().unwrap() {
            let id = rule["rule_id"].as_str().unwrap();
            let permitted = |row: &&&Value| {
                row["verdict"] == "permitted"
                    && row["continued"] == false
                    && row["rules"].as_array().unwrap().iter().any(|rule| rule == id)
            };
            assert_eq!(number(&rule["used"], "connections"), rows.iter().filter(permitted).count() as u64);
        }
    }
    assert!(compared >= 5);
}

#[test]
fn it_is_what_really_happened() {
    let world = World::new(2.0, 73);
    // By interface: what the simulation accepted and rejected, where no record was lost.
    let mut interfaces: BTreeMap<&str, (u64, u64, u64, bool)> = BTreeMap::new();
    for one in &world.truth {
        let sum = interfaces.entry(one["interface"].as_str().unwrap()).or_default();
        let accepted = one["action"] == "accept";
        sum.0 += u64::from(accepted);
        sum.1 += u64::from(!accepted);
        sum.2 += if accepted { number(one, "bytes") } else { 0 };
        sum.3 |= one["touches_gap"] == true || one["blocked_reply"] == true;
    }
    let mut compared = 0;
    for (interface, (accepted, rejected, bytes, unclear)) in interfaces {
        if unclear || accepted == 0 {
            continue;
        }
        let told = world.ask(interface);
        let total = &end(&told, "own").unwrap()["total"];
        assert_eq!(
            (number(total, "accepted"), number(total, "rejected")),
            (accepted, rejected),
            "{interface}"
        );
        assert_eq!(number(total, "bytes_sent") + number(total, "bytes_received"), bytes, "{interface}");
        compared += 1;
    }
    assert!(compared >= 3, "{compared}");
}
