//! Action x decision = verdict.

use super::acl::AclVerdict;
use super::evaluate::{Decision, Policy};
use super::memo::Memo;
use super::recorded::Removal;
use super::scope::Opening;
use super::tracking::Tracking;
use super::verdict::{Cause, EscapeReason, Judged, NotEvaluable, Verdict};
use crate::connection::{Connection, Coverage, Fit, Part, RejectReason};
use crate::flow::{Action, Direction, Protocol};

/// Sets of the memo of a [`Judge`]: 250 KiB or so. Every partition has connections of nearly all interfaces, and those of a
/// tier share their groups: what was asked in one partition is asked again in the next.
const SETS: usize = 128;

/// Judges one connection after the other and remembers some of its last decisions, which makes it fast where
/// connections come in the order of interfaces and peers. Answers do not depend on what was asked before. One to a
/// thread; its memory does not grow, whatever it is asked, beyond the longest list of rules that permit one opening.
#[derive(Debug)]
pub struct Judge<'p> {
    policy: &'p Policy,
    memo: Memo,
    /// The last answer.
    judged: Judged,
}

impl<'p> Judge<'p> {
    /// A judge who has not seen anything yet.
    #[must_use]
    pub fn new(policy: &'p Policy) -> Self {
        Self::with_memo(policy, SETS)
    }

    fn with_memo(policy: &'p Policy, sets: usize) -> Self {
        Self { policy, memo: Memo::new(sets), judged: Judged::plain(Verdict::Permitted) }
    }

    /// How well the configuration explains that a connection was opened in `direction`.
    pub fn fit(&mut self, connection: &Connection, direction: Direction) -> Fit {
        let place = self.find(connection, direction);
        self.memo.fit(self.policy, place)
    }

    /// Judges a connection as of its start. `coverage` is what was watched at its interface: a connection that was
    /// there when watching began may be older.
    pub fn judge(&mut self, connection: &Connection, coverage: &Coverage) -> &Judged {
        self.judged.clear();
        self.judged.verdict = match at_sight(connection) {
            Some(verdict) => verdict,
            None => match connection.opener {
                Some(direction) => self.judge_opened(connection, direction, coverage),
                None => self.judge_unopened(connection, coverage),
            },
        };
        &self.judged
    }

    fn find(&mut self, connection: &Connection, direction: Direction) -> usize {
        self.memo.find(self.policy, &Opening::of(connection, direction), connection.first)
    }

    fn judge_opened(
        &mut self,
        connection: &Connection,
        direction: Direction,
        coverage: &Coverage,
    ) -> Verdict {
        let place = self.find(connection, direction);
        let decision = self.memo.decision(place);
        self.judged.rest_on(decision);
        self.judged.decision.rules.extend_from_slice(&decision.rules);
        if !decision.known {
            return Verdict::NotEvaluable(NotEvaluable::InterfaceUnknown);
        }
        match connection.action() {
            Action::Accept => {
                if connection.backward()[1].any() {
                    self.judged.blocked_reply = self.policy.blocked_reply(connection, direction);
                }
                if decision.permits() {
                    return Verdict::Permitted;
                }
                if decision.unresolved && !decision.acl_denies() {
                    let opening = Opening::of(connection, direction);
                    self.judged.possible =
                        self.policy.unresolved_rules(&opening, i64::from(connection.first));
                    return Verdict::Escaped(EscapeReason::InventoryGap);
                }
                self.escape(connection, &[direction], coverage)
            }
            Action::Reject => {
                // A rule for one ICMP type may or may not have meant this packet: types are not logged. That it
                // was rejected says it did not.
                let permits = decision.groups_permit()
                    && (!decision.has_groups || self.policy.any_sure(&decision.rules));
                reject(connection, direction, decision, permits)
            }
        }
    }

    fn judge_unopened(&mut self, connection: &Connection, coverage: &Coverage) -> Verdict {
        if connection.action() == Action::Reject {
            // Rejected both ways without any handshake: the remains of a connection from before the log.
            return Verdict::Rejected(Cause::LatePacket);
        }
        let inbound = self.find(connection, Direction::Inbound);
        let decision = self.memo.decision(inbound);
        self.judged.rest_on(decision);
        if !decision.known {
            return Verdict::NotEvaluable(NotEvaluable::InterfaceUnknown);
        }
        // No rule may be credited, but each of these may have been the one.
        self.judged.possible.extend_from_slice(&decision.rules);
        let (permitted_in, unresolved_in) = (decision.permits(), decision.unresolved);
        let outbound = self.find(connection, Direction::Outbound);
        let decision = self.memo.decision(outbound);
        self.judged.possible.extend_from_slice(&decision.rules);
        let (permitted_out, unresolved_out) = (decision.permits(), decision.unresolved);
        if permitted_out {
            self.judged.rest_on(decision);
        }
        match (permitted_in, permitted_out) {
            // Whoever opened it, it was explained.
            (true, true) => Verdict::Permitted,
            (false, false) if !unresolved_in && !unresolved_out => {
                self.escape(connection, &[Direction::Inbound, Direction::Outbound], coverage)
            }
            _ => Verdict::Escaped(EscapeReason::OpenerUnknown),
        }
    }

