//! The inventory as AWS CLI replies, one file per command, as of one time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::config::{ACCOUNT, Account, Eni, REGION, id};
use super::net::rfc3339;
use super::rng;
use super::rows::{Format, az_id};
use super::sg_dump;

/// What the dump says about the flow log.
#[derive(Clone, Copy, Debug)]
pub struct FlowLog<'a> {
    pub id: &'a str,
    pub format: Format,
    pub interval: i64,
    pub parquet: bool,
    /// `ALL`, `ACCEPT` or `REJECT`.
    pub traffic: &'static str,
    /// Unix seconds.
    pub created: i64,
}

/// Writes the dump as of `at` (milliseconds). Hidden rules are not in it.
pub fn write(account: &Account, at: i64, flow_log: FlowLog<'_>, dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    let put = |name: &str, value: Value| put(&dir.join(format!("{name}.json")), &value);
    put("describe-security-groups", json!({"SecurityGroups": sg_dump::groups(account, at)}))?;
    let rules = sg_dump::rules(account, at);
    put_list(&dir.join("describe-security-group-rules.json"), "SecurityGroupRules", rules)?;
    let interfaces = account
        .enis
        .iter()
        .filter(|eni| (eni.since..eni.until).contains(&at))
        .map(|eni| interface(account, eni));
    put_list(&dir.join("describe-network-interfaces.json"), "NetworkInterfaces", interfaces)?;
    put("describe-network-acls", json!({"NetworkAcls": acls(account)}))?;
    put("describe-subnets", json!({"Subnets": subnets(account)}))?;
    put("describe-vpcs", json!({"Vpcs": vpcs(account)}))?;
    put("describe-managed-prefix-lists", json!({"PrefixLists": prefix_lists(account)}))?;
    for list in &account.lists {
        let entries: Vec<Value> = list
            .entries
            .iter()
            .map(|(cidr, text)| {
                if text.is_empty() {
                    json!({"Cidr": cidr.to_string()})
                } else {
                    json!({"Cidr": cidr.to_string(), "Description": text})
                }
            })
            .collect();
        put(&format!("get-managed-prefix-list-entries-{}", list.id), json!({"Entries": entries}))?;
    }
    put("describe-vpc-peering-connections", json!({"VpcPeeringConnections": peerings(account)}))?;
    put("describe-flow-logs", json!({"FlowLogs": flow_logs(account, flow_log)}))
}

/// The AWS CLI indents by four spaces.
pub fn put(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut file, formatter))?;
    file.write_all(b"\n")?;
    file.flush()
}

/// An object with one list, of which only one item is in memory at a time: there may be 100,000.
fn put_list(path: &Path, key: &'static str, items: impl Iterator<Item = Value>) -> io::Result<()> {
    struct List<I>(RefCell<I>);
    impl<I: Iterator<Item = Value>> Serialize for List<I> {
        fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(&mut *self.0.borrow_mut())
        }
    }
    put(path, &BTreeMap::from([(key, List(RefCell::new(items)))]))
}

pub fn tags(name: &str) -> Value {
    json!([{"Key": "Name", "Value": name}, {"Key": "Project", "Value": "shop"}])
}

