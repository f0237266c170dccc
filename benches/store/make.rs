//! A store of generated connections: skewed as those of an account are, with addresses in it whose rows are counted.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use flowgate::flow::InterfaceContext;
use flowgate::store::{ConnectionRow, ConnectionWriter, DayFiles, Disk, Names, StoreWriter};

/// 2026-01-01.
const FIRST_DAY: u32 = 20_454;

/// An address that few talk to, and how many rows it has in all.
pub const RARE: (Ipv4Addr, u64) = (Ipv4Addr::new(198, 51, 100, 7), 20);

/// An address that everybody talks to: one row in so many.
pub const FREQUENT: (Ipv4Addr, u64) = (Ipv4Addr::new(203, 0, 113, 9), 10_000);

/// What to make.
pub struct World {
    pub rows: u64,
    pub days: u32,
    pub interfaces: u32,
    tiers: u32,
    /// Numbers of interfaces by tier.
    members: Vec<Vec<u32>>,
}

fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = mix(self.0);
        ((u128::from(self.0) * u128::from(limit)) >> 64) as u64
    }

    /// Small numbers more often than large ones.
    fn skewed(&mut self, limit: u64, power: i32) -> u64 {
        let unit = self.below(1 << 32) as f64 / (1_u64 << 32) as f64;
        ((unit.powi(power) * limit as f64) as u64).min(limit - 1)
    }
}

fn v4(bits: u32) -> u128 {
    Ipv4Addr::from(bits).to_ipv6_mapped().into()
}

impl World {
    pub fn new(rows: u64, days: u32, interfaces: u32) -> Self {
        let tiers = (interfaces / 40).max(4);
        let mut members = vec![Vec::new(); tiers as usize];
        for interface in 0..interfaces {
            members[tier_of(interface, tiers) as usize].push(interface);
        }
        Self { rows, days, interfaces, tiers, members }
    }

    /// Ids in their order, as the judge numbers them.
    pub fn names(&self) -> Names {
        let mut ids: Vec<String> =
            (0..self.interfaces).map(|n| format!("eni-{:017x}", mix(u64::from(n)) >> 4)).collect();
        ids.sort_unstable();
        let context = |number: u64| InterfaceContext {
            account: Some("123456789012".to_owned()),
            vpc: Some(format!("vpc-{:017x}", mix(number % 4) >> 4)),
            subnet: Some(format!("subnet-{:017x}", mix(number % 60) >> 4)),
            instance: (!number.is_multiple_of(5)).then(|| format!("i-{:017x}", mix(number << 20) >> 4)),
            ..InterfaceContext::default()
        };
        let rules = (0..self.tiers * 6).map(Self::rule).collect();
        let groups = (0..self.tiers * 6).map(|rule| format!("sg-{:017x}", mix(u64::from(rule / 6)) >> 4));
        Names {
            interfaces: (0..).zip(ids).map(|(n, id)| (id, context(n))).collect(),
            rules,
            groups: groups.collect(),
        }
    }

    /// Id of a rule; each tier has six.
    pub fn rule(number: u32) -> String {
        format!("sgr-{:017x}", mix(u64::from(number) << 32) >> 4)
    }

    /// The tier whose rules are asked for: of middling use.
    pub fn some_tier(&self) -> u32 {
        tier_of(self.some_interface(), self.tiers)
    }

    /// An interface of middling use.
    pub fn some_interface(&self) -> u32 {
        self.popular(u64::from(self.interfaces) / 3)
    }

    fn popular(&self, rank: u64) -> u32 {
        // Any number that has no factor in common with the count goes through all of them.
        ((rank * 7_919 + 13) % u64::from(self.interfaces)) as u32
    }

    pub fn local(interface: u32) -> u128 {
        v4(0x0a00_0100 + interface * 3)
    }

    fn per_day(&self) -> u64 {
        self.rows / u64::from(self.days)
    }

    /// How many rows of a planted address a day has.
    fn planted(&self, total: u64, day: u32) -> u64 {
        let (day, days) = (u64::from(day), u64::from(self.days));
        (day + 1) * total / days - day * total / days
    }

