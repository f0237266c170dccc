//! Ctrl-C in the middle of a transfer.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::fault::{Cut, Fault};
use crate::proxy::Proxy;
use crate::server::{Server, Store};

/// Starts a run over a bucket whose third object never comes, and sends the signals when it was asked for.
fn stopped_by(signals: &[&str]) -> (Option<i32>, Duration, String) {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    let day = sample.join("AWSLogs/111122223333/vpcflowlogs/eu-west-1/2026/03/01");
    let store = Store::default();
    let mut files: Vec<_> = std::fs::read_dir(day).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut keys = Vec::new();
    for file in files.iter().take(4) {
        keys.push(format!("AWSLogs/{}", file.file_name().unwrap().to_str().unwrap()));
        store.put("logs", keys.last().unwrap(), std::fs::read(file).unwrap());
    }
    let server = Server::start(store, None);
    let slow = keys[2].clone();
    let proxy = Proxy::start(server.address, move |request| {
        if request.key == slow { vec![Fault::Cut(Cut::Stall(100))] } else { Vec::new() }
    });
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .args([
            "analyze",
            "s3://logs/",
            "--threads",
            "2",
            "--no-sign-request",
            "--endpoint-url",
            &proxy.url(),
        ])
        .env_clear()
        .env("HOME", home.path())
        .env("AWS_REGION", "eu-west-1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !proxy.requests().iter().any(|request| request.key == keys[2]) {
        assert!(began.elapsed() < Duration::from_secs(30), "never asked for");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Until the others are read.
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    for signal in signals {
        let sent = Command::new("kill").args([signal, child.id().to_string().as_str()]).status().unwrap();
        assert!(sent.success());
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    let status = child.wait().unwrap();
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(out, "", "nothing that looks like a result");
    (status.code(), began.elapsed(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn ctrl_c_stops_at_once_and_says_what_was_read() {
    for signal in ["-INT", "-TERM"] {
        let (code, took, said) = stopped_by(&[signal]);
        assert_eq!(code, Some(130), "{said}");
        // Patience with a stalled transfer is half a minute.
        assert!(took < Duration::from_secs(3), "{took:?}");
        let read = said.strip_prefix("error: stopped after ").unwrap();
        let records: u64 = read.split(" and ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!(read.starts_with("3 objects, ") && records > 0, "{said}");
        assert!(said.contains("nothing was concluded"), "{said}");
    }
}
