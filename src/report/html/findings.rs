//! Findings: a table of all, and a page for each with what it rests on.

use serde::Serialize;
use serde_json::{Value, json};

use super::estate::{Estate, Link};
use super::evidence::Evidence;
use super::table::{Column, HIDDEN, Kind, Table};
use super::text::{anchor, search_for, short, words};
use crate::finding::{Finding, Grade, Kind as FindingKind, Severity};
use crate::report::numbers::{bytes, duration, number, time};

pub(super) const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "informational"];
pub(super) const GRADES: [&str; 3] = ["reliable", "weak", "not-evaluable"];
const KINDS: [&str; FindingKind::ALL.len()] = {
    // Not `map`: that is no constant function.
    let mut names = [""; FindingKind::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = FindingKind::ALL[at].as_str();
        at += 1;
    }
    names
};

/// Most rows of the table.
const ROWS: usize = 5_000;
/// Remote addresses, interfaces and so on named on a page.
const NAMED: usize = 20;

const COLUMNS: [Column; 10] = [
    Column {
        name: "Severity",
        about: "How much it matters",
        kind: Kind::Word(&SEVERITIES, "sev"),
        width: 13,
    },
    Column { name: "Finding", about: "What was found", kind: Kind::Link("finding", 7), width: 0 },
    Column { name: "Kind", about: "Which question it answers", kind: Kind::Word(&KINDS, "plain"), width: 17 },
    Column {
        name: "Grade",
        about: "How far the logs carry it",
        kind: Kind::Word(&GRADES, "grade"),
        width: 13,
    },
    Column { name: "Where", about: "Interface, group or rule", kind: Kind::Code, width: 23 },
    Column { name: "From", about: "Begin, UTC", kind: Kind::Time, width: 16 },
    Column { name: "Cause", about: "Subclass of the kind", kind: Kind::Text, width: HIDDEN },
    Column { name: "Id", about: "The same from run to run", kind: Kind::Code, width: HIDDEN },
    Column { name: "Remotes", about: "Addresses of the other side", kind: Kind::Code, width: HIDDEN },
    Column { name: "Account", about: "Account", kind: Kind::Code, width: HIDDEN },
];

pub(super) fn place<T: PartialEq>(all: &[T], one: &T) -> usize {
    all.iter().position(|other| other == one).unwrap_or(all.len())
}

pub(super) fn table(estate: &Estate<'_>) -> Table {
    let findings = &estate.conclusions.findings;
    let row = |f: &Finding| -> Vec<Value> {
        let place_of = f.interfaces.first().or(f.security_group.as_ref()).or(f.rule_id.as_ref());
        let place_of = place_of.or(f.network_acl.as_ref());
        let cells = json!([
            place(&SEVERITIES, &f.severity.as_str()),
            short(&f.title, 240),
            place(&KINDS, &f.kind.as_str()),
            place(&GRADES, &f.grade.as_str()),
            place_of,
            f.start,
            words(&f.cause),
            f.id,
            f.remotes.iter().take(5).cloned().collect::<Vec<_>>().join(", "),
            f.account,
        ]);
        if let Value::Array(cells) = cells { cells } else { Vec::new() }
    };
    Table {
        id: "findings",
        noun: "findings",
        file: "findings.jsonl",
        columns: &COLUMNS,
        rows: findings.iter().take(ROWS).map(row).collect(),
        left_out: findings.len().saturating_sub(ROWS),
    }
}

/// A step that somebody can take.
#[derive(Debug, Serialize)]
struct Step {
    text: String,
    /// To be copied into a shell.
    command: bool,
}

/// A page.
#[derive(Debug, Serialize)]
pub(super) struct FindingView {
    id: String,
    anchor: String,
    severity: &'static str,
    grade: &'static str,
    kind: String,
    cause: String,
    detector: &'static str,
    title: String,
    summary: String,
    facts: Vec<(&'static str, Vec<Link>)>,
    period: Option<String>,
    counts: Vec<(String, String)>,
    evidence: Vec<(String, Evidence)>,
    next: Vec<Step>,
    controls: Vec<String>,
    related: Vec<FindingLink>,
}

/// A finding in a list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FindingLink {
    pub severity: &'static str,
    pub grade: &'static str,
    pub kind: String,
    pub title: String,
    pub href: String,
}

pub(super) fn link(estate: &Estate<'_>, finding: &Finding) -> FindingLink {
    let href = if estate.finding_pages.contains(finding.id.as_str()) {
        format!("#finding-{}", anchor(&finding.id))
    } else {
        search_for("findings", &finding.id)
    };
    FindingLink {
        severity: finding.severity.as_str(),
        grade: finding.grade.as_str(),
        kind: words(finding.kind.as_str()),
        title: short(&finding.title, 240),
        href,
    }
}

