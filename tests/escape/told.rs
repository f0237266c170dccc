//! The account as its inventory tells it: AWS Config history or dated snapshots, and with parts left out.

use std::net::Ipv4Addr;
use std::path::Path;

use chrono::DateTime;
use serde_json::{Value, json};

use super::account::{Account, BEFORE, END, Eni, PERIOD, Peer, Random, Rule};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Items a few seconds to minutes after each change.
    Config,
    /// Dumps every four hours.
    Snapshots,
}

/// What is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Kind(&'static str),
    One(&'static str, String),
}

struct Told {
    at: i64,
    kind: &'static str,
    id: String,
    /// `None` where it was deleted.
    state: Option<Value>,
}

const ACCOUNT: &str = "111122223333";

pub fn group_id(n: usize) -> String {
    format!("sg-{n:017x}")
}

fn list_id(n: usize) -> String {
    format!("pl-{n:017x}")
}

fn permissions(rules: &[&Rule], egress: bool, camel: bool) -> Value {
    let one = |r: &&&Rule| {
        let mut p = json!({"ipProtocol": match r.protocol { 6 => "tcp", 17 => "udp", _ => "-1" }, "ipRanges": [],
            "ipv6Ranges": [], "prefixListIds": [], "userIdGroupPairs": []});
        if r.protocol != -1 {
            p["fromPort"] = json!(r.ports.0);
            p["toPort"] = json!(r.ports.1);
        }
        let (name, peer) = match r.peer {
            Peer::Cidr(network, length) => {
                let name = if camel { "ipv4Ranges" } else { "ipRanges" };
                (name, json!({"cidrIp": format!("{network}/{length}")}))
            }
            Peer::Group(g) => ("userIdGroupPairs", json!({"groupId": group_id(g), "userId": ACCOUNT})),
            Peer::List(l) => ("prefixListIds", json!({"prefixListId": list_id(l)})),
        };
        p[name] = json!([peer]);
        p
    };
    rules.iter().filter(|r| r.egress == egress).map(|r| one(&r)).collect()
}

fn group(account: &Account, n: usize, at: i64, camel: bool) -> Value {
    let rules: Vec<&Rule> =
        account.rules.iter().filter(|r| r.group == n && r.life.0 <= at && at < r.life.1).collect();
    json!({"groupId": group_id(n), "groupName": format!("group-{n}"), "description": "", "ownerId": ACCOUNT,
        "vpcId": "vpc-1", "ipPermissions": permissions(&rules, false, camel),
        "ipPermissionsEgress": permissions(&rules, true, camel)})
}

fn eni(eni: &Eni, at: i64) -> Value {
    let groups: Vec<Value> = eni.groups_at(at).iter().map(|&g| json!({"groupId": group_id(g)})).collect();
    json!({"networkInterfaceId": eni.id, "interfaceType": "interface", "vpcId": "vpc-1", "ownerId": ACCOUNT,
        "subnetId": format!("subnet-{}", eni.address.octets()[2]), "privateIpAddress": eni.address.to_string(),
        "privateIpAddresses": [{"privateIpAddress": eni.address.to_string(), "primary": true}], "groups": groups,
        "status": "in-use"})
}

fn list(account: &Account, n: usize, at: i64) -> Value {
    let entry = |&(network, length): &(Ipv4Addr, u8)| json!({"cidr": format!("{network}/{length}")});
    let entries: Vec<Value> = account.entries_at(n, at).iter().map(entry).collect();
    json!({"prefixListId": list_id(n), "prefixListName": "offices", "entries": entries})
}

