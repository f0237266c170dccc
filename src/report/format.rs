//! Formats for other programs and for tickets, by name.

use std::io::{self, Write};

use super::asff::{Asff, Batch, batches};
use super::csv::{FindingsCsv, RulesCsv};
use super::findings_jsonl::FindingsJsonl;
use super::markdown::Markdown;
use super::ocsf::Ocsf;
use super::sarif::Sarif;
use super::{Renderer, place};
use crate::finding::Conclusions;

/// How findings are written for others to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `findings.jsonl` of the output contract.
    Jsonl,
    /// Tables for spreadsheets: findings, and in a directory rules, too (RFC 4180).
    Csv,
    /// Text for tickets and chats.
    Markdown,
    /// OCSF Detection Findings (class 2004), one a line.
    Ocsf,
    /// AWS Security Finding Format: input of Security Hub's `BatchImportFindings`.
    Asff,
    /// SARIF 2.1.0 (OASIS).
    Sarif,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [Self::Jsonl, Self::Csv, Self::Markdown, Self::Ocsf, Self::Asff, Self::Sarif];
}

/// The manual of a detector.
#[derive(Clone, Copy, Debug)]
pub struct Manual<'a> {
    /// Id of the detector.
    pub id: &'a str,
    /// What it finds, in a line.
    pub title: &'a str,
    /// Source of its file; the leading comment is the manual.
    pub source: &'a str,
}

/// What formats need beside the conclusions.
#[derive(Clone, Debug, Default)]
pub struct FormatOptions<'a> {
    /// Manuals of the detectors that ran.
    pub manuals: Vec<Manual<'a>>,
    /// Account of findings that don't say theirs.
    pub account: Option<String>,
    /// Region of findings that don't say theirs.
    pub region: Option<String>,
}

/// Writes one format to a stream. Rules are only written to a directory.
///
/// # Errors
/// Those of `out`.
pub fn write_format(
    format: Format,
    conclusions: &Conclusions,
    options: &FormatOptions<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Jsonl => FindingsJsonl.render(conclusions, out),
        Format::Csv => FindingsCsv.render(conclusions, out),
        Format::Markdown => Markdown.render(conclusions, out),
        Format::Ocsf => Ocsf(options).render(conclusions, out),
        Format::Asff => Asff(options).render(conclusions, out),
        Format::Sarif => Sarif(options).render(conclusions, out),
    }
}

/// Findings that the format has no room for: ASFF needs an account and a region of each.
#[must_use]
pub fn left_out(format: Format, conclusions: &Conclusions, options: &FormatOptions<'_>) -> usize {
    match format {
        Format::Asff => {
            let places = place::Places::new(conclusions, options);
            conclusions.findings.iter().filter(|finding| places.complete(finding).is_none()).count()
        }
        _ => 0,
    }
}

/// Names of [`files`], but for those of ASFF, which follow from account and region.
const NAMES: [&str; 5] =
    ["findings.csv", "rules.csv", "findings.md", "findings.ocsf.jsonl", "findings.sarif"];

/// True for names that [`files`] may give.
pub(super) fn is_ours(name: &str) -> bool {
    let batch = |rest: &str| {
        let parts: Vec<&str> = rest.split('.').collect();
        let [account, region, number] = parts[..] else { return false };
        place::is_account(account) && place::is_region(region) && number.bytes().all(|b| b.is_ascii_digit())
    };
    NAMES.contains(&name)
        || name.strip_prefix("findings.asff.").and_then(|rest| rest.strip_suffix(".json")).is_some_and(batch)
}

/// What a format is in a directory, beside the files of the contract.
pub(super) fn files<'a>(
    format: Format,
    conclusions: &Conclusions,
    options: &'a FormatOptions<'a>,
) -> Vec<(String, Box<dyn Renderer + 'a>)> {
    let [findings_csv, rules_csv, markdown, ocsf, sarif] = NAMES.map(str::to_owned);
    match format {
        // It is a file of the contract.
        Format::Jsonl => Vec::new(),
        Format::Csv => vec![(findings_csv, Box::new(FindingsCsv)), (rules_csv, Box::new(RulesCsv))],
        Format::Markdown => vec![(markdown, Box::new(Markdown))],
        Format::Ocsf => vec![(ocsf, Box::new(Ocsf(options)))],
        Format::Sarif => vec![(sarif, Box::new(Sarif(options)))],
        Format::Asff => batches(conclusions, options)
            .into_iter()
            .map(|batch: Batch| {
                let name =
                    format!("findings.asff.{}.{}.{:03}.json", batch.account, batch.region, batch.number);
                let renderer: Box<dyn Renderer> = Box::new(batch);
                (name, renderer)
            })
            .collect(),
    }
}
