//! A timeline, ready to be asked who is who: interfaces by number and by address, VPCs, prefix lists.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hashbrown::HashMap;

use super::bits::Tri;
use super::standing::{Question, Registrar, Standing};
use super::{Clause, Expectations, Pattern};
use crate::flow::{Nets, family_of, is_private, is_v4};
use crate::inventory::lane::{Lane, lane};
use crate::inventory::{PrefixList, Timeline, Track, Trust};

/// Entries of a prefix list over time, `None` where they are not known.
type Entries = Lane<Option<Nets>>;

/// One end of a connection as of its time.
pub(super) struct Side<'e> {
    /// `None`: whatever it is.
    pub address: Option<u128>,
    /// What it may have been.
    pub states: Vec<&'e Standing>,
    /// It may have been something that nothing describes.
    pub unknown: bool,
    /// It is a public address: no interface of a tier by what interfaces are.
    pub internet: Tri,
    /// What is said of it rests on an observation of another time.
    pub weak: bool,
}

impl Side<'_> {
    fn asked(&self, question: usize) -> Tri {
        let unknown = self.unknown.then_some(Tri::Maybe);
        let states = self.states.iter().map(|state| state.answers.get(question));
        Tri::whichever(states.chain(unknown)).unwrap_or(Tri::No)
    }

    /// The VPC it is in, if all that it may have been agree.
    pub fn vpc(&self) -> Option<u32> {
        let first = self.states.first()?.vpc?;
        (!self.unknown && self.states.iter().all(|s| s.vpc == Some(first))).then_some(first)
    }
}

/// From when to when an answer holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub time: i64,
    pub span: (i64, i64),
}

impl When {
    pub fn at(time: i64) -> Self {
        Self { time, span: (i64::MIN, i64::MAX) }
    }

    fn of<'l, V>(&mut self, lane: &'l Lane<V>) -> &'l [crate::inventory::lane::Candidate<V>] {
        let (candidates, (from, to)) = lane.span(self.time);
        self.span = (self.span.0.max(from), self.span.1.min(to));
        candidates
    }
}

/// See the module's description.
#[derive(Debug)]
pub(super) struct Estate {
    /// Clauses of each tier, with questions and lists by number.
    tiers: Vec<Vec<Test>>,
    interfaces: Vec<Lane<Option<Arc<Standing>>>>,
    numbers: BTreeMap<String, u32>,
    /// Interfaces that ever had an address.
    holders: HashMap<u128, Vec<u32>>,
    /// The same for delegated prefixes: by mask, then network.
    delegated: Vec<(u128, HashMap<u128, Vec<u32>>)>,
    /// Blocks that each VPC ever had; none where it is not described.
    vpcs: Vec<Nets>,
    /// All of them, and those of subnets, merged and sorted.
    inside: Vec<(u128, u128)>,
    /// The lists of each such clause; none if nothing fits.
    lists: Vec<Vec<Entries>>,
}

#[derive(Debug)]
enum Test {
    Question(usize),
    Blocks(Nets),
    Lists(usize),
    Any(Vec<usize>),
    Except(Vec<usize>),
}

