//! A bucket with a store, machines that use it, and logs of three days.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use flowgate::mirror;
use flowgate::pipeline::{
    AnalyzeConfig, AnalyzeError, IngestOptions, Ingested, Input, Remote, Silent, StorePlace, analyze, ingest,
};
use flowgate::report::write_dir;
use flowgate::source::S3Url;
use flowgate::store::Disk;
use serde_json::Value;
use tempfile::TempDir;

use crate::proxy::{Proxy, Script};
use crate::read::connect;
use crate::server::{Server, Store};

pub const BUCKET: &str = "kept";
pub const STORE: &str = "s3://kept/a/store";
pub const MANIFEST: &str = "a/store/flowgate-store.json";
pub const LOCK: &str = "a/store/flowgate-store.lock";
const DAY: u64 = 86_400;

pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs")
}

pub fn inventory() -> PathBuf {
    sample().join("inventory")
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64
}

pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// A copy of a log of the sample, so many days later.
fn later(bytes: &[u8], days: u64) -> Vec<u8> {
    let mut text = String::new();
    flate_read(bytes, &mut text);
    let header: Vec<&str> = text.lines().next().unwrap().split(' ').collect();
    let times: Vec<usize> = (0..header.len()).filter(|&at| matches!(header[at], "start" | "end")).collect();
    assert_eq!(times.len(), 2, "{header:?}");
    let mut shifted = header.join(" ") + "\n";
    for line in text.lines().skip(1) {
        let mut fields: Vec<String> = line.split(' ').map(str::to_owned).collect();
        for &at in &times {
            fields[at] = (fields[at].parse::<u64>().unwrap() + days * DAY).to_string();
        }
        shifted += &(fields.join(" ") + "\n");
    }
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(shifted.as_bytes()).unwrap();
    out.finish().unwrap()
}

#[allow(clippy::disallowed_types, reason = "files of ours, which have one member")]
fn flate_read(bytes: &[u8], text: &mut String) {
    flate2::read::GzDecoder::new(bytes).read_to_string(text).unwrap();
}

/// Two files of the sample on each of three days, in a directory.
pub fn logs() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for path in files(&sample().join("AWSLogs")).iter().step_by(9).take(2) {
        let bytes = fs::read(path).unwrap();
        for day in 0..3 {
            let name = path.strip_prefix(sample()).unwrap().to_str().unwrap();
            let name = name.replace("2026/03/01", &format!("2026/03/0{}", 1 + day));
            let copy = directory.path().join(name.replace("20260301T", &format!("2026030{}T", 1 + day)));
            fs::create_dir_all(copy.parent().unwrap()).unwrap();
            fs::write(copy, if day == 0 { bytes.clone() } else { later(&bytes, day) }).unwrap();
        }
    }
    assert_eq!(files(directory.path()).len(), 6);
    directory
}

/// The bucket, with what stands before it.
pub struct Cloud {
    pub objects: Store,
    _server: Server,
    pub proxy: Proxy,
}

impl Cloud {
    pub fn new() -> Self {
        let objects = Store::paged(7);
        objects.bucket(BUCKET);
        Self::of(objects, Box::new(|_| Vec::new()))
    }

    /// With these objects, and a proxy that does this.
    pub fn of(objects: Store, script: Script) -> Self {
        let server = Server::start(objects.clone(), None);
        let proxy = Proxy::start(server.address, script);
        Self { objects, _server: server, proxy }
    }

    /// What the manifest names, and what else lies in the store.
    pub fn named_and_others(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let manifest: Value = serde_json::from_slice(&self.objects.bytes(BUCKET, MANIFEST)).unwrap();
        let mut named = BTreeSet::new();
        collect(&manifest, &mut named);
        let named: BTreeSet<String> = named.into_iter().map(|path| format!("a/store/{path}")).collect();
        let there: BTreeSet<String> = self.objects.keys(BUCKET).into_iter().collect();
        assert!(named.is_subset(&there), "a file is missing");
        let others = there.difference(&named).cloned().collect();
        (named, others)
    }

