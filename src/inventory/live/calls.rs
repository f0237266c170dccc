//! What is asked of EC2, and what it costs to go without.

/// What happens to a snapshot if a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No snapshot: without it, rules or interfaces would look as if they had been deleted.
    Essential,
    /// A snapshot with a gap that the check tells.
    Useful,
    /// As useful, and not every endpoint knows the call.
    IfSupported,
}

/// One call of the EC2 API, all of whose pages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The permission it needs, which is also its name: `ec2:DescribeSecurityGroups`.
    pub action: &'static str,
    /// The same in the AWS CLI, and the stem of the file: `describe-security-groups`.
    pub command: &'static str,
    /// The member of the answer that holds the list.
    pub list: &'static str,
    /// Members that tell one element from all others.
    pub ids: &'static [&'static str],
    /// The largest page that may be asked for (domain D.1 to D.7).
    pub page: i32,
    /// What going without costs.
    pub need: Need,
}

impl Call {
    /// The file of a snapshot that its answer goes into.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.json", self.command)
    }
}

const fn describe(
    action: &'static str,
    command: &'static str,
    list: &'static str,
    ids: &'static [&'static str],
    need: Need,
) -> Call {
    Call { action, command, list, ids, page: 1000, need }
}

pub(super) const GROUPS: Call = describe(
    "ec2:DescribeSecurityGroups",
    "describe-security-groups",
    "SecurityGroups",
    &["GroupId"],
    Need::Essential,
);
pub(super) const RULES: Call = describe(
    "ec2:DescribeSecurityGroupRules",
    "describe-security-group-rules",
    "SecurityGroupRules",
    &["SecurityGroupRuleId"],
    Need::Essential,
);
pub(super) const INTERFACES: Call = describe(
    "ec2:DescribeNetworkInterfaces",
    "describe-network-interfaces",
    "NetworkInterfaces",
    &["NetworkInterfaceId"],
    Need::Essential,
);
pub(super) const ACLS: Call = describe(
    "ec2:DescribeNetworkAcls",
    "describe-network-acls",
    "NetworkAcls",
    &["NetworkAclId"],
    Need::Useful,
);
pub(super) const SUBNETS: Call =
    describe("ec2:DescribeSubnets", "describe-subnets", "Subnets", &["SubnetId"], Need::Useful);
pub(super) const VPCS: Call = describe("ec2:DescribeVpcs", "describe-vpcs", "Vpcs", &["VpcId"], Need::Useful);
pub(super) const PEERINGS: Call = describe(
    "ec2:DescribeVpcPeeringConnections",
    "describe-vpc-peering-connections",
    "VpcPeeringConnections",
    &["VpcPeeringConnectionId"],
    Need::Useful,
);
pub(super) const FLOW_LOGS: Call =
    describe("ec2:DescribeFlowLogs", "describe-flow-logs", "FlowLogs", &["FlowLogId"], Need::Useful);
pub(super) const ASSOCIATIONS: Call = describe(
    "ec2:DescribeSecurityGroupVpcAssociations",
    "describe-security-group-vpc-associations",
    "SecurityGroupVpcAssociations",
    &["GroupId", "VpcId"],
    Need::IfSupported,
);
pub(super) const LISTS: Call = Call {
    page: 100,
    ..describe(
        "ec2:DescribeManagedPrefixLists",
        "describe-managed-prefix-lists",
        "PrefixLists",
        &["PrefixListId"],
        Need::Useful,
    )
};

/// The entries of one managed prefix list. One file per list, named after it, because the answer does not say of
/// which it is.
pub const ENTRIES: Call = Call {
    page: 100,
    ..describe(
        "ec2:GetManagedPrefixListEntries",
        "get-managed-prefix-list-entries",
        "Entries",
        &["Cidr"],
        Need::Useful,
    )
};

/// Everything that is asked once per region; after it, [`ENTRIES`] for each prefix list. Groups, rules and
/// interfaces come first, close to each other in time.
pub const CALLS: [Call; 10] =
    [GROUPS, RULES, INTERFACES, ACLS, SUBNETS, VPCS, LISTS, PEERINGS, FLOW_LOGS, ASSOCIATIONS];

/// Every permission that `flowgate inventory fetch` uses in the account it looks at. A role to assume needs
/// `sts:AssumeRole` besides.
pub const ACTIONS: &[&str] = &[
    "ec2:DescribeFlowLogs",
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkAcls",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroupVpcAssociations",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcPeeringConnections",
    "ec2:DescribeVpcs",
    "ec2:GetManagedPrefixListEntries",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Kind;

    #[test]
    fn permissions_are_those_of_the_calls() {
        let mut named: Vec<&str> = CALLS.iter().chain([&ENTRIES]).map(|call| call.action).collect();
        named.sort_unstable();
        assert_eq!(named, ACTIONS);
    }

    #[test]
    fn commands_are_the_actions_in_the_spelling_of_the_aws_cli() {
        for call in CALLS.iter().chain([&ENTRIES]) {
            let mut spelled = String::new();
            for c in call.action.trim_start_matches("ec2:").chars() {
                if c.is_ascii_uppercase() && !spelled.is_empty() {
                    spelled.push('-');
                }
                spelled.push(c.to_ascii_lowercase());
            }
            assert_eq!(spelled, call.command);
        }
    }

    #[test]
    fn everything_that_is_loaded_is_fetched() {
        let commands: Vec<String> =
            CALLS.iter().chain([&ENTRIES]).map(|call| format!("aws ec2 {}", call.command)).collect();
        // describe-instances tells nothing that describe-network-interfaces does not.
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Instances) {
            assert!(commands.contains(&kind.command()), "{kind}");
        }
    }
}
