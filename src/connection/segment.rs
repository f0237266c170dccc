//! Cuts the records of one tuple into connections.
//!
//! A connection lasts until it closes or stays idle beyond its timeout (domain C.2); a new SYN after that
//! is a new one. Retransmitted SYNs are one attempt, and a late packet is no attempt at all.

use super::record::{Body, FIN, RST, RejectReason, SYN, SYN_ACK};
use crate::flow::{Action, Protocol};
use crate::inventory::ConnectionTracking;

/// Traffic of a connection in one direction with one action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Records.
    pub records: u32,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
    /// First packet, Unix seconds.
    pub first: u32,
    /// Last packet, Unix seconds.
    pub last: u32,
    /// A record with SYN and without ACK was among them.
    pub syn: bool,
    /// A record with SYN-ACK was among them.
    pub syn_ack: bool,
    /// FIN or RST was among them.
    pub closed: bool,
    /// Every record carried TCP flags.
    pub flagged: bool,
}

impl Part {
    fn add(&mut self, body: &Body) {
        if self.records == 0 {
            self.first = body.start;
            self.last = body.end;
            self.flagged = true;
        }
        self.records += 1;
        self.packets += body.packets;
        self.bytes += body.bytes;
        self.first = self.first.min(body.start);
        self.last = self.last.max(body.end);
        match body.flags() {
            None => self.flagged = false,
            Some(flags) => {
                self.syn |= flags & SYN_ACK == SYN;
                self.syn_ack |= flags & SYN_ACK == SYN_ACK;
                self.closed |= flags & (FIN | RST) != 0;
            }
        }
    }

    /// True when there was any such traffic.
    #[must_use]
    pub fn any(&self) -> bool {
        self.records > 0
    }
}

/// Index into [`Segment::parts`] of packets towards the interface.
pub(crate) const IN: usize = 0;
/// Index of packets away from it.
pub(crate) const OUT: usize = 1;

/// Default idle timeouts in seconds (EC2 user guide, "connection tracking"; domain C.2).
const TCP_ESTABLISHED: u32 = 432_000;
const UDP_STREAM: u32 = 180;
const UDP_SINGLE: u32 = 30;
/// Protocols other than TCP and UDP.
const OTHER: u32 = 600;
/// A SYN is retried with doubling pauses of at most 64 s (Linux `tcp_syn_retries` = 6); an unanswered or
/// rejected attempt that pauses longer than this is over. Leaves room for the 60 s of timestamp error.
const ATTEMPT: u32 = 180;
/// Timestamps of records are good to this many seconds (domain A.1).
pub(crate) const UNCERTAINTY: u32 = 60;

/// A connection in the making: one stretch of a tuple's records.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment {
    /// Traffic by direction ([`IN`], [`OUT`]) and action (accept, reject).
    pub parts: [[Part; 2]; 2],
    pub reason: Option<RejectReason>,
    /// Rejected records without SYN after the connection was accepted both ways.
    pub late: Part,
    /// An earlier segment of the same tuple was accepted.
    pub follows_accepted: bool,
    /// Records, late ones among them.
    pub records: u32,
}

/// Seconds of a day.
pub(crate) const DAY: u32 = 86_400;

/// What cutting needs to know of the tuple.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub protocol: Protocol,
    pub tracking: &'a ConnectionTracking,
    /// First second the interface was heard of: what is there from the beginning may be older.
    pub watched_since: u32,
}

impl Segment {
    fn accepted(&self, direction: usize) -> &Part {
        &self.parts[direction][0]
    }

    fn rejected(&self, direction: usize) -> &Part {
        &self.parts[direction][1]
    }

    fn any_accept(&self) -> bool {
        self.accepted(IN).any() || self.accepted(OUT).any()
    }

    fn established(&self) -> bool {
        self.accepted(IN).any() && self.accepted(OUT).any()
    }

    fn is_empty(&self) -> bool {
        !self.any_accept() && !self.rejected(IN).any() && !self.rejected(OUT).any()
    }

