//! Action x decision = verdict.

use super::acl::AclVerdict;
use super::evaluate::{Decision, Policy};
use super::recorded::Removal;
use crate::connection::{Connection, Part, RejectReason};
use crate::flow::{Action, Direction, Protocol};

/// Why an accepted connection is not explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EscapeReason {
    /// The rule is gone, but the connection may have been open before: it can still be tracked. Normal.
    RuleRemovedTracked,
    /// The rule is gone, and the connection was opened after that.
    RuleRemovedNew,
    /// A prefix list, group or other fact is missing that might explain it.
    InventoryGap,
    /// One of the two openings would be explained, and which one it was cannot be told.
    OpenerUnknown,
    /// Nothing explains it: the alarm.
    NoRule,
}

/// What stopped a rejected connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// No security group rule permits it.
    SecurityGroup,
    /// A network ACL denies packets entering the subnet.
    NetworkAclIn,
    /// A network ACL denies packets leaving the subnet.
    NetworkAclOut,
    /// Security group and network ACL would both have stopped it.
    Both,
    /// VPC Block Public Access (`reject-reason` BPA).
    BlockPublicAccess,
    /// VPC encryption controls (`reject-reason` EC).
    EncryptionControls,
    /// Packets of a finished or expired connection: no attempt.
    LatePacket,
}

/// Why a connection cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotEvaluable {
    /// The interface is not in the inventory.
    InterfaceUnknown,
    /// Neither address could be told to be the interface's.
    LocalSideUnknown,
    /// It was rejected, and a fact that decides by whom is missing.
    InventoryGap,
    /// The interface talks to itself: both directions of a rule would apply at once.
    SelfTraffic,
}

/// What a connection deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Accepted and explained.
    Permitted,
    /// Accepted and unexplained.
    Escaped(EscapeReason),
    /// Rejected and explained.
    Rejected(Cause),
    /// Rejected though permitted.
    Misdropped,
    /// Cannot be said.
    NotEvaluable(NotEvaluable),
}

impl EscapeReason {
    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RuleRemovedTracked => "rule-removed-tracked",
            Self::RuleRemovedNew => "rule-removed-new",
            Self::InventoryGap => "inventory-gap",
            Self::OpenerUnknown => "opener-unknown",
            Self::NoRule => "no-rule",
        }
    }
}

impl Cause {
    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecurityGroup => "security-group",
            Self::NetworkAclIn => "network-acl-in",
            Self::NetworkAclOut => "network-acl-out",
            Self::Both => "both",
            Self::BlockPublicAccess => "block-public-access",
            Self::EncryptionControls => "encryption-controls",
            Self::LatePacket => "late-packet",
        }
    }

    /// The network ACL that filters packets of this direction.
    fn acl(direction: Direction) -> Self {
        match direction {
            Direction::Inbound => Self::NetworkAclIn,
            Direction::Outbound => Self::NetworkAclOut,
        }
    }
}

impl Verdict {
    /// Word of the verdict matrix.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Escaped(_) => "escaped",
            Self::Rejected(_) => "rejected",
            Self::Misdropped => "misdropped",
            Self::NotEvaluable(_) => "not-evaluable",
        }
    }

    /// The reason behind the verdict, empty where it needs none.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Permitted | Self::Misdropped => "",
            Self::Escaped(reason) => reason.as_str(),
            Self::Rejected(cause) => cause.as_str(),
            Self::NotEvaluable(NotEvaluable::InterfaceUnknown) => "interface-unknown",
            Self::NotEvaluable(NotEvaluable::LocalSideUnknown) => "local-side-unknown",
            Self::NotEvaluable(NotEvaluable::InventoryGap) => "inventory-gap",
            Self::NotEvaluable(NotEvaluable::SelfTraffic) => "self-traffic",
        }
    }
}

