//! Sets of time buckets in little memory.

/// A set of bucket numbers (seconds / length of a bucket).
///
/// What is watched is watched for long stretches, so ranges are kept: a year without a gap is one of 8 bytes. With
/// many gaps it becomes a bitmap, a year of 10-minute buckets in 6.5 kB. Whichever is smaller: never more than about
/// 8 bytes per bucket in the set (16 while a list grows). Equal sets are equal, however they came about.
#[derive(Clone, Debug)]
pub struct BucketSet(Form);

#[derive(Clone, Debug)]
enum Form {
    /// Inclusive, sorted, neither overlapping nor adjacent.
    Runs(Vec<(u32, u32)>),
    /// Bit `i` of word `w` is bucket `(base + w) * 64 + i`.
    Bits { base: u32, words: Vec<u64>, len: u32 },
}

/// Fewer ranges than this are never worth a bitmap.
const FEW: usize = 32;

impl Default for BucketSet {
    fn default() -> Self {
        Self(Form::Runs(Vec::new()))
    }
}

impl BucketSet {
    /// Adds a bucket.
    pub fn insert(&mut self, bucket: u32) {
        self.insert_range(bucket, bucket);
    }

    /// Adds every bucket from `first` to `last`, inclusive.
    pub fn insert_range(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        if let Form::Bits { base, words, len } = &self.0
            && !(first / 64 >= *base && ((last / 64 - *base) as usize) < words.len())
        {
            let low = first.min(*base * 64) / 64;
            let high = (last / 64).max(*base + words.len() as u32 - 1);
            let wanted = (high - low + 1) as usize;
            // A stray time must not blow the map up.
            if wanted > 2 * (*len as usize + (last - first) as usize + 1) {
                self.0 = Form::Runs(self.runs().collect());
            }
        }
        match &mut self.0 {
            Form::Runs(runs) => {
                add_run(runs, first, last);
                self.pack();
            }
            Form::Bits { base, words, len } => {
                let (low, high) = (first / 64, last / 64);
                if low < *base {
                    let more = (*base - low) as usize;
                    words.splice(0..0, std::iter::repeat_n(0, more));
                    *base = low;
                }
                let needed = (high - *base) as usize + 1;
                if words.len() < needed {
                    words.resize(needed, 0);
                }
                for at in low..=high {
                    let from = if at == low { first % 64 } else { 0 };
                    let to = if at == high { last % 64 } else { 63 };
                    let mask = (u64::MAX << from) & (u64::MAX >> (63 - to));
                    let word = &mut words[(at - *base) as usize];
                    *len += (mask & !*word).count_ones();
                    *word |= mask;
                }
            }
        }
    }

    /// Adds every bucket of another set.
    pub fn merge(&mut self, other: &Self) {
        for (first, last) in other.runs() {
            self.insert_range(first, last);
        }
    }

    /// True if the bucket is in the set.
    #[must_use]
    pub fn contains(&self, bucket: u32) -> bool {
        match &self.0 {
            Form::Runs(runs) => {
                let after = runs.partition_point(|&(first, _)| first <= bucket);
                after > 0 && runs[after - 1].1 >= bucket
            }
            Form::Bits { base, words, .. } => (bucket / 64)
                .checked_sub(*base)
                .and_then(|at| words.get(at as usize))
                .is_some_and(|word| word >> (bucket % 64) & 1 == 1),
        }
    }

    /// Buckets in the set.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Form::Runs(runs) => runs.iter().map(|&(first, last)| (last - first) as usize + 1).sum(),
            Form::Bits { len, .. } => *len as usize,
        }
    }

    /// True without buckets.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Runs(runs) => runs.is_empty(),
            Form::Bits { len, .. } => *len == 0,
        }
    }

    /// The buckets, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.runs().flat_map(|(first, last)| first..=last)
    }

    /// The buckets that are not in the other set, ascending.
    pub fn difference<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = u32> {
        self.iter().filter(|&bucket| other.is_empty() || !other.contains(bucket))
    }

    /// The longest stretches without a gap, `(first, last)`, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (u32, u32)> {
        let (runs, bits) = match &self.0 {
            Form::Runs(runs) => (runs.as_slice(), None),
            Form::Bits { base, words, .. } => (&[][..], Some(BitRuns { base: *base, words, at: 0 })),
        };
        runs.iter().copied().chain(bits.into_iter().flatten())
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Runs(runs) => runs.capacity() * 8,
            Form::Bits { words, .. } => words.capacity() * 8,
        }
    }

    fn pack(&mut self) {
        let Form::Runs(runs) = &self.0 else { return };
        let (Some(&(first, _)), Some(&(_, last))) = (runs.first(), runs.last()) else { return };
        let words = (last / 64 - first / 64) as usize + 1;
        if runs.len() < FEW || runs.len() <= words {
            return;
        }
        let mut bits = Self(Form::Bits { base: first / 64, words: vec![0; words], len: 0 });
        for &(first, last) in runs {
            bits.insert_range(first, last);
        }
        *self = bits;
    }
}

