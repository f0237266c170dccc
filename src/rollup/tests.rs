//! Rollups stay within bounds, and what is in them depends on the connections alone.

use std::sync::LazyLock;

use super::bounds::{Bounds, Limits};
use super::*;
use crate::connection::{Connection, Evidence, InterfaceFacts, Part, RejectReason};
use crate::flow::{Direction, Protocol};
use crate::hash::mix64;
use crate::policy::{Cause, Decision, Judged};
use polars::prelude::ChunkAgg as _;

const START: u32 = 1_760_000_000;

/// SplitMix64 (Steele, Lea, Flood 2014).
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

pub(super) fn connection(interface: u32, remote: u128, port: u16, at: u32) -> Connection {
    let part = Part { records: 1, packets: 1, bytes: 40, first: at, last: at, ..Part::default() };
    Connection {
        interface,
        local: v4(0x0a00_0000 | u64::from(interface)),
        remote,
        local_port: port,
        remote_port: (remote as u16) | 1024,
        protocol: Protocol::TCP,
        opener: Some(Direction::Inbound),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: at,
        last: at,
        inward: [part, Part::default()],
        outward: [Part::default(); 2],
        late: Part::default(),
        reason: RejectReason::None,
    }
}

pub(super) fn judged(verdict: Verdict, rules: Vec<u32>) -> Judged {
    Judged {
        verdict,
        decision: Decision { known: true, has_groups: true, rules, ..Decision::default() },
        blocked_reply: None,
        removed_by: None,
        removed_exactly: false,
        former: Vec::new(),
        tracking: None,
        possible: Vec::new(),
    }
}

fn rejected() -> Judged {
    judged(Verdict::Rejected(Cause::SecurityGroup), Vec::new())
}

/// Everything that detectors see.
#[derive(Debug, PartialEq)]
struct Seen {
    rules: Vec<(u32, RuleUse)>,
    sets: RuleSets,
    odd: OddCells,
    blocked: OddCells<Cause>,
    exposed: OddCells<Exposure>,
    watched: WatchSums,
    ends: EndsSums,
    rejects: RejectTable,
    admitted: Admitted,
    connections: u64,
    verdicts: Vec<(Verdict, u64)>,
}

fn seen(mut rollup: Rollup) -> Seen {
    rollup.end_of_partition(&SCENE);
    let verdicts = rollup.verdicts().into_iter().collect();
    let rules = rollup.rules.finish().into_iter().map(|(n, usage)| (n, (*usage).clone()));
    Seen {
        rules: rules.collect(),
        sets: rollup.sets.finish(),
        odd: rollup.odd.finish(),
        blocked: rollup.blocked.finish(),
        exposed: rollup.exposed.finish(),
        watched: rollup.watched.finish(),
        ends: rollup.ends.finish(),
        rejects: rollup.rejects.finish(),
        admitted: rollup.admitted.finish(),
        connections: rollup.connections,
        verdicts,
    }
}

/// A bit of everything: busy and quiet rules and interfaces, floods and knocks, escapes on few and many ports.
fn mixture(seed: u64, count: usize) -> Vec<(Connection, Judged)> {
    let mut random = Random(seed);
    let mut all = Vec::new();
    for _ in 0..count {
        // Few are frequent, most are rare.
        let skewed = |random: &mut Random, end: u64| random.below(random.0 % end + 1);
        let interface = skewed(&mut random, 400) as u32;
        let outside = random.below(3) > 0;
        let remote = match random.below(4) {
            0 => v4(if outside { 0xc633_6407 } else { 0x0a01_0007 }),
            1 => v4(if outside { 0xc633_6400 } else { 0x0a01_0000 } | random.below(200)),
            2 => v4(if outside { 0x5000_0000 } else { 0x0a00_0000 } | random.below(1 << 20)),
            _ => (0x2001_0db8_u128 << 96) | u128::from(random.below(1 << 18)) << 64 | 1,
        };
        let port = skewed(&mut random, 30_000) as u16;
        let at = START + skewed(&mut random, 40 * 300) as u32;
        let mut one = connection(interface, remote, port, at);
        if random.below(3) == 0 {
            one.inward[0] = one.inward[1];
            one.inward[0].records = 1;
        }
        let verdict = match random.below(10) {
            0 => judged(Verdict::Escaped(EscapeReason::NoRule), Vec::new()),
            1 => judged(Verdict::Misdropped, Vec::new()),
            2..=4 => {
                let first = skewed(&mut random, 150) as u32;
                let more = (0..random.below(4)).map(|n| first + 1 + n as u32 + random.0 as u32 % 3 * 50);
                let mut rules: Vec<u32> = std::iter::once(first).chain(more).collect();
                rules.sort_unstable();
                rules.dedup();
                judged(Verdict::Permitted, rules)
            }
            5..=6 => judged(Verdict::Rejected(Cause::NetworkAclIn), Vec::new()),
            _ => rejected(),
        };
        if matches!(verdict.verdict, Verdict::Rejected(_) | Verdict::Misdropped) {
            one.inward.swap(0, 1);
        }
        let reply = (random.below(20) == 0).then_some(Cause::NetworkAclOut);
        all.push((one, Judged { blocked_reply: reply, ..verdict }));
    }
    all
}

