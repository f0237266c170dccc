//! Small value types with the field's standard names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `action` of a record: what happened to the packets at this interface, never end to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Action {
    /// The packets were accepted.
    Accept = 0,
    /// The packets were rejected by a security group, a network ACL, block public access, or because
    /// they arrived after the connection was closed.
    Reject = 1,
}

impl Action {
    /// The action behind a column code, see [`super::column::ACTION`].
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        if code == 0 { Self::Accept } else { Self::Reject }
    }
}

/// `log-status` of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum CaptureStatus {
    /// Normal data.
    Ok = 0,
    /// No traffic at the interface during the aggregation interval.
    NoData = 1,
    /// Records were skipped because of an AWS capacity limit or internal error: a gap in coverage.
    SkipData = 2,
}

/// `flow-direction` of a single record, relative to the interface. Not the direction of the
/// connection: replies travel the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum RecordDirection {
    /// Towards the interface.
    Ingress = 0,
    /// Away from the interface.
    Egress = 1,
}

/// Direction of a connection or of a rule: `inbound` if the remote side opens, `outbound` if the
/// interface does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Direction {
    /// Opened by the remote side; governed by ingress rules.
    Inbound = 0,
    /// Opened by the interface; governed by egress rules.
    Outbound = 1,
}

impl Direction {
    /// The contract's word: `inbound` or `outbound`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    /// The other direction.
    #[must_use]
    pub fn reverse(self) -> Self {
        match self {
            Self::Inbound => Self::Outbound,
            Self::Outbound => Self::Inbound,
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// IANA protocol number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);

    /// True for TCP and UDP, the protocols whose rules carry port ranges.
    #[must_use]
    pub fn has_ports(self) -> bool {
        self == Self::TCP || self == Self::UDP
    }

    /// True for ICMP and ICMPv6, whose type and code flow logs do not carry.
    #[must_use]
    pub fn is_icmp(self) -> bool {
        self == Self::ICMP || self == Self::ICMPV6
    }
}

/// `tcp`, `udp`, `icmp`, `icmpv6`, or the number.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.pad("icmp"),
            6 => f.pad("tcp"),
            17 => f.pad("udp"),
            58 => f.pad("icmpv6"),
            n => f.pad(&n.to_string()),
        }
    }
}

/// An address as 128 bits, IPv4 mapped into `::ffff:0:0/96`, so that one column holds both families.
#[must_use]
pub(crate) fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_ipv6_mapped()),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// The address behind [`address_bits`].
#[must_use]
pub(crate) fn address_from_bits(bits: u128) -> IpAddr {
    if bits >> 32 == 0xffff {
        IpAddr::V4(Ipv4Addr::from(bits as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from(bits))
    }
}
