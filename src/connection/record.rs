//! Records packed for sorting.
//!
//! Pairing needs every record of a 5-tuple side by side, whatever file and order it came in. So each
//! record is packed into a small fixed-size struct whose key is the same for both directions: the two
//! endpoints in ascending order. [`Narrow`] holds the usual case (IPv4, packet-level addresses equal to
//! the record's); [`Wide`] holds everything else.

use std::cmp::Ordering;

use crate::flow::Action;

/// One end of a tuple: the record's address, the packet-level address (domain A.5) and the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Endpoint {
    /// `srcaddr` or `dstaddr`, IPv4 mapped.
    pub address: u128,
    /// `pkt-srcaddr` or `pkt-dstaddr`; equal to `address` where the record has none.
    pub packet: u128,
    /// Port, 0 where the protocol has none.
    pub port: u16,
}

/// Why a packet was rejected, as far as the record itself says (`reject-reason`, domain A.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RejectReason {
    /// Nothing said: security group, network ACL, or a closed connection.
    None,
    /// `BPA`: VPC Block Public Access.
    BlockPublicAccess,
    /// `EC`: VPC encryption controls.
    EncryptionControls,
}

/// What both layouts carry beside the tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub bytes: u64,
    pub packets: u64,
    /// Unix seconds. 32 bits last until 2106.
    pub start: u32,
    pub end: u32,
    /// Which flow log delivered it: index into the run's flow logs, 0 for unknown.
    pub stream: u16,
    pub protocol: u8,
    pub tcp_flags: u8,
    meta: u8,
}

/// Bits of `tcp-flags` (domain A.4). ACK is only ever logged together with SYN.
pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const SYN_ACK: u8 = 18;

const FLIPPED: u8 = 1;
const REJECT: u8 = 1 << 1;
const INGRESS: u8 = 1 << 2;
const EGRESS: u8 = 1 << 3;
const FLAGGED: u8 = 1 << 4;
const BPA: u8 = 1 << 5;
const EC: u8 = 1 << 6;

impl Body {
    /// A body with everything but the boolean facts.
    pub fn new(protocol: u8, start: u32, end: u32, packets: u64, bytes: u64, stream: u16) -> Self {
        Self { bytes, packets, start, end, stream, protocol, tcp_flags: 0, meta: 0 }
    }

    pub fn set_action(&mut self, action: Action) {
        if action == Action::Reject {
            self.meta |= REJECT;
        }
    }

    pub fn set_flags(&mut self, flags: u8) {
        self.tcp_flags = flags;
        self.meta |= FLAGGED;
    }

    /// `flow-direction`: 0 ingress, 1 egress.
    pub fn set_direction_code(&mut self, code: u8) {
        self.meta |= if code == 0 { INGRESS } else { EGRESS };
    }

    pub fn set_reason(&mut self, reason: RejectReason) {
        self.meta |= match reason {
            RejectReason::None => 0,
            RejectReason::BlockPublicAccess => BPA,
            RejectReason::EncryptionControls => EC,
        };
    }

    /// True when the record travels from the higher endpoint to the lower one.
    pub fn flipped(&self) -> bool {
        self.meta & FLIPPED != 0
    }

    pub fn action(&self) -> Action {
        if self.meta & REJECT != 0 { Action::Reject } else { Action::Accept }
    }

    /// TCP flags, `None` where the log has no such column or the value was `-`.
    pub fn flags(&self) -> Option<u8> {
        (self.meta & FLAGGED != 0).then_some(self.tcp_flags)
    }

    /// `Some(true)` for egress, `Some(false)` for ingress, `None` where the record does not say.
    pub fn egress(&self) -> Option<bool> {
        match self.meta & (INGRESS | EGRESS) {
            INGRESS => Some(false),
            EGRESS => Some(true),
            _ => None,
        }
    }

    pub fn reason(&self) -> RejectReason {
        if self.meta & BPA != 0 {
            RejectReason::BlockPublicAccess
        } else if self.meta & EC != 0 {
            RejectReason::EncryptionControls
        } else {
            RejectReason::None
        }
    }

    /// Time order; within a second a SYN before the SYN-ACK that answers it, and that before the rest, accepts
    /// before rejects. Total, so that sorting is deterministic.
    fn order(&self, other: &Self) -> Ordering {
        let first = |b: &Self| (b.protocol, b.start, b.handshake());
        let rest = |b: &Self| (b.end, b.meta & REJECT, b.meta, b.tcp_flags, b.packets, b.bytes, b.stream);
        first(self).cmp(&first(other)).then_with(|| rest(self).cmp(&rest(other)))
    }

    /// 0 for a SYN, 1 for a SYN-ACK, 2 for anything else.
    fn handshake(&self) -> u8 {
        match self.flags() {
            Some(flags) if flags & SYN_ACK == SYN => 0,
            Some(flags) if flags & SYN_ACK == SYN_ACK => 1,
            _ => 2,
        }
    }

    /// The same record delivered again: equal in everything but the flow log that delivered it.
    pub fn repeats(&self, other: &Self) -> bool {
        Self { stream: other.stream, ..*self } == *other
    }
}

/// A packed record: IPv4, packet-level addresses equal to the record's. 48 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Narrow {
    /// interface (32) | low address (32) | high address (32) | low port (16) | high port (16)
    key: u128,
    body: Body,
}

/// A packed record of any family, with packet-level addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wide {
    interface: u32,
    low: Endpoint,
    high: Endpoint,
    body: Body,
}

