//! Which buckets of which series are out of the ordinary, and the stretches that they make.

use std::collections::{BTreeMap, BTreeSet};

use super::tail::{discoveries, upper};
use crate::detect::Sensitivity;
use crate::rollup::{BucketCount, Rollups, Season, Series, ServiceClass, Usual, WatchedTime};

/// An alarm reaches on over neighbours of at least so many attempts that are twice as many as expected.
const STILL: u64 = 5;
const REACH: u32 = 12;
/// Days with something alike that make a stretch usual: at least so many, and one in ten.
const USUAL_DAYS: u64 = 3;
/// So many times the mean of a series make a burst.
const BURST: f64 = 3.0;

/// From when on a count is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Thresholds {
    /// Least attempts in a bucket, opened outside and inside.
    least: [u64; 2],
    /// Least multiple of what is expected.
    ratio: f64,
    /// Share of alarms that may be so by chance.
    rate: f64,
}

impl From<Sensitivity> for Thresholds {
    fn from(sensitivity: Sensitivity) -> Self {
        match sensitivity {
            Sensitivity::Low => Self { least: [50, 20], ratio: 8.0, rate: 1e-4 },
            Sensitivity::Normal => Self { least: [20, 8], ratio: 4.0, rate: 1e-2 },
            Sensitivity::High => Self { least: [10, 4], ratio: 3.0, rate: 5e-2 },
        }
    }
}

/// A stretch of alarming buckets of one series.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub series: Series,
    pub first: u32,
    pub last: u32,
    /// Attempts expected in all of its buckets.
    pub expected: f64,
    pub baseline_buckets: u64,
    pub season: Season,
    /// The probability of its least likely bucket.
    pub probability: f64,
    /// Only some attempts are meant, which are known one by one.
    pub picked: bool,
}

struct Candidate {
    series: usize,
    bucket: u32,
    probability: f64,
}

struct Learned {
    series: Series,
    counts: Vec<BucketCount>,
    usual: Usual,
}

/// When each interface was watched, for sources of both sides.
pub(super) struct Watches<'a> {
    rollups: &'a Rollups,
    known: BTreeMap<(u32, bool), WatchedTime>,
}

impl<'a> Watches<'a> {
    pub fn new(rollups: &'a Rollups) -> Self {
        Self { rollups, known: BTreeMap::new() }
    }

    pub fn of(&mut self, interface: u32, inside: bool) -> &WatchedTime {
        self.known.entry((interface, inside)).or_insert_with(|| {
            let row = &self.rollups.interfaces[interface as usize];
            WatchedTime::of(&row.coverage, self.rollups.rejects.doublings(inside))
        })
    }
}

/// Bursts of one class of attempts from outside, at all interfaces: what passes by everywhere is no news anywhere.
#[derive(Default)]
struct Peers {
    bursts: Vec<Burst>,
    /// Days that the interfaces with such attempts were watched, added up.
    days: u64,
}

/// Neighbouring busy buckets.
struct Burst {
    interface: u32,
    first: u32,
    last: u32,
    attempts: u64,
}

impl Peers {
    /// Takes in the buckets of a series with at least so many attempts, and many more than it mostly has.
    fn see(
        &mut self,
        interface: u32,
        counts: impl Iterator<Item = BucketCount>,
        total: u64,
        watched: &WatchedTime,
        least: u64,
    ) {
        let mean = total as f64 / watched.since(0).max(1) as f64;
        self.days += watched.days();
        for count in counts.filter(|c| c.attempts >= least && c.attempts as f64 >= BURST * mean) {
            match self.bursts.last_mut() {
                Some(open) if open.interface == interface && count.bucket <= open.last + 2 => {
                    open.last = count.bucket;
                    open.attempts += count.attempts;
                }
                _ => self.bursts.push(Burst {
                    interface,
                    first: count.bucket,
                    last: count.bucket,
                    attempts: count.attempts,
                }),
            }
        }
    }
}

