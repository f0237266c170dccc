//! What is usual: the expected count of a bucket, and how far counts stray from it.

use super::places::REJECT_BUCKET;
use super::rejects::{BucketCount, Series};
use crate::connection::Coverage;

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// Least spread: attempts come in bursts even where a short log shows none.
const LEAST_SPREAD: f64 = 0.1;
const MOST_SPREAD: f64 = 1e4;
/// What is expected at least, attempts in 5 minutes: a quiet log does not prove that nothing ever comes.
const FLOOR: f64 = 0.02;
/// Share of the level over all times in what is expected of a time: a slot of few buckets is poorly known.
const LEVEL_SHARE: f64 = 0.2;
/// So many buckets, three hours of them, may be out of the ordinary without becoming it, if they are not a quarter.
const PATIENCE: u64 = 36;
/// Buckets after a gap that may hold what had to wait in it.
const BACKLOG: u32 = 2;
const LONGEST_BACKLOG: u32 = 12;

/// Quiet watched buckets, three hours of them, after which the first refusal of something inside is news.
const QUIET: u64 = 36;

/// When an interface was watched and capture lost nothing, in buckets of attempts.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// First and last bucket of each stretch, ascending.
    runs: Vec<(u32, u32)>,
    seconds: u64,
}

impl Watched {
    /// Of what is known of an interface, in buckets of 5 minutes times `2^doublings`.
    #[must_use]
    pub fn of(coverage: &Coverage, doublings: u32) -> Self {
        let bucket = |time: u32| (time / REJECT_BUCKET) >> doublings;
        let (Some(first), Some(last)) = (coverage.first, coverage.last) else { return Self::default() };
        let end = bucket(last);
        let mut next = bucket(first);
        let mut runs: Vec<(u32, u32)> = Vec::new();
        // Coverage is told in 10 minutes, two of the 5 that attempts are counted in at first.
        let mut add = |from: u32, to: u32| {
            let from = bucket(from * 2 * REJECT_BUCKET).max(next);
            let last_second = (u64::from(to) * 2 + 2) * u64::from(REJECT_BUCKET) - 1;
            let to = bucket(u32::try_from(last_second).unwrap_or(u32::MAX)).min(end);
            if from <= to {
                match runs.last_mut() {
                    Some(run) if run.1 + 1 >= from => run.1 = to,
                    _ => runs.push((from, to)),
                }
                next = to + 1;
            }
        };
        if coverage.skipped.is_empty() {
            coverage.buckets.runs().for_each(|(from, to)| add(from, to));
        } else {
            coverage.buckets.difference(&coverage.skipped).for_each(|bucket| add(bucket, bucket));
        }
        Self { runs, seconds: u64::from(REJECT_BUCKET) << doublings }
    }

    fn hour(&self, bucket: u32) -> u32 {
        (u64::from(bucket) * self.seconds / HOUR) as u32
    }

    /// Watched buckets of each hour from the first on. Empty where buckets do not make up hours. A year of it takes more
    /// than it is worth to be kept for each interface.
    fn hours(&self) -> Hours {
        let ends = self.runs.first().zip(self.runs.last()).filter(|_| HOUR.is_multiple_of(self.seconds));
        let Some((&(first, _), &(_, last))) = ends else { return Hours::default() };
        let first = self.hour(first);
        let mut watched = vec![0_u16; (self.hour(last) - first) as usize + 1];
        let per_hour = (HOUR / self.seconds) as u32;
        for &(from, to) in &self.runs {
            let mut at = from;
            while at <= to {
                let until = (at / per_hour * per_hour + per_hour - 1).min(to);
                watched[(at / per_hour - first) as usize] += (until - at + 1) as u16;
                at = until + 1;
            }
        }
        Hours { first, watched }
    }

    /// Watched buckets from this one on.
    #[must_use]
    pub fn since(&self, bucket: u32) -> u64 {
        let after =
            |&(from, to): &(u32, u32)| (u64::from(to) + 1).saturating_sub(u64::from(from.max(bucket)));
        self.runs.iter().map(after).sum()
    }

    /// Length of a bucket.
    #[must_use]
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    fn first(&self) -> u32 {
        self.runs.first().map_or(0, |run| run.0)
    }

