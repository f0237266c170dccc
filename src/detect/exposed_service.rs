//! Services for administrators, data or files that the internet reaches.
//!
//! ## What it finds
//! Connections from public addresses that were let in to ports of remote administration (SSH, RDP, WinRM, Docker …),
//! databases, file sharing, mail or web consoles: through which rule, to which interfaces, from how many sources, and
//! whether anything answered. One finding for each service and security group rule; where several rules permit the same
//! connections they are all named in one.
//!
//! ## Why it matters
//! These services are what the internet is scanned for. That a rule is open is a risk; that somebody outside exchanges
//! data with the service through it is an incident, or a habit that needs a VPN.
//!
//! ## How it decides
//! Only connections that the other side opened count, at ports of a fixed list. An address is public if it is neither
//! private (RFC 1918, RFC 6598, RFC 4193, link-local) nor within a VPC of the inventory. Four outcomes are told apart:
//! `data` (answered, and packets carried more than headers), `answered` (a listener, but no data), `refused` (RST), and
//! `unanswered` (an accepted SYN without any answer in the logs: a probe that met no listener). Severity follows the
//! furthest outcome and who may come: through a rule for everybody (0.0.0.0/0 or ::/0) data is critical for databases,
//! files, Telnet, Docker and kubelet, high for other administration and consoles, medium for mail; a mere answer is
//! medium, probes alone are low. One step less where the rule names blocks of at least /16 (IPv6: /32), and low or
//! informational where it names smaller ones. Security Hub's controls are those that the permitting rules break at this
//! port, and EC2.21 where the subnet's network ACL lets everybody reach port 22 or 3389.
//! The grade is `weak` where most openers rest on port numbers alone.
//!
//! ## When it is wrong
//! When something else than the usual service listens there, or when the public addresses are your own offices: name
//! them in the rule. Without packets' answers in the logs (traffic type ACCEPT and a network ACL that rejects replies)
//! `unanswered` says less. Interfaces without security groups (NAT gateways) accept what they drop: probes of these are
//! not told. Accepted connections that no rule explains are told by `unexpected-accept`, not here.
//!
//! ## Tuning
//! There is nothing to set. `--skip exposed-service` turns it off.
//!
//! ## What to do
//! Close the rule to the internet: a VPN, Session Manager, or a prefix list of known addresses. Where data went, look who
//! logged in, and treat credentials as known.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use serde_json::json;

use super::sums::{Outcomes, Sum, approximations, places, ports, rules};
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Kind, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{
    Exposure, KnownService, OddCell, OddKey, Outcome, Rollups, RuleFacts, ServiceKind, service,
};

/// See the file's manual.
pub(super) struct ExposedService;

static META: Meta = Meta {
    id: "exposed-service",
    kind: Kind::ExposedService,
    title: "services for administrators, data or files that the internet reaches",
    manual: include_str!("exposed_service.rs"),
};

type Cell<'r> = (&'r OddKey<Exposure>, &'r OddCell);

impl Detector for ExposedService {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let mut by_service: BTreeMap<(Protocol, u16), Vec<Cell<'_>>> = BTreeMap::new();
        for (key, cell) in input.rollups.exposed.iter() {
            by_service.entry((key.protocol, key.port)).or_default().push((key, cell));
        }
        let groups = by_service.into_values().flat_map(connected);
        groups.filter_map(|cells| finish(describe(input.rollups, &cells)?)).collect()
    }
}

/// Rules, or interfaces where there is none, and the cells that share them.
type Connected<'r> = (BTreeSet<(bool, u32)>, Vec<Cell<'r>>);

