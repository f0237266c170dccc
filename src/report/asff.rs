//! AWS Security Finding Format: batches for Security Hub's `BatchImportFindings`.
//!
//! Security Hub takes up to 100 findings and 6 MB a call, 240 kB a finding, and those of one account and region, from
//! that account (Security Hub partner guide, "Guidelines for using the `BatchImportFindings` API"). Lengths are those
//! of the user guide, "Required attributes" and "Optional top-level attributes". What is longer is cut, and says so.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::clip::{clip, clip_or};
use super::json::{escaped, known};
use super::numbers::rfc3339;
use super::place::{Places, Subject, partition, subjects};
use super::{FormatOptions, Renderer};
use crate::finding::{Conclusions, Finding, Kind, Ports, Severity, Window};
use crate::flow::Direction;

/// Findings of a call.
const FINDINGS: usize = 100;
/// Bytes of a call; some room is left for what goes around them.
const BYTES: usize = 6_000_000 - 10_000;
/// Resources of a finding.
const RESOURCES: usize = 32;
/// Pairs of `ProductFields`, their keys and values.
const FIELDS: usize = 50;
const KEY: usize = 128;
const VALUE: usize = 2048;

/// Findings that go into one call.
pub(super) struct Batch {
    pub account: String,
    pub region: String,
    /// From 1, within account and region.
    pub number: usize,
    /// Each as JSON.
    findings: Vec<String>,
}

impl Renderer for Batch {
    fn render(&self, _: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        for (at, finding) in self.findings.iter().enumerate() {
            write!(out, "{}{finding}", if at == 0 { "[\n" } else { ",\n" })?;
        }
        writeln!(out, "\n]")
    }
}

/// A batch a line, each an array.
pub(super) struct Asff<'a>(pub &'a FormatOptions<'a>);

impl Renderer for Asff<'_> {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        batches(conclusions, self.0)
            .iter()
            .try_for_each(|batch| writeln!(out, "[{}]", batch.findings.join(",")))
    }
}

/// Every finding whose account and region are known, by account, region and the order of reports.
pub(super) fn batches(conclusions: &Conclusions, options: &FormatOptions<'_>) -> Vec<Batch> {
    let places = Places::new(conclusions, options);
    let mut by_place: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for finding in &conclusions.findings {
        if let Some((account, region)) = places.complete(finding) {
            let value = known(translated(finding, account, region, conclusions.summary.window));
            let json = escaped(&value.to_string()).into_owned();
            by_place.entry((account.to_owned(), region.to_owned())).or_default().push(json);
        }
    }
    let mut batches: Vec<Batch> = Vec::new();
    for ((account, region), findings) in by_place {
        let (mut batch, mut bytes, mut number) = (Vec::new(), 0, 0);
        let mut close = |findings: Vec<String>| {
            number += 1;
            batches.push(Batch { account: account.clone(), region: region.clone(), number, findings });
        };
        for finding in findings {
            if batch.len() == FINDINGS || bytes + finding.len() > BYTES {
                close(std::mem::take(&mut batch));
                bytes = 0;
            }
            bytes += finding.len() + 1;
            batch.push(finding);
        }
        close(batch);
    }
    batches
}

fn translated(f: &Finding, account: &str, region: &str, window: Option<Window>) -> Value {
    let partition = partition(region);
    let (start, end) = (f.start.or(window.map(|w| w.start)), f.end.or(window.map(|w| w.end)));
    // Later logs make a later update, which is what lets Security Hub take it; no clock is asked.
    let updated = window.map(|w| w.end).max(end).or(start).and_then(rfc3339);
    let created = start.or(end).and_then(rfc3339);
    let never = || "1970-01-01T00:00:00Z".to_owned();
    json!({
        "SchemaVersion": "2018-10-08",
        "Id": clip_or(&f.id, 512, "none"),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "ProductName": "flowgate",
        "CompanyName": "flowgate",
        "GeneratorId": clip(&format!("flowgate/{}", f.detector), 512),
        "AwsAccountId": account,
        "Region": region,
        "CreatedAt": created.unwrap_or_else(never),
        "UpdatedAt": updated.unwrap_or_else(never),
        "FirstObservedAt": f.start.and_then(rfc3339),
        "LastObservedAt": f.end.and_then(rfc3339),
        "Title": clip_or(&f.title, 256, "(no title)"),
        "Description": clip_or(&f.summary, 1024, "(no description)"),
        "FindingProviderFields": {
            "Severity": {"Label": label(f.severity), "Original": f.severity.as_str()},
            "Types": [kind_of_finding(f.kind)],
        },
        "RecordState": "ACTIVE",
        "Network": network(f),
        "Remediation": remediation(f),
        "Resources": resources(f, account, region),
        "ProductFields": product_fields(f),
    })
}

fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "INFORMATIONAL",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}

/// Namespace, category and classifier of the types taxonomy of the format.
fn kind_of_finding(kind: Kind) -> &'static str {
    match kind {
        Kind::UnusedRule | Kind::RedundantRule | Kind::PermissiveRule | Kind::ExposedService => {
            "Software and Configuration Checks/AWS Security Best Practices/Network Reachability"
        }
        Kind::Beacon => "TTPs/Command and Control",
        Kind::OutboundVolume => "Effects/Data Exfiltration",
        _ => "Unusual Behaviors/Network Flow",
    }
}

fn network(f: &Finding) -> Option<Value> {
    let direction = f.direction?;
    let inbound = direction == Direction::Inbound;
    let remote = f.remotes.iter().find_map(|remote| remote.parse::<std::net::IpAddr>().ok());
    let (v4, v6) = match remote {
        Some(std::net::IpAddr::V4(ip)) => (Some(ip), None),
        Some(std::net::IpAddr::V6(ip)) => (None, Some(ip)),
        None => (None, None),
    };
    let mut network = json!({
        "Direction": if inbound { "IN" } else { "OUT" },
        "Protocol": f.protocol.as_ref().map(|name| clip_or(name, 16, "?")),
        "DestinationPort": match f.ports[..] { [Ports::One(port)] => Some(port), _ => None },
        "OpenPortRange": match f.ports[..] {
            [Ports::Range(begin, end)] => Some(json!({"Begin": begin, "End": end})),
            _ => None,
        },
    });
    let side = if inbound { "Source" } else { "Destination" };
    network[format!("{side}IpV4")] = json!(v4);
    network[format!("{side}IpV6")] = json!(v6);
    Some(network)
}

fn remediation(f: &Finding) -> Option<Value> {
    let text = f.next.join("\n");
    (!text.trim().is_empty()).then(|| json!({"Recommendation": {"Text": clip(&text, 512)}}))
}

fn resources(f: &Finding, account: &str, region: &str) -> Vec<Value> {
    let partition = partition(region);
    // The model knows only these three.
    let partition = ["aws", "aws-cn", "aws-us-gov"].contains(&partition).then_some(partition);
    let resource = |subject: &Subject<'_>| {
        json!({
            "Type": subject.asff,
            "Id": clip(&subject.arn(account, region), 512),
            "Partition": partition,
            "Region": region,
        })
    };
    let mut resources: Vec<Value> = subjects(f).iter().take(RESOURCES).map(resource).map(known).collect();
    if resources.is_empty() {
        let id = format!("AWS::::Account:{account}");
        resources
            .push(known(json!({"Type": "AwsAccount", "Id": id, "Partition": partition, "Region": region})));
    }
    resources
}

/// What the format has no place for, up to its limits. What did not fit is counted.
fn product_fields(f: &Finding) -> Map<String, Value> {
    let omitted = subjects(f).len().saturating_sub(RESOURCES);
    let ports: Vec<String> = f.ports.iter().map(ToString::to_string).collect();
    let json = |value: Value| if value.is_null() { String::new() } else { value.to_string() };
    let evidence = if f.evidence.is_empty() { String::new() } else { json(json!(f.evidence)) };
    let fixed = [
        ("kind", f.kind.to_string()),
        ("cause", f.cause.clone()),
        ("grade", f.grade.to_string()),
        ("ports", ports.join(", ")),
        ("remotes", f.remotes.join(", ")),
        ("controls", f.controls.join(", ")),
        ("evidence", evidence),
        ("resources-omitted", if omitted > 0 { omitted.to_string() } else { String::new() }),
    ];
    let mut fields = Map::new();
    for (key, value) in fixed.into_iter().filter(|(_, value)| !value.trim().is_empty()) {
        fields.insert(format!("flowgate/{key}"), json!(clip(&value, VALUE)));
    }
    let room = FIELDS - 1 - fields.len();
    for (name, n) in f.counts.iter().take(room) {
        fields.insert(clip(&format!("flowgate/counts/{name}"), KEY), json!(n.to_string()));
    }
    if f.counts.len() > room {
        fields.insert("flowgate/counts-omitted".to_owned(), json!((f.counts.len() - room).to_string()));
    }
    fields
}