    /// Seconds from this bucket to the end.
    fn span(&self, since: u32) -> u64 {
        self.runs
            .last()
            .map_or(0, |run| u64::from((run.1 + 1).saturating_sub(since.max(self.first()))) * self.seconds)
    }

    /// How many times the usual may have piled up for this bucket: 1, unless it follows a gap.
    fn backlog(&self, bucket: u32) -> f64 {
        let at = self.runs.partition_point(|run| run.0 <= bucket);
        if at < 2 || bucket >= self.runs[at - 1].0 + BACKLOG {
            return 1.0;
        }
        let gap = self.runs[at - 1].0 - self.runs[at - 2].1 - 1;
        f64::from(1 + gap.min(LONGEST_BACKLOG))
    }

    /// Days with anything watched.
    #[must_use]
    pub fn days(&self) -> u64 {
        let day = |bucket: u32| u64::from(bucket) * self.seconds / DAY;
        let mut next = 0;
        let mut days = 0;
        for &(from, to) in &self.runs {
            let from = day(from).max(next);
            days += (day(to) + 1).saturating_sub(from);
            next = next.max(day(to) + 1);
        }
        days
    }
}

/// Watched buckets by hour.
#[derive(Default)]
struct Hours {
    first: u32,
    watched: Vec<u16>,
}

/// What the expectation follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Season {
    /// The same all the time.
    Level,
    /// The hour of the day, UTC.
    Day,
    /// The hour of the week.
    Week,
}

impl Season {
    /// Word for the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Day => "hour-of-day",
            Self::Week => "hour-of-week",
        }
    }

    fn hours(self) -> u32 {
        match self {
            Self::Level => 1,
            Self::Day => 24,
            Self::Week => 168,
        }
    }
}

/// What a series usually has: some 0.7 kB.
#[derive(Clone, Debug, PartialEq)]
pub struct Usual {
    /// What it follows.
    pub season: Season,
    /// Per slot of the season.
    slots: Box<[f32]>,
    /// Variance beyond Poisson's as a share of the squared mean.
    pub spread: f64,
    /// Buckets that it rests on.
    pub buckets: u64,
    seconds: u64,
}

impl Usual {
    /// Of a series with these counts. From outside the time before the first attempt does not count, so that what is merely
    /// new does not stand out for long; whether it began with a spike is judged against all that was watched. What is
    /// refused inside for the first time is news.
    #[must_use]
    pub fn of(series: &Series, counts: &[BucketCount], watched: &Watched) -> Self {
        let first = counts.first().map_or(0, |c| c.bucket);
        let (all, since) = (watched.since(0), watched.since(first));
        if series.is_opened_inside() && all - since.min(all) >= QUIET {
            return Self::nothing(all, watched.seconds());
        }
        let begin = if !series.is_opened_inside() && since >= QUIET { first } else { watched.first() };
        Self::learn(counts, watched, begin)
    }

    /// Learns from the counts of a series since a bucket.
    fn learn(counts: &[BucketCount], watched: &Watched, since: u32) -> Self {
        let counts: Vec<&BucketCount> = counts.iter().filter(|c| c.bucket >= since).collect();
        let buckets = watched.since(since).max(counts.len() as u64);
        let odd = usize::try_from((buckets / 100).max(PATIENCE).min(buckets / 4)).unwrap_or(0);
        let level = level(&counts, buckets, odd);
        let hours = watched.hours();
        let season = match watched.span(since) {
            _ if hours.watched.is_empty() => Season::Level,
            span if span >= 14 * DAY => Season::Week,
            span if span >= 3 * DAY => Season::Day,
            _ => Season::Level,
        };
        let slots = match season {
            Season::Level => vec![level],
            _ => seasonal(&counts, watched, &hours, since, season, level),
        };
        let slots = slots.into_iter().map(|mean| mean.max(FLOOR) as f32).collect();
        let mut usual = Self { season, slots, spread: LEAST_SPREAD, buckets, seconds: watched.seconds };
        usual.spread = usual.learn_spread(&counts, watched, &hours, since, odd);
        usual
    }

    /// Of something that never was before.
    fn nothing(buckets: u64, seconds: u64) -> Self {
        Self { season: Season::Level, slots: Box::new([FLOOR as f32]), spread: 1.0, buckets, seconds }
    }