/// A connection's verdict with what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict on the opening.
    pub verdict: Verdict,
    /// The decision it rests on; that of the assumed direction where the opener is unknown.
    pub decision: Decision,
    /// The reply was rejected, and by what. Only a network ACL can do that.
    pub blocked_reply: Option<Cause>,
    /// For rule-removed escapes: by when the rule was gone, Unix seconds.
    pub removed_by: Option<i64>,
    /// `removed_by` is when the rule was removed (or the interface left the group): AWS Config recorded it.
    pub removed_exactly: bool,
    /// For rule-removed escapes: the rules that had permitted it.
    pub former: Vec<u32>,
    /// Where the opener is unknown: the rules that permit one of the two openings.
    pub possible: Vec<u32>,
}

/// How long an established TCP connection stays tracked without traffic, at most: five days (domain C.2; EC2 User Guide,
/// "Idle connection tracking timeout"). Newer instance types default to less.
const LONGEST_IDLE: i64 = 432_000;

impl Judged {
    fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            decision: Decision::default(),
            blocked_reply: None,
            removed_by: None,
            removed_exactly: false,
            former: Vec::new(),
            possible: Vec::new(),
        }
    }
}

impl Judged {
    fn since(self, removal: Option<Removal>) -> Self {
        match removal {
            Some(Removal { time, exact, rules }) => {
                Self { removed_by: Some(time), removed_exactly: exact, former: rules, ..self }
            }
            None => self,
        }
    }
}

impl Policy {
    /// Judges a connection as of its start. `watched_since` is the first second the interface was heard of:
    /// a connection that was there from the beginning may be older than the log.
    #[must_use]
    pub fn judge(&self, connection: &Connection, watched_since: u32) -> Judged {
        let plain = Judged::plain;
        if connection.local == connection.remote {
            return plain(Verdict::NotEvaluable(NotEvaluable::SelfTraffic));
        }
        if !connection.local_known {
            return plain(Verdict::NotEvaluable(NotEvaluable::LocalSideUnknown));
        }
        let only_late = !connection.inward.iter().chain(&connection.outward).any(Part::any);
        if only_late {
            return plain(Verdict::Rejected(Cause::LatePacket));
        }
        if connection.action() == Action::Reject {
            match connection.reason {
                RejectReason::BlockPublicAccess => return plain(Verdict::Rejected(Cause::BlockPublicAccess)),
                RejectReason::EncryptionControls => {
                    return plain(Verdict::Rejected(Cause::EncryptionControls));
                }
                RejectReason::None => {}
            }
        }
        let Some(direction) = connection.opener else {
            return self.judge_unopened(connection, watched_since);
        };
        let decision = self.decide(connection, direction);
        if !decision.known {
            return Judged { decision, ..plain(Verdict::NotEvaluable(NotEvaluable::InterfaceUnknown)) };
        }
        match connection.action() {
            Action::Accept => {
                let blocked_reply = blocked_reply(connection, direction, &decision);
                let (verdict, removal) = if decision.permits() {
                    (Verdict::Permitted, None)
                } else {
                    self.escape(connection, direction, &decision, watched_since)
                };
                Judged { decision, blocked_reply, ..plain(verdict) }.since(removal)
            }
            Action::Reject => {
                // A rule for one ICMP type may or may not have meant this packet: types are not logged. That it
                // was rejected says it did not.
                let permits =
                    decision.groups_permit() && (!decision.has_groups || self.any_sure(&decision.rules));
                let verdict = reject(connection, direction, &decision, permits);
                Judged { decision, ..plain(verdict) }
            }
        }
    }