    /// First packet of the connection.
    pub fn first(&self) -> u32 {
        self.bounds().map(|p| p.first).min().unwrap_or(self.late.first)
    }

    /// Last packet of the connection.
    pub fn last(&self) -> u32 {
        self.bounds().map(|p| p.last).max().unwrap_or(self.late.last)
    }

    fn bounds(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flatten().filter(|p| p.any())
    }

    fn closed(&self) -> bool {
        self.parts.iter().flatten().any(|p| p.closed)
    }

    fn idle_timeout(&self, terms: &Terms<'_>) -> u32 {
        let tracking = terms.tracking;
        if !self.any_accept() {
            return ATTEMPT;
        }
        match terms.protocol {
            Protocol::TCP => tracking.tcp_established.unwrap_or(TCP_ESTABLISHED),
            Protocol::UDP => {
                let stream = self.accepted(IN).packets > 1 && self.accepted(OUT).packets > 1;
                // One that was running when the log began has exchanged packets before.
                let running = self.first() <= terms.watched_since.saturating_add(UDP_STREAM);
                if stream || running {
                    tracking.udp_stream.unwrap_or(UDP_STREAM)
                } else {
                    tracking.udp.unwrap_or(UDP_SINGLE)
                }
            }
            _ => OTHER,
        }
    }

    /// Does this record open a new connection, rather than belong to this one?
    fn is_left_by(&self, body: &Body, direction: usize, terms: &Terms<'_>) -> bool {
        let protocol = terms.protocol;
        let gap = body.start.saturating_sub(self.last());
        let flags = body.flags();
        let syn = flags.is_some_and(|f| f & SYN_ACK == SYN);
        let syn_ack = flags.is_some_and(|f| f & SYN_ACK == SYN_ACK);
        if protocol == Protocol::TCP && flags.is_some() && !syn && !syn_ack {
            // Packets in mid-stream never open a TCP connection, however long the pause was.
            return body.action() == Action::Accept
                && !self.any_accept()
                && !self.replies_to_reject(body, direction);
        }
        // The first answer was let in by the tracking entry of what it answers, so it came in time: that it seems
        // late is the error of the timestamps.
        let first_answer = body.action() == Action::Accept
            && !self.accepted(direction).any()
            && self.accepted(1 - direction).any();
        let allowance = if first_answer { UNCERTAINTY } else { 0 };
        if gap > self.idle_timeout(terms).saturating_add(allowance) {
            return true;
        }
        if protocol == Protocol::TCP && syn {
            return self.is_left_by_syn(body, direction);
        }
        if protocol == Protocol::TCP && syn_ack && body.action() == Action::Accept {
            // A second SYN-ACK after the close answers a SYN whose record comes later or never.
            let again = self.accepted(direction).syn_ack && self.closed() && body.start > self.last();
            return again || (!self.any_accept() && !self.replies_to_reject(body, direction));
        }
        if body.action() == Action::Accept && !self.any_accept() {
            return !self.replies_to_reject(body, direction);
        }
        if protocol != Protocol::TCP && body.action() == Action::Reject && self.established() {
            // Connectionless traffic has no late packets: what is rejected after having been accepted is an
            // attempt of its own, unless it is the blocked direction of this very exchange.
            return gap > 0 && !self.rejected(direction).any();
        }
        false
    }

    /// An accept that belongs to an exchange of which only rejected packets the other way were seen so far:
    /// a blocked reply whose record sorted first.
    fn replies_to_reject(&self, body: &Body, direction: usize) -> bool {
        let opposite = self.rejected(1 - direction);
        opposite.any()
            && !opposite.syn
            && !self.rejected(direction).any()
            && body.start <= opposite.last.saturating_add(UNCERTAINTY)
    }

