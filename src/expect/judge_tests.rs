//! Against every world that may have been: what is told as broken is broken in all of them, and what is passed in none.

use std::fmt::Write as _;

use super::super::parse;
use super::*;
use crate::connection::{Evidence, Part, RejectReason};
use crate::flow::address_bits;
use crate::inventory::{Inventory, NetworkInterface, SecurityGroup, Vpc};

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// At least one.
    fn some(&mut self, below: usize) -> Vec<usize> {
        let first = self.below(below);
        (0..below).filter(|n| *n == first || self.one_in(3)).collect()
    }
}

const GROUPS: [&str; 3] = ["sg-0", "sg-1", "sg-2"];
/// Addresses of each VPC, and its blocks.
const POOLS: [[&str; 4]; 2] = [
    ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8:0::1"],
    ["10.1.0.1", "10.1.0.2", "10.1.0.3", "2001:db8:1::1"],
];
const BLOCKS: [[&str; 2]; 2] = [["10.0.0.0/16", "2001:db8::/48"], ["10.1.0.0/16", "2001:db8:1::/48"]];
const STRANGERS: [&str; 6] =
    ["10.0.0.9", "192.168.0.1", "198.51.100.1", "203.0.113.5", "2001:db8::9", "2a00::1"];
const CIDRS: [&str; 6] =
    ["10.0.0.0/31", "10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32", "2a00::/12", "0.0.0.0/0"];
const TIMES: [i64; 3] = [1_000_000, 1_000_050, 1_100_000];

