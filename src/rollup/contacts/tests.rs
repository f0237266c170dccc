//! The tables depend on the connections alone, and stay within their budgets.

use super::*;
use crate::connection::{Evidence, Part, RejectReason};
use crate::flow::Protocol;
use crate::hash::mix64;
use crate::rollup::bounds::Bounds;

const START: u32 = 1_760_000_000;

struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix64(self.0) % end
    }
}

fn v4(bits: u64) -> u128 {
    (0xffff << 32) | u128::from(bits as u32)
}

fn connection(interface: u32, remote: u128, port: u16, at: u32, bytes: u64) -> Connection {
    let part = Part { records: 1, packets: 2, bytes, first: at, last: at + 10, ..Part::default() };
    Connection {
        interface,
        local: v4(0x0a00_0000 | u64::from(interface)),
        remote,
        local_port: 50_000,
        remote_port: port,
        protocol: Protocol::TCP,
        opener: Some(Direction::Outbound),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: at,
        last: at + 10,
        inward: [Part { bytes: 100, ..part }, Part::default()],
        outward: [part, Part::default()],
        late: Part::default(),
        reason: RejectReason::None,
    }
}

fn permitted() -> Judged {
    Judged {
        verdict: Verdict::Permitted,
        decision: crate::policy::Decision { known: true, rules: vec![7], ..Default::default() },
        blocked_reply: None,
        removed_by: None,
        removed_exactly: false,
        former: Vec::new(),
        possible: Vec::new(),
        tracking: None,
    }
}

/// Busy and rare pairs, public and private, a few ports and many, small and large, short and days long.
fn mixture(seed: u64, count: usize) -> Vec<Connection> {
    let mut random = Random(seed);
    let one = |_| {
        let skewed = |random: &mut Random, end: u64| random.below(random.0 % end + 1);
        let interface = skewed(&mut random, 60) as u32;
        let remote = match random.below(4) {
            0 => v4(0xc633_6407),
            1 => v4(0x0a01_0000 | random.below(3000)),
            2 => v4(0x5000_0000 | random.below(1 << 22)),
            _ => (0x2001_0db8_u128 << 96) | u128::from(random.below(1 << 14)) << 64 | 1,
        };
        let port = if random.below(3) == 0 { skewed(&mut random, 30_000) as u16 } else { 443 };
        let at = START + skewed(&mut random, 400_000) as u32;
        let most = 1 << (random.0 % 28);
        let bytes = skewed(&mut random, most);
        let mut one = connection(interface, remote, port, at, bytes);
        if random.below(20) == 0 {
            one.outward[0].last = at + random.below(200_000) as u32;
            one.last = one.outward[0].last;
        }
        if random.below(4) == 0 {
            one.opener = Some(Direction::Inbound);
            one.local_port = port;
        }
        one
    };
    (0..count).map(one).collect()
}

fn sum(bounds: &Bounds, connections: &[Connection]) -> ContactSums {
    let (mut sums, scene) = (ContactSums::within(bounds), Scene::default());
    connections.iter().for_each(|c| sums.add(c, &permitted(), &scene));
    sums
}

#[test]
fn neither_order_nor_splits_nor_merging_matter() {
    let ample = Bounds::default();
    let tiny = Bounds { contacts: 3_000, calls: 40_000, hours: 500, ..ample };
    let tiniest = Bounds { contacts: 60, calls: 3_000, hours: 7, ..ample };
    for (seed, bounds) in [(1, ample), (2, tiny), (3, tiny), (4, tiniest)] {
        let mut all = mixture(seed, 30_000);
        let expected = sum(&bounds, &all).finish();
        let mut random = Random(seed + 100);
        for round in 0..4 {
            match round {
                0 => all.reverse(),
                1 => all.sort_by_key(|c| (c.interface, c.first)),
                _ => all.sort_by_cached_key(|c| mix64(c.remote as u64 ^ u64::from(c.first) ^ random.0)),
            }
            let mut parts = Vec::new();
            let mut rest = all.as_slice();
            while !rest.is_empty() {
                let take = (random.below(20_000) * random.below(2) + random.below(2_000)) as usize + 1;
                let (part, left) = rest.split_at(take.min(rest.len()));
                parts.push(sum(&bounds, part));
                rest = left;
            }
            while parts.len() > 1 {
                let from = parts.swap_remove(random.below(parts.len() as u64) as usize);
                let into = random.below(parts.len() as u64) as usize;
                parts[into].merge(from);
            }
            let got = parts.pop().unwrap().finish();
            assert!(got.services == expected.services, "services: seed {seed}, round {round}");
            assert!(got.calls == expected.calls, "calls: seed {seed}, round {round}");
            assert!(got.hours == expected.hours, "hours: seed {seed}, round {round}");
        }
        // The test must have tested something.
        let tight = bounds.contacts < ample.contacts;
        assert_eq!(expected.calls.one_in() > 1, tight, "seed {seed}");
        assert_eq!(expected.hours.seconds() > 3600, tight);
        let all_ports = expected.services.rows.iter().map(|s| expected.services.ports(&s.key));
        assert_eq!(all_ports.into_iter().any(|(low, high)| low < high), tight);
        assert_eq!(expected.services.is_blurred(), bounds.contacts < 100, "seed {seed}");
        assert_eq!(expected.hours.interfaces_merged() > 1, bounds.hours < 10);
    }
}

