//! What AWS Config recorded: each resource's versions, with the time each began (domain D.9).

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::{FlowLog, NetworkAcl, NetworkInterface, Peering, PrefixList, Rule, SecurityGroup, Subnet, Vpc};

/// What a configuration item says about its resource.
#[derive(Clone, Debug, PartialEq)]
pub enum State<T> {
    /// It is configured like this.
    Present(T),
    /// It was deleted.
    Gone,
    /// Recording stopped, or the item has no configuration: from here on it is unknown, not gone.
    Unrecorded,
}

/// A state that holds until the next version begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<T> {
    /// `configurationItemCaptureTime`, Unix seconds. Lags the change by seconds to minutes (domain D.9).
    pub from: i64,
    /// Recorded once a day: the change was made at any time of the day before `from`.
    pub daily: bool,
    /// When the last item was captured that says the same; AWS Config writes one whenever a relationship changes.
    pub confirmed: i64,
    /// What holds from then on.
    pub state: State<T>,
}

/// The versions of one resource, oldest first, at most one a second. Before the first, it is unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Track<T> {
    versions: Vec<Version<T>>,
}

impl<T> Track<T> {
    /// Orders versions by time. Of several at the same second the last given one holds.
    #[must_use]
    pub fn new(mut versions: Vec<Version<T>>) -> Self {
        versions.sort_by_key(|version| version.from);
        // Keeps the later of two, unlike `dedup_by_key`.
        versions.reverse();
        versions.dedup_by_key(|version| version.from);
        versions.reverse();
        Self { versions }
    }

    /// The versions, oldest first.
    #[must_use]
    pub fn versions(&self) -> &[Version<T>] {
        &self.versions
    }

    /// Every configuration it had, oldest first.
    #[must_use]
    pub fn configurations(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.versions.iter().filter_map(|version| match &version.state {
            State::Present(object) => Some(object),
            State::Gone | State::Unrecorded => None,
        })
    }
}

/// Resources by id with their versions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Security groups.
    pub security_groups: BTreeMap<String, Track<SecurityGroup>>,
    /// Network interfaces.
    pub interfaces: BTreeMap<String, Track<NetworkInterface>>,
    /// Network ACLs.
    pub network_acls: BTreeMap<String, Track<NetworkAcl>>,
    /// Subnets.
    pub subnets: BTreeMap<String, Track<Subnet>>,
    /// VPCs.
    pub vpcs: BTreeMap<String, Track<Vpc>>,
    /// Managed prefix lists.
    pub prefix_lists: BTreeMap<String, Track<PrefixList>>,
    /// VPC peering connections.
    pub peerings: BTreeMap<String, Track<Peering>>,
    /// Flow log definitions.
    pub flow_logs: BTreeMap<String, Track<FlowLog>>,
}

impl History {
    /// True when AWS Config told nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let mut resources = 0;
        self.each(|_, _, _| resources += 1);
        resources == 0
    }

    /// Calls `f` with kind, id and the outline of every resource, in this order.
    pub(super) fn each(&self, mut f: impl FnMut(Kind, &str, Vec<Outline>)) {
        fn outline<T>(track: &Track<T>) -> Vec<Outline> {
            let line = |v: &Version<T>| Outline {
                from: v.from,
                daily: v.daily,
                unrecorded: matches!(v.state, State::Unrecorded),
            };
            track.versions.iter().map(line).collect()
        }
        self.security_groups.iter().for_each(|(id, t)| f(Kind::SecurityGroups, id, outline(t)));
        self.interfaces.iter().for_each(|(id, t)| f(Kind::NetworkInterfaces, id, outline(t)));
        self.network_acls.iter().for_each(|(id, t)| f(Kind::NetworkAcls, id, outline(t)));
        self.subnets.iter().for_each(|(id, t)| f(Kind::Subnets, id, outline(t)));
        self.vpcs.iter().for_each(|(id, t)| f(Kind::Vpcs, id, outline(t)));
        self.prefix_lists.iter().for_each(|(id, t)| f(Kind::PrefixLists, id, outline(t)));
        self.peerings.iter().for_each(|(id, t)| f(Kind::Peerings, id, outline(t)));
        self.flow_logs.iter().for_each(|(id, t)| f(Kind::FlowLogs, id, outline(t)));
    }

    /// Gives the rules of AWS Config, which knows no ids, those that dumps name for the same rule, so that a rule
    /// keeps one identity. `named` are rules with their `sgr-` ids and the time of the dump (`i64::MAX` if undated).
    ///
    /// A rule that was removed and added again has two ids: a run of versions with the rule takes the id that a dump
    /// made in it names, else the next one after it, else the last one before.
    pub(super) fn adopt_ids<'a>(&mut self, named: impl Iterator<Item = (i64, &'a Rule)>) {
        let mut ids: BTreeMap<String, Vec<(i64, &str)>> = BTreeMap::new();
        for (time, rule) in named {
            ids.entry(rule.synthetic_id()).or_default().push((time, &rule.id));
        }
        for known in ids.values_mut() {
            known.sort_unstable();
        }
        for track in self.security_groups.values_mut() {
            adopt(track, &ids);
        }
    }
}

