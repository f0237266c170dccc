//! The packaged questions: each answers as a reader of its small log would, its twins ask for what is there, and the book
//! lists them all.

mod answers;
mod case;
mod page;
mod twins;
mod whole;

use std::path::Path;
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the program with an environment that says nothing about the machine.
fn flowgate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .args(arguments)
        .output()
        .unwrap()
}

/// The rows of an answer, the names of the columns first.
fn ask(store: &Path, name: &str, parameters: &[(String, String)]) -> Vec<Vec<String>> {
    ask_with(store, name, parameters, &[])
}

/// The same, with more options.
fn ask_with(store: &Path, name: &str, parameters: &[(String, String)], more: &[&str]) -> Vec<Vec<String>> {
    let told: Vec<String> = parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let store = store.to_str().unwrap();
    let mut arguments = vec!["query", name, "--store", store, "--format", "csv"];
    for parameter in &told {
        arguments.extend(["--param", parameter]);
    }
    arguments.extend(more);
    let output = flowgate(&arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{arguments:?}\n{errors}");
    csv(&String::from_utf8(output.stdout).unwrap())
}

/// Reads CSV as RFC 4180 has it.
fn csv(text: &str) -> Vec<Vec<String>> {
    let mut rows = vec![vec![String::new()]];
    let mut quoted = false;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let row = rows.last_mut().unwrap();
        match c {
            '"' if quoted && rest.peek() == Some(&'"') => row.last_mut().unwrap().extend(rest.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => row.push(String::new()),
            '\r' if !quoted => {}
            '\n' if !quoted => rows.push(vec![String::new()]),
            c => row.last_mut().unwrap().push(c),
        }
    }
    assert_eq!(rows.pop(), Some(vec![String::new()]), "the last line ends");
    rows
}

#[test]
fn csv_is_read_with_quotes_and_empty_cells() {
    let read = csv("a,b\n\"x, y\",\"say \"\"no\"\"\"\n,\n");
    assert_eq!(read, [["a", "b"], ["x, y", "say \"no\""], ["", ""]]);
}
