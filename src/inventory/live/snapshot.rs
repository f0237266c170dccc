//! A snapshot on disk: all of it, or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::FetchError;

/// What a file holds.
#[derive(Debug)]
pub(super) enum Content {
    /// A list, as the AWS CLI prints it, one element a line.
    List(&'static str, super::client::Elements),
    /// Anything else.
    Document(serde_json::Value),
}

/// Files by their path below the account's directory.
pub(super) type Files = BTreeMap<PathBuf, Content>;

/// Where a snapshot goes.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub out: &'a Path,
    /// `2026-11-22T12-00-00Z`.
    pub name: &'a str,
    pub account: &'a str,
}

impl Place<'_> {
    /// The directory that appears when everything is there.
    pub fn path(&self) -> PathBuf {
        self.out.join(self.name).join(self.account)
    }

    /// Hidden, so that nobody reads it as a snapshot, not even if we are killed; and below `out`, because a rename
    /// is atomic within a file system only.
    fn temporary(&self) -> PathBuf {
        self.out.join(format!(".{}.{}.{}.tmp", self.name, self.account, std::process::id()))
    }

    /// Writes the files under another name, and renames their directory when all are complete: whoever reads `out`
    /// sees whole snapshots only. Half of one would look like deleted rules.
    pub fn write(&self, files: &Files) -> Result<PathBuf, FetchError> {
        let temporary = self.temporary();
        let result = self.write_all(&temporary, files);
        if result.is_err() {
            // Best effort: the error to report is the one that stopped the writing.
            _ = fs::remove_dir_all(&temporary);
        }
        result
    }

    fn write_all(&self, temporary: &Path, files: &Files) -> Result<PathBuf, FetchError> {
        for (name, content) in files {
            let path = temporary.join(name);
            let directory = path.parent().unwrap_or(temporary);
            fs::create_dir_all(directory).map_err(cannot(directory))?;
            write_file(&path, content).map_err(cannot(&path))?;
        }
        let path = self.path();
        let parent = self.out.join(self.name);
        fs::create_dir_all(&parent).map_err(cannot(&parent))?;
        if path.exists() {
            return Err(FetchError::Exists { path });
        }
        fs::rename(temporary, &path).map_err(cannot(&path))?;
        Ok(path)
    }
}

/// Makes sure that something can be written there, so that a wrong path fails before minutes of fetching.
pub(super) fn prepare(out: &Path, name: &str) -> Result<(), FetchError> {
    fs::create_dir_all(out).map_err(cannot(out))?;
    let probe = out.join(format!(".{name}.{}.probe", std::process::id()));
    File::create(&probe).and_then(|_| fs::remove_file(&probe)).map_err(cannot(&probe))
}

fn cannot(path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    let path = path.to_owned();
    move |source| FetchError::Write { path, source }
}

fn write_file(path: &Path, content: &Content) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    match content {
        Content::List(name, elements) => {
            write!(out, "{{{}: [", serde_json::Value::from(*name))?;
            for (at, element) in elements.values().enumerate() {
                write!(out, "{}\n{element}", if at == 0 { "" } else { "," })?;
            }
            out.write_all(if elements.is_empty() { b"]}\n" } else { b"\n]}\n" })?;
        }
        Content::Document(value) => writeln!(out, "{value:#}")?,
    }
    out.flush()?;
    // Or a crash after the rename could leave an empty file under the final name.
    out.get_ref().sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        let list = [("sg-2", "{}"), ("sg-1", "{\"a\":1}")].map(|(id, text)| (id.to_owned(), text.to_owned()));
        Files::from([
            ("eu-west-1/b.json".into(), Content::List("SecurityGroups", list.into())),
            ("eu-west-1/a.json".into(), Content::List("Vpcs", BTreeMap::new())),
            ("x.json".into(), Content::Document(serde_json::json!({"Error": {"Code": "No"}}))),
        ])
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn everything_appears_at_once_and_is_never_overwritten() {
        let out = tempfile::tempdir().unwrap();
        let place = Place { out: out.path(), name: "2026-03-01T00-00-00Z", account: "123456789012" };
        let path = place.write(&files()).unwrap();
        let text = |name: &str| fs::read_to_string(path.join(name)).unwrap();
        assert_eq!(text("eu-west-1/a.json"), "{\"Vpcs\": []}\n");
        assert_eq!(text("eu-west-1/b.json"), "{\"SecurityGroups\": [\n{\"a\":1},\n{}\n]}\n");
        assert_eq!(names(out.path()), ["2026-03-01T00-00-00Z"]);

        fs::write(path.join("eu-west-1/a.json"), "mine").unwrap();
        let error = place.write(&files()).unwrap_err();
        assert!(matches!(error, FetchError::Exists { path: there } if there == path));
        assert_eq!(text("eu-west-1/a.json"), "mine");
        assert_eq!(names(out.path()), ["2026-03-01T00-00-00Z"], "nothing is left behind");

        let second = Place { account: "210987654321", ..place };
        second.write(&files()).unwrap();
        assert_eq!(names(&out.path().join("2026-03-01T00-00-00Z")), ["123456789012", "210987654321"]);
    }

    #[test]
    fn what_can_t_be_written_is_named_and_leaves_nothing() {
        let out = tempfile::tempdir().unwrap();
        let file = out.path().join("file");
        fs::write(&file, "").unwrap();
        let error = prepare(&file, "2026-03-01T00-00-00Z").unwrap_err();
        assert!(matches!(error, FetchError::Write { path, .. } if path == file));

        // A file in the place of the snapshot's directory.
        fs::write(out.path().join("2026-03-01T00-00-00Z"), "").unwrap();
        let place = Place { out: out.path(), name: "2026-03-01T00-00-00Z", account: "1" };
        assert!(matches!(place.write(&files()), Err(FetchError::Write { .. })));
        assert_eq!(names(out.path()), ["2026-03-01T00-00-00Z", "file"]);
    }
}
