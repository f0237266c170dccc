//! Who talks to whom: the peers of each service of each side, with the time they were first seen.

use hashbrown::{HashMap, HashTable};

use crate::connection::{Connection, Strength};
use crate::flow::{Direction, Protocol};
use crate::hash::mix64;
use crate::policy::Judged;
use crate::rollup::bounds::Bounds;
use crate::rollup::sides::Side;

/// No rule, or none known.
const NO_RULE: u32 = u32::MAX;

/// A service as one side sees it: `local` offers it (inbound) or uses it (outbound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// The side at whose interfaces it was seen.
    pub local: Side,
    /// Inbound: the peers open; outbound: the side does.
    pub direction: Direction,
    /// Protocol.
    pub protocol: Protocol,
    /// Service port, the lowest of those that were merged; 0 for protocols without.
    pub port: u16,
    /// The peers are neither private nor in a VPC of the inventory.
    pub public: bool,
}

/// A peer of a service: 56 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// The other side.
    pub peer: Side,
    /// First packet of the first connection, Unix seconds.
    pub first: u32,
    began_interface: u32,
    began_remote: [u64; 2],
    began_rule: u32,
    /// Last packet, Unix seconds.
    pub last: u32,
    /// Connections that were answered; stops at the largest number.
    pub connections: u32,
    /// Those whose opener is a guess: from ports; or not seen in a handshake, on a port that clients are given.
    pub weak: u32,
    crowd: u64,
}

/// Ports that operating systems hand out (domain C.4).
const EPHEMERAL: u16 = 32_768;

fn is_guess(connection: &Connection) -> bool {
    match connection.evidence.strength() {
        Strength::Proven => false,
        Strength::Inferred => connection.service_port() >= EPHEMERAL,
        Strength::Weak | Strength::Unknown => true,
    }
}

impl Contact {
    fn one(connection: &Connection, judged: &Judged, peer: Side) -> Self {
        Self {
            peer,
            first: connection.first,
            began_interface: connection.interface,
            began_remote: [(connection.remote >> 64) as u64, connection.remote as u64],
            began_rule: judged.decision.rules.first().copied().unwrap_or(NO_RULE),
            last: connection.last,
            connections: 1,
            weak: u32::from(is_guess(connection)),
            crowd: 1 << (mix64(u64::from(connection.interface)) & 63),
        }
    }

    fn beginning(&self) -> (u32, u32, [u64; 2], u32) {
        (self.first, self.began_interface, self.began_remote, self.began_rule)
    }

    /// Both, as one peer.
    fn join(&mut self, other: &Self) {
        if other.beginning() < self.beginning() {
            self.first = other.first;
            self.began_interface = other.began_interface;
            self.began_remote = other.began_remote;
            self.began_rule = other.began_rule;
        }
        self.last = self.last.max(other.last);
        self.connections = self.connections.saturating_add(other.connections);
        self.weak = self.weak.saturating_add(other.weak);
        self.crowd |= other.crowd;
    }

    /// The interface that was the first.
    #[must_use]
    pub fn interface(&self) -> u32 {
        self.began_interface
    }

    /// The remote address of the first connection.
    #[must_use]
    pub fn remote(&self) -> u128 {
        (u128::from(self.began_remote[0]) << 64) | u128::from(self.began_remote[1])
    }

    /// A rule that permitted the first connection.
    #[must_use]
    pub fn rule(&self) -> Option<u32> {
        Some(self.began_rule).filter(|rule| *rule != NO_RULE)
    }

    /// About how many interfaces of the side had this contact: exact for a few, by linear counting for more
    /// (Whang, Vander-Zanden, Taylor 1990, with 64 bits), and never more than 266.
    #[must_use]
    pub fn interfaces(&self) -> u64 {
        let empty = f64::from(self.crowd.count_zeros().max(1));
        ((64.0 / empty).ln() * 64.0).round().max(1.0) as u64
    }

    fn hash(&self) -> u64 {
        mix64(self.peer.bits())
    }
}

/// Peers of one service, exact up to a limit, a sample by their hash beyond (as in [`crate::rollup::Peers`]).
#[derive(Clone, Debug, Default)]
struct Contacts {
    table: HashTable<Contact>,
    level: u8,
}

/// What a table goes by: another end of the hash than the sampling.
fn slot(contact: &Contact) -> u64 {
    contact.hash().rotate_left(32)
}

impl Contacts {
    fn add(&mut self, contact: Contact, limit: usize) {
        let hash = contact.hash();
        if hash.leading_zeros() < u32::from(self.level) {
            return;
        }
        match self.table.find_mut(hash.rotate_left(32), |c| c.peer == contact.peer) {
            Some(there) => there.join(&contact),
            None => {
                self.table.insert_unique(hash.rotate_left(32), contact, slot);
                self.limit(limit);
            }
        }
    }

