//! Who was accepted where, in bounded memory.

use hashbrown::HashTable;

use super::peers::hash_address;
use crate::connection::Connection;
use crate::flow::{Action, Direction, is_private};
use crate::hash::mix64;

/// Connections that one source opened to one service of one interface, and that were accepted: 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admission {
    remote: [u64; 2],
    /// Index of the interface.
    pub interface: u32,
    /// Service port.
    pub port: u16,
    /// Protocol number.
    pub protocol: u8,
    /// The interface answered at least one.
    pub answered: bool,
    /// First packet of the first one, Unix seconds.
    pub first: u32,
    /// Last packet of the last one.
    pub last: u32,
    /// How many.
    pub connections: u32,
}

impl Admission {
    /// The source, IPv4 mapped bits.
    #[must_use]
    pub fn remote(&self) -> u128 {
        (u128::from(self.remote[0]) << 64) | u128::from(self.remote[1])
    }

    fn key(&self) -> ([u64; 2], u32, u16, u8) {
        (self.remote, self.interface, self.port, self.protocol)
    }

    fn slot(&self) -> u64 {
        let service =
            (u64::from(self.interface) << 24) ^ (u64::from(self.port) << 8) ^ u64::from(self.protocol);
        mix64(hash_address(self.remote()) ^ mix64(service))
    }

    /// Leading zero bits of the source's hash: all of a source's admissions stay, or none.
    fn level(&self) -> u8 {
        hash_address(self.remote()).leading_zeros() as u8
    }

    fn join(&mut self, other: &Self) {
        self.answered |= other.answered;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.connections = self.connections.saturating_add(other.connections);
    }
}

/// Accepted inbound connections as they come. Beyond the limit only sources stay whose hash begins with enough zero bits
/// (adaptive sampling, as in [`super::Peers`]): what is kept depends on the connections alone.
#[derive(Clone, Debug)]
pub(super) struct AdmittedTable {
    /// Of sources outside, and inside.
    sides: [Side; 2],
    limit: usize,
}

#[derive(Clone, Debug, Default)]
struct Side {
    level: u8,
    table: HashTable<Admission>,
    /// Not in the table yet: it is larger than caches are, and of many questions one after the other the answers come
    /// from memory at the same time.
    waiting: Vec<Admission>,
}

/// How many wait.
const WAITING: usize = 128;

impl Side {
    fn put(&mut self, one: Admission, limit: usize) {
        if one.level() < self.level {
            return;
        }
        self.waiting.push(one);
        if self.waiting.len() >= WAITING {
            self.put_away(limit);
        }
    }

    fn put_away(&mut self, limit: usize) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.drain(..).for_each(|one| self.add(one, limit));
        self.waiting = waiting;
    }

    fn add(&mut self, one: Admission, limit: usize) {
        if one.level() < self.level {
            return;
        }
        match self.table.find_mut(one.slot(), |a| a.key() == one.key()) {
            Some(known) => known.join(&one),
            None => {
                self.table.insert_unique(one.slot(), one, Admission::slot);
                while self.table.len() > limit {
                    self.raise(self.level + 1);
                }
            }
        }
    }

    fn raise(&mut self, level: u8) {
        if level > self.level {
            self.level = level;
            self.table.retain(|a| a.level() >= level);
        }
    }
}

impl AdmittedTable {
    pub fn within(limit: usize) -> Self {
        Self { sides: [Side::default(), Side::default()], limit }
    }

    /// Takes a connection in if it was opened from the other side and accepted.
    pub fn see(&mut self, connection: &Connection) {
        if connection.opener != Some(Direction::Inbound) || connection.action() != Action::Accept {
            return;
        }
        let one = Admission {
            remote: [(connection.remote >> 64) as u64, connection.remote as u64],
            interface: connection.interface,
            port: connection.service_port(),
            protocol: connection.protocol.0,
            answered: connection.backward()[0].any(),
            first: connection.first,
            last: connection.last,
            connections: 1,
        };
        self.sides[usize::from(is_private(connection.remote))].put(one, self.limit);
    }

    pub fn merge(&mut self, other: Self) {
        for (into, from) in self.sides.iter_mut().zip(other.sides) {
            into.raise(from.level);
            from.table.into_iter().chain(from.waiting).for_each(|one| into.add(one, self.limit));
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let waiting = |side: &Side| side.waiting.capacity() * size_of::<Admission>();
        self.sides.iter().map(|side| side.table.allocation_size() + waiting(side)).sum()
    }

    pub fn finish(mut self) -> Admitted {
        self.sides.iter_mut().for_each(|side| side.put_away(self.limit));
        let [outside, inside] = self.sides;
        let levels = [outside.level, inside.level];
        let mut all: Vec<Admission> = outside.table.into_iter().chain(inside.table).collect();
        all.sort_unstable();
        Admitted { levels, all }
    }
}

/// Who was accepted where: exact up to 65,536 pairs of source and service from outside, and as many from inside. Beyond,
/// some sources are not known of ([`Admitted::knows`]); of the others everything is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admitted {
    levels: [u8; 2],
    /// Sorted by source.
    all: Vec<Admission>,
}

impl Admitted {
    /// Where this source was accepted. Empty for one that is not known of.
    #[must_use]
    pub fn of(&self, remote: u128) -> &[Admission] {
        let from = self.all.partition_point(|a| a.remote() < remote);
        let to = self.all.partition_point(|a| a.remote() <= remote);
        &self.all[from..to]
    }

    /// Whether it is known of a source if it was accepted.
    #[must_use]
    pub fn knows(&self, remote: u128) -> bool {
        hash_address(remote).leading_zeros() >= u32::from(self.levels[usize::from(is_private(remote))])
    }
}
