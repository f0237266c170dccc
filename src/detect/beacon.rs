//! Connections like clockwork.
//!
//! ## What it finds
//! An interface that opens connections to one address and port at regular intervals and sends about the same each
//! time.
//!
//! ## Why it matters
//! Malware calls home on a timer to ask for orders. So do many honest programs; what stands out is one host that does
//! what none like it does.
//!
//! ## How it decides
//! Outbound accepted connections of hosts are looked at, one interface, remote address and port at a time; a long
//! connection counts once, whatever its number of records. Load balancers, NAT gateways and other interfaces that AWS
//! runs are left out, and so is NTP. Connections that begin within 5 seconds are one beat. From 20 beats over 2 hours
//! on, intervals and sizes (bytes sent) are scored as RITA does (Active Countermeasures, version 5). The score of either
//! is the mean of two: one minus the absolute Bowley skewness (of the quartiles), and one minus MAD / median. The mean of
//! intervals and sizes must
//! reach 0.8. Besides, MAD / median must be at most 0.15 for intervals and 0.2 for sizes (random intervals have 0.7;
//! jitter of 10 % has 0.05), and beats must fill at least half of the time between the first and the last. Times in
//! flow logs may be off by a minute, so intervals below 30 seconds are not judged. Of one address the 256 earliest
//! connections are looked at.
//!
//! What many do is no beacon: addresses that five interfaces or half of a group call on that port, and interfaces that
//! poll four or more blocks (/24, /56) like that. An interface is compared with its group, those with the same security
//! groups. High: new after the baseline, and the only one of a group of three or more. Medium: one of the two. Low:
//! neither; or nobody ever answered, which is a client that tries again and again; or a baseline of less than two
//! days. Without any, only what no other of three or more does is told. Peers inside only count if both holds, at low.
//!
//! ## When it is wrong
//! A program that polls a partner's API from one host looks exactly like this. Beacons that pick among many addresses, or
//! wait for random times, are not found; nor are those that most of a group makes: `first-contact` tells of these when
//! they begin. Where there were too many addresses for memory, a sample of them was looked at (`one_in`).
//!
//! ## Tuning
//! `--baseline` tells what was normal. A longer window shows that something has always been there. `--skip beacon` turns
//! it off.
//!
//! ## What to do
//! Find the process on the host that opens the connections, and whose the address is. If nobody knows, isolate the host.

use std::collections::{BTreeMap, BTreeSet};

use super::normal::{companions, contact, duration, outside, quantile, spread};
use super::{Detector, Input, Meta, at_interfaces, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol, address_from_bits};
use crate::rollup::{Baseline, CallRow, Rollups, Side};

/// See the file's manual.
pub(super) struct Beacon;

static META: Meta = Meta {
    id: "beacon",
    kind: Kind::Beacon,
    title: "connections at regular intervals to one address",
    manual: include_str!("beacon.rs"),
};

const LEAST_BEATS: usize = 20;
const LEAST_SPAN: u32 = 7_200;
const LEAST_INTERVAL: f64 = 30.0;
/// Connections this close together are one beat, seconds.
const BEAT: u32 = 5;
const LEAST_SCORE: f64 = 0.8;
const MOST_INTERVAL_SPREAD: f64 = 0.15;
const MOST_SIZE_SPREAD: f64 = 0.2;
/// So many interfaces make a peer a common one.
const COMMON: usize = 5;
/// So many blocks polled by one interface make it a poller.
const POLLED: usize = 4;
const LISTED: usize = 20;

impl Detector for Beacon {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        find(rollups).iter().filter_map(|beacon| finish(describe(rollups, beacon))).collect()
    }
}

/// How regular connections are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rhythm {
    beats: usize,
    interval: f64,
    interval_mad: f64,
    interval_skew: f64,
    size: f64,
    size_mad: f64,
    score: f64,
}

/// Interfaces that call one address on one port like clockwork.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub calls: Vec<(&'a CallRow, Rhythm)>,
    /// Nobody of the group called the block before the baseline ended.
    pub new: bool,
    lone: bool,
    public: bool,
    answered: bool,
    /// Interfaces of the group, and those of them that call the block at all.
    group: (usize, usize),
}

/// Protocol, port and block of a peer.
pub(super) type Target = (u8, u16, Side);

pub(super) fn target(row: &CallRow) -> Target {
    (row.protocol.0, row.port, Side::prefix(row.remote))
}

/// Protocol, port and address of a peer.
type Address = (u8, u16, u128);

fn address(row: &CallRow) -> Address {
    (row.protocol.0, row.port, row.remote)
}