    fn limit(&mut self, limit: usize) {
        while self.table.len() > limit {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, level: u8) {
        if level > self.level {
            self.level = level;
            self.table.retain(|c| c.hash().leading_zeros() >= u32::from(level));
            self.table.shrink_to(0, slot);
        }
    }

    /// Never falls as more come.
    fn cost(&self, limit: usize) -> usize {
        CELL + if self.level > 0 { limit } else { self.table.len().min(limit) }
    }
}

/// What a service takes beside its peers, in units of a peer.
const CELL: usize = 6;
/// Peers of a service, at most: 1,024, then half as many, down to 16.
const MOST: usize = 1024;
const PEER_STEPS: u32 = 6;
const PORT_STEPS: u32 = 16;
const SIDE_STEPS: u32 = 40;

/// Services with their peers, within a budget: when it is spent, services keep fewer peers, then neighbouring ports are
/// told as one, at last neighbouring sides. The step follows from the data alone, as in [`crate::rollup::OddCells`].
#[derive(Clone, Debug)]
pub(super) struct ServiceTable {
    services: HashMap<ServiceKey, Contacts>,
    step: u32,
    used: usize,
    most: usize,
}

impl ServiceTable {
    pub fn within(bounds: &Bounds) -> Self {
        Self { services: HashMap::new(), step: 0, used: 0, most: bounds.contacts }
    }

    fn limit(&self) -> usize {
        MOST >> self.step.min(PEER_STEPS)
    }

    fn shifts(&self) -> (u32, u32) {
        let beyond = self.step.saturating_sub(PEER_STEPS);
        (beyond.min(PORT_STEPS), beyond.saturating_sub(PORT_STEPS).min(SIDE_STEPS))
    }

    fn key(&self, mut key: ServiceKey) -> ServiceKey {
        let (ports, sides) = self.shifts();
        key.port = (u32::from(key.port) >> ports << ports) as u16;
        key.local = key.local.merged(sides);
        key
    }

    pub fn add(&mut self, key: ServiceKey, peer: Side, connection: &Connection, judged: &Judged) {
        self.take_in(key, Contact::one(connection, judged, peer));
        self.fit();
    }

    fn take_in(&mut self, key: ServiceKey, contact: Contact) {
        let (key, limit) = (self.key(key), self.limit());
        let contacts = self.services.entry(key).or_default();
        let before = if contacts.table.is_empty() && contacts.level == 0 { 0 } else { contacts.cost(limit) };
        contacts.add(contact, limit);
        self.used += contacts.cost(limit) - before;
    }

    fn take_in_all(&mut self, key: ServiceKey, other: Contacts) {
        let (key, limit) = (self.key(key), self.limit());
        let contacts = self.services.entry(key).or_default();
        let before = if contacts.table.is_empty() && contacts.level == 0 { 0 } else { contacts.cost(limit) };
        contacts.raise(other.level);
        if contacts.table.is_empty() {
            contacts.table = other.table;
            let level = u32::from(contacts.level);
            contacts.table.retain(|c| c.hash().leading_zeros() >= level);
            contacts.limit(limit);
        } else {
            other.table.into_iter().for_each(|contact| contacts.add(contact, limit));
        }
        self.used += contacts.cost(limit) - before;
    }

    fn fit(&mut self) {
        while self.used > self.most && self.step < PEER_STEPS + PORT_STEPS + SIDE_STEPS {
            self.go_to(self.step + 1);
        }
    }

    fn go_to(&mut self, step: u32) {
        self.step = step;
        self.used = 0;
        let old = std::mem::take(&mut self.services);
        old.into_iter().for_each(|(key, contacts)| self.take_in_all(key, contacts));
    }

    pub fn merge(&mut self, other: Self) {
        if other.step > self.step {
            self.go_to(other.step);
        }
        for (key, contacts) in other.services {
            self.take_in_all(key, contacts);
            self.fit();
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let inner: usize = self.services.values().map(|c| c.table.allocation_size()).sum();
        self.services.allocation_size() + inner
    }

    pub fn finish(self) -> Services {
        let (ports, sides) = self.shifts();
        let row = |(key, contacts): (ServiceKey, Contacts)| {
            let mut all: Vec<Contact> = contacts.table.into_iter().collect();
            all.sort_unstable();
            Service { key, level: contacts.level, contacts: all }
        };
        let mut rows: Vec<Service> = self.services.into_iter().map(row).collect();
        rows.sort_unstable_by_key(|service| service.key);
        Services { rows, ports, sides }
    }
}

/// A service with its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which.
    pub key: ServiceKey,
    level: u8,
    /// The peers by side, or a sample.
    pub contacts: Vec<Contact>,
}

impl Service {
    /// There were more peers than are kept.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.level > 0
    }
}

/// All services, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// The services, by key.
    pub rows: Vec<Service>,
    ports: u32,
    sides: u32,
}

impl Services {
    /// First and last port that a key stands for.
    #[must_use]
    pub fn ports(&self, key: &ServiceKey) -> (u16, u16) {
        (key.port, (u32::from(key.port) | ((1 << self.ports) - 1)) as u16)
    }

    /// The contact of a service with a peer.
    #[must_use]
    pub fn contact(&self, key: &ServiceKey, peer: Side) -> Option<&Contact> {
        let key = ServiceKey { port: (u32::from(key.port) >> self.ports << self.ports) as u16, ..*key };
        let service = &self.rows[self.rows.binary_search_by_key(&key, |row| row.key).ok()?];
        Some(&service.contacts[service.contacts.binary_search_by_key(&peer, |c| c.peer).ok()?])
    }

    /// So many services that sides had to be told as one: who talks to whom is not known.
    #[must_use]
    pub fn is_blurred(&self) -> bool {
        self.sides > 0
    }
}
