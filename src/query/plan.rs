//! What is changed in a plan before it is carried out.

use std::sync::Arc;

use polars::lazy::dsl::{BooleanFunction, DslPlan, FunctionExpr, ListFunction, SpecialEq, StringFunction};
use polars::prelude::*;

use super::{carried, fold};

/// The same plan, with an order of rows that does not depend on threads: groups and joined rows come in the order of what
/// they are made of, and rows that sort alike stay as they were.
pub(super) fn ordered(plan: DslPlan) -> DslPlan {
    match plan {
        // Made when a schema was asked for; it would be taken in place of what is changed here.
        DslPlan::IR { dsl, .. } => ordered(owned(dsl)),
        DslPlan::Filter { input, predicate } => {
            let conditions = fold::conditions(expression(predicate)).into_iter();
            let filter = |input, predicate| Arc::new(DslPlan::Filter { input, predicate });
            owned(conditions.fold(inner(input), filter))
        }
        DslPlan::Cache { input, id } => DslPlan::Cache { input: inner(input), id },
        DslPlan::Select { expr, input, options } => {
            let (expr, input) = counted(expr, inner(input));
            let expr = if holds_union(&input) { expr.into_iter().map(count_whole).collect() } else { expr };
            DslPlan::Select { expr: expressions(expr), input, options }
        }
        DslPlan::GroupBy { input, keys, predicates, aggs, options, apply, .. } => DslPlan::GroupBy {
            input: inner(input),
            keys: expressions(keys),
            predicates: expressions(predicates),
            aggs: expressions(aggs),
            maintain_order: true,
            options,
            apply,
        },
        DslPlan::Join { input_left, input_right, left_on, right_on, predicates, options } => {
            let mut options = owned(options);
            options.args.maintain_order = MaintainOrderJoin::LeftRight;
            DslPlan::Join {
                input_left: inner(input_left),
                input_right: inner(input_right),
                left_on: expressions(left_on),
                right_on: expressions(right_on),
                predicates: expressions(predicates),
                options: Arc::new(options),
            }
        }
        DslPlan::HStack { input, exprs, options } => {
            DslPlan::HStack { input: inner(input), exprs: expressions(exprs), options }
        }
        DslPlan::Distinct { input, mut options } => {
            options.maintain_order = true;
            DslPlan::Distinct { input: inner(input), options }
        }
        DslPlan::Sort { input, by_column, slice, mut sort_options } => {
            sort_options.maintain_order = true;
            DslPlan::Sort { input: inner(input), by_column: expressions(by_column), slice, sort_options }
        }
        DslPlan::Slice { input, offset, len } => DslPlan::Slice { input: inner(input), offset, len },
        DslPlan::MapFunction { input, function } => DslPlan::MapFunction { input: inner(input), function },
        DslPlan::Union { inputs, mut args } => {
            args.maintain_order = true;
            DslPlan::Union { inputs: inputs.into_iter().map(ordered).collect(), args }
        }
        DslPlan::HConcat { inputs, options } => {
            DslPlan::HConcat { inputs: inputs.into_iter().map(ordered).collect(), options }
        }
        DslPlan::ExtContext { input, contexts } => {
            DslPlan::ExtContext { input: inner(input), contexts: contexts.into_iter().map(ordered).collect() }
        }
        DslPlan::PipeWithSchema { input, callback } => {
            let input = input.iter().cloned().map(ordered).collect();
            DslPlan::PipeWithSchema { input, callback }
        }
        DslPlan::MatchToSchema { input, match_schema, per_column, extra_columns } => {
            DslPlan::MatchToSchema { input: inner(input), match_schema, per_column, extra_columns }
        }
        other => other,
    }
}

/// `COUNT(*)` of a table alone, for which Polars would read the first column, and hold it.
fn counted(expr: Vec<Expr>, input: Arc<DslPlan>) -> (Vec<Expr>, Arc<DslPlan>) {
    let only = |part: &Expr| matches!(part, Expr::Len | Expr::Alias(..) | Expr::Literal(_));
    let counts = expr.iter().all(|e| e.into_iter().all(only))
        && expr.iter().flatten().any(|part| matches!(part, Expr::Len));
    let DslPlan::Scan { unified_scan_args, .. } = &*input else { return (expr, input) };
    match unified_scan_args.schema.as_ref().filter(|_| counts).and_then(|schema| narrowest(schema)) {
        Some(column) => (expr, Arc::new(LazyFrame::from(owned(input)).select([col(column)]).logical_plan)),
        None => (expr, input),
    }
}

fn holds_union(plan: &DslPlan) -> bool {
    plan.into_iter().any(|part| matches!(part, DslPlan::Union { .. }))
}

