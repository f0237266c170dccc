//! Growing columns that become arrow arrays without copying.

use std::hash::BuildHasher;
use std::sync::Arc;

use arrow::array::builder::NullBufferBuilder;
use arrow::array::{
    ArrayRef, ArrowPrimitiveType, DictionaryArray, FixedSizeBinaryArray, PrimitiveArray, StringArray,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::UInt32Type;
use arrow::error::ArrowError;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Longest text value in bytes. ARNs reach 2,048 and percent-encoded tags 3,072; the bound keeps a batch
/// of junk small.
pub(super) const MAX_TEXT: usize = 4096;

/// Values of which some may be null.
#[derive(Debug)]
pub(super) struct Nullable<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

impl<T: Default> Nullable<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), nulls: NullBufferBuilder::new(capacity) }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: Option<T>) {
        self.nulls.append(value.is_some());
        self.values.push(value.unwrap_or_default());
    }

    /// Adds values; those that are not valid become null.
    #[inline]
    pub(super) fn extend(
        &mut self,
        values: impl Iterator<Item = T>,
        valid: impl Iterator<Item = bool> + Clone,
    ) {
        let before = self.values.len();
        self.values.extend(values);
        // Counted without stopping at the first null: nearly always there is none.
        let nulls = valid.clone().filter(|valid| !valid).count();
        if nulls == 0 {
            self.nulls.append_n_non_nulls(self.values.len() - before);
            return;
        }
        for (value, valid) in self.values[before..].iter_mut().zip(valid) {
            self.nulls.append(valid);
            if !valid {
                *value = T::default();
            }
        }
    }

    /// Adds values that are all valid.
    #[inline]
    pub(super) fn extend_present(&mut self, values: impl Iterator<Item = T>) {
        let before = self.values.len();
        self.values.extend(values);
        self.nulls.append_n_non_nulls(self.values.len() - before);
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        if rows < self.values.len() {
            self.values.truncate(rows);
            self.nulls.truncate(rows);
        }
    }

    /// Takes the values out and starts over.
    pub(super) fn take(&mut self, capacity: usize) -> (Vec<T>, Option<NullBuffer>) {
        let nulls = std::mem::replace(&mut self.nulls, NullBufferBuilder::new(capacity)).build();
        (std::mem::replace(&mut self.values, Vec::with_capacity(capacity)), nulls)
    }
}

/// Strings numbered in the order of their first appearance.
#[derive(Debug)]
pub(super) struct Dictionary {
    bytes: Vec<u8>,
    ends: Vec<i32>,
    index: HashTable<u32>,
    hasher: RandomState,
    /// The last value asked for: neighbouring rows tend to agree.
    last: u32,
}

/// A text that cannot enter a dictionary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadText {
    NotUtf8,
    TooLong,
}

impl Dictionary {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            ends: vec![0],
            index: HashTable::new(),
            hasher: RandomState::default(),
            last: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// The number of a text, which may be new.
    #[inline]
    pub(super) fn intern(&mut self, text: &[u8]) -> Result<u32, BadText> {
        if (self.last as usize) < self.len() && value(&self.bytes, &self.ends, self.last) == text {
            return Ok(self.last);
        }
        self.find_or_insert(text)
    }

    /// The number of a text, if it has one.
    pub(super) fn find(&self, text: &[u8]) -> Option<u32> {
        self.find_hashed(self.hasher.hash_one(text), text)
    }

    fn find_hashed(&self, hash: u64, text: &[u8]) -> Option<u32> {
        self.index.find(hash, |&key| value(&self.bytes, &self.ends, key) == text).copied()
    }

    fn find_or_insert(&mut self, text: &[u8]) -> Result<u32, BadText> {
        let hash = self.hasher.hash_one(text);
        if let Some(key) = self.find_hashed(hash, text) {
            self.last = key;
            return Ok(key);
        }
        if text.len() > MAX_TEXT {
            return Err(BadText::TooLong);
        }
        std::str::from_utf8(text).map_err(|_| BadText::NotUtf8)?;
        let end = i32::try_from(self.bytes.len() + text.len()).map_err(|_| BadText::TooLong)?;
        let key = u32::try_from(self.len()).map_err(|_| BadText::TooLong)?;
        self.bytes.extend_from_slice(text);
        self.ends.push(end);
        let Self { bytes, ends, index, hasher, .. } = self;
        index.insert_unique(hash, key, |&key| hasher.hash_one(value(bytes, ends, key)));
        self.last = key;
        Ok(key)
    }

