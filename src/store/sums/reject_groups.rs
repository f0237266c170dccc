//! Rows of the table `rejects` become row groups.
//!
//! There are about as many as rejected connections, so they are not told to the writer value by value: names and words
//! are numbers already, and addresses become text here and nowhere before.

use super::super::address::Text;
use super::super::columns::PAGE;
use super::super::encode::{Bounds, Chunk, Coder, Dictionary, GroupMaker, MadeGroup, Shape, Values};
use super::super::{StoreError, Table};
use super::Sheet;
use super::rejects::{DIRECTIONS, RejectRow};

/// Makes row groups, one after the other.
pub(super) struct RejectGroups<'a> {
    maker: GroupMaker,
    coder: Coder<u64>,
    sheet: &'a Sheet,
}

impl<'a> RejectGroups<'a> {
    pub fn new(sheet: &'a Sheet) -> Result<Self, StoreError> {
        let maker = GroupMaker::new(&Table::Rejects.schema(), Table::Rejects.name())?;
        Ok(Self { maker, coder: Coder::default(), sheet })
    }

    /// Makes one, with the columns in the order of [`Table::columns`].
    pub fn make(&mut self, rows: &[RejectRow]) -> Result<MadeGroup, StoreError> {
        self.maker.begin(rows.len());
        let outcomes = self.sheet.outcomes();
        let verdicts: Vec<Option<&str>> = outcomes.iter().map(|(verdict, _)| Some(*verdict)).collect();
        let reasons: Vec<Option<&str>> = outcomes.iter().map(|(_, reason)| Some(*reason)).collect();
        let of_outcome = || rows.iter().map(|row| usize::from(row.what.outcome()));
        self.numbers(8, rows.iter().map(|row| (row.what.start() * 1_000_000) as u64), true)?;
        self.interfaces(rows)?;
        self.words(&DIRECTIONS, rows.iter().map(|row| row.what.direction()))?;
        self.numbers(4, rows.iter().map(|row| u64::from(row.what.protocol())), false)?;
        self.ports(rows)?;
        self.words(&verdicts, of_outcome())?;
        self.words(&reasons, of_outcome())?;
        self.numbers(8, rows.iter().map(|row| row.attempts), true)?;
        self.numbers(8, rows.iter().map(|row| row.packets), true)?;
        self.numbers(8, rows.iter().map(|row| row.remotes), true)?;
        self.tops(rows)?;
        self.numbers(8, rows.iter().map(|row| row.top.1), true)?;
        Ok(self.maker.end())
    }

    /// Of few values.
    fn numbers(
        &mut self,
        width: usize,
        values: impl Iterator<Item = u64>,
        pressed: bool,
    ) -> Result<(), StoreError> {
        self.coder.clear();
        let mut numbers = Vec::with_capacity(values.size_hint().0);
        for value in values {
            let number = i64::try_from(value).unwrap_or(i64::MAX);
            numbers.push(number);
            self.coder.push(number as u64);
        }
        let dictionary = self.coder.dictionary(width, |value| value);
        self.maker.column(&Chunk {
            shape: Shape::Optional(None),
            values: Values::Coded(&dictionary, &self.coder.codes),
            bounds: Bounds::Numbers(&numbers),
            page: PAGE,
            indexed: true,
            bloom: false,
            pressed,
        })
    }

    /// What a sorted dictionary holds; nothing where it is not `there`.
    fn sorted(&mut self, dictionary: &Dictionary, codes: &[u32], there: &[bool]) -> Result<(), StoreError> {
        self.maker.column(&Chunk {
            shape: Shape::Optional((codes.len() < there.len()).then_some(there)),
            values: Values::Coded(dictionary, codes),
            bounds: Bounds::Sorted,
            page: PAGE,
            indexed: true,
            bloom: false,
            pressed: false,
        })
    }

    /// Rows come in the order of their interfaces.
    fn interfaces(&mut self, rows: &[RejectRow]) -> Result<(), StoreError> {
        let Sheet { interfaces, names, .. } = self.sheet;
        let mut dictionary = Dictionary::default();
        let (mut codes, mut there) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        let mut code = 0;
        for of_one in rows.chunk_by(|a, b| a.what.interface() == b.what.interface()) {
            let number = interfaces.number(of_one[0].what.interface()) as usize;
            let id = names.interfaces.get(number).map(|(id, _)| id);
            there.resize(there.len() + of_one.len(), id.is_some());
            if let Some(id) = id {
                codes.resize(codes.len() + of_one.len(), code);
                dictionary.push(id.as_bytes());
                code += 1;
            }
        }
        self.sorted(&dictionary, &codes, &there)
    }

    /// Of a few texts, which are told by their places among them.
    fn words(
        &mut self,
        texts: &[Option<&str>],
        places: impl Iterator<Item = usize> + Clone,
    ) -> Result<(), StoreError> {
        let mut used = vec![false; texts.len()];
        places.clone().for_each(|place| used[place] = true);
        let mut sorted: Vec<&str> =
            texts.iter().zip(used).filter(|(_, used)| *used).filter_map(|(text, _)| *text).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let code = |text: &str| sorted.partition_point(|other| *other < text) as u32;
        let codes: Vec<Option<u32>> = texts.iter().map(|text| text.map(code)).collect();
        let there: Vec<bool> = places.clone().map(|place| codes[place].is_some()).collect();
        let codes: Vec<u32> = places.filter_map(|place| codes[place]).collect();
        self.sorted(&Dictionary::of(sorted), &codes, &there)
    }

    fn ports(&mut self, rows: &[RejectRow]) -> Result<(), StoreError> {
        let there: Vec<bool> = rows.iter().map(|row| DIRECTIONS[row.what.direction()].is_some()).collect();
        let ports = || rows.iter().zip(&there).filter(|(_, there)| **there).map(|(row, _)| row.what.port());
        let mut codes = vec![0_u32; 1 << 16];
        ports().for_each(|port| codes[usize::from(port)] = 1);
        let mut bytes = Vec::new();
        for (port, code) in (0_u32..).zip(&mut codes).filter(|(_, code)| **code > 0) {
            *code = (bytes.len() / 4) as u32;
            bytes.extend_from_slice(&port.to_le_bytes());
        }
        let codes: Vec<u32> = ports().map(|port| codes[usize::from(port)]).collect();
        self.sorted(&Dictionary::Fixed { bytes, width: 4 }, &codes, &there)
    }

    /// Nearly every row has another one.
    fn tops(&mut self, rows: &[RejectRow]) -> Result<(), StoreError> {
        let mut texts = Dictionary::default();
        let mut bounds = Vec::new();
        for page in rows.chunks(PAGE) {
            let mut of_page: Option<(Text, Text)> = None;
            for row in page {
                let text = Text::of(row.top.0);
                texts.push(text.bytes());
                match &mut of_page {
                    Some((least, _)) if text < *least => *least = text,
                    Some((_, most)) if text > *most => *most = text,
                    Some(_) => {}
                    none => *none = Some((text.clone(), text)),
                }
            }
            bounds.extend(of_page.map(|(least, most)| (least.bytes().to_vec(), most.bytes().to_vec())));
        }
        let places: Vec<u32> = (0..rows.len() as u32).collect();
        self.maker.column(&Chunk {
            shape: Shape::Optional(None),
            values: Values::Spread(&texts, &places),
            bounds: Bounds::Pages(&bounds),
            page: PAGE,
            indexed: true,
            bloom: false,
            pressed: true,
        })
    }
}
