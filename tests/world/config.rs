//! What is configured in the simulated account, and the small language it is written in.
//!
//! A rule is written `in tcp 8080 sg:alb`: direction, protocol, ports (TCP, UDP: `443`, `0-65535`;
//! ICMP: `any` or `type/code`; nothing for other protocols), peer (CIDR, `sg:NAME`, `pl:NAME`).
//! A leading `!` marks a rule that the firewall has and the dump has not.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::net::Cidr;
use super::rng;

pub const ACCOUNT: &str = "111122223333";
pub const REGION: &str = "eu-west-1";
/// End of time for things that are never removed, in milliseconds.
pub const FOREVER: i64 = i64::MAX;

#[derive(Clone, Debug, Default)]
pub struct Account {
    pub vpcs: Vec<Vpc>,
    pub subnets: Vec<Subnet>,
    pub acls: Vec<Acl>,
    /// Added by `add_group` only, which keeps `group_names`.
    pub groups: Vec<Group>,
    pub group_names: BTreeMap<String, usize>,
    pub lists: Vec<PrefixList>,
    pub enis: Vec<Eni>,
    pub peerings: Vec<Peering>,
    /// Address blocks with a name in `pkt-*-aws-service`.
    pub services: Vec<(Cidr, &'static str)>,
    /// Reached through a gateway endpoint, not through the NAT gateway.
    pub endpoint_blocks: Vec<Cidr>,
}

#[derive(Clone, Debug)]
pub struct Vpc {
    pub id: String,
    pub name: String,
    pub cidr: Cidr,
    pub cidr6: Option<Cidr>,
    /// Whether the flow log watches it.
    pub logged: bool,
}

#[derive(Clone, Debug)]
pub struct Subnet {
    pub id: String,
    pub name: String,
    pub vpc: usize,
    pub az: &'static str,
    pub cidr: Cidr,
    pub cidr6: Option<Cidr>,
    pub acl: usize,
    /// Has a route to the internet gateway; others go through the NAT gateway.
    pub public: bool,
}

#[derive(Clone, Debug)]
pub struct Acl {
    pub id: String,
    pub name: String,
    pub vpc: usize,
    pub default: bool,
    pub entries: Vec<AclEntry>,
}

#[derive(Clone, Copy, Debug)]
pub struct AclEntry {
    pub number: u32,
    pub egress: bool,
    /// `None` is all protocols.
    pub proto: Option<u8>,
    pub ports: Option<(u16, u16)>,
    pub cidr: Cidr,
    pub allow: bool,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub vpc: usize,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    /// As written, e.g. `in tcp 8080 sg:alb`: the name by which the simulator finds it.
    pub spec: String,
    pub egress: bool,
    /// `None` is all protocols.
    pub proto: Option<u8>,
    /// TCP and UDP.
    pub ports: Option<(u16, u16)>,
    /// ICMP type and code, -1 for any.
    pub icmp: Option<(i16, i16)>,
    pub peer: Peer,
    /// The firewall has it, the dump has not: what it lets in escapes.
    pub hidden: bool,
    /// Added at this time, milliseconds.
    pub since: i64,
    /// Removed at this time, milliseconds.
    pub until: i64,
}

#[derive(Clone, Copy, Debug)]
pub enum Peer {
    Cidr(Cidr),
    List(usize),
    Group(usize),
}

#[derive(Clone, Debug)]
pub struct PrefixList {
    pub id: String,
    pub name: String,
    pub aws: bool,
    pub entries: Vec<(Cidr, &'static str)>,
}

#[derive(Clone, Debug)]
pub struct Eni {
    pub id: String,
    pub name: String,
    /// `InterfaceType`.
    pub kind: &'static str,
    pub subnet: usize,
    /// Private IPv4 addresses, the primary first.
    pub ips: Vec<Ipv4Addr>,
    pub ip6: Option<Ipv6Addr>,
    pub groups: Vec<usize>,
    pub instance: Option<String>,
    pub description: String,
    /// `RequesterId` of a requester-managed interface.
    pub requester: Option<&'static str>,
    pub public: Option<Ipv4Addr>,
    /// `TcpEstablishedTimeout` set on the interface, seconds.
    pub tcp_timeout: Option<u32>,
    /// Created at this time, milliseconds.
    pub since: i64,
    /// Deleted at this time, milliseconds.
    pub until: i64,
    /// Attached to a Nitro instance: its aggregation interval never exceeds 60 s.
    pub nitro: bool,
}

#[derive(Clone, Debug)]
pub struct Peering {
    pub id: String,
    pub requester: usize,
    pub accepter: usize,
}

/// An id in the form AWS gives out since 2018: prefix, dash, 17 hexadecimal digits.
pub fn id(prefix: &str, name: &str) -> String {
    format!("{prefix}-0{:016x}", rng::hash(&format!("{prefix}/{name}")))
}

impl Eni {
    pub fn primary(&self) -> IpAddr {
        IpAddr::V4(self.ips[0])
    }

    pub fn v6(&self) -> IpAddr {
        IpAddr::V6(self.ip6.unwrap_or_else(|| panic!("{} has no IPv6 address", self.name)))
    }

