//! A store that is there: what reading and writing begin with.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::contexts::{self, Contexts};
use super::disk::Disk;
use super::files::Place;
use super::known::Known;
use super::lock::{LOCK, Lock};
use super::manifest::{MANIFEST, Manifest, StoredFile};
use super::objects::{self, ObjectRow};
use super::records::{RecordWriter, Scan};
use super::{FOLDERS, StoreError, Table};

/// A store as it was when it was opened.
#[derive(Debug)]
pub struct Store {
    pub(super) place: Place,
    pub(super) manifest: Manifest,
}

impl Store {
    /// Whether a directory claims to be a store.
    #[must_use]
    pub fn is_at(directory: &Path) -> bool {
        directory.join(MANIFEST).is_file()
    }

    /// Opens a store to read from it.
    ///
    /// # Errors
    /// When there is none, or it is damaged or newer than this program.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let manifest = Manifest::read(directory)?;
        Ok(Self::in_place(directory, Disk::default(), None, manifest))
    }

    /// A store of which the directory is a copy, not of all files: whoever reads has made sure that those are there that
    /// are read. `held` tells others that the copy is in use.
    #[must_use]
    pub fn of_copy(directory: &Path, held: Option<Arc<File>>, manifest: Manifest) -> Self {
        Self::in_place(directory, Disk::default(), held, manifest)
    }

    fn in_place(directory: &Path, disk: Disk, held: Option<Arc<File>>, manifest: Manifest) -> Self {
        Self { place: Place { directory: directory.to_owned(), disk, held }, manifest }
    }

    /// What belongs to it.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Where a file of it lies.
    #[must_use]
    pub fn path(&self, file: &StoredFile) -> PathBuf {
        self.place.path(file)
    }

    /// Hands on every object that counts, in the order of their numbers within a commit.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn each_object(&self, mut take: impl FnMut(ObjectRow)) -> Result<(), StoreError> {
        for file in &self.manifest.objects {
            objects::each(&self.place, file, |row| {
                if !self.manifest.dead.contains(&row.id) {
                    take(row);
                }
            })?;
        }
        Ok(())
    }

    /// What records say about interfaces.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn contexts(&self) -> Result<Contexts, StoreError> {
        let mut all = Contexts::default();
        for file in &self.manifest.contexts {
            contexts::add(&self.place, file, &mut all)?;
        }
        Ok(all)
    }

    /// The records that start from the first on and before the second, Unix seconds; row groups that hold some of these are
    /// handed out whole.
    #[must_use]
    pub fn scan(&self, window: (Option<i64>, Option<i64>)) -> Scan {
        let mut files: Vec<StoredFile> = self.records_in(window).cloned().collect();
        files.sort_by(|a, b| (a.day, &a.path).cmp(&(b.day, &b.path)));
        Scan::new(&self.place, files, window)
    }

    /// The files with records of days that touch a window, Unix seconds.
    pub fn records_in(&self, window: (Option<i64>, Option<i64>)) -> impl Iterator<Item = &StoredFile> {
        self.manifest.records.iter().filter(move |file| file.is_within(window))
    }
}

/// A store that is ours to change.
#[derive(Debug)]
pub struct StoreWriter {
    store: Store,
    original: Option<Original>,
    _lock: Lock,
}

/// Puts new files and the manifest that names them where the store really lies. They are a part of it when this returns, and
/// not before.
pub type Publish = Box<dyn FnMut(&Manifest, &[StoredFile]) -> Result<(), StoreError> + Send + Sync>;

/// Where the directory is only a copy: the store itself.
pub struct Original {
    /// Follows the generation in the names of new files, so that two runs never choose the same.
    pub tag: String,
    /// Called with every commit.
    pub publish: Publish,
}

impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Original").field("tag", &self.tag).finish_non_exhaustive()
    }
}

/// What a commit of records adds.
#[derive(Debug, Default)]
pub struct NewRecords {
    /// What was read.
    pub objects: Vec<ObjectRow>,
    /// Numbers of objects whose place these take.
    pub replaced: Vec<u32>,
    /// What the records say about interfaces.
    pub contexts: Contexts,
    /// Files of records.
    pub files: Vec<StoredFile>,
}

/// What is derived from the records of some days.
#[derive(Debug, Default)]
pub struct DayFiles {
    /// Files of connections.
    pub connections: Vec<StoredFile>,
    /// Files of the other tables by day.
    pub tables: Vec<(Table, StoredFile)>,
}

impl StoreWriter {
    /// Opens a store to write to it, or makes one in an empty or a new directory. What an interrupted run has left is removed.
    ///
    /// # Errors
    /// When somebody else writes to it, when it is damaged or newer than this program, when the directory holds something
    /// else, or when it cannot be written.
    pub fn open(directory: &Path, disk: Disk) -> Result<Self, StoreError> {
        if !Store::is_at(directory) {
            refuse_foreign(directory)?;
            disk.create_directory(directory)?;
        }
        Self::open_there(directory, disk, true)
    }

