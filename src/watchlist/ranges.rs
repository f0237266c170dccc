//! Overlapping entries become disjoint ranges, of which each knows the most specific entry that holds it.

use std::collections::BTreeSet;

use super::Block;

/// Addresses of one family.
pub(super) trait Address: Copy + Ord + std::fmt::Debug + std::hash::Hash {
    const MAX: Self;
    fn next(self) -> Option<Self>;
    fn previous(self) -> Option<Self>;
    /// Distance to a higher one.
    fn to(self, higher: Self) -> u128;
    /// The upper 16 bits.
    fn head(self) -> usize;
}

impl Address for u32 {
    const MAX: Self = u32::MAX;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
    fn to(self, higher: Self) -> u128 {
        u128::from(higher - self)
    }
    fn head(self) -> usize {
        (self >> 16) as usize
    }
}

impl Address for u128 {
    const MAX: Self = u128::MAX;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn previous(self) -> Option<Self> {
        self.checked_sub(1)
    }
    fn to(self, higher: Self) -> u128 {
        higher - self
    }
    fn head(self) -> usize {
        (self >> 112) as usize
    }
}

/// A range and its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span<A> {
    low: A,
    high: A,
    entry: u32,
}

/// Sorted, disjoint ranges.
#[derive(Debug)]
pub(super) struct Spans<A> {
    spans: Vec<Span<A>>,
    /// By the upper 16 bits of an address: the first span that does not end before the first address that has them.
    /// Empty where there are too few spans to be worth it.
    heads: Vec<u32>,
}

impl<A> Default for Spans<A> {
    fn default() -> Self {
        Self { spans: Vec::new(), heads: Vec::new() }
    }
}

/// Fewer spans than this are searched without the table of heads.
const FEW: usize = 4_096;

impl<A: Address> Spans<A> {
    /// Of entries that are sorted by their low end, the longer first.
    pub fn new(blocks: &[Block<A>]) -> Self {
        let mut spans: Vec<Span<A>> = Vec::with_capacity(blocks.len());
        let mut from = 0;
        while from < blocks.len() {
            // Entries that overlap each other, directly or through others.
            let mut reach = blocks[from].high;
            let mut to = from + 1;
            while to < blocks.len() && blocks[to].low <= reach {
                reach = reach.max(blocks[to].high);
                to += 1;
            }
            if to == from + 1 {
                let Block { low, high, .. } = blocks[from];
                spans.push(Span { low, high, entry: from as u32 });
            } else {
                flatten(blocks, from, to, &mut spans);
            }
            from = to;
        }
        let heads = if spans.len() < FEW { Vec::new() } else { heads(&spans) };
        Self { spans, heads }
    }

    /// The entry of an address.
    #[inline]
    pub fn find(&self, address: A) -> Option<u32> {
        let near = match self.heads.get(address.head()..address.head() + 2) {
            // The span that the next head begins with may begin before it.
            Some(&[from, to]) => &self.spans[from as usize..(to as usize + 1).min(self.spans.len())],
            _ => &self.spans,
        };
        let at = near.partition_point(|span| span.high < address);
        near.get(at).filter(|span| span.low <= address).map(|span| span.entry)
    }
}

fn heads<A: Address>(spans: &[Span<A>]) -> Vec<u32> {
    let mut heads = vec![0_u32; (1 << 16) + 1];
    let mut at = 0;
    for (head, first) in heads.iter_mut().enumerate() {
        while spans.get(at).is_some_and(|span| span.high.head() < head) {
            at += 1;
        }
        *first = at as u32;
    }
    heads
}

/// Sweeps over the ends of entries `from..to`; where several hold an address the smallest counts, of equal ones the first.
fn flatten<A: Address>(blocks: &[Block<A>], from: usize, to: usize, spans: &mut Vec<Span<A>>) {
    let mut by_end: Vec<usize> = (from..to).collect();
    by_end.sort_by_key(|&n| (blocks[n].high, n));
    let mut ends = by_end.into_iter().peekable();
    let mut begins = (from..to).peekable();
    let mut open: BTreeSet<(u128, usize)> = BTreeSet::new();
    let mut at = blocks[from].low;
    loop {
        while let Some(n) = begins.next_if(|&n| blocks[n].low <= at) {
            open.insert((blocks[n].low.to(blocks[n].high), n));
        }
        while let Some(n) = ends.next_if(|&n| blocks[n].high < at) {
            open.remove(&(blocks[n].low.to(blocks[n].high), n));
        }
        let Some(&(_, best)) = open.first() else { return };
        // Until the next entry begins or the next one ends.
        let end = ends.peek().map_or(A::MAX, |&n| blocks[n].high);
        let begin = begins.peek().and_then(|&n| blocks[n].low.previous());
        let until = begin.map_or(end, |begin| begin.min(end));
        push(spans, Span { low: at, high: until, entry: best as u32 });
        match until.next() {
            Some(next) => at = next,
            None => return,
        }
    }
}

/// What continues the last span lengthens it.
fn push<A: Address>(spans: &mut Vec<Span<A>>, span: Span<A>) {
    match spans.last_mut() {
        Some(last) if last.entry == span.entry && last.high.next() == Some(span.low) => last.high = span.high,
        _ => spans.push(span),
    }
}
