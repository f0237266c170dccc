//! Interfaces: a table of all, and a page for each of those with most to say.

use serde::Serialize;
use serde_json::{Value, json};

use super::estate::{Estate, Link};
use super::findings::{FindingLink, link};
use super::table::{Column, HIDDEN, Kind, Table};
use super::text::{anchor, minute, short};
use crate::finding::InterfaceCoverage;
use crate::report::numbers::{number, percent, time};

/// Most rows of the table.
const ROWS: usize = 20_000;
/// Findings named on a page.
const NAMED: usize = 15;

const TRAFFIC: [&str; 4] = ["all", "accept", "reject", "none"];
const KNOWN: [&str; 2] = ["known", "missing"];

const COLUMNS: [Column; 13] = [
    Column { name: "Interface", about: "Interface", kind: Kind::Link("interface", 0), width: 23 },
    Column { name: "Name", about: "Name tag, else description", kind: Kind::Text, width: 0 },
    Column { name: "Groups", about: "Security groups", kind: Kind::Text, width: 24 },
    Column { name: "Instance", about: "Instance", kind: Kind::Code, width: 21 },
    Column { name: "Records", about: "Flow records used", kind: Kind::Number, width: 10 },
    Column {
        name: "Heard of",
        about: "Share of the window's 10-minute steps",
        kind: Kind::Percent,
        width: 10,
    },
    Column { name: "Skipdata", about: "Rows that say that records were lost", kind: Kind::Number, width: 10 },
    Column {
        name: "Logs",
        about: "Which traffic its log holds",
        kind: Kind::Word(&TRAFFIC, "plain"),
        width: 9,
    },
    Column {
        name: "Inventory",
        about: "Whether the inventory has it",
        kind: Kind::Word(&KNOWN, "known"),
        width: 11,
    },
    Column { name: "Findings", about: "That name it", kind: Kind::Number, width: 10 },
    Column { name: "Subnet", about: "Subnet", kind: Kind::Code, width: HIDDEN },
    Column { name: "VPC", about: "VPC", kind: Kind::Code, width: HIDDEN },
    Column { name: "Account", about: "Account", kind: Kind::Code, width: HIDDEN },
];

fn share(c: &InterfaceCoverage) -> f64 {
    let share = c.buckets_seen as f64 * 100.0 / c.buckets_expected.max(1) as f64;
    (share.min(100.0) * 10.0).round() / 10.0
}

pub(super) fn table(estate: &Estate<'_>) -> Table {
    let coverage = &estate.conclusions.summary.coverage;
    let row = |c: &InterfaceCoverage| -> Vec<Value> {
        let note = estate.conclusions.picture.interfaces.get(&c.interface);
        let groups =
            note.map(|n| n.groups.iter().map(|id| estate.group_name(id)).collect::<Vec<_>>().join(", "));
        let cells = json!([
            c.interface,
            note.and_then(|n| n.label.as_deref()).map(|label| short(label, 80)),
            groups.filter(|text| !text.is_empty()).map(|text| short(&text, 120)),
            c.instance,
            c.records,
            share(c),
            c.skipdata,
            super::findings::place(&TRAFFIC, &c.traffic),
            usize::from(!c.in_inventory),
            estate.findings_of_interface.get(c.interface.as_str()).map_or(0, Vec::len),
            c.subnet,
            c.vpc,
            c.account,
        ]);
        if let Value::Array(cells) = cells { cells } else { Vec::new() }
    };
    Table {
        id: "interfaces",
        noun: "interfaces",
        file: "summary.json",
        columns: &COLUMNS,
        rows: coverage.iter().take(ROWS).map(row).collect(),
        left_out: coverage.len().saturating_sub(ROWS),
    }
}

#[derive(Debug, Serialize)]
pub(super) struct InterfaceView {
    anchor: String,
    id: String,
    label: Option<String>,
    facts: Vec<(&'static str, String)>,
    groups: Vec<Link>,
    shortfalls: Vec<String>,
    findings: Vec<FindingLink>,
    more_findings: usize,
    history: Vec<(String, String)>,
}

pub(super) fn pages(estate: &Estate<'_>) -> Vec<InterfaceView> {
    let coverage = estate.conclusions.summary.coverage.iter();
    coverage
        .filter(|c| estate.interface_pages.contains(c.interface.as_str()))
        .map(|c| page(estate, c))
        .collect()
}

fn page(estate: &Estate<'_>, c: &InterfaceCoverage) -> InterfaceView {
    let picture = &estate.conclusions.picture;
    let note = picture.interfaces.get(&c.interface).cloned().unwrap_or_default();
    let findings = estate.findings_of_interface.get(c.interface.as_str()).map_or(&[][..], Vec::as_slice);
    let seen = match (c.first, c.last) {
        (Some(first), Some(last)) => Some(format!("{} to {}", time(first), time(last))),
        _ => None,
    };
    let approximate = if c.skipdata_approximate { "about " } else { "" };
    let facts = [
        ("Instance", c.instance.clone()),
        ("Subnet", c.subnet.clone()),
        ("VPC", c.vpc.clone()),
        ("Network ACL", note.network_acl.clone()),
        ("Account", c.account.clone()),
        ("Region", note.region.clone()),
        ("Records", Some(number(c.records))),
        ("Rows without data", Some(number(c.nodata))),
        ("Rows of lost records", Some(format!("{approximate}{}", number(c.skipdata)))),
        ("Heard of", seen),
        (
            "Steps of 10 minutes",
            Some(format!(
                "{} of {} ({})",
                number(c.buckets_seen),
                number(c.buckets_expected),
                percent(c.buckets_seen, c.buckets_expected)
            )),
        ),
        (
            "Log holds",
            Some(if c.traffic == "all" {
                "accepted and rejected traffic".to_owned()
            } else {
                c.traffic.to_owned()
            }),
        ),
    ];
    let group = |id: &String| {
        let (name, link) = (estate.group_name(id), estate.group(id));
        if name == *id { link } else { Link { text: format!("{name} ({id})"), ..link } }
    };
    let about = picture.changes.iter().filter(|change| change.resource == c.interface);
    InterfaceView {
        anchor: anchor(&c.interface).into_owned(),
        id: c.interface.clone(),
        label: note.label.as_deref().map(|label| short(label, 200)),
        facts: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        groups: note.groups.iter().map(group).collect(),
        shortfalls: shortfalls(c),
        findings: findings.iter().take(NAMED).map(|f| link(estate, f)).collect(),
        more_findings: findings.len().saturating_sub(NAMED),
        history: about.map(|change| (minute(change.to), change.what.clone())).collect(),
    }
}

/// What weakens every conclusion about it.
fn shortfalls(c: &InterfaceCoverage) -> Vec<String> {
    let mut list = Vec::new();
    if !c.in_inventory {
        list.push("the inventory does not have it: its traffic can't be judged".to_owned());
    }
    if c.buckets_seen < c.buckets_expected {
        list.push(format!("heard of in {} of the window only", percent(c.buckets_seen, c.buckets_expected)));
    }
    if c.skipdata > 0 {
        list.push("AWS lost records of it (SKIPDATA)".to_owned());
    }
    match c.traffic {
        "accept" => list.push("its log holds accepted traffic only".to_owned()),
        "reject" => list.push("its log holds rejected traffic only".to_owned()),
        "none" => list.push("its log holds no traffic".to_owned()),
        _ => {}
    }
    list
}
