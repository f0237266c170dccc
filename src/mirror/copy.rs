//! The directory that holds what was needed of a store.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::{Address, Options};
use crate::hash::fnv1a;
use crate::store::{self, Disk, Manifest, StoreError, StoredFile};

/// What is known of the copy.
const NOTES: &str = "flowgate-copy.json";

/// Held by everybody who uses the copy, and by one alone who removes something.
const IN_USE: &str = "in-use";

impl Notes {
    /// Without any everything is fetched again.
    fn read(directory: &Path) -> Self {
        let text = fs::read(directory.join(NOTES)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// A copy.
#[derive(Debug)]
pub(super) struct Copy {
    pub directory: PathBuf,
    /// Held as long as anything is read.
    pub held: Arc<File>,
    /// Nobody else uses it: see [`share`](Self::share).
    alone: bool,
    notes: Mutex<Notes>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Notes {
    /// For people who wonder what this is a copy of.
    url: String,
    /// Tells this copy from all others.
    id: String,
    /// ETag of the manifest that files were compared with last.
    manifest: String,
    /// Files of the store, with their ETags of then.
    files: BTreeMap<String, String>,
}

impl Copy {
    /// Opens the copy of a store, or begins one.
    pub fn open(options: &Options, address: &Address) -> Result<Self, StoreError> {
        let parent = options.copies.as_ref().ok_or_else(|| StoreError::Elsewhere {
            message: format!(
                "{address}: there is no place for a copy of its files: no home directory is known"
            ),
            help: "name a directory for copies of stores with --store-cache, or set XDG_CACHE_HOME"
                .to_owned(),
        })?;
        let directory = parent.join(folder(options, address));
        let cant = |error: io::Error| StoreError::Elsewhere {
            message: format!("{}: a copy of {address} can't be kept there: {error}", directory.display()),
            help: "name a directory that can be written and has room with --store-cache".to_owned(),
        };
        private(&directory).map_err(cant)?;
        let held = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(directory.join(IN_USE))
            .map_err(cant)?;
        let alone = held.try_lock().is_ok();
        if !alone {
            // Where files can't be locked, nothing is ever removed.
            _ = held.lock_shared();
        }
        let mut notes = Notes::read(&directory);
        if notes.id.is_empty() {
            notes = Notes { url: address.to_string(), id: unique(), ..Notes::default() };
        }
        let copy = Self { directory, held: Arc::new(held), alone, notes: Mutex::new(notes) };
        copy.save()?;
        Ok(copy)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        // Only whole assignments happen under it.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells this copy from all others.
    pub fn id(&self) -> String {
        self.notes().id.clone()
    }

    /// Whether the files were compared with this manifest.
    pub fn knows(&self, manifest: &str) -> bool {
        self.notes().manifest == manifest
    }

    /// The ETag that a file of the store must have.
    pub fn tag(&self, file: &StoredFile) -> Option<String> {
        self.notes().files.get(&file.path).cloned()
    }

    /// Whether a file is to be fetched.
    pub fn lacks(&self, file: &StoredFile) -> bool {
        fs::metadata(self.directory.join(&file.path)).map_or(true, |there| there.len() != file.bytes)
    }

    /// Files of a manifest have these ETags: what is here and had another goes.
    pub fn compare(&self, manifest: &str, files: BTreeMap<String, String>) -> Result<(), StoreError> {
        {
            let mut notes = self.notes();
            let of_others = Notes::read(&self.directory);
            if !manifest.is_empty() && of_others.manifest == manifest {
                // Another run has done so meanwhile, and may have fetched files already.
                *notes = of_others;
                return Ok(());
            }
            for (path, tag) in &files {
                // Not every service puts an ETag into quotes everywhere.
                let bare = |tag: &str| tag.trim_matches('"').to_owned();
                if notes.files.get(path).map(|tag| bare(tag)) != Some(bare(tag)) {
                    self.forget(path)?;
                }
            }
            manifest.clone_into(&mut notes.manifest);
            notes.files = files;
        }
        self.save()
    }

    /// The store has a new manifest, and files that are here already.
    pub fn publish(&self, manifest: &str, files: BTreeMap<String, String>) -> Result<(), StoreError> {
        {
            let mut notes = self.notes();
            manifest.clone_into(&mut notes.manifest);
            notes.files.extend(files);
        }
        self.save()
    }

    fn forget(&self, path: &str) -> Result<(), StoreError> {
        let path = self.directory.join(path);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(&path, &e)),
            _ => Ok(()),
        }
    }

    /// Removes what the manifest does not name, if nobody else uses the copy; others may use it from then on.
    pub fn share(&mut self, manifest: &Manifest) -> Result<(), StoreError> {
        if std::mem::take(&mut self.alone) {
            store::clean(&self.directory, manifest, &Disk::default())?;
            {
                let mut notes = self.notes();
                let named: std::collections::BTreeSet<&str> =
                    manifest.files().map(|file| file.path.as_str()).collect();
                notes.files.retain(|path, _| named.contains(path.as_str()));
            }
            self.save()?;
            // What goes between the two is fetched again.
            _ = self.held.unlock();
            _ = self.held.lock_shared();
        }
        Ok(())
    }

    fn save(&self) -> Result<(), StoreError> {
        let notes = self.notes().clone();
        let path = self.directory.join(NOTES);
        let text = serde_json::to_vec(&notes).unwrap_or_default();
        let written = tempfile::NamedTempFile::new_in(&self.directory).and_then(|mut file| {
            file.write_all(&text)?;
            file.persist(&path).map(|_| ()).map_err(|e| e.error)
        });
        written.map_err(|e| failed(&path, &e))
    }
}

pub(super) fn failed(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Io { path: path.display().to_string(), message: error.to_string() }
}

/// Makes a directory that only this user reads: logs are nobody else's business.
fn private(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

/// The folder of a store among copies: its bucket, for people, and a number that follows from all of its address.
fn folder(options: &Options, address: &Address) -> String {
    let endpoint = options.connect.endpoint_url.as_deref().unwrap_or_default();
    let whole = format!("{endpoint}\n{}\n{}", address.bucket, address.prefix);
    // Two that meet take each other's place, which costs time only: files are known by their ETags.
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let bucket: String = address.bucket.chars().map(plain).take(63).collect();
    format!("{bucket}-{:016x}", fnv1a(whole.as_bytes()))
}

/// Sixteen digits that nobody else has: from the random keys of the standard library's hash maps.
pub(super) fn unique() -> String {
    let mut hasher = std::hash::RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish())
}
