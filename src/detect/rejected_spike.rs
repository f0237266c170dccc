//! Far more rejected attempts than usual.
//!
//! ## What it finds
//! Episodes in which an interface's rejected attempts rise far above its own baseline: scans, brute force, surges,
//! and internal clients that are suddenly refused.
//!
//! ## Why it matters
//! Rejects from inside mean a broken dependency or a compromised host looking around. Rejects from outside are
//! mostly noise; what stands out of it may have got in somewhere else.
//!
//! ## How it decides
//! Attempts are counted, not packets: retransmitted SYNs are one attempt, late packets of closed connections none.
//! A series is one interface, direction, cause and source side (private or not) in 5-minute buckets; buckets
//! without coverage are missing, not zero. A bucket alarms if it holds at least 15 attempts, four times the
//! median, and lies eight robust standard deviations above it; the deviation is the largest of 1.4826 x MAD
//! (Hampel 1974), the Poisson deviation of the median, and 1. Adjacent buckets make an episode; episodes with the same
//! dominant source, or the same dominant port and many sources, that overlap in time become one. A private source
//! that is refused on one port at five interfaces or more within an hour is an episode, however few its attempts. `cause` says what
//! it looks like: `port-scan`, `host-sweep`, `brute-force`, `distributed-surge`, `broken-dependency`,
//! `blocked-egress`, `blocked-reply` or `unclassified`.
//!
//! ## When it is wrong
//! A window shorter than three hours has hardly a baseline; such findings are graded `weak`. A daily job that is
//! refused every day looks like a spike in a short window. Slow scans stay below the threshold.
//!
//! ## Tuning
//! Feed a longer window of logs. `--skip rejected-spike` turns it off.
//!
//! ## What to do
//! For sources inside: find the process behind the source address, and whether a rule or network ACL was
//! changed just before. For sources outside: see whether the same source was accepted anywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use polars::prelude::PolarsResult;

use super::unexpected_accept::is_public;
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol, address_from_bits};
use crate::rollup::{Attempt, InterfaceRow, REJECT_BUCKET, Rollups};

/// See the file's manual.
pub(super) struct RejectedSpike;

static META: Meta = Meta {
    id: "rejected-spike",
    kind: Kind::RejectedSpike,
    title: "far more rejected attempts than usual",
    manual: include_str!("rejected_spike.rs"),
};

const LEAST_ATTEMPTS: u32 = 15;
const LEAST_RATIO: f64 = 4.0;
const LEAST_DEVIATIONS: f64 = 8.0;
/// Makes the median absolute deviation of a normal distribution its standard deviation.
const MAD_SCALE: f64 = 1.4826;
/// Buckets a baseline needs to be called one: three hours.
const BASELINE_BUCKETS: usize = 36;
/// Share of an episode's attempts that makes a source or port dominant.
const DOMINANT: f64 = 0.5;
const LISTED: usize = 20;
/// Interfaces at which a private source must have been refused on one port to be called sweeping.
const SWEEP_TARGETS: usize = 5;
const SWEEP_SECONDS: u32 = 3600;

/// Interface, direction, cause, inside.
type SeriesKey = (u32, u8, String, u8);

/// A stretch of alarming buckets of one series.
#[derive(Clone, Debug)]
struct Stretch {
    series: SeriesKey,
    first: u32,
    last: u32,
    expected: f64,
    baseline_buckets: usize,
}

/// One or more stretches that belong together, with their attempts.
#[derive(Debug)]
struct Episode {
    stretches: Vec<Stretch>,
    attempts: Vec<Attempt>,
}

