//! Patterns, for shells that don't expand them and archives too large for a command line.
//!
//! Expanded one path component after the other, so that only directories that can hold a match are
//! read: a directory elsewhere that may not be read is no concern of the pattern.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use super::super::SourceError;
use super::super::name::is_hidden;
use super::walk::sorted_entries;

enum Component {
    Literal(String),
    Wild { matcher: GlobMatcher, dots: bool },
    Below,
}

/// True if the text has a character that makes it a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

/// The paths that match, sorted, each once. Directories that could not be read are added to `errors`.
/// Fails with the reason if the pattern makes no sense.
pub(super) fn expand(text: &str, errors: &mut Vec<SourceError>) -> Result<Vec<PathBuf>, String> {
    let components = parse(text)?;
    let mut level = vec![PathBuf::from(if text.starts_with('/') { "/" } else { "" })];
    let last = components.len().saturating_sub(1);
    for (i, component) in components.iter().enumerate() {
        level = match component {
            Component::Literal(name) => {
                let paths = level.into_iter().map(|directory| directory.join(name));
                paths.filter(|path| fs::symlink_metadata(path).is_ok()).collect()
            }
            // At the end it means everything below, which is what a directory means already.
            Component::Below if i == last => level,
            Component::Below => level.iter().flat_map(|directory| below(directory, errors)).collect(),
            Component::Wild { matcher, dots } => {
                level.iter().flat_map(|directory| matches(directory, matcher, *dots, errors)).collect()
            }
        };
        level.sort();
        level.dedup();
    }
    // A pattern of nothing but `**` means the current directory.
    Ok(level.into_iter().map(|path| if path.as_os_str().is_empty() { ".".into() } else { path }).collect())
}

fn parse(text: &str) -> Result<Vec<Component>, String> {
    let mut components = Vec::new();
    for part in text.split('/').filter(|part| !part.is_empty()) {
        components.push(if part == "**" {
            Component::Below
        } else if is_pattern(part) || part.contains('}') {
            let glob = GlobBuilder::new(part).literal_separator(true).build();
            let matcher = glob.map_err(|e| e.kind().to_string())?.compile_matcher();
            Component::Wild { matcher, dots: part.starts_with('.') }
        } else {
            Component::Literal(part.to_owned())
        });
    }
    Ok(components)
}

/// The entries of a directory that match. Hidden ones only if the pattern asks for them.
fn matches(
    directory: &Path,
    matcher: &GlobMatcher,
    dots: bool,
    errors: &mut Vec<SourceError>,
) -> Vec<PathBuf> {
    let entries = read(directory, errors);
    let fits = |path: &Path| {
        let name = path.file_name().unwrap_or_default();
        matcher.is_match(name) && (dots || !name.to_str().is_some_and(is_hidden))
    };
    entries.into_iter().map(|(path, _)| path).filter(|path| fits(path)).collect()
}

/// The directory and all that are below it, hidden ones and symbolic links aside: those could loop.
fn below(directory: &Path, errors: &mut Vec<SourceError>) -> Vec<PathBuf> {
    let mut all = vec![directory.to_owned()];
    let mut next = 0;
    while next < all.len() {
        let entries = read(&all[next].clone(), errors);
        next += 1;
        for (path, kind) in entries {
            let hidden = path.file_name().and_then(|name| name.to_str()).is_some_and(is_hidden);
            if kind.is_dir() && !hidden {
                all.push(path);
            }
        }
    }
    all
}

/// The entries of a directory. That it is none, or is not there, only means that nothing matches.
fn read(directory: &Path, errors: &mut Vec<SourceError>) -> Vec<(PathBuf, fs::FileType)> {
    let here = directory.as_os_str().is_empty();
    let (mut entries, failures) = sorted_entries(if here { Path::new(".") } else { directory });
    if here {
        for (path, _) in &mut entries {
            *path = path.strip_prefix(".").map_or_else(|_| path.clone(), Path::to_owned);
        }
    }
    let matter = failures
        .into_iter()
        .filter(|e| !matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory));
    errors.extend(matter.map(|e| SourceError::from_io(&directory.to_string_lossy(), e)));
    entries
}
