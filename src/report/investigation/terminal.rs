//! An investigation in a terminal.

use std::io;

use unicode_width::UnicodeWidthStr as _;

use super::make::{sections, title, window};
use super::sheet::{Cell, Part, Table};
use crate::investigate::Investigation;
use crate::report::sanitise::sanitise;
use crate::report::terminal::heading;
use crate::report::{Page, Span, Tone};

/// Column at which the texts beside labels begin.
const LABELLED: usize = 15;

/// No column but the last takes more than this.
const WIDEST: usize = 44;

/// Room for the last column.
const LAST: usize = 36;

/// No text is cut to less than this: ids stay whole.
const LEAST: usize = 21;

/// Shows all of it.
///
/// # Errors
/// Those of the page.
pub fn show_investigation(told: &Investigation, page: &mut Page<'_>) -> io::Result<()> {
    page.line(&[
        Span::new(Tone::Strong, title(told)),
        Span::new(Tone::Faint, format!("  {}", window(told))),
    ])?;
    for section in sections(told) {
        heading(page, &section.title)?;
        for part in &section.parts {
            show(part, page)?;
        }
    }
    Ok(())
}

fn show(part: &Part, page: &mut Page<'_>) -> io::Result<()> {
    match part {
        Part::Facts(facts) => facts.iter().try_for_each(|(name, value)| {
            let width = LABELLED - 3;
            let lead = Span::new(Tone::Faint, format!("  {name:width$} "));
            page.flow(&[lead], LABELLED, &[Span::plain(&**value)])
        }),
        Part::Table(table) | Part::TimeLine(table) => show_table(table, page),
        Part::Text(text) => page.flow(&[Span::plain("  ")], 2, &[Span::plain(&**text)]),
        Part::Warning(text) => page.flow(&[Span::plain("  ")], 2, &[Span::new(Tone::Bad, &**text)]),
        Part::List(items) => {
            items.iter().try_for_each(|item| page.flow(&[Span::plain("  - ")], 4, &[Span::plain(&**item)]))
        }
        Part::Commands(commands) => commands.iter().try_for_each(|(why, command)| {
            page.flow(&[Span::plain("  ")], 2, &[Span::new(Tone::Faint, format!("# {why}"))])?;
            // Never wrapped: it is to be copied.
            page.line(&[Span::plain("  "), Span::plain(&**command)])
        }),
    }
}

fn tone(cell: &Cell) -> Tone {
    match (cell.mark, cell.text.as_str()) {
        (Some("verdict"), "permitted") => Tone::Good,
        (Some("verdict"), "escaped" | "misdropped") | (Some("sev"), "critical" | "high") => Tone::Bad,
        (Some("sev"), "medium") => Tone::Warn,
        (Some("verdict"), "rejected") | (Some("sev"), "low") => Tone::Note,
        _ => Tone::Plain,
    }
}

/// Columns as wide as what is in them; the last one takes what is left, and is cut where it would not fit. Columns
/// without anything are left out.
fn show_table(table: &Table, page: &mut Page<'_>) -> io::Result<()> {
    if let Some(title) = &table.title {
        page.line(&[Span::new(Tone::Faint, format!("  {title}"))])?;
    }
    let filled =
        |at: usize| table.rows.iter().any(|row| row.get(at).is_some_and(|cell| !cell.text.is_empty()));
    let mut columns: Vec<usize> = (0..table.columns.len()).filter(|&at| filled(at)).collect();
    let shown = |cell: &Cell, page: &Page<'_>| sanitise(&cell.text, page.is_unicode()).replace('\u{a0}', " ");
    let width_of = |at: usize| {
        let cells = table.rows.iter().filter_map(|row| row.get(at)).map(|cell| shown(cell, page).width());
        let widest = cells.max().unwrap_or(0).max(table.columns[at].name.width());
        if table.columns[at].numeric { widest } else { widest.min(WIDEST) }
    };
    // The last column needs some room, the others all they have.
    let needed = |columns: &[usize]| {
        let (last, rest) = columns.split_last()?;
        Some(2 + rest.iter().map(|&at| width_of(at) + 2).sum::<usize>() + width_of(*last).min(LAST))
    };
    while needed(&columns).is_some_and(|needed| needed > page.width())
        && let Some(place) = columns.iter().rposition(|&at| table.columns[at].extra)
    {
        columns.remove(place);
    }
    let Some((&last, rest)) = columns.split_last() else { return Ok(()) };
    let mut widths: Vec<usize> = rest.iter().map(|&at| width_of(at)).collect();
    // Then the widest texts give way.
    let mut over = needed(&columns).unwrap_or(0).saturating_sub(page.width());
    while over > 0
        && let Some(widest) = (0..widths.len())
            .filter(|&at| !table.columns[rest[at]].numeric && widths[at] > LEAST)
            .max_by_key(|&at| (widths[at], at))
    {
        widths[widest] -= 1;
        over -= 1;
    }
    let pad = |text: &str, width: usize, numeric: bool| {
        let gap = " ".repeat(width.saturating_sub(text.width()));
        if numeric { format!("{gap}{text}") } else { format!("{text}{gap}") }
    };
    let last_width = if table.columns[last].numeric { width_of(last) } else { 0 };
    let mut lead = String::from("  ");
    for (&at, &width) in rest.iter().zip(&widths) {
        lead.push_str(&pad(table.columns[at].name, width, table.columns[at].numeric));
        lead.push_str("  ");
    }
    let name = pad(table.columns[last].name, last_width, true);
    page.cut(&[Span::new(Tone::Faint, lead)], &name)?;
    for row in &table.rows {
        let mut spans = vec![Span::plain("  ")];
        for (&at, &width) in rest.iter().zip(&widths) {
            let Some(cell) = row.get(at) else { continue };
            let text = shown(cell, page);
            let text = if text.width() > width { shorten(&text, width, page.is_unicode()) } else { text };
            spans.push(Span::new(tone(cell), pad(&text, width, table.columns[at].numeric)));
            spans.push(Span::plain("  "));
        }
        let text = row.get(last).map(|cell| shown(cell, page)).unwrap_or_default();
        page.cut(&spans, &pad(&text, last_width, true))?;
    }
    if let Some(more) = &table.more {
        page.line(&[Span::new(Tone::Faint, format!("  {more}"))])?;
    }
    Ok(())
}

fn shorten(text: &str, width: usize, unicode: bool) -> String {
    let ellipsis = if unicode { "…" } else { "..." };
    let room = width.saturating_sub(ellipsis.width());
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if kept.width() > room {
            kept.pop();
            break;
        }
    }
    kept + ellipsis
}
