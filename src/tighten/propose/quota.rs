//! How many rules a group may have (domain C.7): 60 of a direction and family, and 1,000 for all groups of an interface.

use std::collections::{BTreeMap, BTreeSet};

use super::super::estate::Estate;
use crate::flow::Direction;
use crate::inventory::Rule;

/// Rules of a group, by direction and family.
const OF_GROUP: usize = 60;
/// Rules of all groups of an interface, by direction and family.
const OF_INTERFACE: usize = 1000;

/// By family: IPv4, IPv6.
pub(super) type Families = [usize; 2];

/// Room for more rules. Any set of the changes that were booked keeps the quotas: what one frees is not given to another.
#[derive(Debug)]
pub(super) struct Room<'a> {
    /// Weight of the rules now.
    now: BTreeMap<(&'a str, Direction), Families>,
    left: BTreeMap<(&'a str, Direction), Families>,
    /// Groups that interfaces have together, with what is left of an interface's quota, inbound and outbound.
    together: Vec<[Families; 2]>,
    /// Which of these each group is in.
    of_group: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Room<'a> {
    pub fn new(estate: &Estate<'a>) -> Self {
        let inventory = estate.inventory;
        let mut now: BTreeMap<(&'a str, Direction), Families> = BTreeMap::new();
        for rule in inventory.security_groups.values().flat_map(|group| &group.rules) {
            add(now.entry((&rule.group, rule.direction)).or_default(), estate.weight(&rule.peer));
        }
        let left = now.iter().map(|(key, now)| (*key, now.map(|n| OF_GROUP.saturating_sub(n)))).collect();
        // Few combinations of groups, many interfaces.
        let combinations: BTreeSet<&'a [String]> =
            inventory.interfaces.values().map(|i| i.groups.as_slice()).filter(|g| g.len() > 1).collect();
        let mut of_group: BTreeMap<&'a str, Vec<usize>> = BTreeMap::new();
        let mut together = Vec::with_capacity(combinations.len());
        for (number, groups) in combinations.into_iter().enumerate() {
            together.push([Direction::Inbound, Direction::Outbound].map(|direction| {
                let mut sum = [0; 2];
                let weights = groups.iter().filter_map(|group| now.get(&(group.as_str(), direction)));
                weights.for_each(|weight| add(&mut sum, *weight));
                sum.map(|n| OF_INTERFACE.saturating_sub(n))
            }));
            for group in groups {
                of_group.entry(group).or_default().push(number);
            }
        }
        Self { now, left, together, of_group }
    }

    /// How much rules that take the place of `rule` may weigh.
    pub fn limit(&self, rule: &'a Rule, estate: &Estate<'_>) -> Families {
        let mut limit = self.left.get(&(rule.group.as_str(), rule.direction)).copied().unwrap_or_default();
        for &number in self.of_group.get(rule.group.as_str()).into_iter().flatten() {
            let spare = self.together[number][rule.direction as usize];
            limit = [limit[0].min(spare[0]), limit[1].min(spare[1])];
        }
        add(&mut limit, estate.weight(&rule.peer));
        limit
    }

    /// Takes what `added` weighs more than `removed`. True if old and new rules fit beside each other, too.
    pub fn book(&mut self, removed: &'a Rule, added: &[Rule], estate: &Estate<'_>) -> bool {
        let before = estate.weight(&removed.peer);
        let mut after = [0; 2];
        added.iter().for_each(|rule| add(&mut after, estate.weight(&rule.peer)));
        let growth = [0, 1].map(|family: usize| after[family].saturating_sub(before[family]));
        let key = (removed.group.as_str(), removed.direction);
        if let Some(left) = self.left.get_mut(&key) {
            take(left, growth);
        }
        for &number in self.of_group.get(key.0).into_iter().flatten() {
            take(&mut self.together[number][removed.direction as usize], growth);
        }
        let now = self.now.get(&key).copied().unwrap_or_default();
        (0..2).all(|family| now[family] + after[family] <= OF_GROUP)
    }
}

fn add(sum: &mut Families, more: Families) {
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

fn take(from: &mut Families, less: Families) {
    for (from, less) in from.iter_mut().zip(less) {
        *from = from.saturating_sub(less);
    }
}
