//! Records as AWS writes them: the fields of each format, as text and as numbers.

use std::io::Write as _;
use std::net::IpAddr;

use super::config::{ACCOUNT, Account, REGION};

/// Which fields a flow log was created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The default format.
    V2,
    /// The custom format of the AWS examples for TCP flags.
    V3,
    /// Everything up to version 5.
    V5,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Ok,
    NoData,
    SkipData,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub eni: usize,
    pub status: Status,
    pub egress: bool,
    pub reject: bool,
    pub proto: u8,
    pub flags: u8,
    /// `traffic-path`, 0 for none.
    pub path: u8,
    /// Local address as srcaddr or dstaddr shows it.
    pub shown: IpAddr,
    /// Local address in the packet.
    pub local: IpAddr,
    pub remote: IpAddr,
    pub local_port: u16,
    pub remote_port: u16,
    pub packets: u64,
    pub bytes: u64,
    /// Unix seconds.
    pub start: i64,
    pub end: i64,
}

impl Row {
    /// A NODATA or SKIPDATA row.
    pub fn empty(eni: usize, status: Status, start: i64, end: i64) -> Self {
        let none = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
        Self {
            eni,
            status,
            egress: false,
            reject: false,
            proto: 0,
            flags: 0,
            path: 0,
            shown: none,
            local: none,
            remote: none,
            local_port: 0,
            remote_port: 0,
            packets: 0,
            bytes: 0,
            start,
            end,
        }
    }
}

macro_rules! fields {
    ($($field:ident $name:literal,)*) => {
        /// A field of versions 2 to 5.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($field,)* }

        impl Field {
            /// As in the header line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$field => $name,)* }
            }
        }
    };
}

fields! {
    Version "version",
    AccountId "account-id",
    InterfaceId "interface-id",
    Srcaddr "srcaddr",
    Dstaddr "dstaddr",
    Srcport "srcport",
    Dstport "dstport",
    Protocol "protocol",
    Packets "packets",
    Bytes "bytes",
    Start "start",
    End "end",
    Action "action",
    LogStatus "log-status",
    VpcId "vpc-id",
    SubnetId "subnet-id",
    InstanceId "instance-id",
    TcpFlags "tcp-flags",
    Type "type",
    PktSrcaddr "pkt-srcaddr",
    PktDstaddr "pkt-dstaddr",
    Region "region",
    AzId "az-id",
    SublocationType "sublocation-type",
    SublocationId "sublocation-id",
    PktSrcAwsService "pkt-src-aws-service",
    PktDstAwsService "pkt-dst-aws-service",
    FlowDirection "flow-direction",
    TrafficPath "traffic-path",
}

use Field as F;

const V2: &[Field] = &[
    F::Version,
    F::AccountId,
    F::InterfaceId,
    F::Srcaddr,
    F::Dstaddr,
    F::Srcport,
    F::Dstport,
    F::Protocol,
    F::Packets,
    F::Bytes,
    F::Start,
    F::End,
    F::Action,
    F::LogStatus,
];
const V3: &[Field] = &[
    F::Version,
    F::VpcId,
    F::SubnetId,
    F::InstanceId,
    F::InterfaceId,
    F::AccountId,
    F::Type,
    F::Srcaddr,
    F::Dstaddr,
    F::Srcport,
    F::Dstport,
    F::PktSrcaddr,
    F::PktDstaddr,
    F::Protocol,
    F::Bytes,
    F::Packets,
    F::Start,
    F::End,
    F::Action,
    F::TcpFlags,
    F::LogStatus,
];
const V5: &[Field] = &[
    F::Version,
    F::AccountId,
    F::InterfaceId,
    F::Srcaddr,
    F::Dstaddr,
    F::Srcport,
    F::Dstport,
    F::Protocol,
    F::Packets,
    F::Bytes,
    F::Start,
    F::End,
    F::Action,
    F::LogStatus,
    F::VpcId,
    F::SubnetId,
    F::InstanceId,
    F::TcpFlags,
    F::Type,
    F::PktSrcaddr,
    F::PktDstaddr,
    F::Region,
    F::AzId,
    F::SublocationType,
    F::SublocationId,
    F::PktSrcAwsService,
    F::PktDstAwsService,
    F::FlowDirection,
    F::TrafficPath,
];

impl Format {
    pub fn fields(self) -> &'static [Field] {
        match self {
            Self::V2 => V2,
            Self::V3 => V3,
            Self::V5 => V5,
        }
    }

    /// The highest version among the fields.
    pub fn version(self) -> i64 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V5 => 5,
        }
    }

    /// `LogFormat` of DescribeFlowLogs.
    pub fn log_format(self) -> String {
        let tokens: Vec<String> = self.fields().iter().map(|f| format!("${{{}}}", f.name())).collect();
        tokens.join(" ")
    }

    pub fn header(self) -> String {
        let names: Vec<&str> = self.fields().iter().map(|f| f.name()).collect();
        names.join(" ")
    }

    /// Whether records carry pkt-srcaddr, pkt-dstaddr and tcp-flags.
    pub fn is_rich(self) -> bool {
        self != Self::V2
    }
}

/// Writes records; holds what is the same in every record of an interface.
pub struct Writer<'a> {
    account: &'a Account,
    format: Format,
    labels: Vec<Label>,
}

struct Label {
    id: String,
    vpc: String,
    subnet: String,
    instance: String,
    az: &'static str,
}

