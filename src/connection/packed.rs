//! Records packed for sorting.
//!
//! Pairing needs every record of a 5-tuple side by side, whatever file and order it came in. So each
//! record is packed into a small fixed-size struct whose key is the same for both directions: the two
//! endpoints in ascending order. [`Narrow`] holds the usual case (IPv4, packet-level addresses equal to
//! the record's) in 32 bytes that compare as two numbers; [`Wide`] holds everything else.
//!
//! While records are being read, interfaces are numbered as they are met, and a record carries its **lane**: the number
//! of an (interface, flow log). Once all is read, lanes give way to the interfaces' final numbers.

use std::cmp::Ordering;

use super::record::{Body, Endpoint, FLIPPED, REJECT};
use super::spill::Words;

/// Lanes and interfaces from here on do not fit a [`Narrow`].
pub(crate) const NARROW_LANES: u32 = 1 << 24;

const MAPPED: u128 = 0xffff << 32;

/// What packed records need besides [`Words`]. Their order is by tuple, then by time.
pub(crate) trait Packed: Words + Ord {
    fn body(&self) -> Body;
    /// The lane; after loading, the interface.
    fn lane(&self) -> u32;
    fn with_lane(self, lane: u32) -> Self;
    /// The lower and the higher endpoint.
    fn endpoints(&self) -> (Endpoint, Endpoint);
    /// By interface, endpoints and protocol.
    fn tuple_order(&self, other: &Self) -> Ordering;
    fn same_tuple(&self, other: &Self) -> bool;
}

/// A number that all records of a tuple share, whatever layout they are packed in.
pub(crate) fn spread(low: &Endpoint, high: &Endpoint, protocol: u8) -> u64 {
    let fold = |bits: u128| (bits as u64) ^ ((bits >> 64) as u64).rotate_left(29);
    let ports = (u64::from(low.port) << 16) | u64::from(high.port);
    mix(fold(low.packet), fold(high.packet), ports, protocol)
}

#[inline]
fn mix(low: u64, high: u64, ports: u64, protocol: u8) -> u64 {
    // Multiplications by odd constants (Fibonacci hashing): cheap, fixed, and good enough to spread partitions.
    let mut hash = low.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 29) ^ high).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 32) ^ (ports << 8) ^ u64::from(protocol)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// The endpoints in ascending order, and whether that turned them round.
pub(crate) fn ordered(source: Endpoint, destination: Endpoint) -> (Endpoint, Endpoint, bool) {
    if source > destination { (destination, source, true) } else { (source, destination, false) }
}

/// An IPv4 endpoint whose packet-level address is the record's own: address (32) | port (16). In the order of
/// [`Endpoint`]s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PlainEnd(u64);

impl PlainEnd {
    #[inline]
    pub fn new(address: u32, port: u16) -> Self {
        Self((u64::from(address) << 16) | u64::from(port))
    }

    /// The same endpoint, if it is such a one.
    pub fn of(end: &Endpoint) -> Option<Self> {
        end.is_plain_v4().then(|| Self::new(end.address as u32, end.port))
    }

    /// As [`spread`].
    #[inline]
    pub fn spread(low: Self, high: Self, protocol: u8) -> u64 {
        let address = |end: Self| MAPPED as u64 | (end.0 >> 16);
        let ports = ((low.0 & 0xffff) << 16) | (high.0 & 0xffff);
        mix(address(low), address(high), ports, protocol)
    }

    /// As [`ordered`]. Without a branch: records travel either way, and nobody can foretell which.
    #[inline]
    pub fn ordered(source: Self, destination: Self) -> (Self, Self, bool) {
        (source.min(destination), source.max(destination), source > destination)
    }
}

/// A packed record: IPv4, packet-level addresses equal to the record's. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Narrow {
    /// lane (24) | protocol (8) | low address (32) | high address (32) | low port (16) | high port (16)
    key: u128,
    /// In the order of [`Body`]'s comparison: start (32) | handshake (2) | end - start (14) | rejected (1) |
    /// other facts (6) | tcp flags (8) | packets (28) | bytes (37)
    body: u128,
}

