//! Candidates from Terraform plans.

use std::collections::BTreeSet;

use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{
    AclEntry, Inventory, NetworkAcl, NetworkInterface, PrefixList, Rule, RulePeer, SecurityGroup,
};
use flowgate::tighten::{TerraformError, TerraformPlan};

const WEB: &str = "sg-0aaaaaaaaaaaaaaa1";
const DB: &str = "sg-0bbbbbbbbbbbbbbb2";
const OLD: &str = "sg-0ccccccccccccccc3";
const DEFAULT: &str = "sg-0ddddddddddddddd4";
const NEW: &str = "(module.app.aws_security_group.app)";
const ACL: &str = "acl-0aaaaaaaaaaaaaaa1";
const LIST: &str = "pl-0aaaaaaaaaaaaaaa1";

/// Number, allow, block, ports.
type Entry = (u32, bool, String, Option<(u16, u16)>);

fn rule(group: &str, number: usize, text: &str) -> Rule {
    let words: Vec<&str> = text.split(' ').collect();
    let [direction, protocol, ports, peer] = words[..] else { panic!("{text}") };
    Rule {
        id: format!("sgr-{group}-{number}"),
        synthetic: false,
        group: group.to_owned(),
        direction: if direction == "in" { Direction::Inbound } else { Direction::Outbound },
        protocol: match protocol {
            "tcp" => Some(Protocol::TCP),
            "udp" => Some(Protocol::UDP),
            _ => None,
        },
        ports: ports.parse().ok().map(|port: u16| (port, port)),
        icmp: None,
        peer: match peer.split_once('-').map(|(kind, _)| kind) {
            Some("sg") => RulePeer::Group { id: peer.to_owned(), account: None, peering: None, status: None },
            Some("pl") => RulePeer::PrefixList(peer.to_owned()),
            _ => RulePeer::Cidr(peer.parse().unwrap()),
        },
        description: None,
    }
}

fn group(id: &str, name: &str, rules: &[&str]) -> SecurityGroup {
    SecurityGroup {
        id: id.to_owned(),
        name: name.to_owned(),
        vpc: Some("vpc-1".to_owned()),
        rules: rules.iter().enumerate().map(|(number, text)| rule(id, number, text)).collect(),
        ..SecurityGroup::default()
    }
}

fn current() -> Inventory {
    let mut inventory = Inventory::default();
    let own = format!("in all all {DEFAULT}");
    for group in [
        group(
            WEB,
            "web",
            &["in tcp 22 0.0.0.0/0", "in tcp 22 ::/0", "in tcp 443 0.0.0.0/0", "out all all 0.0.0.0/0"],
        ),
        group(DB, "db", &["in tcp 5432 0.0.0.0/0", "in tcp 6432 10.0.0.0/8", "out all all 0.0.0.0/0"]),
        group(OLD, "old", &["in tcp 443 0.0.0.0/0"]),
        group(DEFAULT, "default", &[&own, "out all all 0.0.0.0/0"]),
    ] {
        inventory.security_groups.insert(group.id.clone(), group);
    }
    for (id, groups) in [("eni-0aaaaaaaaaaaaaaa1", vec![WEB]), ("eni-0bbbbbbbbbbbbbbb2", vec![OLD])] {
        let groups = groups.into_iter().map(str::to_owned).collect();
        let interface = NetworkInterface { id: id.to_owned(), groups, ..NetworkInterface::default() };
        inventory.interfaces.insert(id.to_owned(), interface);
    }
    let entry = |number: u32, allow: bool| AclEntry {
        number,
        direction: Direction::Inbound,
        protocol: None,
        allow,
        cidr: "0.0.0.0/0".parse().unwrap(),
        ports: None,
        icmp: None,
    };
    let acl = NetworkAcl {
        id: ACL.to_owned(),
        vpc: Some("vpc-1".to_owned()),
        subnets: vec!["subnet-1".to_owned()],
        entries: vec![entry(100, true), entry(32_767, false)],
        ..NetworkAcl::default()
    };
    inventory.network_acls.insert(ACL.to_owned(), acl);
    let entries = Some(vec!["203.0.113.0/24".parse().unwrap(), "192.0.2.0/24".parse().unwrap()]);
    let list = PrefixList { id: LIST.to_owned(), entries, ..PrefixList::default() };
    inventory.prefix_lists.insert(LIST.to_owned(), list);
    inventory
}

