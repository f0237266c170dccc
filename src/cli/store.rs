//! `flowgate store`: look at a store, let go of what is old, and join what is small.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::failure::{Failure, Problem, written};
use super::place::PlaceArguments;
use super::{Environment, Exit, values};
use crate::pipeline::{self, AnalyzeError, Remote, StorePlace};
use crate::report::{Look, Page, Span, Tone, count, number, rfc3339};
use crate::store::{KeptFindings, Need, Store, StoreError, StoredFile, Table, day_name};

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
    Compact(Compact),
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

/// Join the files of a store: one of records for a day
///
/// Every ingest does so where many small files have come together, so this is seldom needed. What the store says does not
/// change.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Examples:
  flowgate store compact --store store/

Exit codes:
  0  joined, or there was nothing to join
  2  usage error, or there is no store
  3  failed: the store is as it was")]
struct Compact {
    #[command(flatten)]
    place: PlaceArguments,
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
            let (place, remote) = prune.place.place(environment)?;
            let (files, bytes) =
                pipeline::prune(&place, &remote, &environment.disk(), before).map_err(failure)?;
            let text =
                format!("before {}: {} of {} removed", day_name(before), count(files, "file"), size(bytes));
            written(page.flow(&[], 2, &[Span::plain(text)]))?;
        }
        Command::Compact(Compact { place }) => {
            let (place, remote) = place.place(environment)?;
            let (joined, into) = pipeline::compact(&place, &remote, &environment.disk()).map_err(failure)?;
            let text = match joined {
                0 => "nothing to join".to_owned(),
                _ => format!("{} joined into {}", count(joined, "file"), number(into)),
            };
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

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{} B", number(bytes)),
        10_000..10_000_000 => format!("{} kB", number(bytes / 1000)),
        10_000_000..10_000_000_000 => format!("{} MB", number(bytes / 1_000_000)),
        _ => format!("{} GB", number(bytes / 1_000_000_000)),
    }
}

/// `1,234 rows, 56 kB, 7 files`.
fn sums<'a>(files: impl Iterator<Item = &'a StoredFile>) -> String {
    let (mut rows, mut bytes, mut number) = (0, 0, 0);
    for file in files {
        (rows, bytes, number) = (rows + file.rows, bytes + file.bytes, number + 1);
    }
    format!("{}, {}, {}", count(rows, "row"), size(bytes), count(number, "file"))
}

/// What the findings that are kept are worth.
fn findings(kept: &KeptFindings, outdated: bool) -> String {
    let KeptFindings { from, to, inventories, detectors, incomplete, .. } = kept;
    let mut text = String::from(if outdated {
        "findings from before the store changed last: `flowgate analyze STORE --keep` finds them anew"
    } else {
        "findings of the store as it is"
    });
    for (word, time) in [("from", from), ("before", to)] {
        if let Some(time) = time.and_then(rfc3339) {
            text.push_str(&format!("; {word} {time}"));
        }
    }
    if !detectors.is_empty() {
        text.push_str(&format!("; of {} only", detectors.join(", ")));
    }
    if *incomplete {
        text.push_str("; incomplete");
    }
    let inventories = if inventories.is_empty() { "nothing".to_owned() } else { inventories.join(", ") };
    text + &format!("; judged by {inventories}")
}

fn show(shown: &Shown, page: &mut Page<'_>) -> io::Result<()> {
    let Shown { store, objects, failed, flow_logs } = shown;
    let manifest = store.manifest();
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
    rows.push(("records", sums(manifest.records.iter())));
    if let (Some(&first), Some(&last)) = (days.first(), days.last()) {
        rows.push((
            "days",
            format!("{}, {} to {}", number(days.len() as u64), day_name(first), day_name(last)),
        ));
    }
    let connections = &manifest.connections;
    let with_rows = Table::ALL.into_iter().filter(|table| store.table_files(*table).next().is_some());
    rows.extend(with_rows.map(|table| (table.name(), sums(store.table_files(table)))));
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
    let files = manifest.files().count() as u64;
    let bytes = manifest.files().map(|file| file.bytes).sum();
    rows.push(("all", format!("{}, {}", size(bytes), count(files, "file"))));
    if let Some(kept) = &manifest.findings {
        rows.push(("kept", findings(kept, manifest.findings_are_outdated() == Some(true))));
    }
    if let Some(day) = manifest.pruned_before {
        rows.push(("pruned", format!("before {}", day_name(day))));
    }
    for (name, text) in rows {
        page.flow(&[Span::new(Tone::Faint, format!("{name:<12}"))], 12, &[Span::plain(text)])?;
    }
    Ok(())
}
