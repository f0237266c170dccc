//! Rollups become conclusions: findings, rule rows, and what was not read.

use std::collections::BTreeMap;

use super::AnalyzeConfig;
use super::inputs::InventoryOutcome;
use super::picture::picture;
use super::read::{ObjectProblem, Outcome};
use super::watch;
use crate::connection::Evidence;
use crate::detect::{Detector, Input, rule_class};
use crate::finding::{
    Conclusions, EndsCounts, Finding, FormatUse, Ignored, InterfaceCoverage, Kind, Limitation, OpenerCount,
    Summary, VerdictCount, Window,
};
use crate::inventory::Timeline;
use crate::policy::{EscapeReason, NotEvaluable, Verdict};
use crate::rollup::{Baseline, EndsCause, Rollups, Uncompared};
use crate::source::Listing;
use crate::watchlist::WatchList;

/// Everything a conclusion rests on.
pub(super) struct Material<'a> {
    pub config: &'a AnalyzeConfig,
    pub listing: &'a Listing,
    pub timeline: &'a Timeline,
    pub inventory: &'a InventoryOutcome,
    pub reading: &'a Outcome,
    pub duplicates: u64,
    pub overlapped: usize,
    /// Endpoints met by fewer tuples than this count as met by one.
    pub coarse_fan_in: Option<u64>,
    pub rollups: &'a Rollups,
    pub watch: Option<&'a WatchList>,
    pub detectors: &'a [&'static dyn Detector],
}

/// How many objects a limitation names before it only counts.
const NAMED: usize = 5;

pub(super) fn conclude(material: &Material<'_>) -> Conclusions {
    let rollups = material.rollups;
    let rules = rule_class::classify(rollups);
    let AnalyzeConfig { list_escapes, sensitivity, .. } = *material.config;
    let input = Input { rollups, rules: &rules, list_escapes, sensitivity };
    let findings: Vec<Finding> = material.detectors.iter().flat_map(|d| d.detect(&input)).collect();
    let end = rollups.window.map_or(0, |(_, end)| i64::from(end));
    let (mut findings, ignored) = material.config.ignore.apply(findings, end);
    let rank = |f: &Finding| crate::finding::Kind::ALL.iter().position(|k| *k == f.kind);
    findings.sort_by(|a, b| {
        b.severity.cmp(&a.severity).then_with(|| rank(a).cmp(&rank(b))).then_with(|| a.id.cmp(&b.id))
    });
    let mut tally = material.reading.tally.clone();
    tally.duplicate += material.duplicates;
    tally.records -= material.duplicates;
    debug_assert!(tally.is_conserved(), "{tally:?}");
    let summary = Summary {
        inputs: material.config.inputs.iter().map(ToString::to_string).collect(),
        inventories: material.inventory.paths.clone(),
        formats: formats(material.reading),
        objects: material.reading.objects,
        bytes: material.reading.bytes,
        window: rollups.window.map(|(start, end)| Window { start: i64::from(start), end: i64::from(end) }),
        inventory: material.inventory.counts.clone(),
        connections: rollups.connections,
        verdicts: verdicts(rollups),
        openers: openers(rollups),
        ends: ends(rollups),
        watchlists: material.watch.map(|list| watch::lists(list, rollups)).unwrap_or_default(),
        coverage: coverage(rollups),
        limitations: limitations(material, &ignored),
        assumptions: assumptions(material, &ignored),
        ignored,
        tally,
    };
    Conclusions { findings, rules, summary, picture: picture(rollups) }
}

fn formats(reading: &Outcome) -> Vec<FormatUse> {
    let uses = reading.formats.iter().map(|((origin, format), lines)| FormatUse {
        format: format.clone(),
        origin: origin.to_string(),
        lines: *lines,
    });
    uses.collect()
}

fn verdicts(rollups: &Rollups) -> Vec<VerdictCount> {
    let cell = |(verdict, connections): (&Verdict, &u64)| VerdictCount {
        verdict: verdict.as_str(),
        reason: verdict.reason(),
        connections: *connections,
    };
    rollups.verdicts.iter().map(cell).collect()
}

