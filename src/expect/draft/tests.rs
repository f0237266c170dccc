//! Drafts are valid, whatever the inventory holds.

use super::super::{parse, survey};
use super::*;
use crate::flow::Protocol;
use crate::inventory::{NetworkInterface, Timeline};

fn rule(group: &str, id: &str, port: u16, peer: RulePeer) -> Rule {
    Rule {
        id: id.into(),
        synthetic: false,
        group: group.into(),
        direction: Direction::Inbound,
        protocol: Some(Protocol::TCP),
        ports: Some((port, port)),
        icmp: None,
        peer,
        description: None,
    }
}

fn group(id: &str, name: &str, rules: Vec<Rule>) -> (String, SecurityGroup) {
    let group = SecurityGroup {
        id: id.into(),
        name: name.into(),
        vpc: Some("vpc-1".into()),
        rules,
        ..SecurityGroup::default()
    };
    (id.into(), group)
}

fn of(id: &str) -> RulePeer {
    RulePeer::Group { id: id.into(), account: None, peering: None, status: None }
}

fn interface(id: &str, description: &str, group: &str) -> (String, NetworkInterface) {
    let interface = NetworkInterface {
        id: id.into(),
        description: description.into(),
        groups: vec![group.into()],
        ..NetworkInterface::default()
    };
    (id.into(), interface)
}

#[test]
fn roles_are_found_and_the_draft_is_clean() {
    let net = |text: &str| RulePeer::Cidr(text.parse().unwrap());
    let hostile = "a\"\n\\\u{1b}[2J\u{202e}x";
    let inventory = Inventory {
        security_groups: [
            group(
                "sg-1",
                "app",
                vec![rule("sg-1", "sgr-1", 22, of("sg-3")), rule("sg-1", "sgr-2", 8080, net("0.0.0.0/0"))],
            ),
            group(
                "sg-2",
                "db",
                vec![rule("sg-2", "sgr-3", 3306, of("sg-1")), rule("sg-2", "sgr-4", 3306, of("sg-far"))],
            ),
            group(
                "sg-3",
                hostile,
                vec![
                    rule("sg-3", "sgr-5", 22, net("198.51.100.0/24")),
                    rule("sg-3", "sgr-6", 22, net("::/0")),
                ],
            ),
            group(
                "sg-4",
                "alb",
                vec![
                    rule("sg-4", "sgr-7", 443, net("0.0.0.0/0")),
                    rule("sg-4", "sgr-9", 81, net("192.0.2.0/24")),
                ],
            ),
            group(
                "sg-5",
                "internet",
                vec![rule("sg-5", "sgr-8", 9100, RulePeer::PrefixList("pl-gone".into()))],
            ),
        ]
        .into(),
        interfaces: [
            interface("eni-1", "", "sg-1"),
            interface("eni-3", "", "sg-3"),
            interface("eni-4", "ELB app/x/1", "sg-4"),
        ]
        .into(),
        ..Inventory::default()
    };
    let text = draft(&inventory);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
    let file = parse(&text).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
    let remarks = survey(&file, &Timeline::new(vec![inventory])).remarks;
    assert!(remarks.is_empty(), "{remarks:#?}\n{text}");
    let said: Vec<String> = file.expectations.iter().map(|e| file.sentence(e)).collect();
    assert_eq!(
        said,
        [
            "to load-balancers on tcp 443: may from internet",
            "to app on tcp 8080: may from internet",
            "to alb on tcp 81: may from 192.0.2.0/24",
            "to everything: never from internet",
            "to db on tcp 3306: only from app, in the same VPC",
            "to everything on tcp 22, tcp 3389, udp 3389: only from 198.51.100.0/24, a-2j-x",
            "to group-internet on tcp 9100: never from internet",
        ]
    );
    assert!(text.contains("# sgr-6 of sg-3"), "{text}");
    assert!(text.contains("Rules also name sg-far, not in the inventory."));
}

#[test]
fn nothing_gives_a_file_too() {
    let text = draft(&Inventory::default());
    let file = parse(&text).unwrap();
    // Administration is not for the internet in any case.
    assert_eq!(file.expectations.len(), 2);
}

#[test]
fn names_become_tiers() {
    assert_eq!(write::slug("Web Server (old)"), "web-server-old");
    assert_eq!(write::slug("\u{1b}[31m"), "31m");
    assert_eq!(write::slug("ü"), "group");
    assert_eq!(write::slug("sg-1"), "group-sg-1");
    assert_eq!(write::slug("internet"), "group-internet");
    assert_eq!(quoted("a\"\\\n"), r#""a\"\\\U0000000A""#);
}
