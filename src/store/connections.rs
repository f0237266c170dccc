//! The judged connections: table `connections`, a folder a day.
//!
//! Sorted so that what is asked for touches little: rows come by interface and are cut into row groups, so that the
//! least and the greatest interface of a row group tell whether to read it; within a row group they come by remote
//! address, so that its page index leaves a page or two. Bloom filters of the addresses, the interface and the rules tell
//! which row groups hold them at all. What a page needs beside itself is kept small: no large dictionaries, and nothing to
//! inflate where that gains nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray,
    StringBuilder, TimestampMicrosecondArray,
};
use arrow::datatypes::Int32Type;
use arrow::error::ArrowError;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::StoreError;
use super::files::{FileWriter, Place, day_name, properties};
use super::manifest::StoredFile;
use super::open::StoreWriter;
use crate::flow::{InterfaceContext, address_from_bits};

/// Rows of a row group.
const GROUP: usize = 128 * 1024;

/// Rows of a page.
const PAGE: usize = 2 * 1024;

/// Rows that wait to be written. Some 200 bytes each.
const WAITING: usize = 512 * 1024;

/// One connection, or what belongs to one day of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnectionRow {
    /// Number of the interface.
    pub interface: u32,
    /// Address at the interface, IPv4 mapped into IPv6.
    pub local: u128,
    /// Address of the other side, IPv4 mapped.
    pub remote: u128,
    /// Port at the interface, 0 for protocols without.
    pub local_port: u16,
    /// Port of the other side.
    pub remote_port: u16,
    /// IANA number.
    pub protocol: u8,
    /// `inbound` or `outbound`.
    pub direction: Option<&'static str>,
    /// What decided the opener.
    pub evidence: &'static str,
    /// How far that carries.
    pub strength: &'static str,
    /// First packet of the whole connection, Unix seconds.
    pub opened: u32,
    /// First packet of this day.
    pub start: u32,
    /// Last packet of the records of this day.
    pub end: u32,
    /// It was accepted.
    pub accepted: bool,
    /// The verdict.
    pub verdict: &'static str,
    /// Its reason, empty where none is needed.
    pub reason: &'static str,
    /// Numbers of the rules that permit it.
    pub rules: Box<[u32]>,
    /// What rejected the replies.
    pub blocked_reply: Option<&'static str>,
    /// Accepted bytes towards the interface and away from it.
    pub bytes: [u64; 2],
    /// Accepted packets, the same.
    pub packets: [u64; 2],
    /// Rejected packets, the same.
    pub rejected: [u64; 2],
    /// Packets that were rejected after the connection had been accepted.
    pub late: u64,
}

impl ConnectionRow {
    /// Days since 1970.
    #[must_use]
    pub fn day(&self) -> u32 {
        self.start / super::DAY as u32
    }
}

/// What the numbers of rows stand for.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Ids of interfaces, and what is known of them.
    pub interfaces: Vec<(String, InterfaceContext)>,
    /// Ids of rules.
    pub rules: Vec<String>,
}

/// Writes connections, whatever their order; which files hold what follows from the order in which they are pushed.
pub struct ConnectionWriter<'a> {
    writer: &'a StoreWriter,
    names: Names,
    waiting: BTreeMap<u32, Vec<ConnectionRow>>,
    rows: usize,
    files: Vec<StoredFile>,
}

impl<'a> ConnectionWriter<'a> {
    /// For the next commit of a store.
    #[must_use]
    pub fn new(writer: &'a StoreWriter, names: Names) -> Self {
        Self { writer, names, waiting: BTreeMap::new(), rows: 0, files: Vec::new() }
    }