/// What pairing needs of a packed record.
pub(crate) trait Packed: Copy + Send + Sync {
    /// Packs a record that travels from `source` to `destination`.
    fn pack(interface: u32, source: Endpoint, destination: Endpoint, body: Body) -> Self;
    fn body(&self) -> &Body;
    fn interface(&self) -> u32;
    fn set_interface(&mut self, interface: u32);
    /// The lower and the higher endpoint.
    fn endpoints(&self) -> (Endpoint, Endpoint);
    /// Same interface, endpoints and protocol.
    fn same_tuple(&self, other: &Self) -> bool;
    /// By tuple, then by time.
    fn order(&self, other: &Self) -> Ordering;
    /// A number that is equal for all records of a tuple, whatever the interface's index is.
    fn spread(&self) -> u64;
}

fn v4(bits: u128) -> u128 {
    bits & 0xffff_ffff
}

fn mix(value: u128) -> u64 {
    // Fibonacci hashing of the folded halves: cheap, fixed, and good enough to spread partitions.
    let folded = (value as u64) ^ ((value >> 64) as u64).rotate_left(29);
    folded.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

impl Packed for Narrow {
    fn pack(interface: u32, source: Endpoint, destination: Endpoint, mut body: Body) -> Self {
        let (s, d) = (v4(source.address), v4(destination.address));
        let flipped = (s, source.port) > (d, destination.port);
        if flipped {
            body.meta |= FLIPPED;
        }
        let (low, low_port, high, high_port) = if flipped {
            (d, destination.port, s, source.port)
        } else {
            (s, source.port, d, destination.port)
        };
        let key = (u128::from(interface) << 96)
            | (low << 64)
            | (high << 32)
            | (u128::from(low_port) << 16)
            | u128::from(high_port);
        Self { key, body }
    }

    fn body(&self) -> &Body {
        &self.body
    }

    fn interface(&self) -> u32 {
        (self.key >> 96) as u32
    }

    fn set_interface(&mut self, interface: u32) {
        self.key = (self.key & (u128::MAX >> 32)) | (u128::from(interface) << 96);
    }

    fn endpoints(&self) -> (Endpoint, Endpoint) {
        const MAPPED: u128 = 0xffff << 32;
        let end = |address: u128, port: u16| {
            let address = MAPPED | v4(address);
            Endpoint { address, packet: address, port }
        };
        (end(self.key >> 64, (self.key >> 16) as u16), end(self.key >> 32, self.key as u16))
    }

    fn same_tuple(&self, other: &Self) -> bool {
        self.key == other.key && self.body.protocol == other.body.protocol
    }

    fn order(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.body.order(&other.body))
    }

    fn spread(&self) -> u64 {
        mix((self.key & (u128::MAX >> 32)) ^ (u128::from(self.body.protocol) << 97))
    }
}

impl Packed for Wide {
    fn pack(interface: u32, source: Endpoint, destination: Endpoint, mut body: Body) -> Self {
        let flipped = source > destination;
        if flipped {
            body.meta |= FLIPPED;
        }
        let (low, high) = if flipped { (destination, source) } else { (source, destination) };
        Self { interface, low, high, body }
    }

    fn body(&self) -> &Body {
        &self.body
    }

    fn interface(&self) -> u32 {
        self.interface
    }

    fn set_interface(&mut self, interface: u32) {
        self.interface = interface;
    }

    fn endpoints(&self) -> (Endpoint, Endpoint) {
        (self.low, self.high)
    }

    fn same_tuple(&self, other: &Self) -> bool {
        self.interface == other.interface
            && self.low == other.low
            && self.high == other.high
            && self.body.protocol == other.body.protocol
    }

    fn order(&self, other: &Self) -> Ordering {
        (self.interface, self.low, self.high)
            .cmp(&(other.interface, other.low, other.high))
            .then_with(|| self.body.order(&other.body))
    }

    fn spread(&self) -> u64 {
        let ports = (u128::from(self.low.port) << 16) | u128::from(self.high.port);
        mix(self.low.packet
            ^ self.high.packet.rotate_left(61)
            ^ (ports << 40)
            ^ u128::from(self.body.protocol))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        let address = (0xffff_u128 << 32) | 0x0a00_0000 | u128::from(last);
        Endpoint { address, packet: address, port }
    }

    fn check<T: Packed>() {
        let body = Body::new(6, 100, 160, 3, 180, 0);
        let out = T::pack(7, end(1, 40000), end(2, 443), body);
        let back = T::pack(7, end(2, 443), end(1, 40000), body);
        assert!(out.same_tuple(&back), "both directions share a key");
        assert_eq!(out.spread(), back.spread());
        assert_ne!(out.body().flipped(), back.body().flipped());
        assert_eq!(out.endpoints(), (end(1, 40000), end(2, 443)));
        let mut moved = out;
        moved.set_interface(9);
        assert_eq!(moved.interface(), 9);
        assert_eq!(moved.endpoints(), out.endpoints());
        assert_eq!(moved.spread(), out.spread(), "partitioning ignores the interface's index");
        let other = T::pack(7, end(1, 40001), end(2, 443), body);
        assert!(!out.same_tuple(&other));
    }

    #[test]
    fn both_layouts_pair_directions() {
        check::<Narrow>();
        check::<Wide>();
    }

    #[test]
    fn narrow_stays_small() {
        assert_eq!(size_of::<Narrow>(), 48);
    }
}
