//! Captures of a host on the internet with labelled flows, as flow logs: Zeek's `conn.log.labeled` as the Stratosphere
//! laboratory publishes it. The user has their directory.
//!
//! A flow that the host did not answer is one that a security group would have rejected. A source whose flows are labelled
//! as an attack and that tried at least so many ports is a scanner.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flowgate::AnalyzeConfig;
use flowgate::detect::Sensitivity;
use flowgate::finding::Finding;

use super::host::{Host, LOG};

const PORTS: [usize; 3] = [5, 10, 50];
/// States of connections that the host did not answer.
const UNANSWERED: [&str; 5] = ["S0", "REJ", "OTH", "RSTOS0", "SH"];

/// One capture.
struct Capture {
    host: String,
    log: String,
    /// Ports that sources tried, by source.
    attackers: BTreeMap<String, BTreeSet<(String, String)>>,
}

fn files(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, into);
        } else if path.file_name().is_some_and(|name| name == "conn.log.labeled") {
            into.push(path);
        }
    }
}

/// Flows by the names of their fields.
fn flows(text: &str) -> Vec<BTreeMap<&str, &str>> {
    let mut names: Vec<&str> = Vec::new();
    let mut flows = Vec::new();
    for line in text.lines() {
        if let Some(fields) = line.strip_prefix("#fields\t") {
            names = fields.split('\t').collect();
        } else if !line.starts_with('#') {
            let mut values: Vec<&str> = line.split('\t').collect();
            // Labels are separated by blanks in some.
            if values.len() < names.len() {
                values = line.split_whitespace().collect();
            }
            flows.push(names.iter().copied().zip(values).collect());
        }
    }
    flows
}

fn capture(path: &Path) -> Option<Capture> {
    let bytes = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let flows = flows(&text);
    let is_attack =
        |flow: &BTreeMap<&str, &str>| flow.get("label").is_some_and(|l| l.starts_with("Malicious"));
    let mut targets: BTreeMap<&str, usize> = BTreeMap::new();
    for flow in flows.iter().filter(|flow| is_attack(flow)) {
        *targets.entry(flow.get("id.resp_h")?).or_default() += 1;
    }
    let host = targets.into_iter().max_by_key(|(_, n)| *n)?.0.to_owned();
    let (mut log, mut attackers) = (LOG.to_owned(), BTreeMap::<String, BTreeSet<_>>::new());
    for flow in &flows {
        let get = |name: &str| flow.get(name).copied().unwrap_or("-");
        let (from, to) = (get("id.orig_h"), get("id.resp_h"));
        let protocol = match get("proto") {
            "tcp" => 6,
            "udp" => 17,
            "icmp" => 1,
            _ => continue,
        };
        if host != from && host != to || from.contains(':') {
            continue;
        }
        let Ok(at) = get("ts").parse::<f64>() else { continue };
        let at = at as i64;
        let ports = if protocol == 1 { ("0", "0") } else { (get("id.orig_p"), get("id.resp_p")) };
        let answered = !UNANSWERED.contains(&get("conn_state"));
        // What the host itself opens is let out.
        let action = if answered || host == from { "ACCEPT" } else { "REJECT" };
        let flags = |set: u8| if protocol == 6 { set } else { 0 };
        let times = format!("{at} {}", at + 1);
        let mut line = |ends: (&str, &str), ports: (&str, &str), action: &str, flags: u8| {
            let (from, to) = ends;
            let (source, target) = ports;
            writeln!(
                log,
                "3 123456789012 eni-1 {from} {to} {source} {target} {protocol} 1 44 {times} {action} OK {flags}"
            )
            .unwrap();
        };
        line((from, to), ports, action, flags(if answered { 3 } else { 2 }));
        if answered {
            line((to, from), (ports.1, ports.0), "ACCEPT", flags(19));
        }
        if is_attack(flow) && host == to {
            let target = (get("proto").to_owned(), ports.1.to_owned());
            attackers.entry(from.to_owned()).or_default().insert(target);
        }
    }
    Some(Capture { host, log, attackers })
}

/// Sources that are called scanners: all that a list names, the first of any other finding.
fn scanners(findings: &[Finding]) -> BTreeSet<&str> {
    let scans = findings.iter().filter(|f| matches!(&f.cause[..], "port-scan" | "host-sweep" | "slow-scan"));
    let named = |f: &'_ Finding| if f.evidence.contains_key("scanners") { usize::MAX } else { 1 };
    scans.flat_map(|f| f.remotes.iter().take(named(f)).map(String::as_str)).collect()
}

/// Evaluates every capture below a directory and prints a table.
pub fn evaluate(directory: &Path) {
    let mut paths = Vec::new();
    files(directory, &mut paths);
    paths.sort();
    let captures: Vec<Capture> = paths.iter().filter_map(|path| capture(path)).collect();
    println!("{} captures", captures.len());
    for (name, sensitivity) in
        [("low", Sensitivity::Low), ("normal", Sensitivity::Normal), ("high", Sensitivity::High)]
    {
        let (mut sums, mut named_sum, mut findings_sum) = ([[0_usize; 2]; 3], 0, 0);
        for (number, capture) in captures.iter().enumerate() {
            let set = |config: &mut AnalyzeConfig| config.sensitivity = sensitivity;
            let findings = Host::new(&capture.host).findings(&capture.log, set);
            let named = scanners(&findings);
            println!("{name} {number}: {} findings, {} scanners named", findings.len(), named.len());
            (named_sum, findings_sum) = (named_sum + named.len(), findings_sum + findings.len());
            for (sum, least) in sums.iter_mut().zip(PORTS) {
                let truth: BTreeSet<&str> = capture
                    .attackers
                    .iter()
                    .filter(|(_, ports)| ports.len() >= least)
                    .map(|(source, _)| source.as_str())
                    .collect();
                sum[0] += truth.intersection(&named).count();
                sum[1] += truth.len();
            }
        }
        for (least, [right, truth]) in PORTS.into_iter().zip(sums) {
            println!(
                "{name}, scanners of {least} ports or more: precision {right}/{named_sum} = {:.2}, recall {right}/{truth} = {:.2}",
                right as f64 / named_sum.max(1) as f64,
                right as f64 / truth.max(1) as f64
            );
        }
        println!("{name}: {findings_sum} findings");
    }
}
