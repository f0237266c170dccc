//! Everything that is no security group: interfaces, network ACLs, subnets, VPCs, prefix lists,
//! peerings, flow logs (domain D.3 to D.7).

use std::net::IpAddr;

use chrono::{DateTime, NaiveDate};
use ipnet::IpNet;

use super::cursor::Node;
use super::error::FieldError;
use super::groups::{icmp_type, port_range, protocol};
use super::place::{is_region, region_of_arn, region_of_zone};
use super::{
    AclEntry, ConnectionTracking, FlowLog, NetworkAcl, NetworkInterface, Peering, PrefixList, Subnet, Vpc,
};
use crate::flow::{Direction, Protocol};

type Result<T> = std::result::Result<T, FieldError>;

/// An element of `NetworkInterfaces`, also of those inside of an instance.
pub(super) fn network_interface(node: &Node<'_>) -> Result<NetworkInterface> {
    let mut groups = node.each("Groups", |group| group.need_text("GroupId"))?;
    groups.sort();
    groups.dedup();

    let mut public_addresses = Vec::new();
    if let Some(association) = node.get("Association") {
        public_addresses.extend(associated(&association)?);
    }
    // The primary IPv4 first, then in the order of the dump.
    let mut addresses: Vec<IpAddr> = node.opt_address("PrivateIpAddress")?.into_iter().collect();
    let mut secondary = Vec::new();
    node.each("PrivateIpAddresses", |entry| {
        let list = if entry.flag("Primary")? { &mut addresses } else { &mut secondary };
        list.extend(entry.opt_address("PrivateIpAddress")?);
        if let Some(association) = entry.get("Association") {
            public_addresses.extend(associated(&association)?);
        }
        Ok(())
    })?;
    addresses.extend(secondary);
    addresses.extend(node.opt_address("Ipv6Address")?);
    addresses
        .extend(node.each("Ipv6Addresses", |entry| entry.opt_address("Ipv6Address"))?.into_iter().flatten());
    keep_first(&mut addresses);
    public_addresses.sort();
    public_addresses.dedup();

    let mut prefixes = node.each("Ipv4Prefixes", |entry| entry.opt_cidr("Ipv4Prefix"))?;
    prefixes.extend(node.each("Ipv6Prefixes", |entry| entry.opt_cidr("Ipv6Prefix"))?);

    let instance = match node.get("Attachment") {
        Some(attachment) => attachment.opt_text("InstanceId")?,
        None => None,
    };
    let tracking = match node.get("ConnectionTrackingConfiguration") {
        Some(set) => ConnectionTracking {
            tcp_established: set.opt_u32("TcpEstablishedTimeout")?,
            udp_stream: set.opt_u32("UdpStreamTimeout")?,
            udp: set.opt_u32("UdpTimeout")?,
        },
        None => ConnectionTracking::default(),
    };
    Ok(NetworkInterface {
        id: node.need_text("NetworkInterfaceId")?,
        vpc: node.opt_text("VpcId")?,
        subnet: node.opt_text("SubnetId")?,
        account: node.opt_account("OwnerId")?,
        region: zone_region(node)?,
        kind: node.opt_text("InterfaceType")?.unwrap_or_else(|| "interface".to_owned()),
        requester_managed: node.flag("RequesterManaged")?,
        description: node.text_or_empty("Description")?,
        groups,
        addresses,
        prefixes: sorted_nets(prefixes.into_iter().flatten().collect()),
        public_addresses,
        instance,
        tracking,
        tags: node.tags()?,
    })
}

/// The interfaces of an element of `Instances`. They lack the zone, which the instance has.
pub(super) fn instance_interfaces(node: &Node<'_>) -> Result<Vec<NetworkInterface>> {
    let id = node.opt_text("InstanceId")?;
    let region = match node.get("Placement") {
        Some(placement) => zone_region(&placement)?,
        None => None,
    };
    let mut interfaces = node.each("NetworkInterfaces", network_interface)?;
    for interface in &mut interfaces {
        interface.instance = interface.instance.take().or_else(|| id.clone());
        interface.region = interface.region.take().or_else(|| region.clone());
    }
    Ok(interfaces)
}

/// Public, carrier and customer-owned addresses of an association.
fn associated(node: &Node<'_>) -> Result<Vec<IpAddr>> {
    let keys = ["PublicIp", "CarrierIp", "CustomerOwnedIp"];
    let found: Result<Vec<Option<IpAddr>>> = keys.iter().map(|key| node.opt_address(key)).collect();
    Ok(found?.into_iter().flatten().collect())
}

/// Removes repeated addresses, keeping the order. Interfaces have few.
fn keep_first(addresses: &mut Vec<IpAddr>) {
    let mut seen = std::collections::BTreeSet::new();
    addresses.retain(|address| seen.insert(*address));
}

