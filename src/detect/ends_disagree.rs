//! The logs of both ends of a connection contradict each other.
//!
//! ## What it finds
//! Connections between two interfaces whose logs were both read, and whose logs do not say the same:
//! `rejected-on-arrival` (the sender's side let it leave, the receiver's rejected it), `never-left` (the receiver's side
//! let it in, but the sender's has no record of it, or rejected it), `never-arrived` (it left, but the receiver's side has
//! no record of it) and `size-disagrees` (packets or bytes differ by more than a tenth). One finding for each cause,
//! group of sources, group of targets and service.
//!
//! ## Why it matters
//! What is rejected on arrival is mostly a dependency that was opened at one end and forgotten at the other. What never
//! left has a forged source, took a way around the sender's interface, or its record was lost; what never arrived went
//! into a black hole: a missing route, a firewall in between, a host that is gone.
//!
//! ## How it decides
//! Each end has a view of its own. The views of one tuple (addresses, ports, protocol) are put side by side if they
//! overlap in time, give or take the 60 s to which each end's times are good. An address stands for an interface of the
//! same VPC, else of a peered one, else for the only interface that has it. That a view is missing counts only where both
//! are in one VPC or in peered ones, neither passes packets on (NAT gateways, transit gateways, load balancers), the
//! opener is certain, and the other end's log holds accepted and rejected traffic of all 10-minute buckets around it,
//! without SKIPDATA. Missing views and sizes are told only if there are three or more over 15 minutes, and at least as
//! many as connections on which both ends agree: single ones are lost records. What was rejected on arrival needs no such
//! caution: both ends say it. It is medium if it happened ten times or more over 5 minutes, informational if less than
//! three times, else low; the other causes are low, disagreeing sizes informational. Rejected on arrival at more than two
//! groups of targets, a source is told of once. Missing views or sizes of more than twenty groups of ends and services make
//! one finding: such logs are rather not of the same traffic. The grade of missing views and sizes is `weak`: no log proves that a record
//! was not lost.
//!
//! ## When it is wrong
//! Where files of logs are missing for parts of a 10-minute bucket, the other end looks covered but is not. Packets that
//! arrive by another way than they left (a VPN, a firewall appliance) look as if they never left. A short burst of forged
//! packets between hosts that also talk to each other is only in the counts of `ends` in summary.json.
//!
//! ## Tuning
//! Read the logs of both ends, of traffic type ALL, and give an inventory with peering connections.
//! `--skip ends-disagree` turns it off.
//!
//! ## What to do
//! `rejected-on-arrival`: open the target's security group or network ACL if the dependency is wanted, else stop the
//! source. Else follow the packets: route tables, firewalls, and the hosts themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::sums::{LISTED, places, rules};
use super::{Detector, Input, Meta, at_interfaces, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{EndsCause, EndsCell, EndsKey, InterfaceRow, Rollups};

/// See the file's manual.
pub(super) struct EndsDisagree;

static META: Meta = Meta {
    id: "ends-disagree",
    kind: Kind::EndsDisagree,
    title: "connections about which the logs of both ends contradict each other",
    manual: include_str!("ends_disagree.rs"),
};

/// Fewer contradictions than this may be lost records.
const SYSTEMATIC: u64 = 3;
/// And if they lie this close together, seconds: files hold 5 minutes, aggregation takes 10.
const SPREAD: u32 = 900;
/// So many rejections on arrival, over so many seconds, are a dependency that does not work.
const REPEATED: (u64, u32) = (10, 300);

/// Cause, numbers of the source's and the target's groups, service.
type Group = (EndsCause, u32, u32, Protocol, u16);

impl Detector for EndsDisagree {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        if rollups.ends.cells.is_empty() {
            return Vec::new();
        }
        let names = Names::new(rollups);
        let mut groups = Groups::new();
        for (key, cell) in &rollups.ends.cells {
            groups.entry(names.group(key)).or_default().push((key, cell));
        }
        let groups = folded(groups);
        let mut agreeing: BTreeMap<(u32, u32, Protocol, u16), u64> = BTreeMap::new();
        let wanted: BTreeSet<(Protocol, u16)> =
            rollups.ends.cells.keys().map(|k| (k.protocol, k.port)).collect();
        for (&(source, target, protocol, port), count) in &rollups.ends.agreeing {
            if wanted.contains(&(protocol, port)) {
                *agreeing.entry((names.of(source), names.of(target), protocol, port)).or_default() += count;
            }
        }
        let systematic = groups.iter().filter_map(|(group, cells)| {
            let (cause, source, target, protocol, port) = *group;
            let agree = agreeing.get(&(source, target, protocol, port)).copied().unwrap_or(0);
            is_systematic(rollups, cause, cells, agree).then_some((group, cells.as_slice(), agree))
        });
        let systematic: Vec<Told<'_>> = systematic.collect();
        let told = EndsCause::ALL.into_iter().flat_map(|cause| {
            let of_cause: Vec<Told<'_>> =
                systematic.iter().filter(|(group, ..)| group.0 == cause).copied().collect();
            if cause != EndsCause::RejectedOnArrival && of_cause.len() > MANY {
                return vec![describe_many(rollups, &names, cause, &of_cause)];
            }
            of_cause
                .iter()
                .map(|(group, cells, agree)| describe(rollups, &names, group, cells, *agree))
                .collect()
        });
        told.filter_map(finish).collect()
    }
}