fn openers(rollups: &Rollups) -> Vec<OpenerCount> {
    Evidence::ALL
        .iter()
        .filter_map(|evidence| {
            let connections = *rollups.openers.get(evidence)?;
            let (evidence, strength) = (evidence.as_str(), evidence.strength().as_str());
            Some(OpenerCount { evidence, strength, connections })
        })
        .collect()
}

fn ends(rollups: &Rollups) -> EndsCounts {
    let totals = &rollups.ends.totals;
    let causes = EndsCause::ALL.iter().map(|cause| cause.as_str());
    let reasons = Uncompared::ALL.iter().map(|reason| reason.as_str());
    EndsCounts {
        joined: totals.joined,
        agreeing: totals.agreeing,
        disagreeing: totals.disagreeing.iter().sum(),
        by_cause: causes.zip(totals.disagreeing).collect(),
        rejected_at_one_end: totals.rejected_at_one_end,
        not_compared: totals.uncompared.iter().sum(),
        not_compared_by: reasons.zip(totals.uncompared).collect(),
    }
}

fn coverage(rollups: &Rollups) -> Vec<InterfaceCoverage> {
    let expected = rollups.expected_buckets();
    let row = |r: &crate::rollup::InterfaceRow| InterfaceCoverage {
        interface: r.id.clone(),
        account: r.account.clone(),
        vpc: r.vpc.clone(),
        subnet: r.subnet.clone(),
        instance: r.instance.clone(),
        in_inventory: r.in_inventory,
        first: r.coverage.first.map(i64::from),
        last: r.coverage.last.map(i64::from),
        records: r.coverage.records,
        nodata: r.coverage.nodata,
        skipdata: r.coverage.skipdata,
        skipdata_approximate: r.coverage.skipdata_is_approximate(),
        buckets_seen: r.coverage.buckets.len() as u64,
        buckets_expected: expected,
        traffic: r.traffic,
    };
    rollups.interfaces.iter().map(row).collect()
}

fn note(incomplete: bool, code: &str, object: &str, message: impl Into<String>) -> Limitation {
    Limitation { incomplete, code: code.to_owned(), object: object.to_owned(), message: message.into() }
}

fn limitations(material: &Material<'_>, ignored: &[Ignored]) -> Vec<Limitation> {
    let mut list: Vec<Limitation> = Vec::new();
    for error in &material.listing.errors {
        list.push(note(true, "not-listed", "", error.to_string()));
    }
    list.extend(object_problems(&material.reading.problems));
    let tally = &material.reading.tally;
    if tally.malformed > 0 {
        let first = tally.examples.first();
        let example =
            first.map_or_else(String::new, |e| format!("; first: {}:{}: {}", e.object, e.line, e.reason));
        list.push(note(
            true,
            "malformed-lines",
            "",
            format!("{} lines could not be understood{example}", tally.malformed),
        ));
    }
    for (name, count) in &tally.unknown_fields {
        list.push(note(
            false,
            "unknown-field",
            name,
            format!("{count} lines carry this field, which flowgate does not know; it was left out"),
        ));
    }
    let pruned = material.listing.pruned.total();
    if pruned > 0 {
        list.push(note(
            false,
            "pruned-objects",
            "",
            format!("{pruned} objects outside the selection: {}", material.listing.pruned),
        ));
    }
    let mut skipped: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for skip in &material.listing.skipped {
        skipped.entry(skip.reason.code()).or_default().push(format!("{} ({})", skip.name, skip.reason));
    }
    for (code, names) in skipped {
        list.push(note(false, code, "", listed(&names)));
    }
    for text in &material.listing.notes {
        list.push(note(false, "note", "", text));
    }
    if material.listing.more_skipped > 0 {
        let more = material.listing.more_skipped;
        list.push(note(false, "not-a-log", "", format!("{more} more objects that are no flow logs by name")));
    }
    for entry in ignored.iter().filter(|entry| entry.expired) {
        let message = format!(
            "it held until {}, and the logs go on ({}); findings after that day are told: give it another date, or take it out",
            entry.until, entry.reason
        );
        list.push(note(false, "ignore-expired", &entry.text, message));
    }
    inventory_limitations(material, &mut list);
    list.extend(unsaid(material));
    list.extend(idle(material));
    list.extend(material.watch.into_iter().flat_map(watch::limitations));
    list.sort();
    list.dedup();
    list
}

