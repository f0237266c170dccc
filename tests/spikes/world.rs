//! An account with what is always there: noise from the internet, clients inside, and things that only look bad.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// Monday, 2026-03-02T00:00:00Z.
pub const START: i64 = 1_772_409_600;
pub const HOUR: i64 = 3600;
pub const DAY: i64 = 24 * HOUR;
pub const PUBLIC: usize = 8;
pub const PRIVATE: usize = 24;
/// Scans inside by appointment.
pub const SCANNER: &str = "10.9.9.9";

/// SplitMix64 (Steele, Lea, Flood 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In `low..=high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low + 1) as u64) as i64
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// An exponential waiting time of at least a second.
    pub fn wait(&mut self, mean: f64) -> i64 {
        (-mean * (1.0 - self.unit()).ln()).ceil().max(1.0) as i64
    }

    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.range(0, all.len() as i64 - 1) as usize]
    }

    /// Some address of the internet.
    pub fn outside(&mut self) -> String {
        format!("{}.{}.{}.{}", self.range(64, 99), self.range(0, 255), self.range(0, 255), self.range(1, 254))
    }
}

/// Something that was planted.
pub struct Plant {
    pub cause: &'static str,
    pub sources: Vec<String>,
    /// What a surge from everywhere is about, whose sources are lost among others.
    pub port: Option<u16>,
    pub targets: Vec<String>,
    pub from: i64,
    pub to: i64,
}

