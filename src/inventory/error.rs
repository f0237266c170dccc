//! What can go wrong while reading inventory files.

use std::fmt;
use std::path::PathBuf;

/// Why no inventory could be loaded. Always a usage or configuration error.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// The caller named no path.
    #[error(
        "no inventory path was given: name a file or directory with output of `aws ec2 describe-security-groups` and the like"
    )]
    NoPaths,
    /// Files that could not be used: all of them, in path order.
    #[error("{}", BadFiles(.0))]
    BadFiles(Vec<FileProblem>),
}

/// The list of bad files, one a line.
struct BadFiles<'a>(&'a [FileProblem]);

impl fmt::Display for BadFiles<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => write!(f, "bad inventory file: {one}"),
            many => {
                write!(f, "{} bad inventory files:", many.len())?;
                many.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

/// A file and what is wrong with it: the first problem found in it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .path.display())]
pub struct FileProblem {
    /// The file as it was named or found.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The path can't be read, or its compressed content is damaged.
    #[error("can't be read: {0}; check the path and its permissions")]
    Unreadable(#[from] std::io::Error),
    /// Nothing in it. A redirect whose command failed leaves such a file.
    #[error("is empty; run the command that wrote it again, it probably failed")]
    Empty,
    /// Not JSON. Line and column count from 1, as serde_json reports them.
    #[error(
        "not JSON at line {line} column {column}: {message}; write it again with `--output json`, or move it elsewhere"
    )]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// The parser's words.
        message: String,
    },
    /// A member that matters is missing or has a wrong type.
    #[error("{0}")]
    Field(#[from] FieldError),
    /// Output of get-managed-prefix-list-entries, which does not name its list.
    #[error(
        "holds prefix list entries but does not say of which list; rename it (or its directory) after the list, e.g. pl-0123456789abcdef0.json"
    )]
    UnnamedPrefixList,
    /// Larger than [`super::LoadOptions::max_file_bytes`] (after decompression).
    #[error("is larger than the limit of {limit} bytes; split it, or raise the limit")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// A symbolic link leads back to a directory above.
    #[error("leads back to a directory above it; remove the symbolic link")]
    DirectoryLoop,
}

/// A member of the wrong type, or missing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: expected {expected}, found {found}")]
pub struct FieldError {
    /// Where, e.g. `SecurityGroups[3].IpPermissions[0].FromPort`.
    pub path: String,
    /// What would have been right.
    pub expected: &'static str,
    /// What is there.
    pub found: String,
}
