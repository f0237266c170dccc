//! Several files: joins, conflicts, pages, snapshots, accounts and regions.

use std::path::PathBuf;

use flowgate::inventory::{InventoryError, Kind, LoadOptions, RulePeer, SkipReason, check, load};
use serde_json::{Value, json};

use super::World;

const MIDNIGHT: i64 = 1_772_323_200;

fn groups(cidr: &str) -> Value {
    json!({"SecurityGroups": [{"GroupId": "sg-1", "VpcId": "vpc-1", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": cidr, "Description": "web"}]}]}]})
}

fn rule(id: &str, more: Value) -> Value {
    let mut rule = json!({"SecurityGroupRuleId": id, "GroupId": "sg-1", "GroupOwnerId": "111122223333",
        "IsEgress": false, "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

#[test]
fn rules_get_their_ids_and_what_only_one_dump_knows_is_kept() {
    let dump = json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443,
         "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "web"}, {"CidrIp": "192.0.2.0/24"}],
         "UserIdGroupPairs": [{"GroupId": "sg-2", "UserId": "444455556666", "PeeringStatus": "active"}]},
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}]}]});
    let rules = json!({"SecurityGroupRules": [
        rule("sgr-1", json!({"CidrIpv4": "10.0.0.0/8"})),
        rule("sgr-2", json!({"ReferencedGroupInfo": {"GroupId": "sg-2"}})),
        rule("sgr-3", json!({"IpProtocol": "-1", "FromPort": -1, "ToPort": -1, "CidrIpv4": "10.0.0.0/8"})),
        // Same peer, other direction.
        rule("sgr-4", json!({"CidrIpv4": "10.0.0.0/8", "IsEgress": true})),
        rule("sgr-5", json!({"CidrIpv4": "198.51.100.0/24", "Description": "new"})),
        rule("sgr-6", json!({"GroupId": "sg-9", "CidrIpv6": "::/0"})),
    ]});
    // Whatever the order of the files.
    for (first, second) in [("a.json", "b.json"), ("b.json", "a.json")] {
        let loaded = World::new().with(first, &dump).with(second, &rules).load();
        let latest = loaded.timeline.latest().unwrap();
        let group = &latest.security_groups["sg-1"];
        let lines: Vec<_> = group
            .rules
            .iter()
            .map(|r| {
                format!(
                    "{} {} {} {}",
                    if r.synthetic { "made-up" } else { &r.id },
                    r.direction,
                    r.protocol_text(),
                    r.peer_text(None)
                )
            })
            .collect();
        assert_eq!(
            lines,
            [
                "sgr-1 inbound tcp 10.0.0.0/8",
                "sgr-2 inbound tcp 444455556666/sg-2",
                "sgr-3 inbound all 10.0.0.0/8",
                "sgr-5 inbound tcp 198.51.100.0/24",
                "made-up inbound tcp 192.0.2.0/24",
                "sgr-4 outbound tcp 10.0.0.0/8",
            ]
        );
        assert_eq!(group.rules[0].description.as_deref(), Some("web"));
        let RulePeer::Group { status, .. } = &group.rules[1].peer else { panic!("{:?}", group.rules[1]) };
        assert_eq!(status.as_deref(), Some("active"));
        assert_eq!(latest.security_groups["sg-9"].account.as_deref(), Some("111122223333"));
        assert_eq!(loaded.report.observations[0].groups_from_rules, ["sg-9"]);
        assert_eq!(loaded.report.observations[0].conflicts, []);
    }
}

