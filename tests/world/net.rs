//! CIDR blocks and calendar times.

use std::fmt;
use std::net::IpAddr;

/// A CIDR block, canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    pub base: IpAddr,
    pub len: u8,
}

impl Cidr {
    /// Reads a literal of this simulator; a bad one is a bug in it, so this panics.
    pub fn parse(text: &str) -> Self {
        let (base, len) = text.split_once('/').unwrap_or_else(|| panic!("{text} is not a CIDR block"));
        let block = Self {
            base: base.parse().unwrap_or_else(|_| panic!("{text} is not a CIDR block")),
            len: len.parse().unwrap_or_else(|_| panic!("{text} is not a CIDR block")),
        };
        assert!(block.contains(block.base) && block.len <= if block.is_v6() { 128 } else { 32 });
        block
    }

    /// `0.0.0.0/0` holds no IPv6 address and `::/0` no IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                self.len == 0 || (u32::from(base) ^ u32::from(ip)) >> (32 - self.len) == 0
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                self.len == 0 || (u128::from(base) ^ u128::from(ip)) >> (128 - self.len) == 0
            }
            _ => false,
        }
    }

    pub fn is_v6(&self) -> bool {
        self.base.is_ipv6()
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.len)
    }
}

/// An address literal of this simulator.
pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap_or_else(|_| panic!("{text} is not an address"))
}

/// Calendar time of Unix seconds, UTC: year, month, day, hour, minute, second.
pub fn civil(seconds: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days to civil, after Howard Hinnant's public-domain algorithm.
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1, rest / 3600, rest / 60 % 60, rest % 60)
}

/// RFC 3339 in UTC, as snapshot directories are named.
pub fn rfc3339(seconds: i64) -> String {
    let (y, mo, d, h, mi, s) = civil(seconds);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_hold_their_family_only() {
        assert!(Cidr::parse("10.0.0.0/8").contains(ip("10.255.0.1")));
        assert!(!Cidr::parse("10.0.0.0/8").contains(ip("11.0.0.1")));
        assert!(!Cidr::parse("0.0.0.0/0").contains(ip("::1")));
        assert!(!Cidr::parse("::/0").contains(ip("10.0.0.1")));
        assert!(Cidr::parse("192.0.2.66/32").contains(ip("192.0.2.66")));
    }

    #[test]
    fn calendar() {
        assert_eq!(rfc3339(1_772_323_200), "2026-03-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
    }
}
