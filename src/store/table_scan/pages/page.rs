//! A page: where the values of rows are, and values by where they are.

use bytes::Bytes;

use super::header::Header;
use super::hybrid::Hybrid;
use super::{Shape, Trouble, broken};

/// How values of a page are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Plain,
    /// Places in the chunk's dictionary.
    Words,
    Delta,
}

/// A page as it was before it was compressed.
#[derive(Debug)]
pub(super) struct Page {
    body: Bytes,
    pub form: Form,
    pub shape: Shape,
    rows: usize,
    /// Places for values: of lists at least one a row.
    values: usize,
    /// Where levels are, and where values begin.
    levels: [(usize, usize); 2],
    begin: usize,
}

/// Instead of a place: there is no value.
pub(super) const NULL: u32 = u32::MAX;

/// Where the values of some rows are among those of the page.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// [`NULL`] for one that is not there. These ascend.
    pub values: Vec<u32>,
    /// Of lists, how many each has; `None` for a list that is not there.
    pub lengths: Vec<Option<u32>>,
}

impl Page {
    pub fn new(header: &Header, body: Bytes, shape: Shape, rows: usize) -> Result<Self, Trouble> {
        const RLE: i64 = 3;
        let form = match (header.kind, header.encoding) {
            (Header::DATA, 0) => Form::Plain,
            // The one of before and that of today.
            (Header::DATA, 2 | 8) => Form::Words,
            (Header::DATA, 5) => Form::Delta,
            _ => return Err(Trouble::Unknown),
        };
        let mut page = Self { body, form, shape, rows, values: header.values, levels: [(0, 0); 2], begin: 0 };
        let count = match shape {
            Shape::Required => 0,
            Shape::Optional => 1,
            Shape::List => 2,
        };
        if count > 0 && header.levels != [RLE; 2] {
            return Err(Trouble::Unknown);
        }
        for level in &mut page.levels[..count] {
            let length = page.body[page.begin..].first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
            let from = page.begin + 4;
            let end = length.and_then(|length| from.checked_add(length as usize));
            let end = end.filter(|end| *end <= page.body.len());
            let end = end.ok_or_else(|| broken("levels are longer than their page"))?;
            *level = (from, end);
            page.begin = end;
        }
        if header.values < rows || (shape != Shape::List && header.values != rows) {
            return Err(broken("a page has other rows than its index says"));
        }
        Ok(page)
    }

    pub fn is_of_words(&self) -> bool {
        self.form == Form::Words
    }

    /// The values that are there.
    pub(super) fn body(&self) -> &[u8] {
        &self.body[self.begin..]
    }

    /// Places in the dictionary.
    pub(super) fn codes(&self) -> Result<Hybrid<'_>, Trouble> {
        // Where all are null there may be nothing at all.
        let (width, codes) = self.body().split_first().unwrap_or((&0, &[]));
        Hybrid::new(codes, u32::from(*width)).ok_or_else(|| broken("words are too many"))
    }

    fn level(&self, number: usize, width: u32) -> Result<Hybrid<'_>, Trouble> {
        let (from, end) = self.levels[number];
        Hybrid::new(&self.body[from..end], width).ok_or_else(|| broken("levels are too wide"))
    }

    /// The values are those of the rows, one each.
    fn is_even(&self) -> Result<bool, Trouble> {
        Ok(match self.shape {
            Shape::Required => true,
            Shape::Optional => self.level(0, 1)?.all(self.rows) == Some(1),
            Shape::List => {
                self.values == self.rows
                    && self.level(0, 1)?.all(self.rows) == Some(0)
                    && self.level(1, 2)?.all(self.rows) == Some(3)
            }
        })
    }

    /// Where the values of these rows are.
    pub(super) fn places(&self, rows: &[u32], into: &mut Places) -> Result<(), Trouble> {
        let short = || broken("a page has too few levels");
        into.values.clear();
        into.lengths.clear();
        if self.is_even()? {
            into.values.extend_from_slice(rows);
            if self.shape == Shape::List {
                into.lengths.resize(rows.len(), Some(1));
            }
            return Ok(());
        }
        if self.shape == Shape::Optional {
            let mut there = self.level(0, 1)?;
            let (mut at, mut values) = (0, 0);
            for &row in rows {
                while at < row {
                    values += there.at(at as usize).ok_or_else(short)?;
                    at += 1;
                }
                let is = there.at(row as usize).ok_or_else(short)? == 1;
                into.values.push(if is { values } else { NULL });
            }
            return Ok(());
        }
        let (mut repeated, mut defined) = (self.level(0, 1)?, self.level(1, 2)?);
        let (mut begun, mut value, mut wanted) = (0_u32, 0_u32, rows.iter().copied().peekable());
        let mut taking = false;
        for at in 0..self.values {
            if repeated.at(at).ok_or_else(short)? == 0 {
                taking = wanted.next_if_eq(&begun).is_some();
                if taking {
                    into.lengths.push(None);
                } else if wanted.peek().is_none() {
                    break;
                }
                begun += 1;
            }
            let there = defined.at(at).ok_or_else(short)?;
            if taking && let Some(length) = into.lengths.last_mut() {
                match there {
                    0 => {}
                    1 => *length = Some(0),
                    level => {
                        *length = Some(length.unwrap_or(0) + 1);
                        into.values.push(if level == 3 { value } else { NULL });
                    }
                }
            }
            value += u32::from(there == 3);
        }
        if into.lengths.len() == rows.len() { Ok(()) } else { Err(short()) }
    }
}

/// The words of a chunk: a dictionary.
#[derive(Debug)]
pub(super) struct Words {
    bytes: Bytes,
    count: usize,
    /// Of texts, where each ends.
    texts: std::cell::OnceCell<Option<Vec<u32>>>,
}

impl Words {
    pub fn new(header: &Header, bytes: Bytes) -> Result<Self, Trouble> {
        if header.kind != Header::DICTIONARY || !matches!(header.encoding, 0 | 2) {
            return Err(Trouble::Unknown);
        }
        Ok(Self { bytes, count: header.values, texts: std::cell::OnceCell::new() })
    }

    /// As they lie in the file.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn ends(&self) -> Result<&[u32], Trouble> {
        let ends = self.texts.get_or_init(|| {
            let mut ends = Vec::new();
            let mut at = 0;
            for _ in 0..self.count {
                let length = self.bytes.get(at..)?.first_chunk::<4>()?;
                at = (at + 4).checked_add(u32::from_le_bytes(*length) as usize)?;
                ends.push(u32::try_from(at).ok().filter(|_| at <= self.bytes.len())?);
            }
            Some(ends)
        });
        ends.as_deref().ok_or_else(|| broken("a dictionary ends too early"))
    }

    /// All of them, as texts.
    pub fn texts(&self) -> Result<Vec<&str>, Trouble> {
        (0..self.ends()?.len() as u32).map(|code| self.text(code)).collect()
    }

    pub(super) fn text(&self, code: u32) -> Result<&str, Trouble> {
        let (ends, at) = (self.ends()?, code as usize);
        let end = *ends.get(at).ok_or_else(|| broken("a word is in no dictionary"))? as usize;
        let begin = if at == 0 { 0 } else { ends[at - 1] as usize };
        text(&self.bytes[begin + 4..end])
    }
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, Trouble> {
    std::str::from_utf8(bytes).map_err(|_| broken("a text is no UTF-8"))
}