/// Every stretch that stands out.
pub(super) fn stretches(rollups: &Rollups, watches: &mut Watches<'_>, limits: Thresholds) -> Vec<Stretch> {
    let (mut learned, mut candidates, mut tests): (Vec<Learned>, Vec<Candidate>, u64) = Default::default();
    let mut peers: BTreeMap<ServiceClass, Peers> = BTreeMap::new();
    // Of many thousands only a few have a bucket worth a baseline. Should the table fail, all are looked at.
    let busy = rollups.rejects.busy(limits.least).ok();
    for (number, (series, counts)) in (0_u32..).zip(rollups.rejects.series()) {
        let watched = watches.of(series.interface, series.inside);
        let side = usize::from(series.is_opened_inside());
        let least = limits.least[side];
        let sum = rollups.rejects.sum(&series);
        if side == 0 {
            let total = sum.map_or_else(|| counts.clone().map(|c| c.attempts).sum(), |s| s.attempts);
            let known = peers.entry(series.class).or_default();
            known.see(series.interface, counts.clone(), total, watched, least.div_ceil(2));
        }
        if busy.as_ref().is_some_and(|busy| !busy[side].contains(&number)) {
            let first = sum.map_or_else(|| counts.clone().next().map_or(0, |c| c.bucket), |s| s.first);
            tests += watched.since(first);
            continue;
        }
        let counts: Vec<BucketCount> = counts.collect();
        let known = sum.and_then(|sum| sum.usual.clone());
        let usual = known.unwrap_or_else(|| Usual::of(&series, &counts, watched));
        tests += usual.buckets;
        for count in counts.iter().filter(|c| c.attempts >= least) {
            let expected = usual.expected(count.bucket, watched);
            if count.attempts as f64 >= limits.ratio * expected {
                let probability = upper(count.attempts, expected, usual.spread);
                candidates.push(Candidate { series: learned.len(), bucket: count.bucket, probability });
            }
        }
        learned.push(Learned { series, counts, usual });
    }
    candidates.sort_by(|a, b| {
        a.probability.total_cmp(&b.probability).then((a.series, a.bucket).cmp(&(b.series, b.bucket)))
    });
    let probabilities: Vec<f64> = candidates.iter().map(|c| c.probability).collect();
    candidates.truncate(discoveries(&probabilities, tests, limits.rate));
    candidates.sort_by_key(|c| (c.series, c.bucket));
    let of_series = candidates.chunk_by(|a, b| a.series == b.series);
    of_series
        .flat_map(|alarms| {
            let one = &learned[alarms[0].series];
            let peers = peers.get(&one.series.class).filter(|_| !one.series.is_opened_inside());
            join(one, alarms, watches.of(one.series.interface, one.series.inside), peers)
        })
        .collect()
}

/// Alarms and what lies between and around them become stretches, unless that happens on many days.
fn join(
    learned: &Learned,
    alarms: &[Candidate],
    watched: &WatchedTime,
    peers: Option<&Peers>,
) -> Vec<Stretch> {
    let Learned { series, counts, usual } = learned;
    let at =
        |bucket: u32| counts.binary_search_by_key(&bucket, |c| c.bucket).map_or(0, |at| counts[at].attempts);
    let still = |bucket: u32| {
        let n = at(bucket);
        n >= STILL && n as f64 >= 2.0 * usual.expected(bucket, watched)
    };
    let mut found: Vec<Stretch> = Vec::new();
    for alarm in alarms {
        let reach = |step: i64| {
            let mut end = alarm.bucket;
            while end.abs_diff(alarm.bucket) < REACH {
                let next = u32::try_from(i64::from(end) + step).unwrap_or(end);
                if next == end || !still(next) {
                    break;
                }
                end = next;
            }
            end
        };
        let (first, last) = (reach(-1), reach(1));
        match found.last_mut() {
            // One quiet bucket does not end a stretch.
            Some(open) if first <= open.last + 2 => {
                open.last = open.last.max(last);
                open.probability = open.probability.min(alarm.probability);
            }
            _ => found.push(Stretch {
                series: *series,
                first,
                last,
                expected: 0.0,
                baseline_buckets: usual.buckets,
                season: usual.season,
                probability: alarm.probability,
                picked: false,
            }),
        }
    }
    found.retain(|stretch| {
        !is_usual(stretch, counts, watched) && !peers.is_some_and(|peers| passes_by(stretch, counts, peers))
    });
    for stretch in &mut found {
        stretch.expected = (stretch.first..=stretch.last).map(|bucket| usual.expected(bucket, watched)).sum();
    }
    found
}

/// True if at least half as much came many times at whatever interfaces: more than thrice, and once in ten days of one.
fn passes_by(stretch: &Stretch, counts: &[BucketCount], peers: &Peers) -> bool {
    let own = stretch.first..=stretch.last;
    let attempts: u64 = counts.iter().filter(|c| own.contains(&c.bucket)).map(|c| c.attempts).sum();
    let near = |burst: &&Burst| burst.last + REACH >= stretch.first && burst.first <= stretch.last + REACH;
    let alike = peers.bursts.iter().filter(|burst| burst.attempts * 2 >= attempts);
    let mut alike: Vec<(u32, u32)> = alike.filter(|b| !near(b)).map(|b| (b.first, b.last)).collect();
    alike.sort_unstable();
    // What happens at many interfaces at once happened once.
    let (mut events, mut end) = (0_u64, None);
    for (first, last) in alike {
        events += u64::from(end.is_none_or(|end| first > end + REACH));
        end = end.max(Some(last));
    }
    events >= USUAL_DAYS.max(peers.days / 10)
}

fn peak(stretch: &Stretch, counts: &[BucketCount]) -> u64 {
    let own = stretch.first..=stretch.last;
    counts.iter().filter(|c| own.contains(&c.bucket)).map(|c| c.attempts).max().unwrap_or(0)
}

/// True if at least half as much came on many other days.
fn is_usual(stretch: &Stretch, counts: &[BucketCount], watched: &WatchedTime) -> bool {
    let peak = peak(stretch, counts);
    let day = |bucket: u32| u64::from(bucket) * watched.seconds() / 86_400;
    let own_days = day(stretch.first)..=day(stretch.last);
    let alike = counts.iter().filter(|c| c.attempts * 2 >= peak).map(|c| day(c.bucket));
    let days: BTreeSet<u64> = alike.filter(|day| !own_days.contains(day)).collect();
    days.len() as u64 >= USUAL_DAYS.max(watched.days() / 10)
}
