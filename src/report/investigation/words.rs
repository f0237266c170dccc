//! How things of an investigation are called.

use std::net::IpAddr;

use crate::flow::{Protocol, address_from_bits};
use crate::investigate::{ConnectionNote, Investigation, Opener, Service, Subject, Traffic};
use crate::report::numbers::{bytes, time};

/// `2026-03-01T09:12:00Z`, or a dash.
pub(super) fn when(seconds: Option<i64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), time)
}

/// `sent / received`.
pub(super) fn both(traffic: &Traffic) -> [String; 2] {
    traffic.bytes.map(bytes)
}

/// `security group` for people.
pub(super) fn kind(subject: &Subject) -> String {
    subject.kind().replace('-', " ")
}

/// `tcp 443`, `icmp`, `tcp, port not known`.
pub(super) fn service(service: &Service) -> String {
    let protocol = Protocol(service.protocol);
    match service.port {
        Some(port) => format!("{protocol} {port}"),
        None if service.opener == Opener::Unknown && protocol.has_ports() => {
            format!("{protocol}, port not known")
        }
        None => protocol.to_string(),
    }
}

/// Of an address: its interface and what that is called.
pub(super) fn name(told: &Investigation, address: IpAddr) -> String {
    let Some(name) = told.names.get(&address) else { return String::new() };
    match &name.label {
        Some(label) => format!("{label} ({})", name.interface),
        None => name.interface.clone(),
    }
}

/// `10.0.1.5:443 <- 203.0.113.7:50000`: the arrow points at who was asked.
pub(super) fn ends(note: &ConnectionNote) -> String {
    let protocol = Protocol(note.protocol);
    let end = |address: u128, port: u16| {
        let address = address_from_bits(address);
        match (protocol.has_ports() || port != 0, address) {
            (false, address) => address.to_string(),
            (true, IpAddr::V4(address)) => format!("{address}:{port}"),
            (true, IpAddr::V6(address)) => format!("[{address}]:{port}"),
        }
    };
    let arrow = match note.direction {
        Some(crate::flow::Direction::Inbound) => "<-",
        Some(crate::flow::Direction::Outbound) => "->",
        None => "<?>",
    };
    let (local, remote) = (end(note.local, note.local_port), end(note.remote, note.remote_port));
    format!("{protocol} {local} {arrow} {remote}")
}

/// Who opened it, from the subject.
pub(super) fn opener(opener: Opener) -> &'static str {
    match opener {
        Opener::Subject => "it opened",
        Opener::Peer => "opened to it",
        Opener::Unknown => "opener unknown",
    }
}
