//! Since when do rules exist?

use std::collections::BTreeSet;

use crate::inventory::{Anchor, By, SecurityGroup, Timeline, Trust};

/// The beginning of a rule's life within the logs. Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// AWS Config recorded that it was added (or came back) then.
    Added(i64),
    /// AWS Config recorded it then; what was before is not known.
    Recorded(i64),
    /// The first snapshot of the inventory that has it, after one that has not.
    Seen(i64),
}

impl Since {
    /// Unix seconds.
    #[must_use]
    pub fn time(self) -> i64 {
        match self {
            Self::Added(at) | Self::Recorded(at) | Self::Seen(at) => at,
        }
    }
}

/// What is known of the beginning of a rule's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// Where it did not exist throughout the logs, or AWS Config knows nothing before: since when it does.
    pub since: Option<Since>,
    /// From when on it is known to have existed without a break; `i64::MAX` if no time is known.
    pub known_from: i64,
}

/// The lives of rules, asked group by group.
pub(super) struct Lives<'a> {
    timeline: &'a Timeline,
    /// First second of the logs.
    begin: Option<i64>,
    /// Time and rules of each observation.
    observed: Vec<(i64, BTreeSet<&'a str>)>,
}

/// What is known of one group.
pub(super) struct GroupLives<'a> {
    lives: &'a Lives<'a>,
    /// Only of groups that AWS Config recorded.
    anchors: Vec<Anchor<'a, SecurityGroup>>,
}

impl<'a> Lives<'a> {
    pub fn new(timeline: &'a Timeline, window: Option<(u32, u32)>) -> Self {
        let observed = timeline.observations().iter().map(|o| {
            let rules = o.security_groups.values().flat_map(|g| &g.rules).map(|r| r.id.as_str());
            (o.observed_at.unwrap_or(i64::MAX), rules.collect())
        });
        Self { timeline, begin: window.map(|(first, _)| i64::from(first)), observed: observed.collect() }
    }

    pub fn of_group(&'a self, id: &str) -> GroupLives<'a> {
        let recorded = self.timeline.history().security_groups.contains_key(id);
        let anchors =
            || self.timeline.anchors(id, |h| &h.security_groups, |inventory| &inventory.security_groups);
        GroupLives { lives: self, anchors: if recorded { anchors() } else { Vec::new() } }
    }
}

impl GroupLives<'_> {
    /// The life of a rule of the latest state.
    pub fn of_rule(&self, id: &str) -> Life {
        let begins_later = |at: i64| self.lives.begin.is_some_and(|begin| at > begin);
        if self.anchors.is_empty() {
            let observed = &self.lives.observed;
            let before = observed.iter().rposition(|(_, rules)| !rules.contains(id));
            let first = observed.get(before.map_or(0, |at| at + 1)).map_or(i64::MAX, |(time, _)| *time);
            let since = (before.is_some() && begins_later(first)).then_some(Since::Seen(first));
            return Life { since, known_from: first };
        }
        let has = |anchor: &Anchor<'_, SecurityGroup>| {
            anchor.trust != Trust::Partial
                && anchor.state.is_some_and(|group| group.rules.iter().any(|rule| rule.id == id))
        };
        let before = self.anchors.iter().rposition(|anchor| !has(anchor));
        let since = match (before, self.anchors.get(before.map_or(0, |at| at + 1))) {
            (None, Some(first)) if first.by == By::Snapshot => {
                return Life { since: None, known_from: first.time };
            }
            (Some(before), Some(first)) if self.anchors[before].trust != Trust::Partial => {
                Since::Added(first.time)
            }
            (_, Some(first)) => Since::Recorded(first.time),
            // Recording stopped, and nothing was seen since.
            (_, None) => return Life { since: None, known_from: i64::MAX },
        };
        Life { since: begins_later(since.time()).then_some(since), known_from: since.time() }
    }
}
