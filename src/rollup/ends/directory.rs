//! Which interface of the run has an address, as another one sees it; and what its log can tell.

use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashMap;

use crate::connection::{BucketSet, COVERAGE_BUCKET, Coverage, InterfaceFacts};
use crate::flow::{address_bits, is_v4};
use crate::inventory::{Inventory, NetworkInterface, Timeline, Track};
use crate::rollup::facts::traffic;

/// An address of an interface of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    address: u128,
    interface: u32,
}

/// What is known of an interface's log, and of what passes it.
#[derive(Debug, Default)]
struct Log {
    /// Number of the VPC, 0 if unknown.
    vpc: u32,
    /// It holds accepted and rejected traffic.
    whole: bool,
    /// Between other ends: packets pass it with other addresses, or it is neither end of what it sees.
    rewrites: bool,
    first: u32,
    last: u32,
    seen: BucketSet,
    skipped: BucketSet,
}

/// The addresses of all interfaces whose logs are read. IPv4 addresses that are delegated as prefixes count one by one.
#[derive(Debug)]
pub struct Directory {
    /// Sorted.
    ends: Vec<End>,
    /// First of the ends of an address, and how many there are.
    by_address: HashMap<u128, (u32, u32)>,
    /// Upper halves of the IPv4 addresses: most remote addresses are told apart by these alone.
    halves: Box<[u64; 1024]>,
    has_v6: bool,
    logs: Vec<Log>,
    /// VPCs that are peered, both ways round.
    peered: BTreeSet<(u32, u32)>,
    /// VPCs in which a load balancer may hand connections on with their client's address.
    balanced: BTreeSet<u32>,
}

/// What an interface's remote address resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// To nobody whose log is read.
    Nobody,
    /// To several, and which one is meant cannot be told.
    Several,
    /// To this end; `sure` if both are in one VPC or in peered ones, so that packets go straight.
    One { end: u32, sure: bool },
}

/// Interface types that rewrite addresses or pass packets on (EC2 API, `InterfaceType`).
const PASSING: [&str; 7] = [
    "nat_gateway",
    "transit_gateway",
    "network_load_balancer",
    "gateway_load_balancer",
    "gateway_load_balancer_endpoint",
    "load_balancer",
    "global_accelerator_managed",
];

/// Of these, the ones behind which the client's address is kept.
const KEEPING: [&str; 3] =
    ["network_load_balancer", "gateway_load_balancer", "gateway_load_balancer_endpoint"];

/// A delegated prefix of more addresses than this is left out: AWS delegates IPv4 as /28.
const PREFIX: u32 = 28;

impl Directory {
    /// Gathers the addresses that interfaces had at any time.
    #[must_use]
    pub fn new(interfaces: &[InterfaceFacts], timeline: &Timeline) -> Self {
        let empty = Inventory::default();
        let latest = timeline.latest().unwrap_or(&empty);
        let mut numbers = Numbers::default();
        let mut ends = Vec::new();
        let mut logs = Vec::new();
        for (number, facts) in interfaces.iter().enumerate() {
            let mut log = Log::default();
            for version in timeline.interface_versions(&facts.id) {
                ends.extend(addresses(version).map(|address| End { address, interface: number as u32 }));
                log.rewrites |= PASSING.contains(&version.kind.as_str());
            }
            let known = timeline.interface(&facts.id);
            let vpc = known.and_then(|i| i.vpc.as_ref()).or(facts.context.vpc.as_ref());
            log.vpc = vpc.map_or(0, |vpc| numbers.of(vpc));
            let subnet = known.and_then(|i| i.subnet.as_deref()).or(facts.context.subnet.as_deref());
            let Coverage { first, last, buckets, skipped, .. } = &facts.coverage;
            log.whole = traffic(&facts.id, subnet, vpc.map(String::as_str), &facts.coverage, latest) == "all";
            (log.first, log.last) = (first.unwrap_or(u32::MAX), last.unwrap_or(0));
            (log.seen, log.skipped) = (buckets.clone(), skipped.clone());
            logs.push(log);
        }
        ends.sort_unstable();
        ends.dedup();
        let mut by_address: HashMap<u128, (u32, u32)> = HashMap::with_capacity(ends.len());
        let mut halves = Box::new([0_u64; 1024]);
        for (at, end) in ends.iter().enumerate() {
            by_address.entry(end.address).or_insert((at as u32, 0)).1 += 1;
            if is_v4(end.address) {
                let half = (end.address as u32 >> 16) as usize;
                halves[half / 64] |= 1 << (half % 64);
            }
        }
        let has_v6 = ends.iter().any(|end| !is_v4(end.address));
        let (peered, balanced) = (peered(timeline, &mut numbers), balanced(timeline, &mut numbers));
        Self { ends, by_address, halves, has_v6, logs, peered, balanced }
    }

    /// The end that is this address at this interface, if it has it.
    pub(super) fn own(&self, interface: u32, address: u128) -> Option<u32> {
        self.all(address).find(|&end| self.interface(end) == interface)
    }

    /// Whom an interface means by a remote address.
    #[inline]
    pub(super) fn find(&self, interface: u32, remote: u128) -> Found {
        if is_v4(remote) {
            let half = (remote as u32 >> 16) as usize;
            if self.halves[half / 64] >> (half % 64) & 1 == 0 {
                return Found::Nobody;
            }
        } else if !self.has_v6 {
            return Found::Nobody;
        }
        self.search(interface, remote)
    }

