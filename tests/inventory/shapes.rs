//! Every oddity of shape, one test each.

use std::io::Write as _;
use std::net::IpAddr;

use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{
    Inventory, Kind, NetworkInterface, Rule, RulePeer, SkipReason, looks_like_inventory,
};
use ipnet::IpNet;
use serde_json::{Value, json};

use super::World;

fn group(permissions: Value) -> Value {
    json!({"SecurityGroups": [{"GroupId": "sg-1", "GroupName": "web", "VpcId": "vpc-1",
        "OwnerId": "111122223333", "IpPermissions": permissions}]})
}

fn latest(content: impl ToString) -> Inventory {
    World::of(content).load().timeline.latest().unwrap().clone()
}

fn rules(permissions: Value) -> Vec<Rule> {
    latest(group(permissions)).security_groups["sg-1"].rules.clone()
}

fn texts(permissions: Value) -> Vec<String> {
    let mut texts: Vec<String> = rules(permissions)
        .iter()
        .map(|rule| {
            let peer = rule.peer_text(Some("111122223333"));
            format!("{} {} {peer}", rule.protocol_text(), rule.port_text())
        })
        .collect();
    texts.sort();
    texts
}

fn interface(members: Value) -> NetworkInterface {
    let mut eni = json!({"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "10.0.0.5"});
    eni.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    latest(json!({"NetworkInterfaces": [eni]})).interfaces["eni-1"].clone()
}

#[test]
fn a_permission_becomes_one_rule_a_source() {
    let permission = json!([{
        "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "office"}, {"CidrIp": "192.0.2.1/32"}],
        "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}],
        "PrefixListIds": [{"PrefixListId": "pl-63a5400a"}],
        "UserIdGroupPairs": [
            {"GroupId": "sg-2", "UserId": "111122223333"},
            {"GroupId": "sg-3", "UserId": "444455556666", "VpcPeeringConnectionId": "pcx-1", "PeeringStatus": "deleted"},
            {"GroupId": "sg-4"}
        ]
    }]);
    assert_eq!(
        texts(permission.clone()),
        [
            "tcp 443 10.0.0.0/8",
            "tcp 443 192.0.2.1/32",
            "tcp 443 2001:db8::/32",
            "tcp 443 444455556666/sg-3",
            "tcp 443 pl-63a5400a",
            "tcp 443 sg-2",
            "tcp 443 sg-4",
        ]
    );
    let rules = rules(permission);
    let described: Vec<_> = rules.iter().filter_map(|rule| rule.description.as_deref()).collect();
    assert_eq!(described, ["office"]);
    let peered = RulePeer::Group {
        id: "sg-3".into(),
        account: Some("444455556666".into()),
        peering: Some("pcx-1".into()),
        status: Some("deleted".into()),
    };
    assert!(rules.iter().any(|rule| rule.peer == peered));
    assert!(rules.iter().all(|rule| rule.synthetic && rule.direction == Direction::Inbound));
}

#[test]
fn protocols_by_name_and_number_and_what_their_ports_mean() {
    for (protocol, from, to, expected) in [
        (json!("tcp"), json!(80), json!(80), "tcp 80"),
        (json!("6"), json!(80), json!(90), "tcp 80-90"),
        (json!("TCP"), json!(-1), json!(-1), "tcp all"),
        (json!("tcp"), Value::Null, Value::Null, "tcp all"),
        (json!("tcp"), json!(0), json!(65535), "tcp 0-65535"),
        (json!(17), json!("53"), json!("53"), "udp 53"),
        (json!("udp"), json!(53.0), json!(53.0), "udp 53"),
        (json!("-1"), json!(-1), json!(-1), "all all"),
        (json!(-1), Value::Null, Value::Null, "all all"),
        (json!("-1"), json!(22), json!(22), "all all"),
        (json!("50"), json!(22), json!(22), "50 all"),
        (json!("47"), Value::Null, Value::Null, "47 all"),
        (json!("icmp"), json!(8), json!(-1), "icmp type 8"),
        (json!("1"), json!(3), json!(4), "icmp type 3 code 4"),
        // Any type forces any code.
        (json!("icmp"), json!(-1), json!(4), "icmp all"),
        (json!("icmpv6"), Value::Null, Value::Null, "icmpv6 all"),
        (json!("58"), json!(128), json!(0), "icmpv6 type 128 code 0"),
    ] {
        let permission = json!([{"IpProtocol": protocol, "FromPort": from, "ToPort": to,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
        assert_eq!(texts(permission), [format!("{expected} 0.0.0.0/0")], "{protocol} {from} {to}");
    }
    let icmp = rules(json!([{"IpProtocol": "icmp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]));
    assert_eq!((icmp[0].icmp, icmp[0].ports), (Some((-1, -1)), None));
}

#[test]
fn cidrs_become_canonical_and_rules_unique() {
    let permission = json!([
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [
            {"CidrIp": "100.68.0.18/18"}, {"CidrIp": "100.68.0.0/18", "Description": "again"}, {"CidrIp": "192.0.2.7"}]},
        {"IpProtocol": "17", "FromPort": 53, "ToPort": 53, "IpRanges": ["100.68.0.0/18"],
            "Ipv6Ranges": [{"CidrIpv6": "2001:DB8::1/32"}]},
    ]);
    assert_eq!(texts(permission), ["udp 53 100.68.0.0/18", "udp 53 192.0.2.7/32", "udp 53 2001:db8::/32"]);
}

#[test]
fn null_empty_and_absent_are_the_same() {
    let permission = json!([{"IpProtocol": "-1", "FromPort": null, "ToPort": null, "IpRanges": null,
        "UserIdGroupPairs": [{"GroupId": "sg-1", "UserId": "", "PeeringStatus": null, "VpcPeeringConnectionId": ""}]}]);
    let found = rules(permission);
    let RulePeer::Group { account, peering, status, .. } = &found[0].peer else { panic!("{found:?}") };
    assert_eq!((account, peering, status), (&None, &None, &None));

    let sparse =
        latest(json!({"SecurityGroups": [{"GroupId": "sg-1", "Tags": null, "VpcId": ""}], "Subnets": null}));
    assert_eq!(sparse.security_groups["sg-1"].vpc, None);
    let eni =
        interface(json!({"Groups": null, "Association": {"PublicIp": ""}, "Ipv6Address": "", "TagSet": []}));
    assert!(eni.groups.is_empty() && eni.public_addresses.is_empty());
    assert_eq!(eni.kind, "interface");
}

#[test]
fn interfaces_with_everything() {
    let eni = interface(json!({
        "VpcId": "vpc-1", "SubnetId": "subnet-1", "AvailabilityZone": "us-west-2-lax-1a", "OwnerId": 12345678901_i64,
        "InterfaceType": "nat_gateway", "RequesterManaged": true, "Description": "Interface for NAT Gateway nat-1",
        "Groups": [{"GroupId": "sg-2"}, {"GroupId": "sg-1"}, {"GroupId": "sg-2"}],
        "PrivateIpAddresses": [
            {"PrivateIpAddress": "10.0.0.9", "Primary": false, "Association": {"PublicIp": "203.0.113.9", "CarrierIp": "203.0.113.8"}},
            {"PrivateIpAddress": "10.0.0.5", "Primary": true, "Association": {"PublicIp": "203.0.113.5"}}
        ],
        "Association": {"PublicIp": "203.0.113.5"},
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::5"}], "Ipv6Address": "2001:db8::5",
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}], "Ipv6Prefixes": [{"Ipv6Prefix": "2001:db8:1::/80"}],
        "Attachment": {"InstanceId": "i-1", "AttachTime": {"__class__": "datetime", "year": 2020}},
        "ConnectionTrackingConfiguration": {"TcpEstablishedTimeout": 3600, "UdpTimeout": "40"},
        "TagSet": [{"Key": "Name", "Value": "x"}]
    }));
    assert_eq!(eni.addresses, ["10.0.0.5", "10.0.0.9", "2001:db8::5"].map(|a| a.parse::<IpAddr>().unwrap()));
    assert_eq!(
        eni.public_addresses,
        ["203.0.113.5", "203.0.113.8", "203.0.113.9"].map(|a| a.parse::<IpAddr>().unwrap())
    );
    assert_eq!(eni.prefixes, ["10.0.1.16/28", "2001:db8:1::/80"].map(|p| p.parse::<IpNet>().unwrap()));
    assert_eq!(eni.groups, ["sg-1", "sg-2"]);
    assert_eq!(eni.region.as_deref(), Some("us-west-2"));
    // A number lost its leading zero.
    assert_eq!(eni.account.as_deref(), Some("012345678901"));
    assert_eq!((eni.kind.as_str(), eni.requester_managed), ("nat_gateway", true));
    assert_eq!(eni.instance.as_deref(), Some("i-1"));
    assert_eq!(
        (eni.tracking.tcp_established, eni.tracking.udp_stream, eni.tracking.udp),
        (Some(3600), None, Some(40))
    );
    assert_eq!(eni.tags["Name"], "x");
}

#[test]
fn tags_under_either_name_or_as_a_map() {
    for tags in [
        json!({"Tags": [{"Key": "Name", "Value": "x"}]}),
        json!({"TagSet": [{"Key": "Name", "Value": "x"}]}),
        json!({"Tags": {"Name": "x"}}),
    ] {
        assert_eq!(interface(tags.clone()).tags.get("Name").map(String::as_str), Some("x"), "{tags}");
    }
}

#[test]
fn network_acl_entries() {
    let entry = |number: u32, egress: bool, protocol: &str, cidr: &str, more: Value| {
        let block = if cidr.contains(':') { "Ipv6CidrBlock" } else { "CidrBlock" };
        let mut entry = json!({"RuleNumber": number, "Egress": egress, "Protocol": protocol,
            "RuleAction": if number > 32766 { "deny" } else { "allow" }, block: cidr});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let range = json!({"PortRange": {"From": 1024, "To": 65535}, "IcmpTypeCode": {"Type": 3, "Code": 4}});
    let acl = json!({"NetworkAcls": [{"NetworkAclId": "acl-1", "IsDefault": false,
    "Associations": [{"SubnetId": "subnet-2"}, {"SubnetId": "subnet-1"}],
    "Entries": [
        entry(32767, true, "-1", "0.0.0.0/0", json!({})),
        entry(32768, false, "-1", "::/0", json!({"PortRange": null, "IcmpTypeCode": null})),
        entry(32767, false, "-1", "0.0.0.0/0", json!({})),
        entry(200, false, "1", "0.0.0.0/0", range.clone()),
        entry(110, false, "58", "0.0.0.0/0", range.clone()),
        entry(120, false, "58", "::/0", range.clone()),
        entry(100, false, "6", "10.0.0.1/8", range.clone()),
        entry(130, false, "47", "0.0.0.0/0", range),
    ]}]});
    let acl = latest(acl).network_acls["acl-1"].clone();
    assert_eq!(acl.subnets, ["subnet-1", "subnet-2"]);
    type Row = (u32, Direction, Option<Protocol>, bool, String, Option<(u16, u16)>, Option<(i16, i16)>);
    let rows: Vec<Row> = acl
        .entries
        .iter()
        .map(|e| (e.number, e.direction, e.protocol, e.allow, e.cidr.to_string(), e.ports, e.icmp))
        .collect();
    let v4 = || "0.0.0.0/0".to_owned();
    let v6 = || "::/0".to_owned();
    let (inbound, outbound) = (Direction::Inbound, Direction::Outbound);
    assert_eq!(
        rows,
        [
            (100, inbound, Some(Protocol::TCP), true, "10.0.0.0/8".to_owned(), Some((1024, 65535)), None),
            (110, inbound, Some(Protocol::ICMPV6), true, v4(), None, Some((-1, -1))),
            (130, inbound, Some(Protocol(47)), true, v4(), None, None),
            (200, inbound, Some(Protocol::ICMP), true, v4(), None, Some((3, 4))),
            (32767, inbound, None, false, v4(), None, None),
            (120, inbound, Some(Protocol::ICMPV6), true, v6(), None, Some((3, 4))),
            (32768, inbound, None, false, v6(), None, None),
            (32767, outbound, None, false, v4(), None, None),
        ]
    );
}

#[test]
fn only_associated_blocks_count() {
    let state = |state: &str| json!({"State": state});
    let inventory = latest(json!({
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16", "CidrBlockAssociationSet": [
            {"CidrBlock": "10.0.0.0/16", "CidrBlockState": state("associated")},
            {"CidrBlock": "10.1.0.0/16", "CidrBlockState": state("disassociated")},
            {"CidrBlock": "10.2.0.0/16", "CidrBlockState": state("associated")}],
            "Ipv6CidrBlockAssociationSet": [{"Ipv6CidrBlock": "2001:db8::/56", "Ipv6CidrBlockState": state("associated")}]}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.1.0/24", "SubnetArn":
            "arn:aws:ec2:eu-west-1:111122223333:subnet/subnet-1", "Ipv6CidrBlockAssociationSet": [
            {"Ipv6CidrBlock": "2001:db8:0:1::/64", "Ipv6CidrBlockState": state("associating")}]}]
    }));
    let cidrs = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(cidrs(&inventory.vpcs["vpc-1"].cidrs), ["10.0.0.0/16", "10.2.0.0/16", "2001:db8::/56"]);
    assert_eq!(cidrs(&inventory.subnets["subnet-1"].cidrs), ["10.0.1.0/24"]);
    assert_eq!(inventory.subnets["subnet-1"].region.as_deref(), Some("eu-west-1"));
}

#[test]
fn times_of_flow_logs_in_all_spellings() {
    for time in [
        json!("2021-02-04T17:20:00.424Z"),
        json!("2021-02-04T18:20:00+01:00"),
        json!(1_612_459_200.424),
        json!({"__class__": "datetime", "year": 2021, "month": 2, "day": 4, "hour": 17, "minute": 20, "second": 0,
            "microsecond": 424000}),
    ] {
        let inventory =
            latest(json!({"FlowLogs": [{"FlowLogId": "fl-1", "ResourceId": "vpc-1", "CreationTime": time}]}));
        assert_eq!(inventory.flow_logs["fl-1"].created_at, Some(1_612_459_200), "{time}");
    }
}

#[test]
fn envelopes_streams_and_bare_lists_say_the_same() {
    let groups = json!([{"GroupId": "sg-1", "IpPermissions": []}, {"GroupId": "sg-2", "IpPermissions": []}]);
    let one = |i: usize| groups[i].clone();
    for content in [
        json!({"SecurityGroups": groups}).to_string(),
        json!({"security_groups": groups, "collector_version": "1"}).to_string(),
        json!({"status_code": 200, "data": {"SecurityGroups": groups, "ResponseMetadata": {}}}).to_string(),
        groups.to_string(),
        json!([{"SecurityGroups": [one(0)]}, {"SecurityGroups": [one(1)]}]).to_string(),
        // Pages one after the other, on one line or many.
        format!(
            "{}{}",
            json!({"SecurityGroups": [one(0)], "NextToken": "x"}),
            json!({"SecurityGroups": [one(1)]})
        ),
        format!("{}\n{}\n", one(0), one(1)),
        format!("\u{feff}{}", json!({"SecurityGroups": groups})),
    ] {
        let world = World::of(&content);
        let loaded = world.load();
        let ids: Vec<_> = loaded.timeline.latest().unwrap().security_groups.keys().cloned().collect();
        assert_eq!(ids, ["sg-1", "sg-2"], "{content}");
        assert_eq!(loaded.report.observations[0].truncated, [], "{content}");
        assert!(looks_like_inventory(content.as_bytes()), "{content}");
    }
}

#[test]
fn compressed_and_utf_16_files() {
    let text = group(json!([])).to_string();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    for (name, bytes) in [("a.json.gz", gzip), ("a.json", utf16)] {
        assert!(looks_like_inventory(&bytes), "{name}");
        let loaded = World::new().bytes(name, &bytes).load();
        assert_eq!(loaded.timeline.latest().unwrap().security_groups.len(), 1, "{name}");
    }
}

#[test]
fn lists_and_objects_whose_name_was_lost() {
    let inventory = latest(json!([
        {"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1"},
        {"SubnetId": "subnet-1", "CidrBlock": "10.0.0.0/24", "VpcId": "vpc-1"},
        {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"},
        {"NetworkAclId": "acl-1", "Entries": [], "VpcId": "vpc-1"},
        {"FlowLogId": "fl-1", "ResourceId": "vpc-1"},
        {"VpcPeeringConnectionId": "pcx-1", "Status": {"Code": "active"}, "RequesterVpcInfo": {"VpcId": "vpc-1"}},
        {"PrefixListId": "pl-1", "PrefixListName": "x", "Cidrs": ["192.0.2.0/24"]},
        [[{"InstanceId": "i-1", "ImageId": "ami-1", "NetworkInterfaces": [{"NetworkInterfaceId": "eni-2"}],
           "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "x"}]}]],
    ]));
    assert_eq!(inventory.interfaces.keys().collect::<Vec<_>>(), ["eni-1", "eni-2"]);
    assert_eq!(inventory.interfaces["eni-2"].instance.as_deref(), Some("i-1"));
    // The groups of an instance are references, no descriptions.
    assert!(inventory.security_groups.is_empty());
    let others = [inventory.subnets.len(), inventory.vpcs.len(), inventory.network_acls.len()];
    assert_eq!(others, [1, 1, 1]);
    assert_eq!(
        [inventory.flow_logs.len(), inventory.peerings.len(), inventory.prefix_lists.len()],
        [1, 1, 1]
    );
}

#[test]
fn an_empty_list_says_that_there_are_none() {
    for content in [
        json!({"NetworkAcls": [], "Vpcs": [{"VpcId": "vpc-1"}]}),
        json!({"NetworkAcls": null, "Vpcs": [{"VpcId": "vpc-1"}]}),
        json!({"network_acls": null, "vpcs": [{"VpcId": "vpc-1"}]}),
        json!({"NetworkAcls": []}),
        json!({"NetworkAcls": null}),
    ] {
        assert!(looks_like_inventory(content.to_string().as_bytes()), "{content}");
        let report = World::of(&content).load().report;
        assert_eq!(report.observations[0].kinds[&Kind::NetworkAcls], 0, "{content}");
    }
}

#[test]
fn addresses_with_dashes_are_addresses() {
    assert_eq!(
        interface(json!({"PrivateIpAddress": "10-0-0-157"})).addresses,
        ["10.0.0.157".parse::<IpAddr>().unwrap()]
    );
}

#[test]
fn other_json_is_skipped_and_not_picked() {
    for (name, content) in [
        (
            "events",
            json!({"events": [{"message": "2 1 eni-1 {\"SecurityGroups\": []}", "timestamp": 1}], "searchedLogStreams": []}),
        ),
        ("elb", json!({"LoadBalancers": [{"SecurityGroups": ["sg-1"], "VpcId": "vpc-1", "CidrBlock": "x"}]})),
        ("bare elb", json!([{"LoadBalancerArn": "x", "SecurityGroups": ["sg-1"]}])),
        ("mount target", json!({"SecurityGroups": ["sg-1"]})),
        ("emr", json!({"Instances": [{"Id": "ci-1", "Ec2InstanceId": "i-1"}]})),
        ("terraform", json!({"resources": [{"instances": [{"attributes": {}}]}], "instances": 3})),
        ("entries of something else", json!({"Entries": [{"Key": 1}]})),
        ("no entries of anything", json!({"Entries": []})),
        ("attribute", json!({"NetworkInterfaceId": "eni-1", "Groups": [{"GroupId": "sg-1"}]})),
        ("permissions", json!({"NetworkInterfacePermissions": [{"NetworkInterfaceId": "eni-1"}]})),
        ("azure", json!({"subnets": [{"id": "x"}], "vpcs": null})),
        ("empty lists anybody may have", json!({"instances": [], "subnets": [], "Instances": []})),
        ("scalar", json!(3)),
        ("nothing", json!([])),
        ("failed call", json!({"status_code": 400, "data": {"Error": {"Code": "UnauthorizedOperation"}}})),
    ] {
        assert!(!looks_like_inventory(content.to_string().as_bytes()), "{name}");
        let loaded = World::of(&content).load();
        assert!(loaded.timeline.latest().is_none(), "{name}");
        let reason = if name == "failed call" { SkipReason::ErrorReply } else { SkipReason::OtherShape };
        assert_eq!(loaded.report.skipped[0].reason, reason, "{name}");
    }
}

#[test]
fn the_beginning_of_a_file_is_enough_to_pick_it() {
    let many: Vec<Value> =
        (0..200).map(|i| json!({"GroupId": format!("sg-{i}"), "IpPermissions": []})).collect();
    let whole = json!({"SecurityGroups": many}).to_string();
    assert!(looks_like_inventory(&whole.as_bytes()[..64]));
    let bare = serde_json::to_string(&many).unwrap();
    assert!(looks_like_inventory(&bare.as_bytes()[..64]));
    for log in [
        "version account-id interface-id srcaddr dstaddr\n2 123 eni-1 10.0.0.1 10.0.0.2",
        "{\"events\": [{\"message\": \"a {\\\"SecurityGroups\\\": [",
        "{\"eventType\": \"x\", \"requestParameters\": {\"SecurityGroups\": [{\"GroupId\": \"sg-1\"}]}}\n",
        "",
        "{",
        "\\",
        "}{]",
        "{\"SecurityGroups\"",
    ] {
        assert!(!looks_like_inventory(log.as_bytes()), "{log}");
    }
    // Wherever it is cut: once enough was seen, more does not change the answer.
    let answers: Vec<bool> = (0..400).map(|end| looks_like_inventory(&whole.as_bytes()[..end])).collect();
    assert!(answers.is_sorted() && answers[399], "{answers:?}");
}

/// Neither the stack nor the time grows with nesting: a file may be anything.
#[test]
fn nesting_costs_nothing() {
    for open in ["{\"SecurityGroups\":[{\"a\":1,", "[", "{\"data\":", "{\"Subnets\":[{\"Vpcs\":[{"] {
        assert!(!looks_like_inventory(open.repeat(100_000).as_bytes()), "{open}");
    }
    let failure = World::of("[".repeat(100_000)).failure();
    assert!(failure.contains("not JSON at line 1 column 128: recursion limit exceeded"), "{failure}");
}

proptest::proptest! {
    /// What the helper picks by its beginning, it also picks whole, and nothing makes it panic.
    #[test]
    fn any_text_is_safe_to_look_at(
        parts in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", "\"", ":", ",", "\\", " ", "null", "1", "\"SecurityGroups\":", "\"GroupId\":\"sg-1\",",
            "\"data\":", "\"Entries\":[", "\"Cidr\":\"10.0.0.0/8\"", "\u{feff}", "é",
        ]), 0..40),
        cut in 0..200_usize,
    ) {
        let text = parts.concat();
        let head = &text.as_bytes()[..cut.min(text.len())];
        // An entry of a prefix list must have no other members, which only the whole tells.
        if looks_like_inventory(head) && !text.contains("Cidr") {
            proptest::prop_assert!(looks_like_inventory(text.as_bytes()), "{text}");
        }
    }
}

#[test]
fn wrong_types_name_file_and_field() {
    let rule = |more: Value| {
        let mut rule = json!({"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "tcp",
            "FromPort": 1, "ToPort": 1, "CidrIpv4": "0.0.0.0/0"});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"SecurityGroupRules": [rule]})
    };
    let permission = |more: Value| {
        let mut permission = json!({"IpProtocol": "tcp", "FromPort": 1, "ToPort": 1});
        permission.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        group(json!([{"IpProtocol": "-1"}, permission]))
    };
    for (content, expected) in [
        (
            permission(json!({"FromPort": "http"})),
            "SecurityGroups[0].IpPermissions[1].FromPort: expected an integer, found \"http\"",
        ),
        (
            permission(json!({"FromPort": 70000})),
            "SecurityGroups[0].IpPermissions[1].FromPort: expected a port from 0 to 65535, or -1 for all, found the number 70000",
        ),
        (
            permission(json!({"FromPort": 2})),
            "SecurityGroups[0].IpPermissions[1].ToPort: expected a port that is not below the first of the range, found the number 1",
        ),
        (
            permission(json!({"FromPort": null})),
            "SecurityGroups[0].IpPermissions[1].FromPort: expected the first port of the range, found nothing",
        ),
        (
            permission(json!({"IpProtocol": "tpc"})),
            "SecurityGroups[0].IpPermissions[1].IpProtocol: expected a protocol: tcp, udp, icmp, icmpv6, a number from 0 to 255, or -1, found \"tpc\"",
        ),
        (
            permission(json!({"IpRanges": {}})),
            "SecurityGroups[0].IpPermissions[1].IpRanges: expected an array, found an object",
        ),
        (
            permission(json!({"IpRanges": [{"CidrIp": "10.0.0/8"}]})),
            "SecurityGroups[0].IpPermissions[1].IpRanges[0].CidrIp: expected a CIDR block, found \"10.0.0/8\"",
        ),
        (
            permission(json!({"UserIdGroupPairs": [{"UserId": "1"}]})),
            "SecurityGroups[0].IpPermissions[1].UserIdGroupPairs[0].GroupId: expected a string, found nothing",
        ),
        (
            rule(json!({"IsEgress": null})),
            "SecurityGroupRules[0].IsEgress: expected true or false, found nothing",
        ),
        (
            rule(json!({"CidrIpv4": null})),
            "SecurityGroupRules[0].CidrIpv4: expected one of CidrIpv4, CidrIpv6, PrefixListId, ReferencedGroupInfo, found nothing",
        ),
        (
            json!({"SecurityGroups": [{"GroupId": "sg-1"}, {"GroupName": "x"}]}),
            "SecurityGroups[1].GroupId: expected a string, found nothing",
        ),
        (
            json!({"SecurityGroups": [{"GroupId": "sg-1"}, "sg-2"]}),
            "SecurityGroups[1]: expected an object, found \"sg-2\"",
        ),
        (
            json!({"SecurityGroups": {"GroupId": "sg-1"}}),
            "SecurityGroups: expected an array, found an object",
        ),
        (
            json!({"status_code": 200, "data": {"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "PrivateIpAddress": "ten"}]}}),
            "data.NetworkInterfaces[0].PrivateIpAddress: expected an IP address, found \"ten\"",
        ),
        (
            json!({"NetworkAcls": [{"NetworkAclId": "acl-1", "Entries": [{"RuleNumber": 1, "Egress": true, "RuleAction": "permit"}]}]}),
            "NetworkAcls[0].Entries[0].RuleAction: expected allow or deny, found \"permit\"",
        ),
        (
            json!({"FlowLogs": [{"FlowLogId": "fl-1", "ResourceId": "vpc-1", "CreationTime": "yesterday"}]}),
            "FlowLogs[0].CreationTime: expected a time such as 2026-03-01T00:00:00Z, found \"yesterday\"",
        ),
        (
            json!([{"SubnetId": "subnet-1", "CidrBlock": true}]),
            "[0].CidrBlock: expected a string, found true",
        ),
    ] {
        let failure = World::of(&content).failure();
        assert_eq!(failure, format!("bad inventory file: inventory.json: {expected}"), "{content}");
    }
}