fn sorted_nets(mut nets: Vec<IpNet>) -> Vec<IpNet> {
    nets.sort();
    nets.dedup();
    nets
}

fn zone_region(node: &Node<'_>) -> Result<Option<String>> {
    Ok(node.opt_text("AvailabilityZone")?.and_then(|zone| region_of_zone(&zone)))
}

/// An element of `NetworkAcls`.
pub(super) fn network_acl(node: &Node<'_>) -> Result<NetworkAcl> {
    let mut subnets = node.each("Associations", |a| a.opt_text("SubnetId"))?;
    subnets.sort();
    subnets.dedup();
    let mut entries = node.each("Entries", acl_entry)?;
    let order = |e: &AclEntry| (e.direction, e.cidr.addr().is_ipv6(), e.number);
    entries.sort_by_key(order);
    entries.dedup();
    Ok(NetworkAcl {
        id: node.need_text("NetworkAclId")?,
        vpc: node.opt_text("VpcId")?,
        account: node.opt_account("OwnerId")?,
        is_default: node.flag("IsDefault")?,
        subnets: subnets.into_iter().flatten().collect(),
        entries,
        tags: node.tags()?,
    })
}

fn acl_entry(node: &Node<'_>) -> Result<AclEntry> {
    let number = node.opt_u32("RuleNumber")?.ok_or_else(|| node.missing("RuleNumber", "an integer"))?;
    let egress = node.get("Egress").ok_or_else(|| node.missing("Egress", "true or false"))?.boolean()?;
    let action = node.get("RuleAction").ok_or_else(|| node.missing("RuleAction", "allow or deny"))?;
    let allow = match action.text()?.to_ascii_lowercase().as_str() {
        "allow" => true,
        "deny" => false,
        _ => return Err(action.wrong("allow or deny")),
    };
    let cidr = match node.opt_cidr("CidrBlock")? {
        Some(v4) => v4,
        None => node
            .opt_cidr("Ipv6CidrBlock")?
            .ok_or_else(|| node.missing("CidrBlock", "CidrBlock or Ipv6CidrBlock"))?,
    };
    let name = node.get("Protocol").ok_or_else(|| node.missing("Protocol", "a protocol"))?;
    let protocol = protocol(&name)?;
    let any = (-1, -1);
    let (mut ports, mut icmp) = (None, None);
    match protocol {
        Some(p) if p.has_ports() => {
            if let Some(range) = node.get("PortRange") {
                ports = port_range(&range, "From", "To")?;
            }
        }
        // ICMPv6 with an IPv4 block stands for all types, whatever the entry says (domain D.4).
        Some(Protocol::ICMPV6) if cidr.addr().is_ipv4() => icmp = Some(any),
        Some(p) if p.is_icmp() => {
            icmp = Some(match node.get("IcmpTypeCode") {
                Some(set) => icmp_type(&set, "Type", "Code")?,
                None => any,
            });
        }
        _ => {}
    }
    let direction = if egress { Direction::Outbound } else { Direction::Inbound };
    Ok(AclEntry { number, direction, protocol, allow, cidr, ports, icmp })
}

/// An element of `Subnets`.
pub(super) fn subnet(node: &Node<'_>) -> Result<Subnet> {
    let region = zone_region(node)?.or(node.opt_text("SubnetArn")?.and_then(|arn| region_of_arn(&arn)));
    Ok(Subnet {
        id: node.need_text("SubnetId")?,
        vpc: node.opt_text("VpcId")?,
        account: node.opt_account("OwnerId")?,
        region,
        cidrs: blocks(node)?,
        tags: node.tags()?,
    })
}

/// An element of `Vpcs`, and its region where the dump tells.
pub(super) fn vpc(node: &Node<'_>) -> Result<(Vpc, Option<String>)> {
    let vpc = Vpc {
        id: node.need_text("VpcId")?,
        account: node.opt_account("OwnerId")?,
        cidrs: blocks(node)?,
        tags: node.tags()?,
    };
    Ok((vpc, node.opt_text("Region")?.filter(|region| is_region(region))))
}

/// `CidrBlock` and the associations in state `associated`.
fn blocks(node: &Node<'_>) -> Result<Vec<IpNet>> {
    let associated = |entry: &Node<'_>, block: &str, state: &str| -> Result<Option<IpNet>> {
        let state = match entry.get(state) {
            Some(state) => state.opt_text("State")?,
            None => None,
        };
        if state.is_none_or(|s| s == "associated") { entry.opt_cidr(block) } else { Ok(None) }
    };
    let mut cidrs: Vec<Option<IpNet>> = vec![node.opt_cidr("CidrBlock")?];
    cidrs.extend(
        node.each("CidrBlockAssociationSet", |entry| associated(entry, "CidrBlock", "CidrBlockState"))?,
    );
    cidrs.extend(node.each("Ipv6CidrBlockAssociationSet", |entry| {
        associated(entry, "Ipv6CidrBlock", "Ipv6CidrBlockState")
    })?);
    Ok(sorted_nets(cidrs.into_iter().flatten().collect()))
}

