//! What is asked about.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// An address.
    Address(IpAddr),
    /// All addresses of a network.
    Network(IpNet),
    /// A network interface, `eni-…`, or a regional NAT gateway, `nat-…`.
    Interface(String),
    /// An instance, `i-…`: its interfaces.
    Instance(String),
    /// A security group, `sg-…`: the interfaces that are in it, while they are.
    Group(String),
    /// A security group rule, `sgr-…`: the connections that it permits.
    Rule(String),
}

/// Why a text is no subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// Neither an address nor a network nor an id.
    #[error("is not an address, a network or an id")]
    Unknown,
    /// A network whose length is not one.
    #[error("is not a network")]
    Network,
    /// The beginning of an id, and then something that no id has.
    #[error("is not an id")]
    Id,
    /// An id of something that connections have, but that is no subject.
    #[error("can't be investigated as a whole")]
    Whole,
}

impl Subject {
    /// What it is: `address`, `network`, `interface`, `instance`, `security-group` or `rule`.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Network(_) => "network",
            Self::Interface(_) => "interface",
            Self::Instance(_) => "instance",
            Self::Group(_) => "security-group",
            Self::Rule(_) => "rule",
        }
    }

    /// The network of an address or a network.
    #[must_use]
    pub fn network(&self) -> Option<IpNet> {
        match self {
            Self::Address(address) => Some(IpNet::from(*address)),
            Self::Network(network) => Some(*network),
            _ => None,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Interface(id) | Self::Instance(id) | Self::Group(id) | Self::Rule(id) => f.pad(id),
        }
    }
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        if text.contains('/') {
            let network: IpNet = text.parse().map_err(|_| SubjectError::Network)?;
            let (network, whole) = (canonical(network), network.prefix_len() == network.max_prefix_len());
            return Ok(if whole { Self::Address(network.addr()) } else { Self::Network(network.trunc()) });
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(address.to_canonical()));
        }
        let id = |make: fn(String) -> Self| match is_id(text) {
            true => Ok(make(text.to_owned())),
            false => Err(SubjectError::Id),
        };
        match text.split_once('-').map(|(kind, _)| kind) {
            Some("eni" | "nat") => id(Self::Interface),
            Some("i") => id(Self::Instance),
            Some("sg") => id(Self::Group),
            Some("sgr") => id(Self::Rule),
            Some("vpc" | "subnet") => Err(SubjectError::Whole),
            _ => Err(SubjectError::Unknown),
        }
    }
}

/// A network of mapped IPv4 addresses is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let mapped = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    mapped.and_then(|(address, length)| IpNet::new(address.into(), length).ok()).unwrap_or(network)
}

/// `eni-0123…`: letters, digits and hyphens after the first one.
fn is_id(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    text.len() <= 128
        && text.split_once('-').is_some_and(|(_, rest)| !rest.is_empty() && rest.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Result<(&'static str, String), SubjectError> {
        text.parse::<Subject>().map(|subject| (subject.kind(), subject.to_string()))
    }

    #[test]
    fn every_kind_is_told_by_its_look() {
        let ok = |kind: &'static str, text: &str| Ok((kind, text.to_owned()));
        assert_eq!(kind("203.0.113.7"), ok("address", "203.0.113.7"));
        assert_eq!(kind("2001:DB8:0::7"), ok("address", "2001:db8::7"));
        assert_eq!(kind("::ffff:10.0.0.1"), ok("address", "10.0.0.1"));
        assert_eq!(kind("10.0.3.9/24"), ok("network", "10.0.3.0/24"));
        assert_eq!(kind("10.0.3.9/32"), ok("address", "10.0.3.9"));
        assert_eq!(kind("2001:db8::/32"), ok("network", "2001:db8::/32"));
        assert_eq!(kind("::ffff:10.0.0.0/104"), ok("network", "10.0.0.0/8"));
        assert_eq!(kind("eni-0a1"), ok("interface", "eni-0a1"));
        assert_eq!(kind("nat-0a1"), ok("interface", "nat-0a1"));
        assert_eq!(kind("i-0a1"), ok("instance", "i-0a1"));
        assert_eq!(kind("sg-0a1"), ok("security-group", "sg-0a1"));
        assert_eq!(kind("sgr-x504bc28b45e574e3"), ok("rule", "sgr-x504bc28b45e574e3"));
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!(kind("10.0.3.0/33"), Err(SubjectError::Network));
        assert_eq!(kind("eni-"), Err(SubjectError::Id));
        assert_eq!(kind("eni-0a'; drop"), Err(SubjectError::Id));
        assert_eq!(kind("vpc-0a1"), Err(SubjectError::Whole));
        for wrong in ["", "10.0.3", "web-1", "eni", "10.0.0.1:443", "sg\u{1b}-1"] {
            assert_eq!(kind(wrong), Err(SubjectError::Unknown), "{wrong}");
        }
    }
}
