//! The policies of docs/permissions.md are what the code calls, no more and no less.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use flowgate::{inventory, mirror, source};
use serde_json::Value;

/// The actions of each policy, under the heading above it.
fn policies() -> BTreeMap<String, Vec<Value>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/permissions.md");
    let text = fs::read_to_string(path).unwrap();
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let (mut heading, mut block) = (String::new(), None::<String>);
    for line in text.lines() {
        match (&mut block, line) {
            (None, "```json") => block = Some(String::new()),
            (None, _) => {
                if let Some(title) = line.strip_prefix('#') {
                    heading = title.trim_start_matches('#').trim().to_owned();
                }
            }
            (Some(policy), "```") => {
                let policy =
                    serde_json::from_str(policy).unwrap_or_else(|error| panic!("{heading}: {error}"));
                found.entry(heading.clone()).or_default().push(policy);
                block = None;
            }
            (Some(policy), line) => *policy += &format!("{line}\n"),
        }
    }
    assert!(block.is_none(), "a block has no end");
    found
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap()).collect(),
        other => panic!("{other}"),
    }
}

/// Actions of a policy, after a look at its shape.
fn actions(policy: &Value) -> BTreeSet<String> {
    assert_eq!(policy["Version"], "2012-10-17");
    let mut found = BTreeSet::new();
    let mut names = BTreeSet::new();
    for statement in policy["Statement"].as_array().unwrap() {
        assert_eq!(statement["Effect"], "Allow");
        assert!(names.insert(statement["Sid"].as_str().unwrap()), "{policy}");
        let resource = statement.get("Resource").map(texts);
        assert!(resource.is_some() != statement.get("Principal").is_some(), "{policy}");
        let known = ["Sid", "Effect", "Action", "Resource", "Principal", "Condition"];
        assert!(statement.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{policy}");
        for action in texts(&statement["Action"]) {
            assert!(!action.contains('*') && found.insert(action.to_owned()), "{action}");
            // Where a resource can be named, it is.
            let unlimited = resource.iter().flatten().any(|resource| *resource == "*");
            assert_eq!(
                unlimited,
                action.starts_with("ec2:") || action == "logs:DescribeLogGroups",
                "{action}"
            );
        }
    }
    found
}

fn set(actions: &[&str]) -> BTreeSet<String> {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

#[test]
fn the_policies_allow_what_is_called() {
    let bucket = set(source::s3::ACTIONS);
    let inventory = set(inventory::live::ACTIONS);
    let expected = BTreeMap::from([
        ("`flowgate analyze s3://BUCKET/PREFIX`", vec![bucket.clone()]),
        ("If the objects are encrypted with a KMS key", vec![set(&["kms:Decrypt"])]),
        (
            "`flowgate ingest --store s3://BUCKET/PREFIX`, `flowgate store prune --store s3://BUCKET/PREFIX`",
            vec![set(mirror::WRITE_ACTIONS)],
        ),
        ("`flowgate analyze cloudwatch:GROUP`", vec![set(source::cloudwatch::ACTIONS)]),
        ("`flowgate inventory fetch`, and the script of `flowgate inventory commands`", vec![inventory]),
        ("`--assume-role`", vec![set(&["sts:AssumeRole"]); 2]),
        ("Configuration history of AWS Config, as files from S3", vec![bucket]),
    ]);
    // Who may read logs there, may read a store.
    assert_eq!(set(mirror::READ_ACTIONS), set(source::s3::ACTIONS));
    let policies = policies();
    let found: BTreeMap<&str, Vec<BTreeSet<String>>> =
        policies.iter().map(|(heading, all)| (heading.as_str(), all.iter().map(actions).collect())).collect();
    assert_eq!(found, expected);
}
