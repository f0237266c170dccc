//! When a rule was used: enough to tell its own pauses from the end of its use.

/// Hours in which a rule was used, in 40 bytes.
///
/// To the hour while first and last use are less than 256 hours apart, then to 2 hours, 4 hours and so on: the finest
/// width at which all of it fits. That follows from the times alone, whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UseTimes {
    /// A bucket is `1 << shift` hours.
    shift: u32,
    /// The first bucket that was used, if any was.
    base: u32,
    /// Bit `i` is bucket `base + i`.
    bits: [u64; WORDS],
}

const WORDS: usize = 4;
const BUCKETS: u32 = 64 * WORDS as u32;
const HOUR: u32 = 3600;

impl UseTimes {
    /// It was used at this time, Unix seconds.
    pub(super) fn add(&mut self, time: u32) {
        self.add_bucket((time / HOUR) >> self.shift);
    }

    fn add_bucket(&mut self, bucket: u32) {
        if self.is_empty() {
            self.base = bucket;
        } else if bucket < self.base || bucket - self.base >= BUCKETS {
            self.widen(bucket);
            return;
        }
        let at = bucket - self.base;
        self.bits[(at / 64) as usize] |= 1 << (at % 64);
    }

    /// Makes room for a bucket beyond those there are.
    fn widen(&mut self, bucket: u32) {
        let used: Vec<u32> = self.buckets().chain([bucket]).collect();
        let first = used.iter().copied().min().unwrap_or(bucket);
        let last = used.iter().copied().max().unwrap_or(bucket);
        let more = (0..32).find(|more| (last >> more) - (first >> more) < BUCKETS).unwrap_or(31);
        *self = Self { shift: self.shift + more, base: first >> more, bits: [0; WORDS] };
        for bucket in used {
            let at = (bucket >> more) - self.base;
            self.bits[(at / 64) as usize] |= 1 << (at % 64);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = *other;
            return;
        }
        let mut other = *other;
        let shift = self.shift.max(other.shift);
        self.coarsen(shift);
        other.coarsen(shift);
        for bucket in other.buckets().collect::<Vec<_>>() {
            // Making room for one makes all of them wider.
            self.add_bucket(bucket >> (self.shift - shift));
        }
    }

    fn coarsen(&mut self, shift: u32) {
        let more = shift - self.shift;
        if more > 0 {
            let used: Vec<u32> = self.buckets().map(|bucket| bucket >> more).collect();
            *self = Self { shift, ..Self::default() };
            used.into_iter().for_each(|bucket| self.add_bucket(bucket));
        }
    }

    /// True if it was never used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits == [0; WORDS]
    }

    /// Seconds of a bucket: times closer than that are not told apart.
    #[must_use]
    pub fn width(&self) -> u32 {
        HOUR << self.shift
    }

    fn buckets(&self) -> impl Iterator<Item = u32> {
        let (bits, base) = (self.bits, self.base);
        (0..BUCKETS).filter(move |at| bits[(at / 64) as usize] >> (at % 64) & 1 == 1).map(move |at| base + at)
    }

    /// Days on which it was used (of more than a day, where a bucket is).
    #[must_use]
    pub fn days(&self) -> u32 {
        let per_day = (86_400 / self.width()).max(1);
        let mut days: Vec<u32> = self.buckets().map(|bucket| bucket / per_day).collect();
        days.dedup();
        u32::try_from(days.len()).unwrap_or(u32::MAX)
    }

    /// The longest pause between two uses, in seconds, too long rather than too short; `None` with fewer than two.
    #[must_use]
    pub fn longest_pause(&self) -> Option<u32> {
        let used: Vec<u32> = self.buckets().collect();
        let pause = used.windows(2).map(|pair| pair[1] - pair[0] + 1).max()?;
        Some(pause.saturating_mul(self.width()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(times: &[u32]) -> UseTimes {
        let mut all = UseTimes::default();
        times.iter().for_each(|&time| all.add(time));
        all
    }

    #[test]
    fn order_and_merging_change_nothing() {
        let times: Vec<u32> = (0..400_u32).map(|n| 1_772_323_200 + n * 7919 * (n % 13) % 9_000_000).collect();
        let all = of(&times);
        let mut backwards = times.clone();
        backwards.reverse();
        assert_eq!(of(&backwards), all);
        for parts in [2, 3, 7] {
            let mut merged = UseTimes::default();
            for part in 0..parts {
                let some: Vec<u32> = times.iter().copied().skip(part).step_by(parts).collect();
                merged.merge(&of(&some));
            }
            assert_eq!(merged, all);
        }
        assert!(all.width() > HOUR && all.width() <= 16 * HOUR, "{}", all.width());
    }

    #[test]
    fn pauses_and_days() {
        let day = 86_400;
        assert_eq!((of(&[]).longest_pause(), of(&[]).days()), (None, 0));
        assert_eq!((of(&[day]).longest_pause(), of(&[day]).days()), (None, 1));
        let daily = of(&[day, day + 60, 2 * day, 3 * day, 5 * day]);
        assert_eq!(daily.days(), 4);
        assert_eq!(daily.longest_pause(), Some(2 * day + HOUR));
        // Three months apart: never shorter than it was.
        let rare = of(&[0, 90 * day, 91 * day]);
        assert!(rare.longest_pause().unwrap() >= 90 * day && rare.longest_pause().unwrap() <= 92 * day);
    }
}
