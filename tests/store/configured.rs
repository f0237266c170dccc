//! The tables of the configuration, against the dumps that they are made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use flowgate::investigate::Configuration;
use flowgate::pipeline::configuration;
use flowgate::store::Store;
use serde_json::{Value, json};

use super::support::{derived, files, flowgate, ingest, sample, sample_logs, table};
use crate::world::{EPOCH, Format, Options, generate};

/// What is in all dumps of one kind below a directory.
fn dumped(directory: &Path, key: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for path in files(directory) {
        let dump: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        found.extend(dump[key].as_array().cloned().unwrap_or_default());
    }
    found
}

fn micros(seconds: Option<i64>) -> Value {
    seconds.map(|seconds| seconds * 1_000_000).into()
}

/// From which observation to which one something is there without a gap: `(first, last)` of each stretch.
fn stretches(there: &[bool]) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for at in (0..there.len()).filter(|at| there[*at]) {
        match found.last_mut() {
            Some((_, last)) if *last + 1 == at => *last = at,
            _ => found.push((at, at)),
        }
    }
    found
}

fn periods(times: &[i64], (first, last): (usize, usize)) -> [Value; 4] {
    let at = |at: Option<usize>| micros(at.and_then(|at| times.get(at)).copied());
    // The last one has no time: who is there now was there at the last time before, if not only now.
    let undated = times.len();
    let seen_to = if first < undated { at(Some(last.min(undated - 1))) } else { Value::Null };
    let gone_by = if last + 1 == undated { json!(253_402_300_799_000_000_i64) } else { at(Some(last + 1)) };
    [at(first.checked_sub(1)), at(Some(first)), seen_to, gone_by]
}

const PERIODS: [&str; 4] = ["appeared_after", "seen_from", "seen_to", "gone_by"];

#[test]
fn dated_dumps_tell_for_how_long_rules_and_interfaces_were_so() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        format: Format::V5,
        hours: 6.0,
        scale: 0.02,
        snapshots: true,
        ..Options::sample(directory.path(), 51)
    };
    generate(&options).unwrap();
    let (inventory, store) = (directory.path().join("inventory"), directory.path().join("store"));
    ingest(&[&directory.path().join("AWSLogs")], &inventory, &store);
    let mut dumps: Vec<PathBuf> = fs::read_dir(&inventory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    dumps.sort();
    let world: Value =
        serde_json::from_slice(&fs::read(directory.path().join("truth/world.json")).unwrap()).unwrap();
    let times: Vec<i64> =
        world["snapshots_at"].as_array().unwrap().iter().map(|t| t.as_i64().unwrap()).collect();
    // The last one is not dated.
    assert!(dumps.len() == 3 && times.len() == 4);
    let now = directory.path().join("now");
    fs::create_dir(&now).unwrap();
    for entry in fs::read_dir(&inventory).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file())
    {
        fs::copy(entry.path(), now.join(entry.file_name())).unwrap();
    }
    dumps.push(now);
    let times = &times[..3];

    // By id, with the dump: the world changes nothing about a rule or an interface but whether it is there.
    let by_id = |key: &str, id: &str| {
        let mut all: BTreeMap<String, (Value, Vec<bool>)> = BTreeMap::new();
        for (at, dump) in dumps.iter().enumerate() {
            for one in dumped(dump, key) {
                let name = one[id].as_str().unwrap().to_owned();
                let (last, there) =
                    all.entry(name).or_insert_with(|| (Value::Null, vec![false; dumps.len()]));
                *last = one;
                there[at] = true;
            }
        }
        all
    };
    let mut expected: Vec<(String, String, [Value; 4])> = Vec::new();
    for (id, (rule, there)) in by_id("SecurityGroupRules", "SecurityGroupRuleId") {
        for stretch in stretches(&there) {
            let group = rule["GroupId"].as_str().unwrap().to_owned();
            expected.push((id.clone(), group, periods(times, stretch)));
        }
    }
    assert!(expected.iter().any(|(_, _, times)| !times[3].is_null()), "a rule goes");
    let word = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let told: Vec<(String, String, [Value; 4])> = table(&store, "rules")
        .iter()
        .map(|row| (word(row, "rule_id"), word(row, "security_group"), PERIODS.map(|name| row[name].clone())))
        .collect();
    assert_eq!(told, expected);

    let mut expected: Vec<(String, Value, [Value; 4])> = Vec::new();
    for (id, (interface, there)) in by_id("NetworkInterfaces", "NetworkInterfaceId") {
        let groups = interface["Groups"].as_array().unwrap().iter().map(|group| group["GroupId"].clone());
        let groups: BTreeSet<String> = groups.map(|group| group.as_str().unwrap().to_owned()).collect();
        for stretch in stretches(&there) {
            expected.push((id.clone(), json!(groups), periods(times, stretch)));
        }
    }
    assert!(expected.iter().any(|(_, _, times)| !times[0].is_null()), "an interface comes");
    let rows = table(&store, "interfaces");
    assert!(rows.iter().all(|row| row["in_inventory"] == true));
    let told: Vec<(String, Value, [Value; 4])> = rows
        .iter()
        .map(|row| {
            (word(row, "interface"), row["security_groups"].clone(), PERIODS.map(|name| row[name].clone()))
        })
        .collect();
    assert_eq!(told, expected);

    // An investigation reads the same rows back that were made of the inventory, every column of them.
    let read = Configuration::of_store(&Store::open(&store).unwrap()).unwrap();
    let made = configuration(&[inventory]).unwrap().sorted();
    assert!(read.rules.iter().flatten().any(|rule| rule.ports.is_some() && rule.period.gone_by.is_some()));
    assert_eq!(read.rules, made.rules);
    assert_eq!(read.interfaces, made.interfaces);
}

