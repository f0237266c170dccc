//! A world that changes, and its files.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::Path;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::model::AclEntry;

pub const INTERFACES: usize = 3;
pub const GROUPS: usize = 3;
pub const ACLS: usize = 2;
pub const LISTS: usize = 1;
pub const SUBNETS: usize = 2;
/// The time of the undated dump.
pub const LAST_DUMP: i64 = i64::MAX;

const EPOCH: i64 = 1_700_000_000;

pub fn interface_id(i: usize) -> String {
    format!("eni-{i}")
}

pub fn group_id(i: usize) -> String {
    format!("sg-{i}")
}

pub fn subnet_id(i: usize) -> String {
    format!("subnet-{i}")
}

/// The block of the VPC, which never changes. Nobody in the worlds is in the same subnet.
pub const NETWORK: &str = "10.0.0.0/16";

pub fn subnet_block(i: usize) -> String {
    format!("10.0.{}.0/24", 200 + i)
}

/// States are indices, so that they compare cheaply and are easy to read.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind<S> {
    Is(S),
    Deleted,
    NotRecorded,
    Blank,
}

#[derive(Clone, Debug)]
pub struct Event<S> {
    pub time: i64,
    pub daily: bool,
    pub kind: Kind<S>,
}

/// An interface as one item shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub groups: Vec<usize>,
    pub addresses: Vec<IpAddr>,
    pub subnet: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct RuleState {
    pub egress: bool,
    pub ports: Option<(u16, u16)>,
    /// 0, 1: CIDR; 2: the prefix list; more: a group.
    pub peer: usize,
}

