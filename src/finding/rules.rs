//! The verdict on one security group rule: a line of `rules.jsonl`.

use std::sync::Arc;

use super::{Grade, RuleEvidence};
use crate::flow::Direction;

/// What the observed traffic says about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RuleClass {
    /// Needed as it is.
    Used,
    /// No connection used it.
    Unused,
    /// Used, but other rules permit every one of its connections.
    Redundant,
    /// Used, but it permits far more than was used.
    Permissive,
    /// The logs cannot tell.
    NotEvaluable,
}

impl RuleClass {
    /// Every class, in the order of reports.
    pub const ALL: [Self; 5] =
        [Self::Used, Self::Unused, Self::Redundant, Self::Permissive, Self::NotEvaluable];

    /// Word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Unused => "unused",
            Self::Redundant => "redundant",
            Self::Permissive => "permissive",
            Self::NotEvaluable => "not-evaluable",
        }
    }
}

/// A service port with the number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortCount {
    /// Service port.
    pub port: u16,
    /// Connections.
    pub connections: u64,
}

/// Neighbouring service ports with the number of connections to any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortRangeCount {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
    /// Connections.
    pub connections: u64,
}

/// One rule of the inventory with its observed use.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleRow {
    /// `sgr-…` or a stable synthetic id.
    pub rule_id: String,
    /// `sg-…`.
    pub security_group: String,
    /// Direction it governs.
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all` or a number.
    pub protocol: String,
    /// `443`, `1000-2000` or `all`.
    pub port_range: String,
    /// CIDR, `pl-…` or `sg-…`.
    pub peer: String,
    /// Accepted connections it permits, in its direction, judged from the opener.
    pub connections: u64,
    /// Those that no other rule permits.
    pub sole_connections: u64,
    /// Accepted bytes of its connections, both directions.
    pub bytes: u64,
    /// First use, Unix seconds.
    pub first_used: Option<i64>,
    /// Last use, Unix seconds.
    pub last_used: Option<i64>,
    /// Distinct remote addresses.
    pub distinct_peers: u64,
    /// True where `distinct_peers` is an estimate.
    pub approximate: bool,
    /// Standard error of `distinct_peers` as a share of it, 0 where it is exact.
    pub distinct_peers_error: f64,
    /// Most used service ports first. Empty where there were too many to tell apart.
    pub observed_ports: Vec<PortCount>,
    /// Most used ranges of service ports first, where single ports are not told apart. The counts are exact.
    pub observed_port_ranges: Vec<PortRangeCount>,
    /// Interfaces its group is attached to.
    pub interfaces: Arc<[String]>,
    /// How far the logs carry the class.
    pub grade: Grade,
    /// Why the grade is not `reliable`.
    pub grade_reasons: Vec<String>,
    /// What the observed traffic says.
    pub class: RuleClass,
    /// What that rests on.
    pub evidence: RuleEvidence,
}
