//! What is no store, or somebody else's, is left alone.

use std::fs;
use std::path::Path;

use super::support::{files, flowgate, ingest, program, sample, sample_logs, text};

fn store(directory: &Path) -> std::path::PathBuf {
    let store = directory.join("store");
    ingest(&[&sample_logs()[0]], &sample().join("inventory"), &store);
    store
}

fn said(exit: i32, args: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    text(&flowgate(exit, args).stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn two_writers_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let lock = fs::OpenOptions::new().write(true).open(store.join("lock")).unwrap();
    lock.try_lock().unwrap();
    fs::write(store.join("lock"), "process 12 on elsewhere\n").unwrap();
    let error = said(3, &[&"ingest", &sample_logs()[1], &"--store", &store]);
    assert!(error.contains("another run writes to this store (process 12 on elsewhere)"), "{error}");
    let error = said(3, &[&"store", &"prune", &"--store", &store, &"--older-than", &"1d"]);
    assert!(error.contains("another run"), "{error}");
    // Readers don't care.
    flowgate(0, &[&"store", &"info", &"--store", &store]);
    // Whoever held it is gone, however: the file that is left locks nobody out.
    drop(lock);
    fs::write(store.join("lock"), "process 12 on elsewhere\n").unwrap();
    flowgate(
        0,
        &[&"ingest", &sample_logs()[1], &"--inventory", &sample().join("inventory"), &"--store", &store],
    );
}

#[test]
fn two_real_runs_end_as_one_after_the_other() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    fs::create_dir(&store).unwrap();
    let mut runs = Vec::new();
    for _ in 0..4 {
        let mut command = program();
        command
            .arg("ingest")
            .arg(sample().join("AWSLogs"))
            .arg("--inventory")
            .arg(sample().join("inventory"));
        command
            .arg("--store")
            .arg(&store)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped());
        runs.push(command.spawn().unwrap());
    }
    let mut done = 0;
    for run in runs {
        let output = run.wait_with_output().unwrap();
        let error = text(&output.stderr);
        match output.status.code() {
            Some(0) => done += 1,
            Some(3) => assert!(error.contains("another run writes"), "{error}"),
            other => panic!("{other:?} {error}"),
        }
    }
    assert!(done > 0);
    super::support::assert_no_garbage(&store);
    let info = text(&flowgate(0, &[&"store", &"info", &"--store", &store]).stdout);
    assert!(info.contains("24 objects") && info.contains("23,699 rows"), "{info}");
}

#[test]
fn directories_of_something_else() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("photos");
    fs::create_dir_all(place.join("records")).unwrap();
    fs::write(place.join("records/mine.parquet"), "mine").unwrap();
    let error = said(2, &[&"ingest", &sample_logs()[0], &"--store", &place]);
    assert!(error.contains("is no store, and not empty: it holds `records`"), "{error}");
    assert_eq!(files(&place), [place.join("records/mine.parquet")], "nothing was touched");
    let error = said(2, &[&"store", &"info", &"--store", &place]);
    assert!(error.contains("there is no store"), "{error}");
    let error =
        said(2, &[&"store", &"prune", &"--store", &directory.path().join("none"), &"--older-than", &"90d"]);
    assert!(error.contains("there is no store"), "{error}");
}

#[test]
fn damage_is_told_and_nothing_concluded() {
    let directory = tempfile::tempdir().unwrap();
    let store = store(directory.path());
    let manifest = store.join("flowgate-store.json");
    let sound = fs::read_to_string(&manifest).unwrap();
    let attempts = |expected: &str| {
        for command in ["analyze", "ingest", "info"] {
            let inventory = sample().join("inventory");
            let error = match command {
                "analyze" => said_any(&[&"analyze", &store, &"--inventory", &inventory]),
                "ingest" => said_any(&[&"ingest", &sample_logs()[1], &"--store", &store]),
                _ => said_any(&[&"store", &"info", &"--store", &store]),
            };
            assert!(error.contains(expected), "{command}: {error}");
        }
    };
    let newer = sound.replace("\"version\": 1", "\"version\": 2");
    fs::write(&manifest, newer).unwrap();
    attempts("schema version 2; this program knows versions up to 1");
    fs::write(&manifest, &sound[..sound.len() / 2]).unwrap();
    attempts("the store is damaged");
    fs::write(&manifest, sound.replace("flowgate.store", "other.store")).unwrap();
    attempts("of the format `other.store`");
    let outside = directory.path().join("outside.parquet");
    fs::write(&outside, "precious").unwrap();
    fs::write(&manifest, sound.replacen("objects/00000001.parquet", "../outside.parquet", 1)).unwrap();
    attempts("it names `../outside.parquet`");
    assert_eq!(fs::read(&outside).unwrap(), b"precious");
    fs::write(&manifest, &sound).unwrap();
    let records = files(&store.join("records"));
    let bytes = fs::read(&records[0]).unwrap();
    fs::write(&records[0], &bytes[..bytes.len() - 1]).unwrap();
    attempts("bytes in place of");
    fs::remove_file(&records[0]).unwrap();
    attempts("the file is missing");
    // As long as it was, and something else.
    fs::write(&records[0], vec![b'x'; bytes.len()]).unwrap();
    let error = said(3, &[&"analyze", &store, &"--inventory", &sample().join("inventory")]);
    assert!(error.contains("the store is damaged"), "{error}");
    // A sound file of less.
    let other = directory.path().join("other");
    ingest(&[&sample_logs()[1]], &sample().join("inventory"), &other);
    let foreign = fs::read(&files(&other.join("records"))[0]).unwrap();
    fs::write(&records[0], &foreign).unwrap();
    fs::write(
        &manifest,
        sound.replace(&format!("\"bytes\": {}", bytes.len()), &format!("\"bytes\": {}", foreign.len())),
    )
    .unwrap();
    let error = said(3, &[&"analyze", &store, &"--inventory", &sample().join("inventory")]);
    assert!(error.contains("records are missing") || error.contains("more records"), "{error}");
}

fn said_any(args: &[&dyn AsRef<std::ffi::OsStr>]) -> String {
    let mut command = program();
    command.args(args.iter().map(AsRef::as_ref));
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(2 | 3)), "{command:?}: {output:?}");
    text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_can_not_be_ingested() {
    let directory = tempfile::tempdir().unwrap();
    let (store, new) = (store(directory.path()), directory.path().join("new"));
    let log = &sample_logs()[0];
    for (args, expected) in [
        (vec!["-"], "standard input has no name"),
        (vec!["cloudwatch:/vpc/flow"], "log groups can't be ingested yet"),
        (vec![store.to_str().unwrap()], "is a store"),
        (vec![log.to_str().unwrap(), "--interface", "eni-0123"], "objects are ingested whole"),
        (vec![], "nothing to ingest"),
        (vec!["--rejudge"], "--rejudge without an inventory"),
    ] {
        let mut all: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![&"ingest", &"--store", &new];
        args.iter().for_each(|arg| all.push(arg));
        let error = said(2, &all);
        assert!(error.contains(expected), "{error}");
        assert!(!new.exists());
    }
    let error = said(2, &[&"ingest", log, &"--store", &"gs://bucket/store"]);
    assert!(error.contains("--store gs://bucket/store: is no directory, and not in S3"), "{error}");
    let error = said(2, &[&"ingest", log, &"--store", &"s3://b*/store"]);
    assert!(error.contains("`b*` is no bucket name"), "{error}");
}
