//! What Polars says, in our words.

use std::any::Any;

use polars::prelude::PolarsError;

use super::error::QueryError;
use super::{functions, statement};
use crate::store::{DAY_COLUMN, Table};

/// An error of Polars about a question.
pub(super) fn explain(error: &PolarsError, sql: &str) -> QueryError {
    let mut inner = error;
    while let PolarsError::Context { error, .. } = inner {
        inner = error;
    }
    let text = match inner {
        PolarsError::ColumnNotFound(name) => return no_column(quoted(name).unwrap_or(name), sql),
        PolarsError::SQLInterface(text) | PolarsError::SQLSyntax(text) => text.to_string(),
        PolarsError::SchemaFieldNotFound(name) | PolarsError::StructFieldNotFound(name) => {
            return no_column(quoted(name).unwrap_or(name), sql);
        }
        other => return QueryError::Meaning { message: plainly(&other.to_string()) },
    };
    if let Some(message) = text.strip_prefix("sql parser error: ") {
        let (message, place) = placed(message);
        return QueryError::Syntax { message: message.to_owned(), place };
    }
    if text.contains("is not a supported table function") {
        let name = quoted(&text).unwrap_or("a table function");
        return QueryError::Refused { what: format!("{name}(…)") };
    }
    if text.starts_with("unsupported function '") {
        let name = quoted(&text).unwrap_or_default().to_owned();
        return QueryError::NoFunction { name, known: function_names() };
    }
    if (text.starts_with("relation '") && text.ends_with("was not found"))
        || text.starts_with("no table or alias named")
    {
        let known = Table::ALL.into_iter().map(|table| table.name().to_owned()).collect();
        return QueryError::NoTable { name: quoted(&text).unwrap_or_default().to_owned(), known };
    }
    if text.starts_with("no column named '") || text.starts_with("unable to find column") {
        return no_column(quoted(&text).unwrap_or_default(), sql);
    }
    QueryError::Meaning { message: plainly(&text) }
}

fn no_column(name: &str, sql: &str) -> QueryError {
    let named = statement::names(sql);
    let tables = || Table::ALL.into_iter().filter(|table| named.iter().any(|name| name == table.name()));
    let mut known: Vec<String> = tables()
        .flatten_columns()
        .chain(tables().any(Table::by_day).then(|| DAY_COLUMN.to_owned()))
        .collect();
    known.sort();
    known.dedup();
    QueryError::NoColumn { name: name.to_owned(), known }
}

trait Columns {
    fn flatten_columns(self) -> impl Iterator<Item = String>;
}

impl<I: Iterator<Item = Table>> Columns for I {
    fn flatten_columns(self) -> impl Iterator<Item = String> {
        self.flat_map(|table| table.columns().into_iter().map(|column| column.name.to_owned()))
    }
}

/// What stands in the first quotes.
fn quoted(text: &str) -> Option<&str> {
    let quote = text.find(['\'', '"'])?;
    let rest = &text[quote + 1..];
    rest.split_once(text[quote..].chars().next()?).map(|(inner, _)| inner)
}

/// `… at Line: 1, Column: 8`, taken apart.
fn placed(message: &str) -> (&str, Option<(usize, usize)>) {
    let Some((message, place)) = message.rsplit_once(" at Line: ") else { return (message, None) };
    let place = place
        .split_once(", Column: ")
        .and_then(|(line, column)| Some((line.trim().parse().ok()?, column.trim().parse().ok()?)));
    (message, place)
}

/// Without the plan that Polars adds, of which the user has written nothing.
fn plainly(text: &str) -> String {
    let end = text.find("\n\nResolved plan until failure").or_else(|| text.find("\n\nThis error occurred"));
    text[..end.unwrap_or(text.len())].trim().to_owned()
}

/// What a panic said.
pub(super) fn of_panic(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked".to_owned())
}

/// All functions of ours, by name: for those who mistyped one.
fn function_names() -> Vec<String> {
    functions::functions().into_iter().filter_map(|f| f.call.split('(').next().map(str::to_owned)).collect()
}
