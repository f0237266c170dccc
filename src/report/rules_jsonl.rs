//! `rules.jsonl`: one security group rule a line.

use std::io::{self, Write};

use serde::Serialize;

use super::json::write_line;
use super::{Renderer, numbers::rfc3339};
use crate::finding::{Conclusions, Ports, RuleEvidence, RuleRow};

/// Version of the lines.
pub(super) const SCHEMA: &str = "flowgate.rule/v1";

/// A line. Every key is always there, but for those that tell of approximate values, which are there only with them;
/// the order of keys is the order here.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    rule_id: &'a str,
    security_group: &'a str,
    direction: &'static str,
    protocol: &'a str,
    port_range: &'a str,
    peer: &'a str,
    connections: u64,
    sole_connections: u64,
    bytes: u64,
    first_used: Option<String>,
    last_used: Option<String>,
    distinct_peers: u64,
    approximate: bool,
    /// Standard error of `distinct_peers`, as a share of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    distinct_peers_error: Option<f64>,
    observed_ports: Vec<ObservedPort>,
    /// Instead of `observed_ports`, where there were too many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    observed_port_ranges: Vec<ObservedRange>,
    interfaces: &'a [String],
    grade: &'static str,
    grade_reasons: &'a [String],
    class: &'static str,
    evidence: Evidence,
}

/// What the class rests on; see [`RuleEvidence`].
#[derive(Serialize)]
struct Evidence {
    judged_from: Option<String>,
    judged_to: Option<String>,
    watched_seconds: u32,
    coverage: f64,
    skipdata: u64,
    interfaces_attached: u32,
    interfaces_covered: u32,
    interfaces_unknown: u32,
    days_used: u32,
    longest_pause_seconds: Option<u32>,
    silent_seconds: Option<u32>,
    chance_missed: f64,
}

impl From<&RuleEvidence> for Evidence {
    fn from(e: &RuleEvidence) -> Self {
        Self {
            judged_from: e.judged_from.and_then(rfc3339),
            judged_to: e.judged_to.and_then(rfc3339),
            watched_seconds: e.watched_seconds,
            coverage: rounded(e.coverage),
            skipdata: e.skipdata,
            interfaces_attached: e.interfaces_attached,
            interfaces_covered: e.interfaces_covered,
            interfaces_unknown: e.interfaces_unknown,
            days_used: e.days_used,
            longest_pause_seconds: e.longest_pause,
            silent_seconds: e.silent_seconds,
            chance_missed: rounded(e.chance_missed),
        }
    }
}

/// To four digits.
fn rounded(share: f64) -> f64 {
    (share * 1e4).round() / 1e4
}

#[derive(Serialize)]
struct ObservedPort {
    port: u16,
    connections: u64,
}

#[derive(Serialize)]
struct ObservedRange {
    ports: String,
    connections: u64,
}

impl<'a> From<&'a RuleRow> for Line<'a> {
    fn from(r: &'a RuleRow) -> Self {
        let observed =
            r.observed_ports.iter().map(|p| ObservedPort { port: p.port, connections: p.connections });
        let ranges = r.observed_port_ranges.iter().map(|range| ObservedRange {
            ports: Ports::Range(range.first, range.last).to_string(),
            connections: range.connections,
        });
        Self {
            schema: SCHEMA,
            rule_id: &r.rule_id,
            security_group: &r.security_group,
            direction: r.direction.as_str(),
            protocol: &r.protocol,
            port_range: &r.port_range,
            peer: &r.peer,
            connections: r.connections,
            sole_connections: r.sole_connections,
            bytes: r.bytes,
            first_used: r.first_used.and_then(rfc3339),
            last_used: r.last_used.and_then(rfc3339),
            distinct_peers: r.distinct_peers,
            approximate: r.approximate,
            distinct_peers_error: r.approximate.then_some(r.distinct_peers_error),
            observed_ports: observed.collect(),
            observed_port_ranges: ranges.collect(),
            interfaces: &r.interfaces,
            grade: r.grade.as_str(),
            grade_reasons: &r.grade_reasons,
            class: r.class.as_str(),
            evidence: Evidence::from(&r.evidence),
        }
    }
}

pub(super) struct RulesJsonl;

impl Renderer for RulesJsonl {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        conclusions.rules.iter().try_for_each(|rule| write_line(&Line::from(rule), out))
    }
}
