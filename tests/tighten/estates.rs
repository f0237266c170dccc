//! Small estates: one question each.

use std::path::PathBuf;

use flowgate::Silent;
use flowgate::finding::Grade;
use flowgate::pipeline::{AnalyzeConfig, Input, Tightened, tighten};
use flowgate::tighten::{Action, Change, Headroom, Options, RulePeer};

use super::estate::{Came, Estate, SPAN, Seen, eni};
use super::judge;

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn plan(estate: &Estate, options: &Options) -> Tightened {
    let directory = tempfile::tempdir().unwrap();
    estate.write(directory.path());
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.path().join("flow.log"))],
        inventories: vec![PathBuf::from(directory.path()).join("inventory")],
        ..AnalyzeConfig::default()
    };
    let tightened = tighten(&config, options, &Silent).unwrap();
    judge::assert_quotas(&tightened.inventory, &tightened.plan);
    judge::assert_no_wider(&tightened.inventory, &tightened.plan);
    tightened
}

fn of<'t>(tightened: &'t Tightened, rule: &str) -> &'t Change {
    let mut changes = tightened.plan.changes.iter();
    let found = changes.find(|change| change.remove.iter().any(|gone| gone.id == rule));
    found.unwrap_or_else(|| panic!("{rule} is left: {:#?}", tightened.plan))
}

fn left<'t>(tightened: &'t Tightened, rule: &str) -> &'t str {
    let found = tightened.plan.left.iter().find(|(id, _)| id == rule);
    found.map_or_else(|| panic!("{rule} is not left: {:#?}", tightened.plan), |(_, why)| why)
}

/// `tcp 443 10.0.0.1/32`, sorted.
fn texts(change: &Change) -> Vec<String> {
    let mut all: Vec<String> = change
        .add
        .iter()
        .map(|r| {
            format!("{} {} {}", r.protocol_text(), r.port_text(), r.peer_text(change.account.as_deref()))
        })
        .collect();
    all.sort();
    all
}

fn talks(estate: &mut Estate, times: u64, client: &'static str, server: &'static str, port: u16) {
    for n in 0..times {
        let talk = estate.talk(100 + n * (SPAN - 300) / times.max(1), client, server, port);
        estate.say(&talk, Came::Through, Seen::Both);
    }
}

const DB: &str = "10.0.0.10";

#[test]
fn sources_and_ports_become_what_was_used() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"])]);
    estate.rules.push(("sg-db", "sgr-wide", false, "-1", (-1, -1), "10.0.0.0/8"));
    for (client, port) in [("10.1.0.4", 5432), ("10.1.0.5", 5432), ("10.2.0.7", 22)] {
        talks(&mut estate, 6, client, DB, port);
    }
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, "sgr-wide");
    assert_eq!(change.action, Action::Narrow);
    assert_eq!(texts(change), ["tcp 22 10.2.0.7/32", "tcp 5432 10.1.0.4/31"]);
    assert_eq!((change.openness_before, change.openness_after), (48.0, Some(3_f64.log2())));
    assert!(change.why.starts_with("18 connections of 3 peers used tcp 22, 5432;"), "{}", change.why);
    assert_eq!(change.grade, Grade::Weak, "three hours are no week");
    assert!(change.curve.is_sorted_by(|a, b| a.rules < b.rules && a.openness >= b.openness));
    // Rooms for more.
    let options = Options { addresses: Headroom::Neighbours, ..Options::default() };
    let tightened = plan(&estate, &options);
    assert_eq!(texts(of(&tightened, "sgr-wide")), ["tcp 22 10.2.0.0/24", "tcp 5432 10.1.0.0/24"]);
}

