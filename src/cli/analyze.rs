//! `flowgate analyze`: read, judge, report.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use super::failure::{Failure, Problem, written};
use super::progress::Meter;
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, Exit, Stdin, config, interrupt};
use crate::detect::{Meta, Sensitivity};
use crate::finding::{Conclusions, Severity};
use crate::pipeline::{self, AnalyzeError, ErrorKind};
use crate::report::{FILES, Look, Page, Span, TerminalOptions, Tone, write_dir, write_terminal};
use crate::source::STDIN;

/// Findings shown of a kind unless all are asked for.
const PER_KIND: usize = 20;

const EXAMPLES: &str = "\
Examples:
  flowgate analyze logs/ --inventory inventory/
  flowgate analyze s3://bucket/AWSLogs/ --from 2026-03-01 --to 2026-03-08 --inventory inventory/ --out report/
  zcat flow.log.gz | flowgate analyze - --inventory inventory/ --fail-on medium";

/// Analyze flow logs: what is odd, and which rules can be tightened
///
/// Reads flow logs as AWS delivers them (text or Parquet, compressed or not; from files, S3 or CloudWatch Logs)
/// and the inventory: output of
/// `aws ec2 describe-security-groups`, `describe-network-interfaces`, `describe-network-acls` and the
/// like, as JSON. Without --inventory, dumps found among the inputs are used.
#[derive(Debug, clap::Args)]
#[command(after_long_help = format!("{EXAMPLES}\n\n{}", Exit::table()))]
pub(super) struct Arguments {
    #[command(flatten)]
    pub reading: ReadingArguments,

    /// File of expectations: accepted connections that break one are findings; see `flowgate expect`
    #[arg(long, value_name = "FILE", help_heading = "Detectors")]
    pub expect: Option<PathBuf>,
    /// Tell of connections with the addresses on this list: a file of addresses, CIDRs or ranges, one a line, or CSV
    /// or JSON, plain or gzip; may be repeated
    #[arg(long = "watchlist", value_name = "FILE", help_heading = "Detectors")]
    pub watchlists: Vec<PathBuf>,
    /// Run only this detector; may be repeated
    #[arg(long, value_name = "DETECTOR", value_delimiter = ',', help_heading = "Detectors")]
    pub only: Vec<String>,
    /// Leave this detector out; may be repeated
    #[arg(long, value_name = "DETECTOR", value_delimiter = ',', help_heading = "Detectors")]
    pub skip: Vec<String>,
    /// What is normal, as FROM..TO: what comes after it is compared with it, so let --from and --to hold both [default:
    /// the first half of the logs]
    #[arg(long, value_name = "FROM..TO", help_heading = "Detectors")]
    pub baseline: Option<String>,
    /// List every accepted connection without a rule, with the reason, not only those that alarm
    #[arg(long, help_heading = "Detectors")]
    pub list_escapes: bool,
    /// How little is enough for detectors that compare with what is usual
    #[arg(long, value_name = "LEVEL", value_enum, default_value = "normal", help_heading = "Detectors")]
    pub sensitivity: Sensitive,
    /// Findings to leave out, such as scanners of your own: lines of address or CIDR, port and detector (any of them),
    /// the last day (YYYY-MM-DD), and the reason
    #[arg(long, value_name = "FILE", help_heading = "Detectors")]
    pub ignore: Option<PathBuf>,
    /// Lowest severity that makes the exit code 1
    #[arg(long, value_name = "SEVERITY", value_enum, default_value = "high", help_heading = "Detectors")]
    pub fail_on: FailOn,

    /// Write findings.jsonl, rules.jsonl and summary.json into this directory
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write every connection with its verdict to this Parquet file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub connections: Option<PathBuf>,
    /// Show every finding, not only the first 20 of a kind
    #[arg(long, help_heading = "Output")]
    pub all: bool,
    /// Show more: all evidence, every interface, everything that was not used
    #[arg(short, long, help_heading = "Output", conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show nothing but errors; the exit code and --out tell the result
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Show no progress
    #[arg(long, help_heading = "Output")]
    pub no_progress: bool,

    #[command(flatten)]
    pub resources: ResourceArguments,
}