    /// A row, which follows from its day and number alone.
    fn row(&self, day: u32, number: u64) -> ConnectionRow<'static> {
        let mut dice = Dice(mix(number) ^ mix(u64::from(day) << 40));
        let (rare, frequent) = (self.planted(RARE.1, day), self.planted(self.rows / FREQUENT.1, day));
        let interface = if number < rare {
            self.popular(dice.below(3))
        } else if number < rare + frequent {
            dice.below(u64::from(self.interfaces)) as u32
        } else {
            let rank = dice.skewed(u64::from(self.interfaces), 2);
            self.popular(rank)
        };
        let tier = tier_of(interface, self.tiers);
        let kind = dice.below(100);
        let start = (FIRST_DAY + day) * 86_400 + dice.below(86_400) as u32;
        let service = dice.skewed(4, 2) as u32;
        let port = [443, 5432, 8080, 22][service as usize];
        let ephemeral = 1024 + dice.below(60_000) as u16;
        let mut row = ConnectionRow {
            interface,
            local: Self::local(interface),
            protocol: if kind % 10 == 9 { 17 } else { 6 },
            evidence: "tcp-flags",
            strength: "proven",
            opened: start,
            start,
            end: start + dice.skewed(600, 4) as u32,
            accepted: true,
            verdict: "permitted",
            local_port: port,
            remote_port: ephemeral,
            direction: Some("inbound"),
            rules: vec![tier * 6 + service].into(),
            ..ConnectionRow::default()
        };
        row.remote = match kind {
            _ if number < rare => v4(RARE.0.into()),
            _ if number < rare + frequent => v4(FREQUENT.0.into()),
            0..45 => {
                // Of one of four tiers that this one talks to.
                let partner = mix(u64::from(tier) * 4 + dice.below(4)) % u64::from(self.tiers);
                let members = &self.members[partner as usize];
                let peer = members[dice.below(members.len().max(1) as u64) as usize % members.len().max(1)];
                Self::local(peer)
            }
            45..72 => v4(0x2d00_0000 + dice.skewed(2_000_000, 3) as u32 * 61),
            72..75 => (0x2001_0db8_u128 << 96) + u128::from(mix(dice.skewed(200_000, 3))),
            75..90 => v4(0x5000_0000 + dice.skewed(400_000, 2) as u32 * 1_597),
            _ => v4(0x3400_0000 + dice.skewed(300, 2) as u32 * 7_321),
        };
        if kind >= 90 || kind.is_multiple_of(3) && kind < 45 {
            row.direction = Some("outbound");
            (row.local_port, row.remote_port) = (row.remote_port, row.local_port);
            row.rules = if kind.is_multiple_of(2) {
                vec![tier * 6 + 4].into()
            } else {
                vec![tier * 6 + 4, tier * 6 + 5].into()
            };
        }
        if (75..90).contains(&kind) && number >= rare + frequent {
            (row.accepted, row.verdict, row.reason) = (false, "rejected", "security-group");
            (row.local_port, row.rules) = ([23, 3389, 445, 6379, 8080][dice.below(5) as usize], (&[]).into());
            row.rejected = [1 + dice.below(3), 0];
        } else {
            row.packets = [1 + dice.skewed(2_000, 5), 1 + dice.skewed(2_000, 5)];
            row.bytes =
                [row.packets[0] * (40 + dice.below(1_400)), row.packets[1] * (40 + dice.below(1_400))];
        }
        if dice.below(200) == 0 {
            row.opened = start - 86_400;
        }
        row
    }

    /// Numbers of a day's rows in the order in which the judge hands them out: by partitions of pairs of addresses.
    fn order(&self, day: u32) -> Vec<u32> {
        let count = self.per_day() as u32;
        let mut order: Vec<(u32, u32)> = (0..count)
            .map(|number| {
                let row = self.row(day, number.into());
                ((mix(row.local as u64 ^ mix(row.remote as u64)) >> 32) as u32, number)
            })
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, number)| number).collect()
    }

    /// Writes the store.
    pub fn write(&self, directory: &Path, threads: u32) {
        let mut store = StoreWriter::open(directory, Disk::default()).expect("a new store");
        let next = AtomicU32::new(0);
        let files = Mutex::new(Vec::new());
        let work = || {
            loop {
                let day = next.fetch_add(1, Ordering::Relaxed);
                if day >= self.days {
                    return;
                }
                let mut writer = ConnectionWriter::new(&store, self.names());
                for number in self.order(day) {
                    writer.push(&self.row(day, number.into())).expect("room on the disk");
                }
                let written = writer.finish().expect("room on the disk");
                files.lock().unwrap_or_else(PoisonError::into_inner).extend(written);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(work);
            }
        });
        let files = files.into_inner().unwrap_or_else(PoisonError::into_inner);
        let days = (FIRST_DAY..FIRST_DAY + self.days).collect();
        let files = DayFiles { connections: files, tables: Vec::new() };
        store.commit_connections(&days, files, Vec::new()).expect("a commit");
    }

    /// Noon of the day in the middle, Unix seconds.
    pub fn some_noon(&self) -> i64 {
        i64::from(FIRST_DAY + self.days / 2) * 86_400 + 43_200
    }
}

fn tier_of(interface: u32, tiers: u32) -> u32 {
    (mix(u64::from(interface) | 1 << 50) % u64::from(tiers)) as u32
}
