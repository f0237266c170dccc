//! Rules: the table of all.

use serde::Serialize;
use serde_json::{Value, json};

use super::estate::Estate;
use super::findings::{FindingLink, GRADES, link, place};
use super::table::{Column, HIDDEN, Kind, Table};
use super::text::{anchor, minute, short};
use crate::finding::{Conclusions, RuleClass, RuleRow};
use crate::flow::Direction;
use crate::report::numbers::{bytes, number};

/// Most rows of the table.
const ROWS: usize = 20_000;
/// Ports told of a rule.
const PORTS: usize = 6;

pub(super) const CLASSES: [&str; 5] = ["used", "unused", "redundant", "permissive", "not-evaluable"];
const DIRECTIONS: [&str; 2] = ["inbound", "outbound"];

const COLUMNS: [Column; 20] = [
    Column { name: "Permits", about: "Protocol and ports", kind: Kind::Link("rule", 11), width: 16 },
    Column { name: "Peer", about: "Who may connect, or be connected to", kind: Kind::Code, width: 23 },
    Column { name: "Group", about: "Security group", kind: Kind::Link("group", 13), width: 18 },
    Column {
        name: "Direction",
        about: "Direction it governs",
        kind: Kind::Word(&DIRECTIONS, "dir"),
        width: 11,
    },
    Column {
        name: "Class",
        about: "What the traffic says about it",
        kind: Kind::Word(&CLASSES, "class"),
        width: 14,
    },
    Column {
        name: "Grade",
        about: "How far the logs carry the class",
        kind: Kind::Word(&GRADES, "grade"),
        width: 14,
    },
    Column { name: "Connections", about: "Accepted connections it permits", kind: Kind::Number, width: 13 },
    Column {
        name: "Sole",
        about: "Connections that no other rule permits: lost with it",
        kind: Kind::Number,
        width: 9,
    },
    Column { name: "Peers", about: "Distinct remote addresses", kind: Kind::Number, width: 9 },
    Column {
        name: "Openness",
        about: "log2 of addresses x ports x protocols that it permits",
        kind: Kind::Bits,
        width: 9,
    },
    Column { name: "Last used", about: "Last packet, UTC", kind: Kind::Time, width: 16 },
    Column { name: "Rule", about: "Id of the rule", kind: Kind::Code, width: 23 },
    Column { name: "First used", about: "First packet, UTC", kind: Kind::Time, width: HIDDEN },
    Column { name: "Group id", about: "Security group", kind: Kind::Code, width: HIDDEN },
    Column { name: "Bytes", about: "Of its connections, both directions", kind: Kind::Bytes, width: HIDDEN },
    Column { name: "Ports seen", about: "Busiest first", kind: Kind::Code, width: HIDDEN },
    Column { name: "Peers seen in", about: "Blocks that hold all of them", kind: Kind::Code, width: HIDDEN },
    Column { name: "Peers are", about: "Exact or estimated", kind: Kind::Text, width: HIDDEN },
    Column { name: "Interfaces", about: "That its group is attached to", kind: Kind::Number, width: HIDDEN },
    Column { name: "Why not reliable", about: "What the grade rests on", kind: Kind::Text, width: HIDDEN },
];

pub(super) fn table(estate: &Estate<'_>) -> Table {
    let rules = &estate.conclusions.rules;
    let row = |rule: &RuleRow| -> Vec<Value> {
        let note = estate.conclusions.picture.rules.get(&rule.rule_id);
        let cells = json!([
            permits(rule),
            peer(estate, rule),
            estate.group_name(&rule.security_group),
            usize::from(rule.direction == Direction::Outbound),
            place(&CLASSES, &rule.class.as_str()),
            place(&GRADES, &rule.grade.as_str()),
            rule.connections,
            rule.sole_connections,
            rule.distinct_peers,
            note.map(|n| (n.openness * 10.0).round() / 10.0),
            rule.last_used,
            rule.rule_id,
            rule.first_used,
            rule.security_group,
            rule.bytes,
            ports(rule),
            blocks(estate, rule),
            exactness(rule),
            rule.interfaces.len(),
            short(&rule.grade_reasons.join("; "), 300),
        ]);
        if let Value::Array(cells) = cells { cells } else { Vec::new() }
    };
    Table {
        id: "rules",
        noun: "rules",
        file: "rules.jsonl",
        columns: &COLUMNS,
        rows: rules.iter().take(ROWS).map(row).collect(),
        left_out: rules.len().saturating_sub(ROWS),
    }
}

