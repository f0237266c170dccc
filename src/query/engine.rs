//! Asks Polars.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use polars::error::set_warning_function;
use polars::prelude::*;
use polars::sql::SQLContext;

use super::answer::Answer;
use super::error::QueryError;
use super::functions::Functions;
use super::plan::Enough;
use super::scan::{Budget, Seen, StoreTable};
use super::{carried, plan, statement, words};
use crate::store::{Extent, Store, Table, TableScan};

/// What a question may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that it may hold.
    pub memory: u64,
    /// Threads that read the store.
    pub threads: usize,
}

/// A store that questions are asked of.
#[derive(Debug)]
pub struct Engine {
    store: Arc<Store>,
    limits: Limits,
    pushdown: bool,
}

/// What would be done for a question.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The plan of Polars.
    pub plan: String,
    /// What is read.
    pub reads: Vec<Read>,
}

/// What is read of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The table.
    pub table: &'static str,
    /// Columns.
    pub columns: Vec<String>,
    /// Conditions that the store looks for itself, by folders, row groups and pages.
    pub conditions: Vec<String>,
    /// Files of the days that are asked for, with their rows and bytes.
    pub files: Vec<FileRead>,
    /// Files of the table.
    pub of_files: usize,
    /// What statistics and filters of row groups leave of these files.
    pub extent: Extent,
    /// Pages of the columns in the row groups that are left, and how many of these their indexes leave.
    pub pages: (u64, u64),
}

/// A file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRead {
    /// Its path below the store's directory.
    pub path: String,
    /// Its rows.
    pub rows: u64,
    /// Its size.
    pub bytes: u64,
}

/// How a plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Answer,
    /// Nothing is read: every table is empty.
    Dry,
}

/// The tables that a question names.
#[must_use]
pub fn tables(sql: &str) -> Vec<Table> {
    let named = statement::names(sql);
    Table::ALL.into_iter().filter(|table| named.iter().any(|name| name == table.name())).collect()
}

impl Engine {
    /// Opens a store to ask.
    ///
    /// # Errors
    /// When there is none, or it is damaged or newer than this program.
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, QueryError> {
        Ok(Self::of(Store::open(directory)?, limits))
    }

    /// Asks a store that is open.
    #[must_use]
    pub fn of(store: Store, limits: Limits) -> Self {
        // Polars would print its remarks to standard error.
        set_warning_function(|_, _| {});
        Self { store: Arc::new(store), limits, pushdown: true }
    }

    /// Reads all rows of every table that is asked, and looks for what is wanted afterwards. For tests: no answer changes.
    #[must_use]
    pub fn without_pushdown(self) -> Self {
        Self { pushdown: false, ..self }
    }

    /// Answers a question.
    ///
    /// # Errors
    /// When it is none, or can't be answered.
    pub fn ask(&self, sql: &str) -> Result<Answer, QueryError> {
        let (frame, seen, enough) = self.run(sql, Run::Answer, true)?;
        // Rows were left out, and fewer came out than there should be: only all of them tell.
        if seen.cut && enough.is_some_and(|enough| frame.height() < enough.of_answer) {
            return Ok(Answer::new(self.run(sql, Run::Answer, false)?.0));
        }
        Ok(Answer::new(frame))
    }

    /// Says what would be done for a question.
    ///
    /// # Errors
    /// As of [`ask`](Self::ask), but for what goes wrong when it is answered.
    pub fn explain(&self, sql: &str) -> Result<Explanation, QueryError> {
        let budget = self.budget(None);
        let plan = self.guarded(sql, &budget, |lazy| lazy.describe_optimized_plan())?;
        let (_, seen, _) = self.run(sql, Run::Dry, false)?;
        let reads = seen.asked.iter().map(|asked| self.read(asked)).collect::<Result<_, _>>()?;
        Ok(Explanation { plan, reads })
    }

