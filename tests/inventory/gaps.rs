//! What is missing, and what it costs.

use flowgate::inventory::{CheckReport, Gap, GapSeverity, LoadOptions, SUBJECTS_SHOWN, check, load};
use serde_json::{Value, json};

use super::World;

/// An inventory without gaps, member by member.
fn complete() -> Value {
    json!({
        "SecurityGroups": [{"GroupId": "sg-1", "OwnerId": "111122223333", "VpcId": "vpc-1", "IpPermissions": [
            {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-1", "UserId": "111122223333"}],
             "PrefixListIds": [{"PrefixListId": "pl-1"}]}]}],
        "SecurityGroupRules": [
            {"SecurityGroupRuleId": "sgr-1", "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "-1",
             "ReferencedGroupInfo": {"GroupId": "sg-1"}},
            {"SecurityGroupRuleId": "sgr-2", "GroupId": "sg-1", "IsEgress": false, "IpProtocol": "-1", "PrefixListId": "pl-1"}],
        "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1", "VpcId": "vpc-1",
            "AvailabilityZone": "eu-west-1a", "OwnerId": "111122223333", "Groups": [{"GroupId": "sg-1"}],
            "PrivateIpAddress": "10.0.0.5"}],
        "NetworkAcls": [{"NetworkAclId": "acl-1", "Associations": [{"SubnetId": "subnet-1"}], "Entries": []}],
        "Subnets": [{"SubnetId": "subnet-1", "VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"}],
        "Vpcs": [{"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/16"}],
        "PrefixLists": [{"PrefixListId": "pl-1", "Cidrs": ["192.0.2.0/24"]}],
        "FlowLogs": [{"FlowLogId": "fl-1", "ResourceId": "vpc-1", "TrafficType": "ALL", "DeliverLogsStatus": "SUCCESS"}],
    })
}

fn report(content: &Value) -> CheckReport {
    check(&World::of(content).load())
}

fn codes(report: &CheckReport) -> Vec<&str> {
    report.gaps.iter().map(|gap| gap.code).collect()
}

fn gap<'a>(report: &'a CheckReport, code: &str) -> &'a Gap {
    report
        .gaps
        .iter()
        .find(|gap| gap.code == code)
        .unwrap_or_else(|| panic!("no {code} in {:?}", codes(report)))
}

#[test]
fn a_complete_inventory_has_no_gaps() {
    let report = report(&complete());
    assert_eq!(report.gaps, []);
    let observation = &report.observations[0];
    assert_eq!(observation.accounts.iter().collect::<Vec<_>>(), ["111122223333"]);
    assert_eq!(observation.regions.iter().collect::<Vec<_>>(), ["eu-west-1"]);
    assert_eq!(observation.files, 1);
}

/// Each change makes its own gap, and no other.
#[test]
fn each_gap_is_found_alone() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change, &[&str]); 17] = [
        ("no-network-acls", |v| drop(v.as_object_mut().unwrap().remove("NetworkAcls")), &[]),
        ("no-subnets", |v| drop(v.as_object_mut().unwrap().remove("Subnets")), &[]),
        ("no-vpcs", |v| drop(v.as_object_mut().unwrap().remove("Vpcs")), &[]),
        ("no-flow-logs", |v| drop(v.as_object_mut().unwrap().remove("FlowLogs")), &[]),
        ("no-rule-ids", |v| drop(v.as_object_mut().unwrap().remove("SecurityGroupRules")), &["sg-1"]),
        ("no-interfaces", |v| v["NetworkInterfaces"] = json!([]), &[]),
        ("groups-from-rules", |v| v["SecurityGroups"] = json!([]), &["sg-1"]),
        ("unreadable-prefix-lists", |v| v["PrefixLists"][0]["Cidrs"] = Value::Null, &["pl-1"]),
        ("rules-disagree", |v| v["SecurityGroupRules"] = json!([v["SecurityGroupRules"][0]]), &["sg-1"]),
        (
            "unknown-groups",
            |v| {
                v["SecurityGroups"][0]["IpPermissions"][0]["UserIdGroupPairs"] =
                    json!([{"GroupId": "sg-9", "UserId": "444455556666"}]);
                v["SecurityGroupRules"][0]["ReferencedGroupInfo"]["GroupId"] = json!("sg-9");
            },
            &["444455556666/sg-9"],
        ),
        (
            "stale-references",
            |v| v["SecurityGroupRules"][0]["ReferencedGroupInfo"]["PeeringStatus"] = json!("deleted"),
            &["sgr-1"],
        ),
        (
            "unknown-peerings",
            |v| v["SecurityGroupRules"][0]["ReferencedGroupInfo"]["VpcPeeringConnectionId"] = json!("pcx-1"),
            &["pcx-1"],
        ),
        (
            "dangling-groups",
            |v| v["NetworkInterfaces"][0]["Groups"] = json!([{"GroupId": "sg-1"}, {"GroupId": "sg-7"}]),
            &["sg-7"],
        ),
        ("subnets-without-acl", |v| v["NetworkAcls"][0]["Associations"] = json!([]), &["subnet-1"]),
        ("groups-without-interfaces", |v| v["NetworkInterfaces"][0]["Groups"] = json!([]), &["sg-1"]),
        (
            "flow-log-delivery",
            |v| v["FlowLogs"][0]["DeliverLogsErrorMessage"] = json!("Access error"),
            &["fl-1"],
        ),
        ("flow-log-traffic-type", |v| v["FlowLogs"][0]["TrafficType"] = json!("REJECT"), &["fl-1"]),
    ];
    for (code, change, subjects) in cases {
        let mut content = complete();
        change(&mut content);
        let report = report(&content);
        assert_eq!(codes(&report), [code]);
        let gap = gap(&report, code);
        assert_eq!(gap.subjects, subjects, "{code}");
        assert_eq!(gap.subject_count, subjects.len(), "{code}");
        assert_eq!(gap.observed_at, [None], "{code}");
        assert!(gap.message.ends_with('.') && gap.next.ends_with('.'), "{code}");
    }
}

