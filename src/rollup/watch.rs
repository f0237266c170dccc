//! How well the interfaces of a group were watched, as of then.

use std::collections::BTreeMap;

use super::facts::InterfaceRow;
use crate::connection::COVERAGE_BUCKET;
use crate::inventory::{By, Timeline};

/// How the interfaces of a rule's group were watched while the rule existed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watch {
    /// First and last second of the rule's life within the logs; `None` where they don't meet.
    pub window: Option<(i64, i64)>,
    /// Seconds in which at least one interface of the group was watched.
    pub seconds: u32,
    /// Interfaces that had the group at some time of the window.
    pub attached: u32,
    /// Those of them whose logs hold accepted traffic.
    pub covered: u32,
    /// Those whose logs hold rejected traffic only.
    pub rejects_only: u32,
    /// Those of which nothing tells what their logs hold: no definition, and no record.
    pub untold: u32,
    /// Covered ones that were silent for more than 5 % of the time they had the group.
    pub gappy: u32,
    /// Share of (interfaces x time) that was watched; SKIPDATA counts as not.
    pub share: f64,
    /// Share of (interfaces x time) with SKIPDATA, of what is covered.
    pub skipped_share: f64,
    /// SKIPDATA rows of these interfaces.
    pub skipdata: u64,
    /// The chance that every use of a job that runs once in 31 days fell where nothing was watched, if it runs at any of
    /// these interfaces. Those with the same groups stand in for each other, since instances come and go; where all of
    /// them together were watched for less than 31 days, it is 1.
    pub missed_monthly: f64,
    /// The last second at which an interface had the group.
    pub last_attached: Option<i64>,
}

/// The longest month, in seconds: the pause of a monthly job.
pub(super) const MONTH: u32 = 31 * 86_400;

/// How much of the time an interface may be silent.
const SILENT: f64 = 0.05;

/// Half-open stretches of buckets, ascending and apart.
type Spans = Vec<(i64, i64)>;

/// An interface while it had a group, with the same other groups all the time.
struct Attachment {
    /// Number of the interface.
    interface: u32,
    /// Number of the set of groups.
    role: u32,
    place: Option<u32>,
    /// Unix seconds, `to` excluded.
    spans: Spans,
}

/// Which interfaces had which group, and when.
pub(super) struct Attachments<'a> {
    by_group: BTreeMap<&'a str, Vec<Attachment>>,
    rows: &'a [InterfaceRow],
    window: Option<(u32, u32)>,
    /// Interfaces with accepted traffic that no inventory knows, by VPC.
    strangers: BTreeMap<Option<&'a str>, u32>,
}

