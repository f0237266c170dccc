//! How far an answer reaches.
//!
//! Whatever decides on an opening compares its remote address, port and time with ranges. Each comparison comes out
//! the same for all values on the same side of the range's ends, so while a question is answered the [`Scope`] of the
//! answer is narrowed to that side: every question within it has the same answer. Open vSwitch fills its
//! megaflow cache in this way (Pfaff et al., "The Design and Implementation of Open vSwitch", NSDI 2015), with masks
//! where this has ranges.

use crate::connection::Connection;
use crate::flow::{Direction, Nets, family_of};

/// An opening to be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    /// Number in the run.
    pub interface: u32,
    pub direction: Direction,
    pub remote: u128,
    pub protocol: u8,
    /// Destination port of the opening packet.
    pub port: u16,
    /// Destination port of the reply, if what the network ACL says to it is asked as well.
    pub reply_port: Option<u16>,
}

impl Opening {
    /// That the connection was opened in `direction`. Nothing is asked about the reply.
    pub fn of(connection: &Connection, direction: Direction) -> Self {
        let port = match direction {
            Direction::Inbound => connection.local_port,
            Direction::Outbound => connection.remote_port,
        };
        Self {
            interface: connection.interface,
            direction,
            remote: connection.remote,
            protocol: connection.protocol.0,
            port,
            reply_port: None,
        }
    }

    /// The same, and the reply is asked about.
    pub fn with_reply(connection: &Connection, direction: Direction) -> Self {
        let reply_port = match direction {
            Direction::Inbound => connection.remote_port,
            Direction::Outbound => connection.local_port,
        };
        Self { reply_port: Some(reply_port), ..Self::of(connection, direction) }
    }
}

/// Remote addresses, ports and times (inclusive) for which an answer holds, all else being equal. The port of the
/// reply is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub remote: (u128, u128),
    pub port: (u16, u16),
    /// Unix seconds.
    pub time: (i64, i64),
}

impl Scope {
    /// All questions about addresses of the family of this one.
    pub fn around(remote: u128) -> Self {
        Self { remote: family_of(remote), port: (0, u16::MAX), time: (i64::MIN, i64::MAX) }
    }

    /// True if the remote address lies in the range.
    pub fn remote_in(&mut self, remote: u128, range: (u128, u128)) -> bool {
        if remote < range.0 {
            self.remote.1 = self.remote.1.min(range.0 - 1);
            false
        } else if remote > range.1 {
            self.remote.0 = self.remote.0.max(range.1 + 1);
            false
        } else {
            self.remote = (self.remote.0.max(range.0), self.remote.1.min(range.1));
            true
        }
    }

    /// True if one of the blocks holds the remote address.
    pub fn remote_in_any(&mut self, remote: u128, nets: &Nets) -> bool {
        nets.near(remote).iter().any(|&range| self.remote_in(remote, range))
    }

    /// True if the port lies in the range.
    pub fn port_in(&mut self, port: u16, range: (u16, u16)) -> bool {
        if port < range.0 {
            self.port.1 = self.port.1.min(range.0 - 1);
            false
        } else if port > range.1 {
            self.port.0 = self.port.0.max(range.1 + 1);
            false
        } else {
            self.port = (self.port.0.max(range.0), self.port.1.min(range.1));
            true
        }
    }

    /// The answer was looked up for this time.
    pub fn within(&mut self, time: (i64, i64)) {
        self.time = (self.time.0.max(time.0), self.time.1.min(time.1));
    }
}
