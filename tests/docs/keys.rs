//! `docs/output.md` has the keys that are written, all of them and no others.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{read, root, rows, run, section};

/// Objects whose keys depend on the data, by file.
const OPEN: [(&str, &[&str]); 5] = [
    ("findings.jsonl", &["counts", "evidence"]),
    ("rules.jsonl", &[]),
    (
        "summary.json",
        &[
            "tally.unknown_fields",
            "inventory",
            "ends.by_cause",
            "ends.not_compared_by",
            "findings.by_kind",
            "findings.by_severity",
            "rules.by_class",
        ],
    ),
    ("plan.json", &[]),
    ("replay.jsonl", &["connections", "weak", "bytes", "undecided"]),
];

/// Adds the keys of a value, nested ones with dots.
fn collect(value: &Value, path: &str, open: &[&str], keys: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, path, open, keys)),
        Value::Object(object) if open.contains(&path) && !object.is_empty() => {
            keys.insert(format!("{path}.*"));
        }
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(value, &path, open, keys);
                keys.insert(path);
            }
        }
        _ => {}
    }
}

fn keys_of(file: &Path, open: &[&str], keys: &mut BTreeSet<String>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let stream = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
    for value in stream {
        collect(&value.unwrap(), "", open, keys);
    }
}

/// The sample's inventory with another rule, another entry of a network ACL and an interface that changed its groups.
fn proposed(directory: &Path) {
    let from = root().join("sample-logs/inventory");
    fs::create_dir_all(directory).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut value: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        match name.as_str() {
            "describe-security-group-rules.json" => {
                let rules = value["SecurityGroupRules"].as_array_mut().unwrap();
                // Every second rule goes, and one is opened to everybody.
                let mut number = 0;
                rules.retain(|_| {
                    number += 1;
                    number % 2 == 0
                });
                let narrow = rules.iter_mut().find(|rule| {
                    rule["IsEgress"] == false && rule["CidrIpv4"].as_str().is_some_and(|c| c != "0.0.0.0/0")
                });
                let mut wide = narrow.unwrap().clone();
                wide["CidrIpv4"] = json!("0.0.0.0/0");
                wide["IpProtocol"] = json!("-1");
                wide["FromPort"] = json!(-1);
                wide["ToPort"] = json!(-1);
                wide["SecurityGroupRuleId"] = json!("sgr-00000000000000001");
                rules.push(wide);
            }
            "describe-security-groups.json" => {
                // The same rules once more: they would stay.
                for group in value["SecurityGroups"].as_array_mut().unwrap() {
                    group["IpPermissions"] = json!([]);
                    group["IpPermissionsEgress"] = json!([]);
                }
            }
            "describe-network-acls.json" => {
                let entries = value["NetworkAcls"][0]["Entries"].as_array_mut().unwrap();
                let mut entry = entries[0].clone();
                entry["RuleNumber"] = json!(7);
                entry["RuleAction"] = json!("deny");
                entry["CidrBlock"] = json!("192.0.2.0/24");
                entries.push(entry);
            }
            "describe-network-interfaces.json" => {
                let interfaces = value["NetworkInterfaces"].as_array_mut().unwrap();
                let with_groups =
                    |i: &&mut Value| i["Groups"].as_array().is_some_and(|groups| !groups.is_empty());
                interfaces.iter_mut().find(with_groups).unwrap()["Groups"] = json!([]);
            }
            _ => {}
        }
        fs::write(directory.join(name), serde_json::to_string(&value).unwrap()).unwrap();
    }
}

#[test]
fn the_page_has_every_key_that_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    proposed(&directory.path().join("proposed"));
    fs::write(at("ignore"), "203.0.113.0/24 2099-12-31 documentation\n").unwrap();
    let (out, proposal, ignore) = (at("out"), at("proposed"), at("ignore"));
    let inventory = "sample-logs/inventory";
    for arguments in [
        vec!["analyze", "sample-logs/", "--quiet", "--ignore", &ignore, "--out", &out],
        vec!["tighten", "sample-logs/", "--quiet", "--out", &out],
        vec![
            "replay",
            "sample-logs/",
            "--quiet",
            "--inventory",
            inventory,
            "--proposed",
            &proposal,
            "--out",
            &out,
        ],
    ] {
        let output = run(root(), &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{arguments:?}: {said}");
    }
    let page = read("docs/output.md");
    let mut wrong = Vec::new();
    for (file, open) in OPEN {
        let mut written = BTreeSet::new();
        keys_of(&directory.path().join("out").join(file), open, &mut written);
        // Renderers' own picture has what the sample lacks: malformed lines, watch lists, lines without a header.
        let picture = root().join("tests/report").join(file);
        if picture.exists() {
            keys_of(&picture, open, &mut written);
        }
        let rows = rows(section(&page, file));
        let told: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(told.len(), rows.len(), "{file}: a key is there twice");
        // What is there under a condition only need not be in these runs.
        let always = rows.iter().filter(|row| !row[1].starts_with("Only "));
        wrong.extend(written.difference(&told).map(|key| format!("{file}: {key} is not on the page")));
        let gone = always.filter(|row| !written.contains(&row[0]));
        wrong.extend(gone.map(|row| format!("{file}: {} is not written", row[0])));
        assert!(
            rows.iter().all(|row| row.len() == 2 && !row[1].is_empty()),
            "{file}: a key without a meaning"
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
