//! The decision at a time, from what may have held.

use std::sync::Arc;

use super::super::acl::AclVerdict;
use super::super::evaluate::Decision;
use super::super::lane::{Candidate, Lane};
use super::groups::GroupHistory;
use super::members::{Member, membership};
use super::{Attached, Recorded};
use crate::flow::{Direction, address_from_bits};
use crate::inventory::Trust;

/// An opening to be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Number in the run.
    pub interface: u32,
    pub direction: Direction,
    pub remote: u128,
    pub protocol: u8,
    /// Destination port of the opening packet.
    pub port: u16,
    /// Destination port of the reply.
    pub reply_port: u16,
}

/// Which states of a lane count.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub time: i64,
    /// Only those that held if every change was made at the second its anchor names.
    pub nominal: bool,
}

impl When {
    pub fn of<V>(self, lane: &Lane<V>) -> impl Iterator<Item = &Candidate<V>> {
        lane.at(self.time).iter().filter(move |c| c.nominal || !self.nominal)
    }
}

/// What security groups say in all of the states that may have held.
#[derive(Debug, Default)]
struct Word {
    /// Rules that match in every state, sorted.
    certain: Vec<u32>,
    /// Rules that match in some state, sorted.
    possible: Vec<u32>,
    /// In some state nothing matches.
    may_refuse: bool,
    /// In some state nothing matches for certain, but something that can't be resolved might.
    unresolved: bool,
    weak: bool,
}

impl Word {
    /// Takes in what another state of the same thing says.
    fn or(&mut self, other: Self, first: bool) {
        if first {
            *self = other;
            return;
        }
        self.certain.retain(|rule| other.certain.binary_search(rule).is_ok());
        merge(&mut self.possible, other.possible);
        self.may_refuse |= other.may_refuse;
        self.unresolved |= other.unresolved;
        self.weak |= other.weak;
    }

    /// Takes in what another group of the same interface says: what either permits, is permitted.
    fn and(&mut self, other: Self) {
        merge(&mut self.certain, other.certain);
        merge(&mut self.possible, other.possible);
        self.may_refuse &= other.may_refuse;
        self.unresolved |= other.unresolved;
        self.weak |= other.weak;
    }
}

fn merge(into: &mut Vec<u32>, mut other: Vec<u32>) {
    if into.is_empty() {
        *into = other;
    } else if !other.is_empty() {
        into.append(&mut other);
        into.sort_unstable();
        into.dedup();
    }
}

impl Recorded {
    /// The decision on an opening at a time: what holds in every state that may have held, else what holds in some.
    pub fn decide(&self, opening: &Opening, time: i64) -> Decision {
        self.decide_when(opening, When { time, nominal: false })
    }

    pub(super) fn decide_when(&self, opening: &Opening, when: When) -> Decision {
        let Some(lane) = self.lane_of(opening.interface) else { return Decision::default() };
        let mut holders: Option<Vec<u32>> = None;
        let mut word = Word::default();
        let mut decision = Decision { has_groups: true, ..Decision::default() };
        let mut absent = false;
        for candidate in when.of(lane) {
            let Some(state) = &candidate.value else {
                absent = true;
                continue;
            };
            let mut here = self.word(opening, state, when, &mut holders);
            here.weak |= candidate.trust != Trust::Sure;
            here.unresolved |= candidate.trust == Trust::Partial && here.may_refuse;
            decision.has_groups &= !state.groups.is_empty();
            word.or(here, !decision.known);
            decision.known = true;
            self.acls(opening, state, when, &mut decision);
        }
        if !decision.known {
            return Decision::default();
        }
        decision.weak |= absent || word.weak || (word.may_refuse && !word.possible.is_empty());
        decision.unresolved = word.unresolved;
        decision.rules = if word.certain.is_empty() { word.possible } else { word.certain };
        decision
    }

    pub(super) fn lane_of(&self, interface: u32) -> Option<&Lane<Option<Arc<Attached>>>> {
        let number = self.run.get(interface as usize).copied().flatten()?;
        self.interfaces.get(number as usize)
    }

