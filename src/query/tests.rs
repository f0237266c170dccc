//! Heads, parameters and what becomes of hostile values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::lexer::{Kind, pieces};
use super::*;

const FILE: &str = "\
-- title: A title
-- question: What is asked
--   in two lines: this one has a colon.
-- columns: a = first; b = second
-- param: address (address) of the other side
-- param: note (text) = 'it''s a = default' a note
-- param: side (inbound|outbound) = null which way
-- tables: connections, rules
-- no-insights: joins
SELECT 1 AS a, :note AS b -- :address is a comment
FROM connections WHERE remote = :address AND direction = :side AND x = ':address'
";

fn question() -> Question {
    Question::parse("asked", FILE, Some("-- :x\nSELECT :address"), None).unwrap()
}

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_head_is_read() {
    let question = question();
    assert_eq!(question.title, "A title");
    assert_eq!(question.question, "What is asked in two lines: this one has a colon.");
    assert_eq!(
        question.columns,
        [("a", "first"), ("b", "second")].map(|(a, b)| (a.to_owned(), b.to_owned()))
    );
    assert_eq!(question.tables, ["connections", "rules"]);
    assert_eq!(question.insights, Twin::None("joins".to_owned()));
    let note = question.parameter("note").unwrap();
    assert_eq!(note.default, Some(Some("it's a = default".to_owned())));
    assert_eq!(note.meaning, "a note");
    assert_eq!(question.parameter("side").unwrap().default, Some(None));
    assert_eq!(question.parameter("address").unwrap().default, None);
    assert!(question.sql.starts_with("SELECT 1"));
}

#[test]
fn a_wrong_head_is_refused() {
    let parse = |file: String| Question::parse("asked", Box::leak(file.into_boxed_str()), Some(""), None);
    for (from, to, fault) in [
        ("-- title: A title\n", "", "`title` is missing"),
        ("-- tables:", "-- title:", "`title` is missing, or there twice"),
        ("-- title", "-- titel", "line 1"),
        ("(address)", "(adress)", "the type is unknown"),
        ("(inbound|outbound) = null", "(inbound|outbound) = both", "the default is none of the type"),
        ("direction = :side", "direction = 'x'", "`side` is not used"),
        ("x = ':address'", "x = :other", "`other` is used, but not declared"),
        ("-- no-insights: joins\n", "", "`no-insights` is missing"),
        ("-- param: note", "-- param: side", "`side` is declared twice"),
    ] {
        let error = parse(FILE.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains(fault), "{fault}: {error}");
    }
}

#[test]
fn values_are_filled_in_where_parameters_stand() {
    let filled =
        question().fill(Target::Store, &values(&[("address", "::ffff:10.0.0.1"), ("side", "inbound")]));
    assert_eq!(
        filled.unwrap(),
        "SELECT 1 AS a, 'it''s a = default' AS b -- :address is a comment\n\
         FROM connections WHERE remote = '10.0.0.1' AND direction = 'inbound' AND x = ':address'\n"
    );
    let filled = question().fill(Target::Athena, &values(&[("address", "2001:DB8::0:1")]));
    assert_eq!(filled.unwrap(), "-- :x\nSELECT '2001:db8::1'");
}

#[test]
fn what_does_not_fit_is_told() {
    let error =
        |target, pairs: &[(&str, &str)]| question().fill(target, &values(pairs)).unwrap_err().to_string();
    assert_eq!(error(Target::Store, &[]), "asked needs `address`: of the other side");
    assert_eq!(error(Target::Store, &[("addres", "1")]), "asked has no parameter `addres`");
    assert_eq!(error(Target::Insights, &[]), "asked has no twin for CloudWatch Logs Insights: joins");
    assert_eq!(
        error(Target::Store, &[("address", "10.0.0.1' OR 'a' = 'a")]),
        "address=10.0.0.1' OR 'a' = 'a: not an address like 203.0.113.7 or 2001:db8::7"
    );
    assert_eq!(
        error(Target::Store, &[("address", "10.0.0.1"), ("side", "in")]),
        "side=in: not inbound or outbound"
    );
}