#[test]
fn rules_read_as_in_the_report_and_records_tell_of_other_interfaces() {
    let directory = tempfile::tempdir().unwrap();
    let (store, out) = (directory.path().join("store"), directory.path().join("out"));
    let inventory = directory.path().join("inventory");
    fs::create_dir(&inventory).unwrap();
    let mut gone = String::new();
    for dump in files(&sample().join("inventory")) {
        let mut content: Value = serde_json::from_slice(&fs::read(&dump).unwrap()).unwrap();
        if let Some(interfaces) = content["NetworkInterfaces"].as_array_mut() {
            // One that there are records of.
            let logged = interfaces
                .iter()
                .position(|i| i["Description"].as_str().unwrap().contains("web"))
                .unwrap_or(0);
            gone = interfaces.remove(logged)["NetworkInterfaceId"].as_str().unwrap().to_owned();
        }
        fs::write(inventory.join(dump.file_name().unwrap()), content.to_string()).unwrap();
    }
    ingest(&[&sample().join("AWSLogs")], &inventory, &store);
    let logs = sample().join("AWSLogs");
    let mut command = super::support::program();
    command
        .arg("analyze")
        .arg(&logs)
        .arg("--inventory")
        .arg(&inventory)
        .arg("--quiet")
        .arg("--out")
        .arg(&out);
    command.output().unwrap();
    let texts = |row: &Value| {
        ["rule_id", "security_group", "direction", "protocol", "port_range", "peer"]
            .map(|name| row[name].clone())
    };
    let rules = fs::read_to_string(out.join("rules.jsonl")).unwrap();
    let mut said: Vec<_> = rules.lines().map(|line| texts(&serde_json::from_str(line).unwrap())).collect();
    said.sort_by_key(|row| row[0].as_str().unwrap().to_owned());
    let rows = table(&store, "rules");
    assert_eq!(rows.iter().map(texts).collect::<Vec<_>>(), said);
    for row in &rows {
        let ports = (&row["from_port"], &row["to_port"]);
        match (row["protocol"].as_str().unwrap(), row["port_range"].as_str().unwrap()) {
            ("tcp" | "udp" | "all", "all") => assert_eq!(ports, (&json!(0), &json!(65535)), "{row}"),
            ("tcp" | "udp", text) => {
                let (from, to) = text.split_once('-').unwrap_or((text, text));
                let numbers = [from, to].map(|text| json!(text.parse::<i32>().unwrap()));
                assert_eq!(ports, (&numbers[0], &numbers[1]), "{row}");
            }
            _ => assert_eq!(ports, (&Value::Null, &Value::Null), "{row}"),
        }
        // The dumps are not dated: there is no telling when.
        assert!(PERIODS.iter().all(|name| row[*name].is_null()), "{row}");
    }
    assert!(rows.iter().any(|row| row["from_port"].is_null()));

    let interfaces = table(&store, "interfaces");
    let told: Vec<&Value> = interfaces.iter().filter(|row| row["interface"] == gone.as_str()).collect();
    let [told] = told.as_slice() else { panic!("{gone}: {told:?}") };
    assert!(told["in_inventory"] == false && told["account"].is_string() && told["kind"].is_null(), "{told}");
    assert_eq!(told["security_groups"], json!([]));
    let whole = directory.path().join("whole");
    ingest(&[&logs], &sample().join("inventory"), &whole);
    let rows = table(&whole, "interfaces");
    let known = rows.iter().find(|row| row["interface"] == gone.as_str()).unwrap();
    let dump = dumped(&sample().join("inventory"), "NetworkInterfaces");
    let dump = dump.iter().find(|one| one["NetworkInterfaceId"] == gone.as_str()).unwrap();
    assert_eq!(known["in_inventory"], true);
    assert_eq!(known["addresses"][0], dump["PrivateIpAddress"]);
    assert_eq!(known["subnet"], dump["SubnetId"]);
    assert_eq!(known["kind"], dump["InterfaceType"]);
    assert_eq!(known["description"], dump["Description"]);
}

