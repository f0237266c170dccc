//! The facts of a configuration, in the shapes the policy needs. No AWS spelling survives in here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::flow::{Direction, Protocol};

/// One observation of a configuration: everything known as of one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inventory {
    /// When it was observed, Unix seconds; `None` for undated files.
    pub observed_at: Option<i64>,
    /// Security groups by id.
    pub security_groups: BTreeMap<String, SecurityGroup>,
    /// Network interfaces by id.
    pub interfaces: BTreeMap<String, NetworkInterface>,
    /// Network ACLs by id.
    pub network_acls: BTreeMap<String, NetworkAcl>,
    /// Subnets by id.
    pub subnets: BTreeMap<String, Subnet>,
    /// VPCs by id.
    pub vpcs: BTreeMap<String, Vpc>,
    /// Managed prefix lists by id.
    pub prefix_lists: BTreeMap<String, PrefixList>,
    /// VPC peering connections by id.
    pub peerings: BTreeMap<String, Peering>,
    /// Flow log definitions by id.
    pub flow_logs: BTreeMap<String, FlowLog>,
}

/// A security group with its rules, one per (direction, protocol, ports, peer).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecurityGroup {
    /// `sg-…`.
    pub id: String,
    /// Group name.
    pub name: String,
    /// Description.
    pub description: String,
    /// The VPC it was created in. It may be associated with others.
    pub vpc: Option<String>,
    /// Owning account.
    pub account: Option<String>,
    /// Region, where the dump tells (ARN).
    pub region: Option<String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Rules, sorted by (direction, id), without duplicates.
    pub rules: Vec<Rule>,
}

/// One security group rule: one protocol, one port range, one peer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `sgr-…`, or a stable synthetic id (see `Rule::synthetic_id`) where the dump has none.
    pub id: String,
    /// True when `id` is synthetic.
    pub synthetic: bool,
    /// The group it belongs to.
    pub group: String,
    /// Ingress rules are `Inbound`.
    pub direction: Direction,
    /// Protocol it permits; `None` is all protocols (`-1`).
    pub protocol: Option<Protocol>,
    /// Inclusive range of destination ports, TCP and UDP only; `None` is all ports.
    pub ports: Option<(u16, u16)>,
    /// ICMP (type, code), -1 for any; `None` for other protocols. Flow logs carry neither, so a
    /// rule with a type may match (domain D.11).
    pub icmp: Option<(i16, i16)>,
    /// Who may connect (inbound) or be connected to (outbound).
    pub peer: RulePeer,
    /// Description.
    pub description: Option<String>,
}

/// The other side a rule permits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RulePeer {
    /// A CIDR block, canonical (host bits cleared).
    Cidr(IpNet),
    /// A managed prefix list.
    PrefixList(String),
    /// Private addresses of the interfaces that are in this group.
    Group {
        /// The referenced group.
        id: String,
        /// Its owner, absent where the group was deleted.
        account: Option<String>,
        /// The peering connection it is reached over.
        peering: Option<String>,
        /// `PeeringStatus`, e.g. `active`, `deleted`.
        status: Option<String>,
    },
}

/// A network interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkInterface {
    /// `eni-…`.
    pub id: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Subnet.
    pub subnet: Option<String>,
    /// Owning account.
    pub account: Option<String>,
    /// Region, derived from the availability zone name.
    pub region: Option<String>,
    /// `InterfaceType` as the service spells it (`interface`, `nat_gateway`, `lambda`, …). Open set.
    pub kind: String,
    /// `RequesterManaged`.
    pub requester_managed: bool,
    /// Description.
    pub description: String,
    /// Security groups, sorted. Empty for interfaces that are judged by network ACL only.
    pub groups: Vec<String>,
    /// Private addresses, the primary IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// Delegated prefixes (`Ipv4Prefixes`, `Ipv6Prefixes`), whose addresses are local, too.
    pub prefixes: Vec<IpNet>,
    /// Public and Elastic addresses. Never seen in records of this interface.
    pub public_addresses: Vec<IpAddr>,
    /// Instance it is attached to.
    pub instance: Option<String>,
    /// Connection tracking timeouts in seconds, where set on the interface.
    pub tracking: ConnectionTracking,
    /// Tags (`TagSet`).
    pub tags: BTreeMap<String, String>,
}

