//! The judged connections as a Parquet file: schema `flowgate.connection/v1`.
//!
//! | column | type | meaning |
//! |---|---|---|
//! | `interface` | string | interface id |
//! | `local`, `remote` | string | address at the interface, address of the other side |
//! | `local_port`, `remote_port` | uint16 | 0 for protocols without ports |
//! | `protocol` | uint8 | IANA number |
//! | `direction` | string | `inbound`, `outbound`, null if the opener is unknown |
//! | `evidence` | string | what decided the opener |
//! | `start`, `end` | int64 | first and last packet, Unix seconds |
//! | `action` | string | `accept` or `reject`: what happened to the opening |
//! | `verdict`, `reason` | string | see `flowgate explain`; reason is empty where none is needed |
//! | `rules` | list of string | ids of the rules that permit it |
//! | `blocked_reply` | string | what rejected the replies, null if nothing did |
//! | `bytes`, `packets` | uint64 | accepted, both directions |

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder, UInt8Array, UInt16Array,
    UInt64Array,
};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::AnalyzeError;
use crate::connection::{Connection, InterfaceFacts};
use crate::flow::{Action, Direction, InterfaceContext, address_from_bits};
use crate::inventory::Timeline;
use crate::policy::{Judged, Policy};
use crate::store::{
    ConnectionRow, ConnectionRows, Cutter, DaySums, Meanings, Names, Part, Shortener, StoreError,
    StoreWriter, StoredFile,
};

/// Rows per arrow batch.
const BATCH: usize = 16 * 1024;

/// Connections as arrow batches, or why there is none.
type Batches = Vec<Result<RecordBatch, String>>;

/// Connections of a partition that are handed in.
pub(super) enum Handed {
    Batches(Batches),
    Rows(ConnectionRows),
}

/// Connections of a partition for a file, as they are judged.
pub(super) struct Rows<'a> {
    interfaces: &'a [InterfaceFacts],
    policy: &'a Policy,
    waiting: Vec<(Connection, Judged)>,
    batches: Batches,
}

impl<'a> Rows<'a> {
    pub fn new(interfaces: &'a [InterfaceFacts], policy: &'a Policy) -> Self {
        Self { interfaces, policy, waiting: Vec::new(), batches: Vec::new() }
    }

    pub fn push(&mut self, connection: &Connection, judged: Judged) {
        self.waiting.push((*connection, judged));
        if self.waiting.len() >= BATCH {
            self.end_batch();
        }
    }

    fn end_batch(&mut self) {
        self.batches.push(to_batch(&self.waiting, self.interfaces, self.policy));
        self.waiting.clear();
    }

    pub fn finish(mut self) -> Handed {
        if !self.waiting.is_empty() {
            self.end_batch();
        }
        Handed::Batches(self.batches)
    }
}

/// What one thread judges for a store: of these days.
pub(super) struct StoreRows<'a> {
    days: &'a BTreeSet<u32>,
    shortener: Shortener,
    rows: ConnectionRows,
    sums: DaySums<'a>,
    failed: Option<StoreError>,
}

impl<'a> StoreRows<'a> {
    pub fn new(days: &'a BTreeSet<u32>, meanings: &Meanings, sums: DaySums<'a>) -> Self {
        let (shortener, rows) = (Shortener::new(meanings), ConnectionRows::default());
        Self { days, shortener, rows, sums, failed: None }
    }

    /// Takes a connection, and what belongs to each of its days if there are several.
    pub fn push(&mut self, connection: &Connection, days: &[Connection], judged: &Judged) {
        let parts = if days.is_empty() { std::slice::from_ref(connection) } else { days };
        for part in parts {
            let row = to_row(connection, part, judged);
            if self.days.contains(&row.day()) {
                self.shortener.push(&row, &mut self.rows);
                if let Err(error) = self.sums.push(&row) {
                    self.failed.get_or_insert(error);
                }
            }
        }
    }

    /// What came since the last time, and whether it could be summed up.
    pub fn hand_over(&mut self) -> (Handed, Result<(), StoreError>) {
        let summed = self.failed.take().map_or(Ok(()), Err);
        (Handed::Rows(self.rows.take()), summed)
    }

    /// No more come.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.sums.settle()
    }

    pub fn into_sums(self) -> DaySums<'a> {
        self.sums
    }
}

