//! What happened around this?
//!
//! [`investigate`] gathers what a store holds of one [`Subject`] (an address, a network, an interface, an instance, a security
//! group or a rule): who it is, when and with whom it talked on what, which rules permitted it, what was rejected or
//! escaped, which findings touch it, what changed in the configuration, and how far all that can be trusted.
//!
//! Rows are read part by part with narrow conditions, added up in all threads, and the sums are put together in the order
//! of the table, so that the same is said whatever the threads. Memory holds sums by key; of keys without bound
//! (addresses of the other side) the small ones are let go of, and it is said.
//!
//! An address or a network is looked at from up to three ends: at its own interfaces, at those of others, and at gateways that
//! packets with its address pass. The same connection may be at all of them, so they are never added up.

mod changes;
mod clock;
mod configured;
mod coverage;
mod findings;
mod identity;
mod limits;
mod model;
mod next;
mod rows;
mod scan;
mod select;
mod subject;
mod sums;
mod top;
mod traffic;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::flow::address_from_bits;
use crate::store::{Store, StoreError, Table};

use clock::{Clock, DAY};
use coverage::{Covered, recorded};
use identity::{Known, block_around, identify};
use select::{Selection, select};
use sums::{Frame, Sums};
use view::{Days, finish, is_empty};

pub use crate::store::Period;
pub use changes::{Change, terms};
pub use configured::{Configuration, InterfaceState, RuleState, SubnetState};
pub use model::{
    Around, Changes, FindingNote, Findings, GroupNote, Held, Identity, Investigation, Limit, Line, LineStep,
    Name, NextStep, Nothing, Request, View,
};
pub use next::shell;
pub use subject::{Subject, SubjectError};
pub use sums::ConnectionNote;
pub use top::Ranked;
pub use traffic::{End, Opener, Service, Traffic, VERDICTS};
pub use view::first_view;

/// Changes told.
const CHANGES: usize = 40;

/// Connections told one by one, and findings.
const NOTES: usize = 20;

/// Gathers all that the store holds of a subject. `configuration` says what was configured; without it the store's tables do.
///
/// # Errors
/// When a file of the store can't be read.
pub fn investigate(
    store: &Store,
    request: &Request,
    configuration: Option<Configuration>,
) -> Result<Investigation, StoreError> {
    let configuration = match configuration {
        Some(configuration) => configuration.sorted(),
        None => Configuration::of_store(store)?,
    };
    let days = recorded(store);
    let clock = clock(request, &days);
    let found = select(store, request, &configuration)?;
    let frame = |selection: &Selection| Frame { end: selection.end, clock, notes: NOTES };
    let mut all: Vec<(End, Sums)> = view::sums(store, &found.selections, frame, request.threads)?;
    all.retain(|(_, sums)| !is_empty(sums));
    let Known { identity, interfaces, concerned } = identify(request, &configuration, &all);
    let (first, last) = (clock.from.div_euclid(DAY), clock.to.saturating_sub(1).div_euclid(DAY));
    let covered = Covered::of(store, &interfaces, (first, last))?;
    let findings = findings::touching(store, &request.subject, &interfaces, NOTES)?;
    let changes = told_changes(&configuration, &concerned, request);
    let held = held(store, &days, &configuration);
    let nothing = match all.is_empty() {
        true => Some(nothing(store, request, &configuration, &identity)?),
        false => None,
    };
    let of_days = Days { recorded: &days, covered: &covered };
    let views: Vec<View> = all
        .into_iter()
        .map(|(end, sums)| finish(sums, &Frame { end, clock, notes: NOTES }, request, &of_days))
        .collect();
    let mut investigation = Investigation {
        names: names(&configuration, &views),
        rules: rule_terms(&configuration, &views),
        request: request.clone(),
        held,
        identity,
        views,
        findings,
        changes,
        limits: Vec::new(),
        nothing,
        next: Vec::new(),
    };
    investigation.limits = limits::limits(store, &investigation, &found, &covered)?;
    investigation.next = next::next(&investigation);
    Ok(investigation)
}

/// The steps of the time line: around a time, or over all that the store has in the window.
fn clock(request: &Request, days: &BTreeSet<u32>) -> Clock {
    if let Some((at, span)) = request.around {
        return Clock::around(at, span.max(1));
    }
    let begin = days.first().map_or(0, |day| i64::from(*day) * DAY);
    let end = days.last().map_or(0, |day| (i64::from(*day) + 1) * DAY);
    let (from, to) = (request.from.unwrap_or(begin).max(begin), request.to.unwrap_or(end).min(end));
    Clock::over(from, to.max(from))
}

fn held(store: &Store, days: &BTreeSet<u32>, configuration: &Configuration) -> Held {
    let manifest = store.manifest();
    let lacks = |table: Table| match table {
        Table::Rules => configuration.rules.is_none(),
        Table::Interfaces => configuration.interfaces.is_none(),
        Table::Findings => manifest.findings.is_none(),
        table => store.table_files(table).next().is_none(),
    };
    let asked = [Table::Coverage, Table::Rules, Table::Interfaces, Table::Findings];
    Held {
        days: days.first().copied().zip(days.last().copied()),
        days_with_records: days.len() as u64,
        rows: manifest.connections.files.iter().map(|file| file.rows).sum(),
        judged_by: manifest.connections.inventories.clone(),
        lacks: asked.into_iter().filter(|table| lacks(*table)).map(Table::name).collect(),
    }
}

