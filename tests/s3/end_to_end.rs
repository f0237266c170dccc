//! The whole program over a bucket: what it writes is what it writes about the same files in a directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flowgate::pipeline::{AnalyzeConfig, Input, Remote, Silent, analyze};
use flowgate::report::write_dir;
use flowgate::source::S3Url;
use serde_json::Value;
use tempfile::TempDir;

use crate::columns;
use crate::fault::Fault;
use crate::proxy::{Proxy, Request};
use crate::read::connect;
use crate::rng::Rng;
use crate::seeds::script;
use crate::server::{Server, Store, Sum};

const FILES: [&str; 3] = ["findings.jsonl", "rules.jsonl", "summary.json"];

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs")
}

fn inventory() -> String {
    sample().join("inventory").to_str().unwrap().to_owned()
}

/// Files below a directory, with `/` between folders.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The first so many files of the sample, every second as Parquet, in a bucket and in a directory.
fn world(count: usize) -> (Store, TempDir) {
    let (store, directory) = (Store::paged(4), tempfile::tempdir().unwrap());
    let sums = [Sum::Crc64, Sum::Crc32, Sum::Crc32c, Sum::Sha256];
    for (n, path) in files(&sample().join("AWSLogs")).into_iter().take(count).enumerate() {
        let mut key = path.strip_prefix(sample()).unwrap().to_str().unwrap().replace('\\', "/");
        let mut bytes = fs::read(&path).unwrap();
        if n % 2 == 1 {
            key = key.replace(".log.gz", ".log.parquet");
            bytes = columns::of_text(&bytes);
        }
        let copy = directory.path().join(&key);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, &bytes).unwrap();
        store.put_with("logs", &key, bytes, sums[n % 4]);
    }
    (store, directory)
}

/// What a run wrote, with the directory's name put as the bucket's.
fn written(out: &Path, logs: &Path) -> Vec<String> {
    let directory = format!("{}/", logs.to_str().unwrap());
    FILES.map(|file| fs::read_to_string(out.join(file)).unwrap().replace(&directory, "s3://logs/")).into()
}

fn same(left: &[String], right: &[String], what: &str) {
    for ((left, right), file) in left.iter().zip(right).zip(FILES) {
        if left != right {
            let lines = left.lines().zip(right.lines()).find(|(left, right)| left != right);
            panic!("{what}: {file} differs: {lines:#?}");
        }
    }
}

/// Runs the program with nothing but this in its environment.
fn flowgate(home: &Path, environment: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowgate"));
    command.env_clear().env("LC_ALL", "C.UTF-8").env("HOME", home).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_REGION", "eu-west-1").envs(environment.iter().copied());
    command.args(args).output().unwrap()
}