fn words(inventory: &Inventory, group: &str) -> BTreeSet<String> {
    let rules = inventory.security_groups[group].rules.iter();
    let side = |rule: &Rule| if rule.direction == Direction::Inbound { "in" } else { "out" };
    rules
        .map(|rule| {
            format!("{} {} {} {}", side(rule), rule.protocol_text(), rule.port_text(), rule.peer_text(None))
        })
        .collect()
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn a_pull_request_becomes_a_candidate() {
    let plan = TerraformPlan::parse(include_bytes!("plans/pull-request.json")).unwrap();
    let candidate = plan.candidate(&current());
    let after = &candidate.inventory;
    let own = format!("in all all {WEB}");
    assert_eq!(
        words(after, WEB),
        set(&[
            "in tcp 22 10.0.0.0/8",
            "in tcp 22 192.168.0.0/16",
            "in tcp 443 0.0.0.0/0",
            "out all all 0.0.0.0/0",
            &own
        ])
    );
    // A rule of the new group's that is followed through the module's output; one from another resource with a key.
    let (from_new, from_web) = (format!("in tcp 5432 {NEW}"), format!("in tcp 5432 {WEB}"));
    let list = format!("out udp 53 {LIST}");
    assert_eq!(words(after, DB), set(&["in tcp 6432 10.0.0.0/8", &from_new, &from_web, &list]));
    assert_eq!(words(after, NEW), set(&[]), "Terraform takes the default egress rule out");
    assert_eq!(words(after, OLD), set(&[]), "deleted");
    assert_eq!(words(after, DEFAULT), set(&[]), "adopted, without rules");
    // What stays keeps its id.
    let kept = |id: &str| after.security_groups[WEB].rules.iter().any(|rule| rule.id == id);
    assert!(kept(&format!("sgr-{WEB}-2")) && !kept(&format!("sgr-{WEB}-0")));

    assert_eq!(after.interfaces["eni-0aaaaaaaaaaaaaaa1"].groups, [NEW, WEB]);
    assert_eq!(after.interfaces["eni-0bbbbbbbbbbbbbbb2"].groups, [WEB]);
    let entries: BTreeSet<Entry> = after.network_acls[ACL]
        .entries
        .iter()
        .map(|e| (e.number, e.allow, e.cidr.to_string(), e.ports))
        .collect();
    let entry = |number, allow, cidr: &str, ports| (number, allow, cidr.to_owned(), ports);
    let expected = [
        entry(90, false, "198.51.100.0/24", Some((22, 22))),
        entry(100, true, "10.0.0.0/8", None),
        entry(32_767, false, "0.0.0.0/0", None),
    ];
    assert_eq!(entries, expected.into_iter().collect());
    let list = after.prefix_lists[LIST].entries.as_ref().unwrap();
    assert_eq!(list.iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.0/24", "198.51.100.0/24"]);
    assert_eq!(
        candidate.gaps,
        ["aws_vpc_security_group_ingress_rule.unknown: `cidr_ipv4` is known after apply only"]
    );
}

#[test]
fn nothing_planned_is_nothing_changed() {
    let text = include_str!("plans/pull-request.json");
    let mut plan: serde_json::Value = serde_json::from_str(text).unwrap();
    for change in plan["resource_changes"].as_array_mut().unwrap() {
        let before = change["change"]["before"].clone();
        if before.is_null() {
            *change = serde_json::Value::Null;
            continue;
        }
        change["change"]["actions"] = serde_json::json!(["no-op"]);
        change["change"]["after"] = before;
        change["change"]["after_unknown"] = serde_json::json!({});
    }
    let plan = TerraformPlan::parse(plan.to_string().as_bytes()).unwrap();
    let candidate = plan.candidate(&current());
    assert_eq!(candidate.inventory, current());
    assert!(candidate.gaps.is_empty(), "{:?}", candidate.gaps);
}

#[test]
fn what_is_not_all_there_is_said() {
    // The inventory is of another time: what the plan takes out is not in it.
    let plan = TerraformPlan::parse(include_bytes!("plans/pull-request.json")).unwrap();
    let mut older = current();
    older.security_groups.get_mut(WEB).unwrap().rules.remove(0);
    older.security_groups.remove(DB);
    let gaps = plan.candidate(&older).gaps;
    assert!(
        gaps.iter().any(|gap| gap.contains("aws_security_group.web: the rule that it takes out")),
        "{gaps:?}"
    );
    assert!(gaps.iter().any(|gap| gap.contains(&format!("{DB} is not in the inventory"))), "{gaps:?}");
    // Terraform could not plan everything.
    let mut partial: serde_json::Value =
        serde_json::from_slice(include_bytes!("plans/pull-request.json")).unwrap();
    partial["complete"] = false.into();
    let plan = TerraformPlan::parse(partial.to_string().as_bytes()).unwrap();
    assert!(plan.candidate(&current()).gaps.iter().any(|gap| gap.contains("complete: false")));

    let parse = |text: &str| TerraformPlan::parse(text.as_bytes());
    assert!(matches!(parse("{"), Err(TerraformError::Json(_))));
    assert!(matches!(parse("{}"), Err(TerraformError::NotAPlan)));
    let other = r#"{"format_version":"2.0","resource_changes":[]}"#;
    assert!(matches!(parse(other), Err(TerraformError::Version(version)) if version == "2.0"));
}

/// Whatever a plan holds, it is read without a panic.
#[test]
fn broken_plans_are_survived() {
    let text = include_str!("plans/pull-request.json");
    let whole: serde_json::Value = serde_json::from_str(text).unwrap();
    let values = [
        serde_json::Value::Null,
        true.into(),
        (-1).into(),
        "x".into(),
        serde_json::json!([[]]),
        serde_json::json!({}),
    ];
    for at in 0..whole["resource_changes"].as_array().unwrap().len() {
        for key in ["before", "after", "after_unknown", "actions"] {
            for value in &values {
                let mut broken = whole.clone();
                broken["resource_changes"][at]["change"][key] = value.clone();
                _ = TerraformPlan::parse(broken.to_string().as_bytes()).unwrap().candidate(&current());
                let Some(object) = whole["resource_changes"][at]["change"][key].as_object() else { continue };
                for inner in object.keys() {
                    let mut broken = whole.clone();
                    broken["resource_changes"][at]["change"][key][inner] = value.clone();
                    _ = TerraformPlan::parse(broken.to_string().as_bytes()).unwrap().candidate(&current());
                }
            }
        }
    }
}
