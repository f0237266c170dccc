//! Some questions over a simulated world of three days, beside sums over the rows of the `connections` files.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use chrono::DateTime;
use flowgate::query::questions;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::questions::{ask, ask_with, flowgate};
use crate::world::{Format, Options, generate};

/// A row of `connections`.
#[derive(Clone, Debug)]
struct Row {
    day: String,
    interface: String,
    local: String,
    remote: String,
    ports: [i32; 2],
    protocol: i32,
    direction: Option<String>,
    opened: i64,
    start: i64,
    end: i64,
    continued: bool,
    accepted: bool,
    verdict: String,
    reason: String,
    rules: Vec<String>,
    bytes: [i64; 2],
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn rows_of(batch: &RecordBatch, day: &str) -> Vec<Row> {
    let text = |name: &str, row: usize| {
        let column = batch.column_by_name(name).unwrap().as_string::<i32>();
        column.is_valid(row).then(|| column.value(row).to_owned())
    };
    let small = |name: &str, row| batch.column_by_name(name).unwrap().as_primitive::<Int32Type>().value(row);
    let large = |name: &str, row| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().value(row);
    let time = |name: &str, row| {
        let column = batch.column_by_name(name).unwrap();
        column.as_primitive::<TimestampMicrosecondType>().value(row) / 1_000_000
    };
    let one = |row| Row {
        day: day.to_owned(),
        interface: text("interface", row).unwrap(),
        local: text("local", row).unwrap(),
        remote: text("remote", row).unwrap(),
        ports: [small("local_port", row), small("remote_port", row)],
        protocol: small("protocol", row),
        direction: text("direction", row),
        opened: time("opened", row),
        start: time("start", row),
        end: time("end", row),
        continued: batch.column_by_name("continued").unwrap().as_boolean().value(row),
        accepted: text("action", row).unwrap() == "accept",
        verdict: text("verdict", row).unwrap(),
        reason: text("reason", row).unwrap(),
        rules: {
            let list = batch.column_by_name("rules").unwrap().as_list::<i32>().value(row);
            list.as_string::<i32>().iter().map(|rule| rule.unwrap().to_owned()).collect()
        },
        bytes: [large("bytes_in", row), large("bytes_out", row)],
    };
    (0..batch.num_rows()).map(one).collect()
}

fn connections(store: &Path) -> Vec<Row> {
    let mut rows = Vec::new();
    for file in files(&store.join("connections")) {
        let folder = file.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned();
        let day = folder.strip_prefix("dt=").unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap();
        for batch in reader.build().unwrap() {
            rows.extend(rows_of(&batch.unwrap(), day));
        }
    }
    rows
}

fn private(address: &str) -> bool {
    match address.parse().unwrap() {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || (a == 100 && b & 0xc0 == 64)
        }
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            v6.is_loopback() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfe80
        }
    }
}

fn at(time: i64) -> String {
    DateTime::from_timestamp(time, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn protocol(number: i32) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        other => other.to_string(),
    }
}

/// What all rows of a key add up to.
#[derive(Default)]
struct Sum {
    connections: usize,
    escaped: usize,
    bytes: [i64; 2],
    remotes: BTreeSet<String>,
    first: Option<i64>,
    last: i64,
}

impl Sum {
    fn add(&mut self, row: &Row) {
        self.connections += usize::from(!row.continued);
        self.escaped += usize::from(!row.continued && row.verdict == "escaped");
        self.bytes = [self.bytes[0] + row.bytes[0], self.bytes[1] + row.bytes[1]];
        self.remotes.insert(row.remote.clone());
        self.first = Some(self.first.map_or(row.start, |first| first.min(row.start)));
        self.last = self.last.max(row.end);
    }

    fn times(&self) -> [String; 2] {
        [at(self.first.unwrap()), at(self.last)]
    }
}

fn top_talkers(rows: &[Row]) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<[String; 3], Sum> = BTreeMap::new();
    for row in rows {
        let key = [row.interface.clone(), row.local.clone(), row.remote.clone()];
        sums.entry(key).or_default().add(row);
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| Reverse(sum.bytes[0] + sum.bytes[1]));
    let row = |(key, sum): ([String; 3], Sum)| {
        let numbers = [sum.connections as i64, sum.bytes[0], sum.bytes[1], sum.bytes[0] + sum.bytes[1]];
        let times = sum.times();
        key.into_iter().chain(numbers.map(|number| number.to_string())).chain(times).collect()
    };
    sums.into_iter().map(row).collect()
}

