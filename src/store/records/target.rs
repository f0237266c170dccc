//! Columns on their way into a row group: what encoding each takes is told by its values.
//!
//! Compressed is what becomes much smaller by it: words, which come in patterns, and addresses, most of whose bytes are alike.

use super::waiting::{Names, Runs};
use crate::store::StoreError;
use crate::store::encode::{Bounds, Chunk, Coder, Dictionary, OpenGroup, Shape, Values};

/// Rows of a page: nobody looks for single ones.
const PAGE: usize = 64 * 1024;

/// Where there are more values than this, they are told by how far they are apart: that takes about as much room as places in a
/// long dictionary, is made much faster, and read as fast.
const MANY: usize = 1 << 12;

/// What is needed for a moment, for each column again.
#[derive(Default)]
pub(super) struct Target {
    coder: Coder<u64>,
    numbers: Vec<i64>,
    codes: Vec<u32>,
}

fn write(
    into: &mut OpenGroup<'_>,
    shape: Shape<'_>,
    values: Values<'_>,
    bounds: Bounds<'_>,
    pressed: bool,
) -> Result<(), StoreError> {
    into.column(&Chunk { shape, values, bounds, page: PAGE, indexed: false, bloom: false, pressed })
}

impl Target {
    pub fn runs(&mut self, runs: &mut Runs, into: &mut OpenGroup<'_>) -> Result<(), StoreError> {
        runs.code(&mut self.coder);
        let dictionary = self.coder.dictionary(4, |value| value);
        write(into, Shape::Required, Values::Coded(&dictionary, &self.coder.codes), Bounds::None, true)?;
        self.coder.clear();
        Ok(())
    }

    /// Of one byte each.
    pub fn words(
        &mut self,
        words: &mut Vec<u8>,
        shape: Shape<'_>,
        into: &mut OpenGroup<'_>,
    ) -> Result<(), StoreError> {
        let mut met = [false; 256];
        words.iter().for_each(|word| met[usize::from(*word)] = true);
        let (mut codes, mut all) = ([0; 256], Vec::new());
        for word in (0..=u8::MAX).filter(|word| met[usize::from(*word)]) {
            codes[usize::from(word)] = all.len() as u32 / 4;
            all.extend_from_slice(&u32::from(word).to_le_bytes());
        }
        self.codes.clear();
        self.codes.extend(words.iter().map(|word| codes[usize::from(*word)]));
        let dictionary = Dictionary::Fixed { bytes: all, width: 4 };
        write(into, shape, Values::Coded(&dictionary, &self.codes), Bounds::None, true)?;
        words.clear();
        Ok(())
    }

    pub fn ports(&mut self, ports: &mut Vec<u16>, into: &mut OpenGroup<'_>) -> Result<(), StoreError> {
        self.numbers.clear();
        self.numbers.extend(ports.iter().map(|port| i64::from(*port)));
        ports.clear();
        self.numbers(Shape::Required, 4, false, into)
    }

    /// Packets or bytes.
    pub fn counts(
        &mut self,
        counts: &mut Vec<u64>,
        shape: Shape<'_>,
        into: &mut OpenGroup<'_>,
    ) -> Result<(), StoreError> {
        self.numbers.clear();
        self.numbers.extend(counts.iter().map(|count| *count as i64));
        counts.clear();
        // One that is large makes all of its 32 wide, which compression mends.
        self.numbers(shape, 8, true, into)
    }

    /// Few numbers as codes, others by how far they are apart.
    fn numbers(
        &mut self,
        shape: Shape<'_>,
        width: usize,
        pressed: bool,
        into: &mut OpenGroup<'_>,
    ) -> Result<(), StoreError> {
        for number in &self.numbers {
            self.coder.push(*number as u64);
            if self.coder.values().len() > MANY {
                break;
            }
        }
        if self.coder.values().len() > MANY {
            write(into, shape, Values::Deltas(&self.numbers), Bounds::None, pressed)?;
        } else {
            let dictionary = self.coder.dictionary(width, |value| value);
            write(into, shape, Values::Coded(&dictionary, &self.coder.codes), Bounds::None, false)?;
        }
        self.coder.clear();
        Ok(())
    }
}

/// Whole row groups are passed over by their times.
pub(super) fn times(times: &mut Vec<i64>, into: &mut OpenGroup<'_>) -> Result<(), StoreError> {
    let bounds = match (times.iter().min(), times.iter().max()) {
        (Some(least), Some(most)) => Bounds::Between(*least, *most),
        _ => Bounds::None,
    };
    write(into, Shape::Required, Values::Deltas(times), bounds, false)?;
    times.clear();
    Ok(())
}

pub(super) fn addresses(
    coder: &mut Coder<u128>,
    shape: Shape<'_>,
    into: &mut OpenGroup<'_>,
) -> Result<(), StoreError> {
    write(into, shape, Values::Coded(&coder.dictionary(), &coder.codes), Bounds::None, true)?;
    coder.clear();
    Ok(())
}

pub(super) fn names(names: &mut Names, shape: Shape<'_>, into: &mut OpenGroup<'_>) -> Result<(), StoreError> {
    let dictionary = Dictionary::of(names.texts.iter().map(String::as_str));
    write(into, shape, Values::Coded(&dictionary, &names.codes), Bounds::None, false)?;
    names.clear();
    Ok(())
}