impl<'a> Writer<'a> {
    pub fn new(account: &'a Account, format: Format) -> Self {
        let labels = account
            .enis
            .iter()
            .map(|eni| {
                let subnet = &account.subnets[eni.subnet];
                Label {
                    id: eni.id.clone(),
                    vpc: account.vpcs[subnet.vpc].id.clone(),
                    subnet: subnet.id.clone(),
                    instance: eni.instance.clone().unwrap_or_else(|| "-".to_owned()),
                    az: az_id(subnet.az),
                }
            })
            .collect();
        Self { account, format, labels }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Appends one line.
    pub fn line(&self, row: &Row, out: &mut Vec<u8>) {
        for (n, &field) in self.format.fields().iter().enumerate() {
            if n > 0 {
                out.push(b' ');
            }
            if is_number(field) {
                match self.number(row, field) {
                    Some(number) => push_number(out, number),
                    None => out.push(b'-'),
                }
            } else {
                self.text(row, field, out);
            }
        }
        out.push(b'\n');
    }

    /// A numeric field; `None` is `-` in text and NULL in Parquet.
    pub fn number(&self, row: &Row, field: Field) -> Option<i64> {
        match field {
            F::Version => return Some(self.format.version()),
            F::Start => return Some(row.start),
            F::End => return Some(row.end),
            _ => {}
        }
        if row.status != Status::Ok {
            return None;
        }
        match field {
            F::Srcport => Some(i64::from(if row.egress { row.local_port } else { row.remote_port })),
            F::Dstport => Some(i64::from(if row.egress { row.remote_port } else { row.local_port })),
            F::Protocol => Some(i64::from(row.proto)),
            F::Packets => Some(row.packets as i64),
            F::Bytes => Some(row.bytes as i64),
            F::TcpFlags => Some(i64::from(row.flags)),
            F::TrafficPath => (row.path != 0).then_some(i64::from(row.path)),
            other => panic!("{} is text", other.name()),
        }
    }

    /// A text field.
    pub fn text(&self, row: &Row, field: Field, out: &mut Vec<u8>) {
        let label = &self.labels[row.eni];
        let known = match field {
            F::AccountId => ACCOUNT,
            F::InterfaceId => &label.id,
            F::VpcId => &label.vpc,
            F::SubnetId => &label.subnet,
            F::InstanceId => &label.instance,
            F::Region => REGION,
            F::AzId => label.az,
            F::LogStatus => match row.status {
                Status::Ok => "OK",
                Status::NoData => "NODATA",
                Status::SkipData => "SKIPDATA",
            },
            F::SublocationType | F::SublocationId => "-",
            _ if row.status != Status::Ok => "-",
            F::Action => ["ACCEPT", "REJECT"][usize::from(row.reject)],
            F::Type => ["IPv4", "IPv6"][usize::from(row.remote.is_ipv6())],
            F::FlowDirection => ["ingress", "egress"][usize::from(row.egress)],
            F::PktSrcAwsService => self.account.service(if row.egress { row.local } else { row.remote }),
            F::PktDstAwsService => self.account.service(if row.egress { row.remote } else { row.local }),
            _ => "",
        };
        out.extend_from_slice(known.as_bytes());
        let address = match field {
            _ if row.status != Status::Ok => return,
            F::Srcaddr => {
                if row.egress {
                    row.shown
                } else {
                    row.remote
                }
            }
            F::Dstaddr => {
                if row.egress {
                    row.remote
                } else {
                    row.shown
                }
            }
            F::PktSrcaddr => {
                if row.egress {
                    row.local
                } else {
                    row.remote
                }
            }
            F::PktDstaddr => {
                if row.egress {
                    row.remote
                } else {
                    row.local
                }
            }
            _ => return,
        };
        match address {
            IpAddr::V4(ip) => {
                for (n, byte) in ip.octets().into_iter().enumerate() {
                    if n > 0 {
                        out.push(b'.');
                    }
                    push_number(out, i64::from(byte));
                }
            }
            IpAddr::V6(ip) => write!(out, "{ip}").expect("writing to memory"),
        }
    }
}

/// True for the columns that are integers in Parquet.
pub fn is_number(field: Field) -> bool {
    is_long(field)
        || matches!(field, F::Version | F::Srcport | F::Dstport | F::Protocol | F::TcpFlags | F::TrafficPath)
}

/// True for the columns that are INT64 in Parquet.
pub fn is_long(field: Field) -> bool {
    matches!(field, F::Packets | F::Bytes | F::Start | F::End)
}

fn push_number(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// `eu-west-1a` is an alias; `euw1-az1` is the zone.
pub fn az_id(zone: &str) -> &'static str {
    match zone {
        "eu-west-1a" => "euw1-az1",
        "eu-west-1b" => "euw1-az2",
        other => panic!("zone {other}"),
    }
}

/// `traffic-path` of packets that leave an interface; 0 for what arrives.
pub fn traffic_path(account: &Account, eni: usize, egress: bool, remote: IpAddr) -> u8 {
    if !egress {
        return 0;
    }
    let subnet = &account.subnets[account.enis[eni].subnet];
    let inside = |vpc: &super::config::Vpc| {
        vpc.cidr.contains(remote) || vpc.cidr6.is_some_and(|block| block.contains(remote))
    };
    if inside(&account.vpcs[subnet.vpc]) {
        1
    } else if account.vpcs.iter().any(inside) {
        4
    } else if account.endpoint_blocks.iter().any(|block| block.contains(remote)) {
        7
    } else if subnet.public {
        8
    } else {
        // Through the NAT gateway, which is a resource in the same VPC.
        1
    }
}
