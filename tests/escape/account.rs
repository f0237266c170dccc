//! An account whose configuration changes, and what it permits at any second.

use std::net::Ipv4Addr;

use super::told::Mode;

/// 2026-03-01T00:00:00Z.
pub const START: i64 = 1_772_323_200;
pub const HOURS: i64 = 24;
pub const END: i64 = START + HOURS * 3600;
/// Since when the configuration is told of.
pub const BEFORE: i64 = START - 3 * PERIOD;
/// Between snapshots.
pub const PERIOD: i64 = 4 * 3600;

/// xorshift64* (Vigna 2016).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, end: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as i64) % end
    }

    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high - low + 1)
    }

    pub fn pick<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        &list[self.below(list.len() as i64) as usize]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Peer {
    /// Network and length.
    Cidr(Ipv4Addr, u8),
    /// Index of a group.
    Group(usize),
    /// Index of a prefix list.
    List(usize),
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub group: usize,
    pub egress: bool,
    /// 6, 17 or -1.
    pub protocol: i32,
    pub ports: (u16, u16),
    pub peer: Peer,
    /// When it was there.
    pub life: (i64, i64),
}

#[derive(Clone, Debug)]
pub struct Eni {
    pub id: String,
    pub address: Ipv4Addr,
    /// Groups over time: from when on, which. Empty before and after its life.
    pub groups: Vec<(i64, Vec<usize>)>,
    pub life: (i64, i64),
}

impl Eni {
    pub fn groups_at(&self, at: i64) -> &[usize] {
        self.groups.iter().rev().find(|(from, _)| *from <= at).map_or(&[], |(_, groups)| groups)
    }

    pub fn lives(&self, at: i64) -> bool {
        self.life.0 <= at && at < self.life.1
    }
}

/// Networks and lengths.
pub type Blocks = Vec<(Ipv4Addr, u8)>;

pub struct Account {
    pub groups: usize,
    pub enis: Vec<Eni>,
    pub rules: Vec<Rule>,
    /// Entries of prefix lists over time.
    pub lists: Vec<Vec<(i64, Blocks)>>,
}

pub const SERVICES: [(i32, u16); 8] =
    [(6, 22), (6, 80), (6, 443), (6, 3306), (6, 5432), (6, 8080), (17, 53), (17, 514)];

pub fn holds(network: Ipv4Addr, length: u8, address: Ipv4Addr) -> bool {
    let mask = if length == 0 { 0 } else { u32::MAX << (32 - u32::from(length)) };
    u32::from(network) & mask == u32::from(address) & mask
}

