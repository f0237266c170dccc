//! A question holds no more than it may, reads no more than it needs, and ends.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use flowgate::query::{Engine, Limits, QueryError};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::support::{DAY, FIRST_DAY, LIMITS, Row, engine, rows, store, text};

/// One row a row group, over many days.
fn many(directory: &std::path::Path) {
    let all: Vec<Row> = (0..400)
        .map(|at| Row {
            start: (FIRST_DAY + at / 10) * DAY * 1_000_000 + at,
            remote: format!("10.0.{}.{}", at / 250, at % 250),
            bytes_in: at,
            ..Row::default()
        })
        .collect();
    store(directory, &all, 1);
}

#[test]
fn a_limit_without_order_does_not_read_everything() {
    let directory = tempfile::tempdir().unwrap();
    many(directory.path());
    // The last day's data is spoiled, its footer is not.
    let last = directory.path().join("connections/dt=2026-04-09/00000001.parquet");
    let mut bytes = fs::read(&last).unwrap();
    let reader = SerializedFileReader::new(fs::File::open(&last).unwrap()).unwrap();
    for column in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let (begin, length) = column.byte_range();
        bytes[begin as usize..(begin + length) as usize].fill(0xff);
    }
    fs::write(&last, bytes).unwrap();
    let engine = Engine::open(directory.path(), Limits { threads: 2, ..LIMITS }).unwrap();
    let damaged = |sql: &str| matches!(engine.ask(sql), Err(QueryError::Store(_)));

    assert!(damaged("SELECT remote FROM connections"));
    assert!(damaged("SELECT remote FROM connections ORDER BY remote LIMIT 3"));
    assert!(damaged("SELECT MAX(bytes_in) FROM connections LIMIT 1"), "one row of all rows");
    assert!(damaged("SELECT DISTINCT direction FROM connections LIMIT 1"));
    assert!(damaged("SELECT remote FROM connections WHERE bytes_in + 0 < 3 LIMIT 4"), "there are but three");
    for (sql, first) in [
        ("SELECT bytes_in FROM connections LIMIT 5", 0),
        ("SELECT bytes_in FROM connections LIMIT 5 OFFSET 7", 7),
        ("SELECT bytes_in FROM connections WHERE bytes_in >= 20 LIMIT 5", 20),
        ("SELECT bytes_in + 0 AS x FROM connections WHERE remote LIKE '10.0.0.1%' LIMIT 2", 1),
        ("SELECT x FROM (SELECT bytes_in AS x FROM connections WHERE bytes_in > 9) AS t LIMIT 1", 10),
        ("WITH a AS (SELECT * FROM connections WHERE bytes_in <> 0) SELECT bytes_in FROM a LIMIT 1", 1),
    ] {
        assert_eq!(rows(&engine, sql)[0], [first], "{sql}");
    }
}

#[test]
fn what_would_hold_too_much_is_refused_with_words() {
    let directory = tempfile::tempdir().unwrap();
    many(directory.path());
    let ask =
        |memory, sql: &str| Engine::open(directory.path(), Limits { memory, threads: 2 }).unwrap().ask(sql);
    // All rows: known before anything is read.
    let Err(QueryError::Memory { table, rows, columns, .. }) = ask(20_000, "SELECT * FROM connections")
    else {
        panic!()
    };
    assert_eq!((table, &*rows, columns), ("connections", "400", 30));
    // With a condition: known when it is too much.
    let error = ask(3_000, "SELECT remote, interface FROM connections WHERE bytes_in >= 0").unwrap_err();
    let QueryError::Memory { rows, columns, .. } = &error else { panic!("{error}") };
    assert!(rows.starts_with("at least ") && *columns == 3, "{error}");
    // Few rows pass, or few are needed.
    assert_eq!(ask(3_000, "SELECT remote FROM connections WHERE bytes_in = 7").unwrap().rows(), 1);
    assert_eq!(ask(3_000, "SELECT remote FROM connections LIMIT 3").unwrap().rows(), 3);
    // To count rows, a column of flags is enough.
    assert_eq!(ask(2_000, "SELECT COUNT(*) AS n FROM connections").unwrap().row(0), [400]);
}

#[test]
fn groups_of_all_rows_hold_the_columns_that_are_named_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    many(directory.path());
    let ask =
        |memory, sql: &str| Engine::open(directory.path(), Limits { memory, threads: 2 }).unwrap().ask(sql);
    let enough = 100_000;
    assert!(matches!(ask(enough, "SELECT * FROM connections"), Err(QueryError::Memory { columns: 30, .. })));
    for (sql, named) in [
        ("SELECT remote, COUNT(*) AS n FROM connections GROUP BY remote", 1),
        ("SELECT remote, SUM(bytes_in) AS n FROM connections GROUP BY remote ORDER BY n DESC LIMIT 3", 2),
        ("SELECT remote, COUNT(*) AS n FROM (SELECT * FROM connections) AS t GROUP BY remote", 1),
        (
            "WITH t AS (SELECT * FROM connections) SELECT interface, MAX(bytes_in) AS n FROM t GROUP BY interface",
            2,
        ),
        ("SELECT DISTINCT remote FROM connections", 1),
    ] {
        assert!(ask(enough, sql).is_ok(), "{sql}");
        let error = ask(2_000, sql).unwrap_err();
        let QueryError::Memory { rows, columns, .. } = &error else { panic!("{sql}: {error}") };
        assert_eq!((&**rows, *columns), ("400", named), "{sql}");
        assert!(
            error.to_string().contains("the question would hold more of `connections` in memory"),
            "{error}"
        );
    }
}

/// The threads that read must not wait for those of Polars, which wait for what is read.
#[test]
fn one_thread_of_the_engine_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    many(directory.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    let sql =
        "SELECT COUNT(*) AS n FROM connections a JOIN connections b ON a.remote = b.remote AND a.bytes_in > 5
               JOIN connections c ON c.remote = b.remote WHERE a.local_port = 443 AND c.bytes_in < 300";
    command.env_clear().env("POLARS_MAX_THREADS", "1").args(["sql", "--format", "csv", sql, "--store"]);
    let mut child = command.arg(directory.path()).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("it hangs");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(text(&child.wait_with_output().unwrap().stdout), "\"n\"\r\n294\r\n");
}

#[test]
fn a_damaged_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    store(directory.path(), &[Row::default()], 8);
    let path = directory.path().join("connections/dt=2026-03-01/00000001.parquet");
    let length = fs::metadata(&path).unwrap().len() as usize;
    fs::write(&path, vec![0; length]).unwrap();
    let error = engine(directory.path()).ask("SELECT remote FROM connections").unwrap_err().to_string();
    assert!(error.contains("dt=2026-03-01/00000001.parquet") && error.contains("damaged"), "{error}");
}
