//! The command line: the only room that prints, reads the environment or exits.
//!
//! One file per subcommand. What a subcommand does not print, it returns: an [`Exit`], or a failure with
//! every problem found. [`run`] takes the streams and the [`Environment`] as values, so that tests can
//! call it like `main` does.

mod about;
mod analyze;
mod answer;
mod aws;
mod config;
mod environment;
mod exit;
mod expect;
mod explain;
mod failure;
mod ingest;
mod interrupt;
mod inventory;
mod investigate;
mod log;
mod place;
mod progress;
mod query;
mod reading;
mod replay;
mod settings;
mod sql;
mod store;
mod suggest;
#[cfg(test)]
mod tests;
mod tighten;
mod values;

use std::io::{BufWriter, Read, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::detect;
use crate::report::{Look, Page, Span, Tone};
use failure::{Failure, written};
use settings::Settings;

pub use environment::{ColorChoice, Environment};
pub use exit::Exit;

/// What can be read from in place of standard input.
pub type Stdin = Box<dyn Read + Send>;

/// Judge AWS VPC Flow Logs against security groups and network ACLs
///
/// flowgate reads VPC Flow Logs and the configuration that applied to them, works out who opened each
/// connection and which rule let it in or stopped it, and says what is odd and what can be tightened.
/// It only reads, and writes nothing but the files you name.
#[derive(Debug, Parser)]
#[command(name = "flowgate", version, arg_required_else_help = true, after_long_help = Exit::table())]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    display: Display,
    /// File of options [default: flowgate.toml in the current directory, if there is one]; see `flowgate config show`
    #[arg(long, global = true, value_name = "FILE", help_heading = "Display")]
    config: Option<std::path::PathBuf>,
    /// Log to standard error what happens, as lines of text or json, in place of progress and warnings
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = "Display")]
    #[arg(hide_possible_values = true)]
    log: Option<log::LogFormat>,
    #[command(subcommand)]
    command: Command,
}

/// How to show things; the same for every subcommand.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Display {
    /// When to use colours: auto, always or never; auto honours NO_COLOR, CLICOLOR_FORCE and TERM=dumb
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    #[arg(help_heading = "Display", hide_possible_values = true)]
    color: ColorChoice,
    /// Columns to fill [default: those of the terminal, else 100]
    #[arg(long, global = true, value_name = "COLUMNS", help_heading = "Display")]
    #[arg(value_parser = clap::value_parser!(u16).range(40..=1000))]
    width: Option<u16>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(Box<analyze::Arguments>),
    Tighten(Box<tighten::Arguments>),
    Replay(Box<replay::Arguments>),
    Ingest(Box<ingest::Arguments>),
    Store(store::Arguments),
    Sql(Box<sql::Arguments>),
    Query(Box<query::Arguments>),
    Investigate(Box<investigate::Arguments>),
    Inventory(inventory::Arguments),
    Expect(expect::Arguments),
    Explain(explain::Arguments),
    Detectors(about::Detectors),
    Config(settings::Arguments),
    Completions(about::Completions),
    Man(about::Manual),
}

/// The command line as clap knows it: for tests and for generating documents.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// Does what the command line says, and returns how it ended.
pub fn run(
    environment: &Environment,
    stdin: Option<Stdin>,
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Exit {
    let mut stdout = BufWriter::new(stdout);
    let plain = environment.stderr(ColorChoice::Auto, None);
    let (look, result) = match parse(environment) {
        Ok(Parsed { cli, settings, name }) => {
            let look = environment.stderr(cli.display.color, cli.display.width.map(usize::from));
            begin(&cli, settings.remark(environment, &[name]), look, stderr);
            (look, dispatch(cli, &settings, environment, stdin, &mut stdout, stderr))
        }
        Err(Unparsed::Told(error)) => (plain, told(&error, environment, &mut stdout, stderr)),
        Err(Unparsed::Settings(failure)) => (plain, Err(failure)),
    };
    // What was printed before a failure belongs to it: both are shown, and the first failure counts.
    let flushed = written(stdout.flush());
    let result = result.and_then(|exit| flushed.map(|()| exit));
    // Or it would try again to write what could not be written, when dropped.
    drop(stdout.into_parts());
    let exit = result.unwrap_or_else(|failure| {
        if log::is_on() {
            log::failure(&failure);
        } else {
            // If even standard error is gone, the exit code is all there is left.
            _ = failure.show(look, stderr);
        }
        failure.exit
    });
    if log::is_on() {
        tracing::info!(target: log::TARGET, exit = exit.code(), "done");
    }
    exit
}

/// Why there is no command line to follow.
enum Unparsed {
    /// Help, version, or what clap complains about.
    Told(Box<clap::Error>),
    /// A file or variable of options is wrong.
    Settings(Failure),
}

impl From<clap::Error> for Unparsed {
    fn from(error: clap::Error) -> Self {
        Self::Told(Box::new(error))
    }
}

/// What was typed, and what else says how to do it.
struct Parsed {
    cli: Cli,
    settings: Settings,
    /// The subcommand.
    name: String,
}

fn parse(environment: &Environment) -> Result<Parsed, Unparsed> {
    let width = environment.stdout(ColorChoice::Auto, None).width.min(100);
    let command = command().term_width(width);
    // Help is there whatever the file of options says.
    if let Err(error) = command.clone().try_get_matches_from(&environment.arguments)
        && is_asked_for(&error)
    {
        return Err(error.into());
    }
    let settings = Settings::read(environment, &command).map_err(Unparsed::Settings)?;
    let matches = settings.apply(command).try_get_matches_from(&environment.arguments)?;
    let name = matches.subcommand_name().unwrap_or_default().to_owned();
    Ok(Parsed { cli: Cli::from_arg_matches(&matches)?, settings, name })
}

fn is_asked_for(error: &clap::Error) -> bool {
    matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion)
}

