//! `flowgate expect`: say what should be true of the network.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::failure::{Failure, Problem, written};
use super::{Exit, suggest};
use crate::expect::{Expectations, Fault, MAX_BYTES, Survey, TierSurvey, draft, parse, survey};
use crate::inventory::{LoadOptions, Timeline, load};
use crate::report::{Look, Page, Span, Tone, count};

/// Draft a file of what should be true of the network, and check it
///
/// The file names tiers (by security group, tag, address, …) and says who may reach them. `flowgate analyze --expect
/// FILE` reports every accepted connection that breaks it.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Init(Init),
    Check(Check),
}

/// Draft a file of expectations from an inventory
///
/// Finds databases, load balancers, ways of administration and monitoring by the names, tags and ports of security
/// groups, and writes down who may reach them today, with comments on what looks too wide. Read it, correct it, and give it
/// to `flowgate analyze --expect`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate expect init --inventory inventory/
  flowgate expect init --inventory inventory/ --out expectations.toml

Exit codes:
  0  drafted
  2  usage error, or an inventory that can't be used
  3  the file could not be written")]
struct Init {
    /// Directory or file of inventory dumps; may be repeated
    #[arg(long = "inventory", value_name = "DIR", required = true, help_heading = "Input")]
    inventories: Vec<PathBuf>,
    /// Write to this file [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Overwrite the file if it exists
    #[arg(long, help_heading = "Output", requires = "out")]
    force: bool,
}

/// Check a file of expectations, and show what its tiers stand for
///
/// Every mistake is told with its line and column. With --inventory, each tier is looked up: how many interfaces,
/// security groups and blocks of addresses it stands for now. One that stands for nothing is probably a slip.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate expect check expectations.toml
  flowgate expect check expectations.toml --inventory inventory/

