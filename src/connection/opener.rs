//! Who opened a connection, and how that is known (design: strongest evidence first).

use std::cell::LazyCell;

use super::segment::{IN, OUT, Segment, UNCERTAINTY};
use crate::flow::{Direction, Protocol};

/// What decided the opener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// A SYN from the opener or a SYN-ACK to it.
    TcpFlags,
    /// Traffic in one direction only, or accepted in one direction only.
    OneWay,
    /// One direction was seen more than 60 s before the other.
    Order,
    /// The configuration permits only one of the two openings, and something else agrees.
    Policy,
    /// Many tuples meet at one end: that is the service.
    FanIn,
    /// A rule made for this very service permits one of the two openings.
    ConfiguredService,
    /// A well-known service port against an ephemeral one.
    ServicePort,
    /// Refused both ways, and one side's first packet came first.
    FirstPacket,
    /// Nothing decided.
    None,
}

impl Evidence {
    /// Every evidence, strongest first.
    pub const ALL: [Self; 9] = [
        Self::TcpFlags,
        Self::OneWay,
        Self::Order,
        Self::Policy,
        Self::FanIn,
        Self::ConfiguredService,
        Self::ServicePort,
        Self::FirstPacket,
        Self::None,
    ];

    /// Kebab-case word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TcpFlags => "tcp-flags",
            Self::OneWay => "one-way",
            Self::Order => "order",
            Self::Policy => "policy",
            Self::FanIn => "fan-in",
            Self::ConfiguredService => "configured-service",
            Self::ServicePort => "service-port",
            Self::FirstPacket => "first-packet",
            Self::None => "none",
        }
    }

    /// `proven`, `inferred`, `weak` or `unknown`.
    #[must_use]
    pub fn strength(self) -> Strength {
        match self {
            Self::TcpFlags => Strength::Proven,
            Self::OneWay | Self::Order | Self::Policy | Self::FanIn => Strength::Inferred,
            Self::ConfiguredService | Self::ServicePort | Self::FirstPacket => Strength::Weak,
            Self::None => Strength::Unknown,
        }
    }
}

/// How far an opener can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Strength {
    /// Seen in the handshake.
    Proven,
    /// Follows from the traffic.
    Inferred,
    /// A guess with a reason.
    Weak,
    /// Not decided.
    Unknown,
}

impl Strength {
    /// The word of the outputs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Inferred => "inferred",
            Self::Weak => "weak",
            Self::Unknown => "unknown",
        }
    }
}

/// How well the configuration explains one opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The configuration cannot be asked: the interface is not in the inventory.
    Unknown,
    /// No rule permits it.
    Refused,
    /// A broad rule permits it (all ports or all protocols).
    Broad,
    /// A rule for this service permits it.
    Specific,
}

/// What [`decide`] needs beside the traffic itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub protocol: Protocol,
    pub local_port: u16,
    pub remote_port: u16,
}

/// Tuples that meet at the local and at the remote endpoint.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fans {
    pub local: u32,
    pub remote: u32,
}

/// Whose SYN, or answer to one, was first.
fn by_handshake(segment: &Segment, heard_in: bool, heard_out: bool) -> Option<Direction> {
    let [[in_accept, in_reject], [out_accept, out_reject]] = &segment.parts;
    // A rejected SYN-ACK answers something only if that something was seen; else it is backscatter.
    let inbound = [
        in_accept.syn.then_some(in_accept.first),
        in_reject.syn.then_some(in_reject.first),
        out_accept.syn_ack.then_some(out_accept.first),
        (out_reject.syn_ack && heard_in).then_some(out_reject.first),
    ];
    let outbound = [
        out_accept.syn.then_some(out_accept.first),
        out_reject.syn.then_some(out_reject.first),
        in_accept.syn_ack.then_some(in_accept.first),
        (in_reject.syn_ack && heard_out).then_some(in_reject.first),
    ];
    match (inbound.into_iter().flatten().min(), outbound.into_iter().flatten().min()) {
        (Some(_), None) => Some(Direction::Inbound),
        (None, Some(_)) => Some(Direction::Outbound),
        (Some(i), Some(o)) if i != o => Some(if i < o { Direction::Inbound } else { Direction::Outbound }),
        _ => None,
    }
}

