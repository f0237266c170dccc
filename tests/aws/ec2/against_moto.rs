//! Against moto: everything that was made is fetched, page by page, and reads like what the AWS CLI prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::RulePeer;
use flowgate::inventory::live::{ACTIONS, CALLS, ENTRIES, fetch};
use serde_json::{Value, json};

use super::botocore::{self, plain};
use super::stub::{Answer, Stub, page, refusal, response};
use super::{NAME, files, loaded, options, timeline, world};
use crate::moto;

/// moto behind a stub that cuts every list into pages of 4, remembers the requests, and knows the call that moto
/// does not.
fn paged() -> Stub {
    Stub::start(|request, _| {
        let (status, xml) = match request.action.as_str() {
            UNKNOWN_TO_MOTO => {
                let Answer::Xml(status, xml) = response(UNKNOWN_TO_MOTO, ASSOCIATIONS) else {
                    unreachable!()
                };
                (status, xml)
            }
            _ => request.hand_on(moto::endpoint()),
        };
        if status != 200 {
            return Answer::Xml(status, xml);
        }
        Answer::Xml(200, page(&xml, 4, request.parameters.get("NextToken").map(String::as_str)))
    })
}

const UNKNOWN_TO_MOTO: &str = "DescribeSecurityGroupVpcAssociations";
const ASSOCIATIONS: &str = "<securityGroupVpcAssociationSet><item><groupId>sg-1</groupId><vpcId>vpc-2</vpcId>\
    <vpcOwnerId>111122223333</vpcOwnerId><groupOwnerId>123456789012</groupOwnerId><state>associated</state></item>\
    </securityGroupVpcAssociationSet>";

#[test]
fn what_was_made_is_fetched() {
    const REGION: &str = "eu-north-1";
    crate::run(async {
        let made = world::fill(REGION).await;
        let stub = paged();
        let out = tempfile::tempdir().unwrap();
        let fetched = fetch(&options(&stub.endpoint, out.path(), REGION)).await.unwrap();
        let directory = out.path().join(NAME).join(moto::ACCOUNT);
        assert_eq!(fetched.path, directory);
        assert_eq!(fetched.lacks, []);

        // Every permission is used, and no other is.
        let seen = stub.seen();
        let used: BTreeSet<String> = seen.iter().map(|request| format!("ec2:{}", request.action)).collect();
        assert_eq!(used.iter().map(String::as_str).collect::<Vec<_>>(), ACTIONS);
        for call in CALLS.iter().chain([&ENTRIES]) {
            let of_call =
                seen.iter().filter(|request| call.action.ends_with(&format!(":{}", request.action)));
            for request in of_call {
                assert_eq!(request.parameters["MaxResults"], call.page.to_string());
                assert_eq!(request.region, REGION);
                assert!(request.parameters.keys().all(|key| !key.starts_with("Filter")), "{request:?}");
            }
        }
        let pages = |action: &str| seen.iter().filter(|request| request.action == action).count();
        assert!(pages("DescribeSecurityGroups") >= 7, "25 groups and the default ones");
        assert!(pages("DescribeSecurityGroupRules") >= 9);

        let read = loaded(out.path());
        let [now] = read.timeline.observations() else { panic!("{:?}", read.report) };
        assert_eq!(now.observed_at, Some(super::AT));
        assert_eq!(read.report.observations[0].conflicts, []);
        let web = &now.security_groups[&made.web];
        assert_eq!((web.name.as_str(), web.description.as_str()), ("web", "<web> & more"));
        assert_eq!((web.account.as_deref(), web.region.as_deref()), (Some(moto::ACCOUNT), Some(REGION)));
        assert_eq!(web.tags["team"], "net & <ops>");
        let mut inbound: Vec<String> = web
            .rules
            .iter()
            .filter(|rule| rule.direction == Direction::Inbound)
            .map(|rule| {
                format!(
                    "{} {} {}",
                    rule.protocol_text(),
                    rule.port_text(),
                    rule.peer_text(web.account.as_deref())
                )
            })
            .collect();
        inbound.sort();
        let mut expected = [
            "tcp 443 0.0.0.0/0".to_owned(),
            "tcp 443 10.0.0.0/8".to_owned(),
            "tcp 443 ::/0".to_owned(),
            format!("udp 1000-2000 {}", made.list),
            "icmp type 8 10.20.0.0/16".to_owned(),
            format!("all all {}", made.web),
        ];
        expected.sort();
        assert_eq!(inbound, expected);
        assert!(web.rules.iter().all(|rule| !rule.synthetic), "rule ids are AWS's own");
        let from_web =
            now.security_groups[&made.db].rules.iter().find(|rule| rule.direction == Direction::Inbound);
        assert!(matches!(&from_web.unwrap().peer, RulePeer::Group { id, .. } if *id == made.web));
        let interface = &now.interfaces[&made.interface];
        let mut groups = vec![made.web.clone(), made.db.clone()];
        groups.sort();
        assert_eq!(interface.groups, groups);
        assert_eq!(interface.addresses[0].to_string(), "10.20.1.10");
        assert_eq!(interface.description, "the \"web\" one\nin two lines");
        assert_eq!(interface.subnet.as_ref(), Some(&made.subnet));
        let acl = &now.network_acls[&made.acl];
        assert_eq!(acl.subnets, std::slice::from_ref(&made.subnet));
        let entry = acl.entries.iter().find(|entry| entry.number == 100).unwrap();
        assert_eq!((entry.protocol, entry.ports), (Some(Protocol::TCP), Some((1024, 65535))));
        let entries = now.prefix_lists[&made.list].entries.as_ref().unwrap();
        let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
        assert_eq!(entries, ["198.51.100.0/25", "203.0.113.0/24"]);
        assert_eq!(now.peerings[&made.peering].status, "active");
        assert_eq!(now.flow_logs[&made.flow_log].log_group.as_deref(), Some("flows"));
        assert_eq!(now.vpcs[&made.vpc].cidrs.len(), 2, "IPv4 and IPv6");
        assert_eq!(now.subnets[&made.subnet].region.as_deref(), Some(REGION));
    });
}

