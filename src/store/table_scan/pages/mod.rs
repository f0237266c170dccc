//! Rows of a column chunk, found by their numbers.
//!
//! The readers of the parquet crate go through a chunk from its begin and make room for each chunk anew; who wants ten rows of each of
//! many row groups waits for that, mostly. Here pages are read that have wanted rows, those that lie side by side at once, and of
//! each only the values of these rows are taken. It knows the forms in which the store writes, and says so of all others, which are the
//! crate's to read.

mod column;
mod delta;
mod gather;
mod header;
mod hybrid;
mod page;
mod pick;

use arrow::error::ArrowError;
use bytes::Bytes;
use parquet::basic::Compression;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::ChunkReader;

use self::column::Column;
use self::header::Header;
use self::page::{Page, Words};
use super::input::Input;

/// Bytes that are read at once, unless a page has more.
const AT_ONCE: usize = 1 << 20;

/// A page may not claim more: it would be damaged.
const LARGEST: usize = 1 << 28;

/// Why something was not read.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It is of a form that is not known here.
    Unknown,
    /// It is damaged, or can't be read.
    Broken(ParquetError),
}

impl From<ParquetError> for Trouble {
    fn from(error: ParquetError) -> Self {
        Self::Broken(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Broken(error.into())
    }
}

impl From<ArrowError> for Trouble {
    fn from(error: ArrowError) -> Self {
        Self::Broken(error.into())
    }
}

fn broken(what: &str) -> Trouble {
    Trouble::Broken(ParquetError::General(what.to_owned()))
}

/// Unpacks pages, one after the other.
#[derive(Default)]
#[expect(clippy::disallowed_types, reason = "what it unpacks into is never larger than a page may be")]
pub(super) struct Unpack {
    zstd: Option<zstd::bulk::Decompressor<'static>>,
    pub numbers: Vec<i64>,
}

impl Unpack {
    /// Of a page with its header: what the header says, and the page.
    fn page(&mut self, bytes: &Bytes, compression: Compression) -> Result<(Header, Bytes), Trouble> {
        let header = Header::read(bytes).ok_or_else(|| broken("a page has no header"))?;
        let end = header.length.checked_add(header.pressed).filter(|end| *end <= bytes.len());
        let end = end.ok_or_else(|| broken("a page is longer than its index says"))?;
        let packed = bytes.slice(header.length..end);
        if compression == Compression::UNCOMPRESSED {
            return Ok((header, packed));
        }
        if header.plain > LARGEST {
            return Err(broken("a page is larger than any is"));
        }
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => {
                #[expect(clippy::disallowed_types, reason = "what it unpacks into has a cap, see above")]
                let new = zstd::bulk::Decompressor::new()?;
                none.insert(new)
            }
        };
        let mut plain = Vec::with_capacity(header.plain);
        zstd.decompress_to_buffer(&packed, &mut plain)?;
        if plain.len() != header.plain {
            return Err(broken("a page has another length than its header says"));
        }
        Ok((header, plain.into()))
    }
}

/// How rows lie in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Required,
    Optional,
    List,
}

/// A column chunk of which pages can be found.
pub(super) struct Chunk<'a> {
    input: &'a Input,
    compression: Compression,
    shape: Shape,
    pages: &'a [PageLocation],
    rows: usize,
    dictionary: Option<(u64, usize)>,
    words: Option<Words>,
}

/// Where a page lies, and its rows.
struct Found {
    place: u64,
    length: usize,
    first: usize,
    end: usize,
}

