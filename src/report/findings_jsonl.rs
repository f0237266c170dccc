//! `findings.jsonl`: one finding a line.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::json::{PortsJson, write_line};
use super::{Renderer, numbers::rfc3339};
use crate::finding::{Conclusions, Finding};
use crate::flow::Direction;

/// Version of the lines.
pub(super) const SCHEMA: &str = "flowgate.finding/v1";

/// A line. Every key is always there; the order of keys is the order here.
#[derive(Serialize)]
struct Line<'a> {
    schema: &'static str,
    id: &'a str,
    detector: &'a str,
    kind: &'static str,
    cause: &'a str,
    severity: &'static str,
    grade: &'static str,
    title: &'a str,
    summary: &'a str,
    account: Option<&'a str>,
    region: Option<&'a str>,
    vpc: Option<&'a str>,
    interfaces: &'a [String],
    instances: &'a [String],
    security_group: Option<&'a str>,
    rule_id: Option<&'a str>,
    network_acl: Option<&'a str>,
    direction: Option<&'static str>,
    protocol: Option<&'a str>,
    ports: Vec<PortsJson>,
    remotes: &'a [String],
    start: Option<String>,
    end: Option<String>,
    counts: &'a BTreeMap<String, u64>,
    evidence: &'a BTreeMap<String, Value>,
    controls: &'a [String],
    next: &'a [String],
}

impl<'a> From<&'a Finding> for Line<'a> {
    fn from(f: &'a Finding) -> Self {
        Self {
            schema: SCHEMA,
            id: &f.id,
            detector: f.detector,
            kind: f.kind.as_str(),
            cause: &f.cause,
            severity: f.severity.as_str(),
            grade: f.grade.as_str(),
            title: &f.title,
            summary: &f.summary,
            account: f.account.as_deref(),
            region: f.region.as_deref(),
            vpc: f.vpc.as_deref(),
            interfaces: &f.interfaces,
            instances: &f.instances,
            security_group: f.security_group.as_deref(),
            rule_id: f.rule_id.as_deref(),
            network_acl: f.network_acl.as_deref(),
            direction: f.direction.map(Direction::as_str),
            protocol: f.protocol.as_deref(),
            ports: f.ports.iter().map(PortsJson::from).collect(),
            remotes: &f.remotes,
            start: f.start.and_then(rfc3339),
            end: f.end.and_then(rfc3339),
            counts: &f.counts,
            evidence: &f.evidence,
            controls: &f.controls,
            next: &f.next,
        }
    }
}

pub(super) struct FindingsJsonl;

impl Renderer for FindingsJsonl {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        conclusions.findings.iter().try_for_each(|finding| write_line(&Line::from(finding), out))
    }
}