#[test]
fn it_reads_like_the_output_of_the_aws_cli() {
    const REGION: &str = "eu-south-1";
    crate::run(async {
        world::fill(REGION).await;
        let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let stub = paged();
        fetch(&options(&stub.endpoint, ours.path(), REGION)).await.unwrap();
        let place = format!("{NAME}/{}/{REGION}", moto::ACCOUNT);
        let (ours_in, theirs_in) = (ours.path().join(&place), theirs.path().join(&place));
        fs::create_dir_all(&theirs_in).unwrap();
        let known = CALLS.iter().filter(|call| !call.action.ends_with(UNKNOWN_TO_MOTO));
        botocore::dump(moto::endpoint(), REGION, &theirs_in, known);

        let mut expected = files(&theirs_in);
        expected.push("describe-security-group-vpc-associations.json".to_owned());
        expected.sort();
        assert_eq!(files(&ours_in), expected);
        for name in files(&theirs_in) {
            let read = |directory: &Path| -> Value {
                serde_json::from_str(&fs::read_to_string(directory.join(&name)).unwrap()).unwrap()
            };
            assert_eq!(plain(read(&ours_in)), plain(read(&theirs_in)), "{name}");
        }
        assert_eq!(timeline(ours.path()), timeline(theirs.path()));
        let associations =
            fs::read_to_string(ours_in.join("describe-security-group-vpc-associations.json")).unwrap();
        let associations: Value = serde_json::from_str(&associations).unwrap();
        let expected = json!({"SecurityGroupVpcAssociations": [{"GroupId": "sg-1", "VpcId": "vpc-2",
            "VpcOwnerId": "111122223333", "GroupOwnerId": "123456789012", "State": "associated"}]});
        assert_eq!(associations, expected);

        // The same again, byte for byte.
        let again = tempfile::tempdir().unwrap();
        fetch(&options(&stub.endpoint, again.path(), REGION)).await.unwrap();
        for name in files(ours.path()) {
            assert!(
                fs::read(ours.path().join(&name)).unwrap() == fs::read(again.path().join(&name)).unwrap(),
                "{name}"
            );
        }
    });
}

