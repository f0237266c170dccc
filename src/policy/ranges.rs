//! From a remote address to the rules whose CIDR contains it, without scanning the rules.
//!
//! CIDR blocks are nested or disjoint, so the address space falls into elementary intervals, each with one
//! innermost block; every other block that contains the address is found by walking to the parents. A
//! lookup is a binary search (after a table on the top 16 bits for large IPv4 sets) and a short walk. Before that,
//! sets that are asked often are looked up by port ([`super::ports`]).

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::ports::ByPort;
use super::scope::Scope;

/// A rule's claim on a block: protocol and inclusive destination ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Claim {
    /// `None` is every protocol.
    pub protocol: Option<u8>,
    pub low: u16,
    pub high: u16,
    /// Index of the rule.
    pub rule: u32,
}

impl Claim {
    /// True for a packet of this protocol to this port.
    pub fn holds(&self, protocol: u8, port: u16, scope: &mut Scope) -> bool {
        meant(self.protocol, (self.low, self.high), protocol, port, scope)
    }
}

/// True if a rule for a protocol (`None` is every one) and these ports is one for a packet of `protocol` to `port`.
pub(crate) fn meant(rule: Option<u8>, ports: (u16, u16), protocol: u8, port: u16, scope: &mut Scope) -> bool {
    match rule {
        None => true,
        Some(p) => p == protocol && (!has_ports(protocol) || scope.port_in(port, ports)),
    }
}

fn has_ports(protocol: u8) -> bool {
    protocol == 6 || protocol == 17
}

/// Blocks with more claims than this get elementary port intervals instead of a scan.
const SCAN: usize = 8;

/// A block: its parent, and where its claims are. Few claims lie side by side in [`RangeIndex::claims`], which keeps
/// a lookup within a few cache lines; many have tables of their own.
#[derive(Clone, Copy, Debug)]
struct Block {
    parent: u32,
    /// Index of the first claim, or of the tables if `count` is [`NONE`].
    first: u32,
    count: u32,
}

/// The claims on a block that has many.
#[derive(Debug)]
struct Tables {
    tcp: PortTable,
    udp: PortTable,
    other: Vec<Claim>,
}

/// Elementary port intervals: `rules[i]` hold from `starts[i]` up to the next start.
#[derive(Debug)]
struct PortTable {
    starts: Vec<u16>,
    rules: Vec<Vec<u32>>,
}

impl PortTable {
    fn new(claims: &[Claim], protocol: u8) -> Self {
        let claims: Vec<&Claim> =
            claims.iter().filter(|c| c.protocol.is_none_or(|p| p == protocol)).collect();
        let range = |c: &Claim| if c.protocol.is_none() { (0, u16::MAX) } else { (c.low, c.high) };
        let mut starts: Vec<u16> = vec![0];
        for claim in &claims {
            let (low, high) = range(claim);
            starts.push(low);
            starts.extend(high.checked_add(1));
        }
        starts.sort_unstable();
        starts.dedup();
        let rules = starts
            .iter()
            .map(|&at| {
                let inside = |c: &&&Claim| {
                    let (low, high) = range(c);
                    low <= at && at <= high
                };
                claims.iter().filter(inside).map(|c| c.rule).collect()
            })
            .collect();
        Self { starts, rules }
    }

    fn at(&self, port: u16, scope: &mut Scope) -> &[u32] {
        let after = self.starts.partition_point(|&s| s <= port);
        let last = self.starts.get(after).map_or(u16::MAX, |next| next - 1);
        scope.port_in(port, (self.starts[after - 1], last));
        &self.rules[after - 1]
    }
}

impl Tables {
    fn new(claims: &[Claim]) -> Self {
        let other = claims.iter().filter(|c| c.protocol.is_none_or(|p| !has_ports(p))).copied().collect();
        Self { tcp: PortTable::new(claims, 6), udp: PortTable::new(claims, 17), other }
    }

