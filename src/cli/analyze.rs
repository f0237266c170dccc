//! `flowgate analyze`: read, judge, report.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;

use super::failure::{Failure, Problem, written};
use super::progress::Meter;
use super::reading::{ReadingArguments, ResourceArguments};
use super::{Environment, Exit, Stdin, config, interrupt, log};
use crate::detect::{Meta, Sensitivity};
use crate::finding::{Conclusions, Severity};
use crate::pipeline::{self, Input};
use crate::report::{
    FILES, Format, FormatOptions, Look, Manual, Page, Span, TerminalOptions, Tone, clear_dir, count,
    left_out, write_format, write_formats, write_report, write_terminal,
};
use crate::source::STDIN;

/// Findings shown of a kind unless all are asked for.
pub(super) const PER_KIND: usize = 20;

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

    /// How to tell the findings: human, jsonl, csv, markdown, ocsf (Detection Finding), asff (Security Hub) or sarif. With
    /// --out, formats are files there and may be several; standard output has the report for people
    #[arg(
        long = "format",
        value_name = "FORMAT",
        value_enum,
        value_delimiter = ',',
        help_heading = "Output"
    )]
    #[arg(hide_possible_values = true)]
    pub formats: Vec<Shown>,
    /// Write findings.jsonl, rules.jsonl and summary.json into this directory, and files of each --format
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Write a report for browsers to this file: one HTML page that loads nothing
    #[arg(long, value_name = "FILE.html", help_heading = "Output")]
    pub report: Option<PathBuf>,
    /// Write every connection with its verdict to this Parquet file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub connections: Option<PathBuf>,
    /// Keep the findings in the store that is read, which must be the only INPUT, in the place of those kept before
    #[arg(long, help_heading = "Output")]
    pub keep: bool,
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

/// How findings are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Shown {
    Human,
    Jsonl,
    Csv,
    Markdown,
    Ocsf,
    Asff,
    Sarif,
}

impl Shown {
    /// `None` is the report for people.
    pub fn format(self) -> Option<Format> {
        match self {
            Self::Human => None,
            Self::Jsonl => Some(Format::Jsonl),
            Self::Csv => Some(Format::Csv),
            Self::Markdown => Some(Format::Markdown),
            Self::Ocsf => Some(Format::Ocsf),
            Self::Asff => Some(Format::Asff),
            Self::Sarif => Some(Format::Sarif),
        }
    }
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
        if let Some(file) = &arguments.report {
            _ = std::fs::remove_file(file);
        }
        if let Some(dir) = &arguments.out {
            clear_dir(dir).map_err(|error| Failure::usage(vec![error.into()]))?;
        }
        if self.environment.owns_process {
            interrupt::watch(&config.cancel);
        }
        let conclusions = {
            let animated = self.environment.can_animate() && !arguments.no_progress && !arguments.quiet;
            let warnings: Option<&mut (dyn Write + Send)> =
                if arguments.quiet { None } else { Some(&mut *stderr) };
            let meter = Meter::new(warnings, self.err, animated);
            match config.inputs.as_slice() {
                [Input::Store(store)] if arguments.keep => {
                    pipeline::analyze_and_keep(&config, store, &self.environment.disk(), &meter)?
                }
                _ => pipeline::analyze(&config, stdin, &meter)?,
            }
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
        if log::is_on() {
            let (findings, incomplete) = (conclusions.findings.len(), conclusions.is_incomplete());
            tracing::info!(target: log::TARGET, findings, incomplete, "concluded");
        }
        if let Some(path) = &arguments.report {
            write_report(path, conclusions, None)
                .map_err(|error| Failure::failed(Problem::new(format!("--report {error}"))))?;
        }
        let formats: Vec<Format> = arguments.formats.iter().filter_map(|shown| shown.format()).collect();
        let options = self.format_options(arguments);
        let written_files = match &arguments.out {
            Some(dir) => write_formats(dir, conclusions, &formats, &options)
                .map_err(|error| Failure::failed(error.into()))?,
            None => Vec::new(),
        };
        match (formats.first(), &arguments.out) {
            (Some(format), None) => {
                let shown = write_format(*format, conclusions, &options, stdout);
                written(shown.and_then(|()| stdout.flush()))?;
            }
            _ if arguments.quiet => {}
            _ => {
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
            }
        }
        if let Some(dir) = arguments.out.as_ref().filter(|_| !arguments.quiet) {
            let text = format!("{} in {}", written_files.join(", "), dir.display());
            self.remark(Span::new(Tone::Faint, "wrote "), &text, stderr);
        }
        if let Some(path) = arguments.report.as_ref().filter(|_| !arguments.quiet) {
            self.remark(Span::new(Tone::Faint, "wrote "), &path.display().to_string(), stderr);
        }
        let left_out: usize = formats.iter().map(|format| left_out(*format, conclusions, &options)).sum();
        if left_out > 0 {
            let text = format!(
                "{} left out of asff, which needs an account and a region of each; name one --account and one --region",
                count(left_out as u64, "finding")
            );
            self.remark(Span::new(Tone::Warn, "warning: "), &text, stderr);
            return Ok(Exit::Incomplete);
        }
        Ok(verdict(conclusions, arguments.fail_on))
    }

    /// A line beside the result. Not worth an error if nobody can read it.
    fn remark(&self, lead: Span, text: &str, stderr: &mut dyn Write) {
        if log::is_on() {
            tracing::info!(target: log::TARGET, "{}{text}", lead.text());
        } else {
            _ = Page::new(stderr, self.err).flow(&[lead], 2, &[Span::plain(text)]);
        }
    }

    /// Findings that don't say their account or region have those of the selection, if it names only one.
    fn format_options(&self, arguments: &Arguments) -> FormatOptions<'_> {
        let only = |words: &[String]| words.first().filter(|_| words.len() == 1).cloned();
        let runs = |id: &str| {
            let named = |ids: &[String]| ids.iter().any(|named| named == id);
            (arguments.only.is_empty() || named(&arguments.only)) && !named(&arguments.skip)
        };
        let manual = |meta: &&'static Meta| Manual { id: meta.id, title: meta.title, source: meta.manual };
        FormatOptions {
            manuals: self.registry.iter().filter(|meta| runs(meta.id)).map(manual).collect(),
            account: only(&arguments.reading.accounts),
            region: only(&arguments.reading.regions),
        }
    }
}
