//! Proposals from sums that were folded, and from what does not fit the inventory.

use std::sync::Arc;

use super::*;
use crate::finding::RuleClass;
use crate::flow::Protocol;
use crate::inventory::{RulePeer, SecurityGroup};
use crate::rollup::{ObservedPeer, ObservedService};

fn rule(id: &str, protocol: Option<u8>, ports: Option<(u16, u16)>, peer: &str) -> Rule {
    Rule {
        id: id.into(),
        synthetic: false,
        group: "sg-1".into(),
        direction: Direction::Inbound,
        protocol: protocol.map(Protocol),
        ports,
        icmp: None,
        peer: RulePeer::Cidr(peer.parse().unwrap()),
        description: None,
    }
}

fn service(protocol: u8, ports: (u16, u16)) -> ObservedService {
    ObservedService { protocol: Protocol(protocol), ports, connections: 50, first: 10 }
}

fn peer(net: &str, service: Option<(u8, u16)>) -> ObservedPeer {
    let service = service.map(|(protocol, port)| (Protocol(protocol), port));
    ObservedPeer { net: net.parse().unwrap(), service, connections: 50, first: 10 }
}

fn row(rule: &Rule, class: RuleClass, grade: Grade) -> RuleRow {
    RuleRow {
        rule_id: rule.id.clone(),
        security_group: rule.group.clone(),
        direction: rule.direction,
        protocol: rule.protocol_text(),
        port_range: rule.port_text(),
        peer: rule.peer_text(None),
        connections: 50,
        sole_connections: 50,
        bytes: 0,
        first_used: None,
        last_used: None,
        distinct_peers: 0,
        approximate: true,
        distinct_peers_error: 0.1,
        observed_ports: Vec::new(),
        observed_port_ranges: Vec::new(),
        interfaces: Arc::new([]),
        grade,
        grade_reasons: (grade != Grade::Reliable).then(|| "no log".to_owned()).into_iter().collect(),
        class,
    }
}

fn facts(rule: &Rule, number: u32) -> RuleFacts {
    let blocks = match &rule.peer {
        RulePeer::Cidr(net) => Some(vec![*net]),
        _ => None,
    };
    RuleFacts {
        number,
        id: rule.id.clone(),
        group: rule.group.clone(),
        group_name: String::new(),
        vpc: None,
        account: None,
        region: None,
        direction: rule.direction,
        protocol: rule.protocol,
        protocol_text: rule.protocol_text(),
        port_text: rule.port_text(),
        peer_text: rule.peer_text(None),
        ports: rule.ports,
        blocks,
        references_group: false,
        interfaces: Arc::new([]),
        places: Arc::new([]),
        group_is_referenced: false,
        invisible: None,
        existed_throughout: true,
        since: None,
        usage: Arc::default(),
    }
}

/// The plan for some rules of one group with their use.
fn plan(rules: &[(Rule, RuleClass, Grade, ObservedUse)], options: &Options) -> Plan {
    let group = SecurityGroup {
        id: "sg-1".into(),
        rules: rules.iter().map(|(rule, ..)| rule.clone()).collect(),
        ..SecurityGroup::default()
    };
    let inventory =
        Inventory { security_groups: [("sg-1".to_owned(), group)].into(), ..Inventory::default() };
    let timeline = Timeline::new(vec![inventory]);
    let mut rollups = Rollups::default();
    rollups.window = Some((0, 99));
    rollups.rules = (0..).zip(rules).map(|(n, (rule, ..))| facts(rule, n)).collect();
    let rows: Vec<RuleRow> = rules.iter().map(|(rule, class, grade, _)| row(rule, *class, *grade)).collect();
    let uses = (0..).zip(rules).map(|(n, (.., used))| (n, used.clone()));
    let observed = Observed { rules: uses.filter(|(_, used)| !used.services.is_empty()).collect() };
    let material = Material {
        rollups: &rollups,
        rows: &rows,
        covering: &BTreeMap::new(),
        observed: &observed,
        timeline: &timeline,
        options,
    };
    propose(&material, Part::All)
}

fn texts(change: &Change) -> Vec<String> {
    let text = |r: &Rule| format!("{} {} {}", r.protocol_text(), r.port_text(), r.peer_text(None));
    change.add.iter().map(text).collect()
}