    fn collect(&self, protocol: u8, port: u16, scope: &mut Scope, out: &mut Vec<u32>) {
        match protocol {
            6 => out.extend(self.tcp.at(port, scope)),
            17 => out.extend(self.udp.at(port, scope)),
            _ => out.extend(self.other.iter().filter(|c| c.holds(protocol, port, scope)).map(|c| c.rule)),
        }
    }
}

/// An address as an integer.
pub(crate) trait Key: Copy + Ord {
    const FIRST: Self;
    const LAST: Self;
    fn next(self) -> Option<Self>;
    /// The address before; not for the first one.
    fn before(self) -> Self;
    /// The top 16 bits.
    fn top(self) -> usize;
    /// As [`crate::flow::address_bits`] has it.
    fn bits(self) -> u128;
}

impl Key for u32 {
    const FIRST: Self = 0;
    const LAST: Self = Self::MAX;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn before(self) -> Self {
        self.saturating_sub(1)
    }
    fn top(self) -> usize {
        (self >> 16) as usize
    }
    fn bits(self) -> u128 {
        (0xffff << 32) | u128::from(self)
    }
}

impl Key for u128 {
    const FIRST: Self = 0;
    const LAST: Self = Self::MAX;
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn before(self) -> Self {
        self.saturating_sub(1)
    }
    fn top(self) -> usize {
        (self >> 112) as usize
    }
    fn bits(self) -> u128 {
        self
    }
}

const NONE: u32 = u32::MAX;
/// Sets with more intervals than this get a table on the top 16 bits. The table takes 256 KiB: it has to be small
/// beside the set, and the sets of ordinary interfaces, of which there are thousands, must not have one.
const TABLE: usize = 16_384;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct RangeIndex<K> {
    starts: Vec<K>,
    /// Innermost block of each elementary interval.
    blocks: Vec<u32>,
    nodes: Vec<Block>,
    claims: Vec<Claim>,
    tables: Vec<Tables>,
    /// `top[t]` is the number of starts whose top 16 bits are below `t`.
    top: Vec<u32>,
    /// TCP, UDP.
    by_port: Option<[ByPort<K>; 2]>,
}

impl<K: Key> RangeIndex<K> {
    /// `blocks` maps CIDR ranges to the claims on them. Ranges must be nested or disjoint. With `by_port`, most lookups
    /// are faster, and the index takes about twice the memory.
    pub fn new(blocks: BTreeMap<(K, std::cmp::Reverse<K>), Vec<Claim>>, by_port: bool) -> Self {
        let by_port = by_port.then(|| {
            let claims = blocks
                .iter()
                .flat_map(|((low, high), claims)| claims.iter().map(move |claim| (*low, high.0, *claim)));
            let mut claims: Vec<(K, K, Claim)> = claims.collect();
            claims.sort_unstable();
            claims.dedup();
            [ByPort::new(&claims, 6), ByPort::new(&claims, 17)]
        });
        let mut index = Self {
            starts: Vec::new(),
            blocks: Vec::new(),
            nodes: Vec::new(),
            claims: Vec::new(),
            tables: Vec::new(),
            top: Vec::new(),
            by_port,
        };
        let mut open: Vec<(K, u32)> = Vec::new();
        for ((low, std::cmp::Reverse(high)), mut claims) in blocks {
            index.close(&mut open, Some(low));
            claims.sort_unstable();
            claims.dedup();
            let number = u32::try_from(index.nodes.len()).unwrap_or(NONE);
            let parent = open.last().map_or(NONE, |&(_, node)| node);
            let place = |len: usize| u32::try_from(len).unwrap_or(NONE);
            let (first, count) = if claims.len() > SCAN {
                index.tables.push(Tables::new(&claims));
                (place(index.tables.len() - 1), NONE)
            } else {
                index.claims.extend_from_slice(&claims);
                (place(index.claims.len() - claims.len()), place(claims.len()))
            };
            index.nodes.push(Block { parent, first, count });
            index.begin(low, number);
            open.push((high, number));
        }
        index.close(&mut open, None);
        if index.starts.len() > TABLE {
            let mut at = 0;
            index.top = (0..=1_usize << 16)
                .map(|t| {
                    while at < index.starts.len() && index.starts[at].top() < t {
                        at += 1;
                    }
                    u32::try_from(at).unwrap_or(NONE)
                })
                .collect();
        }
        index
    }

