//! For how long something stayed the same: what tables of the configuration are made of.

use std::collections::{BTreeMap, BTreeSet};

use super::lane::begins;
use super::{Anchor, Inventory, NetworkInterface, Rule, SecurityGroup, Timeline, Trust};

/// A stretch of time in which something stayed the same, as far as is known: `appeared_after` ≤ `seen_from` ≤ `seen_to`
/// ≤ `gone_by`, all in Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// It was not so yet; `None` if nothing is known from before.
    pub appeared_after: Option<i64>,
    /// The first time at which it is known to have been so; `None` if only an undated dump says so.
    pub seen_from: Option<i64>,
    /// The last such time.
    pub seen_to: Option<i64>,
    /// It was not so any more; `None` if it still is, as far as is known. [`Stretch::UNDATED`] if an undated dump says so.
    pub gone_by: Option<i64>,
}

impl Stretch {
    /// 9999-12-31T23:59:59Z: some time, but nobody said when.
    pub const UNDATED: i64 = 253_402_300_799;
}

fn dated(time: i64) -> Option<i64> {
    (time < i64::MAX).then_some(time)
}

/// The stretches of what `value` sees of a resource, in the order of time.
fn stretches<'a, T, V>(
    anchors: &[Anchor<'a, T>],
    value: impl Fn(usize, &'a T) -> Option<V>,
    same: impl Fn(&V, &V) -> bool,
) -> Vec<(V, Stretch)> {
    let mut all: Vec<(V, Stretch)> = Vec::new();
    // The last anchor that tells something, and whether what it told of goes on.
    let (mut last, mut open): (Option<usize>, bool) = (None, false);
    for (at, anchor) in anchors.iter().enumerate() {
        if anchor.trust == Trust::Partial {
            // Nothing was recorded any more.
            continue;
        }
        // When this state may have begun, and the one before was still there.
        let since = last.map(|last| match last + 1 == at {
            true => begins(anchors, at),
            false => anchors[last].confirmed,
        });
        last = Some(at);
        let now = anchor.state.and_then(|state| value(at, state));
        if let (true, Some((was, stretch))) = (open, all.last_mut()) {
            if now.as_ref().is_some_and(|now| same(was, now)) {
                stretch.seen_to = stretch.seen_to.max(dated(anchor.confirmed));
                now.into_iter().for_each(|now| *was = now);
                continue;
            }
            stretch.seen_to = stretch.seen_to.max(since);
            stretch.gone_by = Some(anchor.time.min(Stretch::UNDATED));
        }
        open = now.is_some();
        all.extend(now.map(|now| {
            let stretch = Stretch {
                appeared_after: since,
                seen_from: dated(anchor.time),
                seen_to: dated(anchor.confirmed),
                gone_by: None,
            };
            (now, stretch)
        }));
    }
    all
}

impl Timeline {
    /// Every rule that ever was, with its group as it was last seen with it, for as long as it stayed the same; by group
    /// and id, in the order of time.
    #[must_use]
    pub fn rules_over_time(&self) -> Vec<(&SecurityGroup, &Rule, Stretch)> {
        let mut all = Vec::new();
        for id in self.ids(|h| &h.security_groups, |i| &i.security_groups) {
            let mut anchors = self.anchors(id, |h| &h.security_groups, |i| &i.security_groups);
            self.date(&mut anchors, |i| i.security_groups.contains_key(id));
            all.extend(of_group(&anchors));
        }
        all
    }

    /// Every interface that ever was, for as long as it stayed the same; by id, in the order of time.
    #[must_use]
    pub fn interfaces_over_time(&self) -> Vec<(&NetworkInterface, Stretch)> {
        let ids = self.ids(|h| &h.interfaces, |i| &i.interfaces);
        let of_one = |id| {
            let mut anchors = self.anchors(id, |h| &h.interfaces, |i| &i.interfaces);
            self.date(&mut anchors, |i| i.interfaces.contains_key(id));
            stretches(&anchors, |_, interface| Some(interface), |a, b| alike(a, b))
        };
        ids.into_iter().flat_map(of_one).collect()
    }

    /// What an undated dump confirms is confirmed by the last dated one, too: that has a time.
    fn date<T>(&self, anchors: &mut [Anchor<'_, T>], has_it: impl Fn(&Inventory) -> bool) {
        let Some(last) = anchors.last_mut().filter(|last| last.time < i64::MAX) else { return };
        if last.confirmed == i64::MAX {
            let dated = self.observations().iter().rev().filter(|o| has_it(o)).find_map(|o| o.observed_at);
            last.confirmed = dated.unwrap_or(last.time).max(last.time);
        }
    }
}

fn of_group<'a>(anchors: &[Anchor<'a, SecurityGroup>]) -> Vec<(&'a SecurityGroup, &'a Rule, Stretch)> {
    let rules = |anchor: &Anchor<'a, SecurityGroup>| -> BTreeMap<&'a str, &'a Rule> {
        let group: Option<&'a SecurityGroup> = anchor.state;
        group.into_iter().flat_map(|group| &group.rules).map(|rule| (rule.id.as_str(), rule)).collect()
    };
    let by_anchor: Vec<BTreeMap<&str, &Rule>> = anchors.iter().map(rules).collect();
    let ids: BTreeSet<&str> = by_anchor.iter().flat_map(|rules| rules.keys().copied()).collect();
    let mut all = Vec::new();
    for id in ids {
        let value = |at: usize, group: &'a SecurityGroup| by_anchor[at].get(id).map(|rule| (group, *rule));
        let same = |(_, a): &(_, &Rule), (_, b): &(_, &Rule)| a.same_as(b) && a.description == b.description;
        let of_rule = stretches(anchors, value, same);
        all.extend(of_rule.into_iter().map(|((group, rule), stretch)| (group, rule, stretch)));
    }
    all
}

/// They differ in nothing that says who they are, where, and in which groups.
fn alike(a: &NetworkInterface, b: &NetworkInterface) -> bool {
    let of = |i: &NetworkInterface| {
        let name = i.tags.get("Name").cloned();
        let place = [&i.account, &i.region, &i.vpc, &i.subnet, &i.instance].map(Clone::clone);
        let texts = (i.kind.clone(), i.description.clone(), name);
        (place, texts, i.addresses.clone(), i.public_addresses.clone(), i.groups.clone())
    };
    a == b || of(a) == of(b)
}

#[cfg(test)]
#[path = "stretches_tests.rs"]
mod tests;