fn exposed_services(rows: &[Row]) -> Vec<Vec<String>> {
    let mut sums: BTreeMap<(String, String, bool, String, i32), Sum> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.accepted && !private(&row.remote)) {
        if row.direction.as_deref() != Some("outbound") {
            let unknown = row.direction.is_none();
            let key =
                (row.interface.clone(), row.local.clone(), unknown, protocol(row.protocol), row.ports[0]);
            sums.entry(key).or_default().add(row);
        }
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| Reverse(sum.remotes.len()));
    sums.into_iter()
        .map(|((interface, local, unknown, protocol, port), sum)| {
            let direction = if unknown { "" } else { "inbound" }.to_owned();
            let numbers = [port.into(), sum.connections as i64, sum.escaped as i64, sum.remotes.len() as i64];
            [interface, local, direction, protocol]
                .into_iter()
                .chain(numbers.map(|number| number.to_string()))
                .chain([sum.bytes[1].to_string()])
                .chain(sum.times())
                .collect()
        })
        .collect()
}

fn lateral_movement(rows: &[Row]) -> Vec<Vec<String>> {
    let admin = [22, 23, 135, 139, 445, 3389, 5900, 5985, 5986];
    let mut tried: BTreeMap<&str, Vec<(&str, i32, bool, i64)>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.continued && row.protocol == 6) {
        let (source, target, port) = match row.direction.as_deref() {
            Some("inbound") => (&row.remote, &row.local, row.ports[0]),
            Some("outbound") => (&row.local, &row.remote, row.ports[1]),
            _ => continue,
        };
        if private(&row.local) && private(&row.remote) && admin.contains(&port) {
            tried.entry(source).or_default().push((target, port, row.accepted, row.opened));
        }
    }
    let count = |all: BTreeSet<&str>| all.len();
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    for (source, all) in tried {
        let targets = count(all.iter().map(|one| one.0).collect());
        let reached = count(all.iter().filter(|one| one.2).map(|one| one.0).collect());
        let ports = all.iter().map(|one| one.1).collect::<BTreeSet<_>>().len();
        let times = [all.iter().map(|one| one.3).min().unwrap(), all.iter().map(|one| one.3).max().unwrap()];
        let mut row = vec![source.to_owned()];
        row.extend([targets, reached, ports].map(|number| number.to_string()));
        row.extend(times.map(at));
        found.push((targets, row));
    }
    found.retain(|(targets, _)| *targets >= 2);
    found.sort_by_key(|(targets, _)| Reverse(*targets));
    found.into_iter().map(|(_, row)| row).collect()
}

fn new_remotes(rows: &[Row], day: &str) -> Vec<Vec<String>> {
    let before: BTreeSet<&str> =
        rows.iter().filter(|row| row.day.as_str() < day).map(|row| &*row.remote).collect();
    let mut of_day: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.day == day && !before.contains(&*row.remote)) {
        of_day.entry(&row.remote).or_default().push(row);
    }
    let mut found: Vec<(i64, Vec<String>)> = Vec::new();
    for (remote, all) in of_day {
        let interfaces: BTreeSet<&str> = all.iter().map(|row| &*row.interface).collect();
        let accepted = all.iter().filter(|row| row.accepted).count();
        let bytes = |side: usize| all.iter().map(|row| row.bytes[side]).sum::<i64>();
        let first = all.iter().map(|row| row.start).min().unwrap();
        let row = vec![
            remote.to_owned(),
            (!private(remote)).to_string(),
            at(first),
            interfaces.len().to_string(),
            accepted.to_string(),
            (all.len() - accepted).to_string(),
            bytes(0).to_string(),
            bytes(1).to_string(),
        ];
        found.push((bytes(1), row));
    }
    found.sort_by_key(|(bytes, _)| Reverse(*bytes));
    found.into_iter().map(|(_, row)| row).collect()
}

fn scanners(rows: &[Row]) -> Vec<Vec<String>> {
    let mut by_remote: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.continued && row.reason != "late-packet") {
        if row.direction.as_deref() == Some("inbound") {
            by_remote.entry(&row.remote).or_default().push(row);
        }
    }
    let mut found: Vec<(usize, Vec<String>)> = Vec::new();
    for (remote, all) in by_remote {
        let rejected: Vec<&&Row> = all.iter().filter(|row| !row.accepted).collect();
        let addresses: BTreeSet<&str> = rejected.iter().map(|row| &*row.local).collect();
        let ports: BTreeSet<i32> = rejected.iter().map(|row| row.ports[0]).collect();
        if addresses.len() < 3 && ports.len() < 3 {
            continue;
        }
        let times = [all.iter().map(|row| row.opened).min(), all.iter().map(|row| row.opened).max()];
        let numbers = [rejected.len(), addresses.len(), ports.len(), all.len() - rejected.len()];
        let mut row = vec![remote.to_owned()];
        row.extend(numbers.map(|number| number.to_string()));
        row.extend(times.map(|time| at(time.unwrap())));
        found.push((rejected.len(), row));
    }
    found.sort_by_key(|(rejected, _)| Reverse(*rejected));
    found.into_iter().map(|(_, row)| row).collect()
}

