//! Who can reach whom, as an independent tool computed it for real accounts (`np-guard`, see README.md), against what
//! the policy says at both ends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flowgate::connection::{Connection, Evidence, Part, RejectReason};
use flowgate::flow::{Direction, Protocol};
use flowgate::inventory::{LoadOptions, load};
use flowgate::policy::{AclVerdict, Policy};
use serde_json::Value;

use super::fixtures;

/// A line `a => b : what` of the expected results.
#[derive(Debug)]
struct Expected {
    from: String,
    to: String,
    protocol: Option<u8>,
    source_ports: Vec<(u16, u16)>,
    destination_ports: Vec<(u16, u16)>,
    /// The reply passes, too.
    answered: bool,
}

fn ranges(text: &str, name: &str) -> Vec<(u16, u16)> {
    let Some(at) = text.find(name) else { return vec![(0, u16::MAX)] };
    let list = text[at + name.len()..].split_whitespace().next().unwrap();
    let range = |range: &str| {
        let (low, high) = range.split_once('-').unwrap_or((range, range));
        (low.parse().unwrap(), high.parse().unwrap())
    };
    list.split(',').map(range).collect()
}

/// `proxy1[10.240.0.9]` is its address; `Public Internet 147.235.208.136/32` that block, or all.
fn endpoint(text: &str) -> String {
    match text.strip_prefix("Public Internet ") {
        Some("(all ranges)") => "public".to_owned(),
        Some(block) => block.strip_suffix("/32").unwrap().to_owned(),
        None => text.split_once('[').unwrap().1.strip_suffix(']').unwrap().to_owned(),
    }
}

fn expected(text: &str) -> Vec<Expected> {
    let parse = |line: &str| {
        let (from, rest) = line.split_once(" => ")?;
        let (to, what) = rest.split_once(" : ")?;
        let protocol = match what.strip_prefix("protocol: ") {
            None => (what.trim() == "All Connections").then_some(None)?,
            Some(what) => Some(match what.split_whitespace().next()? {
                "TCP" => 6,
                other => panic!("{other}"),
            }),
        };
        Some(Expected {
            from: endpoint(from),
            to: endpoint(to),
            protocol,
            source_ports: ranges(what, "src-ports: "),
            destination_ports: ranges(what, "dst-ports: "),
            answered: !what.ends_with("* "),
        })
    };
    text.lines().filter_map(parse).collect()
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    protocol: u8,
    source_port: u16,
    destination_port: u16,
}

impl Expected {
    fn is_about(&self, from: &str, to: &str, probe: Probe) -> bool {
        let is = |told: &str, asked: &str| {
            let public = !asked.starts_with("10.");
            told == asked || (told == "public" && public)
        };
        let holds =
            |ranges: &[(u16, u16)], port| ranges.iter().any(|&(low, high)| low <= port && port <= high);
        let ports = probe.protocol == 1
            || (holds(&self.source_ports, probe.source_port)
                && holds(&self.destination_ports, probe.destination_port));
        is(&self.from, from) && is(&self.to, to) && self.protocol.is_none_or(|p| p == probe.protocol) && ports
    }
}

fn bits(address: &str) -> u128 {
    match address.parse().unwrap() {
        IpAddr::V4(a) => u128::from(a.to_ipv6_mapped()),
        IpAddr::V6(a) => u128::from(a),
    }
}

/// Whether the end at `local` lets it pass, and its reply.
fn passes(
    policy: &Policy,
    interface: u32,
    direction: Direction,
    ends: (&str, &str),
    probe: Probe,
) -> (bool, bool) {
    let (local, remote) = ends;
    let (local_port, remote_port) = match direction {
        Direction::Inbound => (probe.destination_port, probe.source_port),
        Direction::Outbound => (probe.source_port, probe.destination_port),
    };
    let part = Part { records: 1, packets: 1, bytes: 60, ..Part::default() };
    let connection = Connection {
        interface,
        local: bits(local),
        remote: bits(remote),
        local_port,
        remote_port,
        protocol: Protocol(probe.protocol),
        opener: Some(direction),
        evidence: Evidence::TcpFlags,
        local_known: true,
        first: 1_760_000_000,
        last: 1_760_000_000,
        inward: [part, Part::default()],
        outward: [part, Part::default()],
        late: Part::default(),
        reason: RejectReason::None,
    };
    let decision = policy.decide(&connection, direction);
    assert!(decision.known, "{local}");
    (decision.permits(), !decision.acl_reply.is_some_and(AclVerdict::denies))
}

