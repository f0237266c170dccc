//! Observations and history together: what is known of each resource, and between which times.

use std::collections::{BTreeMap, BTreeSet};

use super::{FlowLog, History, Inventory, NetworkInterface, State, Track};

/// Inventories ordered in time, and what AWS Config recorded in between.
///
/// Dated snapshots come first, in order; undated files are an observation "now" and come last. A fact seen in two
/// neighbouring observations held in between. A fact seen in only one of them changed at an unknown time between them.
/// A resource that AWS Config recorded changed when its items say (`Anchor`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    observations: Vec<Inventory>,
    history: History,
    /// The last observation with the last versions of the history; `None` without a history.
    latest: Option<Inventory>,
}

/// How much a state can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// It held.
    Sure,
    /// It was observed later, and perhaps held: nothing was observed before.
    Weak,
    /// It held at another time, and whether anything else held is unknown: before AWS Config's first item, or after
    /// recording stopped.
    Partial,
}

/// How a state came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Observed in a dump: the change was made at any time since the anchor before.
    Snapshot,
    /// Recorded by AWS Config when it changed.
    Item,
    /// Recorded by AWS Config once a day.
    DailyItem,
}

/// A state of a resource and the time from which it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchor<'a, T> {
    /// Unix seconds; `i64::MAX` for the undated observation.
    pub time: i64,
    /// Until when nothing changed for certain: when the last item was captured that says the same.
    pub confirmed: i64,
    /// The state, `None` for gone or unknown.
    pub state: Option<&'a T>,
    /// [`Trust::Partial`] where recording had stopped: the state is the last known one.
    pub trust: Trust,
    /// What tells.
    pub by: By,
}

impl Timeline {
    /// Orders observations by time, undated last. Observations of the same time must have been merged.
    #[must_use]
    pub fn new(observations: Vec<Inventory>) -> Self {
        Self::with_history(observations, History::default())
    }

    /// The same with what AWS Config recorded. Rules must have their ids.
    #[must_use]
    pub fn with_history(mut observations: Vec<Inventory>, history: History) -> Self {
        observations.retain(|o| !o.is_empty());
        observations.sort_by_key(time_of);
        let mut timeline = Self { observations, history, latest: None };
        timeline.latest = (!timeline.history.is_empty()).then(|| timeline.end());
        timeline
    }

    /// The last observation, with the last known state of everything that AWS Config recorded.
    fn end(&self) -> Inventory {
        let mut end = self.observations.last().cloned().unwrap_or_default();
        end.security_groups.extend(self.ends(|h| &h.security_groups, |i| &i.security_groups));
        end.interfaces.extend(self.ends(|h| &h.interfaces, |i| &i.interfaces));
        end.network_acls.extend(self.ends(|h| &h.network_acls, |i| &i.network_acls));
        end.subnets.extend(self.ends(|h| &h.subnets, |i| &i.subnets));
        end.vpcs.extend(self.ends(|h| &h.vpcs, |i| &i.vpcs));
        end.prefix_lists.extend(self.ends(|h| &h.prefix_lists, |i| &i.prefix_lists));
        end.peerings.extend(self.ends(|h| &h.peerings, |i| &i.peerings));
        end.flow_logs.extend(self.ends(|h| &h.flow_logs, |i| &i.flow_logs));
        end
    }

