//! Network ACLs, subnets, VPCs, prefix lists, peerings, flow logs (domain D.4 to D.7).

use aws_sdk_ec2::types::{
    BlockPublicAccessStates, CidrBlock, DestinationOptionsResponse, FlowLog, IcmpTypeCode, Ipv6CidrBlock,
    ManagedPrefixList, NetworkAcl, NetworkAclAssociation, NetworkAclEntry, PortRange, PrefixListEntry,
    PrivateDnsNameOptionsOnLaunch, Subnet, SubnetIpv6CidrBlockAssociation, TagFieldSpecificationResponse,
    Vpc, VpcCidrBlockAssociation, VpcCidrBlockState, VpcEncryptionControl, VpcEncryptionControlExclusion,
    VpcEncryptionControlExclusions, VpcIpv6CidrBlockAssociation, VpcPeeringConnection,
    VpcPeeringConnectionVpcInfo,
};
use serde_json::Value;

use super::new;

pub(in super::super) fn network_acl(acl: &NetworkAcl) -> Value {
    let association = |a: &NetworkAclAssociation| {
        new()
            .set("NetworkAclAssociationId", a.network_acl_association_id())
            .set("NetworkAclId", a.network_acl_id())
            .set("SubnetId", a.subnet_id())
            .done()
    };
    new()
        .set("NetworkAclId", acl.network_acl_id())
        .set("VpcId", acl.vpc_id())
        .set("OwnerId", acl.owner_id())
        .set("IsDefault", acl.is_default())
        .list("Associations", acl.associations.as_deref(), association)
        .list("Entries", acl.entries.as_deref(), acl_entry)
        .tags("Tags", acl.tags.as_deref())
        .done()
}