/// `ConnectionTrackingConfiguration`, seconds; `None` where the default holds (domain C.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionTracking {
    /// `TcpEstablishedTimeout`.
    pub tcp_established: Option<u32>,
    /// `UdpStreamTimeout`.
    pub udp_stream: Option<u32>,
    /// `UdpTimeout`.
    pub udp: Option<u32>,
}

/// A network ACL.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkAcl {
    /// `acl-…`.
    pub id: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Owning account.
    pub account: Option<String>,
    /// Default ACL of its VPC.
    pub is_default: bool,
    /// Subnets it is associated with, sorted.
    pub subnets: Vec<String>,
    /// Entries, sorted by (direction, family, rule number), the catch-all denies included.
    pub entries: Vec<AclEntry>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// One numbered entry of a network ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclEntry {
    /// Rule number; 32767 (IPv4) and 32768 (IPv6) are the catch-all denies.
    pub number: u32,
    /// Egress entries are `Outbound`: packets leaving the subnet.
    pub direction: Direction,
    /// `None` is all protocols.
    pub protocol: Option<Protocol>,
    /// Allow or deny.
    pub allow: bool,
    /// The remote side.
    pub cidr: IpNet,
    /// Inclusive range of destination ports, TCP and UDP only; `None` is all ports.
    pub ports: Option<(u16, u16)>,
    /// ICMP (type, code), -1 for any.
    pub icmp: Option<(i16, i16)>,
}

/// A subnet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subnet {
    /// `subnet-…`.
    pub id: String,
    /// VPC.
    pub vpc: Option<String>,
    /// Owning account.
    pub account: Option<String>,
    /// Region, derived from the availability zone name.
    pub region: Option<String>,
    /// IPv4 and associated IPv6 blocks.
    pub cidrs: Vec<IpNet>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A VPC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// Owning account.
    pub account: Option<String>,
    /// Associated blocks of both families.
    pub cidrs: Vec<IpNet>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A managed prefix list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrefixList {
    /// `pl-…`.
    pub id: String,
    /// Name.
    pub name: String,
    /// Owner; `AWS` for the AWS-managed ones.
    pub account: Option<String>,
    /// Entries; `None` when only the list itself could be read, so that a rule that uses it can't be resolved.
    pub entries: Option<Vec<IpNet>>,
    /// `MaxEntries`, which is what a rule that uses the list weighs against the quota.
    pub max_entries: Option<u32>,
}

/// A VPC peering connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peering {
    /// `pcx-…`.
    pub id: String,
    /// `Status.Code`.
    pub status: String,
    /// Requester's VPC.
    pub requester_vpc: Option<String>,
    /// Accepter's VPC.
    pub accepter_vpc: Option<String>,
}

/// A flow log definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowLog {
    /// `fl-…`.
    pub id: String,
    /// VPC, subnet or interface it watches.
    pub resource: String,
    /// `ACCEPT`, `REJECT` or `ALL`.
    pub traffic_type: Option<String>,
    /// `LogFormat`, as AWS spells it.
    pub log_format: Option<String>,
    /// `MaxAggregationInterval` in seconds.
    pub max_aggregation: Option<u32>,
    /// `LogGroupName` for the CloudWatch Logs destination.
    pub log_group: Option<String>,
    /// `DeliverLogsStatus`.
    pub deliver_status: Option<String>,
    /// `DeliverLogsErrorMessage`: delivery problems are coverage gaps.
    pub deliver_error: Option<String>,
    /// When it was created, Unix seconds.
    pub created_at: Option<i64>,
}

impl Inventory {
    /// True when nothing was loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.security_groups.is_empty()
            && self.interfaces.is_empty()
            && self.network_acls.is_empty()
            && self.subnets.is_empty()
            && self.vpcs.is_empty()
            && self.prefix_lists.is_empty()
            && self.peerings.is_empty()
            && self.flow_logs.is_empty()
    }

    /// The network ACL of a subnet: the one associated with it.
    #[must_use]
    pub fn network_acl_of(&self, subnet: &str) -> Option<&NetworkAcl> {
        self.network_acls.values().find(|acl| acl.subnets.iter().any(|s| s == subnet))
    }
}