fn permits(rule: &RuleRow) -> String {
    match (rule.protocol.as_str(), rule.port_range.as_str()) {
        ("all", "all") => "everything".to_owned(),
        (protocol @ ("icmp" | "icmpv6"), "all") => protocol.to_owned(),
        (protocol, "all") => format!("{protocol} all"),
        (protocol, ports) => format!("{protocol} {ports}"),
    }
}

/// A group is told by its name, too.
fn peer(estate: &Estate<'_>, rule: &RuleRow) -> String {
    let name = estate.group_name(&rule.peer);
    if name == rule.peer { name } else { format!("{name} ({})", rule.peer) }
}

fn ports(rule: &RuleRow) -> Option<String> {
    let single = rule.observed_ports.iter().map(|p| (p.port.to_string(), p.connections));
    let ranges = rule.observed_port_ranges.iter().map(|r| (format!("{}-{}", r.first, r.last), r.connections));
    let all: Vec<(String, u64)> = single.chain(ranges).collect();
    let told: Vec<String> =
        all.iter().take(PORTS).map(|(port, n)| format!("{port} ({})", number(*n))).collect();
    let more = if all.len() > PORTS { format!(" and {} more", all.len() - PORTS) } else { String::new() };
    (!told.is_empty()).then(|| told.join(", ") + &more)
}

fn blocks(estate: &Estate<'_>, rule: &RuleRow) -> Option<String> {
    let note = estate.conclusions.picture.rules.get(&rule.rule_id)?;
    let told: Vec<String> =
        note.blocks.iter().map(|(block, n)| format!("{block} ({})", number(*n))).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn exactness(rule: &RuleRow) -> Option<String> {
    rule.approximate.then(|| format!("estimated, standard error {:.1}%", rule.distinct_peers_error * 100.0))
}

/// A rule on the page of its group.
#[derive(Debug, Serialize)]
pub(super) struct RuleView {
    anchor: String,
    id: String,
    direction: &'static str,
    permits: String,
    peer: String,
    class: &'static str,
    grade: &'static str,
    reasons: String,
    connections: String,
    sole: String,
    peers: String,
    bytes: String,
    openness: String,
    last_used: String,
    ports: Option<String>,
    blocks: Option<String>,
    findings: Vec<FindingLink>,
    left: Option<String>,
}

pub(super) fn view(estate: &Estate<'_>, rule: &RuleRow) -> RuleView {
    let note = estate.conclusions.picture.rules.get(&rule.rule_id);
    let findings = estate.findings_of_rule.get(rule.rule_id.as_str()).into_iter().flatten();
    RuleView {
        anchor: anchor(&rule.rule_id).into_owned(),
        id: rule.rule_id.clone(),
        direction: rule.direction.as_str(),
        permits: permits(rule),
        peer: peer(estate, rule),
        class: rule.class.as_str(),
        grade: rule.grade.as_str(),
        reasons: rule.grade_reasons.join("; "),
        connections: number(rule.connections),
        sole: number(rule.sole_connections),
        peers: format!("{}{}", if rule.approximate { "~" } else { "" }, number(rule.distinct_peers)),
        bytes: bytes(rule.bytes),
        openness: note.map_or_else(|| "–".to_owned(), |n| format!("{:.1}", n.openness)),
        last_used: rule.last_used.map_or_else(|| "–".to_owned(), minute),
        ports: ports(rule),
        blocks: blocks(estate, rule),
        findings: findings.take(5).map(|f| link(estate, f)).collect(),
        left: estate.left.get(rule.rule_id.as_str()).map(|&why| why.to_owned()),
    }
}

/// How many rules are of each class, those without any, too.
pub(super) fn by_class(conclusions: &Conclusions) -> Vec<(&'static str, usize)> {
    let count = |class: RuleClass| conclusions.rules.iter().filter(|rule| rule.class == class).count();
    RuleClass::ALL.map(|class| (class.as_str(), count(class))).to_vec()
}