fn acl_entry(entry: &NetworkAclEntry) -> Value {
    let ports = |p: &PortRange| new().set("From", p.from()).set("To", p.to()).done();
    let icmp = |i: &IcmpTypeCode| new().set("Type", i.r#type()).set("Code", i.code()).done();
    new()
        .set("RuleNumber", entry.rule_number())
        .set("Egress", entry.egress())
        .set("Protocol", entry.protocol())
        .set("RuleAction", entry.rule_action().map(|action| action.as_str()))
        .set("CidrBlock", entry.cidr_block())
        .set("Ipv6CidrBlock", entry.ipv6_cidr_block())
        .object("PortRange", entry.port_range(), ports)
        .object("IcmpTypeCode", entry.icmp_type_code(), icmp)
        .done()
}

pub(in super::super) fn subnet(subnet: &Subnet) -> Value {
    let names = subnet.private_dns_name_options_on_launch();
    new()
        .set("SubnetId", subnet.subnet_id())
        .set("SubnetArn", subnet.subnet_arn())
        .set("VpcId", subnet.vpc_id())
        .set("OwnerId", subnet.owner_id())
        .set("State", subnet.state().map(|state| state.as_str()))
        .set("AvailabilityZone", subnet.availability_zone())
        .set("AvailabilityZoneId", subnet.availability_zone_id())
        .set("CidrBlock", subnet.cidr_block())
        .list("Ipv6CidrBlockAssociationSet", subnet.ipv6_cidr_block_association_set.as_deref(), subnet_block6)
        .set("AvailableIpAddressCount", subnet.available_ip_address_count())
        .set("DefaultForAz", subnet.default_for_az())
        .set("MapPublicIpOnLaunch", subnet.map_public_ip_on_launch())
        .set("MapCustomerOwnedIpOnLaunch", subnet.map_customer_owned_ip_on_launch())
        .set("CustomerOwnedIpv4Pool", subnet.customer_owned_ipv4_pool())
        .set("AssignIpv6AddressOnCreation", subnet.assign_ipv6_address_on_creation())
        .set("EnableDns64", subnet.enable_dns64())
        .set("EnableLniAtDeviceIndex", subnet.enable_lni_at_device_index())
        .set("Ipv6Native", subnet.ipv6_native())
        .set("OutpostArn", subnet.outpost_arn())
        .object("PrivateDnsNameOptionsOnLaunch", names, dns_names)
        .object("BlockPublicAccessStates", subnet.block_public_access_states(), block_public_access)
        .tags("Tags", subnet.tags.as_deref())
        .done()
}

fn subnet_block6(block: &SubnetIpv6CidrBlockAssociation) -> Value {
    new()
        .set("AssociationId", block.association_id())
        .set("Ipv6CidrBlock", block.ipv6_cidr_block())
        .object("Ipv6CidrBlockState", block.ipv6_cidr_block_state(), |state| {
            new()
                .set("State", state.state().map(|s| s.as_str()))
                .set("StatusMessage", state.status_message())
                .done()
        })
        .set("Ipv6AddressAttribute", block.ipv6_address_attribute().map(|a| a.as_str()))
        .set("IpSource", block.ip_source().map(|s| s.as_str()))
        .done()
}

fn dns_names(names: &PrivateDnsNameOptionsOnLaunch) -> Value {
    new()
        .set("HostnameType", names.hostname_type().map(|kind| kind.as_str()))
        .set("EnableResourceNameDnsARecord", names.enable_resource_name_dns_a_record())
        .set("EnableResourceNameDnsAAAARecord", names.enable_resource_name_dns_aaaa_record())
        .done()
}

fn block_public_access(states: &BlockPublicAccessStates) -> Value {
    new()
        .set("InternetGatewayBlockMode", states.internet_gateway_block_mode().map(|mode| mode.as_str()))
        .done()
}

pub(in super::super) fn vpc(vpc: &Vpc) -> Value {
    new()
        .set("VpcId", vpc.vpc_id())
        .set("OwnerId", vpc.owner_id())
        .set("State", vpc.state().map(|state| state.as_str()))
        .set("IsDefault", vpc.is_default())
        .set("CidrBlock", vpc.cidr_block())
        .list("CidrBlockAssociationSet", vpc.cidr_block_association_set.as_deref(), block)
        .list("Ipv6CidrBlockAssociationSet", vpc.ipv6_cidr_block_association_set.as_deref(), block6)
        .set("DhcpOptionsId", vpc.dhcp_options_id())
        .set("InstanceTenancy", vpc.instance_tenancy().map(|tenancy| tenancy.as_str()))
        .object("BlockPublicAccessStates", vpc.block_public_access_states(), block_public_access)
        .object("EncryptionControl", vpc.encryption_control(), encryption)
        .tags("Tags", vpc.tags.as_deref())
        .done()
}

fn block(block: &VpcCidrBlockAssociation) -> Value {
    new()
        .set("AssociationId", block.association_id())
        .set("CidrBlock", block.cidr_block())
        .object("CidrBlockState", block.cidr_block_state(), block_state)
        .done()
}

fn block6(block: &VpcIpv6CidrBlockAssociation) -> Value {
    new()
        .set("AssociationId", block.association_id())
        .set("Ipv6CidrBlock", block.ipv6_cidr_block())
        .object("Ipv6CidrBlockState", block.ipv6_cidr_block_state(), block_state)
        .set("NetworkBorderGroup", block.network_border_group())
        .set("Ipv6Pool", block.ipv6_pool())
        .set("Ipv6AddressAttribute", block.ipv6_address_attribute().map(|a| a.as_str()))
        .set("IpSource", block.ip_source().map(|s| s.as_str()))
        .done()
}

fn block_state(state: &VpcCidrBlockState) -> Value {
    new().set("State", state.state().map(|s| s.as_str())).set("StatusMessage", state.status_message()).done()
}

fn encryption(control: &VpcEncryptionControl) -> Value {
    new()
        .set("VpcId", control.vpc_id())
        .set("VpcEncryptionControlId", control.vpc_encryption_control_id())
        .set("Mode", control.mode().map(|mode| mode.as_str()))
        .set("State", control.state().map(|state| state.as_str()))
        .set("StateMessage", control.state_message())
        .object("ResourceExclusions", control.resource_exclusions(), exclusions)
        .tags("Tags", control.tags.as_deref())
        .done()
}

fn exclusions(of: &VpcEncryptionControlExclusions) -> Value {
    let one = |exclusion: &VpcEncryptionControlExclusion| {
        new()
            .set("State", exclusion.state().map(|state| state.as_str()))
            .set("StateMessage", exclusion.state_message())
            .done()
    };
    new()
        .object("InternetGateway", of.internet_gateway(), one)
        .object("EgressOnlyInternetGateway", of.egress_only_internet_gateway(), one)
        .object("NatGateway", of.nat_gateway(), one)
        .object("VirtualPrivateGateway", of.virtual_private_gateway(), one)
        .object("VpcPeering", of.vpc_peering(), one)
        .object("Lambda", of.lambda(), one)
        .object("VpcLattice", of.vpc_lattice(), one)
        .object("ElasticFileSystem", of.elastic_file_system(), one)
        .done()
}

pub(in super::super) fn prefix_list(list: &ManagedPrefixList) -> Value {
    new()
        .set("PrefixListId", list.prefix_list_id())
        .set("PrefixListName", list.prefix_list_name())
        .set("PrefixListArn", list.prefix_list_arn())
        .set("AddressFamily", list.address_family())
        .set("State", list.state().map(|state| state.as_str()))
        .set("StateMessage", list.state_message())
        .set("MaxEntries", list.max_entries())
        .set("Version", list.version())
        .set("OwnerId", list.owner_id())
        .set("IpamPrefixListResolverTargetId", list.ipam_prefix_list_resolver_target_id())
        .set("IpamPrefixListResolverSyncEnabled", list.ipam_prefix_list_resolver_sync_enabled())
        .tags("Tags", list.tags.as_deref())
        .done()
}

pub(in super::super) fn entry(entry: &PrefixListEntry) -> Value {
    new().set("Cidr", entry.cidr()).set("Description", entry.description()).done()
}

pub(in super::super) fn peering(peering: &VpcPeeringConnection) -> Value {
    new()
        .set("VpcPeeringConnectionId", peering.vpc_peering_connection_id())
        .object("Status", peering.status(), |status| {
            new().set("Code", status.code().map(|c| c.as_str())).set("Message", status.message()).done()
        })
        .object("RequesterVpcInfo", peering.requester_vpc_info(), peer)
        .object("AccepterVpcInfo", peering.accepter_vpc_info(), peer)
        .time("ExpirationTime", peering.expiration_time())
        .tags("Tags", peering.tags.as_deref())
        .done()
}

fn peer(peer: &VpcPeeringConnectionVpcInfo) -> Value {
    let block = |b: &CidrBlock| new().set("CidrBlock", b.cidr_block()).done();
    let block6 = |b: &Ipv6CidrBlock| new().set("Ipv6CidrBlock", b.ipv6_cidr_block()).done();
    new()
        .set("VpcId", peer.vpc_id())
        .set("OwnerId", peer.owner_id())
        .set("Region", peer.region())
        .set("CidrBlock", peer.cidr_block())
        .list("CidrBlockSet", peer.cidr_block_set.as_deref(), block)
        .list("Ipv6CidrBlockSet", peer.ipv6_cidr_block_set.as_deref(), block6)
        .object("PeeringOptions", peer.peering_options(), |options| {
            new()
                .set("AllowDnsResolutionFromRemoteVpc", options.allow_dns_resolution_from_remote_vpc())
                .set(
                    "AllowEgressFromLocalClassicLinkToRemoteVpc",
                    options.allow_egress_from_local_classic_link_to_remote_vpc(),
                )
                .set(
                    "AllowEgressFromLocalVpcToRemoteClassicLink",
                    options.allow_egress_from_local_vpc_to_remote_classic_link(),
                )
                .done()
        })
        .done()
}

pub(in super::super) fn flow_log(log: &FlowLog) -> Value {
    new()
        .set("FlowLogId", log.flow_log_id())
        .set("FlowLogStatus", log.flow_log_status())
        .set("ResourceId", log.resource_id())
        .set("TrafficType", log.traffic_type().map(|kind| kind.as_str()))
        .set("LogFormat", log.log_format())
        .set("MaxAggregationInterval", log.max_aggregation_interval())
        .set("LogDestinationType", log.log_destination_type().map(|kind| kind.as_str()))
        .set("LogDestination", log.log_destination())
        .set("LogGroupName", log.log_group_name())
        .object("DestinationOptions", log.destination_options(), destination)
        .time("CreationTime", log.creation_time())
        .set("DeliverLogsStatus", log.deliver_logs_status())
        .set("DeliverLogsErrorMessage", log.deliver_logs_error_message())
        .set("DeliverLogsPermissionArn", log.deliver_logs_permission_arn())
        .set("DeliverCrossAccountRole", log.deliver_cross_account_role())
        .list("TagFieldSpecifications", log.tag_field_specifications.as_deref(), tag_fields)
        .tags("Tags", log.tags.as_deref())
        .done()
}

fn destination(options: &DestinationOptionsResponse) -> Value {
    new()
        .set("FileFormat", options.file_format().map(|format| format.as_str()))
        .set("HiveCompatiblePartitions", options.hive_compatible_partitions())
        .set("PerHourPartition", options.per_hour_partition())
        .done()
}

fn tag_fields(fields: &TagFieldSpecificationResponse) -> Value {
    new()
        .set("ResourceType", fields.resource_type().map(|kind| kind.as_str()))
        .list("TagKeys", fields.tag_keys.as_deref(), |key| Value::from(key.as_str()))
        .done()
}
