//! One record, taken apart: its endpoints and its body.

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

impl Endpoint {
    /// An IPv4 endpoint whose packet-level address is the record's own.
    pub fn is_plain_v4(&self) -> bool {
        self.address >> 32 == 0xffff && self.address == self.packet
    }
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

/// What a record says beside its tuple.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    pub bytes: u64,
    pub packets: u64,
    /// Unix seconds. 32 bits last until 2106.
    pub start: u32,
    pub end: u32,
    pub protocol: u8,
    pub tcp_flags: u8,
    pub(super) meta: u8,
}

/// Bits of `tcp-flags` (domain A.4). ACK is only ever logged together with SYN.
pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const RST: u8 = 4;
pub(super) const SYN_ACK: u8 = 18;

pub(super) const FLIPPED: u8 = 1;
pub(super) const REJECT: u8 = 1 << 1;
const INGRESS: u8 = 1 << 2;
const EGRESS: u8 = 1 << 3;
const FLAGGED: u8 = 1 << 4;
const BPA: u8 = 1 << 5;
const EC: u8 = 1 << 6;

impl Body {
    /// A body with everything but the boolean facts.
    pub fn new(protocol: u8, start: u32, end: u32, packets: u64, bytes: u64) -> Self {
        Self { bytes, packets, start, end, protocol, tcp_flags: 0, meta: 0 }
    }

    pub fn set_action(&mut self, action: Action) {
        // Without a branch: nobody can foretell what the next record is.
        self.meta |= u8::from(action == Action::Reject) << 1;
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

    /// 0 for a SYN, 1 for a SYN-ACK, 2 for anything else.
    pub(super) fn handshake(&self) -> u8 {
        match self.flags() {
            Some(flags) if flags & SYN_ACK == SYN => 0,
            Some(flags) if flags & SYN_ACK == SYN_ACK => 1,
            _ => 2,
        }
    }
}

/// Time order; within a second a SYN before the SYN-ACK that answers it, and that before the rest, accepts
/// before rejects. Total, so that sorting is deterministic.
impl Ord for Body {
    fn cmp(&self, other: &Self) -> Ordering {
        let first = |b: &Self| (b.protocol, b.start, b.handshake());
        let rest = |b: &Self| (b.end, b.meta & REJECT, b.meta, b.tcp_flags, b.packets, b.bytes);
        first(self).cmp(&first(other)).then_with(|| rest(self).cmp(&rest(other)))
    }
}

impl PartialOrd for Body {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
