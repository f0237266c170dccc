//! Writing the tables of a commit's days, on whichever threads there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::super::columns::{GROUP, Rows, only_path};
use super::super::encode::{GroupFile, MadeGroup};
use super::super::files::properties;
use super::super::manifest::StoredFile;
use super::super::{StoreError, Table};
use super::reject_groups::RejectGroups;
use super::rejects::{RejectRow, RejectRows};
use super::{CoverageSums, DaySums, DayTables, usage};

/// What is to be done to write the tables of some days. Any thread can do any of it; several can help with a large file.
pub struct DayJobs<'a> {
    tables: &'a DayTables<'a>,
    sums: &'a [DaySums<'a>],
    coverage: &'a CoverageSums,
    days: &'a BTreeSet<u32>,
    jobs: Vec<Job<'a>>,
    files: Mutex<Vec<(Table, StoredFile)>>,
}

enum Job<'a> {
    /// A day; a thread has begun.
    Usage(u32, AtomicBool),
    Rejects(Box<RejectFile<'a>>),
    /// All days; a thread has begun.
    Coverage(AtomicBool),
}

impl<'a> DayJobs<'a> {
    pub(super) fn new(
        tables: &'a DayTables<'a>,
        sums: &'a [DaySums<'a>],
        coverage: &'a CoverageSums,
        days: &'a BTreeSet<u32>,
    ) -> Self {
        let (mut used, mut rejected) = (BTreeSet::new(), BTreeSet::new());
        for sums in sums {
            sums.usage.days(&mut used);
            sums.rejects.days(&mut rejected);
        }
        let not_begun = || AtomicBool::new(false);
        // What takes longest comes first.
        let mut jobs: Vec<Job<'_>> =
            rejected.intersection(days).map(|day| Job::Rejects(Box::new(RejectFile::new(*day)))).collect();
        jobs.extend(used.intersection(days).map(|day| Job::Usage(*day, not_begun())));
        jobs.push(Job::Coverage(not_begun()));
        Self { tables, sums, coverage, days, jobs, files: Mutex::default() }
    }

    /// How many there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Does one, or helps whoever does it already. When it was called once for each, and every call has returned, all is done.
    ///
    /// # Errors
    /// When it cannot be written, or what was summed up not be read back.
    pub fn work(&self, at: usize) -> Result<(), StoreError> {
        let DayTables { writer, sheet } = self.tables;
        match self.jobs.get(at) {
            Some(Job::Rejects(file)) => {
                let file = file.work(self.tables, self.sums)?;
                self.files().extend(file.map(|file| (Table::Rejects, file)));
            }
            Some(Job::Usage(day, begun)) if !begun.swap(true, Ordering::Relaxed) => {
                let mut rows = Rows::create(writer, Table::RuleUsage, Some(*day))?;
                let columns = |rows: &[_]| usage::columns(rows, sheet);
                let all = self.sums.iter().map(|sums| &sums.usage);
                usage::each_row(all, *day, sheet, |row| rows.push(row, columns))?;
                let file = rows.finish(columns)?;
                self.files().push((Table::RuleUsage, file));
            }
            Some(Job::Coverage(begun)) if !begun.swap(true, Ordering::Relaxed) => {
                let files = self.coverage.write(writer, self.days)?;
                self.files().extend(files.into_iter().map(|file| (Table::Coverage, file)));
            }
            Some(Job::Usage(..) | Job::Coverage(_)) | None => {}
        }
        Ok(())
    }

    fn files(&self) -> MutexGuard<'_, Vec<(Table, StoredFile)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was written.
    #[must_use]
    pub fn finish(self) -> Vec<(Table, StoredFile)> {
        let mut files = self.files.into_inner().unwrap_or_else(PoisonError::into_inner);
        files.sort();
        files
    }
}

/// Row groups that may wait for one before them.
const AHEAD: usize = 8;

/// The rejects of a day: rows are taken group by group by one thread at a time, made into row groups by all that help, and
/// written in their order.
struct RejectFile<'a> {
    day: u32,
    feed: Mutex<Feed<'a>>,
    filling: Mutex<Filling>,
}

/// Where rows come from.
#[derive(Default)]
struct Feed<'a> {
    begun: bool,
    /// If there are more.
    rows: Option<RejectRows<'a>>,
    /// Groups that were taken.
    groups: usize,
}

/// Where row groups go.
#[derive(Default)]
struct Filling {
    file: Option<GroupFile>,
    /// Groups that were written.
    written: usize,
    /// How many there are, if it is known.
    groups: Option<usize>,
    /// Made before those before them.
    ready: BTreeMap<usize, MadeGroup>,
}

impl<'a> RejectFile<'a> {
    fn new(day: u32) -> Self {
        Self { day, feed: Mutex::default(), filling: Mutex::default() }
    }

    /// Makes row groups until there are no more. Returns the file if this was the last to be added.
    fn work(
        &self,
        tables: &'a DayTables<'a>,
        sums: &'a [DaySums<'a>],
    ) -> Result<Option<StoredFile>, StoreError> {
        let mut groups: Option<RejectGroups<'_>> = None;
        let mut done = None;
        while let Some((number, rows)) = self.take(tables, sums)? {
            let groups = match &mut groups {
                Some(groups) => groups,
                none => none.insert(RejectGroups::new(&tables.sheet)?),
            };
            let group = groups.make(&rows)?;
            let mut filling = self.filling();
            filling.ready.insert(number, group);
            done = self.write(&mut filling, tables)?;
            // Whoever has the next one goes on when that is written.
            if filling.ready.len() > AHEAD {
                break;
            }
        }
        Ok(done)
    }

    fn filling(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next rows, and the number of their group.
    fn take(
        &self,
        tables: &'a DayTables<'a>,
        sums: &'a [DaySums<'a>],
    ) -> Result<Option<(usize, Vec<RejectRow>)>, StoreError> {
        let mut feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = match feed.rows.take() {
            Some(rows) => Some(rows),
            None if feed.begun => None,
            None => {
                feed.begun = true;
                let all = sums.iter().map(|sums| &sums.rejects);
                Some(RejectRows::new(all, self.day, &tables.sheet)?)
            }
        };
        let Some(mut from) = taken else { return Ok(None) };
        let rows = from.take(GROUP)?;
        let number = feed.groups;
        feed.groups += 1;
        if from.is_empty() {
            self.filling().groups = Some(feed.groups);
        } else {
            feed.rows = Some(from);
        }
        Ok(Some((number, rows)))
    }

    /// Writes what can be. Returns the file if that was all.
    fn write(&self, filling: &mut Filling, tables: &DayTables<'_>) -> Result<Option<StoredFile>, StoreError> {
        let Filling { file, written, groups, ready } = filling;
        while let Some(group) = ready.remove(written) {
            let to = match &mut *file {
                Some(file) => file,
                none => none.insert(self.create(tables)?),
            };
            to.append(group)?;
            *written += 1;
        }
        let is_all = *groups == Some(*written);
        file.take_if(|_| is_all).map(GroupFile::finish).transpose()
    }

    fn create(&self, tables: &DayTables<'_>) -> Result<GroupFile, StoreError> {
        let (writer, table, day) = (tables.writer, Table::Rejects, Some(self.day));
        let path = only_path(writer, table, day);
        let properties = properties(table.name()).build();
        GroupFile::create(writer.place(), path, day, &table.schema(), properties, false)
    }
}
