//! Connections over time, by what became of them.

use crate::connection::Connection;
use crate::flow::Action;
use crate::policy::Verdict;

/// Seconds of a bucket. Each is a multiple of the one before, so that buckets become wider ones without rest; with the
/// last, all of the 32-bit seconds fit.
const WIDTHS: [u32; 12] =
    [60, 300, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400, 604_800, 2_419_200, 9_676_800];

/// Most buckets.
const MOST: u32 = 512;

/// What became of connections, as columns of [`Traffic::buckets`].
pub const TRAFFIC_CLASSES: usize = 6;

/// Connections by the time they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Begin of the first bucket, Unix seconds.
    pub from: u32,
    /// Seconds of a bucket.
    pub width: u32,
    /// Permitted, escaped, accepted and not evaluable, rejected, misdropped, rejected and not evaluable.
    pub buckets: Vec<[u64; TRAFFIC_CLASSES]>,
}

/// The same as it grows: an array increment for a connection. Buckets get wider when there would be more than [`MOST`],
/// which depends on the first and last second alone.
#[derive(Clone, Debug, Default)]
pub(super) struct TrafficSums {
    step: usize,
    /// Number of the first bucket, counted from 1970.
    base: u32,
    buckets: Vec<[u64; TRAFFIC_CLASSES]>,
}

impl TrafficSums {
    pub fn add(&mut self, connection: &Connection, verdict: Verdict) {
        let class = match verdict {
            Verdict::Permitted => 0,
            Verdict::Escaped(_) => 1,
            Verdict::NotEvaluable(_) if connection.action() == Action::Accept => 2,
            Verdict::Rejected(_) => 3,
            Verdict::Misdropped => 4,
            Verdict::NotEvaluable(_) => 5,
        };
        let bucket = connection.first / WIDTHS[self.step];
        match self.buckets.get_mut(bucket.wrapping_sub(self.base) as usize) {
            Some(counts) => counts[class] += 1,
            None => self.room(connection.first)[class] += 1,
        }
    }

    /// The bucket of a second that may be before or after all others.
    fn room(&mut self, second: u32) -> &mut [u64; TRAFFIC_CLASSES] {
        loop {
            let bucket = second / WIDTHS[self.step];
            if self.buckets.is_empty() {
                self.base = bucket;
            }
            let len = self.buckets.len() as u32;
            let first = self.base.min(bucket);
            let last = (self.base + len).max(bucket + 1);
            if last - first > MOST && self.step + 1 < WIDTHS.len() {
                self.widen(self.step + 1);
                continue;
            }
            let before = (self.base - first) as usize;
            self.buckets.splice(0..0, std::iter::repeat_n([0; TRAFFIC_CLASSES], before));
            self.buckets.resize((last - first) as usize, [0; TRAFFIC_CLASSES]);
            self.base = first;
            return &mut self.buckets[(bucket - first) as usize];
        }
    }

    fn widen(&mut self, step: usize) {
        if step <= self.step {
            return;
        }
        let by = WIDTHS[step] / WIDTHS[self.step];
        let base = self.base / by;
        let mut wider: Vec<[u64; TRAFFIC_CLASSES]> = Vec::new();
        for (bucket, counts) in (self.base..).zip(&self.buckets) {
            let at = (bucket / by - base) as usize;
            wider.resize(wider.len().max(at + 1), [0; TRAFFIC_CLASSES]);
            wider[at].iter_mut().zip(counts).for_each(|(into, from)| *into += from);
        }
        (self.step, self.base, self.buckets) = (step, base, wider);
    }

    pub fn merge(&mut self, mut other: Self) {
        let step = self.step.max(other.step);
        self.widen(step);
        other.widen(step);
        for (bucket, counts) in (other.base..).zip(&other.buckets) {
            let into = self.room(bucket * WIDTHS[step]);
            into.iter_mut().zip(counts).for_each(|(into, from)| *into += from);
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<[u64; TRAFFIC_CLASSES]>()
    }

    pub fn finish(self) -> Traffic {
        let width = WIDTHS[self.step];
        Traffic { from: self.base * width, width, buckets: self.buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(seconds: &[u32]) -> TrafficSums {
        let mut sums = TrafficSums::default();
        seconds.iter().for_each(|&second| sums.room(second)[0] += 1);
        sums
    }

    /// The narrowest width that is enough, and a count per bucket.
    fn obvious(seconds: &[u32]) -> Traffic {
        let (Some(&low), Some(&high)) = (seconds.iter().min(), seconds.iter().max()) else {
            return Traffic { from: 0, width: WIDTHS[0], buckets: Vec::new() };
        };
        let width = WIDTHS.into_iter().find(|w| high / w - low / w < MOST).unwrap();
        let from = low / width * width;
        let buckets = (low / width..=high / width).map(|bucket| {
            let inside = seconds.iter().filter(|&&second| second / width == bucket).count() as u64;
            [inside, 0, 0, 0, 0, 0]
        });
        Traffic { from, width, buckets: buckets.collect() }
    }

    proptest! {
        #[test]
        fn neither_order_nor_parts_matter(
            near in proptest::collection::vec(1_000_000_u32..1_100_000, 0..40),
            far in proptest::collection::vec(any::<u32>(), 0..3),
            cut in 0_usize..40,
        ) {
            let all: Vec<u32> = near.into_iter().chain(far).collect();
            let (left, right) = all.split_at(cut.min(all.len()));
            let mut merged = sums(right);
            merged.merge(sums(left));
            prop_assert_eq!(merged.finish(), obvious(&all));
            prop_assert_eq!(sums(&all).finish(), obvious(&all));
        }
    }

    #[test]
    fn each_width_is_a_multiple_of_the_one_before_and_the_last_holds_all_time() {
        assert!(WIDTHS.windows(2).all(|pair| pair[1].is_multiple_of(pair[0])));
        assert!(u32::MAX / WIDTHS[WIDTHS.len() - 1] < MOST);
    }
}
