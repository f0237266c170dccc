//! A small world, written by hand: three interfaces, four days of which one has no logs.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::investigate::support::{flowgate, text};

/// 2026-03-01T00:00:00Z.
pub const T0: i64 = 1_772_323_200;
pub const DAY: i64 = 86_400;

/// What drives a terminal, a browser or a shell, if something takes it for more than text.
pub const EVIL: &str = "web\"'><script>window.ran=1</script>$(touch /tmp/ran)\u{1b}[31m\u{202e}";

const HEADER: &str = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action \
     log-status instance-id tcp-flags pkt-srcaddr pkt-dstaddr flow-direction";

/// One record: interface, instance, source, destination, protocol, packets, bytes, start, end, action, flags, direction.
struct Record<'a> {
    at: (&'a str, &'a str),
    from: (&'a str, u16),
    to: (&'a str, u16),
    protocol: u8,
    sum: (u64, u64),
    time: (i64, i64),
    accepted: bool,
    flags: u8,
    inward: bool,
    /// Addresses of the packets, where they are others.
    packet: Option<(&'a str, &'a str)>,
}

impl Record<'_> {
    fn line(&self) -> String {
        let (source, destination) = self.packet.unwrap_or((self.from.0, self.to.0));
        format!(
            "5 111122223333 {} {} {} {} {} {} {} {} {} {} {} OK {} {} {source} {destination} {}",
            self.at.0,
            self.from.0,
            self.to.0,
            self.from.1,
            self.to.1,
            self.protocol,
            self.sum.0,
            self.sum.1,
            T0 + self.time.0,
            T0 + self.time.1,
            if self.accepted { "ACCEPT" } else { "REJECT" },
            self.at.1,
            self.flags,
            if self.inward { "ingress" } else { "egress" },
        )
    }
}

pub const WEB: (&str, &str) = ("eni-0a01", "i-0a01");
pub const DB: (&str, &str) = ("eni-0b01", "i-0b01");
pub const NAT: (&str, &str) = ("eni-0c01", "-");

/// Both directions of a TCP connection that the first end opened; sums are packets and bytes of it and of the answer.
#[allow(clippy::too_many_arguments, reason = "a line of a table")]
fn tcp<'a>(
    at: (&'a str, &'a str),
    inward: bool,
    from: (&'a str, u16),
    to: (&'a str, u16),
    time: (i64, i64),
    asked: (u64, u64),
    answered: (u64, u64),
    flags: (u8, u8),
) -> [Record<'a>; 2] {
    let record = |from, to, sum, flags, inward| Record {
        at,
        from,
        to,
        protocol: 6,
        sum,
        time,
        accepted: true,
        flags,
        inward,
        packet: None,
    };
    [record(from, to, asked, flags.0, inward), record(to, from, answered, flags.1, !inward)]
}

fn records() -> Vec<Record<'static>> {
    let client = |port| ("203.0.113.7", port);
    let (web, db) = (("10.0.1.10", 443), ("10.0.2.20", 5432));
    let opened = (2, 18);
    let mut all = Vec::new();
    // The client on the first and the third day; two rules permit it.
    all.extend(tcp(WEB, true, client(50_001), web, (100, 110), (10, 1_000), (8, 5_000), opened));
    all.extend(tcp(WEB, true, client(50_002), web, (2 * DAY + 50, 2 * DAY + 60), (3, 300), (3, 900), opened));
    all.push(Record {
        at: WEB,
        from: client(50_003),
        to: ("10.0.1.10", 22),
        protocol: 6,
        sum: (1, 60),
        time: (200, 200),
        accepted: false,
        flags: 2,
        inward: true,
        packet: None,
    });
    // Another client, that one rule alone permits; and one by IPv6.
    all.extend(tcp(WEB, true, ("198.51.100.99", 40_000), web, (300, 305), (5, 500), (5, 700), opened));
    let (v6, web6) = (("2001:db8:9::7", 6_000), ("2001:db8:1::10", 443));
    all.extend(tcp(WEB, true, v6, web6, (500, 505), (2, 200), (2, 300), opened));
    // From web to the database, seen from both ends; and once over midnight, seen from web.
    let asks = |port| ("10.0.1.10", port);
    all.extend(tcp(WEB, false, asks(33_000), db, (400, 420), (4, 400), (4, 4_000), opened));
    all.extend(tcp(DB, true, asks(33_000), db, (400, 420), (4, 400), (4, 4_000), opened));
    let night = 3 * DAY;
    all.extend(tcp(WEB, false, asks(33_001), db, (night - 100, night - 60), (2, 200), (2, 2_000), opened));
    all.extend(tcp(WEB, false, asks(33_001), db, (night + 10, night + 50), (2, 250), (2, 2_500), (0, 0)));
    // Nothing permits this one.
    all.extend(tcp(DB, true, ("192.0.2.66", 5_555), db, (600, 610), (2, 120), (2, 130), opened));
    // The database through the NAT gateway to 198.51.100.200: four legs.
    let (inside, outside) = (("10.0.2.20", 44_000), ("198.51.100.200", 80));
    let nat = ("10.0.0.5", 1_024);
    let leg = |from, to, sum, flags, inward, packet| Record {
        at: NAT,
        from,
        to,
        protocol: 6,
        sum,
        time: (700, 710),
        accepted: true,
        flags,
        inward,
        packet: Some(packet),
    };
    all.push(leg(inside, ("10.0.0.5", 80), (3, 330), 2, true, ("10.0.2.20", "198.51.100.200")));
    all.push(leg(("10.0.0.5", 80), inside, (3, 3_300), 18, false, ("198.51.100.200", "10.0.2.20")));
    all.push(leg(nat, outside, (3, 330), 2, false, ("10.0.0.5", "198.51.100.200")));
    all.push(leg(outside, nat, (3, 3_300), 18, true, ("198.51.100.200", "10.0.0.5")));
    all
}

