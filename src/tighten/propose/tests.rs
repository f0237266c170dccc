//! Proposals from sums that were folded, and from what does not fit the inventory.

use std::sync::Arc;

use super::*;
use crate::finding::{RuleClass, RuleEvidence};
use crate::flow::Protocol;
use crate::inventory::{NetworkInterface, PrefixList, RulePeer, SecurityGroup};
use crate::rollup::{ObservedPeer, ObservedService, OtherSide};

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
        evidence: RuleEvidence::default(),
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
        since: None,
        known_from: 0,
        watch: Arc::default(),
        strangers: 0,
        other_side: OtherSide::default(),
        peer_seconds: None,
        described: true,
        icmp: rule.icmp,
        usage: Arc::default(),
    }
}

/// The plan for some rules of one group with their use.
fn plan(rules: &[(Rule, RuleClass, Grade, ObservedUse)], options: &Options) -> Plan {
    plan_with(rules, options, Inventory::default())
}

/// The same in an inventory that holds more.
fn plan_with(
    rules: &[(Rule, RuleClass, Grade, ObservedUse)],
    options: &Options,
    mut inventory: Inventory,
) -> Plan {
    let group = SecurityGroup {
        id: "sg-1".into(),
        rules: rules.iter().map(|(rule, ..)| rule.clone()).collect(),
        ..SecurityGroup::default()
    };
    inventory.security_groups.insert(group.id.clone(), group);
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
        silence: &BTreeMap::new(),
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

/// That a rule is used takes no more than the use; that it is used for nothing else takes time.
#[test]
fn the_grade_of_use_does_not_carry_a_narrower_rule() {
    let wide = rule("sgr-1", Some(6), Some((443, 443)), "10.0.0.0/8");
    let mut rollups = Rollups::default();
    rollups.window = Some((0, 99));
    rollups.rules = vec![facts(&wide, 0)];
    let group = SecurityGroup { id: "sg-1".into(), rules: vec![wide.clone()], ..SecurityGroup::default() };
    let mut inventory = Inventory::default();
    inventory.security_groups.insert(group.id.clone(), group);
    let timeline = Timeline::new(vec![inventory]);
    let seen = ObservedUse {
        services: vec![service(6, (443, 443))],
        peers: vec![peer("10.1.1.1/32", Some((6, 443)))],
        ..ObservedUse::default()
    };
    let observed = Observed { rules: [(0, seen)].into() };
    let told = |silence: Grade| {
        let silence = [(0, (silence, vec!["too short".to_owned()]))].into();
        let material = Material {
            rollups: &rollups,
            rows: &[row(&wide, RuleClass::Used, Grade::Reliable)],
            covering: &BTreeMap::new(),
            silence: &silence,
            observed: &observed,
            timeline: &timeline,
            options: &Options::default(),
        };
        let plan = propose(&material, Part::All);
        assert_eq!(plan.changes.len(), 1, "{plan:?}");
        (plan.changes[0].action, plan.changes[0].grade, plan.changes[0].reasons.clone())
    };
    assert_eq!(told(Grade::Weak), (Action::Narrow, Grade::Weak, vec!["too short".to_owned()]));
    assert_eq!(told(Grade::Reliable).1, Grade::Reliable);
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
        silence: &BTreeMap::new(),
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

fn list(id: &str, account: &str, most: u32, entries: &[&str]) -> (String, PrefixList) {
    let list = PrefixList {
        id: id.to_owned(),
        name: "offices".to_owned(),
        account: Some(account.to_owned()),
        entries: Some(entries.iter().map(|e| e.parse().unwrap()).collect()),
        max_entries: Some(most),
    };
    (id.to_owned(), list)
}

fn asked_by(peers: &[&str]) -> ObservedUse {
    ObservedUse {
        services: vec![service(6, (443, 443))],
        peers: peers.iter().map(|net| peer(net, Some((6, 443)))).collect(),
        ..ObservedUse::default()
    }
}

#[test]
fn a_list_that_fits_takes_the_place_of_blocks() {
    let wide = rule("sgr-1", Some(6), Some((443, 443)), "10.0.0.0/8");
    let used = asked_by(&["10.1.0.1/32", "10.77.0.1/32", "10.200.0.1/32"]);
    let offices = ["10.1.0.1/32", "10.77.0.0/31", "10.200.0.1/32"];
    let of = |lists: &[(String, PrefixList)], rules: &[(Rule, RuleClass, Grade, ObservedUse)]| {
        let inventory = Inventory { prefix_lists: lists.iter().cloned().collect(), ..Inventory::default() };
        let plan = plan_with(rules, &Options::default(), inventory);
        plan.changes.iter().map(|c| (c.action, texts(c))).next_back().unwrap()
    };
    let rules = [(wide, RuleClass::Permissive, Grade::Reliable, used)];
    let fits = list("pl-fits", "1", 10, &offices);
    let narrow = (
        Action::Narrow,
        vec!["tcp 443 10.1.0.1/32".to_owned(), "tcp 443 10.77.0.1/32".into(), "tcp 443 10.200.0.1/32".into()],
    );
    let listed = (Action::ReplaceByPrefixList, vec!["tcp 443 pl-fits".to_owned()]);
    assert_eq!(of(std::slice::from_ref(&fits), &rules), listed);
    // The tighter one of two.
    let looser = list("pl-a", "1", 10, &["10.1.0.0/30", "10.77.0.0/31", "10.200.0.1/32"]);
    assert_eq!(of(&[looser, fits], &rules), listed);
    // One that lacks a peer, one that lets others in, one that is far too wide, and one that is too heavy.
    for other in [
        list("pl-a", "1", 10, &offices[..2]),
        list("pl-b", "1", 10, &[offices[0], offices[1], offices[2], "192.168.0.1/32"]),
        list("pl-c", "1", 10, &["10.0.0.0/9", "10.200.0.0/16"]),
        list("pl-d", "1", 61, &offices),
    ] {
        assert_eq!(of(&[other], &rules), narrow);
    }
}

#[test]
fn lists_of_aws_stay_and_their_ports_do_not() {
    let of_aws = Rule { peer: RulePeer::PrefixList("pl-aws".into()), ..rule("sgr-1", Some(6), None, "::/0") };
    let unread =
        Rule { peer: RulePeer::PrefixList("pl-gone".into()), ..rule("sgr-2", Some(6), None, "::/0") };
    let used = asked_by(&["52.218.0.1/32"]);
    let lists = [list("pl-aws", "AWS", 1, &["52.218.0.0/17"])].into();
    let inventory = Inventory { prefix_lists: lists, ..Inventory::default() };
    let rules = [of_aws, unread].map(|rule| (rule, RuleClass::Permissive, Grade::Reliable, used.clone()));
    let plan = plan_with(&rules, &Options::default(), inventory);
    let all: Vec<String> = plan.changes.iter().flat_map(texts).collect();
    assert_eq!(all.len(), 2);
    assert!(all.contains(&"tcp 443 pl-aws".to_owned()) && all.contains(&"tcp 443 pl-gone".to_owned()));
}

#[test]
fn an_interface_has_no_more_than_a_thousand_rules() {
    let wide = rule("sgr-1", Some(6), Some((443, 443)), "10.0.0.0/8");
    let used = asked_by(&["10.1.0.1/32", "10.1.9.1/32", "10.200.0.1/32"]);
    // Another group of the same interface has all but two of them already, by a raised quota.
    let other = |n: u32| Rule {
        group: "sg-2".into(),
        ..rule(&format!("sgr-o{n}"), Some(6), Some((80, 80)), &format!("172.16.{}.{}/32", n / 250, n % 250))
    };
    let crowd =
        SecurityGroup { id: "sg-2".into(), rules: (0..998).map(other).collect(), ..SecurityGroup::default() };
    let both = NetworkInterface {
        id: "eni-1".into(),
        groups: vec!["sg-1".into(), "sg-2".into()],
        ..NetworkInterface::default()
    };
    let inventory = Inventory {
        security_groups: [("sg-2".to_owned(), crowd)].into(),
        interfaces: [("eni-1".to_owned(), both)].into(),
        ..Inventory::default()
    };
    let rules = [(wide, RuleClass::Permissive, Grade::Reliable, used)];
    let options = Options { blocks: Some(3), ..Options::default() };
    let change = &plan_with(&rules, &options, inventory).changes[0];
    assert_eq!(change.add.len(), 2, "999 rules, and 1,000 are allowed");
    assert!(change.reasons.iter().any(|reason| reason.contains("2 instead of 3")), "{:?}", change.reasons);
    assert_eq!(plan(&rules, &options).changes[0].add.len(), 3);
}
