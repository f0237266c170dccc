//! What each rule was used for: services and remote addresses, as exactly as memory allows. Only proposals need it.

use std::collections::BTreeMap;

use hashbrown::{HashMap, HashTable};
use ipnet::IpNet;

use super::peers::hash_address;
use crate::connection::Connection;
use crate::flow::{Direction, Protocol, address_from_bits, is_v4};
use crate::hash::mix64;
use crate::policy::{Judged, Verdict};

/// Services (protocol and port) that all rules together keep: 32 bytes each, and as much again in slots that are free.
const SERVICES: usize = 1 << 18;
/// Remote addresses by service that all rules together keep, of the same size.
const PEERS: usize = 1 << 19;

/// A service or a peer that used a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// Protocol and port, 0 where it is not told apart.
    service: u32,
    /// Remote address, IPv4 mapped, in two halves: a `u128` would make it larger.
    remote: [u64; 2],
    /// Saturating.
    connections: u32,
    first: u32,
}

impl Entry {
    fn key(&self) -> (u32, [u64; 2]) {
        (self.service, self.remote)
    }

    fn remote(&self) -> u128 {
        u128::from(self.remote[0]) << 64 | u128::from(self.remote[1])
    }

    fn slot(&self) -> u64 {
        mix64(hash_address(self.remote()) ^ u64::from(self.service))
    }
}

/// What becomes of an entry at a level: each level is coarser than the one before, and what is one at some level is one at
/// every later one.
type Fold = fn(Entry, u8) -> Entry;

/// Entries of one rule, folded until they are no more than a limit. The level follows from the data alone: more data never
/// lower it, and it is the first at which all fit.
#[derive(Clone, Debug, Default)]
struct Folded {
    table: HashTable<Entry>,
    level: u8,
}

impl Folded {
    fn add(&mut self, entry: Entry, limit: usize, fold: Fold) {
        self.put(fold(entry, self.level));
        self.limit(limit, fold);
    }

    fn put(&mut self, entry: Entry) {
        match self.table.find_mut(entry.slot(), |e| e.key() == entry.key()) {
            Some(known) => {
                known.connections = known.connections.saturating_add(entry.connections);
                known.first = known.first.min(entry.first);
            }
            None => {
                self.table.insert_unique(entry.slot(), entry, Entry::slot);
            }
        }
    }

    fn limit(&mut self, limit: usize, fold: Fold) {
        while self.table.len() > limit && self.level < LEVELS {
            self.raise(self.level + 1, fold);
        }
    }

    fn raise(&mut self, level: u8, fold: Fold) {
        if level > self.level {
            self.level = level;
            let old = std::mem::take(&mut self.table);
            old.into_iter().for_each(|entry| self.put(fold(entry, level)));
        }
    }

    fn merge(&mut self, other: Self, limit: usize, fold: Fold) {
        self.raise(other.level, fold);
        for entry in other.table {
            self.put(fold(entry, self.level));
            self.limit(limit, fold);
        }
    }

    /// What it takes of a budget; see [`super::Peers`].
    fn cost(&self, limit: usize) -> usize {
        if self.level > 0 { limit } else { self.table.len().min(limit) }
    }
}

/// The last level of either fold.
const LEVELS: u8 = 16;

/// Ports become ranges of 2, 4, 8 … neighbours.
fn fold_ports(entry: Entry, level: u8) -> Entry {
    let port = entry.service & 0xffff;
    Entry { service: entry.service >> 16 << 16 | (port >> level.min(16) << level.min(16)), ..entry }
}

/// The lengths of prefixes that addresses become: IPv4, IPv6. At the first level they stay, and services are no longer told
/// apart.
const PREFIXES: [(u8, u8); 9] =
    [(32, 128), (28, 64), (24, 56), (20, 48), (16, 40), (12, 32), (8, 24), (4, 16), (0, 0)];

fn fold_peers(entry: Entry, level: u8) -> Entry {
    if level == 0 {
        return entry;
    }
    let bits = entry.remote();
    let length = prefix(bits, level);
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    let bits = bits & mask;
    Entry { service: 0, remote: [(bits >> 64) as u64, bits as u64], ..entry }
}

/// Length of the prefix of an address at a level, in 128 bits.
fn prefix(bits: u128, level: u8) -> u8 {
    let at = usize::from(level.saturating_sub(1)).min(PREFIXES.len() - 1);
    let (four, six) = PREFIXES[at];
    if is_v4(bits) { 96 + four } else { six }
}

/// A limit that all rules share: it is halved until what they have, each counted up to the limit, fits.
#[derive(Clone, Debug)]
struct Shared {
    rules: HashMap<u32, Folded>,
    fold: Fold,
    /// Most of one rule.
    limit: usize,
    used: usize,
    /// Most of all.
    total: usize,
}

impl Shared {
    fn within(total: usize, fold: Fold) -> Self {
        Self { rules: HashMap::new(), fold, limit: total, used: 0, total }
    }

    fn add(&mut self, rule: u32, entry: Entry) {
        let folded = self.rules.entry(rule).or_default();
        let before = folded.cost(self.limit);
        folded.add(entry, self.limit, self.fold);
        self.used += folded.cost(self.limit) - before;
        self.fit();
    }

    fn merge(&mut self, other: Self) {
        self.limit = self.limit.min(other.limit);
        self.enforce();
        for (rule, folded) in other.rules {
            let into = self.rules.entry(rule).or_default();
            let before = into.cost(self.limit);
            into.merge(folded, self.limit, self.fold);
            self.used += into.cost(self.limit) - before;
            self.fit();
        }
    }

    fn fit(&mut self) {
        // Two families can't become one entry.
        while self.used > self.total && self.limit > 2 {
            self.limit /= 2;
            self.enforce();
        }
    }

