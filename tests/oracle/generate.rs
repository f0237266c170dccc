//! Small configurations and logs in which everything collides with everything: few addresses, few ports,
//! one hour.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{
    AclEntry, Config, Format, Group, Interface, Peer, PrefixList, Record, Rule, Silence, Subnet,
};
use super::write::Layout;

pub const EPOCH: i64 = 1_772_323_200;

/// A configuration, a log, and how it is laid out in files.
#[derive(Clone, Debug)]
pub struct Case {
    pub config: Config,
    pub format: Format,
    pub records: Vec<Record>,
    pub silences: Vec<Silence>,
    pub layout: Layout,
}

const CIDRS: [&str; 11] = [
    "0.0.0.0/0",
    "10.0.0.0/16",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.0.0.11/32",
    "198.51.100.0/24",
    "198.51.100.7/32",
    "203.0.113.9/32",
    "::/0",
    "2001:db8::/32",
    "2001:db8:1::7/128",
];
const REMOTES: [&str; 7] =
    ["198.51.100.7", "203.0.113.9", "10.0.0.200", "10.0.1.200", "10.1.0.5", "2001:db8:1::7", "2001:db8:9::9"];
const RANGES: [(u16, u16); 9] = [
    (0, 65535),
    (443, 443),
    (80, 90),
    (53, 53),
    (123, 123),
    (1000, 3000),
    (5000, 6023),
    (5000, 6024),
    (32768, 65535),
];
const PORTS: [u16; 9] = [443, 80, 53, 123, 2000, 5050, 3306, 40000, 50000];

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn cidr() -> impl Strategy<Value = IpNet> {
    let wide = || prop_oneof![Just("0.0.0.0/0"), Just("10.0.0.0/8"), Just("::/0")];
    prop_oneof![1 => wide(), 3 => select(CIDRS.to_vec())].prop_map(net)
}

fn service() -> impl Strategy<Value = (Option<u8>, Option<(u16, u16)>)> {
    prop_oneof![
        4 => select(RANGES.to_vec()).prop_map(|r| (Some(6), Some(r))),
        2 => select(RANGES.to_vec()).prop_map(|r| (Some(17), Some(r))),
        1 => Just((Some(1), None)),
        1 => Just((Some(50), None)),
        2 => Just((None, None)),
    ]
}

type BareRule = (bool, (Option<u8>, Option<(u16, u16)>), Peer);

fn rule() -> impl Strategy<Value = BareRule> {
    let peer = prop_oneof![
        6 => cidr().prop_map(Peer::Cidr),
        2 => (0..2_u8).prop_map(|n| Peer::List(format!("pl-{n:08x}"))),
        // The fourth is not in the dump.
        3 => (0..4_u8).prop_map(|n| Peer::Group(format!("sg-{n:08x}"))),
    ];
    (any::<bool>(), service(), peer)
}

fn acl() -> impl Strategy<Value = Vec<AclEntry>> {
    let entry = (1..40_u32, any::<bool>(), service(), prop::bool::weighted(0.6), cidr());
    (vec(entry, 0..6), prop::bool::weighted(0.7)).prop_map(|(entries, open)| {
        let mut acl: Vec<AclEntry> = Vec::new();
        for (number, egress, (protocol, ports), allow, cidr) in entries {
            // A number is used once per direction.
            if !acl.iter().any(|e| e.number == number && e.egress == egress) {
                acl.push(AclEntry { number, egress, protocol, allow, cidr, ports });
            }
        }
        for egress in [true, false] {
            let last = |number, allow, cidr| AclEntry {
                number,
                egress,
                protocol: None,
                allow,
                cidr: net(cidr),
                ports: None,
            };
            if open {
                acl.push(last(100, true, "0.0.0.0/0"));
                acl.push(last(101, true, "::/0"));
            }
            acl.push(last(32767, false, "0.0.0.0/0"));
            acl.push(last(32768, false, "::/0"));
        }
        acl
    })
}

