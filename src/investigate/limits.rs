//! How far it can be trusted: everything that was not read, not known or not exact.

use super::clock::DAY;
use super::coverage::Covered;
use super::model::{Investigation, Limit};
use super::select::Found;
use super::subject::Subject;
use super::traffic::Opener;
use crate::store::{Store, StoreError, day_name};

pub(super) fn limits(
    store: &Store,
    told: &Investigation,
    found: &Found,
    covered: &Covered,
) -> Result<Vec<Limit>, StoreError> {
    let mut limits = Vec::new();
    let mut note = |code: &'static str, incomplete: bool, text: String| {
        limits.push(Limit { code, text, incomplete });
    };
    let manifest = store.manifest();
    let mut failed = 0_u64;
    store.each_object(|object| failed += u64::from(object.failed || !object.details.problems.is_empty()))?;
    if failed > 0 {
        let text = "could not be read, or not to the end: what they hold is missing";
        note("unread-objects", true, format!("{} {text}", many(failed, "object")));
    }
    let stale = manifest.connections.stale.len() as u64;
    if stale > 0 {
        let text = "not judged yet, because an ingest was interrupted; the next ingest judges them";
        note("stale-days", true, format!("{} {text}", many(stale, "day")));
    }
    if manifest.connections.inventories.is_empty() && told.held.rows > 0 {
        let text = "the connections were judged by no inventory: nothing is known of rules and verdicts \
                    (`flowgate ingest --rejudge --inventory DIR --store DIR`)";
        note("not-judged", false, text.to_owned());
    }
    gaps(told, covered, &mut note);
    if let Some(day) = manifest.pruned_before {
        let text = "what came earlier is not known, and what is seen first may have been there before";
        note("pruned", false, format!("days before {} were pruned: {text}", day_name(day)));
    }
    if told.request.from.is_some() {
        let text = "earlier days were not looked at: what is seen first may have been there before";
        note("from", false, text.to_owned());
    }
    for view in &told.views {
        let of = if told.views.len() > 1 { format!("{} end: ", view.end.as_str()) } else { String::new() };
        let unknown = view.total.openers[Opener::Unknown as usize];
        if unknown > 0 {
            let text = "have no known opener: no rule is credited with them, and their service is not known";
            note("unknown-openers", false, format!("{of}{} {text}", many(unknown, "connection")));
        }
        if view.total.continued > 0 {
            let text = "of connections that began on a day before: they add bytes and packets, \
                        but are counted as connections on their first day only";
            note("continued", false, format!("{of}{} {text}", many(view.total.continued, "day")));
        }
        let cut = [
            (view.peers.approximate, "addresses of the other side"),
            (view.addresses.approximate, "addresses"),
            (view.services.approximate, "services"),
            (view.rules.approximate, "rules"),
            (view.interfaces.approximate, "interfaces"),
        ];
        let cut: Vec<&str> = cut.iter().filter(|(cut, _)| *cut).map(|(_, what)| *what).collect();
        if !cut.is_empty() {
            let text = "more than are told apart: there are at least as many as shown, those shown may have had more, \
                        and what seems new may have been there before";
            note("approximate", false, format!("{of}{}: {text}", cut.join(", ")));
        }
    }
    if told.views.iter().any(|view| view.line.step < DAY) {
        let text =
            "a connection's bytes are told where its records of the day begin, not spread over its time";
        note("bytes-at-start", false, text.to_owned());
    }
    if told.views.len() > 1 {
        let text = "a connection is told at each end whose logs are kept, and at gateways between them: don't add these up";
        note("both-ends", false, text.to_owned());
    }
    if found.by_rules {
        let text = "nothing tells which interfaces were in the group: only the connections that its rules permitted are \
                    told, not what was rejected";
        note("members-unknown", false, text.to_owned());
    } else if matches!(told.request.subject, Subject::Group(_) | Subject::Instance(_))
        && !told.views.is_empty()
    {
        let text = "an interface counts from its last state without it on, and until its first state without it: \
                    between two observations that may be too long";
        note("membership", false, text.to_owned());
    }
    if let Some(kept) = &manifest.findings {
        if manifest.findings_are_outdated() == Some(true) {
            let text = "the findings are of an analysis from before the store changed last: newer ones are missing \
                        (`flowgate analyze STORE --inventory DIR --keep`)";
            note("findings-outdated", false, text.to_owned());
        }
        if kept.incomplete || kept.from.is_some() || kept.to.is_some() || !kept.detectors.is_empty() {
            let text = "the analysis that was kept did not look at everything: findings may be missing";
            note("findings-partial", false, text.to_owned());
        }
    }
    lacks(told, &mut note);
    Ok(limits)
}

fn gaps(told: &Investigation, covered: &Covered, note: &mut impl FnMut(&'static str, bool, String)) {
    if let Some((first, last)) = told.held.days {
        let all = u64::from(last - first) + 1;
        let without = all - told.held.days_with_records.min(all);
        if without > 0 {
            let (first, last) = (day_name(first), day_name(last));
            let text = format!("of {} from {first} to {last} the store has no records", many(without, "day"));
            note("days-without-records", false, text);
        }
    }
    if covered.skipdata() > 0 {
        let text = "at its interfaces: AWS lost records, and nobody knows how many";
        note("skipdata", false, format!("{} {text}", many(covered.skipdata(), "SKIPDATA row")));
    }
    let silent =
        told.views.first().map_or(0, |view| view.line.steps.iter().filter(|step| step.silent).count());
    if silent > 0 {
        let text = "without any record of its interfaces, not even that there was no traffic";
        note("silent", false, format!("{} of the time line {text}", many(silent as u64, "step")));
    }
}

fn lacks(told: &Investigation, note: &mut impl FnMut(&'static str, bool, String)) {
    let lacks = |table: &str| told.held.lacks.contains(&table);
    if lacks("interfaces") || lacks("rules") {
        let text = "the store has no table of interfaces and rules: names, groups and changes are not known; \
                    name an inventory, or ingest with one";
        note("no-configuration", false, text.to_owned());
    }
    if lacks("findings") {
        let text = "no analysis was kept in the store: findings are not known";
        note("no-findings", false, text.to_owned());
    }
    if lacks("coverage") {
        let text = "the store has no table of coverage: gaps of single interfaces are not known";
        note("no-coverage", false, text.to_owned());
    }
}

/// `1 day`, `12 days`.
fn many(n: u64, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}
