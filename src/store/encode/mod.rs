//! Columns become chunks of a Parquet file.
//!
//! The writer of the parquet crate is told values, one by one, and finds out which are the same. Here that is known already, for
//! addresses, names and words are numbers long before they are written: so chunks are made of these numbers, a dictionary
//! page and pages of places in it, and handed to the parquet crate as they will lie in the file. Everything else of a file (the
//! schema, footers, indexes, bloom filters) is its own doing.

mod bits;
mod coder;
mod delta;
mod file;
mod hybrid;
mod made;
mod narrow;
mod page;

pub(super) use coder::Coder;
pub(super) use file::{GroupFile, OpenGroup};
pub(super) use made::{GroupMaker, MadeGroup};

use parquet::basic::{BoundaryOrder, Compression, Encoding, PageType, Type, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::statistics::{Statistics, ValueStatistics};
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Level 1: half of what is written is read again soon, and more would cost more than it saves.
pub(super) const LEVEL: i32 = 1;

/// Values of a column, each once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Dictionary {
    /// Numbers or addresses of so many bytes each.
    Fixed { bytes: Vec<u8>, width: usize },
    /// Text, with the length before each, as it lies in files.
    Text { bytes: Vec<u8>, starts: Vec<usize> },
}

impl Default for Dictionary {
    /// Of no text.
    fn default() -> Self {
        Self::Text { bytes: Vec::new(), starts: vec![4] }
    }
}

impl Dictionary {
    /// Of texts.
    pub fn of<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        let mut dictionary = Self::default();
        texts.into_iter().for_each(|text| dictionary.push(text.as_bytes()));
        dictionary
    }

    /// Adds a text, or a number of the width that all have.
    pub fn push(&mut self, value: &[u8]) {
        match self {
            Self::Fixed { bytes, .. } => bytes.extend_from_slice(value),
            Self::Text { bytes, starts } => {
                bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
                bytes.extend_from_slice(value);
                starts.push(bytes.len() + 4);
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Fixed { bytes, .. } | Self::Text { bytes, .. } => bytes,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Fixed { bytes, width } => bytes.len() / width,
            Self::Text { starts, .. } => starts.len() - 1,
        }
    }

    /// A value as it lies in files.
    fn plain(&self, code: u32) -> &[u8] {
        let at = code as usize;
        match self {
            Self::Fixed { bytes, width } => &bytes[at * width..(at + 1) * width],
            Self::Text { bytes, starts } => &bytes[starts[at] - 4..starts[at + 1] - 4],
        }
    }

    fn value(&self, code: u32) -> &[u8] {
        let at = code as usize;
        match self {
            Self::Fixed { bytes, width } => &bytes[at * width..(at + 1) * width],
            Self::Text { bytes, starts } => &bytes[starts[at]..starts[at + 1] - 4],
        }
    }
}

