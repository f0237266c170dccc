//! The class of each rule against what its habits are, in worlds whose logs lack all kinds of things.

use std::collections::BTreeMap;

use flowgate::finding::{Grade, RuleClass};
use flowgate::pipeline::{AnalyzeConfig, Input, Silent, analyze};

use super::world::usage::{Known, Logs, Usage, generate};

/// Rules by what was said, over some worlds.
#[derive(Debug, Default)]
struct Tally {
    rules: u64,
    reliable: u64,
    right: u64,
    /// Called unused, and reliably so.
    unused: u64,
    /// Of these, used by somebody.
    wrongly_unused: Vec<String>,
    wrong: Vec<String>,
    not_evaluable: u64,
    /// Told as no longer used.
    ended: u64,
}

fn judge(usage: Usage, tally: &mut Tally) {
    let directory = tempfile::tempdir().unwrap();
    let truth = generate(directory.path(), &usage).unwrap();
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.path().join("flow.log"))],
        inventories: vec![directory.path().join("inventory")],
        threads: 2,
        only: vec!["unused-rule".into(), "redundant-rule".into(), "permissive-rule".into()],
        ..AnalyzeConfig::default()
    };
    let conclusions = analyze(&config, None, &Silent).unwrap();
    assert_eq!(conclusions.summary.tally.malformed, 0, "{:?}", conclusions.summary.tally);
    assert_eq!(conclusions.rules.len(), truth.classes.len());
    for finding in conclusions.findings.iter().filter(|f| f.cause == "no-longer-used") {
        let rule = finding.rule_id.as_ref().unwrap();
        assert!(truth.ended.contains(rule), "{usage:?}: {} goes on", finding.title);
        tally.ended += 1;
    }
    for row in &conclusions.rules {
        let told = format!(
            "{usage:?}: {} {} {} of {}, {} connections: {} {:?}",
            row.direction,
            row.port_range,
            row.peer,
            row.security_group,
            row.connections,
            row.class.as_str(),
            row.evidence
        );
        let class = truth.classes[&row.rule_id];
        tally.rules += 1;
        tally.not_evaluable += u64::from(row.grade == Grade::NotEvaluable);
        if row.grade != Grade::Reliable {
            assert!(!row.grade_reasons.is_empty(), "no reason: {told}");
            continue;
        }
        assert!(row.grade_reasons.is_empty(), "{told}: {:?}", row.grade_reasons);
        tally.reliable += 1;
        if row.class.as_str() == class {
            tally.right += 1;
        } else {
            tally.wrong.push(format!("{told}, but it is {class}"));
        }
        if row.class == RuleClass::Unused {
            tally.unused += 1;
            if truth.used.contains(&row.rule_id) {
                tally.wrongly_unused.push(told);
            }
        }
    }
}

fn over(days: &[i64], seeds: &[u64], logs: Logs, known: Known) -> Tally {
    let mut tally = Tally::default();
    for &days in days {
        for &seed in seeds {
            judge(Usage { seed, days, logs, known }, &mut tally);
        }
    }
    println!(
        "{logs:?}, {known:?}, {days:?} days: {} rules, {} reliable, {} of them right, {} reliably unused, {} not evaluable, \
         {} no longer used",
        tally.rules, tally.reliable, tally.right, tally.unused, tally.not_evaluable, tally.ended
    );
    tally.wrong.truncate(8);
    assert_eq!(tally.wrongly_unused, Vec::<String>::new());
    assert!(tally.right as f64 >= 0.99 * tally.reliable as f64, "{tally:#?}");
    tally
}

#[test]
fn whole_logs() {
    let long = over(&[50, 100], &[1, 2, 3], Logs::Whole, Known::Weekly);
    // Not by saying nothing.
    assert!(long.reliable * 10 > long.rules * 6, "{long:#?}");
    assert!(long.unused >= 6 * 15, "{long:#?}");
    assert_eq!(long.ended, 6 * 5, "{long:#?}");
    let short = over(&[14, 30], &[1, 2, 3], Logs::Whole, Known::Weekly);
    assert_eq!(short.unused, 0, "a monthly job has not had its chance");
}

