//! Small numbers in as few bits as the largest needs, and runs of the same number once: Parquet's RLE / bit-packing hybrid.

use super::bits::pack;

/// Bits that the numbers below this one need.
pub(super) fn width(count: usize) -> u8 {
    (usize::BITS - count.saturating_sub(1).leading_zeros()) as u8
}

/// Appends numbers that fit `width` bits.
pub(super) fn encode<T: Copy + Eq + Into<u64>>(numbers: &[T], width: u8, out: &mut Vec<u8>) {
    if width == 0 {
        return run(numbers.len(), 0, 0, out);
    }
    // Shorter runs take less room as they are: a run costs its own header, and one of what comes after it.
    let worth = (32 / usize::from(width)).next_multiple_of(8).max(8);
    // Literals come in eights, and what lies between whole eights is not looked at: it is found by whole words.
    let (eights, rest) = numbers.as_chunks::<8>();
    let alike = |eight: &[T; 8], first: T| eight.iter().fold(true, |all, number| all & (*number == first));
    let (mut literal, mut at) = (0, 0);
    while let Some(eight) = eights.get(at) {
        let first = eight[0];
        let from = at;
        at += 1;
        if !alike(eight, first) {
            continue;
        }
        at += eights[at..].iter().take_while(|eight| alike(eight, first)).count();
        if (at - from) * 8 >= worth {
            literals(eights[literal..from].as_flattened(), width, out);
            let last = if at == eights.len() { rest } else { &[] };
            let more = if last.iter().all(|number| *number == first) { last.len() } else { 0 };
            run((at - from) * 8 + more, first.into(), width, out);
            if more > 0 {
                return;
            }
            literal = at;
        }
    }
    literals(&numbers[literal * 8..], width, out);
}

/// As [`encode`], with the number of its bytes before it: levels.
pub(super) fn encode_levels<T: Copy + Eq + Into<u64>>(numbers: &[T], width: u8, out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(&[0; 4]);
    encode(numbers, width, out);
    let bytes = (out.len() - from - 4) as u32;
    out[from..from + 4].copy_from_slice(&bytes.to_le_bytes());
}

/// As [`encode_levels`] of the same number so many times, one that fits a byte.
pub(super) fn run_of_levels(number: u8, times: usize, out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(&[0; 4]);
    varint(times << 1, out);
    out.push(number);
    let bytes = (out.len() - from - 4) as u32;
    out[from..from + 4].copy_from_slice(&bytes.to_le_bytes());
}

pub(super) fn varint(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn run(times: usize, number: u64, width: u8, out: &mut Vec<u8>) {
    if times > 0 {
        varint(times << 1, out);
        out.extend_from_slice(&number.to_le_bytes()[..usize::from(width.div_ceil(8))]);
    }
}

fn literals<T: Copy + Into<u64>>(numbers: &[T], width: u8, out: &mut Vec<u8>) {
    if !numbers.is_empty() {
        varint((numbers.len().div_ceil(8) << 1) | 1, out);
        pack(numbers, width.into(), out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Value by value and bit by bit, as the format's page tells it.
    fn decode(mut bytes: &[u8], width: u8, count: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        while numbers.len() < count {
            let (mut header, mut shift) = (0_usize, 0);
            loop {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte < 0x80 {
                    break;
                }
            }
            if header & 1 == 0 {
                let (value, rest) = bytes.split_at(usize::from(width.div_ceil(8)));
                bytes = rest;
                let value = value.iter().rev().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
                numbers.extend(std::iter::repeat_n(value, header >> 1));
            } else {
                let (packed, rest) = bytes.split_at((header >> 1) * usize::from(width));
                bytes = rest;
                for at in 0..(header >> 1) * 8 {
                    let bit = |n: usize| u32::from(packed[n / 8] >> (n % 8) & 1);
                    let from = at * usize::from(width);
                    numbers.push((0..usize::from(width)).map(|n| bit(from + n) << n).sum());
                }
            }
        }
        assert!(bytes.is_empty());
        // Only the last eight may be filled up.
        assert!(numbers.len() < count + 8 && numbers[count..].iter().all(|number| *number == 0));
        numbers.truncate(count);
        numbers
    }

    proptest! {
        #[test]
        fn comes_back(
            width in 0_u8..=32,
            runs in prop::collection::vec((any::<u32>(), prop_oneof![3 => 1_usize..4, 2 => 5_usize..40]), 0..60),
        ) {
            let mask = if width == 0 { 0 } else { u32::MAX >> (32 - width) };
            let numbers: Vec<u32> =
                runs.iter().flat_map(|(number, times)| std::iter::repeat_n(number & mask, *times)).collect();
            let mut bytes = Vec::new();
            encode(&numbers, width, &mut bytes);
            prop_assert_eq!(decode(&bytes, width, numbers.len()), numbers);
        }
    }

    #[test]
    fn widths() {
        assert_eq!([0, 1, 2, 3, 4, 5, 256, 257].map(width), [0, 0, 1, 2, 2, 3, 8, 9]);
    }
}
