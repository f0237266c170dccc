//! A case as files: flow log text and AWS CLI JSON.

use std::fmt::Display;
use std::fs;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use super::model::{Config, Format, Peer, Record, Silence};

const BASE: &str = "version interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
                    log-status reject-reason";

fn header(format: Format) -> String {
    let mut text = BASE.to_owned();
    if format.flags {
        text += " tcp-flags";
    }
    if format.direction {
        text += " flow-direction";
    }
    if format.packet_addresses {
        text += " pkt-srcaddr pkt-dstaddr";
    }
    text
}

fn or_dash(value: Option<impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

fn line(config: &Config, format: Format, r: &Record) -> String {
    let action = if r.accepted { "ACCEPT" } else { "REJECT" };
    let reason = if r.blocked_public_access { "BPA" } else { "-" };
    let mut text = format!(
        "8 {} {} {} {} {} {} {} {} {} {} {action} OK {reason}",
        config.interfaces[r.interface].id,
        r.source,
        r.destination,
        r.source_port,
        r.destination_port,
        r.protocol,
        r.packets,
        r.bytes,
        r.start,
        r.end
    );
    if format.flags {
        text += &format!(" {}", or_dash(r.flags));
    }
    if format.direction {
        text += &format!(" {}", or_dash(r.egress.map(|e| if e { "egress" } else { "ingress" })));
    }
    if format.packet_addresses {
        text += &format!(" {} {}", or_dash(r.packet_source), or_dash(r.packet_destination));
    }
    text
}

fn silence(config: &Config, format: Format, s: &Silence) -> String {
    let status = if s.skipped { "SKIPDATA" } else { "NODATA" };
    let id = &config.interfaces[s.interface].id;
    let mut text = format!("8 {id} - - - - - - - {} {} - {status} -", s.start, s.start + 59);
    text += &" -".repeat(
        usize::from(format.flags) + usize::from(format.direction) + 2 * usize::from(format.packet_addresses),
    );
    text
}

/// Lines of a case, in the order of the lists.
pub fn lines(config: &Config, format: Format, records: &[Record], silences: &[Silence]) -> Vec<String> {
    let used = records.iter().map(|r| line(config, format, r));
    used.chain(silences.iter().map(|s| silence(config, format, s))).collect()
}

/// How lines are spread over files.
#[derive(Clone, Debug)]
pub struct Layout {
    pub files: usize,
    /// Where a line goes and in which order: `keys[line % keys.len()]`.
    pub keys: Vec<u32>,
    pub gzip: bool,
}

pub fn logs(dir: &Path, format: Format, lines: &[String], layout: &Layout) {
    _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    let mut order: Vec<(u32, usize)> = (0..lines.len())
        .map(|i| (layout.keys[i % layout.keys.len()].wrapping_add((i as u32).wrapping_mul(0x9e37_79b9)), i))
        .collect();
    order.sort_unstable();
    for file in 0..layout.files {
        let mut text = header(format) + "\n";
        for (n, (_, i)) in order.iter().enumerate() {
            if n % layout.files == file {
                text += &lines[*i];
                text.push('\n');
            }
        }
        if layout.gzip {
            let out = fs::File::create(dir.join(format!("part-{file}.log.gz"))).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap();
        } else {
            fs::write(dir.join(format!("part-{file}.log")), text).unwrap();
        }
    }
}

fn protocol(number: Option<u8>) -> String {
    match number {
        None => "-1".to_owned(),
        Some(6) => "tcp".to_owned(),
        Some(17) => "udp".to_owned(),
        Some(1) => "icmp".to_owned(),
        Some(n) => n.to_string(),
    }
}

pub fn inventory(dir: &Path, config: &Config) {
    _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    let put = |name: &str, value: Value| {
        fs::write(dir.join(format!("{name}.json")), value.to_string()).unwrap();
    };
    let groups: Vec<Value> = config
        .groups
        .iter()
        .map(|g| {
            json!({"GroupId": g.id, "GroupName": g.id, "Description": "", "VpcId": "vpc-1", "OwnerId": "123456789012"})
        })
        .collect();
    put("describe-security-groups", json!({"SecurityGroups": groups}));
    let mut rules = Vec::new();
    for group in &config.groups {
        for rule in &group.rules {
            let (from, to) = rule.ports.map_or((-1, -1), |(f, t)| (i32::from(f), i32::from(t)));
            let mut value = json!({
                "SecurityGroupRuleId": rule.id, "GroupId": group.id, "GroupOwnerId": "123456789012",
                "IsEgress": rule.egress, "IpProtocol": protocol(rule.protocol), "FromPort": from, "ToPort": to,
            });
            match &rule.peer {
                Peer::Cidr(ipnet::IpNet::V4(net)) => value["CidrIpv4"] = net.to_string().into(),
                Peer::Cidr(ipnet::IpNet::V6(net)) => value["CidrIpv6"] = net.to_string().into(),
                Peer::List(id) => value["PrefixListId"] = id.clone().into(),
                Peer::Group(id) => {
                    value["ReferencedGroupInfo"] = json!({"GroupId": id, "UserId": "123456789012"});
                }
            }
            rules.push(value);
        }
    }
    put("describe-security-group-rules", json!({"SecurityGroupRules": rules}));
    let interfaces: Vec<Value> = config
        .interfaces
        .iter()
        .filter(|i| i.listed)
        .map(|i| {
            let v4: Vec<&IpAddr> = i.addresses.iter().filter(|a| a.is_ipv4()).collect();
            let private: Vec<Value> = v4
                .iter()
                .enumerate()
                .map(|(n, a)| json!({"Primary": n == 0, "PrivateIpAddress": a.to_string()}))
                .collect();
            let v6: Vec<Value> = i
                .addresses
                .iter()
                .filter(|a| a.is_ipv6())
                .map(|a| json!({"Ipv6Address": a.to_string()}))
                .collect();
            let groups: Vec<Value> =
                i.groups.iter().map(|g| json!({"GroupId": g, "GroupName": g})).collect();
            let mut value = json!({
                "NetworkInterfaceId": i.id, "InterfaceType": "interface", "VpcId": "vpc-1", "OwnerId": "123456789012",
                "SubnetId": config.subnets[i.subnet].id, "PrivateIpAddress": v4[0].to_string(),
                "PrivateIpAddresses": private, "Ipv6Addresses": v6, "Groups": groups, "RequesterManaged": false,
                "Description": "", "Status": "in-use", "TagSet": [],
            });
            let [tcp, stream, udp] = i.timeouts;
            let mut tracking = serde_json::Map::new();
            for (key, seconds) in
                [("TcpEstablishedTimeout", tcp), ("UdpStreamTimeout", stream), ("UdpTimeout", udp)]
            {
                if let Some(seconds) = seconds {
                    tracking.insert(key.to_owned(), seconds.into());
                }
            }
            if !tracking.is_empty() {
                value["ConnectionTrackingConfiguration"] = tracking.into();
            }
            value
        })
        .collect();
    put("describe-network-interfaces", json!({"NetworkInterfaces": interfaces}));
    let subnets: Vec<Value> = config
        .subnets
        .iter()
        .map(|s| {
            let v6: Vec<Value> = s
                .cidrs
                .iter()
                .filter(|n| matches!(n, ipnet::IpNet::V6(_)))
                .map(|n| json!({"Ipv6CidrBlock": n.to_string(), "Ipv6CidrBlockState": {"State": "associated"}}))
                .collect();
            json!({
                "SubnetId": s.id, "VpcId": "vpc-1", "OwnerId": "123456789012", "State": "available",
                "CidrBlock": s.cidrs[0].to_string(), "Ipv6CidrBlockAssociationSet": v6, "Tags": [],
            })
        })
        .collect();
    put("describe-subnets", json!({"Subnets": subnets}));
    put(
        "describe-vpcs",
        json!({"Vpcs": [{"VpcId": "vpc-1", "OwnerId": "123456789012", "CidrBlock": "10.0.0.0/16", "State": "available"}]}),
    );
    let acls: Vec<Value> = config
        .subnets
        .iter()
        .enumerate()
        .filter_map(|(n, subnet)| {
            let entries: Vec<Value> = subnet
                .acl
                .as_ref()?
                .iter()
                .map(|e| {
                    let mut value = json!({
                        "Egress": e.egress, "RuleNumber": e.number,
                        "Protocol": e.protocol.map_or_else(|| "-1".to_owned(), |p| p.to_string()),
                        "RuleAction": if e.allow { "allow" } else { "deny" },
                    });
                    let key =
                        if matches!(e.cidr, ipnet::IpNet::V6(_)) { "Ipv6CidrBlock" } else { "CidrBlock" };
                    value[key] = e.cidr.to_string().into();
                    if let Some((from, to)) = e.ports {
                        value["PortRange"] = json!({"From": from, "To": to});
                    }
                    value
                })
                .collect();
            Some(json!({
                "NetworkAclId": format!("acl-{n}"), "VpcId": "vpc-1", "OwnerId": "123456789012", "IsDefault": false,
                "Entries": entries, "Tags": [],
                "Associations": [{"NetworkAclId": format!("acl-{n}"), "SubnetId": subnet.id}],
            }))
        })
        .collect();
    put("describe-network-acls", json!({"NetworkAcls": acls}));
    let lists: Vec<Value> = config
        .lists
        .iter()
        .map(|l| json!({"PrefixListId": l.id, "PrefixListName": l.id, "OwnerId": "123456789012"}))
        .collect();
    put("describe-managed-prefix-lists", json!({"PrefixLists": lists}));
    for list in &config.lists {
        if let Some(entries) = &list.entries {
            let entries: Vec<Value> = entries.iter().map(|n| json!({"Cidr": n.to_string()})).collect();
            put(&format!("get-managed-prefix-list-entries-{}", list.id), json!({"Entries": entries}));
        }
    }
}
