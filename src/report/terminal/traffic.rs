//! The verdict matrix, and how openers were decided.

use std::cmp::Reverse;
use std::io;

use super::heading;
use crate::finding::{Summary, VerdictCount};
use crate::report::numbers::{number, percent};
use crate::report::{Page, Span, Tone};

/// Column at which reasons begin.
const REASONS: usize = 36;

/// The usual first, then the odd.
const ORDER: [&str; 5] = ["permitted", "rejected", "escaped", "misdropped", "not-evaluable"];

pub(super) fn show(summary: &Summary, page: &mut Page<'_>) -> io::Result<()> {
    if summary.connections == 0 {
        return Ok(());
    }
    heading(page, "Connections")?;
    let mut verdicts: Vec<&str> = summary.verdicts.iter().map(|v| v.verdict).collect();
    verdicts
        .sort_by_key(|verdict| (ORDER.iter().position(|v| v == verdict).unwrap_or(ORDER.len()), *verdict));
    verdicts.dedup();
    for name in verdicts {
        let cells: Vec<_> = summary.verdicts.iter().filter(|v| v.verdict == name).collect();
        verdict(name, &cells, summary.connections, page)?;
    }
    openers(summary, page)?;
    ends(summary, page)
}

fn verdict(name: &str, cells: &[&VerdictCount], all: u64, page: &mut Page<'_>) -> io::Result<()> {
    let total: u64 = cells.iter().map(|v| v.connections).sum();
    let mut by_reason: Vec<_> = cells.iter().filter(|v| !v.reason.is_empty() && v.connections > 0).collect();
    by_reason.sort_by_key(|v| (Reverse(v.connections), v.reason));
    let mut by_reason: Vec<_> = cells.iter().filter(|v| !v.reason.is_empty() && v.connections > 0).collect();
    by_reason.sort_by_key(|v| (Reverse(v.connections), v.reason));
    let reasons: Vec<String> =
        by_reason.iter().map(|v| format!("{}\u{a0}{}", v.reason, number(v.connections))).collect();
    let figures = format!("{:>12}{:>7}", number(total), percent(total, all));
    let lead = [Span::new(tone(name, total), format!("  {name:13}")), Span::plain(figures)];
    // Beside the figures there is room for reasons only on a wide page.
    if reasons.is_empty() {
        page.line(&lead)
    } else if page.width() >= 2 * REASONS {
        let body = [Span::new(Tone::Faint, reasons.join(", "))];
        page.flow(&[&lead[..], &[Span::plain("  ")]].concat(), REASONS, &body)
    } else {
        page.line(&lead)?;
        page.flow(&[Span::plain("    ")], 4, &[Span::new(Tone::Faint, reasons.join(", "))])
    }
}

/// One line, where the logs of both ends of any connection were read.
fn ends(summary: &Summary, page: &mut Page<'_>) -> io::Result<()> {
    let ends = &summary.ends;
    if ends.joined == 0 && ends.disagreeing == 0 {
        return Ok(());
    }
    let mut parts = vec![
        format!("{}\u{a0}seen from both", number(ends.joined)),
        format!("{}\u{a0}agree", number(ends.agreeing)),
    ];
    let causes = ends.by_cause.iter().filter(|(_, n)| *n > 0);
    parts.extend(causes.map(|(cause, n)| format!("{cause}\u{a0}{}", number(*n))));
    if ends.not_compared > 0 {
        parts.push(format!("{}\u{a0}not compared", number(ends.not_compared)));
    }
    let label = "  both ends  ";
    let hang = if page.width() >= 2 * REASONS { label.len() } else { 4 };
    page.flow(&[Span::new(Tone::Faint, label)], hang, &[Span::plain(parts.join(", "))])
}

fn tone(verdict: &str, connections: u64) -> Tone {
    match verdict {
        _ if connections == 0 => Tone::Faint,
        "permitted" => Tone::Good,
        "escaped" | "misdropped" => Tone::Bad,
        "rejected" => Tone::Note,
        _ => Tone::Plain,
    }
}

fn openers(summary: &Summary, page: &mut Page<'_>) -> io::Result<()> {
    let all: u64 = summary.openers.iter().map(|o| o.connections).sum();
    let by: Vec<String> = summary
        .openers
        .iter()
        .filter(|o| o.connections > 0)
        .map(|o| {
            let name = if o.evidence == "none" { "unknown" } else { o.evidence };
            let strength =
                if o.strength == "unknown" { String::new() } else { format!("\u{a0}({})", o.strength) };
            format!("{name}\u{a0}{}{strength}", percent(o.connections, all))
        })
        .collect();
    if by.is_empty() {
        return Ok(());
    }
    let label = "  opener by  ";
    let hang = if page.width() >= 2 * REASONS { label.len() } else { 4 };
    page.flow(&[Span::new(Tone::Faint, label)], hang, &[Span::plain(by.join(", "))])
}
