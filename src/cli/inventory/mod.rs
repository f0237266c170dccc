//! `flowgate inventory`: look at inventory dumps before they are used, and collect them.

mod check;
mod commands;
mod fetch;

use std::io::Write;

use super::failure::{Failure, Problem};
use super::{Environment, Exit};
use crate::inventory::live::may_be_region;
use crate::report::Look;

/// Collect inventory, and look at it
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Arguments),
    Fetch(fetch::Arguments),
    Commands(commands::Arguments),
}

/// Does it. `out` and `err` are the looks of the two streams.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Check(arguments) => check::execute(arguments, out, stdout),
        Command::Fetch(arguments) => fetch::execute(arguments, environment, (out, err), stdout, stderr),
        Command::Commands(arguments) => commands::execute(arguments, stdout),
    }
}

/// Every name that can't be a region.
fn wrong_regions(regions: &[String]) -> Vec<Problem> {
    let wrong = regions.iter().filter(|region| !may_be_region(region));
    wrong
        .map(|region| {
            Problem::new(format!("--region: {region:?} is no region")).help("name one as in eu-west-1")
        })
        .collect()
}
