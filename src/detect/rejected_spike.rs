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
//! Counts of attempts are always exact. Who tried what is known of every attempt up to 300,000 from outside and 150,000
//! from inside, and 16,384 of a series in 5 minutes; beyond, it is told from a sample. Such findings have `approximate`
//! in their evidence, the number of attempts sampled, and the standard errors of the numbers of sources and ports and of
//! the shares, each as a share of one.
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

use std::collections::BTreeMap;

use polars::prelude::PolarsResult;

use super::episode::{Episode, Stretch, address, dominant, merge, sweeps, top};
use super::unexpected_accept::is_public;
use super::{Detector, Input, Meta, counted, finish, services};
use crate::finding::{Finding, FindingBuilder, Grade, Kind, Ports, Severity};
use crate::flow::{Direction, Protocol};
use crate::rollup::{Attempt, Distinct, Estimate, InterfaceRow, REJECT_BUCKET, Rollups, Series};

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
const LISTED: usize = 20;

impl Detector for RejectedSpike {
    fn meta(&self) -> &'static Meta {
        &META
    }

    fn detect(&self, input: &Input<'_>) -> Vec<Finding> {
        let rollups = input.rollups;
        // Sorting fixed-width columns does not fail; if it ever does, tests see it and a run goes on.
        let series = series(rollups).unwrap_or_default();
        let stretches = series.iter().flat_map(|(key, counts)| stretches(rollups, key, counts));
        let mut episodes: Vec<Episode> = stretches.map(|s| Episode::of(&rollups.rejects, s)).collect();
        let baseline = |interface: u32| watched(rollups, interface, true);
        let swept = sweeps(rollups, &episodes, baseline);
        episodes.extend(swept);
        let episodes = merge(episodes);
        episodes.iter().filter_map(|e| finish(describe(rollups, e))).collect()
    }
}

/// Attempts per bucket of each series.
fn series(rollups: &Rollups) -> PolarsResult<BTreeMap<Series, Vec<(u32, u32)>>> {
    if rollups.rejects.is_empty() {
        return Ok(BTreeMap::new());
    }
    let frame = rollups.rejects.by_bucket()?;
    let (interface, direction) = (frame.column("interface")?.u32()?, frame.column("direction")?.u8()?);
    let (cause, inside) = (frame.column("cause")?.str()?, frame.column("inside")?.u8()?);
    let (bucket, attempts) = (frame.column("bucket")?.u32()?, frame.column("attempts")?.u32()?);
    let mut series: BTreeMap<Series, Vec<(u32, u32)>> = BTreeMap::new();
    for row in 0..frame.height() {
        if let (Some(i), Some(d), Some(c), Some(s), Some(b), Some(n)) = (
            interface.get(row),
            direction.get(row),
            cause.get(row),
            inside.get(row),
            bucket.get(row),
            attempts.get(row),
        ) {
            series.entry((i, d, crate::rollup::cause(c), s)).or_default().push((b, n));
        }
    }
    Ok(series)
}

/// Buckets in which the interface was watched and capture lost nothing.
fn watched(rollups: &Rollups, interface: u32, inside: bool) -> usize {
    let InterfaceRow { coverage, .. } = &rollups.interfaces[interface as usize];
    let (Some(first), Some(last)) = (coverage.first, coverage.last) else { return 0 };
    let mut next = rollups.rejects.bucket(inside, first);
    let end = rollups.rejects.bucket(inside, last);
    let mut buckets = 0;
    // Coverage is told in 10 minutes, two of the 5 that attempts are counted in at first.
    let mut count = |from: u32, to: u32| {
        let from = rollups.rejects.bucket(inside, from * 2 * REJECT_BUCKET).max(next);
        let last_second = (u64::from(to) * 2 + 2) * u64::from(REJECT_BUCKET) - 1;
        let to = rollups.rejects.bucket(inside, u32::try_from(last_second).unwrap_or(u32::MAX)).min(end);
        if from <= to {
            buckets += (to - from) as usize + 1;
            next = to + 1;
        }
    };
    if coverage.skipped.is_empty() {
        coverage.buckets.runs().for_each(|(from, to)| count(from, to));
    } else {
        coverage.buckets.difference(&coverage.skipped).for_each(|bucket| count(bucket, bucket));
    }
    buckets
}

