//! Security groups, their rules, and the VPCs they are associated with (domain D.1, D.2).

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ReferencedSecurityGroup, SecurityGroup,
    SecurityGroupRule, SecurityGroupVpcAssociation, UserIdGroupPair,
};
use serde_json::Value;

use super::new;

pub(in super::super) fn security_group(group: &SecurityGroup) -> Value {
    new()
        .set("GroupId", group.group_id())
        .set("GroupName", group.group_name())
        .set("Description", group.description())
        .set("VpcId", group.vpc_id())
        .set("OwnerId", group.owner_id())
        .set("SecurityGroupArn", group.security_group_arn())
        .tags("Tags", group.tags.as_deref())
        .list("IpPermissions", group.ip_permissions.as_deref(), permission)
        .list("IpPermissionsEgress", group.ip_permissions_egress.as_deref(), permission)
        .done()
}

fn permission(permission: &IpPermission) -> Value {
    let range = |r: &IpRange| new().set("CidrIp", r.cidr_ip()).set("Description", r.description()).done();
    let range6 =
        |r: &Ipv6Range| new().set("CidrIpv6", r.cidr_ipv6()).set("Description", r.description()).done();
    let list = |l: &PrefixListId| {
        new().set("PrefixListId", l.prefix_list_id()).set("Description", l.description()).done()
    };
    new()
        .set("IpProtocol", permission.ip_protocol())
        .set("FromPort", permission.from_port())
        .set("ToPort", permission.to_port())
        .list("IpRanges", permission.ip_ranges.as_deref(), range)
        .list("Ipv6Ranges", permission.ipv6_ranges.as_deref(), range6)
        .list("PrefixListIds", permission.prefix_list_ids.as_deref(), list)
        .list("UserIdGroupPairs", permission.user_id_group_pairs.as_deref(), pair)
        .done()
}

fn pair(pair: &UserIdGroupPair) -> Value {
    new()
        .set("GroupId", pair.group_id())
        .set("GroupName", pair.group_name())
        .set("UserId", pair.user_id())
        .set("VpcId", pair.vpc_id())
        .set("VpcPeeringConnectionId", pair.vpc_peering_connection_id())
        .set("PeeringStatus", pair.peering_status())
        .set("Description", pair.description())
        .done()
}

pub(in super::super) fn security_group_rule(rule: &SecurityGroupRule) -> Value {
    new()
        .set("SecurityGroupRuleId", rule.security_group_rule_id())
        .set("GroupId", rule.group_id())
        .set("GroupOwnerId", rule.group_owner_id())
        .set("IsEgress", rule.is_egress())
        .set("IpProtocol", rule.ip_protocol())
        .set("FromPort", rule.from_port())
        .set("ToPort", rule.to_port())
        .set("CidrIpv4", rule.cidr_ipv4())
        .set("CidrIpv6", rule.cidr_ipv6())
        .set("PrefixListId", rule.prefix_list_id())
        .object("ReferencedGroupInfo", rule.referenced_group_info(), referenced)
        .set("Description", rule.description())
        .tags("Tags", rule.tags.as_deref())
        .set("SecurityGroupRuleArn", rule.security_group_rule_arn())
        .done()
}

fn referenced(group: &ReferencedSecurityGroup) -> Value {
    new()
        .set("GroupId", group.group_id())
        .set("UserId", group.user_id())
        .set("VpcId", group.vpc_id())
        .set("VpcPeeringConnectionId", group.vpc_peering_connection_id())
        .set("PeeringStatus", group.peering_status())
        .done()
}

pub(in super::super) fn association(association: &SecurityGroupVpcAssociation) -> Value {
    new()
        .set("GroupId", association.group_id())
        .set("VpcId", association.vpc_id())
        .set("VpcOwnerId", association.vpc_owner_id())
        .set("State", association.state().map(|state| state.as_str()))
        .set("StateReason", association.state_reason())
        .set("GroupOwnerId", association.group_owner_id())
        .done()
}
