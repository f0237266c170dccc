//! What can be wrong with a store.

use std::io;
use std::path::Path;

/// Why a store can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory holds something, and it is no store.
    #[error("{directory}: is no store, and not empty: it holds {found}")]
    Foreign {
        /// The directory.
        directory: String,
        /// Something that lies in it.
        found: String,
    },
    /// There is no store.
    #[error("{directory}: there is no store")]
    Missing {
        /// The directory.
        directory: String,
    },
    /// A later version of the program wrote it.
    #[error("{directory}: the store has schema version {version}; this program knows versions up to {known}")]
    Newer {
        /// The directory.
        directory: String,
        /// Its version.
        version: u64,
        /// The latest that this program knows.
        known: u64,
    },
    /// A file of the store is not what was written.
    #[error("{path}: the store is damaged: {message}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// Somebody else is writing.
    #[error("{directory}: another run writes to this store{holder}")]
    Busy {
        /// The directory.
        directory: String,
        /// Who, as far as it is known: ` (process 12 on host)`.
        holder: String,
    },
    /// The store is not on this machine, and what it takes to get at it failed.
    #[error("{message}")]
    Elsewhere {
        /// What failed, with the name of the place.
        message: String,
        /// What to do next.
        help: String,
    },
    /// The operating system refused.
    #[error("{path}: {message}")]
    Io {
        /// File or directory.
        path: String,
        /// What it said.
        message: String,
    },
}

impl StoreError {
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        Self::Io { path: path.display().to_string(), message: error.to_string() }
    }

    pub(super) fn damaged(path: &Path, message: impl Into<String>) -> Self {
        Self::Damaged { path: path.display().to_string(), message: message.into() }
    }

    /// The store can't be used as it is, whatever is asked of it.
    #[must_use]
    pub fn is_of_the_user(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Missing { .. } | Self::Newer { .. })
    }

    /// What to do next.
    #[must_use]
    pub fn help(&self) -> String {
        match self {
            Self::Foreign { .. } => "name an empty or a new directory".to_owned(),
            Self::Missing { .. } => "make one with `flowgate ingest SOURCE --store …`".to_owned(),
            Self::Newer { .. } => "use the version of flowgate that wrote it, or a later one".to_owned(),
            Self::Damaged { .. } => {
                "restore the file from a copy, or ingest the logs into a new store: nothing is concluded from a part"
                    .to_owned()
            }
            Self::Busy { .. } => "wait until it is done, or stop it; nothing was changed".to_owned(),
            Self::Elsewhere { help, .. } => help.clone(),
            Self::Io { .. } => "check that the directory can be written and has room".to_owned(),
        }
    }
}
