//! `flowgate ingest`: keep logs in a store.

use std::io::{self, Write};
use std::path::PathBuf;

use super::analyze::{FailOn, PER_KIND, verdict};
use super::config::Check;
use super::failure::{Failure, Problem, written};
use super::progress::Meter;
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, Exit, interrupt, place};
use crate::pipeline::{self, AnalyzeConfig, IngestOptions, Ingested, Input, StorePlace};
use crate::report::{Look, Page, Span, TerminalOptions, Tone, count, number, write_terminal};
use crate::source::{STDIN, Selection};
use crate::store::day_name;

/// Problems shown before the rest is only counted.
const SHOWN: usize = 20;

/// Keep flow logs in a store, to read them once and ask often
///
/// Reads what the store does not hold yet, and nothing twice. `flowgate analyze STORE` then says what it would say of
/// the logs. The store's tables are Parquet files that DuckDB, Polars, Spark and Athena read: docs/store.md. An
/// interrupted ingest leaves the store as it was; run it again.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate ingest logs/ --inventory inventory/ --store store/
  flowgate ingest s3://bucket/AWSLogs/ --from 2026-03-01 --inventory inventory/ --store store/
  flowgate ingest s3://bucket/AWSLogs/ --inventory inventory/ --store s3://another/store
  flowgate ingest --rejudge --inventory inventory/ --store store/
  flowgate ingest logs/ --inventory inventory/ --store store/ --analyze
  flowgate analyze store/ --inventory inventory/

Exit codes:
  0  all that was found is in the store; with --analyze, and nothing at or above --fail-on was found
  1  with --analyze: something was
  2  usage or configuration error
  3  failed: the store is as it was, or holds what was read and not what was concluded
  4  something could not be read; the next ingest tries it again")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub reading: ReadingArguments,

    /// Directory of the store, or `s3://bucket/prefix`; made if it is not there
    #[arg(long, value_name = "DIR", required = true, help_heading = "Output")]
    pub store: PathBuf,
    /// Judge the connections of all days anew, because the inventory changed; needs no INPUT
    #[arg(long, help_heading = "Output")]
    pub rejudge: bool,
    /// Analyze the store when that is done, and keep the findings in it: as `flowgate analyze STORE --keep` with the same
    /// inventory
    #[arg(long, help_heading = "Output")]
    pub analyze: bool,
    /// With --analyze, lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "high", help_heading = "Output")]
    pub fail_on: FailOn,
    /// Show nothing but errors
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Show no progress
    #[arg(long, help_heading = "Output")]
    pub no_progress: bool,

    #[command(flatten)]
    pub resources: ResourceArguments,
}

/// Ingests.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let (config, place) = validate(arguments, environment)?;
    if environment.owns_process {
        interrupt::watch(&config.cancel);
    }
    let options = IngestOptions { rejudge: arguments.rejudge, disk: environment.disk() };
    let animated = environment.can_animate() && !arguments.no_progress && !arguments.quiet;
    let ingested = {
        let warnings: Option<&mut (dyn Write + Send)> =
            if arguments.quiet { None } else { Some(&mut *stderr) };
        let meter = Meter::new(warnings, err, animated);
        pipeline::ingest(&config, &place, &options, &meter)?
    };
    if !arguments.quiet {
        let page = &mut Page::new(stdout, out);
        written(show(&ingested, arguments, page).and_then(|()| stdout.flush()))?;
    }
    let read = if ingested.problems.is_empty() { Exit::Clean } else { Exit::Incomplete };
    if !arguments.analyze {
        return Ok(read);
    }
    // Those that lay among the logs, unless some were named.
    let inventories =
        if config.inventories.is_empty() { ingested.inventories } else { config.inventories.clone() };
    let config = AnalyzeConfig {
        inputs: vec![Input::Store(place.clone())],
        inventories,
        // All that the store holds, whatever was asked of the logs.
        selection: Selection::default(),
        ..config
    };
    let conclusions = {
        let warnings: Option<&mut (dyn Write + Send)> =
            if arguments.quiet { None } else { Some(&mut *stderr) };
        let meter = Meter::new(warnings, err, animated);
        pipeline::analyze_and_keep(&config, &place, &environment.disk(), &meter)?
    };
    if !arguments.quiet {
        let options = TerminalOptions {
            look: out,
            per_kind: Some(PER_KIND),
            elsewhere: "see them all with `flowgate analyze STORE --all`".to_owned(),
            verbose: false,
        };
        written(write_terminal(&conclusions, &options, stdout).and_then(|()| stdout.flush()))?;
    }
    Ok(match read {
        Exit::Clean => verdict(&conclusions, arguments.fail_on),
        incomplete => incomplete,
    })
}