/// Decides from the traffic alone: handshake, one-way traffic, order.
fn from_traffic(segment: &Segment, protocol: Protocol) -> Option<(Direction, Evidence)> {
    let [[in_accept, in_reject], [out_accept, out_reject]] = &segment.parts;
    let heard_out = out_accept.any();
    let heard_in = in_accept.any();
    let handshake = segment.parts.iter().flatten().any(|p| p.syn || p.syn_ack);
    if handshake && let Some(direction) = by_handshake(segment, heard_in, heard_out) {
        return Some((direction, Evidence::TcpFlags));
    }
    let any_in = in_accept.any() || in_reject.any();
    let any_out = out_accept.any() || out_reject.any();
    // Flagged TCP traffic one way without SYN is half of a connection from before the log began.
    let tail = |accept: &super::segment::Part| protocol == Protocol::TCP && accept.any() && accept.flagged;
    match (any_in, any_out) {
        (true, false) if !tail(in_accept) => return Some((Direction::Inbound, Evidence::OneWay)),
        (false, true) if !tail(out_accept) => return Some((Direction::Outbound, Evidence::OneWay)),
        _ => {}
    }
    // Accepted one way and rejected the other: the reply was blocked.
    if heard_in && !heard_out && out_reject.any() {
        return Some((Direction::Inbound, Evidence::OneWay));
    }
    if heard_out && !heard_in && in_reject.any() {
        return Some((Direction::Outbound, Evidence::OneWay));
    }
    let first = |direction: usize| segment.parts[direction].iter().filter(|p| p.any()).map(|p| p.first).min();
    if let (Some(first_in), Some(first_out)) = (first(IN), first(OUT)) {
        if first_in + UNCERTAINTY < first_out {
            return Some((Direction::Inbound, Evidence::Order));
        }
        if first_out + UNCERTAINTY < first_in {
            return Some((Direction::Outbound, Evidence::Order));
        }
    }
    None
}

/// Decides the opener. What the traffic alone does not decide is asked for when it is needed: `fits`, how well the
/// configuration explains that the remote side opened, and that the interface did; and `fans` only if that leaves it open,
/// for the endpoints are many, and looking one up is a wait for memory.
pub(crate) fn decide(
    segment: &Segment,
    context: &Context,
    fits: impl FnOnce() -> (Fit, Fit),
    fans: impl FnOnce() -> Fans,
) -> (Option<Direction>, Evidence) {
    if refused_both_ways(segment, context) {
        // Two attempts on one tuple, counted as one; without a handshake there is no telling them apart.
        let (direction, evidence) = by_first_packet(segment);
        return match direction {
            Some(_) => (direction, evidence),
            None => (Some(Direction::Inbound), Evidence::FirstPacket),
        };
    }
    let told = from_traffic(segment, context.protocol);
    match told {
        Some((direction, Evidence::OneWay)) if may_be_half(segment, context) => {
            return one_way(direction, &Opinions::new(context, fits(), fans), symmetric(context));
        }
        Some((direction, Evidence::Order)) => {
            // A lost record makes the other direction seem first: order alone must not accuse.
            if Opinions::new(context, fits(), fans).only == Some(direction.reverse()) {
                return (None, Evidence::None);
            }
            return (Some(direction), Evidence::Order);
        }
        Some((direction, evidence)) => return (Some(direction), evidence),
        None => {}
    }
    let opinions = Opinions::new(context, fits(), fans);
    if let Some(direction) = opinions.only {
        return with_policy(direction, &opinions, context);
    }
    if symmetric(context) {
        // The same port at both ends: rules, ports and counts say the same of either side.
        return (None, Evidence::None);
    }
    if let Some(direction) = opinions.fan() {
        // Fan-in and a rule made for the other end: the rule was written by somebody who knew.
        if opinions.specific.is_none_or(|s| s == direction) || opinions.ports == Some(direction) {
            return (Some(direction), Evidence::FanIn);
        }
    }
    if let Some(direction) = opinions.specific {
        return (Some(direction), Evidence::ConfiguredService);
    }
    if let Some(direction) = opinions.ports {
        return (Some(direction), Evidence::ServicePort);
    }
    match opinions.majority() {
        Some(direction) => (Some(direction), Evidence::FanIn),
        None => (None, Evidence::None),
    }
}

