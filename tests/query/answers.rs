//! Answers, beside what an obvious computation says.

use std::collections::{BTreeMap, BTreeSet};

use flowgate::query::{Engine, Limits};
use serde_json::{Value, json};

use super::support::{Row, engine, rows, some_rows, store};

fn with(all: &[Row]) -> (tempfile::TempDir, Engine) {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), all, 16);
    let engine = engine(directory.path());
    (directory, engine)
}

#[test]
fn groups_are_what_the_rows_say() {
    let all = some_rows(500, 7);
    let (_directory, engine) = with(&all);
    let mut sums: BTreeMap<(String, i32), (i64, i64)> = BTreeMap::new();
    for row in &all {
        let sum = sums.entry((row.remote.clone(), row.local_port)).or_default();
        *sum = (sum.0 + i64::from(!row.continued), sum.1 + row.bytes_in);
    }
    let expected: Vec<Vec<Value>> = sums
        .into_iter()
        .map(|((remote, port), (connections, bytes))| {
            vec![remote.into(), port.into(), connections.into(), bytes.into()]
        })
        .collect();
    let sql = "SELECT remote, local_port, COUNT(*) FILTER (WHERE NOT continued) AS connections, SUM(bytes_in) AS bytes
               FROM connections GROUP BY remote, local_port ORDER BY remote, local_port";
    assert_eq!(rows(&engine, sql), expected);
}

#[test]
fn rows_are_counted() {
    let all = some_rows(321, 8);
    let (_directory, engine) = with(&all);
    assert_eq!(rows(&engine, "SELECT COUNT(*) AS n FROM connections"), [[json!(321)]]);
    assert_eq!(
        rows(&engine, "SELECT 2 * COUNT(*) AS n, 'x' AS x FROM connections"),
        [[json!(642), json!("x")]]
    );
    let one_day = all.iter().filter(|row| row.day() == 20_514).count();
    assert!(one_day > 0);
    assert_eq!(
        rows(&engine, "SELECT COUNT(*) AS n FROM connections WHERE dt = '2026-03-02'"),
        [[json!(one_day)]]
    );
    assert_eq!(rows(&engine, "SELECT COUNT(*) AS n FROM connections WHERE dt = '2030-01-01'"), [[json!(0)]]);
}

#[test]
fn tables_can_be_joined_with_themselves_and_asked_in_a_question() {
    let all = some_rows(60, 9);
    let (_directory, engine) = with(&all);
    let expected =
        all.iter().filter(|a| all.iter().any(|b| b.remote == a.remote && b.local_port == 22)).count();
    let sql = "WITH ssh AS (SELECT DISTINCT remote FROM connections WHERE local_port = 22)
               SELECT COUNT(*) AS n FROM connections c JOIN ssh ON c.remote = ssh.remote";
    assert_eq!(rows(&engine, sql), [[json!(expected)]]);
    let sql = "SELECT COUNT(*) AS n FROM connections
               WHERE remote IN (SELECT remote FROM connections WHERE local_port = 22)";
    assert_eq!(rows(&engine, sql), [[json!(expected)]]);
}

/// Without ORDER BY, too: in the order in which groups begin.
#[test]
fn no_order_depends_on_threads() {
    let all = some_rows(2000, 10);
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &all, 32);
    for sql in [
        "SELECT remote, interface, COUNT(*) AS n FROM connections GROUP BY remote, interface",
        "SELECT DISTINCT remote, local_port FROM connections",
        "SELECT remote, bytes_in FROM connections ORDER BY local_port LIMIT 50",
        "SELECT a.remote, b.bytes_in FROM connections a JOIN connections b ON a.start = b.start LIMIT 100",
        "SELECT remote FROM connections WHERE local_port = 22 UNION ALL SELECT interface FROM connections",
        "SELECT remote FROM connections WHERE local_port = 22 UNION SELECT interface FROM connections",
    ] {
        let said = |threads| {
            let engine = Engine::open(directory.path(), Limits { memory: 1 << 30, threads }).unwrap();
            rows(&engine, sql)
        };
        let first = said(1);
        assert!(first.len() > 4, "{sql}");
        for threads in [1, 2, 3, 8, 8, 8] {
            assert_eq!(said(threads), first, "{sql}");
        }
    }
    // Groups come as they begin.
    let mut begin: Vec<Value> = Vec::new();
    for row in &all {
        let remote = Value::from(row.remote.as_str());
        if !begin.contains(&remote) {
            begin.push(remote);
        }
    }
    let engine = engine(directory.path());
    let groups: Vec<Value> = rows(&engine, "SELECT remote, COUNT(*) AS n FROM connections GROUP BY remote")
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect();
    assert_eq!(groups, begin);
}