fn interface(account: &Account, eni: &Eni) -> Value {
    let subnet = &account.subnets[eni.subnet];
    let dns = |ip: &std::net::Ipv4Addr| {
        format!("ip-{}.{REGION}.compute.internal", ip.to_string().replace('.', "-"))
    };
    let association = eni.public.map(|public| {
        json!({
            "AllocationId": id("eipalloc", &eni.name),
            "AssociationId": id("eipassoc", &eni.name),
            "IpOwnerId": if eni.requester == Some("amazon-elb") { "amazon-elb" } else { ACCOUNT },
            "PublicDnsName":
                format!("ec2-{}.{REGION}.compute.amazonaws.com", public.to_string().replace('.', "-")),
            "PublicIp": public.to_string(),
        })
    });
    let addresses: Vec<Value> = eni
        .ips
        .iter()
        .enumerate()
        .map(|(n, ip)| {
            let mut address =
                json!({"Primary": n == 0, "PrivateDnsName": dns(ip), "PrivateIpAddress": ip.to_string()});
            if let (0, Some(association)) = (n, &association) {
                address["Association"] = association.clone();
            }
            address
        })
        .collect();
    let attachment = match (&eni.instance, eni.kind) {
        (Some(instance), _) => json!({
            "AttachTime": "2025-11-18T09:12:44+00:00",
            "AttachmentId": id("eni-attach", &eni.name),
            "DeleteOnTermination": true,
            "DeviceIndex": 0,
            "NetworkCardIndex": 0,
            "InstanceId": instance,
            "InstanceOwnerId": ACCOUNT,
            "Status": "attached",
        }),
        (None, kind) => json!({
            "AttachmentId": id("ela-attach", &eni.name),
            "DeleteOnTermination": false,
            "DeviceIndex": 1,
            "InstanceOwnerId": if kind == "interface" { "amazon-elb" } else { "amazon-aws" },
            "Status": "attached",
        }),
    };
    let mac = rng::hash(&eni.id).to_be_bytes();
    let v6: Vec<Value> =
        eni.ip6.iter().map(|ip| json!({"Ipv6Address": ip.to_string(), "IsPrimaryIpv6": false})).collect();
    let mut value = json!({
        "Attachment": attachment,
        "AvailabilityZone": subnet.az,
        "AvailabilityZoneId": az_id(subnet.az),
        "Description": eni.description,
        "Groups": eni.groups.iter()
            .map(|&g| json!({"GroupId": account.groups[g].id, "GroupName": account.groups[g].name}))
            .collect::<Vec<_>>(),
        "InterfaceType": eni.kind,
        "Ipv6Addresses": v6,
        "MacAddress": format!("06:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4]),
        "NetworkInterfaceId": eni.id,
        "OwnerId": ACCOUNT,
        "PrivateDnsName": dns(&eni.ips[0]),
        "PrivateIpAddress": eni.ips[0].to_string(),
        "PrivateIpAddresses": addresses,
        "RequesterManaged": eni.requester.is_some(),
        "SourceDestCheck": eni.kind != "nat_gateway",
        "Status": "in-use",
        "SubnetId": subnet.id,
        "TagSet": if eni.requester.is_some() { json!([]) } else { tags(&eni.name) },
        "VpcId": account.vpcs[subnet.vpc].id,
        "DenyAllIgwTraffic": false,
        "Operator": {"Managed": false},
    });
    if let Some(association) = association {
        value["Association"] = association;
    }
    if let Some(requester) = eni.requester {
        value["RequesterId"] = requester.into();
    }
    if let Some(ip6) = eni.ip6 {
        value["Ipv6Address"] = ip6.to_string().into();
    }
    if let Some(seconds) = eni.tcp_timeout {
        value["ConnectionTrackingConfiguration"] = json!({"TcpEstablishedTimeout": seconds});
    }
    value
}

fn acls(account: &Account) -> Vec<Value> {
    account
        .acls
        .iter()
        .enumerate()
        .map(|(index, acl)| {
            let associations: Vec<Value> = account
                .subnets
                .iter()
                .filter(|subnet| subnet.acl == index)
                .map(|subnet| {
                    json!({
                        "NetworkAclAssociationId": id("aclassoc", &subnet.name),
                        "NetworkAclId": acl.id,
                        "SubnetId": subnet.id,
                    })
                })
                .collect();
            let entries: Vec<Value> = acl
                .entries
                .iter()
                .map(|entry| {
                    let cidr = if entry.cidr.is_v6() { "Ipv6CidrBlock" } else { "CidrBlock" };
                    let mut value = json!({
                        "Egress": entry.egress,
                        "Protocol": entry.proto.map_or("-1".to_owned(), |p| p.to_string()),
                        "RuleAction": if entry.allow { "allow" } else { "deny" },
                        "RuleNumber": entry.number,
                    });
                    value[cidr] = entry.cidr.to_string().into();
                    if let Some((from, to)) = entry.ports {
                        value["PortRange"] = json!({"From": from, "To": to});
                    }
                    if entry.proto == Some(1) {
                        value["IcmpTypeCode"] = json!({"Code": -1, "Type": -1});
                    }
                    value
                })
                .collect();
            json!({
                "Associations": associations,
                "Entries": entries,
                "IsDefault": acl.default,
                "NetworkAclId": acl.id,
                "Tags": tags(&acl.name),
                "VpcId": account.vpcs[acl.vpc].id,
                "OwnerId": ACCOUNT,
            })
        })
        .collect()
}

fn subnets(account: &Account) -> Vec<Value> {
    account
        .subnets
        .iter()
        .map(|subnet| {
            let v6: Vec<Value> = subnet
                .cidr6
                .iter()
                .map(|block| {
                    json!({
                        "AssociationId": id("subnet-cidr-assoc", &subnet.name),
                        "Ipv6CidrBlock": block.to_string(),
                        "Ipv6CidrBlockState": {"State": "associated"},
                    })
                })
                .collect();
            json!({
                "AssignIpv6AddressOnCreation": false,
                "AvailabilityZone": subnet.az,
                "AvailabilityZoneId": az_id(subnet.az),
                "AvailableIpAddressCount": 240,
                "CidrBlock": subnet.cidr.to_string(),
                "DefaultForAz": false,
                "EnableDns64": false,
                "Ipv6CidrBlockAssociationSet": v6,
                "Ipv6Native": false,
                "MapCustomerOwnedIpOnLaunch": false,
                "MapPublicIpOnLaunch": subnet.public,
                "OwnerId": ACCOUNT,
                "State": "available",
                "SubnetArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:subnet/{}", subnet.id),
                "SubnetId": subnet.id,
                "Tags": tags(&subnet.name),
                "VpcId": account.vpcs[subnet.vpc].id,
                "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
            })
        })
        .collect()
}

