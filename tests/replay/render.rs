//! What renderers write, read back by parsers that know nothing of them, is the plan.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use flowgate::finding::Grade;
use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{Inventory, Rule, RulePeer, SecurityGroup};
use flowgate::tighten::render::{Stage, aws_cli, aws_cli_rollback, cloudformation, terraform};
use flowgate::tighten::{Action, Change, Plan, Safety};
use hcl_edit::structure::Body;
use proptest::prelude::*;
use serde_json::Value;

const GROUP: &str = "sg-0123456789abcdef0";
const OWNER: &str = "111122223333";

/// A rule in words of AWS: protocol, ports, peer.
type Words = (String, Option<(i64, i64)>, String);

fn words(rule: &Rule) -> Words {
    let protocol = match rule.protocol.map(|p| p.0) {
        None => "-1".to_owned(),
        Some(6) => "tcp".to_owned(),
        Some(17) => "udp".to_owned(),
        Some(1) => "icmp".to_owned(),
        Some(58) => "icmpv6".to_owned(),
        Some(other) => other.to_string(),
    };
    let ports = match protocol.as_str() {
        "tcp" | "udp" => Some(rule.ports.map_or((0, 65_535), |(low, high)| (low.into(), high.into()))),
        "icmp" | "icmpv6" => Some(rule.icmp.map_or((-1, -1), |(kind, code)| (kind.into(), code.into()))),
        _ => None,
    };
    let peer = match &rule.peer {
        RulePeer::Cidr(net) => net.to_string(),
        RulePeer::PrefixList(id) => id.clone(),
        RulePeer::Group { id, account: Some(account), .. } if account != OWNER => format!("{account}/{id}"),
        RulePeer::Group { id, .. } => id.clone(),
    };
    (protocol, ports, peer)
}

fn peer() -> impl Strategy<Value = RulePeer> {
    let group = |account: Option<&'static str>| {
        move |n: u8| RulePeer::Group {
            id: format!("sg-{n:017x}"),
            account: account.map(str::to_owned),
            peering: None,
            status: None,
        }
    };
    let v4 = (any::<u32>(), 0..=32_u8).prop_map(|(bits, length)| {
        RulePeer::Cidr(ipnet::Ipv4Net::new(bits.into(), length).unwrap().trunc().into())
    });
    let v6 = (any::<u128>(), 0..=128_u8).prop_map(|(bits, length)| {
        RulePeer::Cidr(ipnet::Ipv6Net::new(bits.into(), length).unwrap().trunc().into())
    });
    prop_oneof![
        v4,
        v6,
        (0..9_u8).prop_map(|n| RulePeer::PrefixList(format!("pl-{n:017x}"))),
        (0..9_u8).prop_map(group(None)),
        (0..9_u8).prop_map(group(Some(OWNER))),
        (9..19_u8).prop_map(group(Some("444455556666"))),
    ]
}

/// Everything that has a second meaning somewhere.
const HOSTILE: [&str; 12] = [
    "it's",
    "\"; rm -rf / #",
    "$(touch pwned)",
    "`touch pwned`",
    "${aws_secret} %{if true}",
    "line\nEND\ntouch pwned",
    "\u{202e}desrever\u{1b}[31m\u{0}",
    "{{resolve:secretsmanager:all}}",
    "!!python/object:os.system - &a *a",
    "\\",
    "*/ --> ]]>",
    "Grüße 日本 𝕏",
];

fn description() -> impl Strategy<Value = Option<String>> {
    let text = prop::sample::subsequence(HOSTILE.to_vec(), 0..4).prop_map(|parts| parts.join(" "));
    prop::option::of(prop_oneof![text, any::<String>(), "[a-z ]{0,400}"])
}

fn rule(direction: Direction) -> impl Strategy<Value = Rule> {
    let ports =
        prop_oneof![Just(None), (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Some((a.min(b), a.max(b))))];
    let ported = (prop::sample::select(vec![6_u8, 17]), ports).prop_map(|(p, ports)| (Some(p), ports, None));
    let kind = prop_oneof![Just(None), Just(Some((-1, -1))), (0..=255_i16, -1..=255_i16).prop_map(Some)];
    let icmp = (prop::sample::select(vec![1_u8, 58]), kind).prop_map(|(p, icmp)| (Some(p), None, icmp));
    let other = prop::sample::select(vec![None, Some(2), Some(47), Some(50)]).prop_map(|p| (p, None, None));
    (prop_oneof![4 => ported, 1 => icmp, 1 => other], peer(), description()).prop_map(
        move |((protocol, ports, icmp), peer, description)| Rule {
            id: String::new(),
            synthetic: false,
            group: GROUP.to_owned(),
            direction,
            protocol: protocol.map(Protocol),
            ports,
            icmp,
            peer,
            description,
        },
    )
}

