//! Killed at any point and run again: the same store.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::support::{Numbers, Said, analyze, assert_no_garbage, derived, files, ingest, program, world};
use crate::world::Format;

/// Logs of three days, a store of the first part of them, and what the parts and the whole say.
struct Setting {
    logs: PathBuf,
    inventory: PathBuf,
    base: PathBuf,
    said_of_base: Said,
    said: Said,
    table: Vec<(String, Vec<u8>)>,
    /// Of records, and objects that count.
    rows: (u64, u64),
}

fn setting(directory: &Path) -> Setting {
    let (all, inventory) = world(directory, Format::V2, 49.0, 21);
    let logs = directory.join("AWSLogs");
    // Few files, over all three days: what is tested are commits.
    let kept: Vec<PathBuf> = all.iter().step_by(all.len() / 5).cloned().collect();
    all.iter().filter(|log| !kept.contains(log)).for_each(|log| fs::remove_file(log).unwrap());
    let base = directory.join("base");
    let first: Vec<&Path> = kept.iter().step_by(2).map(PathBuf::as_path).collect();
    ingest(&first, &inventory, &base);
    let whole = directory.join("whole");
    ingest(&[&logs], &inventory, &whole);
    Setting {
        said_of_base: analyze(&[&base], &inventory, &[]),
        said: analyze(&[&logs], &inventory, &[]),
        table: derived(&whole),
        rows: rows(&whole),
        logs,
        inventory,
        base,
    }
}

/// Rows of records and of objects.
fn rows(store: &Path) -> (u64, u64) {
    let manifest: Value =
        serde_json::from_slice(&fs::read(store.join("flowgate-store.json")).unwrap()).unwrap();
    let sum = |table: &str| {
        manifest[table].as_array().unwrap().iter().map(|file| file["rows"].as_u64().unwrap()).sum()
    };
    (sum("records"), sum("objects"))
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let place = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::copy(&file, &place).unwrap();
    }
}

impl Setting {
    /// True if the program was killed. One thread, so that the steps are the same every time.
    fn die_at(&self, store: &Path, step: u64) -> bool {
        let mut command = program();
        command.env("FLOWGATE_TEST_ABORT_AT_STEP", step.to_string()).arg("ingest").arg(&self.logs);
        command.arg("--inventory").arg(&self.inventory).arg("--store").arg(store).args([
            "--quiet",
            "--threads",
            "2",
        ]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success() || status.signal().is_some(), "{status}");
        status.signal().is_some()
    }

    /// Steps of an undisturbed run.
    fn steps(&self, directory: &Path, base: Option<&Path>) -> u64 {
        let (mut low, mut high) = (1, 1 << 12);
        while low < high {
            let middle = (low + high) / 2;
            let store = directory.join(format!("steps-{middle}"));
            base.into_iter().for_each(|base| copy(base, &store));
            if self.die_at(&store, middle) { low = middle + 1 } else { high = middle }
        }
        low - 1
    }

    /// What is there after a crash is the store before or after; after another run it is the store of all logs.
    fn assert_sound(&self, store: &Path, base: Option<&Path>, about: &str) {
        match store.join("flowgate-store.json").exists() {
            true => {
                let said = analyze(&[store], &self.inventory, &[]);
                assert!(
                    said == self.said || (base.is_some() && said == self.said_of_base),
                    "{about}: neither before nor after"
                );
            }
            false => assert!(base.is_none(), "{about}: the manifest is gone"),
        }
    }

    fn assert_completed(&self, store: &Path, judge: bool, about: &str) {
        ingest(&[&self.logs], &self.inventory, store);
        assert_no_garbage(store);
        assert_eq!(rows(store), self.rows, "{about}: records and objects");
        if judge {
            analyze(&[store], &self.inventory, &[]).assert_same(&self.said, about);
        }
        assert!(derived(store) == self.table, "{about}: the connections differ");
    }
}

#[test]
fn a_hundred_seeded_kills() {
    let directory = tempfile::tempdir().unwrap();
    let setting = setting(directory.path());
    let base = setting.base.clone();
    let mut numbers = Numbers(1);
    let mut killed = 0;
    for base in [None, Some(base.as_path())] {
        let steps = setting.steps(directory.path(), base);
        assert!((40..4000).contains(&steps), "{steps} steps");
        for n in 0..50 {
            // The last steps are those of the commits: every one of them is tried.
            let last = if n < 15 { steps - n } else { 1 + numbers.below(steps as usize) as u64 };
            let store = directory.path().join(format!("killed-{}-{n}", base.is_some()));
            // A run may have a step less than another: what is written at once depends on times of files, too.
            let step = (1..=last).rev().find(|&step| {
                _ = fs::remove_dir_all(&store);
                base.into_iter().for_each(|base| copy(base, &store));
                setting.die_at(&store, step)
            });
            let step = step.expect("a run has at least one step");
            let about = format!("{base:?} step {step} of {steps}");
            killed += 1;
            if n % 5 == 0 {
                setting.assert_sound(&store, base, &about);
            }
            if n % 7 == 0 {
                // And again while it cleans up, or begins anew.
                setting.die_at(&store, 1 + numbers.below(40) as u64);
            }
            setting.assert_completed(&store, n % 3 == 0, &about);
            fs::remove_dir_all(&store).unwrap();
        }
    }
    assert_eq!(killed, 100);
}

#[test]
fn killed_by_the_clock() {
    let directory = tempfile::tempdir().unwrap();
    let setting = setting(directory.path());
    let mut killed = 0;
    for n in 0..12 {
        let store = directory.path().join(format!("killed-{n}"));
        copy(&setting.base, &store);
        let mut command = program();
        command
            .arg("ingest")
            .arg(&setting.logs)
            .arg("--inventory")
            .arg(&setting.inventory)
            .arg("--store")
            .arg(&store);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(15 + 15 * n));
        // SIGKILL; it may be done already.
        _ = child.kill();
        killed += u32::from(child.wait().unwrap().signal().is_some());
        setting.assert_sound(&store, Some(&setting.base), &format!("{n}"));
        setting.assert_completed(&store, true, &format!("{n}"));
    }
    assert!(killed > 0, "nobody was killed");
}