The file:
  version = 1

  [tier.app]                  # any of the values of a key, and all keys
  security-group = \"app\"      # id or name; `*` stands for anything
  [tier.db]
  tag = [\"Tier=db\", \"Role=db\"]

  [[expect]]
  name = \"the database is asked by the application only\"
  to = \"db\"                   # a tier, or `everything`
  on = [\"mysql\", \"tcp 5432\"]  # services; all without it
  only-from = \"app\"           # or never-from, may-from
  same-vpc = true             # and only within one VPC
  severity = \"high\"           # of what breaks it

Keys of a tier:
  security-group  id or name                    cidr         blocks of addresses
  tag             Key=Value, of interface or    prefix-list  id or name
                  security group                tier         other tiers
  interface, interface-type, description,       except       but these tiers
  instance, subnet, vpc, account

The other side:
  a tier, CIDR or id (sg-…, pl-…, eni-…), or
  internet   neither private, nor of a VPC      inside       of any VPC of the inventory
  anywhere   everybody                          same-vpc     of the VPC of the interface
  With from = \"TIER\" in place of `to` it is about what the tier opens: only-to, never-to, may-to.

Each only- must be true on its own. A never- yields to whom an only- or may- names for the same
interface and service. What a may- welcomes breaks nothing.

Exit codes:
  0  no mistake, and every tier stands for something
  1  no mistake, but something looks like a slip
  2  mistakes, usage error, or an inventory that can't be used")]
struct Check {
    /// The file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Directory or file of inventory dumps to look tiers up in; may be repeated
    #[arg(long = "inventory", value_name = "DIR", help_heading = "Input")]
    inventories: Vec<PathBuf>,
}

/// Does it. `out` and `err` are the looks of the two streams.
pub(super) fn execute(
    arguments: &Arguments,
    (out, err): (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    match &arguments.command {
        Command::Init(init) => init.execute(err, stdout, stderr),
        Command::Check(check) => check.execute((out, err), stdout, stderr),
    }
}

/// Reads and parses a file.
///
/// # Errors
/// Every mistake in it.
pub(super) fn read(path: &Path) -> Result<Expectations, Vec<Problem>> {
    let name = path.display();
    let failed = |what: &str| vec![Problem::new(format!("{name}: {what}"))];
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(&format!("can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(failed("is larger than a list of expectations could be"));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    parse(text).map_err(|faults| faults.iter().map(|fault| problem(&name.to_string(), fault)).collect())
}

fn problem(file: &str, fault: &Fault) -> Problem {
    let gap = " ".repeat(fault.line.to_string().len());
    let place = format!("{gap}--> {file}:{}:{}", fault.line, fault.column);
    let near = fault
        .unknown
        .as_ref()
        .and_then(|unknown| suggest::nearest(&unknown.given, unknown.known.iter().map(String::as_str)));
    let help = match (near, &fault.help, &fault.unknown) {
        (Some(near), ..) => Some(format!("did you mean `{near}`?")),
        (None, Some(help), _) => Some(help.clone()),
        (None, None, Some(unknown)) => Some(format!("known are: {}", unknown.known.join(", "))),
        (None, None, None) => None,
    };
    let problem = Problem::new(fault.message.clone());
    let problem = problem.excerpt(std::iter::once(place).chain(fault.excerpt()));
    Problem { help, ..problem }
}

fn timeline(inventories: &[PathBuf]) -> Result<Timeline, Failure> {
    let missing: Vec<Problem> = inventories
        .iter()
        .filter(|path| !path.exists())
        .map(|path| Problem::missing("--inventory ", path))
        .collect();
    if !missing.is_empty() {
        return Err(Failure::usage(missing));
    }
    let loaded = load(inventories, &LoadOptions::default()).map_err(|error| {
        let help = "`flowgate inventory check DIR` shows what each file holds";
        Failure::usage(vec![Problem::new(error.to_string()).help(help)])
    })?;
    if loaded.timeline.is_empty() {
        let names: Vec<String> = inventories.iter().map(|path| path.display().to_string()).collect();
        let problem = Problem::new(format!("--inventory {}: no inventory in there", names.join(", ")));
        let help = "`flowgate inventory commands` prints how to collect one";
        return Err(Failure::usage(vec![problem.help(help)]));
    }
    Ok(loaded.timeline)
}

impl Init {
    fn execute(&self, look: Look, stdout: &mut dyn Write, stderr: &mut dyn Write) -> Result<Exit, Failure> {
        // Before the work, and again when it is opened.
        if let Some(path) = self.out.as_ref().filter(|path| path.exists() && !self.force) {
            return Err(Failure::usage(vec![taken(path)]));
        }
        let timeline = timeline(&self.inventories)?;
        let text = timeline.latest().map(draft).unwrap_or_default();
        let Some(path) = &self.out else {
            written(stdout.write_all(text.as_bytes()))?;
            return Ok(Exit::Clean);
        };
        let mut options = fs::OpenOptions::new();
        options.write(true);
        if self.force {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        options.open(path).and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                return Failure::usage(vec![taken(path)]);
            }
            Failure::failed(Problem::new(format!("--out {}: can't be written: {error}", path.display())))
        })?;
        // A remark: not worth an error if nobody can read it.
        _ = Page::new(stderr, look).flow(
            &[Span::new(Tone::Faint, "wrote ")],
            2,
            &[Span::plain(format!(
                "{}; read it, then: flowgate expect check {}",
                path.display(),
                path.display()
            ))],
        );
        Ok(Exit::Clean)
    }
}

fn taken(path: &Path) -> Problem {
    Problem::new(format!("--out {}: exists already", path.display()))
        .help("choose another name, or add --force to overwrite it")
}

impl Check {
    fn execute(
        &self,
        (out, err): (Look, Look),
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<Exit, Failure> {
        let file = read(&self.file).map_err(Failure::usage)?;
        let timeline = if self.inventories.is_empty() { None } else { Some(timeline(&self.inventories)?) };
        let survey = timeline.map(|timeline| survey(&file, &timeline));
        written(show(&file, survey.as_ref(), &mut Page::new(stdout, out)))?;
        let Some(survey) = survey.filter(|survey| !survey.remarks.is_empty()) else { return Ok(Exit::Clean) };
        let name = self.file.display();
        let page = &mut Page::new(stderr, err);
        for remark in &survey.remarks {
            // Nothing can be done about a closed standard error.
            _ = page.flow(
                &[Span::new(Tone::Warn, "warning:"), Span::plain(" ")],
                2,
                &[Span::plain(format!("{name}:{}: {}", remark.line, remark.message))],
            );
            _ = page.flow(&[Span::new(Tone::Note, "  = help: ")], 4, &[Span::plain(&*remark.help)]);
        }
        Ok(Exit::Findings)
    }
}

/// `2 interfaces, 1 group, 3 blocks`.
fn stands_for(survey: &TierSurvey) -> String {
    let mut parts = vec![count(survey.interfaces as u64, "interface")];
    if survey.perhaps > 0 && survey.blocks.is_some() {
        parts.push(format!("perhaps {}", count(survey.perhaps as u64, "more interface")));
    }
    for (n, word) in [(survey.groups, "security group"), (survey.lists, "prefix list")] {
        if n > 0 {
            parts.push(count(n as u64, word));
        }
    }
    match survey.blocks {
        Some(0) => {}
        Some(blocks) => parts.push(count(blocks as u64, "block")),
        None => parts.push("blocks that are not known".to_owned()),
    }
    parts.join(", ")
}

fn show(file: &Expectations, survey: Option<&Survey>, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[Span::new(Tone::Strong, "Tiers")])?;
    let width = file.tiers.iter().map(|tier| tier.name.chars().count()).max().unwrap_or_default().min(32);
    if file.tiers.is_empty() {
        page.line(&[Span::plain("  none")])?;
    }
    for (number, tier) in file.tiers.iter().enumerate() {
        let what = survey.and_then(|s| s.tiers.get(number)).map(stands_for);
        let what = what.unwrap_or_else(|| format!("line {}", tier.line));
        page.flow(&[Span::plain(format!("  {:width$}  ", tier.name))], width + 4, &[Span::plain(what)])?;
    }
    page.blank()?;
    page.line(&[Span::new(Tone::Strong, "Expectations")])?;
    for expectation in &file.expectations {
        let lead = Span::new(Tone::Faint, format!("  line {:<4} ", expectation.line));
        page.flow(&[lead], 12, &[Span::new(Tone::Strong, &*expectation.name)])?;
        page.flow(&[Span::plain("            ")], 12, &[Span::plain(file.sentence(expectation))])?;
    }
    page.blank()?;
    let (tiers, expectations) = (file.tiers.len() as u64, file.expectations.len() as u64);
    let text = format!("No mistakes: {}, {}", count(tiers, "tier"), count(expectations, "expectation"));
    page.flow(&[], 2, &[Span::new(Tone::Good, text)])
}