#[derive(Debug)]
struct Case {
    plan: Plan,
    inventory: Inventory,
    direction: Direction,
    /// What should come and go.
    comes: BTreeSet<Words>,
    goes: BTreeSet<Words>,
    stays: BTreeSet<Words>,
}

/// The first of several rules that AWS holds to be the same, with ids.
fn distinct(rules: Vec<Rule>, prefix: &str) -> Vec<Rule> {
    let mut seen = BTreeSet::new();
    let mut distinct: Vec<Rule> = rules.into_iter().filter(|rule| seen.insert(words(rule))).collect();
    for (number, rule) in distinct.iter_mut().enumerate() {
        rule.id = format!("{prefix}{number:016x}");
    }
    distinct
}

fn case() -> impl Strategy<Value = Case> {
    let direction = prop::sample::select(vec![Direction::Inbound, Direction::Outbound]);
    let lists = direction.prop_flat_map(|direction| {
        let rules = |most| prop::collection::vec(rule(direction), 0..most);
        (Just(direction), rules(8), rules(8), any::<u8>(), prop::sample::select(HOSTILE.to_vec()))
    });
    lists.prop_map(|(direction, there, mut add, mask, name)| {
        let there = distinct(there, "sgr-0");
        // Some of what is wanted is there.
        add.extend(there.first().cloned());
        let add = distinct(add, "sgr-x");
        let gone = |number: usize| mask >> (number % 8) & 1 == 1;
        let remove: Vec<Rule> =
            there.iter().enumerate().filter(|(n, _)| gone(*n)).map(|(_, rule)| rule.clone()).collect();
        let set = |rules: &[Rule]| rules.iter().map(words).collect::<BTreeSet<Words>>();
        let (present, wanted, unwanted) = (set(&there), set(&add), set(&remove));
        let group = SecurityGroup {
            id: GROUP.to_owned(),
            name: name.to_owned(),
            account: Some(OWNER.to_owned()),
            region: Some("eu-west-1".to_owned()),
            rules: there,
            ..SecurityGroup::default()
        };
        let change = Change {
            id: "change-1".to_owned(),
            action: Action::Narrow,
            group: GROUP.to_owned(),
            group_name: name.to_owned(),
            account: Some(OWNER.to_owned()),
            region: Some("eu-west-1".to_owned()),
            vpc: None,
            direction,
            remove,
            add: add.into_iter().map(|rule| Rule { synthetic: true, ..rule }).collect(),
            why: name.to_owned(),
            grade: Grade::Reliable,
            reasons: vec![name.to_owned()],
            safety: Safety::Safe,
            openness_before: 1.0,
            openness_after: None,
            curve: Vec::new(),
            interrupts: false,
            replayed: None,
        };
        let mut inventory = Inventory::default();
        inventory.security_groups.insert(GROUP.to_owned(), group);
        Case {
            plan: Plan { changes: vec![change], ..Plan::default() },
            inventory,
            direction,
            comes: wanted.difference(&present).cloned().collect(),
            goes: unwanted.difference(&wanted).cloned().collect(),
            stays: present
                .iter()
                .filter(|w| !unwanted.contains(*w) || wanted.contains(*w))
                .cloned()
                .collect(),
        }
    })
}

/// What AWS takes (EC2 API reference, `IpRange`).
fn assert_description(text: Option<&str>) {
    let Some(text) = text else { return };
    assert!(!text.is_empty() && text.chars().count() <= 255, "{text}");
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    assert!(text.chars().all(allowed), "{text}");
}

fn plain(text: &str) {
    let strange: Vec<char> = text.chars().filter(|c| !matches!(c, ' '..='~' | '\n')).collect();
    assert!(strange.is_empty(), "{strange:?} in {text}");
}

// ---- Terraform

struct Resource {
    address: String,
    words: Words,
}

