//! Sorted partitions become connections, in two passes: the first counts service fan-in over all
//! partitions, the second cuts and decides.

use super::fanin::{Asked, FanIn, Met, Question};
use super::local::LocalSide;
use super::opener::{Context, Evidence, Fans, decide};
use super::packed::Packed;
use super::partition::Sorted;
use super::record::{Body, Endpoint, RejectReason};
use super::segment::{DAY, IN, OUT, Part, Segment, Terms, segments, single};
use crate::flow::{Action, Direction, Protocol};
use crate::inventory::ConnectionTracking;

/// Both directions of one 5-tuple at one interface, from its opening to its end.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    /// Index of the interface in the run.
    pub interface: u32,
    /// Address at the interface, packet-level where the log has it; IPv4 mapped into IPv6.
    pub local: u128,
    /// Address of the other side; IPv4 mapped.
    pub remote: u128,
    /// Port at the interface, 0 for protocols without.
    pub local_port: u16,
    /// Port of the other side.
    pub remote_port: u16,
    /// Protocol.
    pub protocol: Protocol,
    /// Which way it was opened, `None` if that cannot be told.
    pub opener: Option<Direction>,
    /// What decided the opener.
    pub evidence: Evidence,
    /// False where neither endpoint could be told to be the interface's.
    pub local_known: bool,
    /// First packet, Unix seconds.
    pub first: u32,
    /// Last packet, Unix seconds.
    pub last: u32,
    /// Traffic towards the interface: accepted, rejected.
    pub inward: [Part; 2],
    /// Traffic away from it: accepted, rejected.
    pub outward: [Part; 2],
    /// Packets rejected after the connection had been accepted both ways: no attempt.
    pub late: Part,
    /// What the rejected records say about the reason.
    pub reason: RejectReason,
}

impl Connection {
    /// The port that was opened: the local one if inbound, the remote one if outbound.
    #[must_use]
    pub fn service_port(&self) -> u16 {
        match self.opener {
            Some(Direction::Outbound) => self.remote_port,
            Some(Direction::Inbound) | None => self.local_port,
        }
    }

    /// Traffic in the direction of the opening: accepted, rejected.
    #[must_use]
    pub fn forward(&self) -> &[Part; 2] {
        match self.opener {
            Some(Direction::Outbound) => &self.outward,
            Some(Direction::Inbound) | None => &self.inward,
        }
    }

    /// Traffic against the direction of the opening: accepted, rejected.
    #[must_use]
    pub fn backward(&self) -> &[Part; 2] {
        match self.opener {
            Some(Direction::Outbound) => &self.inward,
            Some(Direction::Inbound) | None => &self.outward,
        }
    }

    /// Traffic against an opening in `direction`, whoever opened it: accepted, rejected.
    #[must_use]
    pub fn backward_of(&self, direction: Direction) -> &[Part; 2] {
        match direction {
            Direction::Outbound => &self.inward,
            Direction::Inbound => &self.outward,
        }
    }

    /// What happened to the opening: accepted if any packet was, whichever way. What is rejected is not answered, so
    /// an accepted answer tells of an accepted opening, captured or not.
    #[must_use]
    pub fn action(&self) -> Action {
        let accepted = self.inward[0].any() || self.outward[0].any();
        if accepted { Action::Accept } else { Action::Reject }
    }

    /// Bytes that were accepted, both directions.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inward[0].bytes + self.outward[0].bytes
    }

    /// Packets that were accepted, both directions.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.inward[0].packets + self.outward[0].packets
    }

    /// True when the opening SYN was seen, so that `first` is when it was opened.
    #[must_use]
    pub fn saw_opening(&self) -> bool {
        let forward = self.forward();
        match self.protocol {
            Protocol::TCP => forward[0].syn || forward[1].syn || self.backward()[0].syn_ack,
            _ => true,
        }
    }
}

/// What pairing knows of the run.
pub(crate) struct Pairing<'a> {
    pub local: &'a LocalSide,
    /// Per interface: connection tracking timeouts.
    pub tracking: &'a [ConnectionTracking],
    /// Per interface: first second it was heard of.
    pub watched_since: &'a [u32],
    /// Per interface: keeps equal private addresses of different VPCs apart.
    pub scopes: &'a [u64],
    pub fan: &'a FanIn,
    /// Tell of connections that go on over midnight (UTC) day by day, too.
    pub by_day: bool,
}