/// RITA's score of sorted values: the mean of `1 - |Bowley skewness|` and `1 - MAD / median`. Below a quartile distance
/// of 10 there is no skewness to speak of.
fn score(sorted: &[f64], center: f64, mad: f64, if_zero: f64) -> (f64, f64) {
    let (low, high) = (quantile(sorted, 0.25), quantile(sorted, 0.75));
    let apart = high - low;
    let middle = (center - low).abs() < f64::EPSILON || (high - center).abs() < f64::EPSILON;
    let skew = if apart < 10.0 || middle { 0.0 } else { (low + high - 2.0 * center) / apart };
    let steadiness = if center < 1.0 { if_zero } else { (1.0 - mad / center).max(0.0) };
    (f64::midpoint(1.0 - skew.abs(), steadiness), skew)
}

/// How regular calls are, if they are regular.
pub(super) fn rhythm(row: &CallRow) -> Option<Rhythm> {
    if row.shots.len() < LEAST_BEATS || row.protocol == Protocol::UDP && row.port == 123 {
        return None;
    }
    let mut beats: Vec<(u32, u64)> = Vec::with_capacity(row.shots.len());
    for &(at, bytes) in &row.shots {
        match beats.last_mut() {
            Some((begin, sum)) if at - *begin <= BEAT => *sum += u64::from(bytes),
            _ => beats.push((at, u64::from(bytes))),
        }
    }
    let (&(first, _), &(last, _)) = (beats.first()?, beats.last()?);
    if beats.len() < LEAST_BEATS || row.last - row.first < LEAST_SPAN {
        return None;
    }
    let mut intervals: Vec<f64> = beats.windows(2).map(|pair| f64::from(pair[1].0 - pair[0].0)).collect();
    let (interval, interval_mad) = spread(&mut intervals);
    let mut sizes: Vec<f64> = beats.iter().map(|(_, bytes)| *bytes as f64).collect();
    let (size, size_mad) = spread(&mut sizes);
    let (time_score, interval_skew) = score(&intervals, interval, interval_mad, 0.0);
    let (size_score, _) = score(&sizes, size, size_mad, 1.0);
    let score = f64::midpoint(time_score, size_score);
    // Gaps in the log make some intervals long; most of the time must be filled with beats even so. What came after the
    // connections that were looked at must have gone on.
    let filled = (beats.len() - 1) as f64 * interval / f64::from((last - first).max(1));
    let later = row.connections as f64 * interval / f64::from((row.last - row.first).max(1));
    let regular = score >= LEAST_SCORE
        && interval >= LEAST_INTERVAL
        && interval_mad <= MOST_INTERVAL_SPREAD * interval
        && size_mad <= MOST_SIZE_SPREAD * size
        && filled >= 0.5
        && later >= 0.3;
    regular.then_some(Rhythm {
        beats: beats.len(),
        interval,
        interval_mad,
        interval_skew,
        size,
        size_mad,
        score,
    })
}

/// Who calls the targets, and since when.
pub(super) fn callers(rollups: &Rollups, targets: &BTreeSet<Target>) -> BTreeMap<Target, BTreeMap<u32, u32>> {
    let mut callers: BTreeMap<Target, BTreeMap<u32, u32>> = BTreeMap::new();
    for row in rollups.contacts.calls.rows.iter().filter(|row| !row.inbound) {
        let target = target(row);
        if targets.contains(&target) {
            let first = callers.entry(target).or_default().entry(row.interface).or_insert(row.first);
            *first = row.first.min(*first);
        }
    }
    callers
}

/// Every beacon, by target.
pub(super) fn find(rollups: &Rollups) -> Vec<Found<'_>> {
    let calls = rollups.contacts.calls.rows.iter().filter(|row| !row.inbound);
    let regular: Vec<(&CallRow, Rhythm)> = calls.filter_map(|row| Some((row, rhythm(row)?))).collect();
    let mut polled: BTreeMap<(u32, u8, u16), BTreeSet<Side>> = BTreeMap::new();
    for (row, _) in &regular {
        let (protocol, port, block) = target(row);
        polled.entry((row.interface, protocol, port)).or_default().insert(block);
    }
    let is_poller = |row: &CallRow| {
        polled.get(&(row.interface, row.protocol.0, row.port)).is_some_and(|blocks| blocks.len() >= POLLED)
    };
    let mut by_address: BTreeMap<Address, Vec<(&CallRow, Rhythm)>> = BTreeMap::new();
    for (row, rhythm) in regular.into_iter().filter(|(row, _)| !is_poller(row)) {
        by_address.entry(address(row)).or_default().push((row, rhythm));
    }
    let callers = callers(rollups, &by_address.values().map(|calls| target(calls[0].0)).collect());
    let mut users: BTreeMap<Address, BTreeSet<u32>> = BTreeMap::new();
    for row in rollups.contacts.calls.rows.iter().filter(|row| !row.inbound) {
        if by_address.contains_key(&address(row)) {
            users.entry(address(row)).or_default().insert(row.interface);
        }
    }
    let found = by_address.into_iter().filter_map(|(address, calls)| {
        let callers = callers.get(&target(calls[0].0))?;
        weigh(rollups, calls, callers, users.get(&address)?)
    });
    found.collect()
}