/// An interface in one observation: address and groups.
type State = Option<(&'static str, BTreeSet<usize>)>;

struct World {
    /// By interface (its VPC is its number modulo 2), then observation.
    states: Vec<Vec<State>>,
    described: [bool; 2],
}

struct TierSpec {
    /// 0 ids, 1 names, 2 tags.
    groups: Option<(usize, Vec<usize>)>,
    cidr: Option<Vec<&'static str>>,
    tiers: Option<Vec<usize>>,
    except: Option<Vec<usize>>,
}

#[derive(Clone, Copy)]
enum Peer {
    Tier(usize),
    Word(&'static str),
}

struct Spec {
    inbound: bool,
    mode: Mode,
    /// `None` is everything.
    tiers: Option<Vec<usize>>,
    peers: Vec<Peer>,
    ports: Option<(u16, u16)>,
    same_vpc: bool,
}

/// One side in one of the worlds that may have been.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Truth {
    address: String,
    groups: BTreeSet<usize>,
    internet: bool,
    inside: bool,
    same_vpc: bool,
}

fn world(random: &mut Random) -> World {
    let observations = 1 + random.below(TIMES.len());
    let states = (0..5).map(|interface| {
        let state = |random: &mut Random| -> State {
            if random.one_in(6) {
                return None;
            }
            let groups = (0..GROUPS.len()).filter(|_| random.one_in(2)).collect();
            Some((*random.pick(&POOLS[interface % 2]), groups))
        };
        let mut last = state(random);
        let mut all = Vec::new();
        for _ in 0..observations {
            // Mostly nothing changes.
            if random.one_in(3) {
                last = state(random);
            }
            all.push(last.clone());
        }
        all
    });
    World { states: states.collect(), described: [!random.one_in(4), !random.one_in(4)] }
}

impl World {
    fn timeline(&self) -> Timeline {
        let observation = |at: usize| {
            let interfaces = self.states.iter().enumerate().filter_map(|(n, states)| {
                let (address, groups) = states[at].clone()?;
                let id = format!("eni-{n}");
                let interface = NetworkInterface {
                    id: id.clone(),
                    vpc: Some(format!("vpc-{}", n % 2)),
                    addresses: vec![address.parse().unwrap()],
                    groups: groups.iter().map(|g| GROUPS[*g].to_owned()).collect(),
                    ..NetworkInterface::default()
                };
                Some((id, interface))
            });
            let groups = GROUPS.iter().enumerate().map(|(n, id)| {
                let group = SecurityGroup {
                    id: (*id).into(),
                    name: format!("group {n}"),
                    tags: [("Tier".to_owned(), format!("t{n}"))].into(),
                    ..SecurityGroup::default()
                };
                ((*id).to_owned(), group)
            });
            let vpcs = (0..2).filter(|n| self.described[*n]).map(|n| {
                let cidrs = BLOCKS[n].iter().map(|b| b.parse().unwrap()).collect();
                (format!("vpc-{n}"), Vpc { id: format!("vpc-{n}"), cidrs, ..Vpc::default() })
            });
            Inventory {
                observed_at: Some(TIMES[at]),
                interfaces: interfaces.collect(),
                security_groups: groups.collect(),
                vpcs: vpcs.collect(),
                ..Inventory::default()
            }
        };
        Timeline::new((0..self.states[0].len()).map(observation).collect())
    }

    /// What an interface may have been: the observations before and after; and within a minute, the one before that.
    fn may_be(&self, interface: usize, time: i64) -> Vec<State> {
        let states = &self.states[interface];
        let before = TIMES[..states.len()].iter().rposition(|at| *at <= time);
        let Some(before) = before else { return vec![states[0].clone()] };
        let mut found = vec![states[before].clone()];
        found.extend(states.get(before + 1).cloned());
        // Each change has its minute, and so has one that came just before.
        for at in 1..=before {
            if time <= TIMES[at] + 60 {
                found.push(states[at - 1].clone());
            }
        }
        found
    }

    fn within(vpc: usize, address: &str) -> bool {
        let address: std::net::IpAddr = address.parse().unwrap();
        BLOCKS[vpc].iter().any(|block| block.parse::<ipnet::IpNet>().unwrap().contains(&address))
    }

    fn locals(&self, interface: usize, address: &str, time: i64) -> Vec<Truth> {
        let truth = |groups| Truth { address: address.to_owned(), groups, ..Truth::default() };
        let known: Vec<Truth> =
            self.may_be(interface, time).into_iter().flatten().map(|(_, g)| truth(g)).collect();
        if known.is_empty() { all_groups().map(truth).collect() } else { known }
    }

    fn remotes(&self, own: Option<usize>, address: &str, time: i64) -> Vec<Truth> {
        let blocks = own.filter(|vpc| self.described[*vpc]).map(|vpc| Self::within(vpc, address));
        let inside = (0..2).any(|vpc| self.described[vpc] && Self::within(vpc, address));
        let mut found = Vec::new();
        let mut ever = false;
        for interface in 0..self.states.len() {
            ever |= self.states[interface].iter().flatten().any(|(a, _)| *a == address);
            for (_, groups) in
                self.may_be(interface, time).into_iter().flatten().filter(|(a, _)| *a == address)
            {
                let truth = |same_vpc| Truth {
                    address: address.to_owned(),
                    groups: groups.clone(),
                    internet: false,
                    inside: true,
                    same_vpc,
                };
                match (blocks, own) {
                    (Some(same), _) => found.push(truth(same)),
                    (None, Some(own)) => found.push(truth(interface % 2 == own)),
                    (None, None) => found.extend([true, false].map(truth)),
                }
            }
        }
        if !found.is_empty() {
            return found;
        }
        let either = |known: Option<bool>| known.map_or(vec![false, true], |is| vec![is]);
        let public = Truth { address: address.to_owned(), internet: true, ..Truth::default() };
        let private = address.starts_with("10.") || address.starts_with("192.168.") || inside || ever;
        if !private && (!address.contains(':') || blocks.is_some()) {
            return vec![public];
        }
        let insides = if inside { vec![true] } else { either(blocks.map(|_| false)) };
        for groups in all_groups() {
            for &inside in &insides {
                for same_vpc in either(blocks) {
                    found.push(Truth {
                        address: address.to_owned(),
                        groups: groups.clone(),
                        internet: false,
                        inside,
                        same_vpc,
                    });
                }
            }
        }
        if !private {
            found.push(public);
        }
        found
    }
}

fn all_groups() -> impl Iterator<Item = BTreeSet<usize>> {
    (0..1 << GROUPS.len()).map(|bits: usize| (0..GROUPS.len()).filter(|g| bits >> g & 1 == 1).collect())
}

fn tier(random: &mut Random, number: usize) -> TierSpec {
    let mut spec = TierSpec { groups: None, cidr: None, tiers: None, except: None };
    let kind = random.below(4);
    if kind <= 1 {
        spec.groups = Some((random.below(3), random.some(GROUPS.len())));
    }
    if kind == 2 || random.one_in(6) {
        spec.cidr = Some(random.some(CIDRS.len()).into_iter().map(|n| CIDRS[n]).collect());
    }
    if number > 0 && (kind == 3 || random.one_in(8)) {
        spec.tiers = Some(random.some(number));
    }
    if spec.groups.is_none() && spec.cidr.is_none() && spec.tiers.is_none() {
        spec.groups = Some((0, vec![0]));
    }
    if number > 0 && random.one_in(4) {
        spec.except = Some(vec![random.below(number)]);
    }
    spec
}

fn expectation(random: &mut Random, tiers: usize) -> Spec {
    let inbound = !random.one_in(4);
    let peers = (0..1 + random.below(3)).map(|_| match random.below(8) {
        0 => Peer::Word("internet"),
        1 => Peer::Word("inside"),
        2 => Peer::Word("same-vpc"),
        3 if random.one_in(4) => Peer::Word("anywhere"),
        _ => Peer::Tier(random.below(tiers)),
    });
    let peers = peers.collect();
    let mode = *random.pick(&[Mode::Only, Mode::Only, Mode::Never, Mode::Never, Mode::May]);
    Spec {
        inbound,
        mode,
        tiers: if random.one_in(3) { None } else { Some(random.some(tiers)) },
        peers,
        ports: *random.pick(&[None, Some((22, 22)), Some((20, 80)), Some((443, 443))]),
        same_vpc: mode != Mode::Never && random.one_in(4),
    }
}

fn text(tiers: &[TierSpec], expectations: &[Spec]) -> String {
    let mut text = String::from("version = 1\n");
    let names = |numbers: &[usize]| numbers.iter().map(|n| format!("t{n}")).collect::<Vec<_>>();
    for (number, tier) in tiers.iter().enumerate() {
        _ = writeln!(text, "[tier.t{number}]");
        if let Some((how, groups)) = &tier.groups {
            let (key, form): (_, fn(&usize) -> String) = match how {
                0 => ("security-group", |g| GROUPS[*g].to_owned()),
                1 => ("security-group", |g| format!("*p {g}")),
                _ => ("tag", |g| format!("Tier=t{g}")),
            };
            _ = writeln!(text, "{key} = {:?}", groups.iter().map(form).collect::<Vec<_>>());
        }
        if let Some(cidr) = &tier.cidr {
            _ = writeln!(text, "cidr = {cidr:?}");
        }
        if let Some(tiers) = &tier.tiers {
            _ = writeln!(text, "tier = {:?}", names(tiers));
        }
        if let Some(tiers) = &tier.except {
            _ = writeln!(text, "except = {:?}", names(tiers));
        }
    }
    for (number, spec) in expectations.iter().enumerate() {
        let (here, there) = if spec.inbound { ("to", "from") } else { ("from", "to") };
        let tiers = spec.tiers.as_deref().map_or(vec!["everything".to_owned()], names);
        let peer = |peer: &Peer| match peer {
            Peer::Tier(number) => format!("t{number}"),
            Peer::Word(word) => (*word).to_owned(),
        };
        let peers: Vec<String> = spec.peers.iter().map(peer).collect();
        _ = writeln!(text, "[[expect]]\nname = \"e{number}\"\n{here} = {tiers:?}");
        _ = writeln!(text, "{}-{there} = {peers:?}\nsame-vpc = {}", spec.mode.as_str(), spec.same_vpc);
        if let Some((low, high)) = spec.ports {
            _ = writeln!(text, "on = \"tcp {low}-{high}\"");
        }
    }
    text
}

/// The definitions, in one world.
struct Definition<'a> {
    tiers: &'a [TierSpec],
    expectations: &'a [Spec],
}

