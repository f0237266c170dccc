//! A block of addresses of either family as 128 bits and a length.

use ipnet::IpNet;

use crate::flow::{address_bits, address_from_bits};

/// The first address, IPv4 mapped, and the length of the prefix in 128 bits: 96 more than IPv4 has. Sorts a block before
/// those within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    pub bits: u128,
    pub length: u8,
}

/// The first `length` bits.
fn mask(length: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0)
}

impl Block {
    pub fn of(net: &IpNet) -> Self {
        let mapped = if matches!(net, IpNet::V4(_)) { 96 } else { 0 };
        Self { bits: address_bits(net.network()), length: net.prefix_len() + mapped }
    }

    pub fn net(self) -> IpNet {
        let address = address_from_bits(self.bits);
        // What is shorter than the mapping holds more than IPv4.
        let (address, length) = match (address.is_ipv4(), self.length.checked_sub(96)) {
            (true, Some(length)) => (address, length),
            _ => (std::net::IpAddr::V6(self.bits.into()), self.length),
        };
        IpNet::new_assert(address, length)
    }

    /// How many it holds; 2^128 saturates.
    pub fn addresses(self) -> u128 {
        1_u128.checked_shl(128 - u32::from(self.length)).unwrap_or(u128::MAX)
    }

    pub fn holds(&self, other: &Self) -> bool {
        self.length <= other.length && (self.bits ^ other.bits) & mask(self.length) == 0
    }

    /// The smallest block that holds both.
    pub fn shared(&self, other: &Self) -> Self {
        let same = (self.bits ^ other.bits).leading_zeros() as u8;
        let length = same.min(self.length).min(other.length);
        Self { bits: self.bits & mask(length), length }
    }

    /// The parts of disjoint blocks, in order, that lie within this one.
    pub fn cut(&self, blocks: &[Self]) -> Vec<Self> {
        let from = blocks.partition_point(|b| b.bits < self.bits);
        // Only the one before can reach into it.
        if let Some(wider) = from.checked_sub(1).map(|at| blocks[at]).filter(|b| b.holds(self)) {
            return vec![Self { bits: self.bits, length: self.length.max(wider.length) }];
        }
        let inside = blocks[from..].iter().take_while(|b| self.holds(b) || b.holds(self));
        inside.map(|b| if b.holds(self) { *self } else { *b }).collect()
    }
}
