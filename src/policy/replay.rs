//! What would another configuration have done to a connection that was seen?
//!
//! Both configurations are asked about the same opening, with memberships and addresses as of its time. What neither
//! of them changes is no difference, whatever is unknown about it; what is unknown and may make a difference is
//! undecided, with the reason, and never counted as unchanged.

use super::acl::AclVerdict;
use super::evaluate::{Decision, Policy};
use super::judge::at_sight;
use super::memo::Memo;
use super::scope::Opening;
use super::verdict::{Cause, NotEvaluable, Verdict};
use crate::connection::Connection;
use crate::flow::{Action, Direction, Protocol};
use crate::inventory::{Inventory, Rule, RulePeer};

/// Sets of the memo of each configuration.
const SETS: usize = 16;

/// Why it can't be said what a configuration would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Undecided {
    /// One of the two openings would be blocked, and which one it was cannot be told.
    OpenerUnknown,
    /// It depends on a prefix list or group that the inventory does not hold.
    InventoryGap,
    /// The interface is not in the inventory.
    InterfaceUnknown,
    /// Neither address could be told to be the interface's.
    LocalSideUnknown,
    /// It depends on a membership that changed about that time.
    MembershipUnsure,
    /// It depends on the ICMP type, which flow logs do not carry.
    IcmpType,
    /// It depends on a network ACL in a way that cannot be resolved.
    NetworkAclUnsure,
}

impl Undecided {
    /// Every reason, in the order of reports.
    pub const ALL: [Self; 7] = [
        Self::OpenerUnknown,
        Self::InventoryGap,
        Self::InterfaceUnknown,
        Self::LocalSideUnknown,
        Self::MembershipUnsure,
        Self::IcmpType,
        Self::NetworkAclUnsure,
    ];

    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenerUnknown => "opener-unknown",
            Self::InventoryGap => "inventory-gap",
            Self::InterfaceUnknown => "interface-unknown",
            Self::LocalSideUnknown => "local-side-unknown",
            Self::MembershipUnsure => "membership-unsure",
            Self::IcmpType => "icmp-type",
            Self::NetworkAclUnsure => "network-acl-unsure",
        }
    }
}

/// What a candidate would have done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Consequence {
    /// Accepted, permitted now, and still permitted.
    Kept,
    /// Accepted, permitted now, and would be stopped, by what.
    Blocked(Cause),
    /// Accepted, though the standing configuration no longer permits it: the candidate does not, either.
    Unexplained,
    /// The same, but the candidate permits it.
    Admitted,
    /// Rejected, stopped now, and would pass; what stops it now.
    Opened(Cause),
    /// Rejected, and the candidate does not change that.
    StillRejected,
    /// It can't be said.
    Undecided(Undecided),
}

/// A configuration to be tried, compared with the standing one.
#[derive(Debug)]
pub struct Trial {
    policy: Policy,
    /// Network ACLs are others, or on other subnets: replies have to be asked about.
    acls_changed: bool,
    /// By number of a rule of the candidate: the standing configuration lacks it.
    fresh: Vec<bool>,
}

impl Trial {
    /// Compares. `standing` is `None` where what the logs say is all that is known of it.
    #[must_use]
    pub fn new(policy: Policy, candidate: &Inventory, standing: Option<(&Policy, &Inventory)>) -> Self {
        let Some((now, inventory)) = standing else {
            let fresh = vec![true; policy.rules().len()];
            return Self { policy, acls_changed: true, fresh };
        };
        let is_fresh = |rule: &Rule| {
            // A list whose entries change, changes what its rules permit.
            let same_list = match &rule.peer {
                RulePeer::PrefixList(id) => candidate.prefix_lists.get(id) == inventory.prefix_lists.get(id),
                RulePeer::Cidr(_) | RulePeer::Group { .. } => true,
            };
            let there = now.rule_number(&rule.id).and_then(|number| now.rule(number));
            !same_list || !there.is_some_and(|there| is_same(rule, there))
        };
        let fresh = policy.rules().iter().map(is_fresh).collect();
        Self { policy, acls_changed: candidate.network_acls != inventory.network_acls, fresh }
    }

    /// The candidate, compiled.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// True if the standing configuration lacks this rule of the candidate.
    fn is_fresh(&self, number: u32) -> bool {
        self.fresh.get(number as usize).copied().unwrap_or(true)
    }
}

