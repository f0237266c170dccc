//! Connections that were rejected, in whole or in part, although rules permit them.
//!
//! ## What it finds
//! - `reply-rejected`: the opening was accepted and its replies were rejected. Security groups let replies pass, so it
//!   was the network ACL of the other direction, which needs an entry for the ports that clients open connections from.
//! - `opening-rejected`: the opening was rejected, although a security group rule permits it and the network ACL lets it
//!   pass.
//!
//! ## Why it matters
//! Somebody expects this to work: there is a rule for it. With `reply-rejected` the network ACL is to blame. With
//! `opening-rejected` the inventory is not what was in force, or something that rules cannot lift rejects it.
//!
//! ## How it decides
//! Late packets are set apart first: rejected packets of connections that were accepted before, without SYN, are the
//! remains of closed or expired connections and no attempts. What the network ACL, VPC Block Public Access or
//! encryption controls rejected is explained, and so is what one of two neighbouring observations refuses. The rest was
//! rejected although permitted. What the same groups, or for replies
//! the same network ACL, have in common is one finding.
//!
//! ## When it is wrong
//! When the rule was added after the logs were written and the inventory has no date, or is newer: give dated snapshots
//! or AWS Config history. Formats without `reject-reason` (version 8) do not tell of VPC Block Public Access. Without TCP
//! flags, packets of a connection from before the log look like attempts.
//!
//! ## Tuning
//! `--skip misdropped` turns it off.
//!
//! ## What to do
//! For `reply-rejected`, allow the clients' ephemeral ports (1024-65535 covers all clients) in the network ACL in the
//! direction of the reply. For `opening-rejected`, compare the time of the rule with the time of the rejects.

use std::collections::BTreeMap;

use super::sums::{Cells, LISTED, Sum, approximations, by_port, listed};
use super::unexpected_accept::{coverage, is_public, ports, service, where_at};
use super::{Detector, Input, Meta, at_interfaces, counted, finish};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Severity};
use crate::flow::Direction;
use crate::rollup::{Cause, OddCells, Rollups, Subject, Verdict};

/// See the file's manual.
pub(super) struct Misdropped;

static META: Meta = Meta {
    id: "misdropped",
    kind: Kind::Misdropped,
    title: "connections that were rejected although rules permit them",
    manual: include_str!("misdropped.rs"),
};

impl Detector for Misdropped {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        let mut findings = Vec::new();
        for (place, cells, many) in openings(rollups) {
            findings.extend(finish(opening(rollups, place, &cells, many)));
        }
        // It is the network ACL that is to blame, whatever the service.
        let mut replies: BTreeMap<_, Cells<'_, Cause>> = BTreeMap::new();
        for (key, cell) in rollups.blocked.iter() {
            let acl = &rollups.interfaces[key.interface as usize].network_acl;
            let about = (acl, key.direction, key.protocol, key.subject);
            replies.entry(about).or_default().push((key, cell));
        }
        findings.extend(replies.into_values().filter_map(|cells| finish(reply(rollups, &cells))));
        findings
    }
}

/// Rejected openings by groups, direction and protocol; by port as well, unless there are many.
fn openings(rollups: &Rollups) -> Vec<(&[String], Cells<'_, Verdict>, bool)> {
    let mut groups: BTreeMap<_, Cells<'_, Verdict>> = BTreeMap::new();
    for (key, cell) in rollups.odd.iter().filter(|(key, _)| key.subject == Verdict::Misdropped) {
        let row = &rollups.interfaces[key.interface as usize];
        let place = if row.groups.is_empty() { std::slice::from_ref(&row.id) } else { &row.groups };
        let about = (place, key.direction, key.protocol, &row.network_acl);
        groups.entry(about).or_default().push((key, cell));
    }
    let each = groups.into_iter();
    each.flat_map(|((place, ..), cells)| {
        by_port(cells).into_iter().map(move |(cells, many)| (place, cells, many))
    })
    .collect()
}

