//! Which rules permit connections together.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::bounds::Bounds;
use crate::hash::mix64;

/// Combinations of two or more rules that permitted the same connections, with the number of those.
///
/// Kept until they take more than a budget. Beyond, only combinations are kept whose first rule has a hash
/// that begins with enough zero bits; so a rule either has all of its combinations here, which
/// [`RuleSets::are_all_of`] tells, or nothing is to be concluded from those that are left.
#[derive(Clone, Debug)]
pub(crate) struct SetTable {
    sets: HashMap<Box<[u32]>, u64>,
    /// Leading zero bits of the hash that a kept combination must have.
    level: u32,
    /// What is kept takes, in words of 4 bytes.
    words: usize,
    most: usize,
}

fn level(set: &[u32]) -> u32 {
    mix64(u64::from(set.first().copied().unwrap_or(0))).leading_zeros()
}

/// A combination costs its rules and this much beside, in words of 4 bytes.
const OVERHEAD: usize = 12;

impl SetTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self { sets: HashMap::new(), level: 0, words: 0, most: bounds.sets }
    }

    pub fn add(&mut self, set: &[u32], connections: u64) {
        if let Some(count) = self.sets.get_mut(set) {
            *count += connections;
            return;
        }
        if level(set) < self.level {
            return;
        }
        self.words += set.len() + OVERHEAD;
        self.sets.insert(set.into(), connections);
        while self.words > self.most && self.level < 64 {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, to: u32) {
        if to > self.level {
            self.level = to;
            self.sets.retain(|set, _| level(set) >= to);
            self.words = self.sets.keys().map(|set| set.len() + OVERHEAD).sum();
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.raise(other.level);
        for (set, count) in other.sets {
            self.add(&set, count);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.sets.allocation_size()
            + self.sets.keys().map(|set| (set.len() * 4).next_multiple_of(16) + 16).sum::<usize>()
    }

    pub fn finish(self) -> RuleSets {
        RuleSets { complete: self.level == 0, sets: self.sets.into_iter().collect() }
    }
}

/// Which rules permitted connections together, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RuleSets {
    sets: BTreeMap<Box<[u32]>, u64>,
    complete: bool,
}

impl RuleSets {
    /// Each combination with its connections.
    pub fn iter(&self) -> impl Iterator<Item = (&[u32], u64)> {
        self.sets.iter().map(|(set, &n)| (&**set, n))
    }

    /// True if no combination was left out.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// True if combinations with so many connections in all are every one of a rule that shares so many with others.
    #[must_use]
    pub fn are_all_of(&self, connections: u64, usage: &super::RuleUse) -> bool {
        self.complete || connections == usage.connections - usage.sole_connections
    }
}
