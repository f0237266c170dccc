//! The command line: the only room that prints, reads the environment or exits.
//!
//! One file per subcommand. What a subcommand does not print, it returns: an [`Exit`], or a failure with
//! every problem found. [`run`] takes the streams and the [`Environment`] as values, so that tests can
//! call it like `main` does.

mod analyze;
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
mod progress;
mod reading;
mod store;
mod suggest;
#[cfg(test)]
mod tests;
mod values;

use std::io::{BufWriter, Read, Write};

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::detect;
use crate::report::Look;
use failure::{Failure, written};

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
    Ingest(Box<ingest::Arguments>),
    Store(store::Arguments),
    Inventory(inventory::Arguments),
    Expect(expect::Arguments),
    Explain(explain::Arguments),
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
        Ok(cli) => {
            let look = environment.stderr(cli.display.color, cli.display.width.map(usize::from));
            (look, dispatch(cli, environment, stdin, &mut stdout, stderr))
        }
        Err(error) => (plain, told(&error, environment, &mut stdout, stderr)),
    };
    // What was printed before a failure belongs to it: both are shown, and the first failure counts.
    let flushed = written(stdout.flush());
    let result = result.and_then(|exit| flushed.map(|()| exit));
    // Or it would try again to write what could not be written, when dropped.
    drop(stdout.into_parts());
    result.unwrap_or_else(|failure| {
        // If even standard error is gone, the exit code is all there is left.
        _ = failure.show(look, stderr);
        failure.exit
    })
}

fn parse(environment: &Environment) -> Result<Cli, clap::Error> {
    let width = environment.stdout(ColorChoice::Auto, None).width.min(100);
    let matches = command().term_width(width).try_get_matches_from(&environment.arguments)?;
    Cli::from_arg_matches(&matches)
}

fn dispatch(
    cli: Cli,
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
        Command::Ingest(arguments) => ingest::execute(&arguments, environment, (out, err), stdout, stderr),
        Command::Store(arguments) => store::execute(&arguments, environment, out, stdout),
        Command::Inventory(arguments) => {
            inventory::execute(&arguments, environment, (out, err), stdout, stderr)
        }
        Command::Expect(arguments) => expect::execute(&arguments, (out, err), stdout, stderr),
        Command::Explain(arguments) => explain::execute(&arguments, &detect::registry(), out, stdout),
    }
}

/// Help and version go to standard output, complaints to standard error.
fn told(
    error: &clap::Error,
    environment: &Environment,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let text = error.render();
    let show = |look: Look| if look.color { text.ansi().to_string() } else { text.to_string() };
    if asked {
        written(write!(stdout, "{}", show(environment.stdout(ColorChoice::Auto, None))))?;
        return Ok(Exit::Clean);
    }
    // Nothing can be done about a closed standard error.
    _ = write!(stderr, "{}", show(environment.stderr(ColorChoice::Auto, None)));
    Ok(Exit::Usage)
}
