//! From the user's words to files.

use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::super::name::{Promise, is_hidden, promise};
use super::super::{Object, STDIN, SkipReason, Skipped, SourceError};
use super::pattern;

/// Finds what the inputs name. Blocking.
pub(super) fn find(inputs: &[PathBuf]) -> (Vec<Object>, Vec<Skipped>, Vec<SourceError>) {
    let mut walk = Walk::default();
    for input in inputs {
        walk.input(input);
    }
    (walk.found, walk.skipped, walk.errors)
}

#[derive(Default)]
struct Walk {
    found: Vec<Object>,
    skipped: Vec<Skipped>,
    errors: Vec<SourceError>,
    /// Files and directories by their real path, with the name they were reached by first. Keeps loops
    /// of symbolic links finite and overlapping inputs from counting twice.
    seen: BTreeMap<PathBuf, String>,
}

impl Walk {
    fn input(&mut self, path: &Path) {
        let Some(name) = self.name(path) else { return };
        if name == STDIN {
            self.found.push(Object::new(STDIN, None));
            return;
        }
        match fs::symlink_metadata(path) {
            Ok(_) => self.named(path, &name, false),
            // A pattern may be longer than a path can be, so any failure but this one lets it try.
            Err(e) if e.kind() != io::ErrorKind::PermissionDenied && pattern::is_pattern(&name) => {
                self.pattern(&name);
            }
            Err(e) => self.errors.push(SourceError::from_io(&name, e)),
        }
    }

    /// A path the user named, in full or by a pattern.
    fn named(&mut self, path: &Path, name: &str, by_pattern: bool) {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => self.directory(path, name),
            Ok(metadata) if by_pattern && !metadata.is_file() => self.skip(name, SkipReason::NotAFile),
            Ok(_) if by_pattern && promise(name) == Promise::NotALog => self.skip(name, SkipReason::NotALog),
            // A pipe has no real path: `<(…)` of the shell is one.
            Ok(metadata) => {
                let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                self.file(&real, name, &metadata);
            }
            Err(e) => self.unfollowed(path, name, e),
        }
    }

    fn pattern(&mut self, text: &str) {
        let errors = self.errors.len();
        match pattern::expand(text, &mut self.errors) {
            Err(reason) => self.errors.push(SourceError::BadPattern { pattern: text.to_owned(), reason }),
            Ok(paths) if paths.is_empty() && self.errors.len() == errors => {
                self.errors.push(SourceError::NoMatch { pattern: text.to_owned() });
            }
            Ok(paths) => {
                for path in paths {
                    let Some(name) = self.name(&path) else { continue };
                    self.named(&path, &name, true);
                }
            }
        }
    }

    fn directory(&mut self, path: &Path, name: &str) {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(e) => return self.errors.push(SourceError::from_io(name, e)),
        };
        if !self.first_time(&real, name) {
            return;
        }
        let (entries, errors) = sorted_entries(path);
        self.errors.extend(errors.into_iter().map(|e| SourceError::from_io(name, e)));
        for (path, kind) in entries {
            self.entry(&path, kind, &real);
        }
    }

    fn entry(&mut self, path: &Path, kind: FileType, real_parent: &Path) {
        let Some(name) = self.name(path) else { return };
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or(&name);
        if is_hidden(file_name) {
            return self.skip(&name, SkipReason::Hidden);
        }
        if kind.is_dir() {
            return self.directory(path, &name);
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) => return self.unfollowed(path, &name, e),
        };
        if metadata.is_dir() {
            self.directory(path, &name);
        } else if !metadata.is_file() {
            self.skip(&name, SkipReason::NotAFile);
        } else if promise(&name) != Promise::Log {
            self.skip(&name, SkipReason::NotALog);
        } else {
            // Resolving every path costs more than the rest of the walk: the parent is resolved already.
            let real = match kind.is_symlink() {
                true => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
                false => real_parent.join(file_name),
            };
            self.file(&real, &name, &metadata);
        }
    }

    fn file(&mut self, real: &Path, name: &str, metadata: &Metadata) {
        if self.first_time(real, name) {
            self.found.push(Object::new(name, metadata.is_file().then_some(metadata.len())));
        }
    }

    /// Notes that a real path was reached by this name, and says whether that was the first time. The
    /// same name again is no news: a pattern may match both a directory and the files in it.
    fn first_time(&mut self, real: &Path, name: &str) -> bool {
        let Some(first) = self.seen.get(real) else {
            self.seen.insert(real.to_owned(), name.to_owned());
            return true;
        };
        if first != name {
            let reason = SkipReason::SeenBefore { first: first.clone() };
            self.skip(name, reason);
        }
        false
    }

    fn skip(&mut self, name: &str, reason: SkipReason) {
        self.skipped.push(Skipped { name: name.to_owned(), reason });
    }

    /// A path that exists and whose target can't be looked at.
    fn unfollowed(&mut self, path: &Path, name: &str, error: io::Error) {
        self.errors.push(match fs::read_link(path) {
            Ok(target) if error.kind() == io::ErrorKind::NotFound => SourceError::BrokenLink {
                name: name.to_owned(),
                target: target.to_string_lossy().into_owned(),
            },
            _ => SourceError::from_io(name, error),
        });
    }

    /// The path as the user sees it.
    fn name(&mut self, path: &Path) -> Option<String> {
        let name = path.to_str().map(str::to_owned);
        if name.is_none() {
            self.errors.push(SourceError::NotUtf8 { name: path.to_string_lossy().into_owned() });
        }
        name
    }
}

/// The entries of a directory by name, and the failures on the way: some entries may come before one.
pub(super) fn sorted_entries(path: &Path) -> (Vec<(PathBuf, FileType)>, Vec<io::Error>) {
    let mut entries = Vec::new();
    let mut errors = Vec::new();
    match fs::read_dir(path) {
        Ok(reader) => {
            for entry in reader {
                match entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?))) {
                    Ok((name, kind)) => entries.push((path.join(name), kind)),
                    Err(e) => errors.push(e),
                }
            }
        }
        Err(e) => errors.push(e),
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    (entries, errors)
}
