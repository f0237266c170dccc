//! What a question wants of the rows of a table, as the store understands it.
//!
//! The store reads a superset of what is wanted; the whole condition is asked again of what it read. So whatever is not
//! understood here is left out, and nothing else may happen to it.

use std::collections::BTreeSet;

use arrow::datatypes::DataType as ArrowType;
use polars::lazy::dsl::{BooleanFunction, DataTypeExpr, FunctionExpr, ListFunction, Operator};
use polars::prelude::*;

use super::functions::{Function, parse_networks};
use crate::store::{DAY_COLUMN, Table, Want, Wanted};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// More than this is cheaper to compare afterwards.
const MOST_VALUES: usize = 10_000;

/// What all rows that fit the condition have in common.
pub(super) fn wanted(condition: &Expr, table: Table) -> Wanted {
    let mut wanted = Wanted::default();
    collect(condition, table, &mut wanted);
    if matches!(table, Table::Connections | Table::Rejects) {
        // A row lies in the folder of the day on which it starts.
        let days = wanted.all.iter().filter_map(|(column, want)| match want {
            Want::Within(from, to) if column == "start" => {
                // Ends that are open stay so.
                let day =
                    |time: i64| if matches!(time, i64::MIN | i64::MAX) { time } else { time.div_euclid(DAY) };
                Some((DAY_COLUMN.to_owned(), Want::Within(day(*from), day(*to))))
            }
            _ => None,
        });
        let days: Vec<_> = days.collect();
        wanted.all.extend(days);
    }
    wanted
}

fn collect(condition: &Expr, table: Table, wanted: &mut Wanted) {
    if let Expr::BinaryExpr { left, op: Operator::And | Operator::LogicalAnd, right } = condition {
        collect(left, table, wanted);
        collect(right, table, wanted);
    } else if let Some(want) = want(condition, table) {
        wanted.all.push(want);
    }
}

