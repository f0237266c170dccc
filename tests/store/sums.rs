//! Tables that sum up: against sums over the rows of `connections`, against the lines of the logs, and against what
//! really happened.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::support::{derived, flowgate, ingest, program, table, text, world};
use crate::world::{EPOCH, Format};

fn word<'v>(row: &'v Value, name: &str) -> &'v str {
    row[name].as_str().unwrap_or_default()
}

fn number(row: &Value, name: &str) -> i64 {
    row[name].as_i64().unwrap_or_else(|| panic!("{name}: {row}"))
}

fn service_port(row: &Value) -> Value {
    match word(row, "direction") {
        "inbound" => row["local_port"].clone(),
        "outbound" => row["remote_port"].clone(),
        _ => Value::Null,
    }
}

/// What the table of rule usage has to be: rows as they come, by day, rule, interface, protocol and port.
fn used(connections: &[Value]) -> Vec<Value> {
    type Key = (String, String, String, i64, i64);
    let mut groups: BTreeMap<Key, Vec<(&Value, usize)>> = BTreeMap::new();
    for row in connections.iter().filter(|row| row["verdict"] == "permitted") {
        let rules = row["rules"].as_array().unwrap();
        for rule in rules {
            let port = service_port(row).as_i64().unwrap();
            let word = |name| word(row, name).to_owned();
            let key = (
                word("dt"),
                rule.as_str().unwrap().to_owned(),
                word("interface"),
                number(row, "protocol"),
                port,
            );
            groups.entry(key).or_default().push((row, rules.len()));
        }
    }
    let sum = |((day, rule, interface, protocol, port), rows): (Key, Vec<(&Value, usize)>)| {
        let new = || rows.iter().filter(|(row, _)| row["continued"] == false);
        let total = |names: [&str; 2]| -> i64 {
            rows.iter().map(|(row, _)| number(row, names[0]) + number(row, names[1])).sum()
        };
        json!({
            "dt": day, "rule_id": rule, "direction": rows[0].0["direction"], "interface": interface,
            "protocol": protocol, "port": port,
            "connections": new().count(), "sole_connections": new().filter(|(_, rules)| *rules == 1).count(),
            "bytes": total(["bytes_in", "bytes_out"]), "packets": total(["packets_in", "packets_out"]),
            "remotes": rows.iter().map(|(row, _)| word(row, "remote")).collect::<BTreeSet<_>>().len(),
            "first_used": rows.iter().map(|(row, _)| number(row, "start")).min(),
            "last_used": rows.iter().map(|(row, _)| number(row, "end")).max(),
        })
    };
    groups.into_iter().map(sum).collect()
}

/// What the table of rejects has to be: rows as they come, by day, interface, start and the rest.
fn rejected(connections: &[Value]) -> Vec<Value> {
    type Key = (String, String, i64, String, i64, Option<i64>, String, String);
    let mut groups: BTreeMap<Key, Vec<&Value>> = BTreeMap::new();
    for row in connections.iter().filter(|row| row["action"] == "reject" && row["reason"] != "late-packet") {
        let word = |name| word(row, name).to_owned();
        let start = number(row, "start") / 300_000_000 * 300_000_000;
        let port = service_port(row).as_i64();
        let key = (
            word("dt"),
            word("interface"),
            start,
            word("direction"),
            number(row, "protocol"),
            port,
            word("verdict"),
            word("reason"),
        );
        groups.entry(key).or_default().push(row);
    }
    let sum =
        |((day, interface, start, direction, protocol, port, verdict, reason), rows): (Key, Vec<&Value>)| {
            let mut by_remote: BTreeMap<&str, u64> = BTreeMap::new();
            for row in &rows {
                *by_remote.entry(word(row, "remote")).or_default() += u64::from(row["continued"] == false);
            }
            let most = by_remote.values().max().unwrap();
            let packets: i64 =
                rows.iter().map(|row| number(row, "rejected_in") + number(row, "rejected_out")).sum();
            json!({
                "dt": day, "start": start, "interface": interface,
                "direction": Some(direction).filter(|direction| !direction.is_empty()),
                "protocol": protocol, "port": port, "verdict": verdict, "reason": reason,
                "attempts": by_remote.values().sum::<u64>(), "packets": packets, "remotes": by_remote.len(),
                "top_remote": by_remote.iter().find(|(_, attempts)| *attempts == most).unwrap().0,
                "top_remote_attempts": most,
            })
        };
    groups.into_iter().map(sum).collect()
}

