//! From records and configuration to what the engine has to say, row by row.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::cut::{Connection, Seen, Terms, answers, cut, opens};
use super::model::{Config, Record, Silence};
use super::opener::{Around, opener};
use super::rules::{Decision, Opening, decide};

/// A row of the connections table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub interface: String,
    pub local: String,
    pub remote: String,
    pub local_port: u16,
    pub remote_port: u16,
    pub protocol: u8,
    pub start: i64,
    pub end: i64,
    pub direction: Option<String>,
    pub evidence: String,
    pub action: String,
    pub verdict: String,
    pub reason: String,
    pub rules: BTreeSet<String>,
    pub blocked_reply: Option<String>,
    pub bytes: u64,
}

/// Connections, sole connections and bytes of a rule.
pub type Usage = BTreeMap<String, (u64, u64, u64)>;

/// One end of a tuple. IPv4 is ordered as if mapped into IPv6.
type End = (u128, u128, u16);

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_ipv6_mapped()),
        IpAddr::V6(a) => u128::from(a),
    }
}

fn address(bits: u128) -> IpAddr {
    std::net::Ipv6Addr::from(bits).to_canonical()
}

fn ends(record: &Record) -> (End, End) {
    let port = |port: u16| if record.protocol == 6 || record.protocol == 17 { port } else { 0 };
    let end = |shown: IpAddr, packet: Option<IpAddr>, number: u16| {
        (bits(shown), bits(packet.unwrap_or(shown)), port(number))
    };
    (
        end(record.source, record.packet_source, record.source_port),
        end(record.destination, record.packet_destination, record.destination_port),
    )
}

fn private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => a.is_private(),
        IpAddr::V6(a) => a.octets()[0] & 0xfe == 0xfc,
    }
}

/// Is the end that `low` describes the interface's? (domain A.8)
fn low_is_local(
    config: &Config,
    all: &[Record],
    interface: usize,
    low: End,
    high: End,
    tuple: &[Record],
) -> Option<bool> {
    for record in tuple {
        if let Some(egress) = record.egress {
            return Some(egress == (ends(record).0 == low));
        }
    }
    let (low, high) = (address(low.0), address(high.0));
    let only = |a: bool, b: bool| (a != b).then_some(a);
    let known = &config.interfaces[interface];
    let own = |a: IpAddr| known.listed && known.addresses.contains(&a);
    let common = |a: IpAddr| {
        [true, false].into_iter().any(|v4| {
            let of_family: Vec<&Record> =
                all.iter().filter(|r| r.interface == interface && r.source.is_ipv4() == v4).collect();
            let Some(first) = of_family.first() else { return false };
            let everywhere = |x: IpAddr| of_family.iter().all(|r| r.source == x || r.destination == x);
            let shared: BTreeSet<IpAddr> =
                [first.source, first.destination].into_iter().filter(|x| everywhere(*x)).collect();
            shared.len() == 1 && shared.contains(&a)
        })
    };
    only(own(low), own(high))
        .or_else(|| only(common(low), common(high)))
        .or_else(|| only(private(low), private(high)))
}