/// Whether it is worth telling.
fn weigh<'a>(
    rollups: &Rollups,
    calls: Vec<(&'a CallRow, Rhythm)>,
    callers: &BTreeMap<u32, u32>,
    users: &BTreeSet<u32>,
) -> Option<Found<'a>> {
    let (row, _) = calls[0];
    let group = companions(rollups, row.interface, row.first, row.last);
    let calling: Vec<u32> = group.iter().copied().filter(|member| users.contains(member)).collect();
    let by_group = calling.len() >= 2 && calling.len() * 2 >= group.len();
    if users.len() >= COMMON || by_group {
        return None;
    }
    let was_watched = |baseline: Baseline| {
        let middle = baseline.from + baseline.seconds() / 2;
        let own = [row.interface];
        let all = rollups.sides.group_of(row.interface).map_or(&own[..], |g| &g.members);
        all.iter().any(|m| rollups.interfaces[*m as usize].coverage.first.is_some_and(|f| f <= middle))
    };
    let new =
        rollups.baseline().is_some_and(|b| callers.values().all(|first| *first >= b.to) && was_watched(b));
    let lone = group.len() >= 3 && calling.len() == 1;
    let public = outside(rollups, row.remote);
    // In a short window everything goes on all the time: only what others of the group don't do is worth a word.
    let answered = calls.iter().any(|(row, _)| row.answered);
    let can_tell = new || lone && answered || rollups.baseline().is_some();
    let found = Found { new, lone, public, answered, group: (group.len(), calling.len()), calls };
    (public && can_tell || new && lone).then_some(found)
}

fn describe(rollups: &Rollups, found: &Found<'_>) -> FindingBuilder {
    let (row, rhythm) = found.calls[0];
    let interface = &rollups.interfaces[row.interface as usize];
    let remote = address_from_bits(row.remote);
    let contact = contact(rollups, row.interface, (row.protocol, row.port), row.remote);
    let long = rollups.baseline().is_some_and(|b| b.seconds() >= Baseline::FAIR);
    let severity = match (found.public && found.answered && long, found.new, found.lone) {
        (true, true, true) => Severity::High,
        (true, true, false) | (true, false, true) => Severity::Medium,
        _ => Severity::Low,
    };
    let guessed = contact.is_some_and(|c| c.weak * 2 > c.connections);
    let grade = if guessed || !interface.in_inventory { Grade::Weak } else { Grade::Reliable };
    let interfaces: BTreeSet<u32> = found.calls.iter().map(|(row, _)| row.interface).collect();
    let connections: u64 = found.calls.iter().map(|(row, _)| row.connections).sum();
    let (first, last) = found
        .calls
        .iter()
        .fold((u32::MAX, 0), |(first, last), (row, _)| (first.min(row.first), last.max(row.last)));
    let every = duration(rhythm.interval.round() as u64);
    let service = match row.port {
        0 => row.protocol.to_string(),
        port => format!("{} {}", row.protocol, services::name(port)),
    };
    let who = match interfaces.len() {
        1 => format!("{} calls", interface.id),
        n => format!("{} and {} call", interface.id, counted(n as u64 - 1, "more interface")),
    };
    let since = if found.new { ", which is new" } else { "" };
    let others = match found.group {
        (0 | 1, _) => String::new(),
        (all, calling) => {
            format!(
                " Of {all} interfaces with the same security groups, {calling} {} it.",
                if calling == 1 { "calls" } else { "call" }
            )
        }
    };
    let sizes = rhythm.size.round() as u64;
    let mut builder = FindingBuilder::new(META.id, META.kind, if found.new { "new" } else { "steady" })
        .about(remote.to_string())
        .about(row.protocol.to_string())
        .about(row.port.to_string())
        .about(interface.id.clone())
        .rated(severity, grade)
        .told(
            format!("{who} {remote} on {service} every {every}{since}"),
            format!(
                "{} in {}, {} sent each time{}.{others}",
                counted(connections, "connection"),
                duration(u64::from(last - first)),
                counted(sizes, "byte"),
                if found.answered { "" } else { ", never answered" }
            ),
        )
        .service(
            Some(Direction::Outbound),
            Some(row.protocol.to_string()),
            if row.port == 0 { Vec::new() } else { vec![Ports::One(row.port)] },
        )
        .during(Some(i64::from(first)), Some(i64::from(last)))
        .count("connections", connections)
        .count("bytes_out", found.calls.iter().map(|(row, _)| row.bytes).sum())
        .evidence("interval_seconds", rounded(rhythm.interval))
        .evidence("interval_mad_seconds", rounded(rhythm.interval_mad))
        .evidence("interval_skew", rounded(rhythm.interval_skew))
        .evidence("bytes_out_median", sizes)
        .evidence("bytes_out_mad", rounded(rhythm.size_mad))
        .evidence("score", rounded(rhythm.score))
        .evidence("beats", rhythm.beats as u64)
        .evidence("new_since_baseline", found.new)
        .evidence("answered", found.answered)
        .evidence("group_interfaces", found.group.0 as u64)
        .evidence("group_interfaces_calling", found.group.1 as u64)
        .next(format!("find the process on {} that calls {remote}, and whose that address is", interface.id))
        .next(format!("see every connection with it: --interface {} --connections FILE", interface.id));
    if let Some(rule) = contact.and_then(|c| rollups.rule(c.rule()?)) {
        builder = builder.evidence("permitted_by", rule.id.clone());
    }
    if rollups.contacts.calls.one_in() > 1 {
        builder = builder.evidence("one_in", rollups.contacts.calls.one_in());
    }
    let addresses: BTreeSet<u128> = found.calls.iter().map(|(row, _)| row.remote).collect();
    at_interfaces(builder, &[interface]).with(|f| {
        let rows = interfaces.iter().take(LISTED).map(|i| &rollups.interfaces[*i as usize]);
        f.interfaces = rows.clone().map(|r| r.id.clone()).collect();
        f.instances = rows.filter_map(|r| r.instance.clone()).collect::<BTreeSet<_>>().into_iter().collect();
        f.remotes = addresses.iter().take(LISTED).map(|a| address_from_bits(*a).to_string()).collect();
    })
}

