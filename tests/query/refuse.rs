//! Errors teach.

use super::support::{Row, flowgate, store, text};

/// What is said of a question, and how the run ends.
fn said(args: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &[Row::default()], 8);
    let output = flowgate(args, directory.path());
    assert_eq!(text(&output.stdout), "", "{args:?}");
    let message = text(&output.stderr).replace(&directory.path().display().to_string(), "STORE");
    (output.status.code().unwrap(), message.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn questions_that_are_none_say_what_to_do() {
    for (sql, parts) in [
        ("SELECT remot FROM connections", &["there is no column `remot`", "did you mean `remote`?"][..]),
        ("SELECT remote FROM conections", &["there is no table `conections`", "did you mean `connections`?"]),
        (
            "SELECT in_netwrk(remote, '') FROM connections",
            &["there is no function `in_netwrk`", "did you mean `in_network`?"],
        ),
        ("SELECT remote FRM connections WHERE", &["this is not SQL", "^", "a question looks like"]),
        ("SELECT remote\nFROM connections WHERE = 5", &["this is not SQL", "FROM connections WHERE = 5 ^"]),
        (
            "SELECT * FROM connections WHERE local_port = 'ssh'",
            &["cannot compare string", "ports and protocols are numbers"],
        ),
        ("SELECT * FROM connections WHERE remote > 5", &["cannot compare string", "numbers with numbers"]),
        ("DROP TABLE connections", &["DROP is not allowed", "only read the tables of the store"]),
        ("DELETE FROM connections", &["DELETE is not allowed"]),
        ("SELECT 1; SELECT 2", &["more than one statement is not allowed"]),
        ("SELECT * FROM read_csv('x.csv')", &["read_csv(…) is not allowed"]),
        ("SELECT * FROM read_parquet('x.parquet')", &["read_parquet(…) is not allowed"]),
        ("SELECT * FROM scan_ipc('x')", &["scan_ipc(…) is not allowed"]),
        ("", &["there is no question"]),
        (
            "SELECT in_network(remote, '10.0.0/8') FROM connections",
            &["'10.0.0/8' is no network", "10.0.0.0/8"],
        ),
        ("SELECT in_network(remote) FROM connections", &["in_network has 2 arguments"]),
        ("SELECT is_private(local_port) FROM connections", &["argument 1 of is_private can't be i32"]),
        ("SELECT in_network(remote, interface) AS x FROM connections", &["'eni-1' is no network"]),
        ("SELECT remote, is_private(remote) FROM connections", &["duplicate", "AS"]),
        (
            "SELECT * FROM (SELECT remote FROM connections WHERE is_private(remote) AND = 5) AS t",
            &["is_private(remote) AND = 5) AS t", "^"],
        ),
        ("SELECT TIMESTAMP '2026-13-45' FROM connections", &["error: "]),
    ] {
        let (exit, message) = said(&["sql", sql]);
        assert_eq!(exit, 2, "{sql}: {message}");
        for part in parts {
            assert!(message.contains(part), "{sql}: {part}: {message}");
        }
        assert!(!message.contains("panicked") && !message.contains("Deprecation"), "{message}");
    }
}

#[test]
fn arguments_that_are_wrong_say_what_to_do() {
    for (args, parts) in [
        (&["sql", "SELECT 1", "--out", "answer.xlsx"][..], &["--out answer.xlsx: of no known format"][..]),
        (&["sql", "SELECT 1", "--threads", "0"], &["--threads 0: nothing would run"]),
        (&["sql", "SELECT 1", "--memory", "much"], &["--memory much: not a size"]),
        (
            &["sql", "SELECT * FROM connections", "--memory", "1"],
            &["would hold more of `connections`", "name fewer columns", "--memory"],
        ),
        (&["query", "top-talker"], &["there is no question `top-talker`", "did you mean `top-talkers`?"]),
        (&["query", "top-talkers", "--param", "limit"], &["--param limit: there is no `=`"]),
        (
            &["query", "top-talkers", "--param", "limt=3"],
            &["top-talkers has no parameter `limt`", "did you mean `limit`?"],
        ),
        (&["query", "top-talkers", "--param", "limit=-3"], &["limit=-3: not a whole number from 0 on"]),
        (&["query", "top-talkers", "--param", "limit=1 OR 1"], &["limit=1 OR 1: not a whole number"]),
        (
            &["query", "top-talkers", "--param", "limit=1", "--param", "limit=2"],
            &["--param limit: told twice"],
        ),
        (&["query", "first-contact"], &["first-contact needs `address`", "--param address="]),
        (&["query", "first-contact", "--param", "address=';--"], &["not an address like 203.0.113.7"]),
    ] {
        let (exit, message) = said(args);
        assert_eq!(exit, 2, "{args:?}: {message}");
        for part in parts {
            assert!(message.contains(part), "{args:?}: {part}: {message}");
        }
    }
}

#[test]
fn a_table_without_rows_says_what_fills_it() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &[Row::default()], 8);
    let output = flowgate(&["sql", "SELECT title FROM findings"], directory.path());
    assert_eq!((output.status.code(), &*text(&output.stdout)), (Some(0), "title\n0 rows\n"));
    assert!(text(&output.stderr).contains("flowgate analyze STORE --inventory DIR"), "{output:?}");
}

#[test]
fn there_must_be_a_store() {
    let nowhere = tempfile::tempdir().unwrap();
    let output = flowgate(&["sql", "SELECT 1"], nowhere.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no store"), "{output:?}");
    let program = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flowgate"));
        command.env_clear().current_dir(nowhere.path());
        command
    };
    let output = program().args(["sql", "SELECT 1"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("name one: --store DIR"), "{output:?}");
    // The file of options may name it.
    store(&nowhere.path().join("kept"), &[Row::default()], 8);
    std::fs::write(nowhere.path().join("flowgate.toml"), "store = \"kept\"\n").unwrap();
    let output =
        program().args(["sql", "SELECT remote FROM connections", "--format", "csv"]).output().unwrap();
    assert_eq!(text(&output.stdout), "\"remote\"\r\n\"192.0.2.1\"\r\n", "{output:?}");
}
