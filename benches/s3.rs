//! Reading from S3 beside the slower of its two halves: a plain download of the same objects, and the analysis of the same
//! files on disk. The server runs in this process, on loopback.
//!
//! ```sh
//! cargo bench --bench s3                         # 2,000,000 records in files as AWS would deliver them
//! cargo bench --bench s3 -- 10000000             # more
//! cargo bench --bench s3 -- --memory             # the same records in 100 and in 10,000 objects: peak memory
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    dead_code,
    clippy::disallowed_methods,
    clippy::needless_pass_by_value,
    reason = "a program of its own; what it shares with the tests has more than it needs"
)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_sdk_s3::config::{BehaviorVersion, Region};
use flowgate::aws::Connect;
use flowgate::source::s3::MAX_REQUESTS;

#[path = "../tests/s3/server.rs"]
mod server;
#[allow(
    clippy::duplicate_mod,
    clippy::expect_used,
    missing_docs,
    unused_imports,
    reason = "its tests are not built without a harness"
)]
#[path = "../tests/world/mod.rs"]
mod world;

const ROUNDS: usize = 5;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.iter().any(|argument| argument == "--memory") {
        return memory();
    }
    let records = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(2_000_000);
    speed(records);
}

/// Alternates the three, so that a busy machine is busy for all of them.
fn speed(records: u64) {
    let dir = tempfile::tempdir().unwrap();
    world::bench::generate(&world::Options::new(dir.path(), 1), records).unwrap();
    let store = server::Store::default();
    let (mut objects, mut bytes) = (0, 0);
    for path in files(&dir.path().join("AWSLogs")) {
        let body = std::fs::read(&path).unwrap();
        objects += 1;
        bytes += body.len();
        store.put("logs", path.strip_prefix(dir.path()).unwrap().to_str().unwrap(), body);
    }
    let keys = store.keys("logs");
    let server = server::Server::start(store, None);
    let inventory = dir.path().join("inventory");
    let local = dir.path().join("AWSLogs");
    println!("{objects} objects, {:.1} MB, {records} records, {MAX_REQUESTS} at a time", bytes as f64 / 1e6);
    let (mut best, mut ratios) = ([Duration::MAX; 3], Vec::new());
    for round in 0..=ROUNDS {
        let times = [
            download(&server.url(), &keys),
            analyze(local.to_str().unwrap(), Some(&inventory), None).0,
            analyze("s3://logs/", Some(&inventory), Some(&server.url())).0,
        ];
        // The first fills caches.
        if round > 0 {
            let slower = times[0].max(times[1]).as_secs_f64();
            ratios.push(times[2].as_secs_f64() / slower);
            println!(
                "download {:.2?}, local {:.2?}, S3 {:.2?}: {:.2}",
                times[0],
                times[1],
                times[2],
                ratios[round - 1]
            );
            for (best, time) in best.iter_mut().zip(times) {
                *best = (*best).min(time);
            }
        }
    }
    ratios.sort_by(f64::total_cmp);
    println!(
        "best: download {:.2?}, local {:.2?}, S3 {:.2?}; S3 beside the slower half: {:.2} (median of {ROUNDS})",
        best[0],
        best[1],
        best[2],
        ratios[ROUNDS / 2]
    );
}

/// As plainly as the SDK does it: as many at a time as flowgate, every byte received and forgotten.
fn download(url: &str, keys: &[String]) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let connect = Connect { endpoint_url: Some(url.to_owned()), anonymous: true, ..Connect::default() };
        let config = aws_sdk_s3::config::Builder::from(&connect.load().await.unwrap())
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .force_path_style(true)
            .build();
        let client = aws_sdk_s3::Client::from_conf(config);
        let began = Instant::now();
        let permits = Arc::new(tokio::sync::Semaphore::new(MAX_REQUESTS));
        let mut tasks = tokio::task::JoinSet::new();
        for key in keys.iter().cloned() {
            let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
            let client = client.clone();
            tasks.spawn(async move {
                let mut body = client.get_object().bucket("logs").key(key).send().await.unwrap().body;
                let mut bytes = 0;
                while let Some(chunk) = body.next().await {
                    bytes += chunk.unwrap().len();
                }
                drop(permit);
                bytes
            });
        }
        assert!(tasks.join_all().await.into_iter().all(|bytes| bytes > 0));
        began.elapsed()
    })
}

/// Runs the program: how long it took, and its peak memory in kB.
fn analyze(input: &str, inventory: Option<&Path>, endpoint: Option<&str>) -> (Duration, u64) {
    let began = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.args(["analyze", input, "--quiet", "--threads", "2", "--fail-on", "never"]);
    command.env("AWS_REGION", "eu-west-1").env("AWS_EC2_METADATA_DISABLED", "true").stdout(Stdio::null());
    if let Some(inventory) = inventory {
        command.arg("--inventory").arg(inventory);
    }
    if let Some(url) = endpoint {
        command.args(["--no-sign-request", "--endpoint-url", url]);
    }
    let mut child = command.spawn().unwrap();
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    loop {
        // Its own high-water mark, read as long as it lives.
        if let Ok(text) = std::fs::read_to_string(&status) {
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        }
        if let Some(exit) = child.try_wait().unwrap() {
            // 4: without an inventory nothing can be judged.
            assert!(matches!(exit.code(), Some(0 | 4)), "{exit}");
            return (began.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The same records in few and in many objects: what an object itself costs.
fn memory() {
    const RECORDS: usize = 200_000;
    let mut peaks = Vec::new();
    for objects in [100, 1_000, 10_000] {
        let store = server::Store::default();
        let mut bytes = 0;
        for n in 0..objects {
            let mut text = String::from(
                "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n",
            );
            for row in 0..RECORDS / objects {
                let at = n * (RECORDS / objects) + row;
                let start = 1_772_323_200 + at / 60;
                let (host, port) = (at % 200, 30_000 + at % 20_000);
                writeln!(text, "2 111122223333 eni-{:017x} 10.0.0.{host} 10.0.1.5 {port} 443 6 5 800 {start} {} ACCEPT OK", at % 50, start + 30).unwrap();
            }
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            let body = gzip.finish().unwrap();
            bytes += body.len();
            let (day, hour, minute) = (1 + n / 2880, n / 120 % 24, n / 10 % 12 * 5);
            let folder = format!("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/03/{day:02}");
            let file = format!(
                "111122223333_vpcflowlogs_eu-west-1_fl-0a_202603{day:02}T{hour:02}{minute:02}Z_{n:08x}.log.gz"
            );
            store.put("logs", &format!("{folder}/{file}"), body);
        }
        let keys = store.keys("logs");
        let server = server::Server::start(store, None);
        let plain = (0..3).map(|_| download(&server.url(), &keys)).min().unwrap();
        let runs: Vec<(Duration, u64)> =
            (0..3).map(|_| analyze("s3://logs/", None, Some(&server.url()))).collect();
        let peak = runs.iter().map(|(_, peak)| *peak).min().unwrap();
        let time = runs.iter().map(|(time, _)| *time).min().unwrap();
        println!(
            "{objects:>6} objects, {:>6.1} MB: peak {:>6.1} MB, {time:.2?}; downloaded plainly {plain:.2?}",
            bytes as f64 / 1e6,
            peak as f64 / 1e3
        );
        peaks.push(peak);
    }
    println!("10,000 objects beside 100: {:.2}", peaks[2] as f64 / peaks[0] as f64);
}

/// Files below a directory, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
