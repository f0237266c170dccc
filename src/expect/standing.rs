//! What an interface is at a time: the answers to every question that tiers ask of interfaces.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashMap;

use super::bits::{Answers, Tri};
use super::{Pattern, Selector};
use crate::flow::{Nets, address_bits};
use crate::inventory::lane::{Candidate, Lane, lane};
use crate::inventory::{Anchor, NetworkInterface, SecurityGroup, Subnet, Timeline, Vpc};

/// A question: does the interface fit one of these?
pub(super) type Question = (Selector, Vec<Pattern>);

/// An interface in one state.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Number of its VPC.
    pub vpc: Option<u32>,
    /// Private addresses, sorted.
    pub addresses: Vec<u128>,
    pub prefixes: Nets,
    pub answers: Answers,
}

impl Standing {
    pub fn holds(&self, bits: u128) -> bool {
        self.addresses.binary_search(&bits).is_ok() || self.prefixes.contains(bits)
    }
}

/// A resource's states by the time they may have held.
struct Versions<'a, T> {
    lane: Lane<usize>,
    states: Vec<Option<&'a T>>,
}

impl<'a, T: PartialEq> Versions<'a, T> {
    fn new(anchors: &[Anchor<'a, T>]) -> Self {
        let mut next = 0;
        // A lane asks once for each anchor, in order.
        let lane = lane(anchors, |_| {
            next += 1;
            next - 1
        });
        Self { lane, states: anchors.iter().map(|anchor| anchor.state).collect() }
    }

    /// The states that may have held; where it is not known to have been there, any that it ever had: it must have
    /// been, because something was in it.
    fn at(&self, time: i64) -> impl Iterator<Item = &'a T> {
        let there: Vec<&T> = self.lane.at(time).iter().filter_map(|c| *self.states.get(c.value)?).collect();
        let ever = if there.is_empty() { self.states.iter().flatten().copied().collect() } else { there };
        ever.into_iter()
    }
}

/// Answers over time: each from a second on.
type Timed = Vec<(i64, Answers)>;

fn at(timed: &Timed, time: i64) -> Option<&Answers> {
    let after = timed.partition_point(|(from, _)| *from <= time);
    timed.get(after.checked_sub(1)?).map(|(_, answers)| answers)
}

/// What a resource answers to a question at a time.
fn kept(of: &HashMap<String, Timed>, id: &str, question: usize, time: i64) -> Tri {
    of.get(id).and_then(|timed| at(timed, time)).map_or(Tri::Maybe, |answers| answers.get(question))
}

/// Makes standings.
pub(super) struct Registrar<'a> {
    timeline: &'a Timeline,
    questions: &'a [Question],
    groups: HashMap<String, Timed>,
    subnets: HashMap<String, Timed>,
    vpcs: HashMap<String, Timed>,
    vpc_numbers: &'a BTreeMap<String, u32>,
}

impl<'a> Registrar<'a> {
    pub fn new(
        timeline: &'a Timeline,
        questions: &'a [Question],
        vpc_numbers: &'a BTreeMap<String, u32>,
    ) -> Self {
        let (groups, subnets, vpcs) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { timeline, questions, groups, subnets, vpcs, vpc_numbers }
    }

    fn asks(&self, selectors: &[Selector]) -> bool {
        self.questions.iter().any(|(selector, _)| selectors.contains(selector))
    }

    /// The standings of an interface over time.
    pub fn interface(&mut self, id: &str) -> Lane<Option<Arc<Standing>>> {
        let anchors = self.timeline.anchors(id, |h| &h.interfaces, |i| &i.interfaces);
        let versions = Versions::new(&anchors);
        let mut starts: Vec<i64> = versions.lane.starts().collect();
        for state in versions.states.iter().flatten() {
            if self.asks(&[Selector::SecurityGroup, Selector::Tag]) {
                for group in &state.groups {
                    starts.extend(self.group(group).iter().map(|(from, _)| *from));
                }
            }
            if let Some(subnet) = state.subnet.as_deref().filter(|_| self.asks(&[Selector::Subnet])) {
                starts.extend(self.subnet(subnet).iter().map(|(from, _)| *from));
            }
            if let Some(vpc) = state.vpc.as_deref().filter(|_| self.asks(&[Selector::Vpc])) {
                starts.extend(self.vpc(vpc).iter().map(|(from, _)| *from));
            }
        }
        starts.sort_unstable();
        starts.dedup();
        let mut known: Vec<(usize, Arc<Standing>)> = Vec::new();
        let spans = starts.into_iter().map(|start| {
            let candidates = versions.lane.at(start).iter().map(|candidate| {
                let state = versions.states.get(candidate.value).copied().flatten();
                let value = state.map(|state| {
                    let standing = self.standing(state, start);
                    // Mostly only one changes of all that could.
                    let same = known.iter().find(|(of, k)| *of == candidate.value && **k == standing);
                    if let Some((_, same)) = same {
                        return Arc::clone(same);
                    }
                    let standing = Arc::new(standing);
                    known.push((candidate.value, Arc::clone(&standing)));
                    standing
                });
                Candidate { value, trust: candidate.trust, nominal: candidate.nominal }
            });
            (start, candidates.collect())
        });
        let spans: Vec<_> = spans.collect();
        Lane::new(spans, Vec::new())
    }