fn stretches(rollups: &Rollups, key: &Series, counts: &[(u32, u32)]) -> Vec<Stretch> {
    let mut values: Vec<f64> = counts.iter().map(|&(_, n)| f64::from(n)).collect();
    let covered = watched(rollups, key.0, key.3 == 1).max(values.len());
    let quiet = covered - values.len();
    let center = median(&mut values, quiet, 0.0);
    let mut deviations: Vec<f64> = values.iter().map(|v| (v - center).abs()).collect();
    let spread = (MAD_SCALE * median(&mut deviations, quiet, center)).max(center.sqrt()).max(1.0);
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
                series: *key,
                first: bucket,
                last: bucket,
                expected: center,
                baseline_buckets: covered,
                swept: false,
            }),
        }
    }
    found
}

/// The median of values and `more` times another, which need not be made for it.
fn median(values: &mut [f64], more: usize, other: f64) -> f64 {
    let all = values.len() + more;
    if all == 0 {
        return 0.0;
    }
    values.sort_by(f64::total_cmp);
    let less = values.partition_point(|v| *v < other);
    let at = |place: usize| match place {
        _ if place < less => values[place],
        _ if place < less + more => other,
        _ => values[place - more],
    };
    let middle = all / 2;
    if all % 2 == 1 { at(middle) } else { f64::midpoint(at(middle - 1), at(middle)) }
}

fn classify(episode: &Episode, sources: &[(u128, u64)], ports: usize, inside: bool) -> &'static str {
    let attempts = &episode.attempts;
    let total = episode.total();
    let direction = episode.direction();
    // Packets of the opening's direction are filtered by the ACL of that direction; the other one stops replies.
    let reply_cause = match direction {
        Direction::Inbound => "network-acl-out",
        Direction::Outbound => "network-acl-in",
    };
    let replies = episode.tallies.iter().filter(|t| t.cause == reply_cause).map(|t| t.attempts).sum::<u64>();
    if replies * 2 > total {
        return "blocked-reply";
    }
    if direction == Direction::Outbound {
        return "blocked-egress";
    }
    // What the dominant source did tells more than the noise around it.
    let source = dominant(sources, total);
    let own: Vec<Attempt> =
        attempts.iter().filter(|a| source.is_none_or(|s| s == a.remote)).copied().collect();
    let own_ports = top(&own, |a| (a.protocol, a.port)).len();
    // Of a sample only a part of the ports is seen.
    let ports = if source.is_none() { own_ports.max(ports) } else { own_ports };
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

/// How many sources and ports, and how well that is known.
fn distinct(rollups: &Rollups, episode: &Episode, sources: usize, ports: usize) -> (Distinct, bool) {
    if episode.attempts.len() as u64 == episode.total() {
        let exactly = |n: usize| Estimate { count: n as u64, error: 0.0 };
        return (Distinct { sources: exactly(sources), ports: exactly(ports) }, false);
    }
    let mut distinct = episode.distinct(&rollups.rejects);
    distinct.sources.count = distinct.sources.count.max(sources as u64);
    distinct.ports.count = distinct.ports.count.clamp(ports as u64, 65_536);
    (distinct, true)
}

