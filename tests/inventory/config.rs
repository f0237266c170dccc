//! AWS Config: history and snapshot files, and get-resource-config-history.

use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{HistoryReport, RulePeer, State, check, looks_like_inventory};
use serde_json::{Value, json};

use super::World;

/// 2026-03-01T00:00:00Z.
const MARCH: i64 = 1_772_323_200;

fn item(kind: &str, id: &str, minute: i64, configuration: Value) -> Value {
    let time = chrono::DateTime::from_timestamp(MARCH + minute * 60, 0).unwrap();
    json!({"configurationItemVersion": "1.0", "configurationItemCaptureTime": time.to_rfc3339(),
        "configurationStateId": minute, "awsAccountId": "111122223333", "awsRegion": "eu-west-1",
        "configurationItemStatus": "OK", "resourceType": format!("AWS::EC2::{kind}"), "resourceId": id,
        "relatedEvents": [], "relationships": [], "tags": {}, "configuration": configuration})
}

fn ssh_group(cidr: &str) -> Value {
    json!({"description": "d", "groupName": "web", "groupId": "sg-1", "ownerId": "111122223333", "vpcId": "vpc-1",
        "tags": [{"key": "team", "value": "web"}],
        "ipPermissions": [{"fromPort": 22, "ipProtocol": "tcp", "toPort": 22,
            "ipv4Ranges": [{"cidrIp": cidr, "description": "office"}], "ipRanges": [cidr],
            "ipv6Ranges": [{"cidrIpv6": "::/0"}], "prefixListIds": [], "userIdGroupPairs": []}],
        "ipPermissionsEgress": [{"ipProtocol": "-1", "ipv4Ranges": [{"cidrIp": "0.0.0.0/0"}],
            "ipRanges": ["0.0.0.0/0"], "ipv6Ranges": [], "prefixListIds": [], "userIdGroupPairs": []}]})
}

fn file(items: Vec<Value>) -> Value {
    json!({"fileVersion": "1.0", "configSnapshotId": "x", "configurationItems": items})
}

fn changed(mut item: Value, key: &str, value: Value) -> Value {
    item[key] = value;
    item
}

const HISTORY: &str = "AWSLogs/111122223333/Config/eu-west-1/2026/3/1/ConfigHistory/\
                       111122223333_Config_eu-west-1_ConfigHistory_x_20260301T000000Z_20260301T060000Z_1.json";
const SNAPSHOT: &str = "AWSLogs/111122223333/Config/eu-west-1/2026/3/2/ConfigSnapshot/x.json";

/// Times (minutes since March) of a group's versions with how many rules each has; `None` for gone or unknown.
fn group_versions(world: &World, id: &str) -> Vec<(i64, Option<usize>)> {
    let loaded = world.load();
    let track = &loaded.timeline.history().security_groups[id];
    let version = |v: &flowgate::inventory::Version<flowgate::inventory::SecurityGroup>| {
        let rules = if let State::Present(group) = &v.state { Some(group.rules.len()) } else { None };
        ((v.from - MARCH) / 60, rules)
    };
    track.versions().iter().map(version).collect()
}

fn report(world: &World) -> HistoryReport {
    world.load().report.history
}

