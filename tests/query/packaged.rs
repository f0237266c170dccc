//! Packaged questions: none is forgotten, and no value gets out of its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use flowgate::query::{Question, Target, questions};
use proptest::prelude::*;
use serde_json::Value;

use super::support::{Row, engine, flowgate, rows, store, text};

fn names(folder: &str, ending: &str) -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let files = entries.filter(|entry| entry.path().is_file());
    files
        .map(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.strip_suffix(ending).unwrap_or_else(|| panic!("{name} does not belong there")).to_owned()
        })
        .collect()
}

#[test]
fn every_file_is_compiled_in() {
    let questions = questions().unwrap();
    let all = |has: &dyn Fn(&Question) -> bool| -> BTreeSet<String> {
        questions.iter().filter(|question| has(question)).map(|question| question.name.to_owned()).collect()
    };
    assert_eq!(names("queries", ".sql"), all(&|_| true));
    assert_eq!(names("queries/athena", ".sql"), all(&|question| question.athena.text().is_some()));
    assert_eq!(names("queries/insights", ".txt"), all(&|question| question.insights.text().is_some()));
}

#[test]
fn a_question_can_be_asked_printed_and_changed() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &[Row::default(), Row { remote: "192.0.2.2".to_owned(), ..Row::default() }], 8);
    let run = |args: &[&str]| {
        let output = flowgate(args, directory.path());
        assert_eq!((output.status.code(), &*text(&output.stderr)), (Some(0), ""), "{args:?}");
        text(&output.stdout)
    };
    let asked = run(&["query", "top-talkers", "--param", "limit=1", "--format", "csv"]);
    assert!(asked.lines().count() == 2 && asked.contains("192.0.2.1"), "{asked}");
    let printed = run(&["query", "top-talkers", "--param", "limit=1", "--print"]);
    assert!(
        printed.starts_with("SELECT") && printed.contains("LIMIT 1") && !printed.contains(":limit"),
        "{printed}"
    );
    assert_eq!(run(&["sql", &printed, "--format", "csv"]), asked);
    let twin = run(&["query", "top-talkers", "--athena", "--param", "limit=7"]);
    assert!(twin.contains('7') && !twin.contains(":limit"), "{twin}");
    let described = run(&["query", "first-contact", "--describe"]);
    assert!(described.contains("address  ") && described.contains("must be told"), "{described}");
    let listed = run(&["query", "--list"]);
    assert_eq!(listed, run(&["query"]));
    assert!(listed.contains("first-contact") && listed.contains("address*"), "{listed}");
    let explained = run(&["query", "top-talkers", "--explain"]);
    assert!(explained.contains("1 of 1 file") && explained.contains("plan"), "{explained}");
}

/// Text that would end its quotes is only ever compared.
fn hostile() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("it's; DROP TABLE connections -- ".to_owned()),
        Just("' OR 1 = 1 OR reason = '".to_owned()),
        Just("\\' OR 1 = 1 -- ".to_owned()),
        Just("''".to_owned()),
        "[ '\"\\\\;:\\-/*()=1OR\n]{0,20}",
        "\\PC{0,10}",
    ]
}

const FILE: &str = "\
-- title: t
-- question: q
-- columns: reason = r
-- param: reason (text) what to look for
-- tables: connections
-- no-athena: a test
-- no-insights: a test
SELECT reason FROM connections WHERE reason = :reason AND local_port = 443
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]
    #[test]
    fn no_value_changes_the_question(told in hostile(), other in hostile()) {
        let directory = tempfile::tempdir().unwrap();
        let all = [&told, &other].map(|reason| Row { reason: reason.clone(), ..Row::default() });
        store(directory.path(), &all, 8);
        let question = Question::parse("asked", FILE, None, None).unwrap();
        let sql = question.fill(Target::Store, &BTreeMap::from([("reason".to_owned(), told.clone())])).unwrap();
        let expected: Vec<Vec<Value>> = all
            .iter()
            .filter(|row| row.reason == told)
            .map(|row| vec![Value::from(row.reason.as_str())])
            .collect();
        prop_assert_eq!(rows(&engine(directory.path()), &sql), expected);
    }
}
