//! Accepted connections that no rule explains, or that no expectation allows.
//!
//! ## What it finds
//! Connections that were accepted although no security group rule permits them as of their start, or although
//! the network ACL denies them. With `--expect FILE`, also connections that break one of its expectations, whatever the
//! rules say (cause `expectation`).
//!
//! ## Why it matters
//! What no rule explains should not exist: somebody opened a door and closed it again, the inventory is not
//! what was in force, or something bypasses the controls.
//!
//! ## How it decides
//! The opener of each connection is found first, since replies are logged as ACCEPT, too. The opening is then
//! judged against all groups of the interface, as of its start. Only two reasons alarm: `no-rule` (nothing
//! explains it) and `rule-removed-new` (opened after the rule was gone). The others are counted in the verdict matrix,
//! and listed as informational findings with `--list-escapes`:
//!
//! - `rule-removed-tracked`: the rule is gone, but the connection can be older, and packets of tracked connections are
//!   accepted until they have been idle for longer than the timeout (that of the interface where it is configured, else
//!   5 days for TCP, 180 s for UDP, 10 minutes for others). It can be older if it was there when watching began, or if
//!   its first packet comes from the middle of a stream, and if it was not idle for longer than that since. It cannot if
//!   its handshake was seen, or if its rule's traffic was not tracked at all: rules for TCP or UDP from everywhere, with
//!   a rule that permits all answers, on interfaces that are not always tracked. `tracking` in the evidence counts these.
//! - `inventory-gap`: a fact is missing that might explain it; `missing` names it: a prefix list's entries, a group's
//!   rules or members, or the interface that has the remote address, which lies within the VPCs. Its groups would tell
//!   whether a rule that references a group permits it.
//! - `opener-unknown`: one of the two openings would be explained, and which one it was cannot be told.
//!
//! An expectation with `to` is judged at the interfaces of its tier, one with `from` at those of the side that opens, so
//! that a connection logged at both ends is told once. Tiers are resolved as of the connection's first packet; around a
//! change, either side explains. All connections to one tier and service that break one expectation are one finding, with
//! the interfaces, the remotes, the rules that let them in (`rules`), and what the rules say (`verdicts`). Where a fact is
//! missing (who opened it, or whose a private address was) nothing is told; those connections are counted among the
//! limitations.
//!
//! What the same groups have in common is one finding, whatever the number of interfaces and addresses. The grade is
//! `weak` where the opener rests on port numbers alone, and where most of the connections were opened before the first
//! snapshot of the inventory or while it changed. Remote addresses are exact up to 4,096 for each
//! port; beyond that, and where tens of thousands of ports have findings, `distinct_remotes_approximate` and its error,
//! or `ports_approximate` with how many neighbouring ports are told as one, are in the evidence.
//!
//! An expectation's findings are `weak`, too, where most of their connections rest on who was who at another time: before
//! the first snapshot, or between two that differ.
//!
//! ## When it is wrong
//! When the inventory is older or newer than the logs: a rule that was added and removed between two
//! observations explains what looks unexplained. Dated snapshots narrow that down; AWS Config history names the time
//! of each change (`rule_removed_at` and `removed_rules` in the evidence), and either side of a change explains what
//! began between 5 minutes before and 1 minute after it.
//!
//! ## Tuning
//! Give dated inventory snapshots or AWS Config history, and all prefix lists that rules use. `--skip unexpected-accept` turns it off.
//! The severity of what breaks an expectation is in its file (`severity`); else it is critical for sensitive ports that
//! the internet reached, high for others that it reached, and medium for the rest. What is all right after all is
//! welcomed by a `may-from` or `may-to`.
//!
//! ## What to do
//! Look up who changed the group or the interface's groups at that time (CloudTrail: AuthorizeSecurityGroupIngress,
//! ModifyNetworkInterfaceAttribute). If nobody did, treat the interface as compromised until shown otherwise.
//! Where an expectation is broken, narrow the rule that let it in, or correct the file.

mod why;

use std::collections::{BTreeMap, BTreeSet};

use super::sums::{Cells, LISTED, Sum, approximations, by_port, listed};
use super::{Detector, Input, Meta, at_interfaces, counted, expectation, finish, rule_class, services};
use crate::finding::{Finding, FindingBuilder, Kind, Severity};
use crate::flow::{Direction, Protocol, address_bits, is_private};
use crate::rollup::{EscapeReason, InterfaceRow, OddCell, OddCells, OddKey, Rollups, Subject, Verdict};

