//! Which rules others make unnecessary: by what was seen, and by configuration alone.

use std::collections::{BTreeMap, BTreeSet};

use super::rule_class::openness;
use crate::rollup::{Rollups, RuleFacts};

/// Which rules others make unnecessary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Redundancy {
    /// Redundant rules with what covers for them.
    pub redundant: BTreeMap<u32, Cover>,
    /// Rules of which it cannot be said, because combinations of rules were left out.
    pub unknown: BTreeSet<u32>,
}

/// What covers for a redundant rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cover {
    /// Rules that permitted its connections, too, with how many of them, most first.
    pub rules: Vec<(u32, u64)>,
    /// Whether one of them does so by configuration.
    pub shadow: Shadow,
}

/// Whether everything that a rule permits others permit by configuration, whatever the traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shadow {
    /// Rules of its own group do: wherever it holds, they hold, too.
    SameGroup(Vec<u32>),
    /// At every interface that its group is attached to now some rule of another group does.
    EveryInterface(Vec<u32>),
    /// Only in practice.
    None,
}

/// Rules whose every connection some other rule permits, too, with those others; none that a connection of unknown
/// opener may have needed. Taken from the narrowest up, and a rule that covers for a redundant one is never called
/// redundant itself.
pub(super) fn redundancy(rollups: &Rollups) -> Redundancy {
    let current: BTreeSet<u32> = rollups.rules.iter().map(|r| r.number).collect();
    let mut candidates: Vec<&RuleFacts> = rollups
        .rules
        .iter()
        .filter(|r| r.usage.connections > 0 && r.usage.sole_connections == 0 && r.usage.undecided == 0)
        .collect();
    candidates.sort_by(|a, b| openness(a).total_cmp(&openness(b)).then_with(|| a.id.cmp(&b.id)));
    let mut sets_of: BTreeMap<u32, Vec<(&[u32], u64)>> = BTreeMap::new();
    for (set, count) in rollups.sets.iter() {
        for &rule in set {
            sets_of.entry(rule).or_default().push((set, count));
        }
    }
    let mut judged = Redundancy::default();
    for candidate in candidates {
        let number = candidate.number;
        let sets = sets_of.get(&number).map_or(&[][..], Vec::as_slice);
        if !rollups.sets.are_all_of(sets.iter().map(|(_, n)| n).sum(), &candidate.usage) {
            judged.unknown.insert(number);
            continue;
        }
        if sets.is_empty() {
            continue;
        }
        let stays =
            |rule: &u32| *rule != number && current.contains(rule) && !judged.redundant.contains_key(rule);
        if !sets.iter().all(|(set, _)| set.iter().any(&stays)) {
            continue;
        }
        let mut covering: BTreeMap<u32, u64> = BTreeMap::new();
        for (set, count) in sets {
            for rule in set.iter().filter(|r| stays(r)) {
                *covering.entry(*rule).or_default() += count;
            }
        }
        let mut rules: Vec<(u32, u64)> = covering.into_iter().collect();
        rules.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let shadow = shadow(rollups, candidate, &rules);
        judged.redundant.insert(number, Cover { rules, shadow });
    }
    judged
}

fn shadow(rollups: &Rollups, narrow: &RuleFacts, covering: &[(u32, u64)]) -> Shadow {
    let wide: Vec<&RuleFacts> = covering
        .iter()
        .filter_map(|(number, _)| rollups.rule(*number))
        .filter(|wide| contains(wide, narrow))
        .collect();
    let numbers = |rules: Vec<&&RuleFacts>| rules.into_iter().map(|rule| rule.number).collect::<Vec<_>>();
    let same: Vec<&&RuleFacts> = wide.iter().filter(|wide| wide.group == narrow.group).collect();
    if !same.is_empty() {
        return Shadow::SameGroup(numbers(same));
    }
    let has = |wide: &RuleFacts, id: &String| wide.interfaces.binary_search(id).is_ok();
    let everywhere = narrow.interfaces.iter().all(|id| wide.iter().any(|wide| has(wide, id)));
    match !wide.is_empty() && everywhere && !narrow.interfaces.is_empty() {
        true => Shadow::EveryInterface(numbers(wide.iter().collect())),
        false => Shadow::None,
    }
}

/// True if `wide` permits every packet that `narrow` does, at an interface that has both.
pub(super) fn contains(wide: &RuleFacts, narrow: &RuleFacts) -> bool {
    let protocol = wide.protocol.is_none() || wide.protocol == narrow.protocol;
    let ports = match (wide.ports, narrow.ports) {
        (None, _) => true,
        (Some(w), Some(n)) => w.0 <= n.0 && n.1 <= w.1,
        (Some(w), None) => w == (0, u16::MAX) && narrow.protocol.is_some(),
    };
    let icmp = match (wide.icmp, narrow.icmp) {
        (None, _) => true,
        (Some((kind, code)), narrow) => {
            kind == -1 || narrow.is_some_and(|narrow| narrow.0 == kind && (code == -1 || narrow.1 == code))
        }
    };
    let peers = match (&wide.blocks, &narrow.blocks) {
        (Some(wide), Some(narrow)) => narrow.iter().all(|n| wide.iter().any(|w| w.contains(n))),
        (None, None) => wide.peer_text == narrow.peer_text,
        _ => false,
    };
    wide.direction == narrow.direction && protocol && ports && icmp && peers
}
