//! How much a line looks like one of a format: for lines that no header tells the format of.

use super::fields::Field;
use super::format::{FormatColumn, LogFormat};
use super::token;
use crate::flow::Protocol;

/// 2008, before there was a VPC, and 2100: what lies between is most likely a time.
const TIMES: std::ops::Range<u64> = 1_200_000_000..4_102_444_800;

/// What the values of a format look like, column by column.
#[derive(Clone, Debug)]
pub(super) struct Likeness {
    looks: Vec<Look>,
    /// What `version` must be: "the highest version among the specified fields" (VPC User Guide, "Flow log
    /// records", field `version`).
    version: u64,
    /// There are fields of an unknown version.
    open: bool,
    /// Another version means another format, whatever else fits.
    strict: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Version,
    Account,
    Interface,
    /// `srcaddr` and `dstaddr`, which every record has.
    Source,
    Destination,
    /// Another address.
    Address,
    Port,
    Protocol,
    Packets,
    Bytes,
    /// Another number.
    Number,
    Start,
    End,
    Action,
    Status,
    Direction,
    /// Begins like this.
    Prefix(&'static [u8]),
    /// Holds this.
    Infix(&'static [u8]),
    /// Most likely one of these; AWS may add others.
    Words(&'static [&'static [u8]]),
    Anything,
}

impl Look {
    fn of(field: &Field) -> Self {
        match field.name {
            "version" => Self::Version,
            "account-id" | "tgw-src-vpc-account-id" | "tgw-dst-vpc-account-id" => Self::Account,
            "interface-id" => Self::Interface,
            "srcaddr" => Self::Source,
            "dstaddr" => Self::Destination,
            "pkt-srcaddr" | "pkt-dstaddr" => Self::Address,
            "srcport" | "dstport" => Self::Port,
            "protocol" => Self::Protocol,
            "packets" => Self::Packets,
            "bytes" => Self::Bytes,
            "tcp-flags" | "traffic-path" | "encryption-status" => Self::Number,
            "packets-lost-no-route"
            | "packets-lost-blackhole"
            | "packets-lost-mtu-exceeded"
            | "packets-lost-ttl-expired" => Self::Number,
            "start" => Self::Start,
            "end" => Self::End,
            "action" => Self::Action,
            "log-status" => Self::Status,
            "flow-direction" => Self::Direction,
            "next-hop-interface-id" | "tgw-src-eni" | "tgw-dst-eni" => Self::Prefix(b"eni-"),
            "vpc-id" | "next-hop-vpc-id" | "tgw-src-vpc-id" | "tgw-dst-vpc-id" => Self::Prefix(b"vpc-"),
            "subnet-id" | "next-hop-subnet-id" | "tgw-src-subnet-id" | "tgw-dst-subnet-id" => {
                Self::Prefix(b"subnet-")
            }
            "instance-id" => Self::Prefix(b"i-"),
            "resource-id" => Self::Prefix(b"nat-"),
            "tgw-id" => Self::Prefix(b"tgw-"),
            "tgw-attachment-id" | "tgw-pair-attachment-id" => Self::Prefix(b"tgw-attach-"),
            "az-id" | "next-hop-az-id" | "tgw-src-az-id" | "tgw-dst-az-id" => Self::Infix(b"-az"),
            "ecs-cluster-arn" | "ecs-container-instance-arn" | "ecs-task-definition-arn" | "ecs-task-arn" => {
                Self::Prefix(b"arn:")
            }
            "type" => Self::Words(&[b"IPv4", b"IPv6", b"EFA"]),
            "reject-reason" => Self::Words(&[b"BPA", b"EC"]),
            "sublocation-type" => Self::Words(&[b"wavelength", b"outpost", b"localzone"]),
            "resource-type" => Self::Words(&[b"TransitGateway", b"TransitGatewayAttachment"]),
            _ => Self::Anything,
        }
    }

    /// True for what a NODATA or SKIPDATA row has no value for.
    fn is_traffic(self) -> bool {
        matches!(
            self,
            Self::Source
                | Self::Destination
                | Self::Port
                | Self::Protocol
                | Self::Packets
                | Self::Bytes
                | Self::Action
        )
    }

