//! Every question has a case, and answers as it says.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flowgate::query::{Question, questions};

use crate::questions::case::{Case, short};
use crate::questions::{ask, root};

/// What is wrong with the answer to a question, in words.
fn fault(question: &Question) -> Option<String> {
    let case = Case::of(question.name);
    let directory = tempfile::tempdir().unwrap();
    case.stage(directory.path());
    let parameters: Vec<(String, String)> = case.params.clone().into_iter().collect();
    let mut answer = ask(&directory.path().join("store"), question.name, &parameters);
    let columns = answer.remove(0);
    let declared: Vec<&String> = question.columns.iter().map(|(name, _)| name).collect();
    if columns.iter().ne(declared.iter().copied()) {
        return Some(format!("{}: the head declares {declared:?}, there are {columns:?}", question.name));
    }
    let rows: Vec<Vec<String>> =
        answer.iter().map(|row| row.iter().map(|cell| short(cell)).collect()).collect();
    if rows != case.rows() {
        let lines: Vec<String> = rows.iter().map(|row| row.join(" | ")).collect();
        return Some(format!(
            "{}: not the answer\n{}\nbut\n{}",
            question.name,
            case.answer,
            lines.join("\n")
        ));
    }
    None
}

#[test]
fn every_question_answers_as_a_reader_of_its_log_would() {
    let questions = questions().unwrap();
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(question) = questions.get(next.fetch_add(1, Ordering::Relaxed)) {
                    faults.lock().unwrap().extend(fault(question));
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_case_has_rows_and_something_that_is_left_out() {
    let mut cases = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/questions/cases")).unwrap() {
        cases.insert(entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    }
    let mut inventory = String::new();
    for entry in fs::read_dir(root().join("tests/questions/inventory")).unwrap() {
        inventory += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    let questions = questions().unwrap();
    assert!(questions.len() >= 30);
    for question in &questions {
        assert!(cases.remove(question.name), "{} has no case", question.name);
        let case = Case::of(question.name);
        let rows = case.rows();
        assert!(!rows.is_empty(), "{}: no row", question.name);
        assert!(rows.iter().all(|row| row.len() == question.columns.len()), "{}: {rows:?}", question.name);
        assert!(!case.absent.is_empty(), "{}: nothing is left out", question.name);
        for word in &case.absent {
            let there = case.logs.contains(word) || inventory.contains(word);
            assert!(there, "{}: {word} is nowhere", question.name);
            let told = rows.iter().flatten().any(|cell| cell == word);
            assert!(!told, "{}: {word} is in the answer", question.name);
        }
    }
    assert!(cases.is_empty(), "without a question: {cases:?}");
}
