//! A file of expectations, read and checked.

use ipnet::IpNet;

use super::Pattern;
use crate::flow::{Direction, Protocol};

/// A checked file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectations {
    /// The tiers, those first that have a name, in the order of their names.
    pub tiers: Vec<Tier>,
    /// The expectations, in the order of the file.
    pub expectations: Vec<Expectation>,
}

/// Who is who.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Its name; of one that stands where it is used, what was written there.
    pub name: String,
    /// Line, from 1.
    pub line: usize,
    /// It has a name of its own.
    pub named: bool,
    /// What its members must be, all of it.
    pub clauses: Vec<Clause>,
}

/// One key of a tier: any of its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clause {
    /// Something about the interface.
    Interface(Selector, Vec<Pattern>),
    /// The address is in one of the blocks.
    Cidr(Vec<IpNet>),
    /// The address is in one of the prefix lists, by id or name.
    PrefixList(Vec<Pattern>),
    /// It belongs to one of these tiers.
    Tiers(Vec<usize>),
    /// It belongs to none of these tiers.
    Except(Vec<usize>),
}

/// What a pattern is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Selector {
    /// Id or name of one of its security groups.
    SecurityGroup,
    /// `Key=Value` or `Key`: a tag of the interface, or of one of its security groups.
    Tag,
    /// Id.
    Interface,
    /// `InterfaceType`, as AWS spells it.
    InterfaceType,
    /// Description.
    Description,
    /// Id of the instance it is attached to.
    Instance,
    /// Id or name tag of the subnet.
    Subnet,
    /// Id or name tag of the VPC.
    Vpc,
    /// Owner.
    Account,
}

impl Selector {
    /// Each with its key.
    pub const ALL: [(&'static str, Self); 9] = [
        ("account", Self::Account),
        ("description", Self::Description),
        ("instance", Self::Instance),
        ("interface", Self::Interface),
        ("interface-type", Self::InterfaceType),
        ("security-group", Self::SecurityGroup),
        ("subnet", Self::Subnet),
        ("tag", Self::Tag),
        ("vpc", Self::Vpc),
    ];
}

/// What should be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Its name, which findings carry.
    pub name: String,
    /// Line of the name, from 1.
    pub line: usize,
    /// Inbound: about connections to `tiers`. Outbound: about those that they open.
    pub direction: Direction,
    /// Whose interfaces judge.
    pub tiers: Vec<End>,
    /// What it says of the peers.
    pub mode: Mode,
    /// Who is on the other side.
    pub peers: Vec<End>,
    /// The services it is about; all if empty.
    pub services: Vec<Service>,
    /// The other side must be in the same VPC, too.
    pub same_vpc: bool,
    /// `critical` to `informational`, where the file says so.
    pub severity: Option<&'static str>,
}

/// What an expectation says of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nobody else.
    Only,
    /// None of them.
    Never,
    /// They are welcome, whatever other expectations say.
    May,
}

/// One side of a connection: a word or a tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every interface.
    Everything,
    /// Any address.
    Anywhere,
    /// Public addresses.
    Internet,
    /// Addresses of VPCs of the inventory.
    Inside,
    /// Addresses of the VPC of the interface that judges.
    SameVpc,
    /// By number.
    Tier(usize),
}

/// A service: protocol and ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// `None` is ICMP of both families.
    pub protocol: Option<Protocol>,
    /// First and last port; all for protocols without.
    pub ports: (u16, u16),
}

impl Service {
    /// True if the opening asks for this service.
    #[must_use]
    pub fn is(&self, protocol: Protocol, port: u16) -> bool {
        match self.protocol {
            None => protocol.is_icmp(),
            Some(own) => {
                own == protocol && (!own.has_ports() || (self.ports.0 <= port && port <= self.ports.1))
            }
        }
    }
}

/// `tcp 443`, `udp 8000-8100`, `tcp`, `icmp`, `protocol 47`.
impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.protocol, self.ports) {
            (None, _) => write!(f, "icmp"),
            (Some(p), _) if !p.has_ports() => write!(f, "protocol {}", p.0),
            (Some(p), (0, u16::MAX)) => write!(f, "{p}"),
            (Some(p), (low, high)) if low == high => write!(f, "{p} {low}"),
            (Some(p), (low, high)) => write!(f, "{p} {low}-{high}"),
        }
    }
}

impl Mode {
    /// The word of the file, without `from` or `to`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Only => "only",
            Self::Never => "never",
            Self::May => "may",
        }
    }
}

impl Expectations {
    /// The name of one side.
    #[must_use]
    pub fn name(&self, end: End) -> &str {
        match end {
            End::Everything => "everything",
            End::Anywhere => "anywhere",
            End::Internet => "internet",
            End::Inside => "inside",
            End::SameVpc => "same-vpc",
            End::Tier(number) => self.tiers.get(number).map_or("", |tier| &tier.name),
        }
    }

    /// `to db on tcp 3306, only from app, in the same VPC`.
    #[must_use]
    pub fn sentence(&self, expectation: &Expectation) -> String {
        let names = |ends: &[End]| ends.iter().map(|e| self.name(*e)).collect::<Vec<_>>().join(", ");
        let services: Vec<String> = expectation.services.iter().map(Service::to_string).collect();
        let on = if services.is_empty() { String::new() } else { format!(" on {}", services.join(", ")) };
        let (here, there) = match expectation.direction {
            Direction::Inbound => ("to", "from"),
            Direction::Outbound => ("from", "to"),
        };
        let same = if expectation.same_vpc { ", in the same VPC" } else { "" };
        let (tiers, peers) = (names(&expectation.tiers), names(&expectation.peers));
        format!("{here} {tiers}{on}: {} {there} {peers}{same}", expectation.mode.as_str())
    }
}
