//! `flowgate store`: look at a store, and let go of what is old.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::failure::{Failure, Problem, written};
use super::place::PlaceArguments;
use super::{Environment, Exit, values};
use crate::pipeline::{self, AnalyzeError, Remote, StorePlace};
use crate::report::{Look, Page, Span, Tone, count, number};
use crate::store::{Disk, Need, Store, StoreError, StoredFile, day_name};

/// Look at a store, and let go of what is old
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Info(Info),
    Prune(Prune),
}

/// Show what a store holds
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit codes:
  0  shown
  2  there is no store, or a newer version wrote it
  3  it is damaged, or can't be read")]
struct Info {
    #[command(flatten)]
    place: PlaceArguments,
}

/// Remove whole days of records and connections from a store
///
/// What was read stays known: pruned logs are not read again by the next ingest.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate store prune --store store/ --older-than 90d
  flowgate store prune --store s3://bucket/store --older-than 13w

Exit codes:
  0  pruned, or nothing was that old
  2  usage error, or there is no store
  3  failed: the store is as it was")]
struct Prune {
    #[command(flatten)]
    place: PlaceArguments,
    /// Age in days or weeks, like 90d or 13w: days of UTC that ended longer ago are removed
    #[arg(long, value_name = "AGE", required = true)]
    older_than: String,
}

/// Does it.
pub(super) fn execute(
    arguments: &Arguments,
    environment: &Environment,
    out: Look,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    let page = &mut Page::new(stdout, out);
    match &arguments.command {
        Command::Info(info) => {
            let (place, remote) = info.place.place(environment)?;
            written(show(&store_of(&place, &remote).map_err(failure)?, page))?;
        }
        Command::Prune(prune) => {
            let days = values::days(&prune.older_than).ok_or_else(|| {
                let message = format!("--older-than {}: not an age", prune.older_than);
                Failure::usage(vec![Problem::new(message).help("write it like 90d or 13w")])
            })?;
            let today = u32::try_from(environment.now() / 86_400).unwrap_or(0);
            let before = today.saturating_sub(days);
            let disk = environment.abort_at_step.map_or_else(Disk::default, Disk::that_aborts_at);
            let (place, remote) = prune.place.place(environment)?;
            let (files, bytes) = pipeline::prune(&place, &remote, &disk, before).map_err(failure)?;
            let text =
                format!("before {}: {} of {} removed", day_name(before), count(files, "file"), size(bytes));
            written(page.flow(&[], 2, &[Span::plain(text)]))?;
        }
    }
    Ok(Exit::Clean)
}

fn failure(error: StoreError) -> Failure {
    AnalyzeError::from(error).into()
}

/// What is shown of a store.
struct Shown {
    store: Store,
    objects: u64,
    failed: u64,
    flow_logs: BTreeSet<String>,
}

fn store_of(place: &StorePlace, remote: &Remote) -> Result<Shown, StoreError> {
    let store = pipeline::open_store(place, remote, &Need::objects())?;
    let (mut objects, mut failed, mut flow_logs) = (0, 0, BTreeSet::new());
    store.each_object(|row| {
        objects += 1;
        failed += u64::from(row.failed);
        flow_logs.extend(row.flow_log);
    })?;
    Ok(Shown { store, objects, failed, flow_logs })
}

fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} B", number(bytes)),
        10_000..10_000_000 => format!("{} kB", number(bytes / 1000)),
        10_000_000..10_000_000_000 => format!("{} MB", number(bytes / 1_000_000)),
        _ => format!("{} GB", number(bytes / 1_000_000_000)),
    }
}

fn show(shown: &Shown, page: &mut Page<'_>) -> io::Result<()> {
    let Shown { store, objects, failed, flow_logs } = shown;
    let manifest = store.manifest();
    let sum =
        |files: &[StoredFile]| files.iter().fold((0, 0), |(rows, bytes), f| (rows + f.rows, bytes + f.bytes));
    let days: BTreeSet<u32> = manifest.records.iter().filter_map(|file| file.day).collect();
    let mut rows: Vec<(&str, String)> = vec![
        ("schema", format!("version {}, written by flowgate {}", manifest.version, manifest.written_by)),
        (
            "objects",
            format!("{} of {}", count(*objects, "object"), count(flow_logs.len() as u64, "flow log")),
        ),
    ];
    if *failed > 0 {
        rows.push(("not read", format!("{}: the next ingest tries again", count(*failed, "object"))));
    }
    let (records, bytes) = sum(&manifest.records);
    rows.push((
        "records",
        format!(
            "{}, {}, {}",
            count(records, "row"),
            size(bytes),
            count(manifest.records.len() as u64, "file")
        ),
    ));
    if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
        rows.push((
            "days",
            format!("{}, {} to {}", number(days.len() as u64), day_name(first), day_name(last)),
        ));
    }
    let connections = &manifest.connections;
    let (derived, bytes) = sum(&connections.files);
    rows.push((
        "connections",
        format!(
            "{}, {}, {}",
            count(derived, "row"),
            size(bytes),
            count(connections.files.len() as u64, "file")
        ),
    ));
    if !connections.stale.is_empty() {
        rows.push((
            "stale",
            format!("{}: the next ingest judges them", count(connections.stale.len() as u64, "day")),
        ));
    }
    let judged = if connections.inventories.is_empty() {
        "nothing".to_owned()
    } else {
        connections.inventories.join(", ")
    };
    rows.push(("judged by", judged));
    if let Some(day) = manifest.pruned_before {
        rows.push(("pruned", format!("before {}", day_name(day))));
    }
    for (name, text) in rows {
        page.flow(&[Span::new(Tone::Faint, format!("{name:<12}"))], 12, &[Span::plain(text)])?;
    }
    Ok(())
}
