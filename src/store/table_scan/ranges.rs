//! Addresses of a network as ranges of text, in the order of text, which is the order of statistics.
//!
//! A range may hold more than the network: what is in it is looked at again. It never lacks an address, as long as
//! addresses are written as Rust writes them, and the store's are.

use std::fmt::Write;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Texts from the first on and before the second.
pub(super) type TextRange = (String, String);

/// Ranges that hold all addresses of these networks, in order, apart from one another.
pub(super) fn of_networks(networks: &[IpNet]) -> Vec<TextRange> {
    let mut all = Vec::new();
    for network in networks {
        match network {
            IpNet::V4(network) => v4(*network, &mut all),
            IpNet::V6(network) => v6(*network, &mut all),
        }
    }
    all.sort_unstable();
    let mut merged: Vec<TextRange> = Vec::new();
    for (from, before) in all {
        match merged.last_mut() {
            Some(last) if from <= last.1 => {
                if before > last.1 {
                    last.1 = before;
                }
            }
            _ => merged.push((from, before)),
        }
    }
    merged
}

fn only(text: String) -> TextRange {
    let after = format!("{text}\0");
    (text, after)
}

fn v4(network: Ipv4Net, into: &mut Vec<TextRange>) {
    let octets = network.network().octets();
    let whole = usize::from(network.prefix_len() / 8);
    let mut prefix = String::new();
    for octet in &octets[..whole] {
        let _ = write!(prefix, "{octet}.");
    }
    let Some(&low) = octets.get(whole) else {
        prefix.pop();
        return into.push(only(prefix));
    };
    let high = low | (0xff >> (network.prefix_len() % 8));
    if (low, high) == (0, 0xff) {
        // Digits follow, and `:` comes after them.
        return into.push((format!("{prefix}0"), format!("{prefix}:")));
    }
    into.extend((low..=high).map(|octet| match whole {
        3 => only(format!("{prefix}{octet}")),
        // `/` comes after the dot.
        _ => (format!("{prefix}{octet}."), format!("{prefix}{octet}/")),
    }));
}

fn v6(network: Ipv6Net, into: &mut Vec<TextRange>) {
    let address = network.network();
    let segments = address.segments();
    let whole = usize::from(network.prefix_len() / 16);
    let Some(&low) = segments.get(whole) else { return into.push(only(address.to_string())) };
    // A zero may be written, or be the begin of what `::` stands for. What is before it is always written.
    let written = segments[..whole].iter().position(|&segment| segment == 0).unwrap_or(whole);
    let mut prefix = String::new();
    for segment in &segments[..written] {
        let _ = write!(prefix, "{segment:x}:");
    }
    let high = low | (0xffff >> (network.prefix_len() % 16));
    let (low, high) = if written < whole { (0, 0) } else { (low, high) };
    // `;` comes after the colon.
    if low == 0 {
        into.push((format!("{prefix}0"), format!("{prefix}0;")));
        into.push((format!("{prefix}:"), format!("{prefix};")));
    }
    // Numbers of as many digits are in the order of their text.
    for digits in 0..4_u32 {
        let (least, most) = (1_u16 << (4 * digits), 0xffff_u16 >> (12 - 4 * digits));
        let (least, most) = (least.max(low), most.min(high));
        if least <= most {
            into.push((format!("{prefix}{least:x}"), format!("{prefix}{most:x};")));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn holds(ranges: &[TextRange], address: IpAddr) -> bool {
        let text = address.to_string();
        ranges.iter().any(|(from, before)| *from <= text && text < *before)
    }

    /// Addresses whose segments are often zero, small or alike.
    fn address() -> impl Strategy<Value = IpAddr> {
        let segment = prop_oneof![3 => Just(0_u16), 2 => 0_u16..20, 1 => any::<u16>(), 1 => Just(0xffff)];
        let v6 = proptest::array::uniform8(segment).prop_map(|s| IpAddr::V6(Ipv6Addr::from(s)));
        let mapped = any::<u32>().prop_map(|v| IpAddr::V6(Ipv4Addr::from(v).to_ipv6_mapped()));
        let v4 = prop_oneof![any::<u32>(), (0_u32..1000).prop_map(|low| 0x0a00_0000 + low)];
        prop_oneof![v6, mapped, v4.prop_map(|v| IpAddr::V4(v.into()))]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn no_address_of_a_network_is_outside(address in address(), length in 0_u8..=128, noise in any::<u128>()) {
            let (network, other) = match address {
                IpAddr::V4(address) => {
                    let length = length % 33;
                    let free = u32::MAX.checked_shr(length.into()).unwrap_or(0);
                    let other = (u32::from(address) & !free) | (noise as u32 & free);
                    (IpNet::new(address.into(), length).unwrap(), IpAddr::V4(other.into()))
                }
                IpAddr::V6(address) => {
                    let free = u128::MAX.checked_shr(length.into()).unwrap_or(0);
                    let other = (u128::from(address) & !free) | (noise & free);
                    (IpNet::new(address.into(), length).unwrap(), IpAddr::V6(other.into()))
                }
            };
            let ranges = of_networks(&[network]);
            prop_assert!(ranges.is_sorted() && ranges.iter().all(|(from, before)| from < before));
            for address in [address, other, network.network(), network.broadcast()] {
                prop_assert!(network.contains(&address));
                prop_assert!(holds(&ranges, address), "{address} of {network}: {ranges:?}");
            }
        }
    }

    #[test]
    fn ranges_are_narrow_where_they_can_be() {
        let of = |text: &str| of_networks(&[text.parse().unwrap()]);
        assert_eq!(of("10.0.3.0/24"), [("10.0.3.0".to_owned(), "10.0.3.:".to_owned())]);
        assert_eq!(of("10.0.3.7/32"), [("10.0.3.7".to_owned(), "10.0.3.7\0".to_owned())]);
        assert_eq!(of("10.0.2.0/23").len(), 2);
        for (network, outside) in [
            ("10.0.3.0/24", "10.0.30.1"),
            ("10.0.2.0/23", "10.0.1.9"),
            ("10.128.0.0/9", "10.12.0.1"),
            ("10.0.0.0/30", "10.0.0.10"),
            ("2001:db8::/32", "2001:db9::1"),
            ("2001:db8:10::/44", "2001:db8:2::1"),
            ("2001:db8::/48", "2001:db8:1::1"),
            ("::/16", "1::1"),
            ("::ffff:10.0.0.1/128", "::ffff:10.0.0.2"),
        ] {
            assert!(!holds(&of(network), outside.parse().unwrap()), "{outside} of {network}");
        }
        assert!(of_networks(&[]).is_empty());
    }
}