impl Detector for RejectedSpike {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        // Grouping fixed-width columns does not fail; if it ever does, tests see it and a run goes on.
        let series = series(rollups).unwrap_or_default();
        let stretches: Vec<Stretch> =
            series.iter().flat_map(|(key, counts)| stretches(rollups, key, counts)).collect();
        let mut episodes = with_attempts(rollups, stretches);
        let swept: Vec<Episode> =
            sweeps(rollups).into_iter().filter(|sweep| !episodes.iter().any(|e| covers(e, sweep))).collect();
        episodes.extend(swept);
        let episodes = merge(episodes);
        episodes.iter().filter_map(|e| finish(describe(rollups, e))).collect()
    }
}

/// Attempts per bucket of each series.
fn series(rollups: &Rollups) -> PolarsResult<BTreeMap<SeriesKey, Vec<(u32, u32)>>> {
    if rollups.rejects.is_empty() {
        return Ok(BTreeMap::new());
    }
    let frame = rollups.rejects.by_bucket()?;
    let (interface, direction) = (frame.column("interface")?.u32()?, frame.column("direction")?.u8()?);
    let (cause, inside) = (frame.column("cause")?.str()?, frame.column("inside")?.u8()?);
    let (bucket, attempts) = (frame.column("bucket")?.u32()?, frame.column("attempts")?.u32()?);
    let mut series: BTreeMap<SeriesKey, Vec<(u32, u32)>> = BTreeMap::new();
    for row in 0..frame.height() {
        if let (Some(i), Some(d), Some(c), Some(s), Some(b), Some(n)) = (
            interface.get(row),
            direction.get(row),
            cause.get(row),
            inside.get(row),
            bucket.get(row),
            attempts.get(row),
        ) {
            series.entry((i, d, c.to_owned(), s)).or_default().push((b, n));
        }
    }
    Ok(series)
}

/// 5-minute buckets in which the interface was watched and capture lost nothing.
fn watched(row: &InterfaceRow) -> BTreeSet<u32> {
    let halves = |bucket: &u32| [bucket * 2, bucket * 2 + 1];
    let (Some(first), Some(last)) = (row.coverage.first, row.coverage.last) else { return BTreeSet::new() };
    let range = first / REJECT_BUCKET..=last / REJECT_BUCKET;
    row.coverage
        .buckets
        .difference(&row.coverage.skipped)
        .flat_map(halves)
        .filter(|half| range.contains(half))
        .collect()
}

fn stretches(rollups: &Rollups, key: &SeriesKey, counts: &[(u32, u32)]) -> Vec<Stretch> {
    let mut values: Vec<f64> = counts.iter().map(|&(_, n)| f64::from(n)).collect();
    let covered = watched(&rollups.interfaces[key.0 as usize]).len().max(values.len());
    values.resize(covered, 0.0);
    let center = median(&mut values);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - center).abs()).collect();
    let spread = (MAD_SCALE * median(&mut deviations)).max(center.sqrt()).max(1.0);
    let alarms = |n: u32| {
        let n = f64::from(n);
        n >= f64::from(LEAST_ATTEMPTS)
            && n >= LEAST_RATIO * center
            && (n - center) / spread >= LEAST_DEVIATIONS
    };
    let mut found: Vec<Stretch> = Vec::new();
    for &(bucket, _) in counts.iter().filter(|&&(_, n)| alarms(n)) {
        match found.last_mut() {
            // One quiet bucket does not end an episode.
            Some(open) if bucket <= open.last + 2 => open.last = bucket,
            _ => found.push(Stretch {
                series: key.clone(),
                first: bucket,
                last: bucket,
                expected: center,
                baseline_buckets: covered,
            }),
        }
    }
    found
}