    /// As [`open`](Self::open), but there must be a store.
    ///
    /// # Errors
    /// As [`open`](Self::open), and when there is none.
    pub fn open_existing(directory: &Path, disk: Disk) -> Result<Self, StoreError> {
        if !Store::is_at(directory) {
            return Err(StoreError::Missing { directory: directory.display().to_string() });
        }
        Self::open_there(directory, disk, false)
    }

    fn open_there(directory: &Path, disk: Disk, make: bool) -> Result<Self, StoreError> {
        let lock = Lock::take(directory)?;
        let manifest = match Manifest::read(directory) {
            Err(StoreError::Missing { .. }) if make => Manifest::new(),
            other => other?,
        };
        let store = Store::in_place(directory, disk, None, manifest);
        let writer = Self { store, original: None, _lock: lock };
        writer.clean()?;
        Ok(writer)
    }

    /// Writes to a store of which the directory is a copy, as [`Store::of_copy`]. Only one run at a time has the lock.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn of_copy(
        lock: Lock,
        directory: &Path,
        disk: Disk,
        held: Option<Arc<File>>,
        manifest: Manifest,
        original: Original,
    ) -> Result<Self, StoreError> {
        for folder in FOLDERS {
            sweep(&directory.join(folder), &|path| is_temporary(path), &disk)?;
        }
        let store = Store::in_place(directory, disk, held, manifest);
        Ok(Self { store, original: Some(original), _lock: lock })
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The objects it holds.
    ///
    /// # Errors
    /// When the table is damaged.
    pub fn known(&self) -> Result<Known, StoreError> {
        let mut known = Known::default();
        self.store.each_object(|row| known.note(&row))?;
        Ok(known)
    }

    /// Beginning of the names of the next commit's files.
    pub(super) fn prefix(&self) -> String {
        let tag = self.original.as_ref().map_or("", |original| &original.tag);
        format!("{:08}{tag}", self.store.manifest.generation + 1)
    }

    /// Writes the records that one thread reads.
    #[must_use]
    pub fn record_writer(&self, thread: usize) -> RecordWriter {
        RecordWriter::new(&self.store.place, format!("{}-{thread:03}", self.prefix()))
    }

    /// Where a file of connections of a day goes; `number` is unique within the commit.
    pub(super) fn place(&self) -> &Place {
        &self.store.place
    }

    pub(super) fn connections_path(&self, day: &str, number: usize) -> String {
        format!("connections/dt={day}/{}-{number:05}.parquet", self.prefix())
    }

    /// Makes new records a part of the store. `stale` are the days whose connections are to be derived anew.
    ///
    /// # Errors
    /// When something cannot be written: the store is as it was.
    pub fn commit_records(&mut self, new: NewRecords, stale: BTreeSet<u32>) -> Result<(), StoreError> {
        let NewRecords { objects, replaced, contexts, files } = new;
        let (place, prefix) = (self.store.place.clone(), self.prefix());
        let mut manifest = self.store.manifest.clone();
        let mut added = files.clone();
        let last = objects.iter().map(|object| object.id + 1).max().unwrap_or(0);
        if !objects.is_empty() {
            let file = objects::write(&place, &format!("objects/{prefix}.parquet"), objects)?;
            added.push(file.clone());
            manifest.objects.push(file);
        }
        if !contexts.is_empty() {
            let file = contexts::write(&place, &format!("contexts/{prefix}.parquet"), &contexts)?;
            added.push(file.clone());
            manifest.contexts.push(file);
        }
        manifest.records.extend(files);
        manifest.records.sort();
        manifest.dead.extend(replaced);
        manifest.next_object = manifest.next_object.max(last);
        manifest.connections.stale.extend(stale);
        self.commit_changes(manifest, &added)
    }

    /// Puts what was derived in the place of what there is of these days.
    ///
    /// # Errors
    /// When something cannot be written: the store is as it was.
    pub fn commit_connections(
        &mut self,
        days: &BTreeSet<u32>,
        files: DayFiles,
        inventories: Vec<String>,
    ) -> Result<(), StoreError> {
        let mut manifest = self.store.manifest.clone();
        let is_other = |file: &StoredFile| file.day.is_none_or(|day| !days.contains(&day));
        let DayFiles { connections: mut added, tables } = files;
        manifest.retain_of_days(is_other);
        let connections = &mut manifest.connections;
        connections.files.extend(added.iter().cloned());
        connections.files.sort();
        connections.stale.retain(|day| !days.contains(day));
        connections.inventories = inventories;
        for (table, file) in tables {
            added.push(file.clone());
            manifest.add(table, file);
        }
        self.commit_changes(manifest, &added)
    }

    /// Puts files in the place of whole tables. Those that hold what is there already change nothing.
    pub(super) fn replace_tables(
        &mut self,
        files: Vec<(Table, Option<StoredFile>)>,
    ) -> Result<(), StoreError> {
        let place = self.store.place.clone();
        let mut manifest = self.store.manifest.clone();
        let mut added = Vec::new();
        for (table, file) in files {
            let there = manifest.tables.get(table.name()).map_or(&[][..], Vec::as_slice);
            match (there, file) {
                ([there], Some(file)) if place.holds(&file, there)? => place.forget(&file)?,
                (_, file) => {
                    manifest.tables.remove(table.name());
                    added.extend(file.clone());
                    file.into_iter().for_each(|file| manifest.add(table, file));
                }
            }
        }
        match manifest == self.store.manifest {
            true => Ok(()),
            false => self.commit_changes(manifest, &added),
        }
    }

    /// Lets go of everything of days before this one (days since 1970). Returns what went: files and bytes.
    ///
    /// # Errors
    /// When something cannot be written: the store is as it was.
    pub fn prune(&mut self, before: u32) -> Result<(u64, u64), StoreError> {
        let mut manifest = self.store.manifest.clone();
        let keeps = |file: &StoredFile| file.day.is_none_or(|day| day >= before);
        let (mut files, mut bytes) = (0, 0);
        for file in self.store.manifest.files().filter(|file| !keeps(file)) {
            files += 1;
            bytes += file.bytes;
        }
        manifest.records.retain(keeps);
        manifest.retain_of_days(keeps);
        manifest.connections.stale.retain(|day| *day >= before);
        manifest.pruned_before = manifest.pruned_before.max(Some(before));
        if manifest != self.store.manifest {
            self.commit_changes(manifest, &[])?;
        }
        Ok((files, bytes))
    }

    /// Commits what may change conclusions.
    fn commit_changes(&mut self, mut manifest: Manifest, added: &[StoredFile]) -> Result<(), StoreError> {
        manifest.changed = manifest.generation + 1;
        self.commit(manifest, added)
    }

    /// New files get their names, then the manifest is exchanged; what it does not name any more is removed.
    pub(super) fn commit(&mut self, mut manifest: Manifest, added: &[StoredFile]) -> Result<(), StoreError> {
        let place = &self.store.place;
        place.rename(added.iter())?;
        manifest.generation += 1;
        manifest.written_by = env!("CARGO_PKG_VERSION").to_owned();
        match &mut self.original {
            // Others may still read what the copy holds of before.
            Some(original) => {
                (original.publish)(&manifest, added)?;
                self.store.manifest = manifest;
                Ok(())
            }
            None => {
                manifest.write(&place.directory, &place.disk)?;
                self.store.manifest = manifest;
                self.clean()
            }
        }
    }

    /// Removes what is not a part of the store from the folders that are its own.
    fn clean(&self) -> Result<(), StoreError> {
        let Store { place, manifest } = &self.store;
        let new_manifest = place.directory.join(format!("{MANIFEST}.tmp"));
        if new_manifest.exists() {
            place.disk.remove(&new_manifest)?;
        }
        clean(&place.directory, manifest, &place.disk)
    }
}

