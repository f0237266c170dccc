//! Planted anomalies, and the rules that were written to be found.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;

use super::net::ip;
use super::sim::{Host, Sim};
use super::talk::{End, ONE_TRY, Outcome, Reply, TWO_TRIES, Tcp, long_turns, short_turns, tcp};
use super::traffic::{LINUX, Traffic, WIDE};

const SECOND: i64 = 1000;

/// Something that was planted in the traffic.
pub struct Plant {
    /// Kind of the output contract, or a word of the simulator for what is no finding.
    pub kind: &'static str,
    pub cause: &'static str,
    pub source: String,
    pub protocol: u8,
    pub ports: Vec<String>,
    /// Its connections in `Sim::conns`.
    pub conns: Range<usize>,
}

/// A rule that was planted: group, text, cause or the text of the rule that covers it.
pub type PlantedRule = (&'static str, &'static str, &'static str);

/// Rules without a single connection in their direction.
pub const UNUSED: &[PlantedRule] = &[
    ("web", "in tcp 8081 sg:alb", "no-traffic"),
    ("app", "in tcp 5005 10.20.0.0/16", "no-traffic"),
    ("db", "in tcp 1433 10.40.0.0/16", "no-traffic"),
    ("bastion", "in tcp 3389 pl:offices", "no-traffic"),
    ("bastion", "out tcp 443 0.0.0.0/0", "no-traffic"),
    ("vpn", "in udp 4500 198.51.100.77/32", "no-traffic"),
    ("alb", "in icmp 3/4 0.0.0.0/0", "no-traffic"),
    ("app", "out all ::/0", "replies-only"),
    ("vpn", "out 50 198.51.100.77/32", "replies-only"),
    ("spare", "in tcp 8443 10.20.0.0/16", "idle-interface"),
    ("unattached", "in tcp 3000 10.20.0.0/16", "unattached-group"),
    ("default", "in all sg:default", "unattached-group"),
];

/// Unused in the logs and yet nothing can be said: such traffic is never logged.
pub const INVISIBLE: &[PlantedRule] = &[("db", "out udp 53 10.20.0.2/32", "resolver-traffic-is-not-logged")];

/// Rules that another one covers whole.
pub const REDUNDANT: &[PlantedRule] = &[
    ("alb", "in tcp 443 203.0.113.0/24", "in tcp 443 0.0.0.0/0"),
    ("cache", "in tcp 6379 sg:app", "in tcp 0-65535 10.20.0.0/16"),
    ("monitoring", "in tcp 9090 10.30.1.0/24", "in tcp 0-65535 10.30.0.0/16"),
];

/// Rules that permit far more than is used.
pub const PERMISSIVE: &[PlantedRule] = &[
    ("cache", "in tcp 0-65535 10.20.0.0/16", "ports-and-peers"),
    ("monitoring", "in tcp 0-65535 10.30.0.0/16", "ports-and-peers"),
    ("monitoring", "in udp 514 10.0.0.0/8", "peers"),
];

/// Sizes and choices of the plants.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub scanned_ports: u16,
    pub brute_force: i64,
    pub swept_hosts: u8,
    /// Whether TCP flags are in the records, so that a reused 5-tuple can be told from the first use.
    pub reuse: bool,
    /// Least time between two uses of a 5-tuple, seconds.
    pub reuse_pause: i64,
}

/// Plants everything; call after the regular traffic.
pub fn plant(traffic: &mut Traffic<'_, '_>, sizes: Sizes) -> Vec<Plant> {
    let mut plants = vec![
        port_scan(traffic, sizes),
        internal_sweep(traffic, sizes),
        external_sweep(traffic),
        brute_force(traffic, sizes),
        broken_dependency(traffic),
    ];
    plants.extend(escapes(traffic));
    if sizes.reuse {
        plants.push(reused_tuple(traffic, sizes));
    }
    plants
}

/// A time at about this part of the window; the seed moves it a little.
fn at(traffic: &mut Traffic<'_, '_>, part: f64) -> i64 {
    let span = (traffic.until - traffic.from) as f64;
    let shift = traffic.rng.unit() * 0.03;
    traffic.from + (span * (part + shift)) as i64
}

fn count(sim: &Sim<'_>) -> usize {
    sim.conns.len()
}

fn port_scan(traffic: &mut Traffic<'_, '_>, sizes: Sizes) -> Plant {
    let begin = count(traffic.sim);
    let start = at(traffic, 0.50);
    let (source, target) = (ip("45.155.205.99"), traffic.host("bastion"));
    let mut time = start;
    for port in 1..=sizes.scanned_ports {
        let flow = traffic.sim.flow_from(6, Host::Net(source), 54_321, target, port);
        traffic.vain(flow, time, Reply::Silent, ONE_TRY);
        time += traffic.rng.range(20, 300);
    }
    Plant {
        kind: "rejected-spike",
        cause: "port-scan",
        source: source.to_string(),
        protocol: 6,
        ports: vec![format!("1-{}", sizes.scanned_ports)],
        conns: begin..count(traffic.sim),
    }
}