fn config() -> impl Strategy<Value = Config> {
    let timeout = || option::weighted(0.2, select(vec![60_i64, 90, 120, 180]));
    let interface = (
        prop::bool::weighted(0.92),
        prop_oneof![1 => Just(Vec::new()), 9 => vec(prop_oneof![9 => 0..3_usize, 1 => Just(3)], 1..4)],
        0..2_usize,
        (
            option::weighted(0.2, Just(350_i64)),
            timeout(),
            option::weighted(0.2, select(vec![30_i64, 45, 60])),
        ),
    );
    (
        vec(interface, 1..=3),
        vec(option::weighted(0.6, acl()), 1..=2),
        vec(vec(rule(), 0..14), 1..=3),
        vec(option::weighted(0.8, vec(select(CIDRS[..8].to_vec()).prop_map(net), 0..3)), 2),
    )
        .prop_map(|(interfaces, acls, groups, lists)| {
            let subnets: Vec<Subnet> = acls
                .into_iter()
                .enumerate()
                .map(|(n, acl)| Subnet {
                    id: format!("subnet-{n:08x}"),
                    cidrs: vec![net(&format!("10.0.{n}.0/24")), net(&format!("2001:db8:{n}::/64"))],
                    acl,
                })
                .collect();
            let interfaces = interfaces
                .into_iter()
                .enumerate()
                .map(|(n, (listed, member, subnet, (tcp, stream, udp)))| {
                    let subnet = subnet % subnets.len();
                    let mut member: Vec<usize> = member;
                    member.sort_unstable();
                    member.dedup();
                    // The dump may lack the last group; most of the time it does not.
                    let known = |g: &usize| *g < groups.len() || (*g == 3 && n == 2);
                    Interface {
                        id: format!("eni-{n:08x}"),
                        listed,
                        addresses: ["10", "20"]
                            .iter()
                            .map(|host| format!("10.0.{subnet}.{}", host.parse::<usize>().unwrap() + n + 1))
                            .chain([format!("2001:db8:{subnet}::{}", n + 1)])
                            .map(|a| a.parse().unwrap())
                            .collect(),
                        groups: member.into_iter().filter(known).map(|g| format!("sg-{g:08x}")).collect(),
                        subnet,
                        timeouts: [tcp, stream, udp],
                    }
                })
                .collect();
            let groups = groups
                .into_iter()
                .enumerate()
                .map(|(g, rules)| Group {
                    id: format!("sg-{g:08x}"),
                    rules: distinct(rules)
                        .into_iter()
                        .enumerate()
                        .map(|(n, (egress, (protocol, ports), peer))| Rule {
                            id: format!("sgr-{g:04x}{n:04x}"),
                            egress,
                            protocol,
                            ports,
                            peer,
                        })
                        .collect(),
                })
                .collect();
            let lists = lists
                .into_iter()
                .enumerate()
                .map(|(n, entries)| PrefixList { id: format!("pl-{n:08x}"), entries })
                .collect();
            Config { interfaces, subnets, groups, lists, networks: vec![net("10.0.0.0/16")] }
        })
}

/// AWS refuses a rule that the group has already.
fn distinct(rules: Vec<BareRule>) -> Vec<BareRule> {
    let mut kept: Vec<BareRule> = Vec::new();
    for rule in rules {
        if !kept.iter().any(|k| format!("{k:?}") == format!("{rule:?}")) {
            kept.push(rule);
        }
    }
    kept
}

/// A record of a conversation, relative to it.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: i64,
    lasts: i64,
    forward: bool,
    accepted: bool,
    flags: Option<u8>,
    packets: u64,
    twice: bool,
    bpa: bool,
}

