//! The sections of a view.

use super::make::more;
use super::sheet::{Cell, Column, Part, Section, Table, num, text};
use super::words::{both, ends, name, opener, service, when};
use crate::flow::address_from_bits;
use crate::investigate::{
    Around, ConnectionNote, End, Investigation, LineStep, Ranked, Subject, Traffic, VERDICTS, View, terms,
};
use crate::report::count;
use crate::report::numbers::{bytes, number, percent, time};

/// Sections of a view; of the first one also its course over time.
pub(super) fn sections(told: &Investigation, view: &View, first: bool) -> Vec<Section> {
    let id = |name: &str| format!("{}-{name}", view.end.as_str());
    let section = |name: &str, title: String, parts: Vec<Part>| Section { id: id(name), title, parts };
    // One end alone needs no name.
    let at = match (told.views.len() > 1, view.end) {
        (false, End::Own | End::Others) => String::new(),
        (false, End::Passing) => ", passing gateways".to_owned(),
        (true, End::Own) => ", at its own interfaces".to_owned(),
        (true, End::Others) => ", at the interfaces of others".to_owned(),
        (true, End::Passing) => ", passing gateways".to_owned(),
    };
    let mut all = vec![section("sums", format!("Connections{at}"), sums(told, view))];
    if let Some(around) = &view.around
        && (first || around.before.connections + around.after.connections > 0)
    {
        all.push(section("around", format!("Before and after{at}"), around_parts(told, around)));
    }
    if first {
        all.push(section("line", format!("Time line{at}"), vec![Part::TimeLine(line(told, view))]));
    }
    all.push(section("peers", format!("With whom{at}"), peers(told, view, first)));
    all.push(section("services", format!("On what{at}"), vec![Part::Table(services(view))]));
    all.push(section("rules", format!("Permitted by{at}"), vec![rules(told, view)]));
    all.push(section("verdicts", format!("Rejected and unexplained{at}"), verdicts(told, view)));
    if !matches!(told.request.subject, Subject::Interface(_)) {
        all.push(section("interfaces", format!("Where{at}"), places(told, view)));
    }
    all
}

fn sums(told: &Investigation, view: &View) -> Vec<Part> {
    let total = &view.total;
    let [by_subject, by_peer, unknown] = total.openers;
    let who = match told.request.subject {
        Subject::Rule(_) => ("the interface", "the other side"),
        _ => ("it", "others"),
    };
    let approximate = |cut: bool| if cut { "at least " } else { "" };
    let rejected: u64 = total.rejected_packets.iter().sum();
    let facts = vec![
        ("connections", number(total.connections)),
        (
            "opened by",
            format!(
                "{} {}, {} {}, {} unknown",
                who.0,
                number(by_subject),
                who.1,
                number(by_peer),
                number(unknown)
            ),
        ),
        ("accepted", format!("{} ({})", number(total.accepted), percent(total.accepted, total.connections))),
        (
            "rejected",
            format!("{} ({})", number(total.rejected()), percent(total.rejected(), total.connections)),
        ),
        ("bytes", format!("{} sent, {} received", bytes(total.bytes[0]), bytes(total.bytes[1]))),
        (
            "packets",
            format!(
                "{} sent, {} received, {} rejected, {} late",
                number(total.packets[0]),
                number(total.packets[1]),
                number(rejected),
                number(total.late_packets)
            ),
        ),
        ("others", format!("{}{}", approximate(view.peers.approximate), addresses(view.peers.distinct))),
        ("first", when(total.first)),
        ("last", when(total.last)),
    ];
    vec![Part::Facts(facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())]
}

