//! Since when is it no longer permitted? Asked of accepted connections that nothing explains.

use std::collections::BTreeMap;

use super::super::scope::{Opening, Scope};
use super::Recorded;
use super::decide::When;
use super::groups::GroupHistory;

/// Changes that are tried, the latest first. More than that between a removal and a connection are not looked behind.
const TRIED: usize = 128;

/// The change after which an opening was no longer permitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Removal {
    /// Unix seconds: when it was, or by when.
    pub time: i64,
    /// AWS Config recorded the change itself; otherwise it was made at any time before.
    pub exact: bool,
    /// The rules that had permitted it, by number, sorted.
    pub rules: Vec<u32>,
}

impl Recorded {
    /// The latest change before `time` up to which the opening was permitted.
    pub fn removal(&self, opening: &Opening, time: i64) -> Option<Removal> {
        let lane = self.lane_of(opening.interface)?;
        let mut changes: BTreeMap<i64, bool> = BTreeMap::new();
        let mut add = |list: &[(i64, bool)]| {
            for &(at, exact) in list.iter().filter(|(at, _)| *at <= time) {
                *changes.entry(at).or_default() |= exact;
            }
        };
        let mut groups: Vec<u32> = lane.values().flatten().flat_map(|a| a.groups.iter().copied()).collect();
        groups.sort_unstable();
        groups.dedup();
        let mut ever = false;
        let mut referenced = false;
        for history in groups.iter().filter_map(|&g| self.groups.get(g as usize)) {
            let (rules, by_reference) = matching(opening, history);
            ever |= !rules.is_empty();
            referenced |= by_reference;
            let ended: Vec<(i64, bool)> = rules
                .iter()
                .flat_map(|&rule| {
                    let from = history.ended.partition_point(|(r, _)| *r < rule);
                    history.ended[from..].iter().take_while(move |(r, _)| *r == rule)
                })
                .map(|&(_, at)| (at, exact(history.lane.changes(), at)))
                .collect();
            add(&ended);
        }
        if !ever {
            // Nothing that any of its groups ever said permits it; without groups, the network ACL alone decides.
            let without_groups = lane.values().flatten().any(|a| a.groups.is_empty());
            if !without_groups {
                return None;
            }
        }
        add(lane.changes());
        if referenced {
            for holder in self.members.holders(opening.remote) {
                if let Some(member) = self.interfaces.get(holder as usize) {
                    add(member.changes());
                }
            }
        }
        for subnet in lane.values().flatten().filter_map(|a| self.subnets.get(a.subnet? as usize)) {
            add(subnet.acl.changes());
            add(subnet.blocks.changes());
        }
        changes.into_iter().rev().take(TRIED).find_map(|(at, exact)| {
            let when = When { time: at.saturating_sub(1), nominal: true };
            let before = self.decide_when(opening, when, &mut Scope::around(opening.remote), Vec::new());
            before.permits().then_some(Removal { time: at, exact, rules: before.rules })
        })
    }
}

fn exact(changes: &[(i64, bool)], at: i64) -> bool {
    changes.binary_search_by_key(&at, |(time, _)| *time).is_ok_and(|i| changes[i].1)
}

/// The rules that a group ever had which match, whatever the members of other groups; and whether members matter.
fn matching(opening: &Opening, history: &GroupHistory) -> (Vec<u32>, bool) {
    let only = history.lane.values().flatten().next().map(AsRef::as_ref);
    let Some(index) = history.ever.as_ref().or(only) else { return (Vec::new(), false) };
    let index = &index.directions[opening.direction as usize];
    let mut rules = Vec::new();
    let mut scope = Scope::around(opening.remote);
    index.collect(opening, &mut scope, &mut rules);
    let before = rules.len();
    let claims = index.references.iter().map(|(claim, _)| claim);
    rules.extend(claims.filter(|c| c.holds(opening.protocol, opening.port, &mut scope)).map(|c| c.rule));
    let referenced = rules.len() > before;
    rules.sort_unstable();
    rules.dedup();
    (rules, referenced)
}
