//! Distinct addresses in bounded memory.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::flow::address_from_bits;

/// The addresses with the smallest hashes, with exact counts: a k-minimum-values sketch (Bar-Yossef et al.
/// 2002, Beyer et al. 2007). Up to [`Peers::EXACT`] addresses it is exact; beyond, the number of distinct
/// addresses is an estimate with a standard error of about 1.6 %, and the addresses kept are a uniform sample.
/// Merging commutes, and nothing depends on the order of insertion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    kept: BTreeMap<u64, (u128, u64)>,
    overflowed: bool,
}

impl Peers {
    /// Up to how many distinct addresses are kept.
    pub const EXACT: usize = 4096;

    /// One more connection with this address (IPv4 mapped bits).
    pub(crate) fn add(&mut self, address: u128, connections: u64) {
        let hash = mix(address);
        if let Some((_, count)) = self.kept.get_mut(&hash) {
            *count += connections;
            return;
        }
        if self.kept.len() >= Self::EXACT {
            self.overflowed = true;
            if self.kept.last_key_value().is_some_and(|(&largest, _)| hash > largest) {
                return;
            }
            self.kept.pop_last();
        }
        self.kept.insert(hash, (address, connections));
    }

    /// Adds another sketch.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.overflowed |= other.overflowed;
        for &(address, connections) in other.kept.values() {
            self.add(address, connections);
        }
    }

    /// Distinct addresses; an estimate if [`Peers::is_approximate`].
    #[must_use]
    pub fn distinct(&self) -> u64 {
        match self.kept.last_key_value() {
            Some((&largest, _)) if self.overflowed => {
                let share = largest as f64 / u64::MAX as f64;
                ((self.kept.len() - 1) as f64 / share) as u64
            }
            _ => self.kept.len() as u64,
        }
    }

    /// True when there were more addresses than are kept.
    #[must_use]
    pub fn is_approximate(&self) -> bool {
        self.overflowed
    }

    /// The addresses kept with their connections, most first, then by address.
    #[must_use]
    pub fn top(&self) -> Vec<(IpAddr, u64)> {
        let mut top: Vec<(u64, u128)> = self.kept.values().map(|&(a, n)| (n, a)).collect();
        top.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        top.into_iter().map(|(n, a)| (address_from_bits(a), n)).collect()
    }
}

/// SplitMix64's finaliser over the folded address (Steele et al. 2014).
fn mix(address: u128) -> u64 {
    let mut z = (address as u64) ^ ((address >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_below_the_limit_estimate_above() {
        let mut peers = Peers::default();
        for a in 0..4096_u128 {
            peers.add(a, 1);
            peers.add(a, 2);
        }
        assert_eq!(peers.distinct(), 4096);
        assert!(!peers.is_approximate());
        assert_eq!(peers.top()[0].1, 3);
        for a in 0..1_000_000_u128 {
            peers.add(a, 1);
        }
        assert!(peers.is_approximate());
        let error = (peers.distinct() as f64 / 1e6 - 1.0).abs();
        assert!(error < 0.06, "error {error}");
    }

    #[test]
    fn merging_is_the_same_as_adding() {
        let mut all = Peers::default();
        let mut parts = [Peers::default(), Peers::default()];
        for a in 0..20_000_u128 {
            let address = a * a % 9_973;
            all.add(address, 1);
            parts[(a % 2) as usize].add(address, 1);
        }
        let [mut left, right] = parts;
        left.merge(&right);
        assert_eq!(left, all);
    }
}