#[test]
fn a_history_file_becomes_versions_and_no_observation() {
    let world = World::new().with(
        HISTORY,
        file(vec![
            item("SecurityGroup", "sg-1", 0, ssh_group("203.0.113.0/24")),
            changed(
                item("SecurityGroup", "sg-1", 90, json!({})),
                "configurationItemStatus",
                json!("ResourceDeleted"),
            ),
        ]),
    );
    let loaded = world.load();
    assert!(loaded.timeline.observations().is_empty(), "the path of a file is not its date");
    let track = &loaded.timeline.history().security_groups["sg-1"];
    assert_eq!(track.versions()[1].state, State::Gone);
    assert_eq!(track.versions()[1].from, MARCH + 90 * 60);
    let group = track.configurations().next().unwrap();
    assert_eq!((group.name.as_str(), group.region.as_deref()), ("web", Some("eu-west-1")));
    assert_eq!(group.tags["team"], "web");
    // The strings repeat the objects: three rules, not five.
    let texts: Vec<String> =
        group.rules.iter().map(|r| format!("{} {}", r.port_text(), r.peer_text(None))).collect();
    assert_eq!(group.rules.len(), 3, "{texts:?}");
    let ssh =
        group.rules.iter().find(|r| r.peer == RulePeer::Cidr("203.0.113.0/24".parse().unwrap())).unwrap();
    assert_eq!(
        (ssh.direction, ssh.protocol, ssh.ports),
        (Direction::Inbound, Some(Protocol::TCP), Some((22, 22)))
    );
    assert_eq!(ssh.description.as_deref(), Some("office"));
    assert!(ssh.synthetic && ssh.id == ssh.synthetic_id());
    assert!(loaded.timeline.latest().unwrap().is_empty(), "it was deleted");
}

#[test]
fn legacy_strings_alone_are_read_and_those_that_differ_are_kept() {
    let mut only = ssh_group("203.0.113.0/24");
    only["ipPermissions"][0].as_object_mut().unwrap().remove("ipv4Ranges");
    let mut more = ssh_group("203.0.113.0/24");
    more["ipPermissions"][0]["ipRanges"] = json!(["203.0.113.0/24", "198.51.100.0/24"]);
    let world =
        World::of(file(vec![item("SecurityGroup", "sg-1", 0, only), item("SecurityGroup", "sg-1", 1, more)]));
    assert_eq!(group_versions(&world, "sg-1"), [(0, Some(3)), (1, Some(4))]);
}

#[test]
fn the_api_says_the_same_in_its_own_spelling() {
    let api = |minute: i64, cidr: &str| {
        json!({"version": "1.3", "accountId": "111122223333", "configurationItemCaptureTime": MARCH * 60 / 60 + minute * 60,
            "configurationItemStatus": "OK", "configurationStateId": (MARCH + minute).to_string(),
            "resourceType": "AWS::EC2::SecurityGroup", "resourceId": "sg-1", "awsRegion": "eu-west-1",
            "configuration": ssh_group(cidr).to_string(), "supplementaryConfiguration": {}})
    };
    let world = World::of(json!({"configurationItems": [api(10, "203.0.113.0/24"), api(5, "0.0.0.0/0")],
        "nextToken": "more"}));
    assert_eq!(group_versions(&world, "sg-1"), [(5, Some(3)), (10, Some(3))]);
    assert!(report(&world).truncated.contains("sg-1"), "the older ones were not fetched");
    // The last page is there.
    let world = world.with("page-2.json", json!({"configurationItems": [api(1, "0.0.0.0/0")]}));
    assert!(report(&world).truncated.is_empty());
    // `--query configurationItems`, and one a line.
    let lines = format!("{}\n{}\n", api(10, "203.0.113.0/24"), api(5, "0.0.0.0/0"));
    assert_eq!(group_versions(&World::new().with("items.jsonl", lines), "sg-1").len(), 2);
    assert_eq!(group_versions(&World::of(json!([api(10, "203.0.113.0/24")])), "sg-1").len(), 1);
}

#[test]
fn repeated_items_count_once_in_whatever_order_they_come() {
    let a = item("SecurityGroup", "sg-1", 0, ssh_group("203.0.113.0/24"));
    let b = item("SecurityGroup", "sg-1", 60, ssh_group("0.0.0.0/0"));
    let same = item("SecurityGroup", "sg-1", 120, ssh_group("0.0.0.0/0"));
    let snapshot = changed(b.clone(), "configurationStateID", b["configurationStateId"].clone());
    let world = World::new()
        .with(HISTORY, file(vec![same, b.clone(), a.clone()]))
        .with(SNAPSHOT, file(vec![snapshot, a]));
    let loaded = world.load();
    let track = &loaded.timeline.history().security_groups["sg-1"];
    assert_eq!(track.versions().len(), 2, "an item that changes nothing begins no version");
    assert_eq!(track.versions()[1].confirmed, MARCH + 120 * 60);
    let report = &loaded.report.history;
    assert_eq!((report.files, report.items, report.repeated), (2, 5, 2));
    assert!(report.conflicts.is_empty());

    let world = World::new()
        .with("a.json", file(vec![b.clone()]))
        .with("b.json", file(vec![changed(b, "configuration", ssh_group("10.0.0.0/8"))]));
    assert_eq!(world.load().report.history.conflicts.len(), 1);
}