#[test]
fn rows_of_a_union_are_counted() {
    let all = some_rows(100, 11);
    let (_directory, engine) = with(&all);
    let union = "SELECT remote FROM connections UNION ALL SELECT interface FROM connections";
    let distinct: BTreeSet<&str> =
        all.iter().flat_map(|row| [row.remote.as_str(), row.interface.as_str()]).collect();
    let private = all.iter().filter(|row| row.remote.starts_with("10.")).count();
    for (sql, expected) in [
        (format!("SELECT COUNT(*) AS n FROM ({union}) AS t"), 200),
        (format!("SELECT COUNT(1) AS n FROM ({union}) AS t"), 200),
        (format!("SELECT COUNT(*) + 1 AS n FROM ({union}) AS t"), 201),
        (format!("WITH t AS ({union}) SELECT COUNT(*) AS n FROM t"), 200),
        (format!("WITH t AS ({union}) SELECT COUNT(*) AS n FROM t WHERE remote LIKE '10.%'"), private),
        (
            format!(
                "SELECT COUNT(*) AS n FROM (SELECT remote AS r FROM ({union}) AS t ORDER BY r LIMIT 7) AS u"
            ),
            7,
        ),
        (format!("SELECT COUNT(*) AS n FROM ({}) AS t", union.replace(" ALL", "")), distinct.len()),
        (format!("SELECT COUNT(*) AS n FROM (SELECT * FROM ({union}) AS t WHERE remote = '') AS u"), 0),
    ] {
        assert_eq!(rows(&engine, &sql), [[json!(expected)]], "{sql}");
    }
}

#[test]
fn functions_say_what_they_are_meant_to() {
    let row = |remote: &str, rules: Option<&[&str]>| Row {
        remote: remote.to_owned(),
        rules: rules.map(|rules| rules.iter().map(|rule| (*rule).to_owned()).collect()),
        ..Row::default()
    };
    let all = [
        row("10.1.2.3", Some(&["sgr-1", "sgr-2"])),
        row("100.64.0.1", Some(&[])),
        row("100.128.0.1", None),
        row("172.31.255.255", None),
        row("172.32.0.0", None),
        row("169.254.1.1", None),
        row("203.0.113.7", None),
        row("fd00::1", None),
        row("fe80::1", None),
        row("2001:db8::1", None),
        row("::1", None),
        row("none", None),
    ];
    let (_directory, engine) = with(&all);
    let column = |expression: &str| -> Vec<Value> {
        let answer = rows(&engine, &format!("SELECT {expression} AS x FROM connections"));
        answer.into_iter().map(|mut row| row.remove(0)).collect()
    };
    let flags = |text: &str| -> Vec<Value> {
        text.chars().map(|c| if c == '-' { Value::Null } else { Value::from(c == '1') }).collect()
    };
    assert_eq!(column("is_private(remote)"), flags("11010101101-"));
    assert_eq!(column("IN_NETWORK(remote, '10.0.0.0/8, 2001:db8::/32,203.0.113.7')"), flags("100000100100"));
    assert_eq!(column("in_network(remote, NULL)"), flags("------------"));
    assert_eq!(column("has(rules, 'sgr-2')"), flags("10----------"));
    assert_eq!(column("items(rules)")[..3], [json!("sgr-1, sgr-2"), json!(""), Value::Null]);
    assert_eq!(column("protocol_name(protocol)")[0], json!("tcp"));
    assert_eq!(column("protocol_name(local_port - 385)")[0], json!("icmpv6"));
    assert_eq!(column("protocol_name(local_port)")[0], json!("443"), "no protocol has this number");
    assert_eq!(column("seconds(\"end\" - start)")[0], json!(1), "1.5 s, cut");
    assert_eq!(column("seconds(start - \"end\")")[0], json!(-1));
    assert_eq!(column("epoch(start)")[0], json!(1_772_323_200));
    assert_eq!(column("epoch(dt)")[0], json!(1_772_323_200));
    assert_eq!(column("epoch(start - INTERVAL '57 years')")[0], json!(-26_438_400));
    assert_eq!(column("start")[0], json!("2026-03-01T00:00:00Z"));
    assert_eq!(column("\"end\"")[0], json!("2026-03-01T00:00:01.500Z"));
    assert_eq!(column("\"end\" - start")[0], json!(1.5));
    assert_eq!(column("dt")[0], json!("2026-03-01"));
    assert_eq!(column("rules")[..3], [json!(["sgr-1", "sgr-2"]), json!([]), Value::Null]);
}

