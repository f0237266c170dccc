//! `rules.jsonl`: one security group rule a line.

use std::io::{self, Write};

use serde::Serialize;

use super::json::write_line;
use super::{Renderer, numbers::rfc3339};
use crate::finding::{Conclusions, RuleRow};

/// Version of the lines.
pub(super) const SCHEMA: &str = "flowgate.rule/v1";

/// A line. Every key is always there; the order of keys is the order here.
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
    observed_ports: Vec<ObservedPort>,
    interfaces: &'a [String],
    grade: &'static str,
    grade_reasons: &'a [String],
    class: &'static str,
}

#[derive(Serialize)]
struct ObservedPort {
    port: u16,
    connections: u64,
}

impl<'a> From<&'a RuleRow> for Line<'a> {
    fn from(r: &'a RuleRow) -> Self {
        let observed =
            r.observed_ports.iter().map(|p| ObservedPort { port: p.port, connections: p.connections });
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
            observed_ports: observed.collect(),
            interfaces: &r.interfaces,
            grade: r.grade.as_str(),
            grade_reasons: &r.grade_reasons,
            class: r.class.as_str(),
        }
    }
}

pub(super) struct RulesJsonl;

impl Renderer for RulesJsonl {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        conclusions.rules.iter().try_for_each(|rule| write_line(&Line::from(rule), out))
    }
}
