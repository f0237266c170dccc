//! The cost of a judged connection must not grow with the number of rules.
//!
//! `cargo bench --bench judge`: inventories of 10, 1,000 and 100,000 rules in groups of at most 60 (the quota), five
//! groups to an interface, on up to 15,000 interfaces; connections come in the order of interfaces and addresses, as
//! pairing hands them over. `one interface` puts all 100,000 rules on a single one, a hundred times what AWS allows. The last lines
//! are the cost of one connection and its ratio to that with 10 rules. The cases with changes have AWS Config history:
//! the cost must not grow with the number of changes either. Without handshakes, as in logs of version 2, the
//! configuration is asked about both directions before the verdict. Every connection has a peer of its own, which is the
//! worst that can be; but for the case with peers that come back.
//!
//! `cargo bench --bench judge -- --once "10 rules" 20000` judges so many connections of one case, and nothing else: for
//! `valgrind --tool=callgrind --toggle-collect='judge::judge_all'`, which counts instructions.
//!
//! `cargo bench --bench judge -- --growth` prints only the cost, for the curves of `docs/benchmarks.md`.

#![allow(clippy::unwrap_used, reason = "a bench that fails may panic")]
#![allow(clippy::print_stdout, reason = "the ratio is no figure that criterion knows")]
#![allow(clippy::disallowed_methods, reason = "a program of its own reads its own command line")]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use flowgate::connection::{Connection, Coverage, Evidence, Part, RejectReason};
use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{
    AclEntry, History, Inventory, NetworkAcl, NetworkInterface, Rule, RulePeer, SecurityGroup, State, Subnet,
    Timeline, Track, Version,
};
use flowgate::policy::{Judge, Policy, Verdict};

/// In all; the largest case has a hundred for each interface, which is a quiet quarter of an hour.
const CONNECTIONS: usize = 1_500_000;
const TEMPLATES: usize = 1_000;
const GROUPS: usize = 5;
const QUOTA: usize = 60;

/// What connections are like.
#[derive(Clone, Copy, PartialEq)]
enum Traffic {
    /// The opener is known from the handshake.
    Handshakes,
    /// The configuration is asked for the opener.
    Undecided,
    /// The same, and ten connections in a row have the same peer.
    Repeated,
}

use Traffic::{Handshakes, Repeated, Undecided};

