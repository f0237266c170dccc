//! Stretches of rejected attempts that belong together.

use std::collections::{BTreeMap, BTreeSet};

use super::alarm::Stretch;
use crate::flow::{Direction, address_from_bits};
use crate::rollup::{Attempt, BucketCount, Distinct, RejectTable, Rollups, ServiceClass};

/// Share of an episode's attempts that makes a source or port dominant.
const DOMINANT: f64 = 0.5;
/// Interfaces with nothing else in common that make an episode of a whole group or VPC.
const WIDE: usize = 3;

/// Attempts at one interface in one bucket, counted exactly.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tally {
    pub interface: u32,
    pub cause: &'static str,
    pub class: ServiceClass,
    pub bucket: u32,
    pub attempts: u64,
    pub first: u32,
    pub last: u32,
}

/// One or more stretches that belong together.
#[derive(Debug)]
pub(super) struct Episode {
    pub scope: Scope,
    pub stretches: Vec<Stretch>,
    /// How many attempts there were.
    pub tallies: Vec<Tally>,
    /// The attempts, or a sample of them.
    pub attempts: Vec<Attempt>,
    /// Attempts that are none of a whole stretch.
    pub picked: Vec<Attempt>,
}

/// What explains an episode best: what all of it has in common. Its debug form is part of the ids of findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Scope {
    /// One remote address.
    Source(u128, Direction),
    /// One service port, whoever tries it, of sources outside or inside.
    Port(u16, Direction, bool),
    /// One interface.
    Target(u32, Direction, bool),
    /// The interfaces of a security group.
    Group(String, Direction, bool),
    /// A VPC, or everything.
    Vpc(Option<String>, Direction, bool),
}

impl Scope {
    /// Word for the outputs.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Source(..) => "one-source",
            Self::Port(..) => "one-port",
            Self::Target(..) => "one-target",
            Self::Group(..) => "one-group",
            Self::Vpc(Some(_), ..) => "one-vpc",
            Self::Vpc(None, ..) => "several-vpcs",
        }
    }
}

impl Episode {
    pub fn of(rejects: &RejectTable, stretch: Stretch) -> Self {
        let buckets = stretch.first..=stretch.last;
        let tally = |count: BucketCount| Tally {
            interface: stretch.series.interface,
            cause: stretch.series.cause,
            class: stretch.series.class,
            bucket: count.bucket,
            attempts: count.attempts,
            first: count.first,
            last: count.last,
        };
        let tallies = rejects.counts(&stretch.series, buckets.clone()).map(tally).collect();
        let attempts = rejects.attempts(&stretch.series, buckets).collect();
        Self::new(vec![stretch], tallies, attempts, Vec::new())
    }

    /// Of attempts that are known one by one and belong together, however few they are.
    pub fn picked(stretches: Vec<Stretch>, bucket: impl Fn(&Attempt) -> u32, attempts: Vec<Attempt>) -> Self {
        let tally = |a: &Attempt| Tally {
            interface: a.interface,
            cause: a.cause,
            class: a.class,
            bucket: bucket(a),
            attempts: a.weight,
            first: a.first,
            last: a.first,
        };
        Self::new(stretches, attempts.iter().map(tally).collect(), attempts.clone(), attempts)
    }

    fn new(
        stretches: Vec<Stretch>,
        tallies: Vec<Tally>,
        attempts: Vec<Attempt>,
        picked: Vec<Attempt>,
    ) -> Self {
        let series = &stretches[0].series;
        let total: u64 = tallies.iter().map(|t: &Tally| t.attempts).sum();
        let source = dominant(&top(&attempts, |a| a.remote), total);
        let port = dominant(&top(&attempts, |a| a.port), total);
        // Outbound the interface itself is what opens, and the remote side only where to.
        let scope = match (series.direction, source, port) {
            (Direction::Inbound, Some(source), _) => Scope::Source(source, series.direction),
            (.., Some(port)) if series.class != ServiceClass::NoPorts => {
                Scope::Port(port, series.direction, series.inside)
            }
            _ => Scope::Target(series.interface, series.direction, series.inside),
        };
        Self { scope, stretches, tallies, attempts, picked }
    }

    pub fn total(&self) -> u64 {
        self.tallies.iter().map(|t| t.attempts).sum()
    }

    pub fn direction(&self) -> Direction {
        self.stretches[0].series.direction
    }

    /// Its sources are private addresses.
    pub fn is_inside(&self) -> bool {
        self.stretches[0].series.inside
    }

    /// First packet of the first attempt, Unix seconds.
    pub fn start(&self) -> u32 {
        self.tallies.iter().map(|t| t.first).min().unwrap_or(0)
    }

    /// First packet of the last attempt.
    pub fn end(&self) -> u32 {
        self.tallies.iter().map(|t| t.last).max().unwrap_or(0)
    }

    /// First and last bucket.
    pub fn buckets(&self) -> (u32, u32) {
        let first = self.stretches.iter().map(|s| s.first).min();
        let last = self.stretches.iter().map(|s| s.last).max();
        (first.unwrap_or(0), last.unwrap_or(0))
    }

