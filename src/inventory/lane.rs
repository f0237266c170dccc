//! What may have held at a time: a resource's anchors become spans, found by binary search.
//!
//! A span lists every state that explains within it. Mostly that is one. Around a change it is two or more: before
//! and after may both have held, because security groups take effect within seconds, records' times are good to 60 s
//! (domain C.2), and AWS Config notices a change seconds to minutes after it was made (domain D.9).

use super::{Anchor, By, Trust};

/// A change may take effect, or be seen in a record, up to this many seconds after (and before) its time.
pub(crate) const BAND: i64 = 60;

/// A configuration item is captured up to this many seconds after the change it tells of. "Seconds to minutes",
/// says domain D.9; four minutes is our reading.
pub(crate) const LAG: i64 = 240;

/// A daily item tells of a change in the day before it.
const DAY: i64 = 86_400;

/// A state that may have held.
#[derive(Clone, Debug)]
pub(crate) struct Candidate<V> {
    pub value: V,
    pub trust: Trust,
    /// It held, if every change was made at the very second that its anchor names.
    pub nominal: bool,
}

/// States over all of time.
#[derive(Clone, Debug)]
pub(crate) struct Lane<V> {
    /// Where spans begin, the first at `i64::MIN`; each with the index of its first candidate.
    starts: Vec<(i64, u32)>,
    candidates: Vec<Candidate<V>>,
    /// Times of change, in order; true where AWS Config recorded the change itself.
    changes: Vec<(i64, bool)>,
}

impl<V> Lane<V> {
    /// Builds a lane from the candidates of each span. `changes` are in order.
    pub fn new(spans: impl IntoIterator<Item = (i64, Vec<Candidate<V>>)>, changes: Vec<(i64, bool)>) -> Self {
        let mut lane = Self { starts: Vec::new(), candidates: Vec::new(), changes };
        for (start, candidates) in spans {
            lane.starts.push((start, u32::try_from(lane.candidates.len()).unwrap_or(u32::MAX)));
            lane.candidates.extend(candidates);
        }
        lane.starts.shrink_to_fit();
        lane.candidates.shrink_to_fit();
        lane
    }

    /// What may have held at a time.
    pub fn at(&self, time: i64) -> &[Candidate<V>] {
        self.span(time).0
    }

    /// What may have held at a time, and from when to when the same is true.
    pub fn span(&self, time: i64) -> (&[Candidate<V>], (i64, i64)) {
        let after = match self.starts.as_slice() {
            // Most things never change.
            [(start, _)] if *start <= time => 1,
            starts => starts.partition_point(|(start, _)| *start <= time),
        };
        let (to, end) = match self.starts.get(after) {
            Some((next, first)) => (*first as usize, next - 1),
            None => (self.candidates.len(), i64::MAX),
        };
        let Some(span) = after.checked_sub(1) else { return (&[], (i64::MIN, end)) };
        let (start, from) = self.starts[span];
        (self.candidates.get(from as usize..to).unwrap_or(&[]), (start, end))
    }

    /// Where spans begin.
    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.starts.iter().map(|(start, _)| *start)
    }

    /// Times of change, in order; true where AWS Config recorded the change itself.
    pub fn changes(&self) -> &[(i64, bool)] {
        &self.changes
    }

    /// Every state in any span, some of them more than once.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.candidates.iter().map(|c| &c.value)
    }
}

