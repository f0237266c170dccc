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
    observed: Vec<Observed<'a>>,
}

/// Account and region.
type Place<'a> = (Option<&'a str>, Option<&'a str>);

/// What an observation tells of rules.
struct Observed<'a> {
    time: i64,
    rules: BTreeSet<&'a str>,
    /// Where it knows any groups: of other places its silence means nothing.
    places: BTreeSet<Place<'a>>,
}

fn place(group: &SecurityGroup) -> Place<'_> {
    (group.account.as_deref(), group.region.as_deref())
}

/// What is known of one group.
pub(super) struct GroupLives<'a> {
    /// Observations that tell of its place.
    observed: Vec<&'a Observed<'a>>,
    begin: Option<i64>,
    /// Only of groups that AWS Config recorded.
    anchors: Vec<Anchor<'a, SecurityGroup>>,
}

impl<'a> Lives<'a> {
    pub fn new(timeline: &'a Timeline, window: Option<(u32, u32)>) -> Self {
        let observed = timeline.observations().iter().map(|o| Observed {
            time: o.observed_at.unwrap_or(i64::MAX),
            rules: o.security_groups.values().flat_map(|g| &g.rules).map(|r| r.id.as_str()).collect(),
            places: o.security_groups.values().map(place).collect(),
        });
        Self { timeline, begin: window.map(|(first, _)| i64::from(first)), observed: observed.collect() }
    }

    pub fn of_group(&'a self, group: &SecurityGroup) -> GroupLives<'a> {
        let id = &group.id;
        let recorded = self.timeline.history().security_groups.contains_key(id);
        let anchors =
            || self.timeline.anchors(id, |h| &h.security_groups, |inventory| &inventory.security_groups);
        GroupLives {
            observed: self.observed.iter().filter(|o| o.places.contains(&place(group))).collect(),
            begin: self.begin,
            anchors: if recorded { anchors() } else { Vec::new() },
        }
    }
}

impl GroupLives<'_> {
    /// The life of a rule of the latest state.
    pub fn of_rule(&self, id: &str) -> Life {
        let begins_later = |at: i64| self.begin.is_some_and(|begin| at > begin);
        if self.anchors.is_empty() {
            let before = self.observed.iter().rposition(|o| !o.rules.contains(id));
            let first = self.observed.get(before.map_or(0, |at| at + 1)).map_or(i64::MAX, |o| o.time);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Direction;
    use crate::inventory::{Inventory, Rule, RulePeer};

    fn group(id: &str, account: &str, rules: &[&str]) -> SecurityGroup {
        let rule = |rule: &&str| Rule {
            id: (*rule).to_owned(),
            synthetic: false,
            group: id.to_owned(),
            direction: Direction::Inbound,
            protocol: None,
            ports: None,
            icmp: None,
            peer: RulePeer::PrefixList("pl-1".to_owned()),
            description: None,
        };
        SecurityGroup {
            id: id.to_owned(),
            account: Some(account.to_owned()),
            rules: rules.iter().map(rule).collect(),
            ..SecurityGroup::default()
        }
    }

    fn observed(at: i64, groups: &[SecurityGroup]) -> Inventory {
        let groups = groups.iter().map(|group| (group.id.clone(), group.clone()));
        Inventory { observed_at: Some(at), security_groups: groups.collect(), ..Inventory::default() }
    }

    #[test]
    fn snapshots_tell_since_when_and_those_of_other_accounts_tell_nothing() {
        let one = |rules: &[&str]| group("sg-1", "1", rules);
        let other = [group("sg-2", "2", &["sgr-z"])];
        let timeline = Timeline::new(vec![
            observed(50, &[one(&["sgr-old", "sgr-back"])]),
            observed(200, &[one(&["sgr-old"])]),
            observed(300, &[one(&["sgr-old", "sgr-new", "sgr-back"])]),
            observed(310, &other),
            observed(400, &[one(&["sgr-old", "sgr-new", "sgr-back"])]),
        ]);
        let lives = Lives::new(&timeline, Some((100, 900)));
        let of = |rule| lives.of_group(&one(&[])).of_rule(rule);
        assert_eq!(of("sgr-old"), Life { since: None, known_from: 50 });
        for rule in ["sgr-new", "sgr-back"] {
            assert_eq!(of(rule), Life { since: Some(Since::Seen(300)), known_from: 300 });
        }
        // Of a time before the logs.
        let later = Lives::new(&timeline, Some((350, 900)));
        assert_eq!(later.of_group(&one(&[])).of_rule("sgr-new"), Life { since: None, known_from: 300 });
        let undated = Timeline::new(vec![Inventory { observed_at: None, ..observed(0, &[one(&["sgr-a"])]) }]);
        let lives = Lives::new(&undated, Some((100, 900)));
        assert_eq!(lives.of_group(&one(&[])).of_rule("sgr-a"), Life { since: None, known_from: i64::MAX });
    }
}
