//! Which addresses belong to no public network.
//!
//! Four questions are asked of an address, and they differ on purpose:
//!
//! - *Does it belong to nobody on the internet?* [`is_private`]: decides who is inside, which side of a record is the
//!   interface's, and what is told apart as a stranger.
//! - *Could a VPC use it for its own hosts?* [`NETWORKS`]: the same without loopback, which no packet of a VPC carries.
//! - *What kind of address is it?* `investigate` names the kinds one by one.
//! - *Can it be an indicator at all?* `watchlist` refuses multicast and reserved blocks, too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::address_from_bits;

/// Blocks for private use (RFC 1918) and unique local addresses (RFC 4193).
pub(crate) const PRIVATE_USE: [IpNet; 4] =
    [v4([10, 0, 0, 0], 8), v4([172, 16, 0, 0], 12), v4([192, 168, 0, 0], 16), v6(0xfc00, 7)];

/// Shared address space behind a carrier's NAT (RFC 6598); VPCs use it for pods and for private NAT gateways.
pub(crate) const SHARED: IpNet = v4([100, 64, 0, 0], 10);

/// Link local (RFC 3927; RFC 4291, section 2.5.6): the metadata service, DNS and the clock of a VPC, and neighbours.
pub(crate) const LINK_LOCAL: [IpNet; 2] = [v4([169, 254, 0, 0], 16), v6(0xfe80, 10)];

/// Blocks that networks use inside.
pub(crate) const NETWORKS: [IpNet; 7] =
    [PRIVATE_USE[0], PRIVATE_USE[1], PRIVATE_USE[2], PRIVATE_USE[3], SHARED, LINK_LOCAL[0], LINK_LOCAL[1]];

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(first: u16, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0), length))
}

/// True if an address, as [`super::address_bits`] writes it, is of no public network: one of [`NETWORKS`], or loopback
/// (RFC 1122, section 3.2.1.3; RFC 4291, section 2.5.3).
#[must_use]
pub(crate) fn is_private(bits: u128) -> bool {
    // Asked of every connection: the standard library's comparisons are cheaper than a walk over the blocks.
    match address_from_bits(bits) {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_private()
                || address.is_link_local()
                || address.is_loopback()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(address) => {
            address.is_unique_local() || address.is_unicast_link_local() || address.is_loopback()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{address_bits, net_range};

    #[test]
    fn blocks_end_where_they_should() {
        for net in NETWORKS {
            let (low, high) = net_range(&net);
            assert!(is_private(low) && is_private(high), "{net}");
            assert!(!is_private(low - 1) && !is_private(high + 1), "{net}");
        }
    }

    #[test]
    fn loopback_is_private_and_no_network_of_hosts() {
        for text in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            let address: IpAddr = text.parse().unwrap();
            assert!(is_private(address_bits(address)), "{text}");
            assert!(!NETWORKS.iter().any(|net| net.contains(&address.to_canonical())), "{text}");
        }
    }

    #[test]
    fn public_multicast_and_unspecified_addresses_are_not() {
        for text in
            ["0.0.0.0", "8.8.8.8", "192.0.2.1", "224.0.0.1", "240.0.0.1", "::", "2001:db8::1", "ff02::1"]
        {
            assert!(!is_private(address_bits(text.parse().unwrap())), "{text}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_one_it_maps() {
        assert!(is_private(address_bits("::ffff:10.0.0.1".parse().unwrap())));
        assert!(!is_private(address_bits("::ffff:8.8.8.8".parse().unwrap())));
    }
}
