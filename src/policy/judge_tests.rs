//! A judge with a memory says what one without says, whatever was asked before; and answers hold as far as they say.

use ipnet::IpNet;
use proptest::prelude::*;

use super::*;
use crate::connection::Evidence;
use crate::flow::{address_bits, address_from_bits};
use crate::inventory::{
    AclEntry, History, Inventory, NetworkAcl, NetworkInterface, PrefixList, Rule, RulePeer, SecurityGroup,
    State, Subnet, Timeline, Track, Version,
};
use crate::policy::scope::Scope;

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }

    fn some<T: Clone>(&mut self, from: &[T]) -> Vec<T> {
        from.iter().filter(|_| self.one_in(2)).cloned().collect()
    }
}

/// Of changes: within a band, a lag, a day of each other, and far apart.
const MOMENTS: [i64; 6] = [1_000_000, 1_000_045, 1_000_400, 1_040_000, 1_200_000, 1_200_060];
const INTERFACES: [&str; 5] = ["eni-0", "eni-1", "eni-2", "eni-3", "eni-4"];
const GROUPS: [&str; 4] = ["sg-0", "sg-1", "sg-2", "sg-3"];
const SUBNETS: [&str; 3] = ["subnet-0", "subnet-1", "subnet-2"];
const BLOCKS: [&str; 12] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.1.128/25",
    "10.0.1.7/32",
    "198.51.100.0/24",
    "255.255.255.255/32",
    "::/0",
    "2001:db8::/32",
    "2001:db8:0:1::/64",
    "::1/128",
];
const ADDRESSES: [&str; 14] = [
    "10.0.1.7",
    "10.0.1.8",
    "10.0.1.128",
    "10.0.2.1",
    "10.1.0.0",
    "9.255.255.255",
    "198.51.100.9",
    "203.0.113.5",
    "0.0.0.0",
    "255.255.255.255",
    "2001:db8:0:1::7",
    "2001:db9::1",
    "::1",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];
const PORTS: [u16; 10] = [0, 22, 23, 443, 444, 1024, 8080, 40_000, 40_001, 65_535];
const PROTOCOLS: [u8; 4] = [6, 17, 1, 58];

fn blocks(random: &mut Random) -> Vec<IpNet> {
    random.some(&BLOCKS).iter().map(|b| b.parse().unwrap()).collect()
}

fn ports(random: &mut Random) -> Option<(u16, u16)> {
    let (a, b) = (random.pick(&PORTS), random.pick(&PORTS));
    (!random.one_in(4)).then_some((a.min(b), a.max(b)))
}

fn protocol(random: &mut Random) -> Option<Protocol> {
    (!random.one_in(4)).then(|| Protocol(random.pick(&[6, 6, 17, 1])))
}

fn direction(random: &mut Random) -> Direction {
    random.pick(&[Direction::Inbound, Direction::Outbound])
}

/// One of a few rules of the group, always the same for the same number.
fn rule(group: &str, number: u64) -> Rule {
    let mut random = Random(number ^ u64::from(group.as_bytes()[3]) << 32);
    let peer = match random.below(8) {
        0 => RulePeer::PrefixList(random.pick(&["pl-0", "pl-1", "pl-2"]).to_owned()),
        1 | 2 => RulePeer::Group {
            id: random.pick(&["sg-0", "sg-1", "sg-2", "sg-9"]).to_owned(),
            account: None,
            peering: None,
            status: random.one_in(6).then(|| "deleted".to_owned()),
        },
        _ => RulePeer::Cidr(random.pick(&BLOCKS).parse().unwrap()),
    };
    let protocol = protocol(&mut random);
    Rule {
        id: format!("sgr-{group}-{number}"),
        synthetic: false,
        group: group.to_owned(),
        direction: direction(&mut random),
        protocol,
        ports: ports(&mut random),
        icmp: (protocol == Some(Protocol::ICMP)).then(|| (random.pick(&[-1, 8]), -1)),
        peer,
        description: None,
    }
}

fn group(random: &mut Random, id: &str) -> SecurityGroup {
    // Rarely so many that a block gets tables of ports.
    let many = if random.one_in(6) { 60 } else { 6 };
    let rules =
        (0..random.below(many)).map(|_| random.below(many)).collect::<std::collections::BTreeSet<_>>();
    SecurityGroup {
        id: id.to_owned(),
        rules: rules.into_iter().map(|n| rule(id, n)).collect(),
        ..SecurityGroup::default()
    }
}

fn interface(random: &mut Random, id: &str) -> NetworkInterface {
    let mut groups: Vec<String> = random.some(&GROUPS).into_iter().map(str::to_owned).collect();
    if random.one_in(8) {
        groups.push("sg-9".to_owned());
    }
    NetworkInterface {
        id: id.to_owned(),
        subnet: (!random.one_in(6)).then(|| random.pick(&SUBNETS).to_owned()),
        groups,
        addresses: (0..random.below(3)).map(|_| random.pick(&ADDRESSES).parse().unwrap()).collect(),
        prefixes: if random.one_in(6) { vec!["10.0.1.0/28".parse().unwrap()] } else { Vec::new() },
        ..NetworkInterface::default()
    }
}