    /// Takes one in.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn push(&mut self, row: ConnectionRow) -> Result<(), StoreError> {
        self.waiting.entry(row.day()).or_default().push(row);
        self.rows += 1;
        if self.rows >= WAITING {
            // The largest, or the earliest of them.
            let most = self.waiting.iter().max_by_key(|(day, rows)| (rows.len(), u32::MAX - **day));
            if let Some(day) = most.map(|(day, _)| *day) {
                self.flush(day)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, day: u32) -> Result<(), StoreError> {
        let rows = self.waiting.remove(&day).unwrap_or_default();
        self.rows -= rows.len();
        let path = self.writer.connections_path(&day_name(day), self.files.len());
        self.files.push(write(self.writer.place(), &path, day, rows, &self.names)?);
        Ok(())
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<Vec<StoredFile>, StoreError> {
        let days: Vec<u32> = self.waiting.keys().copied().collect();
        days.into_iter().try_for_each(|day| self.flush(day))?;
        Ok(self.files)
    }
}

/// Columns of words and small numbers, whose dictionaries leave little to compress: a page of them is read as it lies.
const PLAIN: [&str; 16] = [
    "interface",
    "account",
    "vpc",
    "subnet",
    "instance",
    "local",
    "protocol",
    "direction",
    "evidence",
    "strength",
    "continued",
    "action",
    "verdict",
    "reason",
    "blocked_reply",
    "late_packets",
];

/// Columns of many values. A dictionary of these would be larger than all that a lookup reads of the column.
const MANIFOLD: [&str; 8] =
    ["remote", "local_port", "remote_port", "opened", "start", "end", "bytes_in", "bytes_out"];

fn file_properties() -> WriterProperties {
    let mut builder = properties("connections")
        .set_max_row_group_row_count(Some(GROUP))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(PAGE);
    let rules = ColumnPath::new(["rules", "list", "item"].map(str::to_owned).to_vec());
    for name in PLAIN.map(ColumnPath::from).into_iter().chain([rules.clone()]) {
        builder = builder.set_column_compression(name, Compression::UNCOMPRESSED);
    }
    for name in MANIFOLD.map(ColumnPath::from) {
        builder = builder.set_column_dictionary_enabled(name, false);
    }
    for name in ["opened", "start", "end"].map(ColumnPath::from) {
        builder = builder.set_column_encoding(name, Encoding::DELTA_BINARY_PACKED);
    }
    // Local addresses, interfaces and rules are a few; remote addresses may be as many as rows.
    let few = ["local", "interface"].map(ColumnPath::from).into_iter().chain([rules]);
    for (name, most) in few.map(|name| (name, 16 * 1024)).chain([("remote".into(), GROUP as u64)]) {
        builder = builder
            .set_column_bloom_filter_enabled(name.clone(), true)
            .set_column_bloom_filter_max_ndv(name, most);
    }
    builder.build()
}

fn write(
    place: &Place,
    path: &str,
    day: u32,
    mut rows: Vec<ConnectionRow>,
    names: &Names,
) -> Result<StoredFile, StoreError> {
    let failed = |e: ArrowError| StoreError::Io { path: path.to_owned(), message: e.to_string() };
    // As text, since readers compare the text: 10.0.0.9 comes after 10.0.0.10.
    let remotes = Texts::new(rows.iter().map(|row| row.remote));
    let locals = Texts::new(rows.iter().map(|row| row.local));
    rows.sort_unstable_by(|a, b| (a.interface, a.start).cmp(&(b.interface, b.start)).then_with(|| tie(a, b)));
    let none = to_batch(&[], &remotes, &locals, names).map_err(failed)?;
    let mut writer =
        FileWriter::create_plain(place, path.to_owned(), Some(day), none.schema(), file_properties())?;
    for group in rows.chunks_mut(GROUP) {
        group.sort_by_cached_key(|row| (remotes.rank(row.remote), row.start));
        for part in group.chunks(4 * PAGE) {
            writer.write(&to_batch(part, &remotes, &locals, names).map_err(failed)?)?;
        }
        writer.end_group()?;
    }
    writer.finish()
}

/// Two connections never are the same in all of this.
fn tie(a: &ConnectionRow, b: &ConnectionRow) -> std::cmp::Ordering {
    let key =
        |r: &ConnectionRow| (r.remote, r.remote_port, r.local, r.local_port, r.protocol, r.opened, r.end);
    key(a).cmp(&key(b)).then_with(|| (a.bytes, a.packets, a.rejected).cmp(&(b.bytes, b.packets, b.rejected)))
}

/// Addresses as text, in the order of their text.
struct Texts {
    /// Sorted by address: the place of its text.
    ranks: Vec<(u128, i32)>,
    texts: Arc<StringArray>,
}

impl Texts {
    fn new(addresses: impl Iterator<Item = u128>) -> Self {
        let mut addresses: Vec<u128> = addresses.collect();
        addresses.sort_unstable();
        addresses.dedup();
        let mut texts: Vec<(String, u128)> =
            addresses.into_iter().map(|bits| (text(address_from_bits(bits)), bits)).collect();
        texts.sort_unstable();
        let mut ranks: Vec<(u128, i32)> = (0..).zip(&texts).map(|(rank, (_, bits))| (*bits, rank)).collect();
        ranks.sort_unstable();
        Self { ranks, texts: Arc::new(texts.into_iter().map(|(text, _)| Some(text)).collect()) }
    }

    fn rank(&self, bits: u128) -> i32 {
        let place = self.ranks.binary_search_by_key(&bits, |(bits, _)| *bits);
        place.map_or(0, |at| self.ranks[at].1)
    }

    fn column(&self, of: impl Iterator<Item = u128>) -> Result<ArrayRef, ArrowError> {
        let keys: Int32Array = of.map(|bits| Some(self.rank(bits))).collect();
        let texts: ArrayRef = Arc::clone(&self.texts) as ArrayRef;
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, texts)?))
    }
}