    /// True if the value of this column in a record that is complete is refused by the other.
    fn excludes(self, other: Self) -> bool {
        let address = matches!(other, Self::Source | Self::Destination | Self::Address);
        let word = matches!(other, Self::Interface | Self::Action | Self::Status | Self::Direction);
        let number = matches!(
            other,
            Self::Version
                | Self::Port
                | Self::Protocol
                | Self::Packets
                | Self::Bytes
                | Self::Number
                | Self::Start
                | Self::End
        );
        match self {
            Self::Source | Self::Destination => number || word,
            Self::Port | Self::Protocol | Self::Start | Self::End => address || word,
            Self::Action | Self::Status => self != other && (number || address || word),
            _ => false,
        }
    }
}

/// What a line says that its columns can only be judged by together.
#[derive(Default)]
struct Seen {
    status: Status,
    has_source: Option<bool>,
    start: Option<u64>,
    end: Option<u64>,
    packets: Option<u64>,
    bytes: Option<u64>,
    protocol: Option<u64>,
    /// A record would have had a value there.
    lacks: bool,
    lacks_port: bool,
    lacks_interval: bool,
    /// Columns of the traffic that have a value.
    busy: i32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Status {
    #[default]
    Untold,
    Ok,
    Idle,
}

impl Likeness {
    /// Of a format. If `strict`, a line with a `version` that these fields cannot have is none of it.
    pub(super) fn new(format: &LogFormat, strict: bool) -> Self {
        let mut looks: Vec<Look> = Vec::new();
        let (mut version, mut open) = (2, false);
        for (at, column) in format.columns().iter().enumerate() {
            let FormatColumn::Known(field) = column else {
                open = true;
                looks.push(Look::Anything);
                continue;
            };
            version = version.max(u64::from(field.version));
            // The first of several columns of one name is used.
            let repeated = format.columns()[..at].contains(column);
            looks.push(if repeated { Look::Anything } else { Look::of(field) });
        }
        Self { looks, version, open, strict }
    }

    /// The column of `version` and what it must be, if lines of any other version are of another format.
    pub(super) fn expected_version(&self) -> Option<(usize, String)> {
        let column = self.looks.iter().position(|look| *look == Look::Version)?;
        (self.strict && !self.open).then(|| (column, self.version.to_string()))
    }

    /// True if no record of this format that is complete can be a line of the other, as far as the columns
    /// alone say.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        self.looks.iter().zip(&other.looks).any(|(one, other)| one.excludes(*other))
    }

    /// True if the line is a NODATA or SKIPDATA row, seen as of this format.
    pub(super) fn is_idle(&self, values: &[&[u8]]) -> bool {
        let mut seen = Seen::default();
        for (look, value) in self.looks.iter().zip(values) {
            match look {
                Look::Status if matches!(*value, b"NODATA" | b"SKIPDATA") => seen.status = Status::Idle,
                Look::Status if *value == b"OK" => seen.status = Status::Ok,
                Look::Source => seen.has_source = Some(!is_none(value)),
                _ => {}
            }
        }
        seen.is_idle()
    }

    /// How much the line looks like one of this format; nothing if it cannot be one.
    ///
    /// A value counts for most where its own field is, and nothing counts against a sound line in its own
    /// format. So another format may come up to its own but not beyond.
    pub(super) fn score(&self, values: &[&[u8]]) -> Option<i32> {
        if values.len() != self.looks.len() {
            return None;
        }
        let mut seen = Seen::default();
        let mut score = 0;
        for (look, value) in self.looks.iter().zip(values) {
            score += if is_none(value) { seen.none(*look) } else { self.value(*look, value, &mut seen)? };
        }
        Some(score + seen.judge()?)
    }

