//! What belongs to the store: everything else in its directories is garbage.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::kept::KeptFindings;
use super::{DAY, SCHEMA_VERSION, StoreError, Table};

/// Name of the manifest; a directory with it is a store.
pub const MANIFEST: &str = "flowgate-store.json";

const FORMAT: &str = "flowgate.store";

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StoredFile {
    /// Below the store's directory, with `/`.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its rows.
    pub rows: u64,
    /// The day of its rows, as days since 1970, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<u32>,
}

impl StoredFile {
    /// Whether rows of it may start from the first on and before the second, Unix seconds.
    #[must_use]
    pub fn is_within(&self, window: (Option<i64>, Option<i64>)) -> bool {
        let Some(day) = self.day else { return true };
        let (begin, end) = (i64::from(day) * DAY, (i64::from(day) + 1) * DAY);
        window.0.is_none_or(|from| end > from) && window.1.is_none_or(|to| begin < to)
    }
}

/// The judged connections, and what they were judged with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsPart {
    /// The files.
    pub files: Vec<StoredFile>,
    /// Days whose connections are not derived yet: a run ended between the two commits of an ingest.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub stale: BTreeSet<u32>,
    /// The inventory that the latest ones were judged with, as it was named.
    pub inventories: Vec<String>,
}

/// The manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Always `flowgate.store`.
    pub format: String,
    /// Version of the schema.
    pub version: u64,
    /// Version of the program that wrote it.
    pub written_by: String,
    /// Counts commits; files are named after it.
    pub generation: u64,
    /// The last commit that changed what can be concluded from the store.
    #[serde(default)]
    pub changed: u64,
    /// The number of the next object.
    pub next_object: u32,
    /// Records of days before this one (days since 1970) were pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruned_before: Option<u32>,
    /// Objects whose rows and records don't count any more: a newer version took their place.
    pub dead: BTreeSet<u32>,
    /// What was read.
    pub objects: Vec<StoredFile>,
    /// What records say about interfaces.
    pub contexts: Vec<StoredFile>,
    /// The records.
    pub records: Vec<StoredFile>,
    /// The judged connections.
    pub connections: ConnectionsPart,
    /// The other tables that questions are asked of, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Vec<StoredFile>>,
    /// What the table of findings rests on, if any were ever kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<KeptFindings>,
}

impl Manifest {
    /// Of an empty store.
    pub(crate) fn new() -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: SCHEMA_VERSION,
            written_by: env!("CARGO_PKG_VERSION").to_owned(),
            generation: 0,
            changed: 0,
            next_object: 1,
            pruned_before: None,
            dead: BTreeSet::new(),
            objects: Vec::new(),
            contexts: Vec::new(),
            records: Vec::new(),
            connections: ConnectionsPart::default(),
            tables: BTreeMap::new(),
            findings: None,
        }
    }

    /// Keeps what is derived by day only where it is to be kept.
    pub(super) fn retain_of_days(&mut self, keeps: impl Fn(&StoredFile) -> bool) {
        self.connections.files.retain(&keeps);
        self.tables.values_mut().for_each(|files| files.retain(&keeps));
        self.tables.retain(|_, files| !files.is_empty());
    }

    /// Adds a file of a table other than `connections`.
    pub(super) fn add(&mut self, table: Table, file: StoredFile) {
        let files = self.tables.entry(table.name().to_owned()).or_default();
        files.push(file);
        files.sort();
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &StoredFile> {
        let others = self.tables.values().flatten();
        self.objects
            .iter()
            .chain(&self.contexts)
            .chain(&self.records)
            .chain(&self.connections.files)
            .chain(others)
    }

    /// Reads it and checks that every file is there and as long as it was.
    pub(super) fn read(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(MANIFEST);
        let shown = directory.display().to_string();
        let text = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => StoreError::Missing { directory: shown.clone() },
            _ => StoreError::io(&path, &e),
        })?;
        let manifest = Self::parse(&text, &path.display().to_string(), &shown)?;
        for file in manifest.files() {
            let place = directory.join(&file.path);
            match std::fs::metadata(&place) {
                Ok(there) if there.len() == file.bytes => {}
                Ok(there) => {
                    let message = format!("it has {} bytes in place of {}", there.len(), file.bytes);
                    return Err(StoreError::damaged(&place, message));
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    return Err(StoreError::damaged(&place, "the file is missing"));
                }
                Err(e) => return Err(StoreError::io(&place, &e)),
            }
        }
        Ok(manifest)
    }

    /// Understands the text of a manifest that lies at `path` in the store `directory`, both for messages.
    ///
    /// # Errors
    /// When it is no manifest, one of a newer schema, or leads out of the store.
    pub fn parse(text: &[u8], path: &str, directory: &str) -> Result<Self, StoreError> {
        /// Read first: a newer schema may look quite different.
        #[derive(Deserialize)]
        struct Version {
            format: String,
            version: u64,
        }
        let damaged = |message: String| StoreError::Damaged { path: path.to_owned(), message };
        let Version { format, version } = serde_json::from_slice(text).map_err(|e| damaged(e.to_string()))?;
        if format != FORMAT {
            return Err(damaged(format!("it is of the format `{format}`")));
        }
        if version > SCHEMA_VERSION {
            let directory = directory.to_owned();
            return Err(StoreError::Newer { directory, version, known: SCHEMA_VERSION });
        }
        let manifest: Self = serde_json::from_slice(text).map_err(|e| damaged(e.to_string()))?;
        for file in manifest.files() {
            // Only names that we make: a manifest must not lead anywhere else.
            let parts: Vec<&str> = file.path.split('/').collect();
            let plain = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
            if !parts.iter().all(plain) || !super::FOLDERS.contains(&parts[0]) {
                return Err(damaged(format!("it names `{}`", file.path)));
            }
        }
        Ok(manifest)
    }

    /// What is written down.
    ///
    /// # Errors
    /// When it can't be: never of a manifest that was read.
    pub fn text(&self) -> Result<Vec<u8>, StoreError> {
        let failed = |e: serde_json::Error| StoreError::damaged(Path::new(MANIFEST), e.to_string());
        let mut text = serde_json::to_vec_pretty(self).map_err(failed)?;
        text.push(b'\n');
        Ok(text)
    }

    /// Puts it in the place of the one that is there: from then on the new files are the store, and the others garbage.
    pub(super) fn write(&self, directory: &Path, disk: &Disk) -> Result<(), StoreError> {
        let (path, new) = (directory.join(MANIFEST), directory.join(format!("{MANIFEST}.tmp")));
        let text = self.text()?;
        let mut file = disk.create(&new)?;
        file.write_all(&text).and_then(|()| file.sync()).map_err(|e| StoreError::io(&new, &e))?;
        disk.rename(&new, &path)?;
        disk.sync_directory(directory)
    }
}
