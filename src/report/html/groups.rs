//! Security groups: a table of all, and a page for each of those with most to say.

use serde::Serialize;
use serde_json::{Value, json};

use super::estate::{Estate, Link};
use super::findings::{FindingLink, link};
use super::proposals::{self, ChangeView};
use super::rules::{self, RuleView};
use super::table::{Column, HIDDEN, Kind, Table};
use super::text::{anchor, minute};
use crate::finding::{Edge, RuleClass, RuleRow};
use crate::flow::Direction;
use crate::report::numbers::number;

/// Interfaces and partners named on a page.
const NAMED: usize = 40;

const COLUMNS: [Column; 11] = [
    Column { name: "Group", about: "Name", kind: Kind::Link("group", 1), width: 24 },
    Column { name: "Id", about: "Security group", kind: Kind::Code, width: 22 },
    Column { name: "VPC", about: "VPC", kind: Kind::Code, width: 22 },
    Column { name: "Rules", about: "Rules", kind: Kind::Number, width: 8 },
    Column { name: "Unused", about: "Rules that no connection used", kind: Kind::Number, width: 9 },
    Column { name: "Redundant", about: "Rules that are never the only one", kind: Kind::Number, width: 11 },
    Column {
        name: "Permissive",
        about: "Rules that are far wider than their use",
        kind: Kind::Number,
        width: 11,
    },
    Column { name: "Interfaces", about: "It is attached to", kind: Kind::Number, width: 11 },
    Column { name: "Findings", about: "About it or one of its rules", kind: Kind::Number, width: 10 },
    Column { name: "Proposals", about: "Changes that the traffic allows", kind: Kind::Number, width: 10 },
    Column { name: "Account", about: "Account", kind: Kind::Code, width: HIDDEN },
];

pub(super) fn table(estate: &Estate<'_>) -> Table {
    let row = |(&id, rules): (&&str, &Vec<&RuleRow>)| -> Vec<Value> {
        let note = estate.conclusions.picture.groups.get(id);
        let of = |class: RuleClass| rules.iter().filter(|rule| rule.class == class).count();
        let cells = json!([
            estate.group_name(id),
            id,
            note.and_then(|n| n.vpc.clone()),
            rules.len(),
            of(RuleClass::Unused),
            of(RuleClass::Redundant),
            of(RuleClass::Permissive),
            estate.members.get(id).map_or(0, Vec::len),
            estate.findings_of_group.get(id).map_or(0, Vec::len),
            estate.plan.map(|_| estate.changes.get(id).map_or(0, Vec::len)),
            note.and_then(|n| n.account.clone()),
        ]);
        if let Value::Array(cells) = cells { cells } else { Vec::new() }
    };
    Table {
        id: "groups",
        noun: "security groups",
        file: "rules.jsonl",
        columns: &COLUMNS,
        rows: estate.rules.iter().map(row).collect(),
        left_out: 0,
    }
}

/// Who talks with the members of a group.
#[derive(Debug, Serialize)]
struct Partner {
    name: String,
    href: Option<String>,
    services: String,
    connections: String,
}

#[derive(Debug, Serialize)]
pub(super) struct GroupView {
    anchor: String,
    id: String,
    name: String,
    facts: Vec<(&'static str, String)>,
    interfaces: Vec<Link>,
    more_interfaces: usize,
    rules: Vec<RuleView>,
    callers: Vec<Partner>,
    callees: Vec<Partner>,
    findings: Vec<FindingLink>,
    more_findings: usize,
    /// A plan was made.
    planned: bool,
    proposals: Vec<ChangeView>,
    history: Vec<(String, String)>,
}

pub(super) fn pages(estate: &Estate<'_>) -> Vec<GroupView> {
    estate.group_pages.iter().map(|id| page(estate, id)).collect()
}

fn page(estate: &Estate<'_>, id: &str) -> GroupView {
    let picture = &estate.conclusions.picture;
    let note = picture.groups.get(id).cloned().unwrap_or_default();
    let own = estate.rules.get(id).map_or(&[][..], Vec::as_slice);
    let members = estate.members.get(id).map_or(&[][..], Vec::as_slice);
    let count = |direction: Direction| {
        let of: Vec<_> = own.iter().filter(|rule| rule.direction == direction).collect();
        let used = of.iter().filter(|rule| rule.connections > 0).count();
        format!("{}, {} of them used", number(of.len() as u64), number(used as u64))
    };
    let mut facts = vec![
        ("Inbound rules", count(Direction::Inbound)),
        ("Outbound rules", count(Direction::Outbound)),
        ("Attached to", crate::report::count(members.len() as u64, "interface")),
    ];
    let places = [("VPC", note.vpc), ("Account", note.account), ("Region", note.region)];
    facts.extend(places.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let has = |place: usize| picture.nodes.get(place).is_some_and(|node| node.groups.iter().any(|g| g == id));
    let findings = estate.findings_of_group.get(id).map_or(&[][..], Vec::as_slice);
    let about = picture.changes.iter().filter(|change| change.resource == id);
    GroupView {
        anchor: anchor(id).into_owned(),
        name: estate.group_name(id),
        id: id.to_owned(),
        facts,
        interfaces: members.iter().take(NAMED).map(|id| estate.interface(id)).collect(),
        more_interfaces: members.len().saturating_sub(NAMED),
        rules: own.iter().map(|rule| rules::view(estate, rule)).collect(),
        callers: partners(estate, picture.edges.iter().filter(|edge| has(edge.to)), |edge| edge.from),
        callees: partners(estate, picture.edges.iter().filter(|edge| has(edge.from)), |edge| edge.to),
        findings: findings.iter().take(NAMED).map(|f| link(estate, f)).collect(),
        more_findings: findings.len().saturating_sub(NAMED),
        planned: estate.plan.is_some(),
        proposals: estate
            .changes
            .get(id)
            .into_iter()
            .flatten()
            .map(|change| proposals::view(change))
            .collect(),
        history: about.map(|change| (minute(change.to), change.what.clone())).collect(),
    }
}

fn partners<'e>(
    estate: &Estate<'_>,
    edges: impl Iterator<Item = &'e Edge>,
    other: impl Fn(&Edge) -> usize,
) -> Vec<Partner> {
    let partner = |edge: &Edge| {
        let node = estate.conclusions.picture.nodes.get(other(edge))?;
        Some(Partner {
            name: node.name.clone(),
            href: node.groups.first().and_then(|id| estate.group(id).href),
            services: services(edge),
            connections: number(edge.connections),
        })
    };
    edges.filter_map(partner).take(NAMED).collect()
}

/// `tcp 443 (1,204), tcp 80 (3) and 2 more`.
pub(super) fn services(edge: &Edge) -> String {
    let told: Vec<String> =
        edge.services.iter().map(|s| format!("{} × {}", s.name, number(s.connections))).collect();
    let more = if edge.more_services > 0 {
        format!(" and {} more", number(edge.more_services))
    } else {
        String::new()
    };
    told.join(", ") + &more
}