/// `a, b and 7 more`
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn object_problems(problems: &[ObjectProblem]) -> Vec<Limitation> {
    let mut grouped: BTreeMap<(&str, &str, bool), Vec<&str>> = BTreeMap::new();
    for problem in problems {
        let key = (&*problem.code, &*problem.message, problem.costs_records());
        grouped.entry(key).or_default().push(&problem.object);
    }
    let mut list = Vec::new();
    for ((code, message, incomplete), objects) in grouped {
        for object in objects.iter().take(NAMED) {
            list.push(note(incomplete, code, object, message));
        }
        if objects.len() > NAMED {
            let more = format!("{} more objects: {message}", objects.len() - NAMED);
            list.push(note(incomplete, code, "", more));
        }
    }
    list
}

/// Expectations that could not be judged for some connections.
fn unsaid(material: &Material<'_>) -> impl Iterator<Item = Limitation> {
    let expectations = &material.rollups.expectations;
    expectations.unsaid.iter().filter_map(|(&number, connections)| {
        let facts = expectations.facts.get(number as usize)?;
        let message = format!(
            "of {connections} accepted connections it can't be said whether they are as `{}` expects: who opened \
             them, or who an address belonged to at the time, is not known",
            facts.name
        );
        let place = format!("{}:{}", expectations.file, facts.line);
        Some(note(false, "not-judged-by-expectation", &place, message))
    })
}

/// Expectations about nobody: a slip in a name, or logs of something else.
fn idle(material: &Material<'_>) -> impl Iterator<Item = Limitation> {
    let expectations = &material.rollups.expectations;
    expectations.idle.iter().filter_map(|&number| {
        let facts = expectations.facts.get(number as usize)?;
        let message = format!(
            "`{}` is about no interface of these logs ({}); `flowgate expect check {} --inventory DIR` shows what its \
             tiers stand for",
            facts.name, facts.sentence, expectations.file
        );
        let place = format!("{}:{}", expectations.file, facts.line);
        Some(note(false, "expectation-about-nobody", &place, message))
    })
}

fn inventory_limitations(material: &Material<'_>, list: &mut Vec<Limitation>) {
    if material.timeline.is_empty() {
        list.push(note(
            true,
            "no-inventory",
            "",
            "no inventory: connections cannot be judged; add --inventory DIR with the output of \
             `aws ec2 describe-security-groups`, `describe-network-interfaces` and so on",
        ));
    } else {
        let unknown: Vec<String> = material
            .rollups
            .interfaces
            .iter()
            .filter(|i| !i.in_inventory && i.coverage.records > 0)
            .map(|i| i.id.clone())
            .collect();
        if !unknown.is_empty() {
            list.push(note(
                true,
                "interfaces-not-in-inventory",
                "",
                format!(
                    "{} interface{} with traffic {} not in the inventory and cannot be judged: {}; run \
                     `aws ec2 describe-network-interfaces`, or add a snapshot from when they existed",
                    unknown.len(),
                    if unknown.len() == 1 { "" } else { "s" },
                    if unknown.len() == 1 { "is" } else { "are" },
                    listed(&unknown)
                ),
            ));
        }
    }
    if !material.inventory.ignored.is_empty() {
        list.push(note(
            false,
            "inventory-not-used",
            "",
            format!("inventory dumps among the inputs, not used: {}", listed(&material.inventory.ignored)),
        ));
    }
    let count = |wanted: &dyn Fn(&Verdict) -> bool| -> u64 {
        material.rollups.verdicts.iter().filter(|(v, _)| wanted(v)).map(|(_, n)| *n).sum()
    };
    let gaps = count(&|v| {
        matches!(
            v,
            Verdict::Escaped(EscapeReason::InventoryGap) | Verdict::NotEvaluable(NotEvaluable::InventoryGap)
        )
    });
    if gaps > 0 {
        list.push(note(
            true,
            "inventory-gap",
            "",
            format!(
                "{gaps} connections depend on a prefix list or group that the inventory does not hold; \
                 `flowgate inventory check` names them"
            ),
        ));
    }
    let sideless = count(&|v| matches!(v, Verdict::NotEvaluable(NotEvaluable::LocalSideUnknown)));
    if sideless > 0 {
        list.push(note(
            true,
            "local-side-unknown",
            "",
            format!("{sideless} connections have no address that could be told to be the interface's"),
        ));
    }
    for gap in &material.inventory.gaps {
        if gap.severity >= crate::inventory::GapSeverity::Medium {
            list.push(note(false, gap.code, "", format!("{}; {}", gap.message, gap.next)));
        }
    }
}

