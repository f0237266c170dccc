//! `flowgate replay`: the same traffic under another configuration.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use super::config::Check;
use super::failure::{Failure, Problem, written};
use super::progress::Meter;
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, Exit, Stdin, interrupt};
use crate::inventory::{self, Inventory, LoadOptions, Timeline};
use crate::pipeline::{self, ReplayOutcome};
use crate::report::{
    Look, NamedFile, Page, Span, TerminalOptions, Tone, prepare_files, replay_is_incomplete, show_replay,
    write_files, write_replay_jsonl,
};
use crate::source::STDIN;
use crate::tighten::{Against, Candidate, Lot, Replay, TerraformPlan};

/// Rows shown of a kind unless all are asked for.
const PER_KIND: usize = 20;

/// What `--out` writes.
const FILE: &str = "replay.jsonl";

/// A plan of thousands of resources takes a few MB.
const LARGEST_PLAN: u64 = 1 << 30;

/// Replay flow logs under another configuration: who would be cut off, and who let in
///
/// Judges every connection of the logs twice, under the current inventory and under a proposed one, with memberships and
/// addresses as of its time. Without --proposed and --terraform-plan, --inventory is the proposed one, and is compared with
/// what the logs say happened. Kinds of resources that the proposed inventory lacks altogether stay as they are.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate replay logs/ --inventory current/ --proposed proposed/
  flowgate replay logs/ --inventory proposed/
  terraform show -json plan.bin > plan.json
  flowgate replay s3://bucket/AWSLogs/ --inventory current/ --terraform-plan plan.json --fail-on-blocked

Exit codes:
  0    complete
  1    complete, something is newly blocked, and --fail-on-blocked is given
  2    usage or configuration error
  3    failed, no result
  4    finished but incomplete: something was not read, known or understood that could change the result (wins over 1)
  130  stopped by Ctrl-C, nothing concluded")]
pub(super) struct Arguments {
    /// Directory or file of the proposed inventory; may be repeated
    #[arg(long, value_name = "DIR", help_heading = "Proposal")]
    proposed: Vec<PathBuf>,
    /// Take the proposal from a Terraform plan, applied to the inventory: what `terraform show -json PLANFILE` prints
    #[arg(long, value_name = "FILE", help_heading = "Proposal", conflicts_with = "proposed")]
    terraform_plan: Option<PathBuf>,
    /// Exit with 1 if something would be newly blocked
    #[arg(long, help_heading = "Proposal")]
    fail_on_blocked: bool,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Write replay.jsonl into this directory
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Show every row, not only the first 20 of a kind
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Show more: every rule of a row
    #[arg(short, long, help_heading = "Output", conflicts_with = "quiet")]
    verbose: bool,
    /// Show nothing but errors; the exit code and --out tell the result
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Show no progress
    #[arg(long, help_heading = "Output")]
    no_progress: bool,

    #[command(flatten)]
    resources: ResourceArguments,
}

/// Where the candidate comes from.
enum Proposal {
    /// Dumps.
    Inventory(Box<Inventory>),
    /// A Terraform plan, to be applied to what is there.
    Terraform(TerraformPlan),
    /// What `--inventory` names.
    Itself,
}

/// Does it. `out` and `err` are the looks of the two streams.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (out, err): (Look, Look),
    stdin: Option<Stdin>,
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let mut check = Check::default();
    let config = check.reading("replay", &arguments.reading, &arguments.resources, environment);
    let proposal = proposal(arguments, &mut check);
    // The one check that changes something: only for a command line that would run.
    if let (Some(dir), true) = (&arguments.out, check.0.is_empty()) {
        match prepare_files(dir, &[FILE]) {
            // What an earlier run wrote must not be taken for this one's, however it ends.
            Ok(()) => _ = std::fs::remove_file(dir.join(FILE)),
            Err(error) => check.add(error.into()),
        }
    }
    let (Some(proposal), true) = (proposal, check.0.is_empty()) else {
        return Err(Failure::usage(check.0));
    };
    if environment.owns_process {
        interrupt::watch(&config.cancel);
    }
    let against = match proposal {
        Proposal::Itself => Against::Logs,
        Proposal::Inventory(_) | Proposal::Terraform(_) => Against::Standing,
    };
    let stdin = stdin.filter(|_| arguments.reading.inputs.iter().any(|input| input.as_os_str() == STDIN));
    let outcome = {
        let animated = environment.can_animate() && !arguments.no_progress && !arguments.quiet;
        let warnings: Option<&mut (dyn Write + Send)> =
            if arguments.quiet { None } else { Some(&mut *stderr) };
        let meter = Meter::new(warnings, err, animated);
        pipeline::replay(&config, against, |timeline| vec![candidate(proposal, timeline)], stdin, &meter)?
    };
    conclude(arguments, &outcome, against, (out, err), stdout, stderr)
}