/// Connections and sole matches of a rule, by interface, remote address and service.
fn rule_users(rows: &[Row], rule: &str) -> BTreeSet<Vec<String>> {
    let mut sums: BTreeMap<Vec<String>, (Sum, usize)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.rules.iter().any(|other| other == rule)) {
        let port = row.ports[usize::from(row.direction.as_deref() == Some("outbound"))];
        let port = row.direction.as_ref().map_or_else(String::new, |_| port.to_string());
        let key = vec![row.interface.clone(), row.remote.clone(), protocol(row.protocol), port];
        let (sum, sole) = sums.entry(key).or_default();
        sum.add(row);
        *sole += usize::from(!row.continued && row.rules.len() == 1);
    }
    let row = |(mut key, (sum, sole)): (Vec<String>, (Sum, usize))| {
        let numbers = [sum.connections as i64, sole as i64, sum.bytes[0] + sum.bytes[1]];
        key.extend(numbers.map(|number| number.to_string()));
        key.extend(sum.times());
        key
    };
    sums.into_iter().map(row).collect()
}

/// Parameters.
type Told<'a> = &'a [(&'a str, &'a str)];

#[test]
fn questions_over_a_world_agree_with_sums_over_its_rows() {
    let directory = tempfile::tempdir().unwrap();
    let world = directory.path().join("world");
    let options = Options { format: Format::V5, hours: 50.0, scale: 0.02, ..Options::sample(&world, 71) };
    generate(&options).unwrap();
    let store = directory.path().join("store");
    let place = |path: &Path| path.to_str().unwrap().to_owned();
    let (logs, inventory) = (place(&world.join("AWSLogs")), place(&world.join("inventory")));
    let output = flowgate(&["ingest", &logs, "--inventory", &inventory, "--store", &place(&store)]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let rows = connections(&store);
    assert!(rows.len() > 1_000 && rows.iter().any(|row| row.continued));

    let days: BTreeSet<&str> = rows.iter().map(|row| &*row.day).collect();
    let day = *days.iter().nth(1).unwrap();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for rule in rows.iter().flat_map(|row| &row.rules) {
        *uses.entry(rule).or_default() += 1;
    }
    let (rule, _) = uses.iter().max_by_key(|(_, count)| **count).unwrap();
    let parameters = |told: &[(&str, &str)]| -> Vec<(String, String)> {
        told.iter().chain(&[("limit", "1000000")]).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    };
    let expected: [(&str, Told<'_>, Vec<Vec<String>>); 5] = [
        ("top-talkers", &[], top_talkers(&rows)),
        ("exposed-services", &[], exposed_services(&rows)),
        ("lateral-movement", &[("targets", "2")], lateral_movement(&rows)),
        ("new-remotes", &[("day", day)], new_remotes(&rows, day)),
        ("scanners", &[("least", "3")], scanners(&rows)),
    ];
    for (name, told, expected) in expected {
        let answer = ask(&store, name, &parameters(told));
        assert!(!expected.is_empty(), "{name}");
        for (place, row) in expected.iter().enumerate() {
            assert_eq!(answer.get(place + 1), Some(row), "{name}, row {place}");
        }
        assert_eq!(answer.len(), expected.len() + 1, "{name}");
    }
    let answer = ask(&store, "rule-users", &parameters(&[("rule", rule)]));
    assert_eq!(answer[1..].iter().cloned().collect::<BTreeSet<_>>(), rule_users(&rows, rule));

    let needed: BTreeMap<&str, &str> = BTreeMap::from([
        ("address", &*rows[0].remote),
        ("instance", "i-0"),
        ("time", day),
        ("port", "443"),
        ("rule", *rule),
        ("networks", "10.0.0.0/8"),
        ("day", day),
    ]);
    for question in questions().unwrap() {
        let told = question.parameters.iter().filter(|parameter| parameter.default.is_none());
        let told: Vec<(String, String)> =
            told.map(|parameter| (parameter.name.clone(), needed[&*parameter.name].to_owned())).collect();
        let one = ask_with(&store, question.name, &told, &["--threads", "1"]);
        let four = ask_with(&store, question.name, &told, &["--threads", "4"]);
        assert_eq!(one, four, "{}", question.name);
    }
}
