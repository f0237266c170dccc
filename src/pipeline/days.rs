//! Which days are judged anew, and which of them together.

use std::collections::BTreeSet;

use super::stored::Window;
use crate::store::{Store, StoreError};

/// The days whose connections are to be derived.
#[derive(Debug, Default)]
pub(super) struct Stale {
    /// Those whose records changed.
    pub days: BTreeSet<u32>,
    /// These and their neighbours, as they are judged together.
    pub groups: Vec<BTreeSet<u32>>,
}

/// What is to be derived: the days that were stale already, those with `new` records, those of objects whose place others
/// took. With `all`, every day.
pub(super) fn stale(store: &Store, new: &[u32], replaced: &[u32], all: bool) -> Result<Stale, StoreError> {
    let manifest = store.manifest();
    let mut there: BTreeSet<u32> = manifest.records.iter().filter_map(|file| file.day).collect();
    there.extend(new);
    let mut stale = manifest.connections.stale.clone();
    stale.extend(new);
    stale.extend(days_of(store, replaced)?);
    if all {
        stale.extend(&there);
    }
    let groups = groups(&with_neighbours(&stale, &there));
    Ok(Stale { days: stale, groups })
}

/// The days that records of these objects are of.
fn days_of(store: &Store, objects: &[u32]) -> Result<BTreeSet<u32>, StoreError> {
    let wanted: BTreeSet<u32> = objects.iter().copied().collect();
    let mut days = BTreeSet::new();
    if !wanted.is_empty() {
        store.each_object(|row| {
            if let (true, Some(first), Some(last)) = (wanted.contains(&row.id), row.first, row.last) {
                days.extend(first / 86_400..=last / 86_400);
            }
        })?;
    }
    Ok(days)
}

/// The days before and after are told of what goes on over midnight, too, as far as the store holds them.
fn with_neighbours(days: &BTreeSet<u32>, there: &BTreeSet<u32>) -> BTreeSet<u32> {
    let near = days.iter().flat_map(|&day| day.saturating_sub(1)..=day.saturating_add(1));
    near.filter(|day| there.contains(day)).chain(days.iter().copied()).collect()
}

/// Days that are judged together: their windows, a day more on either side, would touch.
fn groups(days: &BTreeSet<u32>) -> Vec<BTreeSet<u32>> {
    let mut groups: Vec<BTreeSet<u32>> = Vec::new();
    for &day in days {
        match groups.last_mut() {
            Some(group) if group.last().is_some_and(|last| day - last <= 3) => {
                group.insert(day);
            }
            _ => groups.push(BTreeSet::from([day])),
        }
    }
    groups
}

/// The time whose records tell of the connections of these days: from a day before the first to a day after the last.
pub(super) fn window(days: &BTreeSet<u32>) -> Window {
    let second = |day: u32, more: i64| (i64::from(day) + more) * 86_400;
    (days.first().map(|&first| second(first, -1)), days.last().map(|&last| second(last, 2)))
}