impl Ord for Narrow {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.key, self.body).cmp(&(other.key, other.body))
    }
}

impl PartialOrd for Narrow {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    /// What sorting asks. Without a branch: whether two records are of one tuple, nobody can foretell.
    #[inline]
    fn lt(&self, other: &Self) -> bool {
        (self.key < other.key) | ((self.key == other.key) & (self.body < other.body))
    }
}

const DURATION: u32 = 1 << 14;
const PACKETS: u64 = 1 << 28;
const BYTES: u64 = 1 << 37;

impl Narrow {
    /// Packs a record, unless it needs more room. `flipped`: it travels from `high` to `low`.
    #[inline]
    pub fn pack(lane: u32, low: PlainEnd, high: PlainEnd, flipped: bool, body: &Body) -> Option<Self> {
        let duration = body.end - body.start;
        let fits = lane < NARROW_LANES && duration < DURATION && body.packets < PACKETS && body.bytes < BYTES;
        if !fits {
            return None;
        }
        // Without a branch, as all that differs from record to record: nobody can foretell what the next one is.
        let meta = body.meta | (u8::from(flipped) * FLIPPED);
        // Without the bit of the rejection, which comes first.
        let facts = (meta & FLIPPED) | ((meta >> 1) & 0x3e);
        let times = (u64::from(body.start) << 32)
            | (u64::from(body.handshake()) << 30)
            | (u64::from(duration) << 16)
            | (u64::from(meta & REJECT != 0) << 15)
            | (u64::from(facts) << 9)
            | (u64::from(body.tcp_flags) << 1)
            | (body.packets >> 27);
        let counts = (body.packets << 37) | body.bytes;
        Some(Self {
            key: narrow_key(lane, low, high, body.protocol),
            body: (u128::from(times) << 64) | u128::from(counts),
        })
    }

    /// The tuple's key, with the lane.
    pub fn key(&self) -> u128 {
        self.key
    }

    /// The same record in the other layout.
    pub fn widen(&self) -> Wide {
        let (low, high) = self.endpoints();
        Wide { lane: self.lane(), low, high, body: self.body() }
    }
}

fn narrow_key(lane: u32, low: PlainEnd, high: PlainEnd, protocol: u8) -> u128 {
    let upper = (u64::from(lane) << 40) | (u64::from(protocol) << 32) | (low.0 >> 16);
    let ports = ((low.0 & 0xffff) << 16) | (high.0 & 0xffff);
    let lower = ((high.0 >> 16) << 32) | ports;
    (u128::from(upper) << 64) | u128::from(lower)
}

impl Packed for Narrow {
    #[inline]
    fn body(&self) -> Body {
        let times = (self.body >> 64) as u64;
        let counts = self.body as u64;
        let start = (times >> 32) as u32;
        let facts = (times >> 9) as u8 & 0x3f;
        let rejected = if times & (1 << 15) != 0 { REJECT } else { 0 };
        Body {
            bytes: counts & (BYTES - 1),
            packets: ((times & 1) << 27) | (counts >> 37),
            start,
            end: start + ((times >> 16) as u32 & (DURATION - 1)),
            protocol: (self.key >> 96) as u8,
            tcp_flags: (times >> 1) as u8,
            meta: (facts & FLIPPED) | rejected | ((facts & 0x3e) << 1),
        }
    }

    #[inline]
    fn lane(&self) -> u32 {
        (self.key >> 104) as u32
    }

    #[inline]
    fn with_lane(self, lane: u32) -> Self {
        Self { key: (self.key & (u128::MAX >> 24)) | (u128::from(lane) << 104), ..self }
    }

