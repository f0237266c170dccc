//! What ports and names say about a role.

use ipnet::IpNet;

use crate::flow::Protocol;
use crate::inventory::{NetworkInterface, Rule};

/// Services that make a role.
pub(super) struct Role {
    /// What the expectation is called, after the tier.
    pub says: &'static str,
    tcp: &'static [u16],
    udp: &'static [u16],
}

pub(super) const DATABASE: Role = Role {
    says: "is asked by its clients only",
    tcp: &[1433, 1521, 3306, 5432, 5439, 6379, 9042, 9200, 11211, 27017],
    udp: &[],
};

pub(super) const ADMINISTRATION: Role =
    Role { says: "administration comes from where it should", tcp: &[22, 3389], udp: &[] };

/// SNMP; NRPE, node exporter, Prometheus, Zabbix agent.
pub(super) const MONITORING: Role =
    Role { says: "is watched by monitoring only", tcp: &[5666, 9090, 9100, 10050], udp: &[161] };

/// A rule for more ports than this is not about one of them.
const NARROW: u16 = 16;

impl Role {
    /// A rule that was made for one of its services.
    pub fn is_served_by(&self, rule: &Rule) -> bool {
        let ports = match rule.protocol {
            Some(Protocol::TCP) => self.tcp,
            Some(Protocol::UDP) => self.udp,
            _ => return false,
        };
        narrow(rule) && rule.ports.is_some_and(|(low, high)| ports.iter().any(|p| (low..=high).contains(p)))
    }
}

/// A rule for few ports, or for a protocol without.
pub(super) fn narrow(rule: &Rule) -> bool {
    match (rule.protocol, rule.ports) {
        (None, _) => false,
        (Some(protocol), None) => !protocol.has_ports(),
        (_, Some((low, high))) => high - low < NARROW,
    }
}

/// A rule for administration or a data store.
pub(super) fn is_sensitive(rule: &Rule) -> bool {
    ADMINISTRATION.is_served_by(rule) || DATABASE.is_served_by(rule) || MONITORING.is_served_by(rule)
}

pub(super) fn everyone(net: &IpNet) -> bool {
    net.prefix_len() == 0
}

/// Elastic Load Balancing describes its interfaces as `ELB app/NAME/ID` and the like.
pub(super) fn is_load_balancer(interface: &NetworkInterface) -> bool {
    interface.description.starts_with("ELB ") || interface.kind.contains("load_balancer")
}