/// True if a spike of the same source already tells of the sweep.
fn covers(episode: &Episode, sweep: &Episode) -> bool {
    let spiking = dominant(&top(&episode.attempts, |a| a.remote), episode.attempts.len());
    spiking == Some(sweep.attempts[0].remote)
        && episode.stretches[0].first <= sweep.stretches.iter().map(|s| s.last).max().unwrap_or(0)
        && sweep.stretches[0].first <= episode.stretches[0].last
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

fn with_attempts(rollups: &Rollups, stretches: Vec<Stretch>) -> Vec<Episode> {
    let mut episodes: Vec<Episode> =
        stretches.into_iter().map(|s| Episode { stretches: vec![s], attempts: Vec::new() }).collect();
    let mut by_series: BTreeMap<(u32, u8, String, u8), Vec<usize>> = BTreeMap::new();
    for (at, episode) in episodes.iter().enumerate() {
        by_series.entry(episode.stretches[0].series.clone()).or_default().push(at);
    }
    if by_series.is_empty() {
        return episodes;
    }
    for row in 0..rollups.rejects.len() {
        let attempt = rollups.rejects.get(row);
        let inside = u8::from(is_inside(&attempt));
        let key = (attempt.interface, attempt.direction as u8, attempt.cause.to_owned(), inside);
        let Some(places) = by_series.get(&key) else { continue };
        let bucket = attempt.first / REJECT_BUCKET;
        for &at in places {
            let stretch = &episodes[at].stretches[0];
            if (stretch.first..=stretch.last).contains(&bucket) {
                episodes[at].attempts.push(attempt);
            }
        }
    }
    episodes
}

/// What dominates an episode.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Source(u128, u8),
    Port(u16, u8, u8),
    Series(SeriesKey),
}

fn top<K: Ord + Copy>(attempts: &[Attempt], key: impl Fn(&Attempt) -> K) -> Vec<(K, usize)> {
    let mut counts: BTreeMap<K, usize> = BTreeMap::new();
    for attempt in attempts {
        *counts.entry(key(attempt)).or_default() += 1;
    }
    let mut counts: Vec<(K, usize)> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts
}

fn dominant<K: Copy>(counts: &[(K, usize)], total: usize) -> Option<K> {
    counts.first().filter(|(_, n)| *n as f64 >= DOMINANT * total as f64).map(|(k, _)| *k)
}

fn scope(episode: &Episode) -> Scope {
    let total = episode.attempts.len();
    let (_, direction, _, inside) = episode.stretches[0].series;
    // The opener is the remote side if inbound; outbound it is the interface, and the scope stays its own.
    if direction == Direction::Inbound as u8
        && let Some(source) = dominant(&top(&episode.attempts, |a| a.remote), total)
    {
        return Scope::Source(source, direction);
    }
    match dominant(&top(&episode.attempts, |a| a.port), total) {
        Some(port) => Scope::Port(port, direction, inside),
        None => Scope::Series(episode.stretches[0].series.clone()),
    }
}

