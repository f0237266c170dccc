//! What is kept of a rejected attempt, and where it belongs.

use super::peers::hash_address;
use super::service_class::ServiceClass;
use crate::connection::Connection;
use crate::flow::Direction;
use crate::hash::mix64;

/// Seconds per bucket of rejected attempts.
pub(crate) const REJECT_BUCKET: u32 = 300;

/// What stopped an attempt, in the order of the words.
pub(super) const CAUSES: [&str; 8] = [
    "block-public-access",
    "both",
    "encryption-controls",
    "late-packet",
    "network-acl-in",
    "network-acl-out",
    "security-group",
    "unknown",
];

/// Bits of a packed series below the interface.
pub(super) const DETAIL: u32 = 7;
/// These bits.
pub(super) const DETAILS: u64 = (1 << DETAIL) - 1;

/// One rejected attempt as it is kept: 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Row {
    /// Interface (32 bits), service class (3), direction (1), index of the cause (3); see [`DETAIL`].
    pub series: u64,
    pub first: u32,
    pub port: u16,
    pub protocol: u8,
    /// See [`Row::level`], and [`MARKED`].
    level: u8,
    pub remote: [u64; 2],
}

/// The bit of a row's level that says that its source and port have their marks, and need not be looked up again.
const MARKED: u8 = 0x80;

impl Row {
    pub fn new(connection: &Connection, cause: &'static str) -> Self {
        let class = ServiceClass::of(connection);
        // What answers a question that nobody here asked came in, whatever its flags say of an opener.
        let (direction, port) = match class {
            ServiceClass::Unasked => (Direction::Inbound, connection.remote_port),
            _ => (connection.opener.unwrap_or(Direction::Inbound), connection.service_port()),
        };
        let cause = CAUSES.iter().position(|c| *c == cause).unwrap_or(CAUSES.len() - 1);
        let detail = ((class as u64) << 4) | ((direction as u64) << 3) | cause as u64;
        let series = (u64::from(connection.interface) << DETAIL) | detail;
        let ports = (u64::from(connection.local_port) << 24)
            | (u64::from(connection.remote_port) << 8)
            | u64::from(connection.protocol.0);
        let hash = mix64(hash_address(connection.remote) ^ ports)
            ^ mix64(hash_address(connection.local) ^ (u64::from(connection.first) << 32))
            ^ mix64(series);
        Self {
            series,
            first: connection.first,
            port,
            protocol: connection.protocol.0,
            level: mix64(hash).leading_zeros() as u8,
            remote: [(connection.remote >> 64) as u64, connection.remote as u64],
        }
    }

    /// One that was made before.
    pub fn known(series: u64, first: u32, protocol: u8, port: u16, level: u8, remote: [u64; 2]) -> Self {
        Self { series, first, port, protocol, level, remote }
    }

    pub fn address(&self) -> u128 {
        (u128::from(self.remote[0]) << 64) | u128::from(self.remote[1])
    }

    /// Leading zero bits of the hash of all that is known of it.
    pub fn level(&self) -> u8 {
        self.level & !MARKED
    }

    /// Says that it has marks; true if that is news.
    pub fn set_marked(&mut self) -> bool {
        let news = self.level & MARKED == 0;
        self.level |= MARKED;
        news
    }

    /// Equal attempts are equal again, marks or not.
    pub fn forget_marked(&mut self) {
        self.level &= !MARKED;
    }

    /// Series and 5-minute bucket.
    pub fn place(&self) -> Place {
        Place { series: self.series, bucket: self.first / REJECT_BUCKET }
    }
}

/// A series and a bucket of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub series: u64,
    pub bucket: u32,
}

impl Place {
    pub fn hash(self) -> u64 {
        mix64(self.series ^ (u64::from(self.bucket) << 36))
    }

    /// One of 65,536.
    pub fn stratum(self) -> usize {
        (self.hash() >> 48) as usize
    }
}

/// Attempts of one series in one bucket: 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    series: [u32; 2],
    pub bucket: u32,
    /// Stops at the largest number.
    pub attempts: u32,
    /// First packets of the first and the last attempt, Unix seconds.
    pub first: u32,
    pub last: u32,
}

impl Cell {
    pub fn one(row: &Row, width: Width) -> Self {
        let place = width.of(row.place());
        Self {
            series: [(place.series >> 32) as u32, place.series as u32],
            bucket: place.bucket,
            attempts: 1,
            first: row.first,
            last: row.first,
        }
    }

    pub fn place(&self) -> Place {
        let series = (u64::from(self.series[0]) << 32) | u64::from(self.series[1]);
        Place { series, bucket: self.bucket }
    }

    pub fn widened(mut self, width: Width) -> Self {
        let place = width.widen(self.place());
        self.series = [(place.series >> 32) as u32, place.series as u32];
        self.bucket = place.bucket;
        self
    }

    pub fn join(&mut self, other: &Self) {
        self.attempts = self.attempts.saturating_add(other.attempts);
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

/// How coarse cells are. Steps 1 to 17 double the bucket, to over a year; 18 to 49 merge twice as many interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Width(pub u8);

impl Width {
    const BUCKETS: u8 = 17;
    pub const LAST: Self = Self(Self::BUCKETS + 32);

    pub fn buckets(self) -> u32 {
        u32::from(self.0.min(Self::BUCKETS))
    }

    pub fn interfaces(self) -> u32 {
        u32::from(self.0.saturating_sub(Self::BUCKETS))
    }

    /// The place of this width that holds a place of 5 minutes.
    pub fn of(self, place: Place) -> Place {
        self.widen(Place { series: place.series, bucket: place.bucket >> self.buckets() })
    }

    /// Merges interfaces; the bucket has the width already.
    fn widen(self, place: Place) -> Place {
        let by = DETAIL + self.interfaces();
        Place { series: (place.series >> by << by) | (place.series & DETAILS), ..place }
    }
}

/// A source or a port that was seen in a thinned place: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    /// Series in the upper 40 bits, bucket below; see [`Mark::place`].
    place: u64,
    /// Hash of the source or port. The lowest bit tells which.
    pub hash: u64,
}

impl Mark {
    /// Of a source and a port.
    pub fn hashes(remote: u128, port: u16) -> [u64; 2] {
        [hash_address(remote) | 1, mix64(u64::from(port)) & !1]
    }

    /// Of an attempt.
    pub fn both(row: &Row) -> [Self; 2] {
        let place = Self::pack(row.place());
        Self::hashes(row.address(), row.port).map(|hash| Self { place, hash })
    }

    /// 32 + 7 bits of series, 24 of bucket: Unix time ends before 2^24 buckets of 300 s.
    fn pack(place: Place) -> u64 {
        (place.series << 24) | u64::from(place.bucket)
    }

    pub fn place(&self) -> Place {
        Place { series: self.place >> 24, bucket: (self.place & 0xff_ffff) as u32 }
    }

    pub fn level(&self) -> u8 {
        self.hash.leading_zeros() as u8
    }

    /// What a table goes by.
    pub fn slot(&self) -> u64 {
        mix64(self.place ^ self.hash.rotate_left(32))
    }
}
