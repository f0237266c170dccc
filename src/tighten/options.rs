//! What the user wants of a plan.

use std::collections::BTreeSet;

/// How narrow, how much room to leave, and for which groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// CIDR blocks a rule becomes at most, for each range of ports; `None` chooses by the knee of the curve.
    pub blocks: Option<u8>,
    /// What each peer is rounded up to.
    pub addresses: Headroom,
    /// Ports are rounded up to the ranges that services are known to use.
    pub services: bool,
    /// Only rules of these groups; empty for all.
    pub groups: BTreeSet<String>,
    /// Only changes that are safe.
    pub safe_only: bool,
}

/// What each observed address is rounded up to, within what the rule permits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Headroom {
    /// Nothing: the address itself.
    #[default]
    Exact,
    /// Its /24 (IPv4) or /64 (IPv6).
    Neighbours,
    /// The subnet it is in, else the block of its VPC, else as it is.
    Subnets,
}