fn acl(random: &mut Random, id: &str) -> NetworkAcl {
    let entry = |random: &mut Random, number: u64| AclEntry {
        number: number as u32,
        direction: direction(random),
        protocol: protocol(random),
        allow: !random.one_in(3),
        cidr: random.pick(&BLOCKS).parse().unwrap(),
        ports: ports(random),
        icmp: random.one_in(6).then_some((8, -1)),
    };
    NetworkAcl {
        id: id.to_owned(),
        subnets: random.some(&SUBNETS).into_iter().map(str::to_owned).collect(),
        entries: (0..random.below(10)).map(|number| entry(random, number)).collect(),
        ..NetworkAcl::default()
    }
}

fn list(random: &mut Random, id: &str) -> PrefixList {
    let entries = (!random.one_in(4)).then(|| blocks(random));
    PrefixList { id: id.to_owned(), entries, ..PrefixList::default() }
}

fn inventory(random: &mut Random, observed_at: Option<i64>) -> Inventory {
    fn all<T>(
        random: &mut Random,
        ids: &[&str],
        make: impl Fn(&mut Random, &str) -> T,
    ) -> std::collections::BTreeMap<String, T> {
        let there: Vec<&str> = ids.iter().copied().filter(|_| !random.one_in(8)).collect();
        there.into_iter().map(|id| (id.to_owned(), make(random, id))).collect()
    }
    Inventory {
        observed_at,
        security_groups: all(random, &GROUPS, group),
        interfaces: all(random, &INTERFACES[..4], interface),
        network_acls: all(random, &["acl-0", "acl-1"], acl),
        subnets: all(random, &SUBNETS, |random, id| Subnet {
            id: id.to_owned(),
            cidrs: if random.one_in(2) { vec!["10.0.0.0/16".parse().unwrap()] } else { Vec::new() },
            ..Subnet::default()
        }),
        prefix_lists: all(random, &["pl-0", "pl-1"], list),
        ..Inventory::default()
    }
}

fn track<T>(random: &mut Random, mut make: impl FnMut(&mut Random) -> T) -> Option<Track<T>> {
    let mut versions = Vec::new();
    for from in random.some(&MOMENTS) {
        let state = match random.below(8) {
            0 => State::Gone,
            1 => State::Unrecorded,
            _ => State::Present(make(random)),
        };
        versions.push(Version { from, daily: random.one_in(5), confirmed: from, state });
    }
    (!versions.is_empty()).then(|| Track::new(versions))
}

/// Dumps with dates or without, or AWS Config history with or without dumps.
fn timeline(random: &mut Random) -> Timeline {
    let dates: Vec<Option<i64>> = match random.below(4) {
        0 => vec![None],
        1 => MOMENTS.iter().filter(|_| random.one_in(2)).copied().map(Some).collect(),
        2 => vec![Some(MOMENTS[0]), Some(MOMENTS[1]), None],
        _ => vec![Some(MOMENTS[3])],
    };
    let dumps = dates.into_iter().map(|at| inventory(random, at)).collect();
    let mut history = History::default();
    if random.one_in(2) {
        for id in GROUPS {
            let versions = track(random, |random| group(random, id));
            history.security_groups.extend(versions.map(|v| (id.to_owned(), v)));
        }
        for id in &INTERFACES[1..] {
            let versions = track(random, |random| interface(random, id));
            history.interfaces.extend(versions.map(|v| ((*id).to_owned(), v)));
        }
        for id in ["acl-0", "acl-2"] {
            let versions = track(random, |random| acl(random, id));
            history.network_acls.extend(versions.map(|v| (id.to_owned(), v)));
        }
        let versions = track(random, |random| list(random, "pl-1"));
        history.prefix_lists.extend(versions.map(|v| ("pl-1".to_owned(), v)));
    }
    Timeline::with_history(dumps, history)
}

fn part(random: &mut Random) -> Part {
    if random.one_in(2) {
        return Part::default();
    }
    Part { records: 1, packets: 1, syn: random.one_in(2), flagged: random.one_in(2), ..Part::default() }
}