#[test]
fn functions_work_within_questions_of_a_question() {
    let all = some_rows(100, 11);
    let (_directory, engine) = with(&all);
    let private = ["10.0.0.1", "10.0.3.7", "10.200.0.9", "fd00::2"];
    let expected = all.iter().filter(|row| private.contains(&row.remote.as_str())).count();
    for sql in [
        "WITH a AS (SELECT remote FROM connections WHERE is_private(remote)) SELECT COUNT(*) AS n FROM a",
        "SELECT COUNT(*) AS n FROM (SELECT is_private(remote) AS p FROM connections) AS t WHERE p",
        "SELECT COUNT(*) AS n FROM connections WHERE remote IN (SELECT remote FROM connections WHERE is_private(remote))",
        "SELECT COUNT(remote) AS n FROM (SELECT remote FROM connections WHERE in_network(remote, '10.0.0.0/8') UNION ALL
         SELECT remote FROM connections WHERE in_network(remote, 'fd00::/8')) AS t",
        "SELECT SUM(CASE WHEN is_private(remote) THEN 1 ELSE 0 END) AS n FROM connections",
        "SELECT COUNT(*) FILTER (WHERE is_private(remote)) AS n FROM connections",
    ] {
        assert_eq!(rows(&engine, sql), [[json!(expected)]], "{sql}");
    }
    let sql = "WITH a AS (SELECT epoch(start) AS e, seconds(\"end\" - start) AS s, LENGTH(protocol_name(protocol)) AS l,
               items(rules) AS i, has(rules, 'sgr-1') AS h FROM connections)
               SELECT MIN(e), MAX(s), MAX(l), MAX(h) FROM a GROUP BY s > 0 HAVING COUNT(i) > 0";
    let first = all.iter().map(|row| row.start / 1_000_000).min().unwrap();
    assert_eq!(rows(&engine, sql), [[json!(first), json!(1), json!(3), json!(true)]]);
}

#[test]
fn every_table_is_there_even_without_rows() {
    let (_directory, engine) = with(&[Row::default()]);
    for table in flowgate::store::Table::ALL {
        let answer = engine.ask(&format!("SELECT * FROM {}", table.name())).unwrap();
        let mut names: Vec<String> = table.columns().iter().map(|column| column.name.to_owned()).collect();
        names.extend(table.by_day().then(|| "dt".to_owned()));
        assert_eq!(answer.columns(), names);
    }
    let sql =
        "SELECT c.remote, f.title FROM connections c LEFT JOIN findings f ON f.security_group = c.interface";
    assert_eq!(rows(&engine, sql), [[json!("192.0.2.1"), Value::Null]]);
    let empty: Vec<&str> = engine.empty_tables(sql).into_iter().map(flowgate::store::Table::name).collect();
    assert_eq!(empty, ["findings"]);
}
