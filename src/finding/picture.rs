//! What a picture of the network needs beside findings and rules: traffic over time, changes, who talks to whom, names.
//!
//! Everything is bounded: at most [`TimeLine`]'s 512 buckets, [`Picture::CHANGES`] changes, [`Picture::EDGES`] edges, and
//! a note per rule, group and interface of the inventory. What was left out is counted.

use std::collections::BTreeMap;

/// Connections that began in a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Accepted, and a rule permits them.
    pub permitted: u64,
    /// Accepted, and no rule explains them.
    pub escaped: u64,
    /// Accepted, and it can't be said.
    pub accepted_unjudged: u64,
    /// Rejected, as configured.
    pub rejected: u64,
    /// Rejected though permitted.
    pub misdropped: u64,
    /// Rejected, and it can't be said.
    pub rejected_unjudged: u64,
}

impl Traffic {
    /// All that was accepted.
    #[must_use]
    pub fn accepts(&self) -> u64 {
        self.permitted + self.escaped + self.accepted_unjudged
    }

    /// All that was rejected. Late packets are no connections.
    #[must_use]
    pub fn rejects(&self) -> u64 {
        self.rejected + self.misdropped + self.rejected_unjudged
    }
}

/// Connections by the time they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeLine {
    /// Begin of the first bucket, Unix seconds.
    pub from: i64,
    /// Seconds of a bucket; 0 only if there are none.
    pub width: i64,
    /// Buckets without gap.
    pub buckets: Vec<Traffic>,
}

/// A change of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeNote {
    /// Not before, Unix seconds.
    pub from: i64,
    /// Not after.
    pub to: i64,
    /// `sg-…`, `acl-…` or `eni-…`.
    pub resource: String,
    /// What changed, in words.
    pub what: String,
    /// Interfaces that it is about.
    pub interfaces: u64,
}

/// What a node of the graph is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// Public addresses that no known interface has.
    Internet,
    /// Interfaces with the same security groups.
    Group,
    /// Addresses in a subnet that no known interface has.
    Subnet,
    /// Other private addresses.
    Block,
}

/// One end of edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// Names of the groups, id of the subnet, or block.
    pub name: String,
    /// Ids of its security groups.
    pub groups: Vec<String>,
    /// VPC of a group.
    pub vpc: Option<String>,
    /// Interfaces of the run that belong to it.
    pub interfaces: u64,
}

/// A service on an edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `tcp 5432 (PostgreSQL)`.
    pub name: String,
    /// Connections.
    pub connections: u64,
}

/// Accepted and answered connections that one node opened to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// Who opened: place among [`Picture::nodes`].
    pub from: usize,
    /// To whom.
    pub to: usize,
    /// Connections. Seen from both ends they count once.
    pub connections: u64,
    /// The busiest services first, at most [`Picture::SERVICES`].
    pub services: Vec<Service>,
    /// Services that are not named.
    pub more_services: u64,
}

/// What a group is called and where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupNote {
    /// Its name. Hostile text.
    pub name: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Account.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
}

/// What an interface is called and what decides about its traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceNote {
    /// `Name` tag or description. Hostile text.
    pub label: Option<String>,
    /// Region.
    pub region: Option<String>,
    /// Security groups.
    pub groups: Vec<String>,
    /// The network ACL of its subnet.
    pub network_acl: Option<String>,
}

/// What is known of a rule beside its row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleNote {
    /// log2 of (addresses x ports x protocols) that it permits; a reference to a group counts as one address.
    pub openness: f64,
    /// The few blocks that hold all of its peers, with connections, the busiest first.
    pub blocks: Vec<(String, u64)>,
}

/// What a picture of the network needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// Traffic over time.
    pub traffic: TimeLine,
    /// Changes of the configuration around the window, by time.
    pub changes: Vec<ChangeNote>,
    /// Changes that are not among them.
    pub more_changes: u64,
    /// Ends of edges.
    pub nodes: Vec<Node>,
    /// Who talks to whom, the busiest first.
    pub edges: Vec<Edge>,
    /// Edges that are not among them.
    pub more_edges: u64,
    /// Connections on those.
    pub more_connections: u64,
    /// There are so many services that some edges stand for a sample or for several neighbours.
    pub approximate: bool,
    /// By group id.
    pub groups: BTreeMap<String, GroupNote>,
    /// By interface id.
    pub interfaces: BTreeMap<String, InterfaceNote>,
    /// By rule id.
    pub rules: BTreeMap<String, RuleNote>,
}

impl Picture {
    /// Most changes.
    pub const CHANGES: usize = 500;
    /// Most edges.
    pub const EDGES: usize = 500;
    /// Most services named on an edge.
    pub const SERVICES: usize = 5;
}
