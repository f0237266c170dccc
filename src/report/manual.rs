//! The manual page of a detector: the doc comment of its file.

use std::io::{self, Write};

use super::{Look, Page, Span, Tone};

/// Writes the leading `//!` block of `source` as text: headings, paragraphs, lists and code, wrapped.
///
/// # Errors
/// Those of `out`.
pub fn write_manual(source: &str, look: Look, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(out, look);
    let mut paragraph = Paragraph::default();
    let mut code = false;
    let mut first = true;
    for line in doc_lines(source) {
        let text = line.trim_start();
        if text.starts_with("```") {
            paragraph.end(page)?;
            code = !code;
        } else if code || text.starts_with('|') {
            paragraph.end(page)?;
            page.line(&[Span::plain(format!("    {line}"))])?;
        } else if text.is_empty() {
            paragraph.end(page)?;
            if !first {
                page.blank()?;
            }
        } else if text.starts_with('#') {
            paragraph.end(page)?;
            page.line(&[Span::new(Tone::Strong, text.trim_start_matches('#').trim())])?;
        } else if let Some((marker, item)) = list_item(text) {
            paragraph.end(page)?;
            paragraph = Paragraph::item(line.len() - text.len(), marker, item);
        } else {
            paragraph.add(text);
        }
        first = false;
    }
    paragraph.end(page)
}

/// The lines of the leading `//!` block, without the markers.
pub(super) fn doc_lines(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
}

/// `- text` or `1. text`: the marker with its blank, and the text.
fn list_item(text: &str) -> Option<(&str, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let marker = match digits {
        0 if text.starts_with("- ") || text.starts_with("* ") => 2,
        1..=3 if text[digits..].starts_with(". ") => digits + 2,
        _ => return None,
    };
    Some(text.split_at(marker))
}

/// Lines that are wrapped together.
#[derive(Default)]
struct Paragraph {
    lead: String,
    text: String,
}

impl Paragraph {
    fn item(indent: usize, marker: &str, text: &str) -> Self {
        Self { lead: format!("{:indent$}{marker}", ""), text: text.to_owned() }
    }

    fn add(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.text.push_str(line);
    }

    fn end(&mut self, page: &mut Page<'_>) -> io::Result<()> {
        let Self { lead, text } = std::mem::take(self);
        if text.is_empty() {
            return Ok(());
        }
        let indent = 2 + lead.len();
        page.flow(&[Span::plain(format!("  {lead}"))], indent, &inline(&text))
    }
}

/// Code, strong text and links of one paragraph.
fn inline(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['`', '*', '[']) {
        let (before, from) = rest.split_at(at);
        spans.push(Span::plain(before));
        let marked = enclosed(from, "`", "`")
            .map(|(code, after)| (Span::new(Tone::Note, code), after))
            .or_else(|| enclosed(from, "**", "**").map(|(s, after)| (Span::new(Tone::Strong, s), after)))
            .or_else(|| enclosed(from, "[", "]").and_then(link));
        let (span, after) = marked.unwrap_or_else(|| (Span::plain(&from[..1]), &from[1..]));
        spans.push(span);
        rest = after;
    }
    spans.push(Span::plain(rest));
    spans
}

/// A reference to code (``[`x`]``) loses its brackets, a link keeps its address.
fn link<'a>((label, after): (&'a str, &'a str)) -> Option<(Span, &'a str)> {
    if let Some((address, after)) = enclosed(after, "(", ")") {
        return Some((Span::plain(format!("{label} ({address})")), after));
    }
    let (code, "") = enclosed(label, "`", "`")? else { return None };
    Some((Span::new(Tone::Note, code), after))
}

fn enclosed<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let (inner, after) = text.strip_prefix(open)?.split_once(close)?;
    (!inner.is_empty()).then_some((inner, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
//! # What it finds
//!
//! Rules that **nothing** used in `7 days`, see [the AWS page](https://example.com/x) and
//! [`Rollups`], but not a*b or [this].
//!
//! # How it decides
//!
//! 1. First the
//!    window.
//! 2. Then the rest
//!    - a nested item that is long enough to be wrapped
//!
//! ```text
//! a   b
//! ```

//! not part of it
use std::io;
";

    fn shown(width: usize, color: bool) -> String {
        let mut out = Vec::new();
        write_manual(SOURCE, Look { width, color, unicode: true }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn renders_light_markdown() {
        let expected = "\
What it finds

  Rules that nothing used in 7 days, see
  the AWS page (https://example.com/x)
  and Rollups, but not a*b or [this].

How it decides

  1. First the window.
  2. Then the rest
     - a nested item that is long enough
       to be wrapped

    a   b
";
        assert_eq!(shown(40, false), expected);
    }

    #[test]
    fn bold_only_in_colour() {
        assert!(shown(80, true).contains("\u{1b}[1mWhat it finds\u{1b}[0m"));
        assert!(!shown(80, false).contains('\u{1b}'));
    }
}
