//! What can't be seen through the binary: exit codes of made-up conclusions, streams that fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests; clippy exempts the test functions only")]

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Parser;

use super::analyze::{FailOn, Run, verdict};
use super::*;
use crate::detect::Meta;
use crate::finding::{Conclusions, Kind, Severity};
use crate::pipeline::Input;
use crate::report::{FILES, Look};

const LOOK: Look = Look { width: 80, color: false, unicode: true };

const MANUAL: &str = "\
//! Rules nobody needs.
//!
//! ## What it finds
//!
//! Rules that **no** connection needed.
//!

use std::io;
";

const REGISTRY: [&Meta; 2] = [
    &Meta { id: "unused-rule", kind: Kind::UnusedRule, title: "Rules nobody needs", manual: MANUAL },
    &Meta { id: "rejected-spike", kind: Kind::RejectedSpike, title: "Sudden rejects", manual: MANUAL },
];

fn conclusions(severity: Option<Severity>, incomplete: bool) -> Conclusions {
    let mut conclusions = crate::report::sample();
    conclusions.findings.truncate(usize::from(severity.is_some()));
    conclusions.summary.limitations.retain(|l| l.incomplete == incomplete);
    if let Some(finding) = conclusions.findings.first_mut() {
        finding.severity = severity.unwrap();
    }
    conclusions
}

fn arguments(line: &[&str]) -> analyze::Arguments {
    let cli = Cli::try_parse_from(["flowgate", "analyze"].iter().chain(line)).unwrap();
    let Command::Analyze(arguments) = cli.command else { panic!("not analyze") };
    *arguments
}

/// A stream that fails in one way.
struct Failing(io::ErrorKind);

impl Write for Failing {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

/// Ends a run with made-up conclusions.
fn conclude(line: &[&str], c: &Conclusions, stdout: &mut dyn Write) -> (Result<Exit, Failure>, String) {
    let environment = Environment::default();
    let mut stderr = Vec::new();
    let run = Run { environment: &environment, registry: &REGISTRY, out: LOOK, err: LOOK };
    let result = run.conclude(&arguments(line), c, stdout, &mut stderr);
    (result, String::from_utf8(stderr).unwrap())
}

#[test]
fn exit_0_complete_and_nothing_at_or_above_fail_on() {
    assert_eq!(verdict(&conclusions(None, false), FailOn::Informational), Exit::Clean);
    assert_eq!(verdict(&conclusions(Some(Severity::Medium), false), FailOn::High), Exit::Clean);
    assert_eq!(verdict(&conclusions(Some(Severity::Critical), false), FailOn::Never), Exit::Clean);
    assert_eq!(Exit::Clean.code(), 0);
}

#[test]
fn exit_1_complete_and_something_is() {
    assert_eq!(verdict(&conclusions(Some(Severity::High), false), FailOn::High), Exit::Findings);
    assert_eq!(verdict(&conclusions(Some(Severity::Critical), false), FailOn::Low), Exit::Findings);
    assert_eq!(Exit::Findings.code(), 1);
}

#[test]
fn exit_2_usage() {
    let environment =
        Environment { arguments: ["flowgate", "analyze"].map(Into::into).to_vec(), ..Environment::default() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = run(&environment, None, &mut out, &mut err);
    assert_eq!((exit, exit.code()), (Exit::Usage, 2));
    assert!(out.is_empty() && err.starts_with(b"error: nothing to analyze\n  = help: name files"));
}

#[test]
fn exit_3_no_result() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    std::fs::write(&file, "").unwrap();
    let mut out = Vec::new();
    let (result, _) = conclude(&["x", "--out", file.to_str().unwrap()], &conclusions(None, false), &mut out);
    let failure = result.unwrap_err();
    assert_eq!((failure.exit, failure.exit.code()), (Exit::Failed, 3));
    assert!(failure.problems[0].message.contains("is not a directory"));
    assert!(out.is_empty(), "no report that looks like success");
}

#[test]
fn exit_4_incomplete_wins() {
    for severity in [None, Some(Severity::Low), Some(Severity::Critical)] {
        assert_eq!(verdict(&conclusions(severity, true), FailOn::High), Exit::Incomplete);
    }
    assert_eq!(Exit::Incomplete.code(), 4);
}

#[test]
fn help_lists_every_exit_code() {
    let table = Exit::table();
    assert_eq!(table.lines().count(), 1 + Exit::ALL.len());
    for (exit, code) in Exit::ALL.into_iter().zip([0, 1, 2, 3, 4, 130]) {
        assert_eq!(exit.code(), code);
        assert!(table.contains(&format!("\n  {code:<3}  ")));
    }
}

#[test]
fn a_reader_that_has_seen_enough_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("report");
    let line = ["x", "--out", dir.to_str().unwrap()];
    let mut pipe = Failing(io::ErrorKind::BrokenPipe);
    let (result, _) = conclude(&line, &conclusions(Some(Severity::High), false), &mut pipe);
    assert_eq!(result.unwrap(), Exit::Findings);
    assert!(FILES.iter().all(|name| dir.join(name).is_file()));
}

