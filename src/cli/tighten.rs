//! `flowgate tighten`: from observed traffic to rules one can apply.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::ValueEnum;

use super::config::Check;
use super::failure::{Failure, Problem, written};
use super::progress::Meter;
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, Exit, interrupt};
use crate::pipeline::{self, Tightened};
use crate::report::{
    Look, NamedFile, Page, Span, TerminalOptions, Tone, prepare_files, show_cut_off, show_plan, write_files,
    write_plan_json, write_report,
};
use crate::source::STDIN;
use crate::tighten::{Headroom, MOST_BLOCKS, Options, render};

/// Changes shown of an action, and rules that are left, unless all are asked for.
const PER_ACTION: usize = 20;

/// What `--out` writes whatever the formats.
const PLAN: &str = "plan.json";
/// Script for the AWS CLI, in stages.
const APPLY: &str = "apply.sh";
/// The script that takes it back.
const ROLLBACK: &str = "rollback.sh";
/// Terraform, for the first and the last stage.
const TERRAFORM: [&str; 2] = ["terraform-add.tf", "terraform-remove.tf"];

/// In place of what says that standard input is one of them.
const INPUTS: &str = "Files, directories or patterns (quoted) with flow logs, `s3://bucket/prefix`, or \
     `cloudwatch:log-group`; not standard input, since they are read twice";

/// Propose narrower rules from what flow logs show, and prove what they would block
///
/// Reads flow logs and the inventory like `flowgate analyze`, and proposes which security group rules could go, be merged,
/// or be narrower: fewer ports, fewer protocols, smaller blocks, a group or a prefix list in place of blocks. Each rule keeps
/// permitting whatever it was seen to be used for. Nothing is applied.
#[derive(Debug, clap::Args)]
#[command(mut_arg("inputs", |input| input.help(INPUTS).long_help(INPUTS)))]
#[command(after_long_help = "\
Examples:
  flowgate tighten logs/ --inventory inventory/
  flowgate tighten logs/ --inventory inventory/ --group sg-0123456789abcdef0 --headroom /24 --out plan/

Exit codes:
  0    complete, whatever is proposed
  2    usage or configuration error
  3    failed, no result
  4    finished but incomplete: something was not read or not known that could change the plan
  130  stopped by Ctrl-C, nothing concluded")]
pub(super) struct Arguments {
    /// Only rules of this security group; may be repeated
    #[arg(long = "group", value_name = "ID", value_delimiter = ',', help_heading = "Proposals")]
    groups: Vec<String>,
    /// CIDR blocks that a rule becomes at most, for each range of ports [default: as many as make it worth their while]
    #[arg(long, value_name = "K", help_heading = "Proposals")]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=MOST_BLOCKS as i64))]
    blocks: Option<u8>,
    /// Room to leave around what was seen, within what the rule permits: exact for none, /24 for the neighbours of each
    /// address (/64 of IPv6), subnets for its subnet or VPC, services for the ranges of ports that services use as a whole;
    /// may be repeated
    #[arg(long, value_name = "ROOM", value_enum, value_delimiter = ',', help_heading = "Proposals")]
    #[arg(hide_possible_values = true)]
    headroom: Vec<Room>,
    /// Only changes that are safe: on reliable evidence, and the replay blocked nothing
    #[arg(long, help_heading = "Proposals")]
    safe_only: bool,

    #[command(flatten)]
    reading: ReadingArguments,

    /// Write plan.json into this directory, a script for the AWS CLI, one that takes it back, Terraform and CloudFormation
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write a report for browsers to this file: that of `analyze`, with the proposals on the pages of groups
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    report: Option<PathBuf>,
    /// Show every change, not only the first 20 of an action
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Show more: every rule of a change, and how open it would be with fewer or more blocks
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

/// What to leave room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Room {
    Exact,
    #[value(name = "/24")]
    Neighbours,
    Subnets,
    Services,
}

/// Does it. `out` and `err` are the looks of the two streams.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut (dyn Write + Send),
) -> Result<Exit, Failure> {
    let mut check = Check::default();
    let config = check.reading("tighten", &arguments.reading, &arguments.resources, environment);
    if arguments.reading.inputs.iter().any(|input| input.as_os_str() == STDIN) {
        let help = "write it to a file, and name that";
        check.add(
            Problem::new(
                "standard input (`-`) can be read only once, and the plan is replayed over the same logs",
            )
            .help(help),
        );
    }
    let options = options(arguments, &mut check);
    // The one check that changes something: only for a command line that would run.
    if let (Some(dir), true) = (&arguments.out, check.0.is_empty()) {
        let names = [PLAN, APPLY, ROLLBACK, TERRAFORM[0], TERRAFORM[1]];
        match prepare_files(dir, &names) {
            // What an earlier run wrote must not be taken for this one's, however it ends.
            Ok(()) => names.iter().for_each(|name| _ = std::fs::remove_file(dir.join(name))),
            Err(error) => check.add(error.into()),
        }
    }
    check.prepared_report(arguments.report.as_deref());
    if !check.0.is_empty() {
        return Err(Failure::usage(check.0));
    }
    if let Some(file) = &arguments.report {
        _ = std::fs::remove_file(file);
    }
    if environment.owns_process {
        interrupt::watch(&config.cancel);
    }
    let tightened = {
        let animated = environment.can_animate() && !arguments.no_progress && !arguments.quiet;
        let warnings: Option<&mut (dyn Write + Send)> =
            if arguments.quiet { None } else { Some(&mut *stderr) };
        pipeline::tighten(&config, &options, &Meter::new(warnings, err, animated))?
    };
    let groups = &tightened.inventory.security_groups;
    let unknown = options.groups.iter().filter(|id| !groups.contains_key(*id));
    let unknown: Vec<Problem> = unknown
        .map(|id| {
            let help = "`flowgate inventory check DIR` shows what the inventory holds";
            Problem::new(format!("--group {id}: the inventory has no such group")).help(help)
        })
        .collect();
    if !unknown.is_empty() {
        return Err(Failure::usage(unknown));
    }
    conclude(arguments, &tightened, (out, err), stdout, stderr)
}