/// Every pair of endpoints and of endpoints and the internet, both ways, over a choice of protocols and ports.
fn agrees(input: &str, output: &str) -> (usize, usize) {
    let directory = fixtures().join("np-guard");
    let loaded = load(&[directory.join(input)], &LoadOptions::default()).unwrap();
    let dump: Value = serde_json::from_slice(&std::fs::read(directory.join(input)).unwrap()).unwrap();
    // Address to id, and whether it has a public address, without which it neither reaches the internet nor is reached.
    let mut ends: BTreeMap<String, (String, bool)> = BTreeMap::new();
    for interface in
        dump["instances"].as_array().unwrap().iter().flat_map(|i| i["NetworkInterfaces"].as_array().unwrap())
    {
        let text = |name: &str| interface[name].as_str().unwrap().to_owned();
        let public = interface["Association"]["PublicIp"].is_string();
        ends.insert(text("PrivateIpAddress"), (text("NetworkInterfaceId"), public));
    }
    let ids: Vec<String> = ends.values().map(|(id, _)| id.clone()).collect();
    let number = |address: &str| ids.iter().position(|id| *id == ends[address].0).unwrap() as u32;
    let policy = Policy::new(&loaded.timeline, &ids);
    let lines = expected(&std::fs::read_to_string(directory.join(output)).unwrap());
    assert!(lines.len() > 3);
    let outside = ["147.235.208.136", "8.8.8.8"];
    let all: Vec<&str> = ends.keys().map(String::as_str).chain(outside).collect();
    let (mut allowed, mut denied) = (0, 0);
    for &from in &all {
        for &to in all.iter().filter(|to| **to != from) {
            let public = |address: &str| !ends.contains_key(address);
            let unreachable =
                |one: &str, other: &str| public(other) && !ends.get(one).is_some_and(|end| end.1);
            if (public(from) && public(to)) || unreachable(from, to) || unreachable(to, from) {
                continue;
            }
            for protocol in [6, 17, 1, 50] {
                for (source_port, destination_port) in
                    [(40_000, 22), (40_000, 9080), (9080, 443), (9080, 9080), (1, 65_535)]
                {
                    let probe = Probe { protocol, source_port, destination_port };
                    let leaves = |_| passes(&policy, number(from), Direction::Outbound, (from, to), probe);
                    let arrives = |_| passes(&policy, number(to), Direction::Inbound, (to, from), probe);
                    let sender = ends.get(from).map_or((true, true), leaves);
                    let receiver = ends.get(to).map_or((true, true), arrives);
                    let about: Vec<&Expected> =
                        lines.iter().filter(|l| l.is_about(from, to, probe)).collect();
                    let told = sender.0 && receiver.0;
                    assert_eq!(told, !about.is_empty(), "{input}: {from} => {to} {probe:?}: {about:?}");
                    if told && protocol == 6 {
                        let answered = about.iter().any(|line| line.answered);
                        assert_eq!(
                            sender.1 && receiver.1,
                            answered,
                            "{input}: reply {from} => {to} {probe:?}"
                        );
                    }
                    if told { allowed += 1 } else { denied += 1 }
                }
            }
        }
    }
    (allowed, denied)
}

#[test]
fn reachability_of_real_accounts_is_what_another_tool_computed() {
    let (allowed, denied) = agrees("input_aws_acl_1.json", "aws_acl_1_all_vpcs_.txt");
    assert!(allowed > 400 && denied > 400, "{allowed} {denied}");
    let (allowed, denied) = agrees("input_basic_config_with_sg.json", "basic_config_with_sg_all_vpcs_.txt");
    // Everybody may talk to everybody there; who has no public address is left out.
    assert!(allowed > 100 && denied == 0, "{allowed} {denied}");
}