fn to_row<'j>(whole: &Connection, part: &Connection, judged: &'j Judged) -> ConnectionRow<'j> {
    let [inward, outward] = [&part.inward, &part.outward];
    ConnectionRow {
        interface: whole.interface,
        local: whole.local,
        remote: whole.remote,
        local_port: whole.local_port,
        remote_port: whole.remote_port,
        protocol: whole.protocol.0,
        direction: whole.opener.map(Direction::as_str),
        evidence: whole.evidence.as_str(),
        strength: whole.evidence.strength().as_str(),
        opened: whole.first,
        start: part.first,
        end: part.last,
        accepted: whole.action() == Action::Accept,
        verdict: judged.verdict.as_str(),
        reason: judged.verdict.reason(),
        rules: Cow::Borrowed(&judged.decision.rules),
        blocked_reply: judged.blocked_reply.map(crate::policy::Cause::as_str),
        bytes: [inward[0].bytes, outward[0].bytes],
        packets: [inward[0].packets, outward[0].packets],
        rejected: [inward[1].packets, outward[1].packets],
        late: part.late.packets,
    }
}

/// What is known of the interfaces: by the records, else by the inventory.
fn names(interfaces: &[InterfaceFacts], timeline: &Timeline) -> Vec<(String, InterfaceContext)> {
    let one = |facts: &InterfaceFacts| {
        let mut context = facts.context.clone();
        if let Some(known) = timeline.interface(&facts.id) {
            context.vpc = context.vpc.or_else(|| known.vpc.clone());
            context.subnet = context.subnet.or_else(|| known.subnet.clone());
            context.instance = context.instance.or_else(|| known.instance.clone());
        }
        (facts.id.clone(), context)
    };
    interfaces.iter().map(one).collect()
}

/// What the numbers in rows for a store stand for.
pub(super) fn store_names(interfaces: &[InterfaceFacts], timeline: &Timeline, policy: &Policy) -> Names {
    let rules = (0..).map_while(|number| policy.rule(number));
    let (rules, groups) = rules.map(|rule| (rule.id.clone(), rule.group.clone())).unzip();
    Names { interfaces: names(interfaces, timeline), rules, groups }
}

/// Takes the connections of all partitions, in their order. Errors are kept until [`Exporter::finish`].
pub(super) enum Exporter<'a> {
    File(Box<FileExporter>),
    Store(Box<StoreExporter<'a>>),
}

impl<'a> Exporter<'a> {
    /// To a file.
    pub fn create(path: &Path, policy: &Policy) -> Result<Self, AnalyzeError> {
        FileExporter::create(path, policy).map(|exporter| Self::File(Box::new(exporter)))
    }

    /// To a store.
    pub fn into_store(store: &'a StoreWriter, names: Names, meanings: &Meanings) -> Self {
        let cutter = Cutter::new(meanings);
        Self::Store(Box::new(StoreExporter { store, names: Arc::new(names), cutter }))
    }

    /// Takes a partition in. What is full then is to be written, by whom and when does not matter.
    pub fn take(&mut self, handed: Handed) -> Vec<Chunk<'a>> {
        match (self, handed) {
            (Self::File(exporter), Handed::Batches(batches)) => {
                exporter.write(batches);
                Vec::new()
            }
            (Self::Store(exporter), Handed::Rows(rows)) => {
                exporter.cutter.take(&rows).into_iter().map(|part| exporter.chunk(part)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The rest of what is to be written.
    pub fn finish(self) -> Result<Vec<Chunk<'a>>, AnalyzeError> {
        match self {
            Self::File(exporter) => exporter.finish().map(|()| Vec::new()),
            Self::Store(mut exporter) => {
                Ok(exporter.cutter.finish().into_iter().map(|part| exporter.chunk(part)).collect())
            }
        }
    }
}

pub(super) struct StoreExporter<'a> {
    store: &'a StoreWriter,
    names: Arc<Names>,
    cutter: Cutter,
}

impl<'a> StoreExporter<'a> {
    fn chunk(&self, part: Part) -> Chunk<'a> {
        Chunk { store: self.store, names: Arc::clone(&self.names), part }
    }
}

/// Connections of one file of a store, to be sorted and written.
pub(super) struct Chunk<'a> {
    store: &'a StoreWriter,
    names: Arc<Names>,
    part: Part,
}

impl Chunk<'_> {
    /// Connections of it.
    pub fn rows(&self) -> usize {
        self.part.len()
    }

    pub fn write(self) -> Result<StoredFile, StoreError> {
        self.part.write(self.store, &self.names)
    }
}

