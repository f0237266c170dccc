//! The report as a file: all of it, or what was there before.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::Renderer as _;
use super::dir::{ReportError, temporary, write_file};
use super::html::{self, Html};
use crate::finding::Conclusions;
use crate::investigate::Investigation;
use crate::tighten::Plan;

/// Where a file is made until it is complete: beside its place.
fn draft(path: &Path) -> std::path::PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    temporary(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")), &name)
}

/// Makes sure that [`write_report`] can write there, so that a wrong path fails before hours of analysis.
///
/// # Errors
/// When it is a directory, or nothing can be written beside it.
pub fn prepare_report(path: &Path) -> Result<(), ReportError> {
    if path.is_dir() {
        return Err(ReportError::IsADirectory { path: path.to_owned() });
    }
    let probe = draft(path);
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|source| ReportError::Write { path: path.to_owned(), source })
}

/// Writes the report for browsers: one HTML file that loads nothing. With a plan, the pages of groups show its changes.
///
/// # Errors
/// When the file can't be written. What was there before is left as it was.
pub fn write_report(path: &Path, conclusions: &Conclusions, plan: Option<&Plan>) -> Result<(), ReportError> {
    let page = Html { plan };
    write_whole(path, &|out| page.render(conclusions, out))
}

/// Writes an investigation for browsers: one HTML file that loads nothing, and has no script.
///
/// # Errors
/// As [`write_report`].
pub fn write_investigation(path: &Path, told: &Investigation) -> Result<(), ReportError> {
    write_whole(path, &|out| html::write_investigation(told, out))
}

/// Writes a file: all of it, or none.
///
/// # Errors
/// When it can't be written. What was there before is left as it was.
pub fn write_whole(
    path: &Path,
    content: &dyn Fn(&mut dyn Write) -> io::Result<()>,
) -> Result<(), ReportError> {
    let draft = draft(path);
    let written = write_file(&draft, content).and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| {
        // Best effort: the error to report is the one that stopped the writing.
        _ = fs::remove_file(&draft);
        ReportError::Write { path: path.to_owned(), source }
    })
}