fn describe(rollups: &Rollups, episode: &Episode) -> FindingBuilder {
    let attempts = &episode.attempts;
    let total = episode.total();
    let sources = top(attempts, |a| a.remote);
    let ports = top(attempts, |a| a.port);
    let interfaces = episode.tally(|t| t.interface);
    let causes: BTreeMap<&str, u64> = episode.tally(|t| t.cause).into_iter().collect();
    let (distinct, sampled) = distinct(rollups, episode, sources.len(), ports.len());
    let (source_count, port_count) = (distinct.sources.count, distinct.ports.count);
    let inside = match sources.first() {
        Some((source, _)) => !is_public(rollups, address(*source)),
        None => episode.is_inside(),
    };
    let cause = classify(episode, &sources, usize::try_from(port_count).unwrap_or(usize::MAX), inside);
    let direction = episode.direction();
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
    let start = episode.tallies.iter().map(|t| t.first).min().unwrap_or(0);
    let end = episode.tallies.iter().map(|t| t.last).max().unwrap_or(0);
    let about = if sampled { "about " } else { "" };
    let who = match (source_count, dominant(&sources, total).or(sources.first().map(|(s, _)| *s))) {
        (1, Some(source)) => address(source).to_string(),
        (n, Some(source)) if dominant(&sources, total).is_some() => {
            format!("{} and {about}{} more", address(source), n - 1)
        }
        (n, _) => format!("{about}{n} addresses"),
    };
    // The protocol of most attempts; of several the lowest number.
    let protocol = top(attempts, |a| a.protocol).first().map(|(p, _)| Protocol(*p));
    let has_ports = protocol.is_some_and(Protocol::has_ports);
    let what = match (protocol, port_count, ports.first()) {
        (None, ..) => "unknown ports".to_owned(),
        (Some(protocol), ..) if !has_ports => protocol.to_string(),
        (Some(protocol), 1, Some((port, _))) => format!("{protocol} {}", services::name(*port)),
        (Some(protocol), n, _) => format!("{about}{n} {protocol} ports"),
    };
    let row = &rollups.interfaces[interfaces.first().map_or(0, |(i, _)| *i) as usize];
    let place =
        if interfaces.len() == 1 { row.id.clone() } else { format!("{} interfaces", interfaces.len()) };
    let (verb, side) = match direction {
        Direction::Inbound => ("from", "at"),
        Direction::Outbound => ("to", "of"),
    };
    let peak = episode.tally(|t| t.bucket).first().map_or(0, |(_, n)| *n);
    let bucket_seconds = rollups.rejects.bucket_seconds(episode.is_inside());
    let minutes = bucket_seconds / 60;
    let mut builder = FindingBuilder::new(META.id, META.kind, cause)
        .about(format!("{:?}", episode.scope()))
        .about((start / REJECT_BUCKET).to_string())
        .rated(severity, grade)
        .told(
            format!("{} {verb} {who} on {what} {side} {place}", counted(total, "rejected attempt")),
            format!(
                "Expected: {expected:.0}. At most {peak} in {minutes} minutes. Stopped by {}.",
                causes.iter().map(|(c, n)| format!("{c} ({n})")).collect::<Vec<_>>().join(", ")
            ),
        )
        .service(
            Some(direction),
            protocol.map(|p| p.to_string()),
            if has_ports {
                ports.iter().take(LISTED).map(|(p, _)| Ports::One(*p)).collect()
            } else {
                Vec::new()
            },
        )
        .during(Some(i64::from(start)), Some(i64::from(end)))
        .count("attempts", total)
        .count("expected", expected.round() as u64)
        .count(&format!("peak_{minutes}_minutes"), peak)
        .count("sources", source_count)
        .count("ports", port_count)
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
        });
    if sampled {
        builder = builder
            .evidence("approximate", true)
            .evidence("sampled_attempts", attempts.len())
            .evidence("sources_error", distinct.sources.error)
            .evidence("ports_error", distinct.ports.error)
            // Of a share near one half, where it is largest.
            .evidence("shares_error", (500.0 / (attempts.len().max(1) as f64).sqrt()).round() / 1000.0);
    }
    if bucket_seconds != u64::from(REJECT_BUCKET) {
        builder = builder.evidence("bucket_seconds", bucket_seconds);
    }
    let merged = rollups.rejects.interfaces_merged(episode.is_inside());
    if merged > 1 {
        builder = builder.evidence("interfaces_merged", merged);
    }
    builder
}

/// A share rounded to three digits, so that it reads well and does not depend on float noise.
fn share(part: u64, total: u64) -> f64 {
    (part as f64 / total.max(1) as f64 * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_with_repeated_values_is_that_of_all_written_out() {
        for values in [&[][..], &[3.0], &[1.0, 7.0], &[5.0, 1.0, 9.0], &[2.0, 2.0, 8.0, 1.0]] {
            for more in 0..6 {
                for other in [0.0, 2.0, 4.5, 10.0] {
                    let mut all = values.to_vec();
                    all.extend(std::iter::repeat_n(other, more));
                    let expected = median(&mut all, 0, 0.0);
                    let got = median(&mut values.to_vec(), more, other);
                    assert!((got - expected).abs() < 1e-12, "{values:?} {more} x {other}: {got} {expected}");
                }
            }
        }
        assert!((median(&mut [4.0, 1.0, 3.0], 0, 0.0) - 3.0).abs() < 1e-12);
    }
}
