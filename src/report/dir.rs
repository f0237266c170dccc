//! The directory of the output contract and of other formats: all files or none.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::findings_jsonl::FindingsJsonl;
use super::format::{files, is_ours};
use super::rules_jsonl::RulesJsonl;
use super::summary_json::SummaryJson;
use super::{Format, FormatOptions, Renderer};
use crate::finding::Conclusions;

/// What [`write_dir`] always writes: the output contract.
pub const FILES: [&str; 3] = ["findings.jsonl", "rules.jsonl", "summary.json"];

/// Why the output directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Something else has its name.
    #[error("{}: is not a directory; choose another name or move it away", .path.display())]
    NotADirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// A directory has the name of one of our files.
    #[error("{}: is in the way; move it away, or choose another directory", .path.display())]
    InTheWay {
        /// What is there.
        path: PathBuf,
    },
    /// A directory has the name of a file.
    #[error("{}: is a directory; name a file in it", .path.display())]
    IsADirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// It can't be made.
    #[error("{}: can't be created: {source}; create it, or choose another directory", .path.display())]
    Create {
        /// The path as given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file in it can't be written.
    #[error("{}: can't be written: {source}; check the free space and the permissions of its directory", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Makes sure that [`write_dir`] can write there, so that a wrong path fails before hours of analysis.
///
/// # Errors
/// When the directory can't be made or written to.
pub fn prepare_dir(dir: &Path) -> Result<(), ReportError> {
    prepare_files(dir, &FILES)
}

/// The same for files of these names.
///
/// # Errors
/// When the directory can't be made or written to.
pub fn prepare_files(dir: &Path, names: &[&str]) -> Result<(), ReportError> {
    if dir.exists() && !dir.is_dir() {
        return Err(ReportError::NotADirectory { path: dir.to_owned() });
    }
    fs::create_dir_all(dir).map_err(|source| ReportError::Create { path: dir.to_owned(), source })?;
    if let Some(path) = names.iter().map(|name| dir.join(name)).find(|path| path.is_dir()) {
        return Err(ReportError::InTheWay { path });
    }
    let probe = temporary(dir, "probe");
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|source| ReportError::Write { path: probe, source })
}

/// Removes what an earlier run wrote there, in any format, so that nobody takes it for this one's.
///
/// # Errors
/// When a file can't be removed. One that is not there is none.
pub fn clear_dir(dir: &Path) -> Result<(), ReportError> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    for path in names.filter(|name| FILES.contains(&&**name) || is_ours(name)).map(|name| dir.join(name)) {
        fs::remove_file(&path).map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(())
}

/// Writes `findings.jsonl`, `rules.jsonl` and `summary.json`.
///
/// # Errors
/// As those of [`write_formats`].
pub fn write_dir(dir: &Path, conclusions: &Conclusions) -> Result<(), ReportError> {
    write_formats(dir, conclusions, &[], &FormatOptions::default()).map(drop)
}

/// Writes `findings.jsonl`, `rules.jsonl` and `summary.json`, and beside them the files of `formats`. Says the names
/// of all of them.
///
/// All of them are written under other names first, and renamed when all are complete: whoever reads
/// the directory sees whole files, and a full disk leaves those of the last run as they were.
///
/// # Errors
/// When a file can't be written. The error names it; what was written of it is removed.
pub fn write_formats(
    dir: &Path,
    conclusions: &Conclusions,
    formats: &[Format],
    options: &FormatOptions<'_>,
) -> Result<Vec<String>, ReportError> {
    let [findings, rules, summary] = FILES.map(str::to_owned);
    let mut renderers: Vec<(String, Box<dyn Renderer + '_>)> = vec![
        (findings, Box::new(FindingsJsonl)),
        (rules, Box::new(RulesJsonl)),
        (summary, Box::new(SummaryJson)),
    ];
    let formats: BTreeSet<Format> = formats.iter().copied().collect();
    renderers.extend(formats.into_iter().flat_map(|format| files(format, conclusions, options)));
    let writers: Vec<_> = renderers
        .iter()
        .map(|(_, renderer)| move |out: &mut dyn Write| renderer.render(conclusions, out))
        .collect();
    let named: Vec<NamedFile<'_>> = renderers
        .iter()
        .zip(&writers)
        .map(|((name, _), write)| (name.as_str(), write as &dyn Fn(&mut dyn Write) -> io::Result<()>))
        .collect();
    write_files(dir, &named)?;
    Ok(renderers.into_iter().map(|(name, _)| name).collect())
}

/// A file to be: its name, and what writes it.
pub type NamedFile<'a> = (&'a str, &'a dyn Fn(&mut dyn Write) -> io::Result<()>);

/// Writes files into a directory.
///
/// All of them are written under other names first, and renamed when all are complete: whoever reads
/// the directory sees whole files, and a full disk leaves those of the last run as they were.
///
/// # Errors
/// When a file can't be written. The error names it; what was written of it is removed.
pub fn write_files(dir: &Path, files: &[NamedFile<'_>]) -> Result<(), ReportError> {
    prepare_files(dir, &files.iter().map(|(name, _)| *name).collect::<Vec<_>>())?;
    let result = write_all(dir, files);
    if result.is_err() {
        for (name, _) in files {
            // Best effort: the error to report is the one that stopped the writing.
            _ = fs::remove_file(temporary(dir, name));
        }
    }
    result
}

fn write_all(dir: &Path, files: &[NamedFile<'_>]) -> Result<(), ReportError> {
    for (name, write) in files {
        write_file(&temporary(dir, name), write)
            .map_err(|source| ReportError::Write { path: dir.join(name), source })?;
    }
    for (name, _) in files {
        let path = dir.join(name);
        fs::rename(temporary(dir, name), &path).map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(())
}

pub(super) fn write_file(path: &Path, write: &dyn Fn(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    write(&mut out)?;
    out.flush()?;
    // Or a crash after the rename could leave an empty file under the final name.
    out.get_ref().sync_all()
}

/// Beside the final name, because a rename is atomic within a file system only; hidden, and of this
/// process, so that two runs do not write into each other's files.
pub(super) fn temporary(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.{}.tmp", std::process::id()))
}
