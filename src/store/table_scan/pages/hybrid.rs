//! Small numbers as Parquet packs them, asked at some places only: within a run each is found by where it must lie.

/// Numbers of so many bits, which are asked from the first on.
#[derive(Clone, Debug)]
pub(super) struct Hybrid<'b> {
    rest: &'b [u8],
    width: u32,
    run: Run<'b>,
    /// Places that the run has.
    from: usize,
    to: usize,
}

#[derive(Clone, Copy, Debug)]
enum Run<'b> {
    Same(u32),
    Packed(&'b [u8]),
}

impl<'b> Hybrid<'b> {
    pub fn new(bytes: &'b [u8], width: u32) -> Option<Self> {
        (width <= 32).then_some(Self { rest: bytes, width, run: Run::Same(0), from: 0, to: 0 })
    }

    /// The number at a place, which is not before one that was asked.
    #[inline]
    pub fn at(&mut self, place: usize) -> Option<u32> {
        while place >= self.to {
            self.next_run()?;
        }
        match self.run {
            Run::Same(number) => Some(number),
            Run::Packed(bytes) => bits(bytes, (place - self.from) * self.width as usize, self.width),
        }
    }

    /// The number that all of the first so many are.
    pub fn all(&self, count: usize) -> Option<u32> {
        let mut first = self.clone();
        first.at(0)?;
        match first.run {
            Run::Same(number) if first.to >= count => Some(number),
            _ => None,
        }
    }

    fn next_run(&mut self) -> Option<()> {
        let mut header = 0_u64;
        let mut shift = 0;
        loop {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            header |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
            if shift > 56 {
                return None;
            }
        }
        let many = usize::try_from(header >> 1).ok()?;
        let (run, count) = if header & 1 == 1 {
            // The last one may be cut short.
            let length = many.checked_mul(self.width as usize)?.min(self.rest.len());
            let (packed, rest) = self.rest.split_at(length);
            self.rest = rest;
            (Run::Packed(packed), many.checked_mul(8)?)
        } else {
            let (value, rest) = self.rest.split_at_checked(self.width.div_ceil(8) as usize)?;
            self.rest = rest;
            (Run::Same(value.iter().rev().fold(0, |sum, byte| (sum << 8) | u32::from(*byte))), many)
        };
        (self.run, self.from, self.to) = (run, self.to, self.to.checked_add(count)?);
        Some(())
    }
}

#[inline]
fn bits(bytes: &[u8], bit: usize, width: u32) -> Option<u32> {
    let (byte, shift) = (bit / 8, bit % 8);
    let mask = (1_u64 << width) - 1;
    if let Some(eight) = bytes.get(byte..).and_then(|rest| rest.first_chunk::<8>()) {
        return Some((u64::from_le_bytes(*eight) >> shift & mask) as u32);
    }
    if (bit + width as usize).div_ceil(8) > bytes.len() {
        return None;
    }
    let mut last = [0; 8];
    let rest = bytes.get(byte..)?;
    last[..rest.len()].copy_from_slice(rest);
    Some((u64::from_le_bytes(last) >> shift & mask) as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs of one number, or of eights that are packed bit by bit.
    fn encode(runs: &[(bool, Vec<u32>)], width: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let varint = |mut number: usize, bytes: &mut Vec<u8>| {
            while number >= 0x80 {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        };
        for (packed, numbers) in runs {
            if *packed {
                varint(numbers.len() / 8 * 2 + 1, &mut bytes);
                let bit = |at: usize| numbers[at / width as usize] >> (at % width as usize) & 1;
                for byte in 0..numbers.len() * width as usize / 8 {
                    bytes.push((0..8).map(|n| (bit(byte * 8 + n) as u8) << n).sum());
                }
            } else {
                varint(numbers.len() * 2, &mut bytes);
                bytes.extend_from_slice(&numbers[0].to_le_bytes()[..width.div_ceil(8) as usize]);
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_places_of_what_was_written(
            width in 0_u32..=32,
            runs in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u32>(), 1..6)), 1..20),
            step in 1_usize..30,
        ) {
            let mask = ((1_u64 << width) - 1) as u32;
            let run = |(packed, numbers): &(bool, Vec<u32>)| {
                let all: Vec<u32> = match packed {
                    true => numbers.iter().flat_map(|n| (0..8).map(|at| n.rotate_left(at) & mask)).collect(),
                    false => vec![numbers[0] & mask; numbers.len() * 5],
                };
                (*packed, all)
            };
            let runs: Vec<(bool, Vec<u32>)> = runs.iter().map(run).collect();
            let bytes = encode(&runs, width);
            let numbers: Vec<u32> = runs.iter().flat_map(|(_, numbers)| numbers).copied().collect();
            let mut hybrid = Hybrid::new(&bytes, width).unwrap();
            for place in (0..numbers.len()).step_by(step) {
                prop_assert_eq!(hybrid.at(place), Some(numbers[place]));
            }
            prop_assert_eq!(hybrid.at(numbers.len()), None);
            if let Some(all) = Hybrid::new(&bytes, width).unwrap().all(numbers.len()) {
                prop_assert!(numbers.iter().all(|number| *number == all));
            }
        }

        #[test]
        fn damage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..60), width in 0_u32..=32) {
            let mut hybrid = Hybrid::new(&bytes, width).unwrap();
            for place in (0..5_000).step_by(7) {
                let _ = hybrid.at(place);
            }
        }
    }
}