/// What the table of coverage has to be, from the lines of the logs: ten minutes are covered if a second of them is.
fn covered(logs: &[std::path::PathBuf]) -> Vec<Value> {
    #[derive(Default)]
    struct Day {
        counts: [u64; 3],
        span: Option<(i64, i64)>,
    }
    let mut days: BTreeMap<(i64, String), Day> = BTreeMap::new();
    let mut seconds: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for log in logs {
        let mut lines = String::new();
        flate2::read::MultiGzDecoder::new(fs::File::open(log).unwrap()).read_to_string(&mut lines).unwrap();
        let mut lines = lines.lines();
        let header: Vec<&str> = lines.next().unwrap().split(' ').collect();
        for line in lines {
            let cells: BTreeMap<&str, &str> = header.iter().copied().zip(line.split(' ')).collect();
            let [start, end] = ["start", "end"].map(|name| cells[name].parse::<i64>().unwrap());
            let interface = cells["interface-id"].to_owned();
            let kind = ["OK", "NODATA", "SKIPDATA"].iter().position(|s| *s == cells["log-status"]).unwrap();
            let day = days.entry((start.div_euclid(86_400), interface.clone())).or_default();
            day.counts[kind] += 1;
            let (first, last) = day.span.unwrap_or((start, end));
            day.span = Some((first.min(start), last.max(end)));
            if kind < 2 {
                assert!(end - start <= 600, "one that is longer counts for 600 seconds: {line}");
                // The first and the last second, and one of every ten minutes in between, of which there can't be any.
                seconds.entry(interface).or_default().extend([start / 600, end / 600]);
            }
        }
    }
    let row = |((day, interface), sums): ((i64, String), Day)| {
        let (first, last) = sums.span.unwrap();
        let of_day = |time: i64| time.clamp(day * 86_400, day * 86_400 + 86_399) / 600;
        let none = BTreeSet::new();
        let steps = seconds.get(&interface).unwrap_or(&none);
        let longest = (of_day(first)..=of_day(last))
            .scan(0, |gap, step| {
                *gap = if steps.contains(&step) { 0 } else { *gap + 600 };
                Some(*gap)
            })
            .max();
        let name = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap().format("%Y-%m-%d").to_string();
        json!({
            "dt": name, "interface": interface,
            "records": sums.counts[0], "nodata": sums.counts[1], "skipdata": sums.counts[2],
            "first": first * 1_000_000, "last": last * 1_000_000,
            "covered_seconds": 600 * steps.range(day * 144..(day + 1) * 144).count(),
            "longest_gap_seconds": longest,
        })
    };
    days.into_iter().map(row).collect()
}

fn without(mut rows: Vec<Value>, column: &str) -> Vec<Value> {
    for row in &mut rows {
        row.as_object_mut().unwrap().remove(column).unwrap();
    }
    rows
}

/// All three tables are what can be computed from `connections` and the logs; also their order.
fn assert_sums(store: &Path, logs: &[std::path::PathBuf], about: &str) {
    let connections = table(store, "connections");
    let usage = table(store, "rule_usage");
    let groups: BTreeSet<(&str, &str)> =
        usage.iter().map(|row| (word(row, "rule_id"), word(row, "security_group"))).collect();
    let rules: BTreeSet<&str> = usage.iter().map(|row| word(row, "rule_id")).collect();
    assert!(rules.len() > 5 && groups.len() == rules.len(), "{about}: a rule is of one group");
    assert!(groups.iter().all(|(_, group)| group.starts_with("sg-")), "{about}");
    assert_eq!(without(usage, "security_group"), used(&connections), "{about}");
    assert_eq!(table(store, "rejects"), rejected(&connections), "{about}");
    assert_eq!(table(store, "coverage"), covered(logs), "{about}");
}

