//! Distinct addresses in bounded memory.

use std::net::IpAddr;

use hashbrown::HashTable;

use crate::flow::address_from_bits;
use crate::hash::mix64;

/// Addresses with the number of connections of each.
///
/// Exact up to a limit. Beyond, only addresses are kept whose hash begins with as many zero bits as it takes to stay
/// within the limit (adaptive sampling: Wegman; Flajolet, "On adaptive sampling", 1990). What is kept is a uniform
/// sample of the addresses, their counts stay exact, and the number of distinct addresses is an estimate with a
/// standard error of [`Peers::relative_error`], 2 % with the limit of 4,096. It depends on the data alone: not on the
/// order in which connections come, nor on how they are split and merged.
#[derive(Clone, Debug, Default)]
pub struct Peers {
    table: HashTable<Peer>,
    /// Leading zero bits that the hash of a kept address must have; 0 while nothing was left out.
    level: u8,
}

/// 24 bytes: a `u128` would make it 32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Peer {
    high: u64,
    low: u64,
    connections: u64,
}

impl Peer {
    fn address(&self) -> u128 {
        (u128::from(self.high) << 64) | u128::from(self.low)
    }
}

/// What the table goes by: another end of the hash than the sampling, whose bits are all zero after a while.
fn slot(peer: &Peer) -> u64 {
    hash_address(peer.address()).rotate_left(32)
}

/// A well mixed hash of an address.
pub(super) fn hash_address(address: u128) -> u64 {
    mix64((address as u64) ^ ((address >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Peers {
    /// Up to how many distinct addresses are kept, where memory allows.
    pub const EXACT: usize = 4096;

    /// Connections with this address (IPv4 mapped bits); at most `limit` addresses stay.
    pub(super) fn add(&mut self, address: u128, connections: u64, limit: usize) {
        let hash = hash_address(address);
        if hash.leading_zeros() < u32::from(self.level) {
            return;
        }
        let (high, low) = ((address >> 64) as u64, address as u64);
        let slot_hash = hash.rotate_left(32);
        if let Some(peer) = self.table.find_mut(slot_hash, |p| p.low == low && p.high == high) {
            peer.connections += connections;
            return;
        }
        self.table.insert_unique(slot_hash, Peer { high, low, connections }, slot);
        self.limit(limit);
    }

    /// Leaves out more addresses until no more than `limit` are kept.
    pub(super) fn limit(&mut self, limit: usize) {
        if self.table.len() <= limit {
            return;
        }
        while self.table.len() > limit {
            self.raise(self.level + 1);
        }
        self.table.shrink_to(limit, slot);
    }

    fn raise(&mut self, level: u8) {
        if level > self.level {
            self.level = level;
            self.table.retain(|p| hash_address(p.address()).leading_zeros() >= u32::from(level));
        }
    }

    /// Adds another sample; at most `limit` addresses stay.
    pub(super) fn merge_within(&mut self, other: &Self, limit: usize) {
        self.raise(other.level);
        for peer in &other.table {
            self.add(peer.address(), peer.connections, limit);
        }
    }

    /// Adds another sample.
    pub fn merge(&mut self, other: &Self) {
        self.merge_within(other, Self::EXACT);
    }

    /// What it takes of a budget of addresses when at most `limit` are kept: the smaller of `limit` and the number of
    /// distinct addresses there were. Never falls as more come, so that whoever divides a budget by it does not depend
    /// on their order.
    pub(super) fn cost(&self, limit: usize) -> usize {
        if self.level > 0 { limit } else { self.table.len().min(limit) }
    }

    /// Distinct addresses; an estimate if [`Peers::is_approximate`].
    #[must_use]
    pub fn distinct(&self) -> u64 {
        (self.table.len() as u64) << self.level.min(40)
    }

    /// True when there were more addresses than are kept.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        self.level > 0
    }

    /// Standard error of [`Peers::distinct`] as a share of it, 0 where it is exact.
    #[must_use]
    pub fn relative_error(&self) -> f64 {
        standard_error(self.level, self.table.len())
    }

    /// The addresses kept with their connections, most first, then by address.
    #[must_use]
    pub fn top(&self) -> Vec<(IpAddr, u64)> {
        let mut top: Vec<(u64, u128)> = self.table.iter().map(|p| (p.connections, p.address())).collect();
        top.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        top.into_iter().map(|(n, a)| (address_from_bits(a), n)).collect()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.table.allocation_size()
    }
}

/// Of an estimate that rests on `kept` of the distinct values: 1.2 / sqrt of what was kept at most, which is up to
/// twice what is kept now; and so no less than 1 / sqrt of what is kept. Rounded to three digits.
pub(super) fn standard_error(level: u8, kept: usize) -> f64 {
    if level == 0 {
        return 0.0;
    }
    (1.2 / (kept.max(1) as f64).sqrt() * 1000.0).round() / 1000.0
}

impl PartialEq for Peers {
    fn eq(&self, other: &Self) -> bool {
        let sorted = |peers: &Self| {
            let mut all: Vec<Peer> = peers.table.iter().copied().collect();
            all.sort_unstable();
            all
        };
        self.level == other.level && sorted(self) == sorted(other)
    }
}

impl Eq for Peers {}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = Peers::EXACT;

    #[test]
    fn exact_below_the_limit_estimate_above() {
        let mut peers = Peers::default();
        for a in 0..4096_u128 {
            peers.add(a, 1, LIMIT);
            peers.add(a, 2, LIMIT);
        }
        assert_eq!((peers.distinct(), peers.relative_error()), (4096, 0.0));
        assert!(!peers.is_approximate());
        assert_eq!(peers.top()[0].1, 3);
        for a in 0..1_000_000_u128 {
            peers.add(a, 1, LIMIT);
        }
        assert!(peers.is_approximate());
        let error = (peers.distinct() as f64 / 1e6 - 1.0).abs();
        assert!(error < 3.0 * peers.relative_error() && peers.relative_error() < 0.03, "error {error}");
        assert!(peers.heap_bytes() < 300_000, "{}", peers.heap_bytes());
        assert!(peers.top().iter().all(|(_, n)| *n == 1 || *n == 4), "counts of what is kept are exact");
    }

    #[test]
    fn estimates_are_as_good_as_they_say() {
        let mut squares = 0.0;
        for run in 0..200_u128 {
            let mut peers = Peers::default();
            (0..20_000).for_each(|a| peers.add((run << 64) | a, 1, 256));
            squares += (peers.distinct() as f64 / 20_000.0 - 1.0).powi(2);
        }
        let error = (squares / 200.0).sqrt();
        assert!((0.05..0.09).contains(&error), "{error}");
    }

    #[test]
    fn merging_is_the_same_as_adding() {
        let mut all = Peers::default();
        let mut parts = [Peers::default(), Peers::default()];
        for a in 0..20_000_u128 {
            let address = a * a % 9_973;
            all.add(address, 1, LIMIT);
            parts[(a % 2) as usize].add(address, 1, LIMIT);
        }
        let [mut left, right] = parts;
        left.merge(&right);
        assert_eq!(left, all);
    }
}
