//! Our functions within questions of a question.
//!
//! Polars SQL forgets functions of others in WITH, subqueries and UNION. So a call is carried in as one of its own functions,
//! which has the same type and a mark that tells it, and put in its place once there is a plan.

use std::fmt::Write as _;

use polars::lazy::dsl::{FunctionExpr, StringFunction};
use polars::prelude::*;

use super::functions::Function;
use super::lexer::{Dialect, Kind, pieces};

/// Begins a mark. Nobody writes it.
pub(super) const MARK: char = '\u{1}';

/// The question with every call of ours carried in one that Polars knows everywhere.
pub(super) fn carry(sql: &str) -> String {
    let pieces = pieces(sql, Dialect::Sql);
    let text = |at: usize| &sql[pieces[at].1.clone()];
    let mut carried = String::with_capacity(sql.len() + 64);
    // What ends each parenthesis that is open, in place of `)`.
    let mut ends: Vec<String> = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let next = |from: usize| {
            (from..pieces.len()).find(|&at| !matches!(pieces[at].0, Kind::Blank | Kind::Comment))
        };
        let function = Some(text(at)).filter(|_| pieces[at].0 == Kind::Word).and_then(Function::from_name);
        let open = next(at + 1).filter(|&open| text(open) == "(");
        let first = open.and_then(|open| next(open + 1)).filter(|&first| text(first) != ")");
        if let (Some(function), Some(open), Some(_)) = (function, open, first) {
            let (begin, end) = carrier(function);
            carried.push_str(begin);
            ends.push(end);
            at = open + 1;
            continue;
        }
        match text(at) {
            "(" => {
                ends.push(")".to_owned());
                carried.push('(');
            }
            ")" => _ = carried.write_str(ends.pop().as_deref().unwrap_or(")")),
            other => carried.push_str(other),
        }
        at += 1;
    }
    carried
}

/// What a call begins and ends with.
fn carrier(function: Function) -> (&'static str, String) {
    let name = function.name();
    match function {
        Function::Has => ("ARRAY_CONTAINS(", ")".to_owned()),
        Function::Items => ("ARRAY_TO_STRING(", ", ', ')".to_owned()),
        Function::InNetwork | Function::IsPrivate => {
            ("STARTS_WITH(CONCAT(", format!(", '{MARK}{name}'), '{MARK}')"))
        }
        Function::ProtocolName => ("CONCAT(", format!(", '{MARK}{name}')")),
        Function::Seconds | Function::Epoch => {
            ("CAST(LENGTH(CONCAT(", format!(", '{MARK}{name}')) AS BIGINT)"))
        }
    }
}

/// One step back, after the same was done to what the expression is made of.
pub(super) fn restore(expression: Expr) -> Expr {
    let Expr::Function { mut input, function: FunctionExpr::StringExpr(function) } = expression else {
        return expression;
    };
    let is_ours = |input: &[Expr]| matches!(input.first(), Some(Expr::AnonymousFunction { .. }));
    match &function {
        StringFunction::ConcatHorizontal { .. } => {
            let named = input.last().and_then(mark).and_then(Function::from_name);
            if let Some(named) = named {
                input.pop();
                return named.udf().call(input);
            }
        }
        StringFunction::StartsWith if is_ours(&input) && input.get(1).and_then(mark) == Some("") => {
            return input.swap_remove(0);
        }
        StringFunction::LenChars if is_ours(&input) && returns_number(&input[0]) => {
            return input.swap_remove(0);
        }
        _ => {}
    }
    Expr::Function { input, function: FunctionExpr::StringExpr(function) }
}

/// What follows the mark.
fn mark(expression: &Expr) -> Option<&str> {
    let Expr::Literal(literal) = expression else { return None };
    literal.extract_str()?.strip_prefix(MARK)
}

/// `LENGTH(protocol_name(…))` is a length.
fn returns_number(expression: &Expr) -> bool {
    matches!(Function::of(expression), Some(Function::Seconds | Function::Epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_carried_and_nothing_else_changes() {
        for same in [
            "SELECT has, items FROM t -- has(a, 'b')",
            "SELECT 'is_private(x)', \"epoch\"(x), (1 + (2)), ')'",
            "SELECT epoch() FROM t",
        ] {
            assert_eq!(carry(same), same);
        }
        assert_eq!(
            carry("SELECT Is_Private (a), has(b, ')'), x FROM (SELECT seconds(max(c) - min(c)) AS x)"),
            "SELECT STARTS_WITH(CONCAT(a, '\u{1}is_private'), '\u{1}'), ARRAY_CONTAINS(b, ')'), x FROM (SELECT \
             CAST(LENGTH(CONCAT(max(c) - min(c), '\u{1}seconds')) AS BIGINT) AS x)"
        );
        assert_eq!(carry("is_private(a"), "STARTS_WITH(CONCAT(a");
        assert_eq!(carry("a))"), "a))");
    }
}
