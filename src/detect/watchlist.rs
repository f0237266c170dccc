//! Connections with addresses that you look for.
//!
//! ## What it finds
//! With `--watchlist FILE`: connections whose other side is on the list, one finding for each entry and direction, with
//! interfaces, services, bytes, times and the rules that let them through. Attempts that were rejected are counted, and
//! told in one informational finding for each list and direction.
//!
//! ## Why it matters
//! Lists of known bad addresses are the cheapest way to see that something inside already talks to them: nobody needs to
//! know how. A connection out to such an address that was answered is the strongest sign of all.
//!
//! ## How it decides
//! Each address is looked up in all lists; the smallest entry that holds it counts. Outbound connections that exchanged
//! data are high, other outbound ones and accepted inbound ones medium, rejected ones informational. Four outcomes are
//! told apart: `data`, `answered` (no data), `refused` (RST) and `unanswered`. The direction is that of whoever opened the
//! connection; the grade is `weak` where most openers rest on port numbers alone.
//!
//! ## When it is wrong
//! Lists age: addresses of clouds and home connections change hands within days. Broad entries hold many innocents;
//! entries of private addresses are warned about. Behind a proxy or a load balancer the other side is that, and the
//! address on the list is not in the log.
//!
//! ## Tuning
//! `--watchlist` may be repeated. Accepted are plain lists (addresses, CIDRs, `a - b`; `#`, `;` and `//` comments), netsets,
//! DROP lists, CSV with the address in any column, JSON and JSON lines, defanged, gzip. A line that can't be read is
//! counted and named under what was not used. `--skip watchlist` turns it off.
//!
//! ## What to do
//! Outbound: find the process on the instance, and isolate it if it can't be explained. Inbound: close what let it in,
//! unless the service is meant for everybody.

use std::collections::BTreeMap;

use serde_json::json;

use super::sums::{LISTED, Outcomes, approximations, places, ports, rules};
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{Knocks, OddCell, OddKey, Outcome, Rollups, Watched};

/// See the file's manual.
pub(super) struct Watchlist;

static META: Meta = Meta {
    id: "watchlist",
    kind: Kind::Watchlist,
    title: "connections with addresses on your watch lists",
    manual: include_str!("watchlist.rs"),
};

/// Number of an entry or a list, and direction.
type About<N> = (N, Option<Direction>);

type Cell<'r> = (&'r OddKey<Watched>, &'r OddCell);

impl Detector for Watchlist {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let sums = &input.rollups.watched;
        let mut accepted: BTreeMap<About<u32>, Vec<Cell<'_>>> = BTreeMap::new();
        for (key, cell) in sums.accepted.iter() {
            accepted.entry((key.subject.entry, key.direction)).or_default().push((key, cell));
        }
        let mut rejected: BTreeMap<About<usize>, Vec<(u32, &Knocks)>> = BTreeMap::new();
        for ((entry, direction), knocks) in &sums.rejected {
            let Some(of) = sums.entries.get(entry) else { continue };
            if !accepted.contains_key(&(*entry, *direction)) {
                rejected.entry((of.list, *direction)).or_default().push((*entry, knocks));
            }
        }
        let told = accepted.iter().filter_map(|(&about, cells)| let_through(input.rollups, about, cells));
        let stopped = rejected.iter().filter_map(|(&about, knocks)| stopped(input.rollups, about, knocks));
        told.chain(stopped).filter_map(finish).collect()
    }
}

fn word(direction: Option<Direction>) -> &'static str {
    direction.map_or("undirected", Direction::as_str)
}

