//! Pieces of a file that came in any order and size.

use std::collections::BTreeMap;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// Bytes of a file by their offset. No two pieces overlap; of a byte that comes twice, either is kept.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    by_start: BTreeMap<u64, Bytes>,
}

impl Pieces {
    /// Takes a piece that begins at `start`. The end must fit `u64`.
    pub(super) fn insert(&mut self, start: u64, bytes: &Bytes) {
        let end = start + bytes.len() as u64;
        if self.missing(&(start..end)).is_empty() {
            return;
        }
        // The longer a piece, the fewer copies are made of it, so a new one wins over those it covers.
        let covered: Vec<u64> = self
            .by_start
            .range(start..end)
            .filter(|(at, piece)| *at + piece.len() as u64 <= end)
            .map(|(at, _)| *at)
            .collect();
        for at in covered {
            self.by_start.remove(&at);
        }
        let before =
            self.by_start.range(..start).next_back().map_or(0, |(at, piece)| at + piece.len() as u64);
        let behind = self.by_start.range(start..end).next().map_or(end, |(at, _)| *at);
        let from = before.max(start);
        if from < behind {
            // Both lie in the piece, whose length is a `usize`.
            let part = bytes.slice((from - start) as usize..(behind - start) as usize);
            self.by_start.insert(from, part);
        }
    }

    /// The parts of a range that are not there, in order.
    pub(super) fn missing(&self, range: &Range<u64>) -> Vec<Range<u64>> {
        let mut out = Vec::new();
        let mut at = range.start;
        for (start, piece) in self.touching(range) {
            if *start > at {
                out.push(at..*start);
            }
            at = start + piece.len() as u64;
        }
        if at < range.end {
            out.push(at..range.end);
        }
        out
    }

    /// The bytes of a range, if all are there. Nothing is copied if they came in one piece.
    pub(super) fn get(&self, range: &Range<u64>) -> Option<Bytes> {
        let mut joined = BytesMut::new();
        let mut at = range.start;
        for (start, piece) in self.touching(range) {
            if *start > at {
                return None;
            }
            let end = range.end.min(start + piece.len() as u64);
            let part = piece.slice((at - start) as usize..(end - start) as usize);
            if at == range.start && end == range.end {
                return Some(part);
            }
            joined.extend_from_slice(&part);
            at = end;
        }
        (at >= range.end).then(|| joined.freeze())
    }

    /// Forgets the pieces that lie outside a range.
    pub(super) fn retain(&mut self, range: &Range<u64>) {
        self.by_start.retain(|start, piece| *start < range.end && start + piece.len() as u64 > range.start);
    }

    pub(super) fn clear(&mut self) {
        self.by_start.clear();
    }

    /// The pieces that share bytes with a range, in order.
    fn touching(&self, range: &Range<u64>) -> impl Iterator<Item = (&u64, &Bytes)> {
        let first = self.by_start.range(..=range.start).next_back().map_or(range.start, |(at, _)| *at);
        let (from, to) = (range.start, range.end.max(first));
        self.by_start.range(first..to).filter(move |(at, piece)| *at + piece.len() as u64 > from)
    }
}

/// Sorts ranges and joins those with at most `gap` bytes between them.
pub(super) fn coalesced(mut ranges: Vec<Range<u64>>, gap: u64) -> Vec<Range<u64>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut out: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match out.last_mut() {
            Some(last) if range.start <= last.end.saturating_add(gap) => last.end = last.end.max(range.end),
            _ => out.push(range),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to give up to three pieces of a file of seven bytes, against a plain array.
    #[test]
    fn pieces_in_any_order_are_one_file() {
        let file: Vec<u8> = (10..17).collect();
        let ranges: Vec<Range<u64>> =
            (0..7).flat_map(|from| (from + 1..=7).map(move |to| from..to)).collect();
        for a in &ranges {
            for b in &ranges {
                for c in &ranges {
                    let mut pieces = Pieces::default();
                    let mut there = [false; 7];
                    for range in [a, b, c] {
                        let (from, to) = (range.start as usize, range.end as usize);
                        pieces.insert(range.start, &Bytes::copy_from_slice(&file[from..to]));
                        there[from..to].fill(true);
                    }
                    for wanted in &ranges {
                        let (from, to) = (wanted.start as usize, wanted.end as usize);
                        let all = there[from..to].iter().all(|there| *there);
                        assert_eq!(pieces.get(wanted).as_deref(), all.then_some(&file[from..to]));
                        let mut rest = [false; 7];
                        for part in pieces.missing(wanted) {
                            rest[part.start as usize..part.end as usize].fill(true);
                        }
                        assert!((0..7).all(|at| rest[at] == ((from..to).contains(&at) && !there[at])));
                    }
                }
            }
        }
    }

    #[test]
    fn one_piece_is_not_copied() {
        let file = Bytes::from(vec![7; 100]);
        let mut pieces = Pieces::default();
        pieces.insert(40, &file.slice(40..60));
        pieces.insert(0, &file);
        let part = pieces.get(&(30..70)).unwrap();
        assert_eq!(part.as_ptr(), file[30..].as_ptr());
    }

    #[test]
    fn what_is_outside_is_forgotten() {
        let mut pieces = Pieces::default();
        for at in 0..10 {
            pieces.insert(at * 10, &Bytes::from(vec![0; 10]));
        }
        pieces.retain(&(25..50));
        assert_eq!(pieces.missing(&(0..100)), [0..20, 50..100]);
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(coalesced(vec![50..60, 0..10, 12..20, 20..21, 5..8, 3..3], 2), [0..21, 50..60]);
        assert_eq!(coalesced(vec![0..10, 11..20], 0), [0..10, 11..20]);
        assert_eq!(coalesced(vec![], 9), []);
    }
}