/// Sums of bytes are exact whatever is merged, and long connections are spread over their hours.
#[test]
fn no_byte_is_lost_and_none_is_made_up() {
    let all = mixture(5, 20_000);
    let scene = Scene::default();
    let truth: u64 = all.iter().filter(|c| scene.is_public(c.remote)).map(|c| c.outward[0].bytes).sum();
    for bounds in [Bounds::default(), Bounds { hours: 40, ..Bounds::default() }] {
        assert_eq!(sum(&bounds, &all).finish().hours.total(), truth);
    }
    let mut long = connection(3, v4(0x5000_0001), 443, 7200 * 100_000 - 1800, 7_200_001);
    long.outward[0].last = 7200 * 100_000 + 5399;
    let hours = sum(&Bounds::default(), &[long]).finish().hours;
    let cells: Vec<(u32, u64)> = hours.of(3, false).collect();
    assert_eq!(cells, [(199_999, 1_800_000), (200_000, 3_600_000), (200_001, 1_800_001)]);
}

#[test]
fn shots_are_the_earliest_and_heavy_ones_survive() {
    let remote = v4(0x5000_0001);
    let mut all: Vec<Connection> =
        (0..2_000).map(|n| connection(1, remote, 8443, START + n * 60, 400)).collect();
    all.reverse();
    all.push(connection(1, remote, 8443, START + 30, 5 << 20));
    let calls = sum(&Bounds::default(), &all).finish().calls;
    let [row] = calls.of(1) else { panic!("{calls:?}") };
    assert_eq!((row.connections, row.bytes, row.is_whole()), (2_001, 2_000 * 400 + (5 << 20), false));
    assert_eq!(row.shots[..3], [(START, 400), (START + 30, 5 << 20), (START + 60, 400)]);
    assert!(row.shots.is_sorted() && row.shots.len() >= 256);

    // A crowd of addresses that are met once thins all but what carried much.
    let tight = Bounds { calls: 20_000, ..Bounds::default() };
    all.extend((0..60_000).map(|n| connection(1, v4(0x6000_0000 + n), 443, START, 400)));
    let calls = sum(&tight, &all).finish().calls;
    assert!(calls.one_in() >= 32, "{}", calls.one_in());
    assert!(calls.of(1).iter().any(|row| row.remote == remote && row.bytes >= 5 << 20));
}

#[test]
fn only_what_was_answered_is_a_contact() {
    let mut one_way = connection(1, v4(0x5000_0001), 443, START, 10);
    one_way.inward = [Part::default(); 2];
    let mut rejected = connection(1, v4(0x5000_0002), 443, START, 10);
    rejected.inward = [Part::default(); 2];
    rejected.outward.swap(0, 1);
    let mut unknown = connection(1, v4(0x5000_0003), 443, START, 10);
    unknown.opener = None;
    let contacts = sum(&Bounds::default(), &[one_way, rejected, unknown]).finish();
    assert_eq!(contacts.services.rows.len(), 0);
    assert_eq!(contacts.calls.rows.len(), 1, "what was sent without an answer was sent");
    let answered = connection(1, v4(0x5000_0001), 443, START, 10);
    let later = connection(2, v4(0x5000_00ff), 443, START + 50, 10);
    let services = sum(&Bounds::default(), &[later, answered]).finish().services;
    let [service] = &services.rows[..] else { panic!("{services:?}") };
    let [contact] = &service.contacts[..] else { panic!("{service:?}") };
    assert_eq!((contact.first, contact.interface(), contact.remote()), (START, 1, v4(0x5000_0001)));
    assert_eq!((contact.connections, contact.interfaces(), contact.rule()), (2, 2, Some(7)));
}

/// Everybody talks to everybody, for a year.
#[test]
fn tables_stay_within_their_budgets() {
    let (mut sums, scene, mut random) =
        (ContactSums::within(&Bounds::default()), Scene::default(), Random(9));
    let judged = permitted();
    let mut highest = [0; 3];
    for n in 0..6_000_000_u64 {
        let remote = v4(if n % 2 == 0 { 0x4000_0000 + n } else { 0x0a00_0000 | random.below(1 << 24) });
        let at = START + random.below(31_536_000) as u32;
        let one = connection(random.below(100_000) as u32, remote, random.below(65_536) as u16, at, 5_000);
        sums.add(&one, &judged, &scene);
        if n % 250_000 == 0 {
            let now = [sums.services.heap_bytes(), sums.calls.heap_bytes(), sums.hours.heap_bytes()];
            highest = [0, 1, 2].map(|at| now[at].max(highest[at]));
        }
    }
    println!("services, calls, hours: {highest:?} bytes at most");
    assert!(highest[0] < 40_000_000 && highest[1] < 60_000_000 && highest[2] < 20_000_000, "{highest:?}");
    let done = sums.finish();
    assert!(done.calls.one_in() > 1 && done.hours.seconds() > 3600);
}