fn any_move() -> impl Strategy<Value = Move> {
    let at = prop_oneof![
        3 => 0..4_i64,
        3 => (0..8_i64).prop_map(|n| n * 30 + 1),
        2 => select(vec![59_i64, 60, 61, 62, 120, 121, 179, 180, 181, 182, 240, 241, 600, 601, 602, 1200]),
        1 => 0..2000_i64,
    ];
    let flags = prop_oneof![
        1 => Just(None),
        9 => select(vec![0_u8, 0, 1, 2, 2, 2, 3, 4, 6, 7, 18, 18, 19, 20]).prop_map(Some),
    ];
    let lasts = prop_oneof![Just(0_i64), 0..5_i64, 0..60_i64];
    (
        at,
        lasts,
        any::<bool>(),
        prop::bool::weighted(0.7),
        flags,
        1..4_u64,
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.03),
    )
        .prop_map(|(at, lasts, forward, accepted, flags, packets, twice, bpa)| Move {
            at,
            lasts,
            forward,
            accepted,
            flags,
            packets,
            twice,
            bpa: bpa && !accepted,
        })
}

/// What TCP does: open, talk, close, and then late packets, or the same ports again.
fn script() -> impl Strategy<Value = Vec<Move>> {
    (
        any::<bool>(),
        any::<bool>(),
        prop::bool::weighted(0.8),
        0..3_usize,
        (select(vec![1_i64, 20, 59, 60, 61, 100]), prop::bool::weighted(0.3)),
        option::of(select(vec![1_i64, 5, 61, 70, 200, 700])),
        option::of(select(vec![1_i64, 5, 59, 60, 61, 70, 200, 700])),
    )
        .prop_map(|(forward, short, answered, middle, (step, crashes), late, again)| {
            let one = |at, lasts, forward, flags, accepted| Move {
                at,
                lasts,
                forward,
                accepted,
                flags: Some(flags),
                packets: 2,
                twice: false,
                bpa: false,
            };
            let mut moves = Vec::new();
            let mut at = 0;
            let talk = |moves: &mut Vec<Move>, at: &mut i64| {
                let close = u8::from(short && !crashes);
                moves.push(one(*at, 10, forward, 2 | close, true));
                if answered {
                    moves.push(one(*at, 10, !forward, 18 | close, true));
                }
                *at += 10;
                if !short {
                    for _ in 0..middle {
                        *at += step;
                        moves.push(one(*at, 2, forward, 0, true));
                        moves.push(one(*at + 1, 1, !forward, 0, true));
                        *at += 2;
                    }
                    if !crashes {
                        *at += step;
                        moves.push(one(*at, 0, forward, 1, true));
                    }
                }
            };
            talk(&mut moves, &mut at);
            if let Some(pause) = late {
                moves.push(one(at + pause, 0, !forward, 4, false));
            }
            if let Some(pause) = again {
                at += pause;
                talk(&mut moves, &mut at);
            }
            moves
        })
}

/// Interface, local address, remote, local port, remote port, protocol, start, moves.
type Chat = ((usize, usize, usize), (u16, u16), u8, i64, Vec<Move>);

fn chat() -> impl Strategy<Value = Chat> {
    let protocol = prop_oneof![6 => Just(6_u8), 3 => Just(17), 1 => Just(1), 1 => Just(50)];
    let ports = prop_oneof![
        3 => (select(PORTS.to_vec()), select(PORTS.to_vec())),
        1 => (select(vec![443_u16, 5050]), 40000..40004_u16),
    ];
    let moves = prop_oneof![2 => vec(any_move(), 1..7), 1 => script()];
    ((0..3_usize, 0..3_usize, 0..11_usize), ports, protocol, 0..1600_i64, moves)
}

/// Some clients of one service, none of whose handshakes were seen: only the crowd tells who serves.
fn crowd() -> impl Strategy<Value = Vec<Chat>> {
    let who = (0..3_usize, 0..2_usize, 0..11_usize);
    let service = select(vec![5050_u16, 50000, 443]);
    (who, service, select(vec![6_u8, 17]), 0..1600_i64, any::<bool>(), 1..6_u16, any::<bool>()).prop_map(
        |(who, service, protocol, start, local_serves, clients, lonely)| {
            let one = |at, forward| Move {
                at,
                lasts: 0,
                forward,
                accepted: true,
                flags: Some(0),
                packets: 2,
                twice: false,
                bpa: false,
            };
            let mut chats: Vec<Chat> = (0..clients)
                .map(|n| {
                    let client = 40000 + n;
                    let ports = if local_serves { (service, client) } else { (client, service) };
                    (who, ports, protocol, start, vec![one(0, true), one(1, false)])
                })
                .collect();
            if lonely {
                // And one of whom only half was captured.
                let ports = if local_serves { (service, 39999) } else { (39999, service) };
                chats.push((who, ports, protocol, start, vec![one(0, !local_serves)]));
            }
            chats
        },
    )
}

