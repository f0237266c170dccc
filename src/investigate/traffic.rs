//! Sums over connections, as the subject sees them.

use super::rows::Row;
use crate::flow::Direction;

/// The verdicts, in the order in which they are told.
pub const VERDICTS: [&str; 5] = ["permitted", "escaped", "rejected", "misdropped", "not-evaluable"];

/// From which end the subject is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// At the interface: rows of its own records.
    Own,
    /// At the other side: rows of records of those that it talked to.
    Others,
    /// At a gateway between both: packets pass it that carry the subject's address, and it has another one itself.
    Passing,
}

impl End {
    /// `own`, `others` or `passing`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Others => "others",
            Self::Passing => "passing",
        }
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Opener {
    /// The subject.
    Subject,
    /// The other side.
    Peer,
    /// Nothing tells.
    Unknown,
}

impl Opener {
    /// `subject`, `peer` or `unknown`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Peer => "peer",
            Self::Unknown => "unknown",
        }
    }
}

/// Sums over connections. Pairs are by the subject and to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections that began on one of these days: each once, however many days it lasts.
    pub connections: u64,
    /// Days that connections went on from a day before.
    pub continued: u64,
    /// Of the connections, those whose opening was accepted.
    pub accepted: u64,
    /// Connections by verdict, as [`VERDICTS`].
    pub verdicts: [u64; 5],
    /// Connections by who opened them: the subject, the other side, unknown.
    pub openers: [u64; 3],
    /// Permitted connections that exactly one rule permits.
    pub sole: u64,
    /// Accepted bytes: sent by the subject, received.
    pub bytes: [u64; 2],
    /// Accepted packets, the same.
    pub packets: [u64; 2],
    /// Rejected packets, the same.
    pub rejected_packets: [u64; 2],
    /// Packets rejected after their connection had been accepted.
    pub late_packets: u64,
    /// First packet, also of connections that go on from before, Unix seconds.
    pub first: Option<i64>,
    /// Last packet.
    pub last: Option<i64>,
}

impl Traffic {
    /// Accepted bytes, both ways.
    #[must_use]
    pub fn all_bytes(&self) -> u64 {
        self.bytes[0].saturating_add(self.bytes[1])
    }

    /// Connections of a verdict of [`VERDICTS`].
    #[must_use]
    pub fn verdict(&self, name: &str) -> u64 {
        VERDICTS.iter().position(|verdict| *verdict == name).map_or(0, |at| self.verdicts[at])
    }

    /// Connections whose opening was rejected.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.connections.saturating_sub(self.accepted)
    }

    pub(super) fn add(&mut self, row: &Row<'_>, end: End) {
        if row.continued {
            self.continued += 1;
        } else {
            self.connections += 1;
            self.accepted += u64::from(row.accepted);
            if let Some(at) = VERDICTS.iter().position(|verdict| *verdict == row.verdict) {
                self.verdicts[at] += 1;
            }
            self.openers[opener(row, end) as usize] += 1;
            self.sole += u64::from(row.verdict == "permitted" && row.rules.len() == 1);
        }
        for (sum, of) in [
            (&mut self.bytes, row.bytes),
            (&mut self.packets, row.packets),
            (&mut self.rejected_packets, row.rejected),
        ] {
            let [inward, outward] = of;
            let [sent, received] = if end == End::Others { [inward, outward] } else { [outward, inward] };
            *sum = [sum[0].saturating_add(sent), sum[1].saturating_add(received)];
        }
        self.late_packets = self.late_packets.saturating_add(row.late);
        // What goes on from before is known since before.
        self.span(row.opened.min(row.start), row.end);
    }

    fn span(&mut self, first: i64, last: i64) {
        self.first = Some(self.first.map_or(first, |known| known.min(first)));
        self.last = Some(self.last.map_or(last, |known| known.max(last)));
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.connections += other.connections;
        self.continued += other.continued;
        self.accepted += other.accepted;
        self.sole += other.sole;
        self.late_packets = self.late_packets.saturating_add(other.late_packets);
        let add = |sums: &mut [u64], of: &[u64]| {
            sums.iter_mut().zip(of).for_each(|(sum, n)| *sum = sum.saturating_add(*n));
        };
        add(&mut self.verdicts, &other.verdicts);
        add(&mut self.openers, &other.openers);
        add(&mut self.bytes, &other.bytes);
        add(&mut self.packets, &other.packets);
        add(&mut self.rejected_packets, &other.rejected_packets);
        if let (Some(first), Some(last)) = (other.first, other.last) {
            self.span(first, last);
        }
    }
}

/// Who opened it, seen from the subject.
pub(super) fn opener(row: &Row<'_>, end: End) -> Opener {
    match (row.direction, end) {
        (None, _) => Opener::Unknown,
        (Some(Direction::Inbound), End::Others) => Opener::Subject,
        (Some(Direction::Outbound), End::Others) => Opener::Peer,
        (Some(Direction::Outbound), _) => Opener::Subject,
        (Some(Direction::Inbound), _) => Opener::Peer,
    }
}

/// A service: what the side that did not open it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// Who opened to it.
    pub opener: Opener,
    /// IANA number.
    pub protocol: u8,
    /// Its port; `None` for protocols without, and where the opener is unknown.
    pub port: Option<u16>,
}

pub(super) fn service(row: &Row<'_>, end: End) -> Service {
    let port = match row.direction {
        Some(Direction::Inbound) => Some(row.local_port),
        Some(Direction::Outbound) => Some(row.remote_port),
        None => None,
    };
    let port =
        port.filter(|_| matches!(row.protocol, 6 | 17 | 132) || row.local_port != 0 || row.remote_port != 0);
    Service { opener: opener(row, end), protocol: row.protocol, port }
}
