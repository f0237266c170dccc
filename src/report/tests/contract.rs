//! The output contract: keys, order, values, and that all renderers tell the same.

use serde_json::Value;

use super::super::findings_jsonl::FindingsJsonl;
use super::super::rules_jsonl::RulesJsonl;
use super::super::summary_json::SummaryJson;
use super::{options, rendered, same_as_picture, sample, terminal};
use crate::finding::{Conclusions, FindingBuilder, Kind};
use crate::report::TerminalOptions;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(values: &[Value], key: &str) -> Vec<String> {
    values.iter().map(|v| v[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn findings_are_as_promised() {
    same_as_picture("findings.jsonl", &rendered(&FindingsJsonl, &sample()));
}

#[test]
fn rules_are_as_promised() {
    same_as_picture("rules.jsonl", &rendered(&RulesJsonl, &sample()));
}

#[test]
fn summary_is_as_promised() {
    same_as_picture("summary.json", &rendered(&SummaryJson, &sample()));
}

#[test]
fn every_key_is_there_when_nothing_is_known() {
    let bare = FindingBuilder::new("d", Kind::UnusedRule, "c").about("x").told("t", "s").evidence("e", 1);
    let bare = Conclusions { findings: vec![bare.next("n").build().unwrap()], ..Conclusions::default() };
    let [empty, full] = [&bare, &sample()].map(|c| lines(&rendered(&FindingsJsonl, c)).remove(0));
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&empty), keys(&full));
    assert_eq!(empty["account"], Value::Null);
    assert_eq!(empty["ports"], serde_json::json!([]));
    let [empty, full]: [Value; 2] = [Conclusions::default(), sample()]
        .map(|c| serde_json::from_str(&rendered(&SummaryJson, &c)).unwrap());
    assert_eq!(keys(&empty), keys(&full));
    assert_eq!(empty["window"], Value::Null);
    assert_eq!(empty["findings"]["by_kind"]["unused-rule"], 0);
}

#[test]
fn every_renderer_reports_the_same() {
    let conclusions = sample();
    let findings = lines(&rendered(&FindingsJsonl, &conclusions));
    let rules = lines(&rendered(&RulesJsonl, &conclusions));
    let summary: Value = serde_json::from_str(&rendered(&SummaryJson, &conclusions)).unwrap();
    let all = TerminalOptions { per_kind: None, ..options(200) };
    let shown = terminal(&conclusions, &all);

    let expected: Vec<String> = conclusions.findings.iter().map(|f| f.id.clone()).collect();
    assert_eq!(ids(&findings, "id"), expected);
    let in_text: Vec<String> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("  = id: "))
        .map(|rest| rest.split(',').next().unwrap().to_owned())
        .collect();
    assert_eq!(in_text, expected);

    assert_eq!(summary["findings"]["total"], findings.len());
    for (key, of) in [("by_kind", "kind"), ("by_severity", "severity")] {
        for (word, n) in summary["findings"][key].as_object().unwrap() {
            assert_eq!(*n, ids(&findings, of).iter().filter(|is| *is == word).count(), "{word}");
        }
    }
    for severity in ids(&findings, "severity") {
        let n = &summary["findings"]["by_severity"][&severity];
        assert!(shown.contains(&format!("{n} {severity}")), "{severity}");
    }
    assert_eq!(summary["complete"], false);
    assert!(shown.lines().last().is_some_and(|last| last.starts_with("Incomplete")));
    assert_eq!(summary["rules"]["total"], rules.len());
    for (class, n) in summary["rules"]["by_class"].as_object().unwrap() {
        assert_eq!(*n, ids(&rules, "class").iter().filter(|is| *is == class).count(), "{class}");
        let row = shown.lines().find(|line| line.trim_start().starts_with(&**class)).unwrap();
        assert!(row.ends_with(&format!(" {n}")), "{row}");
    }
    for verdict in summary["verdicts"].as_array().unwrap() {
        let reason = verdict["reason"].as_str().unwrap_or("permitted");
        assert!(shown.contains(reason), "{reason}");
    }
}
