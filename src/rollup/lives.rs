//! Since when do rules exist?

use std::collections::BTreeSet;

use super::facts::Since;
use crate::inventory::{Anchor, By, SecurityGroup, Timeline, Trust};

/// The lives of rules, asked group by group.
pub(super) struct Lives<'a> {
    timeline: &'a Timeline,
    /// First second of the logs.
    begin: Option<i64>,
    /// Rules of each observation.
    observed: Vec<BTreeSet<&'a str>>,
}

/// What is known of one group.
pub(super) struct GroupLives<'a> {
    lives: &'a Lives<'a>,
    /// Only of groups that AWS Config recorded.
    anchors: Vec<Anchor<'a, SecurityGroup>>,
}

impl<'a> Lives<'a> {
    pub fn new(timeline: &'a Timeline, window: Option<(u32, u32)>) -> Self {
        let observed = timeline
            .observations()
            .iter()
            .map(|o| o.security_groups.values().flat_map(|g| &g.rules).map(|r| r.id.as_str()).collect())
            .collect();
        Self { timeline, begin: window.map(|(first, _)| i64::from(first)), observed }
    }

    pub fn of_group(&'a self, id: &str) -> GroupLives<'a> {
        let recorded = self.timeline.history().security_groups.contains_key(id);
        let anchors =
            || self.timeline.anchors(id, |h| &h.security_groups, |inventory| &inventory.security_groups);
        GroupLives { lives: self, anchors: if recorded { anchors() } else { Vec::new() } }
    }
}

impl GroupLives<'_> {
    /// Whether a rule of the latest state existed throughout the logs, and since when it does where that is known.
    pub fn of_rule(&self, id: &str) -> (bool, Option<Since>) {
        let has = |anchor: &Anchor<'_, SecurityGroup>| {
            anchor.trust != Trust::Partial
                && anchor.state.is_some_and(|group| group.rules.iter().any(|rule| rule.id == id))
        };
        if self.anchors.is_empty() {
            return (self.lives.observed.iter().all(|rules| rules.contains(id)), None);
        }
        let before = self.anchors.iter().rposition(|anchor| !has(anchor));
        let since = match (before, self.anchors.get(before.map_or(0, |at| at + 1))) {
            (None, Some(first)) if first.by == By::Snapshot => return (true, None),
            (Some(before), Some(first)) if self.anchors[before].trust != Trust::Partial => {
                Since::Added(first.time)
            }
            (_, Some(first)) => Since::Recorded(first.time),
            // Recording stopped, and nothing was seen since.
            (_, None) => return (false, None),
        };
        let throughout = self.lives.begin.is_none_or(|begin| since.time() <= begin);
        (throughout, (!throughout).then_some(since))
    }
}
