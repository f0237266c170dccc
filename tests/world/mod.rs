//! A simulated AWS account: the judge of flowgate.
//!
//! It shares no code with the engine. It writes flow logs, the inventory, and the **truth**: what really happened,
//! as far as the logs can tell it. Engine tests compare with the truth.
//!
//! # What is simulated
//!
//! | file | what |
//! |---|---|
//! | `account` | the account: VPC 10.20.0.0/16 with public, private, database and legacy subnets, a peered VPC, groups, ACLs |
//! | `config` | the shapes of a configuration and the small language of rules |
//! | `policy` | groups and network ACLs, written straight from the AWS documentation |
//! | `sim` | packets passing interfaces: connection tracking, NAT gateway, both views of an internal connection |
//! | `talk` | TCP, UDP and other conversations, given what gets through |
//! | `traffic`, `noise` | the regular traffic; what is blocked, scanned and changed |
//! | `plants` | the planted anomalies and the rules made to be found |
//! | `rows`, `files` | records in formats v2, v3, v5; gzip text and Parquet under AWS keys |
//! | `inventory`, `sg_dump` | AWS CLI JSON |
//! | `truth` | connections, rule usage, events, late packets |
//! | `usage` | a second world: rules with habits, over months, and their true classes |
//! | `bench`, `estate` | a quick stream of many records, without truth; the account of any size behind it |
//!
//! Mechanics: one record per interface, direction, 5-tuple and action in an aggregation interval; intervals of
//! different interfaces are not in step; `start` and `end` are the first and last packet, whole seconds. On Nitro
//! instances an interval is 60 s at most even with `interval` 600. Stateful groups, stateless ACLs that are skipped
//! inside a subnet, replies pass by state, packets after a close are rejected, the NAT gateway's
//! interface shows four legs. NODATA for idle intervals, SKIPDATA where records were lost.
//!
//! # What is not
//!
//! Record `start`/`end` that stand for the capture window instead of packets (`jitter` only moves each by up
//! to 5 s), unlogged traffic (resolver, IMDS), Block Public Access, transit gateways, EFA, delivery twice.
//!
//! # The truth
//!
//! - `connections.jsonl`: one line per interface and connection. Besides the obvious: `possible_rules` also holds
//!   ICMP rules that match but for the type, which is not logged; `touches_gap` marks connections that lost
//!   records (their values tell of the rest); `between_snapshots` marks those about which the observations
//!   before and after disagree. `start` and `end` are true times, never moved by `jitter`. `reject_cause` of an
//!   accepted connection is that of its blocked replies.
//! - `late_packets.jsonl`: rejected packets of connections that were closed.
//! - `rules.jsonl`: usage of every rule of the dump by accepted connections.
//! - `events.json`: what was planted. `gaps.json`: what was lost. `tally.json`: counts of lines.
//! - `world.json`: options, window, names of interfaces.
#![allow(dead_code, reason = "each of the programs that include the world uses a part of it")]

pub mod account;
pub mod bench;
pub mod config;
pub mod estate;
pub mod files;
pub mod inventory;
pub mod net;
pub mod noise;
pub mod plants;
pub mod policy;
pub mod rng;
pub mod rows;
pub mod sg_dump;
pub mod sim;
pub mod talk;
pub mod traffic;
pub mod truth;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

pub use rows::Format;
use rows::{Row, Status, Writer, traffic_path};
use sim::{Counted, Key, Sim};

/// 2026-03-01T00:00:00Z.
pub const EPOCH: i64 = 1_772_323_200;

/// Length of a file's window, seconds.
const FILE: i64 = 300;

/// What to generate.
#[derive(Clone, Debug)]
pub struct Options {
    pub out: PathBuf,
    pub seed: u64,
    pub format: Format,
    pub hours: f64,
    /// Multiplies the regular traffic, not the plants.
    pub scale: f64,
    /// Largest aggregation interval, seconds: 60 or 600.
    pub interval: i64,
    pub parquet: bool,
    /// Moves start and end of every record by up to 5 s.
    pub jitter: bool,
    /// Leaves out some files.
    pub missing: bool,
    /// Dated inventories, between which a rule goes and an interface comes.
    pub snapshots: bool,
    /// A small world.
    pub sample: bool,
}

