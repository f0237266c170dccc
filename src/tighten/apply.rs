//! What an inventory would be, were some changes made.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::{Change, Plan};
use crate::flow::{Direction, Protocol};
use crate::inventory::{Inventory, Rule};

/// What is to be done to the rules of one group and direction, all chosen changes together.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// `sg-…`.
    pub group: String,
    /// Direction of the rules.
    pub direction: Direction,
    /// Rules to authorise: those that are not there yet. Sorted, each once.
    pub add: Vec<Rule>,
    /// Rules to revoke, as the inventory has them. Sorted, each once.
    pub remove: Vec<Rule>,
}

/// What the chosen changes of a plan come to, and what of them cannot be done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edits {
    /// By group and direction. None is empty.
    pub edits: Vec<Edit>,
    /// What does not fit the inventory, one sentence each.
    pub problems: Vec<String>,
}

impl Edits {
    /// Works them out. A rule that one change takes out and another puts in stays as it is; one that is there already
    /// is not authorised again, which AWS would refuse (`InvalidPermission.Duplicate`).
    #[must_use]
    pub fn new(plan: &Plan, inventory: &Inventory, chosen: impl Fn(&Change) -> bool) -> Self {
        let mut by_place: BTreeMap<(&str, Direction), Vec<&Change>> = BTreeMap::new();
        for change in plan.changes.iter().filter(|change| chosen(change)) {
            by_place.entry((&change.group, change.direction)).or_default().push(change);
        }
        let mut all = Self::default();
        for ((id, direction), changes) in by_place {
            let Some(group) = inventory.security_groups.get(id) else {
                all.problems.push(format!("{id} is not in the inventory: nothing is changed there"));
                continue;
            };
            let there: Vec<&Rule> = group.rules.iter().filter(|rule| rule.direction == direction).collect();
            let mut add: BTreeMap<String, Rule> = BTreeMap::new();
            for rule in changes.iter().flat_map(|change| &change.add) {
                if rule.group != *id || rule.direction != direction {
                    all.problems
                        .push(format!("{}: a rule of another group or direction is left out", rule.id));
                    continue;
                }
                add.entry(key(rule)).or_insert_with(|| rule.clone());
            }
            let mut remove: BTreeMap<&str, Rule> = BTreeMap::new();
            for wanted in changes.iter().flat_map(|change| &change.remove) {
                match there.iter().find(|rule| rule.id == wanted.id) {
                    // Changed since the plan was made: what is there now was not judged.
                    Some(rule) if key(rule) != key(wanted) => all.problems.push(format!(
                        "{} is no longer what the plan was made from: it is left as it is",
                        wanted.id
                    )),
                    Some(rule) => _ = remove.insert(&wanted.id, (*rule).clone()),
                    None => all.problems.push(format!("{} is not in {id}: it is gone already", wanted.id)),
                }
            }
            // Of what is wanted and there, whatever its id, one stays.
            let wanted: BTreeSet<String> = add.keys().cloned().collect();
            let mut kept: BTreeSet<String> = BTreeSet::new();
            for rule in there.iter().filter(|rule| !remove.contains_key(rule.id.as_str())) {
                kept.insert(key(rule));
            }
            remove.retain(|_, rule| {
                let key = key(rule);
                let stays = wanted.contains(&key) && kept.insert(key);
                !stays
            });
            add.retain(|key, _| !kept.contains(key));
            let edit = Edit {
                group: id.to_owned(),
                direction,
                add: add.into_values().collect(),
                remove: remove.into_values().collect(),
            };
            if !edit.add.is_empty() || !edit.remove.is_empty() {
                all.edits.push(edit);
            }
        }
        all
    }

    /// The inventory with these edits made.
    #[must_use]
    pub fn apply(&self, inventory: &Inventory) -> Inventory {
        let mut after = inventory.clone();
        for edit in &self.edits {
            let Some(group) = after.security_groups.get_mut(&edit.group) else { continue };
            let gone: BTreeSet<&str> = edit.remove.iter().map(|rule| rule.id.as_str()).collect();
            group.rules.retain(|rule| rule.direction != edit.direction || !gone.contains(rule.id.as_str()));
            group.rules.extend(edit.add.iter().map(|rule| Rule {
                // AWS will give it an id that nobody knows yet.
                id: rule.synthetic_id(),
                synthetic: true,
                ..rule.clone()
            }));
            group.rules.sort_by(|a, b| (a.direction, &a.id).cmp(&(b.direction, &b.id)));
            group.rules.dedup_by(|a, b| a.id == b.id);
        }
        after
    }
}

/// Equal for rules of one group that AWS holds to be the same: all ports of TCP are all ports, however they are written.
pub(super) fn key(rule: &Rule) -> String {
    let protocol = rule.protocol;
    let has_ports = protocol.is_some_and(Protocol::has_ports);
    let normal = Rule {
        ports: rule.ports.filter(|ports| has_ports && *ports != (0, u16::MAX)),
        icmp: rule.icmp.filter(|(kind, _)| *kind >= 0 && protocol.is_some_and(Protocol::is_icmp)),
        ..rule.clone()
    };
    normal.synthetic_id()
}

/// The inventory with the chosen changes of a plan made, and what of them could not be.
#[must_use]
pub fn apply(
    plan: &Plan,
    inventory: &Inventory,
    chosen: impl Fn(&Change) -> bool,
) -> (Inventory, Vec<String>) {
    let edits = Edits::new(plan, inventory, chosen);
    (edits.apply(inventory), edits.problems)
}
