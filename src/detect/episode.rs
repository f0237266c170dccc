//! Stretches of rejected attempts that belong together, for the detector of spikes.

use std::collections::{BTreeMap, BTreeSet};

use crate::flow::{Direction, address_from_bits};
use crate::rollup::{Attempt, Distinct, RejectTable, Rollups, Series};

/// Share of an episode's attempts that makes a source or port dominant.
const DOMINANT: f64 = 0.5;
/// Interfaces at which a private source must have been refused on one port to be called sweeping.
const SWEEP_TARGETS: usize = 5;
const SWEEP_SECONDS: u32 = 3600;

/// A stretch of alarming buckets of one series.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub series: Series,
    pub first: u32,
    pub last: u32,
    pub expected: f64,
    pub baseline_buckets: usize,
    /// Only the attempts of one source on one port are meant.
    pub swept: bool,
}

/// Attempts at one interface in one bucket, counted exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub interface: u32,
    pub cause: &'static str,
    pub bucket: u32,
    pub attempts: u64,
    pub first: u32,
    pub last: u32,
}

/// One or more stretches that belong together.
#[derive(Debug)]
pub(super) struct Episode {
    pub stretches: Vec<Stretch>,
    /// How many attempts there were.
    pub tallies: Vec<Tally>,
    /// The attempts, or a sample of them.
    pub attempts: Vec<Attempt>,
    /// Attempts that are none of a stretch.
    swept: Vec<Attempt>,
}

/// What dominates an episode. Its debug form is part of the ids of findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    Source(u128, u8),
    Port(u16, u8, u8),
    Series(Series),
}

impl Episode {
    pub fn of(rejects: &RejectTable, stretch: Stretch) -> Self {
        let buckets = stretch.first..=stretch.last;
        let tally = |count: crate::rollup::BucketCount| Tally {
            interface: stretch.series.0,
            cause: stretch.series.2,
            bucket: count.bucket,
            attempts: count.attempts,
            first: count.first,
            last: count.last,
        };
        Self {
            tallies: rejects.counts(&stretch.series, buckets.clone()).map(tally).collect(),
            attempts: rejects.attempts(&stretch.series, buckets).collect(),
            swept: Vec::new(),
            stretches: vec![stretch],
        }
    }

    pub fn total(&self) -> u64 {
        self.tallies.iter().map(|t| t.attempts).sum()
    }

    pub fn direction(&self) -> Direction {
        match self.stretches[0].series.1 {
            0 => Direction::Inbound,
            _ => Direction::Outbound,
        }
    }

    /// Its sources are private addresses.
    pub fn is_inside(&self) -> bool {
        self.stretches[0].series.3 == 1
    }

    /// Attempts by a property that is known of each, most first.
    pub fn tally<K: Ord + Copy>(&self, key: impl Fn(&Tally) -> K) -> Vec<(K, u64)> {
        ranked(self.tallies.iter().map(|t| (key(t), t.attempts)))
    }

    /// How many sources and ports there were.
    pub fn distinct(&self, rejects: &RejectTable) -> Distinct {
        let whole = self.stretches.iter().filter(|s| !s.swept);
        let whole: Vec<_> = whole.map(|s| (s.series, s.first..=s.last)).collect();
        rejects.distinct(&whole, &self.swept)
    }

    pub fn dominant_source(&self) -> Option<u128> {
        dominant(&top(&self.attempts, |a| a.remote), self.total())
    }

    pub fn scope(&self) -> Scope {
        let (_, direction, _, inside) = self.stretches[0].series;
        // The opener is the remote side if inbound; outbound it is the interface, and the scope stays its own.
        if direction == Direction::Inbound as u8
            && let Some(source) = self.dominant_source()
        {
            return Scope::Source(source, direction);
        }
        match dominant(&top(&self.attempts, |a| a.port), self.total()) {
            Some(port) => Scope::Port(port, direction, inside),
            None => Scope::Series(self.stretches[0].series),
        }
    }
}

/// Attempts by a property, most first, then by the property. A sampled attempt counts for those that it stands for.
pub(super) fn top<K: Ord + Copy>(attempts: &[Attempt], key: impl Fn(&Attempt) -> K) -> Vec<(K, u64)> {
    ranked(attempts.iter().map(|a| (key(a), a.weight)))
}

fn ranked<K: Ord + Copy>(counts: impl Iterator<Item = (K, u64)>) -> Vec<(K, u64)> {
    let mut sums: BTreeMap<K, u64> = BTreeMap::new();
    for (key, n) in counts {
        *sums.entry(key).or_default() += n;
    }
    let mut sums: Vec<(K, u64)> = sums.into_iter().collect();
    sums.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    sums
}

/// What has at least half of the attempts.
pub(super) fn dominant<K: Copy>(counts: &[(K, u64)], total: u64) -> Option<K> {
    counts.first().filter(|(_, n)| *n as f64 >= DOMINANT * total as f64).map(|(k, _)| *k)
}

