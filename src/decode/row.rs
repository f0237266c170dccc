//! One record between its bytes and its columns: which value means what.

use super::token;
use crate::flow::CaptureStatus;

/// What a column of a log means to the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    /// Not needed.
    Skip,
    Interface,
    Resource,
    SrcAddr,
    DstAddr,
    PktSrcAddr,
    PktDstAddr,
    SrcPort,
    DstPort,
    Protocol,
    Packets,
    Bytes,
    Start,
    End,
    TcpFlags,
    Action,
    Status,
    Direction,
    RejectReason,
    Account,
    Vpc,
    Subnet,
    Instance,
    Region,
}

impl Op {
    /// The meaning of a field, by its name in the catalogue.
    pub(super) fn of(field: &str) -> Self {
        match field {
            "interface-id" => Self::Interface,
            "resource-id" => Self::Resource,
            "srcaddr" => Self::SrcAddr,
            "dstaddr" => Self::DstAddr,
            "pkt-srcaddr" => Self::PktSrcAddr,
            "pkt-dstaddr" => Self::PktDstAddr,
            "srcport" => Self::SrcPort,
            "dstport" => Self::DstPort,
            "protocol" => Self::Protocol,
            "packets" => Self::Packets,
            "bytes" => Self::Bytes,
            "start" => Self::Start,
            "end" => Self::End,
            "tcp-flags" => Self::TcpFlags,
            "action" => Self::Action,
            "log-status" => Self::Status,
            "flow-direction" => Self::Direction,
            "reject-reason" => Self::RejectReason,
            "account-id" => Self::Account,
            "vpc-id" => Self::Vpc,
            "subnet-id" => Self::Subnet,
            "instance-id" => Self::Instance,
            "region" => Self::Region,
            _ => Self::Skip,
        }
    }

    /// The name in the catalogue; empty for what is skipped.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::Skip => "",
            Self::Interface => "interface-id",
            Self::Resource => "resource-id",
            Self::SrcAddr => "srcaddr",
            Self::DstAddr => "dstaddr",
            Self::PktSrcAddr => "pkt-srcaddr",
            Self::PktDstAddr => "pkt-dstaddr",
            Self::SrcPort => "srcport",
            Self::DstPort => "dstport",
            Self::Protocol => "protocol",
            Self::Packets => "packets",
            Self::Bytes => "bytes",
            Self::Start => "start",
            Self::End => "end",
            Self::TcpFlags => "tcp-flags",
            Self::Action => "action",
            Self::Status => "log-status",
            Self::Direction => "flow-direction",
            Self::RejectReason => "reject-reason",
            Self::Account => "account-id",
            Self::Vpc => "vpc-id",
            Self::Subnet => "subnet-id",
            Self::Instance => "instance-id",
            Self::Region => "region",
        }
    }

    /// This meaning as a member of a set.
    pub(super) const fn bit(self) -> u32 {
        1 << self as u32
    }

    /// True if the engine has a column of its own for it.
    pub(super) fn has_column(self) -> bool {
        use Op::{Account, Instance, Region, Resource, Skip, Status, Subnet, Vpc};
        !matches!(self, Skip | Resource | Status | Account | Vpc | Subnet | Instance | Region)
    }
}

/// The values of one record. Those whose bit is not in `present` are `-` or not in the format.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    pub(super) present: u32,
    pub(super) status: Option<CaptureStatus>,
    pub(super) interface: &'a [u8],
    pub(super) resource: &'a [u8],
    pub(super) reject_reason: &'a [u8],
    pub(super) account: &'a [u8],
    pub(super) vpc: &'a [u8],
    pub(super) subnet: &'a [u8],
    pub(super) instance: &'a [u8],
    pub(super) region: &'a [u8],
    pub(super) srcaddr: u128,
    pub(super) dstaddr: u128,
    pub(super) pkt_srcaddr: u128,
    pub(super) pkt_dstaddr: u128,
    pub(super) packets: u64,
    pub(super) bytes: u64,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) srcport: u16,
    pub(super) dstport: u16,
    pub(super) protocol: u8,
    pub(super) tcp_flags: u8,
    pub(super) action: u8,
    pub(super) direction: u8,
}

impl<'a> Row<'a> {
    pub(super) fn has(&self, op: Op) -> bool {
        self.present & op.bit() != 0
    }