/// Removes what a manifest does not name from the folders of a store, or of a copy that nobody else uses.
///
/// # Errors
/// When something can't be removed.
pub fn clean(directory: &Path, manifest: &Manifest, disk: &Disk) -> Result<(), StoreError> {
    let kept: BTreeSet<PathBuf> = manifest.files().map(|file| directory.join(&file.path)).collect();
    let is_ours = |path: &Path| is_parquet(path) || is_temporary(path) || is_part(path);
    let is_garbage = |path: &Path| !kept.contains(path) && is_ours(path);
    FOLDERS.iter().try_for_each(|folder| sweep(&directory.join(folder), &is_garbage, disk))
}

fn is_parquet(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "parquet")
}

/// Of a file that was being fetched, or still is: a writer leaves it to those who read.
fn is_part(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "part")
}

/// Of a file that was being written.
fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "tmp")
}

/// Removes files of ours that are garbage, and folders that are empty then.
fn sweep(folder: &Path, is_garbage: &dyn Fn(&Path) -> bool, disk: &Disk) -> Result<(), StoreError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io(folder, &e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| StoreError::io(folder, &e))?;
        let is_folder = entry.file_type().map_err(|e| StoreError::io(folder, &e))?.is_dir();
        paths.push((entry.path(), is_folder));
    }
    paths.sort();
    for (path, is_folder) in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_folder && name.starts_with("dt=") {
            sweep(&path, is_garbage, disk)?;
            if std::fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none()) {
                disk.remove_empty(&path);
            }
        } else if !is_folder && is_garbage(&path) {
            disk.remove(&path)?;
        }
    }
    Ok(())
}

/// A directory without a manifest may be empty, new, or what a run left that was killed before its first commit.
fn refuse_foreign(directory: &Path) -> Result<(), StoreError> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(StoreError::io(directory, &e)),
    };
    let mut names: Vec<String> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| StoreError::io(directory, &e))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let manifest = format!("{MANIFEST}.tmp");
    let has_lock = names.iter().any(|name| name == LOCK);
    let ours = |name: &String| *name == LOCK || *name == manifest || FOLDERS.contains(&name.as_str());
    match names.iter().find(|name| !ours(name) || !has_lock) {
        Some(found) => Err(StoreError::Foreign {
            directory: directory.display().to_string(),
            found: format!("`{found}`"),
        }),
        None => Ok(()),
    }
}