    /// Attempts by a property that is known of each, most first.
    pub fn tally<K: Ord + Copy>(&self, key: impl Fn(&Tally) -> K) -> Vec<(K, u64)> {
        ranked(self.tallies.iter().map(|t| (key(t), t.attempts)))
    }

    /// How many sources and ports there were.
    pub fn distinct(&self, rejects: &RejectTable) -> Distinct {
        let whole = self.stretches.iter().filter(|s| !s.picked);
        let whole: Vec<_> = whole.map(|s| (s.series, s.first..=s.last)).collect();
        rejects.distinct(&whole, &self.picked)
    }

    pub fn dominant_source(&self) -> Option<u128> {
        dominant(&top(&self.attempts, |a| a.remote), self.total())
    }

    fn join(&mut self, other: Self) {
        self.stretches.extend(other.stretches);
        self.tallies.extend(other.tallies);
        self.attempts.extend(other.attempts);
        self.picked.extend(other.picked);
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

/// Joins episodes of the same scope that overlap in time or follow each other; then those of single interfaces that
/// happen at the same time at many.
pub(super) fn merge(rollups: &Rollups, episodes: Vec<Episode>) -> Vec<Episode> {
    let joined = join_in_time(episodes, |episode| episode.scope.clone());
    let (single, mut merged): (Vec<_>, Vec<_>) =
        joined.into_iter().partition(|e| matches!(e.scope, Scope::Target(..)));
    for mut episode in join_in_time(single, |e| (e.direction(), e.is_inside())) {
        let interfaces: BTreeSet<u32> = episode.stretches.iter().map(|s| s.series.interface).collect();
        if interfaces.len() >= WIDE {
            episode.scope = wide(rollups, &interfaces, episode.direction(), episode.is_inside());
            merged.push(episode);
        } else {
            merged.extend(split(episode));
        }
    }
    merged
}

fn join_in_time<K: Ord>(episodes: Vec<Episode>, key: impl Fn(&Episode) -> K) -> Vec<Episode> {
    let mut keyed: BTreeMap<K, Vec<Episode>> = BTreeMap::new();
    for episode in episodes {
        keyed.entry(key(&episode)).or_default().push(episode);
    }
    let mut joined: Vec<Episode> = Vec::new();
    for (_, mut group) in keyed {
        group.sort_by_key(|e| (e.buckets(), e.scope.clone()));
        let mut end = 0;
        let mut open: Option<Episode> = None;
        for episode in group {
            let (first, last) = episode.buckets();
            match &mut open {
                Some(current) if first <= end + 2 => {
                    end = end.max(last);
                    current.join(episode);
                }
                _ => {
                    joined.extend(open.replace(episode));
                    end = last;
                }
            }
        }
        joined.extend(open);
    }
    joined
}

/// Takes episodes that were joined for their time apart by interface.
fn split(episode: Episode) -> impl Iterator<Item = Episode> {
    let mut parts: BTreeMap<u32, Episode> = BTreeMap::new();
    let (direction, inside) = (episode.direction(), episode.is_inside());
    let empty = |interface: u32| Episode {
        scope: Scope::Target(interface, direction, inside),
        stretches: Vec::new(),
        tallies: Vec::new(),
        attempts: Vec::new(),
        picked: Vec::new(),
    };
    for stretch in episode.stretches {
        let at = stretch.series.interface;
        parts.entry(at).or_insert_with(|| empty(at)).stretches.push(stretch);
    }
    for tally in episode.tallies {
        parts.entry(tally.interface).or_insert_with(|| empty(tally.interface)).tallies.push(tally);
    }
    for attempt in episode.attempts {
        parts.entry(attempt.interface).or_insert_with(|| empty(attempt.interface)).attempts.push(attempt);
    }
    for attempt in episode.picked {
        parts.entry(attempt.interface).or_insert_with(|| empty(attempt.interface)).picked.push(attempt);
    }
    parts.into_values().filter(|part| !part.stretches.is_empty())
}

/// The smallest thing that holds all of these interfaces.
fn wide(rollups: &Rollups, interfaces: &BTreeSet<u32>, direction: Direction, inside: bool) -> Scope {
    let mut rows = interfaces.iter().map(|&i| &rollups.interfaces[i as usize]);
    let Some(first) = rows.next() else { return Scope::Vpc(None, direction, inside) };
    let (mut groups, mut vpc) = (first.groups.clone(), first.vpc.clone());
    for row in rows {
        groups.retain(|group| row.groups.contains(group));
        vpc = vpc.filter(|vpc| row.vpc.as_ref() == Some(vpc));
    }
    match groups.into_iter().next() {
        Some(group) => Scope::Group(group, direction, inside),
        None => Scope::Vpc(vpc, direction, inside),
    }
}

/// The address of a source.
pub(super) fn address(bits: u128) -> std::net::IpAddr {
    address_from_bits(bits)
}
