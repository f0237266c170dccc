//! Blocks of addresses as ranges of integers: a comparison or two tells whether an address lies in one.

use ipnet::IpNet;

use super::address_bits;

/// IPv4 addresses as [`address_bits`] maps them.
const V4: (u128, u128) = (0xffff << 32, (0xffff << 32) | 0xffff_ffff);

/// All addresses of one family around this one. IPv6 falls into two: the mapped IPv4 addresses lie within.
#[must_use]
pub(crate) fn family_of(bits: u128) -> (u128, u128) {
    if bits < V4.0 {
        (0, V4.0 - 1)
    } else if bits <= V4.1 {
        V4
    } else {
        (V4.1 + 1, u128::MAX)
    }
}

/// True for a mapped IPv4 address.
#[must_use]
pub(crate) fn is_v4(bits: u128) -> bool {
    bits >> 32 == 0xffff
}

/// The first and the last address of a block.
#[must_use]
pub(crate) fn net_range(net: &IpNet) -> (u128, u128) {
    (address_bits(net.network()), address_bits(net.broadcast()))
}

/// Some blocks of addresses. A block of one family never holds an address of the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nets {
    /// IPv4, IPv6.
    families: [Vec<(u128, u128)>; 2],
}

impl Nets {
    /// The ranges of the family of this address.
    #[must_use]
    pub fn near(&self, bits: u128) -> &[(u128, u128)] {
        &self.families[usize::from(!is_v4(bits))]
    }

    /// True if one of the blocks holds the address.
    #[must_use]
    pub fn contains(&self, bits: u128) -> bool {
        self.near(bits).iter().any(|&(low, high)| low <= bits && bits <= high)
    }

    /// The ranges of both families.
    pub fn ranges(&self) -> impl Iterator<Item = (u128, u128)> {
        self.families.iter().flatten().copied()
    }

    /// From ranges of addresses, by family.
    pub fn of_ranges(v4: Vec<(u128, u128)>, v6: Vec<(u128, u128)>) -> Self {
        Self { families: [v4, v6] }
    }

    /// True without a block.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.families.iter().all(Vec::is_empty)
    }

    /// Adds blocks.
    pub fn extend<'n>(&mut self, nets: impl IntoIterator<Item = &'n IpNet>) {
        for net in nets {
            self.families[usize::from(matches!(net, IpNet::V6(_)))].push(net_range(net));
        }
    }
}

impl<'n> FromIterator<&'n IpNet> for Nets {
    fn from_iter<I: IntoIterator<Item = &'n IpNet>>(nets: I) -> Self {
        let mut all = Self::default();
        all.extend(nets);
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flow::address_from_bits;

    fn address() -> impl Strategy<Value = u128> {
        let mapped = any::<u32>().prop_map(|a| V4.0 | u128::from(a));
        prop_oneof![mapped, any::<u128>(), Just(V4.0 - 1), Just(V4.1 + 1), Just(V4.0), Just(V4.1)]
    }

    proptest! {
        #[test]
        fn agree_with_ipnet(
            blocks in prop::collection::vec((address(), 0_u8..=128), 0..6),
            probes in prop::collection::vec(address(), 1..20),
        ) {
            let nets: Vec<IpNet> = blocks.iter().map(|&(bits, length)| {
                let address = address_from_bits(bits);
                IpNet::new(address, if address.is_ipv4() { length % 33 } else { length }).unwrap()
            }).collect();
            let compiled: Nets = nets.iter().collect();
            let edges = nets.iter().map(net_range);
            let edges = edges.flat_map(|(l, h)| [l, h, l.wrapping_sub(1), h.wrapping_add(1)]);
            for bits in probes.into_iter().chain(edges) {
                let address = address_from_bits(bits);
                prop_assert_eq!(compiled.contains(bits), nets.iter().any(|n| n.contains(&address)), "{}", address);
                let (low, high) = family_of(bits);
                prop_assert!(low <= bits && bits <= high && is_v4(low) == is_v4(high));
                prop_assert_eq!(is_v4(bits), address.is_ipv4());
            }
        }
    }
}