fn interface(id: &str, address: &str, group: Option<&str>, instance: Option<&str>, kind: &str) -> Value {
    let groups: Vec<Value> = group.iter().map(|id| json!({ "GroupId": id, "GroupName": "g" })).collect();
    json!({
        "NetworkInterfaceId": id, "InterfaceType": kind, "OwnerId": "111122223333", "VpcId": "vpc-0a01",
        "SubnetId": "subnet-0a01", "AvailabilityZone": "eu-west-1a", "Description": "", "Groups": groups,
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{ "PrivateIpAddress": address, "Primary": true }],
        "Ipv6Addresses": if id == WEB.0 { json!([{ "Ipv6Address": "2001:db8:1::10" }]) } else { json!([]) },
        "Attachment": instance.map_or(json!(null), |id| json!({ "InstanceId": id, "Status": "attached" })),
        "Association": if id == WEB.0 { json!({ "PublicIp": "198.51.100.10" }) } else { json!(null) },
        "TagSet": if id == WEB.0 { json!([{ "Key": "Name", "Value": EVIL }]) } else { json!([]) },
        "RequesterManaged": false, "Status": "in-use",
    })
}

fn rule(id: &str, group: &str, egress: bool, ports: Option<(i64, i64)>, peer: (&str, &str)) -> Value {
    let mut rule = json!({
        "SecurityGroupRuleId": id, "GroupId": group, "GroupOwnerId": "111122223333", "IsEgress": egress,
        "IpProtocol": if ports.is_some() { "tcp" } else { "-1" },
        "FromPort": ports.map_or(-1, |p| p.0), "ToPort": ports.map_or(-1, |p| p.1), "Tags": [],
    });
    rule[peer.0] = match peer.0 {
        "ReferencedGroupInfo" => json!({ "GroupId": peer.1, "UserId": "111122223333" }),
        _ => json!(peer.1),
    };
    rule
}

/// An inventory as of a time. The rule for 203.0.113.0/24 comes with the second one.
fn inventory(directory: &Path, with_rule: bool) {
    fs::create_dir_all(directory).unwrap();
    let write = |name: &str, value: Value| fs::write(directory.join(name), value.to_string()).unwrap();
    let https = Some((443, 443));
    let mut rules = vec![
        rule("sgr-0a01", "sg-0a01", false, https, ("CidrIpv4", "0.0.0.0/0")),
        rule("sgr-0a03", "sg-0a01", false, https, ("CidrIpv6", "::/0")),
        rule("sgr-0a04", "sg-0a01", true, None, ("CidrIpv4", "0.0.0.0/0")),
        rule("sgr-0b01", "sg-0b01", false, Some((5432, 5432)), ("ReferencedGroupInfo", "sg-0a01")),
    ];
    if with_rule {
        rules.push(rule("sgr-0a02", "sg-0a01", false, https, ("CidrIpv4", "203.0.113.0/24")));
    }
    write("describe-security-group-rules.json", json!({ "SecurityGroupRules": rules }));
    let interfaces = [
        interface(WEB.0, "10.0.1.10", Some("sg-0a01"), Some(WEB.1), "interface"),
        interface(DB.0, "10.0.2.20", Some("sg-0b01"), Some(DB.1), "interface"),
        interface(NAT.0, "10.0.0.5", None, None, "nat_gateway"),
    ];
    write("describe-network-interfaces.json", json!({ "NetworkInterfaces": interfaces }));
    let subnet = json!({ "SubnetId": "subnet-0a01", "VpcId": "vpc-0a01", "CidrBlock": "10.0.0.0/16",
                         "OwnerId": "111122223333", "AvailabilityZone": "eu-west-1a", "Tags": [] });
    write("describe-subnets.json", json!({ "Subnets": [subnet] }));
    let vpc = json!({ "VpcId": "vpc-0a01", "CidrBlock": "10.0.0.0/16", "OwnerId": "111122223333",
                      "CidrBlockAssociationSet": [{ "CidrBlock": "10.0.0.0/16", "CidrBlockState": { "State": "associated" } }] });
    write("describe-vpcs.json", json!({ "Vpcs": [vpc] }));
}

/// The world in a store.
pub struct Hand {
    directory: tempfile::TempDir,
}

impl Hand {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let hand = Self { directory };
        let mut log = format!("{HEADER}\n");
        for record in records() {
            writeln!(log, "{}", record.line()).unwrap();
        }
        fs::write(hand.path("flow.log"), log).unwrap();
        // The second half of the second day lies between both.
        inventory(&hand.path("inventory/2026-02-28T00:00:00Z"), true);
        inventory(&hand.path("inventory/2026-03-02T00:00:00Z"), true);
        inventory(&hand.path("inventory/2026-03-04T06:00:00Z"), false);
        let (log, inventory, store) = (hand.path("flow.log"), hand.path("inventory"), hand.store());
        flowgate(0, &[&"ingest", &log, &"--inventory", &inventory, &"--store", &store]);
        hand
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn store(&self) -> PathBuf {
        self.path("store")
    }

    /// What is said of a subject, as JSON.
    pub fn ask(&self, subject: &str, more: &[&str]) -> Value {
        let (store, inventory) = (self.store(), self.path("inventory"));
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
            &"investigate",
            &subject,
            &"--store",
            &store,
            &"--inventory",
            &inventory,
            &"--format",
            &"json",
        ];
        arguments.extend(more.iter().map(|word| word as &dyn AsRef<std::ffi::OsStr>));
        serde_json::from_str(&text(&flowgate(0, &arguments).stdout)).unwrap()
    }
}