fn generation(store: &Path) -> u64 {
    let manifest: Value =
        serde_json::from_slice(&fs::read(store.join("flowgate-store.json")).unwrap()).unwrap();
    manifest["generation"].as_u64().unwrap()
}

#[test]
fn what_stays_the_same_is_not_written_again_and_what_only_records_know_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = (directory.path().join("a.log"), directory.path().join("store"));
    // A format that tells nothing of interfaces but their ids; one of them has no traffic.
    let header =
        "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
    let line = |interface: &str| {
        let (start, end) = (EPOCH + 60, EPOCH + 90);
        format!("{interface} 203.0.113.9 10.0.0.5 40000 443 6 10 900 {start} {end} ACCEPT OK")
    };
    let idle = format!("eni-0bbbbbbbbbbbbbbbb - - - - - - - {} {} - NODATA", EPOCH + 60, EPOCH + 119);
    fs::write(&log, format!("{header}\n{}\n{idle}\n", line("eni-0aaaaaaaaaaaaaaaa"))).unwrap();
    let unknown = |store: &Path| -> Vec<String> {
        let rows = table(store, "interfaces");
        let rows = rows.iter().filter(|row| row["in_inventory"] == false);
        rows.map(|row| row["interface"].as_str().unwrap().to_owned()).collect()
    };
    // Without an inventory there are no such tables, whatever records tell.
    flowgate(0, &[&"ingest", &log, &"--store", &store]);
    assert!(table(&store, "interfaces").is_empty() && table(&store, "rules").is_empty());
    let inventory = sample().join("inventory");
    let other = sample_logs()[0].clone();
    ingest(&[&other], &inventory, &store);
    assert_eq!(unknown(&store), ["eni-0aaaaaaaaaaaaaaaa", "eni-0bbbbbbbbbbbbbbbb"]);
    let (before, commits) = (derived(&store), generation(&store));
    ingest(&[&other], &inventory, &store);
    assert_eq!(generation(&store), commits, "nothing changed");
    assert!(derived(&store) == before);
    // Another that comes later, on another day, and what was known stays known.
    let later = directory.path().join("b.log");
    let text =
        line("eni-0cccccccccccccccc").replace(&(EPOCH + 60).to_string(), &(EPOCH + 900_000).to_string());
    let text = text.replace(&(EPOCH + 90).to_string(), &(EPOCH + 900_030).to_string());
    fs::write(&later, format!("{header}\n{text}\n")).unwrap();
    ingest(&[&later], &inventory, &store);
    assert_eq!(unknown(&store), ["eni-0aaaaaaaaaaaaaaaa", "eni-0bbbbbbbbbbbbbbbb", "eni-0cccccccccccccccc"]);
    assert!(table(&store, "rules").len() > 10);
}
