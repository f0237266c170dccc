//! `summary.json`: what was read, what was not, and the counts of what was found.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json::write_pretty;
use super::{Renderer, numbers::rfc3339};
use crate::finding::{
    Conclusions, EndsCounts, FormatUse, Ignored, InterfaceCoverage, Kind, Limitation, OpenerCount, RuleClass,
    Severity, VerdictCount, WatchedList, Window,
};
use crate::flow::Tally;

/// Version of the object.
pub(super) const SCHEMA: &str = "flowgate.summary/v1";

/// The object. Every key is always there; the order of keys is the order here.
#[derive(Serialize)]
struct SummaryObject<'a> {
    schema: &'static str,
    tool: &'static str,
    version: &'static str,
    complete: bool,
    inputs: &'a [String],
    inventories: &'a [String],
    formats: Vec<FormatObject<'a>>,
    objects: u64,
    bytes: u64,
    window: Option<WindowObject>,
    tally: TallyObject<'a>,
    inventory: &'a BTreeMap<String, u64>,
    connections: u64,
    verdicts: Vec<VerdictObject>,
    openers: Vec<OpenerObject>,
    ends: EndsObject,
    watchlists: Vec<WatchListObject<'a>>,
    findings: FindingCounts,
    rules: RuleCounts,
    coverage: Vec<CoverageObject<'a>>,
    limitations: Vec<LimitationObject<'a>>,
    /// Only there with an ignore list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<IgnoredObject<'a>>,
    assumptions: &'a [String],
}

#[derive(Serialize)]
struct FormatObject<'a> {
    format: &'a str,
    origin: &'a str,
    lines: u64,
}

#[derive(Serialize)]
struct WindowObject {
    start: Option<String>,
    end: Option<String>,
}

#[derive(Serialize)]
struct TallyObject<'a> {
    lines: u64,
    records: u64,
    nodata: u64,
    skipdata: u64,
    malformed: u64,
    other_schema: u64,
    duplicate: u64,
    out_of_range: u64,
    truncated: u64,
    unknown_fields: &'a BTreeMap<String, u64>,
    examples: Vec<ExampleObject<'a>>,
}

#[derive(Serialize)]
struct ExampleObject<'a> {
    object: &'a str,
    line: u64,
    reason: &'a str,
}

#[derive(Serialize)]
struct VerdictObject {
    verdict: &'static str,
    reason: Option<&'static str>,
    connections: u64,
}

#[derive(Serialize)]
struct OpenerObject {
    evidence: &'static str,
    strength: &'static str,
    connections: u64,
}

/// Connections between interfaces whose logs were both read.
#[derive(Serialize)]
struct EndsObject {
    joined: u64,
    agreeing: u64,
    disagreeing: u64,
    by_cause: BTreeMap<&'static str, u64>,
    rejected_at_one_end: u64,
    not_compared: u64,
    not_compared_by: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct WatchListObject<'a> {
    name: &'a str,
    entries: u64,
    bad_lines: u64,
    accepted: u64,
    rejected: u64,
}

#[derive(Serialize)]
struct FindingCounts {
    total: usize,
    by_kind: BTreeMap<&'static str, usize>,
    by_severity: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct RuleCounts {
    total: usize,
    by_class: BTreeMap<&'static str, usize>,
}

#[derive(Serialize)]
struct CoverageObject<'a> {
    interface: &'a str,
    account: Option<&'a str>,
    vpc: Option<&'a str>,
    subnet: Option<&'a str>,
    instance: Option<&'a str>,
    in_inventory: bool,
    first: Option<String>,
    last: Option<String>,
    records: u64,
    nodata: u64,
    skipdata: u64,
    /// Only there with an estimate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skipdata_approximate: bool,
    buckets_seen: u64,
    buckets_expected: u64,
    traffic: &'static str,
}

#[derive(Serialize)]
struct LimitationObject<'a> {
    incomplete: bool,
    code: &'a str,
    object: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct IgnoredObject<'a> {
    entry: &'a str,
    until: &'a str,
    expired: bool,
    reason: &'a str,
    findings: u64,
}

impl<'a> From<&'a Ignored> for IgnoredObject<'a> {
    fn from(i: &'a Ignored) -> Self {
        Self { entry: &i.text, until: &i.until, expired: i.expired, reason: &i.reason, findings: i.findings }
    }
}

impl<'a> From<&'a FormatUse> for FormatObject<'a> {
    fn from(f: &'a FormatUse) -> Self {
        Self { format: &f.format, origin: &f.origin, lines: f.lines }
    }
}

impl From<Window> for WindowObject {
    fn from(w: Window) -> Self {
        Self { start: rfc3339(w.start), end: rfc3339(w.end) }
    }
}