/// What was taken for normal, and what could not be said for want of it.
fn baseline(material: &Material<'_>) -> Option<String> {
    let runs = |kinds: &[Kind]| material.detectors.iter().any(|d| kinds.contains(&d.meta().kind));
    if !runs(&[Kind::FirstContact, Kind::OutboundVolume, Kind::Beacon]) || material.rollups.connections == 0 {
        return None;
    }
    // Of a given baseline its own hours are the history, else all of the window.
    let window = material.rollups.window.map_or(0, |(first, last)| last - first);
    let own = material.rollups.given_baseline.and_then(|_| material.rollups.baseline());
    let short = own.map_or(window, Baseline::seconds) < 60 * 3_600;
    let day = |at: u32| {
        let time = chrono::DateTime::from_timestamp(i64::from(at), 0);
        time.map_or_else(|| at.to_string(), |t| t.format("%Y-%m-%dT%H:%MZ").to_string())
    };
    match (material.rollups.baseline(), material.rollups.given_baseline) {
        (Some(learned), given) => Some(format!(
            "what was seen from {} to {} is normal, and what came later is compared with it{}{}",
            day(learned.from),
            day(learned.to),
            if given.is_some() { "" } else { "; --baseline FROM..TO names another time" },
            if short { "; volumes are not, which takes 60 h of history" } else { "" }
        )),
        (None, Some(_)) => Some(format!(
            "nothing was called new: of --baseline less than {} h are in the logs, or nothing after it",
            Baseline::LEAST / 3_600
        )),
        (None, None) => Some(format!(
            "nothing was called new, since half of the window is the baseline, which takes {} h",
            Baseline::LEAST / 3_600
        )),
    }
}

fn assumptions(material: &Material<'_>, ignored: &[Ignored]) -> Vec<String> {
    let mut list = Vec::new();
    for Ignored { text, reason, until, findings, .. } in ignored.iter().filter(|entry| entry.findings > 0) {
        let plural = if *findings == 1 { "finding is" } else { "findings are" };
        list.push(format!(
            "{findings} {plural} left out by `{text}` of the ignore list until {until}: {reason}"
        ));
    }
    if !material.timeline.history().is_empty() {
        list.push(
            "AWS Config says when things changed; it notices late, so that between 5 minutes before and 1 minute \
             after a change either side explains"
                .to_owned(),
        );
    }
    match material.timeline.observations() {
        [] => {}
        [only] if only.observed_at.is_none() => {
            list.push(if material.timeline.history().is_empty() {
                "the inventory is undated and taken to hold for the whole window".to_owned()
            } else {
                "what AWS Config does not tell is taken from an undated inventory for the whole window"
                    .to_owned()
            });
        }
        [first, ..] => {
            if let (Some(at), Some((start, _))) = (first.observed_at, material.rollups.window)
                && i64::from(start) < at
            {
                list.push(
                    "the logs begin before the first inventory snapshot, which is used for that time, too"
                        .to_owned(),
                );
            }
        }
    }
    list.extend(baseline(material));
    if let Some(least) = material.coarse_fan_in {
        list.push(format!(
            "approximate: there are so many endpoints that those met by fewer than {least} others count as met by one, \
             where only that tells who opened a connection"
        ));
    }
    if material.overlapped > 0 {
        list.push(format!(
            "{} interfaces are covered by more than one flow log; the best one counts where it covers",
            material.overlapped
        ));
    }
    list
}
