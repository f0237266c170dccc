//! The report people read: what was read, what was found, how the rules did, how far to trust it.

mod coverage;
mod findings;
mod header;
mod outcome;
mod rules;
mod traffic;

use std::io::{self, Write};

use super::{Look, Page, Renderer, Span, Tone, count};
use crate::finding::{Conclusions, Severity};

/// How to show the report.
#[derive(Clone, Debug)]
pub struct TerminalOptions {
    /// Width, colours, characters.
    pub look: Look,
    /// Most findings shown of a kind; `None` shows all.
    pub per_kind: Option<usize>,
    /// Where findings that are not shown can be found, e.g. `see out/findings.jsonl`.
    pub elsewhere: String,
    /// Also shows all evidence, every interface and every limitation.
    pub verbose: bool,
}

pub(super) struct Terminal<'a>(pub &'a TerminalOptions);

impl Renderer for Terminal<'_> {
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()> {
        let page = &mut Page::new(out, self.0.look);
        header::show(&conclusions.summary, page)?;
        findings::show(conclusions, self.0, page)?;
        rules::show(&conclusions.rules, page)?;
        traffic::show(&conclusions.summary, page)?;
        coverage::show(&conclusions.summary, self.0, page)?;
        outcome::show(conclusions, page)
    }
}

/// The tone of a severity, the same all over the report.
fn tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Warn,
        Severity::Low => Tone::Note,
        Severity::Informational => Tone::Faint,
    }
}

/// A heading with an empty line above.
pub(super) fn heading(page: &mut Page<'_>, title: &str) -> io::Result<()> {
    page.blank()?;
    page.line(&[Span::new(Tone::Strong, title)])
}

/// `a, b and 7 more inputs`: lists can be as long as a shell's pattern makes them.
fn first_few(list: &[String], what: &str) -> String {
    const SHOWN: usize = 5;
    let (first, rest) = list.split_at(SHOWN.min(list.len()));
    match rest.len() {
        0 => first.join(", "),
        n => format!("{} and {}", first.join(", "), count(n as u64, &format!("more\u{a0}{what}"))),
    }
}

/// Column at which the texts beside labels begin.
const LABELLED: usize = 13;

/// `  label      text`, wrapped beside the label.
fn labelled(page: &mut Page<'_>, label: &str, text: &[Span]) -> io::Result<()> {
    let width = LABELLED - 3;
    page.flow(&[Span::new(Tone::Faint, format!("  {label:width$} "))], LABELLED, text)
}
