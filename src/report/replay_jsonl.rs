//! `replay.jsonl`: what a candidate would have done, a line for each thing told.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use super::json::write_line;
use super::numbers::rfc3339;
use crate::finding::{Limitation, Summary};
use crate::flow::Direction;
use crate::tighten::{GroupDifference, Lot, Openness, Replay, ReplayRow, ReplayRows, RuleName};

/// Version of the lines.
const SCHEMA: &str = "flowgate.replay/v1";

/// The first line. Every key is always there; the order of keys is the order here.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    kind: &'static str,
    candidate: &'a str,
    /// `standing` or `logs`.
    against: &'static str,
    start: Option<String>,
    end: Option<String>,
    incomplete: bool,
    /// Connections by what would become of them; every lot is there.
    connections: BTreeMap<&'static str, u64>,
    /// The same of those that rest on memberships observed later only, or by one of two observations.
    weak: BTreeMap<&'static str, u64>,
    /// The same in accepted bytes.
    bytes: BTreeMap<&'static str, u64>,
    /// Undecided connections by reason.
    undecided: &'a BTreeMap<&'static str, u64>,
    /// Peers are told as blocks, or ports as ranges: there were too many.
    folded: bool,
    /// So many neighbouring interfaces are told as one.
    interfaces_folded: u64,
    /// What of the proposal could not be understood.
    gaps: &'a [String],
    /// What was not read or not known that could change the result.
    limitations: Vec<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    schema: &'static str,
    /// `blocked`, `opened` or `undecided`.
    kind: &'static str,
    candidate: &'a str,
    interface: &'a str,
    instance: Option<&'a str>,
    direction: Option<&'static str>,
    protocol: String,
    /// Service port, or `lo-hi`.
    ports: Option<String>,
    remote: String,
    by: &'static str,
    rules: Vec<RuleJson<'a>>,
    connections: u64,
    weak: u64,
    bytes: u64,
    start: Option<String>,
    end: Option<String>,
}

#[derive(Serialize)]
struct RuleJson<'a> {
    rule_id: &'a str,
    security_group: &'a str,
    security_group_name: &'a str,
    what: &'a str,
}

#[derive(Serialize)]
struct Group<'a> {
    schema: &'static str,
    kind: &'static str,
    candidate: &'a str,
    security_group: &'a str,
    security_group_name: &'a str,
    direction: &'static str,
    openness_before: OpennessJson,
    openness_after: OpennessJson,
    removed: Vec<RuleJson<'a>>,
    added: Vec<RuleJson<'a>>,
    wider: Vec<RuleJson<'a>>,
}

/// log2 of (addresses x ports x protocols); `null` is nothing.
#[derive(Serialize)]
struct OpennessJson {
    ipv4: Option<f64>,
    ipv6: Option<f64>,
    unresolved: u32,
}

#[derive(Serialize)]
struct Acl<'a> {
    schema: &'static str,
    kind: &'static str,
    candidate: &'a str,
    network_acl: &'a str,
    removed: &'a [String],
    added: &'a [String],
    subnets_left: &'a [String],
    subnets_joined: &'a [String],
}

#[derive(Serialize)]
struct Moved<'a> {
    schema: &'static str,
    kind: &'static str,
    candidate: &'a str,
    interface: &'a str,
    groups_left: &'a [String],
    groups_joined: &'a [String],
}

/// True if something was not read, not known or not understood that could change what is said.
#[must_use]
pub fn replay_is_incomplete(replay: &Replay, summary: &Summary) -> bool {
    !replay.gaps.is_empty() || summary.limitations.iter().any(|limitation| limitation.incomplete)
}

