//! Numbers of values of 32 bits. There are many lookups and few values: so a slot is value and number in one word, and what was
//! looked up is mostly found in the first one.

/// A table with open addressing, of which at most half is in use.
#[derive(Debug, Default)]
pub(super) struct Narrow {
    /// The value above, its number + 1 below, or 0.
    slots: Vec<u64>,
    used: usize,
}

/// Slots of the first table.
const FIRST: usize = 1 << 10;

impl Narrow {
    /// The number of a value, which is `next` if it is new.
    #[inline]
    pub fn code(&mut self, value: u32, next: u32) -> u32 {
        if self.used * 8 >= self.slots.len() * 5 {
            self.grow();
        }
        let at = place(&self.slots, value);
        match self.slots[at] as u32 {
            0 => {
                self.slots[at] = u64::from(value) << 32 | u64::from(next + 1);
                self.used += 1;
                next
            }
            number => number - 1,
        }
    }

    /// The numbers of some values + 1, or 0 of those that are not found at once.
    #[inline]
    pub fn find<const N: usize>(&self, values: &[u32; N]) -> [u32; N] {
        if self.slots.is_empty() {
            return [0; N];
        }
        values.map(|value| {
            let slot = self.slots[first(&self.slots, value)];
            if (slot >> 32) as u32 == value { slot as u32 } else { 0 }
        })
    }

    #[cold]
    fn grow(&mut self) {
        let slots = vec![0; (self.slots.len() * 2).max(FIRST)];
        for slot in std::mem::replace(&mut self.slots, slots) {
            if slot != 0 {
                let at = place(&self.slots, (slot >> 32) as u32);
                self.slots[at] = slot;
            }
        }
    }

    pub fn clear(&mut self) {
        if self.used > 0 {
            self.slots.fill(0);
            self.used = 0;
        }
    }
}

/// Where the value is looked for at first.
#[inline]
fn first(slots: &[u64], value: u32) -> usize {
    // Both halves of the product, so that every bit of the value counts.
    let product = u128::from(value) * 0x9e37_79b9_7f4a_7c15;
    ((product >> 64) ^ product) as usize & (slots.len() - 1)
}

/// Where the value is, or may be put.
#[inline]
fn place(slots: &[u64], value: u32) -> usize {
    let mut at = first(slots, value);
    while slots[at] as u32 != 0 && (slots[at] >> 32) as u32 != value {
        at = (at + 1) & (slots.len() - 1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_one_number_however_many_there_are() {
        let mut table = Narrow::default();
        for _ in 0..2 {
            assert_eq!(table.find(&[0, 1, u32::MAX]), [0; 3]);
            let values = (0..3000_u32).map(|at| at.wrapping_mul(0x0100_0001)).chain([u32::MAX, 3000]);
            for (number, value) in (0..).zip(values.clone()) {
                assert_eq!(table.code(value, number), number);
            }
            for (number, value) in (0..).zip(values) {
                assert_eq!(table.code(value, 9999), number);
                assert!([0, number + 1].contains(&table.find(&[value])[0]));
            }
            table.clear();
        }
    }
}
