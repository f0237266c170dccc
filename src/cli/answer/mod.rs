//! How the answers to questions are shown: what `flowgate sql` and `flowgate query` have in common.

mod problem;
mod table;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value};

use super::failure::{Failure, Problem, written};
use super::place::AccessArguments;
use super::{Environment, Exit, config};
use crate::pipeline::{self, AnalyzeError};
use crate::query::{self, Answer, Engine, Explanation, Limits};
use crate::report::{Look, Page, Span, Tone, count, guarded, json_line, number, sanitise, write_whole};
use crate::store::{Need, Table};

pub(super) use problem::{asked, unfilled};

/// How to answer.
#[derive(Debug, clap::Args)]
pub(super) struct AnswerArguments {
    /// Directory of the store, or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// How to show the answer: table, csv, jsonl (an object a line) or parquet [default: as the name of --out says, else
    /// table]
    #[arg(long, value_name = "FORMAT", value_enum, help_heading = "Output", hide_possible_values = true)]
    pub format: Option<AnswerFormat>,
    /// Write the answer to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Most rows that a table shows; 0 for all
    #[arg(long, value_name = "N", default_value_t = 200, help_heading = "Output")]
    pub max_rows: usize,
    /// Show what would be done in place of the answer: what is read of which files, and the plan
    #[arg(long, help_heading = "Output")]
    pub explain: bool,

    /// Threads that read the store [default: all processors]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub threads: Option<usize>,
    /// Memory to get along with; a question that needs more is refused [default: half of the machine's]
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    pub memory: Option<String>,

    #[command(flatten)]
    pub access: AccessArguments,
}

/// How an answer is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AnswerFormat {
    Table,
    Csv,
    #[value(alias = "json", alias = "ndjson")]
    Jsonl,
    Parquet,
}

impl AnswerFormat {
    fn of_file(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_string_lossy().to_ascii_lowercase();
        Some(match extension.as_str() {
            "txt" => Self::Table,
            "csv" => Self::Csv,
            "jsonl" | "ndjson" | "json" => Self::Jsonl,
            "parquet" => Self::Parquet,
            _ => return None,
        })
    }
}

/// A question, as the arguments say how to answer it.
pub(super) struct Asking<'a> {
    pub arguments: &'a AnswerArguments,
    pub environment: &'a Environment,
    pub looks: (Look, Look),
    /// Somebody said how wide lines are to be.
    pub has_width: bool,
}

impl Asking<'_> {
    /// Asks, and shows the answer.
    pub fn ask(
        &self,
        sql: &str,
        stdout: &mut dyn Write,
        stderr: &mut (dyn Write + Send),
    ) -> Result<Exit, Failure> {
        let (format, limits) = self.check()?;
        let arguments = self.arguments;
        let Some(store) = &arguments.store else {
            let help = "name one: --store DIR; `flowgate ingest LOGS --store DIR` makes it";
            return Err(Failure::usage(vec![Problem::new("there is no store to ask").help(help)]));
        };
        let (place, remote) = arguments.access.place(store, self.environment)?;
        if self.environment.owns_process {
            // A panic of the engine becomes an error with words of ours.
            std::panic::set_hook(Box::new(|_| {}));
        }
        let need = Need::tables(&query::tables(sql), (None, None));
        let store = pipeline::open_store(&place, &remote, &need).map_err(AnalyzeError::from)?;
        let engine = Engine::of(store, limits);
        if arguments.explain {
            let explanation = engine.explain(sql).map_err(|error| asked(error, sql))?;
            written(explain(&explanation, &mut Page::new(stdout, self.looks.0)))?;
            return Ok(Exit::Clean);
        }
        let answer = engine.ask(sql).map_err(|error| asked(error, sql))?;
        self.show(&answer, sql, format, stdout)?;
        if answer.rows() == 0 {
            let page = &mut Page::new(stderr, self.looks.1);
            for table in engine.empty_tables(sql) {
                let text =
                    format!("the table `{}` of this store has no rows: {}", table.name(), filled_by(table));
                // A remark: not worth an error if nobody can read it.
                _ = page.flow(&[Span::new(Tone::Note, "note: ")], 2, &[Span::plain(text)]);
            }
        }
        Ok(Exit::Clean)
    }

    /// All that can be wrong before the store is opened.
    fn check(&self) -> Result<(AnswerFormat, Limits), Failure> {
        let AnswerArguments { format, out, threads, memory, .. } = self.arguments;
        let mut check = config::Check::default();
        let named = out.as_deref().map(AnswerFormat::of_file);
        if let (None, Some(None), Some(out)) = (format, named, out) {
            let help = "end it in .csv, .jsonl, .parquet or .txt, or say --format";
            check.add(Problem::new(format!("--out {}: of no known format", out.display())).help(help));
        }
        let format = format.or(named.flatten()).unwrap_or(AnswerFormat::Table);
        if format == AnswerFormat::Parquet && out.is_none() && self.environment.stdout_is_terminal {
            let help = "name a file: --out answer.parquet";
            check.add(Problem::new("--format parquet: a terminal can't show it").help(help));
        }
        if *threads == Some(0) {
            check.add(
                Problem::new("--threads 0: nothing would run").help("leave it out to use all processors"),
            );
        }
        let memory =
            memory.as_deref().map_or(self.environment.memory / 2, |text| check.size("--memory", text));
        if !check.0.is_empty() {
            return Err(Failure::usage(check.0));
        }
        Ok((format, Limits { memory, threads: threads.unwrap_or(self.environment.threads).clamp(1, 1024) }))
    }

    fn show(
        &self,
        answer: &Answer,
        sql: &str,
        format: AnswerFormat,
        stdout: &mut dyn Write,
    ) -> Result<(), Failure> {
        let max_rows = Some(self.arguments.max_rows).filter(|rows| *rows > 0).unwrap_or(usize::MAX);
        let parquet = match format {
            AnswerFormat::Parquet => answer.parquet().map_err(|error| asked(error, sql))?,
            _ => Vec::new(),
        };
        let to_terminal = self.arguments.out.is_none() && self.environment.stdout_is_terminal;
        // What goes to a file or a program is not cut, unless somebody says where.
        let cut = to_terminal || self.has_width;
        let look = Look { color: self.looks.0.color && self.arguments.out.is_none(), ..self.looks.0 };
        let write = |out: &mut dyn Write| match format {
            AnswerFormat::Table => {
                table::write(answer, max_rows, cut, &mut Page::new(out, look), look.unicode)
            }
            AnswerFormat::Csv => csv(answer, out),
            AnswerFormat::Jsonl => jsonl(answer, out),
            AnswerFormat::Parquet => out.write_all(&parquet),
        };
        match &self.arguments.out {
            None => written(write(stdout)),
            Some(path) => {
                write_whole(path, &write).map_err(|error| Failure::failed(Problem::from(error)))?;
                let text = format!("{} written to {}", count(answer.rows() as u64, "row"), path.display());
                written(Page::new(stdout, self.looks.0).flow(&[], 0, &[Span::new(Tone::Faint, text)]))
            }
        }
    }
}

