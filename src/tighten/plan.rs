//! A reviewed set of changes to security group rules.

use crate::finding::Grade;
use crate::flow::Direction;
use crate::inventory::Rule;

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Takes a rule out that no connection needed.
    RemoveUnused,
    /// Takes a rule out whose every connection other rules permit, too.
    RemoveRedundant,
    /// Takes rules out that others of the group contain, and joins neighbours to one.
    MergeDuplicates,
    /// Replaces a rule by narrower ones: fewer ports, fewer protocols, smaller blocks.
    Narrow,
    /// Replaces blocks by a reference to the group that all peers are members of.
    ReplaceByGroup,
    /// Replaces blocks by a prefix list that holds all peers.
    ReplaceByPrefixList,
}

impl Action {
    /// Every action, in the order of plans.
    pub const ALL: [Self; 6] = [
        Self::RemoveUnused,
        Self::RemoveRedundant,
        Self::MergeDuplicates,
        Self::Narrow,
        Self::ReplaceByGroup,
        Self::ReplaceByPrefixList,
    ];

    /// Word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RemoveUnused => "remove-unused",
            Self::RemoveRedundant => "remove-redundant",
            Self::MergeDuplicates => "merge-duplicates",
            Self::Narrow => "narrow",
            Self::ReplaceByGroup => "replace-by-group",
            Self::ReplaceByPrefixList => "replace-by-prefix-list",
        }
    }
}

/// Whether a change may be applied without looking further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safety {
    /// The evidence is reliable, and the replay blocked nothing.
    Safe,
    /// Somebody has to look: the reasons say at what.
    Review,
}

impl Safety {
    /// Word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Review => "review",
        }
    }
}

/// A point of the curve of blocks against openness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// CIDR blocks at most, which is rules per port range.
    pub blocks: u32,
    /// Rules of all port ranges together.
    pub rules: u32,
    /// log2 of the addresses that they permit: where port ranges differ in that, their mean weighted by ports.
    pub address_bits: f64,
    /// log2 of (addresses x ports x protocols).
    pub openness: f64,
}

/// What a replay over the observed connections says about a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Accepted connections that the rules to be removed permit now, and that stay permitted.
    pub permitted: u64,
    /// Accepted connections that are permitted now and would be blocked.
    pub blocked: u64,
    /// The same as `permitted`, of the held-out part: learned without it.
    pub held_out_permitted: u64,
    /// The same as `blocked`, of the held-out part, by what was learned before it.
    pub held_out_blocked: u64,
    /// Connections of unknown opener, or with facts missing, for which it can't be said.
    pub undecided: u64,
}

/// One change: some rules of one group and direction out, others in.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Stable across runs: a hash of action, group, direction and the ids of the rules to be removed.
    pub id: String,
    /// What it does.
    pub action: Action,
    /// `sg-…`.
    pub group: String,
    /// Name of the group. Hostile text.
    pub group_name: String,
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// VPC.
    pub vpc: Option<String>,
    /// Direction of its rules.
    pub direction: Direction,
    /// Rules to be revoked, as they are configured now.
    pub remove: Vec<Rule>,
    /// Rules to be authorised first. Their ids are synthetic, their descriptions ours.
    pub add: Vec<Rule>,
    /// Why, in a sentence.
    pub why: String,
    /// How far the logs carry it.
    pub grade: Grade,
    /// Why the grade is not `reliable`, and what else somebody has to look at.
    pub reasons: Vec<String>,
    /// Whether it may be applied without looking further.
    pub safety: Safety,
    /// log2 of (addresses x ports x protocols) that the removed rules permit.
    pub openness_before: f64,
    /// The same of the added rules; `None` if there are none.
    pub openness_after: Option<f64>,
    /// Applying it cuts connections that are open: they may be untracked, because both directions are open to everywhere
    /// (domain C.2).
    pub interrupts: bool,
    /// How open it would be with fewer or more blocks. Empty where no block is chosen.
    pub curve: Vec<CurvePoint>,
    /// What the replay said; `None` before it.
    pub replayed: Option<Replayed>,
}

impl Change {
    /// Decides by grade and replay whether it is safe: reliable evidence, nothing blocked in either part, nothing
    /// undecided, and no open connection that would be cut.
    pub fn rate(&mut self) {
        let clean = |r: Replayed| r.blocked == 0 && r.held_out_blocked == 0 && r.undecided == 0;
        let safe = self.grade == Grade::Reliable && !self.interrupts && self.replayed.is_some_and(clean);
        self.safety = if safe { Safety::Safe } else { Safety::Review };
    }
}

/// Every change that the observed traffic allows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// First and last second of the traffic it was learned from, Unix seconds.
    pub window: Option<(i64, i64)>,
    /// From this second on the traffic is held out, Unix seconds: the last fifth of the window, to test what was learned
    /// before it.
    pub held_out: Option<i64>,
    /// Sorted by group, direction, action and id.
    pub changes: Vec<Change>,
    /// Rules that are wider than their use, or unused, and are left as they are: (rule id, why). Sorted as the rules are.
    pub left: Vec<(String, String)>,
}