    /// The last known states of the resources of one kind that AWS Config recorded. A deleted one is in no dump
    /// made after that.
    fn ends<'a, T: Clone + PartialEq + 'a>(
        &'a self,
        tracks: impl Fn(&'a History) -> &'a BTreeMap<String, Track<T>> + Copy,
        objects: impl Fn(&'a Inventory) -> &'a BTreeMap<String, T> + Copy,
    ) -> impl Iterator<Item = (String, T)> {
        tracks(&self.history).keys().filter_map(move |id| {
            let last = self.anchors(id, tracks, objects).pop()?;
            Some((id.clone(), last.state?.clone()))
        })
    }

    /// The observations, oldest first.
    #[must_use]
    pub fn observations(&self) -> &[Inventory] {
        &self.observations
    }

    /// What AWS Config recorded.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty() && self.latest.is_none()
    }

    /// The latest state of everything, which is what findings are about.
    #[must_use]
    pub fn latest(&self) -> Option<&Inventory> {
        self.latest.as_ref().or(self.observations.last())
    }

    /// Every known configuration of an interface, in no particular order.
    pub fn interface_versions<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a NetworkInterface> {
        let recorded = self.history.interfaces.get(id).into_iter().flat_map(Track::configurations);
        self.observations.iter().filter_map(move |o| o.interfaces.get(id)).chain(recorded)
    }

    /// The last known configuration of an interface, also of one that is gone.
    #[must_use]
    pub fn interface(&self, id: &str) -> Option<&NetworkInterface> {
        let latest = self.latest().and_then(|l| l.interfaces.get(id));
        latest
            .or_else(|| self.history.interfaces.get(id).and_then(|t| t.configurations().next_back()))
            .or_else(|| self.observations.iter().rev().find_map(|o| o.interfaces.get(id)))
    }

    /// The last known definition of a flow log, also of one that is gone.
    #[must_use]
    pub fn flow_log(&self, id: &str) -> Option<&FlowLog> {
        let latest = self.latest().and_then(|l| l.flow_logs.get(id));
        latest
            .or_else(|| self.history.flow_logs.get(id).and_then(|t| t.configurations().next_back()))
            .or_else(|| self.observations.iter().rev().find_map(|o| o.flow_logs.get(id)))
    }

    /// Every id of one kind, in order: whatever an observation or AWS Config ever told of.
    pub(crate) fn ids<'a, T: 'a>(
        &'a self,
        tracks: impl Fn(&'a History) -> &'a BTreeMap<String, Track<T>>,
        objects: impl Fn(&'a Inventory) -> &'a BTreeMap<String, T>,
    ) -> BTreeSet<&'a str> {
        let recorded = tracks(&self.history).keys();
        let observed = self.observations.iter().flat_map(|o| objects(o).keys());
        recorded.chain(observed).map(String::as_str).collect()
    }

    /// What is known of a resource, in the order of time, one anchor for each change. `tracks` and `objects` pick its kind.
    ///
    /// Where AWS Config recorded, its items alone count; dumps made before its first item, after its last one, or
    /// while recording had stopped fill the rest. Where only dumps describe a resource, those that lack it count, too;
    /// of one that both describe, a dump that lacks it says nothing: it may be of other kinds or places.
    pub(crate) fn anchors<'a, T: PartialEq + 'a>(
        &'a self,
        id: &str,
        tracks: impl Fn(&'a History) -> &'a BTreeMap<String, Track<T>>,
        objects: impl Fn(&'a Inventory) -> &'a BTreeMap<String, T>,
    ) -> Vec<Anchor<'a, T>> {
        let snapshot = |observation: &'a Inventory| Anchor {
            time: time_of(observation),
            confirmed: time_of(observation),
            state: objects(observation).get(id),
            trust: Trust::Sure,
            by: By::Snapshot,
        };
        let snapshots = self.observations.iter().map(snapshot);
        let Some(track) = tracks(&self.history).get(id) else {
            let mut anchors = snapshots.collect();
            confirm(&mut anchors);
            return anchors;
        };
        let mut last_known = None;
        let mut anchors: Vec<Anchor<'a, T>> = Vec::with_capacity(track.versions().len());
        for version in track.versions() {
            let (state, trust) = match &version.state {
                State::Present(object) => {
                    last_known = Some(object);
                    (Some(object), Trust::Sure)
                }
                State::Gone => {
                    last_known = None;
                    (None, Trust::Sure)
                }
                State::Unrecorded => (last_known, Trust::Partial),
            };
            let by = if version.daily { By::DailyItem } else { By::Item };
            anchors.push(Anchor { time: version.from, confirmed: version.confirmed, state, trust, by });
        }
        let items = anchors.len();
        let end = track.versions().last().map_or(i64::MIN, |version| version.confirmed);
        for snapshot in snapshots.filter(|s| s.state.is_some()) {
            let before = anchors[..items].partition_point(|a| a.time <= snapshot.time);
            let partial = |i: usize| anchors[i].trust == Trust::Partial && anchors[i].time < snapshot.time;
            let silent = before == 0 || snapshot.time > end || partial(before - 1);
            if silent {
                anchors.push(snapshot);
            }
        }
        anchors.sort_by_key(|a| a.time);
        confirm(&mut anchors);
        anchors
    }
}

/// A dump that says the same as what is known before it only confirms that: a year of daily dumps is no year of changes.
fn confirm<T: PartialEq>(anchors: &mut Vec<Anchor<'_, T>>) {
    anchors.dedup_by(|next, last| {
        let same = next.by == By::Snapshot && last.trust != Trust::Partial && next.state == last.state;
        if same {
            last.confirmed = next.time;
        }
        same
    });
}

fn time_of(observation: &Inventory) -> i64 {
    observation.observed_at.unwrap_or(i64::MAX)
}