/// An element of `PrefixLists`, of either call: describe-managed-prefix-lists has owner and
/// `MaxEntries`, describe-prefix-lists has `Cidrs`.
pub(super) fn prefix_list(node: &Node<'_>) -> Result<PrefixList> {
    let mut entries = None;
    if node.get("Cidrs").is_some() {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is not general enough")]
        let blocks = node.each("Cidrs", |block| block.cidr())?;
        entries = Some(blocks);
    }
    if node.get("Entries").is_some() {
        entries.get_or_insert_default().extend(node.each("Entries", prefix_list_entry)?);
    }
    Ok(PrefixList {
        id: node.need_text("PrefixListId")?,
        name: node.text_or_empty("PrefixListName")?,
        account: node.opt_account("OwnerId")?,
        entries: entries.map(sorted_nets),
        max_entries: node.opt_u32("MaxEntries")?,
    })
}

/// An element of `Entries` of get-managed-prefix-list-entries.
pub(super) fn prefix_list_entry(node: &Node<'_>) -> Result<IpNet> {
    node.opt_cidr("Cidr")?.ok_or_else(|| node.missing("Cidr", "a CIDR block"))
}

/// An element of `VpcPeeringConnections`, and the regions of its VPCs.
pub(super) fn peering(node: &Node<'_>) -> Result<(Peering, Vec<(String, String)>)> {
    let mut regions = Vec::new();
    let mut side = |key: &str| -> Result<Option<String>> {
        let Some(info) = node.get(key) else { return Ok(None) };
        let vpc = info.opt_text("VpcId")?;
        if let (Some(vpc), Some(region)) = (&vpc, info.opt_text("Region")?.filter(|r| is_region(r))) {
            regions.push((vpc.clone(), region));
        }
        Ok(vpc)
    };
    let requester_vpc = side("RequesterVpcInfo")?;
    let accepter_vpc = side("AccepterVpcInfo")?;
    let status = match node.get("Status") {
        Some(status) => status.text_or_empty("Code")?,
        None => String::new(),
    };
    let id = node.need_text("VpcPeeringConnectionId")?;
    Ok((Peering { id, status, requester_vpc, accepter_vpc }, regions))
}

/// An element of `FlowLogs`.
pub(super) fn flow_log(node: &Node<'_>) -> Result<FlowLog> {
    Ok(FlowLog {
        id: node.need_text("FlowLogId")?,
        resource: node.need_text("ResourceId")?,
        traffic_type: node.opt_text("TrafficType")?,
        log_format: node.opt_text("LogFormat")?,
        max_aggregation: node.opt_u32("MaxAggregationInterval")?,
        log_group: node.opt_text("LogGroupName")?,
        deliver_status: node.opt_text("DeliverLogsStatus")?,
        deliver_error: node.opt_text("DeliverLogsErrorMessage")?,
        created_at: node.get("CreationTime").map(|time| timestamp(&time)).transpose()?,
    })
}

/// A time as Unix seconds: RFC 3339 text, a number of seconds (older AWS CLI), or the object with
/// `year` to `second` that recorded API calls have.
pub(super) fn timestamp(node: &Node<'_>) -> Result<i64> {
    let wrong = || node.wrong("a time such as 2026-03-01T00:00:00Z");
    if let Some(text) = node.value().as_str() {
        return DateTime::parse_from_rfc3339(text).map(|t| t.timestamp()).map_err(|_| wrong());
    }
    if let Some(seconds) = node.value().as_f64() {
        return Ok(seconds.floor() as i64);
    }
    let part = |key: &str| -> Result<Option<u32>> { node.opt_u32(key) };
    let date = match (part("year")?, part("month")?, part("day")?) {
        (Some(year), Some(month), Some(day)) => {
            i32::try_from(year).ok().and_then(|year| NaiveDate::from_ymd_opt(year, month, day))
        }
        _ => None,
    };
    let zero = |key: &str| part(key).map(Option::unwrap_or_default);
    let (hour, minute, second) = (zero("hour")?, zero("minute")?, zero("second")?);
    let time = date.and_then(|d| d.and_hms_opt(hour, minute, second)).ok_or_else(wrong)?;
    Ok(time.and_utc().timestamp())
}
