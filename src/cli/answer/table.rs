//! An answer as a table for people.

use std::io;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use super::plain;
use crate::query::Answer;
use crate::report::{Page, Span, Tone, count, number, sanitise};

/// Narrower than this, text says nothing.
const NARROWEST: usize = 10;
/// Blanks between columns.
const GAP: usize = 2;
/// Cells of a table for a program are cut, too: a summary of a page would make lines that nobody can read.
const WIDEST: usize = 200;

struct Cell {
    text: String,
    tone: Tone,
}

/// Writes it: with `cut`, columns share the width of the page, or each row is a list if there are too many.
pub(super) fn write(
    answer: &Answer,
    max_rows: usize,
    cut: bool,
    page: &mut Page<'_>,
    unicode: bool,
) -> io::Result<()> {
    let names = answer.columns();
    let shown = answer.rows().min(max_rows);
    let rows: Vec<Vec<Cell>> =
        (0..shown).map(|row| answer.row(row).iter().map(|value| cell(value, unicode)).collect()).collect();
    let natural: Vec<usize> = names
        .iter()
        .enumerate()
        .map(|(column, name)| {
            let cells = rows.iter().map(|row| row[column].text.width());
            cells.chain([sanitise(name, unicode).width()]).max().unwrap_or(0)
        })
        .collect();
    let numeric: Vec<bool> = (0..names.len()).map(|column| answer.is_numeric(column)).collect();
    match widths(&natural, &numeric, if cut { page.width() } else { usize::MAX }) {
        None => list(&names, &rows, page, unicode)?,
        Some(widths) => {
            let line = |cells: Vec<(&str, Tone)>| -> Vec<Span> {
                let mut spans = Vec::new();
                for (column, (text, tone)) in cells.iter().enumerate() {
                    let text = shorten(text, widths[column], unicode);
                    let blanks = " ".repeat(widths[column].saturating_sub(text.width()));
                    let gap = " ".repeat(if column == 0 { 0 } else { GAP });
                    let last = column + 1 == cells.len();
                    let text = match (numeric[column], last) {
                        (true, _) => format!("{gap}{blanks}{text}"),
                        (false, true) => format!("{gap}{text}"),
                        (false, false) => format!("{gap}{text}{blanks}"),
                    };
                    spans.push(Span::new(*tone, text));
                }
                spans
            };
            page.line(&line(names.iter().map(|name| (name.as_str(), Tone::Strong)).collect()))?;
            for row in &rows {
                page.line(&line(row.iter().map(|cell| (cell.text.as_str(), cell.tone)).collect()))?;
            }
        }
    }
    let all = answer.rows() as u64;
    let summary = if shown < answer.rows() {
        format!("{} of {}; --max-rows 0 shows all", number(shown as u64), count(all, "row"))
    } else {
        count(all, "row")
    };
    page.line(&[Span::new(Tone::Faint, summary)])
}

fn cell(value: &Value, unicode: bool) -> Cell {
    let tone = if value.is_null() { Tone::Faint } else { Tone::Plain };
    Cell { text: sanitise(&plain(value), unicode).into_owned(), tone }
}

/// How wide columns are; `None` if they don't fit beside each other. Numbers are not cut, and narrow columns neither: what is
/// too much is taken from the widest.
fn widths(natural: &[usize], numeric: &[bool], room: usize) -> Option<Vec<usize>> {
    let gaps = GAP * natural.len().saturating_sub(1);
    let at_most = |most: usize| -> Vec<usize> {
        let each = natural.iter().zip(numeric);
        each.map(|(&width, &numeric)| if numeric { width } else { width.min(most) }).collect()
    };
    let fits = |most: usize| at_most(most).iter().sum::<usize>().saturating_add(gaps) <= room;
    if !fits(NARROWEST) {
        return None;
    }
    let (mut least, mut most) = (NARROWEST, WIDEST);
    while least < most {
        let middle = (least + most).div_ceil(2);
        if fits(middle) { least = middle } else { most = middle - 1 }
    }
    Some(at_most(least))
}

/// A list for each row: of many columns, which don't fit beside each other.
fn list(names: &[String], rows: &[Vec<Cell>], page: &mut Page<'_>, unicode: bool) -> io::Result<()> {
    let width = names.iter().map(|name| sanitise(name, unicode).width()).max().unwrap_or(0);
    for (at, row) in rows.iter().enumerate() {
        page.line(&[Span::new(Tone::Strong, format!("row {}", at + 1))])?;
        for (name, cell) in names.iter().zip(row) {
            let lead = Span::new(Tone::Faint, format!("  {name:<width$}  "));
            page.flow(&[lead], width + 4, &[Span::new(cell.tone, cell.text.clone())])?;
        }
    }
    Ok(())
}

/// The beginning of a text that fits, with a mark where it was cut.
fn shorten(text: &str, width: usize, unicode: bool) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mark = if unicode { "…" } else { "..." };
    let room = width.saturating_sub(mark.width());
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|&end| text[..end].width() <= room).last().unwrap_or(0);
    format!("{}{mark}", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_give_way() {
        assert_eq!(widths(&[5, 30, 60], &[true, false, false], 200), Some(vec![5, 30, 60]));
        assert_eq!(widths(&[5, 30, 60], &[true, false, false], 79), Some(vec![5, 30, 40]));
        assert_eq!(widths(&[5, 30, 60], &[true, false, false], 49), Some(vec![5, 20, 20]));
        assert_eq!(widths(&[5, 30, 60], &[true, false, false], 28), None);
        assert_eq!(widths(&[5, 30, 600], &[true, false, false], usize::MAX), Some(vec![5, 30, 200]));
        assert_eq!(widths(&[], &[], 40), Some(vec![]));
    }

    #[test]
    fn cut_text_says_so() {
        assert_eq!(shorten("abcdef", 6, true), "abcdef");
        assert_eq!(shorten("abcdefg", 6, true), "abcde…");
        assert_eq!(shorten("abcdefg", 6, false), "abc...");
        assert_eq!(shorten("日日日日", 6, true), "日日…");
    }
}