    fn is_left_by_syn(&self, body: &Body, direction: usize) -> bool {
        let same_way = match body.action() {
            Action::Accept => self.accepted(direction),
            Action::Reject => self.rejected(direction),
        };
        match body.action() {
            Action::Reject if self.any_accept() => {
                // A SYN that is rejected after an accepted connection is a new attempt; one within the same
                // seconds may be the retransmission that a changed rule stopped, still an attempt of its own.
                return !same_way.syn;
            }
            Action::Accept if !self.any_accept() => return !self.replies_to_reject(body, direction),
            _ => {}
        }
        if !same_way.syn {
            // First SYN this way. It belongs here unless traffic of an earlier connection came clearly before.
            let other = match body.action() {
                Action::Accept => self.accepted(1 - direction),
                Action::Reject => self.rejected(1 - direction),
            };
            // Traffic without any handshake is the tail of a connection from before the log began.
            let tail = self.any_accept() && !self.accepted(1 - direction).syn_ack;
            return body.start > self.last() && (other.syn || tail || (self.closed() && self.established()));
        }
        if self.closed() && body.start > self.last() {
            return true;
        }
        let gap = body.start.saturating_sub(self.last());
        if self.accepted(1 - direction).any() {
            // Answered before: a SYN in a later interval is the next connection. With FIN or RST in the same
            // record the earlier one closed within this interval.
            let reopened = body.flags().is_some_and(|f| f & (FIN | RST) != 0);
            return body.start > same_way.last && (gap > UNCERTAINTY || reopened);
        }
        gap > ATTEMPT
    }

    /// Where a record belongs: its direction and action, or nowhere if it is late.
    fn place(&self, body: &Body, direction: usize, protocol: Protocol) -> Option<(usize, usize)> {
        if body.action() == Action::Reject {
            let syn = body.flags().is_some_and(|f| f & SYN != 0);
            // Rejected without SYN although both directions were accepted: it came after the close, or after
            // the tracking entry expired (domain C.5).
            let late = protocol == Protocol::TCP && !syn && (self.established() || self.follows_accepted);
            if late && body.reason() == RejectReason::None {
                return None;
            }
        }
        Some((direction, usize::from(body.action() == Action::Reject)))
    }

    fn put(&mut self, body: &Body, place: Option<(usize, usize)>) {
        self.records += 1;
        let Some((direction, action)) = place else { return self.late.add(body) };
        if body.action() == Action::Reject {
            self.reason = Some(body.reason());
        }
        self.parts[direction][action].add(body);
    }

    fn add(&mut self, body: &Body, direction: usize, protocol: Protocol) {
        let place = self.place(body, direction, protocol);
        self.put(body, place);
    }

    /// The same connection day by day (of UTC): what its records that start on one day come to. `records` are its own, in
    /// time order.
    pub fn by_day(&self, records: impl Iterator<Item = (Body, usize)>, protocol: Protocol) -> Vec<Self> {
        let mut whole = Self { follows_accepted: self.follows_accepted, ..Self::default() };
        let mut days: Vec<(u32, Self)> = Vec::new();
        for (body, direction) in records {
            let place = whole.place(&body, direction, protocol);
            whole.put(&body, place);
            let day = body.start / DAY;
            match days.last_mut() {
                Some((last, part)) if *last == day => part.put(&body, place),
                _ => {
                    let mut part = Self { follows_accepted: self.follows_accepted, ..Self::default() };
                    part.put(&body, place);
                    days.push((day, part));
                }
            }
        }
        days.into_iter().map(|(_, part)| part).collect()
    }
}

/// The only connection of a tuple with a single record.
pub(crate) fn single(body: &Body, direction: usize, protocol: Protocol) -> Segment {
    let mut segment = Segment::default();
    segment.add(body, direction, protocol);
    segment
}

/// Cuts a tuple's records, given in time order with their direction, into connections.
pub(crate) fn segments(
    records: impl Iterator<Item = (Body, usize)>,
    terms: &Terms<'_>,
    out: &mut Vec<Segment>,
) {
    out.clear();
    let mut current = Segment::default();
    for (body, direction) in records {
        if !current.is_empty() && current.is_left_by(&body, direction, terms) {
            let follows_accepted = current.any_accept() || current.follows_accepted;
            out.push(current);
            current = Segment { follows_accepted, ..Segment::default() };
        }
        current.add(&body, direction, terms.protocol);
    }
    if !current.is_empty() || current.late.any() {
        out.push(current);
    }
}