fn fixed() -> Vec<(&'static str, String, Value)> {
    let mut all = vec![("VPC", "vpc-1".to_owned(), json!({"vpcId": "vpc-1", "cidrBlock": "10.50.0.0/16"}))];
    for n in 0..4 {
        let id = format!("subnet-{n}");
        all.push((
            "Subnet",
            id.clone(),
            json!({"subnetId": id, "vpcId": "vpc-1", "cidrBlock": format!("10.50.{n}.0/24")}),
        ));
    }
    let allow = |egress: bool| json!({"ruleNumber": 100, "egress": egress, "protocol": "-1", "ruleAction": "allow", "cidrBlock": "0.0.0.0/0"});
    let associations: Vec<Value> = (0..4).map(|n| json!({"subnetId": format!("subnet-{n}")})).collect();
    let acl = json!({"networkAclId": "acl-1", "vpcId": "vpc-1", "entries": [allow(false), allow(true)],
        "associations": associations});
    all.push(("NetworkAcl", "acl-1".to_owned(), acl));
    all
}

/// Everything that is told, in no particular order.
fn told(account: &Account, mode: Mode) -> Vec<Told> {
    let mut all = Vec::new();
    let mut random = Random::new(77);
    let camel = mode == Mode::Config;
    let mut add =
        |kind: &'static str, id: String, changes: Vec<i64>, state: &dyn Fn(i64) -> Option<Value>| {
            let times: Vec<(i64, i64)> = match mode {
                Mode::Snapshots => {
                    (0..).map(|n| BEFORE + n * PERIOD).take_while(|t| *t <= END).map(|t| (t, t)).collect()
                }
                Mode::Config => {
                    let before = BEFORE - 86_400;
                    let lagging = changes.into_iter().map(|t| (t, t + random.between(5, 200)));
                    std::iter::once((before, before)).chain(lagging).collect()
                }
            };
            let mut last = None;
            for (at, captured) in times {
                let now = state(at);
                // AWS Config tells of changes only, and of nothing before a resource is there.
                if camel && (now == last) {
                    continue;
                }
                if now.is_some() || camel {
                    all.push(Told { at: captured, kind, id: id.clone(), state: now.clone() });
                }
                last = now;
            }
        };
    for n in 0..account.groups {
        let of = account.rules.iter().filter(|r| r.group == n);
        let mut changes: Vec<i64> =
            of.flat_map(|r| [r.life.0, r.life.1]).filter(|t| (BEFORE..END).contains(t)).collect();
        changes.sort_unstable();
        add("SecurityGroup", group_id(n), changes, &|at| Some(group(account, n, at, camel)));
    }
    for one in &account.enis {
        let changes = one.groups.iter().map(|g| g.0).chain([one.life.0, one.life.1]);
        let mut changes: Vec<i64> = changes.filter(|t| (BEFORE..END).contains(t)).collect();
        changes.sort_unstable();
        changes.dedup();
        add("NetworkInterface", one.id.clone(), changes, &|at| one.lives(at).then(|| eni(one, at)));
    }
    for n in 0..account.lists.len() {
        let changes = account.lists[n].iter().map(|(from, _)| *from).filter(|t| *t >= BEFORE).collect();
        add("PrefixList", list_id(n), changes, &|at| Some(list(account, n, at)));
    }
    for (kind, id, state) in fixed() {
        add(kind, id, Vec::new(), &|_| Some(state.clone()));
    }
    all
}

pub fn write(account: &Account, mode: Mode, dir: &Path) {
    write_all(&told(account, mode), account, mode, dir);
}

/// Returns how many objects were left out.
pub fn write_without(account: &Account, mode: Mode, part: &Part, dir: &Path) -> usize {
    let mut all = told(account, mode);
    let before = all.len();
    all.retain(|told| match part {
        Part::Kind(kind) => told.kind != *kind,
        Part::One(kind, id) => told.kind != *kind || told.id != *id,
    });
    let left_out = before - all.len();
    write_all(&all, account, mode, dir);
    left_out
}

/// What may be missing: all of a kind, and some of those of which there are many.
pub fn parts(account: &Account) -> Vec<Part> {
    let kinds = ["SecurityGroup", "NetworkInterface", "PrefixList", "VPC", "Subnet", "NetworkAcl"];
    let mut parts: Vec<Part> = kinds.into_iter().map(Part::Kind).collect();
    parts.extend((0..account.groups).step_by(4).map(|n| Part::One("SecurityGroup", group_id(n))));
    parts.extend(account.enis.iter().step_by(7).map(|eni| Part::One("NetworkInterface", eni.id.clone())));
    parts.push(Part::One("PrefixList", list_id(1)));
    parts.push(Part::One("Subnet", "subnet-2".to_owned()));
    parts
}