fn told_changes(configuration: &Configuration, concerned: &changes::Concerned, request: &Request) -> Changes {
    let mut list = changes::changes(configuration, concerned);
    let (from, to) = match request.around {
        Some((at, span)) => (at.saturating_sub(span), at.saturating_add(span)),
        None => (request.from.unwrap_or(i64::MIN), request.to.unwrap_or(i64::MAX)),
    };
    list.retain(|change| change.to >= from && change.from.unwrap_or(change.to) < to);
    let more = list.len().saturating_sub(CHANGES);
    if let Some((at, _)) = request.around {
        list.sort_by_cached_key(|change| (change.to.abs_diff(at), change.clone()));
        list.truncate(CHANGES);
        list.sort();
    } else {
        list.drain(..more);
    }
    let known = configuration.rules.is_some() && configuration.interfaces.is_some();
    Changes { known, list, more: more as u64 }
}

/// Who has the addresses that are shown.
fn names(configuration: &Configuration, views: &[View]) -> BTreeMap<IpAddr, Name> {
    let owners = configuration.owners();
    let of_view = |view: &View| -> Vec<u128> {
        let lists = [
            &view.peers.by_connections,
            &view.peers.by_bytes,
            &view.addresses.by_connections,
            &view.new_peers,
        ];
        let notes = view.escapes.iter().chain(view.around.iter().flat_map(|around| &around.near));
        let of_notes = notes.flat_map(|note| [note.local, note.remote]);
        lists.into_iter().flatten().map(|(address, _)| *address).chain(of_notes).collect()
    };
    let shown: BTreeSet<IpAddr> = views.iter().flat_map(of_view).map(address_from_bits).collect();
    let name = |address: IpAddr| {
        let owner = owners.get(&address)?;
        let label = owner.label().map(str::to_owned);
        Some((address, Name { interface: owner.id.clone(), label, instance: owner.instance.clone() }))
    };
    shown.into_iter().filter_map(name).collect()
}

fn rule_terms(configuration: &Configuration, views: &[View]) -> BTreeMap<String, RuleState> {
    let of_view = |view: &View| -> Vec<String> {
        let ranked = view.rules.by_connections.iter().chain(&view.rules.by_bytes).map(|(id, _)| id.clone());
        let notes = view.escapes.iter().chain(view.around.iter().flat_map(|around| &around.near));
        ranked.chain(notes.flat_map(|note| note.rules.clone())).collect()
    };
    let shown: BTreeSet<String> = views.iter().flat_map(of_view).collect();
    shown.into_iter().filter_map(|id| Some((id.clone(), configuration.rule(&id)?.clone()))).collect()
}

/// What comes nearest, where there is nothing.
fn nothing(
    store: &Store,
    request: &Request,
    configuration: &Configuration,
    identity: &Identity,
) -> Result<Nothing, StoreError> {
    let mut nothing = Nothing::default();
    match &request.subject {
        Subject::Address(address) => {
            nothing.configured = identity.interfaces.iter().any(|state| state.in_inventory);
            if let Some(block) = block_around(*address) {
                let subject = Subject::Network(block);
                let wider = Request { subject: subject.clone(), around: None, ..request.clone() };
                let clock = Clock::over(0, 0);
                let mut most = 0;
                let selections = select(store, &wider, configuration)?.selections;
                let frame = |selection: &Selection| Frame { end: selection.end, clock, notes: 0 };
                for (_, sums) in view::sums(store, &selections, frame, request.threads)? {
                    most = most.max(sums.total.connections);
                }
                nothing.around = (most > 0).then_some((subject, most));
            }
        }
        Subject::Network(_) => {
            nothing.configured = identity.interfaces.iter().any(|state| state.in_inventory);
        }
        Subject::Interface(id) => nothing.configured = configuration.interface(id).is_some(),
        Subject::Instance(_) => nothing.configured = !identity.interfaces.is_empty(),
        Subject::Group(id) => nothing.configured = configuration.groups().contains(id.as_str()),
        Subject::Rule(id) => nothing.configured = configuration.rule(id).is_some(),
    }
    let states = configuration.interfaces.iter().flatten();
    let known: BTreeSet<String> = match &request.subject {
        _ if nothing.configured => BTreeSet::new(),
        Subject::Interface(_) => states.map(|state| state.id.clone()).collect(),
        Subject::Instance(_) => states.filter_map(|state| state.instance.clone()).collect(),
        Subject::Group(_) => configuration.groups().into_iter().map(str::to_owned).collect(),
        Subject::Rule(_) => configuration.rules.iter().flatten().map(|rule| rule.id.clone()).collect(),
        Subject::Address(_) | Subject::Network(_) => BTreeSet::new(),
    };
    nothing.known = known.into_iter().collect();
    Ok(nothing)
}