/// Rejected in both directions and never accepted. Flagged TCP without a SYN is left out: such packets are the
/// remains of a connection, and a SYN tells the opener.
fn refused_both_ways(segment: &Segment, context: &Context) -> bool {
    let [[in_accept, in_reject], [out_accept, out_reject]] = &segment.parts;
    let flagged = in_reject.flagged || out_reject.flagged;
    in_reject.any()
        && out_reject.any()
        && !in_accept.any()
        && !out_accept.any()
        && !(context.protocol == Protocol::TCP && flagged)
}

/// What the indirect evidence says, each for itself.
struct Opinions<F> {
    /// The only opening that the configuration permits.
    only: Option<Direction>,
    /// The opening that a rule made for this service permits, while the other has none.
    specific: Option<Direction>,
    ports: Option<Direction>,
    /// What ports say if nobody is handed the service's as a client, or every client is handed ones like the other.
    telling: Option<Direction>,
    ported: bool,
    fans: LazyCell<Fans, F>,
}

impl<F: FnOnce() -> Fans> Opinions<F> {
    fn new(context: &Context, (inbound, outbound): (Fit, Fit), fans: F) -> Self {
        let permitted = |f: Fit| f >= Fit::Broad;
        let known = inbound != Fit::Unknown && outbound != Fit::Unknown;
        let only = match (permitted(inbound), permitted(outbound)) {
            (true, false) if known => Some(Direction::Inbound),
            (false, true) if known => Some(Direction::Outbound),
            _ => None,
        };
        let specific = match (inbound, outbound) {
            (Fit::Specific, Fit::Broad | Fit::Refused) => Some(Direction::Inbound),
            (Fit::Broad | Fit::Refused, Fit::Specific) => Some(Direction::Outbound),
            _ => None,
        };
        let ports = service_side(context);
        let telling = ports.filter(|_| {
            let (low, high) =
                (context.local_port.min(context.remote_port), context.local_port.max(context.remote_port));
            low < PRIVILEGED || high >= EPHEMERAL
        });
        let (ported, fans) = (context.protocol.has_ports(), LazyCell::new(fans));
        Self { only, specific, ports, telling, ported, fans }
    }

    fn fan(&self) -> Option<Direction> {
        self.ported.then(|| fan_in(&self.fans)).flatten()
    }

    fn majority(&self) -> Option<Direction> {
        self.ported.then(|| weak_fan_in(&self.fans)).flatten()
    }

    /// Anything independent of the configuration's permission that speaks for a direction.
    fn support(&self, direction: Direction) -> bool {
        let direction = Some(direction);
        self.specific == direction
            || self.ports == direction
            || self.fan() == direction
            || self.majority() == direction
    }

    /// Ports that speak against the only opening that is permitted outweigh that, where nothing else speaks for it:
    /// otherwise a broad rule outwards would hide whatever comes in. Weak, as ports are.
    fn outweighs(&self, direction: Direction) -> bool {
        self.telling == Some(direction)
            || (self.ports == Some(direction) && self.majority() == Some(direction))
    }
}

/// Ports below are bound by services, and never handed out to clients.
const PRIVILEGED: u16 = 1024;
/// What operating systems hand out to clients begins here (domain C.4).
const EPHEMERAL: u16 = 32_768;

/// Accepted traffic one way without a handshake: an opening that nobody answered (or whose answers were rejected), or
/// the half of an exchange whose other half was not captured (the log's edge, SKIPDATA, a missing file).
fn may_be_half(segment: &Segment, context: &Context) -> bool {
    let any_accept = segment.parts[IN][0].any() || segment.parts[OUT][0].any();
    any_accept && context.protocol.has_ports()
}

