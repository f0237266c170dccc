//! Values become numbers in the order in which they are first met.

use std::hash::Hash;

use hashbrown::HashMap;

use super::Dictionary;
use super::narrow::Narrow;

/// A column in the making: each value once, and of each row which one.
#[derive(Debug, Default)]
pub(in crate::store) struct Coder<T> {
    numbers: HashMap<T, u32, foldhash::fast::FixedState>,
    /// As `numbers`, of values that fit 32 bits: so many more of them fit the processor's cache.
    narrow: Narrow,
    /// Of the smallest values, which are most: their number + 1, or 0.
    small: Vec<u32>,
    values: Vec<T>,
    pub codes: Vec<u32>,
    last: Option<(T, u32)>,
}

/// Values below this are looked up in a list.
const SMALL: usize = 1 << 17;

/// Something that a column may hold.
pub(in crate::store) trait Value: Copy + Eq + Hash + Default {
    /// The value as a small number, if it is one.
    fn small(self) -> Option<usize>;
    /// The value as 32 bits that no other value has, if there are such.
    fn narrow(self) -> Option<u32>;
}

impl Value for u64 {
    #[inline]
    fn small(self) -> Option<usize> {
        (self < SMALL as u64).then_some(self as usize)
    }

    #[inline]
    fn narrow(self) -> Option<u32> {
        u32::try_from(self).ok()
    }
}

impl Value for u128 {
    #[inline]
    fn small(self) -> Option<usize> {
        None
    }

    /// Of addresses IPv4 ones.
    #[inline]
    fn narrow(self) -> Option<u32> {
        (self >> 32 == 0xffff).then_some(self as u32)
    }
}

impl<T: Value> Coder<T> {
    /// Adds a row.
    #[inline]
    pub fn push(&mut self, value: T) {
        let code = match self.last {
            Some((last, code)) if last == value => code,
            _ => self.code(value),
        };
        self.last = Some((value, code));
        self.codes.push(code);
    }

    /// Adds so many rows of the same value.
    pub fn push_many(&mut self, value: T, rows: usize) {
        let code = self.code(value);
        self.codes.resize(self.codes.len() + rows, code);
    }

    /// The number of a value.
    #[inline]
    pub fn code(&mut self, value: T) -> u32 {
        let next = self.values.len() as u32;
        if let Some(at) = value.small() {
            if at >= self.small.len() {
                self.small.resize((at + 1).next_power_of_two(), 0);
            }
            if self.small[at] == 0 {
                self.values.push(value);
                self.small[at] = next + 1;
            }
            return self.small[at] - 1;
        }
        let code = match value.narrow() {
            Some(narrow) => self.narrow.code(narrow, next),
            None => *self.numbers.entry(value).or_insert(next),
        };
        if code == next {
            self.values.push(value);
        }
        code
    }

    /// What was met, in the order of the numbers.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// Forgets everything, and keeps the room for it.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.narrow.clear();
        for value in &self.values {
            if let Some(at) = value.small() {
                self.small[at] = 0;
            }
        }
        self.values.clear();
        self.codes.clear();
        self.last = None;
    }
}

impl Coder<u64> {
    /// The values as numbers of so many bytes, each as `of` makes it.
    pub fn dictionary(&self, width: usize, of: impl Fn(u64) -> u64) -> Dictionary {
        let mut bytes = Vec::with_capacity(self.values.len() * width);
        for &value in &self.values {
            bytes.extend_from_slice(&of(value).to_le_bytes()[..width]);
        }
        Dictionary::Fixed { bytes, width }
    }
}

impl Coder<u128> {
    /// Adds rows with these addresses. Sixteen of them are looked up at a time, so that one need not wait for the other.
    pub fn push_addresses(&mut self, addresses: &[[u8; 16]]) {
        self.codes.reserve(addresses.len());
        let (sixteens, rest) = addresses.as_chunks::<16>();
        for sixteen in sixteens {
            let values = sixteen.map(u128::from_be_bytes);
            let narrow = values.map(|value| value as u32);
            if values.iter().any(|value| value.narrow().is_none()) {
                values.iter().for_each(|value| self.push(*value));
                continue;
            }
            let found = self.narrow.find(&narrow);
            for at in 0..16 {
                let code = match found[at].checked_sub(1) {
                    Some(code) => code,
                    None => self.code(values[at]),
                };
                self.codes.push(code);
            }
        }
        self.last = None;
        rest.iter().for_each(|address| self.push(u128::from_be_bytes(*address)));
    }

    /// The values as 16 bytes, big endian.
    pub fn dictionary(&self) -> Dictionary {
        let mut bytes = Vec::with_capacity(self.values.len() * 16);
        self.values.iter().for_each(|value| bytes.extend_from_slice(&value.to_be_bytes()));
        Dictionary::Fixed { bytes, width: 16 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_number_until_it_is_cleared() {
        let mut coder = Coder::<u64>::default();
        for _ in 0..2 {
            for value in [7, 7, 170_000, 0, 7, 131_071, 170_000, u64::MAX, 131_072] {
                coder.push(value);
            }
            coder.push_many(0, 3);
            assert_eq!(coder.codes, [0, 0, 1, 2, 0, 3, 1, 4, 5, 2, 2, 2]);
            assert_eq!(coder.values(), [7, 170_000, 0, 131_071, u64::MAX, 131_072]);
            let Dictionary::Fixed { bytes, width: 4 } = coder.dictionary(4, |value| value) else { panic!() };
            assert_eq!(bytes[4..8], 170_000_u32.to_le_bytes());
            coder.clear();
        }
    }
}
