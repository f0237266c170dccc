//! Sums and lists of one end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::time;
use crate::flow::{Protocol, address_from_bits};
use crate::investigate::{Around, ConnectionNote, LineStep, Ranked, Service, Traffic, VERDICTS, View};

/// Sums, see [`Traffic`].
#[derive(Serialize)]
pub(super) struct TrafficJson {
    connections: u64,
    accepted: u64,
    rejected: u64,
    verdicts: BTreeMap<&'static str, u64>,
    opened_by_subject: u64,
    opened_by_peer: u64,
    opener_unknown: u64,
    sole_connections: u64,
    continued_days: u64,
    bytes_sent: u64,
    bytes_received: u64,
    packets_sent: u64,
    packets_received: u64,
    rejected_packets_sent: u64,
    rejected_packets_received: u64,
    late_packets: u64,
    first: Option<String>,
    last: Option<String>,
}

impl From<&Traffic> for TrafficJson {
    fn from(t: &Traffic) -> Self {
        Self {
            connections: t.connections,
            accepted: t.accepted,
            rejected: t.rejected(),
            verdicts: VERDICTS.into_iter().zip(t.verdicts).filter(|(_, n)| *n > 0).collect(),
            opened_by_subject: t.openers[0],
            opened_by_peer: t.openers[1],
            opener_unknown: t.openers[2],
            sole_connections: t.sole,
            continued_days: t.continued,
            bytes_sent: t.bytes[0],
            bytes_received: t.bytes[1],
            packets_sent: t.packets[0],
            packets_received: t.packets[1],
            rejected_packets_sent: t.rejected_packets[0],
            rejected_packets_received: t.rejected_packets[1],
            late_packets: t.late_packets,
            first: time(t.first),
            last: time(t.last),
        }
    }
}

/// What comes first of some kind.
#[derive(Serialize)]
struct TopJson<K> {
    distinct: u64,
    approximate: bool,
    by_connections: Vec<SumJson<K>>,
    by_bytes: Vec<SumJson<K>>,
}

#[derive(Serialize)]
struct SumJson<K> {
    #[serde(flatten)]
    key: K,
    #[serde(flatten)]
    sums: TrafficJson,
}

fn top<'a, K, J>(ranked: &'a Ranked<K>, key: impl Fn(&'a K) -> J) -> TopJson<J> {
    let list = |list: &'a [(K, Traffic)]| {
        list.iter().map(|(of, traffic)| SumJson { key: key(of), sums: traffic.into() }).collect()
    };
    TopJson {
        distinct: ranked.distinct,
        approximate: ranked.approximate,
        by_connections: list(&ranked.by_connections),
        by_bytes: list(&ranked.by_bytes),
    }
}

#[derive(Serialize)]
struct AddressKey {
    address: String,
}

#[derive(Serialize)]
struct ServiceKey {
    opener: &'static str,
    protocol: String,
    port: Option<u16>,
}

#[derive(Serialize)]
struct RuleKey<'a> {
    rule_id: &'a str,
}

#[derive(Serialize)]
struct InterfaceKey<'a> {
    interface: &'a str,
    account: Option<&'a str>,
    vpc: Option<&'a str>,
    subnet: Option<&'a str>,
    instance: Option<&'a str>,
}

fn address(bits: &u128) -> AddressKey {
    AddressKey { address: address_from_bits(*bits).to_string() }
}

fn service(service: &Service) -> ServiceKey {
    let protocol = Protocol(service.protocol).to_string();
    ServiceKey { opener: service.opener.as_str(), protocol, port: service.port }
}

#[derive(Serialize)]
pub(super) struct EndJson<'a> {
    end: &'static str,
    total: TrafficJson,
    reasons: Vec<ReasonJson<'a>>,
    blocked_replies: BTreeMap<&'a str, u64>,
    peers: TopJson<AddressKey>,
    addresses: TopJson<AddressKey>,
    services: TopJson<ServiceKey>,
    rules: TopJson<RuleKey<'a>>,
    interfaces: TopJson<InterfaceKey<'a>>,
    time_line: LineJson,
    first_contacts: Vec<SumJson<AddressKey>>,
    more_first_contacts: u64,
    escapes: Vec<NoteJson<'a>>,
    around: Option<AroundJson<'a>>,
}