fn options(arguments: &Arguments, check: &mut Check) -> Options {
    for id in arguments.groups.iter().filter(|id| !id.starts_with("sg-")) {
        let help = "write it like sg-0123456789abcdef0";
        check.add(Problem::new(format!("--group {id}: not a security group")).help(help));
    }
    let has = |room: Room| arguments.headroom.contains(&room);
    let chosen = [Room::Exact, Room::Neighbours, Room::Subnets].into_iter().filter(|room| has(*room));
    if chosen.count() > 1 {
        let help = "choose one for addresses; services goes with each";
        check.add(Problem::new("--headroom: exact, /24 and subnets exclude each other").help(help));
    }
    let addresses = match (has(Room::Neighbours), has(Room::Subnets)) {
        (true, _) => Headroom::Neighbours,
        (_, true) => Headroom::Subnets,
        _ => Headroom::Exact,
    };
    Options {
        blocks: arguments.blocks,
        addresses,
        services: has(Room::Services),
        groups: arguments.groups.iter().cloned().collect::<BTreeSet<String>>(),
        safe_only: arguments.safe_only,
    }
}

/// Names and texts of the forms in which a plan can be applied. What a change says is for people to decide: all of them
/// are in it, `--safe-only` leaves the others out.
fn renderings(tightened: &Tightened) -> Vec<(String, String)> {
    let Tightened { plan, inventory, .. } = tightened;
    let mut texts = vec![
        (APPLY.to_owned(), render::aws_cli(plan, inventory)),
        (ROLLBACK.to_owned(), render::aws_cli_rollback(plan, inventory)),
        (TERRAFORM[0].to_owned(), render::terraform(plan, inventory, render::Stage::Add)),
        (TERRAFORM[1].to_owned(), render::terraform(plan, inventory, render::Stage::Remove)),
    ];
    for (number, template) in (1..).zip(render::cloudformation(plan, inventory)) {
        texts.push((format!("cloudformation-{number}.json"), template.text));
    }
    texts
}

/// Who would be cut off, before anything else: by the plan, and by what was learned early of what came later.
fn cut_off(tightened: &Tightened, options: &TerminalOptions, page: &mut Page<'_>) -> io::Result<()> {
    let told = [
        ("All changes together would cut off", &tightened.replayed),
        ("What was learned before the last fifth would have cut off", &tightened.held_out),
    ];
    for (title, replay) in told {
        replay.iter().try_for_each(|replay| show_cut_off(title, replay, options, page))?;
    }
    tightened.unapplied.iter().try_for_each(|problem| {
        page.flow(&[Span::new(Tone::Warn, "warning: ")], 2, &[Span::plain(&**problem)])
    })
}

/// Files first, so that they are there however the reader of standard output behaves.
fn conclude(
    arguments: &Arguments,
    tightened: &Tightened,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    let Tightened { plan, conclusions, .. } = tightened;
    let incomplete = conclusions.is_incomplete();
    if let Some(dir) = &arguments.out {
        let json = |out: &mut dyn Write| write_plan_json(plan, incomplete, out);
        let texts = renderings(tightened);
        let writers: Vec<_> =
            texts.iter().map(|(_, text)| move |out: &mut dyn Write| out.write_all(text.as_bytes())).collect();
        let mut files: Vec<NamedFile<'_>> = vec![(PLAN, &json)];
        files.extend(texts.iter().zip(&writers).map(|((name, _), write)| -> NamedFile<'_> { (name, write) }));
        write_files(dir, &files).map_err(|error| Failure::failed(error.into()))?;
    }
    if let Some(path) = &arguments.report {
        write_report(path, conclusions, Some(plan))
            .map_err(|error| Failure::failed(Problem::new(format!("--report {error}"))))?;
    }
    if !arguments.quiet {
        let options = TerminalOptions {
            look: out,
            per_kind: (!arguments.all).then_some(PER_ACTION),
            elsewhere: match &arguments.out {
                Some(dir) => format!("see {}, or show them with --all", dir.join(PLAN).display()),
                None => "show them with --all, or write them with --out".to_owned(),
            },
            verbose: arguments.verbose,
        };
        let page = &mut Page::new(stdout, out);
        let shown =
            cut_off(tightened, &options, page).and_then(|()| show_plan(plan, conclusions, &options, page));
        written(shown.and_then(|()| stdout.flush()))?;
        if let Some(dir) = &arguments.out {
            let text = format!("{PLAN}, scripts, Terraform and CloudFormation in {}", dir.display());
            // A remark: not worth an error if nobody can read it.
            _ = Page::new(stderr, err).flow(&[Span::new(Tone::Faint, "wrote ")], 2, &[Span::plain(text)]);
        }
        if let Some(path) = &arguments.report {
            let text = path.display().to_string();
            _ = Page::new(stderr, err).flow(&[Span::new(Tone::Faint, "wrote ")], 2, &[Span::plain(text)]);
        }
    }
    Ok(if incomplete { Exit::Incomplete } else { Exit::Clean })
}
