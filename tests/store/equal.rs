//! A store says what the logs say.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::support::{
    Numbers, analyze, assert_no_garbage, derived, flowgate, ingest, sample, sample_logs, text, world,
};
use crate::world::Format;

fn paths(all: &[PathBuf]) -> Vec<&Path> {
    all.iter().map(PathBuf::as_path).collect()
}

#[test]
fn the_sample_in_one_go_and_file_by_file_in_any_order() {
    let (logs, inventory) = (sample_logs(), sample().join("inventory"));
    let raw = analyze(&[&sample().join("AWSLogs")], &inventory, &[]);
    assert!(raw.findings.lines().count() > 5, "there is something to compare");
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    ingest(&[&sample().join("AWSLogs")], &inventory, &whole);
    analyze(&[&whole], &inventory, &[]).assert_same(&raw, "in one go");
    let again = ingest(&[&sample().join("AWSLogs")], &inventory, &whole);
    assert!(again.starts_with("0 objects with 0 records") && again.contains("24 known"), "{again}");

    let mut order = logs.clone();
    Numbers(7).shuffle(&mut order);
    let pieces = directory.path().join("pieces");
    // One by one, and some at a time.
    for part in [&order[..3], &order[3..4], &order[4..5], &order[5..12], &order[12..13], &order[13..]] {
        ingest(&paths(part), &inventory, &pieces);
        assert_no_garbage(&pieces);
    }
    analyze(&[&pieces], &inventory, &[]).assert_same(&raw, "in pieces");
    assert_eq!(derived(&pieces), derived(&whole), "the table does not know how records came in");
    // Named from where it lies.
    let mut command = super::support::program();
    command
        .current_dir(directory.path())
        .arg("ingest")
        .arg(sample().join("AWSLogs"))
        .args(["--store", "relative"]);
    assert!(command.output().unwrap().status.success());
    analyze(&[&directory.path().join("relative")], &inventory, &[]).assert_same(&raw, "a relative path");
    let one = analyze(&[&pieces], &inventory, &["--threads", "1", "--memory", "384M"]);
    one.assert_same(&raw, "one thread");
}

#[test]
fn worlds_of_some_days_with_late_files_whatever_their_format() {
    for (format, seed) in [(Format::V2, 11), (Format::V5, 12)] {
        let directory = tempfile::tempdir().unwrap();
        let (logs, inventory) = world(directory.path(), format, 52.0, seed);
        let all = directory.path().join("AWSLogs");
        let raw = analyze(&[&all], &inventory, &[]);
        let store = directory.path().join("store");
        // The first day without one of its files and the second, then the rest, then what was late.
        let (early, later) = logs.split_at(logs.len() / 2);
        let late = &early[early.len() / 3];
        let first: Vec<PathBuf> = early.iter().filter(|log| *log != late).cloned().collect();
        ingest(&paths(&first), &inventory, &store);
        ingest(&paths(later), &inventory, &store);
        let told = ingest(&[late], &inventory, &store);
        assert!(told.starts_with("1 object "), "{told}");
        analyze(&[&store], &inventory, &[]).assert_same(&raw, "with a late file");
        assert_no_garbage(&store);

        // Part of it, and part from logs.
        let half = directory.path().join("half");
        ingest(&paths(&first), &inventory, &half);
        let mut mixed: Vec<&Path> = vec![&half, late];
        mixed.extend(paths(later));
        analyze(&mixed, &inventory, &[]).assert_same(&raw, "a store beside logs");

        // Selections. A store prunes records, a listing objects, so that only conclusions are compared.
        for more in [
            ["--from", "2026-03-01T20:00:00Z", "--to", "2026-03-02T10:00:00Z"],
            ["--to", "2026-03-02", "--threads", "1"],
        ] {
            let (of_logs, of_store) =
                (analyze(&[&all], &inventory, &more), analyze(&[&store], &inventory, &more));
            assert!(of_logs.findings == of_store.findings && of_logs.rules == of_store.rules, "{more:?}");
        }
        let interface = raw.summary["coverage"][0]["interface"].as_str().unwrap();
        let more = ["--interface", interface];
        analyze(&[&store], &inventory, &more)
            .assert_same(&analyze(&[&all], &inventory, &more), "one interface");
        let more = ["--account", "999999999999"];
        let none = flowgate(3, &[&"analyze", &store, &"--inventory", &inventory, &more[0], &more[1]]);
        assert!(text(&none.stderr).contains("nothing to analyze"), "{none:?}");
    }
}

#[test]
fn another_inventory_judges_anew_without_the_logs() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    for log in sample_logs() {
        fs::copy(&log, logs.join(log.file_name().unwrap())).unwrap();
    }
    let store = directory.path().join("store");
    let other = directory.path().join("inventory");
    fs::create_dir(&other).unwrap();
    for dump in super::support::files(&sample().join("inventory")) {
        if !dump.to_string_lossy().contains("network-acls") {
            fs::copy(&dump, other.join(dump.file_name().unwrap())).unwrap();
        }
    }
    ingest(&[&logs], &sample().join("inventory"), &store);
    let raw = analyze(&[&logs], &other, &[]);
    let first = analyze(&[&logs], &sample().join("inventory"), &[]);
    assert!(raw.findings != first.findings, "the other inventory makes a difference");
    let before = derived(&store);
    fs::remove_dir_all(&logs).unwrap();
    analyze(&[&store], &other, &[]).assert_same(&raw, "another inventory");
    flowgate(0, &[&"ingest", &"--rejudge", &"--inventory", &other, &"--store", &store]);
    assert!(derived(&store) != before, "the table was judged anew");
    flowgate(0, &[&"ingest", &"--rejudge", &"--inventory", &sample().join("inventory"), &"--store", &store]);
    assert_eq!(derived(&store), before);
}