impl Definition<'_> {
    fn belongs(&self, tier: usize, side: &Truth) -> bool {
        let spec = &self.tiers[tier];
        let address: std::net::IpAddr = side.address.parse().unwrap();
        let any = |tiers: &Vec<usize>| tiers.iter().any(|t| self.belongs(*t, side));
        let holds = |c: &&str| c.parse::<ipnet::IpNet>().unwrap().contains(&address);
        spec.groups.as_ref().is_none_or(|(_, groups)| groups.iter().any(|g| side.groups.contains(g)))
            && spec.cidr.as_ref().is_none_or(|cidr| cidr.iter().any(holds))
            && spec.tiers.as_ref().is_none_or(any)
            && !spec.except.as_ref().is_some_and(any)
    }

    fn is_about(&self, spec: &Spec, inbound: bool, port: u16, local: &Truth) -> bool {
        spec.inbound == inbound
            && spec.ports.is_none_or(|(low, high)| low <= port && port <= high)
            && spec.tiers.as_ref().is_none_or(|tiers| tiers.iter().any(|t| self.belongs(*t, local)))
    }

    fn names(&self, spec: &Spec, remote: &Truth) -> bool {
        let is = |peer: &Peer| match peer {
            Peer::Tier(tier) => self.belongs(*tier, remote),
            Peer::Word("internet") => remote.internet,
            Peer::Word("inside") => remote.inside,
            Peer::Word("same-vpc") => remote.same_vpc,
            Peer::Word(_) => true,
        };
        spec.peers.iter().any(is) && (!spec.same_vpc || remote.same_vpc)
    }

    fn breaks(&self, number: usize, inbound: bool, port: u16, local: &Truth, remote: &Truth) -> bool {
        let spec = &self.expectations[number];
        let welcome = |mode: Mode| {
            self.expectations
                .iter()
                .any(|e| e.mode == mode && self.is_about(e, inbound, port, local) && self.names(e, remote))
        };
        self.is_about(spec, inbound, port, local)
            && !welcome(Mode::May)
            && match spec.mode {
                Mode::Only => !self.names(spec, remote),
                Mode::Never => self.names(spec, remote) && !welcome(Mode::Only),
                Mode::May => false,
            }
    }
}