fn vpcs(account: &Account) -> Vec<Value> {
    account
        .vpcs
        .iter()
        .map(|vpc| {
            let v6: Vec<Value> = vpc
                .cidr6
                .iter()
                .map(|block| {
                    json!({
                        "AssociationId": id("vpc-cidr-assoc", &format!("{}6", vpc.name)),
                        "Ipv6CidrBlock": block.to_string(),
                        "Ipv6CidrBlockState": {"State": "associated"},
                        "Ipv6Pool": "Amazon",
                        "NetworkBorderGroup": REGION,
                    })
                })
                .collect();
            json!({
                "CidrBlock": vpc.cidr.to_string(),
                "CidrBlockAssociationSet": [{
                    "AssociationId": id("vpc-cidr-assoc", &vpc.name),
                    "CidrBlock": vpc.cidr.to_string(),
                    "CidrBlockState": {"State": "associated"},
                }],
                "DhcpOptionsId": id("dopt", "default"),
                "InstanceTenancy": "default",
                "Ipv6CidrBlockAssociationSet": v6,
                "IsDefault": false,
                "OwnerId": ACCOUNT,
                "State": "available",
                "Tags": tags(&vpc.name),
                "VpcId": vpc.id,
                "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
            })
        })
        .collect()
}

fn prefix_lists(account: &Account) -> Vec<Value> {
    account
        .lists
        .iter()
        .map(|list| {
            if list.aws {
                json!({
                    "PrefixListId": list.id,
                    "AddressFamily": "IPv4",
                    "State": "create-complete",
                    "PrefixListArn": format!("arn:aws:ec2:{REGION}:aws:prefix-list/{}", list.id),
                    "PrefixListName": list.name,
                    "Tags": [],
                    "OwnerId": "AWS",
                })
            } else {
                json!({
                    "PrefixListId": list.id,
                    "AddressFamily": "IPv4",
                    "State": "create-complete",
                    "PrefixListArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:prefix-list/{}", list.id),
                    "PrefixListName": list.name,
                    "MaxEntries": 10,
                    "Version": 1,
                    "Tags": tags(&list.name),
                    "OwnerId": ACCOUNT,
                })
            }
        })
        .collect()
}

fn peerings(account: &Account) -> Vec<Value> {
    account
        .peerings
        .iter()
        .map(|peering| {
            let side = |vpc: usize| {
                let vpc = &account.vpcs[vpc];
                json!({
                    "CidrBlock": vpc.cidr.to_string(),
                    "CidrBlockSet": [{"CidrBlock": vpc.cidr.to_string()}],
                    "OwnerId": ACCOUNT,
                    "PeeringOptions": {
                        "AllowDnsResolutionFromRemoteVpc": true,
                        "AllowEgressFromLocalClassicLinkToRemoteVpc": false,
                        "AllowEgressFromLocalVpcToRemoteClassicLink": false,
                    },
                    "VpcId": vpc.id,
                    "Region": REGION,
                })
            };
            json!({
                "AccepterVpcInfo": side(peering.accepter),
                "RequesterVpcInfo": side(peering.requester),
                "Status": {"Code": "active", "Message": "Active"},
                "Tags": tags("main-partner"),
                "VpcPeeringConnectionId": peering.id,
            })
        })
        .collect()
}

fn flow_logs(account: &Account, flow_log: FlowLog<'_>) -> Vec<Value> {
    account
        .vpcs
        .iter()
        .filter(|vpc| vpc.logged)
        .map(|vpc| {
            json!({
                "CreationTime": rfc3339(flow_log.created).replace('Z', ".112Z"),
                "DeliverLogsStatus": "SUCCESS",
                "FlowLogId": flow_log.id,
                "FlowLogStatus": "ACTIVE",
                "ResourceId": vpc.id,
                "TrafficType": flow_log.traffic,
                "LogDestinationType": "s3",
                "LogDestination": "arn:aws:s3:::example-flow-logs",
                "LogFormat": flow_log.format.log_format(),
                "Tags": tags("all-traffic"),
                "MaxAggregationInterval": flow_log.interval,
                "DestinationOptions": {
                    "FileFormat": if flow_log.parquet { "parquet" } else { "plain-text" },
                    "HiveCompatiblePartitions": false,
                    "PerHourPartition": false,
                },
            })
        })
        .collect()
}
