//! How far the logs carry a statement about a rule.

use serde_json::json;

use super::counted;
use super::rule_class::may_be_wide;
use crate::finding::{FindingBuilder, Grade, RuleClass, RuleEvidence, RuleRow};
use crate::rollup::{OtherSide, RuleFacts, Since};

/// Shortest time, in seconds, over which watched silence says that a rule is not needed: six weeks.
///
/// That is what GCP's Firewall Insights look back by default (Network Intelligence Center, "Set up observation period":
/// "The default observation window is six weeks"), and no accident: a job that runs once a month, be it a week late,
/// runs within it at least once. Rarer use is the user's to know.
pub(super) const LONG_ENOUGH: u32 = 42 * 24 * 3600;

/// [`LONG_ENOUGH`], in words.
pub(super) const LONG_ENOUGH_TEXT: &str = "42 days";

/// The largest chance, by the gaps of the logs, of having missed a monthly job, at which silence is reliable.
const MISSED: f64 = 0.001;

/// The largest share of time with SKIPDATA that changes nothing.
const SKIPPED: f64 = 0.001;

/// Connections that must all have had another rule before nothing is said to need this one: of thirty, by the rule of
/// three (Hanley, Lippman-Hand 1983), at most a tenth would have been its own.
const ENOUGH_SHARED: u64 = 30;

/// What is known of the time in which a rule could have been used.
pub(super) fn evidence(rule: &RuleFacts) -> RuleEvidence {
    let (watch, usage) = (&rule.watch, &rule.usage);
    let last = usage.last.map(i64::from);
    let silent = watch.window.zip(last).map(|((_, to), last)| (to - last).max(0));
    let days = usage.times.days();
    let chance_missed = match (watch.window, silent) {
        (Some((from, to)), Some(silent)) => {
            // At least the day it was used on.
            let active = ((to - from) - silent).max(86_400) as f64;
            (active / (active + silent as f64)).powi(i32::try_from(days.max(1)).unwrap_or(i32::MAX))
        }
        (Some(_), None) => watch.missed_monthly,
        (None, _) => 1.0,
    };
    RuleEvidence {
        judged_from: watch.window.map(|(from, _)| from),
        judged_to: watch.window.map(|(_, to)| to),
        watched_seconds: watch.seconds,
        coverage: watch.share,
        skipdata: watch.skipdata,
        interfaces_attached: watch.attached,
        interfaces_covered: watch.covered,
        interfaces_unknown: rule.strangers,
        days_used: days,
        longest_pause: usage.times.longest_pause(),
        silent_seconds: silent.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        chance_missed,
    }
}

/// The same as evidence of a finding.
pub(super) fn tell(builder: FindingBuilder, row: &RuleRow) -> FindingBuilder {
    let e = &row.evidence;
    let rounded = |share: f64| (share * 1e4).round() / 1e4;
    let mut watched = json!({
        "seconds": e.watched_seconds,
        "coverage": rounded(e.coverage),
        "skipdata": e.skipdata,
        "interfaces_attached": e.interfaces_attached,
        "interfaces_covered": e.interfaces_covered,
        "interfaces_unknown": e.interfaces_unknown,
    });
    // Of rules that are in use it says whether they still are, which is not what is told of them.
    if row.class == RuleClass::Unused {
        watched["chance_missed"] = json!(rounded(e.chance_missed));
    }
    builder.evidence("grade_reasons", row.grade_reasons.clone()).evidence("watched", watched)
}

/// A grade, and why it is not better.
struct Reasons {
    grade: Grade,
    reasons: Vec<String>,
}

impl Reasons {
    fn lower(&mut self, to: Grade, reason: impl Into<String>) {
        self.grade = self.grade.max(to);
        self.reasons.push(reason.into());
    }
}

/// How far the logs carry the class of a rule, with the reasons where that is not all the way.
///
/// That a rule is used takes no more than the use. Everything else is about what did not happen, and takes time, unless
/// the configuration alone says it (`by_configuration`).
pub(super) fn grade(
    rule: &RuleFacts,
    class: RuleClass,
    by_configuration: bool,
    evidence: &RuleEvidence,
) -> (Grade, Vec<String>) {
    let usage = &rule.usage;
    let mut told = Reasons { grade: Grade::Reliable, reasons: Vec::new() };
    if class == RuleClass::Used {
        if may_be_wide(rule) {
            told.lower(
                Grade::Weak,
                format!(
                    "{} can't tell whether it is wider than its use",
                    counted(usage.connections, "connection")
                ),
            );
        }
    } else if !by_configuration {
        about_nobody(rule, class, &mut told);
        if told.grade != Grade::NotEvaluable {
            about_watch(rule, class, evidence, &mut told);
        }
    }
    if usage.undecided > 0 && (class != RuleClass::Used || usage.sole_connections == 0) {
        // Without a credited connection these would make the difference between used and unused.
        let to = if usage.connections == 0 { Grade::NotEvaluable } else { Grade::Weak };
        told.lower(
            to,
            format!("{} of unknown opener may have used it", counted(usage.undecided, "accepted connection")),
        );
    }
    if class == RuleClass::Redundant && !by_configuration && usage.connections < ENOUGH_SHARED {
        told.lower(
            Grade::Weak,
            format!(
                "{} shared with other rules do not rule out that some would need it",
                counted(usage.connections, "connection")
            ),
        );
    }
    if usage.weak_connections > 0 && usage.weak_connections * 2 > usage.connections {
        told.lower(
            Grade::Weak,
            "most of its connections have a weakly known opener or configuration".to_owned(),
        );
    }
    (told.grade, told.reasons)
}

