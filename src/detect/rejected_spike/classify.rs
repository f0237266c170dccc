//! What an episode looks like.

use super::context::Context;
use super::episode::{Episode, dominant, top};
use crate::detect::services;
use crate::finding::Severity;
use crate::flow::Direction;
use crate::rollup::{Attempt, ServiceClass};

/// Ports of one source that make a scan of ports.
const SCANNED_PORTS: usize = 15;
/// Interfaces that make a sweep over hosts.
const SWEPT_HOSTS: usize = 3;
/// Ports that one thing may want.
const FEW_PORTS: usize = 5;
/// Attempts of one source inside on a service at which people log in, by one that has no other business there.
const GUESSES: u64 = 60;

/// The class of an episode. `sources` are those of its attempts, most first; `ports` how many there were.
pub(super) fn classify(
    episode: &Episode,
    context: &Context<'_>,
    sources: &[(u128, u64)],
    ports: usize,
    inside: bool,
) -> &'static str {
    let attempts = &episode.attempts;
    let total = episode.total();
    let direction = episode.direction();
    let most = |of: &dyn Fn(&super::episode::Tally) -> bool| {
        episode.tallies.iter().filter(|t| of(t)).map(|t| t.attempts).sum::<u64>() * 2 > total
    };
    // Packets of the opening's direction are filtered by the ACL of that direction; the other one stops replies.
    let reply_cause = match direction {
        Direction::Inbound => "network-acl-out",
        Direction::Outbound => "network-acl-in",
    };
    if most(&|t| t.cause == reply_cause) {
        return "blocked-reply";
    }
    if direction == Direction::Outbound {
        return "blocked-egress";
    }
    if most(&|t| t.class == ServiceClass::Unasked) {
        return "backscatter";
    }
    if inside && context.used_to_be_accepted {
        return "broken-dependency";
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
        (true, SCANNED_PORTS.., _) if ports >= targets => "port-scan",
        (true, _, SWEPT_HOSTS..) if !inside || context.change.is_none() => "host-sweep",
        (true, SCANNED_PORTS.., _) => "port-scan",
        (_, ..=FEW_PORTS, _) if inside => {
            let guessing = source.is_some()
                && total >= GUESSES
                && context.change.is_none()
                && !context.is_client
                && own.first().is_some_and(|a| services::takes_logins(a.port));
            if guessing { "brute-force" } else { "broken-dependency" }
        }
        (true, ..=FEW_PORTS, _) => "brute-force",
        (false, ..=FEW_PORTS, _) => "distributed-surge",
        _ if dominant(&top(attempts, |a| a.port), total).is_some() => "distributed-surge",
        _ => "unclassified",
    }
}

/// How much a class matters, by who, what and whether it got in anywhere.
pub(super) fn severity(cause: &str, inside: bool, sensitive: bool, got_in: bool) -> Severity {
    let base = match (cause, inside, sensitive) {
        ("port-scan" | "host-sweep" | "slow-scan" | "brute-force", true, _) => Severity::High,
        ("broken-dependency" | "blocked-egress" | "blocked-reply", ..) => Severity::Medium,
        ("brute-force" | "distributed-surge", _, true) => Severity::Medium,
        _ => Severity::Low,
    };
    // A client that was accepted and is not any more got in by right.
    let attack = matches!(cause, "port-scan" | "host-sweep" | "slow-scan" | "brute-force");
    match base {
        Severity::Low if attack && got_in => Severity::Medium,
        Severity::Medium if attack && got_in => Severity::High,
        Severity::High if attack && got_in => Severity::Critical,
        _ => base,
    }
}