    fn standing(&self, state: &NetworkInterface, time: i64) -> Standing {
        let mut addresses: Vec<u128> = state.addresses.iter().map(|a| address_bits(*a)).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let answers = self.questions.iter().enumerate().map(|(n, (selector, patterns))| {
            let any = |name: &str| Tri::from(patterns.iter().any(|p| p.fits(name)));
            let told = |name: Option<&str>| name.filter(|n| !n.is_empty()).map_or(Tri::Maybe, any);
            let groups = || {
                let answers = state.groups.iter().map(|id| kept(&self.groups, id, n, time));
                answers.max().unwrap_or(Tri::No)
            };
            match selector {
                Selector::Interface => any(&state.id),
                Selector::InterfaceType => told(Some(&state.kind)),
                Selector::Description => any(&state.description),
                Selector::Instance => state.instance.as_deref().map_or(Tri::No, any),
                Selector::Account => told(state.account.as_deref()),
                Selector::SecurityGroup => groups(),
                Selector::Tag => Tri::from(tagged(patterns, &state.tags)).max(groups()),
                Selector::Subnet => {
                    state.subnet.as_deref().map_or(Tri::Maybe, |id| kept(&self.subnets, id, n, time))
                }
                Selector::Vpc => state.vpc.as_deref().map_or(Tri::Maybe, |id| kept(&self.vpcs, id, n, time)),
            }
        });
        Standing {
            vpc: state.vpc.as_deref().and_then(|vpc| self.vpc_numbers.get(vpc).copied()),
            addresses,
            prefixes: state.prefixes.iter().collect(),
            answers: Answers::new(answers),
        }
    }

    fn group(&mut self, id: &str) -> &Timed {
        if !self.groups.contains_key(id) {
            let anchors = self.timeline.anchors(id, |h| &h.security_groups, |i| &i.security_groups);
            let timed = self.timed(&Versions::new(&anchors), |selector, patterns, group| match selector {
                Selector::SecurityGroup => {
                    named(patterns, id, "sg-", group.map(|g: &SecurityGroup| g.name.as_str()))
                }
                Selector::Tag => group.map_or(Tri::Maybe, |g| tagged(patterns, &g.tags).into()),
                _ => Tri::No,
            });
            self.groups.insert(id.to_owned(), timed);
        }
        &self.groups[id]
    }

    fn subnet(&mut self, id: &str) -> &Timed {
        if !self.subnets.contains_key(id) {
            let anchors = self.timeline.anchors(id, |h| &h.subnets, |i| &i.subnets);
            let timed = self.timed(&Versions::new(&anchors), |selector, patterns, subnet| {
                let name = subnet.map(|s: &Subnet| name_tag(&s.tags));
                if selector == Selector::Subnet { named(patterns, id, "subnet-", name) } else { Tri::No }
            });
            self.subnets.insert(id.to_owned(), timed);
        }
        &self.subnets[id]
    }

    fn vpc(&mut self, id: &str) -> &Timed {
        if !self.vpcs.contains_key(id) {
            let anchors = self.timeline.anchors(id, |h| &h.vpcs, |i| &i.vpcs);
            let timed = self.timed(&Versions::new(&anchors), |selector, patterns, vpc| {
                let name = vpc.map(|v: &Vpc| name_tag(&v.tags));
                if selector == Selector::Vpc { named(patterns, id, "vpc-", name) } else { Tri::No }
            });
            self.vpcs.insert(id.to_owned(), timed);
        }
        &self.vpcs[id]
    }

    /// What a resource answers over time. `ask` is told `None` of one that nothing describes.
    fn timed<T: PartialEq>(
        &self,
        versions: &Versions<'_, T>,
        ask: impl Fn(Selector, &[Pattern], Option<&T>) -> Tri,
    ) -> Timed {
        let answers = |time: i64| {
            Answers::new(self.questions.iter().map(|(selector, patterns)| {
                let states = versions.at(time).map(|state| ask(*selector, patterns, Some(state)));
                Tri::whichever(states).unwrap_or_else(|| ask(*selector, patterns, None))
            }))
        };
        let mut timed: Timed = versions.lane.starts().map(|start| (start, answers(start))).collect();
        timed.dedup_by(|next, last| next.1 == last.1);
        timed
    }
}

/// Id or name fits. Where the name is not known, it might, unless only ids are asked for.
fn named(patterns: &[Pattern], id: &str, prefix: &str, name: Option<&str>) -> Tri {
    if patterns.iter().any(|p| p.fits(id)) {
        return Tri::Yes;
    }
    match name {
        Some(name) => patterns.iter().any(|p| p.fits(name)).into(),
        None if patterns.iter().all(|p| p.as_str().starts_with(prefix)) => Tri::No,
        None => Tri::Maybe,
    }
}

fn name_tag(tags: &BTreeMap<String, String>) -> &str {
    tags.get("Name").map_or("", String::as_str)
}

/// One of the tags is `Key=Value`, or `Key` with any value.
fn tagged(patterns: &[Pattern], tags: &BTreeMap<String, String>) -> bool {
    patterns.iter().any(|pattern| {
        let (key, value) = pattern.as_str().split_once('=').map_or((pattern.as_str(), "*"), |pair| pair);
        let (key, value) = (Pattern::new(key), Pattern::new(value));
        tags.iter().any(|(k, v)| key.fits(k) && value.fits(v))
    })
}
