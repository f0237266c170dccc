//! A table of the store as Polars asks for it: read part by part on all threads, and only what passes is held.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use polars::lazy::dsl::Operator;
use polars::prelude::*;

use super::convert::polars_type;
use super::engine::Limits;
use super::error::QueryError;
use super::pushdown;
use super::together::{Passed, Rows, Waiting, accumulate, next};
use crate::store::{DAY_COLUMN, Store, StoredFile, Table, TableScan, Want, Wanted};

/// Of what a question may hold, tables may take this share: sorting, grouping and joining need room, too.
const SHARE: u64 = 3;

/// What is shared by all scans of a question.
#[derive(Debug)]
pub(super) struct Budget {
    /// What the question may take.
    pub limits: Limits,
    /// Rows of a scan after which it may stop, since the first so many decide the answer.
    pub enough: Option<usize>,
    /// Nothing is read: every table is empty. Tells what would be asked of the store.
    pub dry: bool,
    held: AtomicU64,
    seen: Mutex<Seen>,
}

/// What scans did.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Why a scan failed: more than Polars' errors can say.
    pub failure: Option<QueryError>,
    /// Rows were left unread, since there were enough.
    pub cut: bool,
    /// What was asked of each table.
    pub asked: Vec<Asked>,
}

/// What was asked of a table.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub table: Table,
    pub columns: Vec<String>,
    pub wanted: Wanted,
    /// Rows that passed.
    pub passed: u64,
}

impl Budget {
    pub fn new(limits: Limits, enough: Option<usize>) -> Self {
        let (held, seen) = (AtomicU64::new(0), Mutex::default());
        Self { limits, enough, dry: false, held, seen }
    }

    /// What scans did so far; it is forgotten here.
    pub fn take_seen(&self) -> Seen {
        std::mem::take(&mut *self.lock())
    }

    /// A scan that panicked has lost nothing of this.
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fail(&self, error: QueryError) -> PolarsError {
        let text = error.to_string();
        self.lock().failure.get_or_insert(error);
        PolarsError::ComputeError(text.into())
    }

    /// Takes this much more, or says that it is too much.
    fn hold(&self, bytes: u64, needs: impl FnOnce(u64) -> QueryError) -> PolarsResult<()> {
        let held = self.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held.saturating_mul(SHARE) > self.limits.memory { Err(self.fail(needs(held))) } else { Ok(()) }
    }
}

/// A table that can be asked.
pub(super) struct StoreTable {
    pub store: Arc<Store>,
    pub table: Table,
    pub budget: Arc<Budget>,
    /// Off in tests, to compare.
    pub pushdown: bool,
}

impl StoreTable {
    /// Its columns as Polars knows them, the day last.
    pub fn schema_of(table: Table) -> PolarsResult<Schema> {
        let mut schema = Schema::default();
        for field in table.schema().fields() {
            schema.insert(PlSmallStr::from_str(field.name()), polars_type(field.data_type())?);
        }
        if table.by_day() {
            schema.insert(PlSmallStr::from_static(DAY_COLUMN), DataType::Date);
        }
        Ok(schema)
    }

    /// As a table of a question.
    pub fn lazy(self) -> PolarsResult<LazyFrame> {
        let schema = Some(Arc::new(Self::schema_of(self.table)?));
        let name = self.table.name();
        LazyFrame::anonymous_scan(Arc::new(self), ScanArgsAnonymous { schema, name, ..Default::default() })
    }

    fn files(&self) -> impl Iterator<Item = &StoredFile> {
        self.store.table_files(self.table)
    }

    /// What these rows would take, by the types of the columns.
    fn estimate(&self, rows: u64, columns: &[String]) -> u64 {
        let schema = self.table.schema();
        let width = |name: &String| match schema.field_with_name(name).map(|field| field.data_type().clone())
        {
            Ok(arrow::datatypes::DataType::Utf8) => 16,
            // Few have more than one or two items, of some 24 letters.
            Ok(arrow::datatypes::DataType::List(_)) => 64,
            Ok(arrow::datatypes::DataType::Boolean) => 1,
            Ok(arrow::datatypes::DataType::Int32) | Err(_) => 4,
            Ok(_) => 8,
        };
        rows.saturating_mul(columns.iter().map(width).sum())
    }