    /// As [`assert_no_garbage`](Self::assert_no_garbage), but tables that later ones replaced may wait for their removal.
    pub fn assert_no_garbage_but_tables(&self) {
        let (_, others) = self.named_and_others();
        let is_of_table = |key: &str| {
            let folder = key.strip_prefix("a/store/").and_then(|path| path.split('/').next());
            folder.is_some_and(|folder| flowgate::store::Table::from_name(folder).is_some())
        };
        let strange = |key: &&String| *key != MANIFEST && !is_of_table(key);
        assert_eq!(others.iter().find(strange), None);
    }

    /// Nothing but the store lies there.
    pub fn assert_no_garbage(&self) {
        assert_eq!(self.named_and_others().1, BTreeSet::from([MANIFEST.to_owned()]));
    }
}

/// Every `path` in a manifest.
fn collect(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("path").map(|path| path.as_str().unwrap().to_owned()));
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Somebody's machine: its copies of stores.
pub struct Machine {
    pub home: TempDir,
}

impl Machine {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn remote(&self, endpoint: &str) -> Remote {
        Remote {
            connect: connect(endpoint),
            copies: Some(self.home.path().join("stores")),
            now: now(),
            ..Remote::default()
        }
    }

    /// Files of Parquet in copies.
    pub fn copied(&self) -> Vec<PathBuf> {
        let all = files(self.home.path());
        all.into_iter().filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect()
    }

    pub fn options(&self, endpoint: &str) -> mirror::Options {
        let remote = self.remote(endpoint);
        mirror::Options {
            connect: remote.connect,
            s3: remote.s3,
            copies: remote.copies,
            now: remote.now,
            max_requests: remote.max_requests,
            part_bytes: remote.part_bytes,
            disk: Disk::default(),
            stop: mirror::Stop::default(),
        }
    }

    pub fn config(&self, endpoint: &str, inputs: Vec<Input>) -> AnalyzeConfig {
        AnalyzeConfig {
            inputs,
            inventories: vec![inventory()],
            remote: self.remote(endpoint),
            threads: 2,
            ..AnalyzeConfig::default()
        }
    }

    pub fn ingest(&self, endpoint: &str, logs: &[&Path]) -> Result<Ingested, AnalyzeError> {
        let inputs = logs.iter().map(|path| Input::Local((*path).to_owned())).collect();
        ingest(&self.config(endpoint, inputs), &place(), &IngestOptions::default(), &Silent)
    }

    pub fn analyze(&self, endpoint: &str) -> Result<Said, AnalyzeError> {
        said(&self.config(endpoint, vec![Input::S3(url())]))
    }
}

pub fn url() -> S3Url {
    S3Url::parse(STORE).unwrap().unwrap()
}

pub fn place() -> StorePlace {
    StorePlace::S3(url())
}

/// Findings, rules, and the summary without what depends on the name of the input.
pub type Said = (String, String, Value);

pub fn said(config: &AnalyzeConfig) -> Result<Said, AnalyzeError> {
    let conclusions = analyze(config, None, &Silent)?;
    let out = tempfile::tempdir().unwrap();
    write_dir(out.path(), &conclusions).unwrap();
    Ok(read_said(out.path()))
}

pub fn read_said(out: &Path) -> Said {
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let mut summary: Value = serde_json::from_str(&read("summary.json")).unwrap();
    summary["inputs"] = Value::Null;
    if let Some(limitations) = summary["limitations"].as_array_mut() {
        let listing = ["not-a-log", "hidden", "same-object", "pruned-objects"];
        limitations.retain(|limitation| !listing.contains(&limitation["code"].as_str().unwrap()));
    }
    (read("findings.jsonl"), read("rules.jsonl"), summary)
}

/// What is said of the logs themselves.
pub fn truth(logs: &Path) -> Said {
    let said = said(&Machine::new().config("", vec![Input::Local(logs.to_owned())])).unwrap();
    assert!(said.0.lines().count() > 0);
    said
}

/// The error with its help, on one line.
pub fn told(error: &AnalyzeError) -> String {
    let text = format!("{error} = {}", error.help().unwrap_or_default());
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Puts an object as a client does, so that it is as old as it is.
pub fn put_now(endpoint: &str, path: &str, bytes: &[u8]) {
    let address = endpoint.strip_prefix("http://").unwrap();
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let head = format!(
        "PUT /kept/a/store/{path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bytes.len()
    );
    stream.write_all(&[head.as_bytes(), bytes].concat()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}
