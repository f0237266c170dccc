//! Connections with addresses that the user looks for.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::bounds::Bounds;
use super::odd::{OddCells, OddTable};
use super::outcome::Outcome;
use crate::connection::Connection;
use crate::flow::{Action, Direction};
use crate::hash::mix64;
use crate::policy::Judged;
use crate::watchlist::{Entry, WatchList};

/// What accepted connections with a watched address have in common, beside interface, direction and service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Watched {
    /// Number of the entry.
    pub entry: u32,
    /// How far they got.
    pub outcome: Outcome,
}

/// Rejected connections with the addresses of one entry, in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knocks {
    /// Connections.
    pub connections: u64,
    /// First packet, Unix seconds.
    pub first: u32,
    /// Last packet.
    pub last: u32,
}

impl Knocks {
    fn merge(&mut self, other: &Self) {
        if self.connections == 0 {
            *self = *other;
            return;
        }
        self.connections += other.connections;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// Connections by list, always exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListTotal {
    /// Accepted connections with addresses of the list.
    pub accepted: u64,
    /// Rejected ones.
    pub rejected: u64,
}

/// Sums within bounds: accepted connections like other odd ones; of rejected ones, of too many entries a sample by the
/// entry's hash.
#[derive(Debug)]
pub(crate) struct WatchTable {
    accepted: OddTable<Watched>,
    rejected: HashMap<(u32, Option<Direction>), Knocks>,
    /// Leading zero bits of the hash of entries that are kept.
    level: u32,
    most: usize,
    lists: Vec<ListTotal>,
}

fn level(entry: u32) -> u32 {
    mix64(u64::from(entry)).leading_zeros()
}

impl WatchTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self {
            accepted: OddTable::within(bounds.watched),
            rejected: HashMap::new(),
            level: 0,
            most: bounds.knocks,
            lists: Vec::new(),
        }
    }

    /// Takes in a connection if one of its addresses is on a list.
    pub fn see(&mut self, connection: &Connection, judged: &Judged, list: &WatchList) {
        // Of a connection whose local side nobody knows, either may be meant.
        let local = || list.find(connection.local).filter(|_| !connection.local_known);
        let Some(entry) = list.find(connection.remote).or_else(local) else { return };
        let number = usize::from(list.list_of(entry));
        if self.lists.len() <= number {
            self.lists.resize(number + 1, ListTotal::default());
        }
        if connection.action() == Action::Accept {
            self.lists[number].accepted += 1;
            self.accepted.add(connection, judged, Watched { entry, outcome: Outcome::of(connection) });
        } else {
            self.lists[number].rejected += 1;
            let knocks = Knocks { connections: 1, first: connection.first, last: connection.last };
            self.knock((entry, connection.opener), &knocks);
        }
    }

    fn knock(&mut self, key: (u32, Option<Direction>), knocks: &Knocks) {
        if self.level > 0 && level(key.0) < self.level {
            return;
        }
        self.rejected.entry(key).or_default().merge(knocks);
        while self.rejected.len() > self.most && self.level < 64 {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, to: u32) {
        if to > self.level {
            self.level = to;
            self.rejected.retain(|(entry, _), _| level(*entry) >= to);
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.accepted.merge(other.accepted);
        self.raise(other.level);
        for (key, knocks) in other.rejected {
            self.knock(key, &knocks);
        }
        if self.lists.len() < other.lists.len() {
            self.lists.resize(other.lists.len(), ListTotal::default());
        }
        for (into, from) in self.lists.iter_mut().zip(other.lists) {
            into.accepted += from.accepted;
            into.rejected += from.rejected;
        }
    }

    pub fn heap_bytes(&self) -> usize {
        self.accepted.heap_bytes()
            + self.rejected.allocation_size()
            + self.lists.capacity() * size_of::<ListTotal>()
    }

    pub fn finish(self) -> WatchSums {
        WatchSums {
            accepted: self.accepted.finish(),
            rejected: self.rejected.into_iter().collect(),
            rejected_scale: 1 << self.level.min(63),
            lists: self.lists,
            ..WatchSums::default()
        }
    }
}

/// Connections with addresses on the user's lists.
#[derive(Debug, Default, PartialEq)]
pub struct WatchSums {
    /// Accepted ones.
    pub accepted: OddCells<Watched>,
    /// Rejected ones by entry and direction.
    pub rejected: BTreeMap<(u32, Option<Direction>), Knocks>,
    /// One in so many entries is in `rejected`; 1 unless there were too many.
    pub rejected_scale: u64,
    /// By list.
    pub lists: Vec<ListTotal>,
    /// The lists' names.
    pub names: Vec<String>,
    /// The entries that are named above.
    pub entries: BTreeMap<u32, Entry>,
}

impl WatchSums {
    /// Looks the entries up that it is about.
    pub(super) fn named_by(mut self, list: &WatchList) -> Self {
        let accepted = self.accepted.iter().map(|(key, _)| key.subject.entry);
        let all = accepted.chain(self.rejected.keys().map(|(entry, _)| *entry));
        self.entries = all.filter_map(|number| Some((number, list.entry(number)?))).collect();
        self.names = list.sources.iter().map(|source| source.name.clone()).collect();
        self.lists.resize(self.names.len(), ListTotal::default());
        self
    }
}