fn any_connection(random: &mut Random) -> Connection {
    let offset = random.pick(&[-86_400, -301, -300, -61, -60, -1, 0, 1, 59, 60, 61, 500]);
    let first = (random.pick(&MOMENTS) + offset) as u32;
    Connection {
        interface: random.below(INTERFACES.len() as u64) as u32,
        local: address_bits("10.0.1.200".parse().unwrap()),
        remote: address_bits(random.pick(&ADDRESSES).parse().unwrap()),
        local_port: random.pick(&PORTS),
        remote_port: random.pick(&PORTS),
        protocol: Protocol(random.pick(&PROTOCOLS)),
        opener: random.pick(&[None, Some(Direction::Inbound), Some(Direction::Outbound)]),
        evidence: Evidence::None,
        local_known: !random.one_in(20),
        first,
        last: first,
        inward: [part(random), part(random)],
        outward: [part(random), part(random)],
        late: Part::default(),
        reason: random.pick(&[RejectReason::None, RejectReason::None, RejectReason::BlockPublicAccess]),
    }
}

/// Runs of connections that differ in little, and come back later.
fn connections(random: &mut Random) -> Vec<Connection> {
    let mut all: Vec<Connection> = Vec::new();
    for _ in 0..150 {
        let mut next = match all.len() {
            0 => any_connection(random),
            n if random.one_in(2) => all[random.below(n as u64) as usize],
            _ => any_connection(random),
        };
        let other = any_connection(random);
        match random.below(6) {
            0 => next.remote = other.remote,
            1 => next.local_port = other.local_port,
            2 => next.remote_port = other.remote_port,
            3 => next.first = other.first,
            4 => next.interface = other.interface,
            _ => next.protocol = other.protocol,
        }
        all.push(next);
    }
    all
}

fn policy(random: &mut Random) -> Policy {
    Policy::new(&timeline(random), &INTERFACES.map(str::to_owned))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn memory_changes_no_answer(seed in any::<u64>()) {
        let mut random = Random(seed);
        let policy = policy(&mut random);
        // A small memory forgets often, a large one hardly ever.
        let mut judges = [Judge::with_memo(&policy, 1), Judge::with_memo(&policy, 4), Judge::new(&policy)];
        for connection in connections(&mut random) {
            let since = connection.first - random.pick(&[0, 600, 601, 90_000]);
            let coverage = Coverage::of_buckets(&[since / 600..=connection.first / 600], &[]);
            let plain = policy.judge(&connection, &coverage);
            for judge in &mut judges {
                for direction in [Direction::Inbound, Direction::Outbound] {
                    prop_assert_eq!(judge.fit(&connection, direction), policy.fit(&connection, direction));
                }
                prop_assert_eq!(judge.judge(&connection, &coverage), &plain, "{:?}", connection);
            }
        }
    }

    #[test]
    fn answers_hold_as_far_as_they_say(seed in any::<u64>()) {
        let mut random = Random(seed);
        let policy = policy(&mut random);
        for connection in connections(&mut random) {
            let opening = Opening::of(&connection, direction(&mut random));
            let ask = |opening: &Opening, time: i64| {
                let mut scope = Scope::around(opening.remote);
                let decision = policy.decide_opening(opening, time, &mut scope, Vec::new());
                (decision, scope)
            };
            let time = i64::from(connection.first);
            let (decision, scope) = ask(&opening, time);
            prop_assert!(scope.remote.0 <= opening.remote && opening.remote <= scope.remote.1);
            prop_assert!(scope.port.0 <= opening.port && opening.port <= scope.port.1);
            prop_assert!(scope.time.0 <= time && time <= scope.time.1);
            for corner in 0..8 {
                let end = |bit: u32| corner >> bit & 1 == 1;
                let remote = if end(0) { scope.remote.1 } else { scope.remote.0 };
                let port = if end(1) { scope.port.1 } else { scope.port.0 };
                let at = if end(2) { scope.time.1 } else { scope.time.0 };
                let (there, _) = ask(&Opening { remote, port, ..opening }, at);
                prop_assert_eq!(&there, &decision, "{} {} {}", address_from_bits(remote), port, at);
            }
        }
    }
}

/// The memory is of use: answers are found that were made for other questions, and the worlds above are not all of
/// one verdict.
#[test]
fn worlds_are_of_interest() {
    let mut verdicts = std::collections::BTreeSet::new();
    let (mut narrowed, mut weak, mut several) = (0, 0, 0);
    for seed in 0..200 {
        let mut random = Random(seed);
        let policy = policy(&mut random);
        for connection in connections(&mut random) {
            let judged = policy.judge(&connection, &Coverage::default());
            weak += u32::from(judged.decision.weak);
            several += u32::from(judged.decision.rules.len() > 1);
            verdicts.insert(judged.verdict);
            let opening = Opening::of(&connection, Direction::Inbound);
            let mut scope = Scope::around(opening.remote);
            policy.decide_opening(&opening, i64::from(connection.first), &mut scope, Vec::new());
            let whole = Scope::around(opening.remote);
            let (remote, port) = (scope.remote != whole.remote, scope.port != whole.port);
            narrowed += u32::from(remote && port && scope.time != whole.time);
        }
    }
    assert!(verdicts.len() >= 16, "{verdicts:?}");
    assert!(narrowed > 500 && weak > 500 && several > 500, "{narrowed} {weak} {several}");
}