impl Estate {
    pub fn new(expectations: &Expectations, timeline: &Timeline) -> Self {
        let mut questions: Vec<Question> = Vec::new();
        let mut lists = Vec::new();
        let mut test = |clause: &Clause| match clause {
            Clause::Interface(selector, patterns) => {
                let question = (*selector, patterns.clone());
                let at = questions.iter().position(|q| *q == question).unwrap_or_else(|| {
                    questions.push(question);
                    questions.len() - 1
                });
                Test::Question(at)
            }
            Clause::Cidr(nets) => Test::Blocks(nets.iter().collect()),
            Clause::PrefixList(patterns) => {
                lists.push(entries(timeline, patterns));
                Test::Lists(lists.len() - 1)
            }
            Clause::Tiers(tiers) => Test::Any(tiers.clone()),
            Clause::Except(tiers) => Test::Except(tiers.clone()),
        };
        let tiers = expectations.tiers.iter().map(|t| t.clauses.iter().map(&mut test).collect()).collect();
        let vpc_ids = timeline.ids(|h| &h.vpcs, |i| &i.vpcs);
        let interface_ids = timeline.ids(|h| &h.interfaces, |i| &i.interfaces);
        let interface_vpcs = interface_ids
            .iter()
            .flat_map(|id| timeline.interface_versions(id))
            .filter_map(|i| i.vpc.as_ref());
        let all_vpcs: BTreeSet<String> =
            vpc_ids.into_iter().map(str::to_owned).chain(interface_vpcs.cloned()).collect();
        let vpc_numbers: BTreeMap<String, u32> = all_vpcs.into_iter().zip(0..).collect();
        let vpcs: Vec<Nets> = vpc_numbers.keys().map(|id| blocks(timeline, id)).collect();
        let mut registrar = Registrar::new(timeline, &questions, &vpc_numbers);
        let interfaces = interface_ids.iter().map(|id| registrar.interface(id)).collect();
        let mut estate = Self {
            tiers,
            interfaces,
            numbers: interface_ids.into_iter().map(str::to_owned).zip(0..).collect(),
            holders: HashMap::new(),
            delegated: Vec::new(),
            inside: merged(vpcs.iter().flat_map(Nets::ranges).chain(subnets(timeline).ranges()).collect()),
            vpcs,
            lists,
        };
        estate.index();
        estate
    }

    fn index(&mut self) {
        for (lane, number) in self.interfaces.iter().zip(0..) {
            for standing in lane.values().flatten() {
                for address in &standing.addresses {
                    put(self.holders.entry(*address).or_default(), number);
                }
                for (low, high) in standing.prefixes.ranges() {
                    let mask = !(low ^ high);
                    let at = self.delegated.iter().position(|(m, _)| *m == mask).unwrap_or_else(|| {
                        self.delegated.push((mask, HashMap::new()));
                        self.delegated.len() - 1
                    });
                    put(self.delegated[at].1.entry(low).or_default(), number);
                }
            }
        }
    }

    /// The number of an interface.
    pub fn number(&self, id: &str) -> Option<u32> {
        self.numbers.get(id).copied()
    }

    /// Every interface over time, in the order of their ids.
    pub fn interfaces(&self) -> impl Iterator<Item = (&str, &Lane<Option<Arc<Standing>>>)> {
        self.numbers.keys().map(String::as_str).zip(&self.interfaces)
    }

    pub fn lane(&self, number: u32) -> Option<&Lane<Option<Arc<Standing>>>> {
        self.interfaces.get(number as usize)
    }

