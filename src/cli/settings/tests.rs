//! Which layer wins, and what is said about mistakes.

#![allow(clippy::unwrap_used, reason = "tests; clippy exempts the test functions only")]

use std::path::Path;

use super::super::{Cli, Environment, command};
use super::*;
use clap::FromArgMatches as _;

fn environment(line: &[&str], variables: &[(&str, &str)], file: Option<&Path>) -> Environment {
    Environment {
        arguments: std::iter::once("flowgate").chain(line.iter().copied()).map(Into::into).collect(),
        variables: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        config_file: file.map(Path::to_owned),
        ..Environment::default()
    }
}

/// What clap makes of it, as text.
fn parsed(line: &[&str], variables: &[(&str, &str)], file: &str) -> Result<String, Vec<Problem>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    std::fs::write(&path, file).unwrap();
    let environment = environment(line, variables, Some(&path));
    let settings = Settings::read(&environment, &command()).map_err(|failure| failure.problems)?;
    let matches = settings.apply(command()).try_get_matches_from(&environment.arguments).unwrap();
    Ok(format!("{:?}", Cli::from_arg_matches(&matches).unwrap()))
}

#[test]
fn flag_wins_over_variable_over_file_over_default() {
    let file = "[analyze]\nfail-on = \"low\"\n";
    let variable = [("FLOWGATE_ANALYZE_FAIL_ON", "medium")];
    let all = parsed(&["analyze", "-", "--fail-on", "critical"], &variable, file).unwrap();
    let two = parsed(&["analyze", "-"], &variable, file).unwrap();
    let one = parsed(&["analyze", "-"], &[], file).unwrap();
    let none = parsed(&["analyze", "-"], &[], "").unwrap();
    for (text, value) in [(all, "Critical"), (two, "Medium"), (one, "Low"), (none, "High")] {
        assert!(text.contains(&format!("fail_on: {value}")), "{value}: {text}");
    }
}

#[test]
fn every_kind_of_value_can_be_said() {
    let file = "inventory = 'inventory'\nwidth = 80\n[analyze]\ninputs = ['logs', 'more']\nskip = ['beacon']\n\
                all = true\nmax-requests = 8\nfrom = 2026-03-01\nonly = 'unused-rule'\n\
                [expect-init]\ninventory = ['other']\n[inventory-fetch]\nprofile = 'x'";
    let text = parsed(&["analyze"], &[("FLOWGATE_ANALYZE_SKIP", "misdropped,beacon")], file).unwrap();
    for part in [
        r#"inputs: ["logs", "more"]"#,
        r#"inventories: ["inventory"]"#,
        "all: true",
        "max_requests: 8",
        r#"from: Some("2026-03-01")"#,
        r#"only: ["unused-rule"]"#,
        r#"skip: ["misdropped", "beacon"]"#,
        "width: Some(80)",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // What is required is there, and the narrower section wins.
    let text = parsed(&["expect", "init"], &[], file).unwrap();
    assert!(text.contains(r#"inventories: ["other"]"#), "{text}");
    // Flags replace lists.
    let text = parsed(&["analyze", "x", "--inventory", "y"], &[], file).unwrap();
    assert!(text.contains(r#"inputs: ["x"]"#) && text.contains(r#"inventories: ["y"]"#), "{text}");
    let text = parsed(&["analyze"], &[("FLOWGATE_ANALYZE_ALL", "no")], file).unwrap();
    assert!(text.contains("all: false"), "{text}");
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (file, line, part, help) in [
        (
            "\n[analyze]\nfail_on = 'low'",
            ":3: ",
            "[analyze] has no option `fail_on`",
            "did you mean `fail-on`?",
        ),
        ("fail-on = 'low'", ":1: ", "no option `fail-on`", "it belongs into a section, like [analyze]"),
        ("[analyse]\n", ":1: ", "no option `analyse`", "did you mean `analyze`?"),
        ("[analyze]\nfail-on = 'lo'", ":2: ", "invalid value 'lo'", "did you mean `low`?"),
        ("[analyze]\nmax-requests = 'x'", ":2: ", "invalid value 'x'", ""),
        ("[analyze]\nall = 'yes'", ":2: ", "`all` is true or false", ""),
        ("[analyze]\nout = ['a', 'b']", ":2: ", "`out` is one string or number", ""),
        ("[analyze]\nskip = [['a']]", ":2: ", "`skip` is a list of strings", ""),
        ("[analyze\n", ":1: ", "", ""),
        ("a = 1\na = 2", ":2: ", "duplicate key", ""),
    ] {
        let problems = parsed(&["analyze", "-"], &[], file).unwrap_err();
        let problem = &problems[0];
        assert!(problem.message.contains(line) && problem.message.contains(part), "{file}: {problem:?}");
        assert!(problem.help.as_deref().unwrap_or_default().contains(help), "{file}: {problem:?}");
        assert!(!problem.excerpt.is_empty(), "{file}");
    }
    let problems = parsed(&["analyze", "-"], &[("FLOWGATE_ANALYZE_ALL", "maybe")], "").unwrap_err();
    assert!(problems[0].message.starts_with("FLOWGATE_ANALYZE_ALL: "), "{problems:?}");
}

#[test]
fn keys_and_variables_are_unambiguous() {
    let known = settings(&command());
    let mut variables: Vec<String> = known.iter().map(Setting::variable).collect();
    variables.sort();
    let all = variables.len();
    variables.dedup();
    assert_eq!(variables.len(), all, "two options share a variable");
    for key in SHARED {
        assert!(known.iter().any(|setting| setting.key == key), "no option is called {key}");
    }
    for name in WITHOUT {
        assert!(command().find_subcommand(name).is_some(), "no command is called {name}");
    }
}