    /// Takes the values out and starts over.
    fn take(&mut self) -> Result<StringArray, ArrowError> {
        self.index.clear();
        self.last = 0;
        let ends = std::mem::replace(&mut self.ends, vec![0]);
        let bytes = std::mem::take(&mut self.bytes);
        StringArray::try_new(OffsetBuffer::new(ScalarBuffer::from(ends)), Buffer::from_vec(bytes), None)
    }
}

/// The bytes of value `key`, which the dictionary has.
#[inline]
fn value<'a>(bytes: &'a [u8], ends: &[i32], key: u32) -> &'a [u8] {
    let key = key as usize;
    &bytes[ends[key] as usize..ends[key + 1] as usize]
}

/// A dictionary-encoded column.
#[derive(Debug)]
pub(super) struct TextColumn {
    pub(super) dictionary: Dictionary,
    pub(super) keys: Nullable<u32>,
}

impl TextColumn {
    pub(super) fn new(capacity: usize) -> Self {
        Self { dictionary: Dictionary::new(), keys: Nullable::new(capacity) }
    }

    #[inline]
    pub(super) fn push_key(&mut self, key: Option<u32>) {
        self.keys.push(key);
    }

    pub(super) fn push(&mut self, text: Option<&[u8]>) -> Result<(), BadText> {
        let key = text.map(|text| self.dictionary.intern(text)).transpose()?;
        self.push_key(key);
        Ok(())
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.keys.truncate(rows);
    }

    pub(super) fn take(&mut self, capacity: usize) -> Result<ArrayRef, ArrowError> {
        let (keys, nulls) = self.keys.take(capacity);
        let keys = PrimitiveArray::<UInt32Type>::try_new(ScalarBuffer::from(keys), nulls)?;
        Ok(Arc::new(DictionaryArray::try_new(keys, Arc::new(self.dictionary.take()?))?))
    }
}

/// An array of numbers.
pub(super) fn numbers<T: ArrowPrimitiveType>(
    (values, nulls): (Vec<T::Native>, Option<NullBuffer>),
) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(PrimitiveArray::<T>::try_new(ScalarBuffer::from(values), nulls)?))
}

/// An array of addresses, see [`stored`].
pub(super) fn addresses((values, nulls): (Vec<i128>, Option<NullBuffer>)) -> Result<ArrayRef, ArrowError> {
    Ok(Arc::new(FixedSizeBinaryArray::try_new(16, Buffer::from_vec(values), nulls)?))
}

/// An address such that its bytes in memory are big endian. `i128` because arrow can adopt a vector
/// of that without copying.
#[inline]
pub(super) fn stored(bits: u128) -> i128 {
    i128::from_ne_bytes(bits.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};

    use super::*;

    #[test]
    fn dictionaries_number_by_first_appearance_and_start_over() {
        let mut column = TextColumn::new(4);
        for text in [Some("b"), Some("a"), None, Some("b"), Some("")] {
            column.push(text.map(str::as_bytes)).unwrap();
        }
        column.push(Some(b"gone")).unwrap();
        column.truncate(5);
        let array = column.take(4).unwrap();
        let array = array.as_dictionary::<UInt32Type>();
        assert_eq!(array.keys().iter().collect::<Vec<_>>(), [Some(0), Some(1), None, Some(0), Some(2)]);
        column.push(Some(b"a")).unwrap();
        assert_eq!(column.take(4).unwrap().as_dictionary::<UInt32Type>().values().len(), 1);
    }

    #[test]
    fn texts_that_are_not_texts() {
        let mut dictionary = Dictionary::new();
        assert_eq!(dictionary.intern(b"eni-\xff"), Err(BadText::NotUtf8));
        assert_eq!(dictionary.intern(&[b'x'; MAX_TEXT + 1]), Err(BadText::TooLong));
        assert_eq!(dictionary.len(), 0);
        assert_eq!(dictionary.intern(&[b'x'; MAX_TEXT]), Ok(0));
    }

    #[test]
    fn addresses_are_big_endian() {
        let array = addresses((vec![stored(0xffff_0a00_0001)], None)).unwrap();
        let bytes = array.as_fixed_size_binary().value(0);
        assert_eq!(bytes, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
    }
}