    fn search(&self, interface: u32, remote: u128) -> Found {
        let vpc = self.logs[interface as usize].vpc;
        let others = || self.all(remote).filter(|&end| self.interface(end) != interface);
        let vpc_of = |end: u32| self.logs[self.interface(end) as usize].vpc;
        let near = |end: &u32| vpc != 0 && vpc_of(*end) == vpc;
        let peer = |end: &u32| vpc != 0 && self.peered.contains(&(vpc, vpc_of(*end)));
        match only(others().filter(near)) {
            Only::One(end) => return Found::One { end, sure: true },
            Only::Several => return Found::Several,
            Only::None => {}
        }
        match only(others().filter(peer)) {
            Only::One(end) => return Found::One { end, sure: true },
            Only::Several => return Found::Several,
            Only::None => {}
        }
        match only(others()) {
            Only::One(end) => Found::One { end, sure: false },
            Only::Several => Found::Several,
            Only::None => Found::Nobody,
        }
    }

    fn all(&self, address: u128) -> impl Iterator<Item = u32> {
        let (first, count) = self.by_address.get(&address).copied().unwrap_or((0, 0));
        first..first + count
    }

    /// The interface of an end.
    pub(super) fn interface(&self, end: u32) -> u32 {
        self.ends[end as usize].interface
    }

    /// Both mean each other, and packets go straight between them.
    pub(super) fn is_straight(&self, a: u32, b: u32) -> bool {
        let sees = |a: u32, b: u32| {
            let found = self.find(self.interface(a), self.ends[b as usize].address);
            found == Found::One { end: b, sure: true }
        };
        sees(a, b) && sees(b, a)
    }

    /// One of the two rewrites addresses, or neither is an end.
    pub(super) fn is_between(&self, a: u32, b: u32) -> bool {
        [a, b].into_iter().any(|end| self.logs[self.interface(end) as usize].rewrites)
    }

    /// What arrives at this end may have come through a load balancer that kept its sender's address.
    pub(super) fn may_be_handed_on(&self, source: u32, target: u32) -> bool {
        let vpc = |end: u32| self.logs[self.interface(end) as usize].vpc;
        self.balanced.contains(&vpc(source)) || self.balanced.contains(&vpc(target))
    }

    /// The log of an end's interface holds all that happened from `first` to `last`, give or take `slack` seconds.
    pub(super) fn is_covered(&self, end: u32, first: u32, last: u32, slack: u32) -> bool {
        let log = &self.logs[self.interface(end) as usize];
        let (from, to) = (first.saturating_sub(slack), last.saturating_add(slack));
        let mut sure = from / COVERAGE_BUCKET..=to / COVERAGE_BUCKET;
        log.whole
            && log.first <= from
            && log.last >= to
            && sure.all(|bucket| log.seen.contains(bucket) && !log.skipped.contains(bucket))
    }
}

enum Only {
    None,
    One(u32),
    Several,
}

fn only(mut ends: impl Iterator<Item = u32>) -> Only {
    match (ends.next(), ends.next()) {
        (None, _) => Only::None,
        (Some(end), None) => Only::One(end),
        (Some(_), Some(_)) => Only::Several,
    }
}

/// Numbers for names, from 1 on.
#[derive(Default)]
struct Numbers(BTreeMap<String, u32>);

impl Numbers {
    fn of(&mut self, name: &str) -> u32 {
        let next = self.0.len() as u32 + 1;
        *self.0.entry(name.to_owned()).or_insert(next)
    }
}

fn addresses(interface: &NetworkInterface) -> impl Iterator<Item = u128> {
    let delegated = interface.prefixes.iter().filter_map(|prefix| match prefix {
        ipnet::IpNet::V4(net) if u32::from(net.prefix_len()) >= PREFIX => Some(*net),
        _ => None,
    });
    let delegated = delegated.flat_map(|net| u32::from(net.network())..=u32::from(net.broadcast()));
    let delegated = delegated.map(|v4| address_bits(std::net::Ipv4Addr::from(v4).into()));
    interface.addresses.iter().map(|&address| address_bits(address)).chain(delegated)
}

fn peered(timeline: &Timeline, numbers: &mut Numbers) -> BTreeSet<(u32, u32)> {
    let observed = timeline.observations().iter().flat_map(|o| o.peerings.values());
    let recorded = timeline.history().peerings.values().flat_map(Track::configurations);
    let mut peered = BTreeSet::new();
    for peering in observed.chain(recorded).filter(|p| p.status == "active") {
        if let (Some(one), Some(other)) = (&peering.requester_vpc, &peering.accepter_vpc) {
            let (one, other) = (numbers.of(one), numbers.of(other));
            peered.extend([(one, other), (other, one)]);
        }
    }
    peered
}

fn balanced(timeline: &Timeline, numbers: &mut Numbers) -> BTreeSet<u32> {
    let observed = timeline.observations().iter().flat_map(|o| o.interfaces.values());
    let recorded = timeline.history().interfaces.values().flat_map(Track::configurations);
    let keeping = observed.chain(recorded).filter(|i| KEEPING.contains(&i.kind.as_str()));
    keeping.filter_map(|i| i.vpc.as_ref()).map(|vpc| numbers.of(vpc)).collect()
}