/// One condition on one column.
fn want(condition: &Expr, table: Table) -> Option<(String, Want)> {
    match condition {
        Expr::Alias(inner, _) => want(inner, table),
        Expr::BinaryExpr { left, op: Operator::Or | Operator::LogicalOr, right } => {
            either(left, right, table)
        }
        Expr::BinaryExpr { left, op, right } => {
            if let Some(column) = column(left, table) {
                compared(&column, *op, &constant(right)?)
            } else {
                compared(&column(right, table)?, mirrored(*op)?, &constant(left)?)
            }
        }
        Expr::Function { input, function: FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) } => {
            let [of, values] = &input[..] else { return None };
            among(&column(of, table)?, &constant(values)?)
        }
        Expr::Function { input, function: FunctionExpr::ListExpr(ListFunction::Contains { .. }) } => {
            let [of, value] = &input[..] else { return None };
            list_has(&column(of, table)?, &constant(value)?)
        }
        Expr::AnonymousFunction { input, .. } => {
            let [of, value] = &input[..] else { return None };
            match Function::of(condition)? {
                Function::InNetwork => {
                    let column = column(of, table).filter(|column| column.kind == Kind::Text)?;
                    let value = constant(value)?;
                    let networks = parse_networks(value.str().ok()?.get(0)?).ok()?;
                    Some((column.name, Want::Networks(networks)))
                }
                Function::Has => list_has(&column(of, table)?, &constant(value)?),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Of two conditions one must hold.
fn either(left: &Expr, right: &Expr, table: Table) -> Option<(String, Want)> {
    for (this, other) in [(left, right), (right, left)] {
        // `NULL IS NULL OR …` of a parameter that was not told holds always, `'eni-1' IS NULL OR …` if the other does.
        if let Some(value) = constant(this) {
            let never = matches!(value.get(0).ok()?, AnyValue::Boolean(false) | AnyValue::Null);
            return if never { want(other, table) } else { None };
        }
    }
    let (one, two) = (want(left, table)?, want(right, table)?);
    if one.0 != two.0 {
        return None;
    }
    let want = match (one.1, two.1) {
        (Want::Among(mut these), Want::Among(those)) => {
            these.extend(those);
            Want::Among(these)
        }
        (Want::Within(a, b), Want::Within(c, d)) => Want::Within(a.min(c), b.max(d)),
        (Want::Networks(mut these), Want::Networks(those)) => {
            these.extend(those);
            Want::Networks(these)
        }
        _ => return None,
    };
    Some((one.0, want))
}

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    Number,
    Time,
    Day,
    /// A day, compared as its midnight.
    Midnight,
}

struct Wantable {
    name: String,
    kind: Kind,
}

/// A column that conditions can be asked of, or such a column made wider for a comparison.
fn column(expression: &Expr, table: Table) -> Option<Wantable> {
    match expression {
        Expr::Column(name) => {
            let name = name.to_string();
            if name == DAY_COLUMN && table.by_day() {
                return Some(Wantable { name, kind: Kind::Day });
            }
            let schema = table.schema();
            let kind = match schema.field_with_name(&name).ok()?.data_type() {
                ArrowType::Utf8 => Kind::Text,
                ArrowType::List(_) => Kind::Texts,
                ArrowType::Int32 | ArrowType::Int64 => Kind::Number,
                ArrowType::Timestamp(..) => Kind::Time,
                _ => return None,
            };
            Some(Wantable { name, kind })
        }
        Expr::Cast { expr, dtype: DataTypeExpr::Literal(to), .. } => {
            let inner = column(expr, table)?;
            match (inner.kind, to) {
                (Kind::Number, DataType::Int64 | DataType::Int128)
                | (Kind::Time, DataType::Datetime(TimeUnit::Microseconds, None))
                | (Kind::Text, DataType::String) => Some(inner),
                (Kind::Day, DataType::Datetime(TimeUnit::Microseconds, None)) => {
                    Some(Wantable { kind: Kind::Midnight, ..inner })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn mirrored(op: Operator) -> Option<Operator> {
    Some(match op {
        Operator::Eq => Operator::Eq,
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        _ => return None,
    })
}

fn compared(column: &Wantable, op: Operator, value: &Column) -> Option<(String, Want)> {
    if value.len() != 1 {
        return None;
    }
    if op == Operator::Eq && column.kind == Kind::Text {
        return among(column, value);
    }
    let at = position(column.kind, &value.get(0).ok()?)?;
    let (from, to) = match op {
        Operator::Eq => (at, at),
        // One more row than is wanted does no harm, and there is no least number to fall below.
        Operator::Lt | Operator::LtEq => (i64::MIN, at),
        Operator::Gt | Operator::GtEq => (at, i64::MAX),
        _ => return None,
    };
    Some((column.name.clone(), Want::Within(from, to)))
}

/// The number by which the store knows a value of such a column, or the last one before it.
fn position(kind: Kind, value: &AnyValue<'_>) -> Option<i64> {
    let value = &value.as_borrowed();
    match (kind, value) {
        (Kind::Number, value) if value.is_integer() => value.extract::<i64>(),
        (Kind::Day, AnyValue::Date(day)) => Some(i64::from(*day)),
        (Kind::Time, AnyValue::Datetime(time, TimeUnit::Microseconds, None)) => Some(*time),
        (Kind::Time, AnyValue::Date(day)) => i64::from(*day).checked_mul(DAY),
        (Kind::Midnight, AnyValue::Datetime(time, TimeUnit::Microseconds, None)) => {
            Some(time.div_euclid(DAY))
        }
        _ => None,
    }
}

/// Values of a list, of a series or of one.
fn among(column: &Wantable, values: &Column) -> Option<(String, Want)> {
    let mut series = values.as_materialized_series().clone();
    if matches!(series.dtype(), DataType::List(_)) {
        if series.len() != 1 {
            return None;
        }
        series = series.list().ok()?.get_as_series(0)?;
    }
    if series.len() > MOST_VALUES {
        return None;
    }
    let want = if column.kind == Kind::Text {
        let texts = series.str().ok()?;
        Want::Among(texts.iter().flatten().map(str::to_owned).collect::<BTreeSet<_>>())
    } else {
        let places: Option<Vec<i64>> = series
            .iter()
            .filter(|value| !value.is_null())
            .map(|value| position(column.kind, &value))
            .collect();
        let places = places?;
        Want::Within(*places.iter().min()?, *places.iter().max()?)
    };
    Some((column.name.clone(), want))
}

fn list_has(column: &Wantable, value: &Column) -> Option<(String, Want)> {
    if column.kind != Kind::Texts || value.len() != 1 {
        return None;
    }
    let text = value.str().ok()?.get(0)?.to_owned();
    Some((column.name.clone(), Want::Among(BTreeSet::from([text]))))
}

/// What an expression is that names no column.
fn constant(expression: &Expr) -> Option<Column> {
    let mut simple = true;
    for part in expression {
        simple &= matches!(
            part,
            Expr::Literal(_)
                | Expr::Cast { .. }
                | Expr::Function { .. }
                | Expr::BinaryExpr { .. }
                | Expr::Alias(..)
        ) || matches!(part, Expr::Agg(AggExpr::Implode { .. }));
    }
    if !simple {
        return None;
    }
    // Polars knows best what its literals and functions mean. What fails here, fails with a message later.
    let frame = DataFrame::empty_with_height(1).lazy().select([expression.clone().alias("constant")]);
    frame.collect().ok()?.columns().first().cloned()
}