impl<'a> From<&'a Tally> for TallyObject<'a> {
    fn from(t: &'a Tally) -> Self {
        let example = |e: &'a crate::flow::MalformedExample| ExampleObject {
            object: &e.object,
            line: e.line,
            reason: &e.reason,
        };
        Self {
            lines: t.lines,
            records: t.records,
            nodata: t.nodata,
            skipdata: t.skipdata,
            malformed: t.malformed,
            other_schema: t.other_schema,
            duplicate: t.duplicate,
            out_of_range: t.out_of_range,
            truncated: t.truncated,
            unknown_fields: &t.unknown_fields,
            examples: t.examples.iter().map(example).collect(),
        }
    }
}

impl From<&VerdictCount> for VerdictObject {
    fn from(v: &VerdictCount) -> Self {
        let reason = (!v.reason.is_empty()).then_some(v.reason);
        Self { verdict: v.verdict, reason, connections: v.connections }
    }
}

impl From<&OpenerCount> for OpenerObject {
    fn from(o: &OpenerCount) -> Self {
        Self { evidence: o.evidence, strength: o.strength, connections: o.connections }
    }
}

impl From<&EndsCounts> for EndsObject {
    fn from(e: &EndsCounts) -> Self {
        Self {
            joined: e.joined,
            agreeing: e.agreeing,
            disagreeing: e.disagreeing,
            by_cause: e.by_cause.iter().copied().collect(),
            rejected_at_one_end: e.rejected_at_one_end,
            not_compared: e.not_compared,
            not_compared_by: e.not_compared_by.iter().copied().collect(),
        }
    }
}

impl<'a> From<&'a WatchedList> for WatchListObject<'a> {
    fn from(l: &'a WatchedList) -> Self {
        let WatchedList { name, entries, bad_lines, accepted, rejected } = l;
        Self { name, entries: *entries, bad_lines: *bad_lines, accepted: *accepted, rejected: *rejected }
    }
}

impl<'a> From<&'a InterfaceCoverage> for CoverageObject<'a> {
    fn from(c: &'a InterfaceCoverage) -> Self {
        Self {
            interface: &c.interface,
            account: c.account.as_deref(),
            vpc: c.vpc.as_deref(),
            subnet: c.subnet.as_deref(),
            instance: c.instance.as_deref(),
            in_inventory: c.in_inventory,
            first: c.first.and_then(rfc3339),
            last: c.last.and_then(rfc3339),
            records: c.records,
            nodata: c.nodata,
            skipdata: c.skipdata,
            skipdata_approximate: c.skipdata_approximate,
            buckets_seen: c.buckets_seen,
            buckets_expected: c.buckets_expected,
            traffic: c.traffic,
        }
    }
}

impl<'a> From<&'a Limitation> for LimitationObject<'a> {
    fn from(l: &'a Limitation) -> Self {
        let object = (!l.object.is_empty()).then_some(l.object.as_str());
        Self { incomplete: l.incomplete, code: &l.code, object, message: &l.message }
    }
}

impl FindingCounts {
    /// Kinds and severities without findings are there with 0.
    fn of(conclusions: &Conclusions) -> Self {
        let mut by_kind: BTreeMap<_, _> = Kind::ALL.map(|k| (k.as_str(), 0)).into();
        let mut by_severity: BTreeMap<_, _> = Severity::ALL.map(|s| (s.as_str(), 0)).into();
        for finding in &conclusions.findings {
            *by_kind.entry(finding.kind.as_str()).or_default() += 1;
            *by_severity.entry(finding.severity.as_str()).or_default() += 1;
        }
        Self { total: conclusions.findings.len(), by_kind, by_severity }
    }
}

impl RuleCounts {
    fn of(conclusions: &Conclusions) -> Self {
        let mut by_class: BTreeMap<_, _> = RuleClass::ALL.map(|c| (c.as_str(), 0)).into();
        for rule in &conclusions.rules {
            *by_class.entry(rule.class.as_str()).or_default() += 1;
        }
        Self { total: conclusions.rules.len(), by_class }
    }
}

pub(super) struct SummaryJson;

impl Renderer for SummaryJson {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        let s = &conclusions.summary;
        let object = SummaryObject {
            schema: SCHEMA,
            tool: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            complete: !conclusions.is_incomplete(),
            inputs: &s.inputs,
            inventories: &s.inventories,
            formats: s.formats.iter().map(FormatObject::from).collect(),
            objects: s.objects,
            bytes: s.bytes,
            window: s.window.map(WindowObject::from),
            tally: TallyObject::from(&s.tally),
            inventory: &s.inventory,
            connections: s.connections,
            verdicts: s.verdicts.iter().map(VerdictObject::from).collect(),
            openers: s.openers.iter().map(OpenerObject::from).collect(),
            ends: EndsObject::from(&s.ends),
            watchlists: s.watchlists.iter().map(WatchListObject::from).collect(),
            findings: FindingCounts::of(conclusions),
            rules: RuleCounts::of(conclusions),
            coverage: s.coverage.iter().map(CoverageObject::from).collect(),
            limitations: s.limitations.iter().map(LimitationObject::from).collect(),
            ignored: s.ignored.iter().map(IgnoredObject::from).collect(),
            assumptions: &s.assumptions,
        };
        write_pretty(&object, out)
    }
}
