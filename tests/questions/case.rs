//! A question's case: a small log and the answer that follows from it.
//!
//! A record is `INTERFACE TIME +SECONDS SOURCE > DESTINATION PROTOCOL FLAGS PACKETS BYTES ACTION`, or `INTERFACE TIME
//! +SECONDS NODATA`. A time is `1T09:00:00` for 09:00 on 1 March 2026 (UTC). Flags are `S`, `A` and `F`, or `-`.
//! The account is that of `tests/questions/inventory/`, as of 1T00:00:00.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::questions::{flowgate, root};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Parameters of the question.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Records.
    pub logs: String,
    /// Rows, cells between `|`.
    pub answer: String,
    /// Words of the records or of the inventory that the answer must not have.
    pub absent: Vec<String>,
    /// There is another snapshot an hour later: by file, texts and what stands there instead.
    #[serde(default)]
    pub later: BTreeMap<String, Vec<(String, String)>>,
    /// Detectors whose findings are kept in the store.
    #[serde(default)]
    pub keep_findings: Vec<String>,
}

/// 1 March 2026, Unix seconds.
const MARCH: u64 = 1_772_323_200;
const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end \
                      action log-status tcp-flags";

fn seconds(time: &str) -> u64 {
    let (day, clock) = time.split_once('T').unwrap();
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
    let day: u64 = day.parse().unwrap();
    MARCH + (day - 1) * 86_400 + parts[0] * 3_600 + parts[1] * 60 + parts[2]
}

/// Times of the answer as cases write them.
pub fn short(cell: &str) -> String {
    let time = cell.strip_prefix("2026-03-0").and_then(|rest| rest.strip_suffix('Z'));
    time.map_or_else(|| cell.to_owned(), str::to_owned)
}

fn record(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let start = seconds(words[1]);
    let end = start + words[2].strip_prefix('+').unwrap().parse::<u64>().unwrap();
    let [interface, _, _, rest @ ..] = &words[..] else { panic!("{line}") };
    match rest {
        [status] => format!("5 111122223333 {interface} - - - - - - - {start} {end} - {status} -"),
        [source, ">", destination, protocol, flags, packets, bytes, action] => {
            let (from, from_port) = source.rsplit_once(':').unwrap();
            let (to, to_port) = destination.rsplit_once(':').unwrap();
            let protocol = match *protocol {
                "tcp" => 6,
                "udp" => 17,
                other => panic!("{other}"),
            };
            let flag = |c| match c {
                'F' => 1,
                'S' => 2,
                'A' => 16,
                _ => 0,
            };
            let flags: u8 = flags.chars().map(flag).sum();
            format!(
                "5 111122223333 {interface} {from} {to} {from_port} {to_port} {protocol} {packets} {bytes} {start} {end} \
                 {action} OK {flags}"
            )
        }
        _ => panic!("{line}"),
    }
}

impl Case {
    /// That of a question.
    pub fn of(question: &str) -> Self {
        let path = root().join(format!("tests/questions/cases/{question}.toml"));
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{question} has no case: {error}"));
        toml::from_str(&text).unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    /// Rows of the answer.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
        self.answer.trim().lines().map(cells).collect()
    }

    /// Writes log and inventory, and reads them into `store/`.
    pub fn stage(&self, directory: &Path) {
        let mut log = format!("{HEADER}\n");
        for line in self.logs.trim().lines() {
            log += &record(line);
            log.push('\n');
        }
        fs::create_dir_all(directory.join("logs")).unwrap();
        fs::write(directory.join("logs/flow.log"), log).unwrap();
        snapshot(&directory.join("inventory/2026-03-01T000000Z"), &BTreeMap::new());
        if !self.later.is_empty() {
            snapshot(&directory.join("inventory/2026-03-01T010000Z"), &self.later);
        }
        let place = |name: &str| directory.join(name).to_str().unwrap().to_owned();
        let (logs, inventory, store) = (place("logs"), place("inventory"), place("store"));
        let mut runs = vec![vec!["ingest", &logs, "--inventory", &inventory, "--store", &store]];
        if !self.keep_findings.is_empty() {
            let mut run = vec!["analyze", &store, "--inventory", &inventory, "--keep", "--quiet"];
            for detector in &self.keep_findings {
                run.extend(["--only", detector]);
            }
            runs.push(run);
        }
        for arguments in runs {
            let output = flowgate(&arguments);
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{arguments:?}\n{errors}");
        }
    }
}

fn snapshot(directory: &Path, changes: &BTreeMap<String, Vec<(String, String)>>) {
    fs::create_dir_all(directory).unwrap();
    for entry in fs::read_dir(root().join("tests/questions/inventory")).unwrap() {
        let path = entry.unwrap().path();
        let mut text = fs::read_to_string(&path).unwrap();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        for (old, new) in changes.get(stem).into_iter().flatten() {
            assert!(text.contains(old), "{stem} has no {old}");
            text = text.replace(old, new);
        }
        fs::write(directory.join(path.file_name().unwrap()), text).unwrap();
    }
}
