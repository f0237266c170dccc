//! What each tier stands for at the end of the timeline, and what looks like a slip.

use std::collections::BTreeSet;

use super::bits::Tri;
use super::estate::{Estate, When};
use super::{Clause, End, Expectations, Mode, Selector};
use crate::flow::address_bits;
use crate::inventory::{Inventory, Timeline};

/// What the tiers of a file stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// One for each tier, in their order.
    pub tiers: Vec<TierSurvey>,
    /// What looks like a slip, in the order of lines.
    pub remarks: Vec<Remark>,
}

/// What one tier stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierSurvey {
    /// Interfaces that belong to it.
    pub interfaces: usize,
    /// Interfaces of which it can't be said, because something that it asks about is not in the inventory.
    pub perhaps: usize,
    /// Security groups that it names, by id, name or tag.
    pub groups: usize,
    /// Blocks of addresses, those of prefix lists included; `None` if a prefix list is not in the inventory.
    pub blocks: Option<usize>,
    /// Prefix lists.
    pub lists: usize,
}

impl TierSurvey {
    /// Nothing is in it, and nothing could be.
    fn is_empty(&self) -> bool {
        self.interfaces == 0 && self.perhaps == 0 && self.blocks == Some(0)
    }
}

/// Something that looks like a slip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Line, from 1.
    pub line: usize,
    /// What it is.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// Looks up every tier in the latest state of the inventory.
#[must_use]
pub fn survey(file: &Expectations, timeline: &Timeline) -> Survey {
    let nothing = Inventory::default();
    let latest = timeline.latest().unwrap_or(&nothing);
    // What held before does not matter here.
    let estate = Estate::new(file, &Timeline::new(vec![latest.clone()]));
    let mut tiers = vec![TierSurvey::default(); file.tiers.len()];
    for (id, _) in estate.interfaces() {
        let Some(interface) = latest.interfaces.get(id) else { continue };
        let mut addresses: Vec<u128> = interface.addresses.iter().map(|a| address_bits(*a)).collect();
        if addresses.is_empty() {
            // It is in no block but those of everything.
            addresses.push(0);
        }
        for (number, survey) in tiers.iter_mut().enumerate() {
            let when = &mut When::at(i64::MAX);
            // One of its addresses in the tier makes it a member.
            let is = addresses.iter().map(|address| {
                let side = estate.local(estate.number(id), *address, when);
                estate.belongs(number, &side, when)
            });
            match is.max() {
                Some(Tri::Yes) => survey.interfaces += 1,
                Some(Tri::Maybe) => survey.perhaps += 1,
                _ => {}
            }
        }
    }
    for (number, survey) in tiers.iter_mut().enumerate() {
        let blocks = estate.blocks_at_end(number);
        survey.lists = blocks.map_or(0, |(lists, _)| lists);
        survey.blocks = blocks.map(|(_, blocks)| blocks);
        survey.groups = groups(file, number, latest);
    }
    // What a tier holds through others counts as its own.
    let own = tiers.clone();
    for (number, tier) in tiers.iter_mut().enumerate() {
        let inner = inner(file, number);
        let known = inner.iter().all(|&n| own[n].blocks.is_some());
        tier.groups = inner.iter().map(|&n| own[n].groups).sum();
        tier.lists = inner.iter().map(|&n| own[n].lists).sum();
        tier.blocks = known.then(|| inner.iter().filter_map(|&n| own[n].blocks).sum());
    }
    let remarks = remarks(file, &tiers);
    Survey { tiers, remarks }
}

/// A tier and those within.
fn inner(file: &Expectations, tier: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![tier];
    while let Some(next) = open.pop() {
        if found.insert(next) {
            for clause in &file.tiers[next].clauses {
                if let Clause::Tiers(tiers) = clause {
                    open.extend(tiers);
                }
            }
        }
    }
    found
}

/// Security groups that a tier names.
fn groups(file: &Expectations, tier: usize, latest: &Inventory) -> usize {
    let named = |group: &&crate::inventory::SecurityGroup| {
        file.tiers[tier].clauses.iter().any(|clause| match clause {
            Clause::Interface(Selector::SecurityGroup, patterns) => {
                patterns.iter().any(|p| p.fits(&group.id) || p.fits(&group.name))
            }
            _ => false,
        })
    };
    latest.security_groups.values().filter(named).count()
}

fn remarks(file: &Expectations, tiers: &[TierSurvey]) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let mut used = BTreeSet::new();
    for expectation in &file.expectations {
        for end in expectation.tiers.iter().chain(&expectation.peers) {
            if let End::Tier(number) = end {
                used.extend(inner(file, *number));
            }
        }
    }
    for tier in &file.tiers {
        for clause in &tier.clauses {
            if let Clause::Except(others) = clause {
                others.iter().for_each(|&other| used.extend(inner(file, other)));
            }
        }
    }
    for (number, (tier, survey)) in file.tiers.iter().zip(tiers).enumerate() {
        let remark = |message: String, help: &str| Remark { line: tier.line, message, help: help.to_owned() };
        // A group that nothing is in is no slip.
        let by_group = matches!(&tier.clauses[..], [Clause::Interface(Selector::SecurityGroup, _)]);
        if survey.is_empty() && !(by_group && survey.groups > 0) {
            let message = format!("tier `{}` matches nothing in the inventory", tier.name);
            remarks.push(remark(message, "check the spelling of its values; names are compared with case"));
        } else if survey.blocks.is_none() {
            let message =
                format!("tier `{}` names a prefix list whose entries are not in the inventory", tier.name);
            let help = "nothing can be said about its addresses; `flowgate inventory check` names the command that fetches them";
            remarks.push(remark(message, help));
        } else if survey.perhaps > 0 && survey.interfaces == 0 && survey.blocks == Some(0) {
            let message = format!(
                "of {} interfaces it can't be said whether they are in tier `{}`",
                survey.perhaps, tier.name
            );
            let help = "names and tags of security groups, subnets or VPCs are missing; `flowgate inventory check` says which";
            remarks.push(remark(message, help));
        }
        if tier.named && !used.contains(&number) {
            remarks.push(remark(
                format!("tier `{}` is not used", tier.name),
                "name it in an expectation, or remove it",
            ));
        }
    }
    let asks = file.expectations.iter().any(|e| e.mode != Mode::May);
    if let (Some(first), false) = (file.expectations.first(), asks) {
        remarks.push(Remark {
            line: first.line,
            message: "every expectation is a may-: nothing can break them".to_owned(),
            help: "say only-from or never-from somewhere".to_owned(),
        });
    }
    remarks.sort_by_key(|remark| remark.line);
    remarks
}