fn opening(rollups: &Rollups, place: &[String], cells: &Cells<'_, Verdict>, many: bool) -> FindingBuilder {
    let sum = Sum::of(cells.iter().copied());
    let rows = sum.rows(rollups);
    let (grade, mut reasons) = sum.grade();
    reasons.extend(
        rollups
            .undated
            .then(|| "the inventory has no date: the rule may be newer than the rejects".to_owned()),
    );
    let grade = if rollups.undated { Grade::Weak } else { grade };
    let names = names(rollups, &sum);
    let by = if names.is_empty() { "its network ACL".to_owned() } else { names.join(", ") };
    let (direction, where_to, preposition) = words(&rollups.odd, cells);
    let public = sum.top().iter().any(|(address, _)| is_public(rollups, *address));
    let next = match names.first() {
        _ if public => {
            "see whether VPC Block Public Access is on (`aws ec2 describe-vpc-block-public-access-options`), and log \
             the field reject-reason"
                .to_owned()
        }
        Some(rule) => format!("look in CloudTrail when {rule} was added (AuthorizeSecurityGroupIngress and -Egress)"),
        None => "look in CloudTrail for changes of the network ACL".to_owned(),
    };
    let builder = FindingBuilder::new(META.id, META.kind, "opening-rejected")
        .rated(Severity::Low, grade)
        .told(
            format!(
                "{direction} {where_to} {preposition} {} was rejected at {}, although {by} permits it",
                sum.who(),
                where_at(&rows, place)
            ),
            figures(&sum),
        )
        .evidence("permitted_by", names)
        .next(next)
        .about(place.join(","))
        .about(if many { "many".to_owned() } else { cells[0].0.port.to_string() });
    common(with_reasons(builder, reasons), rollups, &rollups.odd, cells, &sum)
}

fn reply(rollups: &Rollups, cells: &Cells<'_, Cause>) -> FindingBuilder {
    let sum = Sum::of(cells.iter().copied());
    let rows = sum.rows(rollups);
    let (grade, reasons) = sum.grade();
    let (direction, where_to, preposition) = words(&rollups.blocked, cells);
    let acl = rows[0].network_acl.clone();
    let named = acl.as_deref().unwrap_or("the network ACL");
    let protocol = cells[0].0.protocol;
    let way = if cells[0].0.direction == Some(Direction::Outbound) { "inbound" } else { "outbound" };
    let what = if protocol.has_ports() {
        format!("{protocol} to the ephemeral ports of the clients (1024-65535)")
    } else {
        protocol.to_string()
    };
    let place = match rows.as_slice() {
        [one] => one.id.clone(),
        _ => counted(rows.len() as u64, "interface"),
    };
    let builder = FindingBuilder::new(META.id, META.kind, "reply-rejected")
        .rated(Severity::Low, grade)
        .told(
            format!(
                "{direction} {where_to} {preposition} {} was accepted at {}, but {named} rejects the replies",
                sum.who(),
                place
            ),
            figures(&sum),
        )
        .evidence("rejected_by", cells[0].0.subject.as_str())
        .evidence("permitted_by", names(rollups, &sum))
        .next(format!("allow {way} {what} in {named}"));
    let builder = common(with_reasons(builder, reasons), rollups, &rollups.blocked, cells, &sum);
    builder.with(|f| f.network_acl = acl)
}

fn with_reasons(builder: FindingBuilder, reasons: Vec<String>) -> FindingBuilder {
    if reasons.is_empty() { builder } else { builder.evidence("grade_reasons", reasons) }
}

fn names(rollups: &Rollups, sum: &Sum) -> Vec<String> {
    sum.rules.iter().filter_map(|number| rollups.named_rules.get(number)).cloned().collect()
}

fn figures(sum: &Sum) -> String {
    format!("{} with {}.", counted(sum.connections, "connection"), counted(sum.remotes.distinct(), "address"))
}

/// `inbound`, `tcp 22 (SSH)`, `from`.
fn words<S: Subject>(odd: &OddCells<S>, cells: &Cells<'_, S>) -> (&'static str, String, &'static str) {
    let key = cells[0].0;
    let preposition = if key.direction == Some(Direction::Outbound) { "to" } else { "from" };
    let direction = key.direction.map_or("undirected", Direction::as_str);
    (direction, service(odd, key, &ports(odd, cells)), preposition)
}

fn common<S: Subject>(
    builder: FindingBuilder,
    rollups: &Rollups,
    odd: &OddCells<S>,
    cells: &Cells<'_, S>,
    sum: &Sum,
) -> FindingBuilder {
    let (key, rows) = (cells[0].0, sum.rows(rollups));
    let ports = ports(odd, cells);
    let builder = builder
        .about(rows[0].network_acl.clone().unwrap_or_default())
        .about(key.direction.map_or("", Direction::as_str))
        .about(key.protocol.to_string())
        .service(
            key.direction,
            Some(key.protocol.to_string()),
            ports.iter().take(LISTED).map(|&(low, high)| listed(low, high)).collect(),
        )
        .during(sum.first.map(i64::from), sum.last.map(i64::from))
        .count("connections", sum.connections)
        .count("distinct_remotes", sum.remotes.distinct())
        .evidence("opener_evidence", serde_json::json!(sum.evidence))
        .evidence("security_groups", rows[0].groups.clone())
        .evidence("coverage_percent", coverage(rollups, &rows));
    let top = sum.top();
    at_interfaces(approximations(builder, odd, sum), &rows).with(|f| {
        f.remotes = top.iter().take(LISTED).map(|(address, _)| address.to_string()).collect();
        if let [group] = rows[0].groups.as_slice() {
            f.security_group = Some(group.clone());
        }
    })
}