fn records(config: &Config, format: Format, chats: Vec<Chat>) -> Vec<Record> {
    let mut records = Vec::new();
    for ((interface, own, remote), (local_port, remote_port), protocol, start, moves) in chats {
        let interface = interface % config.interfaces.len();
        let known = &config.interfaces[interface];
        // Strangers, then the interfaces themselves.
        let mut remote: IpAddr = match REMOTES.get(remote) {
            Some(text) => text.parse().unwrap(),
            None => config.interfaces[remote % config.interfaces.len()].addresses[0],
        };
        if protocol == 1 && remote.is_ipv6() {
            remote = "198.51.100.7".parse().unwrap();
        }
        let v4 = remote.is_ipv4();
        let shown = if v4 { known.addresses[0] } else { known.addresses[2] };
        // A secondary address is shown as the primary one; only the packet's own fields tell.
        let packet = if v4 && own == 2 { known.addresses[1] } else { shown };
        let ported = protocol == 6 || protocol == 17;
        let (local_port, remote_port) = if ported { (local_port, remote_port) } else { (0, 0) };
        if shown == remote && (own != 1 || local_port == remote_port) {
            // To itself it talks rarely; and with one port, nobody could tell which way packets go.
            continue;
        }
        for m in moves {
            let at = EPOCH + start + m.at;
            let given = |a: IpAddr| format.packet_addresses.then_some(a);
            // Forward is towards the interface.
            let record = Record {
                interface,
                source: if m.forward { remote } else { shown },
                destination: if m.forward { shown } else { remote },
                packet_source: given(if m.forward { remote } else { packet }),
                packet_destination: given(if m.forward { packet } else { remote }),
                source_port: if m.forward { remote_port } else { local_port },
                destination_port: if m.forward { local_port } else { remote_port },
                protocol,
                packets: m.packets,
                bytes: m.packets * 60,
                start: at,
                end: at + m.lasts,
                accepted: m.accepted,
                flags: if protocol == 6 { m.flags } else { m.flags.map(|_| 0) }.filter(|_| format.flags),
                egress: format.direction.then_some(!m.forward),
                blocked_public_access: m.bpa,
            };
            if m.twice {
                records.push(record.clone());
            }
            records.push(record);
        }
    }
    records
}

pub fn layout() -> impl Strategy<Value = Layout> {
    (1..=3_usize, vec(any::<u32>(), 7), any::<bool>()).prop_map(|(files, keys, gzip)| Layout {
        files,
        keys,
        gzip,
    })
}

pub fn case() -> impl Strategy<Value = Case> {
    let format = (prop::bool::weighted(0.75), prop::bool::weighted(0.4), any::<bool>())
        .prop_map(|(flags, direction, packet_addresses)| Format { flags, direction, packet_addresses });
    let silence = (0..3_usize, any::<bool>(), 0..60_i64);
    (config(), format, vec(chat(), 1..14), option::weighted(0.3, crowd()), vec(silence, 0..3), layout())
        .prop_map(|(config, format, mut chats, crowd, silences, layout)| {
            chats.extend(crowd.unwrap_or_default());
            let records = records(&config, format, chats);
            let silences = silences
                .into_iter()
                .map(|(interface, skipped, minute)| Silence {
                    interface: interface % config.interfaces.len(),
                    skipped,
                    start: EPOCH + minute * 60,
                })
                .collect();
            Case { config, format, records, silences, layout }
        })
        .prop_filter("something happens", |c| !c.records.is_empty())
}
