//! How is it shown?
//!
//! Every output is a `Renderer` of the same [`Conclusions`]: the report people read, the three files
//! of the output contract ([`write_dir`]), which have structs of their own so that an internal rename
//! never reaches a reader, and a [`Format`] for each kind of program or ticket that takes findings.
//! Nothing here prints: renderers write to what they are given.
//!
//! Text that came out of logs, tags and file names is hostile. [`sanitise()`] is applied by the one type
//! that lays out lines, [`Page`], so that no renderer can forget it.

mod asff;
mod clip;
mod csv;
mod dir;
mod file;
mod findings_jsonl;
mod format;
mod html;
mod investigation;
mod json;
mod manual;
mod markdown;
mod numbers;
mod ocsf;
mod page;
mod place;
mod plan_json;
mod plan_terminal;
mod replay_jsonl;
mod replay_terminal;
mod rules_jsonl;
mod sanitise;
mod sarif;
mod summary_json;
mod terminal;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use crate::finding::Conclusions;

pub(crate) use csv::guarded;
pub use dir::{
    FILES, NamedFile, ReportError, clear_dir, prepare_dir, prepare_files, write_dir, write_files,
    write_formats,
};
pub use file::{prepare_report, write_investigation, write_report, write_whole};
pub use format::{Format, FormatOptions, Manual, left_out, write_format};
pub use investigation::{show_investigation, write_investigation_json};
pub(crate) use json::json_line;
pub use manual::write_manual;
pub(crate) use numbers::{count, number, rfc3339};
pub use page::{Look, Page, Span, Tone};
pub use plan_json::write_plan_json;
pub use plan_terminal::show_plan;
pub use replay_jsonl::{replay_is_incomplete, write_replay_jsonl};
pub use replay_terminal::{show_cut_off, show_replay};
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
