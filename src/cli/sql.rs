//! `flowgate sql`: the user's own questions.

use std::io::{self, Read, Write};

use super::answer::{AnswerArguments, Asking};
use super::failure::{Failure, Problem, written};
use super::{Environment, Exit, Stdin};
use crate::query::functions;
use crate::report::{Look, Page, Span, Tone};
use crate::source::STDIN;
use crate::store::{DAY_COLUMN, Table};

/// Longer than this is no question.
const MOST: u64 = 1 << 20;

/// Ask a store your own question, in SQL
///
/// The tables are connections, rule_usage, rules, interfaces, rejects, findings and coverage; --tables tells their columns.
/// Questions only read: SELECT, WITH, SHOW TABLES and EXPLAIN. They are put to Polars SQL.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate sql --tables
  flowgate sql --store store/ \"SELECT remote, SUM(bytes_out) AS bytes FROM connections
    WHERE dt >= '2026-03-01' AND NOT is_private(remote) GROUP BY remote ORDER BY bytes DESC LIMIT 10\"
  flowgate sql --store store/ --out ssh.csv \"SELECT * FROM connections WHERE local_port = 22\"

Exit codes:
  0  answered
  2  usage error, no store, or no question that can be answered
  3  failed: the store is damaged, or the answer can't be written")]
pub(super) struct Arguments {
    /// The question; `-` reads it from standard input
    #[arg(value_name = "SQL", required_unless_present = "tables")]
    sql: Option<String>,
    /// List tables, columns and functions, with what they mean
    #[arg(long, conflicts_with_all = ["sql", "explain"])]
    tables: bool,
    #[command(flatten)]
    answer: AnswerArguments,
}

/// Does it.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (looks, has_width): ((Look, Look), bool),
    stdin: Option<Stdin>,
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let Some(sql) = arguments.sql.as_deref().filter(|_| !arguments.tables) else {
        written(tables(&mut Page::new(stdout, looks.0)))?;
        return Ok(Exit::Clean);
    };
    let read;
    let sql = if sql == STDIN {
        read = question(stdin)?;
        &read
    } else {
        sql
    };
    Asking { arguments: &arguments.answer, environment, looks, has_width }.ask(sql, stdout, stderr)
}

fn question(stdin: Option<Stdin>) -> Result<String, Failure> {
    let mut text = String::new();
    let read = stdin.map(|stdin| stdin.take(MOST + 1).read_to_string(&mut text));
    let wrong = |message: String| {
        Failure::usage(vec![Problem::new(message).help("write SQL to standard input, or as an argument")])
    };
    match read {
        Some(Err(error)) => Err(wrong(format!("the question can't be read: {error}"))),
        Some(Ok(_)) if text.len() as u64 > MOST => Err(wrong("the question is longer than 1 MiB".to_owned())),
        _ => Ok(text),
    }
}

fn tables(page: &mut Page<'_>) -> io::Result<()> {
    for table in Table::ALL {
        let lead = [Span::new(Tone::Strong, table.name()), Span::plain(": ")];
        page.flow(&lead, 2, &[Span::plain(format!("one row for {}", table.row()))])?;
        let mut rows: Vec<(&str, String, &str)> = Vec::new();
        for column in table.columns() {
            rows.push((column.name, type_name(&column.data_type), column.meaning));
        }
        if table.by_day() {
            rows.push((DAY_COLUMN, "date".to_owned(), "day (UTC); a condition on it leaves out whole files"));
        }
        let width = rows.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
        for (name, data_type, meaning) in rows {
            let lead = [
                Span::plain(format!("  {name:<width$}  ")),
                Span::new(Tone::Faint, format!("{data_type:<9}  ")),
            ];
            page.flow(&lead, width + 15, &[Span::plain(meaning)])?;
        }
        page.blank()?;
    }
    page.line(&[Span::new(Tone::Strong, "functions"), Span::plain(", beside those of Polars SQL")])?;
    for function in functions() {
        page.flow(&[Span::plain(format!("  {}: ", function.call))], 6, &[Span::plain(function.meaning)])?;
    }
    Ok(())
}

/// As people who write SQL call it.
fn type_name(data_type: &arrow::datatypes::DataType) -> String {
    use arrow::datatypes::DataType;
    match data_type {
        DataType::Utf8 => "text".to_owned(),
        DataType::Int32 => "int".to_owned(),
        DataType::Int64 => "bigint".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Timestamp(..) => "timestamp".to_owned(),
        DataType::List(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string().to_lowercase(),
    }
}
