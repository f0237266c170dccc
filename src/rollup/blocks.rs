//! Which blocks of addresses hold everything that was seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The few blocks that hold every address seen, with exact counts: /24 (IPv4) and /64 (IPv6) while at most
/// [`Blocks::KEPT`] of those hold them, else the longest of /16 and /48, /8 and /32, /0 that do. Exact at its prefix
/// length, whatever the number of addresses, and a matter of the data alone, not of their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    /// Sorted by block.
    blocks: Vec<(u64, u64)>,
    /// Index into [`PREFIXES`].
    level: u8,
}

/// Prefix lengths of IPv4 and IPv6 at each level.
const PREFIXES: [(u8, u8); 4] = [(24, 64), (16, 48), (8, 32), (0, 0)];

/// An IPv4 address is kept as the lower half of its mapped form, an IPv6 one as its upper half. No IPv6 address begins
/// with 0:ffff: (RFC 4291 reserves 0000::/8 but for mapped and special ones).
const V4: u64 = 0xffff << 32;

fn is_v4(block: u64) -> bool {
    block >> 32 == 0xffff
}

/// The block that holds another at a level.
fn at_level(block: u64, level: u8) -> u64 {
    let (v4, v6) = PREFIXES[usize::from(level)];
    if is_v4(block) {
        V4 | (block & (u64::from(u32::MAX) << (32 - v4) & u64::from(u32::MAX)))
    } else if v6 == 0 {
        0
    } else {
        block & (u64::MAX << (64 - v6))
    }
}

impl Blocks {
    /// How many blocks are kept.
    pub const KEPT: usize = 8;

    /// Connections with an address (IPv4 mapped bits).
    pub(super) fn add(&mut self, address: u128, connections: u64) {
        let mapped = address >> 32 == 0xffff;
        self.add_block(if mapped { address as u64 } else { (address >> 64) as u64 }, connections);
    }

    fn add_block(&mut self, block: u64, connections: u64) {
        let block = at_level(block, self.level);
        match self.blocks.binary_search_by_key(&block, |(b, _)| *b) {
            Ok(at) => self.blocks[at].1 += connections,
            Err(at) => {
                self.blocks.insert(at, (block, connections));
                while self.blocks.len() > Self::KEPT {
                    self.coarsen(self.level + 1);
                }
            }
        }
    }

    fn coarsen(&mut self, level: u8) {
        if level > self.level {
            self.level = level;
            let old = std::mem::take(&mut self.blocks);
            old.into_iter().for_each(|(block, n)| self.add_block(block, n));
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.coarsen(other.level);
        other.blocks.iter().for_each(|&(block, n)| self.add_block(block, n));
    }

    /// The blocks with their connections, by address.
    #[must_use]
    pub fn all(&self) -> Vec<(IpNet, u64)> {
        let (v4, v6) = PREFIXES[usize::from(self.level)];
        let net = |block: u64| {
            let (address, prefix) = if is_v4(block) {
                (IpAddr::V4(Ipv4Addr::from(block as u32)), v4)
            } else {
                (IpAddr::V6(Ipv6Addr::from(u128::from(block) << 64)), v6)
            };
            IpNet::new(address, prefix).ok()
        };
        let mut all: Vec<(IpNet, u64)> =
            self.blocks.iter().filter_map(|&(block, n)| Some((net(block)?, n))).collect();
        all.sort_unstable();
        all
    }

    /// The /24 and /64 blocks, if they are at most [`Blocks::KEPT`].
    #[must_use]
    pub fn finest(&self) -> Option<Vec<IpNet>> {
        (self.level == 0).then(|| self.all().into_iter().map(|(net, _)| net).collect())
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.blocks.capacity() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::address_bits;

    fn seen(addresses: &[&str]) -> Blocks {
        let mut blocks = Blocks::default();
        addresses.iter().for_each(|a| blocks.add(address_bits(a.parse().unwrap()), 1));
        blocks
    }

    fn told(blocks: &Blocks) -> Vec<String> {
        blocks.all().iter().map(|(net, n)| format!("{net} {n}")).collect()
    }

    #[test]
    fn blocks_are_as_small_as_fit() {
        let few = seen(&["10.0.0.1", "10.0.0.9", "10.0.1.1", "2001:db8::1", "2001:db8::2"]);
        assert_eq!(told(&few), ["10.0.0.0/24 2", "10.0.1.0/24 1", "2001:db8::/64 2"]);
        let nine: Vec<String> = (0..9).map(|n| format!("10.0.{n}.1")).collect();
        let mut nine: Vec<&str> = nine.iter().map(String::as_str).collect();
        assert_eq!(told(&seen(&nine)), ["10.0.0.0/16 9"]);
        assert_eq!(seen(&nine).finest(), None);
        nine.push("2001:db8:1:2::1");
        assert_eq!(told(&seen(&nine)), ["10.0.0.0/16 9", "2001:db8:1::/48 1"]);
        let far: Vec<String> = (1..200).map(|n| format!("{n}.0.0.1")).collect();
        let far: Vec<&str> = far.iter().map(String::as_str).collect();
        assert_eq!(told(&seen(&far)), ["0.0.0.0/0 199"]);
        let six: Vec<String> = (1..200).map(|n| format!("2{n:03}::1")).collect();
        let six: Vec<&str> = six.iter().map(String::as_str).collect();
        assert_eq!(told(&seen(&six)), ["::/0 199"]);
    }

    #[test]
    fn merging_is_the_same_as_adding_in_any_order() {
        for many in [3_u32, 9, 300, 70_000] {
            let addresses: Vec<u128> =
                (0..many).map(|n| (0xffff << 32) | u128::from(n.wrapping_mul(0x0101_4321))).collect();
            let (mut all, mut left, mut right) = (Blocks::default(), Blocks::default(), Blocks::default());
            addresses.iter().rev().for_each(|&a| all.add(a, 2));
            addresses[..2].iter().for_each(|&a| left.add(a, 2));
            addresses[2..].iter().for_each(|&a| right.add(a, 2));
            left.merge(&right);
            assert_eq!(left, all);
        }
    }
}