    /// What the groups of an interface in one state say.
    fn word(&self, opening: &Opening, state: &Attached, when: When, holders: &mut Option<Vec<u32>>) -> Word {
        let mut word = Word { may_refuse: true, ..Word::default() };
        for &group in &state.groups {
            match self.groups.get(group as usize) {
                Some(history) => word.and(self.group_word(opening, history, when, holders)),
                None => word.unresolved = true,
            }
        }
        // Something that can't be resolved only matters where no other group permits.
        word.unresolved &= word.may_refuse;
        word
    }

    fn group_word(
        &self,
        opening: &Opening,
        history: &GroupHistory,
        when: When,
        holders: &mut Option<Vec<u32>>,
    ) -> Word {
        let Opening { direction, remote, protocol, port, .. } = *opening;
        let mut word = Word::default();
        for (n, candidate) in when.of(&history.lane).enumerate() {
            let mut here = Word { weak: candidate.trust != Trust::Sure, ..Word::default() };
            let mut open = candidate.trust == Trust::Partial;
            match &candidate.value {
                // A group that an interface is in, but that nobody described.
                None => open = true,
                Some(index) => {
                    let index = &index.directions[direction as usize];
                    index.collect(remote, protocol, port, &mut here.certain);
                    for (claim, group) in index.references.iter().filter(|(c, _)| c.holds(protocol, port)) {
                        let holders = holders.get_or_insert_with(|| self.members.holders(remote));
                        match self.membership(holders, *group, remote, when) {
                            Member::Yes => here.certain.push(claim.rule),
                            Member::Perhaps => here.possible.push(claim.rule),
                            Member::No => {}
                        }
                    }
                    here.certain.sort_unstable();
                    here.certain.dedup();
                    merge(&mut here.possible, here.certain.clone());
                    here.possible.sort_unstable();
                    here.possible.dedup();
                    open |= index.unresolved.iter().any(|u| u.may_match(protocol, port));
                }
            }
            here.may_refuse = here.certain.is_empty();
            here.unresolved = here.may_refuse && open;
            word.or(here, n == 0);
        }
        word
    }

    fn membership(&self, holders: &[u32], group: u32, remote: u128, when: When) -> Member {
        membership(holders, group, remote, |holder| {
            let lane = self.interfaces.get(holder as usize);
            lane.map(|lane| when.of(lane).collect()).unwrap_or_default()
        })
    }

    /// What the network ACLs of a state's subnet say, together with what is known from other states.
    fn acls(&self, opening: &Opening, state: &Attached, when: When, decision: &mut Decision) {
        let Opening { direction, remote, protocol, .. } = *opening;
        let mut join = |open: AclVerdict, reply: AclVerdict| {
            decision.acl_open = Some(decision.acl_open.map_or(open, |known| known.both(open)));
            decision.acl_reply = Some(decision.acl_reply.map_or(reply, |known| known.both(reply)));
        };
        let Some(subnet) = state.subnet.and_then(|number| self.subnets.get(number as usize)) else {
            return join(AclVerdict::Unknown, AclVerdict::Unknown);
        };
        let address = address_from_bits(remote);
        let inside = |blocks: &[ipnet::IpNet]| blocks.iter().any(|net| net.contains(&address));
        let mut weak = false;
        for candidate in when.of(&subnet.acl) {
            weak |= candidate.value.is_some() && candidate.trust != Trust::Sure;
            let ask = |direction: Direction, port: u16| match &candidate.value {
                Some(state) => state.acl.ask(direction, remote, protocol, port),
                None => AclVerdict::Unknown,
            };
            for blocks in when.of(&subnet.blocks) {
                if candidate.value.is_some() && inside(&blocks.value) {
                    join(AclVerdict::NotAsked, AclVerdict::NotAsked);
                } else {
                    join(ask(direction, opening.port), ask(direction.reverse(), opening.reply_port));
                }
            }
        }
        decision.weak |= weak;
    }
}