/// The same whatever is only said about them.
fn is_same(one: &Rule, other: &Rule) -> bool {
    one.group == other.group && one.direction == other.direction && one.synthetic_id() == other.synthetic_id()
}

/// The answer on one connection.
#[derive(Clone, Copy, Debug)]
pub struct Weighed<'a> {
    /// What would become of it.
    pub consequence: Consequence,
    /// It rests on memberships that were observed later only, or by one of two observations.
    pub weak: bool,
    /// Numbers of the standing rules that permit it, or might. Sorted.
    pub now: &'a [u32],
    /// Numbers of the candidate's rules that would permit it. Sorted.
    pub then: &'a [u32],
}

/// A decision without its rules, which lie in a list of the weigher from `from` on.
#[derive(Clone, Copy, Debug)]
struct Said {
    known: bool,
    has_groups: bool,
    groups_permit: bool,
    unresolved: bool,
    weak: bool,
    acl_open: Option<AclVerdict>,
    acl_reply: Option<AclVerdict>,
    from: usize,
}

impl Said {
    /// Takes the rules into a list.
    fn of(decision: &Decision, rules: &mut Vec<u32>) -> Self {
        let from = rules.len();
        rules.extend_from_slice(&decision.rules);
        Self {
            known: decision.known,
            has_groups: decision.has_groups,
            groups_permit: decision.groups_permit(),
            unresolved: decision.unresolved,
            weak: decision.weak,
            acl_open: decision.acl_open,
            acl_reply: decision.acl_reply,
            from,
        }
    }

    fn acl_denies(&self) -> bool {
        self.acl_open.is_some_and(AclVerdict::denies)
    }

    fn denies_reply(&self) -> bool {
        self.acl_reply.is_some_and(AclVerdict::denies)
    }

    fn permits(&self) -> bool {
        self.groups_permit && !self.acl_denies()
    }

    /// What stops an opening, or its reply, that does not pass.
    fn stopped_by(&self, direction: Direction) -> Cause {
        match (self.groups_permit, self.acl_denies()) {
            (false, true) => Cause::Both,
            (true, true) => Cause::acl(direction),
            (true, false) if self.denies_reply() => Cause::acl(direction.reverse()),
            (_, false) => Cause::SecurityGroup,
        }
    }
}

/// Weighs one connection after the other; one to a thread. Its memory does not grow.
#[derive(Debug)]
pub struct Weigher<'p> {
    standing: Option<(&'p Policy, Memo)>,
    memos: Vec<Memo>,
    now: Vec<u32>,
    then: Vec<u32>,
}

impl<'p> Weigher<'p> {
    /// For so many candidates. `standing` is `None` where what the logs say is all that is known.
    #[must_use]
    pub fn new(standing: Option<&'p Policy>, candidates: usize) -> Self {
        Self {
            standing: standing.map(|policy| (policy, Memo::new(SETS))),
            memos: (0..candidates).map(|_| Memo::new(SETS)).collect(),
            now: Vec::new(),
            then: Vec::new(),
        }
    }