/// How a table without rows gets some.
fn filled_by(table: Table) -> &'static str {
    match table {
        Table::Findings => "`flowgate analyze STORE --inventory DIR --keep` fills it",
        Table::Rules | Table::Interfaces => "`flowgate ingest` fills it if it is given an --inventory",
        _ => {
            "`flowgate ingest` fills it; of a store that an earlier version made, `flowgate ingest --rejudge`"
        }
    }
}

/// RFC 4180: CRLF, text in quotes, guarded against spreadsheets that would take it for a formula; null is an empty cell.
fn csv(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let quoted = |text: &str| format!("\"{}\"", guarded(&sanitise(text, true)));
    let names: Vec<String> = answer.columns().iter().map(|name| quoted(name)).collect();
    write!(out, "{}\r\n", names.join(","))?;
    for row in 0..answer.rows() {
        let cells: Vec<String> = answer
            .row(row)
            .iter()
            .map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => quoted(text),
                Value::Array(_) => quoted(&plain(value)),
                other => plain(other),
            })
            .collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// An object a line, keys in the order of the columns.
fn jsonl(answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<String> =
        answer.columns().iter().map(|name| json_line(&Value::from(name.as_str()))).collect();
    for row in 0..answer.rows() {
        let values = answer.row(row);
        let pairs: Vec<String> =
            names.iter().zip(&values).map(|(name, value)| format!("{name}:{}", json_line(value))).collect();
        writeln!(out, "{{{}}}", pairs.join(","))?;
    }
    Ok(())
}

/// A value as people read it.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        Value::Object(keys) => Value::Object(Map::clone(keys)).to_string(),
        other => other.to_string(),
    }
}

fn explain(explanation: &Explanation, page: &mut Page<'_>) -> io::Result<()> {
    for read in &explanation.reads {
        let (rows, bytes) =
            read.files.iter().fold((0, 0), |(rows, bytes), file| (rows + file.rows, bytes + file.bytes));
        page.line(&[Span::new(Tone::Strong, read.table)])?;
        let files = format!(
            "{} of {}, {}, {}",
            number(read.files.len() as u64),
            count(read.of_files as u64, "file"),
            count(rows, "row"),
            super::store::size(bytes)
        );
        let groups = format!(
            "{} of {} of these files, {}",
            number(read.extent.row_groups_read as u64),
            number(read.extent.row_groups as u64),
            count(read.extent.rows, "row")
        );
        // Without page indexes there is nothing to count.
        let pages = (read.pages.0 > 0).then(|| {
            format!("{} of {} of these row groups and columns", number(read.pages.1), number(read.pages.0))
        });
        let columns = if read.columns.is_empty() { "none".to_owned() } else { read.columns.join(", ") };
        let conditions = if read.conditions.is_empty() {
            "none: all rows of these files".to_owned()
        } else {
            read.conditions.join("; ")
        };
        let told = [
            ("files", Some(files)),
            ("row groups", Some(groups)),
            ("pages", pages),
            ("columns", Some(columns)),
            ("looked up", Some(conditions)),
        ];
        for (label, text) in told.into_iter().filter_map(|(label, text)| Some((label, text?))) {
            page.flow(&[Span::new(Tone::Faint, format!("  {label:<11}"))], 13, &[Span::plain(text)])?;
        }
        for file in read.files.iter().take(10) {
            page.line(&[Span::new(Tone::Faint, format!("             {}", file.path))])?;
        }
        if read.files.len() > 10 {
            let more = format!("             and {} more", number(read.files.len() as u64 - 10));
            page.line(&[Span::new(Tone::Faint, more)])?;
        }
        page.blank()?;
    }
    page.line(&[Span::new(Tone::Strong, "plan")])?;
    for line in explanation.plan.lines() {
        page.line(&[Span::plain(format!("  {line}"))])?;
    }
    Ok(())
}