/// What is told of a group, and on how many connections its ends agree.
type Told<'r> = (&'r Group, &'r [(&'r EndsKey, &'r EndsCell)], u64);

/// More groups than this are told as one.
const MANY: usize = 20;

/// The security groups of interfaces, each combination once; of an interface without groups its id.
struct Names {
    /// Sorted.
    names: Vec<String>,
    /// By interface.
    numbers: Vec<u32>,
}

impl Names {
    fn new(rollups: &Rollups) -> Self {
        let name = |row: &InterfaceRow| {
            if row.groups.is_empty() { row.id.clone() } else { row.groups.join(", ") }
        };
        let all: Vec<String> = rollups.interfaces.iter().map(name).collect();
        let mut names = all.clone();
        names.sort_unstable();
        names.dedup();
        let numbers = all.iter().map(|name| names.binary_search(name).unwrap_or(0) as u32).collect();
        Self { names, numbers }
    }

    fn of(&self, interface: u32) -> u32 {
        self.numbers.get(interface as usize).copied().unwrap_or(SEVERAL)
    }

    fn group(&self, key: &EndsKey) -> Group {
        (key.cause, self.of(key.source), self.of(key.target), key.protocol, key.port)
    }

    fn text(&self, number: u32) -> &str {
        self.names.get(number as usize).map_or("several groups", String::as_str)
    }
}

/// More groups of targets than this, at which one group of sources is rejected with one service, are told as one.
const SEPARATE: usize = 2;
/// In place of their number.
const SEVERAL: u32 = u32::MAX;

type Groups<'r> = BTreeMap<Group, Vec<(&'r EndsKey, &'r EndsCell)>>;

fn folded(groups: Groups<'_>) -> Groups<'_> {
    let of = |&(cause, source, _, protocol, port): &Group| (cause, source, protocol, port);
    let mut targets: BTreeMap<_, usize> = BTreeMap::new();
    groups.keys().for_each(|group| *targets.entry(of(group)).or_default() += 1);
    let mut folded = Groups::new();
    for (mut group, cells) in groups {
        if group.0 == EndsCause::RejectedOnArrival && targets[&of(&group)] > SEPARATE {
            group.2 = SEVERAL;
        }
        folded.entry(group).or_default().extend(cells);
    }
    folded
}

/// More than records that were lost here and there.
fn is_systematic(
    rollups: &Rollups,
    cause: EndsCause,
    cells: &[(&EndsKey, &EndsCell)],
    agreeing: u64,
) -> bool {
    // Both ends have a record.
    let seen_twice = |cell: &EndsCell| cell.stopped_by().next().is_some();
    if cause == EndsCause::RejectedOnArrival || cells.iter().any(|(_, cell)| seen_twice(cell)) {
        return true;
    }
    let enough = |cell: &EndsCell, agreeing: u64| {
        cell.connections >= SYSTEMATIC && cell.last - cell.first >= SPREAD && cell.connections >= agreeing
    };
    let pair = |(key, cell): &(&EndsKey, &EndsCell)| {
        rollups.ends.agreeing(&key.pair()).is_some_and(|agreeing| enough(cell, agreeing))
    };
    enough(&sum(cells), agreeing) || cells.iter().any(pair)
}

fn sum(cells: &[(&EndsKey, &EndsCell)]) -> EndsCell {
    let mut sum = EndsCell::default();
    cells.iter().for_each(|(_, cell)| sum.merge(cell));
    sum
}

fn rows<'r>(
    rollups: &'r Rollups,
    cells: &[(&EndsKey, &EndsCell)],
    of: fn(&EndsKey) -> u32,
) -> Vec<&'r InterfaceRow> {
    let numbers: BTreeSet<u32> = cells.iter().map(|(key, _)| of(key)).collect();
    numbers.iter().filter_map(|&n| rollups.interfaces.get(n as usize)).collect()
}

