//! What else is known: was the source accepted somewhere, is it new, was something changed just before?

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::episode::Episode;
use super::picks::was_accepted;
use crate::detect::services;
use crate::flow::Direction;
use crate::rollup::{Admission, Change, Rollups};

/// A change at most this many seconds before an episode may be its cause.
const SOON: i64 = 3600;
/// Clocks and propagation (domain C.2).
const SLACK: i64 = 120;
const LISTED: usize = 5;

/// When sources were refused first, of each side sorted by address.
pub(super) struct FirstSeen([Vec<(u128, u32)>; 2]);

impl FirstSeen {
    /// Of those that are asked for: the sources of these episodes.
    pub fn new<'e>(rollups: &Rollups, episodes: &(impl Iterator<Item = &'e Episode> + Clone)) -> Self {
        Self([false, true].map(|inside| {
            let own = episodes.clone().filter(|episode| episode.is_inside() == inside);
            let mut first: Vec<(u128, u32)> =
                own.flat_map(|episode| &episode.attempts).map(|a| (a.remote, u32::MAX)).collect();
            first.sort_unstable();
            first.dedup();
            if first.is_empty() {
                return first;
            }
            for (source, time) in rollups.rejects.times(inside) {
                if let Ok(at) = first.binary_search_by_key(&source, |(known, _)| *known) {
                    first[at].1 = first[at].1.min(time);
                }
            }
            first
        }))
    }

    /// Unix seconds, of a source of the episodes.
    fn of(&self, inside: bool, source: u128) -> Option<u32> {
        let first = &self.0[usize::from(inside)];
        first.binary_search_by_key(&source, |(known, _)| *known).ok().map(|at| first[at].1)
    }
}

/// What is known of an episode beyond itself.
#[derive(Default)]
pub(super) struct Context<'a> {
    /// Sources among the attempts that had been seen before.
    pub known_sources: u64,
    /// The change that may have caused it: the last one of what it is about.
    pub change: Option<&'a Change>,
    /// At least half of the attempts were on what their source had been granted before.
    pub used_to_be_accepted: bool,
    /// The main source is answered on other ports of the same interface.
    pub is_client: bool,
    /// Where the main source was accepted and answered: of sources inside only on ports that were tried.
    pub accepted: Vec<&'a Admission>,
    /// It was accepted on a port that it was refused on elsewhere, or from outside at a sensitive one.
    pub got_in: bool,
}

impl<'a> Context<'a> {
    pub fn of(rollups: &'a Rollups, episode: &Episode, seen: &FirstSeen) -> Self {
        let (start, total) = (episode.start(), episode.total());
        let mut sources: Vec<u128> = episode.attempts.iter().map(|a| a.remote).collect();
        sources.sort_unstable();
        sources.dedup();
        let is_known = |source: &&u128| {
            seen.of(episode.is_inside(), **source).is_some_and(|first| first < start)
                || rollups.admitted.of(**source).iter().any(|a| a.first < start)
        };
        let before = episode.attempts.iter().filter(|a| was_accepted(rollups, a, start));
        let granted: u64 = before.map(|a| a.weight).sum();
        let inbound = episode.direction() == Direction::Inbound;
        let source = episode.dominant_source().filter(|_| inbound);
        let tried: BTreeSet<(u8, u16)> = episode.attempts.iter().map(|t| (t.protocol, t.port)).collect();
        let targets: BTreeSet<u32> = episode.attempts.iter().map(|t| t.interface).collect();
        let mut accepted: Vec<&Admission> =
            source.map_or(&[][..], |s| rollups.admitted.of(s)).iter().collect();
        accepted.retain(|a| a.answered);
        let is_client = accepted.iter().any(|a| targets.contains(&a.interface));
        let was_tried = |a: &Admission| tried.contains(&(a.protocol, a.port));
        // Inside everybody is let in somewhere.
        accepted.retain(|a| !episode.is_inside() || was_tried(a));
        let got_in = accepted.iter().any(|a| was_tried(a) || services::sensitive(a.port).is_some());
        Self {
            known_sources: sources.iter().filter(is_known).count() as u64,
            change: change_before(rollups, episode),
            used_to_be_accepted: granted * 2 >= total && total > 0,
            is_client,
            accepted,
            got_in,
        }
    }

    /// Where the source was accepted, for the outputs.
    pub fn accepted_at(&self, rollups: &Rollups) -> Vec<Value> {
        let one = |a: &&Admission| {
            json!({
                "interface": rollups.interfaces[a.interface as usize].id,
                "port": a.port,
                "connections": a.connections,
            })
        };
        self.accepted.iter().take(LISTED).map(one).collect()
    }
}

/// The last change of the interfaces of an episode that was made shortly before it began, or while it did: of half of
/// them at least, so that a change at one of many is not blamed for what happens at all.
fn change_before<'a>(rollups: &'a Rollups, episode: &Episode) -> Option<&'a Change> {
    let interfaces: Vec<u32> = episode.tally(|t| t.interface).into_iter().map(|(i, _)| i).collect();
    let start = i64::from(episode.start());
    let soon = |change: &&Change| change.from - SLACK <= start && start <= change.to + SOON;
    let about = |change: &&Change| {
        interfaces.iter().filter(|i| change.interfaces.binary_search(i).is_ok()).count() * 2
            >= interfaces.len()
    };
    rollups.changes.iter().filter(soon).filter(about).max_by_key(|change| change.to)
}