    fn slot(&self, bucket: u32) -> usize {
        (u64::from(bucket) * self.seconds / HOUR % u64::from(self.season.hours())) as usize
    }

    fn mean(&self, bucket: u32) -> f64 {
        f64::from(self.slots[self.slot(bucket)])
    }

    /// The expected count of a bucket, with what may have waited in a gap before it.
    #[must_use]
    pub fn expected(&self, bucket: u32, watched: &Watched) -> f64 {
        self.mean(bucket) * watched.backlog(bucket)
    }

    /// The moment estimate of the spread, sum((n - m)^2 - m) / sum(m^2), after the oddest buckets were brought down to
    /// the next odd one.
    fn learn_spread(
        &self,
        counts: &[&BucketCount],
        watched: &Watched,
        hours: &Hours,
        since: u32,
        odd: usize,
    ) -> f64 {
        let z = |c: &&BucketCount| {
            let mean = self.mean(c.bucket);
            ((c.attempts as f64 - mean) / (mean + LEAST_SPREAD * mean * mean).sqrt(), mean)
        };
        let strays: Vec<(f64, f64)> = counts.iter().map(z).collect();
        let mut highest: Vec<f64> = strays.iter().map(|s| s.0).collect();
        // Beyond the busy buckets come the empty ones, which stray by less than nothing.
        let most = match highest.len() {
            n if odd < n => highest.select_nth_unstable_by(odd, |a, b| b.total_cmp(a)).1.max(0.0),
            _ => 0.0,
        };
        let (mut above, mut squares) = (0.0, 0.0);
        for (stray, mean) in &strays {
            let by = stray.min(most) * (mean + LEAST_SPREAD * mean * mean).sqrt();
            above += by * by - mean;
            squares += mean * mean;
        }
        let mut empty: Vec<f64> = vec![0.0; self.slots.len()];
        if self.season == Season::Level {
            empty[0] = self.buckets as f64;
        } else {
            for (hour, covered) in (hours.first..).zip(&hours.watched) {
                if hour >= watched.hour(since) {
                    empty[(hour % self.season.hours()) as usize] += f64::from(*covered);
                }
            }
        }
        counts.iter().for_each(|c| empty[self.slot(c.bucket)] -= 1.0);
        for (empty, mean) in empty.iter().zip(&self.slots) {
            let mean = f64::from(*mean);
            above += empty.max(0.0) * (mean * mean - mean);
            squares += empty.max(0.0) * mean * mean;
        }
        let spread = above / squares.max(1e-12);
        if spread.is_finite() { spread.clamp(LEAST_SPREAD, MOST_SPREAD) } else { MOST_SPREAD }
    }
}

/// The mean, after the `odd` busiest buckets were brought down to the next one (winsorised; Tukey 1962).
fn level(counts: &[&BucketCount], buckets: u64, odd: usize) -> f64 {
    let mut values: Vec<u64> = counts.iter().map(|c| c.attempts).collect();
    let most = match values.len() {
        n if odd < n => *values.select_nth_unstable_by(odd, |a, b| b.cmp(a)).1,
        _ => 0,
    };
    let sum: u64 = values.iter().map(|&n| n.min(most)).sum();
    sum as f64 / buckets.max(1) as f64
}