/// A version without its content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outline {
    pub from: i64,
    pub daily: bool,
    pub unrecorded: bool,
}

fn adopt(track: &mut Track<SecurityGroup>, ids: &BTreeMap<String, Vec<(i64, &str)>>) {
    let keys: BTreeSet<String> = track
        .configurations()
        .flat_map(|group| &group.rules)
        .filter(|rule| rule.synthetic && ids.contains_key(&rule.id))
        .map(|rule| rule.id.clone())
        .collect();
    for key in keys {
        let Some(known) = ids.get(&key) else { continue };
        let mut at = 0;
        while at < track.versions.len() {
            let has = |version: &Version<SecurityGroup>| match &version.state {
                State::Present(group) => Some(group.rules.iter().any(|rule| rule.id == key)),
                State::Gone => Some(false),
                State::Unrecorded => None,
            };
            if has(&track.versions[at]) != Some(true) {
                at += 1;
                continue;
            }
            let end = (at..track.versions.len())
                .find(|&i| has(&track.versions[i]) == Some(false))
                .unwrap_or(track.versions.len());
            let from = track.versions[at].from;
            let id = known.iter().find(|(time, _)| *time >= from).or_else(|| known.last());
            if let Some((_, id)) = id {
                for version in &mut track.versions[at..end] {
                    if let State::Present(group) = &mut version.state {
                        for rule in group.rules.iter_mut().filter(|rule| rule.id == key) {
                            (*id).clone_into(&mut rule.id);
                            rule.synthetic = false;
                        }
                        group.rules = super::groups::sorted(std::mem::take(&mut group.rules));
                    }
                }
            }
            at = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Direction, Protocol};
    use crate::inventory::RulePeer;

    fn rule() -> Rule {
        let rule = Rule {
            id: String::new(),
            synthetic: true,
            group: "sg-1".into(),
            direction: Direction::Inbound,
            protocol: Some(Protocol::TCP),
            ports: Some((22, 22)),
            icmp: None,
            peer: RulePeer::Cidr("10.0.0.0/8".parse().unwrap()),
            description: None,
        };
        Rule { id: rule.synthetic_id(), ..rule }
    }

    #[test]
    fn a_run_of_versions_takes_the_id_of_a_dump_made_in_it() {
        let with = |from, rules: Vec<Rule>| Version {
            from,
            daily: false,
            confirmed: from,
            state: State::Present(SecurityGroup { rules, ..SecurityGroup::default() }),
        };
        // Added, removed at 200, added again at 300; at 250 recording was off for a while.
        let versions = vec![
            with(100, vec![rule()]),
            with(150, vec![rule()]),
            with(200, vec![]),
            with(300, vec![rule()]),
            Version { from: 350, daily: false, confirmed: 350, state: State::Unrecorded },
            with(400, vec![rule()]),
        ];
        let mut history = History::default();
        history.security_groups.insert("sg-1".into(), Track::new(versions));
        let named = |id: &str| Rule { id: id.into(), synthetic: false, ..rule() };
        let (a, b) = (named("sgr-a"), named("sgr-b"));
        history.adopt_ids([(120, &a), (i64::MAX, &b)].into_iter());
        let told: Vec<Vec<String>> = history.security_groups["sg-1"]
            .configurations()
            .map(|g| g.rules.iter().map(|r| r.id.clone()).collect())
            .collect();
        assert_eq!(told, [vec!["sgr-a"], vec!["sgr-a"], vec![], vec!["sgr-b"], vec!["sgr-b"]]);
    }

    #[test]
    fn the_last_of_a_second_holds() {
        let version = |from, state| Version { from, daily: false, confirmed: from, state };
        let track = Track::new(vec![
            version(2, State::Present(1)),
            version(1, State::Gone),
            version(2, State::Present(3)),
        ]);
        assert_eq!(track.versions(), [version(1, State::Gone), version(2, State::Present(3))]);
    }
}
