//! `flowgate inventory commands`: the AWS CLI's way to the same directory.

use std::io::Write;
use std::path::PathBuf;

use super::super::Exit;
use super::super::failure::{Failure, Problem, written};
use super::wrong_regions;
use crate::inventory::commands::{Commands, script};

/// Print a bash script that fetches the inventory with the AWS CLI
///
/// It makes the same directory as `flowgate inventory fetch`, for machines where only the AWS CLI is, or people
/// who want to read first what is asked. Review it, then pipe it to bash.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate inventory commands --region eu-west-1,us-east-1 | bash
  flowgate inventory commands --profile audit --out inventory > fetch.sh")]
pub(super) struct Arguments {
    /// Regions to ask; may be repeated [default: the one the AWS CLI would]
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
    /// Profile of the AWS CLI
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// Directory that the snapshots go into
    #[arg(long, value_name = "DIR", default_value = "inventory")]
    out: PathBuf,
}

pub(super) fn execute(arguments: &Arguments, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let mut problems = wrong_regions(&arguments.regions);
    let out = arguments.out.to_str().filter(|out| !out.is_empty());
    if out.is_none() {
        let problem = Problem::new("--out: the name is empty or not UTF-8");
        problems.push(problem.help("a script can't hold it; choose another directory"));
    }
    let Some(out) = out.filter(|_| problems.is_empty()) else { return Err(Failure::usage(problems)) };
    let commands = Commands {
        regions: arguments.regions.clone(),
        profile: arguments.profile.clone(),
        out: out.to_owned(),
    };
    written(stdout.write_all(script(&commands).as_bytes()))?;
    Ok(Exit::Clean)
}
