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
//! explains it) and `rule-removed-new` (opened after the rule was gone). Connections that may have been open
//! before the rule went (`rule-removed-tracked`), that a missing prefix list or group might explain
//! (`inventory-gap`), or whose opener cannot be told (`opener-unknown`) are counted in the verdict matrix only.
//!
//! An expectation with `to` is judged at the interfaces of its tier, one with `from` at those of the side that opens, so
//! that a connection logged at both ends is told once. Tiers are resolved as of the connection's first packet; around a
//! change, either side explains. All connections to one tier and service that break one expectation are one finding, with
//! the interfaces, the remotes, the rules that let them in (`rules`), and what the rules say (`verdicts`). Where a fact is
//! missing (who opened it, or whose a private address was) nothing is told; those connections are counted among the
//! limitations.
//!
//! The grade is `weak` where the opener rests on port numbers alone. Remote addresses are exact up to 4,096 for each
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

use std::collections::{BTreeMap, BTreeSet};

use super::{Detector, Input, Meta, at_interface, counted, expectation, finish, rule_class, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{EscapeReason, OddCell, OddKey, Peers, Rollups, Verdict};

/// See the file's manual.
pub(super) struct UnexpectedAccept;

static META: Meta = Meta {
    id: "unexpected-accept",
    kind: Kind::UnexpectedAccept,
    title: "accepted connections that no rule explains, or that no expectation allows",
    manual: include_str!("unexpected_accept.rs"),
};

/// More unexplained ports than this at one interface make one finding.
const SEPARATE_PORTS: usize = 10;

/// How many remotes and ports a finding lists.
const LISTED: usize = 20;

impl Detector for UnexpectedAccept {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let mut groups: BTreeMap<_, Vec<(&OddKey, &OddCell)>> = BTreeMap::new();
        for (key, cell) in input.rollups.odd.iter() {
            if let Verdict::Escaped(reason @ (EscapeReason::NoRule | EscapeReason::RuleRemovedNew)) =
                key.subject
            {
                groups
                    .entry((key.interface, key.direction, key.protocol, reason))
                    .or_default()
                    .push((key, cell));
            }
        }
        let mut findings = expectation::findings(&META, input.rollups);
        for ((.., reason), cells) in groups {
            if cells.len() > SEPARATE_PORTS {
                findings.extend(finish(describe(input.rollups, reason, &cells, true)));
            } else {
                for cell in &cells {
                    findings.extend(finish(describe(
                        input.rollups,
                        reason,
                        std::slice::from_ref(cell),
                        false,
                    )));
                }
            }
        }
        findings
    }
}

struct Sum {
    connections: u64,
    certain: u64,
    bytes: u64,
    acl_denies: u64,
    first: Option<u32>,
    last: Option<u32>,
    removed_by: Option<i64>,
    removed_vaguely: bool,
    former: BTreeSet<u32>,
    remotes: Peers,
    evidence: BTreeMap<&'static str, u64>,
}

fn sum(cells: &[(&OddKey, &OddCell)]) -> Sum {
    let mut sum = Sum {
        connections: 0,
        certain: 0,
        bytes: 0,
        acl_denies: 0,
        first: None,
        last: None,
        removed_by: None,
        removed_vaguely: false,
        former: BTreeSet::new(),
        remotes: Peers::default(),
        evidence: BTreeMap::new(),
    };
    for (_, cell) in cells {
        sum.connections += cell.connections;
        sum.certain += cell.certain;
        sum.bytes += cell.bytes;
        sum.acl_denies += cell.acl_denies;
        sum.first = [sum.first, cell.first].into_iter().flatten().min();
        sum.last = sum.last.max(cell.last);
        sum.removed_by = sum.removed_by.max(cell.removed_by);
        sum.removed_vaguely |= cell.removed_vaguely;
        sum.former.extend(&cell.rules);
        sum.remotes.merge(&cell.remotes);
        for (evidence, count) in cell.evidence.iter() {
            *sum.evidence.entry(evidence.as_str()).or_default() += count;
        }
    }
    sum
}

