//! The kinds of AWS output the loader reads, and how each is told from everything else.

use std::fmt;

/// A kind of AWS CLI output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// describe-security-groups.
    SecurityGroups,
    /// describe-security-group-rules.
    SecurityGroupRules,
    /// describe-network-interfaces.
    NetworkInterfaces,
    /// describe-instances, for the interfaces in it.
    Instances,
    /// describe-network-acls.
    NetworkAcls,
    /// describe-subnets.
    Subnets,
    /// describe-vpcs.
    Vpcs,
    /// describe-managed-prefix-lists and describe-prefix-lists.
    PrefixLists,
    /// get-managed-prefix-list-entries.
    PrefixListEntries,
    /// describe-vpc-peering-connections.
    Peerings,
    /// describe-flow-logs.
    FlowLogs,
}

impl Kind {
    /// All kinds, in the order reports list them.
    pub const ALL: [Self; 11] = [
        Self::SecurityGroups,
        Self::SecurityGroupRules,
        Self::NetworkInterfaces,
        Self::Instances,
        Self::NetworkAcls,
        Self::Subnets,
        Self::Vpcs,
        Self::PrefixLists,
        Self::PrefixListEntries,
        Self::Peerings,
        Self::FlowLogs,
    ];

    /// A stable name, e.g. `security-groups`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SecurityGroups => "security-groups",
            Self::SecurityGroupRules => "security-group-rules",
            Self::NetworkInterfaces => "network-interfaces",
            Self::Instances => "instances",
            Self::NetworkAcls => "network-acls",
            Self::Subnets => "subnets",
            Self::Vpcs => "vpcs",
            Self::PrefixLists => "prefix-lists",
            Self::PrefixListEntries => "prefix-list-entries",
            Self::Peerings => "vpc-peering-connections",
            Self::FlowLogs => "flow-logs",
        }
    }

    /// The AWS CLI command that writes it, e.g. `aws ec2 describe-security-groups`.
    #[must_use]
    pub fn command(self) -> String {
        match self {
            Self::PrefixLists => "aws ec2 describe-managed-prefix-lists".to_owned(),
            Self::PrefixListEntries => "aws ec2 get-managed-prefix-list-entries".to_owned(),
            _ => format!("aws ec2 describe-{self}"),
        }
    }

    /// True if an element of a list of this kind has a member that such elements have. Other
    /// services use the same list names for other things.
    pub(super) fn marks(self, has: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::SecurityGroups => has("GroupId") || has("IpPermissions") || has("IpPermissionsEgress"),
            Self::SecurityGroupRules => has("SecurityGroupRuleId") || has("IsEgress"),
            Self::NetworkInterfaces => has("NetworkInterfaceId"),
            Self::Instances => has("Instances") || has("InstanceId") || has("NetworkInterfaces"),
            Self::NetworkAcls => has("NetworkAclId"),
            Self::Subnets => has("SubnetId"),
            Self::Vpcs => has("VpcId"),
            Self::PrefixLists => has("PrefixListId"),
            Self::PrefixListEntries => has("Cidr"),
            Self::Peerings => has("VpcPeeringConnectionId"),
            Self::FlowLogs => has("FlowLogId"),
        }
    }

    /// What an object on its own is, by the members it has: an element of a list whose name is gone
    /// (`--query SecurityGroups`, `jq -c '.SecurityGroups[]'`).
    pub(super) fn of_object(has: impl Fn(&str) -> bool) -> Option<Self> {
        let kind = if has("InstanceId") && (has("NetworkInterfaces") || has("ImageId")) {
            Self::Instances
        } else if has("SecurityGroupRuleId") {
            Self::SecurityGroupRules
        } else if has("GroupId") && (has("IpPermissions") || has("IpPermissionsEgress")) {
            Self::SecurityGroups
        } else if has("NetworkInterfaceId")
            && (has("PrivateIpAddress") || has("PrivateIpAddresses") || has("SubnetId"))
        {
            Self::NetworkInterfaces
        } else if has("NetworkAclId") && has("Entries") {
            Self::NetworkAcls
        } else if has("FlowLogId") && has("ResourceId") {
            Self::FlowLogs
        } else if has("VpcPeeringConnectionId") && (has("AccepterVpcInfo") || has("RequesterVpcInfo")) {
            Self::Peerings
        } else if has("PrefixListId") && (has("PrefixListName") || has("Cidrs") || has("MaxEntries")) {
            Self::PrefixLists
        } else if has("SubnetId") && has("CidrBlock") {
            Self::Subnets
        } else if has("VpcId") && (has("CidrBlock") || has("CidrBlockAssociationSet")) {
            Self::Vpcs
        } else {
            return None;
        };
        Some(kind)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The members that hold lists: as the AWS CLI spells them, and in lower snake case as one-file
/// collectors do.
pub(super) const LISTS: [(&str, Kind); 22] = [
    ("SecurityGroups", Kind::SecurityGroups),
    ("security_groups", Kind::SecurityGroups),
    ("SecurityGroupRules", Kind::SecurityGroupRules),
    ("security_group_rules", Kind::SecurityGroupRules),
    ("NetworkInterfaces", Kind::NetworkInterfaces),
    ("network_interfaces", Kind::NetworkInterfaces),
    ("Reservations", Kind::Instances),
    ("Instances", Kind::Instances),
    ("instances", Kind::Instances),
    ("NetworkAcls", Kind::NetworkAcls),
    ("network_acls", Kind::NetworkAcls),
    ("Subnets", Kind::Subnets),
    ("subnets", Kind::Subnets),
    ("Vpcs", Kind::Vpcs),
    ("vpcs", Kind::Vpcs),
    ("PrefixLists", Kind::PrefixLists),
    ("prefix_lists", Kind::PrefixLists),
    ("Entries", Kind::PrefixListEntries),
    ("VpcPeeringConnections", Kind::Peerings),
    ("vpc_peering_connections", Kind::Peerings),
    ("FlowLogs", Kind::FlowLogs),
    ("flow_logs", Kind::FlowLogs),
];

/// The kind of list a member holds.
pub(super) fn list_kind(key: &str) -> Option<Kind> {
    LISTS.iter().find(|(name, _)| *name == key).map(|(_, kind)| *kind)
}

/// True for names of lists that nobody but EC2 uses. `Instances`, `Entries` and names in lower case
/// are used for all sorts of things, so that such a list needs elements to be known by.
pub(super) fn is_telling(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_uppercase()) && key != "Instances" && key != "Entries"
}