fn resources(body: &Body, direction: Direction) -> Vec<Resource> {
    let kind = match direction {
        Direction::Inbound => "aws_vpc_security_group_ingress_rule",
        Direction::Outbound => "aws_vpc_security_group_egress_rule",
    };
    let blocks = body.get_blocks("resource").map(|block| {
        assert_eq!(block.labels[0].as_str(), kind);
        let name = block.labels[1].as_str();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && name.starts_with("sg_"));
        let text = |key: &str| {
            block.body.get_attribute(key).map(|a| a.value.as_str().expect("no template").to_owned())
        };
        let number = |key: &str| {
            let value = &block.body.get_attribute(key)?.value;
            // A negative number is an expression.
            value.to_string().trim().parse::<i64>().ok()
        };
        assert_eq!(text("security_group_id").as_deref(), Some(GROUP));
        assert_description(text("description").as_deref());
        let peers: Vec<String> = ["cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"]
            .iter()
            .filter_map(|key| text(key))
            .collect();
        assert_eq!(peers.len(), 1, "exactly one peer");
        let protocol = text("ip_protocol").unwrap();
        let ports = number("from_port").zip(number("to_port"));
        // Protocols without ports still have to have them, unless it is all of them.
        let ports = match protocol.as_str() {
            "tcp" | "udp" | "icmp" | "icmpv6" => ports,
            "-1" => {
                assert_eq!(ports, None);
                None
            }
            _ => {
                assert_eq!(ports, Some((-1, -1)));
                None
            }
        };
        Resource { address: format!("{kind}.{name}"), words: (protocol, ports, peers[0].clone()) }
    });
    blocks.collect()
}

fn addresses(body: &Body, kind: &str, key: &str) -> BTreeSet<String> {
    body.get_blocks(kind)
        .map(|block| block.body.get_attribute(key).unwrap().value.to_string().trim().to_owned())
        .collect()
}

/// As `terraform fmt` writes it: the equals signs of attributes in lines that follow each other stand below each other, one
/// blank after the longest name.
fn assert_aligned(text: &str) {
    let attribute = |line: &str| -> Option<(usize, usize)> {
        let (name, _) = line.strip_prefix("  ")?.split_once(" = ")?;
        let key = name.trim_end();
        let is_name =
            !key.is_empty() && key.chars().all(|c| c.is_ascii_lowercase() || "_0123456789".contains(c));
        is_name.then_some((name.len(), key.len()))
    };
    let lines: Vec<&str> = text.lines().collect();
    for run in lines.chunk_by(|a, b| attribute(a).is_some() && attribute(b).is_some()) {
        let all: Vec<(usize, usize)> = run.iter().filter_map(|line| attribute(line)).collect();
        let longest = all.iter().map(|(_, key)| *key).max();
        assert!(all.iter().all(|(equals, _)| Some(*equals) == longest), "{}", run.join("\n"));
    }
}

fn assert_terraform(case: &Case) {
    let first = terraform(&case.plan, &case.inventory, Stage::Add);
    plain(&first);
    assert_aligned(&first);
    let body: Body = first.parse().unwrap_or_else(|e| panic!("{e}\n{first}"));
    let all = resources(&body, case.direction);
    let told: BTreeSet<Words> = all.iter().map(|r| r.words.clone()).collect();
    let anything = !case.comes.is_empty() || !case.goes.is_empty();
    let wanted: BTreeSet<Words> = if anything {
        case.comes.iter().chain(&case.goes).chain(&case.stays).cloned().collect()
    } else {
        BTreeSet::new()
    };
    assert_eq!(told, wanted, "{first}");
    assert_eq!(all.len(), told.len());
    // What is there is imported under its id; what comes is not.
    let imported = addresses(&body, "import", "to");
    for resource in &all {
        assert_eq!(imported.contains(&resource.address), !case.comes.contains(&resource.words), "{first}");
    }
    let rules = &case.inventory.security_groups[GROUP].rules;
    for block in body.get_blocks("import") {
        let to = block.body.get_attribute("to").unwrap().value.to_string().trim().to_owned();
        let id = block.body.get_attribute("id").unwrap().value.as_str().unwrap().to_owned();
        let resource = all.iter().find(|resource| resource.address == to).unwrap();
        let rule = rules.iter().find(|rule| rule.id == id).unwrap();
        assert_eq!(words(rule), resource.words);
    }
    let second = terraform(&case.plan, &case.inventory, Stage::Remove);
    assert_aligned(&second);
    let body: Body = second.parse().unwrap_or_else(|e| panic!("{e}\n{second}"));
    let left: BTreeSet<Words> = resources(&body, case.direction).into_iter().map(|r| r.words).collect();
    let gone = addresses(&body, "removed", "from");
    let expected: BTreeSet<String> =
        all.iter().filter(|r| case.goes.contains(&r.words)).map(|r| r.address.clone()).collect();
    assert_eq!(gone, expected, "{second}");
    assert_eq!(left, &wanted - &case.goes);
}

