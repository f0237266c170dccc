//! Hosts, their groups, and the two things that are written: the AWS CLI's JSON and flow-log lines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// 2026-03-02T00:00:00Z, a Monday.
pub const MONDAY: u32 = 1_772_409_600;
pub const HOUR: u32 = 3_600;
pub const DAY: u32 = 86_400;

/// SplitMix64 (Steele, Lea, Flood 2014), written from the paper.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u32) -> u32 {
        (self.next() % u64::from(end.max(1))) as u32
    }

    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low)
    }

    /// 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// How many events of this rate.
    pub fn count(&mut self, rate: f64) -> u32 {
        rate as u32 + u32::from(self.share() < rate.fract())
    }
}

/// A host's interface.
#[derive(Clone, Debug)]
pub struct Host {
    pub id: String,
    pub group: &'static str,
    pub address: String,
    subnet: &'static str,
    /// Not in the inventory: it was gone when that was made.
    pub gone: bool,
    kind: &'static str,
    managed: bool,
    description: String,
}

/// One end of a conversation.
#[derive(Clone, Copy)]
pub enum End<'a> {
    Host(usize),
    Outside(&'a str),
}

/// Who, whom, and how much.
pub struct Talk<'a> {
    pub at: u32,
    pub client: End<'a>,
    pub server: End<'a>,
    pub port: u16,
    pub protocol: u8,
    pub sent: u64,
    pub received: u64,
    pub seconds: u32,
}

impl<'a> Talk<'a> {
    pub fn tcp(at: u32, client: End<'a>, server: End<'a>, port: u16) -> Self {
        Self { at, client, server, port, protocol: 6, sent: 900, received: 4_000, seconds: 3 }
    }

    pub fn bytes(self, sent: u64, received: u64) -> Self {
        Self { sent, received, ..self }
    }

    pub fn lasting(self, seconds: u32) -> Self {
        Self { seconds, ..self }
    }
}

/// Everything that is written.
pub struct Estate {
    pub hosts: Vec<Host>,
    groups: BTreeMap<&'static str, Vec<usize>>,
    logs: BTreeMap<u32, String>,
    source_port: u16,
    /// With TCP flags and direction, or the default format without.
    pub rich: bool,
    pub records: u64,
}

impl Estate {
    pub fn new(rich: bool) -> Self {
        Self {
            hosts: Vec::new(),
            groups: BTreeMap::new(),
            logs: BTreeMap::new(),
            source_port: 32_768,
            rich,
            records: 0,
        }
    }

    /// More hosts of a group, in turn in two subnets.
    pub fn add(&mut self, group: &'static str, count: usize) -> Vec<usize> {
        let made: Vec<usize> = (0..count)
            .map(|_| {
                let number = self.hosts.len();
                let (subnet, third) =
                    if number.is_multiple_of(2) { ("subnet-a", 1) } else { ("subnet-b", 2) };
                self.hosts.push(Host {
                    id: format!("eni-{number:08x}{:09x}", number * 7_919),
                    group,
                    address: format!("10.0.{third}.{}", 5 + number / 2),
                    subnet,
                    gone: false,
                    kind: "interface",
                    managed: false,
                    description: String::new(),
                });
                number
            })
            .collect();
        self.groups.entry(group).or_default().extend(&made);
        made
    }

    /// Hosts of an AWS service.
    pub fn add_managed(&mut self, group: &'static str, count: usize, kind: &'static str, description: &str) {
        for number in self.add(group, count) {
            let host = &mut self.hosts[number];
            (host.kind, host.managed) = (kind, true);
            description.clone_into(&mut host.description);
        }
    }

    pub fn of(&self, group: &str) -> &[usize] {
        &self.groups[group]
    }