#[test]
fn members_of_a_group_become_a_reference() {
    let mut estate = Estate::new(vec![
        eni("eni-db", DB, &["sg-db"]),
        eni("eni-w1", "10.0.1.1", &["sg-web", "sg-all"]),
        eni("eni-w2", "10.0.2.2", &["sg-web", "sg-all"]),
        eni("eni-w3", "10.0.3.3", &["sg-web", "sg-all"]),
        eni("eni-else", "10.0.4.4", &["sg-all"]),
    ]);
    estate.rules.push(("sg-db", "sgr-db", false, "tcp", (5432, 5432), "10.0.0.0/16"));
    for client in ["10.0.1.1", "10.0.2.2", "10.0.3.3"] {
        talks(&mut estate, 5, client, DB, 5432);
    }
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, "sgr-db");
    assert_eq!((change.action, texts(change)), (Action::ReplaceByGroup, vec!["tcp 5432 sg-web".to_owned()]));
    // One peer more is in the larger group only.
    talks(&mut estate, 5, "10.0.4.4", DB, 5432);
    assert_eq!(texts(of(&plan(&estate, &Options::default()), "sgr-db")), ["tcp 5432 sg-all"]);
    // And one that is in none.
    talks(&mut estate, 5, "10.0.9.9", DB, 5432);
    assert_eq!(of(&plan(&estate, &Options::default()), "sgr-db").action, Action::Narrow);
}

#[test]
fn a_full_group_gets_fewer_blocks_and_is_told_so() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"])]);
    for n in 0..57 {
        let rule = (
            "sg-db",
            leak(format!("sgr-{n:02}")),
            false,
            "tcp",
            (443, 443),
            leak(format!("172.16.{n}.8/32")),
        );
        estate.rules.push((rule.0, rule.1, rule.2, rule.3, rule.4, rule.5));
    }
    estate.rules.push(("sg-db", "sgr-wide", false, "tcp", (5432, 5432), "10.0.0.0/8"));
    for n in 0..10 {
        let client = leak(format!("10.{}.7.{}", n / 4 * 100, n * 5 + 1));
        talks(&mut estate, 3, client, DB, 5432);
    }
    let tightened = plan(&estate, &Options { blocks: Some(10), ..Options::default() });
    let change = of(&tightened, "sgr-wide");
    assert_eq!(change.add.len(), 3, "58 rules, and 60 are allowed: {change:#?}");
    assert!(change.reasons.iter().any(|r| r.contains("3 instead of 10")), "{:?}", change.reasons);
    assert!(change.reasons.iter().any(|r| r.contains("no room for old and new")), "{:?}", change.reasons);
}

#[test]
fn the_public_stays_and_its_ports_do_not() {
    let mut estate = Estate::new(vec![eni("eni-web", DB, &["sg-web"])]);
    estate.rules.push(("sg-web", "sgr-any", false, "tcp", (0, 65_535), "0.0.0.0/0"));
    estate.rules.push(("sg-web", "sgr-out", true, "-1", (-1, -1), "0.0.0.0/0"));
    for n in 0..60_u64 {
        talks(&mut estate, 1, leak(format!("{}.9.8.7", 20 + n)), DB, 443);
    }
    talks(&mut estate, 12, "10.0.7.7", DB, 22);
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, "sgr-any");
    assert_eq!(texts(change), ["tcp 22 10.0.7.7/32", "tcp 443 0.0.0.0/0"]);
    assert!(change.interrupts, "both directions are open to everywhere");
    assert!(change.reasons.iter().any(|r| r.contains("sources of tcp 443 are left: peers come from 60")));
    let unused = of(&tightened, "sgr-out");
    assert!(unused.interrupts && unused.action == Action::RemoveUnused);
    // Nothing but sources to narrow, and these can't be.
    let mut estate = Estate::new(vec![eni("eni-web", DB, &["sg-web"])]);
    estate.rules.push(("sg-web", "sgr-web", false, "tcp", (443, 443), "0.0.0.0/0"));
    for n in 0..60_u64 {
        talks(&mut estate, 1, leak(format!("{}.9.8.7", 20 + n)), DB, 443);
    }
    let tightened = plan(&estate, &Options::default());
    assert!(tightened.plan.changes.is_empty());
    assert!(left(&tightened, "sgr-web").contains("too many and too spread"));
}

