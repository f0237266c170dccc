//! What each end saw of a tuple, put side by side.

use super::directory::{Directory, Found};
use super::table::{Cause, EndsCell, EndsKey, EndsTable, Uncompared};
use crate::connection::{Connection, Evidence, Strength};
use crate::flow::{Action, Direction, Protocol};
use crate::hash::mix64;
use crate::policy::{Judged, Verdict};

/// Traffic one way, accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Volume {
    pub packets: u64,
    pub bytes: u64,
}

/// A connection as one end saw it. Ordered by tuple, then by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct View {
    /// The lower and the higher end.
    ends: (u32, u32),
    /// Their ports.
    ports: (u16, u16),
    protocol: u8,
    first: u32,
    last: u32,
    /// The higher end saw it.
    at_high: bool,
    accepted: bool,
    /// Packets towards the interface were rejected; away from it.
    rejected: (bool, bool),
    opener: Option<Direction>,
    evidence: Evidence,
    /// What rejected it, see [`STOPS`].
    stop: u8,
    /// A rule that permits it.
    rule: Option<u32>,
    inward: Volume,
    outward: Volume,
}

/// Bits of a view's place beside its tuple, which has 104.
const PLACE: u32 = 24;
const MOST: usize = 1 << PLACE;

impl View {
    /// In the order of tuples.
    fn tuple(&self) -> u128 {
        let ends = (u128::from(self.ends.0) << 32) | u128::from(self.ends.1);
        let ports = (u64::from(self.ports.0) << 24) | (u64::from(self.ports.1) << 8);
        (ends << 40) | u128::from(ports | u64::from(self.protocol))
    }
}

/// What rejects a connection, as the outputs name it.
pub(super) const STOPS: [&str; 9] = [
    "unknown",
    "security-group",
    "network-acl-in",
    "network-acl-out",
    "both",
    "block-public-access",
    "encryption-controls",
    "misdropped",
    "late-packet",
];

/// Timestamps are good to 60 s (domain A.1), at both ends: what is further apart is not the same.
const SLACK: u32 = 120;

/// The least time that must be covered before and after a connection. Beyond it the record of the other end may lie in a
/// file that was not read.
const MARGIN: u32 = 60;

/// The connections of a partition whose remote address is that of another interface of the run.
///
/// Of more than a budget only those are kept whose tuple's hash begins with enough zero bits, so that both views of a tuple
/// are kept, or none, whatever the order they come in. Those left out are counted.
#[derive(Debug)]
pub(crate) struct Views {
    rows: Vec<View>,
    /// Tuples with the places of their views, to be sorted in their stead: they are a seventh in size.
    order: Vec<u128>,
    level: u32,
    most: usize,
    seen: u64,
    ambiguous: u64,
}

impl Views {
    pub fn within(most: usize) -> Self {
        let (rows, order) = (Vec::new(), Vec::new());
        // There is one more at times.
        Self { rows, order, level: 0, most: most.min(MOST - 1), seen: 0, ambiguous: 0 }
    }

    #[inline]
    pub fn see(&mut self, connection: &Connection, judged: &Judged, directory: &Directory) {
        if !connection.local_known {
            return;
        }
        let remote = match directory.find(connection.interface, connection.remote) {
            Found::Nobody => return,
            Found::Several => {
                self.ambiguous += 1;
                return;
            }
            Found::One { end, .. } => end,
        };
        // An interface that passes packets on is no end of them.
        let Some(local) = directory.own(connection.interface, connection.local) else { return };
        self.push(view(connection, judged, local, remote));
    }

    fn push(&mut self, view: View) {
        self.seen += 1;
        if self.level > 0 && level(&view) < self.level {
            return;
        }
        self.rows.push(view);
        while self.rows.len() > self.most && self.level < 64 {
            self.raise(self.level + 1);
        }
    }

    fn raise(&mut self, to: u32) {
        if to > self.level {
            self.level = to;
            self.rows.retain(|view| level(view) >= to);
        }
    }

    /// Takes in views of the same partition.
    pub fn merge(&mut self, other: &Self) {
        let left_out = other.seen - other.rows.len() as u64;
        self.ambiguous += other.ambiguous;
        self.raise(other.level);
        other.rows.iter().for_each(|&view| self.push(view));
        self.seen += left_out;
    }

    /// Compares what the partition's ends saw and begins anew.
    pub fn join(&mut self, directory: &Directory, table: &mut EndsTable) {
        table.uncompared(Uncompared::TooMany, self.seen - self.rows.len() as u64);
        table.uncompared(Uncompared::Ambiguous, self.ambiguous);
        let Self { rows, order, .. } = self;
        order.clear();
        order.extend(rows.iter().zip(0..).map(|(view, number)| view.tuple() << PLACE | number));
        order.sort_unstable();
        let mut group: Vec<View> = Vec::new();
        for same in order.chunk_by(|a, b| a >> PLACE == b >> PLACE) {
            group.clear();
            group.extend(same.iter().map(|place| rows[(place & (MOST as u128 - 1)) as usize]));
            group.sort_unstable();
            let mut from = 0;
            let mut last = group[0].last;
            for at in 1..=group.len() {
                if group.get(at).is_none_or(|next| next.first > last.saturating_add(SLACK)) {
                    Joint { views: &group[from..at], directory }.compare(table);
                    from = at;
                }
                last = group.get(at).map_or(last, |next| last.max(next.last));
            }
        }
        table.put_away();
        self.rows.clear();
        (self.level, self.seen, self.ambiguous) = (0, 0, 0);
    }