    /// Writes what both interfaces log of a conversation.
    pub fn talk(&mut self, talk: &Talk<'_>) {
        self.source_port = if self.source_port >= 60_999 { 32_768 } else { self.source_port + 1 };
        let port = self.source_port;
        let address = |estate: &Self, end: End<'_>| match end {
            End::Host(host) => estate.hosts[host].address.clone(),
            End::Outside(address) => address.to_owned(),
        };
        let (client, server) = (address(self, talk.client), address(self, talk.server));
        for (end, is_client) in [(talk.client, true), (talk.server, false)] {
            let End::Host(host) = end else { continue };
            let interface = self.hosts[host].id.clone();
            // One record in ten minutes, each way.
            let pieces = talk.seconds / 600 + 1;
            for piece in 0..pieces {
                let start = talk.at + piece * 600;
                let end = (talk.at + talk.seconds).min(start + 599);
                let share = |bytes: u64| (bytes / u64::from(pieces)).max(40);
                let flags = |first: u8| {
                    let (syn, fin) = (if piece == 0 { first } else { 0 }, u8::from(piece + 1 == pieces));
                    if talk.protocol == 6 { syn | fin } else { 0 }
                };
                if talk.sent > 0 {
                    self.line(
                        &interface,
                        (&client, port),
                        (&server, talk.port),
                        talk.protocol,
                        share(talk.sent),
                        (start, end),
                        (flags(2), !is_client),
                    );
                }
                if talk.received == 0 {
                    continue;
                }
                self.line(
                    &interface,
                    (&server, talk.port),
                    (&client, port),
                    talk.protocol,
                    share(talk.received),
                    (start, end),
                    (flags(18), is_client),
                );
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of a line")]
    fn line(
        &mut self,
        interface: &str,
        from: (&str, u16),
        to: (&str, u16),
        protocol: u8,
        bytes: u64,
        time: (u32, u32),
        (flags, ingress): (u8, bool),
    ) {
        let log = self.logs.entry((time.1 - MONDAY) / (DAY / 4)).or_default();
        let packets = bytes / 1_200 + 1;
        let ((source, sport), (target, dport)) = (from, to);
        write!(log, "2 123456789012 {interface} {source} {target} {sport} {dport} {protocol} {packets} {bytes} {} {} ACCEPT OK", time.0, time.1).unwrap();
        if self.rich {
            let direction = if ingress { "ingress" } else { "egress" };
            write!(log, " {flags} {direction}").unwrap();
        }
        log.push('\n');
        self.records += 1;
    }

    /// The rows of an interface that sees nothing for ten minutes.
    pub fn idle(&mut self, host: usize, at: u32) {
        let interface = self.hosts[host].id.clone();
        let log = self.logs.entry((at - MONDAY) / (DAY / 4)).or_default();
        write!(log, "2 123456789012 {interface} - - - - - - - {at} {} - NODATA", at + 59).unwrap();
        log.push_str(if self.rich { " - -\n" } else { "\n" });
    }

    /// Rejected knocks, as the internet makes them.
    pub fn knock(&mut self, at: u32, source: &str, host: usize, port: u16) {
        let (interface, address) = (self.hosts[host].id.clone(), self.hosts[host].address.clone());
        let log = self.logs.entry((at - MONDAY) / (DAY / 4)).or_default();
        write!(log, "2 123456789012 {interface} {source} {address} 40000 {port} 6 1 40 {at} {at} REJECT OK")
            .unwrap();
        log.push_str(if self.rich { " 2 ingress\n" } else { "\n" });
        self.records += 1;
    }

    /// Logs and inventory. Hours in `lost` are left out of the logs.
    pub fn write(&self, directory: &Path, lost: &[u32]) {
        let inventory = directory.join("inventory");
        fs::create_dir_all(&inventory).unwrap();
        fs::create_dir_all(directory.join("logs")).unwrap();
        let header = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status";
        let header =
            if self.rich { format!("{header} tcp-flags flow-direction\n") } else { format!("{header}\n") };
        for (quarter, lines) in self.logs.iter().filter(|(quarter, _)| !lost.contains(quarter)) {
            fs::write(directory.join(format!("logs/{quarter:03}.log")), format!("{header}{lines}")).unwrap();
        }
        let put = |name: &str, value: Value| {
            fs::write(inventory.join(format!("{name}.json")), value.to_string()).unwrap();
        };
        let known = || self.hosts.iter().filter(|host| !host.gone);
        let interfaces: Vec<Value> = known()
            .map(|host| {
                let groups: Vec<Value> = match host.kind {
                    "nat_gateway" => Vec::new(),
                    _ => vec![json!({"GroupId": format!("sg-{}", host.group), "GroupName": host.group})],
                };
                json!({
                    "NetworkInterfaceId": host.id, "InterfaceType": host.kind, "VpcId": "vpc-1",
                    "OwnerId": "123456789012", "SubnetId": host.subnet, "PrivateIpAddress": host.address,
                    "RequesterManaged": host.managed, "Description": host.description, "Status": "in-use",
                    "Groups": groups,
                    "PrivateIpAddresses": [{"Primary": true, "PrivateIpAddress": host.address}],
                })
            })
            .collect();
        put("describe-network-interfaces", json!({"NetworkInterfaces": interfaces}));
        let groups: Vec<Value> = self
            .groups
            .keys()
            .map(|name| {
                let everything = json!([{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
                json!({"GroupId": format!("sg-{name}"), "GroupName": name, "VpcId": "vpc-1",
                    "OwnerId": "123456789012", "IpPermissions": everything, "IpPermissionsEgress": everything})
            })
            .collect();
        put("describe-security-groups", json!({"SecurityGroups": groups}));
        put(
            "describe-vpcs",
            json!({"Vpcs": [{"VpcId": "vpc-1", "OwnerId": "123456789012", "CidrBlock": "10.0.0.0/16",
            "CidrBlockAssociationSet": [{"CidrBlock": "10.0.0.0/16", "CidrBlockState": {"State": "associated"}}]}]}),
        );
        let subnet = |id: &str, block: &str| {
            json!({"SubnetId": id, "VpcId": "vpc-1", "CidrBlock": block, "OwnerId": "123456789012",
                "AvailabilityZone": "eu-west-1a"})
        };
        put(
            "describe-subnets",
            json!({"Subnets": [subnet("subnet-a", "10.0.1.0/24"), subnet("subnet-b", "10.0.2.0/24")]}),
        );
    }
}
