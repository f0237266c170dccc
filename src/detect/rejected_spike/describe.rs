//! Episodes in words.

use std::collections::BTreeMap;

use serde_json::json;

use super::META;
use super::classify::{classify, severity};
use super::context::{Context, FirstSeen};
use super::episode::{Episode, address, dominant, top};
use crate::detect::unexpected_accept::is_public;
use crate::detect::{counted, services};
use crate::finding::{FindingBuilder, Grade, Ports};
use crate::flow::{Direction, Protocol};
use crate::rollup::{Distinct, Estimate, InterfaceRow, REJECT_BUCKET, Rollups, Season};

/// Buckets a baseline needs to be called one: three hours.
const BASELINE_BUCKETS: u64 = 36;
const LISTED: usize = 20;
/// Interfaces and ports whose shares are told.
const SHARES: usize = 3;

/// How many sources and ports, and how well that is known.
pub(super) fn distinct(
    rollups: &Rollups,
    episode: &Episode,
    sources: usize,
    ports: usize,
) -> (Distinct, bool) {
    if episode.attempts.len() as u64 == episode.total() {
        let exactly = |n: usize| Estimate { count: n as u64, error: 0.0 };
        return (Distinct { sources: exactly(sources), ports: exactly(ports) }, false);
    }
    let mut distinct = episode.distinct(&rollups.rejects);
    distinct.sources.count = distinct.sources.count.max(sources as u64);
    distinct.ports.count = distinct.ports.count.clamp(ports as u64, 65_536);
    (distinct, true)
}

/// What an episode's attempts had, most first.
pub(super) struct Tops {
    pub sources: Vec<(u128, u64)>,
    ports: Vec<(u16, u64)>,
    interfaces: Vec<(u32, u64)>,
    pub causes: BTreeMap<&'static str, u64>,
}

impl Tops {
    pub fn of(episode: &Episode) -> Self {
        Self {
            sources: top(&episode.attempts, |a| a.remote),
            ports: top(&episode.attempts, |a| a.port),
            interfaces: episode.tally(|t| t.interface),
            causes: episode.tally(|t| t.cause).into_iter().collect(),
        }
    }

    pub fn row<'a>(&self, rollups: &'a Rollups) -> &'a InterfaceRow {
        &rollups.interfaces[self.interfaces.first().map_or(0, |(i, _)| *i) as usize]
    }

    pub fn is_inside(&self, rollups: &Rollups, episode: &Episode) -> bool {
        match self.sources.first() {
            Some((source, _)) => !is_public(rollups, address(*source)),
            None => episode.is_inside(),
        }
    }

    pub fn is_sensitive(&self) -> bool {
        self.ports.iter().take(5).any(|(p, _)| services::sensitive(*p).is_some())
    }
}

