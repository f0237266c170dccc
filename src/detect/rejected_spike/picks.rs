//! What stands out by who did it, not by how often: sources inside that knock around, and clients that used to be let in.

use std::collections::{BTreeMap, BTreeSet};

use super::alarm::{Stretch, Watches};
use super::episode::Episode;
use crate::flow::{Direction, is_private};
use crate::rollup::{Attempt, RejectTable, Rollups, Season, Series};

/// Interfaces at which a private source must have been refused on one port to be called sweeping.
const SWEEP_TARGETS: usize = 5;
/// Refusals within the time that make a client's loss of access worth telling.
const LOST_ATTEMPTS: u64 = 5;
const SECONDS: u32 = 3600;

/// Private sources that were refused on one port at several interfaces within an hour, and those that were refused again
/// and again where they had been accepted before; those that no spike tells of. Few attempts, but nothing inside has a
/// reason to knock around. Sources outside do so all the time.
pub(super) fn picks(rollups: &Rollups, spikes: &[Episode], watches: &mut Watches<'_>) -> Vec<Episode> {
    let rejects = &rollups.rejects;
    let knocks = rejects.by_source(true, |series| series.direction == Direction::Inbound);
    let spiking: Vec<(Option<u128>, &Stretch)> =
        spikes.iter().flat_map(|e| e.stretches.iter().map(|s| (e.dominant_source(), s))).collect();
    let mut episodes = Vec::new();
    for (source, attempts) in knocks.iter() {
        let mut attempts: Vec<Attempt> = attempts.collect();
        attempts.sort_by_key(|a| (a.protocol, a.port, a.first, a.interface));
        let on_one_port = attempts.chunk_by(|a, b| (a.protocol, a.port) == (b.protocol, b.port));
        for attempts in on_one_port.flat_map(|attempts| told(rollups, attempts)) {
            let episode = pick(rejects, attempts, watches);
            let (first, last) = episode.buckets();
            // A spike of the same source already tells of it.
            let known = |(who, spike): &(Option<u128>, &Stretch)| {
                *who == Some(source) && spike.first <= last && first <= spike.last
            };
            if !spiking.iter().any(known) {
                episodes.push(episode);
            }
        }
    }
    episodes
}

/// What is worth telling of a source's attempts on one port.
fn told(rollups: &Rollups, attempts: &[Attempt]) -> Vec<Vec<Attempt>> {
    let sweeps = windows(attempts, |targets, _| targets.len() >= SWEEP_TARGETS);
    if sweeps.is_empty() {
        lost(rollups, attempts)
    } else {
        sweeps.into_iter().map(<[Attempt]>::to_vec).collect()
    }
}

/// Of each interface, the hours in which a client was refused again and again what it had been granted before.
fn lost(rollups: &Rollups, attempts: &[Attempt]) -> Vec<Vec<Attempt>> {
    let mut by_interface: BTreeMap<u32, Vec<Attempt>> = BTreeMap::new();
    for attempt in attempts {
        by_interface.entry(attempt.interface).or_default().push(*attempt);
    }
    let mut found = Vec::new();
    for own in by_interface.values() {
        if was_accepted(rollups, &own[0], own[0].first) {
            let enough = |_: &BTreeMap<u32, u64>, total: u64| total >= LOST_ATTEMPTS;
            let mut hours = windows(own, enough).into_iter();
            let Some(first) = hours.next() else { continue };
            // It goes on for as long as it goes on: one episode until a day of peace.
            let mut open = first.to_vec();
            for next in hours {
                let (Some(end), Some(begin)) = (open.last(), next.first()) else { continue };
                if begin.first - end.first > 86_400 {
                    found.push(std::mem::take(&mut open));
                }
                open.extend_from_slice(next);
            }
            found.push(open);
        }
    }
    found
}

/// The source was accepted at this service before this time.
pub(super) fn was_accepted(rollups: &Rollups, attempt: &Attempt, before: u32) -> bool {
    rollups.admitted.of(attempt.remote).iter().any(|known| {
        known.interface == attempt.interface
            && known.port == attempt.port
            && known.protocol == attempt.protocol
            && known.first < before
    })
}

/// Hours with enough attempts, one after the other. The attempts are sorted by time.
fn windows(attempts: &[Attempt], enough: impl Fn(&BTreeMap<u32, u64>, u64) -> bool) -> Vec<&[Attempt]> {
    let mut found = Vec::new();
    let (mut from, mut to, mut total) = (0, 0, 0);
    let mut targets: BTreeMap<u32, u64> = BTreeMap::new();
    while from < attempts.len() {
        let end = attempts[from].first.saturating_add(SECONDS);
        while to < attempts.len() && attempts[to].first <= end {
            *targets.entry(attempts[to].interface).or_default() += attempts[to].weight;
            total += attempts[to].weight;
            to += 1;
        }
        if enough(&targets, total) {
            found.push(&attempts[from..to]);
            from = to;
            total = 0;
            targets.clear();
            continue;
        }
        total -= attempts[from].weight;
        if let Some(count) = targets.get_mut(&attempts[from].interface) {
            *count -= attempts[from].weight;
            if *count == 0 {
                targets.remove(&attempts[from].interface);
            }
        }
        from += 1;
    }
    found
}

/// An episode of attempts of one side and direction.
pub(super) fn pick(rejects: &RejectTable, attempts: Vec<Attempt>, watches: &mut Watches<'_>) -> Episode {
    let inside = is_private(attempts[0].remote);
    let bucket = |a: &Attempt| rejects.bucket(inside, a.first);
    let interfaces: BTreeSet<u32> = attempts.iter().map(|a| a.interface).collect();
    let one = |interface: u32| {
        let mut own = attempts.iter().filter(|a| a.interface == interface).peekable();
        let Attempt { direction, cause, class, .. } = **own.peek()?;
        let (mut first, mut last) = (u32::MAX, 0);
        for attempt in own {
            first = first.min(bucket(attempt));
            last = last.max(bucket(attempt));
        }
        Some(Stretch {
            series: Series { interface, direction, cause, inside, class },
            first,
            last,
            expected: 0.0,
            baseline_buckets: watches.of(interface, inside).since(0),
            season: Season::Level,
            probability: f64::NAN,
            picked: true,
        })
    };
    let stretches = interfaces.into_iter().filter_map(one).collect();
    Episode::picked(stretches, bucket, attempts)
}
