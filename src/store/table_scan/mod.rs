//! Reads what a question needs of a table, and no more.
//!
//! What is wanted is asked in turn of the day in the name of a folder, of the least and the greatest values of a row group, of
//! bloom filters, and of the page indexes; then the wanted columns of the pages that are left are looked at, and of the
//! others only what fits is decoded. The threads that ask for parts look at the footers together.

mod bloom;
mod input;
mod pages;
mod picked;
mod plan;
mod question;
mod ranges;
mod read;
#[cfg(test)]
mod tests;
mod want;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use self::plan::{Candidate, Group, Planned};
use self::question::Question;
pub use self::want::{Want, Wanted};
use super::manifest::StoredFile;
use super::tables::{DAY_COLUMN, Table};
use super::{Store, StoreError};

/// Hands out what is wanted of a table, part by part, to any number of threads.
#[derive(Debug)]
pub struct TableScan {
    asked: Arc<Asked>,
    files: Vec<Candidate>,
    next_file: AtomicUsize,
    looked_at: Mutex<LookedAt>,
    all_looked_at: Condvar,
    parts: OnceLock<Result<Parts, StoreError>>,
    next: AtomicUsize,
}

/// What is asked for.
#[derive(Debug)]
struct Asked {
    columns: Vec<String>,
    /// Of the batches.
    schema: SchemaRef,
    /// Of the table's files.
    table: SchemaRef,
    questions: Vec<Question>,
}

impl Asked {
    /// The columns that something is wanted of.
    fn wanted(&self) -> impl Iterator<Item = &str> {
        self.questions.iter().map(|question| question.column.as_str())
    }
}

/// Files whose footers were looked at.
#[derive(Debug)]
struct LookedAt {
    files: Vec<Option<Result<Option<Planned>, StoreError>>>,
    left: usize,
}

#[derive(Debug)]
struct Parts {
    groups: Vec<Group>,
    extent: Extent,
}

/// How much of a table a scan touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files of the table.
    pub files: usize,
    /// Files of days that may be wanted.
    pub files_of_days: usize,
    /// Row groups of these files.
    pub row_groups: usize,
    /// Row groups that are read, in whole or in part.
    pub row_groups_read: usize,
    /// Rows of these.
    pub rows: u64,
}

impl TableScan {
    /// Of these columns of a table ([`DAY_COLUMN`] is one of those by day), the rows that are wanted. Files are looked at
    /// when the first part or the extent is asked for.
    ///
    /// # Errors
    /// None yet.
    pub fn new(store: &Store, table: Table, columns: &[&str], wanted: Wanted) -> Result<Self, StoreError> {
        let files: Vec<Candidate> = store
            .table_files(table)
            .map(|file| Candidate { path: Arc::new(store.path(file)), day: file.day })
            .collect();
        let all = with_day(table);
        let fields: Vec<_> =
            columns.iter().filter_map(|name| all.field_with_name(name).ok().cloned()).collect();
        let questions = wanted.all.into_iter().map(|(column, want)| Question::new(column, want));
        let asked = Asked {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            schema: Arc::new(Schema::new(fields)),
            table: table.schema(),
            questions: questions.collect(),
        };
        let looked_at = LookedAt { files: files.iter().map(|_| None).collect(), left: files.len() };
        Ok(Self {
            asked: Arc::new(asked),
            files,
            next_file: AtomicUsize::new(0),
            looked_at: Mutex::new(looked_at),
            all_looked_at: Condvar::new(),
            parts: OnceLock::new(),
            next: AtomicUsize::new(0),
        })
    }

    /// The columns of its batches.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.asked.schema
    }

    /// The next part: its number, and its rows that are wanted; or `None` if there are no more. Parts in the order of their
    /// numbers, which are 0, 1, 2 and so on, are the table, whichever threads read them.
    ///
    /// # Errors
    /// When a file cannot be read; of several whose footers cannot, every thread is told of the first.
    pub fn next(&self) -> Result<Option<(usize, Vec<RecordBatch>)>, StoreError> {
        let parts = self.parts()?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(group) = parts.groups.get(number) else { return Ok(None) };
        let batches = fenced(&group.path, || read::read(group, &self.asked))?;
        Ok(Some((number, batches)))
    }

    /// How much it touches.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn extent(&self) -> Result<Extent, StoreError> {
        self.parts().map(|parts| parts.extent)
    }

    /// Pages of the columns that are asked for, in the row groups that are read, and how many of these are read at most.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn pages(&self) -> Result<(u64, u64), StoreError> {
        self.parts()?.groups.iter().try_fold((0, 0), |(all, read), group| {
            let (of_group, here) = fenced(&group.path, || read::count_pages(group, &self.asked))?;
            Ok((all + of_group, read + here))
        })
    }

    /// Looks at footers until all are looked at, by this thread or by others.
    fn parts(&self) -> Result<&Parts, StoreError> {
        while let Some((at, file)) = self.next_file() {
            let planned = fenced(&file.path, || plan::plan(file, &self.asked));
            let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
            looked_at.files[at] = Some(planned);
            looked_at.left -= 1;
            if looked_at.left == 0 {
                self.all_looked_at.notify_all();
            }
        }
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        while looked_at.left > 0 {
            looked_at = self.all_looked_at.wait(looked_at).unwrap_or_else(PoisonError::into_inner);
        }
        let parts = self.parts.get_or_init(|| put_together(std::mem::take(&mut looked_at.files)));
        parts.as_ref().map_err(Clone::clone)
    }

    fn next_file(&self) -> Option<(usize, &Candidate)> {
        // Not beyond the end again and again.
        if self.parts.get().is_some() {
            return None;
        }
        let at = self.next_file.fetch_add(1, Ordering::Relaxed);
        self.files.get(at).map(|file| (at, file))
    }
}

fn put_together(files: Vec<Option<Result<Option<Planned>, StoreError>>>) -> Result<Parts, StoreError> {
    let mut parts = Parts { groups: Vec::new(), extent: Extent { files: files.len(), ..Extent::default() } };
    for file in files.into_iter().flatten() {
        let Some(planned) = file? else { continue };
        parts.extent.files_of_days += 1;
        parts.extent.row_groups += planned.of;
        parts.groups.extend(planned.groups);
    }
    parts.extent.row_groups_read = parts.groups.len();
    let rows = |group: &Group| u64::try_from(group.metadata.row_group(0).num_rows()).unwrap_or(0);
    parts.extent.rows = parts.groups.iter().map(rows).sum();
    Ok(parts)
}

/// The parquet crate may panic over what is damaged. A panic hook still sees that.
fn fenced<T>(path: &Path, run: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it can not be read");
        Err(StoreError::damaged(path, text))
    })
}

/// The schema of a table with the day.
fn with_day(table: Table) -> Schema {
    let mut fields: Vec<Field> = table.schema().fields().iter().map(|field| (**field).clone()).collect();
    if table.by_day() {
        fields.push(Field::new(DAY_COLUMN, DataType::Date32, true));
    }
    Schema::new(fields)
}

impl Store {
    /// The files of a table.
    pub fn table_files(&self, table: Table) -> impl Iterator<Item = &StoredFile> {
        let manifest = self.manifest();
        let files: &[StoredFile] = match table {
            Table::Connections => &manifest.connections.files,
            other => manifest.tables.get(other.name()).map_or(&[], Vec::as_slice),
        };
        files.iter()
    }
}