/// Every address of the mixture outside is on a list, most with an entry of their own; many of those inside are those of
/// other interfaces.
static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let mut text = String::from("198.51.100.0/24\n2001:db8::/33\n");
    for n in (0..1 << 20).step_by(64) {
        text.push_str(&format!("{}/26\n", crate::flow::address_from_bits(v4(0x5000_0000 + n))));
    }
    let mut loader = crate::watchlist::Loader::default();
    loader.add("list", text.as_bytes());
    let mut inventory = crate::inventory::Inventory::default();
    let facts: Vec<InterfaceFacts> = (0..400)
        .map(|n| {
            let addresses = [0x0a00_0000 | n, 0x0a01_0000 | n];
            let id = format!("eni-{n:03}");
            let interface = crate::inventory::NetworkInterface {
                vpc: Some("vpc-1".into()),
                addresses: addresses.map(|a| crate::flow::address_from_bits(v4(a))).to_vec(),
                ..Default::default()
            };
            inventory.interfaces.insert(id.clone(), interface);
            let mut facts = InterfaceFacts { id, ..InterfaceFacts::default() };
            (facts.coverage.accepts, facts.coverage.rejects) = (1, 1);
            (facts.coverage.first, facts.coverage.last) = (Some(0), Some(u32::MAX));
            facts.coverage.buckets.insert_range(START / 600 - 10, START / 600 + 100);
            facts
        })
        .collect();
    let timeline = crate::inventory::Timeline::new(vec![inventory]);
    Scene::default().watching(Some(loader.finish().into())).between(Directory::new(&facts, &timeline))
});

fn tiny() -> Bounds {
    Bounds {
        peers: 1_000,
        ports: 700,
        sets: 3_000,
        odd: 12_000,
        unmet: 300,
        blocked: 4_000,
        exposed: 500,
        watched: 6_000,
        knocks: 150,
        views: 200,
        contradictions: 40,
        agreements: 60,
        outside: Limits { attempts: 1_500, cells: 900 },
        inside: Limits { attempts: 600, cells: 300 },
        admitted: 500,
        ..Bounds::default()
    }
}

fn sum(bounds: &Bounds, connections: &[(Connection, Judged)]) -> Rollup {
    let mut rollup = Rollup::within(bounds);
    connections.iter().for_each(|(connection, judged)| rollup.add(connection, judged, &SCENE));
    rollup
}

#[test]
fn neither_order_nor_splits_nor_merging_matter() {
    let ample = Bounds::default();
    for (seed, bounds) in [(1, tiny()), (2, tiny()), (3, ample), (4, Bounds { odd: 900_000, ..tiny() })] {
        let mut all = mixture(seed, 70_000);
        let expected = seen(sum(&bounds, &all));
        let mut random = Random(seed + 100);
        for round in 0..5 {
            match round {
                0 => all.reverse(),
                1 => all.sort_by_key(|(c, _)| (c.interface, c.first)),
                2 => all.sort_by_key(|(c, _)| (c.port_of_remote(), c.remote)),
                _ => all.sort_by_cached_key(|(c, _)| mix64(c.remote as u64 ^ u64::from(c.first) ^ random.0)),
            }
            // Parts of very different sizes, merged in any order.
            let mut parts = Vec::new();
            let mut rest = all.as_slice();
            while !rest.is_empty() {
                let take = (random.below(40_000) * random.below(2) + random.below(3_000)) as usize + 1;
                let (part, left) = rest.split_at(take.min(rest.len()));
                parts.push(sum(&bounds, part));
                rest = left;
            }
            while parts.len() > 1 {
                let from = parts.swap_remove(random.below(parts.len() as u64) as usize);
                let into = random.below(parts.len() as u64) as usize;
                parts[into].merge(from);
            }
            let got = seen(parts.pop().unwrap());
            assert_eq!(got.rules, expected.rules, "seed {seed}, round {round}");
            assert_eq!(got.sets, expected.sets, "seed {seed}, round {round}");
            assert!(got.odd == expected.odd, "odd: seed {seed}, round {round}");
            assert_eq!(got.rejects.shape(), expected.rejects.shape(), "seed {seed}, round {round}");
            assert!(got.rejects == expected.rejects, "rejects: seed {seed}, round {round}");
            assert!(got.admitted == expected.admitted, "admitted: seed {seed}, round {round}");
            assert!(got == expected, "seed {seed}, round {round}");
        }
        // The test must have tested something.
        let rejects = &expected.rejects;
        let thinned = rejects.of_side(false).any(|a| a.weight > 1);
        let tight = bounds.peers < ample.peers;
        assert_eq!(thinned, tight);
        assert_eq!(rejects.bucket_seconds(false) > 300, tight);
        assert_eq!(expected.sets.is_complete(), !tight);
        assert_eq!(expected.rules.iter().any(|(_, usage)| usage.ports.is_approximate()), tight);
        assert_eq!(expected.rules.iter().any(|(_, usage)| usage.peers.is_approximate()), tight);
        assert_eq!(expected.odd.ports_merged() > 1, tight && bounds.odd < 900_000);
        assert_eq!(expected.exposed.ports_merged() > 1, tight);
        assert_eq!(expected.watched.accepted.subjects_left_out() > 1, tight);
        assert_eq!(expected.watched.rejected_scale > 1, tight);
        let total = &expected.ends.totals;
        assert_eq!(total.uncompared[Uncompared::TooMany as usize] > 0, tight);
        assert!(total.rejected_at_one_end > 0 && !expected.ends.cells.is_empty(), "{total:?}");
    }
}