// ---- CloudFormation

fn assert_cloudformation(case: &Case) {
    let templates = cloudformation(&case.plan, &case.inventory);
    let mut told = BTreeSet::new();
    let mut gone = 0;
    for template in &templates {
        plain(&template.text);
        assert_eq!(template.region.as_deref(), Some("eu-west-1"));
        let template: Value = serde_json::from_str(&template.text).unwrap();
        gone += template["Metadata"]["flowgate"]["remove-after-the-stack"].as_array().unwrap().len();
        for (name, resource) in template["Resources"].as_object().unwrap() {
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()));
            let inbound = case.direction == Direction::Inbound;
            let kind = if inbound { "Ingress" } else { "Egress" };
            assert_eq!(resource["Type"], format!("AWS::EC2::SecurityGroup{kind}"));
            let properties = &resource["Properties"];
            assert_eq!(properties["GroupId"], GROUP);
            let description = properties["Description"].as_str();
            assert_description(description);
            assert!(!description.is_some_and(|text| text.contains("{{")), "a dynamic reference");
            let side = if inbound { "Source" } else { "Destination" };
            let list = properties[format!("{side}PrefixListId")].as_str();
            let group = properties[format!("{side}SecurityGroupId")].as_str();
            let owner = properties["SourceSecurityGroupOwnerId"].as_str();
            let group = group.map(|id| owner.map_or(id.to_owned(), |owner| format!("{owner}/{id}")));
            let cidrs = [properties["CidrIp"].as_str(), properties["CidrIpv6"].as_str(), list];
            let peers: Vec<String> = cidrs.into_iter().flatten().map(str::to_owned).chain(group).collect();
            assert_eq!(peers.len(), 1, "{properties}");
            let ports = properties["FromPort"].as_i64().zip(properties["ToPort"].as_i64());
            told.insert((properties["IpProtocol"].as_str().unwrap().to_owned(), ports, peers[0].clone()));
        }
    }
    // Of egress to a group of another account, CloudFormation has no word for the account.
    let expected: BTreeSet<Words> = case
        .comes
        .iter()
        .map(|(protocol, ports, peer)| match (case.direction, peer.split_once('/')) {
            (Direction::Outbound, Some((_, id))) if id.starts_with("sg-") => {
                (protocol.clone(), *ports, id.to_owned())
            }
            _ => (protocol.clone(), *ports, peer.clone()),
        })
        .collect();
    assert_eq!(told, expected);
    assert_eq!(gone, case.goes.len());
}

// ---- AWS CLI

/// An `aws` that records what it is asked, one argument after the other.
const STUB: &str = r#"#!/usr/bin/env bash
if [ "$1" = sts ]; then printf '111122223333\n'; exit 0; fi
printf '%s\0' "$@" >> "$RECORD"
printf '\n\0' >> "$RECORD"
"#;

fn run(script: &str, arguments: &[&str]) -> Vec<Vec<String>> {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("bin")).unwrap();
    fs::write(path("bin/aws"), STUB).unwrap();
    fs::set_permissions(path("bin/aws"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(path("script.sh"), script).unwrap();
    fs::write(path("record"), "").unwrap();
    let search = format!("{}:/usr/bin:/bin", path("bin").display());
    let output = Command::new("bash")
        .arg("script.sh")
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", search)
        .env("RECORD", path("record"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{script}", String::from_utf8_lossy(&output.stderr));
    assert_untouched(directory.path());
    let record = fs::read_to_string(path("record")).unwrap();
    let calls = record.split("\n\0").filter(|call| !call.is_empty());
    calls.map(|call| call.split_terminator('\0').map(str::to_owned).collect()).collect()
}

fn assert_untouched(directory: &Path) {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["bin", "record", "script.sh"], "something else was run");
}

/// What follows an option.
fn option<'a>(call: &'a [String], name: &str) -> Option<&'a str> {
    let at = call.iter().position(|argument| argument == name)?;
    call.get(at + 1).map(String::as_str)
}

fn from_permissions(text: &str) -> Words {
    let permissions: Value = serde_json::from_str(text).unwrap();
    assert_eq!(permissions.as_array().unwrap().len(), 1);
    let permission = &permissions[0];
    let mut peers = Vec::new();
    for (list, key) in [
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("PrefixListIds", "PrefixListId"),
        ("UserIdGroupPairs", "GroupId"),
    ] {
        for peer in permission[list].as_array().into_iter().flatten() {
            assert_description(peer["Description"].as_str());
            let id = peer[key].as_str().unwrap();
            peers.push(peer["UserId"].as_str().map_or(id.to_owned(), |owner| format!("{owner}/{id}")));
        }
    }
    assert_eq!(peers.len(), 1);
    let ports = permission["FromPort"].as_i64().zip(permission["ToPort"].as_i64());
    (permission["IpProtocol"].as_str().unwrap().to_owned(), ports, peers[0].clone())
}

