//! `flowgate investigate`: all that a store holds of one thing.

use std::io::Write;
use std::path::PathBuf;

use super::config::Check;
use super::failure::{Failure, Problem, written};
use super::place::AccessArguments;
use super::{Environment, Exit, suggest, values};
use crate::investigate::{Investigation, Request, Subject, SubjectError, investigate};
use crate::pipeline::{self, AnalyzeError, configuration};
use crate::report::{
    Look, Page, ReportError, show_investigation, write_investigation, write_investigation_json,
};
use crate::store::{Need, Table};

/// Seconds before and after the time of `--around`.
const SPAN: i64 = 3_600;

/// What happened around an address, a network, an interface, an instance, a security group or a rule
///
/// Says who it is, when and with whom it talked on what, which rules permitted it, what was rejected, what no rule
/// explains, which findings touch it, what changed in the configuration, and how far that can be trusted.
/// Reads a store that `flowgate ingest` has made, and no logs.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate investigate 203.0.113.7 --store store/
  flowgate investigate 10.0.3.0/24 --store store/ --from 2026-03-01 --to 2026-03-08
  flowgate investigate i-0123456789abcdef0 --store store/ --around 2026-03-01T12:00:00Z --span 30m
  flowgate investigate sg-0123456789abcdef0 --store store/ --inventory inventory/ --report page.html

Exit codes:
  0  told, also if the store has nothing of it
  2  usage error, there is no store, or a newer version wrote it
  3  the store is damaged, or can't be read
  4  told, but something that could not be read may change it")]
pub(super) struct Arguments {
    /// An address (203.0.113.7, 2001:db8::7), a network (10.0.3.0/24), or the id of an interface (eni-, nat-), an
    /// instance (i-), a security group (sg-) or a rule (sgr-)
    #[arg(value_name = "SUBJECT", required = true)]
    pub subject: String,

    /// Directory of the store, or `s3://bucket/prefix`
    #[arg(long, value_name = "DIR", required = true, help_heading = "Input")]
    pub store: PathBuf,
    /// Directory or file of inventory dumps, for names, groups and changes; may be repeated [default: what the store's
    /// tables say]
    #[arg(long = "inventory", value_name = "DIR", help_heading = "Input")]
    pub inventories: Vec<PathBuf>,

    /// Look closely at what happened before and after this time: RFC 3339, Unix seconds, or a date for all of that day
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub around: Option<String>,
    /// How long before and after, like 15m, 2h or 1d [default: 1h]
    #[arg(long, value_name = "SPAN", requires = "around", help_heading = "Selection")]
    pub span: Option<String>,
    /// Only what starts from this time on: RFC 3339, or a date for its midnight UTC
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub from: Option<String>,
    /// Only what starts before this time
    #[arg(long, value_name = "TIME", help_heading = "Selection")]
    pub to: Option<String>,

    /// Lines of each list
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Output")]
    pub top: usize,
    /// What to print: text for people, or json, one object for programs
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, help_heading = "Output")]
    #[arg(hide_possible_values = true)]
    pub format: Form,
    /// Write the page for a browser, too
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub report: Option<PathBuf>,

    /// Threads to use [default: all processors]
    #[arg(long, value_name = "N", help_heading = "Resources")]
    pub threads: Option<usize>,

    #[command(flatten)]
    pub access: AccessArguments,
}

/// What is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// For people.
    #[default]
    Text,
    /// `flowgate.investigation/v1`.
    Json,
}

/// Investigates.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    out: Look,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    let request = validate(arguments, environment)?;
    let (place, remote) = arguments.access.place(&arguments.store, environment)?;
    let need = Need::tables(&Table::ALL, (None, None));
    let store = pipeline::open_store(&place, &remote, &need).map_err(AnalyzeError::from)?;
    let configured = match arguments.inventories.as_slice() {
        [] => None,
        paths => Some(configuration(paths)?),
    };
    let mut told = investigate(&store, &request, configured).map_err(AnalyzeError::from)?;
    suggest_another(&mut told);
    if let Some(path) = &arguments.report {
        write_investigation(path, &told).map_err(|error| report_failure(&error))?;
    }
    let shown = match arguments.format {
        Form::Text => show_investigation(&told, &mut Page::new(stdout, out)),
        Form::Json => write_investigation_json(&told, stdout),
    };
    written(shown)?;
    Ok(if told.is_incomplete() { Exit::Incomplete } else { Exit::Clean })
}

