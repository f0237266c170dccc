//! Conclusions that once were wrong by the domain document, each with the smallest log that showed it. Engine and
//! oracle agreed on them, because both followed the rules as documented; so what AWS says is asserted.

use std::net::IpAddr;

use super::engine::{Place, rows, usage};
use super::generate::EPOCH;
use super::judge::{Row, Usage};
use super::model::{Config, Format, Group, Interface, Peer, Record, Rule, Subnet};
use super::write::{self, Layout};

const FORMAT: Format = Format { flags: true, direction: true, packet_addresses: false };

fn config(interfaces: usize, rules: Vec<Rule>) -> Config {
    let interface = |n: usize| Interface {
        id: format!("eni-{n:08x}"),
        listed: true,
        addresses: vec![local(n)],
        groups: vec!["sg-1".to_owned()],
        subnet: 0,
        timeouts: [None; 3],
    };
    Config {
        interfaces: (0..interfaces).map(interface).collect(),
        subnets: vec![Subnet {
            id: "subnet-1".to_owned(),
            cidrs: vec!["10.0.0.0/24".parse().unwrap()],
            acl: None,
        }],
        groups: vec![Group { id: "sg-1".to_owned(), rules }],
        lists: Vec::new(),
        networks: vec!["10.0.0.0/16".parse().unwrap()],
    }
}

fn local(interface: usize) -> IpAddr {
    format!("10.0.0.{}", interface + 11).parse().unwrap()
}

fn remote() -> IpAddr {
    "198.51.100.7".parse().unwrap()
}

fn inbound(protocol: u8, port: u16) -> Rule {
    Rule {
        id: "sgr-1".to_owned(),
        egress: false,
        protocol: Some(protocol),
        ports: Some((port, port)),
        peer: Peer::Cidr("198.51.100.0/24".parse().unwrap()),
    }
}

/// A record at an interface: towards it or away from it, from second to second.
fn record(interface: usize, inward: bool, protocol: u8, ports: (u16, u16), at: (i64, i64)) -> Record {
    let (own, other) = (local(interface), remote());
    let (source, destination) = if inward { (other, own) } else { (own, other) };
    let (source_port, destination_port) = if inward { (ports.1, ports.0) } else { ports };
    Record {
        interface,
        source,
        destination,
        packet_source: None,
        packet_destination: None,
        source_port,
        destination_port,
        protocol,
        packets: 1,
        bytes: 100,
        start: EPOCH + at.0,
        end: EPOCH + at.1,
        accepted: true,
        flags: Some(0),
        egress: Some(!inward),
        blocked_public_access: false,
    }
}

fn engine(config: &Config, records: &[Record]) -> (Vec<Row>, Usage, u64) {
    let place = Place::new();
    write::inventory(&place.inventory(), config);
    let lines = write::lines(config, FORMAT, records, &[]);
    write::logs(&place.logs(), FORMAT, &lines, &Layout { files: 1, keys: vec![0], gzip: false });
    let out = place.path("connections.parquet");
    let conclusions = place.analyze(1, Some(&out));
    (rows(&out), usage(&conclusions), conclusions.summary.connections)
}

/// The ports of a closed connection are used again. SYN and SYN-ACK fall into the same second, as they do nearly
/// always, and the SYN-ACK's record is sorted first (its record ends sooner, or it is the ingress one, or its address is lower): it was
/// taken for a part of the connection that was closed, whose end and bytes were then wrong, and so were those of the
/// next one. A SYN-ACK never answers anything but the SYN before it (A.4): records of the same second that carry a SYN
/// are looked at first.
#[test]
fn a_syn_ack_belongs_to_the_syn_of_its_second() {
    let config = config(1, vec![inbound(6, 443)]);
    let mut records = Vec::new();
    for at in [0, 70] {
        for (inward, flags, lasts) in [(true, 3, 10), (false, 19, 9)] {
            let plain = record(0, inward, 6, (443, 40000), (at, at + lasts));
            records.push(Record { flags: Some(flags), ..plain });
        }
    }
    let (rows, ..) = engine(&config, &records);
    let told: Vec<_> = rows.iter().map(|r| (r.start - EPOCH, r.end - EPOCH, r.bytes)).collect();
    assert_eq!(told, [(0, 10, 200), (70, 80, 200)], "{rows:#?}");
}

/// Two hosts ping each other and both are refused. Late packets are those of closed or expired TCP connections
/// (C.5); these are attempts, but they were called late, and late packets are left out of connections, verdicts and
/// rejected attempts, so that no spike of them can be found.
#[test]
fn icmp_has_no_late_packets() {
    let config = config(1, Vec::new());
    let records =
        [true, false].map(|inward| Record { accepted: false, ..record(0, inward, 1, (0, 0), (0, 5)) });
    let (rows, _, connections) = engine(&config, &records);
    assert_ne!(rows[0].reason, "late-packet", "{rows:#?}");
    assert!(connections > 0);
}

/// A time server asks three peers, 123 to 123, which answer, and a fourth, which does not. The rules permit exactly
/// that and nothing else. With equal ports fan-in says nothing, and one-way traffic was opened by its source
/// (design 4.2, 4.5 before 4.6); yet the fourth was said to have been opened by the interface, by fan-in, and became
/// an unexplained accept.
#[test]
fn fan_in_does_not_outweigh_the_only_permitted_opening() {
    let config = config(4, vec![inbound(17, 123)]);
    let mut records = Vec::new();
    for interface in 0..4 {
        records.push(record(interface, true, 17, (123, 123), (0, 0)));
        if interface < 3 {
            records.push(record(interface, false, 17, (123, 123), (1, 1)));
        }
    }
    let (rows, used, _) = engine(&config, &records);
    for row in &rows {
        assert_eq!(
            (row.direction.as_deref(), row.verdict.as_str()),
            (Some("inbound"), "permitted"),
            "{row:#?}"
        );
    }
    assert_eq!(used["sgr-1"].0, 4);
}

/// A DNS query and its answer. The log's times are good to 60 s (A.1), so that the answer seems to come after 35 s;
/// it was accepted although nothing permits it but the query's tracking entry, which lasts 30 s (C.2): it did come in
/// time. It was taken for a connection of its own, and the rule was credited twice.
#[test]
fn an_answer_that_seems_late_is_still_the_answer() {
    let config = config(1, vec![inbound(17, 53)]);
    // Heard of long before, so that the exchange is not taken for one that was running already.
    let before = Record { accepted: false, ..record(0, true, 6, (22, 50000), (-1000, -1000)) };
    let records =
        [before, record(0, true, 17, (53, 40000), (0, 0)), record(0, false, 17, (53, 40000), (35, 35))];
    let (rows, used, _) = engine(&config, &records);
    let dns = rows.iter().filter(|r| r.local_port == 53).count();
    assert_eq!((dns, used["sgr-1"].0), (1, 1), "{rows:#?}");
}
