//! The decision at a time, from what may have held.

use std::sync::Arc;

use super::super::acl::AclVerdict;
use super::super::evaluate::Decision;
use super::super::lane::{Candidate, Lane};
use super::super::scope::{Opening, Scope};
use super::super::strangers::may_be_near;
use super::groups::{GroupHistory, GroupIndex};
use super::members::{Member, may_be_nobodys, membership};
use super::{AclState, Attached, Recorded};
use crate::inventory::Trust;

/// Which states of a lane count.
#[derive(Clone, Copy, Debug)]
pub(super) struct When {
    pub time: i64,
    /// Only those that held if every change was made at the second its anchor names.
    pub nominal: bool,
}

impl When {
    pub fn of<'l, V>(
        self,
        lane: &'l Lane<V>,
        scope: &mut Scope,
    ) -> impl Iterator<Item = &'l Candidate<V>> + use<'l, V> {
        let (states, span) = lane.span(self.time);
        scope.within(span);
        states.iter().filter(move |c| self.counts(c))
    }

    fn counts<V>(self, candidate: &Candidate<V>) -> bool {
        candidate.nominal || !self.nominal
    }
}

/// What security groups say in all of the states that may have held.
#[derive(Debug, Default)]
struct Word {
    /// Rules that match in every state.
    certain: Vec<u32>,
    /// More rules, that match in some state; others of them may be among the certain ones, too.
    perhaps: Vec<u32>,
    /// In some state nothing matches.
    may_refuse: bool,
    /// In some state nothing matches for certain, but something that can't be resolved might.
    unresolved: bool,
    weak: bool,
}

impl Word {
    /// Takes in what another state of the same thing says. The certain rules of both are sorted.
    fn or(&mut self, other: Self, first: bool) {
        if first {
            *self = other;
            return;
        }
        self.perhaps.extend(&self.certain);
        self.perhaps.extend(&other.certain);
        self.perhaps.extend(other.perhaps);
        self.certain.retain(|rule| other.certain.binary_search(rule).is_ok());
        self.may_refuse |= other.may_refuse;
        self.unresolved |= other.unresolved;
        self.weak |= other.weak;
    }

    /// Takes in what another group of the same interface says: what either permits, is permitted.
    fn and(&mut self, other: Self) {
        self.certain.extend(other.certain);
        self.perhaps.extend(other.perhaps);
        self.may_refuse &= other.may_refuse;
        self.unresolved |= other.unresolved;
        self.weak |= other.weak;
    }
}

fn sort(rules: &mut Vec<u32>) {
    if rules.len() > 1 {
        rules.sort_unstable();
        rules.dedup();
    }
}

/// A question on its way through the states.
struct Asking<'q> {
    opening: &'q Opening,
    when: When,
    scope: &'q mut Scope,
    /// The interfaces that ever had the remote address, once that matters.
    holders: Option<Vec<u32>>,
    /// Whether the remote address may be of an interface that nobody told of, once that matters.
    stranger: Option<bool>,
}

impl Recorded {
    /// The decision on an opening at a time: what holds in every state that may have held, else what holds in some.
    /// `scope` is narrowed to where it holds. `spare` is an empty list to put rules in.
    pub fn decide(&self, opening: &Opening, time: i64, scope: &mut Scope, spare: Vec<u32>) -> Decision {
        self.decide_when(opening, When { time, nominal: false }, scope, spare)
    }

    /// Appends the rules that would permit an opening, were their peers known.
    pub fn unresolved(&self, opening: &Opening, time: i64, rules: &mut Vec<u32>) {
        let Some(lane) = self.lane_of(opening.interface) else { return };
        let (when, mut scope) = (When { time, nominal: false }, Scope::around(opening.remote));
        for state in when.of(lane, &mut scope).filter_map(|c| c.value.as_ref()) {
            let groups = state.groups.iter().filter_map(|&group| self.groups.get(group as usize));
            for index in groups.flat_map(|group| group.lane.at(time)).filter_map(|c| c.value.as_ref()) {
                let index = &index.directions[opening.direction as usize];
                let claims = index.references.iter().map(|(claim, _)| claim);
                let may =
                    claims.filter(|c| c.holds(opening.protocol, opening.port, &mut scope)).map(|c| c.rule);
                rules.extend(may);
                let open = index.unresolved.iter();
                rules.extend(
                    open.filter(|u| u.may_match(opening.protocol, opening.port, &mut scope)).map(|u| u.rule),
                );
            }
        }
    }

    pub(super) fn decide_when(
        &self,
        opening: &Opening,
        when: When,
        scope: &mut Scope,
        mut spare: Vec<u32>,
    ) -> Decision {
        let Some(lane) = self.lane_of(opening.interface) else { return Decision::default() };
        let states = when.of(lane, scope);
        let mut asking = Asking { opening, when, scope, holders: None, stranger: None };
        let mut word = Word::default();
        let mut decision = Decision { has_groups: true, ..Decision::default() };
        let mut absent = false;
        for candidate in states {
            let Some(state) = &candidate.value else {
                absent = true;
                continue;
            };
            let mut here = self.word(&mut asking, state, std::mem::take(&mut spare));
            here.weak |= candidate.trust != Trust::Sure;
            here.unresolved |= candidate.trust == Trust::Partial && here.may_refuse;
            decision.has_groups &= !state.groups.is_empty();
            word.or(here, !decision.known);
            decision.known = true;
            self.acls(&mut asking, state, &mut decision);
        }
        if !decision.known {
            return Decision::default();
        }
        let possible = !word.certain.is_empty() || !word.perhaps.is_empty();
        decision.weak |= absent || word.weak || (word.may_refuse && possible);
        decision.unresolved = word.unresolved;
        decision.rules = if word.certain.is_empty() && possible {
            sort(&mut word.perhaps);
            word.perhaps
        } else {
            word.certain
        };
        decision
    }