fn capital(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let upper = |name: &str| match name {
                "ipv6Ranges" => "Ipv6Ranges".to_owned(),
                _ => name[..1].to_ascii_uppercase() + &name[1..],
            };
            members.iter().map(|(name, value)| (upper(name), capital(value))).collect()
        }
        Value::Array(items) => items.iter().map(capital).collect(),
        other => other.clone(),
    }
}

fn rfc3339(at: i64) -> String {
    DateTime::from_timestamp(at, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn write_all(all: &[Told], account: &Account, mode: Mode, dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    if mode == Mode::Config {
        let item = |told: &Told| {
            let status = if told.state.is_some() { "OK" } else { "ResourceDeleted" };
            let mut item = json!({"resourceType": format!("AWS::EC2::{}", told.kind), "resourceId": told.id,
                "configurationItemStatus": status, "configurationItemCaptureTime": rfc3339(told.at),
                "configurationStateId": told.at * 1000, "awsAccountId": ACCOUNT, "awsRegion": "eu-west-1"});
            if let Some(state) = &told.state {
                item["configuration"] = state.clone();
            }
            item
        };
        let items: Vec<Value> = all.iter().map(item).collect();
        std::fs::write(dir.join("history.json"), json!({"configurationItems": items}).to_string()).unwrap();
        return;
    }
    let mut times: Vec<i64> = all.iter().map(|t| t.at).collect();
    times.sort_unstable();
    times.dedup();
    for at in times {
        let of = |kind: &str| -> Vec<Value> {
            let here = all.iter().filter(|t| t.at == at && t.kind == kind);
            here.filter_map(|t| t.state.as_ref()).map(capital).collect()
        };
        let mut dump = json!({});
        for (kind, name) in [
            ("SecurityGroup", "SecurityGroups"),
            ("NetworkInterface", "NetworkInterfaces"),
            ("PrefixList", "PrefixLists"),
            ("VPC", "Vpcs"),
            ("Subnet", "Subnets"),
            ("NetworkAcl", "NetworkAcls"),
        ] {
            let objects = of(kind);
            // What nobody asked for is not in the dump, not even as an empty list.
            if !objects.is_empty() {
                dump[name] = Value::Array(objects);
            }
        }
        let described: Vec<String> =
            all.iter().filter(|t| t.at == at && t.kind == "SecurityGroup").map(|t| t.id.clone()).collect();
        let alive = account.rules.iter().filter(|r| r.life.0 <= at && at < r.life.1);
        let named =
            alive.filter(|r| described.contains(&group_id(r.group))).map(named_rule).collect::<Vec<_>>();
        if !named.is_empty() {
            dump["SecurityGroupRules"] = Value::Array(named);
        }
        let dir = dir.join(rfc3339(at).replace(':', ""));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("dump.json"), dump.to_string()).unwrap();
    }
}

fn named_rule(rule: &Rule) -> Value {
    let ports = |port: u16| if rule.protocol == -1 { -1 } else { i64::from(port) };
    let mut value = json!({"SecurityGroupRuleId": rule.id, "GroupId": group_id(rule.group), "IsEgress": rule.egress,
        "IpProtocol": match rule.protocol { 6 => "tcp", 17 => "udp", _ => "-1" }, "GroupOwnerId": ACCOUNT,
        "FromPort": ports(rule.ports.0), "ToPort": ports(rule.ports.1)});
    match rule.peer {
        Peer::Cidr(network, length) => value["CidrIpv4"] = json!(format!("{network}/{length}")),
        Peer::Group(g) => value["ReferencedGroupInfo"] = json!({"GroupId": group_id(g), "UserId": ACCOUNT}),
        Peer::List(l) => value["PrefixListId"] = json!(list_id(l)),
    }
    value
}