    fn enforce(&mut self) {
        self.used = 0;
        for folded in self.rules.values_mut() {
            self.used += folded.cost(self.limit);
            folded.limit(self.limit, self.fold);
        }
    }

    fn heap_bytes(&self) -> usize {
        let inner: usize = self.rules.values().map(|f| f.table.allocation_size()).sum();
        self.rules.allocation_size() + inner
    }
}

/// What each rule was used for, as connections come.
///
/// Every rule that permits a connection is credited, however weakly it is known; and where it is not known whether a rule
/// permitted one (its opener is unknown, or a fact is missing), it counts as used for that. Beyond the budgets the rules with most
/// give way: ports become ranges, peers are no longer told apart by service, and then become blocks. No peer and no
/// service is ever lost, and what is kept depends on the connections alone.
#[derive(Clone, Debug)]
pub struct ObservedTable {
    services: Shared,
    peers: Shared,
}

impl Default for ObservedTable {
    fn default() -> Self {
        Self::within(SERVICES, PEERS)
    }
}

impl ObservedTable {
    fn within(services: usize, peers: usize) -> Self {
        Self { services: Shared::within(services, fold_ports), peers: Shared::within(peers, fold_peers) }
    }

    /// Takes a judged connection in. `direction_of` is that of a rule.
    pub fn see(&mut self, connection: &Connection, judged: &Judged, direction_of: impl Fn(u32) -> Direction) {
        if judged.verdict == Verdict::Permitted && connection.opener.is_some() {
            for &rule in &judged.decision.rules {
                self.credit(rule, connection, connection.service_port());
            }
        }
        for &rule in &judged.possible {
            let port = match direction_of(rule) {
                Direction::Inbound => connection.local_port,
                Direction::Outbound => connection.remote_port,
            };
            self.credit(rule, connection, port);
        }
    }

    fn credit(&mut self, rule: u32, connection: &Connection, port: u16) {
        let port = if connection.protocol.has_ports() { port } else { 0 };
        let service = u32::from(connection.protocol.0) << 16 | u32::from(port);
        let bits = connection.remote;
        let remote = [(bits >> 64) as u64, bits as u64];
        let entry = Entry { service, remote, connections: 1, first: connection.first };
        self.services.add(rule, Entry { remote: [0; 2], ..entry });
        self.peers.add(rule, entry);
    }

    /// Adds another's.
    pub fn merge(&mut self, other: Self) {
        self.services.merge(other.services);
        self.peers.merge(other.peers);
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.services.heap_bytes() + self.peers.heap_bytes()
    }

    /// The result.
    #[must_use]
    pub fn finish(self) -> Observed {
        let mut rules: BTreeMap<u32, ObservedUse> = BTreeMap::new();
        let services: BTreeMap<u32, Folded> = self.services.rules.into_iter().collect();
        for (rule, folded) in services {
            let level = folded.level.min(16);
            let service = |entry: &Entry| {
                let low = entry.service as u16;
                let ports = (low, (u32::from(low) + (1 << level) - 1) as u16);
                let protocol = Protocol((entry.service >> 16) as u8);
                let ports = if protocol.has_ports() { ports } else { (0, 0) };
                ObservedService { protocol, ports, connections: entry.connections, first: entry.first }
            };
            let into = rules.entry(rule).or_default();
            into.services = folded.table.iter().map(service).collect();
            into.services.sort_unstable();
            into.ports_folded = folded.level > 0;
        }
        let peers: BTreeMap<u32, Folded> = self.peers.rules.into_iter().collect();
        for (rule, folded) in peers {
            let level = folded.level;
            let peer = |entry: &Entry| {
                let service =
                    (level == 0).then_some((Protocol((entry.service >> 16) as u8), entry.service as u16));
                let net = block(entry.remote(), level);
                ObservedPeer { net, service, connections: entry.connections, first: entry.first }
            };
            let into = rules.entry(rule).or_default();
            into.peers = folded.table.iter().map(peer).collect();
            into.peers.sort_unstable();
            into.peers_folded = level > 1;
        }
        Observed { rules }
    }
}

/// The block behind a folded address. All of IPv4 is a block of its own, also where it is one of zero length.
fn block(bits: u128, level: u8) -> IpNet {
    let length = prefix(bits, level);
    match address_from_bits(bits) {
        address if address.is_ipv4() => IpNet::new_assert(address, length.saturating_sub(96)),
        address => IpNet::new_assert(address, length),
    }
}

/// A service, or a range of ports, that used a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedService {
    /// Protocol.
    pub protocol: Protocol,
    /// Lowest and highest port; `(0, 0)` for protocols without.
    pub ports: (u16, u16),
    /// Connections, saturating.
    pub connections: u32,
    /// First packet of the first of them, Unix seconds.
    pub first: u32,
}

/// A remote address, or a block of them, that used a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObservedPeer {
    /// The address, or the block that it was folded into.
    pub net: IpNet,
    /// Which service it used; `None` where services are not told apart.
    pub service: Option<(Protocol, u16)>,
    /// Connections, saturating.
    pub connections: u32,
    /// First packet of the first of them, Unix seconds.
    pub first: u32,
}

/// What a rule was used for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedUse {
    /// Sorted by protocol and port.
    pub services: Vec<ObservedService>,
    /// Sorted by address.
    pub peers: Vec<ObservedPeer>,
    /// Ports are counted in ranges.
    pub ports_folded: bool,
    /// Addresses are counted in blocks: these hold every peer, and more.
    pub peers_folded: bool,
}

/// What each rule was used for, by number of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Rules that were used.
    pub rules: BTreeMap<u32, ObservedUse>,
}

#[cfg(test)]
#[path = "observed_tests.rs"]
mod tests;