    /// What candidate number `at` would do to a connection; `None` for what is no attempt, or never was judged.
    pub fn weigh(&mut self, at: usize, trial: &Trial, connection: &Connection) -> Option<Weighed<'_>> {
        self.now.clear();
        self.then.clear();
        let plain = |consequence| Weighed { consequence, weak: false, now: &[], then: &[] };
        match at_sight(connection) {
            Some(Verdict::NotEvaluable(NotEvaluable::SelfTraffic)) => return None,
            Some(Verdict::NotEvaluable(_)) => {
                return Some(plain(Consequence::Undecided(Undecided::LocalSideUnknown)));
            }
            Some(Verdict::Rejected(Cause::LatePacket)) => return None,
            Some(_) => return Some(plain(Consequence::StillRejected)),
            None => {}
        }
        let accepted = connection.action() == Action::Accept;
        let (consequence, weak) = match connection.opener {
            Some(direction) if accepted => self.accepted(at, trial, connection, direction),
            Some(direction) => {
                let part = &connection.forward()[1];
                if connection.protocol == Protocol::TCP && part.flagged && !part.syn {
                    // In the middle of a stream: no attempt that a rule could let in (domain C.2).
                    return None;
                }
                self.rejected(at, trial, connection, direction)
            }
            None if accepted => self.unopened(at, trial, connection),
            None => return None,
        };
        for rules in [&mut self.now, &mut self.then] {
            rules.sort_unstable();
            rules.dedup();
        }
        Some(Weighed { consequence, weak, now: &self.now, then: &self.then })
    }

    fn unopened(&mut self, at: usize, trial: &Trial, connection: &Connection) -> (Consequence, bool) {
        use Consequence::{Admitted, Blocked, Kept, Undecided as Un, Unexplained};
        let (one, weak) = self.accepted(at, trial, connection, Direction::Inbound);
        let (two, too) = self.accepted(at, trial, connection, Direction::Outbound);
        let consequence = match (one, two) {
            (Blocked(cause), Blocked(_)) => Blocked(cause),
            (Un(why), _) | (_, Un(why)) => Un(why),
            (Blocked(_), _) | (_, Blocked(_)) => Un(Undecided::OpenerUnknown),
            (Kept, _) | (_, Kept) => Kept,
            (Admitted, _) | (_, Admitted) => Admitted,
            _ => Unexplained,
        };
        (consequence, weak || too)
    }

    /// What both say to an opening; their rules are appended to the lists.
    fn ask(
        &mut self,
        at: usize,
        trial: &Trial,
        connection: &Connection,
        direction: Direction,
    ) -> (Option<Said>, Said) {
        let Self { standing, memos, now, then } = self;
        if trial.acls_changed {
            // Replies are asked about, which nobody remembers.
            let said =
                standing.as_ref().map(|(policy, _)| Said::of(&policy.decide(connection, direction), now));
            return (said, Said::of(&trial.policy.decide(connection, direction), then));
        }
        let opening = Opening::of(connection, direction);
        let said = standing.as_mut().map(|(policy, memo)| {
            let place = memo.find(policy, &opening, connection.first);
            Said::of(memo.decision(place), now)
        });
        let memo = &mut memos[at];
        let place = memo.find(&trial.policy, &opening, connection.first);
        (said, Said::of(memo.decision(place), then))
    }

    /// True if one of these rules of the candidate is not among these standing ones.
    fn brings(&self, trial: &Trial, then: &[u32], now: &[u32]) -> bool {
        let Some((policy, _)) = &self.standing else { return !then.is_empty() };
        let has = |id: &str| now.iter().any(|&n| policy.rule(n).is_some_and(|rule| rule.id == id));
        then.iter().any(|&number| {
            trial.is_fresh(number) || !trial.policy.rule(number).is_some_and(|rule| has(&rule.id))
        })
    }

    /// True if each of these standing rules is among these of the candidate, as it is.
    fn retains(&self, trial: &Trial, now: &[u32], then: &[u32]) -> bool {
        let Some((policy, _)) = &self.standing else { return false };
        let has = |id: &str| {
            then.iter().any(|&n| !trial.is_fresh(n) && trial.policy.rule(n).is_some_and(|rule| rule.id == id))
        };
        now.iter().all(|&number| policy.rule(number).is_some_and(|rule| has(&rule.id)))
    }

    fn accepted(
        &mut self,
        at: usize,
        trial: &Trial,
        connection: &Connection,
        direction: Direction,
    ) -> (Consequence, bool) {
        let (now, then) = self.ask(at, trial, connection, direction);
        let weak = then.weak || now.is_some_and(|now| now.weak);
        if !then.known {
            return (Consequence::Undecided(Undecided::InterfaceUnknown), weak);
        }
        let replied = connection.backward_of(direction)[0].any();
        let passes = |said: &Said| said.permits() && !(replied && said.denies_reply());
        // Without a standing configuration, that it was accepted is all that is known of it.
        let permitted_now = now.as_ref().is_none_or(passes);
        let perhaps_now = now.is_some_and(|now| now.unresolved && !now.groups_permit && !now.acl_denies());
        let (opening, time) = (Opening::of(connection, direction), i64::from(connection.first));
        if let (true, Some((policy, _))) = (perhaps_now, &self.standing) {
            let open = policy.unresolved_rules(&opening, time);
            self.now.extend(open);
        }
        if passes(&then) {
            let consequence = match self.doubt(trial, now.as_ref(), &then, replied) {
                Some(why) => Consequence::Undecided(why),
                None if opens_reply(connection, direction, now.as_ref(), &then) => {
                    Consequence::Opened(Cause::acl(direction.reverse()))
                }
                None if permitted_now || perhaps_now => Consequence::Kept,
                None => Consequence::Admitted,
            };
            return (consequence, weak);
        }
        let denied = then.acl_denies() || (replied && then.denies_reply());
        let perhaps_then = then.unresolved && !denied;
        let consequence = match (permitted_now, perhaps_now, perhaps_then) {
            (true, _, false) => Consequence::Blocked(then.stopped_by(direction)),
            (true, _, true) => Consequence::Undecided(Undecided::InventoryGap),
            (false, true, true) => {
                let open = trial.policy.unresolved_rules(&opening, time);
                let from = now.map_or(0, |now| now.from);
                // Whatever is unknown about them, it is the same.
                match self.retains(trial, &self.now[from..], &open) {
                    true => Consequence::Unexplained,
                    false => Consequence::Undecided(Undecided::InventoryGap),
                }
            }
            (false, true, false) => Consequence::Undecided(Undecided::InventoryGap),
            (false, false, _) => Consequence::Unexplained,
        };
        (consequence, weak)
    }

    /// Why a candidate that permits an accepted connection may stop it all the same.
    fn doubt(&self, trial: &Trial, now: Option<&Said>, then: &Said, replied: bool) -> Option<Undecided> {
        let rules = &self.then[then.from..];
        if then.has_groups && !trial.policy.any_sure(rules) {
            let before = now.map_or(&[][..], |now| &self.now[now.from..]);
            if before.is_empty() || !self.retains(trial, before, rules) {
                return Some(Undecided::IcmpType);
            }
        }
        let maybe = |verdict: Option<AclVerdict>| verdict == Some(AclVerdict::Maybe);
        if trial.acls_changed && (maybe(then.acl_open) || (replied && maybe(then.acl_reply))) {
            return Some(Undecided::NetworkAclUnsure);
        }
        (then.weak && now.is_some_and(|now| !now.weak)).then_some(Undecided::MembershipUnsure)
    }

    fn rejected(
        &mut self,
        at: usize,
        trial: &Trial,
        connection: &Connection,
        direction: Direction,
    ) -> (Consequence, bool) {
        let (now, then) = self.ask(at, trial, connection, direction);
        let weak = then.weak || now.is_some_and(|now| now.weak);
        if !then.known {
            return (Consequence::Undecided(Undecided::InterfaceUnknown), weak);
        }
        let sure = |policy: &Policy, said: &Said, rules: &[u32]| {
            said.permits() && (!said.has_groups || policy.any_sure(&rules[said.from..]))
        };
        let maybe = |said: &Said| said.acl_open == Some(AclVerdict::Maybe);
        let standing = self.standing.as_ref().map(|(policy, _)| *policy);
        let open_now = standing.zip(now.as_ref()).is_some_and(|(policy, now)| sure(policy, now, &self.now));
        let acl_may_stop = trial.acls_changed && now.as_ref().is_some_and(maybe);
        if open_now && !acl_may_stop {
            // The standing configuration lets it pass, whatever did not at the time.
            return (Consequence::StillRejected, weak);
        }
        let consequence = if sure(&trial.policy, &then, &self.then) {
            if trial.acls_changed && (maybe(&then) || open_now) {
                Consequence::Undecided(Undecided::NetworkAclUnsure)
            } else {
                Consequence::Opened(now.map_or(Cause::SecurityGroup, |now| now.stopped_by(direction)))
            }
        } else if then.permits() {
            // Only rules for some ICMP type match. Those that are there already did not let it in.
            match self.brings(trial, &self.then, &self.now) {
                true => Consequence::Undecided(Undecided::IcmpType),
                false => Consequence::StillRejected,
            }
        } else if then.unresolved && !then.groups_permit && !then.acl_denies() {
            let (opening, time) = (Opening::of(connection, direction), i64::from(connection.first));
            let open = trial.policy.unresolved_rules(&opening, time);
            let before = standing.map(|policy| policy.unresolved_rules(&opening, time)).unwrap_or_default();
            match self.brings(trial, &open, &before) {
                true => Consequence::Undecided(Undecided::InventoryGap),
                false => Consequence::StillRejected,
            }
        } else {
            Consequence::StillRejected
        };
        (consequence, weak)
    }
}

/// True if all that came back was rejected, by the standing network ACL, and would pass.
fn opens_reply(connection: &Connection, direction: Direction, now: Option<&Said>, then: &Said) -> bool {
    let back = connection.backward_of(direction);
    let stopped = now.is_some_and(|now| now.permits() && now.denies_reply());
    stopped && back[1].any() && !back[0].any() && then.acl_reply.is_some_and(AclVerdict::allows)
}
