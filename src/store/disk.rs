//! Every step that changes the file system, in one place, so that a test can end the program at any of them.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

/// The file system as the store changes it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    taken: Arc<AtomicU64>,
    /// For tests: the step at which the program dies, as if it was killed.
    abort_at: Option<u64>,
}

impl Disk {
    /// A file system that ends the program at its n-th change, counted from 1. For tests of what a crash leaves.
    #[must_use]
    pub fn that_aborts_at(step: u64) -> Self {
        Self { abort_at: Some(step), ..Self::default() }
    }

    /// True if this is the step to die at.
    fn is_last(&self) -> bool {
        let step = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        self.abort_at == Some(step)
    }

    /// A step that changes something else than the file system, so that a test can end the program there, too.
    pub fn pass(&self) {
        self.step();
    }

    fn step(&self) {
        if self.is_last() {
            std::process::abort();
        }
    }

    pub(super) fn create_directory(&self, path: &Path) -> Result<(), StoreError> {
        if path.is_dir() {
            return Ok(());
        }
        self.step();
        fs::create_dir_all(path).map_err(|e| StoreError::io(path, &e))?;
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => self.sync_directory(Path::new(".")),
            Some(parent) => self.sync_directory(parent),
            None => Ok(()),
        }
    }

    pub(super) fn create(&self, path: &Path) -> Result<Output, StoreError> {
        self.step();
        let file = File::create(path).map_err(|e| StoreError::io(path, &e))?;
        Ok(Output { file, disk: self.clone() })
    }

    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        self.step();
        fs::rename(from, to).map_err(|e| StoreError::io(to, &e))
    }

    /// Makes names in a directory last.
    pub(super) fn sync_directory(&self, path: &Path) -> Result<(), StoreError> {
        self.step();
        // Only POSIX has directories that can be opened and synchronised.
        if cfg!(unix) {
            File::open(path)
                .and_then(|directory| directory.sync_all())
                .map_err(|e| StoreError::io(path, &e))?;
        }
        Ok(())
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, path: &Path) -> Result<(), StoreError> {
        self.step();
        match fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(StoreError::io(path, &e)),
            _ => Ok(()),
        }
    }

    /// Removes a directory, if it is empty.
    pub(super) fn remove_empty(&self, path: &Path) {
        self.step();
        // It is not empty, or gone: either way there is nothing to do.
        _ = fs::remove_dir(path);
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Output {
    file: File,
    disk: Disk,
}

impl Output {
    /// Makes the content last.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.step();
        self.file.sync_all()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.disk.is_last() {
            // What a killed program leaves may end anywhere.
            _ = self.file.write_all(&bytes[..bytes.len() / 2]);
            std::process::abort();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