/// Cells that share a rule belong together, directly or through others; without a rule, those of one interface.
fn connected(cells: Vec<Cell<'_>>) -> Vec<Vec<Cell<'_>>> {
    let mut groups: Vec<Connected<'_>> = Vec::new();
    for (key, cell) in cells {
        let mut marks: BTreeSet<(bool, u32)> = cell.rules.iter().map(|&rule| (true, rule)).collect();
        marks.extend(key.subject.rule.map(|rule| (true, rule)));
        if marks.is_empty() {
            marks.insert((false, key.interface));
        }
        let mut members = vec![(key, cell)];
        for (known, others) in std::mem::take(&mut groups) {
            if known.is_disjoint(&marks) {
                groups.push((known, others));
            } else {
                marks.extend(known);
                members.splice(0..0, others);
            }
        }
        groups.push((marks, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

/// Who may come through a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Small blocks that somebody named.
    Named,
    /// Blocks as large as providers have, or nobody knows: the rule is gone, or its prefix list could not be read.
    Broad,
    /// Everybody.
    Everyone,
}

fn reach(rule: Option<&RuleFacts>) -> Reach {
    let Some(rule) = rule else { return Reach::Broad };
    let Some(blocks) = rule.blocks.as_deref() else { return Reach::Broad };
    let broad = |net: &IpNet| match net {
        IpNet::V4(net) => net.prefix_len() <= 16,
        IpNet::V6(net) => net.prefix_len() <= 32,
    };
    if blocks.iter().any(services::is_everyone) {
        Reach::Everyone
    } else if blocks.iter().any(broad) {
        Reach::Broad
    } else {
        Reach::Named
    }
}

fn severity(service: &KnownService, reach: Reach, best: Outcome) -> Severity {
    // Without a password, or with one that everybody tries.
    let grave = matches!(service.class, ServiceKind::Database | ServiceKind::FileSharing)
        || matches!(service.port, 23 | 623 | 2375 | 10_250);
    let open = match best {
        Outcome::Data if grave => Severity::Critical,
        Outcome::Data if service.class == ServiceKind::Mail => Severity::Medium,
        Outcome::Data => Severity::High,
        Outcome::Answered => Severity::Medium,
        Outcome::Refused | Outcome::Unanswered => Severity::Low,
    };
    match reach {
        Reach::Everyone => open,
        Reach::Broad => match open {
            Severity::Critical => Severity::High,
            Severity::High => Severity::Medium,
            Severity::Medium => Severity::Low,
            Severity::Low | Severity::Informational => Severity::Informational,
        },
        Reach::Named if best <= Outcome::Answered => Severity::Low,
        Reach::Named => Severity::Informational,
    }
}

fn describe(rollups: &Rollups, cells: &[Cell<'_>]) -> Option<FindingBuilder> {
    let key = cells.first()?.0;
    let (low, high) = rollups.exposed.ports(key);
    let service = (low..=high).find_map(|port| service(key.protocol, port))?;
    let mut told = Outcomes::default();
    let mut data = Sum::default();
    for &(key, cell) in cells {
        told.add(key, cell, key.subject.outcome);
        if key.subject.outcome == Outcome::Data {
            data.add(key, cell);
        }
    }
    let rows = told.sum.rows(rollups);
    // The widest rule gives the finding its name; what is equally wide, the first by id, so that it stays the same.
    let known: Vec<&RuleFacts> = told.sum.rules.iter().filter_map(|&number| rollups.rule(number)).collect();
    let widest = known.iter().copied().min_by_key(|rule| (std::cmp::Reverse(reach(Some(rule))), &rule.id));
    let gone = told.sum.rules.iter().find_map(|number| rollups.named_rules.get(number));
    let reach = if told.sum.rules.is_empty() { Reach::Everyone } else { reach(widest) };
    let best = told.best();
    let name = format!("{} {} ({})", key.protocol, low, service.name);
    let through = match (widest.map(|rule| &rule.id).or(gone), told.sum.rules.len()) {
        (None, _) => "without any security group".to_owned(),
        (Some(one), 0 | 1) => format!("through {one}"),
        (Some(one), n) => format!("through {one} and {}", counted(n as u64 - 1, "more rule")),
    };
    let happened = match best {
        Outcome::Data => format!("was reached from the internet by {}", data.who()),
        Outcome::Answered => format!("answers the internet (no data so far): {}", told.sum.who()),
        Outcome::Refused | Outcome::Unanswered => {
            format!("was probed from the internet by {}, and nothing answered", told.sum.who())
        }
    };
    let title = format!("{name} at {} {happened}, {through}", places(&rows));
    let summary = format!(
        "{} with {}: {} with data, {} answered, {} refused, {} unanswered; {}.",
        counted(told.sum.connections, "connection"),
        counted(told.sum.remotes.distinct(), "address"),
        told.of(Outcome::Data),
        told.of(Outcome::Answered),
        told.of(Outcome::Refused),
        told.of(Outcome::Unanswered),
        counted(told.sum.bytes, "byte"),
    );
    let subject = widest.map(|rule| rule.id.clone()).or_else(|| gone.cloned());
    let subject = subject.or_else(|| rows.first().map(|row| row.id.clone())).unwrap_or_default();
    let mut builder = FindingBuilder::new(META.id, META.kind, service.class.as_str())
        .about(subject)
        .about(key.protocol.to_string())
        .about(low.to_string())
        .rated(severity(service, reach, best), told.sum.grade().0)
        .told(title, summary)
        .service(
            Some(Direction::Inbound),
            Some(key.protocol.to_string()),
            ports(&rollups.exposed, key).into_iter().collect(),
        )
        .evidence("permitting_rules", json!(rules(rollups, &told.sum.rules)))
        .evidence(
            "open_to",
            match reach {
                Reach::Everyone => "everyone",
                Reach::Broad => "broad blocks",
                Reach::Named => "named blocks",
            },
        );
    if data.connections > 0 {
        builder = builder.count("remotes_with_data", data.remotes.distinct());
    }
    builder = approximations(told.tell(builder, rollups), &rollups.exposed, &told.sum);
    let mut controls: BTreeSet<&str> = BTreeSet::new();
    for rule in &known {
        let blocks = rule.blocks.as_deref().unwrap_or_default();
        controls.extend(services::controls(blocks, key.protocol == Protocol::TCP, low, high));
    }
    let acl = rows
        .iter()
        .find_map(|row| row.network_acl.as_ref().filter(|acl| rollups.open_acls.contains_key(*acl)));
    let acl = acl.filter(|_| key.protocol == Protocol::TCP && matches!(low, 22 | 3389));
    if let Some(acl) = acl {
        controls.insert("EC2.21");
        builder = builder.evidence("network_acl_entry", rollups.open_acls[acl]);
    }
    for control in controls {
        builder = builder.control(control);
    }
    builder = match widest {
        Some(rule) if reach == Reach::Named => builder.next(format!(
            "confirm that {} ({}) names only who must reach it; a VPN or Session Manager needs no open port",
            rule.id, rule.peer_text
        )),
        Some(rule) => builder.next(format!(
            "narrow {} ({} {} from {}) to the addresses that need it, or close it and use a VPN or Session Manager",
            rule.id, rule.protocol_text, rule.port_text, rule.peer_text
        )),
        None => builder.next("put a security group or a network ACL before it that names who may come"),
    };
    if best == Outcome::Data {
        builder = builder.next(format!("look at {} who logged in from {}", places(&rows), data.who()));
    }
    Some(builder.with(|finding| {
        finding.security_group = widest.map(|rule| rule.group.clone());
        finding.rule_id = widest.map(|rule| rule.id.clone()).or_else(|| gone.cloned());
        finding.network_acl = acl.cloned();
        if data.connections > 0 {
            let mut first: Vec<String> = data.remotes.top().iter().map(|(a, _)| a.to_string()).collect();
            first.extend(finding.remotes.iter().filter(|r| !first.contains(r)).cloned().collect::<Vec<_>>());
            first.truncate(super::sums::LISTED);
            finding.remotes = first;
        }
    }))
}
