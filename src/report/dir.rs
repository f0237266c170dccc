//! The directory of the output contract: three files, all or none.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Renderer;
use super::findings_jsonl::FindingsJsonl;
use super::rules_jsonl::RulesJsonl;
use super::summary_json::SummaryJson;
use crate::finding::Conclusions;

/// What [`write_dir`] writes.
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
    if dir.exists() && !dir.is_dir() {
        return Err(ReportError::NotADirectory { path: dir.to_owned() });
    }
    fs::create_dir_all(dir).map_err(|source| ReportError::Create { path: dir.to_owned(), source })?;
    if let Some(path) = FILES.iter().map(|name| dir.join(name)).find(|path| path.is_dir()) {
        return Err(ReportError::InTheWay { path });
    }
    let probe = temporary(dir, "probe");
    File::create(&probe)
        .and_then(|_| fs::remove_file(&probe))
        .map_err(|source| ReportError::Write { path: probe, source })
}

/// Writes `findings.jsonl`, `rules.jsonl` and `summary.json`.
///
/// All of them are written under other names first, and renamed when all are complete: whoever reads
/// the directory sees whole files, and a full disk leaves those of the last run as they were.
///
/// # Errors
/// When a file can't be written. The error names it; what was written of it is removed.
pub fn write_dir(dir: &Path, conclusions: &Conclusions) -> Result<(), ReportError> {
    prepare_dir(dir)?;
    let [findings, rules, summary] = FILES;
    let renderers: [(&str, &dyn Renderer); 3] =
        [(findings, &FindingsJsonl), (rules, &RulesJsonl), (summary, &SummaryJson)];
    let result = write_all(dir, conclusions, &renderers);
    if result.is_err() {
        for (name, _) in renderers {
            // Best effort: the error to report is the one that stopped the writing.
            _ = fs::remove_file(temporary(dir, name));
        }
    }
    result
}

fn write_all(
    dir: &Path,
    conclusions: &Conclusions,
    renderers: &[(&str, &dyn Renderer)],
) -> Result<(), ReportError> {
    for (name, renderer) in renderers {
        write_file(&temporary(dir, name), *renderer, conclusions)
            .map_err(|source| ReportError::Write { path: dir.join(name), source })?;
    }
    for (name, _) in renderers {
        let path = dir.join(name);
        fs::rename(temporary(dir, name), &path).map_err(|source| ReportError::Write { path, source })?;
    }
    Ok(())
}

pub(super) fn write_file(path: &Path, renderer: &dyn Renderer, conclusions: &Conclusions) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    renderer.render(conclusions, &mut out)?;
    out.flush()?;
    // Or a crash after the rename could leave an empty file under the final name.
    out.get_ref().sync_all()
}

/// Beside the final name, because a rename is atomic within a file system only; hidden, and of this
/// process, so that two runs do not write into each other's files.
pub(super) fn temporary(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!(".{name}.{}.tmp", std::process::id()))
}
