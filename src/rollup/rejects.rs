//! Rejected attempts, one row each, as columns; grouped and summed by polars.

use polars::prelude::{Column, DataFrame, PolarsResult};

use super::accumulate::REJECT_BUCKET;
use crate::connection::{Connection, is_private};
use crate::flow::Direction;

/// Rejected attempts. Late packets are no attempts and are not in here; a blocked reply is one, under the
/// network ACL that blocked it. Retransmitted SYNs are one attempt.
#[derive(Clone, Debug, Default)]
pub struct RejectTable {
    interface: Vec<u32>,
    direction: Vec<u8>,
    protocol: Vec<u8>,
    port: Vec<u16>,
    cause: Vec<&'static str>,
    first: Vec<u32>,
    remote: Vec<u128>,
}

/// One rejected attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Index of the interface.
    pub interface: u32,
    /// Direction of the attempt.
    pub direction: Direction,
    /// Protocol number.
    pub protocol: u8,
    /// Service port that was tried.
    pub port: u16,
    /// What stopped it, see [`crate::policy::Cause`]; `unknown` where that can't be said.
    pub cause: &'static str,
    /// First packet, Unix seconds.
    pub first: u32,
    /// The other side, IPv4 mapped bits.
    pub remote: u128,
}

impl RejectTable {
    pub(crate) fn push(&mut self, connection: &Connection, cause: &'static str) {
        self.interface.push(connection.interface);
        self.direction.push(connection.opener.unwrap_or(Direction::Inbound) as u8);
        self.protocol.push(connection.protocol.0);
        self.port.push(connection.service_port());
        self.cause.push(cause);
        self.first.push(connection.first);
        self.remote.push(connection.remote);
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.interface.append(&mut other.interface);
        self.direction.append(&mut other.direction);
        self.protocol.append(&mut other.protocol);
        self.port.append(&mut other.port);
        self.cause.append(&mut other.cause);
        self.first.append(&mut other.first);
        self.remote.append(&mut other.remote);
    }

    /// Attempts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.interface.len()
    }

    /// True without attempts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.interface.is_empty()
    }

    /// One attempt. Panics beyond [`RejectTable::len`], as slices do.
    #[must_use]
    pub fn get(&self, row: usize) -> Attempt {
        Attempt {
            interface: self.interface[row],
            direction: if self.direction[row] == 0 { Direction::Inbound } else { Direction::Outbound },
            protocol: self.protocol[row],
            port: self.port[row],
            cause: self.cause[row],
            first: self.first[row],
            remote: self.remote[row],
        }
    }

    /// Attempts per (interface, direction, cause, inside or outside source, 5-minute bucket): columns
    /// `interface`, `direction` (0 inbound, 1 outbound), `cause`, `inside` (1 for private addresses), `bucket`
    /// (Unix seconds / 300) and `attempts`, sorted by the first five.
    ///
    /// # Errors
    /// Passes on what polars reports.
    pub fn by_bucket(&self) -> PolarsResult<DataFrame> {
        let bucket: Vec<u32> = self.first.iter().map(|t| t / REJECT_BUCKET).collect();
        let inside: Vec<u8> = self.remote.iter().map(|&a| u8::from(is_private(a))).collect();
        let row: Vec<u32> = (0..self.len()).map(|i| u32::try_from(i).unwrap_or(u32::MAX)).collect();
        let frame = DataFrame::new(
            self.len(),
            vec![
                Column::new("interface".into(), &self.interface),
                Column::new("direction".into(), &self.direction),
                Column::new("cause".into(), &self.cause),
                Column::new("inside".into(), inside),
                Column::new("bucket".into(), bucket),
                Column::new("attempts".into(), row),
            ],
        )?;
        let keys = ["interface", "direction", "cause", "inside", "bucket"];
        let mut counts = frame.group_by(keys)?.select(["attempts"]).count()?;
        counts.rename("attempts_count", "attempts".into())?;
        counts.sort(keys, Default::default())
    }
}
