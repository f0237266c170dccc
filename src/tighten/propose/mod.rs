//! From what rules were used for to what they could be.
//!
//! Every rule that permits a connection is credited with it, so each change is sound on its own: a rule that is narrowed
//! still permits whatever it was used for, and a rule that goes leaves, for each of its connections, one that stays. A rule
//! that stands in for contained ones takes over what those were used for.

mod merge;
mod narrow;
mod ports;
mod quota;
mod settle;
mod sources;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::estate::Estate;
use super::openness::sum;
use super::options::Options;
use super::plan::{Action, Change, CurvePoint, Plan, Safety};
use crate::finding::{Grade, RuleClass, RuleRow};
use crate::flow::Direction;
use crate::hash::fnv1a;
use crate::inventory::{Inventory, Rule, Timeline};
use crate::rollup::{Observed, ObservedUse, Rollups, RuleFacts};
use narrow::Narrowed;
use quota::Room;
pub use usage::Part;
use usage::Usage;

/// Fewer connections say little about what a rule is for.
const ENOUGH: u64 = 10;

/// Rules that a sentence names.
const NAMED: usize = 3;

/// What proposals rest on.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Sums and facts.
    pub rollups: &'a Rollups,
    /// The verdict on each rule, in the order of [`Rollups::rules`].
    pub rows: &'a [RuleRow],
    /// Redundant rules, by number, with those that cover for them.
    pub covering: &'a BTreeMap<u32, Vec<(u32, u64)>>,
    /// How far the logs carry that a rule is needed for nothing but what was seen, by number, with the reasons. The grade of
    /// a row may be about its use.
    pub silence: &'a BTreeMap<u32, (Grade, Vec<String>)>,
    /// What rules were used for.
    pub observed: &'a Observed,
    /// What was configured; proposals are about the latest state.
    pub timeline: &'a Timeline,
    /// What the user wants.
    pub options: &'a Options,
}

/// From which second on traffic is held out: the last fifth of a window.
#[must_use]
pub fn held_out_from((first, last): (u32, u32)) -> u32 {
    let span = u64::from(last.saturating_sub(first)) + 1;
    first.saturating_add((span * 4 / 5) as u32)
}

/// Every change that what was seen in `part` allows.
///
/// Classes and grades are of the whole time; a rule that was not used in an earlier part counts as unused there.
#[must_use]
pub fn propose(material: &Material<'_>, part: Part) -> Plan {
    let window = material.rollups.window;
    let mut plan = Plan {
        window: window.map(|(first, last)| (i64::from(first), i64::from(last))),
        held_out: window.map(|window| i64::from(held_out_from(window))),
        ..Plan::default()
    };
    let Some(inventory) = material.timeline.latest() else { return plan };
    let mut proposer = Proposer::new(material, inventory, part);
    let mut known: BTreeMap<&str, (&RuleFacts, &RuleRow)> = BTreeMap::new();
    for (facts, row) in material.rollups.rules.iter().zip(material.rows) {
        known.insert(&facts.id, (facts, row));
    }
    let wanted =
        |group: &String| material.options.groups.is_empty() || material.options.groups.contains(group);
    for group in inventory.security_groups.values().filter(|group| wanted(&group.id)) {
        for direction in [Direction::Inbound, Direction::Outbound] {
            let rules = group.rules.iter().filter(|rule| rule.direction == direction);
            let subjects: Vec<Subject<'_>> = rules
                .filter_map(|rule| {
                    let (facts, row) = known.get(rule.id.as_str())?;
                    Some(Subject { rule, facts, row })
                })
                .collect();
            let (drafts, left) = proposer.group(&subjects);
            let changes = drafts.into_iter().map(|draft| proposer.change(draft, group));
            plan.changes.extend(changes);
            plan.left.extend(left);
        }
    }
    let order = |c: &Change| (c.group.clone(), c.direction, c.action, c.id.clone());
    plan.changes.sort_by_cached_key(order);
    plan
}

/// A rule of the latest inventory with what is known of it.
#[derive(Clone, Copy)]
struct Subject<'a> {
    rule: &'a Rule,
    facts: &'a RuleFacts,
    row: &'a RuleRow,
}

/// A change in the making.
#[derive(Clone, Debug)]
struct Draft {
    action: Action,
    remove: Vec<Rule>,
    add: Vec<Rule>,
    why: String,
    grade: Grade,
    reasons: Vec<String>,
    curve: Vec<CurvePoint>,
    interrupts: bool,
}

