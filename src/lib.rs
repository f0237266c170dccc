//! flowgate: judge AWS VPC Flow Logs against security groups and network ACLs.

pub mod cli;
pub mod connection;
pub mod decode;
pub mod detect;
pub mod finding;
pub mod flow;
pub mod inventory;
pub mod pipeline;
pub mod policy;
pub mod report;
pub mod rollup;
pub mod source;
