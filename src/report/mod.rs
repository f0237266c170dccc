//! How is it shown?
//!
//! Every output is a `Renderer` of the same [`Conclusions`]: the report people read, and the three files
//! of the output contract ([`write_dir`]), which have structs of their own so that an internal rename
//! never reaches a reader. Nothing here prints: renderers write to what they are given.
//!
//! Text that came out of logs, tags and file names is hostile. [`sanitise()`] is applied by the one type
//! that lays out lines, [`Page`], so that no renderer can forget it.

mod dir;
mod file;
mod findings_jsonl;
mod html;
mod json;
mod manual;
mod numbers;
mod page;
mod rules_jsonl;
mod sanitise;
mod summary_json;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::finding::Conclusions;

pub use dir::{FILES, ReportError, prepare_dir, write_dir};
pub use file::{prepare_report, write_report};
pub use manual::write_manual;
pub(crate) use numbers::{count, number};
pub use page::{Look, Page, Span, Tone};
pub use sanitise::sanitise;
pub use terminal::TerminalOptions;
#[cfg(test)]
pub(crate) use tests::sample;

/// One way to show what was concluded.
trait Renderer {
    /// Writes all of it.
    fn render(&self, conclusions: &Conclusions, out: &mut dyn Write) -> io::Result<()>;
}

/// Writes the report that people read.
///
/// # Errors
/// Those of `out`.
pub fn write_terminal(
    conclusions: &Conclusions,
    options: &TerminalOptions,
    out: &mut dyn Write,
) -> io::Result<()> {
    terminal::Terminal(options).render(conclusions, out)
}
