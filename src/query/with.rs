//! Takes `WITH name AS (…), … SELECT …` apart.
//!
//! Polars SQL knows functions of ours only in what stands outermost: what it runs in a scope of its own, a common table
//! among that, has lost them. So common tables are run one after the other, and registered under their names.

use std::ops::Range;

use polars::prelude::{LazyFrame, PolarsResult};
use polars::sql::SQLContext;

use super::lexer::{Dialect, Kind, pieces};

/// The plan of a question. Common tables stay registered in the context.
pub(super) fn execute(context: &mut SQLContext, sql: &str) -> PolarsResult<LazyFrame> {
    let (tables, rest) = split(sql);
    for (name, range) in tables {
        let frame = context.execute(&only(sql, range))?;
        context.register(name, frame);
    }
    context.execute(&only(sql, rest))
}

/// Common tables with the places of their questions, and the place of the rest. What is not understood is all rest, of which
/// Polars then says what is wrong.
fn split(sql: &str) -> (Vec<(&str, Range<usize>)>, Range<usize>) {
    let whole = (Vec::new(), 0..sql.len());
    let mut parts = pieces(sql, Dialect::Sql)
        .into_iter()
        .filter(|(kind, _)| !matches!(kind, Kind::Blank | Kind::Comment))
        .map(|(_, range)| range);
    let is = |range: &Range<usize>, word: &str| sql[range.clone()].eq_ignore_ascii_case(word);
    if !parts.next().is_some_and(|range| is(&range, "WITH")) {
        return whole;
    }
    let mut tables = Vec::new();
    loop {
        let (Some(name), Some(word), Some(open)) = (parts.next(), parts.next(), parts.next()) else {
            return whole;
        };
        if !is(&word, "AS") || !is(&open, "(") {
            return whole;
        }
        let mut depth = 1;
        let close = parts.find(|range| {
            depth += i32::from(is(range, "(")) - i32::from(is(range, ")"));
            depth == 0
        });
        let (Some(close), Some(next)) = (close, parts.next()) else { return whole };
        let name = sql[name].trim_matches(['"', '`']);
        // The same name twice is an error that Polars has words for.
        if tables.iter().any(|(other, _)| *other == name) {
            return whole;
        }
        tables.push((name, open.end..close.start));
        if !is(&next, ",") {
            return (tables, next.start..sql.len());
        }
    }
}

/// The text with blanks in place of all but this range, so that places in errors stay what they are.
fn only(sql: &str, range: Range<usize>) -> String {
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    let before = sql[..range.start].chars().map(blank);
    before.chain(sql[range].chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(sql: &str) -> (Vec<(&str, &str)>, &str) {
        let (tables, rest) = split(sql);
        (tables.into_iter().map(|(name, range)| (name, &sql[range])).collect(), &sql[rest])
    }

    #[test]
    fn common_tables_are_taken_apart() {
        let sql = "-- WITH\nwith a AS (SELECT f(')') /* ) */ FROM x), \"b\" as (SELECT 1)\nSELECT * FROM a";
        let tables = vec![("a", "SELECT f(')') /* ) */ FROM x"), ("b", "SELECT 1")];
        assert_eq!(parts(sql), (tables, "SELECT * FROM a"));
    }

    #[test]
    fn what_is_none_stays_whole() {
        for sql in [
            "SELECT 1",
            "WITH RECURSIVE a AS (SELECT 1) SELECT 2",
            "WITH a (x) AS (SELECT 1) SELECT 2",
            "WITH a AS (SELECT 1",
            "WITH a AS (SELECT 1)",
            "WITH a AS (SELECT 1), a AS (SELECT 2) SELECT 3",
            "",
        ] {
            assert_eq!(parts(sql), (vec![], sql));
        }
    }

    #[test]
    fn places_stay() {
        let sql = "WITH é AS (\n SELECT 1)\n SELECT 2";
        let (tables, rest) = split(sql);
        assert_eq!(only(sql, tables[0].1.clone()), "           \n SELECT 1");
        assert_eq!(only(sql, rest), "           \n          \n SELECT 2");
    }
}