impl Options {
    /// The full world in format v5.
    pub fn new(out: impl Into<PathBuf>, seed: u64) -> Self {
        Self {
            out: out.into(),
            seed,
            format: Format::V5,
            hours: 6.0,
            scale: 1.0,
            interval: 60,
            parquet: false,
            jitter: false,
            missing: false,
            snapshots: false,
            sample: false,
        }
    }

    /// The small world.
    pub fn sample(out: impl Into<PathBuf>, seed: u64) -> Self {
        Self { hours: 2.0, scale: 0.25, sample: true, ..Self::new(out, seed) }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Unix seconds, end excluded.
    pub window: (i64, i64),
    /// Lines: records, nodata and skipdata.
    pub lines: u64,
    pub records: u64,
    pub nodata: u64,
    pub skipdata: u64,
    pub files: u64,
    pub missing_files: u64,
    pub connections: u64,
    /// Of the log files.
    pub bytes: u64,
}

/// A row with what it came from; NODATA and SKIPDATA rows come from nothing.
struct Entry {
    row: Row,
    source: Option<(Key, Counted)>,
}

/// Generates a world.
///
/// # Errors
/// When a file cannot be written.
///
/// # Panics
/// When the simulator contradicts itself, e.g. regular traffic is blocked: a bug in the simulator.
pub fn generate(options: &Options) -> io::Result<Summary> {
    clear(&options.out)?;
    let from = EPOCH * 1000;
    let until = (EPOCH + (options.hours * 3600.0) as i64) * 1000;
    let part = |p: f64| from + ((until - from) as f64 * p) as i64 / 1000 * 1000;
    let changes = options.snapshots.then(|| (part(0.30), part(0.55)));
    let observations = if options.snapshots { vec![from, part(0.35), part(0.60), until] } else { Vec::new() };

    let account = account::build(changes);
    let mut sim = Sim::new(&account, (from, until), options.interval, observations.clone());
    let mut traffic = traffic::Traffic::new(&mut sim, options.seed, options.scale, changes);
    traffic.run();
    let sizes = plants::Sizes {
        scanned_ports: if options.sample { 150 } else { 400 },
        brute_force: if options.sample { 80 } else { 300 },
        swept_hosts: if options.sample { 60 } else { 254 },
        reuse: options.format.is_rich(),
        reuse_pause: 420.max(2 * options.interval + 60),
    };
    let plants = plants::plant(&mut traffic, sizes);

    let mut truth = truth::Truth::new(&sim, options.format.is_rich());
    let (entries, mut gaps) = rows_of(&sim, options, &mut truth);
    let flow_log = config::id("fl", "main");
    let mut summary = write_logs(&sim, options, &flow_log, entries, &mut truth, &mut gaps)?;

    let described = inventory::FlowLog {
        id: &flow_log,
        format: options.format,
        interval: options.interval,
        parquet: options.parquet,
        traffic: "ALL",
        created: EPOCH - 86_400,
    };
    let dir = options.out.join("inventory");
    inventory::write(&account, until, described, &dir)?;
    for &at in observations.iter().filter(|&&at| at < until) {
        inventory::write(&account, at, described, &dir.join(net::rfc3339(at / 1000)))?;
    }
    let dir = options.out.join("truth");
    summary.connections = truth.write(&dir, &plants)? as u64;
    inventory::put(&dir.join("gaps.json"), &Value::Array(gaps))?;
    inventory::put(
        &dir.join("tally.json"),
        &json!({
            "lines": summary.lines,
            "records": summary.records,
            "nodata": summary.nodata,
            "skipdata": summary.skipdata,
            "files": summary.files,
            "missing_files": summary.missing_files,
            "connections": summary.connections,
        }),
    )?;
    inventory::put(&dir.join("world.json"), &about(options, &account, changes, &observations, &summary))?;
    Ok(summary)
}

/// Removes an earlier world, whose files would be read along with the new ones.
fn clear(out: &Path) -> io::Result<()> {
    for name in ["AWSLogs", "inventory", "truth"] {
        let dir = out.join(name);
        if dir.exists() {
            fs::remove_dir_all(dir)?;
        }
    }
    Ok(())
}

fn about(
    options: &Options,
    account: &config::Account,
    changes: Option<(i64, i64)>,
    observations: &[i64],
    summary: &Summary,
) -> Value {
    let interfaces: BTreeMap<&str, Value> = account
        .enis
        .iter()
        .map(|e| {
            let addresses: Vec<String> =
                e.ips.iter().map(ToString::to_string).chain(e.ip6.iter().map(ToString::to_string)).collect();
            (e.name.as_str(), json!({"id": e.id, "addresses": addresses}))
        })
        .collect();
    let hidden: Vec<Value> = account
        .groups
        .iter()
        .flat_map(|g| {
            g.rules.iter().filter(|r| r.hidden).map(move |r| json!({"group": g.id, "spec": r.spec}))
        })
        .collect();
    json!({
        "seed": options.seed,
        "format": format!("{:?}", options.format).to_lowercase(),
        "hours": options.hours,
        "scale": options.scale,
        "interval": options.interval,
        "parquet": options.parquet,
        "jitter": options.jitter,
        "missing": options.missing,
        "snapshots": options.snapshots,
        "window": {"start": summary.window.0, "end": summary.window.1},
        "interfaces": interfaces,
        "rules_the_dump_lacks": hidden,
        "rule_removed_at": changes.map(|c| c.0 / 1000),
        "interface_added_at": changes.map(|c| c.1 / 1000),
        "snapshots_at": observations.iter().map(|t| t / 1000).collect::<Vec<_>>(),
    })
}

/// Rows of all records, less what SKIPDATA stands for, and the NODATA and SKIPDATA rows.
fn rows_of(sim: &Sim<'_>, options: &Options, truth: &mut truth::Truth<'_, '_>) -> (Vec<Entry>, Vec<Value>) {
    let account = sim.account;
    let mut rng = rng::Rng::new(options.seed, "capture");
    let busy: BTreeSet<(usize, i64)> = sim.records.keys().map(|k| (k.eni, k.interval)).collect();
    let candidates: Vec<(usize, i64)> = busy.iter().copied().collect();
    let wanted = if options.sample { 2 } else { 4 };
    let skipped: BTreeSet<(usize, i64)> = (0..wanted).map(|_| rng.pick(&candidates)).collect();

    let mut entries = Vec::with_capacity(sim.records.len());
    for (key, counted) in &sim.records {
        if skipped.contains(&(key.eni, key.interval)) && rng.chance(0.6) {
            truth.note(key, counted, false);
            continue;
        }
        let row = Row {
            eni: key.eni,
            status: Status::Ok,
            egress: key.egress,
            reject: key.reject,
            proto: key.proto,
            flags: counted.flags,
            path: traffic_path(account, key.eni, key.egress, key.remote),
            shown: sim.shown_local(key.eni, key.local),
            local: key.local,
            remote: key.remote,
            local_port: key.local_port,
            remote_port: key.remote_port,
            packets: counted.packets,
            bytes: counted.bytes,
            start: counted.first.div_euclid(1000),
            end: counted.last.div_euclid(1000),
        };
        entries.push(Entry { row, source: Some((*key, *counted)) });
    }
    if options.jitter {
        for entry in &mut entries {
            let row = &mut entry.row;
            row.start += rng.range(-5, 5);
            row.end = row.start.max(row.end + rng.range(-5, 5));
        }
    }
    let mut gaps = Vec::new();
    for eni in (0..account.enis.len()).filter(|&eni| account.logged(eni)) {
        let from = sim.window.0.max(account.enis[eni].since);
        let last = sim.interval_index(eni, sim.window.1 - 1);
        for index in sim.interval_index(eni, from)..=last {
            let start = sim.interval_start(eni, index).max(from) / 1000;
            let end = sim.interval_start(eni, index + 1).min(sim.window.1) / 1000 - 1;
            let status = match (skipped.contains(&(eni, index)), busy.contains(&(eni, index))) {
                (true, _) => Status::SkipData,
                (false, false) => Status::NoData,
                (false, true) => continue,
            };
            if status == Status::SkipData {
                let interface = &account.enis[eni].id;
                gaps.push(json!({"kind": "skipdata", "interfaces": [interface], "start": start, "end": end}));
            }
            entries.push(Entry { row: Row::empty(eni, status, start, end.max(start)), source: None });
        }
    }
    (entries, gaps)
}

/// Puts rows into five-minute files by `end`, leaves some out if wanted, and writes the rest.
fn write_logs(
    sim: &Sim<'_>,
    options: &Options,
    flow_log: &str,
    entries: Vec<Entry>,
    truth: &mut truth::Truth<'_, '_>,
    gaps: &mut Vec<Value>,
) -> io::Result<Summary> {
    let account = sim.account;
    let shards = if options.sample { 1 } else { 2 };
    let mut windows: BTreeMap<(i64, u64), Vec<Entry>> = BTreeMap::new();
    for entry in entries {
        let stamp = entry.row.end.div_euclid(FILE) * FILE;
        let shard = rng::hash(&account.enis[entry.row.eni].id) % shards;
        windows.entry((stamp, shard)).or_default().push(entry);
    }
    let mut rng = rng::Rng::new(options.seed, "missing");
    // Not the first and the last: a gap has something on both sides.
    let mut keys: Vec<(i64, u64)> = windows.keys().copied().collect();
    keys = keys[shards as usize * 2..keys.len() - shards as usize * 2].to_vec();
    let wanted = if options.missing { (keys.len() / 40).max(2) } else { 0 };
    let missing: BTreeSet<(i64, u64)> = (0..wanted).map(|_| rng.pick(&keys)).collect();

    let writer = Writer::new(account, options.format);
    let style = files::Style { parquet: options.parquet, level: 6 };
    let mut summary = Summary { window: (sim.window.0 / 1000, sim.window.1 / 1000), ..Summary::default() };
    let mut scratch = Vec::new();
    for ((stamp, shard), mut entries) in windows {
        let lost = missing.contains(&(stamp, shard));
        let name = rng::mix(options.seed ^ rng::mix(stamp as u64 * 16 + shard));
        let key = files::key(flow_log, stamp, name, options.parquet);
        for entry in &entries {
            if let Some((key, counted)) = &entry.source {
                truth.note(key, counted, !lost);
            }
        }
        if lost {
            let interfaces: BTreeSet<&str> =
                entries.iter().map(|e| account.enis[e.row.eni].id.as_str()).collect();
            gaps.push(json!({
                "kind": "missing-file",
                "file": key,
                "interfaces": interfaces,
                "start": stamp,
                "end": stamp + FILE - 1,
            }));
            summary.missing_files += 1;
            continue;
        }
        rng::Rng::new(options.seed, &key).shuffle(&mut entries);
        for entry in &entries {
            match entry.row.status {
                Status::Ok => summary.records += 1,
                Status::NoData => summary.nodata += 1,
                Status::SkipData => summary.skipdata += 1,
            }
        }
        let rows: Vec<Row> = entries.into_iter().map(|e| e.row).collect();
        summary.lines += rows.len() as u64;
        summary.files += 1;
        summary.bytes += files::write(&options.out, &key, &rows, &writer, style, &mut scratch)?;
    }
    Ok(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>, root: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                contents(&path, found, root);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }

    #[test]
    fn same_options_give_the_same_bytes_and_another_seed_gives_others() {
        let worlds: Vec<(Summary, BTreeMap<PathBuf, Vec<u8>>)> = [("a", 5), ("b", 5), ("c", 6)]
            .into_iter()
            .map(|(name, seed)| {
                let out = tempfile::Builder::new().prefix(name).tempdir().unwrap();
                let options = Options {
                    snapshots: true,
                    missing: true,
                    jitter: true,
                    ..Options::sample(out.path(), seed)
                };
                let summary = generate(&options).unwrap();
                let mut found = BTreeMap::new();
                contents(out.path(), &mut found, out.path());
                (summary, found)
            })
            .collect();
        assert_eq!(worlds[0], worlds[1]);
        assert_ne!(worlds[0], worlds[2]);
        let summary = &worlds[0].0;
        assert_eq!(summary.lines, summary.records + summary.nodata + summary.skipdata);
        assert!(summary.missing_files > 0 && summary.skipdata > 0 && summary.nodata > 0);
    }
}