fn text(address: IpAddr) -> String {
    address.to_string()
}

fn to_batch(
    rows: &[ConnectionRow],
    remotes: &Texts,
    locals: &Texts,
    names: &Names,
) -> Result<RecordBatch, ArrowError> {
    type Row = ConnectionRow;
    let word = |f: &dyn Fn(&Row) -> Option<&'static str>| -> ArrayRef {
        Arc::new(rows.iter().map(f).collect::<DictionaryArray<Int32Type>>())
    };
    let small =
        |f: &dyn Fn(&Row) -> i32| Arc::new(Int32Array::from_iter_values(rows.iter().map(f))) as ArrayRef;
    let large = |f: &dyn Fn(&Row) -> u64| {
        let values = rows.iter().map(|row| i64::try_from(f(row)).unwrap_or(i64::MAX));
        Arc::new(Int64Array::from_iter_values(values)) as ArrayRef
    };
    let time = |f: &dyn Fn(&Row) -> u32| {
        let values = rows.iter().map(|row| i64::from(f(row)) * 1_000_000);
        Arc::new(TimestampMicrosecondArray::from_iter_values(values)) as ArrayRef
    };
    let about = |f: &dyn Fn(&(String, InterfaceContext)) -> Option<&str>| -> ArrayRef {
        let values = rows.iter().map(|row| names.interfaces.get(row.interface as usize).and_then(f));
        Arc::new(values.collect::<DictionaryArray<Int32Type>>())
    };
    let mut rules = ListBuilder::new(StringBuilder::new());
    for row in rows {
        for &rule in &row.rules {
            rules.values().append_option(names.rules.get(rule as usize));
        }
        rules.append(true);
    }
    let continued: BooleanArray = rows
        .iter()
        .map(|row| Some(row.opened < row.start && row.opened / super::DAY as u32 != row.day()))
        .collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("interface", about(&|(id, _)| Some(id))),
        ("account", about(&|(_, context)| context.account.as_deref())),
        ("vpc", about(&|(_, context)| context.vpc.as_deref())),
        ("subnet", about(&|(_, context)| context.subnet.as_deref())),
        ("instance", about(&|(_, context)| context.instance.as_deref())),
        ("local", locals.column(rows.iter().map(|row| row.local))?),
        ("remote", remotes.column(rows.iter().map(|row| row.remote))?),
        ("local_port", small(&|row| row.local_port.into())),
        ("remote_port", small(&|row| row.remote_port.into())),
        ("protocol", small(&|row| row.protocol.into())),
        ("direction", word(&|row| row.direction)),
        ("evidence", word(&|row| Some(row.evidence))),
        ("strength", word(&|row| Some(row.strength))),
        ("opened", time(&|row| row.opened)),
        ("start", time(&|row| row.start)),
        ("end", time(&|row| row.end)),
        ("continued", Arc::new(continued)),
        ("action", word(&|row| Some(if row.accepted { "accept" } else { "reject" }))),
        ("verdict", word(&|row| Some(row.verdict))),
        ("reason", word(&|row| Some(row.reason))),
        ("rules", Arc::new(rules.finish())),
        ("blocked_reply", word(&|row| row.blocked_reply)),
        ("bytes_in", large(&|row| row.bytes[0])),
        ("bytes_out", large(&|row| row.bytes[1])),
        ("packets_in", large(&|row| row.packets[0])),
        ("packets_out", large(&|row| row.packets[1])),
        ("rejected_in", large(&|row| row.rejected[0])),
        ("rejected_out", large(&|row| row.rejected[1])),
        ("late_packets", large(&|row| row.late)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
}