#[test]
fn gaps_that_come_together() {
    let mut content = complete();
    content["NetworkInterfaces"][0]["SubnetId"] = json!("subnet-8");
    assert_eq!(codes(&report(&content)), ["interfaces-without-subnet", "subnets-without-acl"]);

    let mut content = complete();
    content.as_object_mut().unwrap().remove("SecurityGroups");
    content.as_object_mut().unwrap().remove("SecurityGroupRules");
    // That the group of the interface is missing goes without saying.
    assert_eq!(codes(&report(&content)), ["no-security-groups"]);

    let nothing = report(&json!({"LoadBalancers": []}));
    assert_eq!(codes(&nothing), ["empty", "skipped-files"]);
    assert_eq!(gap(&nothing, "empty").severity, GapSeverity::High);
    assert_eq!(gap(&nothing, "empty").next, "Run `aws ec2 describe-security-groups`.");
}

#[test]
fn interfaces_of_instances_are_not_all() {
    let mut content = complete();
    let interfaces = content.as_object_mut().unwrap().remove("NetworkInterfaces").unwrap();
    content["Reservations"] =
        json!([{"Instances": [{"InstanceId": "i-1", "NetworkInterfaces": interfaces}]}]);
    let report = report(&content);
    assert_eq!(codes(&report), ["interfaces-from-instances"]);
    assert_eq!(gap(&report, "interfaces-from-instances").subjects, ["eni-1"]);
}

#[test]
fn gaps_of_reading() {
    let mut cut = complete();
    cut["NextToken"] = json!("more");
    let mut other = complete();
    other["Vpcs"][0]["CidrBlock"] = json!("10.9.0.0/16");
    let world = World::new()
        .with("a.json", complete())
        .with("b.json", other)
        .with("c.json", "{broken")
        .with("d.json", json!({"status_code": 403, "data": {}}))
        .with("e.txt", "hello")
        .with("cut/a.json", cut)
        .with("cut/pl-0000000a.json", json!({"Entries": [{"Cidr": "10.0.0.0/8"}], "NextToken": "more"}));
    let options = LoadOptions { skip_bad_files: true, ..LoadOptions::default() };
    let report = check(&load(&[world.path("")], &options).unwrap());
    assert_eq!(
        codes(&report),
        [
            "bad-files",
            "truncated-output",
            "conflicts",
            "truncated-prefix-lists",
            "error-replies",
            "not-json-files"
        ]
    );
    assert_eq!(gap(&report, "conflicts").subjects, ["vpc-1"]);
    assert_eq!(gap(&report, "truncated-prefix-lists").subjects, ["pl-0000000a"]);
    assert!(gap(&report, "truncated-output").subjects.iter().any(|s| s.ends_with("cut: security-groups")));
    assert!(gap(&report, "bad-files").subjects[0].contains("c.json: not JSON at line 1"));
}

#[test]
fn subjects_are_sorted_capped_and_counted_over_observations() {
    let many: Vec<Value> = (0..30).map(|i| json!({"GroupId": format!("sg-{i:02}")})).collect();
    let mut content = complete();
    content["NetworkInterfaces"][0]["Groups"] = json!(many);
    let world = World::new().with("2026-03-01/a.json", &content).with("now.json", complete());
    let report = check(&world.load());
    let dangling = gap(&report, "dangling-groups");
    assert_eq!((dangling.subjects.len(), dangling.subject_count), (SUBJECTS_SHOWN, 30));
    assert!(dangling.subjects.is_sorted() && dangling.subjects[0] == "sg-00");
    assert!(dangling.message.starts_with("30 security group(s) of interfaces"));
    assert_eq!(dangling.observed_at, [Some(1_772_323_200)]);
    assert_eq!(report.observations.len(), 2);
}
