//! The first page: what it comes to, and what was not read.

use serde::Serialize;

use super::estate::Estate;
use super::findings::{self, FindingLink};
use super::rules;
use super::text::words;
use crate::finding::{Limitation, Summary};
use crate::report::numbers::{bytes, count, duration, number, percent, time};

/// Findings on the first page.
const TOP: usize = 12;
/// Inputs named.
const NAMED: usize = 12;
/// Limitations shown of a code.
const LIMITATIONS: usize = 50;

#[derive(Debug, Serialize)]
pub(super) struct Overview {
    incomplete: usize,
    window: Option<String>,
    facts: Vec<(&'static str, String)>,
    severities: Vec<(&'static str, String, bool)>,
    total: String,
    top: Vec<FindingLink>,
    more: usize,
    matrix: Vec<Row>,
    connections: String,
    openers: Vec<Share>,
    classes: Vec<Share>,
    rules: String,
    coverage: Vec<Share>,
}

/// A row of the verdict matrix.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    cells: Vec<Verdict>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    name: &'static str,
    count: String,
    share: String,
    any: bool,
    reasons: Vec<(String, String)>,
}

/// A part of a whole, with a bar.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    name: String,
    about: String,
    count: String,
    share: String,
    /// Of 100.
    width: f64,
    class: String,
    href: Option<String>,
}

fn share(name: &str, about: &str, n: u64, all: u64) -> Share {
    let width = if all == 0 { 0.0 } else { (n as f64 * 1000.0 / all as f64).round() / 10.0 };
    Share {
        name: name.to_owned(),
        about: about.to_owned(),
        count: number(n),
        share: percent(n, all),
        width: width.min(100.0),
        class: String::new(),
        href: None,
    }
}

pub(super) fn overview(estate: &Estate<'_>) -> Overview {
    let summary = &estate.conclusions.summary;
    let findings = estate.conclusions.findings.len();
    let all_rules = estate.conclusions.rules.len() as u64;
    let opened: u64 = summary.openers.iter().map(|o| o.connections).sum();
    let opener = |o: &crate::finding::OpenerCount| {
        let name = if o.evidence == "none" { "unknown" } else { o.evidence };
        share(&words(name), o.strength, o.connections, opened)
    };
    let class = |(class, n): (&'static str, usize)| {
        let place = rules::CLASSES.iter().position(|c| *c == class).unwrap_or(0);
        Share {
            class: format!("class-{class}"),
            href: Some(format!("#rules?Class={place}")),
            ..share(&words(class), "", n as u64, all_rules)
        }
    };
    Overview {
        incomplete: summary.limitations.iter().filter(|l| l.incomplete).count(),
        window: summary.window.map(|w| {
            format!("{} to {} ({})", time(w.start), time(w.end), duration(w.end.saturating_sub(w.start)))
        }),
        facts: facts(summary),
        severities: findings::by_severity(estate),
        total: count(findings as u64, "finding"),
        top: findings::top(estate, TOP),
        more: findings.saturating_sub(TOP),
        matrix: matrix(summary),
        connections: count(summary.connections, "connection"),
        openers: summary.openers.iter().filter(|o| o.connections > 0).map(opener).collect(),
        classes: rules::by_class(estate.conclusions).into_iter().map(class).collect(),
        rules: count(all_rules, "rule"),
        coverage: coverage(summary),
    }
}

fn facts(s: &Summary) -> Vec<(&'static str, String)> {
    let list = |texts: &[String]| {
        let more = texts.len().saturating_sub(NAMED);
        let shown = texts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        if more > 0 { format!("{shown} and {more} more") } else { shown }
    };
    let held: Vec<String> = s
        .inventory
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(kind, n)| format!("{}\u{a0}{}", number(*n), kind.replace('-', "\u{a0}")))
        .collect();
    let formats: Vec<String> = s
        .formats
        .iter()
        .map(|f| format!("{} ({}, {})", f.format, f.origin, count(f.lines, "line")))
        .collect();
    let inventory =
        if held.is_empty() { "none: nothing can be said about rules".to_owned() } else { held.join(", ") };
    let facts = [
        ("Inputs", list(&s.inputs)),
        (
            "Read",
            format!(
                "{}, {}, {}",
                count(s.objects, "object"),
                bytes(s.bytes),
                count(s.tally.records, "record")
            ),
        ),
        ("Inventory", inventory),
        ("From", list(&s.inventories)),
        ("Formats assumed", list(&formats)),
        ("Made by", format!("flowgate {}", env!("CARGO_PKG_VERSION"))),
    ];
    facts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

fn matrix(s: &Summary) -> Vec<Row> {
    let verdict = |name: &'static str| {
        let cells: Vec<_> = s.verdicts.iter().filter(|v| v.verdict == name).collect();
        let total: u64 = cells.iter().map(|v| v.connections).sum();
        let mut by_reason: Vec<_> =
            cells.iter().filter(|v| !v.reason.is_empty() && v.connections > 0).collect();
        by_reason.sort_by_key(|v| (std::cmp::Reverse(v.connections), v.reason));
        Verdict {
            name,
            count: number(total),
            share: percent(total, s.connections),
            any: total > 0,
            reasons: by_reason.iter().map(|v| (words(v.reason), number(v.connections))).collect(),
        }
    };
    vec![
        Row { name: "accepted", cells: vec![verdict("permitted"), verdict("escaped")] },
        Row { name: "rejected", cells: vec![verdict("rejected"), verdict("misdropped")] },
        Row { name: "either", cells: vec![verdict("not-evaluable")] },
    ]
}