#[test]
fn sums_are_those_of_connections_and_of_the_logs() {
    for (format, hours, seed) in [(Format::V2, 50.0, 41), (Format::V5, 27.0, 42)] {
        let directory = tempfile::tempdir().unwrap();
        let (logs, inventory) = world(directory.path(), format, hours, seed);
        let (all, store) = (directory.path().join("AWSLogs"), directory.path().join("store"));
        ingest(&[&all], &inventory, &store);
        assert_sums(&store, &logs, "at once");
        let rows = table(&store, "connections");
        assert!(rows.iter().any(|row| row["continued"] == true && row["verdict"] == "permitted"));
        assert!(rows.iter().any(|row| row["rules"].as_array().unwrap().len() > 1));
        let rejects = table(&store, "rejects");
        assert!(rejects.iter().any(|row| number(row, "top_remote_attempts") > 1));

        // However it is worked off.
        for more in [["--threads", "1"], ["--threads", "5"], ["--memory", "384M"]] {
            let other = directory.path().join(format!("store{}{}", more[0], more[1]));
            flowgate(
                0,
                &[&"ingest", &all, &"--inventory", &inventory, &"--store", &other, &more[0], &more[1]],
            );
            assert!(derived(&other) == derived(&store), "{more:?}");
        }

        // Late files and another inventory change them, and a day that is gone is gone from all.
        let late = directory.path().join("late");
        let (first, rest): (Vec<_>, Vec<_>) = logs.iter().enumerate().partition(|(at, _)| at % 3 != 0);
        let paths = |some: &[(usize, &std::path::PathBuf)]| -> Vec<std::path::PathBuf> {
            some.iter().map(|(_, path)| (*path).clone()).collect()
        };
        let (first, rest) = (paths(&first), paths(&rest));
        ingest(&first.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>(), &inventory, &late);
        assert_sums(&late, &first, "without some files");
        ingest(&rest.iter().map(std::path::PathBuf::as_path).collect::<Vec<_>>(), &inventory, &late);
        assert!(derived(&late) == derived(&store), "late files");

        let other = directory.path().join("other");
        fs::create_dir(&other).unwrap();
        for dump in super::support::files(&inventory) {
            let changed = fs::read_to_string(&dump).unwrap().replace("0.0.0.0/0", "203.0.113.0/24");
            fs::write(other.join(dump.file_name().unwrap()), changed).unwrap();
        }
        flowgate(0, &[&"ingest", &"--rejudge", &"--inventory", &other, &"--store", &late]);
        assert!(derived(&late) != derived(&store), "another inventory");
        assert_sums(&late, &logs, "judged anew");

        let (today, first_day) = (chrono::Utc::now().timestamp() / 86_400, EPOCH / 86_400);
        let age = format!("{}d", today - first_day - 1);
        flowgate(0, &[&"store", &"prune", &"--store", &late, &"--older-than", &age]);
        for name in ["connections", "rule_usage", "rejects", "coverage"] {
            let days: BTreeSet<String> =
                table(&late, name).iter().map(|row| word(row, "dt").to_owned()).collect();
            assert_eq!(days.first().map(String::as_str), Some("2026-03-02"), "{name}");
        }
    }
}