impl Draft {
    fn new(action: Action, remove: Vec<Rule>, add: Vec<Rule>, why: String) -> Self {
        let (grade, reasons, curve) = (Grade::Reliable, Vec::new(), Vec::new());
        Self { action, remove, add, why, grade, reasons, curve, interrupts: false }
    }
}

struct Proposer<'a> {
    material: &'a Material<'a>,
    estate: Estate<'a>,
    room: Room<'a>,
    part: Part,
}

impl<'a> Proposer<'a> {
    fn new(material: &'a Material<'a>, inventory: &'a Inventory, part: Part) -> Self {
        let estate = Estate::new(material.timeline, inventory);
        let room = Room::new(&estate);
        Self { material, estate, room, part }
    }

    fn options(&self) -> &'a Options {
        self.material.options
    }

    /// Of a block of a VPC.
    fn is_inside(&self, net: &IpNet) -> bool {
        self.material.rollups.vpc_blocks.iter().any(|block| block.contains(net))
    }

    /// From which second on a peer is new: the last fifth of what is learned from.
    fn fresh(&self) -> Option<u32> {
        let (first, last) = self.material.rollups.window?;
        Some(held_out_from(match self.part {
            Part::All => (first, last),
            Part::Before(end) => (first, end.max(first)),
        }))
    }

    fn observed(&self, facts: &RuleFacts) -> Option<&'a ObservedUse> {
        self.material.observed.rules.get(&facts.number)
    }

    /// The drafts of a group and direction, and rules that are left with the reason.
    fn group(&mut self, subjects: &[Subject<'a>]) -> (Vec<Draft>, Vec<(String, String)>) {
        let rules: Vec<&Rule> = subjects.iter().map(|s| s.rule).collect();
        let uses: Vec<Usage> =
            subjects.iter().map(|s| Usage::of(self.observed(s.facts), self.part)).collect();
        let goes: Vec<Option<Draft>> =
            subjects.iter().zip(&uses).map(|(subject, usage)| self.removal(subject, usage)).collect();
        let contained = merge::contained(&rules, |at| goes[at].is_none());
        let mut drafts = Vec::new();
        let mut left: BTreeMap<String, String> = BTreeMap::new();
        let mut same: Vec<&Rule> = Vec::new();
        for (at, subject) in subjects.iter().enumerate() {
            let Subject { rule, facts, row } = *subject;
            if let Some(outer) = contained.get(&at) {
                let why = format!("{} of the same group permits all of it, too", rules[*outer].id);
                drafts.push(Draft::new(Action::MergeDuplicates, vec![rule.clone()], Vec::new(), why));
                continue;
            }
            if let Some(draft) = &goes[at] {
                drafts.push(self.graded(draft.clone(), subject, &uses[at]));
                continue;
            }
            let first_reason = || row.grade_reasons.first().cloned().unwrap_or_default();
            if row.grade == Grade::NotEvaluable {
                left.insert(rule.id.clone(), first_reason());
                same.push(rule);
                continue;
            }
            // It stands in for those it contains, also for what they were used for before it was there.
            let inner = contained.iter().filter(|(_, outer)| **outer == at).map(|(inner, _)| *inner);
            let all = std::iter::once(facts).chain(inner.map(|inner| subjects[inner].facts));
            let usage = Usage::of(all.filter_map(|facts| self.observed(facts)), self.part);
            match self.narrow(rule, &usage) {
                Narrowed::Change(mut draft) => {
                    if !self.room.book(rule, &draft.add, &self.estate) {
                        draft.reasons.push(
                            "its group has no room for old and new rules beside each other: revoke before you authorise"
                                .to_owned(),
                        );
                    }
                    drafts.push(self.graded(draft, subject, &usage));
                    continue;
                }
                Narrowed::Left(why) => {
                    left.insert(rule.id.clone(), why);
                }
                Narrowed::Fits if row.class == RuleClass::Permissive => {
                    let why = "no few blocks or ranges hold what it is used for and are much narrower";
                    left.insert(rule.id.clone(), why.to_owned());
                }
                Narrowed::Fits => {}
            }
            // What stands in for others has to stay as wide as it is.
            if !contained.values().any(|outer| *outer == at) {
                same.push(rule);
            }
        }
        drafts.extend(merge::neighbours(&same));
        let (drafts, back) = settle::settle(drafts, &rules);
        left.extend(back);
        let changed: BTreeSet<&str> =
            drafts.iter().flat_map(|draft| &draft.remove).map(|rule| rule.id.as_str()).collect();
        left.retain(|id, _| !changed.contains(id.as_str()));
        (drafts, left.into_iter().collect())
    }

    /// Takes a rule out that nothing needed, or that others make unnecessary.
    fn removal(&self, subject: &Subject<'a>, usage: &Usage) -> Option<Draft> {
        let Subject { rule, facts, row } = *subject;
        if row.grade == Grade::NotEvaluable || row.class == RuleClass::NotEvaluable {
            return None;
        }
        if usage.is_empty() && (row.class == RuleClass::Unused || self.part != Part::All) {
            let why = "no accepted connection used it".to_owned();
            return Some(Draft::new(Action::RemoveUnused, vec![rule.clone()], Vec::new(), why));
        }
        if row.class != RuleClass::Redundant {
            return None;
        }
        let covering = self.material.covering.get(&facts.number).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> =
            covering.iter().filter_map(|(n, _)| Some(&*self.material.rollups.rule(*n)?.id)).collect();
        let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
        let by = match names.len() {
            0 => "other rules".to_owned(),
            n if n > NAMED => format!("{shown} and {} more", n - NAMED),
            _ => shown,
        };
        let why = format!(
            "whatever used it ({}) is permitted by {by}, too",
            counted(usage.connections, "connection")
        );
        Some(Draft::new(Action::RemoveRedundant, vec![rule.clone()], Vec::new(), why))
    }

    /// With what the logs say about the rule.
    fn graded(&self, mut draft: Draft, subject: &Subject<'a>, usage: &Usage) -> Draft {
        let Subject { rule, facts, row } = *subject;
        let (mut grade, mut reasons) = (row.grade, row.grade_reasons.clone());
        if draft.action >= Action::Narrow
            && let Some((silence, why)) = self.material.silence.get(&facts.number)
        {
            grade = grade.max(*silence);
            let new: Vec<String> = why.iter().filter(|why| !reasons.contains(why)).cloned().collect();
            reasons.extend(new);
        }
        draft.grade = grade;
        draft.reasons.splice(0..0, reasons);
        if draft.action >= Action::Narrow && usage.connections < ENOUGH {
            draft.grade = draft.grade.max(Grade::Weak);
            draft
                .reasons
                .push(format!("{} is little to learn from", counted(usage.connections, "connection")));
        }
        if self.estate.may_be_untracked(rule, &facts.interfaces) {
            draft.interrupts = true;
            draft.reasons.push(
                "both directions are open to everywhere, so open connections may be untracked: they are cut when it is applied"
                    .to_owned(),
            );
        }
        draft
    }

    fn change(&self, draft: Draft, group: &crate::inventory::SecurityGroup) -> Change {
        let Draft { action, remove, add, why, grade, reasons, curve, interrupts } = draft;
        let direction = remove.first().map_or(Direction::Inbound, |rule| rule.direction);
        let openness = |rules: &[Rule]| sum(rules.iter().map(|rule| self.estate.openness(rule)));
        let mut text = format!("{}|{}|{}", action.as_str(), group.id, direction.as_str());
        for rule in &remove {
            text.push('|');
            text.push_str(&rule.id);
        }
        Change {
            id: format!("change-{:016x}", fnv1a(text.as_bytes())),
            action,
            group: group.id.clone(),
            group_name: group.name.clone(),
            account: group.account.clone(),
            region: group.region.clone(),
            vpc: group.vpc.clone(),
            direction,
            openness_before: openness(&remove).unwrap_or_default(),
            openness_after: openness(&add),
            remove,
            add,
            why,
            grade,
            reasons,
            safety: Safety::Review,
            interrupts,
            curve,
            replayed: None,
        }
    }
}

/// `1 connection`, `2 connections`.
fn counted(n: u64, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// The description of a rule that takes the place of another: only characters that AWS takes, and no more than 255.
fn description(id: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=;{}!$*".contains(*c);
    let id: String = id.chars().filter(allowed).take(200).collect();
    format!("flowgate: in place of {id}")
}

#[cfg(test)]
mod tests;
