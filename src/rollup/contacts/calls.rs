//! Who called whom and when: outbound connections by interface, remote address and port, with their times and sizes.

use hashbrown::HashTable;

use crate::flow::Protocol;
use crate::hash::mix64;
use crate::rollup::bounds::Bounds;
use crate::rollup::peers::hash_address;

/// One interface and one remote address and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallKey {
    pub interface: u32,
    pub remote: [u64; 2],
    pub port: u16,
    pub protocol: u8,
    /// The remote side opened: only such that carried much are kept.
    pub inbound: bool,
    /// At least [`HEAVY`] bytes left with each of these: told apart so that they are the last to be left out.
    pub heavy: bool,
}

/// Bytes away from the interface that make a connection a heavy one.
pub(super) const HEAVY: u64 = 1 << 20;
/// Heavy ones are left out when others have long been thinned by this many powers of two.
const HEAD_START: u32 = 16;

impl CallKey {
    pub fn address(&self) -> u128 {
        (u128::from(self.remote[0]) << 64) | u128::from(self.remote[1])
    }

    /// Everything about a remote address is kept or left out together: how many talk to it must stay known.
    fn level(&self) -> u32 {
        mix64(hash_address(self.address())).leading_zeros() + if self.heavy { HEAD_START } else { 0 }
    }

    fn slot(&self) -> u64 {
        let flags = u64::from(self.inbound) << 1 | u64::from(self.heavy);
        let rest = u64::from(self.port) << 10 | u64::from(self.protocol) << 2 | flags;
        mix64(hash_address(self.address()) ^ (u64::from(self.interface) << 28) ^ rest)
    }
}

/// A connection's first packet (Unix seconds) and the bytes that left with it; stops at the largest number.
pub(super) type Shot = (u32, u32);

/// Connections under one [`CallKey`]: 80 bytes and 8 for each of the shots.
#[derive(Clone, Debug)]
struct Call {
    key: CallKey,
    connections: u32,
    first: u32,
    last: u32,
    bytes: u64,
    answered: bool,
    /// The earliest, in no order, and some more. Empty while there is one connection, which the sums tell of.
    shots: Vec<Shot>,
}

impl Call {
    fn only(&self) -> Shot {
        (self.first, u32::try_from(self.bytes).unwrap_or(u32::MAX))
    }

    /// Another, with its shots; keeps at least the `most` earliest.
    fn join(&mut self, other: Self, most: usize) {
        if self.shots.is_empty() {
            self.shots.push(self.only());
        }
        if other.shots.is_empty() {
            self.shots.push(other.only());
        } else {
            self.shots.extend(other.shots);
        }
        self.connections = self.connections.saturating_add(other.connections);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.bytes += other.bytes;
        self.answered |= other.answered;
        if self.shots.len() >= most * 2 {
            self.thin(most);
        }
    }

    /// Keeps the earliest: of two sets of earliest ones, the earliest are those of all.
    fn thin(&mut self, most: usize) {
        self.shots.sort_unstable();
        self.shots.truncate(most);
    }

    /// In words of 8 bytes. Never falls as more come.
    fn cost(&self, most: usize) -> usize {
        let shots = if self.connections == 1 { 0 } else { (self.connections as usize).min(most) };
        CALL + shots
    }
}

/// What a call takes without its shots, in words of 8 bytes.
const CALL: usize = 12;
/// Shots of a call, at most: 256, 128, 64.
const MOST: usize = 256;
const SHOT_STEPS: u32 = 2;
const STEPS: u32 = SHOT_STEPS + 64;

/// Calls within a budget: when it is spent, fewer shots are kept of each, then only every second, fourth, … remote
/// address. The step is the first that leaves little enough, and what a step leaves never falls as more come: so it
/// follows from the data alone.
#[derive(Clone, Debug)]
pub(super) struct CallTable {
    calls: HashTable<Call>,
    step: u32,
    used: usize,
    most: usize,
}