/// A packet's way and fate.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    pub at: i64,
    pub from: (&'a str, u16),
    pub to: (&'a str, u16),
    pub accepted: bool,
    pub flags: u8,
}

pub struct World {
    pub random: Random,
    pub days: i64,
    /// How much of everything is planted: 1 is plain.
    pub strength: f64,
    pub log: String,
    pub plants: Vec<Plant>,
    /// What sources of the internet were refused at: interfaces and ports.
    pub refused_at: BTreeMap<String, BTreeSet<(usize, u16)>>,
    /// When the database was closed.
    pub closed: i64,
    /// Not watched: interface, from, to.
    gap: (usize, i64, i64),
}

/// Interfaces 0..PUBLIC face the internet, the others do not; the first of these is a database, the second one's
/// network ACL stops replies to 10.77.0.0/16.
pub fn id(interface: usize) -> String {
    format!("eni-{interface:017x}")
}

pub fn ip(interface: usize) -> String {
    format!("10.1.{}.{}", u8::from(interface >= PUBLIC), 10 + interface)
}

/// When an interface came to be: one is new.
fn since(interface: usize, days: i64) -> i64 {
    if interface == PUBLIC - 1 { START + days * DAY * 6 / 10 } else { START }
}

impl World {
    pub fn new(seed: u64, days: i64, strength: f64) -> Self {
        let mut random = Random(seed);
        let closed = START + days * DAY * random.range(60, 70) / 100;
        let gap_from = START + days * DAY / 2;
        let log = String::from(
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
             log-status tcp-flags\n",
        );
        let gap = (PUBLIC + 5, gap_from, gap_from + 2 * HOUR);
        let (plants, refused_at) = (Vec::new(), BTreeMap::new());
        let mut world = Self { random, days, strength, log, plants, refused_at, closed, gap };
        (0..PUBLIC + PRIVATE).for_each(|interface| world.coverage(interface));
        for interface in 0..PUBLIC {
            world.noise(interface);
            world.passers_by(interface);
        }
        world.mistakes();
        world.decoys();
        world
    }

    pub fn end(&self) -> i64 {
        START + self.days * DAY
    }

    pub fn interface_days(&self) -> f64 {
        let lives = (0..PUBLIC + PRIVATE).map(|i| self.end() - since(i, self.days));
        lives.sum::<i64>() as f64 / DAY as f64
    }

    pub fn row(&mut self, interface: usize, row: Row<'_>) {
        let unwatched = interface == self.gap.0 && (self.gap.1..self.gap.2).contains(&row.at);
        if row.at >= self.end() || row.at < since(interface, self.days) || unwatched {
            return;
        }
        let Row { at, from, to, accepted, flags } = row;
        if !accepted && !from.0.starts_with("10.") {
            match self.refused_at.get_mut(from.0) {
                Some(targets) => targets.insert((interface, to.1)),
                None => self.refused_at.insert(from.0.to_owned(), [(interface, to.1)].into()).is_none(),
            };
        }
        let action = if accepted { "ACCEPT" } else { "REJECT" };
        let (id, end) = (id(interface), at + 1);
        let line = writeln!(
            self.log,
            "3 123456789012 {id} {} {} {} {} 6 1 44 {at} {end} {action} OK {flags}",
            from.0, to.0, from.1, to.1
        );
        line.unwrap();
    }

    /// An attempt to open a connection that is refused.
    pub fn refused(&mut self, interface: usize, source: &str, port: u16, at: i64) {
        let from = self.random.range(1024, 65_535) as u16;
        let own = ip(interface);
        self.row(interface, Row { at, from: (source, from), to: (&own, port), accepted: false, flags: 2 });
    }

    /// A connection that is answered, or whose answer is stopped.
    pub fn accepted(&mut self, interface: usize, source: &str, port: u16, at: i64, answered: bool) {
        let from = self.random.range(1024, 65_535) as u16;
        let own = ip(interface);
        self.row(interface, Row { at, from: (source, from), to: (&own, port), accepted: true, flags: 3 });
        let answer = Row { at, from: (&own, port), to: (source, from), accepted: answered, flags: 19 };
        self.row(interface, answer);
    }

    /// Regular clients, and a row for every ten minutes.
    fn coverage(&mut self, interface: usize) {
        let mut at = START;
        while at < self.end() {
            let source = format!("10.2.0.{}", self.random.range(1, 40));
            let port = if interface < PUBLIC { 443 } else { 8000 };
            let shift = self.random.range(0, 500);
            self.accepted(interface, &source, port, at + shift, true);
            at += 600;
        }
    }

    /// More by day than by night, a different level at each interface, in small bursts.
    fn noise(&mut self, interface: usize) {
        const PORTS: [u16; 16] =
            [22, 23, 23, 445, 3389, 80, 8080, 5555, 6379, 3306, 1433, 8443, 2323, 60_001, 5060, 37_215];
        let level = 2.0_f64.powf(self.random.unit() * 3.0 - 1.0);
        let mut at = START;
        while at < self.end() {
            let phase = (at % DAY) as f64 / DAY as f64 * std::f64::consts::TAU;
            at += self.random.wait(300.0 / (level * (1.0 + 0.5 * phase.sin())));
            let source = self.random.outside();
            let mut knock = at;
            for _ in 0..=(self.random.wait(1.5) - 1).min(12) {
                let any = self.random.range(1024, 65_535) as u16;
                let usual = self.random.pick(&PORTS);
                let port = if self.random.unit() < 0.3 { any } else { usual };
                self.refused(interface, &source, port, knock);
                knock += self.random.wait(40.0);
            }
        }
    }

    /// Every few days somebody tries a few dozen ports: scans, too, but too common to be told one by one.
    fn passers_by(&mut self, interface: usize) {
        let mut at = START;
        while at < self.end() {
            at += self.random.wait(1.5 * DAY as f64);
            let source = self.random.outside();
            for _ in 0..self.random.range(15, 35) {
                let (port, shift) = (self.random.range(1, 10_000) as u16, self.random.range(0, 200));
                self.refused(interface, &source, port, at + shift);
            }
        }
    }

    /// Inside, too, somebody tries the wrong thing now and then.
    fn mistakes(&mut self) {
        let mut at = START;
        while at < self.end() {
            at += self.random.wait(2000.0);
            let target = self.random.range(PUBLIC as i64, (PUBLIC + PRIVATE) as i64 - 1) as usize;
            let source = format!("10.2.0.{}", self.random.range(1, 40));
            let port = self.random.pick(&[22, 80, 139, 161, 5432, 9100]);
            let tries = self.random.range(1, 3);
            (0..tries).for_each(|n| self.refused(target, &source, port, at + n * 7));
        }
    }

    /// What only looks bad.
    fn decoys(&mut self) {
        for day in 0..self.days {
            let midnight = START + day * DAY;
            // Every working day from 9 to 10 many people try an old address of a web site.
            for _ in 0..(if day % 7 < 5 { 700 } else { 0 }) {
                let (source, at) = (self.random.outside(), midnight + 9 * HOUR + self.random.range(0, HOUR));
                self.refused(2, &source, 80, at);
            }
            // Every night a job asks a server that was moved long ago.
            for n in 0..80 {
                self.refused(PUBLIC + 3, "10.2.0.77", 9200, midnight + 2 * HOUR + n * 7);
            }
        }
        // An agent that is always refused, and what it could not send while nobody watched.
        let (mut at, (behind, _, back)) = (START, self.gap);
        while at < self.end() {
            self.refused(behind, "10.2.0.50", 9997, at);
            at += self.random.range(40, 80);
        }
        for _ in 0..60 {
            let at = back + self.random.range(0, 280);
            self.refused(behind, "10.2.0.50", 9997, at);
        }
        // A policy is rolled out: from now on the internet is refused where it was let in, at half of the interfaces.
        let mut at = START + self.days * DAY * 45 / 100;
        while at < self.end() {
            at += self.random.wait(25.0);
            let (interface, source) = (self.random.range(0, PUBLIC as i64 / 2 - 1), self.random.outside());
            self.refused(interface as usize, &source, 8080, at);
        }
        // The scanner of the house.
        let mut at = START + self.days * DAY * 3 / 10 + 3 * HOUR;
        for target in 0..PUBLIC + PRIVATE {
            for port in 1..=60_u16 {
                self.refused(target, SCANNER, port * 17, at);
                at += i64::from(port % 3 == 0);
            }
        }
    }

    /// Writes log and inventory: snapshots at the begin, and around the moment at which the database was closed.
    pub fn write(&self, directory: &Path) {
        std::fs::write(directory.join("flow.log"), &self.log).unwrap();
        for time in [START - HOUR, self.closed - HOUR / 2, self.closed + HOUR / 2] {
            let name = chrono::DateTime::from_timestamp(time, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ");
            let place = directory.join("inventory").join(name.to_string());
            std::fs::create_dir_all(&place).unwrap();
            for (name, value) in inventory(time < self.closed) {
                std::fs::write(place.join(format!("{name}.json")), value.to_string()).unwrap();
            }
        }
    }
}

fn inventory(open: bool) -> Vec<(&'static str, Value)> {
    let rule = |group: &str, egress: bool, ports: (i32, i32), cidr: &str| {
        json!({
            "SecurityGroupRuleId": format!("sgr-{group}-{}-{}-{}", u8::from(egress), ports.0, cidr.len()),
            "GroupId": format!("sg-{group}"), "IsEgress": egress, "IpProtocol": "tcp",
            "FromPort": ports.0, "ToPort": ports.1, "CidrIpv4": cidr,
        })
    };
    let mut rules = vec![
        rule("public", false, (443, 443), "0.0.0.0/0"),
        rule("public", true, (0, 65_535), "0.0.0.0/0"),
        rule("private", false, (8000, 8000), "10.0.0.0/8"),
        rule("private", true, (0, 65_535), "10.0.0.0/8"),
        rule("database", false, (8000, 8000), "10.0.0.0/8"),
        rule("database", true, (0, 65_535), "10.0.0.0/8"),
    ];
    if open {
        rules.push(rule("database", false, (5432, 5432), "10.0.0.0/8"));
    }
    let group = |name: &str| {
        json!({"GroupId": format!("sg-{name}"), "GroupName": name, "VpcId": "vpc-1", "OwnerId": "123456789012",
            "IpPermissions": [], "IpPermissionsEgress": []})
    };
    let groups = ["public", "private", "database"].map(group);
    let interface = |at: usize| {
        let group = match at {
            _ if at < PUBLIC => "public",
            PUBLIC => "database",
            _ => "private",
        };
        let subnet = if at == PUBLIC + 1 { "subnet-2" } else { "subnet-1" };
        json!({
            "NetworkInterfaceId": id(at), "InterfaceType": "interface", "VpcId": "vpc-1", "OwnerId": "123456789012",
            "SubnetId": subnet, "PrivateIpAddress": ip(at), "Status": "in-use",
            "Groups": [{"GroupId": format!("sg-{group}"), "GroupName": group}],
            "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": ip(at)}],
        })
    };
    let entry = |number: u32, egress: bool, cidr: &str, action: &str| json!({"RuleNumber": number, "Egress": egress, "CidrBlock": cidr, "Protocol": "-1", "RuleAction": action});
    let acl = |id: &str, subnet: &str, mut entries: Vec<Value>| {
        entries.extend([false, true].into_iter().flat_map(|egress| {
            [entry(100, egress, "0.0.0.0/0", "allow"), entry(32_767, egress, "0.0.0.0/0", "deny")]
        }));
        json!({"NetworkAclId": id, "VpcId": "vpc-1", "OwnerId": "123456789012", "IsDefault": false,
            "Entries": entries, "Associations": [{"NetworkAclAssociationId": format!("aclassoc-{subnet}"),
            "NetworkAclId": id, "SubnetId": subnet}]})
    };
    let subnet = |id: &str, cidr: &str| {
        json!({"SubnetId": id, "VpcId": "vpc-1", "OwnerId": "123456789012", "CidrBlock": cidr,
            "AvailabilityZone": "eu-west-1a", "State": "available"})
    };
    let closed_to = entry(50, true, "10.77.0.0/16", "deny");
    vec![
        ("describe-security-group-rules", json!({"SecurityGroupRules": rules})),
        ("describe-security-groups", json!({"SecurityGroups": groups})),
        (
            "describe-network-interfaces",
            json!({"NetworkInterfaces": (0..PUBLIC + PRIVATE).map(interface).collect::<Vec<_>>()}),
        ),
        (
            "describe-network-acls",
            json!({"NetworkAcls": [acl("acl-1", "subnet-1", vec![]), acl("acl-2", "subnet-2", vec![closed_to])]}),
        ),
        (
            "describe-subnets",
            json!({"Subnets": [subnet("subnet-1", "10.1.0.0/17"), subnet("subnet-2", "10.1.128.0/17")]}),
        ),
        (
            "describe-vpcs",
            json!({"Vpcs": [{"VpcId": "vpc-1", "OwnerId": "123456789012", "CidrBlock": "10.1.0.0/16",
                "CidrBlockAssociationSet": [{"CidrBlock": "10.1.0.0/16",
                "CidrBlockState": {"State": "associated"}}]}]}),
        ),
    ]
}