    /// An accepted connection that the configuration does not permit in any of these directions.
    fn escape(&mut self, connection: &Connection, directions: &[Direction], coverage: &Coverage) -> Verdict {
        let mut found: Option<(Removal, Tracking)> = None;
        for &direction in directions {
            let Some(removal) = self.policy.was_permitted_before(connection, direction) else { continue };
            let tracking = self.policy.tracking(connection, direction, &removal, coverage);
            // What can be older explains it, whichever way it was opened.
            if found.as_ref().is_none_or(|(_, known)| !known.may_be_older()) {
                found = Some((removal, tracking));
            }
        }
        let Some((removal, tracking)) = found else { return Verdict::Escaped(EscapeReason::NoRule) };
        self.judged.since(removal, tracking);
        let older = tracking.may_be_older();
        Verdict::Escaped(if older { EscapeReason::RuleRemovedTracked } else { EscapeReason::RuleRemovedNew })
    }
}

/// The verdict on a connection for which the configuration need not be asked.
pub(super) fn at_sight(connection: &Connection) -> Option<Verdict> {
    if connection.local == connection.remote {
        return Some(Verdict::NotEvaluable(NotEvaluable::SelfTraffic));
    }
    if !connection.local_known {
        return Some(Verdict::NotEvaluable(NotEvaluable::LocalSideUnknown));
    }
    let only_late = !connection.inward.iter().chain(&connection.outward).any(Part::any);
    if only_late {
        return Some(Verdict::Rejected(Cause::LatePacket));
    }
    if connection.action() == Action::Reject {
        match connection.reason {
            RejectReason::BlockPublicAccess => return Some(Verdict::Rejected(Cause::BlockPublicAccess)),
            RejectReason::EncryptionControls => return Some(Verdict::Rejected(Cause::EncryptionControls)),
            RejectReason::None => {}
        }
    }
    None
}

impl Policy {
    /// Judges a single connection. For more than one see [`Judge`], which gives the same answers.
    #[must_use]
    pub fn judge(&self, connection: &Connection, coverage: &Coverage) -> Judged {
        let mut judge = Judge::with_memo(self, 1);
        judge.judge(connection, coverage);
        judge.judged
    }

    /// What rejected the replies of an accepted connection. Security groups are stateful, so it can only be the
    /// network ACL of the reply's direction (domain C.5).
    fn blocked_reply(&self, connection: &Connection, direction: Direction) -> Option<Cause> {
        let back = connection.backward();
        let blocked = back[1].any()
            && (!back[0].any()
                || self.decide(connection, direction).acl_reply.is_some_and(AclVerdict::denies));
        blocked.then(|| Cause::acl(direction.reverse()))
    }
}

fn reject(connection: &Connection, direction: Direction, decision: &Decision, permits: bool) -> Verdict {
    let acl = Cause::acl(direction);
    match (permits, decision.acl_denies()) {
        (true, true) => Verdict::Rejected(acl),
        (false, true) if decision.unresolved => Verdict::Rejected(acl),
        (false, true) => Verdict::Rejected(Cause::Both),
        // The network ACL let it pass, so it was the security groups: what could not be resolved did not permit it.
        (false, false) if decision.unresolved && !decision.acl_open.is_some_and(AclVerdict::allows) => {
            Verdict::NotEvaluable(NotEvaluable::InventoryGap)
        }
        (false, false) => Verdict::Rejected(Cause::SecurityGroup),
        (true, false) => {
            let part = &connection.forward()[1];
            // Judged as new, in the middle of a stream: its tracking entry had expired (domain C.2).
            let mid_stream = connection.protocol == Protocol::TCP && part.flagged && !part.syn;
            if mid_stream {
                Verdict::Rejected(Cause::LatePacket)
            } else if decision.acl_open == Some(AclVerdict::Maybe) {
                // It may deny this packet: of an ICMP type that is not logged, or from a neighbour, if it is none.
                Verdict::Rejected(acl)
            } else if decision.weak {
                // One of the two observations around it refuses it: that explains the reject.
                Verdict::Rejected(Cause::SecurityGroup)
            } else {
                Verdict::Misdropped
            }
        }
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