/// The finding of an episode.
pub(super) fn spike(rollups: &Rollups, episode: &Episode, seen: &FirstSeen) -> FindingBuilder {
    let total = episode.total();
    let tops = Tops::of(episode);
    let context = Context::of(rollups, episode, seen);
    let (distinct, sampled) = distinct(rollups, episode, tops.sources.len(), tops.ports.len());
    let inside = tops.is_inside(rollups, episode);
    let ports = usize::try_from(distinct.ports.count).unwrap_or(usize::MAX);
    let cause = classify(episode, &context, &tops.sources, ports, inside);
    let severity = severity(cause, inside, tops.is_sensitive(), context.got_in);
    let baseline = episode.stretches.iter().map(|s| s.baseline_buckets).min().unwrap_or(0);
    let grade = if baseline >= BASELINE_BUCKETS { Grade::Reliable } else { Grade::Weak };
    let expected: f64 = episode.stretches.iter().map(|s| s.expected).sum();
    let peak = episode.tally(|t| t.bucket).first().map_or(0, |(_, n)| *n);
    let bucket_seconds = rollups.rejects.bucket_seconds(episode.is_inside());
    let minutes = bucket_seconds / 60;
    let about = if sampled { "about " } else { "" };
    let who = who(&tops.sources, total, distinct.sources.count, about);
    let stopped = tops.causes.iter().map(|(c, n)| format!("{c} ({n})")).collect::<Vec<_>>().join(", ");
    let mut summary =
        format!("Expected: {expected:.0}. At most {peak} in {minutes} minutes. Stopped by {stopped}.");
    if let Some(change) = context.change {
        summary.push_str(&format!(" Shortly before, {} changed: {}.", change.resource, change.what));
    }
    if context.used_to_be_accepted && inside {
        summary.push_str(" It used to be accepted.");
    }
    let mut builder = common(rollups, episode, &tops, cause, &distinct)
        .about((episode.start() / REJECT_BUCKET).to_string())
        .rated(severity, grade);
    builder = builder
        .told(title(rollups, episode, &tops, &who, &distinct, about), summary)
        .count("expected", expected.round() as u64)
        .count(&format!("peak_{minutes}_minutes"), peak)
        .count("known_sources", context.known_sources)
        .evidence("baseline_buckets", baseline);
    if let Some(least) = least_likely(episode) {
        let season = episode.stretches.iter().map(|s| s.season).max();
        builder = builder
            .evidence("season", season.map_or("level", Season::as_str))
            .evidence("log10_probability", least);
    }
    builder = with_context(builder, rollups, &context, inside, &who, episode.direction(), tops.row(rollups));
    if sampled {
        builder = builder
            .evidence("approximate", true)
            .evidence("sampled_attempts", episode.attempts.len())
            .evidence("sources_error", distinct.sources.error)
            .evidence("ports_error", distinct.ports.error)
            // Of a share near one half, where it is largest.
            .evidence(
                "shares_error",
                (500.0 / (episode.attempts.len().max(1) as f64).sqrt()).round() / 1000.0,
            );
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

/// The logarithm of the probability of the least likely bucket, rounded, so that it does not depend on float noise.
fn least_likely(episode: &Episode) -> Option<f64> {
    let known = episode.stretches.iter().map(|s| s.probability).filter(|p| !p.is_nan());
    known.reduce(f64::min).map(|p| p.max(1e-300).log10().round())
}

/// What findings of all kinds of episodes say.
pub(super) fn common(
    rollups: &Rollups,
    episode: &Episode,
    tops: &Tops,
    cause: &'static str,
    distinct: &Distinct,
) -> FindingBuilder {
    let total = episode.total();
    let row = tops.row(rollups);
    let protocol = protocol(episode);
    let has_ports = protocol.is_some_and(Protocol::has_ports);
    let interfaces = &tops.interfaces;
    let of_interface = |(i, n): &(u32, u64)| json!({"interface": rollups.interfaces[*i as usize].id, "share": share(*n, total)});
    FindingBuilder::new(META.id, META.kind, cause)
        .about(format!("{:?}", episode.scope))
        .service(
            Some(episode.direction()),
            protocol.map(|p| p.to_string()),
            if has_ports {
                tops.ports.iter().take(LISTED).map(|(p, _)| Ports::One(*p)).collect()
            } else {
                Vec::new()
            },
        )
        .during(Some(i64::from(episode.start())), Some(i64::from(episode.end())))
        .count("attempts", total)
        .count("sources", distinct.sources.count)
        .count("ports", distinct.ports.count)
        .evidence("scope", episode.scope.as_str())
        .evidence("stopped_by", json!(tops.causes))
        .evidence("top_source_share", tops.sources.first().map_or(0.0, |(_, n)| share(*n, total)))
        .evidence("top_port_share", tops.ports.first().map_or(0.0, |(_, n)| share(*n, total)))
        .evidence(
            "top_interfaces",
            json!(interfaces.iter().take(SHARES).map(of_interface).collect::<Vec<_>>()),
        )
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
            f.remotes = tops.sources.iter().take(LISTED).map(|(s, _)| address(*s).to_string()).collect();
            if tops.causes.keys().any(|c| c.starts_with("network-acl")) {
                f.network_acl.clone_from(&row.network_acl);
            }
            if let super::episode::Scope::Group(group, ..) = &episode.scope {
                f.security_group = Some(group.clone());
            }
        })
}