fn peers(told: &Investigation, view: &View, first: bool) -> Vec<Part> {
    let ranked = &view.peers;
    let row = |(address, traffic): &(u128, Traffic)| {
        let address = address_from_bits(*address);
        let [sent, received] = both(traffic);
        let [by_subject, by_peer, _] = traffic.openers;
        let figures = [by_subject, by_peer, traffic.rejected()].map(|n| Cell::from(number(n)));
        let mut cells = vec![Cell::code(address.to_string()), number(traffic.connections).into()];
        cells.extend(figures);
        cells.extend([sent, received, when(traffic.first), when(traffic.last)].map(Cell::from));
        cells.push(name(told, address).into());
        cells
    };
    let columns = || {
        vec![
            text("Address"),
            num("Connections"),
            num("It opened").extra(),
            num("They opened").extra(),
            num("Rejected").extra(),
            num("Sent"),
            num("Received"),
            text("First").extra(),
            text("Last"),
            text("Is"),
        ]
    };
    let left = ranked.distinct.saturating_sub(ranked.by_connections.len() as u64);
    let mut parts = vec![Part::Table(Table {
        title: Some("Most connections".to_owned()),
        columns: columns(),
        rows: ranked.by_connections.iter().map(row).collect(),
        more: more_addresses(left),
    })];
    // The same ones in another order say nothing new.
    let known =
        |(address, _): &&(u128, Traffic)| !ranked.by_connections.iter().any(|(other, _)| other == address);
    let heavy: Vec<&(u128, Traffic)> = ranked.by_bytes.iter().filter(known).collect();
    if !heavy.is_empty() {
        parts.push(Part::Table(Table {
            title: Some("Fewer connections, but more bytes".to_owned()),
            columns: columns(),
            rows: heavy.into_iter().map(row).collect(),
            more: None,
        }));
    }
    if first && !view.new_peers.is_empty() && ranked.distinct > 1 {
        let title = if told.request.around.is_some() {
            "First contacts in this time"
        } else {
            "Latest first contacts"
        };
        let row = |(address, traffic): &(u128, Traffic)| {
            let address = address_from_bits(*address);
            vec![
                when(traffic.first).into(),
                Cell::code(address.to_string()),
                number(traffic.connections).into(),
                name(told, address).into(),
            ]
        };
        parts.push(Part::Table(Table {
            title: Some(title.to_owned()),
            columns: vec![text("First"), text("Address"), num("Connections"), text("Is")],
            rows: view.new_peers.iter().map(row).collect(),
            more: told.request.around.and_then(|_| more(view.more_new_peers, "first contact")),
        }));
    }
    parts
}

fn addresses(n: u64) -> String {
    format!("{}\u{a0}{}", number(n), if n == 1 { "address" } else { "addresses" })
}

fn more_addresses(n: u64) -> Option<String> {
    (n > 0).then(|| format!("and {} more {}", number(n), if n == 1 { "address" } else { "addresses" }))
}

fn services(view: &View) -> Table {
    let ranked = &view.services;
    let row = |(key, traffic): &(crate::investigate::Service, Traffic)| {
        let [sent, received] = both(traffic);
        vec![
            Cell::from(service(key)),
            opener(key.opener).into(),
            number(traffic.connections).into(),
            number(traffic.rejected()).into(),
            sent.into(),
            received.into(),
            when(traffic.first).into(),
            when(traffic.last).into(),
        ]
    };
    Table {
        title: None,
        columns: vec![
            text("Service"),
            text("Opener"),
            num("Connections"),
            num("Rejected").extra(),
            num("Sent"),
            num("Received"),
            text("First").extra(),
            text("Last"),
        ],
        rows: ranked.by_connections.iter().map(row).collect(),
        more: left(ranked, "service"),
    }
}

fn left<K>(ranked: &Ranked<K>, word: &str) -> Option<String> {
    more(ranked.distinct.saturating_sub(ranked.by_connections.len() as u64), word)
}

fn rules(told: &Investigation, view: &View) -> Part {
    let ranked = &view.rules;
    if ranked.by_connections.is_empty() {
        return Part::Text("No rule permits any of them.".to_owned());
    }
    let row = |(id, traffic): &(String, Traffic)| {
        let rule = told.rules.get(id);
        let group = rule.map_or_else(String::new, |rule| {
            rule.group_name
                .as_ref()
                .map_or_else(|| rule.group.clone(), |name| format!("{name} ({})", rule.group))
        });
        vec![
            Cell::code(&**id),
            number(traffic.connections).into(),
            number(traffic.sole).into(),
            bytes(traffic.all_bytes()).into(),
            when(traffic.first).into(),
            when(traffic.last).into(),
            rule.map(terms).unwrap_or_default().into(),
            group.into(),
        ]
    };
    Part::Table(Table {
        title: None,
        columns: vec![
            text("Rule"),
            num("Connections"),
            num("Sole"),
            num("Bytes"),
            text("First").extra(),
            text("Last").extra(),
            text("Permits"),
            text("Group").extra(),
        ],
        rows: ranked.by_connections.iter().map(row).collect(),
        more: left(ranked, "rule"),
    })
}