impl<'a> Attachments<'a> {
    pub fn new(timeline: &'a Timeline, rows: &'a [InterfaceRow], window: Option<(u32, u32)>) -> Self {
        let mut by_group: BTreeMap<&str, Vec<Attachment>> = BTreeMap::new();
        let ids = timeline.ids(|h| &h.interfaces, |i| &i.interfaces);
        let mut roles: BTreeMap<&[String], u32> = BTreeMap::new();
        for (interface, &id) in (0_u32..).zip(&ids) {
            let place = rows.binary_search_by(|row| row.id.as_str().cmp(id)).ok();
            let coverage = place.map(|place| &rows[place].coverage);
            let (seen_first, seen_last) =
                coverage.map_or((None, None), |c| (c.first.map(i64::from), c.last.map(i64::from)));
            let anchors = timeline.anchors(id, |h| &h.interfaces, |i| &i.interfaces);
            let mut spans: BTreeMap<(&str, u32), Spans> = BTreeMap::new();
            for (at, anchor) in anchors.iter().enumerate() {
                let Some(state) = anchor.state else { continue };
                let next = u32::try_from(roles.len()).unwrap_or(u32::MAX);
                let role = *roles.entry(&state.groups).or_insert(next);
                let before = at.checked_sub(1).map(|at| &anchors[at]);
                let after = anchors.get(at + 1);
                for group in &state.groups {
                    let had = |other: Option<&crate::inventory::NetworkInterface>| {
                        other.is_some_and(|state| state.groups.contains(group))
                    };
                    // Between two dumps the interface's own log says when it came or went.
                    let from = match before {
                        None if anchor.by == By::Snapshot => i64::MIN,
                        None => anchor.time.min(seen_first.unwrap_or(i64::MAX)),
                        Some(_) if anchor.by != By::Snapshot => anchor.time,
                        // The state before lasts until this one.
                        Some(before) if had(before.state) => anchor.time,
                        Some(before) => seen_first
                            .filter(|first| (before.confirmed..=anchor.time).contains(first))
                            .unwrap_or(anchor.time),
                    };
                    let to = match after {
                        None => i64::MAX,
                        Some(after) if after.by != By::Snapshot || had(after.state) => after.time,
                        Some(after) => seen_last
                            .filter(|last| (anchor.confirmed..=after.time).contains(last))
                            .map_or(anchor.confirmed.max(anchor.time), |last| last + 1),
                    };
                    spans.entry((group, role)).or_default().push((from, to.max(from)));
                }
            }
            let place = place.and_then(|place| u32::try_from(place).ok());
            for ((group, role), spans) in spans {
                let attachment = Attachment { interface, role, place, spans: union(spans) };
                by_group.entry(group).or_default().push(attachment);
            }
        }
        let mut strangers: BTreeMap<Option<&str>, u32> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.coverage.accepts > 0 && !ids.contains(row.id.as_str())) {
            *strangers.entry(row.vpc.as_deref()).or_default() += 1;
        }
        Self { by_group, rows, window, strangers }
    }

    /// Interfaces that may have had a group of this VPC, for all that is known.
    pub fn strangers(&self, vpc: Option<&str>) -> u32 {
        let near = |other: &Option<&str>| other.is_none() || vpc.is_none() || *other == vpc;
        self.strangers.iter().filter(|(other, _)| near(other)).map(|(_, count)| count).sum()
    }

    /// Seconds in which some interface had this group, from `since` or the beginning of the logs on.
    pub fn membership(&self, group: &str, since: Option<i64>) -> u32 {
        let Some((first, last)) = self.window else { return 0 };
        let window = (i64::from(first).max(since.unwrap_or(i64::MIN)), i64::from(last) + 1);
        let of_group = self.by_group.get(group).into_iter().flatten();
        let spans = of_group.flat_map(|a| intersect(&a.spans, &[window])).collect();
        u32::try_from(total(&union(spans))).unwrap_or(u32::MAX)
    }

    /// How a group was watched from `since` on, or from the beginning of the logs.
    pub fn watch(&self, group: &str, since: Option<i64>) -> Watch {
        let Some((first, last)) = self.window else { return Watch::default() };
        let (first, last) = (i64::from(first).max(since.unwrap_or(i64::MIN)), i64::from(last));
        if first > last {
            return Watch::default();
        }
        let mut watch = Watch { window: Some((first, last)), ..Watch::default() };
        let bucket = i64::from(COVERAGE_BUCKET);
        let (mut wanted, mut watched, mut covered_time, mut skipped_time) = (0_i64, 0_i64, 0_i64, 0_i64);
        let mut roles: BTreeMap<u32, Spans> = BTreeMap::new();
        let mut silent: Vec<(u32, i64, i64)> = Vec::new();
        let mut previous = None;
        for attachment in self.by_group.get(group).into_iter().flatten() {
            let inside = intersect(&attachment.spans, &[(first, last + 1)]);
            let Some(&(_, end)) = inside.last() else { continue };
            watch.last_attached = watch.last_attached.max(Some(end - 1));
            // One whose other groups changed is still one.
            let first_time = previous.replace(attachment.interface) != Some(attachment.interface);
            let one = u32::from(first_time);
            watch.attached += one;
            let buckets =
                |&(from, to): &(i64, i64)| (from.div_euclid(bucket), (to - 1).div_euclid(bucket) + 1);
            let spans = union(inside.iter().map(buckets).collect());
            let life = total(&spans);
            wanted += life;
            let row = attachment.place.map(|place| &self.rows[place as usize]);
            let Some(row) = row.filter(|row| row.coverage.first.is_some()) else {
                silent.push((attachment.role, 0, life));
                continue;
            };
            watch.skipdata += if first_time { row.coverage.skipdata } else { 0 };
            if row.traffic == "reject" {
                watch.rejects_only += one;
                silent.push((attachment.role, 0, life));
                continue;
            }
            watch.covered += one;
            watch.untold += if row.traffic == "none" { one } else { 0 };
            let runs = |set: &crate::connection::Coverage, lost: bool| -> Spans {
                let set = if lost { &set.skipped } else { &set.buckets };
                set.runs().map(|(from, to)| (i64::from(from), i64::from(to) + 1)).collect()
            };
            let seen = intersect(&spans, &runs(&row.coverage, false));
            watch.gappy += u32::from((total(&seen) as f64) < (1.0 - SILENT) * life as f64);
            let lost = intersect(&seen, &runs(&row.coverage, true));
            let good = subtract(&seen, &lost);
            covered_time += life;
            skipped_time += total(&lost);
            watched += total(&good);
            silent.push((attachment.role, total(&good), life));
            let of_role = roles.entry(attachment.role).or_default();
            *of_role = union(of_role.drain(..).chain(good).collect());
        }
        let share = |part: i64, of: i64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        watch.share = share(watched, wanted);
        watch.skipped_share = share(skipped_time, covered_time);
        let seconds = |spans: &[(i64, i64)]| {
            u32::try_from((total(spans) * bucket).min(last - first + 1)).unwrap_or(u32::MAX)
        };
        watch.seconds = seconds(&union(roles.values().flatten().copied().collect()));
        // Each month was a chance to see it, and each fails where nothing was watched at that time.
        let missed = |&(role, good, life): &(u32, i64, i64)| {
            let months = roles.get(&role).map_or(0, |spans| seconds(spans) / MONTH);
            (1.0 - share(good, life)).powi(i32::try_from(months).unwrap_or(i32::MAX)) * life as f64
        };
        watch.missed_monthly = match wanted {
            0 => 1.0,
            _ => silent.iter().map(missed).sum::<f64>() / wanted as f64,
        };
        watch
    }
}

