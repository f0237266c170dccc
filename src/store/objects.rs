//! What was read: table `objects`.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{UInt32Type, UInt64Type};
use serde::{Deserialize, Serialize};

use super::StoreError;
use super::files::{FileWriter, Place, properties, read};
use super::manifest::StoredFile;

/// One object that was read, or that could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectRow {
    /// Its number, which its records carry.
    pub id: u32,
    /// How the user saw it.
    pub name: String,
    /// Where it lies, whatever directory the program was run in.
    pub location: String,
    /// Bytes as stored.
    pub size: Option<u64>,
    /// ETag, or the time of a file's last change.
    pub version: Option<String>,
    /// What is the same in every copy of a delivered object.
    pub identity: Option<String>,
    /// From its name, as the next two.
    pub account: Option<String>,
    /// The monitored region.
    pub region: Option<String>,
    /// `fl-…`.
    pub flow_log: Option<String>,
    /// Earliest start of a record or of a NODATA or SKIPDATA row, Unix seconds.
    pub first: Option<u32>,
    /// Latest start.
    pub last: Option<u32>,
    /// It was not read to its end, and will be tried again.
    pub failed: bool,
    /// Bytes read.
    pub bytes: u64,
    /// Lines, and what became of them: see [`crate::flow::Tally`].
    pub counts: Counts,
    /// The rest.
    pub details: Details,
}

/// Counts of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in `Tally`")]
pub struct Counts {
    pub lines: u64,
    pub records: u64,
    pub nodata: u64,
    pub skipdata: u64,
    pub malformed: u64,
    pub other_schema: u64,
    pub truncated: u64,
}

impl Counts {
    const NAMES: [&'static str; 7] =
        ["lines", "records", "nodata", "skipdata", "malformed", "other_schema", "truncated"];

    fn values(&self) -> [u64; 7] {
        let Self { lines, records, nodata, skipdata, malformed, other_schema, truncated } = *self;
        [lines, records, nodata, skipdata, malformed, other_schema, truncated]
    }

    fn of(values: [u64; 7]) -> Self {
        let [lines, records, nodata, skipdata, malformed, other_schema, truncated] = values;
        Self { lines, records, nodata, skipdata, malformed, other_schema, truncated }
    }
}

/// What few objects have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Details {
    /// What went wrong.
    pub problems: Vec<Problem>,
    /// Formats of lines without a header: where known from, the format, lines.
    pub formats: Vec<(String, String, u64)>,
    /// Malformed lines: number and reason.
    pub malformed: Vec<(u64, String)>,
    /// Fields that no version has, with lines.
    pub unknown_fields: std::collections::BTreeMap<String, u64>,
}

/// Something that went wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
    /// It could not be fetched.
    pub is_fetch: bool,
}

fn to_batch(rows: &[ObjectRow]) -> Result<RecordBatch, String> {
    let text = |f: &dyn Fn(&ObjectRow) -> Option<&str>| {
        Arc::new(StringArray::from_iter(rows.iter().map(f))) as ArrayRef
    };
    let small = |f: &dyn Fn(&ObjectRow) -> Option<u32>| {
        Arc::new(UInt32Array::from_iter(rows.iter().map(f))) as ArrayRef
    };
    let large = |f: &dyn Fn(&ObjectRow) -> Option<u64>| {
        Arc::new(UInt64Array::from_iter(rows.iter().map(f))) as ArrayRef
    };
    let details: Result<Vec<String>, _> =
        rows.iter().map(|row| serde_json::to_string(&row.details)).collect();
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        ("object", small(&|r| Some(r.id))),
        ("name", text(&|r| Some(&r.name))),
        ("location", text(&|r| Some(&r.location))),
        ("size", large(&|r| r.size)),
        ("version", text(&|r| r.version.as_deref())),
        ("identity", text(&|r| r.identity.as_deref())),
        ("account", text(&|r| r.account.as_deref())),
        ("region", text(&|r| r.region.as_deref())),
        ("flow_log", text(&|r| r.flow_log.as_deref())),
        ("first", small(&|r| r.first)),
        ("last", small(&|r| r.last)),
        ("failed", Arc::new(BooleanArray::from_iter(rows.iter().map(|r| Some(r.failed))))),
        ("bytes", large(&|r| Some(r.bytes))),
    ];
    for (at, name) in Counts::NAMES.iter().enumerate() {
        columns.push((name, large(&|r| Some(r.counts.values()[at]))));
    }
    columns.push(("details", Arc::new(StringArray::from(details.map_err(|e| e.to_string())?))));
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .map_err(|e| e.to_string())
}

/// Rows of a batch.
const BATCH: usize = 8192;