    fn endpoints(&self) -> (Endpoint, Endpoint) {
        let end = |address: u128, port: u16| {
            let address = MAPPED | (address & 0xffff_ffff);
            Endpoint { address, packet: address, port }
        };
        (end(self.key >> 64, (self.key >> 16) as u16), end(self.key >> 32, self.key as u16))
    }

    fn tuple_order(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }

    #[inline]
    fn same_tuple(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Words for Narrow {
    const WORDS: usize = 4;

    fn word(&self, at: usize) -> u64 {
        let half = if at < 2 { self.key } else { self.body };
        if at.is_multiple_of(2) { (half >> 64) as u64 } else { half as u64 }
    }

    fn from_words(words: impl Fn(usize) -> u64) -> Self {
        let half = |at: usize| (u128::from(words(at)) << 64) | u128::from(words(at + 1));
        Self { key: half(0), body: half(2) }
    }
}

/// A packed record of any family, size and age, with packet-level addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Wide {
    lane: u32,
    low: Endpoint,
    high: Endpoint,
    body: Body,
}

impl Wide {
    /// Packs a record. `flipped`: it travels from `high` to `low`.
    pub fn pack(lane: u32, low: Endpoint, high: Endpoint, flipped: bool, mut body: Body) -> Self {
        if flipped {
            body.meta |= FLIPPED;
        }
        Self { lane, low, high, body }
    }

    /// The key that [`Narrow`] records of this tuple have, if there can be such: a tuple whose counters do not fit
    /// once is packed both ways.
    pub fn narrow_key(&self) -> Option<u128> {
        let (low, high) = (PlainEnd::of(&self.low)?, PlainEnd::of(&self.high)?);
        (self.lane < NARROW_LANES).then(|| narrow_key(self.lane, low, high, self.body.protocol))
    }
}

impl Packed for Wide {
    fn body(&self) -> Body {
        self.body
    }

    fn lane(&self) -> u32 {
        self.lane
    }

    fn with_lane(self, lane: u32) -> Self {
        Self { lane, ..self }
    }

    fn endpoints(&self) -> (Endpoint, Endpoint) {
        (self.low, self.high)
    }

    fn tuple_order(&self, other: &Self) -> Ordering {
        let key = |r: &Self| (r.lane, r.low, r.high, r.body.protocol);
        key(self).cmp(&key(other))
    }

    fn same_tuple(&self, other: &Self) -> bool {
        self.tuple_order(other).is_eq()
    }
}

impl Words for Wide {
    const WORDS: usize = 13;

    fn word(&self, at: usize) -> u64 {
        let Self { lane, low, high, body } = self;
        let half =
            |bits: u128, at: usize| if at.is_multiple_of(2) { (bits >> 64) as u64 } else { bits as u64 };
        match at {
            0 => (u64::from(*lane) << 32) | (u64::from(low.port) << 16) | u64::from(high.port),
            1 | 2 => half(low.address, at + 1),
            3 | 4 => half(low.packet, at + 1),
            5 | 6 => half(high.address, at + 1),
            7 | 8 => half(high.packet, at + 1),
            9 => body.bytes,
            10 => body.packets,
            11 => (u64::from(body.start) << 32) | u64::from(body.end),
            _ => (u64::from(body.protocol) << 16) | (u64::from(body.tcp_flags) << 8) | u64::from(body.meta),
        }
    }

    fn from_words(words: impl Fn(usize) -> u64) -> Self {
        let long = |at: usize| (u128::from(words(at)) << 64) | u128::from(words(at + 1));
        let (first, times, small) = (words(0), words(11), words(12));
        Self {
            lane: (first >> 32) as u32,
            low: Endpoint { address: long(1), packet: long(3), port: (first >> 16) as u16 },
            high: Endpoint { address: long(5), packet: long(7), port: first as u16 },
            body: Body {
                bytes: words(9),
                packets: words(10),
                start: (times >> 32) as u32,
                end: times as u32,
                protocol: (small >> 16) as u8,
                tcp_flags: (small >> 8) as u8,
                meta: small as u8,
            },
        }
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