impl<'a> Chunk<'a> {
    /// A chunk of so many rows.
    pub fn new(
        input: &'a Input,
        chunk: &'a ColumnChunkMetaData,
        pages: &'a [PageLocation],
        rows: usize,
    ) -> Result<Self, Trouble> {
        let column = chunk.column_descr();
        let shape = match (column.max_def_level(), column.max_rep_level()) {
            (0, 0) => Shape::Required,
            (1, 0) => Shape::Optional,
            (3, 1) => Shape::List,
            _ => return Err(Trouble::Unknown),
        };
        let compression = chunk.compression();
        if !matches!(compression, Compression::UNCOMPRESSED | Compression::ZSTD(_)) {
            return Err(Trouble::Unknown);
        }
        let first = pages.first().ok_or(Trouble::Unknown)?.offset;
        let dictionary = match chunk.dictionary_page_offset() {
            Some(from) => {
                let length = first.checked_sub(from).and_then(|length| usize::try_from(length).ok());
                let place = u64::try_from(from).ok().zip(length).filter(|(_, length)| *length > 0);
                Some(place.ok_or_else(|| broken("a dictionary does not lie before its pages"))?)
            }
            None => None,
        };
        Ok(Self { input, compression, shape, pages, rows, dictionary, words: None })
    }

    /// Hands on each page that has some of the rows, which ascend, with these, counted from the page's first.
    fn each_page(
        &mut self,
        rows: &[u32],
        unpack: &mut Unpack,
        mut take: impl FnMut(&Page, Option<&Words>, &[u32], usize, &mut Unpack) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let found = self.find(rows)?;
        let (mut from, mut at) = (0, 0);
        let mut of_page: Vec<u32> = Vec::new();
        while at < found.len() {
            // Neighbours are read at once.
            let begin = found[at].place;
            let (mut length, mut end) = (found[at].length, at + 1);
            while let Some(next) = found.get(end)
                && next.place == begin + length as u64
                && length + next.length <= AT_ONCE
            {
                length += next.length;
                end += 1;
            }
            let bytes = self.input.get_bytes(begin, length)?;
            for page in &found[at..end] {
                let offset = (page.place - begin) as usize;
                let (header, body) =
                    unpack.page(&bytes.slice(offset..offset + page.length), self.compression)?;
                let page_rows = page.end - page.first;
                let count = rows[from..].partition_point(|row| (*row as usize) < page.end);
                of_page.clear();
                of_page.extend(rows[from..from + count].iter().map(|row| row - page.first as u32));
                from += count;
                let body = Page::new(&header, body, self.shape, page_rows)?;
                if body.is_of_words() && self.words.is_none() {
                    self.words = Some(self.read_words(unpack)?);
                }
                take(&body, self.words.as_ref(), &of_page, page.first, unpack)?;
            }
            at = end;
        }
        Ok(())
    }

    /// The dictionary.
    fn read_words(&self, unpack: &mut Unpack) -> Result<Words, Trouble> {
        let (place, length) = self.dictionary.ok_or(Trouble::Unknown)?;
        let bytes = self.input.get_bytes(place, length)?;
        let (header, body) = unpack.page(&bytes, self.compression)?;
        Words::new(&header, body)
    }

    /// Pages that have some of these rows.
    fn find(&self, rows: &[u32]) -> Result<Vec<Found>, Trouble> {
        let mut found = Vec::new();
        let mut at = 0;
        let mut page = 0;
        while let Some(row) = rows.get(at) {
            let row = *row as usize;
            let first = |page: usize| match self.pages.get(page) {
                Some(place) => usize::try_from(place.first_row_index).unwrap_or(usize::MAX).min(self.rows),
                None => self.rows,
            };
            while page < self.pages.len() && first(page + 1) <= row {
                page += 1;
            }
            let place = self.pages.get(page).ok_or_else(|| broken("a row lies in no page"))?;
            let (from, end) = (first(page), first(page + 1));
            if !(from..end).contains(&row) {
                return Err(broken("pages are in disorder"));
            }
            let (Ok(offset), Ok(length)) =
                (u64::try_from(place.offset), usize::try_from(place.compressed_page_size))
            else {
                return Err(broken("a page lies nowhere"));
            };
            found.push(Found { place: offset, length, first: from, end });
            at += rows[at..].partition_point(|row| (*row as usize) < end);
        }
        Ok(found)
    }
}

/// What is of no known form is nothing; what is broken is an error.
pub(super) fn known<T>(read: Result<T, Trouble>) -> ParquetResult<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(Trouble::Unknown) => Ok(None),
        Err(Trouble::Broken(error)) => Err(error),
    }
}