impl CallTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self { calls: HashTable::new(), step: 0, used: 0, most: bounds.calls }
    }

    fn shots(&self) -> usize {
        MOST >> self.step.min(SHOT_STEPS)
    }

    fn level(&self) -> u32 {
        self.step.saturating_sub(SHOT_STEPS)
    }

    pub fn add(&mut self, key: CallKey, (first, last): (u32, u32), bytes: u64, answered: bool) {
        if self.level() > 0 && key.level() < self.level() {
            return;
        }
        self.take_in(Call { key, connections: 1, first, last, bytes, answered, shots: Vec::new() });
        self.fit();
    }

    fn take_in(&mut self, call: Call) {
        if call.key.level() < self.level() {
            return;
        }
        let most = self.shots();
        match self.calls.find_mut(call.key.slot(), |c| c.key == call.key) {
            Some(there) => {
                let before = there.cost(most);
                there.join(call, most);
                self.used += there.cost(most) - before;
            }
            None => {
                self.used += call.cost(most);
                self.calls.insert_unique(call.key.slot(), call, |c| c.key.slot());
            }
        }
    }

    fn fit(&mut self) {
        while self.used > self.most && self.step < STEPS {
            self.go_to(self.step + 1);
        }
    }

    fn go_to(&mut self, step: u32) {
        self.step = step;
        let (most, level) = (self.shots(), self.level());
        let mut used = 0;
        self.calls.retain(|call| {
            let stays = call.key.level() >= level;
            if stays {
                used += call.cost(most);
                if call.shots.len() > most * 2 {
                    call.thin(most);
                    call.shots.shrink_to_fit();
                }
            }
            stays
        });
        self.used = used;
        if level > 0 {
            self.calls.shrink_to(0, |c| c.key.slot());
        }
    }

    pub fn merge(&mut self, other: Self) {
        if other.step > self.step {
            self.go_to(other.step);
        }
        for call in other.calls {
            self.take_in(call);
            self.fit();
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let shots: usize = self.calls.iter().map(|c| c.shots.capacity() * size_of::<Shot>()).sum();
        self.calls.allocation_size() + shots
    }

    pub fn finish(mut self) -> Calls {
        let (most, level) = (self.shots(), self.level());
        let mut all: Vec<Call> = std::mem::take(&mut self.calls).into_iter().collect();
        // The heavy ones follow the others of the same interface and remote.
        all.sort_unstable_by_key(|call| call.key);
        let mut rows: Vec<CallRow> = Vec::with_capacity(all.len());
        for mut call in all {
            if call.shots.is_empty() {
                call.shots.push(call.only());
            }
            call.thin(most);
            let row = CallRow {
                interface: call.key.interface,
                remote: call.key.address(),
                port: call.key.port,
                protocol: Protocol(call.key.protocol),
                inbound: call.key.inbound,
                connections: u64::from(call.connections),
                first: call.first,
                last: call.last,
                bytes: call.bytes,
                answered: call.answered,
                shots: call.shots,
            };
            match rows.last_mut() {
                Some(last) if last.is_like(&row) => last.join(row),
                _ => rows.push(row),
            }
        }
        Calls { rows, level }
    }
}

/// Connections of one interface with one remote address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    /// Number of the interface.
    pub interface: u32,
    /// The remote address, IPv4 mapped.
    pub remote: u128,
    /// The remote port, or the local one if inbound.
    pub port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// The remote side opened. Only such that 1 MiB or more left with are here.
    pub inbound: bool,
    /// Connections.
    pub connections: u64,
    /// First packet of the first, Unix seconds.
    pub first: u32,
    /// Last packet.
    pub last: u32,
    /// Bytes that left the interface.
    pub bytes: u64,
    /// The other side sent something, at least once.
    pub answered: bool,
    /// First packets (Unix seconds) and bytes that left of the earliest connections, in order.
    pub shots: Vec<(u32, u32)>,
}

impl CallRow {
    fn is_like(&self, other: &Self) -> bool {
        let key = |row: &Self| (row.interface, row.remote, row.port, row.protocol, row.inbound);
        key(self) == key(other)
    }

    fn join(&mut self, other: Self) {
        // Of each the earliest are known; of both only up to where the shorter list ends.
        let ends = |row: &Self| {
            let whole = row.shots.len() as u64 >= row.connections;
            if whole { u32::MAX } else { row.shots.last().map_or(0, |shot| shot.0) }
        };
        let end = ends(self).min(ends(&other));
        self.shots.extend(other.shots);
        self.shots.retain(|shot| shot.0 <= end);
        self.shots.sort_unstable();
        self.connections += other.connections;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.bytes += other.bytes;
        self.answered |= other.answered;
    }

    /// Each of its connections is among the shots.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shots.len() as u64 >= self.connections
    }
}

/// All calls, by interface and remote address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// Sorted by interface.
    pub rows: Vec<CallRow>,
    level: u32,
}

impl Calls {
    /// The calls of one interface.
    #[must_use]
    pub fn of(&self, interface: u32) -> &[CallRow] {
        let from = self.rows.partition_point(|row| row.interface < interface);
        let to = self.rows.partition_point(|row| row.interface <= interface);
        &self.rows[from..to]
    }

    /// One in so many remote addresses is kept (of those that carried much, one in `2^16` of that, at least one).
    #[must_use]
    pub fn one_in(&self) -> u64 {
        1 << self.level.min(63)
    }
}