/// Per slot the median over its days or weeks; of an even number the lower one, so that one busy week of two is not
/// taken for usual. What is known of an hour of the week is joined by what is known of the hour of the day.
fn seasonal(
    counts: &[&BucketCount],
    watched: &Watched,
    of_hours: &Hours,
    since: u32,
    season: Season,
    level: f64,
) -> Vec<f64> {
    let begin = watched.hour(since).max(of_hours.first);
    let mut sums = vec![0.0; of_hours.watched.len()];
    for count in counts {
        let at = watched.hour(count.bucket).checked_sub(of_hours.first);
        if let Some(sum) = at.and_then(|at| sums.get_mut(at as usize)) {
            *sum += count.attempts as f64;
        }
    }
    let medians = |hours: u32| -> Vec<(f64, f64)> {
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); hours as usize];
        for (hour, (sum, &covered)) in (of_hours.first..).zip(sums.iter().zip(&of_hours.watched)) {
            if hour >= begin && covered > 0 {
                rates[(hour % hours) as usize].push(sum / f64::from(covered));
            }
        }
        let median = |mut rates: Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            let middle = rates.len().saturating_sub(1) / 2;
            rates.get(middle).map_or((level, 0.0), |rate| (*rate, rates.len() as f64))
        };
        rates.into_iter().map(median).collect()
    };
    let days = medians(Season::Day.hours());
    let mixed = |slot: usize, rate: f64, periods: f64| match season {
        Season::Week => (rate * periods + 2.0 * days[slot % 24].0) / (periods + 2.0),
        _ => rate,
    };
    let slots = medians(season.hours());
    let slots = slots.into_iter().enumerate();
    let with_level = |rate: f64| (1.0 - LEVEL_SHARE) * rate + LEVEL_SHARE * level;
    slots.map(|(slot, (rate, periods))| with_level(mixed(slot, rate, periods))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: impl Fn(u32) -> u64, buckets: u32) -> Vec<BucketCount> {
        let count = |bucket| BucketCount { bucket, attempts: of(bucket), first: 0, last: 0 };
        (0..buckets).map(count).filter(|c| c.attempts > 0).collect()
    }

    fn runs(runs: Vec<(u32, u32)>) -> Watched {
        Watched { runs, seconds: 300 }
    }

    fn watched(days: u32) -> Watched {
        runs(vec![(0, days * 288 - 1)])
    }

    #[test]
    fn the_season_is_as_fine_as_the_log_is_long() {
        for (days, season) in [(1, Season::Level), (3, Season::Day), (14, Season::Week)] {
            let counts = counts(|_| 5, days * 288);
            let baseline = Usual::learn(&counts, &watched(days), 0);
            assert_eq!(baseline.season, season);
            assert!((baseline.expected(100, &watched(days)) - 5.0).abs() < 0.01, "{baseline:?}");
        }
    }

    #[test]
    fn daily_peaks_are_expected_and_an_attack_is_not() {
        // 40 from 9 to 10 each day; 500 in one night.
        let peaks = |bucket: u32| match (bucket % 288, bucket) {
            (108..120, _) => 40,
            (_, 600..624) => 500,
            _ => 2,
        };
        let watched = watched(5);
        let baseline = Usual::learn(&counts(peaks, 5 * 288), &watched, 0);
        assert!(baseline.expected(3 * 288 + 110, &watched) > 30.0);
        assert!(baseline.expected(610, &watched) < 6.0);
        assert!(baseline.spread < 5.0, "{}", baseline.spread);
    }

    #[test]
    fn gaps_are_no_zeros_and_may_pile_up() {
        let watched = runs(vec![(0, 99), (106, 287)]);
        let with_gap = |bucket| if (100..106).contains(&bucket) { 0 } else { 4 };
        let baseline = Usual::learn(&counts(with_gap, 288), &watched, 0);
        assert!((baseline.expected(50, &watched) - 4.0).abs() < 0.01);
        assert!((baseline.expected(106, &watched) - 28.0).abs() < 0.1, "six buckets and its own");
        assert!((baseline.expected(108, &watched) - 4.0).abs() < 0.01);
        assert_eq!((watched.since(0), watched.since(90), watched.days()), (282, 192, 1));
    }

    #[test]
    fn what_capture_lost_was_not_watched() {
        // Ten minutes each: 0 to 9 and 20 to 29, of which 3 and 4 were lost in part.
        let coverage = Coverage::of_buckets(&[0..=9, 20..=29], &[3..=4]);
        let watched = Watched::of(&coverage, 0);
        assert_eq!((watched.since(0), watched.since(10), watched.first()), (36, 30, 0));
        // In 20 minutes a bucket that is lost in part counts where the rest of it was watched.
        assert_eq!(Watched::of(&coverage, 2).since(0), 10);
    }

    #[test]
    fn bursts_widen_the_spread() {
        let steady = Usual::learn(&counts(|_| 10, 2000), &runs(vec![(0, 1999)]), 0);
        let bursts = |b: u32| if b.is_multiple_of(10) { 100 } else { 0 };
        let bursty = Usual::learn(&counts(bursts, 2000), &runs(vec![(0, 1999)]), 0);
        assert!((steady.spread - LEAST_SPREAD).abs() < 1e-9);
        assert!(bursty.spread > 5.0, "{}", bursty.spread);
    }
}