    /// Takes the value at the beginning of `rest` and returns its length, or nothing if it cannot be
    /// what `op` asks for.
    ///
    /// Inlined so that the hot loop has the code of each kind of value in place; elsewhere use
    /// [`Row::read_whole`].
    #[inline(always)]
    pub(super) fn read(&mut self, op: Op, rest: &'a [u8]) -> Option<usize> {
        match op {
            Op::Skip => Some(token::length(rest)),
            Op::SrcAddr => self.address(op, rest, |row| &mut row.srcaddr),
            Op::DstAddr => self.address(op, rest, |row| &mut row.dstaddr),
            Op::PktSrcAddr => self.address(op, rest, |row| &mut row.pkt_srcaddr),
            Op::PktDstAddr => self.address(op, rest, |row| &mut row.pkt_dstaddr),
            Op::SrcPort => self.number(Op::SrcPort, rest),
            Op::DstPort => self.number(Op::DstPort, rest),
            Op::Protocol => self.number(Op::Protocol, rest),
            Op::Packets => self.number(Op::Packets, rest),
            Op::Bytes => self.number(Op::Bytes, rest),
            Op::Start => self.number(Op::Start, rest),
            Op::End => self.number(Op::End, rest),
            Op::TcpFlags => self.number(Op::TcpFlags, rest),
            Op::Action => self.keyword(op, rest, b"ACCEPT", b"REJECT", |row, code| row.action = code),
            Op::Direction => self.keyword(op, rest, b"ingress", b"egress", |row, code| row.direction = code),
            Op::Status => self.read_status(rest),
            Op::Interface => Some(self.read_text(Op::Interface, rest)),
            _ => Some(self.read_text(op, rest)),
        }
    }

    /// Takes a value that is all of `value`. False if it cannot be what `op` asks for.
    pub(super) fn read_whole(&mut self, op: Op, value: &'a [u8]) -> bool {
        self.read_first(op, value) == Some(value.len())
    }

    /// As [`Row::read`], not inlined.
    #[inline(never)]
    pub(super) fn read_first(&mut self, op: Op, rest: &'a [u8]) -> Option<usize> {
        self.read(op, rest)
    }

    #[inline(always)]
    fn number(&mut self, op: Op, rest: &[u8]) -> Option<usize> {
        let (value, len) = token::number(rest)?;
        match value {
            Some(number) => self.set_number(op, number).then_some(len),
            None => Some(len),
        }
    }

    #[inline(always)]
    fn address(&mut self, op: Op, rest: &[u8], slot: impl Fn(&mut Self) -> &mut u128) -> Option<usize> {
        let (value, len) = token::address(rest)?;
        if let Some(bits) = value {
            self.present |= op.bit();
            *slot(self) = bits;
        }
        Some(len)
    }

    /// Takes a number that is one already. False if it is out of the range of `op`.
    #[inline(always)]
    pub(super) fn set_number(&mut self, op: Op, number: u64) -> bool {
        self.present |= op.bit();
        match op {
            Op::SrcPort => fit(number, &mut self.srcport),
            Op::DstPort => fit(number, &mut self.dstport),
            Op::Protocol => fit(number, &mut self.protocol),
            Op::TcpFlags => fit(number, &mut self.tcp_flags),
            Op::Packets => fit(number, &mut self.packets),
            Op::Bytes => fit(number, &mut self.bytes),
            Op::Start => fit(number, &mut self.start),
            Op::End => fit(number, &mut self.end),
            _ => false,
        }
    }

    #[inline(always)]
    fn keyword(
        &mut self,
        op: Op,
        rest: &[u8],
        zero: &[u8],
        one: &[u8],
        set: impl FnOnce(&mut Self, u8),
    ) -> Option<usize> {
        let (code, len) = if token::begins(rest, zero) {
            (0, zero.len())
        } else if token::begins(rest, one) {
            (1, one.len())
        } else {
            return token::is_missing(rest).then_some(1);
        };
        set(self, code);
        self.present |= op.bit();
        Some(len)
    }

    #[inline(always)]
    fn read_status(&mut self, rest: &[u8]) -> Option<usize> {
        let (status, len) = if token::begins(rest, b"OK") {
            (CaptureStatus::Ok, 2)
        } else if token::begins(rest, b"NODATA") {
            (CaptureStatus::NoData, 6)
        } else if token::begins(rest, b"SKIPDATA") {
            (CaptureStatus::SkipData, 8)
        } else {
            return token::is_missing(rest).then_some(1);
        };
        self.status = Some(status);
        Some(len)
    }

    #[inline(always)]
    fn read_text(&mut self, op: Op, rest: &'a [u8]) -> usize {
        let len = token::length(rest);
        let value = &rest[..len];
        if value != b"-" {
            self.present |= op.bit();
            match op {
                Op::Interface => self.interface = value,
                Op::Resource => self.resource = value,
                Op::RejectReason => self.reject_reason = value,
                Op::Account => self.account = value,
                Op::Vpc => self.vpc = value,
                Op::Subnet => self.subnet = value,
                Op::Instance => self.instance = value,
                _ => self.region = value,
            }
        }
        len
    }
}

#[inline(always)]
fn fit<T: TryFrom<u64>>(number: u64, slot: &mut T) -> bool {
    T::try_from(number).map(|value| *slot = value).is_ok()
}
