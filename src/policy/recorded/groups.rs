//! A security group's versions, each compiled once, with the prefix lists and peerings it depends on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::super::compile::{RuleBook, Unresolved};
use super::super::lane::{Candidate, Lane, lane};
use super::super::ranges::{Blocks, Claim, RangeIndex};
use super::super::scope::{Opening, Scope};
use crate::flow::is_v4;
use crate::inventory::{Anchor, Peering, PrefixList, Rule, RulePeer, SecurityGroup, Timeline, Trust};

/// More combinations of states than this are not told apart: the one that held nominally stands for all.
const COMBINATIONS: usize = 256;

/// Groups with more spans than this are compiled to be small, others to be fast: there may be thousands of versions.
const SPANS_BY_PORT: usize = 8;

/// One version of a group, ready to be asked.
#[derive(Debug)]
pub(super) struct GroupIndex {
    pub directions: [DirectionIndex; 2],
    /// Numbers of its rules, sorted.
    rules: Vec<u32>,
}

/// Its rules of one direction.
#[derive(Debug)]
pub(super) struct DirectionIndex {
    v4: RangeIndex<u32>,
    v6: RangeIndex<u128>,
    /// Rules whose peer is a group, by the group's number: members change without the rule.
    pub references: Vec<(Claim, u32)>,
    pub unresolved: Vec<Unresolved>,
}

impl DirectionIndex {
    /// Appends the rules with a CIDR or prefix list that permit it; unsorted, possibly repeated.
    pub fn collect(&self, opening: &Opening, scope: &mut Scope, out: &mut Vec<u32>) {
        let Opening { remote, protocol, port, .. } = *opening;
        if is_v4(remote) {
            self.v4.collect(remote as u32, protocol, port, scope, out);
        } else {
            self.v6.collect(remote, protocol, port, scope, out);
        }
    }
}

/// A group over time.
#[derive(Debug)]
pub(super) struct GroupHistory {
    pub lane: Lane<Option<Arc<GroupIndex>>>,
    /// All rules it ever had, for a quick "never". `None` if there is only one version.
    pub ever: Option<GroupIndex>,
    /// When rules ended to be part of it: (rule, time), sorted.
    pub ended: Vec<(u32, i64)>,
}

/// A prefix list's entries in a state; `None` if they can't be read or the list is not known.
type Entries = Option<Vec<IpNet>>;

/// Something that groups depend on, over time: states by number.
struct Dependency<V> {
    lane: Lane<usize>,
    states: Vec<V>,
}

impl<V> Dependency<V> {
    fn new<T: PartialEq>(anchors: &[Anchor<'_, T>], state: impl Fn(Option<&T>) -> V) -> Self {
        let mut states = Vec::new();
        let lane = lane(anchors, |known| {
            states.push(state(known));
            states.len() - 1
        });
        Self { lane, states }
    }
}

/// What groups have in common while they are compiled.
pub(super) struct Compiler<'a> {
    timeline: &'a Timeline,
    book: &'a RuleBook,
    /// Numbers of the groups that are known to exist.
    known: &'a HashMap<&'a str, u32>,
    lists: BTreeMap<&'a str, Arc<Dependency<Entries>>>,
    /// Whether a peering is dead.
    peerings: BTreeMap<&'a str, Arc<Dependency<bool>>>,
}

/// One state of everything a group version depends on.
struct Inputs<'a> {
    group: &'a SecurityGroup,
    lists: BTreeMap<&'a str, &'a Entries>,
    dead: BTreeSet<&'a str>,
}

