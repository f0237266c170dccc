//! `findings.csv` and `rules.csv`: for spreadsheets.
//!
//! RFC 4180: CRLF, every cell in quotes. A cell that a spreadsheet would take for a formula gets an apostrophe before
//! it (OWASP, "CSV Injection"): names and tags come from whoever made them.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::Renderer;
use super::clip::clip;
use super::numbers::rfc3339;
use crate::finding::{Conclusions, Finding, RuleRow};
use crate::flow::Direction;

/// A cell of the usual programs holds 32,767 characters; the apostrophe is one of them.
const CELL: usize = 32_766;

/// One row.
fn row(cells: &[String], out: &mut dyn Write) -> io::Result<()> {
    for (at, text) in cells.iter().enumerate() {
        let comma = if at > 0 { "," } else { "" };
        write!(out, "{comma}\"{}\"", cell(text))?;
    }
    write!(out, "\r\n")
}

/// What stands between the quotes. Control characters are shown as text: no cell has more than one line.
fn cell(text: &str) -> String {
    guarded(&clip(text, CELL))
}

/// What stands between the quotes of a text that is safe to show already.
pub(crate) fn guarded(text: &str) -> String {
    let formula = |c: char| matches!(c, '=' | '+' | '-' | '@' | '\t' | '\r' | '＝' | '＋' | '－' | '＠');
    // Programs skip blanks before they look. An escaped tab or carriage return starts with a backslash here.
    let lead = if text.trim_start().starts_with(formula) { "'" } else { "" };
    format!("{lead}{}", text.replace('"', "\"\""))
}

fn list(items: &[String]) -> String {
    items.join("; ")
}

fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    list(&items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>())
}

fn text(value: Option<&String>) -> String {
    value.cloned().unwrap_or_default()
}

fn when(seconds: Option<i64>) -> String {
    seconds.and_then(rfc3339).unwrap_or_default()
}

fn json(value: &impl Serialize) -> io::Result<String> {
    Ok(serde_json::to_string(value)?)
}

const FINDING: [&str; 26] = [
    "id",
    "severity",
    "kind",
    "cause",
    "detector",
    "grade",
    "title",
    "summary",
    "account",
    "region",
    "vpc",
    "interfaces",
    "instances",
    "security_group",
    "rule_id",
    "network_acl",
    "direction",
    "protocol",
    "ports",
    "remotes",
    "start",
    "end",
    "counts",
    "evidence",
    "controls",
    "next",
];

fn finding(f: &Finding) -> io::Result<[String; 26]> {
    let mut counts = String::new();
    for (name, n) in &f.counts {
        let between = if counts.is_empty() { "" } else { "; " };
        // Writing to a string can't fail.
        _ = write!(counts, "{between}{name}={n}");
    }
    let evidence = if f.evidence.is_empty() { String::new() } else { json(&f.evidence)? };
    Ok([
        f.id.clone(),
        f.severity.to_string(),
        f.kind.to_string(),
        f.cause.clone(),
        f.detector.to_owned(),
        f.grade.to_string(),
        f.title.clone(),
        f.summary.clone(),
        text(f.account.as_ref()),
        text(f.region.as_ref()),
        text(f.vpc.as_ref()),
        list(&f.interfaces),
        list(&f.instances),
        text(f.security_group.as_ref()),
        text(f.rule_id.as_ref()),
        text(f.network_acl.as_ref()),
        f.direction.map(Direction::as_str).unwrap_or_default().to_owned(),
        text(f.protocol.as_ref()),
        joined(&f.ports),
        list(&f.remotes),
        when(f.start),
        when(f.end),
        counts,
        evidence,
        list(&f.controls),
        list(&f.next),
    ])
}

const RULE: [&str; 19] = [
    "rule_id",
    "security_group",
    "direction",
    "protocol",
    "port_range",
    "peer",
    "class",
    "connections",
    "sole_connections",
    "bytes",
    "first_used",
    "last_used",
    "distinct_peers",
    "approximate",
    "distinct_peers_error",
    "observed_ports",
    "interfaces",
    "grade",
    "grade_reasons",
];

fn rule(r: &RuleRow) -> [String; 19] {
    let ports = r.observed_ports.iter().map(|p| format!("{} ({})", p.port, p.connections));
    let ranges = r.observed_port_ranges.iter().map(|p| format!("{}-{} ({})", p.first, p.last, p.connections));
    [
        r.rule_id.clone(),
        r.security_group.clone(),
        r.direction.as_str().to_owned(),
        r.protocol.clone(),
        r.port_range.clone(),
        r.peer.clone(),
        r.class.as_str().to_owned(),
        r.connections.to_string(),
        r.sole_connections.to_string(),
        r.bytes.to_string(),
        when(r.first_used),
        when(r.last_used),
        r.distinct_peers.to_string(),
        r.approximate.to_string(),
        if r.approximate { Value::from(r.distinct_peers_error).to_string() } else { String::new() },
        joined(ports.chain(ranges)),
        list(&r.interfaces),
        r.grade.to_string(),
        list(&r.grade_reasons),
    ]
}

/// One finding a row.
pub(super) struct FindingsCsv;

impl Renderer for FindingsCsv {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        row(&FINDING.map(str::to_owned), out)?;
        conclusions.findings.iter().try_for_each(|f| row(&finding(f)?, out))
    }
}

/// One rule a row.
pub(super) struct RulesCsv;

impl Renderer for RulesCsv {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        row(&RULE.map(str::to_owned), out)?;
        conclusions.rules.iter().try_for_each(|r| row(&rule(r), out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_text() {
        for (text, shown) in [
            ("=1+1", "'=1+1"),
            (" @SUM(A1)", "' @SUM(A1)"),
            ("-2", "'-2"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("＝1", "'＝1"),
            ("\t=1", "\\t=1"),
            ("\r=1", "\\r=1"),
            ("a=\"b\"", "a=\"\"b\"\""),
            ("sg-1", "sg-1"),
            ("", ""),
        ] {
            assert_eq!(cell(text), shown);
        }
    }
}