    /// A value that is there.
    fn value(&self, look: Look, value: &[u8], seen: &mut Seen) -> Option<i32> {
        let number = |most: u64| whole(value, token::number(value)).filter(|number| *number <= most);
        seen.busy += i32::from(look.is_traffic());
        let good = |fits: bool| fits.then_some(2);
        match look {
            Look::Version => {
                let version = number(255)?;
                let fits = version == self.version || (self.open && version > self.version);
                if fits { Some(4) } else { (!self.strict).then_some(0) }
            }
            Look::Account => {
                let digits = value.len() == 12 && value.iter().all(u8::is_ascii_digit);
                Some(if digits || value == b"unknown" { 2 } else { 0 })
            }
            Look::Interface => value.starts_with(b"eni-").then_some(4),
            Look::Source => {
                seen.has_source = Some(true);
                good(whole(value, token::address(value)).is_some())
            }
            Look::Destination | Look::Address => good(whole(value, token::address(value)).is_some()),
            Look::Port => number(u64::from(u16::MAX)).map(|_| 1),
            Look::Protocol => {
                seen.protocol = Some(number(255)?);
                Some(1)
            }
            Look::Packets => {
                seen.packets = Some(number(u64::MAX)?);
                Some(1)
            }
            Look::Bytes => {
                seen.bytes = Some(number(u64::MAX)?);
                Some(1)
            }
            Look::Number => number(u64::MAX).map(|_| 1),
            Look::Start => seen.time(number(u64::MAX)?, |seen| &mut seen.start),
            Look::End => seen.time(number(u64::MAX)?, |seen| &mut seen.end),
            Look::Action => good(matches!(value, b"ACCEPT" | b"REJECT")),
            Look::Direction => good(matches!(value, b"ingress" | b"egress")),
            Look::Status => {
                seen.status = match value {
                    b"OK" => Status::Ok,
                    b"NODATA" | b"SKIPDATA" => Status::Idle,
                    _ => return None,
                };
                Some(2)
            }
            Look::Prefix(prefix) => Some(if value.starts_with(prefix) { 2 } else { 0 }),
            Look::Infix(part) => {
                Some(if value.windows(part.len()).any(|window| window == part) { 2 } else { 0 })
            }
            Look::Words(words) => Some(if words.contains(&value) { 2 } else { 0 }),
            Look::Anything => Some(0),
        }
    }
}

impl Seen {
    /// A value that is not there.
    fn none(&mut self, look: Look) -> i32 {
        match look {
            Look::Source => {
                self.has_source = Some(false);
                self.lacks = true;
            }
            Look::Destination | Look::Protocol | Look::Action => self.lacks = true,
            Look::Port => self.lacks_port = true,
            Look::Start | Look::End => self.lacks_interval = true,
            _ => {}
        }
        0
    }

    fn time(&mut self, number: u64, slot: impl Fn(&mut Self) -> &mut Option<u64>) -> Option<i32> {
        use super::assemble::MILLISECONDS_FROM;
        let seconds = if number > MILLISECONDS_FROM { number / 1000 } else { number };
        *slot(self) = Some(seconds);
        (seconds <= MILLISECONDS_FROM).then(|| if TIMES.contains(&seconds) { 2 } else { 0 })
    }

    /// As the decoder tells it.
    fn is_idle(&self) -> bool {
        match self.status {
            Status::Idle => true,
            Status::Ok => false,
            Status::Untold => self.has_source == Some(false),
        }
    }

    /// What all columns together make of the line.
    fn judge(&self) -> Option<i32> {
        if self.lacks_interval {
            return None;
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start > end
        {
            return None;
        }
        if self.is_idle() {
            // The traffic and the action are `-` there (VPC User Guide, "Flow log record examples").
            return Some(-self.busy);
        }
        let ports = self.protocol.and_then(|number| u8::try_from(number).ok());
        let needs_ports = ports.is_some_and(|number| Protocol(number).has_ports());
        if self.lacks || (self.lacks_port && needs_ports) {
            return None;
        }
        // No packet is without a header.
        let odd = matches!((self.packets, self.bytes), (Some(packets), Some(bytes)) if packets > bytes);
        Some(-i32::from(odd))
    }
}

fn is_none(value: &[u8]) -> bool {
    matches!(value, b"-" | b"")
}

/// The value, if it is the whole text.
fn whole<T>(text: &[u8], parsed: token::Parsed<T>) -> Option<T> {
    parsed.filter(|(_, len)| *len == text.len()).and_then(|(value, _)| value)
}