#[test]
fn literals_of_each_type() {
    let literal = |takes: &str, value: &str, dialect| {
        Parameter::parse(&format!("x ({takes}) a meaning")).unwrap().takes.literal(value, dialect)
    };
    for (takes, value, sql, insights) in [
        ("network", "10.1.2.3/8", "'10.0.0.0/8'", "\"10.0.0.0/8\""),
        ("network", "10.1.2.3", "'10.1.2.3/32'", "\"10.1.2.3/32\""),
        (
            "networks",
            "10.0.0.0/8, 2001:db8::/32",
            "'10.0.0.0/8,2001:db8::/32'",
            "\"10.0.0.0/8,2001:db8::/32\"",
        ),
        ("rule", "sgr-1", "'sgr-1'", "\"sgr-1\""),
        ("text", "it's \"\\", "'it''s \"\\'", "\"it's \\\"\\\\\""),
        ("count", "007", "7", "7"),
        ("number", "-1.50", "(-1.50)", "(-1.50)"),
        ("port", "65535", "65535", "65535"),
        ("protocol", "TCP", "6", "6"),
        ("protocol", "47", "47", "47"),
        ("flag", "true", "TRUE", "true"),
        ("time", "2026-03-01T13:00:00.25+01:00", "TIMESTAMP '2026-03-01 12:00:00.250'", "1772366400"),
        ("time", "2026-03-01", "TIMESTAMP '2026-03-01 00:00:00'", "1772323200"),
        ("day", "2026-03-01", "DATE '2026-03-01'", "\"2026-03-01\""),
        ("duration", "5m", "300", "300"),
    ] {
        assert_eq!(literal(takes, value, Dialect::Sql).as_deref(), Some(sql), "{takes} {value}");
        assert_eq!(literal(takes, value, Dialect::Insights).as_deref(), Some(insights), "{takes} {value}");
    }
    for (takes, value) in [
        ("address", "10.0.0"),
        ("address", "10.0.0.0/8"),
        ("network", "10.0.0.0/33"),
        ("networks", "10.0.0.0/8,"),
        ("rule", "sgr-1'"),
        ("rule", ""),
        ("text", "a\0b"),
        ("count", "-1"),
        ("count", "1.5"),
        ("count", "99999999999999999999"),
        ("number", "1e9"),
        ("number", "--1"),
        ("number", "nan"),
        ("port", "65536"),
        ("protocol", "256"),
        ("protocol", "http"),
        ("flag", "TRUE"),
        ("time", "yesterday"),
        ("day", "2026-3-1"),
        ("day", "2026-02-30"),
        ("duration", "5"),
        ("duration", "-5m"),
    ] {
        assert_eq!(literal(takes, value, Dialect::Sql), None, "{takes} {value}");
    }
}

proptest! {
    /// Whatever is told, the question keeps its pieces: a value is one literal, or refused.
    #[test]
    fn no_value_gets_out_of_its_literal(
        value in "[-'\"\\\\;:/* \n\\x00a0.]{0,12}|\\PC{0,12}",
        takes in prop::sample::select(vec![
            "address", "network", "networks", "rule", "text", "count", "number", "port", "protocol", "flag",
            "time", "day", "duration", "a|b",
        ]),
    ) {
        let takes = Parameter::parse(&format!("x ({takes}) a meaning")).unwrap().takes;
        for dialect in [Dialect::Sql, Dialect::Insights] {
            let Some(literal) = takes.literal(&value, dialect) else { continue };
            let text = format!("a = {literal} AND b");
            let kinds: Vec<Kind> = pieces(&text, dialect).into_iter().map(|piece| piece.0).collect();
            prop_assert!(!kinds.contains(&Kind::Comment), "{}", text);
            let quoted = kinds.iter().filter(|kind| **kind == Kind::Quoted).count();
            prop_assert!(quoted <= 1);
            if matches!(takes, Takes::Text) {
                prop_assert_eq!(quoted, 1);
                let quote = if dialect == Dialect::Sql { '\'' } else { '"' };
                let inner = literal.strip_prefix(quote).unwrap().strip_suffix(quote).unwrap();
                // An obvious reading of the literal gives the value back.
                let read = match dialect {
                    Dialect::Sql => inner.replace("''", "'"),
                    Dialect::Insights => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
                };
                if !value.contains('\\') || dialect == Dialect::Sql {
                    prop_assert_eq!(&read, &value);
                }
            }
        }
    }
}

#[test]
fn every_packaged_question_can_be_read() {
    let questions = questions().unwrap();
    assert!(questions.len() >= 3);
    assert!(questions.windows(2).all(|pair| pair[0].name < pair[1].name), "in the order of their names");
}
