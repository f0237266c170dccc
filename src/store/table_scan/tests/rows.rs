//! Rows, an obvious way to look at them, and files of them in every layout.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Int32Array, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use ipnet::IpNet;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::store::files::Place;
use crate::store::{Disk, Manifest, Store, StoredFile, Table, Want};

/// Those that rows have; what else the table has is null.
pub const COLUMNS: [&str; 9] =
    ["interface", "local", "remote", "rules", "local_port", "protocol", "start", "bytes_in", "dt"];

/// Numbers that follow from a seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    /// From a few neighbourhoods, so that networks hold some and miss some.
    pub fn address(&mut self) -> IpAddr {
        let low = self.below(300) as u32;
        match self.below(6) {
            0..3 => IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + low)),
            3 => IpAddr::V4(Ipv4Addr::from([0, u32::MAX, 0x0a01_0000, 0x7f00_0001][low as usize % 4])),
            4 => IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) + (u128::from(low) << (16 * (low % 6))))),
            _ => IpAddr::V6([Ipv6Addr::UNSPECIFIED, Ipv4Addr::from(low).to_ipv6_mapped()][low as usize % 2]),
        }
    }

    pub fn network(&mut self) -> IpNet {
        let address = self.address();
        let longest: u8 = if address.is_ipv4() { 32 } else { 128 };
        let short = if self.one_in(4) { self.below(longest.into()) } else { self.below(12) };
        IpNet::new(address, longest - short as u8).unwrap()
    }

    pub fn number(&mut self, column: &str) -> i64 {
        let small = self.below(40) as i64 - 5;
        match column {
            _ if self.one_in(30) => [i64::MIN, i64::MAX][self.below(2) as usize],
            "dt" => small / 8,
            "start" => small * 1_000_000,
            _ => small,
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Row {
    day: u32,
    interface: Option<String>,
    local: Option<IpAddr>,
    remote: Option<IpAddr>,
    rules: Option<Vec<Option<String>>>,
    local_port: Option<i32>,
    protocol: Option<i32>,
    start: Option<i64>,
    bytes_in: Option<i64>,
}

impl Row {
    pub fn new(day: u32) -> Self {
        Self { day, ..Self::default() }
    }

    pub fn with_interface(mut self, id: &str) -> Self {
        self.interface = Some(id.to_owned());
        self
    }

    pub fn with_remote(mut self, address: IpAddr) -> Self {
        self.remote = Some(address);
        self
    }

    pub fn with_rules(mut self, ids: &[&str]) -> Self {
        self.rules = Some(ids.iter().map(|id| Some((*id).to_owned())).collect());
        self
    }

    fn random(dice: &mut Dice, day: u32) -> Self {
        fn some<T>(dice: &mut Dice, make: impl Fn(&mut Dice) -> T) -> Option<T> {
            (!dice.one_in(6)).then(|| make(dice))
        }
        let small = |dice: &mut Dice, column: &str| i32::try_from(dice.number(column)).unwrap_or(i32::MAX);
        let rule = |dice: &mut Dice| some(dice, |dice| format!("sgr-{}", dice.below(6)));
        Self {
            day,
            interface: some(dice, |dice| format!("eni-{}", dice.below(6))),
            local: some(dice, Dice::address),
            remote: some(dice, Dice::address),
            rules: some(dice, |dice| (0..dice.below(4)).map(|_| rule(dice)).collect()),
            local_port: some(dice, |dice| small(dice, "local_port")),
            protocol: some(dice, |dice| small(dice, "protocol")),
            start: some(dice, |dice| dice.number("start")),
            bytes_in: some(dice, |dice| dice.number("bytes_in")),
        }
    }

    fn number(&self, column: &str) -> Option<i64> {
        match column {
            "local_port" => self.local_port.map(i64::from),
            "protocol" => self.protocol.map(i64::from),
            "start" => self.start,
            "bytes_in" => self.bytes_in,
            "dt" => Some(self.day.into()),
            other => panic!("{other}"),
        }
    }

    pub fn fits(&self, column: &str, want: &Want) -> bool {
        let address = if column == "local" { self.local } else { self.remote };
        match want {
            Want::Within(from, to) => self.number(column).is_some_and(|n| *from <= n && n <= *to),
            Want::Networks(networks) => address.is_some_and(|a| networks.iter().any(|n| n.contains(&a))),
            Want::Among(texts) => match column {
                "interface" => self.interface.iter().any(|id| texts.contains(id)),
                "rules" => self.rules.iter().flatten().flatten().any(|id| texts.contains(id)),
                _ => address.is_some_and(|a| texts.contains(&a.to_string())),
            },
        }
    }

    pub fn shown(&self, column: &str) -> String {
        match column {
            "interface" => format!("{:?}", self.interface),
            "local" => format!("{:?}", self.local.map(|a| a.to_string())),
            "remote" => format!("{:?}", self.remote.map(|a| a.to_string())),
            "rules" => format!("{:?}", self.rules),
            column => format!("{:?}", self.number(column)),
        }
    }
}

/// The rows of a batch, as [`Row::shown`] shows them.
pub fn shown(batch: &RecordBatch) -> Vec<Vec<String>> {
    let text = |column: &ArrayRef, row: usize| {
        column.is_valid(row).then(|| column.as_string::<i32>().value(row).to_owned())
    };
    let cell = |column: &ArrayRef, row: usize| match column.data_type() {
        DataType::Utf8 => format!("{:?}", text(column, row)),
        DataType::List(_) => {
            let list = column.is_valid(row).then(|| column.as_list::<i32>().value(row));
            let list = list.map(|list| (0..list.len()).map(|at| text(&list, at)).collect::<Vec<_>>());
            format!("{list:?}")
        }
        DataType::Int32 | DataType::Date32 => {
            let column = cast(column, &DataType::Int32).unwrap();
            let values = column.as_primitive::<Int32Type>();
            format!("{:?}", values.is_valid(row).then(|| i64::from(values.value(row))))
        }
        _ => {
            let column = cast(column, &DataType::Int64).unwrap();
            let values = column.as_primitive::<Int64Type>();
            format!("{:?}", values.is_valid(row).then(|| values.value(row)))
        }
    };
    let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect();
    (0..batch.num_rows()).map(line).collect()
}

/// Rows and the store that holds them.
pub struct Written {
    pub rows: Vec<Row>,
    pub store: Store,
    _directory: tempfile::TempDir,
}

impl Written {
    fn empty() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Place { directory: directory.path().to_owned(), disk: Disk::default(), held: None };
        let store = Store { place, manifest: Manifest::new() };
        Self { rows: Vec::new(), store, _directory: directory }
    }

    /// One file of a day.
    pub fn of(rows: Vec<Row>, group: usize, page: usize, plain: bool) -> Self {
        let mut written = Self::empty();
        written.add(rows, layout(group, page, &mut Dice(0), plain));
        written
    }

    pub fn random(dice: &mut Dice) -> Self {
        let mut written = Self::empty();
        for file in 0..dice.below(5) as u32 {
            let mut rows: Vec<Row> = (0..dice.below(80)).map(|_| Row::random(dice, file / 2)).collect();
            match dice.below(4) {
                0 => rows.sort_by_key(|row| row.remote.map(|a| a.to_string())),
                1 => rows.sort_by_key(|row| (row.interface.clone(), row.start)),
                _ => {}
            }
            let (group, page) = (1 + dice.below(40) as usize, 1 + dice.below(12) as usize);
            written.add(rows, layout(group, page, dice, false));
        }
        written
    }

    /// One more file, after the others.
    pub fn add(&mut self, rows: Vec<Row>, properties: WriterProperties) {
        let day = rows.first().map_or(0, |row| row.day);
        let path = format!("connections/dt={day}/{:05}.parquet", self.store.manifest.connections.files.len());
        let place = self.store.place.directory.join(&path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let file = std::fs::File::create(&place).unwrap();
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let schema = Table::Connections.schema();
        let mut writer = ArrowWriter::try_new_with_options(file, schema, options).unwrap();
        writer.write(&to_batch(&rows)).unwrap();
        writer.close().unwrap();
        let bytes = std::fs::metadata(&place).unwrap().len();
        let file = StoredFile { path, bytes, rows: rows.len() as u64, day: Some(day) };
        self.store.manifest.connections.files.push(file);
        self.rows.extend(rows);
    }

    /// Where a file lies.
    pub fn path(&self, number: usize) -> std::path::PathBuf {
        self.store.path(&self.store.manifest.connections.files[number])
    }
}

/// With and without what may tell where something is.
fn layout(group: usize, page: usize, dice: &mut Dice, plain: bool) -> WriterProperties {
    let statistics = match dice.below(6) {
        0 if !plain => EnabledStatistics::None,
        1 if !plain => EnabledStatistics::Chunk,
        _ => EnabledStatistics::Page,
    };
    let mut builder = WriterProperties::builder()
        .set_max_row_group_row_count(Some(group))
        .set_data_page_row_count_limit(page)
        .set_write_batch_size(page)
        .set_statistics_enabled(statistics)
        .set_offset_index_disabled(!plain && dice.one_in(6))
        .set_compression(match dice.below(3) {
            _ if plain => Compression::UNCOMPRESSED,
            0 => Compression::UNCOMPRESSED,
            1 => Compression::ZSTD(ZstdLevel::default()),
            // One that only the parquet crate reads.
            _ => Compression::SNAPPY,
        });
    if dice.one_in(3) {
        builder = builder.set_column_encoding(ColumnPath::from("start"), Encoding::DELTA_BINARY_PACKED);
        builder = builder.set_column_encoding(ColumnPath::from("bytes_in"), Encoding::DELTA_BINARY_PACKED);
    }
    let rules = ["rules", "list", "item"].map(str::to_owned).to_vec();
    for column in COLUMNS.map(ColumnPath::from).into_iter().chain([ColumnPath::new(rules)]) {
        builder = builder
            .set_column_dictionary_enabled(column.clone(), !plain && !dice.one_in(3))
            .set_column_bloom_filter_enabled(column, plain || dice.one_in(2));
    }
    // So small that some fall back to plain pages in the middle.
    builder.set_dictionary_page_size_limit(if dice.one_in(3) { 40 } else { 4_000 }).build()
}

fn to_batch(rows: &[Row]) -> RecordBatch {
    let mut rules = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.rules.iter().flatten().for_each(|rule| rules.values().append_option(rule.as_deref()));
        rules.append(row.rules.is_some());
    }
    let rules: ArrayRef = Arc::new(rules.finish());
    let text = |of: &dyn Fn(&Row) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let schema = Table::Connections.schema();
    let column = |name: &str, data_type: &DataType| -> ArrayRef {
        match name {
            "interface" => text(&|row| row.interface.clone()),
            "local" => text(&|row| row.local.map(|a| a.to_string())),
            "remote" => text(&|row| row.remote.map(|a| a.to_string())),
            "rules" => Arc::clone(&rules),
            "local_port" => Arc::new(rows.iter().map(|row| row.local_port).collect::<Int32Array>()),
            "protocol" => Arc::new(rows.iter().map(|row| row.protocol).collect::<Int32Array>()),
            "start" => Arc::new(rows.iter().map(|row| row.start).collect::<TimestampMicrosecondArray>()),
            "bytes_in" => Arc::new(rows.iter().map(|row| row.bytes_in).collect::<Int64Array>()),
            _ => new_null_array(data_type, rows.len()),
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.data_type())).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
