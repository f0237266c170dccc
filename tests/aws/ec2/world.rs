//! A small account in moto, made with raw calls: every kind of peer a rule can have, and every kind of object.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{
    AddPrefixListEntry, FlowLogsResourceType, IpPermission, IpRange, Ipv6Range, LogDestinationType,
    NetworkAcl, PortRange, PrefixListId, ResourceType, RuleAction, Tag, TagSpecification, TrafficType,
    UserIdGroupPair,
};

use crate::moto;

/// Ids of what was made.
pub struct World {
    pub vpc: String,
    pub subnet: String,
    pub acl: String,
    pub web: String,
    pub db: String,
    pub list: String,
    pub interface: String,
    pub peering: String,
    pub flow_log: String,
}

fn tags(kind: ResourceType, name: &str) -> TagSpecification {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    TagSpecification::builder()
        .resource_type(kind)
        .tags(tag("team", "net & <ops>"))
        .tags(tag("Name", name))
        .build()
}

fn permission(
    protocol: &str,
    ports: Option<(i32, i32)>,
) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    IpPermission::builder()
        .ip_protocol(protocol)
        .set_from_port(ports.map(|p| p.0))
        .set_to_port(ports.map(|p| p.1))
}

/// Fills a region of moto, which has a default VPC already.
pub async fn fill(region: &str) -> World {
    let ec2 = Client::new(&moto::config(region).await);
    let vpc = ec2
        .create_vpc()
        .cidr_block("10.20.0.0/16")
        .amazon_provided_ipv6_cidr_block(true)
        .tag_specifications(tags(ResourceType::Vpc, "main"))
        .send()
        .await
        .unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap().to_owned();
    let subnet = ec2
        .create_subnet()
        .vpc_id(&vpc)
        .cidr_block("10.20.1.0/24")
        .availability_zone(format!("{region}b"))
        .tag_specifications(tags(ResourceType::Subnet, "b"))
        .send()
        .await
        .unwrap();
    let subnet = subnet.subnet().unwrap().subnet_id().unwrap().to_owned();
    let acl = acl(&ec2, &vpc, &subnet).await;
    let list = ec2
        .create_managed_prefix_list()
        .prefix_list_name("offices")
        .address_family("IPv4")
        .max_entries(10)
        .entries(AddPrefixListEntry::builder().cidr("203.0.113.0/24").description("north").build())
        .entries(AddPrefixListEntry::builder().cidr("198.51.100.0/25").build())
        .send()
        .await
        .unwrap();
    let list = list.prefix_list().unwrap().prefix_list_id().unwrap().to_owned();
    let (web, db) = groups(&ec2, &vpc, &list).await;
    let interface = ec2
        .create_network_interface()
        .subnet_id(&subnet)
        .private_ip_address("10.20.1.10")
        .description("the \"web\" one\nin two lines")
        .groups(&web)
        .groups(&db)
        .tag_specifications(tags(ResourceType::NetworkInterface, "eth0"))
        .send()
        .await
        .unwrap();
    let interface = interface.network_interface().unwrap().network_interface_id().unwrap().to_owned();
    World {
        peering: peering(&ec2, &vpc).await,
        flow_log: flow_log(&ec2, &vpc).await,
        vpc,
        subnet,
        acl,
        web,
        db,
        list,
        interface,
    }
}

async fn acl(ec2: &Client, vpc: &str, subnet: &str) -> String {
    let acl = ec2.create_network_acl().vpc_id(vpc).send().await.unwrap();
    let acl = acl.network_acl().unwrap().network_acl_id().unwrap().to_owned();
    let ports = PortRange::builder().from(1024).to(65535).build();
    let entry = || ec2.create_network_acl_entry().network_acl_id(&acl);
    let allow = entry().rule_number(100).egress(false).protocol("6").rule_action(RuleAction::Allow);
    allow.cidr_block("0.0.0.0/0").port_range(ports).send().await.unwrap();
    let deny = entry().rule_number(90).egress(true).protocol("-1").rule_action(RuleAction::Deny);
    deny.cidr_block("192.0.2.0/24").send().await.unwrap();
    let all = ec2.describe_network_acls().send().await.unwrap();
    let associations = all.network_acls().iter().flat_map(NetworkAcl::associations);
    let association = associations
        .filter(|association| association.subnet_id() == Some(subnet))
        .find_map(|association| association.network_acl_association_id().map(str::to_owned));
    ec2.replace_network_acl_association()
        .association_id(association.unwrap())
        .network_acl_id(&acl)
        .send()
        .await
        .unwrap();
    acl
}

