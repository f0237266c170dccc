//! The last lines: what it comes to.

use std::io;

use super::tone;
use crate::finding::{Conclusions, Severity};
use crate::report::numbers::{count, number};
use crate::report::{Page, Span, Tone};

pub(super) fn show(conclusions: &Conclusions, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    let of =
        |severity: Severity| conclusions.findings.iter().filter(|f| f.severity == severity).count() as u64;
    if conclusions.findings.is_empty() {
        // Nothing found in what was read is no praise if not everything was read.
        let tone = if conclusions.is_incomplete() { Tone::Strong } else { Tone::Good };
        page.line(&[Span::new(tone, "No findings.")])?;
    } else {
        let total = count(conclusions.findings.len() as u64, "finding");
        let mut spans = vec![Span::new(Tone::Strong, total)];
        let present = Severity::ALL.into_iter().filter(|s| of(*s) > 0);
        for (at, severity) in present.enumerate() {
            spans.push(Span::plain(if at == 0 { ": " } else { ", " }));
            spans.push(Span::new(tone(severity), format!("{}\u{a0}{severity}", number(of(severity)))));
        }
        page.flow(&[], 2, &spans)?;
    }
    let missing = conclusions.summary.limitations.iter().filter(|l| l.incomplete).count() as u64;
    if missing == 0 {
        return Ok(());
    }
    page.flow(
        &[],
        2,
        &[
            Span::new(Tone::Warn, "Incomplete: "),
            Span::plain(format!("{} above could change a conclusion.", count(missing, "item"))),
        ],
    )
}