    /// An interface with one of its addresses.
    pub fn local(&self, number: Option<u32>, address: u128, when: &mut When) -> Side<'_> {
        let mut side = Side {
            address: Some(address),
            states: Vec::new(),
            unknown: false,
            internet: Tri::No,
            weak: false,
        };
        let lane = number.and_then(|number| self.lane(number));
        for candidate in lane.map_or(&[][..], |lane| when.of(lane)) {
            match &candidate.value {
                Some(standing) => {
                    side.states.push(standing);
                    side.unknown |= candidate.trust == Trust::Partial;
                    side.weak |= candidate.trust == Trust::Weak;
                }
                // It was there, or there would be no traffic: it was made, or ended, at an unknown time.
                None => side.weak = true,
            }
        }
        side.unknown |= side.states.is_empty();
        side
    }

    /// The other side of a connection of an interface.
    pub fn remote(&self, local: &Side<'_>, address: u128, when: &mut When) -> Side<'_> {
        let own = local.vpc();
        let mut side = Side {
            address: Some(address),
            states: Vec::new(),
            unknown: false,
            internet: Tri::No,
            weak: false,
        };
        let mut holders = self.holders.get(&address).cloned().unwrap_or_default();
        let mine = family_of(address);
        for (mask, networks) in &self.delegated {
            // A mask of one family leaves the other's addresses alone, or finds nothing there.
            let found = networks.get(&(address & mask)).filter(|_| mine == family_of(address & mask));
            holders.extend(found.into_iter().flatten());
        }
        // By VPC: own first. (whether it certainly had the address, the states it may have been in, weak)
        let mut near: (bool, Vec<&Standing>) = (false, Vec::new());
        let mut far: (bool, Vec<&Standing>) = (false, Vec::new());
        let mut partial = (false, false);
        for lane in holders.iter().filter_map(|&holder| self.lane(holder)) {
            let candidates = when.of(lane);
            let having: Vec<_> = candidates
                .iter()
                .filter_map(|c| c.value.as_deref().filter(|s| s.holds(address)).map(|s| (s, c.trust)))
                .collect();
            let Some((first, _)) = having.first() else { continue };
            let is_near = own.is_some() && first.vpc == own;
            let (sure, states) = if is_near { &mut near } else { &mut far };
            *sure |= having.len() == candidates.len();
            states.extend(having.iter().map(|(s, _)| *s));
            let doubt = having.iter().any(|(_, trust)| *trust == Trust::Partial);
            side.weak |= having.iter().any(|(_, trust)| *trust == Trust::Weak);
            if is_near { partial.0 |= doubt } else { partial.1 |= doubt }
        }
        let in_own = own.is_some_and(|vpc| self.vpcs[vpc as usize].contains(address));
        let (sure, doubt) = if !near.1.is_empty() || in_own {
            side.states = near.1;
            (near.0, partial.0)
        } else {
            side.states = far.1;
            (far.0, partial.1)
        };
        side.weak |= !sure;
        side.unknown = side.states.is_empty() || doubt;
        if side.states.is_empty() {
            self.stranger(&mut side, own, address, !holders.is_empty());
        }
        side
    }

    /// An address that no known interface had then.
    fn stranger(&self, side: &mut Side<'_>, own: Option<u32>, address: u128, ever: bool) {
        side.weak = false;
        if ever || is_private(address) || contains(&self.inside, address) {
            return;
        }
        let described = own.is_some_and(|vpc| self.vpcs[vpc as usize].ranges().next().is_some());
        if is_v4(address) || described {
            // No interface of the inventory, whatever they are: what is public belongs to no security group.
            side.unknown = false;
            side.internet = Tri::from(is_unicast(address));
            // A VPC may have public blocks of its own.
            side.weak = !described;
        } else {
            side.internet = Tri::Maybe;
        }
    }

    /// Whether the remote side is in a VPC of the inventory.
    pub fn is_inside(&self, side: &Side<'_>, own: Option<u32>) -> Tri {
        let Some(address) = side.address else { return Tri::Maybe };
        if !side.states.is_empty() || contains(&self.inside, address) {
            return Tri::Yes;
        }
        if side.internet == Tri::Yes || self.described(own) { Tri::No } else { Tri::Maybe }
    }

    /// Whether the remote side is in this VPC.
    pub fn is_in(&self, side: &Side<'_>, own: Option<u32>) -> Tri {
        let Some(address) = side.address else { return Tri::Maybe };
        let Some(own) = own else { return if side.internet == Tri::Yes { Tri::No } else { Tri::Maybe } };
        if self.described(Some(own)) {
            return self.vpcs[own as usize].contains(address).into();
        }
        let states = side.states.iter().map(|state| Tri::from(state.vpc == Some(own)));
        let unknown = side.unknown.then_some(Tri::Maybe);
        Tri::whichever(states.chain(unknown)).unwrap_or(Tri::No)
    }

    fn described(&self, vpc: Option<u32>) -> bool {
        vpc.is_some_and(|vpc| self.vpcs[vpc as usize].ranges().next().is_some())
    }

    /// Whether one side belongs to a tier.
    pub fn belongs(&self, tier: usize, side: &Side<'_>, when: &mut When) -> Tri {
        let mut all = Tri::Yes;
        for test in self.tiers.get(tier).into_iter().flatten() {
            let any = |tiers: &[usize], when: &mut When| {
                tiers.iter().map(|&inner| self.belongs(inner, side, when)).max().unwrap_or(Tri::No)
            };
            let is = match test {
                Test::Question(question) => side.asked(*question),
                Test::Blocks(nets) => side.address.map_or(Tri::Maybe, |a| nets.contains(a).into()),
                Test::Lists(lists) => side.address.map_or(Tri::Maybe, |a| self.listed(*lists, a, when)),
                Test::Any(tiers) => any(tiers, when),
                Test::Except(tiers) => any(tiers, when).not(),
            };
            all = all.min(is);
            if all == Tri::No {
                break;
            }
        }
        all
    }

    /// Whether one of the lists of a clause holds the address. If there are none, they may be missing.
    fn listed(&self, clause: usize, address: u128, when: &mut When) -> Tri {
        let lists = &self.lists[clause];
        let holds = |list: &Entries, when: &mut When| {
            let states = when.of(list).iter().map(|candidate| match &candidate.value {
                Some(entries) if candidate.trust != Trust::Partial => entries.contains(address).into(),
                _ => Tri::Maybe,
            });
            Tri::whichever(states).unwrap_or(Tri::Maybe)
        };
        lists.iter().map(|list| holds(list, when)).max().unwrap_or(Tri::Maybe)
    }

    /// The blocks of the lists of a tier at the end of the timeline, with how many lists; `None`: not all are known.
    pub fn blocks_at_end(&self, tier: usize) -> Option<(usize, usize)> {
        let (mut lists, mut blocks) = (0, 0);
        for test in self.tiers.get(tier).into_iter().flatten() {
            match test {
                Test::Blocks(nets) => blocks += nets.ranges().count(),
                Test::Lists(clause) => {
                    for list in &self.lists[*clause] {
                        lists += 1;
                        let last = list.at(i64::MAX).last().and_then(|c| c.value.as_ref())?;
                        blocks += last.ranges().count();
                    }
                    if self.lists[*clause].is_empty() {
                        return None;
                    }
                }
                Test::Question(_) | Test::Any(_) | Test::Except(_) => {}
            }
        }
        Some((lists, blocks))
    }
}