fn run(logs: &str, endpoint: &str, environment: &[(&str, &str)], more: &[&str]) -> (Output, TempDir) {
    let out = tempfile::tempdir().unwrap();
    let inventory = inventory();
    let dir = out.path().to_str().unwrap();
    let mut args = vec!["analyze", logs, "--inventory", &inventory, "--out", dir, "--quiet"];
    if !endpoint.is_empty() {
        args.extend(["--endpoint-url", endpoint]);
    }
    args.extend(more);
    let output = flowgate(out.path(), environment, &args);
    (output, out)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret/+=")];

#[test]
fn a_bucket_says_what_a_directory_says() {
    let (store, directory) = world(usize::MAX);
    let server = Server::start(store, Some((KEYS[0].1, KEYS[1].1)));
    let proxy = Proxy::plain(server.address);
    let logs = format!("{}/", directory.path().to_str().unwrap());
    for more in [
        &[][..],
        &["--threads", "1", "--max-requests", "1", "--max-inflight-bytes", "1K"],
        &["--from", "2026-03-01T00:30:00Z", "--to", "2026-03-01T01:00:00Z"],
        &["--account", "111122223333", "--region", "eu-west-1", "--flow-log-id", "fl-013225316f2b5547d"],
        &["--fail-on", "never", "--only", "rejected-spike"],
    ] {
        let (there, there_out) = run("s3://logs/", &proxy.url(), &KEYS, more);
        let (here, here_out) = run(&logs, "", &[], more);
        assert_eq!((there.status.code(), said(&there)), (here.status.code(), said(&here)), "{more:?}");
        assert_ne!(there.status.code(), Some(3));
        let (there, here) =
            (written(there_out.path(), directory.path()), written(here_out.path(), directory.path()));
        same(&there, &here, &format!("{more:?}"));
    }
    assert!(proxy.requests().iter().all(|request| request.is_signed));
    // What a policy must allow is what was done.
    let action = |request: &Request| match request.method.as_str() {
        "GET" if request.is_list() => "s3:ListBucket",
        "GET" => "s3:GetObject",
        other => panic!("{other}: {request:?}"),
    };
    let done: BTreeSet<&str> = proxy.requests().iter().map(action).collect();
    assert_eq!(done, flowgate::source::s3::ACTIONS.iter().copied().collect());
    // Of Parquet only what is needed is asked for, of this version.
    for request in proxy.requests().iter().filter(|request| request.key.ends_with(".parquet")) {
        assert!(request.range.is_some() && request.if_match.is_some(), "{request:?}");
    }
}

#[test]
fn endpoints_of_the_environment_are_used_and_need_no_host_for_each_bucket() {
    let (store, directory) = world(2);
    let server = Server::start(store, None);
    let here = run(&format!("{}/", directory.path().to_str().unwrap()), "", &[], &[]).0;
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
        let url = server.url().replace("127.0.0.1", "localhost");
        let (there, _out) = run("s3://logs/", "", &[(name, &url)], &["--no-sign-request"]);
        assert_eq!(there.status.code(), here.status.code(), "{name}: {}", said(&there));
    }
}