    /// Ends the open blocks that end before `until`.
    fn close(&mut self, open: &mut Vec<(K, u32)>, until: Option<K>) {
        while let Some(&(high, _)) = open.last() {
            if until.is_some_and(|low| low <= high) {
                break;
            }
            open.pop();
            if let Some(next) = high.next() {
                self.begin(next, open.last().map_or(NONE, |&(_, node)| node));
            }
        }
    }

    fn begin(&mut self, at: K, block: u32) {
        if self.starts.last() == Some(&at) {
            if let Some(last) = self.blocks.last_mut() {
                *last = block;
            }
            return;
        }
        self.starts.push(at);
        self.blocks.push(block);
    }

    /// Appends the rules that claim this address, protocol and port; unsorted, possibly repeated.
    pub fn collect(&self, address: K, protocol: u8, port: u16, scope: &mut Scope, out: &mut Vec<u32>) {
        if let Some([tcp, udp]) = &self.by_port {
            let found = match protocol {
                6 => tcp.collect(address, port, scope, out),
                17 => udp.collect(address, port, scope, out),
                _ => false,
            };
            if found {
                return;
            }
        }
        let (from, to) = if self.top.is_empty() {
            (0, self.starts.len())
        } else {
            let top = address.top();
            (self.top[top] as usize, self.top[top + 1] as usize)
        };
        let after = from + self.starts[from..to].partition_point(|&s| s <= address);
        if let Some(next) = self.starts.get(after) {
            scope.remote.1 = scope.remote.1.min(next.bits() - 1);
        }
        let Some(at) = after.checked_sub(1) else { return };
        scope.remote.0 = scope.remote.0.max(self.starts[at].bits());
        let mut block = self.blocks[at];
        while block != NONE {
            let Block { parent, first, count } = self.nodes[block as usize];
            if count == NONE {
                self.tables[first as usize].collect(protocol, port, scope, out);
            } else {
                let claims = &self.claims[first as usize..][..count as usize];
                out.extend(claims.iter().filter(|c| c.holds(protocol, port, scope)).map(|c| c.rule));
            }
            block = parent;
        }
    }
}

/// Collects CIDR blocks of both families before they are indexed.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    v4: BTreeMap<(u32, std::cmp::Reverse<u32>), Vec<Claim>>,
    v6: BTreeMap<(u128, std::cmp::Reverse<u128>), Vec<Claim>>,
}

impl Blocks {
    pub fn add(&mut self, cidr: &ipnet::IpNet, claim: Claim) {
        match cidr {
            ipnet::IpNet::V4(net) => {
                let range = u32::from(net.network())..=u32::from(net.broadcast());
                self.v4.entry(key(&range)).or_default().push(claim);
            }
            ipnet::IpNet::V6(net) => {
                let range = u128::from(net.network())..=u128::from(net.broadcast());
                self.v6.entry(key(&range)).or_default().push(claim);
            }
        }
    }

    /// See [`RangeIndex::new`].
    pub fn index(self, by_port: bool) -> (RangeIndex<u32>, RangeIndex<u128>) {
        (RangeIndex::new(self.v4, by_port), RangeIndex::new(self.v6, by_port))
    }
}