#[test]
fn a_full_disk_is_a_failure() {
    let mut full = Failing(io::ErrorKind::StorageFull);
    let (result, _) = conclude(&["x"], &conclusions(None, false), &mut full);
    assert_eq!(result.unwrap_err().exit, Exit::Failed);
}

#[test]
fn quiet_says_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let line = ["x", "-q", "--out", parent.path().to_str().unwrap()];
    let (result, err) = conclude(&line, &conclusions(Some(Severity::High), false), &mut out);
    assert_eq!((result.unwrap(), out.len(), err.len()), (Exit::Findings, 0, 0));
    let (_, err) = conclude(&[line[0], line[2], line[3]], &conclusions(None, false), &mut out);
    assert!(String::from_utf8(out).unwrap().ends_with("No findings.\n"));
    assert!(err.starts_with("wrote findings.jsonl, rules.jsonl, summary.json in "));
}

#[test]
fn all_shows_all() {
    let mut many = crate::report::sample();
    let last = many.findings.last().unwrap().clone();
    many.findings.extend(vec![last; 30]);
    let shown = |line: &[&str]| {
        let mut out = Vec::new();
        conclude(line, &many, &mut out).0.unwrap();
        String::from_utf8(out).unwrap()
    };
    assert!(shown(&["x"]).contains("12 unused-rule; show them with --all, or write them with --out"));
    assert!(!shown(&["x", "--all"]).contains("More findings"));
}

/// A machine of eight processors.
fn eight() -> Environment {
    Environment { threads: 8, ..Environment::default() }
}

#[test]
fn arguments_become_a_configuration() {
    let line = "Cargo.toml - --inventory src --inventory tests --from 2026-03-01 --to 2026-03-02T01:00:00+01:00 \
                --account 123456789012,210987654321 --region us-gov-east-1 --flow-log-id fl-1 --only unused-rule \
                --threads 3 --max-object-bytes 1K --connections c.parquet";
    let line: Vec<&str> = line.split_whitespace().collect();
    let config = config::validate(&arguments(&line), &REGISTRY, &eight()).unwrap();
    assert_eq!(config.inputs, ["Cargo.toml", "-"].map(|path| Input::Local(PathBuf::from(path))));
    assert_eq!(config.inventories, ["src", "tests"].map(PathBuf::from));
    assert_eq!((config.selection.from, config.selection.to), (Some(1_772_323_200), Some(1_772_409_600)));
    assert_eq!(config.selection.accounts, ["123456789012", "210987654321"]);
    assert_eq!(config.selection.regions, ["us-gov-east-1"]);
    assert_eq!(config.selection.flow_logs, ["fl-1"]);
    assert_eq!((config.threads, config.max_object_bytes), (3, 1024));
    assert_eq!(config.only, ["unused-rule"]);
    assert_eq!(config.connections_out.as_deref(), Some(Path::new("c.parquet")));
    let default = config::validate(&arguments(&["-"]), &REGISTRY, &eight()).unwrap();
    assert_eq!((default.threads, default.max_object_bytes), (8, 4 << 30));
}

#[test]
fn what_is_said_of_aws_reaches_the_connection() {
    let line = "s3://logs/AWSLogs/ cloudwatch:/vpc/flow --profile audit --assume-role arn:aws:iam::123456789012:role/Reader --external-id e \
                --endpoint-url http://127.0.0.1:9000 --no-sign-request --path-style --requester-pays \
                --max-requests 7 --max-inflight-bytes 8M --max-requests-per-second 2.5 --interface eni-1,eni-2";
    let line: Vec<&str> = line.split_whitespace().collect();
    let config = config::validate(&arguments(&line), &REGISTRY, &eight()).unwrap();
    assert_eq!(config.inputs.len(), 2);
    assert!(matches!(&config.inputs[1], Input::CloudWatch(group) if group.name == "/vpc/flow"));
    assert_eq!(config.remote.requests_per_second, Some(2.5));
    assert_eq!(config.inputs[0].to_string(), "s3://logs/AWSLogs/");
    assert!(matches!(config.inputs[0], Input::S3(_)));
    let connect = &config.remote.connect;
    assert_eq!(connect.profile.as_deref(), Some("audit"));
    let role = connect.role.as_ref().unwrap();
    assert_eq!(
        (role.arn.as_str(), role.external_id.as_deref()),
        ("arn:aws:iam::123456789012:role/Reader", Some("e"))
    );
    assert_eq!(connect.endpoint_url.as_deref(), Some("http://127.0.0.1:9000"));
    assert!(connect.anonymous && config.remote.s3.path_style && config.remote.s3.requester_pays);
    assert_eq!((config.remote.max_requests, config.remote.max_inflight_bytes), (7, 8 << 20));
    assert_eq!(config.selection.interfaces, ["eni-1", "eni-2"]);
    let wrong = "s3://b s3://logs/x/*.gz s3:logs --assume-role Reader --endpoint-url s3.local --max-requests 0 \
                 --max-inflight-bytes 1X --interface i-1";
    let wrong: Vec<&str> = wrong.split_whitespace().collect();
    let failure = config::validate(&arguments(&wrong), &REGISTRY, &eight()).unwrap_err();
    let messages: Vec<&str> = failure.problems.iter().map(|p| p.message.as_str()).collect();
    let expected = [
        "s3://b: `b` is no bucket name",
        "s3://logs/x/*.gz: patterns are for local files",
        "s3:logs: no such file, and not a place in AWS",
        "--interface i-1: not an interface",
        "--max-inflight-bytes 1X: not a size",
        "--max-requests 0: nothing would be fetched",
        "--assume-role Reader: not the ARN of a role",
        "--endpoint-url s3.local: not an URL",
    ];
    assert_eq!(messages, expected);
}