/// See the file's manual.
pub(super) struct UnexpectedAccept;

static META: Meta = Meta {
    id: "unexpected-accept",
    kind: Kind::UnexpectedAccept,
    title: "accepted connections that no rule explains, or that no expectation allows",
    manual: include_str!("unexpected_accept.rs"),
};

impl Detector for UnexpectedAccept {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let alarms = |reason: EscapeReason| {
            matches!(reason, EscapeReason::NoRule | EscapeReason::RuleRemovedNew) || input.list_escapes
        };
        let mut groups: BTreeMap<_, Cells<'_, Verdict>> = BTreeMap::new();
        for (key, cell) in input.rollups.odd.iter() {
            if let Verdict::Escaped(reason) = key.subject
                && alarms(reason)
            {
                let row = &input.rollups.interfaces[key.interface as usize];
                // Without groups it is the interface and its network ACL that decide.
                let place = if row.groups.is_empty() { std::slice::from_ref(&row.id) } else { &row.groups };
                let denied = cell.acl_denies > 0;
                let about = (place, key.direction, key.protocol, reason, denied, &cell.rules);
                groups.entry(about).or_default().push((key, cell));
            }
        }
        let mut findings = expectation::findings(&META, input.rollups);
        for ((place, _, _, reason, ..), cells) in groups {
            let each = by_port(cells).into_iter();
            let each = each.map(|(cells, many)| describe(input.rollups, place, reason, &cells, many));
            findings.extend(each.filter_map(finish));
        }
        findings
    }
}

fn describe(
    rollups: &Rollups,
    place: &[String],
    reason: EscapeReason,
    cells: &Cells<'_, Verdict>,
    many: bool,
) -> FindingBuilder {
    let key = cells[0].0;
    let sum = Sum::of(cells.iter().copied());
    let rows = sum.rows(rollups);
    let top = sum.top();
    let public = top.iter().any(|(address, _)| is_public(rollups, *address));
    let ports = ports(&rollups.odd, cells);
    let sensitive = key.protocol == Protocol::TCP
        && ports.iter().any(|&(low, high)| !services::sensitive_within(low, high).is_empty());
    let severity = match (reason, key.direction, public, sensitive) {
        (EscapeReason::RuleRemovedTracked | EscapeReason::InventoryGap | EscapeReason::OpenerUnknown, ..) => {
            Severity::Informational
        }
        (_, Some(Direction::Inbound), true, true) => Severity::Critical,
        (_, Some(Direction::Inbound), true, false) => Severity::High,
        (_, Some(Direction::Inbound), false, true) => Severity::High,
        _ => Severity::Medium,
    };
    let (grade, grade_reasons) = sum.grade();
    let where_to = service(&rollups.odd, key, &ports);
    let direction = key.direction.map_or("undirected", Direction::as_str);
    let preposition = match key.direction {
        Some(Direction::Outbound) => "to",
        Some(Direction::Inbound) => "from",
        None => "with",
    };
    let at = where_at(&rows, place);
    let gap = reason == EscapeReason::InventoryGap;
    let missing = if gap { why::missing(rollups, &rows, &sum) } else { Vec::new() };
    let (why, removed_at) = why::told(rollups, reason, &sum, &missing);
    let mut builder = FindingBuilder::new(META.id, META.kind, reason.as_str())
        .about(place.join(","))
        .about(direction)
        .about(key.protocol.to_string())
        .about(if many { "many".to_owned() } else { key.port.to_string() })
        .about(if sum.acl_denies > 0 { "network-acl" } else { "" })
        .about(why::names(rollups, &sum).join(","))
        .rated(severity, grade)
        .told(
            format!("{direction} {where_to} {preposition} {} was accepted at {at}, but {why}", sum.who()),
            format!(
                "{} with {}, {}.",
                counted(sum.connections, "connection"),
                counted(sum.remotes.distinct(), "address"),
                counted(sum.bytes, "byte")
            ),
        )
        .service(
            key.direction,
            Some(key.protocol.to_string()),
            ports.iter().take(LISTED).map(|&(low, high)| listed(low, high)).collect(),
        )
        .during(sum.first.map(i64::from), sum.last.map(i64::from))
        .count("connections", sum.connections)
        .count("bytes", sum.bytes)
        .count("distinct_remotes", sum.remotes.distinct())
        .evidence("opener_evidence", serde_json::json!(sum.evidence))
        .evidence("security_groups", rows[0].groups.clone())
        .evidence("coverage_percent", coverage(rollups, &rows))
        .next(why::next(reason, key.protocol, &rows, &sum));
    if let Some(call) = why::cloudtrail(reason, &rows, &sum) {
        builder = builder.next(call);
    }
    if !grade_reasons.is_empty() {
        builder = builder.evidence("grade_reasons", grade_reasons);
    }
    if let Some(removed_by) = sum.removed_by {
        let tracking: BTreeMap<&str, u64> = sum.tracking.iter().map(|(t, n)| (t.as_str(), *n)).collect();
        builder = builder
            .evidence("rule_gone_by", rule_class::instant(removed_by))
            .evidence("tracking", serde_json::json!(tracking));
    }
    let names = why::names(rollups, &sum);
    if let Some(at) = removed_at {
        builder = builder.evidence("rule_removed_at", at).evidence("removed_rules", names);
    } else if !names.is_empty() {
        let name = match reason {
            EscapeReason::NoRule => "permitted_by_security_group_rules",
            EscapeReason::RuleRemovedNew | EscapeReason::RuleRemovedTracked => "removed_rules",
            EscapeReason::InventoryGap | EscapeReason::OpenerUnknown => "possible_rules",
        };
        builder = builder.evidence(name, names);
    }
    if !missing.is_empty() {
        builder = builder.evidence("missing", missing);
    }
    let builder = approximations(builder, &rollups.odd, &sum);
    at_interfaces(builder, &rows).with(|f| {
        f.remotes = top.iter().take(LISTED).map(|(address, _)| address.to_string()).collect();
        if sum.acl_denies > 0 {
            f.network_acl.clone_from(&rows[0].network_acl);
        }
        if let [group] = rows[0].groups.as_slice() {
            f.security_group = Some(group.clone());
        }
    })
}