fn describe(
    rollups: &Rollups,
    reason: EscapeReason,
    cells: &[(&OddKey, &OddCell)],
    many: bool,
) -> FindingBuilder {
    let key = cells[0].0;
    let row = &rollups.interfaces[key.interface as usize];
    let sum = sum(cells);
    let top = sum.remotes.top();
    let public = top.iter().any(|(address, _)| is_public(rollups, *address));
    let ports: BTreeSet<(u16, u16)> = if key.protocol.has_ports() {
        cells.iter().map(|(k, _)| rollups.odd.ports(k)).collect()
    } else {
        BTreeSet::new()
    };
    let sensitive = key.protocol == Protocol::TCP
        && ports.iter().any(|&(low, high)| !services::sensitive_within(low, high).is_empty());
    let severity = match (key.direction, public, sensitive) {
        (Some(Direction::Inbound), true, true) => Severity::Critical,
        (Some(Direction::Inbound), true, false) => Severity::High,
        (Some(Direction::Inbound), false, true) => Severity::High,
        _ => Severity::Medium,
    };
    // Half of the evidence being port numbers is not enough to accuse anybody.
    let grade = if sum.certain * 2 >= sum.connections { Grade::Reliable } else { Grade::Weak };
    let where_to = match ports.len() {
        0 => key.protocol.to_string(),
        1 => format!("{} {}", key.protocol, ports.first().copied().map(port_name).unwrap_or_default()),
        n if rollups.odd.ports_merged() > 1 => format!("{} on ports in {n} ranges", key.protocol),
        n => format!("{} on {n} ports", key.protocol),
    };
    let direction = key.direction.map_or("undirected", Direction::as_str);
    let who = match top.as_slice() {
        [] => String::new(),
        [(one, _)] => one.to_string(),
        [(one, _), ..] => format!("{one} and {} more", sum.remotes.distinct() - 1),
    };
    let preposition = if key.direction == Some(Direction::Outbound) { "to" } else { "from" };
    let former: Vec<&str> =
        sum.former.iter().filter_map(|n| rollups.named_rules.get(n)).map(String::as_str).collect();
    // The time that AWS Config recorded. It names a removal; of several, the last.
    let removed_at = sum.removed_by.filter(|_| !sum.removed_vaguely).map(rule_class::instant);
    let why = match (reason, sum.acl_denies > 0, &removed_at) {
        (EscapeReason::RuleRemovedNew, _, Some(at)) => match former.as_slice() {
            [one] => format!("{one}, which had permitted it, ceased to apply at {at}"),
            _ => format!("what had permitted it ceased to apply at {at}"),
        },
        (EscapeReason::RuleRemovedNew, ..) => "the rule that had permitted it was gone".to_owned(),
        (_, true, _) => "the network ACL of its subnet denies it".to_owned(),
        _ => "no security group rule permits it".to_owned(),
    };
    let mut builder = FindingBuilder::new(META.id, META.kind, reason.as_str())
        .about(row.id.clone())
        .about(direction)
        .about(key.protocol.to_string())
        .about(if many { "many".to_owned() } else { key.port.to_string() })
        .rated(severity, grade)
        .told(
            format!("{direction} {where_to} {preposition} {who} was accepted at {}, but {why}", row.id),
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
        .evidence("security_groups", row.groups.clone())
        .next(format!(
            "look in CloudTrail for changes of {} or of the groups of {} around that time",
            if row.groups.is_empty() { "its security groups".to_owned() } else { row.groups.join(", ") },
            row.id
        ));
    if let Some(removed_by) = sum.removed_by {
        builder = builder.evidence("rule_gone_by", rule_class::instant(removed_by));
    }
    if let Some(at) = removed_at {
        builder = builder.evidence("rule_removed_at", at).evidence("removed_rules", former);
    }
    if sum.remotes.is_approximate() {
        builder = builder
            .evidence("distinct_remotes_approximate", true)
            .evidence("distinct_remotes_error", sum.remotes.relative_error());
    }
    if rollups.odd.ports_merged() > 1 {
        builder =
            builder.evidence("ports_approximate", true).evidence("ports_merged", rollups.odd.ports_merged());
    }
    if rollups.odd.interfaces_merged() > 1 {
        builder = builder.evidence("interfaces_merged", rollups.odd.interfaces_merged());
    }
    at_interface(builder, row).with(|f| {
        f.remotes = top.iter().take(LISTED).map(|(address, _)| address.to_string()).collect();
        if sum.acl_denies > 0 {
            f.network_acl.clone_from(&row.network_acl);
        }
    })
}

pub(super) fn listed(low: u16, high: u16) -> Ports {
    if low == high { Ports::One(low) } else { Ports::Range(low, high) }
}

pub(super) fn port_name((low, high): (u16, u16)) -> String {
    if low == high { services::name(low) } else { format!("{low}-{high}") }
}

/// Neither private nor within a VPC of the inventory.
pub(super) fn is_public(rollups: &Rollups, address: std::net::IpAddr) -> bool {
    !crate::rollup::is_private(address) && !rollups.vpc_blocks.iter().any(|block| block.contains(&address))
}
