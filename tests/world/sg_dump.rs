//! Security groups and their rules as AWS CLI replies.

use serde_json::{Value, json};

use super::config::{ACCOUNT, Account, Peer, REGION, Rule};
use super::inventory::tags;

fn proto_name(proto: Option<u8>) -> String {
    match proto {
        None => "-1".into(),
        Some(1) => "icmp".into(),
        Some(6) => "tcp".into(),
        Some(17) => "udp".into(),
        Some(58) => "icmpv6".into(),
        Some(number) => number.to_string(),
    }
}

/// FromPort and ToPort: ports, or ICMP type and code, or none.
fn from_to(rule: &Rule) -> Option<(i64, i64)> {
    rule.ports
        .map(|(lo, hi)| (i64::from(lo), i64::from(hi)))
        .or(rule.icmp.map(|(kind, code)| (i64::from(kind), i64::from(code))))
}

fn dumped(rule: &Rule, at: i64) -> bool {
    !rule.hidden && (rule.since..rule.until).contains(&at)
}

pub fn groups(account: &Account, at: i64) -> Vec<Value> {
    account
        .groups
        .iter()
        .map(|group| {
            let side = |egress| {
                let rules: Vec<&Rule> =
                    group.rules.iter().filter(|r| r.egress == egress && dumped(r, at)).collect();
                permissions(account, group.vpc, &rules)
            };
            json!({
                "GroupId": group.id,
                "IpPermissionsEgress": side(true),
                "Tags": tags(&group.name),
                "VpcId": account.vpcs[group.vpc].id,
                "SecurityGroupArn": format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/{}", group.id),
                "OwnerId": ACCOUNT,
                "GroupName": group.name,
                "Description": group.description,
                "IpPermissions": side(false),
            })
        })
        .collect()
}

/// DescribeSecurityGroups bundles the sources of one protocol and port range.
fn permissions(account: &Account, vpc: usize, rules: &[&Rule]) -> Vec<Value> {
    let mut bundles: Vec<(&Rule, Vec<&Rule>)> = Vec::new();
    for rule in rules {
        match bundles.iter_mut().find(|(r, _)| r.proto == rule.proto && from_to(r) == from_to(rule)) {
            Some((_, bundle)) => bundle.push(rule),
            None => bundles.push((rule, vec![rule])),
        }
    }
    bundles
        .into_iter()
        .map(|(first, bundle)| {
            let (mut v4, mut v6, mut lists, mut pairs) = (vec![], vec![], vec![], vec![]);
            for rule in bundle {
                let text = description(rule);
                match rule.peer {
                    Peer::Cidr(block) if block.is_v6() => {
                        v6.push(json!({"Description": text, "CidrIpv6": block.to_string()}));
                    }
                    Peer::Cidr(block) => v4.push(json!({"Description": text, "CidrIp": block.to_string()})),
                    Peer::List(list) => {
                        lists.push(json!({"Description": text, "PrefixListId": account.lists[list].id}));
                    }
                    Peer::Group(group) => {
                        let mut pair = json!({
                            "Description": text,
                            "UserId": ACCOUNT,
                            "GroupId": account.groups[group].id,
                        });
                        peered(account, vpc, group, &mut pair);
                        pairs.push(pair);
                    }
                }
            }
            let mut permission = json!({
                "IpProtocol": proto_name(first.proto),
                "UserIdGroupPairs": pairs,
                "IpRanges": v4,
                "Ipv6Ranges": v6,
                "PrefixListIds": lists,
            });
            if let Some((from, to)) = from_to(first) {
                permission["FromPort"] = from.into();
                permission["ToPort"] = to.into();
            }
            permission
        })
        .collect()
}

/// Members of a reference into another VPC.
fn peered(account: &Account, vpc: usize, group: usize, pair: &mut Value) {
    if account.groups[group].vpc != vpc {
        pair["VpcId"] = account.vpcs[account.groups[group].vpc].id.clone().into();
        pair["VpcPeeringConnectionId"] = account.peerings[0].id.clone().into();
        pair["PeeringStatus"] = "active".into();
    }
}

fn description(rule: &Rule) -> String {
    format!(
        "{} {}",
        if rule.egress { "to" } else { "from" },
        rule.spec.rsplit(' ').next().unwrap_or_default()
    )
    .replace("sg:", "group ")
    .replace("pl:", "list ")
}

pub fn rules(account: &Account, at: i64) -> impl Iterator<Item = Value> {
    let rules = account.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    rules.filter(move |(_, rule)| dumped(rule, at)).map(|(group, rule)| {
        let (from, to) = from_to(rule).unwrap_or((-1, -1));
        let mut value = json!({
            "SecurityGroupRuleId": rule.id,
            "GroupId": group.id,
            "GroupOwnerId": ACCOUNT,
            "IsEgress": rule.egress,
            "IpProtocol": proto_name(rule.proto),
            "FromPort": from,
            "ToPort": to,
            "Description": description(rule),
            "Tags": [],
            "SecurityGroupRuleArn":
                format!("arn:aws:ec2:{REGION}:{ACCOUNT}:security-group-rule/{}", rule.id),
        });
        match rule.peer {
            Peer::Cidr(block) if block.is_v6() => value["CidrIpv6"] = block.to_string().into(),
            Peer::Cidr(block) => value["CidrIpv4"] = block.to_string().into(),
            Peer::List(list) => value["PrefixListId"] = account.lists[list].id.clone().into(),
            Peer::Group(peer) => {
                let mut info = json!({"GroupId": account.groups[peer].id, "UserId": ACCOUNT});
                peered(account, group.vpc, peer, &mut info);
                value["ReferencedGroupInfo"] = info;
            }
        }
        value
    })
}