impl RuleState {
    pub fn key(&self, group: usize) -> String {
        let direction = if self.egress { "outbound" } else { "inbound" };
        let ports = match self.ports {
            None => "all".to_owned(),
            Some((a, b)) if a == b => a.to_string(),
            Some((a, b)) => format!("{a}-{b}"),
        };
        let peer = match self.peer {
            0 => "10.0.1.0/24".to_owned(),
            1 => "0.0.0.0/0".to_owned(),
            2 => "pl-00000000".to_owned(),
            n => group_id(n - 3),
        };
        format!("{}|{direction}|{ports}|{peer}", group_id(group))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct EntryState {
    pub number: u32,
    pub egress: bool,
    pub allow: bool,
    pub cidr: &'static str,
}

impl From<EntryState> for AclEntry {
    fn from(e: EntryState) -> Self {
        let cidr = e.cidr.parse().unwrap();
        Self { number: e.number, egress: e.egress, protocol: None, allow: e.allow, cidr, ports: None }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AclState {
    pub subnets: BTreeSet<usize>,
    pub entries: Vec<EntryState>,
}

/// What a dump shows: the index of a state for each resource it holds.
#[derive(Clone, Debug)]
pub struct Sets {
    pub interfaces: Vec<Option<usize>>,
    pub groups: Vec<Option<usize>>,
    pub acls: Vec<Option<usize>>,
    pub lists: Vec<Option<usize>>,
}

#[derive(Clone, Debug)]
pub struct Dump {
    pub time: i64,
    pub sets: Sets,
}

#[derive(Clone, Debug)]
pub struct World {
    pub shown: Vec<Shown>,
    pub group_states: Vec<Vec<RuleState>>,
    pub acl_states: Vec<AclState>,
    pub list_states: Vec<Vec<IpNet>>,
    pub interfaces: Vec<Vec<Event<usize>>>,
    pub groups: Vec<Vec<Event<usize>>>,
    pub acls: Vec<Vec<Event<usize>>>,
    pub lists: Vec<Vec<Event<usize>>>,
    pub dumps: Vec<Dump>,
    /// Decides how items are written and where they lie.
    pub layout: Vec<u8>,
}

/// The number of the first state that is equal.
fn first_equal<T: PartialEq>(states: &[T], number: usize) -> usize {
    states.iter().position(|state| *state == states[number]).unwrap_or(number)
}

impl World {
    /// The same with one number for each state: the oracle compares numbers, and two that mean the same are no change.
    fn with_one_number_each(mut self) -> Self {
        let Self { shown, group_states, acl_states, list_states, .. } = &self;
        let (shown, group_states) = (shown.clone(), group_states.clone());
        let (acl_states, list_states) = (acl_states.clone(), list_states.clone());
        let in_events = |all: &mut Vec<Vec<Event<usize>>>, first: &dyn Fn(usize) -> usize| {
            for event in all.iter_mut().flatten() {
                if let Kind::Is(number) = &mut event.kind {
                    *number = first(*number);
                }
            }
        };
        in_events(&mut self.interfaces, &|n| first_equal(&shown, n));
        in_events(&mut self.groups, &|n| first_equal(&group_states, n));
        in_events(&mut self.acls, &|n| first_equal(&acl_states, n));
        in_events(&mut self.lists, &|n| first_equal(&list_states, n));
        for Dump { sets, .. } in &mut self.dumps {
            sets.interfaces.iter_mut().flatten().for_each(|n| *n = first_equal(&shown, *n));
            sets.groups.iter_mut().flatten().for_each(|n| *n = first_equal(&group_states, *n));
            sets.acls.iter_mut().flatten().for_each(|n| *n = first_equal(&acl_states, *n));
            sets.lists.iter_mut().flatten().for_each(|n| *n = first_equal(&list_states, *n));
        }
        self
    }

    /// Groups that were described or that an interface was ever in.
    pub fn known_groups(&self) -> BTreeSet<usize> {
        let described = (0..GROUPS)
            .filter(|&g| !self.groups[g].is_empty() || self.dumps.iter().any(|d| d.sets.groups[g].is_some()));
        let shown = |events: &Vec<Event<usize>>| {
            events
                .iter()
                .filter_map(|e| if let Kind::Is(s) = e.kind { Some(s) } else { None })
                .collect::<Vec<_>>()
        };
        let states = self.interfaces.iter().flat_map(shown);
        let dumped = self.dumps.iter().flat_map(|d| d.sets.interfaces.iter().flatten().copied());
        let attached = states.chain(dumped).flat_map(|s| self.shown[s].groups.clone());
        described.chain(attached).collect()
    }

    pub fn moments(&self) -> Vec<i64> {
        let all = [&self.interfaces, &self.groups, &self.acls, &self.lists];
        let items = all.into_iter().flatten().flatten().map(|e| e.time);
        let dumps = self.dumps.iter().map(|d| d.time).filter(|t| *t < LAST_DUMP);
        items.chain(dumps).chain([EPOCH]).collect()
    }
}

fn events(states: usize, most: usize) -> impl Strategy<Value = Vec<Event<usize>>> {
    let gap = prop::sample::select(vec![1, 30, 59, 60, 61, 120, 239, 300, 301, 361, 1_000, 9_000, 90_000]);
    let kind = prop_oneof![
        8 => (0..states).prop_map(Kind::Is),
        1 => Just(Kind::Deleted),
        1 => Just(Kind::NotRecorded),
        1 => Just(Kind::Blank),
    ];
    let event = (gap, kind, prop::bool::weighted(0.1));
    (0..5_000_i64, vec(event, 0..=most)).prop_map(|(first, list)| {
        let mut time = EPOCH + first;
        let mut events: Vec<Event<usize>> = Vec::new();
        for (gap, kind, daily) in list {
            time += gap;
            events.push(Event { time, daily, kind });
        }
        events
    })
}

fn sets() -> impl Strategy<Value = Sets> {
    let some = |n: usize| option::weighted(0.7, 0..n);
    (vec(some(8), INTERFACES), vec(some(6), GROUPS), vec(some(4), ACLS), vec(some(3), LISTS))
        .prop_map(|(interfaces, groups, acls, lists)| Sets { interfaces, groups, acls, lists })
}

pub fn world() -> impl Strategy<Value = World> {
    let shown = (
        vec(0..GROUPS, 0..3),
        prop::sample::subsequence(vec!["10.0.1.7", "10.0.2.7", "10.0.3.9"], 1..3),
        0..SUBNETS,
    )
        .prop_map(|(mut groups, addresses, subnet)| {
            groups.sort_unstable();
            groups.dedup();
            Shown { groups, addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(), subnet }
        });
    let ports = prop::sample::select(vec![None, Some((22, 22)), Some((0, 1023)), Some((443, 443))]);
    let rule = (prop::bool::weighted(0.3), ports, 0..7_usize).prop_map(|(egress, ports, peer)| RuleState {
        egress,
        ports,
        peer,
    });
    let entry = (
        1..4_u32,
        any::<bool>(),
        prop::bool::weighted(0.7),
        prop::sample::select(vec!["0.0.0.0/0", "10.0.1.0/24"]),
    )
        .prop_map(|(number, egress, allow, cidr)| EntryState { number, egress, allow, cidr });
    let acl = (prop::collection::btree_set(0..SUBNETS, 0..=SUBNETS), vec(entry, 1..4)).prop_map(
        |(subnets, mut entries)| {
            entries.sort_by_key(|e| (e.egress, e.number));
            entries.dedup_by_key(|e| (e.egress, e.number));
            AclState { subnets, entries }
        },
    );
    let list = prop::sample::subsequence(vec!["10.0.2.0/24", "203.0.113.0/24", "10.0.1.7/32"], 0..3)
        .prop_map(|nets| nets.iter().map(|n| n.parse().unwrap()).collect::<Vec<IpNet>>());
    let dumps = (vec((0..20_000_i64, sets()), 0..3), option::weighted(0.4, sets()));
    let tracks = (
        vec(events(8, 4), INTERFACES),
        vec(events(6, 4), GROUPS),
        vec(events(4, 2), ACLS),
        vec(events(3, 2), LISTS),
    );
    (vec(shown, 8), vec(vec(rule, 0..4), 6), vec(acl, 4), vec(list, 3), tracks, dumps, vec(any::<u8>(), 16))
        .prop_map(
            |(mut shown, mut group_states, acl_states, list_states, tracks, (dated, undated), layout)| {
                let (mut interfaces, groups, acls, lists) = tracks;
                // The judged interface, whose states are the first two, has an address of its own.
                for (i, state) in shown.iter_mut().enumerate() {
                    if i < 3 {
                        state.addresses = vec!["10.0.0.5".parse().unwrap()];
                    }
                }
                let clean =
                    |state: usize, interface: usize| if interface == 0 { state % 3 } else { 3 + state % 5 };
                for (i, events) in interfaces.iter_mut().enumerate() {
                    for event in events {
                        if let Kind::Is(state) = &mut event.kind {
                            *state = clean(*state, i);
                        }
                    }
                }
                for rules in &mut group_states {
                    let mut seen = BTreeSet::new();
                    rules.retain(|r| seen.insert(r.key(0)));
                }
                let mut dumps: Vec<Dump> =
                    dated.into_iter().map(|(at, sets)| Dump { time: EPOCH + at, sets }).collect();
                dumps.extend(undated.map(|sets| Dump { time: LAST_DUMP, sets }));
                dumps.sort_by_key(|d| d.time);
                dumps.dedup_by_key(|d| d.time);
                for dump in &mut dumps {
                    for (i, state) in dump.sets.interfaces.iter_mut().enumerate() {
                        *state = state.map(|s| clean(s, i));
                    }
                }
                let mut world = World {
                    shown,
                    group_states,
                    acl_states,
                    list_states,
                    interfaces,
                    groups,
                    acls,
                    lists,
                    dumps,
                    layout,
                };
                tidy(&mut world);
                world
            },
        )
        .prop_map(World::with_one_number_each)
}

/// A dump of nothing is no dump; a world without any item has no history.
fn tidy(world: &mut World) {
    world.dumps.retain(|d| {
        let s = &d.sets;
        [&s.interfaces, &s.groups, &s.acls, &s.lists].into_iter().flatten().any(Option::is_some)
    });
    let all = [&world.interfaces, &world.groups, &world.acls, &world.lists];
    if all.into_iter().flatten().all(Vec::is_empty) {
        world.groups[0].push(Event { time: EPOCH, daily: false, kind: Kind::Is(0) });
    }
}

fn permissions(rules: &[RuleState], egress: bool, camel: bool) -> Value {
    let list = rules.iter().filter(|r| r.egress == egress).map(|r| {
        let mut permission = json!({"ipProtocol": "tcp"});
        if let Some((from, to)) = r.ports {
            permission["fromPort"] = json!(from);
            permission["toPort"] = json!(to);
        }
        match r.peer {
            n @ (0 | 1) => {
                let net = ["10.0.1.0/24", "0.0.0.0/0"][n];
                permission["ipRanges"] = if camel { json!([net]) } else { json!([{"cidrIp": net}]) };
                if camel {
                    permission["ipv4Ranges"] = json!([{"cidrIp": net, "description": "x"}]);
                }
            }
            2 => permission["prefixListIds"] = json!([{"prefixListId": "pl-00000000"}]),
            n => {
                permission["userIdGroupPairs"] =
                    json!([{"groupId": group_id(n - 3), "userId": "111122223333"}]);
            }
        }
        permission
    });
    list.collect()
}

/// `groupId` becomes `GroupId`, for dumps.
fn capital(value: Value) -> Value {
    match value {
        Value::Array(list) => list.into_iter().map(capital).collect(),
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| (key[..1].to_uppercase() + &key[1..], capital(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}

fn group(world: &World, g: usize, state: usize, camel: bool) -> Value {
    let rules = &world.group_states[state];
    json!({"groupId": group_id(g), "groupName": "g",
        "ipPermissions": permissions(rules, false, camel),
        "ipPermissionsEgress": permissions(rules, true, camel)})
}

fn interface(world: &World, i: usize, state: usize) -> Value {
    let shown = &world.shown[state];
    let groups: Vec<Value> = shown.groups.iter().map(|&g| json!({"groupId": group_id(g)})).collect();
    let addresses: Vec<Value> =
        shown.addresses.iter().map(|a| json!({"privateIpAddress": a.to_string()})).collect();
    json!({"networkInterfaceId": interface_id(i), "subnetId": subnet_id(shown.subnet),
        "groups": groups, "privateIpAddresses": addresses})
}

fn acl(world: &World, i: usize, state: usize) -> Value {
    let state = &world.acl_states[state];
    let entries: Vec<Value> = state
        .entries
        .iter()
        .map(|e| {
            json!({"ruleNumber": e.number, "egress": e.egress, "protocol": "-1", "cidrBlock": e.cidr,
                "ruleAction": if e.allow { "allow" } else { "deny" }})
        })
        .collect();
    let associations: Vec<Value> = state.subnets.iter().map(|&s| json!({"subnetId": subnet_id(s)})).collect();
    json!({"networkAclId": format!("acl-{i}"), "associations": associations, "entries": entries})
}

fn list(world: &World, i: usize, state: usize) -> Value {
    let entries: Vec<Value> =
        world.list_states[state].iter().map(|n| json!({"cidr": n.to_string()})).collect();
    json!({"prefixListId": format!("pl-{i:08}"), "prefixListName": "l", "entries": entries})
}

/// Writes items in both spellings, some of them twice, spread over files; and the dumps.
pub fn write(world: &World, root: &Path) {
    let mut items: Vec<Value> = Vec::new();
    let mut add = |name: &str, id: String, events: &[Event<usize>], show: &dyn Fn(usize) -> Value| {
        for (n, event) in events.iter().enumerate() {
            let (status, configuration) = match &event.kind {
                Kind::Is(state) => (if n == 0 { "ResourceDiscovered" } else { "OK" }, Some(show(*state))),
                Kind::Deleted => ("ResourceDeleted", None),
                Kind::NotRecorded => ("ResourceNotRecorded", None),
                Kind::Blank => ("OK", None),
            };
            let time = chrono::DateTime::from_timestamp(event.time, 0).unwrap().to_rfc3339();
            let mut item = json!({"resourceType": name, "resourceId": id, "configurationItemStatus": status,
                "configurationItemCaptureTime": time, "configurationStateId": event.time * 1000});
            if let Some(configuration) = configuration {
                item["configuration"] = configuration;
            }
            if event.daily {
                item["recordingFrequency"] = json!("DAILY");
            }
            items.push(item);
        }
    };
    for i in 0..INTERFACES {
        add("AWS::EC2::NetworkInterface", interface_id(i), &world.interfaces[i], &|s| interface(world, i, s));
    }
    for g in 0..GROUPS {
        add("AWS::EC2::SecurityGroup", group_id(g), &world.groups[g], &|s| group(world, g, s, true));
    }
    for i in 0..ACLS {
        add("AWS::EC2::NetworkAcl", format!("acl-{i}"), &world.acls[i], &|s| acl(world, i, s));
    }
    for i in 0..LISTS {
        add("AWS::EC2::PrefixList", format!("pl-{i:08}"), &world.lists[i], &|s| list(world, i, s));
    }
    for dump in &world.dumps {
        write_dump(world, dump, root);
    }
    if items.is_empty() {
        return;
    }
    for (name, mut network) in networks() {
        let lower: Value =
            network.as_object_mut().unwrap().iter().map(|(k, v)| (lower(k), v.clone())).collect();
        let id = if name == "Vpc" { "VpcId" } else { "SubnetId" };
        items.push(json!({"resourceType": format!("AWS::EC2::{}", if name == "Vpc" { "VPC" } else { name }),
            "resourceId": network[id], "configurationItemStatus": "OK", "configuration": lower,
            "configurationItemCaptureTime": "2023-01-01T00:00:00Z", "configurationStateId": 1}));
    }
    let mut files: [Vec<Value>; 3] = Default::default();
    for (n, item) in items.into_iter().enumerate() {
        let how = world.layout[n % world.layout.len()];
        let file = usize::from(how % 3);
        if how & 8 != 0 {
            files[(file + 1) % 3].push(item.clone());
        }
        let at = usize::from(how) % (files[file].len() + 1);
        files[file].insert(at, item);
    }
    let day = root.join("AWSLogs/111122223333/Config/eu-west-1/2023/11/9");
    std::fs::create_dir_all(day.join("ConfigHistory")).unwrap();
    std::fs::create_dir_all(day.join("ConfigSnapshot")).unwrap();
    let [api, history, snapshot] = files;
    let api: Vec<Value> = api
        .into_iter()
        .map(|mut item| {
            if let Some(configuration) = item.get_mut("configuration") {
                *configuration = Value::from(configuration.to_string());
            }
            item["configurationStateId"] = Value::from(item["configurationStateId"].to_string());
            item
        })
        .collect();
    let put = |path: std::path::PathBuf, body: Value| std::fs::write(path, body.to_string()).unwrap();
    put(root.join("api.json"), json!({"configurationItems": api}));
    put(day.join("ConfigHistory/x.json"), json!({"fileVersion": "1.0", "configurationItems": history}));
    let out = std::fs::File::create(day.join("ConfigSnapshot/x.json.gz")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(out, flate2::Compression::fast());
    let body = json!({"fileVersion": "1.0", "configSnapshotId": "x", "configurationItems": snapshot});
    gzip.write_all(body.to_string().as_bytes()).unwrap();
    gzip.finish().unwrap();
}

/// The VPC and its subnets, as `describe-vpcs` and `describe-subnets` tell them.
fn networks() -> Vec<(&'static str, Value)> {
    let mut all = vec![("Vpc", json!({"VpcId": "vpc-1", "CidrBlock": NETWORK}))];
    let subnet = |i| json!({"SubnetId": subnet_id(i), "VpcId": "vpc-1", "CidrBlock": subnet_block(i)});
    all.extend((0..SUBNETS).map(|i| ("Subnet", subnet(i))));
    all
}

fn lower(name: &str) -> String {
    name[..1].to_ascii_lowercase() + &name[1..]
}

fn write_dump(world: &World, dump: &Dump, root: &Path) {
    let dir = match dump.time {
        LAST_DUMP => root.join("now"),
        time => root
            .join(chrono::DateTime::from_timestamp(time, 0).unwrap().format("%Y-%m-%dT%H%M%SZ").to_string()),
    };
    std::fs::create_dir_all(&dir).unwrap();
    let objects = |states: &[Option<usize>], show: &dyn Fn(usize, usize) -> Value| -> Value {
        states.iter().enumerate().filter_map(|(i, s)| s.map(|s| capital(show(i, s)))).collect()
    };
    let sets = &dump.sets;
    let groups = objects(&sets.groups, &|g, s| group(world, g, s, false));
    let named: Vec<Value> = sets
        .groups
        .iter()
        .enumerate()
        .filter_map(|(g, s)| s.map(|s| (g, s)))
        .flat_map(|(g, s)| world.group_states[s].iter().map(move |r| named_rule(g, r)))
        .collect();
    let of =
        |kind: &str| networks().into_iter().filter(|(k, _)| *k == kind).map(|(_, v)| v).collect::<Value>();
    let body = json!({"SecurityGroups": groups, "SecurityGroupRules": named,
        "NetworkInterfaces": objects(&sets.interfaces, &|i, s| interface(world, i, s)),
        "NetworkAcls": objects(&sets.acls, &|i, s| acl(world, i, s)),
        "Vpcs": of("Vpc"), "Subnets": of("Subnet"),
        "PrefixLists": objects(&sets.lists, &|i, s| list(world, i, s))});
    std::fs::write(dir.join("dump.json"), body.to_string()).unwrap();
}

/// The same rule has the same id in every dump.
fn named_rule(g: usize, rule: &RuleState) -> Value {
    let digits: u64 = rule.key(g).bytes().fold(7, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)));
    let (from, to) = rule.ports.map_or((-1, -1), |(a, b)| (i64::from(a), i64::from(b)));
    let mut value = json!({"SecurityGroupRuleId": format!("sgr-{digits:016x}"), "GroupId": group_id(g),
        "IsEgress": rule.egress, "IpProtocol": "tcp", "FromPort": from, "ToPort": to});
    match rule.peer {
        n @ (0 | 1) => value["CidrIpv4"] = json!(["10.0.1.0/24", "0.0.0.0/0"][n]),
        2 => value["PrefixListId"] = json!("pl-00000000"),
        n => value["ReferencedGroupInfo"] = json!({"GroupId": group_id(n - 3), "UserId": "111122223333"}),
    }
    value
}