/// Starts the log, and says where options come from that nobody typed.
fn begin(cli: &Cli, remark: Option<String>, look: Look, stderr: &mut dyn Write) {
    if let Some(format) = cli.log {
        log::start(format);
    }
    let quiet = match &cli.command {
        Command::Analyze(arguments) => arguments.quiet,
        Command::Tighten(arguments) => arguments.quiet,
        Command::Replay(arguments) => arguments.quiet,
        _ => false,
    };
    match remark.filter(|_| !quiet) {
        Some(text) if log::is_on() => tracing::info!(target: log::TARGET, "{text}"),
        // A remark: not worth an error if nobody can read it.
        Some(text) => _ = Page::new(stderr, look).flow(&[], 0, &[Span::new(Tone::Faint, text)]),
        None => {}
    }
}

fn dispatch(
    cli: Cli,
    settings: &Settings,
    environment: &Environment,
    stdin: Option<Stdin>,
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let width = cli.display.width.map(usize::from);
    let out: Look = environment.stdout(cli.display.color, width);
    let err: Look = environment.stderr(cli.display.color, width);
    match cli.command {
        Command::Analyze(arguments) => {
            let run = analyze::Run { environment, registry: &detect::registry(), out, err };
            run.execute(&arguments, stdin, stdout, stderr)
        }
        Command::Replay(arguments) => {
            replay::execute(&arguments, environment, (out, err), stdin, stdout, stderr)
        }
        Command::Tighten(arguments) => tighten::execute(&arguments, environment, (out, err), stdout, stderr),
        Command::Ingest(arguments) => ingest::execute(&arguments, environment, (out, err), stdout, stderr),
        Command::Store(arguments) => store::execute(&arguments, environment, out, stdout),
        Command::Sql(arguments) => {
            sql::execute(&arguments, environment, ((out, err), width.is_some()), stdin, stdout, stderr)
        }
        Command::Query(arguments) => {
            query::execute(&arguments, environment, ((out, err), width.is_some()), stdout, stderr)
        }
        Command::Investigate(arguments) => investigate::execute(&arguments, environment, out, stdout),
        Command::Inventory(arguments) => {
            inventory::execute(&arguments, environment, (out, err), stdout, stderr)
        }
        Command::Expect(arguments) => expect::execute(&arguments, (out, err), stdout, stderr),
        Command::Explain(arguments) => explain::execute(&arguments, &detect::registry(), out, stdout),
        Command::Detectors(_) => explain::list_all(&detect::registry(), out, stdout),
        Command::Config(arguments) => settings::execute(&arguments, settings, &command(), out, stdout),
        Command::Completions(arguments) => about::completions(&arguments, command(), stdout),
        Command::Man(arguments) => about::man(&arguments, command(), stdout),
    }
}

/// Help and version go to standard output, complaints to standard error.
fn told(
    error: &clap::Error,
    environment: &Environment,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    let text = error.render();
    let show = |look: Look| if look.color { text.ansi().to_string() } else { text.to_string() };
    if is_asked_for(error) {
        written(write!(stdout, "{}", show(environment.stdout(ColorChoice::Auto, None))))?;
        return Ok(Exit::Clean);
    }
    // Nothing can be done about a closed standard error.
    _ = write!(stderr, "{}", show(environment.stderr(ColorChoice::Auto, None)));
    Ok(Exit::Usage)
}
