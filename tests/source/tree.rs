//! A directory to look for logs in.

use std::fs;
use std::path::PathBuf;

use flowgate::source::{Listing, LocalSource, Selection};

use super::list;

pub struct Tree(tempfile::TempDir);

impl Tree {
    /// Files with these names, each holding its own name.
    pub fn new(files: &[&str]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for file in files {
            tree.write(file, file.as_bytes());
        }
        tree
    }

    pub fn path(&self, name: &str) -> PathBuf {
        // Joining an empty name would append a slash.
        if name.is_empty() { self.0.path().to_owned() } else { self.0.path().join(name) }
    }

    pub fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A symbolic link: `name` points to `target`, as written.
    #[cfg(unix)]
    pub fn link(&self, name: &str, target: &str) {
        std::os::unix::fs::symlink(target, self.path(name)).unwrap();
    }

    pub fn source(&self, inputs: &[&str]) -> LocalSource {
        LocalSource::new(inputs.iter().map(|input| self.path(input)))
    }

    /// Lists these inputs and takes the tree's own path out of every name and message.
    pub fn list(&self, inputs: &[&str], selection: &Selection) -> Seen {
        let listing = list(&self.source(inputs), selection);
        let root = format!("{}/", self.0.path().display());
        let relative = |texts: Vec<String>| texts.iter().map(|text| text.replace(&root, "")).collect();
        Seen {
            names: relative(super::names(&listing).iter().map(ToString::to_string).collect()),
            skipped: relative(super::skipped(&listing)),
            errors: relative(super::errors(&listing)),
            listing,
        }
    }

    pub fn all(&self, inputs: &[&str]) -> Seen {
        self.list(inputs, &Selection::default())
    }
}

/// A listing with relative names.
pub struct Seen {
    pub names: Vec<String>,
    pub skipped: Vec<String>,
    pub errors: Vec<String>,
    pub listing: Listing,
}