fn one_way<F: FnOnce() -> Fans>(
    direction: Direction,
    opinions: &Opinions<F>,
    symmetric: bool,
) -> (Option<Direction>, Evidence) {
    let reverse = direction.reverse();
    if opinions.only == Some(direction) {
        return (Some(direction), Evidence::OneWay);
    }
    if !symmetric && opinions.fan() == Some(reverse) {
        // Many were answered by its source before: it is a service, and this is one more answer.
        return (Some(reverse), Evidence::FanIn);
    }
    if opinions.only == Some(reverse) {
        if opinions.support(reverse) && !opinions.support(direction) {
            return (Some(reverse), Evidence::Policy);
        }
        if opinions.outweighs(direction) {
            return (Some(direction), Evidence::ServicePort);
        }
        return (None, Evidence::None);
    }
    (Some(direction), Evidence::OneWay)
}

/// Whose first packet came first, by a second or more: weak, since records' times are good to a minute only.
fn by_first_packet(segment: &Segment) -> (Option<Direction>, Evidence) {
    let first = |direction: usize| segment.parts[direction].iter().filter(|p| p.any()).map(|p| p.first).min();
    match (first(IN), first(OUT)) {
        (Some(i), Some(o)) if i < o => (Some(Direction::Inbound), Evidence::FirstPacket),
        (Some(i), Some(o)) if o < i => (Some(Direction::Outbound), Evidence::FirstPacket),
        _ => (None, Evidence::None),
    }
}

/// Only one opening is permitted. That alone must not clear a connection of being unexplained, so
/// something independent has to agree; and a strong contradiction outweighs it.
fn with_policy<F: FnOnce() -> Fans>(
    direction: Direction,
    opinions: &Opinions<F>,
    context: &Context,
) -> (Option<Direction>, Evidence) {
    let against = Some(direction.reverse());
    if !context.protocol.has_ports() {
        // Without ports there is nothing else to ask.
        return (Some(direction), Evidence::Policy);
    }
    if opinions.ports == against && opinions.fan() == against {
        return (against, Evidence::FanIn);
    }
    if opinions.support(direction) || (symmetric(context) && opinions.fan().is_none()) {
        return (Some(direction), Evidence::Policy);
    }
    if opinions.outweighs(direction.reverse()) {
        return (Some(direction.reverse()), Evidence::ServicePort);
    }
    (None, Evidence::None)
}

/// Both ends use the same service port (NTP 123 to 123): ports and fan-in say nothing.
fn symmetric(context: &Context) -> bool {
    context.protocol.has_ports() && context.local_port == context.remote_port
}

/// The service side by fan-in: at least three tuples meet there, three times as many as at the other end.
fn fan_in(fans: &Fans) -> Option<Direction> {
    let Fans { local, remote } = *fans;
    if local >= 3 && local >= remote.saturating_mul(3) {
        return Some(Direction::Inbound);
    }
    if remote >= 3 && remote >= local.saturating_mul(3) {
        return Some(Direction::Outbound);
    }
    None
}

/// The service side by a bare majority, used when nothing else has an opinion.
fn weak_fan_in(fans: &Fans) -> Option<Direction> {
    match fans.local.cmp(&fans.remote) {
        std::cmp::Ordering::Greater => Some(Direction::Inbound),
        std::cmp::Ordering::Less => Some(Direction::Outbound),
        std::cmp::Ordering::Equal => None,
    }
}

/// Ports of services that are commonly met above 1023. Sorted.
const HIGH_SERVICES: [u16; 29] = [
    1194, 1433, 1521, 2049, 2181, 2379, 3128, 3268, 3306, 3389, 4500, 5432, 5439, 5671, 5672, 5900, 5985,
    6379, 6443, 8000, 8080, 8443, 9000, 9042, 9092, 9100, 9200, 11211, 27017,
];

/// The side on a service port while the other is on an ephemeral one. Ephemeral means what operating
/// systems hand out: 32768 and up (Linux, Windows, macOS; domain C.4), or 1024 and up against a port below.
fn service_side(context: &Context) -> Option<Direction> {
    if !context.protocol.has_ports() {
        return None;
    }
    let service = |port: u16| port < 1024 || HIGH_SERVICES.binary_search(&port).is_ok();
    match (service(context.local_port), service(context.remote_port)) {
        (true, false) => Some(Direction::Inbound),
        (false, true) => Some(Direction::Outbound),
        _ => None,
    }
}

#[cfg(test)]
#[path = "opener_tests.rs"]
mod tests;
