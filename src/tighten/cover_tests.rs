//! No cover is better, against every cover there is of a small universe; and the time for many peers.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use proptest::prelude::*;

use super::*;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// Blocks of a universe of 64 addresses, as sets of bits; every cover there is.
fn brute_force(uncovered: u64, blocks: usize, allowed: &[u64]) -> Option<u32> {
    if uncovered == 0 {
        return Some(0);
    }
    if blocks == 0 {
        return None;
    }
    // One of the blocks must hold the lowest address that is not covered yet.
    let lowest = 1_u64 << uncovered.trailing_zeros();
    let candidates = allowed.iter().filter(|b| **b & lowest != 0);
    candidates.filter_map(|b| Some(b.count_ones() + brute_force(uncovered & !b, blocks - 1, allowed)?)).min()
}

/// All blocks of the universe that lie within one of these.
fn allowed(within: &[u64]) -> Vec<u64> {
    let blocks = (0..=6).flat_map(|power| {
        let size = 1_u32 << power;
        (0..64 / size).map(move |at| (0..size).fold(0_u64, |bits, i| bits | 1 << (at * size + i)))
    });
    let union = within.iter().fold(0, |all, w| all | w);
    blocks.filter(|b| b & !union == 0).collect()
}

/// A block of the universe as bits: which of its 64 addresses have the block's leading bits.
fn bits(base: u128, net: &IpNet) -> u64 {
    (0..64_u128)
        .filter(|i| net.contains(&crate::flow::address_from_bits(base + i)))
        .fold(0, |b, i| b | 1 << i)
}

fn in_universe(base: u128, (at, length): (u8, u8)) -> IpNet {
    let address = crate::flow::address_from_bits(base + u128::from(at));
    let full = if address.is_ipv4() { 32 } else { 128 };
    IpNet::new(address, full - 6 + length).unwrap().trunc()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_cover_is_better(
        peers in prop::collection::vec((0_u8..64, prop_oneof![4 => Just(6_u8), 1 => 3_u8..=6]), 1..14),
        within in prop_oneof![
            2 => Just(vec![(0_u8, 0_u8)]),
            1 => prop::collection::vec((0_u8..64, 0_u8..=4), 1..4),
        ],
        six in any::<bool>(),
    ) {
        let base = if six { 0x2001_0db8_u128 << 96 } else { 0xffff_0a00_0040 };
        let peers: Vec<IpNet> = peers.into_iter().map(|p| in_universe(base, p)).collect();
        let within: Vec<IpNet> = within.into_iter().map(|w| in_universe(base, w)).collect();
        let union = within.iter().fold(0, |all, w| all | bits(base, w));
        let wanted = peers.iter().fold(0, |all, p| all | bits(base, p)) & union;
        let allowed = allowed(&within.iter().map(|w| bits(base, w)).collect::<Vec<_>>());
        let cover = Cover::new(&peers, &within, 60);
        prop_assert_eq!(cover.is_none(), wanted == 0);
        if let Some(cover) = &cover {
            for blocks in 0..=5 {
                let best = brute_force(wanted, blocks, &allowed).map(u128::from);
                prop_assert_eq!(cover.addresses(blocks), best, "{} blocks of {:?}", blocks, peers);
                let chosen = cover.blocks(blocks);
                prop_assert!(chosen.len() <= blocks);
                if best.is_some() {
                    let held = chosen.iter().fold(0, |all, b| all | bits(base, b));
                    prop_assert_eq!(wanted & !held, 0, "a peer is lost");
                    prop_assert_eq!(u128::from(held.count_ones()), best.unwrap());
                    prop_assert!(chosen.iter().all(|b| allowed.contains(&bits(base, b))), "wider than it was");
                    prop_assert!(chosen.is_sorted());
                }
            }
            // A budget given up front finds the same.
            for most in 1..=4 {
                let small = Cover::new(&peers, &within, most);
                let best = cover.addresses(most);
                prop_assert_eq!(small.as_ref().and_then(|c| c.addresses(most)), best);
                prop_assert_eq!(small.map(|c| c.blocks(most)), best.map(|_| cover.blocks(most)));
            }
        }
    }
}

#[test]
fn all_of_ipv6_is_counted_without_overflow() {
    let peers = [net("::/1"), net("8000::/1")];
    let cover = Cover::new(&peers, &[net("::/0")], 60).unwrap();
    assert_eq!((cover.addresses(1), cover.addresses(2)), (Some(u128::MAX), Some(u128::MAX)));
    assert_eq!(cover.blocks(1), [net("::/0")]);
    let peers = [net("::1/128"), net("ffff::1/128")];
    let cover = Cover::new(&peers, &[net("::/0")], 2).unwrap();
    assert_eq!(
        (cover.addresses(1), cover.addresses(2), cover.addresses(0)),
        (Some(u128::MAX), Some(2), None)
    );
    assert_eq!(cover.blocks(1), [net("::/0")]);
    assert_eq!(cover.blocks(9), peers);
}

#[test]
fn never_wider_than_the_rule() {
    let peers = [net("10.0.0.1/32"), net("10.0.0.6/32"), net("10.9.0.0/32"), net("192.168.0.1/32")];
    let cover = Cover::new(&peers, &[net("10.0.0.0/29")], 60).unwrap();
    assert_eq!(cover.blocks(1), [net("10.0.0.0/29")]);
    assert_eq!(cover.blocks(2), [net("10.0.0.1/32"), net("10.0.0.6/32")]);
    assert!(Cover::new(&peers, &[net("172.16.0.0/12")], 60).is_none());
    assert!(Cover::new(&[], &[net("10.0.0.0/8")], 60).is_none());
    // Folded to more than the rule permits.
    let cover = Cover::new(&[net("10.0.0.0/16")], &[net("10.0.3.0/28"), net("10.0.7.0/28")], 60).unwrap();
    assert_eq!((cover.least(), cover.addresses(1), cover.addresses(2)), (2, None, Some(32)));
}

#[test]
fn a_hundred_thousand_peers() {
    // Seeded; blocks of all sizes.
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 16
    };
    let four: Vec<IpNet> = (0..100_000)
        .map(|_| Ipv4Net::new(Ipv4Addr::from((next() as u32) & next() as u32), 32).unwrap().into())
        .collect();
    let six: Vec<IpNet> = (0..100_000)
        .map(|_| {
            let high = (u128::from(next() & next() & next()) << 80) | u128::from(next());
            Ipv6Net::new(Ipv6Addr::from(high), 128).unwrap().into()
        })
        .collect();
    for (peers, all) in [(four, "0.0.0.0/0"), (six, "::/0")] {
        let began = std::time::Instant::now();
        let cover = Cover::new(&peers, &[net(all)], 60).unwrap();
        let blocks = cover.blocks(60);
        let took = began.elapsed();
        println!("{} peers of {all}: {took:?}", peers.len());
        assert!(took.as_secs_f64() < 2.0, "{took:?}");
        assert!(blocks.len() == 60 && peers.iter().all(|p| blocks.iter().any(|b| b.contains(p))));
        let total = |k| cover.addresses(k).unwrap();
        assert!((1..60).all(|k| total(k + 1) <= total(k)));
    }
}