#[test]
fn synthetic_ids_do_not_depend_on_files_or_order() {
    let permissions = |cidrs: [&str; 2]| {
        let ranges: Vec<Value> = cidrs.iter().map(|cidr| json!({"CidrIp": cidr})).collect();
        json!({"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "-1", "IpRanges": ranges}]}]})
    };
    let one = World::of(permissions(["10.0.0.0/8", "192.0.2.0/24"])).load();
    let two = World::new().with("z/other.json", permissions(["192.0.2.0/24", "10.0.0.0/8"])).load();
    assert_eq!(one.timeline, two.timeline);
    assert_eq!(one.timeline.latest().unwrap().security_groups["sg-1"].rules.len(), 2);
}

#[test]
fn the_later_file_wins_and_the_report_says_so() {
    let world = World::new()
        .with("1.json", groups("10.0.0.0/8"))
        .with("2.json", groups("10.0.0.0/8"))
        .with("3.json", groups("192.0.2.0/24"));
    // Path order, not the order of arguments.
    for names in [["1.json", "2.json", "3.json"], ["3.json", "1.json", "2.json"]] {
        let paths: Vec<PathBuf> = names.iter().map(|name| world.path(name)).collect();
        let loaded = load(&paths, &LoadOptions::default()).unwrap();
        let rules = &loaded.timeline.latest().unwrap().security_groups["sg-1"].rules;
        assert_eq!(rules.iter().map(|rule| rule.peer_text(None)).collect::<Vec<_>>(), ["192.0.2.0/24"]);
        let conflicts = &loaded.report.observations[0].conflicts;
        assert_eq!(conflicts.len(), 1);
        assert_eq!((conflicts[0].kind, conflicts[0].id.as_str()), (Kind::SecurityGroups, "sg-1"));
        assert_eq!(
            (&conflicts[0].kept, &conflicts[0].dropped),
            (&world.path("3.json"), &world.path("1.json"))
        );
    }
}

#[test]
fn a_full_description_of_an_interface_wins_over_that_of_an_instance() {
    let full = json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1", "InterfaceType": "efa"}]});
    let instance = json!({"Reservations": [{"ReservationId": "r-1", "Instances": [
        {"InstanceId": "i-1", "Placement": {"AvailabilityZone": "eu-west-1a"}, "NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-1", "SubnetId": "subnet-1"}, {"NetworkInterfaceId": "eni-2"}]}]}]});
    for (first, second) in [("a.json", "b.json"), ("b.json", "a.json")] {
        let loaded = World::new().with(first, &full).with(second, &instance).load();
        let interfaces = &loaded.timeline.latest().unwrap().interfaces;
        assert_eq!(interfaces["eni-1"].kind, "efa");
        assert_eq!(interfaces["eni-2"].instance.as_deref(), Some("i-1"));
        assert_eq!(interfaces["eni-2"].region.as_deref(), Some("eu-west-1"));
        assert_eq!(loaded.report.observations[0].conflicts, []);
        assert_eq!(loaded.report.observations[0].interfaces_from_instances, ["eni-2"]);
    }
}

#[test]
fn entries_of_prefix_lists_find_their_list() {
    let lists = json!({"PrefixLists": [
        {"PrefixListId": "pl-0000000a", "PrefixListName": "a", "OwnerId": "AWS", "MaxEntries": 7},
        {"PrefixListId": "pl-0000000b", "PrefixListName": "b"}]});
    let entries = |cidr: &str| json!({"Entries": [{"Cidr": cidr, "Description": "x"}]});
    let world = World::new()
        .with("lists.json", lists)
        .with("pl-0000000a.json", entries("192.0.2.1/24"))
        .with("pl-0000000c/entries.json", entries("198.51.100.0/24"))
        .with("wrapped.json", json!({"PrefixListId": "pl-0000000d", "Entries": [{"Cidr": "2001:db8::/32"}]}))
        .with(
            "query/pl-0000000e.json",
            json!([{"Cidr": "10.0.0.0/8"}, {"Cidr": "10.0.0.0/8", "Description": "y"}]),
        )
        .with(
            "aws.json",
            json!({"PrefixLists": [{"PrefixListId": "pl-0000000f", "Cidrs": ["203.0.113.0/24"]}]}),
        );
    let latest = world.load().timeline.latest().unwrap().clone();
    let found: Vec<String> = latest
        .prefix_lists
        .values()
        .map(|list| {
            let entries =
                list.entries.as_ref().map(|nets| nets.iter().map(ToString::to_string).collect::<Vec<_>>());
            format!("{} {} {:?}", list.id, list.name, entries.map(|e| e.join(",")))
        })
        .collect();
    assert_eq!(
        found,
        [
            "pl-0000000a a Some(\"192.0.2.0/24\")",
            "pl-0000000b b None",
            "pl-0000000c  Some(\"198.51.100.0/24\")",
            "pl-0000000d  Some(\"2001:db8::/32\")",
            "pl-0000000e  Some(\"10.0.0.0/8\")",
            "pl-0000000f  Some(\"203.0.113.0/24\")",
        ]
    );
    let list = &latest.prefix_lists["pl-0000000a"];
    assert_eq!((list.account.as_deref(), list.max_entries), (Some("AWS"), Some(7)));

    // Whose entries these are must not be guessed, and their being there must not be hidden.
    let unnamed = World::new().with("entries.json", entries("10.0.0.0/8")).load();
    assert_eq!(unnamed.report.skipped[0].reason, SkipReason::UnnamedPrefixList);
    let gaps = check(&unnamed).gaps;
    let gap = gaps.iter().find(|g| g.code == "unnamed-prefix-list-entries").unwrap();
    assert!(gap.message.contains("without saying of which") && gap.next.contains("Rename"), "{gap:?}");
}