/// One tuple of a partition, oriented.
struct Tuple {
    local: Endpoint,
    remote: Endpoint,
    low_is_local: bool,
    local_known: bool,
}

impl Tuple {
    /// Records with the direction they travel in.
    fn directed<'r, T: Packed>(&self, records: &'r [T]) -> impl Iterator<Item = (Body, usize)> + use<'r, T> {
        let low_is_local = self.low_is_local;
        records.iter().map(move |record| {
            let body = record.body();
            // Not flipped travels low to high, which is outwards if the low end is local.
            let direction = if body.flipped() == low_is_local { IN } else { OUT };
            (body, direction)
        })
    }
}

/// Tuples whose endpoints are asked for before the first of them is decided.
const AHEAD: usize = 64;

/// First pass: gathers the endpoints of tuples that were accepted both ways. `scopes` is [`Pairing::scopes`].
pub(crate) fn gather_meetings(sorted: &Sorted, scopes: &[u64], met: &mut Met) {
    meetings(&sorted.narrow, scopes, met);
    meetings(&sorted.wide, scopes, met);
}

fn meetings<T: Packed>(records: &[T], scopes: &[u64], met: &mut Met) {
    for group in records.chunk_by(T::same_tuple) {
        // Most tuples that are not met both ways have a single record.
        if group.len() < 2 {
            continue;
        }
        let protocol = group[0].body().protocol;
        if !Protocol(protocol).has_ports() {
            continue;
        }
        let mut accepted = [false; 2];
        for record in group {
            let body = record.body();
            accepted[usize::from(body.flipped())] |= body.action() == Action::Accept;
        }
        if accepted == [true; 2] {
            let (low, high) = group[0].endpoints();
            let scope = scopes[group[0].lane() as usize];
            met.add(scope, &low, protocol);
            met.add(scope, &high, protocol);
        }
    }
}

