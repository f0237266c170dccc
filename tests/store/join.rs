//! A store that takes in something every few minutes consists of few files, and says the same.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::support::{analyze, assert_no_garbage, derived, files, flowgate, ingest, sample, text, world};
use crate::world::Format;

const INTERVAL: u32 = 300;

/// The file that is delivered after some intervals: a few connections, of addresses that come again and new ones.
fn log(directory: &Path, number: u32) -> PathBuf {
    let path = directory.join(format!("{number:04}.log"));
    let mut file = fs::File::create(&path).unwrap();
    writeln!(file, "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status").unwrap();
    let start = 1_772_323_200 + INTERVAL * number;
    for n in 0..5 {
        let (eni, port, host) = (n % 3, 40_000 + number % 7, 1 + (number * 5 + n) % 200);
        writeln!(file, "2 111122223333 eni-0aaaaaaaaaaaaaaa{eni} 203.0.113.{host} 10.0.0.{n} {port} 443 6 10 900 {start} {} ACCEPT OK", start + 30).unwrap();
        writeln!(file, "2 111122223333 eni-0aaaaaaaaaaaaaaa{eni} 10.0.0.{n} 203.0.113.{host} 443 {port} 6 8 4000 {start} {} ACCEPT OK", start + 30).unwrap();
    }
    path
}

fn plain(inputs: &[&Path], store: &Path) {
    let mut args: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"ingest", &"--quiet", &"--threads", &"2", &"--store", &store];
    inputs.iter().for_each(|input| args.push(input));
    flowgate(0, &args);
}

/// Files of these tables.
fn count(store: &Path, table: &str) -> usize {
    files(&store.join(table)).len()
}

#[test]
fn three_hundred_small_ingests() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let (store, whole) = (directory.path().join("store"), directory.path().join("whole"));
    let mut most = 0;
    for number in 0..300 {
        plain(&[&log(&logs, number)], &store);
        most = most.max(count(&store, "records") + count(&store, "objects") + count(&store, "contexts"));
    }
    assert!(most <= 40, "{most} files at a time");
    assert_no_garbage(&store);
    plain(&[&logs], &whole);
    let inventory = sample().join("inventory");
    let raw = analyze(&[&logs], &inventory, &[]);
    assert_eq!(raw.summary["tally"]["records"], 3000);
    analyze(&[&store], &inventory, &[]).assert_same(&raw, "one by one");
    assert!(derived(&store) == derived(&whole), "the tables do not know how records came in");
    let again = text(&flowgate(0, &[&"ingest", &logs, &"--store", &store]).stdout);
    assert!(again.starts_with("0 objects"), "{again}");

    let told = text(&flowgate(0, &[&"store", &"compact", &"--store", &store]).stdout);
    assert!(told.contains("joined into 3"), "two days and objects; contexts are one file: {told}");
    assert_no_garbage(&store);
    assert_eq!((count(&store, "records"), count(&store, "objects")), (2, 1));
    analyze(&[&store], &inventory, &[]).assert_same(&raw, "joined");
    let told = text(&flowgate(0, &[&"store", &"compact", &"--store", &store]).stdout);
    assert!(told.contains("nothing to join"), "{told}");
    // What is known stays known, and what changed still takes the place of what it was.
    let mut file = fs::OpenOptions::new().append(true).open(logs.join("0007.log")).unwrap();
    writeln!(file, "2 111122223333 eni-0aaaaaaaaaaaaaaa1 203.0.113.250 10.0.0.1 50000 443 6 10 900 1772325300 1772325330 REJECT OK").unwrap();
    drop(file);
    flowgate(0, &[&"ingest", &logs, &"--store", &store]);
    flowgate(0, &[&"store", &"compact", &"--store", &store]);
    analyze(&[&store], &inventory, &[]).assert_same(&analyze(&[&logs], &inventory, &[]), "changed, joined");
}

/// Rows of a table, as the manifest counts them.
fn rows(store: &Path, table: &str) -> u64 {
    let manifest: Value =
        serde_json::from_slice(&fs::read(store.join("flowgate-store.json")).unwrap()).unwrap();
    manifest[table].as_array().unwrap().iter().map(|file| file["rows"].as_u64().unwrap()).sum()
}

#[test]
fn what_is_read_back_is_what_was_read_whatever_the_threads() {
    for (format, seed) in [(Format::V2, 41), (Format::V5, 42)] {
        let directory = tempfile::tempdir().unwrap();
        let (logs, inventory) = world(directory.path(), format, 50.0, seed);
        let all = directory.path().join("AWSLogs");
        let first = directory.path().join("store");
        ingest(&[&all], &inventory, &first);
        let of_first = derived(&first);
        for threads in ["1", "5"] {
            let store = directory.path().join(threads);
            flowgate(
                0,
                &[&"ingest", &all, &"--inventory", &inventory, &"--store", &store, &"--threads", &threads],
            );
            assert!(derived(&store) == of_first, "{threads} threads");
        }
        // Nothing at hand: all of it is read back, from files as they are and joined.
        for compact in [false, true] {
            if compact {
                flowgate(0, &[&"store", &"compact", &"--store", &first]);
            }
            flowgate(0, &[&"ingest", &"--rejudge", &"--inventory", &inventory, &"--store", &first]);
            assert!(derived(&first) == of_first, "joined: {compact}");
        }
        // The middle last: its neighbours are read back, on both sides.
        let store = directory.path().join("parts");
        let (early, rest) = logs.split_at(logs.len() / 3);
        let (middle, late) = rest.split_at(rest.len() / 2);
        for part in [late, early, middle] {
            ingest(&part.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &inventory, &store);
        }
        assert!(derived(&store) == of_first, "in parts");
        assert_eq!(rows(&store, "records"), rows(&first, "records"));
    }
}
