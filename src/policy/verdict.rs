//! What a connection deserves: the words.

use super::evaluate::Decision;
use super::recorded::Removal;
use super::tracking::Tracking;
use crate::flow::Direction;

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
    pub(super) fn acl(direction: Direction) -> Self {
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
    /// For rule-removed escapes: why the connection can, or cannot, be older than that.
    pub tracking: Option<Tracking>,
    /// Where the opener is unknown: the rules that permit one of the two openings. Where something is missing from the
    /// inventory: the rules that would permit it, if what is missing says so.
    pub possible: Vec<u32>,
}

impl Judged {
    /// Nothing was asked.
    pub(super) fn plain(verdict: Verdict) -> Self {
        Self {
            verdict,
            decision: Decision::default(),
            blocked_reply: None,
            removed_by: None,
            removed_exactly: false,
            former: Vec::new(),
            tracking: None,
            possible: Vec::new(),
        }
    }

    /// Forgets everything; lists keep their room.
    pub(super) fn clear(&mut self) {
        let Decision { known, has_groups, rules, unresolved, weak, acl_open, acl_reply } = &mut self.decision;
        rules.clear();
        (*known, *has_groups, *unresolved, *weak) = (false, false, false, false);
        (*acl_open, *acl_reply) = (None, None);
        self.blocked_reply = None;
        self.removed_by = None;
        self.removed_exactly = false;
        self.former.clear();
        self.tracking = None;
        self.possible.clear();
    }

    /// Rests on this decision, but for its rules.
    pub(super) fn rest_on(&mut self, decision: &Decision) {
        let into = &mut self.decision;
        (into.known, into.has_groups) = (decision.known, decision.has_groups);
        (into.unresolved, into.weak) = (decision.unresolved, decision.weak);
        (into.acl_open, into.acl_reply) = (decision.acl_open, decision.acl_reply);
    }

    /// It was permitted until then.
    pub(super) fn since(&mut self, removal: Removal, tracking: Tracking) {
        let Removal { time, exact, rules } = removal;
        self.removed_by = Some(time);
        self.removed_exactly = exact;
        self.former = rules;
        self.tracking = Some(tracking);
    }
}