    pub(super) fn lane_of(&self, interface: u32) -> Option<&Lane<Option<Arc<Attached>>>> {
        let number = self.run.get(interface as usize).copied().flatten()?;
        self.interfaces.get(number as usize)
    }

    /// What the groups of an interface in one state say.
    fn word(&self, asking: &mut Asking<'_>, state: &Attached, spare: Vec<u32>) -> Word {
        let mut word = Word { certain: spare, may_refuse: true, ..Word::default() };
        for &group in &state.groups {
            match self.groups.get(group as usize) {
                Some(history) => self.add_group(asking, history, &mut word),
                None => word.unresolved = true,
            }
        }
        // Something that can't be resolved only matters where no other group permits.
        word.unresolved &= word.may_refuse;
        sort(&mut word.certain);
        word
    }

    /// Takes what a group says into what others of the same interface said.
    fn add_group(&self, asking: &mut Asking<'_>, history: &GroupHistory, word: &mut Word) {
        let (states, span) = history.lane.span(asking.when.time);
        asking.scope.within(span);
        if let [only] = states
            && asking.when.counts(only)
        {
            let before = word.certain.len();
            let open = self.collect(asking, only, &mut word.certain, &mut word.perhaps);
            let refuses = word.certain.len() == before;
            word.may_refuse &= refuses;
            word.unresolved |= refuses && open;
            word.weak |= only.trust != Trust::Sure;
            return;
        }
        let mut group = Word::default();
        let when = asking.when;
        for (n, candidate) in states.iter().filter(|c| when.counts(c)).enumerate() {
            let mut here = Word { weak: candidate.trust != Trust::Sure, ..Word::default() };
            let open = self.collect(asking, candidate, &mut here.certain, &mut here.perhaps);
            sort(&mut here.certain);
            here.may_refuse = here.certain.is_empty();
            here.unresolved = here.may_refuse && open;
            group.or(here, n == 0);
        }
        word.and(group);
    }

    /// Appends the rules of a group in one state that match, and that perhaps do; true if something that can't be
    /// resolved might.
    fn collect(
        &self,
        asking: &mut Asking<'_>,
        candidate: &Candidate<Option<Arc<GroupIndex>>>,
        certain: &mut Vec<u32>,
        perhaps: &mut Vec<u32>,
    ) -> bool {
        // A group that an interface is in, but that nobody described.
        let Some(index) = &candidate.value else { return true };
        let Opening { direction, remote, protocol, port, .. } = *asking.opening;
        let index = &index.directions[direction as usize];
        index.collect(asking.opening, asking.scope, certain);
        let mut open = false;
        for (claim, group) in &index.references {
            if !claim.holds(protocol, port, asking.scope) {
                continue;
            }
            // Members are looked up by the very address.
            asking.scope.remote_in(remote, (remote, remote));
            let holders = asking.holders.get_or_insert_with(|| self.members.holders(remote));
            match membership(&self.interfaces, holders, *group, remote, asking.when, asking.scope) {
                Member::Yes => {
                    certain.push(claim.rule);
                    continue;
                }
                Member::Perhaps => perhaps.push(claim.rule),
                Member::No => {}
            }
            open |= *asking.stranger.get_or_insert_with(|| {
                self.inside.holds(remote, asking.scope)
                    && may_be_nobodys(&self.interfaces, holders, remote, asking.when, asking.scope)
            });
        }
        open || candidate.trust == Trust::Partial
            || index.unresolved.iter().any(|u| u.may_match(protocol, port, asking.scope))
    }

    /// What the network ACLs of a state's subnet say, together with what is known from other states.
    fn acls(&self, asking: &mut Asking<'_>, state: &Attached, decision: &mut Decision) {
        let Opening { direction, remote, protocol, port, reply_port, .. } = *asking.opening;
        let mut join = |open: AclVerdict, reply: AclVerdict| {
            decision.acl_open = Some(decision.acl_open.map_or(open, |known| known.both(open)));
            if reply_port.is_some() {
                decision.acl_reply = Some(decision.acl_reply.map_or(reply, |known| known.both(reply)));
            }
        };
        let Some(subnet) = state.subnet.and_then(|number| self.subnets.get(number as usize)) else {
            return join(AclVerdict::Unknown, AclVerdict::Unknown);
        };
        let mut weak = false;
        for candidate in asking.when.of(&subnet.acl, asking.scope) {
            weak |= candidate.value.is_some() && candidate.trust != Trust::Sure;
            for blocks in asking.when.of(&subnet.blocks, asking.scope) {
                match &candidate.value {
                    None => join(AclVerdict::Unknown, AclVerdict::Unknown),
                    Some(_) if asking.scope.remote_in_any(remote, &blocks.value) => {
                        join(AclVerdict::NotAsked, AclVerdict::NotAsked);
                    }
                    Some(state) => {
                        let AclState { acl, .. } = state.as_ref();
                        let near = blocks.value.is_empty() && may_be_near(remote, asking.scope);
                        let open = acl.ask(direction, remote, protocol, port, asking.scope);
                        let reply = reply_port.map(|port| acl.ask_reply(direction, remote, protocol, port));
                        join(open.unless(near), reply.unwrap_or(AclVerdict::Unknown).unless(near));
                    }
                }
            }
        }
        decision.weak |= weak;
    }
}