/// Writes objects to a file.
pub(super) struct Writer {
    file: FileWriter,
    waiting: Vec<ObjectRow>,
    /// The first that went wrong.
    error: Option<StoreError>,
}

impl Writer {
    pub fn create(place: &Place, path: String) -> Result<Self, StoreError> {
        let none = to_batch(&[]).map_err(|message| StoreError::Io { path: path.clone(), message })?;
        let file = FileWriter::create(place, path, None, none.schema(), properties("objects").build())?;
        Ok(Self { file, waiting: Vec::new(), error: None })
    }

    /// Takes one in, unless it does not count any more.
    pub fn take(&mut self, row: ObjectRow, dead: &BTreeSet<u32>) {
        if !dead.contains(&row.id) {
            self.waiting.push(row);
        }
        if self.waiting.len() >= BATCH && self.error.is_none() {
            self.error = self.flush().err();
        }
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let failed = |message| StoreError::Io { path: "objects".to_owned(), message };
        let batch = to_batch(&self.waiting).map_err(failed)?;
        self.waiting.clear();
        self.file.write(&batch)
    }

    pub fn finish(mut self) -> Result<StoredFile, StoreError> {
        match self.error.take() {
            Some(error) => Err(error),
            None => {
                self.flush()?;
                self.file.finish()
            }
        }
    }
}

/// Writes the objects of one commit.
pub(super) fn write(place: &Place, path: &str, rows: Vec<ObjectRow>) -> Result<StoredFile, StoreError> {
    let mut writer = Writer::create(place, path.to_owned())?;
    rows.into_iter().for_each(|row| writer.take(row, &BTreeSet::new()));
    writer.finish()
}

/// Hands on every object of a file.
pub(super) fn each(
    place: &Place,
    file: &StoredFile,
    mut take: impl FnMut(ObjectRow),
) -> Result<(), StoreError> {
    let path = place.path(file);
    let mut rows = 0;
    for batch in read(place, file)? {
        let batch = batch.map_err(|e| StoreError::damaged(&path, e.to_string()))?;
        let columns = Columns { batch: &batch, path: &path };
        for row in 0..batch.num_rows() {
            take(columns.row(row)?);
        }
        rows += batch.num_rows() as u64;
    }
    if rows == file.rows {
        Ok(())
    } else {
        Err(StoreError::damaged(&path, "it does not hold what was written"))
    }
}

struct Columns<'a> {
    batch: &'a RecordBatch,
    path: &'a Path,
}

impl Columns<'_> {
    fn column<'c, T>(
        &'c self,
        name: &str,
        cast: impl Fn(&'c ArrayRef) -> Option<T>,
    ) -> Result<T, StoreError> {
        let column = self.batch.column_by_name(name).and_then(cast);
        column.ok_or_else(|| {
            StoreError::damaged(self.path, format!("column `{name}` is not as it was written"))
        })
    }

    fn text(&self, name: &str, row: usize) -> Result<Option<String>, StoreError> {
        let column = self.column(name, |c| c.as_string_opt::<i32>())?;
        Ok(column.is_valid(row).then(|| column.value(row).to_owned()))
    }

    fn small(&self, name: &str, row: usize) -> Result<Option<u32>, StoreError> {
        let column = self.column(name, |c| c.as_primitive_opt::<UInt32Type>())?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn large(&self, name: &str, row: usize) -> Result<Option<u64>, StoreError> {
        let column = self.column(name, |c| c.as_primitive_opt::<UInt64Type>())?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn row(&self, row: usize) -> Result<ObjectRow, StoreError> {
        let mut counts = [0; 7];
        for (count, name) in counts.iter_mut().zip(Counts::NAMES) {
            *count = self.large(name, row)?.unwrap_or(0);
        }
        let details = self.text("details", row)?.unwrap_or_default();
        let details =
            serde_json::from_str(&details).map_err(|e| StoreError::damaged(self.path, e.to_string()))?;
        let failed = self.column("failed", |c| c.as_boolean_opt())?;
        Ok(ObjectRow {
            id: self.small("object", row)?.unwrap_or(0),
            name: self.text("name", row)?.unwrap_or_default(),
            location: self.text("location", row)?.unwrap_or_default(),
            size: self.large("size", row)?,
            version: self.text("version", row)?,
            identity: self.text("identity", row)?,
            account: self.text("account", row)?,
            region: self.text("region", row)?,
            flow_log: self.text("flow_log", row)?,
            first: self.small("first", row)?,
            last: self.small("last", row)?,
            failed: failed.is_valid(row) && failed.value(row),
            bytes: self.large("bytes", row)?.unwrap_or(0),
            counts: Counts::of(counts),
            details,
        })
    }
}
