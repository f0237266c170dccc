//! Which stretch of a log group is read, and in which slices.
//!
//! All times here are milliseconds since 1970 in UTC unless said otherwise, and ranges end before their end.

use std::ops::Range;

use chrono::{DateTime, SecondsFormat};

use crate::source::Selection;

/// Seconds read where no beginning is given: the last 24 hours.
pub const DEFAULT_WINDOW: i64 = 24 * 60 * 60;

/// Seconds before `from` that an event may be stamped and still be wanted.
///
/// An event is stamped with the `start` of its record (VPC User Guide, "Publish flow logs to CloudWatch Logs"), and a
/// record lasts up to 600 s, the longest aggregation interval. A minute is added, because `start` and `end` are within
/// a minute of the packets ("Flow log records").
pub const PADDING: i64 = 600 + 60;

/// Slices of one log group at most, stream batches included: beyond that they grow.
pub(super) const MOST_SLICES: usize = 2_000;

/// Old events that a group can hold at most when it is created: PutLogEvents refuses those older than 14 days.
const OLDEST_PUT: i64 = 14 * DAY;

/// How far in the future events can be: PutLogEvents refuses those more than two hours ahead.
const NEWEST_PUT: i64 = 2 * 60 * 60 * 1000;

/// Expired events can still be read for a while: they are deleted "typically" within 72 hours (CloudWatch Logs User
/// Guide, "Change log data retention").
const EXPIRED: i64 = 3 * DAY;

const DAY: i64 = 24 * 60 * 60 * 1000;

/// The last moment that is written with four digits for the year.
const LAST: i64 = 253_402_300_799_000;

/// What DescribeLogGroups said about a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub created: Option<i64>,
    pub retention_days: Option<i32>,
}

/// The stretch to read, and what to say about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Window {
    /// Empty if there is nothing to read.
    pub range: Range<i64>,
    /// For the user to know.
    pub notes: Vec<String>,
    /// What was asked for and can't be had: the problem, and what to do.
    pub problem: Option<(String, String)>,
}

/// Works out the window of a run. `now` is in seconds.
pub(super) fn window(selection: &Selection, now: i64, facts: &Facts) -> Window {
    let to = selection.to.unwrap_or(now);
    let from = selection.from.unwrap_or_else(|| to.saturating_sub(DEFAULT_WINDOW));
    let now = millis(now);
    let wanted = millis(from);
    let mut start = millis(from.saturating_sub(PADDING));
    let mut window = Window::default();
    if selection.from.is_none() {
        window.notes.push(format!("read from {} on, 24 hours; --from says otherwise", text(wanted)));
    }
    if from >= to {
        let problem = format!("the time wanted, {} to {}, is empty", text(wanted), text(millis(to)));
        window.problem = Some((problem, "--from must be before --to".to_owned()));
        return window;
    }
    if let Some(days) = facts.retention_days.filter(|days| *days > 0) {
        let kept = now.saturating_sub(i64::from(days) * DAY);
        if wanted < kept {
            window.problem = Some((
                format!("keeps events for {days} days, so those before {} are gone", text(kept)),
                format!(
                    "give --from {} or later, and look for an archive in S3 for what is older",
                    text(kept)
                ),
            ));
        }
        start = start.max(kept.saturating_sub(EXPIRED));
    }
    if let Some(created) = facts.created {
        if wanted < created {
            window.notes.push(format!("was created at {}: expect nothing of the time before", text(created)));
        }
        start = start.max(created.saturating_sub(OLDEST_PUT));
    }
    let end = millis(to).min(now.saturating_add(NEWEST_PUT));
    window.range = start..end.max(start);
    window
}

/// Cuts a window into disjoint slices at the multiples of a length, so that the next run cuts at the same times. The
/// length is doubled until there are no more slices than `most`.
pub(super) fn slices(range: &Range<i64>, length: i64, most: usize) -> Vec<Range<i64>> {
    let most = i64::try_from(most.max(1)).unwrap_or(i64::MAX);
    let mut length = length.max(1);
    while length < i64::MAX / 4 && count(range, length) > most {
        length *= 2;
    }
    let mut found = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let next = at.div_euclid(length).saturating_add(1).saturating_mul(length).min(range.end);
        found.push(at..next);
        at = next;
    }
    found
}

fn count(range: &Range<i64>, length: i64) -> i64 {
    (range.end - 1).div_euclid(length) - range.start.div_euclid(length) + 1
}

