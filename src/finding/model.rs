//! One finding, in the words of the output contract.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Far more rejected attempts than usual.
    RejectedSpike,
    /// Somebody talks to somebody for the first time.
    FirstContact,
    /// Far more bytes leave than usual.
    OutboundVolume,
    /// Connections at regular intervals to one address.
    Beacon,
    /// A rule that no connection needed.
    UnusedRule,
    /// A rule whose every connection another rule permits, too.
    RedundantRule,
    /// A rule that permits far more than was used.
    PermissiveRule,
    /// Accepted traffic that nothing explains.
    UnexpectedAccept,
    /// Rejected although permitted, or with replies that are.
    Misdropped,
    /// A service for administrators, data or files that the internet reaches.
    ExposedService,
    /// Traffic with an address that the user looks for.
    Watchlist,
    /// The logs of both ends of a connection contradict each other.
    EndsDisagree,
    /// A group with rules that let anybody, or far too many, in.
    OpenRule,
    /// A rule that refers to something that is gone.
    StaleReference,
    /// A rule that another one of its group contains.
    DuplicateRule,
    /// A group that is full, unattached, not described, or the default one.
    GroupHygiene,
    /// A network ACL that filters nothing, lets anybody reach administration ports, or is not used.
    OpenNetworkAcl,
}

impl Kind {
    /// Every kind, in the order of reports.
    pub const ALL: [Self; 17] = [
        Self::UnexpectedAccept,
        Self::RejectedSpike,
        Self::Misdropped,
        Self::FirstContact,
        Self::OutboundVolume,
        Self::Beacon,
        Self::ExposedService,
        Self::Watchlist,
        Self::EndsDisagree,
        Self::OpenRule,
        Self::PermissiveRule,
        Self::UnusedRule,
        Self::RedundantRule,
        Self::StaleReference,
        Self::DuplicateRule,
        Self::GroupHygiene,
        Self::OpenNetworkAcl,
    ];

    /// Kebab-case word of the contract.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RejectedSpike => "rejected-spike",
            Self::FirstContact => "first-contact",
            Self::OutboundVolume => "outbound-volume",
            Self::Beacon => "beacon",
            Self::UnusedRule => "unused-rule",
            Self::RedundantRule => "redundant-rule",
            Self::PermissiveRule => "permissive-rule",
            Self::UnexpectedAccept => "unexpected-accept",
            Self::Misdropped => "misdropped",
            Self::ExposedService => "exposed-service",
            Self::Watchlist => "watchlist",
            Self::EndsDisagree => "ends-disagree",
            Self::OpenRule => "open-rule",
            Self::StaleReference => "stale-reference",
            Self::DuplicateRule => "duplicate-rule",
            Self::GroupHygiene => "group-hygiene",
            Self::OpenNetworkAcl => "open-network-acl",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Informational,
    /// Tidy up when you pass by.
    Low,
    /// Plan a change.
    Medium,
    /// Act soon.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// Every severity, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational];

    /// Word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far the logs can carry the conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// The logs cover what the conclusion needs.
    Reliable,
    /// Something is missing that could change it; the reasons say what.
    Weak,
    /// The logs cannot carry a conclusion.
    NotEvaluable,
}

impl Grade {
    /// Word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reliable => "reliable",
            Self::Weak => "weak",
            Self::NotEvaluable => "not-evaluable",
        }
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A service port or an inclusive range: an integer or a `"lo-hi"` string in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    /// One port.
    One(u16),
    /// An inclusive range.
    Range(u16, u16),
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(port) => f.pad(&port.to_string()),
            Self::Range(low, high) => f.pad(&format!("{low}-{high}")),
        }
    }
}

/// One conclusion. Field meanings are the output contract's; absent is `None` or empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Stable across runs: a hash of what it is about (kind, cause, subject), not of counts.
    pub id: String,
    /// Id of the detector.
    pub detector: &'static str,
    /// Headline kind.
    pub kind: Kind,
    /// Kebab-case subclass.
    pub cause: String,
    /// How much it matters.
    pub severity: Severity,
    /// How far the logs carry it.
    pub grade: Grade,
    /// One line, no full stop.
    pub title: String,
    /// A sentence or two with the figures.
    pub summary: String,
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// VPC.
    pub vpc: Option<String>,
    /// Interface ids.
    pub interfaces: Vec<String>,
    /// Instance ids.
    pub instances: Vec<String>,
    /// Security group id.
    pub security_group: Option<String>,
    /// Rule id.
    pub rule_id: Option<String>,
    /// Network ACL id.
    pub network_acl: Option<String>,
    /// `inbound` or `outbound`.
    pub direction: Option<crate::flow::Direction>,
    /// `tcp`, `udp`, `icmp`, or a number.
    pub protocol: Option<String>,
    /// Service ports.
    pub ports: Vec<Ports>,
    /// Addresses or CIDRs, the top ones first.
    pub remotes: Vec<String>,
    /// Start, Unix seconds.
    pub start: Option<i64>,
    /// End, Unix seconds.
    pub end: Option<i64>,
    /// Counts by kebab-case or snake_case name.
    pub counts: BTreeMap<String, u64>,
    /// What it rests on.
    pub evidence: BTreeMap<String, Value>,
    /// Security Hub controls, e.g. `EC2.13`.
    pub controls: Vec<String>,
    /// What to run or look at next.
    pub next: Vec<String>,
}
