//! What the observed traffic says about each rule, and how far it carries. The three rule detectors and
//! `rules.jsonl` share this.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ipnet::IpNet;

use super::{counted, services};
use crate::finding::{Grade, PortCount, PortRangeCount, RuleClass, RuleRow};
use crate::flow::Direction;
use crate::rollup::{Blocks, Rollups, RuleFacts, Since};

/// Shortest window, in seconds, over which silence says that a rule is unused: a week, so that weekly jobs had
/// their chance. Rarer use is the user's to know.
pub const RELIABLE_WINDOW: u32 = 7 * 24 * 3600;

/// Share of 10-minute buckets in which an interface must have been heard of.
const RELIABLE_COVERAGE: f64 = 0.95;

/// Connections a rule must have had before its breadth is judged by them.
const ENOUGH: u64 = 10;

/// How many observed ports a row lists.
const PORTS_LISTED: usize = 20;

/// Which part of a rule is used.
#[derive(Clone, Debug, PartialEq)]
pub struct Breadth {
    /// Ports permitted and ports seen, where few of them were.
    pub ports: Option<(u32, usize)>,
    /// Addresses permitted (log2) and the blocks of /24 (IPv4) or /64 (IPv6) that hold every peer, where the
    /// latter are far less.
    pub peers: Option<(f64, Vec<IpNet>)>,
}

/// Classifies every rule, in the order of [`Rollups::rules`].
#[must_use]
pub fn classify(rollups: &Rollups) -> Vec<RuleRow> {
    let judged = redundancy(rollups);
    let unknown = |rule: &RuleFacts| judged.unknown.contains(&rule.number);
    let row = |rule| row(rollups, rule, judged.redundant.contains_key(&rule.number), unknown(rule));
    rollups.rules.iter().map(row).collect()
}

fn row(rollups: &Rollups, rule: &RuleFacts, is_redundant: bool, unknown: bool) -> RuleRow {
    let (mut grade, mut grade_reasons) = grade(rollups, rule);
    if unknown {
        grade = grade.max(Grade::Weak);
        grade_reasons.push(
            "other rules permitted all of it, too, in too many combinations to tell whether it is redundant"
                .to_owned(),
        );
    }
    let usage = &rule.usage;
    let class = if usage.connections == 0 {
        if grade == Grade::NotEvaluable { RuleClass::NotEvaluable } else { RuleClass::Unused }
    } else if is_redundant {
        RuleClass::Redundant
    } else if breadth(rule).is_some() {
        RuleClass::Permissive
    } else {
        RuleClass::Used
    };
    let ports = usage.ports.top().into_iter().take(PORTS_LISTED);
    let (observed_ports, observed_port_ranges) = if usage.ports.is_approximate() {
        (
            Vec::new(),
            ports.map(|((first, last), connections)| PortRangeCount { first, last, connections }).collect(),
        )
    } else {
        (ports.map(|((port, _), connections)| PortCount { port, connections }).collect(), Vec::new())
    };
    RuleRow {
        rule_id: rule.id.clone(),
        security_group: rule.group.clone(),
        direction: rule.direction,
        protocol: rule.protocol_text.clone(),
        port_range: rule.port_text.clone(),
        peer: rule.peer_text.clone(),
        connections: usage.connections,
        sole_connections: usage.sole_connections,
        bytes: usage.bytes,
        first_used: usage.first.map(i64::from),
        last_used: usage.last.map(i64::from),
        distinct_peers: usage.peers.distinct(),
        approximate: usage.peers.is_approximate(),
        distinct_peers_error: usage.peers.relative_error(),
        observed_ports,
        observed_port_ranges,
        interfaces: Arc::clone(&rule.interfaces),
        grade,
        grade_reasons,
        class,
    }
}