/// RFC 3339 with milliseconds, always as long, so that it sorts by time.
pub(super) fn text(millis: i64) -> String {
    DateTime::from_timestamp_millis(millis)
        .map_or_else(|| millis.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// Within what the service takes (not negative) and people write.
fn millis(seconds: i64) -> i64 {
    seconds.saturating_mul(1000).clamp(0, LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;

    fn plain(from: Option<i64>, to: Option<i64>) -> Window {
        window(&Selection { from, to, ..Selection::default() }, NOW, &Facts::default())
    }

    #[test]
    fn the_window_is_what_was_asked_for_and_the_longest_record_before() {
        let both = plain(Some(NOW - 7200), Some(NOW - 3600));
        assert_eq!(both.range, (NOW - 7200 - 660) * 1000..(NOW - 3600) * 1000);
        assert_eq!((both.notes.len(), both.problem), (0, None));
        assert_eq!(plain(Some(NOW - 60), None).range, (NOW - 720) * 1000..NOW * 1000);

        let neither = plain(None, None);
        assert_eq!(neither.range, (NOW - 86_400 - 660) * 1000..NOW * 1000);
        assert_eq!(neither.notes, ["read from 2026-09-20T14:13:20.000Z on, 24 hours; --from says otherwise"]);
        let until = plain(None, Some(NOW - 1000));
        assert_eq!(until.range, (NOW - 1000 - 86_400 - 660) * 1000..(NOW - 1000) * 1000);
    }

    #[test]
    fn odd_windows_do_not_overflow() {
        let empty = plain(Some(NOW), Some(NOW));
        assert!(empty.range.is_empty() && empty.problem.is_some());
        assert!(plain(Some(NOW), Some(NOW - 1)).range.is_empty());
        let all = plain(Some(i64::MIN), Some(i64::MAX));
        assert_eq!(all.range, 0..NOW * 1000 + NEWEST_PUT, "as far as events can be");
        assert!(slices(&all.range, 1, MOST_SLICES).len() <= MOST_SLICES);
        assert!(plain(None, Some(i64::MIN)).range.is_empty());
    }

    #[test]
    fn what_a_group_can_not_have_is_said_and_not_read() {
        let ask = |from: i64, facts: &Facts| {
            window(&Selection { from: Some(from), ..Selection::default() }, NOW, facts)
        };
        let week = Facts { retention_days: Some(7), created: None };
        let kept = ask(NOW - 6 * 86_400, &week);
        assert_eq!((kept.problem, kept.range.start), (None, (NOW - 6 * 86_400 - 660) * 1000));
        let gone = ask(NOW - 30 * 86_400, &week);
        let (problem, next) = gone.problem.unwrap();
        assert!(problem.contains("7 days") && problem.contains("2026-09-14T"), "{problem}");
        assert!(next.contains("--from 2026-09-14T"), "{next}");
        assert_eq!(gone.range.start, (NOW - 10 * 86_400) * 1000, "what is not deleted yet is read");

        let young = Facts { retention_days: None, created: Some((NOW - 3600) * 1000) };
        let asked = ask(NOW - 30 * 86_400, &young);
        assert_eq!(asked.problem, None);
        assert!(asked.notes[0].contains("created at"), "{:?}", asked.notes);
        assert_eq!(
            asked.range.start,
            (NOW - 3600 - 14 * 86_400) * 1000,
            "older events may have been put there"
        );
        assert!(ask(NOW - 60, &young).notes.is_empty());
    }

    #[test]
    fn slices_lie_at_the_same_times_whatever_the_window() {
        assert_eq!(slices(&(5..25), 10, 100), [5..10, 10..20, 20..25]);
        assert_eq!(slices(&(10..20), 10, 100), std::iter::once(10..20).collect::<Vec<_>>());
        assert_eq!(slices(&(-5..5), 10, 100), [-5..0, 0..5]);
        assert_eq!(slices(&(7..7), 10, 100), []);
        assert_eq!(slices(&(0..80), 10, 4), [0..20, 20..40, 40..60, 60..80]);
        // Five stretches of 20 are touched, so that the length doubles once more.
        assert_eq!(slices(&(5..85), 10, 4), [5..40, 40..80, 80..85]);
        assert_eq!(slices(&(5..85), 0, 1).len(), 1);
    }
}