/// Name, rules, rules per group, interfaces, changes that AWS Config recorded, if it did, and traffic.
type Case = (&'static str, usize, usize, usize, Option<usize>, Traffic);

const CASES: [Case; 10] = [
    ("10 rules", 10, 2, 1, None, Handshakes),
    ("1,000 rules", 1_000, QUOTA, 150, None, Handshakes),
    ("100,000 rules", 100_000, QUOTA, 15_000, None, Handshakes),
    ("100,000 on one interface", 100_000, 20_000, 1, None, Handshakes),
    ("1,000 rules, no handshakes", 1_000, QUOTA, 150, None, Undecided),
    ("100,000 rules, no handshakes", 100_000, QUOTA, 15_000, None, Undecided),
    ("1,000 rules, repeated peers", 1_000, QUOTA, 150, None, Repeated),
    ("100,000 rules, recorded", 100_000, QUOTA, 15_000, Some(0), Handshakes),
    ("100,000 rules, 1,000 changes", 100_000, QUOTA, 15_000, Some(1_000), Handshakes),
    ("100,000 rules, 20,000 changes", 100_000, QUOTA, 15_000, Some(20_000), Handshakes),
];

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// What each size has: the first rules let the web in from everywhere and one /8 to ssh, the rest are blocks from
/// /16 to /32 with ports of their own.
fn policy(rules: usize, per_group: usize, interfaces: usize, changes: Option<usize>) -> Policy {
    let mut random = Random(11);
    let mut inventory = Inventory::default();
    let groups = rules.div_ceil(per_group);
    for group in 0..groups {
        let id = format!("sg-{group:05}");
        let mine = (group..rules).step_by(groups).map(|n| {
            // Every group has the two broad rules, so that as much is permitted whatever the size.
            let (net, ports) = match n / groups {
                0 => ("0.0.0.0/0".parse().unwrap(), (443, 443)),
                1 => ("10.0.0.0/8".parse().unwrap(), (22, 22)),
                _ => {
                    let bits = 0x0a00_0000 | random.below(1 << 24) as u32;
                    let net = ipnet::Ipv4Net::new(Ipv4Addr::from(bits), 16 + random.below(17) as u8).unwrap();
                    let port = 1024 + random.below(60_000) as u16;
                    (ipnet::IpNet::V4(net.trunc()), (port, port.saturating_add(8)))
                }
            };
            Rule {
                id: format!("sgr-{n:08x}"),
                synthetic: false,
                group: id.clone(),
                direction: Direction::Inbound,
                protocol: Some(Protocol::TCP),
                ports: Some(ports),
                icmp: None,
                peer: RulePeer::Cidr(net),
                description: None,
            }
        });
        let group = SecurityGroup { id: id.clone(), rules: mine.collect(), ..SecurityGroup::default() };
        inventory.security_groups.insert(id, group);
    }
    let names: Vec<String> = (0..interfaces).map(|i| format!("eni-{i:05}")).collect();
    for (i, id) in names.iter().enumerate() {
        let member = |g: usize| format!("sg-{:05}", (i + g) % groups);
        let mut own: Vec<String> = (0..GROUPS).map(member).collect();
        own.sort();
        own.dedup();
        let interface = NetworkInterface {
            id: id.clone(),
            subnet: Some("subnet-1".into()),
            groups: own,
            addresses: vec!["10.0.0.5".parse().unwrap()],
            ..NetworkInterface::default()
        };
        inventory.interfaces.insert(id.clone(), interface);
    }
    let subnet =
        Subnet { id: "subnet-1".into(), cidrs: vec!["10.0.0.0/24".parse().unwrap()], ..Subnet::default() };
    inventory.subnets.insert("subnet-1".into(), subnet);
    let entry = |direction| AclEntry {
        number: 100,
        direction,
        protocol: None,
        allow: true,
        cidr: "0.0.0.0/0".parse().unwrap(),
        ports: None,
        icmp: None,
    };
    let acl = NetworkAcl {
        id: "acl-1".into(),
        subnets: vec!["subnet-1".into()],
        entries: vec![entry(Direction::Inbound), entry(Direction::Outbound)],
        ..NetworkAcl::default()
    };
    inventory.network_acls.insert("acl-1".into(), acl);
    let history = changes.map(|changes| history(&inventory, changes)).unwrap_or_default();
    let timeline = Timeline::with_history(vec![inventory], history);
    let start = Instant::now();
    let policy = Policy::new(&timeline, &names);
    if let Some(changes) = changes {
        println!("judge: {rules} rules and {changes} changes compiled in {:?}", start.elapsed());
    }
    policy
}

fn version<T>(from: i64, state: T) -> Version<T> {
    Version { from, daily: false, confirmed: from, state: State::Present(state) }
}

/// Groups and interfaces as recorded, with changes that take turns: one after the other, every group loses its last
/// rule and gets it back. Connections lie in the middle.
fn history(inventory: &Inventory, changes: usize) -> History {
    let mut history = History::default();
    for (id, interface) in &inventory.interfaces {
        history.interfaces.insert(id.clone(), Track::new(vec![version(i64::MIN / 4, interface.clone())]));
    }
    let groups = inventory.security_groups.len();
    for (n, (id, group)) in inventory.security_groups.iter().enumerate() {
        let mine = changes / groups + usize::from(n < changes % groups);
        let first = -(mine as i64 / 2) * 3_600;
        let mut versions = vec![version(i64::MIN / 4, group.clone())];
        for change in 0..mine {
            let mut state = group.clone();
            if change % 2 == 0 {
                state.rules.pop();
            }
            versions.push(version(first + change as i64 * 3_600 - 1_800, state));
        }
        history.security_groups.insert(id.clone(), Track::new(versions));
    }
    history
}

/// Accepted inbound connections, half of them from within 10.0.0.0/8, a third to 443; by remote address.
fn connections() -> Vec<Connection> {
    let mut random = Random(5);
    let part = Part { records: 1, packets: 5, bytes: 400, first: 60, last: 90, syn: true, ..Part::default() };
    let mut templates: Vec<Connection> = (0..TEMPLATES)
        .map(|_| {
            let bits = random.next() as u32;
            let remote = if random.below(2) == 0 { 0x0a00_0000 | bits >> 8 } else { bits };
            let other = 1024 + random.below(60_000) as u16;
            Connection {
                interface: 0,
                local: Ipv4Addr::new(10, 0, 0, 5).to_ipv6_mapped().to_bits(),
                remote: Ipv4Addr::from(remote).to_ipv6_mapped().to_bits(),
                local_port: [443, 22, other][random.below(3) as usize],
                remote_port: 40_000,
                protocol: Protocol::TCP,
                opener: Some(Direction::Inbound),
                evidence: Evidence::TcpFlags,
                local_known: true,
                first: 60,
                last: 90,
                inward: [part, Part::default()],
                outward: [Part { syn: false, syn_ack: true, ..part }, Part::default()],
                late: Part::default(),
                reason: RejectReason::None,
            }
        })
        .collect();
    templates.sort_by_key(|c| c.remote);
    templates
}

/// Judges interface after interface, in runs of a hundred connections in the order of their remote addresses: pairing
/// sorts by tuple. Of `all`, the first `count`.
#[inline(never)]
fn judge_all(
    policy: &Policy,
    templates: &[Connection],
    interfaces: usize,
    traffic: Traffic,
    (count, all): (usize, usize),
) -> usize {
    let mut judge = Judge::new(policy);
    let coverage = Coverage::default();
    let mut permitted = |n: usize| {
        let peer = if traffic == Repeated { n - n % 10 } else { n };
        let (run, place) = (peer / 100, peer % 100);
        let mut connection = templates[place * (TEMPLATES / 100) + run % (TEMPLATES / 100)];
        connection.interface = (n * interfaces / all) as u32;
        connection.remote_port = 40_000 + (n % 10) as u16;
        if traffic != Handshakes {
            let connection = black_box(&mut connection);
            let inbound = judge.fit(connection, Direction::Inbound);
            let outbound = judge.fit(connection, Direction::Outbound);
            let opener = if inbound >= outbound { Direction::Inbound } else { Direction::Outbound };
            connection.opener = Some(opener);
        }
        judge.judge(black_box(&connection), &coverage).verdict == Verdict::Permitted
    };
    (0..count).filter(|&n| permitted(n)).count()
}

fn judge(c: &mut Criterion) {
    let templates = connections();
    let cases: Vec<(&str, Policy, usize, Traffic)> = CASES
        .iter()
        .map(|&(name, rules, per, n, changes, traffic)| (name, policy(rules, per, n, changes), n, traffic))
        .collect();
    let mut group = c.benchmark_group("judge");
    group.sample_size(10).throughput(Throughput::Elements(CONNECTIONS as u64));
    for (name, policy, interfaces, traffic) in &cases {
        let permitted = judge_all(policy, &templates, *interfaces, *traffic, (CONNECTIONS, CONNECTIONS));
        assert!(permitted > CONNECTIONS / 4, "too little is permitted to be of interest");
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| judge_all(policy, &templates, *interfaces, *traffic, (CONNECTIONS, CONNECTIONS)));
        });
    }
    group.finish();
    let cost = |policy: &Policy, interfaces: usize, traffic: Traffic| {
        (0..10).map(|_| once(policy, &templates, interfaces, traffic, CONNECTIONS)).min_by(f64::total_cmp)
    };
    let costs: Vec<(&str, f64)> =
        cases.iter().map(|(name, p, n, traffic)| (*name, cost(p, *n, *traffic).unwrap())).collect();
    for (name, ns) in &costs {
        println!("judge: {name}: {ns:.0} ns a connection, {:.2} x", ns / costs[0].1);
    }
}