/// Three digits, so that it does not depend on float noise.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call whose connections begin at these times with these sizes.
    fn calls(shots: Vec<(u32, u32)>) -> CallRow {
        CallRow {
            interface: 0,
            remote: (0xffff << 32) | 0xcb00_7109,
            port: 443,
            protocol: Protocol::TCP,
            inbound: false,
            connections: shots.len() as u64,
            first: shots[0].0,
            last: shots[shots.len() - 1].0,
            bytes: 0,
            answered: true,
            shots,
        }
    }

    /// A multiplicative congruential generator (Park and Miller 1988): between 0 and 1.
    fn noise(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed * 7_919 + 1;
        move || {
            state = state * 48_271 % 2_147_483_647;
            state as f64 / 2_147_483_647.0
        }
    }

    #[test]
    fn jitter_of_a_tenth_is_regular_whatever_the_seed() {
        for seed in 0..200 {
            let mut random = noise(seed);
            let mut at = 1_000_000.0;
            let shots = (0..60).map(|_| {
                at += 300.0 * (0.9 + 0.2 * random());
                (at as u32, 400 + (random() * 20.0) as u32)
            });
            let rhythm = rhythm(&calls(shots.collect()));
            assert!(rhythm.is_some_and(|r| (r.interval - 300.0).abs() < 20.0), "{seed}: {rhythm:?}");
        }
    }

    #[test]
    fn random_times_are_not_regular_nor_are_random_sizes() {
        for seed in 0..200 {
            let mut random = noise(seed);
            let mut at = 1_000_000.0;
            let poisson: Vec<(u32, u32)> = (0..200)
                .map(|_| {
                    at -= 300.0 * random().ln();
                    (at as u32, 400)
                })
                .collect();
            assert_eq!(rhythm(&calls(poisson)), None, "{seed}");
            let sizes: Vec<(u32, u32)> =
                (0..200).map(|n| (1_000_000 + n * 300, (random() * 9_000.0) as u32)).collect();
            assert_eq!(rhythm(&calls(sizes)), None, "{seed}");
        }
    }

    #[test]
    fn gaps_and_pairs_do_not_hide_a_beacon_but_too_few_or_too_fast_is_none() {
        let every = |seconds: u32, n: u32| (0..n).map(move |k| (1_000_000 + k * seconds, 500));
        assert!(rhythm(&calls(every(60, 180).collect())).is_some());
        let gaps = every(60, 180).filter(|(at, _)| !(20..50).contains(&((at - 1_000_000) / 60)));
        assert!(rhythm(&calls(gaps.collect())).is_some());
        let pairs = every(60, 180).flat_map(|(at, bytes)| [(at, bytes), (at + 2, bytes)]);
        assert!(rhythm(&calls(pairs.collect())).is_some());
        assert!(rhythm(&calls(every(600, 19).collect())).is_none());
        assert!(rhythm(&calls(every(60, 60).collect())).is_none(), "an hour is short");
        assert!(rhythm(&calls(every(10, 900).collect())).is_none());
        let mut ntp = calls(every(64, 200).collect());
        (ntp.port, ntp.protocol) = (123, Protocol::UDP);
        assert!(rhythm(&ntp).is_none());
    }
}