/// Joins episodes of the same scope that overlap in time or follow each other.
fn merge(episodes: Vec<Episode>) -> Vec<Episode> {
    let mut scoped: BTreeMap<Scope, Vec<Episode>> = BTreeMap::new();
    for episode in episodes {
        scoped.entry(scope(&episode)).or_default().push(episode);
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
                    current.attempts.extend(episode.attempts);
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

fn classify(episode: &Episode, sources: &[(u128, usize)], inside: bool) -> &'static str {
    let attempts = &episode.attempts;
    let total = attempts.len();
    let direction = attempts[0].direction;
    // Packets of the opening's direction are filtered by the ACL of that direction; the other one stops replies.
    let reply_cause = match direction {
        Direction::Inbound => "network-acl-out",
        Direction::Outbound => "network-acl-in",
    };
    if attempts.iter().filter(|a| a.cause == reply_cause).count() * 2 > total {
        return "blocked-reply";
    }
    if direction == Direction::Outbound {
        return "blocked-egress";
    }
    // What the dominant source did tells more than the noise around it.
    let source = dominant(sources, total);
    let own: Vec<Attempt> =
        attempts.iter().filter(|a| source.is_none_or(|s| s == a.remote)).copied().collect();
    let ports = top(&own, |a| (a.protocol, a.port)).len();
    let targets = top(&own, |a| a.interface).len();
    match (source.is_some(), ports, targets) {
        (true, 15.., _) => "port-scan",
        (true, _, 3..) => "host-sweep",
        (_, ..=5, _) if inside => "broken-dependency",
        (true, ..=5, _) => "brute-force",
        (false, ..=5, _) => "distributed-surge",
        _ if dominant(&top(attempts, |a| a.port), total).is_some() => "distributed-surge",
        _ => "unclassified",
    }
}

/// Private sources that were refused on one port at several interfaces within an hour: few attempts, but nothing
/// inside has a reason to knock around. Sources outside do so all the time.
fn sweeps(rollups: &Rollups) -> Vec<Episode> {
    let mut knocks: BTreeMap<(u128, u8, u16), Vec<Attempt>> = BTreeMap::new();
    for row in 0..rollups.rejects.len() {
        let attempt = rollups.rejects.get(row);
        if attempt.direction == Direction::Inbound && is_inside(&attempt) {
            knocks.entry((attempt.remote, attempt.protocol, attempt.port)).or_default().push(attempt);
        }
    }
    let mut episodes = Vec::new();
    for (_, mut attempts) in knocks {
        attempts.sort_by_key(|a| (a.first, a.interface));
        let mut from = 0;
        while from < attempts.len() {
            let end = attempts[from].first.saturating_add(SWEEP_SECONDS);
            let within = attempts[from..].partition_point(|a| a.first <= end);
            let window = &attempts[from..from + within];
            if top(window, |a| a.interface).len() >= SWEEP_TARGETS {
                episodes.push(sweep(rollups, window));
                from += within;
            } else {
                from += 1;
            }
        }
    }
    episodes
}

fn sweep(rollups: &Rollups, attempts: &[Attempt]) -> Episode {
    let one = |interface: u32| {
        let own = attempts.iter().filter(|a| a.interface == interface);
        let buckets = own.map(|a| a.first / REJECT_BUCKET);
        Stretch {
            series: (interface, Direction::Inbound as u8, attempts[0].cause.to_owned(), 1),
            first: buckets.clone().min().unwrap_or(0),
            last: buckets.max().unwrap_or(0),
            expected: 0.0,
            baseline_buckets: watched(&rollups.interfaces[interface as usize]).len(),
        }
    };
    let interfaces: BTreeSet<u32> = attempts.iter().map(|a| a.interface).collect();
    Episode { stretches: interfaces.into_iter().map(one).collect(), attempts: attempts.to_vec() }
}

fn is_inside(attempt: &Attempt) -> bool {
    crate::rollup::is_private(address_from_bits(attempt.remote))
}

fn describe(rollups: &Rollups, episode: &Episode) -> FindingBuilder {
    let attempts = &episode.attempts;
    let total = attempts.len();
    let sources = top(attempts, |a| a.remote);
    let ports = top(attempts, |a| a.port);
    let interfaces = top(attempts, |a| a.interface);
    let causes: BTreeMap<&str, usize> = top(attempts, |a| a.cause).into_iter().collect();
    let inside = !sources.first().is_some_and(|(s, _)| is_public(rollups, address_from_bits(*s)));
    let cause = classify(episode, &sources, inside);
    let direction = attempts[0].direction;
    let sensitive = ports.iter().take(5).any(|(p, _)| services::sensitive(*p).is_some());
    let severity = match (cause, inside, sensitive) {
        ("port-scan" | "host-sweep", true, _) => Severity::High,
        ("broken-dependency" | "blocked-egress" | "blocked-reply", ..) => Severity::Medium,
        ("brute-force" | "distributed-surge", _, true) => Severity::Medium,
        _ => Severity::Low,
    };
    let baseline = episode.stretches.iter().map(|s| s.baseline_buckets).min().unwrap_or(0);
    let grade = if baseline >= BASELINE_BUCKETS { Grade::Reliable } else { Grade::Weak };
    let expected: f64 = episode.stretches.iter().map(|s| s.expected * f64::from(s.last - s.first + 1)).sum();
    let start = attempts.iter().map(|a| a.first).min().unwrap_or(0);
    let end = attempts.iter().map(|a| a.first).max().unwrap_or(0);
    let address = |bits: u128| -> IpAddr { address_from_bits(bits) };
    let who = match (sources.len(), dominant(&sources, total)) {
        (1, _) => address(sources[0].0).to_string(),
        (n, Some(source)) => format!("{} and {} more", address(source), n - 1),
        (n, None) => format!("{n} addresses"),
    };
    let protocol = Protocol(attempts[0].protocol);
    let what = match ports.len() {
        _ if !protocol.has_ports() => protocol.to_string(),
        1 => format!("{protocol} {}", services::name(ports[0].0)),
        n => format!("{n} {protocol} ports"),
    };
    let row = &rollups.interfaces[interfaces[0].0 as usize];
    let place =
        if interfaces.len() == 1 { row.id.clone() } else { format!("{} interfaces", interfaces.len()) };
    let (verb, side) = match direction {
        Direction::Inbound => ("from", "at"),
        Direction::Outbound => ("to", "of"),
    };
    let peak = top(attempts, |a| a.first / REJECT_BUCKET).first().map_or(0, |(_, n)| *n);
    FindingBuilder::new(META.id, META.kind, cause)
        .about(format!("{:?}", scope(episode)))
        .about((start / REJECT_BUCKET).to_string())
        .rated(severity, grade)
        .told(
            format!("{} {verb} {who} on {what} {side} {place}", counted(total as u64, "rejected attempt")),
            format!(
                "Expected: {expected:.0}. At most {peak} in 5 minutes. Stopped by {}.",
                causes.iter().map(|(c, n)| format!("{c} ({n})")).collect::<Vec<_>>().join(", ")
            ),
        )
        .service(
            Some(direction),
            Some(protocol.to_string()),
            if protocol.has_ports() {
                ports.iter().take(LISTED).map(|(p, _)| Ports::One(*p)).collect()
            } else {
                Vec::new()
            },
        )
        .during(Some(i64::from(start)), Some(i64::from(end)))
        .count("attempts", total as u64)
        .count("expected", expected.round() as u64)
        .count("peak_5_minutes", peak as u64)
        .count("sources", sources.len() as u64)
        .count("ports", ports.len() as u64)
        .evidence("stopped_by", serde_json::json!(causes))
        .evidence("top_source_share", sources.first().map_or(0.0, |(_, n)| share(*n, total)))
        .evidence("top_port_share", ports.first().map_or(0.0, |(_, n)| share(*n, total)))
        .evidence("baseline_buckets", baseline as u64)
        .next(match (inside, direction) {
            (_, Direction::Outbound) => format!("find the process on {} that calls out", row.id),
            (true, _) => {
                format!("find the process behind {who}; was a rule or network ACL changed just before?")
            }
            (false, _) => {
                format!("see whether {who} was accepted anywhere (--connections FILE lists every connection)")
            }
        })
        .with(|f| {
            f.account.clone_from(&row.account);
            f.region.clone_from(&row.region);
            f.vpc.clone_from(&row.vpc);
            let rows = interfaces.iter().take(LISTED).map(|(i, _)| &rollups.interfaces[*i as usize]);
            f.interfaces = rows.clone().map(|r| r.id.clone()).collect();
            let mut instances: Vec<String> = rows.filter_map(|r| r.instance.clone()).collect();
            instances.sort();
            instances.dedup();
            f.instances = instances;
            f.remotes = sources.iter().take(LISTED).map(|(s, _)| address(*s).to_string()).collect();
            if causes.keys().any(|c| c.starts_with("network-acl")) {
                f.network_acl.clone_from(&row.network_acl);
            }
        })
}

/// A share rounded to three digits, so that it reads well and does not depend on float noise.
fn share(part: usize, total: usize) -> f64 {
    (part as f64 / total.max(1) as f64 * 1000.0).round() / 1000.0
}
