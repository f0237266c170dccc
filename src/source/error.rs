//! What can go wrong between the user's words and the bytes.

use std::io;

use super::{Pruned, Selection};
use crate::aws::{ConnectError, Failure};

/// A failure to find or read an object. Every text names the object and the next step.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The user named nothing to read.
    #[error("no input given; name files, directories or patterns, or `-` for standard input")]
    NoInput,
    /// A path given by the user does not exist.
    #[error("{name}: no such file or directory; check the spelling and the current directory")]
    NotFound {
        /// The path as given.
        name: String,
    },
    /// A pattern given by the user matches nothing.
    #[error("{pattern}: no file matches this pattern; `*` stays within a directory, `**` goes below it")]
    NoMatch {
        /// The pattern as given.
        pattern: String,
    },
    /// A pattern given by the user can't be understood.
    #[error("{pattern}: not a valid pattern ({reason}); correct it, or name the directory instead")]
    BadPattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file or directory may not be read.
    #[error("{name}: permission denied; grant read access to it, or leave it out")]
    Denied {
        /// The path.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// A symbolic link leads nowhere.
    #[error(
        "{name}: the symbolic link points to {target}, which does not exist; restore it or remove the link"
    )]
    BrokenLink {
        /// The path of the link.
        name: String,
        /// Where it points.
        target: String,
    },
    /// A path is not UTF-8, so that it could be neither reported nor found again.
    #[error("{name}: the name is not UTF-8; rename it")]
    NotUtf8 {
        /// The path, with replacement characters.
        name: String,
    },
    /// A file was listed and is gone.
    #[error("{name}: disappeared after it was listed; run again when nothing moves or deletes logs")]
    Vanished {
        /// The path.
        name: String,
    },
    /// Any other failure to read.
    #[error("{name}: can't be read: {source}; check the disk or mount it lies on, then run again")]
    Unreadable {
        /// The path.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An object ended before the size it was listed with.
    #[error("{name}: ended after {got} of {expected} bytes; run again, or fetch a whole copy of it")]
    Short {
        /// The object.
        name: String,
        /// Bytes it was listed with.
        expected: u64,
        /// Bytes that arrived.
        got: u64,
    },
    /// An object is not the one that was listed: it was replaced while it was read.
    #[error("{name}: was replaced while it was read; run again when nothing rewrites logs")]
    Replaced {
        /// The object.
        name: String,
    },
    /// All bytes arrived, and they are not those that were stored.
    #[error(
        "{name}: its {algorithm} checksum is wrong; run again, and if that does not help, deliver it anew"
    )]
    Checksum {
        /// The object.
        name: String,
        /// Which checksum.
        algorithm: &'static str,
    },
    /// An AWS service, or the way to it, said no.
    #[error("{name}: {failure}; {next}")]
    Aws {
        /// The object, bucket or log group.
        name: String,
        /// What was said.
        failure: Box<Failure>,
        /// What to do.
        next: String,
    },
    /// AWS can't even be tried.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A part of a log group, bucket or listing can't be made sense of.
    #[error("{name}: {problem}; {next}")]
    Unusable {
        /// What was read or listed.
        name: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        next: String,
    },
    /// Standard input was asked for a second time.
    #[error("-: standard input can be read only once; save it to a file to read it again")]
    StdinTwice,
    /// An object was asked for that this source does not have.
    #[error("{name}: not an object of this source; fetch only what its listing returned")]
    UnknownObject {
        /// The object.
        name: String,
    },
    /// The runtime was shut down in the middle.
    #[error("{name}: reading was interrupted because the program is shutting down; run again")]
    Interrupted {
        /// The object, or what was being listed.
        name: String,
    },
    /// Everything named exists, and none of it is a flow log.
    #[error(
        "no flow logs in {looked_in}: looked for {looked_for}, passed over {skipped} of other names; \
         name a file itself to read it whatever its name"
    )]
    NothingFound {
        /// The inputs as given.
        looked_in: String,
        /// The names that would have been taken.
        looked_for: &'static str,
        /// Files and directories passed over.
        skipped: usize,
    },
    /// Nothing lies where the selection would be.
    #[error(
        "no flow logs of {selection} in {looked_in}: there is nothing in the folders that AWS would have delivered \
         them to; check the prefix, which ends before `AWSLogs/`, or widen the selection"
    )]
    NothingThere {
        /// The inputs as given.
        looked_in: String,
        /// What was asked for.
        selection: Box<Selection>,
    },
    /// There are flow logs, and the selection leaves none of them.
    #[error("none of the {} flow logs in {looked_in} is of {selection} ({pruned}); widen the selection", .pruned.total())]
    NothingSelected {
        /// The inputs as given.
        looked_in: String,
        /// What was asked for.
        selection: Box<Selection>,
        /// What it left out.
        pruned: Pruned,
    },
}

impl SourceError {
    /// The variant for an error of the file system about `name`.
    pub(super) fn from_io(name: &str, source: io::Error) -> Self {
        let name = name.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => Self::NotFound { name },
            io::ErrorKind::PermissionDenied => Self::Denied { name, source },
            _ => Self::Unreadable { name, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::SourceError;

    #[test]
    fn failures_of_the_file_system_name_the_path_and_the_next_step() {
        // Made up, because tests may run as root, whom nothing is denied.
        let of = |kind: ErrorKind| SourceError::from_io("logs/a.log", io::Error::new(kind, "said so"));
        let denied = of(ErrorKind::PermissionDenied);
        assert!(matches!(denied, SourceError::Denied { .. }));
        assert_eq!(
            denied.to_string(),
            "logs/a.log: permission denied; grant read access to it, or leave it out"
        );
        assert!(matches!(of(ErrorKind::NotFound), SourceError::NotFound { .. }));
        assert_eq!(
            of(ErrorKind::StaleNetworkFileHandle).to_string(),
            "logs/a.log: can't be read: said so; check the disk or mount it lies on, then run again"
        );
    }
}