#[test]
fn pages_of_entries_belong_together_and_other_versions_do_not() {
    let page = |cidr: &str, token: Option<&str>| json!({"Entries": [{"Cidr": cidr}], "NextToken": token});
    let entries =
        |world: &World| world.load().timeline.latest().unwrap().prefix_lists["pl-0000000a"].entries.clone();

    let paged = World::new()
        .with("pl-0000000a-1.json", page("10.0.0.0/8", Some("x")))
        .with("pl-0000000a-2.json", page("192.0.2.0/24", None));
    assert_eq!(entries(&paged).unwrap().len(), 2);

    // Half a list would make the other half look forbidden.
    let cut = World::new().with("pl-0000000a-1.json", page("10.0.0.0/8", Some("x")));
    assert_eq!(entries(&cut), None);
    assert_eq!(cut.load().report.observations[0].truncated_lists, ["pl-0000000a"]);

    let versions = World::new()
        .with("pl-0000000a-1.json", page("10.0.0.0/8", None))
        .with("pl-0000000a-2.json", page("192.0.2.0/24", None));
    assert_eq!(entries(&versions).unwrap(), ["192.0.2.0/24".parse().unwrap()]);
    assert_eq!(versions.load().report.observations[0].conflicts.len(), 1);
}

#[test]
fn a_missing_last_page_is_noticed() {
    let page = |id: &str, token: Option<&str>| json!({"Vpcs": [{"VpcId": id}], "NextToken": token});
    let cut = World::new().with("1.json", page("vpc-1", Some("x"))).load();
    assert_eq!(cut.report.observations[0].truncated.len(), 1);
    let whole =
        World::new().with("1.json", page("vpc-1", Some("x"))).with("10.json", page("vpc-2", None)).load();
    assert_eq!(whole.report.observations[0].truncated, []);
    assert_eq!(whole.timeline.latest().unwrap().vpcs.len(), 2);
}

#[test]
fn directories_named_by_a_time_are_observations_of_their_own() {
    let world = World::new()
        .with("now.json", groups("10.0.3.0/24"))
        .with("2026-03-02T00:00:00Z/eu-west-1/sg.json", groups("10.0.2.0/24"))
        .with("2026-03-01T000000Z/sg.json", groups("10.0.1.0/24"))
        // The same time, spelt differently: one observation.
        .with("2026-03-01/vpcs.json", json!({"Vpcs": [{"VpcId": "vpc-1"}]}))
        .with("2026-03-03/empty.json", json!({"Subnets": []}));
    let loaded = world.load();
    let seen: Vec<_> = loaded
        .timeline
        .observations()
        .iter()
        .map(|o| (o.observed_at, o.security_groups["sg-1"].rules[0].peer_text(None), o.vpcs.len()))
        .collect();
    let day = 86_400;
    assert_eq!(
        seen,
        [
            (Some(MIDNIGHT), "10.0.1.0/24".to_owned(), 1),
            (Some(MIDNIGHT + day), "10.0.2.0/24".to_owned(), 0),
            (None, "10.0.3.0/24".to_owned(), 0),
        ]
    );
    // Each stands alone: nothing contradicts anything.
    assert!(loaded.report.observations.iter().all(|o| o.conflicts.is_empty()));
    let times: Vec<_> = loaded.report.observations.iter().map(|o| o.observed_at).collect();
    assert_eq!(times, [Some(MIDNIGHT), Some(MIDNIGHT + day), Some(MIDNIGHT + 2 * day), None]);
    let dated = &loaded.timeline.observations()[1];
    assert_eq!(dated.security_groups["sg-1"].region.as_deref(), Some("eu-west-1"));
}

#[test]
fn a_file_named_below_a_dated_directory_is_dated_too() {
    let world = World::new().with("2026-03-01/sg.json", groups("10.0.0.0/8"));
    for path in ["2026-03-01/sg.json", "2026-03-01"] {
        let loaded = load(&[world.path(path)], &LoadOptions::default()).unwrap();
        assert_eq!(loaded.timeline.latest().unwrap().observed_at, Some(MIDNIGHT), "{path}");
    }
}