/// `web` with rules of every peer, `db`, and some more to turn pages over.
async fn groups(ec2: &Client, vpc: &str, list: &str) -> (String, String) {
    let mut ids = Vec::new();
    for n in 0..25 {
        let name = ["web", "db"].get(n).map_or_else(|| format!("spare-{n}"), |name| (*name).to_owned());
        let group = ec2
            .create_security_group()
            .group_name(&name)
            .description(format!("<{name}> & more"))
            .vpc_id(vpc)
            .tag_specifications(tags(ResourceType::SecurityGroup, &name))
            .send()
            .await
            .unwrap();
        ids.push(group.group_id().unwrap().to_owned());
    }
    let (web, db) = (ids[0].clone(), ids[1].clone());
    let range = |cidr: &str, text: &str| IpRange::builder().cidr_ip(cidr).description(text).build();
    ec2.authorize_security_group_ingress()
        .group_id(&web)
        .ip_permissions(
            permission("tcp", Some((443, 443)))
                .ip_ranges(range("0.0.0.0/0", "everybody"))
                .ip_ranges(range("10.0.0.0/8", "us"))
                .build(),
        )
        .ip_permissions(
            permission("tcp", Some((443, 443)))
                .ipv6_ranges(Ipv6Range::builder().cidr_ipv6("::/0").build())
                .build(),
        )
        .ip_permissions(
            permission("udp", Some((1000, 2000)))
                .prefix_list_ids(PrefixListId::builder().prefix_list_id(list).build())
                .build(),
        )
        .ip_permissions(permission("icmp", Some((8, -1))).ip_ranges(range("10.20.0.0/16", "ping")).build())
        .ip_permissions(
            permission("-1", None)
                .user_id_group_pairs(UserIdGroupPair::builder().group_id(&web).build())
                .build(),
        )
        .send()
        .await
        .unwrap();
    ec2.authorize_security_group_ingress()
        .group_id(&db)
        .ip_permissions(
            permission("tcp", Some((5432, 5432)))
                .user_id_group_pairs(
                    UserIdGroupPair::builder().group_id(&web).description("from web").build(),
                )
                .build(),
        )
        .send()
        .await
        .unwrap();
    ec2.authorize_security_group_egress()
        .group_id(&db)
        .ip_permissions(
            permission("tcp", Some((443, 443))).ip_ranges(range("192.0.2.7/32", "updates")).build(),
        )
        .send()
        .await
        .unwrap();
    (web, db)
}

async fn peering(ec2: &Client, vpc: &str) -> String {
    let other = ec2.create_vpc().cidr_block("10.30.0.0/16").send().await.unwrap();
    let other = other.vpc().unwrap().vpc_id().unwrap().to_owned();
    let made = ec2.create_vpc_peering_connection().vpc_id(vpc).peer_vpc_id(other).send().await.unwrap();
    let made = made.vpc_peering_connection().unwrap().vpc_peering_connection_id().unwrap().to_owned();
    ec2.accept_vpc_peering_connection().vpc_peering_connection_id(&made).send().await.unwrap();
    made
}

async fn flow_log(ec2: &Client, vpc: &str) -> String {
    let made = ec2
        .create_flow_logs()
        .resource_ids(vpc)
        .resource_type(FlowLogsResourceType::Vpc)
        .traffic_type(TrafficType::All)
        .log_destination_type(LogDestinationType::CloudWatchLogs)
        .log_group_name("flows")
        .deliver_logs_permission_arn(format!("arn:aws:iam::{}:role/flows", moto::ACCOUNT))
        .max_aggregation_interval(60)
        .send()
        .await
        .unwrap();
    made.flow_log_ids()[0].clone()
}
