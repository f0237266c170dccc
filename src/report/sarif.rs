//! SARIF 2.1.0 (OASIS standard, "Static Analysis Results Interchange Format"): for viewers and gates of code hosts.
//!
//! A rule is a detector, its help the manual. A result is a finding, with what it is about as logical locations: there
//! is no source file, so viewers that only show files (GitHub's code scanning) have nothing to show it at.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::clip::{clip, clip_or};
use super::json::{known, write_pretty};
use super::manual::doc_lines;
use super::place::{Places, Subject, subjects};
use super::{FormatOptions, Manual, Renderer, sanitise};
use crate::finding::{Conclusions, Finding, Limitation, Severity};
use crate::flow::Direction;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// Longest text.
const TEXT: usize = 10_000;

pub(super) struct Sarif<'a>(pub &'a FormatOptions<'a>);

impl Renderer for Sarif<'_> {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        let manuals = &self.0.manuals;
        let places = Places::new(conclusions, self.0);
        let results = conclusions.findings.iter().map(|f| result(f, manuals, &places));
        let limitations = conclusions.summary.limitations.iter().map(notification);
        let log = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {
                    "driver": {
                        "name": "flowgate",
                        "semanticVersion": env!("CARGO_PKG_VERSION"),
                        "rules": manuals.iter().map(rule).collect::<Vec<_>>(),
                    },
                },
                "columnKind": "utf16CodeUnits",
                "invocations": [{
                    "executionSuccessful": !conclusions.is_incomplete(),
                    "toolExecutionNotifications": limitations.collect::<Vec<_>>(),
                }],
                "results": results.collect::<Vec<_>>(),
            }],
        });
        write_pretty(&log, out)
    }
}

fn rule(manual: &Manual<'_>) -> Value {
    let help = doc_lines(manual.source).collect::<Vec<_>>().join("\n");
    known(json!({
        "id": manual.id,
        "name": manual.id,
        "shortDescription": {"text": clip_or(manual.title, TEXT, manual.id)},
        "help": (!help.trim().is_empty()).then(|| json!({"text": help, "markdown": help})),
        "properties": {"tags": ["security", "network"]},
    }))
}

fn result(f: &Finding, manuals: &[Manual<'_>], places: &Places) -> Value {
    let subjects = subjects(f);
    let locations: Vec<Value> =
        subjects.iter().map(|subject| json!({"logicalLocations": [location(subject, f, places)]})).collect();
    known(json!({
        "ruleId": f.detector,
        "ruleIndex": manuals.iter().position(|manual| manual.id == f.detector),
        "level": level(f.severity),
        "message": {"text": clip_or(&format!("{}. {}", f.title, f.summary), TEXT, "(no text)")},
        "locations": locations,
        "fingerprints": {"flowgate.finding/v1": &*sanitise(&f.id, true)},
        "properties": {
            "kind": f.kind.as_str(),
            "cause": f.cause,
            "severity": f.severity.as_str(),
            "grade": f.grade.as_str(),
            "account": places.account(f),
            "region": places.region(f),
            "direction": f.direction.map(Direction::as_str),
            "protocol": f.protocol,
            "ports": f.ports.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "remotes": f.remotes,
            "controls": f.controls,
            "counts": f.counts,
            "evidence": f.evidence,
            "next": f.next,
        },
    }))
}

fn location(subject: &Subject<'_>, f: &Finding, places: &Places) -> Value {
    let arn = places.complete(f).map(|(account, region)| clip(&subject.arn(account, region), TEXT));
    known(json!({
        "name": clip_or(subject.id, TEXT, "(blank)"),
        "fullyQualifiedName": arn,
        "kind": "resource",
        "properties": {"type": subject.cloudformation},
    }))
}

/// SARIF has three levels.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational => "note",
    }
}

fn notification(limitation: &Limitation) -> Value {
    let text = match limitation.object.as_str() {
        "" => limitation.message.clone(),
        object => format!("{object}: {}", limitation.message),
    };
    json!({
        "descriptor": {"id": clip_or(&limitation.code, TEXT, "limitation")},
        "level": if limitation.incomplete { "error" } else { "note" },
        "message": {"text": clip_or(&text, TEXT, "(no text)")},
    })
}
