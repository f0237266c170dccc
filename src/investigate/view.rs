//! From the rows of one end to what is said of them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::clock::{Clock, DAY};
use super::coverage::Covered;
use super::model::{Around, Line, LineStep, Request, View};
use super::rows::{COLUMNS, each};
use super::scan::parts;
use super::select::Selection;
use super::sums::{Frame, Sums};
use super::traffic::{End, Traffic};
use crate::store::{Store, StoreError, Table, TableScan};

/// Sums of all rows of each selection, in their order. The same whatever the number of threads. Selections that want the same of
/// the table are read together.
pub(super) fn sums(
    store: &Store,
    selections: &[Selection],
    frame: impl Fn(&Selection) -> Frame,
    threads: usize,
) -> Result<Vec<(End, Sums)>, StoreError> {
    let mut all: Vec<Option<Sums>> = selections.iter().map(|_| None).collect();
    for (at, selection) in selections.iter().enumerate() {
        if all[at].is_some() {
            continue;
        }
        let alike = |number: &usize| selections[*number].wanted == selection.wanted;
        let numbers: Vec<usize> = (at..selections.len()).filter(alike).collect();
        let seen: Vec<(&Selection, Frame)> =
            numbers.iter().map(|&number| (&selections[number], frame(&selections[number]))).collect();
        for (number, sums) in numbers.into_iter().zip(together(store, &seen, threads)?) {
            all[number] = Some(sums);
        }
    }
    let ends = selections.iter().map(|selection| selection.end);
    Ok(ends.zip(all).filter_map(|(end, sums)| Some((end, sums?))).collect())
}

/// Sums of selections that want the same of the table.
fn together(store: &Store, seen: &[(&Selection, Frame)], threads: usize) -> Result<Vec<Sums>, StoreError> {
    let Some((first, _)) = seen.first() else { return Ok(Vec::new()) };
    let scan = TableScan::new(store, Table::Connections, &COLUMNS, first.wanted.clone())?;
    let nothing = || -> Vec<Sums> { seen.iter().map(|(_, frame)| Sums::new(frame)).collect() };
    let mut all = nothing();
    let sum = |batches: &[arrow::array::RecordBatch]| {
        let mut part = nothing();
        for batch in batches {
            each(batch, |row| {
                for ((selection, frame), sums) in seen.iter().zip(&mut part) {
                    if selection.also.fits(row) {
                        sums.push(row, frame);
                    }
                }
            })?;
        }
        Ok(part)
    };
    let merge = |part: Vec<Sums>| all.iter_mut().zip(part).for_each(|(all, part)| all.merge(part));
    parts(&scan, Table::Connections, threads, sum, merge)?;
    Ok(all)
}

/// What is known of days.
pub(super) struct Days<'a> {
    /// Those of which the store has records.
    pub recorded: &'a BTreeSet<u32>,
    /// Those of the subject's interfaces.
    pub covered: &'a Covered,
}

pub(super) fn finish(sums: Sums, frame: &Frame, request: &Request, days: &Days<'_>) -> View {
    let shown = request.shown;
    let (new_peers, more_new_peers) = new_peers(&sums, frame, shown);
    let line = line(&sums, frame, days);
    let interfaces = sums.interfaces.ranked(shown);
    let mut reasons = sums.reasons;
    reasons.sort_by(|(a, n), (b, m)| (Reverse(n), a).cmp(&(Reverse(m), b)));
    let mut blocked_replies = sums.blocked_replies;
    blocked_replies.sort_by(|(a, n), (b, m)| (Reverse(n), a).cmp(&(Reverse(m), b)));
    let contexts: BTreeMap<String, [Option<String>; 4]> = interfaces
        .by_connections
        .iter()
        .chain(&interfaces.by_bytes)
        .filter_map(|(id, _)| Some((id.clone(), sums.contexts.get(id)?.1.clone())))
        .collect();
    View {
        end: frame.end,
        total: sums.total,
        reasons,
        blocked_replies,
        peers: sums.peers.ranked(shown),
        addresses: sums.addresses.ranked(shown),
        services: sums.services.ranked(shown),
        rules: sums.rules.ranked(shown),
        interfaces,
        contexts,
        line,
        new_peers,
        more_new_peers,
        escapes: sums.escapes.in_order(),
        around: frame.clock.at.map(|_| Around {
            before: sums.before,
            after: sums.after,
            under_way: sums.under_way,
            near: sums.near.in_order(),
        }),
    }
}

/// Other sides by when they were seen first: around the time that is looked at, else the latest.
fn new_peers(sums: &Sums, frame: &Frame, shown: usize) -> (Vec<(u128, Traffic)>, u64) {
    let Clock { at, .. } = frame.clock;
    let first = |traffic: &Traffic| traffic.first.unwrap_or_default();
    let within = sums.peers.each().filter(|(_, traffic)| frame.clock.holds(first(traffic)));
    let mut all: Vec<(u128, Traffic)> = within.map(|(peer, traffic)| (*peer, *traffic)).collect();
    let rank = |traffic: &Traffic| match at {
        Some(at) => first(traffic).abs_diff(at),
        None => u64::MAX - first(traffic).unsigned_abs(),
    };
    all.sort_unstable_by_key(|(peer, traffic)| (rank(traffic), *peer));
    let more = all.len().saturating_sub(shown) as u64;
    all.truncate(shown);
    all.sort_unstable_by_key(|(peer, traffic)| (first(traffic), *peer));
    (all, more)
}

fn line(sums: &Sums, frame: &Frame, days: &Days<'_>) -> Line {
    let clock = &frame.clock;
    let mut new_peers: BTreeMap<i64, u64> = BTreeMap::new();
    for (_, traffic) in sums.peers.each() {
        if let Some(step) = traffic.first.and_then(|first| clock.step_of(first)) {
            *new_peers.entry(step).or_default() += 1;
        }
    }
    let step = |(number, from, to): (i64, i64, i64)| {
        let touched = || {
            let first = u32::try_from(from.div_euclid(DAY)).unwrap_or(0);
            first..=u32::try_from((to - 1).div_euclid(DAY)).unwrap_or(0)
        };
        let no_records = touched().all(|day| !days.recorded.contains(&day));
        let covered = days.covered;
        LineStep {
            from,
            to,
            traffic: sums.steps.get(&number).copied().unwrap_or_default(),
            new_peers: new_peers.get(&number).copied().unwrap_or(0),
            no_records,
            silent: covered.known && !no_records && touched().all(|day| !covered.days.contains_key(&day)),
            // When on its day is not known: told once, where the day begins.
            skipdata: touched()
                .filter(|day| i64::from(*day) * DAY >= from || from == clock.from)
                .filter_map(|day| covered.days.get(&day))
                .sum(),
        }
    };
    Line { step: clock.step, steps: clock.steps().map(step).collect() }
}

/// Whether there is any row at all.
pub(super) fn is_empty(sums: &Sums) -> bool {
    sums.total.connections + sums.total.continued == 0
}

/// The view that says most: that of its own interfaces, if there is one, else that of others.
#[must_use]
pub fn first_view(views: &[View]) -> Option<&View> {
    views.iter().min_by_key(|view| view.end)
}
