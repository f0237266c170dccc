//! The program as people run it: cases in `tests/cli/*.toml`, and every help page.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

/// One run of the program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows.
    about: String,
    args: Vec<String>,
    #[serde(default)]
    stdin: String,
    exit: i32,
    /// Exact, if given.
    stdout: Option<String>,
    stderr: Option<String>,
    #[serde(default)]
    stdout_contains: Vec<String>,
    #[serde(default)]
    stderr_contains: Vec<String>,
    /// What must not be in either stream.
    #[serde(default)]
    lacks: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Made in the current directory before the run.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli")
}

/// The program with an environment that says nothing about the machine.
fn program(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").current_dir(directory);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(mut command: Command, stdin: &str) -> Output {
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may be gone by now.
    _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Everything that is not as the case says.
fn check(case: &Case) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in &case.files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let mut command = program(directory.path());
    command.args(&case.args).envs(&case.env);
    let output = finish(command, &case.stdin);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let mut wrong = Vec::new();
    if output.status.code() != Some(case.exit) {
        wrong.push(format!("exit {:?}, not {}", output.status.code(), case.exit));
    }
    for (name, is, exact, parts) in [
        ("stdout", &stdout, &case.stdout, &case.stdout_contains),
        ("stderr", &stderr, &case.stderr, &case.stderr_contains),
    ] {
        if exact.as_ref().is_some_and(|exact| exact != is) {
            wrong.push(format!("{name} is not exactly as told"));
        }
        wrong.extend(parts.iter().filter(|p| !is.contains(*p)).map(|p| format!("{name} lacks {p:?}")));
        wrong.extend(case.lacks.iter().filter(|p| is.contains(*p)).map(|p| format!("{name} has {p:?}")));
    }
    if !wrong.is_empty() {
        wrong.push(format!("stdout:\n{stdout}\nstderr:\n{stderr}"));
    }
    wrong
}

#[test]
fn cases() {
    let mut failures = String::new();
    let mut files = 0;
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        files += 1;
        let cases: Cases = toml::from_str(&fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(!cases.case.is_empty(), "{}", path.display());
        for case in &cases.case {
            let wrong = check(case);
            if !wrong.is_empty() {
                let name = path.file_name().unwrap().to_string_lossy();
                failures += &format!("\n{name}: {}\n{}\n", case.about, wrong.join("\n"));
            }
        }
    }
    assert!(files >= 4, "cases are missing");
    assert!(failures.is_empty(), "{failures}");
}

/// Every subcommand as the words that lead to it.
fn subcommands(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    for sub in command.get_subcommands() {
        subcommands(sub, &[path, &[sub.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn help_pages() {
    let folder = folder().join("help");
    let mut found = Vec::new();
    subcommands(&flowgate::cli::command(), &[], &mut found);
    assert!(found.len() >= 5, "{found:?}");
    let directory = tempfile::tempdir().unwrap();
    let bless = std::env::var_os("FLOWGATE_BLESS").is_some();
    let mut pages = BTreeSet::new();
    for path in &found {
        for flag in ["--help", "-h"] {
            let mut command = program(directory.path());
            command.args(path).arg(flag);
            let output = finish(command, "");
            assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{path:?}");
            let name = format!("{}{flag}.txt", [&["flowgate".to_owned()], &path[..]].concat().join("-"));
            let page = folder.join(&name);
            if bless {
                fs::write(&page, &output.stdout).unwrap();
            }
            let expected = fs::read_to_string(&page).unwrap_or_default();
            let shown = text(&output.stdout);
            assert!(shown == expected, "{name} differs; FLOWGATE_BLESS=1 writes it again. Shown:\n{shown}");
            pages.insert(name);
        }
    }
    let there: BTreeSet<String> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, pages, "pages of subcommands that are gone");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(directory.path());
    command.args(["analyze", "--help"]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn explain_lists_every_detector() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(directory.path());
    command.arg("explain");
    let listed = text(&finish(command, "").stdout);
    let ids: Vec<&str> =
        listed.lines().take_while(|line| !line.is_empty()).filter_map(|l| l.split(' ').next()).collect();
    let known: Vec<&str> = flowgate::detect::registry().iter().map(|d| d.id).collect();
    assert_eq!(ids, known);
}