fn view(estate: &Estate<'_>, f: &Finding) -> FindingView {
    FindingView {
        anchor: anchor(&f.id).into_owned(),
        id: f.id.clone(),
        severity: f.severity.as_str(),
        grade: f.grade.as_str(),
        kind: words(f.kind.as_str()),
        cause: words(&f.cause),
        detector: f.detector,
        title: f.title.clone(),
        summary: f.summary.clone(),
        facts: facts(estate, f),
        period: period(f),
        counts: f.counts.iter().map(|(name, n)| (words(name), counted(name, *n))).collect(),
        evidence: f.evidence.iter().map(|(name, value)| (words(name), Evidence::new(value))).collect(),
        next: f.next.iter().map(|text| step(text)).collect(),
        controls: f.controls.clone(),
        related: related(estate, f),
    }
}

fn counted(name: &str, n: u64) -> String {
    if name.contains("bytes") { bytes(n) } else { number(n) }
}

fn step(text: &str) -> Step {
    Step { text: text.to_owned(), command: text.starts_with("aws ") || text.starts_with("flowgate ") }
}

fn period(f: &Finding) -> Option<String> {
    match (f.start, f.end) {
        (Some(start), Some(end)) if start < end => {
            Some(format!("{} to {} ({})", time(start), time(end), duration(end.saturating_sub(start))))
        }
        (start, end) => crate::report::numbers::period(start, end),
    }
}

/// Where it is, in the order in which one looks.
fn facts(estate: &Estate<'_>, f: &Finding) -> Vec<(&'static str, Vec<Link>)> {
    let plain = |texts: &[String]| named(texts, |text| Link::plain(text));
    let one = |text: &Option<String>| text.iter().map(Link::plain).collect::<Vec<_>>();
    let ports: Vec<String> = f.ports.iter().map(ToString::to_string).collect();
    let mut service = vec![f.direction.map_or("", |d| d.as_str()).to_owned()];
    service.extend(f.protocol.clone());
    service.push(ports.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "));
    service.retain(|part| !part.is_empty());
    if ports.len() > NAMED {
        service.push(format!("and {} more ports", ports.len() - NAMED));
    }
    let service = if service.is_empty() { Vec::new() } else { vec![Link::plain(service.join(" "))] };
    let facts = [
        ("Service", service),
        ("Remotes", plain(&f.remotes)),
        ("Interfaces", named(&f.interfaces, |id| estate.interface(id))),
        ("Instances", plain(&f.instances)),
        ("Security group", f.security_group.iter().map(|id| called(estate, id)).collect()),
        ("Rule", f.rule_id.iter().map(|id| estate.rule(id)).collect()),
        ("Network ACL", one(&f.network_acl)),
        ("VPC", one(&f.vpc)),
        ("Account", one(&f.account)),
        ("Region", one(&f.region)),
    ];
    facts.into_iter().filter(|(_, links)| !links.is_empty()).collect()
}

fn called(estate: &Estate<'_>, id: &str) -> Link {
    let (name, link) = (estate.group_name(id), estate.group(id));
    if name == id { link } else { Link { text: format!("{id} ({name})"), ..link } }
}

fn named(texts: &[String], link: impl Fn(&str) -> Link) -> Vec<Link> {
    let mut links: Vec<Link> = texts.iter().take(NAMED).map(|text| link(text)).collect();
    if texts.len() > NAMED {
        links.push(Link::plain(format!("and {} more", texts.len() - NAMED)));
    }
    links
}

/// Others about the same rule or interfaces.
fn related(estate: &Estate<'_>, f: &Finding) -> Vec<FindingLink> {
    let rule = f.rule_id.iter().filter_map(|id| estate.findings_of_rule.get(id.as_str())).flatten();
    let interfaces =
        f.interfaces.iter().take(3).filter_map(|id| estate.findings_of_interface.get(id.as_str()));
    let group = f.security_group.iter().filter_map(|id| estate.findings_of_group.get(id.as_str())).flatten();
    let mut others: Vec<&Finding> = Vec::new();
    for other in rule.chain(interfaces.flatten()).chain(group) {
        if other.id != f.id && !others.iter().any(|known| known.id == other.id) {
            others.push(other);
            if others.len() == 3 {
                break;
            }
        }
    }
    others.into_iter().map(|other| link(estate, other)).collect()
}

/// Pages of findings.
pub(super) fn pages(estate: &Estate<'_>) -> Vec<FindingView> {
    estate.conclusions.findings.iter().take(estate.articles).map(|f| view(estate, f)).collect()
}

/// Findings by severity, the worst first, those of which there are none, too.
pub(super) fn by_severity(estate: &Estate<'_>) -> Vec<(&'static str, String, bool)> {
    let count = |severity: &Severity| {
        let n = estate.conclusions.findings.iter().filter(|f| f.severity == *severity).count();
        (severity.as_str(), number(n as u64), n > 0)
    };
    Severity::ALL.iter().map(count).collect()
}

/// The first of those that matter.
pub(super) fn top(estate: &Estate<'_>, most: usize) -> Vec<FindingLink> {
    let findings = estate.conclusions.findings.iter().filter(|f| f.grade != Grade::NotEvaluable);
    findings.take(most).map(|f| link(estate, f)).collect()
}
