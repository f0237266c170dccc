//! The changes of a group and direction must go together: no two may authorise the same rule, and none a rule that is there.

use std::collections::BTreeMap;

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
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let mut left = BTreeMap::new();
    for at in 0..drafts.len() {
        let Some(mut draft) = drafts[at].take() else { continue };
        let own: Vec<String> = draft.remove.iter().map(|rule| rule.id.clone()).collect();
        for add in std::mem::take(&mut draft.add) {
            let Some(there) = existing.get(&key(&add)).filter(|id| !own.iter().any(|own| own == *id)) else {
                draft.add.push(add);
                continue;
            };
            // It stays, so that this change does not depend on another.
            let becomes = own.first().map_or("", String::as_str);
            for other in &mut drafts {
                let goes = other.as_ref().is_some_and(|o| o.remove.iter().any(|rule| rule.id == *there));
                if let Some(other) = other.take_if(|_| goes) {
                    for rule in other.remove {
                        left.insert(rule.id, format!("it is part of what {becomes} would become"));
                    }
                }
            }
            draft.reasons.push(format!("{there} permits part of it already"));
        }
        drafts[at] = Some(draft);
    }
    let mut settled: Vec<Draft> = Vec::new();
    for draft in drafts.into_iter().flatten() {
        let shares = |other: &Draft| other.add.iter().any(|a| draft.add.iter().any(|b| key(a) == key(b)));
        // It may join several that had nothing in common before.
        let (with, others): (Vec<Draft>, Vec<Draft>) = settled.into_iter().partition(shares);
        settled = others;
        settled.push(with.into_iter().fold(draft, combined));
    }
    (settled, left)
}

fn combined(one: Draft, two: Draft) -> Draft {
    // In the order in which they came.
    let (mut one, two) = (two, one);
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
