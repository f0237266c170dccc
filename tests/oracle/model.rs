//! What both sides are told: a configuration and the records of a log, as plain as can be.

use std::net::IpAddr;

use ipnet::IpNet;

/// One row of a flow log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Index into [`Config::interfaces`].
    pub interface: usize,
    pub source: IpAddr,
    pub destination: IpAddr,
    /// `pkt-srcaddr`, `None` for `-`.
    pub packet_source: Option<IpAddr>,
    pub packet_destination: Option<IpAddr>,
    pub source_port: u16,
    pub destination_port: u16,
    pub protocol: u8,
    pub packets: u64,
    pub bytes: u64,
    pub start: i64,
    pub end: i64,
    pub accepted: bool,
    /// `tcp-flags`, `None` for `-`.
    pub flags: Option<u8>,
    /// `flow-direction`: `Some(true)` is egress, `None` is `-`.
    pub egress: Option<bool>,
    /// `reject-reason` is `BPA`.
    pub blocked_public_access: bool,
}

/// The fields a log may have beyond those of version 2.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    pub flags: bool,
    pub direction: bool,
    pub packet_addresses: bool,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub interfaces: Vec<Interface>,
    pub subnets: Vec<Subnet>,
    pub groups: Vec<Group>,
    pub lists: Vec<PrefixList>,
    /// Blocks of the VPCs.
    pub networks: Vec<IpNet>,
}

#[derive(Clone, Debug)]
pub struct Interface {
    pub id: String,
    /// False: it has traffic, but the inventory does not know it.
    pub listed: bool,
    pub addresses: Vec<IpAddr>,
    /// Ids; may name a group that the inventory does not hold.
    pub groups: Vec<String>,
    pub subnet: usize,
    /// Configured idle timeouts: TCP established, UDP stream, UDP.
    pub timeouts: [Option<i64>; 3],
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    pub cidrs: Vec<IpNet>,
    pub acl: Option<Vec<AclEntry>>,
}

#[derive(Clone, Debug)]
pub struct AclEntry {
    pub number: u32,
    pub egress: bool,
    pub protocol: Option<u8>,
    pub allow: bool,
    pub cidr: IpNet,
    pub ports: Option<(u16, u16)>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub egress: bool,
    pub protocol: Option<u8>,
    pub ports: Option<(u16, u16)>,
    pub peer: Peer,
}

#[derive(Clone, Debug)]
pub enum Peer {
    Cidr(IpNet),
    List(String),
    Group(String),
}

#[derive(Clone, Debug)]
pub struct PrefixList {
    pub id: String,
    /// `None`: the dump does not hold them.
    pub entries: Option<Vec<IpNet>>,
}

/// A row without traffic.
#[derive(Clone, Debug)]
pub struct Silence {
    pub interface: usize,
    pub skipped: bool,
    pub start: i64,
}