/// Where it can't be used at all, or not be seen: that nobody does says nothing.
fn about_nobody(rule: &RuleFacts, class: RuleClass, told: &mut Reasons) {
    // What was used is evaluable, whatever became of it since.
    let to = if class == RuleClass::Unused { Grade::NotEvaluable } else { Grade::Weak };
    if let Some(reason) = rule.invisible {
        told.lower(to, reason);
    }
    if rule.interfaces.is_empty() {
        let referenced =
            if rule.group_is_referenced { ", and rules of other groups refer to it" } else { "" };
        told.lower(
            to,
            match rule.watch.last_attached {
                None => format!("its group is attached to no interface{referenced}"),
                Some(last) => format!(
                    "its group is attached to no interface now (scaled to zero); the last left by {}{referenced}",
                    instant(last)
                ),
            },
        );
    }
    let peer = &rule.peer_text;
    match rule.other_side {
        OtherSide::Known | OtherSide::Gone(_) => {}
        OtherSide::Unknown if rule.references_group => {
            told.lower(to, format!("the members of {peer} are not known"));
        }
        OtherSide::Unknown => told.lower(to, format!("the entries of {peer} are not known")),
        OtherSide::Nobody => {
            told.lower(to, format!("no interface is in {peer}, which it names (scaled to zero)"));
        }
    }
}

/// What was not watched.
fn about_watch(rule: &RuleFacts, class: RuleClass, evidence: &RuleEvidence, told: &mut Reasons) {
    let watch = &rule.watch;
    let unseen = if class == RuleClass::Unused { Grade::NotEvaluable } else { Grade::Weak };
    let Some((from, to)) = watch.window else {
        told.lower(
            unseen,
            rule.since.map_or_else(
                || "there are no logs".to_owned(),
                |since| format!("it did not exist while the logs ran: {}", born(since)),
            ),
        );
        return;
    };
    if watch.attached > 0 && watch.covered == 0 {
        told.lower(
            unseen,
            match watch.rejects_only {
                0 => format!("no log covers any of the {} interfaces of its group", watch.attached),
                _ => "the logs hold rejected traffic only".to_owned(),
            },
        );
        return;
    }
    if watch.covered < watch.attached {
        told.lower(
            Grade::Weak,
            format!("logs cover {} of the {} interfaces of its group", watch.covered, watch.attached),
        );
    }
    if watch.untold > 0 {
        let of = counted(u64::from(watch.untold), "interface");
        told.lower(Grade::Weak, format!("which traffic the logs of {of} hold is not known: none was seen"));
    }
    if rule.strangers > 0 {
        let strangers = counted(u64::from(rule.strangers), "interface");
        told.lower(Grade::Weak, format!("{strangers} that no inventory knows may have had its group"));
    }
    if watch.seconds < LONG_ENOUGH {
        let span = span(watch.seconds);
        told.lower(
            Grade::Weak,
            match rule.since {
                Some(since) => {
                    format!(
                        "it was watched for {span} of its life ({}), less than {LONG_ENOUGH_TEXT}",
                        born(since)
                    )
                }
                None => format!("it was watched for {span}, less than {LONG_ENOUGH_TEXT}"),
            },
        );
    } else if rule.known_from > from && to.saturating_sub(rule.known_from) < i64::from(LONG_ENOUGH) {
        told.lower(
            Grade::Weak,
            match rule.known_from {
                i64::MAX => "the inventory has no date: since when it exists is not known".to_owned(),
                at => format!("the inventory knows of it from {} on only", instant(at)),
            },
        );
    } else if let Some(since @ Since::Recorded(_)) = rule.since {
        told.lower(Grade::Weak, born(since));
    }
    let peers = rule.peer_seconds.filter(|_| matches!(rule.other_side, OtherSide::Known));
    if let Some(seconds) = peers.filter(|&seconds| seconds < LONG_ENOUGH && watch.seconds >= LONG_ENOUGH) {
        told.lower(
            Grade::Weak,
            format!("interfaces were in {} for {} of that time only", rule.peer_text, span(seconds)),
        );
    }
    if watch.skipped_share > SKIPPED {
        told.lower(Grade::Weak, format!("capture skipped data {} times on its interfaces", watch.skipdata));
    }
    if watch.gappy > 0 {
        told.lower(
            Grade::Weak,
            format!(
                "{} of its {} watched interfaces were silent for more than 5 % of the time",
                watch.gappy, watch.covered
            ),
        );
    }
    if told.grade == Grade::Reliable && watch.missed_monthly > MISSED {
        told.lower(
            Grade::Weak,
            format!(
                "a use once a month would have fallen into gaps of the logs with a chance of {:.1} % (they cover {:.1} %)",
                watch.missed_monthly * 100.0,
                evidence.coverage * 100.0
            ),
        );
    }
}

/// When a rule came to be, in words.
pub(super) fn born(since: Since) -> String {
    match since {
        Since::Added(at) => format!("it was added at {}", instant(at)),
        Since::Recorded(at) => format!("what AWS Config knows of it begins at {}", instant(at)),
        Since::Seen(i64::MAX) => "only the undated inventory has it".to_owned(),
        Since::Seen(at) => format!("the first inventory that has it is of {}", instant(at)),
    }
}

/// `2026-03-01T00:00:00Z`
pub(super) fn instant(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp(at, 0);
    time.map_or_else(|| at.to_string(), |t| t.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}

/// `3 h`, `2 days`: for sentences.
pub(super) fn span(seconds: u32) -> String {
    match seconds {
        0..=5399 => format!("{} min", seconds.div_ceil(60)),
        5400..=172_799 => format!("{} h", (seconds + 1800) / 3600),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}