    fn too_much(&self, rows: u64, columns: usize, bytes: u64, sure: bool) -> QueryError {
        let mib = |bytes: u64| format!("{} MiB", bytes.div_ceil(1 << 20));
        let least = if sure { "" } else { "at least " };
        QueryError::Memory {
            table: self.table.name(),
            rows: format!("{least}{rows}"),
            columns,
            needs: format!(
                "some {}, and three times as much to work with; it may take {}",
                mib(bytes),
                mib(self.budget.limits.memory)
            ),
        }
    }
}

impl AnonymousScan for StoreTable {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn allows_predicate_pushdown(&self) -> bool {
        true
    }

    fn allows_projection_pushdown(&self) -> bool {
        true
    }

    fn scan(&self, args: AnonymousScanArgs) -> PolarsResult<DataFrame> {
        let schema = Self::schema_of(self.table)?;
        let all = || schema.iter_names().map(ToString::to_string).collect();
        let output: Vec<String> = args
            .with_columns
            .as_ref()
            .map_or_else(all, |names| names.iter().map(ToString::to_string).collect());
        let predicate = args.predicate.as_ref().and_then(without_hints);
        let predicate = predicate.as_ref();
        let wanted = match predicate {
            Some(predicate) if self.pushdown => pushdown::wanted(predicate, self.table),
            _ => Wanted::default(),
        };
        let mut read: BTreeSet<String> = output.iter().cloned().collect();
        if let Some(predicate) = predicate {
            read.extend(leaf_columns(predicate));
        }
        let columns: Vec<String> =
            schema.iter_names().map(ToString::to_string).filter(|name| read.contains(name)).collect();

        let asked = Asked { table: self.table, columns: columns.clone(), wanted: wanted.clone(), passed: 0 };
        let place = {
            let mut seen = self.budget.lock();
            seen.asked.push(asked);
            seen.asked.len() - 1
        };
        let empty = DataFrame::empty_with_schema(&schema);
        let rows: u64 = self.files().map(|file| file.rows).sum();
        let frame = if self.budget.dry {
            empty
        } else if columns.is_empty() && predicate.is_none() {
            // Rows are counted in the manifest.
            DataFrame::empty_with_height(usize::try_from(rows).unwrap_or(usize::MAX))
        } else {
            let enough = [args.n_rows, self.budget.enough].into_iter().flatten().min();
            if predicate.is_none() && enough.is_none() {
                let bytes = self.estimate(rows, &columns);
                let fits = self.budget.held.load(Ordering::Relaxed).saturating_add(bytes);
                if fits.saturating_mul(SHARE) > self.budget.limits.memory {
                    return Err(self.budget.fail(self.too_much(rows, columns.len(), bytes, true)));
                }
            }
            let request = Request { columns: &columns, output: &output, predicate, enough };
            self.read(&request, wanted)?.unwrap_or(empty)
        };
        self.budget.lock().asked[place].passed = frame.height() as u64;
        let frame = match args.n_rows {
            Some(rows) => frame.head(Some(rows)),
            None => frame,
        };
        if output.is_empty() {
            Ok(DataFrame::empty_with_height(frame.height()))
        } else {
            frame.select(output)
        }
    }
}

struct Request<'a> {
    /// In the order of the table.
    columns: &'a [String],
    output: &'a [String],
    predicate: Option<&'a Expr>,
    enough: Option<usize>,
}

type Part = Result<(usize, Rows), QueryError>;

