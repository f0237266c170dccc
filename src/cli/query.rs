//! `flowgate query`: the questions that come with the program.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::answer::{AnswerArguments, Asking, unfilled};
use super::failure::{Failure, Problem, written};
use super::{Environment, Exit, suggest};
use crate::query::{Parameter, Question, Takes, Target, Twin, questions};
use crate::report::{Look, Page, Span, Tone};

/// Ask a store one of the packaged questions
///
/// Without a name, or with --list, all questions are listed. Each is a file of SQL with parameters, and has twins for Athena
/// and CloudWatch Logs Insights where these can answer it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate query --list
  flowgate query first-contact --describe
  flowgate query first-contact --store store/ --param address=203.0.113.7
  flowgate query top-talkers --athena --param from=2026-03-01
  flowgate query top-talkers --print | flowgate sql - --store store/

Exit codes:
  0  answered
  2  usage error, no store, or a parameter that is missing or wrong
  3  failed: the store is damaged, or the answer can't be written")]
pub(super) struct Arguments {
    /// Name of the question
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Tell a parameter; may be repeated
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// List all questions
    #[arg(long, conflicts_with_all = ["name", "describe", "print", "athena", "insights"])]
    list: bool,
    /// Tell what the question asks, its parameters and the columns of its answer
    #[arg(long, requires = "name", group = "what")]
    describe: bool,
    /// Print the SQL with its parameters filled in, and don't ask
    #[arg(long, requires = "name", group = "what")]
    print: bool,
    /// Print the same question for Athena
    #[arg(long, requires = "name", group = "what")]
    athena: bool,
    /// Print the same question for CloudWatch Logs Insights
    #[arg(long, requires = "name", group = "what")]
    insights: bool,
    #[command(flatten)]
    answer: AnswerArguments,
}

/// Does it.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (looks, has_width): ((Look, Look), bool),
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    // A test reads them all, so that this can't happen.
    let all = questions().map_err(|error| Failure::failed(Problem::new(error.to_string())))?;
    let page = &mut Page::new(stdout, looks.0);
    let Some(name) = arguments.name.as_deref().filter(|_| !arguments.list) else {
        written(list(&all, page))?;
        return Ok(Exit::Clean);
    };
    let Some(question) = all.iter().find(|question| question.name == name) else {
        let near = suggest::nearest(name, all.iter().map(|question| question.name));
        let help = match near {
            Some(near) => format!("did you mean `{near}`? `flowgate query --list` lists them all"),
            None => "`flowgate query --list` lists them all; `flowgate sql` asks your own".to_owned(),
        };
        return Err(Failure::usage(vec![Problem::new(format!("there is no question `{name}`")).help(help)]));
    };
    if arguments.describe {
        written(describe(question, page))?;
        return Ok(Exit::Clean);
    }
    let values = values(&arguments.params)?;
    let target = match arguments {
        Arguments { athena: true, .. } => Target::Athena,
        Arguments { insights: true, .. } => Target::Insights,
        _ => Target::Store,
    };
    let text = question.fill(target, &values).map_err(|error| unfilled(&error))?;
    if arguments.print || target != Target::Store {
        written(stdout.write_all(text.as_bytes()))?;
        return Ok(Exit::Clean);
    }
    Asking { arguments: &arguments.answer, environment, looks, has_width }.ask(&text, stdout, stderr)
}

/// `name=value` of each, or all that are none.
fn values(params: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for param in params {
        match param.split_once('=') {
            None => problems.push(
                Problem::new(format!("--param {param}: there is no `=`"))
                    .help("write it like --param port=443"),
            ),
            Some((name, value)) => {
                if values.insert(name.trim_start_matches(':').to_owned(), value.to_owned()).is_some() {
                    problems.push(Problem::new(format!("--param {name}: told twice")).help("leave one out"));
                }
            }
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(Failure::usage(problems)) }
}

fn list(all: &[Question], page: &mut Page<'_>) -> io::Result<()> {
    let width = all.iter().map(|question| question.name.len()).max().unwrap_or(0);
    for question in all {
        let lead = Span::new(Tone::Strong, format!("{:width$}  ", question.name));
        let mut spans = vec![Span::plain(question.title.clone())];
        let parameters: Vec<String> = question.parameters.iter().map(brief).collect();
        if !parameters.is_empty() {
            spans.push(Span::new(Tone::Faint, format!(" ({})", parameters.join(", "))));
        }
        let twins: Vec<&str> = [(&question.athena, "Athena"), (&question.insights, "Insights")]
            .into_iter()
            .filter(|(twin, _)| twin.text().is_some())
            .map(|(_, name)| name)
            .collect();
        if !twins.is_empty() {
            spans.push(Span::new(Tone::Note, format!(" [{}]", twins.join(", "))));
        }
        page.flow(&[lead], width + 2, &spans)?;
    }
    page.blank()?;
    let text = "Parameters that must be told are marked with *; [Athena] and [Insights] have a twin there. `flowgate query \
                NAME --describe` tells more.";
    page.flow(&[], 0, &[Span::new(Tone::Faint, text)])
}

fn brief(parameter: &Parameter) -> String {
    let mark = if parameter.default.is_none() { "*" } else { "" };
    format!("{}{mark}", parameter.name)
}

fn describe(question: &Question, page: &mut Page<'_>) -> io::Result<()> {
    let name = Span::new(Tone::Strong, question.name);
    page.flow(&[name, Span::plain(": ")], 2, &[Span::plain(question.title.clone())])?;
    page.blank()?;
    page.flow(&[], 0, &[Span::plain(question.question.clone())])?;
    if !question.parameters.is_empty() {
        heading("parameters", page)?;
        let names: Vec<(String, String)> = question
            .parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), explained(parameter)))
            .collect();
        rows(&names, page)?;
    }
    heading("columns of the answer", page)?;
    rows(&question.columns, page)?;
    heading("reads", page)?;
    page.flow(&[Span::plain("  ")], 2, &[Span::plain(question.tables.join(", "))])?;
    heading("twins", page)?;
    let twin = |twin: &Twin, flag: &str| match twin {
        Twin::Text(_) => format!("--{flag} prints it"),
        Twin::None(reason) => format!("none: {reason}"),
    };
    rows(
        &[
            ("Athena".to_owned(), twin(&question.athena, "athena")),
            ("Insights".to_owned(), twin(&question.insights, "insights")),
        ],
        page,
    )
}

fn explained(parameter: &Parameter) -> String {
    let takes = match &parameter.takes {
        Takes::OneOf(words) => words.join(" or "),
        takes => takes.example().to_owned(),
    };
    let default = match &parameter.default {
        None => "must be told".to_owned(),
        Some(None) => "may be left out".to_owned(),
        Some(Some(default)) => format!("{default} unless told"),
    };
    format!("{}: {takes}; {default}", parameter.meaning)
}

fn heading(text: &str, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    page.line(&[Span::new(Tone::Strong, text)])
}

fn rows(rows: &[(String, String)], page: &mut Page<'_>) -> io::Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, meaning) in rows {
        let lead = Span::plain(format!("  {name:<width$}  "));
        page.flow(&[lead], width + 4, &[Span::plain(meaning.clone())])?;
    }
    Ok(())
}
