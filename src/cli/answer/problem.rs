//! Questions without an answer: what to do about it.

use crate::cli::failure::{Failure, Problem};
use crate::cli::suggest;
use crate::pipeline::AnalyzeError;
use crate::query::{FillError, QueryError, Takes};

const TABLES: &str = "`flowgate sql --tables` lists tables and columns";

/// What became of a question.
pub(in crate::cli) fn asked(error: QueryError, sql: &str) -> Failure {
    let message = error.to_string();
    let near = |name: &str, known: &[String]| {
        suggest::nearest(name, known.iter().map(String::as_str))
            .map_or_else(|| TABLES.to_owned(), |near| format!("did you mean `{near}`? {TABLES}"))
    };
    let usage = |help: String| Failure::usage(vec![Problem::new(message.clone()).help(help)]);
    match error {
        QueryError::Store(error) => AnalyzeError::from(error).into(),
        QueryError::Refused { .. } => usage(format!("ask one question with SELECT …; {TABLES}")),
        QueryError::NoTable { name, known } | QueryError::NoColumn { name, known } => usage(near(&name, &known)),
        QueryError::NoFunction { name, known } => {
            usage(match suggest::nearest(&name, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`? `flowgate sql --tables` lists functions, too"),
                None => "functions are those of Polars SQL, and those that `flowgate sql --tables` lists".to_owned(),
            })
        }
        QueryError::Syntax { place, .. } => {
            let problem = Problem::new(message).excerpt(excerpt(sql, place));
            let help = "a question looks like `SELECT remote, SUM(bytes_in) FROM connections GROUP BY remote`; a column \
                        called like a word of SQL is written in double quotes: \"end\"";
            Failure::usage(vec![problem.help(help)])
        }
        QueryError::Meaning { message } => usage(hint(&message)),
        QueryError::Memory { .. } => usage(
            "name fewer columns, or narrow it: a day (`dt = '2026-03-01'`), an interface, an address; or give it more \
             with --memory"
                .to_owned(),
        ),
        QueryError::Write { .. } => {
            Failure::failed(Problem::new(message).help("give the column a simpler type with CAST(… AS TEXT)"))
        }
        QueryError::Engine { .. } => Failure::failed(
            Problem::new(message).help("write it in another way, and please report it with the question"),
        ),
    }
}

/// The line where it is wrong, and a mark below the place.
fn excerpt(sql: &str, place: Option<(usize, usize)>) -> Vec<String> {
    let Some((line, column)) = place.filter(|(line, column)| *line > 0 && *column > 0) else {
        return Vec::new();
    };
    let Some(text) = sql.lines().nth(line - 1) else { return Vec::new() };
    // A long line is shown around the place.
    let from = column.saturating_sub(60);
    let shown: String = text.chars().skip(from).take(100).map(|c| if c == '\t' { ' ' } else { c }).collect();
    vec![shown, format!("{}^", " ".repeat(column - 1 - from.min(column - 1)))]
}

/// What to do about what Polars says.
fn hint(message: &str) -> String {
    let lower = message.to_ascii_lowercase();
    if ["cannot compare", "datatypes of join keys", "`is_in` cannot check"]
        .iter()
        .any(|start| lower.contains(start))
    {
        "compare text with text ('10.0.0.1'), numbers with numbers (ports and protocols are numbers: 443, 6) and times with \
         times (TIMESTAMP '2026-03-01 12:00:00')"
            .to_owned()
    } else if lower.contains("duplicate") {
        "give columns names of their own: is_private(remote) AS private".to_owned()
    } else if lower.contains("subquery comparisons") {
        "compare with a subquery by IN (SELECT …), or join with it: … CROSS JOIN (SELECT AVG(n) AS mean FROM …)".to_owned()
    } else {
        format!("the question is put to Polars SQL; {TABLES}")
    }
}

/// Why a packaged question could not be filled in.
pub(in crate::cli) fn unfilled(error: &FillError) -> Failure {
    let message = error.to_string();
    let help = match error {
        FillError::Unknown { question, name, known } => {
            match suggest::nearest(name, known.iter().map(String::as_str)) {
                Some(near) => {
                    format!("did you mean `{near}`? `flowgate query {question} --describe` lists them")
                }
                None => format!("`flowgate query {question} --describe` lists its parameters"),
            }
        }
        FillError::Missing { question, parameter } => {
            let value = match &parameter.takes {
                Takes::OneOf(words) => words.join(" or "),
                takes => takes.example().to_owned(),
            };
            format!("`flowgate query {question} --param {}=…`, with {value}", parameter.name)
        }
        FillError::Wrong { .. } => "parameters are told like `--param port=443`".to_owned(),
        FillError::NoTwin { question, .. } => {
            format!("`flowgate query {question} --print` prints the SQL for the store")
        }
        FillError::NoNull { name, .. } => format!("tell it: --param {name}=…"),
    };
    Failure::usage(vec![Problem::new(message).help(help)])
}
