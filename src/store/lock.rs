//! One writer at a time.
//!
//! The operating system holds the lock and lets go of it when the process ends, however it ends: what a killed run
//! leaves is a file and no lock. What stands in the file is only for the message.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::StoreError;

/// Name of the file.
pub(super) const LOCK: &str = "lock";

/// The store is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// When somebody else has it, or the directory cannot be written.
    pub fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(LOCK);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|e| StoreError::io(&path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only helps people; that somebody is there is certain.
                _ = file.take(200).read_to_string(&mut holder);
                let holder = holder.lines().next().filter(|line| !line.is_empty());
                return Err(StoreError::Busy {
                    directory: directory.display().to_string(),
                    holder: holder.map(|who| format!(" ({who})")).unwrap_or_default(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, &e)),
        }
        let text = format!("{}\n", holder());
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()));
        written.map_err(|e| StoreError::io(&path, &e))?;
        Ok(Self { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Emptied, so that nobody takes the run that ended for one that goes on.
        _ = self.file.set_len(0);
        _ = self.file.unlock();
    }
}

/// Who we are, for those who must wait: `process 12 on host`, where the system tells.
#[must_use]
pub fn holder() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => format!("process {}", std::process::id()),
        name => format!("process {} on {name}", std::process::id()),
    }
}