/// The protocol of most attempts; of several the lowest number.
fn protocol(episode: &Episode) -> Option<Protocol> {
    top(&episode.attempts, |a| a.protocol).first().map(|(p, _)| Protocol(*p))
}

pub(super) fn who(sources: &[(u128, u64)], total: u64, count: u64, about: &str) -> String {
    match (count, dominant(sources, total).or(sources.first().map(|(s, _)| *s))) {
        (1, Some(source)) => address(source).to_string(),
        (n, Some(source)) if dominant(sources, total).is_some() => {
            format!("{} and {about}{} more", address(source), n - 1)
        }
        (n, _) => format!("{about}{n} addresses"),
    }
}

pub(super) fn title(
    rollups: &Rollups,
    episode: &Episode,
    tops: &Tops,
    who: &str,
    distinct: &Distinct,
    about: &str,
) -> String {
    let protocol = protocol(episode);
    let has_ports = protocol.is_some_and(Protocol::has_ports);
    let what = match (protocol, distinct.ports.count, tops.ports.first()) {
        (None, ..) => "unknown ports".to_owned(),
        (Some(protocol), ..) if !has_ports => protocol.to_string(),
        (Some(protocol), 1, Some((port, _))) => format!("{protocol} {}", services::name(*port)),
        (Some(protocol), n, _) => format!("{about}{n} {protocol} ports"),
    };
    let place = match tops.interfaces.len() {
        1 => tops.row(rollups).id.clone(),
        n => format!("{n} interfaces"),
    };
    let (verb, side) = match episode.direction() {
        Direction::Inbound => ("from", "at"),
        Direction::Outbound => ("to", "of"),
    };
    format!("{} {verb} {who} on {what} {side} {place}", counted(episode.total(), "rejected attempt"))
}

pub(super) fn with_context(
    mut builder: FindingBuilder,
    rollups: &Rollups,
    context: &Context<'_>,
    inside: bool,
    who: &str,
    direction: Direction,
    row: &InterfaceRow,
) -> FindingBuilder {
    if !context.accepted.is_empty() {
        builder = builder.evidence("accepted_at", json!(context.accepted_at(rollups)));
    }
    if let Some(change) = context.change {
        builder = builder.evidence(
            "change",
            json!({
                "resource": change.resource,
                "what": change.what,
                "after": rfc3339(change.from),
                "before": rfc3339(change.to),
            }),
        );
    }
    let next = match (context.change, inside, direction) {
        (Some(change), true, Direction::Inbound) => {
            format!("see whether the change of {} was meant to stop {who}", change.resource)
        }
        (Some(change), _, Direction::Outbound) => {
            format!("see whether the change of {} was meant to stop {}", change.resource, row.id)
        }
        (None, _, Direction::Outbound) => format!("find the process on {} that calls out", row.id),
        (None, true, _) => {
            format!("find the process behind {who}; was a rule or network ACL changed just before?")
        }
        (_, false, _) if context.got_in => {
            format!("look at what {who} did where it was accepted (accepted_at in the evidence)")
        }
        (_, false, _) => {
            format!("see whether {who} was accepted anywhere (--connections FILE lists every connection)")
        }
    };
    builder.next(next)
}

/// Unix seconds as the outputs show them: digits where there is no date.
pub(super) fn rfc3339(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0);
    time.map_or_else(|| seconds.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// A share rounded to three digits, so that it reads well and does not depend on float noise.
fn share(part: u64, total: u64) -> f64 {
    (part as f64 / total.max(1) as f64 * 1000.0).round() / 1000.0
}