#[test]
fn what_came_late_is_unknown_to_what_was_learned_before() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"])]);
    estate.rules.push(("sg-db", "sgr-db", false, "tcp", (5432, 5432), "10.0.0.0/8"));
    estate.rules.push(("sg-db", "sgr-late", false, "tcp", (22, 22), "10.0.0.0/8"));
    for n in 0..12 {
        let talk = estate.talk(200 + n * 300, "10.1.1.1", DB, 5432);
        estate.say(&talk, Came::Through, Seen::Both);
    }
    for (client, port) in [("10.7.7.7", 5432), ("10.1.1.1", 22)] {
        let talk = estate.talk(SPAN - 900, client, DB, port);
        estate.say(&talk, Came::Through, Seen::Both);
    }
    let tightened = plan(&estate, &Options::default());
    assert_eq!(texts(of(&tightened, "sgr-db")), ["tcp 5432 10.1.1.1/32", "tcp 5432 10.7.7.7/32"]);
    assert_eq!(texts(of(&tightened, "sgr-late")), ["tcp 22 10.1.1.1/32"]);
    let early = |rule: &str| {
        tightened.early.changes.iter().find(|c| c.remove[0].id == rule).map(|c| (c.action, texts(c))).unwrap()
    };
    assert_eq!(early("sgr-db"), (Action::Narrow, vec!["tcp 5432 10.1.1.1/32".to_owned()]));
    assert_eq!(early("sgr-late"), (Action::RemoveUnused, vec![]));
    let (start, end) = tightened.plan.window.unwrap();
    let held_out = tightened.plan.held_out.unwrap();
    assert!((held_out - start) * 5 >= (end - start) * 4 - 5 && held_out < end);
}

#[test]
fn duplicates_go_and_what_stands_in_for_them_keeps_their_use() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"])]);
    estate.rules.push(("sg-db", "sgr-a", false, "tcp", (5432, 5432), "10.1.0.0/16"));
    estate.rules.push(("sg-db", "sgr-b", false, "tcp", (5000, 6000), "10.0.0.0/8"));
    estate.rules.push(("sg-db", "sgr-c", false, "tcp", (80, 80), "192.168.1.1/32"));
    estate.rules.push(("sg-db", "sgr-d", false, "tcp", (81, 82), "192.168.1.1/32"));
    talks(&mut estate, 12, "10.1.0.4", DB, 5432);
    talks(&mut estate, 12, "10.8.0.4", DB, 5600);
    for port in [80, 81, 82] {
        talks(&mut estate, 4, "192.168.1.1", DB, port);
    }
    let tightened = plan(&estate, &Options::default());
    let merged = of(&tightened, "sgr-a");
    assert_eq!(
        (merged.action, merged.grade, merged.add.len()),
        (Action::MergeDuplicates, Grade::Reliable, 0)
    );
    assert_eq!(texts(of(&tightened, "sgr-b")), ["tcp 5432 10.1.0.4/32", "tcp 5600 10.8.0.4/32"]);
    let joined = of(&tightened, "sgr-c");
    assert_eq!((joined.action, joined.remove.len()), (Action::MergeDuplicates, 2));
    assert_eq!(texts(joined), ["tcp 80-82 192.168.1.1/32"]);
    assert_eq!(joined.openness_after, Some(joined.openness_before));
}