/// Everything the engine should find.
pub fn judge(config: &Config, records: &[Record], silences: &[Silence]) -> (Vec<Row>, Usage) {
    let mut once: Vec<Record> = Vec::new();
    for record in records {
        if !once.contains(record) {
            once.push(record.clone());
        }
    }
    // Both directions of a tuple side by side, in the order of time. Beyond (start, handshake, end, accepted first) the order has
    // no meaning; it only has to be the engine's.
    let mut tuples: BTreeMap<(usize, End, End, u8), Vec<Record>> = BTreeMap::new();
    for record in &once {
        let (source, destination) = ends(record);
        let key = (record.interface, source.min(destination), source.max(destination), record.protocol);
        tuples.entry(key).or_default().push(record.clone());
    }
    for (&(_, low, _, _), list) in &mut tuples {
        list.sort_by_key(|r| {
            // A SYN goes before the SYN-ACK of the same second, and that before the rest.
            let handshake = if opens(r) {
                0
            } else if answers(r) {
                1
            } else {
                2
            };
            let from_high = ends(r).0 != low;
            let bpa = !r.accepted && r.blocked_public_access;
            let direction = (r.egress == Some(true), r.egress == Some(false));
            (
                (r.start, handshake, r.end, !r.accepted),
                (bpa, r.flags.is_some(), direction, from_high),
                (r.flags, r.packets, r.bytes),
            )
        });
    }
    // How many tuples that were accepted both ways meet at an end.
    let mut fan: HashMap<(bool, u128, u16, u8), usize> = HashMap::new();
    for (&(interface, low, high, protocol), list) in &tuples {
        let accepted = |from_low: bool| list.iter().any(|r| r.accepted && (ends(r).0 == low) == from_low);
        if accepted(true) && accepted(false) {
            for end in [low, high] {
                *fan.entry((config.interfaces[interface].listed, end.1, end.2, protocol)).or_default() += 1;
            }
        }
    }
    let (mut rows, mut usage) = (Vec::new(), Usage::new());
    for (&(interface, low, high, protocol), list) in &tuples {
        let known = &config.interfaces[interface];
        let told = low_is_local(config, records, interface, low, high, list);
        let (local, remote) = if told.unwrap_or(true) { (low, high) } else { (high, low) };
        let seen =
            list.iter().map(|r| Seen { record: r.clone(), inward: ends(r).0 != local }).collect::<Vec<_>>();
        let times = records.iter().filter(|r| r.interface == interface).map(|r| r.start);
        let silent = silences.iter().filter(|s| s.interface == interface).map(|s| s.start);
        let terms = Terms {
            protocol,
            timeouts: if known.listed { known.timeouts } else { [None; 3] },
            since: times.chain(silent).min().unwrap(),
        };
        let count = |end: End| fan.get(&(known.listed, end.1, end.2, protocol)).copied().unwrap_or(1);
        for connection in cut(seen, &terms) {
            let asked = |inbound| {
                let opening = Opening {
                    interface,
                    inbound,
                    remote: address(remote.0),
                    protocol,
                    local_port: local.2,
                    remote_port: remote.2,
                };
                decide(config, opening)
            };
            let (inbound, outbound) = (asked(true), asked(false));
            let around = Around {
                protocol,
                local_port: local.2,
                remote_port: remote.2,
                inbound: &inbound,
                outbound: &outbound,
                local_fan: count(local),
                remote_fan: count(remote),
            };
            let (direction, evidence) =
                if told.is_some() { opener(&connection, &around) } else { (None, "none") };
            let to_itself = local.1 == remote.0;
            let mut verdict = verdict(&connection, protocol, told.is_some(), direction, &inbound, &outbound);
            if to_itself {
                // Both directions of a rule would apply at once.
                let rules = BTreeSet::new();
                verdict =
                    Verdict { word: "not-evaluable", reason: "self-traffic", rules, blocked_reply: None };
            }
            let accepted: Vec<&Record> =
                connection.seen.iter().map(|s| &s.record).filter(|r| r.accepted).collect();
            let bytes = accepted.iter().map(|r| r.bytes).sum();
            if verdict.word == "permitted" {
                for rule in &verdict.rules {
                    let entry = usage.entry(rule.clone()).or_default();
                    entry.0 += 1;
                    entry.1 += u64::from(verdict.rules.len() == 1);
                    entry.2 += bytes;
                }
            }
            rows.push(Row {
                interface: known.id.clone(),
                local: address(local.1).to_string(),
                remote: address(remote.0).to_string(),
                local_port: local.2,
                remote_port: remote.2,
                protocol,
                start: connection.start(),
                end: connection.end(),
                direction: direction.map(|d| if d { "inbound" } else { "outbound" }.to_owned()),
                evidence: evidence.to_owned(),
                action: if connection.any_accepted() { "accept" } else { "reject" }.to_owned(),
                verdict: verdict.word.to_owned(),
                reason: verdict.reason.to_owned(),
                rules: verdict.rules,
                blocked_reply: verdict.blocked_reply.map(str::to_owned),
                bytes,
            });
        }
    }
    rows.sort();
    (rows, usage)
}

struct Verdict {
    word: &'static str,
    reason: &'static str,
    rules: BTreeSet<String>,
    blocked_reply: Option<&'static str>,
}

fn verdict(
    connection: &Connection,
    protocol: u8,
    local_known: bool,
    direction: Option<bool>,
    inbound: &Decision,
    outbound: &Decision,
) -> Verdict {
    let plain = |word, reason| Verdict { word, reason, rules: BTreeSet::new(), blocked_reply: None };
    if !local_known {
        return plain("not-evaluable", "local-side-unknown");
    }
    if connection.seen.is_empty() {
        return plain("rejected", "late-packet");
    }
    let accepted = connection.any_accepted();
    if !accepted && connection.blocked_public_access {
        return plain("rejected", "block-public-access");
    }
    let Some(is_inbound) = direction else {
        if !accepted {
            return plain("rejected", "late-packet");
        }
        if !inbound.known {
            return plain("not-evaluable", "interface-unknown");
        }
        return match (inbound.permits(), outbound.permits()) {
            // Explained either way, but no rule can be credited.
            (true, true) => plain("permitted", ""),
            (false, false) if !inbound.unresolved && !outbound.unresolved => plain("escaped", "no-rule"),
            _ => plain("escaped", "opener-unknown"),
        };
    };
    let decision = if is_inbound { inbound } else { outbound };
    if !decision.known {
        return plain("not-evaluable", "interface-unknown");
    }
    let acl = |towards: bool| if towards { "network-acl-in" } else { "network-acl-out" };
    let (word, reason) = if accepted {
        if decision.permits() {
            ("permitted", "")
        } else if decision.unresolved && !decision.acl_denies_opening {
            ("escaped", "inventory-gap")
        } else {
            ("escaped", "no-rule")
        }
    } else {
        let forward = connection.pick(is_inbound, false);
        let middle = protocol == 6
            && forward.iter().all(|r| r.flags.is_some_and(|f| f & 2 == 0 || f & 16 != 0))
            && !forward.is_empty();
        match (decision.groups_permit(), decision.acl_denies_opening) {
            (true, true) => ("rejected", acl(is_inbound)),
            (false, true) if decision.unresolved => ("rejected", acl(is_inbound)),
            (false, true) => ("rejected", "both"),
            (false, false) if decision.unresolved && !decision.acl_allows_opening => {
                ("not-evaluable", "inventory-gap")
            }
            (false, false) => ("rejected", "security-group"),
            (true, false) if middle => ("rejected", "late-packet"),
            (true, false) => ("misdropped", ""),
        }
    };
    let reply_rejected = !connection.pick(!is_inbound, false).is_empty();
    let reply_accepted = !connection.pick(!is_inbound, true).is_empty();
    let blocked = accepted && reply_rejected && (!reply_accepted || decision.acl_denies_reply);
    Verdict { word, reason, rules: decision.rules.clone(), blocked_reply: blocked.then(|| acl(!is_inbound)) }
}
