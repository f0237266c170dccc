//! Numbers as differences, in as few bits as the differences of 32 of them need: Parquet's delta encoding.

use super::hybrid::varint;

/// Differences of a block.
const BLOCK: usize = 128;

/// Differences that share a width.
const MINI: usize = 32;

/// Appends numbers.
pub(super) fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    varint(BLOCK, out);
    varint(BLOCK / MINI, out);
    varint(numbers.len(), out);
    zigzag(numbers.first().copied().unwrap_or(0), out);
    let deltas: Vec<i64> = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
    for block in deltas.chunks(BLOCK) {
        let least = block.iter().copied().min().unwrap_or(0);
        zigzag(least, out);
        let widths = out.len();
        out.resize(widths + BLOCK / MINI, 0);
        for (at, mini) in block.chunks(MINI).enumerate() {
            // Above the least: fits without a sign, however far apart they are.
            let above = |delta: &i64| delta.wrapping_sub(least) as u64;
            let width = 64 - mini.iter().map(above).fold(0, |all, delta| all | delta).leading_zeros();
            out[widths + at] = width as u8;
            let end = out.len() + MINI * width as usize / 8;
            let (mut bits, mut held) = (0_u128, 0);
            for delta in mini {
                bits |= u128::from(above(delta)) << held;
                held += width;
                while held >= 8 {
                    out.push(bits as u8);
                    bits >>= 8;
                    held -= 8;
                }
            }
            if held > 0 {
                out.push(bits as u8);
            }
            out.resize(end, 0);
        }
    }
}

fn zigzag(number: i64, out: &mut Vec<u8>) {
    varint(((number << 1) ^ (number >> 63)) as u64 as usize, out);
}