fn describe(
    rollups: &Rollups,
    names: &Names,
    group: &Group,
    cells: &[(&EndsKey, &EndsCell)],
    agreeing: u64,
) -> FindingBuilder {
    let (cause, source, target, protocol, port) = group;
    let (source, target) = (names.text(*source), names.text(*target));
    let sum = sum(cells);
    let (from, to) = (rows(rollups, cells, |key| key.source), rows(rollups, cells, |key| key.target));
    let what = match (protocol.has_ports(), *protocol == Protocol::TCP) {
        (false, _) => protocol.to_string(),
        (true, true) => format!("{protocol} {}", services::name(*port)),
        (true, false) => format!("{protocol} {port}"),
    };
    let (severity, grade) = rating(*cause, &sum);
    let stopped: BTreeMap<&str, u64> = sum.stopped_by().collect();
    let (source_text, target_text) = (places(&from), places(&to));
    let title = match cause {
        EndsCause::RejectedOnArrival => {
            format!("{what} from {source_text} was let out there, but rejected on arrival at {target_text}")
        }
        EndsCause::NeverLeft if stopped.is_empty() => {
            format!("{what} arrived at {target_text} from {source_text}, whose log has no trace of it")
        }
        EndsCause::NeverLeft => {
            format!(
                "{what} arrived at {target_text} from {source_text}, whose log says it was rejected there"
            )
        }
        EndsCause::NeverArrived => {
            format!("{what} left {source_text} for {target_text}, whose log has no trace of it")
        }
        EndsCause::SizeDisagrees => {
            format!("the logs of {source_text} and {target_text} disagree about the size of {what}")
        }
    };
    let by: Vec<String> = stopped.iter().map(|(stop, n)| format!("{stop} ({n})")).collect();
    let happened = match cause {
        _ if !by.is_empty() => format!("Stopped by {}.", by.join(", ")),
        EndsCause::SizeDisagrees => format!(
            "{} and {} were sent, {} and {} arrived.",
            counted(sum.sent_packets, "packet"),
            counted(sum.sent_bytes, "byte"),
            counted(sum.arrived_packets, "packet"),
            counted(sum.arrived_bytes, "byte")
        ),
        _ => format!("{} answered, {}.", sum.answered, counted(sum.bytes, "byte")),
    };
    let summary = format!(
        "{}; both ends agree on {agreeing} others. {happened}",
        counted(sum.connections, "connection")
    );
    let ids = |rows: &[&InterfaceRow]| json!(rows.iter().take(LISTED).map(|r| &r.id).collect::<Vec<_>>());
    let mut builder = FindingBuilder::new(META.id, META.kind, cause.as_str())
        .about(source)
        .about(target)
        .about(protocol.to_string())
        .about(port.to_string())
        .rated(severity, grade)
        .told(title, summary)
        .service(
            Some(Direction::Inbound),
            Some(protocol.to_string()),
            if protocol.has_ports() { vec![Ports::One(*port)] } else { Vec::new() },
        )
        .during(Some(i64::from(sum.first)), Some(i64::from(sum.last)))
        .count("connections", sum.connections)
        .count("agreeing", agreeing)
        .count("answered", sum.answered)
        .count("bytes", sum.bytes)
        .count("pairs", cells.len() as u64)
        .evidence("sources", ids(&from))
        .evidence("source_groups", source)
        .evidence("targets", ids(&to))
        .evidence("target_groups", target)
        .evidence("let_pass_by", json!(rules(rollups, &sum.rules.iter().copied().collect())));
    if *cause == EndsCause::SizeDisagrees {
        builder = builder
            .count("sent_packets", sum.sent_packets)
            .count("sent_bytes", sum.sent_bytes)
            .count("arrived_packets", sum.arrived_packets)
            .count("arrived_bytes", sum.arrived_bytes);
    }
    if !stopped.is_empty() {
        builder = builder.evidence("stopped_by", json!(stopped));
    }
    if rollups.ends.cells_scale > 1 {
        builder =
            builder.evidence("approximate", true).evidence("one_pair_told_of", rollups.ends.cells_scale);
    }
    at_interfaces(builder.next(next(*cause, source, target, &stopped, &to)), &to).with(|finding| {
        let end = if *cause == EndsCause::NeverLeft { &from } else { &to };
        let acl = stopped.keys().any(|stop| stop.starts_with("network-acl") || *stop == "both");
        finding.network_acl = end.first().and_then(|row| row.network_acl.clone()).filter(|_| acl);
        let group = end.first().and_then(|row| row.groups.first().cloned());
        finding.security_group = group.filter(|_| stopped.contains_key("security-group"));
    })
}

