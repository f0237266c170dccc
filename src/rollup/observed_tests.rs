//! What rules were used for: nothing is lost, and nothing depends on order.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::*;
use crate::policy::Decision;
use crate::rollup::tests::{connection, judged};

/// Connections of two rules: many peers and ports of both families, and a peer that is everywhere.
fn connections() -> Vec<(Connection, Judged)> {
    let one = |n: u64| {
        let hash = mix64(n);
        let remote = match n % 3 {
            0 => 0x2001_0db8_u128 << 96 | u128::from(hash) << 32 | u128::from(n),
            _ => 0xffff_0a00_0000 | u128::from(hash as u32 & 0x00ff_ffff),
        };
        let mut connection = connection(0, remote, (hash >> 40) as u16 % 700, 1000 + (hash % 500) as u32);
        connection.protocol = [Protocol::TCP, Protocol::UDP, Protocol::ICMP, Protocol(47)][(n % 4) as usize];
        let rules = if n.is_multiple_of(5) { vec![0, 1] } else { vec![1] };
        (connection, judged(Verdict::Permitted, rules))
    };
    (0..6_000).map(one).collect()
}

fn table(connections: &[(Connection, Judged)], budget: (usize, usize)) -> ObservedTable {
    let mut table = ObservedTable::within(budget.0, budget.1);
    for (connection, judged) in connections {
        table.see(connection, judged, |_| Direction::Inbound);
    }
    table
}

#[test]
fn nothing_depends_on_order_or_merging() {
    let all = connections();
    let reversed: Vec<_> = all.iter().rev().cloned().collect();
    for budget in [(1 << 20, 1 << 20), (4_000, 9_000), (900, 5_000), (300, 1_200), (40, 100), (4, 4)] {
        let whole = table(&all, budget);
        assert!(whole.heap_bytes() < 2_000_000);
        let whole = whole.finish();
        assert_eq!(table(&reversed, budget).finish(), whole, "{budget:?}");
        for at in [0, 1, 2_000, 5_999] {
            let (mut left, right) = (table(&all[..at], budget), table(&all[at..], budget));
            let mut other = right.clone();
            other.merge(left.clone());
            left.merge(right);
            assert_eq!((left.finish(), other.finish()), (whole.clone(), whole.clone()), "{budget:?} {at}");
        }
    }
}

#[test]
fn no_peer_and_no_service_is_lost() {
    let all = connections();
    for budget in [(1 << 20, 1 << 20), (900, 9_000), (300, 1_200), (40, 100), (4, 4)] {
        let observed = table(&all, budget).finish();
        for (connection, judged) in &all {
            let remote = address_from_bits(connection.remote);
            let port = if connection.protocol.has_ports() { connection.local_port } else { 0 };
            for rule in &judged.decision.rules {
                let seen = &observed.rules[rule];
                let peer = seen.peers.iter().find(|p| {
                    p.net.contains(&remote) && p.service.is_none_or(|s| s == (connection.protocol, port))
                });
                assert!(peer.is_some_and(|p| p.first <= connection.first), "{budget:?} {remote}");
                assert!(seen.services.iter().any(|s| {
                    s.protocol == connection.protocol && (s.ports.0..=s.ports.1).contains(&port)
                }));
            }
        }
        let count =
            |rule: u32| observed.rules[&rule].peers.iter().map(|p| u64::from(p.connections)).sum::<u64>();
        assert_eq!((count(0), count(1)), (1_200, 6_000), "counts stay exact");
        let exact = budget.1 == 1 << 20;
        assert_eq!(observed.rules[&1].peers_folded, budget.1 < 9_000);
        if exact {
            let peers: BTreeSet<IpAddr> = observed.rules[&1].peers.iter().map(|p| p.net.addr()).collect();
            let truth: BTreeSet<IpAddr> = all.iter().map(|(c, _)| address_from_bits(c.remote)).collect();
            assert_eq!(peers, truth);
        }
    }
}

#[test]
fn what_perhaps_used_a_rule_counts() {
    let mut table = ObservedTable::default();
    let mut unknown = connection(0, 0xffff_0a00_0001, 443, 7);
    (unknown.opener, unknown.remote_port) = (None, 5_432);
    let mut perhaps = judged(Verdict::Permitted, vec![]);
    perhaps.possible = vec![0, 1];
    table.see(&unknown, &perhaps, |rule| [Direction::Inbound, Direction::Outbound][rule as usize]);
    // Rejected: nobody used anything.
    let mut rejected = judged(Verdict::Misdropped, vec![0]);
    rejected.decision = Decision { rules: vec![0], ..rejected.decision };
    table.see(&connection(0, 0xffff_0a00_0009, 80, 7), &rejected, |_| Direction::Inbound);
    let observed = table.finish();
    let services = |rule: u32| observed.rules[&rule].services.iter().map(|s| s.ports).collect::<Vec<_>>();
    assert_eq!((services(0), services(1)), (vec![(443, 443)], vec![(5_432, 5_432)]));
    let peers: Vec<String> = observed.rules[&0].peers.iter().map(|p| p.net.to_string()).collect();
    assert_eq!(peers, ["10.0.0.1/32"]);
}
