//! `flowgate explain`: the manual of the detectors.

use std::io::{self, Write};

use super::failure::{Failure, Problem, written};
use super::{Exit, suggest};
use crate::detect::Meta;
use crate::report::{Look, Page, Span, Tone, write_manual};

/// Explain a detector, or list them all
///
/// Prints what a detector finds, why it matters, how it decides, when it is wrong, how to tune it and
/// what to do about its findings.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Id of the detector; without it all are listed
    #[arg(value_name = "ID")]
    id: Option<String>,
}

pub(super) fn execute(
    arguments: &Arguments,
    registry: &[&'static Meta],
    look: Look,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    let result = match &arguments.id {
        None => list(registry, look, stdout),
        Some(id) => {
            let detector = registry.iter().find(|d| d.id == id).ok_or_else(|| {
                let help = match suggest::nearest(id, registry.iter().map(|d| d.id)) {
                    Some(near) => format!("did you mean `{near}`? `flowgate explain` lists them all"),
                    None => "`flowgate explain` lists them all".to_owned(),
                };
                Failure::usage(vec![Problem::new(format!("there is no detector `{id}`")).help(help)])
            })?;
            manual(detector, look, stdout)
        }
    };
    written(result).map(|()| Exit::Clean)
}

/// Every detector, a line each.
pub(super) fn list_all(
    registry: &[&'static Meta],
    look: Look,
    stdout: &mut dyn Write,
) -> Result<Exit, Failure> {
    written(list(registry, look, stdout)).map(|()| Exit::Clean)
}

fn list(registry: &[&'static Meta], look: Look, stdout: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(stdout, look);
    let width = registry.iter().map(|d| d.id.len()).max().unwrap_or_default();
    for detector in registry {
        let lead = Span::new(Tone::Strong, format!("{:width$}  ", detector.id));
        page.flow(&[lead], width + 2, &[Span::plain(detector.title)])?;
    }
    page.blank()?;
    page.flow(&[], 0, &[Span::new(Tone::Faint, "`flowgate explain ID` prints the manual of one.")])
}

fn manual(detector: &Meta, look: Look, stdout: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(stdout, look);
    let kind = detector.kind.as_str();
    let kind = if kind == detector.id { String::new() } else { format!(" ({kind})") };
    // No title: the manual begins with it.
    page.line(&[Span::new(Tone::Strong, detector.id), Span::new(Tone::Faint, kind)])?;
    page.blank()?;
    write_manual(detector.manual, look, stdout)
}
