//! Findings of the cause `expectation`: accepted connections that break what a file says should be true. The manual is
//! that of `unexpected-accept`, which tells them.

use std::collections::{BTreeMap, BTreeSet};

use super::sums::{Sum, approximations, listed};
use super::unexpected_accept::{is_public, port_name};
use super::{Meta, at_interfaces, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{ExpectationFacts, InterfaceRow, OddCell, OddKey, Rollups, Unmet, Verdict};

/// More services of one tier than this that break one expectation make one finding.
const SEPARATE_PORTS: usize = 10;

/// How many remotes, ports and interfaces a finding lists.
const LISTED: usize = 20;

type Cell<'a> = (&'a OddKey<Unmet>, &'a OddCell);

/// What is told together: expectation, tier, direction, protocol.
type Subject = (u32, u32, Option<Direction>, Protocol);

pub(super) fn findings(meta: &'static Meta, rollups: &Rollups) -> Vec<Finding> {
    let mut subjects: BTreeMap<Subject, BTreeMap<u16, Vec<Cell<'_>>>> = BTreeMap::new();
    for (key, cell) in rollups.expectations.unmet.iter() {
        let subject = (key.subject.expectation, key.subject.tier, key.direction, key.protocol);
        subjects.entry(subject).or_default().entry(key.port).or_default().push((key, cell));
    }
    let mut findings = Vec::new();
    for ((number, ..), ports) in subjects {
        let Some(facts) = rollups.expectations.facts.get(number as usize) else { continue };
        let told = |cells: &[Cell<'_>], many| finish(Told::new(rollups, facts, cells).describe(meta, many));
        if ports.len() > SEPARATE_PORTS {
            let cells: Vec<Cell<'_>> = ports.into_values().flatten().collect();
            findings.extend(told(&cells, true));
        } else {
            findings.extend(ports.values().filter_map(|cells| told(cells, false)));
        }
    }
    findings
}

/// Connections of one finding, summed up.
struct Told<'a> {
    rollups: &'a Rollups,
    facts: &'a ExpectationFacts,
    key: &'a OddKey<Unmet>,
    sum: Sum,
    /// Connections of which who is who rests on an observation of another time.
    elsewhen: u64,
    /// Connections by what the rules say.
    verdicts: BTreeMap<String, u64>,
    /// That let them in; of those that no rule permits there are none.
    rules: BTreeSet<u32>,
    ports: BTreeSet<(u16, u16)>,
    /// By interface; most connections first.
    places: Vec<(u64, &'a InterfaceRow)>,
}

impl<'a> Told<'a> {
    fn new(rollups: &'a Rollups, facts: &'a ExpectationFacts, cells: &[Cell<'a>]) -> Self {
        let mut told = Self {
            rollups,
            facts,
            key: cells[0].0,
            sum: Sum::of(cells.iter().copied()),
            elsewhen: 0,
            verdicts: BTreeMap::new(),
            rules: BTreeSet::new(),
            ports: BTreeSet::new(),
            places: Vec::new(),
        };
        let mut places: BTreeMap<u32, u64> = BTreeMap::new();
        for (key, cell) in cells {
            told.elsewhen += if key.subject.weak { cell.connections } else { 0 };
            *told.verdicts.entry(words(key.subject.verdict)).or_default() += cell.connections;
            if key.subject.verdict == Verdict::Permitted {
                told.rules.extend(&cell.rules);
            }
            if key.protocol.has_ports() {
                told.ports.insert(rollups.expectations.unmet.ports(key));
            }
            *places.entry(key.interface).or_default() += cell.connections;
        }
        let rows = places.into_iter();
        told.places = rows.filter_map(|(at, n)| Some((n, rollups.interfaces.get(at as usize)?))).collect();
        told.places.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.id.cmp(&b.1.id)));
        told
    }

    fn severity(&self, public: bool) -> Severity {
        let named = Severity::ALL.into_iter().find(|s| Some(s.as_str()) == self.facts.severity);
        let sensitive = self.key.protocol == Protocol::TCP
            && self.ports.iter().any(|&(low, high)| !services::sensitive_within(low, high).is_empty());
        let from_outside = public && self.key.direction == Some(Direction::Inbound);
        named.unwrap_or(match (from_outside, sensitive) {
            (true, true) => Severity::Critical,
            (true, false) => Severity::High,
            _ => Severity::Medium,
        })
    }

    /// The tier, and the interface if it is the only one.
    fn place(&self) -> String {
        let tier = self.rollups.expectations.tiers.get(self.key.subject.tier as usize);
        match (tier, self.places.as_slice()) {
            (Some(tier), [(_, one)]) => format!("{tier} ({})", one.id),
            (None, [(_, one)]) => one.id.clone(),
            (Some(tier), many) => format!("{tier} ({})", counted(many.len() as u64, "interface")),
            (None, many) => counted(many.len() as u64, "interface"),
        }
    }

    fn service(&self) -> String {
        let protocol = self.key.protocol;
        match self.ports.len() {
            0 => protocol.to_string(),
            1 => format!("{protocol} {}", self.ports.first().copied().map(port_name).unwrap_or_default()),
            n if self.rollups.expectations.unmet.ports_merged() > 1 => {
                format!("{protocol} on ports in {n} ranges")
            }
            n => format!("{protocol} on {n} ports"),
        }
    }

    fn describe(self, meta: &'static Meta, many: bool) -> FindingBuilder {
        let (facts, file) = (self.facts, &self.rollups.expectations.file);
        let top = self.sum.top();
        let public = top.iter().any(|(address, _)| is_public(self.rollups, *address));
        let direction = self.key.direction.map_or("undirected", Direction::as_str);
        let (here, there) =
            if self.key.direction == Some(Direction::Outbound) { ("from", "to") } else { ("at", "from") };
        let title = format!(
            "{direction} {} {there} {who} was accepted {here} {}, against `{}`",
            self.service(),
            self.place(),
            facts.name,
            who = self.sum.who(),
        );
        let rules: Vec<&str> =
            self.rules.iter().filter_map(|n| self.rollups.named_rules.get(n)).map(String::as_str).collect();
        let by = match rules.as_slice() {
            [] => String::new(),
            [one] => format!(" {one} let it in."),
            [one, rest @ ..] => format!(" {one} and {} let it in.", counted(rest.len() as u64, "other rule")),
        };
        let (grade, reasons) = self.grade();
        let tier = self.rollups.expectations.tiers.get(self.key.subject.tier as usize);
        let mut builder = FindingBuilder::new(meta.id, meta.kind, "expectation")
            .about(facts.name.clone())
            .about(tier.cloned().unwrap_or_default())
            .about(direction)
            .about(self.key.protocol.to_string())
            .about(if many { "many".to_owned() } else { self.key.port.to_string() })
            .rated(self.severity(public), grade)
            .told(
                title,
                format!(
                    "{} with {} at {}, {}. Expected: {}.{by}",
                    counted(self.sum.connections, "connection"),
                    counted(self.sum.remotes.distinct(), "address"),
                    counted(self.places.len() as u64, "interface"),
                    counted(self.sum.bytes, "byte"),
                    facts.sentence
                ),
            )
            .service(
                self.key.direction,
                Some(self.key.protocol.to_string()),
                self.ports.iter().take(LISTED).map(|&(low, high)| listed(low, high)).collect(),
            )
            .during(self.sum.first.map(i64::from), self.sum.last.map(i64::from))
            .count("connections", self.sum.connections)
            .count("bytes", self.sum.bytes)
            .count("distinct_remotes", self.sum.remotes.distinct())
            .count("interfaces", self.places.len() as u64)
            .evidence("expectation", facts.name.clone())
            .evidence("expectation_at", format!("{file}:{}", facts.line))
            .evidence("expected", facts.sentence.clone())
            .evidence("opener_evidence", serde_json::json!(self.sum.evidence))
            .evidence("verdicts", serde_json::json!(self.verdicts));
        if let Some(tier) = tier {
            builder = builder.evidence("tier", tier.clone());
        }
        if !rules.is_empty() {
            builder = builder.evidence("rules", rules.iter().take(LISTED).copied().collect::<Vec<_>>());
        }
        if !reasons.is_empty() {
            builder = builder.evidence("grade_reasons", reasons);
        }
        builder = approximations(builder, &self.rollups.expectations.unmet, &self.sum);
        builder = builder.next(match rules.as_slice() {
            [] if self.verdicts.keys().all(|v| v == "permitted") => format!(
                "only the network ACL filters at {}: narrow it, or correct {file}:{}",
                self.places.first().map_or("this interface", |(_, row)| &row.id),
                facts.line
            ),
            [] => "see the finding of the cause no-rule or rule-removed-new: no rule permits it either"
                .to_owned(),
            [one, ..] => format!("narrow {one}, or correct {file}:{} if this is as it should be", facts.line),
        });
        self.placed(builder, &top)
    }

    /// The grade, and why it is not better. What the rules say matters less here: they are not what was expected.
    fn grade(&self) -> (Grade, Vec<&'static str>) {
        let mut reasons = Vec::new();
        if self.sum.certain * 2 < self.sum.connections {
            reasons.push("who opened most of them rests on port numbers alone");
        }
        if self.elsewhen * 2 > self.sum.connections {
            reasons.push(
                "whose the addresses were rests on an observation of another time, or on no VPC's blocks",
            );
        }
        (if reasons.is_empty() { Grade::Reliable } else { Grade::Weak }, reasons)
    }

    fn placed(&self, builder: FindingBuilder, top: &[(std::net::IpAddr, u64)]) -> FindingBuilder {
        let rows: Vec<&InterfaceRow> = self.places.iter().map(|(_, row)| *row).collect();
        at_interfaces(builder, &rows).with(|f| {
            f.interfaces.truncate(LISTED);
            f.instances.truncate(LISTED);
            f.remotes = top.iter().take(LISTED).map(|(address, _)| address.to_string()).collect();
        })
    }
}

/// `permitted`, `escaped: no-rule`.
fn words(verdict: Verdict) -> String {
    match verdict.reason() {
        "" => verdict.as_str().to_owned(),
        reason => format!("{}: {reason}", verdict.as_str()),
    }
}