fn coverage(s: &Summary) -> Vec<Share> {
    let seen: u64 = s.coverage.iter().map(|c| c.buckets_seen).sum();
    let expected: u64 = s.coverage.iter().map(|c| c.buckets_expected).sum();
    let interfaces = s.coverage.len() as u64;
    let known = s.coverage.iter().filter(|c| c.in_inventory).count() as u64;
    let full = s.coverage.iter().filter(|c| c.traffic == "all").count() as u64;
    vec![
        share("Time watched", "10-minute steps in which interfaces were heard of", seen, expected),
        share("Interfaces known", "those with traffic that the inventory has", known, interfaces),
        share("Interfaces logged in full", "their logs hold accepted and rejected traffic", full, interfaces),
        share("Lines used", "lines that were records and counted", s.tally.records, s.tally.lines),
        share(
            "Openers known",
            "connections of which it is known who opened them",
            s.openers.iter().filter(|o| o.evidence != "none").map(|o| o.connections).sum(),
            s.connections,
        ),
    ]
}

/// What was not read, and what was assumed.
#[derive(Debug, Serialize)]
pub(super) struct Reading {
    lines: String,
    fates: Vec<Share>,
    incomplete: Vec<Group>,
    remarks: Vec<Group>,
    fields: Vec<(String, String)>,
    examples: Vec<(String, String)>,
    assumptions: Vec<String>,
    ignored: Vec<(String, String, String, String)>,
    watchlists: Vec<(String, String, String, String, String)>,
    ends: Vec<(String, String)>,
}

#[derive(Debug, Serialize)]
struct Group {
    code: String,
    items: Vec<(String, String)>,
    more: usize,
}

pub(super) fn reading(s: &Summary) -> Reading {
    let t = &s.tally;
    let fates = [
        ("used", "records that count", t.records),
        ("NODATA", "nothing happened in an interval", t.nodata),
        ("SKIPDATA", "AWS lost records of an interval", t.skipdata),
        ("malformed", "could not be understood", t.malformed),
        ("of another schema", "logs of something else", t.other_schema),
        ("duplicate", "delivered before", t.duplicate),
        ("out of range", "outside of the selected time", t.out_of_range),
    ];
    let fate = |(name, about, n): (&str, &str, u64)| share(name, about, n, t.lines);
    Reading {
        lines: count(t.lines, "line"),
        fates: fates.into_iter().filter(|(name, _, n)| *n > 0 || *name == "used").map(fate).collect(),
        incomplete: grouped(&s.limitations, true),
        remarks: grouped(&s.limitations, false),
        fields: t
            .unknown_fields
            .iter()
            .take(LIMITATIONS)
            .map(|(name, n)| (name.clone(), count(*n, "line")))
            .collect(),
        examples: t.examples.iter().map(|e| (format!("{}:{}", e.object, e.line), e.reason.clone())).collect(),
        assumptions: s.assumptions.clone(),
        ignored: s
            .ignored
            .iter()
            .map(|i| (i.text.clone(), i.until.clone(), i.reason.clone(), count(i.findings, "finding")))
            .collect(),
        watchlists: s
            .watchlists
            .iter()
            .map(|l| {
                (
                    l.name.clone(),
                    number(l.entries),
                    number(l.bad_lines),
                    number(l.accepted),
                    number(l.rejected),
                )
            })
            .collect(),
        ends: ends(s),
    }
}

fn ends(s: &Summary) -> Vec<(String, String)> {
    let e = &s.ends;
    if e.joined == 0 && e.disagreeing == 0 && e.not_compared == 0 {
        return Vec::new();
    }
    let mut rows = vec![
        ("seen from both ends".to_owned(), number(e.joined)),
        ("agree".to_owned(), number(e.agreeing)),
        ("rejected at the one end that has them".to_owned(), number(e.rejected_at_one_end)),
        ("not compared".to_owned(), number(e.not_compared)),
    ];
    rows.extend(
        e.by_cause
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(cause, n)| (format!("disagree: {}", words(cause)), number(*n))),
    );
    rows.extend(
        e.not_compared_by
            .iter()
            .filter(|(_, n)| *n > 0)
            .map(|(why, n)| (format!("not compared: {}", words(why)), number(*n))),
    );
    rows
}

fn grouped(all: &[Limitation], incomplete: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for l in all.iter().filter(|l| l.incomplete == incomplete) {
        if groups.last().is_none_or(|g| g.code != l.code) {
            groups.push(Group { code: l.code.clone(), items: Vec::new(), more: 0 });
        }
        let Some(group) = groups.last_mut() else { continue };
        if group.items.len() < LIMITATIONS {
            group.items.push((l.object.clone(), l.message.clone()));
        } else {
            group.more += 1;
        }
    }
    groups
}
