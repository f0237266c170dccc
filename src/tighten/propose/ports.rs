//! Ports that were used, as few ranges.

use crate::flow::Protocol;

/// Ranges that services are known to use as a whole, from the IANA service registry and the services' own manuals: a use of
/// one port of them makes the others likely.
const SERVICE_RANGES: [(u16, u16); 12] = [
    (20, 21),         // FTP
    (137, 139),       // NetBIOS
    (2379, 2380),     // etcd
    (5900, 5909),     // VNC displays
    (5985, 5986),     // WinRM
    (6000, 6063),     // X11 displays
    (9300, 9400),     // Elasticsearch transport
    (10_250, 10_259), // Kubernetes components
    (27_017, 27_019), // MongoDB
    (30_000, 32_767), // Kubernetes node ports
    (33_434, 33_534), // traceroute
    (49_152, 65_535), // dynamic ports (RFC 6335), RPC
];

/// At most `most` ranges that hold all of `seen` and the fewest ports beside, within `within`; none if nothing lies there.
/// `services` rounds up to what services are known to use.
///
/// The fewest ports beside are left out by leaving out the widest gaps, which is optimal: what is left of the span between
/// the lowest and the highest port is the span less the gaps chosen.
pub(super) fn ranges(
    seen: impl IntoIterator<Item = (u16, u16)>,
    within: (u16, u16),
    most: usize,
    services: bool,
) -> Vec<(u16, u16)> {
    let widen = |(low, high): (u16, u16)| {
        let around = SERVICE_RANGES.iter().filter(|r| services && r.0 <= high && low <= r.1);
        around.fold((low, high), |(a, b), r| (a.min(r.0), b.max(r.1)))
    };
    let mut all: Vec<(u16, u16)> = seen
        .into_iter()
        .filter(|(low, high)| *low <= within.1 && within.0 <= *high)
        .map(|range| {
            let (low, high) = widen(range);
            (low.max(within.0), high.min(within.1))
        })
        .collect();
    all.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (low, high) in all {
        match joined.last_mut() {
            Some(last) if u32::from(low) <= u32::from(last.1) + 1 => last.1 = last.1.max(high),
            _ => joined.push((low, high)),
        }
    }
    // The widest gaps stay, of equal ones the first.
    let mut gaps: Vec<usize> = (1..joined.len()).collect();
    gaps.sort_by_key(|&at| (std::cmp::Reverse(joined[at].0 - joined[at - 1].1), at));
    gaps.truncate(most.saturating_sub(1));
    let mut fewer: Vec<(u16, u16)> = Vec::new();
    for (at, (low, high)) in joined.into_iter().enumerate() {
        match fewer.last_mut() {
            Some(last) if !gaps.contains(&at) => last.1 = high,
            _ => fewer.push((low, high)),
        }
    }
    fewer
}

/// `tcp 443, 8000-8010`, `icmp`.
pub(super) fn text(protocol: Protocol, ports: &[(u16, u16)]) -> String {
    if !protocol.has_ports() {
        return match protocol.is_icmp() {
            true => protocol.to_string(),
            false => format!("protocol {protocol}"),
        };
    }
    let one = |(low, high): &(u16, u16)| match low == high {
        true => low.to_string(),
        false => format!("{low}-{high}"),
    };
    format!("{protocol} {}", ports.iter().map(one).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: (u16, u16) = (0, u16::MAX);

    fn singles(ports: &[u16]) -> Vec<(u16, u16)> {
        ports.iter().map(|p| (*p, *p)).collect()
    }

    #[test]
    fn few_ports_stay_exact_and_many_become_ranges() {
        assert_eq!(ranges(singles(&[443, 80, 81, 443]), ALL, 8, false), [(80, 81), (443, 443)]);
        assert_eq!(ranges(singles(&[443, 80, 81, 90]), ALL, 2, false), [(80, 90), (443, 443)]);
        assert_eq!(ranges(singles(&[443, 80]), (400, 500), 8, false), [(443, 443)]);
        assert_eq!(ranges(singles(&[0, 65_535]), ALL, 8, false), [(0, 0), (65_535, 65_535)]);
        assert_eq!(ranges([], ALL, 8, false), []);
        assert_eq!(ranges(singles(&[30_080]), ALL, 8, true), [(30_000, 32_767)]);
        assert_eq!(ranges(singles(&[30_080, 443]), (443, 31_000), 8, true), [(443, 443), (30_000, 31_000)]);
    }

    proptest! {
        /// Ports 0 to 11, and every way to cover them by ranges.
        #[test]
        fn no_ranges_are_better(seen in prop::collection::btree_set(0_u16..12, 1..9), most in 1_usize..5) {
            let chosen = ranges(seen.iter().map(|p| (*p, *p)), ALL, most, false);
            prop_assert!(chosen.len() <= most);
            prop_assert!(seen.iter().all(|p| chosen.iter().any(|r| r.0 <= *p && *p <= r.1)));
            let size: u32 = chosen.iter().map(|r| u32::from(r.1 - r.0) + 1).sum();
            let wanted = seen.iter().fold(0_u32, |bits, p| bits | 1 << p);
            let best = (0_u32..1 << 12).filter(|set| {
                let begins = set & !(set << 1);
                set & wanted == wanted && begins.count_ones() as usize <= most
            });
            prop_assert_eq!(Some(size), best.map(u32::count_ones).min());
        }
    }
}