impl Pairing<'_> {
    /// Second pass: hands every connection to `emit`. `fit` says how well the configuration explains the
    /// two openings of a connection whose opener is still open. With [`by_day`](Self::by_day), `emit` is also told what
    /// belongs to each day of a connection of several.
    pub fn connections(
        &self,
        sorted: &Sorted,
        fit: &mut dyn FnMut(&Connection) -> (super::Fit, super::Fit),
        emit: &mut dyn FnMut(&Connection, &[Connection]),
    ) {
        let mut cut = Vec::new();
        self.cut(&sorted.narrow, &mut cut, fit, emit);
        self.cut(&sorted.wide, &mut cut, fit, emit);
    }

    fn cut<T: Packed>(
        &self,
        records: &[T],
        cut: &mut Vec<Segment>,
        fit: &mut dyn FnMut(&Connection) -> (super::Fit, super::Fit),
        emit: &mut dyn FnMut(&Connection, &[Connection]),
    ) {
        let mut groups = records.chunk_by(T::same_tuple);
        let mut ahead: Vec<(&[T], Option<usize>)> = Vec::with_capacity(AHEAD);
        let (mut questions, mut asked) = (Vec::with_capacity(AHEAD), Vec::with_capacity(AHEAD));
        loop {
            ahead.clear();
            questions.clear();
            for group in groups.by_ref().take(AHEAD) {
                let place = Self::asks(group).then_some(questions.len());
                if place.is_some() {
                    questions.push(self.questions(group));
                }
                ahead.push((group, place));
            }
            if ahead.is_empty() {
                return;
            }
            self.fan.ask(&questions, &mut asked);
            for (group, place) in &ahead {
                self.cut_tuple(group, place.map(|place| &asked[place]), cut, fit, emit);
            }
        }
    }

    /// How many tuples meet at the ends may be of interest: hardly ever is it for tuples with a single record that was
    /// rejected.
    #[inline]
    fn asks<T: Packed>(group: &[T]) -> bool {
        group.len() > 1 || group[0].body().action() == Action::Accept
    }

    /// For the lower and the higher endpoint.
    #[inline]
    fn questions<T: Packed>(&self, group: &[T]) -> [Question; 2] {
        let (low, high) = group[0].endpoints();
        let (scope, protocol) = (self.scopes[group[0].lane() as usize], group[0].body().protocol);
        [&low, &high].map(|end| FanIn::question(scope, end, protocol))
    }

    fn cut_tuple<T: Packed>(
        &self,
        group: &[T],
        asked: Option<&[Asked; 2]>,
        cut: &mut Vec<Segment>,
        fit: &mut dyn FnMut(&Connection) -> (super::Fit, super::Fit),
        emit: &mut dyn FnMut(&Connection, &[Connection]),
    ) {
        let tuple = self.orient(group);
        let interface = group[0].lane();
        let protocol = Protocol(group[0].body().protocol);
        // Most tuples have a single record.
        let alone;
        let segments = match tuple.directed(group).next() {
            Some((body, direction)) if group.len() == 1 => {
                alone = single(&body, direction, protocol);
                std::slice::from_ref(&alone)
            }
            _ => {
                let terms = Terms {
                    protocol,
                    tracking: &self.tracking[interface as usize],
                    watched_since: self.watched_since[interface as usize],
                };
                segments(tuple.directed(group), &terms, cut);
                &cut[..]
            }
        };
        let mut rest = group;
        for segment in segments {
            let (own, later) = rest.split_at(rest.len().min(segment.records as usize));
            rest = later;
            let mut connection = describe(interface, protocol, &tuple, segment);
            let context =
                Context { protocol, local_port: connection.local_port, remote_port: connection.remote_port };
            if connection.local_known {
                let fans = || {
                    let [low, high] = match asked {
                        Some(asked) => asked.map(|end| self.fan.count(&end)),
                        None => self.asked_late(group),
                    };
                    if tuple.low_is_local {
                        Fans { local: low, remote: high }
                    } else {
                        Fans { local: high, remote: low }
                    }
                };
                let (opener, evidence) = decide(segment, &context, || fit(&connection), fans);
                connection.opener = opener;
                connection.evidence = evidence;
            }
            let days = if self.by_day { days(&connection, &tuple, own, segment) } else { Vec::new() };
            emit(&connection, &days);
        }
    }

    #[cold]
    fn asked_late<T: Packed>(&self, group: &[T]) -> [u32; 2] {
        let mut asked = Vec::new();
        self.fan.ask(&[self.questions(group)], &mut asked);
        asked.first().map_or([1; 2], |asked| asked.map(|end| self.fan.count(&end)))
    }

    fn orient<T: Packed>(&self, records: &[T]) -> Tuple {
        let (low, high) = records[0].endpoints();
        let told = self.local.low_is_local(records[0].lane(), &low, &high, records.iter().map(Packed::body));
        let low_is_local = told.unwrap_or(true);
        let (local, remote) = if low_is_local { (low, high) } else { (high, low) };
        Tuple { local, remote, low_is_local, local_known: told.is_some() }
    }
}

/// What belongs to each day of a connection, if it is of several.
fn days<T: Packed>(connection: &Connection, tuple: &Tuple, own: &[T], segment: &Segment) -> Vec<Connection> {
    let (Some(first), Some(last)) = (own.first(), own.last()) else { return Vec::new() };
    if first.body().start / DAY == last.body().start / DAY {
        return Vec::new();
    }
    let parts = segment.by_day(tuple.directed(own), connection.protocol);
    let Connection { interface, protocol, opener, evidence, .. } = *connection;
    parts
        .iter()
        .map(|part| Connection { opener, evidence, ..describe(interface, protocol, tuple, part) })
        .collect()
}

fn describe(interface: u32, protocol: Protocol, tuple: &Tuple, segment: &Segment) -> Connection {
    Connection {
        interface,
        // The packet-level address tells which of the interface's addresses it was; the remote side is
        // judged by the record's own address (domain A.5).
        local: tuple.local.packet,
        remote: tuple.remote.address,
        local_port: tuple.local.port,
        remote_port: tuple.remote.port,
        protocol,
        opener: None,
        evidence: Evidence::None,
        local_known: tuple.local_known,
        first: segment.first(),
        last: segment.last(),
        inward: segment.parts[IN],
        outward: segment.parts[OUT],
        late: segment.late,
        reason: segment.reason.unwrap_or(RejectReason::None),
    }
}
