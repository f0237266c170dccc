//! What was configured, and when?
//!
//! The [`Inventory`] model and its loader for AWS CLI output.

mod model;

pub use model::{
    AclEntry, ConnectionTracking, FlowLog, Inventory, NetworkAcl, NetworkInterface, Peering, PrefixList,
    Rule, RulePeer, SecurityGroup, Subnet, Timeline, Vpc,
};