/// The spans of a resource. Values are what `state` makes of the anchors, once for each.
pub(crate) fn lane<T: PartialEq, V: Clone>(
    anchors: &[Anchor<'_, T>],
    mut state: impl FnMut(Option<&T>) -> V,
) -> Lane<V> {
    let Some(first) = anchors.first() else {
        let nothing = Candidate { value: state(None), trust: Trust::Sure, nominal: true };
        return Lane::new([(i64::MIN, vec![nothing])], Vec::new());
    };
    let values: Vec<V> = anchors.iter().map(|a| state(a.state)).collect();
    let froms: Vec<i64> = (0..anchors.len()).map(|k| begins(anchors, k)).collect();
    let mut starts: Vec<i64> = vec![i64::MIN];
    for (k, anchor) in anchors.iter().enumerate() {
        starts.extend([froms[k], anchor.time]);
        starts.extend(ends(anchors, k).checked_add(1));
    }
    starts.sort_unstable();
    starts.dedup();
    // No time is that late.
    starts.retain(|start| *start < i64::MAX);
    let mut oldest = 0;
    let spans = starts.into_iter().map(|at| {
        while ends(anchors, oldest) < at {
            oldest += 1;
        }
        let mut found: Vec<(usize, Candidate<V>)> = Vec::new();
        for k in oldest..anchors.len() {
            if k > oldest && anchors[k - 1].confirmed > at && anchors[k].time.saturating_sub(DAY + BAND) > at
            {
                break;
            }
            if froms[k] > at {
                continue;
            }
            let nominal =
                anchors.get(k + 1).is_none_or(|next| at < next.time) && (k == 0 || anchors[k].time <= at);
            let trust = if k == 0 && at < first.time { before(first) } else { anchors[k].trust };
            match found.iter_mut().find(|(other, _)| anchors[*other].state == anchors[k].state) {
                Some((_, same)) => {
                    same.trust = same.trust.max(trust);
                    same.nominal |= nominal;
                }
                None => found.push((k, Candidate { value: values[k].clone(), trust, nominal })),
            }
        }
        (at, found.into_iter().map(|(_, candidate)| candidate).collect())
    });
    let exact = |k: usize| anchors[k].by == By::Item && anchors[k - 1].by != By::Snapshot;
    let changes =
        (1..anchors.len()).filter(|&k| anchors[k].time < i64::MAX).map(|k| (anchors[k].time, exact(k)));
    Lane::new(spans, changes.collect())
}

/// When anchor `k` may have begun to hold.
pub(super) fn begins<T>(anchors: &[Anchor<'_, T>], k: usize) -> i64 {
    let Some(last) = k.checked_sub(1).map(|i| &anchors[i]) else { return i64::MIN };
    let time = anchors[k].time;
    match anchors[k].by {
        // Changed at an unknown time between the two.
        By::Snapshot => last.confirmed,
        _ if last.by == By::Snapshot || last.trust == Trust::Partial => last.confirmed,
        By::Item => time.saturating_sub(LAG + BAND),
        By::DailyItem => time.saturating_sub(DAY).max(last.confirmed).saturating_sub(BAND),
    }
}

/// The last second at which anchor `k` may have held.
fn ends<T>(anchors: &[Anchor<'_, T>], k: usize) -> i64 {
    anchors.get(k + 1).map_or(i64::MAX, |next| next.time.saturating_add(BAND))
}

/// What the first anchor is worth for the time before it.
fn before<T>(first: &Anchor<'_, T>) -> Trust {
    match first.by {
        By::Snapshot if first.time == i64::MAX => Trust::Sure,
        By::Snapshot => Trust::Weak,
        By::Item | By::DailyItem => Trust::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(time: i64, state: Option<&u8>, by: By) -> Anchor<'_, u8> {
        Anchor { time, confirmed: time, state, trust: Trust::Sure, by }
    }

    fn at(lane: &Lane<Option<u8>>, time: i64) -> Vec<(Option<u8>, Trust, bool)> {
        lane.at(time).iter().map(|c| (c.value, c.trust, c.nominal)).collect()
    }

    fn copy(value: Option<&u8>) -> Option<u8> {
        value.copied()
    }

    #[test]
    fn around_a_recorded_change_either_side_explains() {
        let anchors = [anchor(10_000, Some(&1), By::Item), anchor(20_000, Some(&2), By::Item)];
        let lane = lane(&anchors, copy);
        let (one, two) = (Some(1), Some(2));
        assert_eq!(at(&lane, 9_999), [(one, Trust::Partial, true)], "nothing is known before the first item");
        assert_eq!(at(&lane, 10_000), [(one, Trust::Sure, true)]);
        assert_eq!(at(&lane, 19_699), [(one, Trust::Sure, true)]);
        assert_eq!(at(&lane, 19_700), [(one, Trust::Sure, true), (two, Trust::Sure, false)]);
        assert_eq!(at(&lane, 19_999), [(one, Trust::Sure, true), (two, Trust::Sure, false)]);
        assert_eq!(at(&lane, 20_000), [(one, Trust::Sure, false), (two, Trust::Sure, true)]);
        assert_eq!(at(&lane, 20_060), [(one, Trust::Sure, false), (two, Trust::Sure, true)]);
        assert_eq!(at(&lane, 20_061), [(two, Trust::Sure, true)]);
        assert_eq!(lane.changes(), [(20_000, true)]);
    }

    #[test]
    fn daily_items_and_snapshots_leave_the_time_of_a_change_open() {
        let daily = [anchor(1_000_000, Some(&1), By::DailyItem), anchor(1_200_000, Some(&2), By::DailyItem)];
        let days = lane(&daily, copy);
        assert_eq!(at(&days, 1_200_000 - 86_461).len(), 1);
        assert_eq!(at(&days, 1_200_000 - 86_460).len(), 2);
        assert_eq!(at(&days, 1_200_061).len(), 1);
        assert_eq!(days.changes(), [(1_200_000, false)]);

        let seen = [anchor(1_000, Some(&1), By::Snapshot), anchor(i64::MAX, None, By::Snapshot)];
        let dumps = lane(&seen, copy);
        assert_eq!(at(&dumps, 0), [(Some(1), Trust::Weak, true)]);
        assert_eq!(at(&dumps, 1_000), [(Some(1), Trust::Sure, true), (None, Trust::Sure, false)]);
        let only = lane(&[anchor(i64::MAX, Some(&1), By::Snapshot)], copy);
        assert_eq!(at(&only, 0), [(Some(1), Trust::Sure, true)], "an undated dump holds throughout");
    }
}
