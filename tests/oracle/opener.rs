//! Who opened a connection: the evidence of the design, strongest first.

use super::cut::{Connection, answers, opens};
use super::model::Record;
use super::rules::Decision;

/// What else is known about the tuple.
pub struct Around<'a> {
    pub protocol: u8,
    pub local_port: u16,
    pub remote_port: u16,
    pub inbound: &'a Decision,
    pub outbound: &'a Decision,
    /// Tuples accepted both ways that meet at each end.
    pub local_fan: usize,
    pub remote_fan: usize,
}

/// `Some(true)` is inbound.
pub type Told = (Option<bool>, &'static str);

fn earliest(records: &[&Record]) -> Option<i64> {
    records.iter().map(|r| r.start).min()
}

/// Votes of handshake packets for one direction: when the earliest of them was.
fn handshake(connection: &Connection, inbound: bool) -> Option<i64> {
    let request = |accepted| connection.pick(inbound, accepted);
    let reply = |accepted| connection.pick(!inbound, accepted);
    let mut votes = Vec::new();
    for records in [request(true), request(false)] {
        if records.iter().any(|r| opens(r)) {
            votes.extend(earliest(&records));
        }
    }
    if reply(true).iter().any(|r| answers(r)) {
        votes.extend(earliest(&reply(true)));
    }
    // A rejected answer is backscatter unless what it answers was seen.
    if reply(false).iter().any(|r| answers(r)) && !request(true).is_empty() {
        votes.extend(earliest(&reply(false)));
    }
    votes.into_iter().min()
}

fn from_traffic(connection: &Connection, protocol: u8) -> Option<(bool, &'static str)> {
    match (handshake(connection, true), handshake(connection, false)) {
        (Some(_), None) => return Some((true, "tcp-flags")),
        (None, Some(_)) => return Some((false, "tcp-flags")),
        (Some(i), Some(o)) if i != o => return Some((i < o, "tcp-flags")),
        _ => {}
    }
    let all = |inward: bool| -> Vec<&Record> {
        connection.seen.iter().filter(|s| s.inward == inward).map(|s| &s.record).collect()
    };
    for inward in [true, false] {
        let accepted = connection.pick(inward, true);
        let half_of_older =
            protocol == 6 && !accepted.is_empty() && accepted.iter().all(|r| r.flags.is_some());
        if !all(inward).is_empty() && all(!inward).is_empty() && !half_of_older {
            return Some((inward, "one-way"));
        }
    }
    for inward in [true, false] {
        let request = !connection.pick(inward, true).is_empty();
        let reply = !connection.pick(!inward, true).is_empty();
        let blocked = !connection.pick(!inward, false).is_empty();
        if request && !reply && blocked {
            return Some((inward, "one-way"));
        }
    }
    let (first_in, first_out) = (earliest(&all(true))?, earliest(&all(false))?);
    if (first_in - first_out).abs() > 60 {
        return Some((first_in < first_out, "order"));
    }
    None
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Fit {
    Unknown,
    Refused,
    Broad,
    Specific,
}

fn fit(decision: &Decision) -> Fit {
    if !decision.known || decision.unresolved {
        Fit::Unknown
    } else if !decision.permits() {
        Fit::Refused
    } else if decision.specific {
        Fit::Specific
    } else {
        Fit::Broad
    }
}

/// Services that are commonly met above port 1023.
const SERVICES: [u16; 29] = [
    8080, 8000, 8443, 3306, 5432, 6379, 27017, 9200, 9042, 9092, 9100, 9000, 1433, 1521, 2049, 2181, 2379,
    3128, 3268, 3389, 4500, 5439, 5671, 5672, 5900, 5985, 6443, 1194, 11211,
];

/// Each opinion for itself: `Some(true)` says inbound.
struct Opinions {
    only: Option<bool>,
    specific: Option<bool>,
    fan: Option<bool>,
    majority: Option<bool>,
    ports: Option<bool>,
}

impl Opinions {
    fn of(around: &Around<'_>) -> Self {
        let ported = around.protocol == 6 || around.protocol == 17;
        let (inbound, outbound) = (fit(around.inbound), fit(around.outbound));
        let known = inbound != Fit::Unknown && outbound != Fit::Unknown;
        let permitted = |f: Fit| f == Fit::Broad || f == Fit::Specific;
        let (local, remote) = (around.local_fan, around.remote_fan);
        let service = |port: u16| port < 1024 || SERVICES.contains(&port);
        let one = |yes_in: bool, yes_out: bool| (yes_in != yes_out).then_some(yes_in);
        Self {
            only: one(permitted(inbound), permitted(outbound)).filter(|_| known),
            specific: one(inbound == Fit::Specific, outbound == Fit::Specific).filter(|_| known),
            fan: one(local >= 3 && local >= 3 * remote, remote >= 3 && remote >= 3 * local)
                .filter(|_| ported),
            majority: one(local > remote, remote > local).filter(|_| ported),
            ports: one(service(around.local_port), service(around.remote_port)).filter(|_| ported),
        }
    }

    /// A privileged port against any other, a service port against an ephemeral one or one that fewer tuples meet at:
    /// more than the configuration's silence.
    fn outweigh(&self, around: &Around<'_>, inbound: bool) -> bool {
        let ports = [around.local_port, around.remote_port];
        let telling = ports.iter().any(|p| *p < 1024) || ports.iter().any(|p| *p >= 32_768);
        self.ports == Some(inbound) && (telling || self.majority == Some(inbound))
    }

    fn anything_else_says(&self, inbound: bool) -> bool {
        [self.specific, self.fan, self.majority, self.ports].contains(&Some(inbound))
    }
}

pub fn opener(connection: &Connection, around: &Around<'_>) -> Told {
    let ported = around.protocol == 6 || around.protocol == 17;
    let same_port = ported && around.local_port == around.remote_port;
    let first =
        |inward: bool| connection.seen.iter().filter(|s| s.inward == inward).map(|s| s.record.start).min();
    if !connection.any_accepted()
        && let (Some(i), Some(o)) = (first(true), first(false))
    {
        // Refused both ways: two attempts counted as one, unless TCP flags tell more.
        let flagged = |inward| connection.pick(inward, false).iter().all(|r| r.flags.is_some());
        if around.protocol != 6 || !flagged(true) && !flagged(false) {
            return (Some(i <= o), "first-packet");
        }
    }
    let opinions = Opinions::of(around);
    if let Some((inbound, evidence)) = from_traffic(connection, around.protocol) {
        if evidence == "order" && opinions.only == Some(!inbound) {
            return (None, "none");
        }
        if evidence != "one-way" || !connection.any_accepted() || !ported {
            return (Some(inbound), evidence);
        }
        // Accepted one way: the request, or the answers to requests that were not captured.
        if opinions.only == Some(inbound) {
            return (Some(inbound), "one-way");
        }
        if opinions.fan == Some(!inbound) && !same_port {
            return (Some(!inbound), "fan-in");
        }
        if opinions.only != Some(!inbound) {
            return (Some(inbound), "one-way");
        }
        if opinions.anything_else_says(!inbound) && !opinions.anything_else_says(inbound) {
            return (Some(!inbound), "policy");
        }
        if opinions.outweigh(around, inbound) {
            return (Some(inbound), "service-port");
        }
        return (None, "none");
    }
    if let Some(inbound) = opinions.only {
        if !ported {
            return (Some(inbound), "policy");
        }
        if opinions.fan == Some(!inbound) && opinions.ports == Some(!inbound) {
            return (Some(!inbound), "fan-in");
        }
        if opinions.anything_else_says(inbound) || (same_port && opinions.fan.is_none()) {
            return (Some(inbound), "policy");
        }
        if opinions.outweigh(around, !inbound) {
            return (Some(!inbound), "service-port");
        }
        return (None, "none");
    }
    if same_port {
        return (None, "none");
    }
    if let Some(inbound) = opinions.fan
        && (opinions.specific != Some(!inbound) || opinions.ports == Some(inbound))
    {
        return (Some(inbound), "fan-in");
    }
    if let Some(inbound) = opinions.specific {
        return (Some(inbound), "configured-service");
    }
    if let Some(inbound) = opinions.ports {
        return (Some(inbound), "service-port");
    }
    match opinions.majority {
        Some(inbound) => (Some(inbound), "fan-in"),
        None => (None, "none"),
    }
}