/// `COUNT(*)` as the largest of one count. Polars counts the parts of a union one by one, if nothing but their number is asked,
/// and sums up numbers of 128 bits, which it is built without.
fn count_whole(expression: Expr) -> Expr {
    match expression {
        Expr::Len => Expr::Len.max(),
        Expr::Alias(inner, name) => Expr::Alias(Arc::new(count_whole(owned(inner))), name),
        other => other,
    }
}

/// The column that takes the least room.
fn narrowest(schema: &Schema) -> Option<PlSmallStr> {
    let width = |data_type: &DataType| match data_type {
        DataType::Boolean => 0,
        DataType::Int32 => 1,
        DataType::Int64 | DataType::Datetime(..) => 2,
        _ => 3,
    };
    schema.iter().min_by_key(|(_, data_type)| width(data_type)).map(|(name, _)| name.clone())
}

fn owned<T: Clone>(shared: Arc<T>) -> T {
    Arc::unwrap_or_clone(shared)
}

fn inner(plan: Arc<DslPlan>) -> Arc<DslPlan> {
    Arc::new(ordered(owned(plan)))
}

fn expressions(all: Vec<Expr>) -> Vec<Expr> {
    all.into_iter().map(expression).collect()
}

/// Questions within a question.
fn expression(expression: Expr) -> Expr {
    expression.map_expr(|part| match part {
        Expr::SubPlan(plan, names) => Expr::SubPlan(SpecialEq::new(inner(plan.into_inner())), names),
        other => carried::restore(other),
    })
}

/// When a plan may end early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Enough {
    /// Rows of its one table after which its answer may be complete.
    pub rows: usize,
    /// Rows of an answer that is complete then. With fewer, all rows of the table must be read.
    pub of_answer: usize,
}

/// Whether a plan takes rows of one table as they come until it has some: the first rows of the answer are then those of the
/// first rows of the table.
pub(super) fn enough(plan: &DslPlan) -> Option<Enough> {
    match plan {
        DslPlan::IR { dsl, .. } => enough(dsl),
        DslPlan::Slice { input, offset, len } if *offset >= 0 && is_row_by_row(input) => {
            let rows = usize::try_from(*offset).ok()?.checked_add(*len as usize)?;
            Some(Enough { rows, of_answer: *len as usize })
        }
        _ => enough(step(plan)?),
    }
}

fn is_row_by_row(plan: &DslPlan) -> bool {
    match plan {
        DslPlan::IR { dsl, .. } => is_row_by_row(dsl),
        DslPlan::Scan { .. } => true,
        DslPlan::Filter { input, predicate } => is_simple(predicate) && is_row_by_row(input),
        _ => step(plan).is_some_and(is_row_by_row),
    }
}

/// What lies below a step that makes one row of each row.
fn step(plan: &DslPlan) -> Option<&DslPlan> {
    match plan {
        DslPlan::Select { expr: all, input, .. } | DslPlan::HStack { exprs: all, input, .. } => {
            // A selection of constants alone has one row.
            let names_columns =
                all.iter().flatten().any(|e| matches!(e, Expr::Column(_) | Expr::Selector(_)));
            (names_columns && all.iter().all(is_simple)).then_some(input)
        }
        _ => None,
    }
}

/// Of each row by itself. What is not known to be, is not.
fn is_simple(expression: &Expr) -> bool {
    match expression {
        Expr::Column(_) | Expr::Selector(_) => true,
        Expr::Literal(LiteralValue::Dyn(_) | LiteralValue::Scalar(_)) => true,
        Expr::Alias(inner, _) | Expr::KeepName(inner) | Expr::Cast { expr: inner, .. } => is_simple(inner),
        Expr::BinaryExpr { left, right, .. } => is_simple(left) && is_simple(right),
        Expr::Ternary { predicate, truthy, falsy } => {
            is_simple(predicate) && is_simple(truthy) && is_simple(falsy)
        }
        // Only those of our own come in this form.
        Expr::AnonymousFunction { input, options, .. } => {
            options.is_elementwise() && input.iter().all(is_simple)
        }
        Expr::Function { input, function } => match function {
            FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) => {
                let [of, values] = &input[..] else { return false };
                is_simple(of) && !values.into_iter().any(|e| matches!(e, Expr::Column(_) | Expr::Selector(_)))
            }
            FunctionExpr::Boolean(
                BooleanFunction::IsNull | BooleanFunction::IsNotNull | BooleanFunction::Not,
            )
            | FunctionExpr::ListExpr(ListFunction::Contains { .. })
            | FunctionExpr::StringExpr(
                StringFunction::Contains { .. }
                | StringFunction::StartsWith
                | StringFunction::EndsWith
                | StringFunction::Strptime(..),
            ) => input.iter().all(is_simple),
            _ => false,
        },
        _ => false,
    }
}
