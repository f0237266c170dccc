//! Conditions made simpler, so that Polars hands them down to the tables.
//!
//! What can fail, like reading a time from text, Polars does not move; so what is the same for all rows is worked out here.

use std::sync::Arc;

use polars::lazy::dsl::{FunctionExpr, ListFunction, Operator};
use polars::prelude::*;

/// The same condition as several, all of which must hold; what Polars may hand down comes first.
pub(super) fn conditions(condition: Expr) -> Vec<Expr> {
    let mut all = Vec::new();
    split(condition.map_expr(fold), &mut all);
    // Stable: those that may be moved, then the others.
    all.sort_by_key(|condition| !is_movable(condition));
    all
}

fn split(condition: Expr, all: &mut Vec<Expr>) {
    match condition {
        Expr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } => {
            split(Arc::unwrap_or_clone(left), all);
            split(Arc::unwrap_or_clone(right), all);
        }
        other => all.push(other),
    }
}

/// Only comparisons and the like, which can't fail once their types fit.
fn is_movable(condition: &Expr) -> bool {
    condition.into_iter().all(|part| match part {
        Expr::Column(_) | Expr::Literal(_) | Expr::BinaryExpr { .. } | Expr::AnonymousFunction { .. } => true,
        Expr::Agg(AggExpr::Implode { .. }) => true,
        Expr::Function { function, .. } => {
            matches!(
                function,
                FunctionExpr::Boolean(_) | FunctionExpr::ListExpr(ListFunction::Contains { .. })
            )
        }
        _ => false,
    })
}

/// One step, after the same was done to what it is made of.
fn fold(expression: Expr) -> Expr {
    if let Expr::BinaryExpr { left, op, right } = &expression {
        let or = matches!(op, Operator::Or | Operator::LogicalOr);
        let and = matches!(op, Operator::And | Operator::LogicalAnd);
        for (this, other) in [(left, right), (right, left)] {
            match truth(this) {
                Some(true) if or => return lit(true),
                Some(false) if and => return lit(false),
                Some(false) if or => return other.as_ref().clone(),
                Some(true) if and => return other.as_ref().clone(),
                _ => {}
            }
        }
    }
    let simple = match &expression {
        Expr::Function { input, .. } => !input.is_empty() && input.iter().all(is_scalar),
        Expr::BinaryExpr { left, right, .. } => is_scalar(left) && is_scalar(right),
        Expr::Cast { expr, .. } => is_scalar(expr),
        _ => false,
    };
    if simple { value(&expression).unwrap_or(expression) } else { expression }
}

fn truth(expression: &Expr) -> Option<bool> {
    let Expr::Literal(literal) = expression else { return None };
    match literal.to_any_value()? {
        AnyValue::Boolean(flag) => Some(flag),
        _ => None,
    }
}

fn is_scalar(expression: &Expr) -> bool {
    matches!(expression, Expr::Literal(LiteralValue::Dyn(_) | LiteralValue::Scalar(_)))
}

/// The literal that an expression of literals comes to. What fails is left as it is: it fails with a message later.
fn value(expression: &Expr) -> Option<Expr> {
    let frame = DataFrame::empty_with_height(1).lazy().select([expression.clone().alias("value")]);
    let frame = frame.collect().ok()?;
    let column = frame.columns().first().filter(|column| column.len() == 1)?;
    // What conditions on columns compare with; anything else is left alone.
    let kept = matches!(
        column.dtype(),
        DataType::Boolean | DataType::Date | DataType::Datetime(..) | DataType::Duration(_)
    );
    let value = column.get(0).ok().filter(|value| kept && !value.is_null())?.into_static();
    Some(Expr::Literal(LiteralValue::Scalar(Scalar::new(column.dtype().clone(), value))))
}