fn verdicts(told: &Investigation, view: &View) -> Vec<Part> {
    let row = |((verdict, reason), n): &((String, String), u64)| {
        vec![
            Cell::mark("verdict", &**verdict),
            number(*n).into(),
            percent(*n, view.total.connections).into(),
            reason.clone().into(),
        ]
    };
    let mut parts = vec![Part::Table(Table {
        title: None,
        columns: vec![text("Verdict"), num("Connections"), num("Share").extra(), text("Reason")],
        rows: view.reasons.iter().map(row).collect(),
        more: None,
    })];
    if !view.blocked_replies.is_empty() {
        let list = view.blocked_replies.iter();
        let list = list
            .map(|(cause, n)| format!("{} whose replies were rejected: {cause}", count(*n, "connection")));
        parts.push(Part::List(list.collect()));
    }
    if !view.escapes.is_empty() {
        let escaped = view.total.verdict("escaped");
        let shown = view.escapes.len() as u64;
        let title = if told.request.around.is_some() {
            "Accepted, and no rule explains it: the nearest"
        } else {
            "Accepted, and no rule explains it: the first"
        };
        parts.push(Part::Table(Table {
            more: more(escaped.saturating_sub(shown), "connection"),
            ..notes(title, &view.escapes)
        }));
    }
    parts
}

fn notes(title: &str, list: &[ConnectionNote]) -> Table {
    let row = |note: &ConnectionNote| {
        let [sent, received] = note.bytes.map(bytes);
        let why = if note.rules.is_empty() { note.reason.clone() } else { note.rules.join(", ") };
        vec![
            time(note.start).into(),
            Cell::mark("verdict", &*note.verdict),
            Cell::code(ends(note)),
            sent.into(),
            received.into(),
            Cell::code(&*note.interface),
            why.into(),
        ]
    };
    Table {
        title: Some(title.to_owned()),
        columns: vec![
            text("Start"),
            text("Verdict"),
            text("Connection"),
            num("Sent").extra(),
            num("Received").extra(),
            text("Interface").extra(),
            text("Rules or reason"),
        ],
        rows: list.iter().map(row).collect(),
        more: None,
    }
}

fn around_parts(told: &Investigation, around: &Around) -> Vec<Part> {
    let Some((at, span)) = told.request.around else { return Vec::new() };
    let row = |name: &str, of: &dyn Fn(&Traffic) -> String| {
        vec![Cell::from(name), of(&around.before).into(), of(&around.after).into()]
    };
    let mut rows = vec![row("connections", &|t| number(t.connections))];
    for verdict in VERDICTS {
        if around.before.verdict(verdict) + around.after.verdict(verdict) > 0 {
            rows.push(row(verdict, &|t| number(t.verdict(verdict))));
        }
    }
    rows.push(row("bytes sent", &|t| bytes(t.bytes[0])));
    rows.push(row("bytes received", &|t| bytes(t.bytes[1])));
    rows.push(row("packets rejected", &|t| number(t.rejected_packets.iter().sum())));
    let table = Table { title: None, columns: vec![text(""), num("Before"), num("After")], rows, more: None };
    let begun = around.before.connections
        + around.before.continued
        + around.after.connections
        + around.after.continued;
    let mut parts = vec![
        Part::Text(format!(
            "{} before and after {}; {} had begun before and went on.",
            crate::report::numbers::duration(span),
            time(at),
            count(around.under_way, "connection")
        )),
        Part::Table(table),
    ];
    if !around.near.is_empty() {
        parts.push(Part::Table(Table {
            more: more(begun.saturating_sub(around.near.len() as u64), "connection"),
            ..notes("The nearest ones", &around.near)
        }));
    }
    parts
}