#[test]
fn one_object_that_may_not_be_read_makes_the_run_incomplete() {
    let (store, _directory) = world(8);
    let keys = store.keys("logs");
    let server = Server::start(store, None);
    let denied = keys[3].clone();
    assert!(denied.ends_with(".parquet"));
    let proxy = Proxy::start(server.address, move |request| {
        if request.key == denied {
            vec![Fault::refuse(403, "AccessDenied", "Access Denied")]
        } else {
            Vec::new()
        }
    });
    let (output, out) = run("s3://logs/AWSLogs", &proxy.url(), &[], &["--no-sign-request"]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let summary: Value = serde_json::from_slice(&fs::read(out.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["complete"], false);
    let limitations: Vec<&Value> =
        summary["limitations"].as_array().unwrap().iter().filter(|l| l["incomplete"] == true).collect();
    assert_eq!(limitations.len(), 1, "{limitations:#?}");
    assert_eq!(limitations[0]["object"], format!("s3://logs/{}", keys[3]));
    let message = limitations[0]["message"].as_str().unwrap();
    assert!(message.contains("AccessDenied") && message.contains("allow s3:GetObject on"), "{message}");
}

#[test]
fn without_credentials_it_says_how_to_get_some() {
    let (store, _directory) = world(1);
    let server = Server::start(store, Some((KEYS[0].1, KEYS[1].1)));
    let proxy = Proxy::plain(server.address);
    let (output, _out) = run("s3://logs/", &proxy.url(), &[], &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = said(&output);
    assert!(said.contains("s3://logs/: "), "{said}");
    assert!(
        said.contains("name a profile with --profile, log in (`aws sso login`), or set AWS_PROFILE"),
        "{said}"
    );
    assert_eq!(proxy.requests().len(), 0, "nothing is asked without them");

    // Others than the bucket's.
    let wrong = [KEYS[0], ("AWS_SECRET_ACCESS_KEY", "another")];
    let (output, _out) = run("s3://logs/", &proxy.url(), &wrong, &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = self::said(&output);
    assert!(said.contains("SignatureDoesNotMatch") && said.contains("name a profile"), "{said}");
    assert_eq!(proxy.requests().len(), 2, "whether it is a store, and what there is");
}

#[test]
fn a_profile_that_is_asked_for_counts_more_than_keys_in_the_environment() {
    let (store, directory) = world(1);
    let server = Server::start(store, Some((KEYS[0].1, KEYS[1].1)));
    let (url, keys) = (server.url(), directory.path().join("credentials"));
    let other = [
        ("AWS_ACCESS_KEY_ID", "AKIAOTHER"),
        ("AWS_SECRET_ACCESS_KEY", "other"),
        ("AWS_SHARED_CREDENTIALS_FILE", keys.to_str().unwrap()),
    ];
    let nobody = |environment: &[(&str, &str)]| {
        let (output, _out) = run("s3://logs/", &url, environment, &["--profile", "nobody"]);
        assert_eq!(output.status.code(), Some(3));
        let said = said(&output);
        assert!(said.contains("nobody") && said.contains("name a profile with --profile"), "{said}");
    };
    nobody(&[]);
    fs::write(
        &keys,
        format!("[me]\naws_access_key_id = {}\naws_secret_access_key = {}\n", KEYS[0].1, KEYS[1].1),
    )
    .unwrap();
    nobody(&other);
    let (output, _out) = run("s3://logs/", &url, &other, &["--profile", "me", "--fail-on", "never"]);
    assert_eq!((output.status.code(), said(&output)), (Some(0), String::new()));
    // Without the option the environment counts, as ever; the server does not know those keys.
    let (output, _out) = run("s3://logs/", &url, &other, &[]);
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("NotSignedUp"), "{}", said(&output));
}

/// Runs a configuration of the library; what was written, or what was said.
fn conclude(config: &AnalyzeConfig, logs: &Path) -> Result<(Vec<String>, bool), String> {
    let conclusions = analyze(config, None, &Silent).map_err(|error| error.to_string())?;
    let out = tempfile::tempdir().unwrap();
    write_dir(out.path(), &conclusions).unwrap();
    Ok((written(out.path(), logs), conclusions.is_incomplete()))
}

#[test]
fn two_hundred_schedules_over_the_whole_program() {
    let (store, directory) = world(10);
    let config = |input: Input, endpoint: &str, threads: usize| AnalyzeConfig {
        inputs: vec![input],
        inventories: vec![PathBuf::from(inventory())],
        remote: Remote { connect: connect(endpoint), max_requests: 6, ..Remote::default() },
        threads,
        ..AnalyzeConfig::default()
    };
    let local = Input::Local(directory.path().join(""));
    let (truth, incomplete) = conclude(&config(local, "", 1), directory.path()).unwrap();
    assert!(!incomplete && truth[0].lines().count() > 1);
    let url = || Input::S3(S3Url { bucket: "logs".to_owned(), prefix: String::new() });
    let check = |seed: u64| -> &'static str {
        let recoverable = seed.is_multiple_of(2);
        let server = Server::start(store.clone(), None);
        let proxy = Proxy::start(server.address, script(seed, recoverable));
        let threads = 1 + Rng::new(seed, "threads").index(3);
        match conclude(&config(url(), &proxy.url(), threads), directory.path()) {
            Ok((told, false)) => {
                same(&told, &truth, &format!("{seed}"));
                "whole"
            }
            Ok((told, true)) => {
                assert!(!recoverable, "{seed}: incomplete: {}", told[2]);
                let summary: Value = serde_json::from_str(&told[2]).unwrap();
                assert_eq!(summary["complete"], false);
                // An object, or a folder that could not be listed.
                let named = summary["limitations"].as_array().unwrap().iter().filter(|limitation| {
                    let names = |key: &str| {
                        limitation[key].as_str().is_some_and(|text| text.starts_with("s3://logs/"))
                    };
                    limitation["incomplete"] == true && (names("object") || names("message"))
                });
                assert!(named.count() > 0, "{seed}: {:#}", summary["limitations"]);
                "incomplete"
            }
            Err(error) => {
                assert!(!recoverable && error.contains("s3://logs/"), "{seed}: {error}");
                "failed"
            }
        }
    };
    let ends: Vec<&str> = std::thread::scope(|scope| {
        let check = &check;
        let lanes: Vec<_> = (0..4)
            .map(|lane| scope.spawn(move || (lane..200).step_by(4).map(check).collect::<Vec<_>>()))
            .collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect()
    });
    let count = |end: &str| ends.iter().filter(|e| **e == end).count();
    let (whole, incomplete, failed) = (count("whole"), count("incomplete"), count("failed"));
    // The schedules do what they are for.
    assert!(whole >= 100 && incomplete >= 20, "{whole} whole, {incomplete} incomplete, {failed} failed");
}
