//! Connections by port, in bounded memory.

use hashbrown::HashTable;

use crate::hash::mix64;

/// Connections by service port.
///
/// Exact up to a limit of distinct ports. Beyond, ports are counted in ranges of 2, 4, 8 … neighbours, the smallest
/// that fit: counts stay exact, only the ports within a range can no longer be told apart. The width depends on the
/// data alone, not on their order.
#[derive(Clone, Debug, Default)]
pub struct PortUse {
    table: HashTable<(u16, u64)>,
    /// Ports are counted as `port >> shift`.
    shift: u8,
}

fn slot(port: u16) -> u64 {
    mix64(u64::from(port))
}

impl PortUse {
    /// A port and every one there is: no limit.
    pub(super) const ALL: usize = 65_536;

    /// Connections to a port; at most `limit` ranges stay.
    pub(super) fn add(&mut self, port: u16, connections: u64, limit: usize) {
        // 16 bits shifted by 16 are none.
        self.add_range((u32::from(port) >> self.shift) as u16, connections);
        self.limit(limit);
    }

    fn add_range(&mut self, range: u16, connections: u64) {
        match self.table.find_mut(slot(range), |entry| entry.0 == range) {
            Some(entry) => entry.1 += connections,
            None => {
                self.table.insert_unique(slot(range), (range, connections), |entry| slot(entry.0));
            }
        }
    }

    /// Widens the ranges until no more than `limit` are left.
    pub(super) fn limit(&mut self, limit: usize) {
        while self.table.len() > limit.max(1) {
            self.widen(self.shift + 1);
        }
    }

    fn widen(&mut self, shift: u8) {
        if shift <= self.shift {
            return;
        }
        let by = shift - self.shift;
        self.shift = shift;
        let old = std::mem::take(&mut self.table);
        old.into_iter().for_each(|(range, n)| self.add_range((u32::from(range) >> by) as u16, n));
    }

    /// Adds another's counts; at most `limit` ranges stay.
    pub(super) fn merge_within(&mut self, other: &Self, limit: usize) {
        self.widen(other.shift);
        let by = self.shift - other.shift;
        for &(range, connections) in &other.table {
            self.add_range((u32::from(range) >> by) as u16, connections);
        }
        self.limit(limit);
    }

    /// What it takes of a budget of ranges; see [`super::Peers`].
    pub(super) fn cost(&self, limit: usize) -> usize {
        if self.shift > 0 { limit } else { self.table.len().min(limit) }
    }

    /// Distinct ports, or ranges of them if [`PortUse::is_approximate`]: then there were at least as many ports.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.table.len()
    }

    /// True where ports are counted in ranges.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        self.shift > 0
    }

    /// First and last port of each range with its connections, most first, then by port. Exact counts; a range is one
    /// port unless [`PortUse::is_approximate`].
    #[must_use]
    pub fn top(&self) -> Vec<((u16, u16), u64)> {
        let mut top: Vec<(u16, u64)> = self.table.iter().copied().collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
        let bounds = |range: u16| {
            let low = u32::from(range) << self.shift;
            (low as u16, (low + (1 << self.shift) - 1) as u16)
        };
        top.into_iter().map(|(range, n)| (bounds(range), n)).collect()
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.table.allocation_size()
    }
}

impl PartialEq for PortUse {
    fn eq(&self, other: &Self) -> bool {
        self.shift == other.shift && self.top() == other.top()
    }
}

impl Eq for PortUse {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_become_ranges_that_keep_their_counts() {
        let mut ports = PortUse::default();
        [443, 443, 80, 81].iter().for_each(|&p| ports.add(p, 1, 3));
        assert_eq!(ports.top(), [((443, 443), 2), ((80, 80), 1), ((81, 81), 1)]);
        ports.add(1000, 5, 3);
        assert!(ports.is_approximate());
        assert_eq!(ports.top(), [((1000, 1001), 5), ((80, 81), 2), ((442, 443), 2)]);
        (0..=u16::MAX).for_each(|p| ports.add(p, 1, 1));
        assert_eq!(ports.top(), [((0, u16::MAX), 65_536 + 9)]);
    }

    #[test]
    fn every_port_fits_without_a_limit() {
        let mut ports = PortUse::default();
        (0..=u16::MAX).for_each(|p| ports.add(p, 1, PortUse::ALL));
        assert_eq!((ports.distinct(), ports.is_approximate()), (65_536, false));
    }

    #[test]
    fn merging_is_the_same_as_adding_in_any_order() {
        for limit in [1, 2, 16, 100] {
            let seen: Vec<u16> = (0..500_u32).map(|n| (n * n * 131 % 65_521) as u16).collect();
            let (mut all, mut left, mut right) = (PortUse::default(), PortUse::default(), PortUse::default());
            seen.iter().rev().for_each(|&p| all.add(p, 1, limit));
            seen[..100].iter().for_each(|&p| left.add(p, 1, limit));
            seen[100..].iter().for_each(|&p| right.add(p, 1, limit));
            left.merge_within(&right, limit);
            assert_eq!(left, all, "{limit}");
        }
    }
}
