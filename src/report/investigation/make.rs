//! The sections of an investigation.

use super::sheet::{Cell, Part, Section, Table, num, text};
use super::views;
use super::words::{kind, when};
use crate::investigate::{
    Change, Identity, InterfaceState, Investigation, Nothing, RuleState, Subject, View, first_view, shell,
    terms,
};
use crate::report::numbers::{bytes, count, number, period, time};

/// All sections, in order.
pub(in crate::report) fn sections(told: &Investigation) -> Vec<Section> {
    let mut all = vec![who(told)];
    if let Some(nothing) = &told.nothing {
        all.push(nothing_found(told, nothing));
    }
    let first = first_view(&told.views).map(|view| view.end);
    let mut views: Vec<&View> = told.views.iter().collect();
    views.sort_by_key(|view| view.end);
    for view in views {
        all.extend(views::sections(told, view, Some(view.end) == first));
    }
    all.push(findings(told));
    all.push(changes(told));
    all.push(limits(told));
    all.push(next(told));
    all
}

fn section(id: &str, title: impl Into<String>, parts: Vec<Part>) -> Section {
    Section { id: id.to_owned(), title: title.into(), parts }
}

/// `address 203.0.113.7`.
pub(in crate::report) fn title(told: &Investigation) -> String {
    format!("{} {}", kind(&told.request.subject), told.request.subject)
}

/// What was looked at.
pub(in crate::report) fn window(told: &Investigation) -> String {
    if let Some((at, span)) = told.request.around {
        let span = crate::report::numbers::duration(span);
        return format!("around {}, {span} before and after", time(at));
    }
    let asked = period(told.request.from, told.request.to);
    let held = told.held.days.map(|(first, last)| {
        let day = |day: u32| time(i64::from(day) * 86_400).chars().take(10).collect::<String>();
        format!("{} to {}", day(first), day(last))
    });
    match (asked, held) {
        (Some(asked), _) => asked,
        (None, Some(held)) => format!("all that the store holds: {held}"),
        (None, None) => "the store holds nothing".to_owned(),
    }
}

fn who(told: &Investigation) -> Section {
    let id = &told.identity;
    let mut facts = vec![("is".to_owned(), standing(told))];
    if let Some(view) = first_view(&told.views) {
        facts.push(("first seen".to_owned(), when(view.total.first)));
        facts.push(("last seen".to_owned(), when(view.total.last)));
    }
    for subnet in &id.subnets {
        let name = subnet.name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        let vpc = subnet.vpc.as_ref().map_or_else(String::new, |vpc| format!(" of {vpc}"));
        facts.push(("subnet".to_owned(), format!("{}{name}{vpc}", subnet.id)));
    }
    if let (Subject::Rule(_), Some((rule, _))) = (&told.request.subject, id.rules.first()) {
        facts.extend(rule_facts(rule));
    }
    let mut parts = vec![Part::Facts(facts)];
    if !id.interfaces.is_empty() {
        parts.push(Part::Table(interfaces(id)));
    }
    let own = |group: &&crate::investigate::GroupNote| !matches!(&told.request.subject, Subject::Group(id) if *id == group.id);
    let groups: Vec<_> = id.groups.iter().filter(own).collect();
    if !groups.is_empty() {
        parts.push(Part::Table(Table {
            title: Some("Security groups".to_owned()),
            columns: vec![text("Group"), text("Name"), text("VPC").extra(), text("Now")],
            rows: groups
                .into_iter()
                .map(|group| {
                    let text = |text: &Option<String>| Cell::from(text.clone().unwrap_or_default());
                    let now = if group.current { "yes" } else { "no longer" };
                    vec![Cell::code(&*group.id), text(&group.name), text(&group.vpc), now.into()]
                })
                .collect(),
            more: more(id.more_groups, "group"),
        }));
    }
    if matches!(told.request.subject, Subject::Group(_)) {
        parts.extend(group_rules(id));
    }
    section("who", "Who", parts)
}