    /// An accepted connection that the configuration does not permit in this direction.
    fn escape(
        &self,
        connection: &Connection,
        direction: Direction,
        decision: &Decision,
        watched_since: u32,
    ) -> (Verdict, Option<Removal>) {
        if decision.unresolved && !decision.acl_denies() {
            return (Verdict::Escaped(EscapeReason::InventoryGap), None);
        }
        if let Some(removal) = self.was_permitted_before(connection, direction) {
            let handshake = connection.protocol == Protocol::TCP
                && (connection.forward()[0].syn || connection.backward()[0].syn_ack);
            // Seen from the first minutes of the log without a handshake: it may be older than the log.
            let from_the_start = !handshake && connection.first <= watched_since.saturating_add(600);
            // The log would show a handshake: it lies before the first record, and the connection was idle since.
            let flags = connection.forward()[0].flagged || connection.backward()[0].flagged;
            let idle = i64::from(connection.first).saturating_sub(removal.time);
            let resumed = connection.protocol == Protocol::TCP && flags && !handshake && idle <= LONGEST_IDLE;
            let older = from_the_start || resumed;
            let reason = if older { EscapeReason::RuleRemovedTracked } else { EscapeReason::RuleRemovedNew };
            return (Verdict::Escaped(reason), Some(removal));
        }
        (Verdict::Escaped(EscapeReason::NoRule), None)
    }

    fn judge_unopened(&self, connection: &Connection, watched_since: u32) -> Judged {
        if connection.action() == Action::Reject {
            // Rejected both ways without any handshake: the remains of a connection from before the log.
            return Judged::plain(Verdict::Rejected(Cause::LatePacket));
        }
        let mut inbound = self.decide(connection, Direction::Inbound);
        let mut outbound = self.decide(connection, Direction::Outbound);
        if !inbound.known {
            let verdict = Verdict::NotEvaluable(NotEvaluable::InterfaceUnknown);
            return Judged { decision: inbound, ..Judged::plain(verdict) };
        }
        let (verdict, removal) = match (inbound.permits(), outbound.permits()) {
            // Whoever opened it, it was explained.
            (true, true) => (Verdict::Permitted, None),
            (false, false) if !inbound.unresolved && !outbound.unresolved => {
                self.escape(connection, Direction::Inbound, &inbound, watched_since)
            }
            _ => (Verdict::Escaped(EscapeReason::OpenerUnknown), None),
        };
        // No rule may be credited, but each of these may have been the one.
        let mut possible = std::mem::take(&mut inbound.rules);
        possible.append(&mut outbound.rules);
        let decision = if outbound.permits() { outbound } else { inbound };
        Judged { decision, possible, ..Judged::plain(verdict) }.since(removal)
    }
}

/// What rejected the replies of an accepted connection. Security groups are stateful, so it can only be the
/// network ACL of the reply's direction (domain C.5).
fn blocked_reply(connection: &Connection, direction: Direction, decision: &Decision) -> Option<Cause> {
    let back = connection.backward();
    if !back[1].any() || back[0].any() && !decision.acl_reply.is_some_and(AclVerdict::denies) {
        return None;
    }
    Some(Cause::acl(direction.reverse()))
}

fn reject(connection: &Connection, direction: Direction, decision: &Decision, permits: bool) -> Verdict {
    let acl = Cause::acl(direction);
    match (permits, decision.acl_denies()) {
        (true, true) => Verdict::Rejected(acl),
        (false, true) if decision.unresolved => Verdict::Rejected(acl),
        (false, true) => Verdict::Rejected(Cause::Both),
        (false, false) if decision.unresolved => Verdict::NotEvaluable(NotEvaluable::InventoryGap),
        (false, false) => Verdict::Rejected(Cause::SecurityGroup),
        (true, false) => {
            let part = &connection.forward()[1];
            // Judged as new, in the middle of a stream: its tracking entry had expired (domain C.2).
            let mid_stream = connection.protocol == Protocol::TCP && part.flagged && !part.syn;
            if mid_stream {
                Verdict::Rejected(Cause::LatePacket)
            } else if decision.weak {
                // One of the two observations around it refuses it: that explains the reject.
                Verdict::Rejected(Cause::SecurityGroup)
            } else {
                Verdict::Misdropped
            }
        }
    }
}
