//! `flowgate inventory check`: look at inventory dumps before they are used.

use std::io::{self, Write};
use std::path::PathBuf;

use super::super::Exit;
use super::super::failure::{Failure, Problem, written};
use crate::inventory::{
    CheckReport, Gap, GapSeverity, HistorySummary, InventoryError, LoadOptions, ObservationSummary, check,
    load,
};
use crate::report::{Look, Page, Span, Tone, count, number};

/// Say what inventory dumps hold, what they lack, and what that costs the analysis
///
/// Every gap comes with the command that fills it.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
Exit codes:
  0  nothing missing that most conclusions need
  1  something is: a gap of high severity
  2  usage error, or files that can't be used")]
pub(super) struct Arguments {
    /// Directories or files of AWS CLI output in JSON, or of AWS Config history and snapshots
    #[arg(value_name = "DIR", required = true)]
    paths: Vec<PathBuf>,
}

pub(super) fn execute(arguments: &Arguments, look: Look, stdout: &mut dyn Write) -> Result<Exit, Failure> {
    let elsewhere = arguments.paths.iter().filter(|path| path.starts_with("s3:") && !path.exists());
    let elsewhere: Vec<Problem> = elsewhere.map(|path| Problem::missing("", path)).collect();
    if !elsewhere.is_empty() {
        return Err(Failure::usage(elsewhere));
    }
    // Everything that is wrong, not only the first.
    let options = LoadOptions { skip_bad_files: true, ..LoadOptions::default() };
    let loaded = load(&arguments.paths, &options).map_err(|error| refused(&error))?;
    let report = check(&loaded);
    written(show(&report, &mut Page::new(stdout, look)))?;
    if !loaded.report.bad.is_empty() {
        let bad = count(loaded.report.bad.len() as u64, "file");
        let problem =
            Problem::new(format!("{bad} can't be used")).help("each is named above under bad-files");
        return Err(Failure::usage(vec![problem]));
    }
    let serious = report.gaps.iter().any(|gap| gap.severity == GapSeverity::High);
    Ok(if serious { Exit::Findings } else { Exit::Clean })
}

fn refused(error: &InventoryError) -> Failure {
    Failure::usage(vec![Problem::new(error.to_string())])
}

fn show(report: &CheckReport, page: &mut Page<'_>) -> io::Result<()> {
    for observation in &report.observations {
        observed(observation, page)?;
    }
    if let Some(history) = &report.history {
        recorded(history, page)?;
    }
    if report.observations.is_empty() && report.history.is_none() {
        page.line(&[Span::new(Tone::Strong, "No inventory found.")])?;
    }
    for gap in &report.gaps {
        page.blank()?;
        lacking(gap, page)?;
    }
    page.blank()?;
    if report.gaps.is_empty() {
        return page.line(&[Span::new(Tone::Good, "No gaps.")]);
    }
    let mut spans = vec![Span::new(Tone::Strong, count(report.gaps.len() as u64, "gap"))];
    let severities = [GapSeverity::High, GapSeverity::Medium, GapSeverity::Low, GapSeverity::Info];
    let numbers = severities.map(|s| (s, report.gaps.iter().filter(|gap| gap.severity == s).count() as u64));
    for (at, (severity, n)) in numbers.into_iter().filter(|(_, n)| *n > 0).enumerate() {
        spans.push(Span::plain(if at == 0 { ": " } else { ", " }));
        spans.push(Span::new(tone(severity), format!("{}\u{a0}{}", number(n), severity.as_str())));
    }
    page.flow(&[], 2, &spans)
}

fn instant(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp(at, 0);
    time.map_or_else(|| at.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

fn recorded(history: &HistorySummary, page: &mut Page<'_>) -> io::Result<()> {
    let when = match history.span {
        Some((first, last)) => format!("Recorded by AWS Config from {} to {}", instant(first), instant(last)),
        None => "Recorded by AWS Config".to_owned(),
    };
    let mut read = format!(
        ": {}, {}",
        count(history.files as u64, "file"),
        count(history.items as u64, "configuration item")
    );
    if history.repeated > 0 {
        read = format!("{read}, {} of them repeated", number(history.repeated as u64));
    }
    page.flow(&[Span::new(Tone::Strong, when)], 2, &[Span::plain(read)])?;
    for (kind, (resources, changes)) in &history.kinds {
        page.line(&[Span::plain(format!(
            "  {:>9}  {}, {}",
            number(*resources as u64),
            kind.as_str().replace('-', " "),
            count(*changes as u64, "change")
        ))])?;
    }
    Ok(())
}

fn observed(observation: &ObservationSummary, page: &mut Page<'_>) -> io::Result<()> {
    let when = match observation.observed_at {
        Some(at) => format!("As of {}", instant(at)),
        None => "Undated, taken as of now".to_owned(),
    };
    let places: Vec<String> = observation.accounts.iter().chain(&observation.regions).cloned().collect();
    let mut from = format!(": {}", count(observation.files as u64, "file"));
    if !places.is_empty() {
        from = format!("{from}, {}", places.join(", "));
    }
    page.flow(&[Span::new(Tone::Strong, when)], 2, &[Span::plain(from)])?;
    for (kind, n) in observation.counts.iter().filter(|(_, n)| **n > 0) {
        page.line(&[Span::plain(format!(
            "  {:>9}  {}",
            number(*n as u64),
            kind.as_str().replace('-', " ")
        ))])?;
    }
    Ok(())
}

fn lacking(gap: &Gap, page: &mut Page<'_>) -> io::Result<()> {
    page.flow(
        &[],
        2,
        &[
            Span::new(tone(gap.severity), format!("{}[{}]", gap.severity.as_str(), gap.code)),
            Span::new(Tone::Strong, format!(": {}", gap.message)),
        ],
    )?;
    if !gap.subjects.is_empty() {
        let mut about = gap.subjects.join(", ");
        if gap.subject_count > gap.subjects.len() {
            about = format!("{about} and {} more", number((gap.subject_count - gap.subjects.len()) as u64));
        }
        page.flow(&[Span::new(Tone::Faint, "  = about: ")], 4, &[Span::plain(about)])?;
    }
    page.flow(&[Span::new(Tone::Faint, "  = next: ")], 4, &[Span::plain(&*gap.next)])
}

fn tone(severity: GapSeverity) -> Tone {
    match severity {
        GapSeverity::High => Tone::Bad,
        GapSeverity::Medium => Tone::Warn,
        GapSeverity::Low => Tone::Note,
        GapSeverity::Info => Tone::Faint,
    }
}