fn places(told: &Investigation, view: &View) -> Vec<Part> {
    let row = |(id, traffic): &(String, Traffic)| {
        let [account, vpc, subnet, instance] = view.contexts.get(id).cloned().unwrap_or_default();
        let [sent, received] = both(traffic);
        let text = |text: Option<String>| Cell::from(text.unwrap_or_default());
        vec![
            Cell::code(&**id),
            number(traffic.connections).into(),
            number(traffic.rejected()).into(),
            sent.into(),
            received.into(),
            text(instance),
            text(subnet),
            text(vpc),
            text(account),
        ]
    };
    let columns = |first: Column| {
        vec![first, num("Connections"), num("Rejected").extra(), num("Sent"), num("Received")]
    };
    let mut wide = columns(text("Interface"));
    wide.extend(["Instance", "Subnet", "VPC", "Account"].map(|name| text(name).extra()));
    let mut parts = vec![Part::Table(Table {
        title: None,
        columns: wide,
        rows: view.interfaces.by_connections.iter().map(row).collect(),
        more: left(&view.interfaces, "interface"),
    })];
    if view.addresses.distinct > 1 {
        let row = |(address, traffic): &(u128, Traffic)| {
            let address = address_from_bits(*address);
            let [sent, received] = both(traffic);
            vec![
                Cell::code(address.to_string()),
                number(traffic.connections).into(),
                number(traffic.rejected()).into(),
                sent.into(),
                received.into(),
                name(told, address).into(),
            ]
        };
        let mut columns = columns(text("Address"));
        columns.push(text("Is"));
        parts.push(Part::Table(Table {
            title: Some("Its addresses".to_owned()),
            columns,
            rows: view.addresses.by_connections.iter().map(row).collect(),
            more: more_addresses(
                view.addresses.distinct.saturating_sub(view.addresses.by_connections.len() as u64),
            ),
        }));
    }
    parts
}

/// Steps with something in them; stretches without are one row.
fn line(told: &Investigation, view: &View) -> Table {
    let mut rows = Vec::new();
    let mut quiet: Option<(i64, i64, String)> = None;
    let flush = |quiet: &mut Option<(i64, i64, String)>, rows: &mut Vec<Vec<Cell>>| {
        if let Some((from, to, why)) = quiet.take() {
            let why = if why.is_empty() { "nothing" } else { &why };
            let told = format!("{why} for {}", crate::report::numbers::duration(to - from));
            let mut row = vec![Cell::from(time(from))];
            row.extend((0..6).map(|_| Cell::from("")));
            row.push(told.into());
            rows.push(row);
        }
    };
    for step in &view.line.steps {
        let (gaps, marks) = marks(told, step);
        let any = step.traffic.connections + step.traffic.continued > 0;
        if !any && marks.is_empty() {
            let why = gaps.join("; ");
            let same = quiet.as_ref().is_some_and(|(.., known)| *known == why);
            if !same {
                flush(&mut quiet, &mut rows);
            }
            quiet = Some((quiet.map_or(step.from, |(from, ..)| from), step.to, why));
            continue;
        }
        flush(&mut quiet, &mut rows);
        let marks: Vec<&str> = gaps.iter().copied().chain(marks.iter().map(String::as_str)).collect();
        let traffic = &step.traffic;
        let [sent, received] = both(traffic);
        rows.push(vec![
            time(step.from).into(),
            number(traffic.accepted).into(),
            number(traffic.rejected()).into(),
            number(traffic.verdict("escaped")).into(),
            sent.into(),
            received.into(),
            number(step.new_peers).into(),
            marks.join("; ").into(),
        ]);
    }
    flush(&mut quiet, &mut rows);
    Table {
        title: Some(format!("In steps of {}", crate::report::numbers::duration(view.line.step))),
        columns: vec![
            text("From"),
            num("Accepted"),
            num("Rejected").extra(),
            num("Escaped"),
            num("Sent"),
            num("Received"),
            num("New"),
            text("What else"),
        ],
        rows,
        more: None,
    }
}

/// Why nothing may be seen in a step, and what else happened in it.
fn marks(told: &Investigation, step: &LineStep) -> (Vec<&'static str>, Vec<String>) {
    let mut gaps = Vec::new();
    if step.no_records {
        gaps.push("no records in the store");
    }
    if step.silent {
        gaps.push("no record of its interfaces");
    }
    let mut marks = Vec::new();
    if let Some((at, _)) = told.request.around
        && at == step.from
    {
        marks.push("the time that is looked at".to_owned());
    }
    if step.skipdata > 0 {
        let when = if step.to - step.from < 86_400 { " on this day" } else { "" };
        marks.push(format!("records lost{when} ({} SKIPDATA)", number(step.skipdata)));
    }
    let within = |at: i64| (step.from..step.to).contains(&at);
    let changes = told.changes.list.iter().filter(|change| within(change.to)).count() as u64;
    if changes > 0 {
        marks.push(count(changes, "change"));
    }
    let findings = told.findings.list.iter().filter(|finding| finding.has_its_time());
    let findings = findings.filter(|finding| finding.start.is_some_and(within)).count() as u64;
    if findings > 0 {
        marks.push(count(findings, "finding"));
    }
    (gaps, marks)
}