/// The values of a chunk that are there.
#[derive(Clone, Copy)]
pub(super) enum Values<'a> {
    /// Places in a dictionary, which is written once.
    Coded(&'a Dictionary, &'a [u32]),
    /// As [`Values::Coded`], but what is at these places is written each time: whoever reads a page needs nothing else.
    Spread(&'a Dictionary, &'a [u32]),
    /// Numbers of so many bytes.
    Numbers(usize, &'a [i64]),
    /// Numbers by how far they are from one to the next.
    Deltas(&'a [i64]),
    Flags(&'a [bool]),
}

impl<'a> Values<'a> {
    fn dictionary(&self) -> Option<&'a Dictionary> {
        match self {
            Self::Coded(dictionary, _) | Self::Spread(dictionary, _) => Some(dictionary),
            _ => None,
        }
    }

    fn encoding(&self) -> Encoding {
        match self {
            Self::Coded(..) => Encoding::RLE_DICTIONARY,
            Self::Deltas(_) => Encoding::DELTA_BINARY_PACKED,
            _ => Encoding::PLAIN,
        }
    }
}

/// How values make up rows.
#[derive(Clone, Copy)]
pub(super) enum Shape<'a> {
    /// One in each row, of a column that can hold nothing else.
    Required,
    /// One in each row that it is there for; without a list in every one.
    Optional(Option<&'a [bool]>),
    /// So many in each row.
    List(&'a [u32]),
}

/// What is told of the least and the greatest value.
#[derive(Clone, Copy)]
pub(super) enum Bounds<'a> {
    /// Nothing.
    None,
    /// The dictionary is sorted.
    Sorted,
    /// Of these numbers, one a row.
    Numbers(&'a [i64]),
    /// Of all rows.
    Between(i64, i64),
    /// Of each page.
    Pages(&'a [(Vec<u8>, Vec<u8>)]),
}

/// A column of a row group.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub shape: Shape<'a>,
    pub values: Values<'a>,
    pub bounds: Bounds<'a>,
    /// Rows of a page.
    pub page: usize,
    /// Pages are indexed.
    pub indexed: bool,
    /// The dictionary goes into a bloom filter.
    pub bloom: bool,
    /// Pages are compressed.
    pub pressed: bool,
}

/// Compresses pages, one after the other.
pub(super) struct Press(zstd::bulk::Compressor<'static>);

impl Press {
    pub fn new() -> Result<Self, ParquetError> {
        Ok(Self(zstd::bulk::Compressor::new(LEVEL)?))
    }

    fn press(&mut self, bytes: &[u8], pressed: bool) -> Result<bytes::Bytes, ParquetError> {
        Ok(if pressed { self.0.compress(bytes)?.into() } else { bytes::Bytes::copy_from_slice(bytes) })
    }
}

/// Least and greatest, as they lie in indexes.
type Range = Option<(Vec<u8>, Vec<u8>)>;

impl Chunk<'_> {
    /// Makes the chunk: its bytes, and what is to be told of it.
    pub fn encode(
        &self,
        column: &ColumnDescPtr,
        rows: usize,
        press: &mut Press,
    ) -> Result<(bytes::Bytes, ColumnCloseResult), ParquetError> {
        let mut sink = TrackedWrite::new(Vec::new());
        let mut sums = Sums::of(self.values.encoding());
        let mut told = Told::new(column);
        let mut writer = SerializedPageWriter::new(&mut sink);
        if let Values::Coded(dictionary, _) = self.values {
            let page = Page::DictionaryPage {
                buf: press.press(dictionary.bytes(), self.pressed)?,
                num_values: dictionary.len() as u32,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            let spec = writer.write_page(CompressedPage::new(page, dictionary.bytes().len()))?;
            sums.dictionary = Some(spec.offset as i64);
            sums.add(&spec);
        }
        let mut bytes = Vec::new();
        let mut from = page::Place::default();
        while from.row < rows {
            let to = self.shape.page_end(from, rows.min(from.row + self.page));
            bytes.clear();
            let levels = self.shape.levels(from, to, &mut bytes);
            self.values.encode(from.value..to.value, &mut bytes);
            let page = Page::DataPage {
                buf: press.press(&bytes, self.pressed)?,
                num_values: levels as u32,
                encoding: sums.encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            };
            let spec = writer.write_page(CompressedPage::new(page, bytes.len()))?;
            sums.data.get_or_insert(spec.offset as i64);
            sums.pages += 1;
            sums.values += levels;
            sums.add(&spec);
            let nulls = levels - (to.value - from.value);
            told.page(self.range(column, from, to), nulls, to.row - from.row, &spec);
            from = to;
        }
        writer.close()?;
        let bytes = bytes::Bytes::from(sink.into_inner()?);
        let close = self.close(column, rows, &sums, told)?;
        Ok((bytes, close))
    }

    /// The least and the greatest value of some rows.
    fn range(&self, column: &ColumnDescPtr, from: page::Place, to: page::Place) -> Range {
        match (self.bounds, self.values) {
            (Bounds::None, _) => None,
            (Bounds::Numbers(numbers), _) => {
                let of_page = numbers.get(from.row..to.row)?;
                Some(between(column, *of_page.iter().min()?, *of_page.iter().max()?))
            }
            (Bounds::Between(least, most), _) => Some(between(column, least, most)),
            (Bounds::Pages(pages), _) => pages.get(from.row / self.page).cloned(),
            (Bounds::Sorted, Values::Coded(dictionary, codes) | Values::Spread(dictionary, codes)) => {
                let of_page = codes.get(from.value..to.value)?;
                let (least, most) = (of_page.iter().min()?, of_page.iter().max()?);
                Some((dictionary.value(*least).to_vec(), dictionary.value(*most).to_vec()))
            }
            (Bounds::Sorted, Values::Flags(flags)) => {
                let of_page = flags.get(from.value..to.value)?;
                let (least, most) = (of_page.iter().min()?, of_page.iter().max()?);
                Some((vec![u8::from(*least)], vec![u8::from(*most)]))
            }
            (Bounds::Sorted, Values::Numbers(..) | Values::Deltas(_)) => None,
        }
    }

    fn close(
        &self,
        column: &ColumnDescPtr,
        rows: usize,
        sums: &Sums,
        mut told: Told,
    ) -> Result<ColumnCloseResult, ParquetError> {
        let stats = |page_type, encoding, count| PageEncodingStats { page_type, encoding, count };
        let mut pages = vec![stats(PageType::DATA_PAGE, sums.encoding, sums.pages)];
        if sums.dictionary.is_some() {
            pages.insert(0, stats(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1));
        }
        let mut encodings = vec![Encoding::RLE, sums.encoding];
        encodings.extend(sums.dictionary.map(|_| Encoding::PLAIN));
        let mut metadata = ColumnChunkMetaData::builder(column.clone())
            .set_compression(match self.pressed {
                true => Compression::ZSTD(ZstdLevel::try_new(LEVEL)?),
                false => Compression::UNCOMPRESSED,
            })
            .set_encodings(encodings)
            .set_page_encoding_stats(pages)
            .set_total_compressed_size(sums.compressed as i64)
            .set_total_uncompressed_size(sums.uncompressed as i64)
            .set_num_values(sums.values as i64)
            .set_data_page_offset(sums.data.unwrap_or(0))
            .set_dictionary_page_offset(sums.dictionary);
        if !matches!(self.bounds, Bounds::None) {
            metadata = metadata.set_statistics(told.statistics(column));
        }
        let bloom_filter = match self.values.dictionary() {
            Some(dictionary) if self.bloom => Some(bloom(dictionary)?),
            _ => None,
        };
        Ok(ColumnCloseResult {
            bytes_written: sums.compressed,
            rows_written: rows as u64,
            metadata: metadata.build()?,
            bloom_filter,
            column_index: self.indexed.then(|| told.column_index(column)).transpose()?,
            offset_index: self.indexed.then(|| told.offsets.build()),
        })
    }
}

fn between(column: &ColumnDescPtr, least: i64, most: i64) -> (Vec<u8>, Vec<u8>) {
    let width = if column.physical_type() == Type::INT32 { 4 } else { 8 };
    (least.to_le_bytes()[..width].to_vec(), most.to_le_bytes()[..width].to_vec())
}

/// One in a hundred row groups is read in vain.
const FALSE_HITS: f64 = 0.01;

fn bloom(dictionary: &Dictionary) -> Result<Sbbf, ParquetError> {
    let mut filter = Sbbf::new_with_ndv_fpp(dictionary.len().max(1) as u64, FALSE_HITS)?;
    for code in 0..dictionary.len() as u32 {
        filter.insert(dictionary.value(code));
    }
    Ok(filter)
}

struct Sums {
    dictionary: Option<i64>,
    data: Option<i64>,
    encoding: Encoding,
    pages: i32,
    values: usize,
    compressed: u64,
    uncompressed: u64,
}

impl Sums {
    fn of(encoding: Encoding) -> Self {
        Self { dictionary: None, data: None, encoding, pages: 0, values: 0, compressed: 0, uncompressed: 0 }
    }

    fn add(&mut self, spec: &PageWriteSpec) {
        self.compressed += spec.bytes_written;
        self.uncompressed += spec.uncompressed_size as u64;
    }
}

/// What is told of the pages.
struct Told {
    index: ColumnIndexBuilder,
    offsets: OffsetIndexBuilder,
    least: Vec<Vec<u8>>,
    most: Vec<Vec<u8>>,
    nulls: u64,
}

impl Told {
    fn new(column: &ColumnDescPtr) -> Self {
        Self {
            index: ColumnIndexBuilder::new(column.physical_type()),
            offsets: OffsetIndexBuilder::new(),
            least: Vec::new(),
            most: Vec::new(),
            nulls: 0,
        }
    }

    fn page(&mut self, range: Range, nulls: usize, rows: usize, spec: &PageWriteSpec) {
        self.nulls += nulls as u64;
        let (least, most) = range.clone().unwrap_or_default();
        self.index.append(range.is_none(), least, most, nulls as i64, None);
        if let Some((least, most)) = range {
            self.least.push(least);
            self.most.push(most);
        }
        self.offsets.append_offset_and_size(spec.offset as i64, spec.compressed_size as i32);
        self.offsets.append_row_count(rows as i64);
    }

    fn statistics(&self, column: &ColumnDescPtr) -> Statistics {
        let order = |a: &&Vec<u8>, b: &&Vec<u8>| compare(column, a, b);
        let (least, most) = (self.least.iter().min_by(order), self.most.iter().max_by(order));
        let nulls = Some(self.nulls);
        match column.physical_type() {
            Type::INT32 => {
                let number = |bytes: &Vec<u8>| number(bytes) as i32;
                let of = ValueStatistics::new(least.map(number), most.map(number), None, nulls, false);
                Statistics::Int32(of.with_backwards_compatible_min_max(true))
            }
            Type::INT64 => {
                let number = |bytes: &Vec<u8>| number(bytes);
                let of = ValueStatistics::new(least.map(number), most.map(number), None, nulls, false);
                Statistics::Int64(of.with_backwards_compatible_min_max(true))
            }
            Type::BOOLEAN => {
                let flag = |bytes: &Vec<u8>| bytes.first().is_some_and(|byte| *byte > 0);
                let of = ValueStatistics::new(least.map(flag), most.map(flag), None, nulls, false);
                Statistics::Boolean(of)
            }
            _ => {
                let text = |bytes: &Vec<u8>| ByteArray::from(bytes.clone());
                Statistics::ByteArray(ValueStatistics::new(
                    least.map(text),
                    most.map(text),
                    None,
                    nulls,
                    false,
                ))
            }
        }
    }

    /// The index of the pages; told that they ascend where they do, so that readers may search.
    fn column_index(&mut self, column: &ColumnDescPtr) -> Result<ColumnIndexMetaData, ParquetError> {
        let ascends = |values: &[Vec<u8>]| values.is_sorted_by(|a, b| compare(column, a, b).is_le());
        let order = match ascends(&self.least) && ascends(&self.most) {
            true => BoundaryOrder::ASCENDING,
            false => BoundaryOrder::UNORDERED,
        };
        let mut index = std::mem::replace(&mut self.index, ColumnIndexBuilder::new(column.physical_type()));
        index.set_boundary_order(order);
        index.build()
    }
}

fn number(bytes: &[u8]) -> i64 {
    let mut number = [0; 8];
    let width = bytes.len().min(8);
    number[..width].copy_from_slice(&bytes[..width]);
    let number = i64::from_le_bytes(number);
    if width == 4 { i64::from(number as i32) } else { number }
}

/// In the order of the column's type.
fn compare(column: &ColumnDescPtr, a: &[u8], b: &[u8]) -> std::cmp::Ordering {
    match column.physical_type() {
        Type::INT32 | Type::INT64 => number(a).cmp(&number(b)),
        _ => a.cmp(b),
    }
}

#[cfg(test)]
mod tests;