#[test]
fn use_of_rules_and_rejects_are_what_really_happened() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V5, 30.0, 43);
    let store = directory.path().join("store");
    ingest(&[&directory.path().join("AWSLogs")], &inventory, &store);
    type Cell = (String, String, i64, i64);
    let truth = fs::read_to_string(directory.path().join("truth/connections.jsonl")).unwrap();
    let truth: Vec<Value> = truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (mut expected, mut attempts) = (BTreeMap::<Cell, i64>::new(), BTreeMap::<Cell, i64>::new());
    // Nobody can know who opened a UDP or ICMP exchange that was running when the log began.
    let (mut unknown, mut unsure) = (BTreeSet::new(), BTreeSet::new());
    for connection in &truth {
        let port = service_port(connection).as_i64().unwrap();
        let interface = word(connection, "interface").to_owned();
        let protocol = number(connection, "protocol");
        let hopeless = connection["started_before_window"] == true && protocol != 6;
        let rejected = (interface.clone(), word(connection, "direction").to_owned(), protocol, port);
        match word(connection, "action") {
            "accept" => {
                for rule in connection["rules"].as_array().unwrap() {
                    let cell = (rule.as_str().unwrap().to_owned(), interface.clone(), protocol, port);
                    *expected.entry(cell.clone()).or_default() += 1;
                    if hopeless {
                        unsure.insert(cell);
                    }
                }
            }
            _ => *attempts.entry(rejected.clone()).or_default() += 1,
        }
        if hopeless {
            unknown.insert(rejected);
        }
    }
    // What the program does not know of, either.
    let mut undecided = BTreeSet::new();
    for row in table(&store, "connections").iter().filter(|row| row["direction"].is_null()) {
        for port in ["local_port", "remote_port"] {
            undecided.insert((word(row, "interface").to_owned(), number(row, "protocol"), number(row, port)));
        }
    }
    let is_known =
        |(_, interface, protocol, port): &Cell| !undecided.contains(&(interface.clone(), *protocol, *port));
    let mut told: BTreeMap<Cell, i64> = BTreeMap::new();
    for row in table(&store, "rule_usage") {
        let cell = (
            word(&row, "rule_id").to_owned(),
            word(&row, "interface").to_owned(),
            number(&row, "protocol"),
            number(&row, "port"),
        );
        *told.entry(cell).or_default() += number(&row, "connections");
    }
    let cells = expected.len();
    for map in [&mut expected, &mut told] {
        map.retain(|cell, _| !unsure.contains(cell) && is_known(cell));
    }
    assert!(expected.len() * 10 > cells * 6 && expected.len() > 50, "{} of {cells}", expected.len());
    assert_eq!(differences(&told, &expected), []);

    let mut told: BTreeMap<Cell, i64> = BTreeMap::new();
    for row in table(&store, "rejects") {
        let cell = (
            word(&row, "interface").to_owned(),
            word(&row, "direction").to_owned(),
            number(&row, "protocol"),
            row["port"].as_i64().unwrap_or(-1),
        );
        *told.entry(cell).or_default() += number(&row, "attempts");
    }
    let cells = attempts.len();
    for map in [&mut attempts, &mut told] {
        map.retain(|cell, _| !unknown.contains(cell));
    }
    assert!(attempts.len() * 10 > cells * 6 && attempts.len() > 50, "{} of {cells}", attempts.len());
    assert_eq!(differences(&told, &attempts), []);
}

fn differences<'m, K: Ord, V: PartialEq>(
    a: &'m BTreeMap<K, V>,
    b: &'m BTreeMap<K, V>,
) -> Vec<(&'m K, Option<&'m V>, Option<&'m V>)> {
    let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
    keys.into_iter().map(|key| (key, a.get(key), b.get(key))).filter(|(_, a, b)| a != b).collect()
}

#[test]
fn what_the_program_says_of_the_sums_is_what_analyze_says() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V5, 26.0, 44);
    let (logs, store, out) =
        (directory.path().join("AWSLogs"), directory.path().join("store"), directory.path().join("out"));
    ingest(&[&logs], &inventory, &store);
    let mut command = program();
    command
        .arg("analyze")
        .arg(&logs)
        .arg("--inventory")
        .arg(&inventory)
        .arg("--quiet")
        .arg("--out")
        .arg(&out);
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", text(&output.stderr));
    let mut said: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for line in fs::read_to_string(out.join("rules.jsonl")).unwrap().lines() {
        let rule: Value = serde_json::from_str(line).unwrap();
        if number(&rule, "connections") > 0 {
            let counts = ["connections", "sole_connections", "bytes"].map(|name| number(&rule, name));
            said.insert(word(&rule, "rule_id").to_owned(), counts);
        }
    }
    let mut summed: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for row in table(&store, "rule_usage") {
        let sums = summed.entry(word(&row, "rule_id").to_owned()).or_default();
        for (sum, name) in sums.iter_mut().zip(["connections", "sole_connections", "bytes"]) {
            *sum += number(&row, name);
        }
    }
    assert!(said.len() > 10);
    assert_eq!(summed, said);
}