/// How far the logs carry a statement about this rule, with the reasons where that is not all the way.
fn grade(rollups: &Rollups, rule: &RuleFacts) -> (Grade, Vec<String>) {
    let mut reasons = Vec::new();
    let mut grade = Grade::Reliable;
    let mut lower = |to: Grade, reason: String| {
        grade = grade.max(to);
        reasons.push(reason);
    };
    if let Some(reason) = rule.invisible {
        lower(Grade::NotEvaluable, reason.to_owned());
    }
    let attached = rule.interfaces.len();
    let watched: Vec<_> = rule
        .places
        .iter()
        .map(|&place| &rollups.interfaces[place as usize])
        .filter(|row| row.coverage.first.is_some())
        .collect();
    if attached == 0 {
        lower(Grade::NotEvaluable, "its group is attached to no interface".to_owned());
    } else if watched.is_empty() {
        lower(Grade::NotEvaluable, format!("no log covers any of the {attached} interfaces of its group"));
    } else {
        if watched.len() < attached {
            lower(
                Grade::Weak,
                format!("logs cover {} of the {attached} interfaces of its group", watched.len()),
            );
        }
        if watched.iter().all(|w| w.traffic == "reject") {
            lower(Grade::NotEvaluable, "the logs hold rejected traffic only".to_owned());
        }
    }
    let window = lifetime(rollups, rule);
    match rule.since {
        _ if window >= RELIABLE_WINDOW => {}
        Some(since) => lower(
            Grade::Weak,
            format!("the logs span {} of its life ({}), less than 7 days", span(window), born(since)),
        ),
        None => lower(Grade::Weak, format!("the logs span {}, less than 7 days", span(window))),
    }
    let skipped: u64 = watched.iter().map(|w| w.coverage.skipdata).sum();
    if skipped > 0 {
        lower(Grade::Weak, format!("capture skipped data {skipped} times on its interfaces"));
    }
    let expected = rollups.expected_buckets().max(1) as f64;
    let gappy = watched.iter().filter(|w| (w.coverage.buckets.len() as f64) < RELIABLE_COVERAGE * expected);
    let gappy = gappy.count();
    if gappy > 0 && !watched.is_empty() {
        lower(
            Grade::Weak,
            format!(
                "{gappy} of its {} watched interfaces were silent for more than 5 % of the time",
                watched.len()
            ),
        );
    }
    match rule.since {
        _ if rule.existed_throughout => {}
        // Its own life was watched for long enough.
        Some(Since::Added(_)) => {}
        Some(since @ Since::Recorded(_)) if window >= RELIABLE_WINDOW => lower(Grade::Weak, born(since)),
        Some(Since::Recorded(_)) => {}
        None => lower(Grade::Weak, "it did not exist in every observation of the inventory".to_owned()),
    }
    let undecided = rule.usage.undecided;
    if undecided > 0 {
        // Without a credited connection these would make the difference between used and unused.
        let to = if rule.usage.connections == 0 { Grade::NotEvaluable } else { Grade::Weak };
        lower(
            to,
            format!("{} of unknown opener may have used it", counted(undecided, "accepted connection")),
        );
    }
    if rule.usage.weak_connections > 0 && rule.usage.weak_connections * 2 > rule.usage.connections {
        lower(Grade::Weak, "most of its connections have a weakly known opener or configuration".to_owned());
    }
    (grade, reasons)
}

/// Seconds of the window in which the rule existed, as far as AWS Config tells.
pub(super) fn lifetime(rollups: &Rollups, rule: &RuleFacts) -> u32 {
    let Some((first, last)) = rollups.window else { return 0 };
    let since = rule.since.map_or(i64::from(first), Since::time);
    u32::try_from(i64::from(last) - since.max(i64::from(first))).unwrap_or(0)
}

/// When a rule came to be, in words.
pub(super) fn born(since: Since) -> String {
    match since {
        Since::Added(at) => format!("it was added at {}", instant(at)),
        Since::Recorded(at) => format!("what AWS Config knows of it begins at {}", instant(at)),
    }
}