/// One line on what the subject is.
fn standing(told: &Investigation) -> String {
    let id = &told.identity;
    let group = |id: &str, name: Option<&str>| match name {
        Some(name) => format!("{name} ({id})"),
        None => id.to_owned(),
    };
    match &told.request.subject {
        Subject::Address(_) | Subject::Network(_) => {
            let what = match id.scope {
                Some("public") => "public",
                Some("private") => "private (RFC 1918, RFC 4193)",
                Some("shared") => "shared (RFC 6598)",
                Some("link-local") => "link-local",
                Some("loopback") => "loopback",
                Some("multicast") => "multicast",
                _ => "special, or more than one kind",
            };
            let place = match (id.inside, id.interfaces.is_empty()) {
                (Some(true), false) => "inside: interfaces have it",
                (Some(true), true) => {
                    "inside a subnet that the inventory knows, at no interface that is known"
                }
                _ => "outside: no interface that is known has it",
            };
            format!("{}, {what}; {place}", kind(&told.request.subject))
        }
        Subject::Group(own) => {
            let name = id.groups.first().and_then(|group| group.name.as_deref());
            let known = if id.rules.is_empty() && id.interfaces.is_empty() {
                ", not known to the inventory"
            } else {
                ""
            };
            format!("security group {}{known}", group(own, name))
        }
        Subject::Rule(own) => match id.rules.first() {
            Some((rule, _)) => format!("rule of {}", group(&rule.group, rule.group_name.as_deref())),
            None if own.starts_with("sgr-x") => {
                "a rule with an id of ours, because its dump has none; not known to the inventory".to_owned()
            }
            None => "a rule that is not known to the inventory".to_owned(),
        },
        subject @ (Subject::Interface(_) | Subject::Instance(_)) => {
            let known = id.interfaces.iter().any(|state| state.in_inventory);
            let known = if known { "" } else { ", not known to the inventory" };
            format!("{}{known}", kind(subject))
        }
    }
}

fn rule_facts(rule: &RuleState) -> Vec<(String, String)> {
    let period = rule.period;
    let mut facts = vec![("permits".to_owned(), terms(rule))];
    let known = [
        ("described", rule.description.clone()),
        ("account", rule.account.clone()),
        ("VPC", rule.vpc.clone()),
        ("came after", period.appeared_after.map(time)),
        ("there from", period.seen_from.map(time)),
        ("there until", period.seen_to.map(time)),
        ("gone by", period.gone_by.map(time)),
    ];
    facts.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    facts
}

fn interfaces(id: &Identity) -> Table {
    let row = |state: &InterfaceState| {
        let text = |text: &Option<String>| Cell::from(text.clone().unwrap_or_default());
        let addresses: Vec<&str> =
            state.addresses.iter().chain(&state.public_addresses).map(String::as_str).collect();
        let now = match (state.in_inventory, state.period.gone_by) {
            (false, _) => "only records tell of it".to_owned(),
            (true, Some(by)) => format!("gone by {}", time(by)),
            (true, None) => "there".to_owned(),
        };
        vec![
            Cell::code(&*state.id),
            state.label().unwrap_or_default().into(),
            text(&state.instance),
            text(&state.subnet),
            addresses.join(", ").into(),
            state.groups.join(", ").into(),
            now.into(),
        ]
    };
    Table {
        title: Some("Interfaces".to_owned()),
        columns: vec![
            text("Interface"),
            text("Name"),
            text("Instance").extra(),
            text("Subnet").extra(),
            text("Addresses"),
            text("Groups").extra(),
            text("Now"),
        ],
        rows: id.interfaces.iter().map(row).collect(),
        more: more(id.more_interfaces, "interface"),
    }
}

fn group_rules(id: &Identity) -> Vec<Part> {
    let mut parts = Vec::new();
    if !id.rules.is_empty() {
        let row = |(rule, used): &(RuleState, crate::investigate::Traffic)| {
            let gone = rule.period.gone_by.map_or_else(String::new, |by| format!("gone by {}", time(by)));
            let about = rule.description.clone().unwrap_or_default();
            let about = [gone, about].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            vec![
                number(used.connections).into(),
                number(used.sole).into(),
                bytes(used.all_bytes()).into(),
                when(used.last).into(),
                Cell::code(&*rule.id),
                terms(rule).into(),
                about.join("; ").into(),
            ]
        };
        parts.push(Part::Table(Table {
            title: Some("Its rules, and what used them".to_owned()),
            columns: vec![
                num("Connections"),
                num("Sole"),
                num("Bytes"),
                text("Last used"),
                text("Rule"),
                text("Permits"),
                text("About").extra(),
            ],
            rows: id.rules.iter().map(row).collect(),
            more: more(id.more_rules, "rule"),
        }));
    }
    if !id.referenced_by.is_empty() {
        let row = |rule: &RuleState| {
            let group = rule
                .group_name
                .as_ref()
                .map_or_else(|| rule.group.clone(), |name| format!("{name} ({})", rule.group));
            vec![Cell::code(&*rule.id), terms(rule).into(), group.into()]
        };
        parts.push(Part::Table(Table {
            title: Some("Rules of other groups that name it".to_owned()),
            columns: vec![text("Rule"), text("Permits"), text("Group").extra()],
            rows: id.referenced_by.iter().map(row).collect(),
            more: more(id.more_references, "rule"),
        }));
    }
    parts
}