    pub fn owns(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.ips.contains(&ip),
            IpAddr::V6(ip) => self.ip6 == Some(ip),
        }
    }
}

impl Account {
    pub fn eni(&self, name: &str) -> usize {
        self.enis.iter().position(|e| e.name == name).unwrap_or_else(|| panic!("no interface {name}"))
    }

    pub fn subnet(&self, name: &str) -> usize {
        self.subnets.iter().position(|s| s.name == name).unwrap_or_else(|| panic!("no subnet {name}"))
    }

    pub fn group(&self, name: &str) -> usize {
        *self.group_names.get(name).unwrap_or_else(|| panic!("no group {name}"))
    }

    /// The rule of a group by the text it was written as.
    pub fn rule(&self, group: &str, spec: &str) -> &Rule {
        self.groups[self.group(group)]
            .rules
            .iter()
            .find(|r| r.spec == spec)
            .unwrap_or_else(|| panic!("no rule {spec} in {group}"))
    }

    pub fn vpc_of(&self, eni: usize) -> &Vpc {
        &self.vpcs[self.subnets[self.enis[eni].subnet].vpc]
    }

    /// Whether the flow log covers the interface.
    pub fn logged(&self, eni: usize) -> bool {
        self.vpc_of(eni).logged
    }

    /// `pkt-*-aws-service` of an address.
    pub fn service(&self, ip: IpAddr) -> &'static str {
        self.services.iter().find(|(block, _)| block.contains(ip)).map_or("-", |(_, name)| name)
    }

    /// Adds a group whose rules are resolved later, so that groups may refer to each other.
    pub fn add_group(&mut self, name: &str, description: &str, vpc: usize) {
        self.group_names.insert(name.to_owned(), self.groups.len());
        self.groups.push(Group {
            id: id("sg", name),
            name: name.to_owned(),
            description: description.to_owned(),
            vpc,
            rules: Vec::new(),
        });
    }

    /// Adds a rule in the language of this module.
    pub fn add_rule(&mut self, group: &str, text: &str, until: i64) {
        let (hidden, spec) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let words: Vec<&str> = spec.split_whitespace().collect();
        let proto = match words[1] {
            "all" => None,
            "tcp" => Some(6),
            "udp" => Some(17),
            "icmp" => Some(1),
            number => Some(number.parse().unwrap_or_else(|_| panic!("protocol in rule {spec}"))),
        };
        let has_ports = matches!(proto, Some(6 | 17));
        let has_icmp = proto == Some(1);
        assert_eq!(words.len(), if has_ports || has_icmp { 4 } else { 3 }, "rule {spec}");
        let peer_text = words[words.len() - 1];
        let peer = if let Some(name) = peer_text.strip_prefix("sg:") {
            Peer::Group(self.group(name))
        } else if let Some(name) = peer_text.strip_prefix("pl:") {
            let list = self.lists.iter().position(|l| l.name == name);
            Peer::List(list.unwrap_or_else(|| panic!("no prefix list {name}")))
        } else {
            Peer::Cidr(Cidr::parse(peer_text))
        };
        let icmp = has_icmp.then(|| match words[2].split_once('/') {
            None => (-1, -1),
            Some((kind, code)) => (kind.parse().expect("literal"), code.parse().expect("literal")),
        });
        let rule = Rule {
            id: id("sgr", &format!("{group}/{spec}")),
            spec: spec.to_owned(),
            egress: match words[0] {
                "in" => false,
                "out" => true,
                other => panic!("direction {other} in rule {spec}"),
            },
            proto,
            ports: has_ports.then(|| ports(words[2])),
            icmp,
            peer,
            hidden,
            since: i64::MIN,
            until,
        };
        let index = self.group(group);
        self.groups[index].rules.push(rule);
    }
}

/// `443` or `0-65535`.
pub fn ports(text: &str) -> (u16, u16) {
    let (lo, hi) = text.split_once('-').unwrap_or((text, text));
    (lo.parse().expect("port literal"), hi.parse().expect("port literal"))
}

/// A network ACL from lines such as `in 100 allow tcp 1024-65535 0.0.0.0/0`; ports `*` for all.
pub fn acl(name: &str, vpc: usize, default: bool, lines: &[&str]) -> Acl {
    let mut entries: Vec<AclEntry> = lines
        .iter()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            AclEntry {
                egress: words[0] == "out",
                number: words[1].parse().expect("entry number literal"),
                allow: words[2] == "allow",
                proto: match words[3] {
                    "all" => None,
                    "tcp" => Some(6),
                    "udp" => Some(17),
                    "icmp" => Some(1),
                    other => panic!("protocol {other}"),
                },
                ports: (words[4] != "*").then(|| ports(words[4])),
                cidr: Cidr::parse(words[5]),
            }
        })
        .collect();
    for egress in [false, true] {
        for (number, all) in [(32_767, "0.0.0.0/0"), (32_768, "::/0")] {
            let cidr = Cidr::parse(all);
            entries.push(AclEntry { number, egress, proto: None, ports: None, cidr, allow: false });
        }
    }
    Acl { id: id("acl", name), name: name.to_owned(), vpc, default, entries }
}