fn proposal(arguments: &Arguments, check: &mut Check) -> Option<Proposal> {
    if let Some(path) = &arguments.terraform_plan {
        return match read_plan(path) {
            Ok(plan) => Some(Proposal::Terraform(plan)),
            Err(problem) => {
                check.add(problem);
                None
            }
        };
    }
    if arguments.proposed.is_empty() {
        if arguments.reading.inventories.is_empty() {
            let help = "--inventory CURRENT --proposed PROPOSED compares two, --inventory PROPOSED alone compares with \
                        what the logs say";
            check.add(Problem::new("nothing is proposed").help(help));
            return None;
        }
        return Some(Proposal::Itself);
    }
    let missing: Vec<&PathBuf> = arguments.proposed.iter().filter(|path| !path.exists()).collect();
    if !missing.is_empty() {
        missing.into_iter().for_each(|path| check.add(Problem::missing("--proposed ", path)));
        return None;
    }
    match inventory::load(&arguments.proposed, &LoadOptions::default()) {
        Ok(loaded) => match loaded.timeline.latest() {
            Some(latest) => Some(Proposal::Inventory(Box::new(latest.clone()))),
            None => {
                let help = "`flowgate inventory check DIR` shows what each file holds";
                check.add(Problem::new("--proposed: there is no inventory in it").help(help));
                None
            }
        },
        Err(error) => {
            let help = "`flowgate inventory check DIR` shows what each file holds";
            check.add(Problem::new(format!("--proposed: {error}")).help(help));
            None
        }
    }
}

fn read_plan(path: &Path) -> Result<TerraformPlan, Problem> {
    let shown = path.display();
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST_PLAN).read_to_end(&mut text))
        .map_err(|error| Problem::new(format!("--terraform-plan {shown}: {error}")).help("name a file"))?;
    TerraformPlan::parse(&text).map_err(|error| {
        Problem::new(format!("--terraform-plan {shown}: {error}"))
            .help("write it with `terraform show -json PLANFILE > plan.json`")
    })
}

fn candidate(proposal: Proposal, timeline: &Timeline) -> Candidate {
    let nothing = Inventory::default();
    let current = timeline.latest().unwrap_or(&nothing);
    match proposal {
        Proposal::Terraform(plan) => plan.candidate(current),
        Proposal::Inventory(inventory) => {
            Candidate { name: "proposed".to_owned(), inventory: *inventory, ..Candidate::default() }
        }
        Proposal::Itself => {
            Candidate { name: "inventory".to_owned(), inventory: current.clone(), ..Candidate::default() }
        }
    }
}

/// Files first, so that they are there however the reader of standard output behaves.
fn conclude(
    arguments: &Arguments,
    outcome: &ReplayOutcome,
    against: Against,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    let ReplayOutcome { summary, replays } = outcome;
    let nothing = Replay::default();
    let replay = replays.first().unwrap_or(&nothing);
    if let Some(dir) = &arguments.out {
        let word = match against {
            Against::Standing => "standing",
            Against::Logs => "logs",
        };
        let lines = |out: &mut dyn Write| write_replay_jsonl(replay, summary, word, out);
        let files: [NamedFile<'_>; 1] = [(FILE, &lines)];
        write_files(dir, &files).map_err(|error| Failure::failed(error.into()))?;
    }
    if !arguments.quiet {
        let options = TerminalOptions {
            look: out,
            per_kind: (!arguments.all).then_some(PER_KIND),
            elsewhere: match &arguments.out {
                Some(dir) => format!("see {}, or show them with --all", dir.join(FILE).display()),
                None => "show them with --all, or write them with --out".to_owned(),
            },
            verbose: arguments.verbose,
        };
        let shown = show_replay(replay, summary, against, &options, &mut Page::new(stdout, out));
        written(shown.and_then(|()| stdout.flush()))?;
        if let Some(dir) = &arguments.out {
            let text = format!("{FILE} in {}", dir.display());
            // A remark: not worth an error if nobody can read it.
            _ = Page::new(stderr, err).flow(&[Span::new(Tone::Faint, "wrote ")], 2, &[Span::plain(text)]);
        }
    }
    Ok(if replay_is_incomplete(replay, summary) {
        Exit::Incomplete
    } else if arguments.fail_on_blocked && replay.count(Lot::Blocked).connections > 0 {
        Exit::Findings
    } else {
        Exit::Clean
    })
}
