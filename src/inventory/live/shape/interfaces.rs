//! Network interfaces (domain D.3).

use aws_sdk_ec2::types::{
    AttachmentEnaSrdSpecification, ConnectionTrackingConfiguration, GroupIdentifier, Ipv4PrefixSpecification,
    Ipv6PrefixSpecification, NetworkInterface, NetworkInterfaceAssociation, NetworkInterfaceAttachment,
    NetworkInterfaceIpv6Address, NetworkInterfacePrivateIpAddress, OperatorResponse, PublicIpDnsNameOptions,
};
use serde_json::Value;

use super::new;

pub(in super::super) fn network_interface(interface: &NetworkInterface) -> Value {
    let prefix = |p: &Ipv4PrefixSpecification| new().set("Ipv4Prefix", p.ipv4_prefix()).done();
    let prefix6 = |p: &Ipv6PrefixSpecification| new().set("Ipv6Prefix", p.ipv6_prefix()).done();
    let text = |text: &String| Value::from(text.as_str());
    let tracking = interface.connection_tracking_configuration();
    new()
        .set("NetworkInterfaceId", interface.network_interface_id())
        // `nat_gateway` is not in the SDK's enumeration, which hands it on as it is.
        .set("InterfaceType", interface.interface_type().map(|kind| kind.as_str()))
        .set("Description", interface.description())
        .set("Status", interface.status().map(|status| status.as_str()))
        .set("VpcId", interface.vpc_id())
        .set("SubnetId", interface.subnet_id())
        .list("AssociatedSubnets", interface.associated_subnets.as_deref(), text)
        .set("AvailabilityZone", interface.availability_zone())
        .set("AvailabilityZoneId", interface.availability_zone_id())
        .set("OwnerId", interface.owner_id())
        .set("RequesterId", interface.requester_id())
        .set("RequesterManaged", interface.requester_managed())
        .object("Operator", interface.operator(), operator)
        .list("Groups", interface.groups.as_deref(), group)
        .set("SourceDestCheck", interface.source_dest_check())
        .set("DenyAllIgwTraffic", interface.deny_all_igw_traffic())
        .set("MacAddress", interface.mac_address())
        .set("PrivateIpAddress", interface.private_ip_address())
        .set("PrivateDnsName", interface.private_dns_name())
        .set("PublicDnsName", interface.public_dns_name())
        .object("PublicIpDnsNameOptions", interface.public_ip_dns_name_options(), dns_names)
        .object("Association", interface.association(), association)
        .list("PrivateIpAddresses", interface.private_ip_addresses.as_deref(), address)
        .set("Ipv6Native", interface.ipv6_native())
        .set("Ipv6Address", interface.ipv6_address())
        .list("Ipv6Addresses", interface.ipv6_addresses.as_deref(), address6)
        .list("Ipv4Prefixes", interface.ipv4_prefixes.as_deref(), prefix)
        .list("Ipv6Prefixes", interface.ipv6_prefixes.as_deref(), prefix6)
        .object("Attachment", interface.attachment(), attachment)
        .object("ConnectionTrackingConfiguration", tracking, tracked)
        .set("OutpostArn", interface.outpost_arn())
        .tags("TagSet", interface.tag_set.as_deref())
        .done()
}

fn group(group: &GroupIdentifier) -> Value {
    new().set("GroupId", group.group_id()).set("GroupName", group.group_name()).done()
}

fn operator(operator: &OperatorResponse) -> Value {
    new()
        .set("Managed", operator.managed())
        .set("Principal", operator.principal())
        .set("HiddenByDefault", operator.hidden_by_default())
        .done()
}

fn dns_names(names: &PublicIpDnsNameOptions) -> Value {
    new()
        .set("DnsHostnameType", names.dns_hostname_type())
        .set("PublicIpv4DnsName", names.public_ipv4_dns_name())
        .set("PublicIpv6DnsName", names.public_ipv6_dns_name())
        .set("PublicDualStackDnsName", names.public_dual_stack_dns_name())
        .done()
}

fn association(association: &NetworkInterfaceAssociation) -> Value {
    new()
        .set("PublicIp", association.public_ip())
        .set("PublicDnsName", association.public_dns_name())
        .set("IpOwnerId", association.ip_owner_id())
        .set("AllocationId", association.allocation_id())
        .set("AssociationId", association.association_id())
        .set("CarrierIp", association.carrier_ip())
        .set("CustomerOwnedIp", association.customer_owned_ip())
        .done()
}

fn address(address: &NetworkInterfacePrivateIpAddress) -> Value {
    new()
        .set("PrivateIpAddress", address.private_ip_address())
        .set("PrivateDnsName", address.private_dns_name())
        .set("Primary", address.primary())
        .object("Association", address.association(), association)
        .done()
}

fn address6(address: &NetworkInterfaceIpv6Address) -> Value {
    new()
        .set("Ipv6Address", address.ipv6_address())
        .set("PublicIpv6DnsName", address.public_ipv6_dns_name())
        .set("IsPrimaryIpv6", address.is_primary_ipv6())
        .done()
}

fn attachment(attachment: &NetworkInterfaceAttachment) -> Value {
    new()
        .set("AttachmentId", attachment.attachment_id())
        .set("InstanceId", attachment.instance_id())
        .set("InstanceOwnerId", attachment.instance_owner_id())
        .set("DeviceIndex", attachment.device_index())
        .set("NetworkCardIndex", attachment.network_card_index())
        .set("Status", attachment.status().map(|status| status.as_str()))
        .time("AttachTime", attachment.attach_time())
        .set("DeleteOnTermination", attachment.delete_on_termination())
        .object("EnaSrdSpecification", attachment.ena_srd_specification(), ena_srd)
        .set("EnaQueueCount", attachment.ena_queue_count())
        .done()
}

fn ena_srd(srd: &AttachmentEnaSrdSpecification) -> Value {
    let udp = srd.ena_srd_udp_specification();
    new()
        .set("EnaSrdEnabled", srd.ena_srd_enabled())
        .object("EnaSrdUdpSpecification", udp, |udp| {
            new().set("EnaSrdUdpEnabled", udp.ena_srd_udp_enabled()).done()
        })
        .done()
}

fn tracked(tracking: &ConnectionTrackingConfiguration) -> Value {
    new()
        .set("TcpEstablishedTimeout", tracking.tcp_established_timeout())
        .set("UdpStreamTimeout", tracking.udp_stream_timeout())
        .set("UdpTimeout", tracking.udp_timeout())
        .done()
}
