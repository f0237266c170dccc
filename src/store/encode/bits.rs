//! Numbers of the same width, one after the other without gaps, the lowest bits first.

/// Bytes after the last that were appended, for whole words are written and only what they hold is kept.
const BEYOND: usize = 32;

/// Appends numbers that fit `width` bits, and zeros up to a multiple of eight numbers.
pub(super) fn pack<T: Copy + Into<u64>>(numbers: &[T], width: u32, out: &mut Vec<u8>) {
    let mut at = out.len();
    let bytes = width as usize;
    let end = at + numbers.len().div_ceil(8) * bytes;
    out.resize(end + BEYOND, 0);
    let (eights, rest) = numbers.as_chunks::<8>();
    let mut last = [0; 8];
    for (to, number) in last.iter_mut().zip(rest) {
        *to = (*number).into();
    }
    let last = (!rest.is_empty()).then_some(last);
    match width {
        0 => {}
        1..=16 => {
            for eight in eights.iter().map(|eight| eight.map(Into::into)).chain(last) {
                if let Some(place) = out[at..].first_chunk_mut() {
                    *place = narrow(&eight, width);
                }
                at += bytes;
            }
        }
        17..=32 => {
            for eight in eights.iter().map(|eight| eight.map(Into::into)).chain(last) {
                let (low, high) = wide(&eight, width);
                if let Some((place, _)) = out[at..].split_first_chunk_mut::<32>() {
                    place[..16].copy_from_slice(&low);
                    place[16..].copy_from_slice(&high);
                }
                at += bytes;
            }
        }
        _ => {
            for eight in eights.iter().map(|eight| eight.map(Into::into)).chain(last) {
                one_by_one(&eight, width, &mut out[at..at + bytes]);
                at += bytes;
            }
        }
    }
    out.truncate(end);
}

/// Eight numbers of up to 16 bits.
#[inline]
fn narrow(n: &[u64; 8], width: u32) -> [u8; 16] {
    let four = |n: &[u64]| (n[0] | n[1] << width) | (n[2] | n[3] << width) << (2 * width);
    (u128::from(four(&n[..4])) | u128::from(four(&n[4..])) << (4 * width)).to_le_bytes()
}

/// Eight numbers of 17 to 32 bits.
#[inline]
fn wide(n: &[u64; 8], width: u32) -> ([u8; 16], [u8; 16]) {
    let two = |n: &[u64]| u128::from(n[0] | n[1] << width);
    let (low, high) =
        (two(&n[..2]) | two(&n[2..4]) << (2 * width), two(&n[4..6]) | two(&n[6..]) << (2 * width));
    // With 32 bits nothing of the upper half is in the lower one.
    let shared = high.checked_shl(4 * width).unwrap_or(0);
    ((low | shared).to_le_bytes(), (high >> (128 - 4 * width)).to_le_bytes())
}

/// Eight numbers of any width.
fn one_by_one(numbers: &[u64; 8], width: u32, out: &mut [u8]) {
    let (mut bits, mut held, mut at) = (0_u128, 0, 0);
    for number in numbers {
        bits |= u128::from(*number) << held;
        held += width;
        while held >= 8 {
            out[at] = bits as u8;
            at += 1;
            bits >>= 8;
            held -= 8;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn comes_back(width in 0_u32..=64, numbers in prop::collection::vec(any::<u64>(), 0..40), before in 0_usize..3) {
            let mask = if width == 0 { 0 } else { u64::MAX >> (64 - width) };
            let numbers: Vec<u64> = numbers.iter().map(|number| number & mask).collect();
            let mut bytes = vec![7; before];
            pack(&numbers, width, &mut bytes);
            prop_assert_eq!(bytes.len(), before + numbers.len().div_ceil(8) * width as usize);
            prop_assert!(bytes[..before].iter().all(|byte| *byte == 7));
            let bit = |n: usize| u64::from(bytes[before + n / 8] >> (n % 8) & 1);
            for at in 0..numbers.len().div_ceil(8) * 8 {
                let from = at * width as usize;
                let read: u64 = (0..width).map(|n| bit(from + n as usize) << n).sum();
                prop_assert_eq!(read, numbers.get(at).copied().unwrap_or(0));
            }
        }
    }
}
