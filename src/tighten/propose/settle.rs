//! The changes of a group and direction must go together: no two may authorise the same rule, and none a rule that is there.

use std::collections::{BTreeMap, BTreeSet};

use super::Draft;
use crate::inventory::Rule;
use crate::tighten::plan::Action;

/// What a rule permits, as its synthetic id.
fn key(rule: &Rule) -> String {
    rule.synthetic_id()
}

/// Settles the drafts; `rules` are those of the group and direction. Returns the drafts that are left, and why rules are
/// left as they are whose drafts had to go.
pub(super) fn settle(drafts: Vec<Draft>, rules: &[&Rule]) -> (Vec<Draft>, BTreeMap<String, String>) {
    let existing: BTreeMap<String, &str> = rules.iter().rev().map(|rule| (key(rule), &*rule.id)).collect();
    let mut removed_by: BTreeMap<String, usize> = BTreeMap::new();
    for (at, draft) in drafts.iter().enumerate() {
        removed_by.extend(draft.remove.iter().map(|rule| (rule.id.clone(), at)));
    }
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let mut left = BTreeMap::new();
    for at in 0..drafts.len() {
        let Some(mut draft) = drafts[at].take() else { continue };
        for add in std::mem::take(&mut draft.add) {
            let there = existing.get(&key(&add)).filter(|id| removed_by.get(**id) != Some(&at));
            let Some(there) = there else {
                draft.add.push(add);
                continue;
            };
            // It stays, so that this change does not depend on another.
            if let Some(other) = removed_by.get(*there).and_then(|other| drafts[*other].take()) {
                let becomes = draft.remove.first().map_or("", |rule| rule.id.as_str());
                for rule in other.remove {
                    left.insert(rule.id, format!("it is part of what {becomes} would become"));
                }
            }
            draft.reasons.push(format!("{there} permits part of it already"));
        }
        drafts[at] = Some(draft);
    }
    // Those that authorise the same rule become one.
    let mut by_key: BTreeMap<String, usize> = BTreeMap::new();
    let mut settled: Vec<Option<Draft>> = Vec::new();
    for mut draft in drafts.into_iter().flatten() {
        let keys: Vec<String> = draft.add.iter().map(key).collect();
        // In the order in which they came.
        let with: BTreeSet<usize> = keys.iter().filter_map(|key| by_key.get(key)).copied().collect();
        for before in with.into_iter().rev() {
            if let Some(before) = settled[before].take() {
                draft = combined(before, draft);
            }
        }
        for key in draft.add.iter().map(key) {
            by_key.insert(key, settled.len());
        }
        settled.push(Some(draft));
    }
    (settled.into_iter().flatten().collect(), left)
}

fn combined(mut one: Draft, two: Draft) -> Draft {
    one.remove.extend(two.remove);
    one.remove.sort_by(|a, b| a.id.cmp(&b.id));
    for rule in two.add {
        if !one.add.iter().any(|known| key(known) == key(&rule)) {
            one.add.push(rule);
        }
    }
    for reason in two.reasons {
        if !one.reasons.contains(&reason) {
            one.reasons.push(reason);
        }
    }
    if one.action != two.action {
        one.action = Action::Narrow;
    }
    one.why = format!("{}; and {}", one.why, two.why);
    one.grade = one.grade.max(two.grade);
    one.interrupts |= two.interrupts;
    // Each has a curve of its own, which says nothing about both.
    one.curve.clear();
    one
}