/// Half an hour before midnight, and lines of a log: seconds after that, from, to, their ports, accepted.
#[test]
fn rejects_of_a_log_that_can_be_worked_out_by_hand() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = (directory.path().join("a.log"), directory.path().join("store"));
    let midnight = EPOCH + 86_400;
    let line = |start: i64, (from, to): (&str, &str), (from_port, to_port): (u16, u16), packets: u32| {
        let (start, end) = (midnight + start, midnight + start + 20);
        format!(
            "2 111122223333 eni-0123456789abcdef0 {from} {to} {from_port} {to_port} 6 {packets} 40 {start} {end} REJECT OK"
        )
    };
    let us = "10.0.0.5";
    let lines = [
        // 23:50: two of one, two of another whose text comes first, and one more.
        line(-600, ("203.0.113.9", us), (40_000, 22), 1),
        line(-550, ("203.0.113.9", us), (40_001, 22), 2),
        line(-500, ("203.0.113.10", us), (40_000, 22), 3),
        line(-450, ("203.0.113.10", us), (40_001, 22), 4),
        line(-400, ("198.51.100.1", us), (40_000, 22), 5),
        // 23:55: another stretch, and it goes on after midnight.
        line(-40, ("203.0.113.9", us), (50_000, 22), 6),
        line(30, ("203.0.113.9", us), (50_000, 22), 7),
        // The interface itself, towards a port of others.
        line(60, (us, "192.0.2.7"), (33_333, 25), 8),
        format!(
            "2 111122223333 eni-0123456789abcdef0 - - - - - - - {} {} - NODATA",
            midnight + 3000,
            midnight + 3059
        ),
        format!(
            "2 111122223333 eni-0123456789abcdef0 - - - - - - - {} {} - SKIPDATA",
            midnight + 3600,
            midnight + 4199
        ),
    ];
    let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
    fs::write(&log, format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    flowgate(0, &[&"ingest", &log, &"--store", &store]);
    let cells = |row: &Value, names: &[&str]| names.iter().map(|name| row[*name].clone()).collect::<Value>();
    let names = [
        "dt",
        "start",
        "direction",
        "port",
        "attempts",
        "packets",
        "remotes",
        "top_remote",
        "top_remote_attempts",
    ];
    let told: Vec<Value> = table(&store, "rejects").iter().map(|row| cells(row, &names)).collect();
    let at = |seconds: i64| (midnight + seconds) * 1_000_000;
    assert_eq!(
        told,
        [
            json!(["2026-03-01", at(-600), "inbound", 22, 5, 15, 3, "203.0.113.10", 2]),
            json!(["2026-03-01", at(-300), "inbound", 22, 1, 6, 1, "203.0.113.9", 1]),
            json!(["2026-03-02", at(0), "inbound", 22, 0, 7, 1, "203.0.113.9", 0]),
            json!(["2026-03-02", at(0), "outbound", 25, 1, 8, 1, "192.0.2.7", 1]),
        ]
    );
    let names =
        ["dt", "records", "nodata", "skipdata", "first", "last", "covered_seconds", "longest_gap_seconds"];
    let told: Vec<Value> = table(&store, "coverage").iter().map(|row| cells(row, &names)).collect();
    assert_eq!(
        told,
        [
            json!(["2026-03-01", 6, 0, 0, at(-600), at(-20), 600, 0]),
            // 00:00 and 00:50 are covered, and 40 minutes in between not; what was skipped at 01:00 is no cover.
            json!(["2026-03-02", 2, 1, 1, at(30), at(4199), 1200, 2400]),
        ]
    );
    assert!(table(&store, "rule_usage").is_empty());
}
