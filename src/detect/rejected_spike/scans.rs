//! Scanners in words.

use std::collections::BTreeSet;

use serde_json::json;

use super::META;
use super::classify::severity;
use super::context::{Context, FirstSeen};
use super::describe::{Tops, common, distinct, rfc3339, title, who, with_context};
use super::episode::{Episode, address};
use super::scanners::Scanner;
use crate::detect::{counted, services};
use crate::finding::{FindingBuilder, Grade, Severity};
use crate::flow::Direction;
use crate::rollup::{Admission, Rollups};

/// Scanners that are listed in one finding.
const LISTED: usize = 100;
const INTERFACES: usize = 20;

/// The finding of a scanner that is told on its own.
pub(super) fn one(
    rollups: &Rollups,
    scanner: &Scanner,
    episode: &Episode,
    seen: &FirstSeen,
) -> FindingBuilder {
    let tops = Tops::of(episode);
    let context = Context::of(rollups, episode, seen);
    let inside = tops.is_inside(rollups, episode);
    let (distinct, sampled) = distinct(rollups, episode, tops.sources.len(), scanner.ports);
    let about = if sampled { "about " } else { "" };
    let who = who(&tops.sources, episode.total(), distinct.sources.count, about);
    let cause = scanner.cause();
    let severity = severity(cause, inside, tops.is_sensitive(), context.got_in);
    let summary = format!(
        "Refused at {} different targets in {}, answered at {}. Stopped by {}.",
        scanner.refused,
        counted(scanner.hours as u64, "different hour"),
        scanner.accepted,
        tops.causes.keys().copied().collect::<Vec<_>>().join(", ")
    );
    let builder = common(rollups, episode, &tops, cause, &distinct);
    let builder = builder
        .rated(severity, Grade::Reliable)
        .told(title(rollups, episode, &tops, &who, &distinct, about), summary)
        .count("targets_refused", scanner.refused as u64)
        .count("targets_accepted", scanner.accepted as u64)
        .count("hours", scanner.hours as u64)
        .evidence("log_likelihood_ratio", rounded(scanner.evidence));
    with_context(builder, rollups, &context, inside, &who, episode.direction(), tops.row(rollups))
}

/// One finding for all others from outside that scan ports, and one for those that sweep over interfaces: what the
/// internet does to everybody is worth knowing, but not one by one.
pub(super) fn noise(rollups: &Rollups, scanners: &[Scanner]) -> Vec<FindingBuilder> {
    let sweeps = |scanner: &Scanner| scanner.interfaces.len() > scanner.ports;
    let (hosts, ports): (Vec<&Scanner>, Vec<&Scanner>) = scanners.iter().partition(|s| sweeps(s));
    [("port-scan", "scan ports", ports), ("host-sweep", "sweep over interfaces", hosts)]
        .into_iter()
        .filter(|(.., group)| !group.is_empty())
        .map(|(cause, verb, group)| of_group(rollups, cause, verb, &group))
        .collect()
}

fn of_group(rollups: &Rollups, cause: &'static str, verb: &str, scanners: &[&Scanner]) -> FindingBuilder {
    let attempts: u64 = scanners.iter().map(|s| s.attempts).sum();
    let interfaces: BTreeSet<u32> = scanners.iter().flat_map(|s| s.interfaces.iter().copied()).collect();
    let answered = |s: &Scanner| -> Vec<Admission> {
        let admitted = rollups.admitted.of(s.source).iter();
        admitted.filter(|a| a.answered && services::sensitive(a.port).is_some()).copied().collect()
    };
    let got_in: Vec<_> = scanners.iter().filter(|s| !answered(s).is_empty()).collect();
    let severity = if got_in.is_empty() { Severity::Informational } else { Severity::Low };
    let row = |s: &&Scanner| {
        json!({
            "source": address(s.source).to_string(),
            "ports": s.ports,
            "interfaces": s.interfaces.len(),
            "attempts": s.attempts,
            "first": rfc3339(i64::from(s.first)),
            "last": rfc3339(i64::from(s.last)),
            "answered": answered(s).len(),
        })
    };
    let rows: Vec<_> = scanners.iter().take(LISTED).map(row).collect();
    let busiest: Vec<String> =
        scanners.iter().take(3).map(|s| format!("{} ({})", address(s.source), s.refused)).collect();
    let next = match got_in.first() {
        Some(scanner) => {
            let more = got_in.len() - 1;
            let others = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("look at what {}{others} did where answered", address(scanner.source))
        }
        None => "nothing: they were refused (--connections FILE lists every connection)".to_owned(),
    };
    FindingBuilder::new(META.id, META.kind, cause)
        .about("the noise of the internet")
        .rated(severity, Grade::Reliable)
        .told(
            format!(
                "{} outside {verb} and {} refused at {}",
                counted(scanners.len() as u64, "address"),
                if scanners.len() == 1 { "is" } else { "are" },
                counted(interfaces.len() as u64, "interface")
            ),
            format!(
                "{} in all. Most targets (an interface and a port) had {}.",
                counted(attempts, "rejected attempt"),
                busiest.join(", ")
            ),
        )
        .service(Some(Direction::Inbound), None, Vec::new())
        .during(
            scanners.iter().map(|s| i64::from(s.first)).min(),
            scanners.iter().map(|s| i64::from(s.last)).max(),
        )
        .count("attempts", attempts)
        .count("sources", scanners.len() as u64)
        .count("sources_answered_at_sensitive_ports", got_in.len() as u64)
        .evidence("scanners", rows)
        .evidence("log_likelihood_ratio", scanners.last().map_or(0.0, |s| rounded(s.evidence)))
        .next(next)
        .with(|f| {
            f.remotes = scanners.iter().take(LISTED).map(|s| address(s.source).to_string()).collect();
            let rows = interfaces.iter().map(|&i| &rollups.interfaces[i as usize]);
            f.interfaces = rows.clone().take(INTERFACES).map(|row| row.id.clone()).collect();
            let vpcs = rows.clone().map(|row| &row.vpc);
            f.vpc = vpcs.reduce(|a, b| if a == b { a } else { &None }).cloned().flatten();
            let accounts = rows.map(|row| &row.account);
            f.account = accounts.reduce(|a, b| if a == b { a } else { &None }).cloned().flatten();
        })
}

/// One digit, so that it reads well and does not depend on float noise.
fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