#[test]
fn of_two_items_of_a_second_the_later_state_holds() {
    let first = item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0"));
    let second = changed(first.clone(), "configurationStateId", json!("1"));
    let mut bare = ssh_group("0.0.0.0/0");
    bare["ipPermissions"] = json!([]);
    let world = World::of(file(vec![changed(second, "configuration", bare), first]));
    assert_eq!(group_versions(&world, "sg-1"), [(0, Some(1))]);
}

#[test]
fn recording_that_stops_is_no_deletion() {
    for (status, configuration) in [
        ("ResourceNotRecorded", Value::Null),
        ("ResourceDeletedNotRecorded", Value::Null),
        ("OK", Value::Null),
        ("OK", json!("")),
        ("OK", json!("null")),
        ("OK", json!({})),
    ] {
        let last = changed(
            item("SecurityGroup", "sg-1", 60, configuration),
            "configurationItemStatus",
            json!(status),
        );
        let world = World::of(file(vec![item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0")), last]));
        let loaded = world.load();
        let versions = loaded.timeline.history().security_groups["sg-1"].versions();
        assert_eq!(versions[1].state, State::Unrecorded, "{status}");
        assert_eq!(loaded.timeline.latest().unwrap().security_groups["sg-1"].rules.len(), 3, "{status}");
        let code = if status == "OK" { "config-no-configuration" } else { "config-recording-stopped" };
        let gaps = check(&loaded).gaps;
        let gap = gaps.iter().find(|g| g.code == code).unwrap_or_else(|| panic!("{status}: {gaps:?}"));
        assert_eq!(gap.subjects, ["sg-1"]);
    }
}

#[test]
fn every_type_that_matters_is_read_and_others_are_counted() {
    let world = World::of(file(vec![
        item(
            "NetworkInterface",
            "eni-1",
            0,
            json!({"networkInterfaceId": "eni-1", "subnetId": "subnet-1",
            "vpcId": "vpc-1", "availabilityZone": "eu-west-1a", "groups": [{"groupId": "sg-1", "groupName": "web"}],
            "attachment": {"instanceId": "i-1"}, "privateIpAddress": "10.0.0.5", "requesterManaged": false,
            "interfaceType": "interface", "tagSet": [{"key": "Name", "value": "web-1"}],
            "privateIpAddresses": [{"privateIpAddress": "10.0.0.5", "primary": true,
                "association": {"publicIp": "203.0.113.5"}}, {"privateIpAddress": "10.0.0.6", "primary": false}]}),
        ),
        item(
            "NetworkAcl",
            "acl-1",
            0,
            json!({"networkAclId": "acl-1", "vpcId": "vpc-1", "isDefault": true,
            "associations": [{"subnetId": "subnet-1", "networkAclId": "acl-1"}],
            "entries": [{"cidrBlock": "0.0.0.0/0", "egress": false, "protocol": "6", "ruleAction": "allow",
                "ruleNumber": 100, "portRange": {"from": 22, "to": 22}}]}),
        ),
        item(
            "Subnet",
            "subnet-1",
            0,
            json!({"subnetId": "subnet-1", "vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24",
            "ipv6CidrBlockAssociationSet": [{"ipv6CidrBlock": "2001:db8::/64",
                "ipv6CidrBlockState": {"state": "associated"}}]}),
        ),
        item("VPC", "vpc-1", 0, json!({"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/16"})),
        item(
            "PrefixList",
            "pl-00000001",
            0,
            json!({"prefixListId": "pl-00000001", "prefixListName": "office",
            "addressFamily": "IPv4", "maxEntries": 10, "entries": [{"cidr": "203.0.113.0/24"}]}),
        ),
        item(
            "VPCPeeringConnection",
            "pcx-1",
            0,
            json!({"vpcPeeringConnectionId": "pcx-1",
            "status": {"code": "active"}, "requesterVpcInfo": {"vpcId": "vpc-1"}, "accepterVpcInfo": {"vpcId": "vpc-2"}}),
        ),
        item(
            "FlowLog",
            "fl-1",
            0,
            json!({"Id": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL",
            "MaxAggregationInterval": 60}),
        ),
        item("Instance", "i-1", 0, json!({"anything": [1, 2]})),
        changed(item("x", "b", 0, json!("no JSON {")), "resourceType", json!("AWS::S3::Bucket")),
    ]));
    let loaded = world.load();
    let latest = loaded.timeline.latest().unwrap();
    let eni = &latest.interfaces["eni-1"];
    assert_eq!(eni.groups, ["sg-1"]);
    assert_eq!(eni.addresses.len(), 2);
    assert_eq!((eni.instance.as_deref(), eni.region.as_deref()), (Some("i-1"), Some("eu-west-1")));
    assert_eq!(eni.public_addresses.len(), 1);
    assert_eq!(eni.tags["Name"], "web-1");
    let acl = &latest.network_acls["acl-1"];
    assert_eq!(
        (acl.subnets.len(), acl.entries[0].ports, acl.account.as_deref()),
        (1, Some((22, 22)), Some("111122223333"))
    );
    assert_eq!(latest.subnets["subnet-1"].cidrs.len(), 2);
    assert_eq!(latest.vpcs["vpc-1"].cidrs.len(), 1);
    assert_eq!(latest.prefix_lists["pl-00000001"].entries.as_ref().unwrap().len(), 1);
    assert_eq!(latest.peerings["pcx-1"].status, "active");
    assert_eq!(latest.flow_logs["fl-1"].traffic_type.as_deref(), Some("ALL"));
    let passed = &loaded.report.history.passed_over;
    assert_eq!(
        passed.iter().map(|(k, n)| (k.as_str(), *n)).collect::<Vec<_>>(),
        [("AWS::EC2::Instance", 1), ("AWS::S3::Bucket", 1)]
    );
    let summary = check(&loaded).history.unwrap();
    assert_eq!((summary.items, summary.kinds.values().map(|(n, _)| n).sum::<usize>()), (7, 7));
}

#[test]
fn rules_take_the_ids_that_dumps_have_for_them() {
    let dump = json!({"SecurityGroupRules": [{"SecurityGroupRuleId": "sgr-0a", "GroupId": "sg-1", "IsEgress": false,
        "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "203.0.113.0/24"}]});
    let world = World::new()
        .with("h.json", file(vec![item("SecurityGroup", "sg-1", 0, ssh_group("203.0.113.0/24"))]))
        .with("now/rules.json", dump);
    let loaded = world.load();
    let group = loaded.timeline.history().security_groups["sg-1"].configurations().next().unwrap();
    let named: Vec<&str> = group.rules.iter().filter(|r| !r.synthetic).map(|r| r.id.as_str()).collect();
    assert_eq!(named, ["sgr-0a"]);
    assert_eq!(group.rules.len(), 3);
}

#[test]
fn daily_recording_is_a_gap() {
    let daily = changed(
        item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0")),
        "recordingFrequency",
        json!("DAILY"),
    );
    let loaded = World::of(file(vec![daily])).load();
    assert!(loaded.timeline.history().security_groups["sg-1"].versions()[0].daily);
    assert!(check(&loaded).gaps.iter().any(|g| g.code == "config-daily-recording" && g.subjects == ["sg-1"]));
}

/// Config for groups and interfaces, a dump for the rest: together nothing of these kinds is missing.
#[test]
fn dumps_and_history_complete_each_other() {
    let eni = json!({"networkInterfaceId": "eni-1", "subnetId": "subnet-1", "privateIpAddress": "10.0.0.5",
        "groups": [{"groupId": "sg-1"}]});
    let world = World::new()
        .with("h.json", file(vec![
            item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0")),
            item("NetworkInterface", "eni-1", 0, eni),
        ]))
        .with("now/rest.json", json!({"NetworkAcls": [], "FlowLogs": [],
            "Subnets": [{"SubnetId": "subnet-1", "CidrBlock": "10.0.0.0/24"}], "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}]}));
    let codes: Vec<&str> = check(&world.load()).gaps.iter().map(|g| g.code).collect();
    assert_eq!(codes, ["no-rule-ids"]);
}

#[test]
fn items_are_recognised_by_a_look_at_their_beginning() {
    let whole = file(vec![item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0"))]).to_string();
    for end in [whole.len(), 200, 130] {
        assert!(looks_like_inventory(&whole.as_bytes()[..end]), "{end}");
    }
    assert!(looks_like_inventory(br#"{"fileVersion":"1.0","configurationItems":[]}"#));
    let one = item("SecurityGroup", "sg-1", 0, json!({})).to_string();
    assert!(looks_like_inventory(one.as_bytes()));
    for other in [
        r#"{"configurationItems": {"a": 1}}"#,
        r#"{"configurationItems": [{"message": "2 1234 eni-1"}]}"#,
        r#"{"message": "configurationItems"}"#,
    ] {
        assert!(!looks_like_inventory(other.as_bytes()), "{other}");
    }
}

/// An empty history file is no error, and no skipped file either.
#[test]
fn files_without_items_say_nothing() {
    for body in [
        json!({"fileVersion": "1.0", "configurationItems": []}),
        file(vec![item("Volume", "vol-1", 0, json!({}))]),
    ] {
        let loaded = World::of(body).load();
        assert!(loaded.timeline.is_empty() && loaded.report.skipped.is_empty());
        assert_eq!(loaded.report.history.files, 1);
        assert!(check(&loaded).gaps.iter().any(|g| g.code == "empty"));
    }
}

#[test]
fn what_is_wrong_with_an_item_is_said_with_its_place() {
    let good = item("SecurityGroup", "sg-1", 0, ssh_group("0.0.0.0/0"));
    let mut port = good.clone();
    port["configuration"]["ipPermissions"][0]["fromPort"] = json!(70_000);
    let nested = "[".repeat(5_000);
    for (bad, expected) in [
        (port, "configurationItems[1].configuration.IpPermissions[0].FromPort: expected a port"),
        (
            changed(good.clone(), "configuration", json!("{\"groupId\":")),
            "configurationItems[1].configuration: expected a JSON object",
        ),
        (
            changed(good.clone(), "configuration", json!(nested)),
            "configurationItems[1].configuration: expected a JSON object",
        ),
        (
            changed(good.clone(), "configuration", json!([1])),
            "configurationItems[1].configuration: expected a JSON object",
        ),
        (
            changed(good.clone(), "configurationItemCaptureTime", json!("yesterday")),
            "configurationItems[1].configurationItemCaptureTime: expected a time",
        ),
        (
            changed(good.clone(), "configurationItemCaptureTime", Value::Null),
            "configurationItems[1].configurationItemCaptureTime: expected a time",
        ),
        (changed(good.clone(), "resourceType", json!(7.5)), "h.json"),
        (json!("item"), "configurationItems[1]"),
        (
            changed(changed(good.clone(), "configuration", Value::Null), "resourceId", Value::Null),
            "configurationItems[1].resourceId: expected a string",
        ),
    ] {
        let world = World::new().with("h.json", file(vec![good.clone(), bad]));
        match world.try_load() {
            Err(_) => {
                let failure = world.failure();
                assert!(failure.contains(expected), "{failure}\n{expected}");
            }
            Ok(loaded) => assert_eq!(loaded.report.history.passed_over.len(), 1, "{expected}"),
        }
    }
}
