//! Findings that are kept, and what a store says of how old they are.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::support::{
    analyze, assert_no_garbage, derived, flowgate, ingest, program, sample, sample_logs, table, text,
};

fn info(store: &Path) -> String {
    let told = text(&flowgate(0, &[&"store", &"info", &"--store", &store]).stdout);
    told.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn keep(store: &Path, inventory: &Path, more: &[&str]) -> Option<i32> {
    let mut command = program();
    command
        .arg("analyze")
        .arg(store)
        .arg("--inventory")
        .arg(inventory)
        .args(["--keep", "--quiet"])
        .args(more);
    command.output().unwrap().status.code()
}

/// Lines of findings.jsonl as the table has to have them.
fn expected(findings: &str) -> Vec<Value> {
    let row = |line: &str| {
        let mut row: Value = serde_json::from_str(line).unwrap();
        let object = row.as_object_mut().unwrap();
        assert_eq!(object.remove("schema").unwrap(), "flowgate.finding/v1");
        for name in ["start", "end"] {
            let micros = object[name]
                .as_str()
                .map(|time| chrono::DateTime::parse_from_rfc3339(time).unwrap().timestamp_micros());
            object.insert(name.to_owned(), micros.into());
        }
        let ports = object["ports"].as_array().unwrap().iter();
        let ports: Vec<String> =
            ports.map(|port| port.as_str().map_or_else(|| port.to_string(), str::to_owned)).collect();
        object.insert("ports".to_owned(), json!(ports));
        object.insert("dt".to_owned(), Value::Null);
        row
    };
    findings.lines().map(row).collect()
}

/// Rows of the table with what is JSON in them read.
fn kept(store: &Path) -> Vec<Value> {
    let mut rows = table(store, "findings");
    for row in &mut rows {
        for name in ["counts", "evidence"] {
            row[name] = serde_json::from_str(row[name].as_str().unwrap()).unwrap();
        }
    }
    rows
}

#[test]
fn findings_are_kept_until_others_are_and_their_age_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let (store, inventory) = (directory.path().join("store"), sample().join("inventory"));
    let logs = sample_logs();
    let first: Vec<&Path> = logs[..12].iter().map(PathBuf::as_path).collect();
    ingest(&first, &inventory, &store);
    assert!(!info(&store).contains("findings"));
    let said = analyze(&[&store], &inventory, &[]);
    assert_eq!(keep(&store, &inventory, &[]), said.exit);
    assert!(said.findings.lines().count() > 3);
    assert_eq!(kept(&store), expected(&said.findings));
    assert_no_garbage(&store);
    let told = info(&store);
    assert!(
        told.contains("findings of the store as it is; judged by ") && told.contains("rule_usage "),
        "{told}"
    );
    let rows = format!("findings {} rows", said.findings.lines().count());
    assert!(told.contains(&rows), "{told}");
    let before = derived(&store);
    analyze(&[&store], &inventory, &[]).assert_same(&said, "what is kept changes nothing");

    // Nothing new changes nothing.
    ingest(&first, &inventory, &store);
    assert!(info(&store).contains("findings of the store as it is"));
    ingest(&logs.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &inventory, &store);
    assert!(derived(&store) != before);
    let told = info(&store);
    assert!(
        told.contains("findings from before the store changed last: `flowgate analyze STORE --keep`"),
        "{told}"
    );
    assert_eq!(kept(&store), expected(&said.findings), "they are there nevertheless");

    let more = ["--only", "unused-rule", "--to", "2026-03-01T01:00:00Z"];
    let said = analyze(&[&store], &inventory, &more);
    keep(&store, &inventory, &more);
    assert_eq!(kept(&store), expected(&said.findings));
    let told = info(&store);
    assert!(told.contains("as it is; before 2026-03-01T01:00:00Z; of unused-rule only;"), "{told}");
    // None at all are kept, too.
    keep(&store, &inventory, &["--only", "beacon"]);
    assert!(kept(&store).is_empty());
    assert!(info(&store).contains("of beacon only"));
    assert_no_garbage(&store);
}

