//! Twins ask for columns, fields, commands and functions that there are. The words of a twin are looked at one by one: what is
//! neither known nor named by the twin itself is refused.

use std::collections::BTreeSet;

use flowgate::query::{Question, questions};
use flowgate::store::{DAY_COLUMN, Table};

/// Of Trino.
const SQL: &str = "SELECT DISTINCT FROM WHERE AND OR NOT IN IS NULL AS ON JOIN LEFT CROSS UNNEST GROUP BY HAVING ORDER \
                   ASC DESC NULLS LAST LIMIT WITH UNION ALL CASE WHEN THEN ELSE END CAST OVER PARTITION FILTER INTERVAL DAY \
                   TRUE COUNT SUM MIN MAX AVG STDDEV ROUND COALESCE LAG ROW_NUMBER";
/// Functions and types of Trino that Polars does not have.
const TRINO: &str = "regexp_like contains split any_match array_join cardinality to_unixtime from_unixtime least greatest \
                     varchar bigint date ipaddress";
/// Of the table that the AWS documentation creates; `date` is its partition.
const RECORDS: &str = "vpc_flow_logs version account_id interface_id srcaddr dstaddr srcport dstport protocol packets \
                       bytes start end action log_status date";
/// Fields that CloudWatch Logs Insights discovers in records of the default format, but for those of times, which
/// its documentation and its console call by different names.
const FIELDS: &str = "@timestamp @logStream @message accountId interfaceId logStatus version action bytes dstAddr dstPort \
                      packets protocol srcAddr srcPort";
/// Commands, functions and words of CloudWatch Logs Insights.
const INSIGHTS: &str = "fields filter stats sort limit by as and or not in asc desc count count_distinct sum min max bin \
                        toMillis isIpv4InSubnet 1d 5m";

fn of(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Words of a twin without text in single quotes (in Insights: double quotes), comments, numbers and parameters.
fn words(text: &str, comment: &str, quote: char) -> Vec<String> {
    let mut bare = String::new();
    for line in text.lines() {
        let mut quoted = false;
        let code = line.split(comment).next().unwrap();
        for c in code.chars() {
            quoted ^= c == quote;
            bare.push(if quoted || c == quote { ' ' } else { c });
        }
        bare.push('\n');
    }
    let of_word = |c: char| c.is_ascii_alphanumeric() || "_@:".contains(c);
    bare.split(|c| !of_word(c))
        .filter(|word| !word.is_empty() && !word.starts_with(':'))
        .filter(|word| !word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

/// What the twin itself names: `… AS name`, `name AS (`, `AS name (column)`, `name ->`.
fn named(words: &[String]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for pair in words.windows(2) {
        if pair[0].eq_ignore_ascii_case("as") {
            names.insert(pair[1].clone());
        }
    }
    names
}

fn unknown_in_athena(question: &Question, text: &str) -> Vec<String> {
    let words = words(text, "--", '\'');
    let mut known = of(&SQL.to_lowercase());
    known.append(&mut of(TRINO));
    if words.iter().any(|word| word == "vpc_flow_logs") {
        known.append(&mut of(RECORDS));
    } else {
        let tables = question.tables.iter().map(|name| Table::from_name(name).unwrap());
        for table in tables {
            known.insert(table.name().to_owned());
            known.extend(table.columns().iter().map(|column| column.name.to_owned()));
            if table.by_day() {
                known.insert(DAY_COLUMN.to_owned());
            }
        }
    }
    known.append(&mut named(&words));
    // Common tables, and the argument of a lambda.
    let ctes = words.windows(2).filter(|pair| pair[1] == "AS").map(|pair| pair[0].clone());
    let ctes: BTreeSet<String> = ctes.filter(|name| text.contains(&format!("{name} AS ("))).collect();
    known.extend(ctes);
    for word in &words {
        if text.contains(&format!("{word} -> ")) || text.contains(&format!(" AS permits ({word})")) {
            known.insert(word.clone());
        }
        if text.contains(&format!(" AS has ({word})")) || text.contains(&format!(" AS member ({word})")) {
            known.insert(word.clone());
        }
    }
    words.into_iter().filter(|word| !known.contains(word) && !known.contains(&word.to_lowercase())).collect()
}

fn unknown_in_insights(text: &str) -> Vec<String> {
    let words = words(text, "#", '"');
    let mut known = of(FIELDS);
    known.append(&mut of(INSIGHTS));
    known.append(&mut named(&words));
    words.into_iter().filter(|word| !known.contains(word)).collect()
}

#[test]
fn twins_name_only_what_there_is() {
    let questions = questions().unwrap();
    let mut wrong = Vec::new();
    for question in &questions {
        let name = question.name;
        if let Some(text) = question.athena.text() {
            wrong.extend(
                unknown_in_athena(question, text).iter().map(|word| format!("athena/{name}: {word}")),
            );
        }
        if let Some(text) = question.insights.text() {
            wrong.extend(unknown_in_insights(text).iter().map(|word| format!("insights/{name}: {word}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let twins = |of: fn(&Question) -> bool| questions.iter().filter(|question| of(question)).count();
    assert!(twins(|question| question.athena.text().is_some()) >= 30);
    assert!(twins(|question| question.insights.text().is_some()) >= 12);
}

#[test]
fn a_column_that_is_not_there_is_seen() {
    let questions = questions().unwrap();
    let question = questions.iter().find(|question| question.name == "escaped").unwrap();
    let text = "SELECT remote, remote_adress AS other FROM connections WHERE dt > DATE '2026-03-01'";
    assert_eq!(unknown_in_athena(question, text), ["remote_adress"]);
    let text =
        "# comment\nfilter srcAddress = :address | stats sum(bytes) as total by srcAddr | sort total desc";
    assert_eq!(unknown_in_insights(text), ["srcAddress"]);
}

#[test]
fn a_twin_that_asks_the_store_has_the_columns_of_its_question() {
    for question in questions().unwrap() {
        let Some(text) = question.athena.text().filter(|text| !text.contains("vpc_flow_logs")) else {
            continue;
        };
        // The last SELECT outside of parentheses is the answer.
        let start = text.rfind("\nSELECT").map_or(0, |at| at + 1);
        let mut depth = 0;
        let mut items = vec![String::new()];
        for word in
            text[start + "SELECT".len()..].split_inclusive(|c: char| c.is_whitespace() || "(),".contains(c))
        {
            if depth == 0 && word.trim() == "FROM" {
                break;
            }
            match word.chars().last() {
                Some('(') => depth += 1,
                Some(')') => depth -= 1,
                Some(',') if depth == 0 => {
                    items.last_mut().unwrap().push_str(&word[..word.len() - 1]);
                    items.push(String::new());
                    continue;
                }
                _ => {}
            }
            items.last_mut().unwrap().push_str(word);
        }
        let name = |item: &String| {
            let last = item.split_whitespace().last().unwrap();
            last.rsplit('.').next().unwrap().trim_matches('"').to_owned()
        };
        let columns: Vec<String> = items.iter().map(name).collect();
        let declared: Vec<String> = question.columns.iter().map(|(column, _)| column.clone()).collect();
        assert_eq!(columns, declared, "{}", question.name);
    }
}