#[test]
fn regions_and_accounts_come_from_content_then_from_neighbours_then_from_the_path() {
    let group = |id: &str, more: Value| {
        let mut group = json!({"GroupId": id});
        group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        group
    };
    let world = World::new()
        .with(
            "accounts/111122223333/us-east-1/sg.json",
            json!({"SecurityGroups": [
                group("sg-arn", json!({"SecurityGroupArn": "arn:aws:ec2:eu-west-1:444455556666:security-group/sg-arn"})),
                group("sg-vpc", json!({"VpcId": "vpc-1", "OwnerId": "444455556666"})),
                group("sg-path", json!({}))]}),
        )
        .with("accounts/444455556666/subnets.json", json!({"Subnets": [
            {"SubnetId": "subnet-1", "VpcId": "vpc-1", "AvailabilityZone": "ap-south-1b"}]}))
        .with("enis.json", json!({"NetworkInterfaces": [
            {"NetworkInterfaceId": "eni-zone", "AvailabilityZone": "sa-east-1c", "SubnetId": "subnet-1"},
            {"NetworkInterfaceId": "eni-subnet", "SubnetId": "subnet-1"},
            {"NetworkInterfaceId": "eni-nowhere"}]}));
    let loaded = world.load();
    let latest = loaded.timeline.latest().unwrap();
    let group = |id: &str| {
        let group = &latest.security_groups[id];
        (group.region.as_deref(), group.account.as_deref())
    };
    assert_eq!(group("sg-arn"), (Some("eu-west-1"), Some("111122223333")));
    assert_eq!(group("sg-vpc"), (Some("ap-south-1"), Some("444455556666")));
    assert_eq!(group("sg-path"), (Some("us-east-1"), Some("111122223333")));
    let region = |id: &str| latest.interfaces[id].region.as_deref();
    assert_eq!(region("eni-zone"), Some("sa-east-1"));
    assert_eq!(region("eni-subnet"), Some("ap-south-1"));
    assert_eq!(region("eni-nowhere"), None);
    assert_eq!(latest.subnets["subnet-1"].account.as_deref(), Some("444455556666"));
}

#[test]
fn files_that_are_no_json_matter_only_if_somebody_said_they_were() {
    let log = "2 111122223333 eni-1 10.0.0.1 10.0.0.2 1 2 6 1 40 0 60 ACCEPT OK\n";
    let world = World::new()
        .with("sg.json", groups("10.0.0.0/8"))
        .with("README.md", "# notes")
        .with("LICENSE", "[draft] do what you like")
        .with("logs/a.log", log)
        .bytes("logs/odd.gz", &[0x1f, 0x8b, 1, 2, 3]);
    let loaded = world.load();
    assert!(loaded.report.skipped.iter().all(|file| file.reason == SkipReason::NotJson));
    assert_eq!(loaded.report.skipped.len(), 4);

    let named = load(&[world.path("README.md"), world.path("sg.json")], &LoadOptions::default()).unwrap_err();
    assert!(named.to_string().contains("README.md: not JSON at line 1 column 1: expected value;"), "{named}");

    let broken = World::new().with("dump", "{\"SecurityGroups\": [{\"GroupId\": \"sg-1\",}]}").failure();
    assert!(broken.starts_with("bad inventory file: dump: not JSON at line 1 column"), "{broken}");
    let empty = World::new().with("sg.json", "\n").failure();
    assert!(empty.starts_with("bad inventory file: sg.json: is empty"), "{empty}");
    let tail = World::new().with("sg.json", format!("{}\nxyz", groups("10.0.0.0/8"))).failure();
    assert!(tail.starts_with("bad inventory file: sg.json: not JSON at line 2 column 1"), "{tail}");
}

#[test]
fn bad_files_are_left_out_whole_if_asked_to() {
    let half =
        json!({"Vpcs": [{"VpcId": "vpc-1"}], "SecurityGroups": [{"GroupId": "sg-1"}, {"GroupId": {}}]});
    let world = World::new().with("bad.json", half).with("good.json", json!({"Vpcs": [{"VpcId": "vpc-2"}]}));
    assert!(matches!(world.try_load(), Err(InventoryError::BadFiles(bad)) if bad.len() == 1));
    let options = LoadOptions { skip_bad_files: true, ..LoadOptions::default() };
    let loaded = load(&[world.path("")], &options).unwrap();
    let latest = loaded.timeline.latest().unwrap();
    assert_eq!(latest.vpcs.keys().collect::<Vec<_>>(), ["vpc-2"]);
    assert!(latest.security_groups.is_empty());
    assert_eq!(loaded.report.bad.len(), 1);
}

#[test]
fn limits_and_paths() {
    assert!(matches!(load(&[], &LoadOptions::default()), Err(InventoryError::NoPaths)));
    let world =
        World::new().with("sg.json", groups("10.0.0.0/8")).with("other.json", json!({"x": "y".repeat(500)}));
    let missing = load(&[world.path("nowhere")], &LoadOptions::default()).unwrap_err().to_string();
    assert!(missing.contains("nowhere: can't be read"), "{missing}");
    let options = LoadOptions { max_file_bytes: 100, ..LoadOptions::default() };
    let large = load(&[world.path("")], &options).unwrap_err().to_string();
    assert!(
        large.ends_with("sg.json: is larger than the limit of 100 bytes; split it, or raise the limit"),
        "{large}"
    );
}

#[cfg(unix)]
#[test]
fn a_link_to_a_directory_above_is_reported() {
    let world = World::new().with("a/sg.json", groups("10.0.0.0/8"));
    std::os::unix::fs::symlink(world.path(""), world.path("a/up")).unwrap();
    let failure = world.failure();
    assert!(failure.contains("a/up: leads back to a directory above it"), "{failure}");
}