fn key<K: Copy>(range: &RangeInclusive<K>) -> (K, std::cmp::Reverse<K>) {
    (*range.start(), std::cmp::Reverse(*range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claim(protocol: Option<u8>, low: u16, high: u16, rule: u32) -> Claim {
        Claim { protocol, low, high, rule }
    }

    fn means(claim: &Claim, protocol: u8, port: u16) -> bool {
        let ported = protocol == 6 || protocol == 17;
        claim.protocol.is_none_or(|p| p == protocol && (!ported || (claim.low..=claim.high).contains(&port)))
    }

    fn brute(rules: &[(ipnet::Ipv4Net, Claim)], address: u32, protocol: u8, port: u16) -> Vec<u32> {
        let inside = |net: &ipnet::Ipv4Net| net.contains(&std::net::Ipv4Addr::from(address));
        let mut found: Vec<u32> = rules
            .iter()
            .filter(|(net, c)| inside(net) && means(c, protocol, port))
            .map(|(_, c)| c.rule)
            .collect();
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn agrees_with_a_scan(
            specs in prop::collection::vec((any::<u32>(), 0_u8..=32, 0_u8..4, any::<u16>(), any::<u16>()), 0..60),
            narrow in any::<bool>(),
            by_port in any::<bool>(),
            probes in prop::collection::vec((any::<u32>(), any::<u16>(), 0_u8..3), 1..40),
        ) {
            // Half of the runs crowd into one /20 so that blocks nest deeply and share networks.
            let place = |a: u32| if narrow { 0x0a00_0000 | (a & 0xfff) } else { a };
            let rules: Vec<(ipnet::Ipv4Net, Claim)> = specs.iter().enumerate().map(|(i, &(a, len, p, x, y))| {
                let len = if narrow && len > 4 { 20 + len % 13 } else { len };
                let net = ipnet::Ipv4Net::new(place(a).into(), len).unwrap().trunc();
                let protocol = [None, Some(6), Some(17), Some(1)][usize::from(p)];
                (net, claim(protocol, x.min(y), x.max(y), i as u32))
            }).collect();
            let mut blocks = Blocks::default();
            for (net, c) in &rules {
                blocks.add(&ipnet::IpNet::V4(*net), *c);
            }
            let (index, _) = blocks.index(by_port);
            let edges = rules.iter().flat_map(|(n, _)| [u32::from(n.network()), u32::from(n.broadcast())]);
            let addresses: Vec<u32> = probes.iter().map(|p| place(p.0)).chain(edges).collect();
            for address in addresses {
                for &(_, port, p) in &probes {
                    let protocol = [6, 17, 1][usize::from(p)];
                    let mut found = Vec::new();
                    let mut scope = Scope::around(address.bits());
                    index.collect(address, protocol, port, &mut scope, &mut found);
                    found.sort_unstable();
                    let expect = brute(&rules, address, protocol, port);
                    prop_assert_eq!(&found, &expect);
                    // As far as the answer reaches it is the same, and at its very ends, too.
                    prop_assert!(scope.remote.0 <= address.bits() && address.bits() <= scope.remote.1);
                    prop_assert!(scope.port.0 <= port && port <= scope.port.1);
                    for end in [scope.remote.0, scope.remote.1] {
                        for port in [scope.port.0, scope.port.1] {
                            prop_assert_eq!(&brute(&rules, end as u32, protocol, port), &expect);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn large_sets_use_the_table_and_still_agree() {
        let mut blocks = Blocks::default();
        for i in 0..20_000_u32 {
            let net = ipnet::Ipv4Net::new((0x0a00_0000 + i * 256).into(), 24).unwrap();
            blocks.add(&ipnet::IpNet::V4(net), claim(Some(6), 443, 443, i));
        }
        blocks.add(&"0.0.0.0/0".parse().unwrap(), claim(None, 0, 0, 99_999));
        let (index, v6) = blocks.index(false);
        assert!(!index.top.is_empty());
        for (address, expect) in
            [(0x0a00_0105, vec![1, 99_999]), (0x0900_0000, vec![99_999]), (u32::MAX, vec![99_999])]
        {
            let mut found = Vec::new();
            index.collect(address, 6, 443, &mut Scope::around(address.bits()), &mut found);
            found.sort_unstable();
            assert_eq!(found, expect);
        }
        let mut found = Vec::new();
        v6.collect(1, 6, 443, &mut Scope::around(1), &mut found);
        assert!(found.is_empty(), "0.0.0.0/0 never matches IPv6");
    }
}