fn validate(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<(AnalyzeConfig, StorePlace), Failure> {
    let mut check = Check(Vec::new());
    let rejudge_only = arguments.rejudge && arguments.reading.inputs.is_empty();
    let config = check.reading("ingest", &arguments.reading, &arguments.resources, environment);
    if rejudge_only {
        check.0.retain(|problem| !problem.message.starts_with("nothing to "));
        if arguments.reading.inventories.is_empty() {
            check.add(Problem::new("--rejudge without an inventory").help("name it: --inventory DIR"));
        }
    }
    for input in &config.inputs {
        let (what, help) = match input {
            Input::Local(path) if path.as_os_str() == STDIN => {
                ("standard input has no name by which it could be known again", "write it to a file")
            }
            Input::CloudWatch(_) => (
                "log groups can't be ingested yet: their events have no files that could be known again",
                "export the group to S3, or analyze it directly",
            ),
            Input::Store(_) => {
                ("is a store", "name the logs it was made of; `flowgate store info` lists them")
            }
            Input::Local(_) | Input::S3(_) => continue,
        };
        check.add(Problem::new(format!("{input}: {what}")).help(help));
    }
    if !arguments.reading.interfaces.is_empty() {
        let help = "ingest all of them, and choose with `flowgate analyze STORE --interface`";
        check.add(Problem::new("--interface: objects are ingested whole").help(help));
    }
    match (place::place(&arguments.store), check.0.is_empty()) {
        (Ok(place), true) => return Ok((config, place)),
        (Ok(_), false) => {}
        (Err(problem), _) => check.add(problem),
    }
    Err(Failure::usage(check.0))
}

fn show(ingested: &Ingested, arguments: &Arguments, page: &mut Page<'_>) -> io::Result<()> {
    let Ingested { objects, known, replaced, tally, days, connections, unjudged, problems, .. } = ingested;
    let mut told = vec![
        Span::new(Tone::Strong, count(*objects, "object")),
        Span::plain(format!(
            " with {} read into {}, {} known already",
            count(tally.records, "record"),
            arguments.store.display(),
            number(*known)
        )),
    ];
    if *replaced > 0 {
        let text = if *replaced == 1 {
            "takes the place of an earlier version"
        } else {
            "take the place of earlier versions"
        };
        told.push(Span::plain(format!("; {} {text}", number(*replaced))));
    }
    page.flow(&[], 2, &told)?;
    if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
        let text = format!(
            "{} of {} judged, {} to {}",
            count(*connections, "connection"),
            count(days.len() as u64, "day"),
            day_name(first),
            day_name(last)
        );
        page.flow(&[], 2, &[Span::plain(text)])?;
    }
    if *unjudged && !days.is_empty() {
        let text =
            "no inventory: the table of connections has no verdicts; add one with --rejudge --inventory DIR";
        page.flow(&[Span::new(Tone::Note, "note: ")], 6, &[Span::plain(text)])?;
    }
    for problem in problems.iter().take(SHOWN) {
        page.flow(&[Span::new(Tone::Bad, "not read: ")], 10, &[Span::plain(problem.as_str())])?;
    }
    if problems.len() > SHOWN {
        page.flow(&[], 2, &[Span::plain(format!("and {} more", problems.len() - SHOWN))])?;
    }
    Ok(())
}