/// `2026-03-01T00:00:00Z`
pub(super) fn instant(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp(at, 0);
    time.map_or_else(|| at.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// `3 h`, `2 days`: for sentences.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        0..=5399 => format!("{} min", seconds.div_ceil(60)),
        5400..=172_799 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// Which rules others make unnecessary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redundancy {
    /// Redundant rules with those that cover for them, most shared first.
    pub redundant: BTreeMap<u32, Vec<(u32, u64)>>,
    /// Rules of which it cannot be said, because combinations of rules were left out.
    pub unknown: BTreeSet<u32>,
}

/// Rules whose every connection some other rule permits, too, with those others; none that a
/// connection of unknown opener may have needed. Taken
/// from the narrowest up, and a rule that covers for a redundant one is never called redundant itself.
#[must_use]
pub fn redundancy(rollups: &Rollups) -> Redundancy {
    let current: BTreeSet<u32> = rollups.rules.iter().map(|r| r.number).collect();
    let mut candidates: Vec<&RuleFacts> = rollups
        .rules
        .iter()
        .filter(|r| r.usage.connections > 0 && r.usage.sole_connections == 0 && r.usage.undecided == 0)
        .collect();
    candidates.sort_by(|a, b| openness(a).total_cmp(&openness(b)).then_with(|| a.id.cmp(&b.id)));
    let mut sets_of: BTreeMap<u32, Vec<(&[u32], u64)>> = BTreeMap::new();
    for (set, count) in rollups.sets.iter() {
        for &rule in set {
            sets_of.entry(rule).or_default().push((set, count));
        }
    }
    let mut judged = Redundancy::default();
    for candidate in candidates {
        let number = candidate.number;
        let sets = sets_of.get(&number).map_or(&[][..], Vec::as_slice);
        if !rollups.sets.are_all_of(sets.iter().map(|(_, n)| n).sum(), &candidate.usage) {
            judged.unknown.insert(number);
            continue;
        }
        if sets.is_empty() {
            continue;
        }
        let stays =
            |rule: &u32| *rule != number && current.contains(rule) && !judged.redundant.contains_key(rule);
        if !sets.iter().all(|(set, _)| set.iter().any(&stays)) {
            continue;
        }
        let mut covering: BTreeMap<u32, u64> = BTreeMap::new();
        for (set, count) in sets {
            for rule in set.iter().filter(|r| stays(r)) {
                *covering.entry(*rule).or_default() += count;
            }
        }
        let mut covering: Vec<(u32, u64)> = covering.into_iter().collect();
        covering.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        judged.redundant.insert(number, covering);
    }
    judged
}

/// Permitted (addresses x ports x protocols) on a log2 scale. Group references count as one address.
#[must_use]
pub fn openness(rule: &RuleFacts) -> f64 {
    let protocols = if rule.protocol.is_none() { 8.0 } else { 0.0 };
    f64::from(port_count(rule)).log2() + address_bits(rule).unwrap_or(0.0) + protocols
}

/// Ports a rule permits; 1 for protocols without.
fn port_count(rule: &RuleFacts) -> u32 {
    match (rule.protocol, rule.ports) {
        (Some(p), _) if !p.has_ports() => 1,
        (_, None) => 65_536,
        (_, Some((low, high))) => u32::from(high) - u32::from(low) + 1,
    }
}

/// log2 of the addresses a rule permits, `None` for references.
fn address_bits(rule: &RuleFacts) -> Option<f64> {
    let blocks = rule.blocks.as_ref()?;
    let total: f64 = blocks.iter().map(|b| 2_f64.powi(i32::from(b.max_prefix_len() - b.prefix_len()))).sum();
    Some(total.max(1.0).log2())
}

/// How far a rule is wider than what was seen, `None` if it fits or too little was seen.
#[must_use]
pub fn breadth(rule: &RuleFacts) -> Option<Breadth> {
    let usage = &rule.usage;
    if usage.connections == 0 {
        return None;
    }
    let open = port_count(rule);
    let seen = usage.ports.distinct();
    // Protocols without ports seen under an all-protocol rule count as one more.
    let ports = (open >= 16
        && seen.max(1) * 8 <= open as usize
        && seen <= 64
        && usage.connections >= ENOUGH
        && !usage.ports.is_approximate())
    .then_some((open, seen));
    let peers = peer_breadth(rule);
    (ports.is_some() || peers.is_some()).then_some(Breadth { ports, peers })
}

fn peer_breadth(rule: &RuleFacts) -> Option<(f64, Vec<IpNet>)> {
    let usage = &rule.usage;
    let open = address_bits(rule)?;
    if usage.connections < ENOUGH || !is_cidr(rule) {
        return None;
    }
    let everyone = rule.blocks.as_ref()?.iter().any(services::is_everyone);
    let blocks = usage.blocks.finest()?;
    // A service for everyone has peers all over the address space; then its sources cannot be narrowed.
    let limit = if everyone && rule.direction == Direction::Inbound { 4 } else { Blocks::KEPT };
    let size: f64 = blocks.iter().map(|b| 2_f64.powi(i32::from(b.max_prefix_len() - b.prefix_len()))).sum();
    (blocks.len() <= limit && open >= size.log2() + 2.0).then_some((open, blocks))
}

fn is_cidr(rule: &RuleFacts) -> bool {
    !rule.references_group && rule.blocks.as_ref().is_some_and(|b| b.len() == 1)
}