/// So many that it is not about these ends, but about the logs.
fn describe_many(rollups: &Rollups, names: &Names, cause: EndsCause, groups: &[Told<'_>]) -> FindingBuilder {
    let cells: Vec<(&EndsKey, &EndsCell)> =
        groups.iter().flat_map(|(_, cells, _)| cells.iter().copied()).collect();
    let sum = sum(&cells);
    let (from, to) = (rows(rollups, &cells, |key| key.source), rows(rollups, &cells, |key| key.target));
    let totals = &rollups.ends.totals;
    let what = match cause {
        EndsCause::NeverLeft => "connections arrived whose senders' logs have no trace of them",
        EndsCause::NeverArrived => "connections left whose receivers' logs have no trace of them",
        EndsCause::SizeDisagrees | EndsCause::RejectedOnArrival => {
            "connections are not as large at both ends"
        }
    };
    let mut most: Vec<&Told<'_>> = groups.iter().collect();
    most.sort_by_key(|(group, cells, _)| (std::cmp::Reverse(self::sum(cells).connections), *group));
    let shown: Vec<_> = most
        .iter()
        .take(LISTED)
        .map(|(group, cells, _)| {
            let (_, source, target, protocol, port) = group;
            let (source, target) = (names.text(*source), names.text(*target));
            let service = if protocol.has_ports() { format!("{protocol} {port}") } else { protocol.to_string() };
            json!({"sources": source, "targets": target, "service": service, "connections": self::sum(cells).connections})
        })
        .collect();
    let builder = FindingBuilder::new(META.id, META.kind, cause.as_str())
        .about("many")
        .rated(Severity::Low, Grade::Weak)
        .told(
            format!("{what}, at {} interfaces", to.len()),
            format!(
                "{} of {} groups of ends and services; {} were seen from both ends, {} of them alike.",
                counted(sum.connections, "connection"),
                groups.len(),
                totals.joined,
                totals.agreeing
            ),
        )
        .during(Some(i64::from(sum.first)), Some(i64::from(sum.last)))
        .count("connections", sum.connections)
        .count("groups", groups.len() as u64)
        .count("answered", sum.answered)
        .count("bytes", sum.bytes)
        .evidence("groups", json!(shown))
        .next("look first whether the logs are whole and of one time: files that were not read, clocks, sampling in between")
        .next("then whether a firewall, proxy or overlay network stands between the interfaces")
        .evidence("sources", json!(from.iter().take(LISTED).map(|row| &row.id).collect::<Vec<_>>()))
        ;
    at_interfaces(builder, &to)
}

fn rating(cause: EndsCause, sum: &EndsCell) -> (Severity, Grade) {
    let (times, seconds) = REPEATED;
    match cause {
        EndsCause::RejectedOnArrival if sum.connections >= times && sum.last - sum.first >= seconds => {
            (Severity::Medium, Grade::Reliable)
        }
        EndsCause::RejectedOnArrival if sum.connections < SYSTEMATIC => {
            (Severity::Informational, Grade::Reliable)
        }
        EndsCause::RejectedOnArrival => (Severity::Low, Grade::Reliable),
        EndsCause::NeverLeft if sum.stopped_by().next().is_some() => (Severity::Low, Grade::Reliable),
        EndsCause::NeverLeft | EndsCause::NeverArrived => (Severity::Low, Grade::Weak),
        EndsCause::SizeDisagrees => (Severity::Informational, Grade::Weak),
    }
}

fn next(
    cause: EndsCause,
    source: &str,
    target: &str,
    stopped: &BTreeMap<&str, u64>,
    to: &[&InterfaceRow],
) -> String {
    let acl = to
        .first()
        .and_then(|row| row.network_acl.as_deref())
        .unwrap_or("the network ACL of the target's subnet");
    match cause {
        EndsCause::RejectedOnArrival if stopped.contains_key("network-acl-in") => {
            format!("if {source} is meant to reach it, let it in at {acl}; else stop it at the source")
        }
        EndsCause::RejectedOnArrival if stopped.contains_key("security-group") => format!(
            "if {source} is meant to reach it, add an inbound rule at {}; else stop it at the source",
            if target == "several groups" { "its targets" } else { target }
        ),
        EndsCause::RejectedOnArrival => {
            format!("look at the inbound rules of {target} and at {acl}; the source's side lets it out")
        }
        EndsCause::NeverLeft => format!(
            "look whether another host uses an address of {source}, and whether packets leave it by another interface"
        ),
        EndsCause::NeverArrived => {
            format!(
                "follow the route tables and firewalls from {source} to {target}, and look whether the target runs"
            )
        }
        EndsCause::SizeDisagrees => {
            "look for firewalls or packet loss in between, and for SKIPDATA at either end".to_owned()
        }
    }
}