/// One internal host tries RDP on every address of two subnets: REJECT at those that exist, ACCEPT without reply
/// at its own interface.
fn internal_sweep(traffic: &mut Traffic<'_, '_>, sizes: Sizes) -> Plant {
    let begin = count(traffic.sim);
    let mut time = at(traffic, 0.58);
    let source = traffic.host("web-2");
    for third in [10, 11] {
        // The first addresses of a subnet are reserved; traffic to the router's is never logged.
        for last in 4..=sizes.swept_hosts {
            let target = IpAddr::V4(Ipv4Addr::new(10, 20, third, last));
            let account = traffic.account();
            let owner = account.enis.iter().position(|e| e.owns(target) && e.since <= time);
            let server = owner.map_or(Host::Net(target), |eni| Host::Eni(eni, target));
            // Nobody answers ARP for an unassigned address in the own subnet: no packet leaves.
            let own_subnet = third == 11;
            if server == source || own_subnet && owner.is_none() {
                continue;
            }
            let flow = traffic.sim.flow(6, source, server, 3389, LINUX);
            traffic.vain(flow, time, Reply::Silent, TWO_TRIES);
            time += traffic.rng.range(50, 400);
        }
    }
    Plant {
        kind: "rejected-spike",
        cause: "horizontal-sweep",
        source: source.ip().to_string(),
        protocol: 6,
        ports: vec!["3389".into()],
        conns: begin..count(traffic.sim),
    }
}

fn external_sweep(traffic: &mut Traffic<'_, '_>) -> Plant {
    let begin = count(traffic.sim);
    let mut time = at(traffic, 0.64);
    let source = ip("141.98.10.60");
    for _ in 0..4 {
        for name in ["alb-1", "alb-2", "bastion", "vpn", "nat"] {
            let flow = traffic.sim.flow(6, Host::Net(source), traffic.host(name), 23, WIDE);
            traffic.vain(flow, time, Reply::Silent, ONE_TRY);
            time += traffic.rng.range(100, 3000);
        }
    }
    Plant {
        kind: "rejected-spike",
        cause: "horizontal-sweep",
        source: source.to_string(),
        protocol: 6,
        ports: vec!["23".into()],
        conns: begin..count(traffic.sim),
    }
}

fn brute_force(traffic: &mut Traffic<'_, '_>, sizes: Sizes) -> Plant {
    let begin = count(traffic.sim);
    let mut time = at(traffic, 0.70);
    let source = ip("193.32.162.157");
    for _ in 0..sizes.brute_force {
        let flow = traffic.sim.flow(6, Host::Net(source), traffic.host("bastion"), 22, WIDE);
        traffic.vain(flow, time, Reply::Silent, TWO_TRIES);
        time += traffic.rng.range(200, 2500);
    }
    Plant {
        kind: "rejected-spike",
        cause: "brute-force",
        source: source.to_string(),
        protocol: 6,
        ports: vec!["22".into()],
        conns: begin..count(traffic.sim),
    }
}

/// An application that was pointed at a port nobody opened, and keeps trying with new sockets.
fn broken_dependency(traffic: &mut Traffic<'_, '_>) -> Plant {
    let begin = count(traffic.sim);
    let start = at(traffic, 0.80);
    let (client, server) = (traffic.host("app-2"), traffic.host("db-1"));
    let mut time = start;
    while time < start + 600 * SECOND {
        let flow = traffic.sim.flow(6, client, server, 1521, LINUX);
        traffic.vain(flow, time, Reply::Accept, TWO_TRIES);
        time += traffic.rng.range(3500, 5500);
    }
    Plant {
        kind: "rejected-spike",
        cause: "broken-dependency",
        source: client.ip().to_string(),
        protocol: 6,
        ports: vec!["1521".into()],
        conns: begin..count(traffic.sim),
    }
}

/// Let in by rules that the dump lacks.
fn escapes(traffic: &mut Traffic<'_, '_>) -> Vec<Plant> {
    let outside = Host::Net(ip("192.0.2.66"));
    let (bastion, web, db) = (traffic.host("bastion"), traffic.host("web-1"), traffic.host("db-1"));
    let mut plants = Vec::new();
    for (client, server, port, times, cause) in
        [(outside, bastion, 8443, 3, "internet"), (web, db, 5432, 4, "internal")]
    {
        let begin = count(traffic.sim);
        let mut time = at(traffic, 0.40);
        for n in 0..times {
            let flow = traffic.sim.flow(6, client, server, port, LINUX);
            let turns = if n == 0 {
                long_turns(&mut traffic.rng, 300 * SECOND, 2 * SECOND, 20 * SECOND)
            } else {
                short_turns(&mut traffic.rng, 6)
            };
            let talk = Tcp {
                flow,
                start: time,
                reply: Reply::Accept,
                tries: ONE_TRY,
                turns: &turns,
                end: End::ClientFin,
                late: &[],
            };
            assert_eq!(tcp(traffic.sim, &talk), Outcome::Established);
            time += traffic.rng.range(60, 300) * SECOND;
        }
        plants.push(Plant {
            kind: "unexpected-accept",
            cause,
            source: client.ip().to_string(),
            protocol: 6,
            ports: vec![port.to_string()],
            conns: begin..count(traffic.sim),
        });
    }
    plants
}

/// The same 5-tuple opened, closed and opened again: three connections.
fn reused_tuple(traffic: &mut Traffic<'_, '_>, sizes: Sizes) -> Plant {
    let begin = count(traffic.sim);
    let (client, server) = (traffic.host("peer-client-1"), traffic.host("app-2"));
    let mut time = at(traffic, 0.10);
    for _ in 0..3 {
        let flow = traffic.sim.flow_from(6, client, 40_404, server, 51_080);
        traffic.sim.reuse(&flow);
        let turns = short_turns(&mut traffic.rng, 6);
        let talk = Tcp {
            flow,
            start: time,
            reply: Reply::Accept,
            tries: ONE_TRY,
            turns: &turns,
            end: End::ClientFin,
            late: &[],
        };
        assert_eq!(tcp(traffic.sim, &talk), Outcome::Established);
        time += (sizes.reuse_pause + traffic.rng.range(0, 60)) * SECOND;
    }
    Plant {
        kind: "reused-tuple",
        cause: "new-syn-after-close",
        source: client.ip().to_string(),
        protocol: 6,
        ports: vec!["51080".into()],
        conns: begin..count(traffic.sim),
    }
}