/// Rules that the calls of one action name.
fn called(case: &Case, calls: &[Vec<String>], action: &str) -> BTreeSet<Words> {
    let side = if case.direction == Direction::Inbound { "ingress" } else { "egress" };
    let mine = calls.iter().filter(|call| call[1] == format!("{action}-security-group-{side}"));
    let told = mine.map(|call| {
        assert_eq!(call[0], "ec2");
        assert_eq!(option(call, "--group-id"), Some(GROUP));
        assert_eq!(option(call, "--region"), Some("eu-west-1"));
        match option(call, "--security-group-rule-ids") {
            Some(id) => {
                let rules = &case.inventory.security_groups[GROUP].rules;
                words(rules.iter().find(|rule| rule.id == id).unwrap())
            }
            None => from_permissions(option(call, "--ip-permissions").unwrap()),
        }
    });
    told.collect()
}

fn assert_aws_cli(case: &Case) {
    let script = aws_cli(&case.plan, &case.inventory);
    plain(&script);
    let calls = run(&script, &["add"]);
    assert_eq!(called(case, &calls, "authorize"), case.comes, "{script}");
    assert_eq!(calls.len(), case.comes.len());
    let calls = run(&script, &["remove"]);
    assert_eq!(called(case, &calls, "revoke"), case.goes);
    assert_eq!(calls.len(), case.goes.len());
    assert!(run(&script, &["observe"]).is_empty());

    let back = aws_cli_rollback(&case.plan, &case.inventory);
    plain(&back);
    let calls = run(&back, &[]);
    assert_eq!(called(case, &calls, "authorize"), case.goes);
    assert_eq!(called(case, &calls, "revoke"), case.comes);
    let first_revoke = calls.iter().position(|call| call[1].starts_with("revoke"));
    let last_authorize = calls.iter().rposition(|call| call[1].starts_with("authorize"));
    if let (Some(revoke), Some(authorize)) = (first_revoke, last_authorize) {
        assert!(authorize < revoke, "what was there comes back first");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn terraform_and_cloudformation_say_the_plan(case in case()) {
        assert_terraform(&case);
        assert_cloudformation(&case);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]

    #[test]
    fn the_script_calls_what_the_plan_says(case in case()) {
        assert_aws_cli(&case);
    }
}

/// Ids come from files, too.
#[test]
fn what_is_no_id_is_left_out() {
    let hostile = ["sg-1; touch pwned", "--profile", "sg-1'$(touch pwned)'", "sg-\n1", ""];
    for id in hostile {
        let rule = Rule {
            id: "sgr-1".to_owned(),
            synthetic: false,
            group: id.to_owned(),
            direction: Direction::Inbound,
            protocol: None,
            ports: None,
            icmp: None,
            peer: RulePeer::Cidr("0.0.0.0/0".parse().unwrap()),
            description: None,
        };
        let mut inventory = Inventory::default();
        let group =
            SecurityGroup { id: id.to_owned(), rules: vec![rule.clone()], ..SecurityGroup::default() };
        inventory.security_groups.insert(id.to_owned(), group);
        let change = Change {
            id: "c".to_owned(),
            action: Action::RemoveUnused,
            group: id.to_owned(),
            group_name: id.to_owned(),
            account: None,
            region: None,
            vpc: None,
            direction: Direction::Inbound,
            remove: vec![rule],
            add: Vec::new(),
            why: String::new(),
            grade: Grade::Reliable,
            reasons: Vec::new(),
            safety: Safety::Safe,
            openness_before: 0.0,
            openness_after: None,
            curve: Vec::new(),
            interrupts: false,
            replayed: None,
        };
        let plan = Plan { changes: vec![change], ..Plan::default() };
        let script = aws_cli(&plan, &inventory);
        assert!(script.contains("# Left out: ") && run(&script, &["remove"]).is_empty(), "{script}");
        let text = terraform(&plan, &inventory, Stage::Remove);
        let body: Body = text.parse().unwrap();
        assert_eq!(body.get_blocks("removed").count() + body.get_blocks("resource").count(), 0);
    }
}