/// How little is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Sensitive {
    Low,
    Normal,
    High,
}

impl From<Sensitive> for Sensitivity {
    fn from(level: Sensitive) -> Self {
        match level {
            Sensitive::Low => Self::Low,
            Sensitive::Normal => Self::Normal,
            Sensitive::High => Self::High,
        }
    }
}

/// From which severity on a run fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FailOn {
    Informational,
    Low,
    Medium,
    High,
    Critical,
    Never,
}

impl FailOn {
    fn lowest(self) -> Option<Severity> {
        match self {
            Self::Informational => Some(Severity::Informational),
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
            Self::Never => None,
        }
    }
}

/// A run without a result.
pub(super) fn failure(error: &AnalyzeError) -> Failure {
    let problems = vec![Problem { help: error.help(), ..Problem::new(error.to_string()) }];
    match error.kind() {
        ErrorKind::Configuration => Failure::usage(problems),
        ErrorKind::Failed => Failure { exit: Exit::Failed, problems },
        ErrorKind::Interrupted => Failure { exit: Exit::Interrupted, problems },
    }
}

/// How a finished run ends. Incomplete wins: what was not read may hold the worst.
pub(super) fn verdict(conclusions: &Conclusions, fail_on: FailOn) -> Exit {
    let lowest = fail_on.lowest();
    if conclusions.is_incomplete() {
        Exit::Incomplete
    } else if conclusions.findings.iter().any(|f| lowest.is_some_and(|lowest| f.severity >= lowest)) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}

/// What a run is given.
pub(super) struct Run<'a> {
    pub environment: &'a Environment,
    pub registry: &'a [&'static Meta],
    pub out: Look,
    pub err: Look,
}

impl Run<'_> {
    pub fn execute(
        &self,
        arguments: &Arguments,
        stdin: Option<Stdin>,
        stdout: &mut dyn Write,
        stderr: &mut (dyn Write + Send),
    ) -> Result<Exit, Failure> {
        let config = config::validate(arguments, self.registry, self.environment)?;
        let stdin = stdin.filter(|_| arguments.reading.inputs.iter().any(|input| input.as_os_str() == STDIN));
        // What an earlier run wrote must not be taken for this one's, however it ends.
        for file in arguments.out.iter().flat_map(|dir| FILES.map(|name| dir.join(name))) {
            _ = std::fs::remove_file(file);
        }
        if self.environment.owns_process {
            interrupt::watch(&config.cancel);
        }
        let conclusions = {
            let animated = self.environment.can_animate() && !arguments.no_progress && !arguments.quiet;
            let warnings: Option<&mut (dyn Write + Send)> =
                if arguments.quiet { None } else { Some(&mut *stderr) };
            let meter = Meter::new(warnings, self.err, animated);
            pipeline::analyze(&config, stdin, &meter).map_err(|error| failure(&error))?
        };
        self.conclude(arguments, &conclusions, stdout, stderr)
    }

    /// Files first, so that they are there however the reader of standard output behaves.
    pub(super) fn conclude(
        &self,
        arguments: &Arguments,
        conclusions: &Conclusions,
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<Exit, Failure> {
        if let Some(dir) = &arguments.out {
            write_dir(dir, conclusions).map_err(|error| Failure::failed(error.into()))?;
        }
        if !arguments.quiet {
            let options = TerminalOptions {
                look: self.out,
                per_kind: (!arguments.all).then_some(PER_KIND),
                elsewhere: match &arguments.out {
                    Some(dir) => format!("see {}, or show them with --all", dir.join(FILES[0]).display()),
                    None => "show them with --all, or write them with --out".to_owned(),
                },
                verbose: arguments.verbose,
            };
            written(write_terminal(conclusions, &options, stdout).and_then(|()| stdout.flush()))?;
            if let Some(dir) = &arguments.out {
                let text = format!("{} in {}", FILES.join(", "), dir.display());
                // A remark: not worth an error if nobody can read it.
                _ = Page::new(stderr, self.err).flow(
                    &[Span::new(Tone::Faint, "wrote ")],
                    2,
                    &[Span::plain(text)],
                );
            }
        }
        Ok(verdict(conclusions, arguments.fail_on))
    }
}