#[test]
fn what_was_folded_is_held_and_said() {
    let wide = rule("sgr-1", None, None, "10.0.0.0/8");
    let used = ObservedUse {
        services: vec![
            service(1, (0, 0)),
            service(6, (1024, 1535)),
            service(6, (4096, 4607)),
            service(47, (0, 0)),
        ],
        peers: vec![peer("10.1.0.0/20", None), peer("10.1.16.0/20", None), peer("10.200.0.0/24", None)],
        ports_folded: true,
        peers_folded: true,
    };
    let plan = plan(&[(wide, RuleClass::Permissive, Grade::Reliable, used)], &Options::default());
    let change = &plan.changes[0];
    let mut expected = Vec::new();
    for what in ["icmp all", "tcp 1024-1535", "tcp 4096-4607", "47 all"] {
        expected.extend(["10.1.0.0/19", "10.200.0.0/24"].map(|net| format!("{what} {net}")));
    }
    assert_eq!(texts(change), expected);
    assert!(change.add.iter().all(|r| (r.protocol == Some(Protocol::ICMP)) == (r.icmp == Some((-1, -1)))));
    assert!(change.reasons.iter().any(|r| r.contains("too many ports or addresses")));
    assert!(change.why.contains("some 3 blocks") && change.why.contains("protocol 47"), "{}", change.why);
}

#[test]
fn blocks_wider_than_the_rule_are_cut_to_it() {
    let small = rule("sgr-1", Some(6), Some((0, 65_535)), "10.1.2.0/25");
    let used = ObservedUse {
        services: vec![service(6, (443, 443))],
        peers: vec![peer("10.1.0.0/16", None)],
        ports_folded: false,
        peers_folded: true,
    };
    let plan = plan(&[(small, RuleClass::Permissive, Grade::Reliable, used)], &Options::default());
    assert_eq!(texts(&plan.changes[0]), ["tcp 443 10.1.2.0/25"]);
}

#[test]
fn ipv6_to_everywhere_is_counted_without_overflow() {
    let wide = rule("sgr-1", None, None, "::/0");
    let used = ObservedUse {
        services: vec![service(6, (443, 443)), service(58, (0, 0))],
        peers: vec![peer("fd00::1/128", Some((6, 443))), peer("fd00::/16", Some((58, 0)))],
        ..ObservedUse::default()
    };
    let plan = plan(&[(wide, RuleClass::Permissive, Grade::Reliable, used)], &Options::default());
    let change = &plan.changes[0];
    assert_eq!(texts(change), ["tcp 443 fd00::1/128", "icmpv6 all fd00::/16"]);
    assert_eq!((change.openness_before, change.openness_after), (152.0, Some(112.0)));
}

#[test]
fn what_the_logs_cannot_tell_is_left() {
    let rules = [
        (rule("sgr-1", Some(6), None, "10.0.0.0/8"), RuleClass::NotEvaluable, Grade::NotEvaluable),
        (rule("sgr-2", Some(17), None, "10.0.0.0/8"), RuleClass::Unused, Grade::NotEvaluable),
        // Its use was that of an earlier form of it.
        (rule("sgr-3", Some(6), None, "192.168.0.0/16"), RuleClass::Used, Grade::Reliable),
    ];
    let used = ObservedUse {
        services: vec![service(6, (443, 443))],
        peers: vec![peer("10.1.1.1/32", Some((6, 443)))],
        ..ObservedUse::default()
    };
    let rules = rules.map(|(rule, class, grade)| {
        let seen = if rule.id == "sgr-3" { used.clone() } else { ObservedUse::default() };
        (rule, class, grade, seen)
    });
    let plan = plan(&rules, &Options::default());
    assert!(plan.changes.is_empty(), "{:#?}", plan.changes);
    let left: Vec<(&str, &str)> = plan.left.iter().map(|(id, why)| (&**id, &**why)).collect();
    assert_eq!(
        left,
        [("sgr-1", "no log"), ("sgr-2", "no log"), ("sgr-3", "what it was used for, it no longer permits")]
    );
}

#[test]
fn no_inventory_is_no_plan() {
    let (rollups, observed, timeline) = (Rollups::default(), Observed::default(), Timeline::default());
    let material = Material {
        rollups: &rollups,
        rows: &[],
        covering: &BTreeMap::new(),
        observed: &observed,
        timeline: &timeline,
        options: &Options::default(),
    };
    assert_eq!(propose(&material, Part::All), Plan::default());
    assert_eq!(propose(&material, Part::Before(7)), Plan::default());
}

#[test]
fn icmp_keeps_its_type_and_loses_peers() {
    let echo = Rule { icmp: Some((8, 0)), ..rule("sgr-1", Some(1), None, "10.0.0.0/8") };
    let used = ObservedUse {
        services: vec![service(1, (0, 0))],
        peers: vec![peer("10.1.1.1/32", Some((1, 0)))],
        ..ObservedUse::default()
    };
    let plan = plan(&[(echo, RuleClass::Used, Grade::Reliable, used)], &Options::default());
    assert_eq!(texts(&plan.changes[0]), ["icmp type 8 code 0 10.1.1.1/32"]);
    assert_eq!(plan.changes[0].add[0].icmp, Some((8, 0)));
}