fn connection(interface: usize, local: &str, remote: &str, port: u16, at: i64, inbound: bool) -> Connection {
    let at = u32::try_from(at).unwrap();
    let part = Part { records: 1, packets: 1, bytes: 40, first: at, last: at, ..Part::default() };
    Connection {
        interface: interface as u32,
        local: address_bits(local.parse().unwrap()),
        remote: address_bits(remote.parse().unwrap()),
        local_port: if inbound { port } else { 50_000 },
        remote_port: if inbound { 50_000 } else { port },
        protocol: Protocol::TCP,
        opener: Some(if inbound { Direction::Inbound } else { Direction::Outbound }),
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

#[test]
fn what_is_told_is_true_in_every_world_that_may_have_been() {
    let mut counts = [0_u64; 4];
    for seed in 0..400 {
        let mut random = Random(seed);
        let world = world(&mut random);
        let tiers: Vec<TierSpec> = (0..1 + random.below(4)).map(|n| tier(&mut random, n)).collect();
        let expectations: Vec<Spec> =
            (0..1 + random.below(4)).map(|_| expectation(&mut random, tiers.len())).collect();
        let text = text(&tiers, &expectations);
        let file = parse(&text).unwrap_or_else(|faults| panic!("{faults:#?}\n{text}"));
        // The last is in no observation.
        let ids: Vec<String> = (0..6).map(|n| format!("eni-{n}")).collect();
        let expected = Expected::new(&file, &world.timeline(), &ids);
        let mut examiner = Examiner::new(&expected);
        let definition = Definition { tiers: &tiers, expectations: &expectations };
        for _ in 0..300 {
            let interface = random.below(6);
            let known = interface < 5 && world.states[interface].iter().any(Option::is_some);
            let local = *random.pick(&POOLS[interface % 2]);
            let pool = random.below(3);
            let remote = if pool < 2 { *random.pick(&POOLS[pool]) } else { *random.pick(&STRANGERS) };
            let (port, inbound) = (*random.pick(&[22_u16, 80, 443]), random.one_in(2));
            let time = *random.pick(&TIMES) + *random.pick(&[-100, -1, 0, 30, 60, 61, 400, 50_000]);
            if local == remote {
                continue;
            }
            let found = examiner.examine(&connection(interface, local, remote, port, time, inbound)).to_vec();
            let locals = if known {
                world.locals(interface, local, time)
            } else {
                all_groups()
                    .map(|groups| Truth { address: local.into(), groups, ..Truth::default() })
                    .collect()
            };
            // Of one that is not known then, not even its VPC is.
            let there = known && world.may_be(interface, time).iter().any(Option::is_some);
            let remotes = world.remotes(there.then_some(interface % 2), remote, time);
            for number in 0..expectations.len() {
                let told = found.iter().find(|s| s.expectation == number as u32);
                let mut truths = BTreeSet::new();
                for (local, remote) in locals.iter().flat_map(|l| remotes.iter().map(move |r| (l, r))) {
                    truths.insert(definition.breaks(number, inbound, port, local, remote));
                }
                let case = || {
                    format!(
                        "seed {seed}, e{number} at {time}: eni-{interface} {local} {inbound} {remote} {port}\n{text}\n{:?}\n{remotes:?}\n{locals:?}",
                        world.described
                    )
                };
                match told {
                    Some(s) if s.broken => assert_eq!(truths, BTreeSet::from([true]), "{}", case()),
                    Some(_) => {
                        let one = |all: &[Truth]| all.iter().all(|t| *t == all[0]);
                        assert!(!one(&locals) || !one(&remotes), "it can be said: {}", case());
                    }
                    None => assert_eq!(truths, BTreeSet::from([false]), "{}", case()),
                }
                counts[told.map_or(0, |s| 1 + usize::from(s.broken))] += 1;
                counts[3] += u64::from(truths.len() > 1);
            }
        }
    }
    let [passed, unsaid, broken, open] = counts;
    assert!(passed > 10_000 && broken > 10_000 && open > 5_000, "{counts:?}");
    // Three values can't tell that `a or not a` holds; that is rare.
    assert!(unsaid < open * 5 / 4, "{counts:?}");
}