#[test]
fn only_findings_of_a_whole_store_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (store, inventory) = (directory.path().join("store"), sample().join("inventory"));
    ingest(&[&sample_logs()[0]], &inventory, &store);
    let before = fs::read(store.join("flowgate-store.json")).unwrap();
    let log = sample_logs()[1].clone();
    for (inputs, more, expected) in [
        (vec![log.as_path()], vec![], "--keep: a single store must be the input"),
        (vec![store.as_path(), log.as_path()], vec![], "--keep: a single store must be the input"),
        (vec![store.as_path()], vec!["--interface", "eni-0123"], "the findings of a part"),
        (vec![store.as_path()], vec!["--account", "111122223333"], "the findings of a part"),
    ] {
        let mut command = program();
        command.arg("analyze").args(&inputs).arg("--inventory").arg(&inventory).arg("--keep").args(&more);
        let output = command.output().unwrap();
        let error = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
    // Somebody else writes: before anything is read.
    let holder = fs::OpenOptions::new().write(true).open(store.join("lock")).unwrap();
    holder.lock().unwrap();
    assert_eq!(keep(&store, &inventory, &[]), Some(3));
    drop(holder);
    assert_eq!(fs::read(store.join("flowgate-store.json")).unwrap(), before);
}

#[test]
fn in_one_go() {
    let directory = tempfile::tempdir().unwrap();
    let inventory = sample().join("inventory");
    let logs = sample().join("AWSLogs");
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    ingest(&[&logs], &inventory, &two);
    let exit = keep(&two, &inventory, &[]);
    assert_eq!(exit, Some(1));
    let all: [&dyn AsRef<std::ffi::OsStr>; 7] =
        [&"ingest", &logs, &"--inventory", &inventory, &"--store", &one, &"--analyze"];
    let told = flowgate(1, &all);
    let told = text(&told.stdout);
    assert!(told.starts_with("24 objects with ") && told.contains(" findings: "), "{told}");
    assert!(!kept(&one).is_empty());
    assert_eq!(kept(&one), kept(&two));
    assert!(derived(&one) == derived(&two));
    let never: Vec<&dyn AsRef<std::ffi::OsStr>> =
        all.into_iter().chain([&"--fail-on" as &dyn AsRef<std::ffi::OsStr>, &"never", &"--quiet"]).collect();
    assert!(flowgate(0, &never).stdout.is_empty());
    // Something could not be read: that wins, and it is analyzed nevertheless.
    let broken = directory.path().join("broken");
    fs::create_dir(&broken).unwrap();
    for log in &sample_logs()[..3] {
        fs::copy(log, broken.join(log.file_name().unwrap())).unwrap();
    }
    let whole = fs::read(&sample_logs()[3]).unwrap();
    fs::write(broken.join("cut.log.gz"), &whole[..whole.len() / 2]).unwrap();
    let three = directory.path().join("three");
    flowgate(4, &[&"ingest", &broken, &"--inventory", &inventory, &"--store", &three, &"--analyze"]);
    assert!(!kept(&three).is_empty());
    assert!(info(&three).contains("findings of the store as it is; incomplete"));
}

#[cfg(unix)]
#[test]
fn killed_while_findings_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (base, inventory) = (directory.path().join("base"), sample().join("inventory"));
    let first: Vec<_> = sample_logs()[..4].to_vec();
    ingest(&first.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &inventory, &base);
    keep(&base, &inventory, &["--only", "unused-rule"]);
    let old = kept(&base);
    let expected = expected(&analyze(&[&base], &inventory, &[]).findings);
    assert!(old != expected && !old.is_empty());
    let (mut killed, mut kept_old, mut kept_new) = (0, 0, 0);
    for step in 1.. {
        let store = directory.path().join(format!("killed-{step}"));
        for file in super::support::files(&base) {
            let place = store.join(file.strip_prefix(&base).unwrap());
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(&file, &place).unwrap();
        }
        let mut command = program();
        command.env("FLOWGATE_TEST_ABORT_AT_STEP", step.to_string());
        command.arg("analyze").arg(&store).arg("--inventory").arg(&inventory).args(["--keep", "--quiet"]);
        let status = command.output().unwrap().status;
        // What readers see: the files that the manifest names.
        let manifest: Value =
            serde_json::from_slice(&fs::read(store.join("flowgate-store.json")).unwrap()).unwrap();
        let new = manifest["findings"].get("detectors").is_none();
        let rows: u64 = manifest["tables"]["findings"].as_array().unwrap()[0]["rows"].as_u64().unwrap();
        assert_eq!(rows as usize, if new { expected.len() } else { old.len() }, "{step}");
        if status.code().is_some() {
            assert!(new);
            break;
        }
        killed += 1;
        (kept_old, kept_new) = (kept_old + u32::from(!new), kept_new + u32::from(new));
        keep(&store, &inventory, &[]);
        assert_eq!(kept(&store), expected, "{step}");
        assert_no_garbage(&store);
        assert!(derived(&store) == derived(&base), "{step}");
    }
    assert!(killed > 8 && kept_old > 5 && kept_new > 0, "{killed} {kept_old} {kept_new}");
}
