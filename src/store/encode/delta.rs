//! Numbers as differences, in as few bits as the differences of 32 of them need: Parquet's delta encoding.

use super::bits::pack;
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
    let mut deltas = [0; BLOCK];
    for from in (0..numbers.len().saturating_sub(1)).step_by(BLOCK) {
        let of_block = &numbers[from..numbers.len().min(from + BLOCK + 1)];
        let deltas = &mut deltas[..of_block.len() - 1];
        let mut least = i64::MAX;
        for (delta, pair) in deltas.iter_mut().zip(of_block.array_windows()) {
            let [before, after] = *pair;
            let apart = i64::wrapping_sub(after, before);
            least = least.min(apart);
            *delta = apart as u64;
        }
        zigzag(least, out);
        let widths = out.len();
        out.resize(widths + BLOCK / MINI, 0);
        for (at, mini) in deltas.chunks_mut(MINI).enumerate() {
            let mut all = 0;
            for delta in mini.iter_mut() {
                // Above the least: fits without a sign, however far apart they are.
                *delta = delta.wrapping_sub(least as u64);
                all |= *delta;
            }
            let width = u64::BITS - all.leading_zeros();
            out[widths + at] = width as u8;
            let end = out.len() + MINI * width as usize / 8;
            pack(mini, width, out);
            out.resize(end, 0);
        }
    }
}

fn zigzag(number: i64, out: &mut Vec<u8>) {
    varint(((number << 1) ^ (number >> 63)) as u64 as usize, out);
}