#[test]
fn two_rules_that_become_the_same_are_one_change() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"])]);
    estate.rules.push(("sg-db", "sgr-a", false, "tcp", (5000, 5500), "10.0.0.0/8"));
    estate.rules.push(("sg-db", "sgr-b", false, "tcp", (5400, 6000), "10.0.0.0/8"));
    estate.rules.push(("sg-db", "sgr-same", false, "tcp", (22, 22), "10.1.0.9/32"));
    estate.rules.push(("sg-db", "sgr-wide", false, "tcp", (22, 22), "10.1.0.0/16"));
    talks(&mut estate, 12, "10.1.0.4", DB, 5432);
    talks(&mut estate, 12, "10.1.0.5", DB, 5100);
    talks(&mut estate, 12, "10.1.0.6", DB, 5900);
    talks(&mut estate, 12, "10.1.0.9", DB, 22);
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, "sgr-a");
    assert_eq!(change.remove.len(), 2, "{change:#?}");
    assert_eq!(texts(change), ["tcp 5100 10.1.0.5/32", "tcp 5432 10.1.0.4/32", "tcp 5900 10.1.0.6/32"]);
    // What the wide one becomes is there already: the small one stays, and the wide one goes.
    let wide = of(&tightened, "sgr-wide");
    assert!(wide.add.is_empty() && wide.openness_after.is_none(), "{wide:#?}");
    assert!(left(&tightened, "sgr-same").contains("sgr-wide"));
}

#[test]
fn hostile_names_stay_data() {
    let group = "sg-\u{1b}[31m\u{202e}'; rm -rf / #\"\n.";
    let rule = "sgr-\"}]\u{9b}\n{{x";
    let mut estate = Estate::new(vec![eni("eni-db", DB, &[group])]);
    estate.rules.push((group, rule, false, "tcp", (0, 65_535), "10.0.0.0/8"));
    talks(&mut estate, 12, "10.1.0.4", DB, 22);
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, rule);
    assert_eq!((change.group.as_str(), change.add[0].group.as_str()), (group, group));
    let description = change.add[0].description.as_deref().unwrap();
    assert!(description.len() <= 255 && description.chars().all(|c| c.is_ascii_graphic() || c == ' '));
    assert!(!description.contains(['"', '\'', '\n']));
    let mut out = Vec::new();
    flowgate::report::write_plan_json(&tightened.plan, false, &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']));
    let back: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(back["changes"][0]["security_group"], group);
    assert_eq!(back["changes"][0]["remove"][0]["rule_id"], rule);
}

#[test]
fn only_the_groups_that_are_asked_for() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db", "sg-more"])]);
    for group in ["sg-db", "sg-more"] {
        estate.rules.push((group, leak(format!("sgr-{group}")), false, "tcp", (0, 65_535), "10.0.0.0/8"));
    }
    talks(&mut estate, 12, "10.1.0.4", DB, 22);
    let options = Options { groups: ["sg-more".to_owned()].into(), ..Options::default() };
    let tightened = plan(&estate, &options);
    assert!(
        tightened.plan.changes.iter().all(|c| c.group == "sg-more") && !tightened.plan.changes.is_empty()
    );
    assert!(tightened.plan.left.is_empty());
    // The logs are short, so nothing is safe, whatever the replay says.
    let tightened = plan(&estate, &Options { safe_only: true, ..Options::default() });
    assert!(tightened.plan.changes.is_empty());
    assert!(left(&tightened, "sgr-sg-db").contains("only safe ones"));
}

#[test]
fn references_keep_their_group_and_lose_ports() {
    let mut estate = Estate::new(vec![eni("eni-db", DB, &["sg-db"]), eni("eni-w1", "10.0.1.1", &["sg-web"])]);
    estate.rules.push(("sg-db", "sgr-ref", false, "-1", (-1, -1), "sg-web"));
    talks(&mut estate, 12, "10.0.1.1", DB, 5432);
    let tightened = plan(&estate, &Options::default());
    let change = of(&tightened, "sgr-ref");
    assert_eq!(texts(change), ["tcp 5432 sg-web"]);
    assert!(matches!(&change.add[0].peer, RulePeer::Group { .. }) && change.curve.is_empty());
}