#[derive(Serialize)]
struct ReasonJson<'a> {
    verdict: &'a str,
    reason: &'a str,
    connections: u64,
}

#[derive(Serialize)]
struct LineJson {
    step_seconds: i64,
    steps: Vec<StepJson>,
}

#[derive(Serialize)]
struct StepJson {
    from: Option<String>,
    to: Option<String>,
    new_peers: u64,
    no_records: bool,
    silent: bool,
    skipdata: u64,
    #[serde(flatten)]
    sums: TrafficJson,
}

impl From<&LineStep> for StepJson {
    fn from(step: &LineStep) -> Self {
        Self {
            from: time(Some(step.from)),
            to: time(Some(step.to)),
            new_peers: step.new_peers,
            no_records: step.no_records,
            silent: step.silent,
            skipdata: step.skipdata,
            sums: (&step.traffic).into(),
        }
    }
}

#[derive(Serialize)]
struct AroundJson<'a> {
    before: TrafficJson,
    after: TrafficJson,
    under_way: u64,
    nearest: Vec<NoteJson<'a>>,
}

impl<'a> From<&'a Around> for AroundJson<'a> {
    fn from(around: &'a Around) -> Self {
        Self {
            before: (&around.before).into(),
            after: (&around.after).into(),
            under_way: around.under_way,
            nearest: around.near.iter().map(NoteJson::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct NoteJson<'a> {
    start: Option<String>,
    end: Option<String>,
    continued: bool,
    interface: &'a str,
    local: String,
    local_port: u16,
    remote: String,
    remote_port: u16,
    protocol: String,
    direction: Option<&'static str>,
    opener: &'static str,
    action: &'static str,
    verdict: &'a str,
    reason: &'a str,
    rules: &'a [String],
    bytes_sent: u64,
    bytes_received: u64,
}

impl<'a> From<&'a ConnectionNote> for NoteJson<'a> {
    fn from(note: &'a ConnectionNote) -> Self {
        Self {
            start: time(Some(note.start)),
            end: time(Some(note.end)),
            continued: note.continued,
            interface: &note.interface,
            local: address_from_bits(note.local).to_string(),
            local_port: note.local_port,
            remote: address_from_bits(note.remote).to_string(),
            remote_port: note.remote_port,
            protocol: Protocol(note.protocol).to_string(),
            direction: note.direction.map(crate::flow::Direction::as_str),
            opener: note.opener.as_str(),
            action: if note.accepted { "accept" } else { "reject" },
            verdict: &note.verdict,
            reason: &note.reason,
            rules: &note.rules,
            bytes_sent: note.bytes[0],
            bytes_received: note.bytes[1],
        }
    }
}

impl<'a> From<&'a View> for EndJson<'a> {
    fn from(view: &'a View) -> Self {
        let interface = |id: &'a String| {
            let context = view.contexts.get(id).map(|context| context.each_ref().map(Option::as_deref));
            let [account, vpc, subnet, instance] = context.unwrap_or_default();
            InterfaceKey { interface: id, account, vpc, subnet, instance }
        };
        Self {
            end: view.end.as_str(),
            total: (&view.total).into(),
            reasons: view
                .reasons
                .iter()
                .map(|((verdict, reason), n)| ReasonJson { verdict, reason, connections: *n })
                .collect(),
            blocked_replies: view.blocked_replies.iter().map(|(cause, n)| (cause.as_str(), *n)).collect(),
            peers: top(&view.peers, address),
            addresses: top(&view.addresses, address),
            services: top(&view.services, service),
            rules: top(&view.rules, |id| RuleKey { rule_id: id }),
            interfaces: top(&view.interfaces, interface),
            time_line: LineJson {
                step_seconds: view.line.step,
                steps: view.line.steps.iter().map(StepJson::from).collect(),
            },
            first_contacts: view
                .new_peers
                .iter()
                .map(|(peer, traffic)| SumJson { key: address(peer), sums: traffic.into() })
                .collect(),
            more_first_contacts: view.more_new_peers,
            escapes: view.escapes.iter().map(NoteJson::from).collect(),
            around: view.around.as_ref().map(AroundJson::from),
        }
    }
}