fn total(spans: &[(i64, i64)]) -> i64 {
    spans.iter().map(|(from, to)| to - from).sum()
}

/// Sorted, and joined where they touch.
fn union(mut spans: Spans) -> Spans {
    spans.retain(|(from, to)| from < to);
    spans.sort_unstable();
    let mut joined: Spans = Vec::with_capacity(spans.len());
    for (from, to) in spans {
        match joined.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

/// What both lists have; both ascending and apart.
fn intersect(a: &[(i64, i64)], b: &[(i64, i64)]) -> Spans {
    let (mut i, mut j) = (0, 0);
    let mut common = Vec::new();
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        let (from, to) = (x.0.max(y.0), x.1.min(y.1));
        if from < to {
            common.push((from, to));
        }
        if x.1 <= y.1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    common
}

/// What is in the first list only; the second is within the first.
fn subtract(a: &[(i64, i64)], b: &[(i64, i64)]) -> Spans {
    let mut rest = Vec::new();
    let mut cuts = b.iter().copied().peekable();
    for &(mut from, to) in a {
        while let Some(&(cut_from, cut_to)) = cuts.peek().filter(|cut| cut.0 < to) {
            if from < cut_from {
                rest.push((from, cut_from));
            }
            from = cut_to;
            cuts.next();
        }
        if from < to {
            rest.push((from, to));
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Coverage;
    use crate::inventory::{Inventory, NetworkInterface};

    const DAY: u32 = 86_400;
    const PER_DAY: u32 = DAY / COVERAGE_BUCKET;

    fn inventory(at: Option<i64>, interfaces: &[(&str, &[&str])]) -> Inventory {
        let interface = |(id, groups): &(&str, &[&str])| {
            let groups = groups.iter().map(|g| (*g).to_owned()).collect();
            (
                (*id).to_owned(),
                NetworkInterface { id: (*id).to_owned(), groups, ..NetworkInterface::default() },
            )
        };
        // Some other resource, so that the inventory is not taken for none.
        let vpcs = [("vpc-1".to_owned(), crate::inventory::Vpc::default())];
        Inventory {
            observed_at: at,
            interfaces: interfaces.iter().map(interface).collect(),
            vpcs: vpcs.into(),
            ..Inventory::default()
        }
    }

    fn row(id: &str, days: std::ops::Range<u32>, lost: &[std::ops::RangeInclusive<u32>]) -> InterfaceRow {
        let seen = days.start * PER_DAY..=(days.end * PER_DAY - 1);
        InterfaceRow {
            id: id.to_owned(),
            traffic: "all",
            coverage: Coverage::of_buckets(&[seen], lost),
            ..InterfaceRow::default()
        }
    }

    #[test]
    fn groups_are_watched_while_interfaces_have_them() {
        let day = i64::from(DAY);
        let timeline = Timeline::new(vec![
            inventory(Some(10 * day), &[("eni-1", &["sg-a"]), ("eni-2", &["sg-a", "sg-gone"])]),
            inventory(Some(40 * day), &[("eni-1", &["sg-a", "sg-late"])]),
        ]);
        let rows = [row("eni-1", 0..80, &[]), row("eni-2", 0..20, &[])];
        let all = Attachments::new(&timeline, &rows, Some((0, 80 * DAY - 1)));
        let watch = all.watch("sg-a", None);
        assert_eq!((watch.attached, watch.covered, watch.gappy, watch.seconds), (2, 2, 0, 80 * DAY));
        // The second one had groups that no other has, for less than a month: 20 days of 100.
        assert!((watch.share - 1.0).abs() < 1e-9, "{watch:?}");
        assert!((watch.missed_monthly - 0.2).abs() < 1e-9, "{watch:?}");
        // Terminated where its log ends, between the two dumps: nobody has the group since.
        let gone = all.watch("sg-gone", None);
        assert_eq!((gone.attached, gone.seconds), (1, 20 * DAY));
        assert_eq!(gone.last_attached, Some(20 * day - 1));
        assert!((gone.share - 1.0).abs() < 1e-9 && gone.missed_monthly > 0.99, "{gone:?}");
        // First seen with it by the second dump.
        assert_eq!(all.watch("sg-late", None).seconds, 40 * DAY);
        assert_eq!(all.watch("sg-a", Some(70 * day)).seconds, 10 * DAY);
        assert_eq!(all.watch("sg-a", Some(90 * day)), Watch::default());
        assert_eq!(all.watch("sg-none", None).attached, 0);
        assert_eq!(["sg-gone", "sg-none"].map(|id| all.membership(id, None)), [20 * DAY, 0]);
        assert_eq!(all.membership("sg-gone", Some(15 * day)), 5 * DAY);
    }

    #[test]
    fn gaps_may_hide_what_happens_once_a_month() {
        let timeline = Timeline::new(vec![inventory(None, &[("eni-1", &["sg-a"]), ("eni-2", &["sg-a"])])]);
        let missed = |days: u32, lost: &[std::ops::RangeInclusive<u32>], second: Option<u32>| {
            let mut rows = vec![row("eni-1", 0..days, lost)];
            rows.extend(second.map(|days| row("eni-2", 0..days, &[])));
            Attachments::new(&timeline, &rows, Some((0, days * DAY - 1))).watch("sg-a", None)
        };
        let one_day = [PER_DAY..=(2 * PER_DAY - 1)];
        let of = |watch: Watch| (watch.missed_monthly * 1e4).round() / 1e4;
        assert!((of(missed(42, &one_day, Some(42))) - 0.0119).abs() < 1e-9, "half of a day in 42");
        assert!(of(missed(93, &one_day, Some(93))).abs() < 1e-9, "three months, three chances");
        // What was never watched stays unseen however long one waits.
        assert!((of(missed(93, &[], None)) - 0.5).abs() < 1e-9);
        assert!((of(missed(14, &[], Some(14))) - 1.0).abs() < 1e-9, "less than a month");
        let watch = missed(93, &one_day, Some(46));
        assert_eq!((watch.gappy, watch.covered), (1, 2));
        assert!((watch.skipped_share - 1.0 / 186.0).abs() < 1e-9, "{watch:?}");
    }

    #[test]
    fn interfaces_that_nobody_knows_may_have_had_any_group_of_their_vpc() {
        let timeline = Timeline::new(vec![inventory(None, &[("eni-1", &["sg-a"])])]);
        let mut rows = vec![row("eni-1", 0..9, &[]), row("eni-9", 0..9, &[])];
        rows[1].vpc = Some("vpc-1".to_owned());
        rows[1].coverage.accepts = 3;
        let all = Attachments::new(&timeline, &rows, Some((0, 9 * DAY - 1)));
        assert_eq!([Some("vpc-1"), Some("vpc-2"), None].map(|vpc| all.strangers(vpc)), [1, 0, 1]);
    }
}