/// Of an id that is not known: the one that was meant, perhaps.
fn suggest_another(told: &mut Investigation) {
    let Some(nothing) = &mut told.nothing else { return };
    let meant = told.request.subject.to_string();
    let near = suggest::slip(&meant, nothing.known.iter().map(String::as_str)).map(str::to_owned);
    nothing.known = near.into_iter().collect();
}

fn report_failure(error: &ReportError) -> Failure {
    Failure::failed(Problem::new(format!("--report {error}")))
}

fn validate(arguments: &Arguments, environment: &Environment) -> Result<Request, Failure> {
    let mut check = Check::default();
    let subject = subject(&arguments.subject, &mut check);
    check.inventories(&arguments.inventories);
    let from = check.time("--from", arguments.from.as_deref());
    let to = check.time("--to", arguments.to.as_deref());
    if let (Some(from), Some(to)) = (from, to)
        && from >= to
    {
        check.add(Problem::new("--from is not before --to").help("exchange them, or move one"));
    }
    let around = around(arguments, &mut check);
    if arguments.top == 0 {
        check.add(Problem::new("--top 0: nothing would be listed").help("10 is usual"));
    }
    if arguments.threads == Some(0) {
        let help = "leave it out to use all processors";
        check.add(Problem::new("--threads 0: nothing would run").help(help));
    }
    check.prepared_report(arguments.report.as_deref());
    match subject {
        Some(subject) if check.0.is_empty() => Ok(Request {
            subject,
            from,
            to,
            around,
            shown: arguments.top,
            threads: arguments.threads.unwrap_or(environment.threads).clamp(1, 1024),
            store: arguments.store.to_string_lossy().into_owned(),
            inventories: arguments
                .inventories
                .iter()
                .map(|path| path.to_string_lossy().into_owned())
                .collect(),
        }),
        _ => Err(Failure::usage(check.0)),
    }
}

fn subject(text: &str, check: &mut Check) -> Option<Subject> {
    match text.trim().parse() {
        Ok(subject) => Some(subject),
        Err(error) => {
            let help = match error {
                SubjectError::Network => "write it like 10.0.3.0/24 or 2001:db8::/64",
                SubjectError::Id => "ids are like eni-0123456789abcdef0, i-…, sg-… or sgr-…",
                SubjectError::Whole => {
                    "name one of its networks (`flowgate inventory check` lists what an inventory holds), or an interface"
                }
                SubjectError::Unknown => {
                    "name an address like 203.0.113.7, a network like 10.0.3.0/24, or the id of an interface (eni-…), \
                     an instance (i-…), a security group (sg-…) or a rule (sgr-…)"
                }
            };
            check.add(Problem::new(format!("{text}: {error}")).help(help));
            None
        }
    }
}

/// The time that is looked at, and how far to both sides. A date is its whole day.
fn around(arguments: &Arguments, check: &mut Check) -> Option<(i64, i64)> {
    let span = arguments.span.as_deref().and_then(|text| {
        let span = values::span(text);
        if span.is_none() {
            let help = "write it like 15m, 2h or 1d, up to 10 years";
            check.add(Problem::new(format!("--span {text}: not a span of time")).help(help));
        }
        span
    });
    let text = arguments.around.as_deref()?;
    let Some(time) = values::moment(text) else {
        let help = "write it like 2026-03-01T12:00:00Z, like 1772366400, or 2026-03-01 for all of that day";
        check.add(Problem::new(format!("--around {text}: not a time")).help(help));
        return None;
    };
    Some(match span {
        Some(span) => (time, span),
        // Noon, and half a day to both sides.
        None if text.len() == 10 && text.contains('-') => (time + 43_200, 43_200),
        None => (time, SPAN),
    })
}
