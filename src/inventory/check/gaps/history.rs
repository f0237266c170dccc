//! What AWS Config did not record, or what of it is not here.

use std::collections::BTreeSet;

use super::GapSeverity::{Info, Low, Medium};
use super::Gaps;
use crate::inventory::load::Loaded;

pub(super) fn find(gaps: &mut Gaps, loaded: &Loaded) {
    let report = &loaded.report.history;
    let mut stopped = BTreeSet::new();
    let mut daily = BTreeSet::new();
    loaded.timeline.history().each(|_, id, versions| {
        // An item without its configuration is a gap of its own.
        if versions.iter().any(|v| v.unrecorded) && !report.blank.contains(id) {
            stopped.insert(id.to_owned());
        }
        if versions.iter().any(|v| v.daily) {
            daily.insert(id.to_owned());
        }
    });
    let mut about = |code, severity, subjects: &BTreeSet<String>, message, next| {
        gaps.about(code, severity, None, subjects.iter().cloned(), message, next);
    };
    about(
        "config-recording-stopped",
        Medium,
        &stopped,
        "resource(s) ceased to be recorded by AWS Config; what they were like until recording began again is unknown.",
        "Turn recording on for their types, and add dumps made while it was off.",
    );
    about(
        "config-daily-recording",
        Low,
        &daily,
        "resource(s) were recorded once a day; in the day before an item either side of the change explains.",
        "Set the recording frequency of security groups and network interfaces to continuous.",
    );
    about(
        "config-history-truncated",
        Medium,
        &report.truncated,
        "resource(s) have older items that were not fetched; what they were like before is unknown.",
        "Run `aws configservice get-resource-config-history` for each without `--max-items` or `--no-paginate`.",
    );
    about(
        "config-no-configuration",
        Medium,
        &report.blank,
        "resource(s) have an item without configuration; what they were like until the next one is unknown.",
        "Run `aws configservice get-resource-config-history` for each.",
    );
    about(
        "config-conflicts",
        Medium,
        &report.conflicts,
        "resource(s) have items for the same state that differ; that of the later file in path order was used.",
        "Remove the file that is wrong.",
    );
    let other = report.passed_over.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    about(
        "config-other-types",
        Info,
        &other,
        "resource type(s) of AWS Config say nothing about traffic and were passed over.",
        "Nothing.",
    );
}
