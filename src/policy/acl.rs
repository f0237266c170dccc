//! Network ACLs: numbered entries, the first that matches decides (domain C.4).

use super::ranges::meant;
use super::scope::Scope;
use crate::flow::{Direction, is_v4, net_range};
use crate::inventory::NetworkAcl;

/// What a network ACL says to one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AclVerdict {
    /// The packet does not cross the subnet's border.
    NotAsked,
    /// The entry with this number allows it.
    Allow(u32),
    /// The entry with this number denies it.
    Deny(u32),
    /// It depends on something flow logs do not carry (ICMP type), or on which of two observations held.
    Maybe,
    /// No network ACL is known for the subnet.
    Unknown,
}

impl AclVerdict {
    /// True when the packet is certainly stopped.
    #[must_use]
    pub fn denies(self) -> bool {
        matches!(self, Self::Deny(_))
    }

    /// The verdict, if the packet crosses the border of the subnet, which it does not `if` that is so.
    pub(crate) fn unless(self, stays_within: bool) -> Self {
        if stays_within && self.denies() { Self::Maybe } else { self }
    }

    /// True when the packet certainly passes.
    #[must_use]
    pub fn allows(self) -> bool {
        matches!(self, Self::Allow(_) | Self::NotAsked)
    }

    /// What two observations say together.
    pub(crate) fn both(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allow(_), Self::Allow(_)) | (Self::Deny(_), Self::Deny(_)) => other,
            (Self::Unknown, x) | (x, Self::Unknown) => x,
            (a, b) if a == b => a,
            _ => Self::Maybe,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u32,
    protocol: Option<u8>,
    allow: bool,
    remotes: (u128, u128),
    ports: (u16, u16),
    icmp_specific: bool,
}

/// One network ACL, ready to be asked.
#[derive(Debug)]
pub(crate) struct CompiledAcl {
    /// By direction, then family (IPv4, IPv6).
    entries: [[Vec<Entry>; 2]; 2],
}

impl CompiledAcl {
    pub fn new(acl: &NetworkAcl) -> Self {
        let mut entries: [[Vec<Entry>; 2]; 2] = Default::default();
        for entry in &acl.entries {
            let family = usize::from(matches!(entry.cidr, ipnet::IpNet::V6(_)));
            entries[entry.direction as usize][family].push(Entry {
                number: entry.number,
                protocol: entry.protocol.map(|p| p.0),
                allow: entry.allow,
                remotes: net_range(&entry.cidr),
                ports: entry.ports.unwrap_or((0, u16::MAX)),
                icmp_specific: entry.icmp.is_some_and(|(kind, _)| kind >= 0),
            });
        }
        for list in entries.iter_mut().flatten() {
            list.sort_by_key(|e| e.number);
        }
        Self { entries }
    }

    /// Asks for the reply to a packet in this direction. `port` is the reply's destination port.
    pub fn ask_reply(&self, direction: Direction, remote: u128, protocol: u8, port: u16) -> AclVerdict {
        // Nobody remembers answers about replies.
        self.ask(direction.reverse(), remote, protocol, port, &mut Scope::around(remote))
    }

    /// Asks for a packet that enters (`Inbound`) or leaves (`Outbound`) the subnet. `port` is the packet's
    /// destination port.
    pub fn ask(
        &self,
        direction: Direction,
        remote: u128,
        protocol: u8,
        port: u16,
        scope: &mut Scope,
    ) -> AclVerdict {
        let v4 = is_v4(remote);
        let list = &self.entries[direction as usize][usize::from(!v4)];
        let ported = protocol == 6 || protocol == 17;
        let mut maybe = [false; 2];
        for entry in list {
            if !meant(entry.protocol, entry.ports, protocol, port, scope)
                || !scope.remote_in(remote, entry.remotes)
            {
                continue;
            }
            if entry.icmp_specific && entry.protocol.is_some() && !ported {
                // Types are not logged (domain C.6): this entry may or may not be the one that decides.
                maybe[usize::from(entry.allow)] = true;
                continue;
            }
            return match (entry.allow, maybe) {
                (true, [true, _]) | (false, [_, true]) => AclVerdict::Maybe,
                (true, _) => AclVerdict::Allow(entry.number),
                (false, _) => AclVerdict::Deny(entry.number),
            };
        }
        // The catch-all entry may be missing from a trimmed dump; what no entry allows is denied.
        match maybe {
            [_, true] => AclVerdict::Maybe,
            _ => AclVerdict::Deny(if v4 { 32767 } else { 32768 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Protocol, address_bits};
    use crate::inventory::AclEntry;

    fn entry(
        number: u32,
        allow: bool,
        protocol: Option<u8>,
        cidr: &str,
        ports: Option<(u16, u16)>,
    ) -> AclEntry {
        AclEntry {
            number,
            direction: Direction::Inbound,
            protocol: protocol.map(Protocol),
            allow,
            cidr: cidr.parse().unwrap(),
            ports,
            icmp: None,
        }
    }

    fn ask(entries: Vec<AclEntry>, remote: &str, protocol: u8, port: u16) -> AclVerdict {
        let acl = CompiledAcl::new(&NetworkAcl { entries, ..NetworkAcl::default() });
        let remote = address_bits(remote.parse().unwrap());
        acl.ask(Direction::Inbound, remote, protocol, port, &mut Scope::around(remote))
    }

    #[test]
    fn lowest_number_decides_whatever_the_order() {
        let entries = vec![
            entry(200, true, None, "0.0.0.0/0", None),
            entry(100, false, Some(6), "10.0.0.0/8", Some((22, 22))),
        ];
        assert_eq!(ask(entries.clone(), "10.1.1.1", 6, 22), AclVerdict::Deny(100));
        assert_eq!(ask(entries.clone(), "10.1.1.1", 6, 23), AclVerdict::Allow(200));
        assert_eq!(ask(entries.clone(), "11.1.1.1", 6, 22), AclVerdict::Allow(200));
        assert_eq!(ask(entries, "2001:db8::1", 6, 22), AclVerdict::Deny(32768), "families are apart");
    }

    #[test]
    fn icmp_types_are_not_logged() {
        let mut typed = entry(100, true, Some(1), "0.0.0.0/0", None);
        typed.icmp = Some((3, 4));
        assert_eq!(ask(vec![typed], "10.1.1.1", 1, 0), AclVerdict::Maybe);
    }
}