#[test]
fn one_inventory_without_a_date_does_not_tell_since_when_rules_exist() {
    let tally = over(&[50, 100], &[4, 5], Logs::Whole, Known::Undated);
    assert_eq!(tally.unused, 0);
}

#[test]
fn gaps_in_delivery() {
    let tally = over(&[50, 100], &[6, 7, 8], Logs::Gaps, Known::Weekly);
    assert!(tally.unused > 0, "three months make up for some hours: {tally:#?}");
}

#[test]
fn lost_by_capture() {
    let tally = over(&[50, 100], &[9, 10], Logs::Skips, Known::Weekly);
    assert_eq!(tally.unused, 0);
}

#[test]
fn accepted_traffic_only_is_enough_and_rejected_only_is_nothing() {
    let accepts = over(&[50], &[11, 12], Logs::AcceptOnly, Known::Weekly);
    assert!(accepts.unused >= 2 * 15, "{accepts:#?}");
    let rejects = over(&[50], &[13], Logs::RejectOnly, Known::Weekly);
    assert_eq!(rejects.reliable, 0);
    assert_eq!(rejects.not_evaluable, rejects.rules);
}

/// One line that can't be read may be the one use of any rule.
#[test]
fn what_was_not_read_may_hold_any_use() {
    let directory = tempfile::tempdir().unwrap();
    let usage = Usage { seed: 1, days: 50, logs: Logs::Whole, known: Known::Weekly };
    generate(directory.path(), &usage).unwrap();
    let log = directory.path().join("flow.log");
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(log.clone())],
        inventories: vec![directory.path().join("inventory")],
        ..AnalyzeConfig::default()
    };
    let reliable = || {
        let rules = analyze(&config, None, &Silent).unwrap().rules.into_iter();
        rules.filter(|row| row.grade == Grade::Reliable).map(|row| row.class).collect::<Vec<_>>()
    };
    let whole = reliable();
    assert!(whole.contains(&RuleClass::Unused) && whole.contains(&RuleClass::Permissive), "{whole:?}");
    let mut text = std::fs::read_to_string(&log).unwrap();
    text.push_str("2 111122223333 eni-0 10.0.\n");
    std::fs::write(&log, text).unwrap();
    let torn = reliable();
    assert!(torn.contains(&RuleClass::Used), "use is use: {torn:?}");
    assert!(!torn.contains(&RuleClass::Unused) && !torn.contains(&RuleClass::Permissive), "{torn:?}");
}

/// Every reason that keeps a rule from being called unused is told, and told of the right rules.
#[test]
fn what_can_not_be_said_is_said_so() {
    let directory = tempfile::tempdir().unwrap();
    let usage = Usage { seed: 14, days: 50, logs: Logs::Whole, known: Known::Weekly };
    generate(directory.path(), &usage).unwrap();
    let config = AnalyzeConfig {
        inputs: vec![Input::Local(directory.path().join("flow.log"))],
        inventories: vec![directory.path().join("inventory")],
        ..AnalyzeConfig::default()
    };
    let conclusions = analyze(&config, None, &Silent).unwrap();
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for row in conclusions.rules.iter().filter(|row| row.connections == 0) {
        for reason in &row.grade_reasons {
            let shape = reason
                .split("sg-")
                .next()
                .unwrap()
                .trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
            told.entry(shape.to_owned()).or_default().push(row.class.as_str());
        }
    }
    let classes = |start: &str| -> Vec<&str> {
        told.iter().filter(|(reason, _)| reason.starts_with(start)).flat_map(|(_, c)| c.clone()).collect()
    };
    assert_eq!(classes("no interface is in"), ["not-evaluable"; 10], "batch and marker: {told:#?}");
    assert_eq!(classes("its group is attached to no interface now (scaled to zero)").len(), 1, "{told:#?}");
    assert!(classes("its group is attached to no interface").contains(&"not-evaluable"));
    let seasonal = classes("interfaces were in");
    assert!(!seasonal.is_empty() && seasonal.iter().all(|class| *class == "unused"), "{told:#?}");
    assert!(!classes("it was watched for").is_empty(), "young rules: {told:#?}");
}
