//! How far the logs reach, what was not used, and what was assumed.

use std::cmp::Reverse;
use std::io;

use super::{TerminalOptions, heading};
use crate::finding::{InterfaceCoverage, Limitation, Summary};
use crate::flow::Tally;
use crate::report::numbers::{count, number, percent};
use crate::report::{Page, Span, Tone};

/// Lines shown of a list unless all are asked for.
const SHOWN: usize = 5;

pub(super) fn show(summary: &Summary, options: &TerminalOptions, page: &mut Page<'_>) -> io::Result<()> {
    heading(page, "Coverage")?;
    let most = if options.verbose { usize::MAX } else { SHOWN };
    interfaces(&summary.coverage, most, page)?;
    lines(&summary.tally, page)?;
    for (name, n) in &summary.tally.unknown_fields {
        bullet(page, &format!("field {name} is not known to this version, ignored ({})", count(*n, "line")))?;
    }
    for example in &summary.tally.examples {
        bullet(page, &format!("{}:{}: {}", example.object, example.line, example.reason))?;
    }
    limitations(&summary.limitations, most, page)?;
    if !summary.assumptions.is_empty() {
        heading(page, "Assumed")?;
        for assumption in &summary.assumptions {
            bullet(page, assumption)?;
        }
    }
    Ok(())
}

fn bullet(page: &mut Page<'_>, text: &str) -> io::Result<()> {
    page.flow(&[Span::plain("  - ")], 4, &[Span::plain(text)])
}

fn interfaces(coverage: &[InterfaceCoverage], most: usize, page: &mut Page<'_>) -> io::Result<()> {
    if coverage.is_empty() {
        return page.line(&[Span::plain("  no interface was heard of")]);
    }
    let seen: u64 = coverage.iter().map(|c| c.buckets_seen).sum();
    let expected: u64 = coverage.iter().map(|c| c.buckets_expected).sum();
    let mut lacking: Vec<_> = coverage.iter().filter_map(|c| Some((c, shortfall(c)?))).collect();
    let text = format!(
        "{} heard of in {} of the window's 10-minute steps, {} with a shortfall",
        count(coverage.len() as u64, "interface"),
        percent(seen, expected),
        number(lacking.len() as u64),
    );
    page.flow(&[Span::plain("  ")], 2, &[Span::plain(text)])?;
    // The worst first; sorted by id within.
    lacking.sort_by_key(|(c, _)| (c.in_inventory, Reverse(missing(c))));
    for (interface, why) in lacking.iter().take(most) {
        page.flow(
            &[Span::plain("  - ")],
            4,
            &[Span::new(Tone::Strong, &*interface.interface), Span::plain(format!(" {why}"))],
        )?;
    }
    more(lacking.len(), most, page)
}

/// Hundredths of the window in which the interface was not heard of.
fn missing(c: &InterfaceCoverage) -> u64 {
    let gap = c.buckets_expected.saturating_sub(c.buckets_seen);
    gap.saturating_mul(100).checked_div(c.buckets_expected).unwrap_or(0)
}

fn shortfall(c: &InterfaceCoverage) -> Option<String> {
    let mut parts = Vec::new();
    if !c.in_inventory {
        parts.push("not in the inventory".to_owned());
    }
    if c.buckets_seen < c.buckets_expected {
        parts.push(format!("heard of in {}", percent(c.buckets_seen, c.buckets_expected)));
    }
    if c.skipdata > 0 {
        parts.push(format!("{} SKIPDATA", number(c.skipdata)));
    }
    match c.traffic {
        "accept" => parts.push("logs accepted traffic only".to_owned()),
        "reject" => parts.push("logs rejected traffic only".to_owned()),
        "none" => parts.push("logs no traffic".to_owned()),
        _ => {}
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn lines(tally: &Tally, page: &mut Page<'_>) -> io::Result<()> {
    let fates = [
        (tally.records, "used"),
        (tally.nodata, "NODATA"),
        (tally.skipdata, "SKIPDATA"),
        (tally.malformed, "malformed"),
        (tally.other_schema, "of another schema"),
        (tally.duplicate, "duplicate"),
        (tally.out_of_range, "out of range"),
    ];
    let mut parts: Vec<String> = fates
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, fate)| format!("{}\u{a0}{}", number(*n), fate.replace(' ', "\u{a0}")))
        .collect();
    if tally.truncated > 0 {
        parts.push(format!("{} of the malformed cut off", number(tally.truncated)));
    }
    let text = format!("{} read: {}", count(tally.lines, "line"), parts.join(", "));
    page.flow(&[Span::plain("  ")], 2, &[Span::plain(text.trim_end_matches(": "))])
}

fn limitations(all: &[Limitation], most: usize, page: &mut Page<'_>) -> io::Result<()> {
    let titles = [(true, "Missing, could change a conclusion"), (false, "Not used")];
    for (incomplete, title) in titles {
        let some: Vec<_> = all.iter().filter(|l| l.incomplete == incomplete).collect();
        if some.is_empty() {
            continue;
        }
        heading(page, title)?;
        let mut rest = some.as_slice();
        // Sorted by code: one code must not push the others out.
        while let Some(first) = rest.first() {
            let (group, after) = rest.split_at(rest.partition_point(|l| l.code <= first.code).max(1));
            for limitation in group.iter().take(most) {
                one(limitation, page)?;
            }
            more(group.len(), most, page)?;
            rest = after;
        }
    }
    Ok(())
}

fn one(limitation: &Limitation, page: &mut Page<'_>) -> io::Result<()> {
    let tone = if limitation.incomplete { Tone::Warn } else { Tone::Faint };
    let mut body = vec![Span::new(tone, format!("{}: ", limitation.code))];
    // Messages that name their object need not be told it twice.
    if !limitation.object.is_empty() && !limitation.message.contains(&limitation.object) {
        body.push(Span::new(Tone::Strong, &*limitation.object));
        body.push(Span::plain(": "));
    }
    body.push(Span::plain(&*limitation.message));
    page.flow(&[Span::plain("  - ")], 4, &body)
}

fn more(all: usize, most: usize, page: &mut Page<'_>) -> io::Result<()> {
    match all.checked_sub(most) {
        Some(more @ 1..) => {
            page.line(&[Span::new(Tone::Faint, format!("    and {} more", number(more as u64)))])
        }
        _ => Ok(()),
    }
}