impl Account {
    pub fn new(seed: u64, mode: Mode) -> Self {
        let mut random = Random::new(seed + 1);
        let groups = 14;
        // A change that lives and dies between two observations cannot be known; see the detector's manual.
        let shortest = if mode == Mode::Snapshots { PERIOD + 600 } else { 2400 };
        let moment = |random: &mut Random| random.between(START + 3 * 3600, END - 3 * 3600);
        let mut rules = Vec::new();
        let mut add = |group: usize, egress, (protocol, ports): (i32, (u16, u16)), peer, life| {
            let id = format!("sgr-{:017x}", rules.len() + 1);
            rules.push(Rule { id, group, egress, protocol, ports, peer, life });
        };
        let always = (i64::MIN, i64::MAX);
        for group in 0..groups {
            add(group, true, (-1, (0, 65_535)), Peer::Cidr(Ipv4Addr::UNSPECIFIED, 0), always);
            for n in 0..6 {
                let &(protocol, port) = random.pick(&SERVICES);
                let ports = if random.below(5) == 0 { (port, port + 20) } else { (port, port) };
                let peer = match random.below(10) {
                    0..=3 => Peer::Group(random.below(groups as i64) as usize),
                    4..=5 => Peer::List(random.below(3) as usize),
                    6 => Peer::Cidr(Ipv4Addr::new(10, 50, random.below(4) as u8, 0), 24),
                    7..=8 => Peer::Cidr(Ipv4Addr::new(198, 51, 100, 64 * random.below(4) as u8), 26),
                    _ => Peer::Cidr(Ipv4Addr::UNSPECIFIED, 0),
                };
                let life = match n {
                    0..=2 => always,
                    // Half of them went before the log began.
                    3 if group % 2 == 0 => (i64::MIN, random.between(START - 9000, START - 600)),
                    3 => (i64::MIN, moment(&mut random)),
                    4 => (moment(&mut random), i64::MAX),
                    _ => {
                        let from = random.between(START + 1800, END - shortest - 7200);
                        (from, from + random.between(shortest, shortest + 14_400))
                    }
                };
                add(group, false, (protocol, ports), peer, life);
            }
        }
        let mut enis: Vec<Eni> = Vec::new();
        for n in 0..60_u32 {
            let some = |random: &mut Random| -> Vec<usize> {
                let mut some: Vec<usize> =
                    (0..=random.below(2)).map(|_| random.below(groups as i64) as usize).collect();
                some.sort_unstable();
                some.dedup();
                some
            };
            let mut over_time = vec![(i64::MIN, some(&mut random))];
            if n % 6 == 1 {
                over_time.push((moment(&mut random), some(&mut random)));
            }
            let mut life = always;
            let mut address = Ipv4Addr::new(10, 50, (n % 4) as u8, 10 + (n / 4) as u8);
            if n >= 54 {
                // It takes the address of one that goes.
                let at = moment(&mut random);
                let last = &mut enis[n as usize - 54];
                last.life.1 = at;
                address = last.address;
                life.0 = at + 120;
                over_time[0].0 = life.0;
            }
            enis.push(Eni { id: format!("eni-{n:017x}"), address, groups: over_time, life });
        }
        let entry = |random: &mut Random| (Ipv4Addr::new(203, 0, 113, 16 * random.below(16) as u8), 28);
        let lists = (0..3)
            .map(|_| {
                let before: Vec<_> = (0..4).map(|_| entry(&mut random)).collect();
                let mut after = before[1..].to_vec();
                after.push(entry(&mut random));
                vec![(i64::MIN, before), (moment(&mut random), after)]
            })
            .collect();
        Self { groups, enis, rules, lists }
    }

    pub fn entries_at(&self, list: usize, at: i64) -> &[(Ipv4Addr, u8)] {
        &self.lists[list].iter().rev().find(|(from, _)| *from <= at).unwrap().1
    }

    fn matches(&self, peer: &Peer, remote: Ipv4Addr, at: i64) -> bool {
        match *peer {
            Peer::Cidr(network, length) => holds(network, length, remote),
            Peer::List(list) => self.entries_at(list, at).iter().any(|&(n, l)| holds(n, l, remote)),
            Peer::Group(group) => {
                let member = |eni: &&Eni| eni.address == remote && eni.lives(at);
                self.enis.iter().filter(member).any(|eni| eni.groups_at(at).contains(&group))
            }
        }
    }

    /// The rules that permit an opening at an interface at a second.
    pub fn permits(
        &self,
        eni: usize,
        egress: bool,
        protocol: i32,
        port: u16,
        remote: Ipv4Addr,
        at: i64,
    ) -> Vec<&Rule> {
        let groups = self.enis[eni].groups_at(at);
        let matches = |r: &&Rule| {
            groups.contains(&r.group)
                && r.egress == egress
                && r.life.0 <= at
                && at < r.life.1
                && (r.protocol == -1 || (r.protocol == protocol && r.ports.0 <= port && port <= r.ports.1))
                && self.matches(&r.peer, remote, at)
        };
        self.rules.iter().filter(matches).collect()
    }

    /// Seconds at which anything changes.
    pub fn moments(&self) -> Vec<i64> {
        let rules = self.rules.iter().flat_map(|r| [r.life.0, r.life.1]);
        let enis = self
            .enis
            .iter()
            .flat_map(|e| [e.life.0, e.life.1].into_iter().chain(e.groups.iter().map(|g| g.0)));
        let lists = self.lists.iter().flatten().map(|(from, _)| *from);
        let mut all: Vec<i64> =
            rules.chain(enis).chain(lists).filter(|t| (BEFORE..END).contains(t)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}