/// The prefix lists and peerings of a group's rules.
struct Needs<'a> {
    lists: Vec<(&'a str, Arc<Dependency<Entries>>)>,
    peerings: Vec<(&'a str, Arc<Dependency<bool>>)>,
}

impl<'a> Compiler<'a> {
    pub fn new(timeline: &'a Timeline, book: &'a RuleBook, known: &'a HashMap<&'a str, u32>) -> Self {
        Self { timeline, book, known, lists: BTreeMap::new(), peerings: BTreeMap::new() }
    }

    /// Compiles all versions of a group, each once.
    pub fn group(&mut self, id: &str) -> GroupHistory {
        let anchors = self.timeline.anchors(id, |h| &h.security_groups, |i| &i.security_groups);
        let mut states: Vec<Option<&SecurityGroup>> = anchors.iter().map(|a| a.state).collect();
        let versions = Dependency::new(&anchors, |_| ()).lane;
        if states.is_empty() {
            states.push(None);
        }
        let needs = self.needs(states.iter().flatten().flat_map(|group| &group.rules));

        let mut starts: BTreeSet<i64> = versions.starts().collect();
        let mut changes: BTreeMap<i64, bool> = versions.changes().iter().copied().collect();
        for lane in needs.lanes() {
            starts.extend(lane.starts());
            for (time, exact) in lane.changes() {
                *changes.entry(*time).or_default() |= exact;
            }
        }
        let by_port = starts.len() <= SPANS_BY_PORT;
        let mut compiled: BTreeMap<Vec<usize>, Option<Arc<GroupIndex>>> = BTreeMap::new();
        let mut spans = Vec::with_capacity(starts.len());
        for start in starts {
            let mut candidates = Vec::new();
            for (key, nominal, trust) in combinations(start, &versions, &needs) {
                let value = match compiled.get(&key) {
                    Some(known) => known.clone(),
                    None => {
                        let index = states[key[0]]
                            .map(|group| Arc::new(self.compile(&[needs.inputs(group, &key)], by_port)));
                        compiled.insert(key, index.clone());
                        index
                    }
                };
                candidates.push(Candidate { value, trust, nominal });
            }
            spans.push((start, candidates));
        }
        let lane = Lane::new(spans, changes.into_iter().collect());
        let ever = (!lane.changes().is_empty()).then(|| {
            let all = compiled.keys().filter_map(|key| Some(needs.inputs(states[key[0]]?, key)));
            self.compile(&all.collect::<Vec<_>>(), false)
        });
        let ended = ended(&lane);
        GroupHistory { lane, ever, ended }
    }

    fn needs(&mut self, rules: impl Iterator<Item = &'a Rule>) -> Needs<'a> {
        let (mut lists, mut peerings) = (BTreeMap::new(), BTreeMap::new());
        let timeline = self.timeline;
        for rule in rules {
            match &rule.peer {
                RulePeer::PrefixList(id) => {
                    let list = self.lists.entry(id).or_insert_with(|| {
                        let anchors = timeline.anchors(id, |h| &h.prefix_lists, |i| &i.prefix_lists);
                        let entries = |list: Option<&PrefixList>| list.and_then(|l| l.entries.clone());
                        Arc::new(Dependency::new(&anchors, entries))
                    });
                    lists.insert(id.as_str(), list.clone());
                }
                RulePeer::Group { peering: Some(id), .. } => {
                    let peering = self.peerings.entry(id).or_insert_with(|| {
                        let anchors = timeline.anchors(id, |h| &h.peerings, |i| &i.peerings);
                        let dead = |p: Option<&Peering>| {
                            p.is_some_and(|p| !p.status.is_empty() && is_dead(&p.status))
                        };
                        Arc::new(Dependency::new(&anchors, dead))
                    });
                    peerings.insert(id.as_str(), peering.clone());
                }
                RulePeer::Group { .. } | RulePeer::Cidr(_) => {}
            }
        }
        Needs { lists: lists.into_iter().collect(), peerings: peerings.into_iter().collect() }
    }

    /// Compiles the rules of one state, or of several together.
    fn compile(&self, states: &[Inputs<'_>], by_port: bool) -> GroupIndex {
        let mut blocks = [Blocks::default(), Blocks::default()];
        let mut references = [Vec::new(), Vec::new()];
        let mut unresolved = [Vec::new(), Vec::new()];
        let mut rules = BTreeSet::new();
        for (inputs, rule) in states.iter().flat_map(|s| s.group.rules.iter().map(move |r| (s, r))) {
            let direction = rule.direction as usize;
            let (low, high) = rule.ports.unwrap_or((0, u16::MAX));
            let protocol = rule.protocol.map(|p| p.0);
            let number = self.book.find(&rule.id).unwrap_or(u32::MAX);
            rules.insert(number);
            let claim = Claim { protocol, low, high, rule: number };
            match self.peer(rule, inputs) {
                Peer::Blocks(nets) => nets.iter().for_each(|net| blocks[direction].add(net, claim)),
                Peer::Members(group) => references[direction].push((claim, group)),
                Peer::Unknown => unresolved[direction].push(Unresolved { protocol, low, high, rule: number }),
            }
        }
        let [ref_in, ref_out] = references;
        let [open_in, open_out] = unresolved;
        let [inbound, outbound] = blocks;
        let index = |blocks: Blocks, mut references: Vec<(Claim, u32)>, mut unresolved: Vec<Unresolved>| {
            let (v4, v6) = blocks.index(by_port);
            references.sort_unstable();
            references.dedup();
            unresolved.sort_unstable();
            unresolved.dedup();
            DirectionIndex { v4, v6, references, unresolved }
        };
        GroupIndex {
            directions: [index(inbound, ref_in, open_in), index(outbound, ref_out, open_out)],
            rules: rules.into_iter().collect(),
        }
    }

    /// What a rule's peer stands for. A reference to a group that nothing ever told of, in another account say,
    /// can't be resolved; one over a dead peering matches nothing.
    fn peer<'r>(&self, rule: &'r Rule, inputs: &Inputs<'r>) -> Peer<'r> {
        match &rule.peer {
            RulePeer::Cidr(net) => Peer::Blocks(std::slice::from_ref(net)),
            RulePeer::PrefixList(id) => match inputs.lists.get(id.as_str()) {
                Some(Some(entries)) => Peer::Blocks(entries),
                _ => Peer::Unknown,
            },
            RulePeer::Group { id, peering, status, .. } => {
                let cut = peering.as_ref().is_some_and(|p| inputs.dead.contains(p.as_str()));
                if cut || status.as_deref().is_some_and(is_dead) {
                    return Peer::Blocks(&[]);
                }
                self.known.get(id.as_str()).map_or(Peer::Unknown, |&group| Peer::Members(group))
            }
        }
    }
}

enum Peer<'r> {
    Blocks(&'r [IpNet]),
    Members(u32),
    Unknown,
}

fn is_dead(status: &str) -> bool {
    !matches!(status, "active" | "provisioning")
}

impl<'a> Needs<'a> {
    /// Lists first, then peerings.
    fn lanes(&self) -> impl Iterator<Item = &Lane<usize>> {
        self.lists.iter().map(|(_, list)| &list.lane).chain(self.peerings.iter().map(|(_, p)| &p.lane))
    }

    /// The states that a key of [`combinations`] stands for.
    fn inputs<'b>(&'b self, group: &'b SecurityGroup, key: &[usize]) -> Inputs<'b> {
        let (lists, peerings) = key[1..].split_at(self.lists.len());
        let entries = self.lists.iter().zip(lists).map(|((id, list), state)| (*id, &list.states[*state]));
        let dead = self.peerings.iter().zip(peerings).filter(|((_, peering), state)| peering.states[**state]);
        Inputs { group, lists: entries.collect(), dead: dead.map(|((id, _), _)| *id).collect() }
    }
}

/// The states of a group, its lists and its peerings that may have held together: their numbers, whether all held
/// nominally, and the least trust.
fn combinations(at: i64, versions: &Lane<usize>, needs: &Needs<'_>) -> Vec<(Vec<usize>, bool, Trust)> {
    let mut all: Vec<(Vec<usize>, bool, Trust)> =
        versions.at(at).iter().map(|c| (vec![c.value], c.nominal, c.trust)).collect();
    let total = needs.lanes().fold(all.len(), |n, lane| n.saturating_mul(lane.at(at).len()));
    for lane in needs.lanes() {
        let mut longer = Vec::with_capacity(all.len());
        for (key, nominal, trust) in &all {
            for state in lane.at(at).iter().filter(|s| s.nominal || total <= COMBINATIONS) {
                let mut key = key.clone();
                key.push(state.value);
                let trust = if total > COMBINATIONS { Trust::Partial } else { (*trust).max(state.trust) };
                longer.push((key, *nominal && state.nominal, trust));
            }
        }
        all = longer;
    }
    all
}

/// When rules ceased to be part of a group.
fn ended(lane: &Lane<Option<Arc<GroupIndex>>>) -> Vec<(u32, i64)> {
    let nominal = |time: i64| -> &[u32] {
        let held = lane.at(time).iter().find(|c| c.nominal);
        held.and_then(|c| c.value.as_ref()).map_or(&[], |index| &index.rules)
    };
    let mut ended: Vec<(u32, i64)> = Vec::new();
    for &(time, _) in lane.changes() {
        let (before, after) = (nominal(time.saturating_sub(1)), nominal(time));
        let gone = before.iter().filter(|rule| after.binary_search(rule).is_err());
        ended.extend(gone.map(|&rule| (rule, time)));
    }
    ended.sort_unstable();
    ended
}