/// `and 12 more peers`.
pub(super) fn more(n: u64, word: &str) -> Option<String> {
    (n > 0).then(|| format!("and {}", count(n, &format!("more\u{a0}{word}"))))
}

fn nothing_found(told: &Investigation, nothing: &Nothing) -> Section {
    let mut parts = vec![Part::Warning(format!(
        "The store holds no connection of {}{}.",
        title(told),
        if told.request.from.is_some() || told.request.to.is_some() { " in this time" } else { "" },
    ))];
    if nothing.configured {
        parts.push(Part::Text(
            "It is configured: it had no traffic, or its logs were not ingested.".to_owned(),
        ));
    }
    if let Some((block, connections)) = &nothing.around {
        parts.push(Part::Text(format!("Of {block} there are {}.", count(*connections, "connection"))));
    }
    if let Some(near) = nothing.known.first() {
        parts.push(Part::Text(format!("Nothing is known by this id. Did you mean {near}?")));
    }
    let held = match told.held.days {
        Some((first, last)) => {
            let day = |day: u32| time(i64::from(day) * 86_400).chars().take(10).collect::<String>();
            format!(
                "The store holds {} of connections, of {} from {} to {}.",
                count(told.held.rows, "row"),
                count(told.held.days_with_records, "day"),
                day(first),
                day(last)
            )
        }
        None => "The store holds no records at all.".to_owned(),
    };
    parts.push(Part::Text(held));
    section("nothing", "Nothing found", parts)
}

fn findings(told: &Investigation) -> Section {
    let list = &told.findings;
    let parts = match (list.kept, list.list.is_empty()) {
        (false, _) => vec![Part::Text("Not known: no analysis was kept in the store.".to_owned())],
        (true, true) => vec![Part::Text("None of the last analysis that was kept.".to_owned())],
        (true, false) => {
            let rows = list.list.iter().map(|finding| {
                vec![
                    Cell::mark("sev", &*finding.severity),
                    finding.grade.clone().into(),
                    Cell::code(&*finding.detector),
                    when(finding.end.or(finding.start)).into(),
                    Cell::code(&*finding.names),
                    finding.title.clone().into(),
                ]
            });
            vec![Part::Table(Table {
                title: None,
                columns: vec![
                    text("Severity"),
                    text("Grade").extra(),
                    text("Detector"),
                    text("Until").extra(),
                    text("Names").extra(),
                    text("Finding"),
                ],
                rows: rows.collect(),
                more: more(list.more, "finding"),
            })]
        }
    };
    section("findings", "Findings that touch it", parts)
}

/// `2026-03-01T09:00:00Z to …`.
fn change_time(change: &Change) -> String {
    let to =
        if change.to >= i64::from(u32::MAX) { "the latest inventory".to_owned() } else { time(change.to) };
    match change.from {
        Some(from) if change.to - from > 60 => format!("{} to {to}", time(from)),
        _ => to,
    }
}

fn changes(told: &Investigation) -> Section {
    let mut parts = Vec::new();
    if !told.changes.known {
        parts.push(Part::Text("Not known: nothing tells of interfaces and rules over time.".to_owned()));
    } else if told.changes.list.is_empty() {
        let when = if told.request.around.is_some() { " in this time" } else { "" };
        parts.push(Part::Text(format!("None that concerns it{when}, as far as the inventory tells.")));
    }
    if !told.changes.list.is_empty() {
        let row = |change: &Change| {
            vec![
                Cell::from(change_time(change)),
                Cell::code(&*change.resource),
                Cell::code(change.rule.clone().unwrap_or_default()),
                change.what.clone().into(),
            ]
        };
        parts.push(Part::Table(Table {
            title: None,
            columns: ["When", "Of", "Rule", "Change"].map(text).into(),
            rows: told.changes.list.iter().map(row).collect(),
            more: more(told.changes.more, "change"),
        }));
    }
    section("changes", "What changed in the configuration", parts)
}

fn limits(told: &Investigation) -> Section {
    let parts = if told.limits.is_empty() {
        vec![Part::Text("None that are known.".to_owned())]
    } else {
        let (bad, rest): (Vec<_>, Vec<_>) = told.limits.iter().partition(|limit| limit.incomplete);
        let mut parts: Vec<Part> = bad.iter().map(|limit| Part::Warning(limit.text.clone())).collect();
        if !rest.is_empty() {
            parts.push(Part::List(rest.iter().map(|limit| limit.text.clone()).collect()));
        }
        parts
    };
    section("limits", "How far to trust this", parts)
}

fn next(told: &Investigation) -> Section {
    let commands = told.next.iter().map(|step| (step.why.clone(), shell(&step.words))).collect();
    section("next", "Go on with", vec![Part::Commands(commands)])
}