impl StoreTable {
    /// Reads on all threads. What passes is put together here, in the order of the parts: the threads must not wait for Polars',
    /// which may wait for this scan.
    fn read(&self, request: &Request<'_>, wanted: Wanted) -> PolarsResult<Option<DataFrame>> {
        let columns: Vec<&str> = request.columns.iter().map(String::as_str).collect();
        let scan = TableScan::new(&self.store, self.table, &columns, wanted)
            .map_err(|error| self.budget.fail(error.into()))?;
        let (done, threads) = (AtomicBool::new(false), self.budget.limits.threads.max(1));
        thread::scope(|scope| {
            let (sender, parts) = mpsc::sync_channel::<Part>(2 * threads);
            for _ in 0..threads {
                let sender = sender.clone();
                let (scan, done) = (&scan, &done);
                scope.spawn(move || {
                    while !done.load(Ordering::Relaxed) {
                        let Some(part) = next(scan).transpose() else { return };
                        let last = part.is_err();
                        if sender.send(part).is_err() || last {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            let result = self.collect(request, &parts);
            // Whoever still waits to send is let go.
            done.store(true, Ordering::Relaxed);
            drop(parts);
            result
        })
    }

    fn collect(
        &self,
        request: &Request<'_>,
        parts: &mpsc::Receiver<Part>,
    ) -> PolarsResult<Option<DataFrame>> {
        let (mut waiting, mut passed, mut rows) = (Waiting::default(), Passed::default(), 0);
        let mut ask = |numbers, frames: Vec<DataFrame>, passed: &mut Passed| {
            let frame = match accumulate(frames)? {
                Some(frame) => pass(request, frame)?,
                None => None,
            };
            if let Some(frame) = &frame {
                rows += frame.height() as u64;
                let bytes = frame.estimated_size() as u64;
                self.budget.hold(bytes, |held| self.too_much(rows, request.output.len(), held, false))?;
            }
            passed.add(numbers, frame);
            PolarsResult::Ok(())
        };
        while let Ok(part) = parts.recv() {
            match part.map_err(|error| self.budget.fail(error))? {
                (number, Rows::Large(frames)) => ask(number..number + 1, frames, &mut passed)?,
                (number, Rows::Small(batches)) => waiting.add(number, batches),
            }
            // Who needs a few rows does not wait for more.
            if request.enough.is_some() || waiting.are_enough() {
                for (numbers, frames) in waiting.frames()? {
                    ask(numbers, frames, &mut passed)?;
                }
            }
            // The first rows are known once nothing before them is missing.
            if request.enough.is_some_and(|enough| passed.in_order >= enough) {
                self.budget.lock().cut = true;
                passed.cut();
                waiting = Waiting::default();
                break;
            }
        }
        for (numbers, frames) in waiting.frames()? {
            ask(numbers, frames, &mut passed)?;
        }
        passed.whole()
    }
}

/// The rows that pass the whole condition, and the columns that are asked for.
fn pass(request: &Request<'_>, frame: DataFrame) -> PolarsResult<Option<DataFrame>> {
    let frame = match request.predicate {
        Some(predicate) if frame.height() > 0 => frame.lazy().filter(predicate.clone()).collect()?,
        _ => frame,
    };
    if frame.height() == 0 {
        return Ok(None);
    }
    if request.output.is_empty() {
        return Ok(Some(DataFrame::empty_with_height(frame.height())));
    }
    frame.select(request.output.iter().map(String::as_str)).map(Some)
}

/// A condition without what Polars tells scans of a sort above them that has a LIMIT: it may leave out rows by it, and needs not.
fn without_hints(predicate: &Expr) -> Option<Expr> {
    match predicate {
        Expr::Display { .. } => None,
        Expr::BinaryExpr { left, op: op @ (Operator::And | Operator::LogicalAnd), right } => {
            match (without_hints(left), without_hints(right)) {
                (Some(left), Some(right)) => {
                    Some(Expr::BinaryExpr { left: Arc::new(left), op: *op, right: Arc::new(right) })
                }
                (left, right) => left.or(right),
            }
        }
        other => Some(other.clone()),
    }
}

fn leaf_columns(expression: &Expr) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    for part in expression {
        if let Expr::Column(name) = part {
            columns.insert(name.to_string());
        }
    }
    columns
}

impl Asked {
    /// Whether a file of this day may hold some of it.
    pub fn may_be_of_day(&self, day: Option<u32>) -> bool {
        let Some(day) = day.map(i64::from) else { return true };
        self.wanted.all.iter().all(|(column, want)| match want {
            Want::Within(from, to) if column == DAY_COLUMN => (*from..=*to).contains(&day),
            _ => true,
        })
    }

    /// What it wants of rows, in words.
    pub fn conditions(&self) -> Vec<String> {
        let each = |(column, want): &(String, Want)| match want {
            Want::Among(values) => {
                let mut shown: Vec<&str> = values.iter().take(5).map(String::as_str).collect();
                if values.len() > 5 {
                    shown.push("…");
                }
                format!("{column} among {}", shown.join(", "))
            }
            Want::Within(from, to) => {
                let bound =
                    |value: i64, open: i64| if value == open { String::new() } else { value.to_string() };
                format!("{column} within {}..{}", bound(*from, i64::MIN), bound(*to, i64::MAX))
            }
            Want::Networks(networks) => {
                let shown: Vec<String> = networks.iter().map(ToString::to_string).collect();
                format!("{column} in {}", shown.join(", "))
            }
        };
        self.wanted.all.iter().map(each).collect()
    }
}