    fn read(&self, asked: &super::scan::Asked) -> Result<Read, QueryError> {
        let columns: Vec<&str> = asked.columns.iter().map(String::as_str).collect();
        let scan = TableScan::new(&self.store, asked.table, &columns, asked.wanted.clone())?;
        let day = |file: &&crate::store::StoredFile| asked.may_be_of_day(file.day);
        let files = self.store.table_files(asked.table);
        let read = files.filter(day).map(|file| FileRead {
            path: file.path.clone(),
            rows: file.rows,
            bytes: file.bytes,
        });
        Ok(Read {
            table: asked.table.name(),
            columns: asked.columns.clone(),
            conditions: asked.conditions(),
            files: read.collect(),
            of_files: self.store.table_files(asked.table).count(),
            extent: scan.extent()?,
            pages: scan.pages()?,
        })
    }

    /// Tables that a question names and that have no rows yet.
    #[must_use]
    pub fn empty_tables(&self, sql: &str) -> Vec<Table> {
        let rows = |table: &Table| self.store.table_files(*table).map(|file| file.rows).sum::<u64>();
        tables(sql).into_iter().filter(|table| rows(table) == 0).collect()
    }

    fn budget(&self, enough: Option<usize>) -> Arc<Budget> {
        Arc::new(Budget::new(self.limits, enough))
    }

    /// The answer, what was read for it, and when it might have ended early.
    fn run(
        &self,
        sql: &str,
        how: Run,
        may_end_early: bool,
    ) -> Result<(DataFrame, Seen, Option<Enough>), QueryError> {
        let enough = if may_end_early {
            self.guarded(sql, &self.budget(None), |lazy| Ok(plan::enough(&lazy.logical_plan)))?
        } else {
            None
        };
        let mut budget = Budget::new(self.limits, enough.map(|enough| enough.rows));
        budget.dry = how == Run::Dry;
        let budget = Arc::new(budget);
        let frame = self.guarded(sql, &budget, LazyFrame::collect)?;
        Ok((frame, budget.take_seen(), enough))
    }

    /// Does something with the plan of a question. Polars may panic on what it did not think of: no reason to fall with it.
    fn guarded<T>(
        &self,
        sql: &str,
        budget: &Arc<Budget>,
        work: impl FnOnce(LazyFrame) -> PolarsResult<T>,
    ) -> Result<T, QueryError> {
        statement::check(sql)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(self.lazy(sql, budget)?)));
        let error = match done {
            Ok(Ok(result)) => return Ok(result),
            Ok(Err(error)) => words::explain(&error, sql),
            Err(panic) => QueryError::Engine { message: words::of_panic(&*panic) },
        };
        Err(budget.take_seen().failure.unwrap_or(error))
    }

    fn lazy(&self, sql: &str, budget: &Arc<Budget>) -> PolarsResult<LazyFrame> {
        let mut context = SQLContext::new().with_function_registry(Arc::new(Functions));
        for table in Table::ALL {
            let scan = StoreTable {
                store: Arc::clone(&self.store),
                table,
                budget: Arc::clone(budget),
                pushdown: self.pushdown,
            };
            context.register(table.name(), scan.lazy()?);
        }
        let lazy = match context.execute(&carried::carry(sql)) {
            Ok(lazy) => lazy,
            // What is wrong is told of the question as it was written.
            Err(error) => return Err(context.execute(sql).err().unwrap_or(error)),
        };
        let optimizations = lazy.get_current_optimizations();
        let plan = plan::ordered(lazy.logical_plan);
        // Off: it drops an order that nobody seems to need, and with it which of two alike rows comes first.
        let lazy = LazyFrame::from_logical_plan(plan, optimizations).with_check_order(false);
        if sql.contains(carried::MARK) || lazy.describe_plan()?.contains(carried::MARK) {
            polars_bail!(SQLInterface: "a function of ours can't be used in such a place: write it into a SELECT of its own");
        }
        Ok(lazy)
    }
}