trait Keyed {
    fn port_of_remote(&self) -> u16;
}

impl Keyed for Connection {
    fn port_of_remote(&self) -> u16 {
        self.remote_port
    }
}

#[test]
fn counts_are_exact_whatever_was_left_out() {
    let all = mixture(5, 60_000);
    let (exact, thin) = (seen(sum(&Bounds::default(), &all)), seen(sum(&tiny(), &all)));
    assert_eq!(exact.rejects.len(), thin.rejects.len());
    let frame = |table: &RejectTable| {
        let frame = table.by_bucket().unwrap();
        frame.column("attempts").unwrap().u64().unwrap().sum().unwrap()
    };
    assert_eq!(frame(&thin.rejects), thin.rejects.len());
    assert_eq!(frame(&exact.rejects), exact.rejects.len());
    for ((n, a), (m, b)) in exact.rules.iter().zip(&thin.rules) {
        assert_eq!(
            (n, a.connections, a.bytes, a.first, a.last),
            (m, b.connections, b.bytes, b.first, b.last)
        );
        assert_eq!(a.blocks, b.blocks, "blocks do not depend on what is left of the peers");
        let ports = |usage: &RuleUse| usage.ports.top().iter().map(|(_, n)| n).sum::<u64>();
        assert_eq!(ports(a), ports(b));
    }
    let sum = |cells: &OddCells| {
        cells.iter().map(|(_, c)| (c.connections, c.bytes)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
    };
    assert_eq!(sum(&exact.odd), sum(&thin.odd));
}

/// A flood hides neither who makes it nor what else happens, and its numbers are as good as they say.
#[test]
fn a_flood_is_told_from_a_sample() {
    let (mut rollup, scene) = (Rollup::default(), Scene::default());
    let (flood, quiet) = (3, 4);
    let sources = 2_000_000_u64;
    for n in 0..sources {
        let at = START + (n % 600) as u32;
        rollup.add(&connection(flood, v4(0x3000_0000 + n), (n % 5_000) as u16, at), &rejected(), &scene);
        // Half as many from one.
        if n % 2 == 0 {
            let one =
                Connection { remote_port: (n / 2) as u16, ..connection(flood, v4(0xc633_6407), 22, at) };
            rollup.add(&one, &rejected(), &scene);
        }
        if n % 4_000 == 0 {
            rollup.add(&connection(quiet, v4(0xc000_0200 + n / 4_000), 443, START), &rejected(), &scene);
        }
    }
    let table = rollup.rejects.finish();
    assert_eq!(table.len(), sources + sources / 2 + 500);
    let first = START / REJECT_BUCKET;
    let series = |interface, class| Series {
        interface,
        direction: Direction::Inbound,
        cause: "security-group",
        inside: false,
        class,
    };
    let quiet: Vec<Attempt> = table.attempts(&series(quiet, ServiceClass::Web), first..=first + 2).collect();
    assert_eq!((quiet.len(), quiet.iter().all(|a| a.weight == 1)), (500, true), "untouched");
    let all = first..=first + 2;
    let flood = ServiceClass::ALL.map(|class| series(flood, class));
    let counts = flood.iter().flat_map(|one| table.counts(one, all.clone()));
    assert_eq!(counts.map(|c| c.attempts).sum::<u64>(), 3_000_000);
    let sample: Vec<Attempt> = flood.iter().flat_map(|one| table.attempts(one, all.clone())).collect();
    let weight =
        |of: &dyn Fn(&Attempt) -> bool| sample.iter().filter(|a| of(a)).map(|a| a.weight).sum::<u64>() as f64;
    assert!((weight(&|_| true) / 3e6 - 1.0).abs() < 0.05);
    let share = weight(&|a| a.remote == v4(0xc633_6407)) / weight(&|_| true);
    assert!((share - 1.0 / 3.0).abs() < 0.02, "{share}");
    let distinct = table.distinct(&flood.map(|one| (one, all.clone())), &[]);
    for (estimate, truth) in [(distinct.sources, 2_000_001.0), (distinct.ports, 5_000.0)] {
        let error = estimate.count as f64 / truth - 1.0;
        assert!(estimate.error > 0.0 && estimate.error < 0.1, "{estimate:?}");
        assert!(error.abs() < 3.0 * estimate.error, "{estimate:?}: {error}");
    }
}

/// Bytes on the heap, at their highest.
struct Watched {
    rollup: Rollup,
    highest: usize,
    added: u64,
}

impl Watched {
    fn new() -> Self {
        Self { rollup: Rollup::default(), highest: 0, added: 0 }
    }

    fn add(&mut self, connection: &Connection, judged: &Judged) {
        self.rollup.add(connection, judged, &Scene::default());
        self.added += 1;
        if self.added.is_multiple_of(500_000) {
            self.highest = self.highest.max(self.rollup.heap_bytes());
        }
    }
}

const MB: usize = 1_000_000;

/// 12 million sources scan all ports of 100,000 interfaces for a year; half as many again from inside.
#[test]
fn scans_do_not_grow_rollups() {
    let mut watched = Watched::new();
    let mut random = Random(1);
    let (rejected, mut at_half) = (rejected(), 0);
    for n in 0..12_000_000_u64 {
        let at = START + random.below(31_536_000) as u32;
        let port = random.below(65_536) as u16;
        let interface = random.below(100_000) as u32;
        let remote = if n % 3 == 0 { 0x0a00_0000 | random.below(1 << 24) } else { 0x4000_0000 + n };
        watched.add(&connection(interface, v4(remote), port, at), &rejected);
        if n == 6_000_000 {
            at_half = watched.rollup.heap_bytes();
        }
    }
    println!("scans: {} bytes at most", watched.highest);
    assert!(watched.highest < 68 * MB, "{}", watched.highest);
    assert!(watched.rollup.heap_bytes() < at_half + 5 * MB, "it does not grow");
    let table = watched.rollup.rejects.finish();
    assert_eq!(table.len(), 12_000_000);
    assert!(table.of_side(false).count() > 100_000, "a sample is left");
}

/// Everybody uses every one of 100,000 rules, from everywhere, on every port, in many combinations, and gets past them.
#[test]
fn busy_rules_and_escapes_do_not_grow_rollups() {
    let mut watched = Watched::new();
    let mut random = Random(2);
    let escaped = judged(Verdict::Escaped(EscapeReason::NoRule), Vec::new());
    let mut permitted = judged(Verdict::Permitted, Vec::new());
    let mut at_half = 0;
    for n in 0..10_000_000_u64 {
        let interface = random.below(100_000) as u32;
        let port = random.below(65_536) as u16;
        let one = connection(interface, v4(0x4000_0000 + n), port, START + (n / 1000) as u32);
        if n % 4 == 0 {
            watched.add(&one, &escaped);
        } else {
            let first = random.below(100_000) as u32;
            permitted.decision.rules = vec![first, 100_000 + random.below(4) as u32];
            watched.add(&one, &permitted);
        }
        if n == 5_000_000 {
            at_half = watched.rollup.heap_bytes();
        }
    }
    println!("busy rules and escapes: {} bytes at most", watched.highest);
    assert!(watched.highest < 100 * MB, "{}", watched.highest);
    assert!(watched.rollup.heap_bytes() < at_half + 5 * MB, "it does not grow");
    let seen = seen(watched.rollup);
    assert_eq!(seen.rules.len(), 100_004);
    let (_, busiest) = &seen.rules[100_000];
    assert!(busiest.connections > 1_800_000 && busiest.peers.is_approximate());
    assert_eq!(seen.odd.iter().map(|(_, cell)| cell.connections).sum::<u64>(), 2_500_000);
}