/// Inserts a range, joined with those that it touches.
fn add_run(runs: &mut Vec<(u32, u32)>, first: u32, last: u32) {
    // Time goes on: nearly always it is the last range that grows.
    if let Some(end) = runs.last_mut()
        && end.0 <= first
        && first <= end.1.saturating_add(1)
    {
        end.1 = end.1.max(last);
        return;
    }
    let from = runs.partition_point(|run| run.1.saturating_add(1) < first);
    let to = runs.partition_point(|run| run.0 <= last.saturating_add(1));
    if from == to {
        runs.insert(from, (first, last));
    } else {
        runs[from] = (first.min(runs[from].0), last.max(runs[to - 1].1));
        runs.drain(from + 1..to);
    }
}

/// The ranges of a bitmap.
struct BitRuns<'a> {
    base: u32,
    words: &'a [u64],
    /// Bits looked at so far.
    at: u64,
}

impl BitRuns<'_> {
    /// The next bit from `at` on that is (not) set, or the end.
    fn next_bit(&self, from: u64, set: bool) -> u64 {
        let end = self.words.len() as u64 * 64;
        let mut at = from;
        while at < end {
            let word = self.words[(at / 64) as usize];
            let word = if set { word } else { !word } >> (at % 64);
            if word != 0 {
                return at + u64::from(word.trailing_zeros());
            }
            at = (at / 64 + 1) * 64;
        }
        end
    }
}

impl Iterator for BitRuns<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        let first = self.next_bit(self.at, true);
        if first == self.words.len() as u64 * 64 {
            return None;
        }
        self.at = self.next_bit(first, false);
        let bucket = |bit: u64| (u64::from(self.base) * 64 + bit) as u32;
        Some((bucket(first), bucket(self.at - 1)))
    }
}

impl PartialEq for BucketSet {
    fn eq(&self, other: &Self) -> bool {
        self.runs().eq(other.runs())
    }
}

impl Eq for BucketSet {}

impl Extend<u32> for BucketSet {
    fn extend<T: IntoIterator<Item = u32>>(&mut self, buckets: T) {
        buckets.into_iter().for_each(|bucket| self.insert(bucket));
    }
}

impl FromIterator<u32> for BucketSet {
    fn from_iter<T: IntoIterator<Item = u32>>(buckets: T) -> Self {
        let mut set = Self::default();
        set.extend(buckets);
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn both(ranges: &[(u32, u32)]) -> (BucketSet, BTreeSet<u32>) {
        let (mut set, mut tree) = (BucketSet::default(), BTreeSet::new());
        for &(first, length) in ranges {
            set.insert_range(first, first.saturating_add(length));
            tree.extend(first..=first.saturating_add(length));
        }
        (set, tree)
    }

    /// Dense, sparse, adjacent, the ends of the number range, and strays.
    fn ranges() -> impl Strategy<Value = Vec<(u32, u32)>> {
        let place = prop_oneof![
            8 => 1000..1400_u32,
            4 => 0..20_000_u32,
            1 => u32::MAX - 300..=u32::MAX,
            1 => any::<u32>(),
        ];
        prop::collection::vec((place, prop_oneof![6 => Just(0_u32), 1 => 1..200_u32]), 0..400)
    }

    proptest! {
        #[test]
        fn does_what_a_tree_does(a in ranges(), b in ranges(), asked in prop::collection::vec(any::<u32>(), 8)) {
            let ((mut set, mut tree), (other, other_tree)) = (both(&a), both(&b));
            let near = a.iter().flat_map(|&(f, l)| [f.wrapping_sub(1), f, f.saturating_add(l).wrapping_add(1)]);
            for bucket in near.chain(asked) {
                prop_assert_eq!(set.contains(bucket), tree.contains(&bucket), "{}", bucket);
            }
            prop_assert!(set.difference(&other).eq(tree.difference(&other_tree).copied()));
            set.merge(&other);
            tree.extend(&other_tree);
            prop_assert_eq!(set.len(), tree.len());
            prop_assert_eq!(set.is_empty(), tree.is_empty());
            prop_assert!(set.iter().eq(tree.iter().copied()));
            let one_by_one: BucketSet = tree.iter().rev().copied().collect();
            prop_assert_eq!(&one_by_one, &set);
            prop_assert!(set.heap_bytes() <= 16 * tree.len() + 512, "{} bytes for {}", set.heap_bytes(), tree.len());
        }
    }

    #[test]
    fn a_year_is_small_whatever_its_gaps() {
        const YEAR: u32 = 52_560;
        let whole: BucketSet = (0..YEAR).collect();
        assert_eq!((whole.len(), whole.heap_bytes() <= 64), (YEAR as usize, true));
        let half: BucketSet = (0..YEAR).filter(|b| b % 2 == 0).collect();
        assert_eq!(half.len(), YEAR as usize / 2);
        assert!(half.heap_bytes() < 16_000, "{}", half.heap_bytes());
    }

    #[test]
    fn a_stray_time_does_not_blow_a_bitmap_up() {
        let mut set: BucketSet = (0..1000).filter(|b| b % 2 == 0).collect();
        set.insert(7_000_000);
        assert_eq!(set.len(), 501);
        assert!(set.contains(7_000_000) && set.contains(998) && !set.contains(999));
        assert!(set.heap_bytes() < 10_000, "{}", set.heap_bytes());
    }
}