fn let_through(
    rollups: &Rollups,
    (number, direction): About<u32>,
    cells: &[Cell<'_>],
) -> Option<FindingBuilder> {
    let sums = &rollups.watched;
    let entry = sums.entries.get(&number)?;
    let list = sums.names.get(entry.list).map_or("", String::as_str);
    let mut reached = Outcomes::default();
    let mut services: BTreeMap<(Protocol, Option<Ports>), u64> = BTreeMap::new();
    for &(key, cell) in cells {
        reached.add(key, cell, key.subject.outcome);
        let port = ports(&sums.accepted, key).filter(|_| key.direction.is_some());
        *services.entry((key.protocol, port)).or_default() += cell.connections;
    }
    let mut services: Vec<_> = services.into_iter().collect();
    services.sort_by_key(|&((protocol, port), connections)| (std::cmp::Reverse(connections), protocol, port));
    let rows = reached.sum.rows(rollups);
    let outbound = direction == Some(Direction::Outbound);
    let severity =
        if outbound && reached.best() == Outcome::Data { Severity::High } else { Severity::Medium };
    let label = entry.label.as_deref().unwrap_or("no label");
    let what = match services.as_slice() {
        [((protocol, Some(Ports::One(port))), _)] if *protocol == Protocol::TCP => {
            format!("{protocol} {}", services::name(*port))
        }
        [((protocol, Some(port)), _)] => format!("{protocol} {port}"),
        [((protocol, None), _)] => protocol.to_string(),
        many => counted(many.len() as u64, "service"),
    };
    let preposition = if outbound { "to" } else { "from" };
    let title = format!(
        "{} {what} {preposition} {} ({label}, {list}) was accepted at {}",
        word(direction),
        entry.text,
        places(&rows)
    );
    let summary = format!(
        "{} with {} of the entry: {} with data; {}.",
        counted(reached.sum.connections, "connection"),
        counted(reached.sum.remotes.distinct(), "address"),
        reached.of(Outcome::Data),
        counted(reached.sum.bytes, "byte")
    );
    let protocol = services.first().map(|((protocol, _), _)| *protocol);
    let same = services.iter().all(|((other, _), _)| Some(*other) == protocol);
    let listed: Vec<Ports> = services.iter().filter_map(|((_, port), _)| *port).take(LISTED).collect();
    let told = services.iter().take(LISTED).map(|((protocol, port), connections)| {
        let port = port.map(|p| p.to_string());
        json!({"protocol": protocol.to_string(), "port": port, "connections": connections})
    });
    let told: Vec<_> = told.collect();
    let mut builder = FindingBuilder::new(META.id, META.kind, if outbound { "contacted" } else { "let-in" })
        .about(list)
        .about(entry.text.clone())
        .about(word(direction))
        .rated(severity, reached.sum.grade().0)
        .told(title, summary)
        .service(direction, protocol.filter(|_| same).map(|p| p.to_string()), listed)
        .evidence("entry", entry.text.clone())
        .evidence("label", entry.label.clone())
        .evidence("list", list)
        .evidence("services", json!(told))
        .evidence("rules", json!(rules(rollups, &reached.sum.rules)));
    if let Some(knocks) = sums.rejected.get(&(number, direction)) {
        builder = builder.count("rejected", knocks.connections);
    }
    builder = approximations(reached.tell(builder, rollups), &sums.accepted, &reached.sum);
    let next = if outbound {
        format!("find out on {} which process connects to {}", places(&rows), reached.sum.who())
    } else {
        format!(
            "look at {} what {} did there, and whether the rules must let it in",
            places(&rows),
            reached.sum.who()
        )
    };
    Some(builder.next(next).with(|finding| {
        let mut known = reached.sum.rules.iter().filter_map(|number| rollups.named_rules.get(number));
        // One rule is named where there is one.
        finding.rule_id = known.next().filter(|_| reached.sum.rules.len() == 1).cloned();
    }))
}

fn stopped(
    rollups: &Rollups,
    (list, direction): About<usize>,
    knocks: &[(u32, &Knocks)],
) -> Option<FindingBuilder> {
    let sums = &rollups.watched;
    let name = sums.names.get(list)?;
    let connections: u64 = knocks.iter().map(|(_, k)| k.connections).sum();
    let mut most: Vec<_> = knocks.to_vec();
    most.sort_by_key(|(entry, k)| (std::cmp::Reverse(k.connections), *entry));
    let text = |entry: &u32| sums.entries.get(entry).map(|e| e.text.clone()).unwrap_or_default();
    let shown: Vec<_> = most
        .iter()
        .take(LISTED)
        .map(|(entry, k)| {
            let label = sums.entries.get(entry).and_then(|e| e.label.clone());
            json!({"entry": text(entry), "label": label, "connections": k.connections})
        })
        .collect();
    let attempts = counted(connections, "attempt");
    let entries = match knocks.len() {
        1 => "1 entry".to_owned(),
        n => format!("{n} entries"),
    };
    let mut builder = FindingBuilder::new(META.id, META.kind, "rejected")
        .about(name.clone())
        .about("rejected")
        .about(word(direction))
        .rated(Severity::Informational, Grade::Reliable)
        .told(
            format!("{attempts} ({}) with {entries} of {name} were rejected", word(direction)),
            format!(
                "Most with {}. Nothing of these entries was accepted.",
                most.first().map(|(e, _)| text(e))?
            ),
        )
        .service(direction, None, Vec::new())
        .during(
            knocks.iter().map(|(_, k)| i64::from(k.first)).min(),
            knocks.iter().map(|(_, k)| i64::from(k.last)).max(),
        )
        .count("connections", connections)
        .count("entries", knocks.len() as u64)
        .evidence("list", name.clone())
        .evidence("entries", json!(shown))
        .next(if direction == Some(Direction::Outbound) {
            "find out what inside wants to reach them: `--connections FILE` writes every attempt"
        } else {
            "nothing: they were stopped"
        })
        .with(|finding| finding.remotes = most.iter().take(LISTED).map(|(entry, _)| text(entry)).collect());
    if sums.rejected_scale > 1 {
        builder = builder.evidence("approximate", true).evidence("one_entry_told_of", sums.rejected_scale);
    }
    Some(builder)
}
