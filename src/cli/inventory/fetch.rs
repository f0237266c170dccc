//! `flowgate inventory fetch`: the inventory as it is now, from the EC2 API.

use std::io::Write;
use std::path::PathBuf;

use super::super::aws::AwsArguments;
use super::super::failure::{Failure, Problem};
use super::super::{Environment, Exit, values};
use super::wrong_regions;
use crate::inventory::live::{Fetch, snapshot_name};
use crate::report::Look;

/// Fetch the inventory from the EC2 API
///
/// Security groups and their rules, network interfaces, network ACLs, subnets, VPCs, prefix lists, peerings and
/// flow logs, as the AWS CLI prints them, into DIR/TIME/ACCOUNT/REGION/. Fetching every day into the same DIR
/// builds a timeline: each connection is judged by what held then. Nothing is overwritten, and nothing is written
/// unless everything essential could be read. Needs a build with the feature live-inventory; `flowgate inventory
/// commands` does the same with the AWS CLI.
#[derive(Debug, clap::Args)]
// EC2 answers nobody unsigned.
#[command(mut_arg("no_sign_request", |arg| arg.hide(true)))]
#[command(after_long_help = "\
Exit codes:
  0  everything was fetched
  2  usage error, or a build without the feature live-inventory
  3  failed: nothing was written
  4  something was refused that could change a conclusion; the snapshot says what")]
pub(super) struct Arguments {
    /// Directory that the snapshots go into
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Regions to ask; may be repeated [default: that of the environment or the profile]
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
    /// Name the snapshot by this time, so that several accounts make one observation [default: now]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,

    #[command(flatten)]
    aws: AwsArguments,
}

pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    looks: (Look, Look),
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Result<Exit, Failure> {
    run(&options(arguments, environment)?, looks, stdout, stderr)
}

fn options(arguments: &Arguments, environment: &Environment) -> Result<Fetch, Failure> {
    let mut problems = wrong_regions(&arguments.regions);
    problems.extend(arguments.aws.problems());
    let at = match &arguments.time {
        None => environment.now(),
        Some(text) => values::time(text).filter(|at| snapshot_name(*at).is_some()).unwrap_or_else(|| {
            let problem = Problem::new(format!("--time: {text:?} is no time"));
            problems.push(problem.help("write 2026-03-01T12:00:00Z, or 2026-03-01 for its midnight UTC"));
            0
        }),
    };
    if !problems.is_empty() {
        return Err(Failure::usage(problems));
    }
    Ok(Fetch {
        connect: arguments.aws.connect(environment),
        regions: arguments.regions.clone(),
        out: arguments.out.clone(),
        at,
    })
}

#[cfg(not(feature = "live-inventory"))]
fn run(_: &Fetch, _: (Look, Look), _: &mut dyn Write, _: &mut dyn Write) -> Result<Exit, Failure> {
    let problem =
        Problem::new("this build can't ask the EC2 API: it was made without the feature live-inventory");
    Err(Failure::usage(vec![problem.help(
        "build it with `cargo install --locked --path . --features live-inventory`, which takes some minutes more; or run what \
         `flowgate inventory commands` prints, which does the same with the AWS CLI",
    )]))
}

#[cfg(feature = "live-inventory")]
use with_sdk::run;

#[cfg(feature = "live-inventory")]
mod with_sdk {
    use std::collections::BTreeMap;
    use std::io::{self, Write};

    use super::super::super::Exit;
    use super::super::super::failure::{Failure, Problem, written};
    use crate::inventory::live::{Fetch, FetchError, Fetched, fetch};
    use crate::report::{Look, Page, Span, Tone, count, number};

    pub(super) fn run(
        options: &Fetch,
        (out, err): (Look, Look),
        stdout: &mut dyn Write,
        stderr: &mut dyn Write,
    ) -> Result<Exit, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(Problem::new(format!("can't start threads: {error}"))))?;
        let fetched = runtime.block_on(fetch(options)).map_err(|error| refused(&error))?;
        // A remark: not worth an error if nobody can read it.
        _ = warn(&fetched, &mut Page::new(stderr, err));
        written(show(&fetched, &mut Page::new(stdout, out)))?;
        Ok(if fetched.is_incomplete() { Exit::Incomplete } else { Exit::Clean })
    }

    fn refused(error: &FetchError) -> Failure {
        let problems = vec![Problem::new(error.to_string())];
        match error {
            FetchError::NoRegion | FetchError::BadRegion { .. } | FetchError::BadTime { .. } => {
                Failure::usage(problems)
            }
            _ => Failure { exit: Exit::Failed, problems },
        }
    }

    fn show(fetched: &Fetched, page: &mut Page<'_>) -> io::Result<()> {
        let path = fetched.path.display().to_string();
        page.flow(&[Span::new(Tone::Strong, "Fetched into ")], 2, &[Span::new(Tone::Strong, path)])?;
        for region in &fetched.regions {
            page.line(&[Span::plain(format!("{}:", region.region))])?;
            for (call, n) in &region.counts {
                let what = call.command.trim_start_matches("describe-").trim_start_matches("get-");
                let line = format!("  {:>9}  {}", number(*n as u64), what.replace('-', " "));
                page.line(&[Span::plain(line)])?;
            }
        }
        Ok(())
    }

    /// One warning for what has one cause: a permission that is missing is missing for every list.
    fn warn(fetched: &Fetched, page: &mut Page<'_>) -> io::Result<()> {
        let mut causes: BTreeMap<_, Vec<&str>> = BTreeMap::new();
        for lack in &fetched.lacks {
            let cause = (!lack.matters, lack.region.as_str(), lack.action, &lack.said, &lack.next);
            causes.entry(cause).or_default().extend(lack.subject.as_deref());
        }
        for ((harmless, region, action, said, next), subjects) in causes {
            let (tone, word) = if harmless { (Tone::Note, "note:") } else { (Tone::Warn, "warning:") };
            let about = match subjects.len() {
                0 => String::new(),
                n if n <= 5 => format!(" for {}", subjects.join(", ")),
                n => format!(" for {}", count(n as u64, "prefix list")),
            };
            let text = format!("{action} in {region}{about} was refused: {said}");
            page.flow(&[Span::new(tone, word), Span::plain(" ")], 2, &[Span::plain(text)])?;
            page.flow(&[Span::new(Tone::Note, "  = help: ")], 4, &[Span::plain(next.as_str())])?;
        }
        Ok(())
    }
}