    pub fn heap_bytes(&self) -> usize {
        self.rows.capacity() * size_of::<View>() + self.order.capacity() * size_of::<u128>()
    }
}

/// Leading zero bits of the tuple's hash.
fn level(view: &View) -> u32 {
    let ends = (u64::from(view.ends.0) << 32) | u64::from(view.ends.1);
    let ports = (u64::from(view.ports.0) << 16) | u64::from(view.ports.1);
    mix64(mix64(ends) ^ (ports << 8) ^ u64::from(view.protocol)).leading_zeros()
}

fn view(connection: &Connection, judged: &Judged, local: u32, remote: u32) -> View {
    let at_high = local > remote;
    let pair = |a, b| if at_high { (b, a) } else { (a, b) };
    let (local_port, remote_port) = (connection.local_port, connection.remote_port);
    let volume = |part: &crate::connection::Part| Volume { packets: part.packets, bytes: part.bytes };
    let reason = match judged.verdict {
        Verdict::Misdropped => "misdropped",
        Verdict::Rejected(cause) => cause.as_str(),
        _ => "unknown",
    };
    View {
        ends: pair(local, remote),
        ports: if at_high { (remote_port, local_port) } else { (local_port, remote_port) },
        protocol: connection.protocol.0,
        first: connection.first,
        last: connection.last,
        at_high,
        accepted: connection.action() == Action::Accept,
        rejected: (connection.inward[1].any(), connection.outward[1].any()),
        opener: connection.opener,
        evidence: connection.evidence,
        stop: STOPS.iter().position(|stop| *stop == reason).unwrap_or(0) as u8,
        rule: judged.decision.rules.iter().copied().min(),
        inward: volume(&connection.inward[0]),
        outward: volume(&connection.outward[0]),
    }
}

/// The views of one tuple at about one time.
struct Joint<'a> {
    views: &'a [View],
    directory: &'a Directory,
}