/// Lines of `growth RULES INTERFACES NANOSECONDS`, the best of three: rules grow on 1,000 interfaces, interfaces with
/// 1,000 rules, then both. Always a hundred connections for each interface, at least a million.
fn growth() {
    let mut templates = connections();
    templates.sort_by_key(|c| c.remote);
    let sizes = [10, 100, 1_000, 10_000, 100_000];
    let cases =
        sizes.map(|n| (n, 1_000)).into_iter().chain(sizes.map(|n| (1_000, n))).chain(sizes.map(|n| (n, n)));
    for (rules, interfaces) in cases {
        // Five groups at the least: an interface has them all.
        let policy = policy(rules, QUOTA.min(rules / GROUPS), interfaces, None);
        let connections = (100 * interfaces).max(1_000_000);
        let once = || {
            let start = Instant::now();
            black_box(judge_all(&policy, &templates, interfaces, Handshakes, (connections, connections)));
            start.elapsed()
        };
        let best = (0..3).map(|_| once()).min().unwrap();
        println!("growth {rules} {interfaces} {:.1}", best.as_nanos() as f64 / connections as f64);
    }
}

/// Nanoseconds a connection.
fn once(policy: &Policy, templates: &[Connection], interfaces: usize, traffic: Traffic, count: usize) -> f64 {
    let start = Instant::now();
    black_box(judge_all(policy, templates, interfaces, traffic, (count, CONNECTIONS)));
    start.elapsed().as_nanos() as f64 / count as f64
}

criterion_group!(benches, judge);

fn main() {
    if std::env::args().any(|argument| argument == "--growth") {
        return growth();
    }
    let arguments: Vec<String> = std::env::args().collect();
    let Some(at) = arguments.iter().position(|a| a == "--once") else {
        benches();
        return Criterion::default().configure_from_args().final_summary();
    };
    let (name, count) = (&arguments[at + 1], arguments[at + 2].parse().unwrap());
    let &(name, rules, per, interfaces, changes, traffic) = CASES.iter().find(|c| c.0 == name).unwrap();
    let policy = policy(rules, per, interfaces, changes);
    let ns = once(&policy, &connections(), interfaces, traffic, count);
    println!("judge: {name}: {ns:.0} ns a connection");
}