#[test]
fn every_problem_is_told_at_once_and_nothing_is_made() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("report");
    let dir = dir.to_str().unwrap();
    let line = [
        "nope",
        "-",
        "-",
        "--from",
        "2026-03-02",
        "--to",
        "2026-03-01",
        "--account",
        "1",
        "--only",
        "unusd-rule",
        "--skip",
        "unusd-rule",
        "--threads",
        "0",
        "--out",
        dir,
    ];
    let failure = config::validate(&arguments(&line), &REGISTRY, &eight()).unwrap_err();
    assert_eq!(failure.exit, Exit::Usage);
    let messages: Vec<&str> = failure.problems.iter().map(|p| p.message.as_str()).collect();
    let expected = [
        "standard input (`-`) is named twice",
        "nope: no such file or directory",
        "--from is not before --to",
        "--account 1: not an account",
        "--threads 0: nothing would run",
        "--only unusd-rule: no such detector",
        "--skip unusd-rule: no such detector",
        "unusd-rule is in --only and in --skip",
    ];
    assert_eq!(messages, expected);
    assert!(failure.problems.iter().all(|p| p.help.is_some()));
    assert!(failure.problems[5].help.as_ref().unwrap().starts_with("did you mean `unused-rule`?"));
    assert!(!Path::new(dir).exists());
}

fn explain(id: Option<&str>) -> Result<String, Failure> {
    let line = ["flowgate", "explain"].into_iter().chain(id);
    let Command::Explain(arguments) = Cli::try_parse_from(line).unwrap().command else {
        panic!("not explain")
    };
    let mut out = Vec::new();
    explain::execute(&arguments, &REGISTRY, LOOK, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn explain_lists_and_explains() {
    let expected = "\
unused-rule     Rules nobody needs
rejected-spike  Sudden rejects

`flowgate explain ID` prints the manual of one.
";
    assert_eq!(explain(None).unwrap(), expected);
    let manual = explain(Some("unused-rule")).unwrap();
    let start =
        "unused-rule\n\n  Rules nobody needs.\n\nWhat it finds\n\n  Rules that no connection needed.\n";
    assert!(manual.starts_with(start), "{manual}");
    assert!(!manual.contains("use std::io"));
    let failure = explain(Some("unused-rul")).unwrap_err();
    assert_eq!(failure.problems[0].message, "there is no detector `unused-rul`");
    assert!(failure.problems[0].help.as_ref().unwrap().starts_with("did you mean `unused-rule`?"));
}

#[test]
fn errors_cant_be_forged() {
    let failure =
        Failure::usage(vec![failure::Problem::new("a\u{1b}[2J\nerror: forged").help("b\nerror: c")]);
    let mut out = Vec::new();
    failure.show(LOOK, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(text, "error: a\\u{1b}[2J\n  error: forged\n  = help: b\\nerror: c\n");
}

#[test]
fn warnings_are_written_and_not_drawn() {
    use crate::pipeline::{Event, Progress as _};
    let mut stderr = Vec::new();
    let meter = progress::Meter::new(Some(&mut stderr), LOOK, false);
    meter.event(&Event::Listed { objects: 2, bytes: Some(10) });
    meter.event(&Event::Read { bytes: 5, records: 1 });
    meter.event(&Event::Warning("a\u{1b}b".to_owned()));
    meter.event(&Event::ObjectDone);
    meter.event(&Event::Phase("judging"));
    drop(meter);
    assert_eq!(String::from_utf8(stderr).unwrap(), "warning: a\\u{1b}b\n");
}