/// `eni-1`, or `12 interfaces of sg-1, sg-2`.
pub(super) fn where_at(rows: &[&InterfaceRow], place: &[String]) -> String {
    match rows {
        [one] => one.id.clone(),
        _ => format!("{} of {}", counted(rows.len() as u64, "interface"), place.join(", ")),
    }
}

/// The ports of some cells, where the protocol has any.
pub(super) fn ports<S: Subject>(odd: &OddCells<S>, cells: &[(&OddKey<S>, &OddCell)]) -> BTreeSet<(u16, u16)> {
    // Without an opener there is no service port.
    let with_ports = cells.iter().filter(|(key, _)| key.protocol.has_ports() && key.direction.is_some());
    with_ports.map(|(key, _)| odd.ports(key)).collect()
}

/// `tcp 22 (SSH)`, `udp on 12 ports`.
pub(super) fn service<S: Subject>(
    odd: &OddCells<S>,
    key: &OddKey<S>,
    ports: &BTreeSet<(u16, u16)>,
) -> String {
    match ports.len() {
        0 => key.protocol.to_string(),
        1 => format!("{} {}", key.protocol, ports.first().copied().map(port_name).unwrap_or_default()),
        n if odd.ports_merged() > 1 => format!("{} on ports in {n} ranges", key.protocol),
        n => format!("{} on {n} ports", key.protocol),
    }
}

/// Share of the window, in percent, in which the least watched of these interfaces was watched.
pub(super) fn coverage(rollups: &Rollups, rows: &[&InterfaceRow]) -> u64 {
    let expected = rollups.expected_buckets().max(1);
    let seen = rows.iter().map(|row| row.coverage.buckets.difference(&row.coverage.skipped).count() as u64);
    seen.min().unwrap_or(0) * 100 / expected
}

pub(super) fn port_name((low, high): (u16, u16)) -> String {
    if low == high { services::name(low) } else { format!("{low}-{high}") }
}

/// Neither private nor within a VPC of the inventory.
pub(super) fn is_public(rollups: &Rollups, address: std::net::IpAddr) -> bool {
    !is_private(address_bits(address)) && !rollups.vpc_blocks.iter().any(|block| block.contains(&address))
}