/// The program itself, with nothing of this machine.
fn program(out: &Path, more: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_flowgate"))
        .env_clear()
        .envs([
            ("AWS_ACCESS_KEY_ID", "x"),
            ("AWS_SECRET_ACCESS_KEY", "x"),
            ("LC_ALL", "C.UTF-8"),
            ("HOME", "/nowhere"),
        ])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .args(["inventory", "fetch", "--time", "2026-11-22T12:00:00Z", "--out"])
        .arg(out)
        .args(more)
        .output()
        .unwrap()
}

#[test]
fn the_program_fetches_several_regions_and_never_overwrites() {
    crate::run(async {
        world::fill("eu-central-2").await;
        world::fill("ap-south-2").await;
    });
    let out = tempfile::tempdir().unwrap();
    let stub = Stub::start(|request, _| match request.action.as_str() {
        UNKNOWN_TO_MOTO => refusal(400, "InvalidAction", "The action is not valid for this web service"),
        _ => {
            let (status, xml) = request.hand_on(moto::endpoint());
            Answer::Xml(status, xml)
        }
    });
    let arguments = ["--region", "eu-central-2,ap-south-2", "--endpoint-url", &stub.endpoint];
    let ran = program(out.path(), &arguments);
    let (stdout, stderr) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert_eq!(ran.status.code(), Some(0), "{stdout}\n{stderr}");
    assert!(stdout.contains("eu-central-2:\n") && stdout.contains(" 28  security groups\n"), "{stdout}");
    let note = "note: ec2:DescribeSecurityGroupVpcAssociations in ap-south-2 was refused: InvalidAction";
    assert!(stderr.starts_with(note), "{stderr}");
    let read = loaded(out.path());
    let regions: BTreeSet<&str> = read.timeline.observations()[0]
        .security_groups
        .values()
        .filter_map(|group| group.region.as_deref())
        .collect();
    assert_eq!(regions.into_iter().collect::<Vec<_>>(), ["ap-south-2", "eu-central-2"]);

    let before = files(out.path());
    let again = program(out.path(), &arguments);
    assert_eq!(again.status.code(), Some(3));
    let stderr = String::from_utf8(again.stderr).unwrap().replace("\n  ", " ");
    assert!(stderr.contains("is there already; snapshots are never overwritten"), "{stderr}");
    assert_eq!(files(out.path()), before);
}

#[test]
fn a_role_is_assumed_and_its_account_is_the_one_fetched() {
    let stub = paged();
    let out = tempfile::tempdir().unwrap();
    let role = "arn:aws:iam::210987654321:role/Audit";
    let arguments = ["--region", "us-west-1", "--endpoint-url", &stub.endpoint];
    let ran = program(
        out.path(),
        &[&arguments[..], &["--assume-role", role, "--external-id", "it's & so"]].concat(),
    );
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
    assert!(out.path().join(NAME).join("210987654321/us-west-1/describe-vpcs.json").exists());

    let seen = stub.seen();
    let (assumed, asked): (Vec<_>, Vec<_>) = seen.iter().partition(|request| request.action == "AssumeRole");
    assert_eq!(assumed.len(), 1, "one role for all calls");
    assert_eq!(assumed[0].parameters["RoleArn"], role);
    assert_eq!(assumed[0].parameters["ExternalId"], "it's & so");
    let used: BTreeSet<String> = asked.iter().map(|request| format!("ec2:{}", request.action)).collect();
    assert!(used.iter().all(|action| ACTIONS.contains(&action.as_str())), "{used:?}");
}