/// Writes the lines: head, blocked, opened, undecided, groups, network ACLs, interfaces.
///
/// # Errors
/// Those of the writer.
pub fn write_replay_jsonl(
    replay: &Replay,
    summary: &Summary,
    against: &'static str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let by_lot = |value: fn(&Replay, Lot) -> u64| -> BTreeMap<&'static str, u64> {
        Lot::ALL.iter().map(|&lot| (lot.as_str(), value(replay, lot))).collect()
    };
    let lists = [("blocked", &replay.blocked), ("opened", &replay.opened), ("undecided", &replay.unsure)];
    let head = Head {
        schema: SCHEMA,
        kind: "summary",
        candidate: &replay.name,
        against,
        start: summary.window.and_then(|window| rfc3339(window.start)),
        end: summary.window.and_then(|window| rfc3339(window.end)),
        incomplete: replay_is_incomplete(replay, summary),
        connections: by_lot(|replay, lot| replay.count(lot).connections),
        weak: by_lot(|replay, lot| replay.count(lot).weak),
        bytes: by_lot(|replay, lot| replay.count(lot).bytes),
        undecided: &replay.undecided,
        folded: lists.iter().any(|(_, rows)| rows.folded),
        interfaces_folded: lists.iter().map(|(_, rows)| rows.interfaces_folded).max().unwrap_or(1).max(1),
        gaps: &replay.gaps,
        limitations: summary.limitations.iter().filter(|l| l.incomplete).map(told).collect(),
    };
    write_line(&head, out)?;
    for (kind, rows) in lists {
        write_rows(kind, replay, rows, out)?;
    }
    replay.groups.iter().try_for_each(|group| write_line(&group_line(replay, group), out))?;
    for acl in &replay.acls {
        let line = Acl {
            schema: SCHEMA,
            kind: "network-acl",
            candidate: &replay.name,
            network_acl: &acl.acl,
            removed: &acl.removed,
            added: &acl.added,
            subnets_left: &acl.left,
            subnets_joined: &acl.joined,
        };
        write_line(&line, out)?;
    }
    replay.moved.iter().try_for_each(|(interface, (left, joined))| {
        let line = Moved {
            schema: SCHEMA,
            kind: "interface",
            candidate: &replay.name,
            interface,
            groups_left: left,
            groups_joined: joined,
        };
        write_line(&line, out)
    })
}

fn told(limitation: &Limitation) -> String {
    match limitation.object.as_str() {
        "" => limitation.message.clone(),
        object => format!("{object}: {}", limitation.message),
    }
}

fn write_rows(kind: &'static str, replay: &Replay, rows: &ReplayRows, out: &mut dyn Write) -> io::Result<()> {
    rows.rows.iter().try_for_each(|row| {
        let ReplayRow { instance, rules, .. } = row;
        let line = Row {
            schema: SCHEMA,
            kind,
            candidate: &replay.name,
            interface: &row.interface,
            instance: instance.as_deref(),
            direction: row.direction.map(Direction::as_str),
            protocol: row.protocol.to_string(),
            ports: row.port_text(),
            remote: row.remote_text(),
            by: row.by,
            rules: rules.iter().map(rule).collect(),
            connections: row.connections,
            weak: row.weak,
            bytes: row.bytes,
            start: rfc3339(row.first),
            end: rfc3339(row.last),
        };
        write_line(&line, out)
    })
}

fn rule(rule: &RuleName) -> RuleJson<'_> {
    RuleJson {
        rule_id: &rule.id,
        security_group: &rule.group,
        security_group_name: &rule.group_name,
        what: &rule.text,
    }
}

fn group_line<'a>(replay: &'a Replay, group: &'a GroupDifference) -> Group<'a> {
    let openness = |o: &Openness| OpennessJson { ipv4: o.ipv4, ipv6: o.ipv6, unresolved: o.unresolved };
    let rules = |rules: &'a [RuleName]| rules.iter().map(rule).collect();
    Group {
        schema: SCHEMA,
        kind: "group",
        candidate: &replay.name,
        security_group: &group.group,
        security_group_name: &group.group_name,
        direction: group.direction.as_str(),
        openness_before: openness(&group.before),
        openness_after: openness(&group.after),
        removed: rules(&group.removed),
        added: rules(&group.added),
        wider: rules(&group.wider),
    }
}