/// Joins episodes of the same scope that overlap in time or follow each other.
pub(super) fn merge(episodes: Vec<Episode>) -> Vec<Episode> {
    let mut scoped: BTreeMap<Scope, Vec<Episode>> = BTreeMap::new();
    for episode in episodes {
        scoped.entry(episode.scope()).or_default().push(episode);
    }
    let mut merged: Vec<Episode> = Vec::new();
    for (_, mut group) in scoped {
        group.sort_by_key(|e| e.stretches[0].first);
        let mut end = 0;
        let mut open: Option<Episode> = None;
        for episode in group {
            let (first, last) = (episode.stretches[0].first, episode.stretches[0].last);
            match &mut open {
                Some(current) if first <= end + 2 => {
                    end = end.max(last);
                    current.stretches.extend(episode.stretches);
                    current.tallies.extend(episode.tallies);
                    current.attempts.extend(episode.attempts);
                    current.swept.extend(episode.swept);
                }
                _ => {
                    merged.extend(open.replace(episode));
                    end = last;
                }
            }
        }
        merged.extend(open);
    }
    merged
}

/// Private sources that were refused on one port at several interfaces within an hour, and that no spike tells of: few
/// attempts, but nothing inside has a reason to knock around. Sources outside do so all the time.
pub(super) fn sweeps(rollups: &Rollups, spikes: &[Episode], baseline: impl Fn(u32) -> usize) -> Vec<Episode> {
    let mut knocks: BTreeMap<(u128, u8, u16), Vec<Attempt>> = BTreeMap::new();
    for attempt in rollups.rejects.of_side(true) {
        if attempt.direction == Direction::Inbound {
            knocks.entry((attempt.remote, attempt.protocol, attempt.port)).or_default().push(attempt);
        }
    }
    let spiking: Vec<(Option<u128>, &Stretch)> =
        spikes.iter().map(|e| (e.dominant_source(), &e.stretches[0])).collect();
    let mut episodes = Vec::new();
    for ((source, ..), mut attempts) in knocks {
        attempts.sort_by_key(|a| (a.first, a.interface));
        for window in windows(&attempts) {
            let sweep = sweep(&rollups.rejects, window, &baseline);
            let end = sweep.stretches.iter().map(|s| s.last).max().unwrap_or(0);
            // A spike of the same source already tells of the sweep.
            let told = |(who, spike): &(Option<u128>, &Stretch)| {
                *who == Some(source) && spike.first <= end && sweep.stretches[0].first <= spike.last
            };
            if !spiking.iter().any(told) {
                episodes.push(sweep);
            }
        }
    }
    episodes
}

/// Hours with attempts at enough interfaces, one after the other. The attempts are sorted by time.
fn windows(attempts: &[Attempt]) -> Vec<&[Attempt]> {
    let mut found = Vec::new();
    let (mut from, mut to) = (0, 0);
    let mut targets: BTreeMap<u32, usize> = BTreeMap::new();
    while from < attempts.len() {
        let end = attempts[from].first.saturating_add(SWEEP_SECONDS);
        while to < attempts.len() && attempts[to].first <= end {
            *targets.entry(attempts[to].interface).or_default() += 1;
            to += 1;
        }
        if targets.len() >= SWEEP_TARGETS {
            found.push(&attempts[from..to]);
            from = to;
            targets.clear();
            continue;
        }
        if let Some(count) = targets.get_mut(&attempts[from].interface) {
            *count -= 1;
            if *count == 0 {
                targets.remove(&attempts[from].interface);
            }
        }
        from += 1;
    }
    found
}

fn sweep(rejects: &RejectTable, attempts: &[Attempt], baseline: &impl Fn(u32) -> usize) -> Episode {
    let bucket = |a: &Attempt| rejects.bucket(true, a.first);
    let one = |interface: u32| {
        let own = attempts.iter().filter(|a| a.interface == interface);
        let buckets = own.map(bucket);
        Stretch {
            series: (interface, Direction::Inbound as u8, attempts[0].cause, 1),
            first: buckets.clone().min().unwrap_or(0),
            last: buckets.max().unwrap_or(0),
            expected: 0.0,
            baseline_buckets: baseline(interface),
            swept: true,
        }
    };
    let interfaces: BTreeSet<u32> = attempts.iter().map(|a| a.interface).collect();
    let tally = |a: &Attempt| Tally {
        interface: a.interface,
        cause: a.cause,
        bucket: bucket(a),
        attempts: a.weight,
        first: a.first,
        last: a.first,
    };
    Episode {
        stretches: interfaces.into_iter().map(one).collect(),
        tallies: attempts.iter().map(tally).collect(),
        attempts: attempts.to_vec(),
        swept: attempts.to_vec(),
    }
}

/// The address of a source.
pub(super) fn address(bits: u128) -> std::net::IpAddr {
    address_from_bits(bits)
}