fn put(list: &mut Vec<u32>, number: u32) {
    // The states of one interface come one after the other.
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// All blocks a VPC ever had.
fn blocks(timeline: &Timeline, vpc: &str) -> Nets {
    let observed = timeline.observations().iter().filter_map(|o| o.vpcs.get(vpc));
    let recorded = timeline.history().vpcs.get(vpc).into_iter().flat_map(Track::configurations);
    observed.chain(recorded).flat_map(|vpc| &vpc.cidrs).collect()
}

/// All blocks of subnets, which tell of VPCs that nothing else describes.
fn subnets(timeline: &Timeline) -> Nets {
    let observed = timeline.observations().iter().flat_map(|o| o.subnets.values());
    let recorded = timeline.history().subnets.values().flat_map(Track::configurations);
    observed.chain(recorded).flat_map(|subnet| &subnet.cidrs).collect()
}

/// The prefix lists that fit by id or by a name they ever had, over time.
fn entries(timeline: &Timeline, patterns: &[Pattern]) -> Vec<Entries> {
    let all = timeline.ids(|h| &h.prefix_lists, |i| &i.prefix_lists);
    let lane_of = |id: &str| {
        let anchors = timeline.anchors(id, |h| &h.prefix_lists, |i| &i.prefix_lists);
        let named = anchors.iter().filter_map(|a| a.state).any(|l| patterns.iter().any(|p| p.fits(&l.name)));
        (named || patterns.iter().any(|p| p.fits(id))).then(|| {
            lane(&anchors, |list: Option<&PrefixList>| Some(list?.entries.as_ref()?.iter().collect::<Nets>()))
        })
    };
    all.into_iter().filter_map(lane_of).collect()
}

/// Ranges without overlaps, sorted.
fn merged(mut ranges: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    ranges.sort_unstable();
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for (low, high) in ranges {
        match merged.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => merged.push((low, high)),
        }
    }
    merged
}

fn contains(merged: &[(u128, u128)], address: u128) -> bool {
    let after = merged.partition_point(|(low, _)| *low <= address);
    after.checked_sub(1).is_some_and(|at| address <= merged[at].1)
}

/// Neither multicast nor reserved: somebody could have it.
fn is_unicast(address: u128) -> bool {
    match crate::flow::address_from_bits(address) {
        std::net::IpAddr::V4(a) => !(a.octets()[0] == 0 || a.octets()[0] >= 224),
        std::net::IpAddr::V6(a) => !(a.is_multicast() || a.is_unspecified()),
    }
}