impl Joint<'_> {
    fn at(&self, high: bool) -> impl Iterator<Item = &View> {
        self.views.iter().filter(move |view| view.at_high == high)
    }

    fn compare(&self, table: &mut EndsTable) {
        if self.at(false).next().is_none() || self.at(true).next().is_none() {
            self.one_sided(table);
            return;
        }
        table.joined();
        if let Some((key, cell, rule)) = self.rejected(true).or_else(|| self.rejected(false)) {
            table.disagree(key, cell, rule);
        } else if self.at(false).all(|v| !v.accepted) != self.at(true).all(|v| !v.accepted) {
            // What one end rejected may be the tail of what was accepted, in records that are lost.
            table.uncompared(Uncompared::OpenerUnknown, 1);
        } else if let Some((key, cell)) = self.sizes() {
            table.disagree(key, cell, None);
        } else {
            table.agree(self.key(Cause::SizeDisagrees).as_ref());
        }
    }

    /// What one end let pass and the other rejected. `arriving`: the receiver rejected, else the sender.
    fn rejected(&self, arriving: bool) -> Option<(EndsKey, EndsCell, Option<u32>)> {
        // Of TCP, a SYN tells that what was rejected while leaving was an opening, and no late packet.
        let opening = |v: &View| v.protocol != Protocol::TCP.0 || v.evidence == Evidence::TcpFlags;
        let stopped =
            |v: &&View| !v.accepted && if arriving { v.rejected.0 } else { v.rejected.1 && opening(v) };
        let stopper = self.views.iter().find(stopped)?;
        let let_pass = |v: &&View| {
            // What was rejected on arrival can't have been answered.
            let passed =
                if arriving { v.outward.packets > 0 && v.inward.packets == 0 } else { v.inward.packets > 0 };
            v.at_high != stopper.at_high
                && passed
                && v.first <= stopper.last.saturating_add(SLACK)
                && stopper.first <= v.last.saturating_add(SLACK)
        };
        let passed = self.views.iter().find(let_pass)?;
        let (source, target) = if arriving { (passed, stopper) } else { (stopper, passed) };
        let key = EndsKey {
            cause: if arriving { Cause::RejectedOnArrival } else { Cause::NeverLeft },
            source: self.directory.interface(local(source)),
            target: self.directory.interface(local(target)),
            protocol: Protocol(source.protocol),
            port: local_port(target),
        };
        let mut cell = self.cell();
        cell.stopped[usize::from(stopper.stop)] += 1;
        Some((key, cell, passed.rule))
    }

    /// Both let it pass, but not as much of it.
    fn sizes(&self) -> Option<(EndsKey, EndsCell)> {
        let plain = |v: &View| v.accepted && v.rejected == (false, false);
        let key = self.key(Cause::SizeDisagrees)?;
        let (low, high) = self.views[0].ends;
        let (first, last) = self.span();
        let whole = self.views.iter().all(plain)
            && !self.directory.is_between(low, high)
            && [low, high].into_iter().all(|end| self.directory.is_covered(end, first, last, SLACK));
        if !whole {
            return None;
        }
        let sum = |high: bool, of: fn(&View) -> Volume| {
            self.at(high).map(of).fold(Volume::default(), |sum, v| Volume {
                packets: sum.packets + v.packets,
                bytes: sum.bytes + v.bytes,
            })
        };
        let pairs = [
            (sum(false, |v| v.outward), sum(true, |v| v.inward)),
            (sum(true, |v| v.outward), sum(false, |v| v.inward)),
        ];
        if pairs.iter().all(|(sent, arrived)| is_about(*sent, *arrived)) {
            return None;
        }
        let mut cell = self.cell();
        for (sent, arrived) in pairs {
            cell.sent_packets += sent.packets;
            cell.sent_bytes += sent.bytes;
            cell.arrived_packets += arrived.packets;
            cell.arrived_bytes += arrived.bytes;
        }
        Some((key, cell))
    }

    /// Only one end has it.
    fn one_sided(&self, table: &mut EndsTable) {
        let connections = self.views.len() as u64;
        let Some(view) = self.views.iter().find(|v| v.accepted) else {
            table.rejected_at_one_end(connections);
            return;
        };
        let (here, there) = (local(view), remote(view));
        let (first, last) = self.span();
        if !self.directory.is_covered(there, first, last, MARGIN) {
            table.uncompared(Uncompared::NotCovered, connections);
            return;
        }
        let known = view.evidence.strength() < Strength::Weak;
        let Some(direction) = view.opener.filter(|_| known) else {
            table.uncompared(Uncompared::OpenerUnknown, connections);
            return;
        };
        let handed_on = direction == Direction::Inbound && self.directory.may_be_handed_on(there, here);
        if handed_on || self.directory.is_between(here, there) || !self.directory.is_straight(here, there) {
            table.uncompared(Uncompared::OtherPath, connections);
            return;
        }
        let (source, target, cause) = match direction {
            Direction::Outbound => (here, there, Cause::NeverArrived),
            Direction::Inbound => (there, here, Cause::NeverLeft),
        };
        let key = EndsKey {
            cause,
            source: self.directory.interface(source),
            target: self.directory.interface(target),
            protocol: Protocol(view.protocol),
            port: if direction == Direction::Outbound { remote_port(view) } else { local_port(view) },
        };
        table.disagree(key, self.cell(), view.rule);
    }

    fn span(&self) -> (u32, u32) {
        let first = self.views.iter().map(|v| v.first).min().unwrap_or(0);
        (first, self.views.iter().map(|v| v.last).max().unwrap_or(0))
    }

    /// Who opened it at whose service, by the strongest evidence of both ends.
    fn key(&self, cause: Cause) -> Option<EndsKey> {
        let told = self
            .views
            .iter()
            .filter(|v| v.opener.is_some())
            .min_by_key(|v| (v.evidence, v.at_high, v.first))?;
        let (here, there) = (local(told), remote(told));
        let (source, target, port) = match told.opener? {
            Direction::Outbound => (here, there, remote_port(told)),
            Direction::Inbound => (there, here, local_port(told)),
        };
        let interface = |end| self.directory.interface(end);
        let protocol = Protocol(told.protocol);
        Some(EndsKey { cause, source: interface(source), target: interface(target), protocol, port })
    }

    fn cell(&self) -> EndsCell {
        let (first, last) = self.span();
        let answered = self.views.iter().any(|v| v.inward.packets > 0 && v.outward.packets > 0);
        EndsCell {
            connections: 1,
            answered: u64::from(answered),
            first,
            last,
            bytes: self.views.iter().map(|v| v.inward.bytes + v.outward.bytes).max().unwrap_or(0),
            weak: u64::from(self.views.iter().all(|v| v.evidence.strength() >= Strength::Weak)),
            ..EndsCell::default()
        }
    }
}

fn local(view: &View) -> u32 {
    if view.at_high { view.ends.1 } else { view.ends.0 }
}

fn remote(view: &View) -> u32 {
    if view.at_high { view.ends.0 } else { view.ends.1 }
}

fn local_port(view: &View) -> u16 {
    if view.at_high { view.ports.1 } else { view.ports.0 }
}

fn remote_port(view: &View) -> u16 {
    if view.at_high { view.ports.0 } else { view.ports.1 }
}

/// Equal but for a tenth, or a handful of packets that were on their way or dropped.
fn is_about(sent: Volume, arrived: Volume) -> bool {
    const HANDFUL: u64 = 10;
    const LARGEST: u64 = 9_001;
    let near = |a: u64, b: u64, few: u64| a.abs_diff(b) <= (a.max(b) / 10).max(few);
    near(sent.packets, arrived.packets, HANDFUL) && near(sent.bytes, arrived.bytes, HANDFUL * LARGEST)
}