pub(super) struct FileExporter {
    path: PathBuf,
    writer: Option<ArrowWriter<File>>,
    error: Option<String>,
}

impl FileExporter {
    /// Creates the file at once, so that a bad path fails before the work is done.
    fn create(path: &Path, policy: &Policy) -> Result<Self, AnalyzeError> {
        let file = File::create(path).map_err(|e| failed(path, &e.to_string()))?;
        let version = KeyValue::new("flowgate.schema".to_owned(), "flowgate.connection/v1".to_owned());
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_key_value_metadata(Some(vec![version]))
            .build();
        let writer = to_batch(&[], &[], policy)
            .and_then(|none| {
                ArrowWriter::try_new(file, none.schema(), Some(properties)).map_err(|e| e.to_string())
            })
            .map_err(|e| failed(path, &e))?;
        Ok(Self { path: path.to_owned(), writer: Some(writer), error: None })
    }

    fn write(&mut self, batches: Batches) {
        let Some(writer) = &mut self.writer else { return };
        for batch in batches {
            if self.error.is_none() {
                self.error = batch.and_then(|batch| writer.write(&batch).map_err(|e| e.to_string())).err();
            }
        }
    }

    fn finish(mut self) -> Result<(), AnalyzeError> {
        if let Some(error) = self.error {
            return Err(failed(&self.path, &error));
        }
        match self.writer.take() {
            Some(writer) => writer.close().map(drop).map_err(|e| failed(&self.path, &e.to_string())),
            None => Ok(()),
        }
    }
}

fn failed(path: &Path, message: &str) -> AnalyzeError {
    AnalyzeError::Connections { path: path.display().to_string(), message: message.to_owned() }
}

fn to_batch(
    rows: &[(Connection, Judged)],
    interfaces: &[InterfaceFacts],
    policy: &Policy,
) -> Result<RecordBatch, String> {
    let text = |f: &dyn Fn(&Connection, &Judged) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(|(c, j)| f(c, j)).collect::<StringArray>())
    };
    let mut rules = ListBuilder::new(StringBuilder::new());
    for (_, judged) in rows {
        for &rule in &judged.decision.rules {
            rules.values().append_option(policy.rule(rule).map(|r| r.id.as_str()));
        }
        rules.append(true);
    }
    let words = |c: &Connection| match c.action() {
        Action::Accept => "accept",
        Action::Reject => "reject",
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("interface", text(&|c, _| Some(interfaces[c.interface as usize].id.clone()))),
        ("local", text(&|c, _| Some(address_from_bits(c.local).to_string()))),
        ("remote", text(&|c, _| Some(address_from_bits(c.remote).to_string()))),
        ("local_port", Arc::new(rows.iter().map(|(c, _)| Some(c.local_port)).collect::<UInt16Array>())),
        ("remote_port", Arc::new(rows.iter().map(|(c, _)| Some(c.remote_port)).collect::<UInt16Array>())),
        ("protocol", Arc::new(rows.iter().map(|(c, _)| Some(c.protocol.0)).collect::<UInt8Array>())),
        ("direction", text(&|c, _| c.opener.map(Direction::as_str).map(str::to_owned))),
        ("evidence", text(&|c, _| Some(c.evidence.as_str().to_owned()))),
        ("start", Arc::new(rows.iter().map(|(c, _)| Some(i64::from(c.first))).collect::<Int64Array>())),
        ("end", Arc::new(rows.iter().map(|(c, _)| Some(i64::from(c.last))).collect::<Int64Array>())),
        ("action", text(&|c, _| Some(words(c).to_owned()))),
        ("verdict", text(&|_, j| Some(j.verdict.as_str().to_owned()))),
        ("reason", text(&|_, j| Some(j.verdict.reason().to_owned()))),
        ("rules", Arc::new(rules.finish())),
        ("blocked_reply", text(&|_, j| j.blocked_reply.map(|b| b.as_str().to_owned()))),
        ("bytes", Arc::new(rows.iter().map(|(c, _)| Some(c.bytes())).collect::<UInt64Array>())),
        ("packets", Arc::new(rows.iter().map(|(c, _)| Some(c.packets())).collect::<UInt64Array>())),
    ];
    // Nullability must not depend on what a batch happens to hold: all batches share the first one's schema.
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .map_err(|e| e.to_string())
}