/// Header and one record a line.
fn plain_log(path: &Path, records: std::ops::Range<u32>) {
    let mut file = fs::File::create(path).unwrap();
    writeln!(file, "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status").unwrap();
    for n in records {
        let (port, start) = (40_000 + n, 1_772_323_200 + 60 * n);
        writeln!(file, "2 111122223333 eni-0aaaaaaaaaaaaaaaa 203.0.113.9 10.0.0.5 {port} 443 6 10 900 {start} {} ACCEPT OK", start + 30).unwrap();
        writeln!(file, "2 111122223333 eni-0aaaaaaaaaaaaaaaa 10.0.0.5 203.0.113.9 443 {port} 6 8 4000 {start} {} ACCEPT OK", start + 30).unwrap();
    }
}

#[test]
fn what_grew_or_shrank_is_read_anew_and_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let (log, store) = (directory.path().join("a.log"), directory.path().join("store"));
    let inventory = sample().join("inventory");
    for records in [0..10, 0..300, 20..30] {
        plain_log(&log, records.clone());
        let told = ingest(&[&log], &inventory, &store);
        let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told.contains("place of an earlier version"), records != (0..10), "{told}");
        let raw = analyze(&[&log], &inventory, &[]);
        assert_eq!(raw.summary["connections"], records.len());
        analyze(&[&store], &inventory, &[]).assert_same(&raw, "changed");
    }
}

#[test]
fn a_copy_of_a_delivered_object_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let (copies, store) = (directory.path().join("copies"), directory.path().join("store"));
    fs::create_dir(&copies).unwrap();
    for log in &sample_logs()[..3] {
        fs::copy(log, copies.join(log.file_name().unwrap())).unwrap();
    }
    let inventory = sample().join("inventory");
    ingest(&[&sample().join("AWSLogs")], &inventory, &store);
    let told = ingest(&[&copies], &inventory, &store);
    assert!(told.starts_with("0 objects") && told.contains("3 known"), "{told}");
}

#[test]
fn what_is_wrong_with_a_log_is_told_of_the_store_too() {
    let directory = tempfile::tempdir().unwrap();
    let logs = directory.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let sound = &sample_logs()[0];
    fs::copy(sound, logs.join("a.log.gz")).unwrap();
    let bytes = fs::read(&sample_logs()[1]).unwrap();
    fs::write(logs.join("cut.log.gz"), &bytes[..bytes.len() / 2]).unwrap();
    plain_log(&logs.join("odd.log"), 0..5);
    let mut odd = fs::OpenOptions::new().append(true).open(logs.join("odd.log")).unwrap();
    writeln!(
        odd,
        "2 111122223333 eni-0aaaaaaaaaaaaaaaa nowhere 10.0.0.5 1 2 6 1 1 1772323200 1772323260 ACCEPT OK"
    )
    .unwrap();
    writeln!(odd, "2 111122223333 eni-0bbbbbbbbbbbbbbbb - - - - - - - 1772323200 1772323260 - NODATA")
        .unwrap();
    writeln!(odd, "2 111122223333 eni-0bbbbbbbbbbbbbbbb - - - - - - - 1772323800 1772323860 - SKIPDATA")
        .unwrap();
    drop(odd);
    let (inventory, store) = (sample().join("inventory"), directory.path().join("store"));
    let told = flowgate(4, &[&"ingest", &logs, &"--inventory", &inventory, &"--store", &store]);
    assert!(text(&told.stdout).contains("cut.log.gz"), "{}", text(&told.stdout));
    let raw = analyze(&[&logs], &inventory, &[]);
    assert_eq!((raw.exit, &raw.summary["complete"]), (Some(4), &false.into()));
    analyze(&[&store], &inventory, &[]).assert_same(&raw, "limitations");
}

#[test]
fn pruned_days_are_gone_and_stay_known() {
    let directory = tempfile::tempdir().unwrap();
    let (_, inventory) = world(directory.path(), Format::V2, 52.0, 13);
    let (logs, store) = (directory.path().join("AWSLogs"), directory.path().join("store"));
    ingest(&[&logs], &inventory, &store);
    // The days are 2026-03-01, -02 and -03; ages are counted from today.
    let today =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let older = format!("{}d", today - 20_514);
    let told = text(&flowgate(0, &[&"store", &"prune", &"--store", &store, &"--older-than", &older]).stdout);
    assert!(told.starts_with("before 2026-03-02: "), "{told}");
    assert_no_garbage(&store);
    assert!(derived(&store).iter().all(|(folder, _)| !folder.ends_with("dt=2026-03-01")));
    let of_store = analyze(&[&store], &inventory, &[]);
    let of_logs = analyze(&[&logs], &inventory, &["--from", "2026-03-02"]);
    assert!(of_store.rules == of_logs.rules && of_store.findings == of_logs.findings);
    let again = ingest(&[&logs], &inventory, &store);
    assert!(again.starts_with("0 objects"), "{again}");
    let info = text(&flowgate(0, &[&"store", &"info", &"--store", &store]).stdout);
    assert!(
        info.contains("pruned      before 2026-03-02") && info.contains("2, 2026-03-02 to 2026-03-03"),
        "{info}"
    );
    // All of it.
    flowgate(0, &[&"store", &"prune", &"--store", &store, &"--older-than", &"0d"]);
    assert!(text(&flowgate(3, &[&"analyze", &store]).stderr).contains("nothing to analyze"));
}
