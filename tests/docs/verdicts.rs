//! The examples of `docs/verdicts.md`: their blocks are files, and the program says of them what the tables say.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray};
use arrow::datatypes::UInt16Type;
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{blocks, read, rows, section};

/// Writes the files of a case; `*` in a path stands for every folder that another file of it names there.
fn write(page: &str, case: &str, directory: &Path) {
    let mut files: Vec<(String, String)> = Vec::new();
    for block in blocks(page) {
        let words: BTreeMap<&str, &str> =
            block.info.split(' ').filter_map(|word| word.split_once('=')).collect();
        if words.get("case") == Some(&case) {
            files.push((words["file"].to_owned(), block.text));
        }
    }
    assert!(files.len() >= 4, "{case}: {} files", files.len());
    let folders: BTreeSet<String> = files
        .iter()
        .filter_map(|(path, _)| path.strip_prefix("inventory/")?.split_once('/'))
        .map(|(folder, _)| folder.to_owned())
        .filter(|folder| folder != "*")
        .collect();
    for (path, text) in files {
        let paths = if path.contains('*') {
            folders.iter().map(|folder| path.replace('*', folder)).collect()
        } else {
            vec![path]
        };
        for path in paths {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, &text).unwrap();
        }
    }
}

/// What the program says: connections as rows of the page's table, and findings.
fn judged(directory: &Path) -> (BTreeSet<Vec<String>>, BTreeSet<Vec<String>>) {
    let out = directory.join("connections.parquet");
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.join("logs"))],
        inventories: vec![directory.join("inventory")],
        only: vec!["misdropped".to_owned(), "unexpected-accept".to_owned()],
        list_escapes: true,
        connections_out: Some(out.clone()),
        ..AnalyzeConfig::default()
    };
    let conclusions = analyze(&config, None, &Silent).unwrap();
    assert_eq!(conclusions.summary.tally.malformed, 0, "{:?}", conclusions.summary.tally);
    assert!(!conclusions.is_incomplete(), "{:?}", conclusions.summary.limitations);
    let findings = conclusions
        .findings
        .iter()
        .map(|f| vec![f.kind.to_string(), f.cause.clone(), f.severity.to_string()])
        .collect();
    let file = fs::File::open(out).unwrap();
    let mut connections = BTreeSet::new();
    for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
        let batch = batch.unwrap();
        let column = |name: &str| batch.column_by_name(name).unwrap().clone();
        let text = |name: &str, row: usize| {
            let column = column(name);
            if column.is_null(row) { String::new() } else { column.as_string::<i32>().value(row).to_owned() }
        };
        for row in 0..batch.num_rows() {
            let port = column("remote_port").as_primitive::<UInt16Type>().value(row);
            let rules = column("rules").as_list::<i32>().value(row);
            let rules: Vec<&str> = rules.as_string::<i32>().iter().flatten().collect();
            connections.insert(vec![
                format!("{}:{port}", text("remote", row)),
                text("direction", row),
                text("evidence", row),
                text("verdict", row),
                text("reason", row),
                rules.join(", "),
                text("blocked_reply", row),
            ]);
        }
    }
    (connections, findings)
}

#[test]
fn examples_are_judged_as_the_page_says() {
    let page = read("docs/verdicts.md");
    for (heading, case, in_all) in [
        ("Example: a reply that a network ACL blocks", "blocked-reply", 3),
        ("Example: a rule that is gone", "removed-rule", 4),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let section = section(&page, heading);
        write(section, case, directory.path());
        let told = rows(&super::prose(section));
        assert_eq!(told.len(), in_all, "{told:?}");
        let of = |cells: usize| -> BTreeSet<Vec<String>> {
            told.iter().filter(|row| row.len() == cells).cloned().collect()
        };
        let (connections, findings) = judged(directory.path());
        assert_eq!(connections, of(7), "{case}");
        assert_eq!(findings, of(3), "{case}");
    }
}

/// What the page says at its end: a rule for everybody, with everything let out, is not tracked.
#[test]
fn untracked_traffic_does_not_go_on() {
    let page = read("docs/verdicts.md");
    let directory = tempfile::tempdir().unwrap();
    write(section(&page, "Example: a rule that is gone"), "removed-rule", directory.path());
    let mut folders: Vec<_> =
        fs::read_dir(directory.path().join("inventory")).unwrap().map(|e| e.unwrap().path()).collect();
    folders.sort();
    let out = r#"{"SecurityGroupRuleId": "sgr-0b2", "GroupId": "sg-0b1", "GroupOwnerId": "111122223333",
        "IsEgress": true, "IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIpv4": "0.0.0.0/0"}"#;
    for folder in folders {
        let file = folder.join("describe-security-group-rules.json");
        let rules = fs::read_to_string(&file).unwrap().replace("198.51.100.0/24", "0.0.0.0/0");
        let rules = rules.replace("[{", &format!("[{out}, {{")).replace("[]", &format!("[{out}]"));
        assert!(rules.contains("sgr-0b2"), "{rules}");
        fs::write(file, rules).unwrap();
    }
    let (connections, _) = judged(directory.path());
    let reason = |remote: &str| connections.iter().find(|row| row[0] == remote).map(|row| row[4].clone());
    assert_eq!(reason("198.51.100.7:50122").as_deref(), Some("rule-removed-new"), "{connections:?}");
    assert_eq!(reason("198.51.100.8:50990").as_deref(), Some("rule-removed-new"), "{connections:?}");
}

/// Every word of the program is explained, and no other.
#[test]
fn the_tables_have_every_word() {
    use flowgate::connection::Evidence;
    use flowgate::policy::EscapeReason;
    let page = read("docs/verdicts.md");
    let told: Vec<(String, String)> = rows(section(&page, "Who opened it"))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    let known: Vec<(String, String)> =
        Evidence::ALL.iter().map(|e| (e.as_str().to_owned(), e.strength().as_str().to_owned())).collect();
    assert_eq!(told, known);
    let verdicts = section(&page, "Verdict\n");
    for reason in [
        EscapeReason::RuleRemovedTracked,
        EscapeReason::RuleRemovedNew,
        EscapeReason::InventoryGap,
        EscapeReason::OpenerUnknown,
        EscapeReason::NoRule,
    ] {
        assert!(verdicts.contains(&format!("| `{}` |", reason.as_str())), "{reason:?}");
    }
}
